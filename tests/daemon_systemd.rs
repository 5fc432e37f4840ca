//! What the real daemon tells systemd, and how its lines reach the journal: over sockets and files
//! of the test's own. `.ci/systemd` shows the same under a real systemd.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::{
    fs::{self, File},
    os::unix::{fs::MetadataExt, net::UnixDatagram},
    process::{Child, Command, Stdio},
    time::Instant,
};

use daemon::{SOON, World};

/// Nothing in it is due while a test runs.
const RARELY: &str = "[[job]]\nname = \"金价\"\ncron = \"0 8 29 2 *\"\nprompt = \"？\"\n";

/// A daemon whose notifications are read here. Dropped, it is killed.
struct Notified {
    world: World,
    socket: UnixDatagram,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Notified {
    fn start(env: &[(&str, &str)]) -> Self {
        Self::start_in(World::new(RARELY), "text", env, Stdio::null())
    }

    fn start_in(
        world: World,
        log_format: &str,
        env: &[(&str, &str)],
        stderr: impl Into<Stdio>,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("n").tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut command = world.promptcron(&["run", "--log-format", log_format]);
        command.env("NOTIFY_SOCKET", &path);
        command.envs(env.iter().copied());
        let child = command.stderr(stderr).spawn().unwrap();
        Self {
            world,
            socket,
            child,
            _folder: folder,
        }
    }

    /// Waits for the first message that holds `text`.
    fn wait_for(&self, text: &str) -> String {
        self.until(text).pop().unwrap()
    }

    /// Every message up to the first that holds `text`.
    fn until(&self, text: &str) -> Vec<String> {
        let deadline = Instant::now() + SOON;
        let mut seen: Vec<String> = Vec::new();
        let mut message = [0; 4096];
        while !seen.last().is_some_and(|said| said.contains(text)) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {text:?} in {seen:#?}");
            self.socket.set_read_timeout(Some(left)).unwrap();
            if let Ok(n) = self.socket.recv(&mut message) {
                seen.push(String::from_utf8(message[..n].to_vec()).unwrap());
            }
        }
        seen
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Notified {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn systemd_is_told_of_start_reload_and_stop_with_a_line_for_people() {
    let mut daemon = Notified::start(&[]);
    let ready = daemon.wait_for("READY=1");
    assert!(
        ready.contains("STATUS=1 job, next 金价 at 2028-02-29 08:00"),
        "{ready}"
    );

    assert_eq!(daemon.world.run(&["pause", "金价"]).code, Some(0));
    daemon.wait_for("STATUS=1 job, nothing is due");
    assert_eq!(daemon.world.run(&["resume", "金价"]).code, Some(0));
    daemon.wait_for("STATUS=1 job, next 金价 at 2028-02-29 08:00");

    daemon.world.edit_config("0 8 29 2 *", "0 7 29 2 *");
    daemon.signal("HUP");
    let reloading = daemon.wait_for("RELOADING=1");
    let (_, since) = reloading.split_once("MONOTONIC_USEC=").unwrap();
    assert!(since.trim().parse::<u64>().unwrap() > 0);
    let reloaded = daemon.wait_for("READY=1");
    assert!(
        reloaded.contains("next 金价 at 2028-02-29 07:00"),
        "{reloaded}"
    );

    daemon.world.edit_config("0 7 29 2 *", "0 77 29 2 *");
    daemon.signal("HUP");
    daemon.wait_for("RELOADING=1");
    let rejected = daemon.wait_for("READY=1");
    assert!(rejected.contains("STATUS=config rejected: "), "{rejected}");
    assert!(rejected.contains("config.toml:"), "{rejected}");
    assert!(
        rejected.contains("(1 job, next 金价 at 2028-02-29 07:00)"),
        "{rejected}"
    );

    daemon.signal("TERM");
    daemon.wait_for("STOPPING=1");
    assert!(daemon.child.wait().unwrap().success());
}

#[test]
fn the_watchdog_is_fed_while_the_daemon_lives_and_only_where_there_is_one() {
    let daemon = Notified::start(&[("WATCHDOG_USEC", "60000000")]);
    daemon.wait_for("WATCHDOG=1");
    let none = Notified::start(&[]);
    // The first sign of life is written before it is ready.
    let said = none.until("READY=1");
    assert!(
        !said.iter().any(|said| said.contains("WATCHDOG=1")),
        "{said:?}"
    );
}

/// A file for stderr, and the variable by which systemd tells that it is the journal.
fn journal(world: &World, is_stderr: bool) -> (File, String) {
    let file = File::create(world.path().join("journal")).unwrap();
    let meta = file.metadata().unwrap();
    let inode = meta.ino() + u64::from(!is_stderr);
    (file, format!("{}:{inode}", meta.dev()))
}

/// What a daemon that cannot start writes.
fn journaled(is_stderr: bool) -> String {
    let world = World::new(RARELY);
    fs::write(world.ledger(), "Dear diary, 今天 ".repeat(1000)).unwrap();
    let (file, stream) = journal(&world, is_stderr);
    let mut command = world.promptcron(&["run"]);
    command.env("JOURNAL_STREAM", stream).stderr(file);
    assert_eq!(command.status().unwrap().code(), Some(1));
    let said = fs::read_to_string(world.path().join("journal")).unwrap();
    said.replace(&world.path().display().to_string(), "DIR")
}

#[test]
fn an_error_that_ends_it_is_an_error_in_the_journal_and_nowhere_else() {
    assert!(journaled(true).starts_with("<3>ledger DIR/ledger.db: it is damaged"));
    assert!(journaled(false).starts_with("ledger DIR/ledger.db: it is damaged"));
}

#[test]
fn lines_for_the_journal_have_a_priority_and_leave_the_time_to_it() {
    for (format, start) in [
        ("text", "<6>starting config="),
        ("json", "<6>{\"timestamp\":"),
    ] {
        let world = World::new(RARELY);
        let (file, stream) = journal(&world, true);
        let daemon = Notified::start_in(world, format, &[("JOURNAL_STREAM", &*stream)], file);
        daemon.wait_for("READY=1");
        let said = fs::read_to_string(daemon.world.path().join("journal")).unwrap();
        assert!(said.starts_with(start), "{said}");
    }
}
