//! The program itself: its one line, its configuration, its signals.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use alcyon_wire::proto::{client_frame::Body as Ask, server_frame::Body};

use crate::{
    client::{Client, Place},
    http::{Listens, get},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_alcyon-server");

/// A server in a process of its own.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    line: String,
}

impl Process {
    pub fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        Self::run(command, directory)
    }

    /// At the address of one that was there before.
    pub fn start_again(directory: &Path, address: SocketAddr, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["--listen", &address.to_string()]);
        Self::run_with(command, directory, environment)
    }

    /// With further environment variables.
    pub fn start_with(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        Self::run_with(command, directory, environment)
    }

    fn run(command: Command, directory: &Path) -> Self {
        Self::run_with(command, directory, &[])
    }

    fn run_with(mut command: Command, directory: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = command
            .current_dir(directory)
            .env_clear()
            .env("ALCYON_STAMPS_REQUIRED", "off")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("://").map(|(_, address)| address.parse().unwrap());
        let Some(address) = address else {
            let output = child.wait_with_output().unwrap();
            panic!("it did not start: {}", String::from_utf8_lossy(&output.stderr));
        };
        Self { child, address, line }
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its status, and what it wrote to stderr.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let mut rest = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line on stdout and no more");
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Process {
    /// Nothing outlives its test.
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Listens for Process {
    fn at(&self) -> SocketAddr {
        self.address
    }
}

pub fn run(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(PROGRAM).args(arguments).current_dir(directory).env_clear().envs(environment.iter().copied()).output().unwrap()
}

pub fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn it_says_where_it_listens_and_ends_well_on_sigterm() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), &[]);
    assert_eq!(server.line, format!("alcyon-server listening on http://{}\n", server.address));
    let mode = directory.path().join("data").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the data is its owner's alone");
    assert_eq!(get(server.address, "/v1/server").await.json()["name"], server.address.to_string());

    let mut client = Client::open(server.address).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    client.accepted(place.append("a word that is kept")).await;
    server.signal("-TERM");
    let Body::GoingAway(away) = client.push().await else { panic!() };
    assert!((1_000..=10_000).contains(&away.retry_after_ms));
    assert_eq!(client.close_code().await, 1001);
    let (status, log) = server.end();
    assert_eq!(status, Some(0), "{log}");
    for word in [&place.log.to_text(), "a word"] {
        assert!(!log.contains(word));
    }

    let again = Process::start(directory.path(), &[]);
    let mut client = Client::open(again.address).await;
    assert_eq!(client.subscribe(vec![place.subscribe(0)]).await[0].head, 1);
    assert_eq!(client.entries().await.entries[0].payload, "a word that is kept");
    again.signal("-INT");
    assert_eq!(again.end().0, Some(0));
}

#[tokio::test]
async fn what_was_accepted_before_sigterm_is_answered_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), &["--logs-seat-entries", "1000000+1000000/s"]);
    let mut client = Client::open(server.address).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    let mut requests = client.send_all((0..500).map(|number| place.append(format!("{number}")))).await;
    server.signal("-TERM");
    let mut answered = Vec::new();
    let mut refused = 0;
    // Everything that was sent gets an answer or the connection says that it ends; no acknowledgement is lost.
    while let Some(message) = client.message().await {
        let tokio_tungstenite::tungstenite::Message::Binary(bytes) = message else { break };
        let frame: alcyon_wire::proto::ServerFrame = prost::Message::decode(bytes).unwrap();
        requests.retain(|request| *request != frame.request);
        match frame.body.unwrap() {
            Body::Receipt(receipt) => answered.push(receipt.sequence),
            Body::Refusal(_) => refused += 1,
            Body::GoingAway(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answered.len() + refused + requests.len(), 500);
    assert_eq!(server.end().0, Some(0));
    let again = Process::start(directory.path(), &[]);
    let mut client = Client::open(again.address).await;
    let head = client.subscribe(vec![place.subscribe(0)]).await.first().map_or(0, |news| news.head);
    assert!(head >= answered.iter().copied().max().unwrap_or(0), "acknowledged {answered:?}, kept {head}");
    again.signal("-TERM");
    assert_eq!(again.end().0, Some(0));
}

#[tokio::test]
async fn with_few_files_it_refuses_the_next_connection_and_keeps_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("ulimit -n 96 && exec {PROGRAM} --listen 127.0.0.1:0")]);
    let server = Process::run(command, directory.path());
    let mut clients = Vec::new();
    loop {
        assert!(clients.len() < 96);
        let answer = get(server.address, "/healthz").await;
        if answer.status == 503 {
            break;
        }
        assert_eq!(answer.status, 200);
        clients.push(Client::open(server.address).await);
    }
    assert!(clients.len() > 8, "{}", clients.len());
    // Those that are in can still write, to a store that can still open its files.
    for client in &mut clients {
        let place = Place::new();
        client.accepted(place.create()).await;
        assert_eq!(client.accepted(place.append("x")).await, 1);
    }
    for client in clients.drain(..) {
        client.close().await;
    }
    let mut answer = get(server.address, "/healthz").await;
    while answer.status == 503 {
        answer = get(server.address, "/healthz").await;
    }
    assert_eq!(answer.status, 200);
    server.signal("-TERM");
    assert_eq!(server.end().0, Some(0));
}

#[tokio::test]
async fn the_log_holds_no_address_of_a_client_and_no_name() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), &["--log-level", "trace", "--log-format", "json"]);
    let mut client = Client::open(server.address).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    client.send(Ask::Ping(alcyon_wire::proto::Ping {})).await;
    get(server.address, "/v1/handles/somebody").await;
    client.close().await;
    server.signal("-TERM");
    let own = server.address.to_string();
    let (status, log) = server.end();
    assert_eq!(status, Some(0));
    let mut messages = Vec::new();
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        messages.push(event["message"].as_str().unwrap().to_owned());
        let without_own = line.replace(&own, "");
        for word in ["127.0.0.1", "somebody", &place.log.to_text()] {
            assert!(!without_own.contains(word), "{line}");
        }
    }
    assert_eq!(messages.first().map(String::as_str), Some("started"));
    assert_eq!(messages.last().map(String::as_str), Some("stopped"));
}

#[test]
fn bad_values_stop_the_start_with_file_line_key_and_what_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        std::fs::write(directory.path().join("alcyon.toml"), text).unwrap();
        refusal(&run(directory.path(), &["--config", "alcyon.toml"], &[]))
    };
    let bad_value = file("data = \"d\"\n\n[log]\nlevel = \"loud\"\n");
    assert_eq!(bad_value, "alcyon-server: alcyon.toml:4: `log.level` is \"loud\"; allowed: error, warn, info, debug or trace\n");
    let wrong_type = file("listen = 8080\n");
    assert!(wrong_type.starts_with("alcyon-server: alcyon.toml:1: `listen` is 8080; allowed: an IP address and port"), "{wrong_type}");
    let unknown = file("[limits]\nconections = 5\n");
    assert!(unknown.starts_with("alcyon-server: alcyon.toml:2: there is no setting `limits.conections`; allowed: "), "{unknown}");
    assert!(unknown.contains("limits.connections"));
    let broken = file("listen = \"127.0.0.1:0\"\ndata = \n");
    assert!(broken.starts_with("alcyon-server: alcyon.toml:2: "), "{broken}");
    let missing = refusal(&run(directory.path(), &["--config", "none.toml"], &[]));
    assert!(missing.starts_with("alcyon-server: none.toml: "), "{missing}");

    let variable = refusal(&run(directory.path(), &[], &[("ALCYON_LIMITS_CONNECTIONS", "0")]));
    assert_eq!(
        variable,
        "alcyon-server: environment variable ALCYON_LIMITS_CONNECTIONS: `limits.connections` is \"0\"; \
         allowed: a whole number from 1 to 10000000\n"
    );
    let flag = refusal(&run(directory.path(), &["--drain-time", "soon"], &[]));
    assert!(flag.starts_with("alcyon-server: --drain-time: `drain_time` is \"soon\"; allowed: "), "{flag}");
    refusal(&run(directory.path(), &["--no-such-flag"], &[]));
    assert!(!directory.path().join("data").exists(), "nothing was begun");
}

#[test]
fn plain_http_beyond_loopback_has_to_be_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let refused = refusal(&run(directory.path(), &["--listen", "0.0.0.0:0"], &[]));
    assert!(refused.contains("`listen`: plain HTTP is for loopback only"), "{refused}");
    assert!(refused.contains("--insecure-http"), "{refused}");
    let mut command = Command::new(PROGRAM);
    command.args(["--listen", "0.0.0.0:0", "--insecure-http", "--metrics-listen", "127.0.0.1:0"]);
    let server = Process::run(command, directory.path());
    server.signal("-TERM");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn help_man_page_and_completions_come_from_the_same_table() {
    let directory = tempfile::tempdir().unwrap();
    let text = |arguments: &[&str]| {
        let output = run(directory.path(), arguments, &[]);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let (help, man, completions) = (text(&["--help"]), text(&["--man"]), text(&["--completions", "bash"]));
    for setting in alcyon_server::config::SETTINGS {
        let flag = format!("--{}", setting.flag);
        assert!(help.contains(&flag) && help.contains(&setting.variable()), "{flag}");
        assert!(man.replace('\\', "").contains(&flag), "{flag}");
        assert!(completions.contains(&flag), "{flag}");
        if let Some(default) = setting.default {
            assert!(help.contains(default), "{flag} {default}");
        }
    }
}
