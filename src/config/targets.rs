//! The targets of a file: `[ntfy.NAME]` tables, and inline tables where a job names its targets.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use toml::de::DeValue;

use super::{defined::Defined, item::Item, keys, ntfy, section::Section, types::Target};
use crate::render::Long;

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
        let inline = self
            .inline
            .into_iter()
            .map(|(name, (_, target))| (name, target));
        self.defined.into_valid().chain(inline).collect()
    }

    /// Whether one of these attaches long answers.
    pub(super) fn attach_long(&self, names: &[Arc<str>]) -> bool {
        let inline = |name| self.inline.get(name).map(|(_, target)| target);
        names
            .iter()
            .filter_map(|name| self.defined.get(name).or_else(|| inline(name)))
            .any(|target| target.long == Long::Attach)
    }

    /// A job's targets; without the key the only one that is defined.
    pub(super) fn of_job(&mut self, job: &Section<'_>) -> Option<Vec<Arc<str>>> {
        let Some(item) = job.item("ntfy") else {
            return self.defined.only(job).map(|only| vec![only]);
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
                element.fault("this target is named twice; each gets one push");
            }
            names.push(name);
        }
        Some(names)
    }

    /// A target by name or as an inline table.
    pub(super) fn one(&mut self, item: &Item<'_>) -> Option<Arc<str>> {
        match item.value {
            DeValue::Table(_) => self.inline(item),
            DeValue::String(_) => self.defined.refer(item),
            _ => {
                item.fault(&item.unlike("a target's name or an inline table { topic = \"…\" }"));
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
                    "this topic is written in line {line} with other settings; give it one table [ntfy.NAME] and name that in both"
                ));
            }
            Some(_) => {}
        }
        Some(name)
    }
}
