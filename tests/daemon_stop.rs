//! `promptcron run` and its signals: TERM and INT end it cleanly, HUP does not kill it.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use std::time::Duration;

use ai::{FakeKimi, Gate, Reply};
use ntfy::FakeNtfy;
use process::{DEADLINE, Place, Signal};

const ANSWER: &str = "上海金报 801.5 元/克。";

/// One job of each second; the keys of `top` stand before everything.
fn config(kimi: &FakeKimi, ntfy: &FakeNtfy, top: &str) -> String {
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

[[job]]
name = "金价"
cron = "* * * * * *"
prompt = "分析一下当前国内上海金价格。"
title = "金价分析"
"#,
        kimi.base_url(),
        ntfy.url(),
    )
}

fn held(gate: &Gate) -> Reply {
    Reply::Held(gate.clone(), Box::new(Reply::Answer(ANSWER.to_owned())))
}

#[test]
fn term_and_int_end_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
        kimi.answer_with(ANSWER);
        let place = Place::new(&config(&kimi, &ntfy, ""));

        let daemon = place.start(&["run"]);
        ntfy.wait_for(1, DEADLINE);
        let output = daemon.end(signal);

        assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""));
        let last = output.stderr.lines().last().unwrap();
        assert!(last.ends_with(" INFO stopped"), "{}", output.stderr);
        let health = place.run(&["health"]);
        assert_eq!(
            (health.code, health.stderr.as_str()),
            (Some(1), "not ok: the daemon has stopped\n")
        );
    }
}

#[test]
fn it_stops_at_once_where_nothing_runs() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    let config = config(&kimi, &ntfy, "").replace("* * * * * *", "0 8 29 2 *");
    let place = Place::new(&config);

    let daemon = place.start(&["run"]);
    daemon.wait_for_log("starting");
    daemon.signal(Signal::TERM);
    // Less than the default of `drain`.
    let output = daemon.wait(Duration::from_secs(20));

    assert_eq!(output.code, Some(0));
    assert!(
        !output.stderr.contains("waiting for running"),
        "{}",
        output.stderr
    );
}

#[test]
fn hup_does_not_end_it() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    let place = Place::new(&config(&kimi, &ntfy, ""));

    let daemon = place.start(&["run"]);
    ntfy.wait_for(1, DEADLINE);
    daemon.signal(Signal::HUP);
    let before = ntfy.publishes().len();
    ntfy.wait_for(before + 2, DEADLINE);

    assert_eq!(daemon.end(Signal::TERM).code, Some(0));
}

#[test]
fn a_running_question_is_waited_for_and_its_answer_pushed() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    let gate = Gate::closed();
    kimi.next(held(&gate));
    let place = Place::new(&config(&kimi, &ntfy, ""));

    let daemon = place.start(&["run"]);
    kimi.wait_for(1, DEADLINE);
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("waiting for running AI calls");
    gate.open();
    let output = daemon.wait(DEADLINE);

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(ntfy.messages("hotine").len(), 1);
    assert_eq!(kimi.questions().len(), 1);
    assert_eq!(place.history()[0]["state"], "delivered");
}

#[test]
fn a_second_signal_interrupts_and_the_run_is_taken_up_at_the_next_start() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.next(held(&Gate::closed()));
    let place = Place::new(&config(&kimi, &ntfy, ""));

    let daemon = place.start(&["run"]);
    kimi.wait_for(1, DEADLINE);
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("waiting for running AI calls");
    let output = daemon.end(Signal::INT);

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(ntfy.publishes().is_empty());
    let row = &place.history()[0];
    assert_eq!(
        (row["state"].as_str(), row["attempts"].as_u64()),
        (Some("planned"), Some(0))
    );

    kimi.answer_with(ANSWER);
    let daemon = place.start(&["run"]);
    ntfy.wait_for(1, DEADLINE);
    assert_eq!(daemon.end(Signal::TERM).code, Some(0));
    let row = &place.history()[0];
    assert_eq!(
        (row["state"].as_str(), row["attempts"].as_u64()),
        (Some("delivered"), Some(1))
    );
}

#[test]
fn what_still_runs_when_drain_is_over_is_interrupted() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.next(held(&Gate::closed()));
    let place = Place::new(&config(&kimi, &ntfy, "drain = \"1s\""));

    let daemon = place.start(&["run"]);
    kimi.wait_for(1, DEADLINE);
    let output = daemon.end(Signal::TERM);

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(place.history()[0]["state"], "planned");
}

#[test]
fn a_second_daemon_on_one_ledger_is_refused() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    let config = config(&kimi, &ntfy, "").replace("* * * * * *", "0 8 29 2 *");
    let place = Place::new(&config);

    let daemon = place.start(&["run"]);
    daemon.wait_for_log("starting");
    let second = place.run(&["run"]);

    assert_eq!((second.code, second.stdout.as_str()), (Some(1), ""));
    insta::assert_snapshot!(second.stderr, @"ledger promptcron.db: another promptcron daemon is running on it: stop that one first, or give this one a ledger of its own ([ledger] url)");
    assert_eq!(daemon.end(Signal::TERM).code, Some(0));
}
