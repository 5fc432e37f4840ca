//! What is read out of a ledger: by the page, the figures and the daemon itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/desk.rs"]
mod desk;

use desk::{Desk, GOLD, LEASE, at, delivered, take};
use promptcron::{
    config::Overlap,
    ledger::{AskedRow, Failure, TurnRow},
};

#[tokio::test]
async fn what_is_owed_and_what_was_delivered_is_counted() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    desk.answered(60, 2).await;
    let outbox = ledger.outbox().await.unwrap();
    let owed: Vec<_> = outbox
        .iter()
        .map(|of| (&*of.target, of.owed, of.since_at))
        .collect();
    assert_eq!(owed, [("phone", 2, 60_000)]);
    let live = ledger.live_runs().await.unwrap();
    assert_eq!(live, [("answered".to_owned(), 1)]);
    assert_eq!(ledger.last_delivered(GOLD).await.unwrap(), None);

    for second in [61, 62] {
        let part = take(ledger, "daemon-1", at(second)).await.unwrap();
        let delivered = delivered(at(second));
        let ended = ledger.delivery_ended(&part, &delivered, at(second));
        ended.await.unwrap();
    }
    assert!(ledger.outbox().await.unwrap().is_empty());
    assert_eq!(ledger.live_runs().await.unwrap(), []);
    let last = ledger.last_delivered(GOLD).await.unwrap();
    assert_eq!(last, Some(("涨".to_owned(), 62_000)));
    let successes = ledger.last_successes().await.unwrap();
    assert_eq!(successes, [(GOLD.to_owned(), 62_000)]);
    let ended = ledger.ended_counts(at(62)).await.unwrap();
    assert_eq!(ended, [("delivered".to_owned(), 1)]);
    assert_eq!(ledger.ended_counts(at(63)).await.unwrap(), []);
}

#[tokio::test]
async fn a_delivery_tells_whether_the_schedule_made_its_run() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    desk.answered(60, 1).await;
    let of_schedule = take(ledger, "daemon-1", at(60)).await.unwrap();
    assert!(of_schedule.is_scheduled());
    let taken = delivered(at(61));
    let ended = ledger.delivery_ended(&of_schedule, &taken, at(61));
    ended.await.unwrap();
    let now = at(120);
    let claim = ledger.claim_manual(GOLD, "once-1", now, now + LEASE);
    desk.answer(&claim.await.unwrap(), 120, 1, None).await;
    let of_a_person = take(ledger, "once-1", now).await.unwrap();
    assert!(!of_a_person.is_scheduled());
    assert_eq!(of_a_person.scheduled_at(), Some(now));
}

#[tokio::test]
async fn a_conversation_tells_when_it_began_and_how_many_turns_it_has() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    let first = TurnRow::First {
        remote_id: None,
        token: None,
    };
    desk.plan(60, Overlap::Allow, None).await;
    let claim = desk.claim(60).await.pop().unwrap();
    desk.answer(&claim, 60, 1, Some(first)).await;
    let begun = ledger.conversation(GOLD, "kimi").await.unwrap().unwrap();
    let next = TurnRow::Next(begun.conversation_id);
    desk.plan(120, Overlap::Allow, None).await;
    let claim = desk.claim(120).await.pop().unwrap();
    desk.answer(&claim, 120, 1, Some(next)).await;
    let row = ledger.conversation(GOLD, "kimi").await.unwrap().unwrap();
    assert_eq!((row.begun_at(), row.turns), (at(60), 2));
}

#[tokio::test]
async fn a_failed_run_is_trouble_until_a_later_one_arrives() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    desk.plan(60, Overlap::Allow, None).await;
    let claim = desk.claim(60).await.pop().unwrap();
    let number = ledger.start_attempt(&claim, "kimi", at(60)).await.unwrap();
    let failure = Failure {
        asked: AskedRow::bare(number, "kimi"),
        error: "HTTP 500".to_owned(),
        next_attempt_at: None,
    };
    let written = ledger.attempt_failed(&claim, &failure, None, at(61));
    written.await.unwrap();
    let troubles = ledger.troubles(at(0), 9).await.unwrap();
    assert_eq!(troubles.len(), 1);
    assert_eq!(troubles[0].reason.as_deref(), Some("HTTP 500"));
    assert!(ledger.troubles(at(62), 9).await.unwrap().is_empty());

    let later = desk.answered(120, 1).await;
    let owed = take(ledger, "daemon-1", at(120)).await.unwrap();
    let delivered = delivered(at(121));
    let ended = ledger.delivery_ended(&owed, &delivered, at(121));
    ended.await.unwrap();
    assert!(ledger.troubles(at(0), 9).await.unwrap().is_empty());
    let glimpses = ledger.glimpses(GOLD, 9).await.unwrap();
    let seen: Vec<_> = glimpses
        .iter()
        .map(|run| (run.run_id, &*run.state))
        .collect();
    assert_eq!(seen, [(later, "delivered"), (claim.run_id, "failed")]);
}
