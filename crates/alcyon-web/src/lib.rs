//! The client for the browser: [`alcyon_client::Client`] in a dedicated Worker.
//!
//! A page starts a module Worker that loads this crate, and talks to it through `postMessage`: JSON texts, a [`Call`] in one
//! direction and an [`Event`] in the other. The Worker holds keys, database (SQLite with SQLCipher in the origin private
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
//! One Worker holds a profile: a second one that opens it gets `storage` as its error.

#[cfg(target_family = "wasm")]
mod clock;
mod command;
mod event;
#[cfg(target_family = "wasm")]
mod socket;
#[cfg(target_family = "wasm")]
mod transport;
#[cfg(target_family = "wasm")]
mod worker;

pub use command::{Call, Command};
pub use event::{Answer, ConversationView, Event, MessageView, RequestView, failure};
