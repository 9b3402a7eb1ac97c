#![allow(clippy::unwrap_used)]

use std::{ffi::OsString, io::Write, time::Duration};

use super::*;
use crate::logs::LogSettings;

fn interpret_with(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Config, ConfigError> {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file.as_bytes()).unwrap();
    let path = written.path().to_str().unwrap();
    let arguments = ["alcyon-server", "--config", path].into_iter().chain(flags.iter().copied());
    let matches = command().try_get_matches_from(arguments).unwrap();
    let lookup = |variable: &str| environment.iter().find(|(name, _)| *name == variable).map(|(_, value)| OsString::from(value));
    match interpret(&matches, lookup)? {
        Invocation::Serve(config) => Ok(*config),
        other => panic!("{other:?}"),
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "name = \"file.example\"\ndrain_time = \"1s\"\n[limits]\nconnections = 1\n";
    let environment = [("ALCYON_NAME", "environment.example"), ("ALCYON_LIMITS_CONNECTIONS", "2")];
    let config = interpret_with(file, &environment, &["--name", "flag.example"]).unwrap();
    assert_eq!(config.name.as_deref(), Some("flag.example"));
    assert_eq!(config.limits.connections, 2);
    assert_eq!(config.drain_time, Duration::from_secs(1));
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    let empty = interpret_with(file, &[("ALCYON_NAME", "")], &[]).unwrap();
    assert_eq!(empty.name.as_deref(), Some("file.example"), "an empty variable is not set");
}

#[test]
fn a_good_value_with_precedence_does_not_hide_a_bad_one_below() {
    let error = interpret_with("listen = 7\n", &[], &["--listen", "127.0.0.1:0"]).unwrap_err();
    assert!(matches!(error, ConfigError::NotAllowed { key: "listen", origin: Origin::File { line: 1, .. }, .. }), "{error}");
}

#[test]
fn without_any_setting_the_defaults_hold() {
    let config = interpret_with("", &[], &[]).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.logs, LogSettings::default());
    assert_eq!(config.data, PathBuf::from("./data"));
    assert_eq!((config.tls, config.metrics), (None, MetricsListen::Auto));
}

#[test]
fn every_setting_can_be_made_in_every_way() {
    let samples = |setting: &Setting| match setting.key {
        "name" => "chat.example.org:8443",
        "public_url" | "elsewhere" => "https://chat.example.org",
        "endpoints" => "b.example.org,192.0.2.7",
        "tls.cert" | "tls.key" | "sign_ups.key_file" | "sign_ups.senders" => "file.pem",
        "blobs.store" => "s3",
        "blobs.s3.endpoint" => "http://minio:9000",
        "blobs.s3.insecure_http" => "true",
        "blobs.s3.bucket" => "alcyon-files",
        "blobs.s3.prefix" => "chat/",
        "blobs.s3.access_key" => "AKIA1",
        "blobs.s3.secret_key_file" => "/run/secret",
        "limits.memory_mebibytes" => "512",
        "metrics.listen" | "status" => "off",
        _ => setting.default.unwrap(),
    };
    let mut file = String::new();
    let mut environment = Vec::new();
    let mut flags = Vec::new();
    // It has a test of its own: there is no flag, and it does not go with the file that holds it.
    for setting in SETTINGS.iter().filter(|setting| setting.kind != Kind::Secret) {
        assert_eq!(setting.flag, setting.key.replace(['.', '_'], "-"));
        let value = samples(setting);
        file += &match setting.kind {
            Kind::Text | Kind::Secret => format!("{} = {value:?}\n", setting.key),
            Kind::Number | Kind::Switch => format!("{} = {value}\n", setting.key),
        };
        environment.push((setting.variable(), value));
        flags.push(format!("--{}={value}", setting.flag));
    }
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let by_file = interpret_with(&file, &[], &[]).unwrap();
    assert_eq!(by_file.name.as_deref(), Some("chat.example.org:8443"));
    assert_eq!((by_file.metrics, by_file.status), (MetricsListen::Off, StatusListen::Off));
    assert!(matches!(&by_file.blob_place, BlobPlace::S3(s3) if s3.prefix == "chat/" && s3.path_style), "{:?}", by_file.blob_place);
    assert_eq!(interpret_with("", &environment, &[]).unwrap(), by_file);
    assert_eq!(interpret_with("", &[], &flags).unwrap(), by_file);
}

#[test]
fn settings_that_do_not_go_together_are_named() {
    let conflict = |file: &str| match interpret_with(file, &[], &[]).unwrap_err() {
        ConfigError::Conflict { key, .. } => key,
        other => panic!("{other}"),
    };
    assert_eq!(conflict("tls.cert = \"a.pem\"\n"), "tls.cert");
    assert_eq!(conflict("tls.key = \"a.pem\"\n"), "tls.key");
    assert_eq!(conflict("listen = \"192.0.2.1:80\"\n"), "listen");
    interpret_with("listen = \"192.0.2.1:80\"\ninsecure_http = true\n", &[], &[]).unwrap();
    interpret_with("listen = \"192.0.2.1:80\"\ntls.cert = \"c\"\ntls.key = \"k\"\n", &[], &[]).unwrap();
}

#[test]
fn values_at_their_bounds() {
    let refused = |flag: &str, value: &str| match interpret_with("", &[], &[&format!("{flag}={value}")]) {
        Err(ConfigError::NotAllowed { .. }) => true,
        Err(other) => panic!("{other}"),
        Ok(_) => false,
    };
    for (flag, good, bad) in [
        ("--drain-time", ["1ms", "1h", "60m"], ["0s", "61m", "10"]),
        ("--limits-connections", ["1", "10000000", "5"], ["0", "10000001", "-1"]),
        ("--limits-requests-in-flight", ["1", "1024", "64"], ["0", "1025", "x"]),
        ("--logs-seat-entries", ["1+0/s", "600+20/s", "8+0.2/m"], ["0+1/s", "600", "inf+1/s"]),
        ("--name", ["a", "chat.example.org:1", "[::1]:80"], ["A B", "chat.example.org:0", "a@b"]),
        ("--listen", ["127.0.0.1:0", "[::1]:443", "127.9.9.9:65535"], ["localhost:1", "127.0.0.1", ":80"]),
        ("--store", ["memory", "embedded", "memory"], ["redis", "", "Memory"]),
    ] {
        for value in good {
            assert!(!refused(flag, value), "{flag} {value}");
        }
        for value in bad {
            assert!(refused(flag, value), "{flag} {value}");
        }
    }
}

const S3: &str = "[blobs]\nstore = \"s3\"\n[blobs.s3]\nbucket = \"files\"\naccess_key = \"AKIA1\"\n";

#[test]
fn a_bucket_needs_what_it_needs() {
    let secret = ("ALCYON_BLOBS_S3_SECRET_KEY", "hushhush");
    let config = interpret_with(S3, &[secret], &[]).unwrap();
    let BlobPlace::S3(s3) = config.blob_place else { panic!() };
    assert_eq!((s3.endpoint, s3.prefix.as_str()), ("https://s3.us-east-1.amazonaws.com".parse().unwrap(), ""));
    let of = |file: &str, environment: &[(&str, &str)], flags: &[&str]| interpret_with(file, environment, flags).unwrap_err().to_string();
    assert!(of(S3, &[], &[]).contains("needs `blobs.s3.secret_key` or"));
    assert!(of("[blobs]\nstore = \"s3\"\n", &[secret], &[]).contains("needs `blobs.s3.bucket`"));
    assert!(of(S3, &[secret], &["--store=memory"]).contains("needs `store = \"embedded\"`"));
    assert!(of(S3, &[secret], &["--blobs-s3-secret-key-file=x"]).contains("does not go with"));
    assert!(of(S3, &[secret], &["--blobs-s3-endpoint=http://192.0.2.1"]).contains("plain HTTP is for this machine only"));
    for wrong in
        ["--blobs-store=disk", "--blobs-s3-bucket=Files", "--blobs-s3-bucket=ab", "--blobs-s3-prefix=/a", "--blobs-s3-endpoint=minio"]
    {
        let flag = wrong.split('=').next().unwrap();
        assert!(of(S3, &[secret], &[wrong]).starts_with(&format!("{flag}: ")), "{wrong}");
    }
}

#[test]
fn a_secret_has_no_flag_and_is_never_shown() {
    let config = interpret_with(&format!("{S3}secret_key = \"hushhush\"\n"), &[], &[]).unwrap();
    assert!(!format!("{config:?}").contains("hush"), "{config:?}");
    let error = interpret_with(S3, &[("ALCYON_BLOBS_S3_SECRET_KEY", "hush hush")], &[]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("environment variable ALCYON_BLOBS_S3_SECRET_KEY: `blobs.s3.secret_key` is a secret that is not shown")
    );
    let error = interpret_with(&format!("{S3}secret_key = 123456789\n"), &[], &[]).unwrap_err();
    assert!(!error.to_string().contains("123456789"), "{error}");
    assert!(command().try_get_matches_from(["alcyon-server", "--blobs-s3-secret-key=x"]).is_err());
    assert!(command().render_long_help().to_string().contains("ALCYON_BLOBS_S3_SECRET_KEY"));
}
