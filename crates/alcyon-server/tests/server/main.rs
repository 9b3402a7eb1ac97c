//! The whole server over real sockets, as clients and operators meet it.
#![allow(clippy::unwrap_used)]

mod blobs;
mod client;
mod delivery;
mod description;
mod frames;
mod http;
mod limits;
mod overload;
mod process;
mod refusals;
mod silence;
mod tls;
