//! XMPP from the client's side, as much as it takes to measure a server: a light client that says what real ones say, and no
//! more.

mod client;
mod scan;
mod scram;

pub use client::{Account, Place, XmppClient};
pub use scan::Stanza;
