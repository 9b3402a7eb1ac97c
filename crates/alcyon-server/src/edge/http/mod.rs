//! The control plane: HTTP and JSON, described by `/openapi.json`.

pub(crate) mod answer;
mod fields;
mod openapi;
mod routes;
mod service;

pub(crate) use answer::Problem;
pub(crate) use routes::{App, PeerAddress, app, metrics_app};
