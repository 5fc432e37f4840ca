//! What the daemon does between runs: signs of life, leases, claims that expired, pruning.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{engine::Engine, systemd};
use crate::model::Timestamp;

/// How often the ledger is pruned.
const PRUNE_EVERY: TimeDelta = TimeDelta::hours(6);

/// A planner that has not looked at the clock for so long stands still: it looks each second.
const PLANNER_SILENCE: TimeDelta = TimeDelta::seconds(30);

/// Nobody's name: only expired leases are taken up while the daemon runs.
const NOBODY: &str = "";

/// A beat that does not come is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(15);

/// Keeps house until every other loop is over.
pub(super) async fn run(engine: Arc<Engine>, mut beats: mpsc::Receiver<()>) -> anyhow::Result<()> {
    let mut pruned_at: Option<Timestamp> = None;
    while !engine.runs_over.is_cancelled() {
        beat(&engine).await?;
        let now = engine.clock.now();
        let taken = engine
            .persist(|| engine.ledger.take_up(engine.owner.as_str(), now, NOBODY))
            .await?;
        if let Some(taken) = taken.filter(|taken| taken.runs + taken.deliveries > 0) {
            warn!(
                runs = taken.runs,
                deliveries = taken.deliveries,
                "a command was cut off: what it had begun is taken up"
            );
            engine.runner.notify_one();
            engine.deliverer.notify_one();
        }
        if pruned_at.is_none_or(|at| (now - at).abs() >= PRUNE_EVERY) {
            prune(&engine).await?;
            pruned_at = Some(now);
        }
        tokio::select! {
            Some(()) = beats.recv() => {}
            () = tokio::time::sleep(PATIENCE) => {}
            () = engine.runs_over.cancelled() => {}
        }
    }
    Ok(())
}

/// Writes the sign of life that `health` reads; while the disk is full there is none.
pub(super) async fn beat(engine: &Engine) -> anyhow::Result<()> {
    let write = || {
        let now = engine.clock.now();
        engine.ledger.beat(
            engine.owner.as_str(),
            now,
            engine.planner_at(),
            engine.lease_until(),
        )
    };
    if engine.persist(write).await?.is_some() {
        feed_watchdog(engine);
    }
    Ok(())
}

/// The ledger was just written; the planner must have moved too.
fn feed_watchdog(engine: &Engine) {
    let silent = engine.clock.now() - engine.planner_at();
    if systemd::watchdog().is_some() && silent < PLANNER_SILENCE {
        systemd::alive();
    }
}

async fn prune(engine: &Engine) -> anyhow::Result<()> {
    let keep = engine.revision().config.keep;
    let rows = engine
        .persist(|| engine.ledger.prune(keep, engine.clock.now()))
        .await?;
    if let Some(rows) = rows.filter(|rows| *rows > 0) {
        info!(rows, "pruned what is older than it is kept");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::daemon::fixture;

    #[tokio::test]
    async fn beats_that_have_ended_do_not_keep_housekeeping_busy() {
        let folder = tempfile::tempdir().unwrap();
        let clock = fixture::Hand::at("2030-03-01T07:59:00Z");
        let engine = fixture::engine(folder.path(), "", clock.clone()).await;
        let (_, ended) = mpsc::channel(1);
        let before = clock.readings.load(Ordering::Relaxed);
        let busy = tokio::time::timeout(Duration::from_millis(500), run(engine, ended));
        assert!(busy.await.is_err());
        assert!(clock.readings.load(Ordering::Relaxed) - before < 20);
    }
}
