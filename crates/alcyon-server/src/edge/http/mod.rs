//! The control plane: HTTP and JSON, described by `/openapi.json`.

mod accounts;
mod answer;
mod blobs;
mod fields;
mod openapi;
mod reports;
mod routes;
mod service;
mod sign_up;
mod signed;
mod stamps;
mod tus;
mod upgrade;
mod web;

pub(crate) use answer::Problem;
pub(crate) use routes::{App, PeerAddress, app, metrics_app};
pub(crate) use tus::method_meant;
pub(crate) use web::Site;
pub use web::WebAppError;
