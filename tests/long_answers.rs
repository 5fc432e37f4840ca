//! Long answers at a target that attaches them: the file, and the parts where it is not taken.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/ntfy.rs"]
mod ntfy;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use ai::FakeKimi;
use chrono::{TimeDelta, Utc};
use ntfy::{FakeNtfy, Fault, rules::Settings};
use promptcron::{
    clock::SystemClock,
    config::{self, Config},
    daemon::{self, Ended, Engine, LEASE, Owner, Revision, Stop},
    ledger::{Access, Ledger, Shown},
};

const ANSWER: &str = "# 行情\n\n今日金价**上涨**，每克801.5元。\n\n近期走势平稳，成交清淡，市场等待数据。\n\n建议观望。";

fn config(ai: &FakeKimi, ntfy: &FakeNtfy) -> Config {
    let text = format!(
        r#"
[ai.kimi]
api = "kimi"
base_url = "{}"
tokens = "TOKEN1"
[ntfy.phone]
server = "{}"
topic = "hotine"
max_bytes = 100
long = "attach"
[[job]]
name = "金价"
cron = "0 8 * * *"
prompt = "金价？"
title = "金价分析"
tags = ["💰"]
"#,
        ai.base_url(),
        ntfy.url()
    );
    config::parse(&text, Path::new("c.toml"), Utc::now(), &BTreeMap::new())
        .unwrap_or_else(|errors| panic!("{errors}"))
}

/// Runs the job once, as `promptcron once` does, until nothing is owed any more.
async fn run_once(ntfy: &FakeNtfy) -> Shown {
    let ai = FakeKimi::start();
    ai.answer_with(ANSWER);
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.db"), Access::Write)
        .await
        .unwrap();
    let engine = Arc::new(Engine::new(
        Owner::once(),
        Revision::new(config(&ai, ntfy)).unwrap(),
        ledger,
        Arc::new(SystemClock),
        Stop::default(),
    ));
    let now = engine.clock.now();
    let claim = engine
        .ledger
        .claim_manual("金价", engine.owner.as_str(), now, now + LEASE)
        .await
        .unwrap();
    let run_id = claim.run_id;
    let ended = daemon::carry_out(engine.clone(), claim).await.unwrap();
    assert!(matches!(ended, Ended::Answered));
    let until = now + TimeDelta::seconds(60);
    let is_over = daemon::deliver_run(&engine, run_id, &["phone".into()], until).await;
    assert!(is_over.unwrap());
    let shown = engine.ledger.show(run_id).await.unwrap().unwrap();
    engine.ledger.close().await;
    shown
}

fn states(shown: &Shown) -> Vec<(i64, i64, &str, i64)> {
    let rows = shown.deliveries.iter();
    rows.map(|row| (row.part, row.parts, row.state.as_str(), row.attempts))
        .collect()
}

#[tokio::test]
async fn a_long_answer_goes_out_once_with_the_whole_as_a_file() {
    let ntfy = FakeNtfy::start();
    let shown = run_once(&ntfy).await;
    assert_eq!(shown.run.state, "delivered");
    assert_eq!(states(&shown), [(1, 1, "delivered", 1)]);
    let requests = ntfy.publishes();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].text(), ANSWER);
    let message = &ntfy.messages("hotine")[0];
    assert_eq!(message["title"], "金价分析");
    assert_eq!(message["message"], "📌 行情\n今日金价上涨，每克801.5元。…");
    assert_eq!(message["attachment"]["name"], "金价.md");
    assert_eq!(message["sequence_id"], shown.deliveries[0].sequence_id);
}

#[tokio::test]
async fn where_a_server_takes_no_files_the_answer_goes_out_in_parts() {
    let ntfy = FakeNtfy::with(Settings {
        attachments: false,
        ..Settings::default()
    });
    let shown = run_once(&ntfy).await;
    assert_eq!(shown.run.state, "delivered");
    assert_eq!(
        states(&shown),
        [(1, 2, "delivered", 2), (2, 2, "delivered", 1)]
    );
    let mut messages = ntfy.messages("hotine");
    // The last part comes first, so that the first stands on top.
    messages.reverse();
    let texts: Vec<_> = messages
        .iter()
        .map(|message| (&message["title"], &message["message"]))
        .collect();
    insta::assert_debug_snapshot!(texts, @r#"
        [
            (
                String("金价分析 (1/2)"),
                String("📌 行情\n今日金价上涨，每克801.5元。"),
            ),
            (
                String("金价分析 (2/2)"),
                String("近期走势平稳，成交清淡，市场等待数据。\n\n建议观望。"),
            ),
        ]
        "#);
    let sequences: Vec<_> = messages
        .iter()
        .map(|message| message["sequence_id"].as_str().unwrap())
        .collect();
    let owed: Vec<_> = shown
        .deliveries
        .iter()
        .map(|row| row.sequence_id.as_str())
        .collect();
    assert_eq!(sequences, owed);
    assert_ne!(sequences[0], sequences[1]);
    assert!(shown.deliveries.iter().all(|row| row.error.is_none()));
}

#[tokio::test]
async fn an_error_that_is_not_the_files_is_tried_again_with_the_file() {
    let ntfy = FakeNtfy::start();
    ntfy.fail(1, Fault::Code(50001));
    let shown = run_once(&ntfy).await;
    assert_eq!(states(&shown), [(1, 1, "delivered", 2)]);
    let bodies: Vec<_> = ntfy.publishes().iter().map(|r| r.body.clone()).collect();
    assert_eq!(bodies, [ANSWER.as_bytes(), ANSWER.as_bytes()]);
}
