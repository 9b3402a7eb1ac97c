//! One mail by SMTP (RFC 5321): a greeting, TLS, a login if there is one, and the code. A client for any mail would be a
//! crate; this one sends a fixed text of ASCII to one address whose form was checked.

use data_encoding::BASE64;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use zeroize::Zeroizing;

use super::{
    code::Address,
    outward::{Outward, Stream},
    senders::Outcome,
};

/// The longest reply that is read: a line, and lines.
const LINE: u64 = 2_048;
const LINES: usize = 100;

/// When it speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// Never: on this machine.
    Plain,
    /// After the greeting, or not at all.
    StartTls,
    /// From the first byte on.
    Tls,
}

pub(crate) struct Smtp {
    pub security: Security,
    pub host: String,
    pub port: u16,
    pub login: Option<(String, Zeroizing<String>)>,
    pub from: Address,
}

/// What is said to whom.
pub(crate) struct Mail<'a> {
    pub to: &'a Address,
    pub code: &'a str,
    pub server_name: &'a str,
}

/// The conversation can't go on.
struct Broken;

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl Smtp {
    pub async fn send(&self, outward: &Outward, mail: &Mail<'_>) -> Outcome {
        self.converse(outward, mail).await.unwrap_or(Outcome::Failed)
    }

    async fn converse(&self, outward: &Outward, mail: &Mail<'_>) -> Result<Outcome, Broken> {
        let tcp = outward.connect(&self.host, self.port).await?;
        let stream: Box<dyn Stream> = match self.security {
            Security::Tls => outward.secure(&self.host, tcp).await?,
            Security::Plain | Security::StartTls => Box::new(tcp),
        };
        let mut talk = Talk(BufReader::new(stream));
        talk.expect(2).await?;
        talk.say("EHLO alcyon\r\n", 2).await?;
        if self.security == Security::StartTls {
            talk.say("STARTTLS\r\n", 2).await?;
            // What came before the handshake was said by anybody.
            if !talk.0.buffer().is_empty() {
                return Err(Broken);
            }
            talk = Talk(BufReader::new(outward.secure(&self.host, talk.0.into_inner()).await?));
            talk.say("EHLO alcyon\r\n", 2).await?;
        }
        if let Some((user, password)) = &self.login {
            let secret = Zeroizing::new(BASE64.encode(format!("\0{user}\0{}", password.as_str()).as_bytes()));
            talk.say(&Zeroizing::new(format!("AUTH PLAIN {}\r\n", secret.as_str())), 2).await?;
        }
        talk.say(&format!("MAIL FROM:<{}>\r\n", self.from.as_str()), 2).await?;
        match talk.ask(&format!("RCPT TO:<{}>\r\n", mail.to.as_str())).await? {
            200..300 => {}
            // No such box; 4xx and what is our own fault is left to the next sender.
            550 | 551 | 553 => return Ok(Outcome::BadAddress),
            _ => return Err(Broken),
        }
        talk.say("DATA\r\n", 3).await?;
        talk.say(&self.text(mail), 2).await?;
        // It has it; how the goodbye goes does not matter.
        let _ = talk.0.write_all(b"QUIT\r\n").await;
        Ok(Outcome::Sent)
    }

    fn text(&self, mail: &Mail<'_>) -> String {
        let Mail { to, code, server_name } = mail;
        let date = httpdate::fmt_http_date(std::time::SystemTime::now()).replace("GMT", "+0000");
        let mut id = [0; 16];
        // Without randomness it has no id: some relay gives it one.
        let id = getrandom::fill(&mut id).map_or(String::new(), |()| {
            format!(
                "Message-ID: <{}@{}>\r\n",
                data_encoding::HEXLOWER.encode(&id),
                self.from.as_str().rsplit('@').next().unwrap_or("alcyon")
            )
        });
        format!(
            "From: <{}>\r\nTo: <{}>\r\nSubject: {code} - {server_name}\r\nDate: {date}\r\n{id}Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
             Your code for {server_name} is {code}. It is good for ten minutes.\r\n\
             If you have not asked for it, do nothing.\r\n\r\n\
             Votre code pour {server_name} : {code}, valable dix minutes.\r\n\
             Si vous n'avez rien demande, ne faites rien.\r\n.\r\n",
            self.from.as_str(),
            to.as_str()
        )
    }
}

struct Talk(BufReader<Box<dyn Stream>>);

impl Talk {
    /// Says something and expects a reply of a kind: 2 for 2xx.
    async fn say(&mut self, text: &str, kind: u16) -> Result<(), Broken> {
        if self.ask(text).await? / 100 == kind { Ok(()) } else { Err(Broken) }
    }

    async fn expect(&mut self, kind: u16) -> Result<(), Broken> {
        if self.reply().await? / 100 == kind { Ok(()) } else { Err(Broken) }
    }

    async fn ask(&mut self, text: &str) -> Result<u16, Broken> {
        self.0.write_all(text.as_bytes()).await?;
        self.0.flush().await?;
        self.reply().await
    }

    async fn reply(&mut self) -> Result<u16, Broken> {
        for _ in 0..LINES {
            let mut line = Vec::new();
            (&mut self.0).take(LINE).read_until(b'\n', &mut line).await?;
            let code = line.get(..3).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok()).ok_or(Broken)?;
            match line.get(3) {
                Some(b'-') if line.ends_with(b"\n") => {}
                Some(b' ' | b'\r' | b'\n') if line.ends_with(b"\n") => return Ok(code),
                _ => return Err(Broken),
            }
        }
        Err(Broken)
    }
}
