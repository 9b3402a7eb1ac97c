//! People who mean harm, beside people who write: those must not notice.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alcyon_sim::{
    light::{LightLog, random_bytes},
    sign_up::SignUp,
};
use alcyon_wire::{
    ServerUrl,
    proto::{self, client_frame},
};
use anyhow::{Context, Result};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use tokio::{io::AsyncWriteExt, sync::oneshot, task::JoinHandle};

use crate::{
    arrivals::Phase,
    beside::Beside,
    crowd::{Crowd, Log, Shape},
    newcomer::{Newcomer, ask, work},
    outcome::Outcome,
    samples::Class,
    server::Field,
    wire::{BAND, Wire, source, tcp},
};

/// What the server may hold, MiB, whatever is offered: it is told so.
const CEILING: u32 = 512;

pub async fn run(field: &Field<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::new(
        "hostile",
        "People write to each other while others open connections and send half a request, send garbage and frames that are too large, subscribe to \
         a long log and never read, open thousands of connections from one address, and sign up with tickets that are made up, made older, or another's.",
    );
    let settings = [&format!("--limits-memory-mebibytes={CEILING}"), "--limits-connections-per-address=1000", "--sign-ups-per-second=1"];
    let server = field.start("hostile", &settings)?;
    let log = Log::new();
    let watch = server.watch(&log);
    let connections = field.size(500, 50);
    let shape = Shape { connections, conversations: connections, listening: true, from: 0, seed: field.seed };
    let mut crowd = Crowd::gather(server.address, shape, &log).await?;
    let (calm, storm) = field.size((15.0, 45.0), (4.0, 8.0));
    let per_second = field.size(500.0, 100.0);
    let begin = crowd.offer(&[Phase { per_second, seconds: calm }]).await;
    let forged = Arc::new(Forged::default());
    let (each, many) = (field.size(20, 3), field.size(4_000, 200));
    let (go, told) = oneshot::channel();
    let (address, url, of_forgers) = (server.address, server.process.url().clone(), forged.clone());
    let enemies = Beside::start("enemies", move || besiege(address, url, of_forgers, each, many, told))?;
    let stormed = crowd.offer(&[Phase { per_second, seconds: storm }]).await;
    let _gone_before = go.send(());
    enemies.end().await?;
    crowd.go_home(Duration::from_secs(30)).await;
    let seen = watch.end();
    let samples = log.samples.borrow();
    let before = samples.due_between(Class::Message, begin, begin + calm);
    let during = samples.due_between(Class::Message, stormed, stormed + storm);
    let delivered = |from: f64, to: f64| samples.due_between(Class::Delivery, from, to).accepted;
    outcome.at_least("messages of others that were taken", during.share_accepted() * 100.0, 99.9, "%");
    #[allow(clippy::cast_precision_loss)] // counts
    let read = delivered(stormed, stormed + storm) as f64 / during.accepted.max(1) as f64;
    outcome.at_least("and read by the other one", read * 100.0, 99.9, "%");
    outcome.notes.push(format!(
        "Calm: {} messages taken, {} read. Beside the others: {} taken, {} read.",
        before.accepted,
        delivered(begin, begin + calm),
        during.accepted,
        delivered(stormed, stormed + storm)
    ));
    if !field.short {
        outcome.at_most("the generator kept its schedule, 99 of 100", Some(log.lateness(0)), 20.0, "ms");
    }
    let quiet = before.quantile(0.99).unwrap_or(0.0);
    let limit = if field.short { (20.0 * quiet).max(500.0) } else { (1.5 * quiet).max(quiet + 5.0) };
    outcome.at_most(format!("99 of 100 of them (calm: {quiet:.2} ms)"), during.quantile(0.99), limit, "ms");
    #[allow(clippy::cast_precision_loss)] // sizes
    let most = seen.iter().map(|seen| seen.memory).max().unwrap_or(0) as f64 / 1048576.0;
    outcome.at_most("memory of the server", Some(most), f64::from(CEILING), "MiB");
    let answers = forged.lock().unwrap_or_else(PoisonError::into_inner);
    let tried: u32 = answers.values().sum();
    let taken: u32 = answers.range(200..300).map(|(_, count)| count).sum();
    outcome.mark("sign-ups with a forged ticket or another's", "none is taken", format!("{taken} of {tried}"), tried > 0 && taken == 0);
    outcome.notes.push(format!("They were answered so often with these statuses: {answers:?}."));
    let silent = seen.iter().filter(|seen| seen.status_ms.is_none()).count();
    outcome.mark("the status page answers", "every time", format!("{silent} times not"), silent == 0);
    outcome.draw(&samples, &seen);
    Ok(outcome)
}

/// Comes to act until it is told to go.
async fn besiege(server: SocketAddr, url: ServerUrl, forged: Arc<Forged>, each: usize, many: usize, told: oneshot::Receiver<()>) {
    let _all = enemies(server, each, many);
    let _forger = tokio::task::spawn_local(for_ever(move || forge(server, url.clone(), forged.clone())));
    let _told_or_gone = told.await;
}

fn enemies(server: SocketAddr, each: usize, many: usize) -> Vec<JoinHandle<()>> {
    let mut enemies = Vec::new();
    for index in 0..each {
        let from = source((10_000 + index) * BAND);
        enemies.push(tokio::task::spawn_local(for_ever(move || half_open(server, from))));
        enemies.push(tokio::task::spawn_local(for_ever(move || garbage(server, from, index as u64))));
        enemies.push(tokio::task::spawn_local(for_ever(move || oversize(server, from))));
        enemies.push(tokio::task::spawn_local(for_ever(move || slow_reader(server, from))));
    }
    // One address, and not one of those who write.
    let from = Ipv4Addr::new(127, 250, 0, 1);
    enemies.push(tokio::task::spawn_local(async move {
        let mut open = Vec::new();
        loop {
            while open.len() < many {
                match tcp(server, from).await {
                    Ok(stream) => open.push(stream),
                    Err(_) => break,
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            open.retain(|stream| !matches!(stream.try_read(&mut [0; 64]), Ok(0)));
        }
    }));
    enemies
}

async fn for_ever<F: Future<Output = Result<()>>>(act: impl Fn() -> F) {
    loop {
        // Whatever the server does to them, they come again.
        let _ended = act().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Twenty connections that begin a request and never end it.
async fn half_open(server: SocketAddr, from: Ipv4Addr) -> Result<()> {
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut stream = tcp(server, from).await?;
        stream.write_all(b"GET /v1/logs HTTP/1.1\r\nhost: ").await?;
        open.push(stream);
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    Ok(())
}

/// Bytes that are no frame of the protocol, then bytes that are no WebSocket.
async fn garbage(server: SocketAddr, from: Ipv4Addr, seed: u64) -> Result<()> {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    let mut random = StdRng::seed_from_u64(seed);
    let mut wire = Wire::open(server, from).await?;
    for _ in 0..200 {
        let mut bytes = vec![0; random.random_range(0..400)];
        random.fill(bytes.as_mut_slice());
        wire.put_bytes(&bytes);
        wire.flush().await?;
    }
    let mut stream = tcp(server, from).await?;
    let mut bytes = vec![0; 4_000];
    random.fill(bytes.as_mut_slice());
    stream.write_all(&bytes).await?;
    Ok(())
}

/// Frames over every limit.
async fn oversize(server: SocketAddr, from: Ipv4Addr) -> Result<()> {
    let mut wire = Wire::open(server, from).await?;
    let bytes = vec![7; 4 << 20];
    for _ in 0..4 {
        wire.put_bytes(&bytes);
        wire.flush().await?;
        wire.next().await?;
    }
    Ok(())
}

/// A long log of large entries, asked for on twenty connections, none of which reads.
async fn slow_reader(server: SocketAddr, from: Ipv4Addr) -> Result<()> {
    let writer = LightLog::random();
    let reader = writer.sibling();
    let mut wire = Wire::open(server, from).await?;
    wire.call(LightLog::create(&[&writer, &reader])).await?;
    for _ in 0..8 {
        wire.call(writer.append(Bytes::from(vec![1; 256 * 1024]))).await?;
    }
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut wire = Wire::open(server, from).await?;
        wire.put(client_frame::Body::Subscribe(proto::Subscribe { logs: vec![reader.subscription(0)] }));
        // All the credit there is, and nothing is read.
        wire.put(client_frame::Body::Credit(proto::Credit { entries: u32::MAX, bytes: u64::MAX / 2 }));
        wire.flush().await?;
        open.push(wire);
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    Ok(())
}

/// What came of tickets that are nobody's, or somebody else's: how often each status.
type Forged = Mutex<BTreeMap<u16, u32>>;

/// Stands in line for one account and signs up others with that ticket, with the same made an hour older, and with bytes of its own.
async fn forge(server: SocketAddr, url: ServerUrl, forged: Arc<Forged>) -> Result<()> {
    let from = source(30_000 * BAND);
    let newcomer = || {
        let name = format!("f{}", u64::from_be_bytes(random_bytes()));
        anyhow::Ok(Newcomer { sign_up: SignUp::sign(&url, &name)?, from })
    };
    let held = newcomer()?.sign_up.account.to_text();
    let mut answer = ask(server, from, &held, None).await?;
    if answer["state"] == "work" {
        answer = ask(server, from, &held, Some(work(&answer).await?)).await?;
    }
    let mut tickets = vec![random_bytes::<81>().to_vec()];
    if let Some(ticket) = answer["ticket"].as_str() {
        let good = BASE64URL_NOPAD.decode(ticket.as_bytes())?;
        let mut older = good.clone();
        // A version, then when its owner came.
        let arrival = u64::from_be_bytes(older.get(1..9).context("a short ticket")?.try_into()?);
        older[1..9].copy_from_slice(&(arrival - 60 * 60 * 1000).to_be_bytes());
        tickets.extend([good, older]);
    }
    for ticket in tickets {
        let (status, _) = newcomer()?.sign_up(server, Some(&BASE64URL_NOPAD.encode(&ticket))).await?;
        *forged.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }
    Ok(())
}
