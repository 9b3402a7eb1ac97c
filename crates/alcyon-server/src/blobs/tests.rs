//! One contract for all stores, and the rules above them.

use std::{sync::Arc, time::Duration};

use alcyon_wire::{BlobId, RefusalCode, UploadSecret};
use proptest::prelude::*;

use super::{s3::tests::Place as S3Place, *};
use crate::{
    config::Config,
    logs::{AddressBand, DAY_MS, ManualClock, Rate},
    observe::Metrics,
};

const NOW: u64 = 1_800_000_000_000;

fn id(n: u8) -> BlobId {
    UploadSecret::from([n; 32]).blob()
}

fn with_each(test: impl Fn(&dyn BlobStore)) {
    test(&MemoryBlobs::default());
    let folder = tempfile::tempdir().unwrap();
    test(&LocalBlobs::open(folder.path()).unwrap());
    let place = S3Place::new();
    test(&place.open());
    let folder = tempfile::tempdir().unwrap();
    let place = S3Place::new();
    test(&MovedBlobs::new(place.open(), LocalBlobs::open(folder.path()).unwrap()));
}

#[test]
fn what_was_in_a_directory_stays_there_when_files_move_to_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let old = LocalBlobs::open(folder.path()).unwrap();
    for (n, to) in [(1, 6), (2, 4), (3, 6)] {
        old.create(id(n), 6, NOW).unwrap();
        old.write(id(n), 0, b"abcdef").unwrap();
        old.advance(id(n), 0, to, NOW).unwrap();
    }
    let place = S3Place::new();
    let store = MovedBlobs::new(place.open(), old);
    store.create(id(4), 3, NOW + 2 * DAY_MS).unwrap();
    store.write(id(4), 0, b"new").unwrap();
    store.advance(id(4), 0, 3, NOW + 2 * DAY_MS).unwrap();
    store.write(id(2), 4, b"EF").unwrap();
    assert!(store.advance(id(2), 4, 6, NOW).unwrap().is_complete(), "an upload goes on where it began");
    let read = [1, 2, 4].map(|n| store.read(id(n), 0, 3).unwrap());
    assert_eq!((read, store.read(id(2), 3, 3).unwrap()), (["abc".into(), "abc".into(), "new".into()], "dEF".into()));
    assert_eq!((store.used_bytes().unwrap(), store.remove(id(3)).unwrap(), store.used_bytes().unwrap()), (21, 6, 15));
    assert_eq!((place.open().used_bytes().unwrap(), LocalBlobs::open(folder.path()).unwrap().used_bytes().unwrap()), (3, 12));
    assert_eq!(store.sweep(NOW + DAY_MS, 0).unwrap(), Swept { blobs: 2, bytes: 12 });
    assert_eq!([1, 2, 3, 4].map(|n| store.state(id(n)).unwrap().is_some()), [false, false, false, true]);
}

#[test]
fn a_blob_grows_becomes_readable_and_goes() {
    with_each(a_blob_grows);
}

pub(crate) fn a_blob_grows(store: &dyn BlobStore) {
    assert_eq!(store.state(id(1)).unwrap(), None);
    store.create(id(1), 10, NOW).unwrap();
    assert_eq!(store.used_bytes().unwrap(), 10);
    store.write(id(1), 0, b"abcd").unwrap();
    assert_eq!(store.state(id(1)).unwrap(), Some(BlobState { length: 10, offset: 0 }), "written is not durable");
    store.write(id(1), 4, b"ef").unwrap();
    store.advance(id(1), 0, 6, NOW).unwrap();
    assert!(matches!(store.read(id(1), 0, 1), Err(BlobError::Unknown)), "not before it is complete");
    assert!(matches!(store.write(id(1), 5, b"x"), Err(BlobError::Offset { offset: 6 })), "what counts is not written over");
    assert!(matches!(store.write(id(1), 6, b"ghijk"), Err(BlobError::TooLong { length: 10 })));
    assert!(matches!(store.advance(id(1), 0, 6, NOW), Err(BlobError::Offset { offset: 6 })));
    assert!(matches!(store.advance(id(1), 6, 8, NOW), Err(BlobError::Offset { offset: 6 })), "nothing was written there");
    store.write(id(1), 6, b"ghij").unwrap();
    assert!(store.advance(id(1), 6, 10, NOW).unwrap().is_complete());
    assert_eq!(store.read(id(1), 3, 4).unwrap(), "defg");
    assert!(store.read(id(1), 8, 3).is_err());
    assert!(matches!(store.write(id(1), 10, b""), Err(BlobError::Offset { .. } | BlobError::Unknown) | Ok(())));
    assert_eq!(store.state(id(1)).unwrap(), Some(BlobState { length: 10, offset: 10 }));
    assert_eq!(store.remove(id(1)).unwrap(), 10);
    assert!(matches!(store.remove(id(1)), Err(BlobError::Unknown)));
    assert_eq!((store.state(id(1)).unwrap(), store.used_bytes().unwrap()), (None, 0));
}

#[test]
fn what_is_past_its_time_goes_and_nothing_else() {
    with_each(times_are_kept);
}

pub(crate) fn times_are_kept(store: &dyn BlobStore) {
    for (n, time, complete) in [(1, NOW, true), (2, NOW + 2 * DAY_MS, true), (3, NOW, false), (4, NOW + 2 * DAY_MS, false)] {
        store.create(id(n), 4, time).unwrap();
        store.write(id(n), 0, b"abcd").unwrap();
        store.advance(id(n), 0, if complete { 4 } else { 3 }, time).unwrap();
    }
    assert_eq!(store.sweep(NOW - DAY_MS, NOW - DAY_MS).unwrap(), Swept::default());
    assert_eq!(store.sweep(NOW + DAY_MS, NOW - DAY_MS).unwrap(), Swept { blobs: 1, bytes: 4 });
    assert_eq!(store.sweep(NOW - DAY_MS, NOW + DAY_MS).unwrap(), Swept { blobs: 1, bytes: 4 });
    let left = [1, 2, 3, 4].map(|n| store.state(id(n)).unwrap().is_some());
    assert_eq!(left, [false, true, false, true]);
}

#[test]
fn a_directory_is_found_as_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalBlobs::open(folder.path()).unwrap();
    store.create(id(1), 8, NOW).unwrap();
    store.write(id(1), 0, b"abcdefgh").unwrap();
    store.advance(id(1), 0, 5, NOW).unwrap();
    store.create(id(2), 3, NOW).unwrap();
    store.write(id(2), 0, b"xyz").unwrap();
    store.advance(id(2), 0, 3, NOW).unwrap();
    // As a crash in the middle of `create` leaves it.
    std::fs::write(folder.path().join("unfinished").join(id(9).to_text()), b"").unwrap();
    let store = LocalBlobs::open(folder.path()).unwrap();
    assert_eq!(store.state(id(1)).unwrap(), Some(BlobState { length: 8, offset: 5 }), "bytes that were not advanced over do not count");
    assert_eq!(store.read(id(2), 0, 3).unwrap(), "xyz");
    assert_eq!(store.used_bytes().unwrap(), 11);
    assert_eq!(store.state(id(9)).unwrap(), None);
    assert_eq!(store.sweep(0, u64::MAX).unwrap(), Swept { blobs: 1, bytes: 8 });
    assert_eq!(std::fs::read_dir(folder.path().join("unfinished")).unwrap().count(), 0);
    let day = std::fs::metadata(folder.path().join(&id(2).to_text()[..2]).join(id(2).to_text())).unwrap().modified().unwrap();
    let ms = day.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert_eq!(ms % u128::from(DAY_MS), 0, "of its time no more is kept than the day");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is written and advanced, in whatever order: all stores say the same, and what is complete is what counted.
    #[test]
    fn all_stores_agree(length in 1..40_u64, acts in proptest::collection::vec((0..45_u64, 0..12_usize, any::<bool>()), 0..40)) {
        let folder = tempfile::tempdir().unwrap();
        let (local, memory) = (LocalBlobs::open(folder.path()).unwrap(), MemoryBlobs::default());
        let place = S3Place::new();
        let s3 = place.open();
        let stores: [&dyn BlobStore; 3] = [&local, &memory, &s3];
        let mut counted = Vec::new();
        for store in stores {
            store.create(id(1), length, NOW).unwrap();
        }
        for (number, (at, size, follow)) in acts.into_iter().enumerate() {
            let offset = memory.state(id(1)).unwrap().unwrap().offset;
            if offset == length {
                break;
            }
            let at = if follow { offset } else { at };
            let bytes = vec![u8::try_from(number).unwrap(); size];
            let [one, other, third] = stores.map(|store| {
                store.write(id(1), at, &bytes)?;
                store.advance(id(1), at, at + size as u64, NOW)
            });
            // A file may have a hole where memory has not; it never counts.
            match (one, other, third) {
                (Ok(one), Ok(other), Ok(third)) => {
                    prop_assert_eq!((one, third), (other, other));
                    counted.extend(bytes);
                }
                (Err(_), Err(_), Err(_)) => {}
                different => prop_assert!(false, "{:?}", different),
            }
            prop_assert_eq!(s3.state(id(1)).unwrap(), memory.state(id(1)).unwrap());
            prop_assert_eq!(local.state(id(1)).unwrap(), memory.state(id(1)).unwrap());
            prop_assert_eq!(local.state(id(1)).unwrap().unwrap().offset, counted.len() as u64);
        }
        if counted.len() as u64 == length {
            for store in stores {
                prop_assert_eq!(&store.read(id(1), 0, counted.len()).unwrap(), &counted);
            }
        }
    }
}

async fn blobs(change: impl FnOnce(&mut BlobSettings)) -> (Blobs, Arc<ManualClock>) {
    let mut settings = Config::default().blobs;
    change(&mut settings);
    let clock = Arc::new(ManualClock::new(NOW));
    let store = Arc::new(MemoryBlobs::default());
    (Blobs::open(store, settings, clock.clone(), Arc::new(Metrics::new())).await.unwrap(), clock)
}

fn band(n: u8) -> AddressBand {
    AddressBand::of([192, 0, n, 1].into())
}

#[tokio::test]
async fn quotas_are_per_band_and_in_all_and_come_back() {
    let (blobs, clock) = blobs(|settings| {
        settings.bytes_per_band = Rate { burst: 10_000.0, per_second: 1_000.0 };
        settings.total = 25_000;
    })
    .await;
    blobs.create(10_000, band(1)).await.unwrap();
    let refusal = blobs.create(5_000, band(1)).await.unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after_ms), (RefusalCode::Quota, 5_000));
    let other = blobs.create(10_000, band(2)).await.unwrap();
    clock.advance(10_000);
    let refusal = blobs.create(5_001, band(1)).await.unwrap_err();
    assert!(refusal.message.contains("place for files"), "{refusal:?}");
    blobs.create(5_000, band(1)).await.unwrap();
    blobs.remove(other.blob()).await.unwrap();
    blobs.create(5_001, band(2)).await.unwrap();
}

#[tokio::test]
async fn nothing_too_large_or_empty_begins_and_a_full_disk_takes_nothing() {
    let (all, _) = blobs(|_| ()).await;
    assert_eq!(all.create(0, band(1)).await.unwrap_err().code, RefusalCode::Malformed);
    let refusal = all.create(all.largest() + 1, band(1)).await.unwrap_err();
    assert_eq!((refusal.code, &*refusal.field), (RefusalCode::TooLarge, "upload-length"));
    all.create(all.largest(), band(1)).await.unwrap();
    let (full, _) = blobs(|settings| settings.disk_reserve = u64::MAX).await;
    assert_eq!(full.create(1, band(1)).await.unwrap_err().code, RefusalCode::DiskFull);
}

#[tokio::test]
async fn the_sweep_keeps_to_the_retention() {
    let (blobs, clock) = blobs(|settings| settings.retention = Duration::from_secs(30 * 24 * 60 * 60)).await;
    let id = blobs.create(3, band(1)).await.unwrap().blob();
    blobs.write(id, 0, "abc".into()).await.unwrap();
    blobs.advance(id, 0, 3).await.unwrap();
    clock.advance(29 * DAY_MS);
    blobs.sweep().await.unwrap();
    assert_eq!(blobs.read(id, 0, 3).await.unwrap(), "abc");
    clock.advance(2 * DAY_MS);
    blobs.sweep().await.unwrap();
    assert_eq!(blobs.read(id, 0, 3).await.unwrap_err().code, RefusalCode::UnknownLog);
}
