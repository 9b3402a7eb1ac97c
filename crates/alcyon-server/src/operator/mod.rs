//! What an operator sees and does while the server runs: the status page, and the socket of `alcyon-server admin`.
//!
//! Both live on a thread and a runtime of their own and look at counters and at what is in memory, so that they answer when
//! the path of the logs does not: a disk that hangs, an executor that is late. Only commands about accounts read the store;
//! they wait on threads of their own. Nothing here knows more of people than the directory shows to everybody.

mod accounts;
mod board;
pub(crate) mod command;
mod guard;
mod limits;
mod page;
mod reports;
mod request;
mod samples;
mod socket;
mod web;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use tokio::sync::Notify;

use crate::{
    any_store::AnyStore,
    directory::Directory,
    edge::lifecycle::{Lifecycle, Phase},
    observe::event,
    reports::Reports,
    sign_up::SignUps,
};

pub(crate) use board::{Board, Sources};
pub use board::{LastMinute, State, Status, StoreState};
pub(crate) use limits::LiveLimits;

/// Below the data directory.
pub(crate) const SOCKET: &str = "admin.sock";

/// What the thread needs.
pub(crate) struct Operator {
    pub(crate) board: Arc<Board>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) directory: Directory<AnyStore>,
    pub(crate) sign_ups: Arc<SignUps<AnyStore>>,
    pub(crate) reports: Arc<Reports<AnyStore>>,
    pub(crate) limits: LiveLimits,
    /// Told once when somebody asks for a drain.
    pub(crate) drain: Arc<Notify>,
}

/// The thread, and where its page is.
pub(crate) struct Running {
    pub(crate) status: Option<SocketAddr>,
    socket: Option<PathBuf>,
    thread: Option<JoinHandle<()>>,
}

impl Operator {
    /// Binds both and starts the thread; it ends with the server. `status` is where the page is, `socket` the admin socket;
    /// without either there is no thread.
    pub(crate) fn start(self, status: Option<SocketAddr>, socket: Option<PathBuf>) -> io::Result<Running> {
        if status.is_none() && socket.is_none() {
            return Ok(Running { status: None, socket: None, thread: None });
        }
        let web = status.map(web::bind).transpose()?;
        let status = web.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
        let admin = socket.as_deref().map(socket::bind).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("alcyon-operator".to_owned()).spawn(move || {
            let lifecycle = self.lifecycle.clone();
            runtime.block_on(async {
                let operator = Arc::new(self);
                tokio::select! {
                    () = lifecycle.reached(Phase::Ended) => {}
                    () = operator.serve(web, admin) => {}
                }
            });
            // A read of the store may hang: it must not hold up the end.
            runtime.shutdown_background();
        })?;
        Ok(Running { status, socket, thread: Some(thread) })
    }

    async fn serve(self: Arc<Self>, web: Option<std::net::TcpListener>, admin: Option<std::os::unix::net::UnixListener>) {
        let page = async {
            match web {
                Some(listener) => web::serve(listener, self.board.clone()).await,
                None => std::future::pending().await,
            }
        };
        let socket = async {
            match admin {
                Some(listener) => socket::serve(listener, self.clone()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Err(error) = page => event!(ERROR, "the status page has ended", reason = error.kind()),
            Err(error) = socket => event!(ERROR, "the admin socket has ended", reason = error.kind()),
            () = self.board.sample_for_ever() => {}
            () = self.limits.revert_for_ever() => {}
        }
    }
}

impl Running {
    /// Waits until the thread has ended, which it does once the server has.
    pub(crate) fn join(&mut self) {
        if let Some(socket) = &self.socket {
            remove(socket);
        }
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, the panic was told when it happened.
            let _ended = thread.join();
        }
    }
}

fn remove(socket: &Path) {
    // It may never have been there.
    let _gone = std::fs::remove_file(socket);
}
