//! A light XMPP client: in-band registration (XEP-0077), SCRAM, resource binding, presence (RFC 6120, 6121), and
//! acknowledgements (XEP-0198). It holds one connection and buffers what it posts.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use alcyon_sim::light::{Stream, random_bytes};
use anyhow::{Context, bail, ensure};
use data_encoding::{BASE64, HEXLOWER};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{
    scan::{Piece, Scanner, Stanza, escape},
    scram::{Keys, MECHANISM, Scram},
};

/// How long a server may take over one answer.
const PATIENCE: Duration = Duration::from_secs(60);
const HEADER: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

/// Where a server listens. Its domain is `localhost`.
#[derive(Debug, Clone)]
pub struct Place {
    /// Without TLS.
    pub plain: SocketAddr,
    /// With TLS from the first byte on (XEP-0368).
    pub tls: SocketAddr,
    /// Trusts the server's certificate.
    pub trust: Arc<rustls::ClientConfig>,
}

/// Somebody with a password.
#[derive(Debug, Clone)]
pub struct Account {
    /// The part before the `@`.
    pub name: String,
    password: String,
    keys: Option<Keys>,
}

impl Account {
    /// Nobody yet; [`XmppClient::register`] makes it one.
    pub fn new(name: String) -> Self {
        Self { name, password: HEXLOWER.encode(&random_bytes::<12>()), keys: None }
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("{}@localhost", self.name)
    }
}

/// One connection to a server.
#[derive(Debug)]
pub struct XmppClient {
    stream: Stream,
    scanner: Scanner,
    posted: Vec<u8>,
    /// Stanzas that the server has sent since it was asked to count.
    received: Option<u32>,
}

impl XmppClient {
    /// Makes the account, on a connection of its own.
    pub async fn register(place: &Place, account: &Account) -> anyhow::Result<()> {
        let (mut client, _features) = Self::open(place, false).await?;
        let (name, password) = (escape(&account.name), escape(&account.password));
        client.post(&format!(
            "<iq type='set' id='register'><query xmlns='jabber:iq:register'><username>{name}</username>\
             <password>{password}</password></query></iq>"
        ));
        client.flush().await?;
        client.result("register").await?;
        client.close().await
    }

    /// Proves the password, binds a resource and sends the first presence; what the server answers to that is not waited for.
    pub async fn log_in(place: &Place, tls: bool, account: &mut Account) -> anyhow::Result<Self> {
        let (mut client, features) = Self::open(place, tls).await?;
        ensure!(features.texts_of("mechanism").any(|offered| offered == MECHANISM), "{MECHANISM} is not offered: {features:?}");
        let scram = Scram::new(&account.name, &HEXLOWER.encode(&random_bytes::<12>()));
        let first = BASE64.encode(scram.first().as_bytes());
        client.post(&format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{MECHANISM}'>{first}</auth>"));
        let challenge = client.sasl("challenge").await?;
        let proof = scram.answer(&challenge, &account.password, &mut account.keys)?;
        let answer = BASE64.encode(proof.message.as_bytes());
        client.post(&format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{answer}</response>"));
        proof.check(&client.sasl("success").await?)?;
        client.begin().await?;
        client.post("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>light</resource></bind></iq>");
        client.flush().await?;
        client.result("bind").await?;
        client.post("<presence/>");
        client.flush().await?;
        Ok(client)
    }

    async fn open(place: &Place, tls: bool) -> anyhow::Result<(Self, Stanza)> {
        let tcp = TcpStream::connect(if tls { place.tls } else { place.plain }).await.context("TCP connection")?;
        tcp.set_nodelay(true)?;
        let stream = if tls {
            let connector = TlsConnector::from(Arc::clone(&place.trust));
            Stream::Tls(Box::new(connector.connect(ServerName::try_from("localhost")?, tcp).await.context("TLS handshake")?))
        } else {
            Stream::Plain(tcp)
        };
        let mut client = Self { stream, scanner: Scanner::default(), posted: Vec::new(), received: None };
        let features = client.begin().await?;
        Ok((client, features))
    }

    /// A new stream on the connection, and what the server offers on it.
    async fn begin(&mut self) -> anyhow::Result<Stanza> {
        self.scanner = Scanner::default();
        self.post(HEADER);
        self.flush().await?;
        ensure!(self.piece().await? == Piece::Open, "no stream came back");
        let features = self.stanza().await?;
        ensure!(features.name() == b"stream:features", "no features: {features:?}");
        Ok(features)
    }

    async fn sasl(&mut self, wanted: &str) -> anyhow::Result<String> {
        self.flush().await?;
        let answer = self.stanza().await?;
        ensure!(answer.name() == wanted.as_bytes(), "no {wanted}: {answer:?}");
        let text = BASE64.decode(answer.text_of(wanted).unwrap_or_default().as_bytes())?;
        Ok(String::from_utf8(text)?)
    }

    /// Waits for the answer to a request; stanzas that come before it are dropped.
    async fn result(&mut self, id: &str) -> anyhow::Result<()> {
        loop {
            let stanza = self.next().await?;
            if stanza.name() == b"iq" && stanza.attribute("id").as_deref() == Some(id) {
                ensure!(stanza.attribute("type").as_deref() == Some("result"), "refused: {stanza:?}");
                return Ok(());
            }
        }
    }

    /// Puts a stanza into the buffer; it leaves with [`Self::flush`].
    pub fn post(&mut self, stanza: &str) {
        self.posted.extend_from_slice(stanza.as_bytes());
    }

    /// Posts a ping, whose answer [`Self::is_pong`] knows.
    pub fn post_ping(&mut self) {
        self.post("<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>");
    }

    /// Whether this answers the ping.
    pub fn is_pong(stanza: &Stanza) -> bool {
        stanza.name() == b"iq" && stanza.attribute("id").as_deref() == Some("ping")
    }

    /// Sends what was posted.
    pub async fn flush(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.posted).await?;
        self.posted.clear();
        Ok(self.stream.flush().await?)
    }

    /// Waits until the server has answered a ping. What comes before it is dropped.
    pub async fn catch_up(&mut self) -> anyhow::Result<()> {
        self.post_ping();
        self.flush().await?;
        while !Self::is_pong(&self.next().await?) {}
        Ok(())
    }

    /// Has the server count what it has taken (XEP-0198, without resumption).
    pub async fn count_stanzas(&mut self) -> anyhow::Result<()> {
        self.post("<enable xmlns='urn:xmpp:sm:3'/>");
        self.flush().await?;
        loop {
            let stanza = self.stanza().await?;
            match stanza.name() {
                b"enabled" => break,
                b"failed" => bail!("the server does not count stanzas: {stanza:?}"),
                _ => {}
            }
        }
        self.received = Some(0);
        Ok(())
    }

    /// Asks how many stanzas the server has taken.
    pub fn post_request_for_count(&mut self) {
        self.post("<r xmlns='urn:xmpp:sm:3'/>");
    }

    /// Waits until the server has taken that many stanzas.
    pub async fn counted(&mut self, number: u32) -> anyhow::Result<()> {
        loop {
            let stanza = self.next().await?;
            if stanza.name() == b"a" {
                let taken: u32 = stanza.attribute("h").context("no count")?.parse()?;
                if taken >= number {
                    return Ok(());
                }
            }
            // A message that could not be delivered comes back.
            ensure!(stanza.attribute("type").as_deref() != Some("error"), "refused: {stanza:?}");
        }
    }

    /// The next stanza. The server's own questions about what has come are answered.
    pub async fn next(&mut self) -> anyhow::Result<Stanza> {
        loop {
            let stanza = self.stanza().await?;
            let Some(received) = &mut self.received else { return Ok(stanza) };
            match stanza.name() {
                b"r" => {
                    let answer = format!("<a xmlns='urn:xmpp:sm:3' h='{received}'/>");
                    self.post(&answer);
                    self.flush().await?;
                }
                b"message" | b"presence" | b"iq" => {
                    *received = received.wrapping_add(1);
                    return Ok(stanza);
                }
                _ => return Ok(stanza),
            }
        }
    }

    /// Says goodbye and waits until the server has hung up.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.post("</stream:stream>");
        self.flush().await?;
        while let Ok(piece) = self.piece().await {
            if piece == Piece::Close {
                break;
            }
        }
        Ok(())
    }

    async fn stanza(&mut self) -> anyhow::Result<Stanza> {
        match self.piece().await? {
            Piece::Stanza(stanza) if stanza.name() == b"stream:error" => bail!("the server ended the stream: {stanza:?}"),
            Piece::Stanza(stanza) => Ok(stanza),
            Piece::Open => bail!("a stream inside a stream"),
            Piece::Close => bail!("the server ended the stream"),
        }
    }

    async fn piece(&mut self) -> anyhow::Result<Piece> {
        loop {
            if let Some(piece) = self.scanner.next()? {
                return Ok(piece);
            }
            let read = self.stream.read_buf(self.scanner.buffer());
            let read = tokio::time::timeout(PATIENCE, read).await.context("the server has said nothing for a minute")??;
            ensure!(read > 0, "the server closed the connection");
        }
    }
}
