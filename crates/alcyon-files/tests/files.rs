//! Files that go through, and everything else that does not.

#![allow(clippy::unwrap_used)]

use std::io::{self, Read};

use alcyon_files::{CHUNK, ChunkOpener, FileError, FileKey, Opener, Reference, SealedHash, Sealer, TAG};
use proptest::prelude::*;

const SEALED_CHUNK: usize = CHUNK + TAG;

fn sealed(file: &[u8]) -> (Reference, Vec<u8>) {
    let mut sealed = Vec::new();
    let reference = Sealer::new(file.len() as u64).unwrap().seal(&mut &*file, &mut sealed).unwrap();
    (reference, sealed)
}

fn open(reference: &Reference, sealed: &[u8]) -> Result<Vec<u8>, FileError> {
    let mut file = Vec::new();
    Opener::new(reference).open(&mut &*sealed, &mut file)?;
    Ok(file)
}

fn pattern(size: usize, seed: u8) -> Vec<u8> {
    (0..size).map(|index| u8::try_from(index % 249).unwrap() ^ seed).collect()
}

#[test]
fn sizes_around_every_edge_come_back() {
    let edges = [0, 1, 7, 8, 4_087, 4_088, 4_089, CHUNK - 9, CHUNK - 8, CHUNK - 7, CHUNK, 2 * CHUNK - 8, 2 * CHUNK, 5 * CHUNK + 3];
    for size in edges {
        let file = pattern(size, 0);
        let (reference, bytes) = sealed(&file);
        assert_eq!(bytes.len() as u64, reference.shape().sealed_len(), "{size}");
        assert_eq!(open(&reference, &bytes).unwrap(), file, "{size}");
    }
}

#[test]
fn no_two_files_share_a_key_and_nothing_shows_through() {
    let (one, one_bytes) = sealed(b"the same words");
    let (other, other_bytes) = sealed(b"the same words");
    assert_ne!(one.key(), other.key());
    assert_ne!(one_bytes, other_bytes);
    assert_eq!(format!("{one:?}").matches("(..)").count(), 2, "neither key nor hash are shown");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    for said in [4u64, 6, CHUNK as u64] {
        let sealer = Sealer::new(said).unwrap();
        assert!(matches!(sealer.seal(&mut b"alcyo".as_slice(), &mut Vec::new()), Err(FileError::Changed)), "{said}");
    }
    // Grown by a byte where the last chunk is full of content.
    let size = 2 * CHUNK - 8;
    let sealer = Sealer::new(size as u64).unwrap();
    assert!(matches!(sealer.seal(&mut pattern(size + 1, 0).as_slice(), &mut Vec::new()), Err(FileError::Changed)));
}

#[test]
fn a_reader_that_fails_is_passed_on() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    assert!(matches!(Sealer::new(10).unwrap().seal(&mut Broken, &mut Vec::new()), Err(FileError::Io(_))));
    let (reference, _) = sealed(b"words");
    assert!(matches!(Opener::new(&reference).open(&mut Broken, &mut Vec::new()), Err(FileError::Io(_))));
}

#[test]
fn cut_swapped_replayed_and_extended_files_are_refused() {
    let file = pattern(4 * CHUNK, 1);
    let (reference, bytes) = sealed(&file);
    let total = bytes.len();
    // Cut at the end of a chunk, in one, to nothing.
    for length in [SEALED_CHUNK, 2 * SEALED_CHUNK, total - 1, total - TAG, 100, 0] {
        assert!(
            matches!(open(&reference, &bytes[..length]), Err(FileError::CutShort { actual, expected }) if (actual, expected) == (length as u64, total as u64)),
            "{length}"
        );
    }
    // Two chunks change places.
    let mut swapped = bytes.clone();
    let (first, rest) = swapped.split_at_mut(SEALED_CHUNK);
    first.swap_with_slice(&mut rest[..SEALED_CHUNK]);
    assert!(matches!(open(&reference, &swapped), Err(FileError::Chunk { chunk: 0 })));
    // A chunk comes a second time in place of another.
    let mut replayed = bytes.clone();
    replayed.copy_within(..SEALED_CHUNK, SEALED_CHUNK);
    assert!(matches!(open(&reference, &replayed), Err(FileError::Chunk { chunk: 1 })));
    // The same chunk of another file.
    let (_, foreign) = sealed(&file);
    let mut mixed = bytes.clone();
    mixed[SEALED_CHUNK..2 * SEALED_CHUNK].copy_from_slice(&foreign[SEALED_CHUNK..2 * SEALED_CHUNK]);
    assert!(matches!(open(&reference, &mixed), Err(FileError::Chunk { chunk: 1 })));
    // More after the end.
    for more in [&b"x"[..], &bytes] {
        assert!(matches!(open(&reference, &[&bytes[..], more].concat()), Err(FileError::TooLong { .. })));
    }
}

#[test]
fn another_hash_size_or_key_in_the_message_is_refused() {
    let file = pattern(CHUNK + 5, 2);
    let (reference, bytes) = sealed(&file);
    let (size, key, hash) = (reference.shape().size(), reference.key().clone(), reference.hash());
    let wrong = Reference::new(size, key.clone(), SealedHash::from([7; 32])).unwrap();
    assert!(matches!(open(&wrong, &bytes), Err(FileError::Hash)));
    let wrong = Reference::new(size, FileKey::from([7; 32]), hash).unwrap();
    assert!(matches!(open(&wrong, &bytes), Err(FileError::Chunk { chunk: 0 })));
    // Of the same class, so that all chunks have the right length.
    let wrong = Reference::new(size + 1, key.clone(), hash).unwrap();
    assert_eq!(wrong.shape().sealed_len(), reference.shape().sealed_len());
    assert!(matches!(open(&wrong, &bytes), Err(FileError::Inside)));
    let wrong = Reference::new(size - 1, key.clone(), hash).unwrap();
    assert!(matches!(open(&wrong, &bytes), Err(FileError::Inside)));
    // Of another class.
    let wrong = Reference::new(size * 2, key.clone(), hash).unwrap();
    assert!(open(&wrong, &bytes).is_err());
    assert!(matches!(Reference::new(u64::MAX, key, hash), Err(FileError::TooLarge { .. })));
}

#[test]
fn chunks_open_in_any_order() {
    let file = pattern(3 * CHUNK + 100, 3);
    let (reference, bytes) = sealed(&file);
    let (opener, shape) = (ChunkOpener::new(&reference), reference.shape());
    for chunk in (0..shape.chunks()).rev() {
        let range = shape.sealed_range(chunk).unwrap();
        let mut part = bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_vec();
        opener.open(chunk, &mut part).unwrap();
        let content = shape.content_range(chunk).unwrap();
        assert_eq!(part, &file[usize::try_from(content.start).unwrap()..usize::try_from(content.end).unwrap()]);
        assert!(matches!(opener.open(chunk, &mut vec![0; 10]), Err(FileError::CutShort { .. })));
    }
    assert!(matches!(opener.open(shape.chunks(), &mut Vec::new()), Err(FileError::NoSuchChunk { .. })));
    assert!(matches!(opener.open(0, &mut vec![0; SEALED_CHUNK + 1]), Err(FileError::Chunk { chunk: 0 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_sealed_comes_back(size in 0..3 * CHUNK, seed in any::<u8>()) {
        let file = pattern(size, seed);
        let (reference, bytes) = sealed(&file);
        prop_assert_eq!(open(&reference, &bytes).unwrap(), file);
    }

    #[test]
    fn no_changed_byte_passes(size in 0..3 * CHUNK, at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let (reference, mut bytes) = sealed(&pattern(size, 4));
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let refused = matches!(open(&reference, &bytes), Err(FileError::Chunk { chunk }) if chunk as usize == at / SEALED_CHUNK);
        prop_assert!(refused);
    }
}
