//! `/openapi.json` tells the truth: real answers are held against it. (That it names exactly the routes there are is
//! tested next to the routes.)

use serde_json::Value;

use crate::{
    client::start,
    http::{Person, ask, get, signed},
};

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(path) => document.pointer(path.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}

/// Holds a value against the part of JSON Schema that the document uses.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolve(document, schema);
    match schema["type"].as_str() {
        Some("object") => {
            let object = value.as_object().unwrap_or_else(|| panic!("{place} is no object"));
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(object.contains_key(name.as_str().unwrap()), "{place}.{name} is missing");
            }
            if schema["additionalProperties"] == false {
                for (name, value) in object {
                    let property = &schema["properties"][name];
                    assert!(!property.is_null(), "{place}.{name} is not described");
                    check(document, property, value, &format!("{place}.{name}"));
                }
            }
        }
        Some("array") => {
            for value in value.as_array().unwrap_or_else(|| panic!("{place} is no list")) {
                check(document, &schema["items"], value, place);
            }
        }
        Some("string") => {
            let text = value.as_str().unwrap_or_else(|| panic!("{place} is no string"));
            if let Some(words) = schema["enum"].as_array() {
                assert!(words.iter().any(|word| word == text), "{place} is {text}");
            }
        }
        Some("integer") => assert!(value.is_u64(), "{place} is {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{place} is {value}"),
        other => panic!("{place} has type {other:?}"),
    }
}

#[tokio::test]
async fn answers_are_as_described() {
    let server = start().await;
    let address = server.address();
    let document = get(address, "/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let ann = Person::new("ann");
    let account = ann.account();
    let sign_up = ann.sign_up_body(&server).to_string();
    let packages = r#"{"last_resort":"AAAA","one_time":["AAAB"]}"#;
    let path = |end: &str| format!("/v1/accounts/{account}/{end}");
    let template = |end: &str| format!("/v1/accounts/{{account}}/{end}");
    let (manifest, put, count, claim) = (path("manifest"), path("key-packages"), path("key-packages/count"), path("key-packages/claim"));
    let device = &ann.device;
    let line = format!("{{\"account\":\"{account}\"}}");
    let stamps = path("stamps");
    let work = format!("{{\"for\":\"{}\"}}", "A".repeat(43));
    let answers = [
        ("get", "/v1/server".to_owned(), get(address, "/v1/server").await),
        ("get", "/v1/sign-up".to_owned(), get(address, "/v1/sign-up").await),
        ("post", "/v1/sign-up/tickets".to_owned(), ask(address, "POST", "/v1/sign-up/tickets", &[], line.as_bytes()).await),
        ("post", "/v1/sign-up/tickets".to_owned(), ask(address, "POST", "/v1/sign-up/tickets", &[], b"{}").await),
        ("get", "/v1/handles/{name}".to_owned(), get(address, "/v1/handles/ann").await),
        ("get", "/v1/handles/{name}".to_owned(), get(address, "/v1/handles/A").await),
        ("post", "/v1/accounts".to_owned(), signed(address, device, "POST", "/v1/accounts", &sign_up).await),
        ("post", "/v1/accounts".to_owned(), signed(address, device, "POST", "/v1/accounts", &sign_up).await),
        ("post", "/v1/accounts".to_owned(), signed(address, device, "POST", "/v1/accounts", "{}").await),
        ("post", "/v1/accounts".to_owned(), ask(address, "POST", "/v1/accounts", &[], b"{}").await),
        ("get", "/v1/handles/{name}".to_owned(), get(address, "/v1/handles/ann").await),
        ("get", template("manifest"), get(address, &manifest).await),
        ("put", template("manifest"), ann.put_manifest(&server, 2).await),
        ("put", template("manifest"), ann.put_manifest(&server, 1).await),
        ("put", template("key-packages"), signed(address, device, "PUT", &put, packages).await),
        ("get", template("key-packages/count"), signed(address, device, "GET", &count, "").await),
        ("post", template("key-packages/claim"), ask(address, "POST", &claim, &[], b"").await),
        ("get", "/v1/stamps".to_owned(), get(address, "/v1/stamps").await),
        ("post", "/v1/stamps/challenges".to_owned(), ask(address, "POST", "/v1/stamps/challenges", &[], work.as_bytes()).await),
        ("post", template("stamps"), crate::stamps::request_batch(address, &ann).await.1),
        ("post", template("stamps"), signed(address, device, "POST", &stamps, "{}").await),
        ("get", "/v1/logs".to_owned(), get(address, "/v1/logs").await),
        ("get", "/healthz".to_owned(), get(address, "/healthz").await),
        ("get", "/readyz".to_owned(), get(address, "/readyz").await),
    ];
    for (method, path, answer) in answers {
        let operation = &document["paths"][&path][method];
        assert!(!operation.is_null(), "{method} {path} is not described");
        let response = resolve(&document, &operation["responses"][answer.status.to_string()]);
        assert!(!response.is_null(), "{method} {path}: {answer:?} is not described");
        assert!(answer.head.contains("content-type: application/json"), "{answer:?}");
        let schema = &response["content"]["application/json"]["schema"];
        check(&document, schema, &answer.json(), &format!("{method} {path} {}", answer.status));
    }
}

#[tokio::test]
async fn a_line_is_as_described() {
    let server = crate::client::start_with(|config| config.sign_ups.per_second = Some(0.01)).await;
    let address = server.address();
    let document = get(address, "/openapi.json").await.json();
    assert_eq!(Person::new("ann").sign_up(&server).await.status, 201);
    let ben = Person::new("ben");
    let line = format!("{{\"account\":\"{}\"}}", ben.account());
    let code = format!("{{\"account\":\"{}\",\"by\":\"email\",\"to\":\"a@b.example\"}}", ben.account());
    let answer = ask(address, "POST", "/v1/sign-up/tickets", &[], line.as_bytes()).await;
    let header = [("alcyon-ticket", answer.json()["ticket"].as_str().unwrap().to_owned())];
    let answers = [
        ("post", "/v1/sign-up/tickets", answer),
        ("get", "/v1/sign-up", get(address, "/v1/sign-up").await),
        ("get", "/v1/sign-up", ask(address, "GET", "/v1/sign-up", &header, b"").await),
        ("get", "/v1/sign-up", ask(address, "GET", "/v1/sign-up", &[("alcyon-ticket", "A".to_owned())], b"").await),
        ("post", "/v1/accounts", ben.sign_up(&server).await),
        ("post", "/v1/sign-up/challenges", ask(address, "POST", "/v1/sign-up/challenges", &[], line.as_bytes()).await),
        ("post", "/v1/sign-up/codes", ask(address, "POST", "/v1/sign-up/codes", &[], code.as_bytes()).await),
    ];
    for (method, path, answer) in answers {
        let response = resolve(&document, &document["paths"][path][method]["responses"][answer.status.to_string()]);
        assert!(!response.is_null(), "{method} {path}: {answer:?} is not described");
        check(&document, &response["content"]["application/json"]["schema"], &answer.json(), &format!("{method} {path} {}", answer.status));
    }
}
