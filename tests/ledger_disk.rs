//! The real daemon on a disk that fills, fails or is read-only: a small tmpfs, and errors that
//! strace injects. Needs root; run by `.ci/heavy/run`.
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

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    path::PathBuf,
    process::Command,
};

use ai::{Gate, Reply};
use chrono::{TimeDelta, Utc};
use daemon::{Ended, SOON, World, one_shot, strace};
use insta::assert_snapshot;

const LIVE: &str = "select count(*) from run where finished_at is null";
const EACH_SECOND: &str = "[[job]]\nname = \"金价\"\ncron = \"* * * * * *\"\nprompt = \"？\"\n";

/// A disk of eight megabytes, room for a ledger and its log, mounted until it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// Mounted where the ledger of `world` is from now on.
    fn for_ledger(world: &World, options: &str) -> Self {
        let folder = world.path().join("disk");
        std::fs::create_dir(&folder).unwrap();
        let options = format!("size=8m{options}");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(&folder);
        assert!(mount.status().unwrap().success(), "mounting needs root");
        Self(folder)
    }

    /// Leaves no byte of room.
    fn fill(&self) {
        let mut ballast = File::create(self.0.join("ballast")).unwrap();
        loop {
            match ballast.write(&[0; 512]) {
                Ok(_) => {}
                Err(full) if full.kind() == ErrorKind::StorageFull => return,
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a daemon that a failed test left may still be in it.
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// Its ledger is on the disk.
fn world_on_disk(jobs: &str, options: &str) -> (World, Disk) {
    let mut world = World::new(jobs);
    let disk = Disk::for_ledger(&world, options);
    world.edit_config("/ledger.db", "/disk/ledger.db");
    world.place.ledger_is("disk/ledger.db");
    (world, disk)
}

#[test]
fn on_a_full_disk_nothing_new_is_begun_and_nothing_is_lost() {
    let (world, disk) = world_on_disk(EACH_SECOND, "");
    let gate = Gate::closed();
    world.ai.next(Reply::Answer("第一".into()));
    world.ai.next(Reply::Held(
        gate.clone(),
        Box::new(Reply::Answer("第二".into())),
    ));
    world.ai.answer_with("答案");
    let daemon = world.start();
    world.ai.wait_for(2, SOON);
    disk.fill();
    daemon.wait_for_line("nothing new is begun until there is room");
    // An answer that comes while there is no room is kept in memory, not asked for again.
    gate.open();
    let not_ok = || world.run(&["health"]).code == Some(1);
    daemon::eventually_within(SOON * 3, "health is not ok", not_ok);
    let health = world.run(&["health"]);
    assert!(
        health.stderr.contains("its disk is full (see its log)"),
        "{health:?}"
    );
    assert_eq!(world.ai.questions().len(), 2, "no new claims");
    disk.make_room();
    daemon.wait_for_line("the ledger's disk has room again");
    world.ntfy.wait_for(4, SOON);
    daemon::eventually("health is ok with the next sign of life", || {
        world.run(&["health"]).code == Some(0)
    });
    let ended = daemon.stop();
    assert_eq!(
        ended.count("nothing new is begun until there is room"),
        1,
        "{ended:#?}"
    );
    assert_eq!(ended.count("has room again"), 1, "{ended:#?}");
    world.audit();
    let texts = world.ntfy.messages("gold");
    assert_eq!(
        texts
            .iter()
            .filter(|message| message["message"] == "第二")
            .count(),
        1
    );
    assert_eq!(
        world.number("select count(*) from attempt where outcome = 'lost'"),
        0
    );
}

#[test]
fn stopped_or_killed_on_a_full_disk_it_goes_on_at_the_next_start() {
    for is_killed in [false, true] {
        let (world, disk) = world_on_disk(EACH_SECOND, "");
        world.ai.next(Reply::Answer("第一".into()));
        world.ai.next(Reply::Hang);
        world.ai.answer_with("答案");
        let daemon = world.start();
        world.ai.wait_for(2, SOON);
        disk.fill();
        daemon.wait_for_line("nothing new is begun until there is room");
        if is_killed {
            daemon.kill();
        } else {
            daemon.signal("TERM");
            daemon.wait_for_line("a second signal stops at once");
            daemon.signal("TERM");
            let ended = daemon.wait();
            assert!(ended.status.success(), "{ended:#?}");
        }
        disk.make_room();
        let daemon = world.start();
        world.ntfy.wait_for(3, SOON);
        daemon.stop();
        world.audit();
        assert_eq!(world.history()[0]["state"], "delivered");
    }
}

#[test]
fn a_disk_that_is_full_at_the_start_is_named() {
    let (world, disk) = world_on_disk(EACH_SECOND, "");
    disk.fill();
    let ran = world.run(&["run"]);
    assert_eq!(ran.code, Some(1));
    let line = ran
        .stderr
        .lines()
        .last()
        .unwrap()
        .replace(world.path().to_str().unwrap(), "DIR");
    assert_snapshot!(line, @"ledger DIR/disk/ledger.db: the disk is full (database or disk is full, SQLite's code 13): make room; a daemon that runs goes on by itself");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let (world, _disk) = world_on_disk(EACH_SECOND, ",ro");
    let ran = world.run(&["run"]);
    assert_eq!(ran.code, Some(1));
    let line = ran
        .stderr
        .lines()
        .last()
        .unwrap()
        .replace(world.path().to_str().unwrap(), "DIR");
    assert_snapshot!(line, @"ledger lock DIR/disk/ledger.db.lock: it cannot be made (Read-only file system (os error 30)): the ledger's folder must exist and be writable by this user");
}

/// One occurrence that fell due a minute ago.
fn due() -> World {
    let ago = TimeDelta::minutes(1);
    let world = World::new(&one_shot("金价", ago));
    world.stopped_at(Utc::now() - ago - ago);
    world.ai.answer_with("答案");
    world
}

/// At each flush in turn the disk fails, once or from then on: where `SQLite` must care, the daemon
/// ends with exit code 1 and says which file and what to do. The next one goes on.
#[test]
fn a_disk_that_fails_stops_the_daemon_at_whichever_write() {
    let mut stopped = 0;
    for again in ["", "+"] {
        for nth in 1..=14 {
            let inject = format!("error=EIO:when={nth}{again}");
            let world = due();
            let command = strace("fsync", &inject, &world.promptcron(&["run"]));
            let (mut daemon, _ready) = world.start_with(command);
            let delivered = "select count(*) from run where state = 'delivered'";
            while !daemon.has_ended() && world.maybe_number(delivered) != Some(1) {}
            if daemon.has_ended() {
                stopped += 1;
                says_what_failed(&world, &daemon.wait());
            } else {
                daemon.kill();
            }
            let daemon = world.start();
            world.wait_until("select count(*) > 0 from run", 1);
            world.wait_until(LIVE, 0);
            daemon.stop();
            world.audit();
            assert_eq!(world.states(), ["delivered"], "{inject}");
        }
    }
    eprintln!("stopped by {stopped} of 28 errors");
    assert!(stopped >= 14, "{stopped}");
}

fn says_what_failed(world: &World, ended: &Ended) {
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    let last = ended.lines.last().unwrap();
    let start = format!(
        "ledger {}: reading or writing it failed (",
        world.ledger().display()
    );
    let end = "): check the disk (dmesg), then restart";
    assert!(
        last.starts_with(&start) && last.ends_with(end),
        "{ended:#?}"
    );
}

#[test]
fn a_backup_to_a_full_disk_says_so_and_leaves_nothing() {
    let world = World::new(EACH_SECOND);
    world.stopped_at(Utc::now());
    let disk = Disk::for_ledger(&world, "");
    disk.fill();
    let file = disk.0.join("copy.db").display().to_string();
    let ran = world.run(&["backup", &file]);
    assert_eq!((ran.code, &*ran.stdout), (Some(1), ""), "{ran:?}");
    let said = ran
        .stderr
        .replace(&world.path().display().to_string(), "DIR");
    assert_snapshot!(said, @"backup DIR/disk/copy.db: its disk is full: make room or name a file on another disk; the ledger is none the worse");
    let left: Vec<_> = std::fs::read_dir(&disk.0).unwrap().collect();
    assert_eq!(left.len(), 1, "the ballast alone: {left:?}");
    disk.make_room();
    assert_eq!(world.run(&["backup", &file]).code, Some(0));
    world.audit();
}
