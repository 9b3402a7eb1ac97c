//! What travels: the protobuf schema (`proto/`), ids as newtypes, limits, the running hash of a log, and frames parsed
//! into types that can't be wrong.
//!
//! Bytes from outside become [`Request`]s here, once, with an error that names the field; behind this edge nothing is
//! checked twice. The crate must not know async, storage or encryption; SHA-256 is here because the ids and the running
//! hash are defined by it.
//!
//! ```
//! use alcyon_wire::{EntryKind, HeaderFacts, LogId, RunningHash, proto};
//! use prost::Message;
//!
//! let log = LogId::from([7; 16]);
//! let header = proto::EntryHeader { sequence: 1, kind: EntryKind::Application.into(), entry_id: vec![1; 16].into(), ..Default::default() };
//! let bytes = header.encode_to_vec();
//! let facts = HeaderFacts::parse(&bytes).expect("well formed");
//! assert_eq!(facts.sequence, 1);
//! let next = RunningHash::start(log).next(&bytes, &alcyon_wire::payload_hash(b"sealed"));
//! assert_ne!(next, RunningHash::start(log));
//! ```

mod error;
mod glance;
mod handle;
mod hash;
mod header;
mod id;
pub mod limits;
mod request;
mod server_url;
mod stamp;
pub mod work;

pub use error::WireError;
pub use glance::{GLANCE, glance_at_append};
pub use handle::{Handle, HandleName};
pub use hash::{PayloadHash, RunningHash, payload_hash};
pub use header::{HeaderFacts, SeatChanges};
pub use id::{
    AccountId, BlobId, ConversationId, DeviceId, DoorId, DoorSecret, DoorSecretHash, DropHash, DropSecret, EntryId, JoinSecret, LogId,
    MessageId, Pass, PassHash, SeatId, SeatSecret, UploadSecret,
};
pub use proto::{DoorKind, EntryKind, KnockLane, RefusalCode, Verdict};
pub use request::{Authority, Door, DoorKey, Request, RequestId, Seat, SeatKey, Subscription, decode_client_frame};
pub use server_url::ServerUrl;
pub use stamp::{Payment, Stamp, StampKeyId, token_challenge};

/// The protocol version this crate speaks, agreed on in the first frame.
pub const PROTOCOL_VERSION: u32 = 1;

/// The generated messages, as they are on the wire.
#[allow(missing_docs, clippy::doc_markdown, clippy::large_enum_variant, unused_qualifications)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/alcyon.v1.rs"));
}

#[cfg(test)]
mod tests;
