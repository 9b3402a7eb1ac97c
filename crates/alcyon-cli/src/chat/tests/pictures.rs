//! The screen as it is drawn, at the three sizes that count.

use super::*;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (50, 16)];

pub(super) fn at_each_size(name: &str, mut chat: impl FnMut() -> Chat) {
    for (width, height) in SIZES {
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), picture(&mut chat(), width, height));
    }
}

#[test]
fn talking() {
    at_each_size("talking", || {
        let mut chat = busy();
        press(&mut chat, KeyCode::Enter);
        write(&mut chat, "And don't forget the life vests, the ones");
        chat
    });
}

#[test]
fn choosing() {
    at_each_size("choosing", busy);
}

#[test]
fn a_request() {
    at_each_size("request", || {
        let mut chat = busy();
        press(&mut chat, KeyCode::Up);
        press(&mut chat, KeyCode::Enter);
        chat
    });
}

#[test]
fn alarms_and_unread() {
    at_each_size("alarms", || {
        let mut chat = busy();
        let mut dora = summary(2, "dora", 2);
        dora.alarm = Some(Alarm { conversation: Some(id(2)), kind: AlarmKind::Forked, sequence: 3 });
        chat.refresh(vec![dora], Vec::new());
        let messages = (1..6).map(|number| message(2, number, false, "Are you there?", NOW - 5 * MINUTE)).collect();
        let alarm = |kind| Alarm { conversation: Some(id(2)), kind, sequence: 3 };
        let alarms = vec![alarm(AlarmKind::Forked), alarm(AlarmKind::HandleChanged), alarm(AlarmKind::Forked)];
        chat.done(Done::Loaded { conversation: id(2), messages, alarms, complete: true });
        chat.connection = ConnectionState::Waiting { retry_in_ms: 4200 };
        chat.next_try_ms = NOW + 4200;
        press(&mut chat, KeyCode::Enter);
        chat
    });
}

#[test]
fn each_dialog() {
    let names = [
        "none",
        "welcome",
        "words",
        "help",
        "new",
        "block",
        "safety_wait",
        "safety",
        "told",
        "problem",
        "command",
        "command_wrong",
        "confirm",
        "group_wait",
        "group",
        "links",
    ];
    for (name, at) in names.into_iter().zip(0..).skip(1) {
        at_each_size(name, || {
            let mut chat = busy();
            chat.dialog = dialogs().swap_remove(at);
            chat
        });
    }
}

#[test]
fn a_group_and_a_command_being_typed() {
    at_each_size("group_command", || {
        let mut chat = commands::in_boats();
        write(&mut chat, "/al");
        chat
    });
}

#[test]
fn kept_conversations() {
    at_each_size("kept", || {
        let mut chat = commands::kept();
        press(&mut chat, KeyCode::End);
        press(&mut chat, KeyCode::Enter);
        press(&mut chat, KeyCode::Home);
        chat
    });
    let mut chat = commands::kept();
    chat.look = Look { unicode: false, colours: false, ..ENGLISH };
    insta::assert_snapshot!("kept_ascii_80x24", picture(&mut chat, 80, 24));
    let mut chat = commands::kept();
    chat.look.language = Language::French;
    insta::assert_snapshot!("kept_french_80x24", picture(&mut chat, 80, 24));
}

#[test]
fn somebody_asks_to_be_let_in() {
    let mut chat = commands::in_boats();
    chat.refresh(chat.conversations.clone(), vec![commands::asking(8, "hal")]);
    press(&mut chat, KeyCode::Esc);
    press(&mut chat, KeyCode::Home);
    insta::assert_snapshot!("asks_in_80x24", picture(&mut chat, 80, 24));
}

#[test]
fn nobody_yet() {
    let mut chat = Chat::new(ENGLISH, Zone::Fixed(UtcOffset::UTC), NOW, Some(handle("ann").to_text()));
    insta::assert_snapshot!("nobody_80x24", picture(&mut chat, 80, 24));
}

#[test]
fn french() {
    let mut chat = busy();
    chat.look.language = Language::French;
    press(&mut chat, KeyCode::Enter);
    insta::assert_snapshot!("french_80x24", picture(&mut chat, 80, 24));
    chat.dialog = Some(Dialog::Help { scroll: 0 });
    insta::assert_snapshot!("french_help_80x24", picture(&mut chat, 80, 24));
}

#[test]
fn a_terminal_without_unicode_and_colours() {
    let mut chat = busy();
    chat.look = Look { unicode: false, colours: false, ..ENGLISH };
    let open = chat.open.as_mut().unwrap();
    open.messages.retain(|message| message.text.is_ascii());
    press(&mut chat, KeyCode::Esc);
    let screen = picture(&mut chat, 80, 24);
    insta::assert_snapshot!("ascii_80x24", screen);
    // What people write stays as it is, and so does the sign for what they should not have written.
    let theirs = "你好！\u{fffd}";
    assert!(screen.chars().all(|c| c.is_ascii() || theirs.contains(c)), "{screen}");
}
