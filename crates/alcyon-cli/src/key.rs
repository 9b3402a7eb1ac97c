//! Where the key of a profile's database comes from: a passphrase or the system keyring. Which one is decided when the
//! profile is made and never changes by itself.

use std::io::{IsTerminal, stdin};

use alcyon_store::StoreKey;
use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    failure::Failure,
    text::{Language, Text},
};

/// Argon2id for new profiles: 64 MiB, three passes, one lane (RFC 9106, section 4, second recommended choice but one lane:
/// the same on every machine, and a phone has no four cores to spare).
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// What a profile may ask of this machine: 1 GiB, 64 passes, 16 lanes. More is not ours.
const MOST: (u32, u32, u32) = (1024 * 1024, 64, 16);

/// As it stands in `profile.json`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum KeySource {
    /// Argon2id of a passphrase.
    Passphrase {
        /// Base32.
        salt: String,
        memory_kib: u32,
        passes: u32,
        lanes: u32,
    },
    /// A random key, kept by the system.
    Keyring {
        /// Under this name.
        entry: String,
    },
}

/// Where secrets come from; a seam for tests.
pub(crate) trait Secrets {
    /// `ALCYON_PASSPHRASE`, if it is set, even to nothing.
    fn environment(&self) -> Option<Zeroizing<String>>;
    /// Whether somebody can be asked.
    fn can_ask(&self) -> bool;
    /// Asks, twice if it is a new passphrase.
    fn ask(&self, new: bool) -> Result<Zeroizing<String>, Failure>;
    /// The keyring's secret of that name.
    fn fetch(&self, entry: &str) -> Result<Zeroizing<Vec<u8>>, String>;
    /// Puts it there.
    fn keep(&self, entry: &str, key: &[u8; 32]) -> Result<(), String>;
}

impl KeySource {
    /// For a new profile: the passphrase in the environment if there is one, else the keyring if it works, else a
    /// passphrase that is asked for.
    pub(crate) fn choose(secrets: &dyn Secrets) -> Result<(Self, StoreKey), Failure> {
        if let Some(passphrase) = environment(secrets)? {
            return Self::from_passphrase(&passphrase);
        }
        let key = random::<32>()?;
        let entry = text(&random::<16>()?[..]);
        // Kept means that it comes back: some keyrings only say so.
        if secrets.keep(&entry, &key).is_ok() && secrets.fetch(&entry).is_ok_and(|kept| kept[..] == key[..]) {
            return Ok((Self::Keyring { entry }, StoreKey::from(*key)));
        }
        if !secrets.can_ask() {
            return Err(Failure::NoKeySource);
        }
        Self::from_passphrase(&secrets.ask(true)?)
    }

    fn from_passphrase(passphrase: &str) -> Result<(Self, StoreKey), Failure> {
        let salt = random::<16>()?;
        let key = derive(passphrase, &salt[..], MEMORY_KIB, PASSES, LANES)?;
        Ok((Self::Passphrase { salt: text(&salt[..]), memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES }, StoreKey::from(*key)))
    }

    /// The key of a profile that is there.
    pub(crate) fn key(&self, secrets: &dyn Secrets) -> Result<StoreKey, Failure> {
        match self {
            Self::Passphrase { salt, memory_kib, passes, lanes } => {
                let salt = BASE32_NOPAD
                    .decode(salt.to_ascii_uppercase().as_bytes())
                    .map_err(|_| Failure::DamagedProfile("the salt in profile.json is not base32"))?;
                let passphrase = match environment(secrets)? {
                    Some(passphrase) => passphrase,
                    None if secrets.can_ask() => secrets.ask(false)?,
                    None => return Err(Failure::NoPassphrase),
                };
                Ok(StoreKey::from(*derive(&passphrase, &salt, *memory_kib, *passes, *lanes)?))
            }
            Self::Keyring { entry } => {
                let key = secrets.fetch(entry).map_err(Failure::Keyring)?;
                let key = <[u8; 32]>::try_from(key.as_slice()).map_err(|_| Failure::Keyring("it is not 32 bytes long".to_owned()))?;
                Ok(StoreKey::from(key))
            }
        }
    }
}

fn environment(secrets: &dyn Secrets) -> Result<Option<Zeroizing<String>>, Failure> {
    match secrets.environment() {
        // Most likely a script's variable that was not set; taking it for "no passphrase" would choose another source.
        Some(passphrase) if passphrase.is_empty() => Err(Failure::EmptyPassphrase),
        passphrase => Ok(passphrase),
    }
}

fn derive(passphrase: &str, salt: &[u8], memory_kib: u32, passes: u32, lanes: u32) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let damaged = |_| Failure::DamagedProfile("profile.json asks for a key derivation that is not possible");
    if memory_kib > MOST.0 || passes > MOST.1 || lanes > MOST.2 {
        return Err(Failure::DamagedProfile("profile.json asks for a key derivation that is out of all proportion"));
    }
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(damaged)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut key[..])
        .map_err(damaged)?;
    Ok(key)
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut bytes[..]).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes)
}

fn text(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// The environment, the keyring and the terminal of this process.
pub(crate) struct SystemSecrets {
    pub(crate) language: Language,
}

/// The name that keyrings show.
const SERVICE: &str = "alcyon";

impl Secrets for SystemSecrets {
    fn environment(&self) -> Option<Zeroizing<String>> {
        std::env::var("ALCYON_PASSPHRASE").ok().map(Zeroizing::new)
    }

    fn can_ask(&self) -> bool {
        stdin().is_terminal()
    }

    fn ask(&self, new: bool) -> Result<Zeroizing<String>, Failure> {
        let ask = |text| rpassword::prompt_password(self.language.say(text)).map(Zeroizing::new);
        if !new {
            return Ok(ask(Text::AskPassphrase)?);
        }
        let passphrase = ask(Text::AskNewPassphrase)?;
        if passphrase.is_empty() {
            return Err(Failure::EmptyPassphrase);
        }
        if *ask(Text::AskAgain)? != *passphrase {
            return Err(Failure::PassphrasesDiffer);
        }
        Ok(passphrase)
    }

    fn fetch(&self, entry: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let secret = keyring::Entry::new(SERVICE, entry).and_then(|entry| entry.get_secret());
        secret.map(Zeroizing::new).map_err(|error| error.to_string())
    }

    fn keep(&self, entry: &str, key: &[u8; 32]) -> Result<(), String> {
        keyring::Entry::new(SERVICE, entry).and_then(|entry| entry.set_secret(key)).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_derivation_is_argon2id() {
        // From the reference implementation's own tests (test.c, version 0x13, Argon2id).
        let key = derive("password", b"somesalt", 256, 2, 1).unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(&key[..]), "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe");
    }

    #[test]
    fn a_profile_can_not_ask_for_the_whole_machine() {
        assert!(matches!(derive("x", b"saltsaltsalt", u32::MAX, 1, 1), Err(Failure::DamagedProfile(_))));
        assert!(matches!(derive("x", b"saltsaltsalt", 1024, 1_000_000, 1), Err(Failure::DamagedProfile(_))));
        assert!(matches!(derive("x", b"short", 1024, 1, 1), Err(Failure::DamagedProfile(_))));
        assert!(matches!(derive("x", b"saltsaltsalt", 0, 1, 1), Err(Failure::DamagedProfile(_))));
    }

    #[test]
    fn the_stored_form_is_fixed() {
        let passphrase = KeySource::Passphrase { salt: "abcd".to_owned(), memory_kib: 65536, passes: 3, lanes: 1 };
        let keyring = KeySource::Keyring { entry: "efgh".to_owned() };
        assert_eq!(
            serde_json::to_string(&passphrase).unwrap(),
            r#"{"source":"passphrase","salt":"abcd","memory_kib":65536,"passes":3,"lanes":1}"#
        );
        assert_eq!(serde_json::to_string(&keyring).unwrap(), r#"{"source":"keyring","entry":"efgh"}"#);
    }
}
