//! The file as a whole: its top, and the tables below it in the order in which they need each other.

use std::{mem, path::Path, sync::Arc, time::Duration};

use chrono_tz::Tz;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{
    ai,
    defined::Defined,
    env::Env,
    errors::Errors,
    heartbeat,
    item::Item,
    job::Jobs,
    keys, ledger, lookalike, ntfy,
    reading::Reading,
    section::Section,
    targets::Targets,
    text,
    types::{Config, Job, LedgerPath, Web, ZoneSource},
    web, webhook, zone,
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
    let mut reading = Reading::new(file, text, env);
    let mut document = match DeTable::parse(text) {
        Ok(document) => document.into_inner(),
        Err(why) => return Err(not_toml(reading, &why)),
    };
    reading.has_public_url = has_public_url(&document);
    let jobs = take_jobs(&mut document);
    let found = read(&reading, &document, jobs, file, now);
    let (files, list, warnings) = reading.finish();
    match found {
        Some(config) if list.is_empty() => Ok(Config {
            files: Arc::new(files),
            warnings,
            ..config
        }),
        _ => Err(Errors { list, files }),
    }
}

fn has_public_url(document: &DeTable<'_>) -> bool {
    let web = document.get("web").and_then(|web| web.get_ref().as_table());
    web.is_some_and(|web| web.contains_key("public_url"))
}

/// Takes the jobs out, so that each is dropped once it is read: thousands of them take more room
/// as TOML than as jobs, and none of it is kept this way.
fn take_jobs<'r>(document: &mut DeTable<'r>) -> DeArray<'r> {
    match document.get_mut("job").map(Spanned::get_mut) {
        Some(DeValue::Array(jobs)) => mem::replace(jobs, DeArray::new()),
        _ => DeArray::default(),
    }
}

/// The one error of a text that is not TOML.
fn not_toml(reading: Reading<'_>, why: &toml::de::Error) -> Errors {
    let at = why.span().map_or(0, |span| span.start);
    let message = match why.message() {
        "duplicate key" => {
            let key = why
                .span()
                .map_or("this key", |span| reading.source.text(span));
            format!("{key} is there already; keep one of the two")
        }
        message => {
            let hint = lookalike::hint(reading.source.line(at));
            let hint = hint.unwrap_or_else(|| "see https://toml.io for the syntax".to_owned());
            format!("not TOML: {message}; {hint}")
        }
    };
    reading.fault(at, message);
    let (files, list, _) = reading.finish();
    Errors { list, files }
}

fn read<'r>(
    reading: &'r Reading<'r>,
    document: &'r DeTable<'r>,
    jobs: DeArray<'r>,
    file: &Path,
    now: Timestamp,
) -> Option<Config> {
    let root = Section::open(reading, String::new(), 0, document, keys::ROOT);
    let (timezone, timezone_source) = timezone(&root);
    let mut endpoints = Defined::tables(&root, "ai", keys::AI, ai::endpoint);
    endpoints.require(&root, "api, base_url and tokens");
    let defined = Defined::tables(&root, "ntfy", keys::NTFY, |section, name| {
        ntfy::target(section, Some(name), timezone)
    });
    let webhooks = Defined::tables(&root, "webhook", keys::WEBHOOK, |section, name| {
        if defined.name(name).is_some() {
            let message =
                format!("{name:?} is the name of an [ntfy.NAME] too; each target needs its own");
            section.reading.fault(section.at, message);
        }
        webhook::target(section, name, timezone)
    });
    let mut targets = Targets::new(defined, webhooks, timezone);
    targets.read_fallbacks(&root, "ntfy", keys::NTFY);
    targets.read_fallbacks(&root, "webhook", keys::WEBHOOK);
    let alerts = root.item("alerts").and_then(|item| targets.one(&item));
    let alerts_per_hour = root.read("alerts_per_hour", |item| item.int(1..=1_000));
    let heartbeat_url = heartbeat::read(&root);
    let language = text::language(&root);
    let max_in_flight = root.read("max_in_flight", |item| item.int(1..=10_000));
    let drain = root.read("drain", Item::duration);
    let keep = root.read("keep", Item::positive);
    let watch = root.read("watch", Item::bool);
    let ledger = ledger(&root);
    let web = web(&root);
    let reader = Jobs::new(reading, timezone, now, &endpoints, &mut targets);
    let jobs = all_jobs(&root, jobs, reader);
    Some(Config {
        file: file.to_path_buf(),
        timezone,
        timezone_source,
        language: language.unwrap_or_default(),
        max_in_flight: max_in_flight.unwrap_or(4),
        drain: drain.unwrap_or(DRAIN),
        keep: keep.unwrap_or(KEEP),
        ledger: ledger?,
        web,
        alerts,
        alerts_per_hour: alerts_per_hour.map_or(6, |most| u32::try_from(most).unwrap_or(u32::MAX)),
        heartbeat_url,
        targets: targets.finish(),
        endpoints: endpoints.into_valid().collect(),
        jobs,
        watch: watch.unwrap_or(false),
        files: Arc::default(),
        warnings: Vec::new(),
    })
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
    let section = Section::of(&item, "[ledger]".to_owned(), keys::LEDGER)?;
    if !section.has("url") {
        return Some(ledger::default(env));
    }
    section.read("url", |item| ledger::parse(&item.word()?, env))
}

/// None without the table: no port is opened.
fn web(root: &Section<'_>) -> Option<Web> {
    let item = root.item("web")?;
    web::web(&Section::of(&item, "[web]".to_owned(), keys::WEB)?)
}

fn all_jobs<'r>(root: &Section<'r>, jobs: DeArray<'r>, mut reader: Jobs<'r>) -> Vec<Arc<Job>> {
    let Some(item) = root.item("job") else {
        let message = "no job; add a [[job]] with name, cron and prompt";
        root.reading.fault(0, message);
        return Vec::new();
    };
    if item.value.as_array().is_none() {
        item.fault("write [[job]] in double brackets above each job, and its name as name = \"…\"");
        return Vec::new();
    }
    if jobs.is_empty() {
        item.fault("is an empty list; add a [[job]] with name, cron and prompt");
    }
    let read = jobs.into_iter().filter_map(|element| {
        let element = item.inner(&element);
        let section = Section::of(&element, job_label(&element), keys::JOB)?;
        reader.read(&section).map(Arc::new)
    });
    read.collect()
}

/// How messages call a job: by its name, where it has one.
fn job_label(job: &Item<'_>) -> String {
    let name = job.value.as_table().and_then(|job| job.get("name"));
    match name.and_then(|name| name.get_ref().as_str()) {
        Some(name) => format!("job {name:?}"),
        None => "[[job]]".to_owned(),
    }
}
