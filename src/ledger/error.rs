//! What can go wrong with the ledger, and what each case asks of the daemon.

use std::path::{Path, PathBuf};

/// A ledger that could not be read or written. Names the file and the fix.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No room: the daemon waits for it, nothing is lost.
    #[error("ledger {path}: the disk is full: make room, promptcron goes on by itself ({source})")]
    Full {
        /// The database file.
        path: String,
        /// `SQLite`'s own words.
        source: sqlx::Error,
    },
    /// The claim that a write belonged to has passed to another process.
    #[error(
        "ledger {path}: the claim has passed to another process, what came of it here is dropped"
    )]
    Fenced {
        /// The database file.
        path: String,
    },
    /// Anything else: the daemon stops, and never starts clean.
    #[error("ledger {path}: {hint} ({source})")]
    Broken {
        /// The database file.
        path: String,
        /// What to do.
        hint: &'static str,
        /// `SQLite`'s own words.
        source: sqlx::Error,
    },
    /// Another daemon holds the ledger's lock.
    #[error(
        "ledger {path}: another promptcron daemon is running on it: stop that one first, or give this one a ledger of its own ([ledger] url)"
    )]
    Locked {
        /// The database file.
        path: String,
    },
    /// The lock file could not be made.
    #[error("ledger lock {}: {source}: the ledger's folder must exist and be writable by this user", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
}

impl LedgerError {
    /// True where waiting helps.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// True where the claim is no longer ours.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Fenced { .. })
    }

    /// Wraps the database's error; `RowNotFound` is what [`fenced`] makes of a lost claim.
    pub(super) fn from_sqlx(path: &Path, source: sqlx::Error) -> Self {
        let path = path.display().to_string();
        if matches!(source, sqlx::Error::RowNotFound) {
            return Self::Fenced { path };
        }
        match primary_code(&source) {
            Some(13) => Self::Full { path, source },
            code => Self::Broken {
                path,
                hint: hint(code, &source),
                source,
            },
        }
    }
}

/// `SQLite`'s primary result code: the low byte of the extended one.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let sqlx::Error::Database(database) = error else {
        return None;
    };
    let code: i32 = database.code()?.parse().ok()?;
    Some(code & 0xff)
}

fn hint(code: Option<i32>, error: &sqlx::Error) -> &'static str {
    if matches!(error, sqlx::Error::Migrate(_)) {
        return "its schema is not one that this version knows: use the promptcron that wrote it or a newer one";
    }
    match code {
        Some(5 | 6) => "another process holds it for too long: look for a tool that has it open",
        Some(8) => {
            "it cannot be written: check the owner of the file and its folder, and whether the disk is mounted read-only"
        }
        Some(10) => "reading or writing it failed: check the disk (dmesg), then restart",
        Some(11 | 26) => {
            "it is damaged or no ledger: move it away or restore a backup; promptcron never starts clean by itself"
        }
        Some(14) => "it cannot be opened: its folder must exist and be writable by this user",
        _ => "this should not happen: keep the file and report it with this message",
    }
}

/// The result of a write that a fencing token guards: no row changed means that the claim is lost.
pub(super) fn fenced(rows_affected: u64) -> sqlx::Result<()> {
    if rows_affected == 0 {
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(())
}
