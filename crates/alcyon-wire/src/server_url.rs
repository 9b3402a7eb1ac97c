use std::{fmt, str::FromStr};

use crate::{WireError, handle::is_authority};

/// Where a server is: `https://host[:port]` or, for tests and one's own machine, `http://host[:port]`. No path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerUrl {
    tls: bool,
    authority: String,
}

impl ServerUrl {
    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Host and optional port.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Host without port and brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        match self.authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => self.authority.split(':').next().unwrap_or(&self.authority),
        }
    }

    /// The host is this machine, by name or address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The URL of a server that is known by the part of a handle after the `@`: https, but http on loopback.
    pub fn of_handle_server(server: &str) -> Result<Self, WireError> {
        let url: Self = format!("https://{server}").parse()?;
        Ok(Self { tls: !url.is_loopback(), ..url })
    }

    /// The same host and port with TLS.
    #[must_use]
    pub fn with_tls(&self) -> Self {
        Self { tls: true, authority: self.authority.clone() }
    }

    /// As text, without a slash at the end.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }

    /// Scheme, host and port for a WebSocket.
    #[must_use]
    pub fn to_websocket(&self) -> String {
        format!("{}://{}", if self.tls { "wss" } else { "ws" }, self.authority)
    }
}

impl FromStr for ServerUrl {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let malformed = WireError::Text { field: "server", expected: "https://host, https://host:port or http://127.0.0.1:port" };
        let (tls, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (true, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (false, rest)
        } else {
            return Err(malformed);
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
        if is_authority(&authority) { Ok(Self { tls, authority }) } else { Err(malformed) }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerUrl(..)")
    }
}
