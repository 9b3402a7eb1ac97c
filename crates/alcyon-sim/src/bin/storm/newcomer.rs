//! Somebody who would like an account: what goes over the wire for that, beside the sign-up itself.

use std::net::{Ipv4Addr, SocketAddr};

use alcyon_sim::sign_up::SignUp;
use alcyon_wire::work::solve;
use anyhow::{Context, Result};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::tcp;

/// A request as it goes over the wire, and where it comes from.
pub struct Newcomer {
    pub sign_up: SignUp,
    pub from: Ipv4Addr,
}

impl Newcomer {
    /// Signs up, on a connection of its own: status and JSON.
    pub async fn sign_up(&self, server: SocketAddr, ticket: Option<&str>) -> Result<(u16, Value)> {
        let mut headers = self.sign_up.headers();
        headers.extend(ticket.map(|ticket| ("alcyon-ticket", ticket)));
        exchange(server, self.from, "POST", SignUp::PATH, &headers, &self.sign_up.body).await
    }
}

/// Asks for a ticket, or where the line stands; `solved` is the work that was asked for.
pub async fn ask(server: SocketAddr, from: Ipv4Addr, account: &str, solved: Option<(&str, u64)>) -> Result<Value> {
    let mut body = serde_json::json!({ "account": account });
    if let Some((challenge, nonce)) = solved {
        body["challenge"] = Value::from(challenge);
        body["nonce"] = Value::from(BASE64URL_NOPAD.encode(&nonce.to_be_bytes()));
    }
    Ok(exchange(server, from, "POST", "/v1/sign-up/tickets", &[], body.to_string().as_bytes()).await?.1)
}

/// A ticket says when its owner came: a version, then Unix milliseconds.
pub fn arrival_of(ticket: &str) -> Option<u64> {
    let bytes = BASE64URL_NOPAD.decode(ticket.as_bytes()).ok()?;
    Some(u64::from_be_bytes(bytes.get(1..9)?.try_into().ok()?))
}

/// Does the work that an answer asks for, in pieces, so that others have their turn: the challenge, and the number that was found.
pub async fn work(answer: &Value) -> Result<(&str, u64)> {
    const AT_ONCE: u64 = 2_000;
    let challenge = answer["challenge"].as_str().context("challenge")?;
    let bits = u32::try_from(answer["bits"].as_u64().context("bits")?)?;
    let bytes = BASE64URL_NOPAD.decode(challenge.as_bytes())?;
    let mut first = 0;
    loop {
        if let Some(nonce) = solve(&bytes, bits, first, AT_ONCE) {
            return Ok((challenge, nonce));
        }
        first += AT_ONCE;
        tokio::task::yield_now().await;
    }
}

/// One request on a connection of its own: status and JSON.
pub async fn exchange(
    server: SocketAddr,
    from: Ipv4Addr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(u16, Value)> {
    let mut stream = tcp(server, from).await?;
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !body.is_empty() {
        bytes += "content-type: application/json\r\n";
    }
    for (name, value) in headers {
        bytes += &format!("{name}: {value}\r\n");
    }
    bytes += "\r\n";
    stream.write_all(&[bytes.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let text = std::str::from_utf8(&answer)?;
    let (head, body) = text.split_once("\r\n\r\n").context("a short answer")?;
    Ok((head.split(' ').nth(1).context("no status")?.parse()?, serde_json::from_str(body).unwrap_or_default()))
}
