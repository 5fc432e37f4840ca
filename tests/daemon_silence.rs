//! Answers that are worth no push: which are held back, and what is told all the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use ai::Reply;
use daemon::{SOON, World};
use ntfy::Fault;

/// A job of each second, with keys of its own.
fn world(job: &str) -> World {
    World::new(&format!(
        "[[job]]\nname = \"金价\"\ncron = \"* * * * * *\"\nprompt = \"？\"\nretry_for = \"0s\"\n{job}\n"
    ))
}

/// The texts that the phone got.
fn texts(world: &World) -> Vec<String> {
    let messages = world.ntfy.messages("gold");
    let text = |message: &serde_json::Map<_, _>| message["message"].as_str().unwrap().to_owned();
    messages.iter().map(text).collect()
}

/// Runs the daemon until so many runs have ended, and returns the states of the first of them.
fn run(world: &World, runs: usize) -> Vec<String> {
    let daemon = world.start();
    let ended = format!("select count(*) >= {runs} from run where finished_at is not null");
    world.wait_until(&ended, 1);
    daemon.stop();
    world.audit();
    let mut states = world.states();
    states.truncate(runs);
    states
}

fn answer(text: &str) -> Reply {
    Reply::Answer(text.into())
}

#[test]
fn an_answer_that_says_what_the_last_one_did_is_held_back() {
    let world = world("notify = \"changed\"");
    for text in ["**801**", "801", "802", "802", "801"] {
        world.ai.next(answer(text));
    }
    world.ai.answer_with("801");
    let states = run(&world, 6);
    // The first two look alike on a phone.
    let silent = "silent(unchanged)";
    assert_eq!(
        states,
        [
            "delivered",
            silent,
            "delivered",
            silent,
            "delivered",
            silent
        ]
    );
    assert_eq!(texts(&world), ["801", "802", "801"]);
    // The answer is kept.
    let shown = world.run(&["show", "2"]);
    assert!(
        shown.stdout.contains("\nsilent: unchanged\n"),
        "{}",
        shown.stdout
    );
    assert!(
        shown.stdout.contains("--- answer\n801\n"),
        "{}",
        shown.stdout
    );
}

#[test]
fn what_is_owed_counts_as_said_and_what_failed_does_not() {
    let world = world("notify = \"changed\"");
    world.ai.answer_with("801");
    world.ntfy.outage(Some(Fault::Code(50001)));
    let daemon = world.start();
    world.wait_until("select count(*) >= 2 from run where state = 'silent'", 1);
    // Refused for good: the phone has nothing.
    world.ntfy.outage(Some(Fault::Code(40301)));
    world.edit("update delivery set next_at = 0 where state = 'owed'");
    world.wait_until("select count(*) > 0 from run where state = 'failed'", 1);
    world.ntfy.outage(None);
    world.wait_until("select count(*) > 0 from run where state = 'delivered'", 1);
    daemon.stop();
    let answers = texts(&world).into_iter().filter(|text| text == "801");
    assert_eq!(answers.count(), 1);
}

#[test]
fn an_answer_without_news_is_held_back_until_there_is_some() {
    let world = world("silent_if = '(?i)^none[.。]?$'");
    for text in ["**NONE**", "none。", "无 none", "None."] {
        world.ai.next(answer(text));
    }
    world.ai.answer_with("NONE");
    let states = run(&world, 5);
    let silent = "silent(silent_if)";
    assert_eq!(states, [silent, silent, "delivered", silent, silent]);
    assert_eq!(texts(&world), ["无 none"]);
}

#[test]
fn a_failure_speaks_and_so_does_its_end() {
    let world = world("silent_if = '^NONE$'");
    world
        .ai
        .next(Reply::openai_error(400, "bad_request", "no such model"));
    world.ai.answer_with("NONE");
    let states = run(&world, 2);
    assert!(states[0].starts_with("failed("), "{states:?}");
    assert_eq!(states[1], "silent(silent_if)");
    world.ntfy.wait_for(2, SOON);
    let titles: Vec<_> = (world.ntfy.messages("gold").iter())
        .map(|message| message["title"].clone())
        .collect();
    assert_eq!(titles, ["金价 failed", "金价 works again"]);
}

#[test]
fn who_asks_by_hand_gets_the_answer_whatever_it_says() {
    let world = World::new(
        "[[job]]\nname = \"金价\"\ncron = \"0 8 29 2 *\"\nprompt = \"？\"\nnotify = \"changed\"\n\
         silent_if = '^NONE$'\n",
    );
    world.ai.answer_with("NONE");
    for _ in 0..2 {
        let once = world.run(&["once", "金价"]);
        assert_eq!(once.code, Some(0), "{}", once.stderr);
    }
    assert_eq!(texts(&world), ["NONE", "NONE"]);
    let dry = world.run(&["once", "金价", "--dry-run"]);
    assert!(
        dry.stdout.ends_with(
            "\nsilent_if matches: where it is due by its schedule, this is not pushed\n"
        ),
        "{}",
        dry.stdout
    );
}
