//! From the values of settings to what a server is started with.

use std::time::Duration;

use super::{
    BlobPlace, Config, ConfigError, Limits, LogFormat, LogLevel, LogOutput, MetricsListen, StatusListen, StoreKind, TlsFiles, Values,
    WebApp,
};
use crate::{
    Policy, ReportSettings, SignUpSettings, StampSettings,
    admission::AdmissionSettings,
    blobs::{BlobSettings, Endpoint, S3Settings, Secret, SecretSource},
    logs::{LogSettings, Rate},
    sign_up::{MOST_BITS, Proof},
};

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
            memory: values.optional("limits.memory_mebibytes", |text| number(text, 64, 16_000_000).map(|count| u64::from(count) << 20))?,
            limits: Limits {
                connections: values.required("limits.connections", |text| number(text, 1, 10_000_000))?,
                connections_per_address: values.required("limits.connections_per_address", |text| number(text, 1, 10_000_000))?,
                requests_in_flight: values.required("limits.requests_in_flight", |text| number(text, 1, 1024))?,
                handshake_time: values.required("limits.handshake_time", time)?,
                idle_time: values.required("limits.idle_time", time)?,
            },
            logs: log_settings(values)?,
            blobs: blob_settings(values)?,
            blob_place: blob_place(values)?,
            sign_ups: sign_up_settings(values)?,
            stamps: stamp_settings(values)?,
            reports: report_settings(values)?,
            endpoints: values.optional("endpoints", hosts)?.unwrap_or_default(),
            elsewhere: values.optional("elsewhere", |text| text.parse().ok())?,
            admission: AdmissionSettings {
                start_per_second: f64::from(values.required("admission.start_per_second", |text| number(text, 20, 100_000_000))?),
            },
        })
    }
}

fn log_settings(values: &Values) -> Result<LogSettings, ConfigError> {
    let count = |text: &str| number(text, 0, 100_000).map(|count| count as usize);
    let log_bytes = values.required("logs.log_mebibytes", mebibytes)?;
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
        retention: values.required("logs.retention_days", days)?,
        disk_reserve: values.required("logs.disk_reserve_mebibytes", mebibytes)?,
        ..LogSettings::default()
    })
}

fn stamp_settings(values: &Values) -> Result<StampSettings, ConfigError> {
    Ok(StampSettings {
        required: values.required("stamps.required", |text| match text {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        })?,
        epoch_days: values.required("stamps.epoch_days", |text| number(text, 1, 90))?,
        per_day: values.required("stamps.per_day", |text| number(text, 0, 100_000))?,
        saved: values.required("stamps.saved", |text| number(text, 0, 100_000))?,
        work_bits: values.required("stamps.work_bits", work_bits)?,
    })
}

fn report_settings(values: &Values) -> Result<ReportSettings, ConfigError> {
    let days = |text: &str| number(text, 1, 3650).map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60));
    Ok(ReportSettings {
        kept: values.required("reports.kept", |text| number(text, 0, 100_000))?,
        per_day: values.required("reports.per_day", |text| number(text, 0, 1_000))?,
        retention: values.required("reports.retention_days", days)?,
    })
}

fn blob_settings(values: &Values) -> Result<BlobSettings, ConfigError> {
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
        work_bits: values.required("sign_ups.work_bits", work_bits)?,
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

/// MiB, in bytes.
fn mebibytes(text: &str) -> Option<u64> {
    number(text, 1, 1_000_000).map(|count| u64::from(count) * 1024 * 1024)
}

/// Up to ten years.
fn days(text: &str) -> Option<Duration> {
    number(text, 1, 3650).map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60))
}

/// Zero bits that a proof of work begins with.
fn work_bits(text: &str) -> Option<u8> {
    number(text, 1, MOST_BITS.into()).and_then(|bits| u8::try_from(bits).ok())
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
