//! `audit` finds what breaks the invariant: each kind of error, planted in a sound ledger.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use chrono::{TimeDelta, Utc};
use daemon::{SOON, World};

/// A ledger of five hours: a range of missed instants, and occurrences that ran.
fn sound() -> World {
    let job = "[[job]]\nname = \"金价\"\nevery = \"1h\"\nprompt = \"？\"\ncatch_up = \"all\"
catch_up_window = \"150m\"\n";
    let world = World::new(job);
    world.ai.answer_with("答案");
    world.stopped_at(Utc::now() - TimeDelta::minutes(330));
    let daemon = world.start();
    world.ntfy.wait_for(2, SOON);
    world.wait_until("select count(*) from run where finished_at is null", 0);
    daemon.stop();
    world.audit();
    world
}

/// Each planted error and what `audit` says of it; {run} is the newest run that was delivered.
const PLANTED: [(&str, &str); 25] = [
    ("delete from run where run_id = {run}", "is in no state"),
    ("delete from run where state = 'missed'", "is in no state"),
    ("update run set scheduled_at = scheduled_at + 1000 where run_id = {run}", "which is no instant of its schedule or has another record"),
    ("insert into run (job, scheduled_at, trigger, state, reason, due_at, planned_at, next_attempt_at, finished_at)
      select job, scheduled_at + 3600000, trigger, state, reason, due_at, planned_at, next_attempt_at, finished_at
      from run where state = 'missed'", "which is no instant of its schedule or has another record"),
    ("update run set instants = instants + 1 where state = 'missed'", "its schedule has"),
    ("update run set until_at = until_at + 3600000 where state = 'missed'", "its schedule has"),
    ("update run set state = 'sleeping' where run_id = {run}", "is in a state that there is not"),
    ("update run set finished_at = null where run_id = {run}", "ended without an instant, or has one and is live"),
    ("update run set state = 'planned' where run_id = {run}", "ended without an instant, or has one and is live"),
    ("update run set reason = null where state = 'missed'", "without a reason"),
    ("update delivery set state = 'owed' where run_id = {run}", "is delivered, with a delivery that is not"),
    ("delete from delivery where run_id = {run}", "is delivered, with a delivery that is not"),
    ("update run set state = 'answered', finished_at = null where run_id = {run}", "is answered and owes nothing"),
    ("update run set answered_at = null where run_id = {run}", "has a delivery and was never answered"),
    ("update attempt set outcome = 'asking' where run_id = {run}", "has an attempt that is under way while it is not asking"),
    ("insert into attempt select run_id, 2, started_at, finished_at, outcome, ai, token_label, error
      from attempt where run_id = {run}", "has two answered attempts"),
    ("update run set state = 'failed', reason = 'x' where run_id = {run};
      update delivery set state = 'owed' where run_id = {run}", "has ended and owes a delivery"),
    ("delete from attempt where run_id = {run}", "was answered by no attempt"),
    ("update run set state = 'asking', finished_at = null where run_id = {run}", "is asking without an attempt"),
    ("update run set state = 'claimed', finished_at = null where run_id = {run}", "is claimed by nobody"),
    ("delete from delivery_attempt", "has a delivery that was taken by no attempt"),
    ("insert into delivery_attempt select delivery_id, 2, started_at, finished_at, outcome, error
      from delivery_attempt", "has a delivery that was sent again though it was taken"),
    ("update delivery_attempt set outcome = 'sending'", "has a push under way while it is not being sent"),
    ("update delivery set state = 'sending' where run_id = {run}", "has a push under way while it is not being sent"),
    ("delete from run where run_id = {run} - 1", "is in no state"),
];

#[test]
fn each_planted_error_is_found_and_named() {
    let world = sound();
    let whole = std::fs::read(world.ledger()).unwrap();
    let run = world.number("select max(run_id) from run where state = 'delivered'");
    for (sql, says) in PLANTED {
        std::fs::write(world.ledger(), &whole).unwrap();
        let sql = sql.replace("{run}", &run.to_string());
        let sql = format!("pragma foreign_keys = off; {sql}");
        world.edit(&sql);
        let audit = world.run(&["audit"]);
        assert_eq!(audit.code, Some(1), "{sql}: {audit:?}");
        let found = audit
            .stdout
            .lines()
            .any(|line| line.starts_with("金价: ") && line.contains(says));
        assert!(found, "{sql}: {says:?} is not in {audit:?}");
    }
    std::fs::write(world.ledger(), &whole).unwrap();
    world.audit();
}

#[test]
fn a_stored_schedule_that_is_none_is_found() {
    let world = sound();
    world.edit("update revision set schedule = 'UTC every now'");
    let audit = world.run(&["audit"]);
    assert_eq!(
        (audit.code, &*audit.stdout),
        (Some(1), "金价: its schedule \"UTC every now\" is not one\n")
    );
}

#[test]
fn an_error_names_the_run_that_show_explains() {
    let world = sound();
    let run = world.number("select max(run_id) from run where state = 'delivered'");
    world.edit(&format!(
        "update delivery set state = 'owed' where run_id = {run}"
    ));
    let audit = world.run(&["audit"]);
    let line = format!("金价: run {run} is delivered, with a delivery that is not\n");
    assert_eq!((audit.code, audit.stdout), (Some(1), line));
    let shown = world.show(run);
    assert_eq!(shown["deliveries"][0]["state"], "owed");
}
