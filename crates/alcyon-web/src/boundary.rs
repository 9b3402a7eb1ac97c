//! The boundary as TypeScript: one file, made of the types here.

#![allow(clippy::unwrap_used)]

use std::{env, fs, path::Path};

use ts_rs::{Config, TS};

use crate::*;

const HEAD: &str = "\
// The messages between a page and its Worker: made of the Rust types in crates/alcyon-web by
// `ALCYON_UPDATE=1 cargo test -p alcyon-web boundary`. Do not edit.

";

fn declare<T: TS>(text: &mut String) {
    let config = Config::new().with_large_int("number");
    if let Some(docs) = T::docs() {
        text.push_str(&docs);
    }
    text.push_str("export ");
    text.push_str(&T::decl(&config));
    text.push_str("\n\n");
}

fn boundary() -> String {
    let mut text = HEAD.to_owned();
    macro_rules! declare_all {
        ($($name:ty),* $(,)?) => { $(declare::<$name>(&mut text);)* };
    }
    declare_all!(
        Call,
        Command,
        PostText,
        AttachKind,
        Shows,
        Event,
        Answer,
        AlarmWord,
        AsksView,
        ConnectionWord,
        EarlierTextView,
        LinkView,
        ShownWord,
        ConversationView,
        DeliveryWord,
        DeviceShown,
        FileShown,
        GroupShown,
        IntroductionShown,
        LineView,
        MemberShown,
        MessageView,
        PersonView,
        PollOptionShown,
        PollShown,
        ReactionShown,
        ReplyView,
        ReasonWord,
        ReportShown,
        ReportedShown,
        RequestView,
        RequestWord,
        SpanView,
        StandingWord,
        TransferShown,
        TransferWord,
        VoiceShown,
    );
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[test]
fn the_boundary_in_typescript_is_that_of_today() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/src/core/boundary.ts");
    let made = boundary();
    if env::var_os("ALCYON_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, made).unwrap();
        return;
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == made, "web/src/core/boundary.ts is old: ALCYON_UPDATE=1 cargo test -p alcyon-web boundary");
}
