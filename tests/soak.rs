//! Thousands of runs over endpoints that fail in every way they can, at random: no run stays without an end, no token
//! is asked more often than the policy allows or ends in a wrong state, and memory does not grow.
//!
//! The real daemon under a clock that runs faster than the wall's. `PROMPTCRON_SOAK_RUNS` and `PROMPTCRON_SOAK_SEED`
//! set how many runs (300) and the seed.
#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; its seed repeats what the endpoints said"
)]

#[path = "support/chaos.rs"]
mod chaos;

use std::{
    collections::BTreeMap,
    env,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use chaos::Chaos;
use chrono::{DateTime, TimeDelta, Utc};
use promptcron::{
    clock::{Clock, Sleep},
    config::{self, Config, SystemEnv},
    daemon::{self, Stop, Surroundings},
    ledger::{Access, Ledger},
    model::{Timestamp, from_ms},
    schedule::Schedule,
};
use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};

/// A minute lasts half a second.
const FASTER: u32 = 120;

/// Longer than any step takes on a busy machine.
const NO_PROGRESS: Duration = Duration::from_secs(120);

/// A request's end is read off the clock a moment before its token's state changes, a quarter of a second on a busy
/// machine: what ended so shortly before another one began may not have been known.
const GRACE: TimeDelta = TimeDelta::seconds(30);

/// Instants are kept in whole milliseconds.
const SLACK: TimeDelta = TimeDelta::milliseconds(10);

/// A memory that holds so much more than after the first quarter grows.
const GROWTH_KIB: u64 = 24 * 1024;

const TOKENS: [&str; 8] = [
    "mixed-1",
    "mixed-2",
    "mixed-3",
    "mixed-4",
    "limited-1",
    "limited-2",
    "spent-1",
    "dead-1",
];

/// The wall clock, faster.
struct Fast {
    since: Timestamp,
    start: Instant,
}

impl Clock for Fast {
    fn now(&self) -> Timestamp {
        self.since + self.start.elapsed() * FASTER
    }

    fn sleep_until(&self, instant: Timestamp) -> Sleep {
        let wait = (instant - self.now()).to_std().unwrap_or_default();
        Box::pin(tokio::time::sleep(wait / FASTER))
    }
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn config(folder: &Path, chaos: &Chaos, now: Timestamp) -> Config {
    let mut text = format!(
        "keep = \"400d\"\nmax_in_flight = 4\nalerts = \"phone\"\n[ledger]\nurl = \"sqlite:{}\"\n\
         [ai.flaky]\napi = \"openai\"\nbase_url = \"{}/flaky/v1\"\nmodel = \"m\"\ntimeout = \"1s\"\ntokens = {TOKENS:?}\n\
         [ai.backup]\napi = \"openai\"\nbase_url = \"{}/backup/v1\"\nmodel = \"m\"\ntimeout = \"1s\"\n\
         [ntfy.phone]\nserver = \"{}\"\ntopic = \"soak\"\n",
        folder.join("ledger.db").display(),
        chaos.url(),
        chaos.url(),
        chaos.url(),
    );
    for n in 0..8 {
        text += &format!(
            "[[job]]\nname = \"job{n}\"\nevery = \"{}s\"\nprompt = \"?\"\nai = [\"flaky\", \"backup\"]\nretry_for = \"5m\"\n",
            20 + n
        );
    }
    let file = folder.join("config.toml");
    std::fs::write(&file, text).unwrap();
    config::load(&file, now, &SystemEnv).unwrap_or_else(|errors| panic!("{errors}"))
}

/// In memory where the system has such a folder: thousands of commits wait for no disk.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_endpoints_do_each_run_ends_and_no_token_is_asked_too_often() {
    let (runs, seed) = (
        number("PROMPTCRON_SOAK_RUNS", 300),
        number("PROMPTCRON_SOAK_SEED", 7),
    );
    let folder = folder();
    let chaos = Chaos::start(seed);
    let clock = Arc::new(Fast {
        since: Utc::now(),
        start: Instant::now(),
    });
    let config = config(folder.path(), &chaos, clock.now());
    let (again, path) = (config.clone(), config.ledger.0.clone());
    let stop = Stop::default();
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let surroundings = Surroundings::new(clock.clone(), stop.clone());
    let running = tokio::spawn(daemon::run(config, surroundings, move || {
        ready.send(()).unwrap();
    }));
    is_ready.await.unwrap();
    let options = SqliteConnectOptions::new().filename(&path).read_only(true);
    let mut eye = SqliteConnection::connect_with(&options).await.unwrap();

    wait_for(&mut eye, runs / 4).await;
    let early = resident_kib();
    wait_for(&mut eye, runs).await;
    let late = resident_kib();
    stop.drain();
    running.await.unwrap().unwrap();

    let now = clock.now();
    let ledger = Ledger::open(&path, Access::Read).await.unwrap();
    let findings = ledger.audit(|text| Schedule::from_text(text).ok()).await;
    assert_eq!(findings.unwrap(), []);
    no_run_is_left_behind(&mut eye).await;
    let requests = requests(&mut eye).await;
    let mut oracle = Oracle::default();
    oracle.judge(&requests);
    let standings = daemon::standings(&again, Some(&ledger), now).await.unwrap();
    let flaky = standings
        .iter()
        .find(|endpoint| endpoint.ai == "flaky")
        .unwrap();
    for token in &flaky.tokens {
        let wanted = oracle.expected(&token.token, now);
        assert!(
            wanted.contains(&token.state.as_str()),
            "seed {seed}: {} is {}, not {wanted:?}",
            token.token,
            token.state.as_str()
        );
    }
    eprintln!(
        "seed {seed}: {} requests in {} runs, {}; {early} KiB, then {late} KiB",
        requests.len(),
        done(&mut eye).await,
        chaos.summary()
    );
    assert!(late < early + GROWTH_KIB, "{early} KiB became {late} KiB");
}

/// Runs that were asked and are over.
async fn done(eye: &mut SqliteConnection) -> u64 {
    let sql = "select count(*) from run where state in ('delivered', 'failed')";
    let count: i64 = sqlx::query_scalar(sql).fetch_one(eye).await.unwrap();
    u64::try_from(count).unwrap()
}

async fn wait_for(eye: &mut SqliteConnection, runs: u64) {
    let (mut last, mut at) = (0, Instant::now());
    while last < runs {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = done(eye).await;
        if now > last {
            (last, at) = (now, Instant::now());
        }
        assert!(
            at.elapsed() < NO_PROGRESS,
            "{last} of {runs} runs, and no more"
        );
    }
}

/// No job has more than the one run that was under way at the end and the one that was pushed, no attempt is open, and
/// no run's own task died.
async fn no_run_is_left_behind(eye: &mut SqliteConnection) {
    for (sql, most) in [
        (
            "select coalesce(max(n), 0) from (select count(*) as n from run where finished_at is null group by job)",
            2,
        ),
        (
            "select count(*) from attempt where outcome in ('asking', 'lost')",
            0,
        ),
        (
            "select count(*) from run where reason like '%own fault%'",
            0,
        ),
    ] {
        let found: i64 = sqlx::query_scalar(sql).fetch_one(&mut *eye).await.unwrap();
        assert!(found <= most, "{found} instead of {most}: {sql}");
    }
}

/// One request to the endpoint with tokens.
struct Request {
    token: String,
    started_at: Timestamp,
    finished_at: Timestamp,
    error: Option<String>,
}

async fn requests(eye: &mut SqliteConnection) -> Vec<Request> {
    let rows = sqlx::query(
        "select token_label, started_at, finished_at, error from request
         where ai = 'flaky' order by finished_at, started_at",
    );
    let of = |row: &sqlx::sqlite::SqliteRow| Request {
        token: row.get("token_label"),
        started_at: from_ms(row.get("started_at")),
        finished_at: from_ms(row.get("finished_at")),
        error: row.get("error"),
    };
    rows.fetch_all(eye).await.unwrap().iter().map(of).collect()
}

/// The policy's table once more, from what is known of each token's requests alone.
#[derive(Default)]
struct Oracle(BTreeMap<String, Known>);

#[derive(Clone, Default)]
struct Known {
    rests: u32,
    pauses: u32,
    refusals: u32,
    /// When its state was found: what was under way then is no news.
    since: DateTime<Utc>,
    state: State,
    until: DateTime<Utc>,
    requests: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Healthy,
    Cooling,
    Spent,
    Suspect,
    Dead,
}

impl Oracle {
    /// Each request began when the ones that were over by then allowed it.
    fn judge(&mut self, requests: &[Request]) {
        let mut by_start: Vec<&Request> = requests.iter().collect();
        by_start.sort_by_key(|request| request.started_at);
        let mut ended = requests.iter().peekable();
        for request in by_start {
            while let Some(over) =
                ended.next_if(|over| over.finished_at + GRACE < request.started_at)
            {
                self.learn(over);
            }
            let known = self.0.entry(request.token.clone()).or_default();
            let Request {
                token, started_at, ..
            } = request;
            let is_allowed = match known.state {
                State::Healthy | State::Suspect => true,
                State::Cooling | State::Spent => *started_at + SLACK >= known.until,
                State::Dead => *started_at + SLACK >= known.since + TimeDelta::days(1),
            };
            assert!(
                is_allowed,
                "{token} was {:?} since {} until {} and asked at {started_at}",
                known.state, known.since, known.until
            );
            known.requests += 1;
        }
        ended.for_each(|over| self.learn(over));
    }

    fn learn(&mut self, request: &Request) {
        let known = self.0.entry(request.token.clone()).or_default();
        let at = request.finished_at;
        let is_news = known.state == State::Healthy || request.started_at >= known.since;
        let error = request.error.as_deref().unwrap_or_default();
        let says = |text: &str| error.contains(text);
        if error.is_empty() {
            if is_news {
                *known = Known {
                    requests: known.requests,
                    ..Known::default()
                };
            }
        } else if says("HTTP 429") && known.state == State::Cooling && !is_news {
            let asked = if says("in 90 seconds") { 90 } else { 0 };
            known.until = known.until.max(at + TimeDelta::seconds(asked));
        } else if says("HTTP 429") && is_news {
            let own = TimeDelta::minutes(5_i64.pow(known.rests.min(3))).min(TimeDelta::hours(1));
            let asked = if says("in 90 seconds") { 90 } else { 0 };
            known.rests += 1;
            (known.state, known.since) = (State::Cooling, at);
            known.until = at + own.max(TimeDelta::seconds(asked));
        } else if says("HTTP 402") && (is_news || known.state == State::Cooling) {
            let hours = (5 << known.pauses.min(3)).min(24);
            known.pauses += 1;
            (known.state, known.since) = (State::Spent, at);
            known.until = at + TimeDelta::hours(hours);
        } else if says("HTTP 401")
            && (is_news || !matches!(known.state, State::Suspect | State::Dead))
        {
            known.refusals += 1;
            let state = if known.refusals > 1 {
                State::Dead
            } else {
                State::Suspect
            };
            (known.state, known.since) = (state, at);
        }
    }

    /// The words that a token may stand with: a suspect one may have passed or failed its check since.
    fn expected(&self, token: &str, now: Timestamp) -> Vec<&'static str> {
        let known = self.0.get(token).cloned().unwrap_or_default();
        match known.state {
            State::Healthy => vec!["healthy"],
            State::Cooling | State::Spent if known.until <= now => vec!["healthy"],
            State::Cooling => vec!["cooling"],
            State::Spent => vec!["out of quota"],
            State::Suspect => vec!["suspect", "healthy", "dead"],
            State::Dead if now - known.since > TimeDelta::days(1) => vec!["dead", "healthy"],
            State::Dead => vec!["dead"],
        }
    }
}

/// This process's memory.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
