//! The Worker's side of the boundary: calls in, answers and events out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use alcyon_client::{
    Client, ClientError, ConversationId, EarlierText, Handle, JoinLink, MessageId, Muted, Position, Post, Search, Tells, TextFormat,
};
use alcyon_store::{Store, StoreKey};
use data_encoding::HEXLOWER_PERMISSIVE;
use js_sys::futures::spawn_local;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};
use zeroize::Zeroizing;

use crate::{
    Answer, Call, Command, EarlierTextView, Event, LinkView, PostText, clock::BrowserClock, code::code, failure,
    transport::BrowserTransport,
};

type BrowserClient = Client<BrowserTransport, BrowserClock>;

/// Begins to listen; the module does so by itself when it is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    let worker = Rc::new(Worker::default());
    let listen = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let worker = worker.clone();
        spawn_local(async move { worker.answer(&event.data()).await });
    });
    scope().set_onmessage(Some(listen.as_ref().unchecked_ref()));
    listen.forget(); // it lives as long as the Worker
    tell(&Event::Ready);
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

fn tell(event: &Event) {
    let text = serde_json::to_string(event).expect("events are plain values");
    scope().post_message(&text.into()).expect("a text can be posted");
}

#[derive(Default)]
struct Worker {
    profile: RefCell<Profile>,
    listening: Cell<bool>,
}

#[derive(Default)]
enum Profile {
    #[default]
    None,
    Opening,
    Open(Rc<BrowserClient>),
}

/// Why a call failed.
enum Failure {
    Client(ClientError),
    /// Of the boundary itself: code, text, field.
    Boundary(&'static str, &'static str, Option<&'static str>),
}

impl<E: Into<ClientError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Client(error.into())
    }
}

impl Worker {
    async fn answer(self: Rc<Self>, data: &JsValue) {
        let text = Zeroizing::new(data.as_string().unwrap_or_default());
        let Ok(Call { call, command }) = serde_json::from_str(&text) else {
            let message = "this is no call: { \"call\": number, \"command\": ... }".to_owned();
            return tell(&Event::Failed { call: None, error: "malformed".to_owned(), message, field: None, retry_in_ms: None });
        };
        tell(&match self.carry_out(command).await {
            Ok(answer) => Event::Done { call, answer },
            Err(Failure::Client(error)) => failure(Some(call), &error),
            Err(Failure::Boundary(error, message, field)) => {
                let (error, message, field) = (error.to_owned(), message.to_owned(), field.map(str::to_owned));
                Event::Failed { call: Some(call), error, message, field, retry_in_ms: None }
            }
        });
    }

    async fn carry_out(self: Rc<Self>, command: Command) -> Result<Answer, Failure> {
        let command = match command {
            Command::Open { profile, key } => return self.open(&profile, &Zeroizing::new(key)).await,
            other => other,
        };
        let client = match &*self.profile.borrow() {
            Profile::Open(client) => client.clone(),
            Profile::None | Profile::Opening => return Err(Failure::Boundary("not-open", "open a profile first", None)),
        };
        let conversation = |who: &str| client.find(who);
        Ok(match command {
            Command::Open { .. } => unreachable!("carried out above"),
            Command::Register { name, server } => {
                let registered = client.register(&name.parse()?, &server.parse()?).await?;
                self.listen(client);
                registered.into()
            }
            Command::WordsConfirmed => done(client.words_confirmed())?,
            Command::Whoami => client.me()?.into(),
            Command::Conversations => {
                Answer::Conversations { conversations: client.conversations()?.into_iter().map(Into::into).collect() }
            }
            Command::History { who, before, limit } => {
                messages(client.history(conversation(&who)?, before.map(Position::from_number), limit)?)
            }
            Command::MarkRead { who } => done(client.mark_read(conversation(&who)?))?,
            Command::MarkUnread { who } => done(client.mark_unread(conversation(&who)?))?,
            Command::Shown { conversation, id } => done(client.shown(place(&conversation)?, message(&id)?))?,
            Command::Start { handle, text } => {
                let (handle, account) = Handle::parse_with_account(&handle)?;
                client.start(&handle, account, &text).await?.into()
            }
            Command::Write { who, post } => {
                Answer::Written { message: Box::new(client.enqueue_post(conversation(&who)?, &self::post(post)?)?.into()) }
            }
            Command::EarlierTexts { conversation, id } => {
                let texts = client.earlier_texts(place(&conversation)?, message(&id)?)?.into_iter();
                let texts = texts.map(|EarlierText { text, sent_at_ms }| EarlierTextView { text, sent_at_ms });
                Answer::EarlierTexts { texts: texts.collect() }
            }
            Command::Search { query, limit } => messages(client.search(&Search::parse(&query, day_begins)?, limit)?),
            Command::Typing { who, typing } => done(client.typing(conversation(&who)?, typing))?,
            Command::KeepDraft { who, draft } => done(client.keep_draft(conversation(&who)?, &draft))?,
            Command::SetPinned { who, pinned } => done(client.set_pinned(conversation(&who)?, pinned))?,
            Command::SetArchived { who, archived } => done(client.set_archived(conversation(&who)?, archived))?,
            Command::SetMuted { who, muted } => done(client.set_muted(conversation(&who)?, muted.then_some(Muted::ForEver)))?,
            Command::Requests => Answer::Requests { requests: client.requests()?.into_iter().map(Into::into).collect() },
            Command::Accept { request } => {
                let conversation = client.accept(ConversationId::from_text(&request, "request")?).await?;
                Answer::Conversation { conversation: conversation.to_text() }
            }
            Command::Decline { request } => done(client.decline(ConversationId::from_text(&request, "request")?).await)?,
            Command::Approve { request } => {
                let conversation = client.approve(ConversationId::from_text(&request, "request")?).await?;
                Answer::Conversation { conversation: conversation.to_text() }
            }
            Command::Reject { request } => done(client.reject(ConversationId::from_text(&request, "request")?))?,
            Command::Block { handle } => done(client.block(&handle.parse()?).await)?,
            Command::Unblock { handle } => done(client.unblock(&handle.parse()?).await)?,
            Command::SafetyNumber { handle } => client.safety_number(&handle.parse()?).await?.into(),
            Command::Telling => client.telling()?.into(),
            Command::SetTelling { read, typing } => {
                client.set_telling(Tells::Read, read)?;
                done(client.set_telling(Tells::Typing, typing))?
            }
            Command::Timer { who } => Answer::Timer { seconds: client.timer(conversation(&who)?)? },
            Command::SetTimer { who, seconds } => client.set_timer(conversation(&who)?, seconds).await?.into(),
            Command::CreateGroup { title } => Answer::Conversation { conversation: client.create_group(&title).await?.to_text() },
            Command::Group { who } => Answer::Group { group: client.group(conversation(&who)?)?.into() },
            Command::Invite { who, handles } => {
                let handles = handles.iter().map(|handle| Handle::parse_with_account(handle)).collect::<Result<Vec<_>, _>>()?;
                client.invite(conversation(&who)?, &handles).await?.into()
            }
            Command::OpenLink { who, approval } => links(client.open_link(conversation(&who)?, approval).await?.link()),
            Command::Links { who } => links(client.links_of(conversation(&who)?)?),
            Command::CloseLinks { who } => client.close_links(conversation(&who)?).await?.into(),
            Command::Join { link } => client.join(&link.parse()?).await?.into(),
            Command::SetTitle { who, title } => client.set_title(conversation(&who)?, &title).await?.into(),
            Command::SetRole { who, member, admin } => client.set_role(conversation(&who)?, &member, admin).await?.into(),
            Command::Remove { who, member } => client.remove(conversation(&who)?, &member).await?.into(),
            Command::Leave { who } => client.leave(conversation(&who)?).await?.into(),
            Command::Code { text } => {
                let too_long = Failure::Boundary("malformed", "that is too long for a QR code", Some("text"));
                let (size, path) = code(&text).ok_or(too_long)?;
                Answer::Code { size, path }
            }
        })
    }

    async fn open(&self, profile: &str, key: &str) -> Result<Answer, Failure> {
        let mut bytes = Zeroizing::new([0; 32]);
        if key.len() != 64 || HEXLOWER_PERMISSIVE.decode_mut(key.as_bytes(), &mut *bytes).is_err() {
            return Err(Failure::Boundary("malformed", "a key is 64 hexadecimal digits", Some("key")));
        }
        if profile.is_empty() || !profile.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Failure::Boundary("malformed", "a profile's name is letters, digits and -", Some("profile")));
        }
        if !matches!(*self.profile.borrow(), Profile::None) {
            return Err(Failure::Boundary("open", "a profile is open already; a Worker holds one", None));
        }
        // From here on, until it is open or has failed, no other call may open one.
        *self.profile.borrow_mut() = Profile::Opening;
        let opened = async {
            let store = Store::open(profile, &StoreKey::from(*bytes)).await?;
            Ok::<_, ClientError>(Rc::new(Client::open(store, BrowserTransport, BrowserClock)?))
        };
        let client = match opened.await {
            Ok(client) => client,
            Err(error) => {
                *self.profile.borrow_mut() = Profile::None;
                return Err(Failure::Client(error));
            }
        };
        *self.profile.borrow_mut() = Profile::Open(client.clone());
        match client.me() {
            Ok(me) => {
                self.listen(client);
                Ok(Answer::Opened { handle: Some(me.handle.to_text()), account: Some(me.account.to_text()) })
            }
            Err(ClientError::NoAccount) => Ok(Answer::Opened { handle: None, account: None }),
            Err(error) => Err(Failure::Client(error)),
        }
    }

    /// Tells events from now on, for as long as the Worker lives; once is enough.
    fn listen(&self, client: Rc<BrowserClient>) {
        if self.listening.replace(true) {
            return;
        }
        spawn_local(async move {
            if let Err(error) = client.listen(|event| tell(&event.into())).await {
                tell(&failure(None, &error));
            }
        });
    }
}

fn done(result: Result<(), ClientError>) -> Result<Answer, ClientError> {
    result.map(|()| Answer::Nothing)
}

fn messages(messages: Vec<alcyon_client::Message>) -> Answer {
    Answer::Messages { messages: messages.into_iter().map(Into::into).collect() }
}

fn links(links: impl IntoIterator<Item = JoinLink>) -> Answer {
    let shown = |link: JoinLink| LinkView { link: link.to_https(), approval: link.needs_approval() };
    Answer::Links { links: links.into_iter().map(shown).collect() }
}

fn place(conversation: &str) -> Result<ConversationId, ClientError> {
    Ok(ConversationId::from_text(conversation, "conversation")?)
}

fn message(id: &str) -> Result<MessageId, ClientError> {
    Ok(MessageId::from_text(id, "id")?)
}

/// What people type into a page is read with its marks.
fn post(post: PostText) -> Result<Post, ClientError> {
    let target = |id: &str| MessageId::from_text(id, "target");
    Ok(match post {
        PostText::Text { text, reply_to } => {
            let reply_to = reply_to.map(|id| MessageId::from_text(&id, "reply_to")).transpose()?;
            Post::Text { text, format: TextFormat::Marked, reply_to }
        }
        PostText::React { target: id, emoji, back } => Post::React { target: target(&id)?, emoji, back },
        PostText::Edit { target: id, text } => Post::Edit { target: target(&id)?, text, format: TextFormat::Marked },
        PostText::Delete { target: id } => Post::Delete { target: target(&id)? },
        PostText::Forward { from, id } => Post::Forward { from: ConversationId::from_text(&from, "from")?, id: message(&id)? },
        PostText::Poll { question, options, several } => Post::Poll { question, options, several },
        PostText::Vote { target: id, options } => Post::Vote { target: target(&id)?, options },
        PostText::EndPoll { target: id } => Post::EndPoll { target: target(&id)? },
        PostText::Pin { target: id, pinned } => Post::Pin { target: target(&id)?, pinned },
    })
}

/// By the browser's own time zone. `Date` takes the 31st of February for a day in March: what it made of it is looked at.
fn day_begins(year: i32, month: u8, day: u8) -> Option<u64> {
    let months = i32::from(month) - 1;
    let date = js_sys::Date::new_with_year_month_day(u32::try_from(year).ok()?, months, i32::from(day));
    let same = date.get_full_year() == u32::try_from(year).ok()?
        && date.get_month() == u32::try_from(months).ok()?
        && date.get_date() == u32::from(day);
    // Before 1970 nobody has written anything here.
    same.then(|| date.get_time().max(0.0) as u64)
}
