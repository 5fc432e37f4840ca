//! Tokens in the life of a daemon: each into its right state, across restarts and reloads, checked in the background,
//! warned of, told of once.
#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::time::Duration;

use ai::{FakeKimi, Gate, Reply};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{TimeDelta, Utc};
use daemon::{SOON, World, one_shot};
use serde_json::{Value, json};

/// Notices whose arrival is in the ledger: one that is killed before sends them again, as it should.
const TOLD: &str = "select count(*) from delivery where state = 'delivered'";

/// What names `TOKEN1` in the ledger.
const TOKEN1: &str = "44f9ecee1c3fab64";

/// A world whose jobs ask kimi with these tokens; `keys` are more lines of its table.
fn world(kimi: &FakeKimi, tokens: &[&str], keys: &str, jobs: &str) -> World {
    let targets = format!(
        "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"\n\
         [ai.kimi]\napi = \"kimi\"\nbase_url = \"{}\"\ntokens = {tokens:?}\n{keys}",
        kimi.base_url(),
    );
    World::with("", &targets, jobs)
}

/// A one-shot job that asks kimi.
fn asks_kimi(name: &str, keys: &str) -> String {
    format!(
        "{}ai = \"kimi\"\n{keys}\n",
        one_shot(name, TimeDelta::seconds(1))
    )
}

/// A job that asks kimi in an hour.
fn idle() -> String {
    format!("{}ai = \"kimi\"\n", one_shot("金价", TimeDelta::hours(-1)))
}

/// `tokens --json`, a line each.
fn tokens(world: &World) -> Vec<Value> {
    let ran = world.run(&["tokens", "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let lines = ran.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn states(world: &World) -> Vec<String> {
    let state = |token: Value| token["state"].as_str().unwrap().to_owned();
    tokens(world).into_iter().map(state).collect()
}

/// Writes what the ledger knows of `TOKEN1`.
fn know(world: &World, kimi: &FakeKimi, health: &Value) {
    world.stopped_at(Utc::now() - TimeDelta::minutes(1));
    let mut state =
        json!({ "fingerprint": TOKEN1, "rests": 0, "pauses": 0, "refusals": 1, "last_used": null });
    state
        .as_object_mut()
        .unwrap()
        .extend(health.as_object().unwrap().clone());
    let base_url = kimi.base_url();
    world.edit(&format!(
        "insert into token (ai, fingerprint, state, changed_at, base_url)
         values ('kimi', '{TOKEN1}', '{state}', 0, '{base_url}')"
    ));
}

fn ago(minutes: i64) -> Value {
    json!(Utc::now() - TimeDelta::minutes(minutes))
}

#[test]
fn of_four_tokens_the_one_that_works_answers_and_a_restart_forgets_none_of_the_others() {
    let kimi = FakeKimi::start();
    kimi.reply_to("TOKEN1", Reply::kimi_error(-2001, "请求失败"));
    kimi.reply_to("TOKEN2", Reply::kimi_empty(""));
    kimi.reply_to("TOKEN3", Reply::kimi_error(-2006, "探索版使用量已达到上限"));
    kimi.reply_to("TOKEN4", Reply::Answer("好".to_owned()));
    let jobs: String = (0..5).map(|n| asks_kimi(&format!("金价{n}"), "")).collect();
    let four = ["TOKEN1", "TOKEN2", "TOKEN3", "TOKEN4"];
    let world = world(&kimi, &four, "", &format!("max_in_flight = 1\n{jobs}"));
    world.edit_config("max_in_flight = 1\n", "");
    world.edit_config(
        "timezone = \"UTC\"",
        "timezone = \"UTC\"\nmax_in_flight = 1",
    );
    world.stopped_at(Utc::now() - TimeDelta::minutes(1));

    let daemon = world.start();
    world.wait_until("select count(*) from run where state = 'delivered'", 5);
    let wanted = ["suspect", "cooling", "out of quota", "healthy"];
    assert_eq!(states(&world), wanted, "as the daemon knows them");
    daemon.kill();
    assert_eq!(states(&world), wanted, "as the ledger knows them");
    let asked = kimi.tokens();
    assert_eq!(asked[..4], four);
    assert!(
        asked[4..].iter().all(|token| token == "TOKEN4"),
        "{asked:?}"
    );

    let later = asks_kimi("银价", "");
    world.edit_config(
        "[[job]]\nname = \"金价0\"",
        &format!("{later}[[job]]\nname = \"金价0\""),
    );
    let daemon = world.start();
    world.run(&["once", "金价1"]);
    assert_eq!(kimi.tokens().len(), asked.len() + 1);
    assert_eq!(kimi.tokens().last().unwrap(), "TOKEN4");
    assert_eq!(states(&world), wanted);
    daemon.stop();
    world.audit();
}

#[test]
fn a_suspect_token_that_passes_its_check_is_taken_again() {
    let kimi = FakeKimi::start();
    let world = world(&kimi, &["TOKEN1"], "", &idle());
    know(
        &world,
        &kimi,
        &json!({ "health": "suspect", "since": ago(11) }),
    );
    let daemon = world.start();
    let line = daemon.wait_for_line("the token is taken again");
    assert!(line.contains("ai=\"kimi\" token=\"#1\""), "{line}");
    world.wait_until("select count(*) from token where state like '%healthy%'", 1);
    daemon.stop();
    assert_eq!(states(&world), ["healthy"]);
    assert!(kimi.questions().is_empty(), "nothing was asked of the AI");
}

#[test]
fn a_suspect_token_that_fails_its_check_is_dead_and_told_of_once() {
    let kimi = FakeKimi::start();
    kimi.kill("TOKEN1");
    let world = world(&kimi, &["TOKEN1"], "", &idle());
    world.edit_config(
        "timezone = \"UTC\"",
        "timezone = \"UTC\"\nalerts = \"phone\"",
    );
    know(
        &world,
        &kimi,
        &json!({ "health": "suspect", "since": ago(11) }),
    );
    let daemon = world.start();
    daemon.wait_for_line("the token is dead");
    let told = world.ntfy.wait_for(1, SOON).remove(0);
    assert_eq!(told["title"], "ai.kimi: token #1 is dead");
    let words = told["message"].as_str().unwrap();
    assert!(words.contains("log in to Kimi again"), "{words}");
    world.wait_until("select count(*) from token where state like '%dead%'", 1);
    world.wait_until(TOLD, 1);
    daemon.kill();
    let checks = kimi.requests().len();

    let daemon = world.start();
    // It has looked after its tokens by the time it has read their states for us.
    assert_eq!(states(&world), ["dead"]);
    daemon.stop();
    assert_eq!(kimi.requests().len(), checks, "a dead one is checked daily");
    assert_eq!(world.ntfy.publishes().len(), 1);
}

#[test]
fn no_token_is_checked_while_its_endpoint_cools() {
    let kimi = FakeKimi::start();
    let world = world(&kimi, &["TOKEN1"], "", &idle());
    know(
        &world,
        &kimi,
        &json!({ "health": "suspect", "since": ago(11) }),
    );
    let cools = json!({ "failures": 4, "cools_until": Utc::now() + TimeDelta::minutes(5) });
    let base_url = kimi.base_url();
    world.edit(&format!(
        "insert into endpoint (ai, base_url, state, changed_at) values ('kimi', '{base_url}', '{cools}', 0)"
    ));
    let daemon = world.start();
    let page = world.run(&["tokens"]).stdout;
    assert!(page.contains("ai.kimi failed too often in a row"), "{page}");
    daemon.stop();
    assert!(kimi.requests().is_empty());
}

/// A token that says when it ends.
fn jwt(ends: chrono::DateTime<Utc>) -> String {
    let payload = URL_SAFE_NO_PAD.encode(json!({ "exp": ends.timestamp() }).to_string());
    format!("eyJhbGciOiJIUzUxMiJ9.{payload}.signature")
}

#[test]
fn a_token_that_ends_soon_is_warned_of_once_whatever_restarts_come_between() {
    let kimi = FakeKimi::start();
    let token = jwt(Utc::now() + TimeDelta::hours(60));
    let job = idle();
    let world = world(&kimi, &[&token], "", &job);
    world.edit_config(
        "timezone = \"UTC\"",
        "timezone = \"UTC\"\nalerts = \"phone\"",
    );
    world.stopped_at(Utc::now() - TimeDelta::minutes(1));
    let daemon = world.start();
    daemon.wait_for_line("the token must be renewed");
    let told = world.ntfy.wait_for(1, SOON).remove(0);
    assert_eq!(told["title"], "ai.kimi: token #1 …ture expires in 3 days");
    world.wait_until(
        "select count(*) from token where state like '%\"warned_days\":3%'",
        1,
    );
    world.wait_until(TOLD, 1);
    daemon.kill();
    let daemon = world.start();
    let expires_at = tokens(&world)[0]["expires_at"].clone();
    assert!(
        expires_at.as_str().is_some_and(|at| at.ends_with('Z')),
        "{expires_at}"
    );
    let ended = daemon.stop();
    assert_eq!(ended.count("the token must be renewed"), 0);
    assert_eq!(world.ntfy.publishes().len(), 1);
}

#[test]
fn a_reload_keeps_the_state_of_tokens_that_stay() {
    let kimi = FakeKimi::start();
    kimi.reply_to("TOKEN1", Reply::kimi_error(-2006, "探索版使用量已达到上限"));
    kimi.reply_to("TOKEN2", Reply::Answer("好".to_owned()));
    let quota = "quota = { rounds = 5, per = \"3h\" }";
    let world = world(&kimi, &["TOKEN1", "TOKEN2"], quota, &asks_kimi("金价", ""));
    world.stopped_at(Utc::now() - TimeDelta::minutes(1));
    let daemon = world.start();
    world.wait_until("select count(*) from run where state = 'delivered'", 1);
    world.edit_config(
        r#"["TOKEN1", "TOKEN2"]"#,
        r#"["TOKEN0", "TOKEN2", "TOKEN1"]"#,
    );
    let ran = world.run(&["reload"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let shown: Vec<_> = tokens(&world)
        .into_iter()
        .map(|token| {
            (
                token["token"].clone(),
                token["state"].clone(),
                token["rounds_left"].clone(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (json!("#1"), json!("healthy"), json!(5)),
            (json!("#2"), json!("healthy"), json!(4)),
            (json!("#3"), json!("out of quota"), json!(4)),
        ]
    );
    daemon.stop();
}

#[test]
fn a_use_that_a_quota_counts_is_not_forgotten_by_a_crash_in_its_midst() {
    let kimi = FakeKimi::start();
    kimi.reply_with(Reply::Hang);
    let quota = "quota = { rounds = 1, per = \"3h\" }";
    let world = world(&kimi, &["TOKEN1"], quota, &asks_kimi("金价", ""));
    world.stopped_at(Utc::now() - TimeDelta::minutes(1));
    let daemon = world.start();
    kimi.wait_for(1, SOON);
    world.wait_until(
        "select count(*) from token where state like '%\"rounds\":[1%'",
        1,
    );
    daemon.kill();
    let daemon = world.start();
    let refused = "select count(*) from attempt where outcome = 'failed' and error like '%quota%'";
    world.wait_until(refused, 1);
    daemon.stop();
    assert_eq!(kimi.questions().len(), 1);
}

#[test]
fn a_token_that_a_wrong_address_refused_is_asked_with_at_the_right_one() {
    let (wrong, right) = (FakeKimi::start(), FakeKimi::start());
    wrong.reply_with(Reply::kimi_error(-2001, "请求失败"));
    right.answer_with("好");
    let world = world(&wrong, &["TOKEN1"], "", &idle());
    for _ in 0..2 {
        assert_eq!(world.run(&["once", "金价"]).code, Some(1));
    }
    assert_eq!(states(&world), ["dead"]);
    let daemon = world.start();
    assert_eq!(states(&world), ["dead"], "as the daemon knows it");
    world.edit_config(&wrong.base_url(), &right.base_url());
    let ran = world.run(&["reload"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(states(&world), ["healthy"], "as the daemon knows it");
    daemon.stop();
    assert_eq!(states(&world), ["healthy"], "as the ledger knows it");
    let ran = world.run(&["once", "金价"]);
    assert_eq!((ran.code, right.questions().len()), (Some(0), 1));
}

/// The daemon's states after a reload, while a request that began before it is under way, that ends with a used-up token.
fn states_after_a_reload_under_way(from: &str, to: &str) -> Vec<String> {
    let (kimi, gate) = (FakeKimi::start(), Gate::closed());
    let spent = Reply::kimi_error(-2006, "探索版使用量已达到上限");
    kimi.reply_to("TOKEN1", Reply::Held(gate.clone(), Box::new(spent)));
    let keys = "model = \"kimi\"";
    let world = world(&kimi, &["TOKEN1"], keys, &asks_kimi("金价", ""));
    world.stopped_at(Utc::now() - TimeDelta::minutes(1));
    let daemon = world.start();
    kimi.wait_for(1, SOON);
    world.edit_config(from, to);
    let ran = world.run(&["reload"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    gate.open();
    world.wait_until(
        "select count(*) from token where state like '%out_of_quota%'",
        1,
    );
    let states = states(&world);
    daemon.stop();
    states
}

#[test]
fn what_a_request_learns_that_began_before_a_reload_counts_after_it() {
    let model = "model = \"kimi\"";
    let after = states_after_a_reload_under_way(model, &format!("{model}\nidle_timeout = \"50s\""));
    assert_eq!(after, ["out of quota"]);
}

#[test]
fn a_cancelled_runs_ai_call_is_cut_off_and_its_slot_is_free() {
    let world = World::with(
        "max_in_flight = 1",
        "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"",
        &format!(
            "{}{}",
            one_shot("金价", TimeDelta::seconds(2)),
            one_shot("银价", TimeDelta::seconds(1))
        ),
    );
    world.ai.next(Reply::Hang);
    world.ai.next(Reply::Answer("好".to_owned()));
    world.stopped_at(Utc::now() - TimeDelta::minutes(1));
    let daemon = world.start();
    world.ai.wait_for(1, SOON);
    let ran = world.run(&["cancel", "1"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    daemon.wait_for_line("its AI call is cut off");
    world.ai.wait_for(2, SOON);
    world.wait_until("select count(*) from run where state = 'delivered'", 1);
    assert_eq!(world.attempts(1), ["interrupted"]);
    let stopped = std::time::Instant::now();
    daemon.stop();
    assert!(
        stopped.elapsed() < Duration::from_secs(20),
        "no call is left to drain"
    );
    world.audit();
}

#[test]
fn a_run_asked_by_hand_ends_when_it_is_cancelled() {
    let world = World::new(&one_shot("金价", TimeDelta::seconds(-3600)));
    world.ai.next(Reply::Hang);
    let place = &world.place;
    std::thread::scope(|scope| {
        let once = scope.spawn(|| place.run(&["once", "金价"]));
        world.ai.wait_for(1, SOON);
        assert_eq!(place.run(&["cancel", "1"]).code, Some(0));
        let ran = once.join().unwrap();
        assert_eq!(ran.code, Some(1));
        assert!(ran.stderr.contains("run 1: cancelled"), "{}", ran.stderr);
    });
}

#[test]
fn a_prompt_is_filled_in_when_it_is_asked_and_knows_the_last_answer() {
    let job = one_shot("金价", TimeDelta::seconds(-3600));
    let template = "{{ job }}？{% if last %}上次：{{ last.answer }}{% else %}首次{% endif %}";
    let world = World::new(&job.replace("今天的金价？", template));
    world.ai.answer_with("涨");
    let shown = world.run(&["once", "金价", "--show-prompt"]);
    assert_eq!(
        (shown.code, shown.stdout.as_str()),
        (Some(0), "金价？首次\n")
    );
    assert!(world.ai.requests().is_empty() && !world.ledger().exists());

    for _ in 0..2 {
        let ran = world.run(&["once", "金价"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let asked: Vec<Value> = world.ai.questions().iter().map(ai::Request::json).collect();
    assert_eq!(asked[0]["messages"][0]["content"], "金价？首次");
    assert_eq!(asked[1]["messages"][0]["content"], "金价？上次：涨");
    assert_eq!(
        world.show(2)["prompt"],
        "金价？上次：涨",
        "what was asked is kept"
    );
    let shown = world.run(&["once", "金价", "--show-prompt"]);
    assert_eq!(shown.stdout, "金价？上次：涨\n");
}

#[test]
fn a_template_that_only_its_own_job_shows_to_be_wrong_says_where() {
    let job = one_shot("金价", TimeDelta::seconds(-3600));
    let template = "{% if job == '金价' %}{{ now + 1 }}{% endif %}";
    let world = World::new(&job.replace("今天的金价？", template));
    let shown = world.run(&["once", "金价", "--show-prompt"]);
    assert_eq!(shown.code, Some(1));
    assert!(
        shown.stderr.contains("prompt: line 1, column 24: "),
        "{}",
        shown.stderr
    );
}
