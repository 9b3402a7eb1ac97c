//! The product without a screen: accounts, conversations, outbox, sync, contacts.
//!
//! A [`Client`] owns one profile (a [`Store`]) and talks to servers through a [`Transport`]; time comes from a [`Clock`].
//! Everything runs on one thread, in whatever executor the program has: terminals use tokio, the browser its own loop.
//! The crate must not know terminals, browsers, sockets or the disk.
//!
//! ```no_run
//! # use alcyon_client::*;
//! # async fn example<T: Transport, C: Clock>(store: Store, transport: T, clock: C) -> Result<(), ClientError> {
//! let client = Client::open(store, transport, clock)?;
//! let me = client.register(&"ann".parse()?, &"https://server.example".parse()?).await?;
//! println!("write these down: {}", me.words.as_str());
//! let (ben, account) = alcyon_wire::Handle::parse_with_account("ben@server.example")?;
//! client.start(&ben, account, "hello").await?;
//! client.listen(|event| println!("{event:?}")).await?;
//! # Ok(()) }
//! ```

mod act;
mod client;
mod clock;
mod come_in;
mod contacts;
mod content;
mod content_view;
mod core;
mod device;
mod directory;
mod drive;
mod entry;
mod error;
mod event;
mod extras;
mod files;
mod group;
mod group_view;
mod hold;
mod inbox;
mod introduction;
mod invite;
mod join_link;
mod leave;
mod line;
mod link;
mod local;
mod markup;
mod message;
mod next_term;
mod offer;
mod outbox;
mod paced;
mod passing;
mod poke;
mod purse;
mod random;
mod reading;
mod register;
mod rejoin;
mod report;
mod retry;
mod search;
mod send;
mod server_note;
mod shelf;
mod sign_up;
mod start;
mod toil;
mod transport;
mod vanish;

pub use alcyon_store::Store;
pub use alcyon_wire::{AccountId, ConversationId, DeviceId, Handle, HandleName, MessageId, ServerUrl};
pub use client::Client;
pub use clock::Clock;
pub use content_view::{
    ChangeKind, ChangedView, ContentView, EarlierText, GoesView, MentionView, PollOptionView, PollView, Post, QuoteView, ReactionView,
    TextFormat,
};
pub use device::{DeviceCode, DeviceToAdd, DeviceView, LinkNumber};
pub use error::{ClientError, RefusalKind};
pub use event::{
    Alarm, AlarmKind, ConnectionState, ConversationSummary, Delivery, Event, JoinOutcome, KnockRequest, Me, Message, Position, Registered,
    RequestKind, SafetyNumberView, SendOutcome, Standing, Synced,
};
pub use extras::{ContactCard, GeoPoint, LinkPreview, NoPoint};
pub use files::{
    AttachmentView, Carried, FileDetails, FileRoom, FileView, NewFile, Patience, Saved, TransferState, TransferView, TransferWay, Voice,
};
pub use group_view::{ActOutcome, DoorView, GroupPermission, GroupView, Line, MemberView, Person};
pub use introduction::{IntroductionRule, IntroductionView};
pub use join_link::{JoinLink, OpenedLink};
pub use markup::{MarkStyle, MarkedSpan, marked_spans};
pub use next_term::TermReason;
pub use reading::{Telling, Tells};
pub use report::{Report, ReportDraft, ReportReason, ReportView, ReportedView};
pub use search::{Carries, Search, SearchWord};
pub use shelf::Muted;
pub use sign_up::{CodeWay, InLine, Newcomer};
pub use toil::Toil;
pub use transport::{Connection, HttpMethod, HttpRequest, HttpResponse, Transport, TransportError, Ways};
