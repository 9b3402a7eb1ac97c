//! Sign-ups: everything is signed before the watch starts, so that the generator keeps up.

use std::time::{SystemTime, UNIX_EPOCH};

use alcyon_client::HttpResponse;
use alcyon_identity::{
    DeviceKey, Era, EraKey, Home, Inbox, ManifestDraft, RecoveryWords,
    http_signature::{Request, sign},
};
use alcyon_sim::{
    http::HttpConnection,
    light::{LightLog, random_bytes},
    process::ServerProcess,
};
use alcyon_wire::Handle;
use anyhow::ensure;
use data_encoding::BASE64URL_NOPAD;
use futures::future::try_join_all;

use super::cases::{Spent, Stopwatch, origin};

const CONNECTIONS: usize = 32;

pub async fn run(server: &ServerProcess, run: usize, operations: usize, keep_alive: bool) -> anyhow::Result<Spent> {
    let each = operations / CONNECTIONS;
    let mut lanes = Vec::new();
    for lane in 0..CONNECTIONS {
        let newcomers = (0..each).map(|index| newcomer(server, &format!("p{run}-{lane}-{index}"))).collect::<Result<Vec<_>, _>>()?;
        lanes.push((lane, newcomers));
    }
    let mut open = Vec::new();
    for lane in 0..CONNECTIONS {
        open.push(HttpConnection::connect(server.url(), None, origin(run, lane)).await?);
    }
    let watch = Stopwatch::start(server)?;
    try_join_all(lanes.into_iter().zip(&mut open).map(async |((lane, newcomers), open)| {
        for (index, newcomer) in newcomers.into_iter().enumerate() {
            let answer = if keep_alive {
                sign_up(open, newcomer).await?
            } else {
                // Newcomers come from everywhere.
                let mut fresh = HttpConnection::connect(server.url(), None, origin(run * CONNECTIONS + lane, index)).await?;
                sign_up(&mut fresh, newcomer).await?
            };
            ensure!((200..300).contains(&answer.status), "status {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(())
    }))
    .await?;
    watch.stop()
}

const PATH: &str = "/v1/accounts";

/// A request, ready to go.
struct Newcomer {
    headers: [(&'static str, String); 3],
    body: Vec<u8>,
}

async fn sign_up(connection: &mut HttpConnection, newcomer: Newcomer) -> anyhow::Result<HttpResponse> {
    let headers: Vec<(&str, &str)> = newcomer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    connection.request("POST", PATH, &headers, newcomer.body).await
}

fn newcomer(server: &ServerProcess, name: &str) -> anyhow::Result<Newcomer> {
    let root = RecoveryWords::generate().root();
    let key = EraKey::generate();
    let era = Era::new(root.sign_era(1, &key), key)?;
    let device = DeviceKey::generate();
    let inbox = LightLog::random();
    let manifest = era.sign_manifest(ManifestDraft {
        version: 1,
        devices: vec![device.id()],
        inbox: Inbox { server: server.url().clone(), log: inbox.seat.log, sealing_key: random_bytes::<1216>().to_vec() },
        homes: vec![Home { server: server.url().clone(), handle: Handle::new(name.parse()?, server.url().authority())? }],
    })?;
    let seat = inbox.as_seat();
    let body = serde_json::json!({
        "name": name,
        "manifest": BASE64URL_NOPAD.encode(manifest.to_bytes()),
        "inbox_seats": [{
            "id": BASE64URL_NOPAD.encode(seat.id.as_bytes()),
            "drop_hash": BASE64URL_NOPAD.encode(seat.drop_hash.as_bytes()),
            "keep": seat.keep,
            "invite": seat.invite,
        }],
    });
    let body = serde_json::to_vec(&body)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let headers = sign(&Request::new("POST", server.url().authority(), PATH, &body)?, &device, now).into_pairs();
    Ok(Newcomer { headers, body })
}
