//! Reports to a group's admins and to the server's operator: the real client over simulated servers.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use alcyon_client::{
    ClientError, ConversationId, KnockRequest, MessageId, Report, ReportDraft, ReportReason, ReportView, RequestKind, ServerUrl,
};
use alcyon_sim::world::{Peer, World, settle, simulate};
use anyhow::{Context, bail, ensure};

async fn pause() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

async fn admit(by: &Peer, group: ConversationId, others: &[&Peer]) -> anyhow::Result<()> {
    for other in others {
        by.with(async |client| Ok(client.invite(group, &[(other.handle.clone(), None)]).await?)).await?;
        other.sync(None).await?;
        let requests = requests(other).await?;
        other.with(async |client| Ok(client.accept(requests[0].id).await?)).await?;
        pause().await;
    }
    Ok(())
}

/// A group with its admin, who is the first, and two others.
async fn harbour(world: &World, sea: &ServerUrl) -> anyhow::Result<(ConversationId, [Peer; 3])> {
    let [ann, ben, mal] = [world.person("ann", sea).await?, world.person("ben", sea).await?, world.person("mal", sea).await?];
    let group = ann.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
    admit(&ann, group, &[&ben, &mal]).await?;
    Ok((group, [ann, ben, mal]))
}

async fn requests(peer: &Peer) -> anyhow::Result<Vec<KnockRequest>> {
    peer.with(async |client| Ok(client.requests()?)).await
}

async fn id_of(peer: &Peer, conversation: ConversationId, text: &str) -> anyhow::Result<MessageId> {
    let history = peer.history(conversation).await?;
    Ok(history.into_iter().find(|message| message.text == text).context("the message")?.id)
}

fn draft(conversation: ConversationId, messages: Vec<MessageId>) -> ReportDraft {
    ReportDraft {
        conversation,
        whom: None,
        reason: ReportReason::Abuse,
        words: "please look".to_owned(),
        messages,
        to_admins: true,
        to_operator: false,
        named: false,
    }
}

async fn make(peer: &Peer, draft: &ReportDraft) -> anyhow::Result<Report> {
    peer.with(async |client| Ok(client.make_report(draft)?)).await
}

async fn send(peer: &Peer, report: &Report) -> anyhow::Result<()> {
    peer.with(async |client| Ok(client.send_report(report).await?)).await
}

async fn reports(peer: &Peer) -> anyhow::Result<Vec<(KnockRequest, ReportView)>> {
    let open = requests(peer).await?.into_iter();
    Ok(open
        .filter_map(|request| if let RequestKind::Report(report) = request.kind.clone() { Some((request, *report)) } else { None })
        .collect())
}

#[test]
fn what_a_member_reports_the_admins_see_and_nobody_else() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let [ann, ben, eve, mal] = [
            world.person("ann", &sea).await?,
            world.person("ben", &sea).await?,
            world.person("eve", &sea).await?,
            world.person("mal", &sea).await?,
        ];
        let group = ann.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        admit(&ann, group, &[&ben, &eve, &mal]).await?;
        settle(&[&ann, &ben, &eve, &mal]).await?;
        mal.send(group, "rude words", None).await?;
        settle(&[&ann, &ben, &eve, &mal]).await?;

        let rude = id_of(&ben, group, "rude words").await?;
        let before = [eve.history(group).await?, mal.history(group).await?];
        let whom = Some(mal.handle.to_text());
        let report = make(&ben, &ReportDraft { whom: whom.clone(), ..draft(group, vec![rude]) }).await?;
        ensure!(report.admins.len() == 1 && report.admins[0].handle.as_ref() == Some(&ann.handle), "{report:?}");
        ensure!(report.messages.len() == 1 && report.messages[0].text == "rude words", "{report:?}");
        ensure!(requests(&ann).await?.is_empty(), "made is not sent");
        send(&ben, &report).await?;
        settle(&[&ann, &ben, &eve, &mal]).await?;
        let got = reports(&ann).await?;
        let [(request, view)] = got.as_slice() else { bail!("one report: {got:?}") };
        ensure!(request.from == ben.handle && view.title == "Harbour" && view.words == "please look", "{view:?}");
        ensure!(view.about.as_ref().and_then(|about| about.handle.clone()) == Some(mal.handle.clone()), "{view:?}");
        ensure!(view.messages[0].text == "rude words" && view.messages[0].found, "ann has it, too: {view:?}");
        for (other, before) in [&eve, &mal].into_iter().zip(before) {
            ensure!(requests(other).await?.is_empty() && other.history(group).await?.len() == before.len(), "sees nothing");
        }
        // Put away, it stays away.
        let id = request.id;
        ann.with(async |client| Ok(client.accept(id).await)).await?.unwrap_err();
        ann.with(async |client| Ok(client.decline(id).await?)).await?;
        ensure!(reports(&ann).await?.is_empty(), "put away");

        // Who is reported is not among those who get it, and an admin reports to the other admins.
        ann.with(async |client| Ok(client.set_role(group, &mal.handle.to_text(), true).await?)).await?;
        settle(&[&ann, &ben, &eve, &mal]).await?;
        ensure!(make(&ben, &ReportDraft { whom, ..draft(group, vec![rude]) }).await?.admins.len() == 1, "not to mal");
        ensure!(make(&ben, &draft(group, vec![rude])).await?.admins.len() == 2, "about the group itself: to both");
        let own = ann
            .with(async |client| Ok(client.make_report(&ReportDraft { whom: Some(ann.handle.to_text()), ..draft(group, vec![]) })))
            .await?;
        ensure!(own.is_err(), "nobody reports themselves");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_report_with_made_up_words_is_told_apart_and_one_by_a_stranger_or_to_no_admin_is_passed_over() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let (group, [ann, ben, mal]) = harbour(&world, &sea).await?;
        ben.send(group, "good morning", None).await?;
        settle(&[&ann, &ben, &mal]).await?;
        let kind = id_of(&mal, group, "good morning").await?;
        let mut report = make(&mal, &ReportDraft { whom: Some(ben.handle.to_text()), ..draft(group, vec![kind]) }).await?;
        report.messages[0].text = "something vile".to_owned();
        send(&mal, &report).await?;
        settle(&[&ann, &ben, &mal]).await?;
        let got = reports(&ann).await?;
        ensure!(got.len() == 1 && !got[0].1.messages[0].found, "ann never got that: {got:?}");

        // A report that is aimed at somebody who is no admin.
        let mut aimed = make(&mal, &draft(group, vec![kind])).await?;
        aimed.admins = vec![aimed.messages[0].by.clone()];
        send(&mal, &aimed).await?;
        settle(&[&ann, &ben, &mal]).await?;
        ensure!(requests(&ben).await?.is_empty(), "ben is no admin");
        // Blocked, nothing more of theirs comes through.
        ann.with(async |client| Ok(client.block(&mal.handle).await?)).await?;
        let again = make(&mal, &draft(group, vec![kind])).await?;
        send(&mal, &again).await?;
        settle(&[&ann, &ben, &mal]).await?;
        ensure!(reports(&ann).await?.len() == 1, "blocked");
        Ok(())
    })
    .unwrap();
}

#[test]
fn who_reports_and_leaves_is_heard() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let (group, [ann, ben, mal]) = harbour(&world, &sea).await?;
        mal.send(group, "rude words", None).await?;
        settle(&[&ann, &ben, &mal]).await?;
        let report = make(&ben, &draft(group, vec![id_of(&ben, group, "rude words").await?])).await?;
        send(&ben, &report).await?;
        ben.with(async |client| Ok(client.leave(group).await?)).await?;
        pause().await;
        settle(&[&ann, &ben, &mal]).await?;
        ensure!(reports(&ann).await?.len() == 1, "heard all the same");
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_operator_gets_what_was_ticked_once_and_no_more_than_so_many_a_day() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let [ann, mal] = [world.person("ann", &sea).await?, world.person("mal", &sea).await?];
        mal.knock(&ann, "buy now").await?;
        ann.sync(None).await?;
        let request = requests(&ann).await?.pop().context("a request")?;
        let to_operator = |conversation, messages| ReportDraft { to_admins: false, to_operator: true, ..draft(conversation, messages) };
        // Of a request, before it is accepted.
        let report = make(&ann, &to_operator(request.id, vec![MessageId::from(*request.id.as_bytes())])).await?;
        ensure!(report.messages[0].text == "buy now" && report.about.as_ref().unwrap().handle.as_ref() == Some(&mal.handle), "{report:?}");
        ensure!(report.operator.as_ref() == Some(&sea) && report.named.is_none(), "{report:?}");
        for _ in 0..3 {
            send(&ann, &report).await?;
        }
        for _ in 0..4 {
            let next = make(&ann, &to_operator(request.id, Vec::new())).await?;
            send(&ann, &next).await?;
        }
        let sixth = make(&ann, &to_operator(request.id, Vec::new())).await?;
        let refused = ann.with(async |client| Ok(client.send_report(&sixth).await)).await?;
        ensure!(matches!(refused, Err(ClientError::Refused { .. })), "{refused:?}");
        // Where there is no admin and nobody was chosen it goes nowhere.
        let nowhere = make(&ann, &draft(request.id, Vec::new())).await?;
        ensure!(!nowhere.goes_somewhere(), "{nowhere:?}");
        ensure!(ann.with(async |client| Ok(client.send_report(&nowhere).await)).await?.is_err(), "nowhere");
        let much = ReportDraft { words: "x".repeat(1025), ..to_operator(request.id, Vec::new()) };
        ensure!(ann.with(async |client| Ok(client.make_report(&much))).await?.is_err(), "too much");
        let foreign = to_operator(request.id, vec![MessageId::from([9; 16])]);
        ensure!(ann.with(async |client| Ok(client.make_report(&foreign))).await?.is_err(), "no message of this conversation");
        Ok(())
    })
    .unwrap();
}
