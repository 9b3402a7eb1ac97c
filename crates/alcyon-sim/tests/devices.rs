//! Several devices of one account: the real client over simulated servers.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use alcyon_client::{ClientError, ConversationId, Message};
use alcyon_sim::world::{Peer, World, settle, simulate};
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

/// What a device knows, for whoever reads a failure.
async fn known(peer: &Peer) -> String {
    let list = peer.with(async |client| Ok(client.conversations()?)).await.unwrap_or_default();
    let list: Vec<_> = list.iter().map(|one| format!("{:?} {:?} {:?} {:?}", one.title, one.standing, one.unread, one.alarm)).collect();
    format!("{}: {list:?} {:?}", peer.folder().display(), peer.alarms())
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
        eprintln!("{}\n{}", known(&ann).await, known(&phone).await);
        for conversation in [pair, notes] {
            let ours = ann.history(conversation).await?;
            let theirs = phone.history(conversation).await?;
            let order = |history: &[Message]| -> Vec<_> {
                history.iter().map(|message| (message.id, message.position, message.text.clone(), message.own)).collect()
            };
            ensure!(order(&ours) == order(&theirs), "{:?}\n{:?}", order(&ours), order(&theirs));
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
        for peer in everybody {
            eprintln!("{}", known(peer).await);
        }
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
