//! The stand-in AI of the demo: speaks kimi-free-api's protocol on loopback, so that the real daemon can be seen at
//! work without a token and without a network. Every answer says that it is made up.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::Utc;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const CHINESE: &str = include_str!("answers/gold.zh.md");
const ENGLISH: &str = include_str!("answers/gold.en.md");
const SOURCES: &str = include_str!("answers/sources.zh.txt");

/// Serves until `stop`; replies that are under way are finished.
///
/// # Errors
/// A listener that fails for good.
pub async fn serve(listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let router = Router::new()
        .route("/ping", get(async || "pong"))
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(completions))
        .route("/token/check", post(token_check))
        .fallback(wrong_request)
        .method_not_allowed_fallback(wrong_request)
        .with_state(Arc::new(AtomicU64::new(1)));
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// The stand-in's answer: Chinese to a prompt with a Han character, else English; its sources behind it when it was
/// asked to search, as kimi-free-api puts them.
#[must_use]
pub fn answer_for(prompt: &str, use_search: bool) -> String {
    let is_chinese = prompt.chars().any(|c| matches!(c, '\u{4e00}'..='\u{9fff}'));
    let answer = if is_chinese { CHINESE } else { ENGLISH };
    let answer = answer.trim_end();
    if use_search {
        format!("{answer}\n\n搜索结果来自：\n{SOURCES}")
    } else {
        answer.to_owned()
    }
}

async fn completions(
    State(answers): State<Arc<AtomicU64>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = match read(&headers, &body) {
        Ok(body) => body,
        Err((code, message)) => return refuse(code, &message),
    };
    let n = answers.fetch_add(1, Ordering::Relaxed);
    let use_search = body["use_search"] == json!(true);
    let model = if use_search {
        "kimi-search"
    } else {
        body["model"].as_str().unwrap_or("kimi")
    };
    let prompt = body["messages"]
        .as_array()
        .and_then(|messages| messages.last())
        .and_then(|message| message["content"].as_str())
        .unwrap_or_default();
    if body["stream"] == json!(true) {
        return stream(n, model, prompt, use_search);
    }
    let message = json!({ "role": "assistant", "content": answer_for(prompt, use_search) });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    let mut whole = envelope(n, model, "chat.completion", choice);
    whole["usage"] = usage();
    whole["segment_id"] = format!("part{n:016}").into();
    Json(whole).into_response()
}

/// What stands around a choice.
fn envelope(n: u64, model: &str, object: &str, choice: Value) -> Value {
    json!({
        "id": format!("demo{n:016}"),
        "model": model,
        "object": object,
        "choices": [choice],
        "segment_id": "",
        "created": Utc::now().timestamp(),
    })
}

/// Constants, as the real server has them.
fn usage() -> Value {
    json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 })
}

/// The answer in pieces: the role, the search results as lines of their own, the text line by line, the reason.
fn stream(n: u64, model: &str, prompt: &str, use_search: bool) -> Response {
    let chunk = |delta: Value, finish_reason: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish_reason });
        envelope(n, model, "chat.completion.chunk", choice)
    };
    let role = json!({ "role": "assistant", "content": "" });
    let mut chunks = vec![chunk(role, Value::Null)];
    let deltas = deltas_for(prompt, use_search);
    chunks.extend(deltas.map(|delta| chunk(json!({ "content": delta }), Value::Null)));
    let mut last = chunk(json!({}), "stop".into());
    last["usage"] = usage();
    chunks.push(last);
    let mut body: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    body += "data: [DONE]\n\n";
    let content_type = "text/event-stream; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// The pieces of an answer; after search results the text begins with a line break.
fn deltas_for(prompt: &str, use_search: bool) -> impl Iterator<Item = String> {
    let sources = if use_search { SOURCES } else { "" };
    let lines = sources.split("\n\n").filter(|line| !line.is_empty());
    let mut deltas: Vec<String> = lines.map(|line| format!("{line}\n")).collect();
    if !deltas.is_empty() {
        deltas.push("\n".to_owned());
    }
    let answer = answer_for(prompt, false);
    deltas.extend(answer.split_inclusive('\n').map(str::to_owned));
    deltas.into_iter()
}

/// Checks a question as the real server does; what it refuses is HTTP 200 with a code.
fn read(headers: &HeaderMap, body: &[u8]) -> Result<Value, (i64, String)> {
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    let body: Value = match serde_json::from_slice(body) {
        Ok(body) if is_json => body,
        Err(error) if is_json => return Err((-1000, format!("{error} in JSON"))),
        _ => Value::Null,
    };
    let conversation = body.get("conversation_id");
    if !headers.contains_key(header::AUTHORIZATION) {
        Err((-2000, "Params headers.authorization invalid".to_owned()))
    } else if !body["messages"].is_array() {
        Err((-2000, "Params body.messages invalid".to_owned()))
    } else if conversation.is_some_and(|id| !id.is_string()) {
        Err((-2000, "Params body.conversation_id invalid".to_owned()))
    } else {
        Ok(body)
    }
}

async fn token_check(body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if body["token"].is_string() {
        Json(json!({ "live": true })).into_response()
    } else {
        refuse(-2000, "Params body.token invalid")
    }
}

async fn models() -> Json<Value> {
    let names = [
        "moonshot-v1",
        "moonshot-v1-8k",
        "moonshot-v1-32k",
        "moonshot-v1-128k",
    ];
    let model = |name| json!({ "id": name, "object": "model", "owned_by": "promptcron-demo" });
    Json(json!({ "data": names.map(model) }))
}

async fn wrong_request(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    refuse(
        -1000,
        &format!(
            "[请求有误]: 正确请求为 POST -> /v1/chat/completions，当前请求为 {method} -> {path} 请纠正"
        ),
    )
}

/// An error in kimi-free-api's shape: HTTP 200 whatever it is.
fn refuse(code: i64, message: &str) -> Response {
    Json(json!({ "code": code, "message": message, "data": null })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chinese_prompt_gets_a_chinese_answer_and_others_an_english_one() {
        assert!(answer_for("分析金价", false).starts_with("## 上海金价分析"));
        assert!(answer_for("How is gold?", false).starts_with("## Gold in brief"));
    }

    #[test]
    fn the_sources_stand_at_the_end_as_kimi_puts_them_and_only_when_asked() {
        let searched = answer_for("金价", true);
        let (text, sources) = searched.split_once("\n\n搜索结果来自：\n").unwrap();
        assert_eq!(text, answer_for("金价", false));
        assert!(sources.starts_with("【检索 1】 [") && sources.ends_with(")\n\n"));
        assert_eq!(sources.matches("【检索 ").count(), 3);
    }

    #[test]
    fn every_answer_says_that_it_is_made_up() {
        for prompt in ["金价", "gold"] {
            let answer = answer_for(prompt, false);
            assert!(answer.contains("替身 AI") || answer.contains("stand-in AI"));
            assert!(answer.contains("虚构") || answer.contains("made up"));
        }
    }
}
