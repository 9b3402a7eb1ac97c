#![allow(clippy::unwrap_used)]

use alcyon_wire::Verdict;
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::{
    directory::DirectorySettings,
    logs::{LogSettings, ManualClock, WriterMode},
    store::{Fault, FaultyStore, MemoryStore},
};

const START_MS: u64 = 1_767_225_600_000;

type TestStore = FaultyStore<MemoryStore>;

struct Office {
    disk: Arc<MemoryStore>,
    fault: Arc<Mutex<Option<Fault>>>,
    clock: Arc<ManualClock>,
    directory: Directory<TestStore>,
    reports: Reports<TestStore>,
    settings: ReportSettings,
}

impl Office {
    fn open(settings: ReportSettings) -> Self {
        Self::over(Arc::default(), Arc::new(ManualClock::new(START_MS)), settings)
    }

    fn over(disk: Arc<MemoryStore>, clock: Arc<ManualClock>, settings: ReportSettings) -> Self {
        let fault: Arc<Mutex<Option<Fault>>> = Arc::default();
        let next = fault.clone();
        let store = Arc::new(TestStore::new(disk.clone(), move |_: u64| next.lock().unwrap().take()));
        let log_settings = LogSettings { writer: WriterMode::Inline, ..LogSettings::default() };
        let logs = Logs::open(store, log_settings, clock.clone()).unwrap();
        let home = DirectorySettings { server_name: "sea.example".to_owned(), server_url: "https://sea.example".parse().unwrap() };
        let directory = Directory::new(logs.clone(), home);
        let reports = Reports::open(logs, settings.clone(), clock.clone()).unwrap();
        Self { disk, fault, clock, directory, reports, settings }
    }

    fn restart(self) -> Self {
        let Self { disk, clock, settings, .. } = self;
        Self::over(disk, clock, settings)
    }

    async fn take(&self, by: u8, id: u8) -> Result<(), DirectoryError> {
        self.reports.take(&self.directory, account(by), ReportId([id; 16]), &report("rude words")).await
    }

    fn rows(&self) -> usize {
        self.disk.dump().into_iter().filter(|(table, ..)| *table == Table::Reports).count()
    }
}

fn account(n: u8) -> AccountId {
    AccountId::from([n; 32])
}

fn report(text: &str) -> Report {
    Report {
        about: About::Person { account: account(9), handle: "mal@sea.example".to_owned() },
        reason: "abuse".to_owned(),
        words: "again and again".to_owned(),
        messages: vec![ReportedMessage { by: "mal@sea.example".to_owned(), sent_at_ms: START_MS, text: text.to_owned() }],
        from: None,
    }
}

fn settings(kept: u32, per_day: u32) -> ReportSettings {
    ReportSettings { kept, per_day, ..ReportSettings::default() }
}

fn refused_until(result: Result<(), DirectoryError>) -> u64 {
    let Err(DirectoryError::Later(refusal)) = result else { panic!("{result:?}") };
    assert_eq!((refusal.code, refusal.verdict), (RefusalCode::Quota, Verdict::Later));
    refusal.retry_after_ms
}

#[tokio::test]
async fn a_report_is_kept_through_a_restart_and_says_nothing_of_its_reporter() {
    let office = Office::open(settings(10, 5));
    office.take(1, 7).await.unwrap();
    let office = office.restart();
    let (id, record) = office.reports.list().unwrap().pop().unwrap();
    assert_eq!((id, record), (ReportId([7; 16]), ReportRecord::of(&report("rude words"), START_MS)));
    for (_, key, value) in office.disk.dump() {
        for bytes in [key.to_vec(), value.to_vec()] {
            assert!(!bytes.windows(32).any(|window| window == account(1).as_bytes()));
            assert!(!String::from_utf8_lossy(&bytes).contains(&account(1).to_text()));
        }
    }
}

#[tokio::test]
async fn an_account_sends_so_many_a_day_and_the_same_again_counts_once() {
    let office = Office::open(settings(10, 2));
    for _ in 0..5 {
        office.take(1, 1).await.unwrap();
    }
    office.take(1, 2).await.unwrap();
    let wait_ms = refused_until(office.take(1, 3).await);
    assert_eq!((START_MS + wait_ms) % DAY_MS, 0, "from the next day on");
    office.take(1, 2).await.unwrap();
    office.take(2, 4).await.unwrap();
    office.clock.advance(wait_ms);
    office.take(1, 3).await.unwrap();
    assert_eq!(office.rows(), 4);
}

#[tokio::test]
async fn there_is_room_for_so_many_until_they_are_cleared_or_their_time_is_over() {
    let office = Office::open(settings(2, 5));
    office.take(1, 1).await.unwrap();
    office.clock.advance(DAY_MS);
    office.take(1, 2).await.unwrap();
    refused_until(office.take(2, 3).await);
    assert_eq!(office.reports.clear(&office.directory, Some(ReportId([8; 16]))).await.unwrap(), 0);
    assert_eq!(office.reports.clear(&office.directory, Some(ReportId([2; 16]))).await.unwrap(), 1);
    office.take(2, 3).await.unwrap();
    let retention_ms = u64::try_from(office.settings.retention.as_millis()).unwrap();
    office.clock.advance(retention_ms - DAY_MS);
    assert_eq!(office.reports.list().unwrap().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ReportId([3; 16])], "shown no more");
    office.reports.sweep(&office.directory).await.unwrap();
    assert_eq!(office.rows(), 1, "and gone");
    office.take(3, 4).await.unwrap();
    assert_eq!(office.reports.clear(&office.directory, None).await.unwrap(), 2);
    assert_eq!((office.rows(), office.reports.list().unwrap().len()), (0, 0));
}

#[tokio::test]
async fn what_could_not_be_written_takes_no_room() {
    let office = Office::open(settings(1, 5));
    *office.fault.lock().unwrap() = Some(Fault::Lost);
    office.take(1, 1).await.unwrap_err();
    assert_eq!(office.rows(), 0);
    let office = office.restart();
    office.take(1, 2).await.unwrap();
}

#[tokio::test]
async fn where_none_are_wanted_none_are_taken() {
    refused_until(Office::open(settings(0, 5)).take(1, 1).await);
    refused_until(Office::open(settings(5, 0)).take(1, 1).await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whoever sends whatever: no more than there is room for, no more of anybody a day than the limit.
    #[test]
    fn the_bounds_hold(kept in 0..6_u32, per_day in 0..4_u32, sent in proptest::collection::vec((0..3_u8, any::<u8>(), 0..3_u64), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let office = Office::open(settings(kept, per_day));
            let (mut day, mut today) = (0, HashMap::<u8, u32>::new());
            for (by, id, days) in sent {
                office.clock.advance(days * DAY_MS);
                if days > 0 {
                    (day, today) = (day + days, HashMap::new());
                }
                let known = office.reports.state().kept.contains_key(&ReportId([id; 16]));
                if office.take(by, id).await.is_ok() && !known {
                    *today.entry(by).or_default() += 1;
                }
                prop_assert!(today.values().all(|sent| *sent <= per_day));
                prop_assert!(office.rows() <= kept as usize);
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_stored_report_stays_as_it_is() {
    let group = Report { about: About::Group { title: "boats".to_owned() }, from: Some(account(1)), ..report("rude words") };
    let hex = |report: &Report| HEXLOWER.encode(&ReportRecord::of(report, START_MS).encode_to_vec());
    insta::assert_snapshot!(format!("key {}\nperson {}\ngroup {}", ReportId([7; 16]), hex(&report("rude words")), hex(&group)));
}
