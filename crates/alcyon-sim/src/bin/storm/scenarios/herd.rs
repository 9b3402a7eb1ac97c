//! The server is killed with everybody connected, and everybody comes back.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use alcyon_sim::light::LightLog;
use alcyon_wire::proto::{self, client_frame, server_frame};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    crowd::{Log, read_whole},
    outcome::Outcome,
    samples::{Class, Fate},
    server::Field,
    wire::{BAND, Wire, source},
};

/// What each has written and got acknowledged before the server dies.
const MESSAGES: u64 = 3;
/// Without a word of the server, the first wait after a broken connection is drawn from this, and doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// So long reading one conversation may take.
const CHECK_TIME: Duration = Duration::from_secs(90);
/// It doubles up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub async fn run(field: &Field<'_>) -> Result<Outcome> {
    let people = field.size(10_000, 500);
    let mut outcome = Outcome::new(
        "herd",
        format!(
            "{people} are connected, each with a conversation in which {MESSAGES} messages were acknowledged. The server is killed (kill -9) and started \
             again in the same place. Everybody comes back as the client does: at a random moment of a wait that doubles, from {FIRST_WAIT:?} to {LONGEST_WAIT:?}."
        ),
    );
    let server = field.start("herd", &[])?;
    let address = server.address;
    let log = Log::new();
    let begin = |index: usize| async move {
        let mut wire = Wire::open_in_time(address, source(index * BAND)).await.with_context(|| format!("connection {index}"))?;
        let writer = LightLog::random();
        let reader = writer.sibling();
        expect_receipt(wire.ask(LightLog::create(&[&writer, &reader])).await?)?;
        for number in 0..MESSAGES {
            expect_receipt(wire.ask(writer.append(Bytes::from(format!("message {number}")))).await?)?;
        }
        subscribe(&mut wire, &reader).await?;
        Ok((wire, reader))
    };
    let opened: Vec<Result<(Wire, LightLog)>> = stream::iter(0..people).map(begin).buffered(64).collect().await;
    let opened = opened.into_iter().collect::<Result<Vec<_>>>()?;
    let watch = server.watch(&log);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let readers: Vec<LightLog> = opened.iter().map(|(_, reader)| reader.clone()).collect();
    let comers: Vec<_> = opened
        .into_iter()
        .enumerate()
        .map(|(index, (wire, reader))| tokio::task::spawn_local(come_back(address, index, wire, reader, log.clone(), field.seed)))
        .collect();
    let first_seen = watch.end();
    let killed = Instant::now();
    let died = log.origin.elapsed().as_secs_f64();
    let server = server.kill_and_restart()?;
    let up = killed.elapsed().as_secs_f64();
    let watch = server.watch(&log);
    let limit = Duration::from_secs(field.size(150, 90));
    let mut back = Vec::new();
    let mut tries = 0;
    for comer in comers {
        match tokio::time::timeout(limit.saturating_sub(killed.elapsed()).max(Duration::from_millis(1)), comer).await {
            Ok(Ok(Some(came))) => {
                tries += came.tries;
                back.push(came);
            }
            _ => log.done(Class::Resume, Fate::Unanswered, 0),
        }
    }
    back.sort_by(|one, other| one.at.total_cmp(&other.at));
    let last = (back.len() == people).then(|| back.last().map_or(0.0, |came| came.at - died));
    // The window that everybody's first try is drawn from, and 30 s.
    let window = FIRST_WAIT.as_secs_f64();
    outcome.mark("all are back", format!("{people}"), format!("{}", back.len()), back.len() == people);
    outcome.at_most("the last one is back after", last, window + 30.0, "s");
    let again = back.iter().filter(|came| came.broken > 0).count();
    outcome.mark("no second dip: connections that broke again", "none", format!("{again}"), again == 0);
    #[allow(clippy::cast_precision_loss)] // counts
    let tried = tries as f64 / people as f64;
    outcome.notes.push(format!("The server was up again after {up:.2} s. {tried:.2} tries a person."));
    let check = |(index, reader): (usize, LightLog)| async move {
        let read = read_whole(address, source(index * BAND), &reader, MESSAGES);
        tokio::time::timeout(CHECK_TIME, read).await.map_err(anyhow::Error::from).and_then(|read| read)
    };
    let checked: Vec<Result<u64>> = stream::iter(readers.into_iter().enumerate()).map(check).buffer_unordered(64).collect().await;
    let whole = checked.iter().filter(|read| read.is_ok()).count();
    if let Some(Err(error)) = checked.iter().find(|read| read.is_err()) {
        outcome.notes.push(format!("The first that could not be read whole: {error:#}"));
    }
    outcome.mark("conversations with everything that was acknowledged", format!("{people}"), format!("{whole}"), whole == people);
    drop(back);
    let seen = first_seen.into_iter().chain(watch.end()).collect::<Vec<_>>();
    outcome.draw(&log.samples.borrow(), &seen);
    Ok(outcome)
}

/// Somebody who is back, with the connection that is kept open.
struct Came {
    at: f64,
    tries: usize,
    /// Connections that broke after they had been made.
    broken: usize,
    _wire: Wire,
}

async fn come_back(address: std::net::SocketAddr, index: usize, mut wire: Wire, reader: LightLog, log: Rc<Log>, seed: u64) -> Option<Came> {
    let mut random = StdRng::seed_from_u64(seed ^ index as u64);
    // Entries that are here already are read away until the connection breaks.
    while wire.next().await.is_ok() {}
    drop(wire);
    let (mut wait, mut tries, mut broken) = (FIRST_WAIT, 0, 0);
    let mut due = None;
    loop {
        tokio::time::sleep(wait.mul_f64(random.random())).await;
        wait = (wait * 2).min(LONGEST_WAIT);
        tries += 1;
        let due = *due.get_or_insert_with(|| log.now());
        let Ok(mut wire) = Wire::open(address, source(index * BAND)).await else { continue };
        if subscribe(&mut wire, &reader).await.is_ok() {
            log.done(Class::Resume, Fate::Accepted, due);
            return Some(Came { at: log.origin.elapsed().as_secs_f64(), tries, broken, _wire: wire });
        }
        broken += 1;
    }
}

fn expect_receipt(body: server_frame::Body) -> Result<()> {
    match body {
        server_frame::Body::Receipt(_) => Ok(()),
        other => bail!("no receipt: {other:?}"),
    }
}

async fn subscribe(wire: &mut Wire, reader: &LightLog) -> Result<()> {
    let logs = vec![reader.subscription(0)];
    match wire.ask(client_frame::Body::Subscribe(proto::Subscribe { logs })).await? {
        server_frame::Body::Subscribed(proto::Subscribed { logs }) if logs.iter().all(|log| log.refusal.is_none()) => Ok(()),
        other => bail!("not subscribed: {other:?}"),
    }
}
