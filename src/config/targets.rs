//! The targets of a file: `[ntfy.NAME]` tables, and inline tables where a job names its targets.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use toml::de::DeValue;

use super::{item::Item, keys, ntfy, section::Section, suggest, types::Target};

/// Every name that may be referred to; None for one whose table has an error of its own.
pub(super) type Defined<T> = BTreeMap<Arc<str>, Option<Arc<T>>>;

/// The targets known so far; inline ones join while jobs are read.
pub(super) struct Targets {
    defined: Defined<Target>,
    inline: HashMap<Arc<str>, (usize, Arc<Target>)>,
}

impl Targets {
    pub(super) fn new(defined: Defined<Target>) -> Self {
        let inline = HashMap::new();
        Self { defined, inline }
    }

    /// All of them by name.
    pub(super) fn finish(self) -> BTreeMap<Arc<str>, Arc<Target>> {
        let defined = self
            .defined
            .into_iter()
            .filter_map(|(name, t)| Some((name, t?)));
        let inline = self
            .inline
            .into_iter()
            .map(|(name, (_, target))| (name, target));
        defined.chain(inline).collect()
    }

    /// A job's targets; without the key the only one that is defined.
    pub(super) fn of_job(&mut self, job: &Section<'_>) -> Option<Vec<Arc<str>>> {
        let Some(item) = job.item("ntfy") else {
            let only = only(job, "ntfy", "ntfy.phone", self.defined.keys())?;
            return Some(vec![only]);
        };
        match item.elements() {
            Some(elements) => self.list(&item, &elements),
            None => self.one(&item).map(|name| vec![name]),
        }
    }

    fn list(&mut self, item: &Item<'_>, elements: &[Item<'_>]) -> Option<Vec<Arc<str>>> {
        if elements.is_empty() {
            item.fault("is an empty list; name at least one target");
        }
        let mut names = Vec::with_capacity(elements.len());
        for element in elements {
            let name = self.one(element)?;
            if names.contains(&name) {
                element.fault(&format!(
                    "{name:?} is named twice; each target gets one push"
                ));
            }
            names.push(name);
        }
        Some(names)
    }

    /// A target by name or as an inline table.
    pub(super) fn one(&mut self, item: &Item<'_>) -> Option<Arc<str>> {
        match item.value {
            DeValue::Table(_) => self.inline(item),
            DeValue::String(_) => item.read(|item| refer(&item.word()?, "ntfy", &self.defined)),
            _ => {
                let wanted =
                    "a target's name, an inline table { topic = \"…\" }, or a list of them";
                item.fault(&item.unlike(wanted));
                None
            }
        }
    }

    fn inline(&mut self, item: &Item<'_>) -> Option<Arc<str>> {
        let table = item.value.as_table()?;
        let label = "this inline target".to_owned();
        let section = Section::open(item.reading, label, item.at, table, keys::NTFY);
        let target = ntfy::target(&section, None)?;
        let name = item.reading.intern(&target.name);
        match self.inline.get(&name) {
            None => {
                let target = Arc::new(target);
                self.inline.insert(Arc::clone(&name), (item.at, target));
            }
            Some((first, known)) if !ntfy::same(known, &target) => {
                let (line, _) = item.reading.source.position(*first);
                item.fault(&format!(
                    "{name} is written in line {line} with other settings; give it one table [ntfy.NAME] and name that in both"
                ));
            }
            Some(_) => {}
        }
        Some(name)
    }
}

/// The defined name, or an error that lists them.
pub(super) fn refer<T>(name: &str, kind: &str, defined: &Defined<T>) -> Result<Arc<str>, String> {
    if let Some((known, _)) = defined.get_key_value(name) {
        return Ok(Arc::clone(known));
    }
    if defined.is_empty() {
        return Err(format!("no [{kind}.NAME] is defined; add [{kind}.{name}]"));
    }
    let names = || defined.keys().map(|name| &**name);
    let near = suggest::did_you_mean(name, names());
    let list = suggest::listed(names());
    Err(format!("{name:?} is not defined{near} (defined: {list})"))
}

/// The only name there is; a job that names none is reported where there are others or none.
pub(super) fn only<'n>(
    job: &Section<'_>,
    key: &'static str,
    example: &str,
    mut names: impl ExactSizeIterator<Item = &'n Arc<str>>,
) -> Option<Arc<str>> {
    if names.len() == 1 {
        return names.next().map(Arc::clone);
    }
    if names.len() == 0 {
        job.missing(key, &format!("a table [{example}]"));
    } else {
        let names: Vec<_> = names.map(|name| &**name).collect();
        let hint = format!("{key} = \"NAME\" with one of {}", suggest::listed(names));
        job.missing(key, &hint);
    }
    None
}
