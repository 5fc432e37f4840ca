//! Who is told in the stead of a target that cannot be reached: what it is owed goes to another one,
//! once, and is not sent to it any more.

use std::{collections::HashMap, sync::Arc};

use chrono::TimeDelta;
use tracing::warn;

use super::{engine::Engine, gate, messages, outbox, parcel::Parcel, revision::Revision, words};
use crate::{
    config::{Job, Target},
    ledger::{HandedOver, Moving, NewDelivery, TargetState},
    model::Timestamp,
};

/// Hands over what is owed to targets that have been out of reach for too long; tells when to look again.
pub(super) async fn look(engine: &Engine, now: Timestamp) -> anyhow::Result<Option<Timestamp>> {
    let revision = engine.revision();
    let mut targets = revision.config.targets.values();
    if engine.stop.is_interrupting() || targets.all(|target| target.courtesy.fallback.is_empty()) {
        return Ok(None);
    }
    let states = engine.ledger.target_states().await?;
    let failing: HashMap<&str, &TargetState> = (states.iter())
        .filter(|state| state.failing_since().is_some())
        .map(|state| (&*state.target, state))
        .collect();
    let mut again = None;
    for state in failing.values() {
        let Some((target, _)) = revision.target(&state.target) else {
            continue;
        };
        let Some(at) = due_at(target, state) else {
            continue;
        };
        if at > now {
            again = Some(again.map_or(at, |again: Timestamp| again.min(at)));
            continue;
        }
        // One that fails itself is no help; where all do, what is owed stays where it is.
        let mut others = target.courtesy.fallback.iter();
        let Some(other) = others.find(|name| !failing.contains_key(&***name)) else {
            continue;
        };
        if let Some((other, _)) = revision.target(other) {
            hand_over(engine, &revision, target, other, now).await?;
            hand_over_notices(engine, &revision, target, other, now).await?;
        }
    }
    Ok(again)
}

/// When a target has been out of reach for long enough; None: it has no fallback.
fn due_at(target: &Target, state: &TargetState) -> Option<Timestamp> {
    let after = TimeDelta::from_std(target.courtesy.fallback_after).ok()?;
    let since = state.failing_since()?;
    (!target.courtesy.fallback.is_empty()).then(|| since + after)
}

async fn hand_over(
    engine: &Engine,
    revision: &Revision,
    target: &Target,
    other: &Arc<Target>,
    now: Timestamp,
) -> anyhow::Result<()> {
    for owed in engine.ledger.to_hand_over(&target.name).await? {
        let Some(job) = revision.job(&owed.job) else {
            continue;
        };
        let deliveries = instead(revision, job, target, other, &owed, now);
        let write = || {
            engine
                .ledger
                .hand_over(&owed, &target.name, &other.name, &deliveries, now)
        };
        let handed = engine.persist(write).await?;
        if let Some(HandedOver::Ended(run)) = &handed {
            engine.beat_of_end(run);
        }
        if matches!(handed, Some(HandedOver::Owed | HandedOver::Ended(_))) {
            let (job, run) = (&owed.job, owed.run_id);
            warn!(
                job,
                run,
                from = &*target.name,
                to = &*other.name,
                "the target cannot be reached: its answer goes to the fallback"
            );
            engine.deliverer.notify_one();
        }
    }
    Ok(())
}

/// Notices too: one of a target that cannot be reached is the very one that matters.
async fn hand_over_notices(
    engine: &Engine,
    revision: &Revision,
    target: &Target,
    other: &Arc<Target>,
    now: Timestamp,
) -> anyhow::Result<()> {
    for notice in engine.ledger.notices_to_hand_over(&target.name).await? {
        // One that cannot be read is given up, and told of, by the deliverer.
        let language = revision.config.language;
        let Some(delivery) = outbox::notice_instead(&notice, language, target, other, now) else {
            continue;
        };
        let ledger = &engine.ledger;
        let write = || ledger.hand_over_notice(&notice, &target.name, &delivery, now);
        if let Some(true) = engine.persist(write).await? {
            let (from, to) = (&*target.name, &*other.name);
            warn!(
                from,
                to, "the target cannot be reached: its notice goes to the fallback"
            );
            engine.deliverer.notify_one();
        }
    }
    Ok(())
}

/// The whole answer for the fallback, in parts of its own size; the first says whose place it takes.
fn instead(
    revision: &Revision,
    job: &Job,
    target: &Target,
    other: &Target,
    owed: &Moving,
    now: Timestamp,
) -> Vec<NewDelivery> {
    let language = revision.config.language;
    let parcels = owed.messages.iter();
    let parcels: Vec<Parcel> = parcels
        .filter_map(|json| serde_json::from_str(json).ok())
        .collect();
    let head = words::instead_of(language, &target.name);
    let anew = messages::anew(language, job, other, &head, &parcels);
    let give_up_at = gate::give_up_at(other, now, job.push_retry_for);
    outbox::handed_over(owed, other, anew, now, give_up_at)
}
