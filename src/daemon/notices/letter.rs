//! From a notice's words to the push that one target is owed. Pure.

use std::time::Duration;

use super::words::Words;
use crate::{
    config::{Notification, Target},
    daemon::{
        gate,
        messages::{Look, parcels, room},
        outbox,
    },
    ledger::{Letter, NewDelivery, Step},
    model::{Language, Timestamp},
    render,
};

/// How long a notice is sent again where nothing else is said.
const TRIED_FOR: Duration = Duration::from_hours(24);

/// What is over buzzes nobody.
const QUIET: u8 = 2;

/// All of a letter but its words.
pub(super) struct Envelope<'a> {
    target: &'a Target,
    language: Language,
    now: Timestamp,
    tried_for: Duration,
}

impl<'a> Envelope<'a> {
    pub(super) fn new(target: &'a Target, language: Language, now: Timestamp) -> Self {
        let tried_for = TRIED_FOR;
        Self {
            target,
            language,
            now,
            tried_for,
        }
    }

    pub(super) fn tried_for(self, tried_for: Duration) -> Self {
        Self { tried_for, ..self }
    }

    /// The push; `id` is what makes it one and the same, `step` what it does to its subject.
    pub(super) fn letter(&self, words: Words, id: &str, step: Option<Step>) -> Option<Letter> {
        let Words { title, text } = words;
        let part = render::truncate(&text, Some(&title), room(self.target), self.language)?;
        let look = look(step, self.target);
        let parcel = parcels(look.messages([part])).pop()?;
        Some(Letter {
            title,
            delivery: NewDelivery {
                kind: "notice",
                target: self.target.name.to_string(),
                part: 1,
                parts: 1,
                turn: 1,
                sequence_id: outbox::notice_id(&[id, &self.target.name]),
                bytes: i64::try_from(parcel.message.message.len()).unwrap_or(i64::MAX),
                message: serde_json::to_string(&parcel).unwrap_or_default(),
                next_at: self.now,
                give_up_at: gate::give_up_at(self.target, self.now, self.tried_for),
            },
        })
    }
}

fn look(step: Option<Step>, target: &Target) -> Look {
    let (tag, priority) = match step {
        Some(Step::Over) => ("white_check_mark", Some(QUIET)),
        Some(Step::Happened) | None => ("warning", None),
    };
    Look {
        topic: String::new(),
        notification: Notification {
            priority,
            tags: Some(vec![tag.to_owned()]),
            ..Notification::default()
        },
        markdown: false,
        raw_tags: target.webhook().is_some(),
    }
}
