//! The work whose instructions are counted: `cargo bench --bench instructions -- NAME`.
//!
//! `bench/instructions` runs each under callgrind and holds the counts against the committed ones.
//! Nothing here reads the clock or anything else that differs from run to run.

#[path = "../bench/corpus.rs"]
mod corpus;

use std::{env, hint::black_box, time::Duration};

use anyhow::{Context as _, bail};
use chrono::TimeDelta;
use promptcron::{
    config::Overlap,
    ledger::{
        Access, Answered, AskedRow, Claimed, Claiming, Ledger, NewDelivery, NewOccurrence, Outcome,
        Planning, Said, ScheduledJob,
    },
    model::{JobName, Language, Timestamp},
    render::{Sources, SplitLimits, Style, TextOptions, page, render, split},
    schedule::{CatchUp, Misfires, Patterns, plan},
};

fn main() -> anyhow::Result<()> {
    let name = env::args().skip(1).find(|arg| arg != "--bench");
    match name.as_deref() {
        Some("planning") => planning(),
        Some("rendering") => {
            rendering();
            Ok(())
        }
        Some("ledger") => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(ledger()),
        _ => anyhow::bail!("say what is to be done: planning, rendering or ledger"),
    }
}

/// 200 schedules in four zones, each planned after a minute, a day and a month of downtime.
fn planning() -> anyhow::Result<()> {
    let zones = [
        chrono_tz::UTC,
        chrono_tz::Asia::Shanghai,
        chrono_tz::Europe::Berlin,
        chrono_tz::America::New_York,
    ];
    let now = instant(1_774_753_260)?;
    let mut patterns = Patterns::default();
    for i in 0..200 {
        let text = match i % 4 {
            0 => format!("{} {} * * *", i % 60, i % 24),
            1 => format!("*/{} * * * *", i % 25 + 5),
            2 => format!("{} 8 * * 1-5", i % 60),
            _ => format!("{} 2,14 1,15 * *", i % 60),
        };
        let schedule = patterns.cron(&text, zones[i / 4 % zones.len()])?;
        let job = JobName::new(&format!("job-{i}"));
        for (catch_up, minutes) in [
            (CatchUp::Latest, 1),
            (CatchUp::Latest, 24 * 60),
            (CatchUp::All, 24 * 60),
            (CatchUp::Skip, 30 * 24 * 60),
        ] {
            let misfires = Misfires {
                catch_up,
                window: Duration::from_hours(6),
            };
            let cursor = now - TimeDelta::minutes(minutes);
            black_box(plan(&job, &schedule, &misfires, cursor, now));
        }
        black_box(schedule.upcoming(now).take(50).last());
    }
    Ok(())
}

/// 100 kB of answers, as every style and as a page.
fn rendering() {
    let corpus = corpus::corpus(100_000);
    let options = TextOptions::default();
    black_box(render(&corpus, Style::Classic, Sources::Cut, &options));
    let text = render(&corpus, Style::Plain, Sources::Cut, &options);
    let limits = SplitLimits {
        max_bytes: 1_500,
        max_parts: 1_000,
    };
    black_box(split(&text, Some("金价"), &limits, Language::Zh));
    black_box(page(&corpus, None));
}

/// 50 occurrences on their way from the planning to the receipt, each claimed by itself.
async fn ledger() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let ledger = Ledger::open(&folder.path().join("ledger.db"), Access::Write).await?;
    let now = instant(1_774_753_260)?;
    let lease_until = now + TimeDelta::minutes(10);
    let names: Vec<String> = (0..50).map(|i| format!("job-{i}")).collect();
    let scheduled = names.iter().map(|name| ScheduledJob {
        name,
        schedule: "UTC 0 8 * * *".to_owned(),
    });
    let jobs: Vec<_> = scheduled.collect();
    ledger.sync_jobs(&jobs, now).await?;
    let occurrences = names.iter().map(|name| NewOccurrence {
        job: name.clone(),
        scheduled_at: now,
        due_at: now,
        overlap: Overlap::Skip,
        start_by: None,
    });
    let planning = Planning {
        occurrences: occurrences.collect(),
        jobs: names.clone(),
        ..Planning::default()
    };
    ledger.plan(&planning, now).await?;
    for name in &names {
        let claims = ledger.claim("owner", now, lease_until, 1).await?;
        let claim = claims.first().context("a run is due")?;
        let number = ledger.start_attempt(claim, "kimi", now).await?;
        let answered = Answered {
            asked: AskedRow::bare(number, "kimi"),
            prompt: "金价？".to_owned(),
            answer: "**金价**上涨。".repeat(50),
            turn: None,
            sources: None,
            cut_off: false,
            model: "kimi".to_owned(),
            instead_of: None,
            asked_ms: 1,
            said: Said::default(),
        };
        let delivery = NewDelivery {
            kind: "answer",
            target: "phone".to_owned(),
            part: 1,
            parts: 1,
            turn: 1,
            sequence_id: format!("{name}-1"),
            message: r#"{"message":"金价上涨。"}"#.to_owned(),
            bytes: 15,
            next_at: now,
            give_up_at: lease_until,
        };
        ledger.answered(claim, &answered, &[delivery], now).await?;
        let claiming = Claiming {
            target: "phone".to_owned(),
            of: None,
            owner: "owner".to_owned(),
            now,
            lease_until,
        };
        let Claimed::Owed(owed) = ledger.claim_delivery(&claiming, None).await? else {
            bail!("a delivery is owed");
        };
        let outcome = Outcome::Delivered {
            receipt: "bench0000001".to_owned(),
            next_part_at: now,
            back: None,
            no_sequence: false,
        };
        let done = ledger.delivery_ended(&owed, &outcome, now).await?;
        done.context("the run is over")?;
    }
    ledger.close().await;
    Ok(())
}

fn instant(seconds: i64) -> anyhow::Result<Timestamp> {
    Timestamp::from_timestamp(seconds, 0).context("an instant")
}
