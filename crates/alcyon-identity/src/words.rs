use std::fmt;

use bip39::{Language, Mnemonic};
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::{IdentityError, Root};

/// How many words there are.
const COUNT: usize = 12;

/// Twelve English words (BIP-39, 128 bits) from which the root key derives. Whoever has them is the account.
/// They are wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryWords(Zeroizing<[u8; 16]>);

impl RecoveryWords {
    /// New words from the system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        let mut entropy = Zeroizing::new([0; 16]);
        getrandom::fill(&mut *entropy).expect("the system gives randomness");
        Self(entropy)
    }

    /// Reads words as people type them: any case, any white space between. Errors say which word is wrong.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let text = Zeroizing::new(text.to_lowercase());
        let actual = text.split_whitespace().count();
        if actual != COUNT {
            return Err(IdentityError::WordCount { actual });
        }
        if let Some(index) = text.split_whitespace().position(|word| Language::English.find_word(word).is_none()) {
            return Err(IdentityError::UnknownWord { position: index + 1 });
        }
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &text).map_err(|_| IdentityError::WordChecksum)?;
        let (entropy, length) = mnemonic.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        let entropy = entropy[..length].try_into().expect("12 words are 16 bytes");
        Ok(Self(Zeroizing::new(entropy)))
    }

    /// The words with single spaces between. Wiped when dropped.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mnemonic = Mnemonic::from_entropy_in(Language::English, &*self.0).expect("16 bytes are 12 words");
        // Room for the longest words, so that growing leaves no copy behind.
        let mut text = Zeroizing::new(String::with_capacity(COUNT * 9));
        for (index, word) in mnemonic.words().enumerate() {
            if index > 0 {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    /// The root key: HKDF-SHA-512 (RFC 5869) over the 16 bytes, without salt, info "alcyon root v1".
    #[must_use]
    pub fn root(&self) -> Root {
        let mut seed = Zeroizing::new([0; 32]);
        Hkdf::<Sha512>::new(None, &*self.0).expand(b"alcyon root v1", &mut *seed).expect("32 bytes are within HKDF's limit");
        Root(SigningKey::from_bytes(&seed))
    }
}

impl fmt::Debug for RecoveryWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryWords(..)")
    }
}
