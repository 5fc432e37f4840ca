//! What the ledger promises of runs, deliveries and pauses, rule by rule.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/desk.rs"]
mod desk;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use desk::{Desk, GOLD, at, delivered, delivery, take};
use promptcron::{
    config::Overlap,
    ledger::{
        AskedRow, Cut, Failure, Hold, Letter, NewNotice, NewRange, Outcome, Planning, ScheduledJob,
        Step, Waits,
    },
    model::{RunId, RunState},
};

fn failed(notice: NewNotice) -> Outcome {
    Outcome::Failed {
        error: "HTTP 413".to_owned(),
        unknown: false,
        is_target: false,
        hold: None,
        notice: Some(notice),
    }
}

/// A notice of a run, told each time.
fn notice(run_id: RunId) -> NewNotice {
    let letter = |_| Letter {
        title: "金价 运行失败".to_owned(),
        delivery: delivery("notice", 1, 1, at(60)),
    };
    NewNotice {
        subject: format!("job/{GOLD}"),
        step: Step::Happened,
        run_id: Some(run_id),
        most_per_hour: 6,
        compose: Arc::new(move |standing| vec![letter(standing)]),
    }
}

#[tokio::test]
async fn a_queued_run_is_not_due_before_the_run_ahead_of_it_is_done() {
    let desk = Desk::new().await;
    desk.plan(60, Overlap::Queue, None).await;
    let ahead = desk.claim(60).await.pop().unwrap();
    desk.plan(120, Overlap::Queue, None).await;
    assert!(desk.claim(120).await.is_empty());
    assert_eq!(desk.ledger.next_claimable_at().await.unwrap(), None);
    desk.ledger.interrupted(&ahead, at(121)).await.unwrap();
    assert_eq!(
        desk.ledger.next_claimable_at().await.unwrap(),
        Some(at(121))
    );
}

#[tokio::test]
async fn a_run_that_fails_with_an_early_part_is_told_of_though_its_last_part_arrives() {
    let desk = Desk::new().await;
    let run_id = desk.answered(60, 2).await;
    let first = take(&desk.ledger, "daemon-1", at(60));
    let first = first.await.unwrap();
    let refused = failed(notice(run_id));
    let ended = desk.ledger.delivery_ended(&first, &refused, at(60));
    assert!(ended.await.unwrap().is_none());
    let second = take(&desk.ledger, "daemon-1", at(60));
    let second = second.await.unwrap();
    let delivered = delivered(at(62));
    let ended = desk.ledger.delivery_ended(&second, &delivered, at(61));
    assert_eq!(ended.await.unwrap().unwrap().state, "failed");
    let deliveries = desk.ledger.deliveries(run_id).await.unwrap();
    assert!(deliveries.iter().any(|delivery| delivery.kind == "notice"));
}

#[tokio::test]
async fn a_run_that_was_interrupted_is_not_too_late_to_be_started() {
    let desk = Desk::new().await;
    desk.plan(60, Overlap::Skip, Some(at(90))).await;
    let claim = desk.claim(60).await.pop().unwrap();
    let begun = desk.ledger.start_attempt(&claim, "kimi", at(60)).await;
    assert_eq!(begun.unwrap(), 1);
    desk.ledger.interrupted(&claim, at(80)).await.unwrap();
    assert_eq!(desk.claim(100).await.len(), 1);
}

#[tokio::test]
async fn a_pause_that_was_asked_for_while_the_last_one_is_ended_stands() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    assert!(ledger.pause(GOLD, at(10), Some(at(20))).await.unwrap());
    // The planner has read the pause as over and is about to write that down.
    assert!(ledger.pause(GOLD, at(21), None).await.unwrap());
    let planning = Planning {
        unpaused: vec![GOLD.to_owned()],
        jobs: vec![GOLD.to_owned()],
        ..Planning::default()
    };
    ledger.plan(&planning, at(21)).await.unwrap();
    assert!(ledger.pauses().await.unwrap().contains_key(GOLD));
}

#[tokio::test]
async fn only_a_job_is_paused_and_only_a_pause_is_ended() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    assert!(!ledger.pause("银价", at(10), None).await.unwrap());
    assert!(!ledger.resume(GOLD, at(10)).await.unwrap());
    assert!(ledger.pause(GOLD, at(10), None).await.unwrap());
    assert!(ledger.resume(GOLD, at(11)).await.unwrap());
    assert!(!ledger.resume(GOLD, at(12)).await.unwrap());
}

#[tokio::test]
async fn a_pause_skips_what_still_waits_and_was_not_begun() {
    let desk = Desk::new().await;
    desk.plan(60, Overlap::Allow, None).await;
    let begun = desk.claim(60).await.pop().unwrap();
    let number = desk.ledger.start_attempt(&begun, "kimi", at(60)).await;
    assert_eq!(number.unwrap(), 1);
    desk.ledger.interrupted(&begun, at(61)).await.unwrap();
    // As one that its jitter delays.
    desk.plan(120, Overlap::Allow, None).await;
    assert!(desk.ledger.pause(GOLD, at(121), None).await.unwrap());
    let claims = desk.claim(200).await;
    let claimed: Vec<RunId> = claims.iter().map(|claim| claim.run_id).collect();
    assert_eq!(claimed, [begun.run_id]);
    let rows = desk.ledger.history(None, 1).await.unwrap();
    let row = (&*rows[0].state, rows[0].reason.as_deref());
    assert_eq!(row, ("skipped", Some("paused")));
}

#[tokio::test]
async fn a_part_waits_while_another_process_sends_the_one_before_it() {
    let desk = Desk::new().await;
    desk.answered(60, 2).await;
    let ledger = &desk.ledger;
    let first = take(&desk.ledger, "once-1", at(60));
    assert_eq!(first.await.unwrap().part, 1);
    assert_eq!(ledger.next_by_target().await.unwrap(), []);
    let second = take(&desk.ledger, "daemon-1", at(61));
    assert!(second.await.is_none());
}

#[tokio::test]
async fn what_is_still_owed_is_not_pruned() {
    let desk = Desk::new().await;
    desk.plan(60, Overlap::Skip, None).await;
    let claim = desk.claim(60).await.pop().unwrap();
    let number = desk.ledger.start_attempt(&claim, "kimi", at(60)).await;
    let failure = Failure {
        asked: AskedRow::bare(number.unwrap(), "kimi"),
        error: "HTTP 500".to_owned(),
        next_attempt_at: None,
    };
    let notice = notice(claim.run_id);
    let write = desk
        .ledger
        .attempt_failed(&claim, &failure, Some(&notice), at(60));
    write.await.unwrap();
    desk.ledger
        .prune(Duration::from_secs(3_600), at(8_000))
        .await
        .unwrap();
    let owed = &desk.ledger.deliveries(claim.run_id).await.unwrap()[0];
    assert_eq!(owed.message, "{}");
}

#[tokio::test]
async fn a_run_planned_by_a_clock_that_was_ahead_silences_no_occurrence() {
    let desk = Desk::new().await;
    desk.plan(7_200, Overlap::Skip, None).await;
    let back = desk
        .ledger
        .pull_back(at(60), TimeDelta::seconds(7_140), |_, _, _| Cut::Nothing);
    back.await.unwrap();
    desk.plan(120, Overlap::Skip, None).await;
    assert_eq!(desk.claim(120).await.len(), 1);
}

#[tokio::test]
async fn a_step_back_over_a_run_that_was_begun_and_missed_leaves_it_as_it_is() {
    let desk = Desk::new().await;
    desk.plan(7_200, Overlap::Skip, None).await;
    let claim = desk.claim(7_200).await.pop().unwrap();
    let begun = desk.ledger.start_attempt(&claim, "kimi", at(7_200)).await;
    assert_eq!(begun.unwrap(), 1);
    let ended = desk
        .ledger
        .end_run(claim.run_id, RunState::Missed, "window", at(30_000));
    assert!(ended.await.unwrap());
    let back = desk
        .ledger
        .pull_back(at(60), TimeDelta::seconds(29_940), |_, _, _| Cut::Nothing);
    back.await.unwrap();
    let rows = desk.ledger.history(None, 9).await.unwrap();
    assert_eq!((rows.len(), &*rows[0].state), (1, "missed"));
}

#[tokio::test]
async fn what_waits_for_an_instant_of_a_clock_that_was_ahead_waits_no_longer() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    desk.plan(60, Overlap::Skip, None).await;
    let ahead = 315_000_000;
    let claim = desk.claim(ahead).await.pop().unwrap();
    let number = ledger.start_attempt(&claim, "kimi", at(ahead)).await;
    let failure = Failure {
        asked: AskedRow::bare(number.unwrap(), "kimi"),
        error: "HTTP 500".to_owned(),
        next_attempt_at: Some(at(ahead + 10)),
    };
    let write = ledger.attempt_failed(&claim, &failure, None, at(ahead));
    write.await.unwrap();
    desk.answered(ahead + 1, 1).await;

    let step = at(ahead) - at(90);
    let back = ledger.pull_back(at(90), step, |_, _, _| Cut::Nothing);
    back.await.unwrap();
    let again = desk.claim(100).await.pop().unwrap();
    assert_eq!(again.run_id, claim.run_id);
    assert_eq!(again.first_claimed_at(), at(90));
    let owed = take(&desk.ledger, "daemon-1", at(91));
    let owed = owed.await.unwrap();
    assert_eq!(owed.give_up_at(), at(91 + 86_400));
}

#[tokio::test]
async fn what_has_its_lease_renewed_is_not_taken_up() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    desk.answered(60, 1).await;
    desk.plan(120, Overlap::Allow, None).await;
    // One run and one delivery, both until 180.
    assert_eq!(desk.claim(120).await.len(), 1);
    assert!(take(ledger, "daemon-1", at(120)).await.is_some());
    ledger.renew("daemon-1", at(240)).await.unwrap();
    let none = ledger.take_up("daemon-2", at(200), "").await.unwrap();
    assert_eq!((none.runs, none.deliveries), (0, 0));
    let beat = ledger.beat("daemon-1", at(200), at(200), at(300));
    beat.await.unwrap();
    let none = ledger.take_up("daemon-2", at(299), "").await.unwrap();
    assert_eq!((none.runs, none.deliveries), (0, 0));
    let all = ledger.take_up("daemon-2", at(300), "").await.unwrap();
    assert_eq!((all.runs, all.deliveries), (1, 1));
}

#[tokio::test]
async fn a_claim_stands_until_its_run_is_cancelled() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    desk.plan(60, Overlap::Allow, None).await;
    let claim = desk.claim(60).await.pop().unwrap();
    assert!(ledger.holds(&claim).await.unwrap());
    let cancelled = ledger.cancel(claim.run_id, at(61)).await.unwrap();
    assert_eq!(cancelled, Some(true));
    assert!(!ledger.holds(&claim).await.unwrap());
}

#[tokio::test]
async fn a_run_whose_task_died_has_failed_and_is_told_of_once() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    desk.plan(60, Overlap::Allow, None).await;
    let run_id = desk.claim(60).await.pop().unwrap().run_id;
    let notice = notice(run_id);
    for second in [61, 62] {
        let died = ledger.died(run_id, "a bug", Some(&notice), at(second));
        died.await.unwrap();
    }
    let run = ledger.show(run_id).await.unwrap().unwrap();
    let row = (&*run.run.state, run.run.reason.as_deref());
    assert_eq!(row, ("failed", Some("a bug")));
    assert_eq!(run.deliveries.len(), 1);
    let again = ledger.end_run(run_id, RunState::Cancelled, "by hand", at(63));
    assert!(!again.await.unwrap());
}

#[tokio::test]
async fn a_record_that_reaches_past_a_step_back_is_cut() {
    for (left, until_at) in [(3, Some(180_000)), (1, None)] {
        let desk = Desk::new().await;
        let range = NewRange {
            job: GOLD.to_owned(),
            state: RunState::Missed,
            reason: "window",
            from: at(60),
            until: at(600),
            instants: 10,
        };
        let planning = Planning {
            ranges: vec![range],
            ..Planning::default()
        };
        desk.ledger.plan(&planning, at(600)).await.unwrap();
        let cut = |_: &str, _, _| Cut::Left(left, at(60 * left));
        let back = desk.ledger.pull_back(at(200), TimeDelta::seconds(400), cut);
        back.await.unwrap();
        let row = desk.ledger.history(None, 9).await.unwrap().pop().unwrap();
        assert_eq!(row.instants, i64::try_from(left).unwrap());
        assert_eq!(row.until_at, until_at);
    }
}

#[tokio::test]
async fn a_job_whose_schedule_changed_counts_from_now() {
    let desk = Desk::new().await;
    for (schedule, second, cursor) in [
        ("UTC every 1m", 60, 0),
        ("UTC every 2m", 90, 90),
        ("UTC every 2m", 120, 90),
    ] {
        let job = [ScheduledJob {
            name: GOLD,
            schedule: schedule.to_owned(),
        }];
        let (cursors, _) = desk.ledger.sync_jobs(&job, at(second)).await.unwrap();
        assert_eq!(cursors[GOLD], at(cursor));
    }
}

fn again(second: u64, waits: Waits) -> Outcome {
    Outcome::Again {
        error: "HTTP 503".to_owned(),
        unknown: false,
        at: at(second),
        waits,
    }
}

#[tokio::test]
async fn a_target_fails_since_its_first_refusal_until_it_takes_a_message() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    desk.answered(60, 1).await;
    // An attempt that was cut off here says nothing about the target.
    let cut_off = take(ledger, "daemon-1", at(60)).await.unwrap();
    let outcome = again(61, Waits::Nothing);
    let ended = ledger.delivery_ended(&cut_off, &outcome, at(60));
    ended.await.unwrap();
    assert!(ledger.target_states().await.unwrap().is_empty());
    for second in [61, 70] {
        let refused = take(ledger, "daemon-1", at(second)).await.unwrap();
        let outcome = again(second + 9, Waits::Target);
        let ended = ledger.delivery_ended(&refused, &outcome, at(second));
        ended.await.unwrap();
        let states = ledger.target_states().await.unwrap();
        assert_eq!(states[0].failing_since(), Some(at(61)));
    }
    let taken = take(ledger, "daemon-1", at(79)).await.unwrap();
    let delivered = delivered(at(80));
    let ended = ledger.delivery_ended(&taken, &delivered, at(80));
    ended.await.unwrap();
    let states = ledger.target_states().await.unwrap();
    assert_eq!(states[0].failing_since(), None);
    assert_eq!(states[0].delivered_at(), Some(at(80)));
}

#[tokio::test]
async fn a_visitor_is_held_until_its_instant() {
    let desk = Desk::new().await;
    let ledger = &desk.ledger;
    desk.answered(60, 1).await;
    let refused = take(ledger, "daemon-1", at(60)).await.unwrap();
    let hold = Hold {
        visitor: "https://ntfy.sh".to_owned(),
        until: at(120),
        why: "HTTP 429".to_owned(),
        spent_until: Some(at(300)),
    };
    let outcome = again(61, Waits::Visitor(hold.clone()));
    let ended = ledger.delivery_ended(&refused, &outcome, at(60));
    ended.await.unwrap();
    assert_eq!(ledger.visitors_held(at(119)).await.unwrap(), [hold]);
    assert_eq!(ledger.visitors_held(at(120)).await.unwrap(), []);
}
