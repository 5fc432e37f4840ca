//! The outbox against an ntfy-shaped server that goes wrong in every way: what was stored, what the outbox
//! says, and how many requests were made.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::{collections::BTreeSet, thread};

use chrono::{TimeDelta, Timelike as _, Utc};
use daemon::{Place, SOON, World, eventually, one_shot};
use ntfy::{
    FakeNtfy, Fault,
    rules::{Access, Rights, Settings, Version},
};
use serde_json::Value;

const JOB: &str =
    "[[job]]\nname = \"gold\"\nevery = \"100d\"\nprompt = \"金价？\"\ntitle = \"金价\"\n";

fn answering(world: World) -> World {
    world.ai.answer_with("上海金报 801.5 元/克。");
    world
}

/// What came of one message that met a fault.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    stored: usize,
    publishes: usize,
    polls: usize,
    outbox: String,
}

fn came(stored: usize, publishes: usize, polls: usize, outbox: &str) -> Came {
    let outbox = outbox.to_owned();
    Came {
        stored,
        publishes,
        polls,
        outbox,
    }
}

/// The outcomes of all POSTs and the deliveries' states, as the ledger has them.
fn outbox(place: &Place) -> String {
    let outcomes = place.texts("select outcome from delivery_attempt order by delivery_id, number");
    let states = place.texts("select state from delivery order by delivery_id");
    format!("{} -> {}", outcomes.join(", "), states.join(", "))
}

/// Asks by hand on a server where the first request meets `fault`, and waits for `wait`.
fn meet(fault: Fault, settings: Settings, keys: &str, wait: &str) -> Came {
    let server = FakeNtfy::with(settings);
    server.fail(1, fault);
    let target = format!("[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\n{keys}");
    let world = answering(World::on(server, "", &target, JOB));
    world.run(&["once", "gold", "--wait", wait]);
    let ids = |message: &serde_json::Map<String, Value>| message["sequence_id"].clone();
    let messages = world.ntfy.messages("gold");
    if messages.len() > 1 && messages[0].contains_key("sequence_id") {
        // A second copy replaces the first.
        assert_eq!(ids(&messages[0]), ids(&messages[1]));
    }
    world.audit();
    Came {
        stored: messages.len(),
        publishes: world.ntfy.publishes().len(),
        polls: world.ntfy.polls(),
        outbox: outbox(&world),
    }
}

#[test]
fn each_fault_has_its_end() {
    let again = |fault| meet(fault, Settings::default(), "", "25s");
    let sent_again = came(1, 2, 0, "failed, delivered -> delivered");
    assert_eq!(again(Fault::Code(50001)), sent_again);
    assert_eq!(
        again(Fault::html(503, "503 Service Unavailable")),
        sent_again
    );
    assert_eq!(again(Fault::Code(42901)), sent_again);
    // Whether it arrived is looked up: where it is there, it is not sent again.
    let missing = came(1, 2, 1, "unknown, delivered -> delivered");
    assert_eq!(again(Fault::ResetBeforeStoring), missing);
    assert_eq!(again(Fault::html(502, "502 Bad Gateway")), missing);
    let there = came(1, 1, 1, "unknown, delivered -> delivered");
    assert_eq!(again(Fault::ResetAfterStoring), there);
    assert_eq!(again(Fault::TruncatedReply), there);
}

#[test]
fn what_would_end_the_same_is_not_tried_again() {
    let once = |fault| meet(fault, Settings::default(), "", "25s");
    let given_up = came(0, 1, 0, "failed -> failed");
    for code in [40301, 40401, 41303, 50701] {
        assert_eq!(once(Fault::Code(code)), given_up, "{code}");
    }
    assert_eq!(
        once(Fault::redirect(301, "https://ntfy.example.com/")),
        given_up
    );
}

#[test]
fn what_takes_longer_is_left_to_the_daemon() {
    let soon = |fault| meet(fault, Settings::default(), "", "1s");
    let owed = came(0, 1, 0, "failed -> owed");
    for code in [42901, 42905, 42908, 42909] {
        assert_eq!(soon(Fault::Code(code)), owed, "{code}");
    }
    assert_eq!(soon(Fault::html(200, "登录校园网")), owed);
    assert_eq!(
        soon(Fault::redirect(302, "http://login.example.com/")),
        owed
    );
}

#[test]
fn a_hang_is_ended_and_looked_up() {
    // The client's own limit is half a minute.
    let hung = |fault| meet(fault, Settings::default(), "", "90s");
    thread::scope(|scope| {
        let nothing_stored = scope.spawn(|| hung(Fault::Hang));
        let there = came(1, 1, 1, "unknown, delivered -> delivered");
        assert_eq!(hung(Fault::HangAfterStoring), there);
        let missing = came(1, 2, 1, "unknown, delivered -> delivered");
        assert_eq!(nothing_stored.join().unwrap(), missing);
    });
}

#[test]
fn what_is_shown_later_is_found_and_what_is_not_kept_is_sent_again() {
    let lost = |keys| meet(Fault::ResetAfterStoring, Settings::default(), keys, "25s");
    let there = came(1, 1, 1, "unknown, delivered -> delivered");
    assert_eq!(lost("delay = \"30m\""), there);
    let twice = came(2, 2, 1, "unknown, delivered -> delivered");
    assert_eq!(lost("cache = false"), twice);
}

#[test]
fn a_part_that_fails_sends_no_other_part_again() {
    let target = "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\nmax_bytes = 1000\n";
    let long: String = (1..=60)
        .map(|n| format!("第{n}段：金价今日上涨，走势平稳。\n\n"))
        .collect();
    for (fault, publishes) in [(Fault::Code(50001), 4), (Fault::ResetAfterStoring, 3)] {
        let world = World::with("", target, JOB);
        world.ai.answer_with(&long);
        world.ntfy.fail(2, fault);
        assert_eq!(world.run(&["once", "gold"]).code, Some(0));
        let messages = world.ntfy.messages("gold");
        let titles: Vec<_> = messages
            .iter()
            .map(|message| message["title"].clone())
            .collect();
        assert_eq!(titles, ["金价 (3/3)", "金价 (2/3)", "金价 (1/3)"]);
        assert_eq!(world.ntfy.publishes().len(), publishes);
    }
}

#[test]
fn where_the_topic_cannot_be_read_or_the_server_is_old_it_is_sent_again() {
    let guarded = Settings {
        access: Some(Access {
            headers: vec!["Bearer tk_right".to_owned()],
            user: Rights::WriteOnly,
            everyone: Rights::Deny,
        }),
        ..Settings::default()
    };
    let twice = came(2, 2, 1, "unknown, delivered -> delivered");
    let write_only = meet(
        Fault::ResetAfterStoring,
        guarded,
        "token = \"tk_right\"",
        "25s",
    );
    assert_eq!(write_only, twice);
    let old = Settings {
        version: Version::V2_13,
        ..Settings::default()
    };
    assert_eq!(meet(Fault::ResetAfterStoring, old, "", "25s"), twice);
}

#[test]
fn once_says_what_the_daemon_will_do() {
    let world = answering(World::new(JOB));
    world.ntfy.fail(1, Fault::Code(42908));
    let ran = world.run(&["once", "gold", "--wait", "100ms"]);
    assert_eq!(ran.code, Some(1));
    let said = ran
        .stderr
        .replace(world.ntfy.url().trim_end_matches('/'), "http://ntfy");
    let (_, rest) = said.split_once("job gold, run 1: asked in ").unwrap();
    insta::assert_snapshot!(rest.split_once(" ms, ").unwrap().1, @r"
    0 of 1 messages pushed
    ntfy.phone (http://ntfy, topic gold): HTTP 429, code 42908: limit reached: daily message quota reached — the next attempt waits for 00:00 UTC; a paid account or a server of your own has more; see https://ntfy.sh/docs/publish/#limitations
    the daemon will send what is owed, when it runs
    ");
}

#[test]
fn history_says_what_kept_a_push_from_arriving() {
    let world = answering(World::new(JOB));
    world.ntfy.fail(1, Fault::Code(40301));
    assert_eq!(world.run(&["once", "gold"]).code, Some(1));
    let server = world.ntfy.url();
    let history = world.run(&["history"]).stdout;
    assert!(history.contains("failed(delivery 1 of 1)"), "{history}");
    let (_, why) = history.trim_end().rsplit_once("  ").unwrap();
    let why = why.replace(server.trim_end_matches('/'), "http://ntfy");
    insta::assert_snapshot!(why, @"ntfy.phone (http://ntfy, topic gold): HTTP 403, code 40301: forbidden");
}

#[test]
fn a_live_check_tells_what_former_pushes_showed() {
    let old = Settings {
        version: Version::V2_13,
        ..Settings::default()
    };
    let target = "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"hotine\"\n";
    let job = format!("{JOB}topic = \"gold\"\n");
    let world = answering(World::on(FakeNtfy::with(old), "", target, &job));
    let told = || {
        let told = world.run(&["check", "--live"]).stdout;
        let (_, told) = told.split_once("ok     ntfy.phone").unwrap();
        let instants = regex::Regex::new(r"\d{4}-\d\d-\d\dT[\d:]+Z").unwrap();
        let told = told.replace(world.ntfy.url().trim_end_matches('/'), "NTFY");
        instants.replace_all(&told, "INSTANT").into_owned()
    };
    assert_eq!(told().lines().count(), 2, "a topic of its own is asked for");
    assert_eq!(world.run(&["once", "gold"]).code, Some(0));
    world.ntfy.outage(Some(Fault::Code(42908)));
    world.run(&["once", "gold", "--wait", "100ms"]);
    insta::assert_snapshot!(told(), @r"
     (NTFY, topic hotine): reachable, without credentials, 17279 of 17280 messages left today; topic readable; whether it takes pushes only a push tells
           no push has arrived since INSTANT
           its server is older than ntfy 2.16: a push that has to be sent again is there twice
           nothing is sent until INSTANT: ntfy.phone (NTFY, topic gold): HTTP 429, code 42908: limit reached: daily message quota reached — the next attempt waits for 00:00 UTC; a paid account or a server of your own has more; see https://ntfy.sh/docs/publish/#limitations
    ok     ntfy.phone (NTFY, topic gold): reachable, without credentials, 17279 of 17280 messages left today; topic readable; whether it takes pushes only a push tells
    ");
}

#[test]
fn a_hold_counts_for_all_targets_of_the_visitor_and_outlives_the_daemon() {
    let targets = "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\n\
                   [ntfy.family]\nserver = \"NTFY\"\ntopic = \"family\"\n";
    let ago = TimeDelta::minutes(1);
    let job = one_shot("gold", ago)
        + "ntfy = \"phone\"\n"
        + &one_shot("news", ago)
        + "ntfy = \"family\"\n";
    let world = answering(World::with("", targets, &job));
    world.ntfy.outage(Some(Fault::Code(42908)));
    world.stopped_at(Utc::now() - TimeDelta::minutes(2));
    let daemon = world.start();
    world.ntfy.wait_for_publishes(1, SOON);
    world.wait_until(
        "select count(*) from visitor where held_until is not null",
        1,
    );
    daemon.kill();
    let asked = world.ntfy.publishes().len();
    assert!(
        (1..=2).contains(&asked),
        "both may have been under way: {asked}"
    );
    let until = world.number("select held_until from visitor");
    // A minute after midnight, for the server's clock may be behind; or soon, where a day has just begun.
    let after_midnight = (until - 60_000).rem_euclid(24 * 3_600_000);
    assert!([0, 600_000].contains(&after_midnight), "{after_midnight}");
    assert!(until > Utc::now().timestamp_millis());

    world.ntfy.outage(None);
    let daemon = world.start();
    // What is owed is looked at before the sign of life that says so.
    world.wait_until("select count(*) from beat where stopped_at is null", 1);
    daemon.stop();
    assert_eq!(world.ntfy.publishes().len(), asked);
    assert_eq!(
        world.number("select count(*) from delivery where state = 'owed'"),
        2
    );

    // Midnight: both are sent.
    world.edit("update visitor set held_until = 0");
    let daemon = world.start();
    world.ntfy.wait_for(2, SOON);
    daemon.stop();
    world.audit();
}

#[test]
fn a_hold_stands_though_the_message_that_met_it_is_given_up() {
    let job = JOB.replace("name = ", "push_retry_for = \"1s\"\nname = ");
    let world = answering(World::new(&job));
    world.ntfy.fail(1, Fault::Code(42909));
    let ran = world.run(&["once", "gold", "--wait", "25s"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(outbox(&world), "failed -> failed");
    assert_eq!(
        world.number("select count(*) from visitor where held_until is not null"),
        1
    );
    // The next one waits for what the server asked for.
    world.run(&["once", "gold", "--wait", "100ms"]);
    assert_eq!(world.ntfy.publishes().len(), 1);
    world.audit();
}

#[test]
fn who_is_named_for_alerts_is_told_that_a_target_is_held_and_is_back() {
    // Whether the message that met the hold is sent later, or given up.
    held_and_back("");
    held_and_back("push_retry_for = \"1s\"\n");
}

fn held_and_back(keys: &str) {
    let ops = FakeNtfy::start();
    let targets = format!(
        "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\n\
         [ntfy.ops]\nserver = \"{}\"\ntopic = \"ops\"\n",
        ops.url()
    );
    let job = one_shot("gold", TimeDelta::minutes(1)) + "ntfy = \"phone\"\n" + keys;
    let world = answering(World::with("alerts = \"ops\"", &targets, &job));
    world.ntfy.fail(1, Fault::Code(42909));
    world.stopped_at(Utc::now() - TimeDelta::minutes(2));
    let titles = || -> Vec<String> {
        let messages = ops.messages("ops");
        let title = |message: &serde_json::Map<String, Value>| {
            message["title"].as_str().unwrap().to_owned()
        };
        messages.iter().map(title).collect()
    };
    let daemon = world.start();
    ops.wait_for(1, SOON);
    let has_told = |title: &str| titles().iter().any(|told| told == title);
    eventually("the hold is told of", || has_told("phone takes no pushes"));
    daemon.stop();
    if !keys.is_empty() {
        let next = one_shot("silver", -TimeDelta::seconds(2)) + "ntfy = \"phone\"\n";
        world.edit_config("[[job]]", &format!("{next}[[job]]"));
    }
    // The server's patience is back.
    world.edit("update visitor set held_until = 0");
    let daemon = world.start();
    eventually("it is told that it is over", || {
        has_told("phone takes pushes again")
    });
    daemon.stop();
    assert_eq!(world.ntfy.messages("gold").len(), 1);
    world.audit();
}

#[test]
fn who_is_named_for_alerts_is_told_that_a_target_is_out_of_reach() {
    let ops = FakeNtfy::start();
    let targets = format!(
        "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\n[ntfy.ops]\nserver = \"{}\"\ntopic = \"ops\"\n",
        ops.url()
    );
    let ago = TimeDelta::minutes(1);
    let job = one_shot("gold", ago) + "ntfy = \"phone\"\n";
    let world = answering(World::with("alerts = \"ops\"", &targets, &job));
    world.ntfy.outage(Some(Fault::html(503, "away")));
    world.stopped_at(Utc::now() - ago - ago);
    let daemon = world.start();
    let failed = "select count(*) from delivery_attempt where outcome = 'failed'";
    world.wait_until(&format!("{failed} and number = 1"), 1);
    daemon.kill();
    // The attempts of a quarter of an hour.
    world.edit("delete from delivery_attempt where number > 1");
    for number in 2..=9 {
        world.edit(&format!(
            "insert into delivery_attempt (delivery_id, number, started_at, finished_at, outcome)
             select delivery_id, {number}, started_at, finished_at, outcome
             from delivery_attempt where number = 1"
        ));
    }
    world.edit("update delivery set next_at = 0, state = 'owed'");
    let daemon = world.start();
    let told = ops.wait_for(1, SOON);
    assert_eq!(told[0]["title"], "phone takes no pushes");
    world.ntfy.outage(None);
    world.edit("update delivery set next_at = 0 where state = 'owed'");
    let told = ops.wait_for(2, SOON);
    assert_eq!(told[1]["title"], "phone takes pushes again");
    daemon.stop();
    world.audit();
}

#[test]
fn wrong_logins_hold_what_has_credentials_and_nothing_else() {
    let targets = "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\ntoken = \"tk_1\"\n\
                   [ntfy.open]\nserver = \"NTFY\"\ntopic = \"open\"\n";
    let job = one_shot("gold", TimeDelta::minutes(1)) + "ntfy = [\"phone\", \"open\"]\n";
    let world = answering(World::with("", targets, &job));
    world.ntfy.fail(1, Fault::Code(42909));
    world.ntfy.fail(2, Fault::Code(42909));
    world.stopped_at(Utc::now() - TimeDelta::minutes(2));
    let daemon = world.start();
    world.ntfy.wait_for_publishes(2, SOON);
    let line = daemon.wait_for_line("42909");
    assert!(
        line.contains("the credentials are probably wrong"),
        "{line}"
    );
    world.wait_until(
        "select count(*) from visitor where held_until is not null",
        2,
    );
    daemon.stop();
    let names = world.texts("select visitor from visitor where held_until is not null order by 1");
    let root = world.ntfy.url();
    let root = root.trim_end_matches('/');
    assert_eq!(names, [root.to_owned(), format!("{root}#logins")]);
}

#[test]
fn a_message_that_is_refused_alone_is_passed_by() {
    let ago = |minutes| TimeDelta::minutes(minutes);
    let world = answering(World::new(
        &(one_shot("gold", ago(9)) + &one_shot("news", ago(8)) + &one_shot("rain", ago(7))),
    ));
    for nth in 1..=3 {
        world.ntfy.fail(nth, Fault::Code(50001));
    }
    world.stopped_at(Utc::now() - ago(10));
    let daemon = world.start();
    let messages = world.ntfy.wait_for(3, SOON);
    daemon.stop();
    let ids: Vec<_> = messages
        .iter()
        .map(|message| message["sequence_id"].as_str().unwrap().to_owned())
        .collect();
    let by_run = world.texts("select sequence_id from delivery order by run_id");
    assert_ne!(ids[0], by_run[0], "what is behind goes past");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3);
    world.audit();
}

#[test]
fn the_first_failure_holds_what_is_behind_in_its_order() {
    let ago = |minutes| TimeDelta::minutes(minutes);
    let world = answering(World::new(
        &(one_shot("gold", ago(9)) + &one_shot("news", ago(8)) + &one_shot("rain", ago(7))),
    ));
    world.ntfy.fail(1, Fault::Code(50001));
    world.ntfy.fail(2, Fault::html(502, "Bad Gateway"));
    world.stopped_at(Utc::now() - ago(10));
    let daemon = world.start();
    let messages = world.ntfy.wait_for(3, SOON);
    daemon.stop();
    let ids: Vec<_> = messages
        .iter()
        .map(|message| message["sequence_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        ids,
        world.texts("select sequence_id from delivery order by run_id")
    );
}

#[test]
fn quiet_hours_hold_what_comes_and_not_what_was_asked_for_by_hand() {
    let now = Utc::now();
    let hour = |hours| (now + TimeDelta::hours(hours)).hour();
    let quiet = format!("quiet = \"{:02}:00-{:02}:00\"\n", hour(-2), hour(3));
    let target =
        |mode: &str| format!("[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\n{quiet}{mode}");
    let job = one_shot("gold", TimeDelta::minutes(1)) + "priority = \"max\"\n";
    let world = answering(World::with("", &target(""), &job));
    world.stopped_at(now - TimeDelta::minutes(2));
    let daemon = world.start();
    world.wait_until("select count(*) from delivery where state = 'owed'", 1);
    world.wait_until("select count(*) from beat where stopped_at is null", 1);
    daemon.stop();
    assert_eq!(world.ntfy.publishes().len(), 0);
    let give_up = world.number("select give_up_at from delivery") - now.timestamp_millis();
    assert!(
        give_up > TimeDelta::hours(25).num_milliseconds(),
        "counts from the end: {give_up}"
    );
    assert_eq!(world.run(&["once", "gold"]).code, Some(0));
    assert_eq!(world.ntfy.messages("gold")[0]["priority"], 5);

    let world = answering(World::with("", &target("quiet_mode = \"low\""), &job));
    world.stopped_at(now - TimeDelta::minutes(2));
    let daemon = world.start();
    assert_eq!(world.ntfy.wait_for(1, SOON)[0]["priority"], 2);
    daemon.stop();
}

/// A phone with a fallback on another server.
fn with_fallback(phone: FakeNtfy, family: &FakeNtfy, job: &str) -> World {
    let targets = format!(
        "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\nfallback = [\"family\"]\nfallback_after = \"2s\"\n\
         [ntfy.family]\nserver = \"{}\"\ntopic = \"family\"\nmax_bytes = 100\n",
        family.url()
    );
    let job = one_shot("gold", TimeDelta::minutes(1)) + "title = \"金价\"\n" + job;
    answering(World::on(phone, "", &targets, &job))
}

#[test]
fn a_fallback_gets_the_answer_once_and_the_first_target_never_does() {
    for (fault, outcome) in [
        (Fault::html(503, "away"), "the server away"),
        (Fault::Code(40301), "no access"),
    ] {
        let family = FakeNtfy::start();
        let world = with_fallback(FakeNtfy::start(), &family, "ntfy = \"phone\"\n");
        world
            .ai
            .answer_with("金价今日上涨，每克801.5元。\n\n近期走势平稳，成交清淡，市场等待数据。");
        world.ntfy.outage(Some(fault));
        world.stopped_at(Utc::now() - TimeDelta::minutes(2));
        let daemon = world.start();
        let messages = family.wait_for(2, SOON);
        world.wait_until("select count(*) from run where state = 'delivered'", 1);
        let first = messages
            .iter()
            .find(|message| message["title"] == "金价 (1/2)")
            .unwrap();
        let text = first["message"].as_str().unwrap();
        assert!(
            text.starts_with("(for phone, which cannot be reached)\n"),
            "{outcome}: {text}"
        );

        world.ntfy.outage(None);
        let daemon = {
            daemon.kill();
            world.start()
        };
        world.wait_until("select count(*) from beat where stopped_at is null", 1);
        daemon.stop();
        assert_eq!(world.ntfy.messages("gold").len(), 0, "{outcome}");
        assert_eq!(family.messages("family").len(), 2, "{outcome}");
        let states =
            world.texts("select target || ' ' || state from delivery order by delivery_id");
        assert_eq!(
            states,
            ["phone moved", "family delivered", "family delivered"],
            "{outcome}"
        );
        world.audit();
    }
}

#[test]
fn a_target_that_works_again_gets_what_comes_next_itself() {
    let family = FakeNtfy::start();
    let world = with_fallback(FakeNtfy::start(), &family, "ntfy = \"phone\"\n");
    world.ntfy.outage(Some(Fault::html(503, "away")));
    world.stopped_at(Utc::now() - TimeDelta::minutes(2));
    let daemon = world.start();
    world.wait_until("select count(*) from run where state = 'delivered'", 1);
    world.ntfy.outage(None);
    // Nothing has told yet that it works: the next answer does.
    let next = one_shot("silver", -TimeDelta::seconds(2)) + "ntfy = \"phone\"\n";
    world.edit_config("[[job]]", &format!("{next}[[job]]"));
    assert_eq!(world.run(&["reload"]).code, Some(0));
    world.ntfy.wait_for(1, SOON);
    world.wait_until("select count(*) from run where state = 'delivered'", 2);
    daemon.stop();
    assert_eq!(world.ntfy.messages("gold").len(), 1);
    assert_eq!(
        world.number("select count(*) from target where failing_since is null"),
        2
    );
    world.audit();
}

#[test]
fn a_fallback_that_refused_an_answer_is_not_owed_it_again() {
    let family = FakeNtfy::start();
    let world = with_fallback(
        FakeNtfy::start(),
        &family,
        "ntfy = [\"phone\", \"family\"]\n",
    );
    family.outage(Some(Fault::Code(41303)));
    world.ntfy.outage(Some(Fault::html(503, "away")));
    world.stopped_at(Utc::now() - TimeDelta::minutes(2));
    let daemon = world.start();
    world.wait_until(
        "select count(*) from delivery where state = 'failed' and kind = 'answer'",
        1,
    );
    // Its failures are older than `fallback_after`, and still it waits for the phone.
    world.wait_until(
        "select count(*) >= 3 from delivery_attempt a join delivery d using (delivery_id)
         where d.target = 'phone' and a.outcome <> 'sending'",
        1,
    );
    world.ntfy.outage(None);
    world.ntfy.wait_for(1, SOON);
    world.wait_until("select count(*) from run where state = 'failed'", 1);
    daemon.stop();
    let states =
        "select target || ' ' || state from delivery where kind = 'answer' order by delivery_id";
    assert_eq!(world.texts(states), ["phone delivered", "family failed"]);
    world.audit();
}

#[test]
fn a_fallback_gets_the_notices_too_and_each_once() {
    let family = FakeNtfy::start();
    let world = with_fallback(
        FakeNtfy::start(),
        &family,
        "ntfy = \"phone\"\nretry_for = \"0s\"\n",
    );
    let refusal = ai::Reply::openai_error(400, "invalid_request_error", "太长");
    world.ai.next(refusal);
    world.ntfy.outage(Some(Fault::html(503, "away")));
    world.stopped_at(Utc::now() - TimeDelta::minutes(2));
    let daemon = world.start();
    let messages = family.wait_for(1, SOON);
    let text = messages[0]["message"].as_str().unwrap();
    assert!(
        text.starts_with("(for phone, which cannot be reached)\n"),
        "{text}"
    );
    assert!(messages[0]["title"].as_str().unwrap().contains("gold"));
    daemon.kill();
    world.ntfy.outage(None);
    let daemon = world.start();
    world.wait_until("select count(*) from beat where stopped_at is null", 1);
    daemon.stop();
    world.audit();
    assert_eq!(family.messages("family").len(), 1);
    assert_eq!(world.ntfy.messages("gold").len(), 0);
    let states = world.texts("select target || ' ' || state from delivery order by delivery_id");
    assert_eq!(states, ["phone moved", "family delivered"]);
}

#[test]
fn a_fallback_that_is_a_target_of_the_job_gets_no_second_copy() {
    let family = FakeNtfy::start();
    let world = with_fallback(
        FakeNtfy::start(),
        &family,
        "ntfy = [\"phone\", \"family\"]\n",
    );
    world.ntfy.outage(Some(Fault::html(503, "away")));
    world.stopped_at(Utc::now() - TimeDelta::minutes(2));
    let daemon = world.start();
    world.wait_until("select count(*) from run where state = 'delivered'", 1);
    daemon.stop();
    assert_eq!(family.messages("family").len(), 1);
    world.audit();
}

#[test]
fn without_a_fallback_that_works_what_is_owed_stays_where_it_is() {
    let family = FakeNtfy::start();
    let world = with_fallback(
        FakeNtfy::start(),
        &family,
        "ntfy = [\"phone\", \"family\"]\n",
    );
    family.outage(Some(Fault::html(503, "away")));
    world.ntfy.outage(Some(Fault::html(503, "away")));
    world.stopped_at(Utc::now() - TimeDelta::minutes(2));
    let daemon = world.start();
    // By the third try the two seconds are over.
    world.ntfy.wait_for_publishes(4, SOON);
    world.ntfy.outage(None);
    assert_eq!(world.ntfy.wait_for(1, SOON).len(), 1);
    family.outage(None);
    eventually("both have it", || world.states() == ["delivered"]);
    daemon.stop();
    world.audit();
}

#[test]
fn part_one_ends_on_top_unless_it_is_to_go_first() {
    let long: String = (1..=60)
        .map(|n| format!("第{n}段：金价今日上涨，走势平稳。\n\n"))
        .collect();
    for (keys, order) in [("", [3, 2, 1]), ("send_first = \"first\"", [1, 2, 3])] {
        let target =
            format!("[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\nmax_bytes = 1000\n{keys}");
        let world = answering(World::with("", &target, JOB));
        world.ai.answer_with(&long);
        assert_eq!(world.run(&["once", "gold"]).code, Some(0));
        let messages = world.ntfy.messages("gold");
        let titles: Vec<_> = messages
            .iter()
            .map(|message| message["title"].as_str().unwrap())
            .collect();
        assert_eq!(titles, order.map(|n| format!("金价 ({n}/3)")));
        for message in &messages {
            assert!(message["message"].as_str().unwrap().len() <= 1_200);
            assert!(!message.contains_key("attachment"));
            // Only the first part makes a sound.
            let is_first = message["title"] == "金价 (1/3)";
            assert_eq!(message.get("priority").is_none(), is_first, "{message:?}");
        }
        let times: BTreeSet<_> = messages
            .iter()
            .map(|message| message["time"].as_u64())
            .collect();
        assert_eq!(times.len(), 3, "apps sort by whole seconds");
    }
}

/// The whole day's runs of three jobs, while ntfy is away; killed while it is, and while it takes them.
#[test]
fn after_a_day_without_ntfy_all_is_delivered_in_order_and_nothing_twice() {
    const BURST: usize = 20;
    let day = "catch_up = \"all\"\ncatch_up_window = \"25h\"\noverlap = \"allow\"\n";
    let job = |name: &str, every: &str| {
        format!("[[job]]\nname = \"{name}\"\nevery = \"{every}\"\nprompt = \"{name}？\"\n{day}")
    };
    let jobs = job("gold", "15m") + &job("silver", "15m") + &job("oil", "2h");
    let target = "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\npace = { burst = 20, every = \"30ms\" }";
    let world = answering(World::with("", target, &jobs));
    world.ntfy.outage(Some(Fault::html(503, "away")));
    world.stopped_at(Utc::now() - TimeDelta::hours(24));
    let daemon = world.start();
    world.wait_until(
        "select count(*) >= 200 and count(answered_at) = count(*) from run",
        1,
    );
    daemon.kill();

    let daemon = world.start();
    world.ntfy.outage(None);
    world.ntfy.wait_for(60, SOON);
    daemon.kill();

    let daemon = world.start();
    let owed = "select count(*) from delivery where state <> 'delivered'";
    eventually("all is delivered", || world.number(owed) == 0);
    daemon.stop();
    let ids: Vec<_> = (world.ntfy.messages("gold").iter())
        .map(|message| message["sequence_id"].as_str().unwrap().to_owned())
        .collect();
    let by_run = world.texts("select sequence_id from delivery order by run_id");
    assert!(by_run.len() >= 200, "{}", by_run.len());
    assert_eq!(ids, by_run);
    let sent = world.texts(
        "select started_at from delivery_attempt where outcome in ('delivered', 'unknown') order by started_at",
    );
    let sent: Vec<i64> = sent.iter().map(|at| at.parse().unwrap()).collect();
    for (first, later) in sent.iter().zip(&sent[BURST..]) {
        assert!(later - first >= 30, "{first} {later}");
    }
    world.audit();
}
