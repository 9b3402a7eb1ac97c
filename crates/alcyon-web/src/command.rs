use serde::{Deserialize, Serialize};

/// What a page asks for. Each call is answered once, by `done` or `failed` with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Call {
    /// The page's number for it.
    pub call: u32,
    /// What to do.
    #[serde(flatten)]
    pub command: Command,
}

/// What is the matter with something that is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ReasonWord {
    /// Unwanted advertising, or fraud.
    Spam,
    /// Insults, threats, harassment.
    Abuse,
    /// Somebody is in danger, or is being harmed.
    Danger,
    /// Something else.
    Other,
}

/// What to do. `who` is a handle, `handle#account-id` or a conversation's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Opens or makes a profile; everything else wants one. If it has an account, events begin to come.
    Open {
        /// Its name in this origin's storage: letters, digits and `-`.
        profile: String,
        /// The database key, 64 hexadecimal digits. Where it is kept is the page's business.
        key: String,
    },
    /// Makes an account. The answer holds the recovery words, and does so again for the same name and server until
    /// `words-confirmed`. Where many sign up it waits its turn and tells it by `in-line`; the place is kept for the next time.
    Register {
        /// The part of the handle before the `@`.
        name: String,
        /// `https://...`
        server: String,
        /// What a server may ask newcomers for.
        shows: Shows,
    },
    /// Makes this profile ready to become a device of an account that it has nothing of yet: the code to show to a device that is
    /// in. Called again, it goes on with the code there is.
    LinkCode {
        /// Where the two devices meet: best the account's own server.
        server: String,
        /// What this device is called on the others.
        name: String,
    },
    /// Waits until a device of an account has answered the code.
    LinkNumber,
    /// Waits until the person has confirmed there, and becomes a device of the account.
    LinkFinish,
    /// Drops a link that has begun and not ended.
    LinkDrop,
    /// Answers the code of a new device. Nothing is given away before `confirm-device`.
    AddDevice {
        /// `alcyon://device/...`
        code: String,
    },
    /// The numbers are the same: takes the device in.
    ConfirmDevice {
        /// The code that was answered.
        code: String,
    },
    /// They are not.
    RefuseDevice {
        /// The code that was answered.
        code: String,
    },
    /// The devices of this account.
    Devices,
    /// Names one.
    NameDevice {
        /// Its id.
        device: String,
        /// At most 64 bytes.
        name: String,
    },
    /// Removes another device from this account.
    RemoveDevice {
        /// Its id.
        device: String,
    },
    /// The words are written down: from here on no device has them.
    WordsConfirmed,
    /// The account of the profile.
    Whoami,
    /// Who an account is in its own words.
    Introduction {
        /// Whose; `null`: the own one.
        account: Option<String>,
    },
    /// Sets the own name and picture, for those whom one talks with.
    SetIntroduction {
        /// At most 64 characters; empty for none. `null`: as it is.
        name: Option<String>,
        /// A JPEG of at most 4 KiB, in Base64; empty for none. `null`: as it is.
        picture: Option<String>,
    },
    /// The picture of a conversation: of the other one of two, or of the group.
    Picture {
        /// Which.
        who: String,
    },
    /// All conversations: those pinned, then the newest first, then those archived.
    Conversations,
    /// Messages of a conversation, oldest first.
    History {
        /// Which.
        who: String,
        /// Those before this position only.
        before: Option<u64>,
        /// The newest so many only.
        limit: Option<u32>,
    },
    /// All of it counts as read.
    MarkRead {
        /// Which.
        who: String,
    },
    /// It counts as unread until somebody reads it again.
    MarkUnread {
        /// Which.
        who: String,
    },
    /// The message, or what was done to one, was shown; it does not come as an event again.
    Shown {
        /// Its conversation's id.
        conversation: String,
        /// Its id.
        id: String,
    },
    /// Knocks, or writes in the conversation that is there.
    Start {
        /// A handle, or `handle#account-id`.
        handle: String,
        /// The first message.
        text: String,
    },
    /// Writes into the outbox, and answers at once; `delivery` tells how it gets on.
    Write {
        /// To whom.
        who: String,
        /// What.
        post: PostText,
    },
    /// Takes a file in, to be sent; the file itself is posted beside the call. What it is on its way is told by `transfer`.
    Attach {
        /// To whom.
        who: String,
        /// Its name.
        name: String,
        /// What it is sent as.
        kind: AttachKind,
        /// It is to be seen once.
        once: bool,
        /// An image goes as it is, with all that it says of place and camera.
        as_it_is: bool,
        /// Of an image: a JPEG of at most 16 KiB, in Base64; else empty.
        thumbnail: String,
    },
    /// The files on their way.
    Transfers,
    /// Fetches the file of a message.
    FetchFile {
        /// The message's id.
        id: String,
    },
    /// Stops one that is on its way.
    PauseTransfer {
        /// Its id.
        id: String,
    },
    /// Goes on with one that was stopped, or has failed.
    ResumeTransfer {
        /// Its id.
        id: String,
    },
    /// Forgets one: it is not sent, or not fetched.
    CancelTransfer {
        /// Its id.
        id: String,
    },
    /// Hands a fetched file over, beside the answer, and drops what was fetched. One that was to be seen once is gone then.
    OpenFile {
        /// The message's id.
        id: String,
    },
    /// The texts that a message had before, oldest first.
    EarlierTexts {
        /// Its conversation's id.
        conversation: String,
        /// Its id.
        id: String,
    },
    /// Finds messages as the search language of the client has it, the newest first.
    Search {
        /// Words, `from:`, `in:`, `before:`, `after:`, `has:`.
        query: String,
        /// At most so many.
        limit: u32,
    },
    /// Somebody types here, or has stopped.
    Typing {
        /// Where.
        who: String,
        /// Else they have stopped.
        typing: bool,
    },
    /// Keeps what was written and not sent; an empty one is none.
    KeepDraft {
        /// Where.
        who: String,
        /// It.
        draft: String,
    },
    /// To the top of the list, or back.
    SetPinned {
        /// Which.
        who: String,
        /// At the top.
        pinned: bool,
    },
    /// Out of the list, or back.
    SetArchived {
        /// Which.
        who: String,
        /// Out of it.
        archived: bool,
    },
    /// Calls no attention to itself, or does again.
    SetMuted {
        /// Which.
        who: String,
        /// Muted without end, until it is unmuted.
        muted: bool,
    },
    /// Who knocks.
    Requests,
    /// Lets in: a person, or oneself into a group that one was invited to.
    Accept {
        /// The request's id.
        request: String,
    },
    /// Does not.
    Decline {
        /// The request's id.
        request: String,
    },
    /// Lets somebody who has asked into a group of ours.
    Approve {
        /// The request's id.
        request: String,
    },
    /// Does not.
    Reject {
        /// The request's id.
        request: String,
    },
    /// Makes a report and sends nothing: the answer is all that `send-report` sends.
    MakeReport {
        /// The conversation's or the request's id.
        conversation: String,
        /// In a group: whose account is reported; none: the group itself.
        account: Option<String>,
        /// What is the matter.
        reason: ReasonWord,
        /// What the reporter says, at most 1 KiB.
        words: String,
        /// Ids of messages to show, at most eight; that of a request for its first words.
        messages: Vec<String>,
        /// To the group's admins.
        to_admins: bool,
        /// To the operator of the own server.
        to_operator: bool,
        /// The operator is told who reports.
        named: bool,
    },
    /// Sends the report that was made last, as it was shown.
    SendReport,
    /// Hears nothing from them any more.
    Block {
        /// Whom.
        handle: String,
    },
    /// The reverse.
    Unblock {
        /// Whom.
        handle: String,
    },
    /// Digits to compare by another way.
    SafetyNumber {
        /// With whom.
        handle: String,
    },
    /// Whether others are told that this account has read, and that it types.
    Telling,
    /// Sets both.
    SetTelling {
        /// Read receipts.
        read: bool,
        /// Typing.
        typing: bool,
    },
    /// How long messages stay in a conversation.
    Timer {
        /// Which.
        who: String,
    },
    /// Sets it, for everybody in the conversation.
    SetTimer {
        /// Which.
        who: String,
        /// 5 to a year; 0: they stay.
        seconds: u32,
    },
    /// Makes a group.
    CreateGroup {
        /// Its title.
        title: String,
    },
    /// A group: its settings and members.
    Group {
        /// Which.
        who: String,
    },
    /// Asks people to come in.
    Invite {
        /// Where.
        who: String,
        /// Handles, or `handle#account-id`.
        handles: Vec<String>,
    },
    /// Opens a link to a group.
    OpenLink {
        /// Which group.
        who: String,
        /// An admin has to approve who comes by it.
        approval: bool,
    },
    /// The links of this device to a group.
    Links {
        /// Which group.
        who: String,
    },
    /// Closes them.
    CloseLinks {
        /// Which group.
        who: String,
    },
    /// Comes in by a link.
    Join {
        /// It.
        link: String,
    },
    /// A group's title.
    SetTitle {
        /// Which group.
        who: String,
        /// The new one.
        title: String,
    },
    /// A group's picture.
    SetPicture {
        /// Which group.
        who: String,
        /// A JPEG of at most 4 KiB, in Base64; empty for none.
        picture: String,
    },
    /// Makes a member an admin, or a member again.
    SetRole {
        /// Which group.
        who: String,
        /// Whose account, or handle.
        member: String,
        /// An admin from here on.
        admin: bool,
    },
    /// Puts somebody out of a group.
    Remove {
        /// Which group.
        who: String,
        /// Whose account, or handle.
        member: String,
    },
    /// Leaves a group.
    Leave {
        /// Which.
        who: String,
    },
    /// A QR code.
    Code {
        /// What it says.
        text: String,
    },
}

/// What a newcomer shows, where a server asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Shows {
    /// An invite.
    pub invite: Option<String>,
    /// Where to send a code by e-mail.
    pub email: Option<String>,
    /// Where to send one by SMS or voice.
    pub phone: Option<String>,
    /// The code that came.
    pub code: Option<String>,
}

/// What a file is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum AttachKind {
    /// A file; an image is seen before it is fetched.
    File,
    /// A voice note: Opus in Ogg, or in WebM as browsers record it.
    Voice,
}

/// Something to be written: a message, or something done to one. Texts are read with the marks of `docs/protocol.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "post", rename_all = "kebab-case")]
pub enum PostText {
    /// A text. `@name` of somebody in the conversation calls them.
    Text {
        /// It.
        text: String,
        /// The message that it answers.
        reply_to: Option<String>,
    },
    /// An emoji under a message, or taken back from there.
    React {
        /// The message.
        target: String,
        /// It.
        emoji: String,
        /// Taken back.
        back: bool,
    },
    /// A new text for an own message.
    Edit {
        /// The message.
        target: String,
        /// It.
        text: String,
    },
    /// A message is gone, for all.
    Delete {
        /// The message.
        target: String,
    },
    /// A message of any conversation, again.
    Forward {
        /// Its conversation's id.
        from: String,
        /// Its id.
        id: String,
    },
    /// A poll.
    Poll {
        /// The question.
        question: String,
        /// 2 to 12.
        options: Vec<String>,
        /// A voter may choose several.
        several: bool,
    },
    /// A vote, instead of the one before; without options none.
    Vote {
        /// The poll.
        target: String,
        /// Counted from 0.
        options: Vec<u32>,
    },
    /// Nobody votes in an own poll any more.
    EndPoll {
        /// The poll.
        target: String,
    },
    /// A message is pinned, or no more.
    Pin {
        /// The message.
        target: String,
        /// Pinned.
        pinned: bool,
    },
}
