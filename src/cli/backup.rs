//! `promptcron backup`: a copy of the ledger while the daemon runs.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, out::say, records::Records};
use crate::ledger::Access;

/// What `backup` is told.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The new file, in a folder that exists
    file: PathBuf,
    /// Replace a file of that name
    #[arg(long)]
    overwrite: bool,
}

/// Makes the copy and tells what is in it.
pub(super) fn run(records: &Records, args: &BackupArgs) -> Result<(), Failure> {
    let backup = records.with(Access::Read, async |ledger| {
        ledger.backup(&args.file, args.overwrite).await
    })?;
    let (runs, kib) = (backup.runs, backup.bytes.div_ceil(1024));
    let file = args.file.display();
    let noun = if runs == 1 { "run" } else { "runs" };
    say!("{file}: {runs} {noun}, {kib} KiB, checked");
    Ok(())
}
