//! What came of a POST, for the ledger: delivered, another attempt, or the end with a notice.

use std::sync::Arc;

use tracing::{error, info, warn};

use super::{
    super::{
        backoff,
        engine::Engine,
        gate,
        notices::{Notice, Why, tidings},
        outbox,
        revision::Revision,
    },
    log::shown,
};
use crate::{
    config::{Job, Target},
    ledger::{Hold, NewNotice, Outcome, Owed, Waits},
    model::{RunId, Timestamp},
    push::{Disposition, Message, PushError},
};

/// Nothing of an answer is lost where its file is not taken: it goes out in parts.
pub(super) fn without_file(
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

pub(super) fn interrupted(engine: &Engine) -> Outcome {
    Outcome::Again {
        error: "cut off by the stop signal".to_owned(),
        unknown: true,
        at: engine.clock.now(),
        waits: Waits::Nothing,
    }
}

/// What an error asks for: another attempt, or the end with a notice.
pub(super) fn refused(
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
pub(super) struct End {
    error: String,
    /// It may have arrived.
    unknown: bool,
    /// The target takes nothing at all.
    is_target: bool,
    hold: Option<Hold>,
}

impl End {
    /// The message itself cannot be sent.
    pub(super) fn of_the_message(error: String) -> Self {
        Self {
            error,
            unknown: false,
            is_target: false,
            hold: None,
        }
    }
}

/// The end of a delivery, with a notice; whoever asked by hand reads it on the terminal instead.
pub(super) fn failed(
    engine: &Engine,
    revision: &Revision,
    owed: &Owed,
    end: End,
    now: Timestamp,
) -> Outcome {
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
pub(super) fn back(
    engine: &Engine,
    revision: &Revision,
    owed: &Owed,
    now: Timestamp,
) -> Option<NewNotice> {
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
