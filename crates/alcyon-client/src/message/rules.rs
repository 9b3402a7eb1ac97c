//! What a message has become by all that was done to it: pure functions over what is stored.
//!
//! Every device that has read the same entries comes to the same end, in whatever order it has read the terms they stand in. An
//! entry may go out again in a later term, under its id (see [`crate::next_term`]), and then has another place and another
//! header time there. So facts about an entry only ever grow ([`Facts::of_message`], [`Facts::of_deed`]): a message counts as written when it
//! was last written, what is done to one as done when it was first done, and by whoever ever had the right. What once was allowed
//! stays allowed, and a text that was deleted need never come back.

use std::collections::{BTreeMap, BTreeSet};

use alcyon_wire::{AccountId, limits};

/// A term and a sequence in it.
pub(crate) type Place = (u32, u64);

/// Emojis of one account that count at one message: the first so many.
const EMOJIS_EACH: usize = 16;

/// What the sender of an entry may do where the entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rights {
    /// An admin of the group.
    pub(crate) admin: bool,
    /// May edit what belongs to all: of two people both, in a group those whom the settings name.
    pub(crate) edits: bool,
}

impl Rights {
    pub(crate) fn number(self) -> u32 {
        u32::from(self.admin) | (u32::from(self.edits) << 1)
    }

    pub(crate) fn from_number(number: u32) -> Self {
        Self { admin: number & 1 != 0, edits: number & 2 != 0 }
    }
}

/// What the log says about an entry, or about several that are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    /// None until a log has it.
    pub(crate) place: Option<Place>,
    /// By the header; 0 until a log has it.
    pub(crate) at_ms: u64,
    pub(crate) rights: Rights,
}

impl Facts {
    /// A message, and the same in another entry.
    pub(crate) fn of_message(self, other: Self) -> Self {
        Self { at_ms: self.at_ms.max(other.at_ms), ..self.merged(other) }
    }

    /// Something done to a message, and the same in another entry.
    pub(crate) fn of_deed(self, other: Self) -> Self {
        let at_ms = match (self.at_ms, other.at_ms) {
            (0, at_ms) | (at_ms, 0) => at_ms,
            (one, other) => one.min(other),
        };
        Self { at_ms, ..self.merged(other) }
    }

    fn merged(self, other: Self) -> Self {
        let rights = Rights { admin: self.rights.admin || other.rights.admin, edits: self.rights.edits || other.rights.edits };
        Self { place: self.place.max(other.place), at_ms: 0, rights }
    }
}

/// One content that came under an id, with what all its entries say. Ids are unique for ever; who uses one again for something else
/// is judged so, and everybody alike, in whatever order the entries are read: the content that stood first counts, and entries with
/// another one say nothing about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variant<D> {
    pub(crate) digest: D,
    /// The first place it stood at; none until a log has it.
    pub(crate) first: Option<Place>,
    pub(crate) facts: Facts,
}

/// Another entry under the id. `deed`: the content is done to a message.
pub(crate) fn add_variant<D: PartialEq>(variants: &mut Vec<Variant<D>>, new: Variant<D>, deed: bool) {
    match variants.iter_mut().find(|known| known.digest == new.digest) {
        Some(known) => {
            known.first = [known.first, new.first].into_iter().flatten().min();
            known.facts = if deed { known.facts.of_deed(new.facts) } else { known.facts.of_message(new.facts) };
        }
        None => variants.push(new),
    }
}

/// Which of them counts.
pub(crate) fn counting<D>(variants: &[Variant<D>]) -> Option<&Variant<D>> {
    variants.iter().min_by_key(|variant| (variant.first.is_none(), variant.first))
}

/// What a message is, as far as the rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A text, alone or with something else: it can be edited.
    Text,
    Poll {
        options: usize,
        several: bool,
    },
    /// Something that this version can't read, or nothing any more.
    Other,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) sender: AccountId,
    pub(crate) at_ms: u64,
    pub(crate) shape: Shape,
}

/// Something that somebody did to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Done {
    /// By arrival; tells apart what has no place yet.
    pub(crate) number: u64,
    pub(crate) sender: AccountId,
    pub(crate) facts: Facts,
    pub(crate) deed: Deed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    React { emoji: String, back: bool },
    Edit,
    Delete,
    Vote(BTreeSet<u32>),
    EndPoll,
    Pin(bool),
}

/// When something was done: by place; what no log has yet comes last, in the order in which it was written.
pub(crate) type Order = (u32, u64, u64);

impl Done {
    fn order(&self) -> Order {
        match self.facts.place {
            Some((term, sequence)) => (term, sequence, 0),
            None => (u32::MAX, u64::MAX, self.number),
        }
    }

    /// Within the time in which a message can be changed. What no log has yet will be judged when one has it.
    fn in_time(&self, target: &Target) -> bool {
        self.facts.at_ms == 0 || target.at_ms == 0 || self.facts.at_ms <= target.at_ms.saturating_add(limits::CHANGE_MS)
    }

    /// Whether it counts, apart from what else was done.
    pub(crate) fn holds(&self, target: &Target) -> bool {
        let own = self.sender == target.sender;
        match &self.deed {
            Deed::React { emoji, .. } => is_emoji(emoji),
            Deed::Edit => own && target.shape == Shape::Text && self.in_time(target),
            Deed::Delete => (own || self.facts.rights.admin) && self.in_time(target),
            Deed::Vote(chosen) => match target.shape {
                Shape::Poll { options, several } => {
                    let known = chosen.iter().all(|option| (*option as usize) < options);
                    known && (several || chosen.len() <= 1)
                }
                Shape::Text | Shape::Other => false,
            },
            Deed::EndPoll => own && matches!(target.shape, Shape::Poll { .. }),
            Deed::Pin(_) => self.facts.rights.edits,
        }
    }
}

/// What a message has become.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    /// By whom.
    pub(crate) deleted: Option<AccountId>,
    /// A log has the deletion: nothing brings the message back.
    pub(crate) for_good: bool,
    /// Positions among what was done of the edits that count, oldest first. The last one is the text.
    pub(crate) edits: Vec<usize>,
    /// Emoji by emoji, in the order of the first of each that stands, and who.
    pub(crate) reactions: Vec<(String, Vec<AccountId>)>,
    pub(crate) votes: BTreeMap<AccountId, BTreeSet<u32>>,
    /// A poll in which nobody votes any more.
    pub(crate) ended: bool,
    /// Pinned, since when.
    pub(crate) pinned: Option<Order>,
}

/// What has become of a message by all that was done to it, in whatever order that is given.
pub(crate) fn outcome(target: &Target, done: &[Done]) -> Outcome {
    let mut counts: Vec<(usize, &Done)> = done.iter().enumerate().filter(|(_, done)| done.holds(target)).collect();
    counts.sort_by_key(|(_, done)| done.order());
    let mut outcome = Outcome::default();
    if let Some((_, deletion)) = counts.iter().find(|(_, done)| done.deed == Deed::Delete) {
        outcome.deleted = Some(deletion.sender);
        outcome.for_good = deletion.facts.place.is_some() && deletion.facts.at_ms != 0 && target.at_ms != 0;
        return outcome;
    }
    let ends = counts.iter().filter(|(_, done)| done.deed == Deed::EndPoll);
    // An end that no log has yet leaves everything in time that a log has.
    let end = ends.map(|(_, done)| if done.facts.at_ms == 0 { u64::MAX - 1 } else { done.facts.at_ms }).min();
    outcome.ended = end.is_some();
    let mut standing: Vec<(&str, AccountId)> = Vec::new();
    for (index, done) in counts {
        match &done.deed {
            Deed::React { emoji, back } => {
                let there = standing.iter().position(|(known, who)| known == emoji && *who == done.sender);
                match (there, back) {
                    (Some(there), true) => {
                        standing.remove(there);
                    }
                    (None, false) => standing.push((emoji, done.sender)),
                    (Some(_), false) | (None, true) => {}
                }
            }
            Deed::Edit => outcome.edits.push(index),
            Deed::Vote(chosen) => {
                let at_ms = if done.facts.at_ms == 0 { u64::MAX } else { done.facts.at_ms };
                if end.is_none_or(|end| at_ms <= end) {
                    outcome.votes.insert(done.sender, chosen.clone());
                }
            }
            Deed::Pin(pinned) => outcome.pinned = pinned.then(|| done.order()),
            Deed::EndPoll | Deed::Delete => {}
        }
    }
    outcome.votes.retain(|_, chosen| !chosen.is_empty());
    for (emoji, who) in standing.iter().copied() {
        let before = outcome.reactions.iter().filter(|(_, accounts)| accounts.contains(&who)).count();
        match outcome.reactions.iter_mut().find(|(known, _)| known == emoji) {
            _ if before >= EMOJIS_EACH => {}
            Some((_, accounts)) => accounts.push(who),
            None => outcome.reactions.push((emoji.to_owned(), vec![who])),
        }
    }
    outcome
}

/// The messages of a conversation that are pinned, the newest first: of more than there is room for, those pinned last.
pub(crate) fn pinned<T>(mut all: Vec<(Order, T)>) -> Vec<T> {
    all.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
    all.into_iter().take(limits::PINS).map(|(_, target)| target).collect()
}

/// Any emoji that there will be: some characters, not only ASCII, no Latin letters, and nothing that would break a line.
pub(crate) fn is_emoji(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= limits::EMOJI
        && !text.is_ascii()
        && !text.chars().any(|c| c.is_control() || c.is_whitespace() || c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests;
