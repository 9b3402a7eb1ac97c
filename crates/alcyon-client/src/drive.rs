//! Keeping connections: as many as are needed, for as long as they are needed.

use std::{cell::Cell, collections::BTreeSet, time::Duration};

use alcyon_store::{TermState, Tx};
use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};

use crate::{
    Client, ClientError, Clock, ConnectionState, Event, Synced, Transport,
    core::{alarm_view, message_view, request_view},
    hold::{Hold, Way},
    link::{Ended, Link, Purpose, purpose_of},
    local::Local,
    message::view::changed,
    random::random,
    retry::Retry,
};

/// Rounds of work that follows from work before a command gives up for now.
const ROUNDS: usize = 8;
/// How often directories that could not be reached are asked again, at the most.
const ERRANDS_MS: u64 = 30_000;

impl<T: Transport, C: Clock> Client<T, C> {
    /// Fetches and processes everything there is, empties the outbox, and returns what is new.
    pub async fn sync(&self) -> Result<Synced, ClientError> {
        self.core.local()?;
        let mut heard = self.core.listen();
        let mut lost = BTreeSet::new();
        let mut unreachable = 0;
        for round in 0..ROUNDS {
            unreachable = self.errands().await?;
            self.queue_receipts(true)?;
            let links: Vec<Link> =
                self.links(round == 0)?.into_iter().filter(|link| !lost.contains(link) && (round == 0 || self.has_work(link))).collect();
            if links.is_empty() {
                break;
            }
            let ends = futures::future::join_all(links.iter().map(|link| self.run_or_follow(link))).await;
            for (link, end) in links.into_iter().zip(ends) {
                match end {
                    Ok(()) => {}
                    Err(Ended::Away { .. }) => {
                        lost.insert(link);
                    }
                    Err(Ended::Failed(error)) => return Err(error),
                }
            }
        }
        // Messages, requests and alarms are in the store until they were shown; these are only told as they happen.
        let mut events = Vec::new();
        while let Some(Some(event)) = heard.next().now_or_never() {
            if matches!(event, Event::Accepted { .. } | Event::Left { .. } | Event::History { .. } | Event::Introduced { .. }) {
                events.push(event);
            }
        }
        self.let_go()?;
        let now_ms = self.clock.now_ms();
        let (news, queued, next_try_in_ms) = self.core.store.transaction(|tx| {
            let due = tx.outbox_heads(None)?.iter().map(|item| self.core.due_ms(item)).filter(|due_ms| *due_ms > now_ms).min();
            Ok::<_, ClientError>((self.news(tx)?, tx.count_queued()?, due.map(|due_ms| due_ms - now_ms)))
        })?;
        events.extend(news);
        let queued = usize::try_from(queued).unwrap_or(usize::MAX);
        Ok(Synced { events, unreachable: unreachable + lost.len(), queued, next_try_in_ms })
    }

    /// The same for as long as the future lives, reconnecting by itself. Ends only with an error of the profile.
    pub async fn listen(&self, mut on_event: impl FnMut(Event)) -> Result<(), ClientError> {
        self.core.local()?;
        self.let_go()?;
        let mut events = self.core.listen();
        for event in self.core.store.transaction(|tx| self.news(tx))? {
            on_event(event);
        }
        on_event(Event::Connection(ConnectionState::Connecting));
        let away = Cell::new(0_usize);
        let mut running: FuturesUnordered<LocalBoxFuture<'_, Result<Link, ClientError>>> = FuturesUnordered::new();
        let mut active = BTreeSet::new();
        let mut errands = std::pin::pin!(self.run_errands().fuse());
        let mut time = std::pin::pin!(self.keep_time().fuse());
        let mut telling = std::pin::pin!(self.tell().fuse());
        loop {
            let seen = self.core.work.count();
            for link in self.links(true)? {
                if active.insert(link.clone()) {
                    running.push(self.keep_link(link, &away).boxed_local());
                }
            }
            let mut work = std::pin::pin!(self.core.work.after(seen).fuse());
            futures::select_biased! {
                event = events.next() => if let Some(event) = event { on_event(event) },
                ended = running.select_next_some() => { active.remove(&ended?); }
                failed = errands => failed?,
                failed = time => failed?,
                failed = telling => failed?,
                () = work => {}
            }
        }
    }

    /// Runs what is needed for what waits, until `done` or until nothing more can be done now.
    pub(crate) async fn drive_until(&self, mut done: impl FnMut(&Tx<'_>) -> Result<bool, ClientError>) -> Result<(), ClientError> {
        self.core.local()?;
        let mut lost = BTreeSet::new();
        for _ in 0..ROUNDS {
            self.share_due()?;
            self.pay_what_is_owed().await?;
            let links: Vec<Link> = self.links(false)?.into_iter().filter(|link| !lost.contains(link) && self.has_work(link)).collect();
            if links.is_empty() {
                return Ok(());
            }
            let mut running: FuturesUnordered<_> =
                links.into_iter().map(|link| async move { (self.run_or_follow(&link).await, link) }).collect();
            while let Some((end, link)) = running.next().await {
                match end {
                    Ok(()) => {}
                    Err(Ended::Away { .. }) => {
                        lost.insert(link);
                    }
                    Err(Ended::Failed(error)) => return Err(error),
                }
                if self.core.store.transaction(|tx| done(tx))? && !self.has_any_work(&lost)? && !self.core.owes_any() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn has_any_work(&self, lost: &BTreeSet<Link>) -> Result<bool, ClientError> {
        Ok(self.links(false)?.iter().any(|link| !lost.contains(link) && self.has_work(link)))
    }

    /// Connections that are needed: for what waits, and with `reading` also for what there may be to read.
    fn links(&self, reading: bool) -> Result<BTreeSet<Link>, ClientError> {
        let local = self.core.local()?;
        let mut links = BTreeSet::new();
        let (terms, heads) = self.core.store.transaction(|tx| Ok::<_, ClientError>((tx.open_terms(None)?, tx.outbox_heads(None)?)))?;
        if reading {
            links.insert(Link { server: local.manifest.inbox().server.clone(), purpose: Purpose::Inbox });
        }
        for term in terms {
            if reading || term.state == TermState::Joining {
                links.insert(Link { server: term.server, purpose: Purpose::Hub });
            }
        }
        for item in heads {
            if let Some(purpose) = purpose_of(item.kind) {
                links.insert(Link { server: item.server, purpose });
            }
        }
        Ok(links)
    }

    /// Something is due on this connection. A store that can't be read is found out by whoever acts on it.
    fn has_work(&self, link: &Link) -> bool {
        let now_ms = self.clock.now_ms();
        let due = self.core.store.transaction(|tx| {
            let joining = tx.open_terms(Some(&link.server))?.iter().any(|term| term.state == TermState::Joining);
            let heads = tx.outbox_heads(Some(&link.server))?;
            let waiting = heads.iter().any(|item| {
                let makeable = item.frame.is_some() || crate::link::is_made_here(item.kind);
                purpose_of(item.kind) == Some(link.purpose) && self.core.due_ms(item) <= now_ms && makeable
            });
            Ok::<_, ClientError>(waiting || (joining && link.purpose == Purpose::Hub))
        });
        due.unwrap_or(true)
    }

    /// Runs a connection until nothing is left to do on it. Where somebody keeps it already, waits until that one has looked at
    /// all that there is to do now, and has nothing left.
    pub(crate) async fn run_or_follow(&self, link: &Link) -> Result<(), Ended> {
        let holds = &self.core.holds;
        let wanted = self.core.work.count();
        loop {
            let seen = holds.progress.count();
            if let Some(_hold) = holds.take(link) {
                return self.run_link(link, false, |_| ()).await;
            }
            match holds.way(link) {
                Some(Way::Up { idle_at: Some(looked_at) }) if looked_at >= wanted => return Ok(()),
                Some(Way::Away) => return Err(Ended::Away { after_ms: 0, said_goodbye: false }),
                Some(Way::Up { .. }) | None => holds.progress.after(seen).await,
            }
        }
    }

    /// Takes a connection as soon as nobody else keeps it.
    async fn hold(&self, link: &Link) -> Hold<'_> {
        loop {
            let seen = self.core.holds.progress.count();
            if let Some(hold) = self.core.holds.take(link) {
                return hold;
            }
            self.core.holds.progress.after(seen).await;
        }
    }

    /// Keeps one connection up; ends when it is not needed any more.
    async fn keep_link(&self, link: Link, away: &Cell<usize>) -> Result<Link, ClientError> {
        let mut retry = Retry::default();
        let mut is_away = false;
        let hold = self.hold(&link).await;
        loop {
            hold.up();
            let for_ever = link.purpose != Purpose::Knock;
            let mut online = false;
            let caught_up = |looked_at| {
                hold.set(Way::Up { idle_at: Some(looked_at) });
                if !online {
                    online = true;
                    if std::mem::take(&mut is_away) {
                        away.set(away.get() - 1);
                    }
                    if away.get() == 0 {
                        self.core.emit([Event::Connection(ConnectionState::Online)]);
                    }
                }
            };
            let end = self.run_link(&link, for_ever, caught_up).await;
            if online {
                retry.succeeded();
            }
            match end {
                Ok(()) if !self.has_work(&link) => return Ok(link),
                Ok(()) => {}
                Err(Ended::Away { after_ms, said_goodbye }) => {
                    if !std::mem::replace(&mut is_away, true) {
                        away.set(away.get() + 1);
                    }
                    hold.set(Way::Away);
                    let draw = u64::from_le_bytes(random());
                    // Cut off without a word: so may all the others be.
                    let retry_in_ms = if online && !said_goodbye {
                        retry.lost(self.core.reconnect_within_ms(&link.server)?, draw)
                    } else {
                        retry.failed(after_ms, draw)
                    };
                    self.core.emit([Event::Connection(ConnectionState::Waiting { retry_in_ms })]);
                    self.clock.sleep(Duration::from_millis(retry_in_ms)).await;
                }
                Err(Ended::Failed(error)) => return Err(error),
            }
        }
    }

    /// What goes over HTTP: starts, handles to be confirmed, KeyPackages, stamps, repairs. Returns how many servers could not be reached.
    async fn errands(&self) -> Result<usize, ClientError> {
        let doubts = self.clear_doubt().await?;
        let starts = self.run_starts(None).await?;
        let requests = self.confirm_requests().await?;
        let packages = self.renew_key_packages().await?;
        self.refill_purse().await?;
        let unpaid = self.pay_what_is_owed().await?;
        let repairs = self.run_next_terms().await? + self.finish_addings().await?;
        self.share_due()?;
        Ok(doubts + starts + requests + repairs + unpaid + usize::from(!packages))
    }

    async fn run_errands(&self) -> Result<(), ClientError> {
        let mut retry = Retry::default();
        loop {
            let seen = self.core.work.count();
            let wait_ms = if self.errands().await? == 0 {
                retry.succeeded();
                ERRANDS_MS
            } else {
                retry.failed(ERRANDS_MS, u64::from_le_bytes(random()))
            };
            let events = match self.core.local() {
                Ok(local) => self.core.store.transaction(|tx| announce_requests(tx, &local))?,
                Err(_no_account) => Vec::new(),
            };
            self.core.emit(events);
            let mut work = std::pin::pin!(self.core.work.after(seen).fuse());
            let mut sleep = std::pin::pin!(self.clock.sleep(Duration::from_millis(wait_ms)).fuse());
            futures::select_biased! { () = work => {}, () = sleep => {} }
        }
    }

    /// Everything of others that was not shown yet.
    fn news(&self, tx: &Tx<'_>) -> Result<Vec<Event>, ClientError> {
        let local = self.core.local()?;
        let mut events = announce_requests(tx, &local)?;
        for record in tx.unshown_messages()? {
            if record.kind.stands_alone() {
                events.push(Event::Message(message_view(tx, &local, record)?));
            } else {
                events.extend(changed(tx, &local, &record)?);
            }
        }
        events.extend(tx.take_unshown_alarms()?.iter().filter_map(alarm_view).map(Event::Alarm));
        Ok(events)
    }
}

/// Requests that were not shown yet; from here on they count as shown.
fn announce_requests(tx: &Tx<'_>, local: &Local) -> Result<Vec<Event>, ClientError> {
    let mut events = Vec::new();
    for mut request in tx.open_requests()? {
        if !request.shown {
            request.shown = true;
            tx.put_request(&request)?;
            events.push(Event::Request(request_view(tx, local, &request)?));
        }
    }
    Ok(events)
}
