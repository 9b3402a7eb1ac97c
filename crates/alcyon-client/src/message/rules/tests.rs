#![allow(clippy::unwrap_used)]

use proptest::{collection::vec, prelude::*};

use super::*;

const HOUR_MS: u64 = 60 * 60 * 1000;

fn account(number: u8) -> AccountId {
    AccountId::from([number; 32])
}

fn text(at_ms: u64) -> Target {
    Target { sender: account(1), at_ms, shape: Shape::Text }
}

fn poll(several: bool) -> Target {
    Target { sender: account(1), at_ms: 1, shape: Shape::Poll { options: 3, several } }
}

fn facts(sequence: u64, at_ms: u64) -> Facts {
    Facts { place: Some((0, sequence)), at_ms, rights: Rights::default() }
}

fn done(sender: u8, sequence: u64, deed: Deed) -> Done {
    Done { number: sequence, sender: account(sender), facts: facts(sequence, sequence), deed }
}

fn react(emoji: &str, back: bool) -> Deed {
    Deed::React { emoji: emoji.to_owned(), back }
}

fn vote(options: &[u32]) -> Deed {
    Deed::Vote(options.iter().copied().collect())
}

#[test]
fn the_author_edits_and_deletes_within_a_day_by_header_times() {
    for deed in [Deed::Edit, Deed::Delete] {
        let at = |sender, at_ms| Done { facts: facts(9, at_ms), ..done(sender, 9, deed.clone()) };
        assert!(at(1, HOUR_MS + limits::CHANGE_MS).holds(&text(HOUR_MS)));
        assert!(!at(1, HOUR_MS + limits::CHANGE_MS + 1).holds(&text(HOUR_MS)), "a millisecond late");
        assert!(at(1, 1).holds(&text(HOUR_MS)), "the message went out again, later");
        assert!(!at(2, HOUR_MS).holds(&text(HOUR_MS)), "somebody else");
    }
}

#[test]
fn an_admin_deletes_what_others_wrote_and_edits_nothing_of_it() {
    let admin = Facts { rights: Rights { admin: true, edits: true }, ..facts(9, HOUR_MS) };
    assert!(Done { facts: admin, ..done(2, 9, Deed::Delete) }.holds(&text(HOUR_MS)));
    assert!(!Done { facts: admin, ..done(2, 9, Deed::Edit) }.holds(&text(HOUR_MS)));
    assert!(Done { facts: admin, ..done(2, 9, Deed::Pin(true)) }.holds(&text(HOUR_MS)));
    assert!(!done(1, 9, Deed::Pin(true)).holds(&text(HOUR_MS)), "an author without the right");
}

#[test]
fn nothing_is_left_of_what_was_deleted() {
    let all = [done(2, 2, react("👍", false)), done(1, 3, Deed::Edit), done(1, 4, Deed::Delete), done(1, 5, Deed::Edit)];
    let outcome = outcome(&text(1), &all);
    assert_eq!(outcome, Outcome { deleted: Some(account(1)), for_good: true, ..Outcome::default() });
}

#[test]
fn a_deletion_that_no_log_has_is_not_for_good() {
    let queued = Done { facts: Facts::default(), ..done(1, 4, Deed::Delete) };
    let outcome = outcome(&text(1), &[queued]);
    assert_eq!((outcome.deleted, outcome.for_good), (Some(account(1)), false));
}

#[test]
fn reactions_stand_in_the_order_of_their_first() {
    let all = [
        done(2, 2, react("👍", false)),
        done(3, 3, react("🌊", false)),
        done(3, 4, react("👍", false)),
        done(2, 5, react("👍", true)),
        done(2, 6, react("🎉", false)),
        done(4, 7, react("lol", false)),
        done(4, 8, react("🌊", true)),
    ];
    let expected = [("🌊", vec![3]), ("👍", vec![3]), ("🎉", vec![2])];
    let expected = expected.map(|(emoji, who)| (emoji.to_owned(), who.into_iter().map(account).collect::<Vec<_>>()));
    assert_eq!(outcome(&text(1), &all).reactions, expected);
}

#[test]
fn one_account_reacts_with_so_many_emojis_and_no_more() {
    let emojis = ('😀'..).take(EMOJIS_EACH + 4).enumerate();
    let all: Vec<_> = emojis.map(|(index, emoji)| done(2, 2 + index as u64, react(&emoji.to_string(), false))).collect();
    assert_eq!(outcome(&text(1), &all).reactions.len(), EMOJIS_EACH);
}

#[test]
fn the_last_vote_before_the_end_counts() {
    let all = [done(2, 2, vote(&[0])), done(2, 3, vote(&[1])), done(3, 4, vote(&[2])), done(1, 5, Deed::EndPoll), done(3, 6, vote(&[0]))];
    let outcome = outcome(&poll(false), &all);
    assert!(outcome.ended);
    assert_eq!(outcome.votes, BTreeMap::from([(account(2), BTreeSet::from([1])), (account(3), BTreeSet::from([2]))]));
}

#[test]
fn a_vote_has_to_be_one_that_the_poll_takes() {
    for (deed, several, holds) in
        [(vote(&[0, 2]), true, true), (vote(&[0, 2]), false, false), (vote(&[]), false, true), (vote(&[3]), true, false)]
    {
        assert_eq!(done(2, 2, deed).holds(&poll(several)), holds);
    }
    assert!(!done(2, 2, vote(&[0])).holds(&text(1)), "no poll");
    assert!(!done(2, 2, Deed::EndPoll).holds(&poll(false)), "somebody else's poll");
    assert!(!done(1, 2, Deed::Edit).holds(&poll(false)), "a poll is not changed once there are votes");
    let taken_back = [done(2, 2, vote(&[1])), done(2, 3, vote(&[]))];
    assert!(outcome(&poll(false), &taken_back).votes.is_empty());
}

#[test]
fn of_more_pins_than_there_is_room_for_the_newest_stay() {
    let all: Vec<_> = (0..8_u64).map(|number| ((0, number, 0), number)).collect();
    assert_eq!(pinned(all), [7, 6, 5, 4, 3]);
}

#[test]
fn what_an_emoji_is() {
    for good in ["👍", "❤️", "👩‍👩‍👧‍👦", "🇫🇷", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"] {
        assert!(is_emoji(good), "{good}");
    }
    for bad in ["", "a", "1", "👍 ", "a👍", "👍\n", ":-)", &"👍".repeat(17)] {
        assert!(!is_emoji(bad), "{bad:?}");
    }
}

/// Entries as the logs of several terms hold them: what is under one id says the same wherever it stands.
#[derive(Debug, Clone)]
struct Log {
    /// Term by term, in their order: the index of what was written, and the time of the header.
    terms: Vec<Vec<(usize, u64)>>,
    written: Vec<(u8, Option<Deed>)>,
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (prop_oneof![Just("👍"), Just("🌊")], any::<bool>()).prop_map(|(emoji, back)| react(emoji, back)),
        Just(Deed::Edit),
        Just(Deed::Delete),
        vec(0_u32..4, 0..3).prop_map(|options| vote(&options)),
        Just(Deed::EndPoll),
        any::<bool>().prop_map(Deed::Pin),
    ]
}

fn any_log() -> impl Strategy<Value = Log> {
    let written = vec((1_u8..4, any_deed().prop_map(Some)), 1..12);
    (written, 1_usize..4).prop_flat_map(|(mut written, terms)| {
        written.insert(0, (1, None));
        let indices = 0..written.len();
        let term = vec((indices, 0..limits::CHANGE_MS), 0..16);
        vec(term, terms).prop_map(move |terms| {
            // Within a log an id comes once, and time never goes back.
            let mut start = 1;
            let terms = terms
                .into_iter()
                .map(|entries| {
                    let mut known = BTreeSet::new();
                    let mut entries: Vec<_> = entries.into_iter().filter(|(index, _)| known.insert(*index)).collect();
                    for (_, at_ms) in &mut entries {
                        start += *at_ms / 4;
                        *at_ms = start;
                    }
                    entries
                })
                .collect();
            Log { terms, written: written.clone() }
        })
    })
}

/// What a device that reads the terms in this order ends with. `rights` says who is an admin where.
fn read(log: &Log, order: &[usize], shape: Shape) -> Option<(Facts, Outcome)> {
    let mut known: BTreeMap<usize, Facts> = BTreeMap::new();
    for term in order {
        for (sequence, (index, at_ms)) in (1..).zip(&log.terms[*term]) {
            let (sender, deed) = &log.written[*index];
            // Rights come and go with the terms.
            let rights = Rights { admin: (*sender as usize + term).is_multiple_of(3), edits: (*sender as usize + term).is_multiple_of(2) };
            let new = Facts { place: Some((u32::try_from(*term).unwrap(), sequence)), at_ms: *at_ms, rights };
            let facts = known.entry(*index).or_insert(new);
            *facts = if deed.is_none() { facts.of_message(new) } else { facts.of_deed(new) };
        }
    }
    let message = *known.get(&0)?;
    let target = Target { sender: account(log.written[0].0), at_ms: message.at_ms, shape };
    let done: Vec<_> = known
        .into_iter()
        .filter_map(|(index, facts)| {
            let (sender, deed) = &log.written[index];
            Some(Done { number: 0, sender: account(*sender), facts, deed: deed.clone()? })
        })
        .collect();
    let mut outcome = outcome(&target, &done);
    // Positions among what was done: the same edits, whatever they are numbered.
    outcome.edits.truncate(usize::from(!outcome.edits.is_empty()));
    Some((message, outcome))
}

proptest! {
    #[test]
    fn every_device_that_reads_the_same_logs_ends_with_the_same(log in any_log(), shape in prop_oneof![
        Just(Shape::Text), Just(Shape::Poll { options: 3, several: true }), Just(Shape::Poll { options: 3, several: false }),
    ]) {
        let forwards: Vec<_> = (0..log.terms.len()).collect();
        let backwards: Vec<_> = forwards.iter().rev().copied().collect();
        let again: Vec<_> = backwards.iter().chain(&forwards).copied().collect();
        let first = read(&log, &forwards, shape);
        prop_assert_eq!(&first, &read(&log, &backwards, shape));
        prop_assert_eq!(&first, &read(&log, &again, shape), "and nothing changes by being read again");
    }

    #[test]
    fn what_was_deleted_for_good_never_comes_back(log in any_log()) {
        let order: Vec<_> = (0..log.terms.len()).rev().collect();
        let mut gone = false;
        for read_so_far in 1..=order.len() {
            if let Some((_, outcome)) = read(&log, &order[..read_so_far], Shape::Text) {
                prop_assert!(!gone || outcome.deleted.is_some(), "it came back with term {}", order[read_so_far - 1]);
                gone |= outcome.for_good;
            }
        }
    }

    #[test]
    fn what_is_done_may_be_given_in_any_order(all in vec((1_u8..4, 1_u64..100, any_deed()), 0..20).prop_shuffle()) {
        let mut sequences = BTreeSet::new();
        let mut all: Vec<_> = all.into_iter().filter(|(_, sequence, _)| sequences.insert(*sequence))
            .map(|(sender, sequence, deed)| done(sender, sequence, deed)).collect();
        let without_numbers = |mut outcome: Outcome| { outcome.edits.clear(); outcome };
        let one = without_numbers(outcome(&poll(true), &all));
        all.reverse();
        prop_assert_eq!(one, without_numbers(outcome(&poll(true), &all)));
    }
}

proptest! {
    /// An id that is used for several contents comes to the same for everybody, whatever they have read first; and what was there first
    /// is never replaced by what came later.
    #[test]
    fn an_id_that_is_used_again_is_judged_alike(
        entries in vec((0_u8..3, 0_u32..4, 1_u64..50, 1_u64..1000, 0_u32..4), 1..8),
        keys in vec(any::<u64>(), 8),
        deed in any::<bool>(),
    ) {
        // A place holds one entry.
        let mut places = BTreeSet::new();
        let entries: Vec<_> = entries.into_iter().filter(|(_, term, sequence, ..)| places.insert((*term, *sequence))).collect();
        let read = |order: &[usize]| {
            let mut variants = Vec::new();
            for at in order {
                let (digest, term, sequence, at_ms, rights) = entries[*at];
                let place = Some((term, sequence));
                let facts = Facts { place, at_ms, rights: Rights::from_number(rights) };
                add_variant(&mut variants, Variant { digest, first: place, facts }, deed);
            }
            counting(&variants).cloned()
        };
        let written: Vec<usize> = (0..entries.len()).collect();
        let mut shuffled = written.clone();
        shuffled.sort_by_key(|at| keys[*at]);
        let outcome = read(&written).unwrap();
        prop_assert_eq!(Some(outcome.clone()), read(&shuffled));
        let first = entries.iter().min_by_key(|(_, term, sequence, ..)| (*term, *sequence)).unwrap();
        prop_assert_eq!(outcome.digest, first.0, "what stood first counts");
        let own: Vec<_> = entries.iter().filter(|(digest, ..)| *digest == outcome.digest).collect();
        let last = own.iter().map(|(_, term, sequence, ..)| (*term, *sequence)).max();
        prop_assert_eq!(outcome.facts.place, last, "entries with other contents say nothing about it");
        let times = own.iter().map(|(_, _, _, at_ms, _)| *at_ms);
        prop_assert_eq!(Some(outcome.facts.at_ms), if deed { times.min() } else { times.max() });
    }
}
