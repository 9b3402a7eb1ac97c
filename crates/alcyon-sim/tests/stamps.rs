//! Clients pay by themselves: with stamps at home, by work elsewhere, and for nothing twice, whatever ends when.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use alcyon_server::store::Table;
use alcyon_sim::world::{Peer, World, settle, simulate, weathered};
use alcyon_wire::ServerUrl;
use anyhow::ensure;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Stamps that are spent at a server.
fn spent(world: &World, server: &ServerUrl) -> anyhow::Result<usize> {
    let rows = world.network.copy_disk(server)?.dump();
    Ok(rows.into_iter().filter(|(table, ..)| matches!(table, Table::SpentStamps(_))).count())
}

async fn talk(one: &Peer, other: &Peer) -> anyhow::Result<()> {
    other.sync(None).await?;
    ensure!(other.accept_all().await? == 1, "one request");
    settle(&[one, other]).await?;
    one.send(one.conversation(other)?, "here I am", None).await?;
    other.send(other.conversation(one)?, "so am I", None).await?;
    settle(&[one, other]).await
}

#[test]
fn a_conversation_costs_a_log_and_a_knock_and_writing_costs_nothing() -> anyhow::Result<()> {
    simulate(async {
        let world = World::new(1)?;
        let server = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &server).await?, world.person("ben", &server).await?);
        ensure!(spent(&world, &server)? == 0, "accounts and their inboxes cost nothing");
        ann.knock(&ben, "hello").await?;
        ensure!(spent(&world, &server)? == 2, "{}", spent(&world, &server)?);
        talk(&ann, &ben).await?;
        ensure!(spent(&world, &server)? == 2, "{}", spent(&world, &server)?);
        Ok(())
    })
}

#[test]
fn people_of_other_servers_work_and_their_stamps_stay_at_home() -> anyhow::Result<()> {
    simulate(async {
        let world = World::new(2)?;
        let (sea, bay) = (world.server("sea.example").await?, world.server("bay.example").await?);
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &bay).await?);
        ann.knock(&ben, "hello from the sea").await?;
        talk(&ann, &ben).await?;
        ensure!((spent(&world, &sea)?, spent(&world, &bay)?) == (1, 0), "the log at sea; the knock at the bay was worked for");
        Ok(())
    })
}

/// Its stamps are over, which it does not know; the server says so, and it finds another way.
#[test]
fn stamps_of_a_key_that_is_over_are_no_obstacle() -> anyhow::Result<()> {
    simulate(async {
        let world = World::new(3)?;
        let server = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &server).await?, world.person("ben", &server).await?);
        world.network.age(&server, 20 * DAY).await?;
        ann.knock(&ben, "hello").await?;
        talk(&ann, &ben).await
    })
}

/// The program ends at any point of it, the connection breaks, the answers are lost: each new conversation has cost two stamps.
#[test]
fn whatever_ends_when_a_conversation_costs_what_it_costs() -> anyhow::Result<()> {
    simulate(async {
        let world = World::new(4)?;
        let server = world.server("sea.example").await?;
        let ann = world.person("ann", &server).await?;
        for (n, polls) in [3, 9, 15, 21, 27, 36, 48, 60].into_iter().enumerate() {
            let other = world.person(&format!("person{n}"), &server).await?;
            let handle = other.handle.clone();
            let begun = ann.with_crash(polls, async |client| Ok(client.start(&handle, None, "hello").await.map(drop)?)).await;
            weathered(begun.map(drop))?;
            for _ in 0..3 {
                ann.sync(None).await?;
            }
            if ann.conversation(&other).is_err() {
                // It ended before anything was kept.
                ann.knock(&other, "hello").await?;
            }
            settle(&[&ann, &other]).await?;
            ensure!(spent(&world, &server)? == 2 * (n + 1), "after {polls} polls: {}", spent(&world, &server)?);
        }
        Ok(())
    })
}
