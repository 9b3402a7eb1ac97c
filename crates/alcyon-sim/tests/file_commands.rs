//! Files by the commands that people type, over real processes: sent, listed, saved, refused, and through a server that is killed.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, time::Duration};

use alcyon_sim::{
    person::{Person, text},
    process::{ServerProcess, ServerSetup},
};
use anyhow::{Context, bail, ensure};
use serde_json::Value;

fn pair(folder: &Path, server: &ServerProcess) -> anyhow::Result<(Person, Person)> {
    let ann = Person::register(folder, "ann", server)?;
    let ben = Person::register(folder, "ben", server)?;
    ann.start(&ben, "hello")?;
    ben.sync()?;
    ben.accept_one()?;
    ann.sync()?;
    ben.sync()?;
    Ok((ann, ben))
}

fn code(finished: &alcyon_sim::process::Finished) -> anyhow::Result<String> {
    ensure!(finished.code != Some(0), "it was done: {finished:?}");
    text(&finished.error()?, "error")
}

fn random(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

#[test]
fn files_are_sent_listed_and_saved() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ServerSetup::new(&folder.path().join("data")).start()?;
    let (ann, ben) = pair(folder.path(), &server)?;
    let (boat, empty) = (folder.path().join("boat.jpg"), folder.path().join("-empty"));
    let picture = random(700_000);
    fs::write(&boat, &picture)?;
    fs::write(&empty, b"")?;
    let paths = [boat.to_str().context("a path")?, empty.to_str().context("a path")?];
    let sent = ann.profile.run(["send", &ben.handle, "--file", paths[0], paths[1], "--", "what do you say?"])?.all()?;
    ensure!(sent.len() == 3 && sent.iter().all(|line| line["event"] == "sent"), "{sent:?}");
    let news = ben.sync_all()?;
    let names: Vec<_> = news.iter().map(|line| line["file"]["name"].as_str().unwrap_or("-").to_owned()).collect();
    ensure!(names == ["boat.jpg", "empty", "-"], "{news:?}");
    let files = ben.profile.run(["files", &ann.handle])?.all()?;
    let [first, second] = &files[..] else { bail!("{files:?}") };
    ensure!(first["size"] == 700_000 && text(first, "from")? == ann.handle && text(first, "media_type")? == "image/jpeg", "{first}");
    let id = text(first, "id")?;
    ensure!(id == text(&sent[0], "id")?);

    let target = folder.path().join("saved.jpg");
    let target_text = target.to_str().context("a path")?;
    let saved = ben.profile.run(["save", &id, target_text])?.one()?;
    ensure!(saved["event"] == "saved" && saved["size"] == 700_000 && text(&saved, "path")? == target_text, "{saved}");
    ensure!(fs::read(&target)? == picture, "byte for byte");
    ensure!(code(&ben.profile.run(["save", &id, target_text])?)? == "exists");
    fs::write(&target, b"something else")?;
    ben.profile.run(["save", &id, target_text, "--force"])?.one()?;
    ensure!(fs::read(&target)? == picture);
    // Into a folder it goes under its own name, made safe.
    let into = folder.path().join("into");
    fs::create_dir(&into)?;
    ben.profile.run(["save", &text(second, "id")?, into.to_str().context("a path")?])?.one()?;
    ensure!(fs::read(into.join("empty"))?.is_empty());
    let left: Vec<_> = fs::read_dir(folder.path().join("ben/files"))?.collect();
    ensure!(left.is_empty(), "what was on its way is gone");

    let none = folder.path().join("none").display().to_string();
    ensure!(code(&ann.profile.run(["send", &ben.handle, "--file", &none])?)? == "io");
    let folder_text = folder.path().display().to_string();
    ensure!(code(&ann.profile.run(["send", &ben.handle, "--file", &folder_text])?)? == "no-file");
    ensure!(code(&ben.profile.run(["save", &text(&sent[2], "id")?, &none])?)? == "unknown", "a text is no file");
    let huge = folder.path().join("huge");
    fs::File::create(&huge)?.set_len((1 << 32) + 1)?;
    ensure!(code(&ann.profile.run(["send", &ben.handle, "--file", &huge.display().to_string()])?)? == "file-too-large");
    Ok(())
}

/// 64 times 48 pixels, to be turned by a quarter, and says twice where it was taken.
const TURNED: &[u8] = include_bytes!("data/turned.png");
const PLACE: &[u8] = b"52.5163N 13.3777E";

fn says_where(bytes: &[u8]) -> bool {
    bytes.windows(PLACE.len()).any(|window| window == PLACE)
}

#[test]
fn images_go_without_their_place_and_are_seen_before_they_are_fetched() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ServerSetup::new(&folder.path().join("data")).start()?;
    let (ann, ben) = pair(folder.path(), &server)?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("turned.png"), TURNED)?;
    ensure!(says_where(TURNED));
    let send = |words: &[&str]| ann.profile.run([&["send", ben.handle.as_str()], words].concat());
    let fetched = |id: &str, name: &str| -> anyhow::Result<Vec<u8>> {
        ben.profile.run(["save", id, &path(name)])?.one()?;
        Ok(fs::read(path(name))?)
    };

    let sent = send(&["--file", &path("turned.png")])?.one()?;
    let kept = send(&["--keep-metadata", "--file", &path("turned.png")])?.one()?;
    let once = send(&["--view-once", "--file", &path("turned.png")])?.one()?;
    let sticker = send(&["--sticker", "--file", &path("turned.png")])?.one()?;
    let news = ben.sync_all()?;
    ensure!(news.len() == 4 && news.iter().all(|line| line["file"]["width"] == 48 && line["file"]["height"] == 64), "{news:?}");
    ensure!(news[2]["file"]["view_once"] == true && news[3]["file"]["sticker"] == true, "{news:?}");
    let bytes = fetched(&text(&sent, "id")?, "sent.png")?;
    ensure!(!says_where(&bytes) && bytes.len() < TURNED.len() && bytes.starts_with(&TURNED[..33]), "it is the same image, and no more");
    ensure!(fetched(&text(&kept, "id")?, "kept.png")? == TURNED, "as it was, if that is wanted");
    ensure!(!says_where(&fetched(&text(&sticker, "id")?, "sticker.png")?));

    // Seen once, and then no more; neither by its sender.
    let once = text(&once, "id")?;
    ensure!(!says_where(&fetched(&once, "once.png")?));
    ensure!(code(&ben.profile.run(["save", &once, &path("again.png")])?)? == "not-allowed");
    ensure!(code(&ann.profile.run(["save", &once, &path("again.png")])?)? == "not-allowed");
    let files = ben.profile.run(["files", &ann.handle])?.all()?;
    ensure!(files[2]["gone"] == true && files[2]["id"] == once.as_str(), "{files:?}");

    // What can't be taken apart does not go out unless it may say everything.
    fs::write(path("photo.heic"), b"\0\0\0\x18ftypheic and where it was taken")?;
    ensure!(code(&send(&["--file", &path("photo.heic")])?)? == "metadata");
    fs::write(path("cut.jpg"), b"\xff\xd8\xff\xe1\0\x20Exif")?;
    ensure!(code(&send(&["--file", &path("turned.png"), &path("cut.jpg")])?)? == "metadata");
    send(&["--keep-metadata", "--file", &path("photo.heic")])?.one()?;
    ensure!(code(&send(&["--voice", &path("turned.png")])?)? == "no-voice-note");
    fs::write(path("words.txt"), b"hello")?;
    ensure!(code(&send(&["--sticker", "--file", &path("words.txt")])?)? == "no-picture");

    // A picture of a group: small, square, and read by everybody in it.
    let group = text(&ann.profile.run(["group", "create", "boats"])?.one()?, "conversation")?;
    ann.profile.run(["group", "set", &group, "--picture", &path("turned.png")])?.one()?;
    let settings = ann.profile.run(["group", "set", &group])?.one()?;
    ensure!(text(&settings, "picture")?.starts_with("/9j/"), "a JPEG: {settings}");
    ensure!(code(&ann.profile.run(["group", "set", &group, "--picture", &path("words.txt")])?)? == "no-picture");
    ann.profile.run(["group", "set", &group, "--picture", "-"])?.one()?;
    ensure!(ann.profile.run(["group", "set", &group])?.one()?["picture"].is_null());
    Ok(())
}

/// A second of Opus in Ogg, as far as its headers say.
fn voice_note() -> Vec<u8> {
    let page = |flags: u8, position: u64, number: u32, content: &[u8]| {
        let mut page = [b"OggS\0", &[flags][..], &position.to_le_bytes(), &[7, 0, 0, 0], &number.to_le_bytes(), &[0; 4], &[1]].concat();
        page.push(u8::try_from(content.len()).unwrap());
        page.extend_from_slice(content);
        page
    };
    let head = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0";
    [page(2, 0, 0, head), page(0, 0, 1, b"OpusTags\0\0\0\0\0\0\0\0"), page(0, 24_000, 2, &[1; 18]), page(4, 48_312, 3, &[1; 90])].concat()
}

#[test]
fn voice_notes_say_how_long_they_last_and_how_loud_they_are() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ServerSetup::new(&folder.path().join("data")).start()?;
    let (ann, ben) = pair(folder.path(), &server)?;
    let path = folder.path().join("note.ogg").display().to_string();
    fs::write(&path, voice_note())?;
    let sent = ann.profile.run(["send", &ben.handle, "--voice", &path])?.one()?;
    let news = ben.sync_all()?;
    let [note] = &news[..] else { bail!("{news:?}") };
    ensure!(note["file"]["voice_ms"] == 1_000 && note["file"]["media_type"] == "audio/ogg", "{note}");
    ensure!(note["file"]["waveform"] == serde_json::json!([51, 255]), "{note}");
    let target = folder.path().join("saved.ogg").display().to_string();
    ben.profile.run(["save", &text(&sent, "id")?, &target])?.one()?;
    ensure!(fs::read(&target)? == voice_note());
    Ok(())
}

#[test]
fn a_server_that_is_killed_and_one_that_is_full_cost_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = ServerSetup::new(&folder.path().join("data"));
    let server = setup.start()?;
    let setup = setup.again(&server);
    let (ann, ben) = pair(folder.path(), &server)?;
    let path = folder.path().join("film.mp4");
    let film = random(20_000_000);
    fs::write(&path, &film)?;
    let path = path.display().to_string();

    // Nobody is there: it waits, and the file itself is not needed any more.
    server.kill()?;
    let queued = ann.profile.run(["send", &ben.handle, "--file", &path])?.one()?;
    ensure!(queued["event"] == "queued", "{queued}");
    fs::remove_file(&path)?;
    let waiting = ann.profile.run(["transfer", "list"])?.one()?;
    ensure!(waiting["state"] == "going" && waiting["way"] == "up" && waiting["done"] == 0, "{waiting}");
    let id = text(&waiting, "id")?;

    // A server without room, by its quota or on its disk, says so, and nothing is lost.
    for arguments in [["--blobs-total-mebibytes", "1"], ["--logs-disk-reserve-mebibytes", "1000000"]] {
        let full = setup.clone().arguments(arguments).start()?;
        ann.profile.run(["sync"])?.all()?;
        let waiting = ann.profile.run(["transfer", "list"])?.one()?;
        ensure!(waiting["state"] == "going" && waiting["done"] == 0, "{waiting}");
        full.kill()?;
    }

    // Killed while it comes, again and again, as long as it takes.
    let mut kills = 0;
    for round in 0..60 {
        let server = setup.start()?;
        let mut running = ann.profile.start(["listen"])?;
        let mut pieces = 0;
        let complete = loop {
            let line: Value = running.line(Duration::from_secs(60))?;
            if line["event"] == "transfer" {
                pieces += 1;
                if line["state"] == "complete" {
                    break true;
                }
                if kills < 5 && pieces > 1 + round % 2 {
                    break false;
                }
            }
        };
        if complete {
            while running.is_running()? && ann_has_queued(&running.line(Duration::from_secs(60))?) {}
            running.terminate(Duration::from_secs(30))?;
            server.terminate(Duration::from_secs(30))?;
            break;
        }
        server.kill()?;
        running.kill()?;
        kills += 1;
    }
    ensure!(kills == 5, "{kills} kills");
    let server = setup.start()?;
    ann.profile.run(["sync"])?.all()?;
    ben.sync()?;
    let target = folder.path().join("saved.mp4").display().to_string();
    ben.profile.run(["save", &id, &target])?.one()?;
    ensure!(fs::read(&target)? == film, "byte for byte");
    server.kill()?;
    Ok(())
}

/// Until the message of the file has been taken.
fn ann_has_queued(line: &Value) -> bool {
    line["event"] != "delivery"
}
