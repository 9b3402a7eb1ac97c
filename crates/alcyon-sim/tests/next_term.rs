//! The one repair: a conversation goes on in its next term, whatever has become of the log it was in. The real client over
//! simulated servers.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, time::Duration};

use alcyon_client::{ActOutcome, AlarmKind, ClientError, ConversationId, Delivery, Line, Message, TermReason};
use alcyon_sim::{
    fault::FaultRates,
    liar::Lie,
    seed,
    world::{Peer, World, pair_of, settle, simulate, weathered},
};
use alcyon_wire::ServerUrl;
use anyhow::{Context, bail, ensure};
use rand::RngExt;

/// Time for what was refused with "later", and for repairs to become due.
async fn pause() {
    tokio::time::sleep(Duration::from_secs(150)).await;
}

async fn group_of(by: &Peer, others: &[&Peer]) -> anyhow::Result<ConversationId> {
    let group = by.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
    for other in others {
        by.with(async |client| Ok(client.invite(group, &[(other.handle.clone(), None)]).await?)).await?;
        other.sync(None).await?;
        let requests = other.with(async |client| Ok(client.requests()?)).await?;
        let [request] = requests.as_slice() else { bail!("one request, not {requests:?}") };
        other.with(async |client| Ok(client.accept(request.id).await?)).await?;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let all: Vec<&Peer> = std::iter::once(by).chain(others.iter().copied()).collect();
    settle(&all).await?;
    Ok(group)
}

async fn move_to(peer: &Peer, conversation: ConversationId, server: &ServerUrl) -> anyhow::Result<ActOutcome> {
    peer.with(async |client| Ok(client.move_to(conversation, server).await?)).await
}

async fn send(peer: &Peer, conversation: ConversationId, text: &str) -> anyhow::Result<()> {
    peer.send(conversation, text, None).await
}

async fn texts(peer: &Peer, conversation: ConversationId) -> anyhow::Result<Vec<String>> {
    Ok(peer.history(conversation).await?.into_iter().filter(|message| message.line.is_none()).map(|message| message.text).collect())
}

/// Where and why the conversation has gone on, as this one sees it.
async fn moves(peer: &Peer, conversation: ConversationId) -> anyhow::Result<Vec<(String, TermReason)>> {
    let lines = peer.history(conversation).await?.into_iter().filter_map(|message| message.line);
    Ok(lines.filter_map(|line| if let Line::Moved { server, reason } = line { Some((server, reason)) } else { None }).collect())
}

async fn members(peer: &Peer, group: ConversationId) -> anyhow::Result<Vec<(String, bool)>> {
    let view = peer.with(async |client| Ok(client.group(group)?)).await.with_context(|| peer.handle.to_text())?;
    let mut members: Vec<_> = view.members.iter().map(|member| (member.person.account.to_text(), member.admin)).collect();
    members.sort();
    Ok(members)
}

/// Each message once, in the same order for all from term `from` on, everything where the log has it.
async fn check_same(peers: &[&Peer], conversation: ConversationId, from: u32) -> anyhow::Result<()> {
    let mut histories = Vec::new();
    for peer in peers {
        let history: Vec<Message> = peer.history(conversation).await?;
        let name = peer.handle.to_text();
        ensure!(history.iter().all(|message| message.position.is_some()), "{name}: unsent: {history:?}");
        ensure!(history.is_sorted_by_key(|message| message.position), "{name}: out of order");
        ensure!(history.iter().all(|message| message.delivery != Delivery::Failed), "{name}: failed");
        let ids: BTreeSet<_> = history.iter().map(|message| message.id).collect();
        ensure!(ids.len() == history.len(), "{name}: a message twice");
        let tail = history.into_iter().filter(|message| message.position.is_some_and(|position| position.term >= from));
        histories.push((name, tail.map(|message| (message.position, message.id, message.text)).collect::<Vec<_>>()));
    }
    // Who came in by a door begins there: from the latest of these on all have read the same.
    let begin = histories.iter().filter_map(|(_, tail)| tail.first().and_then(|(position, _, _)| *position)).max();
    for (_, tail) in &mut histories {
        tail.retain(|(position, _, _)| *position >= begin);
    }
    for pair in histories.windows(2) {
        ensure!(pair[0].1 == pair[1].1, "{} and {} differ:\n{:?}\n{:?}", pair[0].0, pair[1].0, pair[0].1, pair[1].1);
    }
    Ok(())
}

struct Scene {
    world: World,
    sea: ServerUrl,
    land: ServerUrl,
    ann: Peer,
    ben: Peer,
    eve: Peer,
}

/// Ann at sea, where the groups are that she makes; Ben and Eve on land.
async fn scene() -> anyhow::Result<Scene> {
    let world = World::new(1)?;
    let (sea, land) = (world.server("sea.example").await?, world.server("land.example").await?);
    let ann = world.person("ann", &sea).await?;
    let ben = world.person("ben", &land).await?;
    let eve = world.person("eve", &land).await?;
    Ok(Scene { world, sea, land, ann, ben, eve })
}

#[test]
fn a_group_moves_with_everybody_in_it() {
    simulate(async {
        let Scene { world, sea, land, ann, ben, eve } = scene().await?;
        let group = group_of(&ann, &[&ben, &eve]).await?;
        send(&ben, group, "at sea").await?;
        settle(&[&ann, &ben, &eve]).await?;
        let before = members(&ann, group).await?;
        ensure!(move_to(&ann, group, &land).await? == ActOutcome::Done, "moved");
        // Nobody else has looked yet: what is written now is for them too.
        send(&ann, group, "on land").await?;
        ben.sync(None).await?;
        send(&ben, group, "me too").await?;
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        check_same(&[&ann, &ben, &eve], group, 1).await?;
        for peer in [&ann, &ben, &eve] {
            ensure!(texts(peer, group).await? == ["at sea", "on land", "me too"], "{:?}", texts(peer, group).await?);
            ensure!(moves(peer, group).await? == [("land.example".to_owned(), TermReason::Moved)], "{:?}", moves(peer, group).await?);
            ensure!(members(peer, group).await? == before, "the same people as the same");
            ensure!(peer.alarms().is_empty(), "{:?}", peer.alarms());
        }
        // The server it was on is not needed any more, but by those whose home it is.
        world.network.kill(&sea);
        send(&eve, group, "who needs the sea").await?;
        ben.sync(None).await?;
        ensure!(texts(&ben, group).await?.contains(&"who needs the sea".to_owned()), "it goes on");
        world.network.start(&sea).await?;
        // Everything that a group can do it can do here.
        let zoe = world.person("zoe", &land).await?;
        ann.with(async |client| Ok(client.invite(group, &[(zoe.handle.clone(), None)]).await?)).await?;
        pause().await;
        settle(&[&ann, &zoe]).await?;
        zoe.accept_all().await?;
        pause().await;
        ann.with(async |client| Ok(client.remove(group, &ben.handle.to_text()).await?)).await?;
        send(&ann, group, "without ben").await?;
        pause().await;
        settle(&[&ann, &ben, &eve, &zoe]).await?;
        ensure!(texts(&eve, group).await?.last().is_some_and(|last| last == "without ben"), "eve reads on");
        ensure!(texts(&zoe, group).await? == ["without ben"], "{:?}", texts(&zoe, group).await?);
        ensure!(!texts(&ben, group).await?.contains(&"without ben".to_owned()), "ben is out");
        Ok(())
    })
    .unwrap();
}

#[test]
fn who_is_no_admin_does_not_move_a_group_and_who_has_left_does_not_go_along() {
    simulate(async {
        let Scene { sea, land, ann, ben, eve, .. } = scene().await?;
        let group = group_of(&ann, &[&ben, &eve]).await?;
        let refused = move_to(&ben, group, &land).await.unwrap_err();
        ensure!(matches!(refused.downcast_ref(), Some(ClientError::NotAllowed { .. })), "{refused:?}");
        ensure!(move_to(&ann, group, &sea).await? == ActOutcome::Done, "it is there already");
        ensure!(moves(&ann, group).await?.is_empty(), "and has not moved");
        eve.with(async |client| Ok(client.leave(group).await?)).await?;
        ann.sync(None).await?;
        move_to(&ann, group, &land).await?;
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        send(&ann, group, "without eve").await?;
        settle(&[&ann, &ben, &eve]).await?;
        ensure!(members(&ben, group).await?.len() == 2, "{:?}", members(&ben, group).await?);
        ensure!(texts(&ben, group).await? == ["without eve"] && texts(&eve, group).await?.is_empty(), "eve is out");
        let nowhere = move_to(&ann, group, &"https://nowhere.example".parse()?).await.unwrap_err();
        ensure!(matches!(nowhere.downcast_ref(), Some(ClientError::Transport(_))), "{nowhere:?}");
        ensure!(moves(&ann, group).await?.len() == 1, "nothing has changed");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_group_goes_on_while_its_server_is_gone() {
    simulate(async {
        let Scene { world, sea, land, ann, ben, eve } = scene().await?;
        // The group is at sea, an admin is on land.
        let group = group_of(&ann, &[&ben, &eve]).await?;
        ann.with(async |client| Ok(client.set_role(group, &ben.handle.to_text(), true).await?)).await?;
        send(&ann, group, "before the storm").await?;
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        world.network.kill(&sea);
        send(&ben, group, "does anybody hear me?").await?;
        ensure!(!texts(&eve, group).await?.contains(&"does anybody hear me?".to_owned()), "nobody does");
        move_to(&ben, group, &land).await?;
        eve.sync(None).await?;
        eve.sync(None).await?;
        send(&eve, group, "I do").await?;
        ben.sync(None).await?;
        ensure!(texts(&ben, group).await? == ["before the storm", "does anybody hear me?", "I do"], "{:?}", texts(&ben, group).await?);
        ensure!(moves(&eve, group).await? == [("land.example".to_owned(), TermReason::Lost)], "{:?}", moves(&eve, group).await?);
        // Ann's home was gone too. When it is back she is let in again by herself, as what she was.
        world.network.start(&sea).await?;
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        send(&ann, group, "I am back").await?;
        settle(&[&ann, &ben, &eve]).await?;
        let all = members(&ann, group).await?;
        ensure!(all.len() == 3 && all.iter().filter(|(_, admin)| *admin).count() == 2, "{all:?}");
        ensure!(members(&eve, group).await? == all, "the same for all");
        // What she could not read by her door was sent again.
        let mut read = texts(&ann, group).await?;
        read.sort();
        ensure!(read == ["I am back", "I do", "before the storm", "does anybody hear me?"], "{read:?}");
        check_same(&[&ben, &eve], group, 1).await?;
        for peer in [&ann, &ben, &eve] {
            ensure!(peer.alarms().is_empty(), "{}: {:?}", peer.handle.to_text(), peer.alarms());
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_a_restored_server_has_lost_comes_again() {
    for people in [2, 3] {
        simulate(async move {
            let Scene { world, sea, ann, ben, eve, .. } = scene().await?;
            let peers: Vec<&Peer> = [&ann, &ben, &eve].into_iter().take(people).collect();
            let conversation = if people == 2 { pair_of(&ann, &ben).await? } else { group_of(&ann, &[&ben, &eve]).await? };
            send(&ann, conversation, "kept").await?;
            settle(&peers).await?;
            let copy = world.network.copy_disk(&sea)?;
            send(&ann, conversation, "lost, and not read by ben").await?;
            if people == 3 {
                eve.sync(None).await?;
                send(&eve, conversation, "lost, by eve").await?;
                ann.sync(None).await?;
            }
            world.network.restore(&sea, copy).await?;
            for _ in 0..4 {
                for peer in &peers {
                    let _restored = peer.sync(None).await;
                }
                pause().await;
            }
            settle(&peers).await?;
            check_same(&peers, conversation, 1).await?;
            for peer in &peers {
                let read = texts(peer, conversation).await?;
                ensure!(read.contains(&"kept".to_owned()) && read.contains(&"lost, and not read by ben".to_owned()), "{read:?}");
                ensure!(people == 2 || read.contains(&"lost, by eve".to_owned()), "{read:?}");
                let moved = moves(peer, conversation).await?;
                ensure!(moved.len() == 1 && moved[0].1 == TermReason::Lost, "{}: {moved:?}", peer.handle.to_text());
            }
            ensure!(ann.alarms().contains(&AlarmKind::ServerRestored), "it is shown: {:?}", ann.alarms());
            send(&ben, conversation, "and on we go").await?;
            settle(&peers).await?;
            for peer in &peers {
                ensure!(texts(peer, conversation).await?.last().is_some_and(|last| last == "and on we go"), "{}", peer.handle.to_text());
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{people}: {error:?}"));
    }
}

#[test]
fn a_server_that_gets_its_right_copy_back_in_time_is_not_left() {
    simulate(async {
        let Scene { world, sea, ann, ben, .. } = scene().await?;
        let conversation = pair_of(&ann, &ben).await?;
        let old = world.network.copy_disk(&sea)?;
        send(&ann, conversation, "in the right copy").await?;
        ben.sync(None).await?;
        let right = world.network.copy_disk(&sea)?;
        world.network.restore(&sea, old).await?;
        let _restored = ann.sync(None).await;
        ensure!(ann.alarms().contains(&AlarmKind::ServerRestored), "{:?}", ann.alarms());
        world.network.restore(&sea, right).await?;
        ann.sync(None).await?;
        pause().await;
        settle(&[&ann, &ben]).await?;
        ensure!(moves(&ann, conversation).await?.is_empty(), "{:?}", moves(&ann, conversation).await?);
        check_same(&[&ann, &ben], conversation, 0).await
    })
    .unwrap();
}

#[test]
fn a_fork_is_healed() {
    for people in [2, 3] {
        for lie in [Lie::Drop, Lie::Swap, Lie::Payload] {
            simulate(async move {
                let Scene { ann, ben, eve, .. } = scene().await?;
                let peers: Vec<&Peer> = [&ann, &ben, &eve].into_iter().take(people).collect();
                let conversation = if people == 2 { pair_of(&ann, &ben).await? } else { group_of(&ann, &[&ben, &eve]).await? };
                for peer in &peers {
                    send(peer, conversation, &format!("{} before", peer.handle.to_text())).await?;
                }
                settle(&peers).await?;
                // Ben is told another story than the others, and a good one.
                ben.liar.become_clever();
                ben.liar.tell(lie);
                send(&ann, conversation, "one").await?;
                send(&ann, conversation, "two").await?;
                for round in 0..3 {
                    for peer in &peers {
                        let _by_lie = peer.sync(None).await;
                        let _by_lie = send(peer, conversation, &format!("{}, round {round}", peer.handle.to_text())).await;
                    }
                }
                ensure!(ben.liar.told() == 1, "told {}", ben.liar.told());
                for _ in 0..4 {
                    for peer in &peers {
                        let _by_lie = peer.sync(None).await;
                    }
                    pause().await;
                }
                settle(&peers).await?;
                let alarmed = peers.iter().any(|peer| peer.alarms().contains(&AlarmKind::Forked));
                ensure!(alarmed, "it is shown: {:?}", peers.iter().map(|peer| peer.alarms()).collect::<Vec<_>>());
                send(&ben, conversation, "we talk again").await?;
                send(&ann, conversation, "we do").await?;
                settle(&peers).await?;
                for peer in &peers {
                    let (name, read) = (peer.handle.to_text(), texts(peer, conversation).await?);
                    let moved = moves(peer, conversation).await?;
                    ensure!(moved.len() == 1 && moved[0].1 == TermReason::Forked, "{name}: {moved:?}");
                    for text in ["one", "two", "we talk again", "we do"] {
                        ensure!(read.iter().filter(|read| *read == text).count() == 1, "{name}: {text:?} in {read:?}");
                    }
                }
                check_same(&peers, conversation, 1).await
            })
            .unwrap_or_else(|error| panic!("{people}, {lie:?}: {error:?}"));
        }
    }
}

#[test]
fn two_who_move_it_at_once_end_in_one_place() {
    for seed in 1..6 {
        simulate(async move {
            let world = World::new(seed)?;
            let (sea, land) = (world.server("sea.example").await?, world.server("land.example").await?);
            let isle = world.server("isle.example").await?;
            let ann = world.person("ann", &sea).await?;
            let ben = world.person("ben", &land).await?;
            let eve = world.person("eve", &sea).await?;
            let group = group_of(&ann, &[&ben, &eve]).await?;
            ann.with(async |client| Ok(client.set_role(group, &ben.handle.to_text(), true).await?)).await?;
            settle(&[&ann, &ben, &eve]).await?;
            let (one, other) = tokio::join!(move_to(&ann, group, &isle), move_to(&ben, group, &land));
            one?;
            other?;
            send(&ann, group, "from ann").await?;
            send(&ben, group, "from ben").await?;
            eve.sync(None).await?;
            send(&eve, group, "from eve").await?;
            pause().await;
            settle(&[&ann, &ben, &eve]).await?;
            pause().await;
            settle(&[&ann, &ben, &eve]).await?;
            let peers = [&ann, &ben, &eve];
            check_same(&peers, group, 1).await?;
            for peer in peers {
                let mut read = texts(peer, group).await?;
                read.sort();
                ensure!(read == ["from ann", "from ben", "from eve"], "{}: {read:?}", peer.handle.to_text());
                ensure!(moves(peer, group).await? == moves(&ann, group).await?, "one place");
                ensure!(moves(peer, group).await?.len() == 1, "{:?}", moves(peer, group).await?);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
    }
}

#[test]
fn a_pair_moves() {
    simulate(async {
        let Scene { sea, land, ann, ben, .. } = scene().await?;
        let conversation = pair_of(&ann, &ben).await?;
        for (number, server) in [&land, &sea, &land].into_iter().enumerate() {
            let mover = if number % 2 == 0 { &ann } else { &ben };
            move_to(mover, conversation, server).await?;
            send(mover, conversation, &format!("move {number}")).await?;
            settle(&[&ann, &ben]).await?;
            send(&ben, conversation, &format!("ben after move {number}")).await?;
            settle(&[&ann, &ben]).await?;
        }
        check_same(&[&ann, &ben], conversation, 0).await?;
        ensure!(texts(&ann, conversation).await?.len() == 7, "{:?}", texts(&ann, conversation).await?);
        ensure!(ann.alarms().is_empty() && ben.alarms().is_empty(), "{:?} {:?}", ann.alarms(), ben.alarms());
        Ok(())
    })
    .unwrap();
}

/// Moves while everything fails and programs die.
async fn storm(seed: u64, steps: usize) -> anyhow::Result<()> {
    let mut random = seed::generator(seed);
    let world = World::new(seed)?;
    let servers = [world.server("sea.example").await?, world.server("land.example").await?, world.server("isle.example").await?];
    let mut people = Vec::new();
    for (number, name) in ["ann", "ben", "eve"].into_iter().enumerate() {
        people.push(world.person(name, &servers[number]).await?);
    }
    let peers: Vec<&Peer> = people.iter().collect();
    let group = group_of(peers[0], &peers[1..]).await?;
    peers[0].with(async |client| Ok(client.set_role(group, &peers[1].handle.to_text(), true).await?)).await?;
    settle(&peers).await?;
    for peer in &peers {
        peer.faults.set_rates(FaultRates::ROUGH);
    }
    let mut written = BTreeSet::new();
    let run = async {
        for step in 0..steps {
            let who = peers[random.random_range(0..peers.len())];
            let crash = random.random_ratio(1, 6).then(|| random.random_range(1..80));
            let result = match random.random_range(0..100) {
                0..50 => {
                    let text = format!("step {step}");
                    let sent = who.send(group, &text, crash).await;
                    if sent.is_ok() && crash.is_none() {
                        written.insert(text);
                    }
                    weathered(sent)
                }
                50..80 => weathered(who.sync(crash).await.map(drop)),
                80..88 => {
                    let server = &servers[random.random_range(0..servers.len())];
                    let moved = match crash {
                        None => move_to(who, group, server).await.map(drop),
                        Some(polls) => who.with_crash(polls, async |client| Ok(client.move_to(group, server).await?)).await.map(drop),
                    };
                    match moved {
                        Err(error) if matches!(error.downcast_ref(), Some(ClientError::NotAllowed { .. } | ClientError::NotInYet)) => {
                            Ok(())
                        }
                        other => weathered(other),
                    }
                }
                88..94 => who.open(),
                _ => {
                    tokio::time::sleep(Duration::from_secs(random.random_range(0..200))).await;
                    Ok(())
                }
            };
            result.with_context(|| format!("step {step}, {}", who.handle.to_text()))?;
        }
        world.calm(&peers, &servers).await?;
        for _ in 0..3 {
            settle(&peers).await?;
            pause().await;
        }
        let last = peers[0].history(group).await?.iter().filter_map(|message| message.position).map(|position| position.term).max();
        // Before the first move they came in one after the other.
        check_same(&peers, group, last.filter(|last| *last > 0).unwrap_or(u32::MAX)).await?;
        for peer in &peers {
            let read: BTreeSet<_> = texts(peer, group).await?.into_iter().collect();
            let missing: Vec<_> = written.difference(&read).collect();
            ensure!(missing.is_empty(), "{}: {missing:?} are missing", peer.handle.to_text());
            ensure!(members(peer, group).await? == members(peers[0], group).await?, "the same people");
            ensure!(!peer.alarms().contains(&AlarmKind::Broken) && !peer.alarms().contains(&AlarmKind::Forked), "{:?}", peer.alarms());
        }
        Ok(())
    };
    let result: anyhow::Result<()> = run.await;
    result.with_context(|| world.schedule(&peers))
}

#[test]
fn moves_in_a_storm_lose_nothing() {
    for seed in seed::seeds("ALCYON_FAULT_RUNS", 4) {
        simulate(storm(seed, std::env::var("ALCYON_GROUP_STEPS").map_or(60, |steps| steps.parse().unwrap()))).unwrap();
    }
}
