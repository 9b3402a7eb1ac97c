//! Stamps, at both ends: how a server makes them without seeing them, and knows them again without knowing whose they are.
//!
//! They are Privacy Pass tokens (RFC 9576 to 9578) by the verifiable oblivious pseudorandom function of RFC 9497 over
//! ristretto255 with SHA-512, as in the batched issuance of the IETF's working group (token type 5). A holder draws a
//! number, hides it behind a random factor and has the server's key applied to that; taking the factor away again leaves
//! what the key makes of the number itself. The server has seen one point of the group that could hide any number, so
//! nothing, not even a computer that breaks the group, leads from a stamp back to when and to whom it was issued.
//!
//! The crate must not know storage, network, accounts or what a stamp is good for. It is no place for cryptography of our
//! own: that is `voprf`'s.
//!
//! ```
//! use alcyon_stamps::{Asked, Hidden, IssuerKey};
//! use alcyon_wire::token_challenge;
//!
//! let key = IssuerKey::derive(&[7; 32], b"the first epoch")?;
//! let at = token_challenge("sea.example");
//! // At the holder's: hidden numbers go out.
//! let asked = Asked::draw(&key.public_key(), at)?;
//! // At the server's, which sees nothing but those.
//! let issued = key.issue(&Hidden::parse(&asked.hidden())?)?;
//! // At the holder's again.
//! let stamps = asked.finish(&issued)?;
//! assert!(stamps.iter().all(|stamp| key.is_genuine(stamp, &at)));
//! # Ok::<_, alcyon_stamps::StampError>(())
//! ```

mod holder;
mod issuer;
#[cfg(test)]
mod tests;

use thiserror::Error;
use voprf::Ristretto255;

pub use holder::Asked;
pub use issuer::{Hidden, Issued, IssuerKey};

/// The group and hash of all stamps.
type Suite = Ristretto255;

/// A point of the group as it travels.
pub type Point = [u8; 32];

/// Why there is no stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StampError {
    /// Bytes are no element of the group. Whoever sent them is to be refused.
    #[error("{0} is not an element of the group")]
    NotAnElement(&'static str),
    /// There is no one answer for each that was asked for. Nothing of it is to be used.
    #[error("not as many answers as were asked for")]
    Count,
    /// The proof does not hold: not made with the key that was named. Nothing of it is to be used, and the issuer not believed.
    #[error("the issuer's proof does not hold")]
    Proof,
    /// There was no key or no number to be had from what was given. Try again.
    #[error("the group operation failed")]
    Failed,
}
