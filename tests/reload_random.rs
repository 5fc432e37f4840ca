//! Reload after reload while jobs fire each second: good configs, wrong ones and files that are written only in part.
//! Whole or not at all, no instant is lost, and memory does not grow.
//!
//! `PROMPTCRON_RELOADS` and `PROMPTCRON_RELOAD_SEED` set how many (300) and the seed.
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

use std::{collections::BTreeMap, env};

use chrono::{DateTime, TimeDelta, Utc};
use daemon::{World, state};
use ntfy::rules::Settings;
use promptcron::{
    config::{self, SystemEnv},
    daemon::{Reloaded, ask_to_reload},
};

/// The daemon's memory may be so much more at the end than after a quarter of the reloads.
const GROWTH_KIB: u64 = 8 * 1024;

/// The job that stays as it is. It comes before what each job needs, so that no part of the file is a config
/// without it.
const STAYS: &str =
    "[[job]]\nname = \"每秒\"\ncron = \"* * * * * *\"\ntimezone = \"UTC\"\nprompt = \"？\"\n";

/// A small generator of its own, so that a seed means the same configs for ever.
struct Dice(u64);

impl Dice {
    /// xorshift64*.
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(drawn).unwrap() % n
    }

    fn one_of<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// A config without a mistake: schedules, prompts, places in the file, a job more or less.
fn right(world: &World, dice: &mut Dice) -> String {
    let schedule = dice.one_of(&[
        "cron = \"* * * * * *\"",
        "cron = \"*/2 * * * * *\"",
        "every = \"1s\"",
        "every = \"3s\"\njitter = \"1s\"",
        "cron = \"0 8 29 2 *\"",
    ]);
    let prompt = dice.one_of(&["？", "今天的金价？", "{{ date }} 的金价？"]);
    let comes_and_goes = dice.one_of(&[
        "",
        "[[job]]\nname = \"来去\"\nevery = \"1s\"\noverlap = \"queue\"\nprompt = \"？\"\n",
    ]);
    format!(
        "timezone = \"{}\"\nmax_in_flight = {}\n{STAYS}\
         [ledger]\nurl = \"sqlite:{}\"\n\
         [ai.local]\napi = \"openai\"\nbase_url = \"{}\"\nmodel = \"gpt-test\"\n\
         [ntfy.phone]\nserver = \"{}\"\ntopic = \"gold\"\n\
         [[job]]\nname = \"变\"\n{schedule}\nprompt = \"{prompt}\"\n{comes_and_goes}",
        dice.one_of(&["UTC", "Asia/Shanghai"]),
        2 + dice.below(3),
        world.ledger().display(),
        world.ai.base_url(),
        world.ntfy.url(),
    )
}

/// One mistake in a config that is right.
fn wrong(right: &str, dice: &mut Dice) -> String {
    let (from, to) = [
        ("[[job]]\nname = \"变\"", "[[job]]\nname = \"每秒\""),
        ("topic = \"gold\"", "topic = \"不行\""),
        ("model = ", "modle = "),
        ("max_in_flight = ", "max_in_flight = -"),
        ("[ntfy.phone]", "[ntfy.phone"),
        ("cron = \"* *", "cron = \"77 *"),
    ][dice.below(6)];
    right.replacen(from, to, 1)
}

/// What an editor that was interrupted leaves: the beginning of the file.
fn half(right: &str, dice: &mut Dice) -> Vec<u8> {
    right.as_bytes()[..dice.below(right.len())].to_vec()
}

/// Asks for a reload as `promptcron reload` does.
fn reload(world: &World) -> Reloaded {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(ask_to_reload(&world.ledger(), None))
        .unwrap()
}

/// Whether the config that lies there now has no mistake.
fn is_right(world: &World) -> bool {
    config::load(&world.config(), Utc::now(), &SystemEnv).is_ok()
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn whatever_is_reloaded_no_instant_is_lost_and_memory_does_not_grow() {
    let reloads = number("PROMPTCRON_RELOADS", 300);
    let now = Utc::now().timestamp_micros().unsigned_abs();
    let seed = number("PROMPTCRON_RELOAD_SEED", now) | 1;
    eprintln!("PROMPTCRON_RELOADS={reloads} PROMPTCRON_RELOAD_SEED={seed}");
    let mut dice = Dice(seed);
    let settings = Settings {
        quota: usize::MAX,
        requests: usize::MAX,
        ..Settings::default()
    };
    let world = World::on(ntfy::FakeNtfy::with(settings), "", "", "");
    world.ai.answer_with("上海金报 801.5 元/克。");
    world.write_config(&right(&world, &mut dice));
    let daemon = world.start();
    let mut came: BTreeMap<&str, u64> = BTreeMap::new();
    let mut early = 0;
    for turn in 0..reloads {
        if turn == reloads / 4 {
            early = resident_kib(daemon.pid());
        }
        let text = right(&world, &mut dice);
        let (what, bytes) = match dice.below(4) {
            0 => ("wrong", wrong(&text, &mut dice).into_bytes()),
            1 => ("half", half(&text, &mut dice)),
            _ => ("right", text.into_bytes()),
        };
        std::fs::write(world.config(), &bytes).unwrap();
        if dice.below(8) == 0 {
            // Not waited for: it reads whatever the next turn has written by then.
            daemon.signal("HUP");
            *came.entry("by HUP").or_default() += 1;
            continue;
        }
        let told = reload(&world);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(told.taken, is_right(&world), "{told:?} of {text}");
        assert_eq!(told.taken, told.errors.is_empty(), "{told:?}");
        assert!(what != "right" || told.taken, "{told:?} of {text}");
        let verdict = if told.taken { "taken" } else { "refused" };
        *came.entry(verdict).or_default() += 1;
    }
    let late = resident_kib(daemon.pid());
    world.write_config(&right(&world, &mut dice));
    assert!(reload(&world).taken);
    daemon.stop();
    world.audit();
    let states = no_instant_is_lost(&world);
    eprintln!("{came:?}; each second: {states:?}; {early} KiB, then {late} KiB");
    assert!(came["taken"] > 0 && came["refused"] > 0, "{came:?}");
    assert!(late < early + GROWTH_KIB, "{early} KiB became {late} KiB");
}

/// The rows of the job that stays follow each other without a gap and without an overlap; tells what became of them.
fn no_instant_is_lost(world: &World) -> BTreeMap<String, usize> {
    let mut next: Option<DateTime<Utc>> = None;
    let mut states = BTreeMap::new();
    let rows = world.history();
    for row in rows.iter().filter(|row| row["job"] == "每秒") {
        let from: DateTime<Utc> = row["scheduled_at"].as_str().unwrap().parse().unwrap();
        assert!(
            next.is_none_or(|next| next == from),
            "{next:?} is not {row}"
        );
        let count = row.get("count").map_or(1, |count| count.as_i64().unwrap());
        next = Some(from + TimeDelta::seconds(count));
        *states.entry(state(row)).or_default() += 1;
    }
    assert!(next.is_some(), "it never ran");
    states
}
