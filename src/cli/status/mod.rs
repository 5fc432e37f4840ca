//! `promptcron status`: how the daemon and each job stand, once or as it goes on.

mod screen;
mod words;

use std::{collections::HashMap, time::Duration};

use chrono::Utc;
use clap::Args;
use serde::Serialize;

use self::{screen::Screen, words::Look};
use super::{Failure, instant, out::say, records::Records};
use crate::{
    ledger::{Access, Beat, JobStanding, Ledger, LedgerError, Outbox},
    model::{Timestamp, from_ms},
    schedule::Schedule,
    web::health,
};

/// How often `--watch` looks.
const EVERY: Duration = Duration::from_secs(1);

/// What `status` is told.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Go on showing it, each second, until Ctrl-C
    #[arg(long, short)]
    watch: bool,
    /// One JSON object a line: a job each
    #[arg(long, conflicts_with = "watch")]
    json: bool,
}

/// What the ledger says at one moment.
struct Standing {
    beat: Option<Beat>,
    jobs: Vec<JobStanding>,
    outbox: Vec<Outbox>,
}

/// Prints how everything stands; exits 1 where no daemon is at work.
pub(super) fn run(records: &Records, args: &StatusArgs) -> Result<(), Failure> {
    if args.watch {
        return records.with(Access::Read, async |ledger| watch(records, ledger).await);
    }
    let standing = records.with(Access::Read, async |ledger| read(records, ledger).await)?;
    let now = Utc::now();
    let works = health::judge(standing.beat.as_ref(), now).is_ok();
    if args.json {
        for job in &standing.jobs {
            say!("{}", serde_json::to_string(&line(job, now))?);
        }
    } else {
        for line in lines(records, &standing, now) {
            say!("{line}");
        }
    }
    works.then_some(()).ok_or(Failure::Told)
}

/// The jobs in the config's order, where it can be read; else by their names.
async fn read(records: &Records, ledger: &Ledger) -> Result<Standing, LedgerError> {
    let mut jobs = ledger.standings().await?;
    let places: HashMap<&str, usize> = records.jobs().zip(0..).collect();
    jobs.sort_by_key(|job| places.get(job.job.as_str()).copied().unwrap_or(usize::MAX));
    Ok(Standing {
        beat: ledger.last_beat().await?,
        jobs,
        outbox: ledger.outbox().await?,
    })
}

async fn watch(records: &Records, ledger: &Ledger) -> anyhow::Result<()> {
    let mut screen = Screen::default();
    loop {
        let standing = read(records, ledger).await?;
        screen.show(&lines(records, &standing, Utc::now()))?;
        tokio::time::sleep(EVERY).await;
    }
}

fn lines(records: &Records, standing: &Standing, now: Timestamp) -> Vec<String> {
    let look = Look {
        now,
        zone: records.zone(),
    };
    let mut lines = vec![look.daemon(standing.beat.as_ref())];
    lines.extend(standing.outbox.iter().map(|owed| look.owed(owed)));
    lines.push(String::new());
    lines.extend(look.table(&standing.jobs));
    lines
}

/// One line of `status --json`.
#[derive(Serialize)]
struct Line<'a> {
    job: &'a str,
    paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_until: Option<String>,
    /// What is due next; null: nothing, or not before it is resumed.
    next: Option<String>,
    /// The run that it is about; null: it has not run yet.
    run: Option<i64>,
    scheduled_at: Option<String>,
    trigger: Option<&'a str>,
    state: Option<&'a str>,
    reason: Option<&'a str>,
    asked_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asking_since: Option<String>,
    tries: i64,
    pushed: i64,
    parts: i64,
}

fn line(job: &JobStanding, now: Timestamp) -> Line<'_> {
    let utc = |ms: Option<i64>| ms.map(|ms| instant::utc(from_ms(ms)));
    let paused = is_paused(job, now);
    Line {
        job: &job.job,
        paused,
        paused_until: utc(job.paused_until).filter(|_| paused),
        next: next(job, schedule(job).as_ref(), now).map(instant::utc),
        run: job.run_id,
        scheduled_at: utc(job.scheduled_at),
        trigger: job.trigger.as_deref(),
        state: job.state.as_deref(),
        reason: job.reason.as_deref(),
        asked_ms: job.asked_ms,
        asking_since: utc(job.asking_since),
        tries: job.tries,
        pushed: job.pushed,
        parts: job.parts,
    }
}

fn is_paused(job: &JobStanding, now: Timestamp) -> bool {
    job.paused_at.is_some() && job.paused_until.is_none_or(|until| from_ms(until) > now)
}

/// None of one that a newer version wrote.
fn schedule(job: &JobStanding) -> Option<Schedule> {
    Schedule::from_text(job.schedule.as_deref()?).ok()
}

/// What is due next; None while it is paused without an end.
fn next(job: &JobStanding, schedule: Option<&Schedule>, now: Timestamp) -> Option<Timestamp> {
    let after = match is_paused(job, now) {
        true => from_ms(job.paused_until?),
        false => now,
    };
    schedule?.next_after(after)
}
