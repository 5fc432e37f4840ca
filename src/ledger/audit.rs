//! The invariant, checked over the whole ledger: every nominal instant between a job's first
//! appearance and its cursor is in exactly one terminal state or is live, and what a row says
//! agrees with the rows beside it.

use std::fmt;

use sqlx::FromRow;

use super::{Ledger, Result};
use crate::model::{Timestamp, from_ms};

/// Something that breaks the invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The job it is about.
    pub job: String,
    /// What is wrong, with the run or the instant.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.job, self.what)
    }
}

/// The nominal instants of a schedule, as `audit` needs them.
pub trait Nominal {
    /// The first instant after `after`.
    fn next_after(&self, after: Timestamp) -> Option<Timestamp>;
    /// How many instants lie between two instants, both inclusive.
    fn count(&self, from: Timestamp, until: Timestamp) -> u64;
}

#[derive(FromRow)]
struct Revision {
    job: String,
    since_at: i64,
    until_at: Option<i64>,
    cursor_at: i64,
    schedule: String,
}

#[derive(FromRow)]
struct Record {
    run_id: i64,
    scheduled_at: i64,
    instants: i64,
    until_at: Option<i64>,
}

/// Rows that contradict each other, each query with what it finds.
const CONTRADICTIONS: [(&str, &str); 15] = [
    (
        "is in a state that there is not",
        "select job, run_id from run where state not in ('planned', 'claimed', 'asking',
             'answered', 'delivering', 'delivered', 'failed', 'skipped', 'missed', 'silent',
             'cancelled')",
    ),
    (
        "ended without an instant, or has one and is live",
        "select job, run_id from run where (finished_at is null)
             = (state in ('delivered', 'failed', 'skipped', 'missed', 'silent', 'cancelled'))",
    ),
    (
        "failed, was skipped, missed, silent or cancelled without a reason",
        "select job, run_id from run
         where state in ('failed', 'skipped', 'missed', 'silent', 'cancelled') and reason is null",
    ),
    (
        "is delivered, with a delivery that is not",
        "select job, run_id from run where state = 'delivered' and (
             exists (select 1 from delivery d where d.run_id = run.run_id
                         and d.kind = 'answer' and d.state not in ('delivered', 'moved'))
             or not exists (select 1 from delivery d where d.run_id = run.run_id
                         and d.kind = 'answer' and d.state = 'delivered'))",
    ),
    (
        "has ended and owes a delivery",
        "select job, run_id from run where state in ('failed', 'skipped', 'missed', 'silent',
             'cancelled') and exists (
             select 1 from delivery d where d.run_id = run.run_id
                 and d.kind = 'answer' and d.state in ('owed', 'sending'))",
    ),
    (
        "is answered and owes nothing",
        "select job, run_id from run where state in ('answered', 'delivering') and not exists (
             select 1 from delivery d where d.run_id = run.run_id
                 and d.kind = 'answer' and d.state in ('owed', 'sending'))",
    ),
    (
        "has a delivery and was never answered",
        "select job, run_id from run where answered_at is null and exists (
             select 1 from delivery d where d.run_id = run.run_id and d.kind = 'answer')",
    ),
    (
        "was answered by no attempt",
        "select job, run_id from run where answered_at is not null and not exists (
             select 1 from attempt a where a.run_id = run.run_id and a.outcome = 'answered')",
    ),
    (
        "has two answered attempts",
        "select job, run_id from run where (
             select count(*) from attempt a where a.run_id = run.run_id
                 and a.outcome = 'answered') > 1",
    ),
    (
        "is asking without an attempt",
        "select job, run_id from run where state = 'asking' and not exists (
             select 1 from attempt a where a.run_id = run.run_id and a.outcome = 'asking')",
    ),
    (
        "is claimed by nobody",
        "select job, run_id from run where state in ('claimed', 'asking')
             and (lease_owner is null or lease_until is null)",
    ),
    (
        "has a delivery that was taken by no attempt",
        "select job, run_id from run where exists (
             select 1 from delivery d where d.run_id = run.run_id and d.state = 'delivered'
                 and not exists (select 1 from delivery_attempt a
                     where a.delivery_id = d.delivery_id and a.outcome = 'delivered'))",
    ),
    (
        "has a delivery that was sent again though it was taken",
        "select job, run_id from run where exists (
             select 1 from delivery d join delivery_attempt a on a.delivery_id = d.delivery_id
             join delivery_attempt later on later.delivery_id = d.delivery_id
             where d.run_id = run.run_id and a.outcome = 'delivered' and later.number > a.number)",
    ),
    (
        "has a push under way while it is not being sent, or the reverse",
        "select job, run_id from run where exists (
             select 1 from delivery d where d.run_id = run.run_id
                 and (d.state = 'sending') <> exists (select 1 from delivery_attempt a
                     where a.delivery_id = d.delivery_id and a.outcome = 'sending'))",
    ),
    (
        "has an attempt that is under way while it is not asking",
        "select job, run_id from run where state <> 'asking' and exists (
             select 1 from attempt a where a.run_id = run.run_id and a.outcome = 'asking')",
    ),
];

impl Ledger {
    /// Checks everything and returns what is wrong; empty: nothing.
    ///
    /// `nominal` reads a schedule's text, as `sync_jobs` wrote it.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn audit<N: Nominal>(
        &self,
        nominal: impl Fn(&str) -> Option<N>,
    ) -> Result<Vec<Finding>> {
        let mut findings = self.contradictions().await?;
        let start = self.pruned_until().await?;
        for revision in self.revisions().await? {
            let Some(schedule) = nominal(&revision.schedule) else {
                findings.push(Finding {
                    job: revision.job,
                    what: format!("its schedule {:?} is not one", revision.schedule),
                });
                continue;
            };
            let since = revision.since_at.max(start);
            let until = revision.until_at.unwrap_or(revision.cursor_at);
            let records = self.records(&revision.job, since, until).await?;
            findings.extend(
                walk(&schedule, since, until, &records)
                    .into_iter()
                    .map(|what| Finding {
                        job: revision.job.clone(),
                        what,
                    }),
            );
        }
        Ok(findings)
    }

    async fn contradictions(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for (what, sql) in CONTRADICTIONS {
            let rows: Vec<(String, i64)> = sqlx::query_as(sql)
                .fetch_all(&self.pool)
                .await
                .map_err(|error| self.error(error))?;
            findings.extend(rows.into_iter().map(|(job, run_id)| Finding {
                job,
                what: format!("run {run_id} {what}"),
            }));
        }
        Ok(findings)
    }

    async fn pruned_until(&self) -> Result<i64> {
        let at: Option<i64> =
            sqlx::query_scalar("select value from fact where name = 'pruned_until'")
                .fetch_optional(&self.pool)
                .await
                .map_err(|error| self.error(error))?;
        Ok(at.unwrap_or(i64::MIN))
    }

    async fn revisions(&self) -> Result<Vec<Revision>> {
        sqlx::query_as(
            "select revision.job, since_at, until_at, schedule, cursor_at
             from revision join job on job.job = revision.job order by revision.job, since_at",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    async fn records(&self, job: &str, since: i64, until: i64) -> Result<Vec<Record>> {
        sqlx::query_as(
            "select run_id, scheduled_at, instants, until_at from run
             where job = $1 and trigger = 'schedule' and scheduled_at <= $3
                 and coalesce(until_at, scheduled_at) > $2
             order by scheduled_at",
        )
        .bind(job)
        .bind(since)
        .bind(until)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }
}

/// Walks the nominal instants after `since` up to `until` beside the records of that time.
fn walk(schedule: &impl Nominal, since: i64, until: i64, records: &[Record]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut at = from_ms(since);
    let mut records = records.iter().peekable();
    while let Some(next) = schedule
        .next_after(at)
        .filter(|next| *next <= from_ms(until))
    {
        while let Some(stray) = records.next_if(|record| last(record) < next) {
            findings.push(stray_record(stray));
        }
        at = match records.next_if(|record| from_ms(record.scheduled_at) <= next) {
            None => {
                findings.push(format!("the occurrence of {next} is in no state"));
                next
            }
            Some(record) => {
                findings.extend(check_record(schedule, record, next, since));
                last(record).max(next)
            }
        };
    }
    findings.extend(records.map(stray_record));
    findings
}

fn last(record: &Record) -> Timestamp {
    from_ms(record.until_at.unwrap_or(record.scheduled_at))
}

fn stray_record(record: &Record) -> String {
    format!(
        "run {} stands for {}, which is no instant of its schedule or has another record",
        record.run_id,
        from_ms(record.scheduled_at)
    )
}

/// A range must begin at an instant and count what lies in it; one cut by pruning is not counted.
fn check_record(
    schedule: &impl Nominal,
    record: &Record,
    next: Timestamp,
    since: i64,
) -> Option<String> {
    let from = from_ms(record.scheduled_at);
    if record.scheduled_at <= since {
        return None;
    }
    if from != next {
        return Some(stray_record(record));
    }
    let instants = match record.until_at {
        None => 1,
        Some(until) => schedule.count(from, from_ms(until)),
    };
    let said = u64::try_from(record.instants).unwrap_or(0);
    (said != instants).then(|| {
        format!(
            "run {} says {said} occurrences from {from} on, its schedule has {instants}",
            record.run_id
        )
    })
}
