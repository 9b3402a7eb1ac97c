use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use alcyon_wire::ServerUrl;
use thiserror::Error;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    config::{Config, MetricsListen},
    edge::{
        accept::Acceptor,
        http::{App, app, metrics_app},
        lifecycle::{Lifecycle, Phase},
        tls,
    },
    observe::{Metrics, OwnAddress, event},
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
    /// The public URL that follows from the other settings is none. Set `public_url`.
    #[error("no public URL follows from the name: set `public_url`")]
    PublicUrl,
}

/// The Alcyon server.
#[derive(Debug)]
pub struct Server;

/// A server that is up.
pub struct RunningServer {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    tls: bool,
    lifecycle: Arc<Lifecycle>,
    drain_time: Duration,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens the store, binds the address and serves, in this tokio runtime, until [`RunningServer::stop`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), alcyon_server::StartError> {
    /// use alcyon_server::{Server, config::{Config, StoreKind}};
    ///
    /// let listen = "127.0.0.1:0".parse().expect("an address");
    /// let server = Server::start(Config { listen, store: StoreKind::Memory, ..Config::default() }).await?;
    /// assert_ne!(server.address().port(), 0);
    /// server.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start(config: Config) -> Result<RunningServer, StartError> {
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let listener = bind(config.listen).await?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;
        let name = config.name.clone().unwrap_or_else(|| address.to_string());
        let url = match &config.public_url {
            Some(url) => url.clone(),
            None => public_url(tls.is_some(), &name).ok_or(StartError::PublicUrl)?,
        };
        let metrics = Arc::new(Metrics::new());
        let lifecycle = Lifecycle::new(metrics.clone());
        let (serves_metrics, own_metrics) = match config.metrics {
            MetricsListen::Auto if address.ip().is_loopback() => (true, None),
            MetricsListen::Auto => (false, Some(MetricsListen::OWN_ADDRESS)),
            MetricsListen::Off => (false, None),
            MetricsListen::At(own) => (false, Some(own)),
        };
        let state = Arc::new(App { name, url, serves_metrics, metrics: metrics.clone(), lifecycle: lifecycle.clone() });
        let mut tasks = Vec::new();
        let mut metrics_address = None;
        if let Some(own) = own_metrics {
            let listener = bind(own).await?;
            metrics_address = listener.local_addr().ok();
            let router = metrics_app(state.clone());
            let (limits, lifecycle, metrics) = (config.limits, lifecycle.clone(), metrics.clone());
            tasks.push(tokio::spawn(Acceptor { listener, tls: None, router, limits, lifecycle, metrics }.run()));
        }
        let acceptor = Acceptor {
            listener,
            router: app(state),
            limits: config.limits,
            lifecycle: lifecycle.clone(),
            metrics: metrics.clone(),
            tls: tls.clone(),
        };
        tasks.push(tokio::spawn(acceptor.run()));
        tasks.push(tokio::spawn(upkeep(metrics, lifecycle.clone())));
        event!(INFO, "started", address = OwnAddress(address), tls = tls.is_some());
        Ok(RunningServer { address, metrics_address, tls: tls.is_some(), lifecycle, drain_time: config.drain_time, tasks })
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

    /// `http://` or `https://` and the address it listens on.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// Drains and ends: no new connections, every client is told when to come back, what was accepted becomes durable and
    /// is answered. True if all that was done within the drain time; else the rest was cut off, unacknowledged.
    pub async fn stop(self) -> bool {
        let Self { address: _, metrics_address: _, tls: _, lifecycle, drain_time, tasks } = self;
        event!(INFO, "draining");
        lifecycle.advance(Phase::Draining);
        let in_time = lifecycle.emptied_within(drain_time).await;
        lifecycle.advance(Phase::Ended);
        lifecycle.emptied_within(Duration::from_secs(1)).await;
        for task in tasks {
            // A task of ours does not panic; if one did, the panic was told when it happened.
            let _panicked = task.await;
        }
        event!(INFO, "stopped", in_time = in_time);
        in_time
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

fn public_url(tls: bool, name: &str) -> Option<ServerUrl> {
    format!("{}://{name}", if tls { "https" } else { "http" }).parse().ok()
}

async fn upkeep(metrics: Arc<Metrics>, lifecycle: Arc<Lifecycle>) {
    let mut ticks = tokio::time::interval(Metrics::UPKEEP);
    loop {
        tokio::select! {
            () = lifecycle.reached(Phase::Draining) => return,
            _ = ticks.tick() => metrics.upkeep(),
        }
    }
}
