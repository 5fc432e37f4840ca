//! What the daemon does between runs: signs of life, leases, claims that expired, notices of what
//! was missed or gathered, pruning.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{engine::Engine, notices::Notice, systemd};
use crate::{
    ledger::Beat,
    model::{Timestamp, from_ms},
};

/// How often the ledger is pruned.
const PRUNE_EVERY: TimeDelta = TimeDelta::hours(6);

/// A clock that jumps ahead by more may be wrong: nothing is pruned at once for what it says.
const JUMP: TimeDelta = TimeDelta::days(30);

/// How long a clock that jumped must run on before it is believed.
const BELIEVED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Nobody's name: only expired leases are taken up while the daemon runs.
const NOBODY: &str = "";

/// A beat that does not come is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(15);

/// Keeps house until every other loop is over.
///
/// `last_beat` is the last daemon's.
pub(super) async fn run(
    engine: Arc<Engine>,
    last_beat: Option<Beat>,
    mut beats: mpsc::Receiver<()>,
) -> anyhow::Result<()> {
    let mut pruning = Pruning::new(last_beat.map(|beat| from_ms(beat.beat_at)));
    // Whatever was wrong with the file before this start, it could be read.
    engine.tell(Notice::ConfigTaken).await?;
    while !engine.runs_over.is_cancelled() {
        beat(&engine).await?;
        engine.token_keeper.notify_one();
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
        engine.tell_missed().await?;
        engine.tell_gathered().await?;
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

/// When to prune. Pure: a clock that reads 2036 for a minute must not cost ten years of history.
struct Pruning {
    /// The clock's last reading, and when that was on a clock that nobody sets.
    last: (Option<Timestamp>, Option<Instant>),
    jumped: Option<Instant>,
    pruned_at: Option<Timestamp>,
}

impl Pruning {
    fn new(last: Option<Timestamp>) -> Self {
        Self {
            last: (last, None),
            jumped: None,
            pruned_at: None,
        }
    }

    fn is_due(&mut self, now: Timestamp, at: Instant) -> bool {
        let (reading, read) = self.last;
        let elapsed = read.map_or(Duration::ZERO, |read| at - read);
        let passed = TimeDelta::from_std(elapsed).unwrap_or_default();
        if reading.is_some_and(|reading| now - reading - passed > JUMP) {
            self.jumped = Some(at);
        }
        self.last = (Some(now), Some(at));
        let is_believed = self.jumped.is_none_or(|since| at - since >= BELIEVED_AFTER);
        let is_time = |pruned: Timestamp| (now - pruned).abs() >= PRUNE_EVERY;
        if !is_believed || !self.pruned_at.is_none_or(is_time) {
            return false;
        }
        self.pruned_at = Some(now);
        true
    }
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
        engine.beat_of_daemon();
    }
    Ok(())
}

/// The ledger was just written; the planner, which looks at the clock each second, must have moved
/// too.
fn feed_watchdog(engine: &Engine) {
    let Some(period) = systemd::watchdog() else {
        return;
    };
    let silent = engine.clock.now() - engine.planner_at();
    // While runs end nothing is planned any more.
    if !engine.stop.is_stopping() && stands_still(silent, period) {
        warn!(
            silent_s = silent.num_seconds(),
            "the planner stands still: systemd's watchdog is not told that all is well"
        );
        return;
    }
    systemd::alive();
}

/// A planner that has not looked for half of the watchdog's period will not be in time.
fn stands_still(silent: TimeDelta, period: Duration) -> bool {
    // Less than nothing: the clock was set back just now.
    silent.to_std().is_ok_and(|silent| silent > period / 2)
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
        let busy = tokio::time::timeout(Duration::from_millis(500), run(engine, None, ended));
        assert!(busy.await.is_err());
        assert!(clock.readings.load(Ordering::Relaxed) - before < 20);
    }

    #[test]
    fn a_planner_that_stands_still_is_told_from_one_that_looks_each_second() {
        let period = Duration::from_secs(60);
        for (silent_s, stands) in [
            (0, false),
            (1, false),
            (30, false),
            (31, true),
            (-90, false),
        ] {
            let silent = TimeDelta::seconds(silent_s);
            assert_eq!(stands_still(silent, period), stands, "{silent_s}");
        }
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// A pruning, and what it says at wall-clock readings (days) after a monotonic time (hours).
    fn said(last: Option<i64>, readings: &[(i64, u64)]) -> Vec<bool> {
        let day = |days| NOW + TimeDelta::days(days);
        let mut pruning = Pruning::new(last.map(day));
        let start = Instant::now();
        let mut is_due = |(days, hours): &(i64, u64)| {
            pruning.is_due(day(*days), start + Duration::from_secs(hours * 3600))
        };
        readings.iter().map(&mut is_due).collect()
    }

    #[test]
    fn it_is_pruned_at_the_start_and_every_few_hours() {
        assert_eq!(said(None, &[(0, 0), (0, 1), (1, 24)]), [true, false, true]);
        assert_eq!(said(Some(-29), &[(0, 0)]), [true]);
    }

    #[test]
    fn a_clock_that_jumped_ahead_is_believed_after_a_day() {
        let readings = [(0, 0), (3650, 1), (3650, 2), (3650, 24), (3651, 25)];
        assert_eq!(said(None, &readings), [true, false, false, false, true]);
        assert_eq!(
            said(Some(-31), &[(0, 0), (0, 23), (1, 24)]),
            [false, false, true]
        );
    }
}
