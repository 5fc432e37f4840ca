//! The benchmark's servers in one process: an AI that answers at once in kimi-free-api's form, and
//! an inbox that takes at once in ntfy's. `GET /asked` and `GET /pushed` tell when each request was
//! read, in microseconds since the Unix epoch, one a line. The port is printed when it listens.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use serde_json::{Value, json};

/// When requests were read.
#[derive(Clone, Default)]
struct Arrivals(Arc<Mutex<Vec<u128>>>);

impl Arrivals {
    fn note(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.push(now.map_or(0, |now| now.as_micros()));
    }

    fn lines(&self) -> String {
        let arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.iter().map(|at| format!("{at}\n")).collect()
    }
}

// One thread: the other cores are left to what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let (asked, pushed) = (Arrivals::default(), Arrivals::default());
    let ai = Router::new()
        .route("/v1/chat/completions", post(answer))
        .with_state(asked.clone());
    let inbox = Router::new()
        .route("/", post(take))
        .with_state(pushed.clone());
    let report = Router::new()
        .route("/asked", get(async move || asked.lines()))
        .route("/pushed", get(async move || pushed.lines()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    axum::serve(listener, ai.merge(inbox).merge(report)).await
}

async fn answer(State(asked): State<Arrivals>, body: axum::body::Bytes) -> Json<Value> {
    asked.note();
    drop(body);
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
    pushed.note();
    Json(json!({
        "id": "bench0000001",
        "time": 1_700_000_000,
        "event": "message",
        "topic": message["topic"],
        "sequence_id": message["sequence_id"],
        "message": message["message"],
    }))
}
