//! Signed requests of the control plane: HTTP Message Signatures (RFC 9421) in one fixed profile, with the digest of
//! the body (RFC 9530). Pure functions over strings; no HTTP library.
//!
//! Covered are, in this order, `"@method"`, `"@authority"`, `"@path"` and `"content-digest"`; the parameters are, in
//! this order, `created`, `keyid` (the device id in base32), `alg="ed25519"` and `tag="alcyon-device"`; the label is
//! `alcyon`. Nothing else is accepted, so there is nothing to negotiate and nothing to strip. A request has a digest even
//! if its body is empty. A query is not covered, so signed requests have none.
//!
//! The device says who it is; that it belongs to the account in the path is for the server to check in its manifest.
//! Within the tolerance a request can be repeated by whoever saw it: each one must be harmless the second time.
//!
//! ```
//! use alcyon_identity::{DeviceKey, http_signature::{Request, sign, verify}};
//!
//! let device = DeviceKey::generate();
//! let request = Request::new("PUT", "sea.example", "/v1/accounts/abc/manifest", b"{}")?;
//! let headers = sign(&request, &device, 1_700_000_000);
//! assert_eq!(verify(&request, &headers, 1_700_000_100)?, device.id());
//! # Ok::<(), alcyon_identity::IdentityError>(())
//! ```

use alcyon_wire::DeviceId;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::{DeviceKey, IdentityError, verify_device};

/// How far the signer's clock may be from the verifier's, seconds, either way.
pub const TOLERANCE_S: u64 = 300;

/// The parts of a request that are signed.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    method: &'a str,
    authority: String,
    path: &'a str,
    content_digest: String,
}

/// The three headers of a signed request. `S` is `String` when signing, and what the server has at hand when verifying.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers<S = String> {
    /// `Signature-Input`
    pub signature_input: S,
    /// `Signature`
    pub signature: S,
    /// `Content-Digest`
    pub content_digest: S,
}

impl<S> std::fmt::Debug for Headers<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Headers(..)")
    }
}

impl Headers<String> {
    /// Names and values, to be put on a request.
    #[must_use]
    pub fn into_pairs(self) -> [(&'static str, String); 3] {
        let Self { signature_input, signature, content_digest } = self;
        [("signature-input", signature_input), ("signature", signature), ("content-digest", content_digest)]
    }
}

impl<'a> Request<'a> {
    /// `authority` is the host of the URL with its port, as in the `Host` header; case and the default ports 80 and 443
    /// do not matter (RFC 9421 section 2.2.3). `path` begins with a slash and has no query.
    pub fn new(method: &'a str, authority: &str, path: &'a str, body: &[u8]) -> Result<Self, IdentityError> {
        // Were a line break let through, one request could pass for another.
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(IdentityError::RequestPart { part: "method" });
        }
        if authority.is_empty() || !visible(authority) {
            return Err(IdentityError::RequestPart { part: "authority" });
        }
        if !path.starts_with('/') || !visible(path) || path.contains(['?', '#']) {
            return Err(IdentityError::RequestPart { part: "path" });
        }
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(":443").or(authority.strip_suffix(":80")).unwrap_or(&authority).to_owned();
        let content_digest = format!("sha-256=:{}:", BASE64.encode(&Sha256::digest(body)));
        Ok(Self { method, authority, path, content_digest })
    }

    /// The signature base (RFC 9421 section 2.5).
    fn base(&self, parameters: &str) -> String {
        let Self { method, authority, path, content_digest } = self;
        format!(
            "\"@method\": {method}\n\"@authority\": {authority}\n\"@path\": {path}\n\"content-digest\": {content_digest}\n\
             \"@signature-params\": {parameters}"
        )
    }
}

/// Signs a request at `created_unix_s`, Unix seconds.
#[must_use]
pub fn sign(request: &Request<'_>, device: &DeviceKey, created_unix_s: u64) -> Headers {
    let parameters = parameters(created_unix_s, device.id());
    let signature = device.sign(request.base(&parameters).as_bytes());
    Headers {
        signature_input: format!("alcyon={parameters}"),
        signature: format!("alcyon=:{}:", BASE64.encode(&signature)),
        content_digest: request.content_digest.clone(),
    }
}

/// Checks a request against its headers at `now_unix_s`, Unix seconds, give or take [`TOLERANCE_S`]: which device signed.
pub fn verify<S: AsRef<str>>(request: &Request<'_>, headers: &Headers<S>, now_unix_s: u64) -> Result<DeviceId, IdentityError> {
    let Headers { signature_input, signature, content_digest } = headers;
    let (created, device) = read_input(signature_input.as_ref()).ok_or(IdentityError::Header {
        header: "signature-input",
        expected: "alcyon=(\"@method\" \"@authority\" \"@path\" \"content-digest\");created=1700000000;keyid=\"<device id>\";alg=\"ed25519\";tag=\"alcyon-device\"",
    })?;
    let signature = read_signature(signature.as_ref())
        .ok_or(IdentityError::Header { header: "signature", expected: "alcyon=:<base64 of 64 bytes>:" })?;
    if created.abs_diff(now_unix_s) > TOLERANCE_S {
        return Err(IdentityError::Clock { now_unix_s });
    }
    if content_digest.as_ref() != request.content_digest {
        return Err(IdentityError::Digest);
    }
    verify_device(device, request.base(&parameters(created, device)).as_bytes(), &signature)?;
    Ok(device)
}

/// The value of `@signature-params`: covered components and parameters.
fn parameters(created: u64, device: DeviceId) -> String {
    let device = device.to_text();
    format!(
        "(\"@method\" \"@authority\" \"@path\" \"content-digest\");created={created};keyid=\"{device}\";alg=\"ed25519\";tag=\"alcyon-device\""
    )
}

/// Finds time and device in a `Signature-Input` and holds the rest to the profile, byte for byte.
fn read_input(input: &str) -> Option<(u64, DeviceId)> {
    let (_, rest) = input.split_once(";created=")?;
    let (created, rest) = rest.split_once(";keyid=\"")?;
    let (device, _) = rest.split_once('"')?;
    let (created, device) = (created.parse().ok()?, DeviceId::from_text(device, "keyid").ok()?);
    (input.strip_prefix("alcyon=")? == parameters(created, device)).then_some((created, device))
}

fn read_signature(signature: &str) -> Option<[u8; 64]> {
    let text = signature.strip_prefix("alcyon=:")?.strip_suffix(':')?;
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
}
