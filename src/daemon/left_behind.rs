//! What fell due under a schedule that its job has no longer, and was not written yet: while the daemon was down, or
//! the job was paused. It does not run, for a changed schedule counts from now, but it is not forgotten.

use std::collections::HashMap;

use super::{
    engine::Engine,
    planner::{Planner, end_pause, missed},
    scheduler::{leave_out_recorded, tell_passed_over},
};
use crate::{
    ledger::{JobChanges, JobState, Planning, ScheduledJob},
    model::Timestamp,
    schedule::{Missed, Schedule, pass_over},
};

/// A job whose schedule ends: that schedule, and where planning stands under it.
type Left = (String, Schedule, JobState);

/// Records it at a start, for each job whose schedule is not among `jobs` any more.
pub(super) async fn at_start(
    engine: &Engine,
    jobs: &[ScheduledJob<'_>],
    now: Timestamp,
) -> anyhow::Result<()> {
    let current: HashMap<_, _> = jobs.iter().map(|job| (job.name, &*job.schedule)).collect();
    let is_current = |job: &str, text: &str| current.get(job) == Some(&text);
    let left = engine.ledger.rescheduled(is_current).await?.into_iter();
    // A zone that tzdata has no longer has no instants either.
    let left =
        left.filter_map(|(job, text, state)| Some((job, Schedule::from_text(&text).ok()?, state)));
    record(engine, left.collect(), now).await
}

/// Records it at a reload: all that is due is planned, so that only a pause can have kept something back.
pub(super) async fn at_reload(
    engine: &Engine,
    planner: &Planner,
    changes: &JobChanges<'_>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let mut pauses = engine.ledger.pauses().await?;
    let revised = changes.revised.iter().map(|job| job.name);
    let ended = revised.chain(changes.removed.iter().map(String::as_str));
    let left = ended.filter_map(|job| {
        let (job, state) = pauses.remove_entry(job)?;
        let schedule = planner.job(&job)?.schedule.clone();
        Some((job, schedule, state))
    });
    record(engine, left.collect(), now).await
}

async fn record(engine: &Engine, left: Vec<Left>, now: Timestamp) -> anyhow::Result<()> {
    if left.is_empty() {
        return Ok(());
    }
    let (mut planning, mut schedules) = (Planning::default(), HashMap::new());
    for (job, schedule, state) in left {
        pass(&job, &schedule, &state, now, &mut planning);
        schedules.insert(job, schedule);
    }
    leave_out_recorded(engine, |job| schedules.get(job), &mut planning).await?;
    let write = || engine.ledger.plan(&planning, now);
    if engine.persist(write).await?.is_some() {
        tell_passed_over(&planning, &[]);
    }
    Ok(())
}

/// None of the job's instants up to `now` runs. A pause that lasts goes on under the next schedule.
fn pass(job: &str, schedule: &Schedule, state: &JobState, now: Timestamp, planning: &mut Planning) {
    let cursor = match state.paused_at {
        None => state.cursor,
        Some(_) => {
            let until = state.paused_until.map_or(now, |until| until.min(now));
            end_pause(job, schedule, state, until, planning)
        }
    };
    let span = pass_over(schedule, cursor, now);
    planning
        .ranges
        .extend(span.map(|span| missed(job, Missed::Window, span)));
    planning.jobs.push(job.to_owned());
}

#[cfg(test)]
mod tests {
    use crate::{
        clock::Clock as _,
        daemon::{fixture, scheduler},
        schedule::Schedule,
    };

    #[tokio::test]
    async fn what_fell_due_before_a_schedule_changed_is_recorded_under_it() {
        let folder = tempfile::tempdir().unwrap();
        let clock = fixture::Hand::at("2030-03-01T07:00:00Z");
        // What each start finds, and the rows of the ledger after it, the oldest first.
        let started = async |job: &str, now: &str| {
            clock.set(now);
            let engine = fixture::engine(folder.path(), job, clock.clone()).await;
            scheduler::resume(&engine, None).await.unwrap();
            let read = |text: &str| Schedule::from_text(text).ok();
            assert_eq!(engine.ledger.audit(read).await.unwrap(), []);
            let rows = engine.ledger.history(None, 9).await.unwrap();
            let rows = rows.into_iter().rev();
            let word = |reason: Option<String>| reason.unwrap_or_default();
            let rows =
                rows.map(|row| format!("{}({}) x{}", row.state, word(row.reason), row.instants));
            (engine, rows.collect::<Vec<_>>())
        };
        let (engine, rows) = started("", "2030-03-01T07:00:00Z").await;
        assert!(rows.is_empty());
        // Down from then on, and paused on the second day.
        clock.set("2030-03-02T12:00:00Z");
        assert!(
            engine
                .ledger
                .pause("gold", clock.now(), None)
                .await
                .unwrap()
        );
        let berlin = "timezone = \"Europe/Berlin\"";
        let (engine, rows) = started(berlin, "2030-03-04T07:30:00Z").await;
        assert_eq!(rows, ["missed(window) x2", "skipped(paused) x1"]);
        assert!(engine.ledger.pauses().await.unwrap().contains_key("gold"));
        let (_, rows) = started("enabled = false", "2030-03-06T07:30:00Z").await;
        assert_eq!(rows[2..], ["skipped(paused) x2"]);
    }
}
