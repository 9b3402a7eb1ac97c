#![allow(clippy::unwrap_used)]

use alcyon_wire::RefusalCode;

use super::*;
use crate::{admission::memory::Memory, edge::lifecycle::Places, logs::ManualClock};

fn gate(start_per_second: f64) -> Arc<Gate> {
    Gate::new(AdmissionSettings { start_per_second }, Arc::new(ManualClock::new(1)), Arc::new(Metrics::new()))
}

#[tokio::test(start_paused = true)]
async fn after_the_start_newcomers_are_held_to_the_beginning_and_those_who_talk_are_not() {
    let gate = gate(1_000.0);
    let come_in = |class| (0..1_000).filter(|n| gate.admit(class, Cohort::numbered(*n)).is_ok()).count();
    // 50 ms of 1,000 appends a second, 12 appends each.
    assert_eq!(come_in(Class::SignUp), 4);
    assert_eq!((come_in(Class::Append), come_in(Class::Live)), (1_000, 1_000));
    let refusal = gate.admit(Class::SignUp, Cohort::numbered(0)).err().unwrap();
    assert_eq!(refusal.code, RefusalCode::Overloaded);
    assert!((500..1_500).contains(&refusal.retry_after_ms), "{}", refusal.retry_after_ms);
}

#[tokio::test(start_paused = true)]
async fn the_beginning_grows_while_there_is_time_to_spare() {
    let gate = gate(1_000.0);
    let lifecycle = Lifecycle::new(Arc::new(Metrics::new()), Places { all: 10, per_address: 10 }, Memory::new(u64::MAX));
    tokio::spawn(gate.clone().watch(lifecycle.clone()));
    for n in 0..100 {
        for m in 0..100 {
            let _served = gate.admit(Class::SignUp, Cohort::numbered(n + m));
        }
        sleep(WINDOW).await;
    }
    let Pressure { budget, overloaded, .. } = gate.pressure();
    assert!(budget > 10_000.0 && !overloaded, "{budget}");
    lifecycle.advance(Phase::Ended);
}

#[tokio::test(start_paused = true)]
async fn standing_work_closes_the_gate_from_below_and_it_opens_again() {
    let gate = gate(10_000.0);
    let lifecycle = Lifecycle::new(Arc::new(Metrics::new()), Places { all: 10, per_address: 10 }, Memory::new(u64::MAX));
    tokio::spawn(gate.clone().watch(lifecycle.clone()));
    let round = async |wait| {
        for n in 0..COHORTS {
            for class in [Class::Append, Class::SignUp] {
                if let Ok(permit) = gate.admit(class, Cohort::numbered(n))
                    && class == Class::SignUp
                {
                    permit.wasted();
                }
            }
        }
        gate.waited(Waiting::Store, wait);
        sleep(WINDOW).await;
    };
    for _ in 0..20 {
        round(Duration::from_millis(60)).await;
    }
    let pressure = gate.pressure();
    assert!(pressure.overloaded && pressure.ratio > 1.0, "{pressure:?}");
    assert!(pressure.level(Class::SignUp) < 0.1, "{pressure:?}");
    assert!(pressure.level(Class::Append) > pressure.level(Class::SignUp), "{pressure:?}");
    for _ in 0..120 {
        round(Duration::ZERO).await;
    }
    let pressure = gate.pressure();
    assert_eq!((pressure.overloaded, pressure.levels), (false, [1.0; 7]), "{pressure:?}");
    lifecycle.advance(Phase::Ended);
}

#[tokio::test(start_paused = true)]
async fn while_too_much_is_asked_what_waits_is_bounded_and_what_is_done_makes_room() {
    let gate = gate(10_000.0);
    let ask = |count: usize| (0..count).filter_map(|_| gate.admit(Class::Append, Cohort::numbered(0)).ok()).collect::<Vec<_>>();
    let at_once = ask(5_000);
    assert_eq!(at_once.len(), 5_000, "what comes at once in calm is no matter");
    // In a window far more was asked than the server has shown it can do.
    gate.close_window(WINDOW, Duration::ZERO);
    assert_eq!(ask(1).len(), 0);
    drop(at_once);
    let mut waiting = ask(5_000);
    assert_eq!(waiting.len(), 384, "cohort 0 is always let in, but no more than may wait");
    drop(waiting.split_off(284));
    assert_eq!(ask(5_000).len(), 100);
    assert!(gate.admit(Class::Live, Cohort::numbered(0)).is_ok(), "who reads makes room");
}

#[tokio::test(start_paused = true)]
async fn who_takes_long_over_an_upload_keeps_nobody_from_writing() {
    let gate = gate(100_000.0);
    let ask = |class, count: usize| (0..count).filter_map(|_| gate.admit(class, Cohort::numbered(0)).ok()).collect::<Vec<_>>();
    let uploads = ask(Class::Blob, 200);
    assert_eq!(uploads.len(), 200);
    let too_many = ask(Class::Append, 20_000);
    gate.close_window(WINDOW, Duration::ZERO);
    assert!(gate.pressure().ratio > 1.0);
    drop(too_many);
    assert_eq!(ask(Class::Append, 1).len(), 1, "nothing waits but uploads, and those wait for those who send them");
}

#[test]
fn coming_back_is_spread_by_how_many_they_are() {
    let gate = gate(10_000.0);
    assert_eq!(gate.reconnect_within_ms(100), 0);
    assert_eq!(gate.reconnect_within_ms(10_000), 12_000);
    assert_eq!(gate.reconnect_within_ms(u32::MAX), 600_000);
    let times: Vec<u64> = (0..1_000).map(|_| gate.goodbye_ms(100_000)).collect();
    assert!(times.iter().all(|ms| (1_000..121_000).contains(ms)));
    assert!(times.iter().filter(|ms| **ms > 61_000).count() > 400);
    assert!((0..1_000).all(|_| (1_000..10_000).contains(&gate.goodbye_ms(3))));
}

#[tokio::test]
async fn times_to_come_back_grow_with_the_overload_and_are_spread() {
    let gate = gate(1_000.0);
    gate.around_ms.store(around_ms(20.0), Ordering::Relaxed);
    let times: Vec<u64> = (0..1_000).map(|_| gate.again_ms()).collect();
    assert!(times.iter().all(|time| (10_000..30_000).contains(time)));
    let mean = times.iter().sum::<u64>() / 1_000;
    assert!((19_000..21_000).contains(&mean), "{mean}");
    gate.around_ms.store(around_ms(1e9), Ordering::Relaxed);
    assert!(gate.again_ms() <= 180_000);
}
