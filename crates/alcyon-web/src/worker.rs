//! The Worker's side of the boundary: calls in, answers and events out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use alcyon_client::{
    AccountId, Client, ClientError, ConversationId, DeviceToAdd, EarlierText, Handle, JoinLink, LinkNumber, MessageId, Muted, Position,
    Post, Report, ReportDraft, Search, Tells, TextFormat,
};
use alcyon_store::{Store, StoreKey};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use js_sys::{Array, futures::spawn_local};
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};
use zeroize::Zeroizing;

use crate::{
    Answer, Call, Command, EarlierTextView, Event, LinkView, PostText,
    blob::Blob,
    clock::BrowserClock,
    code::code,
    failure,
    files::{self, NewAttachment},
    newcomer::PageNewcomer,
    room::BrowserRoom,
    transport::BrowserTransport,
};

pub(crate) type BrowserClient = Client<BrowserTransport, BrowserClock>;

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

pub(crate) fn tell(event: &Event) {
    let text = serde_json::to_string(event).expect("events are plain values");
    scope().post_message(&text.into()).expect("a text can be posted");
}

/// The same, with a file beside it.
fn hand_over(event: &Event, file: &Blob) {
    let text = serde_json::to_string(event).expect("events are plain values");
    scope().post_message(&Array::of2(&text.into(), file)).expect("a text and a blob can be posted");
}

#[derive(Default)]
struct Worker {
    profile: RefCell<Profile>,
    listening: Cell<bool>,
    /// The report that was made last: what is sent is what was shown.
    report: RefCell<Option<Report>>,
}

#[derive(Default)]
enum Profile {
    #[default]
    None,
    Opening,
    Open(Rc<BrowserClient>, BrowserRoom),
}

/// Why a call failed.
pub(crate) enum Failure {
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
        let (text, file) = match data.dyn_ref::<Array>() {
            Some(both) => (both.get(0).as_string(), both.get(1).dyn_into::<Blob>().ok()),
            None => (data.as_string(), None),
        };
        let text = Zeroizing::new(text.unwrap_or_default());
        let Ok(Call { call, command }) = serde_json::from_str(&text) else {
            let message = "this is no call: { \"call\": number, \"command\": ... }".to_owned();
            return tell(&Event::Failed { call: None, error: "malformed".to_owned(), message, field: None, retry_in_ms: None, asks: None });
        };
        if let Command::OpenFile { id } = &command {
            match self.open_file(id).await {
                Ok((answer, file)) => return hand_over(&Event::Done { call, answer }, &file),
                Err(failure) => return tell(&failed(call, failure)),
            }
        }
        tell(&match self.carry_out(command, file).await {
            Ok(answer) => Event::Done { call, answer },
            Err(failure) => failed(call, failure),
        });
    }

    fn opened(&self) -> Result<(Rc<BrowserClient>, BrowserRoom), Failure> {
        match &*self.profile.borrow() {
            Profile::Open(client, room) => Ok((client.clone(), room.clone())),
            Profile::None | Profile::Opening => Err(Failure::Boundary("not-open", "open a profile first", None)),
        }
    }

    async fn open_file(&self, id: &str) -> Result<(Answer, Blob), Failure> {
        let (client, room) = self.opened()?;
        files::open(&client, &room, message(id)?).await
    }

    async fn carry_out(self: Rc<Self>, command: Command, file: Option<Blob>) -> Result<Answer, Failure> {
        let command = match command {
            Command::Open { profile, key } => return self.open(&profile, &Zeroizing::new(key)).await,
            other => other,
        };
        let (client, room) = self.opened()?;
        let conversation = |who: &str| client.find(who);
        Ok(match command {
            Command::Open { .. } | Command::OpenFile { .. } => unreachable!("carried out above"),
            Command::Register { name, server, shows } => {
                let mut newcomer = PageNewcomer(shows);
                let registered = client.register_as(&name.parse()?, &server.parse()?, &mut newcomer).await?;
                self.listen(client, room);
                registered.into()
            }
            Command::LinkCode { server, name } => Answer::DeviceCode { code: client.link_code(&server.parse()?, &name).await?.to_text() },
            Command::LinkNumber => {
                let LinkNumber { number, handle, account: _ } = client.link_number().await?;
                Answer::LinkNumber { number, handle: handle.to_text() }
            }
            Command::LinkFinish => {
                let me = client.link_finish().await?;
                self.listen(client, room);
                me.into()
            }
            Command::LinkDrop => done(client.link_drop())?,
            Command::AddDevice { code } => {
                let DeviceToAdd { name, device: _, number } = client.add_device(&code.parse()?).await?;
                Answer::DeviceToAdd { name, number }
            }
            Command::ConfirmDevice { code } => done(client.confirm_device(&code.parse()?).await)?,
            Command::RefuseDevice { code } => done(client.refuse_device(&code.parse()?).await)?,
            Command::Devices => Answer::Devices { devices: client.devices()?.into_iter().map(Into::into).collect() },
            Command::NameDevice { device, name } => done(client.name_device(&device, &name).await)?,
            Command::RemoveDevice { device } => done(client.remove_device(&device).await.map(drop))?,
            Command::WordsConfirmed => done(client.words_confirmed())?,
            Command::Whoami => client.me()?.into(),
            Command::Introduction { account } => {
                let account = account
                    .map_or_else(|| Ok(client.me()?.account), |text| Ok::<_, ClientError>(AccountId::from_text(&text, "account")?))?;
                Answer::Introduction { introduction: client.introduction(account)?.into() }
            }
            Command::SetIntroduction { name, picture } => {
                let picture = picture.map(|text| base64(&text)).transpose()?;
                done(client.set_introduction(name.as_deref(), picture.as_deref()).await)?
            }
            Command::Picture { who } => Answer::Picture { picture: BASE64.encode(&client.picture_of(conversation(&who)?)?) },
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
            Command::Attach { who, name, kind, once, as_it_is, thumbnail } => {
                let file = file.ok_or(Failure::Boundary("malformed", "a file is posted beside the call", Some("file")))?;
                let new = NewAttachment { name, kind, once, as_it_is, thumbnail };
                let transfer = files::attach(&client, &room, conversation(&who)?, new, file).await?.into();
                Answer::Transfer { transfer }
            }
            Command::Transfers => Answer::Transfers { transfers: client.transfers()?.into_iter().map(Into::into).collect() },
            Command::FetchFile { id } => Answer::Transfer { transfer: client.fetch_file(message(&id)?)?.into() },
            Command::PauseTransfer { id } => Answer::Transfer { transfer: client.pause_transfer(message(&id)?)?.into() },
            Command::ResumeTransfer { id } => Answer::Transfer { transfer: client.resume_transfer(message(&id)?)?.into() },
            Command::CancelTransfer { id } => Answer::Transfer { transfer: client.cancel_transfer(message(&id)?, &room)?.into() },
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
            Command::MakeReport { conversation, account, reason, words, messages, to_admins, to_operator, named } => {
                let messages = messages.iter().map(|id| message(id)).collect::<Result<_, _>>()?;
                let conversation = ConversationId::from_text(&conversation, "conversation")?;
                let whom = account;
                let draft = ReportDraft { conversation, whom, reason: reason.into(), words, messages, to_admins, to_operator, named };
                let made = client.make_report(&draft)?;
                let report = Box::new((&made).into());
                self.report.replace(Some(made));
                Answer::Report { report }
            }
            Command::SendReport => {
                let made = self.report.borrow().clone();
                let made = made.ok_or(Failure::Boundary("malformed", "make a report first", None))?;
                client.send_report(&made).await?;
                self.report.replace(None);
                Answer::Nothing
            }
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
            Command::SetPicture { who, picture } => client.set_picture(conversation(&who)?, &base64(&picture)?).await?.into(),
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
            let busy = Failure::Boundary("storage", "another tab still holds the files of this profile", None);
            let room = BrowserRoom::open(profile).await.map_err(|_| busy)?;
            let store = Store::open(profile, &StoreKey::from(*bytes)).await?;
            Ok::<_, Failure>((Rc::new(Client::open(store, BrowserTransport, BrowserClock)?), room))
        };
        let (client, room) = match opened.await {
            Ok(opened) => opened,
            Err(failure) => {
                *self.profile.borrow_mut() = Profile::None;
                return Err(failure);
            }
        };
        *self.profile.borrow_mut() = Profile::Open(client.clone(), room.clone());
        match client.me() {
            Ok(me) => {
                self.listen(client, room);
                Ok(Answer::Opened { handle: Some(me.handle.to_text()), account: Some(me.account.to_text()) })
            }
            Err(ClientError::NoAccount) => Ok(Answer::Opened { handle: None, account: None }),
            Err(error) => Err(Failure::Client(error)),
        }
    }

    /// Tells events from now on, for as long as the Worker lives; once is enough.
    fn listen(&self, client: Rc<BrowserClient>, room: BrowserRoom) {
        if self.listening.replace(true) {
            return;
        }
        spawn_local(files::carry(client.clone(), room));
        spawn_local(async move {
            if let Err(error) = client.listen(|event| tell(&event.into())).await {
                tell(&failure(None, &error));
            }
        });
    }
}

fn failed(call: u32, failed: Failure) -> Event {
    match failed {
        Failure::Client(error) => failure(Some(call), &error),
        Failure::Boundary(error, message, field) => {
            let (error, message, field) = (error.to_owned(), message.to_owned(), field.map(str::to_owned));
            Event::Failed { call: Some(call), error, message, field, retry_in_ms: None, asks: None }
        }
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

fn base64(text: &str) -> Result<Vec<u8>, Failure> {
    BASE64.decode(text.as_bytes()).map_err(|_| Failure::Boundary("malformed", "a picture is in Base64", Some("picture")))
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
