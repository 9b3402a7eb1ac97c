use std::fmt;

use alcyon_wire::{Stamp, StampKeyId, limits};
use rand_core_06::{OsRng, RngCore as _};
use voprf::{BlindedElement, EvaluationElement, Proof, VoprfClient};

use crate::{Issued, Point, StampError, Suite};

/// A batch of stamps that was asked for and has not come yet. Dropped, it is gone for good: nobody else can finish it.
pub struct Asked {
    key: <Suite as voprf::Group>::Elem,
    key_id: StampKeyId,
    challenge: [u8; 32],
    nonces: Vec<[u8; 32]>,
    clients: Vec<VoprfClient<Suite>>,
    hidden: Vec<BlindedElement<Suite>>,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked(..)")
    }
}

impl Asked {
    /// Draws numbers for a batch of [`limits::STAMP_BATCH`] stamps of a key, good where `challenge` says.
    pub fn draw(public_key: &Point, challenge: [u8; 32]) -> Result<Self, StampError> {
        let key = <Suite as voprf::Group>::deserialize_elem(public_key).map_err(|_| StampError::NotAnElement("the issuer's key"))?;
        let key_id = StampKeyId::of(public_key);
        let (mut nonces, mut clients, mut hidden) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..limits::STAMP_BATCH {
            let mut nonce = [0; 32];
            OsRng.fill_bytes(&mut nonce);
            let input = Stamp::input_of(&nonce, &challenge, key_id);
            let drawn = VoprfClient::<Suite>::blind(&input, &mut OsRng).map_err(|_| StampError::Failed)?;
            nonces.push(nonce);
            clients.push(drawn.state);
            hidden.push(drawn.message);
        }
        Ok(Self { key, key_id, challenge, nonces, clients, hidden })
    }

    /// What goes to the issuer.
    #[must_use]
    pub fn hidden(&self) -> Vec<Point> {
        self.hidden.iter().map(|element| element.serialize().into()).collect()
    }

    /// Checks the issuer's proof and makes the stamps: all of them or none.
    pub fn finish(self, issued: &Issued) -> Result<Vec<Stamp>, StampError> {
        let Self { key, key_id, challenge, nonces, clients, hidden: _ } = self;
        let Issued { points, proof } = issued;
        if points.len() != clients.len() {
            return Err(StampError::Count);
        }
        let points: Vec<_> = points
            .iter()
            .map(|point| EvaluationElement::<Suite>::deserialize(point))
            .collect::<Result<_, _>>()
            .map_err(|_| StampError::NotAnElement("what was issued"))?;
        let proof = Proof::<Suite>::deserialize(proof).map_err(|_| StampError::Proof)?;
        let inputs: Vec<_> = nonces.iter().map(|nonce| Stamp::input_of(nonce, &challenge, key_id)).collect();
        let outputs = VoprfClient::batch_finalize(&inputs, &clients, &points, &proof, key).map_err(|_| StampError::Proof)?;
        let outputs: Vec<_> = outputs.collect::<Result<_, _>>().map_err(|_| StampError::Failed)?;
        let stamp = |(nonce, output): (_, _)| Stamp { nonce, challenge, key: key_id, authenticator: <[u8; 64]>::from(output) };
        Ok(nonces.into_iter().zip(outputs).map(stamp).collect())
    }
}
