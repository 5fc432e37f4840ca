//! What the daemon does between runs: signs of life, leases, claims that expired, pruning.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

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

/// A step of the clock larger than this puts its reading in doubt.
const STEP: TimeDelta = TimeDelta::minutes(1);

/// How long a clock that stepped must go on before anything is pruned by it: pruning by a reading
/// that was years ahead cannot be undone.
const SETTLED: Duration = Duration::from_secs(60 * 60);

/// When to prune.
struct Pruning {
    last: (Timestamp, Instant),
    stepped_at: Option<Instant>,
    pruned_at: Option<Timestamp>,
}

impl Pruning {
    fn new(now: Timestamp, monotonic: Instant) -> Self {
        Self {
            last: (now, monotonic),
            stepped_at: None,
            pruned_at: None,
        }
    }

    /// Whether it is time to prune; called on each beat.
    fn is_due(&mut self, now: Timestamp, monotonic: Instant) -> bool {
        let elapsed = TimeDelta::from_std(monotonic - self.last.1).unwrap_or_default();
        if ((now - self.last.0) - elapsed).abs() > STEP {
            self.stepped_at = Some(monotonic);
        }
        self.last = (now, monotonic);
        let settled = self.stepped_at.is_none_or(|at| monotonic - at >= SETTLED);
        let due = settled
            && self
                .pruned_at
                .is_none_or(|at| (now - at).abs() >= PRUNE_EVERY);
        if due {
            self.pruned_at = Some(now);
        }
        due
    }
}

/// Keeps house until every other loop is over.
pub(super) async fn run(engine: Arc<Engine>, mut beats: mpsc::Receiver<()>) -> anyhow::Result<()> {
    let mut pruning = Pruning::new(engine.clock.now(), Instant::now());
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
        if pruning.is_due(now, Instant::now()) {
            prune(&engine).await?;
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

    #[test]
    fn nothing_is_pruned_by_a_clock_that_has_just_stepped() {
        let (now, monotonic) = (Timestamp::UNIX_EPOCH, Instant::now());
        let mut pruning = Pruning::new(now, monotonic);
        assert!(pruning.is_due(now, monotonic));
        let ten_seconds = Duration::from_secs(10);
        let ahead = now + TimeDelta::days(3_650);
        assert!(!pruning.is_due(ahead, monotonic + ten_seconds));
        assert!(!pruning.is_due(now + ten_seconds * 2, monotonic + ten_seconds * 2));
        let later = Duration::from_secs(7 * 60 * 60);
        assert!(!pruning.is_due(ahead + later, monotonic + later));
        let settled = later + SETTLED;
        assert!(pruning.is_due(ahead + settled, monotonic + settled));
    }
}
