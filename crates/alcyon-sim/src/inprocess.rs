//! Real servers in this process, without sockets: every connection is a pipe in memory. On a tokio runtime with one thread
//! and paused time a run takes as long as its computing, and goes the same way for the same seed, as far as keys and ids,
//! which are random, have no say.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alcyon_client::{Clock, Connection, HttpRequest, HttpResponse, Transport, TransportError};
use alcyon_server::{
    RunningServer, Server, SignUpSettings, StampSettings,
    admission::AdmissionSettings,
    blobs::MemoryBlobs,
    config::Config,
    logs::{LogSettings, ServerClock, WriterMode},
    store::{Batch, Fault, FaultyStore, MemoryStore, Store},
};
use alcyon_wire::ServerUrl;
use anyhow::anyhow;
use futures::{SinkExt, StreamExt};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{io::DuplexStream, sync::watch, time::Instant};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::http::HttpConnection;

/// When simulated time begins: Unix milliseconds.
const EPOCH_MS: u64 = 1_800_000_000_000;

/// All servers there are. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct Network(Rc<RefCell<BTreeMap<String, Host>>>);

/// One machine: its disk outlives its processes.
struct Host {
    url: ServerUrl,
    disk: Arc<MemoryStore>,
    blobs: Arc<MemoryBlobs>,
    clock: Arc<SimServerClock>,
    /// Thousandths of writes that fail.
    write_faults: u32,
    /// Newcomers a second; none: everybody.
    sign_ups: Option<f64>,
    seed: u64,
    lives: u64,
    life: Option<Life>,
    faults: Arc<Mutex<String>>,
}

/// One process.
struct Life {
    server: RunningServer,
    store: Arc<FaultyStore<MemoryStore>>,
    /// True once the process has died.
    died: watch::Receiver<bool>,
    dies: watch::Sender<bool>,
}

impl Network {
    /// Adds a server and starts it. `name` is the part of its handles after the `@`.
    pub async fn add(&self, name: &str, seed: u64) -> anyhow::Result<ServerUrl> {
        let url: ServerUrl = format!("https://{name}").parse()?;
        let host = Host {
            url: url.clone(),
            disk: Arc::new(MemoryStore::default()),
            blobs: Arc::new(MemoryBlobs::default()),
            clock: Arc::new(SimServerClock { began: Instant::now(), ahead_ms: AtomicU64::new(0) }),
            write_faults: 0,
            sign_ups: None,
            seed,
            lives: 0,
            life: None,
            faults: Arc::default(),
        };
        self.0.borrow_mut().insert(name.to_owned(), host);
        self.start(&url).await?;
        Ok(url)
    }

    /// Starts a server, unless it runs.
    pub async fn start(&self, server: &ServerUrl) -> anyhow::Result<()> {
        let Some(start) = self.host(server, Host::prepare)? else { return Ok(()) };
        let Start { config, store, blobs, clock, dies } = start;
        let server_up = Server::start_on(config, store.clone(), blobs, clock).await?;
        let died = dies.subscribe();
        let life = Life { server: server_up, store, died, dies };
        if let Some(other) = self.host(server, |host| host.life.replace(life))? {
            // Two have found it dead at the same moment; the later one it is.
            other.end();
        }
        Ok(())
    }

    /// Ends the process of a server as `kill -9` would: what is not on its disk is gone.
    pub fn kill(&self, server: &ServerUrl) {
        if let Ok(Some(life)) = self.host(server, |host| host.life.take()) {
            life.end();
        }
    }

    /// How many newcomers a second a server takes. It starts anew with this.
    pub async fn set_sign_ups(&self, server: &ServerUrl, per_second: f64) -> anyhow::Result<()> {
        self.kill(server);
        self.host(server, |host| host.sign_ups = Some(per_second))?;
        self.start(server).await
    }

    /// How often, in thousandths, a write to a server's disk fails or takes its process down. Processes that died so are
    /// started again by the next connection. The server starts anew with this.
    pub async fn set_write_faults(&self, server: &ServerUrl, thousandths: u32) -> anyhow::Result<()> {
        self.kill(server);
        self.host(server, |host| host.write_faults = thousandths)?;
        self.start(server).await
    }

    /// Fills a server's disk, or makes space again.
    pub fn set_disk_full(&self, server: &ServerUrl, full: bool) -> anyhow::Result<()> {
        self.host(server, |host| host.life.as_ref().map(|life| life.store.set_disk_full(full)))?.ok_or_else(|| anyhow!("it does not run"))
    }

    /// Turns a server's clock forward, and gives it the time to drop what is past its time.
    pub async fn age(&self, server: &ServerUrl, by: Duration) -> anyhow::Result<()> {
        let ms = u64::try_from(by.as_millis())?;
        self.host(server, |host| host.clock.ahead_ms.fetch_add(ms, Ordering::Relaxed))?;
        tokio::time::sleep(SWEEP * 2).await;
        Ok(())
    }

    /// A copy of a server's disk, to come back to with [`Self::restore`].
    pub fn copy_disk(&self, server: &ServerUrl) -> anyhow::Result<Arc<MemoryStore>> {
        let disk = self.host(server, |host| host.disk.clone())?;
        let mut batch = Batch::default();
        for (table, key, value) in disk.dump() {
            batch.put(table, &key, &value);
        }
        let copy = MemoryStore::default();
        copy.commit(&batch)?;
        Ok(Arc::new(copy))
    }

    /// Ends a server's process and starts it on another disk.
    pub async fn restore(&self, server: &ServerUrl, disk: Arc<MemoryStore>) -> anyhow::Result<()> {
        self.kill(server);
        self.host(server, |host| host.disk = disk)?;
        self.start(server).await
    }

    /// What went wrong with disks so far, a line each.
    #[must_use]
    pub fn schedule(&self) -> String {
        let hosts = self.0.borrow();
        hosts.values().fold("disk faults:\n".to_owned(), |text, host| text + &host.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn host<R>(&self, server: &ServerUrl, work: impl FnOnce(&mut Host) -> R) -> anyhow::Result<R> {
        Ok(work(self.0.borrow_mut().get_mut(server.authority()).ok_or_else(|| anyhow!("no such server"))?))
    }

    async fn pipe(&self, server: &ServerUrl) -> Result<(DuplexStream, watch::Receiver<bool>), TransportError> {
        let away = |_| TransportError::Unreachable("the server is away".to_owned());
        let died = self.host(server, |host| host.life.take_if(|life| life.store.is_stopped())).map_err(away)?;
        if let Some(life) = died {
            // Whoever comes first finds nobody, and the next one a new process.
            life.end();
            self.start(server).await.map_err(away)?;
            return Err(TransportError::Unreachable("the server has just died".to_owned()));
        }
        let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let pipe = self.host(server, |host| host.life.as_ref().and_then(|life| Some((life.server.connect(peer)?, life.died.clone()))));
        pipe.map_err(away)?.ok_or_else(|| TransportError::Unreachable("the server is away".to_owned()))
    }
}

/// How often a server drops what is past its time.
const SWEEP: Duration = Duration::from_secs(60);

/// What a process is started with.
struct Start {
    config: Config,
    store: Arc<FaultyStore<MemoryStore>>,
    blobs: Arc<MemoryBlobs>,
    clock: Arc<SimServerClock>,
    dies: watch::Sender<bool>,
}

impl Host {
    /// None if it runs.
    fn prepare(&mut self) -> Option<Start> {
        if self.life.is_some() {
            return None;
        }
        self.lives += 1;
        let dies = watch::Sender::new(false);
        let mut random = StdRng::seed_from_u64(self.seed ^ self.lives.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (rate, announce, faults) = (self.write_faults, dies.clone(), self.faults.clone());
        let name = format!("  {}, life {}", self.url.authority(), self.lives);
        let plan = move |write: u64| {
            // Whoever is to live has to get up first.
            if write < 4 || random.random_range(0..1000) >= rate {
                return None;
            }
            let fault = [Fault::Lost, Fault::Unproven, Fault::StopBefore, Fault::StopAfter][random.random_range(0..4)];
            *faults.lock().unwrap_or_else(PoisonError::into_inner) += &format!("{name}, write {write}: {fault:?}\n");
            if matches!(fault, Fault::StopBefore | Fault::StopAfter) {
                announce.send_replace(true);
            }
            Some(fault)
        };
        let store = Arc::new(FaultyStore::new(self.disk.clone(), plan));
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            name: Some(self.url.authority().to_owned()),
            public_url: Some(self.url.clone()),
            logs: LogSettings { writer: WriterMode::Inline, ..LogSettings::default() },
            sign_ups: SignUpSettings { per_second: self.sign_ups, ..SignUpSettings::default() },
            // The work of people of other servers is done in real time.
            stamps: StampSettings { work_bits: 6, ..StampSettings::default() },
            // Time stands still while work is done here: nothing would be learnt from it.
            admission: AdmissionSettings { start_per_second: 1e9 },
            ..Config::default()
        };
        Some(Start { config, store, blobs: self.blobs.clone(), clock: self.clock.clone(), dies })
    }
}

impl Life {
    fn end(self) {
        let Self { server, store, died: _, dies } = self;
        store.stop();
        dies.send_replace(true);
        server.abort();
    }
}

/// Paused time, and what a test has turned it forward.
struct SimServerClock {
    began: Instant,
    ahead_ms: AtomicU64,
}

impl ServerClock for SimServerClock {
    fn now_ms(&self) -> u64 {
        EPOCH_MS + u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX) + self.ahead_ms.load(Ordering::Relaxed)
    }
}

/// A client's clock: paused time, and how wrong it is.
#[derive(Debug, Clone, Copy)]
pub struct SimClock {
    began: Instant,
    wrong_by_ms: i64,
}

impl SimClock {
    /// Begins now, that many milliseconds off.
    #[must_use]
    pub fn new(wrong_by_ms: i64) -> Self {
        Self { began: Instant::now(), wrong_by_ms }
    }
}

impl Clock for SimClock {
    fn now_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        (EPOCH_MS + elapsed).saturating_add_signed(self.wrong_by_ms)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The way to the servers of a [`Network`].
#[derive(Clone)]
pub struct InProcessTransport(Network);

impl InProcessTransport {
    /// To all of them.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        Self(network.clone())
    }
}

impl Transport for InProcessTransport {
    type Connection = InProcessConnection;

    async fn request(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let HttpRequest { server, method, path, headers, body } = request;
        let (pipe, mut died) = self.0.pipe(&server).await?;
        let exchange = async {
            let mut http = HttpConnection::over(pipe, &server).await.map_err(|_| TransportError::Closed)?;
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            http.request(method.as_str(), &path, &headers, body).await.map_err(|_| TransportError::Closed)
        };
        tokio::select! {
            biased;
            _ = died.wait_for(|died| *died) => Err(TransportError::Closed),
            answer = exchange => answer,
        }
    }

    async fn connect(&self, server: &ServerUrl) -> Result<Self::Connection, TransportError> {
        let (pipe, died) = self.0.pipe(server).await?;
        let url = format!("ws://{}/v1/logs", server.authority());
        let (socket, _response) = client_async(url, pipe).await.map_err(|error| TransportError::Unreachable(error.to_string()))?;
        Ok(InProcessConnection { socket, died })
    }
}

/// A WebSocket through a pipe.
pub struct InProcessConnection {
    socket: WebSocketStream<DuplexStream>,
    died: watch::Receiver<bool>,
}

impl Connection for InProcessConnection {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), TransportError> {
        if *self.died.borrow() {
            return Err(TransportError::Closed);
        }
        self.socket.send(Message::Binary(frame.into())).await.map_err(|_| TransportError::Closed)
    }

    async fn receive(&mut self) -> Result<Vec<u8>, TransportError> {
        loop {
            let message = tokio::select! {
                biased;
                _ = self.died.wait_for(|died| *died) => return Err(TransportError::Closed),
                message = self.socket.next() => message,
            };
            match message {
                Some(Ok(Message::Binary(frame))) => return Ok(frame.into()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(_) | Err(_)) | None => return Err(TransportError::Closed),
            }
        }
    }
}
