//! Every message of the schema as bytes. A vector that changes is a change of the protocol: give it a new version.
#![allow(clippy::unwrap_used)]

use std::{any::type_name, collections::BTreeSet, fmt::Write};

use alcyon_wire::{
    AccountId, DoorKind, DoorSecret, DropSecret, EntryKind, HeaderFacts, KnockLane, LogId, Pass, RefusalCode, RunningHash, SeatSecret,
    Verdict, payload_hash, proto,
};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use prost::Message;

/// Every message, field and number, as the build script saw them.
const SCHEMA: &str = include_str!(concat!(env!("OUT_DIR"), "/schema.txt"));

/// `ClientFrame` or, for one side of a oneof, `ClientFrame.hello`; and its bytes.
type Vector = (String, Vec<u8>);

fn bytes(fill: u8, length: usize) -> Bytes {
    vec![fill; length].into()
}

/// A vector of a message without a oneof.
fn whole<M: Message + Default + PartialEq>(message: M) -> Vector {
    side("", message)
}

/// A vector of a message in which `chosen` of its oneof is set.
fn side<M: Message + Default + PartialEq>(chosen: &str, message: M) -> Vector {
    let bytes = message.encode_to_vec();
    assert!(M::decode(bytes.as_slice()).unwrap() == message, "{} does not come back", type_name::<M>());
    let name = type_name::<M>().rsplit("::").next().unwrap();
    (if chosen.is_empty() { name.to_owned() } else { format!("{name}.{chosen}") }, bytes)
}

fn seat() -> proto::Seat {
    proto::Seat { id: bytes(0x11, 32), drop_hash: bytes(0x12, 32), keep: true, invite: true }
}

fn door() -> proto::Door {
    proto::Door { id: bytes(0x13, 16), secret_hash: bytes(0x14, 32), kind: DoorKind::Link.into(), keep: false, invite: true }
}

fn changes() -> proto::SeatChanges {
    proto::SeatChanges {
        seats_added: vec![seat()],
        seats_dropped: vec![bytes(0x15, 32)],
        doors_added: vec![door()],
        doors_dropped: vec![bytes(0x16, 16)],
    }
}

fn header() -> proto::EntryHeader {
    proto::EntryHeader {
        sequence: 300,
        kind: EntryKind::Commit.into(),
        entry_id: bytes(0x17, 16),
        time_ms: 1_700_000_000_000,
        commit_count: 5,
        changes: Some(changes()),
        door: bytes(0x13, 16),
        lane: KnockLane::Stranger.into(),
    }
}

fn entry() -> proto::Entry {
    proto::Entry { header: header().encode_to_vec().into(), payload: bytes(0x18, 3), payload_hash: bytes(0x19, 32) }
}

fn gap() -> proto::Gap {
    proto::Gap { first: 1, last: 299, running_hash: bytes(0x1a, 32), commit_count: 4 }
}

fn seat_key() -> proto::SeatKey {
    proto::SeatKey { log: bytes(0x21, 16), secret: bytes(0x22, 32) }
}

fn door_key() -> proto::DoorKey {
    proto::DoorKey { log: bytes(0x21, 16), id: bytes(0x13, 16), secret: bytes(0x23, 32) }
}

fn refusal() -> proto::Refusal {
    proto::Refusal {
        verdict: Verdict::Later.into(),
        code: RefusalCode::Quota.into(),
        message: "the seat is over its quota".into(),
        field: "append.payload".into(),
        retry_after_ms: 1500,
        commit_count: 5,
        head: 300,
        location: "https://bay.example".into(),
    }
}

fn entries() -> Vec<Vector> {
    vec![
        whole(seat()),
        whole(door()),
        whole(changes()),
        whole(header()),
        whole(entry()),
        whole(gap()),
        whole(seat_key()),
        whole(door_key()),
        whole(refusal()),
    ]
}

fn client_frames() -> Vec<Vector> {
    use proto::client_frame::Body;
    let hello = proto::Hello { versions: vec![1, 2] };
    let by_stamp = proto::Payment { by: Some(proto::payment::By::Stamp(bytes(0x2a, 162))) };
    let work = proto::Work { challenge: bytes(0x2b, 21), nonce: 300 };
    let by_work = proto::Payment { by: Some(proto::payment::By::Work(work.clone())) };
    let create = proto::Create { log: bytes(0x21, 16), seats: vec![seat()], payment: Some(by_stamp.clone()) };
    let append = proto::Append { seat: Some(seat_key()), entry_id: bytes(0x17, 16), payload: bytes(0x18, 3), commit_count: 5 };
    let commit = |authority| proto::Commit {
        authority: Some(authority),
        entry_id: bytes(0x17, 16),
        payload: bytes(0x18, 3),
        commit_count: 5,
        changes: Some(changes()),
        drop_secrets: vec![bytes(0x24, 32)],
        group_info: bytes(0x25, 3),
    };
    let by_seat = commit(proto::commit::Authority::Seat(seat_key()));
    let by_door = commit(proto::commit::Authority::Door(door_key()));
    let close = proto::Close { seat: Some(seat_key()), entry_id: bytes(0x17, 16), payload: bytes(0x18, 3), commit_count: 5 };
    let leave = proto::Leave {
        seat: Some(seat_key()),
        entry_id: bytes(0x17, 16),
        payload: bytes(0x18, 3),
        seats_dropped: vec![bytes(0x15, 32)],
        drop_secrets: vec![bytes(0x24, 32)],
        commit_count: None,
        keeper_stays: false,
    };
    let publish = proto::Publish { seat: Some(seat_key()), payload: bytes(0x18, 3) };
    let subscription = proto::Subscription { seat: Some(seat_key()), after: 300 };
    let subscribe = proto::Subscribe { logs: vec![subscription.clone()] };
    let unsubscribe = proto::Unsubscribe { logs: vec![bytes(0x21, 16)] };
    let ack = proto::Ack { seat: Some(seat_key()), sequence: 300 };
    let tree_by_seat = proto::GetTree { authority: Some(proto::get_tree::Authority::Seat(seat_key())) };
    let tree_by_door = proto::GetTree { authority: Some(proto::get_tree::Authority::Door(door_key())) };
    let get_entries = proto::GetEntries { door: Some(door_key()), after: 300 };
    let put_tree = proto::PutTree {
        seat: Some(seat_key()),
        entry_id: bytes(0x17, 16),
        commit_count: 5,
        chunk: 1,
        chunks: 2,
        payload: bytes(0x18, 3),
        group_info: bytes(0x25, 3),
    };
    let knock = proto::Knock {
        inbox: bytes(0x26, 16),
        entry_id: bytes(0x17, 16),
        payload: bytes(0x18, 3),
        pass: bytes(0x27, 32),
        payment: Some(by_work.clone()),
    };
    let set_passes = proto::SetPasses { seat: Some(seat_key()), added: vec![bytes(0x28, 32)], dropped: vec![bytes(0x29, 32)] };
    let credit = proto::Credit { entries: 256, bytes: 1 << 20 };
    let ping = proto::Ping {};
    let frame = |chosen, body| side(chosen, proto::ClientFrame { request: 7, body: Some(body) });
    vec![
        whole(hello.clone()),
        side("stamp", by_stamp),
        whole(work),
        side("work", by_work),
        whole(create.clone()),
        whole(append.clone()),
        side("seat", by_seat.clone()),
        side("door", by_door),
        whole(close.clone()),
        side("commit_count", proto::Leave { commit_count: Some(300), keeper_stays: true, ..leave.clone() }),
        whole(publish.clone()),
        whole(subscription),
        whole(subscribe.clone()),
        whole(unsubscribe.clone()),
        whole(ack.clone()),
        side("seat", tree_by_seat.clone()),
        side("door", tree_by_door),
        whole(put_tree.clone()),
        whole(get_entries.clone()),
        whole(knock.clone()),
        whole(set_passes.clone()),
        whole(credit),
        whole(ping),
        frame("hello", Body::Hello(hello)),
        frame("create", Body::Create(create)),
        frame("append", Body::Append(append)),
        frame("commit", Body::Commit(by_seat)),
        frame("close", Body::Close(close)),
        frame("leave", Body::Leave(leave)),
        frame("publish", Body::Publish(publish)),
        frame("subscribe", Body::Subscribe(subscribe)),
        frame("unsubscribe", Body::Unsubscribe(unsubscribe)),
        frame("ack", Body::Ack(ack)),
        frame("get_tree", Body::GetTree(tree_by_seat)),
        frame("get_entries", Body::GetEntries(get_entries)),
        frame("put_tree", Body::PutTree(put_tree)),
        frame("knock", Body::Knock(knock)),
        frame("set_passes", Body::SetPasses(set_passes)),
        frame("credit", Body::Credit(credit)),
        frame("ping", Body::Ping(ping)),
    ]
}

fn server_frames() -> Vec<Vector> {
    use proto::server_frame::Body;
    let hello_ok = proto::HelloOk {
        version: 1,
        time_ms: 1_700_000_000_000,
        max_frame: 1_114_112,
        window_entries: 256,
        window_bytes: 1 << 20,
        reconnect_within_ms: 45_000,
        endpoints: vec!["b.example.org".into(), "192.0.2.7".into()],
    };
    let receipt = proto::Receipt { sequence: 301, time_ms: 1_700_000_000_000 };
    let news = proto::LogNews { log: bytes(0x21, 16), head: 301, refusal: Some(refusal()) };
    let subscribed = proto::Subscribed { logs: vec![news.clone()] };
    let entries =
        proto::Entries { log: bytes(0x21, 16), gap: Some(gap()), entries: vec![entry()], head: 301, running_hash: bytes(0x1a, 32) };
    let published = proto::Published { log: bytes(0x21, 16), payload: bytes(0x18, 3) };
    let group_info = proto::StoredGroupInfo { commit_count: 5, payload: bytes(0x25, 3) };
    let tree = proto::Tree {
        chunk: 1,
        chunks: 2,
        payload: bytes(0x18, 3),
        commit_count: 5,
        sequence: 300,
        door_opened: 7,
        group_infos: vec![group_info.clone()],
    };
    let done = proto::Done {};
    let going_away = proto::GoingAway { retry_after_ms: 1500, location: "https://b.example.org".into() };
    let frame = |chosen, body| side(chosen, proto::ServerFrame { request: 7, body: Some(body) });
    vec![
        whole(hello_ok.clone()),
        whole(receipt),
        whole(news),
        whole(subscribed.clone()),
        whole(entries.clone()),
        whole(published.clone()),
        whole(group_info),
        whole(tree.clone()),
        whole(done),
        whole(going_away.clone()),
        frame("hello_ok", Body::HelloOk(hello_ok)),
        frame("receipt", Body::Receipt(receipt)),
        frame("refusal", Body::Refusal(refusal())),
        frame("subscribed", Body::Subscribed(subscribed)),
        frame("entries", Body::Entries(entries)),
        frame("published", Body::Published(published)),
        frame("tree", Body::Tree(tree)),
        frame("done", Body::Done(done)),
        frame("going_away", Body::GoingAway(going_away)),
    ]
}

fn chain() -> proto::Chain {
    proto::Chain {
        root: bytes(0x31, 32),
        era: 3,
        era_key: bytes(0x32, 32),
        era_signature: bytes(0x33, 64),
        device_key: bytes(0x34, 32),
        device_signature: bytes(0x35, 64),
    }
}

fn identity() -> Vec<Vector> {
    let device = proto::ManifestDevice { device_key: bytes(0x34, 32), device_signature: bytes(0x35, 64) };
    // The sealing key is 1,216 bytes in truth; the encoding does not care, and the vector stays readable.
    let inbox = proto::Inbox { server: "https://sea.example".into(), log: bytes(0x26, 16), sealing_key: bytes(0x36, 32) };
    let home = proto::Home { server: "https://sea.example".into(), handle: "ann@sea.example".into() };
    let manifest = proto::Manifest {
        root: bytes(0x31, 32),
        era: 3,
        era_key: bytes(0x32, 32),
        era_signature: bytes(0x33, 64),
        version: 4,
        devices: vec![device.clone()],
        inbox: Some(inbox.clone()),
        homes: vec![home.clone()],
    };
    let signed = proto::SignedManifest { manifest: manifest.encode_to_vec().into(), signature: bytes(0x37, 64) };
    let key_packages = proto::KeyPackages { last_resort: bytes(0x38, 3), one_time: vec![bytes(0x39, 3), bytes(0x3a, 3)] };
    vec![whole(chain()), whole(device), whole(inbox), whole(home), whole(manifest), whole(signed), whole(key_packages)]
}

fn sealed() -> Vec<Vector> {
    use proto::{content::Body, group_change::Change};
    let sealed_box = proto::SealedBox { nonce: bytes(0x41, 12), ciphertext: bytes(0x42, 19) };
    let seen = proto::Seen { sequence: 299, running_hash: bytes(0x1a, 32) };
    let rejoin = proto::Rejoin { reason: 1 };
    let commit_data =
        proto::CommitData { rules: 1, seen: Some(seen.clone()), last_valid: 290, last_valid_hash: bytes(0x43, 32), rejoin: Some(rejoin) };
    let rules = proto::GroupRules { protocol: 1, rules: 1, conversation: bytes(0x44, 16), term: 2, log: bytes(0x21, 16) };
    let text = proto::Text { text: "the sea stays calm \u{1f30a}".into(), format: 0, mentions: Vec::new(), preview: None };
    let preview = proto::Preview {
        url: "https://sea.example/".into(),
        title: "The sea".into(),
        description: "It stays calm.".into(),
        image: bytes(0x5a, 3),
    };
    let location = proto::Location { uri: "geo:48.2082,16.3738".into() };
    let contact = proto::ContactCard { handle: "ben@bay.example".into(), account: bytes(0x54, 32) };
    let mention = proto::Mention { account: bytes(0x54, 32), start: 3, end: 7 };
    let marked = proto::Text { text: "hi @ben *you*".into(), format: 1, mentions: vec![mention.clone()], preview: Some(preview.clone()) };
    let target = || bytes(0x18, 16);
    let reaction = proto::Reaction { target: target(), emoji: "\u{1f44d}".into(), back: true };
    let edit = proto::Edit { target: target(), text: Some(marked.clone()) };
    let deletion = proto::Deletion { target: target() };
    let poll = proto::Poll { question: "when?".into(), options: vec!["today".into(), "never".into()], several: true };
    let vote = proto::Vote { target: target(), options: vec![0, 1] };
    let poll_end = proto::PollEnd { target: target() };
    let pin = proto::PinMessage { target: target(), pinned: true };
    let attachment = proto::Attachment {
        name: "boat.jpg".into(),
        media_type: "image/jpeg".into(),
        size: 300,
        key: bytes(0x55, 32),
        hash: bytes(0x56, 32),
        server: "https://sea.example".into(),
        blob: bytes(0x57, 32),
        width: 640,
        height: 480,
        thumbnail: bytes(0x58, 4),
        placeholder: bytes(0x59, 5),
        view_once: true,
        sticker: true,
        voice_ms: 300,
        waveform: bytes(0x5a, 3),
    };
    let set_timer = proto::SetTimer { seconds: 3600 };
    let read_up_to = proto::ReadUpTo { term: 2, sequence: 299 };
    let sealed_passing = proto::SealedPassing { nonce: bytes(0x56, 12), ciphertext: bytes(0x57, 19) };
    let passing = proto::Passing { device: bytes(0x58, 32), number: 7, typing: true, signature: bytes(0x59, 64) };
    let acquaintance = proto::Acquaintance { pass: bytes(0x27, 32) };
    let manifest_news = proto::ManifestNews { signed_manifest: bytes(0x45, 3) };
    let introduction = introduction();
    let successor = proto::Successor { conversation: bytes(0x44, 16), term: 3, log: bytes(0x46, 16), server: "https://bay.example".into() };
    let evidence = proto::Evidence { sequence: 298, mine: bytes(0x47, 32), theirs: bytes(0x48, 32) };
    let content = |chosen, body| {
        let message = proto::Content {
            id: bytes(0x17, 16),
            seen: Some(seen.clone()),
            sent_at_ms: 1_700_000_000_000,
            again: bytes(0x18, 16),
            evidence: vec![evidence.clone()],
            body: Some(body),
            reply_to: bytes(0x18, 16),
            forwarded: true,
            timer_s: 3600,
        };
        side(chosen, message)
    };
    let sealed_knock = proto::SealedKnock { kem_output: bytes(0x49, 3), ciphertext: bytes(0x4a, 3) };
    let offer_seat = proto::OfferSeat { device_key: bytes(0x34, 32), secret: bytes(0x22, 32), drop_secret: bytes(0x24, 32) };
    let offer = proto::Offer {
        conversation: bytes(0x44, 16),
        term: 0,
        log: bytes(0x21, 16),
        server: "https://sea.example".into(),
        join_secret: bytes(0x4b, 32),
        welcome: bytes(0x4c, 3),
        seats: vec![offer_seat.clone()],
        introduction: Some(text.clone()),
        introduction_id: bytes(0x17, 16),
        reason: 2,
        before: vec![bytes(0x46, 16)],
    };
    let knock_body = proto::KnockBody {
        signed_manifest: bytes(0x45, 3),
        handle: "ann@sea.example".into(),
        sent_at_ms: 1_700_000_000_000,
        body: Some(proto::knock_body::Body::Offer(offer.clone())),
    };
    let invite = proto::Invite {
        conversation: bytes(0x44, 16),
        term: 1,
        log: bytes(0x21, 16),
        server: "https://sea.example".into(),
        join_secret: bytes(0x4b, 32),
        door: bytes(0x51, 32),
        title: "Harbour".into(),
        members: 3,
        member_marks: vec![bytes(0x52, 8)],
        before: vec![bytes(0x46, 16)],
    };
    let ask_in = proto::AskIn { conversation: bytes(0x44, 16), log: bytes(0x21, 16), door: bytes(0x13, 16) };
    let reported = proto::ReportedMessage { id: bytes(0x5a, 16), sender: bytes(0x01, 32), sent_at_ms: 7, text: "buy now".into() };
    let report = proto::Report {
        id: bytes(0x59, 16),
        conversation: bytes(0x44, 16),
        account: bytes(0x01, 32),
        reason: 1,
        words: "every day".into(),
        messages: vec![reported.clone()],
    };
    let roster = proto::Roster { signed_manifests: vec![bytes(0x45, 3)] };
    let join_link = proto::JoinLink {
        conversation: bytes(0x44, 16),
        term: 1,
        log: bytes(0x21, 16),
        server: "https://sea.example".into(),
        join_secret: bytes(0x4b, 32),
        door: bytes(0x51, 32),
        admin: "ann@sea.example".into(),
    };
    let knock_content =
        proto::KnockContent { signed_content: knock_body.encode_to_vec().into(), chain: Some(chain()), signature: bytes(0x4d, 64) };
    let leave = proto::LeaveProof { seats: vec![bytes(0x11, 32), bytes(0x12, 32)], chain: Some(chain()), signature: bytes(0x50, 64) };
    let join_secret = proto::SealedJoinSecret { door: bytes(0x13, 16), kem_output: bytes(0x51, 3), ciphertext: bytes(0x52, 48) };
    let account_door = proto::OpenDoor {
        id: bytes(0x13, 16),
        kind: 1,
        key: bytes(0x53, 3),
        account: bytes(0x54, 32),
        role: 1,
        approval: false,
        expires_ms: 1_700_000_000_000,
        opened_by: bytes(0x55, 32),
        opened_at: 6,
    };
    let settings = proto::GroupSettings {
        title: "Kingfishers".into(),
        description: "the sea stays calm".into(),
        picture: bytes(0x56, 3),
        timer_s: 86_400,
        who_invites: 1,
        who_edits: 0,
        who_writes: 1,
    };
    let group_account = proto::GroupAccount { account: bytes(0x55, 32), role: 1, since: 2 };
    let named_seat = proto::NamedSeat { device: bytes(0x34, 32), seat: bytes(0x11, 32) };
    let removed = proto::RemovedAccount { account: bytes(0x57, 32), at: 5 };
    let group_state = proto::GroupState {
        revision: 7,
        accounts: vec![group_account.clone()],
        removed: vec![removed.clone()],
        doors: vec![account_door.clone()],
        settings: Some(settings.clone()),
        seats: vec![named_seat.clone()],
    };
    let link = proto::OpenDoor { kind: 2, approval: true, key: bytes(0x53, 3), id: bytes(0x14, 16), ..Default::default() };
    let set_role = proto::SetRole { account: bytes(0x54, 32), role: 1 };
    let set_permission = proto::SetPermission { permission: 3, who: 0 };
    let change = |chosen, change| side(chosen, proto::GroupChange { change: Some(change) });
    let delta = proto::GroupDelta { changes: vec![proto::GroupChange { change: Some(Change::OpenDoor(link.clone())) }] };
    let application = proto::Payload { body: Some(proto::payload::Body::Application(bytes(0x4e, 3))) };
    let handshake = proto::Payload { body: Some(proto::payload::Body::Handshake(sealed_box.clone())) };
    let tree_chunk = proto::TreeChunk { chunk: 1, chunks: 2, sealed: bytes(0x5a, 3) };
    vec![
        side("tree", proto::Payload { body: Some(proto::payload::Body::Tree(tree_chunk.clone())) }),
        whole(tree_chunk),
        whole(named_seat),
        side("application", application),
        side("handshake", handshake),
        whole(sealed_box),
        whole(proto::Handshake { message: bytes(0x4f, 3) }),
        whole(seen.clone()),
        whole(commit_data),
        whole(rejoin),
        whole(proto::LeafSeat { seat: bytes(0x11, 32) }),
        whole(rules),
        whole(proto::GroupHandshake { message: bytes(0x4f, 3), join_secrets: vec![join_secret.clone()], leave: None }),
        whole(join_secret),
        whole(proto::GroupCommitData { door: bytes(0x13, 16), leaves: vec![leave.clone()] }),
        whole(leave),
        whole(proto::GroupTree { tree: bytes(0x58, 3), state: group_state.encode_to_vec().into() }),
        whole(group_state),
        whole(group_account),
        whole(removed),
        whole(account_door),
        whole(settings),
        whole(delta),
        change("set_role", Change::SetRole(set_role.clone())),
        change("open_door", Change::OpenDoor(link)),
        change("close_door", Change::CloseDoor(bytes(0x13, 16))),
        change("set_title", Change::SetTitle("Kingfishers".into())),
        change("set_description", Change::SetDescription("the sea stays calm".into())),
        change("set_picture", Change::SetPicture(bytes(0x56, 3))),
        change("set_timer_s", Change::SetTimerS(86_400)),
        change("set_permission", Change::SetPermission(set_permission)),
        whole(set_role),
        whole(set_permission),
        whole(marked),
        whole(acquaintance.clone()),
        whole(manifest_news.clone()),
        whole(introduction.clone()),
        whole(successor.clone()),
        whole(evidence.clone()),
        content("text", Body::Text(text)),
        content("acquaintance", Body::Acquaintance(acquaintance)),
        content("manifest_news", Body::ManifestNews(manifest_news)),
        content("introduction", Body::Introduction(introduction)),
        content("successor", Body::Successor(successor)),
        whole(sealed_knock),
        whole(offer_seat),
        whole(offer),
        side("offer", knock_body.clone()),
        whole(invite.clone()),
        side("invite", proto::KnockBody { body: Some(proto::knock_body::Body::Invite(invite)), ..knock_body.clone() }),
        whole(ask_in.clone()),
        side("ask_in", proto::KnockBody { body: Some(proto::knock_body::Body::AskIn(ask_in)), ..knock_body.clone() }),
        whole(reported),
        whole(report.clone()),
        side("report", proto::KnockBody { body: Some(proto::knock_body::Body::Report(report)), ..knock_body }),
        whole(roster.clone()),
        content("roster", Body::Roster(roster)),
        whole(proto::Ended {}),
        content("ended", Body::Ended(proto::Ended {})),
        whole(join_link),
        whole(knock_content),
        whole(mention),
        whole(attachment.clone()),
        content("attachment", Body::Attachment(attachment)),
        whole(reaction.clone()),
        content("reaction", Body::Reaction(reaction)),
        whole(edit.clone()),
        content("edit", Body::Edit(edit)),
        whole(deletion.clone()),
        content("deletion", Body::Deletion(deletion)),
        whole(poll.clone()),
        content("poll", Body::Poll(poll)),
        whole(vote.clone()),
        content("vote", Body::Vote(vote)),
        whole(poll_end.clone()),
        content("poll_end", Body::PollEnd(poll_end)),
        whole(pin.clone()),
        content("pin_message", Body::PinMessage(pin)),
        whole(set_timer),
        content("set_timer", Body::SetTimer(set_timer)),
        whole(read_up_to),
        content("read_up_to", Body::ReadUpTo(read_up_to)),
        whole(preview),
        whole(location.clone()),
        content("location", Body::Location(location)),
        whole(contact.clone()),
        content("contact", Body::Contact(contact)),
        whole(sealed_passing),
        whole(passing),
    ]
}

fn introduction() -> proto::Introduction {
    proto::Introduction { display_name: "Ann of the sea".into(), picture: bytes(0x5b, 3), revision: 300 }
}

/// What devices of one account say to each other.
fn devices() -> Vec<Vector> {
    use proto::{content::Body, device_meeting::Body as Said};
    let link = proto::SharedLink { secret: bytes(0x13, 32), approval: true };
    let conversation = proto::SharedConversation {
        conversation: bytes(0x44, 16),
        kind: 2,
        peer: bytes(0x54, 32),
        title: "boats".into(),
        created_ms: 1_700_000_000_000,
        term: 2,
        log: bytes(0x21, 16),
        server: "https://sea.example".into(),
        reason: 1,
        join_secret: bytes(0x22, 32),
        seat: bytes(0x11, 32),
        sequence: 299,
        running_hash: bytes(0x1a, 32),
        commit_count: 5,
        links: vec![link.clone()],
        introduced: 300,
    };
    let contact = proto::SharedContact {
        signed_manifest: bytes(0x37, 3),
        handle: "ben@sea.example".into(),
        handle_checked_ms: 1_700_000_000_000,
        handle_changed: true,
        blocked: true,
        pass_given: bytes(0x27, 32),
        pass_held: bytes(0x28, 32),
        introduction: Some(introduction()),
    };
    let contacts = proto::SharedContacts { contacts: vec![contact.clone()] };
    let marks = proto::SharedMarks {
        conversation: bytes(0x44, 16),
        read_term: 2,
        read_sequence: 299,
        shelved: true,
        muted_until_ms: 1_700_000_000_000,
        archived: true,
        pinned: 3,
        seen_once: vec![bytes(0x17, 16)],
    };
    let request = proto::SharedRequest {
        conversation: bytes(0x44, 16),
        state: 1,
        kind: 2,
        account: bytes(0x54, 32),
        handle: "ben@sea.example".into(),
        confirmed: true,
        offer: bytes(0x4c, 3),
        introduction: "hello".into(),
        sent_at_ms: 1_700_000_000_000,
        number: 7,
    };
    let device =
        proto::SharedDevice { device_key: bytes(0x34, 32), name: "phone".into(), added_ms: 1_700_000_000_000, inbox_seat: bytes(0x11, 32) };
    let devices = proto::SharedDevices { signed_manifest: bytes(0x37, 3), devices: vec![device.clone()] };
    let ask = proto::AskSibling { device_key: bytes(0x34, 32), conversation: bytes(0x44, 16) };
    let message = proto::SharedMessage {
        message: bytes(0x18, 16),
        sender: bytes(0x54, 32),
        text: "calm".into(),
        placed: true,
        term: 2,
        sequence: 299,
        sent_at_ms: 1_700_000_000_000,
        delivery: 3,
        line: bytes(0x4d, 3),
        kind: 4,
        target: bytes(0x18, 16),
        content: bytes(0x4e, 3),
        at_ms: 1_700_000_000_001,
        rights: 1,
        unread: true,
        timer_s: 300,
        goes_ms: 1_700_000_300_000,
    };
    let history =
        proto::HistoryPart { device_key: bytes(0x34, 32), conversation: bytes(0x44, 16), messages: vec![message.clone()], last: true };
    let hello =
        proto::DeviceHello { device_key: bytes(0x34, 32), sealing_key: bytes(0x36, 32), nonce_hash: bytes(0x57, 32), name: "phone".into() };
    let chain = chain();
    let content = |body| proto::Content { id: bytes(0x17, 16), sent_at_ms: 1_700_000_000_000, body: Some(body), ..Default::default() };
    let said = |body| proto::DeviceMeeting { body: Some(body) };
    vec![
        whole(link),
        whole(conversation.clone()),
        whole(contact),
        whole(contacts.clone()),
        whole(marks.clone()),
        whole(request.clone()),
        whole(device),
        whole(devices.clone()),
        whole(ask.clone()),
        whole(message),
        whole(history.clone()),
        side("shared_conversation", content(Body::SharedConversation(conversation.clone()))),
        side("shared_contacts", content(Body::SharedContacts(contacts))),
        side("shared_marks", content(Body::SharedMarks(marks))),
        side("shared_request", content(Body::SharedRequest(request))),
        side("shared_devices", content(Body::SharedDevices(devices.clone()))),
        side("ask_sibling", content(Body::AskSibling(ask))),
        side("history_part", content(Body::HistoryPart(history))),
        whole(proto::DeviceCode {
            server: "https://sea.example".into(),
            log: bytes(0x21, 16),
            secret: bytes(0x22, 32),
            hello_hash: bytes(0x23, 32),
        }),
        whole(hello.clone()),
        side("hello", said(Said::Hello(hello))),
        side("offer", said(Said::Offer(bytes(0x4c, 3)))),
        side("nonce", said(Said::Nonce(bytes(0x24, 32)))),
        side("grant", said(Said::Grant(bytes(0x4c, 3)))),
        side("refused", said(Said::Refused(true))),
        whole(proto::LinkContent { signed_content: bytes(0x4c, 3), chain: Some(chain), signature: bytes(0x37, 64) }),
        whole(proto::DeviceOffer { signed_manifest: bytes(0x37, 3), handle: "ann@sea.example".into(), nonce: bytes(0x24, 32) }),
        whole(proto::DeviceGrant {
            signed_manifest: bytes(0x37, 3),
            handle: "ann@sea.example".into(),
            server: "https://sea.example".into(),
            era_key: bytes(0x32, 32),
            inbox_seat: bytes(0x11, 32),
            inbox_drop: bytes(0x12, 32),
            inbox_secret: bytes(0x36, 32),
            inbox_sequence: 299,
            inbox_hash: bytes(0x1a, 32),
            own: Some(conversation),
            devices: Some(devices),
        }),
    ]
}

fn in_print(vectors: &[Vector]) -> String {
    let mut text = String::new();
    for (name, bytes) in vectors {
        writeln!(text, "{name}").unwrap();
        for line in bytes.chunks(48) {
            writeln!(text, "  {}", HEXLOWER.encode(line)).unwrap();
        }
    }
    text
}

#[test]
fn the_schema_stays() {
    insta::assert_snapshot!("schema", SCHEMA);
}

#[test]
fn vectors_of_entries_stay() {
    insta::assert_snapshot!("entries", in_print(&entries()));
}

#[test]
fn vectors_of_client_frames_stay() {
    insta::assert_snapshot!("client_frames", in_print(&client_frames()));
}

#[test]
fn vectors_of_server_frames_stay() {
    insta::assert_snapshot!("server_frames", in_print(&server_frames()));
}

#[test]
fn vectors_of_identity_stay() {
    insta::assert_snapshot!("identity", in_print(&identity()));
}

#[test]
fn vectors_of_sealed_messages_stay() {
    insta::assert_snapshot!("sealed", in_print(&sealed()));
}

#[test]
fn vectors_of_what_devices_say_to_each_other_stay() {
    insta::assert_snapshot!("devices", in_print(&devices()));
}

#[test]
fn every_message_and_every_side_of_a_oneof_has_a_vector() {
    let vectors = [entries(), client_frames(), server_frames(), identity(), sealed(), devices()].concat();
    let have: BTreeSet<String> = vectors.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(have.len(), vectors.len(), "a vector stands twice");
    let mut wanted = BTreeSet::new();
    let mut message = None;
    for line in SCHEMA.lines() {
        if let Some(name) = line.strip_prefix("message ") {
            message = Some(name);
            wanted.insert(name.to_owned());
        } else if line.starts_with("enum ") {
            message = None;
        } else if let (Some(message), [_, "oneof", _, field]) = (message, &*line.split_whitespace().collect::<Vec<_>>()) {
            wanted.remove(message);
            wanted.insert(format!("{message}.{field}"));
        }
    }
    assert_eq!(have, wanted);
}

#[test]
fn hashes_that_ids_are_made_of_stay() {
    let log = LogId::from([0x21; 16]);
    let header = header().encode_to_vec();
    let start = RunningHash::start(log);
    let next = start.next(&header, &payload_hash(&[0x18; 3]));
    let lines = [
        ("seat id", *SeatSecret::from([0x22; 32]).seat_id(log).as_bytes()),
        ("drop hash", *DropSecret::from([0x24; 32]).hash(log).as_bytes()),
        ("door secret hash", *DoorSecret::from([0x23; 32]).hash(log).as_bytes()),
        ("pass hash", *Pass::from([0x27; 32]).hash(log).as_bytes()),
        ("account id", *AccountId::of_root(&[0x31; 32]).as_bytes()),
        ("payload hash", *payload_hash(&[0x18; 3]).as_bytes()),
        ("running hash 0", *start.as_bytes()),
        ("running hash 1", *next.as_bytes()),
    ];
    let text: Vec<String> = lines.iter().map(|(name, hash)| format!("{name}: {}", HEXLOWER.encode(hash))).collect();
    insta::assert_snapshot!("hashes", text.join("\n"));
    assert_eq!(HeaderFacts::parse(&header).unwrap().encode(), header);
}
