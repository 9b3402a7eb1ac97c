use std::time::Duration;

use alcyon_client::Clock;
use futures::channel::oneshot;
use wasm_bindgen::{JsCast, prelude::Closure};
use web_sys::WorkerGlobalScope;

/// The browser's clock and a Worker's timers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BrowserClock;

impl Clock for BrowserClock {
    fn now_ms(&self) -> u64 {
        js_sys::Date::now() as u64
    }

    async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
    }
}

/// Waits; dropped, it takes its timer with it.
pub(crate) async fn sleep(duration: Duration) {
    let (done, waiting) = oneshot::channel();
    // Who no longer waits need not be woken.
    let callback = Closure::once(move || {
        let _ = done.send(());
    });
    // Timers count in signed 32 bits of milliseconds (24 days): who waits longer is woken early, and asks the clock.
    let milliseconds = i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    let timer = scope().set_timeout_with_callback_and_timeout_and_arguments_0(callback.as_ref().unchecked_ref(), milliseconds);
    let _timer = Timer(timer.expect("a Worker has timers"));
    // The callback lives in this frame, until it has been called.
    waiting.await.expect("the callback sends before it goes");
}

/// The Worker that this runs in.
pub(crate) fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

struct Timer(i32);

impl Drop for Timer {
    fn drop(&mut self) {
        scope().clear_timeout_with_handle(self.0);
    }
}
