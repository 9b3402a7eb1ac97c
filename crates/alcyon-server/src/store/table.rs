use std::{borrow::Borrow, cmp::Ordering, fmt};

/// What the server keeps, by kind. Keys begin with what the rows belong to, so that a prefix is a log or an account.
///
/// No table but [`Table::Accounts`], [`Table::KeyPackages`] and [`Table::Allowances`] knows accounts, none of these knows a log but the
/// account's inbox, and no record names who sent an entry. [`Table::Reports`] holds what reporters have written into it, and nothing else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Log id: the head of the log.
    Heads,
    /// Log id, seat id: a seat, or when it was dropped.
    Seats,
    /// Log id, door id: a door, or when it went.
    Doors,
    /// Log id, sequence: entries that are kept beyond the retention of the others (commits, leaves, the last one).
    Kept,
    /// Log id, number: sealed GroupInfos.
    GroupInfos,
    /// Log id: the tree that stands.
    Trees,
    /// Log id, upload id, chunk: its chunks, and those of an upload that is under way.
    TreeChunks,
    /// Log id, seat id: how far that seat has read, as a hint.
    Acks,
    /// Log id, pass hash: who may knock as an acquaintance.
    Passes,
    /// Account id: manifest and inbox.
    Accounts,
    /// Hash of a handle's name: account id.
    Handles,
    /// Account id, device id, kind, hash: KeyPackages to hand out.
    KeyPackages,
    /// Account id, device id, hash: KeyPackages that were handed out and don't come back.
    ClaimedPackages,
    /// Hash of an invite: how many may still come by it, and until when.
    Invites,
    /// Account id: how many stamps it may still have, and as of which day.
    Allowances,
    /// Id of a report: what somebody has chosen to show the operator.
    Reports,
    /// Name: what the server keeps for itself, such as its secret behind tickets and how far the line is.
    Own,
    /// Log id, sequence: application entries and knocks of one week, counted from the Unix epoch.
    Entries(u32),
    /// Hash of log id and entry id: where that entry is, of one period of 30 days from the Unix epoch.
    EntryIds(u32),
    /// Number of a stamp: it is spent. Of one issuing key, by the last day on which that is honoured.
    SpentStamps(u32),
}

impl Table {
    /// All tables that are not dated.
    pub const FIXED: [Self; 17] = [
        Self::Heads,
        Self::Seats,
        Self::Doors,
        Self::Kept,
        Self::GroupInfos,
        Self::Trees,
        Self::TreeChunks,
        Self::Acks,
        Self::Passes,
        Self::Accounts,
        Self::Handles,
        Self::KeyPackages,
        Self::ClaimedPackages,
        Self::Invites,
        Self::Allowances,
        Self::Reports,
        Self::Own,
    ];

    /// Whether it belongs to a span of time and is dropped whole after it.
    #[must_use]
    pub fn is_dated(self) -> bool {
        matches!(self, Self::Entries(_) | Self::EntryIds(_) | Self::SpentStamps(_))
    }

    /// Its kind, for names on disk and messages.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Heads => "heads",
            Self::Seats => "seats",
            Self::Doors => "doors",
            Self::Kept => "kept",
            Self::GroupInfos => "group-infos",
            Self::Trees => "trees",
            Self::TreeChunks => "tree-chunks",
            Self::Acks => "acks",
            Self::Passes => "passes",
            Self::Accounts => "accounts",
            Self::Handles => "handles",
            Self::KeyPackages => "key-packages",
            Self::ClaimedPackages => "claimed-packages",
            Self::Invites => "invites",
            Self::Allowances => "allowances",
            Self::Reports => "reports",
            Self::Own => "own",
            Self::Entries(_) => "entries",
            Self::EntryIds(_) => "entry-ids",
            Self::SpentStamps(_) => "spent-stamps",
        }
    }

    /// Its number in the journal, and the span of a dated table. Numbers are never used for another table.
    #[must_use]
    pub fn code(self) -> (u8, u32) {
        match self {
            Self::Heads => (0, 0),
            Self::Seats => (1, 0),
            Self::Doors => (2, 0),
            Self::Kept => (3, 0),
            Self::GroupInfos => (4, 0),
            Self::Trees => (5, 0),
            Self::TreeChunks => (6, 0),
            Self::Acks => (7, 0),
            Self::Passes => (8, 0),
            Self::Accounts => (9, 0),
            Self::Handles => (10, 0),
            Self::KeyPackages => (11, 0),
            Self::ClaimedPackages => (12, 0),
            Self::Invites => (13, 0),
            Self::Allowances => (14, 0),
            Self::Reports => (15, 0),
            Self::Own => (16, 0),
            Self::Entries(span) => (32, span),
            Self::EntryIds(span) => (33, span),
            Self::SpentStamps(span) => (34, span),
        }
    }

    /// Reads the form of [`Self::code`].
    #[must_use]
    pub fn from_code(code: (u8, u32)) -> Option<Self> {
        let span = code.1;
        let dated = [Self::Entries(span), Self::EntryIds(span), Self::SpentStamps(span)];
        dated.into_iter().chain(Self::FIXED).find(|table| table.code() == code)
    }

    /// Its name on disk.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Entries(span) | Self::EntryIds(span) | Self::SpentStamps(span) => format!("{}-{span}", self.kind()),
            fixed => fixed.kind().to_owned(),
        }
    }

    /// Reads the form of [`Self::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(table) = Self::FIXED.into_iter().find(|table| table.kind() == name) {
            return Some(table);
        }
        let (kind, span) = name.rsplit_once('-')?;
        let span = span.parse().ok()?;
        [Self::Entries(span), Self::EntryIds(span), Self::SpentStamps(span)].into_iter().find(|table| table.kind() == kind)
    }
}

/// The key of a row, at most [`RowKey::MAX`] bytes, without an allocation.
#[derive(Clone, Copy)]
pub struct RowKey {
    bytes: [u8; Self::MAX],
    length: u8,
}

impl RowKey {
    /// The longest key: an account, a device and a kind with a hash.
    pub const MAX: usize = 97;

    /// Puts parts together.
    ///
    /// # Panics
    ///
    /// When they are longer than [`Self::MAX`]: keys are made of ids, whose lengths are known.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut key = Self { bytes: [0; Self::MAX], length: 0 };
        for part in parts {
            let from = usize::from(key.length);
            key.bytes[from..from + part.len()].copy_from_slice(part);
            key.length += u8::try_from(part.len()).expect("keys are short");
        }
        key
    }

    /// The next key that can be: this one and a zero.
    ///
    /// # Panics
    ///
    /// When this one is as long as a key can be.
    #[must_use]
    pub fn next(&self) -> Self {
        Self::of(&[self, &[0]])
    }

    /// The first key after all that begin with `prefix`.
    ///
    /// # Panics
    ///
    /// When `prefix` is longer than [`Self::MAX`].
    #[must_use]
    pub fn after_prefix(prefix: &[u8]) -> Self {
        let mut key = Self::of(&[prefix]);
        while key.length > 0 {
            let last = usize::from(key.length) - 1;
            if key.bytes[last] < u8::MAX {
                key.bytes[last] += 1;
                return key;
            }
            key.length -= 1;
        }
        // Nothing but 0xFF: ids are random, and the longest key of 0xFF is as good as the end.
        Self { bytes: [u8::MAX; Self::MAX], length: u8::try_from(Self::MAX).expect("keys are short") }
    }
}

impl std::ops::Deref for RowKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl Borrow<[u8]> for RowKey {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for RowKey {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for RowKey {}

impl PartialOrd for RowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// In the order of their bytes, as the store has them.
impl Ord for RowKey {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RowKey(..)")
    }
}
