//! Links to groups. What is secret stands behind the `#`, which browsers send to nobody.

use alcyon_wire::{ConversationId, Handle, JoinSecret, LogId, ServerUrl, WireError, proto};
use data_encoding::BASE64URL_NOPAD;
use prost::Message;

/// A link to a group. Whoever has it can read who is in the group, and come in unless it needs approval.
#[derive(Clone)]
pub struct JoinLink {
    pub(crate) conversation: ConversationId,
    pub(crate) term: u32,
    pub(crate) log: LogId,
    pub(crate) server: ServerUrl,
    pub(crate) join_secret: JoinSecret,
    pub(crate) door: [u8; 32],
    /// Who is asked, if it needs approval.
    pub(crate) admin: Option<Handle>,
}

/// What opening a link has come to.
#[derive(Debug, Clone)]
pub enum OpenedLink {
    /// It is open, and this is it.
    Open(JoinLink),
    /// The server has not taken it yet. Until then there is no link to give away: a removal may come before it, and the link of
    /// today would open nothing then. Afterwards it is among [`Client::links_of`](crate::Client::links_of).
    Queued,
}

impl OpenedLink {
    /// The link, if it is open.
    #[must_use]
    pub fn link(self) -> Option<JoinLink> {
        match self {
            Self::Open(link) => Some(link),
            Self::Queued => None,
        }
    }
}

impl JoinLink {
    fn encode(&self) -> String {
        let Self { conversation, term, log, server, join_secret, door, admin } = self;
        let field = proto::JoinLink {
            conversation: conversation.to_field(),
            term: *term,
            log: log.to_field(),
            server: server.to_text(),
            join_secret: join_secret.to_field(),
            door: door.to_vec().into(),
            admin: admin.as_ref().map(Handle::to_text).unwrap_or_default(),
        };
        BASE64URL_NOPAD.encode(&field.encode_to_vec())
    }

    /// `alcyon://join/HOST#...`
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("alcyon://join/{}#{}", self.server.authority(), self.encode())
    }

    /// `https://HOST/join#...`, for those who have no program yet.
    #[must_use]
    pub fn to_https(&self) -> String {
        format!("{}/join#{}", self.server.to_text(), self.encode())
    }

    /// An admin has to approve who comes by it.
    #[must_use]
    pub fn needs_approval(&self) -> bool {
        self.admin.is_some()
    }
}

impl std::str::FromStr for JoinLink {
    type Err = WireError;

    /// Reads both forms.
    fn from_str(text: &str) -> Result<Self, WireError> {
        const WHAT: WireError = WireError::Malformed { what: "link" };
        let (place, secret) = text.trim().split_once('#').ok_or(WHAT)?;
        let known = place.starts_with("alcyon://join/")
            || ((place.starts_with("https://") || place.starts_with("http://")) && place.ends_with("/join"));
        if !known {
            return Err(WHAT);
        }
        let bytes = BASE64URL_NOPAD.decode(secret.as_bytes()).map_err(|_| WHAT)?;
        let proto::JoinLink { conversation, term, log, server, join_secret, door, admin } =
            proto::JoinLink::decode(bytes.as_slice()).map_err(|_| WHAT)?;
        Ok(Self {
            conversation: ConversationId::parse(&conversation, "link.conversation")?,
            term,
            log: LogId::parse(&log, "link.log")?,
            server: server.parse()?,
            join_secret: JoinSecret::parse(&join_secret, "link.join_secret")?,
            door: door.as_ref().try_into().map_err(|_| WHAT)?,
            admin: if admin.is_empty() { None } else { Some(admin.parse()?) },
        })
    }
}

impl std::fmt::Debug for JoinLink {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JoinLink(at {})", self.server.authority())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn link() -> JoinLink {
        JoinLink {
            conversation: ConversationId::from([1; 16]),
            term: 0,
            log: LogId::from([2; 16]),
            server: "https://sea.example".parse().unwrap(),
            join_secret: JoinSecret::from([3; 32]),
            door: [4; 32],
            admin: Some("ann@sea.example".parse().unwrap()),
        }
    }

    #[test]
    fn both_forms_come_back_and_the_secret_is_behind_the_hash() {
        for text in [link().to_text(), link().to_https()] {
            let (place, _) = text.split_once('#').unwrap();
            assert!(place == "alcyon://join/sea.example" || place == "https://sea.example/join", "{place}");
            let read: JoinLink = text.parse().unwrap();
            assert_eq!(read.to_text(), link().to_text());
        }
        assert!(!format!("{:?}", link()).contains("BAQE"), "the secret is not printed");
    }

    #[test]
    fn what_is_no_link_is_named() {
        for text in
            ["", "alcyon://join/sea.example", "alcyon://leave/x#AAAA", "https://sea.example/join#%%", "https://sea.example/join#AAAA"]
        {
            assert!(text.parse::<JoinLink>().is_err(), "{text}");
        }
    }
}
