//! Scriptable stand-ins for AI services on port 0, each on a thread of its own, so that tests with and without a
//! runtime can use them.
//!
//! They are strict: a request that no client of the real service would send, one that no reply is scripted for, and
//! a scripted reply that nobody fetched are violations, and a violation fails the test when the stand-in is dropped.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::JoinHandle,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

/// What kimi-free-api appends when Kimi breaks an answer off.
pub const STOPPED: &str = "\n[内容由于不合规被停止生成，我们换个话题吧]";

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token after `Bearer `.
    pub fn token(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }
}

/// One scripted reply to a question.
#[derive(Clone)]
pub enum Reply {
    /// A whole answer in the service's own shape.
    Answer(String),
    /// These bytes under this status, with these headers.
    Raw {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Waits for [`Gate::open`], then replies.
    Held(Gate, Box<Self>),
    /// Thinks for this long, as an AI does, then replies.
    Late(Duration, Box<Self>),
    /// Never replies.
    Hang,
    /// The head and the first bytes of an answer, then the connection breaks.
    Cut,
    /// A stream of these frames, as they stand, and then this end.
    Events(Vec<String>, End),
}

/// What becomes of a stream's connection after its last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is closed.
    Close,
    /// It stays open, and nothing more comes.
    Hold,
    /// It breaks.
    Break,
}

impl Reply {
    /// JSON under a status.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Raw {
            status,
            headers: vec![("content-type", "application/json; charset=utf-8".to_owned())],
            body: body.to_string(),
        }
    }

    /// kimi-free-api's error: HTTP 200 whatever it is.
    pub fn kimi_error(code: i64, message: &str) -> Self {
        Self::json(
            200,
            &json!({ "code": code, "message": message, "data": null }),
        )
    }

    /// kimi-free-api's silent failure: a completion without a word.
    pub fn kimi_empty(segment_id: &str) -> Self {
        Self::json(200, &kimi_completion("kimi", "", segment_id))
    }

    /// A stream as kimi-free-api sends it: the role, these deltas, and the reason where there is one, then `[DONE]`.
    pub fn kimi_stream(deltas: &[&str], finish_reason: Option<&str>) -> Self {
        let mut frames = kimi_frames("kimi", deltas, finish_reason);
        frames.push(DONE.to_owned());
        Self::Events(frames, End::Close)
    }

    /// A stream of chunks of an OpenAI-compatible service, with `[DONE]` at its end.
    pub fn openai_stream(chunks: &[Value]) -> Self {
        let mut frames: Vec<_> = chunks.iter().map(frame).collect();
        frames.push(DONE.to_owned());
        Self::Events(frames, End::Close)
    }

    /// The same stream with another end.
    pub fn ending(self, with_done: bool, end: End) -> Self {
        let Self::Events(mut frames, _) = self else {
            panic!("only streams have an end");
        };
        if !with_done {
            frames.retain(|frame| frame != DONE);
        }
        Self::Events(frames, end)
    }

    /// An error as OpenAI-compatible services tell it.
    pub fn openai_error(status: u16, code: &str, message: &str) -> Self {
        let error = json!({ "message": message, "type": "error", "param": null, "code": code });
        Self::json(status, &json!({ "error": error }))
    }

    pub fn html(status: u16, title: &str) -> Self {
        Self::Raw {
            status,
            headers: vec![("content-type", "text/html".to_owned())],
            body: format!("<!DOCTYPE html>\n<html><head><title>{title}</title></head></html>"),
        }
    }

    /// The same with one more header.
    pub fn with_header(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Raw {
                status,
                mut headers,
                body,
            } => {
                headers.push((name, value.to_owned()));
                Self::Raw {
                    status,
                    headers,
                    body,
                }
            }
            _ => panic!("only raw replies have headers of their own"),
        }
    }
}

/// The id of a conversation that is not kept.
const CONVERSATION: &str = "cud6d330699d1b4d19fb";

/// The last frame of every stream that ended well.
pub const DONE: &str = "data: [DONE]\n\n";

/// A chunk as it stands in a stream.
pub fn frame(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

/// kimi-free-api's frames without `[DONE]`: the role first; the search results are among the deltas.
pub fn kimi_frames(model: &str, deltas: &[&str], finish_reason: Option<&str>) -> Vec<String> {
    let chunk = |delta: Value, finish_reason: Value| {
        json!({
            "id": CONVERSATION,
            "model": model,
            "object": "chat.completion.chunk",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
            "segment_id": "",
            "created": 1_795_394_307,
        })
    };
    let role = json!({ "role": "assistant", "content": "" });
    let mut chunks = vec![chunk(role, Value::Null)];
    let deltas = deltas.iter().map(|text| json!({ "content": text }));
    chunks.extend(deltas.map(|delta| chunk(delta, Value::Null)));
    if let Some(reason) = finish_reason {
        let mut last = chunk(json!({}), reason.into());
        last["usage"] = json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 });
        chunks.push(last);
    }
    chunks.iter().map(frame).collect()
}

/// One chunk of an OpenAI-compatible stream.
pub fn openai_chunk(delta: &Value, finish_reason: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_795_394_307,
        "model": "gpt-test",
        "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }],
    })
}

/// Holds replies back until it is opened; once open it stays so.
#[derive(Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn pass(&self) {
        let mut opened = self.0.subscribe();
        let passed = opened.wait_for(|open| *open).await.is_ok();
        assert!(passed, "the gate outlives its waiters");
    }
}

/// Which service is stood in for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Kimi,
    Openai,
}

#[derive(Default)]
struct Script {
    /// The next replies, by token; the empty one is for requests of any token.
    queued: HashMap<String, VecDeque<Reply>>,
    /// The reply when nothing is queued, by token.
    standing: HashMap<String, Reply>,
    /// The tokens that `/token/check` and `/models` refuse.
    dead: Vec<String>,
    /// kimi: whose token each kept conversation belongs to, by its id.
    conversations: HashMap<String, String>,
    requests: Vec<Request>,
    violations: Vec<String>,
    answers: u32,
}

struct Shared {
    shape: Shape,
    script: Mutex<Script>,
    arrived: Condvar,
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script
            .lock()
            .expect("no panic under the script's lock")
    }

    fn violation(&self, what: String) {
        self.script().violations.push(what);
    }
}

/// A stand-in for an AI service; see [`FakeKimi`] and [`FakeOpenai`].
pub struct FakeAi {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

/// A kimi-free-api server: HTTP 200 for everything.
pub struct FakeKimi(FakeAi);

/// An OpenAI-compatible service: real HTTP codes.
pub struct FakeOpenai(FakeAi);

impl FakeKimi {
    pub fn start() -> Self {
        Self(FakeAi::start(Shape::Kimi))
    }
}

impl FakeOpenai {
    pub fn start() -> Self {
        Self(FakeAi::start(Shape::Openai))
    }
}

impl std::ops::Deref for FakeKimi {
    type Target = FakeAi;

    fn deref(&self) -> &FakeAi {
        &self.0
    }
}

impl std::ops::Deref for FakeOpenai {
    type Target = FakeAi;

    fn deref(&self) -> &FakeAi {
        &self.0
    }
}

impl FakeAi {
    fn start(shape: Shape) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        listener
            .set_nonblocking(true)
            .expect("a nonblocking listener");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            shape,
            script: Mutex::default(),
            arrived: Condvar::new(),
        });
        let stop = Arc::new(Notify::new());
        let (state, stopped) = (shared.clone(), stop.clone());
        let thread = std::thread::spawn(move || serve(listener, state, &stopped));
        Self {
            address,
            shared,
            stop,
            thread: Some(thread),
        }
    }

    /// For the config: with the version, without a trailing slash.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Answers every question so, unless something else is scripted for it.
    pub fn answer_with(&self, text: &str) {
        self.reply_with(Reply::Answer(text.to_owned()));
    }

    /// Replies so to every question, unless something else is scripted for it.
    pub fn reply_with(&self, reply: Reply) {
        self.shared.script().standing.insert(String::new(), reply);
    }

    /// Replies so to every question that comes with `token`.
    pub fn reply_to(&self, token: &str, reply: Reply) {
        self.shared
            .script()
            .standing
            .insert(token.to_owned(), reply);
    }

    /// Replies so to the next question, whatever its token; several are replied in turn.
    pub fn next(&self, reply: Reply) {
        self.next_to("", reply);
    }

    /// Replies so to the next question with `token`; several are replied in turn.
    pub fn next_to(&self, token: &str, reply: Reply) {
        let mut script = self.shared.script();
        script
            .queued
            .entry(token.to_owned())
            .or_default()
            .push_back(reply);
    }

    /// kimi: no conversation is known any more.
    pub fn forget_conversations(&self) {
        self.shared.script().conversations.clear();
    }

    /// Probes say of this token that it is dead.
    pub fn kill(&self, token: &str) {
        self.shared.script().dead.push(token.to_owned());
    }

    /// Every request so far, probes too.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.script().requests.clone()
    }

    /// The questions so far.
    pub fn questions(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.path == "/v1/chat/completions");
        requests
    }

    /// The tokens of the questions so far.
    pub fn tokens(&self) -> Vec<String> {
        self.questions()
            .iter()
            .map(|request| request.token().unwrap_or_default().to_owned())
            .collect()
    }

    /// Waits until `n` requests have come, and returns them; panics after `deadline`.
    pub fn wait_for(&self, n: usize, deadline: Duration) -> Vec<Request> {
        let script = self.shared.script();
        let fewer = |script: &mut Script| script.requests.len() < n;
        let waited = self
            .shared
            .arrived
            .wait_timeout_while(script, deadline, fewer);
        let (script, timeout) = waited.expect("no panic under the script's lock");
        let came = script.requests.len();
        assert!(
            !timeout.timed_out(),
            "{came} of {n} requests within {deadline:?}"
        );
        script.requests.clone()
    }

    /// Violations so far; the test that provokes them on purpose takes them away.
    pub fn take_violations(&self) -> Vec<String> {
        let mut script = self.shared.script();
        let mut violations = std::mem::take(&mut script.violations);
        for (token, left) in script.queued.drain().filter(|(_, left)| !left.is_empty()) {
            violations.push(format!(
                "{} replies for {token:?} were not fetched",
                left.len()
            ));
        }
        violations
    }
}

impl Drop for FakeAi {
    fn drop(&mut self) {
        self.stop.notify_one();
        let served = self.thread.take().map(JoinHandle::join);
        if std::thread::panicking() {
            return;
        }
        assert!(matches!(served, Some(Ok(()))), "the stand-in AI died");
        let violations = self.take_violations();
        assert!(violations.is_empty(), "stand-in AI: {violations:#?}");
    }
}

fn serve(listener: std::net::TcpListener, shared: Arc<Shared>, stop: &Notify) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let router = Router::new().fallback(handle).with_state(shared);
        tokio::select! {
            served = axum::serve(listener, router) => served.expect("serving"),
            () = stop.notified() => {}
        }
    });
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request {
        method: method.to_string(),
        path: uri.to_string(),
        headers,
        body: body.to_vec(),
    };
    shared.script().requests.push(request.clone());
    shared.arrived.notify_all();
    match (shared.shape, method.as_str(), request.path.as_str()) {
        (_, "POST", "/v1/chat/completions") => question(&shared, &request).await,
        (Shape::Kimi, "GET", "/ping") => "pong".into_response(),
        (Shape::Kimi, "POST", "/token/check") => token_check(&shared, &request),
        (Shape::Openai, "GET", "/v1/models") => models(&shared, &request),
        _ => {
            shared.violation(format!("unexpected {method} {uri}"));
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

async fn question(shared: &Shared, request: &Request) -> Response {
    for violation in violations_of(shared.shape, request) {
        shared.violation(violation);
    }
    let mut reply = next_reply(shared, request);
    loop {
        reply = match reply {
            Reply::Held(gate, then) => {
                gate.pass().await;
                *then
            }
            Reply::Late(thinking, then) => {
                tokio::time::sleep(thinking).await;
                *then
            }
            Reply::Hang => std::future::pending().await,
            Reply::Cut => return cut(),
            Reply::Events(frames, end) => return events(frames, end),
            Reply::Answer(text) => answer(shared, request, &text),
            Reply::Raw {
                status,
                headers,
                body,
            } => return raw(status, headers, body),
        };
    }
}

fn next_reply(shared: &Shared, request: &Request) -> Reply {
    let token = request.token().unwrap_or_default();
    let mut script = shared.script();
    for key in [token, ""] {
        if let Some(reply) = script.queued.get_mut(key).and_then(VecDeque::pop_front) {
            return reply;
        }
    }
    let standing = script
        .standing
        .get(token)
        .or_else(|| script.standing.get(""));
    standing.cloned().unwrap_or_else(|| {
        let violation = format!("no reply is scripted for token {token:?}");
        script.violations.push(violation.clone());
        Reply::json(501, &json!({ "error": { "message": violation } }))
    })
}

/// What no client of the real service would send.
fn violations_of(shape: Shape, request: &Request) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    let content_type = request.header("content-type");
    expect(
        content_type == Some("application/json"),
        format!("content type {content_type:?}"),
    );
    let authorization = request.header("authorization");
    match (shape, authorization) {
        (Shape::Openai, None) => {}
        _ => expect(
            request
                .token()
                .is_some_and(|t| !t.is_empty() && !t.contains([',', ' '])),
            format!("not one token: {authorization:?}"),
        ),
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    expect(body["model"].is_string(), format!("no model in {body}"));
    expect(
        body["stream"].is_boolean(),
        format!("stream is no boolean in {body}"),
    );
    let search = body.get("use_search");
    expect(
        search.is_none_or(|value| shape == Shape::Kimi && value.is_boolean()),
        format!("use_search {search:?}"),
    );
    let id = body.get("conversation_id");
    expect(
        id.is_none_or(|id| shape == Shape::Kimi && id.as_str().is_some_and(|id| !id.is_empty())),
        format!("conversation_id {id:?}"),
    );
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    expect(
        messages
            .last()
            .is_some_and(|message| message["role"] == "user")
            && messages
                .iter()
                .all(|m| m["content"].is_string() && m["role"].is_string()),
        format!("messages in {body}"),
    );
    found
}

fn answer(shared: &Shared, request: &Request, text: &str) -> Reply {
    let body = request.json();
    let model = body["model"].as_str().unwrap_or_default();
    let n = {
        let mut script = shared.script();
        script.answers += 1;
        script.answers
    };
    let segment_id = format!("cud65ce224da97d8{n:04}");
    let streams = body["stream"] == true;
    let Some(id) = conversation(shared, request, n) else {
        // As the real server does it: the refusal of a conversation that is not this account's is hidden.
        return match streams {
            true => Reply::kimi_stream(&[], None),
            false => Reply::kimi_empty(""),
        };
    };
    match (shared.shape, streams) {
        (Shape::Kimi, false) => {
            let mut whole = kimi_completion(model, text, &segment_id);
            whole["id"] = id.into();
            Reply::json(200, &whole)
        }
        (Shape::Openai, false) => Reply::json(200, &openai_completion(model, text, "stop")),
        (Shape::Kimi, true) => {
            let deltas = kimi_deltas(text);
            let deltas: Vec<_> = deltas.iter().map(String::as_str).collect();
            let frames = kimi_frames(model, &deltas, Some("stop"));
            let named = |frame: String| frame.replace(CONVERSATION, &id);
            let mut frames: Vec<_> = frames.into_iter().map(named).collect();
            frames.push(DONE.to_owned());
            Reply::Events(frames, End::Close)
        }
        (Shape::Openai, true) => Reply::openai_stream(&openai_chunks(model, text)),
    }
}

/// The conversation of a question: the one that was asked for, where it is kept and this account's; a new one
/// that is kept; or one that is not.
fn conversation(shared: &Shared, request: &Request, n: u32) -> Option<String> {
    let token = request.token().unwrap_or_default().to_owned();
    let body = request.json();
    let kept = &mut shared.script().conversations;
    match body["conversation_id"].as_str() {
        None => Some(CONVERSATION.to_owned()),
        Some("none") => {
            let id = format!("cudconversation{n:05}");
            kept.insert(id.clone(), token);
            Some(id)
        }
        Some(id) => (kept.get(id) == Some(&token)).then(|| id.to_owned()),
    }
}

/// The deltas of a whole answer: its search results are lines of their own before the text, which a line break begins.
pub fn kimi_deltas(text: &str) -> Vec<String> {
    let (text, list) = text
        .split_once("\n\n搜索结果来自：\n")
        .unwrap_or((text, ""));
    let lines = list.split_terminator("\n\n");
    let mut deltas: Vec<String> = lines.map(|line| format!("{line}\n")).collect();
    let before = if deltas.is_empty() { "" } else { "\n" };
    let half = text.floor_char_boundary(text.len() / 2);
    deltas.push(format!("{before}{}", &text[..half]));
    deltas.push(text[half..].to_owned());
    deltas
}

/// A whole answer in chunks, with the usage in one without choices.
fn openai_chunks(model: &str, text: &str) -> Vec<Value> {
    let half = text.floor_char_boundary(text.len() / 2);
    let usage = json!({ "prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46 });
    let mut chunks = vec![
        openai_chunk(&json!({ "role": "assistant", "content": "" }), None),
        openai_chunk(&json!({ "content": &text[..half] }), None),
        openai_chunk(&json!({ "content": &text[half..] }), None),
        openai_chunk(&json!({}), Some("stop")),
        json!({ "id": "chatcmpl-1", "choices": [], "usage": usage }),
    ];
    for chunk in &mut chunks {
        chunk["model"] = model.into();
    }
    chunks
}

/// The body of facts: exactly kimi-free-api's.
pub fn kimi_completion(model: &str, text: &str, segment_id: &str) -> Value {
    json!({
        "id": CONVERSATION,
        "model": model,
        "object": "chat.completion",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": text },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
        "segment_id": segment_id,
        "created": 1_795_394_307,
    })
}

/// A completion as `OpenAI`'s API has it.
pub fn openai_completion(model: &str, text: &str, finish_reason: &str) -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_795_394_307,
        "model": model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": text, "refusal": null },
            "logprobs": null,
            "finish_reason": finish_reason,
        }],
        "usage": { "prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46 },
    })
}

fn raw(status: u16, headers: Vec<(&'static str, String)>, body: String) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).expect("a scripted reply")
}

/// Less than the promised length: the server has to break the connection.
fn cut() -> Response {
    let parts = [
        Ok(Bytes::from_static(b"{\"id\":\"half")),
        Err(std::io::Error::other("cut")),
    ];
    let body = Body::from_stream(futures_util::stream::iter(parts));
    ([("content-type", "application/json")], body).into_response()
}

/// Each frame is a write of its own.
fn events(frames: Vec<String>, end: End) -> Response {
    use futures_util::{StreamExt as _, stream};
    let frames = stream::iter(frames).map(|frame| Ok(Bytes::from(frame)));
    let body = match end {
        End::Close => Body::from_stream(frames),
        End::Hold => Body::from_stream(frames.chain(stream::pending())),
        End::Break => {
            // After a pause, in which what came before it is sent.
            let broken = async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut"))
            };
            Body::from_stream(frames.chain(stream::once(broken)))
        }
    };
    let content_type = "text/event-stream; charset=utf-8";
    ([("content-type", content_type)], body).into_response()
}

fn token_check(shared: &Shared, request: &Request) -> Response {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let Some(token) = body["token"].as_str() else {
        shared.violation(format!("a token check without token: {body}"));
        return axum::Json(
            json!({ "code": -2000, "message": "Params body.token invalid", "data": null }),
        )
        .into_response();
    };
    let live = !shared.script().dead.iter().any(|dead| dead == token);
    axum::Json(json!({ "live": live })).into_response()
}

fn models(shared: &Shared, request: &Request) -> Response {
    let token = request.token().unwrap_or_default();
    if shared.script().dead.iter().any(|dead| dead == token) {
        let error = json!({ "message": "Incorrect API key provided", "type": "invalid_request_error", "code": "invalid_api_key" });
        return (
            StatusCode::UNAUTHORIZED,
            axum::Json(json!({ "error": error })),
        )
            .into_response();
    }
    let models = json!([{ "id": "gpt-test", "object": "model" }]);
    axum::Json(json!({ "object": "list", "data": models })).into_response()
}
