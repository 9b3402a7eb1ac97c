use std::sync::Arc;

use alcyon_stamps::{Issued, Point};
use alcyon_wire::{AccountId, StampKeyId, limits};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use serde_json::json;

use super::{
    Problem,
    answer::json_body,
    fields::Fields,
    routes::{App, read_body},
    sign_up::band,
    signed::signed,
};
use crate::stamps::{Allowance, NotIssued, Offer};

/// A key and a batch of points in base64url.
const BATCH_BODY: usize = 256 + limits::STAMP_BATCH * 64;
/// What is to be paid for.
const CHALLENGE_BODY: usize = 256;

/// `GET /v1/stamps`: whether any are asked for, and the key they are made with.
pub(super) async fn offer(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let Offer { required, key, issued_until_ms, honoured_until_ms } = app.stamps.offer()?;
    let Allowance { per_day, saved } = app.stamps.allowance();
    let body = json!({
        "required": required,
        "key": BASE64URL_NOPAD.encode(&key),
        "issued_until_ms": issued_until_ms,
        "honoured_until_ms": honoured_until_ms,
        "batch": limits::STAMP_BATCH,
        "per_day": per_day,
        "saved": saved,
    });
    Ok(json_body(&body).into_response())
}

/// `POST /v1/stamps/challenges`: work to show instead of a stamp.
pub(super) async fn challenge(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let band = band(&request)?;
    let (_, body) = read_body(request, CHALLENGE_BODY).await?;
    let mut fields = Fields::parse(&body)?;
    let subject: [u8; 32] = fields.array("for")?;
    fields.end()?;
    let (challenge, bits) = app.stamps.challenge(&subject, band);
    Ok(json_body(&json!({ "challenge": BASE64URL_NOPAD.encode(&challenge), "bits": bits })).into_response())
}

/// `POST /v1/accounts/{account}/stamps`: a batch, off the account's allowance.
pub(super) async fn issue(State(app): State<Arc<App>>, Path(account): Path<String>, request: Request) -> Result<Response, Problem> {
    let account = AccountId::from_text(&account, "account")?;
    let (device, body) = signed(&app, request, BATCH_BODY).await?;
    let mut fields = Fields::parse(&body)?;
    let key = StampKeyId(fields.array("key")?);
    let hidden = fields.list_of_bytes("hidden", limits::STAMP_BATCH, 32)?;
    fields.end()?;
    let hidden: Vec<Point> =
        hidden.into_iter().map(Point::try_from).collect::<Result<_, _>>().map_err(|_| Problem::from(NotIssued::Malformed))?;
    let ready = app.stamps.ready(key, &hidden)?;
    app.directory.take_stamps(account, device, app.stamps.allowance()).await?;
    let Issued { points, proof } = app.stamps.issue(&ready)?;
    let points: Vec<_> = points.iter().map(|point| BASE64URL_NOPAD.encode(point)).collect();
    Ok(json_body(&json!({ "issued": points, "proof": BASE64URL_NOPAD.encode(&proof) })).into_response())
}

impl From<NotIssued> for Problem {
    fn from(not_issued: NotIssued) -> Self {
        match not_issued {
            NotIssued::OtherKey => {
                Self::never(StatusCode::CONFLICT, "stamp_key", "stamps are made with another key now: /v1/stamps").at("key")
            }
            NotIssued::Malformed => {
                let message = format!("a batch is {} elements of the group, no more and no fewer", limits::STAMP_BATCH);
                Self::malformed("hidden", message)
            }
        }
    }
}
