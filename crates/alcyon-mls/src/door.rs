//! What an invite is made of, and how a new join secret reaches those who hold one.

use alcyon_wire::{DoorId, DoorSecret, JoinSecret, LogId, proto};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    crypto::OpenMlsCrypto,
    random::OpenMlsRand,
    types::{HashType, HpkeCiphertext, HpkeConfig},
};
use zeroize::Zeroizing;

use crate::{Fault, MlsError, OpenDoor, Suite};

const INFO: &[u8] = b"alcyon door v1";
const CONFIG: HpkeConfig = Suite::PRODUCT.hpke();

/// Everything about a door, from the 32 bytes of its invite and the log it is at.
///
/// HKDF-SHA-384 (RFC 5869), salt: the log id, secret: the invite. Expanded by label: "alcyon door id v1" (16 bytes),
/// "alcyon door secret v1" (32, what the log is shown) and "alcyon door key v1" (64, the seed of the X-Wing key pair).
pub struct DoorKeys {
    log: LogId,
    /// The door's id, at the log and in the group's state.
    pub id: DoorId,
    /// What opens it at the log.
    pub secret: DoorSecret,
    /// The public key for the group's state, [`INBOX_PUBLIC_KEY`](crate::INBOX_PUBLIC_KEY) bytes.
    pub public_key: Vec<u8>,
    private_key: Zeroizing<Vec<u8>>,
}

/// A join secret, sealed to the holder of a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedJoinSecret {
    /// The door.
    pub door: DoorId,
    pub(crate) sealed: HpkeCiphertext,
}

impl DoorKeys {
    /// A new invite: 32 random bytes.
    pub fn new_invite() -> Result<Zeroizing<[u8; 32]>, MlsError> {
        let drawn = RustCrypto::default().random_array();
        drawn.map(Zeroizing::new).map_err(|error| MlsError::Internal { doing: "drawing an invite", fault: Fault::of(&error) })
    }

    /// The keys that derive from an invite.
    pub fn derive(invite: &[u8; 32], log: LogId) -> Result<Self, MlsError> {
        let crypto = RustCrypto::default();
        let defect = |error| MlsError::Internal { doing: "deriving a door's keys", fault: Fault::of(&error) };
        let length = |_| MlsError::Internal { doing: "deriving a door's keys", fault: Fault::of(&"Length") };
        let prk = crypto.hkdf_extract(HashType::Sha2_384, log.as_bytes(), invite).map_err(defect)?;
        let expand = |label: &str, length| crypto.hkdf_expand(HashType::Sha2_384, prk.as_slice(), label.as_bytes(), length).map_err(defect);
        let id = DoorId::parse(expand("alcyon door id v1", DoorId::LENGTH)?.as_slice(), "door.id").map_err(length)?;
        let secret = DoorSecret::parse(expand("alcyon door secret v1", 32)?.as_slice(), "door.secret").map_err(length)?;
        let seed = expand("alcyon door key v1", 64)?;
        let pair = crypto.derive_hpke_keypair(CONFIG, seed.as_slice()).map_err(defect)?;
        Ok(Self { log, id, secret, public_key: pair.public, private_key: Zeroizing::new(pair.private.to_vec()) })
    }

    /// Opens the join secret that a commit has sealed to this door. Who committed may have sealed anything: whether it
    /// is the true one shows when a later handshake opens with it.
    pub fn open_join_secret(&self, sealed: &SealedJoinSecret) -> Result<JoinSecret, MlsError> {
        const FAILED: MlsError = MlsError::Sealed { what: "join secret" };
        if sealed.door != self.id {
            return Err(FAILED);
        }
        let opened = RustCrypto::default().hpke_open(CONFIG, &sealed.sealed, &self.private_key, INFO, &place(self.log, self.id));
        let opened = Zeroizing::new(opened.map_err(|_| FAILED)?);
        JoinSecret::parse(&opened, "join_secret").map_err(|_| MlsError::Malformed { what: "join secret" })
    }
}

impl std::fmt::Debug for DoorKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DoorKeys(..)")
    }
}

/// Opens the join secret that is sealed to this door, if there is one among them.
pub fn open_join_secret(keys: &DoorKeys, sealed: &[SealedJoinSecret]) -> Result<Option<JoinSecret>, MlsError> {
    sealed.iter().find(|one| one.door == keys.id).map(|one| keys.open_join_secret(one)).transpose()
}

/// Seals a join secret to a door. A key that is none (its opener put in what he liked) gets nothing: none, and the
/// others are served.
pub(crate) fn seal_join_secret(secret: &JoinSecret, log: LogId, door: &OpenDoor) -> Option<SealedJoinSecret> {
    let id = door.door.id;
    let sealed = RustCrypto::default().hpke_seal(CONFIG, &door.door.key, INFO, &place(log, id), secret.as_bytes());
    sealed.ok().map(|sealed| SealedJoinSecret { door: id, sealed })
}

fn place(log: LogId, door: DoorId) -> Vec<u8> {
    [&log.as_bytes()[..], door.as_bytes()].concat()
}

impl SealedJoinSecret {
    pub(crate) fn to_field(&self) -> proto::SealedJoinSecret {
        let Self { door, sealed: HpkeCiphertext { kem_output, ciphertext } } = self;
        proto::SealedJoinSecret {
            door: door.to_field(),
            kem_output: kem_output.as_slice().to_vec().into(),
            ciphertext: ciphertext.as_slice().to_vec().into(),
        }
    }

    pub(crate) fn of_field(field: proto::SealedJoinSecret) -> Option<Self> {
        let proto::SealedJoinSecret { door, kem_output, ciphertext } = field;
        let sealed = HpkeCiphertext { kem_output: kem_output.to_vec().into(), ciphertext: ciphertext.to_vec().into() };
        Some(Self { door: DoorId::parse(&door, "join_secret.door").ok()?, sealed })
    }
}
