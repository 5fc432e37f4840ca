//! `promptcron backup`: whole and checked while the daemon writes, never over a file by accident;
//! and a daemon that goes on from one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use daemon::{Ran, SOON, World};
use insta::assert_snapshot;

const EACH_SECOND: &str = "[[job]]\nname = \"金价\"\ncron = \"* * * * * *\"\nprompt = \"？\"\n";

/// A daemon that runs each second, and has pushed.
fn busy() -> (World, daemon::Daemon) {
    let world = World::new(EACH_SECOND);
    world.ai.answer_with("答案");
    let daemon = world.start();
    world.ntfy.wait_for(2, SOON);
    (world, daemon)
}

/// A world whose ledger is made, and no daemon.
fn quiet() -> World {
    let world = World::new(EACH_SECOND);
    world.stopped_at(chrono::Utc::now());
    world
}

fn backup(world: &World, name: &str, more: &[&str]) -> Ran {
    let file = world.path().join(name).display().to_string();
    world.run(&[&["backup", &file], more].concat())
}

/// The message of a backup that was refused, without the folder.
fn refused(world: &World, name: &str, more: &[&str]) -> String {
    let before = files(world.path());
    let ran = backup(world, name, more);
    assert_eq!((ran.code, &*ran.stdout), (Some(1), ""), "{ran:?}");
    assert_eq!(before, files(world.path()), "nothing is left behind");
    ran.stderr
        .replace(&world.path().display().to_string(), "DIR")
}

/// The folder's files but for those that `SQLite` keeps beside an open ledger.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names
        .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
        .collect();
    names.sort();
    names
}

/// The documented way back: the old ledger with its log moved away, the copy in its place.
fn restore(world: &World, name: &str) {
    for tail in ["", "-wal", "-shm"] {
        let old = format!("{}{tail}", world.ledger().display());
        if Path::new(&old).exists() {
            fs::rename(&old, format!("{old}.old")).unwrap();
        }
    }
    fs::copy(world.path().join(name), world.ledger()).unwrap();
}

#[test]
fn every_backup_of_a_busy_ledger_is_whole_and_the_daemon_goes_on() {
    let (world, daemon) = busy();
    for round in 0..5 {
        let pushed = world.ntfy.publishes().len();
        let name = format!("{round}.db");
        let ran = backup(&world, &name, &[]);
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
        assert!(ran.stdout.contains(" runs, ") && ran.stdout.ends_with(" KiB, checked\n"));
        let mode = fs::metadata(world.path().join(&name))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        world.ntfy.wait_for_publishes(pushed + 1, SOON);
    }
    daemon.stop();
    world.audit();
    let all = files(world.path());
    assert!(all.iter().all(|name| !name.contains("part")), "{all:?}");
    for round in 0..5 {
        restore(&world, &format!("{round}.db"));
        world.audit();
        assert!(world.number("select count(*) from run where state = 'delivered'") > 0);
    }
}

#[test]
fn a_daemon_goes_on_from_a_restored_backup() {
    let (world, daemon) = busy();
    assert_eq!(backup(&world, "copy.db", &[]).code, Some(0));
    let kept = world.number("select max(run_id) from run where state = 'delivered'");
    world.ntfy.wait_for(4, SOON);
    daemon.kill();
    restore(&world, "copy.db");
    let pushed = world.ntfy.publishes().len();
    let daemon = world.start();
    world.ntfy.wait_for_publishes(pushed + 2, SOON);
    daemon.stop();
    world.audit();
    assert_eq!(world.show(kept)["state"], "delivered");
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_that_is_said() {
    let world = quiet();
    fs::write(world.path().join("a.db"), "precious").unwrap();
    assert_snapshot!(refused(&world, "a.db", &[]), @"backup DIR/a.db: it is there already: name another file, or say --overwrite");
    let kept = fs::read_to_string(world.path().join("a.db")).unwrap();
    assert_eq!(kept, "precious");
    let ran = backup(&world, "a.db", &["--overwrite"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    restore(&world, "a.db");
    world.audit();
}

#[test]
fn the_ledger_is_never_its_own_backup() {
    let world = quiet();
    std::os::unix::fs::symlink(world.ledger(), world.path().join("link.db")).unwrap();
    for name in ["ledger.db", "link.db"] {
        let said = refused(&world, name, &["--overwrite"]);
        assert!(
            said.contains("it is the ledger itself: name another file"),
            "{said}"
        );
    }
}

#[test]
fn a_backup_that_cannot_be_made_says_why() {
    let world = quiet();
    assert_snapshot!(refused(&world, "none/a.db", &[]), @"backup DIR/none/a.db: its folder must exist and be writable by this user (entity not found)");
    assert_snapshot!(refused(&world, ".", &[]), @"backup DIR/.: it is a folder: name a file in it");
    fs::write(world.ledger(), "Dear diary, 今天 ".repeat(1000)).unwrap();
    assert_snapshot!(refused(&world, "a.db", &[]), @"backup DIR/a.db: ledger DIR/ledger.db: it is damaged or no ledger (file is not a database, SQLite's code 26): move it away or restore a backup; promptcron never starts clean by itself");
    fs::remove_file(world.ledger()).unwrap();
    assert_snapshot!(refused(&world, "a.db", &[]), @"there is no ledger DIR/ledger.db yet: `promptcron run` and `promptcron once` make it");
}

#[test]
fn only_a_ledger_that_this_version_knows_is_backed_up() {
    let world = quiet();
    world.edit(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9999, 'later', true, x'00', 1)",
    );
    assert_snapshot!(refused(&world, "a.db", &[]), @"backup DIR/a.db: the ledger DIR/ledger.db is of another version of promptcron: back it up with that one");
    world.edit("drop table _sqlx_migrations");
    assert_snapshot!(refused(&world, "a.db", &[]), @"backup DIR/a.db: DIR/ledger.db is no ledger of promptcron: check [ledger] url");
}
