//! The deliverer against a ledger of its own; nobody listens at its targets.

use std::time::Duration;

use super::{verdict::interrupted, *};
use crate::{
    clock::SystemClock,
    daemon::fixture,
    ledger::{Answered, AskedRow, Claimed, Claiming, NewDelivery, Owed, Said},
    model::RunId,
    push::Message,
};

fn empty() -> String {
    serde_json::to_string(&Message::default()).unwrap()
}

/// A run with one delivery that is due in `wait`.
async fn owing(engine: &Engine, wait: TimeDelta, message: String) -> RunId {
    let now = engine.clock.now();
    let (ledger, owner) = (&engine.ledger, engine.owner.as_str());
    let claim = ledger.claim_manual("gold", owner, now, engine.lease_until());
    let claim = claim.await.unwrap();
    let number = ledger.start_attempt(&claim, "kimi", now).await.unwrap();
    let answered = Answered {
        asked: AskedRow::bare(number, "kimi"),
        instead_of: None,
        prompt: "金价？".to_owned(),
        answer: "涨".to_owned(),
        sources: None,
        cut_off: false,
        turn: None,
        model: "kimi".to_owned(),
        asked_ms: 1,
        said: Said::default(),
    };
    let deliveries = [NewDelivery {
        kind: "answer",
        target: "phone".to_owned(),
        part: 1,
        parts: 1,
        turn: 1,
        sequence_id: "pc-1".to_owned(),
        message,
        bytes: 1,
        next_at: now + wait,
        give_up_at: now + TimeDelta::days(1),
    }];
    let written = ledger.answered(&claim, &answered, &deliveries, now);
    written.await.unwrap();
    claim.run_id
}

#[tokio::test]
async fn a_second_signal_ends_a_command_that_delivers() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fixture::engine(folder.path(), "", Arc::new(SystemClock)).await;
    let run_id = owing(&engine, TimeDelta::zero(), empty()).await;
    engine.stop.at_once();
    let until = engine.clock.now() + TimeDelta::minutes(1);
    let targets = [Arc::from("phone")];
    let ended = deliver_run(&engine, run_id, &targets, until);
    let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
    assert!(!ended.expect("it ends").unwrap());
}

#[tokio::test]
async fn a_part_that_is_all_but_due_is_sent_before_the_daemon_ends() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fixture::engine(folder.path(), "", Arc::new(SystemClock)).await;
    let run_id = owing(&engine, TimeDelta::milliseconds(900), empty()).await;
    engine.stop.drain();
    engine.runs_over.cancel();
    run(engine.clone()).await.unwrap();
    let deliveries = engine.ledger.deliveries(run_id).await.unwrap();
    assert!(deliveries[0].attempts > 0);
}

#[tokio::test]
async fn a_stop_says_nothing_about_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fixture::engine(folder.path(), "", Arc::new(SystemClock)).await;
    let run_id = owing(&engine, TimeDelta::zero(), empty()).await;
    let owed = claimed(&engine, run_id).await;
    let (ledger, now) = (&engine.ledger, engine.clock.now());
    let cut_off = interrupted(&engine);
    ledger.delivery_ended(&owed, &cut_off, now).await.unwrap();
    assert_eq!(ledger.target_states().await.unwrap(), []);
    let again = claimed(&engine, run_id).await;
    assert!(again.unknown_since().is_some(), "it is looked for first");
}

async fn claimed(engine: &Engine, run_id: RunId) -> Owed {
    let claiming = Claiming {
        target: "phone".to_owned(),
        of: Some(run_id),
        owner: engine.owner.as_str().to_owned(),
        now: engine.clock.now(),
        lease_until: engine.lease_until(),
    };
    match engine.ledger.claim_delivery(&claiming, None).await {
        Ok(Claimed::Owed(owed)) => *owed,
        other => panic!("nothing is owed: {other:?}"),
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fixture::engine(folder.path(), "", Arc::new(SystemClock)).await;
    let run_id = owing(&engine, TimeDelta::zero(), "{".to_owned()).await;
    send_owed(&engine, "phone", None).await.unwrap();
    let deliveries = engine.ledger.deliveries(run_id).await.unwrap();
    assert!(deliveries.iter().any(|delivery| delivery.kind == "notice"));
}
