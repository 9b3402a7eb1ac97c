//! Searching, on the screen and by keys.

use super::*;

fn found(query: &str) -> Done {
    let far = "It was a long way to the pier, and nobody had thought of the rain that came over the hills in the afternoon; then a kingfisher flew by";
    let mut messages = vec![
        message(1, 3, false, "A kingfisher!", NOW - MINUTE),
        message(1, 2, true, "a kingfisher\u{1b}[31m again", NOW - 60 * MINUTE),
        message(2, 1, false, far, NOW - 24 * 60 * MINUTE),
    ];
    messages[2].sender_handle = Some(handle("dora"));
    Done::Found { query: query.to_owned(), found: Ok(messages) }
}

fn searching() -> Chat {
    let mut chat = busy();
    assert_eq!(press_with(&mut chat, KeyCode::Char('f'), KeyModifiers::CONTROL), []);
    let mut asked = Vec::new();
    for c in "king".chars() {
        asked.extend(press(&mut chat, KeyCode::Char(c)));
    }
    let asked_for = |words: &str| Effect::Search(words.to_owned());
    assert_eq!(asked, [asked_for("k"), asked_for("ki"), asked_for("kin"), asked_for("king")], "as somebody types");
    chat.done(found("king"));
    chat
}

#[test]
fn what_was_found_is_shown_while_somebody_types() {
    pictures::at_each_size("search", || {
        let mut chat = searching();
        press(&mut chat, KeyCode::Down);
        press(&mut chat, KeyCode::Down);
        chat
    });
    let mut chat = searching();
    assert_eq!(press(&mut chat, KeyCode::Char(' ')), [], "the same words");
    chat.done(Done::Found { query: "king".to_owned(), found: Err("soon is no day".to_owned()) });
    assert!(picture(&mut chat, 80, 24).contains("soon is no day"));
    chat.done(Done::Found { query: "king".to_owned(), found: Ok(Vec::new()) });
    assert!(picture(&mut chat, 80, 24).contains("Nothing found."));
    press(&mut chat, KeyCode::Esc);
    assert!(chat.dialog.is_none());
    chat.done(found("late"));
    assert!(chat.dialog.is_none(), "an answer that nobody waits for any more");
}

#[test]
fn enter_goes_to_the_message_and_leaves_unread_what_was_jumped_over() {
    let mut chat = searching();
    press(&mut chat, KeyCode::Down);
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::GoTo(id(1), MessageId::from([2; 16]))]);
    assert!(chat.dialog.is_none());
    let messages = (1..=90).map(|number| message(1, number, number % 3 == 0, &format!("message {number}"), NOW)).collect();
    let went = Done::WentTo { conversation: id(1), id: MessageId::from([20; 16]), messages, alarms: Vec::new(), complete: true };
    assert_eq!(chat.done(went), []);
    let screen = picture(&mut chat, 80, 24);
    assert!(screen.contains("message 20") && !screen.contains("message 90"), "{screen}");
    assert_eq!(chat.open.as_ref().unwrap().selected, Some(MessageId::from([20; 16])));
    assert!(press(&mut chat, KeyCode::PageDown).is_empty(), "not at the end yet");
}

#[test]
fn the_command_opens_it_with_its_words() {
    let mut chat = busy();
    press(&mut chat, KeyCode::Enter);
    write(&mut chat, "/search from:ben tide");
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::Search("from:ben tide".to_owned())]);
}
