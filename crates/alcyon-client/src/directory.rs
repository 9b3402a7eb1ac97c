//! The control plane: JSON over HTTP, answers believed only as far as signatures carry them.

use alcyon_identity::Manifest;
use alcyon_mls::{JudgedKeyPackage, Suite, judge_key_package};
use alcyon_wire::{AccountId, DeviceId, Handle, HandleName, RefusalCode, Seat, ServerUrl};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{ClientError, HttpMethod, HttpRequest, HttpResponse, RefusalKind, Transport, TransportError, local::Local};

#[derive(Deserialize)]
pub(crate) struct ServerInfo {
    /// What handles there carry after the `@`.
    pub(crate) name: String,
    /// The server's clock.
    pub(crate) time_ms: u64,
}

#[derive(Serialize)]
struct SignUp<'a> {
    name: &'a str,
    manifest: String,
    inbox_seats: Vec<JsonSeat>,
    #[serde(skip_serializing_if = "Proofs::is_empty")]
    proofs: &'a Proofs,
}

/// What a newcomer shows.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Proofs {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invite: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) work: Option<ShownWork>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<ShownCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<ShownCode>,
}

impl Proofs {
    fn is_empty(&self) -> bool {
        let Self { invite, work, email, phone } = self;
        invite.is_none() && work.is_none() && email.is_none() && phone.is_none()
    }
}

/// A challenge and the nonce that was found.
#[derive(Debug, Serialize)]
pub(crate) struct ShownWork {
    pub(crate) challenge: String,
    pub(crate) nonce: String,
}

/// A code, or the server's word that it could send none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ShownCode {
    pub(crate) to: String,
    pub(crate) sent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
}

#[derive(Deserialize)]
struct Ways {
    proofs: Vec<Vec<String>>,
}

#[derive(Serialize)]
struct ForAccount {
    account: String,
}

/// Work to be done.
#[derive(Deserialize)]
pub(crate) struct Challenge {
    pub(crate) challenge: String,
    pub(crate) bits: u32,
}

#[derive(Serialize)]
struct AskForCode<'a> {
    account: String,
    by: &'a str,
    to: &'a str,
}

/// What became of asking for a code.
#[derive(Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum CodeAnswer {
    Sent { sent: String },
    Excused { sent: String },
}

/// What newcomers have to show: any of these ways, all of its proofs.
pub(crate) async fn ways_in<T: Transport>(transport: &T, server: &ServerUrl) -> Result<Vec<Vec<String>>, ClientError> {
    let Ways { proofs } = get(transport, server, "/v1/sign-up".to_owned()).await?;
    Ok(proofs)
}

/// Asks for work to show at sign-up.
pub(crate) async fn sign_up_challenge<T: Transport>(
    transport: &T,
    server: &ServerUrl,
    account: AccountId,
) -> Result<Challenge, ClientError> {
    let body = json(&ForAccount { account: account.to_text() });
    let path = "/v1/sign-up/challenges".to_owned();
    parse(&transport.request(HttpRequest { server: server.clone(), method: HttpMethod::Post, path, headers: Vec::new(), body }).await?)
}

/// Has a code sent.
pub(crate) async fn ask_for_code<T: Transport>(
    transport: &T,
    server: &ServerUrl,
    account: AccountId,
    by: &str,
    to: &str,
) -> Result<CodeAnswer, ClientError> {
    let body = json(&AskForCode { account: account.to_text(), by, to });
    let path = "/v1/sign-up/codes".to_owned();
    parse(&transport.request(HttpRequest { server: server.clone(), method: HttpMethod::Post, path, headers: Vec::new(), body }).await?)
}

#[derive(Serialize)]
struct NewManifest {
    manifest: String,
    inbox_seats: Vec<JsonSeat>,
}

#[derive(Serialize)]
struct JsonSeat {
    id: String,
    drop_hash: String,
    keep: bool,
    invite: bool,
}

#[derive(Deserialize)]
struct Named {
    manifest: String,
}

#[derive(Serialize)]
struct Upload {
    last_resort: String,
    one_time: Vec<String>,
}

#[derive(Deserialize)]
struct Claimed {
    device: String,
    key_package: String,
}

#[derive(Deserialize)]
struct Problem {
    error: String,
    message: String,
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    retry_after_ms: Option<u64>,
    #[serde(default)]
    verdict: Option<String>,
}

/// Asks a server who it is and what time it has.
pub(crate) async fn server_info<T: Transport>(transport: &T, server: &ServerUrl) -> Result<ServerInfo, ClientError> {
    get(transport, server, "/v1/server".to_owned()).await
}

/// Why a sign-up was not taken.
pub(crate) enum SignUpRefused {
    /// There is a line, and this one needs a ticket.
    Line { after_ms: u64 },
    /// It has one; it is not its turn.
    Early { after_ms: u64 },
    /// Something has to be shown, or what was shown is wrong.
    Proof { wrong: bool, error: ClientError },
    /// The ticket is none of this server's, or not any more.
    WrongTicket,
    /// Anything else.
    Other(ClientError),
}

/// Where one stands in the line of newcomers.
#[derive(Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum LineAnswer {
    Open,
    Line,
    Work {
        challenge: String,
        bits: u32,
    },
    Wait {
        place: u64,
        wait_ms: u64,
        ask_again_ms: u64,
        waiting: u64,
        #[serde(default)]
        ticket: Option<String>,
    },
    Ready {
        #[serde(default)]
        ticket: Option<String>,
    },
}

#[derive(Serialize)]
struct AskForTicket<'a> {
    account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
}

/// Asks for a place in the line, or where the ticket stands. `work` is a challenge and the nonce that was found.
pub(crate) async fn ask_for_ticket<T: Transport>(
    transport: &T,
    server: &ServerUrl,
    account: AccountId,
    ticket: Option<&str>,
    work: Option<(&str, u64)>,
) -> Result<LineAnswer, ClientError> {
    let (challenge, nonce) = work.unzip();
    let nonce = nonce.map(|nonce| BASE64URL_NOPAD.encode(&nonce.to_be_bytes()));
    let body = json(&AskForTicket { account: account.to_text(), ticket, challenge, nonce });
    let path = "/v1/sign-up/tickets".to_owned();
    parse(&transport.request(HttpRequest { server: server.clone(), method: HttpMethod::Post, path, headers: Vec::new(), body }).await?)
}

/// Signs up: name, manifest and the inbox with its seats come to be together.
pub(crate) async fn sign_up<T: Transport>(
    transport: &T,
    local: &Local,
    name: &HandleName,
    seats: &[Seat],
    server_time_ms: u64,
    ticket: Option<&str>,
    proofs: &Proofs,
) -> Result<(), SignUpRefused> {
    let inbox_seats = json_seats(seats);
    let body = SignUp { name: name.as_str(), manifest: BASE64URL_NOPAD.encode(local.manifest.to_bytes()), inbox_seats, proofs };
    let mut request = local
        .signed(&local.server, HttpMethod::Post, "/v1/accounts".to_owned(), json(&body), server_time_ms)
        .map_err(SignUpRefused::Other)?;
    request.headers.extend(ticket.map(|ticket| ("alcyon-ticket", ticket.to_owned())));
    let answer = transport.request(request).await.map_err(|error| SignUpRefused::Other(error.into()))?;
    if matches!(answer.status, 200 | 201) {
        return Ok(());
    }
    let (problem, error) = refusal(&answer);
    let after_ms = match &error {
        ClientError::Refused { kind: RefusalKind::Later { after_ms }, .. } => *after_ms,
        _ => 1_000,
    };
    Err(match problem.as_deref() {
        Some("handle_taken") => SignUpRefused::Other(ClientError::HandleTaken(local.handle.to_text())),
        Some("line") => SignUpRefused::Line { after_ms },
        Some("early") => SignUpRefused::Early { after_ms },
        Some(needed @ ("proof_needed" | "proof_wrong" | "invite_over")) => SignUpRefused::Proof { wrong: needed != "proof_needed", error },
        Some("wrong_ticket") => SignUpRefused::WrongTicket,
        _ => SignUpRefused::Other(error),
    })
}

fn json_seats(seats: &[Seat]) -> Vec<JsonSeat> {
    let seat = |Seat { id, drop_hash, keep, invite }: &Seat| JsonSeat {
        id: BASE64URL_NOPAD.encode(id.as_bytes()),
        drop_hash: BASE64URL_NOPAD.encode(drop_hash.as_bytes()),
        keep: *keep,
        invite: *invite,
    };
    seats.iter().map(seat).collect()
}

/// Puts a newer manifest up, or the same again, and adds seats to the inbox. False: the server has one that is not older.
pub(crate) async fn put_manifest<T: Transport>(
    transport: &T,
    local: &Local,
    manifest: &Manifest,
    seats: &[Seat],
) -> Result<bool, ClientError> {
    let ServerInfo { time_ms, .. } = server_info(transport, &local.server).await?;
    let body = NewManifest { manifest: BASE64URL_NOPAD.encode(manifest.to_bytes()), inbox_seats: json_seats(seats) };
    let path = format!("/v1/accounts/{}/manifest", local.account.to_text());
    let request = local.signed(&local.server, HttpMethod::Put, path, json(&body), time_ms)?;
    let answer = transport.request(request).await?;
    if (200..300).contains(&answer.status) {
        return Ok(true);
    }
    match refusal(&answer) {
        (Some(problem), _) if problem == "lower_manifest" => Ok(false),
        (_, error) => Err(error),
    }
}

/// The manifest of an account that is at home there.
pub(crate) async fn manifest_of_account<T: Transport>(
    transport: &T,
    server: &ServerUrl,
    account: AccountId,
) -> Result<Manifest, ClientError> {
    let Named { manifest } = get(transport, server, format!("/v1/accounts/{}/manifest", account.to_text())).await?;
    let manifest = Manifest::decode(&base64(&manifest)?)?;
    if manifest.account() != account {
        return Err(ClientError::Unbelievable("the manifest of another account"));
    }
    Ok(manifest)
}

/// The manifest that a handle points to, at that handle's own server. It names the handle back, or it is not believed.
pub(crate) async fn manifest_of<T: Transport>(transport: &T, handle: &Handle) -> Result<Manifest, ClientError> {
    let server = ServerUrl::of_handle_server(handle.server())?;
    let path = format!("/v1/handles/{}", handle.name().as_str());
    let request = |server| HttpRequest { server, method: HttpMethod::Get, path: path.clone(), headers: Vec::new(), body: Vec::new() };
    let answer = match transport.request(request(server.clone())).await {
        // A handle does not say whether a server on this machine has TLS.
        Err(TransportError::Unreachable(_) | TransportError::Closed) if !server.is_tls() => {
            transport.request(request(server.with_tls())).await?
        }
        answer => answer?,
    };
    if answer.status == 404 {
        return Err(ClientError::NoSuchHandle(handle.to_text()));
    }
    let Named { manifest } = parse(&answer)?;
    let manifest = Manifest::decode(&base64(&manifest)?)?;
    if !manifest.names(handle) {
        return Err(ClientError::Unbelievable("the manifest does not name the handle that led to it"));
    }
    Ok(manifest)
}

/// One KeyPackage for each device of an account that has any.
async fn claim_key_packages<T: Transport>(
    transport: &T,
    server: &ServerUrl,
    account: AccountId,
) -> Result<Vec<(DeviceId, Vec<u8>)>, ClientError> {
    let path = format!("/v1/accounts/{}/key-packages/claim", account.to_text());
    let request = HttpRequest { server: server.clone(), method: HttpMethod::Post, path, headers: Vec::new(), body: Vec::new() };
    let claimed: Vec<Claimed> = parse(&transport.request(request).await?)?;
    claimed
        .into_iter()
        .map(|Claimed { device, key_package }| Ok((DeviceId::from_text(&device, "device")?, base64(&key_package)?)))
        .collect()
}

/// A KeyPackage of each of an account's devices that its manifest names, from the first of its homes that answers. What does
/// not hold is passed over.
pub(crate) async fn key_packages_of<T: Transport>(transport: &T, manifest: &Manifest) -> Result<Vec<JudgedKeyPackage>, ClientError> {
    let account = manifest.account();
    let mut claimed = Err(ClientError::Unbelievable("a manifest without a home"));
    for home in manifest.homes() {
        claimed = claim_key_packages(transport, &home.server, account).await;
        if claimed.is_ok() {
            break;
        }
    }
    let judged = |(device, bytes): (DeviceId, Vec<u8>)| {
        let package = judge_key_package(Suite::PRODUCT, &bytes).ok()?;
        let right = manifest.has_device(device) && package.chain().device() == device && package.chain().account() == account;
        right.then_some(package)
    };
    Ok(claimed?.into_iter().filter_map(judged).collect())
}

/// Puts this device's KeyPackages up.
pub(crate) async fn put_key_packages<T: Transport>(
    transport: &T,
    local: &Local,
    last_resort: &[u8],
    one_time: &[Vec<u8>],
) -> Result<(), ClientError> {
    let ServerInfo { time_ms, name: _ } = server_info(transport, &local.server).await?;
    let body = Upload {
        last_resort: BASE64URL_NOPAD.encode(last_resort),
        one_time: one_time.iter().map(|package| BASE64URL_NOPAD.encode(package)).collect(),
    };
    let path = format!("/v1/accounts/{}/key-packages", local.account.to_text());
    let request = local.signed(&local.server, HttpMethod::Put, path, json(&body), time_ms)?;
    let answer = transport.request(request).await?;
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(refusal(&answer).1) }
}

/// A report to the operator, as it goes.
#[derive(Serialize)]
pub(crate) struct JsonReport<'a> {
    pub(crate) report: String,
    pub(crate) about: JsonAbout<'a>,
    pub(crate) reason: &'static str,
    pub(crate) words: &'a str,
    pub(crate) messages: Vec<JsonMessage<'a>>,
    pub(crate) named: bool,
}

/// Account and handle, or a group's title.
#[derive(Serialize)]
pub(crate) struct JsonAbout<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<&'a str>,
}

/// A message that is shown.
#[derive(Serialize)]
pub(crate) struct JsonMessage<'a> {
    pub(crate) by: String,
    pub(crate) sent_at_ms: u64,
    pub(crate) text: &'a str,
}

/// Hands a report to the operator of a home of this account.
pub(crate) async fn send_report<T: Transport>(
    transport: &T,
    local: &Local,
    server: &ServerUrl,
    report: JsonReport<'_>,
) -> Result<(), ClientError> {
    let ServerInfo { time_ms, name: _ } = server_info(transport, server).await?;
    let path = format!("/v1/accounts/{}/reports", local.account.to_text());
    let request = local.signed(server, HttpMethod::Post, path, json(&report), time_ms)?;
    let answer = transport.request(request).await?;
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(refusal(&answer).1) }
}

/// What a server says of its stamps.
#[derive(Deserialize)]
pub(crate) struct StampOffer {
    pub(crate) required: bool,
    /// The key they are made with.
    pub(crate) key: String,
    pub(crate) honoured_until_ms: u64,
}

/// What came of asking for stamps.
#[derive(Deserialize)]
pub(crate) struct IssuedStamps {
    pub(crate) issued: Vec<String>,
    pub(crate) proof: String,
}

#[derive(Serialize)]
struct AskForStamps {
    key: String,
    hidden: Vec<String>,
}

#[derive(Serialize)]
struct ForPayment {
    r#for: String,
}

/// Whether stamps are asked for at a server, and the key they are made with: asked by nobody in particular.
pub(crate) async fn stamp_offer<T: Transport>(transport: &T, server: &ServerUrl) -> Result<StampOffer, ClientError> {
    get(transport, server, "/v1/stamps".to_owned()).await
}

/// Asks for a batch of stamps of the key that was offered to everybody.
pub(crate) async fn ask_for_stamps<T: Transport>(
    transport: &T,
    local: &Local,
    key: String,
    hidden: Vec<String>,
    server_time_ms: u64,
) -> Result<IssuedStamps, ClientError> {
    let path = format!("/v1/accounts/{}/stamps", local.account.to_text());
    let request = local.signed(&local.server, HttpMethod::Post, path, json(&AskForStamps { key, hidden }), server_time_ms)?;
    parse(&transport.request(request).await?)
}

/// Asks for work to show instead of a stamp.
pub(crate) async fn payment_challenge<T: Transport>(
    transport: &T,
    server: &ServerUrl,
    subject: &[u8; 32],
) -> Result<Challenge, ClientError> {
    let body = json(&ForPayment { r#for: BASE64URL_NOPAD.encode(subject) });
    let path = "/v1/stamps/challenges".to_owned();
    parse(&transport.request(HttpRequest { server: server.clone(), method: HttpMethod::Post, path, headers: Vec::new(), body }).await?)
}

async fn get<T: Transport, A: DeserializeOwned>(transport: &T, server: &ServerUrl, path: String) -> Result<A, ClientError> {
    let request = HttpRequest { server: server.clone(), method: HttpMethod::Get, path, headers: Vec::new(), body: Vec::new() };
    parse(&transport.request(request).await?)
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("plain structs of strings always become JSON")
}

fn base64(text: &str) -> Result<Vec<u8>, ClientError> {
    BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).map_err(|_| ClientError::Unbelievable("a field is not base64url"))
}

fn parse<A: DeserializeOwned>(answer: &HttpResponse) -> Result<A, ClientError> {
    if !(200..300).contains(&answer.status) {
        return Err(refusal(answer).1);
    }
    serde_json::from_slice(&answer.body).map_err(|_| ClientError::Unbelievable("the answer is not the JSON that was asked for"))
}

/// The server's code for the problem, and the error.
pub(crate) fn refusal(answer: &HttpResponse) -> (Option<String>, ClientError) {
    let Ok(Problem { error, message, field, retry_after_ms, verdict }) = serde_json::from_slice(&answer.body) else {
        return (None, ClientError::Unbelievable("an error without an explanation"));
    };
    let kind = match (verdict.as_deref(), retry_after_ms, answer.status) {
        (Some("elsewhere"), ..) => RefusalKind::Elsewhere,
        (Some("later"), after, _) | (None, after @ Some(_), _) => RefusalKind::Later { after_ms: after.unwrap_or(1000) },
        (None, None, 429 | 500..=599) => RefusalKind::Later { after_ms: 1000 },
        _ => RefusalKind::Never,
    };
    (Some(error), ClientError::Refused { kind, code: RefusalCode::Unspecified, message, field })
}
