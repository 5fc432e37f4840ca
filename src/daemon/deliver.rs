//! The deliverer's loop: sends what is owed, each target on its own, in order. The attempt is in
//! the ledger before the POST, its outcome after; nothing here asks the AI again.

use std::{collections::HashSet, sync::Arc};

use anyhow::Context;
use chrono::TimeDelta;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::{
    backoff,
    engine::Engine,
    notices::{Notice, Why, tidings},
    outbox,
    parcel::Parcel,
    revision::Revision,
};
use crate::{
    config::Job,
    ledger::{Completed, NewNotice, Outcome, Owed},
    model::{Language, RunId, Timestamp, from_ms},
    push::{Disposition, Message, PushError},
};

/// ntfy's apps sort by whole seconds: parts sent within one could show in any order.
const BETWEEN_PARTS: TimeDelta = TimeDelta::milliseconds(1_100);

/// How long the loop sleeps when nothing is owed; commands beside the daemon write too.
const IDLE: TimeDelta = TimeDelta::seconds(1);

/// Sends until the stop signal, and then what is still due.
pub(super) async fn run(engine: Arc<Engine>) -> anyhow::Result<()> {
    let mut workers: JoinSet<(String, anyhow::Result<()>)> = JoinSet::new();
    let mut busy: HashSet<String> = HashSet::new();
    loop {
        // Armed before the ledger is asked, so that nothing owed meanwhile is missed.
        let woken = engine.deliverer.notified();
        // Read before the ledger too: what the last run left is seen below.
        let last = engine.stop.is_stopping() && engine.runs_over.is_cancelled();
        let now = engine.clock.now();
        for target in engine.ledger.due_targets(now).await? {
            if !engine.stop.is_interrupting() && busy.insert(target.clone()) {
                workers.spawn(serve(engine.clone(), target));
            }
        }
        if last && workers.is_empty() && !all_but_due(&engine, now).await? {
            return Ok(());
        }
        let wake = wake_at(&engine, now, &busy).await?;
        tokio::select! {
            Some(ended) = workers.join_next() => {
                let (target, result) = ended.context("sending to a target died: please report this")?;
                result?;
                busy.remove(&target);
            }
            () = woken => {}
            () = engine.clock.sleep_until(wake) => {}
            () = engine.runs_over.cancelled(), if !last => {}
        }
    }
}

/// The next part of an answer follows this soon: it is not left for the next start.
async fn all_but_due(engine: &Engine, now: Timestamp) -> anyhow::Result<bool> {
    if engine.stop.is_interrupting() {
        return Ok(false);
    }
    let next = engine.ledger.next_delivery_at().await?;
    Ok(next.is_some_and(|next| next <= now + BETWEEN_PARTS))
}

async fn wake_at(
    engine: &Engine,
    now: Timestamp,
    busy: &HashSet<String>,
) -> anyhow::Result<Timestamp> {
    let idle = now + IDLE;
    // What is due stays due when nothing is sent any more.
    if !busy.is_empty() || engine.stop.is_interrupting() {
        return Ok(idle);
    }
    let next = engine.ledger.next_delivery_at().await?;
    Ok(next.map_or(idle, |next| next.min(idle)))
}

/// Sends everything that one target is owed now.
async fn serve(engine: Arc<Engine>, target: String) -> (String, anyhow::Result<()>) {
    let result = async {
        while !engine.stop.is_interrupting() && send_next(&engine, &target, None).await? {}
        Ok(())
    };
    let result = result.await;
    (target, result)
}

/// Sends what one run owes, until all of it is over or `until` has come; tells whether it is over.
///
/// # Errors
/// The ledger could not be read or written.
pub async fn deliver_run(
    engine: &Engine,
    run_id: RunId,
    targets: &[Arc<str>],
    until: Timestamp,
) -> anyhow::Result<bool> {
    loop {
        for target in targets {
            while !engine.stop.is_interrupting() && send_next(engine, target, Some(run_id)).await? {
            }
        }
        let (owed, next) = engine.ledger.owed_of(run_id).await?;
        let now = engine.clock.now();
        if owed == 0 {
            return Ok(true);
        }
        if now >= until || engine.stop.is_stopping() {
            return Ok(false);
        }
        let wake = next
            .unwrap_or(now)
            .max(now + TimeDelta::milliseconds(50))
            .min(until);
        tokio::select! {
            () = engine.clock.sleep_until(wake) => {}
            () = engine.stop.stopping() => {}
        }
    }
}

/// One delivery: claim, POST, outcome. False: nothing is owed to the target now.
async fn send_next(engine: &Engine, target: &str, of: Option<RunId>) -> anyhow::Result<bool> {
    let claim = || {
        let (now, lease_until) = (engine.clock.now(), engine.lease_until());
        engine
            .ledger
            .claim_delivery(target, of, engine.owner.as_str(), now, lease_until)
    };
    let Some(Some(owed)) = engine.persist(claim).await? else {
        return Ok(false);
    };
    let outcome = send(engine, &owed).await;
    let write = || {
        engine
            .ledger
            .delivery_ended(&owed, &outcome, engine.clock.now())
    };
    match engine.persist(write).await {
        Ok(completed) => {
            // Whoever asked by hand reads it on the terminal.
            if let Some(completed) = completed.flatten().filter(|_| !engine.tries_once) {
                log_completed(&completed);
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
    Ok(true)
}

async fn send(engine: &Engine, owed: &Owed) -> Outcome {
    let revision = engine.revision();
    let job = owed.job.as_deref().and_then(|job| revision.job(job));
    let give_up = |error: String| {
        let now = engine.clock.now();
        failed(engine, &revision, owed, error, false, now)
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
    if let Some(ntfy) = target.ntfy() {
        parcel.message.topic.clone_from(&ntfy.topic);
    }
    parcel.message.sequence_id = Some(owed.sequence_id.clone());
    let (language, now) = (revision.config.language, engine.clock.now());
    if let Some(line) = job.and_then(|job| late_line(language, job, owed, now)) {
        parcel.begin_with(&line);
    }
    let pushed = tokio::select! {
        pushed = parcel.push(client, target, owed) => pushed,
        () = engine.stop.interrupting() => return interrupted(engine),
    };
    let now = engine.clock.now();
    match pushed {
        Ok(receipt) => Outcome::Delivered {
            receipt: receipt.id,
            back: back(engine, &revision, owed, now),
            next_part_at: now + BETWEEN_PARTS,
        },
        Err(error) => match parcel.instead_after(&error) {
            Some(messages) => without_file(owed, messages, &error, now),
            None => refused(engine, &revision, owed, &error, now),
        },
    }
}

/// Nothing of an answer is lost where its file is not taken: it goes out in parts.
fn without_file(owed: &Owed, messages: &[Message], error: &PushError, now: Timestamp) -> Outcome {
    let (job, run, parts) = (&owed.job, owed.run_id, messages.len());
    info!(job, run, parts, %error, "the file is not taken: the answer goes out in parts");
    Outcome::Instead {
        error: format!("the file is not taken, so the answer goes out in parts: {error}"),
        parts: outbox::in_parts(owed, messages, now),
    }
}

/// The first part says it for all of them; a notice names the due instant anyway.
fn late_line(language: Language, job: &Job, owed: &Owed, now: Timestamp) -> Option<String> {
    let speaks = owed.part == 1 && owed.kind == "answer" && owed.is_scheduled();
    let due = owed.scheduled_at().filter(|_| speaks)?;
    outbox::late_line(language, job, due, now)
}

fn interrupted(engine: &Engine) -> Outcome {
    Outcome::Again {
        error: "cut off by the stop signal".to_owned(),
        unknown: true,
        at: engine.clock.now(),
    }
}

/// What an error asks for: another attempt, or the end with a notice.
fn refused(
    engine: &Engine,
    revision: &Revision,
    owed: &Owed,
    error: &PushError,
    now: Timestamp,
) -> Outcome {
    let unknown = matches!(error.disposition(now), Disposition::Ambiguous);
    let not_before = match error.disposition(now) {
        Disposition::Retry { not_before } => Some(not_before),
        Disposition::Ambiguous => Some(now),
        Disposition::GiveUp => None,
    };
    let at = not_before.and_then(|not_before| {
        backoff::next_push(
            now,
            owed.number,
            owed.give_up_at(),
            not_before,
            backoff::roll(),
        )
    });
    let error = error.to_string();
    let (job, run, part, attempt) = (&owed.job, owed.run_id, owed.part, owed.number);
    let Some(at) = at else {
        return failed(engine, revision, owed, error, unknown, now);
    };
    let next_attempt_at = shown(at);
    warn!(
        job,
        run, part, attempt, next_attempt_at, error, "pushing failed"
    );
    Outcome::Again { error, unknown, at }
}

/// The end of a delivery, with a notice; whoever asked by hand reads it on the terminal instead.
fn failed(
    engine: &Engine,
    revision: &Revision,
    owed: &Owed,
    error: String,
    unknown: bool,
    now: Timestamp,
) -> Outcome {
    let mut notice = None;
    if !engine.tries_once {
        let (job, run, part, attempt) = (&owed.job, owed.run_id, owed.part, owed.number);
        error!(
            job,
            run, part, attempt, error, "the push has failed for good"
        );
        notice = about_run(revision, owed).map(|(job, run_id, due)| Notice::RunFailed {
            job,
            run_id,
            due,
            why: Why::NotPushed(error.clone()),
        });
    }
    Outcome::Failed {
        error,
        unknown,
        notice: notice.map(|notice| tidings(&revision.config, notice, now)),
    }
}

/// What is over when the run is delivered; whoever asked by hand sees it.
fn back(engine: &Engine, revision: &Revision, owed: &Owed, now: Timestamp) -> Option<NewNotice> {
    let (job, run_id, due) = about_run(revision, owed).filter(|_| !engine.tries_once)?;
    let notice = Notice::RunBack { job, run_id, due };
    Some(tidings(&revision.config, notice, now))
}

/// Of the answer of a run: its job, the run, and its nominal instant.
fn about_run(revision: &Revision, owed: &Owed) -> Option<(Arc<Job>, RunId, Timestamp)> {
    let job = revision.job(owed.job.as_deref()?)?;
    let is_answer = owed.kind == "answer";
    let run_id = owed.run_id.filter(|_| is_answer)?;
    Some((job.clone(), run_id, owed.scheduled_at()?))
}

/// An instant as the log shows it.
pub(super) fn shown(instant: Timestamp) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The one line that each run logs at its end.
fn log_completed(run: &Completed) {
    let scheduled_at = shown(from_ms(run.scheduled_at));
    let (asked_ms, pushed_ms) = (run.asked_ms.unwrap_or(0), run.pushed_ms.unwrap_or(0));
    let token = run.token_label.as_deref().unwrap_or("none");
    let (job, id, bytes, parts) = (&run.job, run.run_id, run.bytes, run.parts);
    match &run.reason {
        None => info!(
            job,
            run = id,
            scheduled_at,
            asked_ms,
            pushed_ms,
            bytes,
            parts,
            token,
            "delivered"
        ),
        Some(reason) => error!(
            job,
            run = id,
            scheduled_at,
            asked_ms,
            pushed_ms,
            bytes,
            parts,
            token,
            reason,
            "failed"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        clock::SystemClock,
        daemon::fixture,
        ledger::{Answered, AskedRow, NewDelivery, Said},
        push::Message,
    };

    fn empty() -> String {
        serde_json::to_string(&Message::default()).unwrap()
    }

    /// A run with one delivery that is due in `wait`.
    async fn owing(engine: &Engine, wait: TimeDelta, message: String) -> RunId {
        let now = engine.clock.now();
        let (ledger, owner) = (&engine.ledger, engine.owner.as_str());
        let claim = ledger.claim_manual("gold", owner, now, engine.lease_until());
        let claim = claim.await.unwrap();
        let number = ledger.start_attempt(&claim, "kimi", now).await.unwrap();
        let answered = Answered {
            asked: AskedRow::bare(number, "kimi"),
            instead_of: None,
            prompt: "金价？".to_owned(),
            answer: "涨".to_owned(),
            sources: None,
            cut_off: false,
            turn: None,
            model: "kimi".to_owned(),
            asked_ms: 1,
            said: Said::default(),
        };
        let deliveries = [NewDelivery {
            kind: "answer",
            target: "phone".to_owned(),
            part: 1,
            parts: 1,
            sequence_id: "pc-1".to_owned(),
            message,
            bytes: 1,
            next_at: now + wait,
            give_up_at: now + TimeDelta::days(1),
        }];
        let written = ledger.answered(&claim, &answered, &deliveries, now);
        written.await.unwrap();
        claim.run_id
    }

    #[tokio::test]
    async fn a_second_signal_ends_a_command_that_delivers() {
        let folder = tempfile::tempdir().unwrap();
        let engine = fixture::engine(folder.path(), "", Arc::new(SystemClock)).await;
        let run_id = owing(&engine, TimeDelta::zero(), empty()).await;
        engine.stop.at_once();
        let until = engine.clock.now() + TimeDelta::minutes(1);
        let targets = [Arc::from("phone")];
        let ended = deliver_run(&engine, run_id, &targets, until);
        let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
        assert!(!ended.expect("it ends").unwrap());
    }

    #[tokio::test]
    async fn a_part_that_is_all_but_due_is_sent_before_the_daemon_ends() {
        let folder = tempfile::tempdir().unwrap();
        let engine = fixture::engine(folder.path(), "", Arc::new(SystemClock)).await;
        let run_id = owing(&engine, TimeDelta::milliseconds(900), empty()).await;
        engine.stop.drain();
        engine.runs_over.cancel();
        run(engine.clone()).await.unwrap();
        let deliveries = engine.ledger.deliveries(run_id).await.unwrap();
        assert!(deliveries[0].attempts > 0);
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_read_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let engine = fixture::engine(folder.path(), "", Arc::new(SystemClock)).await;
        let run_id = owing(&engine, TimeDelta::zero(), "{".to_owned()).await;
        assert!(send_next(&engine, "phone", None).await.unwrap());
        let deliveries = engine.ledger.deliveries(run_id).await.unwrap();
        assert!(deliveries.iter().any(|delivery| delivery.kind == "notice"));
    }
}
