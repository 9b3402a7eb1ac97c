use std::collections::BTreeSet;

use alcyon_identity::{Chain, verify_device};
use alcyon_wire::{AccountId, LogId, SeatId, limits, proto};
use prost::Message;

use crate::{LocalDevice, MlsError};

const LABEL: &[u8] = b"alcyon leave v1";
const MALFORMED: MlsError = MlsError::Malformed { what: "LeaveProof" };

/// Somebody's word that it leaves: signed by one of its devices, about the leaves on the seats it names and no others.
/// It travels in the entry by which the seats are given up; any member's commit may then remove those leaves.
///
/// Seats are made for one log and used once, so an old proof is about nobody when its account has come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveProof {
    seats: BTreeSet<SeatId>,
    chain: Chain,
    signature: [u8; 64],
}

impl LeaveProof {
    /// Leaves `log` with the leaves that sit on `seats`, at most ten.
    #[must_use]
    pub fn sign(device: &LocalDevice<'_>, log: LogId, seats: impl IntoIterator<Item = SeatId>) -> Self {
        let seats = seats.into_iter().collect();
        let chain = device.chain().clone();
        let signature = device.sign_raw(&signed(log, chain.account(), &seats));
        Self { seats, chain, signature }
    }

    /// Whether the signature is about this log.
    #[must_use]
    pub fn holds(&self, log: LogId) -> bool {
        verify_device(self.chain.device(), &signed(log, self.account(), &self.seats), &self.signature).is_ok()
    }

    /// Who leaves.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.chain.account()
    }

    /// The era of the device that says so.
    #[must_use]
    pub fn era(&self) -> u32 {
        self.chain.era()
    }

    /// The seats that are given up.
    pub fn seats(&self) -> impl Iterator<Item = SeatId> {
        self.seats.iter().copied()
    }

    pub(crate) fn names(&self, seat: SeatId) -> bool {
        self.seats.contains(&seat)
    }

    /// Its bytes, about 450 with one seat.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_field().encode_to_vec()
    }

    /// Reads the form of [`Self::encode`], and no other; the chain is verified, whether it [`holds`](Self::holds) at a
    /// log is asked there.
    pub fn decode(bytes: &[u8]) -> Result<Self, MlsError> {
        let field = proto::LeaveProof::decode(bytes).map_err(|_| MALFORMED)?;
        let proof = Self::of_field(field)?;
        if proof.encode() == bytes { Ok(proof) } else { Err(MALFORMED) }
    }

    pub(crate) fn to_field(&self) -> proto::LeaveProof {
        let Self { seats, chain, signature } = self;
        proto::LeaveProof {
            seats: seats.iter().map(|seat| seat.to_field()).collect(),
            chain: Some(chain.to_field()),
            signature: signature.to_vec().into(),
        }
    }

    pub(crate) fn of_field(field: proto::LeaveProof) -> Result<Self, MlsError> {
        let proto::LeaveProof { seats: fields, chain, signature } = field;
        let seats: BTreeSet<_> = fields.iter().filter_map(|seat| SeatId::parse(seat, "leave.seats").ok()).collect();
        if seats.len() != fields.len() || seats.is_empty() || seats.len() > limits::DEVICES {
            return Err(MALFORMED);
        }
        let chain = Chain::verify(chain.ok_or(MALFORMED)?).map_err(|_| MlsError::Credential)?;
        let signature = signature.as_ref().try_into().map_err(|_| MALFORMED)?;
        Ok(Self { seats, chain, signature })
    }
}

fn signed(log: LogId, account: AccountId, seats: &BTreeSet<SeatId>) -> Vec<u8> {
    let mut bytes = [LABEL, log.as_bytes(), account.as_bytes()].concat();
    seats.iter().for_each(|seat| bytes.extend_from_slice(seat.as_bytes()));
    bytes
}
