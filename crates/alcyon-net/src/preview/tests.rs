#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest";

/// A server on this machine that stands for `page.example`, and for nothing else. Each path has one answer.
async fn fetcher(answers: &[(&str, String)]) -> (PreviewFetcher, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers: BTreeMap<String, String> = answers.iter().map(|(path, answer)| ((*path).to_owned(), answer.clone())).collect();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).to_ascii_lowercase();
            assert!(!request.contains("cookie:") && !request.contains("referer:"), "{request}");
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = answers.get(&path).cloned().unwrap_or_else(|| "404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned());
            // Latin 1, so that bytes of images can stand in it.
            let bytes: Vec<u8> = format!("HTTP/1.1 {answer}").chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
            let _ = stream.write_all(&bytes).await;
        }
    });
    let known = vec![("page.example".to_owned(), address)];
    (PreviewFetcher::over(PublicNames { known }).unwrap(), address.port())
}

fn ok(media_type: &str, body: &str) -> String {
    format!(
        "200 OK\r\ncontent-type: {media_type}\r\nset-cookie: a=b\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.chars().count()
    )
}

fn found(location: &str) -> String {
    format!("302 Found\r\nlocation: {location}\r\nset-cookie: a=b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test]
async fn a_page_is_previewed_with_its_image() {
    let page = ok("text/html", "<title>Tides</title><meta name=description content='When'><meta property=og:image content='i.png'>");
    let image: String = PNG.iter().map(|byte| char::from(*byte)).collect();
    let (fetcher, _) = fetcher(&[
        ("/a/page", page.clone()),
        ("/a/i.png", ok("text/plain", &image)),
        ("/moved", found("/a/page")),
        ("/loop", found("/loop")),
        ("/text", ok("text/plain", "<title>no</title>")),
        ("/large", ok("text/html", &format!("<title>Large</title>{}", " ".repeat(2 * PAGE)))),
        ("/late", ok("text/html", &format!("{}<title>Late</title>", " ".repeat(2 * PAGE)))),
        ("/heavy", ok("text/html", "<title>Heavy</title><meta property=og:image content=/big>")),
        ("/big", ok("image/png", &format!("{image}{}", " ".repeat(IMAGE)))),
        ("/trick", ok("text/html", "<title>Trick</title><meta property=og:image content='http://127.0.0.1/secret.png'>")),
        ("/disguised", ok("text/html", "<title>Disguised</title><meta property=og:image content=/a/page>")),
    ])
    .await;
    let preview = async |path: &str| fetcher.preview(&format!("http://page.example{path}")).await;
    let tides = PagePreview { title: "Tides".to_owned(), description: "When".to_owned(), image: Some(PNG.to_vec()) };
    assert_eq!(preview("/a/page#part").await, Ok(tides.clone()));
    assert_eq!(preview("/moved").await, Ok(tides), "one step further");
    assert_eq!(preview("/loop").await, Err(PreviewError::Redirects));
    assert_eq!(preview("/text").await, Err(PreviewError::NoTitle));
    assert_eq!(preview("/none").await, Err(PreviewError::Unreachable("404 Not Found".to_owned())));
    assert_eq!(preview("/large").await.unwrap().title, "Large", "its beginning");
    assert_eq!(preview("/late").await, Err(PreviewError::NoTitle), "only its beginning");
    for path in ["/heavy", "/trick", "/disguised"] {
        assert_eq!(preview(path).await.unwrap().image, None, "{path}");
    }
}

#[tokio::test]
async fn nothing_private_is_asked_by_whatever_way() {
    let (fetcher, port) = fetcher(&[
        ("/direct", found("http://127.0.0.1/secret")),
        ("/name", found("http://localhost/secret")),
        ("/six", found("http://[::1]/secret")),
        ("/mapped", found("http://[::ffff:10.0.0.1]/secret")),
        ("/cloud", found("http://169.254.169.254/latest/meta-data")),
        ("/short", found("http://127.1/secret")),
        ("/hex", found("http://0x7f.0.0.1/secret")),
        ("/file", found("file:///etc/passwd")),
        ("/user", found("http://a:b@page.example/")),
    ])
    .await;
    let preview = async |url: &str| fetcher.preview(url).await;
    let private = |error: &Result<PagePreview, PreviewError>| matches!(error, Err(PreviewError::NotPublic(_)));
    for path in ["direct", "name", "six", "mapped", "cloud", "short", "hex"] {
        let result = preview(&format!("http://page.example/{path}")).await;
        assert!(private(&result), "{path}: {result:?}");
    }
    for path in ["file", "user"] {
        let result = preview(&format!("http://page.example/{path}")).await;
        assert!(matches!(result, Err(PreviewError::NotAPage(_))), "{path}: {result:?}");
    }
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        "http://192.168.1.1/".to_owned(),
        "http://[fe80::1]/".to_owned(),
    ] {
        let result = preview(&url).await;
        assert!(private(&result), "{url}: {result:?}");
    }
    for url in ["ftp://page.example/", "page.example", "http://", "https://user@page.example/", "javascript:alert(1)", "http:///x"] {
        assert!(matches!(preview(url).await, Err(PreviewError::NotAPage(_))), "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_ends_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let known = vec![("page.example".to_owned(), listener.local_addr().unwrap())];
    let fetcher = PreviewFetcher::over(PublicNames { known }).unwrap();
    assert_eq!(fetcher.preview("http://page.example/").await, Err(PreviewError::TimedOut));
    drop(listener);
}

#[test]
fn addresses_of_pages_are_put_together() {
    let base = "https://a.example:8443/b/c?d=/e#f";
    let joined = |link| joined(base, link);
    assert_eq!(joined("http://x.example/y").as_deref(), Some("http://x.example/y"));
    assert_eq!(joined("//x.example/y").as_deref(), Some("https://x.example/y"));
    assert_eq!(joined("/y").as_deref(), Some("https://a.example:8443/y"));
    assert_eq!(joined("y").as_deref(), Some("https://a.example:8443/b/y"));
    assert_eq!(joined("data:image/png;base64,x"), None);
    assert_eq!(super::joined("https://a.example", "y").as_deref(), Some("https://a.example/y"));
}
