//! Stamps over real sockets: issued over HTTP, spent on the WebSocket, once.

use std::net::SocketAddr;

use alcyon_server::{RunningServer, StampSettings};
use alcyon_stamps::{Asked, Issued};
use alcyon_wire::{
    EntryId, Payment, RefusalCode, Stamp, StampKeyId,
    proto::{self, client_frame::Body as Ask, server_frame::Body},
    token_challenge, work,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::{
    client::{Client, Place, entry_id, start_with},
    http::{Answer, Listens, Person, ask, get, signed},
    process::Process,
};

/// So that work is done in no time.
const WORK_BITS: u8 = 6;

async fn start() -> RunningServer {
    start_with(|config| config.stamps = StampSettings { work_bits: WORK_BITS, ..StampSettings::default() }).await
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    BASE64URL_NOPAD.decode(value.as_str().unwrap().as_bytes()).unwrap().try_into().unwrap()
}

/// Draws a batch and asks for it.
pub async fn request_batch(address: SocketAddr, person: &Person) -> (Asked, Answer) {
    let key: [u8; 32] = bytes(&get(address, "/v1/stamps").await.json()["key"]);
    let asked = Asked::draw(&key, token_challenge(&address.to_string())).unwrap();
    let hidden: Vec<_> = asked.hidden().iter().map(|point| BASE64URL_NOPAD.encode(point)).collect();
    let body = json!({ "key": BASE64URL_NOPAD.encode(&StampKeyId::of(&key).0), "hidden": hidden }).to_string();
    let answer = signed(address, &person.device, "POST", &format!("/v1/accounts/{}/stamps", person.account()), &body).await;
    (asked, answer)
}

async fn batch(address: SocketAddr, person: &Person) -> Vec<Stamp> {
    let (asked, answer) = request_batch(address, person).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let points = answer["issued"].as_array().unwrap().iter().map(bytes).collect();
    asked.finish(&Issued { points, proof: bytes(&answer["proof"]) }).unwrap()
}

fn create(place: &Place, payment: Option<&Payment>) -> Ask {
    let Ask::Create(create) = place.create() else { panic!() };
    Ask::Create(proto::Create { payment: payment.map(Payment::to_field), ..create })
}

fn knock(inbox: &Place, payment: Option<&Payment>) -> proto::Knock {
    proto::Knock {
        inbox: inbox.log.to_field(),
        entry_id: entry_id(),
        payload: "knock knock".into(),
        pass: Default::default(),
        payment: payment.map(Payment::to_field),
    }
}

async fn worked(address: SocketAddr, subject: [u8; 32]) -> Payment {
    let body = json!({ "for": BASE64URL_NOPAD.encode(&subject) }).to_string();
    let answer = ask(address, "POST", "/v1/stamps/challenges", &[], body.as_bytes()).await.json();
    let challenge = BASE64URL_NOPAD.decode(answer["challenge"].as_str().unwrap().as_bytes()).unwrap();
    let bits = u32::try_from(answer["bits"].as_u64().unwrap()).unwrap();
    let nonce = work::solve(&challenge, bits, 0, u64::MAX).unwrap();
    Payment::Work { challenge: challenge.into(), nonce }
}

#[tokio::test]
async fn a_stamp_pays_for_a_log_or_a_knock_and_for_one_alone() {
    let server = start().await;
    let (address, ann) = (server.address(), Person::new("ann"));
    assert_eq!(ann.sign_up(&server).await.status, 201, "nobody pays for an account and its inbox");
    let stamps: Vec<_> = batch(address, &ann).await.into_iter().map(Payment::Stamp).collect();
    let mut client = Client::open(address).await;
    let place = Place::new();
    client.refused(create(&place, None), RefusalCode::StampNeeded).await;
    client.accepted(create(&place, Some(&stamps[0]))).await;
    client.accepted(create(&place, Some(&stamps[0]))).await;
    client.refused(create(&Place::new(), Some(&stamps[0])), RefusalCode::StampSpent).await;
    client.refused(Ask::Knock(knock(&ann.inbox, None)), RefusalCode::StampNeeded).await;
    client.refused(Ask::Knock(knock(&ann.inbox, Some(&stamps[0]))), RefusalCode::StampSpent).await;
    let paid = knock(&ann.inbox, Some(&stamps[1]));
    let sequence = client.accepted(Ask::Knock(paid.clone())).await;
    assert_eq!(client.accepted(Ask::Knock(paid)).await, sequence, "sent again, and not paid for again");
    client.accepted(place.append("what is written afterwards costs nothing")).await;
    let Payment::Stamp(mut forged) = stamps[2].clone() else { panic!() };
    forged.nonce[0] ^= 1;
    client.refused(create(&Place::new(), Some(&Payment::Stamp(forged))), RefusalCode::StampUnknown).await;
}

/// Ten connections show the same stamp at the same time.
#[tokio::test]
async fn of_many_who_show_one_stamp_at_once_one_is_taken() {
    let server = start().await;
    let (address, ann) = (server.address(), Person::new("ann"));
    ann.sign_up(&server).await;
    for stamp in batch(address, &ann).await.into_iter().take(4).map(Payment::Stamp) {
        let mut clients = Vec::new();
        for _ in 0..10 {
            clients.push(Client::open(address).await);
        }
        let answers = futures::future::join_all(clients.iter_mut().map(|client| client.ask(create(&Place::new(), Some(&stamp))))).await;
        let taken = answers.iter().filter(|answer| matches!(answer, Body::Receipt(_))).count();
        let spent = |answer: &&Body| matches!(answer, Body::Refusal(refusal) if refusal.code() == RefusalCode::StampSpent);
        assert_eq!((taken, answers.iter().filter(spent).count()), (1, 9), "{answers:?}");
    }
}

/// Killed in the midst of it: whatever was asked for is asked for again with the same stamp and is there, and no stamp is good
/// for anything else. So log and stamp are in one transaction.
#[tokio::test]
async fn a_server_that_is_killed_forgets_neither_logs_nor_what_they_cost() {
    let environment = [("ALCYON_STAMPS_REQUIRED", "on")];
    let directory = tempfile::tempdir().unwrap();
    let mut server = Process::start_with(directory.path(), &[], &environment);
    let (address, ann) = (server.at(), Person::new("ann"));
    assert_eq!(ann.sign_up(&server).await.status, 201);
    for answers_heard in [0, 3, 9] {
        let stamps: Vec<_> = batch(address, &ann).await.into_iter().map(Payment::Stamp).collect();
        let bought: Vec<_> = stamps.iter().map(|stamp| (Place::new(), stamp)).collect();
        let mut client = Client::open(address).await;
        let requests = client.send_all(bought.iter().map(|(place, stamp)| create(place, Some(stamp)))).await;
        for request in &requests[..answers_heard] {
            client.answer(*request).await;
        }
        server.kill();
        server = Process::start_again(directory.path(), address, &environment);
        let mut client = Client::open(address).await;
        for (place, stamp) in &bought {
            client.accepted(create(place, Some(stamp))).await;
            client.refused(create(&Place::new(), Some(stamp)), RefusalCode::StampSpent).await;
            client.accepted(place.append("it is there")).await;
        }
    }
}

/// The server knows nothing of who knocks, and all the same one who has no stamps gets nowhere, and one who has some no further than those.
#[tokio::test]
async fn a_spammer_gets_as_far_as_their_stamps_go() {
    let server = start_with(|config| {
        config.stamps = StampSettings { per_day: 16, saved: 32, ..StampSettings::default() };
        config.logs.strangers_per_hour = 1_000;
        config.logs.strangers_pending = 1_000;
    })
    .await;
    let (address, victim, spammer) = (server.address(), Person::new("ann"), Person::new("spam"));
    victim.sign_up(&server).await;
    spammer.sign_up(&server).await;
    let mut client = Client::open(address).await;
    for _ in 0..50 {
        client.refused(Ask::Knock(knock(&victim.inbox, None)), RefusalCode::StampNeeded).await;
    }
    let stamps = [batch(address, &spammer).await, batch(address, &spammer).await].concat();
    let (_, refused) = request_batch(address, &spammer).await;
    assert_eq!(refused.problem(), (429, "quota".into(), String::new()));
    let mut taken = 0;
    for round in 0..3 {
        for stamp in stamps.iter().cloned().map(Payment::Stamp) {
            let answer = client.ask(Ask::Knock(knock(&victim.inbox, Some(&stamp)))).await;
            taken += usize::from(matches!(answer, Body::Receipt(_)));
            assert_eq!(matches!(answer, Body::Receipt(_)), round == 0, "{answer:?}");
        }
    }
    assert_eq!(taken, 32);
    let log = client.subscribe(vec![victim.inbox.subscribe(0)]).await;
    assert_eq!(log[0].head, 32);
}

#[tokio::test]
async fn who_has_no_account_here_works() {
    let server = start().await;
    let (address, ann) = (server.address(), Person::new("ann"));
    ann.sign_up(&server).await;
    let mut client = Client::open(address).await;
    let (place, other) = (Place::new(), Place::new());
    let payment = worked(address, Payment::for_log(place.log)).await;
    client.refused(create(&other, Some(&payment)), RefusalCode::StampNeeded).await;
    client.accepted(create(&place, Some(&payment))).await;
    let mut frame = knock(&ann.inbox, None);
    let id = EntryId::parse(&frame.entry_id, "entry_id").unwrap();
    frame.payment = Some(worked(address, Payment::for_knock(ann.inbox.log, id)).await.to_field());
    client.accepted(Ask::Knock(frame)).await;
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_named() {
    let server = start().await;
    let (address, ann, ben) = (server.address(), Person::new("ann"), Person::new("ben"));
    ann.sign_up(&server).await;
    let path = format!("/v1/accounts/{}/stamps", ann.account());
    let (asked, answer) = request_batch(address, &ann).await;
    assert_eq!(answer.status, 200);
    let key: [u8; 32] = bytes(&get(address, "/v1/stamps").await.json()["key"]);
    let hidden: Vec<_> = asked.hidden().iter().map(|point| BASE64URL_NOPAD.encode(point)).collect();
    let body = |key: [u8; 32], hidden: &[String]| json!({ "key": BASE64URL_NOPAD.encode(&key), "hidden": hidden }).to_string();
    let id = StampKeyId::of(&key).0;
    let ask_as = async |person: &Person, body: String| signed(address, &person.device, "POST", &path, &body).await.problem();
    assert_eq!(ask_as(&ann, body([9; 32], &hidden)).await, (409, "stamp_key".into(), "key".into()));
    assert_eq!(ask_as(&ann, body(id, &hidden[1..])).await, (400, "malformed".into(), "hidden".into()));
    let mut no_point = hidden.clone();
    no_point[3] = BASE64URL_NOPAD.encode(&[0xFF; 32]);
    assert_eq!(ask_as(&ann, body(id, &no_point)).await, (400, "malformed".into(), "hidden".into()));
    assert_eq!(ask_as(&ben, body(id, &hidden)).await, (401, "unauthorized".into(), "keyid".into()));
    let unsigned = ask(address, "POST", &path, &[], body(id, &hidden).as_bytes()).await;
    assert_eq!(unsigned.problem(), (401, "unauthorized".into(), "signature".into()));
    let short = json!({ "for": "AAAA" }).to_string();
    let refused = ask(address, "POST", "/v1/stamps/challenges", &[], short.as_bytes()).await;
    assert_eq!(refused.problem(), (400, "malformed".into(), "for".into()));
}
