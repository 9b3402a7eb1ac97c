//! SCRAM-SHA-256 (RFC 5802, RFC 7677) from the client's side, without channel binding. What is dear, the hashing of the
//! password, is done once an account and kept, as real clients may: it is the generator's work and not the server's.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The mechanism's name.
pub const MECHANISM: &str = "SCRAM-SHA-256";
/// No channel binding, no other identity.
const NO_BINDING: &str = "n,,";
/// More rounds than any server asks for.
const MOST_ROUNDS: u32 = 10_000_000;

/// Why nobody gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// The server's message is not what the mechanism says.
    #[error("the server's SCRAM message is malformed")]
    Malformed,
    /// The server does not know the password either.
    #[error("the server's SCRAM signature is wrong")]
    WrongSignature,
}

/// What a password comes to with a server's salt.
#[derive(Debug, Clone)]
pub struct Keys {
    salt: Vec<u8>,
    rounds: u32,
    client: [u8; 32],
    server: [u8; 32],
}

/// A login under way.
#[derive(Debug)]
pub struct Scram {
    nonce: String,
    first_bare: String,
}

/// The client's last message, and what the server's has to say.
#[derive(Debug)]
pub struct Proof {
    /// What goes to the server.
    pub message: String,
    server_signature: [u8; 32],
}

impl Scram {
    /// For a name without commas or equals signs, with a nonce that was never used.
    pub fn new(name: &str, nonce: &str) -> Self {
        Self { nonce: nonce.to_owned(), first_bare: format!("n={name},r={nonce}") }
    }

    /// What goes to the server first.
    pub fn first(&self) -> String {
        format!("{NO_BINDING}{}", self.first_bare)
    }

    /// The answer to the server's challenge. `keys` are those of an earlier login, or are made now.
    pub fn answer(&self, challenge: &str, password: &str, keys: &mut Option<Keys>) -> Result<Proof, ScramError> {
        let field = |name: &str| challenge.split(',').find_map(|field| field.strip_prefix(name)).ok_or(ScramError::Malformed);
        let nonce = field("r=")?;
        let salt = BASE64.decode(field("s=")?.as_bytes()).map_err(|_| ScramError::Malformed)?;
        let rounds: u32 = field("i=")?.parse().map_err(|_| ScramError::Malformed)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() || rounds == 0 || rounds > MOST_ROUNDS {
            return Err(ScramError::Malformed);
        }
        let known = keys.take().filter(|keys| keys.salt == salt && keys.rounds == rounds);
        let keys = keys.insert(known.unwrap_or_else(|| Keys::derive(password, salt, rounds)));
        let without_proof = format!("c={},r={nonce}", BASE64.encode(NO_BINDING.as_bytes()));
        let signed = format!("{},{challenge},{without_proof}", self.first_bare);
        let stored: [u8; 32] = Sha256::digest(keys.client).into();
        let mut proof = mac(&stored, &[signed.as_bytes()]);
        for (byte, key) in proof.iter_mut().zip(keys.client) {
            *byte ^= key;
        }
        let message = format!("{without_proof},p={}", BASE64.encode(&proof));
        Ok(Proof { message, server_signature: mac(&keys.server, &[signed.as_bytes()]) })
    }
}

impl Proof {
    /// Whether the server's last message shows that it knows the password too.
    pub fn check(&self, last: &str) -> Result<(), ScramError> {
        let signature = last.split(',').find_map(|field| field.strip_prefix("v=")).ok_or(ScramError::Malformed)?;
        if signature == BASE64.encode(&self.server_signature) { Ok(()) } else { Err(ScramError::WrongSignature) }
    }
}

impl Keys {
    fn derive(password: &str, salt: Vec<u8>, rounds: u32) -> Self {
        let keyed = Hmac::<Sha256>::new_from_slice(password.as_bytes()).expect("HMAC takes keys of any length");
        let mut step = finish(keyed.clone(), &[&salt, &1_u32.to_be_bytes()]);
        let mut salted = step;
        for _ in 1..rounds {
            step = finish(keyed.clone(), &[&step]);
            for (sum, byte) in salted.iter_mut().zip(step) {
                *sum ^= byte;
            }
        }
        Self { client: mac(&salted, &[b"Client Key"]), server: mac(&salted, &[b"Server Key"]), salt, rounds }
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    finish(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"), parts)
}

fn finish(mut mac: Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_example_of_the_rfc() {
        let scram = Scram::new("user", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let mut keys = None;
        for _ in 0..2 {
            let proof = scram.answer(CHALLENGE, "pencil", &mut keys).unwrap();
            let wanted = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
            assert_eq!(proof.message, wanted);
            assert_eq!(proof.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
            assert_eq!(proof.check("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Err(ScramError::WrongSignature));
            assert_eq!(proof.check("e=invalid-proof"), Err(ScramError::Malformed));
        }
    }

    #[test]
    fn a_challenge_that_is_no_answer_is_refused() {
        let refused = |challenge: &str| Scram::new("user", "abc").answer(challenge, "pencil", &mut None).map(|_| ()).unwrap_err();
        for challenge in ["", "r=xyz,s=QQ==,i=1", "r=abc,s=QQ==,i=1", "r=abcd,s=!,i=1", "r=abcd,s=QQ==,i=0", "r=abcd,s=QQ==,i=4000000000"] {
            assert_eq!(refused(challenge), ScramError::Malformed, "{challenge}");
        }
    }
}
