use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use alcyon_wire::{RefusalCode, ServerUrl};

use crate::{ClientError, Clock, HttpRequest, HttpResponse, RefusalKind, Transport, TransportError, Ways, directory::refusal};

/// A transport that keeps to what servers have said: where one has too much to do, nothing is asked over HTTP before the time it
/// has named, by whatever part of the client; and where one stops and another process of it goes on, that is asked.
pub(crate) struct Paced<T, C> {
    inner: T,
    clock: Rc<C>,
    not_before_ms: RefCell<BTreeMap<ServerUrl, u64>>,
}

/// However long a server says, after this it is asked again.
const LONGEST_MS: u64 = 60 * 60 * 1000;

impl<T, C> Paced<T, C> {
    pub(crate) fn new(inner: T, clock: Rc<C>) -> Self {
        Self { inner, clock, not_before_ms: RefCell::default() }
    }
}

impl<T: Transport, C: Clock> Transport for Paced<T, C> {
    type Connection = T::Connection;

    async fn request(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let server = request.server.clone();
        let now_ms = self.clock.now_ms();
        if let Some(until_ms) = self.not_before_ms.borrow().get(&server)
            // A clock that was set back does not hold anything up.
            && (now_ms..now_ms.saturating_add(LONGEST_MS)).contains(until_ms)
            && *until_ms > now_ms
        {
            return Err(TransportError::Later { after_ms: until_ms - now_ms });
        }
        let mut answer = self.inner.request(request.clone()).await;
        if let Ok(first) = &answer
            && let Some(location) = elsewhere(first)
        {
            // Under the same name and certificate: a server can send its clients to itself alone.
            self.inner.go_to(&server, location.host());
            answer = self.inner.request(request).await;
        }
        if let Ok(answer) = &answer {
            match too_much(answer) {
                Some(after_ms) => {
                    let until_ms = self.clock.now_ms().saturating_add(after_ms.min(LONGEST_MS - 1));
                    self.not_before_ms.borrow_mut().insert(server, until_ms);
                }
                None => {
                    self.not_before_ms.borrow_mut().remove(&server);
                }
            }
        }
        answer
    }

    async fn connect(&self, server: &ServerUrl) -> Result<T::Connection, TransportError> {
        self.inner.connect(server).await
    }

    fn ways(&self, server: &ServerUrl) -> Ways {
        self.inner.ways(server)
    }

    fn learn(&self, server: &ServerUrl, ways: Ways) {
        self.inner.learn(server, ways);
    }

    fn go_to(&self, server: &ServerUrl, host: &str) {
        self.inner.go_to(server, host);
    }
}

/// Where this server goes on, if this process of it says so.
fn elsewhere(answer: &HttpResponse) -> Option<ServerUrl> {
    #[derive(serde::Deserialize)]
    struct Problem {
        verdict: String,
        location: String,
    }
    if answer.status != 503 {
        return None;
    }
    let Problem { verdict, location } = serde_json::from_slice(&answer.body).ok()?;
    (verdict == "elsewhere").then(|| location.parse().ok())?
}

/// The server as a whole has too much to do, or stops: how long to leave it alone.
fn too_much(answer: &HttpResponse) -> Option<u64> {
    if answer.status != 503 {
        return None;
    }
    match refusal(answer) {
        (Some(problem), ClientError::Refused { kind: RefusalKind::Later { after_ms }, code: RefusalCode::Unspecified, .. })
            if matches!(problem.as_str(), "overloaded" | "draining" | "too_many") =>
        {
            Some(after_ms)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{cell::Cell, time::Duration};

    use futures::FutureExt;

    use super::*;
    use crate::{Connection, HttpMethod};

    struct Busy {
        asked: Cell<u32>,
        body: &'static str,
        sent_to: RefCell<Vec<String>>,
    }

    impl Busy {
        fn new(body: &'static str) -> Self {
            Self { asked: Cell::new(0), body, sent_to: RefCell::default() }
        }
    }

    enum NoConnection {}

    impl Connection for NoConnection {
        async fn send(&mut self, _: Vec<u8>) -> Result<(), TransportError> {
            match *self {}
        }

        async fn receive(&mut self) -> Result<Vec<u8>, TransportError> {
            match *self {}
        }
    }

    impl Transport for Busy {
        type Connection = NoConnection;

        async fn request(&self, _: HttpRequest) -> Result<HttpResponse, TransportError> {
            self.asked.set(self.asked.get() + 1);
            Ok(HttpResponse { status: 503, headers: Vec::new(), body: self.body.as_bytes().to_vec() })
        }

        async fn connect(&self, _: &ServerUrl) -> Result<NoConnection, TransportError> {
            Err(TransportError::Closed)
        }

        fn go_to(&self, _: &ServerUrl, host: &str) {
            self.sent_to.borrow_mut().push(host.to_owned());
        }
    }

    struct At(Cell<u64>);

    impl Clock for At {
        fn now_ms(&self) -> u64 {
            self.0.get()
        }

        async fn sleep(&self, _: Duration) {}
    }

    fn ask(paced: &Paced<Busy, At>, server: &str) -> Result<HttpResponse, TransportError> {
        let (server, path) = (server.parse().unwrap(), "/v1/server".to_owned());
        let request = HttpRequest { server, method: HttpMethod::Get, path, headers: Vec::new(), body: Vec::new() };
        paced.request(request).now_or_never().unwrap()
    }

    #[test]
    fn a_server_that_has_too_much_to_do_is_left_alone_until_the_time_it_has_named() {
        let body = r#"{"error":"overloaded","message":"m","verdict":"later","retry_after_ms":7000}"#;
        let clock = Rc::new(At(Cell::new(1_000_000_000)));
        let paced = Paced::new(Busy::new(body), clock.clone());
        assert_eq!(ask(&paced, "https://one.example").unwrap().status, 503);
        for passed in [0, 1, 6_999] {
            clock.0.set(1_000_000_000 + passed);
            assert_eq!(ask(&paced, "https://one.example").unwrap_err(), TransportError::Later { after_ms: 7_000 - passed });
        }
        assert_eq!(paced.inner.asked.get(), 1);
        assert_eq!(ask(&paced, "https://other.example").unwrap().status, 503);
        clock.0.set(1_000_007_000);
        assert_eq!(ask(&paced, "https://one.example").unwrap().status, 503);
        assert_eq!(paced.inner.asked.get(), 3);
        // Set back.
        clock.0.set(5);
        assert_eq!(ask(&paced, "https://one.example").unwrap().status, 503);
    }

    #[test]
    fn whoever_is_sent_elsewhere_goes_there_once_and_asks_again() {
        let body = r#"{"error":"draining","message":"m","verdict":"elsewhere","location":"https://two.example"}"#;
        let paced = Paced::new(Busy::new(body), Rc::new(At(Cell::new(1))));
        assert_eq!(ask(&paced, "https://one.example").unwrap().status, 503);
        assert_eq!((paced.inner.asked.get(), paced.inner.sent_to.take()), (2, vec!["two.example".to_owned()]));
        for nonsense in [r#"{"verdict":"elsewhere"}"#, r#"{"verdict":"elsewhere","location":"nowhere at all"}"#] {
            let paced = Paced::new(Busy::new(nonsense), Rc::new(At(Cell::new(1))));
            assert_eq!(ask(&paced, "https://one.example").unwrap().status, 503);
            assert!(paced.inner.asked.get() == 1 && paced.inner.sent_to.take().is_empty());
        }
    }

    #[test]
    fn a_quota_of_one_thing_holds_up_nothing_else() {
        let body = r#"{"error":"internal","message":"m","verdict":"later","retry_after_ms":7000}"#;
        let paced = Paced::new(Busy::new(body), Rc::new(At(Cell::new(1))));
        for asked in 1..4 {
            assert_eq!(ask(&paced, "https://one.example").unwrap().status, 503);
            assert_eq!(paced.inner.asked.get(), asked);
        }
    }
}
