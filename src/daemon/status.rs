//! The daemon in one line, for `systemctl status`. Pure.

use super::revision::Revision;
use crate::model::{JobName, Timestamp};

/// `12 jobs, next gold at 08:00`; a refused config comes first, because somebody has to act.
pub(super) fn line(
    revision: &Revision,
    next: Option<&(JobName, Timestamp)>,
    rejected: Option<&str>,
    now: Timestamp,
) -> String {
    let jobs = revision
        .config
        .jobs
        .iter()
        .filter(|job| job.enabled)
        .count();
    let jobs = format!("{jobs} job{}", if jobs == 1 { "" } else { "s" });
    let next = match next {
        Some((name, at)) => format!("next {name} at {}", clock_time(revision, name, *at, now)),
        None => "nothing is due".to_owned(),
    };
    match rejected {
        Some(error) => format!("config rejected: {error} ({jobs}, {next})"),
        None => format!("{jobs}, {next}"),
    }
}

/// The time in the job's zone; with the date where it is not today.
fn clock_time(revision: &Revision, name: &JobName, at: Timestamp, now: Timestamp) -> String {
    let zone = match revision.job(name.as_str()) {
        Some(job) => job.schedule.zone(),
        None => revision.config.timezone,
    };
    let (at, now) = (at.with_timezone(&zone), now.with_timezone(&zone));
    let format = match at.date_naive() == now.date_naive() {
        true => "%H:%M",
        false => "%Y-%m-%d %H:%M",
    };
    at.format(format).to_string()
}
