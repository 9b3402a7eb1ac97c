//! From a typed command to what is done about it.

use alcyon_client::{ContactCard, ConversationId, ConversationSummary, Message, MessageId, Post, RequestKind, TextFormat};

use super::{
    acts::Acted,
    composer::Composer,
    dialog::Dialog,
    slash::{Act, Place, Takes, Wrong, candidates, completed, hint, is_command, parse},
    state::{Chat, Choice, Effect, Focus},
};
use crate::{
    harmless::harmless_line,
    moments::span,
    report::{files::size_text, reporting::made_lines, shelf::muted_text},
    text::{Text, content::ContentText, files::FileText, group::GroupText, reporting::ReportingText, shelf::ShelfText, slash::SlashText},
};

impl Chat {
    /// The command that is being typed, if it is one.
    pub(super) fn command_line(&self) -> Option<&str> {
        let line = match (&self.dialog, self.chosen) {
            (Some(Dialog::Command { line, .. }), _) => line.text(),
            (None, Some(Choice::Conversation(id))) => self.drafts.get(&id)?.text(),
            _ => return None,
        };
        Some(line).filter(|line| is_command(line))
    }

    /// One line that helps to type it.
    pub(super) fn command_hint(&self) -> String {
        self.command_line().map(|line| hint(line, self.place(), self.look.language)).unwrap_or_default()
    }

    /// What a command would be about.
    pub(super) fn place(&self) -> Place {
        match self.chosen_conversation() {
            None => Place::Anywhere,
            Some(one) if one.group => Place::Group,
            Some(_) => Place::Conversation,
        }
    }

    /// Completes what is being typed; where several words fit, they are told.
    pub(super) fn complete(&mut self) {
        let Some(line) = self.command_line().map(str::to_owned) else { return };
        let (start, words) = candidates(&line, self.place(), |takes| self.people(takes));
        let Some(more) = completed(&line, start, &words) else { return };
        if words.len() > 1 {
            self.notice = Some(words.join(" "));
        }
        if more == line {
            return;
        }
        let composer = Composer::of(&more);
        match (&mut self.dialog, self.chosen) {
            (Some(Dialog::Command { line, .. }), _) => *line = composer,
            (_, Some(Choice::Conversation(id))) => {
                self.drafts.insert(id, composer);
            }
            _ => {}
        }
    }

    /// Who may be named there, as far as is known here.
    fn people(&self, takes: Takes) -> Vec<String> {
        let members = self.open.as_ref().and_then(|open| open.group.as_ref()).map(|group| group.members.as_slice()).unwrap_or_default();
        match takes {
            Takes::Person => {
                let inside = |one: &&ConversationSummary| members.iter().any(|member| Some(member.person.account) == one.peer);
                self.conversations.iter().filter(|one| !one.group && !inside(one)).map(|one| harmless_line(&one.title)).collect()
            }
            Takes::Member => {
                let others = members.iter().filter(|member| !member.own).map(|member| &member.person);
                others.map(|one| one.handle.as_ref().map_or_else(|| one.account.to_text(), alcyon_client::Handle::to_text)).collect()
            }
            Takes::Asking => {
                let asking = self.requests.iter().filter(|request| matches!(request.kind, RequestKind::AskIn { .. }));
                asking.map(|request| request.from.to_text()).collect()
            }
            Takes::Known => self.conversations.iter().filter(|one| !one.group).map(|one| harmless_line(&one.title)).collect(),
            Takes::Emoji | Takes::OneOf(_) | Takes::Text | Takes::Link | Takes::Server | Takes::Span | Takes::Seconds => Vec::new(),
        }
    }

    /// The command in a conversation's composer. A wrong one stays there.
    pub(super) fn run_draft(&mut self, id: ConversationId) -> Vec<Effect> {
        let line = self.drafts.get(&id).map(|draft| draft.text().to_owned()).unwrap_or_default();
        match parse(&line, self.place()) {
            Ok(act) => {
                self.drafts.remove(&id);
                self.order(act, Some(line))
            }
            Err(wrong) => {
                self.notice = Some(wrong.explain(self.look.language));
                Vec::new()
            }
        }
    }

    /// The command in the dialog. A wrong one stays there.
    pub(super) fn run_dialog(&mut self) -> Vec<Effect> {
        let place = self.place();
        let language = self.look.language;
        let Some(Dialog::Command { line, problem }) = &mut self.dialog else { return Vec::new() };
        let text = line.text().trim();
        let text = if text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
        match parse(&text, place) {
            Ok(act) => {
                self.dialog = None;
                self.order(act, None)
            }
            Err(wrong) => {
                *problem = Some(Wrong::explain(&wrong, language));
                Vec::new()
            }
        }
    }

    /// Begins to do it; what can't be taken back is asked about first.
    fn order(&mut self, act: Act, line: Option<String>) -> Vec<Effect> {
        let language = self.look.language;
        let conversation = self.chosen_conversation().map(|one| one.conversation);
        let title = conversation.map(|id| self.title(id)).unwrap_or_default();
        let group = title.as_str();
        let to;
        let act = match act {
            Act::Save { path, id: None } => match self.file_here() {
                Some(id) => Act::Save { path, id: Some(id) },
                None => {
                    self.not_acted(conversation, line, language.say_of_files(FileText::NoFileHere));
                    return Vec::new();
                }
            },
            Act::View { id: None } => match self.file_here() {
                Some(id) => Act::View { id: Some(id) },
                None => {
                    self.not_acted(conversation, line, language.say_of_files(FileText::NoFileHere));
                    return Vec::new();
                }
            },
            Act::Report { to_operator, reason, words, message: None, whom: None } => {
                let chosen = self.open.as_ref().and_then(|open| {
                    let id = open.selected?;
                    open.messages.iter().find(|message| message.id == id && message.line.is_none())
                });
                let whom = chosen.filter(|message| !message.own).map(|message| message.sender);
                Act::Report { to_operator, reason, words, message: chosen.map(|message| message.id), whom }
            }
            act => act,
        };
        if let Some(post) = self.post_of(&act) {
            return self.order_post(post, line);
        }
        let question = match &act {
            Act::Help => {
                let keys = language.say(Text::HelpKeys).lines().count();
                self.dialog = Some(Dialog::Help { scroll: u16::try_from(keys).unwrap_or(u16::MAX) });
                return Vec::new();
            }
            Act::Members => return self.show_group(),
            Act::Start(text) => {
                let Some(card) = self.card() else {
                    self.not_acted(conversation, line, language.say_of_content(ContentText::NoContact));
                    return Vec::new();
                };
                return vec![Effect::Start { handle: card.handle, account: Some(card.account), text: text.clone() }];
            }
            Act::Search(words) => return self.look_for(words),
            Act::Remove(who) => Some(SlashText::ReallyRemove { who, group }),
            Act::Move(server) => {
                to = server.to_text();
                Some(SlashText::ReallyMove { group, server: &to })
            }
            Act::Leave => Some(SlashText::ReallyLeave { group }),
            Act::End => Some(SlashText::ReallyEnd { group }),
            Act::CloseLinks => Some(SlashText::ReallyCloseLinks { group }),
            _ => None,
        };
        let question = question.map(|question| language.say_of_slash(question));
        if matches!(act, Act::Archive(true)) {
            // It goes out of sight, and what is typed next is not meant for its neighbour.
            self.focus = Focus::List;
        }
        let effect = Effect::Act { conversation, act, line };
        match question {
            Some(question) => {
                self.dialog = Some(Dialog::Confirm { question, effect: Box::new(effect) });
                Vec::new()
            }
            None => vec![effect],
        }
    }

    /// The chosen message if it is a file, or else the newest that is one.
    fn file_here(&self) -> Option<MessageId> {
        let open = self.open.as_ref()?;
        let is_file = |message: &&Message| message.content.attachment.is_some();
        let found = match open.selected {
            Some(id) => open.messages.iter().find(|message| message.id == id).filter(is_file),
            None => open.messages.iter().rev().find(is_file),
        };
        found.map(|message| message.id)
    }

    /// What an act writes: the conversation it goes to, and the post. The error says why there is nothing that it could be about.
    fn post_of(&self, act: &Act) -> Option<Result<(ConversationId, Post), String>> {
        let say = |text| self.look.language.say_of_slash(text);
        let about = |wanted: &dyn Fn(&Message) -> bool| {
            let open = self.open.as_ref().ok_or_else(|| say(SlashText::NoMessageHere))?;
            let there = |message: &&Message| message.line.is_none() && message.content.deleted.is_none();
            let found = match open.selected {
                Some(id) => open.messages.iter().find(|message| message.id == id),
                None => open.messages.iter().rev().filter(there).find(|message| wanted(message)),
            };
            found.map(|message| (open.id, message.id)).ok_or_else(|| say(SlashText::NoMessageHere))
        };
        let others = |message: &Message| !message.own;
        let own = |message: &Message| message.own;
        let polls = |message: &Message| message.content.poll.is_some();
        let format = TextFormat::Marked;
        Some(match act {
            Act::Reply(text) => about(&others).map(|(at, id)| (at, Post::Text { text: text.clone(), format, reply_to: Some(id) })),
            Act::React { emoji, back } => {
                about(&others).map(|(at, target)| (at, Post::React { target, emoji: emoji.clone(), back: *back }))
            }
            Act::Edit(text) => about(&own).map(|(at, target)| (at, Post::Edit { target, text: text.clone(), format })),
            Act::Delete => about(&own).map(|(at, target)| (at, Post::Delete { target })),
            Act::Forward(who) => about(&|_| true).and_then(|(from, id)| {
                let who = who.to_text();
                let to = self.conversations.iter().find(|one| !one.group && one.title == who);
                let to = to.ok_or_else(|| self.look.language.say_of_slash(SlashText::NobodyToForwardTo { who: &who }))?;
                Ok((to.conversation, Post::Forward { from, id }))
            }),
            Act::Location(point) => match self.open.as_ref() {
                Some(open) => Ok((open.id, Post::Location(*point))),
                None => Err(say(SlashText::NoMessageHere)),
            },
            Act::Poll { question, options, several } => match self.open.as_ref() {
                Some(open) => Ok((open.id, Post::Poll { question: question.clone(), options: options.clone(), several: *several })),
                None => Err(say(SlashText::NoMessageHere)),
            },
            Act::Vote(options) => {
                let options = options.iter().map(|option| option.saturating_sub(1)).collect();
                about(&polls).map(|(at, target)| (at, Post::Vote { target, options }))
            }
            Act::EndPoll => about(&|message| own(message) && polls(message)).map(|(at, target)| (at, Post::EndPoll { target })),
            Act::PinMessage(pinned) => {
                about(&|message| message.content.pinned != *pinned).map(|(at, target)| (at, Post::Pin { target, pinned: *pinned }))
            }
            _ => return None,
        })
    }

    /// The contact card of the chosen message, or the newest there is.
    fn card(&self) -> Option<ContactCard> {
        let open = self.open.as_ref()?;
        match open.selected {
            Some(id) => open.messages.iter().find(|message| message.id == id)?.content.contact.clone(),
            None => open.messages.iter().rev().find_map(|message| message.content.contact.clone()),
        }
    }

    fn order_post(&mut self, post: Result<(ConversationId, Post), String>, line: Option<String>) -> Vec<Effect> {
        match post {
            Ok((conversation, post)) => {
                let deletes = matches!(post, Post::Delete { .. });
                let effect = Effect::Post { conversation, post, line };
                if deletes {
                    let question = self.look.language.say_of_slash(SlashText::ReallyDelete);
                    self.dialog = Some(Dialog::Confirm { question, effect: Box::new(effect) });
                    return Vec::new();
                }
                vec![effect]
            }
            Err(problem) => {
                let conversation = self.open.as_ref().map(|open| open.id);
                self.not_acted(conversation, line, problem);
                Vec::new()
            }
        }
    }

    /// Mutes, pins or archives the chosen conversation, or takes that back.
    pub(super) fn keep(&mut self, act: impl FnOnce(&ConversationSummary) -> Act) -> Vec<Effect> {
        let Some(act) = self.chosen_conversation().map(act) else { return Vec::new() };
        self.order(act, None)
    }

    /// Who is in the chosen group, and how it is set.
    pub(super) fn show_group(&mut self) -> Vec<Effect> {
        let Some(id) = self.chosen_conversation().filter(|one| one.group).map(|one| one.conversation) else { return Vec::new() };
        self.dialog = Some(Dialog::Group { view: None, scroll: 0 });
        vec![Effect::ShowGroup(id)]
    }

    /// Tells what came of it.
    pub(super) fn acted(&mut self, conversation: Option<ConversationId>, acted: Acted) -> Vec<Effect> {
        let language = self.look.language;
        let notice = match acted {
            Acted::Done => language.say_of_group(GroupText::Done),
            Acted::Queued => language.say_of_group(GroupText::Queued),
            Acted::LinksAreOpen => language.say_of_slash(SlashText::LinksAreOpen),
            Acted::Links(links) if links.is_empty() => language.say_of_slash(SlashText::NoLinks),
            Acted::Links(links) => {
                self.dialog = Some(Dialog::Links { links, scroll: 0 });
                return self.reload(conversation);
            }
            Acted::Report(report) if !report.goes_somewhere() => language.say_of_slash(SlashText::NoAdminsHere),
            Acted::Report(report) => {
                let mut lines = made_lines(&report, self.look, self.zone);
                lines.extend([String::new(), language.say_of_slash(SlashText::ReallyReport)]);
                let effect = Effect::Act { conversation, act: Act::SendReport(report), line: None };
                self.dialog = Some(Dialog::Read { lines, scroll: 0, effect: Box::new(effect) });
                return Vec::new();
            }
            Acted::Reported => language.say_of_reporting(ReportingText::Sent),
            Acted::Made(id) => {
                self.notice = Some(language.say_of_slash(SlashText::Made));
                self.focus = Focus::Main;
                return self.choose(Choice::Conversation(id));
            }
            Acted::In(id) => {
                self.focus = Focus::Main;
                return self.choose(Choice::Conversation(id));
            }
            Acted::Seen { name, pixels } => {
                self.dialog = Some(Dialog::Image { name, pixels, place: None });
                return self.reload(conversation);
            }
            Acted::Attached(name) => language.say_of_files(FileText::Attached { name: &harmless_line(&name) }),
            Acted::Saved(path, size) => {
                let (path, size) = (harmless_line(&path.display().to_string()), size_text(size, language));
                language.say_of_files(FileText::Saved { path: &path, size: &size })
            }
            Acted::Asked(admin) => language.say_of_group(GroupText::Asked { who: &admin.to_text() }),
            Acted::Muted(muted) => {
                let unmuted = || language.say_of_shelf(ShelfText::Unmuted);
                self.notice = Some(muted.map_or_else(unmuted, |muted| muted_text(muted, self.zone, language)));
                return Vec::new();
            }
            Acted::TimerSet(0) => language.say_of_shelf(ShelfText::TimerSetOff),
            Acted::TimerSet(seconds) => {
                // Longer than a line: what it does not promise has to be read.
                self.dialog = Some(Dialog::Told(language.say_of_shelf(ShelfText::TimerSet { after: &span(seconds) })));
                return self.reload(conversation);
            }
            Acted::MarkedUnread => {
                self.focus = Focus::List;
                self.notice = Some(language.say_of_shelf(ShelfText::MarkedUnread));
                return Vec::new();
            }
            Acted::Telling(alcyon_client::Telling { read, typing }) => {
                self.notice = Some(language.say_of_shelf(ShelfText::Telling { read, typing }));
                return Vec::new();
            }
            Acted::Pinned(pinned) => {
                self.notice = Some(language.say_of_shelf(if pinned { ShelfText::Pinned } else { ShelfText::Unpinned }));
                return Vec::new();
            }
            Acted::Archived(archived) => {
                self.notice = Some(language.say_of_shelf(if archived { ShelfText::Archived } else { ShelfText::Unarchived }));
                return Vec::new();
            }
        };
        self.notice = Some(notice);
        self.reload(conversation)
    }

    /// An own act stands in the conversation as a line, which is no event.
    pub(super) fn reload(&self, conversation: Option<ConversationId>) -> Vec<Effect> {
        let open = self.open.as_ref().map(|open| open.id).filter(|open| Some(*open) == conversation);
        open.map(Effect::Load).into_iter().collect()
    }

    /// It was not done: the command stands where it was typed, unless something else does by now.
    pub(super) fn not_acted(&mut self, conversation: Option<ConversationId>, line: Option<String>, problem: String) {
        match (conversation, line) {
            (Some(id), Some(line)) => {
                let draft = self.drafts.entry(id).or_default();
                if draft.is_blank() {
                    *draft = Composer::of(&line);
                }
                self.notice = Some(problem);
            }
            _ => self.dialog = Some(Dialog::Problem(problem)),
        }
    }
}
