//! Two and three people in a world where everything fails: requests, answers, connections, disks, programs and servers.
//! Whatever happens, once it is calm again nothing that was promised is lost, nothing was shown twice, all see the same
//! order, nobody was alarmed for nothing, and everybody can go on talking.
//!
//! `ALCYON_SEED` replays a run, `ALCYON_FAULT_RUNS` says how many there are.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use alcyon_sim::{
    fault::{Fault, FaultRates},
    seed,
    world::{Peer, World, check, check_promises, settle, simulate, weathered},
};
use alcyon_wire::ServerUrl;
use anyhow::{Context, ensure};
use rand::{RngExt, rngs::StdRng};

/// One knocks, the other accepts, with nothing going wrong.
async fn acquaint(one: &Peer, other: &Peer) -> anyhow::Result<()> {
    one.knock(other, &format!("hello from {}", one.handle.name().as_str())).await?;
    other.sync(None).await?;
    ensure!(other.accept_all().await? == 1, "one request");
    settle(&[one, other]).await
}

async fn act(random: &mut StdRng, step: usize, world: &World, servers: &[ServerUrl], peers: &[&Peer]) -> anyhow::Result<()> {
    let from = random.random_range(0..peers.len());
    let to = (from + random.random_range(1..peers.len())) % peers.len();
    let (from, to) = (peers[from], peers[to]);
    let crash = random.random_ratio(1, 8).then(|| random.random_range(1..60));
    match random.random_range(0..100) {
        0..50 => {
            let conversation = from.conversation(to)?;
            weathered(from.send(conversation, &format!("step {step}"), crash).await)
        }
        50..75 => weathered(from.sync(crash).await.map(drop)),
        75..85 => from.listen(Duration::from_millis(random.random_range(10..60_000))).await,
        85..92 => from.open(),
        92..96 => {
            let server = &servers[random.random_range(0..servers.len())];
            world.network.kill(server);
            tokio::time::sleep(Duration::from_secs(random.random_range(0..10))).await;
            world.network.start(server).await
        }
        _ => {
            tokio::time::sleep(Duration::from_secs(random.random_range(0..600))).await;
            Ok(())
        }
    }
}

async fn storm(random: &mut StdRng, world: &World, servers: &[ServerUrl], peers: &[&Peer]) -> anyhow::Result<()> {
    for peer in peers {
        peer.faults.set_rates(FaultRates::ROUGH);
    }
    for server in servers {
        world.network.set_write_faults(server, 100).await?;
    }
    for step in 0..60 {
        act(random, step, world, servers, peers).await.with_context(|| format!("step {step}"))?;
    }
    world.calm(peers, servers).await?;
    settle(peers).await.context("settling")?;
    for (index, one) in peers.iter().enumerate() {
        let others: Vec<&Peer> = peers.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, peer)| *peer).collect();
        for other in &others {
            one.send(one.conversation(other)?, "after the storm", None).await?;
        }
        check_promises(one, &others).await?;
    }
    settle(peers).await.context("settling after the storm")?;
    for (index, one) in peers.iter().enumerate() {
        for other in &peers[index + 1..] {
            check(one, other).await?;
        }
    }
    Ok(())
}

async fn two_people(seed: u64) -> anyhow::Result<()> {
    let mut random = seed::generator(seed);
    let world = World::new(seed)?;
    let mut servers = vec![world.server("sea.example").await?];
    if random.random() {
        servers.push(world.server("land.example").await?);
    }
    let ann = world.person("ann", &servers[0]).await?;
    let ben = world.person("ben", servers.last().unwrap()).await?;
    acquaint(&ann, &ben).await?;
    let peers = [&ann, &ben];
    let result = storm(&mut random, &world, &servers, &peers).await;
    result.with_context(|| world.schedule(&peers))
}

async fn three_people(seed: u64) -> anyhow::Result<()> {
    let mut random = seed::generator(seed);
    let world = World::new(seed)?;
    let servers = [world.server("sea.example").await?, world.server("land.example").await?];
    let ann = world.person("ann", &servers[0]).await?;
    let ben = world.person("ben", &servers[1]).await?;
    let eve = world.person("eve", &servers[0]).await?;
    acquaint(&ann, &ben).await?;
    acquaint(&ben, &eve).await?;
    acquaint(&eve, &ann).await?;
    let peers = [&ann, &ben, &eve];
    let result = storm(&mut random, &world, &servers, &peers).await;
    result.with_context(|| world.schedule(&peers))
}

#[test]
fn two_people_in_a_storm_lose_nothing() {
    for seed in seed::seeds("ALCYON_FAULT_RUNS", 6) {
        simulate(two_people(seed)).unwrap();
    }
}

#[test]
fn three_people_in_a_storm_lose_nothing() {
    for seed in seed::seeds("ALCYON_FAULT_RUNS", 3) {
        simulate(three_people(seed)).unwrap();
    }
}

/// One message is sent with one fault, at each point that it passes, with each fault there is.
#[test]
fn a_single_fault_anywhere_is_harmless() {
    let second = Duration::from_secs(2);
    let faults = [
        Fault::DropRequest,
        Fault::DropAnswer,
        Fault::Delay(second),
        Fault::Duplicate,
        Fault::Cut,
        Fault::Blackhole(second),
        Fault::Linger(second),
        Fault::Outage(second),
    ];
    for fault in faults {
        simulate(async move {
            let world = World::new(1)?;
            let server = world.server("sea.example").await?;
            let ann = world.person("ann", &server).await?;
            let ben = world.person("ben", &server).await?;
            acquaint(&ann, &ben).await?;
            let conversation = ann.conversation(&ben)?;
            for offset in 0..14 {
                ann.faults.at(ann.faults.points() + offset, fault);
                weathered(ann.send(conversation, &format!("{fault:?} {offset}"), None).await)?;
                settle(&[&ann, &ben]).await?;
            }
            check(&ann, &ben).await?;
            check_promises(&ann, &[&ben]).await
        })
        .unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
    }
}

#[test]
fn a_full_disk_delays_and_loses_nothing() {
    simulate(async {
        let world = World::new(1)?;
        let server = world.server("sea.example").await?;
        let ann = world.person("ann", &server).await?;
        let ben = world.person("ben", &server).await?;
        acquaint(&ann, &ben).await?;
        world.network.set_disk_full(&server, true)?;
        let conversation = ann.conversation(&ben)?;
        ann.send(conversation, "no room", None).await?;
        ensure!(ann.history(conversation).await?.last().unwrap().position.is_none(), "nothing is acknowledged on a full disk");
        ensure!(ben.history(conversation).await?.len() == 1, "and reads go on");
        world.network.set_disk_full(&server, false)?;
        settle(&[&ann, &ben]).await?;
        check_promises(&ann, &[&ben]).await?;
        check(&ann, &ben).await
    })
    .unwrap();
}

/// Both have knocked, one has accepted the other's and come in, and that is heard before the own inbox is read.
#[test]
fn both_knock_and_an_inbox_is_slow() {
    for point in 0..8 {
        simulate(async {
            let world = World::new(point)?;
            let sea = world.server("sea.example").await?;
            let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
            ann.knock(&ben, "ann was first").await?;
            ben.knock(&ann, "ben was first").await?;
            for peer in [&ann, &ben, &ann, &ben, &ann, &ben] {
                peer.faults.at(peer.faults.points() + point, Fault::Delay(Duration::from_secs(5)));
                peer.sync(None).await?;
            }
            settle(&[&ann, &ben]).await?;
            for peer in [&ann, &ben] {
                let requests = peer.with(async |client| Ok(client.requests()?)).await?;
                ensure!(requests.is_empty(), "{point}: {} has {requests:?}", peer.handle.to_text());
            }
            check(&ann, &ben).await
        })
        .unwrap();
    }
}
