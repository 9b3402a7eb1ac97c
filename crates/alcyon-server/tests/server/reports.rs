//! Reports over real sockets: sent by people, read and cleared by the operator.

use alcyon_server::{Server, config::Config};
use serde_json::{Value, json};

use crate::{
    http::{Person, get, signed},
    operator::{admin, refused, told},
};

fn report(id: &str, named: bool) -> Value {
    json!({
        "report": id, "about": { "group": "boats" }, "reason": "spam", "words": "every day", "named": named,
        "messages": [{ "by": "mal@sea.example", "sent_at_ms": 7, "text": "buy now" }],
    })
}

#[tokio::test]
async fn a_report_is_sent_once_read_and_cleared_and_only_by_those_who_may() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut config = Config { listen: "127.0.0.1:0".parse().unwrap(), data: data.clone(), ..Config::default() };
    config.reports.per_day = 2;
    let server = Server::start(config).await.unwrap();
    let (address, ann, ben) = (server.address(), Person::new("ann"), Person::new("ben"));
    for person in [&ann, &ben] {
        assert_eq!(person.sign_up(&server).await.status, 201);
    }
    let path = format!("/v1/accounts/{}/reports", ann.account());
    let first = "AAAAAAAAAAAAAAAAAAAAAA";
    for _ in 0..3 {
        let answer = signed(address, &ann.device, "POST", &path, &report(first, false).to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for _ in 0..3 {
        let stolen = signed(address, &ben.device, "POST", &path, &report("AAAAAAAAAAAAAAAAAAAAAB", false).to_string()).await;
        assert_eq!(stolen.status, 401, "nobody uses up what another may send: {stolen:?}");
    }
    let second = signed(address, &ann.device, "POST", &path, &report("AAAAAAAAAAAAAAAAAAAAAQ", true).to_string()).await;
    assert_eq!(second.status, 200, "{second:?}");
    let third = signed(address, &ann.device, "POST", &path, &report("AAAAAAAAAAAAAAAAAAAAAg", false).to_string()).await;
    assert_eq!((third.status, third.problem().1.as_str()), (429, "quota"));

    let listed = String::from_utf8(admin(&data, &["reports", "list", "--json"]).stdout).unwrap();
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[0]["event"], &listed[0]["called"], &listed[0]["from"]), (&"report".into(), &"boats".into(), &Value::Null));
    assert_eq!(listed[0]["messages"], json!([{ "by": "mal@sea.example", "sent_at_ms": 7, "text": "buy now" }]));
    assert_eq!(listed[1]["from"], ann.account().as_str());
    let text = String::from_utf8(admin(&data, &["reports", "list"]).stdout).unwrap();
    assert!(text.contains("every day") && text.contains("Nothing of this is proven"), "{text}");
    assert_eq!(told(&data, &["reports", "clear", listed[0]["id"].as_str().unwrap()])["reports"], 1);
    refused(&data, &["reports", "clear", listed[0]["id"].as_str().unwrap()], 1);
    refused(&data, &["reports", "clear", "00"], 1);
    refused(&data, &["reports", "clear"], 2);
    assert_eq!(told(&data, &["reports", "clear", "--all"])["reports"], 1);
    assert!(admin(&data, &["reports", "list"]).stdout.is_empty());
    assert_eq!(get(address, &path).await.status, 405);
    assert!(server.stop().await);
}
