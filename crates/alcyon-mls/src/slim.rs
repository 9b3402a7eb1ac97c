//! GroupInfos without the group's state.
//!
//! A GroupInfo holds the GroupContext, and that the state: up to some 170 kB, with every commit, where the log takes
//! 64 KiB. Whoever comes in has replayed the state; so it is taken out where a GroupInfo leaves this crate and put back
//! before its signature is checked. It begins with the stored tree, which lies in chunks and is large anyway.

use alcyon_wire::proto;
use openmls::prelude::{AppDataDictionary, AppDataDictionaryExtension};
use prost::Message;
use tls_codec::{DeserializeBytes, Serialize, VLBytes};

use crate::{Fault, GroupState, MlsError, extension::GROUP_STATE};

/// ExtensionType of the dictionary (draft-ietf-mls-extensions section 4.6).
const APP_DATA_DICTIONARY: u16 = 6;
/// MLSMessage: version and wire format; GroupContext: version and suite (RFC 9420 sections 6 and 8.1).
const FIXED: usize = 8;

const MALFORMED: MlsError = MlsError::Malformed { what: "GroupInfo" };
const NO_TREE: MlsError = MlsError::Malformed { what: "ratchet tree" };

/// Takes the state out of a GroupInfo in an MLSMessage. One of a pair, which has none, stays as it is.
pub(crate) fn without_state(group_info: &[u8]) -> Result<Vec<u8>, MlsError> {
    with_dictionary(group_info, AppDataDictionary::new())
}

/// Puts a state in the place where there is room for it.
pub(crate) fn with_state(group_info: &[u8], state: &GroupState) -> Result<Vec<u8>, MlsError> {
    let mut dictionary = AppDataDictionary::new();
    dictionary.insert(GROUP_STATE, state.encode());
    with_dictionary(group_info, dictionary)
}

fn with_dictionary(group_info: &[u8], dictionary: AppDataDictionary) -> Result<Vec<u8>, MlsError> {
    let (head, extensions, tail) = split(group_info).ok_or(MALFORMED)?;
    let mut replaced = Vec::with_capacity(extensions.as_slice().len());
    let mut rest = extensions.as_slice();
    let mut found = false;
    while !rest.is_empty() {
        let (number, after) = u16::tls_deserialize_bytes(rest).map_err(|_| MALFORMED)?;
        let (content, after) = VLBytes::tls_deserialize_bytes(after).map_err(|_| MALFORMED)?;
        rest = after;
        replaced.extend(number.to_be_bytes());
        if number == APP_DATA_DICTIONARY {
            found = true;
            replaced.extend(vector(bytes(&AppDataDictionaryExtension::new(dictionary.clone()))?)?);
        } else {
            replaced.extend(bytes(&content)?);
        }
    }
    Ok(if found { [head, &vector(replaced)?, tail].concat() } else { group_info.to_vec() })
}

/// What stands before the GroupContext's extensions, these, and what stands after them.
fn split(message: &[u8]) -> Option<(&[u8], VLBytes, &[u8])> {
    let (_fixed, rest) = message.split_at_checked(FIXED)?;
    let (_group, rest) = VLBytes::tls_deserialize_bytes(rest).ok()?;
    let (_epoch, rest) = u64::tls_deserialize_bytes(rest).ok()?;
    let (_tree_hash, rest) = VLBytes::tls_deserialize_bytes(rest).ok()?;
    let (_transcript_hash, rest) = VLBytes::tls_deserialize_bytes(rest).ok()?;
    let (extensions, tail) = VLBytes::tls_deserialize_bytes(rest).ok()?;
    Some((&message[..message.len() - rest.len()], extensions, tail))
}

/// A GroupInfo in an MLSMessage, taken apart (RFC 9420 section 12.4.3).
pub(crate) struct Parts<'a> {
    /// What its signature is over.
    pub(crate) signed: &'a [u8],
    pub(crate) confirmation_tag: VLBytes,
    pub(crate) signer: u32,
    pub(crate) signature: VLBytes,
}

/// Takes a whole GroupInfo apart, one with its state.
pub(crate) fn take_apart(message: &[u8]) -> Result<Parts<'_>, MlsError> {
    let parts = || {
        let (_head, _extensions, tail) = split(message)?;
        let (_extensions, rest) = VLBytes::tls_deserialize_bytes(tail).ok()?;
        let (confirmation_tag, rest) = VLBytes::tls_deserialize_bytes(rest).ok()?;
        let (signer, after) = u32::tls_deserialize_bytes(rest).ok()?;
        let signature = VLBytes::tls_deserialize_exact_bytes(after).ok()?;
        // Before it stand the version and the wire format of the MLSMessage.
        let signed = message.get(4..message.len() - after.len())?;
        Some(Parts { signed, confirmation_tag, signer, signature })
    };
    parts().ok_or(MALFORMED)
}

/// The tree that a log stores for a group: with the state.
pub(crate) fn join_tree(tree: Vec<u8>, state: &GroupState) -> Vec<u8> {
    proto::GroupTree { tree: tree.into(), state: state.encode().into() }.encode_to_vec()
}

/// Reads the form of [`join_tree`].
pub(crate) fn split_tree(bytes: &[u8]) -> Result<(Vec<u8>, GroupState), MlsError> {
    let proto::GroupTree { tree, state } = proto::GroupTree::decode(bytes).map_err(|_| NO_TREE)?;
    Ok((tree.to_vec(), GroupState::decode(&state)?))
}

fn vector(content: Vec<u8>) -> Result<Vec<u8>, MlsError> {
    bytes(&VLBytes::from(content))
}

fn bytes(value: &impl Serialize) -> Result<Vec<u8>, MlsError> {
    value.tls_serialize_detached().map_err(|error| MlsError::Internal { doing: "encoding a GroupInfo", fault: Fault::of(&error) })
}
