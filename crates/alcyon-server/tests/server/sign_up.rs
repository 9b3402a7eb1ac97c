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
    assert_eq!(get(server.address(), "/v1/sign-up").await.json(), json!({ "state": "open", "waiting": 0 }));
    let ann = Person::new("ann");
    let answer = ticket(server.address(), json!({ "account": ann.account() })).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "state": "open", "waiting": 0 })));
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
