//! `promptcron reload`: the running daemon reads its config again, and says what came of it.

use crate::{
    config::{self, SystemEnv},
    daemon::ask_to_reload,
};

use super::{Failure, block_on, out::say};

/// Asks the daemon of the config's ledger; exit 1 when it did not take the new config.
pub(super) fn run(file: &std::path::Path) -> Result<(), Failure> {
    // The rest of the file is the daemon's to judge, in its own environment.
    let ledger = config::ledger_of(file, &SystemEnv).map_err(|errors| {
        anyhow::anyhow!("{errors}\nnot reloaded: the daemon was not asked, it goes on as it is")
    })?;
    let reloaded = block_on(ask_to_reload(&ledger.0))??;
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
