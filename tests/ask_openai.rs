//! OpenAI-compatible services: real HTTP codes, error objects, and answers that are none.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/endpoint.rs"]
mod endpoint;

use std::time::Duration;

use ai::{FakeOpenai, Reply, openai_chunk, openai_completion};
use endpoint::{client, failure, shown};
use insta::assert_snapshot;
use promptcron::{
    ask::{Client, ErrorKind, Next, Pause, Question, TokenEffect, Usage},
    config::types::{Api, Network},
};
use serde_json::json;

fn openai(tokens: &[&str]) -> (FakeOpenai, Client) {
    let openai = FakeOpenai::start();
    let client = client(endpoint::endpoint(Api::Openai, &openai.base_url(), tokens));
    (openai, client)
}

async fn outcome(reply: Reply) -> (String, ErrorKind, TokenEffect, Next) {
    let (openai, client) = openai(&["sk-SECRET-0001"]);
    openai.next(reply);
    let error = failure(&client).await;
    let text = shown(&client, &error);
    (text, error.kind(), error.token_effect(), error.next_step())
}

#[tokio::test]
async fn the_request_is_plain_openai_byte_for_byte() {
    let (openai, client) = openai(&["sk-SECRET-0001"]);
    openai.answer_with("**518.5**");
    let question = Question {
        system: Some("简短".to_owned()),
        use_search: Some(true),
        ..Question::new("金价？")
    };
    let answer = client
        .ask(&question, client.endpoint().tokens.first())
        .await
        .unwrap();
    assert_eq!(answer.text, "**518.5**");
    assert_eq!(answer.conversation, None);
    let usage = Usage {
        prompt_tokens: 12,
        completion_tokens: 34,
        total_tokens: 46,
    };
    assert_eq!(answer.usage, Some(usage));
    let request = &openai.requests()[0];
    assert_eq!(
        request.header("authorization"),
        Some("Bearer sk-SECRET-0001")
    );
    assert_eq!(
        request.text(),
        r#"{"model":"gpt-test","messages":[{"role":"system","content":"简短"},{"role":"user","content":"金价？"}],"stream":true}"#
    );
}

#[tokio::test]
async fn an_endpoint_without_tokens_sends_no_authorization() {
    let (openai, client) = openai(&[]);
    openai.answer_with("好");
    client.ask(&Question::new("？"), None).await.unwrap();
    assert_eq!(openai.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_cut_off_answer_is_continued_once_and_joined() {
    let (openai, client) = openai(&[]);
    openai.next(Reply::openai_stream(&[
        openai_chunk(&json!({ "content": "今日金价上" }), None),
        openai_chunk(&json!({}), Some("length")),
    ]));
    openai.next(Reply::Answer("涨。".to_owned()));
    let question = Question {
        system: Some("简短".to_owned()),
        ..Question::new("金价？")
    };
    let answer = client.ask(&question, None).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.truncated),
        ("今日金价上涨。", false)
    );
    assert_snapshot!(openai.requests()[1].json()["messages"], @r#"[{"role":"system","content":"简短"},{"role":"user","content":"金价？"},{"role":"assistant","content":"今日金价上"},{"role":"user","content":"请从中断处接着写完，不要重复已经写过的内容，也不要加开场白。"}]"#);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_twice_says_so() {
    let (openai, client) = openai(&[]);
    openai.next(Reply::json(200, &openai_completion("m", "一半", "length")));
    openai.next(Reply::json(200, &openai_completion("m", "又一", "length")));
    let answer = client.ask(&Question::new("？"), None).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.truncated), ("一半又一", true));
    assert_eq!((answer.model.as_str(), openai.requests().len()), ("m", 2));
    let usage = answer.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.total_tokens), (24, 92));
}

#[tokio::test]
async fn half_an_answer_whose_rest_cannot_be_had_is_kept_and_says_so() {
    let (openai, client) = openai(&[]);
    openai.next(Reply::json(200, &openai_completion("m", "一半", "length")));
    openai.next(Reply::openai_error(500, "server_error", "out of memory"));
    let answer = client.ask(&Question::new("？"), None).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.truncated), ("一半", true));
}

#[tokio::test]
async fn a_refused_key_is_suspect() {
    let reply = Reply::openai_error(
        401,
        "invalid_api_key",
        "Incorrect API key provided: sk-SECRET-0001.",
    );
    let (text, _, effect, next) = outcome(reply).await;
    assert_snapshot!(text, @"ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 401, code invalid_api_key: Incorrect API key provided: [redacted]. — the service does not accept this token: check it, or make a new key and put it in the config");
    assert_eq!((effect, next), (TokenEffect::Suspect, Next::AnotherToken));

    let google = Reply::openai_error(
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
    );
    let (_, kind, ..) = outcome(google).await;
    assert_eq!(kind, ErrorKind::TokenRefused, "a wrong key may be a 400");
}

#[tokio::test]
async fn a_service_that_wants_a_token_is_not_asked_again_without_one() {
    let (openai, client) = openai(&[]);
    openai.next(Reply::openai_error(401, "unauthorized", "missing key"));
    let error = failure(&client).await;
    assert_eq!(error.next_step(), Next::GiveUp);
    assert_snapshot!(shown(&client, &error), @"ai.local (http://ai/v1, model gpt-test): HTTP 401, code unauthorized: missing key — the service wants a token: set tokens, tokens_env or tokens_file");
}

#[tokio::test]
async fn an_account_without_credit_pauses() {
    let replies = [
        Reply::openai_error(402, "invalid_request_error", "Insufficient Balance"),
        Reply::openai_error(429, "insufficient_quota", "You exceeded your current quota"),
        Reply::json(
            429,
            &json!({"error": {"type": "exceeded_current_quota_error", "message": "Your account is suspended, please check your plan and billing details"}}),
        ),
        Reply::json(
            403,
            &json!({"code": 30001, "message": "Sorry, your account balance is insufficient，余额不足", "data": null}),
        ),
    ];
    let mut texts = Vec::new();
    for reply in replies {
        let (text, _, effect, next) = outcome(reply).await;
        assert_eq!(effect, TokenEffect::OutOfQuota(Pause::Doubling), "{text}");
        assert_eq!(next, Next::AnotherToken);
        texts.push(text);
    }
    assert_snapshot!(texts.join("\n"), @r"
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 402, code invalid_request_error: Insufficient Balance — the account has no credit left: top it up, or add a token of another account
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 429, code insufficient_quota: You exceeded your current quota — the account has no credit left: top it up, or add a token of another account
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 429, code exceeded_current_quota_error: Your account is suspended, please check your plan and billing details — the account has no credit left: top it up, or add a token of another account
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 403, code 30001: Sorry, your account balance is insufficient，余额不足 — the account has no credit left: top it up, or add a token of another account
");
}

#[tokio::test]
async fn a_limited_key_rests_as_long_as_the_service_asks() {
    let reply = Reply::openai_error(429, "rate_limit_exceeded", "Rate limit reached")
        .with_header("retry-after", "17");
    let (text, _, effect, next) = outcome(reply).await;
    assert_snapshot!(text, @"ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 429, code rate_limit_exceeded: Rate limit reached — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent");
    let retry_after = Some(Duration::from_secs(17));
    assert_eq!(
        (effect, next),
        (TokenEffect::Cooling { retry_after }, Next::AnotherToken)
    );

    let dated = Reply::openai_error(429, "rate_limit_exceeded", "Rate limit reached")
        .with_header("date", "Mon, 23 Nov 2026 08:00:00 GMT")
        .with_header("retry-after", "Mon, 23 Nov 2026 08:02:00 GMT");
    let (_, _, effect, _) = outcome(dated).await;
    let retry_after = Some(Duration::from_secs(120));
    assert_eq!(effect, TokenEffect::Cooling { retry_after });
}

#[tokio::test]
async fn a_service_out_of_order_is_asked_again_later() {
    let replies = [
        Reply::openai_error(500, "server_error", "The server had an error"),
        Reply::html(502, "502 Bad Gateway"),
        Reply::openai_error(503, "overloaded", "try later").with_header("retry-after", "5"),
        Reply::openai_error(408, "timeout", "Request timeout"),
        Reply::json(
            200,
            &json!({"error": {"code": 502, "message": "Provider returned error"}}),
        ),
    ];
    let mut texts = Vec::new();
    for reply in replies {
        let (text, kind, effect, next) = outcome(reply).await;
        assert_eq!(kind, ErrorKind::Unavailable, "{text}");
        assert_eq!(
            (effect, next),
            (TokenEffect::Unchanged, Next::NextAttempt),
            "{text}"
        );
        texts.push(text);
    }
    assert_snapshot!(texts.join("\n"), @r#"
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 500, code server_error: The server had an error — the service is out of order or overloaded, which may pass
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 502: a web page, "502 Bad Gateway" — the service is out of order or overloaded, which may pass
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 503, code overloaded: try later — the service is out of order or overloaded, which may pass
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 408, code timeout: Request timeout — the service is out of order or overloaded, which may pass
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200, code 502: Provider returned error — the service is out of order or overloaded, which may pass
"#);
}

#[tokio::test]
async fn what_can_never_work_is_given_up() {
    let replies = [
        Reply::openai_error(
            400,
            "context_length_exceeded",
            "This model's maximum context length is 8192 tokens",
        ),
        Reply::openai_error(404, "model_not_found", "The model `gpt-9` does not exist"),
        Reply::json(
            422,
            &json!({"detail": [{"loc": ["body", "top_p"], "msg": "too big"}]}),
        ),
        Reply::openai_error(400, "content_filter", "The response was filtered"),
        Reply::html(200, "Open WebUI"),
        Reply::Raw {
            status: 301,
            headers: vec![(
                "location",
                "https://ai.example/v1/chat/completions".to_owned(),
            )],
            body: String::new(),
        },
        Reply::json(
            200,
            &openai_completion("m", "half an ans", "content_filter"),
        ),
    ];
    let mut texts = Vec::new();
    for reply in replies {
        let (text, _, effect, next) = outcome(reply).await;
        assert_eq!(
            (effect, next),
            (TokenEffect::Unchanged, Next::GiveUp),
            "{text}"
        );
        texts.push(text);
    }
    assert_snapshot!(texts.join("\n"), @r#"
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 400, code context_length_exceeded: This model's maximum context length is 8192 tokens — the service refuses the request itself: check the prompt, model and params
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 404, code model_not_found: The model `gpt-9` does not exist — check base_url and model: the service knows no such address or model
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 422: [{"loc":["body","top_p"],"msg":"too big"}] — the service refuses the request itself: check the prompt, model and params
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 400, code content_filter: The response was filtered — the service will not answer this prompt: word it differently, or ask another model
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200: a web page, "Open WebUI" — this address is not an OpenAI-compatible API: base_url must end with its version, such as http://host/v1
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 301: a redirect to https://ai.example/v1/chat/completions — redirects are not followed, for they would carry the token away: set base_url to where this one leads, if you trust it
ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200: the answer was stopped by a content filter — the service will not answer this prompt: word it differently, or ask another model
"#);
}

#[tokio::test]
async fn a_firewalls_page_blames_no_token() {
    let (text, kind, effect, next) =
        outcome(Reply::html(403, "Attention Required! | Cloudflare")).await;
    assert_snapshot!(text, @r#"ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 403: a web page, "Attention Required! | Cloudflare" — a proxy or firewall before the service refuses this machine: check base_url, proxy and the network's address"#);
    assert_eq!(kind, ErrorKind::Blocked);
    assert_eq!((effect, next), (TokenEffect::Unchanged, Next::NextAttempt));
}

#[tokio::test]
async fn an_empty_answer_is_a_failure() {
    let (text, kind, effect, next) = outcome(Reply::Answer(String::new())).await;
    assert_snapshot!(text, @"ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200: an empty answer — the model answered nothing, which may pass; a thinking model may need a higher max_tokens in params");
    assert_eq!(kind, ErrorKind::Empty);
    assert_eq!((effect, next), (TokenEffect::Unchanged, Next::AnotherToken));

    let thinking = Reply::json(200, &openai_completion("m", "", "length"));
    let (text, ..) = outcome(thinking).await;
    assert_snapshot!(text, @"ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200: an empty answer: the length limit was reached before its first word — the model answered nothing, which may pass; a thinking model may need a higher max_tokens in params");
}

#[tokio::test]
async fn a_reply_beyond_all_measure_is_not_read_to_its_end() {
    let huge = Reply::Raw {
        status: 200,
        headers: Vec::new(),
        body: "x".repeat(9 * 1024 * 1024),
    };
    let (text, kind, ..) = outcome(huge).await;
    assert_eq!(kind, ErrorKind::Garbled);
    assert_snapshot!(text, @"ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 200: the reply is longer than 8 MB — this is no reply of this API; if it goes on, check base_url and api");
}

#[tokio::test]
async fn a_probe_lists_the_models_with_the_token() {
    let (openai, client) = openai(&["sk-SECRET-0001"]);
    let token = client.endpoint().tokens.first();
    assert_eq!(client.probe(token).await.unwrap().model_listed, Some(true));
    assert_eq!(
        openai.requests()[0].header("authorization"),
        Some("Bearer sk-SECRET-0001")
    );

    openai.kill("sk-SECRET-0001");
    let error = client.probe(token).await.unwrap_err();
    assert_snapshot!(shown(&client, &error), @"ai.local (http://ai/v1, model gpt-test, token #1 …0001): HTTP 401, code invalid_api_key: Incorrect API key provided — the service does not accept this token: check it, or make a new key and put it in the config");
}

#[tokio::test]
async fn a_proxys_password_is_in_no_error() {
    let closed = endpoint::ClosedPort::new();
    let proxy = format!("http://me:pass%40word@{}", closed.address());
    let mut endpoint = endpoint::endpoint(Api::Openai, "http://ai.example/v1", &[]);
    endpoint.network = Network {
        proxy: Some(proxy.parse().unwrap()),
        ca: None,
    };
    let client = client(endpoint);
    let error = failure(&client).await;
    assert_eq!(error.kind(), ErrorKind::Connect);
    let text = format!("{error} {error:?}");
    assert!(text.contains("the proxy http://127.0.0.1:"), "{text}");
    assert!(
        !text.contains("pass%40word") && !text.contains("pass@word"),
        "{text}"
    );
}

#[tokio::test]
async fn the_proxy_of_the_endpoint_is_used() {
    // As a proxy it is asked for the whole address of a host that does not exist.
    let proxy = FakeOpenai::start();
    let mut endpoint = endpoint::endpoint(Api::Openai, "http://ai.invalid/v1", &[]);
    let address = proxy.base_url().replace("/v1", "");
    endpoint.network.proxy = Some(address.parse().unwrap());
    let error = failure(&client(endpoint)).await;
    assert_eq!(error.status(), Some(404));
    assert_eq!(
        proxy.requests()[0].path,
        "http://ai.invalid/v1/chat/completions"
    );
    assert_eq!(proxy.take_violations().len(), 1, "it is no proxy");
}
