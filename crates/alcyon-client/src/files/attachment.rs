use alcyon_files::{FileKey, MediaType, Reference, SafeName, SealedHash};
use alcyon_store::Tx;
use alcyon_wire::{BlobId, ConversationId, Handle, MessageId, ServerUrl, limits, proto};

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
    /// What its sender says of it besides.
    pub details: FileDetails,
    /// It was to be seen once, and was: it can't be fetched any more.
    pub gone: bool,
}

/// What a file is besides its bytes, as its sender says: hints, all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileDetails {
    /// Width and height of an image, pixels.
    pub pixels: Option<(u32, u32)>,
    /// A JPEG of at most [`limits::THUMBNAIL`] bytes; empty if there is none. Bytes from outside, to be decoded with care.
    pub thumbnail: Vec<u8>,
    /// A ThumbHash of at most [`limits::PLACEHOLDER`] bytes; empty if there is none.
    pub placeholder: Vec<u8>,
    /// It is to be seen once, and goes from the device then.
    pub view_once: bool,
    /// A small image that stands by itself.
    pub sticker: bool,
    /// A voice note, and what is shown of it.
    pub voice: Option<Voice>,
}

/// What is shown of a voice note before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// How long it lasts, milliseconds, at least 1.
    pub ms: u32,
    /// How loud it is: at most [`limits::WAVEFORM`] bars, evenly spread over its length, 255 the highest; empty if that is not known.
    pub waveform: Vec<u8>,
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

/// An attachment that can be fetched: where the blob is, and what opens it.
pub(crate) struct Held {
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
    let key: [u8; 32] = attachment.key.as_ref().try_into().map_err(|_| "a file without its key")?;
    let hash: [u8; 32] = attachment.hash.as_ref().try_into().map_err(|_| "a file without its hash")?;
    let reference = Reference::new(attachment.size, FileKey::from(key), SealedHash::from(hash)).map_err(|_| "a file over the limit")?;
    Ok(Held {
        reference,
        server: attachment.server.parse().map_err(|_| "a file without a server")?,
        blob: BlobId::parse(&attachment.blob, "attachment.blob").map_err(|_| "a file without a blob")?,
    })
}

/// What is shown of an attachment, whether or not it can be fetched.
pub(crate) fn view(attachment: &proto::Attachment) -> AttachmentView {
    let proto::Attachment {
        name,
        media_type,
        size,
        key,
        hash: _,
        server: _,
        blob: _,
        width,
        height,
        thumbnail,
        placeholder,
        view_once,
        sticker,
        voice_ms,
        waveform,
    } = attachment;
    // What is too long is none: nobody has asked for it.
    let within = |bytes: &[u8], limit: usize| if bytes.len() <= limit { bytes.to_vec() } else { Vec::new() };
    AttachmentView {
        name: SafeName::of(name).to_string(),
        media_type: MediaType::of(media_type).to_string(),
        size: *size,
        details: FileDetails {
            pixels: (*width > 0 && *height > 0).then_some((*width, *height)),
            thumbnail: within(thumbnail, limits::THUMBNAIL),
            placeholder: within(placeholder, limits::PLACEHOLDER),
            view_once: *view_once,
            sticker: *sticker,
            voice: (*voice_ms > 0).then(|| Voice { ms: *voice_ms, waveform: within(waveform, limits::WAVEFORM) }),
        },
        gone: *view_once && key.is_empty(),
    }
}

/// An attachment that was to be seen once, with nothing left that could show it.
pub(crate) fn spent(attachment: proto::Attachment) -> proto::Attachment {
    let proto::Attachment { name, media_type, size, view_once, .. } = attachment;
    proto::Attachment { name, media_type, size, view_once, ..proto::Attachment::default() }
}
