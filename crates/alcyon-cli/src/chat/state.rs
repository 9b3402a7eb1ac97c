//! All that the chat knows and shows. Nothing here draws, waits or fails; what has to be done outside is an [`Effect`].

use std::collections::HashMap;

use alcyon_client::{
    AccountId, Alarm, ConnectionState, ConversationId, ConversationSummary, Delivery, Event, GroupView, Handle, HandleName, KnockRequest,
    Message, MessageId, Person, Position, Post, Registered, SafetyNumberView, ServerUrl, Standing, TransferState,
};
use ratatui::text::Line;

use super::{
    acts::Acted,
    composer::Composer,
    dialog::{Dialog, Form, Words},
    graphics::Graphics,
    layout::Layout,
    rows::Pictures,
    slash::{Act, escaped},
};
use crate::{called::title_of, files::bar, look::Look, moments::Zone, report::files::transfer_text, text::devices::DeviceText};

/// What the interface asks of the world outside.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    /// Read the newest messages.
    Load(ConversationId),
    /// Read who is in it and how it is set, to name people while somebody types.
    LoadGroup(ConversationId),
    /// The same, for the panel.
    ShowGroup(ConversationId),
    /// Read those before.
    LoadOlder(ConversationId, Position),
    MarkRead(ConversationId),
    /// Look for messages.
    Search(String),
    /// Read a conversation as far back as this message.
    GoTo(ConversationId, MessageId),
    /// The recovery words are written down: no device keeps them.
    WordsConfirmed,
    Write(ConversationId, String),
    /// Something else than a text, or something done to a message; `line` is the command as it was typed.
    Post {
        conversation: ConversationId,
        post: Post,
        line: Option<String>,
    },
    Accept(ConversationId),
    Decline(ConversationId),
    Block(Handle),
    Unblock(Handle),
    Start {
        handle: Handle,
        account: Option<AccountId>,
        text: String,
    },
    SafetyNumber(Handle),
    /// What a command asks for; `line` is the command as it was typed, if it was.
    Act {
        conversation: Option<ConversationId>,
        act: Act,
        line: Option<String>,
    },
    Register {
        name: HandleName,
        server: ServerUrl,
    },
    Quit,
}

/// What came of an [`Effect`].
#[derive(Debug)]
pub(super) enum Done {
    Loaded {
        conversation: ConversationId,
        messages: Vec<Message>,
        alarms: Vec<Alarm>,
        complete: bool,
    },
    /// What a search came to, or what is wrong with it.
    Found {
        query: String,
        found: Result<Vec<Message>, String>,
    },
    /// A conversation, to be shown where this message is.
    WentTo {
        conversation: ConversationId,
        id: MessageId,
        messages: Vec<Message>,
        alarms: Vec<Alarm>,
        complete: bool,
    },
    Group {
        conversation: ConversationId,
        view: Option<Box<GroupView>>,
    },
    ShownGroup(Result<Box<GroupView>, String>),
    Acted {
        conversation: Option<ConversationId>,
        acted: Acted,
    },
    /// The command goes back to where it was typed.
    NotActed {
        conversation: Option<ConversationId>,
        line: Option<String>,
        problem: String,
    },
    OlderLoaded {
        conversation: ConversationId,
        messages: Vec<Message>,
        complete: bool,
    },
    Written(Box<Message>),
    /// The text goes back to where it was written.
    NotWritten {
        conversation: ConversationId,
        text: String,
        problem: String,
    },
    Accepted(ConversationId),
    Started(ConversationId),
    NotStarted(String),
    SafetyNumber(SafetyNumberView),
    Registered(Registered),
    NotRegistered(String),
    /// Done, and there is nothing to say about it.
    Quietly,
    Failed(String),
}

/// A row of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Request(ConversationId),
    Conversation(ConversationId),
    /// Shows or hides the archived conversations that follow.
    Archive,
}

/// Where keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Focus {
    List,
    /// The conversation with its composer, or the request.
    Main,
}

/// The conversation in the main pane.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: ConversationId,
    pub(super) messages: Vec<Message>,
    pub(super) alarms: Vec<Alarm>,
    /// Of a group, once it is read.
    pub(super) group: Option<Box<GroupView>>,
    /// There is nothing older.
    pub(super) complete: bool,
    /// Older ones have been asked for.
    pub(super) loading: bool,
    /// Rows between the lowest that is shown and the last there is.
    pub(super) scroll: usize,
    /// Messages that came while the last ones were out of sight.
    pub(super) below: usize,
    /// How many were unread when it was opened: a line stands above them.
    pub(super) unread: u64,
    /// The message that commands are about.
    pub(super) selected: Option<MessageId>,
    /// The chosen message is brought into the middle when it is drawn.
    pub(super) bring: bool,
    /// Laid out, for the width and the day they were laid out for.
    pub(super) rows: Rows,
    /// Drawn, for the widths they were drawn for.
    pub(super) pictures: Pictures,
}

/// A cache.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) lines: Vec<Line<'static>>,
    /// Which of them belong to which message.
    pub(super) places: Vec<(MessageId, std::ops::Range<usize>)>,
    /// Width, and day by ordinal date; `None` if messages changed since.
    pub(super) laid_out_for: Option<(u16, i32)>,
    /// Something was added at the end since.
    pub(super) grew: bool,
}

/// The whole interface.
#[derive(Debug)]
pub(super) struct Chat {
    pub(super) look: Look,
    /// How the terminal shows images.
    pub(super) graphics: Graphics,
    pub(super) zone: Zone,
    pub(super) now_ms: u64,
    /// The own handle, once there is an account.
    pub(super) me: Option<String>,
    pub(super) conversations: Vec<ConversationSummary>,
    pub(super) requests: Vec<KnockRequest>,
    /// Archived conversations are in the list.
    pub(super) archive_open: bool,
    pub(super) chosen: Option<Choice>,
    pub(super) open: Option<Open>,
    pub(super) focus: Focus,
    pub(super) dialog: Option<Dialog>,
    pub(super) connection: ConnectionState,
    /// When the next try is due, if one is waited for.
    pub(super) next_try_ms: u64,
    /// One line, until the next key.
    pub(super) notice: Option<String>,
    /// Calls under way that somebody waits for.
    pub(super) waiting: usize,
    pub(super) drafts: HashMap<ConversationId, Composer>,
    /// Who is typing where, and until when it is believed.
    pub(super) typing: Vec<Typing>,
    /// The terminal is in front.
    pub(super) attentive: bool,
    /// Where things were drawn last.
    pub(super) layout: Layout,
}

impl Chat {
    pub(super) fn new(look: Look, zone: Zone, now_ms: u64, me: Option<String>) -> Self {
        let dialog = if me.is_none() { Some(Dialog::Welcome(Form::default())) } else { None };
        Self {
            look,
            graphics: Graphics::Blocks,
            zone,
            now_ms,
            me,
            conversations: Vec::new(),
            requests: Vec::new(),
            archive_open: false,
            chosen: None,
            open: None,
            focus: Focus::List,
            dialog,
            connection: ConnectionState::Connecting,
            next_try_ms: 0,
            notice: None,
            waiting: 0,
            drafts: HashMap::new(),
            typing: Vec::new(),
            attentive: true,
            layout: Layout::default(),
        }
    }

    /// The list from top to bottom.
    pub(super) fn choices(&self) -> Vec<Choice> {
        let requests = self.requests.iter().map(|request| Choice::Request(request.id));
        let listed = |archived| self.kept(archived).map(|one| Choice::Conversation(one.conversation));
        let archive = self.kept(true).next().map(|_| Choice::Archive);
        let shown = listed(true).filter(|_| self.archive_open);
        requests.chain(listed(false)).chain(archive).chain(shown).collect()
    }

    /// Conversations that are archived, or those that are not.
    pub(super) fn kept(&self, archived: bool) -> impl Iterator<Item = &ConversationSummary> {
        self.conversations.iter().filter(move |one| one.archived == archived)
    }

    pub(super) fn summary(&self, id: ConversationId) -> Option<&ConversationSummary> {
        self.conversations.iter().find(|one| one.conversation == id)
    }

    pub(super) fn chosen_conversation(&self) -> Option<&ConversationSummary> {
        match self.chosen {
            Some(Choice::Conversation(id)) => self.summary(id),
            _ => None,
        }
    }

    pub(super) fn chosen_request(&self) -> Option<&KnockRequest> {
        match self.chosen {
            Some(Choice::Request(id)) => self.requests.iter().find(|request| request.id == id),
            _ => None,
        }
    }

    /// The other side of the chosen row, where it is known by a handle.
    pub(super) fn chosen_handle(&self) -> Option<Handle> {
        match self.chosen_request() {
            Some(request) => Some(request.from.clone()),
            None => self.chosen_conversation().and_then(|one| one.title.parse().ok()),
        }
    }

    /// Nothing can be written to it.
    pub(super) fn is_closed(&self, id: ConversationId) -> bool {
        self.summary(id).is_none_or(|one| one.blocked || one.standing == Standing::Left)
    }

    /// Written and not sent.
    pub(super) fn has_drafts(&self) -> bool {
        self.drafts.values().any(|draft| !draft.is_blank())
    }

    /// Own texts of the open conversation, the newest first.
    pub(super) fn older_texts(&self) -> Vec<String> {
        let Some(open) = &self.open else { return Vec::new() };
        let own = open.messages.iter().rev().filter(|message| message.own && message.line.is_none());
        let mut texts: Vec<String> = own.map(|message| escaped(&message.text).into_owned()).collect();
        texts.dedup();
        texts
    }

    /// New lists from the database. The choice stays with what was chosen, or falls on its neighbour.
    pub(super) fn refresh(&mut self, conversations: Vec<ConversationSummary>, requests: Vec<KnockRequest>) -> Vec<Effect> {
        let at = self.chosen.and_then(|chosen| self.choices().iter().position(|choice| *choice == chosen));
        self.conversations = conversations;
        self.requests = requests;
        self.archive_open = self.archive_open && self.conversations.iter().any(|one| one.archived);
        let choices = self.choices();
        if self.chosen.is_some_and(|chosen| choices.contains(&chosen)) {
            return Vec::new();
        }
        match choices.get(at.unwrap_or(0).min(choices.len().saturating_sub(1))) {
            Some(choice) => self.choose(*choice),
            None => {
                self.chosen = None;
                self.open = None;
                Vec::new()
            }
        }
    }

    /// Shows a row of the list in the main pane.
    pub(super) fn choose(&mut self, choice: Choice) -> Vec<Effect> {
        self.chosen = Some(choice);
        if self.chosen_conversation().is_some_and(|one| one.archived) {
            self.archive_open = true;
        }
        match choice {
            Choice::Conversation(id) if self.open.as_ref().is_none_or(|open| open.id != id) => {
                self.open = None;
                vec![Effect::Load(id)]
            }
            Choice::Conversation(_) => Vec::new(),
            Choice::Request(_) | Choice::Archive => {
                self.open = None;
                Vec::new()
            }
        }
    }

    /// Goes into the chosen row.
    pub(super) fn enter(&mut self) -> Vec<Effect> {
        match self.chosen {
            None => return Vec::new(),
            Some(Choice::Archive) => {
                self.archive_open = !self.archive_open;
                return Vec::new();
            }
            Some(Choice::Request(_) | Choice::Conversation(_)) => {}
        }
        self.focus = Focus::Main;
        self.read()
    }

    /// The newest messages are in front of somebody's eyes.
    pub(super) fn read(&mut self) -> Vec<Effect> {
        let Some(open) = &mut self.open else { return Vec::new() };
        if self.focus != Focus::Main || !self.attentive || open.scroll > 0 {
            return Vec::new();
        }
        open.below = 0;
        vec![Effect::MarkRead(open.id)]
    }

    /// Something happened in the client.
    pub(super) fn heard(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Message(message) => self.arrived(message, true),
            Event::Delivery(message) => {
                if message.delivery == Delivery::Failed {
                    self.notice = Some(self.look.language.say(crate::text::Text::NotSent { who: &self.title(message.conversation) }));
                }
                self.arrived(message, false)
            }
            Event::Changed(changed) => self.arrived(changed.message, false),
            Event::Transfer(view) => {
                let text = transfer_text(&view, self.look);
                let going = view.state == TransferState::Going;
                self.notice = Some(if going { format!("{} {text}", bar(view.done, view.total, self.look)) } else { text });
                let complete = view.state == TransferState::Complete;
                self.reload(complete.then_some(view.conversation))
            }
            Event::History { conversation } => self.reload(Some(conversation)),
            // All that names them is read again, but nobody is carried away from what they read.
            Event::Introduced { person: _ } => {
                let open = self.open.as_ref().filter(|open| open.scroll == 0);
                open.map(|open| Effect::Load(open.id)).into_iter().collect()
            }
            Event::Gone { conversation, id } => {
                self.gone(conversation, id);
                Vec::new()
            }
            Event::Read { conversation, by, up_to } => {
                if let Some(open) = self.open.as_mut().filter(|open| open.id == conversation) {
                    open.read(&by, up_to);
                }
                Vec::new()
            }
            Event::Typing { conversation, by, typing } => {
                self.types(conversation, by, typing);
                Vec::new()
            }
            Event::Alarm(alarm) => {
                if let Some(open) = self.open.as_mut().filter(|open| alarm.conversation == Some(open.id))
                    && !open.alarms.contains(&alarm)
                {
                    open.alarms.push(alarm);
                } else if alarm.conversation.is_none() {
                    self.notice = Some(self.look.language.say(crate::report::alarm_text(alarm.kind)));
                }
                Vec::new()
            }
            Event::DeviceRemoved => {
                self.notice = Some(self.look.language.say_of_devices(DeviceText::Removed));
                Vec::new()
            }
            Event::Connection(state) => {
                if let ConnectionState::Waiting { retry_in_ms } = state {
                    self.next_try_ms = self.now_ms.saturating_add(retry_in_ms);
                }
                self.connection = state;
                // What was queued is done now: lines about own acts are not heard of otherwise.
                let group = self.open.as_ref().filter(|open| open.group.is_some() && open.scroll == 0).map(|open| Effect::Load(open.id));
                group.filter(|_| self.connection == ConnectionState::Online).into_iter().collect()
            }
            // The lists are read anew after each event; they hold the rest.
            _ => Vec::new(),
        }
    }

    fn arrived(&mut self, message: Message, new: bool) -> Vec<Effect> {
        if new {
            // What was being typed is here.
            self.typing.retain(|one| one.conversation != message.conversation || one.by.account != message.sender);
        }
        let Some(open) = self.open.as_mut().filter(|open| open.id == message.conversation) else { return Vec::new() };
        let changed = message.line.as_ref().map(|_| Effect::LoadGroup(open.id));
        let grew = open.place(message);
        if new && grew && open.scroll > 0 {
            open.below += 1;
        }
        let mut effects = if new { self.read() } else { Vec::new() };
        effects.extend(changed);
        effects
    }

    /// Something that was asked for is done.
    pub(super) fn done(&mut self, done: Done) -> Vec<Effect> {
        match done {
            Done::Loaded { conversation, messages, alarms, complete } => {
                if self.chosen != Some(Choice::Conversation(conversation)) {
                    return Vec::new(); // meanwhile somebody has gone on
                }
                let unread = self.summary(conversation).map_or(0, |one| one.unread);
                let rows = Rows::default();
                let group = self.open.take().filter(|open| open.id == conversation).and_then(|open| open.group);
                let is_group = self.summary(conversation).is_some_and(|one| one.group);
                self.open = Some(Open {
                    id: conversation,
                    messages,
                    alarms,
                    group,
                    complete,
                    loading: false,
                    scroll: 0,
                    below: 0,
                    unread,
                    selected: None,
                    bring: false,
                    rows,
                    pictures: Pictures::new(),
                });
                let mut effects = self.read();
                effects.extend(is_group.then_some(Effect::LoadGroup(conversation)));
                effects
            }
            Done::Found { query, found } => {
                self.found(&query, found);
                Vec::new()
            }
            Done::WentTo { conversation, id, messages, alarms, complete } => {
                self.choose(Choice::Conversation(conversation));
                self.focus = Focus::Main;
                let effects = self.done(Done::Loaded { conversation, messages, alarms, complete });
                if let Some(open) = &mut self.open {
                    open.bring = open.messages.iter().any(|message| message.id == id);
                    open.selected = Some(id).filter(|_| open.bring);
                    // Until it is drawn nobody knows where; not at the end, as far as reading goes.
                    open.scroll = usize::from(open.bring);
                    open.rows.laid_out_for = None;
                }
                // Nothing counts as read by jumping over it.
                effects.into_iter().filter(|effect| !matches!(effect, Effect::MarkRead(_))).collect()
            }
            Done::Group { conversation, view } => {
                if let Some(open) = self.open.as_mut().filter(|open| open.id == conversation) {
                    open.group = view;
                }
                Vec::new()
            }
            Done::ShownGroup(Ok(view)) => {
                if let Some(Dialog::Group { view: shown, .. }) = &mut self.dialog {
                    *shown = Some(view);
                }
                Vec::new()
            }
            Done::ShownGroup(Err(problem)) => {
                self.dialog = Some(Dialog::Problem(problem));
                Vec::new()
            }
            Done::Acted { conversation, acted } => self.acted(conversation, acted),
            Done::NotActed { conversation, line, problem } => {
                self.not_acted(conversation, line, problem);
                Vec::new()
            }
            Done::OlderLoaded { conversation, messages, complete } => {
                if let Some(open) = self.open.as_mut().filter(|open| open.id == conversation) {
                    open.loading = false;
                    open.complete = complete;
                    open.messages.splice(0..0, messages);
                    open.rows.laid_out_for = None;
                }
                Vec::new()
            }
            Done::Written(message) => {
                if let Some(open) = self.open.as_mut().filter(|open| open.id == message.conversation) {
                    // What is done to an older message leaves the eye where it is.
                    if !open.messages.iter().any(|one| one.id == message.id) {
                        open.scroll = 0;
                    }
                    open.unread = 0;
                    open.selected = None;
                    open.place(*message);
                }
                self.read()
            }
            Done::NotWritten { conversation, text, problem } => {
                let draft = self.drafts.entry(conversation).or_default();
                if draft.is_blank() {
                    *draft = Composer::of(&escaped(&text));
                }
                self.notice = Some(problem);
                Vec::new()
            }
            Done::Accepted(conversation) | Done::Started(conversation) => {
                if matches!(self.dialog, Some(Dialog::New(_))) {
                    self.dialog = None;
                }
                self.focus = Focus::Main;
                self.choose(Choice::Conversation(conversation))
            }
            Done::NotStarted(problem) => {
                if let Some(Dialog::New(form)) = &mut self.dialog {
                    form.failed(problem);
                } else {
                    self.dialog = Some(Dialog::Problem(problem));
                }
                Vec::new()
            }
            Done::SafetyNumber(number) => {
                if let Some(Dialog::Safety { number: shown, .. }) = &mut self.dialog {
                    *shown = Some(number);
                }
                Vec::new()
            }
            Done::Registered(registered) => {
                self.me = Some(registered.handle.to_text());
                self.dialog = Some(Dialog::Words(Words { handle: registered.handle.to_text(), words: registered.words, sure: false }));
                Vec::new()
            }
            Done::NotRegistered(problem) => {
                if let Some(Dialog::Welcome(form)) = &mut self.dialog {
                    form.failed(problem);
                }
                Vec::new()
            }
            Done::Quietly => Vec::new(),
            Done::Failed(problem) => {
                self.dialog = Some(Dialog::Problem(problem));
                Vec::new()
            }
        }
    }

    /// What the other side is called.
    pub(super) fn title(&self, id: ConversationId) -> String {
        self.summary(id).map(title_of).unwrap_or_default()
    }
}

/// Somebody is typing.
#[derive(Debug)]
pub(super) struct Typing {
    pub(super) conversation: ConversationId,
    pub(super) by: Person,
    pub(super) until_ms: u64,
}

impl Chat {
    /// How long a word about typing holds without another.
    const TYPING_MS: u64 = 6_000;

    fn types(&mut self, conversation: ConversationId, by: Person, typing: bool) {
        self.typing.retain(|one| one.conversation != conversation || one.by.account != by.account);
        if typing {
            self.typing.push(Typing { conversation, by, until_ms: self.now_ms.saturating_add(Self::TYPING_MS) });
        }
    }

    /// A message has gone by itself: it leaves the screen, and what quotes it.
    fn gone(&mut self, conversation: ConversationId, id: MessageId) {
        if let Some(Dialog::Search(finding)) = &mut self.dialog {
            finding.gone(conversation, id);
        }
        let Some(open) = self.open.as_mut().filter(|open| open.id == conversation) else { return };
        open.messages.retain(|message| message.id != id);
        for quote in open.messages.iter_mut().filter_map(|message| message.content.reply.as_mut()).filter(|quote| quote.id == id) {
            quote.sender = None;
            quote.words.clear();
        }
        open.selected = open.selected.filter(|selected| *selected != id);
        open.rows.laid_out_for = None;
    }
}

impl Open {
    /// Somebody has read own messages up to a position.
    fn read(&mut self, by: &Person, up_to: Position) {
        for message in &mut self.messages {
            let reached = message.position.is_some_and(|position| position <= up_to);
            if message.own && message.line.is_none() && reached {
                message.delivery = Delivery::Read;
                if !message.content.read_by.iter().any(|known| known.account == by.account) {
                    message.content.read_by.push(by.clone());
                }
            }
        }
        self.rows.laid_out_for = None;
    }

    /// Chooses the message above or below the chosen one; from below the last there is none.
    pub(super) fn select(&mut self, up: bool) {
        let all: Vec<MessageId> = self.messages.iter().filter(|message| message.line.is_none()).map(|message| message.id).collect();
        let at = self.selected.and_then(|id| all.iter().position(|one| *one == id));
        let next = match (at, up) {
            (None, true) => all.len().checked_sub(1),
            (None, false) => None,
            (Some(at), true) => Some(at.saturating_sub(1)),
            (Some(at), false) => Some(at + 1),
        };
        self.selected = next.and_then(|next| all.get(next)).copied();
        self.rows.laid_out_for = None;
    }

    /// Puts a message where it belongs, in place of an older state of itself. Returns whether it is new here.
    pub(super) fn place(&mut self, message: Message) -> bool {
        let known = self.messages.iter().position(|one| one.id == message.id);
        if let Some(slot) = known.and_then(|at| self.messages.get_mut(at)) {
            *slot = message;
        } else {
            self.messages.push(message);
            self.rows.grew = true;
        }
        // Own ones that wait have no position yet and stay last, in the order of writing.
        self.messages.sort_by_key(|message| (message.position.is_none(), message.position));
        self.rows.laid_out_for = None;
        known.is_none()
    }
}
