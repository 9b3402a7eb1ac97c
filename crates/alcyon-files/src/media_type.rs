use std::fmt;

/// A media type (RFC 6838) without parameters, in lower case: what a file says it is. A hint, never a reason to trust.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MediaType(String);

/// For each half of a media type (RFC 6838, 4.2).
const LONGEST_NAME: usize = 64;
/// What a file is that says nothing.
const ANYTHING: &str = "application/octet-stream";

/// Endings that are common enough to be worth a line; what is not here is no less a file.
const ENDINGS: [(&str, &str); 34] = [
    ("7z", "application/x-7z-compressed"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("bz2", "application/x-bzip2"),
    ("csv", "text/csv"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("md", "text/markdown"),
    ("mkv", "video/matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("txt", "text/plain"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("zip", "application/zip"),
];

impl MediaType {
    /// Of a text from outside; parameters are dropped, and what is no media type is `application/octet-stream`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_type = essence.split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype));
        Self(if is_type { essence } else { ANYTHING.to_owned() })
    }

    /// By the ending of a file's name.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let known = ending.and_then(|ending| ENDINGS.iter().find(|(known, _)| *known == ending));
        Self(known.map_or(ANYTHING, |(_, media_type)| media_type).to_owned())
    }

    /// The type, such as `image/png`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A restricted-name of RFC 6838.
fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_media_type_is_anything() {
        let cases = [
            ("image/PNG", "image/png"),
            ("text/plain; charset=utf-8", "text/plain"),
            ("", ANYTHING),
            ("image", ANYTHING),
            ("image/", ANYTHING),
            ("a/b/c", ANYTHING),
            ("image/p\nng", ANYTHING),
            ("\u{202e}/png", ANYTHING),
        ];
        for (text, expected) in cases {
            assert_eq!(MediaType::of(text).as_str(), expected, "{text:?}");
        }
        assert_eq!(MediaType::of(&format!("a/{}", "b".repeat(65))).as_str(), ANYTHING);
    }

    #[test]
    fn endings_are_known_whatever_their_case() {
        assert_eq!(MediaType::of_name("IMG_1.JPG").as_str(), "image/jpeg");
        assert_eq!(MediaType::of_name("jpg").as_str(), ANYTHING);
        assert_eq!(MediaType::of_name("a.unheard-of").as_str(), ANYTHING);
        for (_, media_type) in ENDINGS {
            assert_eq!(MediaType::of(media_type).as_str(), media_type);
        }
    }
}
