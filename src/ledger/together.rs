//! Writes that wait at the same time share one transaction, and so one sync of the disk.
//!
//! A thousand runs that are due in one second would else wait for a thousand syncs at each of their steps. Each write
//! still returns only when it is durable.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, resume_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use futures_util::FutureExt as _;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::{Ledger, LedgerError, Result, write::Write};

/// Writes in one transaction: so many that the sync hardly counts, so few that none waits long for the others.
const TOGETHER: usize = 64;

/// A write at work.
pub(super) type Acting<'a, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'a>>;

type Act = Box<dyn for<'a> FnOnce(&'a mut SqliteConnection) -> Acting<'a, ()> + Send>;

/// How a write ended; a panic belongs to whoever wanted it.
type Ended<T> = thread::Result<T>;

/// A write that waits, and who waits for its end.
struct Waiting {
    act: Act,
    end: oneshot::Sender<Ended<Result<()>>>,
}

/// Writes that wait, in the order in which they came.
#[derive(Clone, Default)]
pub(super) struct Line(Arc<Mutex<VecDeque<Waiting>>>);

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in line", self.lock().len())
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True for the first in line, with whom the line begins to be served.
    fn join(&self, waiting: Waiting) -> bool {
        let mut line = self.lock();
        line.push_back(waiting);
        line.len() == 1
    }

    /// Those whose turn it is, and whether others are left.
    fn next(&self) -> (Vec<Waiting>, bool) {
        let mut line = self.lock();
        let most = line.len().min(TOGETHER);
        (line.drain(..most).collect(), !line.is_empty())
    }
}

impl Ledger {
    /// Writes in one transaction with whatever else waits to be written. Durable when it returns. A lost claim or a panic
    /// undoes this write alone; any other error all of them, for then none is durable.
    pub(super) async fn together<T, F>(&self, write: F) -> Result<T>
    where
        F: for<'a> FnOnce(&'a mut SqliteConnection) -> Acting<'a, T> + Send + 'static,
        T: Send + 'static,
    {
        let (value, written) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let act: Act = Box::new(move |tx| {
            Box::pin(async move {
                // Nobody waits any more: what is written is found as what was cut off.
                value.send(write(tx).await?).ok();
                Ok(())
            })
        });
        if self.line.join(Waiting { act, end }) {
            // A task of its own: whoever is cut off here does not cut the others off.
            tokio::spawn(self.clone().serve_line());
        }
        let died = |_| self.error(sqlx::Error::WorkerCrashed);
        match ended.await.map_err(died)? {
            Ok(ended) => ended?,
            Err(panic) => resume_unwind(panic),
        }
        written.await.map_err(died)
    }

    async fn serve_line(self) {
        while self.serve_some().await {}
    }

    /// Writes what came while the write lock was waited for; tells whether more is left.
    async fn serve_some(&self) -> bool {
        let write = Write::begin(&self.pool).await;
        let (line, is_more) = self.line.next();
        let (acts, ends): (Vec<_>, Vec<_>) = line
            .into_iter()
            .map(|waiting| (waiting.act, waiting.end))
            .unzip();
        let written = match write {
            Ok(write) => write_all(write, acts).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(outcomes) => {
                for (end, outcome) in ends.into_iter().zip(outcomes) {
                    let outcome = outcome.map(|done| done.map_err(|error| self.error(error)));
                    end.send(outcome).ok();
                }
            }
            Err(error) => {
                for end in ends {
                    let error = LedgerError::from_sqlx(&self.path, &error);
                    end.send(Ok(Err(error))).ok();
                }
            }
        }
        is_more
    }
}

/// What came of each: done, its claim is lost, or it panicked. Durable when it returns.
async fn write_all(mut tx: Write, acts: Vec<Act>) -> sqlx::Result<Vec<Ended<sqlx::Result<()>>>> {
    match write_each(&mut tx, acts).await {
        Ok(outcomes) => {
            tx.commit().await?;
            Ok(outcomes)
        }
        Err(error) => {
            tx.roll_back().await;
            Err(error)
        }
    }
}

/// Each has a savepoint of its own; the commit ends them all.
async fn write_each(
    tx: &mut SqliteConnection,
    acts: Vec<Act>,
) -> sqlx::Result<Vec<Ended<sqlx::Result<()>>>> {
    let mut outcomes = Vec::with_capacity(acts.len());
    for act in acts {
        sqlx::query("savepoint own").execute(&mut *tx).await?;
        // What it had borrowed is undone with it.
        let outcome = AssertUnwindSafe(act(tx)).catch_unwind().await;
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(sqlx::Error::RowNotFound)) | Err(_) => {
                sqlx::query("rollback to own").execute(&mut *tx).await?;
            }
            // `SQLite` may have rolled all of it back by itself.
            Ok(Err(error)) => return Err(error),
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Overlap,
        ledger::{Access, NewOccurrence, Planning, ScheduledJob, error::fenced},
        model::Timestamp,
    };

    #[tokio::test]
    async fn attempts_that_begin_at_once_each_get_their_own_outcome() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Access::Write).await.unwrap();
        let now: Timestamp = "2030-03-01T08:00:00Z".parse().unwrap();
        let names: Vec<String> = (0..150).map(|n| format!("job-{n}")).collect();
        let jobs: Vec<_> = names
            .iter()
            .map(|name| ScheduledJob {
                name,
                schedule: "UTC 0 8 * * *".to_owned(),
            })
            .collect();
        ledger.sync_jobs(&jobs, now).await.unwrap();
        let occurrences = names.iter().map(|job| NewOccurrence {
            job: job.clone(),
            scheduled_at: now,
            due_at: now,
            overlap: Overlap::Skip,
            start_by: None,
        });
        let planning = Planning {
            occurrences: occurrences.collect(),
            ..Planning::default()
        };
        ledger.plan(&planning, now).await.unwrap();
        let mut claims = ledger.claim("owner", now, now, 150).await.unwrap();
        claims[7].fence += 1;
        let tasks: Vec<_> = claims
            .into_iter()
            .map(|claim| {
                let ledger = ledger.clone();
                tokio::spawn(async move { ledger.start_attempt(&claim, "kimi", now).await })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            let number = task.await.unwrap();
            if n == 7 {
                assert!(number.unwrap_err().is_fenced());
            } else {
                assert_eq!(number.unwrap(), 1);
            }
        }
        let begun: i64 = sqlx::query_scalar("select count(*) from attempt")
            .fetch_one(&ledger.pool)
            .await
            .unwrap();
        assert_eq!(begun, 149);
    }

    #[tokio::test]
    async fn all_are_told_where_none_could_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Access::Write).await.unwrap();
        let now: Timestamp = "2030-03-01T08:00:00Z".parse().unwrap();
        let claim = ledger.claim_manual("金", "owner", now, now).await.unwrap();
        sqlx::query("drop table attempt")
            .execute(&ledger.pool)
            .await
            .unwrap();
        let (one, other) = tokio::join!(
            ledger.start_attempt(&claim, "kimi", now),
            ledger.start_attempt(&claim, "kimi", now)
        );
        assert!(one.is_err() && other.is_err());
        let state: String = sqlx::query_scalar("select state from run")
            .fetch_one(&ledger.pool)
            .await
            .unwrap();
        assert_eq!(state, "claimed");
    }

    /// Writes a fact, and then does something else.
    async fn insert(
        ledger: &Ledger,
        name: &'static str,
        then: impl FnOnce() -> sqlx::Result<()> + Send + 'static,
    ) -> Result<()> {
        let write = ledger.together(move |tx| {
            Box::pin(async move {
                sqlx::query("insert into fact (name, value) values ($1, 1)")
                    .bind(name)
                    .execute(&mut *tx)
                    .await?;
                then()
            })
        });
        write.await
    }

    async fn facts(ledger: &Ledger) -> Vec<String> {
        sqlx::query_scalar("select name from fact where value = 1 order by name")
            .fetch_all(&ledger.pool)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_lost_claim_undoes_its_own_write_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Access::Write).await.unwrap();
        let (first, lost, last) = tokio::join!(
            insert(&ledger, "金", || Ok(())),
            insert(&ledger, "银", || fenced(0)),
            insert(&ledger, "铜", || fenced(1))
        );
        assert!(first.is_ok() && lost.unwrap_err().is_fenced() && last.is_ok());
        assert_eq!(facts(&ledger).await, ["金", "铜"]);
    }

    #[tokio::test]
    async fn a_panic_meets_whoever_caused_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Access::Write).await.unwrap();
        let of_another = ledger.clone();
        let dies = insert(&of_another, "银", || panic!("found by its own task"));
        let (first, died, last) = tokio::join!(
            insert(&ledger, "金", || Ok(())),
            AssertUnwindSafe(dies).catch_unwind(),
            insert(&ledger, "铜", || Ok(()))
        );
        assert!(first.is_ok() && died.is_err() && last.is_ok());
        insert(&ledger, "锡", || Ok(())).await.unwrap();
        assert_eq!(facts(&ledger).await, ["金", "铜", "锡"]);
    }
}
