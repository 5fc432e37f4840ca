//! What packages bring is made from the commands as they are.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../packaging/files.rs"]
#[allow(dead_code, reason = "its main is the example's")]
mod files;

use std::fs;

use clap::{Command, CommandFactory};
use promptcron::cli::Cli;

struct Written(tempfile::TempDir);

impl Written {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        files::write(folder.path()).unwrap();
        Self(folder)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }
}

fn commands() -> Vec<Command> {
    let mut cli = Cli::command();
    cli.build();
    let shown = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    let found: Vec<_> = cli.get_subcommands().filter(shown).cloned().collect();
    assert!(!found.is_empty());
    found
}

/// The long options of a command, as people type them.
fn options(command: &Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let long = shown.filter_map(|arg| arg.get_long());
    long.map(|name| format!("--{name}")).collect()
}

/// A page's text without the escapes of hyphens.
fn text(page: &str) -> String {
    page.replace("\\-", "-")
}

#[test]
fn every_command_has_a_page_with_all_of_its_options() {
    let written = Written::new();
    let main = text(&written.read("promptcron.1"));
    for command in commands() {
        let name = command.get_name();
        assert!(main.contains(&format!("promptcron-{name}(1)")), "{name}");
        let page = text(&written.read(&format!("promptcron-{name}.1")));
        for option in options(&command) {
            assert!(page.contains(&option), "{option} of {name}");
        }
    }
}

#[test]
fn the_main_page_tells_of_files_signals_and_exit_codes() {
    let page = Written::new().read("promptcron.1");
    for section in [
        "NAME",
        "SYNOPSIS",
        "EXIT STATUS",
        "FILES",
        "ENVIRONMENT",
        "SIGNALS",
    ] {
        let found = page.lines().filter(|line| {
            line.trim_end() == format!(".SH {section}")
                || line.trim_end() == format!(".SH \"{section}\"")
        });
        assert_eq!(found.count(), 1, "{section}");
    }
    let version = format!("\"promptcron {}\"", env!("CARGO_PKG_VERSION"));
    assert!(page.contains(&version), "{}", page.lines().nth(2).unwrap());
}

#[test]
fn every_shell_completes_every_command_and_option() {
    let written = Written::new();
    for shell in ["promptcron.bash", "_promptcron", "promptcron.fish"] {
        let script = written.read(shell);
        for command in commands() {
            let name = command.get_name();
            assert!(script.contains(name), "{name} in {shell}");
            for option in options(&command) {
                // fish writes an option's name alone.
                let bare = option.trim_start_matches('-');
                assert!(script.contains(bare), "{option} of {name} in {shell}");
            }
        }
    }
}
