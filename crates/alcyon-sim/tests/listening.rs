//! Interfaces and bots give commands while they listen: two tasks of one program want the same connections, and read one log.
//! And what a client does by itself while it listens.
#![allow(clippy::unwrap_used)]

use std::{future::Future, time::Duration};

use alcyon_sim::{
    fault::FaultRates,
    seed,
    world::{Peer, World, check, check_promises, settle, simulate, weathered},
};
use anyhow::{Context, bail, ensure};

/// Does `work` while `peer` listens.
async fn beside_listening<R>(peer: &Peer, work: impl Future<Output = anyhow::Result<R>>) -> anyhow::Result<R> {
    tokio::select! {
        ended = peer.listen(Duration::from_secs(500)) => bail!("{} listened to the end: {ended:?}", peer.handle.to_text()),
        done = work => done,
    }
}

async fn talk(world: &World, rates: FaultRates) -> anyhow::Result<()> {
    let server = world.server("sea.example").await?;
    let ann = world.person("ann", &server).await?;
    let ben = world.person("ben", &server).await?;
    // The first knock, too, has to stand it, but a fault on the way to the directory would be an error for the person.
    let knocking = beside_listening(&ann, ann.knock(&ben, "hello"));
    knocking.await.context("knocking")?;
    let accepting = beside_listening(&ben, async {
        while ben.accept_all().await? == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ben.send(ben.conversation(&ann)?, "hello yourself", None).await
    });
    accepting.await.context("accepting")?;
    for peer in [&ann, &ben] {
        peer.faults.set_rates(rates);
    }
    let several = async |peer: &Peer, other: &Peer| {
        let conversation = peer.conversation(other)?;
        let sending = (0..4).map(|number| async move { weathered(peer.send(conversation, &format!("at once {number}"), None).await) });
        beside_listening(peer, async {
            for sent in futures::future::join_all(sending).await {
                sent?;
            }
            Ok(())
        })
        .await
    };
    for _ in 0..4 {
        futures::future::try_join(several(&ann, &ben), several(&ben, &ann)).await?;
    }
    world.calm(&[&ann, &ben], &[server]).await?;
    settle(&[&ann, &ben]).await?;
    check_promises(&ann, &[&ben]).await?;
    check(&ann, &ben).await?;
    let history = ann.history(ann.conversation(&ben)?).await?;
    ensure!(history.len() == 34, "{} of 34 messages", history.len());
    Ok(())
}

#[test]
fn commands_beside_listening_share_its_connections() {
    for seed in seed::seeds("ALCYON_FAULT_RUNS", 4) {
        for rates in [FaultRates::NONE, FaultRates::ROUGH] {
            simulate(async {
                let world = World::new(seed)?;
                talk(&world, rates).await.with_context(|| format!("seed {seed}"))
            })
            .unwrap();
        }
    }
}

/// Before it is accepted, nothing of a stranger's knock reaches the stranger's server: not even that it was read.
#[test]
fn a_strangers_server_is_not_asked_before_the_request_is_accepted() {
    simulate(async {
        let world = World::new(1)?;
        let (sea, land) = (world.server("sea.example").await?, world.server("land.example").await?);
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &land).await?;
        ben.knock(&ann, "hello").await?;
        // A server that is down can't be asked, and nobody misses it.
        world.network.kill(&land);
        let synced = ann.with(async |client| Ok(client.sync().await?)).await?;
        ensure!(synced.unreachable == 0, "{} servers were asked in vain", synced.unreachable);
        let requests = ann.with(async |client| Ok(client.requests()?)).await?;
        ensure!(requests.len() == 1 && !requests[0].confirmed, "{requests:?}");
        world.network.start(&land).await?;
        ensure!(ann.accept_all().await? == 1, "one request");
        ann.send(ann.conversation(&ben)?, "hello yourself", None).await?;
        settle(&[&ann, &ben]).await?;
        check(&ann, &ben).await
    })
    .unwrap();
}
