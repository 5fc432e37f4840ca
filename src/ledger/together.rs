//! Writes that wait at the same time share one transaction, and so one sync of the disk.
//!
//! A thousand runs that are due in one second would else wait for a thousand syncs at each of their steps. Each write
//! still returns only when it is durable.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::{Ledger, LedgerError, Result, write::Write};

/// Writes in one transaction: so many that the sync hardly counts, so few that none waits long for the others.
const TOGETHER: usize = 64;

/// A write at work.
pub(super) type Acting<'a, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'a>>;

type Act = Box<dyn for<'a> FnOnce(&'a mut SqliteConnection) -> Acting<'a, ()> + Send>;

/// A write that waits, and who waits for its end.
struct Waiting {
    act: Act,
    end: oneshot::Sender<Result<()>>,
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
    /// Writes in one transaction with whatever else waits to be written. Durable when it returns. A lost claim undoes this
    /// write alone; any other error all of them, for then none is durable.
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
        ended.await.map_err(died)??;
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
                    end.send(outcome.map_err(|error| self.error(error))).ok();
                }
            }
            Err(error) => {
                for end in ends {
                    end.send(Err(LedgerError::from_sqlx(&self.path, &error)))
                        .ok();
                }
            }
        }
        is_more
    }
}

/// What came of each: done, or its claim is lost. Durable when it returns.
async fn write_all(mut tx: Write, acts: Vec<Act>) -> sqlx::Result<Vec<sqlx::Result<()>>> {
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
) -> sqlx::Result<Vec<sqlx::Result<()>>> {
    let mut outcomes = Vec::with_capacity(acts.len());
    for act in acts {
        sqlx::query("savepoint own").execute(&mut *tx).await?;
        let outcome = act(tx).await;
        match outcome {
            Ok(()) => {}
            Err(sqlx::Error::RowNotFound) => {
                sqlx::query("rollback to own").execute(&mut *tx).await?;
            }
            // `SQLite` may have rolled all of it back by itself.
            Err(error) => return Err(error),
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
        ledger::{Access, NewOccurrence, Planning, ScheduledJob},
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
                schedule: "UTC 0 8 * * *",
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

    #[tokio::test]
    async fn a_lost_claim_undoes_its_own_write_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Access::Write).await.unwrap();
        let insert = |name: &'static str, is_lost: bool| {
            let ledger = ledger.clone();
            async move {
                let write = ledger.together(move |tx| {
                    Box::pin(async move {
                        sqlx::query("insert into fact (name, value) values ($1, 1)")
                            .bind(name)
                            .execute(&mut *tx)
                            .await?;
                        crate::ledger::error::fenced(u64::from(!is_lost))
                    })
                });
                write.await.is_ok()
            }
        };
        let (first, lost, last) =
            tokio::join!(insert("金", false), insert("银", true), insert("铜", false));
        assert_eq!([first, lost, last], [true, false, true]);
        let kept: Vec<String> =
            sqlx::query_scalar("select name from fact where value = 1 order by name")
                .fetch_all(&ledger.pool)
                .await
                .unwrap();
        assert_eq!(kept, ["金", "铜"]);
    }
}
