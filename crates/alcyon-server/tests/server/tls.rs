//! TLS 1.3 in process, on the same code path as plain connections.

use std::{path::Path, sync::Arc};

use alcyon_server::{Server, StartError, config::TlsFiles};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::client::{Client, Place, start_with};

/// A certificate for `localhost`, made for this test.
pub fn certificate(directory: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { cert: directory.join("cert.pem"), key: directory.join("key.pem") };
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

async fn connect(
    address: std::net::SocketAddr,
    root: &CertificateDer<'static>,
    version: &'static rustls::SupportedProtocolVersion,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
}

#[tokio::test]
async fn http_and_websocket_over_tls_1_3_and_nothing_older() {
    let directory = tempfile::tempdir().unwrap();
    let (files, root) = certificate(directory.path());
    let server = start_with(|config| config.tls = Some(files)).await;
    assert_eq!(server.url(), format!("https://{}", server.address()));

    let mut stream = connect(server.address(), &root, &TLS13).await.unwrap();
    stream.write_all(b"GET /v1/server HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ended = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(&format!("\"url\":\"https://{}\"", server.address())), "{answer}");

    let stream = connect(server.address(), &root, &TLS13).await.unwrap();
    let mut client = Client::over(stream, server.address()).await;
    client.hello().await;
    let place = Place::new();
    client.accepted(place.create()).await;
    client.subscribe(vec![place.subscribe(0)]).await;
    client.accepted(place.append(vec![7; 300_000])).await;
    assert_eq!(client.entries().await.entries[0].payload.len(), 300_000);

    assert!(connect(server.address(), &root, &TLS12).await.is_err());
    // Whoever speaks plain HTTP to a TLS port disturbs nobody.
    let plain = crate::http::get(server.address(), "/healthz").await;
    assert_ne!(plain.status, 200);
    client.alive().await;
    drop(client);
    assert!(server.stop().await);
}

#[tokio::test]
async fn files_that_hold_no_certificate_stop_the_start_and_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let (files, _) = certificate(directory.path());
    let missing = directory.path().join("missing.pem");
    let swapped = TlsFiles { cert: files.key.clone(), key: files.cert.clone() };
    let cases = [
        (TlsFiles { cert: missing.clone(), ..files.clone() }, missing.clone()),
        (TlsFiles { key: missing.clone(), ..files.clone() }, missing),
        (swapped, files.key.clone()),
    ];
    for (files, named) in cases {
        let config = alcyon_server::config::Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            store: alcyon_server::config::StoreKind::Memory,
            tls: Some(files),
            ..Default::default()
        };
        match Server::start(config).await {
            Err(StartError::Tls { path, .. }) => assert_eq!(path, named),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("started"),
        }
    }
}
