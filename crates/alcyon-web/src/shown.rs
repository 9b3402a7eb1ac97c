//! What a page may show of a file: by its first bytes, whatever it is called and says that it is.

/// How a file can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// As an image.
    Image(&'static str),
    /// As a film.
    Video(&'static str),
    /// As sound.
    Audio(&'static str),
}

/// How brands of ISO base media files begin that are films, and no images or sound.
const FILMS: [&[u8]; 5] = [b"iso", b"mp4", b"M4V", b"avc1", b"qt  "];

impl Shown {
    /// Of the first bytes, 32 or more if there are; `None`: it is a file like any other, to be written down and not to be shown.
    pub(crate) fn of(beginning: &[u8]) -> Option<Self> {
        Some(match beginning {
            [0xff, 0xd8, 0xff, ..] => Self::Image("image/jpeg"),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Self::Image("image/png"),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Image("image/gif"),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Image("image/webp"),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Self::Video("video/webm"),
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] if FILMS.iter().any(|film| brand.starts_with(film)) => {
                Self::Video("video/mp4")
            }
            [b'O', b'g', b'g', b'S', 0, ..] if beginning.windows(8).any(|part| part == b"OpusHead") => Self::Audio("audio/ogg"),
            _ => return None,
        })
    }

    /// Under which a browser shows it: never one that runs.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Image(media_type) | Self::Video(media_type) | Self::Audio(media_type) => media_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_never_shown() {
        for text in [
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".as_slice(),
            b"<!doctype html><script>alert(1)</script>",
            b"%PDF-1.7",
            b"\xef\xbb\xbf<html>",
            b"GIF8<script>",
            b"",
        ] {
            assert_eq!(Shown::of(text), None, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn images_films_and_notes_are_known_by_their_beginning() {
        assert_eq!(Shown::of(b"\xff\xd8\xff\xe0\0\x10JFIF"), Some(Shown::Image("image/jpeg")));
        assert_eq!(Shown::of(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Some(Shown::Image("image/png")));
        assert_eq!(Shown::of(b"GIF89a\x01\0\x01\0"), Some(Shown::Image("image/gif")));
        assert_eq!(Shown::of(b"RIFF\x24\0\0\0WEBPVP8 "), Some(Shown::Image("image/webp")));
        assert_eq!(Shown::of(b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f"), Some(Shown::Video("video/webm")));
        for (brand, film) in [(b"isom", true), (b"mp42", true), (b"M4V ", true), (b"qt  ", true), (b"heic", false), (b"M4A ", false)] {
            let file = [b"\0\0\0\x20ftyp".as_slice(), brand].concat();
            assert_eq!(Shown::of(&file).map(Shown::media_type), film.then_some("video/mp4"), "{brand:?}");
        }
        let note = [b"OggS\0\x02".as_slice(), &[0; 20], b"\x01\x13OpusHead"].concat();
        assert_eq!(Shown::of(&note), Some(Shown::Audio("audio/ogg")));
        assert_eq!(Shown::of(&note[..20]), None, "Ogg of something else");
    }
}
