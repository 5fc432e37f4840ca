//! `promptcron reload`: the running daemon reads its config again, and says what came of it.

use std::path::{Path, PathBuf};

use crate::{
    config::{self, LedgerPath, SystemEnv},
    daemon::{ask_to_reload, socket_path},
};

use super::{Failure, block_on, out::say};

/// Asks the daemon of the config's ledger; exit 1 when it did not take the new config.
pub(super) fn run(file: &Path) -> Result<(), Failure> {
    let (ledger, of) = daemon_of(file)?;
    let reloaded = block_on(ask_to_reload(&ledger.0, of))??;
    let came_of_it = match (reloaded.taken, reloaded.changes.is_empty()) {
        (false, _) => "not reloaded: the daemon goes on with the config it has",
        (true, true) => "reloaded: nothing has changed",
        (true, false) => "reloaded",
    };
    let lines = reloaded.changes.iter().chain(&reloaded.errors);
    let lines: Vec<&str> = lines.map(String::as_str).chain([came_of_it]).collect();
    say!("{}", lines.join("\n"));
    match reloaded.taken {
        true => Ok(()),
        false => Err(Failure::Told),
    }
}

/// The ledger whose daemon runs on the file. The rest of the file is for that daemon to judge, in its own environment.
///
/// A file that cannot be read, or names another ledger since the daemon's start, does not tell; then the daemon at the
/// usual place is asked whether it is its file.
fn daemon_of(file: &Path) -> anyhow::Result<(LedgerPath, Option<PathBuf>)> {
    let usual = config::default_ledger(&SystemEnv);
    let is_there = |ledger: &LedgerPath| socket_path(&ledger.0).exists();
    match config::ledger_of(file, &SystemEnv) {
        Ok(named) if is_there(&named) || !is_there(&usual) => Ok((named, None)),
        Err(error) if !is_there(&usual) => Err(anyhow::anyhow!(
            "{error}\nnot reloaded: no daemon was asked, and what runs goes on as it is"
        )),
        _ => Ok((usual, Some(std::path::absolute(file)?))),
    }
}
