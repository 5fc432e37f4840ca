//! The targets of a file: `[ntfy.NAME]` and `[webhook.NAME]` tables, and inline tables where a job names
//! its targets.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono_tz::Tz;
use toml::de::DeValue;
use url::Url;

use super::{
    defined::Defined, item::Item, keys, notification::Notification, ntfy, section::Section,
    suggest, types::Target,
};
use crate::render::Long;

/// The targets known so far; inline ones join while jobs are read.
pub(super) struct Targets {
    ntfy: Defined<Target>,
    webhooks: Defined<Target>,
    inline: HashMap<Arc<str>, (usize, Arc<Target>)>,
    zone: Tz,
}

impl Targets {
    pub(super) fn new(ntfy: Defined<Target>, webhooks: Defined<Target>, zone: Tz) -> Self {
        Self {
            ntfy,
            webhooks,
            inline: HashMap::new(),
            zone,
        }
    }

    /// All of them by name.
    pub(super) fn finish(self) -> BTreeMap<Arc<str>, Arc<Target>> {
        let inline = self
            .inline
            .into_iter()
            .map(|(name, (_, target))| (name, target));
        let defined = self.ntfy.into_valid().chain(self.webhooks.into_valid());
        defined.chain(inline).collect()
    }

    /// Reads whom each table of a kind names in `fallback`, now that all targets are known.
    pub(super) fn read_fallbacks(
        &mut self,
        root: &Section<'_>,
        kind: &'static str,
        keys: &'static [&'static str],
    ) {
        let Some(item) = root.item(kind) else { return };
        for (name, value) in item.value.as_table().into_iter().flatten() {
            let Some(table) = value.get_ref().as_table() else {
                continue;
            };
            let section = Section::known(item.reading, table, keys);
            let Some(item) = section.item("fallback") else {
                continue;
            };
            let own = name.get_ref().as_ref();
            let Some(names) = self.several(&item) else {
                continue;
            };
            if names.iter().any(|name| &**name == own) {
                item.fault("names the target itself; name another one");
            }
            self.set_fallback(own, names);
        }
    }

    fn set_fallback(&mut self, name: &str, names: Vec<Arc<str>>) {
        for defined in [&mut self.ntfy, &mut self.webhooks] {
            if let Some(target) = defined.get_mut(name) {
                Arc::make_mut(target).courtesy.fallback = names;
                return;
            }
        }
    }

    /// A job's own topic on its targets, of which each server may have one.
    pub(super) fn topic(
        &self,
        job: &Section<'_>,
        targets: Option<&[Arc<str>]>,
    ) -> Option<Arc<str>> {
        let topic = job.read("topic", ntfy::topic)?;
        let item = job.item("topic")?;
        let known = targets?.iter().map(|name| self.get(name));
        let known: Vec<&Arc<Target>> = known.collect::<Option<_>>()?;
        let servers = known
            .iter()
            .filter_map(|target| Some(&target.ntfy()?.server));
        let servers: Vec<&Url> = servers.collect();
        if servers.is_empty() {
            item.fault("does nothing where no target is on ntfy; remove it");
        }
        let twice = servers.iter().enumerate();
        if let Some((_, server)) = twice.clone().find(|(at, url)| servers[..*at].contains(url)) {
            let message = format!(
                "two targets are on {server}: the topic would get each answer twice; keep one of them"
            );
            item.fault(&message);
        }
        Some(job.reading.intern(&topic))
    }

    /// Reports a job's `delay` or `cache` that does not go with what one of its targets says.
    pub(super) fn check_delay(&self, job: &Section<'_>, shown: &Notification, names: &[Arc<str>]) {
        for target in names.iter().filter_map(|name| self.get(name)) {
            let extras = shown.or(&target.notification);
            let extras = extras.extras();
            let is_wrong = extras.delay.is_some() && extras.cache == Some(false);
            let own = shown.extras();
            let item = match (&own.delay, own.cache) {
                (Some(_), None) => job.item("delay"),
                (None, Some(false)) => job.item("cache"),
                _ => None,
            };
            if let Some(item) = item.filter(|_| is_wrong) {
                let label = target.label();
                item.fault(&format!("ntfy keeps what it is to show later: {label} says cache = false or delay; remove one of them"));
            }
        }
    }

    /// Warns of pushes that are given up before a fallback would get them.
    pub(super) fn warn_of_fallback(
        &self,
        job: &Section<'_>,
        names: &[Arc<str>],
        push_retry_for: Duration,
    ) {
        let targets = names.iter().filter_map(|name| self.get(name));
        let late = targets.filter(|target| {
            let courtesy = &target.courtesy;
            !courtesy.fallback.is_empty() && courtesy.fallback_after >= push_retry_for
        });
        for target in late {
            let message = format!(
                "push_retry_for: a push is given up before the fallback of {} gets it; set it above that target's fallback_after",
                target.label()
            );
            let at = job.item("push_retry_for").map_or(job.at, |item| item.at);
            job.reading.warn(at, message);
        }
    }

    /// Whether one of these attaches long answers.
    pub(super) fn attach_long(&self, names: &[Arc<str>]) -> bool {
        let mut targets = names.iter().filter_map(|name| self.get(name));
        targets.any(|target| target.long == Long::Attach)
    }

    fn get(&self, name: &str) -> Option<&Arc<Target>> {
        let defined = self.ntfy.get(name).or_else(|| self.webhooks.get(name));
        defined.or_else(|| self.inline.get(name).map(|(_, target)| target))
    }

    /// A job's targets; without the key the only one that is defined.
    pub(super) fn of_job(&mut self, job: &Section<'_>) -> Option<Vec<Arc<str>>> {
        let Some(item) = job.one_of(&["to", "ntfy"]) else {
            return self.only(job).map(|only| vec![only]);
        };
        self.several(&item)
    }

    fn only(&self, job: &Section<'_>) -> Option<Arc<str>> {
        let mut webhooks = self.webhooks.names();
        match (webhooks.next(), self.ntfy.names().next()) {
            (None, _) => return self.ntfy.only(job),
            (Some(only), None) if webhooks.next().is_none() => return Some(Arc::clone(only)),
            _ => {}
        }
        let names = suggest::listed(self.names());
        job.missing(
            "to",
            &format!("to = [\"NAME\"] with one or more of {names}"),
        );
        None
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.ntfy.names().chain(self.webhooks.names());
        names.map(|name| &**name)
    }

    /// One target or a list of them.
    pub(super) fn several(&mut self, item: &Item<'_>) -> Option<Vec<Arc<str>>> {
        match item.elements() {
            Some(elements) => self.list(item, &elements),
            None => self.one(item).map(|name| vec![name]),
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
            DeValue::String(_) => self.refer(item),
            _ => {
                item.fault(&item.unlike("a target's name or an inline table { topic = \"…\" }"));
                None
            }
        }
    }

    /// The target that an item names: for the key `ntfy` one on ntfy, else any.
    fn refer(&self, item: &Item<'_>) -> Option<Arc<str>> {
        if self.webhooks.names().next().is_none() && self.webhooks.is_known() {
            return self.ntfy.refer(item);
        }
        item.read(|item| {
            let name = item.word()?;
            if let Some(known) = self.ntfy.name(&name) {
                return Ok(Some(known));
            }
            match self.webhooks.name(&name) {
                Some(_) if item.key == "ntfy" => Err(format!(
                    "{name:?} is a webhook; name it in to = [{name:?}], where every kind of target may stand"
                )),
                Some(known) => Ok(Some(known)),
                None if self.ntfy.is_known() && self.webhooks.is_known() => {
                    let near = suggest::did_you_mean(&name, self.names());
                    let all = suggest::listed(self.names());
                    Err(format!("{name:?} is not defined{near} (defined: {all})"))
                }
                None => Ok(None),
            }
        })?
    }

    fn inline(&mut self, item: &Item<'_>) -> Option<Arc<str>> {
        let table = item.value.as_table()?;
        let label = "this inline target".to_owned();
        let section = Section::open(item.reading, label, item.at, table, keys::NTFY);
        let target = ntfy::target(&section, None, self.zone)?;
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
