//! Profiles that are not what they should be: a typed error, and nothing is touched.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, time::Duration};

use alcyon_sim::{
    person::{Person, Sent, check_same_talk, text},
    process::{Finished, Profile, ServerSetup},
};
use anyhow::ensure;

fn expect_error(finished: &Finished) -> anyhow::Result<serde_json::Value> {
    ensure!(finished.code == Some(1), "exit code {:?}: {}", finished.code, finished.errors);
    let error = finished.error()?;
    ensure!(!text(&error, "error")?.is_empty() && !text(&error, "message")?.is_empty(), "{error}");
    Ok(error)
}

#[test]
fn a_wrong_passphrase_is_told_and_harmless() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ServerSetup::new(&folder.path().join("server")).start()?;
    let ann = Person::register(folder.path(), "ann", &server)?;
    let mut wrong = ann.profile.clone();
    "wrong horse".clone_into(&mut wrong.passphrase);
    let error = expect_error(&wrong.run(["whoami"])?)?;
    ensure!(text(&error, "message")?.to_lowercase().contains("passphrase"), "{error}");
    // A registration must not take the failure for an empty profile.
    expect_error(&wrong.run(["register", "other", "--server", &server.url().to_text()])?)?;
    ensure!(ann.profile.run(["whoami"])?.one()?["account"] == ann.account.as_str(), "the account is as it was");
    Ok(())
}

#[test]
fn a_truncated_or_foreign_profile_is_told_and_left_alone() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ServerSetup::new(&folder.path().join("server")).start()?;
    let ann = Person::register(folder.path(), "ann", &server)?;

    let truncated = folder.path().join("truncated");
    copy(&ann.profile.folder, &truncated)?;
    let database = largest(&truncated)?;
    let length = fs::metadata(&database)?.len();
    fs::OpenOptions::new().write(true).open(&database)?.set_len(length / 2 + 100)?;
    let before = fs::read(&database)?;
    let mut profile = ann.profile.clone();
    profile.folder.clone_from(&truncated);
    expect_error(&profile.run(["sync"])?)?;
    expect_error(&profile.run(["register", "other", "--server", &server.url().to_text()])?)?;
    ensure!(fs::read(&database)? == before, "a damaged database is evidence, and not written to");

    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign)?;
    fs::write(foreign.join("holiday.jpg"), b"not ours")?;
    let profile = Profile::new(&foreign);
    expect_error(&profile.run(["register", "other", "--server", &server.url().to_text()])?)?;
    ensure!(fs::read_dir(&foreign)?.count() == 1, "nothing was put beside the holiday");
    Ok(())
}

#[test]
fn a_second_process_waits_or_is_told() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ServerSetup::new(&folder.path().join("server")).start()?;
    let ann = Person::register(folder.path(), "ann", &server)?;
    let ben = Person::register(folder.path(), "ben", &server)?;
    ann.start(&ben, "hello")?;
    ben.sync()?;
    ben.accept_one()?;
    ann.sync()?;

    let mut listening = ann.profile.start(["listen"])?;
    let mut sent = vec![ben.send(&ann.handle, "do you hear me?")?];
    while listening.line(Duration::from_secs(30))?["event"] != "message" {}
    let second = ann.profile.run(["send", &ben.handle, "from beside"])?;
    if second.code == Some(0) {
        sent.push(Sent::parse(&second.one()?)?);
    } else {
        expect_error(&second)?;
    }
    ensure!(listening.is_running()?, "the first process goes on");
    listening.terminate(Duration::from_secs(20))?;

    // Many at once: whatever each is told, the profile is whole afterwards.
    let results = std::thread::scope(|scope| {
        let one_of_many = |number: usize| ann.profile.run(["send", &ben.handle, &format!("one of many {number}")]);
        let threads: Vec<_> = (0..4).map(|number| scope.spawn(move || one_of_many(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<anyhow::Result<Vec<_>>>()
    })?;
    for finished in results {
        if finished.code == Some(0) {
            sent.push(Sent::parse(&finished.one()?)?);
        } else {
            expect_error(&finished)?;
        }
    }
    ann.sync()?;
    ben.sync()?;
    check_same_talk(&ann.history(&ben.handle)?, &ben.history(&ann.handle)?, &sent)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for item in fs::read_dir(from)? {
        let item = item?;
        let target = to.join(item.file_name());
        if item.file_type()?.is_dir() {
            copy(&item.path(), &target)?;
        } else {
            fs::copy(item.path(), target)?;
        }
    }
    Ok(())
}

fn largest(folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    let files =
        fs::read_dir(folder)?.map(|item| Ok((item.as_ref().map_err(|_| anyhow::anyhow!("unreadable"))?.metadata()?.len(), item?.path())));
    let files = files.collect::<anyhow::Result<Vec<_>>>()?;
    files.into_iter().filter(|(_, path)| path.is_file()).max().map(|(_, path)| path).ok_or_else(|| anyhow::anyhow!("an empty profile"))
}
