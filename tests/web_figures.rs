//! Whether it lives, and what it counts, as probes and Prometheus see it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/web.rs"]
mod web;

use chrono::TimeDelta;
use daemon::{World, eventually, one_shot};
use web::Site;

#[test]
fn probes_say_that_it_lives_until_the_ledgers_signs_of_life_stop() {
    let site = Site::open(&one_shot("news", TimeDelta::hours(-1)));
    for path in ["/healthz", "/readyz"] {
        let reply = site.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    // The next beat writes it anew: look until one look comes before it.
    eventually("a stale sign of life is told", || {
        site.world.edit("update beat set planner_at = 0");
        let reply = site.get("/healthz");
        reply.status == 503 && reply.text.contains("planner last moved")
    });
    site.daemon.stop();
}

#[test]
fn a_run_is_in_the_figures_once_it_has_ended() {
    let site = Site::open(&one_shot("news", TimeDelta::seconds(1)));
    site.world.ai.answer_with("油价持平。");
    site.world.stopped_at(chrono::Utc::now());
    let run = site.world.run(&["once", "news"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let reply = site.get("/metrics");
    assert!(
        reply
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    for line in [
        r#"promptcron_runs_total{state="delivered",reason="",trigger="manual"} 1"#,
        r#"promptcron_asking_seconds_count{ai="local"} 1"#,
        "promptcron_pushing_seconds_count 1",
        "promptcron_lateness_seconds_count 1",
        "promptcron_config_ok 1",
        r#"promptcron_last_success_timestamp_seconds{job="news"} "#,
        "# EOF",
    ] {
        assert!(reply.text.contains(line), "no {line} in {}", reply.text);
    }
    assert_eq!(
        site.get("/metrics")
            .text
            .matches("trigger=\"manual\"} 1")
            .count(),
        1
    );
    site.daemon.stop();
}

#[test]
fn a_refused_config_is_in_the_figures_and_a_new_address_waits_for_a_restart() {
    let site = Site::open(&one_shot("news", TimeDelta::hours(-1)));
    site.world.edit_config("[web]\n", "[web]\nhosts = 1\n");
    assert_eq!(site.world.run(&["reload"]).code, Some(1));
    assert!(site.get("/metrics").text.contains("promptcron_config_ok 0"));
    site.world.edit_config("hosts = 1\n", "");
    let token = format!("token = \"{}\"\nlisten = \"127.0.0.1:1\"", web::TOKEN);
    site.world.edit_config("listen = \"127.0.0.1:0\"", &token);
    let reloaded = site.world.run(&["reload"]);
    assert_eq!(
        reloaded.stdout,
        "web: listen 127.0.0.1:0 -> 127.0.0.1:1 (takes effect, as all of [web], at the next start)\nreloaded\n"
    );
    assert!(site.get("/metrics").text.contains("promptcron_config_ok 1"));
    site.daemon.stop();
}

#[test]
fn a_port_that_is_taken_is_told_at_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let world = World::with(
        "",
        &format!(
            "[web]\nlisten = \"{address}\"\n[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\""
        ),
        &one_shot("news", TimeDelta::hours(-1)),
    );
    let ran = world.run(&["run"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains(&format!(
            "cannot listen on {address}: another program has this port; choose another in [web] listen"
        )),
        "{}",
        ran.stderr
    );
    assert!(!world.ledger().exists());
}
