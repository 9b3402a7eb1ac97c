//! Groups that nobody is put into: the real client over simulated servers, first in calm, then with everything failing.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, path::Path, time::Duration};

use alcyon_client::{ActOutcome, ClientError, ConversationId, Event, GroupPermission, JoinOutcome, Line, Message, RequestKind};
use alcyon_sim::{
    fault::{Fault, FaultRates},
    seed,
    world::{Peer, World, is_overtaken, is_weather, settle, simulate},
};
use anyhow::{Context, bail, ensure};
use rand::{RngExt, rngs::StdRng};

async fn create(peer: &Peer, title: &str) -> anyhow::Result<ConversationId> {
    peer.with(async |client| Ok(client.create_group(title).await?)).await
}

async fn invite(peer: &Peer, group: ConversationId, other: &Peer) -> anyhow::Result<ActOutcome> {
    peer.with(async |client| Ok(client.invite(group, &[(other.handle.clone(), None)]).await?)).await
}

/// Reads, and accepts the one invite there is.
async fn accept(peer: &Peer) -> anyhow::Result<ConversationId> {
    peer.sync(None).await?;
    let requests = peer.with(async |client| Ok(client.requests()?)).await?;
    let [request] = requests.as_slice() else { bail!("{}: one request, not {requests:?}", peer.handle.to_text()) };
    let RequestKind::Invite { .. } = &request.kind else { bail!("an invite, not {request:?}") };
    let group = request.id;
    peer.with(async |client| Ok(client.accept(group).await?)).await
}

/// Invites each, who accepts.
async fn admit(by: &Peer, group: ConversationId, others: &[&Peer]) -> anyhow::Result<()> {
    for other in others {
        invite(by, group, other).await?;
        accept(other).await?;
        pause().await;
    }
    Ok(())
}

/// Time for what was refused with "later": joins and commits are paced.
async fn pause() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

async fn members(peer: &Peer, group: ConversationId) -> anyhow::Result<Vec<(String, bool)>> {
    let view = peer.with(async |client| Ok(client.group(group)?)).await?;
    let mut members: Vec<_> = view.members.iter().map(|member| (member.person.account.to_text(), member.admin)).collect();
    members.sort();
    Ok(members)
}

async fn history(peer: &Peer, group: ConversationId) -> anyhow::Result<Vec<Message>> {
    peer.with(async |client| Ok(client.history(group, None, None)?)).await
}

async fn texts(peer: &Peer, group: ConversationId) -> anyhow::Result<Vec<String>> {
    Ok(history(peer, group).await?.into_iter().filter(|message| message.line.is_none()).map(|message| message.text).collect())
}

async fn send(peer: &Peer, group: ConversationId, text: &str) -> anyhow::Result<()> {
    peer.send(group, text, None).await
}

fn refused<T>(result: anyhow::Result<T>) -> anyhow::Result<String> {
    match result {
        Ok(_) => bail!("it was allowed"),
        Err(error) => match error.downcast_ref::<ClientError>() {
            Some(ClientError::NotAllowed { rule }) => Ok(rule.clone()),
            Some(other) => Ok(other.code().to_owned()),
            None => Err(error),
        },
    }
}

/// All members see the same: members, roles, epoch, and the messages since the last of them came in.
async fn check_agreed(peers: &[&Peer], group: ConversationId) -> anyhow::Result<()> {
    let mut seen = Vec::new();
    for peer in peers {
        let view = peer.with(async |client| Ok(client.group(group)?)).await.context(peer.handle.to_text())?;
        seen.push((members(peer, group).await?, view.epoch, view.title));
        ensure!(peer.alarms().is_empty(), "{}: alarms {:?}", peer.handle.to_text(), peer.alarms());
    }
    ensure!(seen.windows(2).all(|pair| pair[0] == pair[1]), "they differ: {seen:?}");
    let mut histories = Vec::new();
    for peer in peers {
        let history = history(peer, group).await?;
        ensure!(history.iter().all(|message| message.position.is_some()), "{}: unsent messages", peer.handle.to_text());
        ensure!(history.is_sorted_by_key(|message| message.position), "{}: out of order", peer.handle.to_text());
        let ids: BTreeSet<_> = history.iter().map(|message| message.id).collect();
        ensure!(ids.len() == history.len(), "{}: a message twice", peer.handle.to_text());
        histories.push(history);
    }
    // Each began to read at another place: from the latest of these on all have read the same.
    let from = histories.iter().filter_map(|history| history.first().and_then(|first| first.position)).max();
    let tails: Vec<Vec<_>> = histories
        .iter()
        .map(|history| {
            let tail = history.iter().filter(|message| message.position >= from);
            tail.map(|message| (message.position, message.id, message.text.clone())).collect()
        })
        .collect();
    ensure!(tails.windows(2).all(|pair| pair[0] == pair[1]), "the histories differ: {tails:?}");
    Ok(())
}

#[test]
fn one_comes_in_by_ones_own_act_and_talks() {
    simulate(async {
        let world = World::new(1)?;
        let (sea, land) = (world.server("sea.example").await?, world.server("land.example").await?);
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &land).await?;
        let eve = world.person("eve", &sea).await?;
        let group = create(&ann, "Harbour").await?;
        send(&ann, group, "before anybody").await?;
        ensure!(invite(&ann, group, &ben).await? == ActOutcome::Done, "invited");
        ensure!(members(&ann, group).await?.len() == 1, "nobody is in before an act of their own");
        ben.sync(None).await?;
        let requests = ben.with(async |client| Ok(client.requests()?)).await?;
        let kind = RequestKind::Invite { title: "Harbour".to_owned(), members: 1, known: Vec::new() };
        ensure!(requests.len() == 1 && requests[0].kind == kind && requests[0].from == ann.handle, "{requests:?}");
        ensure!(accept(&ben).await? == group, "the same conversation");
        ensure!(members(&ben, group).await?.len() == 2, "ben is in");
        send(&ben, group, "hello from ben").await?;
        invite(&ann, group, &eve).await?;
        accept(&eve).await?;
        send(&eve, group, "hello from eve").await?;
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        send(&ann, group, "welcome").await?;
        settle(&[&ann, &ben, &eve]).await?;
        check_agreed(&[&ann, &ben, &eve], group).await?;
        ensure!(texts(&ann, group).await? == ["before anybody", "hello from ben", "hello from eve", "welcome"], "all of it");
        ensure!(texts(&ben, group).await? == ["hello from ben", "hello from eve", "welcome"], "from where ben came in");
        ensure!(texts(&eve, group).await? == ["hello from eve", "welcome"], "from where eve came in");
        // Everybody sees who did what, by name.
        let lines: Vec<_> =
            history(&eve, group).await?.into_iter().filter_map(|message| Some((message.sender_handle?, message.line?))).collect();
        ensure!(
            lines.iter().any(|(by, line)| *by == eve.handle
                && matches!(line, Line::CameIn { invited_by: Some(inviter) } if inviter.handle.as_ref() == Some(&ann.handle))),
            "{lines:?}"
        );
        let view = eve.with(async |client| Ok(client.group(group)?)).await?;
        ensure!(view.members.iter().all(|member| member.person.handle.is_some()), "all have names: {view:?}");
        let summary = eve.with(async |client| Ok(client.conversations()?)).await?;
        ensure!(summary[0].title == "Harbour" && summary[0].group, "{summary:?}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_invite_is_for_one_account_once_and_declining_is_silent() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let group = create(&ann, "Harbour").await?;
        invite(&ann, group, &ben).await?;
        ben.sync(None).await?;
        let requests = ben.with(async |client| Ok(client.requests()?)).await?;
        ben.with(async |client| Ok(client.decline(requests[0].id).await?)).await?;
        settle(&[&ann, &ben]).await?;
        ensure!(members(&ann, group).await?.len() == 1, "declined");
        ensure!(ann.with(async |client| Ok(client.group(group)?)).await?.doors.len() == 1, "and nobody knows");
        ensure!(refused(invite(&ann, group, &ann).await)? == "own-handle", "oneself");
        let accepted = ben.with(async |client| Ok(client.accept(requests[0].id).await?)).await;
        ensure!(refused(accepted)? == "unknown", "declined is declined");
        pause().await;
        invite(&ann, group, &ben).await?;
        accept(&ben).await?;
        pause().await;
        settle(&[&ann, &ben]).await?;
        ensure!(refused(invite(&ann, group, &ben).await)? == "already-in", "twice");
        check_agreed(&[&ann, &ben], group).await
    })
    .unwrap();
}

#[test]
fn what_is_accepted_after_a_removal_is_not_read_by_the_removed() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        let group = create(&ann, "Harbour").await?;
        admit(&ann, group, &[&ben, &eve]).await?;
        settle(&[&ann, &ben, &eve]).await?;
        let by_member = ben.with(async |client| Ok(client.remove(group, &eve.handle.to_text()).await?)).await;
        ensure!(refused(by_member)?.contains("rule 5"), "a member removes nobody");
        ensure!(ann.with(async |client| Ok(client.remove(group, &eve.handle.to_text()).await?)).await? == ActOutcome::Done, "removed");
        send(&ann, group, "among us two").await?;
        settle(&[&ann, &ben, &eve]).await?;
        ensure!(!texts(&eve, group).await?.contains(&"among us two".to_owned()), "eve reads nothing of it");
        let last = history(&eve, group).await?.pop().context("a line")?;
        ensure!(matches!(last.line, Some(Line::Removed { .. })), "and knows why: {last:?}");
        ensure!(refused(eve.send(group, "still here?", None).await)? == "left", "nor writes");
        check_agreed(&[&ann, &ben], group).await?;
        // Only an invite that is newer than the removal brings back.
        pause().await;
        invite(&ann, group, &eve).await?;
        accept(&eve).await?;
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        send(&eve, group, "back again").await?;
        settle(&[&ann, &ben, &eve]).await?;
        ensure!(texts(&ben, group).await?.contains(&"back again".to_owned()), "back");
        ensure!(members(&ann, group).await?.len() == 3, "three again");
        Ok(())
    })
    .unwrap();
}

#[test]
fn links_let_in_ask_and_close() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        let group = create(&ann, "Harbour").await?;
        let link = ann.open_link(group, false).await?;
        let link = link.to_https().parse()?;
        let joined = ben.with(async |client| Ok(client.join(&link).await?)).await?;
        ensure!(joined == JoinOutcome::In { conversation: group }, "{joined:?}");
        pause().await;
        settle(&[&ann, &ben]).await?;
        send(&ben, group, "by the link").await?;
        pause().await;
        ann.with(async |client| Ok(client.close_links(group).await?)).await?;
        let late = eve.with(async |client| Ok(client.join(&link).await?)).await;
        ensure!(refused(late)? == "invite-over", "closed");
        pause().await;
        settle(&[&ann, &ben]).await?;
        let asking = ann.open_link(group, true).await?;
        let asked = eve.with(async |client| Ok(client.join(&asking).await?)).await?;
        ensure!(asked == JoinOutcome::Asked { admin: ann.handle.clone() }, "{asked:?}");
        ann.sync(None).await?;
        let request = ann.with(async |client| Ok(client.asking(group, &eve.handle)?)).await?;
        pause().await;
        ann.with(async |client| Ok(client.approve(request).await?)).await?;
        ensure!(accept(&eve).await? == group, "let in, by an act of her own");
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        ensure!(members(&ann, group).await?.len() == 3, "three");
        check_agreed(&[&ann, &ben, &eve], group).await
    })
    .unwrap();
}

#[test]
fn roles_settings_and_the_end() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        let all = [&ann, &ben, &eve];
        let group = create(&ann, "Harbour").await?;
        admit(&ann, group, &[&ben, &eve]).await?;
        settle(&all).await?;
        ensure!(
            refused(ben.with(async |client| Ok(client.set_title(group, "Mine").await?)).await)?.contains("rule 10"),
            "edits are for admins"
        );
        ann.with(async |client| Ok(client.set_permission(group, GroupPermission::Edit, true).await?)).await?;
        pause().await;
        settle(&all).await?;
        ben.with(async |client| Ok(client.set_title(group, "Quay").await?)).await?;
        pause().await;
        // Announcements: members read.
        ann.with(async |client| Ok(client.set_permission(group, GroupPermission::Write, false).await?)).await?;
        pause().await;
        settle(&all).await?;
        ann.with(async |client| Ok(client.set_role(group, &ben.handle.to_text(), true).await?)).await?;
        pause().await;
        settle(&all).await?;
        // Ben is an admin at the log, too: he may take seats away.
        ben.with(async |client| Ok(client.remove(group, &eve.handle.to_text()).await?)).await?;
        pause().await;
        settle(&all).await?;
        ensure!(members(&ann, group).await?.len() == 2, "eve is out");
        check_agreed(&[&ann, &ben], group).await?;
        // The only admin besides leaves; ben goes on, and takes the leaf out with his next act.
        ann.with(async |client| Ok(client.leave(group).await?)).await?;
        pause().await;
        settle(&all).await?;
        ensure!(refused(ann.send(group, "gone", None).await)? == "left", "ann has left");
        ben.with(async |client| Ok(client.set_title(group, "Alone").await?)).await?;
        ensure!(members(&ben, group).await?.len() == 1, "the leaf is out");
        let lines = history(&ben, group)
            .await?
            .into_iter()
            .filter_map(|message| message.line)
            .filter(|line| matches!(line, Line::Left { .. }))
            .count();
        ensure!(lines == 1, "one line says so");
        pause().await;
        ensure!(ben.with(async |client| Ok(client.end_group(group).await?)).await? == ActOutcome::Done, "ended");
        settle(&all).await?;
        ensure!(refused(ben.send(group, "over", None).await)? == "left", "over");
        Ok(())
    })
    .unwrap();
}

/// Who leaves is gone for all at once, though the leaf stays until somebody's next commit: also for those who come in between,
/// and not any more once they are back.
#[test]
fn who_has_left_is_gone_for_newcomers_too_and_may_come_back() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        let group = create(&ann, "Harbour").await?;
        admit(&ann, group, &[&ben]).await?;
        let link = ann.open_link(group, false).await?;
        pause().await;
        settle(&[&ann, &ben]).await?;
        ben.with(async |client| Ok(client.leave(group).await?)).await?;
        pause().await;
        settle(&[&ann, &ben]).await?;
        ensure!(members(&ann, group).await?.len() == 1, "ben is gone");
        // By a link: no member commits, and ben's leaf is still in.
        eve.with(async |client| Ok(client.join(&link).await?)).await?;
        pause().await;
        settle(&[&ann, &eve]).await?;
        ensure!(members(&eve, group).await?.len() == 2, "gone for eve too: {:?}", members(&eve, group).await?);
        check_agreed(&[&ann, &eve], group).await?;
        pause().await;
        ben.with(async |client| Ok(client.join(&link).await?)).await?;
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        for peer in [&ann, &ben, &eve] {
            ensure!(members(peer, group).await?.len() == 3, "ben is back: {:?}", members(peer, group).await?);
            let last = history(peer, group).await?.pop().context("a line")?;
            let came = last.sender_handle == Some(ben.handle.clone()) && matches!(last.line, Some(Line::CameIn { .. }));
            ensure!(came, "and all see that he came: {last:?}");
        }
        // The next commit takes nobody out.
        pause().await;
        ann.with(async |client| Ok(client.set_title(group, "Quay").await?)).await?;
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        for peer in [&ann, &ben, &eve] {
            ensure!(members(peer, group).await? == members(&ann, group).await?, "all see the same");
            ensure!(members(peer, group).await?.len() == 3, "all stay");
        }
        Ok(())
    })
    .unwrap();
}

/// The word of somebody who leaves is readable for those who stay, though a removal has changed the key while it was on its way.
#[test]
fn a_leave_that_a_removal_overtakes_is_understood() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        let group = create(&ann, "Harbour").await?;
        admit(&ann, group, &[&ben, &eve]).await?;
        settle(&[&ann, &ben, &eve]).await?;
        ben.faults.at(ben.faults.points(), Fault::Outage(Duration::from_secs(3600)));
        weathered(ben.with(async |client| Ok(client.leave(group).await?)).await)?;
        ann.with(async |client| Ok(client.remove(group, &eve.handle.to_text()).await?)).await?;
        ben.faults.set_rates(FaultRates::NONE);
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        ensure!(refused(ben.send(group, "gone", None).await)? == "left", "ben has left");
        ensure!(members(&ann, group).await?.len() == 1, "and ann knows: {:?}", members(&ann, group).await?);
        Ok(())
    })
    .unwrap();
}

/// Two admins and a member, all of them in.
async fn two_admins(world: &World) -> anyhow::Result<(ConversationId, [Peer; 3])> {
    let sea = world.server("sea.example").await?;
    let [ann, ben, eve] = [world.person("ann", &sea).await?, world.person("ben", &sea).await?, world.person("eve", &sea).await?];
    let group = create(&ann, "Harbour").await?;
    admit(&ann, group, &[&ben, &eve]).await?;
    ann.with(async |client| Ok(client.set_role(group, &ben.handle.to_text(), true).await?)).await?;
    settle(&[&ann, &ben, &eve]).await?;
    Ok((group, [ann, ben, eve]))
}

/// Eve is alone, and the group is hers: she acts in it, at the log as well.
async fn is_hers(eve: &Peer, group: ConversationId) -> anyhow::Result<()> {
    let view = eve.with(async |client| Ok(client.group(group)?)).await?;
    ensure!(view.members.len() == 1 && view.members[0].admin, "eve is there, as an admin: {:?}", view.members);
    eve.with(async |client| Ok(client.set_permission(group, GroupPermission::Invite, false).await?)).await?;
    eve.open_link(group, false).await.map(drop)
}

/// Somebody removes the other admin and leaves, both while there is no connection.
#[test]
fn who_leaves_after_removing_the_other_admin_leaves_one() {
    simulate(async {
        let world = World::new(1)?;
        let (group, [ann, ben, eve]) = two_admins(&world).await?;
        ann.faults.at(ann.faults.points(), Fault::Outage(Duration::from_secs(3600)));
        weathered(ann.with(async |client| Ok(client.remove(group, &ben.handle.to_text()).await?)).await)?;
        weathered(ann.with(async |client| Ok(client.leave(group).await?)).await)?;
        ann.faults.set_rates(FaultRates::NONE);
        for _ in 0..3 {
            pause().await;
            settle(&[&ann, &ben, &eve]).await?;
        }
        ensure!(refused(ann.send(group, "gone", None).await)? == "left", "ann has left");
        is_hers(&eve, group).await
    })
    .unwrap();
}

/// The second of two admins who leave at once does not know that there is no other admin any more; the log does.
#[test]
fn of_two_admins_who_leave_at_once_the_second_names_another() {
    for step in 0..8 {
        let together = async {
            let world = World::new(1)?;
            let (group, [ann, ben, eve]) = two_admins(&world).await?;
            ben.faults.at(ben.faults.points() + step, Fault::Delay(Duration::from_secs(5)));
            let other = async {
                tokio::time::sleep(Duration::from_secs(2)).await;
                ann.with(async |client| Ok(client.leave(group).await?)).await
            };
            let (one, other) = futures::join!(ben.with(async |client| Ok(client.leave(group).await?)), other);
            weathered(one)?;
            weathered(other)?;
            for _ in 0..3 {
                pause().await;
                settle(&[&ann, &ben, &eve]).await?;
            }
            for gone in [&ann, &ben] {
                ensure!(refused(gone.send(group, "gone", None).await)? == "left", "both have left");
            }
            is_hers(&eve, group).await
        };
        simulate(async { together.await.with_context(|| format!("delayed at step {step}")) }).unwrap();
    }
}

/// Two come in at once: whichever step of the one the other comes before, both are in the same group afterwards.
#[test]
fn two_who_come_in_at_once_are_in_one_group() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let group = create(&ann, "Harbour").await?;
        let link = ann.open_link(group, false).await?;
        let mut people = vec![ann];
        for step in 2..9 {
            let slow = world.person(&format!("slow{step}"), &sea).await?;
            let fast = world.person(&format!("fast{step}"), &sea).await?;
            slow.faults.at(slow.faults.points() + step, Fault::Delay(Duration::from_secs(5)));
            let one = slow.with(async |client| Ok(client.join(&link).await?));
            let other = async {
                tokio::time::sleep(Duration::from_secs(2)).await;
                fast.with(async |client| Ok(client.join(&link).await?)).await
            };
            let (one, other) = futures::join!(one, other);
            weathered(one)?;
            weathered(other)?;
            people.extend([slow, fast]);
            pause().await;
            let peers: Vec<&Peer> = people.iter().collect();
            settle(&peers).await?;
            for peer in &peers {
                send(peer, group, "I am here").await?;
            }
            settle(&peers).await?;
            check_agreed(&peers, group).await.with_context(|| format!("delayed at step {step}"))?;
            ensure!(members(&people[0], group).await?.len() == people.len(), "all are in");
        }
        Ok(())
    })
    .unwrap();
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// A member whose profile is an older copy notices before it writes, comes in anew on its seat, and goes on.
#[test]
fn a_members_older_copy_comes_in_anew() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let group = create(&ann, "Harbour").await?;
        invite(&ann, group, &ben).await?;
        accept(&ben).await?;
        pause().await;
        settle(&[&ann, &ben]).await?;
        let kept = tempfile::tempdir()?;
        ben.close();
        copy(ben.folder(), &kept.path().join("copy"))?;
        ben.open()?;
        send(&ben, group, "after the copy").await?;
        settle(&[&ann, &ben]).await?;
        ben.close();
        std::fs::remove_dir_all(ben.folder())?;
        copy(&kept.path().join("copy"), ben.folder())?;
        ben.open()?;
        send(&ben, group, "from the copy").await?;
        pause().await;
        settle(&[&ann, &ben]).await?;
        ensure!(ben.alarms() == [alcyon_client::AlarmKind::ProfileRestored], "{:?}", ben.alarms());
        ensure!(texts(&ann, group).await? == ["after the copy", "from the copy"], "{:?}", texts(&ann, group).await?);
        send(&ann, group, "welcome back").await?;
        settle(&[&ann, &ben]).await?;
        ensure!(texts(&ben, group).await?.contains(&"welcome back".to_owned()), "and reads on");
        ensure!(members(&ann, group).await?.len() == 2, "two, as before");
        Ok(())
    })
    .unwrap();
}

fn weathered<T>(result: anyhow::Result<T>) -> anyhow::Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if is_weather(&error) || is_overtaken(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn act(random: &mut StdRng, step: usize, group: ConversationId, peers: &[&Peer]) -> anyhow::Result<()> {
    let who = peers[random.random_range(0..peers.len())];
    let whom = peers[random.random_range(0..peers.len())];
    let crash = random.random_ratio(1, 10).then(|| random.random_range(1..60));
    let name = whom.handle.to_text();
    match random.random_range(0..100) {
        0..40 => weathered(who.send(group, &format!("step {step}"), crash).await),
        40..60 => weathered(who.sync(crash).await),
        60..70 => weathered(invite(who, group, whom).await),
        70..78 => {
            let requests = who.with(async |client| Ok(client.requests()?)).await?;
            for request in requests.iter().filter(|request| matches!(request.kind, RequestKind::Invite { .. })) {
                weathered(who.with(async |client| Ok(client.accept(request.id).await?)).await)?;
            }
            Ok(())
        }
        78..82 => weathered(who.with(async |client| Ok(client.set_role(group, &name, !step.is_multiple_of(3)).await?)).await),
        82..85 => weathered(who.with(async |client| Ok(client.set_title(group, &format!("title {step}")).await?)).await),
        85..88 => weathered(who.with(async |client| Ok(client.remove(group, &name).await?)).await),
        88..90 => weathered(who.with(async |client| Ok(client.leave(group).await?)).await),
        90..95 => who.open(),
        _ => {
            tokio::time::sleep(Duration::from_secs(random.random_range(0..120))).await;
            Ok(())
        }
    }
}

async fn storm(seed: u64, steps: usize) -> anyhow::Result<()> {
    let mut random = seed::generator(seed);
    let world = World::new(seed)?;
    let servers = [world.server("sea.example").await?, world.server("land.example").await?];
    let mut people = Vec::new();
    for (number, name) in ["ann", "ben", "eve", "zoe", "max"].into_iter().enumerate() {
        people.push(world.person(name, &servers[number % 2]).await?);
    }
    let peers: Vec<&Peer> = people.iter().collect();
    let group = create(peers[0], "Storm").await?;
    for peer in &peers {
        peer.faults.set_rates(FaultRates::ROUGH);
    }
    let run = async {
        for step in 0..steps {
            act(&mut random, step, group, &peers).await.with_context(|| format!("step {step}"))?;
        }
        world.calm(&peers, &servers).await?;
        if let Err(error) = settle(&peers).await {
            for peer in &peers {
                eprintln!("{}: {:?}", peer.handle.to_text(), peer.with(async |client| Ok(client.conversations()?)).await?);
            }
            return Err(error.context("settling"));
        }
        let mut inside = Vec::new();
        for peer in &peers {
            if peer.with(async |client| Ok(client.group(group).is_ok())).await? {
                inside.push(*peer);
            }
        }
        if let Some(first) = inside.first() {
            // Those who have left may still have a leaf; whoever is in is named by all alike.
            let named = members(first, group).await?;
            for peer in &inside {
                let own = peer.with(async |client| Ok(client.me()?)).await?.account.to_text();
                ensure!(named.iter().any(|(account, _)| *account == own), "{own} is in and is not named");
                ensure!(named.iter().any(|(_, admin)| *admin), "an admin");
            }
            check_agreed(&inside, group).await?;
        }
        Ok(())
    };
    let result: anyhow::Result<()> = run.await;
    result.with_context(|| world.schedule(&peers))
}

#[test]
fn a_group_in_a_storm_agrees() {
    for seed in seed::seeds("ALCYON_FAULT_RUNS", 4) {
        simulate(storm(seed, std::env::var("ALCYON_GROUP_STEPS").map_or(150, |steps| steps.parse().unwrap()))).unwrap();
    }
}

#[test]
fn nothing_is_shown_of_a_group_before_it_is_accepted() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let group = create(&ann, "Harbour").await?;
        invite(&ann, group, &ben).await?;
        let synced = ben.with(async |client| Ok(client.sync().await?)).await?;
        ensure!(synced.events.iter().all(|event| matches!(event, Event::Request(_))), "{:?}", synced.events);
        ensure!(ben.with(async |client| Ok(client.conversations()?)).await?.is_empty(), "no conversation");
        Ok(())
    })
    .unwrap();
}

#[test]
fn who_comes_in_by_a_door_may_do_what_members_may() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        let group = create(&ann, "Harbour").await?;
        ann.with(async |client| Ok(client.set_permission(group, GroupPermission::Invite, true).await?)).await?;
        pause().await;
        admit(&ann, group, &[&ben]).await?;
        settle(&[&ann, &ben]).await?;
        admit(&ben, group, &[&eve]).await?;
        settle(&[&ann, &ben, &eve]).await?;
        ensure!(members(&ann, group).await?.len() == 3, "ben has invited eve");
        let link = eve.open_link(group, false).await?;
        let zoe = world.person("zoe", &sea).await?;
        pause().await;
        zoe.with(async |client| Ok(client.join(&link).await?)).await?;
        pause().await;
        settle(&[&ann, &ben, &eve, &zoe]).await?;
        check_agreed(&[&ann, &ben, &eve, &zoe], group).await
    })
    .unwrap();
}

#[test]
fn who_was_away_beyond_the_retention_reads_on_or_is_let_in_again() {
    for (days, removal) in [(40, false), (40, true), (400, false), (400, true)] {
        simulate(async move {
            let world = World::new(1)?;
            let (sea, land) = (world.server("sea.example").await?, world.server("land.example").await?);
            let ann = world.person("ann", &sea).await?;
            let ben = world.person("ben", &land).await?;
            let zoe = world.person("zoe", &sea).await?;
            let group = create(&ann, "Harbour").await?;
            admit(&ann, group, &[&ben, &zoe]).await?;
            settle(&[&ann, &ben, &zoe]).await?;
            // Ben is away.
            send(&zoe, group, "zoe was here").await?;
            for number in 0..3 {
                ann.with(async |client| Ok(client.set_title(group, &format!("title {number}")).await?)).await?;
                pause().await;
            }
            if removal {
                ann.with(async |client| Ok(client.remove(group, &zoe.handle.to_text()).await?)).await?;
                pause().await;
            }
            settle(&[&ann]).await?;
            for _ in 0..days / 20 {
                world.network.age(&sea, Duration::from_secs(20 * 24 * 60 * 60)).await?;
                ann.sync(None).await?;
            }
            world.network.kill(&sea);
            world.network.start(&sea).await?;
            send(&ann, group, "new").await?;
            for _ in 0..4 {
                settle(&[&ann, &ben]).await?;
                pause().await;
            }
            ensure!(ben.alarms().iter().all(|alarm| *alarm == alcyon_client::AlarmKind::Gap), "{:?}", ben.alarms());
            ensure!(ben.alarms().contains(&alcyon_client::AlarmKind::Gap), "what he has missed is shown");
            send(&ben, group, "I was away").await?;
            send(&ann, group, "we know").await?;
            settle(&[&ann, &ben]).await?;
            ensure!(texts(&ann, group).await?.ends_with(&["I was away".to_owned(), "we know".to_owned()]), "ann reads him");
            ensure!(texts(&ben, group).await?.ends_with(&["I was away".to_owned(), "we know".to_owned()]), "he reads on");
            ensure!(members(&ann, group).await? == members(&ben, group).await?, "and knows who is there");
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{days} days, removal {removal}: {error:?}"));
    }
}
