use std::sync::Arc;

use alcyon_identity::{DeviceKey, Era, EraKey, Home, Inbox, Manifest, ManifestDraft, RecoveryWords};
use alcyon_wire::{DropSecret, LogId, Seat, SeatKey, SeatSecret};
use bytes::Bytes;

use super::*;
use crate::{
    logs::{Health, LogSettings, ManualClock, Receipt, WriterMode},
    store::{FaultyStore, MemoryStore},
};

pub(crate) const SERVER: &str = "sea.example";

/// Somebody who can sign manifests.
pub(crate) struct Person {
    pub era: Era,
    pub device: DeviceKey,
    pub name: HandleName,
    pub inbox: LogId,
}

impl Person {
    pub fn new(name: &str, inbox: u8) -> Self {
        let key = EraKey::generate();
        let era = Era::new(RecoveryWords::generate().root().sign_era(1, &key), key).unwrap();
        Self { era, device: DeviceKey::generate(), name: name.parse().unwrap(), inbox: LogId::from([inbox; 16]) }
    }

    pub fn manifest(&self, version: u64, more_devices: &[DeviceId]) -> Manifest {
        self.manifest_at(version, more_devices, SERVER)
    }

    pub fn manifest_at(&self, version: u64, more_devices: &[DeviceId], server: &str) -> Manifest {
        let url: ServerUrl = format!("https://{server}").parse().unwrap();
        let mut devices = vec![self.device.id()];
        devices.extend(more_devices);
        let handle = Handle::new(self.name.clone(), server).unwrap();
        let inbox = Inbox { server: url.clone(), log: self.inbox, sealing_key: vec![9; 1216] };
        self.era.sign_manifest(ManifestDraft { version, devices, inbox, homes: vec![Home { server: url, handle }] }).unwrap()
    }

    pub fn account(&self) -> AccountId {
        self.era.account()
    }

    pub fn seat_key(&self, n: u8) -> SeatKey {
        SeatKey { log: self.inbox, secret: SeatSecret::from([n; 32]) }
    }

    pub fn seats(&self, n: u8) -> Vec<Seat> {
        let drop_hash = DropSecret::from([n; 32]).hash(self.inbox);
        vec![Seat { id: self.seat_key(n).seat_id(), drop_hash, keep: true, invite: true }]
    }
}

pub(crate) fn directory<S: Store>(logs: &Logs<S>) -> Directory<S> {
    let settings = DirectorySettings { server_name: SERVER.to_owned(), server_url: format!("https://{SERVER}").parse().unwrap() };
    Directory::new(logs.clone(), settings)
}

type TestStore = FaultyStore<MemoryStore>;

fn server() -> (Arc<TestStore>, Logs<TestStore>, Directory<TestStore>) {
    let store = Arc::new(FaultyStore::harmless(Arc::new(MemoryStore::default())));
    let settings = LogSettings { writer: WriterMode::Inline, ..LogSettings::default() };
    let logs = Logs::open(store.clone(), settings, Arc::new(ManualClock::new(1_000_000))).unwrap();
    let directory = directory(&logs);
    (store, logs, directory)
}

async fn sign_up(directory: &Directory<TestStore>, person: &Person) -> Result<(), DirectoryError> {
    directory.sign_up(&person.name, person.manifest(1, &[]), person.device.id(), person.seats(1)).await
}

#[tokio::test]
async fn a_sign_up_binds_the_name_and_makes_the_inbox_in_one_write() {
    let (store, logs, directory) = server();
    let ann = Person::new("ann", 1);
    sign_up(&directory, &ann).await.unwrap();
    assert_eq!(store.writes(), 1);
    let manifest = ann.manifest(1, &[]);
    assert_eq!(directory.manifest_by_handle(&ann.name).unwrap().unwrap(), manifest.to_bytes());
    assert_eq!(directory.manifest_by_account(ann.account()).unwrap().unwrap(), manifest.to_bytes());
    assert_eq!(directory.manifest_by_handle(&"bob".parse().unwrap()).unwrap(), None);
    let receipt = logs.knock(ann.inbox, [3; 16].into(), "sealed".into(), None).await.unwrap();
    assert_eq!(receipt, Receipt { sequence: 1, time_ms: 1_000_000 });
    assert_eq!(logs.read(ann.inbox, ann.seats(1)[0].id, 0, 9, 999).unwrap().entries.len(), 1);
    sign_up(&directory, &ann).await.expect("the same again");
    assert_eq!(store.writes(), 2, "the knock");
}

#[tokio::test]
async fn names_and_inboxes_are_first_come() {
    let (_, logs, directory) = server();
    let ann = Person::new("ann", 1);
    sign_up(&directory, &ann).await.unwrap();
    assert_eq!(sign_up(&directory, &Person::new("ann", 2)).await, Err(DirectoryError::HandleTaken));
    assert!(matches!(sign_up(&directory, &Person::new("eve", 1)).await, Err(DirectoryError::Inbox(_))));
    assert_eq!(directory.manifest_by_handle(&"eve".parse().unwrap()).unwrap(), None, "nothing of it has happened");
    let renamed = Person { name: "anna".parse().unwrap(), ..ann };
    assert_eq!(sign_up(&directory, &renamed).await, Err(DirectoryError::AccountExists));
    let bob = Person::new("bob", 3);
    assert!(matches!(directory.sign_up(&bob.name, bob.manifest(1, &[]), bob.device.id(), vec![]).await, Err(DirectoryError::Inbox(_))));
    assert_eq!(logs.health(), Health::Writing);
}

#[tokio::test]
async fn manifest_and_handle_must_name_each_other_and_this_server() {
    let (_, _, directory) = server();
    let ann = Person::new("ann", 1);
    let device = ann.device.id();
    let elsewhere = ann.manifest_at(1, &[], "lake.example");
    assert_eq!(directory.sign_up(&ann.name, elsewhere.clone(), device, ann.seats(1)).await, Err(DirectoryError::NotHome));
    let other: HandleName = "eve".parse().unwrap();
    assert_eq!(directory.sign_up(&other, ann.manifest(1, &[]), device, ann.seats(1)).await, Err(DirectoryError::NotHome));
    let stranger = DeviceKey::generate().id();
    assert_eq!(directory.sign_up(&ann.name, ann.manifest(1, &[]), stranger, ann.seats(1)).await, Err(DirectoryError::UnknownDevice));
    sign_up(&directory, &ann).await.unwrap();
    assert_eq!(directory.put_manifest(ann.manifest_at(2, &[], "lake.example"), vec![]).await, Err(DirectoryError::NotHome));
    let renamed = Person { name: other, ..ann };
    assert_eq!(directory.put_manifest(renamed.manifest(3, &[]), vec![]).await, Err(DirectoryError::NotHome));
}

#[tokio::test]
async fn a_lower_manifest_is_refused_and_the_same_is_fine() {
    let (_, _, directory) = server();
    let ann = Person::new("ann", 1);
    assert_eq!(directory.put_manifest(ann.manifest(1, &[]), vec![]).await, Err(DirectoryError::UnknownAccount));
    sign_up(&directory, &ann).await.unwrap();
    let second = ann.manifest(5, &[DeviceKey::generate().id()]);
    directory.put_manifest(second.clone(), vec![]).await.unwrap();
    directory.put_manifest(second.clone(), vec![]).await.expect("the same again");
    let lower = Err(DirectoryError::LowerManifest { era: 1, version: 5 });
    assert_eq!(directory.put_manifest(ann.manifest(4, &[]), vec![]).await, lower);
    assert_eq!(directory.put_manifest(ann.manifest(5, &[]), vec![]).await, lower, "other bytes of the same order");
    assert_eq!(directory.manifest_by_handle(&ann.name).unwrap().unwrap(), second.to_bytes());
}

#[tokio::test]
async fn a_new_device_gets_a_seat_at_the_inbox_with_the_manifest() {
    let (_, logs, directory) = server();
    let ann = Person::new("ann", 1);
    sign_up(&directory, &ann).await.unwrap();
    let phone = DeviceKey::generate().id();
    directory.put_manifest(ann.manifest(2, &[phone]), ann.seats(2)).await.unwrap();
    directory.put_manifest(ann.manifest(2, &[phone]), ann.seats(2)).await.expect("the same again");
    logs.knock(ann.inbox, [3; 16].into(), "sealed".into(), None).await.unwrap();
    assert_eq!(logs.read(ann.inbox, ann.seat_key(2).seat_id(), 0, 9, 999).unwrap().entries.len(), 1);
}

#[tokio::test]
async fn one_time_packages_are_handed_out_once_and_then_the_last_resort() {
    let (_, _, directory) = server();
    let ann = Person::new("ann", 1);
    let (account, device) = (ann.account(), ann.device.id());
    let last = Bytes::from_static(b"last");
    let one_time: Vec<Bytes> = vec!["one".into(), "two".into()];
    let put = |last: &Bytes, one_time: &[Bytes]| directory.put_key_packages(account, device, last.clone(), one_time.to_vec());
    assert_eq!(put(&last, &one_time).await, Err(DirectoryError::UnknownAccount));
    sign_up(&directory, &ann).await.unwrap();
    assert_eq!(directory.claim_key_packages(account).await.unwrap(), []);
    let count = KeyPackageCount { last_resort: true, one_time: 2 };
    assert_eq!(put(&last, &one_time).await.unwrap(), count);
    assert_eq!(put(&Bytes::new(), &one_time).await.unwrap(), count, "known already");
    let mut claimed = Vec::new();
    for _ in 0..4 {
        let [ClaimedKeyPackage { device: of, key_package }] = directory.claim_key_packages(account).await.unwrap().try_into().unwrap();
        assert_eq!(of, device);
        claimed.push(key_package);
    }
    claimed[..2].sort();
    assert_eq!(claimed, ["one", "two", "last", "last"]);
    assert_eq!(put(&last, &one_time).await.unwrap(), KeyPackageCount { last_resort: true, one_time: 0 }, "handed out before");
    assert_eq!(directory.key_package_count(account, device).unwrap(), KeyPackageCount { last_resort: true, one_time: 0 });
    let eve = DeviceKey::generate().id();
    assert_eq!(directory.put_key_packages(account, eve, last, vec![]).await, Err(DirectoryError::UnknownDevice));
}

#[tokio::test]
async fn key_packages_are_limited_and_go_with_their_device() {
    let (_, _, directory) = server();
    let ann = Person::new("ann", 1);
    let phone = DeviceKey::generate().id();
    sign_up(&directory, &ann).await.unwrap();
    directory.put_manifest(ann.manifest(2, &[phone]), vec![]).await.unwrap();
    let packages = |from: u32, to: u32| (from..to).map(|n| Bytes::from(n.to_be_bytes().to_vec())).collect::<Vec<_>>();
    let put = |one_time| directory.put_key_packages(ann.account(), phone, Bytes::new(), one_time);
    assert_eq!(put(packages(0, 101)).await, Err(DirectoryError::TooManyKeyPackages { limit: 100 }));
    assert_eq!(put(packages(0, 90)).await.unwrap().one_time, 90);
    assert_eq!(put(packages(80, 101)).await, Err(DirectoryError::TooManyKeyPackages { limit: 100 }));
    assert_eq!(put(packages(80, 100)).await.unwrap().one_time, 100);
    assert!(matches!(put(vec![Bytes::new()]).await, Err(DirectoryError::KeyPackageSize { .. })));
    assert!(matches!(put(vec![vec![0; limits::KEY_PACKAGE + 1].into()]).await, Err(DirectoryError::KeyPackageSize { .. })));
    directory.put_manifest(ann.manifest(3, &[]), vec![]).await.unwrap();
    assert_eq!(directory.key_package_count(ann.account(), phone).unwrap(), KeyPackageCount { last_resort: false, one_time: 0 });
    assert_eq!(directory.claim_key_packages(ann.account()).await.unwrap(), []);
}

#[tokio::test]
async fn a_failed_write_signs_nobody_up() {
    let (store, _, directory) = server();
    let ann = Person::new("ann", 1);
    store.set_disk_full(true);
    assert!(matches!(sign_up(&directory, &ann).await, Err(DirectoryError::Later(refusal)) if refusal.retry_after_ms > 0));
    assert_eq!(directory.manifest_by_handle(&ann.name).unwrap(), None);
}

#[tokio::test]
async fn sign_ups_of_one_group_see_each_other() {
    let store = Arc::new(MemoryStore::default());
    let logs = Logs::open(store, LogSettings::default(), Arc::new(ManualClock::new(1))).unwrap();
    let directory = directory(&logs);
    let people: Vec<_> = (0..20).map(|n| Person::new("ann", n)).collect();
    let answers: Vec<_> =
        people.iter().map(|person| directory.sign_up(&person.name, person.manifest(1, &[]), person.device.id(), person.seats(1))).collect();
    let results = futures::future::join_all(answers).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|result| **result == Err(DirectoryError::HandleTaken)).count(), 19);
}

mod records {
    use prost::Message;

    use super::super::records::*;

    fn table(rows: &[(&str, Vec<u8>)]) -> String {
        rows.iter().map(|(name, bytes)| format!("{name}: {}\n", data_encoding::HEXLOWER.encode(bytes))).collect()
    }

    #[test]
    fn stored_records_stay_as_they_are() {
        let account = AccountRecord {
            manifest: "signed manifest".into(),
            handle: vec![7; 32].into(),
            signed_up_ms: 1_767_571_200_000,
            unverified: false,
            suspended_ms: 0,
        };
        insta::assert_snapshot!(table(&[
            ("account", account.encode_to_vec()),
            ("suspended account", AccountRecord { suspended_ms: 1_767_571_200_001, ..account.clone() }.encode_to_vec()),
            ("handle", HandleRecord { account: vec![8; 32].into() }.encode_to_vec()),
            ("key package", KeyPackageRecord { key_package: "key package".into() }.encode_to_vec()),
            ("claimed", ClaimedRecord { claimed_ms: 1_767_571_200_000 }.encode_to_vec()),
        ]));
    }

    #[test]
    fn stored_keys_stay_as_they_are() {
        let (account, device) = ([1; 32].into(), [2; 32].into());
        insta::assert_snapshot!(table(&[
            ("handle", handle_key(&"ann".parse().unwrap()).to_vec()),
            ("account", account_key(account).to_vec()),
            ("last resort", key_package_key(account, device, KeyPackageKind::LastResort, b"").to_vec()),
            ("one-time", key_package_key(account, device, KeyPackageKind::OneTime, b"k").to_vec()),
            ("claimed", claimed_key(account, device, b"k").to_vec()),
        ]));
    }
}
