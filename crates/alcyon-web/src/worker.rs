//! The Worker's side of the boundary: calls in, answers and events out.

use std::cell::RefCell;
use std::rc::Rc;

use alcyon_client::{Client, ClientError, ConversationId, Handle, MessageId};
use alcyon_store::{Store, StoreKey};
use data_encoding::HEXLOWER_PERMISSIVE;
use js_sys::futures::spawn_local;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};
use zeroize::Zeroizing;

use crate::{Answer, Call, Command, Event, clock::BrowserClock, failure, transport::BrowserTransport};

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
            return tell(&Event::Failed { call: None, error: "malformed".to_owned(), message, field: None });
        };
        tell(&match self.carry_out(command).await {
            Ok(answer) => Event::Done { call, answer },
            Err(Failure::Client(error)) => failure(Some(call), &error),
            Err(Failure::Boundary(error, message, field)) => {
                Event::Failed { call: Some(call), error: error.to_owned(), message: message.to_owned(), field: field.map(str::to_owned) }
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
        Ok(match command {
            Command::Open { .. } => unreachable!("carried out above"),
            Command::Register { name, server } => {
                let registered = client.register(&name.parse()?, &server.parse()?).await?;
                listen(client);
                registered.into()
            }
            Command::Whoami => client.me()?.into(),
            Command::Conversations => {
                Answer::Conversations { conversations: client.conversations()?.into_iter().map(Into::into).collect() }
            }
            Command::History { who, limit } => {
                let messages = client.history(client.find(&who)?, None, limit)?;
                Answer::Messages { messages: messages.into_iter().map(Into::into).collect() }
            }
            Command::MarkRead { who } => {
                client.mark_read(client.find(&who)?)?;
                Answer::Nothing
            }
            Command::Shown { conversation, id } => {
                client.shown(ConversationId::from_text(&conversation, "conversation")?, MessageId::from_text(&id, "id")?)?;
                Answer::Nothing
            }
            Command::Start { handle, text } => {
                let (handle, account) = Handle::parse_with_account(&handle)?;
                client.start(&handle, account, &text).await?.into()
            }
            Command::Send { who, text } => client.send(client.find(&who)?, &text).await?.into(),
            Command::Requests => Answer::Requests { requests: client.requests()?.into_iter().map(Into::into).collect() },
            Command::Accept { request } => {
                let conversation = client.accept(ConversationId::from_text(&request, "request")?).await?;
                Answer::Conversation { conversation: conversation.to_text() }
            }
            Command::Decline { request } => {
                client.decline(ConversationId::from_text(&request, "request")?).await?;
                Answer::Nothing
            }
            Command::Block { handle } => {
                client.block(&handle.parse()?).await?;
                Answer::Nothing
            }
            Command::Unblock { handle } => {
                client.unblock(&handle.parse()?).await?;
                Answer::Nothing
            }
            Command::SafetyNumber { handle } => client.safety_number(&handle.parse()?).await?.into(),
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
                listen(client);
                Ok(Answer::Opened { handle: Some(me.handle.to_text()), account: Some(me.account.to_text()) })
            }
            Err(ClientError::NoAccount) => Ok(Answer::Opened { handle: None, account: None }),
            Err(error) => Err(Failure::Client(error)),
        }
    }
}

/// Tells events from now on, for as long as the Worker lives.
fn listen(client: Rc<BrowserClient>) {
    spawn_local(async move {
        if let Err(error) = client.listen(|event| tell(&event.into())).await {
            tell(&failure(None, &error));
        }
    });
}
