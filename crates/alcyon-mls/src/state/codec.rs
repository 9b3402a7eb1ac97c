//! State and delta as bytes. Readers are total; what is read has one form only.

use std::collections::BTreeMap;

use alcyon_wire::{AccountId, DeviceId, DoorId, SeatId, proto};
use prost::Message;

use super::{Account, GroupChange, GroupState, LetsIn, NewDoor, OpenDoor, Permission, Role, Settings, Who};
use crate::MlsError;

const STATE: MlsError = MlsError::Malformed { what: "GroupState" };
/// Kinds of doors, the numbers of `DoorKind`.
const ACCOUNT: u32 = 1;
const LINK: u32 = 2;
const CHANGE: MlsError = MlsError::Malformed { what: "GroupChange" };

impl GroupState {
    /// The bytes of the component.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { revision, accounts, removed, doors, settings, seats } = self;
        let Settings { title, description, picture, timer_s, who_invites, who_edits, who_writes } = settings;
        proto::GroupState {
            revision: *revision,
            accounts: accounts
                .iter()
                .map(|(id, Account { role, since })| proto::GroupAccount { account: id.to_field(), role: role.number(), since: *since })
                .collect(),
            removed: removed.iter().map(|(id, at)| proto::RemovedAccount { account: id.to_field(), at: *at }).collect(),
            doors: doors
                .values()
                .map(|OpenDoor { door, opened_by, opened_at }| proto::OpenDoor {
                    opened_by: opened_by.to_field(),
                    opened_at: *opened_at,
                    ..door.to_field()
                })
                .collect(),
            settings: Some(proto::GroupSettings {
                title: title.clone(),
                description: description.clone(),
                picture: picture.clone().into(),
                timer_s: *timer_s,
                who_invites: who_invites.number(),
                who_edits: who_edits.number(),
                who_writes: who_writes.number(),
            }),
            seats: seats.iter().map(|(device, seat)| proto::NamedSeat { device: device.to_field(), seat: seat.to_field() }).collect(),
        }
        .encode_to_vec()
    }

    /// Reads the form of [`Self::encode`], and no other. That it is within the limits is for the rules to say.
    pub fn decode(bytes: &[u8]) -> Result<Self, MlsError> {
        let proto::GroupState { revision, accounts, removed, doors, settings, seats } =
            proto::GroupState::decode(bytes).map_err(|_| STATE)?;
        let proto::GroupSettings { title, description, picture, timer_s, who_invites, who_edits, who_writes } = settings.ok_or(STATE)?;
        let state = Self {
            revision,
            accounts: accounts
                .into_iter()
                .map(|proto::GroupAccount { account, role, since }| {
                    let role = Role::from_number(role).ok_or(STATE)?;
                    Ok((account_id(&account).ok_or(STATE)?, Account { role, since }))
                })
                .collect::<Result<_, MlsError>>()?,
            removed: removed
                .into_iter()
                .map(|proto::RemovedAccount { account, at }| Ok((account_id(&account).ok_or(STATE)?, at)))
                .collect::<Result<_, MlsError>>()?,
            doors: doors
                .into_iter()
                .map(|field| {
                    let opened_by = account_id(&field.opened_by).ok_or(STATE)?;
                    let opened_at = field.opened_at;
                    let door = NewDoor::of_field(field).ok_or(STATE)?;
                    Ok((door.id, OpenDoor { door, opened_by, opened_at }))
                })
                .collect::<Result<BTreeMap<_, _>, MlsError>>()?,
            settings: Settings {
                title,
                description,
                picture: picture.to_vec(),
                timer_s,
                who_invites: Who::from_number(who_invites).ok_or(STATE)?,
                who_edits: Who::from_number(who_edits).ok_or(STATE)?,
                who_writes: Who::from_number(who_writes).ok_or(STATE)?,
            },
            seats: seats
                .into_iter()
                .map(|proto::NamedSeat { device, seat }| {
                    let device = DeviceId::parse(&device, "group.seats.device").map_err(|_| STATE)?;
                    Ok((device, SeatId::parse(&seat, "group.seats.seat").map_err(|_| STATE)?))
                })
                .collect::<Result<_, MlsError>>()?,
        };
        // Order, duplicates, defaults that were written out, fields that are not known: all show here.
        if state.encode() == bytes { Ok(state) } else { Err(STATE) }
    }
}

impl GroupChange {
    /// The bytes of a delta: what an AppDataUpdate carries.
    #[must_use]
    pub fn encode_delta(changes: &[Self]) -> Vec<u8> {
        proto::GroupDelta { changes: changes.iter().map(Self::to_field).collect() }.encode_to_vec()
    }

    /// Reads the form of [`Self::encode_delta`], and no other. A change that this version does not know is an error:
    /// what a rule set knows never grows.
    pub fn decode_delta(bytes: &[u8]) -> Result<Vec<Self>, MlsError> {
        let proto::GroupDelta { changes } = proto::GroupDelta::decode(bytes).map_err(|_| CHANGE)?;
        let changes: Vec<_> = changes.into_iter().map(|field| Self::of_field(field).ok_or(CHANGE)).collect::<Result<_, _>>()?;
        if Self::encode_delta(&changes) == bytes { Ok(changes) } else { Err(CHANGE) }
    }

    fn to_field(&self) -> proto::GroupChange {
        use proto::group_change::Change;
        let change = match self {
            Self::SetRole { account, role } => Change::SetRole(proto::SetRole { account: account.to_field(), role: role.number() }),
            Self::OpenDoor(door) => Change::OpenDoor(door.to_field()),
            Self::CloseDoor(id) => Change::CloseDoor(id.to_field()),
            Self::SetTitle(title) => Change::SetTitle(title.clone()),
            Self::SetDescription(description) => Change::SetDescription(description.clone()),
            Self::SetPicture(picture) => Change::SetPicture(picture.clone().into()),
            Self::SetTimer(seconds) => Change::SetTimerS(*seconds),
            Self::SetPermission { permission, who } => {
                Change::SetPermission(proto::SetPermission { permission: permission.number(), who: who.number() })
            }
        };
        proto::GroupChange { change: Some(change) }
    }

    fn of_field(field: proto::GroupChange) -> Option<Self> {
        use proto::group_change::Change;
        let proto::GroupChange { change } = field;
        Some(match change? {
            Change::SetRole(proto::SetRole { account, role }) => {
                Self::SetRole { account: account_id(&account)?, role: Role::from_number(role)? }
            }
            Change::OpenDoor(door) if door.opened_by.is_empty() && door.opened_at == 0 => Self::OpenDoor(NewDoor::of_field(door)?),
            Change::OpenDoor(_) => return None,
            Change::CloseDoor(id) => Self::CloseDoor(DoorId::parse(&id, "change.close_door").ok()?),
            Change::SetTitle(title) => Self::SetTitle(title),
            Change::SetDescription(description) => Self::SetDescription(description),
            Change::SetPicture(picture) => Self::SetPicture(picture.to_vec()),
            Change::SetTimerS(seconds) => Self::SetTimer(seconds),
            Change::SetPermission(proto::SetPermission { permission, who }) => {
                Self::SetPermission { permission: Permission::from_number(permission)?, who: Who::from_number(who)? }
            }
        })
    }
}

impl NewDoor {
    fn to_field(&self) -> proto::OpenDoor {
        let Self { id, key, lets_in, expires_ms } = self;
        let (kind, account, role, approval) = match lets_in {
            LetsIn::Account { account, role } => (ACCOUNT, account.to_field(), role.number(), false),
            LetsIn::Link { approval } => (LINK, Default::default(), 0, *approval),
        };
        proto::OpenDoor {
            id: id.to_field(),
            kind,
            key: key.clone().into(),
            account,
            role,
            approval,
            expires_ms: expires_ms.unwrap_or(0),
            opened_by: Default::default(),
            opened_at: 0,
        }
    }

    /// Without who opened it and when.
    fn of_field(field: proto::OpenDoor) -> Option<Self> {
        let proto::OpenDoor { id, kind, key, account, role, approval, expires_ms, opened_by: _, opened_at: _ } = field;
        let role = Role::from_number(role)?;
        let lets_in = match kind {
            ACCOUNT if !approval => LetsIn::Account { account: account_id(&account)?, role },
            LINK if account.is_empty() && role == Role::Member => LetsIn::Link { approval },
            _ => return None,
        };
        let id = DoorId::parse(&id, "door.id").ok()?;
        Some(Self { id, key: key.to_vec(), lets_in, expires_ms: (expires_ms != 0).then_some(expires_ms) })
    }
}

fn account_id(bytes: &[u8]) -> Option<AccountId> {
    AccountId::parse(bytes, "group.account").ok()
}

impl Role {
    fn number(self) -> u32 {
        match self {
            Self::Member => 0,
            Self::Admin => 1,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        [Self::Member, Self::Admin].into_iter().find(|role| role.number() == number)
    }
}

impl Who {
    fn number(self) -> u32 {
        match self {
            Self::Admins => 0,
            Self::Members => 1,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        [Self::Admins, Self::Members].into_iter().find(|who| who.number() == number)
    }
}

impl Permission {
    fn number(self) -> u32 {
        match self {
            Self::Invite => 1,
            Self::Edit => 2,
            Self::Write => 3,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        [Self::Invite, Self::Edit, Self::Write].into_iter().find(|permission| permission.number() == number)
    }
}
