//! Who somebody is in their own words: names and pictures, between two, in groups and on several devices; the real client over simulated
//! servers.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use alcyon_client::{ClientError, ConversationId, Event, GroupPermission, IntroductionView, Message, Search, Store};
use alcyon_sim::world::{Peer, World, pair_of, settle, simulate};
use alcyon_store::{MessageKind, MessageRecord, NewOutboxItem, OutboxKind, StoreKey};
use alcyon_wire::{MessageId, limits, proto};
use anyhow::{Context, bail, ensure};
use prost::Message as _;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// The head of one of 96 by 96 pixels: nothing looks further here.
const JPEG: [u8; 13] = [0xff, 0xd8, 0xff, 0xc0, 0, 8, 8, 0, 96, 0, 96, 1, 1];

/// Time for what was refused with "later".
async fn pause() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

async fn call(peer: &Peer, name: &str) -> anyhow::Result<()> {
    peer.with(async |client| Ok(client.set_introduction(Some(name), None).await?)).await
}

async fn known(peer: &Peer, of: &Peer) -> anyhow::Result<IntroductionView> {
    let account = of.with(async |client| Ok(client.me()?.account)).await?;
    peer.with(async |client| Ok(client.introduction(account)?)).await
}

async fn name(peer: &Peer, of: &Peer) -> anyhow::Result<String> {
    Ok(known(peer, of).await?.name.unwrap_or_default())
}

/// Lets somebody into a group.
async fn admit(by: &Peer, group: ConversationId, who: &Peer, all: &[&Peer]) -> anyhow::Result<()> {
    by.with(async |client| Ok(client.invite(group, &[(who.handle.clone(), None)]).await?)).await?;
    who.sync(None).await?;
    who.accept_all().await?;
    pause().await;
    settle(all).await
}

/// How many entries lie between two messages of a conversation: those that are no messages.
fn between(messages: &[Message], one: &str, other: &str) -> anyhow::Result<u64> {
    let place = |text: &str| {
        let found = messages.iter().find(|message| message.text == text).with_context(|| format!("no {text:?}"))?;
        Ok::<_, anyhow::Error>(found.position.context("no place")?.sequence)
    };
    Ok(place(other)? - place(one)? - 1)
}

fn code<T>(result: anyhow::Result<T>) -> anyhow::Result<&'static str> {
    match result {
        Ok(_) => bail!("it was allowed"),
        Err(error) => Ok(error.downcast_ref::<ClientError>().context("another error")?.code()),
    }
}

#[test]
fn two_people_see_who_the_other_is_from_the_acceptance_on_and_every_change() {
    simulate(async {
        let world = World::new(1)?;
        let (sea, land) = (world.server("sea.example").await?, world.server("land.example").await?);
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &land).await?);
        ann.with(async |client| Ok(client.set_introduction(Some("  Ann  of the sea"), Some(&JPEG)).await?)).await?;
        call(&ben, "Ben").await?;
        ann.knock(&ben, "hello").await?;
        ben.sync(None).await?;
        let requests = ben.with(async |client| Ok(client.requests()?)).await?;
        ensure!(requests.len() == 1 && requests[0].from == ann.handle, "{requests:?}");
        ensure!(known(&ben, &ann).await?.name.is_none(), "before it is accepted the handle alone is there");
        ben.accept_all().await?;
        settle(&[&ann, &ben]).await?;
        let talk = ann.conversation(&ben)?;
        let seen = known(&ben, &ann).await?;
        ensure!(
            seen.name.as_deref() == Some("Ann of the sea") && seen.picture == JPEG && seen.handle == Some(ann.handle.clone()),
            "{seen:?}"
        );
        ensure!(name(&ann, &ben).await? == "Ben", "with the acceptance");
        let history = ben.history(talk).await?;
        ensure!(history.len() == 1 && history[0].sender_name.as_deref() == Some("Ann of the sea"), "no line of its own: {history:?}");
        let list = ben.with(async |client| Ok(client.conversations()?)).await?;
        ensure!(list[0].unread == 1 && list[0].title == ann.handle.to_text(), "{list:?}");
        ensure!(list[0].name.as_deref() == Some("Ann of the sea"), "{list:?}");
        ensure!(ben.with(async |client| Ok(client.picture_of(talk)?)).await? == JPEG, "the conversation has the picture of the other");
        // A change is told at once, and what is told is who it was.
        call(&ann, "Ann").await?;
        let told = ben.with(async |client| Ok(client.sync().await?.events)).await?;
        ensure!(matches!(&told[..], [Event::Introduced { person }] if person.name.as_deref() == Some("Ann")), "{told:?}");
        let seen = known(&ben, &ann).await?;
        ensure!(seen.name.as_deref() == Some("Ann") && seen.picture == JPEG, "the picture stays: {seen:?}");
        ann.with(async |client| Ok(client.set_introduction(Some(""), Some(&[])).await?)).await?;
        settle(&[&ann, &ben]).await?;
        let seen = known(&ben, &ann).await?;
        ensure!(seen.name.is_none() && seen.display_name.is_empty() && seen.picture.is_empty(), "taken back: {seen:?}");
        ensure!(ben.with(async |client| Ok(client.conversations()?)).await?[0].unread == 1, "nothing of it counts as unread");
        ensure!(ann.alarms().is_empty() && ben.alarms().is_empty(), "alarms");
        // The same once more is no change.
        let before = known(&ben, &ben).await?;
        call(&ben, "Ben").await?;
        ensure!(known(&ben, &ben).await? == before, "the same");
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_nobody_would_take_is_refused_by_name_of_the_rule() {
    simulate(async {
        let world = World::new(2)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let large = [JPEG.as_slice(), &vec![0; limits::PICTURE]].concat();
        ensure!(code(call(&ann, &"x".repeat(65)).await)? == "bad-name", "too long");
        ensure!(code(call(&ann, "\u{202e}nnA").await)? == "bad-name", "turned");
        for picture in [&b"GIF89a"[..], &large] {
            let refused = ann.with(async |client| Ok(client.set_introduction(Some("Ann"), Some(picture)).await?)).await;
            ensure!(code(refused)? == "bad-picture", "no picture");
        }
        ensure!(known(&ann, &ann).await?.name.is_none(), "nothing was set");
        let group = ann.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        let refused = ann.with(async |client| Ok(client.set_picture(group, b"GIF89a").await?)).await;
        ensure!(code(refused)? == "bad-picture", "the same rule for groups");
        ann.with(async |client| Ok(client.set_picture(group, &JPEG).await?)).await?;
        ensure!(ann.with(async |client| Ok(client.picture_of(group)?)).await? == JPEG, "a group's");
        Ok(())
    })
    .unwrap();
}

#[test]
fn who_comes_into_a_group_later_hears_it_with_the_next_message_and_not_before() {
    simulate(async {
        let world = World::new(3)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben, eve) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?, world.person("eve", &sea).await?);
        call(&ann, "Ann").await?;
        let group = ann.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        admit(&ann, group, &ben, &[&ann, &ben]).await?;
        ensure!(name(&ben, &ann).await?.is_empty(), "she has written nothing yet");
        ann.send(group, "one", None).await?;
        ann.send(group, "two", None).await?;
        settle(&[&ann, &ben]).await?;
        ensure!(name(&ben, &ann).await? == "Ann", "with the message");
        ensure!(between(&ann.history(group).await?, "one", "two")? == 0, "once");
        admit(&ann, group, &eve, &[&ann, &ben, &eve]).await?;
        ensure!(name(&eve, &ann).await?.is_empty(), "nobody has sent it again because of her");
        ann.send(group, "three", None).await?;
        ann.send(group, "four", None).await?;
        settle(&[&ann, &ben, &eve]).await?;
        ensure!(name(&eve, &ann).await? == "Ann", "with the next message");
        let history = ann.history(group).await?;
        ensure!(between(&history, "three", "four")? == 0, "once again");
        // Who never set one sends none.
        ben.send(group, "five", None).await?;
        ben.send(group, "six", None).await?;
        settle(&[&ann, &ben, &eve]).await?;
        let history = ann.history(group).await?;
        ensure!(between(&history, "four", "five")? == 0 && between(&history, "five", "six")? == 0, "{history:?}");
        let view = eve.with(async |client| Ok(client.group(group)?)).await?;
        let names: Vec<_> = view.members.iter().map(|member| (member.person.handle.clone(), member.person.name.clone())).collect();
        ensure!(names.contains(&(Some(ann.handle.clone()), Some("Ann".to_owned()))), "{names:?}");
        // Two with one name are told apart, everywhere.
        call(&ben, "ANN").await?;
        settle(&[&ann, &ben, &eve]).await?;
        ensure!(name(&eve, &ann).await? == "Ann (ann@sea.example)", "{}", name(&eve, &ann).await?);
        ensure!(name(&eve, &ben).await? == "ANN (ben@sea.example)", "{}", name(&eve, &ben).await?);
        // A message is found by the name of who wrote it.
        let search = Search { from: vec!["ann".to_owned()], ..Search::default() };
        let found = eve.with(async |client| Ok(client.search(&search, 10)?)).await?;
        ensure!(found.len() == 4 && found[0].sender_name.as_deref() == Some("ANN (ben@sea.example)"), "{found:?}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn who_may_not_write_introduces_themselves_once_they_may() {
    simulate(async {
        let world = World::new(8)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
        call(&ben, "Ben").await?;
        let group = ann.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        let allow = async |members| ann.with(async |client| Ok(client.set_permission(group, GroupPermission::Write, members).await?)).await;
        allow(false).await?;
        admit(&ann, group, &ben, &[&ann, &ben]).await?;
        ensure!(name(&ann, &ben).await?.is_empty(), "nobody takes what he says");
        allow(true).await?;
        settle(&[&ann, &ben]).await?;
        ben.send(group, "at last", None).await?;
        settle(&[&ann, &ben]).await?;
        ensure!(name(&ann, &ben).await? == "Ben", "with the first message");
        ensure!(ann.alarms().is_empty() && ben.alarms().is_empty(), "alarms");
        Ok(())
    })
    .unwrap();
}

#[test]
fn where_nobody_has_written_for_long_a_change_waits_for_the_next_message() {
    simulate(async {
        let world = World::new(4)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben, eve) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?, world.person("eve", &sea).await?);
        let (old, new) = (pair_of(&ann, &ben).await?, pair_of(&ann, &eve).await?);
        for (conversation, days) in [(old, 31), (new, 29)] {
            meddle(&ann, |tx| {
                let mut written = tx.history(conversation, None, None)?.remove(0);
                written.sent_at_ms -= days * DAY_MS;
                tx.replace_message(&written, written.position)
            })?;
        }
        call(&ann, "Ann").await?;
        settle(&[&ann, &ben, &eve]).await?;
        ensure!(name(&eve, &ann).await? == "Ann", "at once");
        ensure!(name(&ben, &ann).await?.is_empty(), "not there");
        ann.send(old, "long ago", None).await?;
        settle(&[&ann, &ben, &eve]).await?;
        ensure!(name(&ben, &ann).await? == "Ann", "with the message");
        ensure!(eve.history(new).await?.len() == 1, "no message of its own");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_program_that_dies_in_between_has_told_it_or_tells_it_later() {
    simulate(async {
        let mut told = 0;
        for polls in [1, 2, 3, 5, 8, 13, 21] {
            let world = World::new(u64::from(polls))?;
            let sea = world.server("sea.example").await?;
            let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
            let talk = pair_of(&ann, &ben).await?;
            ann.with_crash(polls, async |client| Ok(client.set_introduction(Some("Ann"), Some(&JPEG)).await?)).await?;
            let kept = known(&ann, &ann).await?;
            settle(&[&ann, &ben]).await?;
            let seen = known(&ben, &ann).await?;
            ensure!((&seen.display_name, &seen.picture) == (&kept.display_name, &kept.picture), "after {polls} wake-ups: {seen:?}");
            ensure!(ann.history(talk).await?.len() == 1 && ann.alarms().is_empty() && ben.alarms().is_empty(), "nothing else");
            told += usize::from(seen.name.is_some());
        }
        ensure!(told > 0, "it never got so far");
        Ok(())
    })
    .unwrap();
}

#[test]
fn devices_of_one_account_have_one_introduction_and_know_the_same_of_others() {
    simulate(async {
        let world = World::new(5)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben, eve) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?, world.person("eve", &sea).await?);
        call(&ann, "Ann").await?;
        call(&ben, "Ben").await?;
        let talk = pair_of(&ann, &ben).await?;
        ann.send(talk, "before", None).await?;
        let phone = world.device(&ann, "phone", &sea).await?;
        let all = [&ann, &phone, &ben, &eve];
        for _ in 0..3 {
            settle(&all).await?;
            pause().await;
        }
        ensure!(name(&phone, &ann).await? == "Ann" && name(&phone, &ben).await? == "Ben", "handed over");
        phone.send(talk, "after", None).await?;
        settle(&all).await?;
        phone.send(talk, "after that", None).await?;
        settle(&all).await?;
        ensure!(between(&ann.history(talk).await?, "after", "after that")? == 0, "nothing to say");
        // Either changes it, and the other one goes on from there.
        call(&phone, "Anna").await?;
        settle(&all).await?;
        for peer in [&ann, &phone, &ben] {
            ensure!(name(peer, &ann).await? == "Anna", "{}: {}", peer.folder().display(), name(peer, &ann).await?);
        }
        ann.with(async |client| Ok(client.set_introduction(None, Some(&JPEG)).await?)).await?;
        settle(&all).await?;
        for peer in [&ann, &phone, &ben] {
            let seen = known(peer, &ann).await?;
            ensure!(seen.display_name == "Anna" && seen.picture == JPEG, "{}: {seen:?}", peer.folder().display());
        }
        // A conversation that one of them begins.
        phone.knock(&eve, "hello Eve").await?;
        settle(&all).await?;
        eve.accept_all().await?;
        settle(&all).await?;
        ensure!(name(&eve, &ann).await? == "Anna", "{}", name(&eve, &ann).await?);
        ensure!(all.iter().all(|peer| peer.alarms().is_empty()), "alarms");
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_a_server_has_lost_of_it_goes_with_the_next_message() {
    simulate(async {
        let world = World::new(9)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
        let talk = pair_of(&ann, &ben).await?;
        let copy = world.network.copy_disk(&sea)?;
        call(&ann, "Ann").await?;
        ann.sync(None).await?;
        world.network.restore(&sea, copy).await?;
        for _ in 0..4 {
            for peer in [&ann, &ben] {
                let _restored = peer.sync(None).await;
            }
            pause().await;
        }
        settle(&[&ann, &ben]).await?;
        ann.send(talk, "and on we go", None).await?;
        settle(&[&ann, &ben]).await?;
        ensure!(ben.history(talk).await?.iter().any(|message| message.line.is_some()), "the conversation has not moved");
        ensure!(name(&ben, &ann).await? == "Ann", "with the message");
        Ok(())
    })
    .unwrap();
}

/// Does something in a profile while its program is closed.
fn meddle(peer: &Peer, with: impl FnOnce(&alcyon_store::Tx<'_>) -> Result<(), alcyon_store::StoreError>) -> anyhow::Result<()> {
    peer.close();
    let store = Store::open(peer.folder(), &StoreKey::from([7; 32]))?;
    store.transaction(with)?;
    drop(store);
    peer.open()
}

fn content(id: MessageId, introduction: proto::Introduction) -> Vec<u8> {
    let body = Some(proto::content::Body::Introduction(introduction));
    proto::Content { id: id.to_field(), body, ..proto::Content::default() }.encode_to_vec()
}

#[test]
fn what_a_hostile_client_says_of_itself_is_made_safe_or_passed_over() {
    simulate(async {
        let world = World::new(6)?;
        let sea = world.server("sea.example").await?;
        let (mal, ben) = (world.person("mal", &sea).await?, world.person("ben", &sea).await?);
        let talk = pair_of(&mal, &ben).await?;
        let says = |number: u8, display_name: &str, picture: &[u8], revision| {
            let introduction = proto::Introduction { display_name: display_name.to_owned(), picture: picture.to_vec().into(), revision };
            let id = MessageId::from([number; 16]);
            meddle(&mal, |tx| {
                let term = tx.term_of(talk)?.unwrap();
                let content = content(id, introduction);
                let (server, log, conversation) = (&term.server, term.log, Some(talk));
                let (kind, entry_id, content) = (OutboxKind::Append, id.into(), Some(content.as_slice()));
                tx.add_outbox(&NewOutboxItem { kind, conversation, server, log, entry_id, after: 0, content, frame: None })?;
                Ok(())
            })
        };
        let large = [JPEG.as_slice(), &vec![0; limits::PICTURE]].concat();
        for (number, display_name, picture, revision, expected) in [
            (1, "\u{202e}M\0al\n\u{200b}", JPEG.as_slice(), 5, ("Mal", JPEG.as_slice())),
            (2, "older", &[], 4, ("Mal", &JPEG)),
            (3, "never", &[], 0, ("Mal", &JPEG)),
            (4, "for ever", &[], u64::MAX, ("Mal", &JPEG)),
            (5, &"x".repeat(70_000), b"GIF89a", 6, ("", &[])),
            (6, "ben@sea.example", &large, 7, ("ben@sea.example (mal@sea.example)", &[])),
        ] {
            says(number, display_name, picture, revision)?;
            settle(&[&mal, &ben]).await?;
            let seen = known(&ben, &mal).await?;
            ensure!((seen.name.as_deref().unwrap_or_default(), seen.picture.as_slice()) == expected, "{number}: {seen:?}");
        }
        ensure!(ben.history(talk).await?.len() == 1 && ben.alarms().is_empty(), "nothing is shown of it");
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_an_older_version_has_kept_is_read_when_a_newer_one_opens_the_profile() {
    simulate(async {
        let world = World::new(7)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
        let talk = pair_of(&ann, &ben).await?;
        let (account, id) = (ann.with(async |client| Ok(client.me()?.account)).await?, MessageId::from([9; 16]));
        let said = proto::Introduction { display_name: "Ann".to_owned(), revision: 3, ..proto::Introduction::default() };
        // As it was stored while nobody knew what it was.
        meddle(&ben, |tx| {
            let first = tx.history(talk, None, None)?.remove(0);
            let content = Some(content(id, said));
            let kept = MessageRecord { message: id, text: String::new(), kind: MessageKind::Newer, content, ..first };
            tx.add_message(&MessageRecord { sender: account, own: false, position: Some((0, 99)), ..kept })?;
            Ok(())
        })?;
        ensure!(name(&ben, &ann).await? == "Ann", "read");
        ensure!(ben.history(talk).await?.len() == 1, "and no line is left of it: {:?}", ben.history(talk).await?);
        Ok(())
    })
    .unwrap();
}
