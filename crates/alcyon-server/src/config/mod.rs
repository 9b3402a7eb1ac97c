//! What the operator decides: from a TOML file, the environment (`ALCYON_...`) and flags, in rising order of
//! precedence. One table ([`Setting`]) describes every setting; the file, the environment, the flags, `--help` and the
//! man page all come from it. A value that is not allowed stops the start and is named with the place it came from.

mod command;
mod file;
mod read;
mod setting;
#[cfg(test)]
mod tests;
mod value;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use alcyon_wire::ServerUrl;
use thiserror::Error;

use crate::{
    ReportSettings, SignUpSettings, StampSettings,
    admission::AdmissionSettings,
    blobs::{BlobSettings, S3Settings},
    logs::LogSettings,
};

pub use command::{Invocation, command, from_process, interpret, man};
pub(crate) use read::time;
pub use setting::{Kind, SETTINGS, Setting};
pub use value::{Origin, Values};

/// Everything a server needs to know to start.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The directory that holds everything it keeps; made with mode 0700.
    pub data: PathBuf,
    /// The part of its handles after the `@`. None: the address it listens on, with the real port.
    pub name: Option<String>,
    /// Where clients reach it. None: from `name` and whether it speaks TLS.
    pub public_url: Option<ServerUrl>,
    /// What it keeps the data in.
    pub store: StoreKind,
    /// Certificate and key; None: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Plain HTTP is allowed beyond loopback, say behind a proxy that ends TLS.
    pub insecure_http: bool,
    /// How long accepted work has to finish after SIGTERM.
    pub drain_time: Duration,
    /// Where metrics are served.
    pub metrics: MetricsListen,
    /// Where the status page is served.
    pub status: StatusListen,
    /// What the program writes on stderr. Only the binary reads it.
    pub log: LogOutput,
    /// The page at `/`.
    pub web_app: WebApp,
    /// A ceiling for the memory of the process, bytes. None: half of the machine's, or of the control group's.
    pub memory: Option<u64>,
    /// Limits of the edge.
    pub limits: Limits,
    /// Quotas and retention of the logs.
    pub logs: LogSettings,
    /// Quotas and retention of blobs.
    pub blobs: BlobSettings,
    /// Other names and addresses of this server, for clients to find it when the first is dead.
    pub endpoints: Vec<String>,
    /// Where this server is found while this process drains.
    pub elsewhere: Option<ServerUrl>,
    /// What the limiter begins with.
    pub admission: AdmissionSettings,
    /// How newcomers come in.
    pub sign_ups: SignUpSettings,
    /// What new logs and knocks of strangers cost.
    pub stamps: StampSettings,
    /// What people report to the operator.
    pub reports: ReportSettings,
    /// Where blobs lie.
    pub blob_place: BlobPlace,
}

/// Where blobs lie.
#[derive(Debug, Clone, PartialEq)]
pub enum BlobPlace {
    /// With everything else: a directory below the data directory, or memory.
    Directory,
    /// A bucket; uploads under way below the data directory.
    S3(S3Settings),
}

/// What the data is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// The embedded engine, on disk.
    Embedded,
    /// Memory: gone with the process. For tests.
    Memory,
}

/// What is served at `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebApp {
    /// The web app in this program, if it was built with one.
    Embedded,
    /// None.
    Off,
    /// One that `cargo xtask web --release` has made: each file is held against the list of hashes there.
    Folder(PathBuf),
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where `/metrics` is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsListen {
    /// With everything else while that is loopback only, else at [`MetricsListen::OWN_ADDRESS`].
    Auto,
    /// Nowhere.
    Off,
    /// At an address of its own, plain HTTP.
    At(SocketAddr),
}

impl MetricsListen {
    /// The address of its own that `auto` takes.
    pub const OWN_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9464);
}

/// Where the status page is served: always by a listener and a thread of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusListen {
    /// Nowhere while the server itself is on loopback only, else at [`StatusListen::OWN_ADDRESS`].
    Auto,
    /// Nowhere.
    Off,
    /// At this address, plain HTTP.
    At(SocketAddr),
}

impl StatusListen {
    /// The address that `auto` takes.
    pub const OWN_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9465);
}

/// What is written on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOutput {
    /// Its form.
    pub format: LogFormat,
    /// Its detail.
    pub level: LogLevel,
}

/// For eyes or for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line of text an event.
    Human,
    /// A JSON object an event.
    Json,
}

/// How much is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the five levels of `tracing`
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// What one process takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. The file limit of the process lowers it.
    pub connections: u32,
    /// Connections at once from one address band (IPv4 /24, IPv6 /48). 127.0.0.1 and ::1 are not counted.
    pub connections_per_address: u32,
    /// Requests in flight on one connection; the next is read when one of them is answered.
    pub requests_in_flight: u32,
    /// From the first byte to the end of the request's head, TLS handshake included.
    pub handshake_time: Duration,
    /// A WebSocket that is silent this long is asked for a sign of life, and closed when it gives none for as long again.
    pub idle_time: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self::from_values(&Values::default()).expect("the defaults in the table are allowed")
    }
}

/// Why the server does not start with this configuration. All of them are for the operator to mend.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{path}: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{path}:{line}: {reason}", path = path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// There is no such setting.
    #[error("{path}:{line}: there is no setting `{key}`; allowed: {allowed}", path = path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The key that is not known.
        key: String,
        /// The keys that are.
        allowed: String,
    },
    /// The value is not allowed.
    #[error("{origin}: `{key}` is {value}; allowed: {allowed}")]
    NotAllowed {
        /// Where it came from.
        origin: Origin,
        /// The setting.
        key: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// Two settings do not go together.
    #[error("{origin}: `{key}`: {reason}")]
    Conflict {
        /// Where the first of them came from.
        origin: Origin,
        /// The first of them.
        key: &'static str,
        /// What would go.
        reason: &'static str,
    },
}
