#![allow(clippy::unwrap_used)]

mod commands;
mod contents;
mod finding;
mod passing;
mod pictures;

use alcyon_client::{
    AccountId, Alarm, AlarmKind, ConnectionState, ConversationId, ConversationSummary, Delivery, Event, Handle, KnockRequest, Message,
    MessageId, Position, Registered, RequestKind, SafetyNumberView, Standing,
};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::{Terminal, backend::TestBackend};
use time::UtcOffset;
use zeroize::Zeroizing;

use super::{
    composer::Composer,
    dialog::Dialog,
    draw::draw,
    slash::Act,
    state::{Chat, Choice, Done, Effect, Focus},
};
use crate::{look::Look, moments::Zone, text::Language};

/// Monday 5 January 2026, 14:03 UTC.
const NOW: u64 = 1_767_621_822_123;
const MINUTE: u64 = 60_000;
const ENGLISH: Look = Look { language: Language::English, unicode: true, colours: true };

fn id(number: u8) -> ConversationId {
    ConversationId::from([number; 16])
}

fn handle(name: &str) -> Handle {
    format!("{name}@localhost:8080").parse().unwrap()
}

fn message(conversation: u8, number: u8, own: bool, text: &str, at: u64) -> Message {
    Message {
        conversation: id(conversation),
        id: MessageId::from([number; 16]),
        sender: AccountId::from([if own { 9 } else { conversation }; 32]),
        sender_handle: (!own).then(|| handle("ben")),
        sender_name: None,
        own,
        text: text.to_owned(),
        position: Some(Position { term: 0, sequence: u64::from(number) }),
        sent_at_ms: at,
        line: None,
        content: alcyon_client::ContentView::default(),
        delivery: Delivery::Delivered,
    }
}

fn summary(number: u8, name: &str, unread: u64) -> ConversationSummary {
    ConversationSummary {
        group: false,
        own_devices: false,
        conversation: id(number),
        title: handle(name).to_text(),
        name: None,
        peer: Some(AccountId::from([number; 32])),
        unread,
        standing: Standing::Open,
        last: None,
        blocked: false,
        alarm: None,
        muted: None,
        marked_unread: false,
        draft: String::new(),
        timer_s: 0,
        archived: false,
        pinned: false,
    }
}

fn request(number: u8, name: &str, words: &str) -> KnockRequest {
    KnockRequest {
        id: id(number),
        from: handle(name),
        account: AccountId::from([number; 32]),
        confirmed: true,
        kind: RequestKind::Knock,
        introduction: words.to_owned(),
        sent_at_ms: NOW - 5 * MINUTE,
    }
}

/// What a person sees who is in the middle of a conversation.
fn busy() -> Chat {
    let mut chat = Chat::new(ENGLISH, Zone::Fixed(UtcOffset::UTC), NOW, Some(handle("ann").to_text()));
    chat.connection = ConnectionState::Online;
    let mut ben = summary(1, "ben", 0);
    ben.last = Some(message(1, 7, true, "see you at eight, then", NOW));
    let mut dora = summary(2, "dora", 3);
    dora.last = Some(message(2, 1, false, "你好！ shall we?", NOW));
    let mut emil = summary(3, "emil.with-a-long.name", 0);
    emil.standing = Standing::Asked;
    let mut frida = summary(4, "frida", 0);
    frida.alarm = Some(Alarm { conversation: Some(id(4)), kind: AlarmKind::Forked, sequence: 3 });
    let mut gus = summary(5, "gus", 0);
    gus.blocked = true;
    let requests = vec![request(6, "cat", "Hi, we met at the lake last summer. It's Cat!")];
    assert!(matches!(chat.refresh(vec![ben, dora, emil, frida, gus], requests)[..], []), "a request comes first");
    let effects = chat.choose(Choice::Conversation(id(1)));
    assert_eq!(effects, [Effect::Load(id(1))]);
    chat.done(loaded());
    chat
}

fn loaded() -> Done {
    let yesterday = NOW - 24 * 60 * MINUTE;
    let mut messages = vec![
        message(1, 1, false, "Hello Ann, it's Ben", yesterday),
        message(
            1,
            2,
            true,
            "Ben! How good to hear from you. Is the boat still afloat after the storm, or did you have to pull it ashore again?",
            yesterday + MINUTE,
        ),
        message(1, 3, false, "Afloat.", yesterday + 3 * MINUTE),
        message(1, 4, false, "今日はとてもいい天気ですね。一緒に海へ行きましょう。", NOW - 20 * MINUTE),
        message(1, 5, false, "Shall we?\nAt the pier\u{1b}[31m", NOW - 19 * MINUTE),
        message(1, 6, true, "Yes!", NOW - 2 * MINUTE),
        message(1, 7, true, "see you at eight, then", NOW - MINUTE),
        message(1, 8, true, "bring the 🛶", NOW),
    ];
    messages[6].delivery = Delivery::Sent;
    messages[7].delivery = Delivery::Queued;
    messages[7].position = None;
    Done::Loaded { conversation: id(1), messages, alarms: Vec::new(), complete: true }
}

fn picture(chat: &mut Chat, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(chat, frame)).unwrap();
    terminal.backend().to_string()
}

fn press(chat: &mut Chat, code: KeyCode) -> Vec<Effect> {
    chat.input(Input::Key(code.into()))
}

fn press_with(chat: &mut Chat, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
    chat.input(Input::Key(KeyEvent::new(code, modifiers)))
}

fn write(chat: &mut Chat, text: &str) {
    for c in text.chars() {
        assert!(press(chat, KeyCode::Char(c)).is_empty());
    }
}

fn click(chat: &mut Chat, text: &str, width: u16, height: u16) -> Vec<Effect> {
    let screen = picture(chat, width, height);
    let (row, line) = screen.lines().enumerate().find(|(_, line)| line.contains(text)).unwrap();
    // The picture's lines are quoted; wide characters come before nothing that is clicked here.
    let column = line.split(text).next().unwrap().chars().count() - 1;
    mouse(chat, MouseEventKind::Down(MouseButton::Left), u16::try_from(column).unwrap(), u16::try_from(row).unwrap())
}

fn mouse(chat: &mut Chat, kind: MouseEventKind, column: u16, row: u16) -> Vec<Effect> {
    chat.input(Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

#[test]
fn enter_sends_and_other_keys_write() {
    let mut chat = busy();
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::MarkRead(id(1))]);
    write(&mut chat, "one q?");
    press_with(&mut chat, KeyCode::Enter, KeyModifiers::ALT);
    write(&mut chat, "two");
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::Write(id(1), "one q?\ntwo".to_owned())]);
    assert!(press(&mut chat, KeyCode::Enter).is_empty(), "nothing is left to send");
    write(&mut chat, "   ");
    assert!(press(&mut chat, KeyCode::Enter).is_empty(), "blanks are no message");
}

#[test]
fn a_text_that_was_not_taken_comes_back() {
    let mut chat = busy();
    press(&mut chat, KeyCode::Enter);
    chat.done(Done::NotWritten { conversation: id(1), text: "kept".to_owned(), problem: "too long".to_owned() });
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::Write(id(1), "kept".to_owned())]);
}

#[test]
fn drafts_stay_with_their_conversation() {
    let mut chat = busy();
    press(&mut chat, KeyCode::Enter);
    write(&mut chat, "for ben");
    assert_eq!(press_with(&mut chat, KeyCode::Down, KeyModifiers::ALT), [Effect::Load(id(2))]);
    assert!(press(&mut chat, KeyCode::Enter).is_empty());
    press_with(&mut chat, KeyCode::Up, KeyModifiers::ALT);
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::Write(id(1), "for ben".to_owned())]);
}

#[test]
fn quitting_asks_nothing_as_what_is_written_is_kept() {
    let mut chat = busy();
    assert_eq!(press(&mut chat, KeyCode::Char('q')), [Effect::Quit]);
    press(&mut chat, KeyCode::Enter);
    write(&mut chat, "unsent");
    assert_eq!(press_with(&mut chat, KeyCode::Char('c'), KeyModifiers::CONTROL), [Effect::Quit]);
    assert!(chat.has_drafts());
}

#[test]
fn requests_are_answered_by_key_and_by_mouse() {
    let mut chat = busy();
    press(&mut chat, KeyCode::Up);
    assert_eq!(chat.chosen, Some(Choice::Request(id(6))));
    assert_eq!(press(&mut chat, KeyCode::Char('a')), [Effect::Accept(id(6))]);
    assert_eq!(press(&mut chat, KeyCode::Char('d')), [Effect::Decline(id(6))]);
    assert_eq!(click(&mut chat, "Accept (a)", 80, 24), [Effect::Accept(id(6))]);
    press(&mut chat, KeyCode::Char('b'));
    assert_eq!(press(&mut chat, KeyCode::Char('b')), [Effect::Block(handle("cat"))]);
}

#[test]
fn an_accepted_request_becomes_the_conversation_in_front() {
    let mut chat = busy();
    let mut conversations = chat.conversations.clone();
    conversations.insert(0, summary(6, "cat", 1));
    chat.refresh(conversations, Vec::new());
    assert_eq!(chat.done(Done::Accepted(id(6))), [Effect::Load(id(6))]);
    assert_eq!(chat.focus, Focus::Main);
}

#[test]
fn blocking_asks_and_unblocking_does_not() {
    let mut chat = busy();
    press(&mut chat, KeyCode::Char('b'));
    press(&mut chat, KeyCode::Esc);
    assert!(chat.dialog.is_none());
    press(&mut chat, KeyCode::Char('b'));
    assert_eq!(press(&mut chat, KeyCode::Char('y')), [Effect::Block(handle("ben"))]);
    press(&mut chat, KeyCode::End);
    assert_eq!(press(&mut chat, KeyCode::Char('b')), [Effect::Unblock(handle("gus"))]);
}

#[test]
fn nothing_can_be_written_where_nobody_reads() {
    let mut chat = busy();
    press(&mut chat, KeyCode::End);
    press(&mut chat, KeyCode::Enter);
    write(&mut chat, "hello?");
    chat.input(Input::Paste("hello?".to_owned()));
    assert!(press(&mut chat, KeyCode::Enter).is_empty());
    assert!(!chat.has_drafts());
}

#[test]
fn a_new_conversation_needs_a_handle_and_words() {
    let mut chat = busy();
    press(&mut chat, KeyCode::Char('n'));
    write(&mut chat, "hugo");
    press(&mut chat, KeyCode::Enter);
    write(&mut chat, "Hi Hugo");
    assert!(press(&mut chat, KeyCode::Enter).is_empty());
    let Some(Dialog::New(form)) = &chat.dialog else { panic!("closed") };
    assert!(form.problem.is_some() && form.at == 0, "the field at fault is pointed at");
    write(&mut chat, "@localhost");
    press(&mut chat, KeyCode::Tab);
    let expected = Effect::Start { handle: "hugo@localhost".parse().unwrap(), account: None, text: "Hi Hugo".to_owned() };
    assert_eq!(press(&mut chat, KeyCode::Enter), [expected]);
    assert!(press(&mut chat, KeyCode::Enter).is_empty(), "once");
    chat.done(Done::NotStarted("no such handle".to_owned()));
    let Some(Dialog::New(form)) = &chat.dialog else { panic!("closed") };
    assert_eq!((form.busy, form.problem.as_deref(), form.fields[1].text()), (false, Some("no such handle"), "Hi Hugo"));
}

#[test]
fn messages_in_sight_are_read_and_others_are_counted() {
    let mut chat = busy();
    let arrive = |chat: &mut Chat, number| chat.heard(Event::Message(message(1, number, false, "new", NOW)));
    assert!(arrive(&mut chat, 20).is_empty(), "the list has the focus: it is only looked at from outside");
    press(&mut chat, KeyCode::Enter);
    assert_eq!(arrive(&mut chat, 21), [Effect::MarkRead(id(1))]);
    picture(&mut chat, 80, 12);
    press(&mut chat, KeyCode::PageUp);
    assert!(arrive(&mut chat, 22).is_empty());
    assert_eq!(chat.open.as_ref().unwrap().below, 1);
    press(&mut chat, KeyCode::PageDown);
    picture(&mut chat, 80, 12);
    assert_eq!(press(&mut chat, KeyCode::PageDown), [Effect::MarkRead(id(1))]);
    assert_eq!(chat.open.as_ref().unwrap().below, 0);
    chat.input(Input::FocusLost);
    assert!(arrive(&mut chat, 23).is_empty());
    assert_eq!(chat.input(Input::FocusGained), [Effect::MarkRead(id(1))]);
    assert!(chat.heard(Event::Message(message(2, 24, false, "elsewhere", NOW))).is_empty());
}

#[test]
fn what_is_read_does_not_move_when_more_comes() {
    let mut chat = busy();
    press(&mut chat, KeyCode::Enter);
    picture(&mut chat, 80, 14);
    press(&mut chat, KeyCode::PageUp);
    let messages = |screen: &str| screen.lines().skip(2).take(6).map(str::to_owned).collect::<Vec<_>>();
    let before = messages(&picture(&mut chat, 80, 14));
    for number in 30..35 {
        chat.heard(Event::Message(message(
            1,
            number,
            false,
            "a longer text that takes more than one row of this narrow pane, surely",
            NOW,
        )));
        assert_eq!(messages(&picture(&mut chat, 80, 14)), before);
    }
}

#[test]
fn an_own_message_changes_its_state_in_place() {
    let mut chat = busy();
    let mut sent = message(1, 8, true, "bring the 🛶", NOW);
    sent.position = Some(Position { term: 0, sequence: 9 });
    chat.heard(Event::Delivery(sent.clone()));
    let open = chat.open.as_ref().unwrap();
    assert_eq!(open.messages.iter().filter(|one| one.id == sent.id).collect::<Vec<_>>(), [&sent]);
    assert_eq!(open.messages.len(), 8);
}

#[test]
fn messages_stand_in_the_order_of_the_log_and_waiting_ones_last() {
    let mut chat = busy();
    chat.heard(Event::Message(message(1, 20, false, "later", NOW)));
    chat.heard(Event::Message(message(1, 10, false, "earlier", NOW)));
    let order: Vec<_> = chat.open.as_ref().unwrap().messages.iter().map(|one| one.position.map(|position| position.sequence)).collect();
    assert_eq!(order, [Some(1), Some(2), Some(3), Some(4), Some(5), Some(6), Some(7), Some(10), Some(20), None]);
}

#[test]
fn older_messages_are_fetched_when_they_are_wanted() {
    let mut chat = busy();
    let Done::Loaded { conversation, messages, alarms, .. } = loaded() else { panic!("not loaded") };
    chat.done(Done::Loaded { conversation, messages, alarms, complete: false });
    press(&mut chat, KeyCode::Enter);
    picture(&mut chat, 80, 12);
    let first = Position { term: 0, sequence: 1 };
    assert_eq!(press(&mut chat, KeyCode::PageUp), [Effect::LoadOlder(id(1), first)]);
    assert!(press(&mut chat, KeyCode::PageUp).is_empty(), "once");
    chat.done(Done::OlderLoaded { conversation: id(1), messages: Vec::new(), complete: true });
    assert!(press(&mut chat, KeyCode::PageUp).is_empty(), "there is nothing more");
}

#[test]
fn a_failed_message_can_be_written_again() {
    let mut chat = busy();
    press(&mut chat, KeyCode::Enter);
    let mut failed = message(1, 8, true, "bring the 🛶", NOW);
    failed.delivery = Delivery::Failed;
    chat.heard(Event::Delivery(failed));
    assert!(chat.notice.is_some());
    press_with(&mut chat, KeyCode::Char('r'), KeyModifiers::CONTROL);
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::Write(id(1), "bring the 🛶".to_owned())]);
}

#[test]
fn own_texts_come_back_with_the_arrow() {
    let mut chat = busy();
    press(&mut chat, KeyCode::Enter);
    picture(&mut chat, 80, 24);
    press(&mut chat, KeyCode::Up);
    press(&mut chat, KeyCode::Up);
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::Write(id(1), "see you at eight, then".to_owned())]);
}

#[test]
fn the_mouse_does_what_it_points_at() {
    let mut chat = busy();
    assert_eq!(click(&mut chat, "dora", 80, 24), [Effect::Load(id(2))]);
    assert_eq!((chat.chosen, chat.focus), (Some(Choice::Conversation(id(2))), Focus::Main));
    click(&mut chat, "ben@", 80, 24);
    chat.done(loaded());
    write(&mut chat, "hello");
    click(&mut chat, "› hello", 80, 24);
    press(&mut chat, KeyCode::Home);
    write(&mut chat, ">");
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::Write(id(1), ">hello".to_owned())]);
    picture(&mut chat, 80, 12);
    mouse(&mut chat, MouseEventKind::ScrollUp, 50, 5);
    assert_eq!(chat.open.as_ref().unwrap().scroll, 3);
    mouse(&mut chat, MouseEventKind::ScrollDown, 50, 5);
    assert_eq!(chat.open.as_ref().unwrap().scroll, 0);
}

#[test]
fn the_wheel_moves_the_list_and_a_choice_brings_it_back() {
    let mut chat = busy();
    let many = (10..60).map(|number| summary(number, &format!("person{number}"), 0)).collect();
    chat.refresh(many, Vec::new());
    picture(&mut chat, 80, 12);
    for _ in 0..20 {
        mouse(&mut chat, MouseEventKind::ScrollDown, 5, 5);
    }
    assert!(!picture(&mut chat, 80, 12).contains("person10"));
    press(&mut chat, KeyCode::Home);
    assert!(picture(&mut chat, 80, 12).contains("person10"));
    press(&mut chat, KeyCode::End);
    assert!(picture(&mut chat, 80, 12).contains("person59"));
}

#[test]
fn the_choice_falls_on_a_neighbour_when_its_row_goes() {
    let mut chat = busy();
    press(&mut chat, KeyCode::Up);
    assert_eq!(chat.chosen, Some(Choice::Request(id(6))));
    let conversations = chat.conversations.clone();
    assert_eq!(chat.refresh(conversations, Vec::new()), [Effect::Load(id(1))]);
    assert!(chat.refresh(Vec::new(), Vec::new()).is_empty());
    assert_eq!(chat.chosen, None);
}

#[test]
fn signing_up_shows_the_words_until_they_are_written_down() {
    let mut chat = Chat::new(ENGLISH, Zone::Fixed(UtcOffset::UTC), NOW, None);
    write(&mut chat, "localhost:8080");
    press(&mut chat, KeyCode::Enter);
    write(&mut chat, "Ann");
    assert!(press(&mut chat, KeyCode::Enter).is_empty(), "capitals are no name");
    press_with(&mut chat, KeyCode::Char('u'), KeyModifiers::CONTROL);
    write(&mut chat, "ann");
    let expected = Effect::Register { name: "ann".parse().unwrap(), server: "http://localhost:8080".parse().unwrap() };
    assert_eq!(press(&mut chat, KeyCode::Enter), [expected]);
    let registered = Registered { handle: handle("ann"), account: AccountId::from([9; 32]), words: Zeroizing::new("one two".to_owned()) };
    chat.done(Done::Registered(registered));
    for key in [KeyCode::Esc, KeyCode::Char('y'), KeyCode::Char(' ')] {
        press(&mut chat, key);
        assert!(matches!(chat.dialog, Some(Dialog::Words(_))), "{key:?} does not close them");
    }
    press(&mut chat, KeyCode::Enter);
    press(&mut chat, KeyCode::Esc);
    assert!(picture(&mut chat, 80, 24).contains("one"), "one can look again");
    press(&mut chat, KeyCode::Enter);
    press(&mut chat, KeyCode::Char('y'));
    assert!(chat.dialog.is_none());
    assert_eq!(chat.me.as_deref(), Some("ann@localhost:8080"));
}

#[test]
fn no_size_breaks_it() {
    for (width, height) in [(1, 1), (5, 3), (20, 6), (21, 7), (30, 8), (59, 10), (60, 10), (61, 5), (300, 3), (200, 100), (80, 24)] {
        let mut chat = busy();
        press(&mut chat, KeyCode::Enter);
        write(&mut chat, "some text that is rather long for a narrow window 你好你好你好");
        for dialog in dialogs() {
            chat.dialog = dialog;
            picture(&mut chat, width, height);
        }
        press(&mut chat, KeyCode::Esc);
        press(&mut chat, KeyCode::Home);
        picture(&mut chat, width, height);
    }
}

/// One of each, and none.
fn dialogs() -> Vec<Option<Dialog>> {
    let number = || SafetyNumberView { digits: "01234".repeat(12), qr_text: "alcyon:1:".to_owned() + &"0".repeat(60) };
    vec![
        None,
        Some(Dialog::Welcome(super::dialog::Form::default())),
        Some(Dialog::Words(super::dialog::Words {
            handle: handle("ann").to_text(),
            words: Zeroizing::new("ability zebra cactus dolphin eagle flame grape harbor island jungle kitten lemon".to_owned()),
            sure: false,
        })),
        Some(Dialog::Help { scroll: 3 }),
        Some(Dialog::New(super::dialog::Form::default())),
        Some(Dialog::Block { handle: handle("ben") }),
        Some(Dialog::Safety { who: handle("ben").to_text(), number: None }),
        Some(Dialog::Safety { who: handle("ben").to_text(), number: Some(number()) }),
        Some(Dialog::Told("New messages go 1d after they were read.".to_owned())),
        Some(Dialog::Problem("the server can't be reached: connection refused".to_owned())),
        Some(Dialog::Command { line: Composer::of("/mut"), problem: None }),
        Some(Dialog::Command {
            line: Composer::of("/roles ben boss"), problem: Some("“boss” is not one of admin, member.".to_owned())
        }),
        Some(Dialog::Confirm {
            question: "Leave “boats”? You come back only by a new invite.".to_owned(),
            effect: Box::new(Effect::Act { conversation: Some(id(7)), act: Act::Leave, line: None }),
        }),
        Some(Dialog::Group { view: None, scroll: 0 }),
        Some(Dialog::Group { view: Some(Box::new(commands::boats())), scroll: 0 }),
        Some(Dialog::Links { links: vec![commands::link(false), commands::link(true)], scroll: 0 }),
    ]
}
