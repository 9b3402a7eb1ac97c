#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, net::Ipv4Addr};

use alcyon_stamps::Asked;
use alcyon_wire::{DropSecret, EntryId, LogId, Seat, SeatSecret, Verdict, work};
use proptest::prelude::*;

use super::*;
use crate::{
    directory::{
        DirectoryError,
        tests::{Person, directory},
    },
    logs::{DAY_MS, LogSettings, ManualClock, Receipt, WriterMode},
    store::{Fault, FaultyStore, MemoryStore},
};

const START_MS: u64 = 1_767_225_600_000;

type TestStore = FaultyStore<MemoryStore>;

/// Logs and a till over one store.
struct Shop {
    disk: Arc<MemoryStore>,
    /// What goes wrong with the next write.
    fault: Arc<Mutex<Option<Fault>>>,
    clock: Arc<ManualClock>,
    logs: Logs<TestStore>,
    stamps: Stamps,
    settings: StampSettings,
}

impl Shop {
    async fn open(settings: StampSettings) -> Self {
        Self::over(Arc::default(), Arc::new(ManualClock::new(START_MS)), settings).await
    }

    async fn over(disk: Arc<MemoryStore>, clock: Arc<ManualClock>, settings: StampSettings) -> Self {
        let fault: Arc<Mutex<Option<Fault>>> = Arc::default();
        let next = fault.clone();
        let store = Arc::new(TestStore::new(disk.clone(), move |_: u64| next.lock().unwrap().take()));
        let log_settings = LogSettings { writer: WriterMode::Inline, ..LogSettings::default() };
        let logs = Logs::open(store, log_settings, clock.clone()).unwrap();
        let metrics = Arc::new(Metrics::new());
        let stamps = Stamps::open(&logs, settings.clone(), "sea.example", clock.clone(), metrics).await.unwrap();
        Self { disk, fault, clock, logs, stamps, settings }
    }

    /// The process ends, and another one opens the same disk.
    async fn restart(self) -> Self {
        let Self { disk, clock, settings, .. } = self;
        Self::over(disk, clock, settings).await
    }

    fn batch(&self) -> Vec<Stamp> {
        let Offer { key, .. } = self.stamps.offer().unwrap();
        let asked = Asked::draw(&key, token_challenge("sea.example")).unwrap();
        let ready = self.stamps.ready(StampKeyId::of(&key), &asked.hidden()).unwrap();
        asked.finish(&self.stamps.issue(&ready).unwrap()).unwrap()
    }

    /// Creates a log as a session would.
    async fn create(&self, n: u8, payment: Option<&Payment>) -> Result<Receipt, Refusal> {
        let log = LogId::from([n; 16]);
        let paid = self.stamps.check(payment, &Payment::for_log(log));
        self.logs.create_for(paid, log, vec![seat(log)], here()).await
    }

    async fn knock(&self, inbox: LogId, n: u8, payment: Option<&Payment>) -> Result<Receipt, Refusal> {
        let entry_id = EntryId::from([n; 16]);
        let paid = self.stamps.check(payment, &Payment::for_knock(inbox, entry_id));
        self.logs.knock_for(paid, inbox, entry_id, "sealed".into(), None).await
    }

    fn work(&self, subject: &[u8; 32]) -> Payment {
        let (challenge, bits) = self.stamps.challenge(subject, here());
        let nonce = work::solve(&challenge, bits.into(), 0, u64::MAX).unwrap();
        Payment::Work { challenge: challenge.to_vec().into(), nonce }
    }

    fn spent(&self) -> usize {
        self.disk.dump().into_iter().filter(|(table, ..)| matches!(table, Table::SpentStamps(_))).count()
    }
}

fn settings() -> StampSettings {
    StampSettings { work_bits: 6, ..StampSettings::default() }
}

fn seat(log: LogId) -> Seat {
    let id = SeatSecret::from([1; 32]).seat_id(log);
    Seat { id, drop_hash: DropSecret::from([2; 32]).hash(log), keep: true, invite: true }
}

fn here() -> AddressBand {
    AddressBand::of(Ipv4Addr::LOCALHOST.into())
}

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> RefusalCode {
    let refusal = result.unwrap_err();
    assert_eq!(refusal.verdict, Verdict::Never);
    refusal.code
}

#[tokio::test]
async fn a_stamp_pays_once_and_the_same_request_again_costs_nothing() {
    let shop = Shop::open(settings()).await;
    assert_eq!(code(shop.create(1, None).await), RefusalCode::StampNeeded);
    let mut stamps = shop.batch().into_iter().map(Payment::Stamp);
    let (first, second) = (stamps.next().unwrap(), stamps.next().unwrap());
    let receipt = shop.create(1, Some(&first)).await.unwrap();
    assert_eq!(shop.create(1, Some(&first)).await.unwrap(), receipt, "the answer was lost: the same again");
    assert_eq!(shop.create(1, None).await.unwrap(), receipt, "whatever is shown");
    assert_eq!(shop.create(1, Some(&second)).await.unwrap(), receipt);
    assert_eq!(code(shop.create(2, Some(&first)).await), RefusalCode::StampSpent);
    shop.create(2, Some(&second)).await.expect("it was not spent on what was there already");
    assert_eq!(shop.spent(), 2);
    let shop = shop.restart().await;
    assert_eq!(code(shop.create(3, Some(&first)).await), RefusalCode::StampSpent, "after a restart as before");
    assert_eq!(shop.create(1, Some(&first)).await.unwrap(), receipt);
}

#[tokio::test]
async fn a_request_that_is_refused_costs_nothing() {
    let shop = Shop::open(settings()).await;
    let stamps: Vec<_> = shop.batch().into_iter().map(Payment::Stamp).collect();
    shop.create(1, Some(&stamps[0])).await.unwrap();
    let log = LogId::from([1; 16]);
    let other = Seat { keep: false, ..seat(log) };
    let paid = shop.stamps.check(Some(&stamps[1]), &Payment::for_log(log));
    assert_eq!(code(shop.logs.create_for(paid, log, vec![other], here()).await), RefusalCode::LogExists);
    // Not even where the disk fails under it.
    *shop.fault.lock().unwrap() = Some(Fault::Lost);
    assert_eq!(shop.create(2, Some(&stamps[1])).await.unwrap_err().code, RefusalCode::Internal);
    assert_eq!(shop.spent(), 1);
    shop.clock.advance(2_000);
    shop.create(2, Some(&stamps[1])).await.unwrap();
    assert_eq!(shop.spent(), 2);
}

#[tokio::test]
async fn strangers_pay_for_a_knock_and_full_lanes_cost_nothing() {
    let shop = Shop::open(settings()).await;
    let ann = Person::new("ann", 1);
    directory(&shop.logs).sign_up(&ann.name, ann.manifest(1, &[]), ann.device.id(), ann.seats(1)).await.unwrap();
    let stamps: Vec<_> = [shop.batch(), shop.batch()].concat().into_iter().map(Payment::Stamp).collect();
    assert_eq!(code(shop.knock(ann.inbox, 1, None).await), RefusalCode::StampNeeded);
    for (n, stamp) in (1..=20).zip(&stamps) {
        shop.knock(ann.inbox, n, Some(stamp)).await.unwrap();
    }
    assert_eq!(shop.knock(ann.inbox, 21, Some(&stamps[20])).await.unwrap_err().code, RefusalCode::LaneFull);
    assert_eq!(shop.spent(), 20);
    shop.create(101, Some(&stamps[20])).await.unwrap();
    assert_eq!(code(shop.create(102, Some(&stamps[0])).await), RefusalCode::StampSpent, "one till for all");
}

#[tokio::test]
async fn stamps_are_honoured_through_the_next_epoch_and_what_was_spent_goes_with_the_key() {
    let shop = Shop::open(settings()).await;
    let stamps: Vec<_> = shop.batch().into_iter().map(Payment::Stamp).collect();
    shop.create(1, Some(&stamps[0])).await.unwrap();
    let old_key = shop.stamps.offer().unwrap();
    shop.clock.set(old_key.issued_until_ms);
    assert_ne!(shop.stamps.offer().unwrap().key, old_key.key);
    shop.create(2, Some(&stamps[1])).await.expect("of the epoch before");
    let asked = Asked::draw(&old_key.key, token_challenge("sea.example")).unwrap();
    let not_issued = shop.stamps.ready(StampKeyId::of(&old_key.key), &asked.hidden()).unwrap_err();
    assert_eq!(not_issued, NotIssued::OtherKey);
    shop.clock.set(old_key.honoured_until_ms - 1);
    assert_eq!(code(shop.create(3, Some(&stamps[0])).await), RefusalCode::StampSpent);
    shop.logs.sweep().await.unwrap();
    assert_eq!(shop.spent(), 2);
    shop.clock.advance(1);
    assert_eq!(code(shop.create(3, Some(&stamps[2])).await), RefusalCode::StampUnknown);
    assert_eq!(shop.create(1, Some(&stamps[0])).await.unwrap().sequence, 0, "what was done stays done");
    shop.clock.advance(DAY_MS);
    shop.logs.sweep().await.unwrap();
    assert_eq!(shop.spent(), 0);
}

#[tokio::test]
async fn work_pays_for_one_thing_and_not_for_long() {
    let shop = Shop::open(settings()).await;
    let (log, inbox) = (LogId::from([1; 16]), LogId::from([9; 16]));
    let worked = shop.work(&Payment::for_log(log));
    assert_eq!(code(shop.create(2, Some(&worked)).await), RefusalCode::StampNeeded, "it was for another log");
    let receipt = shop.create(1, Some(&worked)).await.unwrap();
    assert_eq!(shop.create(1, Some(&worked)).await.unwrap(), receipt);
    assert!(matches!(shop.stamps.check(Some(&worked), &Payment::for_knock(inbox, [1; 16].into())), Paid::Refused(_)));
    let Payment::Work { challenge, nonce } = shop.work(&Payment::for_log([3; 16].into())) else { panic!() };
    let wrong = (nonce + 1..).find(|nonce| work::zero_bits(&challenge, *nonce) < 6).unwrap();
    let not_done = Payment::Work { challenge: challenge.clone(), nonce: wrong };
    assert_eq!(code(shop.create(3, Some(&not_done)).await), RefusalCode::StampNeeded);
    shop.clock.advance(6 * 60_000);
    assert_eq!(code(shop.create(3, Some(&Payment::Work { challenge, nonce })).await), RefusalCode::StampNeeded, "too old");
    assert_eq!(shop.spent(), 0);
}

#[tokio::test]
async fn work_becomes_dearer_where_many_do_it() {
    let shop = Shop::open(settings()).await;
    let first = shop.stamps.challenge(&[0; 32], here()).1;
    let last = (0..2_000).map(|_| shop.stamps.challenge(&[0; 32], here()).1).last().unwrap();
    assert_eq!(first, 6);
    assert!(last >= 10, "{last}");
}

#[tokio::test]
async fn an_account_has_its_allowance_and_no_more_after_a_restart_either() {
    let shop = Shop::open(StampSettings { per_day: 16, saved: 32, ..settings() }).await;
    let (ann, ben) = (Person::new("ann", 1), Person::new("ben", 2));
    let people = directory(&shop.logs);
    people.sign_up(&ann.name, ann.manifest(1, &[]), ann.device.id(), ann.seats(1)).await.unwrap();
    let allowance = shop.stamps.allowance();
    for _ in 0..2 {
        people.take_stamps(ann.account(), ann.device.id(), allowance).await.unwrap();
    }
    let Err(DirectoryError::Later(refusal)) = people.take_stamps(ann.account(), ann.device.id(), allowance).await else { panic!() };
    assert_eq!((refusal.code, refusal.verdict), (RefusalCode::Quota, Verdict::Later));
    assert_eq!(people.take_stamps(ann.account(), ben.device.id(), allowance).await, Err(DirectoryError::UnknownDevice));
    assert_eq!(people.take_stamps(ben.account(), ben.device.id(), allowance).await, Err(DirectoryError::UnknownAccount));
    shop.clock.advance(refusal.retry_after_ms);
    let shop = shop.restart().await;
    let people = directory(&shop.logs);
    people.take_stamps(ann.account(), ann.device.id(), allowance).await.expect("when it was said");
    assert!(people.take_stamps(ann.account(), ann.device.id(), allowance).await.is_err());
}

#[tokio::test]
async fn nothing_on_the_disk_leads_from_a_stamp_to_who_had_it() {
    let shop = Shop::open(settings()).await;
    let ann = Person::new("ann", 1);
    let people = directory(&shop.logs);
    people.sign_up(&ann.name, ann.manifest(1, &[]), ann.device.id(), ann.seats(1)).await.unwrap();
    people.take_stamps(ann.account(), ann.device.id(), shop.stamps.allowance()).await.unwrap();
    let stamp = shop.batch().remove(0);
    shop.create(101, Some(&Payment::Stamp(stamp.clone()))).await.unwrap();
    let contains = |row: &[u8], part: &[u8]| row.windows(part.len()).any(|window| window == part);
    for (table, key, value) in shop.disk.dump() {
        let row = [&key[..], &value].concat();
        if contains(&row, &stamp.nonce[..8]) {
            assert!(matches!(table, Table::SpentStamps(_)), "{table:?}");
            assert!(value.is_empty(), "that it is spent, and nothing else");
        }
        if table == Table::Allowances {
            assert_eq!((&key[..], value.len() <= 12), (&ann.account().as_bytes()[..], true), "a day and a number");
        }
    }
}

#[tokio::test]
async fn where_none_are_asked_for_none_is_spent() {
    let shop = Shop::open(StampSettings { required: false, ..settings() }).await;
    shop.create(1, None).await.unwrap();
    let stamp = Payment::Stamp(shop.batch().remove(0));
    shop.create(2, Some(&stamp)).await.unwrap();
    assert_eq!(shop.spent(), 0);
}

#[test]
fn stored_records_stay_as_they_are() {
    use prost::Message as _;
    let record = AllowanceRecord { day: 20_454, left: 240 };
    assert_eq!(data_encoding::HEXLOWER.encode(&record.encode_to_vec()), "08e69f0110f001");
}

#[derive(Debug, Clone)]
enum Step {
    Create { log: u8, stamp: usize },
    Fail(Fault),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![Just(Fault::Lost), Just(Fault::Unproven), Just(Fault::StopBefore), Just(Fault::StopAfter)];
    prop_oneof![
        8 => (0..12_u8, 0..8_usize).prop_map(|(log, stamp)| Step::Create { log, stamp }),
        2 => fault.prop_map(Step::Fail),
        1 => Just(Step::Restart),
    ]
}

/// Asks until there is an answer that counts, as a client does: the same log with the same stamp, through whatever fails.
async fn create_at_last(mut shop: Shop, log: u8, stamp: &Payment) -> (Shop, Result<Receipt, RefusalCode>) {
    loop {
        match shop.create(log, Some(stamp)).await {
            Ok(receipt) => return (shop, Ok(receipt)),
            Err(refusal) if refusal.code == RefusalCode::Internal => {
                shop.clock.advance(2_000);
                shop = shop.restart().await;
            }
            Err(refusal) => return (shop, Err(refusal.code)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is asked in whatever order, whatever fails and whenever the process dies: as many logs as stamps spent, and
    /// no stamp for two.
    #[test]
    fn every_log_has_cost_one_stamp(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut shop = Shop::open(settings()).await;
            let stamps: Vec<_> = shop.batch().into_iter().map(Payment::Stamp).collect();
            let (mut logs, mut spent) = (BTreeSet::new(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Create { log, stamp } => {
                        let result;
                        (shop, result) = create_at_last(shop, log, &stamps[stamp]).await;
                        match result {
                            Ok(_) if logs.contains(&log) => {}
                            Ok(_) => assert!(logs.insert(log) && spent.insert(stamp)),
                            Err(code) => {
                                assert_eq!(code, RefusalCode::StampSpent);
                                assert!(spent.contains(&stamp) && !logs.contains(&log));
                            }
                        }
                    }
                    Step::Fail(fault) => *shop.fault.lock().unwrap() = Some(fault),
                    Step::Restart => shop = shop.restart().await,
                }
                assert_eq!(shop.spent(), spent.len());
                assert_eq!(logs.len(), spent.len());
            }
        });
    }
}
