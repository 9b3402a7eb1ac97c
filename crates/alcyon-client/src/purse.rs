//! The purse: stamps that this device has, and how it pays for new logs and knocks.
//!
//! Stamps of the own server are fetched before they are needed, in batches, over a request of their own: so what a stamp pays
//! for says nothing of whose it is, and its time little. A stamp leaves the purse in the transaction that puts it into a frame
//! of the outbox; from there the same bytes go until there is an answer, so that none is spent twice, whatever dies when. At
//! other servers, and where there are none left, the device works instead.

use std::collections::BTreeMap;

use alcyon_stamps::{Asked, Issued, Point};
use alcyon_store::{DeviceNoteKind, OutboxItem, OutboxKind, StoreError, Tx};
use alcyon_wire::{
    EntryId, LogId, Payment, RefusalCode, ServerUrl, Stamp, StampKeyId,
    proto::{self, client_frame::Body},
    token_challenge,
};
use data_encoding::BASE64URL_NOPAD;
use prost::Message;

use crate::{
    Client, ClientError, Clock, RefusalKind, Transport,
    core::Core,
    directory::{self, Challenge, IssuedStamps, StampOffer},
    outbox::decode,
};

/// With fewer than so many a new batch is fetched.
const LOW: usize = 8;
/// The server is asked whether it gives stamps no more often than this.
const LOOK_MS: u64 = 10 * 60 * 1000;
/// A stamp this near its end is left: clocks differ.
const MARGIN_MS: u64 = 10 * 60 * 1000;
/// So often something that was refused is paid for anew before it waits for its time.
const TRIES: u32 = 3;

/// A stamp in the database, under its number.
#[derive(Clone, PartialEq, Message)]
struct StampNote {
    /// URL of the server where it pays.
    #[prost(string, tag = "1")]
    server: String,
    /// When it is good no more, Unix milliseconds by the server's clock.
    #[prost(uint64, tag = "2")]
    until_ms: u64,
    #[prost(bytes = "vec", tag = "3")]
    stamp: Vec<u8>,
}

/// What is known of payments while the program runs.
#[derive(Default)]
pub(crate) struct Till {
    /// When the own server is asked again whether it gives stamps.
    look_again_ms: u64,
    /// Items of the outbox that were refused because they were not paid for.
    unpaid: BTreeMap<u64, Unpaid>,
}

#[derive(Clone, Copy, Default)]
struct Unpaid {
    /// How often it was refused.
    refusals: u32,
    /// It waits for somebody to pay.
    waits: bool,
}

/// Puts stamps into the purse.
fn put(tx: &Tx<'_>, server: &ServerUrl, until_ms: u64, stamps: &[Stamp]) -> Result<(), StoreError> {
    for stamp in stamps {
        let note = StampNote { server: server.to_text(), until_ms, stamp: stamp.to_bytes().to_vec() };
        tx.put_device_note(DeviceNoteKind::Stamp, &stamp.nonce, &note.encode_to_vec())?;
    }
    Ok(())
}

/// The stamps that are good at a server; those whose time is over are thrown away.
fn good(tx: &Tx<'_>, server: &ServerUrl, now_ms: u64) -> Result<Vec<Stamp>, StoreError> {
    let mut stamps = Vec::new();
    for (about, note) in tx.device_notes(DeviceNoteKind::Stamp)? {
        let StampNote { server: at, until_ms, stamp } = StampNote::decode(note.as_slice()).map_err(|_| StoreError::Damaged("stamp"))?;
        if until_ms <= now_ms.saturating_add(MARGIN_MS) {
            tx.remove_device_note(DeviceNoteKind::Stamp, &about)?;
        } else if at == server.to_text() {
            stamps.push(Stamp::parse(&stamp, "stamp").map_err(|_| StoreError::Damaged("stamp"))?);
        }
    }
    Ok(stamps)
}

/// Takes one out. Whoever calls puts it into a frame in the same transaction.
fn take(tx: &Tx<'_>, server: &ServerUrl, now_ms: u64) -> Result<Option<Stamp>, StoreError> {
    // They lie in the order of their numbers, which are random.
    let Some(stamp) = good(tx, server, now_ms)?.into_iter().next() else { return Ok(None) };
    tx.remove_device_note(DeviceNoteKind::Stamp, &stamp.nonce)?;
    Ok(Some(stamp))
}

/// Throws those of one key away: the server does not honour it.
fn forget(tx: &Tx<'_>, server: &ServerUrl, key: StampKeyId, now_ms: u64) -> Result<(), StoreError> {
    for stamp in good(tx, server, now_ms)?.into_iter().filter(|stamp| stamp.key == key) {
        tx.remove_device_note(DeviceNoteKind::Stamp, &stamp.nonce)?;
    }
    Ok(())
}

/// Where a frame has room for a payment: in that of a new log, and of a stranger's knock.
fn payment_of(frame: &mut proto::ClientFrame) -> Option<&mut Option<proto::Payment>> {
    match &mut frame.body {
        Some(Body::Create(create)) => Some(&mut create.payment),
        Some(Body::Knock(knock)) if knock.pass.is_empty() => Some(&mut knock.payment),
        _ => None,
    }
}

/// What work for a frame is bound to.
fn subject_of(frame: &proto::ClientFrame) -> Option<[u8; 32]> {
    match &frame.body {
        Some(Body::Create(create)) => Some(Payment::for_log(LogId::parse(&create.log, "create.log").ok()?)),
        Some(Body::Knock(knock)) => {
            let inbox = LogId::parse(&knock.inbox, "knock.inbox").ok()?;
            Some(Payment::for_knock(inbox, EntryId::parse(&knock.entry_id, "knock.entry_id").ok()?))
        }
        _ => None,
    }
}

fn may_cost(kind: OutboxKind) -> bool {
    matches!(kind, OutboxKind::Create | OutboxKind::Knock)
}
/// Pays for a frame that is about to go out for the first time, if there is a stamp for it. What is in it already stays: it
/// may have been sent.
pub(crate) fn pay(tx: &Tx<'_>, item: &OutboxItem, frame: &mut proto::ClientFrame, now_ms: u64) -> Result<(), StoreError> {
    if !may_cost(item.kind) {
        return Ok(());
    }
    let Some(payment) = payment_of(frame).filter(|payment| payment.is_none()) else { return Ok(()) };
    if let Some(stamp) = take(tx, &item.server, now_ms)? {
        *payment = Some(Payment::Stamp(stamp).to_field());
        tx.set_outbox_frame(item.number, Some(&frame.encode_to_vec()))?;
    }
    Ok(())
}

/// What was shown for an item was not taken: it is of no use, and another payment has to be found. True if there is a stamp.
pub(crate) fn not_taken(tx: &Tx<'_>, item: &OutboxItem, code: RefusalCode, now_ms: u64) -> Result<bool, StoreError> {
    let Some(mut frame) = item.frame.as_deref().map(decode).transpose()? else { return Ok(false) };
    let Some(payment) = payment_of(&mut frame) else { return Ok(false) };
    let shown = payment.take();
    if let (RefusalCode::StampUnknown, Some(proto::Payment { by: Some(proto::payment::By::Stamp(stamp)) })) = (code, &shown)
        && let Ok(stamp) = Stamp::parse(stamp, "stamp")
    {
        forget(tx, &item.server, stamp.key, now_ms)?;
    }
    tx.set_outbox_frame(item.number, Some(&frame.encode_to_vec()))?;
    // A server that asks for more than the stamp it was shown is not shown another.
    Ok((code != RefusalCode::StampNeeded || shown.is_none()) && !good(tx, &item.server, now_ms)?.is_empty())
}

/// The refusals that say something about a payment.
pub(crate) fn is_about_payment(item: &OutboxItem, code: RefusalCode) -> bool {
    may_cost(item.kind) && matches!(code, RefusalCode::StampNeeded | RefusalCode::StampSpent | RefusalCode::StampUnknown)
}

impl Core {
    /// An item was refused for want of a payment that this device has not got: somebody has to find one.
    pub(crate) fn owes(&self, number: u64) {
        let mut till = self.till.borrow_mut();
        let unpaid = till.unpaid.entry(number).or_default();
        unpaid.refusals += 1;
        unpaid.waits = true;
        drop(till);
        self.work.poke();
    }

    /// Something waits for somebody to pay, and not for its time.
    pub(crate) fn owes_any(&self) -> bool {
        self.till.borrow().unpaid.values().any(|unpaid| unpaid.waits && unpaid.refusals <= TRIES)
    }

    /// An item is paid for, or will never be: its number may come again for another.
    pub(crate) fn owes_no_more(&self, number: u64) {
        self.till.borrow_mut().unpaid.remove(&number);
    }

    /// The next item to be paid for. It is this caller's until [`Self::found`].
    fn owed(&self, now_ms: u64, tried: &[u64]) -> Result<Option<OutboxItem>, ClientError> {
        let numbers: Vec<u64> = self.till.borrow().unpaid.iter().filter(|(_, unpaid)| unpaid.waits).map(|(number, _)| *number).collect();
        for number in numbers.into_iter().filter(|number| !tried.contains(number)) {
            let item = self.store.transaction(|tx| tx.outbox_item(number))?;
            let mut till = self.till.borrow_mut();
            let Some(item) = item else {
                till.unpaid.remove(&number);
                continue;
            };
            let Some(unpaid) = till.unpaid.get_mut(&number).filter(|unpaid| unpaid.waits) else { continue };
            if unpaid.refusals <= TRIES || item.not_before_ms <= now_ms {
                unpaid.waits = false;
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// Whether a payment was found for an item; otherwise it waits for the next try.
    fn found(&self, number: u64, paid: bool) {
        if let Some(unpaid) = self.till.borrow_mut().unpaid.get_mut(&number) {
            unpaid.waits = !paid;
        }
        if paid {
            self.work.poke();
        }
    }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Fetches a batch of stamps when there are few. If none are to be had now this can wait: what needs one can be worked for.
    pub(crate) async fn refill_purse(&self) -> Result<(), ClientError> {
        let local = self.core.local()?;
        let now_ms = self.clock.now_ms();
        let few = self.core.store.transaction(|tx| Ok::<_, ClientError>(good(tx, &local.server, now_ms)?.len() < LOW))?;
        if !few || now_ms < self.core.till.borrow().look_again_ms {
            return Ok(());
        }
        // Of two at a time one looks; and where there are none to be had, the next look is not soon.
        self.core.till.borrow_mut().look_again_ms = now_ms.saturating_add(LOOK_MS);
        match self.fetch_stamps().await {
            Ok(got_some) => {
                if got_some {
                    self.core.till.borrow_mut().look_again_ms = now_ms;
                }
                Ok(())
            }
            Err(error @ ClientError::Store(_)) => Err(error),
            Err(error) => {
                if let ClientError::Refused { kind: RefusalKind::Later { after_ms }, .. } = &error {
                    self.core.till.borrow_mut().look_again_ms = now_ms.saturating_add(LOOK_MS.max(*after_ms));
                }
                tracing::debug!(code = error.code(), "no stamps could be had");
                Ok(())
            }
        }
    }

    /// Whether there are any to be had.
    async fn fetch_stamps(&self) -> Result<bool, ClientError> {
        let local = self.core.local()?;
        let info = directory::server_info(&self.transport, &local.server).await?;
        let StampOffer { required, key, honoured_until_ms } = directory::stamp_offer(&self.transport, &local.server).await?;
        if !required {
            return Ok(false);
        }
        let unbelievable = |_| ClientError::Unbelievable("stamps that are not what was asked for");
        let key: Point = point(&key)?;
        let asked = Asked::draw(&key, token_challenge(&info.name)).map_err(unbelievable)?;
        let hidden = asked.hidden().iter().map(|point| BASE64URL_NOPAD.encode(point)).collect();
        let key_id = BASE64URL_NOPAD.encode(&StampKeyId::of(&key).0);
        let IssuedStamps { issued, proof } = directory::ask_for_stamps(&self.transport, &local, key_id, hidden, info.time_ms).await?;
        let issued = Issued { points: issued.iter().map(|text| point(text)).collect::<Result<_, _>>()?, proof: point(&proof)? };
        // With the proof, or not at all: a key that is somebody's own would tell who pays.
        let stamps = asked.finish(&issued).map_err(unbelievable)?;
        self.core.store.transaction(|tx| put(tx, &local.server, honoured_until_ms, &stamps))?;
        Ok(true)
    }

    /// Finds payments for what was refused for want of one. How many servers could not be reached for it.
    pub(crate) async fn pay_what_is_owed(&self) -> Result<usize, ClientError> {
        let (mut unreachable, mut tried) = (0, Vec::new());
        while let Some(item) = self.core.owed(self.clock.now_ms(), &tried)? {
            tried.push(item.number);
            match self.find_payment(&item).await {
                Ok(()) => self.core.found(item.number, true),
                Err(error @ ClientError::Store(_)) => return Err(error),
                Err(error) => {
                    self.core.found(item.number, false);
                    unreachable += usize::from(matches!(error, ClientError::Transport(_)));
                    tracing::debug!(code = error.code(), "no payment was found");
                }
            }
        }
        Ok(unreachable)
    }

    async fn find_payment(&self, item: &OutboxItem) -> Result<(), ClientError> {
        let local = self.core.local()?;
        let Some(frame) = item.frame.as_deref().map(decode).transpose()? else { return Ok(()) };
        if item.server == local.server {
            self.refill_purse().await?;
            let now_ms = self.clock.now_ms();
            let refusals = self.core.till.borrow().unpaid.get(&item.number).map_or(0, |unpaid| unpaid.refusals);
            // One that was not taken for a stamp is tried with work.
            if refusals <= 1 && self.core.store.transaction(|tx| Ok::<_, ClientError>(!good(tx, &item.server, now_ms)?.is_empty()))? {
                return Ok(self.core.store.transaction(|tx| tx.delay_outbox(item.number, 0))?);
            }
        }
        let Some(subject) = subject_of(&frame) else { return Ok(()) };
        let worked = self.work_for(&item.server, &subject).await?;
        Ok(self.core.store.transaction(|tx| {
            // Since then it may have gone, or been made anew.
            let Some(item) = tx.outbox_item(item.number)? else { return Ok(()) };
            let Some(mut frame) = item.frame.as_deref().map(decode).transpose()? else { return Ok(()) };
            if subject_of(&frame) == Some(subject)
                && let Some(payment) = payment_of(&mut frame)
            {
                *payment = Some(worked.to_field());
                tx.set_outbox_frame(item.number, Some(&frame.encode_to_vec()))?;
            }
            tx.delay_outbox(item.number, 0)
        })?)
    }

    /// Works for a new log or a knock, as much as the server asks for it.
    pub(crate) async fn work_for(&self, server: &ServerUrl, subject: &[u8; 32]) -> Result<Payment, ClientError> {
        let Challenge { challenge, bits } = directory::payment_challenge(&self.transport, server, subject).await?;
        let nonce = self.work(&challenge, bits, |_| ()).await?;
        let challenge =
            BASE64URL_NOPAD.decode(challenge.as_bytes()).map_err(|_| ClientError::Unbelievable("a challenge that is not base64url"))?;
        Ok(Payment::Work { challenge: challenge.into(), nonce })
    }
}

fn point<const N: usize>(text: &str) -> Result<[u8; N], ClientError> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(ClientError::Unbelievable("a point that is none"))
}

#[cfg(test)]
mod tests;
