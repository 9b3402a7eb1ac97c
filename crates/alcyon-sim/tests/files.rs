//! Files between people: through faults and killed servers, paused, cancelled, damaged, and with the program dying in between.
#![allow(clippy::unwrap_used)]

use std::{
    cell::Cell,
    io::{self, Write},
    time::Duration,
};

use alcyon_client::{
    AttachmentView, ClientError, ConversationId, Event, FileDetails, FileRoom, FileView, MessageId, NewFile, Patience, Post, TransferState,
    TransferView,
};
use alcyon_sim::{
    fault::FaultRates,
    room::MemoryRoom,
    seed,
    world::{Peer, World, pair_of, settle, simulate},
};
use alcyon_wire::{ServerUrl, limits};
use anyhow::{Context, bail, ensure};

const MEBIBYTE: usize = 1 << 20;

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|index| u8::try_from(index * 7 % 253).unwrap()).collect()
}

fn new<'a>(name: &'a str, file: &[u8]) -> NewFile<'a> {
    NewFile { name, size: file.len() as u64, ..NewFile::default() }
}

async fn attach(peer: &Peer, to: ConversationId, name: &str, file: &[u8], room: &MemoryRoom) -> anyhow::Result<TransferView> {
    peer.with(async |client| Ok(client.attach(to, &new(name, file), &mut &*file, room).await?)).await
}

/// Carries until nothing goes any more, however often it has to be taken up.
async fn carry(peer: &Peer, room: &MemoryRoom, mut on_progress: impl FnMut(&TransferView)) -> anyhow::Result<()> {
    for _ in 0..200 {
        // Given up and taken up again, as people do when it takes long.
        let carried = peer
            .with(async |client| {
                let carrying = client.carry_files(room, Patience::Short, &mut on_progress);
                Ok(tokio::time::timeout(Duration::from_secs(300), carrying).await.ok().transpose()?)
            })
            .await?;
        if carried.is_some_and(|carried| carried.waiting == 0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    bail!("it never ends")
}

async fn only_file(peer: &Peer, conversation: ConversationId) -> anyhow::Result<FileView> {
    let files = peer.with(async |client| Ok(client.files(conversation)?)).await?;
    let [file] = &files[..] else { bail!("one file, not {}", files.len()) };
    Ok(file.clone())
}

async fn save(peer: &Peer, id: MessageId, room: &MemoryRoom) -> anyhow::Result<Vec<u8>> {
    peer.with(async |client| {
        let mut saved = Vec::new();
        client.save_file(id, room, &mut saved).await?;
        client.drop_fetched(id, room)?;
        Ok(saved)
    })
    .await
}

struct Pair {
    world: World,
    server: ServerUrl,
    ann: Peer,
    ben: Peer,
    ann_room: MemoryRoom,
    ben_room: MemoryRoom,
    talk: ConversationId,
}

async fn pair(seed: u64) -> anyhow::Result<Pair> {
    let world = World::new(seed)?;
    let server = world.server("sea.example").await?;
    let (ann, ben) = (world.person("ann", &server).await?, world.person("ben", &server).await?);
    let talk = pair_of(&ann, &ben).await?;
    Ok(Pair { world, server, ann, ben, ann_room: MemoryRoom::default(), ben_room: MemoryRoom::default(), talk })
}

#[test]
fn a_file_gets_through_fifty_faults_and_five_kills_as_it_was() {
    simulate(async {
        let Pair { world, server, ann, ben, ann_room, ben_room, talk } = pair(seed::given().unwrap_or(1)).await?;
        let file = pattern(24 * MEBIBYTE + 12_345);
        let name = "../a\u{202e}b/holiday.mp4";
        attach(&ann, talk, name, &file, &ann_room).await?;
        let (kills, faults) = (Cell::new(0), || world.schedule(&[&ann, &ben]).lines().count());
        let before = faults();
        let stormy = FaultRates { request: 500, ..FaultRates::NONE };
        ann.faults.set_rates(stormy);
        ben.faults.set_rates(stormy);
        // The server dies at every fifth piece, and is there again after a while.
        let (dead, mut deaths) = tokio::sync::mpsc::unbounded_channel();
        let pieces = Cell::new(0);
        let killing = |_: &TransferView| {
            pieces.set(pieces.get() + 1);
            if pieces.get() % 5 == 0 {
                world.network.kill(&server);
                kills.set(kills.get() + 1);
                let _ = dead.send(());
            }
        };
        let reviving = async {
            while deaths.recv().await.is_some() {
                tokio::time::sleep(Duration::from_millis(700)).await;
                world.network.start(&server).await?;
            }
            Ok::<_, anyhow::Error>(())
        };
        let working = async {
            carry(&ann, &ann_room, killing).await?;
            ann.faults.set_rates(FaultRates::NONE);
            ben.faults.set_rates(FaultRates::NONE);
            tokio::time::sleep(Duration::from_secs(5)).await;
            settle(&[&ann, &ben]).await?;
            ben.faults.set_rates(stormy);
            let found = only_file(&ben, talk).await?;
            let attachment = AttachmentView {
                name: "holiday.mp4".to_owned(),
                media_type: "video/mp4".to_owned(),
                size: file.len() as u64,
                details: FileDetails::default(),
                gone: false,
            };
            ensure!(found.attachment == attachment, "{found:?}");
            ensure!(found.from.as_ref() == Some(&ann.handle) && !found.own);
            ben.with(async |client| Ok(client.fetch_file(found.id)?)).await?;
            carry(&ben, &ben_room, killing).await?;
            ensure!(save(&ben, found.id, &ben_room).await? == file, "byte for byte");
            Ok::<_, anyhow::Error>(())
        };
        tokio::select! {
            done = working => done?,
            ended = reviving => bail!("{ended:?}"),
        }
        let faults = faults() - before;
        ensure!(faults >= 50 && kills.get() >= 5, "{faults} faults and {} kills", kills.get());
        ensure!(ann_room.names()?.is_empty() && ben_room.names()?.is_empty(), "nothing is left on the way");
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_program_may_die_at_any_moment_and_the_message_goes_out_once() {
    simulate(async {
        let Pair { world: _world, server: _, ann, ben, ann_room, ben_room, talk } = pair(2).await?;
        let file = pattern(3 * MEBIBYTE);
        attach(&ann, talk, "notes.txt", &file, &ann_room).await?;
        for polls in 1..40 {
            let carried =
                ann.with_crash(polls * 3, async |client| Ok(client.carry_files(&ann_room, Patience::Short, |_| ()).await?)).await?;
            if carried.is_none() {
                ann.open()?;
            }
        }
        carry(&ann, &ann_room, |_| ()).await?;
        settle(&[&ann, &ben]).await?;
        let found = only_file(&ben, talk).await?;
        ben.with(async |client| Ok(client.fetch_file(found.id)?)).await?;
        for polls in 1..40 {
            let carried =
                ben.with_crash(polls * 3, async |client| Ok(client.carry_files(&ben_room, Patience::Short, |_| ()).await?)).await?;
            if carried.is_none() {
                ben.open()?;
            }
        }
        carry(&ben, &ben_room, |_| ()).await?;
        ensure!(save(&ben, found.id, &ben_room).await? == file);
        Ok(())
    })
    .unwrap();
}

#[test]
fn paused_resumed_cancelled_and_forwarded() {
    simulate(async {
        let Pair { world: _world, server: _, ann, ben, ann_room, ben_room, talk } = pair(3).await?;
        let file = pattern(5 * MEBIBYTE);
        let first = attach(&ann, talk, "first.bin", &file, &ann_room).await?;
        let second = attach(&ann, talk, "second.bin", &file, &ann_room).await?;
        ann.with(async |client| {
            // Paused in the middle.
            client
                .carry_files(&ann_room, Patience::Short, |view| {
                    if view.done > 0 && view.id == first.id && view.done < view.total {
                        let _ = client.pause_transfer(first.id);
                    }
                })
                .await?;
            let views = client.transfers()?;
            let [paused] = &views[..] else { bail!("the second is over: {views:?}") };
            ensure!(paused.id == first.id && paused.state == TransferState::Paused && paused.done > 0, "{paused:?}");
            client.resume_transfer(first.id)?;
            client.carry_files(&ann_room, Patience::Short, |_| ()).await?;
            ensure!(client.transfers()?.is_empty());
            let third = client.attach(talk, &new("third.bin", &file), &mut &*file, &ann_room).await?;
            ensure!(client.cancel_transfer(third.id, &ann_room)?.state == TransferState::Cancelled);
            ensure!(client.transfers()?.is_empty() && ann_room.names()?.is_empty());
            Ok(())
        })
        .await?;
        settle(&[&ann, &ben]).await?;
        let files = ben.with(async |client| Ok(client.files(talk)?)).await?;
        ensure!(files.iter().map(|file| file.id).collect::<Vec<_>>() == [second.id, first.id], "in the order in which they got there");
        ben.with(async |client| Ok(client.post(talk, &Post::Forward { from: talk, id: first.id }).await?)).await?;
        settle(&[&ann, &ben]).await?;
        let files = ann.with(async |client| Ok(client.files(talk)?)).await?;
        let forwarded = files.last().context("the forwarded one")?;
        ensure!(!forwarded.own && files.len() == 3);
        ann.with(async |client| Ok(client.fetch_file(forwarded.id)?)).await?;
        carry(&ann, &ann_room, |_| ()).await?;
        ensure!(save(&ann, forwarded.id, &ann_room).await? == file);
        // What is deleted can't be fetched, and what was fetched of it goes.
        ben.with(async |client| Ok(client.fetch_file(first.id)?)).await?;
        carry(&ben, &ben_room, |_| ()).await?;
        ensure!(!ben_room.names()?.is_empty());
        ann.with(async |client| Ok(client.post(talk, &Post::Delete { target: first.id }).await?)).await?;
        settle(&[&ann, &ben]).await?;
        carry(&ben, &ben_room, |_| ()).await?;
        ensure!(ben_room.names()?.is_empty());
        let gone = ben.with(async |client| Ok(client.fetch_file(first.id)?)).await;
        ensure!(matches!(gone.unwrap_err().downcast_ref(), Some(ClientError::Unknown { .. })));
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_was_damaged_on_the_way_is_told_and_can_be_fetched_again() {
    simulate(async {
        let Pair { world, server, ann, ben, ann_room, ben_room, talk } = pair(4).await?;
        let file = pattern(MEBIBYTE);
        let empty = attach(&ann, talk, "empty", b"", &ann_room).await?;
        carry(&ann, &ann_room, |_| ()).await?;
        let sent = attach(&ann, talk, &"x".repeat(4_000), &file, &ann_room).await?;
        ensure!(sent.name.len() == 200);
        carry(&ann, &ann_room, |_| ()).await?;
        settle(&[&ann, &ben]).await?;
        for id in [empty.id, sent.id] {
            ensure!(matches!(save(&ben, id, &ben_room).await.unwrap_err().downcast_ref(), Some(ClientError::Unknown { .. })));
            ben.with(async |client| Ok(client.fetch_file(id)?)).await?;
            ensure!(matches!(save(&ben, id, &ben_room).await.unwrap_err().downcast_ref(), Some(ClientError::NotFetched)));
        }
        carry(&ben, &ben_room, |_| ()).await?;
        ben_room.damage();
        let told = save(&ben, sent.id, &ben_room).await.unwrap_err();
        ensure!(matches!(told.downcast_ref(), Some(ClientError::File(_))), "{told:?}");
        ben.with(async |client| Ok(client.fetch_file(sent.id)?)).await?;
        carry(&ben, &ben_room, |_| ()).await?;
        ensure!(save(&ben, sent.id, &ben_room).await? == file);
        // Past the retention the server has it no more, and that is said.
        world.network.age(&server, Duration::from_secs(32 * 24 * 60 * 60)).await?;
        tokio::time::sleep(Duration::from_secs(2 * 60 * 60)).await;
        ben.with(async |client| Ok(client.fetch_file(sent.id)?)).await?;
        carry(&ben, &ben_room, |_| ()).await?;
        let views = ben.with(async |client| Ok(client.transfers()?)).await?;
        let failed = views.iter().find(|view| view.id == sent.id).context("it is still there")?;
        ensure!(matches!(&failed.state, TransferState::Failed { reason } if reason.contains("any more")), "{failed:?}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_is_to_be_seen_once_is_seen_once() {
    simulate(async {
        let Pair { world: _world, server: _, ann, ben, ann_room, ben_room, talk } = pair(7).await?;
        let file = pattern(100_000);
        let details = FileDetails {
            pixels: Some((40, 30)),
            thumbnail: vec![1; 100],
            placeholder: vec![2; 25],
            view_once: true,
            sticker: false,
            voice: None,
        };
        let sent = NewFile { media_type: Some("image/jpeg"), details: details.clone(), ..new("secret", &file) };
        let id = ann.with(async |client| Ok(client.attach(talk, &sent, &mut &*file, &ann_room).await?.id)).await?;
        carry(&ann, &ann_room, |_| ()).await?;
        settle(&[&ann, &ben]).await?;
        let AttachmentView { name, media_type, size, details: seen, gone } = only_file(&ben, talk).await?.attachment;
        ensure!((name.as_str(), media_type.as_str(), size, gone) == ("secret", "image/jpeg", 100_000, false));
        ensure!(seen == FileDetails { thumbnail: Vec::new(), ..details }, "no thumbnail gives it away");
        let own = ann.with(async |client| Ok(client.fetch_file(id)?)).await.unwrap_err();
        ensure!(matches!(own.downcast_ref(), Some(ClientError::NotAllowed { .. })), "its sender does not fetch it");
        let forwarded = ben.with(async |client| Ok(client.post(talk, &Post::Forward { from: talk, id }).await?)).await.unwrap_err();
        ensure!(matches!(forwarded.downcast_ref(), Some(ClientError::NotAllowed { .. })), "{forwarded:?}");
        // Fetched and not opened yet, it can be cancelled and fetched again.
        ben.with(async |client| Ok(client.fetch_file(id)?)).await?;
        ben.with(async |client| Ok(client.cancel_transfer(id, &ben_room)?)).await?;
        ben.with(async |client| Ok(client.fetch_file(id)?)).await?;
        carry(&ben, &ben_room, |_| ()).await?;
        ensure!(save(&ben, id, &ben_room).await? == file);
        let left = only_file(&ben, talk).await?.attachment;
        ensure!(left.gone && left.details == FileDetails { view_once: true, ..FileDetails::default() }, "{left:?}");
        let again = ben.with(async |client| Ok(client.fetch_file(id)?)).await.unwrap_err();
        ensure!(matches!(again.downcast_ref(), Some(ClientError::NotAllowed { .. })), "{again:?}");
        ensure!(ben_room.names()?.is_empty());
        Ok(())
    })
    .unwrap();
}

/// One device shows it, and on the other it can't be opened any more: not where it was fetched already, and not where the message
/// comes after that word.
#[test]
fn what_is_seen_once_is_seen_on_one_device() {
    simulate(async {
        let Pair { world, server, ann, ben, ann_room, ben_room, talk } = pair(8).await?;
        let tablet = world.device(&ben, "tablet", &server).await?;
        let tablet_room = MemoryRoom::default();
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(60)).await;
            settle(&[&ann, &ben, &tablet]).await?;
        }
        let file = pattern(10_000);
        let details = FileDetails { view_once: true, ..FileDetails::default() };
        let mut sent = Vec::new();
        for name in ["first", "second"] {
            let new = NewFile { details: details.clone(), ..new(name, &file) };
            sent.push(ann.with(async |client| Ok(client.attach(talk, &new, &mut &*file, &ann_room).await?.id)).await?);
            carry(&ann, &ann_room, |_| ()).await?;
            settle(&[&ann, &ben]).await?;
            if name == "first" {
                settle(&[&tablet]).await?;
                tablet.with(async |client| Ok(client.fetch_file(sent[0])?)).await?;
                carry(&tablet, &tablet_room, |_| ()).await?;
            }
        }
        for id in &sent {
            ben.with(async |client| Ok(client.fetch_file(*id)?)).await?;
            carry(&ben, &ben_room, |_| ()).await?;
            ensure!(save(&ben, *id, &ben_room).await? == file);
        }
        settle(&[&ann, &ben, &tablet]).await?;
        for peer in [&ben, &tablet] {
            let files = peer.with(async |client| Ok(client.files(talk)?)).await?;
            ensure!(files.len() == 2 && files.iter().all(|file| file.attachment.gone), "{}: {files:?}", peer.handle.to_text());
        }
        for id in &sent {
            let again = tablet.with(async |client| Ok(client.fetch_file(*id)?)).await.unwrap_err();
            ensure!(matches!(again.downcast_ref(), Some(ClientError::NotAllowed { .. })), "{again:?}");
            let opened = tablet.with(async |client| Ok(client.save_file(*id, &tablet_room, &mut Vec::new()).await?)).await;
            ensure!(opened.is_err(), "what was fetched before is gone");
        }
        carry(&tablet, &tablet_room, |_| ()).await?;
        ensure!(tablet_room.names()?.is_empty(), "and its bytes leave");
        Ok(())
    })
    .unwrap();
}

/// Takes some bytes and no more.
struct FullDisk(usize);

impl Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_here_is_told_and_touches_nothing_else() {
    simulate(async {
        let Pair { world: _world, server: _, ann, ben, ann_room, ben_room, talk } = pair(6).await?;
        let (small, large) = (pattern(1_000), pattern(3 * MEBIBYTE));
        // No room to seal it: nothing is sent, and nothing is left.
        ann_room.limit(Some(MEBIBYTE));
        let told = attach(&ann, talk, "large", &large, &ann_room).await.unwrap_err();
        ensure!(told.downcast_ref::<ClientError>().is_some_and(|error| error.code() == "io"), "{told:?}");
        ensure!(ann_room.names()?.is_empty() && ann.with(async |client| Ok(client.transfers()?)).await?.is_empty());
        ann_room.limit(None);
        for (name, file) in [("large", &large), ("small", &small)] {
            attach(&ann, talk, name, file, &ann_room).await?;
            carry(&ann, &ann_room, |_| ()).await?;
        }
        settle(&[&ann, &ben]).await?;
        // No room to fetch it: it says so, the smaller one gets here, and people go on talking.
        ben_room.limit(Some(MEBIBYTE));
        let files = ben.with(async |client| Ok(client.files(talk)?)).await?;
        let [large_one, small_one] = &files[..] else { bail!("{files:?}") };
        for file in &files {
            ben.with(async |client| Ok(client.fetch_file(file.id)?)).await?;
        }
        let carried = ben.with(async |client| Ok(client.carry_files(&ben_room, Patience::Short, |_| ()).await?)).await?;
        ensure!((carried.complete, carried.failed, carried.waiting) == (1, 1, 0), "{carried:?}");
        let views = ben.with(async |client| Ok(client.transfers()?)).await?;
        let failed = views.iter().find(|view| view.id == large_one.id).context("it is still there")?;
        ensure!(matches!(&failed.state, TransferState::Failed { reason } if reason.contains("on this device")), "{failed:?}");
        ensure!(failed.done > 0, "what had come is kept");
        ensure!(save(&ben, small_one.id, &ben_room).await? == small);
        // With room again it goes on where it was.
        ben_room.limit(None);
        ben.with(async |client| Ok(client.fetch_file(large_one.id)?)).await?;
        carry(&ben, &ben_room, |_| ()).await?;
        // The disk it is to be written to is full: what was fetched stays.
        let told =
            ben.with(async |client| Ok(client.save_file(large_one.id, &ben_room, &mut FullDisk(MEBIBYTE)).await?)).await.unwrap_err();
        ensure!(told.downcast_ref::<ClientError>().is_some_and(|error| error.code() == "io"), "{told:?}");
        ensure!(save(&ben, large_one.id, &ben_room).await? == large);
        Ok(())
    })
    .unwrap();
}

#[test]
fn whoever_listens_hears_of_each_piece() {
    simulate(async {
        let Pair { world: _world, server: _, ann, ben: _ben, ann_room, ben_room: _, talk } = pair(5).await?;
        let file = pattern(2 * MEBIBYTE);
        attach(&ann, talk, "a.bin", &file, &ann_room).await?;
        let heard = Cell::new(0);
        ann.with(async |client| {
            let listening = client.listen(|event| {
                if let Event::Transfer(_) = event {
                    heard.set(heard.get() + 1);
                }
            });
            let carrying = client.carry_files(&ann_room, Patience::Endless, |_| ());
            let waiting = async {
                while client.files(talk)?.first().is_none_or(|_| heard.get() < 3) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Ok::<_, ClientError>(())
            };
            tokio::select! {
                ended = listening => bail!("{ended:?}"),
                ended = carrying => bail!("{ended:?}"),
                done = waiting => Ok(done?),
            }
        })
        .await
    })
    .unwrap();
}

#[test]
fn the_servers_limit_is_that_of_the_largest_file() {
    let shape = alcyon_files::Shape::of(alcyon_files::LARGEST).unwrap();
    assert_eq!(shape.sealed_len(), limits::BLOB);
}
