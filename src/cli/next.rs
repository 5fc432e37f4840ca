//! `promptcron next`: what is due next.

use std::time::Duration;

use anyhow::bail;
use chrono::Utc;
use clap::Args;
use serde::Serialize;

use super::{Failure, instant, out::say, table};
use crate::{
    config::{Config, Job},
    model::Timestamp,
    schedule,
};

/// What `next` is told.
#[derive(Debug, Args)]
pub(super) struct NextArgs {
    /// Only this job
    job: Option<String>,
    /// How many occurrences
    #[arg(short, default_value_t = 10, value_name = "N")]
    n: usize,
    /// From this instant on instead of now: 2026-12-24T08:00 in the file's zone, or RFC 3339
    #[arg(long, value_name = "INSTANT")]
    after: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// One line of `next --json`.
#[derive(Serialize)]
struct Line<'a> {
    job: &'a str,
    scheduled_at: String,
    local: String,
    /// Only where jitter delays it.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
}

/// Prints the next occurrences of every enabled job, or of one.
pub(super) fn run(config: &Config, args: &NextArgs) -> Result<(), Failure> {
    let after = match &args.after {
        Some(text) => instant::parse(text, config.timezone).map_err(Failure::Config)?,
        None => Utc::now(),
    };
    let jobs = jobs(config, args.job.as_deref()).map_err(Failure::Config)?;
    let upcoming = upcoming(&jobs, after, args.n);
    if args.json {
        for (at, job) in upcoming {
            say!("{}", serde_json::to_string(&line(job, at))?);
        }
        return Ok(());
    }
    if upcoming.is_empty() {
        say!(
            "nothing is due after {}",
            instant::local(after, config.timezone)
        );
    }
    let rows: Vec<Vec<String>> = upcoming.iter().map(|(at, job)| row(job, *at)).collect();
    for line in table::lines(&rows) {
        say!("{line}");
    }
    Ok(())
}

fn jobs<'a>(config: &'a Config, name: Option<&str>) -> anyhow::Result<Vec<&'a Job>> {
    let Some(name) = name else {
        let enabled = config.jobs.iter().filter(|job| job.enabled);
        return Ok(enabled.map(AsRef::as_ref).collect());
    };
    let job = named(config, name)?;
    if !job.enabled {
        bail!("job {name} is not enabled: it is never due (set enabled = true)");
    }
    Ok(vec![job])
}

/// The job of a name that a person typed.
///
/// # Errors
/// There is none; says which there are.
pub(super) fn named<'a>(config: &'a Config, name: &str) -> anyhow::Result<&'a Job> {
    match config.job(name) {
        Some(job) => Ok(job),
        None => {
            const MOST: usize = 20;
            let names: Vec<&str> = config
                .jobs
                .iter()
                .take(MOST)
                .map(|job| job.name.as_str())
                .collect();
            let more = if config.jobs.len() > MOST {
                ", …"
            } else {
                ""
            };
            bail!(
                "there is no job {name} in {}: it has {}{more}",
                config.file.display(),
                names.join(", ")
            )
        }
    }
}

/// The first `n` occurrences over all jobs, by instant and then by the file's order.
fn upcoming<'a>(jobs: &[&'a Job], after: Timestamp, n: usize) -> Vec<(Timestamp, &'a Job)> {
    let schedules: Vec<_> = jobs.iter().map(|job| &job.schedule).collect();
    let upcoming = schedule::upcoming(&schedules, after, n);
    (upcoming.into_iter())
        .map(|(at, index)| (at, jobs[index]))
        .collect()
}

/// The instant as the job's jitter delays it, where it does.
fn delayed(job: &Job, at: Timestamp) -> Option<Timestamp> {
    Some(job.schedule.due_at(&job.name, at)).filter(|due| *due != at)
}

fn line(job: &Job, at: Timestamp) -> Line<'_> {
    let zone = job.schedule.zone();
    Line {
        job: job.name.as_str(),
        scheduled_at: instant::utc(at),
        local: at.with_timezone(&zone).to_rfc3339(),
        due_at: delayed(job, at).map(instant::utc),
    }
}

fn row(job: &Job, at: Timestamp) -> Vec<String> {
    let zone = job.schedule.zone();
    let jitter = delayed(job, at).map_or_else(String::new, |due| {
        let delay = Duration::from_secs((due - at).num_seconds().unsigned_abs());
        format!("(+{} jitter)", humantime::format_duration(delay))
    });
    vec![
        instant::local(at, zone),
        zone.to_string(),
        job.name.to_string(),
        jitter,
    ]
}
