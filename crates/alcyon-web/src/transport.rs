use std::time::Duration;

use alcyon_client::{HttpRequest, HttpResponse, ServerUrl, Transport, TransportError};
use futures::future::{Either, select};
use js_sys::{Reflect, Uint8Array, futures::JsFuture};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    AbortSignal, DomException, Headers, ReadableStreamDefaultReader, Request, RequestCredentials, RequestInit, RequestRedirect, Response,
};

use crate::{
    clock::{scope, sleep},
    socket::BrowserConnection,
};

/// For one request, from its first byte to the last of its answer, and for opening a WebSocket.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Of an answer's body.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;

/// HTTP by `fetch`, frames by `WebSocket`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BrowserTransport;

impl Transport for BrowserTransport {
    type Connection = BrowserConnection;

    async fn request(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        check(&request.server)?;
        exchange(request).await.map_err(|error| why(&error))?
    }

    async fn connect(&self, server: &ServerUrl) -> Result<BrowserConnection, TransportError> {
        check(server)?;
        let opening = std::pin::pin!(BrowserConnection::open(server));
        match select(opening, std::pin::pin!(sleep(TIMEOUT))).await {
            Either::Left((opened, _)) => opened,
            Either::Right(((), _)) => Err(TransportError::TimedOut),
        }
    }
}

fn check(server: &ServerUrl) -> Result<(), TransportError> {
    if server.is_tls() || server.is_loopback() { Ok(()) } else { Err(TransportError::Insecure(server.to_text())) }
}

/// The outer error is what JavaScript threw.
async fn exchange(request: HttpRequest) -> Result<Result<HttpResponse, TransportError>, JsValue> {
    let HttpRequest { server, method, path, headers, body } = request;
    let init = RequestInit::new();
    init.set_method(method.as_str());
    init.set_credentials(RequestCredentials::Omit);
    // What is signed names its path: another place than the one asked is a failure, not a detour.
    init.set_redirect(RequestRedirect::Error);
    init.set_signal(Some(&AbortSignal::timeout_with_f64(TIMEOUT.as_millis() as f64)));
    let sent = Headers::new()?;
    if !body.is_empty() {
        sent.set("content-type", "application/json")?;
        init.set_body_opt_u8_array(Some(&Uint8Array::from(body.as_slice())));
    }
    for (name, value) in headers {
        sent.set(name, &value)?;
    }
    init.set_headers_headers(&sent);

    let request = Request::new_with_str_and_init(&(server.to_text() + &path), &init)?;
    let answer: Response = JsFuture::from(scope().fetch_with_request(&request)).await?.unchecked_into();
    let Some(body) = read_to_end(&answer).await? else {
        return Ok(Err(TransportError::Unreachable("its answer is larger than 4 MiB".to_owned())));
    };
    let headers = HttpResponse::pick_headers(|name| answer.headers().get(name).ok().flatten());
    Ok(Ok(HttpResponse { status: answer.status(), headers, body }))
}

/// `None` if there is too much of it.
async fn read_to_end(answer: &Response) -> Result<Option<Vec<u8>>, JsValue> {
    let mut body = Vec::new();
    let Some(stream) = answer.body() else { return Ok(Some(body)) };
    let reader = ReadableStreamDefaultReader::new(&stream)?;
    loop {
        let read = JsFuture::from(reader.read()).await?;
        if Reflect::get(&read, &"done".into())?.is_truthy() {
            return Ok(Some(body));
        }
        let chunk: Uint8Array = Reflect::get(&read, &"value".into())?.unchecked_into();
        if body.len() + chunk.length() as usize > ANSWER_LIMIT {
            JsFuture::from(reader.cancel()).await?;
            return Ok(None);
        }
        body.extend(chunk.to_vec());
    }
}

/// `fetch` tells little on purpose: a refused connection, a failed TLS handshake and a missing CORS header look the same.
fn why(error: &JsValue) -> TransportError {
    match error.dyn_ref::<DomException>().map(DomException::name).as_deref() {
        Some("TimeoutError") => TransportError::TimedOut,
        _ => TransportError::Unreachable("the browser could not fetch from it".to_owned()),
    }
}
