//! Writes what packages bring beside the binary and what is made from its commands: a man page for
//! each, and completions for bash, zsh and fish. `cargo run --example packaging-files -- FOLDER`.

use std::{env, fs, io, path::Path};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use promptcron::cli::Cli;

const NAME: &str = "promptcron";

/// What no command knows of itself: files, environment, signals.
const SECTIONS: &str = include_str!("sections.roff");

fn main() -> io::Result<()> {
    let folder = env::args_os()
        .nth(1)
        .ok_or_else(|| io::Error::other("name the folder to write to"))?;
    write(Path::new(&folder))
}

/// Writes all of it into a folder, which is made.
///
/// # Errors
/// The folder cannot be made or written.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // A page's foot has one line for the version; the pages are the help.
    let cli = Cli::command().version(env!("CARGO_PKG_VERSION"));
    let mut cli = cli.disable_help_subcommand(true);
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut cli, NAME, folder)?;
    }
    cli.build();
    let shown = cli
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    for command in shown {
        let name = format!("{NAME}-{}", command.get_name());
        let command = command.clone().name(&name).display_name(&name);
        fs::write(folder.join(format!("{name}.1")), page(command, "")?)?;
    }
    fs::write(folder.join(format!("{NAME}.1")), page(cli, SECTIONS)?)
}

/// A command's page, with more sections at its end.
fn page(command: Command, more: &str) -> io::Result<String> {
    let has_commands = command.has_subcommands();
    let page = Man::new(command)
        .source(concat!("promptcron ", env!("CARGO_PKG_VERSION")))
        .manual("promptcron");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if has_commands {
        page.render_subcommands_section(&mut text)?;
    }
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    Ok(text + more)
}
