//! The real binary on a folder of its own, beside a stand-in AI and a stand-in inbox.
//!
//! It can be killed at any point and started again; between two starts a test may read and edit
//! the ledger as any process could.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it, as a module of its own"
)]

use std::{
    io::{BufRead, BufReader},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use promptcron::{
    config::{self, SystemEnv},
    ledger::{Access, Ledger, ScheduledJob},
    model::Timestamp,
};
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, Connection, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use tempfile::TempDir;

use crate::{ai::FakeOpenai, ntfy::FakeNtfy};

/// Longer than anything here takes on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// A stand-in AI, a stand-in inbox, and a folder with a config that names them.
pub struct World {
    pub ai: FakeOpenai,
    pub ntfy: FakeNtfy,
    pub place: Place,
}

impl World {
    /// One target, `phone`, with the topic `gold`.
    pub fn new(jobs: &str) -> Self {
        Self::with(
            "",
            "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"",
            jobs,
        )
    }

    /// With keys at the config's top, and targets on the server `NTFY`.
    pub fn with(top: &str, targets: &str, jobs: &str) -> Self {
        Self::on(FakeNtfy::start(), top, targets, jobs)
    }

    /// With an inbox of its own kind.
    pub fn on(ntfy: FakeNtfy, top: &str, targets: &str, jobs: &str) -> Self {
        let ai = FakeOpenai::start();
        let place = Place::new();
        let config = format!(
            "timezone = \"UTC\"\n{top}\n[ledger]\nurl = \"sqlite:{}\"\n\
             [ai.local]\napi = \"openai\"\nbase_url = \"{}\"\nmodel = \"gpt-test\"\n{}\n{jobs}\n",
            place.ledger().display(),
            ai.base_url(),
            targets.replace("NTFY", &ntfy.url()),
        );
        place.write_config(&config);
        Self { ai, ntfy, place }
    }
}

impl std::ops::Deref for World {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

/// A one-shot job that was due `ago`, as TOML.
pub fn one_shot(name: &str, ago: TimeDelta) -> String {
    let at = (Utc::now() - ago).format("%Y-%m-%dT%H:%M:%S");
    format!("[[job]]\nname = \"{name}\"\nat = \"{at}\"\nprompt = \"今天的{name}？\"\n")
}

/// A folder with a config and a ledger.
pub struct Place {
    folder: TempDir,
    ledger: &'static str,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            ledger: "ledger.db",
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn ledger(&self) -> PathBuf {
        self.path().join(self.ledger)
    }

    /// The config names another ledger, relative to this folder.
    pub fn ledger_is(&mut self, file: &'static str) {
        self.ledger = file;
    }

    pub fn config(&self) -> PathBuf {
        self.path().join("config.toml")
    }

    pub fn write_config(&self, text: &str) {
        std::fs::write(self.config(), text).unwrap();
    }

    /// Replaces a piece of the config that is there exactly once.
    pub fn edit_config(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {text}");
        self.write_config(&text.replace(from, to));
    }

    /// Makes the ledger that a daemon leaves which saw this config and stopped at `then`.
    pub fn stopped_at(&self, then: Timestamp) {
        let config = config::load(&self.config(), then, &SystemEnv).unwrap();
        let scheduled = config.jobs.iter().map(|job| ScheduledJob {
            name: job.name.as_str(),
            schedule: job.schedule.to_text(),
        });
        let jobs: Vec<_> = scheduled.collect();
        block_on(async {
            let ledger = Ledger::open(&config.ledger.0, Access::Write).await.unwrap();
            ledger.sync_jobs(&jobs, then).await.unwrap();
            ledger.close().await;
        });
    }

    /// `promptcron` on this config, with nothing of the outside that would change what it does.
    pub fn promptcron(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_promptcron"));
        command.arg("--config").arg(self.config()).args(args);
        clean(&mut command);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        let output = self.promptcron(args).output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the daemon and waits until every loop of it stands.
    pub fn start(&self) -> Daemon {
        let (daemon, ready) = self.start_with(self.promptcron(&["run"]));
        ready.wait(daemon)
    }

    /// Starts a command as the daemon; it may never get ready.
    pub fn start_with(&self, mut command: Command) -> (Daemon, Ready) {
        let notify = tempfile::Builder::new().prefix("n").tempdir().unwrap();
        let socket = UnixDatagram::bind(notify.path().join("s")).unwrap();
        command.env("NOTIFY_SOCKET", notify.path().join("s"));
        (
            Daemon::start(command),
            Ready {
                socket,
                _folder: notify,
            },
        )
    }

    /// `history --json`, oldest first.
    pub fn history(&self) -> Vec<Value> {
        let ran = self.run(&["history", "--json", "-n", "1000000"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let mut rows: Vec<Value> = (ran.stdout.lines())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        rows.reverse();
        rows
    }

    /// `state` or `state(reason)` of each row of the history, oldest first.
    pub fn states(&self) -> Vec<String> {
        self.history().iter().map(state).collect()
    }

    /// `show --json` of a run.
    pub fn show(&self, run: i64) -> Value {
        let ran = self.run(&["show", &run.to_string(), "--json"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// The outcomes of a run's attempts, in order.
    pub fn attempts(&self, run: i64) -> Vec<String> {
        let shown = self.show(run);
        let rows = shown["attempt_rows"].as_array().unwrap().iter();
        rows.map(|row| row["outcome"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Nothing breaks the invariant.
    pub fn audit(&self) {
        let ran = self.run(&["audit"]);
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{}", ran.stdout);
    }

    /// Changes the ledger's file as no promptcron would; tells how many rows.
    pub fn edit(&self, sql: &str) -> u64 {
        block_on(async {
            let mut ledger = self.connect().await;
            let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut ledger).await;
            ledger.close().await.unwrap();
            done.unwrap().rows_affected()
        })
    }

    /// One number from the ledger's file.
    pub fn number(&self, sql: &str) -> i64 {
        self.maybe_number(sql).unwrap()
    }

    /// One number from the ledger's file, null where it is null.
    pub fn maybe_number(&self, sql: &str) -> Option<i64> {
        block_on(async {
            let mut ledger = self.connect().await;
            let value = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut ledger)
                .await;
            ledger.close().await.unwrap();
            value.unwrap()
        })
    }

    /// A column of texts or numbers from the ledger's file.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        block_on(async {
            let mut ledger = self.connect().await;
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut ledger).await;
            ledger.close().await.unwrap();
            // SQLite gives a number as text where text is asked for.
            let text = |row: &SqliteRow| row.get_unchecked(0);
            rows.unwrap().iter().map(text).collect()
        })
    }

    /// Waits until a number from the ledger's file is what it should be.
    pub fn wait_until(&self, sql: &str, wanted: i64) {
        eventually(sql, || self.maybe_number(sql) == Some(wanted));
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.ledger())
            .busy_timeout(SOON);
        SqliteConnection::connect_with(&options).await.unwrap()
    }
}

/// The same command under another program, such as strace with its arguments.
pub fn under(wrapper: &str, args: &[String], inner: &Command) -> Command {
    let mut command = Command::new(wrapper);
    command
        .args(args)
        .arg(inner.get_program())
        .args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// strace that does something at a system call, as `inject` tells. Its child is ours: strace is the
/// detached one.
pub fn strace(call: &str, inject: &str, inner: &Command) -> Command {
    let args = [
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &format!("trace={call}"),
        "-e",
        "signal=none",
        "-e",
        &format!("inject={call}:{inject}"),
    ]
    .map(str::to_owned);
    under("strace", &args, inner)
}

/// `state` or `state(reason)` of a row of the history, with `xN` behind a range of N.
pub fn state(row: &Value) -> String {
    let reason = row["reason"].as_str();
    let reason = reason.map_or_else(String::new, |reason| format!("({reason})"));
    let many = row
        .get("count")
        .map_or_else(String::new, |n| format!(" x{n}"));
    format!("{}{reason}{many}", row["state"].as_str().unwrap())
}

/// Takes away what the test's own environment would change.
fn clean(command: &mut Command) {
    for name in [
        "RUST_LOG",
        "TZ",
        "NOTIFY_SOCKET",
        "STATE_DIRECTORY",
        "PROMPTCRON_CONFIG",
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(name);
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Looks again and again until it holds; panics when it does not within [`SOON`].
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    eventually_within(SOON, what, holds);
}

/// The same with a bound of its own.
pub fn eventually_within(bound: Duration, what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + bound;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {bound:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Where the daemon says that it is ready.
pub struct Ready {
    socket: UnixDatagram,
    _folder: TempDir,
}

impl Ready {
    /// Waits until every loop stands; panics when the daemon ends before.
    pub fn wait(self, mut daemon: Daemon) -> Daemon {
        let deadline = Instant::now() + SOON;
        let tick = Duration::from_millis(100);
        self.socket.set_read_timeout(Some(tick)).unwrap();
        let mut said = [0; 256];
        loop {
            if let Ok(n) = self.socket.recv(&mut said)
                && said[..n].starts_with(b"READY=1")
            {
                return daemon;
            }
            let ended = daemon.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {:#?}", daemon.lines());
            assert!(
                Instant::now() < deadline,
                "not ready: {:#?}",
                daemon.lines()
            );
        }
    }
}

/// A running daemon. Dropped, it is killed.
pub struct Daemon {
    child: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    grown: Condvar,
}

impl Daemon {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let (stderr, growing) = (child.stderr.take().unwrap(), log.clone());
        let reader = thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                growing.lines.lock().unwrap().0.push(line);
                growing.grown.notify_all();
            }
            growing.lines.lock().unwrap().1 = true;
            growing.grown.notify_all();
        });
        Self {
            child,
            log,
            reader: Some(reader),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// True once it is no more.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it has logged.
    pub fn lines(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().0.clone()
    }

    /// Waits until a line holds `text`, and returns it.
    pub fn wait_for_line(&self, text: &str) -> String {
        let deadline = Instant::now() + SOON;
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.0.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !lines.1, "no {text:?} in {:#?}", lines.0);
            lines = self.log.grown.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Ends it as a crash does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        let deadline = Instant::now() + SOON;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end: {:#?}",
                self.lines()
            );
            thread::sleep(Duration::from_millis(10));
        };
        self.reader.take().unwrap().join().unwrap();
        Ended {
            status,
            lines: self.lines(),
        }
    }

    /// Stops it in order.
    pub fn stop(self) -> Ended {
        self.signal("TERM");
        let ended = self.wait();
        assert!(ended.status.success(), "{ended:#?}");
        ended
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// How the daemon ended, and all that it logged.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub lines: Vec<String>,
}

impl Ended {
    /// How many lines hold `text`.
    pub fn count(&self, text: &str) -> usize {
        self.lines.iter().filter(|line| line.contains(text)).count()
    }
}
