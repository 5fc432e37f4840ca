//! What a target is owed, one message after the other: claim, POST, outcome.

use std::{borrow::Cow, sync::Arc};

use tracing::info;

use super::{
    super::{
        engine::Engine,
        gate,
        links::{Buttons, links},
        notices::Notice,
        outbox,
        parcel::Parcel,
    },
    BETWEEN_PARTS, log,
    verdict::{End, back, failed, interrupted, refused, without_file},
};
use crate::{
    config::{Job, Target},
    ledger::{Claimed, Claiming, Outcome, Owed, Waits},
    model::{Language, RunId, Timestamp},
    push::{Client, PushError, Receipt, Sighting},
    web::{Links, Purpose},
};

/// Sends one message after the other, until nothing is owed to the target now; tells until when its server
/// grants none, where that is why.
pub(super) async fn send_owed(
    engine: &Engine,
    target: &str,
    of: Option<RunId>,
) -> anyhow::Result<Option<Timestamp>> {
    let mut claimed = claim(engine, target, of).await?;
    loop {
        let owed = match claimed {
            Claimed::Owed(owed) => owed,
            Claimed::Wait(at) => return Ok(Some(at)),
            Claimed::Nothing => return Ok(None),
        };
        let links = links(engine).await?;
        let outcome = send(engine, &owed, links.as_ref()).await;
        // One behind the other in the same transaction: a message costs one sync of the disk.
        let (ended, next) = tokio::join!(
            write_outcome(engine, &owed, &outcome),
            claim(engine, target, of)
        );
        ended?;
        claimed = next?;
    }
}

/// Claims what the target is to be sent next.
async fn claim(engine: &Engine, target: &str, of: Option<RunId>) -> anyhow::Result<Claimed> {
    let (revision, now) = (engine.revision(), engine.clock.now());
    let known = revision.target(target).map(|(target, _)| target);
    // What was asked for by hand is not held at night.
    let is_held = |target| of.is_none() && gate::quiet_until(target, now).is_some();
    if engine.stop.is_interrupting() || known.is_some_and(|target| is_held(target)) {
        return Ok(Claimed::Nothing);
    }
    let admission = known.map(|target| gate::admission(target, now));
    let claiming = Claiming {
        target: target.to_owned(),
        of,
        owner: engine.owner.as_str().to_owned(),
        now,
        lease_until: engine.lease_until(),
    };
    let claim = || engine.ledger.claim_delivery(&claiming, admission.as_ref());
    Ok(engine.persist(claim).await?.unwrap_or(Claimed::Nothing))
}

async fn write_outcome(engine: &Engine, owed: &Owed, outcome: &Outcome) -> anyhow::Result<()> {
    let now = || engine.clock.now();
    let write = || engine.ledger.delivery_ended(owed, outcome, now());
    match engine.persist(write).await {
        Ok(completed) => {
            tell_of_target(engine, owed, outcome).await?;
            // Whoever asked by hand reads it on the terminal.
            if let Some(completed) = completed.flatten().filter(|_| !engine.tries_once) {
                log::completed(&completed);
                engine.beat_of_end(&completed);
            }
        }
        Err(lost) if lost.is_fenced() => {
            info!(
                job = owed.job,
                run = owed.run_id,
                "the delivery was cancelled or taken over: its outcome here is dropped"
            );
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// The attempt from which on a target is out of reach for long: about a quarter of an hour.
const LONG_OUT: i64 = 10;

/// A server that lets nothing through for long is told of, and that it does again.
async fn tell_of_target(engine: &Engine, owed: &Owed, outcome: &Outcome) -> anyhow::Result<()> {
    let target = Arc::from(owed.target.as_str());
    let notice = match outcome {
        // A pace is no trouble.
        Outcome::Again {
            waits: Waits::Visitor(hold),
            ..
        }
        | Outcome::Failed {
            hold: Some(hold), ..
        } if hold.spent_until.is_none() => Notice::TargetHeld {
            target,
            until: hold.until,
            error: hold.why.clone(),
        },
        Outcome::Again {
            waits: Waits::Target,
            error,
            at,
            ..
        } if owed.number >= LONG_OUT => Notice::TargetHeld {
            target,
            until: *at,
            error: error.clone(),
        },
        // Also of a message that met nothing: what did may have been given up, or handed over.
        Outcome::Delivered { .. } => Notice::TargetBack { target },
        _ => return Ok(()),
    };
    match engine.tries_once {
        true => Ok(()),
        false => Ok(engine.tell(notice).await?),
    }
}

async fn send(engine: &Engine, owed: &Owed, links: Option<&Links>) -> Outcome {
    let revision = engine.revision();
    let job = owed.job.as_deref().and_then(|job| revision.job(job));
    let give_up = |error: String| {
        let now = engine.clock.now();
        failed(engine, &revision, owed, End::of_the_message(error), now)
    };
    let Some((target, client)) = revision.target(&owed.target) else {
        return give_up(format!(
            "the target {} is no longer in the config: put it back, or leave it",
            owed.target
        ));
    };
    let mut parcel: Parcel = match serde_json::from_str(&owed.message) {
        Ok(parcel) => parcel,
        Err(error) => return give_up(format!("the message in the ledger cannot be read: {error}")),
    };
    let of_job = job.filter(|_| owed.kind == "answer");
    let mut target = of_job.map_or(Cow::Borrowed(&**target), |job| {
        Cow::Owned(target.for_job(job))
    });
    if !parcel.message.topic.is_empty() {
        // It may be meant for others than those whom the job as it is now would tell.
        target = Cow::Owned(target.into_owned().at_topic(&parcel.message.topic));
    }
    let target = &*target;
    let (language, now) = (revision.config.language, engine.clock.now());
    parcel.address(
        target,
        owed,
        &Buttons {
            links,
            language,
            now,
        },
    );
    if let (Some(links), Some(run_id)) = (links, owed.run_id) {
        parcel.open(links.to(Purpose::Read, run_id, now));
    }
    if gate::is_hushed(target, now) {
        parcel.hush();
    }
    if let Some(line) = job.and_then(|job| late_line(language, job, owed, now)) {
        parcel.begin_with(&line);
    }
    let pushed = tokio::select! {
        pushed = push(client, target, owed, &parcel, now) => pushed,
        () = engine.stop.interrupting() => return interrupted(engine),
    };
    let now = engine.clock.now();
    match pushed {
        Ok(receipt) => Outcome::Delivered {
            no_sequence: target.ntfy().is_some() && receipt.sequence_id.is_none(),
            receipt: receipt.id,
            back: back(engine, &revision, owed, now),
            next_part_at: now + BETWEEN_PARTS,
        },
        Err(error) => match parcel.instead_after(&error) {
            Some(messages) => without_file(owed, target, messages, &error, now),
            None => refused(engine, &revision, target, owed, &error, now),
        },
    }
}

/// Sends a message; one that may be there already is looked for first.
async fn push(
    client: &Client,
    target: &Target,
    owed: &Owed,
    parcel: &Parcel,
    now: Timestamp,
) -> Result<Receipt, PushError> {
    let since = (owed.unknown_since()).filter(|_| gate::looks_first(target, owed));
    if let Some(since) = since {
        let age = (now - since).to_std().unwrap_or_default();
        let topic = &parcel.message.topic;
        let sighting = client.sighting(target, topic, &owed.sequence_id, age);
        if let Sighting::There(receipt) = sighting.await? {
            info!(
                target = &*target.name,
                run = owed.run_id,
                "the message is there: it is not sent again"
            );
            return Ok(receipt);
        }
    }
    parcel.push(client, target, owed).await
}

/// The first part says it for all of them; a notice names the due instant anyway.
fn late_line(language: Language, job: &Job, owed: &Owed, now: Timestamp) -> Option<String> {
    let speaks = owed.part == 1 && owed.kind == "answer" && owed.is_scheduled();
    let due = owed.scheduled_at().filter(|_| speaks)?;
    outbox::late_line(language, job, due, now)
}
