//! The planner's loop: sleeps exactly until the next due instant, writes down what is due, wakes
//! the runner. Looks again at each beat, because a clock can step and a machine can sleep.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use anyhow::Context;
use chrono::TimeDelta;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::{
    deliver::shown, engine::Engine, left_behind, planner::Planner, reload::Changeover, settle,
    systemd,
};
use crate::{
    config::Config,
    ledger::{Beat, Cancelled, Cut, JobState, OUT_OF_CONFIG, Planning, ScheduledJob, Skipped},
    model::{RunState, Timestamp, from_ms},
    schedule::{self, Schedule},
};

/// Steps below this are drift that time servers correct all the time.
const STEP: TimeDelta = TimeDelta::seconds(2);

/// What is said where the jobs could not be written before the stop.
const FULL: &str = "stopped while the ledger's disk was full";

/// How long the loop sleeps when nothing is due: the beat wakes it anyway.
const IDLE: TimeDelta = TimeDelta::hours(1);

/// Reads where planning stands, settles what was planned and never begun, and plans what fell due
/// since.
///
/// `last_beat` is the last daemon's: signs of life that lie ahead tell that the clock was wrong.
pub(super) async fn resume(engine: &Engine, last_beat: Option<Beat>) -> anyhow::Result<Planner> {
    let now = engine.clock.now();
    let mut planner = begin(engine, &engine.revision().config, now).await?;
    let last_sign = last_beat.map(|beat| from_ms(beat.beat_at));
    let ahead = planner.newest_cursor().max(last_sign);
    if let Some(ahead) = ahead.filter(|ahead| *ahead - now > STEP) {
        stepped_back(engine, &mut planner, ahead - now, now).await?;
    }
    // Before anything is planned: a run that does not run any more must keep none from running.
    settle::settle(engine, &planner, now).await?;
    // Before systemd is told that all stands, with a line that says what is next.
    plan(engine, &mut planner, now).await?;
    Ok(planner)
}

/// Makes the ledger's jobs those of the config at a start, and a planner that goes on where each stands.
async fn begin(engine: &Engine, config: &Config, now: Timestamp) -> anyhow::Result<Planner> {
    let jobs = scheduled(config);
    left_behind::at_start(engine, &jobs, now).await?;
    let sync = || engine.ledger.sync_jobs(&jobs, now);
    let (cursors, cancelled) = engine.persist(sync).await?.context(FULL)?;
    tell_cancelled(&cancelled);
    Ok(Planner::new(&config.jobs, |name| {
        cursors.get(name).copied()
    }))
}

/// The same at a reload, after a planner that has planned what is due: only what changes is written.
async fn go_on(
    engine: &Engine,
    before: &Planner,
    config: &Config,
    now: Timestamp,
) -> anyhow::Result<Planner> {
    let jobs = scheduled(config);
    let changes = before.changes(&jobs);
    left_behind::at_reload(engine, before, &changes, now).await?;
    let change = || engine.ledger.change_jobs(&changes, now);
    tell_cancelled(&engine.persist(change).await?.context(FULL)?);
    let from_now = changes.new.iter().chain(&changes.revised);
    let from_now: HashSet<&str> = from_now.map(|job| job.name).collect();
    let cursor = |name: &str| match from_now.contains(name) {
        true => Some(now),
        false => before.cursor(name),
    };
    Ok(Planner::new(&config.jobs, cursor))
}

/// The enabled jobs, each with its schedule as text.
fn scheduled(config: &Config) -> Vec<ScheduledJob<'_>> {
    let enabled = config.jobs.iter().filter(|job| job.enabled);
    let scheduled = enabled.map(|job| ScheduledJob {
        name: job.name.as_str(),
        schedule: job.schedule.to_text(),
    });
    scheduled.collect()
}

/// Changes over to another config in one step: what was due under the old one is written down, the
/// new jobs count from now, and unchanged ones keep their cursor.
pub(super) async fn change_over(
    engine: &Engine,
    planner: &mut Planner,
    changeover: Changeover,
) -> anyhow::Result<()> {
    let now = engine.clock.now();
    plan(engine, planner, now).await?;
    *planner = go_on(engine, planner, &changeover.revision.config, now).await?;
    engine.change_over(changeover.revision);
    engine.runner.notify_one();
    engine.deliverer.notify_one();
    tell_next(engine, planner, &engine.ledger.pauses().await?);
    // Whoever asked may have left.
    changeover.done.send(()).ok();
    Ok(())
}

/// What is due next, for the status line.
fn tell_next(engine: &Engine, planner: &Planner, pauses: &HashMap<String, JobState>) {
    if engine.set_next(planner.next_job(pauses)) {
        systemd::status(&engine.status());
    }
}

/// Plans until the stop signal.
pub(super) async fn run(
    engine: Arc<Engine>,
    mut planner: Planner,
    mut beat: mpsc::Receiver<()>,
    mut changeovers: mpsc::Receiver<Changeover>,
) -> anyhow::Result<()> {
    let mut last = (engine.clock.now(), Instant::now());
    while !engine.stop.is_stopping() {
        let now = engine.clock.now();
        notice_step(&engine, &mut planner, &mut last, now).await?;
        plan(&engine, &mut planner, now).await?;
        engine.planner_moved(now);
        let wake = planner.next().unwrap_or(now + IDLE).min(now + IDLE);
        tokio::select! {
            () = engine.clock.sleep_until(wake) => {}
            Some(()) = beat.recv() => {}
            Some(changeover) = changeovers.recv() => {
                change_over(&engine, &mut planner, changeover).await?;
            }
            () = engine.stop.stopping() => {}
        }
    }
    Ok(())
}

/// Compares the wall clock with monotonic time.
async fn notice_step(
    engine: &Engine,
    planner: &mut Planner,
    last: &mut (Timestamp, Instant),
    now: Timestamp,
) -> anyhow::Result<()> {
    let elapsed = TimeDelta::from_std(last.1.elapsed()).unwrap_or_default();
    let step = (now - last.0) - elapsed;
    let back = last.0 - now;
    *last = (now, Instant::now());
    if step > STEP {
        info!(
            step_s = step.num_seconds(),
            "the clock stepped forward, or the machine slept"
        );
    }
    if back > STEP {
        stepped_back(engine, planner, -step, now).await?;
    }
    Ok(())
}

/// The clock stepped back by `step`: what was written at instants that lie ahead now gives way.
async fn stepped_back(
    engine: &Engine,
    planner: &mut Planner,
    step: TimeDelta,
    now: Timestamp,
) -> anyhow::Result<()> {
    warn!(
        back_s = step.num_seconds(),
        "the clock stepped back: no occurrence is repeated, none is silenced"
    );
    let cut = |schedule: &str, from: Timestamp, until: Timestamp| {
        let Ok(schedule) = Schedule::from_text(schedule) else {
            return Cut::Whole;
        };
        match schedule::pass_over(&schedule, from - TimeDelta::seconds(1), until) {
            None => Cut::Nothing,
            Some(span) => Cut::Left(span.count, span.until),
        }
    };
    engine
        .persist(|| engine.ledger.pull_back(now, step, cut))
        .await?;
    planner.pull_back(now);
    engine.runner.notify_one();
    engine.deliverer.notify_one();
    Ok(())
}

/// Plans what is due at `now`, and tells what is next.
async fn plan(engine: &Engine, planner: &mut Planner, now: Timestamp) -> anyhow::Result<()> {
    let pauses = engine.ledger.pauses().await?;
    plan_due(engine, planner, &pauses, now).await?;
    tell_next(engine, planner, &pauses);
    Ok(())
}

/// Writes down everything that is due at `now`, in one transaction.
async fn plan_due(
    engine: &Engine,
    planner: &mut Planner,
    pauses: &HashMap<String, JobState>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let mut due = planner.due(now);
    for index in planner.resumed(pauses, now) {
        if !due.contains(&index) {
            due.push(index);
        }
    }
    if due.is_empty() {
        return Ok(());
    }
    let mut planning = planner.plan(&due, pauses, now);
    let schedule_of = |job: &str| planner.job(job).map(|job| &job.schedule);
    leave_out_recorded(engine, schedule_of, &mut planning).await?;
    let written = engine
        .persist(|| engine.ledger.plan(&planning, now))
        .await?;
    if let Some(skipped) = written {
        tell_passed_over(&planning, &skipped);
        debug!(
            runs = planning.occurrences.len(),
            ranges = planning.ranges.len(),
            durable_at_us = engine.clock.now().timestamp_micros(),
            "planned"
        );
        planner.planned(&due, &planning, now);
        engine.runner.notify_one();
    }
    Ok(())
}

fn tell_cancelled(runs: &[Cancelled]) {
    for Cancelled {
        run_id,
        job,
        scheduled_at,
    } in runs
    {
        let scheduled_at = shown(from_ms(*scheduled_at));
        info!(
            job,
            scheduled_at,
            run = run_id,
            reason = OUT_OF_CONFIG,
            "cancelled"
        );
    }
}

/// What does not run is said as what runs is: one line each.
pub(super) fn tell_passed_over(planning: &Planning, skipped: &[Skipped]) {
    for Skipped { job, scheduled_at } in skipped {
        let scheduled_at = shown(from_ms(*scheduled_at));
        info!(job, scheduled_at, reason = "overlap", "skipped");
    }
    for range in &planning.ranges {
        let (job, reason, instants) = (&range.job, range.reason, range.instants);
        let (from, until) = (shown(range.from), shown(range.until));
        match range.state {
            RunState::Skipped => info!(job, from, until, instants, reason, "skipped"),
            _ => warn!(job, from, until, instants, reason, "missed"),
        }
    }
}

/// A record of many instants must not cover one that has a row of its own, left by a clock that
/// was ahead: the record is written around it.
pub(super) async fn leave_out_recorded<'a>(
    engine: &Engine,
    schedule_of: impl Fn(&str) -> Option<&'a Schedule>,
    planning: &mut Planning,
) -> anyhow::Result<()> {
    let mut ranges = Vec::new();
    for range in std::mem::take(&mut planning.ranges) {
        let recorded = engine
            .ledger
            .recorded(&range.job, range.from, range.until)
            .await?;
        let Some(schedule) = schedule_of(&range.job).filter(|_| !recorded.is_empty()) else {
            ranges.push(range);
            continue;
        };
        let mut after = range.from - TimeDelta::seconds(1);
        for edge in recorded
            .into_iter()
            .chain([range.until + TimeDelta::seconds(1)])
        {
            if let Some(span) = schedule::pass_over(schedule, after, edge - TimeDelta::seconds(1)) {
                let mut part = range.clone();
                (part.from, part.until, part.instants) = (span.from, span.until, span.count);
                ranges.push(part);
            }
            after = edge;
        }
    }
    planning.ranges = ranges;
    Ok(())
}
