//! Who may do what at a log: pure functions over its state.

use std::{collections::HashSet, sync::Arc};

use alcyon_wire::{Door, DoorId, DoorKind, DoorSecretHash, DropHash, PassHash, RefusalCode, Seat, SeatChanges, SeatId, limits};

use super::{
    LogSettings,
    state::{DoorState, LogState, SeatState},
};
use crate::Refusal;

/// Seats of one account that a seat without *keep* may bring about: every device may be replaced once before the old seat goes.
const ACCOUNT_SEATS: usize = 2 * limits::DEVICES;

/// The seat that asks, if the log has or had it.
pub(crate) fn known_seat(state: &LogState, id: SeatId) -> Result<&SeatState, Refusal> {
    state.seats.get(id).ok_or_else(|| Refusal::never(RefusalCode::WrongSeat, "the log has no such seat"))
}

/// Refuses a seat that was dropped.
pub(crate) fn live(seat: &SeatState) -> Result<(), Refusal> {
    if seat.is_live() { Ok(()) } else { Err(seat_dropped()) }
}

/// The refusal of a dropped seat.
pub(crate) fn seat_dropped() -> Refusal {
    Refusal::never(RefusalCode::SeatDropped, "the seat was dropped: it reads up to the entry that dropped it")
}

/// The door that is shown, open or gone.
pub(crate) fn known_door(state: &LogState, id: DoorId, secret: DoorSecretHash) -> Result<&DoorState, Refusal> {
    state.doors.get(&id).filter(|door| door.secret_hash == secret).ok_or_else(wrong_door)
}

/// Refuses a door that was used up or dropped.
pub(crate) fn open_door(door: &DoorState) -> Result<(), Refusal> {
    if door.is_open() { Ok(()) } else { Err(wrong_door()) }
}

fn wrong_door() -> Refusal {
    Refusal::never(RefusalCode::WrongDoor, "the log has no such open door")
}

/// Refuses a knock at what is no inbox.
pub(crate) fn inbox(state: &LogState) -> Result<(), Refusal> {
    if state.head.inbox { Ok(()) } else { Err(Refusal::never(RefusalCode::NotInbox, "this log is no inbox")) }
}

/// Refuses a pass that the inbox does not know, or no longer.
pub(crate) fn known_pass(state: &LogState, pass: PassHash) -> Result<(), Refusal> {
    if state.passes.contains(&pass) { Ok(()) } else { Err(Refusal::never(RefusalCode::WrongPass, "this pass is not good here")) }
}

/// Refuses what comes after the last entry.
pub(crate) fn not_closed(state: &LogState) -> Result<(), Refusal> {
    if state.head.closed { Err(Refusal::never(RefusalCode::Closed, "the log is closed")) } else { Ok(()) }
}

/// Compare and append: the sender knows all commits.
pub(crate) fn same_commit_count(state: &LogState, commit_count: u64) -> Result<(), Refusal> {
    if state.head.commit_count == commit_count { Ok(()) } else { Err(Refusal::stale(state.head.commit_count, state.head.sequence)) }
}

/// Refuses who lacks *keep*.
pub(crate) fn keeper(seat: &SeatState) -> Result<(), Refusal> {
    if seat.keep { Ok(()) } else { Err(no_right("this seat may not do that: it lacks the right to keep")) }
}

fn no_right(message: &'static str) -> Refusal {
    Refusal::never(RefusalCode::NoRight, message)
}

/// Whether the changes of a commit by a seat are within its rights.
pub(crate) fn check_seat_commit(
    state: &LogState,
    settings: &LogSettings,
    seat: &SeatState,
    changes: &SeatChanges,
    shown: &[DropHash],
) -> Result<(), Refusal> {
    let SeatChanges { seats_added, seats_dropped, doors_added, doors_dropped } = changes;
    check_form(state, settings, changes)?;
    if !seat.keep {
        if !seats_added.is_empty() && !moves(state, seat, seats_added, seats_dropped) && !adds_sibling(state, seat, seats_added) {
            return Err(no_right("adding seats needs the right to keep"));
        }
        if !doors_dropped.is_empty() {
            return Err(no_right("dropping doors needs the right to keep"));
        }
        if !doors_added.is_empty() && !seat.invite {
            return Err(no_right("adding doors needs the right to invite or to keep"));
        }
        if doors_added.iter().any(|door| door.keep) {
            return Err(no_right("a door can't give a right that whoever adds it does not have"));
        }
        check_drops(state, Some(seat.id), seats_dropped, shown)?;
    }
    Ok(())
}

/// Whether a seat gives itself up for one new seat with no more rights: every seat may.
fn moves(state: &LogState, seat: &SeatState, added: &[Seat], dropped: &[SeatId]) -> bool {
    let [Seat { id, drop_hash: _, keep: false, invite }] = added else { return false };
    dropped.contains(&seat.id) && state.seats.get(*id).is_none() && (seat.invite || !invite)
}

/// Whether a seat adds one of its own account: with its drop hash, which only those can make who may drop it, and with no more
/// rights. Every seat may, as long as the account has not more seats than two for each device.
fn adds_sibling(state: &LogState, seat: &SeatState, added: &[Seat]) -> bool {
    let [Seat { id, drop_hash, keep: false, invite }] = added else { return false };
    let siblings = state.seats.live().filter(|other| other.drop_hash == Some(*drop_hash)).count();
    seat.drop_hash == Some(*drop_hash) && state.seats.get(*id).is_none() && (seat.invite || !invite) && siblings < ACCOUNT_SEATS
}

/// Whether the changes of a commit by a door are what a joiner may do: one seat with no more rights than the door's, and dropping seats whose
/// drop secret is shown.
pub(crate) fn check_door_commit(
    state: &LogState,
    settings: &LogSettings,
    door: &DoorState,
    changes: &SeatChanges,
    shown: &[DropHash],
) -> Result<(), Refusal> {
    let SeatChanges { seats_added, seats_dropped, doors_added, doors_dropped } = changes;
    check_form(state, settings, changes)?;
    match &seats_added[..] {
        [seat] if state.seats.get(seat.id).is_some() => {
            return Err(Refusal::malformed("changes.seats_added", "the log has such a seat"));
        }
        [Seat { keep, invite, .. }] if (door.keep || !keep) && (door.invite || !invite) => {}
        [_] => return Err(no_right("a door lets in a seat with no more rights than its own")),
        _ => return Err(Refusal::malformed("changes.seats_added", "a door lets in exactly one seat")),
    }
    if !doors_added.is_empty() || !doors_dropped.is_empty() {
        return Err(no_right("a joiner may not change doors"));
    }
    check_drops(state, None, seats_dropped, shown)
}

/// Whether those seats may leave: the own one, and those whose drop secret is shown. At least one must still be there.
pub(crate) fn check_leave(state: &LogState, seat: &SeatState, seats_dropped: &[SeatId], shown: &[DropHash]) -> Result<(), Refusal> {
    const FIELD: &str = "leave.seats_dropped";
    distinct(seats_dropped.iter(), FIELD)?;
    for id in seats_dropped {
        known(state, *id, FIELD)?;
    }
    if !seats_dropped.iter().any(|id| state.seats.get(*id).is_some_and(SeatState::is_live)) {
        return Err(Refusal::malformed(FIELD, "names no seat that is there"));
    }
    check_drops(state, Some(seat.id), seats_dropped, shown)
}

/// Refuses to leave a log to seats of which none may keep: nobody could remove, let in or end anything there any more.
pub(crate) fn keeper_stays(state: &LogState, seats_dropped: &[SeatId]) -> Result<(), Refusal> {
    let mut stay = state.seats.live().filter(|seat| !seats_dropped.contains(&seat.id)).peekable();
    if stay.peek().is_none() || stay.any(|seat| seat.keep) { Ok(()) } else { Err(Refusal::no_keeper(state.head.sequence)) }
}

/// The first seats of a log.
pub(crate) fn check_first_seats(seats: &[Seat]) -> Result<(), Refusal> {
    if seats.is_empty() {
        return Err(Refusal::malformed("create.seats", "a log needs a seat"));
    }
    distinct(seats.iter().map(|seat| &seat.id), "create.seats")
}

fn check_drops(state: &LogState, own: Option<SeatId>, dropped: &[SeatId], shown: &[DropHash]) -> Result<(), Refusal> {
    for id in dropped {
        // One that has gone already may be named again: a leave can come in between, without a commit.
        let allowed =
            Some(*id) == own || state.seats.get(*id).is_some_and(|seat| seat.drop_hash.is_none_or(|drop_hash| shown.contains(&drop_hash)));
        if !allowed {
            return Err(no_right("dropping another's seat needs its drop secret or the right to keep"));
        }
    }
    Ok(())
}

/// What must hold of all changes, whoever makes them.
fn check_form(state: &LogState, settings: &LogSettings, changes: &SeatChanges) -> Result<(), Refusal> {
    let SeatChanges { seats_added, seats_dropped, doors_added, doors_dropped } = changes;
    distinct(seats_added.iter().map(|seat| &seat.id), "changes.seats_added")?;
    distinct(seats_dropped.iter(), "changes.seats_dropped")?;
    distinct(doors_added.iter().map(|door| &door.id), "changes.doors_added")?;
    distinct(doors_dropped.iter(), "changes.doors_dropped")?;
    if seats_added.iter().any(|seat| state.seats.get(seat.id).is_some_and(|known| !changes_rights(known, seat))) {
        return Err(Refusal::malformed("changes.seats_added", "the log has or had such a seat"));
    }
    if doors_added.iter().any(|door| state.doors.contains_key(&door.id)) {
        return Err(Refusal::malformed("changes.doors_added", "the log has or had such a door"));
    }
    for id in seats_dropped {
        known(state, *id, "changes.seats_dropped")?;
    }
    if doors_dropped.iter().any(|id| !state.doors.contains_key(id)) {
        return Err(Refusal::malformed("changes.doors_dropped", "the log has no such door"));
    }
    let new_seats = seats_added.iter().filter(|seat| state.seats.get(seat.id).is_none()).count();
    if new_seats > 0 && state.seats.live().count() + new_seats > settings.seats {
        return Err(Refusal::never(RefusalCode::TooMany, "the log has as many seats as it may"));
    }
    if !doors_added.is_empty() && state.doors.values().filter(|door| door.is_open()).count() + doors_added.len() > settings.doors {
        return Err(Refusal::never(RefusalCode::TooMany, "the log has as many doors as it may"));
    }
    Ok(())
}

/// A seat that is there, named with a drop hash of zeros: only its rights change.
fn changes_rights(known: &SeatState, named: &Seat) -> bool {
    known.is_live() && named.drop_hash == DropHash::from([0; 32])
}

fn known(state: &LogState, id: SeatId, field: &'static str) -> Result<(), Refusal> {
    state.seats.get(id).map(|_| ()).ok_or_else(|| Refusal::malformed(field, "names a seat that the log never had"))
}

fn distinct<'a, T: Eq + std::hash::Hash + 'a>(items: impl Iterator<Item = &'a T>, field: &'static str) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    for item in items {
        if !seen.insert(item) {
            return Err(Refusal::malformed(field, "names something twice"));
        }
    }
    Ok(())
}

/// Carries out what was checked. Returns the seats that this entry dropped, those that were gone before left out.
pub(crate) fn apply(state: &mut LogState, changes: &SeatChanges, door: Option<DoorId>, sequence: u64) -> Vec<SeatId> {
    let SeatChanges { seats_added, seats_dropped, doors_added, doors_dropped } = changes;
    let mut dropped_now = Vec::new();
    if !seats_added.is_empty() || !seats_dropped.is_empty() {
        let seats = Arc::make_mut(&mut state.seats);
        for Seat { id, drop_hash, keep, invite } in seats_added {
            let (keep, invite) = (*keep, *invite);
            match seats.get_mut(*id) {
                Some(known) => (known.keep, known.invite) = (keep, invite),
                None => seats.insert(SeatState { id: *id, drop_hash: Some(*drop_hash), keep, invite, added_at: sequence, dropped_at: 0 }),
            }
        }
        for id in seats_dropped {
            if let Some(seat) = seats.get_mut(*id).filter(|seat| seat.is_live()) {
                seat.dropped_at = sequence;
                seat.drop_hash = None;
                dropped_now.push(*id);
            }
        }
    }
    let used = door.filter(|id| state.doors.get(id).is_some_and(|door| door.kind == DoorKind::Account));
    if !doors_added.is_empty() || !doors_dropped.is_empty() || used.is_some() {
        let doors = Arc::make_mut(&mut state.doors);
        for added in doors_added {
            let Door { id: _, secret_hash, kind, keep, invite } = *added;
            let door = DoorState { secret_hash, kind, keep, invite, added_at: sequence, gone_at: 0 };
            doors.insert(added.id, door);
        }
        for id in doors_dropped.iter().chain(&used) {
            if let Some(door) = doors.get_mut(id).filter(|door| door.is_open()) {
                door.gone_at = sequence;
            }
        }
    }
    dropped_now
}
