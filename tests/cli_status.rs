//! `promptcron status`: how the daemon and each job stand, while it runs and when it does not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use daemon::{World, eventually};

const JOBS: &str = "
[[job]]
name = \"金价\"
cron = \"0 8 29 2 *\"
prompt = \"金价？\"
[[job]]
name = \"gold\"
cron = \"0 8 29 2 *\"
prompt = \"gold?\"
";

#[test]
fn it_tells_what_goes_on_beside_a_daemon_and_without_one() {
    let world = World::new(JOBS);
    let none = world.run(&["status"]);
    assert_eq!(none.code, Some(1));
    assert!(
        none.stderr.contains("there is no ledger"),
        "{}",
        none.stderr
    );
    let daemon = world.start();
    eventually("the daemon's first sign of life", || {
        world.run(&["status"]).code == Some(0)
    });
    let gate = ai::Gate::closed();
    world.ai.next(ai::Reply::Held(
        gate.clone(),
        Box::new(ai::Reply::Answer("上涨。".to_owned())),
    ));
    let once = world.promptcron(&["once", "金价"]).spawn();
    eventually("the AI is asked", || {
        world.run(&["status"]).stdout.contains("asking for")
    });
    let asking = world.run(&["status"]).stdout;
    let lines: Vec<&str> = asking.lines().collect();
    assert!(
        lines[0].starts_with("the daemon runs, since today"),
        "{asking}"
    );
    // In the config's order, whatever the alphabet says.
    assert!(lines[3].starts_with("金价  asking for "), "{asking}");
    assert!(
        lines[4].starts_with("gold  waiting for its first run"),
        "{asking}"
    );
    gate.open();
    assert!(once.unwrap().wait().unwrap().success());
    let done = world.run(&["status"]);
    assert!(done.stdout.contains("金价  delivered"), "{}", done.stdout);
    assert!(done.stdout.contains("(by hand)"), "{}", done.stdout);
    daemon.stop();
    let stopped = world.run(&["status"]);
    assert_eq!(stopped.code, Some(1));
    assert!(stopped.stdout.starts_with("the daemon has stopped\n"));
    assert!(stopped.stdout.contains("金价  delivered"));
    let json = world.run(&["status", "--json"]).stdout;
    let rows: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&rows[0]["job"], &rows[0]["state"]),
        (&"金价".into(), &"delivered".into())
    );
    assert!(rows[1]["run"].is_null() && rows[1]["next"].is_string());
}

#[test]
fn watching_tells_of_what_changes_until_it_is_ended() {
    let world = World::new(JOBS);
    let daemon = world.start();
    let mut watching = world
        .promptcron(&["status", "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("gold  waiting for its first run")));
    world.ai.answer_with("上涨。");
    assert_eq!(world.run(&["once", "gold"]).code, Some(0));
    assert!(lines.any(|line| line.starts_with("gold  delivered")));
    watching.kill().unwrap();
    watching.wait().unwrap();
    daemon.stop();
}
