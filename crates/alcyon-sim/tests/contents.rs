//! Everything a message can be, between two and in a group, offline and online, with the program dying in between: the real
//! client over simulated servers.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use alcyon_client::{AlarmKind, ClientError, ContentView, ConversationId, Message, MessageId, Post, SendOutcome, Store, TextFormat};
use alcyon_sim::{
    fault::FaultRates,
    seed,
    world::{Peer, World, pair_of, settle, simulate, weathered},
};
use alcyon_store::{MessageKind, NewOutboxItem, StoreKey};
use alcyon_wire::proto;
use anyhow::{Context, bail, ensure};
use prost::Message as _;
use rand::RngExt;

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn group_of(by: &Peer, others: &[&Peer]) -> anyhow::Result<ConversationId> {
    let group = by.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
    for other in others {
        by.with(async |client| Ok(client.invite(group, &[(other.handle.clone(), None)]).await?)).await?;
        other.sync(None).await?;
        other.accept_all().await?;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let all: Vec<&Peer> = std::iter::once(by).chain(others.iter().copied()).collect();
    settle(&all).await?;
    Ok(group)
}

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

/// A message as everybody sees it alike: whose account is looking makes no difference.
fn seen(message: &Message) -> String {
    let Message {
        conversation: _,
        id,
        sender,
        sender_handle: _,
        sender_name: _,
        own: _,
        text,
        position,
        sent_at_ms: _,
        delivery: _,
        line,
        content,
    } = message;
    let ContentView {
        format,
        mentions,
        reply,
        forwarded,
        poll,
        attachment: _,
        edited,
        deleted,
        reactions,
        pinned,
        newer,
        place: _,
        contact: _,
        preview: _,
        read_by: _,
        goes: _,
    } = content;
    let mentions: Vec<_> = mentions.iter().map(|mention| (mention.person.account, mention.start, mention.end)).collect();
    let reply = reply.as_ref().map(|quote| (quote.id, quote.sender.as_ref().map(|sender| sender.account), &quote.words, quote.deleted));
    let reactions: Vec<_> =
        reactions.iter().map(|reaction| (&reaction.emoji, reaction.who.iter().map(|who| who.account).collect::<Vec<_>>())).collect();
    let poll = poll.as_ref().map(|poll| {
        let options: Vec<_> = poll
            .options
            .iter()
            .map(|option| (&option.text, option.voters.iter().map(|who| who.account.to_text()).collect::<Vec<_>>()))
            .collect();
        format!("{options:?} {} {} {}", poll.several, poll.ended, poll.voters)
    });
    let deleted = deleted.as_ref().map(|by| by.account.to_text());
    let reactions: Vec<_> = reactions.iter().map(|(emoji, who)| (emoji, who.iter().map(|who| who.to_text()).collect::<Vec<_>>())).collect();
    format!(
        "{} {} {text:?} {position:?} {format:?} {} {} {forwarded} {poll:?} {edited} {deleted:?} {reactions:?} {pinned} {newer} {}",
        id.to_text(),
        sender.to_text(),
        mentions.len(),
        reply.map(|(id, _, words, deleted)| format!("{} {words} {deleted}", id.to_text())).unwrap_or_default(),
        line.is_some()
    )
}

/// All see the same, from the first message that all have.
async fn check_same(peers: &[&Peer], conversation: ConversationId) -> anyhow::Result<()> {
    let mut histories = Vec::new();
    for peer in peers {
        let history = peer.history(conversation).await?;
        ensure!(history.iter().all(|message| message.position.is_some()), "{}: unsent", peer.handle.to_text());
        ensure!(peer.alarms().is_empty(), "{}: alarms {:?}", peer.handle.to_text(), peer.alarms());
        histories.push(history);
    }
    let from = histories.iter().filter_map(|history| history.first().and_then(|first| first.position)).max();
    let tails: Vec<Vec<String>> =
        histories.iter().map(|history| history.iter().filter(|message| message.position >= from).map(seen).collect()).collect();
    for pair in tails.windows(2) {
        ensure!(pair[0] == pair[1], "they see different things:\n{:#?}\n{:#?}", pair[0], pair[1]);
    }
    Ok(())
}

/// Every kind, by everybody who may. Returns the ids of a text, of a poll and of what was deleted.
async fn everything(ann: &Peer, ben: &Peer, at: ConversationId) -> anyhow::Result<(MessageId, MessageId, MessageId)> {
    let all = [ann, ben];
    let text = Post::Text { text: "**tea** at five, @ben?".to_owned(), format: TextFormat::Marked, reply_to: None };
    let tea = post(ann, at, &text).await?;
    let gone = post(ann, at, &Post::plain("a secret")).await?;
    let poll = Post::Poll { question: "Where?".to_owned(), options: vec!["here".to_owned(), "there".to_owned()], several: false };
    let poll = post(ann, at, &poll).await?;
    settle(&all).await?;
    let reply = Post::Text { text: "yes".to_owned(), format: TextFormat::Plain, reply_to: Some(tea) };
    let reply = post(ben, at, &reply).await?;
    for (emoji, back) in [("👍", false), ("🌊", false), ("👍", true)] {
        post(ben, at, &Post::React { target: tea, emoji: emoji.to_owned(), back }).await?;
    }
    post(ann, at, &Post::React { target: tea, emoji: "🌊".to_owned(), back: false }).await?;
    for text in ["tea at **six**", "tea at **seven**"] {
        post(ann, at, &Post::Edit { target: tea, text: text.to_owned(), format: TextFormat::Marked }).await?;
    }
    post(ann, at, &Post::Delete { target: gone }).await?;
    post(ann, at, &Post::Vote { target: poll, options: vec![0] }).await?;
    post(ben, at, &Post::Vote { target: poll, options: vec![0] }).await?;
    post(ben, at, &Post::Vote { target: poll, options: vec![1] }).await?;
    settle(&all).await?;
    post(ann, at, &Post::EndPoll { target: poll }).await?;
    post(ann, at, &Post::Pin { target: tea, pinned: true }).await?;
    let forwarded = post(ann, at, &Post::Forward { from: at, id: reply }).await?;
    settle(&all).await?;

    for (peer, other) in [(ann, ben), (ben, ann)] {
        let own = peer.handle == ann.handle;
        let now = message(peer, at, tea).await?;
        ensure!(now.text == "tea at **seven**" && now.content.edited && now.content.format == TextFormat::Marked, "{now:?}");
        ensure!(now.content.mentions.is_empty(), "nobody is called by the text it has now");
        let earlier = peer.with(async |client| Ok(client.earlier_texts(at, tea)?)).await?;
        let earlier: Vec<_> = earlier.iter().map(|earlier| earlier.text.as_str()).collect();
        ensure!(earlier == ["**tea** at five, @ben?", "tea at **six**"], "{earlier:?}");
        let [reaction] = now.content.reactions.as_slice() else { bail!("one emoji: {now:?}") };
        ensure!(reaction.emoji == "🌊" && reaction.who.len() == 2 && reaction.own, "{reaction:?}");
        ensure!(now.content.pinned, "pinned for both");
        let answer = message(peer, at, reply).await?;
        let quote = answer.content.reply.context("an answer")?;
        ensure!(quote.id == tea && quote.words == "tea at **seven**" && quote.own == own, "{quote:?}");
        let gone = message(peer, at, gone).await?;
        ensure!(gone.text.is_empty() && gone.content.deleted.is_some(), "{gone:?}");
        let counted = message(peer, at, poll).await?.content.poll.context("a poll")?;
        let votes: Vec<_> = counted.options.iter().map(|option| (option.voters.len(), option.own)).collect();
        ensure!(votes == [(1, own), (1, !own)] && counted.ended && counted.voters == 2, "{counted:?}");
        let forwarded = message(peer, at, forwarded).await?;
        ensure!(forwarded.text == "yes" && forwarded.content.forwarded && forwarded.content.reply.is_none(), "{forwarded:?}");
        let _ = other;
    }
    check_same(&all, at).await?;
    Ok((tea, poll, gone))
}

#[test]
fn two_people_use_everything() {
    simulate(async {
        let world = World::new(1)?;
        let (sea, bay) = (world.server("sea.example").await?, world.server("bay.example").await?);
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &bay).await?);
        let talk = pair_of(&ann, &ben).await?;
        let (tea, poll, gone) = everything(&ann, &ben, talk).await?;

        // Everything else that is wrong is said before it is sent.
        let try_it = async |peer: &Peer, it: Post| refused(post(peer, talk, &it).await);
        let edit = |target| Post::Edit { target, text: "x".to_owned(), format: TextFormat::Plain };
        let emoji = |target, emoji: &str| Post::React { target, emoji: emoji.to_owned(), back: false };
        ensure!(try_it(&ben, edit(tea)).await? == "only who wrote a message can do that", "another's text");
        ensure!(try_it(&ann, edit(poll)).await? == "only texts can be changed", "a poll");
        ensure!(try_it(&ann, edit(gone)).await? == "that message is gone", "what is gone");
        ensure!(
            try_it(&ben, Post::Delete { target: tea }).await?.starts_with("only who wrote a message, or an admin"),
            "two have no admin"
        );
        ensure!(try_it(&ben, Post::Vote { target: poll, options: vec![1] }).await? == "that poll is over", "after the end");
        ensure!(try_it(&ben, Post::Vote { target: tea, options: vec![1] }).await? == "that is no poll", "a text");
        ensure!(try_it(&ben, Post::EndPoll { target: poll }).await? == "only who wrote a message can do that", "another's poll");
        ensure!(try_it(&ben, emoji(tea, "ok")).await? == "a reaction is an emoji", "letters");
        ensure!(try_it(&ben, emoji(MessageId::from([9; 16]), "👍")).await? == "unknown", "no such message");
        ensure!(try_it(&ben, Post::Forward { from: talk, id: gone }).await? == "that can't be forwarded", "what is gone");
        let poll = |question: &str, options: &[&str]| Post::Poll {
            question: question.to_owned(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            several: true,
        };
        for wrong in
            [poll("", &["a", "b"]), poll("q", &["a"]), poll("q", &["a"; 13]), poll("q", &["a", " "]), poll("q", &["a", &"b".repeat(257)])]
        {
            try_it(&ann, wrong.clone()).await.with_context(|| format!("{wrong:?}"))?;
        }
        for number in 0..4 {
            let id = post(&ben, talk, &Post::plain(&format!("pin {number}"))).await?;
            post(&ben, talk, &Post::Pin { target: id, pinned: true }).await?;
        }
        let sixth = post(&ben, talk, &Post::plain("one too many")).await?;
        ensure!(try_it(&ben, Post::Pin { target: sixth, pinned: true }).await? == "five messages are pinned already", "a sixth");
        post(&ben, talk, &Post::Pin { target: tea, pinned: false }).await?;
        post(&ben, talk, &Post::Pin { target: sixth, pinned: true }).await?;
        settle(&[&ann, &ben]).await?;
        let pinned = ann.with(async |client| Ok(client.pinned_messages(talk)?)).await?;
        let pinned: Vec<_> = pinned.iter().map(|message| message.text.as_str()).collect();
        ensure!(pinned == ["one too many", "pin 3", "pin 2", "pin 1", "pin 0"], "{pinned:?}");
        check_same(&[&ann, &ben], talk).await
    })
    .unwrap();
}

#[test]
fn a_group_uses_everything_and_admins_delete_for_all() {
    simulate(async {
        let world = World::new(2)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben, cat) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?, world.person("cat", &sea).await?);
        let group = group_of(&ann, &[&ben, &cat]).await?;
        let all = [&ann, &ben, &cat];
        let (tea, _, _) = everything(&ann, &ben, group).await?;
        settle(&all).await?;
        check_same(&all, group).await?;
        let rude = post(&ben, group, &Post::plain("something rude")).await?;
        settle(&all).await?;
        let by_cat = refused(post(&cat, group, &Post::Delete { target: rude }).await)?;
        ensure!(by_cat.starts_with("only who wrote a message, or an admin"), "{by_cat}");
        let pin = refused(post(&cat, group, &Post::Pin { target: tea, pinned: false }).await)?;
        ensure!(pin == "only admins pin messages in this group", "{pin}");
        post(&ann, group, &Post::Delete { target: rude }).await?;
        settle(&all).await?;
        for peer in all {
            let rude = message(peer, group, rude).await?;
            let by = rude.content.deleted.context("deleted")?;
            ensure!(rude.text.is_empty() && by.handle.as_ref() == Some(&ann.handle), "{by:?}");
        }
        let called = post(&cat, group, &Post::marked("@ann and @ben.sea, @ben@sea.example: hi")).await?;
        settle(&all).await?;
        let mentions = message(&ben, group, called).await?.content.mentions;
        let called: Vec<_> = mentions.iter().map(|mention| (mention.start, mention.end, mention.own)).collect();
        ensure!(called == [(0, 4, false), (19, 35, true)], "{called:?}");
        check_same(&all, group).await
    })
    .unwrap();
}

#[test]
fn who_is_away_finds_everything_in_its_place_and_nothing_that_was_deleted() {
    simulate(async {
        let world = World::new(3)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben, cat) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?, world.person("cat", &sea).await?);
        let group = group_of(&ann, &[&ben, &cat]).await?;
        let before = cat.shown();
        let (_, _, gone) = everything(&ann, &ben, group).await?;
        tokio::time::sleep(30 * HOUR).await;
        settle(&[&ann, &ben, &cat]).await?;
        check_same(&[&ann, &ben, &cat], group).await?;
        let gone = message(&cat, group, gone).await?;
        ensure!(gone.text.is_empty() && gone.content.deleted.is_some(), "{gone:?}");
        ensure!(cat.shown() > before, "the rest was shown");
        // Nothing of it is in the profile, either.
        cat.close();
        let store = Store::open(cat.folder(), &StoreKey::from([7; 32]))?;
        let left = store.transaction(|tx| tx.message(group, gone.id))?.context("a tombstone")?;
        ensure!(left.text.is_empty() && left.content.is_none(), "{left:?}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_day_is_counted_by_the_servers_time() {
    simulate(async {
        let world = World::new(4)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
        let talk = pair_of(&ann, &ben).await?;
        let (kept, gone) = (post(&ann, talk, &Post::plain("kept")).await?, post(&ann, talk, &Post::plain("gone")).await?);
        let edit = |text: &str| Post::Edit { target: kept, text: text.to_owned(), format: TextFormat::Plain };
        settle(&[&ann, &ben]).await?;
        tokio::time::sleep(HOUR * 23).await;
        post(&ann, talk, &edit("in time")).await?;
        // Written in time, and sent too late: without a way to the server there is no time but one's own.
        world.network.kill(&sea);
        let late = post(&ann, talk, &edit("late")).await?;
        let late_too = post(&ann, talk, &Post::Delete { target: gone }).await?;
        ensure!(message(&ann, talk, kept).await?.text == "late", "shown at once to who wrote it");
        ensure!(message(&ann, talk, gone).await?.content.deleted.is_some(), "and this, too");
        tokio::time::sleep(HOUR * 2).await;
        world.network.start(&sea).await?;
        settle(&[&ann, &ben]).await?;
        for peer in [&ann, &ben] {
            ensure!(
                message(peer, talk, kept).await?.text == "in time",
                "{}: what came too late is as if it had not been",
                peer.handle.to_text()
            );
            ensure!(message(peer, talk, gone).await?.text == "gone", "{}: still there", peer.handle.to_text());
        }
        ensure!(late != late_too, "two entries");
        ensure!(refused(post(&ann, talk, &edit("too late")).await)?.contains("24 hours"), "told before it is sent");
        check_same(&[&ann, &ben], talk).await
    })
    .unwrap();
}

#[test]
fn what_is_done_twice_with_a_crash_in_between_is_done_once() {
    simulate(async {
        let world = World::new(5)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
        let talk = pair_of(&ann, &ben).await?;
        let target = post(&ann, talk, &Post::plain("target")).await?;
        settle(&[&ann, &ben]).await?;
        for polls in 0..12 {
            let react = Post::React { target, emoji: "👍".to_owned(), back: polls % 2 == 1 };
            ben.with_crash(polls, async |client| Ok(client.post(talk, &react).await?)).await?;
            let edit = Post::Edit { target, text: format!("text {polls}"), format: TextFormat::Plain };
            ann.with_crash(polls, async |client| Ok(client.post(talk, &edit).await?)).await?;
            ann.sync(Some(polls)).await?;
            ben.sync(Some(polls)).await?;
        }
        settle(&[&ann, &ben]).await?;
        ensure!(message(&ben, talk, target).await?.text == "text 11", "the last one, whatever happened");
        check_same(&[&ann, &ben], talk).await
    })
    .unwrap();
}

/// Puts other bytes in the place of what waits in the outbox: something that a newer version would write.
fn rewrite_outbox(peer: &Peer, id: MessageId, field: u8) -> anyhow::Result<()> {
    peer.close();
    let store = Store::open(peer.folder(), &StoreKey::from([7; 32]))?;
    store.transaction(|tx| {
        for head in tx.outbox_heads(None)? {
            for item in tx.outbox_of_log(head.log)? {
                let (true, Some(draft)) = (item.entry_id == id.into(), &item.content) else { continue };
                let content = proto::Content::decode(draft.as_slice()).unwrap();
                let mut bytes = proto::Content { body: None, ..content }.encode_to_vec();
                // A field of two bytes' number that no version knows yet, with three bytes in it.
                bytes.extend([field, 6, 3, 1, 2, 3]);
                tx.remove_outbox(item.number)?;
                tx.add_outbox(&NewOutboxItem {
                    kind: item.kind,
                    conversation: item.conversation,
                    server: &item.server,
                    log: item.log,
                    entry_id: item.entry_id,
                    after: 0,
                    content: Some(&bytes),
                    frame: None,
                })?;
            }
        }
        Ok::<_, alcyon_store::StoreError>(())
    })?;
    drop(store);
    peer.open()
}

#[test]
fn a_kind_of_a_newer_version_is_kept_in_its_place_and_read_when_it_is_known() {
    simulate(async {
        let world = World::new(6)?;
        let sea = world.server("sea.example").await?;
        let (ann, ben) = (world.person("ann", &sea).await?, world.person("ben", &sea).await?);
        let talk = pair_of(&ann, &ben).await?;
        world.network.kill(&sea);
        let before = post(&ann, talk, &Post::plain("before")).await?;
        let strange = post(&ann, talk, &Post::plain("strange")).await?;
        let after = post(&ann, talk, &Post::plain("after")).await?;
        rewrite_outbox(&ann, strange, 0x9a)?;
        world.network.start(&sea).await?;
        settle(&[&ann, &ben]).await?;
        let ids: Vec<_> = ben.history(talk).await?.iter().rev().take(3).map(|message| message.id).collect();
        ensure!(ids.contains(&strange) && ids.contains(&before) && ids.contains(&after), "each is there");
        let kept = message(&ben, talk, strange).await?;
        ensure!(kept.content.newer && kept.text.is_empty() && kept.position.is_some(), "{kept:?}");
        ensure!(!ben.alarms().contains(&AlarmKind::Unreadable), "no alarm: nothing is wrong");
        ben.close();
        let store = Store::open(ben.folder(), &StoreKey::from([7; 32]))?;
        let record = store.transaction(|tx| tx.message(talk, strange))?.context("kept")?;
        let bytes = record.content.context("its bytes")?;
        ensure!(
            record.kind == MessageKind::Newer && bytes.ends_with(&[0x9a, 6, 3, 1, 2, 3])
                || bytes.windows(6).any(|six| six == [0x9a, 6, 3, 1, 2, 3]),
            "{bytes:?}"
        );

        // What an older version has kept so, this one reads: a text, and an edit of it.
        drop(store);
        ben.open()?;
        let edit = post(&ann, talk, &Post::Edit { target: after, text: "after all".to_owned(), format: TextFormat::Plain }).await?;
        settle(&[&ann, &ben]).await?;
        ben.close();
        let store = Store::open(ben.folder(), &StoreKey::from([7; 32]))?;
        store.transaction(|tx| {
            for id in [after, edit] {
                tx.set_kind(talk, id, MessageKind::Newer, None)?;
                tx.set_text(talk, id, "")?;
            }
            Ok::<_, alcyon_store::StoreError>(())
        })?;
        drop(store);
        ben.open()?;
        let read = message(&ben, talk, after).await?;
        ensure!(read.text == "after all" && read.content.edited && !read.content.newer, "{read:?}");
        ensure!(message(&ben, talk, strange).await?.content.newer, "this one is still too new");
        check_same(&[&ben], talk).await
    })
    .unwrap();
}

/// What everybody does to each other's messages, with everything failing: in the end all see the same.
async fn storm(seed: u64, steps: usize) -> anyhow::Result<()> {
    let world = World::new(seed)?;
    let (sea, bay) = (world.server("sea.example").await?, world.server("bay.example").await?);
    let (ann, ben, cat) = (world.person("ann", &sea).await?, world.person("ben", &bay).await?, world.person("cat", &sea).await?);
    let group = group_of(&ann, &[&ben, &cat]).await?;
    let peers = [&ann, &ben, &cat];
    let mut chance = seed::generator(seed);
    for peer in peers {
        peer.faults.set_rates(FaultRates::ROUGH);
    }
    let mut written: Vec<MessageId> = Vec::new();
    for step in 0..steps {
        let peer = peers[chance.random_range(0..peers.len())];
        let target = written.get(chance.random_range(0..written.len().max(1))).copied();
        let text = format!("{step}");
        let it = match (chance.random_range(0..9), target) {
            (0 | 1, Some(target)) => {
                let emoji = if chance.random() { "👍" } else { "🌊" };
                Post::React { target, emoji: emoji.to_owned(), back: chance.random_range(0..3) == 0 }
            }
            (2, Some(target)) => Post::Edit { target, text, format: TextFormat::Marked },
            (3, Some(target)) if step % 3 == 0 => Post::Delete { target },
            (4, Some(target)) => Post::Vote { target, options: vec![chance.random_range(0..3)] },
            (5, Some(target)) => Post::Pin { target, pinned: chance.random() },
            (6, Some(target)) => Post::Text { text, format: TextFormat::Plain, reply_to: Some(target) },
            (7, _) => Post::Poll { question: text, options: vec!["a".to_owned(), "b".to_owned()], several: false },
            (8, Some(target)) => Post::EndPoll { target },
            _ => Post::plain(&text),
        };
        let stands = it.target().is_none();
        let polls = chance.random_range(1..200);
        let outcome = peer.with_crash(polls, async |client| match client.post(group, &it).await {
            Ok(SendOutcome::Sent { id, .. } | SendOutcome::Queued { id, .. }) => Ok(Some(id)),
            // Not here yet, or not allowed: what everybody would say.
            Err(ClientError::Unknown { .. } | ClientError::NotAllowed { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        });
        match outcome.await {
            Ok(id) => written.extend(id.flatten().filter(|_| stands)),
            Err(error) => weathered(Err(error))?,
        }
        if chance.random_range(0..3) == 0 {
            let crash = chance.random_range(0..4) == 0;
            weathered(peer.sync(crash.then(|| chance.random_range(1..200))).await.map(|_| ()))?;
        }
        tokio::time::sleep(Duration::from_secs(chance.random_range(1..120))).await;
    }
    world.calm(&peers, &[sea, bay]).await?;
    tokio::time::sleep(Duration::from_secs(300)).await;
    settle(&peers).await?;
    check_same(&peers, group).await.with_context(|| world.schedule(&peers))
}

#[test]
fn whatever_fails_all_see_the_same_in_the_end() {
    for seed in seed::seeds("ALCYON_CONTENT_SEEDS", 3) {
        simulate(storm(seed, 60)).unwrap();
    }
}
