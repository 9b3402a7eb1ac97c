//! A server that lies is found out and reported by the right name; an honest one is never accused.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use alcyon_client::{AlarmKind, Delivery};
use alcyon_sim::{
    liar::{Liar, Lie},
    world::{Peer, World, check, settle, simulate},
};
use alcyon_wire::ServerUrl;
use anyhow::ensure;

struct Scene {
    world: World,
    server: ServerUrl,
    ann: Peer,
    ben: Peer,
}

/// Ann and Ben talk, and all is well.
async fn scene() -> anyhow::Result<Scene> {
    let world = World::new(1)?;
    let server = world.server("sea.example").await?;
    let ann = world.person("ann", &server).await?;
    let ben = world.person("ben", &server).await?;
    ann.knock(&ben, "hello").await?;
    ben.sync(None).await?;
    ben.accept_all().await?;
    settle(&[&ann, &ben]).await?;
    let conversation = ann.conversation(&ben)?;
    for number in 0..3 {
        ann.send(conversation, &format!("ann {number}"), None).await?;
        ben.send(conversation, &format!("ben {number}"), None).await?;
    }
    settle(&[&ann, &ben]).await?;
    check(&ann, &ben).await?;
    Ok(Scene { world, server, ann, ben })
}

/// Ann writes, Ben is lied to, and both talk on for a while.
async fn lied_to(liar: &Liar, lie: Lie, scene: &Scene) -> anyhow::Result<()> {
    let Scene { ann, ben, .. } = scene;
    let conversation = ann.conversation(ben)?;
    liar.tell(lie);
    for number in 0..2 {
        ann.send(conversation, &format!("later {number}"), None).await?;
    }
    for round in 0..3 {
        // What a lie does to a conversation is for the client to say; that it says so is what is tested.
        let _by_lie = ben.sync(None).await;
        let _by_lie = ben.send(conversation, &format!("ben, round {round}"), None).await;
        let _by_lie = ann.sync(None).await;
        let _by_lie = ann.send(conversation, &format!("ann, round {round}"), None).await;
    }
    let _by_lie = ben.sync(None).await;
    ensure!(liar.told() == 1, "{lie:?} was told {} times", liar.told());
    Ok(())
}

#[test]
fn a_clumsy_lie_breaks_the_chain_at_once() {
    for lie in [Lie::Drop, Lie::Swap, Lie::Repeat, Lie::Header, Lie::Payload] {
        simulate(async move {
            let scene = scene().await?;
            lied_to(&scene.ben.liar, lie, &scene).await?;
            ensure!(scene.ben.alarms().contains(&AlarmKind::Broken), "{:?}", scene.ben.alarms());
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{lie:?}: {error:?}"));
    }
}

#[test]
fn a_clever_lie_is_found_out_when_a_message_crosses() {
    for lie in [Lie::Drop, Lie::Swap, Lie::Repeat, Lie::Header, Lie::Payload] {
        simulate(async move {
            let scene = scene().await?;
            scene.ben.liar.become_clever();
            lied_to(&scene.ben.liar, lie, &scene).await?;
            ensure!(scene.ben.alarms().contains(&AlarmKind::Forked), "ben: {:?}", scene.ben.alarms());
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{lie:?}: {error:?}"));
    }
}

#[test]
fn a_withheld_tail_is_never_taken_for_delivered() {
    simulate(async {
        let scene = scene().await?;
        let Scene { ann, ben, .. } = &scene;
        lied_to(&ben.liar, Lie::Withhold, &scene).await?;
        let conversation = ann.conversation(ben)?;
        let history = ann.history(conversation).await?;
        let later: Vec<_> = history.iter().filter(|message| message.own && message.text.starts_with("later")).collect();
        ensure!(later.len() == 2 && later.iter().all(|message| message.delivery == Delivery::Sent), "{later:?}");
        let earlier = history.iter().filter(|message| message.own && message.text.starts_with("ann 0"));
        ensure!(
            earlier.clone().count() == 1 && earlier.clone().all(|message| message.delivery == Delivery::Delivered),
            "what was seen is delivered"
        );
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_old_copy_is_told_by_the_cursor_beyond_its_head() {
    simulate(async {
        let scene = scene().await?;
        scene.ben.liar.tell(Lie::OldCopy);
        let _by_lie = scene.ben.sync(None).await;
        ensure!(scene.ben.liar.told() == 1, "no subscription");
        ensure!(scene.ben.alarms() == [AlarmKind::ServerRestored], "{:?}", scene.ben.alarms());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_server_that_runs_on_an_old_copy_is_told() {
    simulate(async {
        let scene = scene().await?;
        let Scene { world, server, ann, ben } = &scene;
        let copy = world.network.copy_disk(server)?;
        let conversation = ann.conversation(ben)?;
        ann.send(conversation, "the copy does not have this", None).await?;
        settle(&[ann, ben]).await?;
        world.network.restore(server, copy).await?;
        for _ in 0..3 {
            let _restored = ann.sync(None).await;
            let _restored = ben.sync(None).await;
        }
        for peer in [ann, ben] {
            ensure!(peer.alarms().contains(&AlarmKind::ServerRestored), "{}: {:?}", peer.handle.to_text(), peer.alarms());
            ensure!(!peer.alarms().contains(&AlarmKind::Broken), "{}: {:?}", peer.handle.to_text(), peer.alarms());
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_honest_server_is_not_accused_of_concurrent_appends() {
    simulate(async {
        let scene = scene().await?;
        let Scene { ann, ben, .. } = &scene;
        let conversation = ann.conversation(ben)?;
        for number in 0..5 {
            let (mine, yours) = (format!("ann at once {number}"), format!("ben at once {number}"));
            let (one, other) = tokio::join!(ann.send(conversation, &mine, None), ben.send(conversation, &yours, None));
            one?;
            other?;
        }
        settle(&[ann, ben]).await?;
        check(ann, ben).await
    })
    .unwrap();
}

#[test]
fn an_honest_server_is_not_accused_of_forgetting_what_is_past_its_time() {
    simulate(async {
        let scene = scene().await?;
        let Scene { world, server, ann, ben } = &scene;
        let conversation = ann.conversation(ben)?;
        // Ben is away, and what Ann writes grows old.
        ann.send(conversation, "too old when you come", None).await?;
        let day = Duration::from_secs(24 * 60 * 60);
        world.network.age(server, 40 * day).await?;
        ann.send(conversation, "still there when you come", None).await?;
        world.network.age(server, day).await?;
        // Recent entries are also kept in memory, whatever their age; a process that has just begun has none.
        world.network.kill(server);
        world.network.start(server).await?;
        settle(&[ann, ben]).await?;
        ensure!(ben.history(conversation).await?.iter().any(|message| message.text == "still there when you come"), "the rest is read");
        ensure!(!ben.alarms().contains(&AlarmKind::Broken) && !ben.alarms().contains(&AlarmKind::Forked), "{:?}", ben.alarms());
        let texts: Vec<_> = ben.history(conversation).await?.into_iter().map(|message| message.text).collect();
        ensure!(ben.alarms().contains(&AlarmKind::Gap), "a hole is shown as a hole: {:?} {texts:?}", ben.alarms());
        ensure!(ann.alarms().is_empty(), "{:?}", ann.alarms());
        // And they go on.
        ben.send(conversation, "I was away", None).await?;
        settle(&[ann, ben]).await?;
        ensure!(ann.history(conversation).await?.iter().any(|message| message.text == "I was away"), "both ways");
        Ok(())
    })
    .unwrap();
}
