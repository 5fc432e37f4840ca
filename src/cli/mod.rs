//! The commands: what a person types, and what is printed. Everything they do lives elsewhere.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what a command is for"
)]

mod audit;
mod backup;
mod check;
mod demo;
mod failure;
mod health;
mod history;
mod instant;
mod logging;
mod next;
mod once;
mod out;
mod pause;
mod push;
mod records;
mod reload;
pub mod render;
mod run;
mod show;
mod status;
mod table;
mod tokens;

use std::{path::PathBuf, process::ExitCode};

use chrono::Utc;
use clap::{Parser, Subcommand, ValueEnum};

use self::{failure::Failure, records::Records};
use crate::config::{self, Config, SystemEnv};

/// Options that every command takes stand apart from its own.
const COMMON: &str = "Options of every command";

/// Cron for prompts: asks an AI on a schedule and pushes the answer to your phone through ntfy.
#[derive(Debug, Parser)]
#[command(name = "promptcron", version = version(), max_term_width = 100)]
#[command(
    after_help = "Start here: promptcron demo (needs no token), then promptcron check.\n\
    Exit codes: 0 done, 1 the work failed, 2 wrong usage or config."
)]
pub struct Cli {
    /// Which config file.
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        help_heading = COMMON,
        help = "The config file; else $PROMPTCRON_CONFIG, ./config.toml, /etc/promptcron/config.toml"
    )]
    config: Option<PathBuf>,

    /// How log lines look.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT",
        help_heading = COMMON,
        hide_possible_values = true,
        hide_default_value = true,
        help = "How log lines on stderr look: text (default) or json. RUST_LOG=debug shows more"
    )]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: every job at its instants, until TERM or INT
    ///
    /// The first TERM or INT lets running AI calls finish, for as long as `drain` says; the second ends at once.
    /// Either way nothing is lost: what was begun is taken up at the next start.
    /// One daemon runs on a ledger; the other commands work beside it.
    Run,
    /// Make the running daemon read its config again
    Reload,
    /// Check the config and show when each job is due next
    Check(check::CheckArgs),
    /// Show what is due next
    Next(next::NextArgs),
    /// Ask a job's prompt now, push the answer, and wait until it is delivered
    Once(once::OnceArgs),
    /// Push a test message to a target
    Push(push::PushArgs),
    /// Turn Markdown on stdin into what a phone shows
    Render(render::RenderArgs),
    /// See the whole way with a stand-in AI and a stand-in phone: no token, no network
    Demo(demo::DemoArgs),
    /// List what ran and what came of it, newest first
    History(history::HistoryArgs),
    /// Show how the daemon and each job stand
    ///
    /// Reads the ledger, whether a daemon runs or not, and says which. Exits 1 where none is at work, whatever the
    /// jobs' runs came to; with --watch it goes on until Ctrl-C.
    Status(status::StatusArgs),
    /// Show one run: prompt, answer, each attempt, each delivery
    Show(show::ShowArgs),
    /// Show how each token stands: its state, when it was used, what is left of it
    Tokens(tokens::TokensArgs),
    /// Pause a job: its occurrences are skipped until it is resumed
    Pause(pause::PauseArgs),
    /// Resume a paused job; what was due meanwhile stays skipped
    Resume(pause::ResumeArgs),
    /// Cancel a run that is not over: nothing more of it is asked or pushed
    Cancel(pause::CancelArgs),
    /// Check that every occurrence in the ledger is in exactly one state
    ///
    /// Walks every job's schedule from its first appearance until now and compares it with the ledger.
    /// Prints a line for each occurrence that is missing, doubled or contradicts itself, and exits 1 if there is one.
    Audit,
    /// Copy the ledger into a file, while the daemon runs
    ///
    /// The copy is one moment of the ledger, whole; it is checked before it gets its name, and only its owner
    /// can read it. To restore it, stop the daemon, move the ledger and its -wal and -shm away, and put the
    /// copy in the ledger's place.
    Backup(backup::BackupArgs),
    /// Exit 0 while the daemon's planner and ledger live
    ///
    /// Reads the signs of life that a running daemon writes every ten seconds. Exits 1, and says why, when they
    /// stop: for Docker's HEALTHCHECK and for monitoring.
    Health,
}

/// Carries a command out; its errors are printed here, once.
#[must_use]
pub fn execute(cli: Cli) -> ExitCode {
    logging::init(cli.log_format, cli.command.default_level());
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

impl Cli {
    fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Render(args) => Ok(render::run(args)?),
            Command::Demo(args) => demo::run(&args),
            Command::Run => run::run(self.load()?),
            Command::Reload => reload::run(&self.locate()?),
            Command::Check(ref args) => check::run(&self.load()?, args),
            Command::Next(ref args) => next::run(&self.load()?, args),
            Command::Once(ref args) => once::run(self.load()?, args),
            Command::Push(ref args) => push::run(&self.load()?, args),
            Command::History(ref args) => history::run(&self.records()?, args),
            Command::Status(ref args) => status::run(&self.records()?, args),
            Command::Show(ref args) => show::run(&self.records()?, args),
            Command::Tokens(ref args) => tokens::run(&self.records()?, || self.load(), args),
            Command::Pause(ref args) => pause::pause(&self.records()?, args),
            Command::Resume(ref args) => pause::resume(&self.records()?, args),
            Command::Cancel(ref args) => pause::cancel(&self.records()?, args),
            Command::Audit => audit::run(&self.records()?),
            Command::Backup(ref args) => backup::run(&self.records()?, args),
            Command::Health => health::run(&self.records()?),
        }
    }

    fn locate(&self) -> Result<PathBuf, Failure> {
        config::locate(self.config.clone(), &SystemEnv).map_err(Failure::config)
    }

    /// What was recorded can be looked at however wrong the file is otherwise.
    fn records(&self) -> Result<Records, Failure> {
        Records::of(&self.locate()?)
    }

    fn load(&self) -> Result<Config, Failure> {
        config::load(&self.locate()?, Utc::now(), &SystemEnv).map_err(Failure::config)
    }
}

impl Command {
    /// What is logged where `RUST_LOG` says nothing: a command's own output says the rest.
    fn default_level(&self) -> &'static str {
        match self {
            Self::Run => "info",
            _ => "warn",
        }
    }
}

/// The version with that of the built-in zone rules.
fn version() -> String {
    let (version, tzdata) = (env!("CARGO_PKG_VERSION"), chrono_tz::IANA_TZDB_VERSION);
    format!("{version}\ntzdata {tzdata}")
}

/// A runtime for the commands that reach out.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::work)?;
    Ok(runtime.block_on(future))
}
