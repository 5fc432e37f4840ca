//! Log lines on stderr.

use std::{
    env,
    fs::File,
    io::{self, IsTerminal, Write},
    os::{fd::AsFd, unix::fs::MetadataExt},
};

use tracing::{Level, Metadata};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::LogFormat;

/// Starts logging at `RUST_LOG`'s level, else at `level`.
pub(super) fn init(format: LogFormat, level: &str) {
    let own = format!("{level},tokio_cron_scheduler=warn,sqlx=warn");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(own));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false);
    match (format, is_journal()) {
        (LogFormat::Text, false) => {
            let lines = lines.with_writer(io::stderr);
            lines.with_ansi(io::stderr().is_terminal()).init();
        }
        // The journal has its own clock, and the priority says the level.
        (LogFormat::Text, true) => {
            let lines = lines.with_writer(Journal).with_ansi(false);
            lines.without_time().with_level(false).init();
        }
        (LogFormat::Json, false) => {
            let lines = lines.with_writer(io::stderr);
            lines.json().flatten_event(true).init();
        }
        (LogFormat::Json, true) => {
            let lines = lines.with_writer(Journal);
            lines.json().flatten_event(true).init();
        }
    }
}

/// Prints what ended a command on stderr; in the journal it is an error.
pub(super) fn complain(error: &anyhow::Error) {
    let text = format!("{error:#}\n");
    let written = match is_journal() {
        true => Prefixed(priority(Level::ERROR)).write_all(text.as_bytes()),
        false => io::stderr().write_all(text.as_bytes()),
    };
    // Nobody is left who could be told.
    written.ok();
}

/// True where stderr goes to systemd's journal: `JOURNAL_STREAM` names the device and inode of the
/// socket, so that a child whose stderr was sent elsewhere is not deceived (systemd.exec(5)).
fn is_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else {
        return false;
    };
    let own = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let own = own.and_then(|stderr| stderr.metadata());
    own.is_ok_and(|own| stream == format!("{}:{}", own.dev(), own.ino()))
}

/// Stderr, each line with its priority in front as sd-daemon(3) has it.
struct Journal;

/// What is written at one priority.
struct Prefixed(&'static str);

impl MakeWriter<'_> for Journal {
    type Writer = Prefixed;

    fn make_writer(&self) -> Prefixed {
        Prefixed(priority(Level::INFO))
    }

    fn make_writer_for(&self, event: &Metadata<'_>) -> Prefixed {
        Prefixed(priority(*event.level()))
    }
}

impl Write for Prefixed {
    /// One event, in one write to stderr, so that no other line comes between.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let mut lines = Vec::with_capacity(event.len() + self.0.len());
        for line in event.split_inclusive(|byte| *byte == b'\n') {
            lines.extend_from_slice(self.0.as_bytes());
            lines.extend_from_slice(line);
        }
        io::stderr().write_all(&lines)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}
