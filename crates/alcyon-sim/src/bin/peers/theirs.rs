//! The rows, as XMPP servers do them.

use std::path::{Path, PathBuf};

use alcyon_sim::machine::{Spent, Stopwatch, resident_tree};
use anyhow::{Context, bail, ensure};
use futures::future::try_join_all;
use rand::{RngExt, SeedableRng, distr::Alphanumeric, rngs::StdRng};

use super::{
    instance::{Instance, Kind},
    rows::{
        Case, FIRST_IDLE, Figures, GROUP, GROUP_WINDOW, LARGE, NEWCOMERS_AT_ONCE, Row, SENDERS, SMALL, STORE_WINDOW, Sizes, each,
        kibibytes_each,
    },
    xmpp::{Account, Place, Stanza, XmppClient},
};

/// People who sign up or log in at once while nothing is measured.
const AT_ONCE: usize = 16;
const ROOM: &str = "lounge@conference.localhost";

/// A peer, ready for the rounds of a case.
pub struct Theirs {
    kind: Kind,
    folder: PathBuf,
    core: usize,
    /// None for idle connections: they have a server each time.
    instance: Option<Instance>,
    sizes: Sizes,
    people: People,
    random: StdRng,
    rounds: usize,
}

/// Who takes part in a case.
enum People {
    Newcomers,
    Away { senders: Vec<Sender>, away: Vec<Account> },
    Pairs(Vec<Pair>),
    Group { writer: XmppClient, listeners: Vec<XmppClient> },
    Idle(Vec<Account>),
}

/// Somebody who writes to people who are away.
struct Sender {
    client: XmppClient,
    /// Stanzas so far, which the server counts too.
    sent: u32,
}

/// Two people, of whom one writes and the other reads.
struct Pair {
    writer: XmppClient,
    reader: XmppClient,
    to: String,
}

impl Theirs {
    pub async fn start(kind: Kind, case: Case, folder: &Path, core: usize, sizes: Sizes) -> anyhow::Result<Self> {
        let folder = folder.join(format!("{kind:?}"));
        let instance = Instance::start(kind, &folder, core).await?;
        let place = &instance.place;
        let people = match case {
            Case::SignUp => People::Newcomers,
            Case::Store => {
                let mut writers = sign_up_many(place, "sender", SENDERS).await?;
                let mut senders = Vec::with_capacity(SENDERS);
                for mut client in log_in_many(place, false, &mut writers).await? {
                    client.count_stanzas().await?;
                    senders.push(Sender { client, sent: 0 });
                }
                let mut away = sign_up_many(place, "away", sizes.away()).await?;
                // Everybody has been here before.
                close_many(log_in_many(place, false, &mut away).await?).await?;
                People::Away { senders, away }
            }
            Case::Online => {
                let mut writers = sign_up_many(place, "writer", sizes.pairs).await?;
                let mut readers = sign_up_many(place, "reader", sizes.pairs).await?;
                let to: Vec<String> = readers.iter().map(Account::address).collect();
                let writers = log_in_many(place, false, &mut writers).await?;
                let readers = log_in_many(place, false, &mut readers).await?;
                let pairs = writers.into_iter().zip(readers).zip(to).map(|((writer, reader), to)| Pair { writer, reader, to });
                People::Pairs(pairs.collect())
            }
            Case::Group => {
                let mut accounts = sign_up_many(place, "guest", GROUP + 1).await?;
                let mut clients = log_in_many(place, false, &mut accounts).await?;
                for (client, account) in clients.iter_mut().zip(&accounts) {
                    join(client, &account.name).await?;
                }
                for client in &mut clients {
                    client.catch_up().await?;
                }
                let writer = clients.pop().context("a group has a writer")?;
                People::Group { writer, listeners: clients }
            }
            Case::Idle => People::Idle(sign_up_many(place, "idle", FIRST_IDLE + sizes.idle).await?),
        };
        let instance = if case == Case::Idle {
            instance.stop().await?;
            None
        } else {
            Some(instance)
        };
        Ok(Self { kind, folder, core, instance, sizes, people, random: StdRng::seed_from_u64(1), rounds: 0 })
    }

    pub async fn round(&mut self) -> anyhow::Result<Figures> {
        self.rounds += 1;
        let Self { kind, folder, core, instance, sizes, people, random, rounds } = self;
        if let People::Idle(accounts) = people {
            let plain = idle(Instance::start(*kind, folder, *core).await?, false, accounts, *sizes).await?;
            let tls = idle(Instance::start(*kind, folder, *core).await?, true, accounts, *sizes).await?;
            return Ok(vec![(Row::IdlePlain, plain), (Row::IdleTls, tls)]);
        }
        let instance = instance.as_ref().context("the server runs")?;
        match people {
            People::Newcomers => sign_up(instance, *rounds, *sizes).await,
            People::Away { senders, away } => store_and_drain(instance, senders, away, *sizes, random).await,
            People::Pairs(pairs) => online(instance, pairs, *sizes, random).await,
            People::Group { writer, listeners } => group(instance, writer, listeners, *sizes, random).await,
            People::Idle(_) => bail!("idle connections have a server each time"),
        }
    }

    /// The process, whose descendants are the peer's too.
    pub fn id(&self) -> anyhow::Result<u32> {
        Ok(self.instance.as_ref().context("the server runs")?.id())
    }

    /// Stores messages for one person, each taken before the next is sent.
    pub async fn store_one_by_one(&mut self, messages: usize) -> anyhow::Result<()> {
        let Self { people, random, .. } = self;
        let People::Away { senders, away } = people else { bail!("nobody is away") };
        let sender = senders.first_mut().context("somebody sends")?;
        let to = away.first().context("somebody is away")?.address();
        for _ in 0..messages {
            sender.store(std::slice::from_ref(&to), 1, 1, &body(random, SMALL)).await?;
        }
        Ok(())
    }
}

impl Sender {
    /// Writes to these people in turn, so many messages to each, in batches that the server has taken before the next leaves.
    async fn store(&mut self, to: &[String], each: usize, batch: usize, body: &str) -> anyhow::Result<()> {
        let mut turns = to.iter().cycle();
        let mut left = to.len() * each;
        while left > 0 {
            let now = left.min(batch);
            for to in turns.by_ref().take(now) {
                self.sent += 1;
                self.client.post(&message(to, "chat", self.sent, body));
            }
            self.client.post_request_for_count();
            self.client.flush().await?;
            self.client.counted(self.sent).await?;
            left -= now;
        }
        Ok(())
    }
}

impl Pair {
    /// Writes so many messages, with at most `window` not yet read.
    async fn talk(&mut self, messages: usize, window: usize, body: &str) -> anyhow::Result<()> {
        let (mut sent, mut read) = (0, 0);
        while read < messages {
            while sent < messages && sent - read < window {
                self.writer.post(&message(&self.to, "chat", u32::try_from(sent)?, body));
                sent += 1;
            }
            self.writer.flush().await?;
            read += usize::from(is_message(&self.reader.next().await?)?);
        }
        Ok(())
    }
}

async fn sign_up(instance: &Instance, round: usize, sizes: Sizes) -> anyhow::Result<Figures> {
    let place = &instance.place;
    let watch = Stopwatch::start_tree(instance.id())?;
    try_join_all((0..NEWCOMERS_AT_ONCE).map(async |lane| {
        for index in 0..sizes.sign_ups / NEWCOMERS_AT_ONCE {
            XmppClient::register(place, &Account::new(format!("p{round}-{lane}-{index}"))).await?;
        }
        anyhow::Ok(())
    }))
    .await?;
    Ok(vec![(Row::SignUp, each(watch.stop()?.cpu_us, sizes.sign_ups))])
}

async fn store_and_drain(
    instance: &Instance,
    senders: &mut [Sender],
    away: &mut [Account],
    sizes: Sizes,
    random: &mut StdRng,
) -> anyhow::Result<Figures> {
    let small = store(instance, senders, away, sizes, &body(random, SMALL)).await?;
    let drain = come_back(instance, away, sizes, sizes.queued).await?;
    let login = come_back(instance, away, sizes, 0).await?;
    let large = store(instance, senders, away, sizes, &body(random, LARGE)).await?;
    // For the next round nothing may be left.
    come_back(instance, away, sizes, sizes.queued).await?;
    Ok(vec![
        (Row::StoreSmall, each(small.cpu_us, sizes.stored())),
        (Row::DrainWithLogin, each(drain.cpu_us, sizes.stored())),
        (Row::Drain, each(drain.cpu_us - login.cpu_us, sizes.stored())),
        (Row::StoreLarge, each(large.cpu_us, sizes.stored())),
    ])
}

async fn store(instance: &Instance, senders: &mut [Sender], away: &[Account], sizes: Sizes, body: &str) -> anyhow::Result<Spent> {
    let addresses: Vec<String> = away.iter().map(Account::address).collect();
    let watch = Stopwatch::start_tree(instance.id())?;
    let lanes = senders.iter_mut().zip(addresses.chunks(sizes.away_each));
    try_join_all(lanes.map(|(sender, to)| sender.store(to, sizes.queued, STORE_WINDOW, body))).await?;
    watch.stop()
}

/// Those who were away log in, one after the other in each lane, and read what has come.
async fn come_back(instance: &Instance, away: &mut [Account], sizes: Sizes, queued: usize) -> anyhow::Result<Spent> {
    let place = &instance.place;
    let watch = Stopwatch::start_tree(instance.id())?;
    let connected = try_join_all(away.chunks_mut(sizes.away_each).map(async |accounts| {
        let mut clients = Vec::with_capacity(accounts.len());
        for account in accounts {
            let mut client = XmppClient::log_in(place, false, account).await?;
            let (mut read, mut answered) = (0, false);
            client.post_ping();
            client.flush().await?;
            while read < queued || !answered {
                let stanza = client.next().await?;
                read += usize::from(is_message(&stanza)?);
                answered |= XmppClient::is_pong(&stanza);
            }
            ensure!(read == queued, "{read} messages instead of {queued}");
            clients.push(client);
        }
        anyhow::Ok(clients)
    }))
    .await?;
    let spent = watch.stop()?;
    close_many(connected.into_iter().flatten().collect()).await?;
    Ok(spent)
}

async fn online(instance: &Instance, pairs: &mut [Pair], sizes: Sizes, random: &mut StdRng) -> anyhow::Result<Figures> {
    let body = body(random, SMALL);
    let mut figures = Figures::new();
    for (row, window) in [(Row::OnlineOne, 1), (Row::OnlineFour, 4)] {
        let watch = Stopwatch::start_tree(instance.id())?;
        try_join_all(pairs.iter_mut().map(|pair| pair.talk(sizes.pair_messages, window, &body))).await?;
        figures.push((row, each(watch.stop()?.cpu_us, pairs.len() * sizes.pair_messages)));
    }
    Ok(figures)
}

async fn group(
    instance: &Instance,
    writer: &mut XmppClient,
    listeners: &mut [XmppClient],
    sizes: Sizes,
    random: &mut StdRng,
) -> anyhow::Result<Figures> {
    let body = body(random, SMALL);
    let number = listeners.len();
    let watch = Stopwatch::start_tree(instance.id())?;
    let listen = listeners.iter_mut().map(async |listener| {
        let mut read = 0;
        while read < sizes.group_messages {
            read += usize::from(is_message(&listener.next().await?)?);
        }
        anyhow::Ok(())
    });
    // The writer is an occupant too: that its own message comes back says that the room has taken it.
    let talk = async {
        let (mut sent, mut read) = (0, 0);
        while read < sizes.group_messages {
            while sent < sizes.group_messages && sent - read < GROUP_WINDOW {
                writer.post(&message(ROOM, "groupchat", u32::try_from(sent)?, &body));
                sent += 1;
            }
            writer.flush().await?;
            read += usize::from(is_message(&writer.next().await?)?);
        }
        anyhow::Ok(())
    };
    tokio::try_join!(talk, try_join_all(listen))?;
    Ok(vec![(Row::Group, each(watch.stop()?.cpu_us, number * sizes.group_messages))])
}

/// Takes the instance: it ends with the round.
async fn idle(instance: Instance, tls: bool, accounts: &mut [Account], sizes: Sizes) -> anyhow::Result<f64> {
    let (first, rest) = accounts.split_at_mut(FIRST_IDLE);
    let first = log_in_many(&instance.place, tls, first).await?;
    // Logging in leaves garbage, which is no connection's either.
    tokio::time::sleep(sizes.settle).await;
    let before = resident_tree(instance.id())?;
    let rest = log_in_many(&instance.place, tls, rest).await?;
    tokio::time::sleep(sizes.settle).await;
    let after = resident_tree(instance.id())?;
    let connections = rest.len();
    drop((first, rest));
    Ok(kibibytes_each(before, after, connections))
}

async fn sign_up_many(place: &Place, name: &str, number: usize) -> anyhow::Result<Vec<Account>> {
    let accounts: Vec<Account> = (0..number).map(|index| Account::new(format!("{name}{index}"))).collect();
    try_join_all(accounts.chunks(number.div_ceil(AT_ONCE)).map(async |accounts| {
        for account in accounts {
            XmppClient::register(place, account).await?;
        }
        anyhow::Ok(())
    }))
    .await?;
    Ok(accounts)
}

/// Logs in, and waits until the server has done all that comes with it.
async fn log_in_many(place: &Place, tls: bool, accounts: &mut [Account]) -> anyhow::Result<Vec<XmppClient>> {
    let lane = accounts.len().div_ceil(AT_ONCE).max(1);
    let clients = try_join_all(accounts.chunks_mut(lane).map(async |accounts| {
        let mut clients = Vec::with_capacity(accounts.len());
        for account in accounts {
            let mut client = XmppClient::log_in(place, tls, account).await?;
            client.catch_up().await?;
            clients.push(client);
        }
        anyhow::Ok(clients)
    }))
    .await?;
    Ok(clients.into_iter().flatten().collect())
}

async fn close_many(clients: Vec<XmppClient>) -> anyhow::Result<()> {
    try_join_all(clients.into_iter().map(XmppClient::close)).await?;
    Ok(())
}

async fn join(client: &mut XmppClient, nick: &str) -> anyhow::Result<()> {
    let occupant = format!("{ROOM}/{nick}");
    client.post(&format!("<presence to='{occupant}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"));
    client.flush().await?;
    loop {
        let stanza = client.next().await?;
        ensure!(stanza.attribute("type").as_deref() != Some("error"), "refused: {stanza:?}");
        if stanza.name() == b"presence" && stanza.attribute("from").as_deref() == Some(&occupant) {
            return Ok(());
        }
    }
}

/// Whether this is a message with text. One that came back is an error.
fn is_message(stanza: &Stanza) -> anyhow::Result<bool> {
    if stanza.name() != b"message" {
        return Ok(false);
    }
    ensure!(stanza.attribute("type").as_deref() != Some("error"), "refused: {stanza:?}");
    Ok(stanza.has("body"))
}

fn message(to: &str, kind: &str, number: u32, body: &str) -> String {
    format!("<message to='{to}' type='{kind}' id='m{number}'><body>{body}</body></message>")
}

fn body(random: &mut StdRng, bytes: usize) -> String {
    random.sample_iter(Alphanumeric).take(bytes).map(char::from).collect()
}
