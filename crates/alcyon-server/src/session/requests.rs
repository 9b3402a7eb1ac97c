use std::{collections::VecDeque, sync::Arc, task::Context};

use alcyon_wire::{
    LogId, PROTOCOL_VERSION, Payment, RefusalCode, Request, RequestId, SeatKey, ServerUrl, Subscription, WireError, decode_client_frame,
    glance_at_append, limits,
    proto::{self, server_frame::Body},
};
use bytes::Bytes;

use super::{
    Sessions,
    answers::{Answered, Answers, Kind},
    bulk::Bulk,
    delivery::Delivery,
    outbox::Outbox,
};
use crate::{
    Refusal,
    admission::{Class, Cohort, ConnectionNumber},
    any_store::AnyStore,
    edge::websocket::CloseCode,
    logs::{AddressBand, Follower, LeaveOnly, Logs, News, TreeChunk, TreeReader},
    observe::RequestKind,
    stamps::Paid,
};

/// Logs that one connection may follow.
const FOLLOWED: usize = 16 * limits::SUBSCRIPTIONS;

/// A session without its socket: takes frames, and puts answers and entries into the outbox.
pub(super) struct Work {
    sessions: Arc<Sessions>,
    /// The server's logs, for this connection.
    logs: Logs<AnyStore>,
    band: AddressBand,
    /// Stands for this connection where a request names no seat.
    connection: ConnectionNumber,
    follower: Follower,
    delivery: Delivery,
    answers: Answers,
    trees: VecDeque<TreeOnItsWay>,
    bulk: Bulk,
    /// Appends that were turned away and are not counted yet: once for all that came together.
    turned_away: u32,
    agreed: bool,
    going_away: bool,
}

/// What a message was.
pub(super) enum Taken {
    Frame,
    /// No frame of the protocol.
    Nuisance,
}

struct TreeOnItsWay {
    request: u64,
    reader: TreeReader<AnyStore>,
    next: u32,
}

impl Work {
    pub(super) fn new(sessions: Arc<Sessions>, band: AddressBand, connection: ConnectionNumber) -> Self {
        let (follower, logs) = (sessions.logs.follower(), sessions.logs.for_connection());
        Self {
            sessions,
            logs,
            band,
            connection,
            follower,
            delivery: Delivery::default(),
            answers: Answers::default(),
            trees: VecDeque::new(),
            bulk: Bulk::default(),
            turned_away: 0,
            agreed: false,
            going_away: false,
        }
    }

    pub(super) fn follower(&self) -> Follower {
        self.follower.clone()
    }

    /// A protocol version is agreed on.
    pub(super) fn is_agreed(&self) -> bool {
        self.agreed
    }

    /// A version is agreed on, and more is asked of the server than it can do.
    pub(super) fn is_pressed(&self) -> bool {
        self.agreed && self.sessions.gate.is_pressed()
    }

    /// Another request may be taken. While too much is asked, always: what has no place is refused. Left in the kernel's buffers it
    /// would stand where nobody sees it, and who was let in would wait longest.
    pub(super) fn has_room(&self) -> bool {
        self.is_pressed() || self.has_place()
    }

    /// Another request may wait for its answer.
    fn has_place(&self) -> bool {
        self.answers.are_in_order() && self.answers.len() + self.trees.len() < self.sessions.limits.requests_in_flight as usize
    }

    /// Bytes of memory, for requests that wait.
    pub(super) fn held(&self) -> usize {
        self.answers.held()
    }

    /// This connection is ended: it holds much, and there is no more room.
    pub(super) fn count_shed(&self) {
        self.sessions.metrics.shed.increment(1);
    }

    /// The server drains and everything accepted is answered.
    pub(super) fn is_finished(&self) -> bool {
        self.going_away && self.answers.len() == 0
    }

    /// Tells the client, once, that the server stops.
    pub(super) fn go_away(&mut self, outbox: &mut Outbox) {
        if !self.going_away {
            self.going_away = true;
            self.trees.clear();
            let retry_after_ms = self.sessions.gate.goodbye_ms(self.sessions.lifecycle.connections().0);
            outbox.frame(0, Body::GoingAway(proto::GoingAway { retry_after_ms, location: self.location() }));
        }
    }

    /// Answers that are there, then entries and trees as far as the outbox has room and it is this session's turn. True if anything came
    /// of it. `sent`: bytes of entries and trees in this pass.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox, sent: &mut usize) -> bool {
        let mut moved = false;
        while let Some(Answered { request, since, result, permit, .. }) = self.answers.poll_next(cx) {
            moved = true;
            match result {
                Ok(body) => {
                    drop(permit);
                    self.sessions.metrics.write_seconds.record(since.elapsed());
                    outbox.frame(request, body);
                }
                Err(refusal) => {
                    if refusal.code == RefusalCode::Overloaded {
                        permit.wasted();
                    }
                    self.refuse(request, refusal, outbox);
                }
            }
        }
        while self.has_to_send(outbox) && !Bulk::is_enough(*sent) {
            if !self.bulk.may_send(cx, &self.sessions.turns) {
                return moved;
            }
            let before = outbox.unsent();
            if !(self.deliver(outbox) | self.send_tree(outbox)) {
                break;
            }
            *sent += outbox.unsent() - before;
            moved = true;
        }
        self.bulk.leave_the_line();
        moved
    }

    /// There are entries or trees for this client, and there is room for them.
    fn has_to_send(&self, outbox: &Outbox) -> bool {
        !self.going_away && !outbox.is_full() && (self.delivery.has_turns() || !self.trees.is_empty())
    }

    /// Nothing more is sent.
    pub(super) fn end(&mut self) {
        self.bulk = Bulk::Little;
    }

    /// A pass begins.
    pub(super) fn pass_begins(&mut self) {
        self.bulk.pass_begins();
    }

    /// Nothing more can be done in this pass, in which so many bytes of entries and trees were sent. True if that is because they were many.
    pub(super) fn pass_is_over(&mut self, sent: usize) -> bool {
        self.bulk.pass_is_over(sent)
    }

    pub(super) fn take_news(&mut self, news: Vec<News>, outbox: &mut Outbox) {
        for news in news {
            match news {
                News::Entries(log) => self.delivery.wake(log),
                News::Published(log, payload) if !outbox.is_behind() && !self.going_away && self.delivery.seat(log).is_some() => {
                    outbox.frame(0, Body::Published(proto::Published { log: log.to_field(), payload }));
                }
                News::Published(..) => self.sessions.metrics.signals_dropped.increment(1),
            }
        }
    }

    /// True if this is an append for which there is no room: it is refused, without being taken apart. What is asked too much is most
    /// of what comes, and is to cost as little as it can. `frame`: all of it, or its first [`GLANCE`](alcyon_wire::GLANCE) bytes.
    /// [`Work::count_turned_away`] follows, once for many.
    pub(super) fn turns_away(&mut self, frame: &[u8], outbox: &mut Outbox) -> bool {
        let gate = &self.sessions.gate;
        if !self.is_pressed() || self.going_away {
            return false;
        }
        let Some((RequestId(request), secret)) = glance_at_append(frame) else {
            return false;
        };
        if self.has_place() && !gate.turns_away(gate.cohort_of_seat(&secret)) {
            return false;
        }
        outbox.later(request, gate.again_ms());
        self.turned_away += 1;
        true
    }

    /// Counts what was turned away since the last time.
    pub(super) fn count_turned_away(&mut self) {
        match std::mem::take(&mut self.turned_away) {
            0 => {}
            count => self.sessions.metrics.turned_away(count),
        }
    }

    /// One binary message. The error closes the connection.
    pub(super) fn take_frame(&mut self, frame: Bytes, outbox: &mut Outbox) -> Result<Taken, CloseCode> {
        let bytes = frame.len();
        match decode_client_frame(frame) {
            Ok((RequestId(request), asked)) => {
                self.sessions.metrics.request(RequestKind::from(&asked));
                self.act(request, asked, bytes, outbox)?;
                Ok(Taken::Frame)
            }
            Err((RequestId(request), error)) => {
                self.sessions.metrics.request(RequestKind::Malformed);
                self.refuse(request, error.into(), outbox);
                Ok(Taken::Nuisance)
            }
        }
    }

    /// A message over the limit was skipped.
    pub(super) fn refuse_too_large(&mut self, outbox: &mut Outbox) {
        self.sessions.metrics.request(RequestKind::Malformed);
        let error = WireError::TooLarge { field: "frame", limit: limits::FRAME, actual: limits::FRAME + 1 };
        let message = format!("frame is over the limit of {} bytes", limits::FRAME);
        self.refuse(0, Refusal { message: message.into(), ..Refusal::from(error) }, outbox);
    }

    /// A text message was skipped.
    pub(super) fn refuse_text(&mut self, outbox: &mut Outbox) {
        self.sessions.metrics.request(RequestKind::Malformed);
        self.refuse(0, Refusal::malformed("frame", "frames are binary messages, not text"), outbox);
    }

    /// `bytes`: of the frame.
    fn act(&mut self, request: u64, asked: Request, bytes: usize, outbox: &mut Outbox) -> Result<(), CloseCode> {
        if let Request::Hello { versions } = asked {
            return self.hello(request, &versions, outbox);
        }
        if !self.agreed {
            self.refuse(request, Refusal::malformed("hello", "the first frame must be a Hello"), outbox);
            return Ok(());
        }
        if self.going_away {
            self.refuse(request, self.sessions.draining(), outbox);
            return Ok(());
        }
        let class = Class::of(&asked);
        if class != Class::Live && !self.has_place() {
            self.refuse(request, self.sessions.gate.no_place(class), outbox);
            return Ok(());
        }
        let permit = match self.sessions.gate.admit(class, self.cohort(&asked)) {
            Ok(permit) => permit,
            Err(refusal) => {
                self.refuse(request, refusal, outbox);
                return Ok(());
            }
        };
        let logs = &self.logs;
        match asked {
            Request::Hello { versions: _ } => {}
            Request::Create { log, seats, payment } => {
                let paid = self.sessions.stamps.check(payment.as_deref(), &Payment::for_log(log));
                self.answers.add(request, Kind::Receipt(logs.create_for(paid, log, seats, self.band)), permit, bytes);
            }
            Request::Append { seat, entry_id, payload, commit_count } => {
                self.answers.add(request, Kind::Receipt(logs.append(&seat, entry_id, payload, commit_count)), permit, bytes);
            }
            Request::Commit { authority, entry_id, payload, commit_count, changes, drop_secrets, group_info } => {
                let answer = logs.commit(&authority, entry_id, payload, commit_count, changes, &drop_secrets, group_info);
                self.answers.add(request, Kind::Receipt(answer), permit, bytes);
            }
            Request::Close { seat, entry_id, payload, commit_count } => {
                self.answers.add(request, Kind::Receipt(logs.close(&seat, entry_id, payload, commit_count)), permit, bytes);
            }
            Request::Leave { seat, entry_id, payload, seats_dropped, drop_secrets, commit_count, keeper_stays } => {
                let only = LeaveOnly { commit_count, keeper_stays };
                let answer = logs.leave(&seat, entry_id, payload, seats_dropped, &drop_secrets, only);
                self.answers.add(request, Kind::Receipt(answer), permit, bytes);
            }
            Request::Knock { inbox, entry_id, payload, pass, payment } => {
                // Acquaintances have been let in already.
                let paid = match &pass {
                    Some(_) => Paid::Free,
                    None => self.sessions.stamps.check(payment.as_deref(), &Payment::for_knock(inbox, entry_id)),
                };
                self.answers.add(request, Kind::Receipt(logs.knock_for(paid, inbox, entry_id, payload, pass.as_ref())), permit, bytes);
            }
            Request::SetPasses { seat, added, dropped } => {
                self.answers.add(request, Kind::Done(logs.set_passes(&seat, added, dropped)), permit, bytes);
            }
            Request::PutTree { seat, entry_id, commit_count, chunk, chunks, payload, group_info } => {
                let chunk = TreeChunk { entry_id, commit_count, chunk, chunks, payload, group_info };
                self.answers.add(request, Kind::Done(logs.put_tree(&seat, chunk)), permit, bytes);
            }
            Request::GetTree { authority } => match logs.tree(&authority) {
                Ok(reader) => self.trees.push_back(TreeOnItsWay { request, reader, next: 0 }),
                Err(refusal) => self.refuse(request, refusal, outbox),
            },
            Request::GetEntries { door, after } => match logs.read_at_door(&door, after) {
                Ok(crate::logs::Page { gap, entries, head, running_hash, readable_until: _ }) => {
                    let (log, running_hash) = (door.log.to_field(), running_hash.to_field());
                    outbox.frame(request, Body::Entries(proto::Entries { log, gap, entries, head, running_hash }));
                }
                Err(refusal) => self.refuse(request, refusal, outbox),
            },
            Request::Publish { seat, payload } => self.done(request, logs.publish(&seat, payload), outbox),
            Request::Ack { seat, sequence } => self.done(request, logs.ack(&seat, sequence), outbox),
            Request::Subscribe { logs } => self.subscribe(request, &logs, outbox),
            Request::Unsubscribe { logs } => {
                for log in logs {
                    self.unfollow(log);
                }
                self.done(request, Ok(()), outbox);
            }
            Request::Credit { entries, bytes } => {
                self.delivery.credit(entries, bytes);
                self.done(request, Ok(()), outbox);
            }
            Request::Ping => self.done(request, Ok(()), outbox),
        }
        Ok(())
    }

    /// Where the server is found while this process drains.
    fn location(&self) -> String {
        self.sessions.elsewhere.as_ref().map(ServerUrl::to_text).unwrap_or_default()
    }

    /// Requests of one seat share their luck, others that of their connection.
    fn cohort(&self, asked: &Request) -> Cohort {
        let gate = &self.sessions.gate;
        match asked {
            Request::Append { seat, .. } | Request::Publish { seat, .. } => gate.cohort_of_seat(&seat.secret),
            _ => gate.cohort(self.connection),
        }
    }

    fn hello(&mut self, request: u64, versions: &[u32], outbox: &mut Outbox) -> Result<(), CloseCode> {
        if self.agreed {
            self.refuse(request, Refusal::malformed("hello", "a version is agreed on already"), outbox);
            return Ok(());
        }
        if !versions.contains(&PROTOCOL_VERSION) {
            let message = format!("no protocol version in common: this server speaks {PROTOCOL_VERSION}");
            let refusal = Refusal { field: "hello.versions".into(), ..Refusal::never(RefusalCode::Version, message) };
            self.refuse(request, refusal, outbox);
            return Err(CloseCode::NoVersion);
        }
        self.agreed = true;
        let hello = proto::HelloOk {
            version: PROTOCOL_VERSION,
            time_ms: self.sessions.clock.now_ms(),
            max_frame: u32::try_from(limits::FRAME).expect("the limit is a megabyte"),
            window_entries: limits::WINDOW_ENTRIES,
            window_bytes: limits::WINDOW_BYTES,
            reconnect_within_ms: self.sessions.gate.reconnect_within_ms(self.sessions.lifecycle.connections().0),
            endpoints: self.sessions.endpoints.clone(),
        };
        outbox.frame(request, Body::HelloOk(hello));
        Ok(())
    }

    fn subscribe(&mut self, request: u64, subscriptions: &[Subscription], outbox: &mut Outbox) {
        let mut logs = Vec::new();
        for subscription in subscriptions {
            let log = subscription.seat.log;
            match self.follow(subscription) {
                Ok(head) if head > subscription.after => {
                    self.delivery.wake(log);
                    logs.push(proto::LogNews { log: log.to_field(), head, refusal: None });
                }
                Ok(_nothing_new) => {}
                Err(refusal) => {
                    self.sessions.metrics.refusal(refusal.code);
                    logs.push(proto::LogNews { log: log.to_field(), head: refusal.head, refusal: Some(refusal.into()) });
                }
            }
        }
        outbox.frame(request, Body::Subscribed(proto::Subscribed { logs }));
    }

    /// Follows first and looks then, so that no entry falls between. The head of the log, as far as this seat may read.
    fn follow(&mut self, subscription: &Subscription) -> Result<u64, Refusal> {
        let Subscription { seat, after } = subscription;
        let (log, seat_id) = (seat.log, SeatKey::seat_id(seat));
        let before = self.delivery.seat(log);
        if before.is_none() && self.delivery.len() >= FOLLOWED {
            let message = format!("a connection follows at most {FOLLOWED} logs");
            return Err(Refusal::never(RefusalCode::TooMany, message));
        }
        let engine = &self.sessions.logs;
        let followed = match engine.follow(&self.follower, log, seat_id) {
            // It reads what is left for it; there will be no news.
            Err(refusal) if refusal.code == RefusalCode::SeatDropped => Ok(()),
            followed => followed,
        };
        let subscribed = followed.and_then(|()| engine.subscribe(subscription)).and_then(|subscribed| match subscribed.readable_until {
            Some(until) if *after >= until => {
                Err(Refusal { head: until, ..Refusal::never(RefusalCode::SeatDropped, "the seat was dropped and has read all it may") })
            }
            _ => Ok(subscribed),
        });
        match subscribed {
            Ok(subscribed) => {
                self.delivery.follow(log, seat_id, *after);
                Ok(subscribed.head)
            }
            Err(refusal) => {
                match before {
                    // What was followed before goes on as before.
                    Some(before) => {
                        if engine.follow(&self.follower, log, before).is_err() {
                            self.unfollow(log);
                        }
                    }
                    None => engine.unfollow(&self.follower, log),
                }
                Err(refusal)
            }
        }
    }

    fn unfollow(&mut self, log: LogId) {
        self.delivery.unfollow(log);
        self.sessions.logs.unfollow(&self.follower, log);
    }

    /// One turn of one log. True if there was one.
    fn deliver(&mut self, outbox: &mut Outbox) -> bool {
        let Some(turn) = self.delivery.next_turn() else {
            return false;
        };
        let page = match self.sessions.logs.read(turn.log, turn.seat, turn.after, turn.most_entries, turn.most_bytes) {
            Ok(page) => page,
            Err(refusal) => {
                // The log can't be read any more. The client is told under its id and may subscribe again.
                self.sessions.metrics.refusal(refusal.code);
                let news = proto::LogNews { log: turn.log.to_field(), head: refusal.head, refusal: Some(refusal.into()) };
                outbox.frame(0, Body::Subscribed(proto::Subscribed { logs: vec![news] }));
                self.unfollow(turn.log);
                return true;
            }
        };
        let crate::logs::Page { gap, entries, head, running_hash, readable_until } = page;
        let bytes = entries.iter().map(|entry| entry.payload.len() as u64).sum();
        if bytes > turn.fits {
            self.delivery.hold(turn.log);
            return true;
        }
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let after = gap.as_ref().map_or(turn.after, |gap| gap.last) + entries.len() as u64;
        if gap.is_some() || count > 0 {
            self.sessions.metrics.entries_delivered.increment(u64::from(count));
            self.sessions.metrics.bytes_delivered.increment(bytes);
            let frame = proto::Entries { log: turn.log.to_field(), gap, entries, head, running_hash: running_hash.to_field() };
            outbox.frame(0, Body::Entries(frame));
        }
        self.delivery.sent(turn.log, count, bytes, after, after > turn.after && after < head);
        if readable_until.is_some_and(|until| after >= until) {
            // The seat was dropped, and this was the last of it: the header of an entry has said so.
            self.unfollow(turn.log);
        }
        true
    }

    /// One chunk of a tree. True if there was one.
    fn send_tree(&mut self, outbox: &mut Outbox) -> bool {
        let Some(mut tree) = self.trees.pop_front() else {
            return false;
        };
        match tree.reader.chunk(tree.next) {
            Ok(chunk) => {
                outbox.frame(tree.request, Body::Tree(chunk));
                tree.next += 1;
                if tree.next < tree.reader.chunks() {
                    self.trees.push_back(tree);
                }
            }
            Err(refusal) => self.refuse(tree.request, refusal, outbox),
        }
        true
    }

    fn done(&self, request: u64, result: Result<(), Refusal>, outbox: &mut Outbox) {
        match result {
            Ok(()) => outbox.frame(request, Body::Done(proto::Done {})),
            Err(refusal) => self.refuse(request, refusal, outbox),
        }
    }

    fn refuse(&self, request: u64, refusal: Refusal, outbox: &mut Outbox) {
        self.sessions.metrics.refusal(refusal.code);
        outbox.frame(request, Body::Refusal(refusal.into()));
    }
}
