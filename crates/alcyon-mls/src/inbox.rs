//! Sealing to an inbox: HPKE (RFC 9180, base mode) with X-Wing, HKDF-SHA-384 and AES-256-GCM.

use alcyon_wire::{LogId, limits, proto};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    crypto::OpenMlsCrypto,
    random::OpenMlsRand,
    types::{HpkeCiphertext, HpkeConfig},
};
use prost::Message;
use zeroize::Zeroizing;

use crate::{Fault, MlsError, Suite, padding};

/// Length of an inbox's sealing key, bytes: an X-Wing public key.
pub const INBOX_PUBLIC_KEY: usize = 1216;
/// What a knock holds at most, bytes, before padding.
pub const KNOCK_CONTENT: usize = KNOCK_PADDED - 1;

const KNOCK_INFO: &[u8] = b"alcyon knock v1";
const LINK_INFO: &[u8] = b"alcyon link v1";
const CONFIG: HpkeConfig = Suite::PRODUCT.hpke();
/// The limit without KEM output (1,120 bytes), tag, and the frame around them.
const KNOCK_PADDED: usize = limits::KNOCK - 1120 - 16 - 16;

/// The secret an account's devices share for their inbox.
pub struct InboxKey {
    secret: Zeroizing<Vec<u8>>,
}

/// A knock, sealed: the payload of a knock entry, at most [`limits::KNOCK`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKnock(pub Vec<u8>);

impl InboxKey {
    /// A new one, and the public key for the manifest, [`INBOX_PUBLIC_KEY`] bytes.
    pub fn generate() -> Result<(Self, Vec<u8>), MlsError> {
        let crypto = RustCrypto::default();
        let defect = |fault| MlsError::Internal { doing: "generating an inbox key", fault };
        let seed = Zeroizing::new(crypto.random_vec(64).map_err(|error| defect(Fault::of(&error)))?);
        let pair = crypto.derive_hpke_keypair(CONFIG, &seed).map_err(|error| defect(Fault::of(&error)))?;
        Ok((Self { secret: Zeroizing::new(pair.private.to_vec()) }, pair.public))
    }

    /// The secret, for sealed storage.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.secret.clone()
    }

    /// Reads the form of [`Self::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { secret: Zeroizing::new(bytes.to_vec()) }
    }

    /// Opens a knock at `inbox`. Who it is from is for the `KnockContent` inside to prove.
    pub fn open_knock(&self, inbox: LogId, payload: &[u8]) -> Result<Vec<u8>, MlsError> {
        self.open(KNOCK_INFO, "knock", inbox, payload)
    }

    /// Opens what was sealed to a new device at the log where it meets one that is in.
    pub fn open_link(&self, log: LogId, payload: &[u8]) -> Result<Vec<u8>, MlsError> {
        self.open(LINK_INFO, "link", log, payload)
    }

    fn open(&self, info: &[u8], what: &'static str, log: LogId, payload: &[u8]) -> Result<Vec<u8>, MlsError> {
        let proto::SealedKnock { kem_output, ciphertext } =
            proto::SealedKnock::decode(payload).map_err(|_| MlsError::Malformed { what: "SealedKnock" })?;
        let sealed = HpkeCiphertext { kem_output: kem_output.to_vec().into(), ciphertext: ciphertext.to_vec().into() };
        let padded =
            RustCrypto::default().hpke_open(CONFIG, &sealed, &self.secret, info, log.as_bytes()).map_err(|_| MlsError::Sealed { what })?;
        padding::unpad(&padded).map(<[u8]>::to_vec)
    }
}

impl std::fmt::Debug for InboxKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InboxKey(..)")
    }
}

/// Seals `content`, at most [`KNOCK_CONTENT`] bytes, to the inbox whose sealing key this is.
pub fn seal_knock(sealing_key: &[u8], inbox: LogId, content: &[u8]) -> Result<SealedKnock, MlsError> {
    seal(KNOCK_INFO, sealing_key, inbox, content)
}

/// Seals `content`, at most [`KNOCK_CONTENT`] bytes, to a new device, at the log where it meets one that is in.
pub fn seal_link(sealing_key: &[u8], log: LogId, content: &[u8]) -> Result<SealedKnock, MlsError> {
    seal(LINK_INFO, sealing_key, log, content)
}

fn seal(info: &[u8], sealing_key: &[u8], log: LogId, content: &[u8]) -> Result<SealedKnock, MlsError> {
    if sealing_key.len() != INBOX_PUBLIC_KEY {
        return Err(MlsError::Malformed { what: "sealing key" });
    }
    if content.len() > KNOCK_CONTENT {
        return Err(MlsError::TooLarge { what: "the knock", limit: KNOCK_CONTENT, actual: content.len() });
    }
    let padded = padding::pad_to(content, padding::size_class(content.len() + 1).min(KNOCK_PADDED));
    let sealed = RustCrypto::default()
        .hpke_seal(CONFIG, sealing_key, info, log.as_bytes(), &padded)
        .map_err(|_| MlsError::Malformed { what: "sealing key" })?;
    let HpkeCiphertext { kem_output, ciphertext } = sealed;
    let kem_output = kem_output.as_slice().to_vec().into();
    Ok(SealedKnock(proto::SealedKnock { kem_output, ciphertext: ciphertext.as_slice().to_vec().into() }.encode_to_vec()))
}
