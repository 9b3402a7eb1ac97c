use std::sync::Arc;

use alcyon_wire::AccountId;
use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Value, json};

use super::{
    Problem,
    answer::json_body,
    fields::Fields,
    routes::{App, PeerAddress, read_body},
};
use crate::{
    any_store::AnyStore,
    logs::AddressBand,
    sign_up::{Asked, Entered, Given, GivenCode, NoCode, NotNow, NotProven, Place, Proof, Ticket, Way},
};

/// Carries a ticket, where there is no body to carry it or none has been read yet.
const TICKET: HeaderName = HeaderName::from_static("alcyon-ticket");
/// An account, a ticket and a challenge with its nonce.
const TICKET_BODY: usize = 1_024;

/// `GET /v1/sign-up`: what a newcomer has to do now.
pub(super) async fn look(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let ticket = header_ticket(&app, request.headers())?;
    let (waiting, place) = app.sign_ups.look(ticket.as_ref());
    Ok(answer(&app, waiting, place, None))
}

/// `POST /v1/sign-up/tickets`: a place in the line, if there is one.
pub(super) async fn ask(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let band = band(&request)?;
    let (_, body) = read_body(request, TICKET_BODY).await?;
    let mut fields = Fields::parse(&body)?;
    let account = AccountId::from_text(&fields.text("account")?, "account")?;
    let work = match fields.has("challenge") {
        true => Some((fields.bytes("challenge", 64)?, u64::from_be_bytes(fields.array("nonce")?))),
        false => None,
    };
    // One that is not ours, or is another's, is no place: this one begins at the end.
    let old = if fields.has("ticket") { app.sign_ups.ticket(&fields.bytes("ticket", Ticket::BYTES)?) } else { None };
    fields.end()?;
    let work = work.as_ref().map(|(challenge, nonce)| (challenge.as_slice(), *nonce));
    let (waiting, place, ticket) = app.sign_ups.ask(account, band, work, old.as_ref());
    Ok(answer(&app, waiting, place, ticket.as_ref()))
}

/// `POST /v1/sign-up/challenges`: work to show at sign-up, where that is asked for.
pub(super) async fn challenge(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let band = band(&request)?;
    let (_, body) = read_body(request, TICKET_BODY).await?;
    let mut fields = Fields::parse(&body)?;
    let account = AccountId::from_text(&fields.text("account")?, "account")?;
    fields.end()?;
    let (challenge, bits) = app.sign_ups.challenge(account, band);
    Ok(json_body(&json!({ "challenge": BASE64URL_NOPAD.encode(&challenge), "bits": bits })).into_response())
}

/// `POST /v1/sign-up/codes`: sends a code to an address, where that is asked for.
pub(super) async fn send_code(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let band = band(&request)?;
    let (_, body) = read_body(request, TICKET_BODY).await?;
    let mut fields = Fields::parse(&body)?;
    let account = AccountId::from_text(&fields.text("account")?, "account")?;
    let way = match fields.text("by")?.as_str() {
        "email" => Way::Email,
        "phone" => Way::Phone,
        _ => return Err(Problem::malformed("by", "by must be email or phone")),
    };
    let to = fields.text("to")?;
    fields.end()?;
    let (state, sent) = match app.sign_ups.send_code(account, band, way, &to).await? {
        Asked::Sent(sent) => ("sent", sent),
        Asked::Excused(excuse) => ("excused", excuse),
    };
    Ok(json_body(&json!({ "state": state, "sent": BASE64URL_NOPAD.encode(&sent) })).into_response())
}

/// What is shown at sign-up, from the field `proofs`.
pub(super) fn given(fields: &mut Fields) -> Result<Given, Problem> {
    if !fields.has("proofs") {
        return Ok(Given::default());
    }
    let mut proofs = fields.object("proofs")?;
    let wrong = |field: &'static str, why: &'static str| Problem::malformed(field, why);
    let invite = match proofs.has("invite") {
        true => Some(proofs.text("invite")?.parse().map_err(|()| wrong("proofs.invite", "an invite has 16 letters and digits"))?),
        false => None,
    };
    let work = match proofs.has("work") {
        true => {
            let mut work = proofs.object("work")?;
            let given = (work.bytes("challenge", 64)?, u64::from_be_bytes(work.array("nonce")?));
            work.end()?;
            Some(given)
        }
        false => None,
    };
    let mut code = |name: &str| -> Result<Option<GivenCode>, Problem> {
        if !proofs.has(name) {
            return Ok(None);
        }
        let mut given = proofs.object(name)?;
        let code = if given.has("code") { Some(given.text("code")?) } else { None };
        let code = GivenCode { to: given.text("to")?, sent: given.bytes("sent", 32)?, code };
        given.end()?;
        Ok(Some(code))
    };
    let (email, phone) = (code("email")?, code("phone")?);
    proofs.end()?;
    Ok(Given { invite, work, email, phone })
}

impl From<NotProven> for Problem {
    fn from(not_proven: NotProven) -> Self {
        let never = |code, message: &'static str| Self::never(StatusCode::FORBIDDEN, code, message);
        match not_proven {
            NotProven::Missing => never("proof_needed", "newcomers have to show something here: /v1/sign-up says what").at("proofs"),
            NotProven::Wrong(Proof::Invite) => never("invite_over", "this invite is not good, or not any more").at("proofs.invite"),
            NotProven::Wrong(Proof::Work) => {
                never("proof_wrong", "this is not the work that was asked for, or it is too old").at("proofs.work")
            }
            NotProven::Wrong(Proof::Email) => {
                never("proof_wrong", "this is not the code that was sent, or not any more").at("proofs.email")
            }
            NotProven::Wrong(Proof::Phone) => {
                never("proof_wrong", "this is not the code that was sent, or not any more").at("proofs.phone")
            }
            NotProven::Later => crate::Refusal::internal().into(),
        }
    }
}

impl From<NoCode> for Problem {
    fn from(no_code: NoCode) -> Self {
        match no_code {
            NoCode::NotAsked => Self::never(StatusCode::CONFLICT, "no_codes", "no such codes are sent here").at("by"),
            NoCode::BadAddress => Self::never(StatusCode::BAD_REQUEST, "bad_address", "no code can be sent there").at("to"),
            NoCode::TooMany { retry_after_ms } => {
                Self::later(StatusCode::TOO_MANY_REQUESTS, "quota", "too many codes were asked for, to there or from here", retry_after_ms)
            }
            NoCode::Down { retry_after_ms } => {
                Self::later(StatusCode::SERVICE_UNAVAILABLE, "codes_down", "nobody can send codes just now", retry_after_ms)
            }
        }
    }
}

/// Lets a sign-up in by its head alone: nothing of the body has been read, no signature checked.
pub(super) fn enter<'a>(app: &'a App, request: &Request) -> Result<(Option<Ticket>, Entered<'a, AnyStore>), Problem> {
    let ticket = header_ticket(app, request.headers())?;
    let entered = app.sign_ups.enter(ticket.as_ref(), band(request)?);
    Ok((ticket, entered.map_err(Problem::from)?))
}

impl From<NotNow> for Problem {
    fn from(not_now: NotNow) -> Self {
        let later = |code, message, wait_ms| Self::later(StatusCode::TOO_MANY_REQUESTS, code, message, wait_ms);
        match not_now {
            NotNow::Line { retry_after_ms } => {
                later("line", "there is a line of newcomers: ask for a ticket at /v1/sign-up/tickets", retry_after_ms)
            }
            NotNow::Waiting { standing: _, retry_after_ms } => later("early", "it is not this ticket's turn yet", retry_after_ms),
        }
    }
}

fn answer(app: &App, waiting: u64, place: Place, ticket: Option<&[u8; Ticket::BYTES]>) -> Response {
    let mut body = match place {
        Place::Open => json!({ "state": "open" }),
        Place::Line => json!({ "state": "line" }),
        Place::Work { challenge, bits } => json!({ "state": "work", "challenge": BASE64URL_NOPAD.encode(&challenge), "bits": bits }),
        Place::Waiting { standing, ask_again_ms } => {
            json!({ "state": "wait", "place": standing.place, "wait_ms": standing.wait_ms, "ask_again_ms": ask_again_ms })
        }
        Place::Ready => json!({ "state": "ready" }),
    };
    body["waiting"] = Value::from(waiting);
    body["proofs"] = json!(app.sign_ups.ways());
    if let Some(ticket) = ticket {
        body["ticket"] = Value::from(BASE64URL_NOPAD.encode(ticket));
    }
    json_body(&body).into_response()
}

fn header_ticket(app: &App, headers: &HeaderMap) -> Result<Option<Ticket>, Problem> {
    let Some(value) = headers.get(TICKET) else { return Ok(None) };
    let wrong = || Problem::never(StatusCode::FORBIDDEN, "wrong_ticket", "this ticket was not made here").at("alcyon-ticket");
    let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).map_err(|_| wrong())?;
    app.sign_ups.ticket(&bytes).map(Some).ok_or_else(wrong)
}

pub(super) fn band(request: &Request) -> Result<AddressBand, Problem> {
    match request.extensions().get().copied() {
        Some(PeerAddress(peer)) => Ok(AddressBand::of(peer)),
        // Every connection has one.
        None => Err(Problem::from(crate::Refusal::internal())),
    }
}
