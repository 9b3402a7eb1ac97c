use std::{fmt, str::FromStr};

use crate::{AccountId, WireError};

/// The part of a handle before the `@`: 3 to 32 of `a-z 0-9 . _ -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandleName(String);

impl HandleName {
    /// As text. Not `Display`: a handle in a log must be a decision.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HandleName {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        if (3..=32).contains(&text.len()) && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(WireError::Text { field: "name", expected: "3 to 32 of the characters a-z 0-9 . _ -" })
        }
    }
}

impl fmt::Debug for HandleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandleName(..)")
    }
}

/// `name@server.example[:port]`: a pointer to a manifest in that server's directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    name: HandleName,
    server: String,
}

impl Handle {
    /// Puts one together. The server is a host with an optional port, as in a URL.
    pub fn new(name: HandleName, server: &str) -> Result<Self, WireError> {
        format!("{}@{server}", name.as_str()).parse()
    }

    /// Before the `@`.
    #[must_use]
    pub fn name(&self) -> &HandleName {
        &self.name
    }

    /// After the `@`: host and optional port, lower case.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// As people write it.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}@{}", self.name.as_str(), self.server)
    }

    /// Reads `handle` or `handle#account-id`, the form that can't be spoofed.
    pub fn parse_with_account(text: &str) -> Result<(Self, Option<AccountId>), WireError> {
        match text.split_once('#') {
            Some((handle, account)) => Ok((handle.parse()?, Some(AccountId::from_text(account, "account")?))),
            None => Ok((text.parse()?, None)),
        }
    }
}

impl FromStr for Handle {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let malformed = WireError::Text { field: "handle", expected: "name@server or name@server:port" };
        let (name, server) = text.split_once('@').ok_or(malformed.clone())?;
        let server = server.to_ascii_lowercase();
        if !is_authority(&server) {
            return Err(malformed);
        }
        Ok(Self { name: name.parse()?, server })
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle(..)")
    }
}

/// A host name, IPv4 address or bracketed IPv6 address, with an optional port.
pub(crate) fn is_authority(text: &str) -> bool {
    if text.len() > 255 {
        return false;
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((host, rest)) = rest.split_once(']') else {
            return false;
        };
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return false;
        }
        return rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
    } else if let Some((host, port)) = text.split_once(':') {
        (host, Some(port))
    } else {
        (text, None)
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}
