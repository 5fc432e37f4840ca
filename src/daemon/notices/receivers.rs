//! Who hears of a notice. Pure.

use std::{collections::BTreeMap, slice, sync::Arc, time::Duration};

use chrono_tz::Tz;

use super::Notice;
use crate::{
    config::{Config, Target},
    ledger::MissedJob,
};

/// How long a notice that is about no job is sent again.
const TRIED_FOR: Duration = Duration::from_hours(24);

/// One who hears of a notice, and of what of it.
pub(super) struct Receiver {
    pub(super) target: Arc<Target>,
    pub(super) notice: Notice,
    /// Whose wall clock its instants are on.
    pub(super) zone: Tz,
    /// How long it is sent again.
    pub(super) tried_for: Duration,
}

/// `alerts`; without it the targets of the job it is about; and for what is about no job the
/// target, where the config has one alone. None hears that nothing is sent to itself.
pub(super) fn receivers(config: &Config, notice: &Notice) -> Vec<Receiver> {
    let (job, held) = (notice.job(), notice.target());
    let receiver = |name: &Arc<str>, notice: Notice| {
        let target = config.targets.get(name);
        Some(Receiver {
            target: target.filter(|_| held != Some(name))?.clone(),
            notice,
            zone: job.map_or(config.timezone, |job| job.schedule.zone()),
            tried_for: job.map_or(TRIED_FOR, |job| job.push_retry_for),
        })
    };
    let to = |names: &[Arc<str>]| {
        let receivers = names.iter().map(|name| receiver(name, notice.clone()));
        receivers.flatten().collect()
    };
    if let Some(alerts) = &config.alerts {
        return to(slice::from_ref(alerts));
    }
    if let Some(job) = job {
        return to(&job.targets);
    }
    if let Notice::Missed(missed) = notice {
        let each = by_target(config, missed).into_iter();
        let each = each.map(|(name, missed)| receiver(&name, Notice::Missed(missed)));
        return each.flatten().collect();
    }
    let mut names = config.targets.keys();
    match (names.next(), names.next()) {
        (Some(only), None) => to(slice::from_ref(only)),
        _ => Vec::new(),
    }
}

/// What each target would have got.
fn by_target(config: &Config, missed: &[MissedJob]) -> BTreeMap<Arc<str>, Vec<MissedJob>> {
    let mut by_target: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for missed in missed {
        let job = config.job(&missed.job);
        for target in job.iter().flat_map(|job| job.targets.iter()) {
            let of_target = by_target.entry(target.clone()).or_default();
            of_target.push(missed.clone());
        }
    }
    by_target
}
