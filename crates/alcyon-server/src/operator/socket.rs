//! The admin socket: a Unix socket in the data directory, for the server's own user and root alone. Each connection asks
//! one thing.

use std::{
    fs::Permissions,
    io,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::Semaphore,
    time::timeout,
};

use super::{
    Operator,
    accounts::{self, AccountError},
    reports::shown,
    request::{AdminAnswer, AdminRequest, InviteShown},
};
use crate::{edge::lifecycle::Phase, reports::ReportId, sign_up::Invite};

/// Who asks at once.
const CONNECTIONS: usize = 16;
/// A question is one line, and comes at once.
const LINE: u64 = 16 * 1024;
const LINE_TIME: Duration = Duration::from_secs(5);
/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(200);

/// Takes the place of a socket that a killed process has left: the store's lock says that nobody else uses the directory.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = with_short_path(path, |path| UnixListener::bind(path))?;
    // The directory is its owner's alone, and whoever comes in is asked who they are; this is the third lock.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A Unix socket's path has at most 107 bytes. Longer ones go by the open directory.
pub(super) fn with_short_path<T>(path: &Path, with: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    const LONGEST: usize = 107;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return with(path);
    };
    if path.as_os_str().len() <= LONGEST {
        return with(path);
    }
    let folder = std::fs::File::open(folder)?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
    with(&PathBuf::from(format!("/proc/self/fd/{number}")).join(name))
}

/// For ever, or until the listener can't be used.
pub(super) async fn serve(listener: UnixListener, operator: Arc<Operator>) -> io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let own = std::fs::metadata("/proc/self")?.uid();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return Ok(());
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0) {
            continue;
        }
        let operator = operator.clone();
        tokio::spawn(async move {
            let _gone = converse(stream, &operator).await;
            drop(place);
        });
    }
}

async fn converse(stream: UnixStream, operator: &Operator) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LINE));
    timeout(LINE_TIME, read.read_line(&mut line)).await??;
    let request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(_) => return tell(&mut write, &error("this server does not know that command: is it of another version?")).await,
    };
    if let AdminRequest::Drain = request {
        operator.drain.notify_one();
        return drain(&mut write, operator).await;
    }
    for answer in answers(request, operator).await {
        tell(&mut write, &answer).await?;
    }
    Ok(())
}

async fn answers(request: AdminRequest, operator: &Operator) -> Vec<AdminAnswer> {
    let Operator { board, lifecycle: _, directory, sign_ups, reports, limits, drain: _ } = operator;
    match request {
        AdminRequest::Status => vec![AdminAnswer::Status(Box::new(board.status()))],
        AdminRequest::CountAccounts => {
            let directory = directory.clone();
            vec![reading(move || accounts::count(&directory)).await]
        }
        AdminRequest::ShowAccount { who } => {
            let directory = directory.clone();
            vec![reading(move || Ok(AdminAnswer::Account(accounts::show(&directory, &who)?.1))).await]
        }
        AdminRequest::Moderate { who, act } => {
            let reader = directory.clone();
            let found = tokio::task::spawn_blocking(move || accounts::show(&reader, &who)).await;
            vec![match found {
                Ok(Ok((id, account))) => match directory.moderate(id, act.into()).await {
                    Ok(()) => AdminAnswer::Moderated { act, account },
                    Err(refused) => error(refused),
                },
                Ok(Err(refused)) => error(refused),
                Err(_ended) => error("the server is ending"),
            }]
        }
        AdminRequest::ShowLimits => limits.show().into_iter().map(AdminAnswer::Limit).collect(),
        AdminRequest::SetLimit { key, value, hold } => {
            vec![limits.set(&key, &value, hold).map_or_else(error, AdminAnswer::LimitChanged)]
        }
        AdminRequest::KeepLimit { key } => match limits.keep(&key) {
            Ok(shown) => shown.into_iter().map(AdminAnswer::Limit).collect(),
            Err(refused) => vec![error(refused)],
        },
        AdminRequest::MakeInvite { people, seconds } => {
            vec![match sign_ups.make_invite(directory, people, Duration::from_secs(seconds)).await {
                Ok((code, expires_ms)) => AdminAnswer::InviteMade { code: code.to_string(), people, expires_ms },
                Err(refused) => error(refused),
            }]
        }
        AdminRequest::ListInvites => {
            let sign_ups = sign_ups.clone();
            match tokio::task::spawn_blocking(move || sign_ups.invites()).await {
                Ok(Ok(invites)) => {
                    let shown = |Invite { id, left, expires_ms }| AdminAnswer::Invite(InviteShown { id, left, expires_ms });
                    invites.into_iter().map(shown).collect()
                }
                Ok(Err(failed)) => vec![error(failed)],
                Err(_ended) => vec![error("the server is ending")],
            }
        }
        AdminRequest::TakeBackInvite { id } => vec![match sign_ups.take_back_invite(directory, &id).await {
            Ok(true) => AdminAnswer::InviteTakenBack { id },
            Ok(false) => error(format!("there is no invite {id}")),
            Err(refused) => error(refused),
        }],
        AdminRequest::ListReports => {
            let reader = reports.clone();
            match tokio::task::spawn_blocking(move || reader.list()).await {
                Ok(Ok(listed)) => listed.into_iter().map(|(id, record)| AdminAnswer::Report(shown(reports, id, record))).collect(),
                Ok(Err(failed)) => vec![error(failed)],
                Err(_ended) => vec![error("the server is ending")],
            }
        }
        AdminRequest::ClearReports { id } => vec![match id.as_deref().map(ReportId::from_text) {
            Some(None) => error("an id of a report has 32 hexadecimal digits"),
            named => match reports.clear(directory, named.flatten()).await {
                Ok(0) if named.is_some() => error("there is no such report"),
                Ok(reports) => AdminAnswer::ReportsCleared { reports },
                Err(refused) => error(refused),
            },
        }],
        AdminRequest::Queue => vec![AdminAnswer::Queue(sign_ups.queue())],
        AdminRequest::Drain => Vec::new(),
    }
}

/// Reads the store on a thread that may hang with it.
async fn reading(read: impl FnOnce() -> Result<AdminAnswer, AccountError> + Send + 'static) -> AdminAnswer {
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(refused)) => error(refused),
        Err(_ended) => error("the server is ending"),
    }
}

/// Tells how many are left until the process ends.
async fn drain(write: &mut (impl AsyncWriteExt + Unpin), operator: &Operator) -> io::Result<()> {
    operator.lifecycle.reached(Phase::Draining).await;
    loop {
        let (connections, _) = operator.lifecycle.connections();
        tell(write, &AdminAnswer::Draining { connections }).await?;
        tokio::time::sleep(PROGRESS).await;
    }
}

async fn tell(write: &mut (impl AsyncWriteExt + Unpin), answer: &AdminAnswer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    write.write_all(&line).await
}

fn error(message: impl ToString) -> AdminAnswer {
    AdminAnswer::Error { message: message.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_socket_is_its_owner_s_alone_and_takes_an_old_one_s_place() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a".to_owned(), "b".repeat(120)] {
            let path = folder.path().join(name).join("admin.sock");
            std::fs::create_dir(path.parent().unwrap()).unwrap();
            for _ in 0..2 {
                let _listener = bind(&path).unwrap();
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
                with_short_path(&path, |path| std::os::unix::net::UnixStream::connect(path)).unwrap();
            }
        }
    }
}
