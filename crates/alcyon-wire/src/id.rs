//! Ids and secrets as types of their own. None of them implements `Display`; `Debug` shows the type alone, so that
//! neither a log line nor a panic can carry one.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::WireError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Its length in bytes.
            pub const LENGTH: usize = $length;

            /// Reads it from a field of a frame; the error names `field`.
            pub fn parse(bytes: &[u8], field: &'static str) -> Result<Self, WireError> {
                bytes.try_into().map(Self).map_err(|_| WireError::Length { field, expected: $length, actual: bytes.len() })
            }

            /// The bytes as they travel.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// The bytes as a protobuf field.
            #[must_use]
            pub fn to_field(self) -> bytes::Bytes {
                bytes::Bytes::copy_from_slice(&self.0)
            }

            /// Lower-case base32 without padding, for people and URLs.
            #[must_use]
            pub fn to_text(self) -> String {
                BASE32_NOPAD.encode(&self.0).to_ascii_lowercase()
            }

            /// Reads the form of [`Self::to_text`], upper or lower case.
            pub fn from_text(text: &str, field: &'static str) -> Result<Self, WireError> {
                let bytes = BASE32_NOPAD
                    .decode(text.to_ascii_uppercase().as_bytes())
                    .map_err(|_| WireError::Text { field, expected: "letters a-z and digits 2-7 (base32)" })?;
                Self::parse(&bytes, field)
            }
        }

        impl From<[u8; $length]> for $name {
            fn from(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Reads it from a field of a frame; the error names `field`.
            pub fn parse(bytes: &[u8], field: &'static str) -> Result<Self, WireError> {
                bytes.try_into().map(Self).map_err(|_| WireError::Length { field, expected: 32, actual: bytes.len() })
            }

            /// The bytes as they travel.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The bytes as a protobuf field.
            #[must_use]
            pub fn to_field(&self) -> bytes::Bytes {
                bytes::Bytes::copy_from_slice(&self.0)
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

id!(/// A log, chosen at random by whoever creates it.
    LogId, 16);
id!(/// A seat: hash of its log and secret.
    SeatId, 32);
id!(/// Hash of a log and a drop secret.
    DropHash, 32);
id!(/// A door, random.
    DoorId, 16);
id!(/// Hash of a log and a door secret.
    DoorSecretHash, 32);
id!(/// An entry, chosen at random by its sender; the log dedupes by it.
    EntryId, 16);
id!(/// A message, unique for ever. An application entry that carries a message has the message's id.
    MessageId, 16);
id!(/// A conversation, random.
    ConversationId, 16);
id!(/// An account: SHA-256 of its root key.
    AccountId, 32);
id!(/// A device: its Ed25519 public key.
    DeviceId, 32);
id!(/// Hash of an inbox and a pass.
    PassHash, 32);
id!(/// A blob: hash of its upload secret. Whoever shows it reads.
    BlobId, 32);

secret!(/// Whoever shows it sits on that seat.
    SeatSecret);
secret!(/// Whoever shows it may drop the seat. An account's devices share it.
    DropSecret);
secret!(/// Whoever shows it may come in by that door.
    DoorSecret);
secret!(/// Lets an acquaintance knock in the lane that always has room.
    Pass);
secret!(/// What a term's handshake key derives from.
    JoinSecret);
secret!(/// Drawn by a server for one blob. Whoever shows it writes and deletes that blob.
    UploadSecret);

fn labelled(label: &str, log: LogId, secret: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(label).chain_update(log.as_bytes()).chain_update(secret).finalize().into()
}

impl SeatSecret {
    /// The seat this secret opens at `log`.
    #[must_use]
    pub fn seat_id(&self, log: LogId) -> SeatId {
        SeatId(labelled("alcyon seat v1", log, &self.0))
    }
}

impl DropSecret {
    /// What the log keeps of it.
    #[must_use]
    pub fn hash(&self, log: LogId) -> DropHash {
        DropHash(labelled("alcyon drop v1", log, &self.0))
    }
}

impl DoorSecret {
    /// What the log keeps of it.
    #[must_use]
    pub fn hash(&self, log: LogId) -> DoorSecretHash {
        DoorSecretHash(labelled("alcyon door v1", log, &self.0))
    }
}

impl Pass {
    /// What the inbox keeps of it.
    #[must_use]
    pub fn hash(&self, inbox: LogId) -> PassHash {
        PassHash(labelled("alcyon pass v1", inbox, &self.0))
    }
}

impl UploadSecret {
    /// The blob that is written with it.
    #[must_use]
    pub fn blob(&self) -> BlobId {
        BlobId(Sha256::new().chain_update("alcyon blob v1").chain_update(self.0).finalize().into())
    }

    /// Lower-case base32 without padding, for the path of the upload.
    #[must_use]
    pub fn to_text(&self) -> String {
        BASE32_NOPAD.encode(&self.0).to_ascii_lowercase()
    }

    /// Reads the form of [`Self::to_text`], upper or lower case.
    pub fn from_text(text: &str) -> Result<Self, WireError> {
        BlobId::from_text(text, "upload").map(|BlobId(bytes)| Self(bytes))
    }
}

impl AccountId {
    /// The account that this root key (Ed25519 public key) stands for.
    #[must_use]
    pub fn of_root(root: &[u8; 32]) -> Self {
        Self(Sha256::new().chain_update("alcyon account v1").chain_update(root).finalize().into())
    }
}

impl From<EntryId> for MessageId {
    fn from(id: EntryId) -> Self {
        Self(id.0)
    }
}

impl From<MessageId> for EntryId {
    fn from(id: MessageId) -> Self {
        Self(id.0)
    }
}
