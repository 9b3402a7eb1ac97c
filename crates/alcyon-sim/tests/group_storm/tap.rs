//! Listening in on what a person is told: every entry of every log, as the server has shown it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, btree_map},
    rc::Rc,
};

use alcyon_client::{Connection, HttpRequest, HttpResponse, Transport, TransportError};
use alcyon_wire::{
    HeaderFacts, LogId, ServerUrl,
    proto::{self, server_frame},
};
use bytes::Bytes;
use prost::Message;

/// What the logs hold, as far as anybody was told. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct Tap(Rc<RefCell<Heard>>);

#[derive(Default)]
struct Heard {
    logs: BTreeMap<LogId, BTreeMap<u64, Told>>,
    /// Two were told different things.
    contradictions: Vec<String>,
}

/// An entry.
#[derive(Clone, PartialEq, Eq)]
pub struct Told {
    pub header: Bytes,
    pub payload: Bytes,
}

impl Tap {
    /// The entries of a log after a sequence, as far as they hang together.
    pub fn after(&self, log: LogId, sequence: u64) -> Vec<(u64, Told)> {
        let heard = self.0.borrow();
        let Some(entries) = heard.logs.get(&log) else { return Vec::new() };
        let mut next = sequence + 1;
        let whole = entries.range(next..).take_while(|(number, _)| {
            let hangs = **number == next;
            next += 1;
            hangs
        });
        whole.map(|(number, told)| (*number, told.clone())).collect()
    }

    /// What two were told differently.
    pub fn contradictions(&self) -> Vec<String> {
        self.0.borrow().contradictions.clone()
    }

    /// Forgets what was heard: everybody has read it.
    pub fn clear(&self) {
        self.0.borrow_mut().logs.clear();
    }

    fn hear(&self, frame: &[u8]) {
        let Ok(proto::ServerFrame { request: 0, body: Some(server_frame::Body::Entries(page)) }) = proto::ServerFrame::decode(frame) else {
            return;
        };
        let Ok(log) = LogId::parse(&page.log, "log") else { return };
        let mut heard = self.0.borrow_mut();
        for proto::Entry { header, payload, payload_hash: _ } in page.entries {
            let Ok(facts) = HeaderFacts::parse(&header) else { continue };
            let told = Told { header, payload };
            match heard.logs.entry(log).or_default().entry(facts.sequence) {
                btree_map::Entry::Vacant(place) => drop(place.insert(told)),
                btree_map::Entry::Occupied(place) if *place.get() == told => {}
                btree_map::Entry::Occupied(_) => heard.contradictions.push(format!("entry {} of {log:?}", facts.sequence)),
            }
        }
    }
}

/// A transport that is listened in on.
pub struct TappedTransport<T> {
    pub inner: T,
    pub tap: Tap,
}

impl<T: Transport> Transport for TappedTransport<T> {
    type Connection = TappedConnection<T::Connection>;

    async fn request(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        self.inner.request(request).await
    }

    async fn connect(&self, server: &ServerUrl) -> Result<Self::Connection, TransportError> {
        Ok(TappedConnection { inner: self.inner.connect(server).await?, tap: self.tap.clone() })
    }
}

pub struct TappedConnection<C> {
    inner: C,
    tap: Tap,
}

impl<C: Connection> Connection for TappedConnection<C> {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), TransportError> {
        self.inner.send(frame).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, TransportError> {
        let frame = self.inner.receive().await?;
        self.tap.hear(&frame);
        Ok(frame)
    }
}
