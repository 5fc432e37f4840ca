//! The daemon's lock: one daemon per ledger. Only `run` takes it.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use super::{LedgerError, Result};

/// Held for the daemon's life; the kernel lets go of it when the process ends, however it ends.
/// Whoever gets it knows that the former daemon is dead.
#[derive(Debug)]
pub struct DaemonLock {
    _file: File,
}

impl DaemonLock {
    /// Takes the lock beside the ledger, `LEDGER.lock`.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] when another daemon has it; else the file could not be made.
    pub fn acquire(ledger: &Path) -> Result<Self> {
        let path = lock_path(ledger);
        let fail = |cause| LedgerError::Lock {
            path: path.clone(),
            cause,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LedgerError::Locked {
                path: ledger.display().to_string(),
            }),
            Err(TryLockError::Error(cause)) => Err(fail(cause)),
        }
    }
}

fn lock_path(ledger: &Path) -> PathBuf {
    let mut name = OsString::from(ledger);
    name.push(".lock");
    PathBuf::from(name)
}
