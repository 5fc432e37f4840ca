//! The real daemon under a wall clock that steps, by libfaketime; monotonic time goes on evenly.
//! Run by `.ci/heavy/run`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use ai::Reply;
use chrono::{DateTime, TimeDelta, Utc};
use daemon::{Daemon, SOON, World, eventually, one_shot};
use serde_json::Value;

/// What the AI says, and no notice does.
const ANSWER: &str = "答案";

const EACH_SECOND: &str = "[[job]]\nname = \"金价\"\ncron = \"* * * * * *\"\nprompt = \"？\"\n";

const FORWARD: &str = "the clock stepped forward";
const BACK: &str = "the clock stepped back";

/// Where Debian's package `libfaketime` puts it.
fn libfaketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries
        .find(|library| library.exists())
        .expect("apt-get install libfaketime")
}

/// The daemon's command, with a wall clock that [`step`] moves.
fn command(world: &World) -> Command {
    let mut command = world.promptcron(&["run"]);
    command
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME_TIMESTAMP_FILE", world.path().join("clock"))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

/// How far the daemon's clock is from the true one, such as `+2h`.
fn step(world: &World, offset: &str) {
    let next = world.path().join("clock.next");
    fs::write(&next, offset).unwrap();
    fs::rename(next, world.path().join("clock")).unwrap();
}

fn start(world: &World) -> Daemon {
    let (daemon, ready) = world.start_with(command(world));
    ready.wait(daemon)
}

/// Waits until `n` more occurrences were delivered, all of them planned within an hour of the
/// true time and `ahead` of it.
fn goes_on(world: &World, n: i64, ahead: TimeDelta) {
    let run = world.number("select coalesce(max(run_id), 0) from run");
    let around = (Utc::now() + ahead).timestamp_millis();
    let delivered = format!(
        "select count(*) >= {n} from run where run_id > {run} and state = 'delivered'
         and abs(scheduled_at - {around}) < 3600000"
    );
    world.wait_until(&delivered, 1);
}

/// No push came twice, and no occurrence has two runs; notices of what was missed come beside them.
fn nothing_is_repeated(world: &World) {
    let publishes = world.ntfy.publishes();
    let bodies: Vec<Value> = (publishes.iter())
        .map(|publish| serde_json::from_str(publish.text()).unwrap())
        .collect();
    let ids: BTreeSet<String> = (bodies.iter())
        .map(|body| body["sequence_id"].to_string())
        .collect();
    assert_eq!(ids.len(), bodies.len());
    let is_answer = |body: &&Value| body["message"].to_string().contains(ANSWER);
    assert_eq!(
        world.ai.questions().len(),
        bodies.iter().filter(is_answer).count()
    );
}

#[test]
fn steps_both_ways_repeat_no_occurrence_and_silence_none() {
    let world = World::new(EACH_SECOND);
    world.ai.answer_with(ANSWER);
    step(&world, "+0");
    let daemon = start(&world);
    goes_on(&world, 2, TimeDelta::zero());
    let mut was = 0;
    for (offset, hours) in [
        ("+2h", 2),
        ("+0", 0),
        ("-2h", -2),
        ("+0", 0),
        ("+10y", 87_600),
        ("+0", 0),
    ] {
        let line = if hours > was { FORWARD } else { BACK };
        was = hours;
        let count = |lines: &[String]| lines.iter().filter(|seen| seen.contains(line)).count();
        let before = count(&daemon.lines());
        step(&world, offset);
        eventually(&format!("{line} after {offset}"), || {
            count(&daemon.lines()) == before + 1
        });
        goes_on(&world, 2, TimeDelta::hours(hours));
    }
    let ended = daemon.stop();
    assert_eq!(
        (ended.count(FORWARD), ended.count(BACK)),
        (3, 3),
        "{ended:#?}"
    );
    world.audit();
    nothing_is_repeated(&world);
    // What was passed over is on record, and ten years of seconds are one row.
    assert_eq!(
        world.number("select count(*) > 0 from run where reason = 'superseded'"),
        1
    );
    assert!(world.number("select count(*) from run") < 2_000);
}

#[test]
fn a_daily_job_keeps_its_occurrences_over_a_step_back() {
    let ago = TimeDelta::minutes(30);
    let world = World::new(&format!("{}{EACH_SECOND}", one_shot("日报", ago)));
    world.ai.answer_with(ANSWER);
    world.stopped_at(Utc::now() - ago - ago);
    step(&world, "+0");
    let daemon = start(&world);
    goes_on(&world, 2, TimeDelta::zero());
    step(&world, "-2h");
    daemon.wait_for_line(BACK);
    goes_on(&world, 2, TimeDelta::hours(-2));
    step(&world, "+0");
    daemon.wait_for_line(FORWARD);
    goes_on(&world, 2, TimeDelta::zero());
    daemon.stop();
    world.audit();
    let daily = "select count(*) from run where job = '日报' and state = 'delivered'";
    assert_eq!(world.number(daily), 1);
    nothing_is_repeated(&world);
}

#[test]
fn a_waiting_retry_is_not_put_off_by_a_step_back() {
    let world = World::new(EACH_SECOND);
    world
        .ai
        .next(Reply::openai_error(503, "overloaded", "busy"));
    world.ai.answer_with(ANSWER);
    step(&world, "+10y");
    let daemon = start(&world);
    world.wait_until("select count(*) from attempt where outcome = 'failed'", 1);
    step(&world, "+0");
    daemon.wait_for_line(BACK);
    // Its job is skipped while it waits: ten years, if it waited for the wrong clock's instant.
    world.wait_until(
        "select count(*) from run where run_id = 1 and state = 'delivered'",
        1,
    );
    goes_on(&world, 2, TimeDelta::zero());
    daemon.stop();
    world.audit();
}

#[test]
fn a_waiting_push_is_not_put_off_by_a_step_back() {
    let world = World::new(EACH_SECOND);
    world.ai.answer_with(ANSWER);
    world.ntfy.outage(Some(ntfy::Fault::Code(50001)));
    step(&world, "+2h");
    let daemon = start(&world);
    world.wait_until(
        "select count(*) > 2 from delivery_attempt where outcome = 'failed'",
        1,
    );
    step(&world, "+0");
    daemon.wait_for_line(BACK);
    world.ntfy.outage(None);
    world.ntfy.wait_for(3, SOON);
    goes_on(&world, 1, TimeDelta::zero());
    daemon.stop();
    world.audit();
}

#[test]
fn a_step_back_while_it_was_down_is_noticed_at_the_start() {
    let world = World::new(EACH_SECOND);
    world.ai.answer_with(ANSWER);
    step(&world, "+10y");
    let daemon = start(&world);
    goes_on(&world, 2, TimeDelta::days(3650));
    // A run is left waiting by the crash.
    world
        .ai
        .reply_with(Reply::openai_error(503, "overloaded", "busy"));
    world.wait_until(
        "select count(*) from run where state = 'planned' and first_claimed_at > 0",
        1,
    );
    daemon.kill();
    world.ai.answer_with(ANSWER);
    step(&world, "+0");
    let daemon = start(&world);
    daemon.wait_for_line(BACK);
    goes_on(&world, 2, TimeDelta::zero());
    daemon.stop();
    world.audit();
}

#[test]
fn a_clock_that_jumps_ten_years_ahead_costs_no_history() {
    let world = World::new(EACH_SECOND);
    world.ai.answer_with(ANSWER);
    step(&world, "+0");
    let daemon = start(&world);
    goes_on(&world, 2, TimeDelta::zero());
    daemon.stop();
    let rows = world.history().len();
    step(&world, "+10y");
    let daemon = start(&world);
    goes_on(&world, 2, TimeDelta::days(3650));
    // Housekeeping has been there and pruned nothing.
    let beaten = world.number("select beat_at from beat");
    world.wait_until(&format!("select beat_at > {beaten} from beat"), 1);
    let ended = daemon.stop();
    assert_eq!(ended.count("pruned"), 0, "{ended:#?}");
    assert!(world.history().len() > rows);
    assert_ne!(world.show(1)["answer"], Value::Null);
    step(&world, "+0");
    let daemon = start(&world);
    goes_on(&world, 2, TimeDelta::zero());
    daemon.stop();
    world.audit();
}

#[test]
fn a_clock_that_was_never_set_is_refused_until_it_is() {
    let world = World::new(EACH_SECOND);
    world.ai.answer_with(ANSWER);
    step(&world, "-7y");
    let (daemon, ready) = world.start_with(command(&world));
    let line = daemon.wait_for_line("nothing is planned until it is set");
    assert!(line.contains("ERROR") && line.contains("built="), "{line}");
    assert!(
        !world.ledger().exists(),
        "nothing is written at an instant that is none"
    );
    step(&world, "+0");
    let daemon = ready.wait(daemon);
    world.ntfy.wait_for(2, SOON);
    let ended = daemon.stop();
    assert_eq!(
        ended.count("nothing is planned until it is set"),
        1,
        "{ended:#?}"
    );
    world.audit();
    let first: DateTime<Utc> = world.history()[0]["scheduled_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        Utc::now() - first < TimeDelta::hours(1),
        "no year is caught up: {first}"
    );
}

#[test]
fn stopped_before_the_clock_is_set_it_has_touched_nothing() {
    let world = World::new(EACH_SECOND);
    world.ai.answer_with(ANSWER);
    step(&world, "+0");
    let daemon = start(&world);
    goes_on(&world, 1, TimeDelta::zero());
    daemon.stop();
    let cursor = world.number("select cursor_at from job");
    step(&world, "-7y");
    let (daemon, _ready) = world.start_with(command(&world));
    daemon.wait_for_line("nothing is planned until it is set");
    daemon.stop();
    assert_eq!(world.number("select cursor_at from job"), cursor);
    world.audit();
}
