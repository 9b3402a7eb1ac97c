//! The transport over real sockets: what it sends, what it takes, what it refuses and when it gives up.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;

use alcyon_client::{Connection, HttpMethod, HttpRequest, ServerUrl, Transport, TransportError, Ways};
use alcyon_net::{NetOptions, NetTransport};
use futures::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{accept_async, tungstenite::Message};

async fn listener() -> (TcpListener, ServerUrl) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, url)
}

fn transport() -> NetTransport {
    NetTransport::new(NetOptions::default()).unwrap()
}

fn get(server: &ServerUrl) -> HttpRequest {
    HttpRequest { server: server.clone(), method: HttpMethod::Get, path: "/v1/thing".to_owned(), headers: Vec::new(), body: Vec::new() }
}

/// Reads one request, head and body, as far as `content-length` says.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).to_lowercase();
        if let Some(head) = text.find("\r\n\r\n") {
            let length: usize = text.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
            if read.len() >= head + 4 + length {
                return String::from_utf8(read).unwrap();
            }
        }
        let mut chunk = [0; 1024];
        let count = stream.read(&mut chunk).await.unwrap();
        assert!(count > 0, "the request ended early");
        read.extend_from_slice(&chunk[..count]);
    }
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), status: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    // The client may hang up in the middle of a body that it refuses.
    let _ = stream.write_all(body).await;
    let _ = stream.flush().await;
}

#[tokio::test]
async fn a_request_goes_out_whole_and_any_status_is_an_answer() {
    let (listener, server) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        answer(&mut stream, "409 Conflict", b"{\"error\":\"taken\"}").await;
        request
    };
    let transport = transport();
    let request = HttpRequest {
        server,
        method: HttpMethod::Put,
        path: "/v1/accounts/ann".to_owned(),
        headers: vec![("alcyon-signature", "abc".to_owned())],
        body: b"{\"root\":\"x\"}".to_vec(),
    };
    let (answered, seen) = tokio::join!(transport.request(request), serve);
    let answered = answered.unwrap();
    assert_eq!((answered.status, answered.body.as_slice()), (409, &b"{\"error\":\"taken\"}"[..]));
    assert!(seen.starts_with("PUT /v1/accounts/ann HTTP/1.1\r\n"));
    assert!(seen.contains("alcyon-signature: abc\r\n"));
    assert!(seen.contains("content-type: application/json\r\n"));
    assert!(!seen.to_lowercase().contains("user-agent"), "nothing tells one client from another");
    assert!(seen.ends_with("{\"root\":\"x\"}"));
}

#[tokio::test]
async fn one_connection_serves_several_requests() {
    let (listener, server) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..3 {
            read_request(&mut stream).await;
            answer(&mut stream, "200 OK", b"{}").await;
        }
    };
    let transport = transport();
    let ask = async {
        for _ in 0..3 {
            assert_eq!(transport.request(get(&server)).await.unwrap().status, 200);
        }
    };
    tokio::join!(ask, serve);
}

#[tokio::test]
async fn an_answer_of_4_mib_is_taken_and_one_byte_more_is_not() {
    let (listener, server) = listener().await;
    let serve = async {
        for size in [4 << 20, (4 << 20) + 1] {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            answer(&mut stream, "200 OK", &vec![b' '; size]).await;
        }
    };
    let ask = async {
        assert_eq!(transport().request(get(&server)).await.unwrap().body.len(), 4 << 20);
        let refused = transport().request(get(&server)).await.unwrap_err();
        assert!(matches!(&refused, TransportError::Unreachable(why) if why.contains("4 MiB")), "{refused}");
    };
    tokio::join!(ask, serve);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let (listener, server) = listener().await;
    drop(listener);
    let refused = transport().request(get(&server)).await.unwrap_err();
    assert!(matches!(&refused, TransportError::Unreachable(why) if why.contains("refused")), "{refused}");
    assert!(matches!(transport().connect(&server).await, Err(TransportError::Unreachable(_))));
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let (listener, server) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        // From here on nothing happens any more, so the clock runs to the timeout at once.
        tokio::time::pause();
        stream
    };
    let transport = transport();
    let (answered, _held) = tokio::join!(transport.request(get(&server)), serve);
    assert_eq!(answered.unwrap_err(), TransportError::TimedOut);
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_an_answer_is_closed() {
    let (listener, server) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    };
    let transport = transport();
    let (answered, ()) = tokio::join!(transport.request(get(&server)), serve);
    assert_eq!(answered.unwrap_err(), TransportError::Closed);
}

#[tokio::test]
async fn plain_http_leaves_this_machine_only_on_request() {
    let (listener, server) = listener().await;
    // Not a loopback address by name, though Linux takes it for one.
    let other: ServerUrl = server.to_text().replace("127.0.0.1", "0.0.0.0").parse().unwrap();
    assert_eq!(transport().request(get(&other)).await.unwrap_err(), TransportError::Insecure(other.to_text()));
    assert!(matches!(transport().connect(&other).await, Err(TransportError::Insecure(_))));

    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        answer(&mut stream, "200 OK", b"{}").await;
    };
    let allowed = NetTransport::new(NetOptions { insecure_http: true }).unwrap();
    let (answered, ()) = tokio::join!(allowed.request(get(&other)), serve);
    assert_eq!(answered.unwrap().status, 200);
}

#[tokio::test]
async fn a_websocket_carries_frames_both_ways_until_it_is_closed() {
    let (listener, server) = listener().await;
    let serve = async {
        let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
        for _ in 0..100 {
            let Some(Ok(Message::Binary(frame))) = socket.next().await else { panic!("expected a frame") };
            socket.send(Message::Binary(frame)).await.unwrap();
        }
        socket.close(None).await.unwrap();
    };
    let transport = transport();
    let talk = async {
        let mut connection = transport.connect(&server).await.unwrap();
        for number in 0..100_usize {
            let frame = vec![u8::try_from(number).unwrap(); number * 1000];
            connection.send(frame.clone()).await.unwrap();
            assert_eq!(connection.receive().await.unwrap(), frame);
        }
        assert_eq!(connection.receive().await, Err(TransportError::Closed));
        assert_eq!(connection.receive().await, Err(TransportError::Closed));
    };
    tokio::join!(talk, serve);
}

#[tokio::test]
async fn a_message_of_2_mib_is_taken_and_one_byte_more_ends_the_connection() {
    let (listener, server) = listener().await;
    let serve = async {
        let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
        for size in [2 << 20, (2 << 20) + 1] {
            let _ = socket.send(Message::Binary(vec![0; size].into())).await;
        }
    };
    let transport = transport();
    let talk = async {
        let mut connection = transport.connect(&server).await.unwrap();
        assert_eq!(connection.receive().await.unwrap().len(), 2 << 20);
        assert_eq!(connection.receive().await, Err(TransportError::Closed));
    };
    tokio::join!(talk, serve);
}

#[tokio::test]
async fn a_server_without_websockets_is_told_with_its_status() {
    let (listener, server) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        answer(&mut stream, "404 Not Found", b"").await;
        request
    };
    let transport = transport();
    let (connected, request) = tokio::join!(transport.connect(&server), serve);
    assert!(request.starts_with("GET /v1/logs HTTP/1.1\r\n"));
    assert!(matches!(connected, Err(TransportError::Unreachable(why)) if why.contains("404")));
}

#[tokio::test]
async fn a_server_without_room_says_when_there_may_be() {
    let (listener, server) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        answer(&mut stream, "503 Service Unavailable\r\nretry-after: 7", b"").await;
    };
    let transport = transport();
    let (connected, ()) = tokio::join!(transport.connect(&server), serve);
    assert_eq!(connected.err(), Some(TransportError::Later { after_ms: 7_000 }));
}

#[tokio::test]
async fn a_dead_resolver_is_not_noticed_where_the_server_was_found_before() {
    let (listener, server) = listener().await;
    let port = server.authority().rsplit(':').next().unwrap();
    // A name that no resolver knows (RFC 6761).
    let named: ServerUrl = format!("http://alcyon.invalid:{port}").parse().unwrap();
    let transport = NetTransport::new(NetOptions { insecure_http: true }).unwrap();
    assert!(matches!(transport.request(get(&named)).await, Err(TransportError::Unreachable(_))));
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let found = vec![("127.0.0.1".parse().unwrap(), u64::try_from(now_ms).unwrap())];
    transport.learn(&named, Ways { others: Vec::new(), found });
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        answer(&mut stream, "200 OK", b"{}").await;
        request
    };
    let (answered, request) = tokio::join!(transport.request(get(&named)), serve);
    assert_eq!(answered.unwrap().status, 200);
    assert!(request.to_lowercase().contains(&format!("host: alcyon.invalid:{port}")), "{request}");
}

// The certificate authority comes from the environment, which a process can't change safely while it runs: each case runs
// this test binary once more, as the client.

/// Runs the client of [`tls_client`] with this authority against a server with these versions of TLS.
async fn tls_outcome(authority: &str, versions: &[&'static rustls::SupportedProtocolVersion], certificate: &Signed) -> String {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.chain.clone()], certificate.key.clone_key())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let request = read_request(&mut stream).await;
            if request.contains("/v1/logs") {
                answer(&mut stream, "404 Not Found", b"").await;
            } else {
                answer(&mut stream, "200 OK", b"{}").await;
            }
        }
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("authority.pem");
    std::fs::write(&file, authority).unwrap();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "tls_client", "--nocapture"])
        .env("SSL_CERT_FILE", &file)
        .env_remove("SSL_CERT_DIR")
        .env("ALCYON_TEST_URL", url);
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = tokio::select! { output = run => output.unwrap(), () = serve => unreachable!() };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn tls_client() {
    let Ok(url) = std::env::var("ALCYON_TEST_URL") else { return };
    let server: ServerUrl = url.parse().unwrap();
    let transport = transport();
    println!("http: {:?}", transport.request(get(&server)).await.map(|answer| answer.status));
    println!("websocket: {:?}", transport.connect(&server).await.err());
}

struct Signed {
    chain: rustls::pki_types::CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn authority(name: &str) -> (String, Signed) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let server_key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&server_key, &issuer).unwrap();
    (pem, Signed { chain: server.der().clone(), key: PrivateKeyDer::Pkcs8(server_key.serialize_der().into()) })
}

#[tokio::test]
async fn tls_13_under_a_known_authority_is_trusted() {
    let (authority, certificate) = authority("one");
    let outcome = tls_outcome(&authority, &[&rustls::version::TLS13], &certificate).await;
    assert!(outcome.contains("http: Ok(200)"), "{outcome}");
    assert!(outcome.contains("websocket: Some(Unreachable(\"it answers with status 404\"))"), "{outcome}");
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let (_, certificate) = authority("one");
    let (another, _) = authority("another");
    let outcome = tls_outcome(&another, &[&rustls::version::TLS13], &certificate).await;
    assert_eq!(outcome.matches("UnknownIssuer").count(), 2, "{outcome}");
}

#[tokio::test]
async fn tls_12_is_too_old() {
    let (authority, certificate) = authority("one");
    let outcome = tls_outcome(&authority, &[&rustls::version::TLS12], &certificate).await;
    assert_eq!(outcome.matches("Unreachable").count(), 2, "{outcome}");
}

#[tokio::test]
async fn a_machine_without_authorities_says_so() {
    let (_, certificate) = authority("one");
    let outcome = tls_outcome("", &[&rustls::version::TLS13], &certificate).await;
    assert_eq!(outcome.matches("SSL_CERT_FILE").count(), 2, "{outcome}");
}
