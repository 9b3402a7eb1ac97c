use std::time::Duration;

use super::{Config, ConfigError, Limits, LogFormat, LogLevel, LogOutput, MetricsListen, StoreKind, TlsFiles, Values};
use crate::{
    admission::AdmissionSettings,
    blobs::BlobSettings,
    logs::{LogSettings, Rate},
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
            limits: Limits {
                connections: values.required("limits.connections", |text| number(text, 1, 10_000_000))?,
                requests_in_flight: values.required("limits.requests_in_flight", |text| number(text, 1, 1024))?,
                handshake_time: values.required("limits.handshake_time", time)?,
                idle_time: values.required("limits.idle_time", time)?,
            },
            logs: log_settings(values)?,
            blobs: blob_settings(values)?,
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

fn time(text: &str) -> Option<Duration> {
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
