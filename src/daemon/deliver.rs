//! The deliverer's loop: sends what is owed, each target on its own, in order. The attempt is in
//! the ledger before the POST, its outcome after; nothing here asks the AI again.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use anyhow::Context;
use chrono::TimeDelta;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::{
    backoff,
    engine::Engine,
    fallback,
    gate::{self, Gate, Gates},
    links::{Buttons, links},
    notices::{Notice, Why, tidings},
    outbox,
    parcel::Parcel,
    revision::Revision,
};
use crate::{
    config::{Job, Target},
    ledger::{Claimed, Claiming, Completed, Hold, NewNotice, Outcome, Owed, Visitor, Waits},
    model::{Language, RunId, Timestamp, from_ms},
    push::{Client, Disposition, Message, PushError, Receipt, Sighting},
    web::{Links, Purpose},
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
        let look_again = fallback::look(&engine, now).await?;
        let due = due_at(&engine, now).await?;
        for (target, _) in due.iter().filter(|(_, at)| *at <= now) {
            if !engine.stop.is_interrupting() && busy.insert(target.clone()) {
                workers.spawn(serve(engine.clone(), target.clone()));
            }
        }
        // The next part of an answer follows soon: it is not left for the next start.
        let next = due.iter().map(|(_, at)| *at).min();
        let is_near = next.is_some_and(|next| next <= now + BETWEEN_PARTS);
        if last && workers.is_empty() && (engine.stop.is_interrupting() || !is_near) {
            return Ok(());
        }
        // What is due stays due while it is sent, and when nothing is sent any more.
        let waits = due.iter().filter(|(target, _)| !busy.contains(target));
        let waits = waits.map(|(_, at)| *at).chain(look_again);
        let idle = now + IDLE;
        let wake = match engine.stop.is_interrupting() {
            true => idle,
            false => waits.fold(idle, Timestamp::min),
        };
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

/// The targets that are owed something, and when each may be sent it.
async fn due_at(engine: &Engine, now: Timestamp) -> anyhow::Result<Vec<(String, Timestamp)>> {
    let next = engine.ledger.next_by_target().await?;
    if next.is_empty() {
        return Ok(next);
    }
    let (gates, revision) = (Gates::read(engine).await?, engine.revision());
    let opens = |(target, at): (String, Timestamp)| {
        let opens_at = gates.opens_at(&revision, &target, now);
        (target, at.max(opens_at))
    };
    Ok(next.into_iter().map(opens).collect())
}

/// Sends everything that one target is owed now.
async fn serve(engine: Arc<Engine>, target: String) -> (String, anyhow::Result<()>) {
    let result = async {
        while !engine.stop.is_interrupting()
            && matches!(send_next(&engine, &target, None).await?, Next::Sent)
        {}
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
        let mut granted: HashMap<&str, Timestamp> = HashMap::new();
        for target in targets {
            while !engine.stop.is_interrupting() {
                match send_next(engine, target, Some(run_id)).await? {
                    Next::Sent => {}
                    Next::Nothing => break,
                    Next::Wait(at) => {
                        granted.insert(target, at);
                        break;
                    }
                }
            }
        }
        let owed = engine.ledger.owed_of(run_id).await?;
        let now = engine.clock.now();
        if owed.is_empty() {
            return Ok(true);
        }
        if now >= until || engine.stop.is_stopping() {
            return Ok(false);
        }
        let wake = wake(&owed, &granted, now).min(until);
        tokio::select! {
            () = engine.clock.sleep_until(wake) => {}
            () = engine.stop.stopping() => {}
        }
    }
}

/// When to look again: what is owed to a target is sent when it is due and its server grants it.
fn wake(
    owed: &[(String, Timestamp)],
    granted: &HashMap<&str, Timestamp>,
    now: Timestamp,
) -> Timestamp {
    let at = |(target, due): &(String, Timestamp)| {
        let granted = granted.get(&**target).copied();
        granted.map_or(*due, |granted| granted.max(*due))
    };
    let next = owed.iter().map(at).min().unwrap_or(now);
    // A daemon beside the command may be sending it.
    next.max(now + TimeDelta::milliseconds(50))
}

/// What came of looking for something to send.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// It was sent, whatever came of it.
    Sent,
    /// The server grants nothing before this instant.
    Wait(Timestamp),
    /// Nothing is owed to the target now.
    Nothing,
}

/// One delivery: claim, POST, outcome.
async fn send_next(engine: &Engine, target: &str, of: Option<RunId>) -> anyhow::Result<Next> {
    let revision = engine.revision();
    let known = revision.target(target).map(|(target, _)| target.as_ref());
    let now = engine.clock.now();
    // What was asked for by hand is not held at night.
    if of.is_none() && known.is_some_and(|target| gate::quiet_until(target, now).is_some()) {
        return Ok(Next::Nothing);
    }
    let gate = known.map(|target| Gate::of(target, now));
    let admit = |owed: &Owed, visitor: &Visitor, logins: Option<&Visitor>| match &gate {
        Some(gate) => gate.admit(owed, visitor, logins),
        None => Ok(visitor.clone()),
    };
    let admission = gate.as_ref().map(|gate| gate.admission(&admit));
    let claiming = Claiming {
        target,
        of,
        owner: engine.owner.as_str(),
        now,
        lease_until: engine.lease_until(),
    };
    let claim = || engine.ledger.claim_delivery(&claiming, admission.as_ref());
    let owed = match engine.persist(claim).await? {
        Some(Claimed::Owed(owed)) => owed,
        Some(Claimed::Wait(at)) => return Ok(Next::Wait(at)),
        Some(Claimed::Nothing) | None => return Ok(Next::Nothing),
    };
    let links = links(engine).await?;
    let outcome = send(engine, &owed, links.as_ref()).await;
    let write = || {
        engine
            .ledger
            .delivery_ended(&owed, &outcome, engine.clock.now())
    };
    match engine.persist(write).await {
        Ok(completed) => {
            tell_of_target(engine, &owed, &outcome).await?;
            // Whoever asked by hand reads it on the terminal.
            if let Some(completed) = completed.flatten().filter(|_| !engine.tries_once) {
                log_completed(&completed);
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
    Ok(Next::Sent)
}

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
        Outcome::Delivered { .. } if owed.number > 1 => Notice::TargetBack { target },
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
    let target = &*of_job.map_or(Cow::Borrowed(&**target), |job| {
        Cow::Owned(target.for_job(job))
    });
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

/// Nothing of an answer is lost where its file is not taken: it goes out in parts.
fn without_file(
    owed: &Owed,
    target: &Target,
    messages: &[Message],
    error: &PushError,
    now: Timestamp,
) -> Outcome {
    let (job, run, parts) = (&owed.job, owed.run_id, messages.len());
    info!(job, run, parts, %error, "the file is not taken: the answer goes out in parts");
    Outcome::Instead {
        error: format!("the file is not taken, so the answer goes out in parts: {error}"),
        parts: outbox::in_parts(owed, target, messages, now),
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
        waits: Waits::Nothing,
    }
}

/// What an error asks for: another attempt, or the end with a notice.
fn refused(
    engine: &Engine,
    revision: &Revision,
    target: &Target,
    owed: &Owed,
    error: &PushError,
    now: Timestamp,
) -> Outcome {
    let unknown = matches!(error.disposition(now), Disposition::Ambiguous);
    let not_before = match error.disposition(now) {
        Disposition::Retry { not_before } => Some(not_before),
        Disposition::Ambiguous => Some(now),
        // The fallback takes it first.
        Disposition::GiveUp if error.is_about_the_target() => gate::after_fallback(target, now),
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
    let (job, run, part, attempt) = (&owed.job, owed.run_id, owed.part, owed.number);
    let Some(at) = at else {
        let end = End {
            error: error.to_string(),
            unknown,
            is_target: error.is_about_the_target(),
            hold: not_before.and_then(|until| gate::hold(target, error, until)),
        };
        return failed(engine, revision, owed, end, now);
    };
    let waits = gate::waits(target, error, attempt, at);
    let error = error.to_string();
    let next_attempt_at = shown(at);
    warn!(
        job,
        run, part, attempt, next_attempt_at, error, "pushing failed"
    );
    Outcome::Again {
        error,
        unknown,
        at,
        waits,
    }
}

/// Why a delivery ends without having arrived, and what that means for others.
struct End {
    error: String,
    /// It may have arrived.
    unknown: bool,
    /// The target takes nothing at all.
    is_target: bool,
    hold: Option<Hold>,
}

impl End {
    /// The message itself cannot be sent.
    fn of_the_message(error: String) -> Self {
        Self {
            error,
            unknown: false,
            is_target: false,
            hold: None,
        }
    }
}

/// The end of a delivery, with a notice; whoever asked by hand reads it on the terminal instead.
fn failed(engine: &Engine, revision: &Revision, owed: &Owed, end: End, now: Timestamp) -> Outcome {
    let End {
        error,
        unknown,
        is_target,
        hold,
    } = end;
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
        is_target,
        hold,
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
            turn: 1,
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
    async fn a_stop_says_nothing_about_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let engine = fixture::engine(folder.path(), "", Arc::new(SystemClock)).await;
        let run_id = owing(&engine, TimeDelta::zero(), empty()).await;
        let owed = claimed(&engine, run_id).await;
        let (ledger, now) = (&engine.ledger, engine.clock.now());
        let cut_off = interrupted(&engine);
        ledger.delivery_ended(&owed, &cut_off, now).await.unwrap();
        assert_eq!(ledger.target_states().await.unwrap(), []);
        let again = claimed(&engine, run_id).await;
        assert!(again.unknown_since().is_some(), "it is looked for first");
    }

    async fn claimed(engine: &Engine, run_id: RunId) -> Owed {
        let claiming = Claiming {
            target: "phone",
            of: Some(run_id),
            owner: engine.owner.as_str(),
            now: engine.clock.now(),
            lease_until: engine.lease_until(),
        };
        match engine.ledger.claim_delivery(&claiming, None).await {
            Ok(Claimed::Owed(owed)) => *owed,
            other => panic!("nothing is owed: {other:?}"),
        }
    }

    #[test]
    fn a_command_sleeps_until_a_server_grants_what_is_due() {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let after = |seconds| now + TimeDelta::seconds(seconds);
        let owed = [("phone".to_owned(), now), ("tablet".to_owned(), after(20))];
        let held = HashMap::from([("phone", after(300))]);
        assert_eq!(wake(&owed, &held, now), after(20));
        assert_eq!(wake(&owed[..1], &held, now), after(300));
        let soon = now + TimeDelta::milliseconds(50);
        assert_eq!(wake(&owed, &HashMap::new(), now), soon);
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_read_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let engine = fixture::engine(folder.path(), "", Arc::new(SystemClock)).await;
        let run_id = owing(&engine, TimeDelta::zero(), "{".to_owned()).await;
        let next = send_next(&engine, "phone", None).await.unwrap();
        assert_eq!(next, Next::Sent);
        let deliveries = engine.ledger.deliveries(run_id).await.unwrap();
        assert!(deliveries.iter().any(|delivery| delivery.kind == "notice"));
    }
}
