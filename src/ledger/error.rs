//! What can go wrong with the ledger, and what each case asks of the daemon.

use std::path::{Path, PathBuf};

use sqlx::migrate::MigrateError;

/// A ledger that could not be read or written. Names the file and the fix; the cause is part of the
/// text and no source beside it, or a chain of errors would say it twice.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No room: the daemon waits for it, nothing is lost.
    #[error(
        "ledger {path}: the disk is full ({cause}): make room; a daemon that runs goes on by itself"
    )]
    Full {
        /// The database file.
        path: String,
        /// `SQLite`'s own words.
        cause: String,
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
    #[error("ledger {path}: {what} ({cause}): {fix}")]
    Broken {
        /// The database file.
        path: String,
        /// What is wrong.
        what: &'static str,
        /// `SQLite`'s own words.
        cause: String,
        /// What to do.
        fix: &'static str,
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
    #[error("ledger lock {}: it cannot be made ({cause}): the ledger's folder must exist and be writable by this user", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The system's own words.
        cause: std::io::Error,
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

    /// Reads the database's error; `RowNotFound` is what [`fenced`] makes of a lost claim.
    pub(super) fn from_sqlx(path: &Path, error: &sqlx::Error) -> Self {
        let path = path.display().to_string();
        if matches!(error, sqlx::Error::RowNotFound) {
            return Self::Fenced { path };
        }
        let code = primary_code(error);
        let cause = words(error);
        if is_no_room(error) {
            return Self::Full { path, cause };
        }
        let (what, fix) = advice(code, error);
        Self::Broken {
            path,
            what,
            cause,
            fix,
        }
    }
}

/// What a migration failed with is the database's error too.
fn innermost(error: &sqlx::Error) -> &sqlx::Error {
    let sqlx::Error::Migrate(migration) = error else {
        return error;
    };
    match &**migration {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error,
        _ => error,
    }
}

/// `SQLite`'s words and extended code; the library's where it is none of `SQLite`'s errors.
fn words(error: &sqlx::Error) -> String {
    match innermost(error) {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            format!("{}, SQLite's code {code}", database.message())
        }
        other => other.to_string(),
    }
}

/// `SQLite`'s primary result code: the low byte of the extended one.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let sqlx::Error::Database(database) = innermost(error) else {
        return None;
    };
    let code: i32 = database.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// True where a disk has no room left.
pub(super) fn is_no_room(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(13)
}

/// What is wrong, and what to do.
fn advice(code: Option<i32>, error: &sqlx::Error) -> (&'static str, &'static str) {
    match (code, error) {
        (Some(5 | 6), _) => (
            "another process holds it for too long",
            "look for a tool that has it open",
        ),
        (Some(8), _) => (
            "it cannot be written",
            "check the owner of the file and its folder, and whether the disk is mounted read-only",
        ),
        (Some(10), _) => (
            "reading or writing it failed",
            "check the disk (dmesg), then restart",
        ),
        (Some(11 | 26), _) => (
            "it is damaged or no ledger",
            "move it away or restore a backup; promptcron never starts clean by itself",
        ),
        (Some(14), _) => (
            "it cannot be opened",
            "it must be a file, in a folder that exists and is writable by this user",
        ),
        (None, sqlx::Error::Migrate(_)) => (
            "its schema is not one that this version knows",
            "use the promptcron that wrote it or a newer one",
        ),
        (_, sqlx::Error::Migrate(_)) => (
            "it is another program's database",
            "give promptcron a file of its own ([ledger] url)",
        ),
        _ => (
            "this should not happen",
            "keep the file and report it with this message",
        ),
    }
}

/// The result of a write that a fencing token guards: no row changed means that the claim is lost.
pub(super) fn fenced(rows_affected: u64) -> sqlx::Result<()> {
    if rows_affected == 0 {
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(())
}
