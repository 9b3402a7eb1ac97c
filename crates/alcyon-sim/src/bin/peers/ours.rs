//! The rows, as our server does them.

use std::path::{Path, PathBuf};

use alcyon_sim::{
    lane::{Group, Lane, connect, lanes, open_idle, origin, receive},
    light::{AT_ONCE, LightClient, LightLog, refused},
    machine::{Spent, Stopwatch, resident_tree},
    process::{ServerProcess, ServerSetup},
    sign_up::Crowd,
    tls::TestAuthority,
};
use alcyon_wire::proto::{self, client_frame, server_frame};
use anyhow::{Context, ensure};
use futures::future::try_join_all;

use super::rows::{
    Case, FIRST_IDLE, Figures, GROUP, GROUP_WINDOW, LARGE, NEWCOMERS_AT_ONCE, Row, SENDERS, SMALL, STORE_WINDOW, Sizes, each,
    kibibytes_each,
};

/// Limits that one person meets must not be what a crowd on one machine meets. Those of the peers are lifted too.
const LIFTED: [&str; 7] = [
    "--log-level=error",
    "--logs-seat-entries=1000000000+1000000000/s",
    "--logs-seat-bytes=1000000000000+1000000000000/s",
    "--logs-creates=100000000+1000000/s",
    "--logs-creates-per-address=1000000+1000000/s",
    AT_ONCE,
    // The peers ask nothing either.
    "--stamps-required=off",
];

/// Our server, ready for the rounds of a case.
pub struct Ours {
    setup: ServerSetup,
    folder: PathBuf,
    /// None for idle connections: they have a server each time.
    server: Option<ServerProcess>,
    sizes: Sizes,
    /// Runs so far: each has its own neighbourhood of loopback addresses.
    runs: usize,
}

impl Ours {
    pub fn start(case: Case, folder: &Path, core: usize, sizes: Sizes) -> anyhow::Result<Self> {
        let wrapper = ["setpriv", "--pdeathsig", "KILL", "--", "taskset", "-c", &core.to_string()].map(str::to_owned);
        let setup = ServerSetup::new(&folder.join("ours")).arguments(LIFTED).wrapper(wrapper);
        let server = if case == Case::Idle { None } else { Some(setup.start()?) };
        Ok(Self { setup, folder: folder.to_owned(), server, sizes, runs: 0 })
    }

    pub async fn round(&mut self, case: Case) -> anyhow::Result<Figures> {
        match case {
            Case::SignUp => self.sign_up().await,
            Case::Store => self.store_and_drain().await,
            Case::Online => self.online().await,
            Case::Group => self.group().await,
            Case::Idle => Ok(vec![(Row::IdlePlain, self.idle(false).await?), (Row::IdleTls, self.idle(true).await?)]),
        }
    }

    /// The process.
    pub fn id(&self) -> anyhow::Result<u32> {
        Ok(self.server()?.id())
    }

    fn server(&self) -> anyhow::Result<&ServerProcess> {
        self.server.as_ref().context("idle connections have a server each time")
    }

    fn next_run(&mut self) -> usize {
        self.runs += 1;
        self.runs
    }

    async fn sign_up(&mut self) -> anyhow::Result<Figures> {
        let (run, sizes) = (self.next_run(), self.sizes);
        let server = self.server()?;
        let crowd = Crowd::gather(server.url(), run, NEWCOMERS_AT_ONCE, sizes.sign_ups / NEWCOMERS_AT_ONCE).await?;
        let watch = Stopwatch::start_tree(server.id())?;
        crowd.on_new_connections().await?;
        Ok(vec![(Row::SignUp, each(watch.stop()?.cpu_us, sizes.sign_ups))])
    }

    async fn store_and_drain(&mut self) -> anyhow::Result<Figures> {
        let (small_run, large_run, sizes) = (self.next_run(), self.next_run(), self.sizes);
        let server = self.server()?;
        let (lanes, small) = store(server, small_run, sizes, SMALL).await?;
        let drain = come_back(server, small_run, &lanes, sizes, 0).await?;
        let login = come_back(server, small_run, &lanes, sizes, sizes.queued).await?;
        let (_lanes, large) = store(server, large_run, sizes, LARGE).await?;
        Ok(vec![
            (Row::StoreSmall, each(small.cpu_us, sizes.stored())),
            (Row::DrainWithLogin, each(drain.cpu_us, sizes.stored())),
            (Row::Drain, each(drain.cpu_us - login.cpu_us, sizes.stored())),
            (Row::StoreLarge, each(large.cpu_us, sizes.stored())),
        ])
    }

    /// Appends one by one to a log, each acknowledged before the next.
    pub async fn store_one_by_one(&mut self, messages: usize) -> anyhow::Result<()> {
        let run = self.next_run();
        let mut lanes = lanes(self.server()?.url(), run, 1, 1, 2).await?;
        try_join_all(lanes.iter_mut().map(|lane| lane.append_many(messages, SMALL, 1))).await?;
        Ok(())
    }

    async fn online(&mut self) -> anyhow::Result<Figures> {
        let (run, sizes) = (self.next_run(), self.sizes);
        let server = self.server()?;
        let mut lanes = lanes(server.url(), run, sizes.pairs, 1, 2).await?;
        let mut readers = connect(server.url(), run, sizes.pairs).await?;
        for (reader, lane) in readers.iter_mut().zip(&lanes) {
            reader.call(lane.subscribe(0)).await?;
        }
        let mut figures = Figures::new();
        for (row, window) in [(Row::OnlineOne, 1), (Row::OnlineFour, 4)] {
            let watch = Stopwatch::start_tree(server.id())?;
            let seats: Vec<Vec<LightLog>> = lanes.iter().map(|lane| lane.readers.clone()).collect();
            let senders = try_join_all(lanes.iter_mut().map(|lane| lane.append_many(sizes.pair_messages, SMALL, window)));
            let readers = readers.iter_mut().zip(&seats).map(|(reader, seats)| receive(reader, seats, sizes.pair_messages));
            tokio::try_join!(senders, try_join_all(readers))?;
            figures.push((row, each(watch.stop()?.cpu_us, sizes.pairs * sizes.pair_messages)));
        }
        Ok(figures)
    }

    async fn group(&mut self) -> anyhow::Result<Figures> {
        let (run, sizes) = (self.next_run(), self.sizes);
        let server = self.server()?;
        let mut group = Group::gather(server.url(), run, GROUP).await?;
        let watch = Stopwatch::start_tree(server.id())?;
        group.talk(sizes.group_messages, SMALL, GROUP_WINDOW).await?;
        Ok(vec![(Row::Group, each(watch.stop()?.cpu_us, GROUP * sizes.group_messages))])
    }

    async fn idle(&mut self, tls: bool) -> anyhow::Result<f64> {
        let (run, sizes) = (self.next_run(), self.sizes);
        // A server each time: memory that was given back to the allocator would count for nothing in a second round.
        let mut setup = self.setup.clone();
        setup.data = self.folder.join(format!("ours-idle-{run}"));
        let authority = if tls { Some(TestAuthority::new(&self.folder)?) } else { None };
        if let Some(authority) = &authority {
            setup = setup.arguments(authority.server_arguments());
        }
        let trust = authority.as_ref().map(TestAuthority::client_config).transpose()?;
        let server = setup.start()?;
        let first = open_idle(server.url(), trust.as_ref(), FIRST_IDLE, 0).await?;
        // Logging in leaves garbage, which is no connection's either.
        tokio::time::sleep(sizes.settle).await;
        let before = resident_tree(server.id())?;
        let rest = open_idle(server.url(), trust.as_ref(), sizes.idle, 1).await?;
        tokio::time::sleep(sizes.settle).await;
        let after = resident_tree(server.id())?;
        drop((first, rest));
        Ok(kibibytes_each(before, after, sizes.idle))
    }
}

/// Writers append for people who are away: a log with two seats for each, of which nobody shows the second.
async fn store(server: &ServerProcess, run: usize, sizes: Sizes, bytes: usize) -> anyhow::Result<(Vec<Lane>, Spent)> {
    let mut lanes = lanes(server.url(), run, SENDERS, sizes.away_each, 2).await?;
    let watch = Stopwatch::start_tree(server.id())?;
    try_join_all(lanes.iter_mut().map(|lane| lane.append_many(sizes.away_each * sizes.queued, bytes, STORE_WINDOW))).await?;
    let spent = watch.stop()?;
    Ok((lanes, spent))
}

/// Those who were away connect, one after the other in each lane, and read what came after `known` entries.
async fn come_back(server: &ServerProcess, run: usize, lanes: &[Lane], sizes: Sizes, known: usize) -> anyhow::Result<Spent> {
    let watch = Stopwatch::start_tree(server.id())?;
    let _connected = try_join_all(lanes.iter().enumerate().map(async |(index, lane)| {
        let mut clients = Vec::with_capacity(lane.readers.len());
        for seat in &lane.readers {
            let mut client = LightClient::connect_from(server.url(), None, origin(run, index)).await?;
            let subscribe = proto::Subscribe { logs: vec![seat.subscription(known as u64)] };
            match client.call(client_frame::Body::Subscribe(subscribe)).await? {
                server_frame::Body::Subscribed(proto::Subscribed { logs }) => {
                    ensure!(logs.iter().all(|log| log.refusal.is_none()), "refused");
                }
                other => return Err(refused(&other)),
            }
            receive(&mut client, std::slice::from_ref(seat), sizes.queued - known).await?;
            clients.push(client);
        }
        Ok(clients)
    }))
    .await?;
    watch.stop()
}
