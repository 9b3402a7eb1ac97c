//! People without a screen, in a simulated world: the real client core over simulated servers, with everything between them
//! and below them failing on purpose. [`check`] holds what must be true whatever happens.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use alcyon_client::{
    AlarmKind, Client, ClientError, ConversationId, Delivery, Event, JoinLink, Message, MessageId, Position, SendOutcome, Store,
};
use alcyon_store::StoreKey;
use alcyon_wire::{Handle, ServerUrl};
use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

use crate::{
    fault::{FaultRates, Faults, FaultyTransport},
    inprocess::{InProcessTransport, Network, SimClock},
    liar::{Liar, LyingTransport},
};

/// The way from a person to the servers.
pub type SimTransport = LyingTransport<FaultyTransport<InProcessTransport>>;
type SimClient = Client<SimTransport, SimClock>;

/// Servers and people.
pub struct World {
    /// The servers.
    pub network: Network,
    folder: TempDir,
    seed: u64,
}

/// Somebody: a profile that stays, and a program that may end at any moment.
pub struct Peer {
    /// The handle.
    pub handle: Handle,
    /// What goes wrong between this one and the servers.
    pub faults: Faults,
    /// What this one is told by the servers.
    pub liar: Liar,
    network: Network,
    folder: PathBuf,
    clock: SimClock,
    client: RefCell<Option<SimClient>>,
    /// What `send` has promised.
    sent: RefCell<BTreeMap<MessageId, Promise>>,
    shown: RefCell<BTreeSet<MessageId>>,
    alarms: RefCell<Vec<AlarmKind>>,
    /// Conversations whose history another device has told.
    told_of: RefCell<BTreeSet<ConversationId>>,
    accepted: Cell<bool>,
    /// The account has other devices: messages that it has written itself may be news.
    siblings: Cell<bool>,
    /// What the last `sync` still found to do.
    restless: RefCell<String>,
}

#[derive(Debug, Clone)]
struct Promise {
    text: String,
    /// Acknowledged by the server, there.
    position: Option<Position>,
    /// In this conversation. When both had knocked, the texts of one move to the other, and get another place.
    conversation: ConversationId,
}

/// How long a person waits for a command before giving up on the program.
const PATIENCE: Duration = Duration::from_secs(600);

impl World {
    /// An empty one.
    pub fn new(seed: u64) -> anyhow::Result<Self> {
        // Profiles are flushed to disk all the time; where there is a disk in memory, that costs nothing.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }?;
        Ok(Self { network: Network::default(), folder, seed })
    }

    /// Adds a server.
    pub async fn server(&self, name: &str) -> anyhow::Result<ServerUrl> {
        self.network.add(name, self.seed).await
    }

    /// Adds somebody who signs up while nothing goes wrong.
    pub async fn person(&self, name: &str, server: &ServerUrl) -> anyhow::Result<Peer> {
        let peer = self.profile(name, Handle::new(name.parse()?, server.authority())?)?;
        let registered = peer.with(async |client| Ok(client.register(&name.parse()?, server).await?)).await?;
        ensure!(registered.handle == peer.handle, "the handle that was asked for");
        Ok(peer)
    }

    /// Adds a device to somebody's account, while nothing goes wrong.
    pub async fn device(&self, of: &Peer, name: &str, server: &ServerUrl) -> anyhow::Result<Peer> {
        let peer = self.profile(name, of.handle.clone())?;
        let code = peer.with(async |client| Ok(client.link_code(server, name).await?)).await?;
        let showing = peer.with(async |client| Ok(client.link_number().await?));
        let adding = of.with(async |client| Ok(client.add_device(&code).await?));
        let (shown, asked) = futures::future::try_join(showing, adding).await?;
        ensure!(shown.number == asked.number && shown.handle == of.handle && asked.name == name, "{shown:?} is not {asked:?}");
        let waiting = peer.with(async |client| Ok(client.link_finish().await?));
        let confirming = of.with(async |client| Ok(client.confirm_device(&code).await?));
        let (me, ()) = futures::future::try_join(waiting, confirming).await?;
        ensure!(me.handle == of.handle, "another account");
        of.siblings.set(true);
        peer.siblings.set(true);
        Ok(peer)
    }

    /// A profile without an account.
    pub fn profile(&self, name: &str, handle: Handle) -> anyhow::Result<Peer> {
        let seed = name.bytes().fold(self.seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let wrong_by_ms = i64::try_from(seed % 600_000)? - 300_000;
        let peer = Peer {
            handle,
            faults: Faults::seeded(seed, FaultRates::NONE),
            liar: Liar::new(),
            network: self.network.clone(),
            folder: self.folder.path().join(name),
            // Signed requests allow for five minutes.
            clock: SimClock::new(wrong_by_ms / 2),
            client: RefCell::default(),
            sent: RefCell::default(),
            shown: RefCell::default(),
            alarms: RefCell::default(),
            told_of: RefCell::default(),
            accepted: Cell::new(false),
            siblings: Cell::new(false),
            restless: RefCell::default(),
        };
        peer.open()?;
        Ok(peer)
    }

    /// Nothing goes wrong any more.
    pub async fn calm(&self, peers: &[&Peer], servers: &[ServerUrl]) -> anyhow::Result<()> {
        for peer in peers {
            peer.faults.set_rates(FaultRates::NONE);
        }
        for server in servers {
            self.network.set_write_faults(server, 0).await?;
        }
        Ok(())
    }

    /// What went wrong, for whoever reads a failure.
    #[must_use]
    pub fn schedule(&self, peers: &[&Peer]) -> String {
        let mut text = format!("replay with ALCYON_SEED={}\n{}", self.seed, self.network.schedule());
        for peer in peers {
            text += &format!("{}: {}", peer.handle.to_text(), peer.faults.schedule());
        }
        text
    }
}

impl Peer {
    /// Starts the program.
    pub fn open(&self) -> anyhow::Result<()> {
        // The old one first: two can't have the profile open.
        self.client.replace(None);
        let store = Store::open(&self.folder, &StoreKey::from([7; 32]))?;
        let faulty = FaultyTransport::new(InProcessTransport::new(&self.network), self.faults.clone());
        let client = Client::open(store, LyingTransport::new(faulty, self.liar.clone()), self.clock)?;
        self.client.replace(Some(client));
        Ok(())
    }

    /// Opens a link to a group while the server can be reached.
    pub async fn open_link(&self, group: ConversationId, approval: bool) -> anyhow::Result<JoinLink> {
        let opened = self.with(async |client| Ok(client.open_link(group, approval).await?)).await?;
        opened.link().context("the server was reached")
    }

    /// Where the profile is, for copies. Only while the program is closed.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What this one's clock says, Unix milliseconds: it is wrong by up to five minutes.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        alcyon_client::Clock::now_ms(&self.clock)
    }

    /// Ends the program.
    pub fn close(&self) {
        self.client.replace(None);
    }

    /// Asks the client something.
    #[allow(clippy::await_holding_refcell_ref)] // a peer does one thing at a time; a second one at once is a mistake in the test
    pub async fn with<R>(&self, work: impl AsyncFnOnce(&SimClient) -> anyhow::Result<R>) -> anyhow::Result<R> {
        let client = self.client.borrow();
        let client = client.as_ref().context("the program is closed")?;
        tokio::time::timeout(PATIENCE, work(client)).await.context("the program hangs")?
    }

    /// The same, but the program dies at the `polls`th time that something wakes it, if it is not done by then. It is
    /// started again at once.
    pub async fn with_crash<R>(&self, polls: u32, work: impl AsyncFnOnce(&SimClient) -> anyhow::Result<R>) -> anyhow::Result<Option<R>> {
        let result = Mortal::new(self.with(work), polls).await;
        self.open()?;
        result.transpose()
    }

    /// The conversation with somebody.
    pub fn conversation(&self, other: &Self) -> anyhow::Result<ConversationId> {
        let client = self.client.borrow();
        Ok(client.as_ref().context("the program is closed")?.find(&other.handle.to_text())?)
    }

    /// Knocks at somebody.
    pub async fn knock(&self, other: &Self, text: &str) -> anyhow::Result<()> {
        let outcome = self.with(async |client| Ok(client.start(&other.handle, None, text).await?)).await?;
        self.promised(text, outcome);
        Ok(())
    }

    /// Accepts whatever is asked.
    pub async fn accept_all(&self) -> anyhow::Result<usize> {
        let requests = self.with(async |client| Ok(client.requests()?)).await?;
        for request in &requests {
            self.with(async |client| Ok(client.accept(request.id).await?)).await?;
            self.accepted.set(true);
        }
        Ok(requests.len())
    }

    /// Writes; the program dies in the middle if `crash` says so.
    pub async fn send(&self, to: ConversationId, text: &str, crash: Option<u32>) -> anyhow::Result<()> {
        let work = async |client: &SimClient| Ok(client.send(to, text).await?);
        let outcome = match crash {
            None => Some(self.with(work).await?),
            Some(polls) => self.with_crash(polls, work).await?,
        };
        if let Some(outcome) = outcome {
            self.promised(text, outcome);
        }
        Ok(())
    }

    /// Fetches, shows, and says whether anything was new or is still waiting.
    pub async fn sync(&self, crash: Option<u32>) -> anyhow::Result<bool> {
        let work = async |client: &SimClient| {
            let synced = client.sync().await?;
            let mut busy = synced.unreachable > 0 || synced.queued > 0;
            *self.restless.borrow_mut() = format!("{synced:?}");
            for event in synced.events {
                busy = true;
                self.take(client, event)?;
            }
            Ok(busy)
        };
        match crash {
            None => self.with(work).await,
            Some(polls) => Ok(self.with_crash(polls, work).await?.unwrap_or(true)),
        }
    }

    /// Listens for a while.
    pub async fn listen(&self, time: Duration) -> anyhow::Result<()> {
        self.with(async |client| {
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
        })
        .await
    }

    fn take(&self, client: &SimClient, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Message(message) => {
                ensure!(!message.own || self.siblings.get(), "an own message is no news");
                ensure!(!self.shown.borrow().contains(&message.id), "{:?} is shown twice", message.text);
                client.shown(message.conversation, message.id)?;
                self.shown.borrow_mut().insert(message.id);
            }
            Event::Changed(changed) => {
                let again = self.shown.borrow().contains(&changed.id);
                ensure!(changed.own || !again, "{:?} is shown twice", changed.what);
                client.shown(changed.message.conversation, changed.id)?;
                self.shown.borrow_mut().insert(changed.id);
            }
            Event::Alarm(alarm) => self.alarms.borrow_mut().push(alarm.kind),
            Event::History { conversation } => {
                self.told_of.borrow_mut().insert(conversation);
            }
            _ => {}
        }
        Ok(())
    }

    fn promised(&self, text: &str, outcome: SendOutcome) {
        let (id, conversation, position) = match outcome {
            SendOutcome::Sent { id, conversation, position } => (id, conversation, Some(position)),
            SendOutcome::Queued { id, conversation } => (id, conversation, None),
        };
        self.sent.borrow_mut().insert(id, Promise { text: text.to_owned(), position, conversation });
    }

    /// What has been shown, in number.
    #[must_use]
    pub fn shown(&self) -> usize {
        self.shown.borrow().len()
    }

    /// Alarms so far.
    #[must_use]
    pub fn alarms(&self) -> Vec<AlarmKind> {
        self.alarms.borrow().clone()
    }

    /// Whether it was said that the history of this conversation has come from another device.
    #[must_use]
    pub fn was_told_of(&self, conversation: ConversationId) -> bool {
        self.told_of.borrow().contains(&conversation)
    }

    /// The whole history.
    pub async fn history(&self, conversation: ConversationId) -> anyhow::Result<Vec<Message>> {
        self.with(async |client| Ok(client.history(conversation, None, None)?)).await
    }
}

/// Runs a future that need not be `Send` on one thread, with time that passes only while all wait.
pub fn simulate<F: Future<Output = anyhow::Result<()>>>(run: F) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run)
}

/// What a bad network explains is no failure of the program: the message waits, and the promise is what counts.
pub fn weathered(result: anyhow::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if is_weather(&error) => Ok(()),
        other => other,
    }
}

/// Syncs all until nothing is new anywhere.
pub async fn settle(peers: &[&Peer]) -> anyhow::Result<()> {
    let mut quiet = 0;
    for _ in 0..60 {
        let mut busy = false;
        for peer in peers {
            busy |= peer.sync(None).await?;
        }
        if busy {
            // What was refused with "later" gets its time.
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        quiet = if busy { 0 } else { quiet + 1 };
        if quiet == 2 {
            return Ok(());
        }
    }
    let why: Vec<_> = peers.iter().map(|peer| format!("{}: {}", peer.handle.to_text(), peer.restless.borrow())).collect();
    bail!("no rest after sixty rounds: {}", why.join("\n"))
}

/// Makes two people known to each other: one says hello, the other accepts. Their conversation.
pub async fn pair_of(one: &Peer, other: &Peer) -> anyhow::Result<ConversationId> {
    one.knock(other, "hello").await?;
    other.sync(None).await?;
    other.accept_all().await?;
    settle(&[one, other]).await?;
    one.conversation(other)
}

/// What must be true of a conversation of two once everything has settled: each message once on both sides, in the same
/// order, at the place that was acknowledged; everything of the other was shown; nobody was alarmed.
pub async fn check(one: &Peer, other: &Peer) -> anyhow::Result<()> {
    let (here, there) = (one.conversation(other)?, other.conversation(one)?);
    ensure!(here == there, "two conversations");
    let (mine, theirs) = (one.history(here).await?, other.history(there).await?);
    let order = |history: &[Message]| history.iter().map(|message| (message.position, message.text.clone())).collect::<Vec<_>>();
    ensure!(order(&mine) == order(&theirs), "the histories differ:\n{:?}\n{:?}", order(&mine), order(&theirs));
    ensure!(mine.iter().map(|message| message.id).eq(theirs.iter().map(|message| message.id)), "an id differs");
    ensure!(mine.iter().all(|message| message.position.is_some()), "a message has no place: {:?}", order(&mine));
    ensure!(mine.is_sorted_by_key(|message| message.position), "out of order: {:?}", order(&mine));
    let ids: BTreeSet<_> = mine.iter().map(|message| message.id).collect();
    ensure!(ids.len() == mine.len(), "twice: {:?}", order(&mine));
    for (peer, history) in [(one, &mine), (other, &theirs)] {
        let name = peer.handle.to_text();
        for (id, promise) in peer.sent.borrow().iter() {
            if let Some(message) = history.iter().find(|message| message.id == *id) {
                ensure!(message.text == promise.text, "{name}: another text under {:?}", promise.text);
                let stayed = promise.position.is_none() || promise.conversation != here || message.position == promise.position;
                ensure!(stayed, "{name}: {:?} has moved", promise.text);
                ensure!(message.delivery != Delivery::Failed, "{name}: {:?} failed", promise.text);
            }
        }
        for message in history.iter().filter(|message| !message.own) {
            ensure!(peer.shown.borrow().contains(&message.id), "{name}: {:?} was never shown", message.text);
        }
        ensure!(peer.alarms.borrow().is_empty(), "{name}: false alarms: {:?}", peer.alarms.borrow());
    }
    Ok(())
}

/// Every promise of `peer` must be kept in one of its conversations with `others`.
pub async fn check_promises(peer: &Peer, others: &[&Peer]) -> anyhow::Result<()> {
    let mut there = BTreeSet::new();
    for other in others {
        there.extend(peer.history(peer.conversation(other)?).await?.into_iter().map(|message| message.id));
    }
    for (id, promise) in peer.sent.borrow().iter() {
        ensure!(there.contains(id), "{}: {:?} is lost ({:?})", peer.handle.to_text(), promise.text, promise.position);
    }
    Ok(())
}

/// Whether an error is one that a person with a bad network has to expect.
#[must_use]
pub fn is_weather(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<ClientError>(),
        Some(ClientError::Transport(_) | ClientError::Refused { kind: alcyon_client::RefusalKind::Later { .. }, .. })
    )
}

/// Whether an error says that an act can't be: what others have done meanwhile may be the cause. Nothing has changed.
#[must_use]
pub fn is_overtaken(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<ClientError>(),
        Some(
            ClientError::NotAllowed { .. }
                | ClientError::Left
                | ClientError::AlreadyIn(_)
                | ClientError::NotInYet
                | ClientError::InviteOver
                | ClientError::OwnHandle
                | ClientError::Unknown { .. }
        )
    )
}

/// A future that is dropped at its nth wake-up; `None` if that came before its end.
pub struct Mortal<F> {
    life: Option<Pin<Box<F>>>,
    polls: u32,
}

impl<F> Mortal<F> {
    /// Dies at the `polls`th poll.
    pub fn new(life: F, polls: u32) -> Self {
        Self { life: Some(Box::pin(life)), polls }
    }
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            self.life = None;
            return Poll::Ready(None);
        }
        self.polls -= 1;
        match self.life.as_mut().map(|life| life.as_mut().poll(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(output)) => {
                self.life = None;
                Poll::Ready(Some(output))
            }
            None => Poll::Ready(None),
        }
    }
}
