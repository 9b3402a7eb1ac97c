//! The whole path over real processes and sockets: sign up, knock, accept, talk, offline, through restarts.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, time::Duration};

use alcyon_sim::{
    http,
    person::{Person, Sent, check_same_talk, text},
    process::{Profile, ServerProcess, ServerSetup},
    tls::TestAuthority,
};
use anyhow::{Context, ensure};

/// Messages that each side sends by a process of its own; the rest of the volume is `two_hundred_messages_each_way`.
const BY_PROCESS: usize = 4;

fn server(folder: &Path, name: &str) -> anyhow::Result<(ServerSetup, ServerProcess)> {
    let setup = ServerSetup::new(&folder.join(name)).arguments(["--log-level", "debug"]);
    let server = setup.start()?;
    Ok((setup.again(&server), server))
}

/// Ann knocks at Ben, Ben accepts. Returns what Ann has sent by then.
fn acquaint(ann: &Person, ben: &Person) -> anyhow::Result<Vec<Sent>> {
    let knock = ann.start(ben, "may I come in?")?;
    ensure!(matches!(knock, Sent::Acknowledged { .. }), "{knock:?}");
    let before = ann.send(&ben.handle, "writing before you have answered")?;
    ensure!(ben.sync()?.is_empty(), "nothing of a stranger is a message before it is accepted");
    let conversation = ben.accept_one()?;
    ensure!(conversation == knock.conversation(), "both name the conversation alike");
    let mut shown = ben.sync()?;
    shown.retain(|message| message.text != "writing before you have answered");
    ensure!(shown.len() <= 1, "{shown:?}");
    ensure!(ben.requests()?.is_empty(), "a request is answered once");
    Ok(vec![knock, before])
}

/// They talk by turns.
fn talk(ann: &Person, ben: &Person, label: &str) -> anyhow::Result<Vec<Sent>> {
    let mut sent = Vec::new();
    for number in 0..BY_PROCESS {
        sent.push(ann.send(&ben.handle, &format!("{label}: ann {number}"))?);
        sent.push(ben.send(&ann.handle, &format!("{label}: ben {number}"))?);
    }
    Ok(sent)
}

fn check(ann: &Person, ben: &Person, sent: &[Sent]) -> anyhow::Result<()> {
    ann.sync()?;
    ben.sync()?;
    check_same_talk(&ann.history(&ben.handle)?, &ben.history(&ann.handle)?, sent)
}

fn whole_path(folder: &Path, at_ann: &ServerProcess, at_ben: &ServerProcess) -> anyhow::Result<(Person, Person, Vec<Sent>)> {
    let ann = Person::register(folder, "ann", at_ann)?;
    let ben = Person::register(folder, "ben", at_ben)?;
    let mut sent = acquaint(&ann, &ben)?;
    sent.extend(talk(&ann, &ben, "first")?);
    check(&ann, &ben, &sent)?;
    ensure!(ann.safety_number(&ben)? == ben.safety_number(&ann)?, "both see the same safety number");

    // What comes while one is away waits; it is shown once.
    for number in 0..3 {
        sent.push(ann.send(&ben.handle, &format!("while you were away {number}"))?);
    }
    let shown: Vec<String> = ben.sync()?.into_iter().map(|message| message.text).collect();
    for number in 0..3 {
        let words = format!("while you were away {number}");
        ensure!(shown.iter().filter(|text| **text == words).count() == 1, "{words} among {shown:?}");
    }
    ensure!(ben.sync()?.is_empty(), "nothing is shown twice");
    Ok((ann, ben, sent))
}

#[test]
fn two_people_on_one_server() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (setup, running) = server(folder.path(), "server")?;
    let (ann, ben, mut sent) = whole_path(folder.path(), &running, &running)?;

    // Without a server a message waits in the outbox, and goes out with the next command that connects.
    running.kill()?;
    let queued = ann.send(&ben.handle, "nobody is there")?;
    ensure!(matches!(queued, Sent::Queued { .. }), "{queued:?}");
    sent.push(queued);
    let running = setup.start()?;
    sent.extend(talk(&ann, &ben, "after the restart")?);
    check(&ann, &ben, &sent)?;

    // A server that is told to end does so by itself, and everything is there afterwards.
    let status = running.terminate(Duration::from_secs(30))?;
    ensure!(status.success(), "{status}");
    let _running = setup.start()?;
    sent.extend(talk(&ann, &ben, "after the drain")?);
    check(&ann, &ben, &sent)
}

#[test]
fn two_people_on_two_servers() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (_, at_ann) = server(folder.path(), "sea")?;
    let (setup, at_ben) = server(folder.path(), "land")?;
    let (ann, ben, mut sent) = whole_path(folder.path(), &at_ann, &at_ben)?;
    ensure!(ann.handle.split_once('@') != ben.handle.split_once('@'), "two servers");

    // The log is at the starter's: they go on talking while the other's server is away.
    at_ben.kill()?;
    sent.extend(talk(&ann, &ben, "with one server")?);
    let _at_ben = setup.start()?;
    check(&ann, &ben, &sent)
}

#[test]
fn two_hundred_messages_each_way() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (_, running) = server(folder.path(), "server")?;
    let ann = Person::register(folder.path(), "ann", &running)?;
    let ben = Person::register(folder.path(), "ben", &running)?;
    let mut sent = acquaint(&ann, &ben)?;
    let all = std::thread::scope(|scope| {
        let speak = |from: &Person, to: &Person, name: &str| -> anyhow::Result<Vec<Sent>> {
            (0..200).map(|number| from.send(&to.handle, &format!("{name} {number}"))).collect()
        };
        let (ann, ben) = (&ann, &ben);
        let one = scope.spawn(move || speak(ann, ben, "ann"));
        let other = scope.spawn(move || speak(ben, ann, "ben"));
        [one, other].into_iter().map(|side| side.join().expect("no panic")).collect::<anyhow::Result<Vec<_>>>()
    })?;
    sent.extend(all.into_iter().flatten());
    ensure!(sent.len() == 402, "all were sent");
    check(&ann, &ben, &sent)
}

#[test]
fn both_listen_while_they_talk() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (setup, running) = server(folder.path(), "server")?;
    let ann = Person::register(folder.path(), "ann", &running)?;
    let ben = Person::register(folder.path(), "ben", &running)?;
    let mut sent = acquaint(&ann, &ben)?;
    ben.sync()?;

    let listening = ben.profile.start(["listen"])?;
    for number in 0..3 {
        sent.push(ann.send(&ben.handle, &format!("live {number}"))?);
    }
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let line = listening.line(Duration::from_secs(30)).context("live delivery")?;
        if line["event"] == "message" {
            heard.push(text(&line, "text")?);
        }
    }
    ensure!(heard == ["live 0", "live 1", "live 2"], "{heard:?}");

    // A listener finds its way back by itself.
    running.kill()?;
    let _running = setup.start()?;
    sent.push(ann.send(&ben.handle, "are you still there?")?);
    loop {
        let line = listening.line(Duration::from_secs(60)).context("delivery after a restart")?;
        if line["event"] == "message" {
            ensure!(line["text"] == "are you still there?", "{line}");
            break;
        }
    }
    listening.terminate(Duration::from_secs(20))?;
    ensure!(ben.sync()?.is_empty(), "what listen has shown is shown");
    check(&ann, &ben, &sent)
}

#[test]
fn both_knock_at_the_same_moment() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (_, running) = server(folder.path(), "server")?;
    let ann = Person::register(folder.path(), "ann", &running)?;
    let ben = Person::register(folder.path(), "ben", &running)?;
    let (from_ann, from_ben) = std::thread::scope(|scope| {
        let one = scope.spawn(|| ann.start(&ben, "ann was first"));
        let other = scope.spawn(|| ben.start(&ann, "ben was first"));
        (one.join().expect("no panic"), other.join().expect("no panic"))
    });
    let mut sent = vec![from_ann?, from_ben?];
    for _ in 0..3 {
        ann.sync()?;
        ben.sync()?;
    }
    // Who has asked need not be asked: there is nothing left to accept, and one conversation.
    for person in [&ann, &ben] {
        let requests = person.requests()?;
        ensure!(requests.is_empty(), "{} still has {requests:?}; what was sent: {sent:?}", person.handle);
        let conversations = person.profile.run(["conversations"])?.all()?;
        ensure!(conversations.len() == 1, "{conversations:?}");
    }
    sent.push(ann.send(&ben.handle, "so we are one")?);
    sent.push(ben.send(&ann.handle, "so it seems")?);
    ann.sync()?;
    let (one, other) = (ann.history(&ben.handle)?, ben.history(&ann.handle)?);
    for words in ["ann was first", "ben was first", "so we are one", "so it seems"] {
        ensure!(one.iter().filter(|message| message.text == words).count() == 1, "{words} among {one:?}");
    }
    check_same_talk(&one, &other, &[sent.remove(2), sent.remove(2)])
}

#[test]
fn over_tls() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = TestAuthority::new(folder.path())?;
    let setup = ServerSetup::new(&folder.path().join("server")).arguments(authority.server_arguments());
    let running = setup.start()?;
    ensure!(running.url().is_tls(), "https in the first line");
    // The name in the handle is not loopback's address, so that https is what follows from it.
    let trusting = |name: &str| {
        let mut profile = Profile::new(&folder.path().join(name));
        profile.environment.push(("SSL_CERT_FILE".to_owned(), authority.file().to_string_lossy().into_owned()));
        Person::register_with(profile, name, &running)
    };
    let ann = trusting("ann")?;
    let ben = trusting("ben")?;
    let mut sent = acquaint(&ann, &ben)?;
    sent.extend(talk(&ann, &ben, "sealed twice")?);
    check(&ann, &ben, &sent)?;

    // Without the authority nothing is said, and the message is not lost.
    let mut stranger = ann.clone();
    stranger.profile.environment.clear();
    let queued = stranger.send(&ben.handle, "who are you?")?;
    ensure!(matches!(queued, Sent::Queued { .. }), "{queued:?}");
    sent.push(queued);
    check(&ann, &ben, &sent)
}

#[tokio::test]
async fn the_server_keeps_no_text_and_no_link() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (_, running) = server(folder.path(), "server")?;
    let secret = "Sesam-oeffne-dich-4711";
    let ann = Person::register(folder.path(), "anneliese", &running)?;
    let ben = Person::register(folder.path(), "benedict", &running)?;
    let mut sent = vec![ann.start(&ben, secret)?];
    ben.sync()?;
    ben.accept_one()?;
    for number in 0..3 {
        sent.push(ben.send(&ann.handle, &format!("{secret} {number}"))?);
        sent.push(ann.send(&ben.handle, &format!("{number} {secret}"))?);
    }
    check(&ann, &ben, &sent)?;

    let metrics = http::get(running.url(), "/metrics").await?;
    let metrics = String::from_utf8(metrics.body)?;
    ensure!(metrics.contains("alcyon"), "metrics are served");
    let log = running.log_text()?;
    ensure!(!log.is_empty(), "the log at level debug says something");
    let conversation = sent[0].conversation().to_owned();
    let port = running.url().authority().rsplit(':').next().context("a port")?.to_owned();
    for (what, text) in [("metrics", &metrics), ("log", &log)] {
        for word in [secret, "anneliese", "benedict", &ann.account, &ben.account, &conversation, sent[1].id()] {
            ensure!(!text.contains(word), "{what} contain {word}");
        }
    }
    ensure!(log.contains(&port), "the log is that of this server");
    running.kill()?;

    let mut files = Vec::new();
    collect(&folder.path().join("server"), &mut files)?;
    ensure!(!files.is_empty(), "there is data");
    let raw_conversation = data_encoding::BASE32_NOPAD.decode(conversation.to_ascii_uppercase().as_bytes())?;
    for file in files {
        let bytes = fs::read(&file)?;
        let contains = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        ensure!(!contains(secret.as_bytes()), "{} contains a text", file.display());
        ensure!(!contains(&raw_conversation), "{} contains a conversation's id", file.display());
        // Names are in the directory, and nowhere near a log but the inbox: see `alcyon-server`'s schema test for that.
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) -> anyhow::Result<()> {
    for item in fs::read_dir(folder)? {
        let item = item?;
        let kind = item.file_type()?;
        if kind.is_dir() {
            collect(&item.path(), files)?;
        } else if kind.is_file() {
            // A killed process leaves its socket, too.
            files.push(item.path());
        }
    }
    Ok(())
}

/// A group over two servers, with a restart of its hub in between: invited, in by one's own act, a link, a removal, a leave.
#[test]
fn a_group_over_real_processes() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (hub, at_hub) = server(folder.path(), "hub")?;
    let (_, elsewhere) = server(folder.path(), "elsewhere")?;
    let ann = Person::register(folder.path(), "ann", &at_hub)?;
    let ben = Person::register(folder.path(), "ben", &elsewhere)?;
    let eve = Person::register(folder.path(), "eve", &elsewhere)?;
    let run = |person: &Person, arguments: &[&str]| person.profile.run(arguments)?.one();
    let made = run(&ann, &["group", "create", "Harbour"])?;
    ensure!(made["event"] == "created", "{made}");
    let group = text(&made, "conversation")?;
    ensure!(run(&ann, &["group", "invite", &group, &ben.handle])?["event"] == "invited", "invited");
    ben.sync()?;
    let [request] = &ben.requests()?[..] else { anyhow::bail!("one request") };
    ensure!(request.kind == "invite" && request.from == ann.handle && request.id == group, "{request:?}");
    ensure!(ben.profile.run(["conversations"])?.all()?.is_empty(), "nobody is put into a group");
    run(&ben, &["accept", &group])?;
    let hello = ben.send(&group, "hello")?;
    ensure!(matches!(hello, Sent::Acknowledged { .. }), "{hello:?}");

    at_hub.terminate(Duration::from_secs(20))?;
    let queued = ben.send(&group, "while the hub is away")?;
    ensure!(matches!(queued, Sent::Queued { .. }), "{queued:?}");
    let at_hub = hub.start()?;
    let link = text(&run(&ann, &["group", "link", &group])?, "link")?;
    ensure!(run(&eve, &["join", &link])?["event"] == "accepted", "by the link");
    ben.sync()?;
    eve.send(&group, "by the link")?;
    let heard: Vec<String> = ann.sync()?.into_iter().map(|message| message.text).collect();
    ensure!(heard == ["hello", "while the hub is away", "by the link"], "{heard:?}");

    let refused = ben.profile.run(["group", "remove", &group, &eve.handle])?.error()?;
    ensure!(refused["error"] == "not-allowed" && text(&refused, "message")?.contains("rule 5"), "{refused}");
    run(&ann, &["group", "remove", &group, &eve.handle])?;
    ann.send(&group, "among us two")?;
    ensure!(eve.sync()?.iter().all(|message| message.text != "among us two"), "nothing after the removal");
    let members = ben.sync().and_then(|_| ben.profile.run(["group", "members", &group])?.all())?;
    ensure!(members.len() == 2, "{members:?}");
    ensure!(run(&ann, &["group", "leave", &group])?["event"] == "left", "left");
    ben.sync()?;
    let members = ben.profile.run(["group", "members", &group])?.all()?;
    ensure!(members.len() == 1 && members[0]["role"] == "admin" && members[0]["own"] == true, "{members:?}");
    at_hub.terminate(Duration::from_secs(20))?;
    elsewhere.terminate(Duration::from_secs(20))?;
    Ok(())
}
