//! Everything a message can be, on the screen.

use alcyon_client::{ContentView, MentionView, MessageId, Person, PollOptionView, PollView, Post, QuoteView, ReactionView, TextFormat};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};

use super::*;

fn person(name: &str) -> Person {
    Person { account: AccountId::from([7; 32]), handle: Some(handle(name)), name: None }
}

/// A conversation with a message of each kind.
fn lively() -> Chat {
    let mut chat = busy();
    let with = |number, own, text: &str, content| {
        let message = message(1, number, own, text, NOW - MINUTE * 20 + u64::from(number) * MINUTE);
        Message { content, ..message }
    };
    let reactions = vec![
        ReactionView { emoji: "👍".to_owned(), who: vec![person("ann"), person("cat")], own: true },
        ReactionView { emoji: "🌊".to_owned(), who: vec![person("cat")], own: false },
    ];
    let mentions = vec![MentionView { person: person("ann"), own: true, start: 0, end: 4 }];
    let quote = QuoteView {
        id: MessageId::from([31; 16]),
        sender: Some(person("ben")),
        own: false,
        words: "what they quote".to_owned(),
        deleted: false,
    };
    let marked = ContentView { format: TextFormat::Marked, mentions, reactions, edited: true, pinned: true, ..ContentView::default() };
    let answer = ContentView { reply: Some(quote), forwarded: true, ..ContentView::default() };
    let option = |text: &str, voters: usize, own| PollOptionView { text: text.to_owned(), voters: vec![person("cat"); voters], own };
    let poll = PollView {
        options: vec![option("today", 3, true), option("tomorrow", 1, false), option("never", 0, false)],
        several: true,
        ended: true,
        voters: 3,
    };
    let messages = vec![
        with(31, false, "@ann **bold** *soft* ~~gone~~ `code` ||hidden|| [here](https://a.example)\n- one\n- two", marked),
        with(32, true, "an answer", answer),
        with(33, true, "When do we sail?", ContentView { poll: Some(poll), ..ContentView::default() }),
        with(34, false, "", ContentView { deleted: Some(person("ben")), ..ContentView::default() }),
        with(35, false, "", ContentView { newer: true, ..ContentView::default() }),
    ];
    chat.done(Done::Loaded { conversation: id(1), messages, alarms: Vec::new(), complete: true });
    press(&mut chat, KeyCode::Enter);
    chat
}

fn control(chat: &mut Chat, code: KeyCode) -> Vec<Effect> {
    chat.input(Input::Key(KeyEvent::new(code, KeyModifiers::CONTROL)))
}

fn selected(chat: &Chat) -> Option<u8> {
    chat.open.as_ref().unwrap().selected.map(|id| id.as_bytes()[0])
}

#[test]
fn everything_a_message_can_be() {
    pictures::at_each_size("contents", lively);
}

#[test]
fn a_chosen_message_stands_out_and_shows_what_it_hides() {
    pictures::at_each_size("contents_chosen", || {
        let mut chat = lively();
        for _ in 0..5 {
            // What is in sight is known by what was drawn.
            picture(&mut chat, 80, 24);
            control(&mut chat, KeyCode::Up);
        }
        assert_eq!(selected(&chat), Some(31));
        chat
    });
}

#[test]
fn keys_choose_a_message() {
    let mut chat = lively();
    assert_eq!(selected(&chat), None);
    control(&mut chat, KeyCode::Down);
    assert_eq!(selected(&chat), None, "there is none below the last");
    control(&mut chat, KeyCode::Up);
    control(&mut chat, KeyCode::Up);
    assert_eq!(selected(&chat), Some(34));
    control(&mut chat, KeyCode::Down);
    assert_eq!(selected(&chat), Some(35));
    control(&mut chat, KeyCode::Down);
    assert_eq!(selected(&chat), None, "below the last there is the composer again");
    for _ in 0..9 {
        control(&mut chat, KeyCode::Up);
    }
    assert_eq!(selected(&chat), Some(31), "and none above the first");
    press(&mut chat, KeyCode::Esc);
    assert_eq!((selected(&chat), chat.focus), (None, Focus::Main), "Esc lets go of the message first");
}

#[test]
fn commands_are_about_the_chosen_message_or_the_newest_that_fits() {
    let say = |chat: &mut Chat, line: &str| {
        write(chat, line);
        press(chat, KeyCode::Enter)
    };
    let post = |post: Post, line: &str| vec![Effect::Post { conversation: id(1), post, line: Some(line.to_owned()) }];
    let target = |number: u8| MessageId::from([number; 16]);
    let mut chat = lively();
    let react = Post::React { target: target(35), emoji: "👍".to_owned(), back: false };
    assert_eq!(say(&mut chat, "/react 👍"), post(react, "/react 👍"), "the newest of others");
    let edit = Post::Edit { target: target(33), text: "When?".to_owned(), format: TextFormat::Marked };
    assert_eq!(say(&mut chat, "/edit When?"), post(edit, "/edit When?"), "the newest own one");
    assert_eq!(say(&mut chat, "/vote 1 3"), post(Post::Vote { target: target(33), options: vec![0, 2] }, "/vote 1 3"), "the newest poll");
    assert_eq!(say(&mut chat, "/unpin-message"), post(Post::Pin { target: target(31), pinned: false }, "/unpin-message"), "the newest pin");
    for _ in 0..5 {
        control(&mut chat, KeyCode::Up);
    }
    let reply = Post::Text { text: "yes".to_owned(), format: TextFormat::Marked, reply_to: Some(target(31)) };
    assert_eq!(say(&mut chat, "/reply yes"), post(reply, "/reply yes"), "the chosen one");
    let forward = Post::Forward { from: id(1), id: target(31) };
    let to_dora = "/forward dora@localhost:8080";
    assert_eq!(say(&mut chat, to_dora), vec![Effect::Post { conversation: id(2), post: forward, line: Some(to_dora.to_owned()) }]);
    assert!(say(&mut chat, "/forward zoe@localhost:8080").is_empty());
    assert_eq!(chat.notice.as_deref(), Some("You have no conversation with zoe@localhost:8080."));
    assert_eq!(chat.drafts[&id(1)].text(), "/forward zoe@localhost:8080", "what was typed stays");
}

#[test]
fn a_deletion_is_asked_about() {
    let mut chat = lively();
    write(&mut chat, "/delete");
    assert!(press(&mut chat, KeyCode::Enter).is_empty());
    assert!(matches!(chat.dialog, Some(Dialog::Confirm { .. })));
    let delete = Post::Delete { target: MessageId::from([33; 16]) };
    assert_eq!(
        press(&mut chat, KeyCode::Char('y')),
        [Effect::Post { conversation: id(1), post: delete, line: Some("/delete".to_owned()) }]
    );
}

#[test]
fn who_has_a_name_goes_by_it_in_the_list_above_the_conversation_and_above_messages() {
    let mut chat = busy();
    let mut ben = summary(1, "ben", 0);
    ben.name = Some("Ben of the\u{1b} bay".to_owned());
    chat.refresh(vec![ben], Vec::new());
    chat.choose(Choice::Conversation(id(1)));
    chat.done(Done::Loaded { conversation: id(1), messages: Vec::new(), alarms: Vec::new(), complete: true });
    let said = |number, name: &str| Message { sender_name: Some(name.to_owned()), ..message(1, number, false, "ahoy", NOW) };
    chat.heard(Event::Message(said(30, "Ben of the bay")));
    let screen = picture(&mut chat, 80, 24);
    assert_eq!((screen.matches("Ben of the").count(), screen.matches("ben@").count()), (3, 0), "{screen}");
    assert!(!screen.contains('\u{1b}'), "{screen}");
    let introduced = || Event::Introduced { person: person("ben") };
    assert_eq!(chat.heard(introduced()), [Effect::Load(id(1))], "all that names them is read again");
    chat.open.as_mut().unwrap().scroll = 3;
    assert_eq!(chat.heard(introduced()), [], "but nobody is carried away from what they read");
}
