use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use alcyon_wire::ServerUrl;
use axum::{
    Router,
    extract::{Request, State},
    handler::Handler,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, head, options, patch, post, put},
};
use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower_http::cors::{Any, CorsLayer};

use super::{Problem, Site, accounts, blobs, openapi, reports, service, sign_up, stamps, tus, upgrade, web};
use crate::{
    Refusal,
    admission::{Class, ConnectionNumber, Gate},
    any_store::AnyStore,
    blobs::Blobs,
    directory::Directory,
    edge::lifecycle::Lifecycle,
    observe::Metrics,
    reports::Reports,
    session::Sessions,
    sign_up::SignUps,
    stamps::Stamps,
};

/// What every handler has at hand.
pub(crate) struct App {
    /// The part of handles here after the `@`.
    pub(crate) name: String,
    /// Where clients reach the server.
    pub(crate) url: ServerUrl,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Whether `/metrics` is among the routes.
    pub(crate) serves_metrics: bool,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) directory: Directory<AnyStore>,
    pub(crate) blobs: Arc<Blobs>,
    /// The web app.
    pub(crate) site: Site,
    pub(crate) sign_ups: Arc<SignUps<AnyStore>>,
    pub(crate) stamps: Arc<Stamps>,
    pub(crate) reports: Arc<Reports<AnyStore>>,
}

impl App {
    /// Whether a `Host` header means this server: by its public URL, its name, or, from the same machine, its port.
    pub(crate) fn is_own_authority(&self, host: &str) -> bool {
        let same = |own: &str| host.eq_ignore_ascii_case(own);
        let port = self.address.port();
        let local = |name: &str| self.address.ip().is_loopback() && same(&format!("{name}:{port}"));
        same(self.url.authority())
            || same(&self.name)
            || same(&self.address.to_string())
            || ["localhost", "127.0.0.1", "[::1]"].into_iter().any(local)
    }
}

/// Where a request comes from; for limits, never for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerAddress(pub(crate) IpAddr);

/// One operation of the control plane.
pub(crate) struct Route {
    #[allow(dead_code)] // read by the test that holds the description against the routes
    pub(crate) method: Method,
    /// As in OpenAPI, with `{parameters}`.
    pub(crate) path: &'static str,
    /// What it is admitted as; none: always answered.
    class: Option<Class>,
    handler: MethodRouter<Arc<App>>,
}

/// From the end of a request's head to the beginning of its answer.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// Everything there is; `/openapi.json` describes exactly this.
pub(crate) fn routes() -> Vec<Route> {
    use Class::{Blob, Commit, Directory, Resume, SignUp};
    vec![
        on(Method::GET, None, "/v1/server", service::server),
        on(Method::GET, None, "/v1/sign-up", sign_up::look),
        on(Method::POST, None, "/v1/sign-up/tickets", sign_up::ask),
        on(Method::POST, None, "/v1/sign-up/challenges", sign_up::challenge),
        on(Method::POST, Some(SignUp), "/v1/sign-up/codes", sign_up::send_code),
        on(Method::POST, Some(SignUp), "/v1/accounts", accounts::sign_up),
        on(Method::GET, Some(Directory), "/v1/handles/{name}", accounts::by_handle),
        on(Method::GET, Some(Directory), "/v1/accounts/{account}/manifest", accounts::manifest_of),
        on(Method::PUT, Some(Commit), "/v1/accounts/{account}/manifest", accounts::put_manifest),
        on(Method::PUT, Some(Directory), "/v1/accounts/{account}/key-packages", accounts::put_key_packages),
        on(Method::GET, Some(Directory), "/v1/accounts/{account}/key-packages/count", accounts::count_key_packages),
        on(Method::POST, Some(Commit), "/v1/accounts/{account}/key-packages/claim", accounts::claim_key_packages),
        on(Method::GET, Some(Directory), "/v1/stamps", stamps::offer),
        on(Method::POST, Some(Directory), "/v1/stamps/challenges", stamps::challenge),
        on(Method::POST, Some(Directory), "/v1/accounts/{account}/stamps", stamps::issue),
        on(Method::POST, Some(Directory), "/v1/accounts/{account}/reports", reports::take),
        on(Method::OPTIONS, Some(Blob), tus::BLOBS, blobs::abilities),
        on(Method::POST, Some(Blob), tus::BLOBS, blobs::create),
        on(Method::HEAD, Some(Blob), "/v1/blobs/uploads/{upload}", blobs::progress),
        on(Method::PATCH, Some(Blob), "/v1/blobs/uploads/{upload}", blobs::proceed),
        on(Method::DELETE, Some(Blob), "/v1/blobs/uploads/{upload}", blobs::remove),
        on(Method::GET, Some(Blob), "/v1/blobs/{blob}", blobs::read),
        on(Method::GET, Some(Resume), "/v1/logs", upgrade::logs),
        on(Method::GET, Some(Directory), "/openapi.json", openapi::document),
        on(Method::GET, None, "/version", web::version),
        on(Method::GET, None, "/healthz", service::alive),
        on(Method::GET, None, "/readyz", service::ready),
        on(Method::GET, None, METRICS, service::metrics),
    ]
}

const METRICS: &str = "/metrics";

fn on<H, T>(method: Method, class: Option<Class>, path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    let handler = match method {
        Method::GET => get(handler),
        Method::PUT => put(handler),
        Method::HEAD => head(handler),
        Method::PATCH => patch(handler),
        Method::DELETE => delete(handler),
        Method::OPTIONS => options(handler),
        _ => post(handler),
    };
    Route { method, path, class, handler }
}

/// The control plane, for the main listener.
pub(crate) fn app(app: Arc<App>) -> Router {
    let serves_metrics = app.serves_metrics;
    let served = routes().into_iter().filter(|route| route.path != METRICS || serves_metrics);
    // Open to pages from anywhere, and without credentials: requests are signed, there are no cookies to ride on.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::HEAD, Method::PATCH, Method::DELETE])
        .allow_headers(Any)
        .expose_headers([
            header::RETRY_AFTER,
            header::LOCATION,
            header::CONTENT_RANGE,
            HeaderName::from_static("content-digest"),
            tus::RESUMABLE,
            tus::UPLOAD_OFFSET,
            tus::UPLOAD_LENGTH,
            tus::UPLOAD_EXPIRES,
        ])
        .max_age(Duration::from_secs(24 * 60 * 60));
    // Pages ask what they may before they ask anything else; other clients ask what there is. Only the former ask by which method.
    let (abilities, page) = (app.clone(), app.clone());
    let plain_options = move |request: Request, next: Next| {
        let abilities = abilities.clone();
        async move {
            let is_plain = *request.method() == Method::OPTIONS && request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD).is_none();
            if is_plain && request.uri().path() == tus::BLOBS {
                return blobs::abilities(State(abilities)).await;
            }
            next.run(request).await
        }
    };
    assemble(served, app)
        .layer(cors)
        .layer(middleware::from_fn(plain_options))
        .layer(middleware::from_fn(tus::version))
        .layer(middleware::from_fn_with_state(page, web::before))
}

/// `/metrics` alone, for a listener of its own.
pub(crate) fn metrics_app(app: Arc<App>) -> Router {
    assemble(routes().into_iter().filter(|route| route.path == METRICS), app)
}

fn assemble(routes: impl Iterator<Item = Route>, app: Arc<App>) -> Router {
    routes
        .fold(Router::new(), |router, Route { method: _, path, class, handler }| {
            let handler = match class {
                Some(class) => handler.layer(middleware::from_fn_with_state((app.clone(), class), admitted)),
                None => handler,
            };
            router.route(path, handler)
        })
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async {
            Problem::never(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "not with this method").at("method")
        })
        .layer(middleware::from_fn_with_state(app.clone(), timed_and_counted))
        .with_state(app)
}

/// What one request has in memory at once, at the least and at the most: bodies are read in pieces or are small.
const IN_MEMORY_LEAST: u64 = 16 * 1024;
const IN_MEMORY_MOST: u64 = 1024 * 1024;

/// Lets a request in or says when to come back, before its body is read.
async fn admitted(State((app, class)): State<(Arc<App>, Class)>, request: Request, next: Next) -> Response {
    // All that come without a number share their luck.
    let connection = request.extensions().get::<ConnectionNumber>().copied().unwrap_or(ConnectionNumber(0));
    let not_now = |refusal: Refusal| {
        app.metrics.refusal(refusal.code);
        Problem::from(refusal).into_response()
    };
    let permit = match app.gate.admit(class, app.gate.cohort(connection)) {
        Ok(permit) => permit,
        Err(refusal) => return not_now(refusal),
    };
    // For its body, and for what is read to answer it.
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let length = length.unwrap_or(IN_MEMORY_LEAST).clamp(IN_MEMORY_LEAST, IN_MEMORY_MOST);
    let Some(_lease) = app.lifecycle.memory().lease(length) else {
        permit.wasted();
        return not_now(app.gate.refusal());
    };
    let response = next.run(request).await;
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        permit.wasted();
    }
    response
}

async fn timed_and_counted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if *request.method() == Method::PATCH {
        // An upload takes as long as it takes, and looks at the clock itself.
        let response = next.run(request).await;
        app.metrics.http_answer(response.status());
        return response;
    }
    let response = match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_late) => Problem::later(StatusCode::REQUEST_TIMEOUT, "timeout", "the request took too long", 1_000).into_response(),
    };
    app.metrics.http_answer(response.status());
    response
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(request: Request, limit: usize) -> Result<(http::request::Parts, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok((parts, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the body is over the limit of {limit} bytes");
            Err(Problem::never(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).at("body"))
        }
        Err(_broken) => Err(Problem::malformed("body", "the body ended too early")),
    }
}
