use std::{cell::RefCell, collections::BTreeSet, io::Read};

use alcyon_files::{MediaType, SafeName, Sealer};
use alcyon_store::{TransferRecord, TransferState, TransferWay};
use alcyon_wire::{ConversationId, MessageId, UploadSecret, limits, proto};
use data_encoding::HEXLOWER;
use prost::Message as _;

use super::{
    FileDetails, FileRoom, TransferView, Voice,
    carry::{Ended, Pace, Stuck},
    room::{AT_A_TIME, InRoom, let_others},
    transfer::{self, unknown, view},
    tus::{self, Held},
};
use crate::{
    Client, ClientError, Clock, Event, SendOutcome, Transport,
    message::post::{place_of, queue_body, writable},
    random::random,
};

/// A file that is to be sent.
#[derive(Debug, Clone, Default)]
pub struct NewFile<'a> {
    /// Its name; made safe before it goes out.
    pub name: &'a str,
    /// How many bytes it has.
    pub size: u64,
    /// The media type, where more is known than the name tells.
    pub media_type: Option<&'a str>,
    /// What is said of it besides.
    pub details: FileDetails,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Takes a file in, to be sent: seals it into the room, and puts it among the transfers. From then on the file
    /// itself is not needed any more. [`Self::carry_files`] brings it to the server, and then its message goes out.
    pub async fn attach(
        &self,
        conversation: ConversationId,
        new: &NewFile<'_>,
        file: &mut impl Read,
        room: &impl FileRoom,
    ) -> Result<TransferView, ClientError> {
        let NewFile { name, size, media_type, details } = new;
        let FileDetails { pixels, thumbnail, placeholder, view_once, sticker, voice } = details;
        let local = self.core.local()?;
        let conversation = self.core.store.transaction(|tx| writable(tx, &local, conversation))?.conversation;
        let in_room = HEXLOWER.encode(&random::<16, [u8; 16]>());
        let _sealing = Sealing::begin(&self.core.sealing, &in_room);
        let name = SafeName::of(name);
        let mut sealer = Sealer::new(*size)?;
        let shape = sealer.shape();
        let mut sealed = InRoom { room, name: &in_room, at: 0 };
        let sealing = async {
            loop {
                if let Some(reference) = sealer.step(file, &mut sealed)? {
                    room.sync(&in_room).map_err(ClientError::Room)?;
                    return Ok::<_, ClientError>(reference);
                }
                if sealer.written().is_multiple_of(AT_A_TIME) {
                    let_others().await;
                }
            }
        };
        let reference = match sealing.await {
            Ok(reference) => reference,
            Err(error) => {
                // Left behind, it is found when files are carried the next time.
                let _ = room.remove(&in_room);
                return Err(error);
            }
        };
        let attachment = proto::Attachment {
            name: name.to_string(),
            media_type: media_type.map_or_else(|| MediaType::of_name(name.as_str()), MediaType::of).to_string(),
            size: *size,
            key: reference.key().as_bytes().to_vec().into(),
            hash: reference.hash().as_bytes().to_vec().into(),
            server: local.server.to_text(),
            blob: bytes::Bytes::new(),
            width: pixels.map_or(0, |(width, _)| width),
            height: pixels.map_or(0, |(_, height)| height),
            // Of what is to be seen once nothing is seen before.
            thumbnail: if *view_once || thumbnail.len() > limits::THUMBNAIL { bytes::Bytes::new() } else { thumbnail.clone().into() },
            placeholder: if placeholder.len() > limits::PLACEHOLDER { bytes::Bytes::new() } else { placeholder.clone().into() },
            view_once: *view_once,
            sticker: *sticker,
            voice_ms: voice.as_ref().map_or(0, |voice| voice.ms),
            // Of what is to be heard once nothing is seen before.
            waveform: match voice {
                Some(Voice { waveform, .. }) if !view_once && waveform.len() <= limits::WAVEFORM => waveform.clone().into(),
                _ => bytes::Bytes::new(),
            },
        };
        let record = TransferRecord {
            number: 0,
            message: random(),
            conversation,
            way: TransferWay::Up,
            state: TransferState::Going,
            room: in_room.clone(),
            attachment: attachment.encode_to_vec(),
            server: local.server.clone(),
            upload: None,
            done: 0,
            length: shape.sealed_len(),
            reason: String::new(),
        };
        self.core.store.transaction(|tx| tx.put_transfer(&record))?;
        self.core.emit([Event::Transfer(view(&record))]);
        self.core.work.poke();
        Ok(view(&record))
    }

    /// Waits until the message of a file that was attached is acknowledged, or nothing more can be done for it now. The error says
    /// why it will not go out.
    pub async fn deliver_file(&self, id: MessageId) -> Result<SendOutcome, ClientError> {
        if let Some(record) = self.core.store.transaction(|tx| tx.transfer(id))? {
            return match record.state {
                TransferState::Failed => Err(ClientError::NotAllowed { rule: record.reason }),
                _ => Ok(SendOutcome::Queued { id, conversation: record.conversation }),
            };
        }
        let record = self.core.store.transaction(|tx| tx.message_anywhere(id))?.ok_or_else(|| unknown(id))?;
        self.run_starts(None).await?;
        self.outcome(record.conversation, id).await
    }

    /// One try to bring a file to its server, from where the last one has come to.
    pub(super) async fn upload(
        &self,
        id: MessageId,
        room: &impl FileRoom,
        pace: &mut Pace,
        on_progress: &mut impl FnMut(&TransferView),
    ) -> Result<Ended, Stuck> {
        let Some(record) = self.core.going(id)? else { return Ok(Ended::Stopped) };
        let (server, length) = (&record.server, record.length);
        let secret = match record.upload {
            Some(secret) => UploadSecret::from(secret),
            None => {
                let secret = tus::create(&self.transport, server, length).await?;
                self.core.store.transaction(|tx| tx.set_upload(id, Some(secret.as_bytes()))).map_err(ClientError::from)?;
                secret
            }
        };
        let mut offset = match tus::offset(&self.transport, server, &secret).await {
            Err(Held::Gone) => {
                // Its time was over, or the server has lost it. The same bytes go again.
                let begin_anew = |tx: &alcyon_store::Tx<'_>| {
                    tx.set_upload(id, None)?;
                    tx.set_transferred(id, 0)
                };
                self.core.store.transaction(begin_anew).map_err(ClientError::from)?;
                return Err(Held::Gone.into());
            }
            offset => offset?,
        };
        if offset > length {
            return Err(Held::Never("the server does not count right".to_owned()).into());
        }
        while offset < length {
            if self.core.going(id)?.is_none() {
                return Ok(Ended::Stopped);
            }
            let wanted = usize::try_from(pace.piece().min(length - offset)).unwrap_or(usize::MAX);
            let piece = room.read(&record.room, offset, wanted).map_err(ClientError::Room)?;
            if piece.len() != wanted {
                return Err(Held::Never("the sealed file is not on this device any more; send it again".to_owned()).into());
            }
            let began = self.clock.now_ms();
            let reached = tus::append(&self.transport, server, &secret, offset, piece).await?;
            if reached <= offset || reached > length {
                return Err(Held::Never("the server does not count right".to_owned()).into());
            }
            offset = reached;
            pace.took(self.clock.now_ms().saturating_sub(began));
            self.core.store.transaction(|tx| tx.set_transferred(id, offset)).map_err(ClientError::from)?;
            self.told(id, on_progress)?;
        }
        let complete = match self.uploaded(id, &secret) {
            // Nobody can be written to there any more. The file stays here until somebody cancels.
            Err(
                error @ (ClientError::Left | ClientError::Blocked(_) | ClientError::HandleChanged { .. } | ClientError::NotAllowed { .. }),
            ) => {
                return Err(Held::Never(error.to_string()).into());
            }
            complete => complete?,
        };
        room.remove(&record.room).map_err(ClientError::Room)?;
        if let Some(view) = complete {
            on_progress(&view);
            self.core.emit([Event::Transfer(view)]);
        }
        Ok(Ended::Complete)
    }

    /// The message goes out in place of its transfer, in one step.
    fn uploaded(&self, id: MessageId, secret: &UploadSecret) -> Result<Option<TransferView>, ClientError> {
        let Some(record) = self.core.going(id)? else { return Ok(None) };
        let mut attachment = proto::Attachment::decode(record.attachment.as_slice())
            .map_err(|_| ClientError::Store(alcyon_store::StoreError::Damaged("transfers")))?;
        attachment.blob = secret.blob().to_field();
        let (local, now_ms) = (self.core.local()?, self.clock.now_ms());
        self.core.store.transaction(|tx| {
            let conversation = writable(tx, &local, record.conversation)?;
            let (server, log) = place_of(tx, &local, &conversation)?;
            let body = (proto::content::Body::Attachment(attachment), None, false);
            queue_body(tx, &local, &conversation, (&server, log), id, body, now_ms)?;
            Ok::<_, ClientError>(tx.remove_transfer(id)?)
        })?;
        self.core.work.poke();
        let complete = TransferRecord { done: record.length, ..record };
        Ok(Some(TransferView { state: transfer::TransferState::Complete, ..view(&complete) }))
    }
}

/// While it lives, a file in the room is left alone though no transfer has it.
struct Sealing<'a>(&'a RefCell<BTreeSet<String>>, &'a str);

impl<'a> Sealing<'a> {
    fn begin(all: &'a RefCell<BTreeSet<String>>, name: &'a str) -> Self {
        all.borrow_mut().insert(name.to_owned());
        Self(all, name)
    }
}

impl Drop for Sealing<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().remove(self.1);
    }
}
