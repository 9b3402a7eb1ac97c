//! One account's part of a Welcome.
//!
//! A Welcome holds secrets for every device that was added (RFC 9420 section 12.4.3.1), some 1.3 kB each. It travels in
//! knocks, which hold 32 KiB, to each account apart: so each gets the secrets for its own devices alone.

use openmls_rust_crypto::RustCrypto;
use tls_codec::{DeserializeBytes, Serialize, VLBytes};

use crate::{Fault, JudgedKeyPackage, MlsError};

/// MLSMessage: version and wire format; Welcome: the suite (RFC 9420 sections 6 and 12.4.3.1).
const FIXED: usize = 6;
const MALFORMED: MlsError = MlsError::Malformed { what: "Welcome" };

/// The Welcome with the secrets for these KeyPackages alone. Those that it has none for are passed over.
pub fn welcome_for<'a>(welcome: &[u8], packages: impl IntoIterator<Item = &'a JudgedKeyPackage>) -> Result<Vec<u8>, MlsError> {
    let crypto = RustCrypto::default();
    let defect = |fault| MlsError::Internal { doing: "naming a KeyPackage", fault };
    let wanted = packages
        .into_iter()
        .map(|one| Ok(one.package.hash_ref(&crypto).map_err(|error| defect(Fault::of(&error)))?.as_slice().to_vec()))
        .collect::<Result<Vec<_>, MlsError>>()?;
    let (head, rest) = welcome.split_at_checked(FIXED).ok_or(MALFORMED)?;
    let (secrets, group_info) = VLBytes::tls_deserialize_bytes(rest).map_err(|_| MALFORMED)?;
    let mut kept = Vec::new();
    let mut rest = secrets.as_slice();
    while !rest.is_empty() {
        let (of, after) = VLBytes::tls_deserialize_bytes(rest).map_err(|_| MALFORMED)?;
        let (_kem_output, after) = VLBytes::tls_deserialize_bytes(after).map_err(|_| MALFORMED)?;
        let (_ciphertext, after) = VLBytes::tls_deserialize_bytes(after).map_err(|_| MALFORMED)?;
        if wanted.iter().any(|wanted| wanted == of.as_slice()) {
            kept.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    let kept = VLBytes::from(kept).tls_serialize_detached().map_err(|error| defect(Fault::of(&error)))?;
    Ok([head, &kept, group_info].concat())
}
