// The messages between a page and its Worker: made of the Rust types in crates/alcyon-web by
// `ALCYON_UPDATE=1 cargo test -p alcyon-web boundary`. Do not edit.

/**
 * What a page asks for. Each call is answered once, by `done` or `failed` with its number.
 */
export type Call = { 
/**
 * The page's number for it.
 */
call: number, } & ({ "command": "open", 
/**
 * Its name in this origin's storage: letters, digits and `-`.
 */
profile: string, 
/**
 * The database key, 64 hexadecimal digits. Where it is kept is the page's business.
 */
key: string, } | { "command": "register", 
/**
 * The part of the handle before the `@`.
 */
name: string, 
/**
 * `https://...`
 */
server: string, 
/**
 * What a server may ask newcomers for.
 */
shows: Shows, } | { "command": "link-code", 
/**
 * Where the two devices meet: best the account's own server.
 */
server: string, 
/**
 * What this device is called on the others.
 */
name: string, } | { "command": "link-number" } | { "command": "link-finish" } | { "command": "link-drop" } | { "command": "add-device", 
/**
 * `alcyon://device/...`
 */
code: string, } | { "command": "confirm-device", 
/**
 * The code that was answered.
 */
code: string, } | { "command": "refuse-device", 
/**
 * The code that was answered.
 */
code: string, } | { "command": "devices" } | { "command": "name-device", 
/**
 * Its id.
 */
device: string, 
/**
 * At most 64 bytes.
 */
name: string, } | { "command": "remove-device", 
/**
 * Its id.
 */
device: string, } | { "command": "words-confirmed" } | { "command": "whoami" } | { "command": "introduction", 
/**
 * Whose; `null`: the own one.
 */
account: string | null, } | { "command": "set-introduction", 
/**
 * At most 64 characters; empty for none. `null`: as it is.
 */
name: string | null, 
/**
 * A JPEG of at most 4 KiB, in Base64; empty for none. `null`: as it is.
 */
picture: string | null, } | { "command": "picture", 
/**
 * Which.
 */
who: string, } | { "command": "conversations" } | { "command": "history", 
/**
 * Which.
 */
who: string, 
/**
 * Those before this position only.
 */
before: number | null, 
/**
 * The newest so many only.
 */
limit: number | null, } | { "command": "mark-read", 
/**
 * Which.
 */
who: string, } | { "command": "mark-unread", 
/**
 * Which.
 */
who: string, } | { "command": "shown", 
/**
 * Its conversation's id.
 */
conversation: string, 
/**
 * Its id.
 */
id: string, } | { "command": "start", 
/**
 * A handle, or `handle#account-id`.
 */
handle: string, 
/**
 * The first message.
 */
text: string, } | { "command": "write", 
/**
 * To whom.
 */
who: string, 
/**
 * What.
 */
post: PostText, } | { "command": "attach", 
/**
 * To whom.
 */
who: string, 
/**
 * Its name.
 */
name: string, 
/**
 * What it is sent as.
 */
kind: AttachKind, 
/**
 * It is to be seen once.
 */
once: boolean, 
/**
 * An image goes as it is, with all that it says of place and camera.
 */
as_it_is: boolean, 
/**
 * Of an image: a JPEG of at most 16 KiB, in Base64; else empty.
 */
thumbnail: string, } | { "command": "transfers" } | { "command": "fetch-file", 
/**
 * The message's id.
 */
id: string, } | { "command": "pause-transfer", 
/**
 * Its id.
 */
id: string, } | { "command": "resume-transfer", 
/**
 * Its id.
 */
id: string, } | { "command": "cancel-transfer", 
/**
 * Its id.
 */
id: string, } | { "command": "open-file", 
/**
 * The message's id.
 */
id: string, } | { "command": "earlier-texts", 
/**
 * Its conversation's id.
 */
conversation: string, 
/**
 * Its id.
 */
id: string, } | { "command": "search", 
/**
 * Words, `from:`, `in:`, `before:`, `after:`, `has:`.
 */
query: string, 
/**
 * At most so many.
 */
limit: number, } | { "command": "typing", 
/**
 * Where.
 */
who: string, 
/**
 * Else they have stopped.
 */
typing: boolean, } | { "command": "keep-draft", 
/**
 * Where.
 */
who: string, 
/**
 * It.
 */
draft: string, } | { "command": "set-pinned", 
/**
 * Which.
 */
who: string, 
/**
 * At the top.
 */
pinned: boolean, } | { "command": "set-archived", 
/**
 * Which.
 */
who: string, 
/**
 * Out of it.
 */
archived: boolean, } | { "command": "set-muted", 
/**
 * Which.
 */
who: string, 
/**
 * Muted without end, until it is unmuted.
 */
muted: boolean, } | { "command": "requests" } | { "command": "accept", 
/**
 * The request's id.
 */
request: string, } | { "command": "decline", 
/**
 * The request's id.
 */
request: string, } | { "command": "approve", 
/**
 * The request's id.
 */
request: string, } | { "command": "reject", 
/**
 * The request's id.
 */
request: string, } | { "command": "make-report", 
/**
 * The conversation's or the request's id.
 */
conversation: string, 
/**
 * In a group: whose account is reported; none: the group itself.
 */
account: string | null, 
/**
 * What is the matter.
 */
reason: ReasonWord, 
/**
 * What the reporter says, at most 1 KiB.
 */
words: string, 
/**
 * Ids of messages to show, at most eight; that of a request for its first words.
 */
messages: Array<string>, 
/**
 * To the group's admins.
 */
to_admins: boolean, 
/**
 * To the operator of the own server.
 */
to_operator: boolean, 
/**
 * The operator is told who reports.
 */
named: boolean, } | { "command": "send-report" } | { "command": "block", 
/**
 * Whom.
 */
handle: string, } | { "command": "unblock", 
/**
 * Whom.
 */
handle: string, } | { "command": "safety-number", 
/**
 * With whom.
 */
handle: string, } | { "command": "telling" } | { "command": "set-telling", 
/**
 * Read receipts.
 */
read: boolean, 
/**
 * Typing.
 */
typing: boolean, } | { "command": "timer", 
/**
 * Which.
 */
who: string, } | { "command": "set-timer", 
/**
 * Which.
 */
who: string, 
/**
 * 5 to a year; 0: they stay.
 */
seconds: number, } | { "command": "create-group", 
/**
 * Its title.
 */
title: string, } | { "command": "group", 
/**
 * Which.
 */
who: string, } | { "command": "invite", 
/**
 * Where.
 */
who: string, 
/**
 * Handles, or `handle#account-id`.
 */
handles: Array<string>, } | { "command": "open-link", 
/**
 * Which group.
 */
who: string, 
/**
 * An admin has to approve who comes by it.
 */
approval: boolean, } | { "command": "links", 
/**
 * Which group.
 */
who: string, } | { "command": "close-links", 
/**
 * Which group.
 */
who: string, } | { "command": "join", 
/**
 * It.
 */
link: string, } | { "command": "set-title", 
/**
 * Which group.
 */
who: string, 
/**
 * The new one.
 */
title: string, } | { "command": "set-picture", 
/**
 * Which group.
 */
who: string, 
/**
 * A JPEG of at most 4 KiB, in Base64; empty for none.
 */
picture: string, } | { "command": "set-role", 
/**
 * Which group.
 */
who: string, 
/**
 * Whose account, or handle.
 */
member: string, 
/**
 * An admin from here on.
 */
admin: boolean, } | { "command": "remove", 
/**
 * Which group.
 */
who: string, 
/**
 * Whose account, or handle.
 */
member: string, } | { "command": "leave", 
/**
 * Which.
 */
who: string, } | { "command": "code", 
/**
 * What it says.
 */
text: string, });

/**
 * What to do. `who` is a handle, `handle#account-id` or a conversation's id.
 */
export type Command = { "command": "open", 
/**
 * Its name in this origin's storage: letters, digits and `-`.
 */
profile: string, 
/**
 * The database key, 64 hexadecimal digits. Where it is kept is the page's business.
 */
key: string, } | { "command": "register", 
/**
 * The part of the handle before the `@`.
 */
name: string, 
/**
 * `https://...`
 */
server: string, 
/**
 * What a server may ask newcomers for.
 */
shows: Shows, } | { "command": "link-code", 
/**
 * Where the two devices meet: best the account's own server.
 */
server: string, 
/**
 * What this device is called on the others.
 */
name: string, } | { "command": "link-number" } | { "command": "link-finish" } | { "command": "link-drop" } | { "command": "add-device", 
/**
 * `alcyon://device/...`
 */
code: string, } | { "command": "confirm-device", 
/**
 * The code that was answered.
 */
code: string, } | { "command": "refuse-device", 
/**
 * The code that was answered.
 */
code: string, } | { "command": "devices" } | { "command": "name-device", 
/**
 * Its id.
 */
device: string, 
/**
 * At most 64 bytes.
 */
name: string, } | { "command": "remove-device", 
/**
 * Its id.
 */
device: string, } | { "command": "words-confirmed" } | { "command": "whoami" } | { "command": "introduction", 
/**
 * Whose; `null`: the own one.
 */
account: string | null, } | { "command": "set-introduction", 
/**
 * At most 64 characters; empty for none. `null`: as it is.
 */
name: string | null, 
/**
 * A JPEG of at most 4 KiB, in Base64; empty for none. `null`: as it is.
 */
picture: string | null, } | { "command": "picture", 
/**
 * Which.
 */
who: string, } | { "command": "conversations" } | { "command": "history", 
/**
 * Which.
 */
who: string, 
/**
 * Those before this position only.
 */
before: number | null, 
/**
 * The newest so many only.
 */
limit: number | null, } | { "command": "mark-read", 
/**
 * Which.
 */
who: string, } | { "command": "mark-unread", 
/**
 * Which.
 */
who: string, } | { "command": "shown", 
/**
 * Its conversation's id.
 */
conversation: string, 
/**
 * Its id.
 */
id: string, } | { "command": "start", 
/**
 * A handle, or `handle#account-id`.
 */
handle: string, 
/**
 * The first message.
 */
text: string, } | { "command": "write", 
/**
 * To whom.
 */
who: string, 
/**
 * What.
 */
post: PostText, } | { "command": "attach", 
/**
 * To whom.
 */
who: string, 
/**
 * Its name.
 */
name: string, 
/**
 * What it is sent as.
 */
kind: AttachKind, 
/**
 * It is to be seen once.
 */
once: boolean, 
/**
 * An image goes as it is, with all that it says of place and camera.
 */
as_it_is: boolean, 
/**
 * Of an image: a JPEG of at most 16 KiB, in Base64; else empty.
 */
thumbnail: string, } | { "command": "transfers" } | { "command": "fetch-file", 
/**
 * The message's id.
 */
id: string, } | { "command": "pause-transfer", 
/**
 * Its id.
 */
id: string, } | { "command": "resume-transfer", 
/**
 * Its id.
 */
id: string, } | { "command": "cancel-transfer", 
/**
 * Its id.
 */
id: string, } | { "command": "open-file", 
/**
 * The message's id.
 */
id: string, } | { "command": "earlier-texts", 
/**
 * Its conversation's id.
 */
conversation: string, 
/**
 * Its id.
 */
id: string, } | { "command": "search", 
/**
 * Words, `from:`, `in:`, `before:`, `after:`, `has:`.
 */
query: string, 
/**
 * At most so many.
 */
limit: number, } | { "command": "typing", 
/**
 * Where.
 */
who: string, 
/**
 * Else they have stopped.
 */
typing: boolean, } | { "command": "keep-draft", 
/**
 * Where.
 */
who: string, 
/**
 * It.
 */
draft: string, } | { "command": "set-pinned", 
/**
 * Which.
 */
who: string, 
/**
 * At the top.
 */
pinned: boolean, } | { "command": "set-archived", 
/**
 * Which.
 */
who: string, 
/**
 * Out of it.
 */
archived: boolean, } | { "command": "set-muted", 
/**
 * Which.
 */
who: string, 
/**
 * Muted without end, until it is unmuted.
 */
muted: boolean, } | { "command": "requests" } | { "command": "accept", 
/**
 * The request's id.
 */
request: string, } | { "command": "decline", 
/**
 * The request's id.
 */
request: string, } | { "command": "approve", 
/**
 * The request's id.
 */
request: string, } | { "command": "reject", 
/**
 * The request's id.
 */
request: string, } | { "command": "make-report", 
/**
 * The conversation's or the request's id.
 */
conversation: string, 
/**
 * In a group: whose account is reported; none: the group itself.
 */
account: string | null, 
/**
 * What is the matter.
 */
reason: ReasonWord, 
/**
 * What the reporter says, at most 1 KiB.
 */
words: string, 
/**
 * Ids of messages to show, at most eight; that of a request for its first words.
 */
messages: Array<string>, 
/**
 * To the group's admins.
 */
to_admins: boolean, 
/**
 * To the operator of the own server.
 */
to_operator: boolean, 
/**
 * The operator is told who reports.
 */
named: boolean, } | { "command": "send-report" } | { "command": "block", 
/**
 * Whom.
 */
handle: string, } | { "command": "unblock", 
/**
 * Whom.
 */
handle: string, } | { "command": "safety-number", 
/**
 * With whom.
 */
handle: string, } | { "command": "telling" } | { "command": "set-telling", 
/**
 * Read receipts.
 */
read: boolean, 
/**
 * Typing.
 */
typing: boolean, } | { "command": "timer", 
/**
 * Which.
 */
who: string, } | { "command": "set-timer", 
/**
 * Which.
 */
who: string, 
/**
 * 5 to a year; 0: they stay.
 */
seconds: number, } | { "command": "create-group", 
/**
 * Its title.
 */
title: string, } | { "command": "group", 
/**
 * Which.
 */
who: string, } | { "command": "invite", 
/**
 * Where.
 */
who: string, 
/**
 * Handles, or `handle#account-id`.
 */
handles: Array<string>, } | { "command": "open-link", 
/**
 * Which group.
 */
who: string, 
/**
 * An admin has to approve who comes by it.
 */
approval: boolean, } | { "command": "links", 
/**
 * Which group.
 */
who: string, } | { "command": "close-links", 
/**
 * Which group.
 */
who: string, } | { "command": "join", 
/**
 * It.
 */
link: string, } | { "command": "set-title", 
/**
 * Which group.
 */
who: string, 
/**
 * The new one.
 */
title: string, } | { "command": "set-picture", 
/**
 * Which group.
 */
who: string, 
/**
 * A JPEG of at most 4 KiB, in Base64; empty for none.
 */
picture: string, } | { "command": "set-role", 
/**
 * Which group.
 */
who: string, 
/**
 * Whose account, or handle.
 */
member: string, 
/**
 * An admin from here on.
 */
admin: boolean, } | { "command": "remove", 
/**
 * Which group.
 */
who: string, 
/**
 * Whose account, or handle.
 */
member: string, } | { "command": "leave", 
/**
 * Which.
 */
who: string, } | { "command": "code", 
/**
 * What it says.
 */
text: string, };

/**
 * Something to be written: a message, or something done to one. Texts are read with the marks of `docs/protocol.md`.
 */
export type PostText = { "post": "text", 
/**
 * It.
 */
text: string, 
/**
 * The message that it answers.
 */
reply_to: string | null, } | { "post": "react", 
/**
 * The message.
 */
target: string, 
/**
 * It.
 */
emoji: string, 
/**
 * Taken back.
 */
back: boolean, } | { "post": "edit", 
/**
 * The message.
 */
target: string, 
/**
 * It.
 */
text: string, } | { "post": "delete", 
/**
 * The message.
 */
target: string, } | { "post": "forward", 
/**
 * Its conversation's id.
 */
from: string, 
/**
 * Its id.
 */
id: string, } | { "post": "poll", 
/**
 * The question.
 */
question: string, 
/**
 * 2 to 12.
 */
options: Array<string>, 
/**
 * A voter may choose several.
 */
several: boolean, } | { "post": "vote", 
/**
 * The poll.
 */
target: string, 
/**
 * Counted from 0.
 */
options: Array<number>, } | { "post": "end-poll", 
/**
 * The poll.
 */
target: string, } | { "post": "pin", 
/**
 * The message.
 */
target: string, 
/**
 * Pinned.
 */
pinned: boolean, };

/**
 * What a file is sent as.
 */
export type AttachKind = "file" | "voice";

/**
 * What a newcomer shows, where a server asks for it.
 */
export type Shows = { 
/**
 * An invite.
 */
invite: string | null, 
/**
 * Where to send a code by e-mail.
 */
email: string | null, 
/**
 * Where to send one by SMS or voice.
 */
phone: string | null, 
/**
 * The code that came.
 */
code: string | null, };

/**
 * What a page is told. Ids are text; a position is a number that increases within its conversation.
 */
export type Event = { "event": "ready" } | { "event": "done", 
/**
 * The page's number.
 */
call: number, } & ({ "answer": "nothing" } | { "answer": "opened", 
/**
 * Its handle, once it has an account.
 */
handle: string | null, 
/**
 * Its account, once it has one.
 */
account: string | null, } | { "answer": "registered", 
/**
 * Its handle.
 */
handle: string, 
/**
 * Its id.
 */
account: string, 
/**
 * The recovery words: show them, and forget them.
 */
words: string, } | { "answer": "device-code", 
/**
 * It.
 */
code: string, } | { "answer": "link-number", 
/**
 * Six digits.
 */
number: string, 
/**
 * The account that would take this device in.
 */
handle: string, } | { "answer": "device-to-add", 
/**
 * As it calls itself.
 */
name: string, 
/**
 * Six digits.
 */
number: string, } | { "answer": "devices", 
/**
 * They.
 */
devices: Array<DeviceShown>, } | { "answer": "account", 
/**
 * Its handle.
 */
handle: string, 
/**
 * Its id.
 */
account: string, } | { "answer": "introduction", 
/**
 * It.
 */
introduction: IntroductionShown, } | { "answer": "picture", 
/**
 * A JPEG, in Base64, for an image element alone; empty for none.
 */
picture: string, } | { "answer": "conversations", 
/**
 * They.
 */
conversations: Array<ConversationView>, } | { "answer": "messages", 
/**
 * They.
 */
messages: Array<MessageView>, } | { "answer": "report", 
/**
 * It.
 */
report: ReportShown, } | { "answer": "written", 
/**
 * It.
 */
message: MessageView, } | { "answer": "transfer", 
/**
 * It.
 */
transfer: TransferShown, } | { "answer": "transfers", 
/**
 * They.
 */
transfers: Array<TransferShown>, } | { "answer": "file", 
/**
 * Its name, made safe.
 */
name: string, 
/**
 * What it can be shown as, by its first bytes; its blob has the media type then. `null`: as nothing, and it has none.
 */
shown: ShownWord | null, 
/**
 * It was to be seen once, and is gone from this device now.
 */
once: boolean, } | { "answer": "sent", 
/**
 * Its id.
 */
id: string, 
/**
 * Where.
 */
conversation: string, 
/**
 * Its place; `null` while it waits for the server.
 */
position: number | null, } | { "answer": "earlier-texts", 
/**
 * Oldest first.
 */
texts: Array<EarlierTextView>, } | { "answer": "requests", 
/**
 * They.
 */
requests: Array<RequestView>, } | { "answer": "conversation", 
/**
 * Its id.
 */
conversation: string, } | { "answer": "safety-number", 
/**
 * 60 digits, in groups of five.
 */
digits: string, 
/**
 * For a QR code.
 */
qr_text: string, } | { "answer": "telling", 
/**
 * Read receipts.
 */
read: boolean, 
/**
 * Typing.
 */
typing: boolean, } | { "answer": "timer", 
/**
 * Seconds; 0: for good.
 */
seconds: number, } | { "answer": "group", 
/**
 * It.
 */
group: GroupShown, } | { "answer": "act", 
/**
 * It is in the log, and holds; else it goes out with the next connection.
 */
done: boolean, 
/**
 * An admin is asked first: who.
 */
asked: string | null, 
/**
 * Where, if one has come in.
 */
conversation: string | null, } | { "answer": "links", 
/**
 * `https://...`; none if the one just opened goes out with the next connection.
 */
links: Array<LinkView>, } | { "answer": "code", 
/**
 * Modules on a side, without a frame.
 */
size: number, 
/**
 * The dark ones, as the `d` of an SVG path in a view box of `size`.
 */
path: string, }) | { "event": "failed", 
/**
 * The page's number; `null` if there was none to be read, or if it is the listening that ended.
 */
call: number | null, 
/**
 * A word for machines: those of the client's errors, and `malformed`, `not-open`, `open` of this boundary.
 */
error: string, 
/**
 * For people, in English.
 */
message: string, 
/**
 * The argument at fault.
 */
field: string | null, 
/**
 * The server said "later": not before so many milliseconds from now.
 */
retry_in_ms: number | null, 
/**
 * What is asked of a newcomer, if it is that.
 */
asks: AsksView | null, } | { "event": "in-line", 
/**
 * People before this one, and itself.
 */
place: number, 
/**
 * People in line.
 */
waiting: number, 
/**
 * Milliseconds until its turn, as far as the server knows.
 */
wait_ms: number, } | { "event": "working", 
/**
 * Milliseconds so far.
 */
spent_ms: number, 
/**
 * Milliseconds that such work takes here on average.
 */
mean_ms: number, 
/**
 * Of a thousand that work as quickly, so many are done by now; at most 999.
 */
permille: number, } | { "event": "message" } & MessageView | { "event": "delivery" } & MessageView | { "event": "changed", 
/**
 * What was done.
 */
id: string, 
/**
 * By this account.
 */
own: boolean, 
/**
 * It will never go out: the message is as if it had not been done.
 */
failed: boolean, 
/**
 * The message as it is now.
 */
message: MessageView, } | { "event": "request" } & RequestView | { "event": "accepted", 
/**
 * Which conversation.
 */
conversation: string, } | { "event": "left", 
/**
 * Which conversation.
 */
conversation: string, } | { "event": "history", 
/**
 * Which conversation.
 */
conversation: string, } | { "event": "gone", 
/**
 * Which conversation.
 */
conversation: string, 
/**
 * Which message.
 */
id: string, } | { "event": "read", 
/**
 * Which conversation.
 */
conversation: string, 
/**
 * Up to where.
 */
up_to: number, } | { "event": "typing", 
/**
 * Which conversation.
 */
conversation: string, 
/**
 * Whose account.
 */
account: string, 
/**
 * How it is called here.
 */
by: string | null, 
/**
 * Else they have stopped.
 */
typing: boolean, } | { "event": "introduced", 
/**
 * Who.
 */
person: PersonView, } | { "event": "alarm", 
/**
 * Where; `null` for the inbox.
 */
conversation: string | null, 
/**
 * What was found.
 */
kind: AlarmWord, 
/**
 * At which entry of the log.
 */
sequence: number, } | { "event": "transfer" } & TransferShown | { "event": "device-removed" } | { "event": "connection", 
/**
 * How it is.
 */
state: ConnectionWord, 
/**
 * While waiting: milliseconds until the next try.
 */
retry_in_ms: number | null, } | { "event": "other" };

/**
 * What came of a call.
 */
export type Answer = { "answer": "nothing" } | { "answer": "opened", 
/**
 * Its handle, once it has an account.
 */
handle: string | null, 
/**
 * Its account, once it has one.
 */
account: string | null, } | { "answer": "registered", 
/**
 * Its handle.
 */
handle: string, 
/**
 * Its id.
 */
account: string, 
/**
 * The recovery words: show them, and forget them.
 */
words: string, } | { "answer": "device-code", 
/**
 * It.
 */
code: string, } | { "answer": "link-number", 
/**
 * Six digits.
 */
number: string, 
/**
 * The account that would take this device in.
 */
handle: string, } | { "answer": "device-to-add", 
/**
 * As it calls itself.
 */
name: string, 
/**
 * Six digits.
 */
number: string, } | { "answer": "devices", 
/**
 * They.
 */
devices: Array<DeviceShown>, } | { "answer": "account", 
/**
 * Its handle.
 */
handle: string, 
/**
 * Its id.
 */
account: string, } | { "answer": "introduction", 
/**
 * It.
 */
introduction: IntroductionShown, } | { "answer": "picture", 
/**
 * A JPEG, in Base64, for an image element alone; empty for none.
 */
picture: string, } | { "answer": "conversations", 
/**
 * They.
 */
conversations: Array<ConversationView>, } | { "answer": "messages", 
/**
 * They.
 */
messages: Array<MessageView>, } | { "answer": "report", 
/**
 * It.
 */
report: ReportShown, } | { "answer": "written", 
/**
 * It.
 */
message: MessageView, } | { "answer": "transfer", 
/**
 * It.
 */
transfer: TransferShown, } | { "answer": "transfers", 
/**
 * They.
 */
transfers: Array<TransferShown>, } | { "answer": "file", 
/**
 * Its name, made safe.
 */
name: string, 
/**
 * What it can be shown as, by its first bytes; its blob has the media type then. `null`: as nothing, and it has none.
 */
shown: ShownWord | null, 
/**
 * It was to be seen once, and is gone from this device now.
 */
once: boolean, } | { "answer": "sent", 
/**
 * Its id.
 */
id: string, 
/**
 * Where.
 */
conversation: string, 
/**
 * Its place; `null` while it waits for the server.
 */
position: number | null, } | { "answer": "earlier-texts", 
/**
 * Oldest first.
 */
texts: Array<EarlierTextView>, } | { "answer": "requests", 
/**
 * They.
 */
requests: Array<RequestView>, } | { "answer": "conversation", 
/**
 * Its id.
 */
conversation: string, } | { "answer": "safety-number", 
/**
 * 60 digits, in groups of five.
 */
digits: string, 
/**
 * For a QR code.
 */
qr_text: string, } | { "answer": "telling", 
/**
 * Read receipts.
 */
read: boolean, 
/**
 * Typing.
 */
typing: boolean, } | { "answer": "timer", 
/**
 * Seconds; 0: for good.
 */
seconds: number, } | { "answer": "group", 
/**
 * It.
 */
group: GroupShown, } | { "answer": "act", 
/**
 * It is in the log, and holds; else it goes out with the next connection.
 */
done: boolean, 
/**
 * An admin is asked first: who.
 */
asked: string | null, 
/**
 * Where, if one has come in.
 */
conversation: string | null, } | { "answer": "links", 
/**
 * `https://...`; none if the one just opened goes out with the next connection.
 */
links: Array<LinkView>, } | { "answer": "code", 
/**
 * Modules on a side, without a frame.
 */
size: number, 
/**
 * The dark ones, as the `d` of an SVG path in a view box of `size`.
 */
path: string, };

/**
 * What was found about a server or a conversation.
 */
export type AlarmWord = "broken" | "forked" | "server-restored" | "profile-restored" | "handle-changed" | "gap" | "unreadable" | "unknown";

/**
 * What is asked of a newcomer.
 */
export type AsksView = { 
/**
 * Any of the ways, all the proofs of one: `invite`, `work`, `email`, `phone`.
 */
ways: Array<Array<string>>, 
/**
 * A code is on its way there.
 */
sent_to: string | null, };

/**
 * The way to the servers, all together.
 */
export type ConnectionWord = "connecting" | "online" | "waiting";

/**
 * A text that a message had before.
 */
export type EarlierTextView = { 
/**
 * It.
 */
text: string, 
/**
 * When it was written, by its author's clock, Unix milliseconds.
 */
sent_at_ms: number, };

/**
 * A link to a group.
 */
export type LinkView = { 
/**
 * `https://HOST/join#...`
 */
link: string, 
/**
 * An admin has to approve who comes by it.
 */
approval: boolean, };

/**
 * What a file can be shown as.
 */
export type ShownWord = "image" | "video" | "audio";

/**
 * A line in the list of conversations.
 */
export type ConversationView = { 
/**
 * Its id.
 */
conversation: string, 
/**
 * The other one's handle, or the beginning of the account's id; the title of a group.
 */
title: string, 
/**
 * Of two people: how the other one is called, as in a message's `sender_name`.
 */
name: string | null, 
/**
 * The other account, once it is known.
 */
peer: string | null, 
/**
 * Messages of others not yet read.
 */
unread: number, 
/**
 * Marked by the person as still to be read.
 */
marked_unread: boolean, 
/**
 * How things stand.
 */
standing: StandingWord, 
/**
 * The newest message.
 */
last: MessageView | null, 
/**
 * The other side is blocked.
 */
blocked: boolean, 
/**
 * The newest alarm.
 */
alarm: AlarmWord | null, 
/**
 * A group.
 */
group: boolean, 
/**
 * The account's own devices: "note to self". It has no title.
 */
own_devices: boolean, 
/**
 * Muted at this moment: it is not to call attention to itself.
 */
muted: boolean, 
/**
 * When that ends, Unix milliseconds; `null` if it has no end.
 */
muted_until_ms: number | null, 
/**
 * Out of the list, until a new message comes that finds it unmuted.
 */
archived: boolean, 
/**
 * At the top of the list.
 */
pinned: boolean, 
/**
 * Written and not sent.
 */
draft: string, };

/**
 * How far an own message has got.
 */
export type DeliveryWord = "queued" | "sent" | "delivered" | "read" | "failed";

/**
 * A device of this account.
 */
export type DeviceShown = { 
/**
 * Its id.
 */
device: string, 
/**
 * As the person calls it; empty if it was never named.
 */
name: string, 
/**
 * When it came into the account, Unix milliseconds; `null` where that is not known.
 */
added_ms: number | null, 
/**
 * The one that this page runs on.
 */
this: boolean, };

/**
 * A file, by what its message says of it.
 */
export type FileShown = { 
/**
 * Its name, made safe.
 */
name: string, 
/**
 * Bytes of it.
 */
size: number, 
/**
 * What it says it is; a hint.
 */
media_type: string, 
/**
 * Width of an image, pixels; 0 of what is none.
 */
width: number, 
/**
 * Its height.
 */
height: number, 
/**
 * A JPEG of at most 16 KiB, in Base64; empty if there is none.
 */
thumbnail: string, 
/**
 * It is to be seen once.
 */
once: boolean, 
/**
 * A small image that stands by itself.
 */
sticker: boolean, 
/**
 * A voice note.
 */
voice: VoiceShown | null, 
/**
 * It was to be seen once, and was.
 */
gone: boolean, };

/**
 * A group.
 */
export type GroupShown = { 
/**
 * The title.
 */
title: string, 
/**
 * The description.
 */
description: string, 
/**
 * A JPEG, in Base64, for an image element alone; empty for none.
 */
picture: string, 
/**
 * Messages vanish after so many seconds; 0: they stay.
 */
timer_s: number, 
/**
 * Everybody, oldest first.
 */
members: Array<MemberShown>, 
/**
 * Who is invited and not in yet.
 */
invited: Array<PersonView>, 
/**
 * This account may do everything.
 */
admin: boolean, 
/**
 * This account may invite.
 */
may_invite: boolean, 
/**
 * This account may set title, picture and timer.
 */
may_edit: boolean, };

/**
 * Who somebody is in their own words.
 */
export type IntroductionShown = { 
/**
 * Who, and how they are called.
 */
person: PersonView, 
/**
 * The name as they have set it; empty for none.
 */
display_name: string, 
/**
 * A JPEG, in Base64, for an image element alone; empty for none.
 */
picture: string, };

/**
 * What happened in a conversation. Who did it is the message's sender.
 */
export type LineView = { "line": "created" } | { "line": "invited", 
/**
 * Who.
 */
whom: PersonView, } | { "line": "came-in", 
/**
 * By whose invitation or link.
 */
invited_by: PersonView | null, } | { "line": "left", 
/**
 * Who.
 */
whom: PersonView, } | { "line": "removed", 
/**
 * Who.
 */
whom: PersonView, } | { "line": "role", 
/**
 * Who.
 */
whom: PersonView, 
/**
 * An admin from here on.
 */
admin: boolean, } | { "line": "title", 
/**
 * The new one.
 */
title: string, } | { "line": "description" } | { "line": "picture" } | { "line": "timer", 
/**
 * Seconds; 0: they stay.
 */
seconds: number, } | { "line": "permission", 
/**
 * `invite`, `edit` or `write`.
 */
permission: string, 
/**
 * All members may; else admins alone.
 */
members: boolean, } | { "line": "link-opened" } | { "line": "link-closed" } | { "line": "ended" } | { "line": "moved", 
/**
 * Its host.
 */
server: string, } | { "line": "unknown" };

/**
 * A member of a group.
 */
export type MemberShown = { 
/**
 * Who.
 */
person: PersonView, 
/**
 * May do everything.
 */
admin: boolean, 
/**
 * This account.
 */
own: boolean, };

/**
 * A message.
 */
export type MessageView = { 
/**
 * Where.
 */
conversation: string, 
/**
 * The same on all sides for ever.
 */
id: string, 
/**
 * Whose account.
 */
sender: string, 
/**
 * That account's handle as known here.
 */
sender_handle: string | null, 
/**
 * How it is called, if it has given itself a name; with the handle beside it where somebody else goes by the same one.
 */
sender_name: string | null, 
/**
 * Written by this account.
 */
own: boolean, 
/**
 * The text as it was written.
 */
text: string, 
/**
 * The text as it is shown.
 */
spans: Array<SpanView>, 
/**
 * `null` until the server has it.
 */
position: number | null, 
/**
 * The sender's clock, Unix milliseconds.
 */
sent_at_ms: number, 
/**
 * How far an own message has got.
 */
delivery: DeliveryWord, 
/**
 * No message, but something the sender did in a group; the text is empty then.
 */
line: LineView | null, 
/**
 * What it answers.
 */
reply: ReplyView | null, 
/**
 * Written by somebody else, elsewhere.
 */
forwarded: boolean, 
/**
 * A poll; the text is its question.
 */
poll: PollShown | null, 
/**
 * The file that it is.
 */
file: FileShown | null, 
/**
 * The text is not the first one.
 */
edited: boolean, 
/**
 * It is gone: by whom it was deleted.
 */
deleted: PersonView | null, 
/**
 * Emojis, in the order of their first.
 */
reactions: Array<ReactionShown>, 
/**
 * Pinned in the conversation.
 */
pinned: boolean, 
/**
 * A newer version of this program can show it.
 */
newer: boolean, 
/**
 * It calls this account by name.
 */
mentions_me: boolean, 
/**
 * Of an own message: who has read it, of those who tell.
 */
read_by: Array<PersonView>, 
/**
 * When it goes by itself, Unix milliseconds.
 */
goes_at_ms: number | null, };

/**
 * Somebody.
 */
export type PersonView = { 
/**
 * The account.
 */
account: string, 
/**
 * Its handle as known here.
 */
handle: string | null, 
/**
 * How it is called, as in a message's `sender_name`.
 */
name: string | null, };

/**
 * An option of a poll.
 */
export type PollOptionShown = { 
/**
 * What it says.
 */
text: string, 
/**
 * Who has chosen it.
 */
voters: Array<PersonView>, 
/**
 * This account has.
 */
own: boolean, };

/**
 * A poll.
 */
export type PollShown = { 
/**
 * In their order.
 */
options: Array<PollOptionShown>, 
/**
 * A voter may choose several.
 */
several: boolean, 
/**
 * No vote counts any more.
 */
ended: boolean, 
/**
 * Accounts that have chosen something.
 */
voters: number, };

/**
 * An emoji under a message.
 */
export type ReactionShown = { 
/**
 * It.
 */
emoji: string, 
/**
 * Of whom, the first one first.
 */
who: Array<PersonView>, 
/**
 * This account is among them.
 */
own: boolean, };

/**
 * A message that another one answers, as far as it is here.
 */
export type ReplyView = { 
/**
 * Its id.
 */
id: string, 
/**
 * Who wrote it; `null` if it is not here.
 */
sender: PersonView | null, 
/**
 * Written by this account.
 */
own: boolean, 
/**
 * Its first words; empty if it is not here, or gone.
 */
words: string, 
/**
 * It was deleted.
 */
deleted: boolean, };

/**
 * What is the matter with something that is reported.
 */
export type ReasonWord = "spam" | "abuse" | "danger" | "other";

/**
 * A report: one that was made here, or one that has come.
 */
export type ReportShown = { 
/**
 * Who is reported; none: the group.
 */
about: PersonView | null, 
/**
 * Of a group: its title.
 */
title: string | null, 
/**
 * What is the matter.
 */
reason: ReasonWord, 
/**
 * What the reporter says.
 */
words: string, 
/**
 * The messages shown, oldest first.
 */
messages: Array<ReportedShown>, 
/**
 * One that was made here: the admins who get it.
 */
admins: Array<PersonView>, 
/**
 * One that was made here: the host whose operator gets it.
 */
operator: string | null, 
/**
 * One that was made here: the operator is told that this handle reports.
 */
named: string | null, 
/**
 * One that has come: the group's conversation.
 */
conversation: string | null, };

/**
 * A message of a report.
 */
export type ReportedShown = { 
/**
 * Its id.
 */
id: string, 
/**
 * Who has written it.
 */
by: PersonView, 
/**
 * The sender's clock, Unix milliseconds.
 */
sent_at_ms: number, 
/**
 * Its text.
 */
text: string, 
/**
 * This very text is, or was, in the conversation as it is here.
 */
found: boolean, };

/**
 * Somebody asks for something.
 */
export type RequestView = { 
/**
 * What `accept` and `decline`, or `approve` and `reject`, take.
 */
id: string, 
/**
 * Who, by handle.
 */
from: string, 
/**
 * Who, for certain.
 */
account: string, 
/**
 * The handle's directory confirms that it names this account.
 */
confirmed: boolean, 
/**
 * What is asked.
 */
kind: RequestWord, 
/**
 * Of a group: its title.
 */
title: string | null, 
/**
 * Of a group one is invited to: accounts in it.
 */
members: number, 
/**
 * Of a group one is invited to: handles of members that are known here.
 */
known: Array<string>, 
/**
 * Of a report: it.
 */
report: ReportShown | null, 
/**
 * The first words.
 */
introduction: string, 
/**
 * The sender's clock, Unix milliseconds.
 */
sent_at_ms: number, };

/**
 * What a request asks for.
 */
export type RequestWord = "knock" | "invite" | "ask-in" | "report";

/**
 * Some of a text, shown in one way.
 */
export type SpanView = { 
/**
 * What it says.
 */
text: string, 
/**
 * Bold.
 */
bold: boolean, 
/**
 * Italic.
 */
italic: boolean, 
/**
 * Struck out.
 */
strike: boolean, 
/**
 * In letters of one width.
 */
code: boolean, 
/**
 * Hidden until somebody wants to see it.
 */
spoiler: boolean, 
/**
 * The mark that begins an entry of a list.
 */
bullet: boolean, 
/**
 * Where it leads: `https:`, `http:` or `mailto:`, and nothing else.
 */
link: string | null, 
/**
 * Somebody called by name.
 */
mention: boolean, };

/**
 * Where a conversation stands with its other side.
 */
export type StandingWord = "asked" | "open" | "left" | "joining";

/**
 * A file on its way.
 */
export type TransferShown = { 
/**
 * The message that it is in, or will be.
 */
id: string, 
/**
 * Where.
 */
conversation: string, 
/**
 * Its name, made safe.
 */
name: string, 
/**
 * Bytes of it.
 */
size: number, 
/**
 * To others; else to this device.
 */
up: boolean, 
/**
 * How it is doing.
 */
state: TransferWord, 
/**
 * Of one that has failed: why, in English.
 */
reason: string, 
/**
 * Bytes that have gone over.
 */
done: number, 
/**
 * Of so many.
 */
total: number, };

/**
 * How a file on its way is doing.
 */
export type TransferWord = "going" | "paused" | "failed" | "complete" | "cancelled";

/**
 * What is shown of a voice note before it is fetched.
 */
export type VoiceShown = { 
/**
 * How long it lasts, milliseconds.
 */
ms: number, 
/**
 * How loud it is: at most 64 bars of 0 to 255, evenly spread over its length; none if that is not known.
 */
waveform: Array<number>, };
