//! A server that lies: a wrapper around a [`Transport`] that alters a good server's answers on their way to one client.
//!
//! A clumsy liar leaves the running hash as it was, and is found out at once. A clever one computes it anew, so that its
//! story hangs together; then the client's own chain is whole, and only a message of somebody who was told another story
//! gives it away. [`Liar::become_clever`] chooses.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use alcyon_client::{Connection, HttpRequest, HttpResponse, Transport, TransportError};
use alcyon_wire::{EntryKind, HeaderFacts, LogId, PayloadHash, RunningHash, ServerUrl, payload_hash, proto};
use bytes::Bytes;
use prost::Message;
use proto::{client_frame, server_frame};

/// What a liar does to the log it is told about, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Leaves the next application entry out. A clever liar numbers what follows anew.
    Drop,
    /// Tells the next two application entries in the wrong order. A clever liar swaps their numbers too.
    Swap,
    /// Tells the next application entry twice. A clever liar numbers what follows anew.
    Repeat,
    /// Changes the time in the next application entry's header.
    Header,
    /// Changes a byte in the next application entry's payload.
    Payload,
    /// Tells nothing more of that log.
    Withhold,
    /// Says that the log ends before what the client has read, at the next subscription.
    OldCopy,
    /// Gives out trees without the GroupInfos that confirm them, each time until [`Liar::become_honest`].
    Unconfirmed,
    /// Gives out trees with the oldest GroupInfo alone, each time until [`Liar::become_honest`].
    Outdated,
    /// Takes the GroupInfo off the client's next commit: so commits a member who wants to keep others out.
    SilentCommit,
    /// Says *later* to every message, each time until [`Liar::become_honest`]: a server that has far too much to do.
    Overloaded,
}

impl Lie {
    /// Whether it is about the entries of a page.
    fn is_about_entries(self) -> bool {
        match self {
            Self::Drop | Self::Swap | Self::Repeat | Self::Header | Self::Payload | Self::Withhold => true,
            Self::OldCopy | Self::Unconfirmed | Self::Outdated | Self::SilentCommit | Self::Overloaded => false,
        }
    }
}

/// What one client is told. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct Liar(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    clever: bool,
    armed: Option<Lie>,
    told: u64,
    /// The head of the log when the tree was stored that was given out last.
    tree_from: Option<u64>,
    logs: BTreeMap<LogId, Story>,
    /// The logs of requests under way, to number receipts anew.
    requests: BTreeMap<u64, LogId>,
}

/// What was told of one log.
struct Story {
    /// h(p) as told, by sequence as told.
    chain: BTreeMap<u64, RunningHash>,
    /// From this true sequence on, what is told is the true one plus this.
    shift: Option<(u64, i64)>,
    withheld: bool,
    lied: bool,
    /// The first of two entries that change places.
    waiting: Option<proto::Entry>,
}

impl Liar {
    /// Honest until told otherwise, and clumsy.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on computes running hashes anew after a lie.
    pub fn become_clever(&self) {
        self.0.borrow_mut().clever = true;
    }

    /// The next chance is taken.
    pub fn tell(&self, lie: Lie) {
        self.0.borrow_mut().armed = Some(lie);
    }

    /// Ends a lie that is told again and again.
    pub fn become_honest(&self) {
        self.0.borrow_mut().armed = None;
    }

    /// Where its log stood when the tree was stored that this client got last.
    #[must_use]
    pub fn tree_from(&self) -> Option<u64> {
        self.0.borrow().tree_from
    }

    /// How many lies were told.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.0.borrow().told
    }
}

/// A transport that lies to its client.
pub struct LyingTransport<T> {
    inner: T,
    liar: Liar,
}

impl<T: Transport> LyingTransport<T> {
    /// Over `inner`, as `liar` says.
    pub fn new(inner: T, liar: Liar) -> Self {
        Self { inner, liar }
    }
}

impl<T: Transport> Transport for LyingTransport<T> {
    type Connection = LyingConnection<T::Connection>;

    async fn request(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        self.inner.request(request).await
    }

    async fn connect(&self, server: &ServerUrl) -> Result<Self::Connection, TransportError> {
        let inner = self.inner.connect(server).await?;
        self.liar.0.borrow_mut().requests.clear();
        Ok(LyingConnection { inner, liar: self.liar.clone(), ready: VecDeque::new() })
    }
}

/// A connection that lies to its client.
pub struct LyingConnection<C> {
    inner: C,
    liar: Liar,
    ready: VecDeque<Vec<u8>>,
}

impl<C: Connection> Connection for LyingConnection<C> {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), TransportError> {
        let frame = match proto::ClientFrame::decode(frame.as_slice()) {
            Ok(decoded) => self.liar.0.borrow_mut().hear(decoded, &mut self.ready).map(|frame| frame.encode_to_vec()),
            Err(_) => Some(frame),
        };
        match frame {
            Some(frame) => self.inner.send(frame).await,
            None => Ok(()),
        }
    }

    async fn receive(&mut self) -> Result<Vec<u8>, TransportError> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(frame);
            }
            let frame = self.inner.receive().await?;
            match proto::ServerFrame::decode(frame.as_slice()) {
                Ok(decoded) => self.ready.extend(self.liar.0.borrow_mut().say(decoded).map(|frame| frame.encode_to_vec())),
                Err(_) => return Ok(frame),
            }
        }
    }
}

impl State {
    /// What the server gets of a client's frame; `answers` is for what the liar says in its place.
    fn hear(&mut self, mut frame: proto::ClientFrame, answers: &mut VecDeque<Vec<u8>>) -> Option<proto::ClientFrame> {
        use client_frame::Body;
        let number = frame.request;
        match frame.body.as_mut()? {
            Body::Append(_) if self.armed == Some(Lie::Overloaded) => {
                self.told += 1;
                answers.push_back(overloaded(number).encode_to_vec());
                return None;
            }
            Body::Append(proto::Append { seat: Some(seat), .. }) | Body::Leave(proto::Leave { seat: Some(seat), .. }) => {
                self.asked(number, &seat.log)
            }
            Body::Ack(proto::Ack { seat: Some(seat), sequence }) => {
                *sequence = self.story(&seat.log).map_or(*sequence, |story| story.truth(*sequence))
            }
            Body::Commit(commit) if self.armed == Some(Lie::SilentCommit) => {
                self.armed = None;
                self.told += 1;
                commit.group_info = Bytes::new();
            }
            Body::Subscribe(proto::Subscribe { logs }) => {
                if let Some((log, after)) = logs.iter().find_map(|one| Some((one.seat.as_ref()?.log.clone(), one.after)))
                    && self.armed == Some(Lie::OldCopy)
                    && after > 0
                {
                    self.armed = None;
                    self.told += 1;
                    answers.push_back(old_copy(number, log, after - 1).encode_to_vec());
                    return None;
                }
                for subscription in logs {
                    if let Some(seat) = &subscription.seat
                        && let Some(story) = self.story(&seat.log)
                    {
                        subscription.after = story.truth(subscription.after);
                    }
                }
            }
            _ => {}
        }
        Some(frame)
    }

    fn asked(&mut self, number: u64, log: &[u8]) {
        if let Ok(log) = LogId::parse(log, "log") {
            self.requests.insert(number, log);
        }
    }

    fn story(&mut self, log: &[u8]) -> Option<&mut Story> {
        LogId::parse(log, "log").ok().and_then(|log| self.logs.get_mut(&log))
    }

    /// What the client gets of a server's frame.
    fn say(&mut self, mut frame: proto::ServerFrame) -> Option<proto::ServerFrame> {
        use server_frame::Body;
        match frame.body.as_mut()? {
            Body::Receipt(receipt) => {
                if let Some(story) = self.requests.remove(&frame.request).and_then(|log| self.logs.get(&log)) {
                    receipt.sequence = story.told(receipt.sequence);
                }
            }
            Body::Subscribed(proto::Subscribed { logs }) => {
                for news in logs {
                    if let Some(story) = self.story(&news.log) {
                        news.head = story.told(news.head);
                    }
                }
            }
            Body::Tree(tree) => {
                self.tree_from = Some(tree.sequence);
                if let Some(Lie::Unconfirmed | Lie::Outdated) = self.armed
                    && !tree.group_infos.is_empty()
                {
                    tree.group_infos.truncate(usize::from(self.armed == Some(Lie::Outdated)));
                    self.told += 1;
                }
            }
            Body::Entries(entries) => {
                let log = LogId::parse(&entries.log, "log").ok()?;
                if !self.alter(log, entries) {
                    return None;
                }
            }
            _ => {}
        }
        Some(frame)
    }

    /// Alters a page; false if nothing is to be said at all.
    fn alter(&mut self, log: LogId, page: &mut proto::Entries) -> bool {
        let Self { clever, armed, told, tree_from: _, logs, requests: _ } = self;
        let story = logs.entry(log).or_insert_with(|| Story::new(log));
        if let Some(gap) = &page.gap
            && let Ok(hash) = RunningHash::parse(&gap.running_hash, "gap.running_hash")
        {
            story.chain.insert(gap.last, hash);
        }
        let mut out = Vec::new();
        for entry in std::mem::take(&mut page.entries) {
            let Ok(mut facts) = HeaderFacts::parse(&entry.header) else {
                out.push(entry);
                continue;
            };
            let truth = facts.sequence;
            if *clever {
                facts.sequence = story.told(truth);
            }
            let mut entry = if story.shift.is_some() && *clever { with_header(entry, &facts) } else { entry };
            if let Some(first) = story.waiting.take() {
                // The second of two: it goes first.
                *told += 1;
                story.lied = true;
                if *clever && let Ok(mut earlier) = HeaderFacts::parse(&first.header) {
                    std::mem::swap(&mut earlier.sequence, &mut facts.sequence);
                    std::mem::swap(&mut earlier.time_ms, &mut facts.time_ms);
                    out.push(with_header(entry, &facts));
                    out.push(with_header(first, &earlier));
                } else {
                    out.push(entry);
                    out.push(first);
                }
                continue;
            }
            if facts.kind != EntryKind::Application || !armed.is_some_and(Lie::is_about_entries) {
                out.push(entry);
                continue;
            }
            let lie = armed.take();
            *told += 1;
            story.lied = true;
            match lie {
                Some(Lie::Drop) if *clever => story.shift_from(truth, -1),
                Some(Lie::Drop) => {}
                Some(Lie::Repeat) => {
                    out.push(entry.clone());
                    if *clever {
                        facts.sequence += 1;
                        entry = with_header(entry, &facts);
                        story.shift_from(truth + 1, 1);
                    }
                    out.push(entry);
                }
                Some(Lie::Header) => {
                    facts.time_ms += 1;
                    out.push(with_header(entry, &facts));
                }
                Some(Lie::Payload) => {
                    let mut payload = entry.payload.to_vec();
                    if let Some(last) = payload.last_mut() {
                        *last ^= 1;
                    }
                    entry.payload = payload.into();
                    out.push(entry);
                }
                Some(Lie::Swap) => {
                    *told -= 1;
                    story.lied = false;
                    story.waiting = Some(entry);
                }
                Some(Lie::Withhold) => story.withheld = true,
                Some(Lie::OldCopy | Lie::Unconfirmed | Lie::Outdated | Lie::SilentCommit | Lie::Overloaded) | None => out.push(entry),
            }
        }
        if story.withheld {
            return false;
        }
        if *clever {
            page.head = story.told(page.head);
        }
        story.extend(&out);
        if *clever
            && story.lied
            && let Some(hash) =
                out.last().and_then(|entry| HeaderFacts::parse(&entry.header).ok()).and_then(|facts| story.chain.get(&facts.sequence))
        {
            page.running_hash = hash.to_field();
        }
        let nothing = out.is_empty() && page.gap.is_none();
        page.entries = out;
        !nothing
    }
}

impl Story {
    fn new(log: LogId) -> Self {
        Self { chain: BTreeMap::from([(0, RunningHash::start(log))]), shift: None, withheld: false, lied: false, waiting: None }
    }

    /// From the true sequence `from` on, numbers are moved.
    fn shift_from(&mut self, from: u64, by: i64) {
        self.shift = Some((from, by));
    }

    fn told(&self, truth: u64) -> u64 {
        match self.shift {
            Some((from, by)) if truth >= from => truth.saturating_add_signed(by),
            _ => truth,
        }
    }

    fn truth(&self, told: u64) -> u64 {
        match self.shift {
            Some((from, by)) if told >= from.saturating_add_signed(by) => told.saturating_add_signed(-by),
            _ => told,
        }
    }

    fn extend(&mut self, entries: &[proto::Entry]) {
        for entry in entries {
            let Ok(facts) = HeaderFacts::parse(&entry.header) else { continue };
            let payload = PayloadHash::parse(&entry.payload_hash, "entry.payload_hash").unwrap_or_else(|_| payload_hash(&entry.payload));
            if let Some(before) = self.chain.get(&(facts.sequence - 1)) {
                let next = before.next(&entry.header, &payload);
                self.chain.insert(facts.sequence, next);
            }
        }
    }
}

fn with_header(entry: proto::Entry, facts: &HeaderFacts) -> proto::Entry {
    proto::Entry { header: Bytes::from(facts.encode()), ..entry }
}

/// What a server that has too much to do answers.
fn overloaded(request: u64) -> proto::ServerFrame {
    let refusal = proto::Refusal {
        verdict: proto::Verdict::Later.into(),
        code: proto::RefusalCode::Overloaded.into(),
        message: "the server has too much to do".to_owned(),
        retry_after_ms: 1_000,
        ..Default::default()
    };
    proto::ServerFrame { request, body: Some(server_frame::Body::Refusal(refusal)) }
}

fn old_copy(request: u64, log: Bytes, head: u64) -> proto::ServerFrame {
    let refusal = proto::Refusal {
        verdict: proto::Verdict::Never.into(),
        code: proto::RefusalCode::BeyondHead.into(),
        message: "the log does not have that sequence".to_owned(),
        field: "subscribe.logs.after".to_owned(),
        head,
        ..Default::default()
    };
    let news = proto::LogNews { log, head, refusal: Some(refusal) };
    let body = server_frame::Body::Subscribed(proto::Subscribed { logs: vec![news] });
    proto::ServerFrame { request, body: Some(body) }
}
