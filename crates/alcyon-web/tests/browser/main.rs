//! The client in a real browser talks to a terminal through a real server: headless Chromium, a dedicated Worker, the origin
//! private file system.
//!
//! `cargo xtask test` builds all that this needs and tells where it is: `ALCYON_WEB` is the folder of the built client,
//! `ALCYON_BIN_DIR` that of the programs, `CHROMIUM` the browser.
#![allow(clippy::unwrap_used)]

mod page_server;

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::page_server::PageServer;

#[test]
fn a_browser_and_a_terminal_talk() {
    let folder = TempDir::new().unwrap();
    let (_server, url) = server(&folder.path().join("server"));
    let ann = Terminal { profile: folder.path().join("ann") };
    let ann_handle = ann.json(&["register", "ann", "--server", &url]).remove(0)["handle"].as_str().unwrap().to_owned();

    let page = PageServer::start(setting("ALCYON_WEB"));
    let _browser = browser(&folder.path().join("browser"), &format!("{}/index.html?server={url}&peer={ann_handle}", page.url));

    let report = page.report("registered");
    assert_eq!(report["closed"], "not-open");
    assert_eq!(report["opened"]["account"], Value::Null);
    let ben_handle = report["registered"]["handle"].as_str().unwrap().to_owned();
    assert_eq!(ben_handle, ann_handle.replace("ann", "ben"));
    assert_eq!(report["registered"]["words"].as_str().unwrap().split(' ').count(), 12);

    let knocked = page.report("knocked");
    assert!(knocked["sent"]["position"].is_u64(), "the server has acknowledged: {knocked}");

    ann.json(&["sync"]);
    let requests = ann.json(&["requests"]);
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0]["from"], ben_handle.as_str());
    ann.json(&["accept", requests[0]["id"].as_str().unwrap()]);
    ann.json(&["send", &ben_handle, "hello from the terminal"]);

    let answered = page.report("answered");
    assert_eq!(answered["message"]["text"], "hello from the terminal");
    assert_eq!(answered["message"]["own"], false);
    assert!(answered["reply"]["position"].is_u64(), "{answered}");

    let news = ann.json(&["sync"]);
    assert!(news.iter().any(|line| line["text"] == "thank you"), "{news:?}");

    let reopened = page.report("reopened");
    assert_eq!(reopened["refused"], "storage");
    assert_eq!(reopened["reopened"]["handle"], ben_handle.as_str());
    assert_eq!(reopened["texts"], serde_json::json!(["hello from the browser", "hello from the terminal", "thank you"]));
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn setting(name: &str) -> PathBuf {
    env::var_os(name).unwrap_or_else(|| panic!("{name} has to be set: run this through `cargo xtask test`")).into()
}

fn server(data: &Path) -> (Running, String) {
    let mut command = Command::new(setting("ALCYON_BIN_DIR").join("alcyon-server"));
    command.arg("--data").arg(data).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut server = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("alcyon-server listening on ").unwrap_or_else(|| panic!("the server said: {line}"));
    (server, url.to_owned())
}

fn browser(profile: &Path, url: &str) -> Running {
    let mut command = Command::new(setting("CHROMIUM"));
    // Containers run this as root, where Chromium has no sandbox; it opens nothing but our own page.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"]);
    command.arg(format!("--user-data-dir={}", profile.display())).arg(url);
    Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

struct Terminal {
    profile: PathBuf,
}

impl Terminal {
    /// Runs a command and reads the objects that it prints.
    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let mut command = Command::new(setting("ALCYON_BIN_DIR").join("alcyon"));
        command.arg("--profile").arg(&self.profile).arg("--json").args(arguments).env("ALCYON_PASSPHRASE", "browser test");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {printed}{}", String::from_utf8_lossy(&output.stderr));
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
