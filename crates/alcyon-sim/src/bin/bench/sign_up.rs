//! Sign-ups: everything is signed before the watch starts, so that the generator keeps up.

use alcyon_client::HttpResponse;
use alcyon_sim::{http::HttpConnection, process::ServerProcess, sign_up::SignUp};
use anyhow::ensure;
use futures::future::try_join_all;

use super::cases::{Spent, Stopwatch, origin};

const CONNECTIONS: usize = 32;

pub async fn run(server: &ServerProcess, run: usize, operations: usize, keep_alive: bool) -> anyhow::Result<Spent> {
    let each = operations / CONNECTIONS;
    let mut lanes = Vec::new();
    for lane in 0..CONNECTIONS {
        let newcomers =
            (0..each).map(|index| SignUp::sign(server.url(), &format!("p{run}-{lane}-{index}"))).collect::<Result<Vec<_>, _>>()?;
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

async fn sign_up(connection: &mut HttpConnection, newcomer: SignUp) -> anyhow::Result<HttpResponse> {
    let headers: Vec<(&str, &str)> = newcomer.headers();
    connection.request("POST", SignUp::PATH, &headers, newcomer.body.clone()).await
}
