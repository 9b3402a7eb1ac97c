//! What newcomers have to show: nothing, or any of several ways in, each with all of its proofs. The operator says which.
//!
//! Nothing that is shown is kept with the account: an invite is a count under a hash, work and codes are MACs that the
//! server makes anew to compare.

pub(crate) mod code;
pub(crate) mod gateway;
pub(crate) mod invite;
pub(crate) mod outward;
pub(crate) mod senders;
pub(crate) mod smtp;
#[cfg(test)]
mod tests;

use std::fmt;

pub use invite::{Invite, InviteCode};
pub(crate) use invite::{InviteHash, InviteRecord};

/// One thing to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// A code that the operator has made.
    Invite,
    /// Work of the machine, at a price that follows the load.
    Work,
    /// A code that was sent by e-mail.
    Email,
    /// A code that was sent by SMS or voice.
    Phone,
}

impl Proof {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Invite, Self::Work, Self::Email, Self::Phone];

    /// Its word in settings and on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Work => "work",
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

/// Ways in: any of them, each all of its proofs. None: open to everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy(Vec<Vec<Proof>>);

impl Policy {
    /// Reads `open`, or ways joined by `|` of proofs joined by `+`, such as `invite | email+work`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == "open" {
            return Some(Self::default());
        }
        let proof = |word: &str| Proof::ALL.into_iter().find(|proof| proof.word() == word.trim());
        let way = |text: &str| {
            let mut proofs = text.split('+').map(proof).collect::<Option<Vec<_>>>()?;
            proofs.sort_unstable();
            let twice = proofs.windows(2).any(|pair| pair[0] == pair[1]);
            (!twice).then_some(proofs)
        };
        text.split('|').map(way).collect::<Option<Vec<_>>>().map(Self)
    }

    /// The ways.
    #[must_use]
    pub fn ways(&self) -> &[Vec<Proof>] {
        &self.0
    }

    /// Whether any way asks for this.
    #[must_use]
    pub fn has(&self, proof: Proof) -> bool {
        self.0.iter().flatten().any(|one| *one == proof)
    }

    /// The first way all of whose proofs hold; the empty one where everybody may come. `holds` is asked once a proof.
    pub(crate) fn met(&self, mut holds: impl FnMut(Proof) -> bool) -> Option<&[Proof]> {
        if self.0.is_empty() {
            return Some(&[]);
        }
        let known = Proof::ALL.map(|proof| (proof, self.has(proof) && holds(proof)));
        let met = |proof: &Proof| known.iter().any(|(one, held)| one == proof && *held);
        self.0.iter().find(|way| way.iter().all(met)).map(Vec::as_slice)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("open");
        }
        for (n, way) in self.0.iter().enumerate() {
            let words: Vec<_> = way.iter().map(|proof| proof.word()).collect();
            write!(f, "{}{}", if n > 0 { " | " } else { "" }, words.join("+"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod policy_tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn policies_are_read_as_they_are_written() {
        assert_eq!(Policy::parse("open"), Some(Policy::default()));
        let policy = Policy::parse(" invite|work + invite").unwrap();
        assert_eq!(policy.ways(), [vec![Proof::Invite], vec![Proof::Invite, Proof::Work]]);
        assert_eq!(policy.to_string(), "invite | invite+work");
        for wrong in ["", "|", "invite|", "invite+", "open|work", "work+work", "money", "Invite"] {
            assert_eq!(Policy::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn whoever_has_more_gets_in_where_less_is_enough(
            ways in proptest::collection::vec(proptest::sample::subsequence(Proof::ALL.to_vec(), 1..=Proof::ALL.len()), 0..4),
            held in proptest::sample::subsequence(Proof::ALL.to_vec(), 0..=Proof::ALL.len()),
        ) {
            let policy = Policy(ways.clone());
            let met = policy.met(|proof| held.contains(&proof));
            let expected = ways.is_empty() || ways.iter().any(|way| way.iter().all(|proof| held.contains(proof)));
            prop_assert_eq!(met.is_some(), expected);
            prop_assert!(met.unwrap_or_default().iter().all(|proof| held.contains(proof)));
            let everything = policy.met(|_| true);
            prop_assert!(everything.is_some());
            if !ways.is_empty() {
                prop_assert_eq!(Policy::parse(&policy.to_string()), Some(policy));
            }
        }
    }
}
