//! Every intent and outcome, durable. All SQL lives in this folder and nothing else does.
//!
//! `SQLite` in WAL mode, one writing connection a process; every commit is on disk before the act
//! that it announces. Instants are milliseconds, placeholders are `$1`: `PostgreSQL` can be added
//! beside it without a redesign. What the tables mean stands in `migrations/`.

/// The condition that the index of live rows was made with. `SQLite` uses such an index only where a
/// query says the same: a narrower one, such as `state = 'owed'` alone, reads the whole history.
macro_rules! live {
    (run) => {
        "run.state in ('planned', 'claimed', 'asking')"
    };
    (delivery) => {
        "delivery.state in ('owed', 'sending')"
    };
}

mod audit;
mod backup;
mod beat;
mod conversations;
mod deliveries;
mod error;
mod figures;
mod history;
mod jobs;
mod lock;
mod looks;
mod manual;
mod moving;
mod notices;
mod outcomes;
mod planning;
mod pushed;
mod requests;
mod retention;
mod runs;
mod sessions;
mod standings;
mod together;
mod tokens;
mod visitors;
mod write;

use std::{os::unix::fs::OpenOptionsExt, path::PathBuf, sync::Arc, time::Duration};

use sqlx::{
    SqlitePool,
    migrate::Migrator,
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};

pub use self::{
    audit::{Finding, Nominal},
    backup::Backup,
    beat::Beat,
    conversations::{ConversationRow, TurnRow},
    deliveries::{Admission, Admit, Claimed, Claiming, NewDelivery, Owed},
    error::LedgerError,
    figures::{EndedRun, Outbox},
    history::{AttemptRow, Before, DeliveryRow, HistoryRow, Shown},
    jobs::{Cancelled, JobChanges, JobState, OUT_OF_CONFIG, ScheduledJob},
    lock::DaemonLock,
    looks::{Glimpse, LastAnswer, TakenBy, Trouble},
    moving::{HandedOver, Moving, MovingNotice},
    notices::{Compose, Gathered, Letter, MissedJob, NewNotice, Standing, Step},
    outcomes::{Answered, AskedRow, Failure, Said, Speak},
    planning::{Cut, NewOccurrence, NewRange, Planning, Skipped},
    pushed::{Completed, Outcome, Waits},
    requests::{RequestRow, Requests},
    retention::STATES_KEPT,
    runs::{Claim, Taken, UnstartedRun},
    standings::JobStanding,
    tokens::{KnownToken, LearnedRow, TokenRow},
    visitors::{Hold, TargetState, Visitor},
};
use self::{together::Line, write::Write};

/// How long a write waits for another process's short transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a statement waits for this process's others; one that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(600);

/// The steps that make a ledger's tables, in order.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// An open ledger; clones share its one connection.
#[derive(Clone, Debug)]
pub struct Ledger {
    pool: SqlitePool,
    path: Arc<PathBuf>,
    line: Line,
}

/// What a ledger's file may be opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading and writing; made and migrated where needed.
    Write,
    /// Reading; there must be one.
    Read,
}

type Result<T> = std::result::Result<T, LedgerError>;

impl Ledger {
    /// Opens the ledger at `path`, and brings its schema up to date when it may write.
    ///
    /// # Errors
    /// A folder or file that cannot be made, read or written, and a file that is no ledger: never
    /// replaced by a clean one.
    pub async fn open(path: &std::path::Path, access: Access) -> Result<Self> {
        let fail = |error: sqlx::Error| LedgerError::from_sqlx(path, &error);
        if access == Access::Write {
            make_private(path);
        }
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            // The one connection is waited for as long as a slow disk takes to prune or to sync.
            .acquire_timeout(PATIENCE)
            .connect_with(options(path, access))
            .await
            .map_err(fail)?;
        if access == Access::Write {
            MIGRATIONS
                .run(&pool)
                .await
                .map_err(|error| LedgerError::from_sqlx(path, &error.into()))?;
        }
        Ok(Self {
            pool,
            path: Arc::new(path.to_path_buf()),
            line: Line::default(),
        })
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Closes the connection; the last one folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that has the write lock from its first statement on.
    async fn write(&self) -> Result<Write> {
        Write::begin(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// Commits what was done, or rolls back and says what went wrong.
    async fn finish<T>(&self, transaction: Write, done: sqlx::Result<T>) -> Result<T> {
        let value = match done {
            Ok(value) => value,
            Err(error) => {
                transaction.roll_back().await;
                return Err(self.error(error));
            }
        };
        let committed = transaction.commit().await;
        committed.map_err(|error| self.error(error))?;
        Ok(value)
    }

    fn error(&self, error: sqlx::Error) -> LedgerError {
        LedgerError::from_sqlx(&self.path, &error)
    }
}

/// Prompts and answers are their owner's alone; `SQLite` gives its log the same mode. A file that
/// is there already, or cannot be made, is left for `SQLite` to tell of.
fn make_private(path: &std::path::Path) {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .ok();
}

fn options(path: &std::path::Path, access: Access) -> SqliteConnectOptions {
    let base = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true);
    match access {
        Access::Read => base.read_only(true),
        Access::Write => base
            .create_if_missing(true)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .journal_mode(SqliteJournalMode::Wal)
            // A claim must outlive a power cut, not just the process.
            .synchronous(SqliteSynchronous::Full)
            // Give the log's space back after a burst.
            .pragma("journal_size_limit", "4194304"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::model::Timestamp;

    #[tokio::test]
    async fn what_is_asked_at_every_beat_and_push_reads_no_history() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Access::Write).await.unwrap();
        let queries = [deliveries::QUERIES.as_slice(), &runs::QUERIES, &beat::RENEW];
        let mut seen = 0;
        for query in queries.into_iter().flatten() {
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(sqlx::AssertSqlSafe(format!("explain query plan {query}")))
                    .fetch_all(&ledger.pool)
                    .await
                    .unwrap();
            seen += plan.len();
            for (.., step) in plan {
                let is_scan = step.starts_with("SCAN run") || step.starts_with("SCAN delivery");
                let is_live = ["run_live", "run_waiting", "delivery_owed"];
                let is_live = is_live.iter().any(|index| step.contains(index));
                assert!(!is_scan || is_live, "{step}: {query}");
            }
        }
        assert!(seen > 0);
    }

    #[tokio::test]
    async fn a_new_ledger_is_its_owners_alone_and_none_is_made_by_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        assert!(Ledger::open(&path, Access::Read).await.is_err());
        assert!(!path.exists());
        Ledger::open(&path, Access::Write).await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_write_that_fails_says_whether_waiting_helps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Access::Write).await.unwrap();
        // As a disk without room: it takes no page more than it has.
        sqlx::query("pragma max_page_count = 1")
            .execute(&ledger.pool)
            .await
            .unwrap();
        let long = "0".repeat(1_000_000);
        let job = ScheduledJob {
            name: "金",
            schedule: long,
        };
        let jobs = [job];
        let full = ledger.sync_jobs(&jobs, Timestamp::UNIX_EPOCH).await;
        let full = full.unwrap_err();
        assert!(full.is_full() && !full.is_fenced(), "{full}");
        let reader = Ledger::open(&path, Access::Read).await.unwrap();
        let refused = reader.sync_jobs(&jobs, Timestamp::UNIX_EPOCH).await;
        let refused = refused.unwrap_err();
        assert!(!refused.is_full() && !refused.is_fenced(), "{refused}");
        assert!(refused.to_string().contains("it cannot be written"));
        let lost = ledger.error(error::fenced(0).unwrap_err());
        assert!(!lost.is_full() && lost.is_fenced(), "{lost}");
    }

    #[tokio::test]
    async fn the_next_write_succeeds_after_one_that_sqlite_rolled_back_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Access::Write).await.unwrap();
        let mut tx = ledger.write().await.unwrap();
        // What a full disk does to a transaction, without one.
        let twice = "insert or rollback into fact (name, value) values ('金', 1), ('金', 2)";
        let done = sqlx::query(twice).execute(&mut *tx).await;
        assert!(ledger.finish(tx, done).await.is_err());
        let mut tx = ledger.write().await.unwrap();
        let once = "insert into fact (name, value) values ('金', 1)";
        let done = sqlx::query(once).execute(&mut *tx).await;
        ledger.finish(tx, done).await.unwrap();
    }
}
