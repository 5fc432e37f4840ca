//! The real daemon, killed at chosen points of a run's way and started again: nothing is lost,
//! nothing runs twice, and a push is repeated only where its reply was lost.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::collections::BTreeSet;

use ai::{Gate, Reply};
use chrono::{TimeDelta, Utc};
use daemon::{SOON, World, one_shot, state};
use ntfy::{
    FakeNtfy, Fault,
    rules::{Access, Rights, Settings},
};
use serde_json::Value;

/// One occurrence that fell due a minute ago, while the daemon was down.
fn due(targets: &str, keys: &str) -> World {
    due_on(FakeNtfy::start(), targets, keys)
}

fn due_on(ntfy: FakeNtfy, targets: &str, keys: &str) -> World {
    let ago = TimeDelta::minutes(1);
    let job = format!("{}{keys}", one_shot("金价", ago));
    let world = World::on(ntfy, "", targets, &job);
    world.stopped_at(Utc::now() - ago - ago);
    world
}

const PHONE: &str = "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"";

/// The texts that arrived, in order.
fn texts(world: &World) -> Vec<String> {
    let messages = world.ntfy.messages("gold");
    let text =
        |message: &serde_json::Map<String, Value>| message["message"].as_str().unwrap().into();
    messages.iter().map(text).collect()
}

/// The sequence ids of every publish request, in order.
fn sequence_ids(world: &World) -> Vec<String> {
    let id = |body: Value| body["sequence_id"].as_str().unwrap().to_owned();
    let publishes = world.ntfy.publishes();
    let bodies = publishes
        .iter()
        .map(|publish| serde_json::from_str(publish.text()).unwrap());
    bodies.map(id).collect()
}

fn run_id(world: &World) -> i64 {
    world.history()[0]["run"].as_i64().unwrap()
}

/// Waits until no run is live, stops the daemon, and checks the ledger.
fn settle(world: &World, daemon: daemon::Daemon) {
    world.wait_until("select count(*) from run where finished_at is null", 0);
    daemon.stop();
    world.audit();
}

#[test]
fn the_answer_of_an_attempt_that_died_is_never_pushed() {
    let world = due(PHONE, "");
    let gate = Gate::closed();
    world.ai.next(Reply::Held(
        gate.clone(),
        Box::new(Reply::Answer("旧".into())),
    ));
    world.ai.answer_with("新");
    let daemon = world.start();
    world.ai.wait_for(1, SOON);
    daemon.kill();
    gate.open();
    let daemon = world.start();
    daemon.wait_for_line("the last daemon was cut off");
    world.ntfy.wait_for(1, SOON);
    settle(&world, daemon);
    assert_eq!(texts(&world), ["新"]);
    assert_eq!(world.ai.questions().len(), 2);
    assert_eq!(world.states(), ["delivered"]);
    assert_eq!(world.history()[0]["attempts"], 2);
    assert_eq!(world.attempts(run_id(&world)), ["lost", "answered"]);
}

#[test]
fn a_second_crash_while_asking_is_one_more_lost_attempt() {
    let world = due(PHONE, "");
    for _ in 0..2 {
        world.ai.next(Reply::Hang);
    }
    world.ai.answer_with("新");
    for nth in 1..=2 {
        let daemon = world.start();
        world.ai.wait_for(nth, SOON);
        daemon.kill();
    }
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    settle(&world, daemon);
    assert_eq!(world.states(), ["delivered"]);
    assert_eq!(world.attempts(run_id(&world)), ["lost", "lost", "answered"]);
}

/// Whether the answer had reached the ledger is a matter of microseconds; both ways are right.
#[test]
fn killed_as_the_answer_comes_it_is_asked_again_or_pushed_as_it_was() {
    for _ in 0..5 {
        let world = due(PHONE, "");
        let gate = Gate::closed();
        world.ai.next(Reply::Held(
            gate.clone(),
            Box::new(Reply::Answer("旧".into())),
        ));
        world.ai.answer_with("新");
        let daemon = world.start();
        world.ai.wait_for(1, SOON);
        gate.open();
        daemon.kill();
        let daemon = world.start();
        world.ntfy.wait_for(1, SOON);
        settle(&world, daemon);
        assert_eq!(world.states(), ["delivered"]);
        let asked_again = world.ai.questions().len() == 2;
        let ids: BTreeSet<_> = sequence_ids(&world).into_iter().collect();
        assert_eq!(ids.len(), 1, "one run, one message");
        let texts: BTreeSet<_> = texts(&world).into_iter().collect();
        let right = if asked_again { "新" } else { "旧" };
        assert_eq!(texts, BTreeSet::from([right.to_owned()]));
    }
}

#[test]
fn a_push_that_never_arrived_is_sent_again_without_asking_again() {
    let world = due(PHONE, "");
    world.ai.answer_with("答案");
    world.ntfy.fail(1, Fault::Hang);
    let daemon = world.start();
    world.ntfy.wait_for_publishes(1, SOON);
    daemon.kill();
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    settle(&world, daemon);
    assert_eq!(world.ai.questions().len(), 1);
    assert_eq!(texts(&world), ["答案"]);
    let delivery = &world.show(run_id(&world))["deliveries"][0];
    assert_eq!(
        (&delivery["state"], &delivery["attempts"]),
        (&"delivered".into(), &2.into())
    );
}

/// Killed when the message is stored and its reply is not yet read; then started again.
fn killed_before_the_reply(world: &World) -> daemon::Daemon {
    world.ai.answer_with("答案");
    world.ntfy.fail(1, Fault::HangAfterStoring);
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    daemon.kill();
    assert_eq!(world.number(UNKNOWN), 0);
    world.start()
}

const UNKNOWN: &str = "select count(*) from delivery_attempt where outcome = 'unknown'";

#[test]
fn after_a_lost_reply_a_message_that_is_there_is_not_sent_again() {
    let world = due(PHONE, "");
    let daemon = killed_before_the_reply(&world);
    settle(&world, daemon);
    assert_eq!(world.number(UNKNOWN), 1);
    assert_eq!(world.states(), ["delivered"]);
    assert_eq!(world.ai.questions().len(), 1);
    assert_eq!(world.ntfy.polls(), 1);
    assert_eq!(texts(&world), ["答案"]);
}

#[test]
fn after_a_lost_reply_an_unreadable_topic_gets_a_copy_that_replaces_the_first() {
    let settings = Settings {
        access: Some(Access {
            headers: vec!["Bearer tk_right".to_owned()],
            user: Rights::WriteOnly,
            everyone: Rights::Deny,
        }),
        ..Settings::default()
    };
    let target = format!("{PHONE}\ntoken = \"tk_right\"");
    let world = due_on(FakeNtfy::with(settings), &target, "");
    let daemon = killed_before_the_reply(&world);
    world.ntfy.wait_for(2, SOON);
    settle(&world, daemon);
    assert_eq!(world.number(UNKNOWN), 1);
    assert_eq!(world.ai.questions().len(), 1);
    assert_eq!(texts(&world), ["答案", "答案"]);
    let ids = sequence_ids(&world);
    assert_eq!(ids[0], ids[1], "the phone replaces the first by the second");
}

#[test]
fn killed_between_two_parts_each_part_arrives_once_and_in_order() {
    let world = due(&format!("{PHONE}\nmax_bytes = 100"), "");
    let line = "今天的金价上涨了百分之一点五。";
    world.ai.answer_with(&[line; 6].join("\n\n"));
    let daemon = world.start();
    world.wait_until("select count(*) from delivery where state = 'delivered'", 1);
    daemon.kill();
    assert_eq!(
        world.number("select count(*) from delivery where state = 'owed'"),
        2
    );
    let daemon = world.start();
    settle(&world, daemon);
    let titles: Vec<_> = (world.ntfy.messages("gold").iter())
        .map(|message| message["title"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(titles, ["(3/3)", "(2/3)", "(1/3)"]);
    assert_eq!(world.ai.questions().len(), 1);
}

#[test]
fn killed_between_two_targets_the_first_gets_no_second_copy() {
    let targets = format!("{PHONE}\n[ntfy.tablet]\nserver = \"NTFY\"\ntopic = \"tablet\"");
    let world = due(&targets, "ntfy = [\"phone\", \"tablet\"]\n");
    world.ai.answer_with("答案");
    // Whichever is sent second hangs.
    world.ntfy.fail(2, Fault::Hang);
    let daemon = world.start();
    world.ntfy.wait_for_publishes(2, SOON);
    world.wait_until("select count(*) from delivery where state = 'delivered'", 1);
    daemon.kill();
    let daemon = world.start();
    settle(&world, daemon);
    for topic in ["gold", "tablet"] {
        assert_eq!(world.ntfy.messages(topic).len(), 1, "{topic}");
    }
    assert_eq!(world.states(), ["delivered"]);
}

#[test]
fn a_waiting_retry_keeps_its_instant_over_a_crash() {
    let world = due(PHONE, "");
    world
        .ai
        .next(Reply::openai_error(503, "overloaded", "busy"));
    world.ai.answer_with("答案");
    let waiting = "select count(*) from run where state = 'planned'
        and next_attempt_at - (select max(finished_at) from attempt) >= 1000";
    let daemon = world.start();
    world.wait_until(waiting, 1);
    daemon.kill();
    let at = world.number("select next_attempt_at from run");
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    settle(&world, daemon);
    assert_eq!(world.attempts(run_id(&world)), ["failed", "answered"]);
    let began = world.number("select started_at from attempt where number = 2");
    assert!(began >= at, "asked {} ms too early", at - began);
}

#[test]
fn a_push_that_waits_keeps_its_instant_over_a_crash() {
    let world = due(PHONE, "");
    world.ai.answer_with("答案");
    world.ntfy.fail(1, Fault::Code(50001));
    let daemon = world.start();
    world.wait_until(
        "select count(*) from delivery_attempt where outcome = 'failed'",
        1,
    );
    daemon.kill();
    let at = world.number("select next_at from delivery");
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    settle(&world, daemon);
    let began = world.number("select started_at from delivery_attempt where number = 2");
    assert!(began >= at, "pushed {} ms too early", at - began);
    assert_eq!(world.ntfy.publishes().len(), 2);
}

#[test]
fn the_notice_of_a_failed_run_survives_a_crash() {
    let world = due(PHONE, "retry_for = \"0s\"\n");
    world
        .ai
        .next(Reply::openai_error(400, "bad_request", "no such model"));
    world.ntfy.fail(1, Fault::Hang);
    let daemon = world.start();
    world.ntfy.wait_for_publishes(1, SOON);
    daemon.kill();
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    world.wait_until(
        "select count(*) from delivery where state <> 'delivered'",
        0,
    );
    settle(&world, daemon);
    assert_eq!(world.ntfy.messages("gold")[0]["title"], "金价 failed");
    assert_eq!(world.ai.questions().len(), 1);
    assert!(
        world.states()[0].starts_with("failed("),
        "{:?}",
        world.states()
    );
}

#[test]
fn a_pause_survives_a_crash_and_ends_as_one_record() {
    let world = World::new("[[job]]\nname = \"金价\"\ncron = \"* * * * * *\"\nprompt = \"？\"\n");
    world.ai.answer_with("答案");
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    assert_eq!(world.run(&["pause", "金价"]).code, Some(0));
    let paused_at = world.number("select paused_at from job");
    daemon.kill();
    let daemon = world.start();
    // Three seconds of the pause are planned by nobody, and the daemon has looked at them.
    let newest = "select max(scheduled_at) > (select paused_at from job) from run";
    let beat = "select beat_at > (select paused_at from job) + 3000 from beat";
    assert_ne!(world.maybe_number(newest), Some(1));
    world.wait_until(beat, 1);
    assert_ne!(world.maybe_number(newest), Some(1));
    assert_eq!(world.run(&["resume", "金价"]).code, Some(0));
    world.wait_until("select count(*) from run where reason = 'paused'", 1);
    let records: Vec<_> = (world.history().into_iter())
        .filter(|row| row["reason"] == "paused")
        .collect();
    assert_eq!(records.len(), 1, "{records:#?}");
    assert!(records[0]["count"].as_i64() >= Some(3), "{records:#?}");
    let from: chrono::DateTime<Utc> = records[0]["scheduled_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(from.timestamp_millis() > paused_at);
    // It goes on.
    let before = world.ntfy.publishes().len();
    world.ntfy.wait_for_publishes(before + 1, SOON);
    daemon.stop();
    world.audit();
}

#[test]
fn killed_while_it_catches_up_each_occurrence_runs_once() {
    let now = Utc::now();
    let jobs = "[[job]]\nname = \"金价\"\nevery = \"1h\"\ncatch_up = \"all\"\nprompt = \"？\"\n";
    let world = World::new(jobs);
    world.stopped_at(now - TimeDelta::hours(5));
    world.ai.next(Reply::Answer("第一".into()));
    world.ai.next(Reply::Hang);
    world.ai.answer_with("答案");
    let daemon = world.start();
    world.ai.wait_for(2, SOON);
    daemon.kill();
    let daemon = world.start();
    settle(&world, daemon);
    let rows = world.history();
    assert!(rows.len() == 5 || rows.len() == 6, "{rows:#?}");
    assert!(
        rows.iter().all(|row| state(row) == "delivered"),
        "{rows:#?}"
    );
    // The one that was cut off was asked twice.
    assert_eq!(world.ai.questions().len(), rows.len() + 1);
    let ids: BTreeSet<_> = sequence_ids(&world).into_iter().collect();
    assert_eq!(ids.len(), rows.len());
}
