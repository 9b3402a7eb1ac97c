//! Random histories of members and a follower over a log, honest and not.

use std::collections::BTreeSet;

use alcyon_mls::{Entry, GroupChange, GroupCommit, How, Lost, MlsError, Permission, Processed, RejoinReason, Replay, Role, Verdict, Who};
use alcyon_wire::{Door, DoorKind, DoorSecretHash, SeatId};
use proptest::prelude::*;

use crate::{
    cast::{Device, Person},
    circle::{Invite, agree, follower, found, open_settings, seat, wire_doors},
    group_rules::door_id,
    log::{Changes, Log},
};

/// What somebody does next. Numbers choose among those who are there.
#[derive(Debug, Clone)]
enum Act {
    Change(u8, Vec<u8>),
    Invite {
        by: u8,
        admin: bool,
    },
    Link {
        by: u8,
    },
    Come {
        door: u8,
    },
    Sibling {
        of: u8,
    },
    Remove {
        by: u8,
        whom: u8,
    },
    Leave {
        who: u8,
        cleared_by: u8,
    },
    Renew {
        by: u8,
    },
    Rejoin {
        who: u8,
    },
    Race {
        a: u8,
        b: u8,
    },
    /// A commit whose header was tampered with.
    Spoilt {
        by: u8,
        how: u8,
    },
    /// A commit with a flipped byte.
    Damaged {
        by: u8,
        at: u16,
    },
}

fn any_act() -> impl Strategy<Value = Act> {
    let n = any::<u8>;
    prop_oneof![
        3 => (n(), proptest::collection::vec(n(), 1..3)).prop_map(|(by, what)| Act::Change(by, what)),
        3 => (n(), any::<bool>()).prop_map(|(by, admin)| Act::Invite { by, admin }),
        1 => n().prop_map(|by| Act::Link { by }),
        4 => n().prop_map(|door| Act::Come { door }),
        1 => n().prop_map(|of| Act::Sibling { of }),
        2 => (n(), n()).prop_map(|(by, whom)| Act::Remove { by, whom }),
        1 => (n(), n()).prop_map(|(who, cleared_by)| Act::Leave { who, cleared_by }),
        2 => n().prop_map(|by| Act::Renew { by }),
        1 => n().prop_map(|who| Act::Rejoin { who }),
        1 => (n(), n()).prop_map(|(a, b)| Act::Race { a, b }),
        2 => (n(), n()).prop_map(|(by, how)| Act::Spoilt { by, how }),
        1 => (n(), any::<u16>()).prop_map(|(by, at)| Act::Damaged { by, at }),
    ]
}

struct Scene {
    all: Vec<Device>,
    people: Vec<Person>,
    log: Log,
    doors: Vec<(Invite, Option<Device>)>,
    outside: Replay,
    followed: u64,
    seats: u16,
    valid: usize,
    tried: usize,
}

impl Scene {
    fn new() -> Self {
        let (ann, log, stored) = found(open_settings());
        Self { all: vec![ann], people: vec![], log, doors: vec![], outside: follower(&stored), followed: 0, seats: 1, valid: 0, tried: 0 }
    }

    fn pick(&self, number: u8) -> usize {
        usize::from(number) % self.all.len()
    }

    fn new_seat(&mut self) -> SeatId {
        self.seats += 1;
        seat(self.seats)
    }

    fn sends(&mut self, by: usize, commit: GroupCommit) {
        let doors = wire_doors(&commit.changes, self.log.id);
        match self.all[by].change(&self.log, commit) {
            Ok(prepared) => self.all[by].send_commit(&mut self.log, &prepared, doors),
            Err(MlsError::WouldBeInvalid(_)) => self.all[by].reload(),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn comes(&mut self, mut device: Device, how: How) {
        let at = self.new_seat();
        match device.joins(&mut self.log, &self.all[0], at, how) {
            Ok(Verdict::Valid(_)) => self.all.push(device),
            Ok(Verdict::Invalid(_)) | Err(MlsError::NotBacked | MlsError::WouldBeInvalid(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Change(by, what) => {
                let by = self.pick(by);
                let changes = what.into_iter().map(|number| self.some_change(number)).collect();
                self.sends(by, GroupCommit { changes, ..GroupCommit::default() });
            }
            Act::Invite { by, admin } => {
                let invite = Invite::new(u8::try_from(self.doors.len()).unwrap(), self.log.id);
                let person = Person::new();
                let device = person.device();
                let role = if admin { Role::Admin } else { Role::Member };
                let changes = vec![GroupChange::OpenDoor(invite.for_account(device.account(), role))];
                self.sends(self.pick(by), GroupCommit { changes, ..GroupCommit::default() });
                self.doors.push((invite, Some(device)));
                self.people.push(person);
            }
            Act::Link { by } => {
                let invite = Invite::new(u8::try_from(self.doors.len()).unwrap(), self.log.id);
                let changes = vec![GroupChange::OpenDoor(invite.link(false))];
                self.sends(self.pick(by), GroupCommit { changes, ..GroupCommit::default() });
                self.doors.push((invite, None));
            }
            Act::Come { door: _ } if self.doors.is_empty() => {}
            Act::Come { door } => {
                let at = usize::from(door) % self.doors.len();
                let (invite, device) = &mut self.doors[at];
                let (how, device) = (How::Door(invite.keys.id), device.take());
                self.comes(device.unwrap_or_else(|| Person::new().device()), how);
            }
            Act::Sibling { of } => {
                let account = self.all[self.pick(of)].account();
                let person = self.people.iter().find(|person| person.device().account() == account);
                if let Some(device) = person.map(Person::device) {
                    self.comes(device, How::Sibling);
                }
            }
            Act::Remove { by, whom } => {
                let whom = self.all[self.pick(whom)].account();
                self.sends(self.pick(by), GroupCommit { remove_accounts: vec![whom], ..GroupCommit::default() });
            }
            Act::Leave { who, cleared_by } => {
                let who = self.pick(who);
                let account = self.all[who].account();
                let seats: Vec<_> = self.all[0]
                    .group()
                    .members()
                    .filter(|member| member.chain.account() == account)
                    .filter_map(|member| member.seat)
                    .collect();
                let proof = self.all[who].leave_proof(&self.log, &seats);
                self.sends(self.pick(cleared_by), GroupCommit { leaves: vec![proof], ..GroupCommit::default() });
            }
            Act::Renew { by } => self.sends(self.pick(by), GroupCommit { own_update: true, ..GroupCommit::default() }),
            Act::Rejoin { who } if self.all.len() > 1 => {
                let mut device = self.all.remove(1 + usize::from(who) % (self.all.len() - 1));
                let at = device.own_seat();
                let verdict = device.joins(&mut self.log, &self.all[0], at, How::Again(RejoinReason::LostState));
                assert!(matches!(verdict, Ok(Verdict::Valid(_))), "{verdict:?}");
                self.all.push(device);
            }
            Act::Rejoin { who: _ } => {}
            Act::Race { a, b } => {
                let (a, b) = (self.pick(a), self.pick(b));
                for by in BTreeSet::from([a, b]) {
                    if let Ok(prepared) = self.all[by].change(&self.log, GroupCommit { own_update: true, ..GroupCommit::default() }) {
                        self.all[by].send_commit(&mut self.log, &prepared, vec![]);
                    }
                }
            }
            Act::Spoilt { by, how } => {
                let by = self.pick(by);
                let Ok(prepared) = self.all[by].change(&self.log, GroupCommit { own_update: true, ..GroupCommit::default() }) else {
                    return;
                };
                let door =
                    Door { id: door_id(how), secret_hash: DoorSecretHash::from([0; 32]), kind: DoorKind::Link, keep: false, invite: false };
                let new = self.new_seat();
                let changes = match how % 4 {
                    0 => Changes { doors: vec![door], ..Changes::none() },
                    1 => Changes { added: vec![new], ..Changes::none() },
                    2 => Changes { dropped: vec![self.all[by].own_seat()], ..Changes::none() },
                    _ => Changes { by_door: Some(door_id(how)), ..Changes::none() },
                };
                self.log.commit_handshake(&prepared.handshake(), changes);
            }
            Act::Damaged { by, at } => {
                let by = self.pick(by);
                let Ok(mut prepared) = self.all[by].change(&self.log, GroupCommit { own_update: true, ..GroupCommit::default() }) else {
                    return;
                };
                // Not the tags at the end: those a follower can't check.
                let reach = prepared.message.len() - 150;
                prepared.message[usize::from(at) % reach] ^= 1;
                self.all[by].send_commit(&mut self.log, &prepared, vec![]);
            }
        }
    }

    fn some_change(&self, number: u8) -> GroupChange {
        let account = self.all[self.pick(number / 8)].account();
        match number % 8 {
            0 => GroupChange::SetRole { account, role: Role::Admin },
            1 => GroupChange::SetRole { account, role: Role::Member },
            2 => GroupChange::SetTitle(format!("title {number}")),
            3 => GroupChange::SetTimer(number.into()),
            4 => GroupChange::SetPermission { permission: Permission::Invite, who: if number > 128 { Who::Admins } else { Who::Members } },
            5 => GroupChange::SetPermission { permission: Permission::Edit, who: if number > 128 { Who::Admins } else { Who::Members } },
            6 if !self.doors.is_empty() => GroupChange::CloseDoor(self.doors[usize::from(number) % self.doors.len()].0.keys.id),
            _ => GroupChange::SetDescription("calm".into()),
        }
    }

    /// Everybody reads; verdicts and states are the same.
    fn settle(&mut self) {
        let start = self.all[0].read;
        let before = self.followed;
        let mut verdicts: Vec<Vec<(u64, bool)>> = vec![];
        for device in &mut self.all {
            let mut own = vec![];
            for read in device.read..self.log.head() {
                let verdict = match device.read_one(&self.log).unwrap() {
                    Processed::Commit(Verdict::Valid(summary)) => {
                        own.push((read + 1, true));
                        if summary.evicted {
                            break;
                        }
                        continue;
                    }
                    Processed::Commit(Verdict::Invalid(_)) => false,
                    other => panic!("{other:?}"),
                };
                own.push((read + 1, verdict));
            }
            verdicts.push(own);
        }
        self.all.retain(|device| device.group().is_member());
        // A damaged copy leaves the true commit pending; here it is given up.
        for device in self.all.iter_mut().filter(|device| device.group().pending()) {
            let lost = Lost::refused(alcyon_wire::Verdict::Never).unwrap();
            device.group.as_mut().unwrap().discard_own(&device.rows, lost).unwrap();
        }
        // Who came in while it was read has seen the rest only; what two have judged they judge alike.
        for one in &verdicts {
            for (sequence, verdict) in one {
                for other in verdicts.iter().flatten().filter(|(at, _)| at == sequence) {
                    assert_eq!(*verdict, other.1, "entry {sequence}");
                }
            }
        }
        let longest: Vec<_> = verdicts.into_iter().max_by_key(Vec::len).unwrap_or_default();
        self.tried += longest.len();
        self.valid += longest.iter().filter(|(_, valid)| *valid).count();
        for sequence in before + 1..=self.log.head() {
            let (header, message, payload_hash) = self.log.entry(sequence);
            let _ = self.outside.advance(&message, &Entry { header: &header, payload_hash }).unwrap();
        }
        self.followed = self.log.head();
        assert!(start <= self.followed);
        agree(&self.all);
        if let Some(first) = self.all.first() {
            // A member confirms what the follower has, byte for byte; a lost race may be the follower's newest branch.
            let info = first.stored_tree().group_info;
            assert!(self.outside.ground(&info).unwrap().commits_after() <= 1);
            if self.outside.last_valid() == first.group().last_valid() {
                assert_eq!(self.outside.state_of_group().unwrap().unwrap().encode(), first.state().encode());
            }
            let state = first.state();
            assert!(state.accounts.values().any(|account| account.role == Role::Admin));
            let members: BTreeSet<_> = first.group().members().map(|member| member.chain.account()).collect();
            assert!(members.iter().eq(state.accounts.keys()));
        }
    }

    fn play(acts: Vec<Act>) -> Self {
        let mut scene = Self::new();
        for act in acts {
            scene.act(act);
            scene.settle();
        }
        scene
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn members_and_a_follower_agree_whatever_is_done(acts in proptest::collection::vec(any_act(), 10..40)) {
        let _ = Scene::play(acts);
    }
}

#[test]
fn histories_have_something_in_them() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let acts = proptest::collection::vec(any_act(), 60..61).new_tree(&mut runner).unwrap().current();
    let scene = Scene::play(acts);
    assert!(scene.valid > 15 && scene.tried > scene.valid, "{} of {}", scene.valid, scene.tried);
}
