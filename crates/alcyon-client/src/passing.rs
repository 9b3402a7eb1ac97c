//! What passes and is kept nowhere: that somebody is typing. It goes by the log's `publish` to those who listen now, under a key of
//! the group's epoch and signed by the device. It is no message of MLS, so that what is lost on its way holds nothing up.

use std::{cell::RefCell, collections::BTreeMap};

use alcyon_identity::verify_device;
use alcyon_mls::PassingKey;
use alcyon_wire::{ConversationId, DeviceId, LogId, SeatKey, proto};
use prost::Message;

use crate::{
    Client, ClientError, Clock, Event, Transport,
    core::{Core, person_of},
    entry::load_group,
    reading::{Tells, telling_place, tells},
};

/// While somebody types, it is said again so often.
const AGAIN_MS: u64 = 3_000;

/// What this process has published, and what came.
#[derive(Default)]
pub(crate) struct Passing {
    /// To go out with the next look at the connection, by log: only the last one counts.
    waiting: RefCell<BTreeMap<LogId, bool>>,
    /// When it was last said that somebody types here; none if it was said that they have stopped.
    said: RefCell<BTreeMap<ConversationId, u64>>,
    /// The highest number of each device: a server that shows an old one again shows nothing.
    seen: RefCell<BTreeMap<DeviceId, u64>>,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Somebody types in a conversation, or has stopped. Call it with each key: others are told every three seconds, if they are told
    /// at all and there is a connection. Nothing is stored.
    pub fn typing(&self, conversation: ConversationId, typing: bool) -> Result<(), ClientError> {
        let now_ms = self.clock.now_ms();
        let passing = &self.core.passing;
        let said = passing.said.borrow().get(&conversation).copied();
        let news = if typing { said.is_none_or(|said| now_ms.saturating_sub(said) >= AGAIN_MS) } else { said.is_some() };
        if !news {
            return Ok(());
        }
        let log = self.core.store.transaction(|tx| {
            let Some((record, term)) = telling_place(tx, conversation)? else { return Ok(None) };
            Ok::<_, ClientError>(tells(tx, Some(record.conversation), Tells::Typing)?.then_some(term.log))
        })?;
        match typing {
            true => passing.said.borrow_mut().insert(conversation, now_ms),
            false => passing.said.borrow_mut().remove(&conversation),
        };
        if let Some(log) = log {
            passing.waiting.borrow_mut().insert(log, typing);
            self.core.work.poke();
        }
        Ok(())
    }
}

impl Core {
    /// The frame for what waits for a log, if anything does.
    pub(crate) fn publish(&self, log: LogId, now_ms: u64) -> Result<Option<proto::Publish>, ClientError> {
        let Some(typing) = self.passing.waiting.borrow_mut().remove(&log) else { return Ok(None) };
        let local = self.local()?;
        self.store.transaction(|tx| {
            let Some(term) = tx.term(log)? else { return Ok(None) };
            let Some(group) = load_group(tx, &term)? else { return Ok(None) };
            // The clock alone would repeat itself where it is set back; that hides a word about typing, and nothing else.
            let signature = local.device.sign(&signed(log, now_ms, typing));
            let passing =
                proto::Passing { device: local.device.id().to_field(), number: now_ms, typing, signature: signature.to_vec().into() };
            let payload = PassingKey::of_epoch(&group, log)?.seal(&passing.encode_to_vec())?;
            let seat = Some(SeatKey { log, secret: term.seat.clone() }.to_field());
            Ok(Some(proto::Publish { seat, payload: payload.into() }))
        })
    }

    /// Something was published. What does not hold is passed over: it is worth no alarm.
    pub(crate) fn published(&self, log: LogId, payload: &[u8]) -> Result<Option<Event>, ClientError> {
        let local = self.local()?;
        self.store.transaction(|tx| {
            let Some(term) = tx.term(log)? else { return Ok(None) };
            if telling_place(tx, term.conversation)?.is_none() || !tells(tx, Some(term.conversation), Tells::Typing)? {
                return Ok(None);
            }
            let Some(group) = load_group(tx, &term)? else { return Ok(None) };
            let Ok(plain) = PassingKey::of_epoch(&group, log)?.open(payload) else { return Ok(None) };
            let Ok(proto::Passing { device, number, typing, signature }) = proto::Passing::decode(plain.as_slice()) else {
                return Ok(None);
            };
            let Ok(device) = DeviceId::parse(&device, "passing.device") else { return Ok(None) };
            let Some(chain) = group.members().map(|member| &member.chain).find(|chain| chain.device() == device) else { return Ok(None) };
            let mut seen = self.passing.seen.borrow_mut();
            let new = seen.get(&device).is_none_or(|seen| *seen < number);
            let account = chain.account();
            if !new || account == local.account || verify_device(device, &signed(log, number, typing), &signature).is_err() {
                return Ok(None);
            }
            seen.insert(device, number);
            if tx.contact(account)?.is_some_and(|contact| contact.blocked) {
                return Ok(None);
            }
            let by = person_of(tx, &local, account)?;
            Ok(Some(Event::Typing { conversation: term.conversation, by, typing }))
        })
    }
}

fn signed(log: LogId, number: u64, typing: bool) -> Vec<u8> {
    [b"alcyon passing v1".as_slice(), log.as_bytes(), &number.to_be_bytes(), &[u8::from(typing)]].concat()
}
