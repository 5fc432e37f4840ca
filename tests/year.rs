//! A year of fifty jobs under a clock that the test moves: the real loops, a real ledger, real
//! sockets. Every instant is in the ledger once, every answer arrives once, and audit is clean.
//!
//! Two jobs run each day, the others each week or month: about three thousand runs, which an
//! unoptimised build carries out in seconds.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/clock.rs"]
mod clock;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::Arc, time::Duration};

use chrono::{TimeDelta, TimeZone, Utc};
use clock::FakeClock;
use promptcron::{
    clock::{Clock, SharedClock},
    config::{self, Config, SystemEnv},
    daemon::{self, Stop},
    ledger::{Access, Ledger},
    model::{Timestamp, from_ms},
    schedule::Schedule,
};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

/// A test's own bound: no step of the clock takes longer.
const SOON: Duration = Duration::from_secs(60);

const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Casablanca",
    "Asia/Shanghai",
];

/// Fifty jobs over six zones, with some in the hour that clock changes skip or repeat.
fn jobs() -> String {
    let mut jobs = String::new();
    for n in 0..50 {
        let (zone, minute) = (ZONES[n % 6], n);
        let cron = match n {
            0..2 => format!("{minute} 2 * * *"),
            2..44 => format!("{minute} {} * * {}", [1, 2, 8][n % 3], n % 7),
            44..48 => format!("{minute} 2 {} * *", n % 28 + 1),
            48 => "30 2 L * *".to_owned(),
            _ => "0 0 * * 1#2".to_owned(),
        };
        let jitter = if n % 10 == 9 { "5s" } else { "0s" };
        write!(
            jobs,
            "[[job]]\nname = \"工作{n}\"\ncron = \"{cron}\"\ntimezone = \"{zone}\"\n\
             jitter = \"{jitter}\"\nprompt = \"第{n}\"\n"
        )
        .expect("memory");
    }
    jobs
}

/// The daemon on its ledger, and what it is seen through.
struct Year {
    clock: Arc<FakeClock>,
    ledger: SqliteConnection,
}

impl Year {
    async fn live(&mut self) -> i64 {
        sqlx::query_scalar("select count(*) from run where finished_at is null")
            .fetch_one(&mut self.ledger)
            .await
            .expect("the ledger")
    }

    /// Moves the clock on once every loop sleeps: to what is due next where no run is live, else
    /// by the smallest step that somebody waits for.
    async fn step(&mut self, until: Timestamp) -> bool {
        loop {
            // Armed before anything is read.
            let somebody_sleeps = self.clock.somebody_sleeps();
            let sleepers = self.clock.sleepers();
            let now = self.clock.now();
            // The planner sleeps longest; the two other loops look again each second.
            let planner = sleepers.iter().max().filter(|_| sleepers.len() >= 3);
            if let Some(planner) = planner.copied() {
                let is_planned = planner > now + TimeDelta::seconds(1);
                let live = self.live().await;
                if live == 0 && is_planned && self.clock.sleepers().contains(&planner) {
                    self.clock.set(planner.min(until));
                    return planner < until;
                }
                let waiting = self.waiting(now).await;
                if live > 0 && waiting == live {
                    self.clock.set(*sleepers.iter().min().unwrap_or(&now));
                }
            }
            let slept = tokio::time::timeout(SOON, somebody_sleeps).await;
            assert!(slept.is_ok(), "the clock stands at {now}: {sleepers:?}");
        }
    }

    /// Live runs that wait for an instant: jitter, or the next part's.
    async fn waiting(&mut self, now: Timestamp) -> i64 {
        sqlx::query_scalar(
            "select count(*) from run where finished_at is null
                 and (state = 'planned' and next_attempt_at > $1)",
        )
        .bind(now.timestamp_millis())
        .fetch_one(&mut self.ledger)
        .await
        .expect("the ledger")
    }
}

fn load(folder: &Path, ai: &ai::FakeOpenai, ntfy: &ntfy::FakeNtfy, now: Timestamp) -> Config {
    let file = folder.join("config.toml");
    let text = format!(
        "keep = \"400d\"\n[ledger]\nurl = \"sqlite:{}\"\n[ai.local]\napi = \"openai\"\nbase_url = \"{}\"\n\
         model = \"gpt-test\"\n[ntfy.phone]\nserver = \"{}\"\ntopic = \"gold\"\n{}",
        folder.join("ledger.db").display(),
        ai.base_url(),
        ntfy.url(),
        jobs(),
    );
    std::fs::write(&file, text).expect("a config");
    config::load(&file, now, &SystemEnv).expect("a valid config")
}

/// In memory where the system has such a folder: thousands of commits wait for no disk.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.expect("a folder")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_of_fifty_jobs_loses_nothing_and_doubles_nothing() {
    let start = Utc.with_ymd_and_hms(2027, 1, 1, 0, 0, 0).unwrap();
    let end = start + TimeDelta::days(365);
    let folder = folder();
    let ai = ai::FakeOpenai::start();
    ai.answer_with("答案");
    let settings = ntfy::rules::Settings {
        quota: usize::MAX,
        requests: usize::MAX,
        ..ntfy::rules::Settings::default()
    };
    let ntfy = ntfy::FakeNtfy::with(settings);
    let config = load(folder.path(), &ai, &ntfy, start);
    let expected = expected(&config, start, end);
    let path = config.ledger.0.clone();
    let clock = Arc::new(FakeClock::at(start));
    let (stop, shared) = (Stop::default(), clock.clone() as SharedClock);
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let running = tokio::spawn(daemon::run(
        config,
        daemon::Surroundings::new(shared, stop.clone()),
        move || {
            ready.send(()).expect("somebody waits");
        },
    ));
    is_ready.await.expect("ready");
    let options = SqliteConnectOptions::new().filename(&path).read_only(true);
    let ledger = SqliteConnection::connect_with(&options)
        .await
        .expect("the ledger");
    let mut year = Year { clock, ledger };
    while year.step(end).await {}
    while year.live().await > 0 {
        year.step(end + TimeDelta::minutes(1)).await;
    }
    stop.drain();
    running.await.expect("no panic").expect("no error");
    let audited = Ledger::open(&path, Access::Read).await.expect("the ledger");
    let findings = audited.audit(|text| Schedule::from_text(text).ok()).await;
    assert_eq!(findings.expect("a readable ledger"), []);
    let rows = audited
        .history(None, u32::MAX)
        .await
        .expect("a readable ledger");
    let mut recorded: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    for row in rows.iter().rev() {
        assert_eq!(
            (row.state.as_str(), row.attempts),
            ("delivered", 1),
            "{row:?}"
        );
        recorded
            .entry(row.job.clone())
            .or_default()
            .push(from_ms(row.scheduled_at));
    }
    assert_eq!(recorded, expected);
    assert!(rows.len() > 2_500, "{}", rows.len());
    assert_eq!(ai.questions().len(), rows.len());
    assert_eq!(ntfy.messages("gold").len(), rows.len());
}

/// Every instant of every job in the year.
fn expected(
    config: &Config,
    from: Timestamp,
    until: Timestamp,
) -> BTreeMap<String, Vec<Timestamp>> {
    let jobs = config.jobs.iter();
    jobs.map(|job| {
        let upcoming = job.schedule.upcoming(from);
        let instants = upcoming.take_while(|at| *at <= until).collect();
        (job.name.to_string(), instants)
    })
    .collect()
}
