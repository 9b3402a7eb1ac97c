use alcyon_files::{FileKey, MediaType, Reference, SafeName, SealedHash};
use alcyon_store::Tx;
use alcyon_wire::{BlobId, ConversationId, Handle, MessageId, ServerUrl, proto};

use crate::{Client, ClientError, Clock, Transport, message::view::content_of};

/// What a message says of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentView {
    /// Its name, made safe: no folders, no hidden characters, at most 201 bytes.
    pub name: String,
    /// What it says it is; a hint.
    pub media_type: String,
    /// Bytes of it.
    pub size: u64,
}

/// A file of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileView {
    /// The message that it is in; [`Client::fetch_file`] and [`Client::save_file`] take it.
    pub id: MessageId,
    /// What it is.
    pub attachment: AttachmentView,
    /// Who has sent it, if that is known here.
    pub from: Option<Handle>,
    /// By this account.
    pub own: bool,
    /// The sender's clock, Unix milliseconds.
    pub sent_at_ms: u64,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// The files of a conversation, oldest first.
    pub fn files(&self, conversation: ConversationId) -> Result<Vec<FileView>, ClientError> {
        let messages = self.history(conversation, None, None)?;
        let files = messages.into_iter().filter_map(|message| {
            let crate::Message { id, own, sent_at_ms, sender_handle: from, content, .. } = message;
            let attachment = content.attachment?;
            Some(FileView { id, attachment, from, own, sent_at_ms })
        });
        Ok(files.collect())
    }
}

/// An attachment that holds: where the blob is, and what opens it.
pub(crate) struct Held {
    pub(crate) view: AttachmentView,
    pub(crate) reference: Reference,
    pub(crate) server: ServerUrl,
    pub(crate) blob: BlobId,
}

/// The file of a message, and where that is; `None` if it is none, or not there any more.
pub(crate) fn of_message(tx: &Tx<'_>, id: MessageId) -> Result<Option<(ConversationId, proto::Attachment)>, ClientError> {
    let Some(record) = tx.message_anywhere(id)? else { return Ok(None) };
    Ok(match content_of(&record).and_then(|content| content.body) {
        Some(proto::content::Body::Attachment(attachment)) => Some((record.conversation, attachment)),
        _ => None,
    })
}

/// Takes an attachment apart. The error says what is wrong with it.
pub(crate) fn check(attachment: &proto::Attachment) -> Result<Held, &'static str> {
    let proto::Attachment { name, media_type, size, key, hash, server, blob, width: _, height: _ } = attachment;
    let key: [u8; 32] = key.as_ref().try_into().map_err(|_| "a file without its key")?;
    let hash: [u8; 32] = hash.as_ref().try_into().map_err(|_| "a file without its hash")?;
    let reference = Reference::new(*size, FileKey::from(key), SealedHash::from(hash)).map_err(|_| "a file over the limit")?;
    Ok(Held {
        view: AttachmentView { name: SafeName::of(name).to_string(), media_type: MediaType::of(media_type).to_string(), size: *size },
        reference,
        server: server.parse().map_err(|_| "a file without a server")?,
        blob: BlobId::parse(blob, "attachment.blob").map_err(|_| "a file without a blob")?,
    })
}
