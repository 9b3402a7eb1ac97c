use std::sync::Arc;

use alcyon_identity::Manifest;
use alcyon_wire::{AccountId, DropHash, Handle, HandleName, Seat, SeatId, limits, proto};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use prost::Message;
use serde_json::json;

use super::{
    Problem,
    answer::json_body,
    fields::Fields,
    routes::{App, read_body},
    signed::signed,
};
use crate::{
    directory::{DirectoryError, KeyPackageCount},
    sign_up::Proven,
};

/// Bodies with a manifest: base64 adds a third, seats a little.
const MANIFEST_BODY: usize = 64 * 1024;
/// Bodies with KeyPackages.
const KEY_PACKAGES_BODY: usize = (limits::ONE_TIME_KEY_PACKAGES + 1) * limits::KEY_PACKAGE * 3 / 2;
/// Bodies that nothing is read from.
const NO_BODY: usize = 1024;

/// `POST /v1/accounts`: signs up.
pub(super) async fn sign_up(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (band, (ticket, entered)) = (super::sign_up::band(&request)?, super::sign_up::enter(&app, &request)?);
    let (device, body) = signed(&app, request, MANIFEST_BODY).await?;
    let mut fields = Fields::parse(&body)?;
    let name: HandleName = fields.text("name")?.parse().map_err(Problem::from)?;
    let signed_manifest = Bytes::from(fields.bytes("manifest", limits::MANIFEST)?);
    let seats = inbox_seats(&mut fields)?;
    let given = super::sign_up::given(&mut fields)?;
    fields.end()?;
    // What it says it is; that it is, three signatures show, and they come last.
    let account = account_of(signed_manifest.clone()).ok_or_else(|| Problem::malformed("manifest", "this is no manifest"))?;
    if ticket.is_some_and(|ticket| ticket.account != account) {
        return Err(Problem::never(StatusCode::FORBIDDEN, "wrong_ticket", "this ticket is another account's").at("alcyon-ticket"));
    }
    let proven = match app.sign_ups.prove(&given, account, band) {
        Ok(proven) => proven,
        // Whoever has signed up already and did not hear of it has used up what it shows.
        Err(_) if is_known(&app, account, &signed_manifest)? => Proven::default(),
        Err(not_proven) => return Err(not_proven.into()),
    };
    let manifest = Manifest::decode(&signed_manifest).map_err(Problem::from)?;
    if !manifest.has_device(device) {
        return Err(foreign_device());
    }
    let handle = Handle::new(name.clone(), &app.name).map_err(Problem::from)?;
    let stood = app.directory.manifest_by_handle(&name).map_err(Problem::from)?.is_some_and(|known| known == manifest.to_bytes());
    app.directory.sign_up_with(&name, manifest, device, seats, proven).await?;
    if !stood {
        entered.signed_up();
    }
    let status = if stood { StatusCode::OK } else { StatusCode::CREATED };
    let body = json!({ "handle": handle.to_text(), "account": account.to_text() });
    Ok((status, json_body(&body)).into_response())
}

/// `GET /v1/handles/{name}`
pub(super) async fn by_handle(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, Problem> {
    let name: HandleName = name.parse().map_err(Problem::from)?;
    found(app.directory.manifest_by_handle(&name)?)
}

/// `GET /v1/accounts/{account}/manifest`
pub(super) async fn manifest_of(State(app): State<Arc<App>>, Path(account): Path<String>) -> Result<Response, Problem> {
    found(app.directory.manifest_by_account(account_id(&account)?)?)
}

/// `PUT /v1/accounts/{account}/manifest`
pub(super) async fn put_manifest(State(app): State<Arc<App>>, Path(account): Path<String>, request: Request) -> Result<Response, Problem> {
    let account = account_id(&account)?;
    let (device, body) = signed(&app, request, MANIFEST_BODY).await?;
    let mut fields = Fields::parse(&body)?;
    let manifest = manifest(&mut fields)?;
    let seats = if fields.has("inbox_seats") { inbox_seats(&mut fields)? } else { Vec::new() };
    fields.end()?;
    if manifest.account() != account {
        return Err(Problem::malformed("manifest", "the manifest is another account's than the path's"));
    }
    if !manifest.has_device(device) {
        return Err(foreign_device());
    }
    app.directory.put_manifest(manifest, seats).await?;
    Ok(json_body(&json!({ "account": account.to_text() })).into_response())
}

/// `PUT /v1/accounts/{account}/key-packages`
pub(super) async fn put_key_packages(
    State(app): State<Arc<App>>,
    Path(account): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let account = account_id(&account)?;
    let (device, body) = signed(&app, request, KEY_PACKAGES_BODY).await?;
    let mut fields = Fields::parse(&body)?;
    let last_resort = if fields.has("last_resort") { fields.bytes("last_resort", limits::KEY_PACKAGE)? } else { Vec::new() };
    let one_time = if fields.has("one_time") {
        fields.list_of_bytes("one_time", limits::ONE_TIME_KEY_PACKAGES, limits::KEY_PACKAGE)?
    } else {
        Vec::new()
    };
    fields.end()?;
    let one_time = one_time.into_iter().map(Bytes::from).collect();
    let count = app.directory.put_key_packages(account, device, last_resort.into(), one_time).await?;
    Ok(counted(count))
}

/// `GET /v1/accounts/{account}/key-packages/count`
pub(super) async fn count_key_packages(
    State(app): State<Arc<App>>,
    Path(account): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let account = account_id(&account)?;
    let (device, _) = signed(&app, request, NO_BODY).await?;
    Ok(counted(app.directory.key_package_count(account, device)?))
}

/// `POST /v1/accounts/{account}/key-packages/claim`
pub(super) async fn claim_key_packages(
    State(app): State<Arc<App>>,
    Path(account): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let account = account_id(&account)?;
    read_body(request, NO_BODY).await?;
    let claimed = app.directory.claim_key_packages(account).await?;
    let list = claimed
        .into_iter()
        .map(|claimed| json!({ "device": claimed.device.to_text(), "key_package": BASE64URL_NOPAD.encode(&claimed.key_package) }));
    Ok(json_body(&list.collect()).into_response())
}

/// Whether this very manifest was signed up with.
fn is_known(app: &App, account: AccountId, signed_manifest: &Bytes) -> Result<bool, Problem> {
    Ok(app.directory.manifest_by_account(account)?.is_some_and(|known| known == signed_manifest))
}

fn account_id(text: &str) -> Result<AccountId, Problem> {
    Ok(AccountId::from_text(text, "account")?)
}

fn manifest(fields: &mut Fields) -> Result<Manifest, Problem> {
    let bytes = fields.bytes("manifest", limits::MANIFEST)?;
    Manifest::decode(&bytes).map_err(Problem::from)
}

fn inbox_seats(fields: &mut Fields) -> Result<Vec<Seat>, Problem> {
    let seats = fields.objects("inbox_seats", limits::DEVICES)?;
    seats.into_iter().map(seat).collect()
}

fn seat(mut fields: Fields) -> Result<Seat, Problem> {
    let id = SeatId::from(fields.array("id")?);
    let drop_hash = DropHash::from(fields.array("drop_hash")?);
    let seat = Seat { id, drop_hash, keep: fields.boolean("keep")?, invite: fields.boolean("invite")? };
    fields.end()?;
    Ok(seat)
}

fn foreign_device() -> Problem {
    Problem::never(StatusCode::UNAUTHORIZED, "unauthorized", "the device that signed the request is not in the manifest").at("keyid")
}

/// The stored manifest. It was verified when it came; readers verify it themselves.
fn found(signed: Option<Bytes>) -> Result<Response, Problem> {
    let signed = signed.ok_or_else(|| Problem::never(StatusCode::NOT_FOUND, "unknown_account", "nobody here has that name or id"))?;
    let account = account_of(signed.clone()).ok_or_else(|| Problem::from(crate::Refusal::internal()))?;
    Ok(json_body(&json!({ "account": account.to_text(), "manifest": BASE64URL_NOPAD.encode(&signed) })).into_response())
}

fn account_of(signed: Bytes) -> Option<AccountId> {
    let proto::SignedManifest { manifest, signature: _ } = proto::SignedManifest::decode(signed).ok()?;
    let root: [u8; 32] = proto::Manifest::decode(manifest).ok()?.root.as_ref().try_into().ok()?;
    Some(AccountId::of_root(&root))
}

fn counted(count: KeyPackageCount) -> Response {
    let KeyPackageCount { last_resort, one_time } = count;
    json_body(&json!({ "last_resort": last_resort, "one_time": one_time })).into_response()
}

impl From<DirectoryError> for Problem {
    fn from(error: DirectoryError) -> Self {
        let message = error.to_string();
        match error {
            DirectoryError::HandleTaken => Self::never(StatusCode::CONFLICT, "handle_taken", message).at("name"),
            DirectoryError::InviteOver => Self::never(StatusCode::FORBIDDEN, "invite_over", message).at("proofs.invite"),
            DirectoryError::AccountExists => Self::never(StatusCode::CONFLICT, "account_exists", message).at("manifest"),
            DirectoryError::UnknownAccount => Self::never(StatusCode::NOT_FOUND, "unknown_account", message).at("account"),
            DirectoryError::UnknownDevice => Self::never(StatusCode::UNAUTHORIZED, "unauthorized", message).at("keyid"),
            DirectoryError::Suspended => Self::never(StatusCode::FORBIDDEN, "suspended", message).at("account"),
            DirectoryError::NotHome => Self::never(StatusCode::BAD_REQUEST, "not_home", message).at("manifest.homes"),
            DirectoryError::LowerManifest { .. } => Self::never(StatusCode::CONFLICT, "lower_manifest", message).at("manifest"),
            DirectoryError::Inbox(_) => Self::never(StatusCode::CONFLICT, "inbox", message).at("inbox_seats"),
            DirectoryError::TooManyKeyPackages { .. } | DirectoryError::KeyPackageSize { .. } => {
                Self::never(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).at("one_time")
            }
            DirectoryError::Later(refusal) => refusal.into(),
        }
    }
}
