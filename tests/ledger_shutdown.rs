//! Stopping and going on, on the real daemon: drain, interruption, lost attempts, backoff over a
//! restart, and commands beside a running daemon.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::process::{Command, Stdio};

use ai::{Gate, Reply};
use chrono::{TimeDelta, Utc};
use daemon::{Daemon, SOON, World, one_shot};

const LIVE: &str = "select count(*) from run where finished_at is null";
const PHONE: &str = "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"";

/// One occurrence that fell due a few seconds ago, while the daemon was down.
fn due(top: &str, targets: &str, keys: &str) -> World {
    let ago = TimeDelta::seconds(5);
    let world = World::with(top, targets, &format!("{}{keys}", one_shot("金价", ago)));
    world.stopped_at(Utc::now() - ago - ago);
    world
}

fn held(world: &World) -> Gate {
    let gate = Gate::closed();
    let first = Reply::Answer("第一".into());
    world.ai.next(Reply::Held(gate.clone(), Box::new(first)));
    gate
}

fn settle(world: &World, daemon: Daemon) {
    world.wait_until(LIVE, 0);
    daemon.stop();
    world.audit();
}

#[test]
fn an_answer_within_the_drain_is_still_delivered() {
    let world = due("drain = \"20s\"", PHONE, "");
    let gate = held(&world);
    let daemon = world.start();
    world.ai.wait_for(1, SOON);
    daemon.signal("TERM");
    daemon.wait_for_line("waiting for running AI calls");
    gate.open();
    let ended = daemon.wait();
    assert!(ended.status.success(), "{ended:#?}");
    assert_eq!(ended.count("delivered"), 1, "{ended:#?}");
    assert_eq!(world.states(), ["delivered"]);
    world.audit();
}

#[test]
fn every_part_of_an_answer_goes_out_before_it_stops() {
    let world = due("", &format!("{PHONE}\nmax_bytes = 100"), "");
    let line = "今天的金价上涨了百分之一点五。";
    world.ai.answer_with(&[line; 6].join("\n\n"));
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    daemon.stop();
    assert_eq!(world.ntfy.messages("gold").len(), 3);
    assert_eq!(world.states(), ["delivered"]);
    world.audit();
}

#[test]
fn a_run_cut_off_by_the_stop_counts_no_attempt_and_is_taken_up_again() {
    let world = due("drain = \"200ms\"", PHONE, "start_deadline = \"1m\"\n");
    let gate = held(&world);
    world.ai.answer_with("第二");
    let daemon = world.start();
    world.ai.wait_for(1, SOON);
    let ended = daemon.stop();
    gate.open();
    assert_eq!(
        ended.count("interrupted: it is taken up at the next start"),
        1,
        "{ended:#?}"
    );
    assert_eq!(world.states(), ["planned"]);
    assert_eq!(world.history()[0]["attempts"], 0);
    world.audit();
    // Though it could not be begun any more by now, it was.
    assert_eq!(world.edit("update run set start_by = 1"), 1);
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    settle(&world, daemon);
    assert_eq!(world.attempts(1), ["interrupted", "answered"]);
    assert_eq!(world.history()[0]["attempts"], 1);
    assert_eq!(world.ntfy.messages("gold")[0]["message"], "第二");
}

#[test]
fn a_second_signal_stops_at_once() {
    let world = due("drain = \"10m\"", PHONE, "");
    let gate = held(&world);
    let daemon = world.start();
    world.ai.wait_for(1, SOON);
    daemon.signal("TERM");
    daemon.wait_for_line("a second signal stops at once");
    daemon.signal("INT");
    let ended = daemon.wait();
    assert!(ended.status.success(), "{ended:#?}");
    assert_eq!(ended.count("stopping at once"), 1, "{ended:#?}");
    gate.open();
    assert_eq!(world.states(), ["planned"]);
    assert_eq!(world.attempts(1), ["interrupted"]);
    world.audit();
}

#[test]
fn a_push_cut_off_by_the_stop_is_looked_for_and_not_sent_again() {
    let world = due("", PHONE, "");
    world.ai.answer_with("答案");
    world.ntfy.fail(1, ntfy::Fault::HangAfterStoring);
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    daemon.signal("TERM");
    daemon.wait_for_line("a second signal stops at once");
    daemon.signal("TERM");
    assert!(daemon.wait().status.success());
    let unknown = "select count(*) from delivery_attempt where outcome = 'unknown'";
    assert_eq!(world.number(unknown), 1);
    settle(&world, world.start());
    assert_eq!(world.ntfy.messages("gold").len(), 1);
    assert_eq!(world.ntfy.publishes().len(), 1);
}

#[test]
fn the_backoff_goes_on_where_it_was_after_a_restart() {
    let world = due("", PHONE, "");
    world
        .ai
        .reply_with(Reply::openai_error(503, "overloaded", "busy"));
    let daemon = world.start();
    world.wait_until("select count(*) from attempt where outcome = 'failed'", 1);
    daemon.stop();
    // Four failed attempts before, an hour's quarter to wait: as the ledger of a longer outage.
    let before = "insert into attempt (run_id, number, started_at, finished_at, outcome, ai)
        values (1, 2, 1, 1, 'failed', 'local'), (1, 3, 1, 1, 'lost', 'local'),
               (1, 4, 1, 1, 'interrupted', 'local'), (1, 5, 1, 1, 'failed', 'local')";
    assert_eq!(world.edit(before), 4);
    assert_eq!(world.edit("update run set next_attempt_at = 1"), 1);
    let daemon = world.start();
    world.wait_until(
        "select count(*) from attempt where number = 6 and outcome = 'failed'",
        1,
    );
    daemon.stop();
    // The fifth that counts: up to 10 s x 3^4, not up to the first one's 10 s.
    let wait = "select next_attempt_at - (select max(finished_at) from attempt) from run";
    let wait = world.number(wait);
    assert!((1_000..=811_000).contains(&wait), "{wait}");
    let shown = world.show(1);
    assert_eq!(shown["attempts"], 5);
    assert_eq!(shown["attempt_rows"][5]["number"], 6);
    world.audit();
}

#[test]
fn retries_end_with_retry_for_counted_from_the_first_claim() {
    let world = due("", PHONE, "retry_for = \"1h\"\n");
    world
        .ai
        .reply_with(Reply::openai_error(503, "overloaded", "busy"));
    let daemon = world.start();
    world.wait_until("select count(*) from attempt where outcome = 'failed'", 1);
    daemon.stop();
    let past = (Utc::now() - TimeDelta::minutes(61)).timestamp_millis();
    world.edit(&format!(
        "update run set next_attempt_at = 1, first_claimed_at = {past}"
    ));
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    settle(&world, daemon);
    assert!(
        world.states()[0].starts_with("failed("),
        "{:?}",
        world.states()
    );
    assert_eq!(world.ntfy.messages("gold")[0]["title"], "金价 failed");
}

const BY_HAND: &str = "[[job]]\nname = \"手\"\ncron = \"0 0 1 1 *\"\nprompt = \"？\"\n";

#[test]
fn once_runs_beside_a_running_daemon() {
    let world = due("", PHONE, BY_HAND);
    let gate = held(&world);
    world.ai.answer_with("手动");
    let daemon = world.start();
    world.ai.wait_for(1, SOON);
    let once = world.run(&["once", "手"]);
    assert_eq!(once.code, Some(0), "{once:?}");
    gate.open();
    world.ntfy.wait_for(2, SOON);
    settle(&world, daemon);
    assert_eq!(world.states(), ["delivered", "delivered"]);
    assert_eq!(world.ai.questions().len(), 2);
    assert_eq!(world.ntfy.publishes().len(), 2);
    assert_eq!(
        world.number("select count(*) from run where trigger = 'manual'"),
        1
    );
}

#[test]
fn the_first_signal_cancels_a_once_that_asks() {
    let world = World::new(BY_HAND);
    let _gate = held(&world);
    let daemon = world.start();
    let mut once = world.promptcron(&["once", "手"]);
    let once = once.stderr(Stdio::piped()).spawn().unwrap();
    world.ai.wait_for(1, SOON);
    let signalled = Command::new("kill")
        .args(["-INT", &once.id().to_string()])
        .status();
    assert!(signalled.unwrap().success());
    world.wait_until(LIVE, 0);
    let ended = once.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(
        String::from_utf8_lossy(&ended.stderr),
        "job 手, run 1: cut off and cancelled: nothing more of it is asked or pushed\n"
    );
    settle(&world, daemon);
    assert_eq!(world.states(), ["cancelled(by hand)"]);
    assert_eq!(world.attempts(1), ["interrupted"]);
    assert_eq!(world.ai.questions().len(), 1);
}

#[test]
fn a_killed_once_is_taken_up_by_the_daemon_when_its_lease_is_over() {
    let world = World::new(BY_HAND);
    let gate = held(&world);
    world.ai.answer_with("第二");
    let daemon = world.start();
    let mut once = world.promptcron(&["once", "手"]);
    let mut once = once
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    world.ai.wait_for(1, SOON);
    once.kill().unwrap();
    once.wait().unwrap();
    gate.open();
    let lease = world.number("select lease_until from run");
    let now = Utc::now().timestamp_millis();
    assert!(
        (now..now + 61_000).contains(&lease),
        "a minute, then the daemon may have it"
    );
    assert_eq!(world.edit("update run set lease_until = 1"), 1);
    daemon.wait_for_line("a command was cut off");
    world.ntfy.wait_for(1, SOON);
    settle(&world, daemon);
    assert_eq!(world.attempts(1), ["lost", "answered"]);
    assert_eq!(world.ntfy.messages("gold")[0]["message"], "第二");
}

#[test]
fn a_daemon_that_starts_leaves_a_living_once_its_run() {
    let world = World::new(BY_HAND);
    let gate = held(&world);
    let mut once = world.promptcron(&["once", "手"]);
    let mut once = once.stdout(Stdio::null()).spawn().unwrap();
    world.ai.wait_for(1, SOON);
    let daemon = world.start();
    gate.open();
    assert!(once.wait().unwrap().success());
    settle(&world, daemon);
    assert_eq!(world.attempts(1), ["answered"]);
    assert_eq!(world.ai.questions().len(), 1);
    assert_eq!(world.ntfy.publishes().len(), 1);
}
