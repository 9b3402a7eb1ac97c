//! Messages that go by themselves, to the millisecond, and what stays of them: nothing. And what people tell each other about reading.
#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, fs, path::Path, time::Duration};

use aes::{
    Aes256,
    cipher::{BlockDecrypt, KeyInit, generic_array::GenericArray},
};
use alcyon_client::{
    ClientError, ConversationId, Delivery, Event, Line, Message, MessageId, Post, Search, SendOutcome, Store, Tells, TextFormat,
};
use alcyon_sim::world::{Peer, World, pair_of, settle, simulate};
use alcyon_store::{MessageKind, StoreKey};
use anyhow::{Context, bail, ensure};

const HOUR_S: u32 = 60 * 60;
const HOUR: Duration = Duration::from_secs(HOUR_S as u64);
const MS: Duration = Duration::from_millis(1);

async fn post(peer: &Peer, to: ConversationId, post: &Post) -> anyhow::Result<MessageId> {
    let outcome = peer.with(async |client| Ok(client.post(to, post).await?)).await?;
    Ok(match outcome {
        SendOutcome::Sent { id, .. } | SendOutcome::Queued { id, .. } => id,
    })
}

async fn message(peer: &Peer, conversation: ConversationId, id: MessageId) -> anyhow::Result<Message> {
    let name = peer.handle.to_text();
    peer.with(async |client| Ok(client.message(conversation, id)?)).await.with_context(|| format!("{name} has it"))
}

async fn has(peer: &Peer, conversation: ConversationId, id: MessageId) -> anyhow::Result<bool> {
    let found = peer.with(async |client| Ok(client.message(conversation, id))).await?;
    let there = peer.history(conversation).await?.iter().any(|message| message.id == id);
    ensure!(found.is_ok() == there, "history and message agree");
    Ok(there)
}

async fn set_timer(peer: &Peer, conversation: ConversationId, seconds: u32) -> anyhow::Result<()> {
    peer.with(async |client| Ok(client.set_timer(conversation, seconds).await?)).await?;
    Ok(())
}

async fn read(peer: &Peer, conversation: ConversationId) -> anyhow::Result<()> {
    peer.with(async |client| Ok(client.mark_read(conversation)?)).await
}

async fn found(peer: &Peer, query: &str) -> anyhow::Result<Vec<String>> {
    let search = Search::parse(query, |_, _, _| None)?;
    let found = peer.with(async |client| Ok(client.search(&search, 50)?)).await?;
    Ok(found.into_iter().map(|message| message.text).collect())
}

/// A database's pages, and those of its journal, without their cipher: AES-256 in CBC, the vector in the last 80 bytes of each page.
fn clear_pages(folder: &Path) -> anyhow::Result<Vec<u8>> {
    const PAGE: usize = 1024;
    const RESERVE: usize = 80;
    let cipher = Aes256::new(GenericArray::from_slice(&[7; 32]));
    let open = |page: &[u8], first: bool| {
        let mut before: [u8; 16] = page[PAGE - RESERVE..PAGE - RESERVE + 16].try_into().unwrap();
        let mut clear = Vec::with_capacity(PAGE);
        // The first page begins with the salt.
        for block in page[if first { 16 } else { 0 }..PAGE - RESERVE].chunks_exact(16) {
            let mut opened = GenericArray::clone_from_slice(block);
            cipher.decrypt_block(&mut opened);
            clear.extend(opened.iter().zip(before).map(|(byte, before)| byte ^ before));
            before = block.try_into().unwrap();
        }
        clear
    };
    let mut clear = Vec::new();
    for (at, page) in fs::read(folder.join("profile.db"))?.chunks_exact(PAGE).enumerate() {
        clear.extend(open(page, at == 0));
    }
    let journal = fs::read(folder.join("profile.db-wal")).unwrap_or_default();
    for frame in journal.get(32..).unwrap_or_default().chunks_exact(24 + PAGE) {
        let number = u32::from_be_bytes(frame[..4].try_into().unwrap());
        clear.extend(open(&frame[24..], number == 1));
    }
    Ok(clear)
}

fn lies(clear: &[u8], word: &str) -> bool {
    clear.windows(word.len()).any(|part| part == word.as_bytes())
}

#[test]
fn a_message_goes_when_its_time_comes_and_nothing_of_it_stays() {
    simulate(async {
        let world = World::new(1)?;
        let (sea, bay) = (world.server("sea.example").await?, world.server("bay.example").await?);
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &bay).await?);
        let talk = pair_of(&ann, &ben).await?;
        let before = post(&ann, talk, &Post::plain("written before the timer")).await?;
        set_timer(&ben, talk, HOUR_S).await?;
        settle(&[&ann, &ben]).await?;
        for peer in [&ann, &ben] {
            ensure!(peer.with(async |client| Ok(client.timer(talk)?)).await? == HOUR_S, "both know");
            let lines = peer.history(talk).await?.into_iter().filter_map(|message| message.line).collect::<Vec<_>>();
            ensure!(lines == [Line::Timer { seconds: HOUR_S }], "a line says so: {lines:?}");
        }
        let secret = post(&ann, talk, &Post::plain("kingfisherunderneath")).await?;
        let sent_ms = ann.now_ms();
        let edit = Post::Edit { target: secret, text: "kingfisherabove".to_owned(), format: TextFormat::Plain };
        post(&ann, talk, &edit).await?;
        ben.sync(None).await?;
        post(&ben, talk, &Post::React { target: secret, emoji: "🌊".to_owned(), back: false }).await?;
        post(&ben, talk, &Post::Pin { target: secret, pinned: true }).await?;
        let reply = Post::Text { text: "what do you mean?".to_owned(), format: TextFormat::Plain, reply_to: Some(secret) };
        let reply = post(&ben, talk, &reply).await?;
        settle(&[&ann, &ben]).await?;
        let with_ann = message(&ann, talk, secret).await?.content.goes.context("it goes")?;
        ensure!(with_ann.timer_s == HOUR_S, "the timer came with it");
        let goes_ms = with_ann.at_ms.context("it counts from sending")?;
        ensure!(goes_ms.abs_diff(sent_ms + 1000 * u64::from(HOUR_S)) <= 1000, "{goes_ms} and {sent_ms}");
        let with_ben = message(&ben, talk, secret).await?.content.goes.context("it goes")?;
        ensure!(with_ben.at_ms.is_none(), "nobody has read it there");
        ensure!(found(&ann, "kingfisherab").await? == ["kingfisherabove"], "found, while it is there");

        // To the millisecond, with its author.
        tokio::time::sleep(Duration::from_millis(goes_ms - ann.now_ms()) - MS).await;
        ensure!(has(&ann, talk, secret).await?, "a millisecond before");
        tokio::time::sleep(MS).await;
        ensure!(!has(&ann, talk, secret).await?, "then");
        ensure!(found(&ann, "kingfisher").await?.is_empty(), "not found either");
        ensure!(ann.with(async |client| Ok(client.pinned_messages(talk)?)).await?.is_empty(), "nor pinned");
        let quote = message(&ann, talk, reply).await?.content.reply.context("an answer")?;
        ensure!(quote.sender.is_none() && quote.words.is_empty(), "nor quoted: {quote:?}");
        ensure!(has(&ann, talk, before).await?, "what was written before stays");

        // With its reader it counts from reading.
        ensure!(has(&ben, talk, secret).await?, "unread");
        tokio::time::sleep(24 * HOUR).await;
        ensure!(has(&ben, talk, secret).await?, "still unread");
        read(&ben, talk).await?;
        ben.close();
        ensure!(lies(&clear_pages(ben.folder())?, "kingfisherabove"), "this test sees what there is");
        ensure!(lies(&clear_pages(ben.folder())?, "kingfisherunderneath"), "also the text before");
        ben.open()?;
        tokio::time::sleep(HOUR - MS).await;
        ensure!(has(&ben, talk, secret).await?, "a millisecond before");
        tokio::time::sleep(MS).await;
        ensure!(!has(&ben, talk, secret).await?, "then");
        for peer in [&ann, &ben] {
            peer.close();
            let clear = clear_pages(peer.folder())?;
            for word in ["kingfisher", "underneath", "ngfisherab"] {
                ensure!(!lies(&clear, word), "{}: {word} is still in the file", peer.handle.to_text());
            }
            let store = Store::open(peer.folder(), &StoreKey::from([7; 32]))?;
            let left = store.transaction(|tx| tx.message(talk, secret))?.context("its id")?;
            ensure!(left.kind == MessageKind::Gone && left.text.is_empty() && left.content.is_none() && left.sent_at_ms == 0, "{left:?}");
            ensure!(store.transaction(|tx| tx.done_to(talk, secret))?.is_empty(), "nothing of what was done to it");
            drop(store);
            peer.open()?;
        }
        // What is done to it from afar finds nothing.
        settle(&[&ann, &ben]).await?;
        set_timer(&ann, talk, 0).await?;
        settle(&[&ann, &ben]).await?;
        let stays = post(&ben, talk, &Post::plain("this stays")).await?;
        settle(&[&ann, &ben]).await?;
        ensure!(message(&ann, talk, stays).await?.content.goes.is_none(), "off again");
        ensure!(ann.alarms().is_empty() && ben.alarms().is_empty(), "no alarm");
        Ok(())
    })
    .unwrap();
}

#[test]
fn who_listens_sees_it_go_and_who_was_away_never_sees_it() {
    simulate(async {
        let world = World::new(2)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
        let talk = pair_of(&ann, &ben).await?;
        set_timer(&ann, talk, 30).await?;
        let short = post(&ann, talk, &Post::plain("thirty seconds")).await?;
        ben.sync(None).await?;
        let gone = RefCell::new(Vec::new());
        ben.with(async |client| {
            let listening = client.listen(|event| {
                if let Event::Gone { id, .. } = event {
                    gone.borrow_mut().push((id, ben.now_ms()));
                }
            });
            let reading = async {
                tokio::time::sleep(Duration::from_secs(5)).await;
                let now_ms = ben.now_ms();
                client.mark_read(talk)?;
                tokio::time::sleep(Duration::from_secs(60)).await;
                Ok::<_, anyhow::Error>(now_ms)
            };
            tokio::select! {
                ended = listening => bail!("listening ended: {ended:?}"),
                read_ms = reading => {
                    let read_ms = read_ms?;
                    ensure!(*gone.borrow() == [(short, read_ms + 30_000)], "{:?}, read at {read_ms}", gone.borrow());
                }
            }
            Ok(())
        })
        .await?;

        // Read, then away for a month: it is gone before anything is shown.
        let late = post(&ann, talk, &Post::plain("read before the journey")).await?;
        ben.sync(None).await?;
        read(&ben, talk).await?;
        ben.close();
        tokio::time::sleep(24 * 30 * HOUR).await;
        ben.open()?;
        let last = ben.with(async |client| Ok(client.conversations()?)).await?.pop().and_then(|one| one.last);
        ensure!(last.is_none_or(|last| last.id != late), "the list does not show it");
        ensure!(!has(&ben, talk, late).await?, "nor the history");
        ensure!(found(&ben, "journey").await?.is_empty(), "nor a search");
        Ok(())
    })
    .unwrap();
}

#[test]
fn in_a_group_and_from_the_first_message_on() {
    simulate(async {
        let world = World::new(3)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
        ann.with(async |client| Ok(client.set_default_timer(HOUR_S)?)).await?;
        let wrong =
            ann.with(async |client| Ok(client.set_default_timer(4).is_err() && client.set_default_timer(u32::MAX).is_err())).await?;
        ensure!(wrong, "too short, too long");

        // The first words of a conversation go too, also those in the request.
        let talk = pair_of(&ann, &ben).await?;
        ensure!(ben.with(async |client| Ok(client.timer(talk)?)).await? == HOUR_S, "from the beginning");
        read(&ben, talk).await?;
        tokio::time::sleep(HOUR).await;
        for peer in [&ann, &ben] {
            ensure!(peer.history(talk).await?.iter().all(|message| message.line.is_some()), "the first message has gone");
            peer.close();
            let store = Store::open(peer.folder(), &StoreKey::from([7; 32]))?;
            if let Some(request) = store.transaction(|tx| tx.request(talk))? {
                ensure!(request.introduction.is_empty() && !lies(&request.offer, "hello"), "{:?}", request.introduction);
            }
            drop(store);
            peer.open()?;
        }

        let group = ann.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        ann.with(async |client| Ok(client.invite(group, &[(ben.handle.clone(), None)]).await?)).await?;
        ben.sync(None).await?;
        ben.accept_all().await?;
        tokio::time::sleep(Duration::from_secs(60)).await;
        settle(&[&ann, &ben]).await?;
        let there = post(&ben, group, &Post::plain("an hour in a group")).await?;
        ensure!(message(&ben, group, there).await?.content.goes.context("it goes")?.timer_s == HOUR_S, "the group has it from its maker");
        let refused = ben.with(async |client| Ok(client.set_timer(group, 0).await)).await?;
        ensure!(matches!(refused, Err(ClientError::NotAllowed { .. })), "admins set it here: {refused:?}");
        set_timer(&ann, group, 0).await?;
        settle(&[&ann, &ben]).await?;
        let stays = post(&ben, group, &Post::plain("stays")).await?;
        settle(&[&ann, &ben]).await?;
        read(&ann, group).await?;
        tokio::time::sleep(HOUR).await;
        for peer in [&ann, &ben] {
            ensure!(!has(peer, group, there).await? && has(peer, group, stays).await?, "each message has its own timer");
        }
        // Somebody does something to what has gone elsewhere.
        set_timer(&ann, group, HOUR_S).await?;
        settle(&[&ann, &ben]).await?;
        let mine = post(&ben, group, &Post::plain("with me it goes first")).await?;
        ann.sync(None).await?;
        tokio::time::sleep(2 * HOUR).await;
        ensure!(!has(&ben, group, mine).await? && has(&ann, group, mine).await?, "unread there");
        post(&ann, group, &Post::React { target: mine, emoji: "🌊".to_owned(), back: false }).await?;
        settle(&[&ann, &ben]).await?;
        ensure!(!has(&ben, group, mine).await?, "it does not come back");
        ensure!(ann.alarms().is_empty() && ben.alarms().is_empty(), "no alarm");
        Ok(())
    })
    .unwrap();
}

async fn reading(peer: &Peer, conversation: ConversationId, id: MessageId) -> anyhow::Result<(Delivery, Vec<String>)> {
    let message = message(peer, conversation, id).await?;
    let who = message.content.read_by.iter().filter_map(|who| who.handle.as_ref().map(|handle| handle.name().as_str().to_owned()));
    Ok((message.delivery, who.collect()))
}

#[test]
fn receipts_tell_once_how_far_somebody_has_read_and_only_those_who_tell_are_told() {
    simulate(async {
        let world = World::new(4)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben, cat) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?, world.person("cat", &sea).await?);
        let talk = pair_of(&ann, &ben).await?;
        let mut ids = Vec::new();
        for number in 0..5 {
            ids.push(post(&ann, talk, &Post::plain(&format!("message {number}"))).await?);
        }
        ben.sync(None).await?;
        ann.sync(None).await?;
        ensure!(reading(&ann, talk, ids[0]).await?.0 != Delivery::Read, "fetched is not read");
        let end = message(&ben, talk, ids[4]).await?.position.context("a place")?.sequence;
        // Offline, several times: one entry in the end.
        world.network.kill(&sea);
        for _ in 0..3 {
            read(&ben, talk).await?;
            ben.sync(None).await?;
        }
        world.network.start(&sea).await?;
        settle(&[&ann, &ben]).await?;
        for id in &ids {
            ensure!(reading(&ann, talk, *id).await? == (Delivery::Read, vec!["ben".to_owned()]), "{:?}", reading(&ann, talk, *id).await?);
        }
        let next = post(&ann, talk, &Post::plain("next")).await?;
        let place = message(&ann, talk, next).await?.position.context("a place")?.sequence;
        ensure!(place == end + 2, "one entry for five messages and three readings: {end}, {place}");

        // Who does not tell is not told.
        ben.sync(None).await?;
        ben.with(async |client| Ok(client.set_telling_in(talk, Tells::Read, Some(false))?)).await?;
        read(&ben, talk).await?;
        let from_ben = post(&ben, talk, &Post::plain("do you read me?")).await?;
        settle(&[&ann, &ben]).await?;
        read(&ann, talk).await?;
        settle(&[&ann, &ben]).await?;
        ensure!(reading(&ann, talk, next).await?.0 == Delivery::Delivered, "ben does not tell");
        ensure!(reading(&ben, talk, from_ben).await?.0 == Delivery::Delivered, "and is not told");
        ben.with(async |client| Ok(client.set_telling_in(talk, Tells::Read, None)?)).await?;
        ensure!(reading(&ben, talk, from_ben).await?.0 == Delivery::Read, "until ben tells again");

        // In a group by person.
        let group = ann.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        for other in [&ben, &cat] {
            ann.with(async |client| Ok(client.invite(group, &[(other.handle.clone(), None)]).await?)).await?;
            other.sync(None).await?;
            other.accept_all().await?;
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        settle(&[&ann, &ben, &cat]).await?;
        let to_all = post(&ann, group, &Post::plain("to all")).await?;
        settle(&[&ann, &ben, &cat]).await?;
        read(&cat, group).await?;
        settle(&[&ann, &ben, &cat]).await?;
        ensure!(reading(&ann, group, to_all).await? == (Delivery::Read, vec!["cat".to_owned()]), "cat has");
        read(&ben, group).await?;
        settle(&[&ann, &ben, &cat]).await?;
        ensure!(reading(&ann, group, to_all).await?.1.len() == 2, "both have");
        ensure!(ann.alarms().is_empty() && ben.alarms().is_empty() && cat.alarms().is_empty(), "no alarm");
        Ok(())
    })
    .unwrap();
}

#[test]
fn typing_is_seen_while_it_lasts_and_kept_nowhere() {
    simulate(async {
        let world = World::new(5)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
        let talk = pair_of(&ann, &ben).await?;
        let seen = RefCell::new(Vec::new());
        let listen = async |seen: &RefCell<Vec<(String, bool)>>, telling: bool| {
            seen.borrow_mut().clear();
            ann.with(async |client| Ok(client.set_telling(Tells::Typing, telling)?)).await?;
            let bens = ben.with(async |client| {
                let listening = client.listen(|event| {
                    if let Event::Typing { by, typing, .. } = event {
                        seen.borrow_mut().push((by.handle.unwrap().name().as_str().to_owned(), typing));
                    }
                });
                let _time_is_over = tokio::time::timeout(Duration::from_secs(20), listening).await;
                Ok(())
            });
            let anns = ann.with(async |client| {
                let typing = async {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    // Each key: told every three seconds.
                    for _ in 0..8 {
                        client.typing(talk, true)?;
                        tokio::time::sleep(Duration::from_millis(500)).await;
                    }
                    client.typing(talk, false)?;
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    Ok::<_, anyhow::Error>(())
                };
                tokio::select! {
                    ended = client.listen(|_| ()) => bail!("listening ended: {ended:?}"),
                    done = typing => done,
                }
            });
            let (bens, anns) = tokio::join!(bens, anns);
            bens.and(anns)
        };
        let head = async || {
            let id = post(&ann, talk, &Post::plain("where are we?")).await?;
            Ok::<_, anyhow::Error>(message(&ann, talk, id).await?.position.context("a place")?.sequence)
        };
        let before = head().await?;
        listen(&seen, true).await?;
        ensure!(*seen.borrow() == [("ann", true), ("ann", true), ("ann", false)].map(|(who, typing)| (who.to_owned(), typing)), "{seen:?}");
        listen(&seen, false).await?;
        ensure!(seen.borrow().is_empty(), "ann tells no more: {seen:?}");
        ensure!(head().await? == before + 1, "the log has nothing of it");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_search_finds_what_a_message_says_now() {
    simulate(async {
        let world = World::new(6)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
        let talk = pair_of(&ann, &ben).await?;
        let tea = post(&ann, talk, &Post::plain("thé à cinq heures, https://tea.example")).await?;
        let gone = post(&ann, talk, &Post::plain("a secret heron")).await?;
        let poll =
            Post::Poll { question: "Où est la marée ?".to_owned(), options: vec!["ici".to_owned(), "là".to_owned()], several: false };
        post(&ben, talk, &poll).await?;
        settle(&[&ann, &ben]).await?;
        for peer in [&ann, &ben] {
            ensure!(found(peer, "the").await? == ["thé à cinq heures, https://tea.example"], "without its accent");
            ensure!(found(peer, "maree from:ben").await? == ["Où est la marée ?"], "a poll by its question");
            ensure!(found(peer, "maree from:ann").await?.is_empty(), "not by ann");
            ensure!(found(peer, "has:link").await?.len() == 1, "the one with a link");
            ensure!(found(peer, "heron").await?.len() == 1, "not yet deleted");
        }
        ensure!(found(&ann, "from:me heron in:ben").await?.len() == 1, "by its place");
        let nobody = Search::parse("from:nobody x", |_, _, _| None)?;
        let nobody = ann.with(async |client| Ok(client.search(&nobody, 5))).await?;
        ensure!(matches!(nobody, Err(ClientError::Unknown { field: "from", .. })), "{nobody:?}");
        post(&ann, talk, &Post::Edit { target: tea, text: "coffee at six".to_owned(), format: TextFormat::Plain }).await?;
        world.network.kill(&sea);
        post(&ann, talk, &Post::Delete { target: gone }).await?;
        ensure!(found(&ann, "heron").await?.is_empty(), "gone here, before the log has it");
        world.network.start(&sea).await?;
        settle(&[&ann, &ben]).await?;
        for peer in [&ann, &ben] {
            ensure!(found(peer, "the").await?.is_empty() && found(peer, "has:link").await?.is_empty(), "the text before");
            ensure!(found(peer, "coffee").await? == ["coffee at six"], "the text now");
            ensure!(found(peer, "heron").await?.is_empty(), "deleted");
        }
        Ok(())
    })
    .unwrap();
}
