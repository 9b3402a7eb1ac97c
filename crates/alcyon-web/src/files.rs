//! Files between the page and the core: taken in as blobs, handed out as blobs, carried in between for as long as the Worker lives.

use std::{
    io::{Cursor, Read, Seek, SeekFrom},
    rc::Rc,
    time::Duration,
};

use alcyon_client::{ClientError, ConversationId, FileDetails, MessageId, NewFile, Patience, TransferView, Voice};
use alcyon_files::{VoiceNote, opus_in_ogg};
use alcyon_image::{ImageError, Look};
use data_encoding::BASE64;

use crate::{
    Answer, AttachKind, ShownWord,
    blob::{Blob, BlobReader, BlobWriter},
    clock::sleep,
    room::BrowserRoom,
    shown::Shown,
    worker::{BrowserClient, Failure},
};

/// Longer recordings are refused: one is held in memory while it is put into another container.
const LONGEST_NOTE: u64 = 64 * 1024 * 1024;
/// When files could not be carried for a reason that is no server's, it is tried again after this time.
const AGAIN: Duration = Duration::from_secs(10);

/// What is said of a file that is to be sent.
pub(crate) struct NewAttachment {
    pub(crate) name: String,
    pub(crate) kind: AttachKind,
    pub(crate) once: bool,
    pub(crate) as_it_is: bool,
    pub(crate) thumbnail: String,
}

/// Takes a file in, to be sent. An image goes without what it says of place and camera.
pub(crate) async fn attach(
    client: &BrowserClient,
    room: &BrowserRoom,
    to: ConversationId,
    new: NewAttachment,
    blob: Blob,
) -> Result<TransferView, Failure> {
    let NewAttachment { name, kind, once, as_it_is, thumbnail } = new;
    let mut file = BlobReader::new(blob);
    let mut details = FileDetails { view_once: once, ..FileDetails::default() };
    room.fill().await.map_err(ClientError::Room)?;
    if kind == AttachKind::Voice {
        let (note, ogg) = voice(&mut file)?;
        details.voice = Some(Voice { ms: note.ms(), waveform: note.waveform().to_vec() });
        let new = NewFile { name: &name, size: ogg.len() as u64, media_type: Some("audio/ogg"), details };
        return Ok(client.attach(to, &new, &mut ogg.as_slice(), room).await?);
    }
    let look = match Look::at(&mut file) {
        Err(ImageError::Io(error)) => return Err(unreadable(&error)),
        Err(_) if as_it_is => None,
        Err(_) => {
            const WHAT: &str = "what this image says of place and camera can't be taken out here";
            return Err(Failure::Boundary("metadata", WHAT, Some("as_it_is")));
        }
        Ok(look) => look,
    };
    file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(&error))?;
    let Some(look) = look else {
        let new = NewFile { name: &name, size: file.size(), media_type: None, details };
        return Ok(client.attach(to, &new, &mut file, room).await?);
    };
    details.pixels = Some((look.width(), look.height()));
    details.thumbnail = BASE64.decode(thumbnail.as_bytes()).unwrap_or_default();
    let media_type = Some(look.kind().media_type());
    if as_it_is {
        let new = NewFile { name: &name, size: file.size(), media_type, details };
        return Ok(client.attach(to, &new, &mut file, room).await?);
    }
    let new = NewFile { name: &name, size: look.stripped().size(), media_type, details };
    Ok(client.attach(to, &new, &mut look.stripped().reader(file), room).await?)
}

/// A recording as a voice note, and what is shown of it.
fn voice(file: &mut BlobReader) -> Result<(VoiceNote, Vec<u8>), Failure> {
    const WHAT: Failure = Failure::Boundary("no-voice", "that is no recording of Opus in Ogg or WebM", Some("file"));
    if file.size() > LONGEST_NOTE {
        return Err(WHAT);
    }
    let mut recorded = Vec::new();
    file.read_to_end(&mut recorded).map_err(|error| unreadable(&error))?;
    let ogg = opus_in_ogg(&recorded).unwrap_or(recorded);
    let note = VoiceNote::look(&mut Cursor::new(&ogg)).map_err(|error| unreadable(&error))?.ok_or(WHAT)?;
    Ok((note, ogg))
}

fn unreadable(_: &std::io::Error) -> Failure {
    Failure::Boundary("file-unreadable", "the browser can't read that file any more", Some("file"))
}

/// Hands a fetched file over, and drops what was fetched.
pub(crate) async fn open(client: &BrowserClient, room: &BrowserRoom, id: MessageId) -> Result<(Answer, Blob), Failure> {
    let mut file = BlobWriter::default();
    let saved = client.save_file(id, room, &mut file).await?;
    let shown = Shown::of(file.beginning());
    // What is none of those has no type: a browser that is led to open it has nothing to run.
    let blob = file.finish(shown.map_or("application/octet-stream", Shown::media_type)).map_err(ClientError::Room)?;
    client.drop_fetched(id, room)?;
    let shown = shown.map(|shown| match shown {
        Shown::Image(_) => ShownWord::Image,
        Shown::Video(_) => ShownWord::Video,
        Shown::Audio(_) => ShownWord::Audio,
    });
    let alcyon_client::AttachmentView { name, details, .. } = saved.attachment;
    Ok((Answer::File { name, shown, once: details.view_once }, blob))
}

/// Carries files both ways, for as long as the Worker lives.
pub(crate) async fn carry(client: Rc<BrowserClient>, room: BrowserRoom) {
    loop {
        match client.carry_files(&room, Patience::Endless, |_| {}).await {
            Err(ClientError::DeviceRemoved | ClientError::NoAccount) => return,
            Ok(_) | Err(_) => sleep(AGAIN).await,
        }
    }
}
