//! What groups cost: the real client with real profiles, over sockets to the real server. Everybody comes in by an invite.

use std::{
    cell::Cell,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use alcyon_client::{
    Client, ClientError, Connection, ConversationId, Handle, HttpRequest, HttpResponse, RefusalKind, ServerUrl, Store, Synced, Transport,
    TransportError,
};
use alcyon_net::{NetOptions, NetTransport, SystemClock};
use alcyon_sim::{
    machine::CpuMeter,
    process::{ServerProcess, ServerSetup},
};
use alcyon_store::StoreKey;
use anyhow::{Context, bail, ensure};

/// Doors that the client opens with one commit at most.
const AT_ONCE: usize = 32;
/// Messages that are measured.
const MESSAGES: usize = 40;
/// Bytes of text in each.
const TEXT: usize = 256;

/// The figures of one size.
pub struct GroupFigures {
    accounts: usize,
    make: Cost,
    invite: Vec<Cost>,
    come_in: Vec<Cost>,
    read_join: Cost,
    send: Vec<Cost>,
    receive: Vec<Cost>,
    remove: Cost,
    read_removal: Cost,
    log_bytes_read: u64,
}

/// What something took.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    wall_ms: f64,
    client_ms: f64,
    server_ms: f64,
    sent: u64,
    received: u64,
    /// As the kernel counts what this process caused to be written to a disk.
    written: u64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        let Self { wall_ms, client_ms, server_ms, sent, received, written } = other;
        self.wall_ms += wall_ms;
        self.client_ms += client_ms;
        self.server_ms += server_ms;
        self.sent += sent;
        self.received += received;
        self.written += written;
    }
}

/// Bytes of frames and of HTTP bodies, both ways.
#[derive(Clone, Default)]
struct Wire(Rc<Cell<(u64, u64)>>);

impl Wire {
    fn add(&self, sent: usize, received: usize) {
        let (before_sent, before_received) = self.0.get();
        self.0.set((before_sent + sent as u64, before_received + received as u64));
    }
}

struct CountedTransport {
    inner: NetTransport,
    wire: Wire,
}

struct CountedConnection<C> {
    inner: C,
    wire: Wire,
}

impl Transport for CountedTransport {
    type Connection = CountedConnection<<NetTransport as Transport>::Connection>;

    async fn request(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let sent = request.body.len();
        let answer = self.inner.request(request).await?;
        self.wire.add(sent, answer.body.len());
        Ok(answer)
    }

    async fn connect(&self, server: &ServerUrl) -> Result<Self::Connection, TransportError> {
        Ok(CountedConnection { inner: self.inner.connect(server).await?, wire: self.wire.clone() })
    }
}

impl<C: Connection> Connection for CountedConnection<C> {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), TransportError> {
        self.wire.add(frame.len(), 0);
        self.inner.send(frame).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, TransportError> {
        let frame = self.inner.receive().await?;
        self.wire.add(0, frame.len());
        Ok(frame)
    }
}

/// A profile. Open only while it does something.
struct Somebody {
    folder: PathBuf,
    handle: Handle,
}

struct Stage {
    server: ServerProcess,
    wire: Wire,
}

type BenchClient = Client<CountedTransport, SystemClock>;

impl Stage {
    fn open(&self, somebody: &Somebody) -> anyhow::Result<BenchClient> {
        let store = Store::open(&somebody.folder, &StoreKey::from([7; 32]))?;
        let transport = CountedTransport { inner: NetTransport::new(NetOptions::default())?, wire: self.wire.clone() };
        Ok(Client::open(store, transport, SystemClock)?)
    }

    async fn cost<R>(&self, work: impl Future<Output = anyhow::Result<R>>) -> anyhow::Result<(R, Cost)> {
        let (client, server) = (CpuMeter::start(std::process::id())?, CpuMeter::start(self.server.id())?);
        let ((sent, received), written, began) = (self.wire.0.get(), written()?, Instant::now());
        let result = work.await?;
        let (sent_now, received_now) = self.wire.0.get();
        let cost = Cost {
            wall_ms: began.elapsed().as_secs_f64() * 1e3,
            client_ms: milliseconds(client.nanoseconds()?),
            server_ms: milliseconds(server.nanoseconds()?),
            sent: sent_now - sent,
            received: received_now - received,
            written: self::written()? - written,
        };
        Ok((result, cost))
    }
}

/// A server that has just begun, or whose machine is busy, says *later* to some: so often one comes back.
const ROUNDS: u32 = 100;

/// Does it, and when it is told *later* does it again then.
async fn in_time<R>(act: impl AsyncFn() -> Result<R, ClientError>) -> anyhow::Result<R> {
    for _ in 0..ROUNDS {
        match act().await {
            Err(ClientError::Refused { kind: RefusalKind::Later { after_ms }, .. }) => {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
            }
            other => return Ok(other?),
        }
    }
    bail!("the server said later {ROUNDS} times")
}

/// Until every server was reached, what it has was read, and nothing waits any more, invites and commits neither.
async fn until_settled(client: &BenchClient) -> anyhow::Result<()> {
    for _ in 0..ROUNDS {
        match client.sync().await? {
            Synced { events: _, unreachable: 0, queued: 0, next_try_in_ms: None } => return Ok(()),
            Synced { next_try_in_ms, .. } => tokio::time::sleep(Duration::from_millis(next_try_in_ms.unwrap_or(1_000))).await,
        }
    }
    bail!("the server was not done with us after {ROUNDS} tries")
}

/// Makes a group of so many accounts, and measures.
pub async fn measure(setup: ServerSetup, disk: &Path, memory: &Path, accounts: usize) -> anyhow::Result<GroupFigures> {
    let setup = setup.arguments([
        "--logs-commits=100000+10000/s",
        "--logs-joins=100000+10000/s",
        "--logs-creates-per-address=100000+10000/s",
        "--logs-strangers-per-hour=100000",
        "--logs-strangers-pending=100000",
    ]);
    let stage = Stage { server: setup.start()?, wire: Wire::default() };
    let url = stage.server.url().clone();
    let mut people = Vec::new();
    for number in 0..accounts {
        // Those whose writing is measured are on the disk, the others in memory.
        let name = format!("p{number:04}");
        let folder = if number < 2 { disk } else { memory }.join(format!("{accounts}-{name}"));
        let somebody = Somebody { folder, handle: Handle::new(name.parse()?, url.authority())? };
        let client = stage.open(&somebody)?;
        let name = name.parse()?;
        in_time(async || client.register(&name, &url).await).await?;
        people.push(somebody);
    }
    let founder = stage.open(&people[0])?;
    let mut figures = GroupFigures {
        accounts,
        make: Cost::default(),
        invite: Vec::new(),
        come_in: Vec::new(),
        read_join: Cost::default(),
        send: Vec::new(),
        receive: Vec::new(),
        remove: Cost::default(),
        read_removal: Cost::default(),
        log_bytes_read: 0,
    };
    let (group, cost) = stage.cost(async { Ok(founder.create_group("a group").await?) }).await?;
    figures.make += cost;
    for (number, batch) in people[1..].chunks(AT_ONCE).enumerate() {
        let handles: Vec<_> = batch.iter().map(|one| (one.handle.clone(), None)).collect();
        let inviting = async {
            in_time(async || founder.invite(group, &handles).await).await?;
            until_settled(&founder).await
        };
        let ((), cost) = stage.cost(inviting).await?;
        figures.make += cost;
        figures.invite.push(cost);
        for one in batch {
            let client = stage.open(one)?;
            until_settled(&client).await?;
            let (_, cost) = stage.cost(in_time(async || client.accept(group).await)).await?;
            ensure!(client.group(group).is_ok(), "{} is not in", one.handle.to_text());
            figures.make += cost;
            figures.come_in.push(cost);
        }
        let ((), cost) = stage.cost(read(&founder)).await?;
        figures.make += cost;
        figures.read_join += cost;
        if accounts > 200 && number % 4 == 0 {
            eprintln!(
                "  {} of {accounts} are in, the last in {:.0} ms of CPU",
                number * AT_ONCE + batch.len() + 1,
                figures.last_in().client_ms
            );
        }
    }
    figures.log_bytes_read = figures.read_join.received;
    talk(&stage, &founder, &people, group, &mut figures).await?;
    Ok(figures)
}

async fn talk(
    stage: &Stage,
    founder: &BenchClient,
    people: &[Somebody],
    group: ConversationId,
    figures: &mut GroupFigures,
) -> anyhow::Result<()> {
    let other = stage.open(&people[1])?;
    read(&other).await?;
    let text = "x".repeat(TEXT);
    for _ in 0..MESSAGES {
        let (_, cost) = stage.cost(async { Ok(founder.send(group, &text).await?) }).await?;
        figures.send.push(cost);
        let ((), cost) = stage.cost(read(&other)).await?;
        figures.receive.push(cost);
    }
    if people.len() > 2 {
        let last = people.last().context("there are people")?.handle.to_text();
        let (_, cost) = stage.cost(async { Ok(founder.remove(group, &last).await?) }).await?;
        figures.remove = cost;
        let ((), cost) = stage.cost(read(&other)).await?;
        figures.read_removal = cost;
    }
    ensure!(other.group(group)?.members.len() == people.len() - usize::from(people.len() > 2), "all agree");
    Ok(())
}

/// Reads and shows everything there is.
async fn read(client: &BenchClient) -> anyhow::Result<()> {
    for event in client.sync().await?.events {
        if let alcyon_client::Event::Message(message) = event {
            client.shown(message.conversation, message.id)?;
        }
    }
    Ok(())
}

impl GroupFigures {
    fn last_in(&self) -> Cost {
        self.come_in.last().copied().unwrap_or_default()
    }

    /// As rows of Markdown.
    pub fn row(&self) -> String {
        let Self { accounts, make, invite, come_in, read_join, send, receive, remove, read_removal, log_bytes_read } = self;
        let kb = |bytes: u64| bytes as f64 / 1e3;
        let median = |costs: &[Cost], of: fn(&Cost) -> f64| {
            let mut all: Vec<f64> = costs.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let mean = |costs: &[Cost], of: fn(&Cost) -> f64| costs.iter().map(of).sum::<f64>() / costs.len().max(1) as f64;
        let last = self.last_in();
        let joins = come_in.len().max(1) as f64;
        let mut text = String::new();
        let mut line = |what: &str, value: String| {
            let _infallible = writeln!(text, "| {accounts} | {what} | {value} |");
        };
        line(
            "make, all together: wall; clients; server",
            format!("{:.1} s; {:.1} s; {:.2} s", make.wall_ms / 1e3, make.client_ms / 1e3, make.server_ms / 1e3),
        );
        line("make, bytes to the server; from it", format!("{:.2} MB; {:.2} MB", kb(make.sent) / 1e3, kb(make.received) / 1e3));
        line(
            "invite, each of 32 at once: client; server; bytes sent",
            format!(
                "{:.1} ms; {:.2} ms; {:.1} kB",
                invite.iter().map(|cost| cost.client_ms).sum::<f64>() / joins,
                invite.iter().map(|cost| cost.server_ms).sum::<f64>() / joins,
                kb(invite.iter().map(|cost| cost.sent).sum()) / joins
            ),
        );
        line(
            "come in, median: wall; client; server; bytes sent; received",
            format!(
                "{:.0} ms; {:.0} ms; {:.2} ms; {:.1} kB; {:.0} kB",
                median(come_in, |cost| cost.wall_ms),
                median(come_in, |cost| cost.client_ms),
                median(come_in, |cost| cost.server_ms),
                median(come_in, |cost| cost.sent as f64) / 1e3,
                median(come_in, |cost| cost.received as f64) / 1e3
            ),
        );
        line(
            "come in, the last one: wall; client; server; bytes sent; received",
            format!(
                "{:.0} ms; {:.0} ms; {:.2} ms; {:.1} kB; {:.0} kB",
                last.wall_ms,
                last.client_ms,
                last.server_ms,
                kb(last.sent),
                kb(last.received)
            ),
        );
        line(
            "read one coming in, a member: client; bytes; written to disk",
            format!(
                "{:.1} ms; {:.1} kB; {:.0} kB",
                read_join.client_ms / joins,
                kb(*log_bytes_read) / joins,
                kb(read_join.written) / joins
            ),
        );
        line(
            "send: client; server; bytes; written to disk, median (mean)",
            format!(
                "{:.1} ms; {:.2} ms; {:.1} kB; {:.1} kB ({:.1})",
                median(send, |cost| cost.client_ms),
                median(send, |cost| cost.server_ms),
                median(send, |cost| cost.sent as f64) / 1e3,
                median(send, |cost| cost.written as f64) / 1e3,
                mean(send, |cost| cost.written as f64) / 1e3
            ),
        );
        line(
            "receive: client; server; bytes; written to disk, median (mean)",
            format!(
                "{:.1} ms; {:.2} ms; {:.1} kB; {:.1} kB ({:.1})",
                median(receive, |cost| cost.client_ms),
                median(receive, |cost| cost.server_ms),
                median(receive, |cost| cost.received as f64) / 1e3,
                median(receive, |cost| cost.written as f64) / 1e3,
                mean(receive, |cost| cost.written as f64) / 1e3
            ),
        );
        line(
            "remove: client; server; bytes; written",
            format!("{:.0} ms; {:.2} ms; {:.0} kB; {:.0} kB", remove.client_ms, remove.server_ms, kb(remove.sent), kb(remove.written)),
        );
        line(
            "read a removal, a member: client; bytes; written",
            format!("{:.0} ms; {:.0} kB; {:.0} kB", read_removal.client_ms, kb(read_removal.received), kb(read_removal.written)),
        );
        text
    }
}

/// Bytes that this process has caused to be sent to a disk, pages of 4 KiB.
fn written() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("write_bytes")?;
    Ok(line.trim().parse()?)
}

#[allow(clippy::cast_precision_loss)] // far below 2^52
fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}
