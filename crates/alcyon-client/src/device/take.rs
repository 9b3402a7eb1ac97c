//! What a sibling has told, in the conversation of the account's devices.

use alcyon_identity::Manifest;
use alcyon_store::{DeviceNoteKind, DeviceRecord, RequestKind, RequestRecord, RequestState, TermRecord, Tx};
use alcyon_wire::{AccountId, ConversationId, DeviceId, Handle, Pass, SeatId, proto};
use proto::content::Body;

use super::{NAME, come_in, history, manifest, marks, share};
use crate::{
    ClientError, Event,
    contacts::remember_manifest,
    entry::{Step, Subject},
    local::Local,
    offer::Offer,
};

/// Takes what one device of this account tells the others. What is none of these is passed over: true if it was.
pub(crate) fn take(
    tx: &Tx<'_>,
    local: &Local,
    term: &TermRecord,
    subject: &Subject<'_>,
    body: Body,
    step: &mut Step,
) -> Result<(), ClientError> {
    let now_ms = subject.now_ms;
    // Nobody else speaks there, and nowhere else does this mean anything.
    if tx.own_conversation()? != Some(term.conversation) {
        return Ok(());
    }
    match body {
        Body::SharedConversation(shared) => come_in::begin(tx, local, shared, now_ms),
        Body::SharedContacts(proto::SharedContacts { contacts }) => {
            for contact in contacts {
                step.events.extend(take_contact(tx, local, contact, now_ms)?);
            }
            Ok(())
        }
        Body::SharedMarks(marks) => marks::take(tx, marks, subject.header.time_ms, now_ms),
        Body::SharedRequest(request) => take_request(tx, local, request, now_ms),
        Body::SharedDevices(devices) => {
            if adopt_devices(tx, local, devices)? {
                step.events.push(Event::DeviceRemoved);
            }
            step.own_manifest = true;
            Ok(())
        }
        Body::AskSibling(proto::AskSibling { device_key: _, conversation }) => {
            share::asked(tx, local, share::conversation_of(&conversation)?, now_ms)
        }
        Body::HistoryPart(part) => {
            step.events.extend(history::take(tx, local, part)?.map(|conversation| Event::History { conversation }));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Takes over who the devices are. True if this one is not among them any more.
pub(crate) fn adopt_devices(tx: &Tx<'_>, local: &Local, devices: proto::SharedDevices) -> Result<bool, ClientError> {
    let proto::SharedDevices { signed_manifest, devices } = devices;
    let newest = Manifest::decode(&signed_manifest)?;
    let removed = manifest::adopt(tx, local, &newest)?;
    let account = tx.account()?.ok_or(ClientError::NoAccount)?;
    let known = Manifest::decode(&account.manifest)?;
    for proto::SharedDevice { device_key, mut name, added_ms, inbox_seat } in devices {
        let device = DeviceId::parse(&device_key, "devices.device_key")?;
        if !known.has_device(device) {
            continue;
        }
        name.truncate(name.floor_char_boundary(NAME));
        let before = tx.device(device)?;
        let inbox_seat = if inbox_seat.is_empty() { None } else { Some(SeatId::parse(&inbox_seat, "devices.inbox_seat")?) };
        tx.put_device(&DeviceRecord {
            device,
            name,
            added_ms,
            inbox_seat: inbox_seat.or(before.as_ref().and_then(|before| before.inbox_seat)),
            added_here: before.is_some_and(|before| before.added_here),
        })?;
    }
    Ok(removed)
}

fn take_contact(tx: &Tx<'_>, local: &Local, shared: proto::SharedContact, now_ms: u64) -> Result<Option<Event>, ClientError> {
    let proto::SharedContact { signed_manifest, handle, handle_checked_ms, handle_changed, blocked, pass_given, pass_held, introduction } =
        shared;
    let manifest = Manifest::decode(&signed_manifest)?;
    if manifest.account() == local.account {
        return Ok(None);
    }
    let pass = |field: &[u8]| if field.is_empty() { Ok(None) } else { Pass::parse(field, "contact.pass").map(Some) };
    let mut contact = remember_manifest(tx, &manifest, None, now_ms)?;
    if handle_checked_ms > contact.handle_checked_ms {
        let handle: Handle = handle.parse()?;
        (contact.handle, contact.handle_checked_ms, contact.handle_changed) = (handle, handle_checked_ms, handle_changed);
    }
    contact.pass_held = pass(&pass_held)?.or(contact.pass_held);
    // A pass of which the sibling does not know is dropped with the block, too.
    let drops_own = blocked && !contact.blocked;
    contact.blocked = blocked;
    if !drops_own {
        contact.pass_given = pass(&pass_given)?.or(contact.pass_given);
    }
    tx.put_contact(&contact)?;
    if drops_own {
        crate::contacts::shut_out(tx, local, manifest.account())?;
    }
    introduction.map_or(Ok(None), |introduction| crate::introduction::take_shared(tx, local, manifest.account(), &introduction))
}

fn take_request(tx: &Tx<'_>, local: &Local, shared: proto::SharedRequest, now_ms: u64) -> Result<(), ClientError> {
    let proto::SharedRequest { conversation, state, kind, account, handle, confirmed, offer, introduction, sent_at_ms, number } = shared;
    let id = ConversationId::parse(&conversation, "request.conversation")?;
    let Some((state, _)) = RequestState::ALL.iter().find(|(_, known)| *known == i64::from(state)) else { return Ok(()) };
    let known = tx.request(id)?;
    match (*state, known) {
        (RequestState::Open, None) if tx.conversation(id)?.is_none() => {
            let Some((kind, _)) = RequestKind::ALL.iter().find(|(_, known)| *known == i64::from(kind)) else { return Ok(()) };
            Ok(tx.put_request(&RequestRecord {
                conversation: id,
                number,
                account: AccountId::parse(&account, "request.account")?,
                handle: handle.parse()?,
                confirmed,
                offer: offer.to_vec(),
                introduction,
                sent_at_ms,
                state: RequestState::Open,
                shown: false,
                kind: *kind,
            })?)
        }
        (RequestState::Open, _) => Ok(()),
        (state, Some(known)) => decide(tx, local, known, state, now_ms),
        // The knock itself is still to be read.
        (_, None) => Ok(tx.put_device_note(DeviceNoteKind::Decided, id.as_bytes(), &conversation_state(*state))?),
    }
}

fn conversation_state(state: RequestState) -> Vec<u8> {
    state.number().to_be_bytes().to_vec()
}

/// What a sibling has decided about a request before this device had read it.
pub(crate) fn decided(tx: &Tx<'_>, id: ConversationId) -> Result<Option<RequestState>, ClientError> {
    let Some(note) = tx.device_note(DeviceNoteKind::Decided, id.as_bytes())? else { return Ok(None) };
    tx.remove_device_note(DeviceNoteKind::Decided, id.as_bytes())?;
    let number = note.try_into().map_or(0, i64::from_be_bytes);
    Ok(RequestState::ALL.iter().find(|(_, known)| *known == number).map(|(state, _)| *state))
}

/// A sibling's decision is this device's, too.
pub(crate) fn decide(tx: &Tx<'_>, local: &Local, mut record: RequestRecord, state: RequestState, now_ms: u64) -> Result<(), ClientError> {
    if record.state != RequestState::Open {
        return Ok(());
    }
    (record.state, record.shown) = (state, true);
    tx.put_request(&record)?;
    if state == RequestState::Accepted && record.kind == RequestKind::Knock && tx.conversation(record.conversation)?.is_none() {
        let offer = Offer::decode(&record.offer)?;
        // Offered a place itself, it takes that, and reads from the first word on. Else the sibling shares its own.
        if offer.seat_of(local.device.id()).is_some() {
            crate::offer::accept_offer(tx, &offer, record.account, now_ms)?;
            share::note_asked(tx, record.conversation, now_ms)?;
        }
    }
    Ok(())
}
