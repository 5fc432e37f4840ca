//! What a push shows besides its text, at a job and at its targets.

use toml::de::DeValue;

use super::{
    extras::{self, Extras},
    item::{Fault, Item},
    ntfy_rules,
    section::Section,
    urls,
};

/// ntfy takes 1,024 bytes; the rest is room for a part's number, such as ` (12/50)`.
const TITLE_BYTES: usize = 1_000;

/// What a push shows besides its text. A job's values stand before its target's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// The title; none by default.
    pub title: Option<String>,
    /// 1..5; None leaves ntfy's default (3).
    pub priority: Option<u8>,
    /// As the user wrote them: short codes, emoji or words.
    pub tags: Option<Vec<String>>,
    /// The URL that a tap opens.
    pub click: Option<String>,
    /// What ntfy alone can show; few of ten thousand jobs have any of it.
    pub extras: Option<Box<Extras>>,
}

impl Notification {
    /// This one's values where it has them, else the other's.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let extras = match (&self.extras, &other.extras) {
            (Some(own), Some(other)) => Some(Box::new(own.or(other))),
            (own, other) => own.as_ref().or(other.as_ref()).cloned(),
        };
        Self {
            title: self.title.clone().or_else(|| other.title.clone()),
            priority: self.priority.or(other.priority),
            tags: self.tags.clone().or_else(|| other.tags.clone()),
            click: self.click.clone().or_else(|| other.click.clone()),
            extras,
        }
    }

    /// What ntfy alone can show.
    #[must_use]
    pub fn extras(&self) -> &Extras {
        self.extras.as_deref().unwrap_or(&Extras::NONE)
    }
}

/// The keys that ntfy's targets and jobs share.
pub(super) fn notification(section: &Section<'_>) -> Notification {
    let extras = extras::read(section);
    Notification {
        extras: (extras != Extras::NONE).then(|| Box::new(extras)),
        ..shown(section)
    }
}

/// What every kind of target can show.
pub(super) fn shown(section: &Section<'_>) -> Notification {
    Notification {
        title: section.read("title", title),
        priority: section.read("priority", priority),
        tags: section.read("tags", tags),
        click: section.read("click", |item| urls::click(&item.word()?)),
        ..Notification::default()
    }
}

fn title(item: &Item<'_>) -> Result<String, String> {
    let title = item.word()?;
    if title.chars().any(char::is_control) {
        return Err(
            "holds a line break or another control character; write it on one line".to_owned(),
        );
    }
    if title.len() > TITLE_BYTES {
        let bytes = title.len();
        return Err(format!(
            "is {bytes} bytes long; at most {TITLE_BYTES} are allowed"
        ));
    }
    Ok(title)
}

fn priority(item: &Item<'_>) -> Result<u8, String> {
    match item.value {
        DeValue::Integer(_) => ntfy_rules::check_priority(item.whole()?),
        DeValue::String(_) => ntfy_rules::parse_priority(&item.word()?),
        _ => Err(item.unlike("1 to 5, or min, low, default, high or max")),
    }
}

fn tags(item: &Item<'_>) -> Result<Vec<String>, Fault> {
    let elements = item
        .elements()
        .ok_or_else(|| item.unlike("a list such as [\"💰\"]"))?;
    let mut tags = elements
        .iter()
        .map(Item::own_word)
        .collect::<Result<Vec<_>, _>>()?;
    // Collecting made room for four; thousands of jobs have one.
    tags.shrink_to_fit();
    ntfy_rules::check_tags(&tags)?;
    Ok(tags)
}
