//! The invariant under restarts, reloads, pauses, changed schedules and a clock that steps, in any order: every nominal instant
//! is in exactly one row of the ledger. What it should hold is counted here without the planner.

use std::sync::Arc;

use chrono::TimeDelta;
use proptest::{prelude::*, test_runner::RngSeed};
use tokio::sync::oneshot;

use super::{
    Engine, LEASE, Owner, Revision, Stop, fixture, planner::Planner, reload::Changeover, scheduler,
};
use crate::{
    ledger::{Access, Beat, HistoryRow, Ledger},
    model::{RunState, Timestamp, from_ms, to_ms},
    schedule::Schedule,
};

/// What a config says of the job.
const CONFIGS: [&str; 6] = [
    "",
    "timezone = \"Europe/Berlin\"",
    "catch_up = \"all\"\noverlap = \"queue\"\njitter = \"9h\"",
    "timezone = \"America/New_York\"\ncatch_up = \"skip\"",
    "enabled = false",
    "catch_up = \"all\"\ncatch_up_window = \"30d\"\njitter = \"2h\"",
];

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// So many hours pass.
    Hours(i64),
    /// The daemon starts with this config.
    Start(usize),
    /// It changes over to this config.
    Reload(usize),
    /// The job is paused, until so many hours later or for good.
    Pause(Option<i64>),
    /// And resumed.
    Resume,
    /// A run is claimed and begun; a false one is interrupted, a true one fails.
    Run(bool),
    /// The clock steps back by so many hours, and the daemon notices.
    Back(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..60_i64).prop_map(Event::Hours),
        3 => (0..CONFIGS.len()).prop_map(Event::Start),
        2 => (0..CONFIGS.len()).prop_map(Event::Reload),
        1 => prop::option::of(1..60_i64).prop_map(Event::Pause),
        1 => Just(Event::Resume),
        2 => any::<bool>().prop_map(Event::Run),
        1 => (1..40_i64).prop_map(Event::Back),
    ]
}

/// A ledger, a clock, and what should be in the ledger.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<fixture::Hand>,
    ledger: Ledger,
    now: Timestamp,
    config: usize,
    /// What runs since the last start.
    daemon: Option<(Engine, Planner)>,
    /// The last start or reload, up to which everything is written.
    written_at: Option<Timestamp>,
    /// Each instant that must be there.
    due: Vec<Timestamp>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Access::Write).await.unwrap();
        // A few days before Berlin's and New York's clocks change.
        let now = "2030-03-08T09:30:00Z".parse().unwrap();
        let clock = fixture::Hand::at("2030-03-08T09:30:00Z");
        Self {
            folder,
            clock,
            ledger,
            now,
            config: 0,
            daemon: None,
            written_at: None,
            due: Vec::new(),
        }
    }

    fn set(&mut self, now: Timestamp) {
        self.now = now;
        self.clock.set(&now.to_rfc3339());
    }

    /// Whatever is new counts from now: what was due until now is of the old config. Returns the new one's revision.
    fn turn_to(&mut self, config: usize) -> Revision {
        let of = |config: usize| fixture::config(self.folder.path(), CONFIGS[config]);
        let (old, new) = (of(self.config), of(config));
        let job = &old.jobs[0];
        if let Some(since) = self.written_at.filter(|_| job.enabled) {
            let upcoming = job.schedule.upcoming(since);
            self.due.extend(upcoming.take_while(|at| *at <= self.now));
        }
        (self.config, self.written_at) = (config, Some(self.now));
        Revision::new(new).unwrap()
    }

    async fn start(&mut self, config: usize) {
        let last_beat = self.written_at.map(|at| Beat {
            owner: "daemon-1".to_owned(),
            started_at: to_ms(at),
            beat_at: to_ms(at),
            planner_at: to_ms(at),
            stopped_at: None,
        });
        let revision = self.turn_to(config);
        let (ledger, clock) = (self.ledger.clone(), self.clock.clone());
        let engine = Engine::new(Owner::daemon(), revision, ledger, clock, Stop::default());
        let planner = scheduler::resume(&engine, last_beat).await.unwrap();
        self.daemon = Some((engine, planner));
    }

    async fn reload(&mut self, config: usize) {
        let revision = self.turn_to(config);
        let (done, _) = oneshot::channel();
        let (engine, planner) = self.daemon.as_mut().unwrap();
        let changeover = Changeover { revision, done };
        let changed = scheduler::change_over(engine, planner, changeover).await;
        changed.unwrap();
    }

    async fn happens(&mut self, event: Event) {
        match event {
            Event::Hours(hours) => self.set(self.now + TimeDelta::hours(hours)),
            Event::Start(config) => self.start(config).await,
            Event::Reload(config) => self.reload(config).await,
            Event::Pause(hours) => {
                let until = hours.map(|hours| self.now + TimeDelta::hours(hours));
                self.ledger.pause("gold", self.now, until).await.unwrap();
            }
            Event::Resume => {
                self.ledger.resume("gold", self.now).await.unwrap();
            }
            Event::Run(fails) => self.run(fails).await,
            Event::Back(hours) => {
                let config = self.config;
                self.start(config).await;
                let now = self.now - TimeDelta::hours(hours);
                if self.has_ended_after(now).await {
                    return;
                }
                self.set(now);
                self.due.retain(|at| *at <= self.now);
                self.start(config).await;
            }
        }
    }

    /// What was begun or cancelled stays as it is, whatever schedule counts when its instant comes again.
    async fn has_ended_after(&self, instant: Timestamp) -> bool {
        for row in self.ledger.history(None, 10_000).await.unwrap() {
            let is_begun = !self.ledger.attempts(row.run_id).await.unwrap().is_empty();
            if from_ms(row.scheduled_at) > instant && (is_begun || row.state == "cancelled") {
                return true;
            }
        }
        false
    }

    async fn run(&self, fails: bool) {
        let (ledger, now) = (&self.ledger, self.now);
        let claims = ledger.claim("daemon-1", now, now + LEASE, 1).await.unwrap();
        for claim in claims {
            ledger.start_attempt(&claim, "kimi", now).await.unwrap();
            match fails {
                true => {
                    let ended = ledger.end_run(claim.run_id, RunState::Failed, "down", now);
                    assert!(ended.await.unwrap());
                }
                false => ledger.interrupted(&claim, now).await.unwrap(),
            }
        }
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        let read = |text: &str| Schedule::from_text(text).ok();
        prop_assert_eq!(self.ledger.audit(read).await.unwrap(), []);
        let rows = self.ledger.history(None, 10_000).await.unwrap();
        let holds = |row: &HistoryRow, at: Timestamp| {
            let last = row.until_at.unwrap_or(row.scheduled_at);
            from_ms(row.scheduled_at) <= at && at <= from_ms(last)
        };
        for at in &self.due {
            let held = rows.iter().filter(|row| holds(row, *at)).count();
            prop_assert_eq!(held, 1, "{} in {:#?}", at, &rows);
        }
        let instants: i64 = rows.iter().map(|row| row.instants).sum();
        prop_assert_eq!(
            usize::try_from(instants).unwrap(),
            self.due.len(),
            "{:#?}",
            &rows
        );
        Ok(())
    }
}

async fn holds_after(events: &[Event]) -> Result<(), TestCaseError> {
    let mut world = World::new().await;
    world.start(0).await;
    for event in events {
        world.happens(*event).await;
    }
    // What a pause holds back is written when it is over.
    world.happens(Event::Resume).await;
    world.start(world.config).await;
    world.check().await
}

#[tokio::test]
async fn a_paused_job_whose_schedule_is_reloaded_leaves_each_instant_in_one_row() {
    let changed = [
        Event::Pause(None),
        Event::Hours(50),
        Event::Reload(1),
        Event::Hours(50),
        Event::Reload(4),
        Event::Hours(20),
        Event::Reload(0),
        Event::Hours(30),
    ];
    holds_after(&changed).await.unwrap();
}

#[tokio::test]
async fn a_step_back_over_a_changed_schedule_leaves_each_instant_in_one_row() {
    let changed = [
        Event::Hours(23),
        Event::Start(1),
        Event::Back(3),
        Event::Hours(30),
    ];
    holds_after(&changed).await.unwrap();
}

proptest! {
    // Each start makes its clients anew, which takes long: the same few each time.
    #![proptest_config(ProptestConfig {
        cases: 24,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn every_instant_is_in_exactly_one_row_whatever_happens(
        events in prop::collection::vec(event(), 1..16)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(holds_after(&events))?;
    }
}
