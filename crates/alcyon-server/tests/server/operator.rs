//! The status page and `alcyon-server admin`: they answer whatever else does not, and only to whom they should.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    process::{Command, Output},
    sync::{Arc, mpsc},
    time::Duration,
};

use alcyon_server::{
    Policy, RunningServer, Server,
    blobs::MemoryBlobs,
    config::{Config, StatusListen},
    logs::SystemClock,
    store::{FaultyStore, MemoryStore},
};
use serde_json::Value;

use crate::{
    client::{Client, Place, no_stamps, start_with},
    http::{Person, ask, get, signed},
    process::Process,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_alcyon-server");

fn with_status(config: &mut Config) {
    config.status = StatusListen::At("127.0.0.1:0".parse().unwrap());
}

/// Without any runtime: a page that hangs must not hang the test's own tasks.
fn look(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn status(address: SocketAddr) -> Value {
    serde_json::from_str(&look(address, "/status.json").1).unwrap()
}

#[tokio::test]
async fn the_page_says_how_it_is_to_people_and_to_programs() {
    let server = start_with(with_status).await;
    let address = server.status_address().unwrap();
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    client.accepted(place.append("sealed")).await;
    let shown = status(address);
    assert_eq!((&shown["state"], &shown["store"], &shown["sessions"]), (&"well".into(), &"writing".into(), &1.into()), "{shown}");
    assert_eq!(shown["connections_most"], 100_000);
    assert!(shown["last_minute"]["write_p99_ms"].as_f64().unwrap() > 0.0, "{shown}");
    assert!(shown["memory_bytes"].as_u64().unwrap() > 1 << 20);
    let (head, page) = look(address, "/status");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(page.contains("All is well.") && page.contains("1 of 100000"), "{page}");
    assert!(!page.contains("<script"));
    for word in [place.log.to_text(), server.address().ip().to_string() + ":9"] {
        assert!(!page.contains(&word));
    }
    assert!(look(address, "/metrics").0.starts_with("HTTP/1.1 404"));
    assert_eq!(get(server.address(), "/status").await.status, 404, "not where clients are served");
    assert!(server.stop().await);
    assert!(TcpStream::connect(address).is_err(), "it ends with the server");
}

/// One in a hundred seconds may sign up: the second is in line for as long as this test lasts.
#[tokio::test]
async fn the_page_says_who_is_in_line() {
    let server = start_with(|config| {
        with_status(config);
        config.sign_ups.per_second = Some(0.01);
    })
    .await;
    let address = server.status_address().unwrap();
    assert_eq!((status(address)["newcomers_waiting"].as_u64(), status(address)["asked"].as_f64()), (Some(0), Some(0.0)));
    assert!(look(address, "/status").1.contains("<td>nobody</td>"));
    assert_eq!(Person::new("ann").sign_up(&server).await.status, 201);
    let body = serde_json::json!({ "account": Person::new("ben").account() }).to_string();
    ask(server.address(), "POST", "/v1/sign-up/tickets", &[], body.as_bytes()).await;
    let shown = status(address);
    assert_eq!(shown["newcomers_waiting"], 1, "{shown}");
    assert!(shown["newcomers_wait_seconds"].as_u64().unwrap() > 10, "{shown}");
    assert!(look(address, "/status").1.contains("<td>1, the last for about "));
    assert!(server.stop().await);
}

#[tokio::test]
async fn the_page_answers_and_says_so_when_the_disk_hangs() {
    let store = Arc::new(FaultyStore::harmless(Arc::new(MemoryStore::default())));
    let mut config = Config { listen: "127.0.0.1:0".parse().unwrap(), stamps: no_stamps(), ..Config::default() };
    with_status(&mut config);
    let server = Server::start_on(config, store.clone(), Arc::new(MemoryBlobs::default()), Arc::new(SystemClock)).await.unwrap();
    let address = server.status_address().unwrap();
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    store.hold_writes(true);
    let waiting = client.send(place.append("sealed")).await;
    let stuck = tokio::task::spawn_blocking(move || {
        loop {
            let shown = status(address);
            if shown["store"] == "stuck" {
                return shown;
            }
        }
    });
    let shown = stuck.await.unwrap();
    assert_eq!(shown["state"], "not_taking");
    assert!(shown["write_stuck_ms"].as_u64().unwrap() >= 2_000);
    assert!(look(address, "/").1.contains("The disk has not answered for "));
    store.hold_writes(false);
    client.answer(waiting).await;
    while status(address)["state"] != "well" {}
}

#[test]
fn the_page_answers_and_says_so_when_clients_are_not_served() {
    let (tell, told) = mpsc::channel::<SocketAddr>();
    let (release, released) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server: RunningServer = runtime.block_on(start_with(with_status));
        tell.send(server.status_address().unwrap()).unwrap();
        // Nothing polls the server's tasks now.
        released.recv().unwrap();
        assert!(runtime.block_on(server.stop()));
    });
    let address = told.recv().unwrap();
    while status(address)["state"] != "slow" {}
    assert!(look(address, "/").1.contains("It works, but late."));
    release.send(()).unwrap();
    thread.join().unwrap();
}

pub fn admin(data: &Path, words: &[&str]) -> Output {
    Command::new(PROGRAM).arg("admin").args(words).arg("--data").arg(data).env_clear().output().unwrap()
}

/// One line of JSON from a command that succeeds.
pub fn told(data: &Path, words: &[&str]) -> Value {
    let output = admin(data, &[&["--json"], words].concat());
    assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {output:?}"))
}

pub fn refused(data: &Path, words: &[&str], code: i32) -> String {
    let output = admin(data, words);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn accounts_are_counted_suspended_restored_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = Config { listen: "127.0.0.1:0".parse().unwrap(), data: data.clone(), ..Config::default() };
    let server = Server::start(config).await.unwrap();
    let address = server.address();
    let ann = Person::new("ann");
    assert_eq!(ann.sign_up(&server).await.status, 201);
    let admin_socket = data.join("admin.sock");
    assert_eq!(admin_socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    assert_eq!(told(&data, &["accounts", "count"])["accounts"], 1);
    let handle = format!("ann@{address}");
    for who in ["ann", &handle, &ann.account()] {
        let shown = told(&data, &["accounts", "show", who]);
        assert_eq!((&shown["account"], &shown["devices"], &shown["suspended_ms"]), (&ann.account().into(), &1.into(), &Value::Null));
    }
    assert!(refused(&data, &["accounts", "show", "bob"], 1).contains("nobody here"));
    assert!(refused(&data, &["accounts", "show", "ann@sea.example"], 1).contains("nobody here"));
    assert!(refused(&data, &["accounts", "show", "A B"], 1).contains("no name"));
    assert!(refused(&data, &["accounts", "suspend", "ann"], 1).contains("--yes"), "there is nobody to ask");
    assert_eq!(get(address, "/v1/handles/ann").await.status, 200);

    assert_eq!(told(&data, &["accounts", "suspend", "ann", "--yes"])["act"], "suspend");
    assert_eq!(get(address, "/v1/handles/ann").await.problem(), (403, "suspended".into(), "account".into()));
    assert_eq!(ann.put_manifest(&server, 2).await.problem().1, "suspended");
    let claim = format!("/v1/accounts/{}/key-packages/claim", ann.account());
    assert_eq!(ask(address, "POST", &claim, &[], b"").await.problem().1, "suspended");
    assert_eq!(told(&data, &["accounts", "count"])["suspended"], 1);
    assert!(told(&data, &["accounts", "show", "ann"])["suspended_ms"].as_u64().unwrap() > 0);
    told(&data, &["accounts", "restore", "ann"]);
    assert_eq!(ann.put_manifest(&server, 2).await.status, 200);

    let inbox = ann.inbox.clone();
    let mut client = Client::open(address).await;
    assert_eq!(client.subscribe(vec![inbox.subscribe(0)]).await.len(), 0);
    assert_eq!(told(&data, &["accounts", "delete", "ann", "--yes"])["act"], "delete");
    assert_eq!(get(address, "/v1/handles/ann").await.status, 404);
    assert_eq!(told(&data, &["accounts", "count"])["accounts"], 0);
    let other = Person::new("ann");
    assert_eq!(other.sign_up(&server).await.problem().1, "handle_taken", "nobody else passes for them");
    let body = ann.sign_up_body(&server).to_string();
    let again = signed(address, &ann.device, "POST", "/v1/accounts", &body).await;
    assert_eq!(again.problem().1, "handle_taken");
    let mut client = Client::open(address).await;
    let news = client.subscribe(vec![inbox.subscribe(0)]).await;
    assert!(news[0].refusal.is_some(), "its inbox is gone: {news:?}");
    assert!(server.stop().await);
    assert!(refused(&data, &["status"], 3).contains("no server answers"));
}

#[tokio::test]
async fn invites_are_made_used_listed_and_taken_back_and_the_line_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut config = Config { listen: "127.0.0.1:0".parse().unwrap(), data: data.clone(), ..Config::default() };
    config.sign_ups.policy = Policy::parse("invite").unwrap();
    let server = Server::start(config).await.unwrap();
    assert_eq!(Person::new("ann").sign_up(&server).await.problem().1, "proof_needed");
    let made = told(&data, &["invites", "make", "--people", "2", "--for", "30d"]);
    assert_eq!((&made["event"], &made["people"]), (&"invite_made".into(), &2.into()));
    let month = 30 * 24 * 60 * 60 * 1_000;
    let now_ms = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    assert!((now_ms + month - 60_000..=now_ms + month).contains(&made["expires_ms"].as_u64().unwrap()), "{made}");

    let ann = Person::new("ann");
    let mut body = ann.sign_up_body(&server);
    body["proofs"] = serde_json::json!({ "invite": made["code"] });
    assert_eq!(signed(server.address(), &ann.device, "POST", "/v1/accounts", &body.to_string()).await.status, 201);
    let left = told(&data, &["invites", "list"]);
    assert_eq!(left["left"], 1);
    assert!(!made["code"].as_str().unwrap().contains(left["id"].as_str().unwrap()), "an id is no code");
    assert_eq!(told(&data, &["invites", "take-back", left["id"].as_str().unwrap()])["id"], left["id"]);
    assert!(admin(&data, &["invites", "list"]).stdout.is_empty());
    assert!(refused(&data, &["invites", "take-back", "0000"], 1).contains("there is no invite"));
    refused(&data, &["invites", "make", "--for", "400d"], 2);
    refused(&data, &["invites", "make", "--people", "0"], 2);
    let queue = told(&data, &["queue"]);
    assert_eq!((&queue["waiting"], &queue["per_second"]), (&0.into(), &Value::Null), "{queue}");
    assert!(String::from_utf8(admin(&data, &["queue"]).stdout).unwrap().starts_with("nobody waits"));
    assert!(server.stop().await);
}

#[tokio::test]
async fn limits_change_while_it_runs_and_take_themselves_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Process::start(folder.path(), &["--limits-connections", "10"]);
    let connections = |lines: &str| {
        let line = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        line.into_iter().find(|line| line["key"] == "limits.connections").unwrap()
    };
    let show = || connections(&String::from_utf8(admin(&data, &["limits", "show", "--json"]).stdout).unwrap());
    assert_eq!((&show()["value"], &show()["before"]), (&"10".into(), &Value::Null));
    let tried = told(&data, &["limits", "set", "limits.connections", "1", "--dry-run"]);
    assert_eq!((&tried["done"], &tried["from"], &tried["to"]), (&false.into(), &"10".into(), &"1".into()));
    assert_eq!(show()["value"], "10");

    let first = Client::open(server.address).await;
    let changed = told(&data, &["limits", "set", "limits.connections", "1", "--for", "1h"]);
    assert_eq!((&changed["done"], &changed["reverts_in_seconds"]), (&true.into(), &3600.into()));
    assert_eq!(show()["before"], "10");
    assert_eq!(get(server.address, "/healthz").await.problem().1, "too_many");
    assert!(refused(&data, &["limits", "set", "limits.connections", "0"], 1).contains("allowed: a whole number from 1"));
    refused(&data, &["limits", "set", "listen", "127.0.0.1:1"], 2);
    refused(&data, &["limits", "set", "limits.connections", "5", "--keep", "--dry-run"], 2);
    refused(&data, &["limits", "keep", "logs.creates"], 1);
    // A second change does not make the first one permanent.
    told(&data, &["limits", "set", "limits.connections", "2", "--for", "1s"]);
    assert_eq!(show()["before"], "10");
    while show()["value"] != "10" {}
    assert_eq!(show()["before"], Value::Null);
    told(&data, &["limits", "set", "limits.connections", "7", "--for", "1h"]);
    assert_eq!(told(&data, &["limits", "keep", "limits.connections"])["reverts_in_seconds"], Value::Null);
    assert_eq!(show()["value"], "7");
    drop(first);
    server.kill();
}

#[tokio::test]
async fn a_drain_is_asked_for_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Process::start(folder.path(), &[]);
    assert!(refused(&data, &["drain"], 1).contains("--yes"), "there is nobody to ask");
    let mut client = Client::open(server.address).await;
    let begun = {
        let data = data.clone();
        tokio::task::spawn_blocking(move || admin(&data, &["drain", "--yes", "--json"]))
    };
    let alcyon_wire::proto::server_frame::Body::GoingAway(_) = client.push().await else { panic!() };
    let output = begun.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["event"], "draining", "{lines:?}");
    assert_eq!(lines.last().unwrap()["event"], "stopped");
    assert_eq!(server.end().0, Some(0));
    // A socket that a killed process leaves is no hindrance.
    let server = Process::start(folder.path(), &[]);
    server.kill();
    let server = Process::start(folder.path(), &[]);
    assert_eq!(told(&data, &["status"])["state"], "well");
    server.kill();
}

#[tokio::test]
async fn what_is_no_command_is_refused_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Process::start(folder.path(), &[]);
    for bytes in [&b"\n"[..], b"{}\n", b"{\"do\":\"explode\"}\n", b"\xff\xfe\n", &[b'x'; 40_000]] {
        let mut stream = UnixStream::connect(data.join("admin.sock")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _refused_early = stream.write_all(bytes);
        let mut answer = String::new();
        let _reset = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.contains("does not know"), "{answer}");
    }
    assert_eq!(told(&data, &["status"])["state"], "well");
    let text = String::from_utf8(admin(&data, &["status"]).stdout).unwrap();
    assert!(text.contains(": well\n"), "{text}");
    server.kill();
}

#[test]
fn completions_and_the_man_page_know_the_commands() {
    let page = |words: &[&str]| String::from_utf8(Command::new(PROGRAM).args(words).env_clear().output().unwrap().stdout).unwrap();
    for (what, page) in [("bash", page(&["--completions", "bash"])), ("man", page(&["--man"]))] {
        for word in ["admin", "accounts", "suspend", "limits", "invites", "queue", "drain"] {
            assert!(page.to_lowercase().contains(word), "{what} without {word}");
        }
    }
    for words in [&["admin", "--help"][..], &["admin", "limits", "set", "--help"], &["admin", "accounts", "delete", "--help"]] {
        assert!(page(words).contains("--json"), "{words:?}");
    }
}
