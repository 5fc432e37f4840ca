//! What needs somebody: what is wrong, and what to do about it.

use chrono::TimeDelta;

use super::{
    super::{Facts, app::Shared, refusal::Refusal, say::Zoned},
    Page,
};
use crate::model::Language;

/// Failures of this long count, and this many are listed.
const FAILED_FOR: TimeDelta = TimeDelta::days(7);
const FAILED: u32 = 5;

/// A target that takes nothing for this long.
const OWED_FOR: TimeDelta = TimeDelta::minutes(5);

/// One thing that is wrong.
pub(super) struct Want {
    /// Where more is told.
    pub(super) href: String,
    /// What it is about.
    pub(super) what: String,
    /// What is wrong.
    pub(super) wrong: String,
    /// In the words of whoever said so.
    pub(super) why: Option<String>,
    /// The next step.
    pub(super) fix: &'static str,
}

fn failed_ago(failed: &str, ago: &str, zoned: &Zoned) -> String {
    match zoned.language {
        Language::En => format!("{failed} {ago}"),
        Language::Zh => format!("{ago}{failed}"),
    }
}

/// Everything, the most urgent first.
pub(super) async fn all(shared: &Shared, facts: &Facts, page: &Page) -> Result<Vec<Want>, Refusal> {
    let records = &shared.handle.records;
    let words = page.words;
    let zoned = Zoned {
        zone: facts.config.timezone,
        now: shared.now(),
        language: page.language,
    };
    let mut wants = Vec::new();
    if let Some(refused) = facts.reload.as_ref().filter(|reload| !reload.taken) {
        wants.push(Want {
            href: "/config".to_owned(),
            what: words.config.to_owned(),
            wrong: words.config_dead.to_owned(),
            why: refused.lines.first().cloned(),
            fix: words.config_fix,
        });
    }
    for token in facts
        .tokens
        .iter()
        .filter(|token| matches!(token.state, "dead" | "suspect"))
    {
        let wrong = match token.state {
            "dead" => words.token_dead,
            _ => words.token_suspect,
        };
        wants.push(Want {
            href: "/tokens".to_owned(),
            what: format!("{} {}", token.ai, token.label),
            wrong: wrong.to_owned(),
            why: None,
            fix: words.token_fix,
        });
    }
    for owed in records.outbox().await? {
        if zoned.now - crate::model::from_ms(owed.since_at) > OWED_FOR {
            wants.push(Want {
                href: "/targets".to_owned(),
                what: owed.target,
                wrong: format!("{} {}", owed.owed, words.owed),
                why: owed.error,
                fix: words.outbox_fix,
            });
        }
    }
    for failed in records.troubles(zoned.now - FAILED_FOR, FAILED).await? {
        if facts.config.job(&failed.job).is_some() {
            wants.push(Want {
                href: format!("/runs/{}", failed.run_id),
                wrong: failed_ago(words.failed_job, &zoned.ago_ms(failed.finished_at), &zoned),
                what: failed.job,
                why: failed.reason,
                fix: words.failed_fix,
            });
        }
    }
    Ok(wants)
}
