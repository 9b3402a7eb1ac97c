//! Serves the test's page, and takes what it reports.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// For one step of the page. Nothing waits for it to pass but a test that fails.
const PATIENCE: Duration = Duration::from_secs(180);

/// The page's origin. It ends with the process.
pub struct PageServer {
    /// Without a slash at the end. `127.0.0.1` is a secure context, as the file system wants.
    pub url: String,
    reports: Receiver<Value>,
}

impl PageServer {
    /// Serves the smoke test's files and those of `built`.
    pub fn start(built: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, reports) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, built) = (sender.clone(), built.clone());
                // A browser opens connections that it does not use, and closes others half-way.
                thread::spawn(move || drop(answer(stream, &sender, &built)));
            }
        });
        Self { url, reports }
    }

    /// The page's next report, which has to be about `step`.
    pub fn report(&self, step: &str) -> Value {
        let report = self.reports.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the page never reported `{step}`"));
        assert_eq!(report["step"], step, "{report}");
        report
    }
}

/// One request a connection (RFC 9112, as much of it as a browser on the same machine needs).
fn answer(stream: TcpStream, reports: &Sender<Value>, built: &Path) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
    let (kind, body) = match path {
        "/report" => {
            let mut report = Vec::new();
            reader.take(length).read_to_end(&mut report)?;
            drop(reports.send(serde_json::from_slice(&report).unwrap()));
            ("text/plain", Vec::new())
        }
        "/index.html" => ("text/html", include_bytes!("../../smoke/index.html").to_vec()),
        "/page.js" => ("text/javascript", include_bytes!("../../smoke/page.js").to_vec()),
        "/worker.js" => ("text/javascript", include_bytes!("../../smoke/worker.js").to_vec()),
        "/alcyon_web.js" => ("text/javascript", fs::read(built.join("alcyon_web.js"))?),
        "/alcyon_web_bg.wasm" => ("application/wasm", fs::read(built.join("alcyon_web_bg.wasm"))?),
        _ => return (&stream).write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    (&stream).write_all(head.as_bytes())?;
    (&stream).write_all(&body)
}
