//! Heartbeats: what a monitor hears of runs and of the daemon, and that nothing waits for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/monitor.rs"]
mod monitor;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::collections::BTreeSet;

use ai::Reply;
use chrono::{TimeDelta, Utc};
use daemon::{World, eventually, one_shot};
use monitor::Monitor;
use ntfy::Fault;

const CHECK: &str = "GEHEIM-CHECK";

/// A job that is due now and tells the monitor of it.
fn due(monitor: &Monitor, keys: &str) -> World {
    let ago = TimeDelta::minutes(1);
    let job = one_shot("gold", ago);
    let world = World::new(&format!(
        "{job}heartbeat_url = \"{}\"\n{keys}",
        monitor.url(CHECK)
    ));
    world.ai.answer_with("801");
    world.stopped_at(Utc::now() - ago - ago);
    world
}

/// Runs the daemon until the job's run has ended and its monitor has heard of that.
fn run(world: &World, monitor: &Monitor, pings: usize) -> (Vec<String>, Vec<String>) {
    let daemon = world.start();
    world.wait_until("select count(*) from run where finished_at is not null", 1);
    eventually("the monitor has heard", || {
        monitor.pings(CHECK).len() >= pings
    });
    let lines = daemon.stop().lines;
    (monitor.pings(CHECK), lines)
}

/// Pings without the run's id, of which there is one.
fn told(pings: &[String]) -> Vec<String> {
    let rid = regex::Regex::new(
        r"\?rid=([0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})",
    )
    .unwrap();
    let ids: BTreeSet<_> = pings
        .iter()
        .map(|ping| rid.captures(ping).unwrap()[1].to_owned())
        .collect();
    assert_eq!(ids.len(), 1, "{pings:?}");
    let short = pings.iter().map(|ping| rid.replace(ping, ""));
    short.map(|ping| ping.trim_end().to_owned()).collect()
}

#[test]
fn a_run_that_is_delivered_is_a_start_and_a_success() {
    let monitor = Monitor::start();
    let world = due(&monitor, "");
    let (pings, _) = run(&world, &monitor, 2);
    assert_eq!(told(&pings), ["GET /start", "GET"]);
}

#[test]
fn an_answer_that_is_worth_no_push_is_a_success() {
    let monitor = Monitor::start();
    let world = due(&monitor, "silent_if = \"801\"");
    let (pings, _) = run(&world, &monitor, 2);
    assert_eq!(told(&pings), ["GET /start", "GET"]);
}

#[test]
fn a_run_that_fails_says_why() {
    let monitor = Monitor::start();
    let world = due(&monitor, "retry_for = \"0s\"");
    world
        .ai
        .next(Reply::openai_error(400, "invalid_request_error", "太长"));
    let (pings, _) = run(&world, &monitor, 2);
    let told = told(&pings);
    assert_eq!(told[0], "GET /start");
    assert!(told[1].starts_with("POST /fail ai.local ("), "{told:?}");
    assert!(told[1].contains("太长"), "{told:?}");
}

#[test]
fn a_push_that_fails_is_a_run_that_fails() {
    let monitor = Monitor::start();
    let world = due(&monitor, "");
    world.ntfy.fail(1, Fault::Code(40301));
    let (pings, _) = run(&world, &monitor, 2);
    assert_eq!(told(&pings), ["GET /start", "POST /fail delivery 1 of 1"]);
}

#[test]
fn what_is_asked_for_by_hand_says_nothing_of_the_schedule() {
    let monitor = Monitor::start();
    let world = due(&monitor, "enabled = false");
    assert_eq!(world.run(&["once", "gold"]).code, Some(0));
    assert_eq!(monitor.pings(CHECK), Vec::<String>::new());
}

#[test]
fn a_monitor_that_is_busy_is_told_again_in_order() {
    let monitor = Monitor::start();
    let world = due(&monitor, "");
    monitor.answer(&[503, 200, 404]);
    let (pings, lines) = run(&world, &monitor, 3);
    assert_eq!(told(&pings), ["GET /start", "GET /start", "GET"]);
    let warned = lines
        .iter()
        .filter(|line| line.contains("the heartbeat was not heard"));
    let warned: Vec<_> = warned.collect();
    assert_eq!(warned.len(), 1, "{lines:?}");
    assert!(warned[0].contains("HTTP 404"), "{warned:?}");
}

#[test]
fn a_monitor_that_hangs_delays_nothing_and_its_address_stays_secret() {
    let monitor = Monitor::start();
    let world = due(&monitor, "");
    world.edit_config(
        "timezone",
        &format!(
            "heartbeat_url = \"{}\"\ntimezone",
            monitor.url("GEHEIM-DAEMON")
        ),
    );
    monitor.answer(&[0, 0, 0, 0]);
    let mut command = world.promptcron(&["run"]);
    command.env("RUST_LOG", "trace");
    let (daemon, ready) = world.start_with(command);
    let daemon = ready.wait(daemon);
    world.ntfy.wait_for(1, daemon::SOON);
    world.wait_until("select count(*) from run where state = 'delivered'", 1);
    let ended = daemon.stop();
    for line in &ended.lines {
        assert!(!line.contains("GEHEIM"), "{line}");
    }
    let told = world.run(&["check"]).stdout;
    assert!(!told.contains("GEHEIM"), "{told}");
}

#[test]
fn the_daemon_says_that_it_lives() {
    let monitor = Monitor::start();
    let world = World::with(
        &format!("heartbeat_url = \"{}\"", monitor.url(CHECK)),
        "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"",
        "[[job]]\nname = \"gold\"\nevery = \"100d\"\nprompt = \"？\"\n",
    );
    let daemon = world.start();
    eventually("the monitor has heard", || !monitor.pings(CHECK).is_empty());
    daemon.stop();
    assert_eq!(monitor.pings(CHECK), ["GET "]);
}
