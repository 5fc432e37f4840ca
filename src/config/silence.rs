//! `notify` and `silent_if`: which answers are worth a push.

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{
    item::{Fault, Item},
    section::Section,
};

const NOTIFY: &[(&str, Notify)] = &[("always", Notify::Always), ("changed", Notify::Changed)];

/// No two answers have all of these in common but what a pattern finds in every text.
const ANY_TEXTS: [&str; 3] = ["a", "金价 801.5", "NONE\n\n- 1"];

/// Which answers of a job are pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// All of them.
    #[default]
    Always,
    /// Those that differ from the last one that was pushed.
    Changed,
}

/// A regular expression; two are equal when their texts are.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// True where it is found anywhere in the text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// As the file writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

pub(super) fn notify(section: &Section<'_>) -> Option<Notify> {
    section.read("notify", |item| item.choice(NOTIFY))
}

pub(super) fn silent_if(section: &Section<'_>) -> Option<Pattern> {
    section.read("silent_if", pattern)
}

/// Verbatim, as prompts are: `$` and `{` have a meaning of their own in it.
fn pattern(item: &Item<'_>) -> Result<Pattern, Fault> {
    let text = item.verbatim()?;
    if text.trim().is_empty() {
        let message = "is empty; write what an answer without news is, such as '^NONE$'";
        return Err(message.to_owned().into());
    }
    let regex = Regex::new(text).map_err(|why| wrong(item, text, &why))?;
    if ANY_TEXTS.iter().all(|any| regex.is_match(any)) {
        let message =
            "matches any answer, so that nothing would ever be pushed; anchor it, such as '^NONE$'";
        return Err(message.to_owned().into());
    }
    Ok(Pattern(regex))
}

/// The parser's own words, at its own place; the crate that matches tells them as a drawing.
fn wrong(item: &Item<'_>, text: &str, why: &regex::Error) -> Fault {
    let (at, what) = match regex_syntax::parse(text) {
        Err(regex_syntax::Error::Parse(error)) => {
            (Some(error.span().start.offset), error.kind().to_string())
        }
        Err(regex_syntax::Error::Translate(error)) => {
            (Some(error.span().start.offset), error.kind().to_string())
        }
        _ => (None, why.to_string()),
    };
    let message = format!("is no regular expression: {what}; https://docs.rs/regex has the syntax");
    item.within(text, at, message)
}
