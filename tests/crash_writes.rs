//! The real daemon, killed at each of its writes to the ledger in turn, by strace: between every
//! pair of neighbouring commits, and in the midst of each. Run by `.ci/heavy/run`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed; it says what it counted"
)]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use daemon::{World, one_shot, strace};
use serde_json::Value;

const LIVE: &str = "select count(*) from run where finished_at is null";

/// One occurrence that fell due a minute ago, with an answer of two parts.
fn due() -> World {
    let ago = TimeDelta::minutes(1);
    let phone = "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\nmax_bytes = 100";
    let world = World::with("", phone, &one_shot("金价", ago));
    world.stopped_at(Utc::now() - ago - ago);
    world
        .ai
        .answer_with(&["今天的金价上涨了百分之一点五。"; 4].join("\n\n"));
    world
}

/// Kills it at the n-th such call; false: the run was over before.
fn killed_at(call: &str, nth: u32) -> bool {
    let world = due();
    let inject = format!("signal=KILL:when={nth}");
    let command = strace(call, &inject, &world.promptcron(&["run"]));
    let (mut daemon, _ready) = world.start_with(command);
    let is_over = "select count(*) from run where state = 'delivered'";
    let killed = loop {
        if daemon.has_ended() {
            break true;
        }
        if world.maybe_number(is_over) == Some(1) {
            break false;
        }
    };
    daemon.kill();
    let daemon = world.start();
    world.wait_until("select count(*) from run", 1);
    world.wait_until(LIVE, 0);
    daemon.stop();
    world.audit();
    judge(&world, &format!("{call} {nth}"));
    killed
}

/// One run, delivered, asked again only where its attempt was lost, each part with its own id.
fn judge(world: &World, point: &str) {
    assert_eq!(world.states(), ["delivered"], "{point}");
    let run = world.show(world.number("select run_id from run"));
    let attempts = run["attempt_rows"].as_array().unwrap();
    let asked = world.ai.questions().len();
    assert!(
        asked <= attempts.len() && attempts.len() <= 2,
        "{point}: {run:#}"
    );
    let publishes = world.ntfy.publishes();
    let bodies: Vec<Value> = (publishes.iter())
        .map(|publish| serde_json::from_str(publish.text()).unwrap())
        .collect();
    let ids: BTreeSet<_> = bodies
        .iter()
        .map(|body| body["sequence_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 2, "{point}: {bodies:#?}");
    assert!(
        bodies.len() <= 3,
        "{point}: at most one push lost its reply: {bodies:#?}"
    );
    let titles: Vec<_> = bodies
        .iter()
        .map(|body| body["title"].as_str().unwrap())
        .collect();
    // The last part goes first, so that the first one is on top of the list.
    let backwards = titles.is_sorted_by(|one, next| one >= next);
    assert!(backwards, "{point}: {titles:?}");
}

/// Each point in turn until the run is over before it comes.
fn every(call: &str, at_least: u32) {
    let mut nth = 1;
    while killed_at(call, nth) {
        nth += 1;
    }
    eprintln!("killed at {} calls of {call}", nth - 1);
    assert!(nth > at_least, "{call} came {} times only", nth - 1);
}

/// Killed as a commit is on its way to the disk: it is in the ledger, nothing came after it.
#[test]
fn killed_after_each_commit_the_run_is_taken_up_where_it_was() {
    every("fsync", 8);
}

/// Killed in the midst of each commit: it is torn and not in the ledger, what it announced was
/// not begun, what came before it had been done.
#[test]
fn killed_within_each_commit_the_run_is_taken_up_where_it_was() {
    every("pwrite64", 16);
}
