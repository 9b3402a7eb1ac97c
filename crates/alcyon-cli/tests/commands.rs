//! The program from outside, as far as it goes without a server: usage, help, errors, profiles.
#![allow(clippy::unwrap_used)]

use std::{
    ffi::OsStr,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

/// A process with nothing of this machine's user in it.
fn alcyon(profile: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alcyon"));
    command.args(arguments).stdin(Stdio::null()).env_clear().env("ALCYON_PROFILE", profile).env("LANG", "C.UTF-8");
    // Where a keyring would be asked for; there is none.
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    command
}

fn run(arguments: &[&str]) -> Output {
    let place = tempfile::tempdir().unwrap();
    alcyon(&place.path().join("profile"), arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Exit code, and the one error object on standard error.
fn error_of(output: &Output) -> (i32, String, Option<String>) {
    assert_eq!(text(&output.stdout), "");
    let lines: Vec<_> = text(&output.stderr).lines().collect();
    let [line] = lines[..] else { panic!("not one line: {lines:?}") };
    let object: serde_json::Value = serde_json::from_str(line).unwrap();
    let word = |key: &str| object.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    assert!(!word("message").unwrap().is_empty());
    assert!(object.as_object().unwrap().keys().all(|key| ["error", "message", "field"].contains(&key.as_str())));
    (output.status.code().unwrap(), word("error").unwrap(), word("field"))
}

#[test]
fn wrong_usage_is_2_and_names_the_argument() {
    let cases: [(&[&str], &str, Option<&str>); 23] = [
        (&["--json"], "usage", None),
        (&["--json", "fly"], "usage", Some("command")),
        (&["--json", "send"], "usage", Some("who")),
        (&["--json", "send", "ben@server.example"], "usage", Some("text")),
        (&["--json", "start", "nohandle", "hi"], "invalid", Some("handle")),
        (&["--json", "start", "ben@server.example#1", "hi"], "invalid", Some("handle")),
        (&["--json", "start", "ben@server.example"], "usage", Some("text")),
        (&["--json", "register", "ann"], "usage", Some("server")),
        (&["--json", "register", "An", "--server", "http://localhost:8080"], "invalid", Some("name")),
        (&["--json", "register", "ann", "--server", "localhost"], "invalid", Some("server")),
        (&["--json", "register", "ann", "--server"], "usage", Some("server")),
        (&["--json", "accept", "!!"], "invalid", Some("id")),
        (&["--json", "history", "ben@server.example", "--limit", "0"], "invalid", Some("limit")),
        (&["--json", "history", "ben@server.example", "--limit", "many"], "invalid", Some("limit")),
        (&["--json", "whoami", "--color"], "usage", Some("color")),
        (&["--json", "block", "ben@"], "invalid", Some("handle")),
        (&["--json", "conversation", "mute", "ben@server.example", "--for", "8 hours"], "invalid", Some("for")),
        (&["--json", "group", "roles", "g", "ben@server.example", "boss"], "invalid", Some("role")),
        (&["--json", "group", "set", "g", "--invite", "all"], "invalid", Some("invite")),
        (&["--json", "group", "set", "g", "--timer", "soon"], "invalid", Some("timer")),
        (&["--json", "group", "invite", "g", "ben"], "invalid", Some("handle")),
        (&["--json", "join", "http://server.example"], "invalid", Some("link")),
        (&["--json", "conversation", "mute", "x", "--for", "8h", "--for-ever"], "usage", Some("for")),
    ];
    for (arguments, error, field) in cases {
        let (code, found, named) = error_of(&run(arguments));
        assert_eq!((code, found.as_str(), named.as_deref()), (2, error, field), "{arguments:?}");
    }
}

#[test]
fn wrong_usage_without_json_is_for_people() {
    let output = run(&["accept", "!!"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).contains("base32"), "{}", text(&output.stderr));
}

#[test]
fn every_command_has_help() {
    let commands = [
        "register",
        "whoami",
        "conversations",
        "conversation",
        "safety-number",
        "start",
        "requests",
        "accept",
        "decline",
        "block",
        "unblock",
        "send",
        "sync",
        "listen",
        "history",
        "group",
        "join",
        "chat",
        "completions",
        "man",
    ];
    let main = run(&["--help"]);
    assert_eq!((main.status.code(), text(&main.stderr)), (Some(0), ""));
    for command in commands {
        assert!(text(&main.stdout).contains(&format!("\n  {command}")), "{command} is not listed");
        let help = run(&[command, "--help"]);
        assert_eq!((help.status.code(), text(&help.stderr)), (Some(0), ""));
        assert!(text(&help.stdout).contains("Usage: alcyon"), "{command}");
    }
    for command in ["register", "start", "send"] {
        assert!(text(&run(&[command, "--help"]).stdout).contains("Example"), "{command}");
    }
    assert!(text(&run(&["--version"]).stdout).starts_with("alcyon "));
}

#[test]
fn completions_and_manual_come_from_the_same_source() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("safety-number"), "{shell}");
    }
    let manual = run(&["man"]);
    assert!(text(&manual.stdout).contains(".TH alcyon 1"));
    assert!(text(&manual.stdout).contains("alcyon\\-send"));
    assert!(text(&run(&["man", "send"]).stdout).contains(".TH alcyon-send 1"));
    let (code, error, field) = error_of(&run(&["--json", "man", "fly"]));
    assert_eq!((code, error.as_str(), field.as_deref()), (2, "usage", Some("command")));
}

#[test]
fn without_a_profile_everything_says_to_register_and_nothing_is_made() {
    let place = tempfile::tempdir().unwrap();
    let profile = place.path().join("profile");
    let commands: [&[&str]; 7] = [
        &["whoami"],
        &["conversations"],
        &["requests"],
        &["sync"],
        &["listen"],
        &["send", "ben@server.example", "hi"],
        &["history", "ben@server.example"],
    ];
    for command in commands {
        let output = alcyon(&profile, [&["--json"], command].concat()).env("ALCYON_PASSPHRASE", "secret").output().unwrap();
        assert_eq!(error_of(&output), (1, "no-account".to_owned(), Some("profile".to_owned())), "{command:?}");
    }
    assert!(!profile.exists());
}

#[test]
fn without_terminal_and_keyring_the_passphrase_is_asked_for_by_name() {
    let output = run(&["--json", "register", "ann", "--server", "http://127.0.0.1:1"]);
    assert_eq!(error_of(&output), (1, "passphrase".to_owned(), Some("passphrase".to_owned())));
    assert!(text(&output.stderr).contains("ALCYON_PASSPHRASE"));
    let people = run(&["register", "ann", "--server", "http://127.0.0.1:1"]);
    assert!(text(&people.stderr).contains("ALCYON_PASSPHRASE"));
}

/// A profile without an account: the server is not there.
fn made(profile: &Path) {
    let output = alcyon(profile, ["--json", "register", "ann", "--server", "http://127.0.0.1:1"])
        .env("ALCYON_PASSPHRASE", "right")
        .output()
        .unwrap();
    assert_eq!(error_of(&output), (1, "unreachable".to_owned(), None));
}

#[test]
fn a_passphrase_profile_opens_with_that_passphrase_only() {
    let place = tempfile::tempdir().unwrap();
    let profile = place.path().join("profile");
    made(&profile);
    let whoami = |passphrase: Option<&str>| {
        let mut command = alcyon(&profile, ["--json", "whoami"]);
        if let Some(passphrase) = passphrase {
            command.env("ALCYON_PASSPHRASE", passphrase);
        }
        error_of(&command.output().unwrap())
    };
    let field = || Some("passphrase".to_owned());
    assert_eq!(whoami(Some("right")), (1, "no-account".to_owned(), None));
    assert_eq!(whoami(Some("wrong")), (1, "wrong-passphrase".to_owned(), field()));
    assert_eq!(whoami(Some("")), (1, "passphrase".to_owned(), field()));
    assert_eq!(whoami(None), (1, "passphrase".to_owned(), field()));
    assert_eq!(whoami(Some("right")), (1, "no-account".to_owned(), None));
}

#[test]
fn a_foreign_or_truncated_profile_is_told() {
    let place = tempfile::tempdir().unwrap();
    let open = |profile: &Path| error_of(&alcyon(profile, ["--json", "whoami"]).env("ALCYON_PASSPHRASE", "right").output().unwrap());
    let told = || (1, "not-a-profile".to_owned(), Some("profile".to_owned()));
    let foreign = place.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("letter.txt"), "dear diary").unwrap();
    assert_eq!(open(&foreign), told());
    assert_eq!(open(&foreign.join("letter.txt")), told());
    let truncated = place.path().join("truncated");
    made(&truncated);
    let description = truncated.join("profile.json");
    let bytes = std::fs::read(&description).unwrap();
    std::fs::write(&description, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(open(&truncated), told());
    std::fs::write(&description, r#"{"version":99}"#).unwrap();
    assert_eq!(open(&truncated).1, "newer-profile");
}

#[test]
fn plain_http_to_another_machine_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let mut command = alcyon(&place.path().join("profile"), ["--json", "register", "ann", "--server", "http://192.0.2.1"]);
    let output = command.env("ALCYON_PASSPHRASE", "right").output().unwrap();
    assert_eq!(error_of(&output).1, "unreachable");
    assert!(text(&output.stderr).contains("https"));
}

#[test]
fn standard_input_has_to_be_text() {
    let place = tempfile::tempdir().unwrap();
    let mut command = alcyon(&place.path().join("profile"), ["--json", "send", "ben@server.example", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\xff\xfe").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(error_of(&output), (1, "invalid".to_owned(), Some("text".to_owned())));
}

#[test]
fn the_chat_needs_a_terminal() {
    let (code, error, _) = error_of(&run(&["--json", "chat"]));
    assert_eq!((code, error.as_str()), (1, "no-terminal"));
}

#[test]
fn errors_speak_the_language_of_the_person() {
    let place = tempfile::tempdir().unwrap();
    let output = alcyon(&place.path().join("profile"), ["whoami"]).env("LANG", "fr_FR.UTF-8").output().unwrap();
    assert!(text(&output.stderr).starts_with("alcyon: il n'y a pas encore de profil"), "{}", text(&output.stderr));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = tempfile::tempdir().unwrap();
    let mut child = alcyon(&place.path().join("profile"), ["man"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
}
