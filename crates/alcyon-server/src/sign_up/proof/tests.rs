#![allow(clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{
    code::{Address, Way},
    senders::{NotSent, Senders, SendersError},
};
use crate::logs::ManualClock;

/// How a mail server or a gateway behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Good,
    /// Knows no such address.
    Choosy,
    /// Says that it can't just now.
    Refusing,
    /// Takes the connection and says nothing.
    Slow,
    /// Hangs up.
    Dead,
}

type Heard = Arc<Mutex<Vec<String>>>;

/// A server in this test; what it was told.
async fn serve<F: Future<Output = std::io::Result<()>> + Send>(
    mood: Mood,
    talk: impl Fn(TcpStream, Mood, Heard) -> F + Send + 'static,
) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heard) = (listener.local_addr().unwrap(), Heard::default());
    let all = heard.clone();
    tokio::spawn(async move {
        let mut slow = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            match mood {
                Mood::Dead => drop(stream),
                Mood::Slow => slow.push(stream),
                // Whoever hangs up in the middle is the test's business.
                mood => drop(talk(stream, mood, all.clone()).await),
            }
        }
    });
    (address, heard)
}

async fn mail(stream: TcpStream, mood: Mood, heard: Heard) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220-hello\r\n220 sea.example\r\n").await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let said = std::mem::take(&mut line);
        heard.lock().unwrap().push(said.trim_end().to_owned());
        let answer: &[u8] = match said.split([' ', ':', '\r']).next().unwrap() {
            "EHLO" => b"250-sea.example\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
            "MAIL" if mood == Mood::Refusing => b"451 later\r\n",
            "RCPT" if mood == Mood::Choosy => b"550 nobody of that name\r\n",
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                loop {
                    stream.read_line(&mut line).await?;
                    let text = std::mem::take(&mut line);
                    if text == ".\r\n" {
                        break;
                    }
                    heard.lock().unwrap().push(text.trim_end().to_owned());
                }
                b"250 taken\r\n"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n").await,
            _ => b"250 ok\r\n",
        };
        stream.write_all(answer).await?;
    }
    Ok(())
}

async fn gateway(stream: TcpStream, mood: Mood, heard: Heard) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    heard.lock().unwrap().extend([head, String::from_utf8(body).unwrap()]);
    let status = match mood {
        Mood::Choosy => "422 no",
        Mood::Refusing => "503 later",
        _ => "202 yes",
    };
    stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await
}

fn senders(text: &str, clock: &Arc<ManualClock>) -> Senders {
    let mut senders = Senders::parse(text, "sea.example", clock.clone()).unwrap();
    senders.send_time = Duration::from_millis(500);
    senders
}

fn by_mail(servers: &[SocketAddr]) -> String {
    let one = |server: &SocketAddr| {
        format!("[[email]]\nserver = \"smtp://{server}\"\nfrom = \"codes@sea.example\"\nuser = \"sea\"\npassword = \"pearl\"\n")
    };
    servers.iter().map(one).collect()
}

fn by_phone(gateways: &[SocketAddr]) -> String {
    let one = |gateway: &SocketAddr| {
        format!(
            "[[phone]]\nurl = \"http://{gateway}/send?x=1\"\nbody = '{{\"to\":\"{{to}}\",\"text\":\"{{code}} for {{server}}\"}}'\n\
             headers = {{ authorization = \"Bearer pearl\" }}\n"
        )
    };
    gateways.iter().map(one).collect()
}

fn ann() -> Address {
    Address::parse(Way::Email, "ann@shore.example").unwrap()
}

fn anns_phone() -> Address {
    Address::parse(Way::Phone, "+491701234567").unwrap()
}

#[tokio::test]
async fn a_code_goes_by_mail_as_the_protocol_says() {
    let (server, heard) = serve(Mood::Good, mail).await;
    senders(&by_mail(&[server]), &Arc::default()).send(Way::Email, &ann(), "012345").await.unwrap();
    let heard = heard.lock().unwrap().clone();
    let login = format!("AUTH PLAIN {}", data_encoding::BASE64.encode(b"\0sea\0pearl"));
    assert_eq!(heard[..4], ["EHLO alcyon".to_owned(), login, "MAIL FROM:<codes@sea.example>".into(), "RCPT TO:<ann@shore.example>".into()]);
    assert!(heard.contains(&"Subject: 012345 - sea.example".to_owned()), "{heard:?}");
    assert!(heard.iter().any(|line| line.contains("Your code for sea.example is 012345.")), "{heard:?}");
}

#[tokio::test]
async fn a_code_goes_by_a_gateway_as_its_operator_describes_it() {
    let (server, heard) = serve(Mood::Good, gateway).await;
    senders(&by_phone(&[server]), &Arc::default()).send(Way::Phone, &anns_phone(), "012345").await.unwrap();
    let heard = heard.lock().unwrap().clone();
    assert!(heard[0].starts_with("POST /send?x=1 HTTP/1.1\r\n"), "{heard:?}");
    assert!(heard[0].contains("authorization: Bearer pearl\r\n") && heard[0].contains(&format!("host: {server}\r\n")), "{heard:?}");
    assert_eq!(heard[1], r#"{"to":"+491701234567","text":"012345 for sea.example"}"#);
}

#[tokio::test]
async fn where_the_first_is_dead_slow_or_refuses_the_next_one_carries() {
    for mood in [Mood::Dead, Mood::Slow, Mood::Refusing] {
        let ((bad, _), (good, heard)) = (serve(mood, mail).await, serve(Mood::Good, mail).await);
        senders(&by_mail(&[bad, good]), &Arc::default()).send(Way::Email, &ann(), "1").await.unwrap();
        assert!(!heard.lock().unwrap().is_empty(), "{mood:?}");
        let ((bad, _), (good, heard)) = (serve(mood, gateway).await, serve(Mood::Good, gateway).await);
        senders(&by_phone(&[bad, good]), &Arc::default()).send(Way::Phone, &anns_phone(), "1").await.unwrap();
        assert!(!heard.lock().unwrap().is_empty(), "{mood:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_no_fault_of_the_sender() {
    let (server, _) = serve(Mood::Choosy, mail).await;
    let by_mail = senders(&by_mail(&[server]), &Arc::default());
    let (server, _) = serve(Mood::Choosy, gateway).await;
    let by_phone = senders(&by_phone(&[server]), &Arc::default());
    for _ in 0..5 {
        assert_eq!(by_mail.send(Way::Email, &ann(), "1").await, Err(NotSent::BadAddress));
        assert_eq!(by_phone.send(Way::Phone, &anns_phone(), "1").await, Err(NotSent::BadAddress));
    }
    assert_eq!(by_mail.send(Way::Phone, &anns_phone(), "1").await, Err(NotSent::BadAddress), "nobody carries there");
}

#[tokio::test]
async fn what_is_down_is_left_alone_and_tried_again_later() {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let (bad, heard) = serve(Mood::Refusing, gateway).await;
    let senders = senders(&by_phone(&[bad]), &clock);
    for _ in 0..20 {
        let NotSent::AllDown { retry_after_ms } = senders.send(Way::Phone, &anns_phone(), "1").await.unwrap_err() else { panic!("down") };
        assert!(retry_after_ms >= 1_000);
    }
    let tried = |heard: &Heard| heard.lock().unwrap().len() / 2;
    assert_eq!(tried(&heard), 3);
    clock.advance(15_000);
    for _ in 0..3 {
        senders.send(Way::Phone, &anns_phone(), "1").await.unwrap_err();
    }
    assert_eq!(tried(&heard), 4, "once after the pause");
}

#[test]
fn what_is_wrong_in_the_file_is_told_without_what_stands_in_it() {
    let parse = |text: &str| Senders::parse(text, "sea.example", Arc::<ManualClock>::default()).unwrap_err().to_string();
    let wrong = [
        "[[email]]\nserver = \"smtps://a.b\"\nfrom = \"a@b.c\"\nuser = \"x\"\n",
        "[[email]]\nserver = \"http://secret\"\nfrom = \"a@b.c\"\n",
        "[[email]]\nserver = \"smtps://x:secret@a.b\"\nfrom = \"a@b.c\"\n",
        "[[email]]\nserver = \"smtps://a.b\"\nfrom = \"secret\"\n",
        "[[phone]]\nurl = \"http://secret.example/\"\nbody = \"{to} {code}\"\n",
        "[[phone]]\nurl = \"https://a.b/\"\nbody = \"secret\"\n",
        "[[phone]]\nurl = \"https://a.b/\"\nbody = \"{to} {code}\"\nsecret = 1\n",
        "password = \"secret",
    ];
    for text in wrong {
        let error = parse(text);
        assert!(!error.contains("secret"), "{error}");
    }
    assert!(matches!(Senders::parse("\n\nx", "s", Arc::<ManualClock>::default()), Err(SendersError::Form { line: 3 })));
}
