use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use alcyon_wire::{RefusalCode, ServerUrl};

use crate::{ClientError, Clock, HttpRequest, HttpResponse, RefusalKind, Transport, TransportError, Ways, directory::refusal};

/// A transport that keeps to what servers have said: where one has too much to do, nothing is asked over HTTP before the time it
/// has named, by whatever part of the client.
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
        let answer = self.inner.request(request).await;
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
        let paced = Paced::new(Busy { asked: Cell::new(0), body }, clock.clone());
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
    fn a_quota_of_one_thing_holds_up_nothing_else() {
        let body = r#"{"error":"internal","message":"m","verdict":"later","retry_after_ms":7000}"#;
        let paced = Paced::new(Busy { asked: Cell::new(0), body }, Rc::new(At(Cell::new(1))));
        for asked in 1..4 {
            assert_eq!(ask(&paced, "https://one.example").unwrap().status, 503);
            assert_eq!(paced.inner.asked.get(), asked);
        }
    }
}
