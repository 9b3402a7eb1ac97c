//! `alcyon-server admin`: asks a running server over its socket, and shows the answer to a person or a program.

use std::{
    io::{BufRead, BufReader, IsTerminal, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, FromArgMatches, Subcommand, ValueHint, builder::PossibleValuesParser};

use super::{
    SOCKET, Status,
    limits::{self, Changed, Hold, Shown},
    page::{bytes, line, span},
    reports,
    request::{AccountShown, Act, AdminAnswer, AdminRequest, InviteShown},
    socket::with_short_path,
};
use crate::sign_up::Queue;

/// The server said no, or a question was answered with no.
const REFUSED: u8 = 1;
/// No server answers at the socket.
const NO_SERVER: u8 = 3;

/// A command to a running server.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct AdminCommand {
    #[command(subcommand)]
    command: Command,
    /// One JSON object a line instead of text
    #[arg(long, global = true)]
    json: bool,
    /// The server's data directory [env: ALCYON_DATA] [file: data]
    #[arg(id = "admin_data", long = "data", global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// The server's configuration file, for its data directory [env: ALCYON_CONFIG]
    #[arg(id = "admin_config", long = "config", global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Subcommand)]
enum Command {
    /// How the server is: what the status page says
    Status,
    /// How many accounts there are; look one up, suspend, restore or delete it
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Accounts {
        #[command(subcommand)]
        command: Accounts,
    },
    /// Limits: show them, change them while the server runs
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Limits {
        #[command(subcommand)]
        command: Limits,
    },
    /// Invites for newcomers: make, list, take back
    ///
    /// They count where the setting `sign_ups.proofs` asks for one.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Invites {
        #[command(subcommand)]
        command: Invites,
    },
    /// What people have reported: list, clear
    ///
    /// A report is what its sender claims. This server has never seen the messages in it and can't check them.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Reports {
        #[command(subcommand)]
        command: Reports,
    },
    /// The line of newcomers: how many wait, how long, and how fast it moves
    Queue,
    /// Stop the server as SIGTERM does, and show how far it is
    Drain {
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Subcommand)]
enum Accounts {
    /// How many there are
    Count,
    /// When an account signed up, how many devices it has, whether it is suspended
    Show {
        /// Name, handle or account id
        who: String,
    },
    /// Let it be found no more, and nobody new begin a conversation with it
    ///
    /// Its conversations go on: the server does not know which they are.
    Suspend {
        /// Name, handle or account id
        who: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Take a suspension back
    Restore {
        /// Name, handle or account id
        who: String,
    },
    /// Delete its manifest, its KeyPackages and its inbox, for good
    ///
    /// The name stays taken, so that nobody else passes for its owner. Conversations go on, as the server does not know them.
    Delete {
        /// Name, handle or account id
        who: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Subcommand)]
enum Invites {
    /// Make one; its code is shown here and never again
    Make {
        /// How many may come by it
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        people: u32,
        /// How long it lasts, such as 12h or 30d
        #[arg(long = "for", id = "lasts", value_name = "TIME", default_value = "7d", value_parser = days)]
        lasts: u64,
    },
    /// Those that are left, by id: the codes themselves are not kept
    List,
    /// Take one back: nobody comes by it any more
    #[command(name = "take-back")]
    TakeBack {
        /// Its id, as `invites list` shows it
        id: String,
    },
}

#[derive(Debug, Clone, PartialEq, Subcommand)]
enum Reports {
    /// Those that are kept, the oldest first
    List,
    /// Remove one, or all
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Clear {
        /// Its id, as `reports list` shows it
        #[arg(group = "which")]
        id: Option<String>,
        /// All of them
        #[arg(long, group = "which")]
        all: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Subcommand)]
enum Limits {
    /// Those that can be changed now, and what was changed
    Show,
    /// Change one; it takes itself back unless `limits keep` is said in time
    Set {
        /// The setting, as in the configuration file
        #[arg(value_parser = PossibleValuesParser::new(limits::keys().collect::<Vec<_>>()))]
        key: String,
        /// Its new value, as in the configuration file
        value: String,
        /// Only say what would change
        #[arg(long, conflicts_with_all = ["for_time", "keep"])]
        dry_run: bool,
        /// How long it holds, such as 30s or 10m
        #[arg(long = "for", id = "for_time", value_name = "TIME", default_value = "10m", value_parser = seconds, conflicts_with = "keep")]
        for_time: u64,
        /// Let it hold until the server ends
        #[arg(long)]
        keep: bool,
    },
    /// Let a change hold until the server ends; write it into the configuration to have it for longer
    Keep {
        /// The setting
        #[arg(value_parser = PossibleValuesParser::new(limits::keys().collect::<Vec<_>>()))]
        key: String,
    },
}

fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "a time such as 30s, 10m or 1h, up to 1h".to_owned();
    crate::config::time(text).map(|time| time.as_secs().max(1)).ok_or_else(wrong)
}

/// A time of at most a year, days among the units.
fn days(text: &str) -> Result<u64, String> {
    const DAY: u64 = 24 * 60 * 60;
    let in_days = || text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok()).map(|days| days.saturating_mul(DAY));
    let seconds = in_days().or_else(|| crate::config::time(text).map(|time| time.as_secs()));
    seconds.filter(|seconds| (1..=366 * DAY).contains(seconds)).ok_or_else(|| "a time such as 30m, 12h or 30d, up to 366d".to_owned())
}

/// `admin`, for the command line of the server.
pub(crate) fn subcommand() -> clap::Command {
    AdminCommand::augment_args(clap::Command::new("admin"))
        .about("Ask a running server of this machine, or tell it something")
        .long_about(
            "Asks a running server of this machine, or tells it something, over a socket in its data directory that only its own \
             user and root can open.",
        )
        .after_help("Exit status: 0 done, 1 refused, 2 a wrong command line, 3 no server runs on that directory.")
        .subcommand_required(true)
        .arg_required_else_help(true)
}

/// Reads what followed `admin`.
pub(crate) fn parse(matches: &clap::ArgMatches) -> AdminCommand {
    AdminCommand::from_arg_matches(matches).expect("clap has checked the arguments")
}

impl AdminCommand {
    /// Carries it out against the server that runs on this data directory.
    pub fn run(&self, data: &Path) -> ExitCode {
        let Self { command, json, data: _, config: _ } = self;
        let mut out = Screen { json: *json, drained: false };
        if let Some(question) = command.question()
            && !agreed(&question)
        {
            return out.fail("nothing was done: answer `y`, or give --yes", REFUSED);
        }
        let path = data.join(SOCKET);
        let stream = match with_short_path(&path, |path| UnixStream::connect(path)) {
            Ok(stream) => stream,
            Err(error) => return out.fail(&format!("{}: no server answers here ({error})", path.display()), NO_SERVER),
        };
        match converse(stream, &command.request(), &mut out) {
            Ok(code) => code,
            Err(_) if out.drained => out.end_of_drain(),
            Err(error) => out.fail(&format!("the server went away: {error}"), NO_SERVER),
        }
    }
}

/// A server that does not even do this has ended or hangs.
const ANSWER_TIME: Duration = Duration::from_secs(60);

fn converse(mut stream: UnixStream, request: &AdminRequest, out: &mut Screen) -> std::io::Result<ExitCode> {
    stream.set_read_timeout(Some(ANSWER_TIME))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line?)? {
            AdminAnswer::Error { message } => return Ok(out.fail(&message, REFUSED)),
            answer => out.show(&answer),
        }
    }
    Ok(if out.drained { out.end_of_drain() } else { ExitCode::SUCCESS })
}

impl Command {
    fn request(&self) -> AdminRequest {
        let moderate = |who: &String, act| AdminRequest::Moderate { who: who.clone(), act };
        match self {
            Self::Status => AdminRequest::Status,
            Self::Accounts { command: Accounts::Count } => AdminRequest::CountAccounts,
            Self::Accounts { command: Accounts::Show { who } } => AdminRequest::ShowAccount { who: who.clone() },
            Self::Accounts { command: Accounts::Suspend { who, yes: _ } } => moderate(who, Act::Suspend),
            Self::Accounts { command: Accounts::Restore { who } } => moderate(who, Act::Restore),
            Self::Accounts { command: Accounts::Delete { who, yes: _ } } => moderate(who, Act::Delete),
            Self::Limits { command: Limits::Show } => AdminRequest::ShowLimits,
            Self::Limits { command: Limits::Set { key, value, dry_run, for_time, keep } } => {
                let hold = match (dry_run, keep) {
                    (true, _) => Hold::DryRun,
                    (false, true) => Hold::Kept,
                    (false, false) => Hold::Seconds(*for_time),
                };
                AdminRequest::SetLimit { key: key.clone(), value: value.clone(), hold }
            }
            Self::Limits { command: Limits::Keep { key } } => AdminRequest::KeepLimit { key: key.clone() },
            Self::Invites { command: Invites::Make { people, lasts } } => AdminRequest::MakeInvite { people: *people, seconds: *lasts },
            Self::Invites { command: Invites::List } => AdminRequest::ListInvites,
            Self::Invites { command: Invites::TakeBack { id } } => AdminRequest::TakeBackInvite { id: id.clone() },
            Self::Reports { command: Reports::List } => AdminRequest::ListReports,
            Self::Reports { command: Reports::Clear { id, all: _ } } => AdminRequest::ClearReports { id: id.clone() },
            Self::Queue => AdminRequest::Queue,
            Self::Drain { yes: _ } => AdminRequest::Drain,
        }
    }

    /// What to ask before; none if it harms nobody or `--yes` was given.
    fn question(&self) -> Option<String> {
        match self {
            Self::Accounts { command: Accounts::Suspend { who, yes: false } } => {
                Some(format!("Suspend {who}? It will be found no more, and nobody new can begin a conversation with it."))
            }
            Self::Accounts { command: Accounts::Delete { who, yes: false } } => {
                Some(format!("Delete {who} for good? Its manifest, its KeyPackages and its inbox go; the name stays taken."))
            }
            Self::Drain { yes: false } => Some("Stop this server?".to_owned()),
            _ => None,
        }
    }
}

fn agreed(question: &str) -> bool {
    let (mut error, mut answer) = (std::io::stderr(), String::new());
    // Without a terminal there is nobody to ask.
    std::io::stdin().is_terminal()
        && write!(error, "{question} [y/N] ").and_then(|()| error.flush()).is_ok()
        && std::io::stdin().read_line(&mut answer).is_ok()
        && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Where answers go.
struct Screen {
    json: bool,
    /// A drain has begun.
    drained: bool,
}

impl Screen {
    fn show(&mut self, answer: &AdminAnswer) {
        self.drained |= matches!(answer, AdminAnswer::Draining { .. });
        let text = if self.json { serde_json::to_string(answer).unwrap_or_default() } else { text(answer) };
        // Whoever reads may have closed it; the act is done all the same.
        let _closed = writeln!(std::io::stdout(), "{text}");
    }

    fn end_of_drain(&self) -> ExitCode {
        let text = if self.json { r#"{"event":"stopped"}"# } else { "stopped" };
        let _closed = writeln!(std::io::stdout(), "{text}");
        ExitCode::SUCCESS
    }

    fn fail(&self, message: &str, code: u8) -> ExitCode {
        let text = if self.json {
            serde_json::json!({ "event": "error", "message": message }).to_string()
        } else {
            format!("alcyon-server admin: {message}")
        };
        let _closed = writeln!(std::io::stderr(), "{text}");
        ExitCode::from(code)
    }
}

fn text(answer: &AdminAnswer) -> String {
    match answer {
        AdminAnswer::Status(status) => status_text(status),
        AdminAnswer::Accounts { accounts, suspended } => format!("{accounts} accounts, {suspended} of them suspended"),
        AdminAnswer::Account(account) => account_text(account),
        AdminAnswer::Moderated { act, account } => {
            let done = match act {
                Act::Suspend => "suspended",
                Act::Restore => "restored",
                Act::Delete => "deleted",
            };
            format!("{done}: {}", account.account)
        }
        AdminAnswer::Limit(limit) => limit_text(limit),
        AdminAnswer::LimitChanged(changed) => changed_text(changed),
        AdminAnswer::InviteMade { code, people, expires_ms } => {
            format!("{code}\nfor {people}, until {}; it is shown this once", date(*expires_ms))
        }
        AdminAnswer::Invite(InviteShown { id, left, expires_ms }) => format!("{id}: {left} left, until {}", date(*expires_ms)),
        AdminAnswer::InviteTakenBack { id } => format!("taken back: {id}"),
        AdminAnswer::Report(report) => reports::text(report, date),
        AdminAnswer::ReportsCleared { reports } => format!("cleared: {reports}"),
        AdminAnswer::Queue(queue) => queue_text(queue),
        AdminAnswer::Draining { connections } => format!("draining: {connections} connections left"),
        AdminAnswer::Error { message } => message.clone(),
    }
}

fn status_text(status: &Status) -> String {
    let Status { server, version, time_ms: _, up_seconds, state, store, write_stuck_ms, serving_late_ms, .. } = status;
    let Status { connections, connections_most, sessions, memory_bytes, blob_bytes, last_minute, refusals, .. } = status;
    // Words of fixed sets, as in JSON.
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().replace('_', " ");
    let mut lines = vec![
        format!("{server}: {}", word(serde_json::json!(state))),
        format!("alcyon-server {version}, up for {}", span(*up_seconds)),
        format!("store: {}", word(serde_json::json!(store))),
        format!("behind by: {serving_late_ms} ms"),
        format!("asked, of what it can do: {:.0} %", status.asked * 100.0),
        format!("connections: {connections} of {connections_most}, {sessions} of them listen"),
        format!("memory: {}", memory_bytes.map_or("not known".to_owned(), bytes)),
        format!("files: {}", bytes(*blob_bytes)),
        format!(
            "last minute, a second: {:.1} messages taken, {:.1} handed over, {:.1} other requests, {:.1} refused",
            last_minute.appends_per_second, last_minute.delivered_per_second, last_minute.http_per_second, last_minute.refusals_per_second
        ),
    ];
    if let (Some(p50), Some(p99)) = (last_minute.write_p50_ms, last_minute.write_p99_ms) {
        lines.push(format!("messages safe on disk: half within {p50} ms, 99 of 100 within {p99} ms"));
    }
    if status.newcomers_waiting > 0 {
        lines.push(format!("newcomers in line: {}", line(status)));
    }
    if let Some(stuck) = write_stuck_ms {
        lines.push(format!("a write has not ended for {} s", stuck / 1000));
    }
    lines.extend(refusals.iter().map(|(code, count)| format!("refused, {}: {count}", code.replace('_', " "))));
    lines.join("\n")
}

fn account_text(account: &AccountShown) -> String {
    let AccountShown { account, signed_up_ms, devices, suspended_ms } = account;
    let state = suspended_ms.map_or("active".to_owned(), |ms| format!("suspended since {}", date(ms)));
    format!("account: {account}\nsigned up: {}\ndevices: {devices}\nstate: {state}", date(*signed_up_ms))
}

fn date(ms: u64) -> String {
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_millis(ms))
}

fn queue_text(queue: &Queue) -> String {
    let Queue { waiting, coming, wait_seconds, per_second } = queue;
    let pace = per_second.map_or("as many come in as do come".to_owned(), |rate| format!("{rate:.2} come in a second"));
    match (waiting, wait_seconds) {
        (0, _) => format!("nobody waits; {pace}"),
        (_, Some(seconds)) => format!("{waiting} wait, of whom {coming} will probably come; the last waits {}; {pace}", span(*seconds)),
        (_, None) => format!("{waiting} wait; {pace}"),
    }
}

fn limit_text(limit: &Shown) -> String {
    let Shown { key, value, before, reverts_in_seconds, help } = limit;
    let change = match (before, reverts_in_seconds) {
        (Some(before), Some(seconds)) => format!(" (back to {before} in {})", span(*seconds)),
        (Some(before), None) => format!(" (was {before}, kept until the server ends)"),
        (None, _) => String::new(),
    };
    format!("{key} = {value}{change}\n    {help}")
}

fn changed_text(changed: &Changed) -> String {
    let Changed { key, from, to, done, reverts_in_seconds, warnings } = changed;
    let mut lines = vec![if *done { format!("{key}: {from} -> {to}") } else { format!("{key}: would go from {from} to {to}") }];
    lines.extend(warnings.iter().map(|warning| format!("note: {warning}")));
    match (done, reverts_in_seconds) {
        (true, Some(seconds)) => lines.push(format!("goes back in {} unless you say: admin limits keep {key}", span(*seconds))),
        (true, None) => lines.push("stays until the server ends; the configuration is as it was".to_owned()),
        (false, _) => lines.push("nothing was changed".to_owned()),
    }
    lines.join("\n")
}
