//! The client for the browser: [`alcyon_client::Client`] in a dedicated Worker.
//!
//! A page starts a module Worker that loads this crate, and talks to it through `postMessage`: JSON texts, a [`Call`] in one
//! direction and an [`Event`] in the other; a file goes beside one, as `[text, blob]`. The Worker holds keys, database (SQLite with SQLCipher in the origin private
//! file system) and connections; a page only shows what it is told. The crate must not know what the page looks like.
//!
//! A Worker's script is all that is needed besides:
//!
//! ```js
//! import init from "./alcyon_web.js";
//! await init(); // answers { "event": "ready" }
//! ```
//!
//! and a page says, for example:
//!
//! ```
//! use alcyon_web::{Call, Command};
//!
//! let text = r#"{ "call": 1, "command": "start", "handle": "ann@server.example", "text": "hello" }"#;
//! let Call { call, command } = serde_json::from_str(text)?;
//! assert_eq!(call, 1);
//! assert_eq!(command, Command::Start { handle: "ann@server.example".to_owned(), text: "hello".to_owned() });
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! A page in TypeScript takes the same types from `web/src/core/boundary.ts`, which is made of these; a test fails when it is old.
//!
//! One Worker holds a profile: a second one that opens it gets `storage` as its error.

#[cfg(target_family = "wasm")]
mod blob;
#[cfg(test)]
mod boundary;
#[cfg(target_family = "wasm")]
mod clock;
#[cfg(any(target_family = "wasm", test))]
mod code;
mod command;
mod event;
#[cfg(target_family = "wasm")]
mod files;
#[cfg(target_family = "wasm")]
mod newcomer;
mod report;
#[cfg(target_family = "wasm")]
mod room;
#[cfg(any(target_family = "wasm", test))]
mod shown;
#[cfg(target_family = "wasm")]
mod socket;
#[cfg(target_family = "wasm")]
mod transport;
mod view;
#[cfg(target_family = "wasm")]
mod worker;

pub use command::{AttachKind, Call, Command, PostText, ReasonWord, Shows};
pub use event::{AlarmWord, Answer, AsksView, ConnectionWord, EarlierTextView, Event, LinkView, ShownWord, failure};
pub use report::{ReportShown, ReportedShown};
pub use view::{
    ConversationView, DeliveryWord, DeviceShown, FileShown, GroupShown, IntroductionShown, LineView, MemberShown, MessageView, PersonView,
    PollOptionShown, PollShown, ReactionShown, ReplyView, RequestView, RequestWord, SpanView, StandingWord, TransferShown, TransferWord,
    VoiceShown,
};
