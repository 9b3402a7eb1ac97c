//! The `alcyon` program: commands for scripts, each with `--json`, and a full-screen chat.
//!
//! This crate turns what a person types into calls of [`alcyon_client::Client`] and what comes back into text, JSON or a
//! picture of the screen. It decides nothing about conversations; it must not know the protocol, keys of MLS or SQL.
//! What others write is made harmless before a terminal sees it (`harmless`).
//!
//! ```
//! assert_eq!(alcyon_cli::harmless("hello\u{1b}[2J"), "hello\u{fffd}[2J");
//! ```

mod args;
mod attaching;
mod called;
mod chat;
mod commands;
mod conversation;
mod device;
mod failure;
mod files;
mod group;
mod harmless;
mod introduce;
mod key;
mod listening;
mod look;
mod moments;
mod picture;
mod post;
mod profile;
mod progress;
mod qr;
mod report;
mod search;
mod settings;
mod sign_up;
mod text;
mod wrap;

use std::{
    ffi::OsString,
    io::{IsTerminal, stderr, stdin, stdout},
    process::ExitCode,
};

pub use args::command;
pub use harmless::harmless;

use crate::{args::Command, failure::Failure, look::Look, report::Report};

/// MLS keeps large values on the stack, larger still in builds without optimisation; a main thread has 1 MiB on some systems.
const STACK: usize = 16 * 1024 * 1024;

/// Runs the program with the arguments and environment of this process.
pub fn main() -> ExitCode {
    let run = || run(std::env::args_os().collect());
    match std::thread::Builder::new().name("main".to_owned()).stack_size(STACK).spawn(run).map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // The panic's message has been printed; the same code as Rust's own.
        Ok(Err(_)) | Err(_) => ExitCode::from(101),
    }
}

fn run(words: Vec<OsString>) -> ExitCode {
    let look = Look::of_environment();
    let arguments = match args::parse(&words) {
        Ok(arguments) => arguments,
        Err(error) => return args::complain(&error, args::wants_json(&words)),
    };
    start_logging(arguments.verbose);
    let mut report = Report::new(stdout(), look, arguments.json, look.colours && stdout().is_terminal());
    let bare = arguments.command.is_none();
    let done = match arguments.command {
        Some(Command::Completions { shell }) => args::print_completions(shell),
        Some(Command::Man { command }) => args::print_man(command.as_deref()),
        Some(Command::Chat) | None => {
            if stdin().is_terminal() && stdout().is_terminal() {
                chat::run(&arguments.place, look)
            } else if bare {
                return args::complain(&args::no_command(), arguments.json);
            } else {
                Err(Failure::NoTerminal)
            }
        }
        Some(command) => commands::run(command, &arguments.place, &mut report),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(look.language, arguments.json);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// To stderr, and only when asked for. A full screen on the same terminal would be torn by it.
fn start_logging(verbose: bool) {
    use tracing_subscriber::EnvFilter;
    let filter = match std::env::var("ALCYON_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::new(filter),
        _ if verbose => EnvFilter::new("alcyon_client=debug,alcyon_store=debug,alcyon_net=debug,warn"),
        _ => return,
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal()).init();
}
