//! What a name and a picture may be, which of two introductions counts, and how somebody is called.

use alcyon_files::is_hidden;
use alcyon_wire::{limits, proto};

/// Revisions are below this: JavaScript and SQL read such numbers exactly.
pub(crate) const REVISIONS: u64 = 1 << 53;

/// What is wrong with a name or picture that somebody wants to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntroductionRule {
    /// At most 64 characters and 256 bytes.
    #[error("a name has at most 64 characters and 256 bytes")]
    NameTooLong,
    /// No control characters, none that are not seen, none that turn the direction of writing.
    #[error("a name has no invisible characters")]
    NameHidden,
    /// A JPEG of at most 4 KiB, and 512 pixels an edge.
    #[error("a picture is a JPEG of at most 4 KiB and 512 pixels an edge")]
    Picture,
}

/// What somebody has said of themselves, checked. Ordered by what counts: the greatest does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Said {
    /// At least 1, below [`REVISIONS`].
    pub(crate) revision: u64,
    /// Empty for none.
    pub(crate) name: String,
    /// Empty for none.
    pub(crate) picture: Vec<u8>,
}

impl Said {
    /// What holds of an introduction: a name is made safe, and what is too long or no picture counts as none. `None` if its revision is
    /// none.
    pub(crate) fn read(field: &proto::Introduction) -> Option<Self> {
        let proto::Introduction { display_name, picture, revision } = field;
        if !(1..REVISIONS).contains(revision) {
            return None;
        }
        // What is far too long is not looked at twice.
        let short = display_name.len() <= 4 * limits::DISPLAY_NAME;
        let visible: String =
            if short { display_name.chars().filter(|c| !is_hidden(*c) || c.is_whitespace()).collect() } else { String::new() };
        let name = collapsed(&visible);
        let picture = if is_picture(picture) { picture.to_vec() } else { Vec::new() };
        Some(Self { revision: *revision, name: if fits(&name) { name } else { String::new() }, picture })
    }

    pub(crate) fn field(&self) -> proto::Introduction {
        let Self { revision, name, picture } = self;
        proto::Introduction { display_name: name.clone(), picture: picture.clone().into(), revision: *revision }
    }
}

/// A name as it may be set: blanks at its ends are taken away, others become one space.
pub(crate) fn check_name(name: &str) -> Result<String, IntroductionRule> {
    let name = collapsed(name);
    if name.chars().any(is_hidden) {
        return Err(IntroductionRule::NameHidden);
    }
    if fits(&name) { Ok(name) } else { Err(IntroductionRule::NameTooLong) }
}

/// Whether a picture of a person or a group may be set, or none.
pub(crate) fn check_picture(jpeg: &[u8]) -> Result<(), IntroductionRule> {
    if jpeg.is_empty() || is_picture(jpeg) { Ok(()) } else { Err(IntroductionRule::Picture) }
}

/// A JPEG by its markers, within the limits. Whoever shows it decodes it with care; that a few bytes are no picture of gigabytes is seen here.
pub(crate) fn is_picture(bytes: &[u8]) -> bool {
    let edges = 1..=limits::PICTURE_EDGE;
    bytes.len() <= limits::PICTURE && frame_of(bytes).is_some_and(|(width, height)| edges.contains(&width) && edges.contains(&height))
}

/// A picture as it came, or none.
pub(crate) fn picture_or_none(bytes: Vec<u8>) -> Vec<u8> {
    if is_picture(&bytes) { bytes } else { Vec::new() }
}

/// Width and height by the first frame header of a JPEG (ITU-T T.81, B.2.2).
fn frame_of(jpeg: &[u8]) -> Option<(u16, u16)> {
    let two = |bytes: &[u8], at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let mut rest = jpeg.strip_prefix(&[0xff, 0xd8])?;
    loop {
        // Any marker may have fill bytes before it.
        let after = rest.strip_prefix(&[0xff])?;
        let fill = after.iter().take_while(|byte| **byte == 0xff).count();
        let [marker, segment @ ..] = after.get(fill..)? else { return None };
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => return Some((two(segment, 5)?, two(segment, 3)?)),
            // Pixels before their frame, or the end.
            0x00 | 0xd8..=0xda => return None,
            0x01 | 0xd0..=0xd7 => rest = segment,
            _ => rest = segment.get(usize::from(two(segment, 0)?)..)?,
        }
    }
}

fn collapsed(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fits(name: &str) -> bool {
    name.len() <= limits::DISPLAY_NAME && name.chars().count() <= limits::DISPLAY_NAME_CHARACTERS
}

/// A name as it is compared with others.
pub(crate) fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// How somebody is called on a screen. Where another one that is known has the same name, and where a name looks like a handle, the
/// handle stands beside it (`known_as`: the handle, or what there is of the account).
pub(crate) fn called(name: &str, shared: bool, known_as: &str) -> String {
    if shared || name.contains('@') { format!("{name} ({known_as})") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// Up to the height in its frame header.
    const JPEG: [u8; 14] = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, 0xc2, 0, 8, 8];

    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        [&JPEG[..], &height.to_be_bytes(), &width.to_be_bytes(), &[1]].concat()
    }

    fn read(name: &str, picture: &[u8]) -> (String, Vec<u8>) {
        let said = Said::read(&proto::Introduction { display_name: name.to_owned(), picture: picture.to_vec().into(), revision: 1 });
        let Said { revision: _, name, picture } = said.unwrap();
        (name, picture)
    }

    #[test]
    fn a_name_from_outside_becomes_safe_or_none() {
        let longest = "é".repeat(64);
        for (name, safe) in [
            ("Ann", "Ann"),
            ("  Ann \u{a0}of\tthe\nsea ", "Ann of the sea"),
            ("nn\u{202e}A", "nnA"),
            ("A\u{200b}n\0n\x1b", "Ann"),
            ("\u{2066}\u{feff}", ""),
            ("", ""),
            (&longest, &longest),
            (&"é".repeat(65), ""),
            (&"🐦".repeat(64), &"🐦".repeat(64)),
            (&format!("a{}", "🐦".repeat(63)), &format!("a{}", "🐦".repeat(63))),
            (&" ".repeat(2_000), ""),
        ] {
            assert_eq!(read(name, &[]).0, safe, "{name:?}");
        }
    }

    #[test]
    fn a_name_that_is_set_breaks_no_rule() {
        assert_eq!(check_name("  Ann  of the sea ").unwrap(), "Ann of the sea");
        assert_eq!(check_name("").unwrap(), "");
        assert_eq!(check_name(&"x".repeat(65)), Err(IntroductionRule::NameTooLong));
        assert_eq!(check_name("\u{202e}nnA"), Err(IntroductionRule::NameHidden));
        assert_eq!(check_name("A\0nn"), Err(IntroductionRule::NameHidden));
    }

    #[test]
    fn only_a_small_jpeg_is_a_picture() {
        let mut largest = jpeg(512, 512);
        largest.resize(limits::PICTURE, 0);
        let larger = [largest.as_slice(), &[0]].concat();
        let huge = [jpeg(513, 1), jpeg(1, 65_535), jpeg(0, 1), jpeg(1, 0)];
        let others =
            [&b"\x89PNG\r\n"[..], &JPEG, &[0xff, 0xd8], &[0xff, 0xd8, 0xff, 0xda, 0, 2], &[0xff, 0xd8, 0xff, 0xe0, 0, 0, 0xff], &larger];
        for picture in [&jpeg(2, 3), &largest] {
            assert_eq!((&read("", picture).1, check_picture(picture)), (picture, Ok(())));
        }
        for picture in huge.iter().map(Vec::as_slice).chain(others) {
            assert_eq!((read("", picture).1, check_picture(picture)), (Vec::new(), Err(IntroductionRule::Picture)), "{picture:?}");
        }
        assert_eq!(check_picture(&[]), Ok(()), "none is one that can be set");
    }

    #[test]
    fn a_revision_that_nothing_could_follow_is_none() {
        let of = |revision| Said::read(&proto::Introduction { revision, ..proto::Introduction::default() });
        assert_eq!((of(0), of(REVISIONS), of(u64::MAX)), (None, None, None));
        assert!(of(1).is_some() && of(REVISIONS - 1).is_some());
    }

    #[test]
    fn who_shares_a_name_is_told_apart_by_handle() {
        assert_eq!(called("Ann", false, "ann@sea.example"), "Ann");
        assert_eq!(called("Ann", true, "ann@sea.example"), "Ann (ann@sea.example)");
        assert_eq!(called("ann@sea.example", false, "mal@sea.example"), "ann@sea.example (mal@sea.example)");
        assert_eq!(folded("ÉLODIE"), folded("élodie"));
        assert_ne!(folded("Ann"), folded("Anna"));
    }

    fn any_field() -> impl Strategy<Value = proto::Introduction> {
        let picture =
            prop_oneof![Just(Vec::new()), Just(jpeg(1, 1)), Just(jpeg(2, 1)), Just(vec![1]), proptest::collection::vec(any::<u8>(), 0..6)];
        ("[a-c\u{202e} ]{0,4}", picture, prop_oneof![0u64..4, any::<u64>()])
            .prop_map(|(display_name, picture, revision)| proto::Introduction { display_name, picture: picture.into(), revision })
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_look_into_a_picture(bytes in proptest::collection::vec(prop_oneof![Just(0xff), any::<u8>()], 0..64)) {
            let bytes = [&[0xff, 0xd8][..], &bytes].concat();
            prop_assert_eq!(picture_or_none(bytes.clone()).is_empty(), !is_picture(&bytes));
        }

        #[test]
        fn whatever_was_read_first_the_same_counts(
            fields in proptest::collection::vec(any_field(), 0..6), order in proptest::collection::vec(any::<prop::sample::Index>(), 6)
        ) {
            let last = |fields: &[proto::Introduction]| {
                fields.iter().filter_map(Said::read).fold(None, |known: Option<Said>, said| known.max(Some(said)))
            };
            let mut shuffled = fields.clone();
            for (at, other) in order.iter().enumerate().take(fields.len()) {
                shuffled.swap(at, other.index(fields.len()));
            }
            // And some of them twice.
            shuffled.extend(fields.first().cloned());
            prop_assert_eq!(last(&fields), last(&shuffled));
        }

        #[test]
        fn a_name_that_is_read_can_be_set_and_stays(name in prop_oneof![any::<String>(), "[ a-z\u{202e}\u{a0}\n]{0,80}"]) {
            let (safe, _) = read(&name, &[]);
            prop_assert_eq!(check_name(&safe), Ok(safe.clone()));
            prop_assert_eq!(read(&safe, &[]).0, safe);
        }
    }
}
