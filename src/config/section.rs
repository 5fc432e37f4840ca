//! A table of the file: which keys it may hold, and which it must.

use toml::de::DeTable;

use super::{
    item::{Fault, Item},
    reading::Reading,
    suggest,
};

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

    /// A table that was opened before: what is unknown in it is reported already.
    pub(super) fn known(
        reading: &'r Reading<'r>,
        table: &'r DeTable<'r>,
        keys: &'static [&'static str],
    ) -> Self {
        Self {
            reading,
            label: String::new(),
            at: 0,
            table,
            keys,
        }
    }

    /// The item as a table; anything else is reported.
    pub(super) fn of(
        item: &Item<'r>,
        label: String,
        keys: &'static [&'static str],
    ) -> Option<Self> {
        let Some(table) = item.value.as_table() else {
            item.fault(&item.unlike(&format!("a table {label}")));
            return None;
        };
        Some(Self::open(item.reading, label, item.at, table, keys))
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
