//! Files made ready to be sent: opened, looked at, and images without what they say of place and camera.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use alcyon_client::{ConversationId, FileDetails, NewFile, TransferView, Voice};
use alcyon_files::VoiceNote;
use alcyon_image::{Look, Preview, portrait};
use alcyon_net::FolderRoom;
use alcyon_wire::limits;

use crate::{commands::Native, failure::Failure};

/// What files are sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    File,
    Voice,
    Sticker,
}

/// How files are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) is: As,
    pub(crate) keep_metadata: bool,
    pub(crate) view_once: bool,
}

/// Longest edge of a sticker, pixels, and its most bytes.
const STICKER_EDGE: u32 = 512;
const STICKER_BYTES: u64 = 256 * 1024;
const STICKER: &str = "a sticker is an image of at most 512 pixels an edge and 256 KiB (JPEG, PNG, WebP, GIF)";
/// Longest edge of a group's picture, pixels.
const PICTURE_EDGE: u32 = 96;
const PICTURE: &str = "that is no image (JPEG, PNG, WebP, GIF) of at most 50 million pixels";

/// A file that can go out.
#[derive(Debug)]
pub(crate) struct Prepared {
    name: String,
    file: File,
    size: u64,
    media_type: Option<&'static str>,
    details: FileDetails,
    /// An image that goes without its metadata.
    stripped: Option<Look>,
}

impl Prepared {
    /// Takes it in, to be sent.
    pub(crate) async fn attach(&self, conversation: ConversationId, client: &Native, room: &FolderRoom) -> Result<TransferView, Failure> {
        let Self { name, file, size, media_type, details, stripped } = self;
        let new = NewFile { name, size: *size, media_type: *media_type, details: details.clone() };
        let mut bytes: Box<dyn Read> = match stripped {
            Some(look) => Box::new(BufReader::with_capacity(64 * 1024, look.stripped().reader(file))),
            None => Box::new(BufReader::with_capacity(64 * 1024, file)),
        };
        Ok(client.attach(conversation, &new, &mut bytes, room).await?)
    }
}

/// All of them, before anything is sent: one that can't be read or must not go out as it is stops the rest.
///
/// Images are decoded, for a second at most each; meanwhile others get their turn.
pub(crate) async fn prepare_all(paths: Vec<PathBuf>, how: How) -> Result<Vec<Prepared>, Failure> {
    let work = move || paths.iter().map(|path| prepare(path, how)).collect();
    tokio::task::spawn_blocking(work).await.map_err(|_| Failure::Io(std::io::ErrorKind::Other.into()))?
}

fn open(path: &Path) -> Result<(File, u64), Failure> {
    let failed = |error| Failure::File { path: path.display().to_string(), error };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Failure::NoFile(path.display().to_string()));
    }
    Ok((file, metadata.len()))
}

fn prepare(path: &Path, how: How) -> Result<Prepared, Failure> {
    let How { is, keep_metadata, view_once } = how;
    let (file, size) = open(path)?;
    let shown = || path.display().to_string();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut prepared =
        Prepared { name, size, media_type: None, details: FileDetails { view_once, ..FileDetails::default() }, stripped: None, file };
    if is == As::Voice {
        let looked = VoiceNote::look(&mut BufReader::new(&prepared.file)).map_err(|error| Failure::File { path: shown(), error })?;
        let note = looked.ok_or_else(|| Failure::NoVoice(shown()))?;
        prepared.details.voice = Some(Voice { ms: note.ms(), waveform: note.waveform().to_vec() });
        prepared.media_type = Some("audio/ogg");
    } else {
        let look = match Look::at(&prepared.file) {
            Err(_) if keep_metadata => None,
            look => look.map_err(|error| Failure::Metadata { path: shown(), error })?,
        };
        if let Some(look) = look {
            let pixels = (look.width(), look.height());
            // An image that can't be decoded here goes out without being seen before.
            if let Ok(Preview { thumbnail, placeholder }) = Preview::of(&look, BufReader::new(&prepared.file)) {
                (prepared.details.thumbnail, prepared.details.placeholder) = (thumbnail, placeholder);
            }
            prepared.details.pixels = Some(pixels);
            prepared.details.sticker = is == As::Sticker && pixels.0.max(pixels.1) <= STICKER_EDGE;
            prepared.media_type = Some(look.kind().media_type());
            if !keep_metadata {
                prepared.size = look.stripped().size();
                prepared.stripped = Some(look);
            }
        }
    }
    if is == As::Sticker && (!prepared.details.sticker || prepared.size > STICKER_BYTES) {
        return Err(Failure::NoPicture { path: shown(), limit: STICKER });
    }
    rewind(&prepared.file).map_err(|error| Failure::File { path: shown(), error })?;
    Ok(prepared)
}

fn rewind(mut file: &File) -> std::io::Result<()> {
    std::io::Seek::rewind(&mut file)
}

/// The picture of a group or a person out of an image: its middle, small.
pub(crate) async fn picture(path: PathBuf) -> Result<Vec<u8>, Failure> {
    let work = move || {
        let (file, _) = open(&path)?;
        let none = || Failure::NoPicture { path: path.display().to_string(), limit: PICTURE };
        let look = Look::at(&file).ok().flatten().ok_or_else(none)?;
        portrait(&look, BufReader::new(&file), PICTURE_EDGE, limits::PICTURE).map_err(|_| none())
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| Failure::Io(std::io::ErrorKind::Other.into()))?
}

/// The same; `-` is none.
pub(crate) async fn picture_or_none(path: PathBuf) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() == "-" { Ok(Vec::new()) } else { picture(path).await }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const FILE: How = How { is: As::File, keep_metadata: false, view_once: false };

    #[test]
    fn what_is_no_file_is_told_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(prepare(folder.path(), FILE), Err(Failure::NoFile(_))));
        assert!(matches!(prepare(&folder.path().join("none"), FILE), Err(Failure::File { .. })));
    }

    #[test]
    fn an_image_that_can_not_be_taken_apart_goes_out_only_if_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo.heic");
        std::fs::write(&path, b"\0\0\0\x18ftypheic\0\0\0\0 and the place it was taken at").unwrap();
        assert!(matches!(prepare(&path, FILE), Err(Failure::Metadata { .. })));
        let kept = prepare(&path, How { keep_metadata: true, ..FILE }).unwrap();
        assert_eq!((kept.size, kept.details), (46, FileDetails::default()));
        assert!(matches!(prepare(&path, How { is: As::Voice, ..FILE }), Err(Failure::NoVoice(_))));
        let text = folder.path().join("text");
        std::fs::write(&text, b"hello").unwrap();
        assert!(matches!(prepare(&text, How { is: As::Sticker, ..FILE }), Err(Failure::NoPicture { .. })));
    }

    #[test]
    fn the_limits_of_messages_are_those_of_previews() {
        assert_eq!(alcyon_image::THUMBNAIL_LIMIT, limits::THUMBNAIL);
        assert_eq!(alcyon_image::PLACEHOLDER_LIMIT, limits::PLACEHOLDER);
    }
}
