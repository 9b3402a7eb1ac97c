//! What a client asks for, parsed: a [`Request`] is within every limit and has every field it needs.

use bytes::Bytes;
use prost::Message;

use crate::{
    DoorId, DoorKind, DoorSecret, DoorSecretHash, DropHash, DropSecret, EntryId, LogId, Pass, PassHash, Payment, SeatChanges, SeatId,
    SeatSecret, WireError, limits, proto,
};

/// Numbers a request on its connection; the answer carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A seat as a log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Hash of log and secret.
    pub id: SeatId,
    /// Who shows the secret of this hash may drop the seat.
    pub drop_hash: DropHash,
    /// May change seats and doors.
    pub keep: bool,
    /// May add doors.
    pub invite: bool,
}

/// A door as a log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Random.
    pub id: DoorId,
    /// Hash of log and secret.
    pub secret_hash: DoorSecretHash,
    /// For one account, or a link.
    pub kind: DoorKind,
    /// The seat it lets in may change seats and doors.
    pub keep: bool,
    /// The seat it lets in may add doors.
    pub invite: bool,
}

/// Shows a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatKey {
    /// The log.
    pub log: LogId,
    /// The secret of the seat there.
    pub secret: SeatSecret,
}

/// Shows a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorKey {
    /// The log.
    pub log: LogId,
    /// The door.
    pub id: DoorId,
    /// Its secret.
    pub secret: DoorSecret,
}

/// By what right somebody commits or reads a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// A seat.
    Seat(SeatKey),
    /// A door; it lets in one seat.
    Door(DoorKey),
}

/// One log to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The seat that reads.
    pub seat: SeatKey,
    /// The last sequence processed, 0 for none.
    pub after: u64,
}

/// A well-formed request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are those of `log.proto`, which describes them
pub enum Request {
    Hello {
        versions: Vec<u32>,
    },
    Create {
        log: LogId,
        seats: Vec<Seat>,
        payment: Option<Box<Payment>>,
    },
    Append {
        seat: SeatKey,
        entry_id: EntryId,
        payload: Bytes,
        commit_count: u64,
    },
    Commit {
        authority: Authority,
        entry_id: EntryId,
        payload: Bytes,
        commit_count: u64,
        changes: SeatChanges,
        drop_secrets: Vec<DropSecret>,
        group_info: Bytes,
    },
    Close {
        seat: SeatKey,
        entry_id: EntryId,
        payload: Bytes,
        commit_count: u64,
    },
    Leave {
        seat: SeatKey,
        entry_id: EntryId,
        payload: Bytes,
        seats_dropped: Vec<SeatId>,
        drop_secrets: Vec<DropSecret>,
        commit_count: Option<u64>,
        keeper_stays: bool,
    },
    Publish {
        seat: SeatKey,
        payload: Bytes,
    },
    Subscribe {
        logs: Vec<Subscription>,
    },
    Unsubscribe {
        logs: Vec<LogId>,
    },
    Ack {
        seat: SeatKey,
        sequence: u64,
    },
    GetTree {
        authority: Authority,
    },
    GetEntries {
        door: DoorKey,
        after: u64,
    },
    PutTree {
        seat: SeatKey,
        entry_id: EntryId,
        commit_count: u64,
        chunk: u32,
        chunks: u32,
        payload: Bytes,
        group_info: Bytes,
    },
    Knock {
        inbox: LogId,
        entry_id: EntryId,
        payload: Bytes,
        pass: Option<Pass>,
        payment: Option<Box<Payment>>,
    },
    SetPasses {
        seat: SeatKey,
        added: Vec<PassHash>,
        dropped: Vec<PassHash>,
    },
    Credit {
        entries: u32,
        bytes: u64,
    },
    Ping,
}

/// Parses one frame from a client. With an error comes the request's number, if that much could be read.
pub fn decode_client_frame(frame: Bytes) -> Result<(RequestId, Request), (RequestId, WireError)> {
    if frame.len() > limits::FRAME {
        return Err((RequestId(0), WireError::TooLarge { field: "frame", limit: limits::FRAME, actual: frame.len() }));
    }
    let proto::ClientFrame { request, body } =
        proto::ClientFrame::decode(frame).map_err(|_| (RequestId(0), WireError::Malformed { what: "ClientFrame" }))?;
    let id = RequestId(request);
    if request == 0 {
        return Err((id, WireError::Missing { field: "request" }));
    }
    match body {
        Some(body) => Request::parse(body).map(|parsed| (id, parsed)).map_err(|error| (id, error)),
        None => Err((id, WireError::Missing { field: "body" })),
    }
}

impl Request {
    fn parse(body: proto::client_frame::Body) -> Result<Self, WireError> {
        use proto::client_frame::Body;
        Ok(match body {
            Body::Hello(proto::Hello { versions }) => Self::Hello { versions: at_most(versions, 64, "hello.versions")? },
            Body::Create(proto::Create { log, seats, payment }) => {
                let seats = at_most(seats, limits::CHANGES, "create.seats")?;
                if seats.is_empty() {
                    return Err(WireError::Missing { field: "create.seats" });
                }
                Self::Create {
                    log: LogId::parse(&log, "create.log")?,
                    seats: seats.into_iter().map(Seat::parse).collect::<Result<_, _>>()?,
                    payment: Payment::parse(payment, "create.payment")?,
                }
            }
            Body::Append(proto::Append { seat, entry_id, payload, commit_count }) => Self::Append {
                seat: SeatKey::parse(seat, "append.seat")?,
                entry_id: EntryId::parse(&entry_id, "append.entry_id")?,
                payload: bytes_at_most(payload, limits::ENTRY, "append.payload")?,
                commit_count,
            },
            Body::Commit(proto::Commit { authority, entry_id, payload, commit_count, changes, drop_secrets, group_info }) => Self::Commit {
                authority: match authority {
                    Some(proto::commit::Authority::Seat(seat)) => Authority::Seat(SeatKey::parse(Some(seat), "commit.seat")?),
                    Some(proto::commit::Authority::Door(door)) => Authority::Door(DoorKey::parse(&door, "commit.door")?),
                    None => {
                        return Err(WireError::Missing { field: "commit.authority" });
                    }
                },
                entry_id: EntryId::parse(&entry_id, "commit.entry_id")?,
                payload: bytes_at_most(payload, limits::ENTRY, "commit.payload")?,
                commit_count,
                changes: SeatChanges::parse(changes.unwrap_or_default())?,
                drop_secrets: parse_drop_secrets(drop_secrets, "commit.drop_secrets")?,
                group_info: bytes_at_most(group_info, limits::GROUP_INFO, "commit.group_info")?,
            },
            Body::Close(proto::Close { seat, entry_id, payload, commit_count }) => Self::Close {
                seat: SeatKey::parse(seat, "close.seat")?,
                entry_id: EntryId::parse(&entry_id, "close.entry_id")?,
                payload: bytes_at_most(payload, limits::ENTRY, "close.payload")?,
                commit_count,
            },
            Body::Leave(proto::Leave { seat, entry_id, payload, seats_dropped, drop_secrets, commit_count, keeper_stays }) => Self::Leave {
                seat: SeatKey::parse(seat, "leave.seat")?,
                entry_id: EntryId::parse(&entry_id, "leave.entry_id")?,
                payload: bytes_at_most(payload, limits::ENTRY, "leave.payload")?,
                seats_dropped: at_most(seats_dropped, limits::CHANGES, "leave.seats_dropped")?
                    .iter()
                    .map(|id| SeatId::parse(id, "leave.seats_dropped"))
                    .collect::<Result<_, _>>()?,
                drop_secrets: parse_drop_secrets(drop_secrets, "leave.drop_secrets")?,
                commit_count,
                keeper_stays,
            },
            Body::Publish(proto::Publish { seat, payload }) => Self::Publish {
                seat: SeatKey::parse(seat, "publish.seat")?,
                payload: bytes_at_most(payload, limits::PUBLISH, "publish.payload")?,
            },
            Body::Subscribe(proto::Subscribe { logs }) => Self::Subscribe {
                logs: at_most(logs, limits::SUBSCRIPTIONS, "subscribe.logs")?
                    .into_iter()
                    .map(|proto::Subscription { seat, after }| {
                        Ok(Subscription { seat: SeatKey::parse(seat, "subscribe.logs.seat")?, after })
                    })
                    .collect::<Result<_, _>>()?,
            },
            Body::Unsubscribe(proto::Unsubscribe { logs }) => Self::Unsubscribe {
                logs: at_most(logs, limits::SUBSCRIPTIONS, "unsubscribe.logs")?
                    .iter()
                    .map(|log| LogId::parse(log, "unsubscribe.logs"))
                    .collect::<Result<_, _>>()?,
            },
            Body::Ack(proto::Ack { seat, sequence }) => Self::Ack { seat: SeatKey::parse(seat, "ack.seat")?, sequence },
            Body::GetTree(proto::GetTree { authority }) => Self::GetTree {
                authority: match authority {
                    Some(proto::get_tree::Authority::Seat(seat)) => Authority::Seat(SeatKey::parse(Some(seat), "get_tree.seat")?),
                    Some(proto::get_tree::Authority::Door(door)) => Authority::Door(DoorKey::parse(&door, "get_tree.door")?),
                    None => {
                        return Err(WireError::Missing { field: "get_tree.authority" });
                    }
                },
            },
            Body::GetEntries(proto::GetEntries { door, after }) => {
                let door = door.ok_or(WireError::Missing { field: "get_entries.door" })?;
                Self::GetEntries { door: DoorKey::parse(&door, "get_entries.door")?, after }
            }
            Body::PutTree(proto::PutTree { seat, entry_id, commit_count, chunk, chunks, payload, group_info }) => {
                if chunks > limits::TREE_CHUNKS {
                    let (limit, actual) = (limits::TREE_CHUNKS as usize, chunks as usize);
                    return Err(WireError::TooLarge { field: "put_tree.chunks", limit, actual });
                }
                if chunk >= chunks {
                    return Err(WireError::Missing { field: "put_tree.chunk" });
                }
                Self::PutTree {
                    seat: SeatKey::parse(seat, "put_tree.seat")?,
                    entry_id: EntryId::parse(&entry_id, "put_tree.entry_id")?,
                    commit_count,
                    chunk,
                    chunks,
                    payload: bytes_at_most(payload, limits::TREE_CHUNK, "put_tree.payload")?,
                    group_info: bytes_at_most(group_info, limits::GROUP_INFO, "put_tree.group_info")?,
                }
            }
            Body::Knock(proto::Knock { inbox, entry_id, payload, pass, payment }) => Self::Knock {
                inbox: LogId::parse(&inbox, "knock.inbox")?,
                entry_id: EntryId::parse(&entry_id, "knock.entry_id")?,
                payload: bytes_at_most(payload, limits::KNOCK, "knock.payload")?,
                pass: if pass.is_empty() { None } else { Some(Pass::parse(&pass, "knock.pass")?) },
                payment: Payment::parse(payment, "knock.payment")?,
            },
            Body::SetPasses(proto::SetPasses { seat, added, dropped }) => Self::SetPasses {
                seat: SeatKey::parse(seat, "set_passes.seat")?,
                added: parse_pass_hashes(added, "set_passes.added")?,
                dropped: parse_pass_hashes(dropped, "set_passes.dropped")?,
            },
            Body::Credit(proto::Credit { entries, bytes }) => Self::Credit { entries, bytes },
            Body::Ping(proto::Ping {}) => Self::Ping,
        })
    }
}

impl Seat {
    pub(crate) fn parse(seat: proto::Seat) -> Result<Self, WireError> {
        let proto::Seat { id, drop_hash, keep, invite } = seat;
        Ok(Self { id: SeatId::parse(&id, "seat.id")?, drop_hash: DropHash::parse(&drop_hash, "seat.drop_hash")?, keep, invite })
    }

    /// The field of a frame or header.
    #[must_use]
    pub fn to_field(&self) -> proto::Seat {
        let Self { id, drop_hash, keep, invite } = self;
        proto::Seat { id: id.to_field(), drop_hash: drop_hash.to_field(), keep: *keep, invite: *invite }
    }
}

impl Door {
    pub(crate) fn parse(door: proto::Door) -> Result<Self, WireError> {
        let proto::Door { id, secret_hash, kind, keep, invite } = door;
        let kind = DoorKind::try_from(kind).unwrap_or_default();
        if kind == DoorKind::Unspecified {
            return Err(WireError::Missing { field: "door.kind" });
        }
        let (id, secret_hash) = (DoorId::parse(&id, "door.id")?, DoorSecretHash::parse(&secret_hash, "door.secret_hash")?);
        Ok(Self { id, secret_hash, kind, keep, invite })
    }

    /// The field of a frame or header.
    #[must_use]
    pub fn to_field(&self) -> proto::Door {
        let Self { id, secret_hash, kind, keep, invite } = self;
        proto::Door { id: id.to_field(), secret_hash: secret_hash.to_field(), kind: (*kind).into(), keep: *keep, invite: *invite }
    }
}

impl SeatKey {
    fn parse(key: Option<proto::SeatKey>, field: &'static str) -> Result<Self, WireError> {
        let proto::SeatKey { log, secret } = key.ok_or(WireError::Missing { field })?;
        Ok(Self { log: LogId::parse(&log, field)?, secret: SeatSecret::parse(&secret, field)? })
    }

    /// The field of a frame.
    #[must_use]
    pub fn to_field(&self) -> proto::SeatKey {
        proto::SeatKey { log: self.log.to_field(), secret: self.secret.to_field() }
    }

    /// The seat it opens.
    #[must_use]
    pub fn seat_id(&self) -> SeatId {
        self.secret.seat_id(self.log)
    }
}

impl DoorKey {
    fn parse(key: &proto::DoorKey, field: &'static str) -> Result<Self, WireError> {
        let proto::DoorKey { log, id, secret } = key;
        Ok(Self { log: LogId::parse(log, field)?, id: DoorId::parse(id, field)?, secret: DoorSecret::parse(secret, field)? })
    }

    /// The field of a frame.
    #[must_use]
    pub fn to_field(&self) -> proto::DoorKey {
        proto::DoorKey { log: self.log.to_field(), id: self.id.to_field(), secret: self.secret.to_field() }
    }
}

impl Authority {
    /// The log it speaks of.
    #[must_use]
    pub fn log(&self) -> LogId {
        match self {
            Self::Seat(SeatKey { log, .. }) | Self::Door(DoorKey { log, .. }) => *log,
        }
    }
}

fn parse_drop_secrets(secrets: Vec<Bytes>, field: &'static str) -> Result<Vec<DropSecret>, WireError> {
    at_most(secrets, limits::DEVICES, field)?.iter().map(|secret| DropSecret::parse(secret, field)).collect()
}

fn parse_pass_hashes(hashes: Vec<Bytes>, field: &'static str) -> Result<Vec<PassHash>, WireError> {
    at_most(hashes, limits::CHANGES, field)?.iter().map(|hash| PassHash::parse(hash, field)).collect()
}

fn at_most<T>(items: Vec<T>, limit: usize, field: &'static str) -> Result<Vec<T>, WireError> {
    if items.len() > limit { Err(WireError::TooLarge { field, limit, actual: items.len() }) } else { Ok(items) }
}

fn bytes_at_most(bytes: Bytes, limit: usize, field: &'static str) -> Result<Bytes, WireError> {
    if bytes.len() > limit { Err(WireError::TooLarge { field, limit, actual: bytes.len() }) } else { Ok(bytes) }
}
