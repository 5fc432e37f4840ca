//! What the ledger promises of notices: counted once each, never too many in an hour, none lost.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use promptcron::{
    ledger::{
        Access, Claimed, Claiming, Ledger, Letter, NewDelivery, NewNotice, NewRange, Owed,
        Planning, ScheduledJob, Standing, Step,
    },
    model::{RunId, RunState, Timestamp},
};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

fn at(second: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(second)
}

fn letter(title: &str, now: Timestamp) -> Letter {
    Letter {
        title: title.to_owned(),
        delivery: NewDelivery {
            kind: "notice",
            target: "phone".to_owned(),
            part: 1,
            parts: 1,
            turn: 1,
            sequence_id: format!("pc-{title}-{now}"),
            message: "{}".to_owned(),
            bytes: 2,
            next_at: now,
            give_up_at: now + Duration::from_secs(86_400),
        },
    }
}

/// A ledger, and every standing that a notice was composed for.
struct Desk {
    ledger: Ledger,
    standings: Arc<Mutex<Vec<Standing>>>,
    _folder: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.db"), Access::Write).await;
        Self {
            ledger: ledger.unwrap(),
            standings: Arc::default(),
            _folder: folder,
        }
    }

    fn notice(&self, subject: &str, step: Step, run_id: Option<RunId>, second: u64) -> NewNotice {
        let (standings, title) = (self.standings.clone(), subject.to_owned());
        NewNotice {
            subject: subject.to_owned(),
            step,
            run_id,
            most_per_hour: 3,
            compose: Arc::new(move |standing| {
                standings.lock().unwrap().push(standing);
                vec![letter(&title, at(second))]
            }),
        }
    }

    async fn tell(&self, subject: &str, step: Step, second: u64) {
        let notice = self.notice(subject, step, None, second);
        self.ledger.tell(&notice, at(second)).await.unwrap();
    }

    fn standing(&self) -> Standing {
        *self.standings.lock().unwrap().last().unwrap()
    }

    /// Takes what is owed to the phone next.
    async fn take(&self, now: Timestamp) -> Option<Owed> {
        let claiming = Claiming {
            target: "phone".to_owned(),
            of: None,
            owner: "daemon-1".to_owned(),
            now,
            lease_until: now + Duration::from_secs(MINUTE),
        };
        match self.ledger.claim_delivery(&claiming, None).await.unwrap() {
            Claimed::Owed(owed) => Some(*owed),
            Claimed::Wait(_) | Claimed::Nothing => None,
        }
    }

    /// Takes everything that is owed to the phone; tells how much.
    async fn owed(&self, second: u64) -> usize {
        let mut owed = 0;
        let now = at(second);
        while let Some(delivery) = self.take(now).await {
            assert_eq!((delivery.run_id, delivery.job), (None, None));
            owed += 1;
        }
        owed
    }
}

#[tokio::test]
async fn times_are_counted_until_it_is_over() {
    let desk = Desk::new().await;
    desk.tell("config", Step::Happened, 10).await;
    desk.tell("config", Step::Happened, 20).await;
    desk.tell("ai", Step::Happened, 25).await;
    desk.tell("config", Step::Happened, 30).await;
    let third = Standing {
        times: 3,
        since: at(10),
        told: 2,
        told_at: Some(at(20)),
    };
    assert_eq!(desk.standing(), third);
    desk.tell("config", Step::Over, 40).await;
    assert_eq!((desk.standing().times, desk.standing().told), (3, 3));
    desk.tell("config", Step::Happened, 50).await;
    assert_eq!((desk.standing().times, desk.standing().told), (1, 0));
}

#[tokio::test]
async fn what_never_began_is_not_over() {
    let desk = Desk::new().await;
    desk.tell("config", Step::Over, 10).await;
    assert!(desk.standings.lock().unwrap().is_empty());
    assert_eq!(desk.owed(10).await, 0);
}

#[tokio::test]
async fn a_notice_of_no_run_is_owed_as_an_answer_is() {
    let desk = Desk::new().await;
    desk.tell("config", Step::Happened, 10).await;
    let outbox = desk.ledger.outbox().await.unwrap();
    let owed: Vec<_> = (outbox.iter())
        .map(|of| (&*of.target, of.owed, of.since_at))
        .collect();
    assert_eq!(owed, [("phone", 1, 10_000)]);
    assert_eq!(desk.owed(20).await, 1);
    let outbox = desk.ledger.outbox().await.unwrap();
    assert_eq!((outbox[0].owed, outbox[0].since_at), (1, 20_000));
}

#[tokio::test]
async fn one_run_counts_once_however_many_of_its_targets_fail() {
    let desk = Desk::new().await;
    let job = ScheduledJob {
        name: "gold",
        schedule: "UTC every 1m".to_owned(),
    };
    desk.ledger.sync_jobs(&[job], at(0)).await.unwrap();
    let lease = at(120);
    let claim = desk.ledger.claim_manual("gold", "daemon-1", at(60), lease);
    let run_id = claim.await.unwrap().run_id;
    for _ in 0..2 {
        let notice = desk.notice("job/gold", Step::Happened, Some(run_id), 60);
        desk.ledger.tell(&notice, at(60)).await.unwrap();
    }
    assert_eq!(desk.standings.lock().unwrap().len(), 1);
    let deliveries = desk.ledger.deliveries(run_id).await.unwrap();
    assert_eq!(deliveries.len(), 1);
}

#[tokio::test]
async fn what_is_too_much_for_an_hour_is_summed_up() {
    let desk = Desk::new().await;
    for job in 0..200 {
        desk.tell(&format!("job/{job}"), Step::Happened, 100).await;
    }
    // Of three, the last is kept for the summary.
    assert_eq!(desk.owed(100).await, 2);
    // The others wait a minute for company.
    assert!(desk.ledger.gathered(3, at(120)).await.unwrap().is_empty());
    let gathered = desk.ledger.gathered(3, at(160)).await.unwrap();
    assert_eq!(gathered[0].titles.len(), 198);
    // One that comes meanwhile is not lost with them.
    desk.tell("job/late", Step::Happened, 161).await;
    let summary = letter("summary", at(162));
    let summed = desk.ledger.sum_up(&gathered[0], Some(&summary), at(162));
    summed.await.unwrap();
    assert_eq!(desk.owed(162).await, 1);
    // The hour is full.
    assert!(desk.ledger.gathered(3, at(300)).await.unwrap().is_empty());
    let later = desk.ledger.gathered(3, at(100 + HOUR)).await.unwrap();
    assert_eq!(later[0].titles, ["job/late"]);
    let summed = desk
        .ledger
        .sum_up(&later[0], Some(&summary), at(100 + HOUR));
    summed.await.unwrap();
    desk.tell("job/next", Step::Happened, 200 + HOUR).await;
    assert_eq!(desk.owed(200 + HOUR).await, 1, "two of three are told");
}

#[tokio::test]
async fn notices_of_a_clock_that_was_ahead_fill_no_hour() {
    let desk = Desk::new().await;
    for job in 0..4 {
        desk.tell(&format!("ahead/{job}"), Step::Happened, 9_000 * HOUR)
            .await;
    }
    let gathered = desk.ledger.gathered(3, at(100)).await.unwrap();
    assert_eq!(gathered[0].titles.len(), 2);
    desk.ledger
        .sum_up(&gathered[0], None, at(100))
        .await
        .unwrap();
    desk.tell("now", Step::Happened, 100).await;
    assert_eq!(desk.owed(9_000 * HOUR).await, 3);
}

#[tokio::test]
async fn what_was_missed_is_told_once_also_when_nobody_hears_of_it() {
    let desk = Desk::new().await;
    let range = |job: &str, reason| NewRange {
        job: job.to_owned(),
        state: RunState::Missed,
        reason,
        from: at(60),
        until: at(180),
        instants: 3,
    };
    let planning = Planning {
        ranges: vec![range("gold", "window"), range("news", "superseded")],
        ..Planning::default()
    };
    desk.ledger.plan(&planning, at(600)).await.unwrap();
    let missed = desk.ledger.missed().await.unwrap();
    let lost: Vec<_> = missed
        .iter()
        .map(|job| (job.job.as_str(), job.instants, job.is_lost))
        .collect();
    assert_eq!(lost, [("gold", 3, true), ("news", 3, false)]);
    assert_eq!((missed[0].first(), missed[0].last()), (at(60), at(180)));
    let told = desk.ledger.tell_missed(&missed, None, at(600));
    told.await.unwrap();
    assert!(desk.ledger.missed().await.unwrap().is_empty());
}

#[tokio::test]
async fn old_notices_are_pruned_with_their_deliveries() {
    let desk = Desk::new().await;
    desk.tell("config", Step::Happened, 100).await;
    let owed = desk.take(at(100)).await.unwrap();
    let delivered = promptcron::ledger::Outcome::Delivered {
        receipt: "x".to_owned(),
        no_sequence: false,
        back: None,
        next_part_at: at(101),
    };
    let ended = desk.ledger.delivery_ended(&owed, &delivered, at(100));
    ended.await.unwrap();
    let keep = Duration::from_secs(HOUR);
    let year = 366 * 24 * HOUR;
    assert_eq!(desk.ledger.prune(keep, at(year)).await.unwrap(), 0);
    // The attempt, the delivery, the notice, and its subject.
    let pruned = desk.ledger.prune(keep, at(2 * year)).await.unwrap();
    assert_eq!(pruned, 4);
}
