//! The figures, in Prometheus' text form.
//!
//! Counters and histograms are fed from the ledger's rows of runs that ended since the start, so
//! that they hold what `once` and `cancel` did beside the daemon too. Gauges are read at each look.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use tracing::warn;

use super::{Facts, app::Shared};
use crate::{
    ledger::{EndedRun, LedgerError, Outbox},
    model::{RunId, Timestamp, to_ms},
};

/// How often the ledger is asked between two looks, so that none has much to read.
const EVERY: Duration = Duration::from_secs(15);

/// A row's instant is read before it is committed; no commit takes longer.
const OVERLAP: TimeDelta = TimeDelta::minutes(1);

/// Reasons that are words and not sentences: a label has few values.
const REASONS: [&str; 4] = ["overlap", "paused", "window", "superseded"];

type Labels = Vec<(&'static str, String)>;

/// What has been counted since the start.
pub(super) struct Counted {
    runs: Family<Labels, Counter>,
    lateness: Histogram,
    asking: Family<Labels, Histogram>,
    pushing: Histogram,
    seen: Mutex<Seen>,
}

/// How far the ledger has been read.
struct Seen {
    since: Timestamp,
    runs: HashSet<RunId>,
}

impl Counted {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            runs: Family::default(),
            lateness: Histogram::new(exponential_buckets(0.1, 4.0, 10)),
            asking: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.5, 2.0, 11))
            }),
            pushing: Histogram::new(exponential_buckets(0.05, 4.0, 10)),
            seen: Mutex::new(Seen {
                since: now,
                runs: HashSet::new(),
            }),
        }
    }

    /// Counts each row once, however often it is read.
    fn count(&self, rows: Vec<EndedRun>, now: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows.iter().filter(|row| !seen.runs.contains(&row.run_id)) {
            self.count_one(row);
        }
        seen.runs = rows.into_iter().map(|row| row.run_id).collect();
        // Never back: rows before it are no longer known by their numbers.
        seen.since = seen.since.max(now - OVERLAP);
    }

    fn count_one(&self, row: &EndedRun) {
        let instants = u64::try_from(row.instants).unwrap_or_default();
        self.runs
            .get_or_create(&vec![
                ("state", row.state.clone()),
                ("reason", reason(row).to_owned()),
                ("trigger", row.trigger.clone()),
            ])
            .inc_by(instants);
        if let Some(started) = row.started_at {
            self.lateness
                .observe(seconds((started - row.due_at).max(0)));
        }
        if let Some(asked) = row.asked_ms {
            let ai = row.ai.clone().unwrap_or_default();
            let asking = self.asking.get_or_create(&vec![("ai", ai)]);
            asking.observe(seconds(asked));
        }
        if let Some(pushed) = row.pushed_ms {
            self.pushing.observe(seconds(pushed));
        }
    }

    fn since(&self) -> Timestamp {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.since
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "runs",
            "Occurrences that ended since the start, by state and reason",
            self.runs.clone(),
        );
        registry.register(
            "lateness_seconds",
            "From when a run was due to its start",
            self.lateness.clone(),
        );
        registry.register(
            "asking_seconds",
            "How long an endpoint took for an answer",
            self.asking.clone(),
        );
        registry.register(
            "pushing_seconds",
            "From an answer's first push to its last reply",
            self.pushing.clone(),
        );
    }
}

/// A failure's sentence is in the ledger; here it is which half failed.
fn reason(row: &EndedRun) -> &'static str {
    let word = row.reason.as_deref().unwrap_or_default();
    if let Some(known) = REASONS.into_iter().find(|known| *known == word) {
        return known;
    }
    match row.state.as_str() {
        "failed" if word.starts_with("delivery ") => "pushing",
        "failed" => "asking",
        "silent" => "rule",
        _ => "",
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of a run are far below 2^52"
)]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

/// Keeps up with the ledger, whether anybody looks or not.
pub(super) async fn follow(shared: Shared) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = catch_up(&shared).await {
            warn!(%error, "the figures could not be read");
        }
    }
}

async fn catch_up(shared: &Shared) -> Result<(), LedgerError> {
    let now = shared.handle.clock.now();
    let rows = shared
        .handle
        .records
        .ended_since(shared.counted.since())
        .await?;
    shared.counted.count(rows, now);
    Ok(())
}

/// The figures as they stand now.
pub(super) async fn text(shared: &Shared) -> Result<String, LedgerError> {
    catch_up(shared).await?;
    let records = &shared.handle.records;
    let mut registry = Registry::with_prefix("promptcron");
    shared.counted.register(&mut registry);
    let gauges = Gauges {
        registry: &mut registry,
    };
    gauges.fill(
        &shared.handle.daemon.facts(),
        &records.outbox().await?,
        &records.last_successes().await?,
        &records.live_runs().await?,
        shared.handle.clock.now(),
    );
    let mut text = String::new();
    // Writing to a string cannot fail.
    encode(&mut text, &registry).ok();
    Ok(text)
}

/// What is read anew at each look.
struct Gauges<'r> {
    registry: &'r mut Registry,
}

impl Gauges<'_> {
    fn fill(
        mut self,
        facts: &Facts,
        outbox: &[Outbox],
        successes: &[(String, i64)],
        live: &[(String, i64)],
        now: Timestamp,
    ) {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.one(
            "build_info",
            "The version",
            [(vec![("version", version)], 1)],
        );
        let is_taken = facts.reload.as_ref().is_none_or(|reload| reload.taken);
        self.one(
            "config_ok",
            "1 while the file's config runs, 0 since it was refused",
            [(vec![], i64::from(is_taken))],
        );
        let enabled = facts.config.jobs.iter().filter(|job| job.enabled).count();
        self.one(
            "jobs",
            "Jobs of the config that are due by themselves",
            [(vec![], i64::try_from(enabled).unwrap_or(i64::MAX))],
        );
        self.one(
            "next_run_timestamp_seconds",
            "When something is due next",
            facts.next.iter().map(|(_, at)| (vec![], at.timestamp())),
        );
        self.one(
            "live_runs",
            "Runs that are not over, by state",
            each("state", live),
        );
        self.tokens(facts);
        self.one(
            "outbox_messages",
            "Messages that are owed, by target",
            outbox.iter().map(|row| (target(row), row.owed)),
        );
        self.one(
            "outbox_oldest_age_seconds",
            "How long the oldest of them is owed",
            outbox.iter().map(|row| (target(row), age(row, now))),
        );
        self.one(
            "last_success_timestamp_seconds",
            "When each job was last delivered",
            successes
                .iter()
                .map(|(job, at)| (vec![("job", job.clone())], at / 1_000)),
        );
    }

    fn tokens(&mut self, facts: &Facts) {
        let family = Family::<Labels, Gauge>::default();
        for token in &facts.tokens {
            let labels = vec![
                ("ai", token.ai.to_string()),
                ("state", token.state.to_owned()),
            ];
            family.get_or_create(&labels).inc();
        }
        self.registry
            .register("tokens", "Tokens by endpoint and state", family);
    }

    fn one(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, i64)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        self.registry.register(name, help, family);
    }
}

fn each(label: &'static str, counts: &[(String, i64)]) -> Vec<(Labels, i64)> {
    let one = |(name, count): &(String, i64)| (vec![(label, name.clone())], *count);
    counts.iter().map(one).collect()
}

fn target(row: &Outbox) -> Labels {
    vec![("target", row.target.clone())]
}

fn age(row: &Outbox, now: Timestamp) -> i64 {
    ((to_ms(now) - row.since_at) / 1_000).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::from_ms;

    fn row(run_id: RunId, state: &str, reason: Option<&str>) -> EndedRun {
        EndedRun {
            run_id,
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
            trigger: "schedule".to_owned(),
            instants: 1,
            due_at: 1_000,
            started_at: Some(3_000),
            ai: Some("kimi".to_owned()),
            asked_ms: Some(8_000),
            pushed_ms: None,
        }
    }

    #[test]
    fn a_run_that_is_read_twice_is_counted_once() {
        let counted = Counted::new(from_ms(0));
        counted.count(vec![row(1, "delivered", None)], from_ms(10_000));
        let again = vec![
            row(1, "delivered", None),
            row(2, "failed", Some("delivery 1 of 2")),
        ];
        counted.count(again, from_ms(20_000));
        let mut registry = Registry::default();
        counted.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let runs: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("runs_total"))
            .collect();
        assert_eq!(runs.len(), 2, "{text}");
        assert!(text.contains(r#"runs_total{state="delivered",reason="",trigger="schedule"} 1"#));
        assert!(
            text.contains(r#"runs_total{state="failed",reason="pushing",trigger="schedule"} 1"#)
        );
        assert!(text.contains("lateness_seconds_count 2"));
        assert!(text.contains(r#"asking_seconds_sum{ai="kimi"} 16.0"#));
    }
}
