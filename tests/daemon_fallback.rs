//! The daemon along a chain of endpoints: whose answer is pushed, what is said of it, what a restart remembers.
#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use ai::{FakeKimi, Reply};
use chrono::TimeDelta;
use daemon::{World, one_shot};
use serde_json::json;

/// A job that asks kimi first, and the world's own endpoint where kimi cannot.
fn world(kimi: &FakeKimi, top: &str, name: &str) -> World {
    let job = one_shot(name, TimeDelta::seconds(1));
    let kimi = format!(
        "[ai.kimi]\napi = \"kimi\"\nbase_url = \"{}\"\ntokens = [\"TOKEN1\", \"TOKEN2\"]",
        kimi.base_url()
    );
    let target = "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\"";
    let jobs = format!("{kimi}\n{job}ai = [\"kimi\", \"local\"]\n");
    World::with(top, target, &jobs)
}

fn pushed(world: &World) -> String {
    let push = world.ntfy.wait_for(1, daemon::SOON).remove(0);
    push["message"].as_str().unwrap().to_owned()
}

#[test]
fn the_next_endpoints_answer_is_pushed_and_said_to_be_its() {
    for (top, said) in [
        ("", "好\n\n(answered by local: kimi could not)"),
        (
            "language = \"zh\"",
            "好\n\n（kimi 未能回答，由 local 代答）",
        ),
    ] {
        let kimi = FakeKimi::start();
        kimi.reply_with(Reply::kimi_error(-2005, "已有对话流正在输出"));
        let world = world(&kimi, top, "金价");
        world.stopped_at(chrono::Utc::now() - TimeDelta::minutes(1));
        world.ai.answer_with("好");
        let daemon = world.start();
        assert_eq!(pushed(&world), said);
        world.wait_until("select count(*) from run where state = 'delivered'", 1);
        let line = daemon.wait_for_line("the next endpoint is asked");
        assert!(line.contains("next=\"local\""), "{line}");
        daemon.stop();
        assert_eq!(kimi.tokens(), ["TOKEN1", "TOKEN2"]);

        let shown = world.show(1);
        assert_eq!(shown["ai"], "local");
        assert_eq!(shown["instead_of"], "kimi");
        let attempt = &shown["attempt_rows"][0];
        assert_eq!(
            (&attempt["ai"], &attempt["token"]),
            (&json!("local"), &json!(null))
        );
        let asked: Vec<_> = (attempt["requests"].as_array().unwrap().iter())
            .map(|request| {
                (
                    &request["ai"],
                    &request["token"],
                    request["error"].is_null(),
                )
            })
            .collect();
        assert_eq!(
            asked,
            [
                (&json!("kimi"), &json!("#1"), false),
                (&json!("kimi"), &json!("#2"), false),
                (&json!("local"), &json!(null), true),
            ]
        );
        let history = world.run(&["history"]).stdout;
        assert!(
            history.contains("delivered (by local for kimi)"),
            "{history}"
        );
        let text = world.run(&["show", "1"]).stdout;
        assert!(text.contains("before: ai.kimi ("), "{text}");
        world.audit();
    }
}

#[test]
fn a_restart_does_not_end_the_cooling_of_an_endpoint() {
    let kimi = FakeKimi::start();
    kimi.reply_with(Reply::kimi_error(-1000, "socket hang up"));
    let world = world(&kimi, "", "金价");
    world.ai.answer_with("好");
    for _ in 0..4 {
        let ran = world.run(&["once", "金价"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    assert_eq!(
        kimi.questions().len(),
        3,
        "each command is a process of its own"
    );
}
