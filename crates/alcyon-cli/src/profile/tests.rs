#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, collections::HashMap};

use zeroize::Zeroizing;

use super::*;

/// Secrets of a machine that a test describes.
#[derive(Default)]
struct Fake {
    environment: Option<&'static str>,
    typed: Option<&'static str>,
    /// `None`: there is no keyring.
    keyring: Option<RefCell<HashMap<String, Vec<u8>>>>,
    /// Says that it has kept a secret, and has not.
    forgetful: bool,
}

impl Secrets for Fake {
    fn environment(&self) -> Option<Zeroizing<String>> {
        self.environment.map(|text| Zeroizing::new(text.to_owned()))
    }
    fn can_ask(&self) -> bool {
        self.typed.is_some()
    }
    fn ask(&self, _new: bool) -> Result<Zeroizing<String>, Failure> {
        Ok(Zeroizing::new(self.typed.unwrap().to_owned()))
    }
    fn fetch(&self, entry: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let keyring = self.keyring.as_ref().ok_or("no keyring")?;
        keyring.borrow().get(entry).cloned().map(Zeroizing::new).ok_or_else(|| "no such entry".to_owned())
    }
    fn keep(&self, entry: &str, key: &[u8; 32]) -> Result<(), String> {
        let keyring = self.keyring.as_ref().ok_or("no keyring")?;
        if !self.forgetful {
            keyring.borrow_mut().insert(entry.to_owned(), key.to_vec());
        }
        Ok(())
    }
}

fn with_passphrase(passphrase: &'static str) -> Fake {
    Fake { environment: Some(passphrase), ..Fake::default() }
}

fn with_keyring() -> Fake {
    Fake { keyring: Some(RefCell::default()), ..Fake::default() }
}

fn description(directory: &Path) -> Description {
    parse(&fs::read(directory.join(FILE)).unwrap()).unwrap()
}

/// Every file and its bytes.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        // Empty lock files are nothing that anybody could miss.
        .filter(|entry| entry.metadata().unwrap().len() > 0)
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_passphrase_opens_what_it_made_and_another_does_not() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("deep/profile");
    drop(open(&directory, true, &with_passphrase("right")).unwrap());
    drop(open(&directory, false, &with_passphrase("right")).unwrap());
    let before = contents(&directory);
    assert!(matches!(open(&directory, false, &with_passphrase("wrong")), Err(Failure::Store(StoreError::WrongKey))));
    assert!(matches!(open(&directory, true, &with_passphrase("wrong")), Err(Failure::Store(StoreError::WrongKey))));
    assert!(before == contents(&directory), "nothing was changed");
    drop(open(&directory, false, &with_passphrase("right")).unwrap());
}

#[cfg(unix)]
#[test]
fn nobody_else_can_look_into_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("profile");
    drop(open(&directory, true, &with_passphrase("right")).unwrap());
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(directory.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_keyring_keeps_the_key_if_there_is_no_passphrase() {
    let place = tempfile::tempdir().unwrap();
    let secrets = with_keyring();
    drop(open(place.path(), true, &secrets).unwrap());
    drop(open(place.path(), false, &secrets).unwrap());
    assert!(matches!(description(place.path()).key, KeySource::Keyring { .. }));
    assert!(matches!(open(place.path(), false, &Fake::default()), Err(Failure::Keyring(_))));
}

#[test]
fn the_source_of_the_key_never_changes_by_itself() {
    let place = tempfile::tempdir().unwrap();
    drop(open(place.path(), true, &with_passphrase("right")).unwrap());
    // A keyring that came later is not used, and nothing is put there.
    let later = with_keyring();
    assert!(matches!(open(place.path(), true, &later), Err(Failure::NoPassphrase)));
    assert!(later.keyring.unwrap().borrow().is_empty());
    assert!(matches!(description(place.path()).key, KeySource::Passphrase { .. }));
}

#[test]
fn without_any_source_the_way_out_is_named() {
    let place = tempfile::tempdir().unwrap();
    let failure = open(place.path(), true, &Fake::default()).err().unwrap();
    assert!(matches!(failure, Failure::NoKeySource));
    assert!(failure.to_string().contains("ALCYON_PASSPHRASE"));
    assert!(Failure::NoPassphrase.to_string().contains("ALCYON_PASSPHRASE"));
    // Nothing stands in the way of the next try.
    drop(open(place.path(), true, &with_passphrase("right")).unwrap());
}

#[test]
fn a_keyring_that_forgets_is_not_trusted_with_the_only_key() {
    let place = tempfile::tempdir().unwrap();
    let secrets = Fake { forgetful: true, typed: Some("typed"), ..with_keyring() };
    drop(open(place.path(), true, &secrets).unwrap());
    assert!(matches!(description(place.path()).key, KeySource::Passphrase { .. }));
    drop(open(place.path(), false, &with_passphrase("typed")).unwrap());
}

#[test]
fn an_empty_passphrase_is_a_mistake() {
    let place = tempfile::tempdir().unwrap();
    assert!(matches!(open(place.path(), true, &with_passphrase("")), Err(Failure::EmptyPassphrase)));
}

#[test]
fn a_profile_is_made_only_when_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("profile");
    assert!(matches!(open(&directory, false, &with_passphrase("right")), Err(Failure::NoProfile(_))));
    assert!(!directory.exists());
}

#[test]
fn a_directory_that_holds_something_else_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("letter.txt"), "dear diary").unwrap();
    for create in [false, true] {
        assert!(matches!(open(place.path(), create, &with_passphrase("right")), Err(Failure::ForeignDirectory(_))));
    }
    let files: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["letter.txt"]);
    let file = place.path().join("letter.txt");
    assert!(matches!(open(&file, true, &with_passphrase("right")), Err(Failure::ForeignDirectory(_))));
}

#[test]
fn a_missing_or_emptied_database_is_damage_and_not_a_fresh_start() {
    let place = tempfile::tempdir().unwrap();
    drop(open(place.path(), true, &with_passphrase("right")).unwrap());
    let ours = |name: &str| name == FILE || name == LOCK;
    let databases: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| !ours(entry.file_name().to_str().unwrap()))
        .collect();
    for entry in &databases {
        fs::write(entry.path(), "").unwrap();
    }
    assert!(matches!(open(place.path(), true, &with_passphrase("right")), Err(Failure::DamagedProfile(_))));
    for entry in &databases {
        fs::remove_file(entry.path()).unwrap();
    }
    assert!(matches!(open(place.path(), true, &with_passphrase("right")), Err(Failure::DamagedProfile(_))));
}

#[test]
fn a_truncated_database_is_told_and_left_alone() {
    let place = tempfile::tempdir().unwrap();
    drop(open(place.path(), true, &with_passphrase("right")).unwrap());
    let (name, bytes) = contents(place.path()).into_iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    fs::write(place.path().join(name), &bytes[..bytes.len() / 2 - 100]).unwrap();
    let before = contents(place.path());
    assert!(open(place.path(), true, &with_passphrase("right")).is_err());
    assert!(before == contents(place.path()), "nothing was changed");
}

#[test]
fn a_damaged_or_newer_description_is_told() {
    let place = tempfile::tempdir().unwrap();
    drop(open(place.path(), true, &with_passphrase("right")).unwrap());
    let file = place.path().join(FILE);
    let text = fs::read_to_string(&file).unwrap();
    for damaged in [&text[..text.len() / 2], "", "[]", "{}", &text.replace("\"complete\"", "\"completed\"")] {
        fs::write(&file, damaged).unwrap();
        assert!(matches!(open(place.path(), true, &with_passphrase("right")), Err(Failure::DamagedProfile(_))), "{damaged}");
    }
    fs::write(&file, r#"{"version":2,"anything":"else"}"#).unwrap();
    assert!(matches!(open(place.path(), true, &with_passphrase("right")), Err(Failure::NewerProfile { found: 2, known: 1 })));
    fs::write(&file, text).unwrap();
    drop(open(place.path(), true, &with_passphrase("right")).unwrap());
}

#[test]
fn a_maker_that_died_before_there_was_a_database_leaves_a_fresh_start() {
    let place = tempfile::tempdir().unwrap();
    let (key, _) = KeySource::choose(&with_passphrase("forgotten")).unwrap();
    write(place.path(), &Description { version: VERSION, complete: false, key }).unwrap();
    assert!(matches!(open(place.path(), false, &with_passphrase("right")), Err(Failure::NoProfile(_))));
    drop(open(place.path(), true, &with_passphrase("right")).unwrap());
    drop(open(place.path(), false, &with_passphrase("right")).unwrap());
}

#[test]
fn a_maker_that_died_after_the_database_was_made_has_made_it() {
    let place = tempfile::tempdir().unwrap();
    drop(open(place.path(), true, &with_passphrase("right")).unwrap());
    write(place.path(), &Description { complete: false, ..description(place.path()) }).unwrap();
    assert!(matches!(open(place.path(), true, &with_passphrase("wrong")), Err(Failure::Store(StoreError::WrongKey))));
    drop(open(place.path(), false, &with_passphrase("right")).unwrap());
}

#[test]
fn a_second_opener_is_told_that_it_is_busy() {
    let place = tempfile::tempdir().unwrap();
    let _first = open(place.path(), true, &with_passphrase("right")).unwrap();
    let second = open(place.path(), false, &with_passphrase("right")).err().unwrap();
    assert!(matches!(second, Failure::Store(StoreError::Busy)));
    assert_eq!((second.code(), second.exit_code()), ("busy", 1));
}

#[test]
fn makers_at_the_same_moment_make_one_profile() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("profile");
    let done: Vec<_> = thread::scope(|scope| {
        let makers: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&directory, true, &with_passphrase("right")).map(drop))).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    drop(open(&directory, false, &with_passphrase("right")).unwrap());
}
