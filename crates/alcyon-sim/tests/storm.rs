//! The short form of the storm, as `cargo xtask storm --short` runs it: that the scenarios that the product can take run to
//! their end and hold their marks. The marks are ratios within one run, so that they hold on a machine that others use.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use serde_json::Value;

fn storm(scenario: &str) {
    let out = tempfile::tempdir().unwrap();
    let mut storm = Command::new(env!("CARGO_BIN_EXE_storm"));
    let output = storm.args([scenario, "--short", "--out"]).arg(out.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&std::fs::read(out.path().join("storm.json")).unwrap()).unwrap();
    let marks = json["scenarios"][0]["marks"].as_array().unwrap();
    assert!(!marks.is_empty() && marks.iter().all(|mark| mark["passed"] == true), "{said}");
    let page = std::fs::read_to_string(out.path().join("index.html")).unwrap();
    let drawn = json["scenarios"][0]["plots"].as_array().is_some_and(|plots| !plots.is_empty());
    assert!(page.contains("<polyline") == drawn && page.contains("</html>"));
}

#[test]
fn a_server_that_is_killed_gets_everybody_back_and_has_lost_nothing() {
    storm("herd");
}

#[test]
fn people_who_mean_harm_are_not_noticed_by_others() {
    storm("hostile");
}

#[test]
fn more_than_it_can_take_does_not_keep_it_from_taking_what_it_can() {
    storm("overload");
}

#[test]
fn newcomers_in_numbers_come_in() {
    storm("record-day");
}

#[test]
fn everybody_who_is_leant_on_is_dead_and_people_go_on() {
    // A machine with a dead resolver is made with namespaces. Where a container forbids them, the same is tested with a name
    // that no resolver knows (`alcyon-net/tests/sockets.rs`).
    let mut namespace = Command::new("unshare");
    namespace.args(["--user", "--map-root-user", "--mount", "sh", "-c", "mount --bind /etc/hosts /etc/resolv.conf"]);
    if namespace.status().is_ok_and(|status| status.success()) {
        storm("dark");
    }
}

#[test]
fn a_server_that_refuses_everything_hears_little_more_than_each_message_once() {
    storm("retry-storm");
}

#[test]
fn more_newcomers_than_may_come_in_do_not_disturb_those_who_talk() {
    storm("exodus");
}
