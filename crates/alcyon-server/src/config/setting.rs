use super::{Config, ConfigError, Limits, LogFormat, LogLevel, LogOutput, MetricsListen, StoreKind, TlsFiles, Values};

/// One setting, in all its forms.
#[derive(Debug)]
pub struct Setting {
    /// Its key in the file, sections joined by dots. The flag is `--` and the key with dashes, the environment variable
    /// `ALCYON_` and the key in capitals with underscores.
    pub key: &'static str,
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
    /// The flag, without dashes before it.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// The environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ALCYON_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }
}

const SECONDS: &str = "a time such as 500ms, 10s or 5m, up to 1h";
const ADDRESS: &str = "an IP address and port such as 127.0.0.1:8080 or [::]:443";

/// All settings, in the order of `--help`.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "data",
        value_name: "DIR",
        default: Some("./data"),
        kind: Kind::Text,
        allowed: "a directory",
        help: "Directory that holds everything the server keeps; made if it is not there, readable by its owner alone",
    },
    Setting {
        key: "listen",
        value_name: "ADDR",
        default: Some("127.0.0.1:8080"),
        kind: Kind::Text,
        allowed: ADDRESS,
        help: "Address to listen on; port 0 takes a free one",
    },
    Setting {
        key: "name",
        value_name: "HOST[:PORT]",
        default: None,
        kind: Kind::Text,
        allowed: "a host name or address with an optional port, such as chat.example.org",
        help: "Public name, the part of handles after the @; without it the address listened on, with the real port",
    },
    Setting {
        key: "public_url",
        value_name: "URL",
        default: None,
        kind: Kind::Text,
        allowed: "https://host, https://host:port or http://host:port",
        help: "Where clients reach the server; without it made of the name and https with TLS, http else",
    },
    Setting {
        key: "tls.cert",
        value_name: "FILE",
        default: None,
        kind: Kind::Text,
        allowed: "a PEM file",
        help: "Certificate chain, the server's own certificate first; with it and tls.key the server speaks TLS 1.3",
    },
    Setting {
        key: "tls.key",
        value_name: "FILE",
        default: None,
        kind: Kind::Text,
        allowed: "a PEM file",
        help: "Private key of the certificate",
    },
    Setting {
        key: "insecure_http",
        value_name: "BOOL",
        default: Some("false"),
        kind: Kind::Switch,
        allowed: "true or false",
        help: "Allow plain HTTP on an address that is not loopback, say behind a proxy that ends TLS",
    },
    Setting {
        key: "store",
        value_name: "STORE",
        default: Some("embedded"),
        kind: Kind::Text,
        allowed: "embedded or memory",
        help: "What the data is kept in: `embedded` on disk, `memory` for tests (gone with the process)",
    },
    Setting {
        key: "drain_time",
        value_name: "TIME",
        default: Some("10s"),
        kind: Kind::Text,
        allowed: SECONDS,
        help: "How long accepted work has to finish after SIGTERM or SIGINT; a second signal ends at once",
    },
    Setting {
        key: "log.format",
        value_name: "FORMAT",
        default: Some("human"),
        kind: Kind::Text,
        allowed: "human or json",
        help: "Form of the log on stderr",
    },
    Setting {
        key: "log.level",
        value_name: "LEVEL",
        default: Some("info"),
        kind: Kind::Text,
        allowed: "error, warn, info, debug or trace",
        help: "Detail of the log",
    },
    Setting {
        key: "metrics.listen",
        value_name: "ADDR",
        default: Some("auto"),
        kind: Kind::Text,
        allowed: "auto, off, or an IP address and port such as 127.0.0.1:9464",
        help: "Where /metrics is served in plain HTTP; `auto`: with everything else while that is loopback, else 127.0.0.1:9464",
    },
    Setting {
        key: "limits.connections",
        value_name: "NUMBER",
        default: Some("100000"),
        kind: Kind::Number,
        allowed: "a whole number from 1 to 10000000",
        help: "Connections at once; the process's limit of open files lowers it",
    },
    Setting {
        key: "limits.requests_in_flight",
        value_name: "NUMBER",
        default: Some("64"),
        kind: Kind::Number,
        allowed: "a whole number from 1 to 1024",
        help: "Requests in flight on one connection; the next waits",
    },
    Setting {
        key: "limits.handshake_time",
        value_name: "TIME",
        default: Some("10s"),
        kind: Kind::Text,
        allowed: SECONDS,
        help: "How long a client may take for the TLS handshake, and for the head of each request",
    },
    Setting {
        key: "limits.idle_time",
        value_name: "TIME",
        default: Some("4m"),
        kind: Kind::Text,
        allowed: SECONDS,
        help: "A WebSocket that is silent this long is asked for a sign of life, and closed when it gives none",
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
        })
    }
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

fn time(text: &str) -> Option<std::time::Duration> {
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
    (1..=3_600_000).contains(&milliseconds).then(|| std::time::Duration::from_millis(milliseconds))
}
