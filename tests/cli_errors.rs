//! Each way in which asking fails, as a person reads it after `promptcron once`: the real binary
//! over real sockets, exit 1, nothing pushed, the error once on stderr.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use std::fmt::Write as _;

use ai::{FakeAi, FakeKimi, FakeOpenai, Reply, STOPPED};
use ntfy::FakeNtfy;
use process::Place;
use serde_json::json;

const PROMPT: &str = "分析一下当前国内上海金价格。";

/// A config with one job; `endpoint` holds the lines of `[ai.dienst]`.
fn config(base_url: &str, endpoint: &str) -> String {
    format!(
        r#"
[ai.dienst]
base_url = "{base_url}"
{endpoint}

[[job]]
name = "金价"
cron = "0 8 * * 1-5"
prompt = "{PROMPT}"
ntfy = {{ server = "NTFY", topic = "hotine" }}
"#
    )
}

/// What a failed `once` says on stderr, without ports.
fn told(base_url: &str, endpoint: &str) -> String {
    let ntfy = FakeNtfy::start();
    let config = config(base_url, endpoint).replace("NTFY", &ntfy.url());
    let place = Place::new(&config);

    let output = place.run(&["once", "金价"]);

    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(1), ""),
        "{}",
        output.stderr
    );
    assert!(ntfy.requests().is_empty());
    let run = &place.history()[0];
    assert_eq!(run["state"], "failed");
    let reason = run["reason"].as_str().unwrap();
    assert_eq!(output.stderr, format!("job 金价, run 1: {reason}\n"));
    reason.replace(base_url, "URL")
}

/// Scripts each reply in turn and gathers what is said of it.
fn table(ai: &FakeAi, endpoint: &str, rows: &[(&str, Reply)]) -> String {
    let mut table = String::new();
    for (cause, reply) in rows {
        ai.reply_with(reply.clone());
        let before = ai.questions().len();
        let told = told(&ai.base_url(), endpoint);
        let told = told.strip_prefix("ai.dienst (URL, model ").unwrap();
        let asked = ai.questions().len() - before;
        assert_eq!(asked, 1, "{cause}");
        writeln!(table, "{cause}: {told}").unwrap();
    }
    table
}

const KIMI: &str = r#"api = "kimi"
tokens = ["eyJhbGci-token-0001"]"#;

#[test]
fn each_error_that_a_kimi_server_spells_out_has_its_message() {
    let kimi = FakeKimi::start();
    let upstream = |words: &str| Reply::kimi_error(-2001, &format!("[请求kimi失败]: {words}"));
    let rows = [
        (
            "no authorization",
            Reply::kimi_error(-2000, "Params headers.authorization invalid"),
        ),
        (
            "no messages",
            Reply::kimi_error(-2000, "Params body.messages invalid"),
        ),
        (
            "bad JSON",
            Reply::kimi_error(
                -1000,
                "Expected double-quoted property name in JSON at position 18",
            ),
        ),
        (
            "unknown route",
            Reply::kimi_error(
                -1000,
                "[请求有误]: 正确请求为 POST -> /v1/chat/completions，当前请求为 GET -> /nope 请纠正",
            ),
        ),
        ("dead token", Reply::kimi_error(-2001, "请求失败")),
        ("expired token", upstream("您的授权已过期，请重新登录")),
        ("banned account", upstream("您的账号已被封禁")),
        ("limited account", upstream("当前聊天过于频繁，请稍后再试")),
        ("unavailable", upstream("service unavailable")),
        (
            "blocked at refresh",
            Reply::kimi_error(-2001, "获取用户信息失败"),
        ),
        (
            "busy account",
            Reply::kimi_error(-2005, "已有对话流正在输出"),
        ),
        (
            "research quota",
            Reply::kimi_error(-2006, "探索版使用量已达到上限"),
        ),
        ("unknown agent", upstream("找不到对应的KimiPlus")),
        (
            "upstream refused",
            Reply::kimi_error(-1000, "connect ECONNREFUSED 127.0.0.1:18011"),
        ),
        (
            "upstream hangs",
            Reply::kimi_error(-1000, "timeout of 15000ms exceeded"),
        ),
        ("upstream silent", Reply::kimi_error(-1000, "aborted")),
        (
            "upstream resets",
            Reply::kimi_error(-1000, "socket hang up"),
        ),
        (
            "no JSON upstream",
            Reply::kimi_error(-1000, "Stream response invalid: this is not json"),
        ),
    ];
    insta::assert_snapshot!(table(&kimi, KIMI, &rows), @r"
    no authorization: kimi, token #1 …0001): HTTP 200, code -2000: Params headers.authorization invalid — the token did not reach the kimi server: does a proxy before it take the Authorization header away?
    no messages: kimi, token #1 …0001): HTTP 200, code -2000: Params body.messages invalid — the service refuses the request itself: check the prompt, model and params
    bad JSON: kimi, token #1 …0001): HTTP 200, code -1000: Expected double-quoted property name in JSON at position 18 — the service refuses the request itself: check the prompt, model and params
    unknown route: kimi, token #1 …0001): HTTP 200, code -1000: [请求有误]: 正确请求为 POST -> /v1/chat/completions，当前请求为 GET -> /nope 请纠正 — check base_url: the kimi server knows no such address
    dead token: kimi, token #1 …0001): HTTP 200, code -2001: 请求失败 — the token is dead or revoked: log in to Kimi again, copy a new refresh_token and put it in the config
    expired token: kimi, token #1 …0001): HTTP 200, code -2001: [请求kimi失败]: 您的授权已过期，请重新登录 — the token is dead or revoked: log in to Kimi again, copy a new refresh_token and put it in the config
    banned account: kimi, token #1 …0001): HTTP 200, code -2001: [请求kimi失败]: 您的账号已被封禁 — Kimi has banned this account: replace its token by one of another account
    limited account: kimi, token #1 …0001): HTTP 200, code -2001: [请求kimi失败]: 当前聊天过于频繁，请稍后再试 — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent
    unavailable: kimi, token #1 …0001): HTTP 200, code -2001: [请求kimi失败]: service unavailable — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
    blocked at refresh: kimi, token #1 …0001): HTTP 200, code -2001: 获取用户信息失败 — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
    busy account: kimi, token #1 …0001): HTTP 200, code -2005: 已有对话流正在输出 — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent
    research quota: kimi, token #1 …0001): HTTP 200, code -2006: 探索版使用量已达到上限 — the account's research quota is used up until tomorrow (China time): use another model, or add a token of another account
    unknown agent: kimi, token #1 …0001): HTTP 200, code -2001: [请求kimi失败]: 找不到对应的KimiPlus — check model: Kimi knows no agent of this id
    upstream refused: kimi, token #1 …0001): HTTP 200, code -1000: connect ECONNREFUSED 127.0.0.1:18011 — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
    upstream hangs: kimi, token #1 …0001): HTTP 200, code -1000: timeout of 15000ms exceeded — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
    upstream silent: kimi, token #1 …0001): HTTP 200, code -1000: aborted — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
    upstream resets: kimi, token #1 …0001): HTTP 200, code -1000: socket hang up — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
    no JSON upstream: kimi, token #1 …0001): HTTP 200, code -1000: Stream response invalid: this is not json — the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network
    ");
}

#[test]
fn each_failure_that_a_kimi_server_hides_in_an_answer_has_its_message() {
    let kimi = FakeKimi::start();
    let rows = [
        ("refused without a word", Reply::kimi_empty("")),
        ("empty answer", Reply::kimi_empty("cud65ce224da97d82ec9")),
        ("blank answer", Reply::Answer(" \n".to_owned())),
        ("stopped at once", Reply::Answer(STOPPED.to_owned())),
        (
            "stopped midway",
            Reply::Answer(format!(
                "今日金价{STOPPED}\n\n搜索结果来自：\n【检索 1】 [新华网](https://news.example.com/1)\n\n"
            )),
        ),
    ];
    insta::assert_snapshot!(table(&kimi, KIMI, &rows), @r"
    refused without a word: kimi, token #1 …0001): HTTP 200: an empty answer, which hides a refusal of Kimi — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent
    empty answer: kimi, token #1 …0001): HTTP 200: an empty answer — Kimi answered nothing, which may pass
    blank answer: kimi, token #1 …0001): HTTP 200: an empty answer — Kimi answered nothing, which may pass
    stopped at once: kimi, token #1 …0001): HTTP 200: [内容由于不合规被停止生成，我们换个话题吧] — Kimi stopped this answer, which means censorship or overload; if a second try ends so too, word the prompt differently
    stopped midway: kimi, token #1 …0001): HTTP 200: [内容由于不合规被停止生成，我们换个话题吧] — Kimi stopped this answer, which means censorship or overload; if a second try ends so too, word the prompt differently
    ");
}

#[test]
fn each_error_of_an_openai_compatible_service_has_its_message() {
    let openai = FakeOpenai::start();
    let endpoint = r#"api = "openai"
model = "gpt-test"
tokens = ["sk-eyJhbGci-0001"]"#;
    let filtered = ai::openai_completion("gpt-test", "", "content_filter");
    let rows = [
        (
            "bad request",
            Reply::openai_error(400, "invalid_request_error", "max_tokens is too large"),
        ),
        (
            "wrong key",
            Reply::openai_error(
                401,
                "invalid_api_key",
                "Incorrect API key provided: sk-eyJhbGci-0001",
            ),
        ),
        (
            "no credit",
            Reply::openai_error(402, "insufficient_balance", "余额不足"),
        ),
        (
            "unknown model",
            Reply::openai_error(404, "model_not_found", "The model does not exist"),
        ),
        (
            "limited",
            Reply::openai_error(429, "rate_limit_exceeded", "Rate limit reached"),
        ),
        (
            "quota",
            Reply::openai_error(429, "insufficient_quota", "You exceeded your current quota"),
        ),
        (
            "overloaded",
            Reply::openai_error(503, "engine_overloaded_error", "The engine is overloaded"),
        ),
        ("gateway", Reply::html(502, "502 Bad Gateway")),
        ("web page", Reply::html(200, "登录")),
        ("filtered", Reply::json(200, &filtered)),
        (
            "redirect",
            Reply::json(301, &json!({})).with_header("location", "https://example.com/v1"),
        ),
        ("no protocol", Reply::json(200, &json!({ "hello": "世界" }))),
        ("cut", Reply::Cut),
    ];
    insta::assert_snapshot!(table(&openai, endpoint, &rows), @r#"
    bad request: gpt-test, token #1 …0001): HTTP 400, code invalid_request_error: max_tokens is too large — the service refuses the request itself: check the prompt, model and params
    wrong key: gpt-test, token #1 …0001): HTTP 401, code invalid_api_key: Incorrect API key provided: [redacted] — the service does not accept this token: check it, or make a new key and put it in the config
    no credit: gpt-test, token #1 …0001): HTTP 402, code insufficient_balance: 余额不足 — the account has no credit left: top it up, or add a token of another account
    unknown model: gpt-test, token #1 …0001): HTTP 404, code model_not_found: The model does not exist — check base_url and model: the service knows no such address or model
    limited: gpt-test, token #1 …0001): HTTP 429, code rate_limit_exceeded: Rate limit reached — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent
    quota: gpt-test, token #1 …0001): HTTP 429, code insufficient_quota: You exceeded your current quota — the account has no credit left: top it up, or add a token of another account
    overloaded: gpt-test, token #1 …0001): HTTP 503, code engine_overloaded_error: The engine is overloaded — the service is out of order or overloaded, which may pass
    gateway: gpt-test, token #1 …0001): HTTP 502: a web page, "502 Bad Gateway" — the service is out of order or overloaded, which may pass
    web page: gpt-test, token #1 …0001): HTTP 200: a web page, "登录" — this address is not an OpenAI-compatible API: base_url must end with its version, such as http://host/v1
    filtered: gpt-test, token #1 …0001): HTTP 200: the answer was stopped by a content filter — the service will not answer this prompt: word it differently, or ask another model
    redirect: gpt-test, token #1 …0001): HTTP 301: a redirect to https://example.com/v1 — redirects are not followed, for they would carry the token away: set base_url to where this one leads, if you trust it
    no protocol: gpt-test, token #1 …0001): HTTP 200: {"hello":"世界"} — this is no reply of this API; if it goes on, check base_url and api
    cut: gpt-test, token #1 …0001): the connection broke: connection closed before message completed — half an answer is none; another try may get the whole one
    "#);
}

#[test]
fn an_answer_that_does_not_come_in_time_is_told_with_the_limit() {
    let openai = FakeOpenai::start();
    openai.reply_with(Reply::Hang);
    let endpoint = r#"api = "openai"
model = "gpt-test"
timeout = "1s""#;
    insta::assert_snapshot!(told(&openai.base_url(), endpoint), @"ai.dienst (URL, model gpt-test): no whole answer in time — if the model is just slow, raise timeout (now 1s)");
}

#[test]
fn a_server_that_is_not_there_is_told() {
    // Bound and not listening: nobody else gets the port, and nobody answers there.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    insta::assert_snapshot!(told(&format!("http://{address}/v1"), KIMI), @"ai.dienst (URL, model kimi, token #1 …0001): cannot connect: Connection refused (os error 111) — is the server up? check base_url, and set proxy or ca_file if this network needs one");
}

#[test]
fn every_token_that_was_tried_in_vain_is_named() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.reply_to("eyJhbGci-token-0001", Reply::kimi_error(-2001, "请求失败"));
    kimi.reply_to(
        "eyJhbGci-token-0002",
        Reply::kimi_error(-2001, "[请求kimi失败]: 当前聊天过于频繁，请稍后再试"),
    );
    let endpoint = r#"api = "kimi"
tokens = "eyJhbGci-token-0001,eyJhbGci-token-0002""#;
    let place = Place::new(&config(&kimi.base_url(), endpoint).replace("NTFY", &ntfy.url()));

    let first = place.run(&["once", "金价"]);
    let second = place.run(&["once", "金价"]);
    let third = place.run(&["once", "金价"]);

    let clean = |text: &str| {
        let instants = regex::Regex::new(r"\d{4}-\d\d-\d\dT[\d:.]+Z").unwrap();
        let text = text.replace(&kimi.base_url(), "URL");
        instants.replace_all(&text, "INSTANT").into_owned()
    };
    let all = [first, second, third].map(|output| {
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""));
        clean(&output.stderr)
    });
    insta::assert_snapshot!(all.join("---\n"), @r#"
    INSTANT  WARN another token is asked job="金价" run=1 kind="token_refused" error="ai.dienst (URL, model kimi, token #1 …0001): HTTP 200, code -2001: 请求失败 — the token is dead or revoked: log in to Kimi again, copy a new refresh_token and put it in the config"
    job 金价, run 1: ai.dienst (URL, model kimi, token #2 …0002): HTTP 200, code -2001: [请求kimi失败]: 当前聊天过于频繁，请稍后再试 — the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent
    ---
    job 金价, run 2: ai.dienst (URL, model kimi, token #1 …0001): HTTP 200, code -2001: 请求失败 — the token is dead or revoked: log in to Kimi again, copy a new refresh_token and put it in the config
    ---
    job 金价, run 3: ai.dienst (URL, model kimi): no token to ask with: #1 …0001 is dead, #2 …0002 rests until INSTANT — wait, or add a token that works
    "#);
    assert_eq!(
        kimi.tokens(),
        [
            "eyJhbGci-token-0001",
            "eyJhbGci-token-0002",
            "eyJhbGci-token-0001"
        ]
    );
}
