//! Random bytes and random histories, of the rules of groups alone.

use std::collections::BTreeSet;

use alcyon_mls::{
    CommitData, GroupChange, GroupState, LeafIndex, LetsIn, NewDoor, OpenDoor, Permission, RejoinReason, Role, Who,
    validity::{Author, Commit, Leaf, Proposal, State, check_state, judge, outcome},
};
use alcyon_wire::{Door, DoorSecretHash, DropHash, HeaderFacts, Seat};
use proptest::prelude::*;

use crate::group_rules::{NOW, account, account_door, data, door_id, group, header, leaf, link, usual};

// ---- Readers ---------------------------------------------------------------------------------

fn any_role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Member), Just(Role::Admin)]
}

fn any_who() -> impl Strategy<Value = Who> {
    prop_oneof![Just(Who::Members), Just(Who::Admins)]
}

fn any_door() -> impl Strategy<Value = NewDoor> {
    (1u8..6, 1u8..7, any_role(), any::<bool>(), 0u8..4).prop_map(|(number, whom, role, approval, kind)| match kind {
        0 => link(number, approval),
        1 => NewDoor { expires_ms: Some(NOW - 1), ..link(number, approval) },
        2 => account_door(number, whom, role, NOW - 1),
        _ => account_door(number, whom, role, NOW + 5),
    })
}

fn any_change() -> impl Strategy<Value = GroupChange> {
    let permission = prop_oneof![Just(Permission::Invite), Just(Permission::Edit), Just(Permission::Write)];
    prop_oneof![
        2 => (1u8..7, any_role()).prop_map(|(number, role)| GroupChange::SetRole { account: account(number), role }),
        3 => any_door().prop_map(GroupChange::OpenDoor),
        2 => (1u8..6).prop_map(|number| GroupChange::CloseDoor(door_id(number))),
        1 => "[a-z]{0,140}".prop_map(GroupChange::SetTitle),
        1 => "[a-z]{0,9}".prop_map(GroupChange::SetDescription),
        1 => proptest::collection::vec(any::<u8>(), 0..9).prop_map(GroupChange::SetPicture),
        1 => any::<u32>().prop_map(GroupChange::SetTimer),
        2 => (permission, any_who()).prop_map(|(permission, who)| GroupChange::SetPermission { permission, who }),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_of_groups_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = GroupState::decode(&bytes);
        let _ = GroupChange::decode_delta(&bytes);
        let _ = alcyon_mls::LeaveProof::decode(&bytes);
        let mut data = data().encode();
        data.extend(&bytes);
        let _ = CommitData::decode(&data);
    }

    #[test]
    fn damaged_states_are_refused_or_have_the_same_form(at in any::<prop::sample::Index>(), with in any::<u8>(), door in any_door()) {
        let mut state = group(&[1], &[2, 3]);
        state.removed.insert(account(9), 7);
        state.doors.insert(door.id, OpenDoor { door, opened_by: account(1), opened_at: 3 });
        let mut bytes = state.encode();
        prop_assert_eq!(GroupState::decode(&bytes).unwrap(), state);
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(read) = GroupState::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn deltas_come_back(changes in proptest::collection::vec(any_change(), 0..6)) {
        prop_assert_eq!(GroupChange::decode_delta(&GroupChange::encode_delta(&changes)).unwrap(), changes);
    }
}

// ---- The rules alone -------------------------------------------------------------------------

fn any_leaf() -> impl Strategy<Value = Leaf> {
    (1u8..7, 0u8..3, 1u32..3, 1u8..20).prop_map(|(account, device, era, seat)| leaf(account, account * 10 + device, era, seat))
}

#[derive(Debug, Clone)]
struct Attempt {
    author: Option<u32>,
    path: Option<Leaf>,
    removes: Vec<u32>,
    changes: Vec<GroupChange>,
    door: Option<u8>,
    /// Fill in what the state knows, so that much is valid.
    helped: bool,
    whole_accounts: bool,
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    (
        proptest::option::weighted(0.65, 0u32..7),
        proptest::option::weighted(0.8, any_leaf()),
        prop_oneof![3 => Just(vec![]), 2 => proptest::collection::vec(0u32..7, 1..3)],
        prop_oneof![1 => Just(vec![]), 2 => proptest::collection::vec(any_change(), 1..3)],
        proptest::option::weighted(0.5, 1u8..6),
        proptest::bool::weighted(0.8),
        proptest::bool::weighted(0.8),
    )
        .prop_map(|(author, path, removes, changes, door, helped, whole_accounts)| Attempt {
            author,
            path,
            removes,
            changes,
            door,
            helped,
            whole_accounts,
        })
}

impl Attempt {
    fn fit(self, state: &State) -> (Commit, HeaderFacts) {
        let Self { author, mut path, mut removes, mut changes, door, helped, whole_accounts } = self;
        let mut facts = header();
        let mut data = data();
        if whole_accounts {
            let accounts: BTreeSet<_> =
                removes.iter().filter_map(|index| state.leaves.get(&LeafIndex(*index))).map(|leaf| leaf.account).collect();
            removes = state.leaves.iter().filter(|(_, leaf)| accounts.contains(&leaf.account)).map(|(index, _)| index.0).collect();
        }
        let author = match author {
            Some(index) => {
                if helped {
                    path = (!removes.is_empty() || changes.is_empty()).then(|| state.leaves.get(&LeafIndex(index)).cloned()).flatten();
                }
                Author::Member(LeafIndex(index))
            }
            None => {
                data.door = door.map(door_id);
                facts.door = data.door;
                if helped {
                    changes = vec![];
                    let old = path.as_ref().and_then(|path| state.leaves.iter().find(|(_, leaf)| leaf.device == path.device));
                    removes = old.iter().map(|(index, _)| index.0).collect();
                    data.rejoin = old.map(|_| RejoinReason::LostState);
                    if let (Some((_, old)), Some(path)) = (old, &mut path) {
                        path.seat = old.seat;
                    } else if let Some(seat) = path.as_ref().and_then(|path| path.seat) {
                        facts.changes.seats_added = vec![Seat { id: seat, drop_hash: DropHash::from([0; 32]), keep: false, invite: false }];
                    }
                }
                Author::Joiner
            }
        };
        let mut proposals: Vec<_> = removes.into_iter().map(|index| Proposal::Remove(LeafIndex(index))).collect();
        if author == Author::Joiner {
            proposals.push(Proposal::ExternalInit);
        }
        for change in &changes {
            match change {
                GroupChange::OpenDoor(door) => facts.changes.doors_added.push(Door {
                    id: door.id,
                    secret_hash: DoorSecretHash::from([0; 32]),
                    kind: door.lets_in.kind(),
                    keep: false,
                    invite: false,
                }),
                GroupChange::CloseDoor(id) => facts.changes.doors_dropped.push(*id),
                _ => {}
            }
        }
        let mut commit = Commit { author, proposals, path, data };
        let with_delta = Commit { proposals: [&commit.proposals[..], &[Proposal::Change(changes.clone())]].concat(), ..commit.clone() };
        if !changes.is_empty() || helped && outcome(state, &with_delta).is_some() {
            commit = with_delta;
        }
        (commit, facts)
    }
}

/// Doors stand open: links, for strangers, for one who is in already, for one who was removed.
fn any_start() -> impl Strategy<Value = State> {
    (any_who(), any_who(), 10u64..60).prop_map(|(who_invites, who_edits, removed)| {
        let mut state = usual();
        let group = state.group.as_mut().unwrap();
        group.settings.who_invites = who_invites;
        group.settings.who_edits = who_edits;
        group.removed.insert(account(6), removed);
        let doors = [
            link(1, false),
            account_door(2, 4, Role::Member, NOW + 5),
            account_door(3, 5, Role::Admin, NOW + 5),
            account_door(4, 2, Role::Admin, NOW + 5),
            account_door(5, 6, Role::Member, NOW + 5),
        ];
        for door in doors {
            group.doors.insert(door.id, OpenDoor { door, opened_by: account(2), opened_at: 30 });
        }
        state
    })
}

/// What an account may do, as far as only an admin gives it.
fn rights(group: &GroupState, of: alcyon_wire::AccountId) -> [bool; 4] {
    let may = |permission| group.may(of, permission);
    [group.is_admin(of), may(Permission::Invite), may(Permission::Edit), may(Permission::Write)]
}

fn no_right_from_nowhere(before: &State, after: &State, commit: &Commit) -> Result<(), TestCaseError> {
    let (old, new) = (before.group.as_ref().unwrap(), after.group.as_ref().unwrap());
    let author = match commit.author {
        Author::Member(index) => before.leaves[&index].account,
        Author::Joiner => commit.path.as_ref().unwrap().account,
    };
    if old.is_admin(author) {
        return Ok(());
    }
    let no_admin_left = !after.leaves.values().any(|leaf| old.is_admin(leaf.account));
    for id in new.accounts.keys() {
        let (was, is) = (rights(old, *id), rights(new, *id));
        let by_door = commit.data.door.and_then(|door| old.doors.get(&door));
        let as_admin = by_door
            .is_some_and(|open| matches!(open.door.lets_in, LetsIn::Account { account, role } if account == *id && role == Role::Admin));
        prop_assert!(!is[0] || was[0] || no_admin_left || as_admin, "an admin whom none has made");
        if old.accounts.contains_key(id) && !is[0] {
            for (was, is) in was.into_iter().zip(is) {
                prop_assert!(was || !is, "a right that no admin gave");
            }
        }
    }
    // Others' leaves stay; settings change by those who may; doors for admins are opened by admins.
    for (index, leaf) in &before.leaves {
        prop_assert!(after.leaves.contains_key(index) || leaf.account == author, "a member put out by a member");
    }
    if old.settings.who_edits == Who::Admins {
        prop_assert_eq!(&old.settings, &new.settings);
    }
    for (id, open) in &new.doors {
        let admins = matches!(open.door.lets_in, LetsIn::Account { account: _, role: Role::Admin });
        prop_assert!(old.doors.contains_key(id) || !admins && old.may(author, Permission::Invite));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn nobody_gains_a_right_that_no_admin_gave(start in any_start(), attempts in proptest::collection::vec(any_attempt(), 1..25)) {
        let mut state = start;
        for attempt in attempts {
            let (commit, header) = attempt.fit(&state);
            let verdict = judge(&state, &commit, &header);
            prop_assert_eq!(&verdict, &judge(&state.clone(), &commit.clone(), &header.clone()));
            let Ok(next) = verdict else { continue };
            prop_assert_eq!(check_state(&next), Ok(()));
            no_right_from_nowhere(&state, &next, &commit)?;
            let seats: Vec<_> = next.leaves.values().filter_map(|leaf| leaf.seat).collect();
            prop_assert_eq!(seats.len(), seats.iter().collect::<BTreeSet<_>>().len(), "two leaves on a seat");
            let new = next.group.as_ref().unwrap();
            prop_assert_eq!(&GroupState::decode(&new.encode()).unwrap(), new);
            prop_assert!(new.accounts.values().any(|account| account.role == Role::Admin), "no admin");
            state = next;
        }
    }
}

/// The property above is worth something only if commits of every kind often get through.
#[test]
fn the_generator_finds_valid_commits() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut changes, mut removals, mut joiners, mut new) = (0, 0, 0, 0);
    for _ in 0..150 {
        let mut at = any_start().new_tree(&mut runner).unwrap().current();
        for _ in 0..25 {
            let (commit, header) = any_attempt().new_tree(&mut runner).unwrap().current().fit(&at);
            let Ok(next) = judge(&at, &commit, &header) else { continue };
            match commit.author {
                Author::Joiner if at.group.as_ref().unwrap().accounts.len() < next.group.as_ref().unwrap().accounts.len() => new += 1,
                Author::Joiner => joiners += 1,
                Author::Member(_) if commit.path.is_none() => changes += 1,
                Author::Member(_) => removals += 1,
            }
            at = next;
        }
    }
    assert!(changes > 50 && removals > 50 && joiners > 20 && new > 5, "{changes} {removals} {joiners} {new}");
}
