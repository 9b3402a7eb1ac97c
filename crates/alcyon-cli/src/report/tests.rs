#![allow(clippy::unwrap_used)]

use alcyon_client::{AccountId, ConversationId, Handle, MessageId, Person, Position};
use time::UtcOffset;
use zeroize::Zeroizing;

use super::*;
use crate::text::Language;

const CONVERSATION: [u8; 16] = [1; 16];

fn printed(json: bool, language: Language, print: impl FnOnce(&mut Report<&mut Vec<u8>>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    let look = Look { language, unicode: true, colours: true };
    let mut report = Report::new(&mut out, look, json, false);
    report.zone = Zone::Fixed(UtcOffset::UTC);
    print(&mut report).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(print: impl FnOnce(&mut Report<&mut Vec<u8>>) -> io::Result<()>) -> String {
    printed(true, Language::English, print)
}

fn human(print: impl FnOnce(&mut Report<&mut Vec<u8>>) -> io::Result<()>) -> String {
    printed(false, Language::English, print)
}

fn ben() -> Handle {
    "ben@server.example".parse().unwrap()
}

fn message(text: &str, own: bool) -> Message {
    Message {
        conversation: ConversationId::from(CONVERSATION),
        id: MessageId::from([2; 16]),
        sender: AccountId::from([3; 32]),
        sender_handle: Some(ben()),
        sender_name: None,
        own,
        text: text.to_owned(),
        position: Some(Position { term: 1, sequence: 5 }),
        sent_at_ms: 1_767_621_822_123,
        line: None,
        content: alcyon_client::ContentView::default(),
        delivery: Delivery::Delivered,
    }
}

fn request() -> KnockRequest {
    KnockRequest {
        id: ConversationId::from(CONVERSATION),
        from: ben(),
        account: AccountId::from([3; 32]),
        confirmed: true,
        kind: RequestKind::Knock,
        introduction: "Hello\u{1b}[2J, it's Ben".to_owned(),
        sent_at_ms: 1_767_621_822_123,
    }
}

#[test]
fn names_are_said_beside_handles_and_take_nothing_from_what_programs_read() {
    let named = Message { sender_name: Some("Ben of the bay".to_owned()), ..message("ahoy", false) };
    assert_eq!(human(|report| report.message(&named)), "[2026-01-05 14:03] Ben of the bay: ahoy\n");
    let line: serde_json::Value = serde_json::from_str(&json(|report| report.message(&named))).unwrap();
    assert_eq!((&line["sender"], &line["sender_name"]), (&"ben@server.example".into(), &"Ben of the bay".into()));
    let person = Person { account: named.sender, handle: Some(ben()), name: named.sender_name.clone() };
    let member = alcyon_client::MemberView { person: person.clone(), admin: true, own: false, devices: 1 };
    let group = alcyon_client::GroupView {
        title: "boats".to_owned(),
        description: String::new(),
        picture: Vec::new(),
        timer_s: 0,
        members_may: Vec::new(),
        members: vec![member],
        doors: Vec::new(),
        epoch: 1,
    };
    let members = human(|report| report.members(&group));
    assert!(members.starts_with("Ben of the bay (ben@server.example)  (admin)\n"), "{members}");
    let line: serde_json::Value = serde_json::from_str(json(|report| report.members(&group)).lines().next().unwrap()).unwrap();
    assert_eq!((&line["handle"], &line["name"]), (&"ben@server.example".into(), &"Ben of the bay".into()));
    let told = Event::Introduced { person };
    assert_eq!(human(|report| report.event(&told, "")), "* another name or picture: Ben of the bay (ben@server.example)\n");
    let line: serde_json::Value = serde_json::from_str(&json(|report| report.event(&told, ""))).unwrap();
    assert_eq!((&line["event"], &line["name"]), (&"introduced".into(), &"Ben of the bay".into()));
}

#[test]
fn the_objects_of_the_contract() {
    let outcome = |position| match position {
        Some(position) => SendOutcome::Sent { id: MessageId::from([2; 16]), conversation: ConversationId::from(CONVERSATION), position },
        None => SendOutcome::Queued { id: MessageId::from([2; 16]), conversation: ConversationId::from(CONVERSATION) },
    };
    let registered = Registered { handle: ben(), account: AccountId::from([3; 32]), words: Zeroizing::new("one two".to_owned()) };
    let me = Me { handle: ben(), account: AccountId::from([3; 32]) };
    let number = SafetyNumberView { digits: "01234 56789".to_owned(), qr_text: "x".to_owned() };
    let conversation = ConversationSummary {
        group: false,
        own_devices: false,
        conversation: ConversationId::from(CONVERSATION),
        title: "ben@server.example".to_owned(),
        name: None,
        peer: Some(AccountId::from([3; 32])),
        unread: 2,
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
    };
    let mut without_position = message("later", true);
    without_position.position = None;
    without_position.sender_handle = None;
    let alarm = Alarm { conversation: Some(ConversationId::from(CONVERSATION)), kind: AlarmKind::Forked, sequence: 7 };
    let lines = json(|report| {
        report.registered(&registered)?;
        report.me(&me)?;
        report.conversations(&[conversation])?;
        report.requests(&[request()])?;
        report.outcome(&outcome(Some(Position { term: 0, sequence: 5 })))?;
        report.outcome(&outcome(None))?;
        report.message(&message("a \"quoted\"\nline\u{1b}", false))?;
        report.message(&without_position)?;
        report.safety_number("ben@server.example", &number)?;
        let events = [
            Event::Request(request()),
            Event::Accepted { conversation: ConversationId::from(CONVERSATION) },
            Event::Left { conversation: ConversationId::from(CONVERSATION) },
            Event::History { conversation: ConversationId::from(CONVERSATION) },
            Event::Delivery(message("own", true)),
            Event::Alarm(alarm),
            Event::Alarm(Alarm { conversation: None, kind: AlarmKind::Broken, sequence: 1 }),
            Event::Connection(ConnectionState::Online),
            Event::Connection(ConnectionState::Waiting { retry_in_ms: 1500 }),
        ];
        events.iter().try_for_each(|event| report.event(event, "ben@server.example"))
    });
    insta::assert_snapshot!(lines);
}

#[test]
fn a_program_sees_nothing_but_objects() {
    let nothing = json(|report| {
        report.conversations(&[])?;
        report.requests(&[])?;
        report.nothing_new()?;
        report.still_queued(3, None)?;
        report.no_messages()?;
        report.listening()
    });
    assert_eq!(nothing, "");
    let waiting = json(|report| report.still_queued(3, Some(11_500)));
    assert_eq!(waiting, "{\"event\":\"waiting\",\"queued\":3,\"next_try_in_ms\":11500}\n");
}

#[test]
fn what_people_see() {
    let words = "ability zebra cactus dolphin eagle flame grape harbor island jungle kitten lemon";
    let registered = Registered { handle: ben(), account: AccountId::from([3; 32]), words: Zeroizing::new(words.to_owned()) };
    for (name, language) in [("english", Language::English), ("french", Language::French)] {
        let text = printed(false, language, |report| {
            report.registered(&registered)?;
            report.requests(&[request()])?;
            report.message(&message("two\nlines", false))?;
            report.message(&message("mine", true))?;
            report.safety_number("ben@server.example", &SafetyNumberView { digits: "0".repeat(60), qr_text: "alcyon".to_owned() })?;
            report.event(&Event::Connection(ConnectionState::Waiting { retry_in_ms: 1500 }), "")?;
            report.still_queued(2, None)?;
            report.still_queued(2, Some(60_000))
        });
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn nothing_of_others_reaches_the_terminal_raw() {
    let attack = "x\u{1b}]0;owned\u{7}\r\u{9b}2J\u{202e}y";
    let text = human(|report| {
        report.message(&message(attack, false))?;
        let mut request = request();
        request.introduction = attack.to_owned();
        report.requests(&[request])?;
        let conversation = ConversationSummary {
            group: false,
            own_devices: false,
            conversation: ConversationId::from(CONVERSATION),
            title: attack.to_owned(),
            name: None,
            peer: None,
            unread: 0,
            standing: Standing::Asked,
            last: Some(message(attack, false)),
            blocked: true,
            alarm: Some(Alarm { conversation: None, kind: AlarmKind::Gap, sequence: 0 }),
            muted: None,
            marked_unread: false,
            draft: String::new(),
            timer_s: 0,
            archived: false,
            pinned: false,
        };
        report.conversations(&[conversation])
    });
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(!text.contains('\u{202e}'));
    // In JSON the escapes are those of JSON.
    let text = json(|report| report.message(&message(attack, false)));
    assert!(text.trim_end().chars().all(|c| c == '\u{202e}' || c == '\u{9b}' || !c.is_control()), "{text:?}");
}

#[test]
fn sixty_digits_stand_in_four_rows() {
    let digits: String = (0..60).map(|n| char::from(b'0' + n % 10)).collect();
    let spaced: String =
        digits.chars().enumerate().flat_map(|(at, c)| if at > 0 && at % 5 == 0 { vec![' ', c] } else { vec![c] }).collect();
    assert_eq!(digit_rows(&digits), digit_rows(&spaced));
    assert_eq!(digit_rows(&digits).len(), 4);
    assert_eq!(digit_rows(&digits)[0], "01234  56789  01234");
}

/// A message with everything that can be on one, and one of each that has no text.
fn everything() -> Vec<Message> {
    use alcyon_client::{ContentView, MentionView, PollOptionView, PollView, QuoteView, ReactionView, TextFormat};
    let person =
        |name: &str| Person { account: AccountId::from([7; 32]), handle: format!("{name}@server.example").parse().ok(), name: None };
    let marked = ContentView {
        format: TextFormat::Marked,
        mentions: vec![MentionView { person: person("cat"), own: false, start: 8, end: 12 }],
        reply: Some(QuoteView {
            id: MessageId::from([8; 16]),
            sender: Some(person("cat")),
            own: false,
            words: "What do\u{1b}[2J we do?".to_owned(),
            deleted: false,
        }),
        forwarded: true,
        edited: true,
        pinned: true,
        reactions: vec![
            ReactionView { emoji: "👍".to_owned(), who: vec![person("ann"), person("cat")], own: true },
            ReactionView { emoji: "🌊".to_owned(), who: vec![person("cat")], own: false },
        ],
        ..ContentView::default()
    };
    let option = |text: &str, voters: &[&str]| PollOptionView {
        text: text.to_owned(),
        voters: voters.iter().map(|name| person(name)).collect(),
        own: voters.contains(&"ann"),
    };
    let poll = PollView {
        options: vec![option("today", &["ann", "cat"]), option("never", &["ben"]), option("x", &[])],
        several: false,
        ended: true,
        voters: 3,
    };
    let with = |text: &str, content: ContentView| Message { content, ..message(text, false) };
    vec![
        with("**Sail** @cat ||secret|| [here](https://a.example)", marked),
        with("When?", ContentView { poll: Some(poll), ..ContentView::default() }),
        with("", ContentView { deleted: Some(person("cat")), ..ContentView::default() }),
        with("", ContentView { newer: true, ..ContentView::default() }),
    ]
}

#[test]
fn everything_a_message_can_be() {
    use alcyon_client::{ChangeKind, ChangedView};
    let changed = |what, failed| {
        let by = Person { account: AccountId::from([7; 32]), handle: Some(ben()), name: None };
        Event::Changed(Box::new(ChangedView {
            message: message("text", false),
            id: MessageId::from([9; 16]),
            what,
            by,
            own: failed,
            failed,
        }))
    };
    let events = [
        changed(ChangeKind::Reaction { emoji: "👍".to_owned(), back: false }, false),
        changed(ChangeKind::Reaction { emoji: "👍".to_owned(), back: true }, false),
        changed(ChangeKind::Edit, false),
        changed(ChangeKind::Deletion, true),
        changed(ChangeKind::Vote, false),
        changed(ChangeKind::PollEnd, false),
        changed(ChangeKind::Pin { pinned: true }, false),
        changed(ChangeKind::Pin { pinned: false }, false),
    ];
    let print = |report: &mut Report<&mut Vec<u8>>| {
        everything().iter().try_for_each(|message| report.message(message))?;
        events.iter().try_for_each(|event| report.event(event, "ben@server.example"))
    };
    insta::assert_snapshot!("contents", json(print));
    insta::assert_snapshot!("contents_english", printed(false, Language::English, print));
    insta::assert_snapshot!("contents_french", printed(false, Language::French, print));
}
