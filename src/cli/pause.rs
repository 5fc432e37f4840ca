//! `promptcron pause`, `resume`, `cancel`: kept in the ledger, so they work beside a daemon and
//! without one.

use anyhow::anyhow;
use chrono::Utc;
use clap::Args;

use super::{Failure, instant, out::say, records::Records};
use crate::{ledger::Access, model::RunId};

/// What `pause` is told.
#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    /// The job's name
    job: String,
    /// Until this instant: 2026-12-24T08:00 in the job's zone, or RFC 3339; else until `resume`
    #[arg(long, value_name = "INSTANT")]
    until: Option<String>,
}

/// What `resume` is told.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The job's name
    job: String,
}

/// What `cancel` is told.
#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    /// The run's number, as `history` lists it
    run: RunId,
}

pub(super) fn pause(records: &Records, args: &PauseArgs) -> Result<(), Failure> {
    records.check_job(&args.job)?;
    let (name, zone, now) = (args.job.as_str(), records.zone_of(&args.job), Utc::now());
    let until = args.until.as_deref().map(|text| instant::parse(text, zone));
    let until = until.transpose().map_err(Failure::Config)?;
    if until.is_some_and(|until| until <= now) {
        return Err(Failure::Config(anyhow!(
            "--until is in the past: name a later instant"
        )));
    }
    if !records.with(Access::Write, async |ledger| {
        ledger.pause(name, now, until).await
    })? {
        return Err(unknown(name));
    }
    match until {
        Some(until) => say!("{name} is paused until {}", instant::local(until, zone)),
        None => say!("{name} is paused: `promptcron resume {name}` ends it"),
    }
    Ok(())
}

pub(super) fn resume(records: &Records, args: &ResumeArgs) -> Result<(), Failure> {
    records.check_job(&args.job)?;
    let name = args.job.as_str();
    if records.with(Access::Write, async |ledger| {
        ledger.resume(name, Utc::now()).await
    })? {
        say!("{name} is resumed; what was due meanwhile is skipped");
    } else {
        say!("{name} is not paused");
    }
    Ok(())
}

pub(super) fn cancel(records: &Records, args: &CancelArgs) -> Result<(), Failure> {
    match records.with(Access::Write, async |ledger| {
        ledger.cancel(args.run, Utc::now()).await
    })? {
        Some(true) => say!("run {} is cancelled", args.run),
        Some(false) => say!("run {} is over: nothing to cancel", args.run),
        None => {
            return Err(Failure::Work(anyhow!(
                "there is no run {}: `promptcron history` lists them",
                args.run
            )));
        }
    }
    Ok(())
}

fn unknown(name: &str) -> Failure {
    Failure::Work(anyhow!(
        "the ledger does not know job {name} yet: pause it once `promptcron run` has started with it"
    ))
}
