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
    sign_up::{Entered, NotNow, Place, Ticket},
};

/// Carries a ticket, where there is no body to carry it or none has been read yet.
const TICKET: HeaderName = HeaderName::from_static("alcyon-ticket");
/// An account, a ticket and a challenge with its nonce.
const TICKET_BODY: usize = 1_024;

/// `GET /v1/sign-up`: what a newcomer has to do now.
pub(super) async fn look(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let ticket = header_ticket(&app, request.headers())?;
    let (waiting, place) = app.sign_ups.look(ticket.as_ref());
    Ok(answer(waiting, place, None))
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
    Ok(answer(waiting, place, ticket.as_ref()))
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

fn answer(waiting: u64, place: Place, ticket: Option<&[u8; Ticket::BYTES]>) -> Response {
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

fn band(request: &Request) -> Result<AddressBand, Problem> {
    match request.extensions().get().copied() {
        Some(PeerAddress(peer)) => Ok(AddressBand::of(peer)),
        // Every connection has one.
        None => Err(Problem::from(crate::Refusal::internal())),
    }
}
