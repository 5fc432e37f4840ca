//! The real binary in a folder of its own: started with a config and an environment that hold
//! nothing but what a test gives, waited for by its lines, killed at the end.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, kill_process};
use serde_json::Value;

pub use rustix::process::Signal;

/// How long anything may take that should take a moment; the machine may be busy.
pub const DEADLINE: Duration = Duration::from_secs(40);

/// A folder with a `config.toml` that the binary is started in.
pub struct Place {
    folder: tempfile::TempDir,
    env: Vec<(OsString, OsString)>,
}

/// What a process that has ended left.
#[derive(Debug)]
pub struct Output {
    /// The exit code; None where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A running process.
pub struct Process {
    child: Child,
    stdout: Collected,
    stderr: Collected,
}

impl Place {
    /// A new folder with this config.
    pub fn new(config: &str) -> Self {
        let place = Self::empty();
        place.write("config.toml", config);
        place
    }

    /// A new folder without a config.
    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            env: Vec::new(),
        }
    }

    /// The same with one more variable in the environment.
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The names of the files in it, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Starts the binary.
    pub fn start(&self, args: &[&str]) -> Process {
        self.start_with_input(args, Stdio::null())
    }

    fn start_with_input(&self, args: &[&str], input: Stdio) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_promptcron"))
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Process {
            stdout: Collected::from(child.stdout.take().unwrap()),
            stderr: Collected::from(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Runs the binary to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.start(args).wait(DEADLINE)
    }

    /// The JSON objects that a command prints, one a line.
    pub fn json_lines(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(args);
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
        let lines = output.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What `history --json` tells, the oldest first.
    pub fn history(&self) -> Vec<Value> {
        let mut rows = self.json_lines(&["history", "--json", "-n", "1000"]);
        rows.reverse();
        rows
    }

    /// What `show --json` tells of one run.
    pub fn shown(&self, run: u64) -> Value {
        self.json_lines(&["show", &run.to_string(), "--json"])
            .remove(0)
    }
}

impl Output {
    /// Everything that it printed.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Process {
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// How long its threads have kept a processor busy so far (Linux alone tells).
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Fields 14 and 15 after a name in brackets, in hundredths of a second.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split(' ').skip(11).take(2);
        let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Waits for the first line on stderr that holds `text`.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.stderr.wait_for_line(text, DEADLINE)
    }

    /// Waits for the first line on stdout that holds `text`.
    pub fn wait_for_line(&self, text: &str) -> String {
        self.stdout.wait_for_line(text, DEADLINE)
    }

    /// Ends it with a signal, and tells what it left.
    pub fn end(self, signal: Signal) -> Output {
        self.signal(signal);
        self.wait(DEADLINE)
    }

    /// Waits for its end; panics after `deadline`.
    pub fn wait(mut self, deadline: Duration) -> Output {
        // Both streams end with the process: no other holds them.
        let stdout = self.stdout.wait_for_end(deadline);
        let stderr = self.stderr.wait_for_end(deadline);
        let status = self.child.wait().unwrap();
        Output {
            code: status.code(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended: then there is nothing to kill, and nothing to say.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What came on a stream so far.
#[derive(Clone)]
struct Collected(Arc<(Mutex<Stream>, Condvar)>);

#[derive(Default)]
struct Stream {
    text: String,
    ended: bool,
}

impl Collected {
    /// Collects a stream line by line, on a thread that ends with it.
    fn from(stream: impl Read + Send + 'static) -> Self {
        let collected = Self(Arc::default());
        let shared = collected.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
                let text = String::from_utf8(std::mem::take(&mut line)).unwrap();
                shared.change(|stream| stream.text.push_str(&text));
            }
            shared.change(|stream| stream.ended = true);
        });
        collected
    }

    fn change(&self, change: impl FnOnce(&mut Stream)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Stream> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_line(&self, text: &str, deadline: Duration) -> String {
        let found = |stream: &Stream| {
            let mut lines = stream.text.lines();
            lines.find(|line| line.contains(text)).map(str::to_owned)
        };
        let stream = self.wait(deadline, |stream| stream.ended || found(stream).is_some());
        found(&stream).unwrap_or_else(|| panic!("no line with {text:?} in:\n{}", stream.text))
    }

    fn wait_for_end(&self, deadline: Duration) -> String {
        let stream = self.wait(deadline, |stream| stream.ended);
        assert!(
            stream.ended,
            "not over within {deadline:?}:\n{}",
            stream.text
        );
        stream.text.clone()
    }

    /// Waits until it is done or `deadline` has passed.
    fn wait(&self, deadline: Duration, done: impl Fn(&Stream) -> bool) -> MutexGuard<'_, Stream> {
        let until = Instant::now() + deadline;
        let mut stream = self.lock();
        while !done(&stream) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.0.1.wait_timeout(stream, left);
            stream = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        stream
    }
}
