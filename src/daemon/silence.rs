//! Whether an answer is worth a push. Pure; what was pushed last the ledger knows.

use sha2::{Digest, Sha256};

use super::messages;
use crate::{
    ask::Answer,
    config::{Config, Job, Notify},
    ledger::Speak,
    model::Trigger,
};

/// Why an answer that matches `silent_if` is held back.
const SILENT_IF: &str = "silent_if";

/// The text that rules are about: the whole answer as the job's first target shows it, without
/// anything that promptcron adds, trimmed. None: it has no target.
fn text(config: &Config, job: &Job, answer: &Answer) -> Option<String> {
    let target = config.targets.get(job.targets.first()?)?;
    let text = messages::phone_text(job, target, answer);
    Some(text.trim().to_owned())
}

/// A short name of a text, of which equal ones have the same.
pub(super) fn hash(config: &Config, job: &Job, answer: &Answer) -> Option<String> {
    let text = text(config, job, answer)?;
    let digest = Sha256::digest(text);
    Some(
        digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
}

/// What becomes of a run's answer. Whoever asked by hand gets it whatever it says.
pub(super) fn speak(config: &Config, job: &Job, trigger: &str, answer: &Answer) -> Speak {
    if trigger == Trigger::Manual.as_str() {
        return Speak::Always;
    }
    if is_silent(config, job, answer) {
        return Speak::Never(SILENT_IF);
    }
    match job.notify {
        Notify::Always => Speak::Always,
        Notify::Changed => Speak::IfChanged,
    }
}

/// Whether `silent_if` would hold an answer back.
#[must_use]
pub fn is_silent(config: &Config, job: &Job, answer: &Answer) -> bool {
    let Some(pattern) = &job.silent_if else {
        return false;
    };
    text(config, job, answer).is_some_and(|text| pattern.matches(&text))
}
