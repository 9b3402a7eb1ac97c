//! Uploads through a service that fails, restarts in the middle, what is left behind, and the same against somebody else's S3.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
    time::Duration,
};

use alcyon_wire::{RefusalCode, UploadSecret};
use insta::assert_snapshot;

use super::*;
use crate::{
    blobs::{Blobs, tests as contract},
    config::Config,
    logs::{AddressBand, ManualClock},
    observe::Metrics,
};

#[path = "../../../tests/fake_s3/mod.rs"]
mod fake_s3;
use fake_s3::{ACCESS_KEY, BUCKET, FakeS3, Fault, SECRET_KEY};

const NOW: u64 = 1_800_000_000_000;
const PART: u64 = 8;

fn id(n: u8) -> BlobId {
    UploadSecret::from([n; 32]).blob()
}

fn settings(endpoint: &str) -> S3Settings {
    S3Settings {
        endpoint: endpoint.parse().unwrap(),
        region: "eu-test-1".into(),
        bucket: BUCKET.into(),
        prefix: "chat/".into(),
        path_style: true,
        access_key: ACCESS_KEY.into(),
        secret_key: SecretSource::Here(Secret::parse(SECRET_KEY).unwrap()),
        part: PART,
        patience: Duration::from_secs(20),
    }
}

/// A bucket of a fake, and the folder of an S3 store.
pub(crate) struct Place {
    s3: FakeS3,
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { s3: FakeS3::start(), folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn open(&self) -> S3Blobs {
        S3Blobs::open(self.folder.path(), settings(&self.s3.endpoint())).unwrap()
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.folder.path()).unwrap().count()
    }

    fn objects(&self) -> Vec<String> {
        self.s3.state().objects.keys().cloned().collect()
    }
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()
}

/// Uploads as a client does that asks where to go on, whatever goes wrong; each time it does, the server starts anew.
fn upload(place: &Place, id: BlobId, content: &[u8], pace: usize) -> usize {
    let mut restarts = 0;
    let mut store = place.open();
    loop {
        let went = (|| {
            let Some(BlobState { length, offset }) = store.state(id)? else {
                store.create(id, content.len() as u64, NOW)?;
                return Ok(false);
            };
            if offset == length {
                return Ok(true);
            }
            let at = usize::try_from(offset).unwrap();
            let end = (at + pace).min(content.len());
            store.write(id, offset, &content[at..end])?;
            store.advance(id, offset, end as u64, NOW).map(BlobState::is_complete)
        })();
        match went {
            Ok(true) => return restarts,
            Ok(false) => {}
            Err(BlobError::Away { .. }) => {
                restarts += 1;
                store = place.open();
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn uploads_come_through_faults_and_restarts_byte_for_byte() {
    let place = Place::new();
    let (mut faults, mut restarts) = (0_u64, 0);
    for (n, length, pace) in [(1, 1, 1), (2, 7, 3), (3, 8, 8), (4, 9, 4), (5, 64, 5), (6, 99, 40), (7, 300, 33), (8, 257, 300)] {
        let count = Arc::new(AtomicU64::new(0));
        let (counted, mut seed) = (count.clone(), 77_u64 + u64::from(n));
        place.s3.fail(move |_, _| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let fault = match (seed >> 33) % 12 {
                0 => Fault::Status(500),
                1 => Fault::Status(503),
                2 => Fault::CutBefore,
                3 => Fault::CutAfter,
                4 => Fault::HalfAnswer,
                _ => return None,
            };
            counted.fetch_add(1, Ordering::Relaxed);
            Some(fault)
        });
        let content = bytes(length);
        restarts += upload(&place, id(n), &content, pace);
        faults += count.load(Ordering::Relaxed);
        place.s3.heal();
        let store = place.open();
        assert_eq!(store.state(id(n)).unwrap(), Some(BlobState { length: length as u64, offset: length as u64 }));
        assert_eq!(store.read(id(n), 0, length).unwrap(), content, "{n}");
        assert_eq!(place.s3.state().objects[&format!("chat/blobs/{}", id(n).to_text())], content);
    }
    assert!(faults >= 50, "{faults}");
    assert!(restarts >= 5, "{restarts}");
    let store = place.open();
    store.sweep(0, 0).unwrap();
    assert_eq!(place.s3.state().uploads.len(), 0, "beginnings whose answer was lost are ended");
    assert_eq!(place.files(), 0, "the spool is empty");
    assert_eq!(store.used_bytes().unwrap(), 1 + 7 + 8 + 9 + 64 + 99 + 300 + 257);
}

#[test]
fn the_last_answer_may_be_lost_or_lie() {
    for fault in [Fault::CutAfter, Fault::ErrorInside, Fault::HalfAnswer, Fault::Status(500)] {
        let place = Place::new();
        let store = place.open();
        place.s3.fail(move |method, what| (method == Method::POST && what.contains("uploadId")).then_some(fault));
        store.create(id(1), 20, NOW).unwrap();
        store.write(id(1), 0, &bytes(20)).unwrap();
        assert!(matches!(store.advance(id(1), 0, 20, NOW), Err(BlobError::Away { .. })), "{fault:?}");
        assert!(matches!(store.read(id(1), 0, 1), Err(BlobError::Unknown)), "not before all of it is sure");
        drop(store);
        place.s3.heal();
        // The client comes back and asks; nothing has to be sent again.
        let store = place.open();
        assert_eq!(store.state(id(1)).unwrap(), Some(BlobState { length: 20, offset: 20 }), "{fault:?}");
        assert_eq!(store.read(id(1), 0, 20).unwrap(), bytes(20));
        assert_eq!((place.files(), place.s3.state().uploads.len()), (0, 0));
        assert_eq!((store.used_bytes().unwrap(), store.remove(id(1)).unwrap(), store.used_bytes().unwrap()), (20, 20, 0));
    }
}

#[test]
fn while_s3_is_away_nothing_is_lost_and_the_spool_does_not_grow() {
    let place = Place::new();
    let store = place.open();
    store.create(id(1), 100, NOW).unwrap();
    store.create(id(2), 4, NOW).unwrap();
    place.s3.fail(|_, _| Some(Fault::Status(503)));
    store.write(id(1), 0, &bytes(10)).unwrap();
    assert_eq!(store.advance(id(1), 0, 10, NOW).unwrap().offset, 10, "what is durable counts");
    for _ in 0..20 {
        assert!(matches!(store.write(id(1), 10, b"more"), Err(BlobError::Away { .. })));
    }
    let asked = place.s3.state().asked.len();
    assert!(asked <= 9, "it is left alone: {asked}");
    assert!(matches!(store.create(id(3), 1, NOW), Err(BlobError::Away { .. })), "nothing begins");
    assert!(matches!(store.read(id(9), 0, 1), Err(BlobError::Away { .. })));
    assert!(matches!(store.used_bytes(), Err(BlobError::Away { .. })));
    assert_eq!(store.state(id(2)).unwrap(), Some(BlobState { length: 4, offset: 0 }), "what is here needs no S3");
    drop(store);
    place.s3.heal();
    upload(&place, id(1), &bytes(100), 9);
    assert_eq!(place.open().read(id(1), 0, 100).unwrap(), bytes(100));
}

#[test]
fn a_silent_service_is_waited_for_no_longer_than_said() {
    let place = Place::new();
    let settings = S3Settings { patience: Duration::from_millis(300), ..settings(&place.s3.endpoint()) };
    let store = S3Blobs::open(place.folder.path(), settings).unwrap();
    place.s3.fail(|_, _| Some(Fault::Silent));
    for _ in 0..3 {
        assert!(matches!(store.state(id(1)), Err(BlobError::Away { .. })));
    }
    let asked = place.s3.state().asked.len();
    for _ in 0..100 {
        assert!(matches!(store.state(id(1)), Err(BlobError::Away { .. })));
    }
    assert_eq!(place.s3.state().asked.len(), asked, "then it is not asked at all");
}

#[test]
fn who_gives_up_waits_for_nothing() {
    let place = Place::new();
    let store = place.open();
    let (waits, waiting) = std::sync::mpsc::channel();
    place.s3.fail(move |_, _| {
        waits.send(()).unwrap();
        Some(Fault::Silent)
    });
    std::thread::scope(|scope| {
        let call = scope.spawn(|| store.state(id(1)));
        waiting.recv().unwrap();
        store.give_up();
        assert!(matches!(call.join().unwrap(), Err(BlobError::Away { .. })));
    });
    assert!(matches!(store.read(id(1), 0, 1), Err(BlobError::Away { .. })));
}

#[test]
fn an_upload_that_s3_has_thrown_away_is_gone_and_counted_until_swept() {
    let place = Place::new();
    let store = place.open();
    store.create(id(1), 30, NOW).unwrap();
    store.write(id(1), 0, &bytes(20)).unwrap();
    store.advance(id(1), 0, 20, NOW).unwrap();
    place.s3.state().uploads.clear();
    store.write(id(1), 20, &bytes(10)).unwrap();
    assert!(matches!(store.advance(id(1), 20, 30, NOW), Err(BlobError::Unknown)));
    assert_eq!(store.state(id(1)).unwrap(), None);
    assert!(matches!(store.write(id(1), 0, b"x"), Err(BlobError::Unknown)));
    assert_eq!(store.used_bytes().unwrap(), 30);
    assert_eq!(store.sweep(0, NOW + 1).unwrap(), Swept { blobs: 1, bytes: 30 });
    assert_eq!((store.used_bytes().unwrap(), place.files()), (0, 0));
}

#[test]
fn the_bucket_holds_ids_and_days_and_no_more() {
    let place = Place::new();
    let store = place.open();
    for (n, length) in [(1, 5), (2, 30)] {
        upload(&place, id(n), &bytes(length), 7);
    }
    let day = NOW / DAY_MS;
    let expected = [(BLOBS.to_owned(), 2), (BLOBS.to_owned(), 1), (format!("{DAYS}0{day}/"), 2), (format!("{DAYS}0{day}/"), 1)];
    let mut expected: Vec<String> = expected.into_iter().map(|(folder, n)| format!("chat/{folder}{}", id(n).to_text())).collect();
    expected.sort();
    assert_eq!(place.objects(), expected);
    // Others' things in the same bucket are nobody's business.
    for key in ["elsewhere/blobs/x", "chat/blobs/not-an-id", "chat/days/x/y"] {
        place.s3.state().objects.insert(key.to_owned(), vec![1; 1000]);
    }
    place.s3.state().uploads.insert("upload&other".into(), ("chat/blobs/other".into(), std::collections::BTreeMap::new()));
    assert_eq!(store.used_bytes().unwrap(), 35);
    assert_eq!(store.sweep(u64::MAX, u64::MAX).unwrap(), Swept { blobs: 2, bytes: 35 });
    assert_eq!(place.objects(), ["chat/blobs/not-an-id", "chat/days/x/y", "elsewhere/blobs/x"]);
    assert_eq!(place.s3.state().uploads.len(), 1);
}

#[test]
fn a_refusal_is_no_missing_blob() {
    let place = Place::new();
    for wrong in [
        S3Settings { bucket: "another".into(), ..settings(&place.s3.endpoint()) },
        S3Settings { access_key: "AKIAOTHER".into(), ..settings(&place.s3.endpoint()) },
    ] {
        let store = S3Blobs::open(place.folder.path(), wrong).unwrap();
        assert!(matches!(store.state(id(1)), Err(BlobError::Away { .. })));
        assert!(matches!(store.remove(id(1)), Err(BlobError::Away { .. })));
    }
}

#[test]
fn a_record_as_it_is_stored() {
    let place = Place::new();
    let store = place.open();
    store.create(id(1), 30, NOW).unwrap();
    store.write(id(1), 0, &bytes(12)).unwrap();
    store.advance(id(1), 0, 12, NOW).unwrap();
    let record = std::fs::read_to_string(place.folder.path().join(format!("{}.json", id(1).to_text()))).unwrap();
    assert_snapshot!(record);
    // What a crash leaves: a part without a record, a record that was being written.
    for end in ["0", "new"] {
        std::fs::write(place.folder.path().join(format!("{}.{end}", id(7).to_text())), b"x").unwrap();
    }
    drop(store);
    let store = place.open();
    assert_eq!(place.files(), 2, "a record and what is not in a full part");
    assert_eq!(store.state(id(1)).unwrap(), Some(BlobState { length: 30, offset: 12 }));
}

fn service(settings: S3Settings, folder: &Path) -> impl Future<Output = Result<Blobs, BlobError>> {
    let store = Arc::new(S3Blobs::open(folder, settings).unwrap());
    Blobs::open(store, Config::default().blobs, Arc::new(ManualClock::new(NOW)), Arc::new(Metrics::new()))
}

#[tokio::test]
async fn a_start_without_the_bucket_is_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let (address, state) = {
        let s3 = FakeS3::start();
        (s3.address, s3.shared())
    };
    let blobs = service(settings(&format!("http://{address}")), folder.path()).await.unwrap();
    let band = AddressBand::of([192, 0, 2, 1].into());
    let refusal = blobs.create(5, band).await.unwrap_err();
    assert_eq!((refusal.verdict, refusal.code), (alcyon_wire::Verdict::Later, RefusalCode::Internal));
    assert!(refusal.retry_after_ms > 0 && !blobs.is_counted());
    state.lock().unwrap().objects.insert(format!("chat/{}", object(id(1))), vec![1; 50]);
    let _s3 = FakeS3::start_again(address, state);
    // As the server does every ten seconds.
    while blobs.sweep().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(blobs.is_counted());
    let secret = blobs.create(5, band).await.unwrap();
    blobs.write(secret.blob(), 0, "abcde".into()).await.unwrap();
    assert!(blobs.advance(secret.blob(), 0, 5).await.unwrap().is_complete());
    assert_eq!(blobs.read(secret.blob(), 1, 3).await.unwrap(), "bcd");
    assert_eq!(blobs.read(id(1), 0, 50).await.unwrap(), vec![1; 50]);
}

/// moto's server, a real implementation of the API, with signatures and rights checked. Installed by `scripts/s3-server`.
struct Moto {
    child: Child,
    settings: S3Settings,
}

impl Moto {
    /// None where it is not installed.
    fn start() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/s3-server");
        let installed = Command::new(&script).arg("--installed").status().unwrap().success();
        if !installed {
            assert!(std::env::var_os("ALCYON_S3_SERVER").is_none(), "ALCYON_S3_SERVER is set, but moto is not installed");
            return None;
        }
        let mut child = Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let said = |name: &str| said[name].as_str().unwrap().to_owned();
        let settings = S3Settings {
            region: "us-east-1".into(),
            bucket: said("bucket"),
            access_key: said("access_key"),
            secret_key: SecretSource::Here(Secret::parse(&said("secret_key")).unwrap()),
            part: 5 * 1024 * 1024,
            patience: Duration::from_secs(60),
            ..settings(&said("endpoint"))
        };
        Some(Self { child, settings })
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.child.stdin.take());
        let _status = self.child.wait();
    }
}

#[test]
#[allow(clippy::print_stderr)]
fn somebody_elses_s3() {
    let Some(moto) = Moto::start() else {
        eprintln!("skipped: moto is not installed; scripts/s3-server --install does it, and `cargo xtask test`");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let open = |prefix: &str, part| {
        let folder: PathBuf = folder.path().join(prefix.replace('/', "-"));
        S3Blobs::open(&folder, S3Settings { prefix: prefix.into(), part, ..moto.settings.clone() }).unwrap()
    };
    // Small blobs, as the contract has them; a part has at least 5 MiB here.
    contract::a_blob_grows(&open("one/", 5 << 20));
    contract::times_are_kept(&open("two/", 5 << 20));
    // A large one in parts, over a restart, next to one that is given up.
    let (length, part) = (12_345_678, 5 << 20);
    let content = bytes(length);
    let store = open("three/", part);
    for n in [1, 2] {
        store.create(id(n), length as u64, NOW).unwrap();
        store.write(id(n), 0, &content[..7_000_000]).unwrap();
        store.advance(id(n), 0, 7_000_000, NOW + u64::from(n)).unwrap();
    }
    drop(store);
    let store = open("three/", part);
    assert_eq!(store.state(id(1)).unwrap(), Some(BlobState { length: length as u64, offset: 7_000_000 }));
    store.write(id(1), 7_000_000, &content[7_000_000..]).unwrap();
    assert!(store.advance(id(1), 7_000_000, length as u64, NOW + 3).unwrap().is_complete());
    let mut read = Vec::new();
    while read.len() < length {
        let piece = READ.min(length - read.len());
        read.extend(store.read(id(1), read.len() as u64, piece).unwrap());
    }
    assert!(read == content);
    assert_eq!(store.used_bytes().unwrap(), 2 * length as u64);
    assert_eq!(store.sweep(0, NOW + 3).unwrap(), Swept { blobs: 1, bytes: length as u64 });
    assert_eq!(store.used_bytes().unwrap(), length as u64);
    // An upload that only the bucket knows of is ended.
    let uploads = |method, key| store.client.ask(Call { query: vec![("uploads", String::new())], ..Call::new(method, key) }).unwrap();
    assert!(xml::upload_id(uploads(Method::POST, object(id(9))).text().unwrap()).is_some());
    let under_way = || xml::uploads(uploads(Method::GET, String::new()).text().unwrap()).unwrap().uploads.len();
    assert_eq!(under_way(), 1);
    store.sweep(0, 0).unwrap();
    assert_eq!(under_way(), 0);
    // Wrong keys and a wrong bucket are refusals.
    let wrong = [
        S3Settings { secret_key: SecretSource::Here(Secret::parse("wrong").unwrap()), ..moto.settings.clone() },
        S3Settings { bucket: "no-such-bucket".into(), ..moto.settings.clone() },
    ];
    for (n, settings) in (0..).zip(wrong) {
        let store = S3Blobs::open(&folder.path().join(format!("wrong{n}")), settings).unwrap();
        assert_eq!(store.client.ask(Call { range: Some((0, 0)), ..Call::new(Method::GET, object(id(1))) }).unwrap_err(), S3Error::Denied);
    }
}
