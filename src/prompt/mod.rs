//! Prompts: a text that is sent as it is, or a template whose names are filled in when it is asked. Pure.
//!
//! Nothing of the environment is in reach of a template, for what it makes leaves the house; nor are files, and no
//! loop runs for ever.

mod moment;
mod scan;

use std::{fmt, sync::Arc};

use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;
use minijinja::{
    AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context, syntax::SyntaxConfig,
    value::Object,
};

use self::moment::{Moment, weekday};
use crate::model::{Language, Timestamp};

/// The names that a template may use.
const NAMES: [&str; 9] = [
    "now",
    "date",
    "weekday",
    "time",
    "scheduled_at",
    "job",
    "last",
    "last.answer",
    "last.delivered_at",
];

/// Those of them that are instants: they know the method `format`, the others none.
const INSTANTS: [&str; 3] = ["now", "scheduled_at", "last.delivered_at"];

/// What the template language itself brings.
const BUILT_IN: [&str; 4] = ["range", "dict", "namespace", "loop"];

/// Bounds a template's loops: some 200,000 steps, and 13 MB.
const FUEL: u64 = 200_000;

/// A prompt as the config has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    text: Arc<str>,
    /// False: it is sent byte for byte.
    is_template: bool,
    wants_last: bool,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptError {
    /// Where, in bytes from the text's beginning.
    pub at: usize,
    /// What.
    pub message: String,
}

/// What a template is filled with.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The job's name.
    pub job: &'a str,
    /// The job's zone.
    pub zone: Tz,
    /// The config's language.
    pub language: Language,
    /// When it is asked.
    pub now: Timestamp,
    /// When it was due.
    pub scheduled_at: Timestamp,
    /// The job's last answer that was delivered; None on its first run.
    pub last: Option<Last>,
}

/// An answer that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// The AI's Markdown.
    pub answer: String,
    /// When it was.
    pub delivered_at: Timestamp,
}

impl Prompt {
    /// Reads a prompt, and tries a template on a first and on a later run, on each day of a week and in each language.
    ///
    /// # Errors
    /// What is wrong with a template: its syntax, a name, filter or test that there is none of.
    pub fn parse(text: Arc<str>) -> Result<Self, PromptError> {
        let mut prompt = Self {
            is_template: ["{{", "{%", "{#"].iter().any(|open| text.contains(open)),
            wants_last: false,
            text,
        };
        if !prompt.is_template {
            return Ok(prompt);
        }
        let env = environment();
        let template = env.template_from_str(&prompt.text);
        let template = template.map_err(|error| prompt.error(&error))?;
        let mut used: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        used.sort();
        if let Some(error) = scan::unknown(&prompt.text, &used, &env) {
            return Err(error);
        }
        prompt.wants_last = used
            .iter()
            .any(|name| name.split('.').next() == Some("last"));
        for facts in trials() {
            prompt.fill(&facts)?;
        }
        Ok(prompt)
    }

    /// The text as the config has it.
    #[must_use]
    pub fn as_written(&self) -> &str {
        &self.text
    }

    /// Whether it needs to know the job's last answer.
    #[must_use]
    pub fn wants_last(&self) -> bool {
        self.wants_last
    }

    /// The text that is sent.
    ///
    /// # Errors
    /// A template that only these facts show to be wrong, or whose loops are too long for them.
    pub fn fill(&self, facts: &Facts<'_>) -> Result<String, PromptError> {
        if !self.is_template {
            return Ok(self.text.to_string());
        }
        let filled = environment().render_str(&self.text, context(facts));
        filled.map_err(|error| self.error(&error))
    }

    /// Line and column of an offset in the text, both from 1; columns count characters.
    #[must_use]
    pub fn position(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(at)];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let column = before[line_start..].chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    fn error(&self, error: &minijinja::Error) -> PromptError {
        let line = error.line().unwrap_or(1);
        let line_start = || {
            let before = self.text.split_inclusive('\n').take(line.saturating_sub(1));
            before.map(str::len).sum()
        };
        PromptError {
            at: error.range().map_or_else(line_start, |range| range.start),
            message: words(error),
        }
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn words(error: &minijinja::Error) -> String {
    let detail = error.detail();
    match (error.kind(), detail) {
        (ErrorKind::OutOfFuel, _) => "takes too many steps; make its loops shorter".to_owned(),
        (ErrorKind::SyntaxError, Some(detail)) => format!(
            "{detail}; for braces that are meant as they stand write {{% raw %}}…{{% endraw %}}"
        ),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

fn environment<'source>() -> Environment<'source> {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    if let Ok(syntax) = syntax {
        env.set_syntax(syntax);
    }
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(FUEL));
    env.set_debug(true);
    env.remove_global("debug");
    env
}

fn context(facts: &Facts<'_>) -> Value {
    let local = |at: Timestamp| at.with_timezone(&facts.zone);
    let moment = |at: Timestamp| Moment::of(local(at), facts.language);
    let now: DateTime<Tz> = local(facts.now);
    let last = LastValue {
        answer: facts.last.as_ref().map(|last| last.answer.as_str().into()),
        delivered_at: facts.last.as_ref().map(|last| moment(last.delivered_at)),
    };
    context! {
        now => Value::from_object(moment(facts.now)),
        date => moment(facts.now).date(),
        weekday => weekday(&now, facts.language),
        time => now.format("%H:%M").to_string(),
        scheduled_at => Value::from_object(moment(facts.scheduled_at)),
        job => facts.job,
        last => Value::from_object(last),
    }
}

/// `last`: false, and its fields empty, where there is none.
#[derive(Debug)]
struct LastValue {
    answer: Option<Arc<str>>,
    delivered_at: Option<Moment>,
}

impl Object for LastValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let empty = || Value::from("");
        match key.as_str()? {
            "answer" => Some(self.answer.as_ref().map_or_else(empty, Value::from)),
            "delivered_at" => {
                let at = self.delivered_at.clone();
                Some(at.map_or_else(empty, Value::from_object))
            }
            _ => None,
        }
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.answer.is_some()
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.answer.as_deref().unwrap_or_default())
    }
}

/// The facts that a template is tried on: seven days, each at another time of day, with and without a last answer.
fn trials() -> impl Iterator<Item = Facts<'static>> {
    let days = (0..7).map(|day| Timestamp::UNIX_EPOCH + TimeDelta::hours(27 * day));
    days.flat_map(|now| {
        [Language::En, Language::Zh]
            .into_iter()
            .flat_map(move |language| {
                [None, Some(sample())].into_iter().map(move |last| Facts {
                    job: "job",
                    zone: Tz::UTC,
                    language,
                    now,
                    scheduled_at: now,
                    last,
                })
            })
    })
}

fn sample() -> Last {
    Last {
        answer: "# An answer\n\nof a few words.".to_owned(),
        delivered_at: Timestamp::UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests;
