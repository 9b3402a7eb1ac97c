//! Who carries codes: mail servers and HTTP gateways (SMS, voice), several of each in order, with a breaker before each. They
//! stand in a file of their own, since it holds passwords.

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    code::{Address, Way},
    gateway::Gateway,
    outward::Outward,
    smtp::{Mail, Security, Smtp},
};
use crate::{breaker::Breaker, logs::ServerClock};

/// One sender has so long; then the next one is tried.
const SEND_TIME: Duration = Duration::from_secs(10);
/// How long one that fails is left alone at first, and at the most.
const FIRST_PAUSE_MS: u64 = 15_000;
const LONGEST_PAUSE_MS: u64 = 10 * 60_000;

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    email: Vec<WrittenMail>,
    #[serde(default)]
    phone: Vec<WrittenGateway>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMail {
    server: String,
    from: String,
    user: Option<String>,
    password: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenGateway {
    url: String,
    body: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// What is wrong with the file. Its text is not repeated: it holds passwords.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendersError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("line {line}: it is not as described: [[email]] with server, from, user, password; [[phone]] with url, body, headers")]
    Form { line: usize },
    #[error("[[email]] {0}: {1}")]
    Mail(usize, &'static str),
    #[error("[[phone]] {0}: {1}")]
    Phone(usize, &'static str),
    #[error("TLS can't be set up: {0}")]
    Tls(String),
}

/// Why a code did not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// Nobody carries codes there, or whoever does says that there is no such address.
    BadAddress,
    /// All who could are away.
    AllDown {
        /// Until one is tried again.
        retry_after_ms: u64,
    },
}

/// What became of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sent,
    /// The sender works and does not take this address.
    BadAddress,
    Failed,
}

enum Sender {
    Smtp(Smtp),
    Gateway(Gateway),
}

struct Guarded {
    way: Way,
    sender: Sender,
    breaker: Mutex<Breaker>,
}

/// All senders, in order.
pub(crate) struct Senders {
    all: Vec<Guarded>,
    outward: Outward,
    server_name: String,
    clock: Arc<dyn ServerClock>,
    /// What one sender may take.
    pub send_time: Duration,
}

impl Senders {
    /// Reads the file.
    pub fn read(path: &Path, server_name: &str, clock: Arc<dyn ServerClock>) -> Result<Self, SendersError> {
        let text = Zeroizing::new(std::fs::read_to_string(path)?);
        Self::parse(&text, server_name, clock)
    }

    pub fn parse(text: &str, server_name: &str, clock: Arc<dyn ServerClock>) -> Result<Self, SendersError> {
        let Written { email, phone } = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            SendersError::Form { line: text.get(..at).unwrap_or_default().matches('\n').count() + 1 }
        })?;
        let mut all = Vec::new();
        let guarded = |way, sender| Guarded { way, sender, breaker: Mutex::new(Breaker::new(FIRST_PAUSE_MS, LONGEST_PAUSE_MS)) };
        for (n, WrittenMail { server, from, user, password }) in email.into_iter().enumerate() {
            let wrong = |why| SendersError::Mail(n + 1, why);
            let (security, host, port) =
                mail_server(&server).ok_or(wrong("server is smtps://host, smtp://host (STARTTLS) or smtp://127.0.0.1"))?;
            let from = Address::parse(Way::Email, &from).ok_or(wrong("from is no e-mail address"))?;
            let login = match (user, password) {
                (Some(user), Some(password)) => Some((user, Zeroizing::new(password))),
                (None, None) => None,
                _ => return Err(wrong("user and password go together")),
            };
            all.push(guarded(Way::Email, Sender::Smtp(Smtp { security, host, port, login, from })));
        }
        for (n, WrittenGateway { url, body, headers }) in phone.into_iter().enumerate() {
            let gateway = Gateway::new(&url, body, headers).map_err(|why| SendersError::Phone(n + 1, why))?;
            all.push(guarded(Way::Phone, Sender::Gateway(gateway)));
        }
        let outward = Outward::new().map_err(|error| SendersError::Tls(error.to_string()))?;
        Ok(Self { all, outward, server_name: server_name.to_owned(), clock, send_time: SEND_TIME })
    }

    /// Whether there is any for a way.
    pub fn has(&self, way: Way) -> bool {
        self.all.iter().any(|one| one.way == way)
    }

    /// Sends a code by the first that can.
    pub async fn send(&self, way: Way, to: &Address, code: &str) -> Result<(), NotSent> {
        let mut wait_ms = u64::MAX;
        for Guarded { sender, breaker, .. } in self.all.iter().filter(|one| one.way == way) {
            let lock = || breaker.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(wait) = lock().admit(self.clock.now_ms()) {
                wait_ms = wait_ms.min(wait);
                continue;
            }
            let mut attempt = Attempt { breaker, settled: false };
            let sending = async {
                match sender {
                    Sender::Smtp(smtp) => smtp.send(&self.outward, &Mail { to, code, server_name: &self.server_name }).await,
                    Sender::Gateway(gateway) => gateway.send(&self.outward, to, code, &self.server_name).await,
                }
            };
            let outcome = tokio::time::timeout(self.send_time, sending).await.unwrap_or(Outcome::Failed);
            attempt.settled = true;
            match outcome {
                Outcome::Failed => {
                    let (mut breaker, now_ms) = (lock(), self.clock.now_ms());
                    breaker.ended(false, now_ms);
                    wait_ms = wait_ms.min(breaker.open_for(now_ms).err().unwrap_or_default());
                }
                Outcome::Sent | Outcome::BadAddress => {
                    lock().ended(true, self.clock.now_ms());
                    return if outcome == Outcome::Sent { Ok(()) } else { Err(NotSent::BadAddress) };
                }
            }
        }
        if wait_ms == u64::MAX { Err(NotSent::BadAddress) } else { Err(NotSent::AllDown { retry_after_ms: wait_ms.max(1_000) }) }
    }
}

/// Whoever asked may go away in the middle: then the breaker must not wait for an answer for ever.
struct Attempt<'a> {
    breaker: &'a Mutex<Breaker>,
    settled: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.breaker.lock().unwrap_or_else(PoisonError::into_inner).given_up();
        }
    }
}

impl fmt::Debug for Senders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Senders(..)")
    }
}

fn mail_server(text: &str) -> Option<(Security, String, u16)> {
    let (scheme, rest) = text.split_once("://")?;
    let authority: http::uri::Authority = rest.trim_end_matches('/').parse().ok()?;
    let host = authority.host().to_owned();
    let local = host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let (security, usual) = match scheme {
        "smtps" => (Security::Tls, 465),
        "smtp" if local => (Security::Plain, 25),
        "smtp" => (Security::StartTls, 587),
        _ => return None,
    };
    (!authority.as_str().contains('@')).then(|| (security, host, authority.port_u16().unwrap_or(usual)))
}
