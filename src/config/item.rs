//! A value of the file, read as what it should be.

use std::{borrow::Cow, ops::RangeInclusive, time::Duration};

use toml::{Spanned, de::DeValue};

use super::{duration, expand, literal, reading::Reading, suggest};

/// What is wrong with a value, and where, if not at its beginning.
pub(super) struct Fault {
    at: Option<usize>,
    message: String,
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self { at: None, message }
    }
}

/// One value, and where it stands.
#[derive(Clone)]
pub(super) struct Item<'r> {
    pub(super) reading: &'r Reading<'r>,
    pub(super) key: &'static str,
    pub(super) key_at: usize,
    pub(super) at: usize,
    pub(super) value: &'r DeValue<'r>,
}

impl<'r> Item<'r> {
    /// Parses the value; what is wrong is reported with its key, at its place.
    pub(super) fn read<T, E>(&self, parse: impl FnOnce(&Self) -> Result<T, E>) -> Option<T>
    where
        E: Into<Fault>,
    {
        self.reading.used.borrow_mut().clear();
        match parse(self).map_err(Into::into) {
            Ok(value) => Some(value),
            Err(Fault { at, message }) => {
                let message = format!("{}: {}", self.key, self.reading.hide(message));
                self.reading.fault(at.unwrap_or(self.at), message);
                None
            }
        }
    }

    /// An error of this very item, where the caller reads one around it.
    pub(super) fn blame(&self, message: String) -> Fault {
        let at = Some(self.at);
        Fault { at, message }
    }

    /// An error at a byte of this text, where the file holds it as it is; else at its beginning.
    pub(super) fn within(&self, text: &str, at: Option<usize>, message: String) -> Fault {
        let Some(at) = at else {
            return Fault::from(message);
        };
        match self.reading.source.verbatim(self.at, text) {
            Some(begins) => Fault {
                at: Some(begins + at),
                message,
            },
            None => {
                let line = text[..at].matches('\n').count() + 1;
                Fault::from(format!("{message} (in line {line} of the text)"))
            }
        }
    }

    /// An error inside of this string, at an offset in what it means.
    pub(super) fn blame_inside(&self, meant: usize, message: String) -> Fault {
        let literal = self.reading.source.rest(self.at);
        let at = Some(self.at + literal::place(literal, meant));
        Fault { at, message }
    }

    /// [`Item::word`] of an element, its error at the element's own place.
    pub(super) fn own_word(&self) -> Result<String, Fault> {
        self.word().map_err(|message| self.blame(message))
    }

    /// Reports something about this value.
    pub(super) fn fault(&self, message: &str) {
        self.reading
            .fault(self.at, format!("{}: {message}", self.key));
    }

    /// A prompt: the string as it stands.
    pub(super) fn verbatim(&self) -> Result<&'r str, String> {
        self.value
            .as_str()
            .ok_or_else(|| self.unlike("a string in quotes"))
    }

    /// Any other string: `${VAR}` replaced.
    pub(super) fn text(&self) -> Result<Cow<'r, str>, String> {
        let expanded = expand::expand(self.verbatim()?, self.reading.env)?;
        self.reading.used.borrow_mut().extend(expanded.used);
        Ok(expanded.text)
    }

    /// A string with something in it besides blanks, which are trimmed.
    pub(super) fn word(&self) -> Result<String, String> {
        let text = self.text()?;
        match text.trim() {
            "" => Err("is empty; give it a value or leave the key out".to_owned()),
            word => Ok(word.to_owned()),
        }
    }

    pub(super) fn bool(&self) -> Result<bool, String> {
        self.value
            .as_bool()
            .ok_or_else(|| self.unlike("true or false, without quotes"))
    }

    /// A whole number of any size that TOML promises to hold.
    pub(super) fn whole(&self) -> Result<i64, String> {
        let wanted = || self.unlike("a whole number");
        let int = self.value.as_integer().ok_or_else(wanted)?;
        i64::from_str_radix(int.as_str(), int.radix())
            .map_err(|_| format!("{int} is too large a number; TOML holds 64 bits"))
    }

    /// A whole number within bounds.
    pub(super) fn int(&self, allowed: RangeInclusive<usize>) -> Result<usize, String> {
        let (low, high) = (allowed.start(), allowed.end());
        let int = self.whole()?;
        usize::try_from(int)
            .ok()
            .filter(|int| allowed.contains(int))
            .ok_or_else(|| format!("{int} is out of range; use {low} to {high}"))
    }

    /// A duration such as `15m` that may be zero.
    pub(super) fn duration(&self) -> Result<Duration, String> {
        if let Some(int) = self.value.as_integer() {
            return Err(format!(
                "a duration needs a unit, in quotes: write \"{int}s\" or \"15m\""
            ));
        }
        if self.value.as_str().is_none() {
            return Err(self.unlike("a duration such as \"15m\""));
        }
        duration::parse(&self.text()?)
    }

    /// A duration above zero.
    pub(super) fn positive(&self) -> Result<Duration, String> {
        match self.duration()? {
            Duration::ZERO => {
                Err("must be longer than 0; write a duration such as \"15m\"".to_owned())
            }
            duration => Ok(duration),
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Result<T, String> {
        let text = self.text()?;
        let names = || choices.iter().map(|(name, _)| *name);
        choices
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, choice)| *choice)
            .ok_or_else(|| {
                let near = suggest::did_you_mean(&text, names());
                format!(
                    "{text:?} is not known{near} (allowed: {})",
                    suggest::listed(names())
                )
            })
    }

    /// The elements of an array, each with its own place.
    pub(super) fn elements(&self) -> Option<Vec<Self>> {
        let elements = self.value.as_array()?.iter();
        Some(elements.map(|element| self.inner(element)).collect())
    }

    /// A value inside this one.
    pub(super) fn inner(&self, value: &'r Spanned<DeValue<'r>>) -> Self {
        Self {
            at: value.span().start,
            value: value.get_ref(),
            ..self.clone()
        }
    }

    /// `expected X, found Y`, without the value: it may be a secret.
    pub(super) fn unlike(&self, wanted: &str) -> String {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        format!("expected {wanted}, found {found}")
    }
}
