//! A gateway that sends codes by SMS or voice: one HTTP POST, as its operator describes it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;

use super::{
    code::Address,
    outward::{Outward, Stream},
    senders::Outcome,
};

pub(crate) struct Gateway {
    uri: Uri,
    tls: bool,
    host: String,
    port: u16,
    /// With `{to}`, `{code}` and `{server}` in it.
    body: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Gateway {
    pub fn new(url: &str, body: String, headers: BTreeMap<String, String>) -> Result<Self, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "url is no URL")?;
        let host = uri.host().ok_or("url has no host")?.to_owned();
        let local = host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if local => false,
            _ => return Err("url must be https, or http on this machine"),
        };
        if !body.contains("{to}") || !body.contains("{code}") {
            return Err("body must have {to} and {code} in it");
        }
        let header = |(name, value): (String, String)| {
            let mut value = HeaderValue::from_str(&value).map_err(|_| "a header has a value that can't be sent")?;
            value.set_sensitive(true);
            Ok((name.parse().map_err(|_| "a header has a name that can't be sent")?, value))
        };
        let headers = headers.into_iter().map(header).collect::<Result<_, &'static str>>()?;
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { uri, tls, host, port, body, headers })
    }

    pub async fn send(&self, outward: &Outward, to: &Address, code: &str, server_name: &str) -> Outcome {
        self.post(outward, to, code, server_name).await.unwrap_or(Outcome::Failed)
    }

    /// None: it did not answer.
    async fn post(&self, outward: &Outward, to: &Address, code: &str, server_name: &str) -> Option<Outcome> {
        // Digits, a plus sign, and a host name: nothing that JSON or a form would have to escape but the plus sign.
        let is_form = self
            .headers
            .iter()
            .any(|(name, value)| name == header::CONTENT_TYPE && value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        let number = if is_form { to.as_str().replace('+', "%2B") } else { to.as_str().to_owned() };
        let body = self.body.replace("{to}", &number).replace("{code}", code).replace("{server}", server_name);
        let tcp = outward.connect(&self.host, self.port).await.ok()?;
        let stream: Box<dyn Stream> = if self.tls { outward.secure(&self.host, tcp).await.ok()? } else { Box::new(tcp) };
        let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        let driver = tokio::spawn(connection);
        let _ends = AbortOnDrop(driver);
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(Method::POST).uri(path).header(header::HOST, self.uri.authority()?.as_str());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !self.headers.iter().any(|(name, _)| name == header::CONTENT_TYPE) {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let answer = client.send_request(request.body(Full::new(Bytes::from(body))).ok()?).await.ok()?;
        Some(match answer.status().as_u16() {
            200..300 => Outcome::Sent,
            // What these say of the number; of the account and the load other codes speak.
            400 | 404 | 422 => Outcome::BadAddress,
            _ => Outcome::Failed,
        })
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
