//! The people of the tests.

use alcyon_identity::{Chain, DeviceKey, Era, EraKey, RecoveryWords, Root};
use alcyon_mls::{
    Group, GroupId, GroupRules, KeyPackageUse, LocalDevice, MemoryRows, MlsError, PreparedCommit, Processed, Seen, Suite, Verdict,
    judge_key_package, key_package,
};
use alcyon_wire::{ConversationId, JoinSecret, RunningHash, SeatId};

use crate::log::{Changes, Log};

pub struct Person {
    root: Root,
    pub era: Era,
}

impl Person {
    pub fn new() -> Self {
        let root = RecoveryWords::generate().root();
        let key = EraKey::generate();
        let era = Era::new(root.sign_era(1, &key), key).unwrap();
        Self { root, era }
    }

    /// Shuts out every device of the era before.
    pub fn new_era(&mut self) {
        let key = EraKey::generate();
        let number = self.era.certificate().number() + 1;
        self.era = Era::new(self.root.sign_era(number, &key), key).unwrap();
    }

    pub fn device(&self) -> Device {
        let key = DeviceKey::generate();
        Device { chain: self.era.certify(key.id()).unwrap(), key, rows: MemoryRows::new(), group: None, read: 0, suite: Suite::PRODUCT }
    }
}

/// A device and its database.
pub struct Device {
    pub chain: Chain,
    pub key: DeviceKey,
    pub rows: MemoryRows,
    pub group: Option<Group>,
    /// Sequence of the last entry it processed.
    pub read: u64,
    pub suite: Suite,
}

pub fn seat(number: u8) -> SeatId {
    SeatId::from([number; 32])
}

impl Device {
    pub fn local(&self) -> LocalDevice<'_> {
        LocalDevice::new(&self.chain, &self.key).unwrap().with_suite(self.suite)
    }

    pub fn package(&self, usage: KeyPackageUse) -> alcyon_mls::JudgedKeyPackage {
        let package = key_package(&self.rows, &self.local(), usage).unwrap();
        judge_key_package(self.suite, &package.bytes).unwrap()
    }

    pub fn group(&self) -> &Group {
        self.group.as_ref().unwrap()
    }

    pub fn id(&self) -> GroupId {
        self.group().id()
    }

    pub fn epoch(&self) -> u64 {
        self.group().epoch()
    }

    /// What it has processed of the log.
    pub fn seen(&self, log: &Log) -> Seen {
        Seen { sequence: self.read, running_hash: log.running_hash(self.read) }
    }

    /// Reads one entry, the next, in a transaction of its own.
    pub fn read_one(&mut self, log: &Log) -> Result<Processed, MlsError> {
        let (header, message, payload_hash) = log.entry(self.read + 1);
        let before = self.rows.clone();
        let entry = alcyon_mls::Entry { header: &header, payload_hash };
        match self.group.as_mut().unwrap().process(&self.rows, &message, &entry) {
            Ok(processed) => {
                self.read += 1;
                Ok(processed)
            }
            Err(error) => {
                self.rows = before;
                self.reload();
                Err(error)
            }
        }
    }

    /// Reads to the head.
    pub fn catch_up(&mut self, log: &Log) -> Vec<Processed> {
        (self.read..log.head()).map(|_| self.read_one(log).unwrap()).collect()
    }

    /// What a restart does.
    pub fn reload(&mut self) {
        let id = self.id();
        self.group = Group::load(&self.rows, &id).unwrap();
    }

    pub fn update(&mut self, log: &Log, to: SeatId) -> Result<PreparedCommit, MlsError> {
        let seen = self.seen(log);
        let local = LocalDevice::new(&self.chain, &self.key).unwrap().with_suite(self.suite);
        self.group.as_mut().unwrap().prepare_update(&self.rows, &local, to, seen)
    }

    pub fn encrypt(&mut self, text: &str) -> Vec<u8> {
        let local = LocalDevice::new(&self.chain, &self.key).unwrap().with_suite(self.suite);
        self.group.as_mut().unwrap().encrypt(&self.rows, &local, &alcyon_mls::pad(text.as_bytes())).unwrap()
    }

    pub fn send(&mut self, log: &mut Log, text: &str) {
        let message = self.encrypt(text);
        log.append(&message);
    }

    /// Prepares and commits an update that stays on its seat, and reads to the head.
    pub fn renew(&mut self, log: &mut Log, at: SeatId) {
        let commit = self.update(log, at).unwrap();
        log.commit(&commit.message, Changes::none()).unwrap();
        let read = self.catch_up(log);
        assert!(is_valid(read.last().unwrap()), "{read:?}");
    }
}

pub fn is_valid(processed: &Processed) -> bool {
    matches!(processed, Processed::Commit(Verdict::Valid(_)))
}

pub fn text(processed: &Processed) -> String {
    match processed {
        Processed::Application { plaintext, .. } => String::from_utf8(alcyon_mls::unpad(plaintext).unwrap().to_vec()).unwrap(),
        other => panic!("no message: {other:?}"),
    }
}

pub fn seen_nothing(log: &Log) -> Seen {
    Seen { sequence: 0, running_hash: RunningHash::start(log.id) }
}

/// Two people who talk: Ann on seat 1 began, Bob joined and has accepted onto seat 2.
pub fn pair() -> (Device, Device, Log) {
    pair_in(Suite::PRODUCT)
}

pub fn pair_in(suite: Suite) -> (Device, Device, Log) {
    let (mut ann, mut bob, mut log) = request(suite);
    let accept = bob.update(&log, seat(2)).unwrap();
    log.commit(&accept.message, Changes { added: vec![seat(2)], dropped: vec![seat(9)], ..Changes::none() }).unwrap();
    assert!(is_valid(&bob.catch_up(&log)[0]));
    assert!(is_valid(&ann.catch_up(&log)[0]));
    (ann, bob, log)
}

/// Ann has begun, Bob has joined by the Welcome and not accepted; his offered seat is 9.
pub fn request(suite: Suite) -> (Device, Device, Log) {
    let (mut ann, mut bob) = (Person::new().device(), Person::new().device());
    ann.suite = suite;
    bob.suite = suite;
    let log = Log::new(JoinSecret::from([7; 32]));
    let rules = GroupRules::pair(ConversationId::from([3; 16]), 0, log.id);
    let package = bob.package(KeyPackageUse::OneTime);
    let created = Group::create(&ann.rows, &ann.local(), &rules, seat(1), &[package]).unwrap();
    ann.group = Some(created.group);
    bob.group = Some(Group::join(&bob.rows, &bob.local(), &created.welcome.unwrap(), &created.stored.tree).unwrap());
    (ann, bob, log)
}
