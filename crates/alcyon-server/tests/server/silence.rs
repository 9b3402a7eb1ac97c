//! What the operator sees holds nothing of those who use the server.

use crate::{
    client::{Client, Place, start},
    http::{Person, get},
};

#[tokio::test]
async fn metrics_have_labels_from_fixed_sets_only() {
    let server = start().await;
    let before = series(&get(server.address(), "/metrics").await.text);
    let ann = Person::new("somebody");
    ann.sign_up(&server).await;
    get(server.address(), "/v1/handles/somebody").await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    client.subscribe(vec![place.subscribe(0)]).await;
    client.accepted(place.append("a word")).await;
    client.entries().await;
    client.subscribe(vec![Place::new().subscribe(0)]).await;
    let text = get(server.address(), "/metrics").await.text;
    assert_eq!(series(&text), before, "no series comes into being by use");
    for word in ["somebody", &ann.account(), &place.log.to_text(), "127.0.0.1", "a word"] {
        assert!(!text.contains(word), "{word}");
    }
    for line in ["alcyon_requests_total{kind=\"append\"} 1", "alcyon_sessions 1", "alcyon_entries_delivered_total 1"] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

/// Names and labels; the buckets of a histogram appear with its first value.
fn series(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut names: Vec<String> = lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
    names.retain(|name| !name.starts_with("alcyon_write_seconds"));
    names.sort();
    names
}
