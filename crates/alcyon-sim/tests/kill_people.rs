//! People who talk while their programs and their server are killed: nothing acknowledged is lost, nothing is shown twice,
//! both see the same order, and both can go on talking.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

use alcyon_sim::{
    person::{Person, Printed, Sent, check_same_talk, messages},
    process::{ServerProcess, ServerSetup},
    seed,
};
use anyhow::{Context, bail, ensure};
use rand::{RngExt, rngs::StdRng};
use serde_json::Value;

/// What one side has been told.
#[derive(Default)]
struct Told {
    sent: Vec<Sent>,
    /// How often each message was printed by a process that lived on after it.
    shown: BTreeMap<String, u32>,
}

struct Side {
    person: Person,
    told: Mutex<Told>,
}

impl Side {
    fn new(person: Person) -> Self {
        Self { person, told: Mutex::new(Told::default()) }
    }

    fn show(&self, lines: Vec<Value>) -> anyhow::Result<()> {
        let mut told = self.told.lock().unwrap();
        for Printed { id, text, .. } in messages(lines)? {
            let times = told.shown.entry(id).or_default();
            *times += 1;
            ensure!(*times == 1, "{text} was shown twice");
        }
        Ok(())
    }
}

#[test]
fn nothing_is_lost_whoever_is_killed() -> anyhow::Result<()> {
    let mut random = seed::generator(seed::given().unwrap_or(1));
    let folder = tempfile::tempdir()?;
    let setup = ServerSetup::new(&folder.path().join("server"));
    let running = setup.start()?;
    let setup = setup.again(&running);
    let ann = Side::new(Person::register(folder.path(), "ann", &running)?);
    let ben = Side::new(Person::register(folder.path(), "ben", &running)?);
    ann.person.start(&ben.person, "hello")?;
    ben.person.sync()?;
    ben.person.accept_one()?;
    let mut running = Some(running);
    for round in 0..seed::rounds("ALCYON_KILL_ROUNDS", 20) {
        kill_round(&mut random, round, &setup, &mut running, &ann, &ben).with_context(|| format!("round {round}"))?;
    }
    settle(&ann, &ben)?;

    // Neither is stuck.
    let mut sent = vec![ann.person.send(&ben.person.handle, "after all that")?, ben.person.send(&ann.person.handle, "still here")?];
    ensure!(sent.iter().all(|sent| matches!(sent, Sent::Acknowledged { .. })), "{sent:?}");
    settle(&ann, &ben)?;
    for side in [&ann, &ben] {
        sent.extend(side.told.lock().unwrap().sent.clone());
    }
    check_same_talk(&ann.person.history(&ben.person.handle)?, &ben.person.history(&ann.person.handle)?, &sent)
}

/// One of them writes, the other reads, and one of the three programs is killed somewhere in the middle.
fn kill_round(
    random: &mut StdRng,
    round: u64,
    setup: &ServerSetup,
    server: &mut Option<ServerProcess>,
    ann: &Side,
    ben: &Side,
) -> anyhow::Result<()> {
    let (writer, reader) = if random.random() { (ann, ben) } else { (ben, ann) };
    let when = Duration::from_millis(random.random_range(0..700));
    let words = format!("round {round}");
    let writing = writer.person.profile.start(["send", &reader.person.handle, &words])?;
    let reading = reader.person.profile.start([if random.random() { "sync" } else { "listen" }])?;
    let victim = random.random_range(0..4);
    if victim == 0 {
        sleep(when);
        if let Some(running) = server.take() {
            running.kill()?;
        }
        *server = Some(setup.start()?);
    }
    let (written, read) = match victim {
        1 => {
            sleep(when);
            (writing.kill()?, end(reading, when)?)
        }
        2 => {
            sleep(when);
            let mut read = reading.kill()?;
            // The last thing it printed may be one that it could not note as shown any more.
            read.pop();
            (writing.finish(Duration::from_secs(60))?, read)
        }
        _ => (writing.finish(Duration::from_secs(60))?, end(reading, when)?),
    };
    if let Some(line) = written.iter().find(|line| line["event"] == "sent" || line["event"] == "queued") {
        writer.told.lock().unwrap().sent.push(Sent::parse(line)?);
    }
    reader.show(read)
}

/// Lets a reader go on for a moment and asks it to end.
fn end(reading: alcyon_sim::process::Running, after: Duration) -> anyhow::Result<Vec<Value>> {
    sleep(after);
    reading.end(Duration::from_secs(60))
}

/// Until both outboxes are empty and everything was read.
fn settle(ann: &Side, ben: &Side) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(120);
    let mut quiet = 0;
    while quiet < 2 {
        ensure!(Instant::now() < end, "no rest within two minutes");
        let mut news = 0;
        for side in [ann, ben] {
            let lines = side.person.sync_all()?;
            news += lines.len();
            side.show(lines)?;
        }
        let queued = [(ann, ben), (ben, ann)].iter().try_fold(0, |sum, (one, other)| {
            let waiting = one.person.history(&other.person.handle)?.iter().filter(|message| message.position.is_none()).count();
            anyhow::Ok(sum + waiting)
        })?;
        quiet = if news + queued == 0 { quiet + 1 } else { 0 };
    }
    Ok(())
}

#[test]
fn a_profile_from_an_older_copy_notices_before_it_sends() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = ServerSetup::new(&folder.path().join("server")).start()?;
    let ann = Person::register(folder.path(), "ann", &running)?;
    let ben = Person::register(folder.path(), "ben", &running)?;
    ann.start(&ben, "hello")?;
    ben.sync()?;
    ben.accept_one()?;
    ann.sync()?;
    let mut sent = vec![ann.send(&ben.handle, "before the copy")?];
    ben.sync()?;

    let copied = folder.path().join("copy");
    copy(&ann.profile.folder, &copied)?;
    let forgotten = ann.send(&ben.handle, "after the copy, own")?;
    sent.push(ben.send(&ann.handle, "after the copy, other's")?);
    ann.sync()?;
    ben.sync()?;
    fs::remove_dir_all(&ann.profile.folder)?;
    fs::rename(&copied, &ann.profile.folder)?;

    // The restored profile must not encrypt with keys that it has used before: it says what happened, and comes in anew.
    let lines = ann.sync_all()?;
    ensure!(lines.iter().any(|line| line["event"] == "alarm" && line["kind"] == "profile-restored"), "no alarm in {lines:?}");
    sent.push(ann.send(&ben.handle, "I am back")?);
    sent.push(ben.send(&ann.handle, "welcome back")?);
    ann.sync()?;
    ben.sync()?;
    let (at_ann, at_ben) = (ann.history(&ben.handle)?, ben.history(&ann.handle)?);
    for words in ["before the copy", "after the copy, other's", "I am back", "welcome back"] {
        for (whose, history) in [("ann", &at_ann), ("ben", &at_ben)] {
            ensure!(history.iter().filter(|message| message.text == words).count() == 1, "{words} at {whose}: {history:?}");
        }
    }
    ensure!(at_ben.iter().any(|message| message.id == forgotten.id()), "what was sent before is with the other");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for item in fs::read_dir(from)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            bail!("a profile is one folder");
        }
        fs::copy(item.path(), to.join(item.file_name()))?;
    }
    Ok(())
}
