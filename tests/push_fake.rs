//! The ntfy-shaped test server, held against what was measured on a real one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ntfy.rs"]
mod ntfy;

use std::time::Duration;

use ntfy::{
    FakeNtfy, Fault,
    rules::{Access, Rights, Settings, Version},
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);

/// The status and the JSON of a reply.
async fn post(ntfy: &FakeNtfy, body: impl ToString, login: Option<&str>) -> (u16, Value) {
    let mut request = reqwest::Client::new()
        .post(ntfy.url())
        .body(body.to_string());
    if let Some(login) = login {
        request = request.header("Authorization", login);
    }
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.json().await.unwrap())
}

async fn code(ntfy: &FakeNtfy, body: impl ToString) -> Value {
    post(ntfy, body, None).await.1["code"].clone()
}

async fn get(ntfy: &FakeNtfy, path: &str) -> String {
    let url = format!("{}{path}", ntfy.url());
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

fn kind(version: Version, attachments: bool) -> FakeNtfy {
    FakeNtfy::with(Settings {
        version,
        attachments,
        ..Settings::default()
    })
}

#[tokio::test]
async fn it_refuses_what_ntfy_refuses() {
    let ntfy = FakeNtfy::start();
    let with = |name: &str, value: Value| {
        let mut body = json!({ "topic": "t", "message": "m" });
        body[name] = value;
        body
    };
    let cases = [
        (with("topic", json!("金价")), 40009),
        (with("topic", json!("docs")), 40010),
        (with("priority", json!(6)), 40007),
        (with("priority", json!("high")), 40024),
        (with("markdown", json!("yes")), 40024),
        (with("cache", json!(false)), 40024),
        (with("attach", json!("ftp://example.com/")), 40013),
        (with("icon", json!("icon.png")), 40021),
        (with("delay", json!("soon")), 40004),
        (with("delay", json!("1h 30m")), 40004),
        (with("delay", json!("9s")), 40005),
        (with("delay", json!("4d")), 40006),
        (with("actions", json!([{}, {}, {}, {}])), 40018),
        (with("sequence_id", json!("金-1")), 40049),
        (with("title", json!("a".repeat(1025))), 40057),
        (with("tags", json!(["a".repeat(513)])), 40058),
        (with("message", json!("a".repeat(8192))), 41303),
    ];
    for (body, expected) in cases {
        assert_eq!(code(&ntfy, &body).await, expected, "{body}");
    }
    assert_eq!(code(&ntfy, "no json").await, 40024);
    assert!(ntfy.messages("t").is_empty());
}

#[tokio::test]
async fn what_is_not_kept_is_not_found_and_what_is_to_come_only_when_asked_for() {
    let ntfy = FakeNtfy::with(Settings {
        reaches_out: false,
        ..Settings::default()
    });
    let body = |name: &str, value: &str| json!({ "topic": "t", "message": "m", name: value });
    assert_eq!(post(&ntfy, body("cache", "no"), None).await.0, 200);
    assert_eq!(get(&ntfy, "t/json?poll=1").await, "");
    assert_eq!(post(&ntfy, body("delay", "30m"), None).await.0, 200);
    assert_eq!(get(&ntfy, "t/json?poll=1").await, "");
    let scheduled = get(&ntfy, "t/json?poll=1&scheduled=1").await;
    assert_eq!(scheduled.lines().count(), 1);
    let both = json!({ "topic": "t", "message": "m", "delay": "30m", "cache": "no" });
    assert_eq!(code(&ntfy, both).await, 40002);
    assert_eq!(code(&ntfy, body("email", "a@example.com")).await, 40001);
    assert_eq!(code(&ntfy, body("call", "yes")).await, 40032);
}

#[tokio::test]
async fn it_counts_bytes_as_each_version_does() {
    let cases = [
        (Version::V2_13, 4095, false),
        (Version::V2_13, 4096, true),
        (Version::V2026, 4096, false),
        (Version::V2026, 4097, true),
    ];
    for (version, bytes, too_long) in cases {
        let body = json!({ "topic": "t", "message": "a".repeat(bytes) });
        let (status, reply) = post(&kind(version, true), &body, None).await;
        assert_eq!((status, reply.get("attachment").is_some()), (200, too_long));
        let (status, reply) = post(&kind(version, false), &body, None).await;
        assert_eq!(status == 400 && reply["code"] == 40014, too_long, "{reply}");
    }
}

#[tokio::test]
async fn it_trims_and_joins_and_keeps_duplicates() {
    let ntfy = FakeNtfy::start();
    let body =
        json!({ "topic": "t", "message": " a\nb ", "tags": ["x, y", "💰"], "sequence_id": "s" });
    let first = post(&ntfy, &body, None).await.1;
    let again = post(&ntfy, &body, None).await.1;
    assert_eq!(
        (&first["message"], &first["tags"]),
        (&json!("a\nb"), &json!(["x", "y", "💰"]))
    );
    assert_ne!(first["id"], again["id"], "ntfy knows no idempotency");
    let id = first["id"].as_str().unwrap();
    assert_eq!(get(&ntfy, "t/json?poll=1").await.lines().count(), 2);
    assert_eq!(
        get(&ntfy, &format!("t/json?poll=1&since={id}"))
            .await
            .lines()
            .count(),
        1
    );
    let blank = post(&ntfy, json!({ "topic": "t", "message": " \n" }), None)
        .await
        .1;
    assert_eq!(blank["message"], "triggered");
    assert_eq!(ntfy.wait_for(3, SOON).len(), 3);
}

#[tokio::test]
async fn an_old_server_leaves_the_sequence_out() {
    let ntfy = kind(Version::V2_13, true);
    let body = json!({ "topic": "t", "message": "m", "sequence_id": "s" });
    assert_eq!(post(&ntfy, body, None).await.1.get("sequence_id"), None);
}

#[tokio::test]
async fn wrong_logins_lock_out_right_ones() {
    let ntfy = FakeNtfy::with(Settings {
        access: Some(Access {
            headers: vec!["Bearer right".to_owned()],
            user: Rights::ReadWrite,
            everyone: Rights::WriteOnly,
        }),
        ..Settings::default()
    });
    let body = json!({ "topic": "t", "message": "m" });
    for _ in 0..30 {
        assert_eq!(
            post(&ntfy, &body, Some("Bearer wrong")).await.1["code"],
            40101
        );
    }
    assert_eq!(
        post(&ntfy, &body, Some("Bearer right")).await.1["code"],
        42909
    );
    assert_eq!(post(&ntfy, &body, None).await.0, 200);
    assert!(get(&ntfy, "t/auth").await.contains("40301"));
}

#[tokio::test]
async fn limits_end_with_ntfys_codes() {
    let body = json!({ "topic": "t", "message": "m" });
    let few = FakeNtfy::with(Settings {
        quota: 1,
        requests: 2,
        ..Settings::default()
    });
    assert_eq!(post(&few, &body, None).await.0, 200);
    assert_eq!(code(&few, &body).await, 42908);
    assert_eq!(code(&few, &body).await, 42901);
    assert!(
        get(&few, "v1/account")
            .await
            .contains("\"messages_remaining\":0")
    );
}

#[tokio::test]
async fn an_outage_lasts_until_it_is_ended() {
    let ntfy = FakeNtfy::start();
    let body = json!({ "topic": "t", "message": "m" });
    ntfy.outage(Some(Fault::Code(50001)));
    assert_eq!(code(&ntfy, &body).await, 50001);
    assert_eq!(code(&ntfy, &body).await, 50001);
    ntfy.outage(None);
    assert_eq!(post(&ntfy, &body, None).await.0, 200);
    assert_eq!(ntfy.wait_for_publishes(3, SOON).len(), 3);
}

#[test]
#[should_panic(expected = "violations of ntfy's protocol")]
fn what_no_publisher_sends_fails_the_test() {
    let ntfy = FakeNtfy::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(code(
        &ntfy,
        json!({ "topic": "t", "message": "m", "titel": "x" }),
    ));
}

#[test]
#[should_panic(expected = "too few messages")]
fn waiting_ends_at_its_deadline() {
    FakeNtfy::start().wait_for(1, Duration::from_millis(50));
}
