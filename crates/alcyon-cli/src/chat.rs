//! The full-screen chat. State and what keys do to it ([`state`], [`input`]) know no terminal and no client; drawing
//! ([`draw`]) changes nothing but its own caches; this file joins them with the client, on one thread.

mod acts;
mod command;
mod composer;
mod dialog;
mod dialogs;
mod draw;
mod finding;
mod graphics;
mod input;
mod layout;
mod panels;
mod rows;
mod screen;
pub(crate) mod slash;
mod state;
#[cfg(test)]
mod tests;
mod theme;

use std::{
    collections::HashMap,
    pin::{Pin, pin},
    time::Duration,
};

use alcyon_client::{ClientError, Clock as _, ConnectionState, ConversationId, Event, MessageId, Patience, Post, Search, SendOutcome};
use alcyon_net::{FolderRoom, SystemClock};
use crossterm::event::EventStream;
use futures::{StreamExt as _, future::LocalBoxFuture, stream::FuturesUnordered};
use tokio::sync::mpsc;

use self::{
    acts::carry_out,
    composer::Composer,
    screen::Screen,
    state::{Chat, Choice, Done, Effect, Focus},
};
use crate::{
    args::Place,
    commands::{Native, block_on, open},
    failure::Failure,
    files,
    listening::interrupted,
    look::Look,
    moments::Zone,
};

/// Messages read at a time.
const PAGE: u32 = 200;
/// Messages that a search shows.
const FOUND: u32 = 100;

/// Opens the profile, making it if it is not there, and stays until somebody quits.
pub(crate) fn run(place: &Place, look: Look) -> Result<(), Failure> {
    // Before the screen is taken: a passphrase may have to be typed.
    let client = open(place, true, look)?;
    block_on(converse(&client, &files::room(place), look))
}

/// The client's own work, once there is an account.
type Listening<'a> = Pin<Box<dyn Future<Output = Result<(), ClientError>> + 'a>>;

async fn converse(client: &Native, room: &FolderRoom, look: Look) -> Result<(), Failure> {
    let me = match client.me() {
        Ok(me) => Some(me.handle.to_text()),
        Err(ClientError::NoAccount) => None,
        Err(error) => return Err(error.into()),
    };
    let mut interrupted = pin!(interrupted()?);
    let mut screen = Screen::enter()?;
    let mut keys = EventStream::new();
    let (sender, mut events) = mpsc::unbounded_channel();
    let mut listening: Option<Listening<'_>> = None;
    let mut session = Session {
        client,
        room,
        chat: Chat::new(look, Zone::System, SystemClock.now_ms(), me),
        work: FuturesUnordered::new(),
        shown: Vec::new(),
        kept: HashMap::new(),
    };
    session.chat.graphics = screen.graphics();
    if session.chat.me.is_some() {
        session.refresh()?;
        session.take_up_drafts();
    }
    loop {
        if listening.is_none() && session.chat.me.is_some() {
            let sender = sender.clone();
            listening = Some(Box::pin(async move {
                let listening = client.listen(move |event| {
                    let _ = sender.send(event);
                });
                let carrying = client.carry_files(room, Patience::Endless, |_| ());
                tokio::select! {
                    ended = listening => ended,
                    ended = carrying => ended.map(|_| ()),
                }
            }));
        }
        session.chat.now_ms = SystemClock.now_ms();
        session.chat.waiting = session.work.len();
        screen.draw(&mut session.chat)?;
        session.note_shown()?;
        let effects = tokio::select! {
            biased;
            () = &mut interrupted => return session.keep_drafts(true),
            key = keys.next() => match key {
                Some(key) => {
                    let before = session.being_written().map(|(id, text)| (id, text.to_owned()));
                    let effects = session.chat.input(key?);
                    session.tell_typing(before)?;
                    effects
                }
                // The terminal is gone.
                None => return session.keep_drafts(true),
            },
            Some(event) = events.recv() => session.heard(event, &mut events)?,
            Some(done) = session.work.next(), if !session.work.is_empty() => session.finished(done)?,
            ended = run_if_there(&mut listening) => return ended.map_err(Failure::from),
            () = tokio::time::sleep(tick(&session.chat)) => {
                // Nobody has typed for a while.
                session.keep_drafts(true)?;
                Vec::new()
            }
        };
        let quit = session.perform(effects)?;
        session.keep_drafts(quit)?;
        if quit {
            return Ok(());
        }
    }
}

/// Never ready while there is nothing to run.
async fn run_if_there(listening: &mut Option<Listening<'_>>) -> Result<(), ClientError> {
    match listening {
        Some(listening) => listening.await,
        None => std::future::pending().await,
    }
}

/// How long the screen stays right by itself: seconds are counted down, and at midnight today becomes yesterday.
fn tick(chat: &Chat) -> Duration {
    match chat.connection {
        ConnectionState::Waiting { .. } if chat.next_try_ms > chat.now_ms => {
            Duration::from_millis((chat.next_try_ms - chat.now_ms) % 1000 + 1)
        }
        _ if chat.typing.iter().any(|one| one.until_ms > chat.now_ms) => Duration::from_secs(1),
        _ if chat.has_drafts() => Duration::from_secs(5),
        _ => Duration::from_secs(30),
    }
}

struct Session<'a> {
    client: &'a Native,
    room: &'a FolderRoom,
    chat: Chat,
    /// Calls that wait for servers.
    work: FuturesUnordered<LocalBoxFuture<'a, Done>>,
    /// Messages that are in the state, and on the screen or in the counts with the next drawing.
    shown: Vec<(ConversationId, MessageId)>,
    /// What is kept of what was written and not sent.
    kept: HashMap<ConversationId, String>,
}

impl<'a> Session<'a> {
    /// What was written when the program ended is there again.
    fn take_up_drafts(&mut self) {
        for one in &self.chat.conversations {
            if !one.draft.is_empty() {
                self.kept.insert(one.conversation, one.draft.clone());
                self.chat.drafts.insert(one.conversation, Composer::of(&one.draft));
            }
        }
    }

    /// Stores what is written and not sent; while somebody writes, only of the other conversations.
    fn keep_drafts(&mut self, all: bool) -> Result<(), Failure> {
        let being_written = self.being_written().map(|(id, _)| id).filter(|_| !all);
        let known: Vec<ConversationId> = self.chat.conversations.iter().map(|one| one.conversation).collect();
        for id in known.into_iter().filter(|id| Some(*id) != being_written) {
            let draft =
                self.chat.drafts.get(&id).filter(|draft| !draft.is_blank()).map(|draft| draft.text().to_owned()).unwrap_or_default();
            if self.kept.get(&id).map_or("", String::as_str) != draft {
                self.client.keep_draft(id, &draft)?;
                self.kept.insert(id, draft);
            }
        }
        Ok(())
    }

    /// The conversation that somebody writes in, and what stands there.
    fn being_written(&self) -> Option<(ConversationId, &str)> {
        match (self.chat.focus, self.chat.chosen) {
            (Focus::Main, Some(Choice::Conversation(id))) => Some((id, self.chat.drafts.get(&id).map_or("", |draft| draft.text()))),
            _ => None,
        }
    }

    /// Tells others that somebody types here, or has taken it all back.
    fn tell_typing(&self, before: Option<(ConversationId, String)>) -> Result<(), Failure> {
        let (Some((id, now)), Some((before_id, before))) = (self.being_written(), before) else { return Ok(()) };
        if id == before_id && now != before {
            self.client.typing(id, !now.trim().is_empty() && !slash::is_command(now))?;
        }
        Ok(())
    }

    fn explain(&self, error: ClientError) -> String {
        Failure::from(error).explain(self.chat.look.language)
    }

    /// Reads the lists anew and shows what that leads to.
    fn refresh(&mut self) -> Result<(), Failure> {
        let effects = self.chat.refresh(crate::device::conversations(self.client, self.chat.look.language)?, self.client.requests()?);
        if !effects.is_empty() {
            self.perform(effects)?;
        }
        Ok(())
    }

    /// Takes this event and all that came with it.
    fn heard(&mut self, event: Event, more: &mut mpsc::UnboundedReceiver<Event>) -> Result<Vec<Effect>, Failure> {
        let mut effects = Vec::new();
        let mut next = Some(event);
        while let Some(event) = next {
            if let Event::Message(message) = &event {
                self.shown.push((message.conversation, message.id));
            }
            if let Event::Changed(changed) = &event {
                self.shown.push((changed.message.conversation, changed.id));
            }
            effects.extend(self.chat.heard(event));
            next = more.try_recv().ok();
        }
        self.refresh()?;
        Ok(effects)
    }

    /// Tells the client what has been drawn.
    fn note_shown(&mut self) -> Result<(), Failure> {
        for (conversation, id) in self.shown.drain(..) {
            self.client.shown(conversation, id)?;
        }
        Ok(())
    }

    fn finished(&mut self, done: Done) -> Result<Vec<Effect>, Failure> {
        // The lists first: what is chosen next has to be among them.
        if self.chat.me.is_some() {
            self.refresh()?;
        }
        Ok(self.chat.done(done))
    }

    /// Does what was asked for, and what follows from it. Returns whether to quit.
    fn perform(&mut self, effects: Vec<Effect>) -> Result<bool, Failure> {
        let mut effects = std::collections::VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            let done = match effect {
                Effect::Quit => return Ok(true),
                Effect::Load(conversation) => {
                    let messages = self.client.history(conversation, None, Some(PAGE))?;
                    let complete = messages.len() < page();
                    Done::Loaded { conversation, messages, alarms: self.client.alarms(conversation)?, complete }
                }
                Effect::LoadGroup(conversation) => {
                    // Where this device is not in, there is nobody to name.
                    Done::Group { conversation, view: self.client.group(conversation).ok().map(Box::new) }
                }
                Effect::ShowGroup(conversation) => {
                    Done::ShownGroup(self.client.group(conversation).map(Box::new).map_err(|error| self.explain(error)))
                }
                Effect::LoadOlder(conversation, before) => {
                    let messages = self.client.history(conversation, Some(before), Some(PAGE))?;
                    let complete = messages.len() < page();
                    Done::OlderLoaded { conversation, messages, complete }
                }
                Effect::Search(query) => {
                    let zone = self.chat.zone;
                    let found = Search::parse(&query, |year, month, day| zone.day_begins(year, month, day))
                        .and_then(|search| self.client.search(&search, FOUND));
                    Done::Found { query, found: found.map_err(|error| self.explain(error)) }
                }
                Effect::GoTo(conversation, id) => {
                    let mut messages = self.client.history(conversation, None, Some(PAGE))?;
                    let mut complete = messages.len() < page();
                    // As far back as it takes, and a page more: what was said before it.
                    let mut there = false;
                    while !complete && !there {
                        there = messages.iter().any(|message| message.id == id);
                        let Some(oldest) = messages.iter().find_map(|message| message.position) else { break };
                        let mut older = self.client.history(conversation, Some(oldest), Some(PAGE))?;
                        complete = older.len() < page();
                        older.append(&mut messages);
                        messages = older;
                    }
                    Done::WentTo { conversation, id, messages, alarms: self.client.alarms(conversation)?, complete }
                }
                Effect::MarkRead(conversation) => {
                    self.client.mark_read(conversation)?;
                    self.refresh()?;
                    Done::Quietly
                }
                Effect::WordsConfirmed => {
                    self.client.words_confirmed()?;
                    Done::Quietly
                }
                Effect::Write(conversation, text) => {
                    let done = match self.client.enqueue_post(conversation, &Post::marked(&text)) {
                        Ok(message) => Done::Written(Box::new(message)),
                        Err(error) => Done::NotWritten { conversation, text, problem: self.explain(error) },
                    };
                    self.refresh()?;
                    done
                }
                Effect::Post { conversation, post, line } => {
                    let done = match self.client.enqueue_post(conversation, &post) {
                        Ok(message) => Done::Written(Box::new(message)),
                        Err(error) => Done::NotActed { conversation: Some(conversation), line, problem: self.explain(error) },
                    };
                    self.refresh()?;
                    done
                }
                waits => {
                    self.begin(waits);
                    continue;
                }
            };
            effects.extend(self.chat.done(done));
        }
        Ok(false)
    }

    /// Starts what has to wait for a server.
    fn begin(&mut self, effect: Effect) {
        let (client, room) = (self.client, self.room);
        let language = self.chat.look.language;
        let problem = move |error: ClientError| Failure::from(error).explain(language);
        let quietly = move |done: Result<(), ClientError>| done.map_or_else(|error| Done::Failed(problem(error)), |()| Done::Quietly);
        self.work.push(match effect {
            Effect::Accept(id) => {
                Box::pin(async move { client.accept(id).await.map_or_else(|error| Done::Failed(problem(error)), Done::Accepted) })
            }
            Effect::Decline(id) => Box::pin(async move { quietly(client.decline(id).await) }),
            Effect::Act { conversation, act, line } => Box::pin(async move {
                match carry_out(client, room, conversation, act).await {
                    Ok(acted) => Done::Acted { conversation, acted },
                    Err(failure) => Done::NotActed { conversation, line, problem: failure.explain(language) },
                }
            }),
            Effect::Block(handle) => Box::pin(async move { quietly(client.block(&handle).await) }),
            Effect::Unblock(handle) => Box::pin(async move { quietly(client.unblock(&handle).await) }),
            Effect::Start { handle, account, text } => Box::pin(async move {
                match client.start(&handle, account, &text).await {
                    Ok(SendOutcome::Sent { conversation, .. } | SendOutcome::Queued { conversation, .. }) => Done::Started(conversation),
                    Err(error) => Done::NotStarted(problem(error)),
                }
            }),
            Effect::SafetyNumber(handle) => Box::pin(async move {
                client.safety_number(&handle).await.map_or_else(|error| Done::Failed(problem(error)), Done::SafetyNumber)
            }),
            Effect::Register { name, server } => Box::pin(async move {
                client.register(&name, &server).await.map_or_else(|error| Done::NotRegistered(problem(error)), Done::Registered)
            }),
            Effect::Quit
            | Effect::Load(_)
            | Effect::LoadGroup(_)
            | Effect::ShowGroup(_)
            | Effect::LoadOlder(..)
            | Effect::MarkRead(_)
            | Effect::Search(_)
            | Effect::GoTo(..)
            | Effect::WordsConfirmed
            | Effect::Write(..)
            | Effect::Post { .. } => return,
        });
    }
}

fn page() -> usize {
    usize::try_from(PAGE).unwrap_or(usize::MAX)
}
