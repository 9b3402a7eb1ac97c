//! One connection to one server for one purpose: subscribes, processes what comes, and sends what waits.

mod door;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alcyon_store::{OutboxKind, StoreError, TermState};
use alcyon_wire::{
    HeaderFacts, LogId, PROTOCOL_VERSION, RefusalCode, RunningHash, SeatKey, SeatSecret, ServerUrl, Verdict, limits,
    proto::{self, client_frame, server_frame},
};
use bytes::Bytes;
use futures::FutureExt;
use prost::Message;

use crate::{
    AlarmKind, Client, ClientError, Clock, Connection, Transport, TransportError,
    come_in::History,
    core::{is_again, raise},
    device::come_in::{SIBLING, not_let_read},
    entry::Step,
    outbox::Ready,
    random::random,
    rejoin::FetchedTree,
    retry::Retry,
    server_note::Greeting,
};

/// What a connection is for. They are kept apart, so that a server can't match what they carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// The own inbox.
    Inbox,
    /// Conversations whose hub this server is.
    Hub,
    /// Knocking at others' inboxes.
    Knock,
}

/// A connection that is needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    pub(crate) server: ServerUrl,
    pub(crate) purpose: Purpose,
}

/// Why a connection ended before its time.
pub(crate) enum Ended {
    /// The way to the server, or the server, is the cause: try again, not before so many milliseconds. `said_goodbye`: the server
    /// has named the time, or the client has ended it.
    Away { after_ms: u64, said_goodbye: bool },
    /// The profile is the cause.
    Failed(ClientError),
}

impl From<TransportError> for Ended {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Later { after_ms } => Self::away(after_ms),
            _ => Self::Away { after_ms: 0, said_goodbye: false },
        }
    }
}

impl Ended {
    /// Come back after so many milliseconds.
    pub(crate) fn away(after_ms: u64) -> Self {
        Self::Away { after_ms, said_goodbye: true }
    }
}

impl<E: Into<ClientError>> From<E> for Ended
where
    E: NotTransport,
{
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Errors that are the profile's.
pub(crate) trait NotTransport {}
impl NotTransport for ClientError {}
impl NotTransport for StoreError {}

/// No answer for this long: the connection is dead.
const PATIENCE: Duration = Duration::from_secs(30);
/// Silence after which a connection that stays open is tested.
const KEEP_ALIVE: Duration = Duration::from_secs(45);

/// What a request in flight was for.
enum Flight {
    Outbox {
        number: u64,
        log: LogId,
        /// It was asked before.
        again: bool,
    },
    Subscribe(Vec<LogId>),
    Tree {
        log: LogId,
        parts: Vec<Bytes>,
    },
    /// What is read at a door.
    Entries(LogId),
    Other,
}

struct State {
    next_request: u64,
    flights: BTreeMap<u64, Flight>,
    /// Logs that are subscribed, with the seat; and the sequence that makes us "at the head".
    seats: BTreeMap<LogId, SeatSecret>,
    heads: BTreeMap<LogId, u64>,
    cursors: BTreeMap<LogId, u64>,
    trees: BTreeMap<LogId, FetchedTree>,
    /// What was read at doors, and whether that is all.
    histories: BTreeMap<LogId, (History, bool)>,
    /// Commits that were in a log when its tree was asked for again.
    commits_known: BTreeMap<LogId, u64>,
    /// Not to be read any more on this connection.
    stopped: BTreeSet<LogId>,
    /// When the next delayed item is due.
    next_due_ms: Option<u64>,
    /// The connection stays when nothing is left to do.
    for_ever: bool,
    /// Not before this time may logs be subscribed: the server has said so.
    resume_at_ms: u64,
    resuming: Retry,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Runs a connection, which the caller holds: until there is nothing left to do, or for ever. `caught_up` is called
    /// whenever nothing is left to do, with how many pokes for work were looked at.
    pub(crate) async fn run_link(&self, link: &Link, for_ever: bool, mut caught_up: impl FnMut(u64)) -> Result<(), Ended> {
        let mut connection = self.transport.connect(&link.server).await?;
        let mut state = State {
            next_request: 1,
            flights: BTreeMap::new(),
            seats: BTreeMap::new(),
            heads: BTreeMap::new(),
            cursors: BTreeMap::new(),
            trees: BTreeMap::new(),
            histories: BTreeMap::new(),
            commits_known: BTreeMap::new(),
            stopped: BTreeSet::new(),
            next_due_ms: None,
            for_ever,
            resume_at_ms: 0,
            resuming: Retry::default(),
        };
        self.greet(&link.server, &mut connection, &mut state).await?;
        loop {
            let seen = self.core.work.count();
            for frame in self.plan(link, &mut state)? {
                connection.send(frame).await?;
            }
            if state.is_idle() && state.resume_at_ms == 0 {
                caught_up(seen);
                if !for_ever {
                    return Ok(());
                }
            }
            let patience = if state.flights.is_empty() { KEEP_ALIVE } else { PATIENCE };
            let due = state.next_due_ms.map(|due| Duration::from_millis(due.saturating_sub(self.clock.now_ms()).max(1)));
            let wait = due.map_or(patience, |due| due.min(patience));
            let timed_out = {
                let mut receive = std::pin::pin!(connection.receive().fuse());
                let mut work = std::pin::pin!(self.core.work.after(seen).fuse());
                let mut sleep = std::pin::pin!(self.clock.sleep(wait).fuse());
                futures::select_biased! {
                    frame = receive => { let frame = frame?; Some(frame) }
                    () = work => continue,
                    () = sleep => None,
                }
            };
            let Some(frame) = timed_out else {
                if wait < patience {
                    continue;
                }
                if !state.flights.is_empty() {
                    return Err(TransportError::TimedOut.into());
                }
                let ping = state.request(client_frame::Body::Ping(proto::Ping {}), Flight::Other);
                connection.send(ping).await?;
                continue;
            };
            let frame = proto::ServerFrame::decode(frame.as_slice()).map_err(|_| TransportError::Closed)?;
            for answer in self.handle(link, &mut state, frame)? {
                connection.send(answer).await?;
            }
        }
    }

    async fn greet(&self, server: &ServerUrl, connection: &mut T::Connection, state: &mut State) -> Result<(), Ended> {
        let hello = state.request(client_frame::Body::Hello(proto::Hello { versions: vec![PROTOCOL_VERSION] }), Flight::Other);
        connection.send(hello).await?;
        let mut receive = std::pin::pin!(connection.receive().fuse());
        let mut sleep = std::pin::pin!(self.clock.sleep(PATIENCE).fuse());
        let frame = futures::select_biased! {
            frame = receive => frame?,
            () = sleep => return Err(TransportError::TimedOut.into()),
        };
        let frame = proto::ServerFrame::decode(frame.as_slice()).map_err(|_| TransportError::Closed)?;
        state.flights.clear();
        match frame.body {
            Some(server_frame::Body::HelloOk(proto::HelloOk {
                version: PROTOCOL_VERSION,
                time_ms: _,
                max_frame: _,
                window_entries: _,
                window_bytes: _,
                reconnect_within_ms,
                endpoints,
            })) => Ok(self.core.remember_server(&self.transport, server, Greeting { reconnect_within_ms, endpoints })?),
            Some(server_frame::Body::Refusal(refusal)) => Err(Ended::away(refusal.retry_after_ms.max(1000))),
            Some(server_frame::Body::GoingAway(going)) => Err(self.sent_away(server, &going)),
            _ => Err(TransportError::Closed.into()),
        }
    }

    /// The server stops. Where it is found meanwhile, it is looked for first; the time holds all the same.
    fn sent_away(&self, server: &ServerUrl, going: &proto::GoingAway) -> Ended {
        let proto::GoingAway { retry_after_ms, location } = going;
        self.go_to(server, location);
        Ended::away(*retry_after_ms)
    }

    /// Looks for the server there first from now on, if that is a URL.
    fn go_to(&self, server: &ServerUrl, location: &str) {
        if let Ok(location) = location.parse::<ServerUrl>() {
            self.transport.go_to(server, location.host());
        }
    }

    /// What there is to send now.
    fn plan(&self, link: &Link, state: &mut State) -> Result<Vec<Vec<u8>>, Ended> {
        let local = self.core.local()?;
        let now_ms = self.clock.now_ms();
        let mut frames = Vec::new();
        let mut subscribe = Vec::new();
        match link.purpose {
            Purpose::Inbox => {
                let log = local.inbox.log;
                if !state.seats.contains_key(&log) && !state.stopped.contains(&log) {
                    let after = self.core.store.transaction(|tx| tx.account())?.map_or(0, |account| account.inbox_cursor);
                    subscribe.push((local.inbox.clone(), after));
                }
            }
            Purpose::Hub => {
                let terms = self.core.store.transaction(|tx| {
                    let mut terms = tx.open_terms(Some(&link.server))?;
                    let mut begun = Vec::new();
                    for term in terms.drain(..) {
                        if term.state == TermState::Joining || crate::inbox::has_begun(tx, term.log)? {
                            begun.push(term);
                        }
                    }
                    Ok::<_, ClientError>(begun)
                })?;
                for term in terms {
                    let seat = SeatKey { log: term.log, secret: term.seat.clone() };
                    if state.stopped.contains(&term.log) {
                        continue;
                    }
                    if term.state == TermState::Joining && term.welcome.is_none() && (term.door.is_some() || term.group_id.is_none()) {
                        // By a door: the outbox does it.
                        continue;
                    }
                    // The first tree of a term beyond 0 is in the log itself.
                    if term.state == TermState::Joining && term.group_id.is_none() && term.term == 0 {
                        if !state.is_fetching(term.log) {
                            frames.push(state.get_tree(&seat));
                        }
                    } else if state.seats.get(&term.log) != Some(&term.seat) {
                        if state.seats.remove(&term.log).is_some() {
                            let logs = vec![term.log.to_field()];
                            frames.push(state.request(client_frame::Body::Unsubscribe(proto::Unsubscribe { logs }), Flight::Other));
                        }
                        state.heads.remove(&term.log);
                        subscribe.push((seat, term.cursor));
                    }
                }
            }
            Purpose::Knock => {}
        }
        let resumes_now = now_ms >= state.resume_at_ms;
        for chunk in subscribe.chunks(limits::SUBSCRIPTIONS).filter(|_| resumes_now) {
            let mut logs = Vec::with_capacity(chunk.len());
            let subscriptions = chunk.iter().map(|(seat, after)| {
                state.seats.insert(seat.log, seat.secret.clone());
                state.cursors.insert(seat.log, *after);
                logs.push(seat.log);
                proto::Subscription { seat: Some(seat.to_field()), after: *after }
            });
            let body = client_frame::Body::Subscribe(proto::Subscribe { logs: subscriptions.collect() });
            frames.push(state.request(body, Flight::Subscribe(logs)));
        }
        self.plan_outbox(link, state, now_ms, &mut frames)?;
        if !subscribe.is_empty() && !resumes_now {
            state.next_due_ms = Some(state.next_due_ms.map_or(state.resume_at_ms, |due| due.min(state.resume_at_ms)));
        }
        if link.purpose == Purpose::Hub {
            for log in state.seats.keys().copied().collect::<Vec<_>>() {
                if let Some(publish) = self.core.publish(log, now_ms)? {
                    frames.push(state.request(client_frame::Body::Publish(publish), Flight::Other));
                }
            }
        }
        Ok(frames)
    }

    fn plan_outbox(&self, link: &Link, state: &mut State, now_ms: u64, frames: &mut Vec<Vec<u8>>) -> Result<(), Ended> {
        state.next_due_ms = None;
        for item in self.core.store.transaction(|tx| tx.outbox_heads(Some(&link.server)))? {
            if purpose_of(item.kind) != Some(link.purpose) || state.is_busy(item.log) || state.stopped.contains(&item.log) {
                continue;
            }
            if item.not_before_ms > now_ms {
                state.next_due_ms = Some(state.next_due_ms.map_or(item.not_before_ms, |due| due.min(item.not_before_ms)));
                continue;
            }
            if item.kind == OutboxKind::ComeIn {
                frames.extend(self.plan_coming_in(state, &item, now_ms)?);
                continue;
            }
            let made_at_head =
                needs_head(item.kind) || (matches!(item.kind, OutboxKind::PutTree | OutboxKind::Leave) && item.frame.is_none());
            if made_at_head && !state.is_at_head(item.log) {
                continue;
            }
            match self.core.ready(&item, state.trees.get(&item.log), now_ms)? {
                Ready::Send(frame) => {
                    let Some(body) = frame.body else { continue };
                    let again = is_again(&item);
                    if again && !self.core.may_ask_again(now_ms) {
                        let due_ms = self.core.due_ms(&item).max(now_ms + 1);
                        state.next_due_ms = Some(state.next_due_ms.map_or(due_ms, |due| due.min(due_ms)));
                        continue;
                    }
                    frames.push(state.request(body, Flight::Outbox { number: item.number, log: item.log, again }));
                }
                Ready::NeedsTree => {
                    if let Some(secret) = state.seats.get(&item.log).cloned()
                        && !state.is_fetching(item.log)
                    {
                        frames.push(state.get_tree(&SeatKey { log: item.log, secret }));
                    }
                }
                Ready::NotYet => {
                    // A tree that was of no use is fetched again after a while.
                    if state.trees.remove(&item.log).is_some() {
                        let now = self.core.store.transaction(|tx| tx.outbox_item(item.number))?;
                        if now.is_some_and(|now| now.not_before_ms <= now_ms) {
                            self.core.store.transaction(|tx| tx.delay_outbox(item.number, now_ms + 1000))?;
                            state.next_due_ms = Some(now_ms + 1000);
                        } else {
                            // It has asked others for help: their answers are found at the inbox.
                            self.core.work.poke();
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn handle(&self, link: &Link, state: &mut State, frame: proto::ServerFrame) -> Result<Vec<Vec<u8>>, Ended> {
        let proto::ServerFrame { request, body } = frame;
        let now_ms = self.clock.now_ms();
        match body {
            Some(server_frame::Body::Receipt(proto::Receipt { sequence, time_ms: _ })) => self.accepted(state, request, sequence)?,
            Some(server_frame::Body::Done(proto::Done {})) => self.accepted(state, request, 0)?,
            Some(server_frame::Body::Refusal(refusal)) => self.refusal(link, state, request, &refusal, now_ms)?,
            // Not asked for: logs that can't be read on.
            Some(server_frame::Body::Subscribed(proto::Subscribed { logs })) if request == 0 => {
                for proto::LogNews { log, head: _, refusal } in logs {
                    if let (Ok(log), Some(refusal)) = (LogId::parse(&log, "subscribed.logs.log"), refusal) {
                        self.subscription_refused(link, state, log, &refusal, now_ms)?;
                    }
                }
            }
            Some(server_frame::Body::Subscribed(proto::Subscribed { logs })) => {
                let Some(Flight::Subscribe(asked)) = state.flights.remove(&request) else { return Ok(Vec::new()) };
                state.resume_at_ms = 0;
                state.resuming.succeeded();
                for log in asked {
                    let cursor = state.cursors.get(&log).copied().unwrap_or(0);
                    state.heads.insert(log, cursor);
                }
                let refused: BTreeSet<_> = logs.iter().filter(|news| news.refusal.is_some()).map(|news| news.log.to_vec()).collect();
                self.core.store.transaction(|tx| {
                    let there = state.heads.keys().filter(|log| !refused.contains(log.as_bytes().as_slice()));
                    there.into_iter().try_for_each(|log| crate::next_term::came_back(tx, *log))
                })?;
                for proto::LogNews { log, head, refusal } in logs {
                    let Ok(log) = LogId::parse(&log, "subscribed.logs.log") else { continue };
                    match refusal {
                        None => {
                            state.heads.insert(log, head);
                        }
                        Some(refusal) => self.subscription_refused(link, state, log, &refusal, now_ms)?,
                    }
                }
            }
            Some(server_frame::Body::Entries(page)) if request != 0 => {
                let Some(Flight::Entries(log)) = state.flights.remove(&request) else { return Ok(Vec::new()) };
                let proto::Entries { log: _, gap, entries, head, running_hash } = page;
                let (history, complete) = state.histories.entry(log).or_default();
                let through_gap = gap.map_or(history.cursor, |gap| gap.last);
                let last =
                    entries.last().and_then(|entry| HeaderFacts::parse(&entry.header).ok()).map_or(through_gap, |last| last.sequence);
                history.running_hash = RunningHash::parse(&running_hash, "entries.running_hash").ok();
                *complete = last >= head || last <= history.cursor;
                history.cursor = last.max(history.cursor);
                history.entries.extend(entries);
            }
            Some(server_frame::Body::Entries(page)) => return self.page(link, state, &page, now_ms),
            Some(server_frame::Body::Tree(tree)) => self.tree(state, request, tree, now_ms)?,
            Some(server_frame::Body::GoingAway(going)) => return Err(self.sent_away(&link.server, &going)),
            Some(server_frame::Body::Published(proto::Published { log, payload })) => {
                if let Ok(log) = LogId::parse(&log, "published.log") {
                    let event = self.core.published(log, &payload)?;
                    self.core.emit(event);
                }
            }
            Some(server_frame::Body::HelloOk(_)) | None => {
                state.flights.remove(&request);
            }
        }
        Ok(Vec::new())
    }

    fn accepted(&self, state: &mut State, request: u64, sequence: u64) -> Result<(), Ended> {
        if let Some(Flight::Outbox { number, log, again }) = state.flights.remove(&request) {
            self.core.answered(again);
            let came_in = self.core.store.transaction(|tx| tx.outbox_item(number))?.is_some_and(|item| item.kind == OutboxKind::ComeIn);
            let answered = self.core.accepted(number, sequence, self.clock.now_ms())?;
            state.raise_head(log, answered.head);
            self.core.emit(answered.events);
            // Other connections may wait for what is done now.
            self.core.work.poke();
            if came_in && state.seats.contains_key(&log) {
                // Let in again: what is still on its way here is for the old seat.
                return Err(Ended::away(0));
            }
        }
        Ok(())
    }

    fn refusal(&self, link: &Link, state: &mut State, request: u64, refusal: &proto::Refusal, now_ms: u64) -> Result<(), Ended> {
        if refusal.verdict() == Verdict::Elsewhere && refusal.code() == RefusalCode::Draining {
            // Nothing of it was done: what waits goes out there.
            self.go_to(&link.server, &refusal.location);
            return Err(Ended::away(refusal.retry_after_ms));
        }
        match state.flights.remove(&request) {
            Some(Flight::Outbox { number, log, again }) => {
                if !is_in_trouble(refusal) {
                    self.core.answered(again);
                }
                tracing::debug!(code = ?refusal.code(), "an item of the outbox was refused");
                let answered = self.core.refused(number, refusal, now_ms)?;
                state.raise_head(log, answered.head);
                state.trees.remove(&log);
                state.histories.remove(&log);
                self.core.failed.borrow_mut().extend(answered.failed);
                self.core.emit(answered.events);
            }
            Some(Flight::Tree { log, parts: _ }) => {
                tracing::debug!(code = ?refusal.code(), "the tree was refused");
                let term = self.core.store.transaction(|tx| tx.term(log))?;
                if term.as_ref().is_some_and(|term| term.door.is_some()) {
                    return self.door_refused(state, log, refusal, now_ms);
                }
                let local = self.core.local()?;
                if self.core.store.transaction(|tx| not_let_read(tx, &local, log, refusal, now_ms))? {
                    return Ok(());
                }
                state.stopped.insert(log);
                let joining = term.is_some_and(|term| term.state == TermState::Joining);
                if joining && refusal.verdict() == Verdict::Never {
                    let events = self.core.cannot_come_in(log, now_ms)?;
                    self.core.emit(events);
                }
            }
            Some(Flight::Entries(log)) => {
                tracing::debug!(code = ?refusal.code(), "the door's entries were refused");
                state.trees.remove(&log);
                state.histories.remove(&log);
                self.door_refused(state, log, refusal, now_ms)?;
            }
            Some(Flight::Subscribe(logs)) if refusal.verdict() == Verdict::Later && state.for_ever => {
                // The connection is there already, and others would have to wait for the next one.
                for log in logs {
                    state.seats.remove(&log);
                }
                let wait_ms = state.resuming.failed(refusal.retry_after_ms.max(1000), u64::from_le_bytes(random()));
                state.resume_at_ms = now_ms.saturating_add(wait_ms);
            }
            Some(Flight::Subscribe(_)) => return Err(Ended::away(refusal.retry_after_ms.max(1000))),
            Some(Flight::Other) | None => {
                if refusal.verdict() == Verdict::Later && request == 0 {
                    return Err(Ended::away(refusal.retry_after_ms));
                }
            }
        }
        Ok(())
    }

    fn subscription_refused(&self, link: &Link, state: &mut State, log: LogId, refusal: &proto::Refusal, now_ms: u64) -> Result<(), Ended> {
        tracing::debug!(code = ?refusal.code(), "a subscription was refused");
        state.stopped.insert(log);
        state.heads.remove(&log);
        let local = self.core.local()?;
        let head = refusal.head.to_be_bytes();
        let events = self.core.store.transaction(|tx| {
            if link.purpose == Purpose::Inbox && refusal.code() == RefusalCode::SeatDropped {
                // A sibling does that when it removes a device.
                self.core.in_doubt.set(true);
                return Ok(Vec::new());
            }
            if link.purpose == Purpose::Inbox {
                let account = tx.account()?.ok_or(ClientError::NoAccount)?;
                let evidence = (account.inbox_hash.as_bytes().as_slice(), &head[..]);
                return Ok::<_, ClientError>(
                    raise(tx, None, log, AlarmKind::ServerRestored, account.inbox_cursor, evidence, now_ms)?.into_iter().collect(),
                );
            }
            let Some(mut term) = tx.term(log)? else { return Ok(Vec::new()) };
            if not_let_read(tx, &local, log, refusal, now_ms)? {
                return Ok(Vec::new());
            }
            match refusal.code() {
                RefusalCode::BeyondHead | RefusalCode::UnknownLog | RefusalCode::WrongSeat => {
                    let evidence = (term.running_hash.as_bytes().as_slice(), &head[..]);
                    let raised = raise(tx, Some(term.conversation), log, AlarmKind::ServerRestored, term.cursor, evidence, now_ms)?;
                    crate::next_term::propose(tx, &local, &term, crate::TermReason::Lost, now_ms)?;
                    Ok(raised.into_iter().collect())
                }
                RefusalCode::SeatDropped => {
                    // Somebody has taken the seat away, and all that may be read was read.
                    term.state = TermState::Closed;
                    tx.put_term(&term)?;
                    crate::outbox::fail_messages(tx, log, term.conversation)?;
                    let Some(mut conversation) = tx.conversation(term.conversation)? else { return Ok(Vec::new()) };
                    conversation.standing = alcyon_store::Standing::Left;
                    tx.put_conversation(&conversation)?;
                    Ok(vec![crate::Event::Left { conversation: conversation.conversation }])
                }
                _ => Ok(Vec::new()),
            }
        })?;
        self.core.emit(events);
        Ok(())
    }

    fn page(&self, link: &Link, state: &mut State, page: &proto::Entries, now_ms: u64) -> Result<Vec<Vec<u8>>, Ended> {
        if LogId::parse(&page.log, "entries.log").is_ok_and(|log| state.is_subscribing(log)) {
            // Of the subscription before, which was given up with its seat while this was on its way. The new one begins where
            // this device was then, and brings it again: read now, that would look like a server that repeats itself.
            return Ok(vec![state.credit(page)]);
        }
        let (log, step) = match link.purpose {
            Purpose::Inbox => self.core.process_inbox(page, now_ms)?,
            Purpose::Hub | Purpose::Knock => self.core.process_page(page, now_ms)?,
        };
        let Step { events, new_seat: _, stop, failed, own_manifest, .. } = step;
        if own_manifest {
            self.core.reload()?;
        }
        self.core.failed.borrow_mut().extend(failed);
        let mut frames = Vec::new();
        let cursor = self.core.store.transaction(|tx| {
            Ok::<_, ClientError>(match link.purpose {
                Purpose::Inbox => tx.account()?.map(|account| account.inbox_cursor),
                Purpose::Hub | Purpose::Knock => tx.term(log)?.map(|term| term.cursor),
            })
        })?;
        if let Some(cursor) = cursor {
            state.cursors.insert(log, cursor);
        }
        state.raise_head(log, Some(page.head));
        frames.push(state.credit(page));
        let lent = self.core.store.transaction(|tx| tx.term(log))?.is_some_and(|term| term.rejoin == SIBLING);
        // What is read on a sibling's seat the sibling has not read: nothing may go on its account.
        if let (Some(secret), Some(cursor), false) = (state.seats.get(&log), cursor, lent) {
            let seat = Some(SeatKey { log, secret: secret.clone() }.to_field());
            frames.push(state.bare(client_frame::Body::Ack(proto::Ack { seat, sequence: cursor })));
        }
        if stop {
            state.stopped.insert(log);
            state.seats.remove(&log);
            state.heads.remove(&log);
            frames.push(state.request(client_frame::Body::Unsubscribe(proto::Unsubscribe { logs: vec![log.to_field()] }), Flight::Other));
        }
        if !events.is_empty() || link.purpose == Purpose::Inbox {
            self.core.work.poke();
        }
        self.core.emit(events);
        Ok(frames)
    }

    fn tree(&self, state: &mut State, request: u64, tree: proto::Tree, now_ms: u64) -> Result<(), Ended> {
        let proto::Tree { chunk, chunks, payload, commit_count, sequence, door_opened, group_infos } = tree;
        let Some(Flight::Tree { log, parts }) = state.flights.get_mut(&request) else { return Ok(()) };
        let log = *log;
        if chunk as usize != parts.len() || chunks > limits::TREE_CHUNKS {
            return Err(TransportError::Closed.into());
        }
        parts.push(payload);
        if chunk + 1 < chunks {
            return Ok(());
        }
        let Some(Flight::Tree { parts: chunks, .. }) = state.flights.remove(&request) else { return Ok(()) };
        let fetched = FetchedTree { chunks, commit_count, sequence, door_opened, group_infos };
        let joining =
            self.core.store.transaction(|tx| tx.term(log))?.is_some_and(|term| term.state == TermState::Joining && term.welcome.is_some());
        if joining {
            let events = self.core.come_in(log, &fetched, now_ms)?;
            self.core.emit(events);
        } else {
            state.trees.insert(log, fetched);
        }
        Ok(())
    }
}

impl State {
    fn request(&mut self, body: client_frame::Body, flight: Flight) -> Vec<u8> {
        self.flights.insert(self.next_request, flight);
        self.bare(body)
    }

    /// The server may send as much again as this page was.
    fn credit(&mut self, page: &proto::Entries) -> Vec<u8> {
        let entries = u32::try_from(page.entries.len()).unwrap_or(u32::MAX);
        let bytes = page.entries.iter().map(|entry| entry.payload.len() as u64).sum();
        self.bare(client_frame::Body::Credit(proto::Credit { entries, bytes }))
    }

    /// A frame whose answer, if any, does not matter.
    fn bare(&mut self, body: client_frame::Body) -> Vec<u8> {
        let request = self.next_request;
        self.next_request += 1;
        proto::ClientFrame { request, body: Some(body) }.encode_to_vec()
    }

    fn get_tree(&mut self, seat: &SeatKey) -> Vec<u8> {
        let authority = Some(proto::get_tree::Authority::Seat(seat.to_field()));
        self.request(client_frame::Body::GetTree(proto::GetTree { authority }), Flight::Tree { log: seat.log, parts: Vec::new() })
    }

    /// A subscription to this log was asked for and not answered yet: what comes of it comes after the answer.
    fn is_subscribing(&self, log: LogId) -> bool {
        self.flights.values().any(|flight| matches!(flight, Flight::Subscribe(logs) if logs.contains(&log)))
    }

    fn is_fetching(&self, log: LogId) -> bool {
        self.flights
            .values()
            .any(|flight| matches!(flight, Flight::Tree { log: fetching, .. } | Flight::Entries(fetching) if *fetching == log))
    }

    /// Something of this log is under way; the next item waits for it.
    fn is_busy(&self, log: LogId) -> bool {
        self.flights.values().any(|flight| matches!(flight, Flight::Outbox { log: busy, .. } if *busy == log))
    }

    fn is_at_head(&self, log: LogId) -> bool {
        match (self.heads.get(&log), self.cursors.get(&log)) {
            (Some(head), Some(cursor)) => cursor >= head,
            _ => false,
        }
    }

    fn raise_head(&mut self, log: LogId, head: Option<u64>) {
        if let (Some(head), Some(known)) = (head, self.heads.get_mut(&log)) {
            *known = head.max(*known);
        }
    }

    /// Nothing is under way, and everything there is has been read.
    fn is_idle(&self) -> bool {
        self.flights.values().all(|flight| matches!(flight, Flight::Other))
            && self.seats.keys().all(|log| self.stopped.contains(log) || self.is_at_head(*log))
    }
}

/// The server as a whole can't now. A quota is no trouble: the time that it names is when it goes.
fn is_in_trouble(refusal: &proto::Refusal) -> bool {
    let whole = matches!(
        refusal.code(),
        RefusalCode::Overloaded | RefusalCode::Internal | RefusalCode::Draining | RefusalCode::DiskFull | RefusalCode::Unspecified
    );
    whole && refusal.verdict() == Verdict::Later
}

/// On which connection an item goes out; starts go over HTTP.
pub(crate) fn purpose_of(kind: OutboxKind) -> Option<Purpose> {
    match kind {
        OutboxKind::Create
        | OutboxKind::PutTree
        | OutboxKind::Append
        | OutboxKind::Commit
        | OutboxKind::Close
        | OutboxKind::Leave
        | OutboxKind::Rejoin
        | OutboxKind::Act
        | OutboxKind::TakeSeat
        | OutboxKind::TakeOut
        | OutboxKind::ComeIn => Some(Purpose::Hub),
        OutboxKind::Knock => Some(Purpose::Knock),
        OutboxKind::SetPasses => Some(Purpose::Inbox),
        OutboxKind::Start | OutboxKind::NextTerm => None,
    }
}

/// After opening, the log is read to its head before the first of these is made or sent.
fn needs_head(kind: OutboxKind) -> bool {
    use OutboxKind::{Act, Append, Close, Commit, Rejoin, TakeOut, TakeSeat};
    matches!(kind, Append | Commit | Close | Rejoin | Act | TakeSeat | TakeOut)
}

/// Items without a frame that the connection itself makes one for.
pub(crate) fn is_made_here(kind: OutboxKind) -> bool {
    needs_head(kind) || matches!(kind, OutboxKind::ComeIn | OutboxKind::PutTree | OutboxKind::Leave)
}
