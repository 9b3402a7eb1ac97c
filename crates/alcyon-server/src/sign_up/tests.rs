#![allow(clippy::unwrap_used)]

use std::{cmp::Reverse, collections::BinaryHeap};

use proptest::prelude::*;

use super::{
    line::{Kept, burst},
    *,
};
use crate::{
    logs::{LogSettings, ManualClock, WriterMode},
    store::MemoryStore,
};

const START_MS: u64 = 1_700_000_000_000;

fn band(n: u8) -> AddressBand {
    AddressBand::of(std::net::Ipv4Addr::new(10, 0, n, 1).into())
}

fn key(n: u8) -> Key {
    Key::new(&Zeroizing::new([n; 32]))
}

fn account(n: u32) -> AccountId {
    AccountId::of_root(&[n.to_be_bytes(); 8].concat().try_into().unwrap())
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 33).unwrap()) / f64::from(1_u32 << 31)
    }
}

/// What a simulated crowd does.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    /// People let in a second.
    rate: f64,
    /// Who arrive a second.
    offered: f64,
    /// For so long, seconds.
    lasts_s: u64,
    /// Of those who take a ticket, who come when it is their turn.
    show: f64,
    /// The server is killed and started again each so many seconds.
    restarts_s: Option<u64>,
}

/// What came of it.
struct Outcome {
    /// (when, arrival of the one let in), in order.
    let_in: Vec<(u64, u64)>,
    /// (when said, expected wait, real wait) of those who came in.
    waits: Vec<(u64, u64, u64)>,
    restarts: Vec<u64>,
    /// Those who wanted in and never were.
    left_out: usize,
}

/// When, who (0: the server's tick), arrival of the ticket or none, first word about the wait and when it was said.
type Act = (u64, u64, Option<u64>, Option<(u64, u64)>);

/// Plays a crowd against a line, to the millisecond. Everybody does what a client does: tries, takes a ticket, asks again when told.
fn play(crowd: Crowd, limit_s: u64) -> Outcome {
    const TICK_MS: u64 = 100;
    let Crowd { rate, offered, lasts_s, show, restarts_s } = crowd;
    let mut dice = Dice(7);
    let mut line = Line::empty(START_MS);
    let mut kept = line.keep();
    let mut acts: BinaryHeap<Reverse<Act>> = BinaryHeap::new();
    let mut outcome = Outcome { let_in: Vec::new(), waits: Vec::new(), restarts: Vec::new(), left_out: 0 };
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    for number in 0..(offered * lasts_s as f64) as u64 {
        acts.push(Reverse((START_MS + (number as f64 * 1_000.0 / offered) as u64, number + 1, None, None)));
    }
    acts.push(Reverse((START_MS, 0, None, None)));
    while let Some(Reverse((now_ms, who, ticket, said))) = acts.pop() {
        if now_ms >= START_MS + limit_s * 1_000 {
            continue;
        }
        if who == 0 {
            acts.push(Reverse((now_ms + TICK_MS, 0, None, None)));
            let passed_ms = now_ms - START_MS;
            if passed_ms.is_multiple_of(1_000) {
                kept = line.keep();
            }
            if restarts_s.is_some_and(|every_s| passed_ms > 1_000 && passed_ms % (every_s * 1_000) == 700) {
                line = Line::restore(kept.clone(), now_ms);
                outcome.restarts.push(now_ms);
            }
            line.advance(now_ms, Some(rate));
            continue;
        }
        line.advance(now_ms, Some(rate));
        match line.enter(ticket, Some(rate)) {
            Ok(()) => {
                outcome.let_in.push((now_ms, ticket.unwrap_or(now_ms)));
                if let Some((said_ms, wait_ms)) = said {
                    outcome.waits.push((said_ms, wait_ms, now_ms - said_ms));
                }
            }
            Err(Held::NoTicket) if ticket.is_some() => panic!("a ticket of minutes has not run out"),
            Err(Held::NoTicket) => {
                let arrival_ms = line.join(true);
                let Some(standing) = line.standing(arrival_ms, Some(rate)) else { panic!("behind the watermark") };
                if dice.roll() < show {
                    let again_ms = now_ms + ask_again(standing.wait_ms, line.coming());
                    acts.push(Reverse((again_ms, who, Some(arrival_ms), Some((now_ms, standing.wait_ms)))));
                }
            }
            Err(Held::Early(standing)) => {
                acts.push(Reverse((now_ms + ask_again(standing.wait_ms, line.coming()), who, ticket, said)));
            }
            Err(Held::Crowded { wait_ms }) => {
                acts.push(Reverse((now_ms + jitter::between(wait_ms, wait_ms + line::CROWDED_MS * 4 / 5), who, ticket, said)));
            }
        }
    }
    outcome.left_out = acts.iter().filter(|Reverse((_, who, ..))| *who != 0).count();
    outcome
}

/// Never more than the rate and a burst, over any time; a start in between may bring another burst.
fn check_rate(outcome: &Outcome, rate: f64) {
    let let_in = &outcome.let_in;
    for from in (0..let_in.len()).step_by(1 + let_in.len() / 200) {
        for until in (from..let_in.len()).step_by(1 + let_in.len() / 200) {
            #[allow(clippy::cast_precision_loss)]
            let (people, seconds) = ((until - from + 1) as f64, (let_in[until].0 - let_in[from].0) as f64 / 1_000.0);
            let starts = outcome.restarts.iter().filter(|at_ms| (let_in[from].0..=let_in[until].0).contains(at_ms)).count();
            #[allow(clippy::cast_precision_loss)]
            let bursts = burst(rate) * (starts + 1) as f64;
            assert!(people <= rate * seconds + bursts + 1.0, "{people} in {seconds} s at {rate}");
        }
    }
}

/// Nobody comes in who arrived more than a second (and a poll) after somebody who comes later.
fn worst_disorder_ms(outcome: &Outcome) -> u64 {
    let mut latest = 0_u64;
    let mut worst = 0_u64;
    for (_, arrival_ms) in &outcome.let_in {
        worst = worst.max(latest.saturating_sub(*arrival_ms));
        latest = latest.max(*arrival_ms);
    }
    worst
}

#[test]
fn an_exodus_is_let_in_in_the_order_of_arrival_at_the_full_rate() {
    for times in [62.0, 100.0] {
        let crowd = Crowd { rate: 20.0, offered: 20.0 * times, lasts_s: 20, show: 1.0, restarts_s: None };
        let outcome = play(crowd, 300);
        check_rate(&outcome, crowd.rate);
        assert!(outcome.let_in.len() > 20 * 280, "{}", outcome.let_in.len());
        assert!(worst_disorder_ms(&outcome) <= 1_000, "{}", worst_disorder_ms(&outcome));
    }
}

#[test]
fn expected_times_are_right_within_a_fifth() {
    for (offered, show) in [(40.0, 1.0), (400.0, 1.0), (100.0, 0.6)] {
        let crowd = Crowd { rate: 20.0, offered, lasts_s: 60, show, restarts_s: None };
        let outcome = play(crowd, 1_500);
        assert_eq!(outcome.left_out, 0);
        // What share comes has to be learned first.
        let settled = outcome.waits.iter().filter(|(said_ms, _, real)| *said_ms > START_MS + 30_000 && *real > 5_000);
        let (mut all, mut wrong) = (0, 0);
        for (_, said, real) in settled {
            all += 1;
            wrong += usize::from(said.abs_diff(*real) * 5 > *real);
        }
        assert!(all > 100 && wrong * 100 <= all, "{offered}/s, {show}: {wrong} of {all}");
    }
}

#[test]
fn no_shows_neither_stall_the_line_nor_leave_room_unused() {
    let crowd = Crowd { rate: 20.0, offered: 2_000.0, lasts_s: 120, show: 0.1, restarts_s: None };
    let outcome = play(crowd, 240);
    check_rate(&outcome, crowd.rate);
    let late = outcome.let_in.iter().filter(|(at_ms, _)| *at_ms > START_MS + 60_000).count();
    assert!(late > 20 * 180 * 8 / 10, "{late} in the last three minutes");
}

#[test]
fn a_restart_in_the_middle_keeps_the_order() {
    let crowd = Crowd { rate: 20.0, offered: 1_240.0, lasts_s: 20, show: 0.8, restarts_s: Some(17) };
    let outcome = play(crowd, 300);
    check_rate(&outcome, crowd.rate);
    assert!(worst_disorder_ms(&outcome) <= 1_000);
    assert!(outcome.let_in.len() > 20 * 240, "{}", outcome.let_in.len());
}

#[test]
fn when_the_crowd_is_over_the_door_is_open_again() {
    let crowd = Crowd { rate: 20.0, offered: 60.0, lasts_s: 30, show: 1.0, restarts_s: None };
    assert_eq!(play(crowd, 120).left_out, 0);
    let mut line = Line::empty(START_MS);
    line.advance(START_MS, Some(20.0));
    for _ in 0..20 {
        line.enter(None, Some(20.0)).unwrap();
    }
    assert_eq!(line.enter(None, Some(20.0)), Err(Held::NoTicket));
    line.advance(START_MS + 100, Some(20.0));
    assert!(line.is_open());
    line.enter(None, Some(20.0)).unwrap();
}

#[test]
fn a_day_of_tickets_takes_no_more_memory_than_an_hour() {
    const RATE: Option<f64> = Some(1e-6);
    let mut line = Line::empty(START_MS);
    line.advance(START_MS, RATE);
    // Nobody else comes in today.
    line.enter(None, RATE).unwrap();
    for second in 0..86_400_u64 {
        line.advance(START_MS + second * 1_000, RATE);
        line.join(true);
    }
    let kept = line.keep();
    assert!(kept.spans.len() <= 1_025, "{}", kept.spans.len());
    assert!(kept.spans.windows(2).all(|pair| pair[0].until_us <= pair[1].from_us));
    assert_eq!(line.waiting(), 86_400);
    let middle = line.standing(START_MS + 43_200_000, RATE).unwrap().place;
    assert!((43_000..43_400).contains(&middle), "{middle}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn order_and_rate_hold_whoever_comes(
        rate in 1.0_f64..50.0, times in 1.1_f64..80.0, show in 0.05_f64..1.0, restarts in proptest::option::of(5_u64..40),
    ) {
        let crowd = Crowd { rate, offered: rate * times, lasts_s: 10, show, restarts_s: restarts };
        let outcome = play(crowd, 120);
        check_rate(&outcome, rate);
        // Where far more stay away than was known, the line is faster than was said, and some hear of it by their next poll only.
        if show > 0.7 {
            prop_assert!(worst_disorder_ms(&outcome) <= 1_000, "{}", worst_disorder_ms(&outcome));
        }
    }

    #[test]
    fn what_is_kept_comes_back(spans in proptest::collection::vec((0_u64..5_000_000, 1_u64..5_000_000, 1_u64..1_000), 0..50), watermark_us in 0_u64..1 << 50) {
        let mut end_us = watermark_us;
        let spans = spans.into_iter().map(|(after, length, tickets)| {
            let from_us = end_us + after;
            end_us = from_us + length;
            line::Span { from_us, until_us: end_us, tickets }
        }).collect();
        let kept = Kept { watermark_us, spans, show_rate: 0.25 };
        let record = LineRecord::decode(&*LineRecord::from(&kept).encode_to_vec()).unwrap();
        prop_assert_eq!(Kept::from(record), kept);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_048, ..ProptestConfig::default() })]

    #[test]
    fn bytes_that_nobody_sealed_are_no_challenge_and_no_ticket(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..100), nonce in any::<u64>(), now_ms in any::<u64>(), free in any::<bool>(),
    ) {
        // One that says that it asks for no work gets as far as the seal.
        if free && let Some(bits) = bytes.get_mut(4) {
            *bits = 0;
        }
        for purpose in [Purpose::TICKET, Purpose::SIGN_UP, Purpose::PAYMENT] {
            prop_assert_eq!(Challenge::check(&key(1), &bytes, nonce, purpose, account(1).as_bytes(), band(1), now_ms), None);
        }
        prop_assert_eq!(Ticket::open(&key(1), &bytes), None);
        bytes.resize(Ticket::BYTES, 0);
        prop_assert_eq!(Ticket::open(&key(1), &bytes), None);
        bytes.truncate(Challenge::BYTES);
        prop_assert_eq!(Challenge::check(&key(1), &bytes, nonce, Purpose::SIGN_UP, account(1).as_bytes(), band(1), now_ms), None);
    }

    #[test]
    fn one_that_was_sealed_holds_as_it_is_and_with_no_bit_changed(
        made_ms in 0..u64::from(u32::MAX) * 60_000, nonce in any::<u64>(), at in any::<proptest::sample::Index>(), bit in 0..8_u32,
    ) {
        let check = |bytes: &[u8]| Challenge::check(&key(1), bytes, nonce, Purpose::PAYMENT, account(1).as_bytes(), band(1), made_ms);
        let mut challenge = Challenge::new(made_ms, 0).seal(&key(1), Purpose::PAYMENT, account(1).as_bytes(), band(1));
        prop_assert_eq!(check(&challenge), Some(0));
        challenge[at.index(Challenge::BYTES)] ^= 1 << bit;
        prop_assert_eq!(check(&challenge), None);
        let mut ticket = Ticket { arrival_ms: made_ms, band: band(1), account: account(1) }.seal(&key(1));
        ticket[at.index(Ticket::BYTES)] ^= 1 << bit;
        prop_assert_eq!(Ticket::open(&key(1), &ticket), None);
    }
}

#[test]
fn a_stored_line_stays_as_it_is() {
    let spans = vec![line::Span { from_us: 1_500, until_us: 3_000, tickets: 7 }];
    let record = LineRecord::from(&Kept { watermark_us: 1_000, spans, show_rate: 0.5 });
    insta::assert_snapshot!(data_encoding::HEXLOWER.encode(&record.encode_to_vec()));
}

#[test]
fn a_ticket_opens_with_its_key_and_as_it_was_made_alone() {
    let ticket = Ticket { arrival_ms: START_MS, band: band(1), account: account(1) };
    let bytes = ticket.seal(&key(1));
    assert_eq!(Ticket::open(&key(1), &bytes), Some(ticket));
    assert_eq!(Ticket::open(&key(2), &bytes), None);
    for at in 0..bytes.len() {
        let mut forged = bytes;
        forged[at] ^= 1;
        assert_eq!(Ticket::open(&key(1), &forged), None, "byte {at}");
    }
    assert_eq!(Ticket::open(&key(1), &bytes[..80]), None);
    assert_eq!(Ticket::open(&key(1), &[]), None);
}

#[test]
fn work_counts_for_its_account_place_and_time_alone() {
    let (key, ann, here, now_ms) = (key(1), account(1), band(1), START_MS);
    let sealed = Challenge::new(now_ms, 8).seal(&key, Purpose::TICKET, ann.as_bytes(), here);
    let nonce = alcyon_wire::work::solve(&sealed, 8, 0, 1 << 20).unwrap();
    let check =
        |nonce, account: AccountId, band, now_ms| Challenge::check(&key, &sealed, nonce, Purpose::TICKET, account.as_bytes(), band, now_ms);
    assert_eq!(check(nonce, ann, here, now_ms), Some(8));
    assert_eq!(check(nonce, ann, here, now_ms + 5 * 60_000), Some(8));
    assert_eq!(check(nonce, ann, here, now_ms + 7 * 60_000), None, "too old");
    assert_eq!(check(nonce, ann, here, now_ms - 120_000), None, "from the future");
    assert_eq!(check(nonce, account(2), here, now_ms), None);
    assert_eq!(check(nonce, ann, band(2), now_ms), None);
    assert_eq!(Challenge::check(&key, &sealed, nonce, Purpose("another"), ann.as_bytes(), here, now_ms), None);
    let lazy = (0..).find(|nonce| alcyon_wire::work::zero_bits(&sealed, *nonce) < 8).unwrap();
    assert_eq!(check(lazy, ann, here, now_ms), None);
}

#[test]
fn the_price_rises_with_asking_and_falls_again() {
    let mut price = Price::new(50.0);
    for n in 0..100 {
        price.asked(band(u8::try_from(n % 50).unwrap()), START_MS + n * 50);
        assert_eq!(price.bits(band(200), START_MS + n * 50), 0, "20 a second");
    }
    let mut last = 0;
    for n in 0..20_000 {
        price.asked(band(u8::try_from(n % 200).unwrap()), START_MS + 10_000 + n);
        let bits = price.bits(band(201), START_MS + 10_000 + n);
        assert!(bits >= last && bits <= MOST_BITS);
        last = bits;
    }
    assert!(last >= 15, "a thousand a second: {last}");
    assert_eq!(price.bits(band(201), START_MS + 120_000), 0);
    // One part of the network alone pays for itself.
    for _ in 0..200 {
        price.asked(band(9), START_MS + 200_000);
    }
    assert!(price.bits(band(9), START_MS + 200_000) > 0 && price.bits(band(10), START_MS + 200_000) == 0);
}

struct Rig {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
}

impl Rig {
    fn new() -> Self {
        Self { clock: Arc::new(ManualClock::new(START_MS)), store: Arc::new(MemoryStore::default()) }
    }

    async fn open(&self, per_second: Option<f64>) -> SignUps<MemoryStore> {
        let settings = LogSettings { writer: WriterMode::Inline, ..LogSettings::default() };
        let logs = Logs::open(self.store.clone(), settings, self.clock.clone()).unwrap();
        let settings = SignUpSettings { per_second, ..SignUpSettings::default() };
        SignUps::open(logs, &settings, "sea.example", self.clock.clone(), Arc::new(Calm), Arc::new(Metrics::new())).await.unwrap()
    }
}

fn fill(sign_ups: &SignUps<MemoryStore>) {
    while let Ok(entered) = sign_ups.enter(None, band(1)) {
        entered.signed_up();
    }
}

#[tokio::test]
async fn without_a_rate_nobody_needs_a_ticket() {
    let sign_ups = Rig::new().open(None).await;
    for n in 0..5_000 {
        sign_ups.enter(None, band(1)).ok().unwrap().signed_up();
        assert_eq!(sign_ups.ask(account(n), band(1), None, None).1, Place::Open);
    }
}

#[tokio::test]
async fn a_ticket_is_honoured_in_turn_also_after_a_restart_and_from_its_place_alone() {
    let rig = Rig::new();
    let sign_ups = rig.open(Some(2.0)).await;
    fill(&sign_ups);
    assert!(matches!(sign_ups.enter(None, band(1)), Err(NotNow::Line { .. })));
    let mut tickets = Vec::new();
    for n in 0..20 {
        let (_, place, ticket) = sign_ups.ask(account(n), band(1), None, None);
        let Place::Waiting { standing, .. } = place else { panic!("{place:?}") };
        assert_eq!(standing.place, u64::from(n) + 1);
        tickets.push(sign_ups.ticket(&ticket.unwrap()).unwrap());
        rig.clock.advance(10);
    }
    assert!(matches!(sign_ups.enter(Some(&tickets[19]), band(1)), Err(NotNow::Waiting { .. })));
    sign_ups.keep().await.unwrap();
    drop(sign_ups);

    let sign_ups = rig.open(Some(2.0)).await;
    let (waiting, place) = sign_ups.look(Some(&tickets[19]));
    assert!(waiting >= 19 && matches!(place, Place::Waiting { .. }), "{waiting} {place:?}");
    let mut let_in = Vec::new();
    for _ in 0..400 {
        rig.clock.advance(50);
        for (n, ticket) in tickets.iter().enumerate() {
            if !let_in.contains(&n)
                && let Ok(entered) = sign_ups.enter(Some(ticket), band(1))
            {
                entered.signed_up();
                let_in.push(n);
            }
        }
    }
    assert_eq!(let_in, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_ticket_moves_with_its_holder_for_work_and_keeps_its_place() {
    let rig = Rig::new();
    let sign_ups = rig.open(Some(1.0)).await;
    fill(&sign_ups);
    let (_, _, ticket) = sign_ups.ask(account(1), band(1), None, None);
    let ticket = sign_ups.ticket(&ticket.unwrap()).unwrap();
    sign_ups.ask(account(2), band(1), None, None);
    assert!(matches!(sign_ups.enter(Some(&ticket), band(2)), Err(NotNow::Line { .. })));
    let (_, place, none) = sign_ups.ask(account(1), band(2), None, Some(&ticket));
    let Place::Work { challenge, bits } = place else { panic!("{place:?}") };
    assert_eq!(none, None);
    let nonce = alcyon_wire::work::solve(&challenge, bits.into(), 0, u64::MAX).unwrap();
    let (_, place, moved) = sign_ups.ask(account(1), band(2), Some((&challenge, nonce)), Some(&ticket));
    assert!(matches!(place, Place::Waiting { standing: Standing { place: 1, .. }, .. }), "{place:?}");
    let moved = sign_ups.ticket(&moved.unwrap()).unwrap();
    assert_eq!((moved.arrival_ms, moved.band), (ticket.arrival_ms, band(2)));
    // Another's ticket is no place for this account.
    let (_, place, fresh) = sign_ups.ask(account(3), band(1), None, Some(&ticket));
    assert!(matches!(place, Place::Waiting { .. }));
    assert!(sign_ups.ticket(&fresh.unwrap()).unwrap().arrival_ms >= ticket.arrival_ms);
}

#[tokio::test]
async fn asking_again_and_again_makes_no_longer_line() {
    let rig = Rig::new();
    let sign_ups = rig.open(Some(1.0)).await;
    fill(&sign_ups);
    for _ in 0..30 {
        sign_ups.ask(account(1), band(1), None, None);
        sign_ups.ask(account(2), band(1), None, None);
    }
    assert_eq!(sign_ups.look(None).0, 2);
}

#[tokio::test]
async fn who_was_let_in_and_did_not_sign_up_leaves_the_place_to_others() {
    let sign_ups = Rig::new().open(Some(1.0)).await;
    for _ in 0..10 {
        drop(sign_ups.enter(None, band(1)).ok().unwrap());
    }
    sign_ups.enter(None, band(1)).ok().unwrap().signed_up();
    assert!(sign_ups.enter(None, band(1)).is_err());
}

#[tokio::test]
async fn processes_that_share_a_key_honour_each_others_tickets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, format!("{}\n", "0b".repeat(32))).unwrap();
    let open = async |rig: Rig, key_file| {
        let settings = LogSettings { writer: WriterMode::Inline, ..LogSettings::default() };
        let logs = Logs::open(rig.store.clone(), settings, rig.clock.clone()).unwrap();
        let settings = SignUpSettings { per_second: Some(1.0), key_file, ..SignUpSettings::default() };
        SignUps::open(logs, &settings, "sea.example", rig.clock.clone(), Arc::new(Calm), Arc::new(Metrics::new())).await
    };
    let one = open(Rig::new(), Some(path.clone())).await.unwrap();
    let other = open(Rig::new(), Some(path.clone())).await.unwrap();
    let alone = open(Rig::new(), None).await.unwrap();
    fill(&one);
    let ticket = one.ask(account(1), band(1), None, None).2.unwrap();
    assert!(other.ticket(&ticket).is_some() && alone.ticket(&ticket).is_none());
    std::fs::write(&path, "no key").unwrap();
    assert!(matches!(open(Rig::new(), Some(path)).await, Err(OpenError::Key(_, KeyError::Form))));
}
