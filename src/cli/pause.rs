//! `promptcron pause`, `resume`, `cancel`: kept in the ledger, so they work beside a daemon and
//! without one.

use anyhow::anyhow;
use chrono::Utc;
use clap::Args;

use super::{Failure, block_on, instant, next::named, out::say};
use crate::{
    config::Config,
    ledger::{Access, Ledger},
    model::RunId,
};

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

pub(super) fn pause(config: &Config, args: &PauseArgs) -> Result<(), Failure> {
    let job = named(config, &args.job).map_err(Failure::Config)?;
    let (name, zone, now) = (job.name.as_str(), job.schedule.zone(), Utc::now());
    let until = args.until.as_deref().map(|text| instant::parse(text, zone));
    let until = until.transpose().map_err(Failure::Config)?;
    if until.is_some_and(|until| until <= now) {
        return Err(Failure::Config(anyhow!(
            "--until is in the past: name a later instant"
        )));
    }
    if !with_ledger(config, async |ledger| ledger.pause(name, now, until).await)? {
        return Err(unknown(name));
    }
    match until {
        Some(until) => say!("{name} is paused until {}", instant::local(until, zone)),
        None => say!("{name} is paused: `promptcron resume {name}` ends it"),
    }
    Ok(())
}

pub(super) fn resume(config: &Config, args: &ResumeArgs) -> Result<(), Failure> {
    let name = named(config, &args.job)
        .map_err(Failure::Config)?
        .name
        .as_str();
    if with_ledger(config, async |ledger| ledger.resume(name, Utc::now()).await)? {
        say!("{name} is resumed; what was due meanwhile is skipped");
    } else {
        say!("{name} is not paused");
    }
    Ok(())
}

pub(super) fn cancel(config: &Config, args: &CancelArgs) -> Result<(), Failure> {
    match with_ledger(config, async |ledger| {
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
        "the ledger does not know job {name} yet: it is paused once a daemon has seen it"
    ))
}

/// One short transaction beside a running daemon.
fn with_ledger<T>(
    config: &Config,
    act: impl AsyncFnOnce(&Ledger) -> Result<T, crate::ledger::LedgerError>,
) -> Result<T, Failure> {
    block_on(async {
        let ledger = Ledger::open(&config.ledger.0, Access::Write).await?;
        let done = act(&ledger).await;
        ledger.close().await;
        Ok(done?)
    })?
}
