use std::collections::HashMap;

use alcyon_identity::Manifest;
use alcyon_wire::{AccountId, DeviceId, HandleName, Seat};
use bytes::Bytes;

use super::{ClaimedKeyPackage, DirectoryError, KeyPackageCount, Moderation};
use crate::{
    Refusal,
    admission::Class,
    logs::requests::Reply,
    reports::ReportRecord,
    sign_up::{InviteRecord, Proven},
    stamps::Allowance,
    store::{RowKey, Table},
};

/// A request of the directory to the writer.
pub(crate) enum DirectoryJob {
    SignUp {
        name: HandleName,
        manifest: Box<Manifest>,
        inbox: Option<Vec<Seat>>,
        proven: Proven,
        reply: Reply<(), DirectoryError>,
    },
    /// An invite that comes to be, or goes.
    PutInvite {
        hash: RowKey,
        invite: Option<InviteRecord>,
        reply: Reply<(), DirectoryError>,
    },
    /// A report that comes, or goes.
    PutReport {
        id: RowKey,
        report: Option<ReportRecord>,
        reply: Reply<(), DirectoryError>,
    },
    /// `handles` are the keys of the handles here that the manifest names.
    PutManifest {
        handles: Vec<RowKey>,
        manifest: Box<Manifest>,
        inbox: Option<Vec<Seat>>,
        reply: Reply<(), DirectoryError>,
    },
    PutKeyPackages {
        account: AccountId,
        device: DeviceId,
        last_resort: Bytes,
        one_time: Vec<Bytes>,
        reply: Reply<KeyPackageCount, DirectoryError>,
    },
    Moderate {
        account: AccountId,
        act: Moderation,
        reply: Reply<(), DirectoryError>,
    },
    ClaimKeyPackages {
        account: AccountId,
        reply: Reply<Vec<ClaimedKeyPackage>, DirectoryError>,
    },
    /// Takes a batch of stamps off an account's allowance.
    TakeStamps {
        account: AccountId,
        device: DeviceId,
        allowance: Allowance,
        reply: Reply<(), DirectoryError>,
    },
}

impl DirectoryJob {
    /// Nobody waits for the answer any more.
    pub fn is_given_up(&self) -> bool {
        match self {
            Self::SignUp { reply, .. }
            | Self::PutManifest { reply, .. }
            | Self::Moderate { reply, .. }
            | Self::PutInvite { reply, .. }
            | Self::PutReport { reply, .. }
            | Self::TakeStamps { reply, .. } => reply.is_closed(),
            Self::PutKeyPackages { reply, .. } => reply.is_closed(),
            Self::ClaimKeyPackages { reply, .. } => reply.is_closed(),
        }
    }

    /// What goes first when too much is asked.
    pub fn class(&self) -> Class {
        match self {
            Self::SignUp { .. } => Class::SignUp,
            Self::PutManifest { .. } | Self::ClaimKeyPackages { .. } => Class::Commit,
            Self::PutKeyPackages { .. } | Self::TakeStamps { .. } | Self::PutReport { report: Some(_), .. } => Class::Directory,
            // What the operator says goes before everything.
            Self::Moderate { .. } | Self::PutInvite { .. } | Self::PutReport { report: None, .. } => Class::Live,
        }
    }

    /// Answers without trying.
    pub fn refuse(self, refusal: &Refusal) {
        fn send<T>(reply: Reply<T, DirectoryError>, refusal: &Refusal) {
            let _ = reply.send(Err(refusal.clone().into()));
        }
        match self {
            Self::SignUp { reply, .. }
            | Self::PutManifest { reply, .. }
            | Self::Moderate { reply, .. }
            | Self::PutInvite { reply, .. }
            | Self::PutReport { reply, .. }
            | Self::TakeStamps { reply, .. } => send(reply, refusal),
            Self::PutKeyPackages { reply, .. } => send(reply, refusal),
            Self::ClaimKeyPackages { reply, .. } => send(reply, refusal),
        }
    }
}

/// Rows that this group of requests has changed and that later ones of it must see; none: removed.
pub(crate) type Overlay = HashMap<(Table, Vec<u8>), Option<Bytes>>;
