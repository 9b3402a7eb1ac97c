use thiserror::Error;

use crate::{Member, RowsError, Suite};

/// Something that this crate can't do. After any error, roll the transaction back and load the group again.
///
/// What a *stranger or a member sent* and is merely wrong is no error: it is a
/// [`Verdict::Invalid`](crate::Verdict::Invalid) or [`Processed::SetAside`](crate::Processed::SetAside), and one goes on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MlsError {
    /// The caller's store failed. Treat it as a fault of the store.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// A stored row can't be read: a foreign or damaged database. Delete nothing; rejoin or restore.
    #[error("the stored {what} can't be read")]
    Stored {
        /// What the row holds.
        what: &'static str,
    },
    /// The chain names another device than the key. Use the pair that belongs together.
    #[error("the chain is not that of the device key")]
    NotTheDevice,
    /// Another suite than the product's. Refuse what carried it.
    #[error("the suite {0:?} is not the one in use")]
    Suite(Suite),
    /// Bytes that are not what they should be. Refuse them.
    #[error("not a well-formed {what}")]
    Malformed {
        /// What was expected.
        what: &'static str,
    },
    /// A credential that is no verified chain, or not that of the signature key. Refuse what carried it.
    #[error("a credential is not a verified chain of its signature key")]
    Credential,
    /// A KeyPackage that can't be used. Take another one of that device, or leave the device out.
    #[error("the KeyPackage can't be used: {0}")]
    KeyPackage(KeyPackageFault),
    /// The Welcome is for KeyPackages that this device does not have (any more). Come in by rejoining.
    #[error("the Welcome is for no KeyPackage that is here")]
    NoKeyPackage,
    /// A Welcome, tree or GroupInfo does not hold: signature, hash or secret. Refuse it; take another copy.
    #[error("the {what} does not hold: {fault}")]
    Untrue {
        /// What was checked.
        what: &'static str,
        /// Where it failed.
        fault: Fault,
    },
    /// A GroupInfo carries a ratchet tree, which would override the one that was checked. Take another GroupInfo.
    #[error("the GroupInfo carries a ratchet tree")]
    TreeInside,
    /// A GroupInfo is not of the state that was replayed. Take another GroupInfo, or go a step back.
    #[error("the GroupInfo is of another state of the group: {0}")]
    OtherState(&'static str),
    /// The group needs a protocol or rules that this version does not know. Pause the conversation, ask for an update.
    #[error("the group needs protocol {protocol}, rules {rules}, which this version does not know")]
    UnknownRules {
        /// Protocol number of the group.
        protocol: u32,
        /// Rule set number of the group.
        rules: u32,
    },
    /// An own commit is pending: wait for the log's word on it before preparing another.
    #[error("an own commit is pending")]
    CommitPending,
    /// Nothing is pending that this could be about.
    #[error("no own commit is pending")]
    NothingPending,
    /// This device is no member any more.
    #[error("this device is no member any more")]
    NotAMember,
    /// The group's settings do not let this account write. Say so; an admin may change it.
    #[error("this account may not write in this group")]
    MayNotWrite,
    /// There is no leaf and no door that backs this device: it can't come in by itself. Ask a member's device to open one.
    #[error("no leaf and no door in the group backs this device")]
    NotBacked,
    /// A commit's path has no secret that this device can open; others can. Rejoin, and name the committer.
    #[error("the path of a commit can't be opened here")]
    CantOpenPath {
        /// Who committed.
        by: Box<Member>,
    },
    /// What is to be prepared would be refused by the rules. Don't send it.
    #[error("the rules would refuse this commit: {0:?}")]
    WouldBeInvalid(crate::Invalid),
    /// Over a size limit.
    #[error("{what} is {actual} bytes, over the limit of {limit}")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Limit in bytes.
        limit: usize,
        /// Its size in bytes.
        actual: usize,
    },
    /// A box does not open: another key, or damaged. Set it aside.
    #[error("the {what} does not open with this key")]
    Sealed {
        /// What was sealed.
        what: &'static str,
    },
    /// Cryptography or MLS failed where it can't, given what was checked before. A defect; report it.
    #[error("{doing} failed: {fault}")]
    Internal {
        /// What was being done.
        doing: &'static str,
        /// What MLS called it.
        fault: Fault,
    },
}

/// Why a KeyPackage can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyPackageFault {
    /// Its signatures or keys do not hold.
    #[error("its signatures or keys do not hold")]
    Invalid,
    /// It lacks an extension, credential type or suite that every member needs.
    #[error("it lacks what every member needs")]
    Capabilities,
    /// Its lifetime is not the widest one. (Its age is judged by the time of the header that carries it.)
    #[error("its lifetime is not the widest one")]
    Lifetime,
    /// It says where the leaf sits, which is not for a KeyPackage to say.
    #[error("it names a seat")]
    Seat,
}

/// The name OpenMLS gives to a failure, without any value in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault(String);

impl Fault {
    /// Keeps the names of types and variants in `error`'s debug form, and nothing else: no number, no text, no byte.
    pub(crate) fn of(error: &impl std::fmt::Debug) -> Self {
        let text = format!("{error:?}");
        let names = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| {
            let mut chars = word.chars();
            chars.next().is_some_and(|c| c.is_ascii_uppercase()) && chars.any(|c| c.is_ascii_lowercase())
        });
        Self(names.take(6).collect::<Vec<_>>().join("::"))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
