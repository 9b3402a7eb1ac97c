//! More messages than the server can take: what it takes must stay what it can, and be quick.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{
    arrivals::Phase,
    crowd::{CONNECTIONS, Crowd, Log, Shape},
    outcome::Outcome,
    samples::{Class, Samples},
    server::Field,
};

pub async fn run(field: &Field<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::new(
        "overload",
        "What a fresh server takes at the most is found out first: more and more is offered, until it takes no more of it. Then everybody \
         writes at 1.4 times that rate, whatever they are answered; nothing is sent twice. The same at 2 and at 10 times, each with a server \
         of its own, because a store slows down as it fills.",
    );
    for factor in field.size(&[1.4, 2.0, 10.0][..], &[2.0][..]) {
        round(field, &mut outcome, *factor).await?;
    }
    Ok(outcome)
}

async fn round(field: &Field<'_>, outcome: &mut Outcome, factor: f64) -> Result<()> {
    let server = field.start(&format!("overload-{factor}"), &[])?;
    let log = Log::new();
    let watch = server.watch(&log);
    let shape = Shape { connections: CONNECTIONS, conversations: CONNECTIONS * 2, listening: false, from: 0, seed: field.seed };
    let mut crowd = Crowd::gather(server.address, shape, &log).await?;
    let peak = crowd.capacity(field.size(2.0, 0.3)).await;
    ensure!(peak > 0.0, "the server took nothing");
    // Whoever still waits from before is not this round's matter.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let lag_before = log.lag.borrow().len();
    let seconds = field.size(20.0, 4.0);
    let begin = crowd.offer(&[Phase { per_second: peak * factor, seconds }]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let late = log.lateness(lag_before);
    judge(field, outcome, &log.samples.borrow(), Round { factor, peak, begin, seconds, late });
    crowd.go_home(Duration::from_secs(10)).await;
    outcome.draw_round(&format!(" at {factor} times"), &log.samples.borrow(), &watch.end());
    Ok(())
}

struct Round {
    factor: f64,
    peak: f64,
    begin: f64,
    seconds: f64,
    /// How late the generator was, 99 of 100, milliseconds.
    late: f64,
}

fn judge(field: &Field<'_>, outcome: &mut Outcome, samples: &Samples, round: Round) {
    let Round { factor, peak, begin, seconds, late } = round;
    let end = begin + seconds;
    let done = samples.done_between(Class::Message, begin, end);
    let due = samples.due_between(Class::Message, begin, end);
    #[allow(clippy::cast_precision_loss)] // counts
    let (goodput, offered) = (done.accepted as f64 / seconds, due.offered as f64 / seconds);
    outcome.notes.push(format!(
        "{factor} times a peak of {peak:.0} messages a second: {offered:.0} were offered, {goodput:.0} taken, {} refused later, {} not answered; the generator was up to {late:.1} ms late \
         (99 of 100).",
        due.later, due.unanswered
    ));
    if !field.short {
        // A generator that can't offer that much does not make this pass.
        outcome.at_least(format!("offered at {factor} times, of the peak"), offered / peak, 0.95 * factor, "times");
    }
    outcome.mark(format!("answered at {factor} times"), "all, or refused", format!("{} were not", due.unanswered), due.unanswered == 0);
    // Where others use the machine, a peak measured for two seconds is no precise thing, and the generator may be what is slow.
    outcome.at_least(format!("goodput at {factor} times, of the peak"), goodput / peak * 100.0, field.size(90.0, 20.0), "%");
    if !field.short {
        outcome.at_most(format!("the generator kept its schedule at {factor} times, 99 of 100"), Some(late), 20.0, "ms");
        outcome.at_most(format!("settled at {factor} times"), settled(samples, begin, end, peak), 500.0, "ms");
        outcome.at_most(format!("95 of 100 accepted at {factor} times"), due.quantile(0.95), 50.0, "ms");
    }
}

/// Milliseconds after which, to the end, goodput is 90 % of the peak and 95 of 100 accepted within 50 ms.
fn settled(samples: &Samples, begin: f64, end: f64, peak: f64) -> Option<f64> {
    const STEP: f64 = 0.1;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small
    let steps = ((end - begin) / 2.0 / STEP) as u32;
    (0..steps).map(|step| f64::from(step) * STEP).find_map(|after| {
        let from = begin + after;
        #[allow(clippy::cast_precision_loss)] // a count
        let goodput = samples.done_between(Class::Message, from, end).accepted as f64 / (end - from);
        let quick = samples.due_between(Class::Message, from, end).quantile(0.95).is_some_and(|ms| ms <= 50.0);
        (goodput >= 0.9 * peak && quick).then_some(after * 1000.0)
    })
}
