//! Newcomers: more of them than may come in, and as many as came on the day that counts most.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use alcyon_sim::{light::random_bytes, sign_up::SignUp};
use alcyon_wire::{AccountId, ServerUrl};
use anyhow::{Result, bail};
use serde_json::Value;

use crate::{
    arrivals::{Arrivals, Phase},
    beside::Beside,
    crowd::{Crowd, Log, Shape, micros},
    newcomer::{Newcomer, arrival_of, ask, exchange, work},
    outcome::Outcome,
    samples::{Class, Fate, Samples},
    server::Field,
    wire::{BAND, source},
};

/// 810 a second on average, and four times that in the worst minute: what came to one messenger when two others were dark.
const RECORD: f64 = 810.0;

pub async fn record_day(field: &Field<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::new(
        "record-day",
        "People sign up at 810 a second, then at 3,240, then at 810 again, each on a connection of their own. Every request was signed before. Of those \
         who are not let in at once a sample stays: it asks for a ticket, works, waits in line and comes in, as the client does; the others are not \
         seen again, for their work would take more cores than the generator has.",
    );
    let server = field.start("record-day", &[])?;
    let log = Log::new();
    let rate = |factor: f64, seconds: f64| Phase { per_second: RECORD * factor, seconds };
    let phases = field.size([rate(1.0, 60.0), rate(4.0, 60.0), rate(1.0, 30.0)], [rate(0.1, 4.0), rate(0.2, 4.0), rate(0.1, 2.0)]);
    let arrivals: Vec<Duration> = Arrivals::new(&phases, field.seed).collect();
    let newcomers =
        (0..arrivals.len()).map(|index| newcomer(server.process.url(), &format!("r{index:06}"), index)).collect::<Result<Vec<_>>>()?;
    let watch = server.watch(&log);
    let line = Rc::new(RefCell::new(Events::default()));
    let every = field.size(64, 4);
    let begin = offer(server.address, &log, &arrivals, newcomers, every, &line).await;
    let samples = log.samples.borrow();
    let mut from = begin;
    for (phase, name) in phases.iter().zip(["810 a second", "the peak", "810 a second after it"]) {
        let figures = samples.due_between(Class::SignUp, from, from + phase.seconds);
        from += phase.seconds;
        let p99 = figures.quantile(0.99).unwrap_or(f64::INFINITY);
        outcome.notes.push(format!(
            "{name} ({:.0} a second): {} of {} came in, {} were refused later, {} not answered; 99 of 100 within {p99:.0} ms.",
            phase.per_second, figures.accepted, figures.offered, figures.later, figures.unanswered
        ));
        if name == "the peak" {
            outcome.mark(format!("{name}: answered"), "all", format!("{} were not", figures.unanswered), figures.unanswered == 0);
        } else {
            outcome.at_least(format!("{name}: who came in"), figures.share_accepted() * 100.0, 99.9, "%");
            if !field.short {
                outcome.at_most(format!("{name}: without a queue, 99 of 100"), figures.quantile(0.99), 1_000.0, "ms");
            }
        }
    }
    let line = line.borrow();
    outcome.mark(
        "of those who stayed in line came in",
        format!("{}", line.stayed),
        format!("{}", line.came_in),
        line.came_in == line.stayed,
    );
    outcome.notes.push(format!(
        "{} stayed in line, the last of them was in {:.0} s after the peak.",
        line.stayed,
        (line.last_in - begin - phases[0].seconds - phases[1].seconds).max(0.0)
    ));
    outcome.draw(&samples, &watch.end());
    Ok(outcome)
}

/// How many newcomers a second may come in: 62 and 100 times this many want to.
const CAPACITY: f64 = 20.0;
const FLAG: &str = "--sign-ups-per-second";

pub async fn exodus(field: &Field<'_>) -> Result<Outcome> {
    let people = field.size(1_000, 50);
    let mut outcome = Outcome::new(
        "exodus",
        format!(
            "{people} conversations go on. Then people want to sign up at 62 and 100 times of the {CAPACITY} a second who may. A sample of them asks for a \
             ticket, works if it has to, waits and comes in; all others ask once, come in if there is no line, and are not seen again otherwise."
        ),
    );
    let flag = format!("{FLAG}={CAPACITY}");
    let limited = has_flag(FLAG)?;
    let arguments = if limited { vec![flag.as_str()] } else { Vec::new() };
    let server = field.start("exodus", &arguments)?;
    let log = Log::new();
    let watch = server.watch(&log);
    let shape = Shape { connections: people, conversations: people, listening: true, from: 0, seed: field.seed };
    let mut crowd = Crowd::gather(server.address, shape, &log).await?;
    let (calm, storm) = field.size((20.0, 60.0), (4.0, 6.0));
    let per_second = field.size(500.0, 50.0);
    let begin = crowd.offer(&[Phase { per_second, seconds: calm }]).await;
    let factors = field.size(&[62.0, 100.0][..], &[10.0][..]);
    let sample = field.size(1_000, 20) / factors.len();
    let (mut came_in, mut violations, mut expected, mut late) = (0, 0, 0, 0.0_f64);
    for factor in factors {
        let arrivals: Vec<Duration> = Arrivals::new(&[Phase { per_second: CAPACITY * factor, seconds: storm }], field.seed).collect();
        let every = (arrivals.len() / sample.max(1)).max(1);
        let newcomers = (0..arrivals.len().div_ceil(every))
            .map(|index| newcomer(server.process.url(), &format!("e{factor}-{index:06}"), index * every))
            .collect::<Result<Vec<_>>>()?;
        expected += newcomers.len();
        let passing = (0..field.size(3_000, 300))
            .map(|index| newcomer(server.process.url(), &format!("p{factor}-{index:06}"), index))
            .collect::<Result<Vec<_>>>()?;
        let wanted = arrivals.len();
        let (address, origin) = (server.address, log.origin);
        let newcomers = Beside::start("newcomers", move || besiege(address, origin, arrivals, newcomers, every, passing))?;
        let stormed = crowd.offer(&[Phase { per_second, seconds: storm }]).await;
        let (line, sign_ups) = newcomers.end().await?;
        log.samples.borrow_mut().append(sign_ups);
        late = late.max(line.late);
        came_in += line.came_in;
        violations += line.out_of_order();
        let samples = log.samples.borrow();
        let quiet = samples.due_between(Class::Message, begin, begin + calm).quantile(0.99).unwrap_or(0.0);
        let served = samples.due_between(Class::Message, stormed, stormed + storm);
        outcome.at_least(format!("messages served at {factor} times"), served.share_accepted() * 100.0, 99.9, "%");
        let limit = if field.short { (20.0 * quiet).max(500.0) } else { 1.5 * quiet };
        outcome.at_most(format!("99 of 100 messages at {factor} times (calm: {quiet:.2} ms)"), served.quantile(0.99), limit, "ms");
        outcome.notes.push(format!(
            "{factor} times: {} wanted to sign up, {} of them in the sample; {} answers said open, {} work (up to {} bits), {} wait, {} something else; \
             {} of the sample came in.",
            wanted, wanted.div_ceil(every), line.open, line.work, line.most_bits, line.wait, line.other, line.came_in
        ));
    }
    if !field.short {
        outcome.at_most("the generator kept its schedule, 99 of 100", Some(log.lateness(0)), 20.0, "ms");
        outcome.at_most("newcomers came when they should, 99 of 100", Some(late), 100.0, "ms");
    }
    outcome.mark("of the sample came in", format!("{expected}"), format!("{came_in}"), came_in == expected);
    let order = if limited {
        format!("{violations} waited while somebody came in who had come more than 1 s later")
    } else {
        "there is no line yet".to_owned()
    };
    outcome.mark("admission in the order of arrival", "nobody waits behind later ones", order, limited && violations == 0);
    crowd.go_home(Duration::from_secs(10)).await;
    outcome.draw(&log.samples.borrow(), &watch.end());
    Ok(outcome)
}

fn has_flag(flag: &str) -> Result<bool> {
    let help = std::process::Command::new(alcyon_sim::process::program("alcyon-server")?).arg("--help").output()?;
    Ok(String::from_utf8_lossy(&help.stdout).contains(flag))
}

/// What happened at the line.
#[derive(Default)]
struct Events {
    open: usize,
    work: usize,
    wait: usize,
    other: usize,
    most_bits: u64,
    came_in: usize,
    /// How late those came who were to come, 99 of 100, milliseconds.
    late: f64,
    /// Those of the record day who were not let in at once and stayed, and when the last of them was in, seconds.
    stayed: usize,
    last_in: f64,
    /// Requests of those who are not of the sample, for the moments in which the way in is open.
    passing: Vec<Newcomer>,
    /// When somebody was told what, when they had arrived by their ticket (milliseconds), and whether they may come in.
    told: Vec<(u32, u64, bool)>,
}

impl Events {
    /// Those who were told to wait although somebody who had arrived more than a second later was already let in.
    fn out_of_order(&self) -> usize {
        let mut told = self.told.clone();
        told.sort_unstable();
        let mut latest = 0;
        let mut violations = 0;
        for (_, arrival, ready) in told {
            if ready {
                latest = latest.max(arrival);
            } else if arrival + 1_000 < latest {
                violations += 1;
            }
        }
        violations
    }
}

/// So long the sample waits in all.
const SAMPLE_PATIENCE: Duration = Duration::from_secs(180);

/// All arrivals ask for a ticket at their time; every `every`th is of the sample and stays. What happened, and what it took.
async fn besiege(
    server: SocketAddr,
    origin: Instant,
    arrivals: Vec<Duration>,
    sample: Vec<Newcomer>,
    every: usize,
    passing: Vec<Newcomer>,
) -> (Events, Samples) {
    let log = Log::since(origin);
    let line = Rc::new(RefCell::new(Events { passing, ..Events::default() }));
    let begin = log.origin.elapsed();
    let mut sample = sample.into_iter();
    let mut staying = Vec::new();
    for (index, at) in arrivals.iter().enumerate() {
        let due = begin + *at;
        let now = log.origin.elapsed();
        if due > now {
            tokio::time::sleep(due - now).await;
        }
        log.lag.borrow_mut().push(micros(log.origin.elapsed().saturating_sub(due)));
        let (log, line) = (log.clone(), line.clone());
        let stays = if index % every == 0 { sample.next() } else { None };
        let task = tokio::task::spawn_local(async move {
            let due = micros(due);
            match stays {
                Some(newcomer) => {
                    let came = tokio::time::timeout(SAMPLE_PATIENCE, stand_in_line(server, newcomer, &log, &line)).await;
                    let fate = if matches!(came, Ok(Ok(()))) { Fate::Accepted } else { Fate::Unanswered };
                    line.borrow_mut().came_in += usize::from(fate == Fate::Accepted);
                    log.done(Class::SignUp, fate, due);
                }
                None => {
                    let account = AccountId::from(random_bytes()).to_text();
                    let asked = tokio::time::timeout(PATIENCE, ask(server, source((100 + index) * BAND), &account, None)).await;
                    let Ok(Ok(answer)) = asked else { return };
                    line.borrow_mut().count(&answer);
                    // Whoever needs no ticket is in at once. (The name that asked is another's: nothing was promised to it.)
                    let comer = if answer["state"] == "open" { line.borrow_mut().passing.pop() } else { None };
                    if let Some(comer) = comer {
                        let _refused_or_late = tokio::time::timeout(PATIENCE, comer.sign_up(server, None)).await;
                    }
                }
            }
        });
        if index % every == 0 {
            staying.push(task);
        }
    }
    for one in staying {
        // A task that did not end has counted nothing, and counts as that.
        let _ended = one.await;
    }
    line.borrow_mut().late = log.lateness(0);
    (line.take(), log.samples.take())
}

impl Events {
    fn count(&mut self, answer: &Value) {
        match answer["state"].as_str() {
            Some("open") => self.open += 1,
            Some("work") => {
                self.work += 1;
                self.most_bits = self.most_bits.max(answer["bits"].as_u64().unwrap_or(0));
            }
            Some("wait" | "ready") => self.wait += 1,
            _ => self.other += 1,
        }
    }
}

/// What the client does: asks, works, waits, asks again when told, signs up.
async fn stand_in_line(server: SocketAddr, newcomer: Newcomer, log: &Log, line: &Rc<RefCell<Events>>) -> Result<()> {
    let account = newcomer.sign_up.account.to_text();
    let mut answer = ask(server, newcomer.from, &account, None).await?;
    let mut ticket: Option<String> = None;
    loop {
        line.borrow_mut().count(&answer);
        ticket = answer["ticket"].as_str().map(str::to_owned).or(ticket);
        let arrival = ticket.as_deref().and_then(arrival_of);
        match (answer["state"].as_str(), &ticket) {
            (Some("work"), _) => {
                answer = ask(server, newcomer.from, &account, Some(work(&answer).await?)).await?;
            }
            (Some("wait"), Some(held)) => {
                if let Some(arrival) = arrival {
                    line.borrow_mut().told.push((log.now(), arrival, false));
                }
                tokio::time::sleep(Duration::from_millis(answer["ask_again_ms"].as_u64().unwrap_or(1_000))).await;
                answer = exchange(server, newcomer.from, "GET", "/v1/sign-up", &[("alcyon-ticket", held)], b"").await?.1;
            }
            (Some("line"), _) => answer = ask(server, newcomer.from, &account, None).await?,
            // Open, ready, or a server that has no line.
            _ => {
                if let Some(arrival) = arrival {
                    line.borrow_mut().told.push((log.now(), arrival, true));
                }
                let (status, refused) = newcomer.sign_up(server, ticket.as_deref()).await?;
                match status {
                    200..300 => return Ok(()),
                    429 | 503 => {
                        tokio::time::sleep(Duration::from_millis(refused["retry_after_ms"].as_u64().unwrap_or(1_000))).await;
                        answer = ask(server, newcomer.from, &account, None).await?;
                    }
                    _ => bail!("refused: {refused}"),
                }
            }
        }
    }
}

/// So long a newcomer waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everybody at their time, on a connection of their own, whatever becomes of the others. Returns when the first was due.
/// Of those who are refused, every `every`th stays in line.
async fn offer(
    server: SocketAddr,
    log: &Rc<Log>,
    arrivals: &[Duration],
    newcomers: Vec<Newcomer>,
    every: usize,
    line: &Rc<RefCell<Events>>,
) -> f64 {
    let begin = log.origin.elapsed();
    let mut all = Vec::new();
    for (index, (at, newcomer)) in arrivals.iter().zip(newcomers).enumerate() {
        let due = begin + *at;
        let now = log.origin.elapsed();
        if due > now {
            tokio::time::sleep(due - now).await;
        }
        let (log, line) = (log.clone(), line.clone());
        all.push(tokio::task::spawn_local(async move {
            let answer = tokio::time::timeout(PATIENCE, newcomer.sign_up(server, None)).await;
            let stays = index % every == 0 && matches!(answer, Ok(Ok((429 | 503, _))));
            if stays {
                line.borrow_mut().stayed += 1;
                let came = tokio::time::timeout(SAMPLE_PATIENCE, stand_in_line(server, newcomer, &log, &line)).await;
                let fate = if matches!(came, Ok(Ok(()))) { Fate::Accepted } else { Fate::Unanswered };
                let mut line = line.borrow_mut();
                line.came_in += usize::from(fate == Fate::Accepted);
                line.last_in = line.last_in.max(log.origin.elapsed().as_secs_f64());
                return log.done(Class::SignUp, fate, micros(due));
            }
            let fate = match answer {
                Ok(Ok((200..300, _))) => Fate::Accepted,
                Ok(Ok((429 | 503, _))) => Fate::Later,
                Ok(Ok(_)) => Fate::Never,
                _ => Fate::Unanswered,
            };
            log.done(Class::SignUp, fate, micros(due));
        }));
    }
    for one in all {
        // A task that did not end has counted nothing, and counts as that.
        let _ended = one.await;
    }
    begin.as_secs_f64()
}

fn newcomer(server: &ServerUrl, name: &str, index: usize) -> Result<Newcomer> {
    Ok(Newcomer { sign_up: SignUp::sign(server, name)?, from: source((100 + index) * BAND) })
}
