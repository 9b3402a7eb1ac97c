//! Our MLS extensions (RFC 9420 section 17.3, private use) and what is in them.

use alcyon_wire::{ConversationId, LogId, PayloadHash, SeatId, proto};
use openmls::prelude::{
    AppDataDictionary, AppDataDictionaryExtension, Extension, ExtensionType, Extensions, GroupContext, LeafNode, ProposalType,
    RequiredCapabilitiesExtension, UnknownExtension, group_info::GroupInfo,
};
use prost::Message;

use crate::{GroupState, MlsError, device::CREDENTIAL};

/// Leaf extension: the seat this leaf sits on.
pub(crate) const LEAF_SEAT: u16 = 0xF0A1;
/// GroupContext extension: the numbers a client must know to take part.
pub(crate) const GROUP_RULES: u16 = 0xF0A2;
/// Component of the AppDataDictionary (draft-ietf-mls-extensions section 4.6, private use): the state of a group.
pub(crate) const GROUP_STATE: u16 = 0xF0A5;
/// GroupInfo extension beside a stored tree: the last valid commit at that state.
pub(crate) const LAST_VALID: u16 = 0xF0A4;

/// The protocol number of `sealed.proto`.
pub const PROTOCOL: u32 = 1;
/// Rule set 1: a pair, two accounts for ever.
pub const RULES_PAIR: u32 = 1;
/// Rule set 2: a group, with roles, doors and settings in its state.
pub const RULES_GROUP: u32 = 2;

/// What a group is bound to: the numbers it needs, and its conversation, term and log. It never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupRules {
    /// Number of the protocol, [`PROTOCOL`].
    pub protocol: u32,
    /// Number of the rule set, [`RULES_PAIR`] or [`RULES_GROUP`].
    pub rules: u32,
    /// The conversation.
    pub conversation: ConversationId,
    /// Its term: 0, 1, ...
    pub term: u32,
    /// The log of that term.
    pub log: LogId,
}

impl GroupRules {
    /// The rules of a conversation of two.
    #[must_use]
    pub fn pair(conversation: ConversationId, term: u32, log: LogId) -> Self {
        Self { protocol: PROTOCOL, rules: RULES_PAIR, conversation, term, log }
    }

    /// The rules of a group.
    #[must_use]
    pub fn group(conversation: ConversationId, term: u32, log: LogId) -> Self {
        Self { protocol: PROTOCOL, rules: RULES_GROUP, conversation, term, log }
    }

    /// The bytes of the extension.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { protocol, rules, conversation, term, log } = *self;
        proto::GroupRules { protocol, rules, conversation: conversation.to_field(), term, log: log.to_field() }.encode_to_vec()
    }

    /// Reads the form of [`Self::encode`]. Numbers that this version does not know are [`MlsError::UnknownRules`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MlsError> {
        const WHAT: MlsError = MlsError::Malformed { what: "GroupRules" };
        let proto::GroupRules { protocol, rules, conversation, term, log } = proto::GroupRules::decode(bytes).map_err(|_| WHAT)?;
        if protocol != PROTOCOL || ![RULES_PAIR, RULES_GROUP].contains(&rules) {
            return Err(MlsError::UnknownRules { protocol, rules });
        }
        Ok(Self {
            protocol,
            rules,
            conversation: ConversationId::parse(&conversation, "rules.conversation").map_err(|_| WHAT)?,
            term,
            log: LogId::parse(&log, "rules.log").map_err(|_| WHAT)?,
        })
    }

    pub(crate) fn of_context(context: &GroupContext) -> Result<Self, MlsError> {
        let extension = context.extensions().unknown(GROUP_RULES).ok_or(MlsError::Malformed { what: "GroupRules" })?;
        // The numbers come first: what another rule set requires is not known here.
        let rules = Self::decode(&extension.0)?;
        if context.extensions().required_capabilities() != Some(&rules.required_capabilities()) {
            return Err(MlsError::Malformed { what: "RequiredCapabilities" });
        }
        Ok(rules)
    }

    /// The extensions of the first GroupContext; `state` under rule set 2.
    pub(crate) fn to_context(self, state: Option<&GroupState>) -> Result<Extensions<GroupContext>, MlsError> {
        let mut extensions = vec![
            Extension::RequiredCapabilities(self.required_capabilities()),
            Extension::Unknown(GROUP_RULES, UnknownExtension(self.encode())),
        ];
        if let Some(state) = state {
            let mut dictionary = AppDataDictionary::new();
            dictionary.insert(GROUP_STATE, state.encode());
            extensions.push(Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary)));
        }
        Extensions::from_vec(extensions).map_err(|_| MlsError::Malformed { what: "GroupRules" })
    }

    /// The group's state in a GroupContext of these rules; none in a pair.
    pub(crate) fn state_of_context(&self, context: &GroupContext) -> Result<Option<GroupState>, MlsError> {
        if self.rules != RULES_GROUP {
            return Ok(None);
        }
        let dictionary = context.extensions().app_data_dictionary().map(|extension| extension.dictionary());
        let bytes = dictionary.and_then(|dictionary| dictionary.get(&GROUP_STATE)).ok_or(MlsError::Malformed { what: "GroupState" })?;
        GroupState::decode(bytes).map(Some)
    }

    fn required_capabilities(self) -> RequiredCapabilitiesExtension {
        let ours = [ExtensionType::Unknown(LEAF_SEAT), ExtensionType::Unknown(GROUP_RULES)];
        if self.rules == RULES_GROUP {
            let [seat, rules] = ours;
            RequiredCapabilitiesExtension::new(
                &[seat, rules, ExtensionType::AppDataDictionary],
                &[ProposalType::AppDataUpdate],
                &[CREDENTIAL],
            )
        } else {
            RequiredCapabilitiesExtension::new(&ours, &[], &[CREDENTIAL])
        }
    }
}

/// The extensions of a leaf on `seat`.
pub(crate) fn leaf_extensions(seat: SeatId) -> Result<Extensions<LeafNode>, MlsError> {
    let bytes = proto::LeafSeat { seat: seat.to_field() }.encode_to_vec();
    Extensions::single(Extension::Unknown(LEAF_SEAT, UnknownExtension(bytes))).map_err(|_| MlsError::Malformed { what: "LeafSeat" })
}

/// The seat a leaf says it sits on. `Err` if what it says can't be read.
pub(crate) fn leaf_seat(leaf: &LeafNode) -> Result<Option<SeatId>, ()> {
    leaf.extensions().unknown(LEAF_SEAT).map(|extension| read_seat(&extension.0)).transpose()
}

pub(crate) fn read_seat(extension: &[u8]) -> Result<SeatId, ()> {
    let proto::LeafSeat { seat } = proto::LeafSeat::decode(extension).map_err(|_| ())?;
    SeatId::parse(&seat, "leaf.seat").map_err(|_| ())
}

/// The last valid commit of a log, as commits name it: its sequence and the hash of its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastValid {
    /// Sequence of the entry.
    pub sequence: u64,
    /// Hash of its payload.
    pub payload_hash: PayloadHash,
}

impl LastValid {
    /// As a GroupInfo carries it.
    pub(crate) fn to_extension(self) -> Extension {
        Extension::Unknown(LAST_VALID, UnknownExtension(self.to_bytes()))
    }

    /// As a GroupInfo carries it; none in a term's first epoch. `Err` if it can't be read.
    pub(crate) fn of_group_info(extensions: &Extensions<GroupInfo>) -> Result<Option<Self>, MlsError> {
        let Some(extension) = extensions.unknown(LAST_VALID) else { return Ok(None) };
        Self::from_bytes(&extension.0).map(Some).ok_or(MlsError::Malformed { what: "GroupInfo" })
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&self.sequence.to_be_bytes()[..], self.payload_hash.as_bytes()].concat()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (sequence, hash) = bytes.split_first_chunk::<8>()?;
        Some(Self { sequence: u64::from_be_bytes(*sequence), payload_hash: PayloadHash::parse(hash, "last_valid_hash").ok()? })
    }
}
