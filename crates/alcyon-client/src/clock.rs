use std::time::Duration;

/// Time, from outside, so that tests can pause it and a browser can supply its own.
#[allow(async_fn_in_trait)] // one thread: no `Send` is wanted
pub trait Clock {
    /// Unix time in milliseconds. It may be wrong; the protocol never depends on it.
    fn now_ms(&self) -> u64;
    /// Waits.
    async fn sleep(&self, duration: Duration);
}
