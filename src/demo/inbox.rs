//! A stand-in for ntfy and the phone: takes pushes by ntfy's rules, shows them in the terminal.
//!
//! Nothing leaves the machine. It knows JSON publishing, polling and the health page, no users and
//! no attachments: enough for `promptcron demo`, and not a server to keep.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::Utc;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::broadcast};
use tokio_util::sync::CancellationToken;

use crate::{
    config::ntfy_rules::{MAX_MESSAGE_BYTES, check_topic},
    push::Message,
};

/// How many messages it remembers, and how far a reader may fall behind.
const CAPACITY: usize = 256;

/// ntfy takes a JSON body below twice its message limit.
const MAX_BODY_BYTES: usize = 8_191;

/// The stand-in; its clones share what they hold.
#[derive(Clone, Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    messages: Mutex<VecDeque<Stored>>,
    arrived: broadcast::Sender<Message>,
}

/// A message as ntfy sends it back.
#[derive(Clone, Debug, Serialize)]
struct Stored {
    id: String,
    time: i64,
    event: &'static str,
    #[serde(flatten)]
    message: Message,
}

/// An error in ntfy's form.
struct Refusal {
    code: u16,
    error: String,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                messages: Mutex::default(),
                arrived: broadcast::channel(CAPACITY).0,
            }),
        }
    }
}

impl Inbox {
    /// Everything that arrives from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.shared.arrived.subscribe()
    }

    /// Serves until `stop`, then finishes what it has begun.
    ///
    /// # Errors
    /// A listener that fails.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        let router = Router::new()
            .route("/", post(publish).put(publish).get(about))
            .route("/v1/health", get(async || Json(json!({ "healthy": true }))))
            .route(
                "/{topic}/auth",
                get(async || Json(json!({ "success": true }))),
            )
            .route("/{topic}/json", get(poll))
            .fallback(not_found)
            .layer(DefaultBodyLimit::max(2 * MAX_BODY_BYTES))
            .with_state(self);
        axum::serve(listener, router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
    }

    fn messages(&self) -> MutexGuard<'_, VecDeque<Stored>> {
        let messages = self.shared.messages.lock();
        // The list is whole after each statement, so a panic elsewhere does not spoil it.
        messages.unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, message: Message) -> Stored {
        let mut messages = self.messages();
        let number = messages.back().map_or(1, Stored::number_after);
        let stored = Stored {
            id: format!("demo{number:08}"),
            time: Utc::now().timestamp(),
            event: "message",
            message,
        };
        if messages.len() == CAPACITY {
            messages.pop_front();
        }
        messages.push_back(stored.clone());
        stored
    }
}

impl Stored {
    fn number_after(&self) -> u64 {
        let number = self.id.trim_start_matches("demo").parse::<u64>();
        number.unwrap_or_default() + 1
    }
}

async fn about() -> &'static str {
    "This is promptcron demo's stand-in for ntfy. It keeps nothing after the demo ends.\n"
}

async fn not_found() -> Refusal {
    refuse(40401, "page not found")
}

async fn publish(State(inbox): State<Inbox>, body: Bytes) -> Result<Json<Stored>, Refusal> {
    let message = accept(&body)?;
    let stored = inbox.keep(message);
    // Nobody may be watching, which is no error.
    drop(inbox.shared.arrived.send(stored.message.clone()));
    Ok(Json(stored))
}

async fn poll(
    State(inbox): State<Inbox>,
    Path(topic): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    if !query.split('&').any(|pair| pair == "poll=1") {
        return Err(refuse(40000, "this stand-in only polls: add ?poll=1"));
    }
    let since = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("since="));
    let messages = inbox.messages();
    let known = messages
        .iter()
        .position(|one| Some(one.id.as_str()) == since);
    let first = known.map_or(0, |at| at + 1);
    let lines = messages
        .iter()
        .skip(first)
        .filter(|one| one.message.topic == topic);
    let lines: String = lines.map(|one| format!("{}\n", json!(one))).collect();
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response())
}

/// The message of a request, trimmed as ntfy does it, if ntfy without attachments took it.
fn accept(body: &[u8]) -> Result<Message, Refusal> {
    if body.len() > MAX_BODY_BYTES {
        return Err(refuse(41303, "JSON body too large"));
    }
    let invalid = |what: &str| format!("invalid request: {what}");
    let fields: Value = serde_json::from_slice(body)
        .map_err(|_| refuse(40024, &invalid("request body must be valid JSON")))?;
    let mut message: Message = serde_json::from_value(fields).map_err(|e| {
        refuse(
            40024,
            &invalid(&format!("request body must be valid JSON: {e}")),
        )
    })?;
    check_topic(&message.topic).map_err(|e| refuse(40009, &invalid(&e)))?;
    match message.priority {
        Some(0) => message.priority = None,
        Some(6..) => return Err(refuse(40007, "invalid priority parameter")),
        _ => {}
    }
    if message.message.len() > MAX_MESSAGE_BYTES || message.asks_for_a_file() {
        return Err(refuse(40014, &invalid("attachments not allowed")));
    }
    message.message = match message.message.trim() {
        "" => "triggered".to_owned(),
        text => text.to_owned(),
    };
    message.title = message.title.map(|title| title.trim().to_owned());
    message.tags = message
        .tags
        .join(",")
        .split(',')
        .map(|tag| tag.trim().to_owned())
        .collect();
    message.tags.retain(|tag| !tag.is_empty());
    Ok(message)
}

fn refuse(code: u16, error: &str) -> Refusal {
    let error = error.to_owned();
    Refusal { code, error }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let http = self.code / 100;
        let status = StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({ "code": self.code, "http": http, "error": self.error });
        (status, Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        config::{Ntfy, Service, Target},
        push::{Client, Kind, PushError, Receipt},
    };

    async fn inbox() -> (Inbox, Target, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}/", listener.local_addr().unwrap());
        let (inbox, stop) = (Inbox::default(), CancellationToken::new());
        tokio::spawn(inbox.clone().serve(listener, stop.clone()));
        let target = Target::new(
            Arc::from("phone"),
            Service::Ntfy(Ntfy {
                server: server.parse().unwrap(),
                topic: "hotine".to_owned(),
                auth: None,
            }),
        );
        (inbox, target, stop)
    }

    async fn push(target: &Target, message: &Message) -> Result<Receipt, PushError> {
        let client = Client::new(&target.way()).unwrap();
        client.push(target, message).await
    }

    fn message(text: &str) -> Message {
        Message {
            topic: "hotine".to_owned(),
            message: text.to_owned(),
            tags: vec!["moneybag, gold".to_owned()],
            sequence_id: Some("gold-17-1".to_owned()),
            ..Message::default()
        }
    }

    #[tokio::test]
    async fn what_is_pushed_arrives_and_can_be_polled() {
        let (inbox, target, stop) = inbox().await;
        let mut arrivals = inbox.subscribe();
        let receipt = push(&target, &message(" 金价 801 ")).await.unwrap();
        assert_eq!(receipt.sequence_id.as_deref(), Some("gold-17-1"));
        let arrived = arrivals.recv().await.unwrap();
        assert_eq!(arrived.message, "金价 801");
        assert_eq!(arrived.tags, ["moneybag", "gold"]);
        push(&target, &message("second")).await.unwrap();
        let all = target.url().join("hotine/json?poll=1").unwrap();
        let later = target
            .url()
            .join(&format!("hotine/json?poll=1&since={}", receipt.id));
        let read = async |url| reqwest::get(url).await.unwrap().text().await.unwrap();
        assert_eq!(read(all).await.lines().count(), 2);
        let later = read(later.unwrap()).await;
        assert_eq!(later.lines().count(), 1, "{later}");
        assert!(later.contains("\"message\":\"second\""), "{later}");
        stop.cancel();
    }

    #[tokio::test]
    async fn what_ntfy_refuses_is_refused_with_its_code() {
        let (_inbox, target, _stop) = inbox().await;
        let longest = message(&"a".repeat(4_095));
        push(&target, &longest).await.unwrap();
        let bad = |change: fn(&mut Message)| {
            let mut message = message("text");
            change(&mut message);
            message
        };
        let cases = [
            (bad(|m| m.message = "a".repeat(4_096)), 40014),
            (bad(|m| m.message = "a".repeat(9_000)), 41303),
            (bad(|m| m.topic = "金价".to_owned()), 40009),
            (bad(|m| m.priority = Some(9)), 40007),
        ];
        for (message, code) in cases {
            let error = push(&target, &message).await.unwrap_err();
            assert_eq!(error.ntfy_code(), Some(code), "{error}");
        }
    }

    #[tokio::test]
    async fn its_health_is_that_of_a_server() {
        let (_inbox, target, _stop) = inbox().await;
        let client = Client::new(&target.way()).unwrap();
        let health = client.health(&target).await.unwrap();
        assert!(health.readable && health.account.is_none());
        let lost = Target {
            service: Service::Ntfy(Ntfy {
                server: target.url().join("nowhere/").unwrap(),
                topic: "hotine".to_owned(),
                auth: None,
            }),
            ..target
        };
        assert_eq!(
            push(&lost, &message("a")).await.unwrap_err().kind(),
            Kind::NotFound
        );
    }
}
