use prost::Message;

use crate::{Door, DoorId, EntryId, EntryKind, KnockLane, Seat, SeatId, WireError, limits, proto};

/// An entry's header, parsed. The bytes it came from are what the running hash covers; keep those, not this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderFacts {
    /// 1, 2, 3, ...
    pub sequence: u64,
    /// What kind of entry it is.
    pub kind: EntryKind,
    /// Chosen by the sender.
    pub entry_id: EntryId,
    /// Server time, Unix milliseconds, never decreasing within a log.
    pub time_ms: u64,
    /// Commits before this entry.
    pub commit_count: u64,
    /// Seats and doors that came and went with it.
    pub changes: SeatChanges,
    /// The door its author came in by.
    pub door: Option<DoorId>,
    /// The lane of a knock.
    pub lane: Option<KnockLane>,
}

/// Seats and doors added and dropped by one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeatChanges {
    /// New seats.
    pub seats_added: Vec<Seat>,
    /// Seats that are gone.
    pub seats_dropped: Vec<SeatId>,
    /// New doors.
    pub doors_added: Vec<Door>,
    /// Doors that are gone.
    pub doors_dropped: Vec<DoorId>,
}

impl HeaderFacts {
    /// Parses the header bytes of an entry.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let proto::EntryHeader { sequence, kind, entry_id, time_ms, commit_count, changes, door, lane } =
            proto::EntryHeader::decode(bytes).map_err(|_| WireError::Malformed { what: "EntryHeader" })?;
        let kind = EntryKind::try_from(kind).unwrap_or_default();
        if kind == EntryKind::Unspecified || sequence == 0 {
            return Err(WireError::Missing { field: "header.kind" });
        }
        let lane = match KnockLane::try_from(lane).unwrap_or_default() {
            KnockLane::Unspecified => None,
            lane => Some(lane),
        };
        Ok(Self {
            sequence,
            kind,
            entry_id: EntryId::parse(&entry_id, "header.entry_id")?,
            time_ms,
            commit_count,
            changes: SeatChanges::parse(changes.unwrap_or_default())?,
            door: if door.is_empty() { None } else { Some(DoorId::parse(&door, "header.door")?) },
            lane,
        })
    }

    /// The bytes of this header, as a server writes them once.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { sequence, kind, entry_id, time_ms, commit_count, changes, door, lane } = self;
        proto::EntryHeader {
            sequence: *sequence,
            kind: (*kind).into(),
            entry_id: entry_id.to_field(),
            time_ms: *time_ms,
            commit_count: *commit_count,
            changes: changes.to_field(),
            door: door.map(DoorId::to_field).unwrap_or_default(),
            lane: lane.map_or(0, Into::into),
        }
        .encode_to_vec()
    }
}

impl SeatChanges {
    /// Nothing comes, nothing goes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { seats_added, seats_dropped, doors_added, doors_dropped } = self;
        seats_added.is_empty() && seats_dropped.is_empty() && doors_added.is_empty() && doors_dropped.is_empty()
    }

    /// Parses the field of a frame or header.
    pub fn parse(changes: proto::SeatChanges) -> Result<Self, WireError> {
        let proto::SeatChanges { seats_added, seats_dropped, doors_added, doors_dropped } = changes;
        let count = seats_added.len() + seats_dropped.len() + doors_added.len() + doors_dropped.len();
        if count > limits::CHANGES {
            return Err(WireError::TooLarge { field: "changes", limit: limits::CHANGES, actual: count });
        }
        Ok(Self {
            seats_added: seats_added.into_iter().map(Seat::parse).collect::<Result<_, _>>()?,
            seats_dropped: seats_dropped.iter().map(|id| SeatId::parse(id, "changes.seats_dropped")).collect::<Result<_, _>>()?,
            doors_added: doors_added.into_iter().map(Door::parse).collect::<Result<_, _>>()?,
            doors_dropped: doors_dropped.iter().map(|id| DoorId::parse(id, "changes.doors_dropped")).collect::<Result<_, _>>()?,
        })
    }

    /// The field of a frame or header; none if nothing changes.
    #[must_use]
    pub fn to_field(&self) -> Option<proto::SeatChanges> {
        if self.is_empty() {
            return None;
        }
        let Self { seats_added, seats_dropped, doors_added, doors_dropped } = self;
        Some(proto::SeatChanges {
            seats_added: seats_added.iter().map(Seat::to_field).collect(),
            seats_dropped: seats_dropped.iter().map(|id| id.to_field()).collect(),
            doors_added: doors_added.iter().map(Door::to_field).collect(),
            doors_dropped: doors_dropped.iter().map(|id| id.to_field()).collect(),
        })
    }
}
