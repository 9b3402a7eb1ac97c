//! The seal around handshakes, GroupInfos and ratchet trees: keys that everybody has who has a term's join secret.

use alcyon_wire::{JoinSecret, LogId, limits, proto};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    crypto::OpenMlsCrypto,
    random::OpenMlsRand,
    types::{AeadType, HashType},
};
use prost::Message;
use tls_codec::SecretVLBytes;

use crate::{Fault, LeaveProof, MlsError, SealedJoinSecret, padding};

/// The payload of an entry, decoded. What is inside is still sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// An MLS PrivateMessage: goes to [`Group::process`](crate::Group::process) as it is.
    Application(Vec<u8>),
    /// A sealed handshake: [`HandshakeKey::open_handshake`] gives the MLS PublicMessage.
    Handshake(SealedHandshake),
    /// A part of the tree that a term's Welcomes lead into.
    Tree(TreeChunk),
}

/// A sealed part of a tree, as it lies in a log's first entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeChunk {
    /// Which part, from 0.
    pub chunk: u32,
    /// How many there are.
    pub chunks: u32,
    /// As [`HandshakeKey::seal_tree`] makes it.
    pub sealed: Vec<u8>,
}

/// A sealed handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedHandshake(proto::SealedBox);

/// What a sealed handshake of a group holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupHandshake {
    /// In a commit entry.
    Commit {
        /// The MLS PublicMessage.
        message: Vec<u8>,
        /// If the commit starts a new join secret: that, sealed to every door that stays open. From the next commit on
        /// handshakes are under the key that derives from it.
        join_secrets: Vec<SealedJoinSecret>,
    },
    /// In a leave entry.
    Leave(Box<LeaveProof>),
}

impl Payload {
    /// The bytes of the entry's payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let body = match self {
            Self::Application(message) => proto::payload::Body::Application(message.clone().into()),
            Self::Handshake(SealedHandshake(sealed)) => proto::payload::Body::Handshake(sealed.clone()),
            Self::Tree(TreeChunk { chunk, chunks, sealed }) => {
                proto::payload::Body::Tree(proto::TreeChunk { chunk: *chunk, chunks: *chunks, sealed: sealed.clone().into() })
            }
        };
        proto::Payload { body: Some(body) }.encode_to_vec()
    }

    /// Reads the form of [`Self::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MlsError> {
        let proto::Payload { body } = proto::Payload::decode(bytes).map_err(|_| MlsError::Malformed { what: "Payload" })?;
        match body.ok_or(MlsError::Malformed { what: "Payload" })? {
            proto::payload::Body::Application(message) => Ok(Self::Application(message.to_vec())),
            proto::payload::Body::Handshake(sealed) => Ok(Self::Handshake(SealedHandshake(sealed))),
            proto::payload::Body::Tree(proto::TreeChunk { chunk, chunks, sealed }) => {
                if chunk >= chunks || chunks > limits::TREE_CHUNKS {
                    return Err(MlsError::Malformed { what: "TreeChunk" });
                }
                Ok(Self::Tree(TreeChunk { chunk, chunks, sealed: sealed.to_vec() }))
            }
        }
    }
}

/// The keys that derive from a term's join secret (HKDF-SHA-384; salt: the log id). Whoever comes in or is in has them;
/// the server has not. Boxes are AES-256-GCM with a random nonce, and what is in them is padded to a size class.
pub struct HandshakeKey {
    handshake: SecretVLBytes,
    tree: SecretVLBytes,
    group_info: SecretVLBytes,
    log: LogId,
}

const KEY: usize = 32;
const NONCE: usize = 12;
const AEAD: AeadType = AeadType::Aes256Gcm;

impl HandshakeKey {
    /// The keys of the term whose log this is.
    pub fn derive(join_secret: &JoinSecret, log: LogId) -> Result<Self, MlsError> {
        let crypto = RustCrypto::default();
        let defect = |error| MlsError::Internal { doing: "deriving the handshake key", fault: Fault::of(&error) };
        let prk = crypto.hkdf_extract(HashType::Sha2_384, log.as_bytes(), join_secret.as_bytes()).map_err(defect)?;
        let expand = |label: &str| crypto.hkdf_expand(HashType::Sha2_384, prk.as_slice(), label.as_bytes(), KEY).map_err(defect);
        Ok(Self {
            handshake: expand("alcyon handshake v1")?,
            tree: expand("alcyon tree v1")?,
            group_info: expand("alcyon group info v1")?,
            log,
        })
    }

    /// Seals an MLS PublicMessage. Sealed twice, it has two payload hashes: keep the payload and resend that.
    pub fn seal_handshake(&self, message: &[u8]) -> Result<SealedHandshake, MlsError> {
        let handshake = proto::Handshake { message: message.to_vec().into() }.encode_to_vec();
        Ok(SealedHandshake(seal(&self.handshake, self.log.as_bytes(), &handshake)?))
    }

    /// The MLS PublicMessage in a sealed handshake of a pair. In a group it is [`Self::open_group_handshake`], for
    /// everybody: what else is in there has to be readable too.
    pub fn open_handshake(&self, sealed: &SealedHandshake) -> Result<Vec<u8>, MlsError> {
        let bytes = open(&self.handshake, self.log.as_bytes(), &sealed.0, "handshake")?;
        let proto::Handshake { message } =
            proto::Handshake::decode(bytes.as_slice()).map_err(|_| MlsError::Malformed { what: "Handshake" })?;
        Ok(message.to_vec())
    }

    /// Seals what a group's entry holds. A commit that starts no join secret may go by [`Self::seal_handshake`] as well.
    pub fn seal_group_handshake(&self, handshake: &GroupHandshake) -> Result<SealedHandshake, MlsError> {
        let field = match handshake {
            GroupHandshake::Commit { message, join_secrets } => proto::GroupHandshake {
                message: message.clone().into(),
                join_secrets: join_secrets.iter().map(SealedJoinSecret::to_field).collect(),
                leave: None,
            },
            GroupHandshake::Leave(proof) => {
                proto::GroupHandshake { message: Default::default(), join_secrets: Vec::new(), leave: Some(proof.to_field()) }
            }
        };
        Ok(SealedHandshake(seal(&self.handshake, self.log.as_bytes(), &field.encode_to_vec())?))
    }

    /// Opens what a group's entry holds. One that can't be read is no handshake, for everybody alike.
    pub fn open_group_handshake(&self, sealed: &SealedHandshake) -> Result<GroupHandshake, MlsError> {
        const WHAT: MlsError = MlsError::Malformed { what: "GroupHandshake" };
        let bytes = open(&self.handshake, self.log.as_bytes(), &sealed.0, "handshake")?;
        let proto::GroupHandshake { message, join_secrets, leave } = proto::GroupHandshake::decode(bytes.as_slice()).map_err(|_| WHAT)?;
        match leave {
            Some(proof) if message.is_empty() && join_secrets.is_empty() => {
                Ok(GroupHandshake::Leave(Box::new(LeaveProof::of_field(proof)?)))
            }
            Some(_) => Err(WHAT),
            None => {
                let join_secrets = join_secrets.into_iter().map(|field| SealedJoinSecret::of_field(field).ok_or(WHAT));
                Ok(GroupHandshake::Commit { message: message.to_vec(), join_secrets: join_secrets.collect::<Result<_, _>>()? })
            }
        }
    }

    /// Seals a GroupInfo without tree, as a commit carries it: at most [`limits::GROUP_INFO`] bytes.
    pub fn seal_group_info(&self, group_info: &[u8]) -> Result<Vec<u8>, MlsError> {
        let sealed = seal(&self.group_info, self.log.as_bytes(), group_info)?.encode_to_vec();
        limited("sealed GroupInfo", sealed, limits::GROUP_INFO)
    }

    /// Opens the form of [`Self::seal_group_info`].
    pub fn open_group_info(&self, bytes: &[u8]) -> Result<Vec<u8>, MlsError> {
        let sealed = proto::SealedBox::decode(bytes).map_err(|_| MlsError::Malformed { what: "SealedBox" })?;
        open(&self.group_info, self.log.as_bytes(), &sealed, "GroupInfo")
    }

    /// Seals a ratchet tree in chunks of at most [`limits::TREE_CHUNK`] bytes each, in their order. Each is bound to its
    /// place, their number and `commit_count`, the commits before the epoch it belongs to.
    pub fn seal_tree(&self, tree: &[u8], commit_count: u64) -> Result<Vec<Vec<u8>>, MlsError> {
        let padded = padding::pad(tree);
        let pieces: Vec<_> = padded.chunks(TREE_PIECE).collect();
        let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        if count > limits::TREE_CHUNKS {
            let limit = TREE_PIECE * limits::TREE_CHUNKS as usize;
            return Err(MlsError::TooLarge { what: "the ratchet tree", limit, actual: tree.len() });
        }
        (0..count)
            .zip(pieces)
            .map(|(chunk, piece)| {
                let sealed = seal_padded(&self.tree, &self.tree_place(commit_count, chunk, count), piece)?.encode_to_vec();
                limited("sealed tree chunk", sealed, limits::TREE_CHUNK)
            })
            .collect()
    }

    /// Opens the chunks of [`Self::seal_tree`], all of them and in their order.
    pub fn open_tree(&self, chunks: &[impl AsRef<[u8]>], commit_count: u64) -> Result<Vec<u8>, MlsError> {
        let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        if count > limits::TREE_CHUNKS {
            return Err(MlsError::Malformed { what: "ratchet tree" });
        }
        let mut padded = Vec::new();
        for (chunk, bytes) in (0..count).zip(chunks) {
            let sealed = proto::SealedBox::decode(bytes.as_ref()).map_err(|_| MlsError::Malformed { what: "SealedBox" })?;
            padded.extend(open_padded(&self.tree, &self.tree_place(commit_count, chunk, count), &sealed, "tree")?);
        }
        padding::unpad(&padded).map(<[u8]>::to_vec)
    }

    fn tree_place(&self, commit_count: u64, chunk: u32, chunks: u32) -> Vec<u8> {
        [&self.log.as_bytes()[..], &commit_count.to_be_bytes(), &chunk.to_be_bytes(), &chunks.to_be_bytes()].concat()
    }
}

impl std::fmt::Debug for HandshakeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HandshakeKey(..)")
    }
}

/// What a chunk holds: the limit without the tag, the nonce and the frame around them.
const TREE_PIECE: usize = limits::TREE_CHUNK - 64;

fn limited(what: &'static str, bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>, MlsError> {
    if bytes.len() > limit { Err(MlsError::TooLarge { what, limit, actual: bytes.len() }) } else { Ok(bytes) }
}

pub(crate) fn seal(key: &SecretVLBytes, place: &[u8], content: &[u8]) -> Result<proto::SealedBox, MlsError> {
    seal_padded(key, place, &padding::pad(content))
}

fn seal_padded(key: &SecretVLBytes, place: &[u8], padded: &[u8]) -> Result<proto::SealedBox, MlsError> {
    let crypto = RustCrypto::default();
    let nonce: [u8; NONCE] =
        crypto.random_array().map_err(|error| MlsError::Internal { doing: "drawing a nonce", fault: Fault::of(&error) })?;
    let ciphertext = crypto
        .aead_encrypt(AEAD, key.as_slice(), padded, &nonce, place)
        .map_err(|error| MlsError::Internal { doing: "sealing", fault: Fault::of(&error) })?;
    Ok(proto::SealedBox { nonce: nonce.to_vec().into(), ciphertext: ciphertext.into() })
}

pub(crate) fn open(key: &SecretVLBytes, place: &[u8], sealed: &proto::SealedBox, what: &'static str) -> Result<Vec<u8>, MlsError> {
    let padded = open_padded(key, place, sealed, what)?;
    padding::unpad(&padded).map(<[u8]>::to_vec)
}

fn open_padded(key: &SecretVLBytes, place: &[u8], sealed: &proto::SealedBox, what: &'static str) -> Result<Vec<u8>, MlsError> {
    let proto::SealedBox { nonce, ciphertext } = sealed;
    if nonce.len() != NONCE {
        return Err(MlsError::Malformed { what: "SealedBox" });
    }
    RustCrypto::default().aead_decrypt(AEAD, key.as_slice(), ciphertext, nonce, place).map_err(|_| MlsError::Sealed { what })
}
