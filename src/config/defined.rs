//! `[kind.NAME]` tables, and references to them by name.

use std::{collections::BTreeMap, sync::Arc};

use toml::{
    Spanned,
    de::{DeString, DeTable},
};

use super::{item::Item, section::Section, suggest};

/// The names of one kind that may be referred to.
pub(super) struct Defined<T> {
    /// `ai`, `ntfy` or `webhook`.
    kind: &'static str,
    /// None for a name whose table has an error of its own: a reference to it is no second error.
    by_name: BTreeMap<Arc<str>, Option<Arc<T>>>,
    /// False where the names themselves could not be read: then no reference is judged.
    is_known: bool,
}

impl<T> Defined<T> {
    /// Reads all `[kind.NAME]` tables.
    pub(super) fn tables<'r>(
        root: &Section<'r>,
        kind: &'static str,
        keys: &'static [&'static str],
        read: impl Fn(&Section<'r>, &Arc<str>) -> Option<T>,
    ) -> Self {
        let mut defined = Self {
            kind,
            by_name: BTreeMap::new(),
            is_known: true,
        };
        let Some(item) = root.item(kind) else {
            return defined;
        };
        let Some(table) = named(&item, keys) else {
            defined.is_known = false;
            return defined;
        };
        for (key, value) in table {
            let Some(name) = name(&item, key) else {
                defined.is_known = false;
                continue;
            };
            let section = Section::of(&item.inner(value), format!("[{kind}.{name}]"), keys);
            let read = section.and_then(|section| read(&section, &name));
            defined.by_name.insert(name, read.map(Arc::new));
        }
        defined
    }

    /// Reports a file that has none at all, once for all its jobs.
    pub(super) fn require(&mut self, root: &Section<'_>, keys: &str) {
        if self.is_known && self.by_name.is_empty() {
            let message = format!("no [{0}.NAME]; add one with {keys}", self.kind);
            root.reading.fault(0, message);
            self.is_known = false;
        }
    }

    /// The name as it is kept, if it is one of these.
    pub(super) fn name(&self, name: &str) -> Option<Arc<str>> {
        self.by_name
            .get_key_value(name)
            .map(|(name, _)| Arc::clone(name))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_name.keys()
    }

    /// False where the names themselves could not be read.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Arc<T>> {
        self.by_name.get_mut(name)?.as_mut()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<T>> {
        self.by_name.get(name)?.as_ref()
    }

    /// Those that are right.
    pub(super) fn into_valid(self) -> impl Iterator<Item = (Arc<str>, Arc<T>)> {
        let all = self.by_name.into_iter();
        all.filter_map(|(name, value)| Some((name, value?)))
    }

    /// The name that an item refers to; one that is not defined is reported.
    pub(super) fn refer(&self, item: &Item<'_>) -> Option<Arc<str>> {
        item.read(|item| {
            let name = item.word()?;
            match self.by_name.get_key_value(name.as_str()) {
                Some((known, _)) => Ok(Some(Arc::clone(known))),
                None if self.is_known => Err(self.unknown(&name)),
                None => Ok(None),
            }
        })?
    }

    fn unknown(&self, name: &str) -> String {
        let kind = self.kind;
        if self.by_name.is_empty() {
            return format!("{name:?} is not defined; add a table [{kind}.{name}]");
        }
        let names = || self.by_name.keys().map(|name| &**name);
        let near = suggest::did_you_mean(name, names());
        let list = suggest::listed(names());
        format!("{name:?} is not defined{near} (defined: {list})")
    }

    /// The only name there is; a job that names none is reported where there are others or none.
    pub(super) fn only(&self, job: &Section<'_>) -> Option<Arc<str>> {
        let kind = self.kind;
        let mut names = self.by_name.keys();
        if names.len() == 1 {
            return names.next().map(Arc::clone);
        }
        if names.len() > 1 {
            let names = suggest::listed(names.map(|name| &**name));
            job.missing(kind, &format!("{kind} = \"NAME\" with one of {names}"));
        } else if self.is_known {
            job.missing(kind, &format!("a table [{kind}.NAME] to the file"));
        }
        None
    }
}

/// The table of names; keys that stand where a name belongs are reported.
fn named<'r>(item: &Item<'r>, keys: &[&str]) -> Option<&'r DeTable<'r>> {
    let kind = item.key;
    let Some(table) = item.value.as_table() else {
        item.fault(&item.unlike(&format!("a table with a name: write [{kind}.NAME]")));
        return None;
    };
    let nameless = table
        .iter()
        .find(|(key, value)| keys.contains(&key.get_ref().as_ref()) && !value.get_ref().is_table());
    if let Some((key, _)) = nameless {
        let message = format!("[{kind}] needs a name; write [{kind}.NAME] above its keys");
        item.reading.fault(key.span().start, message);
        return None;
    }
    Some(table)
}

/// The NAME, if it can stand in messages, in the ledger and beside inline targets.
fn name(item: &Item<'_>, key: &Spanned<DeString<'_>>) -> Option<Arc<str>> {
    let name = key.get_ref();
    let is_odd = |char: char| char.is_control() || char.is_whitespace() || char == '/';
    if name.is_empty() || name.chars().any(is_odd) {
        let message = format!(
            "{name:?} cannot name a [{}.NAME]; use letters and digits of any script, - and _",
            item.key
        );
        item.reading.fault(key.span().start, message);
        return None;
    }
    Some(item.reading.intern(name))
}
