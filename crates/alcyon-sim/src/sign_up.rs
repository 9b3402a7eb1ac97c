//! Somebody who signs up: a request that is made and signed beforehand, so that a generator keeps up.

use std::time::{SystemTime, UNIX_EPOCH};

use alcyon_client::HttpResponse;
use alcyon_identity::{
    DeviceKey, Era, EraKey, Home, Inbox, ManifestDraft, RecoveryWords,
    http_signature::{Request, sign},
};
use alcyon_wire::{AccountId, Handle, ServerUrl};
use anyhow::ensure;
use data_encoding::BASE64URL_NOPAD;
use futures::future::try_join_all;

use crate::{
    http::HttpConnection,
    lane::origin,
    light::{LightLog, random_bytes},
};

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

    /// Signs up. Anything but success is an error.
    pub async fn send(self, connection: &mut HttpConnection) -> anyhow::Result<()> {
        let HttpResponse { status, headers: _, body } = connection.request("POST", Self::PATH, &self.headers(), self.body.clone()).await?;
        ensure!((200..300).contains(&status), "status {status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }

    /// The headers, as requests take them.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

/// Newcomers in lanes, side by side: everything is signed beforehand.
#[derive(Debug)]
pub struct Crowd {
    server: ServerUrl,
    run: usize,
    lanes: Vec<(HttpConnection, Vec<SignUp>)>,
}

impl Crowd {
    /// So many lanes with so many people each, whose names nobody has had in another run.
    pub async fn gather(server: &ServerUrl, run: usize, lanes: usize, each: usize) -> anyhow::Result<Self> {
        let people = |lane: usize| (0..each).map(move |index| SignUp::sign(server, &format!("p{run}-{lane}-{index}")));
        let signed: Vec<Vec<SignUp>> = (0..lanes).map(|lane| people(lane).collect()).collect::<Result<_, _>>()?;
        let mut gathered = Vec::with_capacity(lanes);
        for (lane, newcomers) in signed.into_iter().enumerate() {
            gathered.push((HttpConnection::connect(server, None, origin(run, lane)).await?, newcomers));
        }
        Ok(Self { server: server.clone(), run, lanes: gathered })
    }

    /// Each lane on its open connection.
    pub async fn on_open_connections(self) -> anyhow::Result<()> {
        let Self { server: _, run: _, lanes } = self;
        try_join_all(lanes.into_iter().map(async |(mut open, newcomers)| {
            for newcomer in newcomers {
                newcomer.send(&mut open).await?;
            }
            anyhow::Ok(())
        }))
        .await?;
        Ok(())
    }

    /// Everybody on a connection of their own: newcomers come from everywhere.
    pub async fn on_new_connections(self) -> anyhow::Result<()> {
        let Self { server, run, lanes } = self;
        let (server, number) = (&server, lanes.len());
        try_join_all(lanes.into_iter().enumerate().map(async |(lane, (_, newcomers))| {
            for (index, newcomer) in newcomers.into_iter().enumerate() {
                let mut fresh = HttpConnection::connect(server, None, origin(run * number + lane, index)).await?;
                newcomer.send(&mut fresh).await?;
            }
            anyhow::Ok(())
        }))
        .await?;
        Ok(())
    }
}
