//! `promptcron once`, the real binary over real sockets: the exact bytes on both sides, what it
//! prints, and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use std::collections::BTreeSet;

use ai::{FakeKimi, FakeOpenai, Reply};
use chrono::{DateTime, Utc};
use ntfy::{FakeNtfy, Fault};
use process::{Output, Place};
use serde_json::{Value, json};

const PROMPT: &str = "分析一下当前国内上海金价格，较上日变化，近期走势。给出投资建议。";
const ANSWER: &str = "## 今日金价\n\n上海金报 **801.5 元/克**，较上日上涨 `1.2%`。[^1^]\n\n- 支撑位：795\n- 阻力位：810\n\n搜索结果来自：\n【检索 1】 [新华网：某条新闻](https://news.example.com/1)\n\n【检索 2】 [A [bracketed] title](https://example.org/p?q=1&r=(2))\n\n";
const TEXT: &str =
    "🔷 今日金价\n上海金报 801.5 元/克，较上日上涨 1.2%。\n\n• 支撑位：795\n• 阻力位：810";

/// One job 金价 between a kimi server and a phone; `job` and `target` are lines of their tables.
fn config(kimi: &FakeKimi, ntfy: &FakeNtfy, target: &str, job: &str) -> String {
    format!(
        r#"
timezone = "Asia/Shanghai"

[ai.kimi]
api = "kimi"
base_url = "{}"
tokens = ["token-eins-0001", "token-zwei-0002"]

[ntfy.phone]
server = "{}"
topic = "hotine"
{target}

[[job]]
name = "金价"
cron = "0 8 * * 1-5"
prompt = "{PROMPT}"
title = "金价分析"
tags = ["💰"]
{job}
"#,
        kimi.base_url(),
        ntfy.url(),
    )
}

/// Checks the form of a `sequence_id` and takes it out of a push.
fn without_sequence_id(push: &str) -> String {
    let value: Value = serde_json::from_str(push).unwrap();
    let id = value["sequence_id"].as_str().unwrap();
    let hex = id.strip_prefix("pc-").unwrap();
    assert!(
        hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    push.replace(id, "SEQUENCE")
}

/// What `once` prints with its durations and instants taken out.
fn without_times(text: &str) -> String {
    let durations = regex::Regex::new(r"\d+ ms").unwrap();
    let instants = regex::Regex::new(r"\d{4}-\d\d-\d\dT[\d:.]+Z").unwrap();
    let text = durations.replace_all(text, "N ms");
    instants.replace_all(&text, "INSTANT").into_owned()
}

#[test]
fn the_question_and_the_push_are_these_bytes() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    let target = r#"token = "tk_geheim""#;
    let place = Place::new(&config(&kimi, &ntfy, target, r#"priority = "high""#));

    let output = place.run(&["once", "金价"]);

    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        without_times(&output.stdout),
        "job 金价, run 1: asked in N ms, 1 of 1 messages pushed in N ms\n"
    );
    let questions = kimi.requests();
    assert_eq!(questions.len(), 1);
    let question = &questions[0];
    assert_eq!(
        (question.method.as_str(), question.path.as_str()),
        ("POST", "/v1/chat/completions")
    );
    assert_eq!(
        question.header("authorization"),
        Some("Bearer token-eins-0001")
    );
    assert_eq!(question.header("content-type"), Some("application/json"));
    assert_eq!(
        question.text(),
        format!(
            r#"{{"model":"kimi","messages":[{{"role":"user","content":"{PROMPT}"}}],"use_search":true,"stream":true}}"#
        )
    );
    let pushes = ntfy.requests();
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].line(), "POST /");
    assert_eq!(pushes[0].header("authorization"), Some("Bearer tk_geheim"));
    let text = TEXT.replace('\n', "\\n");
    assert_eq!(
        without_sequence_id(pushes[0].text()),
        format!(
            r#"{{"topic":"hotine","message":"{text}","title":"金价分析","priority":4,"tags":["moneybag"],"sequence_id":"SEQUENCE"}}"#
        )
    );
}

#[test]
fn classic_is_what_the_seed_pushed() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    let place = Place::new(&config(&kimi, &ntfy, "", r#"style = "classic""#));

    assert_eq!(place.run(&["once", "金价"]).code, Some(0));

    insta::assert_snapshot!(without_sequence_id(ntfy.publishes()[0].text()), @r#"{"topic":"hotine","message":"今日金价\n\n上海金报 801.5 元/克，较上日上涨 `1.2%`。\n- 支撑位：795\n- 阻力位：810","title":"金价分析","tags":["moneybag"],"sequence_id":"SEQUENCE"}"#);
}

#[test]
fn an_openai_compatible_service_is_asked_in_its_own_words() {
    let (ai, ntfy) = (FakeOpenai::start(), FakeNtfy::start());
    ai.answer_with("**金价** 上涨。");
    let place = Place::new(&format!(
        r#"
[ai.local]
api = "openai"
base_url = "{}/chat/completions"
model = "gpt-test"
params = {{ temperature = 0.3, max_tokens = 2000 }}

[[job]]
name = "金价"
every = "1h"
system = "你是一位谨慎的分析师。"
prompt = "今天的金价？"
ntfy = {{ server = "{}", topic = "hotine", user = "叶", password = "密码" }}
"#,
        ai.base_url(),
        ntfy.url()
    ));

    assert_eq!(place.run(&["once", "金价"]).code, Some(0));

    let question = &ai.questions()[0];
    assert_eq!(question.header("authorization"), None);
    assert_eq!(
        question.text(),
        r#"{"model":"gpt-test","messages":[{"role":"system","content":"你是一位谨慎的分析师。"},{"role":"user","content":"今天的金价？"}],"stream":true,"temperature":0.3,"max_tokens":2000}"#
    );
    let push = &ntfy.publishes()[0];
    // 叶:密码
    assert_eq!(push.header("authorization"), Some("Basic 5Y+2OuWvhueggQ=="));
    assert_eq!(
        without_sequence_id(push.text()),
        r#"{"topic":"hotine","message":"金价 上涨。","sequence_id":"SEQUENCE"}"#
    );
}

#[test]
fn the_next_token_is_asked_at_once_when_one_is_dead() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    kimi.reply_to("token-eins-0001", Reply::kimi_error(-2001, "请求失败"));
    let place = Place::new(&config(&kimi, &ntfy, "", ""));

    let first = place.run(&["once", "金价"]);
    let second = place.run(&["once", "金价"]);

    assert_eq!((first.code, second.code), (Some(0), Some(0)));
    // The second run knows of the dead token from the ledger.
    assert_eq!(
        kimi.tokens(),
        ["token-eins-0001", "token-zwei-0002", "token-zwei-0002"]
    );
    assert!(
        first.stderr.contains("another token is asked"),
        "{}",
        first.stderr
    );
    assert!(
        first
            .stderr
            .contains("token #1 …0001): HTTP 200, code -2001: 请求失败"),
        "{}",
        first.stderr
    );
    assert_eq!(second.stderr, "");
    let shown = place.shown(1);
    assert_eq!(shown["attempt_rows"][0]["token"], "#2 …0002");
    assert_eq!(ntfy.publishes().len(), 2);
}

#[test]
fn a_dry_run_prints_each_part_and_touches_nothing() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    let place = Place::new(&config(&kimi, &ntfy, "max_bytes = 100", r#"priority = 5"#));

    let output = place.run(&["once", "金价", "--dry-run"]);

    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        output.stdout,
        "target: phone\ntitle: 金价分析 (1/2)\ntags: moneybag\npriority: 5\nbytes: 70\n\n\
         🔷 今日金价\n上海金报 801.5 元/克，较上日上涨 1.2%。\n\n\
         target: phone\ntitle: 金价分析 (2/2)\ntags: moneybag\npriority: 2\nbytes: 39\n\n\
         • 支撑位：795\n• 阻力位：810\n\n"
    );
    assert_eq!(kimi.questions().len(), 1);
    assert!(ntfy.requests().is_empty());
    assert_eq!(place.files(), ["config.toml"]);
}

fn delivered_at(delivery: &Value) -> DateTime<Utc> {
    delivery["delivered_at"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_long_answer_comes_in_order_in_parts_that_fit() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    let paragraph = |n: usize| format!("第{n}段：{}。", "今日金价小幅上涨，成交活跃".repeat(7));
    let answer: Vec<String> = (1..=3).map(paragraph).collect();
    kimi.answer_with(&answer.join("\n\n"));
    let job = "priority = \"high\"\nattach = \"https://example.com/图.png\"";
    let place = Place::new(&config(&kimi, &ntfy, "max_bytes = 300", job));

    let output = place.run(&["once", "金价"]);

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        output.stdout.contains("3 of 3 messages pushed"),
        "{}",
        output.stdout
    );
    let pushes = ntfy.publishes();
    let found: Vec<String> = pushes
        .iter()
        .map(|push| without_sequence_id(push.text()))
        .collect();
    let attach = r#""attach":"https://example.com/图.png","#;
    let wanted: Vec<String> = [(3, 2, ""), (2, 2, ""), (1, 4, attach)]
        .map(|(n, priority, attach)| {
            let text = &answer[n - 1];
            format!(r#"{{"topic":"hotine","message":"{text}","title":"金价分析 ({n}/3)","priority":{priority},"tags":["moneybag"],{attach}"sequence_id":"SEQUENCE"}}"#)
        })
        .into();
    assert_eq!(found, wanted);
    let ids: BTreeSet<&str> = pushes
        .iter()
        .filter_map(|push| push.text().split_once(r#""sequence_id":"#))
        .map(|(_, id)| id)
        .collect();
    assert_eq!(ids.len(), 3);
    let shown = place.shown(1);
    let deliveries = shown["deliveries"].as_array().unwrap();
    for (one, next) in deliveries.iter().zip(&deliveries[1..]) {
        let gap = delivered_at(one) - delivered_at(next);
        assert!(gap.num_milliseconds() >= 1000, "{gap}");
    }
    let sizes = deliveries
        .iter()
        .map(|delivery| delivery["bytes"].as_u64().unwrap());
    assert!(sizes.max() <= Some(300));
    // What the apps sort by.
    let times: Vec<u64> = ntfy
        .messages("hotine")
        .iter()
        .map(|message| message["time"].as_u64().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
}

#[test]
fn each_of_several_targets_gets_its_own_parts() {
    let (kimi, ntfy, other) = (FakeKimi::start(), FakeNtfy::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    let job = format!(
        r#"ntfy = ["phone", {{ server = "{}", topic = "familie", title = "金", style = "markdown" }}]"#,
        other.url()
    );
    let place = Place::new(&config(&kimi, &ntfy, "", &job));

    let output = place.run(&["once", "金价"]);

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        output.stdout.contains("2 of 2 messages pushed"),
        "{}",
        output.stdout
    );
    assert_eq!(kimi.questions().len(), 1);
    assert_eq!(ntfy.messages("hotine")[0]["message"], TEXT);
    let there = &other.messages("familie")[0];
    assert_eq!(there["content_type"], "text/markdown");
    assert_eq!(there["title"], "金价分析");
    let (markdown, _) = ANSWER.split_once("\n\n搜索").unwrap();
    assert_eq!(there["message"], markdown);
}

#[test]
fn a_topic_that_may_not_be_written_to_ends_it_with_the_reason() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    ntfy.outage(Some(Fault::Code(40301)));
    let place = Place::new(&config(&kimi, &ntfy, "", ""));

    let output = place.run(&["once", "金价"]);

    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""));
    let stderr =
        without_times(&output.stderr).replace(ntfy.url().trim_end_matches('/'), "http://ntfy");
    insta::assert_snapshot!(stderr, @r"
    job 金价, run 1: asked in N ms, 0 of 1 messages pushed
    ntfy.phone (http://ntfy, topic hotine): HTTP 403, code 40301: forbidden — the topic is protected: set a token, or user and password; see https://ntfy.sh/docs/publish/#authentication
    ");
    let run = &place.history()[0];
    assert_eq!(
        (&run["state"], &run["reason"]),
        (&json!("failed"), &json!("delivery 1 of 1"))
    );
    assert_eq!(ntfy.publishes().len(), 1);
}

#[test]
fn a_push_that_is_not_taken_yet_is_left_to_the_daemon() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    ntfy.outage(Some(Fault::Code(42901)));
    let place = Place::new(&config(&kimi, &ntfy, "", ""));

    let output: Output = place.run(&["once", "金价", "--wait", "1s"]);

    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""));
    let stderr =
        without_times(&output.stderr).replace(ntfy.url().trim_end_matches('/'), "http://ntfy");
    insta::assert_snapshot!(stderr, @r#"
    INSTANT  WARN pushing failed job="金价" run=1 part=1 attempt=1 next_attempt_at="INSTANT" error="ntfy.phone (http://ntfy, topic hotine): HTTP 429, code 42901: limit reached: too many requests — the next attempt waits; push less often, or in fewer parts; see https://ntfy.sh/docs/publish/#limitations"
    job 金价, run 1: asked in N ms, 0 of 1 messages pushed
    ntfy.phone (http://ntfy, topic hotine): HTTP 429, code 42901: limit reached: too many requests — the next attempt waits; push less often, or in fewer parts; see https://ntfy.sh/docs/publish/#limitations
    the daemon will send what is owed, when it runs
    "#);
    assert_eq!(place.history()[0]["state"], "delivering");
}

#[test]
fn an_unknown_job_is_wrong_usage() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    let place = Place::new(&config(&kimi, &ntfy, "", ""));

    for arguments in [&["once", "gold"][..], &["once", "gold", "--dry-run"]] {
        let output = place.run(arguments);
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
        assert_eq!(
            output.stderr,
            "there is no job gold in config.toml: it has 金价\n"
        );
    }
    assert_eq!(place.files(), ["config.toml"]);
}
