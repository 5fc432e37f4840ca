//! A job's conversation with an endpoint: where it stands before a question, and what an answer adds to it.

use std::sync::Arc;

use chrono::Datelike as _;
use chrono_tz::Tz;
use tracing::warn;

use crate::{
    ask::{self, Answer, Question, Turn},
    config::{Api, Endpoint, Job, Reset},
    ledger::{ConversationRow, Ledger, LedgerError, TurnRow},
    model::Timestamp,
    render,
};

/// A conversation as it stands before a question.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// The one that goes on; None: one begins.
    row: Option<ConversationRow>,
    history: Vec<Turn>,
}

impl Standing {
    /// Reads it; None where the job keeps none.
    pub(super) async fn read(
        ledger: &Ledger,
        job: &Job,
        endpoint: &Endpoint,
        now: Timestamp,
    ) -> Result<Option<Self>, LedgerError> {
        let Some(conversation) = &job.conversation else {
            return Ok(None);
        };
        let newest = ledger
            .conversation(job.name.as_str(), &endpoint.name)
            .await?;
        let zone = job.schedule.zone();
        let goes_on = |row: &ConversationRow| {
            let (begun_at, turns) = (row.begun_at(), row.turns);
            !is_over(conversation.reset, begun_at, turns, now, zone)
        };
        let Some(row) = newest.filter(goes_on) else {
            return Ok(Some(Self::default()));
        };
        let history = match endpoint.api {
            // Kimi remembers by itself.
            Api::Kimi => Vec::new(),
            Api::Openai => {
                let mut history = History::of(conversation.history_max_chars);
                let reads_on = |prompt, answer: String| history.add(prompt, &answer);
                ledger.said(row.conversation_id, reads_on).await?;
                history.told(job, endpoint)
            }
        };
        Ok(Some(Self {
            row: Some(row),
            history,
        }))
    }

    /// Puts a question into it.
    pub(super) fn put(&self, question: &mut Question) {
        question.history.clone_from(&self.history);
        question.conversation = match &self.row {
            Some(ConversationRow {
                remote_id: Some(id),
                token: Some(token),
                ..
            }) => ask::Conversation::GoOn {
                id: id.clone(),
                token: Arc::from(token.as_str()),
            },
            _ => ask::Conversation::Begin,
        };
    }

    /// What an answer to it is a turn of: of another conversation than the one that was to go on where that was lost.
    pub(super) fn turn(&self, answer: &Answer) -> TurnRow {
        match self.row.as_ref().filter(|row| is_of(row, answer)) {
            Some(row) => TurnRow::Next(row.conversation_id),
            None => {
                let kept = answer.conversation.as_ref();
                TurnRow::First {
                    remote_id: kept.map(|kept| kept.id.clone()),
                    token: kept.map(|kept| kept.token.to_string()),
                }
            }
        }
    }

    /// True for an answer outside the conversation that was to go on.
    pub(super) fn is_lost(&self, answer: &Answer) -> bool {
        self.row.as_ref().is_some_and(|row| !is_of(row, answer))
    }
}

/// What was said, as a service is sent it that does not remember: the newest turns, without what a model thought.
struct History {
    /// The newest first.
    turns: Vec<Turn>,
    /// The most characters in all turns together.
    most: usize,
    /// Those that are left.
    left: usize,
    /// The characters of the turn for which there was no room.
    too_long: Option<usize>,
}

impl History {
    fn of(most: usize) -> Self {
        Self {
            turns: Vec::new(),
            most,
            left: most,
            too_long: None,
        }
    }

    /// Takes the next older turn; false where there is no room for it.
    fn add(&mut self, prompt: String, answer: &str) -> bool {
        let answer = render::without_thinking(answer).to_owned();
        let chars = prompt.chars().count() + answer.chars().count();
        let Some(left) = self.left.checked_sub(chars) else {
            self.too_long = Some(chars);
            return false;
        };
        self.left = left;
        self.turns.push(Turn { prompt, answer });
        true
    }

    /// The turns, the oldest first; the log says where there is room for none.
    fn told(mut self, job: &Job, endpoint: &Endpoint) -> Vec<Turn> {
        if let (true, Some(chars)) = (self.turns.is_empty(), self.too_long) {
            let (job, ai, history_max_chars) = (job.name.as_str(), &*endpoint.name, self.most);
            warn!(
                job,
                ai,
                chars,
                history_max_chars,
                "nothing of the conversation is sent: even its newest turn is longer than history_max_chars"
            );
        }
        self.turns.reverse();
        self.turns
    }
}

/// Whether an answer is part of a conversation; one whose history we keep has no id.
fn is_of(row: &ConversationRow, answer: &Answer) -> bool {
    let id = answer.conversation.as_ref().map(|kept| kept.id.as_str());
    row.remote_id.as_deref() == id
}

/// Whether a conversation that began then and has so many turns is to go on no more.
fn is_over(
    reset: Option<Reset>,
    begun_at: Timestamp,
    turns: i64,
    now: Timestamp,
    zone: Tz,
) -> bool {
    let day = |at: Timestamp| at.with_timezone(&zone).date_naive();
    let (begun, today) = (day(begun_at), day(now));
    match reset {
        None => false,
        Some(Reset::Daily) => begun != today,
        Some(Reset::Weekly) => begun.iso_week() != today.iso_week(),
        Some(Reset::Turns(most)) => turns >= i64::from(most),
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Asia::Shanghai;

    use super::*;

    fn at(instant: &str) -> Timestamp {
        instant.parse().unwrap()
    }

    #[test]
    fn a_day_and_a_week_are_those_of_the_jobs_zone() {
        // 23:30 on a Sunday in Shanghai.
        let sunday = at("2026-11-22T15:30:00Z");
        let monday = at("2026-11-22T16:30:00Z");
        let is_over = |reset, now| is_over(Some(reset), sunday, 1, now, Shanghai);
        assert!(!is_over(Reset::Daily, sunday));
        assert!(is_over(Reset::Daily, monday));
        assert!(is_over(Reset::Weekly, monday));
        assert!(!super::is_over(
            Some(Reset::Weekly),
            monday,
            9,
            at("2026-11-29T15:59:00Z"),
            Shanghai
        ));
    }

    #[test]
    fn turns_are_counted_and_without_a_reset_nothing_ends() {
        let now = at("2026-11-22T15:30:00Z");
        let is_over = |reset, turns| is_over(reset, now, turns, now, Shanghai);
        assert!(!is_over(Some(Reset::Turns(2)), 1));
        assert!(is_over(Some(Reset::Turns(2)), 2));
        assert!(!is_over(None, 1_000_000));
    }
}
