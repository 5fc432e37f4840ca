//! Answers that come in pieces: each way in which a stream ends, what the user is told, and what follows.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/endpoint.rs"]
mod endpoint;

use std::time::{Duration, Instant};

use ai::{End, FakeKimi, FakeOpenai, Reply, STOPPED, openai_chunk};
use endpoint::{client, failure, shown};
use insta::assert_snapshot;
use promptcron::{
    ask::{Client, ErrorKind, Next, Question, TokenEffect},
    config::types::{Api, Limits},
};
use serde_json::{Value, json};

/// Longer than any wait in here: a test that gets that far hangs.
const PATIENCE: Duration = Duration::from_secs(300);

fn kimi() -> (FakeKimi, Client) {
    let kimi = FakeKimi::start();
    let endpoint = endpoint::endpoint(Api::Kimi, &kimi.base_url(), &["SECRET-KEN1"]);
    (kimi, client(endpoint))
}

/// A client whose limits are these, in milliseconds.
fn openai(first_byte: u64, idle: u64) -> (FakeOpenai, Client) {
    let openai = FakeOpenai::start();
    let mut endpoint = endpoint::endpoint(Api::Openai, &openai.base_url(), &["sk-SECRET-0001"]);
    endpoint.limits = Limits {
        first_byte: Some(Duration::from_millis(first_byte)),
        idle: Duration::from_millis(idle),
        whole: PATIENCE,
        ..Limits::default()
    };
    (openai, client(endpoint))
}

fn said(text: &str) -> Value {
    openai_chunk(&json!({ "content": text }), None)
}

fn finished() -> Value {
    openai_chunk(&json!({}), Some("stop"))
}

async fn outcome(reply: Reply) -> (String, ErrorKind, TokenEffect, Next) {
    let (openai, client) = openai(300_000, 300_000);
    openai.next(reply);
    let error = failure(&client).await;
    let text = shown(&client, &error);
    (text, error.kind(), error.token_effect(), error.next_step())
}

async fn kimi_outcome(reply: Reply) -> (String, ErrorKind, TokenEffect, Next) {
    let (kimi, client) = kimi();
    kimi.next(reply);
    let error = failure(&client).await;
    let text = shown(&client, &error);
    (text, error.kind(), error.token_effect(), error.next_step())
}

#[tokio::test]
async fn an_answer_is_over_at_done_whatever_the_connection_does() {
    let (openai, client) = openai(300_000, 300_000);
    let token = client.endpoint().tokens.first();
    let stream = Reply::openai_stream(&[said("金"), said("价"), finished()]);
    for end in [End::Close, End::Hold, End::Break] {
        openai.next(stream.clone().ending(true, end));
        let started = Instant::now();
        let answer = client.ask(&Question::new("？"), token).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.truncated), ("金价", false));
        assert!(started.elapsed() < PATIENCE);
    }
}

#[tokio::test]
async fn an_answer_with_its_reason_is_whole_without_done() {
    let (openai, client) = openai(300_000, 300_000);
    let token = client.endpoint().tokens.first();
    let stream = Reply::openai_stream(&[said("金价"), finished()]);
    for end in [End::Close, End::Hold, End::Break] {
        openai.next(stream.clone().ending(false, end));
        let answer = client.ask(&Question::new("？"), token).await.unwrap();
        assert_eq!(answer.text, "金价");
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_its_reason_is_no_answer() {
    let half = Reply::openai_stream(&[said("今日金价上涨，但是")]);
    let mut texts = Vec::new();
    for reply in [
        half.clone(),
        half.clone().ending(false, End::Close),
        half.ending(false, End::Break),
    ] {
        let (text, kind, effect, next) = outcome(reply).await;
        assert_eq!(kind, ErrorKind::Cut, "{text}");
        assert_eq!((effect, next), (TokenEffect::Unchanged, Next::NextAttempt));
        texts.push(text);
    }
    assert_snapshot!(texts.join("\n"), @r"
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200: the stream ended without a finish_reason — half an answer is none; another try may get the whole one
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200: the stream ended without a finish_reason — half an answer is none; another try may get the whole one
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200: the connection broke: unexpected EOF during chunk size line — half an answer is none; another try may get the whole one
");
}

#[tokio::test]
async fn an_error_inside_a_stream_is_told_as_one_of_its_kind() {
    let error = |code: Value, message: &str| json!({ "error": { "message": message, "code": code }, "choices": [{ "delta": {}, "finish_reason": "error" }] });
    let mut told = String::new();
    for (chunk, effect, next) in [
        (
            error(502.into(), "Provider returned error"),
            TokenEffect::Unchanged,
            Next::NextAttempt,
        ),
        (
            error(429.into(), "Rate limit exceeded"),
            TokenEffect::Cooling { retry_after: None },
            Next::AnotherToken,
        ),
        (
            error("invalid_api_key".into(), "bad key sk-SECRET-0001"),
            TokenEffect::Suspect,
            Next::AnotherToken,
        ),
    ] {
        let (text, _, was, then) = outcome(Reply::openai_stream(&[said("今"), chunk])).await;
        assert_eq!((was, then), (effect, next), "{text}");
        told += &format!("{text}\n");
    }
    assert_snapshot!(told, @r"
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200, code 502: Provider returned error — the service is out of order or overloaded, which may pass
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200, code 429: Rate limit exceeded — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200, code invalid_api_key: bad key [redacted] — the service does not accept this token: check it, or make a new key and put it in the config
");
}

#[tokio::test]
async fn an_answer_that_does_not_begin_and_one_that_falls_silent_are_told_apart() {
    let (openai, client) = openai(100, 300_000);
    openai.next(Reply::Hang);
    let late = failure(&client).await;
    assert_eq!(late.kind(), ErrorKind::Late);
    let role = openai_chunk(&json!({ "role": "assistant", "content": "" }), None);
    openai.next(Reply::openai_stream(&[role]).ending(false, End::Hold));
    let speechless = failure(&client).await;
    assert_eq!(speechless.kind(), ErrorKind::Late, "a role is no word");
    let late = shown(&client, &late);

    let (openai, client) = self::openai(300_000, 100);
    openai.next(Reply::openai_stream(&[said("今")]).ending(false, End::Hold));
    let stalled = failure(&client).await;
    assert_eq!(stalled.kind(), ErrorKind::Stalled);
    assert_snapshot!(format!("{late}\n{}", shown(&client, &stalled)), @r"
ai.local (http://ai/v1, model gpt-test, token #1 …0001): no answer had begun in time — if the model is just slow to begin, raise first_byte_timeout (now 100ms); if the server does not stream, set stream = false
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200: the answer fell silent before its end — if the model is just slow, raise idle_timeout (now 100ms)
");
}

#[tokio::test]
async fn pages_that_kimi_has_found_are_no_first_word() {
    let kimi = FakeKimi::start();
    let mut endpoint = endpoint::endpoint(Api::Kimi, &kimi.base_url(), &["SECRET-KEN1"]);
    endpoint.limits = Limits {
        first_byte: Some(Duration::from_millis(100)),
        idle: PATIENCE,
        whole: PATIENCE,
        ..Limits::default()
    };
    let found = Reply::kimi_stream(&["【检索 1】 [题](https://a.example)\n"], None);
    kimi.next(found.ending(false, End::Hold));
    assert_eq!(failure(&client(endpoint)).await.kind(), ErrorKind::Late);
}

#[tokio::test]
async fn thinking_is_a_sign_of_life_and_no_part_of_the_answer() {
    let (openai, client) = openai(300_000, 300_000);
    let thought = openai_chunk(&json!({ "reasoning_content": "hm" }), None);
    openai.next(Reply::openai_stream(&[
        thought.clone(),
        said("好"),
        finished(),
    ]));
    let token = client.endpoint().tokens.first();
    let answer = client.ask(&Question::new("？"), token).await.unwrap();
    assert_eq!(answer.text, "好");
    let (openai, client) = self::openai(300_000, 100);
    openai.next(Reply::openai_stream(&[thought]).ending(false, End::Hold));
    assert_eq!(failure(&client).await.kind(), ErrorKind::Stalled);
}

#[tokio::test]
async fn what_no_stream_was_asked_for_may_still_come_as_one_and_the_reverse() {
    let stream = Reply::openai_stream(&[said("流"), finished()]);
    let Reply::Events(frames, _) = &stream else {
        unreachable!();
    };
    let unnamed = Reply::Raw {
        status: 200,
        headers: vec![("content-type", "text/plain".to_owned())],
        body: frames.concat(),
    };
    let whole = Reply::json(200, &ai::openai_completion("m", "整", "stop"));
    let (openai, client) = openai(300_000, 300_000);
    let token = client.endpoint().tokens.first();
    for (reply, text) in [(stream, "流"), (unnamed, "流"), (whole, "整")] {
        openai.next(reply);
        let answer = client.ask(&Question::new("？"), token).await.unwrap();
        assert_eq!(answer.text, text);
    }
}

#[tokio::test]
async fn without_streaming_only_the_whole_answers_limit_counts() {
    let openai = FakeOpenai::start();
    let mut endpoint = endpoint::endpoint(Api::Openai, &openai.base_url(), &[]);
    endpoint.stream = false;
    endpoint.limits.first_byte = Some(Duration::from_millis(1));
    endpoint.limits.idle = Duration::from_millis(1);
    openai.answer_with("好");
    let client = client(endpoint);
    let answer = client.ask(&Question::new("？"), None).await.unwrap();
    assert_eq!(answer.text, "好");
    assert_eq!(openai.requests()[0].json()["stream"], false);
}

#[tokio::test]
async fn kimis_own_stream_endings_are_told_apart() {
    let role_alone = Reply::kimi_stream(&[], None);
    let half = Reply::kimi_stream(&["今日金价"], None);
    let stopped = Reply::kimi_stream(&["金价", STOPPED], Some("stop"));
    let sources_alone = Reply::kimi_stream(&["【检索 1】 [题](https://a.example)\n"], Some("stop"));
    let mut told = String::new();
    for (what, reply, kind, next) in [
        (
            "429, 502 or a foreign conversation",
            role_alone.clone(),
            ErrorKind::Limited,
            Next::AnotherToken,
        ),
        (
            "non-JSON from upstream",
            role_alone.ending(false, End::Close),
            ErrorKind::Cut,
            Next::NextAttempt,
        ),
        (
            "clean end amid the answer",
            half.clone(),
            ErrorKind::Cut,
            Next::NextAttempt,
        ),
        (
            "reset amid the answer, the connection never closed",
            half.ending(true, End::Hold),
            ErrorKind::Cut,
            Next::NextAttempt,
        ),
        (
            "all_done without text",
            Reply::kimi_stream(&[], Some("stop")),
            ErrorKind::Empty,
            Next::AnotherToken,
        ),
        (
            "sources and no word",
            sources_alone,
            ErrorKind::Empty,
            Next::AnotherToken,
        ),
        (
            "stopped by Kimi",
            stopped,
            ErrorKind::Stopped,
            Next::NextAttempt,
        ),
        (
            "an error before the stream",
            Reply::kimi_error(-2001, "请求失败"),
            ErrorKind::TokenRefused,
            Next::AnotherToken,
        ),
    ] {
        let (text, was, _, then) = kimi_outcome(reply).await;
        assert_eq!((was, then), (kind, next), "{what}: {text}");
        told += &format!("{what}: {text}\n");
    }
    assert_snapshot!(told, @r"
429, 502 or a foreign conversation: ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: an empty answer, which hides a refusal of Kimi — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent
non-JSON from upstream: ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: the stream ended without a finish_reason — half an answer is none; another try may get the whole one
clean end amid the answer: ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: the stream ended without a finish_reason — half an answer is none; another try may get the whole one
reset amid the answer, the connection never closed: ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: the stream ended without a finish_reason — half an answer is none; another try may get the whole one
all_done without text: ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: an empty answer — Kimi answered nothing, which may pass
sources and no word: ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: an empty answer — Kimi answered nothing, which may pass
stopped by Kimi: ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: [内容由于不合规被停止生成，我们换个话题吧] — Kimi stopped this answer, which means censorship or overload; if a second try ends so too, word the prompt differently
an error before the stream: ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2001: 请求失败 — the token is dead or revoked: log in to Kimi again, copy a new refresh_token and put it in the config
");
}
