//! What this device remembers of servers, so that it finds its way back to them.

use std::net::IpAddr;

use alcyon_store::{DeviceNoteKind, StoreError, Tx};
use alcyon_wire::ServerUrl;
use prost::Message;

use crate::{Transport, Ways, core::Core};

/// Endpoints that are taken from one server, and bytes of one.
const OTHERS: usize = 8;
const OTHER_BYTES: usize = 255;
/// What a name leads to is written down again when it was found so much later, milliseconds: a day.
const WRITTEN_MS: u64 = 24 * 60 * 60 * 1000;

/// What is remembered of one server.
#[derive(Clone, PartialEq, Eq, Message)]
struct ServerNote {
    /// After a connection that ended without a word: come back within this time, milliseconds.
    #[prost(uint64, tag = "1")]
    reconnect_within_ms: u64,
    /// Other hosts and addresses where it is, as it has said.
    #[prost(string, repeated, tag = "2")]
    others: Vec<String>,
    /// Where its name has led.
    #[prost(message, repeated, tag = "3")]
    found: Vec<FoundAddress>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct FoundAddress {
    /// As text.
    #[prost(string, tag = "1")]
    address: String,
    #[prost(uint64, tag = "2")]
    seen_ms: u64,
}

impl ServerNote {
    fn read(tx: &Tx<'_>, server: &ServerUrl) -> Result<Self, StoreError> {
        match tx.device_note(DeviceNoteKind::Server, server.to_text().as_bytes())? {
            Some(bytes) => Self::decode(bytes.as_slice()).map_err(|_| StoreError::Damaged("server note")),
            None => Ok(Self::default()),
        }
    }

    fn ways(&self) -> Ways {
        let found = self.found.iter().filter_map(|found| Some((found.address.parse().ok()?, found.seen_ms)));
        Ways { others: self.others.clone(), found: found.collect() }
    }

    /// Another server would be found by it, or this one so much later that it has to be written down.
    fn differs(&self, newer: &Self) -> bool {
        let known = |found: &FoundAddress| {
            self.found.iter().any(|known| known.address == found.address && known.seen_ms.saturating_add(WRITTEN_MS) > found.seen_ms)
        };
        (self.reconnect_within_ms, &self.others) != (newer.reconnect_within_ms, &newer.others) || !newer.found.iter().all(known)
    }
}

/// What a server has said of itself in its greeting.
pub(crate) struct Greeting {
    pub(crate) reconnect_within_ms: u64,
    pub(crate) endpoints: Vec<String>,
}

impl Core {
    /// Tells the transport what is remembered of all servers.
    pub(crate) fn recall_servers(&self, transport: &impl Transport) -> Result<(), StoreError> {
        for (server, note) in self.store.transaction(|tx| tx.device_notes(DeviceNoteKind::Server))? {
            let server = String::from_utf8(server).ok().and_then(|server| server.parse::<ServerUrl>().ok());
            // What can't be read is found out anew.
            if let (Some(server), Ok(note)) = (server, ServerNote::decode(note.as_slice())) {
                transport.learn(&server, note.ways());
            }
        }
        Ok(())
    }

    /// Within which time a connection to this server that was cut off is made again.
    pub(crate) fn reconnect_within_ms(&self, server: &ServerUrl) -> Result<u64, StoreError> {
        self.store.transaction(|tx| Ok(ServerNote::read(tx, server)?.reconnect_within_ms))
    }

    /// Remembers what a server has said of itself, and where it was found.
    pub(crate) fn remember_server(&self, transport: &impl Transport, server: &ServerUrl, greeting: Greeting) -> Result<(), StoreError> {
        let Greeting { reconnect_within_ms, endpoints } = greeting;
        let others = endpoints.into_iter().filter(|other| is_host(other)).take(OTHERS).collect();
        transport.learn(server, Ways { others, found: Vec::new() });
        let Ways { others, found } = transport.ways(server);
        let found = found.into_iter().map(|(address, seen_ms): (IpAddr, _)| FoundAddress { address: address.to_string(), seen_ms });
        let newer = ServerNote { reconnect_within_ms, others, found: found.collect() };
        self.store.transaction(|tx| {
            if ServerNote::read(tx, server)?.differs(&newer) {
                tx.put_device_note(DeviceNoteKind::Server, server.to_text().as_bytes(), &newer.encode_to_vec())?;
            }
            Ok(())
        })
    }
}

/// A host name or an IP address, without a port.
fn is_host(text: &str) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    text.parse::<IpAddr>().is_ok() || (1..=OTHER_BYTES).contains(&text.len()) && text.bytes().all(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(seen_ms: u64) -> ServerNote {
        let found = vec![FoundAddress { address: "192.0.2.1".to_owned(), seen_ms }];
        ServerNote { reconnect_within_ms: 1, others: vec!["a.example".to_owned()], found }
    }

    #[test]
    fn what_was_found_again_is_written_once_a_day() {
        assert!(ServerNote::default().differs(&note(1)));
        assert!(!note(1).differs(&note(WRITTEN_MS)));
        assert!(note(1).differs(&note(WRITTEN_MS + 1)));
        assert!(note(1).differs(&ServerNote { reconnect_within_ms: 2, ..note(1) }));
        assert!(!note(1).differs(&ServerNote { found: Vec::new(), ..note(1) }));
    }

    #[test]
    fn only_hosts_are_taken_for_hosts() {
        for host in ["a.example", "192.0.2.1", "2001:db8::1", "xn--bcher-kva.example"] {
            assert!(is_host(host), "{host}");
        }
        for other in ["", "a.example:443", "https://a.example", "a b", "é.example", "[::1]"] {
            assert!(!is_host(other), "{other}");
        }
    }
}
