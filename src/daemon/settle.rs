//! What becomes, at start, of runs that were planned before the daemon went down and never begun:
//! they are misfires like those that were never written, and the same policy decides. Settled before
//! those are written, so that no occurrence is skipped for a run that is missed itself.

use std::collections::HashMap;

use chrono::TimeDelta;
use tracing::info;

use super::{engine::Engine, planner::Planner};
use crate::{
    config::Job,
    ledger::UnstartedRun,
    model::{RunId, RunState, Timestamp},
    schedule::CatchUp,
};

/// As old as this a planned run has waited for a slot, not for the engine.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// Ends what is too old to be begun now.
pub(super) async fn settle(
    engine: &Engine,
    planner: &Planner,
    now: Timestamp,
) -> anyhow::Result<()> {
    let pauses = engine.ledger.pauses().await?;
    let revision = engine.revision();
    let mut by_job: HashMap<String, Vec<UnstartedRun>> = HashMap::new();
    for run in engine.ledger.unstarted(now - GRACE).await? {
        by_job.entry(run.job.clone()).or_default().push(run);
    }
    for (name, runs) in by_job {
        let Some(job) = revision.job(&name) else {
            continue;
        };
        let unwritten = planner
            .newest_due(&name, now)
            .filter(|at| !pauses.contains_key(&name) && now - *at <= window(job).max(GRACE));
        let newer =
            unwritten.is_some() || engine.ledger.has_planned_since(&name, now - GRACE).await?;
        for (run_id, reason) in too_old(job, &runs, newer, now) {
            engine
                .ledger
                .end_run(run_id, RunState::Missed, reason, now)
                .await?;
            info!(
                job = name,
                run = run_id,
                reason,
                "a run that was planned before the daemon went down is missed"
            );
        }
    }
    Ok(())
}

/// Of one job's runs, oldest first, those that do not run any more; `newer` tells that an
/// occurrence of it is planned, or about to be, that runs instead.
fn too_old(
    job: &Job,
    runs: &[UnstartedRun],
    newer: bool,
    now: Timestamp,
) -> Vec<(RunId, &'static str)> {
    let in_window = |run: &UnstartedRun| now - run.scheduled_at() <= window(job);
    let is_newer = |run: &UnstartedRun| !run.is_manual && in_window(run);
    let newest = runs.iter().rposition(is_newer);
    runs.iter()
        .enumerate()
        .filter_map(|(index, run)| {
            let reason = match (run.begun || run.is_manual, job.catch_up) {
                _ if !in_window(run) => "window",
                // What was begun in time is taken up again, and what a person asked for is no misfire.
                (true, _) | (false, CatchUp::All) => return None,
                (false, CatchUp::Skip) => "window",
                (false, CatchUp::Latest) if newer || newest > Some(index) => "superseded",
                (false, CatchUp::Latest) => return None,
            };
            Some((run.run_id, reason))
        })
        .collect()
}

fn window(job: &Job) -> TimeDelta {
    TimeDelta::from_std(job.catch_up_window).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use crate::{
        clock::Clock as _,
        daemon::{fixture, scheduler},
    };

    #[tokio::test]
    async fn what_was_asked_for_by_hand_is_taken_up_within_the_window_alone() {
        let folder = tempfile::tempdir().unwrap();
        let clock = fixture::Hand::at("2030-03-01T09:00:00Z");
        let engine = fixture::engine(folder.path(), "catch_up = \"skip\"", clock.clone()).await;
        scheduler::resume(&engine, None).await.unwrap();
        // Killed while it asked, and taken up.
        let claim = engine
            .ledger
            .claim_manual("gold", "once-1", clock.now(), clock.now());
        let claim = claim.await.unwrap();
        let begun = engine
            .ledger
            .start_attempt(&claim, "kimi", clock.now())
            .await;
        assert_eq!(begun.unwrap(), 1);
        clock.set("2030-03-01T14:00:00Z");
        engine
            .ledger
            .plan_manual("gold", clock.now())
            .await
            .unwrap();
        let state_at = async |now: &str| {
            clock.set(now);
            engine
                .ledger
                .take_up("daemon-1", clock.now(), "")
                .await
                .unwrap();
            scheduler::resume(&engine, None).await.unwrap();
            let rows = engine.ledger.history(None, 9).await.unwrap();
            let states = rows.into_iter().rev().filter(|row| row.trigger == "manual");
            states.map(|row| row.state).collect::<Vec<_>>()
        };
        assert_eq!(
            state_at("2030-03-01T14:59:00Z").await,
            ["planned", "planned"]
        );
        assert_eq!(
            state_at("2030-03-01T15:01:00Z").await,
            ["missed", "planned"]
        );
        assert_eq!(state_at("2030-03-03T00:00:00Z").await, ["missed", "missed"]);
    }
}
