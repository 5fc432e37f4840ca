//! kimi-free-api's wire, row by row: the request's bytes, every error of its table and its silent failures.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/endpoint.rs"]
mod endpoint;

use std::time::Duration;

use ai::{FakeKimi, Reply, STOPPED};
use endpoint::{client, failure, shown};
use insta::assert_snapshot;
use promptcron::{
    ask::{Client, Conversation, ErrorKind, Next, Pause, Question, TokenEffect},
    config::types::Api,
};

fn kimi() -> (FakeKimi, Client) {
    let kimi = FakeKimi::start();
    let client = client(endpoint::endpoint(
        Api::Kimi,
        &kimi.base_url(),
        &["SECRET-KEN1"],
    ));
    (kimi, client)
}

/// A client that wants its answers in one piece.
fn whole(kimi: &FakeKimi) -> Client {
    let mut endpoint = endpoint::endpoint(Api::Kimi, &kimi.base_url(), &["SECRET-KEN1"]);
    endpoint.stream = false;
    client(endpoint)
}

const COOLING: TokenEffect = TokenEffect::Cooling { retry_after: None };

/// The failure that a reply becomes, its text and what follows.
async fn outcome(reply: Reply) -> (String, ErrorKind, TokenEffect, Next) {
    let (kimi, client) = kimi();
    kimi.next(reply);
    let error = failure(&client).await;
    let text = shown(&client, &error);
    (text, error.kind(), error.token_effect(), error.next_step())
}

async fn error_of(code: i64, message: &str) -> (String, ErrorKind, TokenEffect, Next) {
    outcome(Reply::kimi_error(code, message)).await
}

#[tokio::test]
async fn the_request_is_the_seeds_byte_for_byte() {
    let kimi = FakeKimi::start();
    let client = whole(&kimi);
    kimi.answer_with("**518.5** 元/克");
    let question = Question::new("分析一下当前国内上海金价格，\"较上日变化\"。");
    let answer = client
        .ask(&question, client.endpoint().tokens.first())
        .await
        .unwrap();

    assert_eq!(answer.text, "**518.5** 元/克");
    assert_eq!(
        answer.conversation.map(|kept| kept.id).as_deref(),
        Some("cud6d330699d1b4d19fb")
    );
    assert_eq!(answer.model, "kimi");
    assert_eq!(answer.usage, None, "a constant there");
    assert!(!answer.truncated);
    let [request] = &kimi.requests()[..] else {
        panic!("one request");
    };
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/v1/chat/completions")
    );
    assert_eq!(request.header("authorization"), Some("Bearer SECRET-KEN1"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(
        request.text(),
        r#"{"model":"kimi","messages":[{"role":"user","content":"分析一下当前国内上海金价格，\"较上日变化\"。"}],"use_search":true,"stream":false}"#
    );
}

#[tokio::test]
async fn a_question_can_differ_from_its_endpoint() {
    let (kimi, client) = kimi();
    kimi.answer_with("好");
    let question = Question {
        prompt: "金价？".to_owned(),
        system: Some("一句话".to_owned()),
        model: Some("kimi-k1".to_owned()),
        use_search: Some(false),
        conversation: Conversation::Begin,
        history: Vec::new(),
    };
    client
        .ask(&question, client.endpoint().tokens.first())
        .await
        .unwrap();
    assert_eq!(
        kimi.requests()[0].text(),
        r#"{"model":"kimi-k1","conversation_id":"none","messages":[{"role":"system","content":"一句话"},{"role":"user","content":"金价？"}],"use_search":false,"stream":true}"#
    );
}

#[tokio::test]
async fn search_results_are_told_apart_whichever_way_the_answer_comes() {
    let text = "正文[^1^]\n\n搜索结果来自：\n【检索 1】 [新华网：[某条]新闻](https://news.example.com/1?(a))\n\n【检索 2】 [知乎](https://zhuanlan.example.cn/p/2)\n\n";
    let kimi = FakeKimi::start();
    kimi.answer_with(text);
    let streaming = client(endpoint::endpoint(
        Api::Kimi,
        &kimi.base_url(),
        &["SECRET-KEN1"],
    ));
    let mut answers = Vec::new();
    for client in [whole(&kimi), streaming] {
        let token = client.endpoint().tokens.first();
        let answer = client.ask(&Question::new("金价？"), token).await.unwrap();
        answers.push((answer.text, answer.sources));
    }
    assert_eq!(answers[0], answers[1]);
    let (text, sources) = &answers[0];
    assert_eq!(text, "正文[^1^]");
    assert_eq!(sources[0].title, "新华网：[某条]新闻");
    assert_eq!(sources[0].url, "https://news.example.com/1?(a)");
    assert_eq!(sources.len(), 2);
}

#[tokio::test]
async fn a_stream_that_the_length_limit_cut_is_continued_and_one_sent_whole_is_not() {
    let kimi = FakeKimi::start();
    let mut completion = ai::kimi_completion("kimi", "服务器自己接上了", "segment");
    completion["choices"][0]["finish_reason"] = "length".into();
    kimi.next(Reply::json(200, &completion));
    let client = whole(&kimi);
    let token = client.endpoint().tokens.first();
    let answer = client.ask(&Question::new("？"), token).await.unwrap();
    assert!(!answer.truncated, "the server has joined it");
    assert_eq!(kimi.requests().len(), 1);

    let (kimi, client) = self::kimi();
    let token = client.endpoint().tokens.first();
    kimi.next(Reply::kimi_stream(&["今日金价上"], Some("length")));
    kimi.next(Reply::kimi_stream(&["涨。"], Some("stop")));
    let answer = client.ask(&Question::new("金价？"), token).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.truncated),
        ("今日金价上涨。", false)
    );
    assert_snapshot!(kimi.requests()[1].text(), @r#"{"model":"kimi","messages":[{"role":"user","content":"金价？"},{"role":"assistant","content":"今日金价上"},{"role":"user","content":"请从中断处接着写完，不要重复已经写过的内容，也不要加开场白。"}],"use_search":false,"stream":true}"#);
    let question = Question {
        conversation: Conversation::Begin,
        ..Question::new("金价？")
    };
    kimi.next(Reply::kimi_stream(&["今日金价上"], Some("length")));
    kimi.next(Reply::kimi_stream(&["涨。"], Some("stop")));
    client.ask(&question, token).await.unwrap();
    assert_snapshot!(kimi.requests()[3].text(), @r#"{"model":"kimi","conversation_id":"cud6d330699d1b4d19fb","messages":[{"role":"user","content":"请从中断处接着写完，不要重复已经写过的内容，也不要加开场白。"}],"use_search":false,"stream":true}"#);
}

#[tokio::test]
async fn a_dead_token_is_suspect_and_the_user_is_told_how_to_renew_it() {
    let (text, kind, effect, next) = error_of(-2001, "请求失败").await;
    assert_snapshot!(text, @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2001: 请求失败 — the token is dead or revoked: log in to Kimi again, copy a new refresh_token and put it in the config");
    assert_eq!(kind, ErrorKind::TokenRefused);
    assert_eq!((effect, next), (TokenEffect::Suspect, Next::AnotherToken));

    let (text, _, effect, next) =
        error_of(-2001, "[请求kimi失败]: 您的授权已过期，请重新登录").await;
    assert_snapshot!(text, @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2001: [请求kimi失败]: 您的授权已过期，请重新登录 — the token is dead or revoked: log in to Kimi again, copy a new refresh_token and put it in the config");
    assert_eq!((effect, next), (TokenEffect::Suspect, Next::AnotherToken));
}

#[tokio::test]
async fn a_banned_account_is_suspect() {
    let (text, kind, effect, next) =
        error_of(-2001, "[请求kimi失败]: 您的账号因违规已被封禁").await;
    assert_snapshot!(text, @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2001: [请求kimi失败]: 您的账号因违规已被封禁 — Kimi has banned this account: replace its token by one of another account");
    assert_eq!(kind, ErrorKind::AccountBanned);
    assert_eq!((effect, next), (TokenEffect::Suspect, Next::AnotherToken));
}

#[tokio::test]
async fn a_refusal_in_unknown_words_goes_to_another_token_and_blames_none() {
    let (text, _, effect, next) = error_of(-2001, "[请求kimi失败]: 系统检测到异常行为").await;
    assert_snapshot!(text, @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2001: [请求kimi失败]: 系统检测到异常行为 — Kimi refused this account for a reason of its own; if it goes on, log in to Kimi with it and see");
    assert_eq!((effect, next), (TokenEffect::Unchanged, Next::AnotherToken));
}

#[tokio::test]
async fn a_limited_or_busy_account_rests() {
    let (text, _, effect, next) =
        error_of(-2001, "[请求kimi失败]: 当前聊天过于频繁，请稍后再试").await;
    assert_snapshot!(text, @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2001: [请求kimi失败]: 当前聊天过于频繁，请稍后再试 — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent");
    assert_eq!((effect, next), (COOLING, Next::AnotherToken));

    let (text, _, effect, next) = error_of(-2005, "已有对话流正在输出").await;
    assert_snapshot!(text, @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2005: 已有对话流正在输出 — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent");
    assert_eq!((effect, next), (COOLING, Next::AnotherToken));
}

#[tokio::test]
async fn a_used_up_research_quota_lasts_until_tomorrow() {
    let (text, _, effect, next) = error_of(-2006, "探索版使用量已达到上限").await;
    assert_snapshot!(text, @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2006: 探索版使用量已达到上限 — the account's research quota is used up until tomorrow (China time): use another model, or add a token of another account");
    assert_eq!(
        effect,
        TokenEffect::OutOfQuota(Pause::UntilTomorrowInShanghai)
    );
    assert_eq!(next, Next::AnotherToken);
}

#[tokio::test]
async fn what_the_server_itself_refuses_is_given_up() {
    let mut texts = Vec::new();
    for (code, message) in [
        (-2000, "Params headers.authorization invalid"),
        (-2000, "Params body.messages invalid"),
        (-2000, "Params body.conversation_id invalid"),
        (
            -1000,
            "Expected double-quoted property name in JSON at position 18",
        ),
        (
            -1000,
            "[请求有误]: 正确请求为 POST -> /v1/chat/completions，当前请求为 POST -> /v2/chat/completions 请纠正",
        ),
        (-1000, "model.indexOf is not a function"),
        (-1000, "Cannot read properties of null (reading 'indexOf')"),
        (-2001, "[请求kimi失败]: 找不到对应的KimiPlus"),
    ] {
        let (text, _, effect, next) = error_of(code, message).await;
        assert_eq!(
            (effect, next),
            (TokenEffect::Unchanged, Next::GiveUp),
            "{text}"
        );
        texts.push(text);
    }
    assert_snapshot!(texts.join("\n"), @r"
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2000: Params headers.authorization invalid — the token did not reach the kimi server: does a proxy before it take the Authorization header away?
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2000: Params body.messages invalid — the service refuses the request itself: check the prompt, model and params
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2000: Params body.conversation_id invalid — the service refuses the request itself: check the prompt, model and params
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -1000: Expected double-quoted property name in JSON at position 18 — the service refuses the request itself: check the prompt, model and params
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -1000: [请求有误]: 正确请求为 POST -> /v1/chat/completions，当前请求为 POST -> /v2/chat/completions 请纠正 — check base_url: the kimi server knows no such address
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -1000: model.indexOf is not a function — the service refuses the request itself: check the prompt, model and params
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -1000: Cannot read properties of null (reading 'indexOf') — the service refuses the request itself: check the prompt, model and params
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2001: [请求kimi失败]: 找不到对应的KimiPlus — check model: Kimi knows no agent of this id
");
}

#[tokio::test]
async fn what_passes_by_itself_is_asked_again_in_the_next_attempt() {
    let mut texts = Vec::new();
    for (code, message) in [
        (-2001, "[请求kimi失败]: service unavailable"),
        (-2001, "获取用户信息失败"),
        (-1000, "connect ECONNREFUSED 127.0.0.1:18011"),
        (-1000, "getaddrinfo EAI_AGAIN kimi.moonshot.cn"),
        (-1000, "timeout of 15000ms exceeded"),
        (-1000, "aborted"),
        (-1000, "socket hang up"),
        (-1000, "Stream response invalid: this is not json"),
    ] {
        let (text, kind, effect, next) = error_of(code, message).await;
        assert_eq!(kind, ErrorKind::Unavailable, "{text}");
        assert_eq!(
            (effect, next),
            (TokenEffect::Unchanged, Next::NextAttempt),
            "{text}"
        );
        texts.push(text);
    }
    assert_snapshot!(texts.join("\n"), @r"
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2001: [请求kimi失败]: service unavailable — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2001: 获取用户信息失败 — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -1000: connect ECONNREFUSED 127.0.0.1:18011 — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -1000: getaddrinfo EAI_AGAIN kimi.moonshot.cn — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -1000: timeout of 15000ms exceeded — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -1000: aborted — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -1000: socket hang up — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -1000: Stream response invalid: this is not json — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
");
}

#[tokio::test]
async fn an_empty_answer_is_a_failure_and_its_segment_tells_which() {
    let (text, kind, effect, next) = outcome(Reply::kimi_empty("")).await;
    assert_snapshot!(text, @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: an empty answer, which hides a refusal of Kimi — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent");
    assert_eq!(kind, ErrorKind::Limited);
    assert_eq!((effect, next), (COOLING, Next::AnotherToken));

    let (text, kind, effect, next) = outcome(Reply::kimi_empty("cud65ce224da97d82ec9")).await;
    assert_snapshot!(text, @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: an empty answer — Kimi answered nothing, which may pass");
    assert_eq!(kind, ErrorKind::Empty);
    assert_eq!((effect, next), (TokenEffect::Unchanged, Next::AnotherToken));

    let (_, kind, ..) = outcome(Reply::Answer(" \n\u{3000}\t".to_owned())).await;
    assert_eq!(kind, ErrorKind::Empty, "white space says nothing");
}

#[tokio::test]
async fn an_answer_that_kimi_stopped_is_a_failure_wherever_the_line_is() {
    let (text, kind, effect, next) = outcome(Reply::Answer(STOPPED.to_owned())).await;
    assert_snapshot!(text, @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: [内容由于不合规被停止生成，我们换个话题吧] — Kimi stopped this answer, which means censorship or overload; if a second try ends so too, word the prompt differently");
    assert_eq!(kind, ErrorKind::Stopped);
    assert_eq!((effect, next), (TokenEffect::Unchanged, Next::NextAttempt));

    let searched =
        format!("金价{STOPPED}\n\n搜索结果来自：\n【检索 1】 [新闻](https://a.example)\n\n");
    let (_, kind, ..) = outcome(Reply::Answer(searched)).await;
    assert_eq!(kind, ErrorKind::Stopped);
}

#[tokio::test]
async fn only_a_stopped_answer_is_final_when_it_is_repeated() {
    let (kimi, client) = kimi();
    kimi.next(Reply::Answer(STOPPED.to_owned()));
    assert!(failure(&client).await.is_final_when_repeated());
    kimi.next(Reply::kimi_empty("x"));
    assert!(!failure(&client).await.is_final_when_repeated());
}

#[tokio::test]
async fn what_is_not_this_api_is_told_as_such() {
    let (text, _, effect, next) = outcome(Reply::html(200, "Welcome to nginx!")).await;
    assert_snapshot!(text, @r#"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: a web page, "Welcome to nginx!" — this address is not a kimi-free-api-compatible server: base_url must end with its version, such as http://host/v1"#);
    assert_eq!((effect, next), (TokenEffect::Unchanged, Next::GiveUp));

    let (text, _, effect, next) = outcome(Reply::html(502, "502 Bad Gateway")).await;
    assert_snapshot!(text, @r#"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 502: a web page, "502 Bad Gateway" — the service is out of order or overloaded, which may pass"#);
    assert_eq!((effect, next), (TokenEffect::Unchanged, Next::NextAttempt));

    let pong = Reply::Raw {
        status: 200,
        headers: Vec::new(),
        body: "pong".to_owned(),
    };
    let (text, _, effect, next) = outcome(pong).await;
    assert_snapshot!(text, @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: pong — this is no reply of this API; if it goes on, check base_url and api");
    assert_eq!((effect, next), (TokenEffect::Unchanged, Next::NextAttempt));
}

#[tokio::test]
async fn an_echoed_token_is_in_no_error() {
    let (kimi, client) = kimi();
    kimi.next(Reply::kimi_error(
        -2001,
        "[请求kimi失败]: bad SECRET-KEN1 and SECRET-KEN1",
    ));
    let error = failure(&client).await;
    assert_snapshot!(shown(&client, &error), @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200, code -2001: [请求kimi失败]: bad [redacted] and [redacted] — Kimi refused this account for a reason of its own; if it goes on, log in to Kimi with it and see");
    assert!(!format!("{error:?}").contains("SECRET-KEN1"));
}

#[tokio::test]
async fn a_long_message_is_quoted_in_part() {
    let (text, ..) = error_of(-1000, &"很长的错误".repeat(1000)).await;
    assert!(text.chars().count() < 600, "{text}");
    assert!(text.contains('…'));
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_in_time() {
    let kimi = FakeKimi::start();
    let mut endpoint = endpoint::endpoint(Api::Kimi, &kimi.base_url(), &["SECRET-KEN1"]);
    endpoint.limits.whole = Duration::from_millis(200);
    let client = client(endpoint);
    kimi.next(Reply::Hang);
    let error = failure(&client).await;
    assert_snapshot!(shown(&client, &error), @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): no whole answer in time — if the model is just slow, raise timeout (now 200ms)");
    assert_eq!(error.next_step(), Next::NextAttempt);
}

#[tokio::test]
async fn a_broken_connection_gives_no_half_answer() {
    let (kimi, client) = kimi();
    kimi.next(Reply::Cut);
    let error = failure(&client).await;
    assert_eq!(error.kind(), ErrorKind::Cut);
    assert_snapshot!(shown(&client, &error), @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): the connection broke: connection closed before message completed — half an answer is none; another try may get the whole one");
}

#[tokio::test]
async fn a_server_that_is_down_is_told_as_such() {
    let closed = endpoint::ClosedPort::new();
    let base_url = format!("http://{}/v1", closed.address());
    let client = client(endpoint::endpoint(Api::Kimi, &base_url, &["SECRET-KEN1"]));
    let error = failure(&client).await;
    assert_snapshot!(shown(&client, &error), @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): cannot connect: Connection refused (os error 111) — is the server up? check base_url, and set proxy or ca_file if this network needs one");
    assert_eq!(error.next_step(), Next::NextAttempt);
}

#[tokio::test]
async fn a_probe_pings_the_servers_root_and_checks_the_token() {
    let (kimi, client) = kimi();
    let token = client.endpoint().tokens.first();
    client.probe(token).await.unwrap();
    let requests = kimi.requests();
    let paths: Vec<_> = requests
        .iter()
        .map(|r| (r.method.as_str(), r.path.as_str()))
        .collect();
    assert_eq!(paths, [("GET", "/ping"), ("POST", "/token/check")]);
    assert_eq!(requests[1].text(), r#"{"token":"SECRET-KEN1"}"#);

    kimi.kill("SECRET-KEN1");
    let error = client.probe(token).await.unwrap_err();
    assert_snapshot!(shown(&client, &error), @"ai.kimi (http://ai/v1, model kimi, token #1 …KEN1): HTTP 200: the token's check says that it is not live — the token is dead or revoked: log in to Kimi again, copy a new refresh_token and put it in the config");
}

#[tokio::test]
async fn params_are_sent_but_cannot_replace_what_promptcron_sends_itself() {
    let kimi = FakeKimi::start();
    kimi.answer_with("好");
    let mut endpoint = endpoint::endpoint(Api::Kimi, &kimi.base_url(), &["SECRET-KEN1"]);
    endpoint
        .params
        .insert("use_search".to_owned(), false.into());
    endpoint.params.insert("temperature".to_owned(), 0.3.into());
    let client = client(endpoint.clone());
    client
        .ask(&Question::new("？"), endpoint.tokens.first())
        .await
        .unwrap();
    assert_eq!(
        kimi.requests()[0].text(),
        r#"{"model":"kimi","messages":[{"role":"user","content":"？"}],"use_search":false,"stream":true,"temperature":0.3}"#
    );

    endpoint.params.insert("stream".to_owned(), true.into());
    let refused = Client::new(endpoint.into()).err().unwrap();
    assert_snapshot!(refused, @"ai.kimi: params.stream is set by promptcron itself: remove it from params");
}
