use std::time::Duration;

use alcyon_client::{Connection, ServerUrl, TransportError};
use futures::{StreamExt, channel::mpsc};
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use web_sys::{BinaryType, MessageEvent, WebSocket};

use crate::clock::sleep;

/// One message as received; the same as natively.
const MESSAGE_LIMIT: u32 = 2 * 1024 * 1024;
/// What may wait in the browser before `send` waits, too.
const SEND_BUFFER: u32 = 1024 * 1024;
/// Between two looks at that buffer: browsers have no event for it.
const SEND_PAUSE: Duration = Duration::from_millis(10);
/// For handing one message to the browser.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// One WebSocket. Browsers answer pings by themselves and send none: a silent network shows when they notice it.
pub(crate) struct BrowserConnection {
    socket: WebSocket,
    arrived: mpsc::UnboundedReceiver<Arrived>,
    _handlers: [Handler; 4],
}

type Handler = Closure<dyn FnMut(JsValue)>;

/// What a handler saw. How many frames may wait is the protocol's business: unacknowledged entries are limited by credit.
enum Arrived {
    Open,
    Frame(Vec<u8>),
    /// Closed, failed, or something that is no frame.
    End,
}

impl BrowserConnection {
    /// Done once frames can be sent.
    pub(crate) async fn open(server: &ServerUrl) -> Result<Self, TransportError> {
        let unreachable = || TransportError::Unreachable("the browser could not open a WebSocket to it".to_owned());
        let socket = WebSocket::new(&(server.to_websocket() + "/v1/logs")).map_err(|_| unreachable())?;
        socket.set_binary_type(BinaryType::Arraybuffer);

        let (arrivals, arrived) = mpsc::unbounded();
        let handler = |see: fn(JsValue) -> Arrived| {
            let arrivals = arrivals.clone();
            Handler::new(move |event| drop(arrivals.unbounded_send(see(event))))
        };
        let handlers = [handler(|_| Arrived::Open), handler(frame), handler(|_| Arrived::End), handler(|_| Arrived::End)];
        let [open, message, error, close] = handlers.each_ref().map(|handler| Some(handler.as_ref().unchecked_ref()));
        socket.set_onopen(open);
        socket.set_onmessage(message);
        socket.set_onerror(error);
        socket.set_onclose(close);

        let mut connection = Self { socket, arrived, _handlers: handlers };
        match connection.arrived.next().await {
            Some(Arrived::Open) => Ok(connection),
            _ => Err(unreachable()),
        }
    }
}

fn frame(event: JsValue) -> Arrived {
    let event: MessageEvent = event.unchecked_into();
    match event.data().dyn_into::<ArrayBuffer>() {
        Ok(data) if data.byte_length() <= MESSAGE_LIMIT => Arrived::Frame(Uint8Array::new(&data).to_vec()),
        _ => Arrived::End,
    }
}

impl Connection for BrowserConnection {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), TransportError> {
        let mut patience = SEND_TIMEOUT.as_millis() / SEND_PAUSE.as_millis();
        while self.socket.ready_state() == WebSocket::OPEN && self.socket.buffered_amount() > SEND_BUFFER {
            if patience == 0 {
                return Err(TransportError::TimedOut);
            }
            patience -= 1;
            sleep(SEND_PAUSE).await;
        }
        // A socket that is closing takes bytes and drops them.
        if self.socket.ready_state() != WebSocket::OPEN {
            return Err(TransportError::Closed);
        }
        self.socket.send_with_u8_array(&frame).map_err(|_| TransportError::Closed)
    }

    /// Cancel-safe: what is taken from the queue is returned in the same poll.
    async fn receive(&mut self) -> Result<Vec<u8>, TransportError> {
        match self.arrived.next().await {
            Some(Arrived::Frame(frame)) => Ok(frame),
            Some(Arrived::Open | Arrived::End) | None => {
                // Whatever is asked next gets the same answer.
                self.arrived.close();
                Err(TransportError::Closed)
            }
        }
    }
}

impl Drop for BrowserConnection {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onerror(None);
        self.socket.set_onclose(None);
        // Fails only for a bad close code, and there is none.
        drop(self.socket.close());
    }
}
