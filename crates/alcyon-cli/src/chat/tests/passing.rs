//! What goes by itself, who has read, who types, and what is kept of it on the screen.

use alcyon_client::{ContentView, GoesView, Person, QuoteView, Tells};

use super::*;

fn ben() -> Person {
    Person { account: AccountId::from([1; 32]), handle: Some(handle("ben")), name: None }
}

fn open() -> Chat {
    let mut chat = busy();
    press(&mut chat, KeyCode::Enter);
    chat
}

#[test]
fn a_message_that_has_gone_leaves_the_screen_and_what_quotes_it() {
    let mut chat = open();
    let goes = ContentView { goes: Some(GoesView { timer_s: 129_600, at_ms: Some(NOW) }), ..ContentView::default() };
    let secret = Message { content: goes, ..message(1, 20, false, "a secret heron", NOW) };
    let quote = QuoteView { id: secret.id, sender: Some(ben()), own: false, words: "a secret heron".to_owned(), deleted: false };
    let answer = Message { content: ContentView { reply: Some(quote), ..ContentView::default() }, ..message(1, 21, true, "which?", NOW) };
    chat.heard(Event::Message(secret.clone()));
    chat.heard(Event::Delivery(answer));
    let screen = picture(&mut chat, 80, 24);
    assert!(screen.contains("a secret heron") && screen.contains("(goes after 1d 12h)"), "{screen}");
    chat.heard(Event::Gone { conversation: id(1), id: secret.id });
    let screen = picture(&mut chat, 80, 24);
    assert!(!screen.contains("heron") && screen.contains("a message that is not here"), "{screen}");
}

#[test]
fn who_has_read_and_who_types_is_seen_while_it_is_so() {
    let mut chat = open();
    let sent = chat.open.as_ref().unwrap().messages[6].clone();
    assert_eq!(sent.delivery, Delivery::Sent);
    chat.heard(Event::Read { conversation: id(1), by: ben(), up_to: sent.position.unwrap() });
    let read = &chat.open.as_ref().unwrap().messages[6];
    assert_eq!((read.delivery, read.content.read_by.as_slice()), (Delivery::Read, [ben()].as_slice()));
    assert_eq!(chat.open.as_ref().unwrap().messages[7].delivery, Delivery::Queued, "what is not sent is not read");
    let typing = |typing| Event::Typing { conversation: id(1), by: ben(), typing };
    chat.heard(typing(true));
    pictures::at_each_size("typing", || {
        let mut chat = open();
        chat.heard(typing(true));
        chat
    });
    assert!(picture(&mut chat, 80, 24).contains("ben is typing"));
    chat.now_ms += 6_000;
    assert!(!picture(&mut chat, 80, 24).contains("is typing"), "it holds for six seconds");
    chat.heard(typing(true));
    chat.heard(Event::Message(message(1, 30, false, "here I am", NOW)));
    assert!(!picture(&mut chat, 80, 24).contains("is typing"), "what was typed is here");
    chat.heard(typing(true));
    chat.heard(typing(false));
    assert!(!picture(&mut chat, 80, 24).contains("is typing"));
}

#[test]
fn marks_drafts_and_timers_stand_in_the_list_in_words() {
    pictures::at_each_size("marked", || {
        let mut chat = busy();
        let mut ben = summary(1, "ben", 0);
        (ben.marked_unread, ben.timer_s) = (true, 30);
        let mut dora = summary(2, "dora", 0);
        dora.draft = "I was about to say".to_owned();
        chat.refresh(vec![ben, dora], Vec::new());
        chat
    });
    let mut chat = busy();
    chat.choose(Choice::Conversation(id(1)));
    let act = |act| Effect::Act { conversation: Some(id(1)), act, line: None };
    assert_eq!(press(&mut chat, KeyCode::Char('u')), [act(Act::Unread)]);
    press(&mut chat, KeyCode::Enter);
    write(&mut chat, "/receipts off");
    let told = Effect::Act { conversation: Some(id(1)), act: Act::Tell(Tells::Read, Some(false)), line: Some("/receipts off".to_owned()) };
    assert_eq!(press(&mut chat, KeyCode::Enter), [told]);
}

#[test]
fn what_a_timer_does_not_promise_is_told_where_it_is_set() {
    let mut chat = open();
    chat.done(Done::Acted { conversation: Some(id(1)), acted: super::super::acts::Acted::TimerSet(86_400) });
    let screen = picture(&mut chat, 80, 24);
    assert!(screen.contains("promise") && screen.contains("30 days"), "{screen}");
    press(&mut chat, KeyCode::Esc);
    assert!(chat.dialog.is_none());
}
