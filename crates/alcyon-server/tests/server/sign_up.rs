//! Newcomers: straight through while there is room, else in line.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::{
    client::start_with,
    http::{Answer, Person, ask, get, signed_with},
};

async fn ticket(address: std::net::SocketAddr, body: Value) -> Answer {
    ask(address, "POST", "/v1/sign-up/tickets", &[], body.to_string().as_bytes()).await
}

async fn look(address: std::net::SocketAddr, ticket: &str) -> Value {
    ask(address, "GET", "/v1/sign-up", &[("alcyon-ticket", ticket.to_owned())], b"").await.json()
}

async fn sign_up(server: &alcyon_server::RunningServer, person: &Person, ticket: &str) -> Answer {
    let body = person.sign_up_body(server).to_string();
    let headers = [("alcyon-ticket", ticket.to_owned())];
    signed_with(server.address(), &person.device, "POST", "/v1/accounts", &body, &headers).await
}

#[tokio::test]
async fn without_a_line_nobody_needs_a_ticket() {
    let server = start_with(|_| {}).await;
    assert_eq!(get(server.address(), "/v1/sign-up").await.json(), json!({ "state": "open", "waiting": 0, "proofs": [] }));
    let ann = Person::new("ann");
    let answer = ticket(server.address(), json!({ "account": ann.account() })).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "state": "open", "waiting": 0, "proofs": [] })));
    assert_eq!(ann.sign_up(&server).await.status, 201);
    let metrics = get(server.address(), "/metrics").await.text;
    assert!(metrics.contains("alcyon_sign_ups_total 1\n") && metrics.contains("alcyon_sign_up_line 0\n"), "{metrics}");
}

/// One in a hundred seconds: after the first one there is a line for as long as this test lasts.
#[tokio::test]
async fn in_line_a_ticket_stands_for_its_place_and_comes_in_for_its_own_account_alone() {
    let server = start_with(|config| config.sign_ups.per_second = Some(0.01)).await;
    let address = server.address();
    let (ann, ben, cat) = (Person::new("ann"), Person::new("ben"), Person::new("cat"));
    assert_eq!(ann.sign_up(&server).await.status, 201);
    let refused = ben.sign_up(&server).await;
    assert_eq!(refused.problem(), (429, "line".into(), String::new()));

    let bens = ticket(address, json!({ "account": ben.account() })).await.json();
    assert_eq!((bens["state"].as_str(), bens["place"].as_u64(), bens["waiting"].as_u64()), (Some("wait"), Some(1), Some(1)), "{bens}");
    let cats = ticket(address, json!({ "account": cat.account() })).await.json();
    assert_eq!((cats["place"].as_u64(), cats["waiting"].as_u64()), (Some(2), Some(2)), "{cats}");
    assert!(cats["wait_ms"].as_u64().unwrap() > 100_000 && cats["ask_again_ms"].as_u64().unwrap() > 1_000, "{cats}");
    let bens_ticket = bens["ticket"].as_str().unwrap();
    assert_eq!(look(address, bens_ticket).await["place"], 1);

    let early = sign_up(&server, &ben, bens_ticket).await;
    assert_eq!(early.problem(), (429, "early".into(), String::new()));
    // Refused by the head alone: there is no signature, no manifest, not even a body.
    let early = ask(address, "POST", "/v1/accounts", &[("alcyon-ticket", bens_ticket.to_owned())], b"").await;
    assert_eq!(early.problem(), (429, "early".into(), String::new()));

    let mut forged = BASE64URL_NOPAD.decode(bens_ticket.as_bytes()).unwrap();
    forged[8] ^= 1;
    let forged = sign_up(&server, &ben, &BASE64URL_NOPAD.encode(&forged)).await;
    assert_eq!(forged.problem(), (403, "wrong_ticket".into(), "alcyon-ticket".into()));
    assert_eq!(sign_up(&server, &ben, "no ticket").await.status, 403);
    // The directory goes on for those who are in.
    assert_eq!(get(address, "/v1/handles/ann").await.status, 200);
    assert_eq!(ann.put_manifest(&server, 2).await.status, 200);
}

#[tokio::test]
async fn whose_turn_has_come_signs_up_and_nobody_else_on_that_ticket() {
    let server = start_with(|config| config.sign_ups.per_second = Some(20.0)).await;
    let address = server.address();
    // Some come at once: a second's worth, then there is a line.
    let mut last = None;
    for n in 0..200 {
        let person = Person::new(&format!("person{n}"));
        if person.sign_up(&server).await.status == 429 {
            last = Some(person);
            break;
        }
    }
    let ben = last.expect("two hundred are more than the burst");
    let mut answer = ticket(address, json!({ "account": ben.account() })).await.json();
    let Some(bens) = answer["ticket"].as_str().map(str::to_owned) else {
        // So slow a machine that the line is gone again.
        assert_eq!(answer["state"], "open");
        return;
    };
    while answer["state"] != "ready" && answer["state"] != "open" {
        answer = look(address, &bens).await;
    }
    let cat = Person::new("cat");
    assert_eq!(sign_up(&server, &cat, &bens).await.problem().1, "wrong_ticket");
    let mut done = sign_up(&server, &ben, &bens).await;
    while done.status == 429 {
        done = sign_up(&server, &ben, &bens).await;
    }
    assert_eq!(done.status, 201, "{done:?}");
}

#[tokio::test]
async fn what_is_no_question_for_a_ticket_is_refused() {
    let server = start_with(|_| {}).await;
    let ann = Person::new("ann").account();
    for (body, field) in [
        (json!({}), "account"),
        (json!({ "account": "ann" }), "account"),
        (json!({ "account": ann, "challenge": "AAAA" }), "nonce"),
        (json!({ "account": ann, "more": 1 }), "more"),
        (json!([]), "body"),
    ] {
        assert_eq!(ticket(server.address(), body).await.problem(), (400, "malformed".into(), field.into()));
    }
    let large = json!({ "account": ann, "ticket": "A".repeat(2_000) });
    assert_eq!(ticket(server.address(), large).await.problem().0, 413);
}

async fn sign_up_showing(server: &alcyon_server::RunningServer, person: &Person, proofs: Value) -> Answer {
    let mut body = person.sign_up_body(server);
    body["proofs"] = proofs;
    signed_with(server.address(), &person.device, "POST", "/v1/accounts", &body.to_string(), &[]).await
}

fn policy(text: &str) -> alcyon_server::Policy {
    alcyon_server::Policy::parse(text).unwrap()
}

#[tokio::test]
async fn an_invite_lets_in_as_many_as_it_says() {
    let server = start_with(|config| config.sign_ups.policy = policy("invite")).await;
    assert_eq!(get(server.address(), "/v1/sign-up").await.json()["proofs"], json!([["invite"]]));
    let code = server.make_invite(2, std::time::Duration::from_secs(60)).await.unwrap().to_string();
    let show = |code: &str| json!({ "invite": code });
    let (ann, ben, cat) = (Person::new("ann"), Person::new("ben"), Person::new("cat"));
    assert_eq!(ann.sign_up(&server).await.problem(), (403, "proof_needed".into(), "proofs".into()));
    assert_eq!(sign_up_showing(&server, &ann, show("ABCD")).await.problem(), (400, "malformed".into(), "proofs.invite".into()));
    let never_made = "ABCD-EFGH-IJKL-MNOP";
    assert_eq!(sign_up_showing(&server, &ann, show(never_made)).await.problem(), (403, "invite_over".into(), "proofs.invite".into()));
    assert_eq!(sign_up_showing(&server, &ann, show(&code)).await.status, 201);
    // The same again uses nothing up, and is heard even when the invite is gone.
    assert_eq!(sign_up_showing(&server, &ann, show(&code)).await.status, 200);
    assert_eq!(server.invites().unwrap().iter().map(|invite| invite.left).collect::<Vec<_>>(), [1]);
    // A sign-up that fails leaves it as it was.
    let second_ann = Person::new("ann");
    assert_eq!(sign_up_showing(&server, &second_ann, show(&code)).await.problem().1, "handle_taken");
    assert_eq!(sign_up_showing(&server, &ben, show(&code.to_lowercase())).await.status, 201);
    assert_eq!(sign_up_showing(&server, &cat, show(&code)).await.problem().1, "invite_over");
    assert_eq!(sign_up_showing(&server, &ben, show(&code)).await.status, 200);
    assert_eq!(server.invites().unwrap(), []);

    let code = server.make_invite(9, std::time::Duration::from_secs(60)).await.unwrap().to_string();
    let id = server.invites().unwrap()[0].id.clone();
    assert_eq!(server.take_back_invite(&id).await, Some(true));
    assert_eq!(server.take_back_invite(&id).await, Some(false));
    assert_eq!(sign_up_showing(&server, &cat, show(&code)).await.problem().1, "invite_over");
    let over = server.make_invite(9, std::time::Duration::ZERO).await.unwrap().to_string();
    assert_eq!(sign_up_showing(&server, &cat, show(&over)).await.problem().1, "invite_over");
}

#[tokio::test]
async fn work_lets_in_whoever_has_done_it() {
    let server = start_with(|config| {
        config.sign_ups.policy = policy("invite | work");
        config.sign_ups.work_bits = 8;
    })
    .await;
    let address = server.address();
    let (ann, ben) = (Person::new("ann"), Person::new("ben"));
    let question = json!({ "account": ann.account() }).to_string();
    let asked = ask(address, "POST", "/v1/sign-up/challenges", &[], question.as_bytes()).await.json();
    let (challenge, bits) = (asked["challenge"].as_str().unwrap(), asked["bits"].as_u64().unwrap());
    assert_eq!(bits, 8);
    let bytes = BASE64URL_NOPAD.decode(challenge.as_bytes()).unwrap();
    let nonce = alcyon_wire::work::solve(&bytes, 8, 0, u64::MAX).unwrap();
    let show = |nonce: u64| json!({ "work": { "challenge": challenge, "nonce": BASE64URL_NOPAD.encode(&nonce.to_be_bytes()) } });
    let lazy = (0..).find(|nonce| alcyon_wire::work::zero_bits(&bytes, *nonce) < 8).unwrap();
    let wrong = (403, "proof_wrong".to_owned(), "proofs.work".to_owned());
    assert_eq!(sign_up_showing(&server, &ann, show(lazy)).await.problem(), wrong);
    assert_eq!(sign_up_showing(&server, &ben, show(nonce)).await.problem(), wrong, "another's work");
    assert_eq!(sign_up_showing(&server, &ann, show(nonce)).await.status, 201);
    let code = server.make_invite(1, std::time::Duration::from_secs(60)).await.unwrap().to_string();
    assert_eq!(sign_up_showing(&server, &ben, json!({ "invite": code })).await.status, 201, "or by the other way");
}

#[tokio::test]
async fn while_nobody_carries_codes_newcomers_wait_or_come_in_unverified_as_the_operator_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("senders.toml");
    // Bound and let go of: nobody listens there.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(&path, format!("[[email]]\nserver = \"smtp://{dead}\"\nfrom = \"codes@sea.example\"\n")).unwrap();
    for excuses in [false, true] {
        let server = start_with(|config| {
            config.sign_ups.policy = policy("email");
            config.sign_ups.senders = Some(path.clone());
            config.sign_ups.excuses = excuses;
        })
        .await;
        let ann = Person::new("ann");
        let question = |by: &str, to: &str| json!({ "account": ann.account(), "by": by, "to": to }).to_string();
        let ask_code =
            async |by: &str, to: &str| ask(server.address(), "POST", "/v1/sign-up/codes", &[], question(by, to).as_bytes()).await;
        assert_eq!(ask_code("phone", "+491701234567").await.problem(), (409, "no_codes".into(), "by".into()));
        assert_eq!(ask_code("email", "ann").await.problem(), (400, "bad_address".into(), "to".into()));
        assert_eq!(ask_code("pigeon", "ann").await.problem(), (400, "malformed".into(), "by".into()));
        let answer = ask_code("email", "ann@shore.example").await;
        if !excuses {
            assert_eq!(answer.problem(), (503, "codes_down".into(), String::new()));
            continue;
        }
        let answer = answer.json();
        assert_eq!(answer["state"], "excused");
        let proof = |to: &str| json!({ "email": { "to": to, "sent": answer["sent"] } });
        assert_eq!(sign_up_showing(&server, &ann, proof("ben@shore.example")).await.problem().1, "proof_wrong");
        assert_eq!(sign_up_showing(&server, &ann, proof("ann@shore.example")).await.status, 201);
    }
}
