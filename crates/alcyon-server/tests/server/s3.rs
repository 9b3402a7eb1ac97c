//! The whole server with its files in a bucket: kills, an S3 that is away, and what the disk and the log tell.

use std::{net::SocketAddr, process::Command};

use alcyon_wire::proto::server_frame::Body;

use crate::{
    blobs::{blob_of, create, header, offset, patch, tus},
    client::{Client, Place},
    fake_s3::{ACCESS_KEY, BUCKET, FakeS3, Fault, SECRET_KEY},
    http::{ask, get},
    process::{Process, refusal, run},
};

const SECRET: (&str, &str) = ("ALCYON_BLOBS_S3_SECRET_KEY", SECRET_KEY);

fn arguments(s3: &FakeS3) -> Vec<String> {
    let endpoint = s3.endpoint();
    [("store", "s3"), ("s3-endpoint", &*endpoint), ("s3-bucket", BUCKET), ("s3-prefix", "chat"), ("s3-access-key", ACCESS_KEY)]
        .map(|(flag, value)| format!("--blobs-{flag}={value}"))
        .into()
}

fn start(directory: &tempfile::TempDir, s3: &FakeS3) -> Process {
    let arguments = arguments(s3);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Process::start_with(directory.path(), &arguments, &[SECRET])
}

/// An upload begins as soon as the bucket has been counted.
async fn begun(address: SocketAddr, length: usize) -> String {
    let created = create(address, length).await;
    assert_eq!(created.status, 201, "{created:?}");
    header(&created, "location").unwrap()
}

#[tokio::test]
async fn a_file_in_parts_survives_kills_and_faults_byte_for_byte() {
    let (directory, s3) = (tempfile::tempdir().unwrap(), FakeS3::start());
    let content: Vec<u8> = (0..20_000_000_u32).map(|n| b'a' + u8::try_from(n % 23).unwrap()).collect();
    let mut server = start(&directory, &s3);
    let upload = begun(server.address, content.len()).await;
    let (mut at, mut kills) = (0, 0);
    while at < content.len() {
        let end = (at + 3_333_333).min(content.len());
        // The last answer of all is lost: the object is there, and nobody knows.
        s3.fail(|method, what| (method == http::Method::POST && what.contains("uploadId")).then_some(Fault::CutAfter));
        let answer = patch(server.address, &upload, at, &content[at..end]).await;
        assert!(answer.status == 204 || answer.status == 503 && end == content.len(), "{answer:?}");
        server.kill();
        kills += 1;
        s3.heal();
        server = start(&directory, &s3);
        let found = offset(server.address, &upload).await;
        assert!(found >= end, "answered {end}, found {found}");
        at = found;
    }
    assert!(kills >= 5, "{kills}");
    let blob = blob_of(&upload);
    assert!(get(server.address, &blob).await.text.as_bytes() == content);
    let part = ask(server.address, "GET", &blob, &[("range", "bytes=8388600-8388700".to_owned())], b"").await;
    assert_eq!((part.status, part.text.as_bytes()), (206, &content[8_388_600..8_388_701]));
    let metrics = get(server.address, "/metrics").await.text;
    assert!(metrics.lines().any(|line| line == "alcyon_blob_bytes 2e7" || line == "alcyon_blob_bytes 20000000"), "{metrics}");
    // Neither disk nor log hold a secret of the upload or of the bucket, nor an address.
    let secret = upload.rsplit('/').next().unwrap().to_owned();
    let found =
        Command::new("grep").args(["-rlE", &format!("{secret}|{SECRET_KEY}|{ACCESS_KEY}|127\\.0\\.0\\.1")]).arg(directory.path()).output();
    assert_eq!(String::from_utf8_lossy(&found.unwrap().stdout), "");
    assert_eq!(tus(server.address, "DELETE", &upload, &[], b"").await.status, 204);
    assert_eq!(get(server.address, &blob).await.status, 404);
    let asked = s3.state().asked.join("\n");
    assert!(!asked.contains(&secret), "the bucket's owner sees ids, and no secrets");
    server.signal("-TERM");
    let (status, log) = server.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(!log.contains(SECRET_KEY) && !log.contains(&secret), "{log}");
}

#[tokio::test]
async fn while_the_bucket_is_away_messages_go_on_and_files_wait() {
    let (directory, s3) = (tempfile::tempdir().unwrap(), FakeS3::start());
    let server = start(&directory, &s3);
    let upload = begun(server.address, 1000).await;
    let other = begun(server.address, 500).await;
    s3.fail(|_, _| Some(Fault::Silent));
    // Many who wait for S3, all at once.
    let waiting: Vec<_> = (0..24)
        .map(|_| {
            let (address, upload) = (server.address, upload.clone());
            tokio::spawn(async move { patch(address, &upload, 0, &[b'x'; 1000]).await.status })
        })
        .collect();
    let mut client = Client::open(server.address).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    for number in 0..200 {
        client.accepted(place.append(format!("{number}"))).await;
    }
    // It ends in time and well although S3 is silent, those who wait are told so, and what was acknowledged is there afterwards.
    server.signal("-TERM");
    let Body::GoingAway(_) = client.push().await else { panic!() };
    assert_eq!(client.close_code().await, 1001);
    for task in waiting {
        assert_eq!(task.await.unwrap(), 503);
    }
    let (status, log) = server.end();
    assert_eq!(status, Some(0), "{log}");
    s3.heal();
    let server = start(&directory, &s3);
    let mut client = Client::open(server.address).await;
    assert_eq!(client.subscribe(vec![place.subscribe(0)]).await[0].head, 200);
    let at = offset(server.address, &upload).await;
    if at < 1000 {
        assert_eq!(patch(server.address, &upload, at, &vec![b'x'; 1000 - at]).await.status, 204);
    }
    assert_eq!(get(server.address, &blob_of(&upload)).await.text, "x".repeat(1000));
    assert_eq!(patch(server.address, &other, 0, &[b'y'; 500]).await.status, 204);
    server.kill();
}

#[tokio::test]
async fn files_from_before_the_bucket_are_still_read() {
    let (directory, s3) = (tempfile::tempdir().unwrap(), FakeS3::start());
    let server = Process::start(directory.path(), &[]);
    let (old, new) = (begun(server.address, 3).await, begun(server.address, 6).await);
    assert_eq!(patch(server.address, &old, 0, b"old").await.status, 204);
    assert_eq!(patch(server.address, &new, 0, b"beg").await.status, 204);
    server.kill();
    let server = start(&directory, &s3);
    assert_eq!(patch(server.address, &new, 3, b"un!").await.status, 204);
    let third = begun(server.address, 5).await;
    assert_eq!(patch(server.address, &third, 0, b"third").await.status, 204);
    for (upload, text) in [(old, "old"), (new, "begun!"), (third, "third")] {
        assert_eq!(get(server.address, &blob_of(&upload)).await.text, text);
    }
    assert_eq!(s3.state().objects.len(), 2, "a blob and its day");
    server.kill();
}

#[tokio::test]
async fn a_bucket_that_is_not_there_stops_nothing_and_a_wrong_setting_does() {
    let directory = tempfile::tempdir().unwrap();
    let s3 = FakeS3::start();
    let words = arguments(&s3);
    drop(s3);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let server = Process::start_with(directory.path(), &words, &[SECRET]);
    let refused = create(server.address, 10).await;
    assert_eq!((refused.status, refused.json()["verdict"].as_str()), (503, Some("later")), "{refused:?}");
    let mut client = Client::open(server.address).await;
    client.accepted(Place::new().create()).await;
    drop(client);
    server.signal("-TERM");
    let (_, log) = server.end();
    assert!(log.contains("can't be reached; no upload begins until it can"), "{log}");
    assert!(refusal(&run(directory.path(), &words, &[])).contains("needs `blobs.s3.secret_key` or `blobs.s3.secret_key_file`"));
    let no_file: Vec<&str> = words.iter().copied().chain(["--blobs-s3-secret-key-file=nowhere"]).collect();
    let output = run(directory.path(), &no_file, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("`blobs.s3.secret_key_file`: nowhere: "), "{said}");
    let wrong: Vec<&str> = words.iter().copied().chain(["--blobs-s3-bucket=No"]).collect();
    let said = String::from_utf8_lossy(&run(directory.path(), &wrong, &[SECRET]).stderr).into_owned();
    assert!(!said.contains(SECRET_KEY), "{said}");
}
