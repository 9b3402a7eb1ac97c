//! The Alcyon server: keeps sealed logs, hands their entries to those who hold a seat, and knows nothing above that.
//!
//! [`logs`] are the server's one primitive and [`directory`] finds people; both stand on a [`store`]. Beside them lie sealed files, the [`blobs`]. Around them lies the
//! edge: HTTP and WebSocket connections, TLS, limits, and the way from start to stop. [`admission`] says who is served first when
//! more is asked than can be done. [`config`] is what the operator decides, [`observe`] what the operator sees, and [`operator`]
//! how: a status page and commands that share no fate with the rest. The crate must not know MLS, nor anything of what entries hold.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), alcyon_server::StartError> {
//! use alcyon_server::{Server, config::{Config, StoreKind}};
//!
//! let listen = "127.0.0.1:0".parse().expect("an address");
//! let server = Server::start(Config { listen, store: StoreKind::Memory, ..Config::default() }).await?;
//! assert_ne!(server.address().port(), 0);
//! assert!(server.stop().await);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod admission;
mod any_store;
pub mod blobs;
mod breaker;
pub mod config;
pub mod directory;
mod edge;
mod jitter;
pub mod logs;
pub mod observe;
pub mod operator;
mod priority;
mod refusal;
mod reports;
mod server;
mod session;
mod sign_up;
mod stamps;
pub mod store;

pub use refusal::Refusal;
pub use reports::ReportSettings;
pub use server::{RunningServer, Server, StartError};
pub use sign_up::{Invite, InviteCode, Policy, SignUpSettings};
pub use stamps::StampSettings;
