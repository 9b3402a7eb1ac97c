//! Commands typed inside the chat, and how conversations are kept in its list.

use alcyon_client::{ClientError, DoorView, GroupPermission, GroupView, Line, MemberView, Muted, Person, ReportReason};

use super::*;
use crate::{
    chat::{acts::Acted, slash::TypedLink},
    conversation::Span,
};

fn person(number: u8, name: &str) -> Person {
    Person { account: AccountId::from([number; 32]), handle: Some(handle(name)), name: None }
}

fn member(number: u8, name: &str, admin: bool) -> MemberView {
    MemberView { person: person(number, name), admin, own: number == 9, devices: usize::from(number % 2) + 1 }
}

/// A group of four, one of them nameless here.
pub(super) fn boats() -> GroupView {
    let mut nameless = member(30, "nobody", false);
    nameless.person.handle = None;
    let door = |whom, approval| DoorView { whom, by: person(9, "ann"), approval };
    GroupView {
        title: "boats".to_owned(),
        description: "who takes which boat, and when it is back at the pier".to_owned(),
        picture: Vec::new(),
        timer_s: 0,
        members_may: vec![GroupPermission::Invite, GroupPermission::Write],
        members: vec![member(9, "ann", true), member(1, "ben", false), member(12, "berta", false), nameless],
        doors: vec![door(Some(person(2, "dora")), false), door(None, true)],
        epoch: 7,
    }
}

pub(super) fn link(approval: bool) -> TypedLink {
    // Typed by hand: the fields of a link, 1 a number, 2 bytes.
    let mut bytes = Vec::new();
    for (tag, value) in [(1, vec![7; 16]), (3, vec![3; 16]), (4, b"https://chat.example.org".to_vec()), (5, vec![5; 32]), (6, vec![6; 32])]
    {
        bytes.extend([tag << 3 | 2, u8::try_from(value.len()).unwrap()]);
        bytes.extend(value);
    }
    if approval {
        let admin = handle("ann").to_text();
        bytes.extend([7 << 3 | 2, u8::try_from(admin.len()).unwrap()]);
        bytes.extend(admin.bytes());
    }
    let secret = data_encoding::BASE64URL_NOPAD.encode(&bytes);
    TypedLink(format!("alcyon://join/chat.example.org#{secret}").parse().unwrap())
}

pub(super) fn asking(number: u8, name: &str) -> KnockRequest {
    KnockRequest { kind: RequestKind::AskIn { title: "boats".to_owned() }, introduction: String::new(), ..request(number, name, "") }
}

/// Somebody in the middle of a group.
pub(super) fn in_boats() -> Chat {
    let mut chat = busy();
    let mut boats_summary = summary(7, "boats", 0);
    (boats_summary.group, boats_summary.title, boats_summary.peer) = (true, "boats".to_owned(), None);
    let mut conversations = chat.conversations.clone();
    conversations.insert(0, boats_summary);
    chat.refresh(conversations, Vec::new());
    assert_eq!(chat.choose(Choice::Conversation(id(7))), [Effect::Load(id(7))]);
    let messages = vec![message(7, 1, false, "the red one leaks", NOW - MINUTE)];
    let loaded = Done::Loaded { conversation: id(7), messages, alarms: Vec::new(), complete: true };
    assert_eq!(chat.done(loaded), [Effect::LoadGroup(id(7))]);
    assert!(chat.done(Done::Group { conversation: id(7), view: Some(Box::new(boats())) }).is_empty());
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::MarkRead(id(7))]);
    chat
}

/// One pinned, one muted, two archived.
pub(super) fn kept() -> Chat {
    let mut chat = busy();
    let mut conversations = chat.conversations.clone();
    for (one, at) in conversations.iter_mut().zip(0..) {
        one.pinned = at == 0;
        one.muted = match at {
            0 => Some(Muted::Until { at_ms: NOW + 60 * MINUTE }),
            1 => Some(Muted::ForEver),
            _ => None,
        };
        one.archived = at >= 3;
    }
    chat.refresh(conversations, Vec::new());
    chat
}

fn act(conversation: u8, act: Act, line: &str) -> Vec<Effect> {
    vec![Effect::Act { conversation: Some(id(conversation)), act, line: Some(line.to_owned()) }]
}

fn typed(chat: &mut Chat, line: &str) -> Vec<Effect> {
    write(chat, line);
    press(chat, KeyCode::Enter)
}

#[test]
fn a_command_is_done_and_no_message() {
    let mut chat = in_boats();
    assert_eq!(typed(&mut chat, "/title Red boats"), act(7, Act::Title("Red boats".to_owned()), "/title Red boats"));
    assert_eq!(chat.done(Done::Acted { conversation: Some(id(7)), acted: Acted::Done }), [Effect::Load(id(7))], "the line shows");
    assert_eq!(chat.notice.as_deref(), Some("Done."));
    assert!(press(&mut chat, KeyCode::Enter).is_empty(), "nothing is left in the composer");
}

#[test]
fn two_slashes_send_one_and_come_back_as_two() {
    let mut chat = in_boats();
    assert_eq!(typed(&mut chat, "//etc/hosts"), [Effect::Write(id(7), "/etc/hosts".to_owned())]);
    chat.done(Done::NotWritten { conversation: id(7), text: "/etc/hosts".to_owned(), problem: "full".to_owned() });
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::Write(id(7), "/etc/hosts".to_owned())]);
    chat.done(Done::Written(Box::new(message(7, 2, true, "/leave", NOW))));
    picture(&mut chat, 80, 24);
    press(&mut chat, KeyCode::Up);
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::Write(id(7), "/leave".to_owned())], "a recalled text is no command");
    let failed = Message { delivery: Delivery::Failed, ..message(7, 3, true, "/end", NOW) };
    chat.heard(Event::Delivery(failed));
    press_with(&mut chat, KeyCode::Char('r'), KeyModifiers::CONTROL);
    assert_eq!(press(&mut chat, KeyCode::Enter), [Effect::Write(id(7), "/end".to_owned())]);
}

#[test]
fn a_wrong_command_is_named_and_stays() {
    let mut chat = in_boats();
    assert!(typed(&mut chat, "/roles ben@localhost:8080 boss").is_empty());
    assert_eq!(chat.notice.as_deref(), Some("“boss” is not one of admin, member."));
    press_with(&mut chat, KeyCode::Char('w'), KeyModifiers::CONTROL);
    let expected = Act::Role { who: handle("ben").to_text(), admin: true };
    assert_eq!(typed(&mut chat, "admin"), act(7, expected, "/roles ben@localhost:8080 admin"));
    let problem = ClientError::NotAllowed { rule: "x".to_owned() }.to_string();
    chat.done(Done::NotActed { conversation: Some(id(7)), line: Some("/roles b".to_owned()), problem: problem.clone() });
    assert_eq!(chat.notice, Some(problem), "refused by the group");
    assert_eq!(chat.drafts[&id(7)].text(), "/roles b");
}

#[test]
fn what_can_not_be_taken_back_is_asked_about() {
    for (line, expected) in [
        ("/leave", Act::Leave),
        ("/end", Act::End),
        ("/link off", Act::CloseLinks),
        ("/remove ben@localhost:8080", Act::Remove(handle("ben").to_text())),
    ] {
        for (key, done) in [(KeyCode::Char('y'), true), (KeyCode::Esc, false), (KeyCode::Enter, false), (KeyCode::Char('n'), false)] {
            let mut chat = in_boats();
            assert!(typed(&mut chat, line).is_empty(), "{line}");
            assert!(picture(&mut chat, 80, 24).contains("boats”"), "{line} names the group");
            let expected = if done { act(7, expected.clone(), line) } else { Vec::new() };
            assert_eq!(press(&mut chat, key), expected, "{line} {key:?}");
            assert!(chat.dialog.is_none());
        }
    }
}

#[test]
fn a_report_shows_what_was_chosen_and_is_read_before_it_goes() {
    let mut chat = in_boats();
    let line = "/report admins abuse look at this";
    let asked = |message, whom| {
        let (reason, words) = (ReportReason::Abuse, "look at this".to_owned());
        act(7, Act::Report { to_operator: false, reason, words, message, whom }, line)
    };
    assert_eq!(typed(&mut chat, line), asked(None, None));
    picture(&mut chat, 80, 24);
    press_with(&mut chat, KeyCode::Up, KeyModifiers::CONTROL);
    let chosen = message(7, 1, false, "", NOW);
    assert_eq!(typed(&mut chat, line), asked(Some(chosen.id), Some(chosen.sender)));

    let made = || {
        let lines = (0..60).map(|number| format!("line {number} of it")).collect();
        Some(Dialog::Read { lines, scroll: 0, effect: Box::new(Effect::Quit) })
    };
    chat.dialog = made();
    let screen = picture(&mut chat, 80, 24);
    assert!(screen.contains("line 0 of it") && !screen.contains("line 59 of it"), "{screen}");
    for _ in 0..10 {
        assert!(press(&mut chat, KeyCode::PageDown).is_empty());
        picture(&mut chat, 80, 24);
    }
    let screen = picture(&mut chat, 80, 24);
    assert!(screen.contains("line 59 of it") && screen.contains("Yes"), "{screen}");
    assert!(press(&mut chat, KeyCode::Enter).is_empty(), "only a yes sends it");
    assert!(chat.dialog.is_none());
    chat.dialog = made();
    assert_eq!(press(&mut chat, KeyCode::Char('y')), [Effect::Quit]);
}

#[test]
fn tab_completes_while_a_command_is_typed_and_else_leads_to_the_list() {
    let mut chat = in_boats();
    write(&mut chat, "/ro");
    press(&mut chat, KeyCode::Tab);
    write(&mut chat, "b");
    press(&mut chat, KeyCode::Tab);
    assert_eq!(chat.notice.as_deref(), Some("ben@localhost:8080 berta@localhost:8080"));
    write(&mut chat, "n");
    press(&mut chat, KeyCode::Tab);
    press(&mut chat, KeyCode::Tab);
    write(&mut chat, "m");
    press(&mut chat, KeyCode::Tab);
    let expected = Act::Role { who: handle("ben").to_text(), admin: false };
    assert_eq!(press(&mut chat, KeyCode::Enter), act(7, expected, "/roles ben@localhost:8080 member "));
    write(&mut chat, "/invite ");
    press(&mut chat, KeyCode::Tab);
    let offered = chat.notice.clone().unwrap();
    assert!(offered.contains("dora@") && !offered.contains("ben@") && !offered.contains("boats"), "who is in is not offered: {offered}");
    press_with(&mut chat, KeyCode::Char('u'), KeyModifiers::CONTROL);
    press(&mut chat, KeyCode::Tab);
    assert_eq!(chat.focus, Focus::List);
}

#[test]
fn without_a_composer_a_line_is_asked_for() {
    let mut chat = Chat::new(ENGLISH, Zone::Fixed(UtcOffset::UTC), NOW, Some(handle("ann").to_text()));
    press(&mut chat, KeyCode::Char('/'));
    write(&mut chat, "leave");
    assert!(press(&mut chat, KeyCode::Enter).is_empty());
    assert!(picture(&mut chat, 80, 24).contains("/leave is about a conversation"));
    press_with(&mut chat, KeyCode::Char('u'), KeyModifiers::CONTROL);
    write(&mut chat, "/cr");
    press(&mut chat, KeyCode::Tab);
    write(&mut chat, "boats");
    let expected = Effect::Act { conversation: None, act: Act::Create("boats".to_owned()), line: None };
    assert_eq!(press(&mut chat, KeyCode::Enter), [expected]);
    assert!(chat.dialog.is_none());
    chat.done(Done::NotActed { conversation: None, line: None, problem: "too long".to_owned() });
    assert!(matches!(&chat.dialog, Some(Dialog::Problem(problem)) if problem == "too long"));
    press(&mut chat, KeyCode::Esc);
    chat.refresh(vec![summary(7, "boats", 0)], Vec::new());
    chat.done(Done::Acted { conversation: None, acted: Acted::Made(id(7)) });
    assert_eq!((chat.chosen, chat.focus), (Some(Choice::Conversation(id(7))), Focus::Main));
}

#[test]
fn a_link_is_joined_and_not_shown_to_programmers() {
    let mut chat = in_boats();
    let TypedLink(typed_link) = link(false);
    let line = format!("/join {}", typed_link.to_text());
    let effects = typed(&mut chat, &line);
    assert_eq!(effects, act(7, Act::Join(link(false)), &line));
    assert_eq!(format!("{:?}", Act::Join(link(false))), "Join(TypedLink(..))");
    chat.done(Done::Acted { conversation: Some(id(7)), acted: Acted::Asked(handle("cat")) });
    assert_eq!(chat.notice.as_deref(), Some("cat@localhost:8080 was asked to let you in. The invite comes among your requests."));
}

#[test]
fn the_panel_and_the_links_are_shown() {
    let mut chat = in_boats();
    assert_eq!(typed(&mut chat, "/members"), [Effect::ShowGroup(id(7))]);
    chat.done(Done::ShownGroup(Ok(Box::new(boats()))));
    let screen = picture(&mut chat, 80, 24);
    for words in
        ["Members (4)", "ben@localhost:8080  member, 2 devices", "invite for dora@localhost:8080, by ann", "members may: invite, write"]
    {
        assert!(screen.contains(words), "{words}\n{screen}");
    }
    press(&mut chat, KeyCode::Esc);
    press(&mut chat, KeyCode::Esc);
    assert_eq!(press(&mut chat, KeyCode::Char('g')), [Effect::ShowGroup(id(7))]);
    chat.done(Done::ShownGroup(Err("not in".to_owned())));
    assert!(matches!(chat.dialog, Some(Dialog::Problem(_))));
    chat.dialog = None;
    chat.done(Done::Acted { conversation: Some(id(7)), acted: Acted::Links(vec![link(true)]) });
    assert!(picture(&mut chat, 120, 40).contains("alcyon://join/chat.example.org#"));
    chat.dialog = None;
    chat.done(Done::Acted { conversation: Some(id(7)), acted: Acted::Links(Vec::new()) });
    assert_eq!(chat.notice.as_deref(), Some("None of your links to this group is open."));
}

#[test]
fn who_asks_to_be_let_in_is_let_in_by_key_and_by_command() {
    let mut chat = in_boats();
    press(&mut chat, KeyCode::Esc);
    chat.refresh(chat.conversations.clone(), vec![asking(8, "hal")]);
    press(&mut chat, KeyCode::Home);
    assert_eq!(press(&mut chat, KeyCode::Char('a')), [Effect::Accept(id(8))]);
    assert_eq!(press(&mut chat, KeyCode::Char('d')), [Effect::Decline(id(8))]);
    chat.choose(Choice::Conversation(id(7)));
    chat.focus = Focus::Main;
    write(&mut chat, "/approve ");
    press(&mut chat, KeyCode::Tab);
    assert_eq!(press(&mut chat, KeyCode::Enter), act(7, Act::Approve(handle("hal")), "/approve hal@localhost:8080 "));
}

#[test]
fn what_others_do_in_the_group_is_read_anew() {
    let mut chat = in_boats();
    let mut line = message(7, 4, false, "", NOW);
    line.line = Some(Line::CameIn { invited_by: None });
    assert!(chat.heard(Event::Message(line)).contains(&Effect::LoadGroup(id(7))));
    assert!(!chat.heard(Event::Message(message(7, 5, false, "hello", NOW))).contains(&Effect::LoadGroup(id(7))));
}

#[test]
fn conversations_are_kept_by_key() {
    let mut chat = kept();
    let order = |act| vec![Effect::Act { conversation: Some(id(1)), act, line: None }];
    assert_eq!(press(&mut chat, KeyCode::Char('m')), order(Act::Unmute));
    assert_eq!(press(&mut chat, KeyCode::Char('p')), order(Act::Pin(false)));
    assert_eq!(press(&mut chat, KeyCode::Char('e')), order(Act::Archive(true)));
    press(&mut chat, KeyCode::Enter);
    assert_eq!(typed(&mut chat, "/mute 8h"), act(1, Act::Mute(Some(Span { ms: 8 * 60 * MINUTE })), "/mute 8h"));
    chat.done(Done::Acted { conversation: Some(id(1)), acted: Acted::Muted(Some(Muted::Until { at_ms: NOW + 480 * MINUTE })) });
    assert_eq!(chat.notice.as_deref(), Some("Muted until 2026-01-05 22:03."));
}

#[test]
fn archived_conversations_stand_behind_an_entry() {
    let mut chat = kept();
    let hidden = [Choice::Conversation(id(1)), Choice::Conversation(id(2)), Choice::Conversation(id(3)), Choice::Archive];
    assert_eq!(chat.choices(), hidden);
    press(&mut chat, KeyCode::End);
    assert_eq!(chat.chosen, Some(Choice::Archive));
    assert!(press(&mut chat, KeyCode::Enter).is_empty());
    assert_eq!(chat.choices().len(), 6);
    assert_eq!(chat.focus, Focus::List);
    press(&mut chat, KeyCode::Enter);
    assert_eq!(chat.choices(), hidden);
    chat.choose(Choice::Conversation(id(5)));
    assert!(chat.choices().contains(&Choice::Conversation(id(5))), "what is opened by another way is in sight");
}

#[test]
fn what_is_typed_after_archiving_is_not_for_a_neighbour() {
    let mut chat = kept();
    press(&mut chat, KeyCode::Enter);
    assert_eq!(typed(&mut chat, "/archive"), act(1, Act::Archive(true), "/archive"));
    assert_eq!(chat.focus, Focus::List);
    let mut conversations = chat.conversations.clone();
    conversations[0].archived = true;
    let effects = chat.refresh(conversations, Vec::new());
    assert_eq!(effects, [Effect::Load(id(2))]);
    let loaded = Done::Loaded { conversation: id(2), messages: Vec::new(), alarms: Vec::new(), complete: true };
    assert!(chat.done(loaded).is_empty(), "and the neighbour does not count as read");
}

#[test]
fn a_mute_that_is_over_is_not_shown_any_more() {
    let mut chat = kept();
    assert!(picture(&mut chat, 120, 40).contains("muted until 2026-01-05 15:03"));
    chat.now_ms = NOW + 61 * MINUTE;
    assert!(!picture(&mut chat, 120, 40).contains("muted until"));
}
