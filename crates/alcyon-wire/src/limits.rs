//! Numbers that both sides hold each other to (design section 8). Bytes unless said otherwise.

/// One binary WebSocket message, an entry of the largest size and its frame around it.
pub const FRAME: usize = ENTRY + 64 * 1024;
/// The payload of one entry.
pub const ENTRY: usize = 1024 * 1024;
/// A sealed GroupInfo without ratchet tree.
pub const GROUP_INFO: usize = 64 * 1024;
/// One chunk of a sealed ratchet tree.
pub const TREE_CHUNK: usize = 256 * 1024;
/// Chunks of a tree: 16 MiB, six times the tree of 1,000 members.
pub const TREE_CHUNKS: u32 = 64;
/// The payload of a knock.
pub const KNOCK: usize = 32 * 1024;
/// A signal that is published and never stored.
pub const PUBLISH: usize = 16 * 1024;
/// Logs in one subscribe frame.
pub const SUBSCRIPTIONS: usize = 1024;
/// Seats, doors or passes changed by one frame.
pub const CHANGES: usize = 1024;
/// Unacknowledged entries on one connection.
pub const WINDOW_ENTRIES: u32 = 256;
/// Unacknowledged payload bytes on one connection; one entry is always let through.
pub const WINDOW_BYTES: u64 = 1024 * 1024;
/// A sealed file: 4 GiB, its padding and its tags.
pub const BLOB: u64 = (1 << 32) + (1 << 26) + 16 * 66_560;
/// A thumbnail in a message.
pub const THUMBNAIL: usize = 16 * 1024;
/// The placeholder of an image (ThumbHash) in a message.
pub const PLACEHOLDER: usize = 25;
/// Bars of a voice note's waveform in a message.
pub const WAVEFORM: usize = 64;
/// The picture of a group, or of a person.
pub const PICTURE: usize = 4 * 1024;
/// Pixels of an edge of it.
pub const PICTURE_EDGE: u16 = 512;
/// The name by which somebody is introduced.
pub const DISPLAY_NAME: usize = 256;
/// The same in characters: Unicode scalar values.
pub const DISPLAY_NAME_CHARACTERS: usize = 64;
/// Devices of an account.
pub const DEVICES: usize = 10;
/// Home servers in a manifest.
pub const HOMES: usize = 8;
/// Text in a message.
pub const TEXT: usize = 64 * 1024;
/// Names that one text calls.
pub const MENTIONS: usize = 64;
/// An emoji of a reaction: some are made of many characters.
pub const EMOJI: usize = 64;
/// A poll's question.
pub const QUESTION: usize = 1024;
/// One option of a poll.
pub const OPTION: usize = 256;
/// Options of a poll, at least and at most.
pub const OPTIONS: std::ops::RangeInclusive<usize> = 2..=12;
/// Pinned messages of a conversation.
pub const PINS: usize = 5;
/// How long after a message it can be changed or deleted for all, by the time of headers, milliseconds.
pub const CHANGE_MS: u64 = 24 * 60 * 60 * 1000;
/// A `geo` URI.
pub const GEO_URI: usize = 128;
/// The link that a preview is of.
pub const PREVIEW_URL: usize = 2 * 1024;
/// A page's title in a preview.
pub const PREVIEW_TITLE: usize = 1024;
/// What a page is about, in a preview.
pub const PREVIEW_DESCRIPTION: usize = 2 * 1024;
/// A page's image in a preview.
pub const PREVIEW_IMAGE: usize = 96 * 1024;
/// Seconds after which messages can go by themselves: five to a year.
pub const TIMER_S: std::ops::RangeInclusive<u32> = 5..=366 * 24 * 60 * 60;
/// Accounts in the largest group in which people tell that they have read, and that they are typing.
pub const RECEIPT_ACCOUNTS: usize = 50;
/// The first words that travel in a knock.
pub const INTRODUCTION: usize = 2 * 1024;
/// Messages that a report shows.
pub const REPORT_MESSAGES: usize = 8;
/// Text of each.
pub const REPORT_TEXT: usize = 2 * 1024;
/// What a reporter says.
pub const REPORT_WORDS: usize = 1024;
/// A handle or a title in a report.
pub const REPORT_NAME: usize = 512;
/// A signed manifest.
pub const MANIFEST: usize = 16 * 1024;
/// One MLS KeyPackage.
pub const KEY_PACKAGE: usize = 8 * 1024;
/// One-time KeyPackages in one upload, and kept for a device.
pub const ONE_TIME_KEY_PACKAGES: usize = 100;
/// Stamps that are asked for at a time, no more and no fewer: how many somebody asks for tells nobody apart.
pub const STAMP_BATCH: usize = 16;
/// A challenge to be worked on.
pub const WORK_CHALLENGE: usize = 64;
/// Pending knocks of strangers in one inbox, entries.
pub const STRANGERS_PENDING: usize = 200;
/// Knocks of strangers at one inbox in an hour, entries.
pub const STRANGERS_PER_HOUR: u32 = 20;
/// Days that application entries and entry ids are kept.
pub const RETENTION_DAYS: u32 = 30;
/// Commits kept at the most for seats that have not read them.
pub const COMMITS_KEPT: u64 = 4096;
/// Sealed GroupInfos kept.
pub const GROUP_INFOS_KEPT: usize = 16;
/// Stored payload of one log.
pub const LOG_BYTES: u64 = 256 * 1024 * 1024;
/// Of which one seat may have appended at most this.
pub const SEAT_BYTES: u64 = LOG_BYTES / 4;
