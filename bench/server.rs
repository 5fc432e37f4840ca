//! The benchmark's servers in one process: an AI that answers in kimi-free-api's form, at once or
//! after the milliseconds of the first argument, and an inbox that takes at once in ntfy's.
//!
//! `GET /asked` and `GET /pushed` tell of each request, one a line: when it was read, in
//! microseconds since the Unix epoch, and the prompt, or the title and the `sequence_id`. It
//! listens on the address of the second argument, else on a free port of loopback; the port is
//! printed.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use serde_json::{Value, json};

/// When requests were read, and what they were.
#[derive(Clone, Default)]
struct Arrivals(Arc<Mutex<Vec<(u128, String)>>>);

impl Arrivals {
    fn note(&self, at: SystemTime, what: String) {
        let at = at.duration_since(UNIX_EPOCH);
        let mut arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.push((at.map_or(0, |at| at.as_micros()), what));
    }

    fn lines(&self) -> String {
        let arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |(at, what): &(u128, String)| format!("{at} {}\n", what.replace('\n', " "));
        arrivals.iter().map(line).collect()
    }
}

/// The AI: what it was asked, and how long it takes.
#[derive(Clone)]
struct Ai {
    asked: Arrivals,
    delay: Duration,
}

// One thread: the other cores are left to what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let (asked, pushed) = (Arrivals::default(), Arrivals::default());
    let delay = std::env::args().nth(1).and_then(|ms| ms.parse().ok());
    let ai = Router::new()
        .route("/v1/chat/completions", post(answer))
        .with_state(Ai {
            asked: asked.clone(),
            delay: Duration::from_millis(delay.unwrap_or(0)),
        });
    let inbox = Router::new()
        .route("/", post(take))
        .with_state(pushed.clone());
    let report = Router::new()
        .route("/asked", get(async move || asked.lines()))
        .route("/pushed", get(async move || pushed.lines()));
    let address = std::env::args().nth(2);
    let address = address.as_deref().unwrap_or("127.0.0.1:0");
    let listener = tokio::net::TcpListener::bind(address).await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    axum::serve(listener, ai.merge(inbox).merge(report)).await
}

async fn answer(State(ai): State<Ai>, Json(question): Json<Value>) -> Json<Value> {
    let now = SystemTime::now();
    let prompt = question["messages"][0]["content"].as_str();
    ai.asked.note(now, prompt.unwrap_or_default().to_owned());
    if !ai.delay.is_zero() {
        tokio::time::sleep(ai.delay).await;
    }
    Json(json!({
        "id": "0123456789abcdefghij",
        "model": "kimi",
        "object": "chat.completion",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": "**金价**：今日小幅上涨，建议观望。" },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
        "created": 1_700_000_000,
    }))
}

async fn take(State(pushed): State<Arrivals>, Json(message): Json<Value>) -> Json<Value> {
    let text = |key: &str| message[key].as_str().unwrap_or("-").to_owned();
    pushed.note(
        SystemTime::now(),
        format!("{} {}", text("title"), text("sequence_id")),
    );
    Json(json!({
        "id": "bench0000001",
        "time": 1_700_000_000,
        "event": "message",
        "topic": message["topic"],
        "sequence_id": message["sequence_id"],
        "message": message["message"],
    }))
}
