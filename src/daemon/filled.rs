//! A job's prompts with their names filled in: what is asked in an attempt.

use anyhow::anyhow;

use crate::{
    config::Job,
    ledger::{Ledger, LedgerError},
    model::{Language, Timestamp, from_ms},
    prompt::{Facts, Last, Prompt, PromptError},
    render,
};

/// What a job asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The user's message.
    pub prompt: String,
    /// The system message before it.
    pub system: Option<String>,
}

/// When a job is asked for which of its instants.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// When it was due.
    pub scheduled_at: Timestamp,
    /// When it is asked.
    pub now: Timestamp,
}

impl Filled {
    /// Fills a job's prompts in; `ledger` is read only where one of them speaks of the last answer.
    ///
    /// # Errors
    /// The ledger could not be read; inside, what is wrong with a template.
    pub async fn of(
        job: &Job,
        language: Language,
        ledger: Option<&Ledger>,
        moments: Moments,
    ) -> Result<anyhow::Result<Self>, LedgerError> {
        let prompts = || {
            [Some(&job.prompt), job.system.as_ref()]
                .into_iter()
                .flatten()
        };
        let last = match ledger {
            Some(ledger) if prompts().any(Prompt::wants_last) => {
                ledger.last_delivered(job.name.as_str()).await?
            }
            _ => None,
        };
        let facts = Facts {
            job: job.name.as_str(),
            zone: job.schedule.zone(),
            language,
            now: moments.now,
            scheduled_at: moments.scheduled_at,
            last: last.map(|(answer, delivered_at)| Last {
                answer: render::without_thinking(&answer).to_owned(),
                delivered_at: from_ms(delivered_at),
            }),
        };
        Ok(fill(job, &facts))
    }
}

fn fill(job: &Job, facts: &Facts<'_>) -> anyhow::Result<Filled> {
    let filled = |key: &'static str, prompt: &Prompt| {
        let wrong = |PromptError { at, message }| {
            let (line, column) = prompt.position(at);
            let see = "`promptcron once JOB --show-prompt` shows it";
            anyhow!("{key} line {line}, column {column}: {message}; {see}")
        };
        prompt.fill(facts).map_err(wrong)
    };
    let system = job.system.as_ref().map(|system| filled("system:", system));
    Ok(Filled {
        prompt: filled("prompt:", &job.prompt)?,
        system: system.transpose()?,
    })
}
