//! Newcomers: more of them than may come in, and as many as came on the day that counts most.

use std::{
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alcyon_identity::{
    DeviceKey, Era, EraKey, Home, Inbox, ManifestDraft, RecoveryWords,
    http_signature::{Request, sign},
};
use alcyon_sim::light::{LightLog, random_bytes};
use alcyon_wire::{Handle, ServerUrl};
use anyhow::{Context, Result};
use data_encoding::BASE64URL_NOPAD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    arrivals::{Arrivals, Phase},
    crowd::{Crowd, Log, Shape, micros},
    outcome::Outcome,
    samples::{Class, Fate},
    server::Field,
    wire::{BAND, source, tcp},
};

/// 810 a second on average, and four times that in the worst minute: what came to one messenger when two others were dark.
const RECORD: f64 = 810.0;

pub async fn record_day(field: &Field<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::new(
        "record-day",
        "People sign up at 810 a second, then at 3,240, then at 810 again, each on a connection of their own. Every request was signed before.",
    );
    let server = field.start("record-day", &[])?;
    let log = Log::new();
    let rate = |factor: f64, seconds: f64| Phase { per_second: RECORD * factor, seconds };
    let phases = field.size([rate(1.0, 60.0), rate(4.0, 60.0), rate(1.0, 30.0)], [rate(0.1, 4.0), rate(0.2, 4.0), rate(0.1, 2.0)]);
    let arrivals: Vec<Duration> = Arrivals::new(&phases, field.seed).collect();
    let newcomers =
        (0..arrivals.len()).map(|index| newcomer(server.process.url(), &format!("r{index}"), index)).collect::<Result<Vec<_>>>()?;
    let watch = server.watch(&log);
    let begin = offer(server.address, &log, &arrivals, newcomers).await;
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
            // Everybody is in in the end: at once or from the line.
            outcome.at_least(format!("{name}: who came in, sooner or later"), figures.share_accepted() * 100.0, 99.9, "%");
        } else {
            outcome.at_least(format!("{name}: who came in"), figures.share_accepted() * 100.0, 99.9, "%");
            if !field.short {
                outcome.at_most(format!("{name}: without a queue, 99 of 100"), figures.quantile(0.99), 1_000.0, "ms");
            }
        }
    }
    outcome.draw(&samples, &watch.end());
    Ok(outcome)
}

/// The share of newcomers who may come in: 62 and 100 times this many want to.
const CAPACITY: f64 = 20.0;

pub async fn exodus(field: &Field<'_>) -> Result<Outcome> {
    let people = field.size(1_000, 50);
    let mut outcome = Outcome::new(
        "exodus",
        format!(
            "{people} conversations go on. Then sign-ups come at 62 and 100 times of {CAPACITY} a second, and most of those people never come again."
        ),
    );
    let server = field.start("exodus", &[])?;
    let log = Log::new();
    let watch = server.watch(&log);
    let shape = Shape { connections: people, conversations: people, listening: true, from: 0, seed: field.seed };
    let mut crowd = Crowd::gather(server.address, shape, &log).await?;
    let (calm, storm) = field.size((20.0, 60.0), (4.0, 6.0));
    let per_second = field.size(500.0, 50.0);
    let begin = crowd.offer(&[Phase { per_second, seconds: calm }]).await;
    for factor in field.size(&[62.0, 100.0][..], &[10.0][..]) {
        let arrivals: Vec<Duration> = Arrivals::new(&[Phase { per_second: CAPACITY * factor, seconds: storm }], field.seed).collect();
        let newcomers = (0..arrivals.len())
            .map(|index| newcomer(server.process.url(), &format!("e{factor}-{index}"), index))
            .collect::<Result<Vec<_>>>()?;
        let messages = [Phase { per_second, seconds: storm }];
        let (stormed, _) = tokio::join!(crowd.offer(&messages), offer(server.address, &log, &arrivals, newcomers));
        let samples = log.samples.borrow();
        let quiet = samples.due_between(Class::Message, begin, begin + calm).quantile(0.99).unwrap_or(0.0);
        let messages = samples.due_between(Class::Message, stormed, stormed + storm);
        let comers = samples.due_between(Class::SignUp, stormed, stormed + storm);
        outcome.at_least(format!("messages served at {factor} times"), messages.share_accepted() * 100.0, 99.9, "%");
        let limit = if field.short { (20.0 * quiet).max(500.0) } else { 1.5 * quiet };
        outcome.at_most(format!("99 of 100 messages at {factor} times (calm: {quiet:.2} ms)"), messages.quantile(0.99), limit, "ms");
        outcome.notes.push(format!(
            "{factor} times: {} wanted to sign up, {} came in at once, {} were refused later, {} not answered.",
            comers.offered, comers.accepted, comers.later, comers.unanswered
        ));
    }
    outcome.mark("admission in the order of arrival, within 1 s; a sample of 1,000 gets in", "holds", "no waiting room there yet", false);
    crowd.go_home(Duration::from_secs(10)).await;
    outcome.draw(&log.samples.borrow(), &watch.end());
    Ok(outcome)
}

/// A request as it goes over the wire, and where it comes from.
struct Newcomer {
    bytes: Vec<u8>,
    from: std::net::Ipv4Addr,
}

/// So long a newcomer waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everybody at their time, on a connection of their own, whatever becomes of the others. Returns when the first was due.
async fn offer(server: std::net::SocketAddr, log: &Rc<Log>, arrivals: &[Duration], newcomers: Vec<Newcomer>) -> f64 {
    let begin = log.origin.elapsed();
    let mut all = Vec::new();
    for (at, newcomer) in arrivals.iter().zip(newcomers) {
        let due = begin + *at;
        let now = log.origin.elapsed();
        if due > now {
            tokio::time::sleep(due - now).await;
        }
        let log = log.clone();
        all.push(tokio::task::spawn_local(async move {
            let answer = tokio::time::timeout(PATIENCE, sign_up(server, newcomer)).await;
            let fate = match answer {
                Ok(Ok(200..300)) => Fate::Accepted,
                Ok(Ok(429 | 503)) => Fate::Later,
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

/// The status of the answer.
async fn sign_up(server: std::net::SocketAddr, newcomer: Newcomer) -> Result<u16> {
    let mut stream = tcp(server, newcomer.from).await?;
    stream.write_all(&newcomer.bytes).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let line = std::str::from_utf8(answer.get(..12).context("a short answer")?)?;
    Ok(line.split(' ').nth(1).context("no status")?.parse()?)
}

fn newcomer(server: &ServerUrl, name: &str, index: usize) -> Result<Newcomer> {
    const PATH: &str = "/v1/accounts";
    let root = RecoveryWords::generate().root();
    let key = EraKey::generate();
    let era = Era::new(root.sign_era(1, &key), key)?;
    let device = DeviceKey::generate();
    let inbox = LightLog::random();
    let manifest = era.sign_manifest(ManifestDraft {
        version: 1,
        devices: vec![device.id()],
        inbox: Inbox { server: server.clone(), log: inbox.seat.log, sealing_key: random_bytes::<1216>().to_vec() },
        homes: vec![Home { server: server.clone(), handle: Handle::new(name.parse()?, server.authority())? }],
    })?;
    let seat = inbox.as_seat();
    let body = serde_json::to_vec(&serde_json::json!({
        "name": name,
        "manifest": BASE64URL_NOPAD.encode(manifest.to_bytes()),
        "inbox_seats": [{
            "id": BASE64URL_NOPAD.encode(seat.id.as_bytes()),
            "drop_hash": BASE64URL_NOPAD.encode(seat.drop_hash.as_bytes()),
            "keep": seat.keep,
            "invite": seat.invite,
        }],
    }))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let headers = sign(&Request::new("POST", server.authority(), PATH, &body)?, &device, now).into_pairs();
    let mut bytes = format!(
        "POST {PATH} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        server.authority(),
        body.len()
    )
    .into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    Ok(Newcomer { bytes, from: source((100 + index) * BAND) })
}
