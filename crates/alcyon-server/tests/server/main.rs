//! The whole server over real sockets, as clients and operators meet it.
#![allow(clippy::unwrap_used)]

mod blobs;
mod client;
mod delivery;
mod description;
#[path = "../fake_s3/mod.rs"]
mod fake_s3;
mod frames;
mod hostile;
mod http;
mod limits;
mod operator;
mod overload;
mod process;
mod refusals;
mod reports;
mod s3;
mod sign_up;
mod silence;
mod stamps;
mod tls;
