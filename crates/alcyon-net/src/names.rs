//! From names to addresses, also when the resolver is dead: what a name has led to before is remembered, and what else a server
//! has said of where it is.

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alcyon_client::Ways;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::{net::lookup_host, time::timeout};
use tower_service::Service;

/// What a name has led to is good for so long, milliseconds: 30 days.
const GOOD_FOR_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// The resolver gets so long.
const RESOLVER_TIME: Duration = Duration::from_secs(3);
/// Where a server has sent its clients they look first, for so long.
const ELSEWHERE_FOR: Duration = Duration::from_secs(10 * 60);
/// Addresses kept of one name.
const KEPT: usize = 16;

/// Asks the system, and remembers. Clones share what they know.
#[derive(Clone, Default)]
pub(crate) struct Names {
    known: Arc<Mutex<BTreeMap<String, Known>>>,
    /// Instead of the system's resolver: none answers.
    #[cfg(test)]
    dead: bool,
}

#[derive(Default)]
struct Known {
    ways: Ways,
    /// Where the server has sent its clients, and until when they look there first.
    elsewhere: Option<(String, Instant)>,
}

impl Names {
    /// What is known of a name.
    pub(crate) fn ways(&self, name: &str) -> Ways {
        self.known().get(name).map(|known| known.ways.clone()).unwrap_or_default()
    }

    /// Takes over what was known; newer findings stay.
    pub(crate) fn learn(&self, name: &str, ways: Ways) {
        let mut names = self.known();
        let known = names.entry(name.to_owned()).or_default();
        known.ways.others = ways.others;
        for (address, seen_ms) in ways.found {
            found(&mut known.ways, address, seen_ms);
        }
    }

    /// For a while this host is tried first.
    pub(crate) fn go_to(&self, name: &str, host: &str) {
        self.known().entry(name.to_owned()).or_default().elsewhere = Some((host.to_owned(), Instant::now() + ELSEWHERE_FOR));
    }

    /// Addresses for a name, the likeliest first.
    async fn resolve(self, name: String) -> io::Result<Vec<SocketAddr>> {
        let (first, ways) = {
            let mut names = self.known();
            let known = names.entry(name.clone()).or_default();
            let first = known.elsewhere.as_ref().filter(|(_, until)| *until > Instant::now()).map(|(host, _)| host.clone());
            (first, known.ways.clone())
        };
        let mut addresses = Vec::new();
        if let Some(host) = first {
            addresses.extend(self.ask(&host).await.unwrap_or_default());
        }
        let now_ms = now_ms();
        let asked = self.ask(&name).await;
        if let Ok(asked) = &asked {
            let mut names = self.known();
            let known = names.entry(name).or_default();
            for address in asked {
                found(&mut known.ways, *address, now_ms);
            }
        }
        let failed = asked.as_ref().err().map(|error| io::Error::new(error.kind(), error.to_string()));
        addresses.extend(asked.unwrap_or_default());
        // What was found long ago is worth less than what the server has published.
        for other in &ways.others {
            // Names cost a question each; they are asked only where nothing else is known.
            match other.parse() {
                Ok(address) => addresses.push(address),
                Err(_) if addresses.is_empty() => addresses.extend(self.ask(other).await.unwrap_or_default()),
                Err(_) => {}
            }
        }
        let good = ways.found.iter().filter(|(_, seen_ms)| seen_ms.saturating_add(GOOD_FOR_MS) > now_ms);
        addresses.extend(good.map(|(address, _)| *address));
        let mut seen = Vec::with_capacity(addresses.len());
        for address in addresses {
            if !seen.contains(&address) {
                seen.push(address);
            }
        }
        match failed {
            Some(error) if seen.is_empty() => Err(error),
            _ => Ok(seen.into_iter().map(|address| SocketAddr::new(address, 0)).collect()),
        }
    }

    async fn ask(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        #[cfg(test)]
        if self.dead {
            return Err(io::Error::other("no resolver"));
        }
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        match timeout(RESOLVER_TIME, lookup_host((name, 0))).await {
            Ok(addresses) => Ok(addresses?.map(|address| address.ip()).collect()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes an address, or that it was found again. The newest are kept, newest first.
fn found(ways: &mut Ways, address: IpAddr, seen_ms: u64) {
    match ways.found.iter_mut().find(|(known, _)| *known == address) {
        Some((_, at)) => *at = seen_ms.max(*at),
        None => ways.found.push((address, seen_ms)),
    }
    ways.found.sort_by_key(|(_, seen_ms)| std::cmp::Reverse(*seen_ms));
    ways.found.truncate(KEPT);
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let names = self.clone();
        Box::pin(async move { Ok(names.resolve(name.as_str().to_owned()).await?.into_iter()) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn dead() -> Names {
        Names { dead: true, ..Names::default() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    async fn resolve(names: &Names) -> Vec<IpAddr> {
        names.clone().resolve("chat.example".to_owned()).await.unwrap().into_iter().map(|address| address.ip()).collect()
    }

    #[tokio::test]
    async fn with_a_dead_resolver_what_was_found_before_is_good_for_30_days() {
        let names = dead();
        assert!(names.clone().resolve("chat.example".to_owned()).await.is_err());
        let now_ms = now_ms();
        let found = vec![(ip("192.0.2.1"), now_ms - GOOD_FOR_MS + 60_000), (ip("192.0.2.2"), now_ms - GOOD_FOR_MS - 1)];
        names.learn("chat.example", Ways { others: vec!["198.51.100.7".to_owned(), "b.example".to_owned()], found });
        assert_eq!(resolve(&names).await, [ip("198.51.100.7"), ip("192.0.2.1")]);
    }

    #[tokio::test]
    async fn what_the_resolver_says_is_remembered_and_goes_first() {
        let names = Names::default();
        names.learn("127.0.0.1", Ways { others: Vec::new(), found: vec![(ip("192.0.2.1"), now_ms())] });
        let addresses = names.clone().resolve("127.0.0.1".to_owned()).await.unwrap();
        assert_eq!(addresses.iter().map(SocketAddr::ip).collect::<Vec<_>>(), [ip("127.0.0.1"), ip("192.0.2.1")]);
        assert!(names.ways("127.0.0.1").found.iter().any(|(address, _)| *address == ip("127.0.0.1")));
    }

    #[tokio::test]
    async fn where_a_server_sends_its_clients_they_look_first() {
        let names = Names::default();
        names.learn("127.0.0.1", Ways { others: vec!["192.0.2.9".to_owned()], found: Vec::new() });
        names.go_to("127.0.0.1", "192.0.2.5");
        let addresses = names.clone().resolve("127.0.0.1".to_owned()).await.unwrap();
        assert_eq!(addresses[0].ip(), ip("192.0.2.5"));
        assert_eq!(addresses.len(), 3);
    }

    #[test]
    fn no_more_addresses_are_kept_than_are_of_use() {
        let mut ways = Ways::default();
        for n in 0..100_u8 {
            found(&mut ways, IpAddr::from([192, 0, 2, n]), u64::from(n));
        }
        assert_eq!((ways.found.len(), ways.found[0]), (KEPT, (ip("192.0.2.99"), 99)));
    }
}
