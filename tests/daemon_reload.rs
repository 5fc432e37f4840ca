//! Reload on the real binary: by HUP, by command, by a watched file; whole or not at all.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/process.rs"]
mod process;

use ai::{FakeKimi, Gate, Reply};
use ntfy::FakeNtfy;
use process::{DEADLINE, Place, Process, Signal};

const ANSWER: &str = "上海金报 801.5 元/克。";

/// Nothing in it is due while a test runs.
const NEVER: &str = "0 8 29 2 *";

fn config(kimi: &FakeKimi, ntfy: &FakeNtfy, top: &str, cron: &str) -> String {
    format!(
        r#"{top}
[ai.kimi]
api = "kimi"
base_url = "{}"
tokens = ["eyJhbGci-token-0001"]

[ntfy.phone]
server = "{}"
topic = "hotine"

[[job]]
name = "金价"
cron = "{cron}"
prompt = "分析一下当前国内上海金价格。"
"#,
        kimi.base_url(),
        ntfy.url(),
    )
}

struct World {
    kimi: FakeKimi,
    ntfy: FakeNtfy,
    place: Place,
    daemon: Process,
}

impl World {
    fn new(top: &str, cron: &str) -> Self {
        let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
        kimi.answer_with(ANSWER);
        let place = Place::new(&config(&kimi, &ntfy, top, cron));
        let daemon = place.start(&["run"]);
        daemon.wait_for_log("starting");
        Self {
            kimi,
            ntfy,
            place,
            daemon,
        }
    }

    fn write(&self, top: &str, cron: &str) {
        let text = config(&self.kimi, &self.ntfy, top, cron);
        self.place.write("config.toml", &text);
    }

    /// The socket is made a moment after the first log line.
    fn reload(&self) -> process::Output {
        let start = std::time::Instant::now();
        loop {
            let reloaded = self.place.run(&["reload"]);
            if !reloaded.stderr.contains("no daemon answers") || start.elapsed() > DEADLINE {
                return reloaded;
            }
        }
    }
}

#[test]
fn a_reload_tells_what_changed_and_the_new_schedule_counts() {
    let world = World::new("", NEVER);
    world.write("", "* * * * * *");
    let reloaded = world.reload();
    assert_eq!(
        (reloaded.code, reloaded.stdout.as_str()),
        (Some(0), "金价: cron 0 8 29 2 * -> * * * * * *\nreloaded\n")
    );
    world
        .daemon
        .wait_for_log("金价: cron 0 8 29 2 * -> * * * * * *");
    world.ntfy.wait_for(1, DEADLINE);
    let again = world.reload();
    assert_eq!(again.stdout, "reloaded: nothing has changed\n");
    assert_eq!(world.daemon.end(Signal::TERM).code, Some(0));
    assert_eq!(world.place.run(&["audit"]).code, Some(0));
}

#[test]
fn a_wrong_file_changes_nothing_and_is_told_with_line_and_column() {
    let world = World::new("", "* * * * * *");
    world.ntfy.wait_for(1, DEADLINE);
    world.write("max_in_flight = 0", "* * * * * *");
    let reloaded = world.reload();
    assert_eq!(reloaded.code, Some(1));
    let mut lines = reloaded.stdout.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("config.toml:1:17: max_in_flight")
    );
    assert_eq!(
        lines.next(),
        Some("not reloaded: the daemon goes on with the config it has")
    );
    world.daemon.signal(Signal::HUP);
    world.daemon.wait_for_log("config rejected");
    let pushed = world.ntfy.publishes().len();
    world.ntfy.wait_for_publishes(pushed + 2, DEADLINE);
    assert_eq!(world.daemon.end(Signal::TERM).code, Some(0));
}

#[test]
fn a_half_written_file_is_told_of_by_the_daemon_and_by_the_command() {
    let world = World::new("", NEVER);
    assert_eq!(world.reload().code, Some(0));
    world.place.write("config.toml", "[ai.kimi]\napi = \"ki");
    let reloaded = world.reload();
    assert_eq!(reloaded.code, Some(1));
    assert!(reloaded.stdout.contains("not TOML"), "{}", reloaded.stdout);
    world.daemon.wait_for_log("config rejected");
    // This daemon is the one at the usual place, but not that file's.
    world.place.write("other.toml", "[ai.kimi]\napi = \"ki");
    let refused = world.place.run(&["--config", "other.toml", "reload"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stdout.contains("runs on config.toml, not on"));
    // Another ledger counts from the next start; until then the daemon is where it was.
    let moved = config(
        &world.kimi,
        &world.ntfy,
        "ledger.url = \"sqlite:other.db\"",
        NEVER,
    );
    world.place.write("config.toml", &moved);
    let reloaded = world.reload();
    assert_eq!(reloaded.code, Some(0));
    assert!(reloaded.stdout.contains("ledger"), "{}", reloaded.stdout);
    world.place.write("config.toml", "[ai.kimi]\napi = \"ki");
    assert_eq!(world.daemon.end(Signal::TERM).code, Some(0));
    let nobody = world.place.run(&["reload"]);
    assert_eq!(nobody.code, Some(1));
}

#[test]
fn a_watched_file_reloads_by_itself_a_prompt_file_too() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    kimi.answer_with(ANSWER);
    let text = config(&kimi, &ntfy, "watch = true", NEVER);
    let text = text.replace(
        "prompt = \"分析一下当前国内上海金价格。\"",
        "prompt_file = \"prompts/gold.md\"",
    );
    let place = Place::new(&text);
    std::fs::create_dir(place.path().join("prompts")).unwrap();
    place.write("prompts/gold.md", "金价？");
    let daemon = place.start(&["run"]);
    daemon.wait_for_log("watching");
    place.write("prompts/gold.md", "银价？");
    daemon.wait_for_log("金价: prompt changed");
    // Editors write a new file and move it over the old one.
    let new = place.write("config.toml.new", &text.replace(NEVER, "0 9 29 2 *"));
    std::fs::rename(new, place.path().join("config.toml")).unwrap();
    daemon.wait_for_log("金价: cron 0 8 29 2 * -> 0 9 29 2 *");
    assert_eq!(daemon.end(Signal::TERM).code, Some(0));
}

#[test]
fn a_refused_config_is_read_again_when_the_file_that_it_lacks_comes() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    let text = config(&kimi, &ntfy, "watch = true", NEVER);
    let place = Place::new(&text);
    let daemon = place.start(&["run"]);
    daemon.wait_for_log("watching");
    let lacking = text.replace(
        "prompt = \"分析一下当前国内上海金价格。\"",
        "prompt_file = \"prompts/today/gold.md\"",
    );
    place.write("config.toml", &lacking);
    daemon.wait_for_log("prompts/today/gold.md: there is no such file");
    daemon.wait_for_log("config rejected");
    std::fs::create_dir_all(place.path().join("prompts/today")).unwrap();
    place.write("prompts/today/gold.md", "银价？");
    daemon.wait_for_log("金价: prompt changed");
    // The folder goes, and at once there is another of its name.
    std::fs::remove_dir_all(place.path().join("prompts")).unwrap();
    std::fs::create_dir_all(place.path().join("prompts/today")).unwrap();
    place.write("prompts/today/gold.md", "银价？");
    place.write("config.toml", &lacking.replace(NEVER, "0 9 29 2 *"));
    daemon.wait_for_log("金价: cron 0 8 29 2 * -> 0 9 29 2 *");
    place.write("prompts/today/gold.md", " ");
    daemon.wait_for_log("is empty; write what the AI is to be asked");
    assert_eq!(daemon.end(Signal::TERM).code, Some(0));
}

#[test]
fn a_config_behind_links_is_watched_where_it_is() {
    let (kimi, ntfy) = (FakeKimi::start(), FakeNtfy::start());
    let text = config(&kimi, &ntfy, "watch = true", NEVER);
    let place = Place::new(&text);
    let at = |hour: u32| text.replace(NEVER, &format!("0 {hour} 29 2 *"));
    for (version, hour) in [("v1", 9), ("v2", 10)] {
        std::fs::create_dir(place.path().join(version)).unwrap();
        place.write(&format!("{version}/config.toml"), &at(hour));
    }
    let link = |target: &str, name: &str| {
        let new = place.path().join("new");
        std::os::unix::fs::symlink(target, &new).unwrap();
        std::fs::rename(new, place.path().join(name)).unwrap();
    };
    link("v1", "now");
    link("now/config.toml", "config.toml");
    let daemon = place.start(&["run"]);
    daemon.wait_for_log("watching");
    place.write("v1/config.toml", &at(11));
    daemon.wait_for_log("金价: cron 0 9 29 2 * -> 0 11 29 2 *");
    link("v2", "now");
    daemon.wait_for_log("金价: cron 0 11 29 2 * -> 0 10 29 2 *");
    assert_eq!(daemon.end(Signal::TERM).code, Some(0));
}

#[test]
fn a_running_run_ends_with_the_revision_it_began_with() {
    let gate = Gate::closed();
    let world = World::new("", NEVER);
    let held = Reply::Held(gate.clone(), Box::new(Reply::Answer(ANSWER.to_owned())));
    world.kimi.next(held);
    world.write("", "* * * * * *");
    assert_eq!(world.reload().code, Some(0));
    world.kimi.wait_for(1, DEADLINE);
    world.write("", NEVER);
    let text = std::fs::read_to_string(world.place.path().join("config.toml")).unwrap();
    world
        .place
        .write("config.toml", &text.replace("\"金价\"", "\"新的\""));
    let reloaded = world.reload();
    assert_eq!(
        reloaded.stdout,
        "新的: new, cron 0 8 29 2 *\n金价: removed\nreloaded\n"
    );
    gate.open();
    world.ntfy.wait_for(1, DEADLINE);
    assert_eq!(world.daemon.end(Signal::TERM).code, Some(0));
    assert_eq!(world.place.run(&["audit"]).code, Some(0));
}

#[test]
fn an_answer_goes_to_the_topic_that_its_job_had_when_it_was_asked() {
    let gate = Gate::closed();
    let world = World::new("", NEVER);
    let text = config(&world.kimi, &world.ntfy, "", "* * * * * *");
    world
        .place
        .write("config.toml", &format!("{text}topic = \"mine\"\n"));
    let held = Reply::Held(gate.clone(), Box::new(Reply::Answer(ANSWER.to_owned())));
    world.kimi.next(held);
    assert_eq!(world.reload().code, Some(0));
    world.kimi.wait_for(1, DEADLINE);
    // Now the job is another one, and the target's own topic is read by more people.
    let renamed = config(&world.kimi, &world.ntfy, "", NEVER).replace("\"金价\"", "\"新的\"");
    world.place.write("config.toml", &renamed);
    assert_eq!(world.reload().code, Some(0));
    gate.open();
    let pushes = world.ntfy.wait_for_publishes(1, DEADLINE);
    assert!(
        pushes
            .iter()
            .all(|push| String::from_utf8_lossy(&push.body).contains("\"topic\":\"mine\""))
    );
    assert_eq!(world.daemon.end(Signal::TERM).code, Some(0));
}

#[test]
fn a_pause_outlasts_a_file_that_is_without_its_job_for_a_moment() {
    let world = World::new("", NEVER);
    assert_eq!(world.reload().code, Some(0));
    assert_eq!(world.place.run(&["pause", "金价"]).code, Some(0));
    let text = config(&world.kimi, &world.ntfy, "", NEVER);
    let others = text.replace("\"金价\"", "\"新的\"");
    for text in [others, text] {
        world.place.write("config.toml", &text);
        assert_eq!(world.reload().code, Some(0));
    }
    let status = world.place.run(&["status", "--json"]).stdout;
    assert!(status.contains("\"paused\":true"), "{status}");
    assert_eq!(world.daemon.end(Signal::TERM).code, Some(0));
    assert_eq!(world.place.run(&["audit"]).code, Some(0));
}

#[test]
fn many_reloads_good_and_bad_lose_no_occurrence() {
    let world = World::new("", "* * * * * *");
    world.ntfy.wait_for(1, DEADLINE);
    // At least sixty, and for as long as it takes to see five more occurrences.
    let mut rounds = 0_u32..;
    while let Some(round) = rounds
        .next()
        .filter(|round| *round < 60 || world.ntfy.publishes().len() < 6)
    {
        match round % 3 {
            0 => world.write("max_in_flight = 3", "* * * * * *"),
            1 => world.write("max_in_flight = 0", "* * * * * *"),
            _ => world.write("max_in_flight = 5", "* * * * * *"),
        }
        assert_eq!(
            world.reload().code,
            Some(i32::from(round % 3 == 1)),
            "round {round}"
        );
    }
    assert_eq!(world.daemon.end(Signal::TERM).code, Some(0));
    let audit = world.place.run(&["audit"]);
    assert_eq!(audit.code, Some(0), "{}", audit.stdout);
    let states = world.place.history();
    assert!(states.len() >= 6);
    for row in states {
        assert!(
            ["delivered", "planned"].contains(&row["state"].as_str().unwrap()),
            "{row}"
        );
    }
}
