//! What a machine runs out of: space and files. The server says so, keeps what it has, and recovers.
#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf, process::Command, time::Duration};

use alcyon_sim::{
    light::{LightClient, LightLog, NOTHING_TO_PAY, random_bytes},
    process::ServerSetup,
};
use alcyon_wire::{
    RefusalCode, Verdict,
    proto::{self, server_frame},
};
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

/// Mounts a small disk of its own at the first argument and becomes the rest.
const SMALL_DISK: &str = "mount -t tmpfs -o size=200m tmpfs \"$0\" && exec \"$@\"";

#[tokio::test]
async fn a_full_disk_stops_acknowledging_and_nothing_else() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let disk = folder.path().join("disk");
    fs::create_dir(&disk)?;
    let unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, &disk.to_string_lossy()].map(str::to_owned);
    let (program, arguments) = unshare.split_first().context("a program")?;
    if !Command::new(program).args(arguments).arg("true").status().is_ok_and(|status| status.success()) {
        // Where a container forbids it, the same is tested with a store that fails on purpose (`tests/faults.rs`).
        return Ok(());
    }
    let setup = ServerSetup::new(&disk.join("data")).arguments(NOTHING_TO_PAY).wrapper(unshare);
    let server = setup.start()?;
    let seen_by_server = PathBuf::from(format!("/proc/{}/root", server.id())).join(disk.strip_prefix("/")?);

    let log = LightLog::random();
    let mut client = LightClient::connect(server.url(), None).await?;
    ensure!(matches!(client.call(LightLog::create(&[&log])).await?, server_frame::Body::Receipt(_)), "created");
    let append = || log.append(Bytes::from(random_bytes::<1024>().to_vec()));
    ensure!(matches!(client.call(append()).await?, server_frame::Body::Receipt(_)), "appended");

    let ballast = seen_by_server.join("ballast");
    let fill = Command::new("sh").arg("-c").arg("exec dd if=/dev/zero of=\"$0\" bs=1M 2>/dev/null").arg(&ballast).status()?;
    ensure!(!fill.success(), "dd ends when the disk is full");
    // What still goes into pages that the store has is taken, and is no less durable for it.
    let mut accepted = 1;
    let mut refused = append();
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        ensure!(Instant::now() < limit, "{accepted} entries were accepted on a full disk");
        match client.call(refused.clone()).await? {
            server_frame::Body::Receipt(_) => {
                accepted += 1;
                refused = append();
            }
            server_frame::Body::Refusal(refusal) if refusal.code() == RefusalCode::DiskFull => {
                ensure!(refusal.verdict() == Verdict::Later && refusal.retry_after_ms > 0, "{refusal:?}");
                break;
            }
            // The write that found it out is answered by what it was: a failure of the store.
            server_frame::Body::Refusal(refusal) if refusal.code() == RefusalCode::Internal => {}
            other => bail!("{other:?}"),
        }
    }

    // Reads go on, of all that was acknowledged.
    let subscribed = client.call(proto::client_frame::Body::Subscribe(proto::Subscribe { logs: vec![log.subscription(0)] })).await?;
    ensure!(matches!(subscribed, server_frame::Body::Subscribed(_)), "{subscribed:?}");
    let mut read = 0;
    while read < accepted {
        let entries = timeout(Duration::from_secs(10), client.next()).await.with_context(|| format!("{read} of {accepted}"))??;
        let Some(server_frame::Body::Entries(page)) = &entries.body else { bail!("{entries:?}") };
        read += u64::try_from(page.entries.len())?;
    }
    ensure!(read == accepted, "{read} of {accepted}");

    // Space comes back: the same request is taken, once, and nobody had to restart anything.
    fs::remove_file(&ballast)?;
    let limit = Instant::now() + Duration::from_secs(30);
    let sequence = loop {
        ensure!(Instant::now() < limit, "the server does not recover");
        match client.call(refused.clone()).await? {
            server_frame::Body::Receipt(receipt) => break receipt.sequence,
            server_frame::Body::Refusal(refusal) => sleep(Duration::from_millis(refusal.retry_after_ms.clamp(10, 500))).await,
            other => bail!("{other:?}"),
        }
    };
    accepted += 1;
    ensure!(sequence == accepted, "entry {sequence} of {accepted}");
    Ok(())
}

#[tokio::test]
async fn a_file_limit_refuses_the_next_connection_and_keeps_the_rest() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server =
        ServerSetup::new(&folder.path().join("data")).arguments(NOTHING_TO_PAY).wrapper(["prlimit", "--nofile=256", "--"]).start()?;
    let mut kept = Vec::new();
    let refused = loop {
        ensure!(kept.len() < 256, "more connections than files");
        match timeout(Duration::from_secs(10), LightClient::connect(server.url(), None)).await.context("silence instead of a refusal")? {
            Ok(client) => kept.push(client),
            Err(error) => break error,
        }
    };
    ensure!(kept.len() > 32, "refused after {}: {refused:#}", kept.len());

    // Those who are in go on, and what they write is durable.
    let log = LightLog::random();
    for (number, client) in kept.iter_mut().enumerate() {
        if number == 0 {
            let created = client.call(LightLog::create(&[&log])).await?;
            ensure!(matches!(created, server_frame::Body::Receipt(_)), "{created:?}");
        }
        let appended = client.call(log.append(Bytes::from_static(b"still here"))).await?;
        ensure!(matches!(appended, server_frame::Body::Receipt(_)), "{appended:?}");
    }

    // A place that gets free is taken by the next.
    if let Some(client) = kept.pop() {
        client.close().await?;
    }
    let limit = Instant::now() + Duration::from_secs(10);
    while LightClient::connect(server.url(), None).await.is_err() {
        ensure!(Instant::now() < limit, "no place although one is free");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
