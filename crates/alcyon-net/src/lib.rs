//! The native way to servers: [`alcyon_client::Transport`] over sockets, [`alcyon_client::Clock`] over the system's clock,
//! [`alcyon_client::FileRoom`] in a folder.
//!
//! HTTP goes through hyper, WebSockets through tungstenite, both over the same rustls configuration (TLS 1.3, the system's
//! certificate authorities or those in `SSL_CERT_FILE`). Timeouts and size limits are set here, once. The crate runs in a
//! tokio runtime of any kind, a current-thread one included, and must not know what the frames mean.
//!
//! ```no_run
//! # async fn example(store: alcyon_client::Store) -> Result<(), Box<dyn std::error::Error>> {
//! use alcyon_net::{NetOptions, NetTransport, SystemClock};
//!
//! let transport = NetTransport::new(NetOptions::default())?;
//! let client = alcyon_client::Client::open(store, transport, SystemClock)?;
//! client.sync().await?;
//! # Ok(()) }
//! ```

mod clock;
mod dial;
mod names;
mod preview;
mod room;
mod socket;
mod transport;

pub use clock::SystemClock;
pub use dial::{NetError, Stream};
pub use preview::{PagePreview, PreviewError, PreviewFetcher};
pub use room::FolderRoom;
pub use socket::NetConnection;
pub use transport::{NetOptions, NetTransport};
