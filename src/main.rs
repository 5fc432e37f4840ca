//! The `promptcron` command: parse, log, exit code.

use std::process::ExitCode;

use clap::Parser;
use promptcron::cli::{self, Cli};

fn main() -> ExitCode {
    cli::execute(Cli::parse())
}
