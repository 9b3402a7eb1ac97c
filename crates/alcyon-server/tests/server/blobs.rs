//! Blobs over real sockets: the tus protocol as its text has it, ranged reading, refusals, and what survives a kill.

use std::{net::SocketAddr, path::Path, process::Command};

use alcyon_wire::UploadSecret;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    client::{start, start_with},
    http::{Answer, ask, get, raw},
    process::Process,
};

const RESUMABLE: (&str, &str) = ("tus-resumable", "1.0.0");

pub async fn tus(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers: Vec<(&str, String)> = [RESUMABLE].iter().chain(headers).map(|(name, value)| (*name, (*value).to_owned())).collect();
    ask(address, method, path, &headers, body).await
}

pub async fn create(address: SocketAddr, length: usize) -> Answer {
    tus(address, "POST", "/v1/blobs", &[("upload-length", &length.to_string())], b"").await
}

pub async fn patch(address: SocketAddr, upload: &str, offset: usize, body: &[u8]) -> Answer {
    let headers = [("upload-offset", &*offset.to_string()), ("content-type", "application/offset+octet-stream")];
    tus(address, "PATCH", upload, &headers, body).await
}

pub fn header(answer: &Answer, name: &str) -> Option<String> {
    answer
        .head
        .lines()
        .find_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value.to_owned())
}

fn number(answer: &Answer, name: &str) -> usize {
    header(answer, name).unwrap_or_else(|| panic!("no {name}: {answer:?}")).parse().unwrap()
}

/// Where the blob of an upload is read.
pub fn blob_of(upload: &str) -> String {
    let secret = UploadSecret::from_text(upload.rsplit('/').next().unwrap()).unwrap();
    format!("/v1/blobs/{}", secret.blob().to_text())
}

pub async fn offset(address: SocketAddr, upload: &str) -> usize {
    let answer = tus(address, "HEAD", upload, &[], b"").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    number(&answer, "upload-offset")
}

#[tokio::test]
async fn an_upload_goes_through_in_pieces_and_is_read_in_ranges() {
    let server = start().await;
    let address = server.address();
    let created = create(address, 10).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert!(header(&created, "upload-expires").unwrap().ends_with(" GMT"));
    let upload = header(&created, "location").unwrap();
    let blob = blob_of(&upload);
    assert_eq!(offset(address, &upload).await, 0);
    let answer = patch(address, &upload, 0, b"0123").await;
    assert_eq!((answer.status, number(&answer, "upload-offset")), (204, 4));
    assert_eq!(get(address, &blob).await.status, 404, "unfinished blobs are not read");
    assert_eq!(get(address, &upload).await.status, 412);
    let answer = patch(address, &upload, 3, b"3456").await;
    assert_eq!(answer.problem(), (409, "offset".into(), "upload-offset".into()));
    let answer = patch(address, &upload, 4, b"456789").await;
    assert_eq!((answer.status, number(&answer, "upload-offset")), (204, 10));
    assert_eq!(header(&answer, "upload-expires"), None, "what is complete does not expire as an upload");
    assert_eq!(offset(address, &upload).await, 10);
    let whole = get(address, &blob).await;
    assert_eq!((whole.status, whole.text.as_str()), (200, "0123456789"));
    assert_eq!(header(&whole, "content-type").unwrap(), "application/octet-stream");
    let ranges = [("bytes=2-5", 206, "2345"), ("bytes=7-", 206, "789"), ("bytes=-2", 206, "89"), ("nonsense", 200, "0123456789")];
    for (range, status, text) in ranges {
        let answer = ask(address, "GET", &blob, &[("range", range.to_owned())], b"").await;
        assert_eq!((answer.status, answer.text.as_str()), (status, text), "{range}");
    }
    let beyond = ask(address, "GET", &blob, &[("range", "bytes=10-".to_owned())], b"").await;
    assert_eq!(beyond.problem(), (416, "malformed".into(), "range".into()));
    assert_eq!(header(&beyond, "content-range").unwrap(), "bytes */10");
    // Who may read may not delete.
    let as_upload = blob.replace("/blobs/", "/blobs/uploads/");
    assert_eq!(tus(address, "DELETE", &as_upload, &[], b"").await.status, 404);
    assert_eq!(get(address, &blob).await.status, 200);
    assert_eq!(tus(address, "DELETE", &upload, &[], b"").await.status, 204);
    assert_eq!(get(address, &blob).await.problem(), (404, "unknown_blob".into(), String::new()));
    assert_eq!(tus(address, "HEAD", &upload, &[], b"").await.status, 404);
    let metrics = get(address, "/metrics").await.text;
    for line in ["alcyon_blob_uploads_completed_total 1", "alcyon_blob_bytes_received_total 10", "alcyon_blob_bytes 0"] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn versions_and_abilities_are_told_as_tus_asks() {
    let server = start().await;
    let address = server.address();
    let abilities = ask(address, "OPTIONS", "/v1/blobs", &[], b"").await;
    assert_eq!(abilities.status, 204, "{abilities:?}");
    assert_eq!(header(&abilities, "tus-version").unwrap(), "1.0.0");
    assert_eq!(header(&abilities, "tus-extension").unwrap(), "creation,termination,expiration");
    assert_eq!(number(&abilities, "tus-max-size"), 4_363_141_120);
    assert_eq!(header(&abilities, "tus-resumable").unwrap(), "1.0.0");
    for version in [None, Some("0.2.2")] {
        let headers: Vec<_> = version.map(|version| ("tus-resumable", version.to_owned())).into_iter().collect();
        let answer = ask(address, "POST", "/v1/blobs", &headers, b"").await;
        assert_eq!(answer.problem(), (412, "version".into(), "tus-resumable".into()));
        assert_eq!(header(&answer, "tus-version").unwrap(), "1.0.0");
    }
    // A page in a browser asks first whether it may.
    let headers = [("origin", "https://example.org".to_owned()), ("access-control-request-method", "PATCH".to_owned())];
    let preflight = ask(address, "OPTIONS", "/v1/blobs/uploads/x", &headers, b"").await;
    assert!(header(&preflight, "access-control-allow-methods").unwrap().contains("PATCH"), "{preflight:?}");
    let upload = header(&create(address, 2).await, "location").unwrap();
    let overridden = [("x-http-method-override", "PATCH"), ("upload-offset", "0"), ("content-type", "application/offset+octet-stream")];
    assert_eq!(tus(address, "POST", &upload, &overridden, b"ab").await.status, 204);
}

#[tokio::test]
async fn what_can_not_be_is_refused_and_changes_nothing() {
    let server = start_with(|config| {
        config.blobs.largest = 1000;
        config.blobs.total = 1500;
    })
    .await;
    let address = server.address();
    assert_eq!(create(address, 0).await.problem(), (400, "malformed".into(), "upload-length".into()));
    assert_eq!(create(address, 1001).await.problem(), (413, "too_large".into(), "upload-length".into()));
    for length in ["", "-1", "1e3", "99999999999999999999"] {
        let answer = tus(address, "POST", "/v1/blobs", &[("upload-length", length)], b"").await;
        assert_eq!(answer.problem(), (400, "malformed".into(), "upload-length".into()), "{length:?}");
    }
    assert_eq!(tus(address, "POST", "/v1/blobs", &[], b"").await.problem(), (400, "malformed".into(), "upload-length".into()));
    let upload = header(&create(address, 8).await, "location").unwrap();
    assert_eq!(create(address, 1000).await.status, 201);
    assert_eq!(create(address, 1000).await.problem(), (429, "quota".into(), String::new()));
    let answer = tus(address, "PATCH", &upload, &[("upload-offset", "0"), ("content-type", "text/plain")], b"x").await;
    assert_eq!(answer.problem(), (415, "malformed".into(), "content-type".into()));
    let answer = tus(address, "PATCH", &upload, &[("content-type", "application/offset+octet-stream")], b"x").await;
    assert_eq!(answer.problem(), (400, "malformed".into(), "upload-offset".into()));
    assert_eq!(patch(address, &upload, 0, b"123456789").await.problem(), (413, "too_large".into(), "body".into()));
    assert_eq!(offset(address, &upload).await, 0);
    for path in ["/v1/blobs/uploads/x", "/v1/blobs/uploads/..%2f..%2fetc%2fpasswd"] {
        assert_eq!(tus(address, "HEAD", path, &[], b"").await.status, 404, "{path}");
        assert_eq!(patch(address, path, 0, b"x").await.problem(), (404, "unknown_blob".into(), String::new()), "{path}");
    }
    for path in ["/v1/blobs/x", "/v1/blobs/..%2funfinished", "/v1/blobs/"] {
        assert_eq!(get(address, path).await.status, 404, "{path}");
    }
    let full = start_with(|config| config.blobs.disk_reserve = u64::MAX).await;
    assert_eq!(create(full.address(), 1).await.problem(), (503, "disk_full".into(), String::new()));
}

#[tokio::test]
async fn of_a_body_that_breaks_off_what_came_is_kept() {
    let server = start().await;
    let address = server.address();
    let upload = header(&create(address, 1_000_000).await, "location").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PATCH {upload} HTTP/1.1\r\nhost: {address}\r\ntus-resumable: 1.0.0\r\nupload-offset: 0\r\n\
         content-type: application/offset+octet-stream\r\ncontent-length: 1000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'x'; 700_000]).await.unwrap();
    drop(stream);
    while offset(address, &upload).await < 700_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(patch(address, &upload, 700_000, &[b'y'; 300_000]).await.status, 204);
    let text = get(address, &blob_of(&upload)).await.text;
    assert_eq!(text, "x".repeat(700_000) + &"y".repeat(300_000));
}

#[tokio::test]
async fn what_was_answered_survives_a_kill_and_the_rest_can_be_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let sealed: Vec<u8> = (0..3_000_000_u32).map(|n| b'a' + u8::try_from(n % 23).unwrap()).collect();
    let mut server = Process::start(directory.path(), &[]);
    let upload = header(&create(server.address, sealed.len()).await, "location").unwrap();
    let (mut at, mut kills) = (0, 0);
    while at < sealed.len() {
        let end = (at + 333_333).min(sealed.len());
        let answer = patch(server.address, &upload, at, &sealed[at..end]).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        at = end;
        if at < sealed.len() {
            // Killed with another piece under way.
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let rest = &sealed[at..];
            let head = format!(
                "PATCH {upload} HTTP/1.1\r\nhost: {}\r\ntus-resumable: 1.0.0\r\nupload-offset: {at}\r\n\
                 content-type: application/offset+octet-stream\r\ncontent-length: {}\r\n\r\n",
                server.address,
                rest.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&rest[..rest.len() / 2]).await.unwrap();
        }
        server.kill();
        kills += 1;
        server = Process::start(directory.path(), &[]);
        let found = offset(server.address, &upload).await;
        assert!(found >= at, "answered {at}, found {found}");
        at = found;
    }
    assert!(kills >= 5, "{kills}");
    assert_eq!(get(server.address, &blob_of(&upload)).await.text.as_bytes(), sealed);
    assert_nothing_tells(directory.path(), &upload);
    server.kill();
}

/// The disk holds neither the secret of an upload nor where it came from.
fn assert_nothing_tells(directory: &Path, upload: &str) {
    let secret = upload.rsplit('/').next().unwrap();
    let found =
        Command::new("grep").args(["-rlE", &format!("{secret}|127\\.0\\.0\\.1")]).arg(directory.join("data/blobs")).output().unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
    let names = Command::new("find").arg(directory.join("data")).output().unwrap();
    assert!(!String::from_utf8_lossy(&names.stdout).contains(secret));
}

#[tokio::test]
async fn a_request_that_is_no_http_at_all_hurts_nobody() {
    let server = start().await;
    let answer = raw(server.address(), b"PATCH /v1/blobs/uploads/ HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab").await;
    assert!(answer.status == 412 || answer.status == 404 || answer.status == 0, "{answer:?}");
}
