#![allow(clippy::unwrap_used)]

use super::*;

const EN: Language = Language::English;

fn act(line: &str) -> Result<Act, Wrong> {
    parse(line, Place::Group)
}

#[test]
fn each_command_of_the_table_is_read() {
    let handle = |text: &str| text.parse::<Handle>().unwrap();
    let cases = [
        ("/help", Act::Help),
        ("/create  the boats of  Ann ", Act::Create("the boats of  Ann".to_owned())),
        ("/invite a.b@x.example ben@y.example", Act::Invite(vec![(handle("a.b@x.example"), None), (handle("ben@y.example"), None)])),
        ("/link", Act::OpenLink { approval: false }),
        ("/link approve", Act::OpenLink { approval: true }),
        ("/link --approve", Act::OpenLink { approval: true }),
        ("/link off", Act::CloseLinks),
        ("/link list", Act::ListLinks),
        ("/approve ben@x.example", Act::Approve(handle("ben@x.example"))),
        ("/reject ben@x.example", Act::Reject(handle("ben@x.example"))),
        ("/members", Act::Members),
        ("/roles ben@x.example admin", Act::Role { who: "ben@x.example".to_owned(), admin: true }),
        ("/roles ben@x.example member", Act::Role { who: "ben@x.example".to_owned(), admin: false }),
        ("/title Boats", Act::Title("Boats".to_owned())),
        ("/description", Act::Description(String::new())),
        ("/description two\nlines", Act::Description("two\nlines".to_owned())),
        ("/timer 0", Act::Timer(0)),
        ("/timer 1d", Act::Timer(86_400)),
        ("/allow invite members", Act::Allow { permission: GroupPermission::Invite, members: true }),
        ("/allow edit admins", Act::Allow { permission: GroupPermission::Edit, members: false }),
        ("/allow write admins", Act::Allow { permission: GroupPermission::Write, members: false }),
        ("/remove ben@x.example", Act::Remove("ben@x.example".to_owned())),
        ("/move https://bay.example", Act::Move("https://bay.example".parse().unwrap())),
        ("/leave", Act::Leave),
        ("/end", Act::End),
        ("/mute", Act::Mute(None)),
        ("/mute 8h", Act::Mute(Some(Span { ms: 8 * 3_600_000 }))),
        ("/unmute", Act::Unmute),
        ("/pin", Act::Pin(true)),
        ("/unpin", Act::Pin(false)),
        ("/archive", Act::Archive(true)),
        ("/unarchive", Act::Archive(false)),
        ("/search from:ben  tide", Act::Search("from:ben  tide".to_owned())),
        ("/unread", Act::Unread),
        ("/receipts off", Act::Tell(Tells::Read, Some(false))),
        ("/typing on", Act::Tell(Tells::Typing, Some(true))),
        ("/typing default", Act::Tell(Tells::Typing, None)),
        ("/timer off", Act::Timer(0)),
        ("/timer 30s", Act::Timer(30)),
        ("/reply  yes, at *six*", Act::Reply("yes, at *six*".to_owned())),
        ("/react 👍", Act::React { emoji: "👍".to_owned(), back: false }),
        ("/react 👍 back", Act::React { emoji: "👍".to_owned(), back: true }),
        ("/edit two words", Act::Edit("two words".to_owned())),
        ("/delete", Act::Delete),
        ("/forward ben@x.example", Act::Forward(handle("ben@x.example"))),
        ("/file my boat.jpg", Act::File("my boat.jpg".to_owned())),
        ("/view", Act::View { id: None }),
        ("/picture boat.jpg", Act::GroupPicture("boat.jpg".to_owned())),
        ("/introduce Ann of the sea", Act::Introduce("Ann of the sea".to_owned())),
        ("/portrait -", Act::Portrait("-".to_owned())),
        ("/save .", Act::Save { path: ".".to_owned(), id: None }),
        (
            "/poll When? | today |tomorrow",
            Act::Poll { question: "When?".to_owned(), options: vec!["today".to_owned(), "tomorrow".to_owned()], several: false },
        ),
        (
            "/poll --several When?|today|tomorrow",
            Act::Poll { question: "When?".to_owned(), options: vec!["today".to_owned(), "tomorrow".to_owned()], several: true },
        ),
        ("/location 48.2082, 16.3738", Act::Location("48.2082,16.3738".parse().unwrap())),
        ("/contact ben@x.example", Act::Contact(handle("ben@x.example"))),
        ("/start hello there", Act::Start("hello there".to_owned())),
        ("/vote 1 3", Act::Vote(vec![1, 3])),
        ("/vote", Act::Vote(vec![])),
        ("/end-poll", Act::EndPoll),
        ("/pin-message", Act::PinMessage(true)),
        ("/unpin-message", Act::PinMessage(false)),
        ("/report admins  abuse", report(false, ReportReason::Abuse, "")),
        ("/report operator spam He sells  boats", report(true, ReportReason::Spam, "He sells  boats")),
    ];
    let mut words: Vec<_> = cases.iter().map(|(line, _)| line.split_whitespace().next().unwrap()).collect();
    for (line, expected) in &cases {
        assert_eq!(act(line).as_ref(), Ok(expected), "{line}");
    }
    words.push("/join");
    for command in COMMANDS {
        assert!(words.contains(&format!("/{}", command.word).as_str()), "/{} has a case", command.word);
        assert_eq!(COMMANDS.iter().filter(|other| other.word == command.word || other.name == command.name).count(), 1);
        assert!(Command::of(command.name).is_some_and(|found| found.word == command.word));
    }
}

fn report(to_operator: bool, reason: ReportReason, words: &str) -> Act {
    Act::Report { to_operator, reason, words: words.to_owned(), message: None, whom: None }
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("/report", "Something is missing: /report admins|operator spam|abuse|danger|other [TEXT]"),
        ("/report admins", "Something is missing: /report admins|operator spam|abuse|danger|other [TEXT]"),
        ("/report police spam", "“police” is not one of admins, operator."),
        ("/report admins rude words", "“rude” is not one of spam, abuse, danger, other."),
        ("/", "There is no command /: /help lists them, // sends a slash."),
        ("/usr/bin", "There is no command /usr/bin: /help lists them, // sends a slash."),
        ("/Invite ben@x.example", "There is no command /Invite: /help lists them, // sends a slash."),
        ("/invite", "Something is missing: /invite HANDLE ..."),
        ("/invite ben", "“ben” is no handle: a handle looks like name@server.example."),
        ("/roles ben@x.example", "Something is missing: /roles WHO admin|member"),
        ("/roles ben@x.example boss", "“boss” is not one of admin, member."),
        ("/roles ben admin", "“ben” is no handle: a handle looks like name@server.example."),
        ("/roles ben@x.example admin now", "That is too much: /roles WHO admin|member"),
        ("/link of", "“of” is not one of approve, off, list."),
        ("/allow write all", "“all” is not one of admins, members."),
        ("/leave now", "That is too much: /leave"),
        ("/title", "Something is missing: /title TEXT"),
        ("/timer soon", "“soon” is no time: a number and s, m, h, d or w, or off."),
        ("/poll When? | today", "A poll is a question and options, with bars between them: When? | today | tomorrow"),
        ("/location here", "A place is LATITUDE,LONGITUDE in degrees, like 48.2082,16.3738"),
        ("/vote x", "“x” is no option: they have numbers, from 1."),
        ("/mute 8", "“8” is no span of time: 30m, 8h, 1d or 1w, at most ten years"),
        ("/join http://x.example", "That is no link to a group: one begins with alcyon://join/ or ends in /join#..."),
        ("/remove x\u{1b}[2J", "“x\u{fffd}[2J” is no handle: a handle looks like name@server.example."),
    ];
    for (line, expected) in cases {
        assert_eq!(act(line).unwrap_err().explain(EN), expected, "{line}");
    }
    assert_eq!(parse("/leave", Place::Conversation).unwrap_err().explain(EN), "/leave is for groups: this is a conversation of two.");
    assert_eq!(parse("/mute", Place::Anywhere).unwrap_err().explain(EN), "/mute is about a conversation: choose one first.");
    assert_eq!(parse("/mute", Place::Conversation), Ok(Act::Mute(None)));
}

#[test]
fn two_slashes_are_one() {
    assert!(is_command("/x") && is_command("/") && !is_command("//x") && !is_command(" /x") && !is_command("x"));
    assert_eq!(literal("//x"), "/x");
    assert_eq!(literal("x//"), "x//");
    for text in ["x", "/x", "//x", "///", "/"] {
        assert!(!is_command(&escaped(text)));
        assert_eq!(literal(&escaped(text)), text);
    }
}

#[test]
fn tab_completes_commands_words_and_people() {
    let people = |takes| match takes {
        Takes::Member => vec!["ben@x.example".to_owned(), "berta@x.example".to_owned()],
        _ => vec!["cat@x.example".to_owned()],
    };
    let tab = |line: &str| {
        let (start, words) = candidates(line, Place::Group, people);
        completed(line, start, &words)
    };
    assert_eq!(tab("/inv").as_deref(), Some("/invite "));
    assert_eq!(tab("/un").as_deref(), Some("/un"));
    assert_eq!(tab("/unm").as_deref(), Some("/unmute "));
    assert_eq!(tab("/fly"), None);
    assert_eq!(tab("/roles b").as_deref(), Some("/roles be"));
    assert_eq!(tab("/roles ber").as_deref(), Some("/roles berta@x.example "));
    assert_eq!(tab("/roles berta@x.example a").as_deref(), Some("/roles berta@x.example admin "));
    assert_eq!(tab("/invite ").as_deref(), Some("/invite cat@x.example "));
    assert_eq!(tab("/invite cat@x.example "), None, "nobody twice");
    assert_eq!(tab("/title b"), None);
    assert_eq!(tab("/leave "), None);
    assert_eq!(candidates("/li", Place::Conversation, people).1, Vec::<String>::new(), "nothing for groups among two");
    assert_eq!(candidates("/m", Place::Conversation, people).1, ["/move", "/mute"]);
}

#[test]
fn the_hint_follows_what_is_typed() {
    assert_eq!(hint("/a", Place::Group, EN), "/approve /allow /archive");
    assert_eq!(hint("/ro", Place::Group, EN), "/roles WHO admin|member  make somebody an admin, or a member");
    assert_eq!(hint("/leave", Place::Conversation, EN), "/leave is for groups: this is a conversation of two.");
    assert_eq!(hint("/timer 1", Place::Group, EN), "/timer TIME  new messages go so long after reading; off: they stay");
    assert_eq!(hint("/zzz", Place::Group, EN), "There is no command /zzz: /help lists them, // sends a slash.");
}
