//! The rules, without cryptography.

use std::collections::{BTreeMap, BTreeSet};

use alcyon_mls::{
    CommitData, GroupRules, Invalid, LastValid, LeafIndex, RejoinReason, Seen,
    validity::{Author, Commit, Leaf, Proposal, State, check_state, foresee, judge},
};
use alcyon_wire::{
    AccountId, ConversationId, DeviceId, Door, DoorId, DoorKind, DoorSecretHash, DropHash, EntryId, EntryKind, HeaderFacts, LogId,
    RunningHash, Seat, SeatChanges, SeatId, payload_hash,
};
use proptest::prelude::*;

fn leaf(account: u8, device: u8, era: u32, seat: Option<u8>) -> Leaf {
    Leaf {
        account: AccountId::from([account; 32]),
        device: DeviceId::from([device; 32]),
        era,
        seat: seat.map(|seat| SeatId::from([seat; 32])),
    }
}

fn state(leaves: impl IntoIterator<Item = (u32, Leaf)>) -> State {
    State {
        rules: GroupRules::pair(ConversationId::from([1; 16]), 0, LogId::from([1; 16])),
        leaves: leaves.into_iter().map(|(index, leaf)| (LeafIndex(index), leaf)).collect(),
        last_valid: None,
        group: None,
    }
}

/// Account 1 with devices 11 (seat 1) and 12 (came by the Welcome), account 2 with device 21 (seat 2).
fn usual() -> State {
    state([(0, leaf(1, 11, 1, Some(1))), (1, leaf(1, 12, 1, None)), (2, leaf(2, 21, 2, Some(2)))])
}

fn data(rejoin: Option<RejoinReason>) -> CommitData {
    let seen = Seen { sequence: 0, running_hash: RunningHash::start(LogId::from([1; 16])) };
    CommitData { rules: 1, seen, last_valid: None, rejoin, door: None, leaves: Vec::new() }
}

fn update(index: u32, path: Leaf) -> Commit {
    Commit { author: Author::Member(LeafIndex(index)), proposals: vec![], path: Some(path), data: data(None) }
}

fn join(path: Leaf, replaces: Option<u32>) -> Commit {
    let mut proposals: Vec<_> = replaces.map(|index| Proposal::Remove(LeafIndex(index))).into_iter().collect();
    proposals.push(Proposal::ExternalInit);
    Commit { author: Author::Joiner, proposals, path: Some(path), data: data(replaces.map(|_| RejoinReason::LostState)) }
}

fn header(added: &[u8], dropped: &[u8]) -> HeaderFacts {
    let seat = |id: &u8| Seat { id: SeatId::from([*id; 32]), drop_hash: DropHash::from([0; 32]), keep: false, invite: false };
    HeaderFacts {
        sequence: 1,
        kind: EntryKind::Commit,
        entry_id: EntryId::from([0; 16]),
        time_ms: 0,
        commit_count: 0,
        changes: SeatChanges {
            seats_added: added.iter().map(seat).collect(),
            seats_dropped: dropped.iter().map(|id| SeatId::from([*id; 32])).collect(),
            doors_added: vec![],
            doors_dropped: vec![],
        },
        door: None,
        lane: None,
    }
}

#[track_caller]
fn refused(state: &State, commit: &Commit, header: &HeaderFacts, reason: Invalid) {
    assert_eq!(judge(state, commit, header), Err(reason));
}

#[track_caller]
fn valid(state: &State, commit: &Commit, header: &HeaderFacts) -> State {
    judge(state, commit, header).unwrap()
}

#[test]
fn what_members_usually_do() {
    let usual = usual();
    // Renew keys; move to another seat; name the seat of the Welcome or take another for it; remove a sibling.
    valid(&usual, &update(0, leaf(1, 11, 1, Some(1))), &header(&[], &[]));
    valid(&usual, &update(0, leaf(1, 11, 1, Some(5))), &header(&[5], &[1]));
    valid(&usual, &update(1, leaf(1, 12, 1, Some(9))), &header(&[], &[]));
    let after = valid(&usual, &update(1, leaf(1, 12, 1, Some(5))), &header(&[5], &[9]));
    assert_eq!(after.leaves[&LeafIndex(1)], leaf(1, 12, 1, Some(5)));
    valid(&usual, &update(0, leaf(1, 11, 3, Some(1))), &header(&[], &[]));
    let mut removal = update(0, leaf(1, 11, 1, Some(1)));
    removal.proposals.push(Proposal::Remove(LeafIndex(1)));
    let after = valid(&usual, &removal, &header(&[], &[9]));
    assert_eq!(after.leaves.keys().copied().collect::<Vec<_>>(), [LeafIndex(0), LeafIndex(2)]);
}

#[test]
fn what_joiners_usually_do() {
    let usual = usual();
    valid(&usual, &join(leaf(1, 11, 1, Some(1)), Some(0)), &header(&[], &[]));
    valid(&usual, &join(leaf(1, 11, 1, Some(5)), Some(0)), &header(&[5], &[1]));
    valid(&usual, &join(leaf(1, 11, 1, Some(5)), Some(0)), &header(&[5], &[]));
    let after = valid(&usual, &join(leaf(2, 22, 2, Some(5)), None), &header(&[5], &[]));
    assert_eq!(after.leaves[&LeafIndex(3)], leaf(2, 22, 2, Some(5)));
    // The leftmost free place.
    let hole = state([(0, leaf(1, 11, 1, Some(1))), (2, leaf(2, 21, 2, Some(2)))]);
    let after = valid(&hole, &join(leaf(2, 22, 2, Some(5)), None), &header(&[5], &[]));
    assert!(after.leaves.contains_key(&LeafIndex(1)));
}

#[test]
fn rule_1_kind_and_numbers() {
    let commit = update(0, leaf(1, 11, 1, Some(1)));
    let mut append = header(&[], &[]);
    append.kind = EntryKind::Application;
    refused(&usual(), &commit, &append, Invalid::Kind);
    let mut other = commit.clone();
    other.data.rules = 2;
    refused(&usual(), &other, &header(&[], &[]), Invalid::Kind);
}

#[test]
fn rule_2_proposals() {
    for proposals in [
        vec![Proposal::Other],
        vec![Proposal::ByReference],
        vec![Proposal::ExternalInit],
        vec![Proposal::Remove(LeafIndex(1)), Proposal::Other],
    ] {
        let commit = Commit { proposals, ..update(0, leaf(1, 11, 1, Some(1))) };
        refused(&usual(), &commit, &header(&[], &[]), Invalid::Proposals);
    }
    let joined = join(leaf(1, 11, 1, Some(1)), Some(0));
    for proposals in [
        vec![],
        vec![Proposal::Remove(LeafIndex(0))],
        vec![Proposal::ExternalInit, Proposal::ExternalInit],
        vec![Proposal::ExternalInit, Proposal::Remove(LeafIndex(0)), Proposal::Remove(LeafIndex(1))],
        vec![Proposal::ExternalInit, Proposal::Other],
    ] {
        refused(&usual(), &Commit { proposals, ..joined.clone() }, &header(&[], &[]), Invalid::Proposals);
    }
    refused(&usual(), &Commit { path: None, ..joined }, &header(&[], &[]), Invalid::Proposals);
    refused(&usual(), &Commit { path: None, ..update(0, leaf(1, 11, 1, None)) }, &header(&[], &[]), Invalid::Proposals);
}

#[test]
fn rule_3_history() {
    let last = |sequence| Some(LastValid { sequence, payload_hash: payload_hash(b"commit") });
    let mut standing = usual();
    standing.last_valid = last(4);
    let mut commit = update(0, leaf(1, 11, 1, Some(1)));
    let mut at = header(&[], &[]);
    at.sequence = 9;
    commit.data.seen.sequence = 8;
    refused(&standing, &commit, &at, Invalid::History);
    commit.data.last_valid = last(5);
    refused(&standing, &commit, &at, Invalid::History);
    commit.data.last_valid = last(4);
    valid(&standing, &commit, &at);
    commit.data.last_valid = Some(LastValid { sequence: 4, payload_hash: payload_hash(b"another") });
    refused(&standing, &commit, &at, Invalid::History);
    commit.data.last_valid = last(4);
    for (seen, good) in [(3, false), (4, true), (8, true), (9, false), (u64::MAX, false)] {
        commit.data.seen.sequence = seen;
        assert_eq!(judge(&standing, &commit, &at).is_ok(), good, "seen {seen}");
    }
}

#[test]
fn rule_4_author() {
    let usual = usual();
    for path in [leaf(2, 11, 1, Some(1)), leaf(1, 13, 1, Some(1)), leaf(1, 11, 0, Some(1))] {
        refused(&usual, &update(0, path), &header(&[], &[]), Invalid::Author);
    }
    refused(&usual, &update(7, leaf(1, 11, 1, Some(1))), &header(&[], &[]), Invalid::Author);
    let mut rejoins = update(0, leaf(1, 11, 1, Some(1)));
    rejoins.data.rejoin = Some(RejoinReason::LostState);
    refused(&usual, &rejoins, &header(&[], &[]), Invalid::Author);
    let mut silent = join(leaf(1, 11, 1, Some(1)), Some(0));
    silent.data.rejoin = None;
    refused(&usual, &silent, &header(&[], &[]), Invalid::Author);
    let mut new = join(leaf(1, 13, 1, Some(5)), None);
    new.data.rejoin = Some(RejoinReason::LostState);
    refused(&usual, &new, &header(&[5], &[]), Invalid::Author);
}

#[test]
fn rule_5_removal() {
    let usual = usual();
    let removing = |author, index| Commit {
        proposals: vec![Proposal::Remove(LeafIndex(index))],
        ..update(author, usual.leaves[&LeafIndex(author)].clone())
    };
    refused(&usual, &removing(0, 2), &header(&[], &[]), Invalid::Removal);
    refused(&usual, &removing(0, 0), &header(&[], &[]), Invalid::Removal);
    refused(&usual, &removing(0, 9), &header(&[], &[]), Invalid::Removal);
    let mut twice = removing(0, 1);
    twice.proposals.push(Proposal::Remove(LeafIndex(1)));
    refused(&usual, &twice, &header(&[], &[]), Invalid::Removal);
    // A device of an older era does not put out one of a newer.
    let newer = state([(0, leaf(1, 11, 1, Some(1))), (1, leaf(1, 12, 2, Some(3)))]);
    refused(
        &newer,
        &Commit { proposals: vec![Proposal::Remove(LeafIndex(1))], ..update(0, leaf(1, 11, 1, Some(1))) },
        &header(&[], &[]),
        Invalid::Removal,
    );
    // Not even by raising its era in the same commit.
    refused(
        &newer,
        &Commit { proposals: vec![Proposal::Remove(LeafIndex(1))], ..update(0, leaf(1, 11, 2, Some(1))) },
        &header(&[], &[]),
        Invalid::Removal,
    );
    // Another device's leaf is not a joiner's to replace, not even a sibling's.
    refused(&usual, &join(leaf(1, 13, 1, Some(5)), Some(0)), &header(&[5], &[]), Invalid::Removal);
    refused(&usual, &join(leaf(2, 11, 1, Some(5)), Some(0)), &header(&[5], &[]), Invalid::Removal);
}

#[test]
fn rule_6_backing() {
    refused(&usual(), &join(leaf(3, 31, 1, Some(5)), None), &header(&[5], &[]), Invalid::Backing);
    refused(&usual(), &join(leaf(2, 22, 1, Some(5)), None), &header(&[5], &[]), Invalid::Backing);
    valid(&usual(), &join(leaf(2, 22, 3, Some(5)), None), &header(&[5], &[]));
    let mixed = state([(0, leaf(1, 11, 1, Some(1))), (1, leaf(1, 12, 2, Some(2)))]);
    refused(&mixed, &join(leaf(1, 11, 1, Some(1)), Some(0)), &header(&[], &[]), Invalid::Backing);
}

#[test]
fn rule_7_accounts() {
    let full = state((0..10).map(|n| (u32::from(n), leaf(1, 100 + n, 1, Some(50 + n)))).chain([(10, leaf(2, 21, 2, Some(2)))]));
    refused(&full, &join(leaf(1, 13, 1, Some(5)), None), &header(&[5], &[]), Invalid::Accounts);
    valid(&full, &join(leaf(1, 100, 1, Some(50)), Some(0)), &header(&[], &[]));
    refused(&usual(), &join(leaf(1, 11, 1, Some(5)), None), &header(&[5], &[]), Invalid::Accounts);
    assert_eq!(check_state(&state([(0, leaf(1, 1, 1, None)), (1, leaf(2, 2, 1, None)), (2, leaf(3, 3, 1, None))])), Err(Invalid::Accounts));
}

#[test]
fn rule_8_seats() {
    let usual = usual();
    let stays = update(0, leaf(1, 11, 1, Some(1)));
    for (added, dropped) in [
        (&[5][..], &[][..]), // a seat that no leaf names
        (&[1], &[]),         // the own one once more
        (&[], &[2]),         // somebody else's goes
        (&[], &[1]),         // the own one goes though the leaf names it
        (&[], &[77]),        // one that nobody knows goes, and the author has a known one
    ] {
        refused(&usual, &stays, &header(added, dropped), Invalid::Seats);
    }
    let moves = update(0, leaf(1, 11, 1, Some(5)));
    for (added, dropped) in [
        (&[][..], &[1][..]),
        (&[5], &[]), // the old one stays behind
        (&[5, 6], &[1]),
        (&[5], &[1, 2]),
        (&[5], &[1, 1]),
        (&[5], &[1, 5]),
    ] {
        refused(&usual, &moves, &header(added, dropped), Invalid::Seats);
    }
    refused(&usual, &update(0, leaf(1, 11, 1, Some(2))), &header(&[2], &[1]), Invalid::Seats);
    refused(&usual, &update(0, leaf(1, 11, 1, None)), &header(&[], &[]), Invalid::Seats);
    // As many unnamed seats go as leaves that came by the Welcome.
    refused(&usual, &update(1, leaf(1, 12, 1, Some(5))), &header(&[5], &[8, 9]), Invalid::Seats);
    // A door gives no rights.
    let mut by_door = header(&[5], &[]);
    by_door.door = Some(DoorId::from([1; 16]));
    let new = join(leaf(1, 13, 1, Some(5)), None);
    valid(&usual, &new, &by_door);
    by_door.changes.seats_added[0].keep = true;
    refused(&usual, &new, &by_door, Invalid::Seats);
}

#[test]
fn rule_9_doors() {
    let door =
        Door { id: DoorId::from([1; 16]), secret_hash: DoorSecretHash::from([0; 32]), kind: DoorKind::Account, keep: false, invite: false };
    let mut opens = header(&[], &[]);
    opens.changes.doors_added.push(door);
    valid(&usual(), &update(0, leaf(1, 11, 1, Some(1))), &opens);
    refused(&usual(), &join(leaf(1, 11, 1, Some(1)), Some(0)), &opens, Invalid::Doors);
    let mut through = header(&[], &[]);
    through.door = Some(DoorId::from([1; 16]));
    refused(&usual(), &update(0, leaf(1, 11, 1, Some(1))), &through, Invalid::Doors);
}

// Values are drawn from few, so that a good part of the commits is valid.

fn any_leaf() -> impl Strategy<Value = Leaf> {
    (1u8..4, 0u8..4, 1u32..4, proptest::option::weighted(0.9, 1u8..9))
        .prop_map(|(account, device, era, seat)| leaf(account, account * 10 + device, era, seat))
}

fn any_state() -> impl Strategy<Value = State> {
    proptest::collection::btree_map(0u32..6, any_leaf(), 1..6).prop_map(|leaves| {
        let mut accounts = BTreeSet::new();
        let mut devices = BTreeSet::new();
        let mut kept = BTreeMap::new();
        for (index, mut leaf) in leaves {
            if (accounts.len() < 2 || accounts.contains(&leaf.account)) && devices.insert(leaf.device) {
                accounts.insert(leaf.account);
                if kept.values().any(|other: &Leaf| other.seat == leaf.seat) {
                    leaf.seat = None;
                }
                kept.insert(index, leaf);
            }
        }
        state(kept)
    })
}

fn any_proposal() -> impl Strategy<Value = Proposal> {
    prop_oneof![
        6 => (0u32..7).prop_map(|index| Proposal::Remove(LeafIndex(index))),
        1 => Just(Proposal::Other),
        1 => Just(Proposal::ByReference),
        1 => Just(Proposal::ExternalInit),
    ]
}

#[derive(Debug, Clone)]
struct Attempt {
    commit: Commit,
    header: HeaderFacts,
    /// Fill in what the state knows: own leaf and seat, so that much is valid.
    helped: bool,
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    let author = prop_oneof![(0u32..6).prop_map(|index| Author::Member(LeafIndex(index))), Just(Author::Joiner)];
    let rejoin = proptest::option::of(Just(RejoinReason::LostState));
    let seats = || proptest::collection::vec(1u8..9, 0..3);
    (
        author,
        proptest::collection::vec(any_proposal(), 0..3),
        proptest::option::weighted(0.95, any_leaf()),
        rejoin,
        (seats(), seats(), any::<bool>()),
        any::<bool>(),
    )
        .prop_map(|(author, proposals, path, rejoin, (added, dropped, door), helped)| {
            let mut header = header(&added, &dropped);
            header.door = (door && author == Author::Joiner).then(|| DoorId::from([1; 16]));
            Attempt { commit: Commit { author, proposals, path, data: data(rejoin) }, header, helped }
        })
}

impl Attempt {
    fn fit(mut self, state: &State) -> (Commit, HeaderFacts) {
        self.header.sequence = 1_000_000;
        self.commit.data.seen.sequence = 999_999;
        self.commit.data.last_valid = state.last_valid;
        if self.helped {
            if let (Author::Member(index), Some(path)) = (self.commit.author, &mut self.commit.path)
                && let Some(own) = state.leaves.get(&index)
            {
                *path = Leaf { seat: own.seat.or(path.seat), ..own.clone() };
                self.header.changes = SeatChanges::default();
                self.commit.proposals.retain(|proposal| matches!(proposal, Proposal::Remove(other) if *other != index));
                self.commit.data.rejoin = None;
            }
            if let (Author::Joiner, Some(path)) = (self.commit.author, &mut self.commit.path) {
                let old = state.leaves.iter().find(|(_, leaf)| leaf.device == path.device);
                self.commit.proposals = old.iter().map(|(index, _)| Proposal::Remove(**index)).chain([Proposal::ExternalInit]).collect();
                self.commit.data.rejoin = old.map(|_| RejoinReason::LostState);
                if let Some((_, old)) = old {
                    path.seat = old.seat.or(path.seat);
                    self.header.changes = SeatChanges::default();
                } else if let Some(seat) = path.seat {
                    self.header.changes = header(&[seat.as_bytes()[0]], &[]).changes;
                }
            }
        }
        (self.commit, self.header)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is tried: no third account, no device twice, no era that goes back, nobody's seat taken; and the verdict
    /// is the same when asked again.
    #[test]
    fn no_sequence_of_commits_breaks_a_pair(start in any_state(), attempts in proptest::collection::vec(any_attempt(), 1..20)) {
        let first: BTreeSet<_> = start.leaves.values().map(|leaf| leaf.account).collect();
        let mut state = start;
        for attempt in attempts {
            let (commit, header) = attempt.fit(&state);
            let verdict = judge(&state, &commit, &header);
            prop_assert_eq!(&verdict, &judge(&state.clone(), &commit.clone(), &header.clone()));
            let Ok(next) = verdict else { continue };
            prop_assert_eq!(foresee(&state, &commit), Ok(()));
            prop_assert_eq!(check_state(&next), Ok(()));
            let accounts: BTreeSet<_> = next.leaves.values().map(|leaf| leaf.account).collect();
            prop_assert!(accounts.is_subset(&first));
            let seats: Vec<_> = next.leaves.values().filter_map(|leaf| leaf.seat).collect();
            prop_assert_eq!(seats.len(), seats.iter().collect::<BTreeSet<_>>().len(), "two leaves on a seat");
            for (index, leaf) in &next.leaves {
                prop_assert!(leaf.seat.is_none() || !header.changes.seats_dropped.contains(&leaf.seat.unwrap()));
                if let Some(old) = state.leaves.get(index).filter(|old| old.device == leaf.device) {
                    prop_assert!(leaf.era >= old.era);
                }
            }
            // Nobody else's leaf changed, but for siblings that were removed.
            for (index, old) in &state.leaves {
                let new = next.leaves.get(index);
                let by = commit.path.as_ref().unwrap();
                prop_assert!(new == Some(old) || old.account == by.account, "leaf {index:?}");
            }
            prop_assert!(!accounts.is_empty());
            state = next;
        }
    }

    /// However odd it is, there is a verdict and no panic.
    #[test]
    fn any_commit_has_a_verdict(start in any_state(), attempt in any_attempt()) {
        let _ = judge(&start, &attempt.commit, &attempt.header);
        let _ = foresee(&start, &attempt.commit);
    }
}

/// The property above is worth something only if commits often get through.
#[test]
fn the_generator_finds_valid_commits() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut valid = (0, 0);
    for _ in 0..2000 {
        let state = any_state().new_tree(&mut runner).unwrap().current();
        let (commit, header) = any_attempt().new_tree(&mut runner).unwrap().current().fit(&state);
        if judge(&state, &commit, &header).is_ok() {
            match commit.author {
                Author::Member(_) => valid.0 += 1,
                Author::Joiner => valid.1 += 1,
            }
        }
    }
    assert!(valid.0 > 50 && valid.1 > 50, "{valid:?}");
}
