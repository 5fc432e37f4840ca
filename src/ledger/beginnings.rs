//! Attempts that begin at once share one transaction, and so one sync of the disk.
//!
//! A thousand runs that are due in one second would else wait for a thousand syncs. Each still
//! returns only when its row is durable.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::{Claim, Ledger, LedgerError, Result, runs::start_attempt, write::Write};
use crate::model::{Timestamp, to_ms};

/// Attempts that wait to be begun.
pub(super) type Beginnings = Arc<Mutex<Vec<Beginning>>>;

/// One attempt, and who waits for its number.
#[derive(Debug)]
pub(super) struct Beginning {
    claim: Claim,
    ai: String,
    now: i64,
    begun: oneshot::Sender<Result<i64>>,
}

impl Ledger {
    /// Begins an attempt: durable before the first byte goes to the AI. Returns its number.
    ///
    /// # Errors
    /// The ledger could not be written, or the claim is lost.
    pub async fn start_attempt(&self, claim: &Claim, ai: &str, now: Timestamp) -> Result<i64> {
        let (begun, number) = oneshot::channel();
        let beginning = Beginning {
            claim: claim.clone(),
            ai: ai.to_owned(),
            now: to_ms(now),
            begun,
        };
        if self.wait_in_line(beginning) {
            // A task of its own: whoever is cut off here does not cut the others off.
            tokio::spawn(self.clone().begin_all());
        }
        match number.await {
            Ok(number) => number,
            Err(_) => Err(self.error(sqlx::Error::WorkerCrashed)),
        }
    }

    /// True for the first in line, who begins for all.
    fn wait_in_line(&self, beginning: Beginning) -> bool {
        let mut line = self
            .beginnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        line.push(beginning);
        line.len() == 1
    }

    /// Begins all that came while the write lock was waited for.
    async fn begin_all(self) {
        let write = Write::begin(&self.pool).await;
        let line = {
            let mut line = self
                .beginnings
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            mem::take(&mut *line)
        };
        let written = match write {
            Ok(write) => begin(write, &line).await,
            Err(error) => Err(error),
        };
        let tell = |beginning: Beginning, number| {
            // Nobody waits any more: the attempt is found as one that was cut off.
            beginning.begun.send(number).ok();
        };
        match written {
            Ok(numbers) => {
                for (beginning, number) in line.into_iter().zip(numbers) {
                    tell(beginning, number.map_err(|error| self.error(error)));
                }
            }
            Err(error) => {
                for beginning in line {
                    tell(beginning, Err(LedgerError::from_sqlx(&self.path, &error)));
                }
            }
        }
    }
}

/// The number of each, or that its claim is lost; durable when it returns.
async fn begin(mut write: Write, line: &[Beginning]) -> sqlx::Result<Vec<sqlx::Result<i64>>> {
    match begin_each(&mut write, line).await {
        Ok(numbers) => {
            write.commit().await?;
            Ok(numbers)
        }
        Err(error) => {
            write.roll_back().await;
            Err(error)
        }
    }
}

async fn begin_each(
    tx: &mut SqliteConnection,
    line: &[Beginning],
) -> sqlx::Result<Vec<sqlx::Result<i64>>> {
    let mut numbers = Vec::with_capacity(line.len());
    for Beginning { claim, ai, now, .. } in line {
        match start_attempt(tx, claim, ai, *now).await {
            // A lost claim has changed nothing, and is its own run's affair.
            lost @ Err(sqlx::Error::RowNotFound) => numbers.push(lost),
            number => numbers.push(Ok(number?)),
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Overlap,
        ledger::{Access, NewOccurrence, Planning, ScheduledJob},
    };

    #[tokio::test]
    async fn attempts_that_begin_at_once_each_get_their_own_outcome() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Access::Write).await.unwrap();
        let now: Timestamp = "2030-03-01T08:00:00Z".parse().unwrap();
        let names: Vec<String> = (0..40).map(|n| format!("job-{n}")).collect();
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
        let mut claims = ledger.claim("owner", now, now, 40).await.unwrap();
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
        assert_eq!(begun, 39);
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
}
