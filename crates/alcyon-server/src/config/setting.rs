use std::time::Duration;

use super::{
    BlobPlace, Config, ConfigError, Limits, LogFormat, LogLevel, LogOutput, MetricsListen, StatusListen, StoreKind, TlsFiles, Values,
    WebApp,
};
use crate::{
    Policy, SignUpSettings,
    admission::AdmissionSettings,
    blobs::{BlobSettings, Endpoint, S3Settings, Secret, SecretSource},
    logs::{LogSettings, Rate},
    sign_up::Proof,
};

/// One setting, in all its forms.
#[derive(Debug)]
pub struct Setting {
    /// Its key in the file, sections joined by dots.
    pub key: &'static str,
    /// The flag, without the two dashes: the key with dashes.
    pub flag: &'static str,
    /// What stands for its value in `--help`.
    pub value_name: &'static str,
    /// What it is without being set; None: see `help`.
    pub default: Option<&'static str>,
    /// What it is in the file.
    pub kind: Kind,
    /// The values it may have, for people.
    pub allowed: &'static str,
    /// What it does, for people.
    pub help: &'static str,
}

/// The TOML type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// An integer.
    Number,
    /// `true` or `false`; the flag needs no value.
    Switch,
    /// A string that is never shown. There is no flag: everybody on the machine can read command lines.
    Secret,
}

impl Setting {
    /// The environment variable: `ALCYON_` and the key in capitals with underscores.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ALCYON_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }
}

const SECONDS: &str = "a time such as 500ms, 10s or 5m, up to 1h";
const RATE: &str = "a burst and what comes back in a second, minute or hour, such as 600+20/s or 60+1/m";
const MEBIBYTES: &str = "a whole number of MiB from 1 to 1000000";
const ADDRESS: &str = "an IP address and port such as 127.0.0.1:8080 or [::]:443";

/// All settings, in the order of `--help`.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "data",
        flag: "data",
        value_name: "DIR",
        default: Some("./data"),
        kind: Kind::Text,
        allowed: "a directory",
        help: "Directory that holds everything the server keeps; made if it is not there, readable by its owner alone",
    },
    Setting {
        key: "listen",
        flag: "listen",
        value_name: "ADDR",
        default: Some("127.0.0.1:8080"),
        kind: Kind::Text,
        allowed: ADDRESS,
        help: "Address to listen on; port 0 takes a free one",
    },
    Setting {
        key: "name",
        flag: "name",
        value_name: "HOST[:PORT]",
        default: None,
        kind: Kind::Text,
        allowed: "a host name or address with an optional port, such as chat.example.org",
        help: "Public name, the part of handles after the @; without it the address listened on, with the real port",
    },
    Setting {
        key: "public_url",
        flag: "public-url",
        value_name: "URL",
        default: None,
        kind: Kind::Text,
        allowed: "https://host, https://host:port or http://host:port",
        help: "Where clients reach the server; without it made of the name and https with TLS, http else",
    },
    Setting {
        key: "endpoints",
        flag: "endpoints",
        value_name: "HOSTS",
        default: None,
        kind: Kind::Text,
        allowed: "up to 8 host names or IP addresses with commas between, such as b.example.net,192.0.2.7",
        help: "Where this server is found as well, on the same port and with the same certificate: clients remember it for the day the \
               first name or address is dead; best with another provider",
    },
    Setting {
        key: "elsewhere",
        flag: "elsewhere",
        value_name: "URL",
        default: None,
        kind: Kind::Text,
        allowed: "https://host, https://host:port or http://host:port",
        help: "Another process of this same server, with its certificate and its port, to which clients are sent while this one drains",
    },
    Setting {
        key: "tls.cert",
        flag: "tls-cert",
        value_name: "FILE",
        default: None,
        kind: Kind::Text,
        allowed: "a PEM file",
        help: "Certificate chain, the server's own certificate first; with it and tls.key the server speaks TLS 1.3",
    },
    Setting {
        key: "tls.key",
        flag: "tls-key",
        value_name: "FILE",
        default: None,
        kind: Kind::Text,
        allowed: "a PEM file",
        help: "Private key of the certificate",
    },
    Setting {
        key: "insecure_http",
        flag: "insecure-http",
        value_name: "BOOL",
        default: Some("false"),
        kind: Kind::Switch,
        allowed: "true or false",
        help: "Allow plain HTTP on an address that is not loopback, say behind a proxy that ends TLS",
    },
    Setting {
        key: "store",
        flag: "store",
        value_name: "STORE",
        default: Some("embedded"),
        kind: Kind::Text,
        allowed: "embedded or memory",
        help: "What the data is kept in: `embedded` on disk, `memory` for tests (gone with the process)",
    },
    Setting {
        key: "web_app",
        flag: "web-app",
        value_name: "APP",
        default: Some("embedded"),
        kind: Kind::Text,
        allowed: "embedded, off, or a folder that `cargo xtask web --release` has made (with a / in it)",
        help: "The page at /: `embedded` in this program if it was built with one, `off`, or a folder such as ./target/web-app",
    },
    Setting {
        key: "drain_time",
        flag: "drain-time",
        value_name: "TIME",
        default: Some("10s"),
        kind: Kind::Text,
        allowed: SECONDS,
        help: "How long accepted work has to finish after SIGTERM or SIGINT; a second signal ends at once",
    },
    Setting {
        key: "log.format",
        flag: "log-format",
        value_name: "FORMAT",
        default: Some("human"),
        kind: Kind::Text,
        allowed: "human or json",
        help: "Form of the log on stderr",
    },
    Setting {
        key: "log.level",
        flag: "log-level",
        value_name: "LEVEL",
        default: Some("info"),
        kind: Kind::Text,
        allowed: "error, warn, info, debug or trace",
        help: "Detail of the log",
    },
    Setting {
        key: "metrics.listen",
        flag: "metrics-listen",
        value_name: "ADDR",
        default: Some("auto"),
        kind: Kind::Text,
        allowed: "auto, off, or an IP address and port such as 127.0.0.1:9464",
        help: "Where /metrics is served in plain HTTP; `auto`: with everything else while that is loopback, else 127.0.0.1:9464",
    },
    Setting {
        key: "status",
        flag: "status",
        value_name: "ADDR",
        default: Some("auto"),
        kind: Kind::Text,
        allowed: "auto, off, or an IP address and port such as 127.0.0.1:9465",
        help: "Where the status page is, in plain HTTP by a thread of its own; `auto`: off while the server is on loopback only, else 127.0.0.1:9465",
    },
    Setting {
        key: "limits.connections",
        flag: "limits-connections",
        value_name: "NUMBER",
        default: Some("100000"),
        kind: Kind::Number,
        allowed: "a whole number from 1 to 10000000",
        help: "Connections at once; the process's limit of open files lowers it",
    },
    Setting {
        key: "limits.requests_in_flight",
        flag: "limits-requests-in-flight",
        value_name: "NUMBER",
        default: Some("64"),
        kind: Kind::Number,
        allowed: "a whole number from 1 to 1024",
        help: "Requests in flight on one connection; the next waits",
    },
    Setting {
        key: "limits.handshake_time",
        flag: "limits-handshake-time",
        value_name: "TIME",
        default: Some("10s"),
        kind: Kind::Text,
        allowed: SECONDS,
        help: "How long a client may take for the TLS handshake, and for the head of each request",
    },
    Setting {
        key: "limits.idle_time",
        flag: "limits-idle-time",
        value_name: "TIME",
        default: Some("4m"),
        kind: Kind::Text,
        allowed: SECONDS,
        help: "A WebSocket that is silent this long is asked for a sign of life, and closed when it gives none",
    },
    Setting {
        key: "logs.seat_entries",
        flag: "logs-seat-entries",
        value_name: "RATE",
        default: Some("600+20/s"),
        kind: Kind::Text,
        allowed: RATE,
        help: "Entries that one seat may append",
    },
    Setting {
        key: "logs.seat_bytes",
        flag: "logs-seat-bytes",
        value_name: "RATE",
        default: Some("33554432+1048576/s"),
        kind: Kind::Text,
        allowed: RATE,
        help: "Bytes that one seat may append",
    },
    Setting {
        key: "logs.commits",
        flag: "logs-commits",
        value_name: "RATE",
        default: Some("8+0.2/s"),
        kind: Kind::Text,
        allowed: RATE,
        help: "Commits by the seats of one log",
    },
    Setting {
        key: "logs.joins",
        flag: "logs-joins",
        value_name: "RATE",
        default: Some("8+1/s"),
        kind: Kind::Text,
        allowed: RATE,
        help: "Joins by the doors of one log",
    },
    Setting {
        key: "logs.pass_knocks",
        flag: "logs-pass-knocks",
        value_name: "RATE",
        default: Some("60+1/m"),
        kind: Kind::Text,
        allowed: RATE,
        help: "Knocks with one pass",
    },
    Setting {
        key: "logs.creates_per_address",
        flag: "logs-creates-per-address",
        value_name: "RATE",
        default: Some("1000+1/s"),
        kind: Kind::Text,
        allowed: RATE,
        help: "Logs created from one address band (IPv4 /24, IPv6 /48)",
    },
    Setting {
        key: "logs.creates",
        flag: "logs-creates",
        value_name: "RATE",
        default: Some("50000+500/s"),
        kind: Kind::Text,
        allowed: RATE,
        help: "Logs created in all",
    },
    Setting {
        key: "logs.strangers_per_hour",
        flag: "logs-strangers-per-hour",
        value_name: "NUMBER",
        default: Some("20"),
        kind: Kind::Number,
        allowed: "a whole number from 0 to 100000",
        help: "Knocks of strangers at one inbox in any hour",
    },
    Setting {
        key: "logs.strangers_pending",
        flag: "logs-strangers-pending",
        value_name: "NUMBER",
        default: Some("200"),
        kind: Kind::Number,
        allowed: "a whole number from 0 to 100000",
        help: "Knocks of strangers that wait at one inbox",
    },
    Setting {
        key: "logs.log_mebibytes",
        flag: "logs-log-mebibytes",
        value_name: "NUMBER",
        default: Some("256"),
        kind: Kind::Number,
        allowed: MEBIBYTES,
        help: "Stored bytes of one log; one seat may have a quarter of it",
    },
    Setting {
        key: "logs.retention_days",
        flag: "logs-retention-days",
        value_name: "NUMBER",
        default: Some("30"),
        kind: Kind::Number,
        allowed: "a whole number of days from 1 to 3650",
        help: "How long application entries are kept",
    },
    Setting {
        key: "logs.disk_reserve_mebibytes",
        flag: "logs-disk-reserve-mebibytes",
        value_name: "NUMBER",
        default: Some("128"),
        kind: Kind::Number,
        allowed: MEBIBYTES,
        help: "Below so much free space nothing more is accepted",
    },
    Setting {
        key: "blobs.retention_days",
        flag: "blobs-retention-days",
        value_name: "NUMBER",
        default: Some("30"),
        kind: Kind::Number,
        allowed: "a whole number of days from 1 to 3650",
        help: "How long uploaded files are kept",
    },
    Setting {
        key: "blobs.unfinished_days",
        flag: "blobs-unfinished-days",
        value_name: "NUMBER",
        default: Some("3"),
        kind: Kind::Number,
        allowed: "a whole number of days from 1 to 3650",
        help: "How long an upload that has stopped can be taken up again",
    },
    Setting {
        key: "blobs.largest_mebibytes",
        flag: "blobs-largest-mebibytes",
        value_name: "NUMBER",
        default: Some("4162"),
        kind: Kind::Number,
        allowed: MEBIBYTES,
        help: "The largest upload; the default has room for a padded and sealed file of 4 GiB, and more than that is never taken",
    },
    Setting {
        key: "blobs.total_mebibytes",
        flag: "blobs-total-mebibytes",
        value_name: "NUMBER",
        default: Some("102400"),
        kind: Kind::Number,
        allowed: MEBIBYTES,
        help: "Uploaded files all together",
    },
    Setting {
        key: "blobs.bytes_per_address",
        flag: "blobs-bytes-per-address",
        value_name: "RATE",
        default: Some("17179869184+1048576/s"),
        kind: Kind::Text,
        allowed: RATE,
        help: "Bytes that may be uploaded from one address band (IPv4 /24, IPv6 /48)",
    },
    Setting {
        key: "blobs.store",
        flag: "blobs-store",
        value_name: "STORE",
        default: Some("directory"),
        kind: Kind::Text,
        allowed: "directory or s3",
        help: "Where uploaded files lie: a directory below the data directory, or a bucket of any service that speaks S3",
    },
    Setting {
        key: "blobs.s3.endpoint",
        flag: "blobs-s3-endpoint",
        value_name: "URL",
        default: None,
        kind: Kind::Text,
        allowed: "https://HOST[:PORT], or http://",
        help: "Where the S3 service is; without it Amazon's of the region",
    },
    Setting {
        key: "blobs.s3.region",
        flag: "blobs-s3-region",
        value_name: "REGION",
        default: Some("us-east-1"),
        kind: Kind::Text,
        allowed: "letters, digits and dashes",
        help: "Region of the bucket; services without regions take the default or `auto`",
    },
    Setting {
        key: "blobs.s3.bucket",
        flag: "blobs-s3-bucket",
        value_name: "BUCKET",
        default: None,
        kind: Kind::Text,
        allowed: "3 to 63 lower-case letters, digits, dots and dashes",
        help: "The bucket; it must exist",
    },
    Setting {
        key: "blobs.s3.prefix",
        flag: "blobs-s3-prefix",
        value_name: "PREFIX",
        default: None,
        kind: Kind::Text,
        allowed: "letters, digits, dots, dashes, underscores and slashes, such as alcyon/",
        help: "Before every name in the bucket; no two servers may share one",
    },
    Setting {
        key: "blobs.s3.path_style",
        flag: "blobs-s3-path-style",
        value_name: "BOOL",
        default: Some("true"),
        kind: Kind::Switch,
        allowed: "true or false",
        help: "The bucket is named in the path, which nearly all services take; else before the endpoint's name",
    },
    Setting {
        key: "blobs.s3.insecure_http",
        flag: "blobs-s3-insecure-http",
        value_name: "BOOL",
        default: Some("false"),
        kind: Kind::Switch,
        allowed: "true or false",
        help: "Allow an http:// endpoint that is not this machine's own, say in a network of your own",
    },
    Setting {
        key: "blobs.s3.access_key",
        flag: "blobs-s3-access-key",
        value_name: "KEY",
        default: None,
        kind: Kind::Text,
        allowed: "the id of a key: letters, digits, dashes and underscores",
        help: "The access key, its id",
    },
    Setting {
        key: "blobs.s3.secret_key",
        flag: "blobs-s3-secret-key",
        value_name: "SECRET",
        default: None,
        kind: Kind::Secret,
        allowed: "a word of printable ASCII",
        help: "The access key, its secret",
    },
    Setting {
        key: "blobs.s3.secret_key_file",
        flag: "blobs-s3-secret-key-file",
        value_name: "FILE",
        default: None,
        kind: Kind::Text,
        allowed: "a file",
        help: "A file that holds the secret of the access key and nothing else",
    },
    Setting {
        key: "sign_ups.per_second",
        flag: "sign-ups-per-second",
        value_name: "NUMBER",
        default: Some("auto"),
        kind: Kind::Text,
        allowed: "auto, or a number of people a second from 0.01 to 1000000",
        help: "Newcomers let in a second, beyond which they wait in line; `auto`: as many as there is room for",
    },
    Setting {
        key: "sign_ups.key_file",
        flag: "sign-ups-key-file",
        value_name: "FILE",
        default: None,
        kind: Kind::Text,
        allowed: "a file with 64 hexadecimal digits",
        help: "Secret behind tickets and codes, for several processes to share; without it one of its own, in the data directory",
    },
    Setting {
        key: "sign_ups.proofs",
        flag: "sign-ups-proofs",
        value_name: "WAYS",
        default: Some("open"),
        kind: Kind::Text,
        allowed: "open, or ways in joined by | of proofs joined by +: invite, work, email, phone; such as `invite | email+work`",
        help: "What newcomers have to show: all the proofs of any of the ways",
    },
    Setting {
        key: "sign_ups.work_bits",
        flag: "sign-ups-work-bits",
        value_name: "NUMBER",
        default: Some("16"),
        kind: Kind::Number,
        allowed: "a whole number from 1 to 22",
        help: "Zero bits that the proof of work begins with while few come; more are asked for when many do",
    },
    Setting {
        key: "sign_ups.senders",
        flag: "sign-ups-senders",
        value_name: "FILE",
        default: None,
        kind: Kind::Text,
        allowed: "a TOML file with [[email]] and [[phone]]",
        help: "Who carries codes: mail servers and HTTP gateways, each tried in order; the proofs `email` and `phone` need it",
    },
    Setting {
        key: "sign_ups.if_down",
        flag: "sign-ups-if-down",
        value_name: "WHAT",
        default: Some("wait"),
        kind: Kind::Text,
        allowed: "wait or unverified",
        help: "While no sender can carry codes: newcomers `wait`, or come in without one, their accounts marked `unverified`",
    },
    Setting {
        key: "admission.start_per_second",
        flag: "admission-start-per-second",
        value_name: "NUMBER",
        default: Some("10000"),
        kind: Kind::Number,
        allowed: "a whole number from 20 to 100000000",
        help: "Work let in per second right after the start, in units of an append, before the server has shown what it can do; \
               all later limits are measured",
    },
];

impl Config {
    /// Reads every setting from `values` and checks those that depend on each other.
    pub fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let listen: std::net::SocketAddr = values.required("listen", |text| text.parse().ok())?;
        let cert = values.optional("tls.cert", path)?;
        let key = values.optional("tls.key", path)?;
        let tls = match (cert, key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) => return Err(values.conflict("tls.cert", "needs `tls.key` beside it")),
            (None, Some(_)) => return Err(values.conflict("tls.key", "needs `tls.cert` beside it")),
        };
        let insecure_http = values.required("insecure_http", switch)?;
        if tls.is_none() && !listen.ip().is_loopback() && !insecure_http {
            let reason = "plain HTTP is for loopback only: give `tls.cert` and `tls.key`, or allow it with --insecure-http";
            return Err(values.conflict("listen", reason));
        }
        Ok(Self {
            listen,
            data: values.required("data", path)?,
            name: values.optional("name", |text| {
                let handle: alcyon_wire::Handle = format!("aaa@{text}").parse().ok()?;
                Some(handle.server().to_owned())
            })?,
            public_url: values.optional("public_url", |text| text.parse().ok())?,
            store: values.required("store", |text| match text {
                "embedded" => Some(StoreKind::Embedded),
                "memory" => Some(StoreKind::Memory),
                _ => None,
            })?,
            tls,
            insecure_http,
            drain_time: values.required("drain_time", time)?,
            metrics: values.required("metrics.listen", |text| match text {
                "auto" => Some(MetricsListen::Auto),
                "off" => Some(MetricsListen::Off),
                address => address.parse().ok().map(MetricsListen::At),
            })?,
            status: values.required("status", |text| match text {
                "auto" => Some(StatusListen::Auto),
                "off" => Some(StatusListen::Off),
                address => address.parse().ok().map(StatusListen::At),
            })?,
            log: LogOutput {
                format: values.required("log.format", |text| match text {
                    "human" => Some(LogFormat::Human),
                    "json" => Some(LogFormat::Json),
                    _ => None,
                })?,
                level: values.required("log.level", |text| match text {
                    "error" => Some(LogLevel::Error),
                    "warn" => Some(LogLevel::Warn),
                    "info" => Some(LogLevel::Info),
                    "debug" => Some(LogLevel::Debug),
                    "trace" => Some(LogLevel::Trace),
                    _ => None,
                })?,
            },
            web_app: values.required("web_app", |text| match text {
                "embedded" => Some(WebApp::Embedded),
                "off" => Some(WebApp::Off),
                folder => folder.contains('/').then(|| WebApp::Folder(folder.into())),
            })?,
            limits: Limits {
                connections: values.required("limits.connections", |text| number(text, 1, 10_000_000))?,
                requests_in_flight: values.required("limits.requests_in_flight", |text| number(text, 1, 1024))?,
                handshake_time: values.required("limits.handshake_time", time)?,
                idle_time: values.required("limits.idle_time", time)?,
            },
            logs: log_settings(values)?,
            blobs: blob_settings(values)?,
            blob_place: blob_place(values)?,
            sign_ups: sign_up_settings(values)?,
            endpoints: values.optional("endpoints", hosts)?.unwrap_or_default(),
            elsewhere: values.optional("elsewhere", |text| text.parse().ok())?,
            admission: AdmissionSettings {
                start_per_second: f64::from(values.required("admission.start_per_second", |text| number(text, 20, 100_000_000))?),
            },
        })
    }
}

fn log_settings(values: &Values) -> Result<LogSettings, ConfigError> {
    let mebibytes = |text: &str| number(text, 1, 1_000_000).map(|count| u64::from(count) * 1024 * 1024);
    let count = |text: &str| number(text, 0, 100_000).map(|count| count as usize);
    let log_bytes = values.required("logs.log_mebibytes", mebibytes)?;
    let days = values.required("logs.retention_days", |text| number(text, 1, 3650))?;
    Ok(LogSettings {
        seat_entries: values.required("logs.seat_entries", rate)?,
        seat_bytes: values.required("logs.seat_bytes", rate)?,
        commits: values.required("logs.commits", rate)?,
        joins: values.required("logs.joins", rate)?,
        pass_knocks: values.required("logs.pass_knocks", rate)?,
        creates_per_band: values.required("logs.creates_per_address", rate)?,
        creates: values.required("logs.creates", rate)?,
        strangers_per_hour: values.required("logs.strangers_per_hour", count)?,
        strangers_pending: values.required("logs.strangers_pending", count)?,
        log_bytes,
        seat_share: log_bytes / 4,
        retention: Duration::from_secs(u64::from(days) * 24 * 60 * 60),
        disk_reserve: values.required("logs.disk_reserve_mebibytes", mebibytes)?,
        ..LogSettings::default()
    })
}

fn blob_settings(values: &Values) -> Result<BlobSettings, ConfigError> {
    let mebibytes = |text: &str| number(text, 1, 1_000_000).map(|count| u64::from(count) * 1024 * 1024);
    let days = |text: &str| number(text, 1, 3650).map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60));
    Ok(BlobSettings {
        bytes_per_band: values.required("blobs.bytes_per_address", rate)?,
        total: values.required("blobs.total_mebibytes", mebibytes)?,
        largest: values.required("blobs.largest_mebibytes", mebibytes)?,
        retention: values.required("blobs.retention_days", days)?,
        unfinished: values.required("blobs.unfinished_days", days)?,
        disk_reserve: values.required("logs.disk_reserve_mebibytes", mebibytes)?,
    })
}

fn blob_place(values: &Values) -> Result<BlobPlace, ConfigError> {
    let of = |text: &str, most: usize, allowed: &str| {
        let fits = (1..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || allowed.contains(c));
        fits.then(|| text.to_owned())
    };
    let region = values.required("blobs.s3.region", |text| of(text, 64, "-"))?;
    let endpoint = values.optional("blobs.s3.endpoint", |text| text.parse::<Endpoint>().ok())?;
    let bucket = values
        .optional("blobs.s3.bucket", |text| of(text, 63, ".-").filter(|text| text.len() >= 3 && text.to_ascii_lowercase() == *text))?;
    let prefix = values.optional("blobs.s3.prefix", |text| of(text, 256, "._-/").filter(|text| !text.starts_with('/')))?;
    let path_style = values.required("blobs.s3.path_style", switch)?;
    let insecure_http = values.required("blobs.s3.insecure_http", switch)?;
    let access_key = values.optional("blobs.s3.access_key", |text| of(text, 128, "-_"))?;
    let secret_key = values.optional("blobs.s3.secret_key", Secret::parse)?;
    let secret_key_file = values.optional("blobs.s3.secret_key_file", path)?;
    let in_bucket = values.required("blobs.store", |text| match text {
        "directory" => Some(false),
        "s3" => Some(true),
        _ => None,
    })?;
    if !in_bucket {
        return Ok(BlobPlace::Directory);
    }
    if values.required("store", |text| Some(text == "memory"))? {
        return Err(values.conflict("blobs.store", "`s3` keeps uploads under way in the data directory: it needs `store = \"embedded\"`"));
    }
    let bucket = bucket.ok_or_else(|| values.conflict("blobs.store", "`s3` needs `blobs.s3.bucket`"))?;
    let access_key = access_key.ok_or_else(|| values.conflict("blobs.store", "`s3` needs `blobs.s3.access_key`"))?;
    let secret_key = match (secret_key, secret_key_file) {
        (Some(secret), None) => SecretSource::Here(secret),
        (None, Some(path)) => SecretSource::File(path),
        (None, None) => {
            return Err(values.conflict("blobs.store", "`s3` needs `blobs.s3.secret_key` or `blobs.s3.secret_key_file`"));
        }
        (Some(_), Some(_)) => return Err(values.conflict("blobs.s3.secret_key", "does not go with `blobs.s3.secret_key_file`")),
    };
    let endpoint = match endpoint {
        Some(endpoint) => endpoint,
        None => Endpoint::of_region(&region).ok_or_else(|| values.conflict("blobs.s3.region", "there is no such region"))?,
    };
    if endpoint.is_open() && !insecure_http {
        return Err(values.conflict("blobs.s3.endpoint", "plain HTTP is for this machine only; allow it with `blobs.s3.insecure_http`"));
    }
    let prefix = prefix.map_or_else(String::new, |prefix| prefix.trim_end_matches('/').to_owned() + "/");
    let (part, patience) = (S3Settings::PART, S3Settings::PATIENCE);
    Ok(BlobPlace::S3(S3Settings { endpoint, region, bucket, prefix, path_style, access_key, secret_key, part, patience }))
}

fn sign_up_settings(values: &Values) -> Result<SignUpSettings, ConfigError> {
    let per_second = values.required("sign_ups.per_second", |text| match text {
        "auto" => Some(None),
        number => number.parse().ok().filter(|number| (0.01..=1e6).contains(number)).map(Some),
    })?;
    let policy = values.required("sign_ups.proofs", Policy::parse)?;
    let senders = values.optional("sign_ups.senders", path)?;
    if senders.is_none() && (policy.has(Proof::Email) || policy.has(Proof::Phone)) {
        return Err(values.conflict("sign_ups.proofs", "the proofs `email` and `phone` need `sign_ups.senders`"));
    }
    Ok(SignUpSettings {
        per_second,
        key_file: values.optional("sign_ups.key_file", path)?,
        policy,
        work_bits: values.required("sign_ups.work_bits", |text| number(text, 1, 22).and_then(|bits| u8::try_from(bits).ok()))?,
        senders,
        excuses: values.required("sign_ups.if_down", |text| match text {
            "wait" => Some(false),
            "unverified" => Some(true),
            _ => None,
        })?,
    })
}

/// Most endpoints that a client takes.
const ENDPOINTS: usize = 8;

/// Host names and IP addresses, with commas between.
fn hosts(text: &str) -> Option<Vec<String>> {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_host = |host: &str| host.parse::<std::net::IpAddr>().is_ok() || (1..=253).contains(&host.len()) && host.bytes().all(name);
    let hosts: Vec<String> = text.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned).collect();
    ((1..=ENDPOINTS).contains(&hosts.len()) && hosts.iter().all(|host| is_host(host))).then_some(hosts)
}

fn path(text: &str) -> Option<std::path::PathBuf> {
    if text.is_empty() { None } else { Some(text.into()) }
}

fn switch(text: &str) -> Option<bool> {
    text.parse().ok()
}

fn number(text: &str, least: u32, most: u32) -> Option<u32> {
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

/// `burst+refill/s`, or `/m`, `/h`
fn rate(text: &str) -> Option<Rate> {
    let (text, seconds) = [("/s", 1.0), ("/m", 60.0), ("/h", 3600.0)]
        .into_iter()
        .find_map(|(unit, seconds)| text.strip_suffix(unit).map(|text| (text, seconds)))?;
    let (burst, refill) = text.split_once('+')?;
    let rate = Rate { burst: burst.parse().ok()?, per_second: refill.parse::<f64>().ok()? / seconds };
    let sensible = |value: f64, least: f64| value.is_finite() && (least..=1e12).contains(&value);
    (sensible(rate.burst, 1.0) && sensible(rate.per_second, 0.0)).then_some(rate)
}

/// `500ms`, `10s`, `5m` or `1h`, from 1 ms to 1 h.
pub(crate) fn time(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let amount: u64 = text[..text.len() - unit.len()].parse().ok()?;
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let milliseconds = amount.checked_mul(scale)?;
    (1..=3_600_000).contains(&milliseconds).then(|| Duration::from_millis(milliseconds))
}
