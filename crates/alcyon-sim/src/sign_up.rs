//! Somebody who signs up: a request that is made and signed beforehand, so that a generator keeps up.

use std::time::{SystemTime, UNIX_EPOCH};

use alcyon_identity::{
    DeviceKey, Era, EraKey, Home, Inbox, ManifestDraft, RecoveryWords,
    http_signature::{Request, sign},
};
use alcyon_wire::{AccountId, Handle, ServerUrl};
use data_encoding::BASE64URL_NOPAD;

use crate::light::{LightLog, random_bytes};

/// A sign-up, ready to go as a `POST` to [`SignUp::PATH`].
#[derive(Debug)]
pub struct SignUp {
    /// Who signs up.
    pub account: AccountId,
    /// The headers that sign it.
    pub headers: [(&'static str, String); 3],
    /// Its JSON.
    pub body: Vec<u8>,
}

impl SignUp {
    /// Where it goes.
    pub const PATH: &'static str = "/v1/accounts";

    /// With new keys, under a name at this server. The signature is good for as long as servers allow, from now on.
    pub fn sign(server: &ServerUrl, name: &str) -> anyhow::Result<Self> {
        let root = RecoveryWords::generate().root();
        let key = EraKey::generate();
        let era = Era::new(root.sign_era(1, &key), key)?;
        let device = DeviceKey::generate();
        let inbox = LightLog::random();
        let manifest = era.sign_manifest(ManifestDraft {
            version: 1,
            devices: vec![device.id()],
            inbox: Inbox { server: server.clone(), log: inbox.seat.log, sealing_key: random_bytes::<1216>().to_vec() },
            homes: vec![Home { server: server.clone(), handle: Handle::new(name.parse()?, server.authority())? }],
        })?;
        let seat = inbox.as_seat();
        let body = serde_json::to_vec(&serde_json::json!({
            "name": name,
            "manifest": BASE64URL_NOPAD.encode(manifest.to_bytes()),
            "inbox_seats": [{
                "id": BASE64URL_NOPAD.encode(seat.id.as_bytes()),
                "drop_hash": BASE64URL_NOPAD.encode(seat.drop_hash.as_bytes()),
                "keep": seat.keep,
                "invite": seat.invite,
            }],
        }))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let headers = sign(&Request::new("POST", server.authority(), Self::PATH, &body)?, &device, now).into_pairs();
        Ok(Self { account: root.account(), headers, body })
    }

    /// The headers, as requests take them.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}
