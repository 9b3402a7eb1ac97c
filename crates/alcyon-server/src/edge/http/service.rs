use std::sync::Arc;

use alcyon_wire::{PROTOCOL_VERSION, limits};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde_json::json;

use super::{Problem, answer::json_body, routes::App};
use crate::{edge::lifecycle::Phase, logs::Health};

/// `GET /v1/server`
pub(super) async fn server(State(app): State<Arc<App>>) -> Response {
    json_body(&json!({
        "name": app.name,
        "url": app.url.to_text(),
        "version": env!("CARGO_PKG_VERSION"),
        "protocol_versions": [PROTOCOL_VERSION],
        "time_ms": app.sessions.clock.now_ms(),
        "limits": {
            "frame": limits::FRAME,
            "entry": limits::ENTRY,
            "knock": limits::KNOCK,
            "publish": limits::PUBLISH,
            "subscriptions": limits::SUBSCRIPTIONS,
            "window_entries": limits::WINDOW_ENTRIES,
            "window_bytes": limits::WINDOW_BYTES,
            "manifest": limits::MANIFEST,
            "devices": limits::DEVICES,
            "key_package": limits::KEY_PACKAGE,
            "one_time_key_packages": limits::ONE_TIME_KEY_PACKAGES,
            "retention_days": limits::RETENTION_DAYS,
            "blob": app.blobs.largest(),
        },
    }))
    .into_response()
}

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> Response {
    json_body(&json!({ "alive": true })).into_response()
}

/// `GET /readyz`: new work is welcome.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    if app.lifecycle.phase() > Phase::Running {
        return Err(app.sessions.draining().into());
    }
    let unable = |code, message| Err(Problem::later(StatusCode::SERVICE_UNAVAILABLE, code, message, 5_000));
    match app.sessions.logs.health() {
        Health::Writing => Ok(json_body(&json!({ "ready": true })).into_response()),
        Health::DiskFull => unable("disk_full", "the disk is full: nothing is accepted, reads go on"),
        Health::Failed => unable("internal", "a write has failed: nothing is accepted until the store works again, reads go on"),
    }
}

/// `GET /metrics`
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    app.metrics.client_memory.set(app.lifecycle.memory().used() as f64);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render()).into_response()
}
