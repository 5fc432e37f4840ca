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
    for line in reloaded.changes.iter().chain(&reloaded.errors) {
        say!("{line}");
    }
    if !reloaded.taken {
        say!("not reloaded: the daemon goes on with the config it has");
        return Err(Failure::Told);
    }
    say!(
        "{}",
        if reloaded.changes.is_empty() {
            "reloaded: nothing has changed"
        } else {
            "reloaded"
        }
    );
    Ok(())
}
