//! Somebody with a terminal: a profile of the real `alcyon` program, and what its lines of JSON mean.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::process::{Profile, ServerProcess};

/// A profile with an account.
#[derive(Debug, Clone)]
pub struct Person {
    /// How to run it.
    pub profile: Profile,
    /// Its handle.
    pub handle: String,
    /// Its account id.
    pub account: String,
}

/// A message as it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Printed {
    /// Conversation id.
    pub conversation: String,
    /// Message id.
    pub id: String,
    /// The sender's handle or account.
    pub sender: String,
    /// The text.
    pub text: String,
    /// None while it is in the outbox.
    pub position: Option<u64>,
    /// RFC 3339.
    pub sent_at: String,
}

/// What became of a message that was to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Acknowledged by the server.
    Acknowledged {
        /// Message id.
        id: String,
        /// Conversation id.
        conversation: String,
        /// Its place.
        position: u64,
    },
    /// In the outbox.
    Queued {
        /// Message id.
        id: String,
        /// Conversation id.
        conversation: String,
    },
}

impl Sent {
    /// Message id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Acknowledged { id, .. } | Self::Queued { id, .. } => id,
        }
    }

    /// Conversation id.
    #[must_use]
    pub fn conversation(&self) -> &str {
        match self {
            Self::Acknowledged { conversation, .. } | Self::Queued { conversation, .. } => conversation,
        }
    }

    /// Reads the line that `send` and `start` print.
    pub fn parse(line: &Value) -> anyhow::Result<Self> {
        let (id, conversation) = (text(line, "id")?, text(line, "conversation")?);
        match text(line, "event")?.as_str() {
            "sent" => Ok(Self::Acknowledged { id, conversation, position: line["position"].as_u64().context("position")? }),
            "queued" => Ok(Self::Queued { id, conversation }),
            other => bail!("an unexpected event: {other}"),
        }
    }
}

/// A message request as it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Request {
    /// What `accept` takes.
    pub id: String,
    /// Handle.
    pub from: String,
    /// `knock` or `invite`.
    pub kind: String,
}

impl Person {
    /// Registers `name` at a server, with a profile in `folder`.
    pub fn register(folder: &Path, name: &str, server: &ServerProcess) -> anyhow::Result<Self> {
        Self::register_with(Profile::new(&folder.join(name)), name, server)
    }

    /// The same with a profile that is set up already.
    pub fn register_with(profile: Profile, name: &str, server: &ServerProcess) -> anyhow::Result<Self> {
        // A server whose machine is busy lets newcomers wait for a moment; that is told before.
        let mut lines = profile.run(["register", name, "--server", &server.url().to_text()])?.all()?;
        lines.retain(|line| line["event"] != "in_line");
        let [line] = lines.as_slice() else { bail!("one line of an account, not {lines:?}") };
        ensure!(text(line, "words")?.split(' ').count() == 12, "twelve words");
        let (handle, account) = (text(line, "handle")?, text(line, "account")?);
        let me = profile.run(["whoami"])?.one()?;
        ensure!(text(&me, "handle")? == handle && text(&me, "account")? == account, "whoami says what register said");
        Ok(Self { profile, handle, account })
    }

    /// Knocks.
    pub fn start(&self, other: &Self, words: &str) -> anyhow::Result<Sent> {
        Sent::parse(&self.profile.run(["start", &other.handle, words])?.one()?)
    }

    /// Sends.
    pub fn send(&self, whom: &str, words: &str) -> anyhow::Result<Sent> {
        Sent::parse(&self.profile.run(["send", whom, words])?.one()?)
    }

    /// Fetches, and returns the messages that it printed.
    pub fn sync(&self) -> anyhow::Result<Vec<Printed>> {
        messages(self.profile.run(["sync"])?.all()?)
    }

    /// Fetches, and returns all that it printed.
    pub fn sync_all(&self) -> anyhow::Result<Vec<Value>> {
        self.profile.run(["sync"])?.all()
    }

    /// The open requests.
    pub fn requests(&self) -> anyhow::Result<Vec<Request>> {
        let lines = self.profile.run(["requests"])?.all()?;
        lines.into_iter().map(|line| Ok(serde_json::from_value(line)?)).collect()
    }

    /// Accepts the one request there is.
    pub fn accept_one(&self) -> anyhow::Result<String> {
        let requests = self.requests()?;
        let [request] = requests.as_slice() else { bail!("expected one request: {requests:?}") };
        ensure!(request.kind == "knock", "a knock");
        let line = self.profile.run(["accept", &request.id])?.one()?;
        ensure!(text(&line, "event")? == "accepted", "accepted: {line}");
        text(&line, "conversation")
    }

    /// The whole history with somebody.
    pub fn history(&self, whom: &str) -> anyhow::Result<Vec<Printed>> {
        messages(self.profile.run(["history", whom, "--limit", "100000"])?.all()?)
    }

    /// The safety number with somebody.
    pub fn safety_number(&self, other: &Self) -> anyhow::Result<String> {
        text(&self.profile.run(["safety-number", &other.handle])?.one()?, "safety_number")
    }
}

/// The messages among printed lines.
pub fn messages(lines: Vec<Value>) -> anyhow::Result<Vec<Printed>> {
    let messages = lines.into_iter().filter(|line| line["event"] == "message");
    messages.map(|line| serde_json::from_value(line.clone()).with_context(|| format!("not a message: {line}"))).collect()
}

/// A field that must be text.
pub fn text(line: &Value, field: &str) -> anyhow::Result<String> {
    Ok(line[field].as_str().with_context(|| format!("no {field} in {line}"))?.to_owned())
}

/// Both sides must show the same messages in the same order, each once, all of them placed, and every acknowledged one
/// must be there at the place that was acknowledged.
pub fn check_same_talk(one: &[Printed], other: &[Printed], sent: &[Sent]) -> anyhow::Result<()> {
    let order = |history: &[Printed]| {
        history.iter().map(|message| (message.id.clone(), message.text.clone(), message.position)).collect::<Vec<_>>()
    };
    ensure!(order(one) == order(other), "the histories differ:\n{:?}\n{:?}", order(one), order(other));
    let mut ids = std::collections::BTreeSet::new();
    let mut last = 0;
    for message in one {
        ensure!(ids.insert(&message.id), "{} is there twice", message.text);
        let position = message.position.with_context(|| format!("{} has no place", message.text))?;
        ensure!(position > last, "{} is out of order", message.text);
        last = position;
    }
    for sent in sent {
        let found = one.iter().find(|message| message.id == sent.id());
        match (sent, found) {
            (_, None) => bail!("{sent:?} is lost"),
            (Sent::Acknowledged { position, .. }, Some(found)) => {
                ensure!(found.position == Some(*position), "{sent:?} is elsewhere: {found:?}")
            }
            (Sent::Queued { .. }, Some(_)) => {}
        }
    }
    Ok(())
}
