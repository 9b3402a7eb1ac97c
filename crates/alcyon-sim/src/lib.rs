//! Development only: faults of network and storage on purpose, a server that lies, real programs under `kill -9`, and the
//! load generator. Nothing of it is in a product; nothing here may be needed to use one.
//!
//! ```no_run
//! use alcyon_sim::{light::LightClient, process::ServerSetup};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let folder = tempfile::tempdir()?;
//! let server = ServerSetup::new(&folder.path().join("data")).start()?;
//! let client = LightClient::connect(server.url(), None).await?;
//! client.close().await?;
//! server.kill()?;
//! # Ok(()) }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod document;
pub mod fault;
pub mod http;
pub mod inprocess;
pub mod lane;
pub mod liar;
pub mod light;
pub mod machine;
pub mod past;
pub mod person;
pub mod process;
pub mod room;
pub mod seed;
pub mod sign_up;
pub mod tls;
pub mod world;
