use std::{
    net::{IpAddr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alcyon_wire::ServerUrl;
use thiserror::Error;
use tokio::{
    io::DuplexStream,
    net::TcpListener,
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::{Instant, Interval, MissedTickBehavior},
};

use crate::{
    admission::{
        Gate,
        memory::{Memory, MemoryPlan, memory_of_machine},
    },
    any_store::AnyStore,
    blobs::{BlobError, BlobStore, Blobs, LocalBlobs, MemoryBlobs, MovedBlobs, S3Blobs, S3Settings, SecretSource},
    config::{BlobPlace, Config, MetricsListen, StatusListen, StoreKind},
    directory::{Directory, DirectorySettings},
    edge::{
        accept::{Acceptor, Served},
        http::{App, Site, WebAppError, app, metrics_app},
        lifecycle::{Lifecycle, Phase, Places},
        tls,
    },
    logs::{Logs, ServerClock, SystemClock},
    observe::{Metrics, OwnAddress, event},
    operator::{self, Board, LiveLimits, Operator},
    reports::Reports,
    session::{self, Sessions},
    sign_up::{Invite, InviteCode, OpenError, SignUps},
    stamps::Stamps,
    store::{EmbeddedSettings, EmbeddedStore, MemoryStore, Store, StoreError},
};

/// Why a server did not start. All of them are for the operator to mend.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address can't be listened on: it is taken, or not this machine's.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Certificate or key can't be used.
    #[error("{path}: no usable {what}: {reason}", path = path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Which of the two it should hold.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The data directory can't be made.
    #[error("{path}: {source}", path = path.display())]
    Data {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store in the data directory can't be opened.
    #[error("{path}: {source}", path = path.display())]
    Store {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
    /// The blobs in the data directory can't be read.
    #[error("{path}: {source}", path = path.display())]
    Blobs {
        /// Their directory.
        path: PathBuf,
        /// What is wrong with it.
        source: BlobError,
    },
    /// The file with the secret key of the bucket can't be read.
    #[error("`blobs.s3.secret_key_file`: {path}: {source}", path = path.display())]
    SecretKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// The status page or the admin socket can't be had: the address is taken, or the data directory can't hold a socket.
    #[error("status page or admin socket: {0}")]
    Operator(std::io::Error),
    /// The web app can't be served.
    #[error("`web_app`: {source}")]
    WebApp {
        /// What is wrong with it.
        #[from]
        source: WebAppError,
    },
    /// The secret that processes share can't be read.
    #[error("{path}: {reason}", path = path.display())]
    SharedKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file that says who carries codes can't be used.
    #[error("{path}: {reason}", path = path.display())]
    Senders {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; nothing that stands in it.
        reason: String,
    },
    /// The public URL that follows from the other settings is none. Set `public_url`.
    #[error("no public URL follows from the name: set `public_url`")]
    PublicUrl,
}

/// The Alcyon server.
#[derive(Debug)]
pub struct Server;

/// A server that is up. Dropped without [`RunningServer::stop`], it ends at once, as if the process had died: what was
/// acknowledged is kept, the rest gets no answer.
pub struct RunningServer {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    operator: operator::Running,
    drain: Arc<Notify>,
    tls: bool,
    lifecycle: Arc<Lifecycle>,
    logs: Option<Logs<AnyStore>>,
    served: Option<Served>,
    newcomers: Option<(Arc<SignUps<AnyStore>>, Directory<AnyStore>)>,
    store_let_go: oneshot::Receiver<()>,
    drain_time: Duration,
    blobs: Arc<Blobs>,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens the store, binds the address and serves, in this tokio runtime, until [`RunningServer::stop`].
    pub async fn start(config: Config) -> Result<RunningServer, StartError> {
        let (store, blobs): (Arc<dyn Store>, Arc<dyn BlobStore>) = match config.store {
            StoreKind::Memory => (Arc::new(MemoryStore::default()), Arc::new(MemoryBlobs::default())),
            // The store first: it tells whether the directory is ours.
            StoreKind::Embedded => (Arc::new(open_embedded(&config)?), open_blobs(&config)?),
        };
        let socket = (config.store == StoreKind::Embedded).then(|| config.data.join(operator::SOCKET));
        Self::assemble(config, store, blobs, Arc::new(SystemClock), socket).await
    }

    /// The same on stores and by a clock of the caller's, without an admin socket. `config.store` and `config.data` are not looked at.
    pub async fn start_on(
        config: Config,
        store: Arc<dyn Store>,
        blobs: Arc<dyn BlobStore>,
        clock: Arc<dyn ServerClock>,
    ) -> Result<RunningServer, StartError> {
        Self::assemble(config, store, blobs, clock, None).await
    }

    async fn assemble(
        config: Config,
        store: Arc<dyn Store>,
        blobs: Arc<dyn BlobStore>,
        clock: Arc<dyn ServerClock>,
        socket: Option<PathBuf>,
    ) -> Result<RunningServer, StartError> {
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let listener = bind(config.listen).await?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;
        let name = config.name.clone().unwrap_or_else(|| address.to_string());
        let url = match &config.public_url {
            Some(url) => url.clone(),
            None => public_url(tls.is_some(), &name).ok_or(StartError::PublicUrl)?,
        };
        let (store, store_let_go) = AnyStore::new(store);
        let pulse = store.pulse();
        let memory = memory_plan(&config);
        let metrics = Arc::new(Metrics::new());
        let gate = Gate::new(config.admission, clock.clone(), metrics.clone());
        let logs = Logs::open_behind(Arc::new(store), memory.fit(config.logs.clone()), clock.clone(), Some(gate.clone()))
            .map_err(|source| StartError::Store { path: config.data.clone(), source })?;
        let settings = DirectorySettings { server_name: name.clone(), server_url: url.clone() };
        let directory = Directory::new(logs.clone(), settings);
        let places = Places { all: config.limits.connections, per_address: config.limits.connections_per_address };
        let lifecycle = Lifecycle::new(metrics.clone(), places, Memory::new(memory.clients));
        let blobs = Blobs::open(blobs, config.blobs.clone(), clock.clone(), metrics.clone()).await;
        let blobs = Arc::new(blobs.map_err(|source| StartError::Blobs { path: config.data.join(BLOBS_FOLDER), source })?);
        let stamps = Stamps::open(&logs, config.stamps.clone(), &name, clock.clone(), metrics.clone());
        let stamps = Arc::new(stamps.await.map_err(|error| sign_up_failed(error, &config.data))?);
        let sessions = Arc::new(Sessions {
            logs: logs.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            lifecycle: lifecycle.clone(),
            limits: config.limits,
            gate: gate.clone(),
            stamps: stamps.clone(),
            turns: session::turns(),
            endpoints: config.endpoints.clone(),
            elsewhere: config.elsewhere.clone(),
        });
        let (serves_metrics, own_metrics) = match config.metrics {
            MetricsListen::Auto if address.ip().is_loopback() => (true, None),
            MetricsListen::Auto => (false, Some(MetricsListen::OWN_ADDRESS)),
            MetricsListen::Off => (false, None),
            MetricsListen::At(own) => (false, Some(own)),
        };
        let status = match config.status {
            StatusListen::Auto if address.ip().is_loopback() => None,
            StatusListen::Auto => Some(StatusListen::OWN_ADDRESS),
            StatusListen::Off => None,
            StatusListen::At(own) => Some(own),
        };
        let drain = Arc::new(Notify::new());
        let sign_ups = SignUps::open(logs.clone(), &config.sign_ups, &name, clock.clone(), gate.clone(), metrics.clone());
        let sign_ups = Arc::new(sign_ups.await.map_err(|error| sign_up_failed(error, &config.data))?);
        let board = Board::new(operator::Sources {
            name: name.clone(),
            metrics: metrics.clone(),
            lifecycle: lifecycle.clone(),
            logs: logs.clone(),
            pulse,
            clock: clock.clone(),
            gate: gate.clone(),
            sign_ups: sign_ups.clone(),
        });
        let reports = Reports::open(logs.clone(), config.reports.clone(), clock.clone());
        let reports = Arc::new(reports.map_err(|source| StartError::Store { path: config.data.clone(), source })?);
        let operator = Operator {
            board: board.clone(),
            lifecycle: lifecycle.clone(),
            directory: directory.clone(),
            sign_ups: sign_ups.clone(),
            reports: reports.clone(),
            limits: LiveLimits::new(lifecycle.clone(), logs.clone(), &config),
            drain: drain.clone(),
        };
        let operator = operator.start(status, socket).map_err(StartError::Operator)?;
        let loopback = url.is_loopback();
        let state = Arc::new(App {
            name,
            url,
            address,
            serves_metrics,
            metrics: metrics.clone(),
            lifecycle: lifecycle.clone(),
            gate: gate.clone(),
            sessions,
            directory: directory.clone(),
            blobs: blobs.clone(),
            site: Site::open(&config.web_app, loopback, metrics.clone())?,
            sign_ups: sign_ups.clone(),
            stamps,
            reports: reports.clone(),
        });
        let acceptor = |listener, tls, router| Acceptor {
            listener,
            tls,
            router,
            limits: config.limits,
            lifecycle: lifecycle.clone(),
            metrics: metrics.clone(),
            gate: gate.clone(),
        };
        let mut tasks = Vec::new();
        let mut metrics_address = None;
        if let Some(own) = own_metrics {
            let listener = bind(own).await?;
            metrics_address = listener.local_addr().ok();
            tasks.push(tokio::spawn(acceptor(listener, None, metrics_app(state.clone())).run()));
        }
        let has_tls = tls.is_some();
        let router = app(state);
        let served = Served {
            router: router.clone(),
            limits: config.limits,
            lifecycle: lifecycle.clone(),
            metrics: metrics.clone(),
            gate: gate.clone(),
        };
        tasks.push(tokio::spawn(gate.clone().watch(lifecycle.clone())));
        tasks.push(tokio::spawn(acceptor(listener, tls, router).run()));
        tasks.push(tokio::spawn(board.beat_for_ever()));
        tasks.push(tokio::spawn(upkeep(metrics.clone(), lifecycle.clone())));
        tasks.push(tokio::spawn(sweep(logs.clone(), lifecycle.clone())));
        tasks.push(tokio::spawn(sweep_blobs(blobs.clone(), lifecycle.clone())));
        tasks.push(tokio::spawn(sweep_reports(reports, directory.clone(), lifecycle.clone())));
        tasks.push(tokio::spawn(keep_line(sign_ups.clone(), lifecycle.clone())));
        if address.ip().is_unspecified() && config.name.is_none() {
            event!(WARN, "the server has no public name: set `name`, handles carry it");
        }
        event!(INFO, "started", address = OwnAddress(address), tls = has_tls);
        Ok(RunningServer {
            address,
            metrics_address,
            operator,
            drain,
            tls: has_tls,
            lifecycle,
            logs: Some(logs),
            served: Some(served),
            newcomers: Some((sign_ups, directory)),
            store_let_go,
            drain_time: config.drain_time,
            blobs,
            tasks,
        })
    }
}

impl RunningServer {
    /// Where it listens, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/metrics` is, if it has a listener of its own.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Where the status page is, if there is one.
    #[must_use]
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.operator.status
    }

    /// Waits until somebody asks for a drain over the admin socket; then call [`RunningServer::stop`].
    pub async fn drain_asked(&self) {
        self.drain.notified().await;
    }

    /// `http://` or `https://` and the address it listens on.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// A connection without a socket, as if it had come from `peer`: for simulations, and for programs that bring a server
    /// and its clients in one process. None if there is no place for it.
    #[must_use]
    pub fn connect(&self, peer: IpAddr) -> Option<DuplexStream> {
        self.served.as_ref()?.pipe(peer)
    }

    /// Makes an invite by which so many may sign up until its time is over. None: the store does not take it now.
    pub async fn make_invite(&self, people: u32, lasts: Duration) -> Option<InviteCode> {
        let (sign_ups, directory) = self.newcomers.as_ref()?;
        sign_ups.make_invite(directory, people, lasts).await.ok().map(|(code, _expires_ms)| code)
    }

    /// The invites that are left, those that have run out among them. None: the store can't be read now.
    #[must_use]
    pub fn invites(&self) -> Option<Vec<Invite>> {
        self.newcomers.as_ref()?.0.invites().ok()
    }

    /// Takes back the invite of that id. False: there is none; None: the store does not take it now.
    pub async fn take_back_invite(&self, id: &str) -> Option<bool> {
        let (sign_ups, directory) = self.newcomers.as_ref()?;
        sign_ups.take_back_invite(directory, id).await.ok()
    }

    /// Ends at once and unheard, as a process that is killed: what is not durable is gone.
    pub fn abort(mut self) {
        self.lifecycle.advance(Phase::Ended);
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }

    /// Drains and ends: no new connections, every client is told when to come back, what was accepted becomes durable and
    /// is answered. True if all that was done within the drain time; else the rest was cut off, unacknowledged.
    pub async fn stop(mut self) -> bool {
        event!(INFO, "draining");
        let deadline = Instant::now() + self.drain_time;
        self.lifecycle.advance(Phase::Draining);
        // Those who wait for another machine, for the place of files, wait for half of the time: then they are told to come back.
        let half = self.drain_time / 2;
        let mut emptied = self.lifecycle.emptied_within(half).await;
        if !emptied {
            self.blobs.give_up();
            emptied = self.lifecycle.emptied_within(self.drain_time - half).await;
        }
        let written = match self.logs.take() {
            Some(logs) => tokio::time::timeout_at(deadline, logs.drain()).await.is_ok(),
            None => true,
        };
        self.lifecycle.advance(Phase::Ended);
        self.lifecycle.emptied_within(LET_GO).await;
        for task in self.tasks.drain(..) {
            task.abort();
            // A task of ours does not panic; if one did, the panic was told when it happened.
            let _aborted = task.await;
        }
        // So that the data directory can be opened again at once.
        self.served = None;
        self.operator.join();
        self.newcomers = None;
        let _let_go = tokio::time::timeout(LET_GO, &mut self.store_let_go).await;
        let in_time = emptied && written;
        event!(INFO, "stopped", in_time = in_time);
        in_time
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.lifecycle.advance(Phase::Ended);
        self.blobs.give_up();
    }
}

/// For connections that were cut off, and for the store, to be let go of.
const LET_GO: Duration = Duration::from_secs(5);

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

fn public_url(tls: bool, name: &str) -> Option<ServerUrl> {
    format!("{}://{name}", if tls { "https" } else { "http" }).parse().ok()
}

fn memory_plan(config: &Config) -> MemoryPlan {
    MemoryPlan::of(config.memory.or_else(|| Some(memory_of_machine()? / 2)).unwrap_or(MEMORY_IF_UNKNOWN))
}

/// The directory is the server's alone: what lies in it is sealed, but says how much there is and when.
fn open_embedded(config: &Config) -> Result<EmbeddedStore, StartError> {
    let path = &config.data;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StartError::Data { path: path.to_owned(), source })?;
    EmbeddedStore::open(path, EmbeddedSettings::within(memory_plan(config).store))
        .map_err(|source| StartError::Store { path: path.to_owned(), source })
}

/// Below the data directory.
const BLOBS_FOLDER: &str = "blobs";

/// Of files that go to a bucket: those parts that it does not have yet. Below the data directory.
const UPLOADS_FOLDER: &str = "uploads";

fn open_blobs(config: &Config) -> Result<Arc<dyn BlobStore>, StartError> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| StartError::Data { path, source }
    };
    match &config.blob_place {
        BlobPlace::Directory => {
            let path = config.data.join(BLOBS_FOLDER);
            Ok(Arc::new(LocalBlobs::open(&path).map_err(unusable(&path))?))
        }
        BlobPlace::S3(settings) => {
            let secret = settings.secret_key.read().map_err(|source| match &settings.secret_key {
                SecretSource::File(path) => StartError::SecretKey { path: path.clone(), source },
                SecretSource::Here(_) => StartError::Data { path: config.data.clone(), source },
            })?;
            let path = config.data.join(UPLOADS_FOLDER);
            let settings = S3Settings { secret_key: SecretSource::Here(secret), ..settings.clone() };
            let bucket = S3Blobs::open(&path, settings).map_err(unusable(&path))?;
            let before = config.data.join(BLOBS_FOLDER);
            if !before.exists() {
                return Ok(Arc::new(bucket));
            }
            let before = LocalBlobs::open(&before).map_err(unusable(&before))?;
            Ok(Arc::new(MovedBlobs::new(bucket, before)))
        }
    }
}

/// Where the machine does not say how much there is.
const MEMORY_IF_UNKNOWN: u64 = 1 << 30;

const SWEEP: Duration = Duration::from_secs(60);

async fn sweep(logs: Logs<AnyStore>, lifecycle: Arc<Lifecycle>) {
    let mut ticks = every(SWEEP);
    while comes(&mut ticks, &lifecycle).await {
        if logs.sweep().await.is_err() {
            event!(WARN, "the store could not be swept; it is tried again in a minute");
        }
    }
}

async fn sweep_reports(reports: Arc<Reports<AnyStore>>, directory: Directory<AnyStore>, lifecycle: Arc<Lifecycle>) {
    let mut ticks = every(SWEEP);
    while comes(&mut ticks, &lifecycle).await {
        if reports.sweep(&directory).await.is_err() {
            event!(WARN, "old reports could not be removed; it is tried again in a minute");
        }
    }
}

/// How coarsely the line of newcomers is kept.
const KEEP_LINE: Duration = Duration::from_secs(1);

async fn keep_line(sign_ups: Arc<SignUps<AnyStore>>, lifecycle: Arc<Lifecycle>) {
    let mut ticks = every(KEEP_LINE);
    while comes(&mut ticks, &lifecycle).await {
        if sign_ups.keep().await.is_err() {
            event!(WARN, "the line of newcomers could not be kept; it is tried again in a second");
        }
    }
}

/// Begins at once; what comes late moves what follows.
fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits for the next time. Whether there is one: not once the server ends.
async fn comes(ticks: &mut Interval, lifecycle: &Lifecycle) -> bool {
    tokio::select! {
        () = lifecycle.reached(Phase::Draining) => false,
        _ = ticks.tick() => true,
    }
}

fn sign_up_failed(error: OpenError, data: &Path) -> StartError {
    match error {
        OpenError::Key(path, reason) => StartError::SharedKey { path, reason: reason.to_string() },
        OpenError::Senders(path, reason) => StartError::Senders { path, reason: reason.to_string() },
        OpenError::Store(source) => StartError::Store { path: data.to_owned(), source },
        OpenError::Write(_) => StartError::Store { path: data.to_owned(), source: StoreError::Stopped },
    }
}

/// Blobs are looked at seldom: it goes through all of them.
const SWEEP_BLOBS: Duration = Duration::from_secs(60 * 60);
/// While they could not be counted no upload begins: that does not wait for an hour.
const COUNT_BLOBS: Duration = Duration::from_secs(10);

async fn sweep_blobs(blobs: Arc<Blobs>, lifecycle: Arc<Lifecycle>) {
    let mut ticks = every(SWEEP_BLOBS);
    while comes(&mut ticks, &lifecycle).await {
        if blobs.sweep().await.is_err() {
            if blobs.is_counted() {
                event!(WARN, "the blobs could not be swept; it is tried again in an hour");
            } else {
                ticks.reset_after(COUNT_BLOBS);
            }
        }
    }
}

async fn upkeep(metrics: Arc<Metrics>, lifecycle: Arc<Lifecycle>) {
    let mut ticks = every(Metrics::UPKEEP);
    while comes(&mut ticks, &lifecycle).await {
        metrics.upkeep();
    }
}
