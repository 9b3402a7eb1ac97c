//! The rules against a simulated server: one core, a writer that commits in groups, clients who do not wait for answers.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::time::{Duration, Instant};

use super::{
    class::Class,
    cohort::{COHORTS, Cohort},
    controller::{Controller, Verdicts, Window},
    gate::WINDOW,
    queue::{Lane, Queue, Queued},
};

/// What one append takes; the others as many times as they weigh.
const APPEND: Duration = Duration::from_micros(50);
/// A commit of a group, however small.
const FLUSH: Duration = Duration::from_millis(1);
/// 3 % of an append.
const REFUSAL: Duration = Duration::from_nanos(1_500);
const GROUP: usize = 200;
const REDRAWN: Duration = Duration::from_millis(10);

/// Weight a second that the simulated server can do in groups of appends.
fn peak() -> f64 {
    GROUP as f64 / (APPEND * GROUP as u32 + FLUSH).as_secs_f64()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// To the next of `rate` a second.
    fn gap(&mut self, rate: f64) -> Duration {
        Duration::from_secs_f64(-(1.0 - self.next()).ln() / rate)
    }
}

/// Weight a second by class, from this time on.
type Load = fn(f64) -> [f64; 7];

struct Done {
    class: Class,
    at: f64,
    took: f64,
}

struct Asked {
    class: Class,
    since: Duration,
}

#[derive(Default)]
struct Run {
    done: Vec<Done>,
    /// By class.
    asked: [usize; 7],
    /// When somebody was sent away.
    refused: Vec<f64>,
}

/// What a group takes longer that begins at this time, because the disk does something else.
type Hang = fn(f64) -> Duration;

/// Runs the server for so many seconds under a load.
fn run(seconds: f64, start_per_second: f64, load: Load) -> Run {
    run_on(seconds, start_per_second, load, |_| Duration::ZERO)
}

/// The same on a disk that hangs now and then.
fn run_on(seconds: f64, start_per_second: f64, load: Load, hang: Hang) -> Run {
    let epoch = Instant::now();
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let mut controller = Controller::new(start_per_second);
    let mut verdicts = controller.verdicts();
    let (mut queue, mut run): (Queue<Asked>, Run) = Default::default();
    let mut window = empty_window();
    let mut left = counts(&verdicts);
    let mut next_window = WINDOW;
    let (mut now, mut last_took, mut least_wait) = (Duration::ZERO, Duration::ZERO, None::<Duration>);
    let mut arrival = [Duration::ZERO; 7];
    for class in Class::ALL {
        arrival[class.index()] = random.gap(load(0.0)[class.index()].max(1e-6) / f64::from(class.weight().max(1))).min(REDRAWN);
    }
    while now.as_secs_f64() < seconds {
        // What has come by now.
        loop {
            let class = Class::ALL.into_iter().min_by_key(|class| arrival[class.index()]).unwrap();
            let at = arrival[class.index()];
            if at.min(next_window) > now {
                break;
            }
            if next_window <= at {
                (window.length, window.queueing, window.group) = (WINDOW, least_wait.take().unwrap_or_default(), last_took);
                verdicts = controller.window(&std::mem::replace(&mut window, empty_window()));
                left = counts(&verdicts);
                next_window += WINDOW;
                continue;
            }
            let rate = load(at.as_secs_f64())[class.index()].max(1e-6) / f64::from(class.weight().max(1));
            let gap = random.gap(rate);
            // Loads change: who would come much later is drawn anew.
            arrival[class.index()] = at + gap.min(REDRAWN);
            if gap > REDRAWN {
                continue;
            }
            let cohort = Cohort::numbered((random.next() * COHORTS as f64) as usize);
            window.offered[class.index()][cohort.index()] += 1;
            run.asked[class.index()] += 1;
            let share = verdicts.shares[class.index()];
            let counted = class > Class::Append;
            let room = if counted { left[class.index()] > 0 } else { (queue.len() as f64) < verdicts.waiting };
            window.held |= share.takes(cohort) && !room && !counted;
            if share.takes(cohort) && room {
                left[class.index()] = left[class.index()].saturating_sub(1);
                window.admitted += u64::from(class.weight());
                // What a group holds is counted in weight here.
                let bytes = class.weight() as usize;
                queue.push(Queued { item: Asked { class, since: at }, lane: Lane::next(), class, since: epoch + at, bytes });
            } else {
                now += REFUSAL;
                run.refused.push(at.as_secs_f64());
            }
        }
        let standing = queue.begin(epoch + now, last_took, verdicts.calm);
        let past = queue.past(epoch + now, last_took, |_| false);
        run.refused.extend(past.iter().map(|_| now.as_secs_f64()));
        now += REFUSAL * past.len() as u32;
        let group = queue.take(GROUP, GROUP);
        if group.is_empty() {
            now = arrival.into_iter().min().unwrap().min(next_window).max(now);
            last_took = Duration::ZERO;
            least_wait = Some(Duration::ZERO);
            continue;
        }
        least_wait = Some(least_wait.map_or(standing, |least| least.min(standing)));
        last_took = FLUSH + APPEND * group.iter().map(|asked| asked.class.weight()).sum::<u32>() + hang(now.as_secs_f64());
        now += last_took;
        for Asked { class, since } in group {
            window.served += u64::from(class.weight());
            run.done.push(Done { class, at: now.as_secs_f64(), took: (now - since).as_secs_f64() });
        }
    }
    run
}

fn empty_window() -> Window {
    let offered = vec![[0; COHORTS]; 7].try_into().unwrap();
    Window {
        length: Duration::ZERO,
        queueing: Duration::ZERO,
        arriving: Duration::ZERO,
        offered,
        admitted: 0,
        served: 0,
        group: Duration::ZERO,
        held: false,
    }
}

fn counts(verdicts: &Verdicts) -> [u32; 7] {
    verdicts.shares.map(|share| (share.most * WINDOW.as_secs_f64()).clamp(1.0, 1e9) as u32)
}

impl Run {
    /// Weight a second that was done in this time.
    fn goodput(&self, from: f64, to: f64) -> f64 {
        let weight: u32 = self.done.iter().filter(|done| (from..to).contains(&done.at)).map(|done| done.class.weight()).sum();
        f64::from(weight) / (to - from)
    }

    /// Seconds that so many of those done in this time took at most.
    fn took(&self, part: f64, from: f64, to: f64) -> f64 {
        let mut took: Vec<f64> = self.done.iter().filter(|done| (from..to).contains(&done.at)).map(|done| done.took).collect();
        took.sort_by(f64::total_cmp);
        took[((took.len() - 1) as f64 * part) as usize]
    }

    /// The part of what a class asked for that was done.
    fn served(&self, class: Class) -> f64 {
        self.done.iter().filter(|done| done.class == class).count() as f64 / self.asked[class.index()].max(1) as f64
    }
}

fn appends(rate: f64) -> [f64; 7] {
    [0.0, rate, 0.0, 0.0, 0.0, 0.0, 0.0]
}

/// Calm for a second, then too much, at once. `part` of the peak is what refusing leaves.
fn check_plateau(load: Load, part: f64) {
    let run = run(8.0, 10_000.0, load);
    let peak = peak();
    assert!(run.goodput(0.2, 1.0) < 0.6 * peak);
    for tenth in 15..79 {
        let from = f64::from(tenth) / 10.0;
        let p95 = run.took(0.95, from, from + 0.1);
        assert!(p95 < 0.05, "{from:.1} s: p95 is {p95:.3} s");
    }
    for tenth in 15..75 {
        let from = f64::from(tenth) / 10.0;
        let goodput = run.goodput(from, from + 0.5) / peak;
        assert!(goodput >= 0.9 * part, "{from:.1} s: {goodput:.3} of the peak, of {part:.3}");
    }
}

#[test]
fn at_1_4_of_what_it_can_do_the_server_does_what_it_can() {
    check_plateau(|at| appends(peak() * if at < 1.0 { 0.5 } else { 1.4 }), 1.0);
}

#[test]
fn at_twice_of_what_it_can_do_the_server_does_what_it_can() {
    check_plateau(|at| appends(peak() * if at < 1.0 { 0.5 } else { 2.0 }), 1.0);
}

#[test]
fn at_ten_times_of_what_it_can_do_the_server_does_what_it_can() {
    // Nine tenths are refused at 3 % each, on the same core: no limiter gets that back.
    let part = 1.0 - 9.0 * peak() * REFUSAL.as_secs_f64();
    check_plateau(|at| appends(peak() * if at < 1.0 { 0.5 } else { 10.0 }), part);
}

#[test]
fn those_who_talk_do_not_notice_a_flood_of_newcomers() {
    let run =
        run(8.0, 10_000.0, |at| [0.0, 0.4 * peak(), 0.02 * peak(), 0.02 * peak(), 0.0, 0.0, if at < 1.0 { 0.0 } else { 62.0 * peak() }]);
    for class in [Class::Append, Class::Resume, Class::Commit] {
        assert!(run.served(class) >= 0.999, "{class:?}: {}", run.served(class));
    }
    assert!(run.served(Class::SignUp) > 0.002, "{}", run.served(Class::SignUp));
}

#[test]
fn pushed_over_it_comes_back_by_itself() {
    let load: Load = |at| appends(peak() * if (1.0..9.0).contains(&at) { 10.0 } else { 0.7 });
    let run = run(14.0, 10_000.0, load);
    for tenth in 105..139 {
        let (from, to) = (f64::from(tenth) / 10.0, f64::from(tenth) / 10.0 + 0.1);
        assert!(run.goodput(from, to) > 0.6 * peak(), "{from:.1} s: {}", run.goodput(from, to) / peak());
        assert!(run.took(0.95, from, to) < 0.03, "{from:.1} s: {}", run.took(0.95, from, to));
    }
}

/// For a seventh of a second, every two seconds.
fn now_and_then(at: f64) -> Duration {
    if at % 2.0 < 0.01 && at > 1.0 { Duration::from_millis(140) } else { Duration::ZERO }
}

#[test]
fn a_disk_that_hangs_for_a_moment_makes_what_can_be_done_wait_and_not_come_again() {
    let run = run_on(12.0, 10_000.0, |_| appends(0.7 * peak()), now_and_then);
    assert_eq!(run.refused.len(), 0);
    assert!(run.took(0.999, 1.0, 12.0) < 0.2, "{}", run.took(0.999, 1.0, 12.0));
}

#[test]
fn after_a_push_a_disk_that_hangs_for_a_moment_is_no_overload_either() {
    let load: Load = |at| appends(peak() * if (1.0..5.0).contains(&at) { 10.0 } else { 0.7 });
    let run = run_on(14.0, 10_000.0, load, now_and_then);
    assert!(run.refused.iter().any(|at| *at < 5.0));
    let refused = run.refused.iter().filter(|at| **at > 6.0).count();
    assert_eq!(refused, 0);
}

#[test]
fn a_disk_that_has_become_slow_is_overload_soon() {
    let slow: Hang = |at| if at > 2.0 { Duration::from_millis(30) } else { Duration::ZERO };
    let run = run_on(8.0, 10_000.0, |_| appends(0.9 * peak()), slow);
    for tenth in 30..79 {
        let from = f64::from(tenth) / 10.0;
        assert!(run.took(0.95, from, from + 0.1) < 0.2, "{from:.1} s: {}", run.took(0.95, from, from + 0.1));
    }
}

/// What can be done goes up and down, as with a store that sorts what it has now and then.
fn sorting(at: f64, every: f64) -> Duration {
    if at % every < every / 2.0 { FLUSH + APPEND * GROUP as u32 * 2 / 5 } else { Duration::ZERO }
}

#[test]
fn where_what_can_be_done_goes_up_and_down_what_is_taken_is_quick() {
    // From a little more than it can do while it sorts to a little more than it can do while it does not.
    let loads: [Load; 4] = [|_| appends(0.8 * peak()), |_| appends(0.9 * peak()), |_| appends(0.97 * peak()), |_| appends(1.05 * peak())];
    let sorts: [Hang; 3] = [|at| sorting(at, 1.2), |at| sorting(at, 2.6), |at| sorting(at, 5.0)];
    for load in loads {
        for sorts in sorts {
            let run = run_on(20.0, 10_000.0, load, sorts);
            let p95 = run.took(0.95, 2.0, 20.0);
            assert!(p95 < 0.05, "{p95} s at {:?}", load(0.0));
            assert!(run.goodput(2.0, 20.0) > 0.73 * peak(), "{}", run.goodput(2.0, 20.0) / peak());
        }
    }
}

#[test]
fn after_a_moment_in_which_the_disk_hung_as_much_is_taken_as_before() {
    let load: Load = |at| appends(peak() * if at < 1.0 { 0.5 } else { 1.4 });
    let run = run_on(14.0, 10_000.0, load, now_and_then);
    let after: f64 = [4.0, 6.0, 8.0, 10.0, 12.0].map(|hung| run.goodput(hung + 0.3, hung + 0.7)).iter().sum();
    assert!(after / 5.0 > 0.94 * peak(), "{}", after / 5.0 / peak());
}

#[test]
fn a_cold_start_under_full_load_ramps_up_without_a_queue() {
    // All come back at once, each to resume.
    let run = run(6.0, 2_000.0, |_| [0.0, 0.0, 3.0 * peak(), 0.0, 0.0, 0.0, 0.0]);
    assert!(run.goodput(0.0, 0.1) < 0.4 * peak());
    assert!(run.goodput(2.5, 6.0) > 0.9 * peak(), "{}", run.goodput(2.5, 6.0) / peak());
    assert!(run.took(0.95, 0.0, 6.0) < 0.05, "{}", run.took(0.95, 0.0, 6.0));
}

#[test]
fn where_few_ask_for_much_the_estimate_does_not_stay_at_what_one_of_them_gets() {
    // Some ask for a tenth of what the server can do, and three of them are in one cohort: it comes in whole or not at all.
    const EACH: u32 = 200;
    const CAN: u32 = 10 * EACH;
    let mut controller = Controller::new(1_000.0);
    let mut verdicts = controller.verdicts();
    let mut asks = [0; COHORTS];
    asks[0] = EACH;
    asks[1..9].fill(3 * EACH);
    let mut done = 0;
    for number in 0..400 {
        let let_in: u32 = (0..COHORTS)
            .filter(|cohort| verdicts.shares[Class::Append.index()].takes(Cohort::numbered(*cohort)))
            .map(|cohort| asks[cohort])
            .sum();
        let mut window = empty_window();
        window.length = WINDOW;
        window.offered[Class::Append.index()] = asks;
        // A disk that hung for a while: after it the estimate is two and a half times what the first one asks for.
        let hung = number < 40;
        done = if hung { EACH * 5 / 2 } else { let_in.min(CAN) };
        window.queueing = if hung || let_in > CAN { Duration::from_millis(20) } else { Duration::ZERO };
        (window.admitted, window.served) = (u64::from(done), u64::from(done));
        verdicts = controller.window(&window);
    }
    assert!(done >= 7 * EACH, "{done} of {CAN}");
}
