use alcyon_store::{TransferRecord, TransferState, TransferWay};
use alcyon_wire::MessageId;
use data_encoding::HEXLOWER;
use prost::Message as _;

use super::{
    FileRoom, TransferView, attachment,
    carry::{Ended, Pace, Stuck},
    transfer::{unknown, view},
    tus::{self, Held},
};
use crate::{Client, ClientError, Clock, Event, Transport, random::random};

/// Why a file can't be fetched though its message is there.
const ONCE: &str = "it was to be seen once, by those it was sent to";

impl<T: Transport, C: Clock> Client<T, C> {
    /// Puts the file of a message among the transfers, to be fetched by [`Self::carry_files`]. One that is on its way goes on.
    pub fn fetch_file(&self, id: MessageId) -> Result<TransferView, ClientError> {
        let record = self.core.store.transaction(|tx| {
            if let Some(known) = tx.transfer(id)? {
                let stopped = matches!(known.state, TransferState::Paused | TransferState::Failed);
                if known.way == TransferWay::Down && stopped {
                    tx.set_transfer_state(id, TransferState::Going, "")?;
                }
                return tx.transfer(id)?.ok_or_else(|| unknown(id));
            }
            let (conversation, found) = attachment::of_message(tx, id)?.ok_or_else(|| unknown(id))?;
            if found.view_once && (found.key.is_empty() || tx.message_anywhere(id)?.is_some_and(|record| record.own)) {
                return Err(ClientError::NotAllowed { rule: ONCE.to_owned() });
            }
            let held = attachment::check(&found).map_err(ClientError::Unbelievable)?;
            let record = TransferRecord {
                number: 0,
                message: id,
                conversation,
                way: TransferWay::Down,
                state: TransferState::Going,
                room: HEXLOWER.encode(&random::<16, [u8; 16]>()),
                attachment: found.encode_to_vec(),
                server: held.server,
                upload: None,
                done: 0,
                length: held.reference.shape().sealed_len(),
                reason: String::new(),
            };
            tx.put_transfer(&record)?;
            Ok(record)
        })?;
        self.core.emit([Event::Transfer(view(&record))]);
        self.core.work.poke();
        Ok(view(&record))
    }

    /// One try to fetch a file, from where the last one has come to.
    pub(super) async fn download(
        &self,
        id: MessageId,
        room: &impl FileRoom,
        pace: &mut Pace,
        on_progress: &mut impl FnMut(&TransferView),
    ) -> Result<Ended, Stuck> {
        let Some(record) = self.core.going(id)? else { return Ok(Ended::Stopped) };
        let TransferRecord { room: name, attachment: found, server, done, length, .. } = record;
        let damaged = |_| ClientError::Store(alcyon_store::StoreError::Damaged("transfers"));
        let held = attachment::check(&alcyon_wire::proto::Attachment::decode(found.as_slice()).map_err(damaged)?)
            .map_err(|what| Held::Never(what.to_owned()))?;
        let mut offset = done;
        while offset < length {
            if self.core.going(id)?.is_none() {
                return Ok(Ended::Stopped);
            }
            let began = self.clock.now_ms();
            let piece = match tus::read(&self.transport, &server, held.blob, offset, pace.piece().min(length - offset)).await {
                Err(Held::Gone) => return Err(Held::Never("the server does not have the file any more".to_owned()).into()),
                piece => piece?,
            };
            room.write(&name, offset, &piece).map_err(ClientError::Room)?;
            room.sync(&name).map_err(ClientError::Room)?;
            offset += piece.len() as u64;
            pace.took(self.clock.now_ms().saturating_sub(began));
            self.core.store.transaction(|tx| tx.set_transferred(id, offset)).map_err(ClientError::from)?;
            self.told(id, on_progress)?;
        }
        self.core.store.transaction(|tx| tx.set_transfer_state(id, TransferState::Here, "")).map_err(ClientError::from)?;
        self.told(id, on_progress)?;
        Ok(Ended::Complete)
    }
}
