//! A push that is too much, and then less than the server can take: it has to stand up again by itself, and with nothing in
//! its caches too.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{
    arrivals::Phase,
    crowd::{CONNECTIONS, Crowd, Log, Shape},
    outcome::Outcome,
    samples::{Class, Samples},
    server::Field,
};

const CALM: f64 = 0.7;
const PUSH: f64 = 10.0;

pub async fn run(field: &Field<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::new(
        "push-over",
        "0.7 of what the server can take, then ten times that much, then 0.7 again: latency and goodput must come back by themselves. Once more after \
         the server was killed and begins with nothing in memory.",
    );
    let mut server = field.start("push-over", &[])?;
    let log = Log::new();
    let mut seen = Vec::new();
    let mut peak = None;
    for cold in [false, true] {
        if cold {
            server = server.kill_and_restart()?;
        }
        let watch = server.watch(&log);
        let from = if cold { 20_000 } else { 0 };
        let shape = Shape { connections: CONNECTIONS, conversations: CONNECTIONS * 4, listening: false, from, seed: field.seed };
        let mut crowd = Crowd::gather(server.address, shape, &log).await?;
        let peak = match peak {
            Some(peak) => peak,
            None => *peak.insert(crowd.capacity(field.size(2.0, 0.3)).await),
        };
        ensure!(peak > 0.0, "the server took nothing");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let lag_before = log.lag.borrow().len();
        let (calm, push, after) = field.size((10.0, 60.0, 40.0), (3.0, 4.0, 8.0));
        let rate = |factor: f64, seconds: f64| Phase { per_second: peak * factor, seconds };
        let begin = crowd.offer(&[rate(CALM, calm), rate(field.size(PUSH, 4.0), push), rate(CALM, after)]).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        crowd.go_home(Duration::from_secs(30)).await;
        let back = back_after(&log.samples.borrow(), begin, begin + calm, begin + calm + push, begin + calm + push + after);
        let how = if cold { "with a cold cache" } else { "warm" };
        outcome.at_most(format!("back to calm, {how}"), back, field.size(30.0, after), "s");
        let late = log.lateness(lag_before);
        outcome.notes.push(format!("{how}: peak {peak:.0} a second; the generator was up to {late:.1} ms late (99 of 100)."));
        if !field.short {
            outcome.at_most(format!("the generator kept its schedule, {how}, 99 of 100"), Some(late), 20.0, "ms");
        }
        seen.extend(watch.end());
    }
    outcome.draw(&log.samples.borrow(), &seen);
    Ok(outcome)
}

/// Seconds after the push after which, to the end, everything is accepted and no second is slower than twice the slowest second of the
/// calm before (99 of 100), or 50 ms.
fn back_after(samples: &Samples, begin: f64, calm_end: f64, push_end: f64, end: f64) -> Option<f64> {
    let second = |at| samples.due_between(Class::Message, at, at + 1.0);
    let mut calm: f64 = 0.0;
    let mut at = begin + 1.0;
    while at + 1.0 <= calm_end {
        calm = calm.max(second(at).quantile(0.99)?);
        at += 0.5;
    }
    let limit = (2.0 * calm).max(50.0);
    let mut back = None;
    let mut at = end - 1.0;
    while at >= push_end {
        let second = second(at);
        if second.share_accepted() < 0.999 || second.quantile(0.99).is_none_or(|ms| ms > limit) {
            break;
        }
        back = Some(at - push_end);
        at -= 0.5;
    }
    back
}
