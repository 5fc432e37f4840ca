//! Taking runs up: claims with a lease and a fencing token, and what a restart finds.

use sqlx::{FromRow, SqliteConnection};

use super::{Ledger, Result, error::fenced};
use crate::model::{RunId, Timestamp, from_ms, to_ms};

/// A run that this process has claimed: the ticket for each later write about it.
#[derive(Clone, Debug, FromRow)]
pub struct Claim {
    /// The run.
    pub run_id: RunId,
    /// Its job.
    pub job: String,
    scheduled_at: i64,
    first_claimed_at: i64,
    /// What made it.
    pub trigger: String,
    /// The fencing token.
    pub fence: i64,
}

impl Claim {
    /// The occurrence's nominal instant.
    #[must_use]
    pub fn scheduled_at(&self) -> Timestamp {
        from_ms(self.scheduled_at)
    }

    /// When its job's `retry_for` began.
    #[must_use]
    pub fn first_claimed_at(&self) -> Timestamp {
        from_ms(self.first_claimed_at)
    }
}

/// What a starting process found of those that had the ledger before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Runs that were claimed or asking.
    pub runs: u64,
    /// Deliveries of which it is unknown whether they arrived.
    pub deliveries: u64,
}

/// A run that is planned, due, and was never begun.
#[derive(Clone, Debug, FromRow)]
pub struct UnstartedRun {
    /// The run.
    pub run_id: RunId,
    /// Its job.
    pub job: String,
    scheduled_at: i64,
    /// True where a person asked for it.
    pub is_manual: bool,
    /// True when an attempt was made and cut off.
    pub begun: bool,
}

impl UnstartedRun {
    /// The occurrence's nominal instant.
    #[must_use]
    pub fn scheduled_at(&self) -> Timestamp {
        from_ms(self.scheduled_at)
    }
}

/// A run that no run ahead of it keeps waiting. The runner's sleep asks the same as its claim:
/// were a queued run due and not claimable, the runner would never sleep.
macro_rules! claimable {
    () => {
        "state = 'planned' and (overlap <> 'queue' or not exists (
             select 1 from run earlier
             where earlier.job = run.job and earlier.run_id < run.run_id
                 and earlier.state in ('planned', 'claimed', 'asking')))"
    };
}

const CLAIM: &str = concat!(
    "update run set state = 'claimed', lease_owner = $1, lease_until = $2, fence = fence + 1,
         first_claimed_at = coalesce(first_claimed_at, $3), started_at = coalesce(started_at, $3)
     where run_id in (
         select run_id from run where next_attempt_at <= $3 and ",
    claimable!(),
    "    order by due_at, run_id limit $4)
     returning run_id, job, scheduled_at, first_claimed_at, trigger, fence"
);

const IS_DUE: &str = concat!(
    "select exists (select 1 from run where next_attempt_at <= $1 and ",
    claimable!(),
    ")"
);

const NEXT_CLAIMABLE: &str = concat!("select min(next_attempt_at) from run where ", claimable!());

const HELD: &str = concat!(
    "select run_id, fence from run where ",
    live!(run),
    " and state <> 'planned' and lease_owner = $1"
);

#[cfg(test)]
pub(super) const QUERIES: [&str; 8] = [
    CLAIM,
    IS_DUE,
    NEXT_CLAIMABLE,
    HELD,
    TAKE_UP[0],
    TAKE_UP[1],
    TAKE_UP[2],
    TAKE_UP[3],
];

impl Ledger {
    /// Claims up to `free` runs that are due, the oldest first. Durable when it returns.
    ///
    /// Runs that waited past their `start_deadline` become `missed(window)` first.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn claim(
        &self,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
        free: usize,
    ) -> Result<Vec<Claim>> {
        if !self.is_due(now).await? {
            return Ok(Vec::new());
        }
        let mut tx = self.write().await?;
        let free = i64::try_from(free).unwrap_or(i64::MAX);
        let done = claim(&mut tx, owner, to_ms(now), to_ms(lease_until), free).await;
        let mut claims = self.finish(tx, done).await?;
        claims.sort_by_key(|claim| (claim.scheduled_at, claim.run_id));
        Ok(claims)
    }

    /// A cheap look before the write lock is taken.
    async fn is_due(&self, now: Timestamp) -> Result<bool> {
        sqlx::query_scalar(IS_DUE)
            .bind(to_ms(now))
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// When the next planned run may be claimed; None: there is none.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn next_claimable_at(&self) -> Result<Option<Timestamp>> {
        let at: Option<i64> = sqlx::query_scalar(NEXT_CLAIMABLE)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(at.map(from_ms))
    }

    /// Begins an attempt: durable before the first byte goes to the AI. Returns its number.
    ///
    /// # Errors
    /// The ledger could not be written, or the claim is lost.
    pub async fn start_attempt(&self, claim: &Claim, ai: &str, now: Timestamp) -> Result<i64> {
        let (claim, ai) = (claim.clone(), ai.to_owned());
        let now = to_ms(now);
        self.together(move |tx| Box::pin(async move { start_attempt(tx, &claim, &ai, now).await }))
            .await
    }

    /// Writes a manual run and claims it for `owner` in the same transaction.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn claim_manual(
        &self,
        job: &str,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Claim> {
        let mut tx = self.write().await?;
        let done = claim_manual(&mut tx, job, owner, to_ms(now), to_ms(lease_until)).await;
        self.finish(tx, done).await
    }

    /// The runs that `owner` holds, each with its fence.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn held(&self, owner: &str) -> Result<Vec<(RunId, i64)>> {
        sqlx::query_as(HELD)
            .bind(owner)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// Takes up what other owners left: all of it when they are known to be dead, else what has
    /// an expired lease. Runs are planned again, deliveries owed again with an unknown outcome.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn take_up(&self, owner: &str, now: Timestamp, dead_owners: &str) -> Result<Taken> {
        let mut tx = self.write().await?;
        let done = take_up(&mut tx, owner, to_ms(now), dead_owners).await;
        self.finish(tx, done).await
    }

    /// Whether an occurrence of the job that was due at `since` or later is planned.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn has_planned_since(&self, job: &str, since: Timestamp) -> Result<bool> {
        sqlx::query_scalar(
            "select exists (select 1 from run where job = $1 and state = 'planned'
                 and trigger = 'schedule' and due_at >= $2)",
        )
        .bind(job)
        .bind(to_ms(since))
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// Planned runs that fell due before `before` and have not been claimed since.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn unstarted(&self, before: Timestamp) -> Result<Vec<UnstartedRun>> {
        sqlx::query_as(
            "select run_id, job, scheduled_at, trigger = 'manual' as is_manual, exists (
                 select 1 from attempt where attempt.run_id = run.run_id) as begun
             from run where state = 'planned' and due_at < $1
             order by scheduled_at",
        )
        .bind(to_ms(before))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }
}

async fn claim(
    tx: &mut SqliteConnection,
    owner: &str,
    now: i64,
    lease_until: i64,
    free: i64,
) -> sqlx::Result<Vec<Claim>> {
    sqlx::query(
        "update run set state = 'missed', reason = 'window', finished_at = $1
         where state = 'planned' and start_by < $1 and started_at is null",
    )
    .bind(now)
    .execute(&mut *tx)
    .await?;
    sqlx::query_as(CLAIM)
        .bind(owner)
        .bind(lease_until)
        .bind(now)
        .bind(free)
        .fetch_all(&mut *tx)
        .await
}

/// Two manual runs of a job in one millisecond are two runs: the later one's instant gives way.
async fn claim_manual(
    tx: &mut SqliteConnection,
    job: &str,
    owner: &str,
    now: i64,
    lease_until: i64,
) -> sqlx::Result<Claim> {
    sqlx::query_as(
        "insert into run (job, scheduled_at, trigger, state, due_at, planned_at, first_claimed_at,
             next_attempt_at, lease_owner, lease_until, fence, started_at)
         select $1, at.ms, 'manual', 'claimed', at.ms, $2, $2, $2, $3, $4, 1, $2
         from (select coalesce(max(scheduled_at) + 1, $2) as ms from run
               where job = $1 and trigger = 'manual' and scheduled_at >= $2) at
         where true
         returning run_id, job, scheduled_at, first_claimed_at, trigger, fence",
    )
    .bind(job)
    .bind(now)
    .bind(owner)
    .bind(lease_until)
    .fetch_one(&mut *tx)
    .await
}

async fn start_attempt(
    tx: &mut SqliteConnection,
    claim: &Claim,
    ai: &str,
    now: i64,
) -> sqlx::Result<i64> {
    let changed = sqlx::query(
        "update run set state = 'asking', ai = $3
         where run_id = $1 and fence = $2 and state = 'claimed'",
    )
    .bind(claim.run_id)
    .bind(claim.fence)
    .bind(ai)
    .execute(&mut *tx)
    .await?;
    fenced(changed.rows_affected())?;
    sqlx::query_scalar(
        "insert into attempt (run_id, number, started_at, outcome, ai)
         select $1, coalesce(max(number), 0) + 1, $2, 'asking', $3 from attempt where run_id = $1
         returning number",
    )
    .bind(claim.run_id)
    .bind(now)
    .bind(ai)
    .fetch_one(&mut *tx)
    .await
}

/// Its owner is dead, or its lease is over.
macro_rules! dead {
    () => {
        "lease_owner <> $1 and (lease_until <= $2 or lease_owner like $3)"
    };
}

const TAKE_UP: [&str; 4] = [
    concat!(
    "update attempt set outcome = 'lost', finished_at = $2, error = 'the process ended meanwhile'
     where outcome = 'asking' and run_id in (
         select run_id from run where ",
        live!(run),
        " and state = 'asking' and ",
        dead!(),
        ")"
    ),
    concat!(
        "update delivery_attempt set outcome = 'unknown', finished_at = $2,
         error = 'the process ended meanwhile'
     where outcome = 'sending' and delivery_id in (
         select delivery_id from delivery where ",
        live!(delivery),
        " and state = 'sending' and ",
        dead!(),
        ")"
    ),
    concat!(
        "update run set state = 'planned', next_attempt_at = $2, fence = fence + 1 where ",
        live!(run),
        " and state <> 'planned' and ",
        dead!()
    ),
    concat!(
        "update delivery set state = 'owed', next_at = $2, fence = fence + 1 where ",
        live!(delivery),
        " and state = 'sending' and ",
        dead!()
    ),
];

async fn take_up(
    tx: &mut SqliteConnection,
    owner: &str,
    now: i64,
    dead_owners: &str,
) -> sqlx::Result<Taken> {
    let mut changed = [0; 4];
    for (sql, rows) in TAKE_UP.into_iter().zip(&mut changed) {
        *rows = sqlx::query(sql)
            .bind(owner)
            .bind(now)
            .bind(dead_owners)
            .execute(&mut *tx)
            .await?
            .rows_affected();
    }
    Ok(Taken {
        runs: changed[2],
        deliveries: changed[3],
    })
}
