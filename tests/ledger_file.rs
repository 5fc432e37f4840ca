//! The ledger's file: what the daemon says when it cannot be used, one daemon a ledger, and what
//! is pruned.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::{fs, io::Write as _, os::unix::fs::FileExt};

use chrono::{TimeDelta, Utc};
use daemon::{Ran, SOON, World};
use insta::assert_snapshot;

const HOURLY: &str =
    "[[job]]\nname = \"金价\"\nevery = \"1h\"\nprompt = \"？\"\ncatch_up = \"all\"\n";

/// What a daemon that cannot start says at its end, with exit code 1.
fn refusal(world: &World) -> String {
    let ran = world.run(&["run"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    last_line(world, &ran)
}

fn last_line(world: &World, ran: &Ran) -> String {
    let folder = world.path().display().to_string();
    ran.stderr
        .lines()
        .last()
        .unwrap_or_default()
        .replace(&folder, "DIR")
}

#[test]
fn a_file_that_is_no_ledger_is_left_as_it_is() {
    let world = World::new(HOURLY);
    let junk = "Dear diary, 今天 ".repeat(1000);
    fs::write(world.ledger(), &junk).unwrap();
    assert_snapshot!(refusal(&world), @"ledger DIR/ledger.db: it is damaged or no ledger (file is not a database, SQLite's code 26): move it away or restore a backup; promptcron never starts clean by itself");
    assert_eq!(fs::read_to_string(world.ledger()).unwrap(), junk);
    let audit = world.run(&["audit"]);
    assert_eq!(audit.code, Some(1));
    assert_snapshot!(last_line(&world, &audit), @"ledger DIR/ledger.db: it is damaged or no ledger (file is not a database, SQLite's code 26): move it away or restore a backup; promptcron never starts clean by itself");
}

#[test]
fn a_damaged_ledger_stops_the_daemon() {
    let world = World::new(HOURLY);
    world.stopped_at(Utc::now());
    let file = fs::OpenOptions::new()
        .write(true)
        .open(world.ledger())
        .unwrap();
    let length = file.metadata().unwrap().len();
    for page in (4096..length).step_by(4096) {
        file.write_all_at(&[0xA5; 4096], page).unwrap();
    }
    assert_snapshot!(refusal(&world), @"ledger DIR/ledger.db: it is damaged or no ledger (database disk image is malformed, SQLite's code 11): move it away or restore a backup; promptcron never starts clean by itself");
}

#[test]
fn a_ledger_cut_short_stops_the_daemon() {
    let world = World::new(HOURLY);
    world.stopped_at(Utc::now());
    let file = fs::OpenOptions::new()
        .write(true)
        .open(world.ledger())
        .unwrap();
    file.set_len(5000).unwrap();
    assert_snapshot!(refusal(&world), @"ledger DIR/ledger.db: it is damaged or no ledger (database disk image is malformed, SQLite's code 11): move it away or restore a backup; promptcron never starts clean by itself");
}

#[test]
fn a_folder_is_no_ledger() {
    let world = World::new(HOURLY);
    fs::create_dir(world.ledger()).unwrap();
    assert_snapshot!(refusal(&world), @"ledger DIR/ledger.db: it cannot be opened (unable to open database file, SQLite's code 14): it must be a file, in a folder that exists and is writable by this user");
}

#[test]
fn a_folder_that_is_missing_is_not_made() {
    let world = World::new(HOURLY);
    world.edit_config("ledger.db", "none/ledger.db");
    assert_snapshot!(refusal(&world), @"ledger lock DIR/none/ledger.db.lock: it cannot be made (No such file or directory (os error 2)): the ledger's folder must exist and be writable by this user");
    assert!(!world.path().join("none").exists());
}

#[test]
fn a_ledger_of_a_newer_version_is_not_touched() {
    let world = World::new(HOURLY);
    world.stopped_at(Utc::now());
    world.edit(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9999, 'later', true, x'00', 1)",
    );
    assert_snapshot!(refusal(&world), @"ledger DIR/ledger.db: its schema is not one that this version knows (migration 9999 was previously applied but is missing in the resolved migrations): use the promptcron that wrote it or a newer one");
}

#[test]
fn another_program_s_database_is_refused() {
    let world = World::new(HOURLY);
    fs::File::create(world.ledger()).unwrap().flush().unwrap();
    world.edit("create table job (id integer)");
    assert_snapshot!(refusal(&world), @"ledger DIR/ledger.db: it is another program's database (table job already exists, SQLite's code 1): give promptcron a file of its own ([ledger] url)");
}

#[test]
fn a_second_daemon_on_a_ledger_is_refused_and_the_first_goes_on() {
    let world = World::new("[[job]]\nname = \"金价\"\ncron = \"* * * * * *\"\nprompt = \"？\"\n");
    world.ai.answer_with("答案");
    let daemon = world.start();
    assert_snapshot!(refusal(&world), @"ledger DIR/ledger.db: another promptcron daemon is running on it: stop that one first, or give this one a ledger of its own ([ledger] url)");
    let pushed = world.ntfy.publishes().len();
    world.ntfy.wait_for_publishes(pushed + 1, SOON);
    daemon.stop();
    world.audit();
}

#[test]
fn commands_that_read_say_that_there_is_no_ledger_yet() {
    let world = World::new(HOURLY);
    for command in [
        ["history"].as_slice(),
        &["show", "1"],
        &["audit"],
        &["health"],
    ] {
        let ran = world.run(command);
        assert_eq!(ran.code, Some(1), "{command:?}");
        assert_eq!(
            last_line(&world, &ran),
            "there is no ledger DIR/ledger.db yet: `promptcron run` and `promptcron once` make it"
        );
    }
    assert!(!world.ledger().exists());
}

#[test]
fn health_follows_the_daemon() {
    let world = World::new(HOURLY);
    let daemon = world.start();
    let health = world.run(&["health"]);
    assert_eq!((health.code, &*health.stdout), (Some(0), "ok\n"));
    daemon.stop();
    let health = world.run(&["health"]);
    assert_eq!(
        (health.code, &*health.stderr),
        (Some(1), "not ok: the daemon has stopped\n")
    );
    // Killed, it says nothing: its last sign of life grows old.
    world.start().kill();
    assert_eq!(world.run(&["health"]).code, Some(0));
    world.edit("update beat set beat_at = beat_at - 36000");
    let health = world.run(&["health"]);
    assert_eq!(health.code, Some(1));
    assert!(
        health.stderr.contains("the ledger was last written"),
        "{health:?}"
    );
}

/// Runs of the last hours, with large answers, as if all of it had happened `days` ago.
fn aged(days: i64) -> World {
    let world = World::new(HOURLY);
    world.ai.answer_with("答案");
    world.stopped_at(Utc::now() - TimeDelta::minutes(330));
    let daemon = world.start();
    world.ntfy.wait_for(5, SOON);
    world.wait_until("select count(*) from run where finished_at is null", 0);
    daemon.stop();
    world.audit();
    world.edit("update content set answer = hex(zeroblob(200000))");
    let ms = TimeDelta::days(days).num_milliseconds();
    for (table, columns) in [
        ("job", "first_seen_at cursor_at"),
        ("revision", "since_at"),
        (
            "run",
            "scheduled_at due_at planned_at first_claimed_at next_attempt_at started_at answered_at finished_at",
        ),
        ("attempt", "started_at finished_at"),
        ("delivery", "next_at give_up_at delivered_at"),
        ("delivery_attempt", "started_at finished_at"),
    ] {
        let sets: Vec<_> = (columns.split(' '))
            .map(|c| format!("{c} = {c} - {ms}"))
            .collect();
        world.edit(&format!("update {table} set {}", sets.join(", ")));
    }
    world.edit_config("\"all\"", "\"skip\"");
    world.audit();
    world
}

#[test]
fn prompts_and_answers_are_pruned_after_keep_and_states_stay() {
    let world = aged(100);
    let runs = world.number("select count(*) from run");
    let pages = world.number("select page_count from pragma_page_count");
    let size = fs::metadata(world.ledger()).unwrap().len();
    let daemon = world.start();
    daemon.wait_for_line("pruned what is older than it is kept");
    daemon.stop();
    assert_eq!(world.number("select count(*) from content"), 0);
    // The notice of what was missed meanwhile is new, and of no run.
    let kept = "select count(*) from delivery where message <> '' and run_id is not null";
    assert_eq!(world.number(kept), 0);
    assert_eq!(
        world.number("select count(*) from run where state = 'delivered'"),
        runs
    );
    let shown = world.show(1);
    assert_eq!(
        (&shown["prompt"], &shown["answer"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    assert_eq!(shown["deliveries"][0]["state"], "delivered");
    assert_eq!(world.run(&["show", "1"]).code, Some(0));
    // The room goes back to the disk.
    assert_eq!(
        world.number("select freelist_count from pragma_freelist_count"),
        0
    );
    assert!(world.number("select page_count from pragma_page_count") < pages / 4);
    assert!(fs::metadata(world.ledger()).unwrap().len() < size / 4);
    world.audit();
}

#[test]
fn states_are_pruned_after_a_year_and_audit_knows() {
    let world = aged(400);
    let old = world.number("select max(run_id) from run");
    let daemon = world.start();
    daemon.wait_for_line("pruned what is older than it is kept");
    daemon.stop();
    assert_eq!(
        world.number(&format!("select count(*) from run where run_id <= {old}")),
        0
    );
    for table in ["attempt", "delivery", "delivery_attempt", "content"] {
        let orphans = format!("select count(*) from {table}");
        let joined = match table {
            "delivery_attempt" => {
                format!("{orphans} where delivery_id not in (select delivery_id from delivery)")
            }
            _ => format!("{orphans} where run_id not in (select run_id from run)"),
        };
        assert_eq!(world.number(&joined), 0, "{table}");
    }
    world.audit();
    // The long outage is one record, and an instant that is lost in the kept year is still found.
    assert_eq!(
        world.number("select count(*) from run where instants > 9000"),
        1
    );
    world.edit("delete from run where instants > 9000");
    assert_eq!(world.run(&["audit"]).code, Some(1));
}

#[test]
fn what_is_young_is_not_pruned() {
    let world = aged(80);
    let contents = world.number("select count(*) from content");
    let daemon = world.start();
    world.wait_until(
        "select count(*) from run where state = 'missed' and instants > 1",
        1,
    );
    world.wait_until("select count(*) from run where finished_at is null", 0);
    daemon.stop();
    assert!(world.number("select count(*) from content") >= contents);
    world.audit();
}
