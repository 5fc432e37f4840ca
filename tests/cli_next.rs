//! `promptcron next`: what is due next, for people and for programs.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/process.rs"]
mod process;

use process::Place;

const CONFIG: &str = r#"timezone = "Asia/Shanghai"

[ai.local]
api = "openai"
base_url = "http://127.0.0.1:11434/v1"
model = "qwen"

[ntfy.phone]
topic = "hotine"

[[job]]
name = "gold"
cron = "0 8 * * 1-5"
prompt = "分析一下当前国内上海金价格。"

[[job]]
name = "柏林天气"
cron = "30 7 * * *"
timezone = "Europe/Berlin"
prompt = "今天柏林的天气？"

[[job]]
name = "新闻"
every = "12h"
jitter = "5m"
prompt = "今天的新闻？"

[[job]]
name = "暂停"
cron = "* * * * *"
prompt = "？"
enabled = false
"#;

/// What `next` prints; it ends well and says nothing else.
fn next(arguments: &[&str]) -> String {
    let place = Place::new(CONFIG);
    let arguments: Vec<&str> = ["next"].iter().chain(arguments).copied().collect();
    let output = place.run(&arguments);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert_eq!(place.files(), ["config.toml"]);
    output.stdout
}

fn refused(arguments: &[&str]) -> String {
    let output = Place::new(CONFIG).run(arguments);
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
    output.stderr
}

#[test]
fn every_enabled_job_is_listed_in_its_own_zone() {
    insta::assert_snapshot!(next(&["-n", "6", "--after", "2026-11-23T00:00:00+08:00"]), @r"
    2026-11-23 Mon 08:00:00 +08:00  Asia/Shanghai  gold
    2026-11-23 Mon 08:00:00 +08:00  Asia/Shanghai  新闻      (+1m jitter)
    2026-11-23 Mon 07:30:00 +01:00  Europe/Berlin  柏林天气
    2026-11-23 Mon 20:00:00 +08:00  Asia/Shanghai  新闻      (+3m 5s jitter)
    2026-11-24 Tue 08:00:00 +08:00  Asia/Shanghai  gold
    2026-11-24 Tue 08:00:00 +08:00  Asia/Shanghai  新闻      (+4m 9s jitter)
    ");
}

#[test]
fn one_job_alone_is_listed() {
    // A wall clock without a zone is that of the file.
    insta::assert_snapshot!(next(&["gold", "-n", "3", "--after", "2026-11-27T07:59"]), @r"
    2026-11-27 Fri 08:00:00 +08:00  Asia/Shanghai  gold
    2026-11-30 Mon 08:00:00 +08:00  Asia/Shanghai  gold
    2026-12-01 Tue 08:00:00 +08:00  Asia/Shanghai  gold
    ");
}

#[test]
fn json_is_one_object_a_line() {
    assert_eq!(
        next(&[
            "gold",
            "--json",
            "-n",
            "2",
            "--after",
            "2026-11-22T20:00:00Z"
        ]),
        concat!(
            r#"{"job":"gold","scheduled_at":"2026-11-23T00:00:00Z","local":"2026-11-23T08:00:00+08:00"}"#,
            "\n",
            r#"{"job":"gold","scheduled_at":"2026-11-24T00:00:00Z","local":"2026-11-24T08:00:00+08:00"}"#,
            "\n"
        )
    );
    insta::assert_snapshot!(next(&["新闻", "--json", "-n", "1", "--after", "2026-11-23T00:00:00Z"]), @r#"{"job":"新闻","scheduled_at":"2026-11-23T12:00:00Z","local":"2026-11-23T20:00:00+08:00","due_at":"2026-11-23T12:03:05.603Z"}"#);
}

#[test]
fn without_a_number_ten_are_listed_from_now_on() {
    let place = Place::new(CONFIG);
    let before = chrono::Utc::now();
    let lines = place.json_lines(&["next", "--json"]);
    assert_eq!(lines.len(), 10);
    let instants: Vec<chrono::DateTime<chrono::Utc>> = lines
        .iter()
        .map(|line| line["scheduled_at"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(instants.is_sorted() && instants[0] > before, "{instants:?}");
}

#[test]
fn what_cannot_be_listed_is_told() {
    insta::assert_snapshot!(refused(&["next", "silber"]), @"there is no job silber in config.toml: it has gold, 柏林天气, 新闻, 暂停");
    insta::assert_snapshot!(refused(&["next", "暂停"]), @"job 暂停 is not enabled: it is never due (set enabled = true)");
    insta::assert_snapshot!(refused(&["next", "--after", "明天"]), @"`明天` is no instant: write 2026-12-24T08:00 (in Asia/Shanghai) or 2026-12-24T08:00:00Z");
}
