//! MLS groups (RFC 9420) as Alcyon uses them: the only crate that sees OpenMLS.
//!
//! A term of a conversation is one MLS group in one log; a leaf is a device, its credential the verified chain root,
//! era, device. The crate must not know network or SQL: it reads and writes [`Rows`] of the caller's transaction, takes
//! the messages of entries **in the log's order**, and gives back what to send.
//!
//! - [`Group::create`], [`Group::join`], [`Group::encrypt`], [`Group::process`]: the daily life.
//! - [`Group::prepare_update`]: compare-and-append. A prepared commit waits in the rows for the log's word; it is never
//!   replaced, and merged on its own echo alone.
//! - [`Group::create_group`], [`Group::prepare_change`], [`prepare_join`], [`GroupState`]: groups (rule set 2). One comes in
//!   by a door ([`DoorKeys`]); roles, doors and settings lie in the group's authenticated state; who is put out gets
//!   neither the next epoch nor the next join secret ([`PreparedCommit::new_join_secret`]).
//! - [`validity`]: whether a commit counts, a pure function that members and replayers share.
//! - [`Replay`], [`prepare_rejoin`], [`adopt_rejoin`]: coming in from outside, beside the live state until accepted.
//! - [`HandshakeKey`], [`Payload`], [`pad`]: the seal around what the server must not read. [`InboxKey`]: knocks.
//!
//! After any [`MlsError`] roll back, drop the [`Group`] and load it again. What others sent and is merely wrong is no
//! error but an outcome, the same for all who read the log. One failure is individual, a path that this device can't open
//! ([`MlsError::CantOpenPath`]): rejoin then. An own entry that the database does not know
//! ([`Processed::OwnCommitUnknown`], or [`Processed::OwnApplication`] under an entry id that is not there) means that the
//! database was rolled back: rejoin before sending.
//!
//! ```
//! use alcyon_identity::{DeviceKey, Era, EraKey, RecoveryWords};
//! use alcyon_mls::*;
//! use alcyon_wire::{ConversationId, EntryId, EntryKind, HeaderFacts, LogId, RunningHash, SeatId, payload_hash};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! fn device() -> Result<(alcyon_identity::Chain, DeviceKey), Box<dyn std::error::Error>> {
//!     let (root, key, device) = (RecoveryWords::generate().root(), EraKey::generate(), DeviceKey::generate());
//!     Ok((Era::new(root.sign_era(1, &key), key)?.certify(device.id())?, device))
//! }
//! let ((ann_chain, ann_key), (bob_chain, bob_key)) = (device()?, device()?);
//! let (ann, bob) = (LocalDevice::new(&ann_chain, &ann_key)?, LocalDevice::new(&bob_chain, &bob_key)?);
//! let (ann_rows, bob_rows) = (MemoryRows::new(), MemoryRows::new()); // in the product: a transaction of alcyon-store
//!
//! // Bob has published a KeyPackage; Ann begins with it.
//! let package = key_package(&bob_rows, &bob, KeyPackageUse::OneTime)?;
//! let package = judge_key_package(Suite::PRODUCT, &package.bytes)?;
//! assert_eq!(package.chain().account(), bob_chain.account());
//! let log = LogId::from([7; 16]);
//! let rules = GroupRules::pair(ConversationId::from([1; 16]), 0, log);
//! let Created { mut group, welcome, stored } = Group::create(&ann_rows, &ann, &rules, SeatId::from([1; 32]), &[package])?;
//!
//! // The Welcome travels in a knock, the tree by the log. Bob looks who is in it before he accepts.
//! let mut theirs = Group::join(&bob_rows, &bob, &welcome.expect("for Bob"), &stored.tree)?;
//! assert!(theirs.members().any(|member| member.chain.account() == ann_chain.account()));
//!
//! // What Ann sends comes back to everybody as an entry with a header.
//! let message = group.encrypt(&ann_rows, &ann, &pad(b"hello"))?;
//! let payload = Payload::Application(message.clone()).encode();
//! # let header = HeaderFacts { sequence: 1, kind: EntryKind::Application, entry_id: EntryId::from([0; 16]), time_ms: 0,
//! #     commit_count: 0, changes: Default::default(), door: None, lane: None };
//! let entry = Entry { header: &header, payload_hash: payload_hash(&payload) };
//! assert_eq!(group.process(&ann_rows, &message, &entry)?, Processed::OwnApplication);
//! match theirs.process(&bob_rows, &message, &entry)? {
//!     Processed::Application { by, plaintext } => {
//!         assert_eq!(by.chain.device(), ann_key.id());
//!         assert_eq!(unpad(&plaintext)?, b"hello");
//!     }
//!     other => panic!("{other:?}"),
//! }
//!
//! // Bob accepts: a commit that puts his leaf on a seat of his own. It counts once the log has it.
//! let seen = Seen { sequence: 1, running_hash: RunningHash::start(log).next(&header.encode(), &payload_hash(&payload)) };
//! let commit = theirs.prepare_update(&bob_rows, &bob, SeatId::from([2; 32]), seen)?;
//! # let header = HeaderFacts { sequence: 2, kind: EntryKind::Commit, ..header };
//! let entry = Entry { header: &header, payload_hash: payload_hash(b"the sealed commit") };
//! for verdict in [group.process(&ann_rows, &commit.message, &entry)?, theirs.process(&bob_rows, &commit.message, &entry)?] {
//!     assert!(matches!(verdict, Processed::Commit(Verdict::Valid(_))));
//! }
//! # Ok(())
//! # }
//! ```

mod codec;
mod commit;
mod device;
mod door;
mod error;
mod extension;
mod facts;
mod group;
mod inbox;
mod join;
mod key_package;
mod keys;
mod leave;
mod member;
mod padding;
mod passing;
mod peek;
mod prepared;
mod process;
mod provider;
mod rejoin;
mod replay;
mod rows;
mod slim;
mod state;
mod storage;
mod suite;
pub mod validity;
#[cfg(test)]
mod vectors;
mod welcome;

pub use commit::{GroupCommit, Lost, PreparedCommit};
pub use device::LocalDevice;
pub use door::{DoorKeys, SealedJoinSecret, open_join_secret};
pub use error::{Fault, KeyPackageFault, MlsError};
pub use extension::{GroupRules, LastValid, PROTOCOL, RULES_GROUP, RULES_PAIR};
pub use group::{Created, Entry, Group, GroupId, StoredTree};
pub use inbox::{INBOX_PUBLIC_KEY, InboxKey, KNOCK_CONTENT, SealedKnock, seal_knock, seal_link};
pub use key_package::{JudgedKeyPackage, KeyPackageRef, KeyPackageUse, NewKeyPackage, forget_key_package, judge_key_package, key_package};
pub use keys::{GroupHandshake, HandshakeKey, Payload, SealedHandshake, TreeChunk};
pub use leave::LeaveProof;
pub use member::{LeafIndex, Member};
pub use padding::{SMALLEST_CLASS, pad, size_class, unpad};
pub use passing::PassingKey;
pub use process::{CommitSummary, Processed, SetAside, Verdict};
pub use rejoin::{How, PreparedRejoin, adopt_rejoin, discard_rejoin, forget_group, prepare_join, prepare_rejoin, rejoin_pending};
pub use replay::{Ground, Replay};
pub use rows::{MemoryRows, RowKind, Rows, RowsError};
pub use state::{
    ACCOUNT_DOOR_MS, ACCOUNTS, Account, Applied, DESCRIPTION, DOORS, GroupChange, GroupState, LEAVES, LetsIn, NewDoor, OpenDoor, PICTURE,
    Permission, REMOVED, Role, Settings, TITLE, Transition, Who,
};
pub use suite::Suite;
pub use validity::{CommitData, Invalid, RejoinReason, Seen};
pub use welcome::welcome_for;
