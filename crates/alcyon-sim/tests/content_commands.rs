//! What can be done to messages, by the commands that people type, over real processes.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use alcyon_sim::{
    person::{Person, text},
    process::{ServerProcess, ServerSetup, program},
};
use anyhow::{Context, ensure};
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

fn one(person: &Person, arguments: &[&str]) -> anyhow::Result<Value> {
    person.profile.run(arguments)?.one().with_context(|| format!("{arguments:?}"))
}

fn all(person: &Person, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
    person.profile.run(arguments)?.all().with_context(|| format!("{arguments:?}"))
}

fn error(person: &Person, arguments: &[&str]) -> anyhow::Result<String> {
    text(&person.profile.run(arguments)?.error().with_context(|| format!("{arguments:?}"))?, "error")
}

/// The message as somebody has it.
fn shown(person: &Person, with: &Person, id: &str) -> anyhow::Result<Value> {
    let history = all(person, &["history", &with.handle])?;
    history.into_iter().find(|line| line["id"] == id).with_context(|| format!("no {id}"))
}

fn settle(ann: &Person, ben: &Person) -> anyhow::Result<Vec<Value>> {
    ann.sync_all()?;
    let news = ben.sync_all()?;
    ann.sync_all()?;
    Ok(news)
}

#[test]
fn a_name_and_a_picture_are_set_seen_and_taken_back() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ServerSetup::new(&folder.path().join("data")).start()?;
    let ann = Person::register(folder.path(), "ann", &server)?;
    let ben = Person::register(folder.path(), "ben", &server)?;
    let image = folder.path().join("ann.png").display().to_string();
    std::fs::write(&image, include_bytes!("data/turned.png"))?;
    let unset = one(&ann, &["introduce"])?;
    ensure!(text(&unset, "handle")? == ann.handle && unset["name"] == "" && unset["picture"] == "", "{unset}");
    ensure!(error(&ann, &["introduce", "--name", &"x".repeat(65)])? == "bad-name", "too long");
    let none = folder.path().join("none.png").display().to_string();
    std::fs::write(&none, "no image")?;
    ensure!(error(&ann, &["introduce", "--picture", &none])? == "no-picture", "no image");
    one(&ann, &["introduce", "--picture", &image])?;
    let set = one(&ann, &["introduce", "--name", "Ann of the sea"])?;
    ensure!(set["name"] == "Ann of the sea" && text(&set, "picture")?.starts_with("/9j/"), "the picture stays, a JPEG: {set}");
    ann.start(&ben, "hello")?;
    ben.sync()?;
    let [request] = &ben.requests()?[..] else { anyhow::bail!("one request") };
    ensure!(request.from == ann.handle, "{request:?}");
    ben.accept_one()?;
    let [first] = &all(&ben, &["history", &ann.handle])?[..] else { anyhow::bail!("one message") };
    ensure!(text(first, "sender")? == ann.handle && first["sender_name"] == "Ann of the sea", "{first}");
    let listed = one(&ben, &["conversations"])?;
    ensure!(text(&listed, "title")? == ann.handle && listed["name"] == "Ann of the sea", "{listed}");
    let taken_back = one(&ann, &["introduce", "--name", "", "--picture", "-"])?;
    ensure!(taken_back == unset, "{taken_back}");
    let news = settle(&ann, &ben)?;
    let told = news.iter().find(|line| line["event"] == "introduced").context("it is told")?;
    ensure!(text(told, "handle")? == ann.handle && told["name"].is_null(), "{told}");
    ensure!(one(&ben, &["conversations"])?.get("name").is_none(), "by handle again");
    Ok(())
}

#[test]
fn what_is_reported_is_printed_before_it_is_sent_and_read_by_the_operator() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = ServerSetup::new(&data).start()?;
    let (ann, ben) = pair(folder.path(), &server)?;
    let rude = ben.send(&ann.handle, "rude words")?.id().to_owned();
    ann.sync()?;
    let report = ["report", &ben.handle, "--reason", "abuse", "--message", &rude, "--words", "look", "--to", "operator"];
    let operator = |arguments: &[&str]| -> anyhow::Result<Vec<Value>> {
        let mut command = std::process::Command::new(program("alcyon-server")?);
        let output = command.arg("admin").args(arguments).arg("--json").arg("--data").arg(&data).output()?;
        String::from_utf8(output.stdout)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    };
    let made = one(&ann, &report)?;
    ensure!(made["sent"] == false && made["messages"][0]["text"] == "rude words" && made["named"] == false, "{made}");
    ensure!(operator(&["reports", "list"])?.is_empty(), "nothing is sent without --yes");

    let sent = all(&ann, &[&report[..], &["--named", "--block", "--yes"]].concat())?;
    ensure!(sent[0]["sent"] == true && sent[1]["event"] == "blocked", "{sent:?}");
    let got = operator(&["reports", "list"])?;
    ensure!(got.len() == 1 && got[0]["called"] == ben.handle.as_str() && got[0]["messages"][0]["text"] == "rude words", "{got:?}");
    ensure!(got[0]["from"].is_string() && got[0]["words"] == "look", "{got:?}");
    ensure!(operator(&["reports", "clear", &text(&got[0], "id")?])?[0]["reports"] == 1, "cleared");

    let nowhere = one(&ann, &["report", &ben.handle, "--reason", "other", "--yes"])?;
    ensure!(nowhere["sent"] == false, "to nobody: {nowhere}");
    ensure!(error(&ann, &["report", &ben.handle, "--reason", "dull"])? == "invalid");
    ensure!(error(&ann, &["report", "nobody@sea.example", "--reason", "spam"])? == "unknown");
    Ok(())
}

#[test]
fn everything_that_is_done_to_messages_has_a_command() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ServerSetup::new(&folder.path().join("data")).start()?;
    let (ann, ben) = pair(folder.path(), &server)?;
    let (to_ben, to_ann) = (ben.handle.as_str(), ann.handle.as_str());
    let tea = ann.send(to_ben, "tea at **five**")?.id().to_owned();
    ben.sync()?;

    // react, and back
    ensure!(one(&ben, &["react", to_ann, &tea, "👍"])?["event"] == "sent", "done");
    one(&ben, &["react", to_ann, &tea, "🌊"])?;
    one(&ben, &["react", to_ann, &tea, "👍", "--back"])?;
    let news = ann.sync_all()?;
    ensure!(news.iter().any(|line| line["event"] == "changed" && line["change"] == "reaction-taken-back"), "{news:?}");
    let reactions = &shown(&ann, &ben, &tea)?["reactions"];
    ensure!(
        reactions.as_array().map(Vec::len) == Some(1) && reactions[0]["emoji"] == "🌊" && reactions[0]["who"][0] == to_ben,
        "{reactions}"
    );
    ensure!(error(&ben, &["react", to_ann, &tea, "ok"])? == "not-allowed");

    // edit, by who wrote it
    one(&ann, &["edit", to_ben, &tea, "tea", "at", "six"])?;
    settle(&ann, &ben)?;
    for (one, other) in [(&ann, &ben), (&ben, &ann)] {
        let now = shown(one, other, &tea)?;
        ensure!(now["text"] == "tea at six" && now["edited"] == true, "{now}");
    }
    ensure!(error(&ben, &["edit", to_ann, &tea, "no"])? == "not-allowed");

    // pin, pins, unpin
    one(&ben, &["pin", to_ann, &tea])?;
    settle(&ann, &ben)?;
    let pins = all(&ann, &["pins", to_ben])?;
    ensure!(pins.len() == 1 && pins[0]["id"] == tea.as_str() && pins[0]["pinned"] == true, "{pins:?}");
    one(&ann, &["unpin", to_ben, &tea])?;
    settle(&ann, &ben)?;
    ensure!(all(&ben, &["pins", to_ann])?.is_empty());

    // poll with several choices, vote, end-poll
    let poll = text(&one(&ann, &["poll", to_ben, "--several", "When?", "today", "tomorrow", "never"])?, "id")?;
    ben.sync()?;
    one(&ben, &["vote", to_ann, &poll, "1", "3"])?;
    ann.sync()?;
    one(&ann, &["vote", to_ben, &poll, "1"])?;
    settle(&ann, &ben)?;
    let counted = &shown(&ben, &ann, &poll)?["poll"];
    let votes: Vec<_> = (0..3).map(|option| counted["options"][option]["votes"].as_u64()).collect();
    ensure!(votes == [Some(2), Some(0), Some(1)] && counted["several"] == true && counted["voters"] == 2, "{counted}");
    ensure!(error(&ben, &["end-poll", to_ann, &poll])? == "not-allowed");
    one(&ann, &["end-poll", to_ben, &poll])?;
    settle(&ann, &ben)?;
    ensure!(shown(&ben, &ann, &poll)?["poll"]["ended"] == true);
    ensure!(error(&ben, &["vote", to_ann, &poll, "2"])? == "not-allowed");

    // forward, delete
    let forwarded = text(&one(&ben, &["forward", to_ann, &tea, to_ann])?, "id")?;
    ann.sync()?;
    let again = shown(&ann, &ben, &forwarded)?;
    ensure!(again["text"] == "tea at six" && again["forwarded"] == true, "{again}");
    one(&ann, &["delete", to_ben, &tea])?;
    settle(&ann, &ben)?;
    let gone = shown(&ben, &ann, &tea)?;
    ensure!(gone["text"] == "" && gone["deleted_by"] == to_ann, "{gone}");
    ensure!(error(&ben, &["delete", to_ann, &tea])? == "not-allowed");
    Ok(())
}

#[test]
fn messages_are_found_and_carry_places_and_contacts() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ServerSetup::new(&folder.path().join("data")).start()?;
    let (ann, ben) = pair(folder.path(), &server)?;
    let cat = Person::register(folder.path(), "cat", &server)?;
    cat.start(&ann, "it's Cat")?;
    ann.sync()?;
    ann.accept_one()?;
    let (to_ben, to_ann) = (ben.handle.as_str(), ann.handle.as_str());
    ann.send(to_ben, "L'été à la mer, https://sea.example")?;
    let place = text(&one(&ann, &["send", to_ben, "--location", "-33.8568,151.2153"])?, "id")?;
    let card = text(&one(&ann, &["send", to_ben, "--contact", &cat.handle])?, "id")?;
    settle(&ann, &ben)?;
    let found = |person: &Person, query: &[&str]| {
        let lines = all(person, &[&["search"], query].concat())?;
        ensure!(lines.iter().all(|line| line["event"] == "found"), "{lines:?}");
        lines.iter().map(|line| text(line, "text")).collect::<anyhow::Result<Vec<_>>>()
    };
    let summer = ["L'été à la mer, https://sea.example"];
    for query in [&["ete"][..], &["ét", "MER"], &["has:link"], &["from:ann", "ete"], &["after:2020-01-01 before:2100 mer"], &["\"la mer\""]]
    {
        ensure!(found(&ben, query)? == summer, "{query:?}: {:?}", found(&ben, query));
    }
    ensure!(found(&ben, &["from:me", "ete"])?.is_empty() && found(&ben, &["before:2020", "ete"])?.is_empty());
    ensure!(found(&ann, &["in:ben", "ete"])? == summer && found(&ann, &["in:cat", "ete"])?.is_empty());
    ensure!(error(&ben, &["search", "before:soon"])? == "no-day");
    ensure!(error(&ben, &["search", "from:nobody"])? == "unknown");

    let point = shown(&ben, &ann, &place)?;
    ensure!(point["place"]["uri"] == "geo:-33.8568,151.2153" && point["text"] == "geo:-33.8568,151.2153", "{point}");
    ensure!(found(&ben, &["has:place"])? == ["geo:-33.8568,151.2153"]);
    ensure!(error(&ann, &["send", to_ben, "--location", "here"])? == "invalid");
    let contact = shown(&ben, &ann, &card)?;
    ensure!(contact["contact"]["handle"] == cat.handle.as_str() && contact["contact"]["account"] == cat.account.as_str(), "{contact}");
    ensure!(error(&ann, &["send", to_ben, "--contact", "nobody@sea.example"])? == "unknown");
    // Its text is what start takes, and it can't be spoofed.
    ensure!(one(&ben, &["start", &text(&contact, "text")?, "Ann has told me of you"])?["event"] == "sent");
    cat.sync()?;
    ensure!(cat.requests()?.iter().any(|request| request.from == ben.handle), "ben has knocked at cat");

    // Of this machine nothing is fetched, and nothing is sent then.
    let here = format!("see {}", server.url().to_text());
    ensure!(error(&ann, &["send", to_ben, "--preview", &here])? == "no-preview");
    ensure!(error(&ann, &["send", to_ben, "--preview", "no link"])? == "no-link");
    ensure!(ben.sync_all()?.is_empty(), "nothing was sent");
    ensure!(one(&ben, &["send", to_ann, "--", "--preview"])?["event"] == "sent", "a text like any other");
    Ok(())
}

#[test]
fn timers_receipts_and_marks_have_commands() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ServerSetup::new(&folder.path().join("data")).start()?;
    let (ann, ben) = pair(folder.path(), &server)?;
    let (to_ben, to_ann) = (ben.handle.as_str(), ann.handle.as_str());
    ensure!(one(&ann, &["timer", to_ben])?["timer_s"] == 0);
    let set = one(&ann, &["timer", to_ben, "5s"])?;
    ensure!(set["event"] == "timer-set" && set["timer_s"] == 5, "{set}");
    let secret = ann.send(to_ben, "five seconds")?.id().to_owned();
    let news = settle(&ann, &ben)?;
    ensure!(news.iter().any(|line| line["what"] == "timer" && line["value"] == 5), "{news:?}");
    ensure!(one(&ben, &["timer", to_ann])?["timer_s"] == 5, "both know");
    let with_ben = shown(&ben, &ann, &secret)?;
    ensure!(with_ben["timer_s"] == 5 && with_ben["goes_at"].is_null(), "not read yet: {with_ben}");
    ensure!(one(&ben, &["conversation", "read", to_ann])?["event"] == "marked-read");
    let began = std::time::Instant::now();
    while all(&ben, &["history", to_ann])?.iter().any(|line| line["id"] == secret.as_str()) {
        ensure!(began.elapsed().as_secs() < 60, "it does not go");
    }
    ensure!(began.elapsed().as_secs() >= 4, "too early");
    ensure!(all(&ben, &["search", "seconds"])?.is_empty(), "not found");
    ensure!(all(&ann, &["history", to_ben])?.iter().all(|line| line["id"] != secret.as_str()), "with its author it went before");
    ensure!(error(&ann, &["timer", to_ben, "2s"])? == "not-allowed");
    ensure!(error(&ann, &["timer", to_ben, "soon"])? == "invalid");
    ensure!(one(&ann, &["timer", to_ben, "off"])?["timer_s"] == 0);

    // Receipts: told by default, and not told when one does not tell.
    let read = ann.send(to_ben, "have you read this?")?.id().to_owned();
    settle(&ann, &ben)?;
    ensure!(shown(&ann, &ben, &read)?["delivery"] != "read");
    one(&ben, &["conversation", "read", to_ann])?;
    ben.sync()?;
    let news = ann.sync_all()?;
    let told = shown(&ann, &ben, &read)?;
    ensure!(told["delivery"] == "read" && told["read_by"][0] == to_ben, "{told} {news:?}");
    ensure!(one(&ben, &["conversation", "receipts", to_ann, "off"])?["receipts"] == false);
    let unread = ann.send(to_ben, "and this?")?.id().to_owned();
    ben.sync()?;
    one(&ben, &["conversation", "read", to_ann])?;
    ben.send(to_ann, "no answer")?;
    ann.sync()?;
    ensure!(shown(&ann, &ben, &unread)?["delivery"] == "delivered");
    ensure!(one(&ben, &["conversation", "typing", to_ann, "off"])?["typing"] == false);
    let settings = all(&ben, &["settings"])?;
    ensure!(settings[0]["timer_s"] == 0 && settings[1]["receipts"] == true && settings[1]["typing"] == true, "{settings:?}");
    ensure!(one(&ben, &["settings", "timer", "1d"])?["timer_s"] == 86_400);
    ensure!(one(&ben, &["settings", "receipts", "off"])?["receipts"] == false);

    ensure!(one(&ben, &["conversation", "unread", to_ann])?["event"] == "marked-unread");
    ensure!(one(&ben, &["conversations"])?["marked_unread"] == true);
    one(&ben, &["conversation", "read", to_ann])?;
    ensure!(one(&ben, &["conversations"])?["marked_unread"] == false);
    Ok(())
}
