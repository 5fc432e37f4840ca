//! What people are told besides the answers: what goes on, how often it was told of, and how many
//! notices a target got. Whether and in which words is the caller's to decide, within the
//! transaction of what is told.

use std::{fmt, sync::Arc};

use chrono::TimeDelta;
use sqlx::{FromRow, SqliteConnection};

use super::{
    Ledger, Result,
    deliveries::{NewDelivery, insert_deliveries},
};
use crate::model::{RunId, Timestamp, from_ms, to_ms};

/// How far back notices count towards a target's most in an hour.
const HOUR: TimeDelta = TimeDelta::hours(1);

/// How long the first notice above the most waits for others to be summed up with it.
const GATHERING: TimeDelta = TimeDelta::minutes(1);

/// What the ledger knows of a subject at the moment something happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How often it has happened in a row, this time included.
    pub times: i64,
    /// When it happened first.
    pub since: Timestamp,
    /// How often people were told.
    pub told: i64,
    /// When they were told last.
    pub told_at: Option<Timestamp>,
}

/// What a notice does to its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has happened, or happened again.
    Happened,
    /// It is over. Nothing is told where nothing went on.
    Over,
}

/// A notice for one target.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What a summary says of it.
    pub title: String,
    /// The push.
    pub delivery: NewDelivery,
}

/// Decides whether a standing is told of, and to whom: empty, nobody hears of it.
pub type Compose = Arc<dyn Fn(Standing) -> Vec<Letter> + Send + Sync>;

/// Something to be told, as far as it is known before its transaction.
#[derive(Clone)]
pub struct NewNotice {
    /// What it is about; the key under which its times are counted.
    pub subject: String,
    /// What it does to its subject.
    pub step: Step,
    /// The run it belongs to, if any: one run counts once.
    pub run_id: Option<RunId>,
    /// The most notices that a target gets in an hour; at least 1.
    pub most_per_hour: u32,
    /// Its words.
    pub compose: Compose,
}

impl fmt::Debug for NewNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewNotice")
            .field("subject", &self.subject)
            .field("step", &self.step)
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

/// Notices of one target that wait to be summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// The target.
    pub target: String,
    /// Their titles, the oldest first.
    pub titles: Vec<String>,
    /// The last of them.
    until: i64,
}

/// What was missed of one job and nobody was told of.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct MissedJob {
    /// The job.
    pub job: String,
    /// How many occurrences.
    pub instants: i64,
    first_at: i64,
    last_at: i64,
    /// No newer one was run instead.
    pub is_lost: bool,
}

impl MissedJob {
    /// So many occurrences of a job.
    #[cfg(test)]
    pub(crate) fn new(
        job: &str,
        instants: i64,
        is_lost: bool,
        first: Timestamp,
        last: Timestamp,
    ) -> Self {
        Self {
            job: job.to_owned(),
            instants,
            first_at: to_ms(first),
            last_at: to_ms(last),
            is_lost,
        }
    }

    /// The first nominal instant of them.
    #[must_use]
    pub fn first(&self) -> Timestamp {
        from_ms(self.first_at)
    }

    /// The last one.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        from_ms(self.last_at)
    }
}

#[derive(FromRow)]
struct Trouble {
    since_at: i64,
    times: i64,
    run_id: Option<RunId>,
    told: i64,
    told_at: Option<i64>,
}

impl Ledger {
    /// Tells of something that is written nowhere else.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn tell(&self, notice: &NewNotice, now: Timestamp) -> Result<()> {
        let mut tx = self.write().await?;
        let done = tell(&mut tx, notice, to_ms(now)).await;
        self.finish(tx, done).await
    }

    /// Whether something has happened to a subject and is not over.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn is_trouble(&self, subject: &str) -> Result<bool> {
        sqlx::query_scalar("select exists (select 1 from trouble where subject = $1)")
            .bind(subject)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// The targets whose hour has room again for a summary of what was gathered.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn gathered(&self, most_per_hour: u32, now: Timestamp) -> Result<Vec<Gathered>> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "select target, title, notice_id from notice
             where state = 'gathered' and target in (
                 select target from notice where state = 'gathered'
                 group by target having min(told_at) <= $1 or min(told_at) > $2)
             order by target, notice_id",
        )
        .bind(to_ms(now - GATHERING))
        .bind(to_ms(now))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        let mut gathered: Vec<Gathered> = Vec::new();
        for (target, title, until) in rows {
            match gathered.last_mut().filter(|last| last.target == target) {
                Some(last) => {
                    last.titles.push(title);
                    last.until = until;
                }
                None => gathered.push(Gathered {
                    target,
                    titles: vec![title],
                    until,
                }),
            }
        }
        let mut ready = Vec::new();
        for of_target in gathered {
            let mut connection = self.pool.acquire().await.map_err(|e| self.error(e))?;
            let told = told_in_hour(&mut connection, &of_target.target, to_ms(now)).await;
            if told.map_err(|error| self.error(error))? < i64::from(most_per_hour) {
                ready.push(of_target);
            }
        }
        Ok(ready)
    }

    /// Tells of everything that was gathered for a target in one notice; None: its target is no
    /// longer in the config, and nobody hears of it.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn sum_up(
        &self,
        gathered: &Gathered,
        summary: Option<&Letter>,
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let done = sum_up(&mut tx, gathered, summary, to_ms(now)).await;
        self.finish(tx, done).await
    }

    /// What was missed and nobody was told of, job by job.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn missed(&self) -> Result<Vec<MissedJob>> {
        sqlx::query_as(
            "select job, sum(instants) as instants, min(scheduled_at) as first_at,
                 max(coalesce(until_at, scheduled_at)) as last_at,
                 max(coalesce(until_at, scheduled_at)) > coalesce(max(case when reason = 'superseded'
                     then coalesce(until_at, scheduled_at) end), 0) as is_lost
             from run where state = 'missed' and missed_told_at is null
             group by job order by job",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))
    }

    /// Tells of what was missed, and marks those of these jobs as told. Of one that is no longer
    /// in the config nobody hears.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub async fn tell_missed(
        &self,
        jobs: &[MissedJob],
        notice: Option<&NewNotice>,
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let done = tell_missed(&mut tx, jobs, notice, to_ms(now)).await;
        self.finish(tx, done).await
    }
}

/// [`tell`], where there is something.
pub(super) async fn tell_if(
    tx: &mut SqliteConnection,
    notice: Option<&NewNotice>,
    now: i64,
) -> sqlx::Result<()> {
    match notice {
        Some(notice) => tell(tx, notice, now).await,
        None => Ok(()),
    }
}

/// Counts what has happened and writes down what is told of it.
async fn tell(tx: &mut SqliteConnection, notice: &NewNotice, now: i64) -> sqlx::Result<()> {
    let known: Option<Trouble> = sqlx::query_as(
        "select since_at, times, run_id, told, told_at from trouble where subject = $1",
    )
    .bind(&notice.subject)
    .fetch_optional(&mut *tx)
    .await?;
    let standing = match (&known, notice.step) {
        (None, Step::Over) => return Ok(()),
        (Some(known), Step::Happened)
            if notice.run_id.is_some() && known.run_id == notice.run_id =>
        {
            return Ok(());
        }
        _ => standing(known.as_ref(), notice.step, now),
    };
    let letters = (notice.compose)(standing);
    match notice.step {
        Step::Happened => happened(tx, notice, !letters.is_empty(), now).await?,
        Step::Over => over(tx, &notice.subject).await?,
    }
    for letter in &letters {
        send(tx, notice, letter, now).await?;
    }
    Ok(())
}

fn standing(known: Option<&Trouble>, step: Step, now: i64) -> Standing {
    let times = known.map_or(0, |known| known.times);
    Standing {
        times: times + i64::from(step == Step::Happened),
        since: from_ms(known.map_or(now, |known| known.since_at)),
        told: known.map_or(0, |known| known.told),
        told_at: known.and_then(|known| known.told_at).map(from_ms),
    }
}

async fn happened(
    tx: &mut SqliteConnection,
    notice: &NewNotice,
    is_told: bool,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into trouble (subject, since_at, last_at, times, run_id, told, told_at)
         values ($1, $2, $2, 1, $3, $4, case when $4 then $2 end)
         on conflict (subject) do update set last_at = $2, times = times + 1, run_id = $3,
             told = told + $4, told_at = case when $4 then $2 else told_at end",
    )
    .bind(&notice.subject)
    .bind(now)
    .bind(notice.run_id)
    .bind(is_told)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn over(tx: &mut SqliteConnection, subject: &str) -> sqlx::Result<()> {
    sqlx::query("delete from trouble where subject = $1")
        .bind(subject)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Owes it to its target; or gathers it, where the hour is full but for the summary of the rest.
async fn send(
    tx: &mut SqliteConnection,
    notice: &NewNotice,
    letter: &Letter,
    now: i64,
) -> sqlx::Result<()> {
    let target = &letter.delivery.target;
    let is_gathering: bool = sqlx::query_scalar(
        "select exists (select 1 from notice where state = 'gathered' and target = $1)",
    )
    .bind(target)
    .fetch_one(&mut *tx)
    .await?;
    let told = told_in_hour(tx, target, now).await?;
    let has_room = !is_gathering && told < i64::from(notice.most_per_hour) - 1;
    let state = if has_room { "told" } else { "gathered" };
    write(tx, &notice.subject, letter, state, now).await?;
    if has_room {
        let delivery = std::slice::from_ref(&letter.delivery);
        insert_deliveries(tx, notice.run_id, delivery, now).await?;
    }
    Ok(())
}

async fn told_in_hour(tx: &mut SqliteConnection, target: &str, now: i64) -> sqlx::Result<i64> {
    // One from a clock that was ahead does not count.
    sqlx::query_scalar(
        "select count(*) from notice
         where state = 'told' and target = $1 and told_at > $2 and told_at <= $3",
    )
    .bind(target)
    .bind(now - HOUR.num_milliseconds())
    .bind(now)
    .fetch_one(&mut *tx)
    .await
}

async fn write(
    tx: &mut SqliteConnection,
    subject: &str,
    letter: &Letter,
    state: &str,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into notice (subject, target, title, told_at, state) values ($1, $2, $3, $4, $5)",
    )
    .bind(subject)
    .bind(&letter.delivery.target)
    .bind(&letter.title)
    .bind(now)
    .bind(state)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn sum_up(
    tx: &mut SqliteConnection,
    gathered: &Gathered,
    summary: Option<&Letter>,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "update notice set state = 'summed'
         where state = 'gathered' and target = $1 and notice_id <= $2",
    )
    .bind(&gathered.target)
    .bind(gathered.until)
    .execute(&mut *tx)
    .await?;
    let Some(letter) = summary else {
        return Ok(());
    };
    write(tx, "summary", letter, "told", now).await?;
    insert_deliveries(tx, None, std::slice::from_ref(&letter.delivery), now).await
}

async fn tell_missed(
    tx: &mut SqliteConnection,
    jobs: &[MissedJob],
    notice: Option<&NewNotice>,
    now: i64,
) -> sqlx::Result<()> {
    for job in jobs {
        sqlx::query(
            "update run set missed_told_at = $2
             where job = $1 and state = 'missed' and missed_told_at is null and scheduled_at <= $3",
        )
        .bind(&job.job)
        .bind(now)
        .bind(job.last_at)
        .execute(&mut *tx)
        .await?;
    }
    tell_if(tx, notice, now).await
}
