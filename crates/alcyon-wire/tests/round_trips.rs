//! What one side writes the other reads, whatever it is; and no bytes from outside make the edge panic.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;

use alcyon_wire::{
    Authority, Door, DoorId, DoorKey, DoorKind, DoorSecret, DoorSecretHash, DropHash, DropSecret, EntryId, EntryKind, GLANCE, Handle,
    HeaderFacts, KnockLane, LogId, Pass, PassHash, Payment, Request, RequestId, Seat, SeatChanges, SeatId, SeatKey, SeatSecret, ServerUrl,
    Stamp, StampKeyId, Subscription, decode_client_frame, glance_at_append, limits, proto,
};
use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use prost::Message;

fn id16<T: From<[u8; 16]> + Debug>() -> impl Strategy<Value = T> {
    any::<[u8; 16]>().prop_map(T::from)
}

fn id32<T: From<[u8; 32]> + Debug>() -> impl Strategy<Value = T> {
    any::<[u8; 32]>().prop_map(T::from)
}

fn payload() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn seat() -> impl Strategy<Value = Seat> {
    (id32::<SeatId>(), id32::<DropHash>(), any::<bool>(), any::<bool>()).prop_map(|(id, drop_hash, keep, invite)| Seat {
        id,
        drop_hash,
        keep,
        invite,
    })
}

fn door() -> impl Strategy<Value = Door> {
    (id16::<DoorId>(), id32::<DoorSecretHash>(), prop_oneof![Just(DoorKind::Account), Just(DoorKind::Link)])
        .prop_map(|(id, secret_hash, kind)| Door { id, secret_hash, kind, keep: false, invite: kind == DoorKind::Link })
}

fn changes() -> impl Strategy<Value = SeatChanges> {
    (vec(seat(), 0..4), vec(id32(), 0..4), vec(door(), 0..4), vec(id16(), 0..4)).prop_map(
        |(seats_added, seats_dropped, doors_added, doors_dropped)| SeatChanges { seats_added, seats_dropped, doors_added, doors_dropped },
    )
}

fn header() -> impl Strategy<Value = HeaderFacts> {
    use EntryKind::{Application, Close, Commit, Knock, Leave};
    let kind = prop_oneof![Just(Application), Just(Commit), Just(Close), Just(Leave), Just(Knock)];
    let lane = prop_oneof![Just(None), Just(Some(KnockLane::Pass)), Just(Some(KnockLane::Stranger))];
    (1..=u64::MAX, kind, id16(), any::<u64>(), any::<u64>(), changes(), prop::option::of(id16::<DoorId>()), lane).prop_map(
        |(sequence, kind, entry_id, time_ms, commit_count, changes, door, lane)| HeaderFacts {
            sequence,
            kind,
            entry_id,
            time_ms,
            commit_count,
            changes,
            door,
            lane,
        },
    )
}

fn seat_key() -> impl Strategy<Value = SeatKey> {
    (id16::<LogId>(), id32::<SeatSecret>()).prop_map(|(log, secret)| SeatKey { log, secret })
}

fn door_key() -> impl Strategy<Value = DoorKey> {
    (id16::<LogId>(), id16::<DoorId>(), id32::<DoorSecret>()).prop_map(|(log, id, secret)| DoorKey { log, id, secret })
}

fn payment() -> impl Strategy<Value = Option<Box<Payment>>> {
    let stamp = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 64]>());
    let stamp = stamp.prop_map(|(nonce, challenge, key, authenticator)| Stamp { nonce, challenge, key: StampKeyId(key), authenticator });
    let work = (vec(any::<u8>(), 0..limits::WORK_CHALLENGE), any::<u64>());
    let work = work.prop_map(|(challenge, nonce)| Payment::Work { challenge: challenge.into(), nonce });
    prop::option::of(prop_oneof![stamp.prop_map(Payment::Stamp), work].prop_map(Box::new))
}

fn authority() -> impl Strategy<Value = Authority> {
    prop_oneof![seat_key().prop_map(Authority::Seat), door_key().prop_map(Authority::Door)]
}

fn request() -> impl Strategy<Value = Request> {
    let entry = || (seat_key(), id16::<EntryId>(), payload(), any::<u64>());
    let subscription = (seat_key(), any::<u64>()).prop_map(|(seat, after)| Subscription { seat, after });
    let drop_secrets = || vec(id32::<DropSecret>(), 0..=limits::DEVICES);
    let chunk = (1..=limits::TREE_CHUNKS).prop_flat_map(|chunks| (0..chunks, Just(chunks)));
    prop_oneof![
        vec(any::<u32>(), 0..4).prop_map(|versions| Request::Hello { versions }),
        (id16::<LogId>(), vec(seat(), 1..4), payment()).prop_map(|(log, seats, payment)| Request::Create { log, seats, payment }),
        entry().prop_map(|(seat, entry_id, payload, commit_count)| Request::Append { seat, entry_id, payload, commit_count }),
        (authority(), id16(), payload(), any::<u64>(), changes(), drop_secrets(), payload()).prop_map(
            |(authority, entry_id, payload, commit_count, changes, drop_secrets, group_info)| Request::Commit {
                authority,
                entry_id,
                payload,
                commit_count,
                changes,
                drop_secrets,
                group_info,
            }
        ),
        entry().prop_map(|(seat, entry_id, payload, commit_count)| Request::Close { seat, entry_id, payload, commit_count }),
        (seat_key(), id16(), payload(), vec(id32(), 0..4), drop_secrets(), any::<Option<u64>>(), any::<bool>()).prop_map(
            |(seat, entry_id, payload, seats_dropped, drop_secrets, commit_count, keeper_stays)| Request::Leave {
                seat,
                entry_id,
                payload,
                seats_dropped,
                drop_secrets,
                commit_count,
                keeper_stays,
            }
        ),
        (seat_key(), payload()).prop_map(|(seat, payload)| Request::Publish { seat, payload }),
        vec(subscription, 0..4).prop_map(|logs| Request::Subscribe { logs }),
        vec(id16(), 0..4).prop_map(|logs| Request::Unsubscribe { logs }),
        (seat_key(), any::<u64>()).prop_map(|(seat, sequence)| Request::Ack { seat, sequence }),
        authority().prop_map(|authority| Request::GetTree { authority }),
        (door_key(), any::<u64>()).prop_map(|(door, after)| Request::GetEntries { door, after }),
        (seat_key(), id16(), any::<u64>(), chunk, payload(), payload()).prop_map(
            |(seat, entry_id, commit_count, (chunk, chunks), payload, group_info)| Request::PutTree {
                seat,
                entry_id,
                commit_count,
                chunk,
                chunks,
                payload,
                group_info,
            }
        ),
        (id16(), id16(), payload(), prop::option::of(id32::<Pass>()), payment())
            .prop_map(|(inbox, entry_id, payload, pass, payment)| Request::Knock { inbox, entry_id, payload, pass, payment }),
        (seat_key(), vec(id32::<PassHash>(), 0..4), vec(id32::<PassHash>(), 0..4)).prop_map(|(seat, added, dropped)| Request::SetPasses {
            seat,
            added,
            dropped
        }),
        any::<(u32, u64)>().prop_map(|(entries, bytes)| Request::Credit { entries, bytes }),
        Just(Request::Ping),
    ]
}

/// What a client would send for `request`.
fn to_frame(id: u64, request: &Request) -> Vec<u8> {
    use proto::client_frame::Body;
    let key = |seat: &SeatKey| Some(seat.to_field());
    let secrets = |secrets: &[DropSecret]| secrets.iter().map(DropSecret::to_field).collect::<Vec<_>>();
    let body = match request.clone() {
        Request::Hello { versions } => Body::Hello(proto::Hello { versions }),
        Request::Create { log, seats, payment } => Body::Create(proto::Create {
            log: log.to_field(),
            seats: seats.iter().map(Seat::to_field).collect(),
            payment: payment.map(|payment| payment.to_field()),
        }),
        Request::Append { seat, entry_id, payload, commit_count } => {
            Body::Append(proto::Append { seat: key(&seat), entry_id: entry_id.to_field(), payload, commit_count })
        }
        Request::Commit { authority, entry_id, payload, commit_count, changes, drop_secrets, group_info } => Body::Commit(proto::Commit {
            authority: Some(match authority {
                Authority::Seat(seat) => proto::commit::Authority::Seat(seat.to_field()),
                Authority::Door(door) => proto::commit::Authority::Door(door.to_field()),
            }),
            entry_id: entry_id.to_field(),
            payload,
            commit_count,
            changes: changes.to_field(),
            drop_secrets: secrets(&drop_secrets),
            group_info,
        }),
        Request::Close { seat, entry_id, payload, commit_count } => {
            Body::Close(proto::Close { seat: key(&seat), entry_id: entry_id.to_field(), payload, commit_count })
        }
        Request::Leave { seat, entry_id, payload, seats_dropped, drop_secrets, commit_count, keeper_stays } => Body::Leave(proto::Leave {
            seat: key(&seat),
            entry_id: entry_id.to_field(),
            payload,
            seats_dropped: seats_dropped.iter().map(|seat| seat.to_field()).collect(),
            drop_secrets: secrets(&drop_secrets),
            commit_count,
            keeper_stays,
        }),
        Request::Publish { seat, payload } => Body::Publish(proto::Publish { seat: key(&seat), payload }),
        Request::Subscribe { logs } => Body::Subscribe(proto::Subscribe {
            logs: logs.iter().map(|Subscription { seat, after }| proto::Subscription { seat: key(seat), after: *after }).collect(),
        }),
        Request::Unsubscribe { logs } => Body::Unsubscribe(proto::Unsubscribe { logs: logs.iter().map(|log| log.to_field()).collect() }),
        Request::Ack { seat, sequence } => Body::Ack(proto::Ack { seat: key(&seat), sequence }),
        Request::GetTree { authority } => Body::GetTree(proto::GetTree {
            authority: Some(match authority {
                Authority::Seat(seat) => proto::get_tree::Authority::Seat(seat.to_field()),
                Authority::Door(door) => proto::get_tree::Authority::Door(door.to_field()),
            }),
        }),
        Request::GetEntries { door, after } => Body::GetEntries(proto::GetEntries { door: Some(door.to_field()), after }),
        Request::PutTree { seat, entry_id, commit_count, chunk, chunks, payload, group_info } => Body::PutTree(proto::PutTree {
            seat: key(&seat),
            entry_id: entry_id.to_field(),
            commit_count,
            chunk,
            chunks,
            payload,
            group_info,
        }),
        Request::Knock { inbox, entry_id, payload, pass, payment } => Body::Knock(proto::Knock {
            inbox: inbox.to_field(),
            entry_id: entry_id.to_field(),
            payload,
            pass: pass.map(|pass| pass.to_field()).unwrap_or_default(),
            payment: payment.map(|payment| payment.to_field()),
        }),
        Request::SetPasses { seat, added, dropped } => Body::SetPasses(proto::SetPasses {
            seat: key(&seat),
            added: added.iter().map(|hash| hash.to_field()).collect(),
            dropped: dropped.iter().map(|hash| hash.to_field()).collect(),
        }),
        Request::Credit { entries, bytes } => Body::Credit(proto::Credit { entries, bytes }),
        Request::Ping => Body::Ping(proto::Ping {}),
    };
    proto::ClientFrame { request: id, body: Some(body) }.encode_to_vec()
}

fn append(payload: usize) -> Bytes {
    let seat = SeatKey { log: LogId::from([1; 16]), secret: SeatSecret::from([2; 32]) };
    let entry_id = EntryId::from([3; 16]);
    to_frame(1, &Request::Append { seat, entry_id, payload: vec![0; payload].into(), commit_count: 0 }).into()
}

#[test]
fn the_largest_entry_fits_a_frame_and_one_byte_more_is_named() {
    assert!(append(limits::ENTRY).len() <= limits::FRAME);
    decode_client_frame(append(limits::ENTRY)).unwrap();
    let (id, error) = decode_client_frame(append(limits::ENTRY + 1)).unwrap_err();
    assert_eq!((id, error.field()), (RequestId(1), "append.payload"));
}

#[test]
fn one_change_too_many_is_named() {
    let changes = |count| proto::SeatChanges { doors_dropped: vec![vec![0; 16].into(); count], ..Default::default() };
    SeatChanges::parse(changes(limits::CHANGES)).unwrap();
    assert_eq!(SeatChanges::parse(changes(limits::CHANGES + 1)).unwrap_err().field(), "changes");
}

/// Of a frame that is an append, written the one way that clients write it, the glance sees what the whole look sees.
fn glance_agrees(frame: &[u8]) {
    let seen = glance_at_append(frame);
    if let Ok((id, Request::Append { seat, .. })) = decode_client_frame(Bytes::copy_from_slice(frame))
        && proto::ClientFrame::decode(frame).unwrap().encode_to_vec() == frame
    {
        assert_eq!(seen, Some((id, seat.secret)));
    }
}

proptest! {
    #[test]
    fn a_request_comes_back(id in 1..=u64::MAX, request in request()) {
        prop_assert_eq!(decode_client_frame(to_frame(id, &request).into()), Ok((RequestId(id), request)));
    }

    #[test]
    fn a_glance_sees_who_appends_and_nobody_else(id in 1..=u64::MAX, request in request()) {
        let frame = to_frame(id, &request);
        let seen = glance_at_append(&frame);
        prop_assert_eq!(&seen, &glance_at_append(&frame[..frame.len().min(GLANCE)]), "its beginning is enough");
        match request {
            Request::Append { seat, .. } => prop_assert_eq!(seen, Some((RequestId(id), seat.secret))),
            _ => prop_assert_eq!(seen, None),
        }
    }

    #[test]
    fn a_header_comes_back(header in header()) {
        prop_assert_eq!(HeaderFacts::parse(&header.encode()), Ok(header));
    }

    #[test]
    fn a_damaged_frame_is_read_or_refused(request in request(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut frame = to_frame(1, &request);
        let at = at.index(frame.len());
        frame[at] ^= 1 << bit;
        for frame in [frame.clone(), frame[..at].to_vec()] {
            glance_agrees(&frame);
        }
    }

    #[test]
    fn no_bytes_make_the_edge_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = HeaderFacts::parse(&bytes);
        let _ = proto::ServerFrame::decode(bytes.as_slice());
        glance_agrees(&bytes);
    }

    #[test]
    fn a_handle_comes_back(name in "[a-z0-9._-]{3,32}", host in "[a-z0-9]{1,20}(\\.[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?){0,3}(:[1-9][0-9]{0,3})?") {
        let text = format!("{name}@{host}");
        prop_assert_eq!(text.parse::<Handle>().unwrap().to_text(), text);
        let url = format!("https://{host}");
        prop_assert_eq!(url.parse::<ServerUrl>().unwrap().to_text(), url);
    }

    #[test]
    fn any_text_is_a_handle_and_an_address_or_neither(text: String) {
        if let Ok(handle) = text.parse::<Handle>() {
            prop_assert_eq!(handle.to_text().parse::<Handle>(), Ok(handle));
        }
        if let Ok(url) = text.parse::<ServerUrl>() {
            prop_assert_eq!(url.to_text().parse::<ServerUrl>(), Ok(url));
        }
    }
}
