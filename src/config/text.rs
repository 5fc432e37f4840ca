//! How answers become text: the keys that targets and jobs share, and the language around them.

use super::{
    item::{Fault, Item},
    section::Section,
};
use crate::{
    model::Language,
    render::{Code, Links, Long, Quotes, Style, Tables, TextChoices},
};

const STYLES: &[(&str, Style)] = &[
    ("plain", Style::Plain),
    ("classic", Style::Classic),
    ("markdown", Style::Markdown),
];
const QUOTES: &[(&str, Quotes)] = &[("keep", Quotes::Keep), ("drop", Quotes::Drop)];
const LINKS: &[(&str, Links)] = &[("drop", Links::Drop), ("append", Links::Append)];
const CODE: &[(&str, Code)] = &[("fence", Code::Fence), ("bare", Code::Bare)];
const TABLES: &[(&str, Tables)] = &[
    ("auto", Tables::Auto),
    ("rows", Tables::Rows),
    ("records", Tables::Records),
];
const LONG: &[(&str, Long)] = &[
    ("split", Long::Split),
    ("truncate", Long::Truncate),
    ("attach", Long::Attach),
];

/// The style, where this table names one.
pub(super) fn style(section: &Section<'_>) -> Option<Style> {
    section.read("style", |item| item.choice(STYLES))
}

/// What this table chooses for the plain style; the rest is left open.
pub(super) fn choices(section: &Section<'_>) -> TextChoices {
    TextChoices {
        quotes: section.read("quotes", |item| item.choice(QUOTES)),
        links: section.read("links", |item| item.choice(LINKS)),
        code: section.read("code", |item| item.choice(CODE)),
        tables: section.read("tables", |item| item.choice(TABLES)),
        heading_marks: section.read("heading_marks", heading_marks).map(Box::new),
        width: section.read("width", |item| item.int(10..=1_000)),
    }
}

/// What becomes of long answers at a target.
pub(super) fn long(section: &Section<'_>) -> Option<Long> {
    section.read("long", |item| item.choice(LONG))
}

/// Warns where long answers are to be attached and another attachment is too.
pub(super) fn warn_of_two_files(section: &Section<'_>, key: &'static str) {
    if let Some(item) = section.item(key) {
        let message = format!(
            "{key}: ntfy knows one attachment a message: beside attach, long = \"attach\" splits long answers"
        );
        section.reading.warn(item.at, message);
    }
}

/// The language of the words that promptcron adds.
pub(super) fn language(root: &Section<'_>) -> Option<Language> {
    root.read("language", |item| match item.text()?.as_ref() {
        "en" => Ok(Language::En),
        "zh" => Ok(Language::Zh),
        // No guess by spelling: "cn" is nearer to "en".
        other => Err(format!(
            "{other:?} is not known; write \"en\" for English or \"zh\" for Chinese"
        )),
    })
}

fn heading_marks(item: &Item<'_>) -> Result<[String; 6], Fault> {
    const WANTED: &str =
        "a list of six strings such as [\"📌\", \"🔷\", \"🔶\", \"🔸\", \"🔹\", \"\"]";
    let elements = item.elements().ok_or_else(|| item.unlike(WANTED))?;
    let marks = elements.iter().map(mark).collect::<Result<Vec<_>, _>>()?;
    let count = marks.len();
    marks.try_into().map_err(|_| {
        let message = format!(
            "holds {count}, one for each level from 1 to 6 is needed; write {WANTED}, where an empty one adds nothing"
        );
        message.into()
    })
}

/// A mark may be empty: that level's headings stand without one.
fn mark(item: &Item<'_>) -> Result<String, Fault> {
    let text = item.text().map_err(|message| item.blame(message))?;
    if text.chars().any(char::is_control) {
        let message = "holds a line break or another control character; write it on one line";
        return Err(item.blame(message.to_owned()));
    }
    Ok(text.trim().to_owned())
}
