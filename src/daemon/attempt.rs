//! Carrying out one run: attempt row, ask, answer and outbox in one transaction; or another
//! attempt later, or the end with a notice.

use std::sync::Arc;

use tracing::{info, warn};

use super::{
    backoff,
    chain::Chain,
    deliver::shown,
    engine::Engine,
    filled::{Filled, Moments},
    notices::{Notice, Why, tidings},
    outbox,
    revision::Revision,
    silence, tokens,
};
use crate::{
    ask::{self, Answer, AskError, Attempt, Next},
    config::Job,
    ledger::{
        Answered, AskedRow, AttemptRow, Claim, Failure, LedgerError, NewNotice, OUT_OF_CONFIG,
        Said, TurnRow,
    },
    model::{RunState, Timestamp},
    push::Beat,
};

/// A claimed run with what carries it out.
struct Running<'a> {
    engine: &'a Engine,
    revision: &'a Revision,
    job: &'a Arc<Job>,
    claim: &'a Claim,
    /// The attempt's number.
    number: i64,
}

/// How a run's attempt ended.
#[derive(Debug)]
pub enum Ended {
    /// Its answer and deliveries are in the ledger.
    Answered,
    /// It is tried again later.
    Again(String),
    /// It has failed for good.
    Failed(String),
    /// It was cut off by the stop signal.
    Interrupted,
    /// Its job is no longer in the config.
    Cancelled,
    /// It was cancelled by hand, or taken over: its AI call was cut off.
    Lost,
}

/// How asking ended.
enum Asking {
    /// With an answer, or without one.
    Over(Box<Attempt>),
    /// The stop signal cut it off.
    Interrupted,
    /// The claim was lost.
    Cut,
}

/// Carries a claimed run out, up to its answer in the ledger.
///
/// # Errors
/// The ledger could not be written, or the claim is lost.
pub async fn carry_out(engine: Arc<Engine>, claim: Claim) -> anyhow::Result<Ended> {
    let revision = engine.revision();
    let Some(job) = revision.job(&claim.job).cloned() else {
        engine
            .persist(|| {
                let now = engine.clock.now();
                engine
                    .ledger
                    .end_run(claim.run_id, RunState::Cancelled, OUT_OF_CONFIG, now)
            })
            .await?;
        info!(
            job = claim.job,
            run = claim.run_id,
            reason = OUT_OF_CONFIG,
            "cancelled"
        );
        return Ok(Ended::Cancelled);
    };
    let begin = || {
        engine
            .ledger
            .start_attempt(&claim, &job.ai[0], engine.clock.now())
    };
    let Some(number) = engine.persist(begin).await? else {
        return Ok(Ended::Interrupted);
    };
    if number == 1 {
        engine.beat_of_run(&outbox::RunKey::of(&claim), Beat::Start);
    }
    let running = Running {
        engine: &engine,
        revision: &revision,
        job: &job,
        claim: &claim,
        number,
    };
    running.attempt().await
}

/// An answer's sources as the ledger keeps them.
fn sources(answer: &Answer) -> Option<String> {
    let sources = &answer.sources;
    (!sources.is_empty()).then(|| serde_json::to_string(sources).unwrap_or_default())
}

/// Whether a write failed because the claim is somebody else's by now.
pub(super) fn is_fenced(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<LedgerError>()
        .is_some_and(LedgerError::is_fenced)
}

/// Whether the last attempt that failed did so in these words of the service; one that was cut off repeats nothing.
fn repeats(attempts: &[AttemptRow], words: &str) -> bool {
    let has_failed = |attempt: &&AttemptRow| attempt.outcome == "failed";
    let last = attempts.iter().rfind(has_failed);
    let error = last.and_then(|last| last.error.as_deref());
    error.is_some_and(|error| error.contains(words))
}

impl Running<'_> {
    async fn attempt(&self) -> anyhow::Result<Ended> {
        let mut chain = Chain::of(self.job, self.revision)?;
        let now = self.engine.clock.now();
        chain.recall(&self.engine.ledger, now).await?;
        let filled = match self.fill().await? {
            Ok(filled) => filled,
            Err(error) => return self.unfilled(&chain, error).await,
        };
        let attempt = match self.ask(&chain, &filled).await? {
            Asking::Over(attempt) => *attempt,
            Asking::Interrupted => {
                chain.keep_news(self.engine).await?;
                return self.interrupted().await;
            }
            Asking::Cut => {
                chain.keep_news(self.engine).await?;
                return Ok(self.cut());
            }
        };
        self.log_tries(&attempt);
        let in_order = self.engine.learning.lock().await;
        let learned = chain.news(self.engine).await?;
        // Attempts that taught nothing need no order, and share a transaction.
        let _in_order = (!learned.is_empty()).then_some(in_order);
        let asked = chain.asked(self.number, &attempt, learned.clone());
        let asked_ms = attempt.asked().num_milliseconds();
        let ended = match attempt.result {
            Ok(answer) => self.answered(&chain, filled, answer, asked).await,
            Err(error) => self.failed(error, asked, asked_ms).await,
        };
        if ended.as_ref().is_err_and(is_fenced) {
            // The run is somebody else's, or nobody's; what its tokens taught is true all the same.
            tokens::keep(self.engine, &learned).await?;
        }
        ended
    }

    /// The prompts as this attempt asks them.
    async fn fill(&self) -> Result<anyhow::Result<Filled>, LedgerError> {
        let moments = Moments {
            scheduled_at: self.claim.scheduled_at(),
            now: self.engine.clock.now(),
        };
        let language = self.revision.config.language;
        Filled::of(self.job, language, Some(&self.engine.ledger), moments).await
    }

    /// A template that cannot be filled in now cannot be later: the run has failed.
    async fn unfilled(&self, chain: &Chain<'_>, error: anyhow::Error) -> anyhow::Result<Ended> {
        let failure = Failure {
            asked: chain.unasked(self.number),
            error: error.to_string(),
            next_attempt_at: None,
        };
        self.write_failure(&failure, 0).await?;
        Ok(Ended::Failed(failure.error))
    }

    /// A use that a quota counts is in the ledger while its request is under way: a crash forgets none.
    async fn ask(&self, chain: &Chain<'_>, filled: &Filled) -> anyhow::Result<Asking> {
        let links = chain.links(filled);
        let patience = (!self.engine.tries_once).then(|| self.deadline());
        let call = self.engine.under_way.enter(self.claim);
        let asking = ask::ask_along(&links, patience, &*self.engine.clock);
        tokio::pin!(asking);
        loop {
            tokio::select! {
                attempt = &mut asking => return Ok(Asking::Over(Box::new(attempt))),
                () = chain.counted.notified() => chain.keep_news(self.engine).await?,
                () = self.engine.stop.interrupting() => return Ok(Asking::Interrupted),
                () = call.is_cut() => return Ok(Asking::Cut),
            }
        }
    }

    /// Whoever took the claim away has written what became of the run.
    fn cut(&self) -> Ended {
        info!(
            job = self.job.name.as_str(),
            run = self.claim.run_id,
            "the run was cancelled or taken over: its AI call is cut off"
        );
        Ended::Lost
    }

    /// No attempt begins after it.
    fn deadline(&self) -> Timestamp {
        self.claim.first_claimed_at() + self.job.retry_for
    }

    async fn interrupted(&self) -> anyhow::Result<Ended> {
        let engine = self.engine;
        engine
            .persist(|| engine.ledger.interrupted(self.claim, engine.clock.now()))
            .await?;
        info!(
            job = self.job.name.as_str(),
            run = self.claim.run_id,
            "interrupted: it is taken up at the next start"
        );
        Ok(Ended::Interrupted)
    }

    async fn answered(
        &self,
        chain: &Chain<'_>,
        filled: Filled,
        answer: Answer,
        asked: AskedRow,
    ) -> anyhow::Result<Ended> {
        let engine = self.engine;
        let now = engine.clock.now();
        let key = outbox::RunKey::of(self.claim);
        let deliveries = outbox::compose(&self.revision.config, self.job, &key, &answer, now);
        let config = &self.revision.config;
        let answered = Answered {
            asked,
            prompt: filled.prompt,
            turn: self.turn(chain, &answer),
            said: Said {
                text_hash: silence::hash(config, self.job, &answer),
                speak: silence::speak(config, self.job, &self.claim.trigger, &answer),
                back: self.back(now),
            },
            sources: sources(&answer),
            cut_off: answer.truncated,
            instead_of: self.job.instead_of(&answer.endpoint).map(str::to_owned),
            answer: answer.text,
            model: answer.model,
            asked_ms: i64::try_from(answer.asked.as_millis()).unwrap_or(i64::MAX),
        };
        let silent = engine
            .persist(|| {
                engine
                    .ledger
                    .answered(self.claim, &answered, &deliveries, now)
            })
            .await?;
        engine.deliverer.notify_one();
        if let Some(reason) = silent.flatten() {
            self.log_silent(&answered, reason);
            engine.beat_of_run(&key, Beat::Success);
        }
        Ok(Ended::Answered)
    }

    /// What is over where the run ends with its answer.
    fn back(&self, now: Timestamp) -> Option<NewNotice> {
        let notice = Notice::RunBack {
            job: self.job.clone(),
            run_id: self.claim.run_id,
            due: self.claim.scheduled_at(),
        };
        let config = &self.engine.revision().config;
        (!self.engine.tries_once).then(|| tidings(config, notice, now))
    }

    /// What the answer is a turn of, if its job keeps a conversation.
    fn turn(&self, chain: &Chain<'_>, answer: &Answer) -> Option<TurnRow> {
        let standing = chain.conversation(answer)?;
        if standing.is_lost(answer) {
            let (job, run) = (self.job.name.as_str(), self.claim.run_id);
            let ai = answer.endpoint.as_ref();
            warn!(
                job,
                run, ai, "the conversation could not go on with its token: a new one begins"
            );
        }
        Some(standing.turn(answer))
    }

    async fn failed(
        &self,
        error: AskError,
        asked: AskedRow,
        asked_ms: i64,
    ) -> anyhow::Result<Ended> {
        let engine = self.engine;
        let attempts = engine.ledger.attempts(self.claim.run_id).await?;
        let next_attempt_at = match error.next_step() {
            Next::GiveUp => None,
            _ if engine.tries_once => None,
            _ if error.is_final_when_repeated() && repeats(&attempts, error.words()) => None,
            Next::NextAttempt | Next::AnotherToken => self.next_attempt(&attempts, &error),
        };
        let failure = Failure {
            asked,
            error: error.to_string(),
            next_attempt_at,
        };
        self.write_failure(&failure, asked_ms).await?;
        Ok(match next_attempt_at {
            Some(_) => Ended::Again(failure.error),
            None => Ended::Failed(failure.error),
        })
    }

    /// Writes a failed attempt: the run waits for its next one, or is over and told of.
    async fn write_failure(&self, failure: &Failure, asked_ms: i64) -> anyhow::Result<()> {
        let engine = self.engine;
        let now = engine.clock.now();
        let notice = match failure.next_attempt_at {
            // Whoever asked by hand reads the error on the terminal.
            None if !engine.tries_once => Some(self.notice(&failure.error, now)),
            _ => None,
        };
        engine
            .persist(|| {
                engine
                    .ledger
                    .attempt_failed(self.claim, failure, notice.as_ref(), now)
            })
            .await?;
        engine.deliverer.notify_one();
        // Whoever asked by hand reads it on the terminal.
        if !engine.tries_once {
            self.log_failure(failure, asked_ms);
        }
        if failure.next_attempt_at.is_none() {
            let key = outbox::RunKey::of(self.claim);
            engine.beat_of_run(&key, Beat::Fail(failure.error.clone()));
        }
        Ok(())
    }

    fn notice(&self, error: &str, now: Timestamp) -> NewNotice {
        let notice = Notice::RunFailed {
            job: self.job.clone(),
            run_id: self.claim.run_id,
            due: self.claim.scheduled_at(),
            why: Why::NoAnswer(error.to_owned()),
        };
        tidings(&self.engine.revision().config, notice, now)
    }

    /// Attempt times are rows: a restart goes on where the backoff was.
    fn next_attempt(&self, attempts: &[AttemptRow], error: &AskError) -> Option<Timestamp> {
        let counted = attempts
            .iter()
            .filter(|attempt| attempt.outcome != "interrupted");
        let failed = i64::try_from(counted.count()).unwrap_or(i64::MAX);
        let now = self.engine.clock.now();
        backoff::next_ask(
            now,
            failed,
            self.deadline(),
            error.retry_at(),
            backoff::roll(),
        )
    }

    /// The requests that were made in vain, each with its reason and what is asked instead.
    fn log_tries(&self, attempt: &Attempt) {
        let (job, run) = (self.job.name.as_str(), self.claim.run_id);
        for (tried, next) in attempt.tries.iter().zip(attempt.tries.iter().skip(1)) {
            let Some((kind, error)) = &tried.error else {
                continue;
            };
            let kind = kind.as_str();
            if tried.endpoint == next.endpoint {
                warn!(job, run, kind, error, "another token is asked");
            } else {
                let next = next.endpoint.as_ref();
                warn!(job, run, kind, error, next, "the next endpoint is asked");
            }
        }
    }

    /// The one line of a run's end, as the deliverer logs it for a run that is pushed.
    fn log_silent(&self, answered: &Answered, reason: &str) {
        info!(
            job = self.job.name.as_str(),
            run = self.claim.run_id,
            scheduled_at = shown(self.claim.scheduled_at()),
            asked_ms = answered.asked_ms,
            token = answered.asked.token_label.as_deref().unwrap_or("none"),
            attempt = self.number,
            reason,
            "silent"
        );
    }

    fn log_failure(&self, failure: &Failure, asked_ms: i64) {
        let (job, run, attempt) = (self.job.name.as_str(), self.claim.run_id, self.number);
        let (error, token) = (&failure.error, failure.asked.token_label.as_deref());
        if let Some(at) = failure.next_attempt_at {
            let next_attempt_at = shown(at);
            warn!(job, run, attempt, next_attempt_at, error, "asking failed");
            return;
        }
        // The one line of a run's end, as the deliverer logs it for a run that got its answer.
        tracing::error!(
            job,
            run,
            scheduled_at = shown(self.claim.scheduled_at()),
            asked_ms,
            pushed_ms = 0,
            bytes = 0,
            parts = 0,
            token = token.unwrap_or("none"),
            attempt,
            reason = error,
            "failed"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(outcome: &str, error: Option<&str>) -> AttemptRow {
        AttemptRow {
            number: 1,
            started_at: 0,
            finished_at: None,
            outcome: outcome.to_owned(),
            ai: "kimi".to_owned(),
            token_label: None,
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn only_the_same_refusal_of_the_last_attempt_is_repeated() {
        let now = attempt("asking", None);
        let cut = attempt("lost", Some("the process ended meanwhile"));
        let down = attempt("failed", Some("ai.kimi (http://ai/v1): cannot connect — …"));
        let stopped = attempt("failed", Some("ai.kimi (http://ai/v1): [不合规] — …"));
        for (attempts, expected) in [
            (vec![now.clone()], false),
            (vec![cut.clone(), now.clone()], false),
            (vec![down.clone(), now.clone()], false),
            (vec![stopped.clone(), now.clone()], true),
            (vec![stopped.clone(), cut, now.clone()], true),
            (vec![stopped, down, now], false),
        ] {
            assert_eq!(repeats(&attempts, "[不合规]"), expected, "{attempts:?}");
        }
    }
}
