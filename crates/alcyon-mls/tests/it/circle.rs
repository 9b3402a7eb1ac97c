//! People in a group, a log, and somebody who follows it from outside.

use alcyon_mls::{
    DoorKeys, Entry, Group, GroupChange, GroupCommit, GroupHandshake, GroupRules, GroupState, How, Invalid, LeaveProof, LetsIn,
    LocalDevice, MlsError, NewDoor, PreparedCommit, Processed, RejoinReason, Replay, Role, Settings, StoredTree, Suite, Verdict, Who,
    adopt_rejoin, prepare_join,
};
use alcyon_wire::{AccountId, ConversationId, Door, DoorId, JoinSecret, LogId, SeatId};

use crate::{
    cast::{Device, Person, is_valid},
    log::{Changes, Log},
    rejoin::replay,
};

pub const LATER: u64 = 1_700_000_000_000 + 1_000_000;

/// A door that somebody has: what its holder knows.
pub struct Invite {
    pub keys: DoorKeys,
}

impl Invite {
    pub fn new(number: u8, log: LogId) -> Self {
        Self { keys: DoorKeys::derive(&[number; 32], log).unwrap() }
    }

    pub fn for_account(&self, account: AccountId, role: Role) -> NewDoor {
        self.opens(LetsIn::Account { account, role }, Some(LATER))
    }

    pub fn link(&self, approval: bool) -> NewDoor {
        self.opens(LetsIn::Link { approval }, None)
    }

    pub fn opens(&self, lets_in: LetsIn, expires_ms: Option<u64>) -> NewDoor {
        NewDoor { id: self.keys.id, key: self.keys.public_key.clone(), lets_in, expires_ms }
    }
}

/// What the header says about the doors that a commit opens.
pub fn wire_doors(changes: &[GroupChange], log: LogId) -> Vec<Door> {
    let opened = changes.iter().filter_map(|change| if let GroupChange::OpenDoor(door) = change { Some(door) } else { None });
    opened
        .map(|door| Door {
            id: door.id,
            secret_hash: DoorKeys::derive(&[0; 32], log).unwrap().secret.hash(log),
            kind: door.lets_in.kind(),
            keep: false,
            invite: false,
        })
        .collect()
}

pub fn open_settings() -> Settings {
    Settings {
        title: "Kingfishers".into(),
        who_invites: Who::Members,
        who_edits: Who::Members,
        who_writes: Who::Members,
        ..Settings::default()
    }
}

/// A group of its founder, who sits on seat 1.
pub fn found(settings: Settings) -> (Device, Log, StoredTree) {
    let mut ann = Person::new().device();
    let log = Log::new(JoinSecret::from([7; 32]));
    let rules = GroupRules::group(ConversationId::from([3; 16]), 0, log.id);
    let created = Group::create_group(&ann.rows, &ann.local(), &rules, seat(1), settings).unwrap();
    ann.group = Some(created.group);
    (ann, log, created.stored)
}

pub fn seat(number: u16) -> SeatId {
    let mut bytes = [0x5e; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    SeatId::from(bytes)
}

impl Device {
    pub fn account(&self) -> AccountId {
        self.chain.account()
    }

    pub fn state(&self) -> &GroupState {
        self.group().state_of_group().unwrap()
    }

    pub fn own_seat(&self) -> SeatId {
        let group = self.group();
        group.members().find(|member| member.leaf == group.own_leaf()).unwrap().seat.unwrap()
    }

    pub fn change(&mut self, log: &Log, commit: GroupCommit) -> Result<PreparedCommit, MlsError> {
        let (seen, at) = (self.seen(log), self.own_seat());
        let local = LocalDevice::new(&self.chain, &self.key).unwrap().with_suite(self.suite);
        self.group.as_mut().unwrap().prepare_change(&self.rows, &local, at, seen, commit)
    }

    /// Prepares and commits it with the header it should have, and reads to the head; the last verdict.
    pub fn commits(&mut self, log: &mut Log, commit: GroupCommit) -> Processed {
        let doors = wire_doors(&commit.changes, log.id);
        let prepared = self.change(log, commit).unwrap();
        self.send_commit(log, &prepared, doors);
        self.catch_up(log).pop().unwrap()
    }

    pub fn send_commit(&mut self, log: &mut Log, prepared: &PreparedCommit, doors: Vec<Door>) {
        let changes =
            Changes { dropped: prepared.seats_dropped.clone(), doors, doors_dropped: prepared.doors_dropped.clone(), ..Changes::none() };
        log.commit_handshake(&prepared.handshake(), changes);
    }

    /// Changes the state alone, without a path.
    pub fn says(&mut self, log: &mut Log, changes: Vec<GroupChange>) -> Processed {
        self.commits(log, GroupCommit { changes, ..GroupCommit::default() })
    }

    pub fn removes(&mut self, log: &mut Log, accounts: &[AccountId]) -> Processed {
        self.commits(log, GroupCommit { remove_accounts: accounts.to_vec(), ..GroupCommit::default() })
    }

    pub fn leave_proof(&self, log: &Log, seats: &[SeatId]) -> LeaveProof {
        LeaveProof::sign(&self.local(), log.id, seats.iter().copied())
    }

    /// Comes in on what `member` confirms; prepared, not sent.
    pub fn prepares_to_join(&self, log: &Log, member: &Device, at: SeatId, how: How) -> Result<alcyon_mls::PreparedRejoin, MlsError> {
        let stored = member.stored_tree();
        let replay = replay(log, &stored, member.read);
        let seen = alcyon_mls::Seen { sequence: log.head(), running_hash: log.running_hash(log.head()) };
        prepare_join(&self.rows, &self.local(), replay.ground(&stored.group_info)?, at, seen, how)
    }

    /// Comes in and reads its own commit.
    pub fn joins(&mut self, log: &mut Log, member: &Device, at: SeatId, how: How) -> Result<Verdict, MlsError> {
        let prepared = self.prepares_to_join(log, member, at, how)?;
        let by_door = if let How::Door(door) = how { Some(door) } else { None };
        let had = self.group.is_some() && self.own_seat() == at;
        let added = if had { vec![] } else { vec![at] };
        log.commit(&prepared.message, Changes { added, by_door, ..Changes::none() }).unwrap();
        let (header, message, payload_hash) = log.entry(log.head());
        let (group, verdict) = adopt_rejoin(&self.rows, &prepared.group, &message, &Entry { header: &header, payload_hash }).unwrap();
        if let Some(group) = group {
            self.group = Some(group);
            self.read = log.head();
        }
        Ok(verdict)
    }

    pub fn comes_by(&mut self, log: &mut Log, member: &Device, at: SeatId, door: DoorId) {
        let verdict = self.joins(log, member, at, How::Door(door)).unwrap();
        assert!(matches!(verdict, Verdict::Valid(_)), "{verdict:?}");
    }

    pub fn again(&mut self, log: &mut Log, member: &Device, reason: RejoinReason) -> Verdict {
        let at = self.own_seat();
        self.joins(log, member, at, How::Again(reason)).unwrap()
    }
}

/// Ann (admin, seat 1) and others who came by account doors as members, on seats 2, 3, ...
pub fn circle(settings: Settings, others: usize) -> (Vec<Device>, Log) {
    let (ann, mut log, _) = found(settings);
    let mut all = vec![ann];
    for number in 0..others {
        let number = u8::try_from(number).unwrap();
        let mut new = Person::new().device();
        let invite = Invite::new(100 + number, log.id);
        let door = invite.for_account(new.account(), Role::Member);
        assert!(is_valid(&all[0].says(&mut log, vec![GroupChange::OpenDoor(door)])));
        new.comes_by(&mut log, &all[0], seat(2 + u16::from(number)), invite.keys.id);
        everybody_reads(&mut all, &log);
        all.push(new);
    }
    agree(&all);
    (all, log)
}

/// All read to the head; what each made of the last entry.
pub fn everybody_reads(all: &mut [Device], log: &Log) -> Vec<Option<Processed>> {
    all.iter_mut().map(|device| device.catch_up(log).pop()).collect()
}

/// Same epoch, same state, same secrets.
pub fn agree(all: &[Device]) {
    let first = &all[0];
    for other in &all[1..] {
        assert_eq!(other.epoch(), first.epoch());
        assert_eq!(other.state(), first.state());
        assert_eq!(other.group().export("test", b"").unwrap(), first.group().export("test", b"").unwrap());
        assert_eq!(other.group().last_valid(), first.group().last_valid());
    }
}

pub fn follower(stored: &StoredTree) -> Replay {
    Replay::from_tree(Suite::PRODUCT, stored).unwrap()
}

#[track_caller]
pub fn all_invalid(read: Vec<Option<Processed>>, reason: Invalid) {
    for one in read {
        assert_eq!(one, Some(Processed::Commit(Verdict::Invalid(reason))));
    }
}

/// The handshake in an entry.
pub fn join_secrets(handshake: GroupHandshake) -> Vec<alcyon_mls::SealedJoinSecret> {
    match handshake {
        GroupHandshake::Commit { message: _, join_secrets } => join_secrets,
        GroupHandshake::Leave(_) => panic!("a leave"),
    }
}
