//! Who somebody is: recovery words, the root key they give, era and device keys, certificates, manifests, safety
//! numbers, and signatures on requests. Servers and clients both build on it.
//!
//! The chain is root, era, device (`DESIGN.md` section 2). What is checked is a type of its own: a [`Chain`] or a
//! [`Manifest`] exists only if every signature in it holds. All signatures are Ed25519 (RFC 8032) verified strictly
//! (no weak keys, no second form of a signature). The crate must not know network, storage or MLS.
//!
//! ```
//! use alcyon_identity::{DeviceKey, Era, EraKey, Home, Inbox, Manifest, ManifestDraft, RecoveryWords, verify_device};
//! use alcyon_wire::LogId;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Once, at sign-up. The words go to paper, the root goes nowhere.
//! let words = RecoveryWords::generate();
//! let root = words.root();
//! let key = EraKey::generate();
//! let era = Era::new(root.sign_era(1, &key), key)?;
//! let device = DeviceKey::generate();
//!
//! let server: alcyon_wire::ServerUrl = "https://sea.example".parse()?;
//! let manifest = era.sign_manifest(ManifestDraft {
//!     version: 1,
//!     devices: vec![device.id()],
//!     inbox: Inbox { server: server.clone(), log: LogId::from([7; 16]), sealing_key: vec![0; 1216] },
//!     homes: vec![Home { server, handle: "ann@sea.example".parse()? }],
//! })?;
//!
//! // Whoever reads it trusts nothing but the signatures.
//! let read = Manifest::decode(manifest.to_bytes())?;
//! assert_eq!(read.account(), root.account());
//! assert!(read.names(&"ann@sea.example".parse()?));
//! let chain = read.chain_of(device.id()).expect("the device is in it");
//! verify_device(chain.device(), b"hello", &device.sign(b"hello"))?;
//! # Ok(())
//! # }
//! ```

mod chain;
mod device;
mod era;
mod error;
pub mod http_signature;
mod manifest;
mod safety;
mod signing;
mod words;

pub use chain::Chain;
pub use device::{DeviceKey, verify_device};
pub use era::{Era, EraCertificate, EraKey, Root};
pub use error::IdentityError;
pub use manifest::{Home, Inbox, Manifest, ManifestDraft, ManifestOrder};
pub use safety::SafetyNumber;
pub use words::RecoveryWords;
