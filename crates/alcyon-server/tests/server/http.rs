//! The control plane: accounts, the directory, KeyPackages, and what it refuses.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use alcyon_identity::{
    DeviceKey, Era, EraKey, Home, Inbox, Manifest, ManifestDraft, RecoveryWords, Root,
    http_signature::{self, Request},
};
use alcyon_server::RunningServer;
use alcyon_wire::{LogId, limits};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::client::{Place, random, start};

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// A refusal: its status, word and field.
    pub fn problem(&self) -> (u16, String, String) {
        let body = self.json();
        assert!(!body["message"].as_str().unwrap().is_empty());
        let later = body["verdict"] == "later";
        assert_eq!(later, body["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{body}");
        assert_eq!(later, self.head.to_lowercase().contains("retry-after: "), "{self:?}");
        (self.status, body["error"].as_str().unwrap().to_owned(), body["field"].as_str().unwrap_or_default().to_owned())
    }
}

/// One request on a connection of its own.
pub async fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    raw(address, &[request.as_bytes(), body].concat()).await
}

/// Bytes in, the answer out.
pub async fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    // The server may have answered and closed before it has read everything.
    let _unread = stream.write_all(request).await;
    let _reset = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), text: text.to_owned() }
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, &[], b"").await
}

/// A request that a device has signed.
pub async fn signed(address: SocketAddr, device: &DeviceKey, method: &str, path: &str, body: &str) -> Answer {
    signed_with(address, device, method, path, body, &[]).await
}

/// The same with more headers.
pub async fn signed_with(
    address: SocketAddr,
    device: &DeviceKey,
    method: &str,
    path: &str,
    body: &str,
    more: &[(&'static str, String)],
) -> Answer {
    let request = Request::new(method, &address.to_string(), path, body.as_bytes()).unwrap();
    let mut headers = Vec::from(http_signature::sign(&request, device, now_s()).into_pairs());
    headers.extend_from_slice(more);
    ask(address, method, path, &headers, body.as_bytes()).await
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A server that listens somewhere, in this process or in one of its own; plain HTTP, and the address is its name.
pub trait Listens {
    fn at(&self) -> SocketAddr;
}

impl Listens for RunningServer {
    fn at(&self) -> SocketAddr {
        self.address()
    }
}

/// Somebody with one device, whose home is a server.
pub struct Person {
    pub root: Root,
    pub era: Era,
    pub device: DeviceKey,
    pub inbox: Place,
    pub name: String,
}

impl Person {
    pub fn new(name: &str) -> Self {
        let root = RecoveryWords::generate().root();
        let key = EraKey::generate();
        let era = Era::new(root.sign_era(1, &key), key).unwrap();
        Self { root, era, device: DeviceKey::generate(), inbox: Place::at(LogId::from(random())), name: name.to_owned() }
    }

    pub fn manifest(&self, server: &impl Listens, version: u64) -> Manifest {
        let url: alcyon_wire::ServerUrl = format!("http://{}", server.at()).parse().unwrap();
        let handle = format!("{}@{}", self.name, server.at()).parse().unwrap();
        self.era
            .sign_manifest(ManifestDraft {
                version,
                devices: vec![self.device.id()],
                inbox: Inbox { server: url.clone(), log: self.inbox.log, sealing_key: vec![5; 1216] },
                homes: vec![Home { server: url, handle }],
            })
            .unwrap()
    }

    pub fn seats(&self) -> Value {
        let seat = self.inbox.seat();
        json!([{
            "id": BASE64URL_NOPAD.encode(&seat.id),
            "drop_hash": BASE64URL_NOPAD.encode(&seat.drop_hash),
            "keep": true,
            "invite": true,
        }])
    }

    pub fn sign_up_body(&self, server: &impl Listens) -> Value {
        let manifest = self.manifest(server, 1);
        json!({ "name": self.name, "manifest": BASE64URL_NOPAD.encode(manifest.to_bytes()), "inbox_seats": self.seats() })
    }

    pub async fn sign_up(&self, server: &impl Listens) -> Answer {
        let body = self.sign_up_body(server).to_string();
        signed(server.at(), &self.device, "POST", "/v1/accounts", &body).await
    }

    pub fn account(&self) -> String {
        self.root.account().to_text()
    }

    pub async fn put_manifest(&self, server: &RunningServer, version: u64) -> Answer {
        let body = json!({ "manifest": BASE64URL_NOPAD.encode(self.manifest(server, version).to_bytes()) }).to_string();
        signed(server.address(), &self.device, "PUT", &format!("/v1/accounts/{}/manifest", self.account()), &body).await
    }
}

#[tokio::test]
async fn sign_up_twice_is_the_same_as_once() {
    let server = start().await;
    let ann = Person::new("ann");
    let first = ann.sign_up(&server).await;
    assert_eq!(first.status, 201, "{first:?}");
    let handle = format!("ann@{}", server.address());
    assert_eq!(first.json(), json!({ "handle": handle, "account": ann.account() }));
    let second = ann.sign_up(&server).await;
    assert_eq!((second.status, second.json()), (200, first.json()));

    let by_handle = get(server.address(), "/v1/handles/ann").await;
    let by_account = get(server.address(), &format!("/v1/accounts/{}/manifest", ann.account())).await;
    assert_eq!((by_handle.status, by_handle.json()), (200, by_account.json()));
    let bytes = BASE64URL_NOPAD.decode(by_handle.json()["manifest"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(bytes, ann.manifest(&server, 1).to_bytes());
    assert_eq!(by_handle.json()["account"], ann.account());
}

#[tokio::test]
async fn names_are_first_come_and_well_formed() {
    let server = start().await;
    assert_eq!(Person::new("ann").sign_up(&server).await.status, 201);
    let taken = Person::new("ann").sign_up(&server).await;
    assert_eq!(taken.problem(), (409, "handle_taken".into(), "name".into()));
    let bob = Person::new("bob");
    for name in ["Bo", "bo", "BOB", "b b", "bob@x", "", &"b".repeat(33)] {
        let mut body = bob.sign_up_body(&server);
        body["name"] = json!(name);
        let answer = signed(server.address(), &bob.device, "POST", "/v1/accounts", &body.to_string()).await;
        assert_eq!(answer.problem(), (400, "malformed".into(), "name".into()), "{name}");
    }
    assert_eq!(get(server.address(), "/v1/handles/BOB").await.problem(), (400, "malformed".into(), "name".into()));
    assert_eq!(get(server.address(), "/v1/handles/bob").await.problem(), (404, "unknown_account".into(), String::new()));
}

#[tokio::test]
async fn manifests_only_go_up() {
    let server = start().await;
    let ann = Person::new("ann");
    assert_eq!(ann.sign_up(&server).await.status, 201);
    assert_eq!(ann.put_manifest(&server, 3).await.status, 200);
    assert_eq!(ann.put_manifest(&server, 3).await.status, 200, "the same again is harmless");
    assert_eq!(ann.put_manifest(&server, 2).await.problem(), (409, "lower_manifest".into(), "manifest".into()));
    let stored = get(server.address(), "/v1/handles/ann").await.json();
    assert_eq!(stored["manifest"], BASE64URL_NOPAD.encode(ann.manifest(&server, 3).to_bytes()));
    let unknown = Person::new("bob").put_manifest(&server, 1).await;
    assert_eq!(unknown.problem(), (404, "unknown_account".into(), "account".into()));
}

#[tokio::test]
async fn a_manifest_with_a_bad_signature_is_refused_by_name() {
    let server = start().await;
    let ann = Person::new("ann");
    let good = ann.manifest(&server, 1).to_bytes().to_vec();
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    for (bytes, error) in [(forged, "bad_signature"), (good[..good.len() / 2].to_vec(), "malformed"), (vec![], "malformed")] {
        let mut body = ann.sign_up_body(&server);
        body["manifest"] = json!(BASE64URL_NOPAD.encode(&bytes));
        let (status, word, field) = signed(server.address(), &ann.device, "POST", "/v1/accounts", &body.to_string()).await.problem();
        assert_eq!((status, word.as_str()), (400, error));
        assert!(!field.is_empty());
    }
    assert_eq!(get(server.address(), "/v1/handles/ann").await.status, 404);
}

#[tokio::test]
async fn only_a_device_of_the_manifest_acts_for_it() {
    let server = start().await;
    let (ann, eve) = (Person::new("ann"), Person::new("eve"));
    let body = ann.sign_up_body(&server).to_string();
    let path = "/v1/accounts";
    let address = server.address();
    let unauthorized = |field: &str| (401, "unauthorized".to_owned(), field.to_owned());
    assert_eq!(signed(address, &eve.device, "POST", path, &body).await.problem(), unauthorized("keyid"));
    assert_eq!(ask(address, "POST", path, &[], body.as_bytes()).await.problem(), unauthorized("signature"));

    // A signature for something else than what is sent.
    let sign = |method, authority: &str, path, body: &str, time| {
        let request = Request::new(method, authority, path, body.as_bytes()).unwrap();
        http_signature::sign(&request, &ann.device, time).into_pairs()
    };
    let host = address.to_string();
    let send = |headers: [(&'static str, String); 3]| {
        let body = body.clone();
        async move { ask(address, "POST", path, &headers, body.as_bytes()).await.problem() }
    };
    assert_eq!(send(sign("PUT", &host, path, &body, now_s())).await, unauthorized("signature"));
    assert_eq!(send(sign("POST", "other.example", path, &body, now_s())).await, unauthorized("signature"));
    assert_eq!(send(sign("POST", &host, "/v1/other", &body, now_s())).await, unauthorized("signature"));
    assert_eq!(send(sign("POST", &host, path, "{}", now_s())).await, unauthorized("content-digest"));
    assert_eq!(send(sign("POST", &host, path, &body, now_s() - 1_000)).await, (401, "clock".into(), "created".into()));
    let mut garbled = sign("POST", &host, path, &body, now_s());
    garbled[0].1 = "alcyon=(\"@method\");created=1".into();
    assert_eq!(send(garbled).await, unauthorized("signature-input"));
    assert_eq!(get(address, "/v1/handles/ann").await.status, 404, "none of them has signed up");
}

#[tokio::test]
async fn a_request_for_another_server_does_not_pass_here() {
    let server = start().await;
    let ann = Person::new("ann");
    let body = ann.sign_up_body(&server).to_string();
    let request = Request::new("POST", "other.example", "/v1/accounts", body.as_bytes()).unwrap();
    let mut text = "POST /v1/accounts HTTP/1.1\r\nhost: other.example\r\nconnection: close\r\n".to_owned();
    for (name, value) in http_signature::sign(&request, &ann.device, now_s()).into_pairs() {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("content-length: {}\r\n\r\n{body}", body.len());
    assert_eq!(raw(server.address(), text.as_bytes()).await.problem(), (400, "malformed".into(), "host".into()));
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be_are_refused_by_field() {
    let server = start().await;
    let ann = Person::new("ann");
    let full = ann.sign_up_body(&server);
    let with = |field: &str, value: Value| {
        let mut body = full.clone();
        body[field] = value;
        body.to_string()
    };
    let without = |field: &str| {
        let mut body = full.clone();
        body.as_object_mut().unwrap().remove(field);
        body.to_string()
    };
    let mut seat = ann.seats();
    seat[0]["drop_hash"] = json!("AAAA");
    let cases = [
        (String::new(), 400, "body"),
        ("{".to_owned(), 400, "body"),
        ("[]".to_owned(), 400, "body"),
        (without("name"), 400, "name"),
        (without("manifest"), 400, "manifest"),
        (without("inbox_seats"), 400, "inbox_seats"),
        (with("name", json!(7)), 400, "name"),
        (with("manifest", json!("not base64!")), 400, "manifest"),
        (with("manifest", json!(BASE64URL_NOPAD.encode(&vec![0; limits::MANIFEST + 1]))), 413, "manifest"),
        (with("inbox_seats", json!([7])), 400, "inbox_seats[0]"),
        (with("inbox_seats", seat), 400, "inbox_seats[0].drop_hash"),
        (with("phone", json!("none needed")), 400, "phone"),
        (" ".repeat(200_000), 413, "body"),
    ];
    for (body, status, field) in cases {
        let answer = signed(server.address(), &ann.device, "POST", "/v1/accounts", &body).await;
        let (got_status, _, got_field) = answer.problem();
        assert_eq!((got_status, got_field.as_str()), (status, field), "{:.80}", body);
    }
    assert_eq!(ann.sign_up(&server).await.status, 201);
}

#[tokio::test]
async fn key_packages_are_handed_out_once_and_the_last_resort_for_ever() {
    let server = start().await;
    let ann = Person::new("ann");
    assert_eq!(ann.sign_up(&server).await.status, 201);
    let base = format!("/v1/accounts/{}/key-packages", ann.account());
    let bytes = |number: u8| BASE64URL_NOPAD.encode(&[number; 100]);
    let body = json!({ "last_resort": bytes(1), "one_time": [bytes(2), bytes(3)] }).to_string();
    let put = signed(server.address(), &ann.device, "PUT", &base, &body).await;
    assert_eq!((put.status, put.json()), (200, json!({ "last_resort": true, "one_time": 2 })));
    let mut claimed = Vec::new();
    for _ in 0..4 {
        let answer = ask(server.address(), "POST", &format!("{base}/claim"), &[], b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let list = answer.json();
        assert_eq!(list.as_array().unwrap().len(), 1);
        assert_eq!(list[0]["device"], ann.device.id().to_text());
        claimed.push(list[0]["key_package"].as_str().unwrap().to_owned());
    }
    claimed[..2].sort();
    let mut one_time = [bytes(2), bytes(3)];
    one_time.sort();
    assert_eq!(claimed, [one_time.to_vec(), vec![bytes(1), bytes(1)]].concat());
    let count = signed(server.address(), &ann.device, "GET", &format!("{base}/count"), "").await;
    assert_eq!((count.status, count.json()), (200, json!({ "last_resort": true, "one_time": 0 })));

    let eve = Person::new("eve");
    let foreign = signed(server.address(), &eve.device, "PUT", &base, &body).await;
    assert_eq!(foreign.problem(), (401, "unauthorized".into(), "keyid".into()));
    let large = json!({ "one_time": [BASE64URL_NOPAD.encode(&vec![0; limits::KEY_PACKAGE + 1])] }).to_string();
    let refused = signed(server.address(), &ann.device, "PUT", &base, &large).await;
    assert_eq!(refused.problem(), (413, "too_large".into(), "one_time[0]".into()));
    let unknown = ask(server.address(), "POST", &format!("/v1/accounts/{}/key-packages/claim", eve.account()), &[], b"").await;
    assert_eq!(unknown.problem(), (404, "unknown_account".into(), "account".into()));
    let nonsense = ask(server.address(), "POST", "/v1/accounts/xyz/key-packages/claim", &[], b"").await;
    assert_eq!(nonsense.problem(), (400, "malformed".into(), "account".into()));
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_json_too() {
    let server = start().await;
    let address = server.address();
    assert_eq!(get(address, "/nothing").await.problem(), (404, "not_found".into(), String::new()));
    assert_eq!(get(address, "/v1/accounts/../server").await.problem().0, 404);
    assert_eq!(ask(address, "DELETE", "/v1/server", &[], b"").await.problem(), (405, "method_not_allowed".into(), "method".into()));
    assert_eq!(get(address, "/v1/logs").await.problem(), (400, "malformed".into(), "connection".into()));
    assert_eq!(raw(address, b"this is no HTTP\r\n\r\n").await.status, 400);
    assert_eq!(get(address, "/healthz").await.status, 200);
    assert_eq!(get(address, "/readyz").await.status, 200);
}

#[tokio::test]
async fn pages_from_anywhere_may_ask_without_credentials() {
    let server = start().await;
    let origin = [("origin", "https://page.example".to_owned())];
    let answer = ask(server.address(), "GET", "/v1/server", &origin, b"").await;
    assert!(answer.head.contains("access-control-allow-origin: *"), "{answer:?}");
    assert!(!answer.head.contains("access-control-allow-credentials"));
    let preflight = [
        origin.to_vec(),
        vec![
            ("access-control-request-method", "PUT".to_owned()),
            ("access-control-request-headers", "signature,signature-input,content-digest".to_owned()),
        ],
    ]
    .concat();
    let answer = ask(server.address(), "OPTIONS", "/v1/accounts", &preflight, b"").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("access-control-allow-methods: GET,POST,PUT"), "{answer:?}");
    assert!(answer.head.contains("access-control-allow-headers: *"), "{answer:?}");
}
