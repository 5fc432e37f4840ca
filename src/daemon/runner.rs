//! The runner's loop: claims what is due, as many runs as there are free slots, carries each out
//! as a task of its own, and cuts off those that were cancelled.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

use super::{
    attempt,
    engine::Engine,
    notices::{Notice, Why, tidings},
    outbox::RunKey,
};
use crate::{
    ledger::{Claim, LedgerError},
    model::{RunId, Timestamp},
    push::Beat,
};

/// How long the loop sleeps when nothing is planned; commands beside the daemon write too.
const IDLE: TimeDelta = TimeDelta::seconds(1);

/// The reason of a run whose task died.
const DIED: &str = "promptcron's own fault: its task died";

/// Claims until the stop signal, then drains.
pub(super) async fn run(engine: Arc<Engine>) -> anyhow::Result<()> {
    // However this loop ends, the loops that wait for the last run must not wait for ever.
    let _over = engine.runs_over.clone().drop_guard();
    let runs = TaskTracker::new();
    let result = start_runs(&engine, &runs).await;
    if result.is_err() {
        engine.stop.at_once();
    }
    drain(&engine, &runs).await;
    result
}

async fn start_runs(engine: &Arc<Engine>, runs: &TaskTracker) -> anyhow::Result<()> {
    // Each run under way holds a clone: a reload may change how many there may be.
    let slots = Arc::new(());
    while !engine.stop.is_stopping() {
        // Armed before the ledger is asked, so that nothing planned meanwhile is missed.
        let woken = engine.runner.notified();
        let now = engine.clock.now();
        let free = free_slots(engine, &slots);
        if free > 0 {
            for claim in claim(engine, free).await? {
                let (engine, slot) = (engine.clone(), slots.clone());
                runs.spawn(async move {
                    carry_out(&engine, claim).await;
                    // Free before anyone is woken to look for it.
                    drop(slot);
                    engine.runner.notify_one();
                });
            }
        }
        engine.cut_lost_calls().await?;
        let next = engine.ledger.next_claimable_at().await?;
        let wake = next
            .filter(|_| free_slots(engine, &slots) > 0)
            .unwrap_or(now + IDLE)
            .min(now + IDLE);
        tokio::select! {
            () = woken => {}
            () = engine.clock.sleep_until(wake) => {}
            () = engine.stop.stopping() => {}
        }
    }
    Ok(())
}

/// How many more runs may be under way.
fn free_slots(engine: &Engine, slots: &Arc<()>) -> usize {
    let under_way = Arc::strong_count(slots) - 1;
    let most = engine.revision().config.max_in_flight;
    most.saturating_sub(under_way)
}

async fn claim(engine: &Engine, free: usize) -> anyhow::Result<Vec<Claim>> {
    let claims = engine
        .persist(|| {
            let now = engine.clock.now();
            engine
                .ledger
                .claim(engine.owner.as_str(), now, engine.lease_until(), free)
        })
        .await?;
    Ok(claims.unwrap_or_default())
}

/// One run's error or panic ends that run's task, not the daemon; a broken ledger ends the engine.
async fn carry_out(engine: &Arc<Engine>, claim: Claim) {
    let (job, run_id, due) = (claim.job.clone(), claim.run_id, claim.scheduled_at());
    let key = RunKey::of(&claim);
    let task = tokio::spawn(attempt::carry_out(engine.clone(), claim));
    match task.await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) if attempt::is_fenced(&error) => {
            info!(
                job,
                run = run_id,
                "the run was cancelled or taken over: its outcome here is dropped"
            );
        }
        Ok(Err(error)) => {
            error!(
                job,
                run = run_id,
                error = format!("{error:#}"),
                "the run's outcome could not be written"
            );
            engine.fail(error);
        }
        Err(panic) => {
            error!(job, run = run_id, %panic, "the run's task died: please report this");
            if let Err(error) = died(engine, &job, run_id, due).await {
                engine.fail(error.into());
            }
            engine.beat_of_run(&key, Beat::Fail(DIED.to_owned()));
        }
    }
}

/// The end of a run whose task died, and the notice of it.
async fn died(
    engine: &Engine,
    job: &str,
    run_id: RunId,
    due: Timestamp,
) -> Result<(), LedgerError> {
    let (revision, now) = (engine.revision(), engine.clock.now());
    let notice = revision.job(job).map(|job| Notice::RunFailed {
        job: job.clone(),
        run_id,
        due,
        why: Why::Died,
    });
    let notice = notice.map(|notice| tidings(&revision.config, notice, now));
    engine
        .persist(|| engine.ledger.died(run_id, DIED, notice.as_ref(), now))
        .await?;
    engine.deliverer.notify_one();
    Ok(())
}

/// Waits for running AI calls; the engine interrupts them when their time is over.
async fn drain(engine: &Engine, runs: &TaskTracker) {
    runs.close();
    if !runs.is_empty() {
        let drain_s = engine.revision().config.drain.as_secs();
        info!(
            running = runs.len(),
            drain_s, "waiting for running AI calls"
        );
    }
    runs.wait().await;
}

#[cfg(test)]
mod tests {
    use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::daemon::fixture;

    #[tokio::test]
    async fn a_claim_that_cannot_be_written_ends_the_other_loops_too() {
        let folder = tempfile::tempdir().unwrap();
        let clock = fixture::Hand::at("2030-03-01T07:59:00Z");
        let engine = fixture::engine(folder.path(), "", clock.clone()).await;
        super::super::scheduler::resume(&engine, None)
            .await
            .unwrap();
        clock.set("2030-03-01T08:00:00Z");
        super::super::scheduler::resume(&engine, None)
            .await
            .unwrap();
        let file = SqliteConnectOptions::new().filename(engine.ledger.path());
        let mut other = file.connect().await.unwrap();
        let spoil = "alter table run rename column lease_owner to spoilt";
        sqlx::query(spoil).execute(&mut other).await.unwrap();
        assert!(run(engine.clone()).await.is_err());
        assert!(engine.runs_over.is_cancelled());
    }
}
