//! Offers of a conversation: made by whoever starts, accepted or declined by whoever was knocked at.

use alcyon_mls::{Group, MlsError};
use alcyon_store::{
    ConversationKind, ConversationRecord, NewOutboxItem, NewTerm, OutboxKind, RequestKind, RequestState, Standing, TermRecord, TermState,
    Tx,
};
use alcyon_wire::{
    AccountId, ConversationId, DeviceId, DropSecret, JoinSecret, LogId, MessageId, SeatKey, SeatSecret, ServerUrl,
    proto::{self, client_frame::Body},
};
use prost::Message;

use crate::{
    AlarmKind, Client, ClientError, Clock, Event, Transport,
    content::Content,
    core::{Core, handshake_key, raise},
    device::share::tell_decision,
    invite::{InviteOffer, accept_invite},
    local::Local,
    outbox::{add, encode, queue_content},
    random::random,
    rejoin::FetchedTree,
};

/// A conversation of two, offered.
#[derive(Clone)]
pub(crate) struct Offer {
    pub(crate) conversation: ConversationId,
    pub(crate) term: u32,
    pub(crate) log: LogId,
    pub(crate) server: ServerUrl,
    pub(crate) join_secret: JoinSecret,
    pub(crate) welcome: Vec<u8>,
    pub(crate) seats: Vec<OfferSeat>,
    pub(crate) introduction: String,
    pub(crate) introduction_id: Option<MessageId>,
    /// Terms beyond 0: why the conversation goes on there.
    pub(crate) reason: u32,
    /// The logs of the terms before it, the newest first.
    pub(crate) before: Vec<LogId>,
}

/// A place for one device.
#[derive(Clone)]
pub(crate) struct OfferSeat {
    pub(crate) device: DeviceId,
    pub(crate) secret: SeatSecret,
    pub(crate) drop_secret: DropSecret,
}

impl Offer {
    pub(crate) fn parse(offer: proto::Offer) -> Result<Self, ClientError> {
        let proto::Offer { conversation, term, log, server, join_secret, welcome, seats, introduction, introduction_id, reason, before } =
            offer;
        Ok(Self {
            conversation: ConversationId::parse(&conversation, "offer.conversation")?,
            term,
            log: LogId::parse(&log, "offer.log")?,
            server: server.parse()?,
            join_secret: JoinSecret::parse(&join_secret, "offer.join_secret")?,
            welcome: welcome.to_vec(),
            seats: seats
                .into_iter()
                .map(|proto::OfferSeat { device_key, secret, drop_secret }| {
                    Ok(OfferSeat {
                        device: DeviceId::parse(&device_key, "offer.seats.device_key")?,
                        secret: SeatSecret::parse(&secret, "offer.seats.secret")?,
                        drop_secret: DropSecret::parse(&drop_secret, "offer.seats.drop_secret")?,
                    })
                })
                .collect::<Result<_, alcyon_wire::WireError>>()?,
            introduction: introduction.map(|proto::Text { text, format: _, mentions: _, preview: _ }| text).unwrap_or_default(),
            introduction_id: if introduction_id.is_empty() {
                None
            } else {
                Some(MessageId::parse(&introduction_id, "offer.introduction_id")?)
            },
            reason,
            before: before.iter().map(|log| LogId::parse(log, "offer.before")).collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn to_field(&self) -> proto::Offer {
        let Self { conversation, term, log, server, join_secret, welcome, seats, introduction, introduction_id, reason, before } = self;
        proto::Offer {
            conversation: conversation.to_field(),
            term: *term,
            log: log.to_field(),
            server: server.to_text(),
            join_secret: join_secret.to_field(),
            welcome: welcome.clone().into(),
            seats: seats
                .iter()
                .map(|OfferSeat { device, secret, drop_secret }| proto::OfferSeat {
                    device_key: device.to_field(),
                    secret: secret.to_field(),
                    drop_secret: drop_secret.to_field(),
                })
                .collect(),
            introduction: (!introduction.is_empty()).then(|| proto::Text {
                text: introduction.clone(),
                format: 0,
                mentions: Vec::new(),
                preview: None,
            }),
            introduction_id: introduction_id.map(MessageId::to_field).unwrap_or_default(),
            reason: *reason,
            before: before.iter().map(|log| log.to_field()).collect(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.to_field().encode_to_vec()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ClientError> {
        Self::parse(proto::Offer::decode(bytes).map_err(|_| alcyon_store::StoreError::Damaged("offer"))?)
    }

    pub(crate) fn seat_of(&self, device: DeviceId) -> Option<&OfferSeat> {
        self.seats.iter().find(|seat| seat.device == device)
    }
}

/// Takes an offer: its conversation is there from here on. The group is joined once the tree was fetched, and a commit that
/// takes a seat of its own follows; what is written meanwhile waits behind it.
pub(crate) fn accept_offer(tx: &Tx<'_>, offer: &Offer, peer: AccountId, now_ms: u64) -> Result<(), ClientError> {
    let device = tx.account()?.ok_or(ClientError::NoAccount).and_then(|record| Ok(Local::of_record(&record)?.device.id()))?;
    let seat = offer.seat_of(device).ok_or(ClientError::Unbelievable("the offer has no seat for this device"))?;
    tx.put_conversation(&ConversationRecord {
        conversation: offer.conversation,
        peer: Some(peer),
        start_handle: None,
        start_account: None,
        standing: Standing::Joining,
        created_ms: now_ms,
        read_number: 0,
        kind: ConversationKind::Pair,
        title: String::new(),
    })?;
    let term = TermRecord {
        welcome: Some(offer.welcome.clone()),
        ..TermRecord::joining(NewTerm {
            log: offer.log,
            conversation: offer.conversation,
            term: offer.term,
            server: offer.server.clone(),
            seat: seat.secret.clone(),
            drop_secret: seat.drop_secret.clone(),
            join_secret: offer.join_secret.clone(),
        })
    };
    tx.put_term(&term)?;
    add(tx, OutboxKind::Commit, &term, random(), None, None)?;
    Ok(())
}

/// The own conversation `old`, which nobody has accepted, goes on as the one that was offered; its texts move there under their ids.
pub(crate) fn move_towards(tx: &Tx<'_>, old: ConversationId, offer: &Offer, now_ms: u64) -> Result<(), ClientError> {
    let old_term = tx.term_of(old)?;
    move_texts(tx, old, offer.conversation, &offer.server, offer.log)?;
    let Some(mut term) = old_term else { return Ok(()) };
    let begun = crate::inbox::has_begun(tx, term.log)?;
    tx.clear_outbox_of_log(term.log)?;
    if begun {
        let id: MessageId = random();
        let successor = proto::Successor {
            conversation: offer.conversation.to_field(),
            term: offer.term,
            log: offer.log.to_field(),
            server: offer.server.to_text(),
        };
        let draft = Content::draft(id, now_ms, proto::content::Body::Successor(successor));
        add(tx, OutboxKind::Close, &term, id.into(), Some(&draft), None)?;
    } else {
        term.state = TermState::Closed;
        tx.put_term(&term)?;
    }
    Ok(())
}

/// Moves a conversation's own texts to another one: they are sent there under the ids they have.
pub(crate) fn move_texts(tx: &Tx<'_>, old: ConversationId, new: ConversationId, server: &ServerUrl, log: LogId) -> Result<(), ClientError> {
    for message in tx.own_messages(old)? {
        let draft = Content::draft_of(&message, message.sent_at_ms);
        queue_content(tx, OutboxKind::Append, new, server, log, message.message.into(), &draft)?;
    }
    tx.requeue_messages(old)?;
    tx.remove_knocks(old)?;
    tx.merge_conversation(old, new)?;
    Ok(())
}

impl Core {
    /// Joins the group of an accepted term with the tree its log keeps. An offer that does not hold ends the conversation.
    pub(crate) fn come_in(&self, log: LogId, fetched: &FetchedTree, now_ms: u64) -> Result<Vec<Event>, ClientError> {
        let local = self.local()?;
        match self.store.transaction(|tx| join(tx, &local, log, fetched)) {
            Ok(()) => Ok(Vec::new()),
            Err(ClientError::Mls(MlsError::Rows(error))) => Err(ClientError::Mls(MlsError::Rows(error))),
            Err(ClientError::Mls(_) | ClientError::Unbelievable(_) | ClientError::Wire(_)) => {
                if self.store.transaction(|tx| crate::device::come_in::instead(tx, &local, log, now_ms))? {
                    return Ok(Vec::new());
                }
                self.cannot_come_in(log, now_ms)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends an accepted term that this device can't come into.
    pub(crate) fn cannot_come_in(&self, log: LogId, now_ms: u64) -> Result<Vec<Event>, ClientError> {
        self.store.transaction(|tx| {
            let Some(mut term) = tx.term(log)? else { return Ok(Vec::new()) };
            let mut events = Vec::new();
            events.extend(raise(tx, Some(term.conversation), log, AlarmKind::Unreadable, 0, (b"welcome", &[]), now_ms)?);
            crate::outbox::fail_messages(tx, log, term.conversation)?;
            term.state = TermState::Closed;
            term.welcome = None;
            tx.put_term(&term)?;
            if let Some(mut conversation) = tx.conversation(term.conversation)? {
                conversation.standing = Standing::Left;
                tx.put_conversation(&conversation)?;
                events.push(Event::Left { conversation: conversation.conversation });
            }
            Ok(events)
        })
    }
}

fn join(tx: &Tx<'_>, local: &Local, log: LogId, fetched: &FetchedTree) -> Result<(), ClientError> {
    let Some(mut term) = tx.term(log)? else { return Ok(()) };
    let (TermState::Joining, Some(welcome)) = (term.state, &term.welcome) else { return Ok(()) };
    let tree = handshake_key(&term)?.open_tree(&fetched.chunks, fetched.commit_count)?;
    let group = Group::join(tx, &local.mls()?, welcome, &tree)?;
    let peer = tx.conversation(term.conversation)?.and_then(|conversation| conversation.peer);
    let rules = group.rules();
    if rules.conversation != term.conversation || rules.log != log || rules.term != term.term {
        return Err(ClientError::Unbelievable("the group belongs to another conversation"));
    }
    if group.members().any(|member| member.chain.account() != local.account && Some(member.chain.account()) != peer) {
        return Err(ClientError::Unbelievable("there is somebody else in the group"));
    }
    term.group_id = Some(group.id().as_bytes().to_vec());
    term.welcome = None;
    term.state = TermState::Live;
    tx.put_term(&term)?;
    Ok(())
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Accepts a request; from here on its conversation is there, coming in goes on with whatever connection there is. Who asks to
    /// be let into a group is approved.
    pub async fn accept(&self, request: ConversationId) -> Result<ConversationId, ClientError> {
        let now_ms = self.clock.now_ms();
        let local = self.core.local()?;
        if self.core.store.transaction(|tx| open_request(tx, request))?.kind == RequestKind::AskIn {
            return self.approve(request).await;
        }
        let contact = self.core.store.transaction(|tx| {
            let mut record = open_request(tx, request)?;
            match record.kind {
                RequestKind::Knock => accept_offer(tx, &Offer::decode(&record.offer)?, record.account, now_ms)?,
                RequestKind::Invite => drop(accept_invite(tx, &InviteOffer::decode(&record.offer)?, now_ms)?),
                // Approved above; a report offers nothing.
                RequestKind::AskIn | RequestKind::Report => return Err(ClientError::Unknown { field: "id", what: request.to_text() }),
            }
            record.state = RequestState::Accepted;
            record.shown = true;
            tx.put_request(&record)?;
            tell_decision(tx, &local, &record, now_ms)?;
            Ok::<_, ClientError>(tx.contact(record.account)?)
        })?;
        self.core.work.poke();
        if let Some(contact) = contact.filter(|contact| contact.handle_checked_ms == 0) {
            match self.check_handle(&contact, 0).await {
                // Accepted all the same, and shown: nothing is sent there until the person has looked.
                Ok(()) | Err(ClientError::HandleChanged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.drive_until(|_| Ok(false)).await?;
        let standing = self.core.store.transaction(|tx| tx.conversation(request))?.map(|conversation| conversation.standing);
        if standing == Some(Standing::Left) { Err(ClientError::InviteOver) } else { Ok(request) }
    }

    /// Declines a request; the seat that was offered is given back.
    pub async fn decline(&self, request: ConversationId) -> Result<(), ClientError> {
        let local = self.core.local()?;
        let device = local.device.id();
        self.core.store.transaction(|tx| {
            let mut record = open_request(tx, request)?;
            // Declining an invite or a request to be let in looks like ignoring it.
            let offer = if record.kind == RequestKind::Knock { Some(Offer::decode(&record.offer)?) } else { None };
            if let Some((offer, seat)) = offer.as_ref().and_then(|offer| Some((offer, offer.seat_of(device)?))) {
                let seats_dropped = offer.seats.iter().map(|seat| seat.secret.seat_id(offer.log).to_field()).collect();
                let entry_id: alcyon_wire::EntryId = random();
                let frame = encode(Body::Leave(proto::Leave {
                    seat: Some(SeatKey { log: offer.log, secret: seat.secret.clone() }.to_field()),
                    entry_id: entry_id.to_field(),
                    payload: bytes::Bytes::new(),
                    seats_dropped,
                    drop_secrets: vec![seat.drop_secret.to_field()],
                    // What is declined was never read.
                    commit_count: None,
                    keeper_stays: false,
                }));
                tx.add_outbox(&NewOutboxItem {
                    kind: OutboxKind::Leave,
                    conversation: None,
                    server: &offer.server,
                    log: offer.log,
                    entry_id,
                    after: 0,
                    content: None,
                    frame: Some(&frame),
                })?;
            }
            record.state = RequestState::Declined;
            record.shown = true;
            tx.put_request(&record)?;
            tell_decision(tx, &local, &record, self.clock.now_ms())
        })?;
        self.core.work.poke();
        self.drive_until(|_| Ok(false)).await
    }
}

fn open_request(tx: &Tx<'_>, request: ConversationId) -> Result<alcyon_store::RequestRecord, ClientError> {
    tx.request(request)?
        .filter(|record| record.state == RequestState::Open)
        .ok_or_else(|| ClientError::Unknown { field: "id", what: request.to_text() })
}
