//! Somebody with a long conversation, for tests of the page: a new device of this account has that many messages to take over.
//!
//! It makes an account, knocks, waits until it is let in, lays the messages into its own profile as if they had been written one
//! by one, says so, and takes in the device whose code comes on standard input. It goes on until it is ended.

use std::{
    io::{BufRead, Write},
    path::PathBuf,
};

use alcyon_client::{AccountId, Client, ConversationId, Event, Handle, HandleName, MessageId, ServerUrl, Store};
use alcyon_net::{NetOptions, NetTransport, SystemClock};
use alcyon_sim::past::Said;
use alcyon_store::{StoreError, StoreKey};
use anyhow::{Context, bail};
use clap::Parser;

#[derive(Parser)]
struct Options {
    /// Where the profile is made
    #[arg(long)]
    profile: PathBuf,
    /// The server
    #[arg(long)]
    server: ServerUrl,
    /// The name of the account
    #[arg(long)]
    name: HandleName,
    /// With whom the conversation is
    #[arg(long)]
    with: Handle,
    /// Messages in it
    #[arg(long)]
    messages: u64,
}

/// A transaction each so many messages.
const BATCH: u64 = 1_000;
/// Positions of what was really written are below this.
const FIRST: u64 = 1_000;
/// As people write: short, long, of several lines.
const SAID: [&str; 5] = [
    "Yes.",
    "I see the ferry from here, and it is late again",
    "Which pier was it?\nThe old one, or that behind the fish market?",
    "🙂",
    "The kingfishers are back. The kingfishers are back. The kingfishers are back. The kingfishers are back. The kingfishers are back.",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let store = || Store::open(&options.profile, &StoreKey::from([7; 32]));
    let client = || anyhow::Ok(Client::open(store()?, NetTransport::new(NetOptions::default())?, SystemClock)?);

    let one = client()?;
    let own = one.register(&options.name, &options.server).await?.account;
    one.words_confirmed()?;
    one.start(&options.with, None, "the very first").await?;
    say("knocked")?;
    let (conversation, peer) = let_in(&one).await?;
    drop(one);
    fill(&store()?, conversation, own, peer, options.messages)?;
    say("filled")?;

    let one = client()?;
    one.mark_read(conversation)?;
    let mut code = String::new();
    std::io::stdin().lock().read_line(&mut code)?;
    let code = code.trim().parse()?;
    one.add_device(&code).await?;
    one.confirm_device(&code).await?;
    say("added")?;
    one.listen(|_| ()).await?;
    bail!("nothing was listened to any more")
}

fn say(what: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}")?;
    out.flush()
}

/// Waits until the conversation is accepted.
async fn let_in(client: &Client<NetTransport, SystemClock>) -> anyhow::Result<(ConversationId, AccountId)> {
    let (told, mut hear) = tokio::sync::mpsc::unbounded_channel();
    tokio::select! {
        ended = client.listen(|event| {
            if let Event::Accepted { conversation } = event {
                let _ = told.send(conversation);
            }
        }) => ended?,
        Some(conversation) = hear.recv() => {
            let all = client.conversations()?;
            let one = all.into_iter().find(|one| one.conversation == conversation).context("the conversation")?;
            return Ok((conversation, one.peer.context("a conversation of two")?));
        }
    }
    bail!("nobody has accepted")
}

fn fill(store: &Store, conversation: ConversationId, own: AccountId, peer: AccountId, messages: u64) -> anyhow::Result<()> {
    for batch in 0..messages.div_ceil(BATCH) {
        store.transaction(|tx| {
            for number in batch * BATCH..((batch + 1) * BATCH).min(messages) {
                add(tx, conversation, own, peer, number, number + 1 == messages)?;
            }
            Ok::<_, StoreError>(())
        })?;
    }
    Ok(())
}

fn add(
    tx: &alcyon_store::Tx<'_>,
    conversation: ConversationId,
    own: AccountId,
    peer: AccountId,
    number: u64,
    newest: bool,
) -> Result<(), StoreError> {
    // In runs of a few by the same person, over about four months.
    let is_own = (number / 3).is_multiple_of(2);
    let sent_at_ms = 1_700_000_000_000 + number * 1_000_000;
    let said = SAID[usize::try_from((number * 7 + (number >> 3)) % 5).unwrap_or_default()];
    let text = if newest { "the newest of all".to_owned() } else { format!("{number}: {said}") };
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let by = if is_own { own } else { peer };
    let said = Said { id: MessageId::from(id), by, own: is_own, text, sequence: FIRST + number, at_ms: sent_at_ms };
    said.lay_into(tx, conversation)
}
