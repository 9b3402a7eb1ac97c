//! Where a new device and one that is in meet: a log of its own, with one seat, whose secret is in the code.
//!
//! It is a log like any other: the server learns nothing from it, its limits and quotas hold, and after thirty days of silence
//! it is gone. Entries are sealed under a key that derives from the code, and what matters in them is sealed to the new device's
//! key or hashed in the code.

use std::time::Duration;

use alcyon_mls::{HandshakeKey, Payload};
use alcyon_wire::{
    DropSecret, EntryId, HeaderFacts, JoinSecret, LogId, PROTOCOL_VERSION, Payment, RefusalCode, Seat, SeatKey, SeatSecret, ServerUrl,
    Verdict,
    proto::{self, client_frame, device_meeting, server_frame},
};
use bytes::Bytes;
use futures::FutureExt;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::{Client, ClientError, Clock, Connection, RefusalKind, Transport, TransportError};

/// No answer for this long: the connection is dead.
const PATIENCE: Duration = Duration::from_secs(30);

/// What both devices derive from a code.
pub(crate) struct Meeting {
    pub(crate) server: ServerUrl,
    pub(crate) log: LogId,
    key: HandshakeKey,
    seat: SeatSecret,
    drop_secret: DropSecret,
}

/// Something that was said there.
pub(crate) struct Said {
    pub(crate) entry_id: EntryId,
    pub(crate) time_ms: u64,
    pub(crate) body: device_meeting::Body,
}

/// SHA-256 over a label and parts.
pub(crate) fn hash(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new().chain_update(label.as_bytes());
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// An entry id that only who knows the secret can tell beforehand.
pub(crate) fn entry_id(secret: &[u8; 32], what: &str) -> EntryId {
    let hash = hash("alcyon link entry v1", &[secret, what.as_bytes()]);
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    EntryId::from(id)
}

/// The number that both screens show: six digits of everything that was said before the grant.
pub(crate) fn number(log: LogId, hello_hash: &[u8; 32], offer: &[u8], nonce: &[u8]) -> String {
    let offer: [u8; 32] = Sha256::digest(offer).into();
    let hash = hash("alcyon link number v1", &[log.as_bytes(), hello_hash, &offer, nonce]);
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    let number = u64::from_be_bytes(first) % 1_000_000;
    format!("{:03} {:03}", number / 1000, number % 1000)
}

impl Meeting {
    pub(crate) fn new(server: &ServerUrl, log: LogId, secret: &[u8; 32]) -> Result<Self, ClientError> {
        Ok(Self {
            server: server.clone(),
            log,
            key: HandshakeKey::derive(&JoinSecret::from(*secret), log)?,
            seat: SeatSecret::from(hash("alcyon link seat v1", &[secret])),
            drop_secret: DropSecret::from(hash("alcyon link drop v1", &[secret])),
        })
    }

    fn seat(&self) -> proto::SeatKey {
        SeatKey { log: self.log, secret: self.seat.clone() }.to_field()
    }

    fn seal(&self, body: device_meeting::Body) -> Result<Bytes, ClientError> {
        let said = proto::DeviceMeeting { body: Some(body) }.encode_to_vec();
        Ok(Payload::Handshake(self.key.seal_handshake(&said)?).encode().into())
    }

    /// What can't be read was put there by somebody who does not have the code, or is of a newer kind.
    fn open(&self, entry: &proto::Entry) -> Option<Said> {
        let HeaderFacts { entry_id, time_ms, .. } = HeaderFacts::parse(&entry.header).ok()?;
        let Ok(Payload::Handshake(sealed)) = Payload::decode(&entry.payload) else { return None };
        let said = self.key.open_handshake(&sealed).ok()?;
        let body = proto::DeviceMeeting::decode(said.as_slice()).ok()?.body?;
        Some(Said { entry_id, time_ms, body })
    }
}

/// A connection to the log, with all that was said there so far.
pub(crate) struct Room<'a, T: Transport, C: Clock> {
    meeting: &'a Meeting,
    clock: &'a C,
    connection: T::Connection,
    next_request: u64,
    cursor: u64,
    pub(crate) said: Vec<Said>,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Goes to where two devices meet. With `create` the log is made, if it is not there.
    pub(crate) async fn enter<'a>(&'a self, meeting: &'a Meeting, create: bool) -> Result<Room<'a, T, C>, ClientError> {
        let connection = self.transport.connect(&meeting.server).await?;
        let mut room = Room { meeting, clock: &*self.clock, connection, next_request: 1, cursor: 0, said: Vec::new() };
        match room.ask(client_frame::Body::Hello(proto::Hello { versions: vec![PROTOCOL_VERSION] })).await? {
            server_frame::Body::HelloOk(proto::HelloOk { version: PROTOCOL_VERSION, .. }) => {}
            _ => return Err(TransportError::Closed.into()),
        }
        if create {
            let seat =
                Seat { id: meeting.seat.seat_id(meeting.log), drop_hash: meeting.drop_secret.hash(meeting.log), keep: true, invite: false };
            let create = |payment: Option<Payment>| {
                let payment = payment.map(|payment| payment.to_field());
                client_frame::Body::Create(proto::Create { log: meeting.log.to_field(), seats: vec![seat.to_field()], payment })
            };
            match room.ask(create(None)).await {
                // This device is in no account yet, so there is nobody to give it stamps.
                Err(ClientError::Refused { code: RefusalCode::StampNeeded, .. }) => {
                    let worked = self.work_for(&meeting.server, &Payment::for_log(meeting.log)).await?;
                    room.ask(create(Some(worked))).await?;
                }
                answer => {
                    answer?;
                }
            }
        }
        let subscription = proto::Subscription { seat: Some(meeting.seat()), after: 0 };
        let head = match room.ask(client_frame::Body::Subscribe(proto::Subscribe { logs: vec![subscription] })).await? {
            server_frame::Body::Subscribed(proto::Subscribed { logs }) => match logs.into_iter().next() {
                Some(proto::LogNews { refusal: Some(refusal), .. }) => return Err(refused(&refusal)),
                Some(news) => news.head,
                None => 0,
            },
            _ => return Err(TransportError::Closed.into()),
        };
        while room.cursor < head {
            let frame = room.receive(PATIENCE).await?.ok_or(TransportError::TimedOut)?;
            room.hear(frame);
        }
        Ok(room)
    }
}

impl<T: Transport, C: Clock> Room<'_, T, C> {
    /// Says something, once: under an id that was used before it was said before.
    pub(crate) async fn say(&mut self, entry_id: EntryId, body: device_meeting::Body) -> Result<(), ClientError> {
        let append = proto::Append {
            seat: Some(self.meeting.seat()),
            entry_id: entry_id.to_field(),
            payload: self.meeting.seal(body)?,
            commit_count: 0,
        };
        match self.ask(client_frame::Body::Append(append)).await {
            Ok(_) | Err(ClientError::Refused { code: RefusalCode::EntryIdReused, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits for something to be said; `None` when `patience` is over.
    pub(crate) async fn until<R>(
        &mut self,
        patience: Option<Duration>,
        mut wanted: impl FnMut(&[Said]) -> Result<Option<R>, ClientError>,
    ) -> Result<Option<R>, ClientError> {
        let until_ms = patience.map(|patience| self.clock.now_ms() + u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
        loop {
            if let Some(found) = wanted(&self.said)? {
                return Ok(Some(found));
            }
            let left = until_ms.map(|until_ms| Duration::from_millis(until_ms.saturating_sub(self.clock.now_ms())));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            match self.receive(left.map_or(PATIENCE, |left| left.min(PATIENCE))).await? {
                Some(frame) => self.hear(frame),
                // Silence: is anybody there?
                None => drop(self.ask(client_frame::Body::Ping(proto::Ping {})).await?),
            }
        }
    }

    /// Gives the seat up: the log is not needed any more.
    pub(crate) async fn leave(&mut self) -> Result<(), ClientError> {
        let seat = self.meeting.seat.seat_id(self.meeting.log).to_field();
        let leave = proto::Leave {
            seat: Some(self.meeting.seat()),
            entry_id: EntryId::from(crate::random::random::<16, [u8; 16]>()).to_field(),
            payload: Bytes::new(),
            seats_dropped: vec![seat],
            drop_secrets: Vec::new(),
            commit_count: None,
            keeper_stays: false,
        };
        self.ask(client_frame::Body::Leave(leave)).await.map(drop)
    }

    async fn ask(&mut self, body: client_frame::Body) -> Result<server_frame::Body, ClientError> {
        let request = self.next_request;
        self.next_request += 1;
        self.connection.send(proto::ClientFrame { request, body: Some(body) }.encode_to_vec()).await?;
        loop {
            let frame = self.receive(PATIENCE).await?.ok_or(TransportError::TimedOut)?;
            if frame.request != request {
                self.hear(frame);
                continue;
            }
            return match frame.body {
                Some(server_frame::Body::Refusal(refusal)) => Err(refused(&refusal)),
                Some(body) => Ok(body),
                None => Err(TransportError::Closed.into()),
            };
        }
    }

    async fn receive(&mut self, patience: Duration) -> Result<Option<proto::ServerFrame>, ClientError> {
        let mut receive = std::pin::pin!(self.connection.receive().fuse());
        let mut sleep = std::pin::pin!(self.clock.sleep(patience).fuse());
        let frame = futures::select_biased! {
            frame = receive => frame?,
            () = sleep => return Ok(None),
        };
        let frame = proto::ServerFrame::decode(frame.as_slice()).map_err(|_| TransportError::Closed)?;
        if matches!(frame.body, Some(server_frame::Body::GoingAway(_))) {
            return Err(TransportError::Closed.into());
        }
        Ok(Some(frame))
    }

    fn hear(&mut self, frame: proto::ServerFrame) {
        let Some(server_frame::Body::Entries(page)) = frame.body else { return };
        for entry in &page.entries {
            if let Ok(header) = HeaderFacts::parse(&entry.header) {
                self.cursor = self.cursor.max(header.sequence);
            }
            self.said.extend(self.meeting.open(entry));
        }
    }
}

/// What a refusal means where two devices meet.
fn refused(refusal: &proto::Refusal) -> ClientError {
    match refusal.code() {
        RefusalCode::UnknownLog | RefusalCode::WrongSeat | RefusalCode::SeatDropped | RefusalCode::Closed => ClientError::CodeOver,
        code => {
            let kind = match refusal.verdict() {
                Verdict::Later => RefusalKind::Later { after_ms: refusal.retry_after_ms },
                Verdict::Elsewhere => RefusalKind::Elsewhere,
                Verdict::Never | Verdict::Unspecified => RefusalKind::Never,
            };
            ClientError::Refused { kind, code, message: refusal.message.clone(), field: None }
        }
    }
}
