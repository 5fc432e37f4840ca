//! The file as a whole: its top, and the tables below it in the order in which they need each other.

use std::{path::Path, sync::Arc, time::Duration};

use chrono_tz::Tz;
use toml::{
    Spanned,
    de::{DeString, DeTable},
};

use super::{
    ai,
    env::Env,
    errors::{Error, Errors},
    item::Item,
    job::Jobs,
    keys, ledger, ntfy,
    reading::Reading,
    section::Section,
    targets::{Defined, Targets},
    types::{Config, Endpoint, Job, LedgerPath, ZoneSource},
    zone,
};
use crate::model::Timestamp;

const DRAIN: Duration = Duration::from_secs(25);
const KEEP: Duration = Duration::from_hours(90 * 24);

/// Reads a config's text; `file` names it in messages, and its folder is where relative paths start.
///
/// `now` tells which `at` is past.
///
/// # Errors
/// Everything that is wrong with it, in the file's order.
pub fn parse(text: &str, file: &Path, now: Timestamp, env: &dyn Env) -> Result<Config, Errors> {
    let reading = Reading::new(file, text, env);
    let document = DeTable::parse(text).map_err(|why| syntax(&reading, &why))?;
    let found = read(&reading, document.get_ref(), file, now);
    let (errors, warnings) = reading.finish();
    match found {
        Some(config) if errors.is_empty() => Ok(Config { warnings, ..config }),
        _ => Err(Errors(errors)),
    }
}

/// The one error of a text that is not TOML.
fn syntax(reading: &Reading<'_>, why: &toml::de::Error) -> Errors {
    let at = why.span().map_or(0, |span| span.start);
    let message = match why.message() {
        "duplicate key" => "this key or table is there already; keep one of the two".to_owned(),
        message => format!("not TOML: {message}; see https://toml.io for the syntax"),
    };
    Errors::from(Error {
        file: Arc::clone(&reading.source.file),
        position: Some(reading.source.position(at)),
        message,
    })
}

fn read<'r>(
    reading: &'r Reading<'r>,
    document: &'r DeTable<'r>,
    file: &Path,
    now: Timestamp,
) -> Option<Config> {
    let root = Section::open(reading, String::new(), 0, document, keys::ROOT);
    let (timezone, timezone_source) = timezone(&root);
    let endpoints = tables(&root, "ai", keys::AI, ai::endpoint);
    let defined = tables(&root, "ntfy", keys::NTFY, |section, name| {
        ntfy::target(section, Some(name))
    });
    let mut targets = Targets::new(defined);
    let alerts = root.item("alerts").and_then(|item| targets.one(&item));
    let max_in_flight = root.read("max_in_flight", |item| item.int(1..=10_000));
    let drain = root.read("drain", Item::duration);
    let keep = root.read("keep", Item::positive);
    let ledger = ledger(&root);
    let jobs = Jobs::new(reading, timezone, now, &endpoints, &mut targets);
    let jobs = all_jobs(&root, jobs);
    Some(Config {
        file: file.to_path_buf(),
        timezone,
        timezone_source,
        max_in_flight: max_in_flight.unwrap_or(4),
        drain: drain.unwrap_or(DRAIN),
        keep: keep.unwrap_or(KEEP),
        ledger: ledger?,
        alerts,
        targets: targets.finish(),
        endpoints: valid(endpoints),
        jobs,
        warnings: Vec::new(),
    })
}

fn valid(endpoints: Defined<Endpoint>) -> std::collections::BTreeMap<Arc<str>, Arc<Endpoint>> {
    let endpoints = endpoints.into_iter();
    endpoints
        .filter_map(|(name, endpoint)| Some((name, endpoint?)))
        .collect()
}

fn timezone(root: &Section<'_>) -> (Tz, ZoneSource) {
    if let Some(zone) = root.read("timezone", |item| zone::parse(&item.word()?)) {
        return (zone, ZoneSource::File);
    }
    match zone::from_env(root.reading.env) {
        Some(zone) => (zone, ZoneSource::Environment),
        None => (Tz::UTC, ZoneSource::Default),
    }
}

fn ledger(root: &Section<'_>) -> Option<LedgerPath> {
    let env = root.reading.env;
    let Some(item) = root.item("ledger") else {
        return Some(ledger::default(env));
    };
    let section = open(&item, "[ledger]".to_owned(), keys::LEDGER)?;
    if !section.has("url") {
        return Some(ledger::default(env));
    }
    section.read("url", |item| ledger::parse(&item.word()?, env))
}

/// The value as a table; anything else is reported.
fn open<'r>(item: &Item<'r>, label: String, keys: &'static [&'static str]) -> Option<Section<'r>> {
    let Some(table) = item.value.as_table() else {
        item.fault(&item.unlike(&format!("a table {label}")));
        return None;
    };
    Some(Section::open(item.reading, label, item.at, table, keys))
}

/// Reads `[kind.NAME]` tables; a name whose table is wrong stays known, so that jobs may refer to it.
fn tables<'r, T>(
    root: &Section<'r>,
    kind: &'static str,
    keys: &'static [&'static str],
    read: impl Fn(&Section<'r>, &Arc<str>) -> Option<T>,
) -> Defined<T> {
    let mut defined = Defined::new();
    let Some(item) = root.item(kind) else {
        return defined;
    };
    let Some(table) = item.value.as_table() else {
        item.fault(&item.unlike(&format!("a table with a name: write [{kind}.NAME]")));
        return defined;
    };
    if let Some(key) = table
        .keys()
        .find(|key| keys.contains(&key.get_ref().as_ref()) && !is_table(table, key))
    {
        let message = format!("[{kind}] needs a name; write [{kind}.NAME] above its keys");
        root.reading.fault(key.span().start, message);
        return defined;
    }
    for (key, value) in table {
        if let Some(name) = name(&item, kind, key) {
            let label = format!("[{kind}.{name}]");
            let section = open(&item.inner(value), label, keys);
            let read = section
                .and_then(|section| read(&section, &name))
                .map(Arc::new);
            defined.insert(name, read);
        }
    }
    defined
}

fn is_table(table: &DeTable<'_>, key: &Spanned<DeString<'_>>) -> bool {
    table
        .get(key.get_ref().as_ref())
        .is_some_and(|value| value.get_ref().is_table())
}

/// The NAME of `[kind.NAME]`, if it can stand in messages, in the ledger and beside inline targets.
fn name(item: &Item<'_>, kind: &str, key: &Spanned<DeString<'_>>) -> Option<Arc<str>> {
    let name = key.get_ref();
    let is_odd = |char: char| char.is_control() || char.is_whitespace() || char == '/';
    if name.is_empty() || name.chars().any(is_odd) {
        let message = format!(
            "{name:?} cannot name a [{kind}.NAME]; use letters and digits of any script, - and _"
        );
        item.reading.fault(key.span().start, message);
        return None;
    }
    Some(item.reading.intern(name))
}

fn all_jobs<'r>(root: &Section<'r>, mut jobs: Jobs<'r>) -> Vec<Arc<Job>> {
    let Some(item) = root.item("job") else {
        let message = "no job; add a [[job]] with name, cron and prompt";
        root.reading.fault(0, message);
        return Vec::new();
    };
    let Some(elements) = item.elements() else {
        item.fault("write [[job]] in double brackets above each job, and its name as name = \"…\"");
        return Vec::new();
    };
    if elements.is_empty() {
        item.fault("is an empty list; add a [[job]] with name, cron and prompt");
    }
    let read = elements.iter().filter_map(|element| {
        let section = open(element, "[[job]]".to_owned(), keys::JOB)?;
        jobs.read(&section).map(Arc::new)
    });
    read.collect()
}
