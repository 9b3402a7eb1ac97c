//! The program `alcyon-server`: reads the configuration, starts the server, and drains it on SIGTERM or SIGINT.

use std::{io::Write, process::ExitCode};

use alcyon_server::{
    RunningServer, Server,
    config::{self, Config, Invocation},
    observe,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The command line or the configuration is wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match config::from_process() {
        Ok(Invocation::Serve(config)) => serve(*config),
        Ok(Invocation::Admin(command, data)) => command.run(&data),
        Ok(Invocation::Completions(shell)) => {
            clap_complete::generate(shell, &mut config::command(), "alcyon-server", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
        Ok(Invocation::Man) => match config::man(&mut std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_closed) => ExitCode::FAILURE,
        },
        Err(error) => say(&format!("alcyon-server: {error}"), ExitCode::from(USAGE)),
    }
}

#[tokio::main]
async fn serve(config: Config) -> ExitCode {
    observe::quiet_panics();
    observe::init_log(config.log);
    let (mut terminate, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => return say(&format!("alcyon-server: signals: {error}"), ExitCode::FAILURE),
    };
    let server = match Server::start(config).await {
        Ok(server) => server,
        Err(error) => return say(&format!("alcyon-server: {error}"), ExitCode::FAILURE),
    };
    announce(&server);
    tokio::select! {
        () = either(&mut terminate, &mut interrupt) => {}
        () = server.drain_asked() => {}
    }
    tokio::select! {
        in_time = server.stop() => if in_time { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        () = either(&mut terminate, &mut interrupt) => ExitCode::FAILURE,
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// The only line on stdout. Whoever started the program may have closed it; that is no reason to stop.
fn announce(server: &RunningServer) {
    let mut stdout = std::io::stdout();
    let _closed = writeln!(stdout, "alcyon-server listening on {}", server.url()).and_then(|()| stdout.flush());
}

/// Says on stderr why the program ends. For the operator alone: it names files and settings, and nothing of a client.
fn say(message: &str, code: ExitCode) -> ExitCode {
    let _closed = writeln!(std::io::stderr(), "{message}");
    code
}
