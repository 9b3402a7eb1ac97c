//! Somebody with a real profile on disk and real connections, which fail now and then.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use alcyon_client::{
    Alarm, Client, ConversationId, Delivery, Event, Handle, Message, MessageId, Position, SendOutcome, ServerUrl, Standing, Store,
};
use alcyon_net::{NetOptions, NetTransport, SystemClock};
use alcyon_sim::{
    fault::{FaultRates, Faults, FaultyTransport},
    world::Mortal,
};
use alcyon_store::StoreKey;
use alcyon_wire::AccountId;
use anyhow::{Context, bail, ensure};

use crate::tap::{Tap, TappedTransport};

/// All profiles have this key.
pub const PROFILE_KEY: [u8; 32] = [7; 32];
/// How long a command may take before the program counts as hanging.
const PATIENCE: Duration = Duration::from_secs(90);
/// The times of faults are divided by this: they are made for a clock that jumps.
const HURRY: u32 = 40;

pub type StormClient = Client<FaultyTransport<TappedTransport<NetTransport>>, SystemClock>;

pub struct Person {
    pub handle: Handle,
    pub account: AccountId,
    pub faults: Faults,
    pub crashes: Cell<usize>,
    folder: PathBuf,
    tap: Tap,
    client: RefCell<Option<StormClient>>,
    promises: RefCell<BTreeMap<MessageId, Promise>>,
    shown: RefCell<BTreeSet<MessageId>>,
    alarms: RefCell<Vec<Alarm>>,
    /// What the last `sync` still found to do.
    restless: RefCell<String>,
}

/// What `send` has said.
#[derive(Debug, Clone)]
pub struct Promise {
    pub text: String,
    pub conversation: ConversationId,
    /// Acknowledged, there.
    pub position: Option<Position>,
}

impl Person {
    pub async fn register(folder: &Path, name: &str, server: &ServerUrl, seed: u64, tap: &Tap) -> anyhow::Result<Self> {
        let faults = Faults::seeded(name.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31) + u64::from(byte)), FaultRates::NONE);
        faults.hurry(HURRY);
        let mut person = Self {
            handle: Handle::new(name.parse()?, server.authority())?,
            account: AccountId::from([0; 32]),
            faults,
            crashes: Cell::new(0),
            folder: folder.join(name),
            tap: tap.clone(),
            client: RefCell::default(),
            promises: RefCell::default(),
            shown: RefCell::default(),
            alarms: RefCell::default(),
            restless: RefCell::default(),
        };
        person.open()?;
        person.account = person.with(async |client| Ok(client.register(&name.parse()?, server).await?.account)).await?;
        Ok(person)
    }

    /// Starts the program, after ending it if it runs.
    pub fn open(&self) -> anyhow::Result<()> {
        self.client.replace(None);
        let store = Store::open(&self.folder, &StoreKey::from(PROFILE_KEY))?;
        let inner = TappedTransport { inner: NetTransport::new(NetOptions::default())?, tap: self.tap.clone() };
        let client = Client::open(store, FaultyTransport::new(inner, self.faults.clone()), SystemClock)?;
        self.client.replace(Some(client));
        Ok(())
    }

    /// Where the profile lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Asks the program something; with `crash` it is killed at that many wake-ups, and started again: `None` then.
    #[allow(clippy::await_holding_refcell_ref)] // everybody does one thing at a time
    pub async fn act<R>(&self, crash: Option<u32>, work: impl AsyncFnOnce(&StormClient) -> anyhow::Result<R>) -> anyhow::Result<Option<R>> {
        let life = async {
            let client = self.client.borrow();
            let client = client.as_ref().context("the program is closed")?;
            let hangs = || format!("{}: the program hangs", self.handle.to_text());
            tokio::time::timeout(PATIENCE, work(client)).await.with_context(hangs)?
        };
        let Some(polls) = crash else { return life.await.map(Some) };
        let result = Mortal::new(life, polls).await;
        if result.is_none() {
            self.crashes.set(self.crashes.get() + 1);
        }
        self.open()?;
        result.transpose()
    }

    pub async fn with<R>(&self, work: impl AsyncFnOnce(&StormClient) -> anyhow::Result<R>) -> anyhow::Result<R> {
        self.act(None, work).await?.context("nothing kills it")
    }

    pub async fn send(&self, to: ConversationId, text: &str, crash: Option<u32>) -> anyhow::Result<()> {
        if let Some(outcome) = self.act(crash, async |client| Ok(client.send(to, text).await?)).await? {
            let (id, conversation, position) = match outcome {
                SendOutcome::Sent { id, conversation, position } => (id, conversation, Some(position)),
                SendOutcome::Queued { id, conversation } => (id, conversation, None),
            };
            self.promises.borrow_mut().insert(id, Promise { text: text.to_owned(), conversation, position });
        }
        Ok(())
    }

    /// Fetches and shows; whether anything was new or is still to be done.
    pub async fn sync(&self, crash: Option<u32>) -> anyhow::Result<bool> {
        let busy = self.act(crash, async |client| {
            let synced = client.sync().await?;
            let joining = client.conversations()?.iter().any(|conversation| conversation.standing == Standing::Joining);
            let mut busy = synced.unreachable > 0 || synced.queued > 0 || joining;
            *self.restless.borrow_mut() = format!("{synced:?}, joining: {joining}");
            for event in synced.events {
                busy = true;
                self.take(client, event)?;
            }
            Ok(busy)
        });
        Ok(busy.await?.unwrap_or(true))
    }

    pub async fn listen(&self, time: Duration, crash: Option<u32>) -> anyhow::Result<()> {
        let listening = self.act(crash, async |client| {
            let failure = RefCell::new(None);
            let listening = client.listen(|event| {
                if let Err(error) = self.take(client, event) {
                    failure.borrow_mut().get_or_insert(error);
                }
            });
            match tokio::time::timeout(time, listening).await {
                Err(_time_is_over) => {}
                Ok(ended) => bail!("listening ended: {ended:?}"),
            }
            failure.into_inner().map_or(Ok(()), Err)
        });
        listening.await.map(|_| ())
    }

    fn take(&self, client: &StormClient, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Message(message) => {
                ensure!(!message.own, "an own message is no news");
                ensure!(!self.shown.borrow().contains(&message.id), "{:?} is shown twice", message.text);
                client.shown(message.conversation, message.id)?;
                self.shown.borrow_mut().insert(message.id);
            }
            Event::Alarm(alarm) => self.alarms.borrow_mut().push(alarm),
            _ => {}
        }
        Ok(())
    }

    pub async fn history(&self, group: ConversationId) -> anyhow::Result<Vec<Message>> {
        self.with(async |client| Ok(client.history(group, None, None)?)).await
    }

    pub fn restless(&self) -> String {
        self.restless.borrow().clone()
    }

    /// What was promised of a group is so, nothing of it is still on its way, and everything of others was shown.
    pub fn check_promises(&self, group: ConversationId, history: &[Message]) -> anyhow::Result<()> {
        let name = self.handle.to_text();
        for (id, promise) in self.promises.borrow().iter().filter(|(_, promise)| promise.conversation == group) {
            let message = history.iter().find(|message| message.id == *id);
            let message = message.with_context(|| format!("{name}: {promise:?} is gone"))?;
            ensure!(message.text == promise.text, "{name}: another text under {promise:?}");
            ensure!(promise.position.is_none() || message.position == promise.position, "{name}: {promise:?} has moved: {message:?}");
            ensure!(message.delivery != Delivery::Queued, "{name}: {message:?} is still on its way");
            ensure!(promise.position.is_none() || message.delivery != Delivery::Failed, "{name}: {promise:?} failed");
        }
        for message in history.iter().filter(|message| !message.own) {
            ensure!(self.shown.borrow().contains(&message.id), "{name}: {message:?} was never shown");
        }
        Ok(())
    }

    /// No fault of these is one of the server's, or of the profile's.
    pub fn check_calm(&self) -> anyhow::Result<()> {
        ensure!(self.alarms.borrow().is_empty(), "{}: alarms {:?}", self.handle.to_text(), self.alarms.borrow());
        Ok(())
    }
}

/// All fetch at once until nothing is new anywhere.
pub async fn settle(people: &[Person], within: Duration) -> anyhow::Result<()> {
    let end = tokio::time::Instant::now() + within;
    let mut quiet = 0;
    while quiet < 2 {
        let busy = futures::future::try_join_all(people.iter().map(|person| person.sync(None))).await?;
        if busy.iter().any(|busy| *busy) {
            quiet = 0;
            if tokio::time::Instant::now() > end {
                let why = people.iter().zip(busy).filter(|(_, busy)| *busy);
                let why: Vec<_> = why.map(|(person, _)| format!("{}: {}", person.handle.to_text(), person.restless())).collect();
                bail!("no rest within {within:?}: {}", why.join("\n"));
            }
            // What was refused with "later" is tried again when its time has come.
            tokio::time::sleep(Duration::from_millis(50)).await;
        } else {
            quiet += 1;
        }
    }
    Ok(())
}
