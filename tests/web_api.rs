//! The API: what it tells, what it does, and that its document is true.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/web.rs"]
mod web;

use std::fs;

use promptcron::web::api;
use reqwest::Method;
use serde_json::{Value, json};
use web::{Ask, Site};

const NEVER: &str = "[[job]]\nname = \"gold\"\ncron = \"0 8 29 2 *\"\nprompt = \"金价？\"\n\
    [[job]]\nname = \"a/b 100%\"\nevery = \"1h\"\nprompt = \"？\"\nenabled = false\n";

/// `UPDATE_API=1` writes the document anew.
#[test]
fn the_document_in_the_repository_is_that_of_the_routes() {
    let document = api::document().to_pretty_json().unwrap() + "\n";
    let file = "docs/openapi.json";
    if std::env::var_os("UPDATE_API").is_some() {
        fs::write(file, &document).unwrap();
    }
    assert_eq!(fs::read_to_string(file).unwrap(), document);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert!(document["paths"].as_object().unwrap().len() >= 13);
    let site = Site::open(NEVER);
    assert_eq!(site.get("/api/v1/openapi.json").json(), document);
    site.daemon.stop();
}

#[test]
fn jobs_are_told_with_what_comes_next() {
    let site = Site::open(NEVER);
    let jobs = site.get("/api/v1/jobs").json();
    assert_eq!(jobs["total"], 2);
    assert_eq!(jobs["jobs"][0]["name"], "gold");
    assert_eq!(jobs["jobs"][0]["targets"], json!(["phone"]));
    assert_eq!(jobs["jobs"][0]["next"].as_array().unwrap().len(), 3);
    assert_eq!(
        site.get("/api/v1/jobs?limit=1&offset=1").json()["jobs"][0]["name"],
        "a/b 100%"
    );
    let odd = site.get("/api/v1/jobs/a%2Fb%20100%25").json();
    assert_eq!((&odd["enabled"], &odd["next"]), (&json!(false), &json!([])));
    let next = site.get("/api/v1/next?limit=2").json();
    assert_eq!(next[0]["job"], "gold");
    assert!(
        next[0]["scheduled_at"]
            .as_str()
            .unwrap()
            .ends_with("-02-29T08:00:00Z")
    );
    assert_eq!(site.get("/api/v1/status").json()["lives"], true);
    assert_eq!(site.get("/api/v1/tokens").json(), json!([]));
    let targets = site.get("/api/v1/targets").json();
    assert_eq!(
        (&targets[0]["name"], &targets[0]["owed"]),
        (&json!("phone"), &json!(0))
    );
    assert!(targets[0].get("topic").is_none());
    site.daemon.stop();
}

#[test]
fn a_run_that_is_asked_for_is_claimed_by_the_daemon_that_runs() {
    let site = Site::open(NEVER);
    site.world.ai.answer_with("## 金价\n\n上涨。");
    let begun = site.post("/api/v1/jobs/gold/run", Ask::new());
    assert_eq!(begun.status, 202);
    let run = begun.json()["run"].as_i64().unwrap();
    site.world
        .wait_until("select count(*) from run where state = 'delivered'", 1);
    let shown = site.get(&format!("/api/v1/runs/{run}")).json();
    assert_eq!(shown["trigger"], "manual");
    assert_eq!(shown["state"], "delivered");
    assert_eq!(shown["prompt"], "金价？");
    assert_eq!(shown["answer"], "## 金价\n\n上涨。");
    assert_eq!(shown["attempt_rows"].as_array().unwrap().len(), 1);
    let message = &shown["deliveries"][0]["message"];
    assert!(message["message"].as_str().unwrap().contains("上涨。"));
    assert!(message.get("topic").is_none());
    let runs = site.get("/api/v1/runs?job=gold").json();
    assert_eq!(
        (&runs["runs"][0]["run"], &runs["before"]),
        (&json!(run), &Value::Null)
    );
    assert_eq!(site.get("/api/v1/runs?job=none").json()["runs"], json!([]));
    assert_eq!(
        site.post(&format!("/api/v1/runs/{run}/cancel"), Ask::new())
            .status,
        409
    );
    site.world.audit();
    site.daemon.stop();
}

#[test]
fn the_history_is_read_in_pieces_that_miss_and_repeat_nothing() {
    let site = Site::open(NEVER);
    site.world.edit(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 25)
         insert into run (job, scheduled_at, trigger, state, due_at, planned_at, next_attempt_at, finished_at)
         select case i % 2 when 0 then 'gold' else 'old' end, 1000 * (i / 3), 'schedule', 'missed', 0, 0, 0,
             4000000000000
         from n where true on conflict do nothing",
    );
    let all = site.world.number("select count(*) from run");
    let mut seen = Vec::new();
    let mut path = "/api/v1/runs?limit=4".to_owned();
    loop {
        let page = site.get(&path).json();
        seen.extend(
            page["runs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|run| run["run"].as_i64().unwrap()),
        );
        let Some(before) = page["before"].as_str() else {
            break;
        };
        path = format!("/api/v1/runs?limit=4&before={before}");
    }
    assert_eq!(i64::try_from(seen.len()).unwrap(), all);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(i64::try_from(seen.len()).unwrap(), all);
    site.daemon.stop();
}

#[test]
fn pauses_and_reloads_say_what_came_of_them() {
    let site = Site::open(NEVER);
    let until = r#"{"until":"2999-01-01T00:00:00Z"}"#;
    let paused = site
        .post("/api/v1/jobs/gold/pause", Ask::new().json(until))
        .json();
    assert_eq!(paused["paused_until"], "2999-01-01T00:00:00Z");
    let resumed = site.post("/api/v1/jobs/gold/resume", Ask::new()).json();
    assert_eq!(resumed["paused_at"], Value::Null);
    let reloaded = site.post("/api/v1/reload", Ask::new());
    assert_eq!(
        (reloaded.status.as_u16(), &reloaded.json()["lines"]),
        (200, &json!([]))
    );
    site.world
        .edit_config("cron = \"0 8 29 2 *\"", "cron = \"0 8 30 2 *\"");
    let refused = site.post("/api/v1/reload", Ask::new());
    assert_eq!(refused.status, 409);
    let line = refused.json()["lines"][0].as_str().unwrap().to_owned();
    assert!(
        line.contains("cron") && line.contains("config.toml:"),
        "{line}"
    );
    assert_eq!(site.get("/api/v1/status").json()["reload"]["taken"], false);
    site.daemon.stop();
}

#[test]
fn what_cannot_be_done_is_said_as_json() {
    let site = Site::open(NEVER);
    for (method, path, body, status) in [
        (Method::GET, "/api/v1/jobs/none", "", 404),
        (Method::GET, "/api/v1/runs/99", "", 404),
        (Method::GET, "/api/v1/runs/abc", "", 400),
        (Method::GET, "/api/v1/runs?limit=0", "", 400),
        (Method::GET, "/api/v1/runs?limit=501", "", 400),
        (Method::GET, "/api/v1/runs?before=x", "", 400),
        (Method::GET, "/api/v2/jobs", "", 404),
        (Method::POST, "/api/v1/jobs/none/run", "", 404),
        (
            Method::POST,
            "/api/v1/jobs/gold/pause",
            r#"{"until":"tomorrow"}"#,
            400,
        ),
        (
            Method::POST,
            "/api/v1/jobs/gold/pause",
            r#"{"until":"2020-01-01T00:00:00Z"}"#,
            400,
        ),
        (
            Method::POST,
            "/api/v1/jobs/gold/pause",
            r#"{"till":"2999-01-01T00:00:00Z"}"#,
            400,
        ),
        (Method::POST, "/api/v1/jobs/gold/pause", "{", 400),
    ] {
        let reply = site.send(method, path, Ask::new().json(body));
        assert_eq!(reply.status, status, "{path} {body}: {}", reply.text);
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.len() > 10, "{error}");
    }
    let refused = site.send(Method::DELETE, "/api/v1/jobs", Ask::new());
    assert_eq!(
        (refused.status.as_u16(), refused.header("allow")),
        (405, "GET,HEAD")
    );
    assert_eq!(refused.json()["error"], "this address does not take DELETE");
    site.daemon.stop();
}
