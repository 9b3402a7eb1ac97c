use std::{fmt, io, net::SocketAddr, num::NonZeroU32, time::Duration};

use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogFormat, LogLevel, LogOutput};

/// A value that says nothing about a person: a number, a time, a word from a fixed set.
///
/// There is no implementation for strings that are made at run time, nor for addresses and ids, and there must be none.
///
/// ```compile_fail
/// fn safe(_: impl alcyon_server::observe::LogSafe) {}
/// safe(alcyon_wire::LogId::from([7; 16]));
/// ```
///
/// ```compile_fail
/// fn safe(_: impl alcyon_server::observe::LogSafe) {}
/// safe(String::from("somebody@example.org"));
/// ```
///
/// ```
/// fn safe(_: impl alcyon_server::observe::LogSafe) {}
/// safe(200_u16);
/// safe("a word that stands in the source");
/// ```
pub trait LogSafe {
    /// Writes it.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

macro_rules! log_safe {
    ($($plain:ty),*) => {
        $(impl LogSafe for $plain {
            fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        })*
    };
}

log_safe!(bool, u8, u16, u32, u64, usize, i32, i64, NonZeroU32, &'static str);

impl LogSafe for Duration {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl LogSafe for io::ErrorKind {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl LogSafe for alcyon_wire::RefusalCode {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str_name())
    }
}

/// An address this server itself listens on, never one of a client.
pub(crate) struct OwnAddress(pub(crate) SocketAddr);

impl LogSafe for OwnAddress {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

struct Field<T>(T);

impl<T: LogSafe> fmt::Display for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f)
    }
}

/// What [`event`] makes of a value; the only way into a log.
pub(crate) fn field(value: impl LogSafe) -> impl fmt::Display {
    Field(value)
}

/// Writes to the log: `event!(INFO, "the message", name = value, ...)`. The message is a literal, every value [`LogSafe`].
macro_rules! event {
    ($level:ident, $message:literal $(, $name:ident = $value:expr)* $(,)?) => {{
        #[allow(clippy::disallowed_macros)]
        {
            ::tracing::event!(::tracing::Level::$level, $($name = %$crate::observe::field($value),)* $message)
        }
    }};
}
pub(crate) use event;

/// Sends the log of this crate, and of no other, to stderr. A second call changes nothing.
pub fn init_log(output: LogOutput) {
    let level = match output.level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    };
    // Libraries log what they like, addresses among it: only what went through `event!` is written.
    let ours = Targets::new().with_target("alcyon_server", level);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    let layer = match output.format {
        LogFormat::Human => layer.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let _already_set = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}

/// Makes a panic say where it happened, and nothing of what was being worked on.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let (file, line) = panic.location().map_or(("unknown", 0), |place| (place.file(), place.line()));
        // stderr may be gone; there is nobody left to tell.
        let _gone = io::Write::write_fmt(&mut io::stderr(), format_args!("panic at {file}:{line}\n"));
    }));
}
