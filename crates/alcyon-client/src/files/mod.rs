//! Files: sealed on this device, carried to a server and from it in pieces, taken up again where they were after any interruption.
//!
//! What lies on the way is kept in a [`FileRoom`] as sealed bytes, and sent as it is however often it takes. A message goes out when
//! its file is on the server, so that nobody sees one without the other. Nothing is fetched before somebody asks for it.

mod attachment;
mod carry;
mod download;
mod room;
mod save;
mod transfer;
mod tus;
mod upload;

pub use attachment::{AttachmentView, FileDetails, FileView, Voice};
pub use carry::{Carried, Patience};
pub use room::FileRoom;
pub use save::Saved;
pub use transfer::{TransferState, TransferView, TransferWay};
pub use upload::NewFile;

pub(crate) use attachment::{check, view as attachment_view};
pub(crate) use save::{kept, seen_elsewhere};
