use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use hyper_util::rt::TokioIo;

use super::{
    Problem,
    routes::{App, PeerAddress},
};
use crate::{
    edge::{connection::Connection, lifecycle::Phase, websocket::Handshake},
    observe::event,
    session,
};

/// `GET /v1/logs`: turns the connection into a WebSocket, the data plane.
pub(super) async fn logs(State(app): State<Arc<App>>, mut request: Request) -> Result<Response, Problem> {
    if app.lifecycle.phase() > Phase::Running {
        return Err(app.sessions.draining().into());
    }
    let handshake = Handshake::check(request.method(), request.headers())
        .map_err(|error| Problem::malformed(error.field, format!("{} is not that of a WebSocket handshake", error.field)))?;
    let (Some(PeerAddress(peer)), Some(connection)) = (request.extensions().get().copied(), request.extensions().get().copied()) else {
        return Err(crate::Refusal::internal().into());
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let sessions = app.sessions.clone();
    tokio::spawn(async move {
        // An error: the client has gone before the answer was out.
        let Ok(upgraded) = upgrade.await else { return };
        // The bare connection, without the layers that HTTP has put around it.
        let Ok(parts) = upgraded.downcast::<TokioIo<Connection>>() else {
            event!(ERROR, "an upgraded connection is none of ours");
            return;
        };
        session::serve(sessions, parts.io.into_inner(), parts.read_buf, peer, connection).await;
    });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, handshake.accept),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}
