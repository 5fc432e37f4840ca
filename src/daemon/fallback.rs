//! Who is told in the stead of a target that cannot be reached: what it is owed goes to another one,
//! once, and is not sent to it any more.

use std::{collections::HashMap, sync::Arc};

use tracing::warn;

use super::{
    engine::Engine,
    gate::{self, Gates},
    messages, outbox,
    parcel::Parcel,
    revision::Revision,
    words,
};
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
    let gates = Gates::read(engine).await?;
    let mut again = None;
    for state in failing.values() {
        let Some((target, _)) = revision.target(&state.target) else {
            continue;
        };
        let Some(at) = due_at(target, state) else {
            continue;
        };
        // Quiet hours are no failure.
        let at = at.max(gate::quiet_until(target, now).unwrap_or(at));
        if at > now {
            again = Some(again.map_or(at, |again: Timestamp| again.min(at)));
            continue;
        }
        // One that fails itself is no help, nor one that its server holds; where all do, what is owed stays where it is.
        let helps =
            |name: &str| !failing.contains_key(name) && !gates.is_held(&revision, name, now);
        let others = target.courtesy.fallback.iter().filter(|name| helps(name));
        let others = others.filter_map(|name| Some(revision.target(name)?.0));
        let handing = Handing {
            engine,
            revision: &revision,
            from: target,
            others: others.collect(),
            is_held: gates.is_held(&revision, &target.name, now),
            now,
        };
        // What came after its last failure is tried there first, unless its server lets nothing through.
        let by = match handing.is_held {
            true => now,
            false => state.failed_at().unwrap_or(now),
        };
        handing.answers(by).await?;
        handing.notices().await?;
    }
    Ok(again)
}

/// When a target has been out of reach for long enough, its quiet hours left out; None: it has no fallback.
fn due_at(target: &Target, state: &TargetState) -> Option<Timestamp> {
    let (since, courtesy) = (state.failing_since()?, &target.courtesy);
    let has_fallback = !courtesy.fallback.is_empty();
    has_fallback.then(|| gate::give_up_at(target, since, courtesy.fallback_after))
}

/// What one target is owed on its way to others.
struct Handing<'a> {
    engine: &'a Engine,
    revision: &'a Revision,
    from: &'a Arc<Target>,
    others: Vec<&'a Arc<Target>>,
    is_held: bool,
    now: Timestamp,
}

impl Handing<'_> {
    async fn answers(&self, by: Timestamp) -> anyhow::Result<()> {
        let ledger = &self.engine.ledger;
        for owed in ledger.to_hand_over(&self.from.name, by).await? {
            if let Some(job) = self.revision.job(&owed.job) {
                self.answer(job, &owed).await?;
            }
        }
        Ok(())
    }

    /// To the first that takes it.
    async fn answer(&self, job: &Job, owed: &Moving) -> anyhow::Result<()> {
        let (engine, from, now) = (self.engine, &self.from.name, self.now);
        for other in &self.others {
            let deliveries = instead(self.revision, job, self.from, other, owed, now);
            let ledger = &engine.ledger;
            let write = || ledger.hand_over(owed, from, &other.name, &deliveries, now);
            match engine.persist(write).await? {
                Some(HandedOver::Refused) => continue,
                None | Some(HandedOver::Nothing) => return Ok(()),
                Some(HandedOver::Owed) => {}
                Some(HandedOver::Ended(run)) => engine.beat_of_end(&run),
            }
            let (job, run) = (&owed.job, owed.run_id);
            warn!(
                job,
                run,
                from = &**from,
                to = &*other.name,
                "the target cannot be reached: its answer goes to the fallback"
            );
            engine.deliverer.notify_one();
            return Ok(());
        }
        Ok(())
    }

    /// Notices too: one of a target that cannot be reached is the very one that matters.
    async fn notices(&self) -> anyhow::Result<()> {
        let (engine, from, now) = (self.engine, self.from, self.now);
        let Some(other) = self.others.first() else {
            return Ok(());
        };
        let (ledger, language) = (&engine.ledger, self.revision.config.language);
        let notices = ledger.notices_to_hand_over(&from.name, self.is_held);
        for notice in notices.await? {
            // One that cannot be read is given up, and told of, by the deliverer.
            let Some(delivery) = outbox::notice_instead(&notice, language, from, other, now) else {
                continue;
            };
            let write = || ledger.hand_over_notice(&notice, &from.name, &delivery, now);
            if let Some(true) = engine.persist(write).await? {
                let (from, to) = (&*from.name, &*other.name);
                warn!(
                    from,
                    to, "the target cannot be reached: its notice goes to the fallback"
                );
                engine.deliverer.notify_one();
            }
        }
        Ok(())
    }
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
