//! A typed reader of TOML that goes on after an error and knows where each value stands.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    fs, io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use std::borrow::Cow;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{duration, env::Env, errors::Error, expand, source::Source, suggest};

/// Variables with shorter values are not hidden in messages: hiding "1" would garble them.
const HIDDEN_FROM: usize = 4;

/// One file being read: its text, its surroundings, and what was found wrong so far.
pub(super) struct Reading<'r> {
    pub(super) source: Source<'r>,
    pub(super) env: &'r dyn Env,
    folder: PathBuf,
    errors: RefCell<Vec<(usize, String)>>,
    warnings: RefCell<Vec<(usize, String)>>,
    strings: RefCell<HashSet<Arc<str>>>,
    files: RefCell<BTreeMap<PathBuf, Arc<str>>>,
    /// The environment's values in the item that is being read.
    used: RefCell<Vec<(String, String)>>,
}

impl<'r> Reading<'r> {
    pub(super) fn new(file: &Path, text: &'r str, env: &'r dyn Env) -> Self {
        Self {
            source: Source::new(file, text),
            env,
            folder: file.parent().map(Path::to_path_buf).unwrap_or_default(),
            errors: RefCell::default(),
            warnings: RefCell::default(),
            strings: RefCell::default(),
            files: RefCell::default(),
            used: RefCell::default(),
        }
    }

    /// Notes an error at a byte offset.
    pub(super) fn fault(&self, at: usize, message: impl Into<String>) {
        self.errors.borrow_mut().push((at, message.into()));
    }

    /// Notes a warning at a byte offset.
    pub(super) fn warn(&self, at: usize, message: impl Into<String>) {
        self.warnings.borrow_mut().push((at, message.into()));
    }

    /// The one shared copy of a text.
    pub(super) fn intern(&self, text: &str) -> Arc<str> {
        let mut strings = self.strings.borrow_mut();
        if let Some(known) = strings.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text);
        strings.insert(Arc::clone(&new));
        new
    }

    /// A path of the file; relative ones start at the file's own folder.
    pub(super) fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }

    /// The text of another file, read once however many jobs name it.
    pub(super) fn file(&self, written: &str) -> Result<Arc<str>, String> {
        let path = self.path(written);
        if let Some(text) = self.files.borrow().get(&path) {
            return Ok(Arc::clone(text));
        }
        let text = fs::read_to_string(&path).map_err(|why| cannot_read(&path, &why))?;
        let text: Arc<str> = Arc::from(text.trim_start_matches('\u{feff}'));
        self.files.borrow_mut().insert(path, Arc::clone(&text));
        Ok(text)
    }

    /// What was found, in the file's order: errors and warnings.
    pub(super) fn finish(self) -> (Vec<Error>, Vec<String>) {
        let errors = sorted(self.errors.into_inner())
            .map(|(at, message)| Error {
                file: Arc::clone(&self.source.file),
                position: Some(self.source.position(at)),
                message,
            })
            .collect();
        let warnings = sorted(self.warnings.into_inner())
            .map(|(at, message)| {
                let (line, column) = self.source.position(at);
                format!("{}:{line}:{column}: {message}", self.source.file)
            })
            .collect();
        (errors, warnings)
    }

    /// Replaces the environment's values by the variables that gave them.
    fn hide(&self, mut message: String) -> String {
        for (name, value) in self.used.borrow().iter() {
            if value.len() >= HIDDEN_FROM {
                message = message.replace(value.as_str(), &format!("${{{name}}}"));
            }
        }
        message
    }
}

fn sorted(mut found: Vec<(usize, String)>) -> impl Iterator<Item = (usize, String)> {
    found.sort_by_key(|(at, _)| *at);
    found.into_iter()
}

/// Why a file could not be read, and what to do.
pub(super) fn cannot_read(path: &Path, why: &io::Error) -> String {
    format!("cannot read {}: {}", path.display(), reason(why))
}

pub(super) fn reason(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::NotFound => "there is no such file; check the path".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied; let promptcron's user read it".to_owned()
        }
        io::ErrorKind::InvalidData => "it is not UTF-8; save it as UTF-8".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder; name a file".to_owned(),
        _ => format!("{why}; check the path and its permissions"),
    }
}

/// One table: its keys are known, others were reported when it was opened.
pub(super) struct Section<'r> {
    pub(super) reading: &'r Reading<'r>,
    /// The header as people write it: `[ai.kimi]`.
    pub(super) label: String,
    /// Where the table begins, for what is missing in it.
    pub(super) at: usize,
    table: &'r DeTable<'r>,
    keys: &'static [&'static str],
}

impl<'r> Section<'r> {
    pub(super) fn open(
        reading: &'r Reading<'r>,
        label: String,
        at: usize,
        table: &'r DeTable<'r>,
        keys: &'static [&'static str],
    ) -> Self {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if !keys.contains(&name) {
                let near = suggest::did_you_mean(name, keys.iter().copied());
                let place = if label.is_empty() {
                    "the top of the file"
                } else {
                    &label
                };
                reading.fault(
                    key.span().start,
                    format!(
                        "unknown key {name:?} in {place}{near} (allowed: {})",
                        keys.join(", ")
                    ),
                );
            }
        }
        Self {
            reading,
            label,
            at,
            table,
            keys,
        }
    }

    /// A key's value, if the key is there.
    pub(super) fn item(&self, key: &'static str) -> Option<Item<'r>> {
        debug_assert!(self.keys.contains(&key), "{key} is missing in keys.rs");
        self.table.get_key_value(key).map(|(name, value)| Item {
            reading: self.reading,
            key,
            key_at: name.span().start,
            at: value.span().start,
            value: value.get_ref(),
        })
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        self.item(key).is_some()
    }

    /// Reads a key that may be left out; what is wrong with it is reported where it stands.
    pub(super) fn read<T, E>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&Item<'r>) -> Result<T, E>,
    ) -> Option<T>
    where
        E: Into<Fault>,
    {
        self.item(key)?.read(parse)
    }

    /// Reads a key that must be there; `hint` is an example of its line.
    pub(super) fn required<T, E>(
        &self,
        key: &'static str,
        hint: &str,
        parse: impl FnOnce(&Item<'r>) -> Result<T, E>,
    ) -> Option<T>
    where
        E: Into<Fault>,
    {
        if !self.has(key) {
            self.missing(key, hint);
        }
        self.read(key, parse)
    }

    /// Reports what is missing in this table.
    pub(super) fn missing(&self, what: &str, hint: &str) {
        let message = format!("{} has no {what}; add {hint}", self.label);
        self.reading.fault(self.at, message);
    }

    /// The one of these keys that is there; a second one is reported.
    pub(super) fn one_of(&self, keys: &[&'static str]) -> Option<Item<'r>> {
        let mut found: Vec<_> = keys.iter().filter_map(|key| self.item(key)).collect();
        found.sort_by_key(|item| item.key_at);
        let mut found = found.into_iter();
        let first = found.next()?;
        for other in found {
            let (line, _) = self.reading.source.position(first.key_at);
            let message = format!(
                "{} beside {} in line {line}: only one of {} is allowed; keep one",
                other.key,
                first.key,
                suggest::joined(keys, "and"),
            );
            self.reading.fault(other.key_at, message);
        }
        Some(first)
    }
}

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

    pub(super) fn int(&self, allowed: RangeInclusive<usize>) -> Result<usize, String> {
        let (low, high) = (allowed.start(), allowed.end());
        let wanted = format!("a whole number from {low} to {high}");
        let int = self
            .value
            .as_integer()
            .ok_or_else(|| self.unlike(&wanted))?;
        i64::from_str_radix(int.as_str(), int.radix())
            .ok()
            .and_then(|int| usize::try_from(int).ok())
            .filter(|int| allowed.contains(int))
            .ok_or_else(|| format!("{int} is out of range; expected {wanted}"))
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
