//! What the real daemon tells people besides the answers, and that it tells it once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::fmt::Write as _;

use ai::Reply;
use chrono::{TimeDelta, Utc};
use daemon::{SOON, World, eventually, one_shot};
use ntfy::Fault;

/// A phone for the answers, and another one for what is wrong.
const TARGETS: &str = "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\n\
                       [ntfy.ops]\nserver = \"NTFY\"\ntopic = \"alarm\"";

const EACH_SECOND: &str = "[[job]]\nname = \"金价\"\ncron = \"* * * * * *\"\nprompt = \"？\"\n\
                           ntfy = \"phone\"\noverlap = \"allow\"\nretry_for = \"0s\"\n";

fn world(top: &str, jobs: &str) -> World {
    World::with(&format!("alerts = \"ops\"\n{top}"), TARGETS, jobs)
}

fn refused() -> Reply {
    Reply::openai_error(400, "bad_request", "no such model")
}

/// The titles of the notices so far.
fn titles(world: &World) -> Vec<String> {
    let notices = world.ntfy.messages("alarm");
    let title = |notice: &serde_json::Map<_, _>| notice["title"].as_str().unwrap().to_owned();
    notices.iter().map(title).collect()
}

fn wait_for_notices(world: &World, wanted: &[&str]) {
    eventually(&format!("{wanted:?}"), || titles(world) == wanted);
}

#[test]
fn a_job_that_fails_five_times_and_recovers_is_told_of_three_times() {
    let world = world("", EACH_SECOND);
    for _ in 0..5 {
        world.ai.next(refused());
    }
    world.ai.answer_with("涨");
    let daemon = world.start();
    wait_for_notices(
        &world,
        &[
            "金价 failed",
            "金价 failed 3 times in a row",
            "金价 works again",
        ],
    );
    daemon.stop();
    let notices = world.ntfy.messages("alarm");
    let text = notices[2]["message"].as_str().unwrap();
    assert!(text.contains("after 5 that failed since"), "{text}");
    // The run that it belongs to shows it.
    let failed = world.show(1);
    assert_eq!(failed["deliveries"][0]["kind"], "notice");
    world.audit();
}

#[test]
fn after_a_crash_times_are_counted_on() {
    let world = world("", EACH_SECOND);
    world.ai.reply_with(refused());
    let daemon = world.start();
    world.wait_until("select count(*) > 0 from run where state = 'failed'", 1);
    daemon.kill();
    let before = world.number("select times from trouble");
    let daemon = world.start();
    world.wait_until(&format!("select times >= {before} + 3 from trouble"), 1);
    daemon.kill();
    let daemon = world.start();
    world.wait_until(
        "select count(*) from delivery where state <> 'delivered'",
        0,
    );
    daemon.stop();
    assert_eq!(
        titles(&world),
        ["金价 failed", "金价 failed 3 times in a row"]
    );
    let failed = world.number("select count(*) from run where state = 'failed'");
    assert_eq!(world.number("select times from trouble"), failed);
}

#[test]
fn a_notice_that_was_not_sent_before_a_crash_is_sent_once_after_it() {
    let world = world("", &one_shot("金价", TimeDelta::seconds(2)));
    world.edit_config(
        "prompt = ",
        "ntfy = \"phone\"\nretry_for = \"0s\"\nprompt = ",
    );
    world.stopped_at(Utc::now() - TimeDelta::seconds(10));
    world.ai.reply_with(refused());
    world.ntfy.outage(Some(Fault::Code(50001)));
    let daemon = world.start();
    world.ntfy.wait_for_publishes(1, SOON);
    daemon.kill();
    world.ntfy.outage(None);
    for _ in 0..2 {
        let daemon = world.start();
        world.wait_until("select count(*) from delivery where state = 'delivered'", 1);
        daemon.stop();
    }
    assert_eq!(titles(&world), ["金价 failed"]);
}

#[test]
fn what_was_missed_in_an_outage_is_one_notice() {
    let jobs = "[[job]]\nname = \"金价\"\nevery = \"1h\"\nprompt = \"？\"\nntfy = \"phone\"\n\
                [[job]]\nname = \"news\"\nevery = \"1d\"\ncatch_up = \"skip\"\nprompt = \"？\"\n\
                ntfy = \"phone\"\n";
    let world = world("language = \"zh\"", jobs);
    world.ai.answer_with("涨");
    world.stopped_at(Utc::now() - TimeDelta::days(3));
    for _ in 0..2 {
        let daemon = world.start();
        world.ntfy.wait_for(2, SOON);
        world.wait_until(
            "select count(*) from delivery where state <> 'delivered'",
            0,
        );
        daemon.stop();
    }
    let missed = world.number("select sum(instants) from run where state = 'missed'");
    assert_eq!(titles(&world), [format!("错过 {missed} 次运行")]);
    let notice = &world.ntfy.messages("alarm")[0];
    let text = notice["message"].as_str().unwrap();
    for line in ["news：3 次，原定", "金价：7", "，改为补跑最新一次\n"] {
        assert!(text.contains(line), "{text}");
    }
    world.audit();
}

#[test]
fn a_storm_of_failing_jobs_is_summed_up() {
    let mut jobs = String::new();
    for job in 0..200 {
        let job = one_shot(&format!("job-{job}"), TimeDelta::seconds(2));
        write!(jobs, "{job}ntfy = \"phone\"\nretry_for = \"0s\"\n").unwrap();
    }
    let world = world("alerts_per_hour = 3\nmax_in_flight = 20", &jobs);
    world.stopped_at(Utc::now() - TimeDelta::seconds(10));
    world.ai.reply_with(refused());
    let daemon = world.start();
    let failed = "select count(*) from run where state = 'failed'";
    world.wait_until(failed, 200);
    world.wait_until("select count(*) from notice where state = 'gathered'", 198);
    assert!(world.ntfy.publishes().len() <= 2);
    // A minute later.
    let later = "update notice set told_at = told_at - 120000";
    assert_eq!(world.edit(later), 200);
    eventually("the summary", || titles(&world).len() == 3);
    daemon.stop();
    assert_eq!(titles(&world)[2], "198 more notices");
    let text = world.ntfy.messages("alarm")[2]["message"].clone();
    assert!(text.as_str().unwrap().contains("and 190 more"), "{text}");
}

#[test]
fn a_config_that_was_rejected_is_told_of_and_so_is_its_end() {
    let job = one_shot("金价", TimeDelta::days(-1));
    let world = world("", &format!("{job}ntfy = \"phone\"\n"));
    let daemon = world.start();
    world.edit_config("prompt", "promt");
    let (asked, rejected) = (world.run(&["reload"]), "config rejected");
    assert_eq!(asked.code, Some(1), "{}", asked.stdout);
    daemon.wait_for_line(rejected);
    // Whoever asked has read it.
    assert_eq!(world.number("select count(*) from notice"), 0);
    daemon.signal("HUP");
    wait_for_notices(&world, &["The changed config was rejected"]);
    let text = world.ntfy.messages("alarm")[0]["message"].clone();
    assert!(
        text.as_str().unwrap().contains("unknown key \"promt\""),
        "{text}"
    );
    // Also when it is mended between two starts.
    daemon.stop();
    world.edit_config("promt", "prompt");
    let daemon = world.start();
    wait_for_notices(
        &world,
        &["The changed config was rejected", "The config was taken"],
    );
    daemon.stop();
}
