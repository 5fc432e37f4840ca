//! AI endpoints that fail in every way they can, at random but by a seed, and an inbox that takes everything. Nothing of
//! what comes is kept but how often.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

pub struct Chaos {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// xorshift64*.
    state: Mutex<u64>,
    /// What was replied how often.
    replies: Mutex<BTreeMap<&'static str, u32>>,
}

impl Shared {
    /// A number below `most`.
    fn roll(&self, most: u64) -> u64 {
        let mut state = self.state.lock().expect("no panic under the lock");
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % most
    }

    fn count(&self, reply: &'static str) {
        let mut replies = self.replies.lock().expect("no panic under the lock");
        *replies.entry(reply).or_default() += 1;
    }
}

impl Chaos {
    /// Serves on a port of its own for as long as the runtime lives.
    pub fn start(seed: u64) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        listener
            .set_nonblocking(true)
            .expect("a nonblocking listener");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            state: Mutex::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            replies: Mutex::default(),
        });
        let router = Router::new()
            .route("/flaky/v1/chat/completions", post(flaky))
            .route("/backup/v1/chat/completions", post(backup))
            .route("/flaky/v1/models", get(models))
            .route("/", post(inbox))
            .with_state(shared.clone());
        tokio::spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, router).await.expect("serving");
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often each reply was given.
    pub fn summary(&self) -> String {
        let replies = self.shared.replies.lock().expect("no panic under the lock");
        let each = replies
            .iter()
            .map(|(reply, count)| format!("{reply} {count}"));
        each.collect::<Vec<_>>().join(", ")
    }
}

fn token(headers: &HeaderMap) -> &str {
    let value = headers.get(header::AUTHORIZATION);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    text.strip_prefix("Bearer ").unwrap_or_default()
}

async fn flaky(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let reply = match token(&headers).split('-').next() {
        Some("dead") => "refused",
        Some("spent") => "out of credit",
        Some("limited") if shared.roll(2) == 0 => "limited",
        _ => pick(
            &shared,
            &[
                ("answer", 550),
                ("limited", 40),
                ("limited for a time", 40),
                ("500", 80),
                ("page", 40),
                ("cut", 60),
                ("no end", 60),
                ("error in the stream", 50),
                ("nonsense", 50),
                ("empty", 50),
                ("hang", 10),
                ("out of credit", 2),
                ("refused", 6),
            ],
        ),
    };
    give(&shared, reply).await
}

async fn backup(State(shared): State<Arc<Shared>>) -> Response {
    let reply = pick(
        &shared,
        &[
            ("answer", 70),
            ("500", 15),
            ("cut", 7),
            ("no end", 7),
            ("hang", 1),
        ],
    );
    give(&shared, reply).await
}

fn pick(shared: &Shared, replies: &[(&'static str, u64)]) -> &'static str {
    let all = replies.iter().map(|(_, share)| share).sum();
    let mut roll = shared.roll(all);
    for (reply, share) in replies {
        match roll.checked_sub(*share) {
            None => return reply,
            Some(rest) => roll = rest,
        }
    }
    "answer"
}

async fn give(shared: &Shared, reply: &'static str) -> Response {
    shared.count(reply);
    match reply {
        "answer" => stream(&[&delta("好 {n}"), &end(), "[DONE]"]),
        "empty" => stream(&[&delta(""), &end(), "[DONE]"]),
        "no end" => stream(&[&delta("half"), "[DONE]"]),
        "error in the stream" => stream(&[
            &delta("half"),
            &json!({ "error": { "message": "overloaded", "type": "server_error", "code": 503 } })
                .to_string(),
        ]),
        "cut" => cut(),
        "nonsense" => stream(&["{\"choices\": 7", "?"]),
        "limited" => error(429, "rate_limit_exceeded", "slow down"),
        "limited for a time" => {
            let wait = [(header::RETRY_AFTER, "90")];
            (
                wait,
                error(429, "rate_limit_exceeded", "try again in 90 seconds"),
            )
                .into_response()
        }
        "out of credit" => error(402, "insufficient_quota", "no credit left"),
        "refused" => error(401, "invalid_api_key", "no such key"),
        "page" => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::CONTENT_TYPE, "text/html")],
            "<!DOCTYPE html><html><head><title>503</title></head></html>",
        )
            .into_response(),
        "hang" => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        _ => error(500, "server_error", "out of order"),
    }
}

fn error(status: u16, code: &str, message: &str) -> Response {
    let body = json!({ "error": { "message": message, "type": "error", "code": code } });
    (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response()
}

fn delta(text: &str) -> String {
    chunk(
        &json!({ "role": "assistant", "content": text }),
        &Value::Null,
    )
}

fn end() -> String {
    chunk(&json!({}), &json!("stop"))
}

fn chunk(delta: &Value, finish_reason: &Value) -> String {
    json!({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
    })
    .to_string()
}

fn stream(events: &[&str]) -> Response {
    let body: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// The connection breaks in the middle.
fn cut() -> Response {
    let parts = [
        Ok(Bytes::from(format!("data: {}\n\n", delta("half")))),
        Err(std::io::Error::other("cut")),
    ];
    let body = Body::from_stream(futures_util::stream::iter(parts));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn models(headers: HeaderMap) -> Response {
    match token(&headers).starts_with("dead") {
        true => error(401, "invalid_api_key", "no such key"),
        false => Json(json!({ "object": "list", "data": [{ "id": "m", "object": "model" }] }))
            .into_response(),
    }
}

async fn inbox(State(shared): State<Arc<Shared>>, Json(push): Json<Value>) -> Json<Value> {
    shared.count("push");
    Json(json!({
        "id": "abcdefghijkl", "time": chrono::Utc::now().timestamp(), "event": "message",
        "topic": push["topic"], "message": push["message"], "sequence_id": push["sequence_id"],
    }))
}
