//! What must be true of a group when all have read everything.

use std::collections::{BTreeMap, BTreeSet};

use alcyon_client::{ClientError, ConversationId, GroupPermission, GroupView, Line, Message, MessageId, Position};
use alcyon_wire::AccountId;
use anyhow::{Context, ensure};

use crate::person::Person;

/// Each acceptance and each joining by a link that somebody has asked for, in number.
pub type Consents = BTreeMap<(ConversationId, AccountId), usize>;

/// A group as everybody has it.
pub struct Seen<'a> {
    /// Those who are in, by their own account of it.
    pub inside: Vec<&'a Person>,
    pub facts: Option<Facts>,
    /// Where each account was removed.
    pub removals: BTreeMap<AccountId, Vec<u64>>,
    /// Messages that were in the log for all.
    pub messages: usize,
}

/// What all members have to agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub epoch: u64,
    pub title: String,
    pub description: String,
    pub timer_s: u32,
    pub members_may: Vec<GroupPermission>,
    /// Account, admin, devices.
    pub members: BTreeSet<(AccountId, bool, usize)>,
    /// Whom for (none: a link), by whom, with approval.
    pub doors: Vec<(Option<AccountId>, AccountId, bool)>,
}

impl From<GroupView> for Facts {
    fn from(view: GroupView) -> Self {
        let GroupView { title, description, picture: _, timer_s, members_may, members, doors, epoch } = view;
        Self {
            epoch,
            title,
            description,
            timer_s,
            members_may,
            members: members.into_iter().map(|member| (member.person.account, member.admin, member.devices)).collect(),
            doors: doors.into_iter().map(|door| (door.whom.map(|whom| whom.account), door.by.account, door.approval)).collect(),
        }
    }
}

/// A time that an account was in.
#[derive(Debug, Clone, Copy)]
struct Stint {
    from: Position,
    to: Option<(Position, End)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Removed,
    Left,
}

/// Checks a group and says how it stands. `creator` made it.
pub async fn check<'a>(people: &'a [Person], group: ConversationId, creator: AccountId, consents: &Consents) -> anyhow::Result<Seen<'a>> {
    let mut inside = Vec::new();
    let mut facts: Option<(Facts, &Person)> = None;
    let mut histories = Vec::new();
    for person in people {
        let name = person.handle.to_text();
        match person.with(async |client| Ok(client.group(group))).await? {
            Ok(view) => {
                let mine = Facts::from(view);
                if let Some((theirs, other)) = &facts {
                    ensure!(mine == *theirs, "{name} and {} differ:\n{mine:?}\n{theirs:?}", other.handle.to_text());
                }
                facts = Some((mine, person));
                inside.push(person);
            }
            Err(ClientError::Left | ClientError::Unknown { .. }) => {}
            Err(error) => return Err(error).with_context(|| format!("{name}: not in, and not out")),
        }
        let history = person.history(group).await?;
        check_alone(&name, &history)?;
        person.check_promises(group, &history)?;
        let alarms = person.with(async |client| Ok(client.alarms(group)?)).await?;
        ensure!(alarms.is_empty(), "{name}: alarms {alarms:?}");
        histories.push((person, history));
    }
    let facts = facts.map(|(facts, _)| facts);
    if let Some(facts) = &facts {
        let named: BTreeSet<_> = facts.members.iter().map(|(account, ..)| *account).collect();
        let there: BTreeSet<_> = inside.iter().map(|person| person.account).collect();
        let handle = |account| people.iter().find(|person| person.account == account).map(|person| person.handle.to_text());
        let differ: Vec<_> = named.symmetric_difference(&there).map(|account| (handle(*account), named.contains(account))).collect();
        ensure!(differ.is_empty(), "named and not there (true), or the other way round: {differ:?}");
        ensure!(facts.members.iter().any(|(_, admin, _)| *admin), "nobody is admin: {facts:?}");
        ensure!(facts.members.iter().all(|(_, _, devices)| *devices == 1), "one device each: {facts:?}");
    }
    check_order(&histories)?;
    let lines = lines_of(&histories);
    let stints = stints_of(&lines, creator);
    for (account, stints) in &stints {
        let asked = consents.get(&(group, *account)).copied().unwrap_or(0) + usize::from(*account == creator);
        ensure!(stints.len() <= asked, "{account:?} was in {} times and has asked {asked} times: {stints:?}", stints.len());
    }
    let messages = check_delivered(&histories, &stints)?;
    let mut removals: BTreeMap<AccountId, Vec<u64>> = BTreeMap::new();
    for (position, (_, line)) in &lines {
        if let Line::Removed { whom } = line {
            removals.entry(whom.account).or_default().push(position.0.sequence);
        }
    }
    Ok(Seen { inside, facts, removals, messages })
}

/// In the order of the log, nothing twice.
fn check_alone(name: &str, history: &[Message]) -> anyhow::Result<()> {
    let placed: Vec<_> = history.iter().filter_map(|message| message.position).collect();
    ensure!(placed.is_sorted(), "{name}: out of order");
    let ids: BTreeSet<_> = history.iter().map(|message| message.id).collect();
    ensure!(ids.len() == history.len(), "{name}: a message twice");
    Ok(())
}

/// A place in the log holds the same for all.
fn check_order(histories: &[(&Person, Vec<Message>)]) -> anyhow::Result<()> {
    let mut known: BTreeMap<MessageId, (Position, AccountId, &str, &Person)> = BTreeMap::new();
    for (person, history) in histories {
        for message in history {
            let Some(position) = message.position else { continue };
            let (theirs, sender, text, other) = *known.entry(message.id).or_insert((position, message.sender, &message.text, person));
            ensure!(
                (theirs, sender, text) == (position, message.sender, &message.text),
                "{} and {} have {message:?} at different places or with different words: {theirs:?}, {text:?}",
                person.handle.to_text(),
                other.handle.to_text()
            );
        }
    }
    Ok(())
}

/// All lines that anybody has, by place; several of one entry by their ids.
fn lines_of(histories: &[(&Person, Vec<Message>)]) -> BTreeMap<(Position, MessageId), (AccountId, Line)> {
    let mut lines = BTreeMap::new();
    for message in histories.iter().flat_map(|(_, history)| history) {
        if let (Some(position), Some(line)) = (message.position, &message.line) {
            lines.insert((position, message.id), (message.sender, line.clone()));
        }
    }
    lines
}

fn stints_of(lines: &BTreeMap<(Position, MessageId), (AccountId, Line)>, creator: AccountId) -> BTreeMap<AccountId, Vec<Stint>> {
    let mut stints: BTreeMap<AccountId, Vec<Stint>> = BTreeMap::new();
    let start = Position { term: 0, sequence: 0 };
    stints.insert(creator, vec![Stint { from: start, to: None }]);
    for ((position, _), (by, line)) in lines {
        let (whom, end) = match line {
            Line::CameIn { .. } => {
                stints.entry(*by).or_default().push(Stint { from: *position, to: None });
                continue;
            }
            Line::Removed { whom } => (whom.account, End::Removed),
            Line::Left { whom } => (whom.account, End::Left),
            _ => continue,
        };
        if let Some(stint) = stints.get_mut(&whom).and_then(|stints| stints.last_mut()).filter(|stint| stint.to.is_none()) {
            stint.to = Some((*position, end));
        }
    }
    stints
}

/// Every message that the log took is with everybody who was in then. Who came back later began anew: of such only the last
/// time counts; who gave the seat up read no further than the giving up was decided.
fn check_delivered(histories: &[(&Person, Vec<Message>)], stints: &BTreeMap<AccountId, Vec<Stint>>) -> anyhow::Result<usize> {
    let mut taken: BTreeMap<Position, &Message> = BTreeMap::new();
    for message in histories.iter().flat_map(|(_, history)| history).filter(|message| message.line.is_none()) {
        if let Some(position) = message.position {
            taken.insert(position, message);
        }
    }
    for (person, history) in histories {
        let Some(stint) = stints.get(&person.account).and_then(|stints| stints.last()) else { continue };
        let Stint { from, to } = *stint;
        let until = match to {
            None => None,
            Some((position, End::Removed)) => Some(position),
            Some((_, End::Left)) => continue,
        };
        let have: BTreeSet<_> = history.iter().map(|message| message.id).collect();
        for (position, message) in &taken {
            if *position > from && until.is_none_or(|until| *position < until) {
                ensure!(have.contains(&message.id), "{} lacks {message:?}, in since {stint:?}", person.handle.to_text());
            }
        }
    }
    Ok(taken.len())
}
