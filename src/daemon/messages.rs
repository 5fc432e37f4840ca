//! From an answer to the messages of one target. Pure.

use super::{
    parcel::{self, Parcel},
    words,
};
use crate::{
    ask::Answer,
    config::{
        Job, Notification, Target,
        ntfy_rules::{MAX_MESSAGE_BYTES, short_codes},
    },
    model::Language,
    push::{File, Message},
    render::{self, Long, Part, Sources, SplitLimits, Style},
};

/// Room that a part leaves below ntfy's limit for the line that says it is late.
const LATE_ROOM: usize = 64;

/// The messages of an answer for one target, in order.
#[must_use]
pub fn messages(language: Language, job: &Job, target: &Target, answer: &Answer) -> Vec<Parcel> {
    let look = Look {
        notification: job.notification.or(&target.notification),
        markdown: style(job, target) == Style::Markdown,
    };
    let text = text(language, job, target, answer);
    let (title, max_bytes) = (look.notification.title.as_deref(), room(target));
    let split = || {
        let limits = SplitLimits {
            max_bytes,
            max_parts: target.max_parts,
        };
        look.messages(render::split(&text, title, &limits, language))
    };
    match target.long {
        Long::Truncate => {
            let part = render::truncate(&text, title, max_bytes, language);
            parcels(look.messages(part))
        }
        // ntfy knows one attachment a message, and the job's own is wanted.
        Long::Attach if look.notification.attach.is_none() => {
            match render::attach(&text, title, max_bytes) {
                Some(attached) if attached.needs_file => vec![Parcel {
                    message: look.message(attached.part, 0),
                    file: Some(file(language, job, answer)),
                    instead: split(),
                }],
                _ => parcels(split()),
            }
        }
        Long::Split | Long::Attach => parcels(split()),
    }
}

fn style(job: &Job, target: &Target) -> Style {
    job.style.or(target.style).unwrap_or_default()
}

/// The whole answer as a phone shows it.
fn text(language: Language, job: &Job, target: &Target, answer: &Answer) -> String {
    let options = job.text.or(&target.text).resolve();
    let style = style(job, target);
    let mut text = render::render(&answer.text, style, Sources::Cut, &options);
    if text.trim().is_empty() {
        // A style may leave nothing of an odd answer; ntfy would say "triggered".
        text = answer.text.trim().to_owned();
    }
    noted(language, answer, text)
}

/// The whole answer as it came, with its sources, to read on a larger screen or to keep.
fn file(language: Language, job: &Job, answer: &Answer) -> File {
    File {
        name: parcel::file_name(job.name.as_str()),
        text: noted(language, answer, answer.text.trim().to_owned()),
    }
}

/// Says below an answer that it is cut off, where it is.
fn noted(language: Language, answer: &Answer, text: String) -> String {
    if !answer.truncated {
        return text;
    }
    format!("{}\n\n{}", text.trim_end(), words::cut_off(language))
}

/// Messages without files.
pub(super) fn parcels(messages: Vec<Message>) -> Vec<Parcel> {
    messages.into_iter().map(Parcel::from).collect()
}

/// What one message may hold, with room for the line that says it is late.
pub(super) fn room(target: &Target) -> usize {
    target.max_bytes.min(MAX_MESSAGE_BYTES - LATE_ROOM)
}

/// What the messages of one text share.
pub(super) struct Look {
    pub(super) notification: Notification,
    pub(super) markdown: bool,
}

impl Look {
    pub(super) fn messages(&self, parts: impl IntoIterator<Item = Part>) -> Vec<Message> {
        let parts = parts.into_iter().enumerate();
        parts
            .map(|(index, part)| self.message(part, index))
            .collect()
    }

    /// One answer buzzes once: the parts after the first come quietly.
    fn message(&self, part: Part, index: usize) -> Message {
        const QUIET: u8 = 2;
        let notification = &self.notification;
        let priority = match index {
            0 => notification.priority,
            _ => Some(notification.priority.unwrap_or(QUIET).min(QUIET)),
        };
        Message {
            message: part.text,
            title: part.title,
            priority,
            tags: short_codes(notification.tags.as_deref().unwrap_or_default()),
            click: notification.click.clone(),
            attach: notification.attach.clone().filter(|_| index == 0),
            icon: notification.icon.clone(),
            markdown: self.markdown,
            ..Message::default()
        }
    }
}
