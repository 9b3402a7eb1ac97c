//! Reports: what a person shows to the admins of a group, or to the operator of their own server, of what was sent to them.
//!
//! Nothing leaves that the person has not ticked and seen: a [`Report`] is made first, shown whole, and sent as it is. Admins get it as a
//! knock, sealed to each of them, so that no other member sees it; they are members, so their devices can say which of the messages shown are
//! in the conversation. The operator gets it in clear over HTTP, can check nothing of it, and is not told who reports unless the reporter wants that.

use alcyon_identity::Manifest;
use alcyon_mls::Role;
use alcyon_store::{ConversationKind, RequestKind as StoredKind, RequestRecord, RequestState, Standing, Tx};
use alcyon_wire::{AccountId, ConversationId, Handle, MessageId, ServerUrl, limits, proto};
use data_encoding::BASE64URL_NOPAD;
use prost::Message as _;
use sha2::{Digest, Sha256};

use crate::{
    Client, ClientError, Clock, Person, Transport,
    contacts::remember_manifest,
    core::person_of,
    directory::{self, JsonAbout, JsonMessage, JsonReport},
    inbox::put_new,
    invite::knock,
    local::Local,
    message::view::Whole,
    next_term::newest_state,
    random::random,
};

/// Open reports of one member that an admin's device keeps.
const OPEN_BY_ONE: usize = 20;
/// Admins that are knocked at.
const ADMINS: usize = 16;

/// What is the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ReportReason {
    /// Unwanted advertising, or fraud.
    Spam = 1,
    /// Insults, threats, harassment.
    Abuse = 2,
    /// Somebody is in danger, or is being harmed.
    Danger = 3,
    /// Something else.
    Other = 4,
}

impl ReportReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Spam, Self::Abuse, Self::Danger, Self::Other];

    /// A word for machines.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Abuse => "abuse",
            Self::Danger => "danger",
            Self::Other => "other",
        }
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// What is to be reported, before it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportDraft {
    /// The conversation, or a request.
    pub conversation: ConversationId,
    /// Whom: a handle or an account id. In a group `None` means the group itself; else it is the other side.
    pub whom: Option<String>,
    /// What is the matter.
    pub reason: ReportReason,
    /// What the reporter says, at most 1 KiB.
    pub words: String,
    /// Messages to show, at most eight. For a request its own id stands for the first words.
    pub messages: Vec<MessageId>,
    /// To the group's admins.
    pub to_admins: bool,
    /// To the operator of the own server.
    pub to_operator: bool,
    /// The operator is told who reports. Admins are in any case.
    pub named: bool,
}

/// A report as it leaves: nothing else does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    id: [u8; 16],
    conversation: ConversationId,
    /// Who is reported; `None`: the group.
    pub about: Option<Person>,
    /// Of a group: its title.
    pub title: Option<String>,
    /// What is the matter.
    pub reason: ReportReason,
    /// What the reporter says.
    pub words: String,
    /// The messages shown, oldest first.
    pub messages: Vec<ReportedView>,
    /// The admins who get it.
    pub admins: Vec<Person>,
    /// The server whose operator gets it.
    pub operator: Option<ServerUrl>,
    /// The operator is told that this account reports.
    pub named: Option<Handle>,
}

/// A message that a report shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedView {
    /// Its id.
    pub id: MessageId,
    /// Who has written it.
    pub by: Person,
    /// The sender's clock, Unix milliseconds.
    pub sent_at_ms: u64,
    /// Its text, at most 2 KiB of it.
    pub text: String,
    /// A received report: this very text is, or was, in the conversation as this device has it.
    pub found: bool,
}

/// A report that an admin has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportView {
    /// The group.
    pub conversation: ConversationId,
    /// Its title.
    pub title: String,
    /// Who is reported; `None`: the group.
    pub about: Option<Person>,
    /// What is the matter.
    pub reason: ReportReason,
    /// What the reporter says.
    pub words: String,
    /// The messages shown.
    pub messages: Vec<ReportedView>,
}

impl Report {
    /// Whether anybody gets it.
    #[must_use]
    pub fn goes_somewhere(&self) -> bool {
        self.operator.is_some() || !self.admins.is_empty()
    }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Makes a report and sends nothing. What is returned is all that [`Self::send_report`] sends.
    pub fn make_report(&self, draft: &ReportDraft) -> Result<Report, ClientError> {
        let local = self.core.local()?;
        check_size("words", draft.words.len(), limits::REPORT_WORDS)?;
        check_size("messages", draft.messages.len(), limits::REPORT_MESSAGES)?;
        self.core.store.transaction(|tx| make(tx, &local, draft))
    }

    /// Sends it: to the operator at once, to admins by the outbox. Called again with the same report, the operator has it once.
    ///
    /// What the operator's server refuses, or that it can't be reached, is an error, and nothing has gone to the admins then.
    pub async fn send_report(&self, report: &Report) -> Result<(), ClientError> {
        let local = self.core.local()?;
        if !report.goes_somewhere() {
            return Err(ClientError::Unknown { field: "to", what: String::new() });
        }
        if let Some(server) = &report.operator {
            directory::send_report(&self.transport, &local, server, for_operator(report)).await?;
        }
        if !report.admins.is_empty() {
            let now_ms = self.clock.now_ms();
            self.core.store.transaction(|tx| {
                for admin in &report.admins {
                    let Some(contact) = tx.contact(admin.account)? else { continue };
                    let manifest = Manifest::decode(&contact.manifest)?;
                    let body = proto::knock_body::Body::Report(for_admins(report));
                    knock(tx, &local, &manifest, body, report.conversation, 0, now_ms)?;
                }
                Ok::<_, ClientError>(())
            })?;
            self.core.work.poke();
            self.drive_until(|_| Ok(true)).await?;
        }
        Ok(())
    }
}

fn check_size(field: &'static str, size: usize, limit: usize) -> Result<(), ClientError> {
    if size <= limit { Ok(()) } else { Err(alcyon_wire::WireError::TooLarge { field, limit, actual: size }.into()) }
}

fn make(tx: &Tx<'_>, local: &Local, draft: &ReportDraft) -> Result<Report, ClientError> {
    let ReportDraft { conversation, whom, reason, words, messages, to_admins, to_operator, named } = draft;
    let unknown = |field, what: String| ClientError::Unknown { field, what };
    let (about, title, all_admins) = match (tx.conversation(*conversation)?, tx.request(*conversation)?) {
        (Some(record), _) if record.kind == ConversationKind::Group => {
            // A group that one is out of is reported as well, to the operator.
            let state = if record.standing == Standing::Left { None } else { newest_state(tx, record.conversation, u32::MAX)? };
            let about = whom.as_deref().map(|who| account_called(tx, who)).transpose()?;
            let admins = state.iter().flat_map(|state| &state.accounts).filter(|(_, known)| known.role == Role::Admin);
            let admins: Vec<AccountId> = admins.map(|(account, _)| *account).collect();
            (about, Some(record.title), admins)
        }
        (Some(record), _) if record.kind == ConversationKind::Pair => {
            (Some(record.peer.ok_or_else(|| unknown("whom", String::new()))?), None, Vec::new())
        }
        (None, Some(request)) => (Some(request.account), None, Vec::new()),
        _ => return Err(unknown("conversation", conversation.to_text())),
    };
    if about == Some(local.account) {
        return Err(ClientError::OwnHandle);
    }
    let mut admins = Vec::new();
    for account in all_admins.into_iter().filter(|account| *account != local.account && Some(*account) != about).take(ADMINS) {
        // Without a manifest there is no inbox to knock at.
        if *to_admins && tx.contact(account)?.is_some() {
            admins.push(person_of(tx, local, account)?);
        }
    }
    let mut shown = Vec::new();
    for id in messages {
        shown.push(reported(tx, local, *conversation, *id)?);
    }
    shown.sort_by_key(|message| message.sent_at_ms);
    Ok(Report {
        id: random(),
        conversation: *conversation,
        about: about.map(|account| person_of(tx, local, account)).transpose()?,
        title: title.map(|title| cut(&title, limits::REPORT_NAME)),
        reason: *reason,
        words: words.clone(),
        messages: shown,
        admins,
        operator: to_operator.then(|| local.server.clone()),
        named: (*to_operator && *named).then(|| local.handle.clone()),
    })
}

/// A message of the conversation, or the first words of a request.
fn reported(tx: &Tx<'_>, local: &Local, conversation: ConversationId, id: MessageId) -> Result<ReportedView, ClientError> {
    if id.as_bytes() == conversation.as_bytes()
        && let Some(request) = tx.request(conversation)?
    {
        let RequestRecord { account, introduction, sent_at_ms, .. } = request;
        return Ok(ReportedView {
            id,
            by: person_of(tx, local, account)?,
            sent_at_ms,
            text: cut(&introduction, limits::REPORT_TEXT),
            found: true,
        });
    }
    let record = tx.message(conversation, id)?.filter(|record| record.line.is_none() && record.kind.stands_alone());
    let record = record.ok_or_else(|| ClientError::Unknown { field: "message", what: id.to_text() })?;
    let (sender, sent_at_ms) = (record.sender, record.sent_at_ms);
    let text = cut(&Whole::load(tx, record)?.words(), limits::REPORT_TEXT);
    Ok(ReportedView { id, by: person_of(tx, local, sender)?, sent_at_ms, text, found: true })
}

/// At most so many bytes, cut between characters.
fn cut(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_owned()
}

fn account_called(tx: &Tx<'_>, who: &str) -> Result<AccountId, ClientError> {
    let unknown = || ClientError::Unknown { field: "whom", what: who.to_owned() };
    if !who.contains('@') {
        return AccountId::from_text(who, "whom").map_err(|_| unknown());
    }
    let (handle, account) = Handle::parse_with_account(who)?;
    let contacts = tx.contacts_by_handle(&handle)?;
    let mut wanted = contacts.iter().filter(|contact| account.is_none_or(|account| account == contact.account));
    match (wanted.next(), wanted.next()) {
        (Some(contact), None) => Ok(contact.account),
        (Some(_), Some(_)) => Err(ClientError::HandleChanged { handle: handle.to_text() }),
        (None, _) => Err(unknown()),
    }
}

fn for_admins(report: &Report) -> proto::Report {
    let Report { id, conversation, about, title: _, reason, words, messages, admins: _, operator: _, named: _ } = report;
    proto::Report {
        id: id.to_vec().into(),
        conversation: conversation.to_field(),
        account: about.as_ref().map(|person| person.account.to_field()).unwrap_or_default(),
        reason: *reason as u32,
        words: words.clone(),
        messages: messages
            .iter()
            .map(|ReportedView { id, by, sent_at_ms, text, found: _ }| proto::ReportedMessage {
                id: id.to_field(),
                sender: by.account.to_field(),
                sent_at_ms: *sent_at_ms,
                text: text.clone(),
            })
            .collect(),
    }
}

fn for_operator(report: &Report) -> JsonReport<'_> {
    let Report { id, conversation: _, about, title, reason, words, messages, admins: _, operator: _, named } = report;
    let called = |person: &Person| person.handle.as_ref().map_or_else(|| person.account.to_text(), Handle::to_text);
    JsonReport {
        report: BASE64URL_NOPAD.encode(id),
        about: match about {
            Some(person) => JsonAbout { account: Some(person.account.to_text()), handle: Some(called(person)), group: None },
            None => JsonAbout { account: None, handle: None, group: Some(title.as_deref().unwrap_or_default()) },
        },
        reason: reason.code(),
        words,
        messages: messages.iter().map(|one| JsonMessage { by: called(&one.by), sent_at_ms: one.sent_at_ms, text: &one.text }).collect(),
        named: named.is_some(),
    }
}

/// A report as it came in, its form checked.
pub(crate) struct Received {
    id: [u8; 16],
    conversation: ConversationId,
    account: Option<AccountId>,
    reason: ReportReason,
    words: String,
    messages: Vec<ReceivedMessage>,
}

struct ReceivedMessage {
    id: MessageId,
    sender: AccountId,
    sent_at_ms: u64,
    text: String,
}

impl Received {
    /// Reads what somebody has sent. The error says which part is wrong.
    pub(crate) fn parse(report: proto::Report) -> Result<Self, ClientError> {
        const WHAT: ClientError = ClientError::Unbelievable("a report that is not well-formed");
        let proto::Report { id, conversation, account, reason, words, messages } = report;
        check_size("report.words", words.len(), limits::REPORT_WORDS)?;
        if messages.len() > limits::REPORT_MESSAGES {
            return Err(WHAT);
        }
        let messages = messages.into_iter().map(|proto::ReportedMessage { id, sender, sent_at_ms, text }| {
            check_size("report.text", text.len(), limits::REPORT_TEXT)?;
            let (id, sender) = (MessageId::parse(&id, "report.message")?, AccountId::parse(&sender, "report.sender")?);
            Ok(ReceivedMessage { id, sender, sent_at_ms, text })
        });
        Ok(Self {
            id: id.as_ref().try_into().map_err(|_| WHAT)?,
            conversation: ConversationId::parse(&conversation, "report.conversation")?,
            account: if account.is_empty() { None } else { Some(AccountId::parse(&account, "report.account")?) },
            reason: ReportReason::ALL.into_iter().find(|known| *known as u32 == reason).ok_or(WHAT)?,
            words,
            messages: messages.collect::<Result<_, ClientError>>()?,
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, ClientError> {
        Self::parse(proto::Report::decode(bytes).map_err(|_| alcyon_store::StoreError::Damaged("requests"))?)
    }

    /// The id that it has here: whoever sends it can't choose that of something else.
    fn request_id(&self, by: AccountId) -> ConversationId {
        let hash = Sha256::new().chain_update(b"alcyon report v1").chain_update(self.id).chain_update(by.as_bytes()).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        ConversationId::from(id)
    }
}

/// A member reports something to this account, an admin. Anybody else's is passed over.
pub(crate) fn receive(
    tx: &Tx<'_>,
    local: &Local,
    (manifest, handle, sent_at_ms): (&Manifest, Handle, u64),
    report: proto::Report,
    sequence: u64,
    now_ms: u64,
) -> Result<(), ClientError> {
    let by = manifest.account();
    let offer = report.encode_to_vec();
    let Ok(received) = Received::parse(report) else { return Ok(()) };
    let here =
        tx.conversation(received.conversation)?.filter(|here| here.kind == ConversationKind::Group && here.standing != Standing::Left);
    let Some(here) = here else { return Ok(()) };
    let Some(state) = newest_state(tx, here.conversation, u32::MAX)? else { return Ok(()) };
    let is_admin = state.accounts.get(&local.account).is_some_and(|known| known.role == Role::Admin);
    let id = received.request_id(by);
    // Who has reported something and left is heard all the same.
    let is_member = state.accounts.contains_key(&by) || tx.has_been_in(here.conversation, by)?;
    if !is_admin || by == local.account || !is_member || tx.request(id)?.is_some() {
        return Ok(());
    }
    let open = tx.open_requests()?.into_iter().filter(|open| open.account == by && open.kind == StoredKind::Report).count();
    let contact = remember_manifest(tx, manifest, None, now_ms)?;
    if contact.blocked || open >= OPEN_BY_ONE {
        return Ok(());
    }
    let request = RequestRecord {
        conversation: id,
        number: sequence,
        account: by,
        handle,
        confirmed: contact.handle_checked_ms > 0 && !contact.handle_changed,
        offer,
        introduction: String::new(),
        sent_at_ms,
        state: RequestState::Open,
        shown: false,
        kind: StoredKind::Report,
    };
    put_new(tx, local, request, now_ms)
}

/// A received report as it is shown: which of the messages are in the conversation this device says, not the reporter.
pub(crate) fn view(tx: &Tx<'_>, local: &Local, record: &RequestRecord) -> Result<ReportView, ClientError> {
    let Received { id: _, conversation, account, reason, words, messages } = Received::decode(&record.offer)?;
    let messages = messages.into_iter().map(|ReceivedMessage { id, sender, sent_at_ms, text }| {
        let found = match tx.message(conversation, id)?.filter(|known| known.sender == sender && known.line.is_none()) {
            Some(known) => {
                let whole = Whole::load(tx, known)?;
                let same = |said: &str| !said.is_empty() && cut(said, limits::REPORT_TEXT) == text;
                same(&whole.words()) || whole.earlier().iter().any(|earlier| same(&earlier.text))
            }
            None => false,
        };
        Ok(ReportedView { id, by: person_of(tx, local, sender)?, sent_at_ms, text, found })
    });
    Ok(ReportView {
        conversation,
        title: tx.conversation(conversation)?.map(|record| record.title).unwrap_or_default(),
        about: account.map(|account| person_of(tx, local, account)).transpose()?,
        reason,
        words,
        messages: messages.collect::<Result<_, ClientError>>()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_cut_is_a_beginning_and_fits(text in any::<String>(), limit in 0..64_usize) {
            let short = cut(&text, limit);
            prop_assert!(short.len() <= limit && text.starts_with(&short));
        }

        /// Anything may come in a knock.
        #[test]
        fn no_report_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(report) = proto::Report::decode(bytes.as_slice()) {
                let _parsed = Received::parse(report);
            }
        }
    }

    #[test]
    fn reasons_have_words_and_numbers_of_their_own() {
        for reason in ReportReason::ALL {
            assert_eq!(ReportReason::from_code(reason.code()), Some(reason));
        }
        assert_eq!(ReportReason::from_code("dull"), None);
    }

    #[test]
    fn nobody_chooses_the_id_that_their_report_has_elsewhere() {
        let report = |id: u8| Received {
            id: [id; 16],
            conversation: ConversationId::from([1; 16]),
            account: None,
            reason: ReportReason::Spam,
            words: String::new(),
            messages: Vec::new(),
        };
        let (ann, ben) = (AccountId::from([1; 32]), AccountId::from([2; 32]));
        assert_ne!(report(7).request_id(ann), ConversationId::from([7; 16]));
        assert_ne!(report(7).request_id(ann), report(7).request_id(ben));
    }
}
