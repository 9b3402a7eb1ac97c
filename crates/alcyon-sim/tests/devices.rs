//! Several devices of one account: the real client over simulated servers.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use alcyon_client::{ClientError, ConversationId, Message, ServerUrl};
use alcyon_sim::{
    person::{Person, text},
    process::{Profile, ServerSetup},
    world::{Peer, World, settle, simulate},
};
use anyhow::{bail, ensure};

async fn texts(peer: &Peer, conversation: ConversationId) -> anyhow::Result<Vec<String>> {
    let history: Vec<Message> = peer.history(conversation).await?;
    ensure!(history.is_sorted_by_key(|message| message.position), "out of order");
    Ok(history.into_iter().filter(|message| message.line.is_none()).map(|message| message.text).collect())
}

async fn own(peer: &Peer) -> anyhow::Result<ConversationId> {
    peer.with(async |client| Ok(client.find("self")?)).await
}

/// Time for what was refused with "later".
async fn pause() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

fn failed<T>(result: anyhow::Result<T>) -> anyhow::Result<&'static str> {
    match result {
        Ok(_) => bail!("it was allowed"),
        Err(error) => match error.downcast_ref::<ClientError>() {
            Some(error) => Ok(error.code()),
            None => Err(error),
        },
    }
}

fn calm(peers: &[&Peer]) -> anyhow::Result<()> {
    for peer in peers {
        ensure!(peer.alarms().is_empty(), "{}: alarms {:?}", peer.folder().display(), peer.alarms());
    }
    Ok(())
}

#[test]
fn a_note_to_oneself() {
    simulate(async {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let notes = own(&ann).await?;
        ann.send(notes, "bread", None).await?;
        settle(&[&ann]).await?;
        ensure!(own(&ann).await? == notes, "there is one");
        ensure!(texts(&ann, notes).await? == ["bread"], "{:?}", texts(&ann, notes).await?);
        let list = ann.with(async |client| Ok(client.conversations()?)).await?;
        ensure!(list.len() == 1 && list[0].own_devices && !list[0].group, "{list:?}");
        calm(&[&ann])
    })
    .unwrap();
}

#[test]
fn a_new_device_is_linked_and_both_write_notes() {
    simulate(async {
        let world = World::new(2)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let phone = world.device(&ann, "phone", &sea).await?;
        settle(&[&ann, &phone]).await?;
        let notes = own(&ann).await?;
        ensure!(own(&phone).await? == notes, "the same conversation");
        ann.send(notes, "from the desk", None).await?;
        settle(&[&ann, &phone]).await?;
        phone.send(notes, "from the phone", None).await?;
        settle(&[&ann, &phone]).await?;
        for peer in [&ann, &phone] {
            ensure!(texts(peer, notes).await? == ["from the desk", "from the phone"], "{:?}", texts(peer, notes).await?);
            let devices = peer.with(async |client| Ok(client.devices()?)).await?;
            ensure!(devices.len() == 2 && devices[1].name == "phone", "{devices:?}");
        }
        calm(&[&ann, &phone])
    })
    .unwrap();
}

#[test]
fn a_device_comes_into_every_conversation_by_itself() {
    simulate(async {
        let world = World::new(3)?;
        let (sea, land) = (world.server("sea.example").await?, world.server("land.example").await?);
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &land).await?;
        let eve = world.person("eve", &sea).await?;
        ann.knock(&ben, "hello Ben").await?;
        settle(&[&ann, &ben]).await?;
        ben.accept_all().await?;
        settle(&[&ann, &ben]).await?;
        let pair = ann.conversation(&ben)?;
        let group = eve.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        eve.with(async |client| Ok(client.invite(group, &[(ann.handle.clone(), None)]).await?)).await?;
        settle(&[&ann, &eve]).await?;
        ann.accept_all().await?;
        pause().await;
        settle(&[&ann, &ben, &eve]).await?;
        let phone = world.device(&ann, "phone", &land).await?;
        for _ in 0..3 {
            settle(&[&ann, &phone, &ben, &eve]).await?;
            pause().await;
        }
        ensure!(phone.conversation(&ben)? == pair, "the same conversation");
        // All hear all, whoever writes.
        for (peer, conversation, text) in [
            (&phone, pair, "phone to Ben"),
            (&ben, pair, "Ben to Ann"),
            (&ann, pair, "Ann to Ben"),
            (&phone, group, "phone to all"),
            (&eve, group, "Eve to all"),
            (&ann, group, "Ann to all"),
        ] {
            peer.send(conversation, text, None).await?;
            settle(&[&ann, &phone, &ben, &eve]).await?;
        }
        for peer in [&ann, &phone, &ben] {
            let texts = texts(peer, pair).await?;
            ensure!(texts == ["hello Ben", "phone to Ben", "Ben to Ann", "Ann to Ben"], "{texts:?}");
        }
        for peer in [&ann, &phone, &eve] {
            let texts = texts(peer, group).await?;
            ensure!(texts.ends_with(&["phone to all", "Eve to all", "Ann to all"].map(str::to_owned)), "{texts:?}");
            let view = peer.with(async |client| Ok(client.group(group)?)).await?;
            let devices: Vec<_> = view.members.iter().map(|member| member.devices).collect();
            ensure!(devices == [1, 2], "{devices:?}");
        }
        calm(&[&ann, &phone, &ben, &eve])
    })
    .unwrap();
}

#[test]
fn what_begins_on_one_device_reaches_the_other() {
    simulate(async {
        let world = World::new(4)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        let phone = world.device(&ann, "phone", &sea).await?;
        settle(&[&ann, &phone]).await?;
        // Knocked at: both see the request, one accepts.
        ben.knock(&ann, "hello Ann").await?;
        settle(&[&ben, &ann, &phone]).await?;
        for peer in [&ann, &phone] {
            ensure!(peer.with(async |client| Ok(client.requests()?)).await?.len() == 1, "one request");
        }
        phone.accept_all().await?;
        settle(&[&phone, &ann, &ben]).await?;
        pause().await;
        settle(&[&phone, &ann, &ben]).await?;
        ensure!(ann.with(async |client| Ok(client.requests()?)).await?.is_empty(), "decided on for both");
        // Knocks herself.
        ann.knock(&eve, "hello Eve").await?;
        settle(&[&ann, &phone, &eve]).await?;
        eve.accept_all().await?;
        for _ in 0..3 {
            settle(&[&ann, &phone, &eve, &ben]).await?;
            pause().await;
        }
        for (other, words) in [(&ben, "hello Ann"), (&eve, "hello Eve")] {
            let conversation = ann.conversation(other)?;
            ensure!(phone.conversation(other)? == conversation, "the same conversation");
            ann.send(conversation, "one", None).await?;
            settle(&[&ann, &phone, other]).await?;
            phone.send(conversation, "two", None).await?;
            settle(&[&ann, &phone, other]).await?;
            other.send(conversation, "three", None).await?;
            settle(&[&ann, &phone, other]).await?;
            for peer in [&ann, other] {
                ensure!(texts(peer, conversation).await? == [words, "one", "two", "three"], "{:?}", texts(peer, conversation).await?);
            }
            let texts = texts(&phone, conversation).await?;
            ensure!(texts.ends_with(&["one", "two", "three"].map(str::to_owned)), "{texts:?}");
        }
        calm(&[&ann, &phone, &ben, &eve])
    })
    .unwrap();
}

#[test]
fn a_new_device_gets_the_whole_history() {
    simulate(async {
        let world = World::new(6)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        ann.knock(&ben, "0").await?;
        settle(&[&ann, &ben]).await?;
        ben.accept_all().await?;
        settle(&[&ann, &ben]).await?;
        let pair = ann.conversation(&ben)?;
        // More than one part holds.
        for number in 1..=450 {
            let peer = if number % 3 == 0 { &ann } else { &ben };
            peer.send(pair, &number.to_string(), None).await?;
            if number % 50 == 0 {
                settle(&[&ann, &ben]).await?;
            }
        }
        settle(&[&ann, &ben]).await?;
        ann.with(async |client| Ok(client.mark_read(pair)?)).await?;
        ben.send(pair, "unread", None).await?;
        let notes = own(&ann).await?;
        ann.send(notes, "an old note", None).await?;
        settle(&[&ann, &ben]).await?;
        let phone = world.device(&ann, "phone", &sea).await?;
        for round in 0..6 {
            // Either may end at any moment.
            if round == 2 {
                ann.open()?;
                phone.open()?;
            }
            settle(&[&ann, &phone, &ben]).await?;
            pause().await;
        }
        for conversation in [pair, notes] {
            let ours = ann.history(conversation).await?;
            let theirs = phone.history(conversation).await?;
            let order = |history: &[Message]| -> Vec<_> {
                history.iter().map(|message| (message.id, message.position, message.text.clone(), message.own)).collect()
            };
            ensure!(order(&ours) == order(&theirs), "{:?}\n{:?}", order(&ours), order(&theirs));
            // Who looks at it meanwhile hears that there is more.
            ensure!(phone.was_told_of(conversation), "nobody said that the history came");
        }
        let list = phone.with(async |client| Ok(client.conversations()?)).await?;
        let unread: Vec<_> = list.iter().map(|one| (one.own_devices, one.unread)).collect();
        ensure!(unread.contains(&(false, 1)) && unread.contains(&(true, 0)), "{unread:?}");
        calm(&[&ann, &phone, &ben])
    })
    .unwrap();
}

#[test]
fn what_is_kept_and_read_on_one_device_is_so_on_the_other() {
    simulate(async {
        let world = World::new(7)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let phone = world.device(&ann, "phone", &sea).await?;
        ben.knock(&ann, "hello").await?;
        settle(&[&ben, &ann, &phone]).await?;
        ann.accept_all().await?;
        for _ in 0..2 {
            settle(&[&ben, &ann, &phone]).await?;
            pause().await;
        }
        let pair = ann.conversation(&ben)?;
        ben.send(pair, "read me", None).await?;
        settle(&[&ben, &ann, &phone]).await?;
        let summary = async |peer: &Peer| {
            let list = peer.with(async |client| Ok(client.conversations()?)).await?;
            list.into_iter().find(|one| one.conversation == pair).ok_or_else(|| anyhow::anyhow!("it is not there"))
        };
        ensure!(summary(&phone).await?.unread == 2, "unread at first");
        ann.with(async |client| Ok(client.mark_read(pair)?)).await?;
        phone.with(async |client| Ok(client.set_pinned(pair, true)?)).await?;
        settle(&[&ben, &ann, &phone]).await?;
        ensure!(summary(&phone).await?.unread == 0, "read on the other");
        ensure!(summary(&ann).await?.pinned, "pinned on the other");
        ann.with(async |client| Ok(client.block(&ben.handle).await?)).await?;
        settle(&[&ben, &ann, &phone]).await?;
        ensure!(summary(&phone).await?.blocked, "blocked on the other");
        phone.with(async |client| Ok(client.unblock(&ben.handle).await?)).await?;
        settle(&[&ben, &ann, &phone]).await?;
        ensure!(!summary(&ann).await?.blocked, "unblocked on the other");
        calm(&[&ann, &phone, &ben])
    })
    .unwrap();
}

#[test]
fn who_leaves_a_group_leaves_it_with_all_devices() {
    simulate(async {
        let world = World::new(12)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        let phone = world.device(&ann, "phone", &sea).await?;
        let group = eve.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        eve.with(async |client| Ok(client.invite(group, &[(ann.handle.clone(), None)]).await?)).await?;
        settle(&[&ann, &eve, &phone]).await?;
        phone.accept_all().await?;
        for _ in 0..3 {
            settle(&[&ann, &eve, &phone]).await?;
            pause().await;
        }
        eve.send(group, "for both", None).await?;
        settle(&[&ann, &eve, &phone]).await?;
        ann.with(async |client| Ok(client.leave(group).await?)).await?;
        settle(&[&ann, &eve, &phone]).await?;
        // The leaves go with the next commit.
        eve.with(async |client| Ok(client.set_title(group, "Sea").await?)).await?;
        eve.send(group, "for nobody", None).await?;
        settle(&[&ann, &eve, &phone]).await?;
        for peer in [&ann, &phone] {
            let texts = texts(peer, group).await?;
            ensure!(texts == ["for both"], "{texts:?}");
            ensure!(failed(peer.with(async |client| Ok(client.group(group)?)).await)? == "left", "it is over on both");
        }
        let view = eve.with(async |client| Ok(client.group(group)?)).await?;
        ensure!(view.members.len() == 1, "{view:?}");
        calm(&[&ann, &eve, &phone])
    })
    .unwrap();
}

#[test]
fn what_one_device_changes_of_a_group_is_news_on_the_other() {
    simulate(async {
        let world = World::new(14)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        let phone = world.device(&ann, "phone", &sea).await?;
        let group = ann.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        ann.with(async |client| Ok(client.invite(group, &[(eve.handle.clone(), None)]).await?)).await?;
        settle(&[&ann, &eve, &phone]).await?;
        eve.accept_all().await?;
        for _ in 0..3 {
            settle(&[&ann, &eve, &phone]).await?;
            pause().await;
        }
        let before = phone.shown();
        let (heard, done) =
            tokio::join!(phone.listen(Duration::from_secs(30)), ann.with(async |client| Ok(client.set_title(group, "Sea").await?)));
        heard?;
        done?;
        ensure!(phone.shown() == before + 1, "{} more", phone.shown() - before);
        settle(&[&ann, &eve, &phone]).await?;
        calm(&[&ann, &eve, &phone])
    })
    .unwrap();
}

#[test]
fn a_device_that_is_removed_reads_nothing_more() {
    simulate(async {
        let world = World::new(8)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        ann.knock(&ben, "hello").await?;
        settle(&[&ann, &ben]).await?;
        ben.accept_all().await?;
        let group = eve.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        eve.with(async |client| Ok(client.invite(group, &[(ann.handle.clone(), None)]).await?)).await?;
        settle(&[&ann, &ben, &eve]).await?;
        ann.accept_all().await?;
        pause().await;
        let phone = world.device(&ann, "phone", &sea).await?;
        let laptop = world.device(&ann, "laptop", &sea).await?;
        let everybody = [&ann, &phone, &laptop, &ben, &eve];
        for _ in 0..4 {
            settle(&everybody).await?;
            pause().await;
        }
        let pair = ann.conversation(&ben)?;
        // The laptop, which has not added it, removes the phone.
        laptop.with(async |client| Ok(client.remove_device("phone").await?)).await?;
        for _ in 0..3 {
            settle(&[&laptop, &ann, &ben, &eve]).await?;
            pause().await;
        }
        let notes = own(&ann).await?;
        for (peer, conversation, text) in
            [(&ben, pair, "not for the phone"), (&ann, pair, "nor this"), (&eve, group, "nor that"), (&laptop, group, "nor those")]
        {
            peer.send(conversation, text, None).await?;
            settle(&[&laptop, &ann, &ben, &eve]).await?;
        }
        ann.send(notes, "nor a note", None).await?;
        settle(&[&laptop, &ann, &ben, &eve]).await?;
        for peer in [&ann, &laptop] {
            let devices = peer.with(async |client| Ok(client.devices()?)).await?;
            ensure!(devices.len() == 2, "{devices:?}");
            ensure!(texts(peer, pair).await?.ends_with(&["not for the phone", "nor this"].map(str::to_owned)), "all there");
            ensure!(texts(peer, group).await?.ends_with(&["nor that", "nor those"].map(str::to_owned)), "all there");
            let view = peer.with(async |client| Ok(client.group(group)?)).await?;
            ensure!(view.members.iter().any(|member| member.own && member.devices == 2), "{view:?}");
        }
        // It says so, and stops.
        let synced = phone.with(async |client| Ok(client.sync().await?)).await;
        let told = match synced {
            Ok(_) => failed(phone.with(async |client| Ok(client.sync().await?)).await)?,
            Err(error) => failed::<()>(Err(error))?,
        };
        ensure!(told == "device-removed", "{told}");
        ensure!(failed(phone.with(async |client| Ok(client.send(pair, "x").await?)).await)? == "device-removed", "it stops");
        // Nor is there anything of it in its database.
        let store = {
            phone.close();
            alcyon_client::Store::open(phone.folder(), &alcyon_store::StoreKey::from([7; 32]))?
        };
        let found = store.transaction(|tx| {
            let mut texts = Vec::new();
            for conversation in tx.conversations()? {
                texts.extend(tx.history(conversation.conversation, None, None)?.into_iter().map(|message| message.text));
            }
            Ok::<_, alcyon_store::StoreError>(texts)
        })?;
        ensure!(!found.iter().any(|text| text.starts_with("not for") || text.starts_with("nor")), "{found:?}");
        calm(&[&ann, &laptop, &ben, &eve])
    })
    .unwrap();
}

/// Links a device while both programs die again and again, each at another moment, and are started anew.
async fn link_through_crashes(world: &World, ann: &Peer, sea: &ServerUrl, every: u32) -> anyhow::Result<Peer> {
    let phone = world.profile(&format!("phone {every}"), ann.handle.clone())?;
    let mut polls = every;
    let mut more = || {
        polls += every;
        polls
    };
    let code = loop {
        if let Some(code) = phone.with_crash(more(), async |client| Ok(client.link_code(sea, "phone").await?)).await? {
            break code;
        }
    };
    let numbers = loop {
        let (new, old) = (more(), more());
        let shown = phone.with_crash(new, async |client| Ok(client.link_number().await?));
        let asked = ann.with_crash(old, async |client| Ok(client.add_device(&code).await?));
        match futures::future::join(shown, asked).await {
            (Ok(Some(shown)), Ok(Some(asked))) => break (shown.number, asked.number),
            // The other one was dead for too long.
            (_, Err(error)) => ensure!(failed::<()>(Err(error))? == "no-answer", "no other reason"),
            (Err(error), _) => return Err(error),
            _ => {}
        }
    };
    ensure!(numbers.0 == numbers.1, "the same number, whatever has died: {numbers:?}");
    let mut confirmed = false;
    loop {
        let (new, old) = (more(), more());
        let finishing = phone.with_crash(new, async |client| Ok(client.link_finish().await?));
        let confirming = ann.with_crash(old, async |client| {
            if confirmed {
                client.sync().await?;
            } else {
                client.confirm_device(&code).await?;
            }
            Ok(())
        });
        match futures::future::join(finishing, confirming).await {
            (Ok(Some(me)), _) => {
                ensure!(me.handle == ann.handle, "the account");
                return Ok(phone);
            }
            (Err(error), _) => match failed::<()>(Err(error))? {
                // It had become a device in the moment before it died.
                "code-over" if phone.with(async |client| Ok(client.me()?)).await.is_ok() => return Ok(phone),
                other => bail!("{other}"),
            },
            (Ok(None), done) => confirmed |= matches!(done, Ok(Some(()))),
        }
    }
}

#[test]
fn a_device_is_linked_whoever_dies_in_the_middle() {
    simulate(async {
        let world = World::new(10)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        ann.knock(&ben, "hello").await?;
        settle(&[&ann, &ben]).await?;
        ben.accept_all().await?;
        settle(&[&ann, &ben]).await?;
        let mut devices = Vec::new();
        for every in [1, 2, 3, 5] {
            devices.push(link_through_crashes(&world, &ann, &sea, every).await?);
        }
        let mut all: Vec<&Peer> = devices.iter().chain([&ann, &ben]).collect();
        // Coming in and telling the history, too, end at any moment.
        for polls in 1..40 {
            for peer in &all {
                peer.sync(Some(polls)).await?;
            }
        }
        for _ in 0..4 {
            settle(&all).await?;
            pause().await;
        }
        let pair = ann.conversation(&ben)?;
        for (number, peer) in all.iter().enumerate() {
            peer.send(pair, &format!("from {number}"), None).await?;
        }
        settle(&all).await?;
        let whole = texts(&ann, pair).await?;
        ensure!(whole.len() == 1 + all.len(), "{whole:?}");
        for peer in all.drain(..) {
            ensure!(texts(peer, pair).await? == whole, "{:?} is not {whole:?}", texts(peer, pair).await?);
            let devices = peer.with(async |client| Ok(client.devices()?)).await?;
            ensure!(devices.len() == if peer.handle == ann.handle { 5 } else { 1 }, "{devices:?}");
        }
        calm(&devices.iter().chain([&ann, &ben]).collect::<Vec<_>>())
    })
    .unwrap();
}

#[test]
fn two_devices_that_add_one_each_at_once_both_succeed() {
    simulate(async {
        let world = World::new(11)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let phone = world.device(&ann, "phone", &sea).await?;
        settle(&[&ann, &phone]).await?;
        let (one, two) = (world.device(&ann, "one", &sea), world.device(&phone, "two", &sea));
        let (one, two) = futures::future::try_join(one, two).await?;
        let all = [&ann, &phone, &one, &two];
        for _ in 0..3 {
            settle(&all).await?;
            pause().await;
        }
        for peer in all {
            let devices = peer.with(async |client| Ok(client.devices()?)).await?;
            ensure!(devices.len() == 4, "{devices:?}");
        }
        let notes = own(&ann).await?;
        two.send(notes, "all here", None).await?;
        settle(&all).await?;
        for peer in all {
            ensure!(texts(peer, notes).await? == ["all here"], "{:?}", texts(peer, notes).await?);
        }
        calm(&all)
    })
    .unwrap();
}

#[test]
fn an_account_has_ten_devices_at_most() {
    simulate(async {
        let world = World::new(9)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let mut devices = Vec::new();
        for number in 2..=10 {
            devices.push(world.device(&ann, &format!("device {number}"), &sea).await?);
            settle(&[&ann]).await?;
        }
        let eleventh = world.profile("eleventh", ann.handle.clone())?;
        let code = eleventh.with(async |client| Ok(client.link_code(&sea, "eleventh").await?)).await?;
        let refused = ann.with(async |client| Ok(client.add_device(&code).await?)).await;
        ensure!(failed(refused)? == "too-many-devices", "there is no room");
        for _ in 0..4 {
            settle(&devices.iter().chain([&ann]).collect::<Vec<_>>()).await?;
            pause().await;
        }
        let notes = own(&ann).await?;
        devices[8].send(notes, "from the tenth", None).await?;
        settle(&devices.iter().chain([&ann]).collect::<Vec<_>>()).await?;
        for peer in devices.iter().chain([&ann]) {
            ensure!(texts(peer, notes).await? == ["from the tenth"], "{:?}", texts(peer, notes).await?);
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_code_is_good_once_and_only_as_it_is_shown() {
    simulate(async {
        let world = World::new(5)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        let phone = world.profile("phone", ann.handle.clone())?;
        let code = phone.with(async |client| Ok(client.link_code(&sea, "phone").await?)).await?;
        // The same code again, after a restart.
        phone.open()?;
        let again = phone.with(async |client| Ok(client.link_code(&sea, "phone").await?)).await?;
        ensure!(again.to_text() == code.to_text(), "the same code");
        // Eve has seen the code and answers first; nothing is confirmed at Ann's.
        let showing = phone.with(async |client| Ok(client.link_number().await?));
        let adding = eve.with(async |client| Ok(client.add_device(&code).await?));
        let (shown, _) = futures::future::try_join(showing, adding).await?;
        ensure!(shown.handle == eve.handle, "it shows who has answered");
        let late = ann.with(async |client| Ok(client.add_device(&code).await?)).await;
        ensure!(failed(late)? == "code-used", "Ann is told");
        // Eve says no. The phone begins anew.
        eve.with(async |client| Ok(client.refuse_device(&code).await?)).await?;
        let ended = phone.with(async |client| Ok(client.link_finish().await?)).await;
        ensure!(failed(ended)? == "link-refused", "the phone is told");
        let device = world.device(&ann, "laptop", &sea).await?;
        settle(&[&ann, &device]).await?;
        // A code that somebody has altered.
        let tablet = world.profile("tablet", ann.handle.clone())?;
        let code = tablet.with(async |client| Ok(client.link_code(&sea, "tablet").await?)).await?;
        let other = world.profile("other", ann.handle.clone())?;
        let others = other.with(async |client| Ok(client.link_code(&sea, "other").await?)).await?;
        let (place, first) = code.to_text().rsplit_once('#').map(|(place, rest)| (place.to_owned(), rest.to_owned())).unwrap();
        let second = others.to_text().rsplit_once('#').unwrap().1.to_owned();
        let cut = first.len() / 2;
        let mixed = format!("{place}#{}{}", &first[..cut], &second[cut..]);
        if let Ok(mixed) = mixed.parse::<alcyon_client::DeviceCode>() {
            let result = ann.with(async |client| Ok(client.add_device(&mixed).await?)).await;
            ensure!(failed(result)? == "code-over", "not what the device shows");
        }
        // One that nobody answers from behind.
        let silent = ann.with(async |client| Ok(client.add_device(&code).await?)).await;
        ensure!(failed(silent)? == "no-answer", "nobody is showing it");
        Ok(())
    })
    .unwrap();
}

/// The real programs and a real server: linked, both write and read, one is removed.
#[test]
fn with_the_real_programs() {
    let run = || -> anyhow::Result<()> {
        let within = Duration::from_secs(60);
        let folder = tempfile::tempdir()?;
        let server = ServerSetup::new(&folder.path().join("server")).start()?;
        let ann = Person::register(folder.path(), "ann", &server)?;
        let ben = Person::register(folder.path(), "ben", &server)?;
        ann.start(&ben, "hello Ben")?;
        ben.sync()?;
        ben.accept_one()?;
        ann.sync()?;
        let profile = Profile::new(&folder.path().join("phone"));
        let url = server.url().to_text();
        let linking = profile.start(["device", "link", "--server", &url, "--name", "phone"])?;
        let code = text(&linking.line(within)?, "code")?;
        // Nobody is asked in a script: without --yes the answer is no.
        let refused = ann.profile.run(["device", "add", &code])?.all()?;
        ensure!(text(refused.last().unwrap(), "event")? == "device-refused", "{refused:?}");
        ensure!(text(&linking.line(within)?, "event")? == "device-number", "it was answered");
        ensure!(linking.finish(within)?.is_empty(), "and refused");

        let linking = profile.start(["device", "link", "--server", &url, "--name", "phone"])?;
        let code = text(&linking.line(within)?, "code")?;
        let added = ann.profile.run(["device", "add", &code, "--yes"])?.all()?;
        let shown = linking.line(within)?;
        ensure!(text(&added[0], "number")? == text(&shown, "number")? && text(&shown, "handle")? == ann.handle, "{added:?} {shown}");
        ensure!(text(added.last().unwrap(), "event")? == "device-added", "{added:?}");
        ensure!(text(&linking.line(within)?, "event")? == "device-linked", "linked");
        linking.finish(within)?;
        let phone = Person { profile, ..ann.clone() };
        let all_there = |person: &Person, with: &str, wanted: &[&str]| -> anyhow::Result<bool> {
            let history = person.history(with).unwrap_or_default();
            Ok(wanted.iter().all(|wanted| history.iter().any(|message| message.text == *wanted)))
        };
        // Each command does what it can: commits are paced.
        let until = Instant::now() + Duration::from_secs(120);
        while !all_there(&phone, &ben.handle, &["hello Ben"])? {
            ensure!(Instant::now() < until, "the history did not come: {:?}", phone.profile.run(["conversations"])?.all()?);
            ann.sync()?;
            phone.sync()?;
        }
        phone.send(&ben.handle, "from the phone")?;
        ann.send("self", "a note")?;
        let until = Instant::now() + Duration::from_secs(120);
        while !(all_there(&ann, &ben.handle, &["from the phone"])?
            && all_there(&ben, &ann.handle, &["from the phone"])?
            && all_there(&phone, "self", &["a note"])?)
        {
            ensure!(Instant::now() < until, "not heard everywhere");
            for person in [&ann, &ben, &phone] {
                person.sync()?;
            }
        }
        let devices = ann.profile.run(["device", "list"])?.all()?;
        ensure!(devices.len() == 2 && text(&devices[1], "name")? == "phone", "{devices:?}");
        ann.profile.run(["device", "name", "phone", "old phone"])?.all()?;
        ann.profile.run(["device", "remove", "old phone", "--yes"])?.all()?;
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let synced = phone.profile.run(["sync"])?;
            if synced.code != Some(0) {
                ensure!(text(&synced.error()?, "error")? == "device-removed", "{synced:?}");
                break;
            }
            ensure!(Instant::now() < until, "it was not told");
            ann.sync()?;
        }
        Ok(())
    };
    run().unwrap();
}
