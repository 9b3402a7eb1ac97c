use std::fmt;

use alcyon_wire::{Stamp, StampKeyId};
use rand_core_06::OsRng;
use subtle::ConstantTimeEq as _;
use voprf::{BlindedElement, VoprfServer};
use zeroize::Zeroizing;

use crate::{Point, StampError, Suite};

/// A server's key for the stamps of one epoch.
pub struct IssuerKey {
    server: VoprfServer<Suite>,
    public: Point,
    id: StampKeyId,
}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuerKey(..)")
    }
}

/// Numbers that a holder has hidden, read from what came: elements of the group, at least one.
pub struct Hidden(Vec<BlindedElement<Suite>>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

impl Hidden {
    /// Reads them. Costs little beside [`IssuerKey::issue`], which comes when it is sure that they may be issued.
    pub fn parse(points: &[Point]) -> Result<Self, StampError> {
        let elements: Result<Vec<_>, _> = points.iter().map(|point| BlindedElement::<Suite>::deserialize(point)).collect();
        let elements = elements.map_err(|_| StampError::NotAnElement("a hidden number"))?;
        if elements.is_empty() { Err(StampError::Count) } else { Ok(Self(elements)) }
    }
}

/// What goes back to who has asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// One for each that was asked for, in order.
    pub points: Vec<Point>,
    /// That all of them were made with the key that is public: so nobody can be given stamps of a key of their own.
    pub proof: [u8; 64],
}

impl IssuerKey {
    /// The key that follows from a secret seed and a name for it (`DeriveKeyPair` of RFC 9497).
    pub fn derive(seed: &[u8; 32], info: &[u8]) -> Result<Self, StampError> {
        let server = VoprfServer::<Suite>::new_from_seed(seed, info).map_err(|_| StampError::Failed)?;
        let public: Point = <Suite as voprf::Group>::serialize_elem(server.get_public_key()).into();
        Ok(Self { server, public, id: StampKeyId::of(&public) })
    }

    /// What everybody may know of it.
    #[must_use]
    pub fn public_key(&self) -> Point {
        self.public
    }

    /// By which stamps name it.
    #[must_use]
    pub fn id(&self) -> StampKeyId {
        self.id
    }

    /// Applies the key to hidden numbers, and proves it.
    pub fn issue(&self, hidden: &Hidden) -> Result<Issued, StampError> {
        let result = self.server.batch_blind_evaluate(&mut OsRng, &hidden.0).map_err(|_| StampError::Failed)?;
        let points = result.messages.iter().map(|message| message.serialize().into()).collect();
        let mut proof = [0; 64];
        proof.copy_from_slice(&result.proof.serialize());
        Ok(Issued { points, proof })
    }

    /// Whether a stamp is of this key and pays there. Says nothing of whether it was spent.
    #[must_use]
    pub fn is_genuine(&self, stamp: &Stamp, challenge: &[u8; 32]) -> bool {
        if stamp.key != self.id || stamp.challenge != *challenge {
            return false;
        }
        let Ok(expected) = self.server.evaluate(&stamp.input()) else { return false };
        let expected = Zeroizing::new(<[u8; 64]>::from(expected));
        bool::from(expected.ct_eq(&stamp.authenticator))
    }
}
