//! `promptcron run`, the real binary over real sockets: jobs fire at their instants, side by side,
//! each answered and pushed once, with one line in the log.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use std::{collections::BTreeSet, time::Instant};

use ai::{FakeAi, FakeKimi, Gate, Reply};
use chrono::{DateTime, TimeDelta, Utc};
use ntfy::FakeNtfy;
use process::{DEADLINE, Place, Signal};
use serde_json::{Value, json};

const ANSWER: &str = "**上海金** 报 801.5 元/克。[^1^]";

/// A config of one endpoint and one target; `jobs` follow.
fn config(ai: &FakeAi, ntfy: &FakeNtfy, top: &str, jobs: &str) -> String {
    format!(
        r#"
timezone = "Asia/Shanghai"
{top}

[ai.kimi]
api = "kimi"
base_url = "{}"
tokens = ["eyJhbGci-token-0001"]

[ntfy.phone]
server = "{}"
topic = "hotine"
{jobs}
"#,
        ai.base_url(),
        ntfy.url(),
    )
}

/// A job that is due each second.
fn each_second(name: &str, keys: &str) -> String {
    format!(
        r#"
[[job]]
name = "{name}"
cron = "* * * * * *"
prompt = "{name}：分析一下当前国内上海金价格。"
title = "金价分析"
tags = ["💰"]
{keys}
"#
    )
}

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn a_job_of_each_second_is_asked_and_pushed_once_a_second() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    // A busy machine may be slower than a second.
    let job = each_second("金价", "overlap = \"allow\"");
    let place = Place::new(&config(&kimi, &ntfy, "", &job));

    let daemon = place.start(&["run"]);
    ntfy.wait_for(4, DEADLINE);
    let output = daemon.end(Signal::TERM);

    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""));
    let rows = place.history();
    // The stop may have come between the last one's instant and its claim.
    let done: Vec<&Value> = rows
        .iter()
        .filter(|row| row["state"] != "planned")
        .collect();
    assert!(done.len() >= 4 && done.len() + 1 >= rows.len(), "{rows:?}");
    for (row, next) in done.iter().zip(&done[1..]) {
        let step = instant(&next["scheduled_at"]) - instant(&row["scheduled_at"]);
        assert_eq!(step, TimeDelta::seconds(1), "{rows:?}");
    }
    for row in &done {
        let due = instant(&row["scheduled_at"]);
        assert_eq!(due.timestamp_subsec_millis(), 0);
        let wanted = json!({
            "run": row["run"], "job": "金价", "scheduled_at": row["scheduled_at"], "trigger": "schedule",
            "state": "delivered", "reason": null, "ai": "kimi", "attempts": 1, "asked_ms": row["asked_ms"],
            "pushed_ms": row["pushed_ms"], "parts": 1,
        });
        assert_eq!(**row, wanted);
        let shown = place.shown(row["run"].as_u64().unwrap());
        assert!(instant(&shown["attempt_rows"][0]["started_at"]) >= due);
    }
    // Each asked once, each pushed once.
    assert_eq!(kimi.questions().len(), done.len());
    let pushes = ntfy.publishes();
    assert_eq!(pushes.len(), done.len());
    let bodies: Vec<Value> = pushes
        .iter()
        .map(|push| serde_json::from_str(push.text()).unwrap())
        .collect();
    let ids: BTreeSet<&str> = bodies
        .iter()
        .map(|body| body["sequence_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), pushes.len());
    for (body, push) in bodies.iter().zip(&pushes) {
        let id = &body["sequence_id"];
        assert_eq!(
            push.text(),
            format!(
                r#"{{"topic":"hotine","message":"上海金 报 801.5 元/克。","title":"金价分析","tags":["moneybag"],"sequence_id":{id}}}"#
            )
        );
    }
    let audit = place.run(&["audit"]);
    assert_eq!(audit.code, Some(0), "{}", audit.stdout);
}

#[test]
fn no_more_than_max_in_flight_are_asked_at_once() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    let held = |gate: &Gate| Reply::Held(gate.clone(), Box::new(Reply::Answer(ANSWER.to_owned())));
    let (first, others) = (Gate::closed(), Gate::closed());
    kimi.next(held(&first));
    kimi.reply_with(held(&others));
    let jobs = ["金价", "天气", "新闻"]
        .map(|name| each_second(name, ""))
        .concat();
    let place = Place::new(&config(&kimi, &ntfy, "max_in_flight = 2", &jobs));

    let daemon = place.start(&["run"]);
    kimi.wait_for(2, DEADLINE);
    // A second later all loops have had their turns.
    let rows = history_with(&place, "skipped");
    let live: Vec<&Value> = rows
        .iter()
        .filter(|row| row["state"] != "skipped")
        .collect();
    assert_eq!(
        live.iter().map(|row| &row["state"]).collect::<Vec<_>>(),
        ["asking", "asking", "planned"]
    );
    assert_eq!(kimi.questions().len(), 2);

    first.open();
    let asked = kimi.wait_for(3, DEADLINE);
    // The slot goes to the one that waited.
    let waited = live[2]["job"].as_str().unwrap();
    assert!(
        asked[2].text().contains(&format!("{waited}：")),
        "{}",
        asked[2].text()
    );
    ntfy.wait_for(1, DEADLINE);
    others.open();
    ntfy.wait_for(3, DEADLINE);
    assert_eq!(daemon.end(Signal::TERM).code, Some(0));
}

/// The history once it has a run in that state.
fn history_with(place: &Place, state: &str) -> Vec<Value> {
    let until = Instant::now() + DEADLINE;
    loop {
        let rows = place.history();
        if rows.iter().any(|row| row["state"] == state) {
            return rows;
        }
        assert!(Instant::now() < until, "no {state} run: {rows:?}");
    }
}

#[test]
fn jobs_run_side_by_side() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    let gate = Gate::closed();
    kimi.reply_with(Reply::Held(
        gate.clone(),
        Box::new(Reply::Answer(ANSWER.to_owned())),
    ));
    let jobs = ["金价", "天气", "新闻", "股市"]
        .map(|name| each_second(name, ""))
        .concat();
    let place = Place::new(&config(&kimi, &ntfy, "", &jobs));

    let daemon = place.start(&["run"]);
    // None of them is answered before all are asked.
    let asked = kimi.wait_for(4, DEADLINE);
    let prompts: BTreeSet<String> = asked
        .iter()
        .map(|question| question.json()["messages"][0]["content"].to_string())
        .collect();
    assert_eq!(prompts.len(), 4);
    gate.open();
    ntfy.wait_for(4, DEADLINE);

    assert_eq!(daemon.end(Signal::INT).code, Some(0));
}

#[test]
fn a_run_ends_with_one_line_for_people() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    let place = Place::new(&config(&kimi, &ntfy, "", &each_second("金价", "")));

    let daemon = place.start(&["run"]);
    let line = daemon.wait_for_log(" delivered ");
    let output = daemon.end(Signal::TERM);

    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""));
    assert_eq!(output.stderr.matches(" run=1 ").count(), 1);
    let form = regex::Regex::new(
        r#"^\S+Z  INFO delivered job="金价" run=1 scheduled_at="(\S+)" asked_ms=\d+ pushed_ms=\d+ bytes=30 parts=1 token="\#1 …0001"$"#,
    )
    .unwrap();
    let found = form.captures(&line).unwrap_or_else(|| panic!("{line}"));
    assert_eq!(
        found[1],
        *place.history()[0]["scheduled_at"].as_str().unwrap()
    );
}

#[test]
fn a_run_ends_with_one_line_for_machines() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    let place = Place::new(&config(&kimi, &ntfy, "", &each_second("金价", "")));

    let daemon = place.start(&["run", "--log-format", "json"]);
    let line = daemon.wait_for_log("\"delivered\"");
    let output = daemon.end(Signal::TERM);

    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""));
    for line in output.stderr.lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap().is_object());
    }
    let line: Value = serde_json::from_str(&line).unwrap();
    let row = &place.history()[0];
    let wanted = json!({
        "timestamp": line["timestamp"], "level": "INFO", "message": "delivered", "job": "金价", "run": 1,
        "scheduled_at": row["scheduled_at"], "asked_ms": row["asked_ms"], "pushed_ms": row["pushed_ms"],
        "bytes": 30, "parts": 1, "token": "#1 …0001",
    });
    assert_eq!(line, wanted);
}

#[test]
fn the_next_token_takes_over_from_a_dead_one() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    kimi.reply_to("eyJhbGci-token-0001", Reply::kimi_error(-2001, "请求失败"));
    let job = each_second("金价", "overlap = \"allow\"");
    let two = config(&kimi, &ntfy, "", &job).replace("0001\"]", "0001\", \"eyJhbGci-token-0002\"]");
    let place = Place::new(&two);

    let daemon = place.start(&["run"]);
    ntfy.wait_for(2, DEADLINE);
    let line = daemon.wait_for_log("another token is asked");
    assert!(line.contains(r#"kind="token_refused""#), "{line}");
    let line = daemon.wait_for_log(" delivered ");
    assert!(line.ends_with(r##"token="#2 …0002""##), "{line}");
    assert_eq!(daemon.end(Signal::TERM).code, Some(0));

    // The dead one is left alone from then on.
    let tokens = kimi.tokens();
    assert_eq!(tokens[0], "eyJhbGci-token-0001");
    assert!(
        tokens.len() >= 3
            && tokens[1..]
                .iter()
                .all(|token| token == "eyJhbGci-token-0002"),
        "{tokens:?}"
    );
}

#[test]
fn parts_come_in_order_though_daemon_and_commands_push_side_by_side() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    let answer: Vec<String> = ["甲", "乙", "丙"].map(|name| name.repeat(90)).into();
    kimi.answer_with(&answer.join("\n\n"));
    let jobs = ["金价", "天气"]
        .map(|name| each_second(name, "enabled = false"))
        .concat();
    let config = config(&kimi, &ntfy, "", &jobs);
    let small = config.replace("topic = \"hotine\"", "topic = \"hotine\"\nmax_bytes = 300");
    let place = Place::new(&small);

    let daemon = place.start(&["run"]);
    daemon.wait_for_log("starting");
    let commands = ["金价", "天气"].map(|name| place.start(&["once", name]));
    for command in commands {
        let output = command.wait(DEADLINE);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(
            output.stdout.contains("3 of 3 messages pushed"),
            "{}",
            output.stdout
        );
    }
    assert_eq!(daemon.end(Signal::TERM).code, Some(0));

    assert_eq!(ntfy.publishes().len(), 6);
    for run in [1, 2] {
        let shown = place.shown(run);
        let deliveries = shown["deliveries"].as_array().unwrap();
        let mut sent: Vec<(DateTime<Utc>, &Value)> = deliveries
            .iter()
            .map(|delivery| (instant(&delivery["delivered_at"]), &delivery["part"]))
            .collect();
        sent.sort_by_key(|(at, _)| *at);
        let parts: Vec<&Value> = sent.iter().map(|(_, part)| *part).collect();
        // The newest stands on top: part 1 comes last.
        assert_eq!(parts, [&json!(3), &json!(2), &json!(1)]);
        for (one, next) in sent.iter().zip(&sent[1..]) {
            assert!(next.0 - one.0 >= TimeDelta::seconds(1), "{sent:?}");
        }
    }
}

#[test]
fn a_run_that_waits_for_the_one_before_it_keeps_nobody_busy() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    let gate = Gate::closed();
    kimi.reply_with(Reply::Held(
        gate.clone(),
        Box::new(Reply::Answer(ANSWER.to_owned())),
    ));
    let job = each_second("金价", "overlap = \"queue\"");
    let place = Place::new(&config(&kimi, &ntfy, "", &job));

    let daemon = place.start(&["run"]);
    kimi.wait_for(1, DEADLINE);
    history_with(&place, "planned");
    let (from, before) = (Instant::now(), daemon.cpu_time());
    let waiting = |rows: &[Value]| rows.iter().filter(|row| row["state"] == "planned").count();
    while waiting(&place.history()) < 4 {
        assert!(from.elapsed() < DEADLINE);
    }
    let (elapsed, used) = (from.elapsed(), daemon.cpu_time() - before);
    assert!(used < elapsed / 4, "{used:?} of {elapsed:?}");
    assert_eq!(kimi.questions().len(), 1);

    gate.open();
    ntfy.wait_for(4, DEADLINE);
    assert_eq!(daemon.end(Signal::TERM).code, Some(0));
}
