//! A ledger with one job, and the writes that a daemon makes for it, one by one.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

use std::time::Duration;

use promptcron::{
    config::Overlap,
    ledger::{
        Access, Answered, AskedRow, Claim, Claimed, Claiming, Ledger, NewDelivery, NewOccurrence,
        Outcome, Owed, Planning, Said, ScheduledJob, TurnRow,
    },
    model::{RunId, Timestamp},
};

pub const LEASE: Duration = Duration::from_secs(60);
pub const GOLD: &str = "金价";

pub fn at(second: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(second)
}

pub struct Desk {
    pub ledger: Ledger,
    _folder: tempfile::TempDir,
}

impl Desk {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Access::Write).await.unwrap();
        let job = ScheduledJob {
            name: GOLD,
            schedule: "UTC every 1m".to_owned(),
        };
        ledger.sync_jobs(&[job], at(0)).await.unwrap();
        Self {
            ledger,
            _folder: folder,
        }
    }

    pub async fn plan(&self, second: u64, overlap: Overlap, start_by: Option<Timestamp>) {
        let occurrence = NewOccurrence {
            job: GOLD.to_owned(),
            scheduled_at: at(second),
            due_at: at(second),
            overlap,
            start_by,
        };
        let planning = Planning {
            occurrences: vec![occurrence],
            jobs: vec![GOLD.to_owned()],
            ..Planning::default()
        };
        self.ledger.plan(&planning, at(second)).await.unwrap();
    }

    pub async fn claim(&self, second: u64) -> Vec<Claim> {
        let now = at(second);
        let claims = self.ledger.claim("daemon-1", now, now + LEASE, 4).await;
        claims.unwrap()
    }

    /// A claimed run with its answer for `parts` of one target.
    pub async fn answered(&self, second: u64, parts: i64) -> RunId {
        self.plan(second, Overlap::Allow, None).await;
        let claim = self.claim(second).await.pop().unwrap();
        self.answer(&claim, second, parts, None).await;
        claim.run_id
    }

    /// The answer of a claimed run, which may be a turn of a conversation.
    pub async fn answer(&self, claim: &Claim, second: u64, parts: i64, turn: Option<TurnRow>) {
        let number = self.ledger.start_attempt(claim, "kimi", at(second)).await;
        let answered = Answered {
            asked: AskedRow::bare(number.unwrap(), "kimi"),
            instead_of: None,
            prompt: "金价？".to_owned(),
            answer: "涨".to_owned(),
            sources: None,
            cut_off: false,
            turn,
            model: "kimi".to_owned(),
            asked_ms: 1,
            said: Said::default(),
        };
        let deliveries: Vec<_> = (1..=parts)
            .map(|part| delivery("answer", part, parts, at(second)))
            .collect();
        let write = self
            .ledger
            .answered(claim, &answered, &deliveries, at(second));
        write.await.unwrap();
    }
}

pub fn delivery(kind: &'static str, part: i64, parts: i64, now: Timestamp) -> NewDelivery {
    NewDelivery {
        kind,
        target: "phone".to_owned(),
        part,
        parts,
        turn: part,
        sequence_id: format!("pc-{kind}-{part}"),
        message: "{}".to_owned(),
        bytes: 2,
        next_at: now,
        give_up_at: now + Duration::from_secs(86_400),
    }
}

pub async fn take(ledger: &Ledger, owner: &str, now: Timestamp) -> Option<Owed> {
    let claiming = Claiming {
        target: "phone".to_owned(),
        of: None,
        owner: owner.to_owned(),
        now,
        lease_until: now + LEASE,
    };
    match ledger.claim_delivery(&claiming, None).await.unwrap() {
        Claimed::Owed(owed) => Some(*owed),
        Claimed::Wait(_) | Claimed::Nothing => None,
    }
}

/// What came of a delivery that the server took.
pub fn delivered(next_part_at: Timestamp) -> Outcome {
    Outcome::Delivered {
        receipt: "x".to_owned(),
        back: None,
        no_sequence: false,
        next_part_at,
    }
}
