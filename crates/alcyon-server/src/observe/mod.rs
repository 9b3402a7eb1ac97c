//! What the operator sees: a log on stderr, and metrics. Neither can hold a handle, an address, a token or a log id:
//! log fields are [`LogSafe`] or do not compile, and metrics have labels from fixed sets only.

mod log;
mod metrics;

pub use log::{LogSafe, init_log, quiet_panics};
pub(crate) use log::{OwnAddress, event, field};
pub use metrics::{Metrics, RequestKind};
