//! The fields of a push that ntfy alone knows, with ntfy's own limits.

use std::{ops::RangeInclusive, time::Duration};

use toml::de::DeValue;

use super::{
    actions::{self, Button},
    duration,
    item::Item,
    section::Section,
    urls,
};

/// ntfy's bounds (codes 40005 and 40006).
const DELAYS: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_hours(3 * 24);

/// What ntfy alone can show. What acts comes once, with part 1; the rest with every part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extras {
    /// The URL of an attachment; with part 1.
    pub attach: Option<String>,
    /// What the attachment is called.
    pub filename: Option<String>,
    /// The URL of an icon (Android).
    pub icon: Option<String>,
    /// Up to three buttons; with part 1. They are read anew for each attempt and never kept in the
    /// ledger: they may hold secrets.
    pub actions: Option<Vec<Button>>,
    /// How much later it is shown: `30m`, `9am`.
    pub delay: Option<String>,
    /// An e-mail address that gets part 1 too.
    pub email: Option<String>,
    /// A telephone number that is called and hears part 1, or `yes` for the user's own; empty: none.
    pub call: Option<String>,
    /// Whether the apps show the text as Markdown; None: as the style says.
    pub markdown: Option<bool>,
    /// Whether the server keeps it for phones that are away; default yes.
    pub cache: Option<bool>,
    /// Whether it goes through Google's service; default yes.
    pub firebase: Option<bool>,
}

impl Extras {
    /// Nothing of it.
    pub(super) const NONE: Self = Self {
        attach: None,
        filename: None,
        icon: None,
        actions: None,
        delay: None,
        email: None,
        call: None,
        markdown: None,
        cache: None,
        firebase: None,
    };

    /// This one's values where it has them, else the other's.
    pub(super) fn or(&self, other: &Self) -> Self {
        // A name belongs to its attachment.
        let attached = match self.attach {
            Some(_) => self,
            None => other,
        };
        Self {
            attach: attached.attach.clone(),
            filename: attached.filename.clone(),
            icon: self.icon.clone().or_else(|| other.icon.clone()),
            actions: self.actions.clone().or_else(|| other.actions.clone()),
            delay: self.delay.clone().or_else(|| other.delay.clone()),
            email: self.email.clone().or_else(|| other.email.clone()),
            call: self.call.clone().or_else(|| other.call.clone()),
            markdown: self.markdown.or(other.markdown),
            cache: self.cache.or(other.cache),
            firebase: self.firebase.or(other.firebase),
        }
    }
}

pub(super) fn read(section: &Section<'_>) -> Extras {
    if let Some(item) = section.item("filename").filter(|_| !section.has("attach")) {
        item.fault("names the attachment, and there is none: ntfy would make a file of the text; add attach beside it or remove it");
    }
    let delay = section.read("delay", delay);
    let cache = section.read("cache", Item::bool);
    if let (Some(item), Some(_), Some(false)) = (section.item("cache"), &delay, cache) {
        item.fault("ntfy keeps what it is to show later: it cannot be false beside delay; remove one of them");
    }
    Extras {
        attach: section.read("attach", |item| urls::fetched(&item.word()?)),
        filename: section.read("filename", filename),
        icon: section.read("icon", |item| urls::fetched(&item.word()?)),
        actions: section.read("actions", actions::read),
        delay,
        email: section.read("email", email),
        call: section.read("call", call),
        markdown: section.read("markdown", Item::bool),
        cache,
        firebase: section.read("firebase", Item::bool),
    }
}

fn filename(item: &Item<'_>) -> Result<String, String> {
    const MOST_BYTES: usize = 200;
    let name = item.word()?;
    let is_odd = |c: char| c.is_control() || c == '/';
    if name.len() > MOST_BYTES || name.chars().any(is_odd) {
        return Err(
            "is no file's name; write at most 200 bytes without / and line breaks".to_owned(),
        );
    }
    Ok(name)
}

/// A time from now within ntfy's bounds, or one of its words such as `9am`.
fn delay(item: &Item<'_>) -> Result<String, String> {
    let text = item.word()?;
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!(
            "{text:?} is one instant, and jobs come again; write a time such as \"30m\" or \"9am\""
        ));
    }
    let Ok(time) = duration::parse(&text) else {
        return match names_a_time(&text) {
            true => Ok(text),
            false => Err(format!(
                "{text:?} is no time that ntfy reads; write \"30m\", \"9am\", \"14:30\", \"tomorrow, 10am\" or \"monday\""
            )),
        };
    };
    if !DELAYS.contains(&time) {
        return Err(format!("{text:?} is out of range; ntfy takes 10s to 3d"));
    }
    // ntfy reads one number with one unit.
    Ok(match time.as_secs() {
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    })
}

/// Generous, for ntfy reads English: a number, a day's name, or a word for a part of a day.
fn names_a_time(text: &str) -> bool {
    const WORDS: [&str; 18] = [
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
        "today",
        "tonight",
        "tomorrow",
        "noon",
        "midnight",
        "morning",
        "afternoon",
        "evening",
        "hour",
        "minute",
        "week",
    ];
    let text = text.to_lowercase();
    text.contains(|c: char| c.is_ascii_digit()) || WORDS.iter().any(|word| text.contains(word))
}

fn email(item: &Item<'_>) -> Result<String, String> {
    let address = item.word()?;
    let parts = address.split_once('@');
    let is_address = parts.is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
    match is_address && !address.contains(char::is_whitespace) {
        true => Ok(address),
        false => Err(format!(
            "{address:?} is no e-mail address; write it like \"name@example.com\""
        )),
    }
}

/// A number with its country's code, true for the one that the ntfy user has verified, false for none.
fn call(item: &Item<'_>) -> Result<String, String> {
    const WANTED: &str = "true, false, or a number such as \"+4930123456\"";
    match item.value {
        DeValue::Boolean(true) => return Ok("yes".to_owned()),
        DeValue::Boolean(false) => return Ok(String::new()),
        DeValue::String(_) => {}
        _ => return Err(item.unlike(WANTED)),
    }
    let number = item.word()?;
    let digits = number.strip_prefix('+').unwrap_or_default();
    match (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        true => Ok(number),
        false => Err(format!("{number:?} is no telephone number; write {WANTED}")),
    }
}
