//! The real daemon, killed after random times and started again, many times over one ledger, with
//! an AI and an inbox that count: no instant is lost, none is made into two runs, and a push comes
//! twice only where its reply was lost.
//!
//! `PROMPTCRON_KILL_ROUNDS` and `PROMPTCRON_KILL_SEED` set the rounds (200) and the seed.
#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; its seed repeats it"
)]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::{collections::BTreeMap, env, thread, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use daemon::{World, eventually};
use ntfy::rules::Settings;
use serde_json::Value;

/// Several each second, with all that makes a run's way longer: two targets, several parts, jitter,
/// overlap of each kind, catching up.
const JOBS: &str = r#"
[[job]]
name = "跳过"
cron = "* * * * * *"
ntfy = "phone"
prompt = "skip"

[[job]]
name = "排队"
every = "1s"
overlap = "queue"
catch_up = "all"
ntfy = ["phone", "tablet"]
prompt = "queue"
conversation = "continue"
reset = "20 turns"

[[job]]
name = "并行"
cron = "*/2 * * * * *"
overlap = "allow"
jitter = "500ms"
ntfy = "tablet"
prompt = "allow"

[[job]]
name = "长"
every = "3s"
overlap = "allow"
ntfy = "parts"
prompt = "parts"
"#;

const TARGETS: &str = r#"
[ntfy.phone]
server = "NTFY"
topic = "phone"
[ntfy.tablet]
server = "NTFY"
topic = "tablet"
[ntfy.parts]
server = "NTFY"
topic = "parts"
max_bytes = 100
max_parts = 2
"#;

/// A small generator of its own, so that a seed means the same rounds for ever.
struct Dice(u64);

impl Dice {
    /// xorshift64*.
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

fn number_of(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

#[test]
fn killed_at_random_nothing_is_lost_and_nothing_runs_twice() {
    let rounds = number_of("PROMPTCRON_KILL_ROUNDS").unwrap_or(200);
    let now = Utc::now().timestamp_micros().unsigned_abs();
    let seed = number_of("PROMPTCRON_KILL_SEED").unwrap_or(now) | 1;
    #[expect(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
    {
        eprintln!("PROMPTCRON_KILL_ROUNDS={rounds} PROMPTCRON_KILL_SEED={seed}");
    }
    let mut dice = Dice(seed);
    let settings = Settings {
        quota: usize::MAX,
        requests: usize::MAX,
        ..Settings::default()
    };
    let world = World::on(
        ntfy::FakeNtfy::with(settings),
        "max_in_flight = 3",
        TARGETS,
        JOBS,
    );
    // An AI that takes its time, so that kills find questions on their way.
    let answer = ["今天的金价上涨了百分之一点五。"; 4].join("\n\n");
    world.ai.reply_with(ai::Reply::Late(
        Duration::from_millis(30),
        Box::new(ai::Reply::Answer(answer)),
    ));
    world.stopped_at(Utc::now());
    for _ in 0..rounds {
        // Half of them soon after the ledger was taken, where most is written.
        let daemon = match dice.below(2) {
            0 => world.start_with(world.promptcron(&["run"])).0,
            _ => world.start(),
        };
        thread::sleep(Duration::from_millis(dice.below(250)));
        daemon.kill();
    }
    let daemon = world.start();
    // What is planned from here on needs no run: the jobs rest while the rest is worked off.
    for job in ["跳过", "排队", "并行", "长"] {
        assert_eq!(world.run(&["pause", job]).code, Some(0));
    }
    eventually("nothing is live", || {
        world.number("select count(*) from run where finished_at is null") == 0
    });
    for job in ["跳过", "排队", "并行", "长"] {
        assert_eq!(world.run(&["resume", job]).code, Some(0));
    }
    daemon.stop();
    world.audit();
    let tables = Tables::read(&world);
    tables.no_instant_is_lost();
    tables.each_run_ended_well();
    tables.each_question_was_an_attempt(&world);
    tables.each_push_was_owed(&world);
    each_answer_is_one_turn(&world);
    assert_ne!(
        world.number("select count(*) from attempt where outcome = 'lost'"),
        0
    );
}

/// No kill loses or doubles a turn of the conversation, and none goes on beyond its end.
fn each_answer_is_one_turn(world: &World) {
    let answered = "select count(*) from run where job = '排队' and answered_at is not null";
    let turns = "select count(*) from turn join run on run.run_id = turn.run_id
        where run.job = '排队' and run.answered_at is not null";
    assert_eq!(world.number(turns), world.number(answered));
    assert_eq!(
        world.number("select count(*) from turn"),
        world.number(answered)
    );
    let longest = "select max(turns) from (
        select count(*) as turns from turn group by conversation_id)";
    assert!(world.number(longest) <= 20);
    let empty = "select count(*) from conversation where conversation_id not in (
        select conversation_id from turn)";
    assert_eq!(world.number(empty), 0);
}

/// The ledger as its commands show it.
struct Tables {
    history: Vec<Value>,
    shown: Vec<Value>,
}

impl Tables {
    fn read(world: &World) -> Self {
        let history = world.history();
        let ran = history.iter().filter(|row| row["attempts"] != 0);
        let shown = ran
            .map(|row| world.show(row["run"].as_i64().unwrap()))
            .collect();
        Self { history, shown }
    }

    /// Each job's rows follow each other without a gap and without an overlap.
    fn no_instant_is_lost(&self) {
        for (job, period) in [("跳过", 1), ("排队", 1), ("并行", 2), ("长", 3)] {
            let mut next: Option<DateTime<Utc>> = None;
            let rows = self.history.iter().filter(|row| row["job"] == job);
            for row in rows {
                let from: DateTime<Utc> = row["scheduled_at"].as_str().unwrap().parse().unwrap();
                assert!(
                    next.is_none_or(|next| next == from),
                    "{job}: {next:?} is not {row}"
                );
                let count = row.get("count").map_or(1, |count| count.as_i64().unwrap());
                next = Some(from + TimeDelta::seconds(period * count));
            }
            assert!(next.is_some(), "{job} never ran");
        }
    }

    fn each_run_ended_well(&self) {
        for row in &self.history {
            let state = row["state"].as_str().unwrap();
            assert!(["delivered", "skipped", "missed"].contains(&state), "{row}");
        }
        for run in &self.shown {
            let answered = (run["attempt_rows"].as_array().unwrap().iter())
                .filter(|attempt| attempt["outcome"] == "answered");
            assert_eq!(answered.count(), 1, "{run:#}");
        }
    }

    /// An attempt is written before it is asked, so there are no more questions than attempts.
    fn each_question_was_an_attempt(&self, world: &World) {
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        for question in world.ai.questions() {
            let prompt = question.json()["messages"][0]["content"]
                .as_str()
                .unwrap()
                .to_owned();
            *asked.entry(prompt).or_default() += 1;
        }
        let mut attempts: BTreeMap<String, usize> = BTreeMap::new();
        let mut answered: BTreeMap<String, usize> = BTreeMap::new();
        for run in &self.shown {
            let prompt = run["prompt"].as_str().unwrap().to_owned();
            *attempts.entry(prompt.clone()).or_default() +=
                run["attempt_rows"].as_array().unwrap().len();
            *answered.entry(prompt).or_default() += 1;
        }
        for (prompt, asked) in &asked {
            assert!(
                (answered[prompt]..=attempts[prompt]).contains(asked),
                "{prompt}: {asked}"
            );
        }
        assert_eq!(asked.len(), 4);
    }

    /// Each message is owed by one delivery; it comes as often as the delivery was tried, or less
    /// where a kill came first; and no attempt follows one that is known to have arrived.
    fn each_push_was_owed(&self, world: &World) {
        let mut came: BTreeMap<String, u64> = BTreeMap::new();
        for publish in world.ntfy.publishes() {
            let body: Value = serde_json::from_str(publish.text()).unwrap();
            *came
                .entry(body["sequence_id"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        let mut owed = BTreeMap::new();
        for run in &self.shown {
            for delivery in run["deliveries"].as_array().unwrap() {
                assert_eq!(delivery["state"], "delivered", "{run:#}");
                let id = delivery["sequence_id"].as_str().unwrap().to_owned();
                let again = owed.insert(id, delivery["attempts"].as_u64().unwrap());
                assert_eq!(again, None, "two deliveries with one sequence id: {run:#}");
            }
        }
        assert_eq!(
            came.keys().collect::<Vec<_>>(),
            owed.keys().collect::<Vec<_>>()
        );
        for (id, times) in came {
            assert!((1..=owed[&id]).contains(&times), "{id} came {times} times");
        }
        let known = "select count(*) from delivery_attempt a join delivery_attempt b
            on b.delivery_id = a.delivery_id and b.number > a.number
            where a.outcome <> 'unknown'";
        assert_eq!(world.number(known), 0);
    }
}
