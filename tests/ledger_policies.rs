//! What becomes of each occurrence, on the real daemon: downtime, overlap, load, jitter, pauses,
//! cancelling, late pushes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use ai::{Gate, Reply};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use daemon::{Daemon, SOON, World, eventually, one_shot, state};
use serde_json::Value;

const LIVE: &str = "select count(*) from run where finished_at is null";

/// An hourly job whose daemon was down since five and a half instants ago.
fn down_for_five_hours(keys: &str) -> (World, DateTime<Utc>) {
    // From a whole hour's view, so that the hour's turn does not matter but in its first minute.
    let hour = Utc::now().duration_trunc(TimeDelta::hours(1)).unwrap();
    let world = World::new(&format!(
        "[[job]]\nname = \"金价\"\nevery = \"1h\"\nprompt = \"？\"\n{keys}\n"
    ));
    world.ai.answer_with("答案");
    world.stopped_at(hour - TimeDelta::minutes(270));
    (world, hour)
}

fn settle(world: &World, daemon: Daemon) -> Vec<Value> {
    world.wait_until(LIVE, 0);
    daemon.stop();
    world.audit();
    world.history()
}

fn states(rows: &[Value]) -> Vec<String> {
    rows.iter().map(state).collect()
}

fn scheduled_at(row: &Value) -> DateTime<Utc> {
    row["scheduled_at"].as_str().unwrap().parse().unwrap()
}

#[test]
fn after_downtime_the_latest_missed_occurrence_runs_and_says_that_it_is_late() {
    let at = Utc::now() - TimeDelta::hours(2);
    let job = one_shot("金价", TimeDelta::hours(2)) + "timezone = \"UTC\"\n";
    let world = World::new(&job);
    world.ai.answer_with("答案");
    world.stopped_at(at - TimeDelta::hours(1));
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    let rows = settle(&world, daemon);
    assert_eq!(states(&rows), ["delivered"]);
    let text = world.ntfy.messages("gold")[0]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    let (late, answer) = text.split_once('\n').unwrap();
    assert_eq!(answer, "答案");
    let due = at.format("%H:%M").to_string();
    assert!(
        late.contains(&format!("due {due}")) || late.contains(&format!(" {due}, sent ")),
        "{late}"
    );
    assert!(late.starts_with("(due ") && late.ends_with(')'), "{late}");
}

#[test]
fn catch_up_latest_runs_the_newest_and_supersedes_the_others() {
    let (world, hour) = down_for_five_hours("");
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    let rows = settle(&world, daemon);
    let passed = &rows[..rows.len() - 1];
    let counted: i64 = passed
        .iter()
        .map(|row| row["count"].as_i64().unwrap_or(1))
        .sum();
    assert!(
        states(passed)
            .iter()
            .all(|state| state.starts_with("missed(superseded)")),
        "{rows:#?}"
    );
    let last = rows.last().unwrap();
    assert_eq!(state(last), "delivered");
    assert_eq!(scheduled_at(&rows[0]), hour - TimeDelta::hours(4));
    assert_eq!(
        counted,
        (scheduled_at(last) - scheduled_at(&rows[0])).num_hours()
    );
    assert_eq!(world.ai.questions().len(), 1);
}

#[test]
fn catch_up_skip_runs_nothing_and_says_so_in_one_record() {
    let (world, _) = down_for_five_hours("catch_up = \"skip\"");
    let daemon = world.start();
    let rows = settle(&world, daemon);
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert!(state(&rows[0]).starts_with("missed(window) x"), "{rows:#?}");
    assert!(world.ai.questions().is_empty());
}

#[test]
fn catch_up_all_runs_each_one_inside_the_window_in_turn() {
    let (world, hour) = down_for_five_hours("catch_up = \"all\"\ncatch_up_window = \"150m\"");
    // 150 minutes hold three full hours in an hour's first half, two in its second.
    let inside = if Utc::now() - hour < TimeDelta::minutes(30) {
        3
    } else {
        2
    };
    let daemon = world.start();
    world.ntfy.wait_for(inside, SOON);
    let rows = settle(&world, daemon);
    let (missed, ran): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["state"] == "missed");
    assert!(
        missed.iter().all(|row| row["reason"] == "window"),
        "{rows:#?}"
    );
    assert!(
        ran.iter().all(|row| row["state"] == "delivered"),
        "{rows:#?}"
    );
    assert_eq!(ran.len(), world.ai.questions().len());
    assert_eq!(ran.len(), inside, "{rows:#?}");
}

#[test]
fn a_new_job_never_runs_back() {
    let world = World::new("[[job]]\nname = \"金价\"\nevery = \"1h\"\nprompt = \"？\"\n");
    world.stopped_at(Utc::now() - TimeDelta::hours(5));
    world.ai.answer_with("答案");
    world.edit_config("\"金价\"", "\"新的\"");
    let daemon = world.start();
    let rows = settle(&world, daemon);
    // What the one that left the config missed is its own.
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert!(state(&rows[0]).starts_with("missed(window) x"), "{rows:#?}");
    assert_eq!(rows[0]["job"], "金价");
    assert!(world.ai.questions().is_empty());
}

/// Every second, the first one held until the gate opens.
fn held_each_second(keys: &str) -> (World, Gate) {
    let world = World::new(&format!(
        "[[job]]\nname = \"金价\"\ncron = \"* * * * * *\"\nprompt = \"？\"\n{keys}\n"
    ));
    let gate = Gate::closed();
    world.ai.next(Reply::Held(
        gate.clone(),
        Box::new(Reply::Answer("第一".into())),
    ));
    world.ai.answer_with("答案");
    (world, gate)
}

#[test]
fn overlap_skip_passes_over_what_is_due_meanwhile() {
    let (world, gate) = held_each_second("");
    let daemon = world.start();
    world.ai.wait_for(1, SOON);
    world.wait_until("select count(*) >= 2 from run where reason = 'overlap'", 1);
    assert_eq!(world.ai.questions().len(), 1);
    gate.open();
    world.ntfy.wait_for(2, SOON);
    daemon.stop();
    world.audit();
    let states = world.states();
    assert_eq!(
        states[..3],
        ["delivered", "skipped(overlap)", "skipped(overlap)"]
    );
}

#[test]
fn overlap_queue_runs_one_after_the_other() {
    let (world, gate) = held_each_second("overlap = \"queue\"");
    let daemon = world.start();
    world.ai.wait_for(1, SOON);
    world.wait_until("select count(*) >= 2 from run where state = 'planned'", 1);
    assert_eq!(world.ai.questions().len(), 1);
    gate.open();
    world.ntfy.wait_for(3, SOON);
    daemon.stop();
    world.audit();
    let overlapping = "select count(*) from run a join run b on b.run_id > a.run_id
        where b.started_at < a.answered_at";
    assert_eq!(world.number(overlapping), 0);
    let rows = world.history();
    for pair in rows.windows(2) {
        assert_eq!(
            scheduled_at(&pair[1]) - scheduled_at(&pair[0]),
            TimeDelta::seconds(1)
        );
    }
}

#[test]
fn overlap_allow_runs_side_by_side() {
    let (world, gate) = held_each_second("overlap = \"allow\"");
    let daemon = world.start();
    world.ai.wait_for(3, SOON);
    world.ntfy.wait_for(1, SOON);
    assert_eq!(
        world.number("select count(*) from run where state = 'asking' and run_id = 1"),
        1
    );
    gate.open();
    world.wait_until(
        "select count(*) from run where run_id = 1 and state = 'delivered'",
        1,
    );
    daemon.stop();
    world.audit();
}

#[test]
fn what_waits_for_a_slot_past_its_start_deadline_is_missed() {
    let due = TimeDelta::seconds(3);
    let held = one_shot("长", due);
    let late = one_shot("短", due) + "start_deadline = \"1s\"\n";
    let world = World::with(
        "max_in_flight = 1",
        "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"",
        &(held + &late),
    );
    let gate = Gate::closed();
    world.ai.next(Reply::Held(
        gate.clone(),
        Box::new(Reply::Answer("答案".into())),
    ));
    world.stopped_at(Utc::now() - due - due);
    let daemon = world.start();
    world.ai.wait_for(1, SOON);
    let waited = "select start_by < cast(unixepoch('subsec') * 1000 as integer)
        from run where start_by is not null";
    world.wait_until(waited, 1);
    assert_eq!(
        world.number("select count(*) from run where state = 'planned'"),
        1
    );
    gate.open();
    let rows = settle(&world, daemon);
    let mut states = states(&rows);
    states.sort();
    assert_eq!(states, ["delivered", "missed(window)"]);
    assert_eq!(world.ai.questions().len(), 1);
}

#[test]
fn what_is_due_is_written_ahead_of_free_slots_and_never_dropped() {
    let due = TimeDelta::seconds(2);
    let jobs: String = (0..10)
        .map(|n| one_shot(&format!("金价{n}"), due))
        .collect();
    let world = World::with(
        "max_in_flight = 2",
        "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"",
        &jobs,
    );
    let gate = Gate::closed();
    world.ai.reply_with(Reply::Held(
        gate.clone(),
        Box::new(Reply::Answer("答案".into())),
    ));
    world.stopped_at(Utc::now() - due - due);
    let daemon = world.start();
    world.ai.wait_for(2, SOON);
    assert_eq!(world.number(LIVE), 10);
    assert_eq!(
        world.number("select count(distinct planned_at) from run"),
        1
    );
    assert_eq!(world.ai.questions().len(), 2);
    gate.open();
    world.ntfy.wait_for(10, SOON);
    assert_eq!(states(&settle(&world, daemon)), ["delivered"; 10]);
}

#[test]
fn jitter_is_shown_by_next_and_kept_after_a_crash() {
    let ago = TimeDelta::seconds(1);
    let world = World::new(&(one_shot("金价", ago) + "jitter = \"5s\"\n"));
    world.ai.answer_with("答案");
    world.stopped_at(Utc::now() - ago - ago);
    let daemon = world.start();
    world.wait_until("select count(*) from run", 1);
    let due_at = world.number("select due_at from run");
    daemon.kill();
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    assert_eq!(world.number("select due_at from run"), due_at);
    let asked = world.number("select min(started_at) from attempt");
    assert!(asked >= due_at, "asked {} ms early", due_at - asked);
    let rows = settle(&world, daemon);
    let nominal = scheduled_at(&rows[0]);
    let delay = due_at - nominal.timestamp_millis();
    assert!((0..=5_000).contains(&delay), "{delay}");
    let before = (nominal - TimeDelta::seconds(1)).to_rfc3339();
    let next = world.run(&["next", "金价", "--after", &before, "-n", "1", "--json"]);
    let line: Value = serde_json::from_str(&next.stdout).unwrap();
    // An instant that its jitter does not move has no due_at.
    let shown = line["due_at"].as_str().or(line["scheduled_at"].as_str());
    let shown: DateTime<Utc> = shown.unwrap().parse().unwrap();
    assert_eq!(shown.timestamp_millis(), due_at, "{next:?}");
}

#[test]
fn a_pause_until_an_instant_ends_by_itself_as_one_record() {
    let world = World::new("[[job]]\nname = \"金价\"\ncron = \"* * * * * *\"\nprompt = \"？\"\n");
    world.ai.answer_with("答案");
    let daemon = world.start();
    world.ntfy.wait_for(1, SOON);
    let until = (Utc::now() + TimeDelta::seconds(4))
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let paused = world.run(&["pause", "金价", "--until", &until]);
    assert_eq!(paused.code, Some(0), "{paused:?}");
    world.wait_until("select count(*) from run where reason = 'paused'", 1);
    let pushed = world.ntfy.publishes().len();
    world.ntfy.wait_for_publishes(pushed + 1, SOON);
    daemon.stop();
    world.audit();
    let rows = world.history();
    let records: Vec<_> = rows
        .iter()
        .filter(|row| row["reason"] == "paused")
        .collect();
    assert_eq!(records.len(), 1, "{records:#?}");
    assert!(records[0]["count"].as_i64() >= Some(2), "{records:#?}");
    assert_eq!(records[0]["until"], until.as_str());
    assert_eq!(records[0]["state"], "skipped");
}

#[test]
fn a_pause_is_kept_without_a_daemon_and_what_it_covers_is_not_caught_up() {
    let (world, hour) = down_for_five_hours("catch_up = \"all\"");
    assert_eq!(world.run(&["pause", "金价"]).code, Some(0));
    // As if it had been paused an hour after the daemon stopped.
    let paused_at = (hour - TimeDelta::minutes(210)).timestamp_millis();
    assert_eq!(
        world.edit(&format!("update job set paused_at = {paused_at}")),
        1
    );
    let daemon = world.start();
    assert_eq!(world.run(&["resume", "金价"]).code, Some(0));
    world.wait_until("select count(*) from run where reason = 'paused'", 1);
    let rows = settle(&world, daemon);
    assert_eq!(state(&rows[0]), "missed(window)", "before the pause");
    assert!(
        state(&rows[1]).starts_with("skipped(paused) x"),
        "{rows:#?}"
    );
    assert!(world.ai.questions().is_empty());
    let again = world.run(&["resume", "金价"]);
    assert_eq!(
        (again.code, &*again.stdout),
        (Some(0), "金价 is not paused\n")
    );
}

#[test]
fn a_cancelled_run_is_dropped_wherever_it_stands() {
    let (world, gate) = held_each_second("");
    let daemon = world.start();
    world.ai.wait_for(1, SOON);
    let cancelled = world.run(&["cancel", "1"]);
    assert_eq!(
        (cancelled.code, &*cancelled.stdout),
        (Some(0), "run 1 is cancelled\n")
    );
    gate.open();
    daemon.wait_for_line("the run was cancelled or taken over");
    world.ntfy.wait_for(1, SOON);
    let over = world.run(&["cancel", "1"]);
    assert_eq!(
        (over.code, &*over.stdout),
        (Some(0), "run 1 is over: nothing to cancel\n")
    );
    let none = world.run(&["cancel", "99999"]);
    assert_eq!(none.code, Some(1));
    assert!(
        none.stderr.contains("`promptcron history` lists them"),
        "{none:?}"
    );
    daemon.stop();
    world.audit();
    let texts = world.ntfy.messages("gold");
    assert!(
        texts.iter().all(|message| message["message"] != "第一"),
        "{texts:#?}"
    );
    assert_eq!(world.states()[0], "cancelled(by hand)");
}

#[test]
fn a_cancelled_push_is_not_repeated() {
    let ago = TimeDelta::seconds(2);
    let world = World::new(&one_shot("金价", ago));
    world.stopped_at(Utc::now() - ago - ago);
    world.ai.answer_with("答案");
    world.ntfy.outage(Some(ntfy::Fault::Code(50001)));
    let daemon = world.start();
    world.wait_until(
        "select count(*) > 0 from delivery_attempt where outcome = 'failed'",
        1,
    );
    assert_eq!(world.run(&["cancel", "1"]).code, Some(0));
    world.ntfy.outage(None);
    let rows = settle(&world, daemon);
    assert_eq!(states(&rows), ["cancelled(by hand)"]);
    assert!(world.ntfy.messages("gold").is_empty());
}

#[test]
fn the_runs_of_a_removed_job_are_cancelled_and_a_changed_schedule_counts_from_now() {
    let (world, _) = down_for_five_hours("");
    world
        .ai
        .next(Reply::openai_error(503, "overloaded", "busy"));
    let daemon = world.start();
    world.wait_until("select count(*) from attempt where outcome = 'failed'", 1);
    daemon.kill();
    world.edit_config(
        "name = \"金价\"\nevery = \"1h\"",
        "name = \"银价\"\nevery = \"2h\"",
    );
    let daemon = world.start();
    daemon.wait_for_line("cancelled job=\"金价\"");
    let rows = settle(&world, daemon);
    assert_eq!(
        state(rows.last().unwrap()),
        "cancelled(its job was removed or disabled)"
    );
    world.edit_config("every = \"2h\"", "every = \"3h\"");
    settle(&world, world.start());
    eventually("no more runs than before", || {
        world.history().len() == rows.len()
    });
}
