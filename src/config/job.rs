//! `[[job]]`: one prompt, its schedule and where its answer goes.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use chrono_tz::Tz;
use toml::de::DeValue;

use super::{
    chain, conversation,
    defined::Defined,
    heartbeat,
    item::{Fault, Item},
    kimi, notification,
    reading::Reading,
    section::Section,
    silence,
    source::Source,
    targets::Targets,
    text,
    types::{Api, CatchUp, Endpoint, Job, Overlap},
    zone,
};
use crate::{
    model::{JobName, Timestamp},
    prompt::{Prompt, PromptError},
    schedule::{Patterns, Schedule, ScheduleError},
};

const CATCH_UP: &[(&str, CatchUp)] = &[
    ("latest", CatchUp::Latest),
    ("skip", CatchUp::Skip),
    ("all", CatchUp::All),
];

const OVERLAP: &[(&str, Overlap)] = &[
    ("skip", Overlap::Skip),
    ("queue", Overlap::Queue),
    ("allow", Overlap::Allow),
];

const NAME_LENGTH: usize = 200;
const HOUR: Duration = Duration::from_hours(1);

/// What jobs refer to and share while they are read one after the other.
pub(super) struct Jobs<'r> {
    pub(super) reading: &'r Reading<'r>,
    pub(super) zone: Tz,
    pub(super) now: Timestamp,
    pub(super) endpoints: &'r Defined<Endpoint>,
    pub(super) targets: &'r mut Targets,
    /// Where each name was given first.
    names: HashMap<String, usize>,
    patterns: Patterns,
}

impl<'r> Jobs<'r> {
    pub(super) fn new(
        reading: &'r Reading<'r>,
        zone: Tz,
        now: Timestamp,
        endpoints: &'r Defined<Endpoint>,
        targets: &'r mut Targets,
    ) -> Self {
        Self {
            reading,
            zone,
            now,
            endpoints,
            targets,
            names: HashMap::new(),
            patterns: Patterns::default(),
        }
    }

    /// Reads one job; None where something is wrong with it, which is reported.
    pub(super) fn read(&mut self, section: &Section<'_>) -> Option<Job> {
        let name = self.name(section);
        let enabled = section.read("enabled", Item::bool).unwrap_or(true);
        let schedule = self.schedule(section, enabled);
        let prompt = self.prompt(section);
        let system = section.read("system", |item| self.verbatim(item));
        let ai = chain::read(self.endpoints, section);
        let use_search = self.use_search(section, ai.as_deref());
        let targets = self.targets.of_job(section);
        let attach_long = |names: &Vec<_>| self.targets.attach_long(names);
        if targets.as_ref().is_some_and(attach_long) {
            text::warn_of_two_files(section, "attach");
        }
        let catch_up = section.read("catch_up", |item| item.choice(CATCH_UP));
        let window = section.read("catch_up_window", Item::positive);
        let overlap = section.read("overlap", |item| item.choice(OVERLAP));
        let start_deadline = section.read("start_deadline", Item::positive);
        let retry_for = section.read("retry_for", Item::duration);
        let push_retry_for = section.read("push_retry_for", Item::duration);
        let model = section.read("model", Item::word);
        let chain = ai.as_deref().unwrap_or_default();
        self.warn_of_models(section, chain, model.as_deref(), use_search);
        let conversation = conversation::read(section);
        let (notify, silent_if) = (silence::notify(section), silence::silent_if(section));
        let notification = notification::notification(section);
        let known = targets.as_deref().unwrap_or_default();
        self.targets.check_delay(section, &notification, known);
        let push_retry_for = push_retry_for.unwrap_or(24 * HOUR);
        self.targets
            .warn_of_fallback(section, known, push_retry_for);
        let topic = self.targets.topic(section, targets.as_deref());
        let heartbeat_url = heartbeat::read(section);
        let (style, text) = (text::style(section), text::choices(section));
        // Every key is read before any wrong one ends it: all errors at once.
        Some(Job {
            name: name?,
            schedule: schedule?,
            catch_up: catch_up.unwrap_or_default(),
            catch_up_window: window.unwrap_or(6 * HOUR),
            overlap: overlap.unwrap_or_default(),
            start_deadline,
            retry_for: retry_for.unwrap_or(HOUR),
            push_retry_for,
            prompt: prompt?,
            system,
            ai: self.reading.share(ai?),
            model,
            use_search,
            conversation,
            topic,
            targets: self.reading.share(targets?),
            notify: notify.unwrap_or_default(),
            silent_if,
            notification,
            style,
            text,
            heartbeat_url,
            enabled,
        })
    }

    fn name(&mut self, section: &Section<'_>) -> Option<JobName> {
        let name = section.required("name", "name = \"NAME\"", name)?;
        let at = section.item("name")?.at;
        if let Some(first) = self.names.get(&name) {
            let (line, _) = self.reading.source.position(*first);
            let message = format!(
                "name: {name:?} is the name of the job in line {line} too; each job needs its own"
            );
            self.reading.fault(at, message);
            return None;
        }
        let job = JobName::new(&name);
        self.names.insert(name, at);
        Some(job)
    }

    fn schedule(&mut self, section: &Section<'_>, enabled: bool) -> Option<Schedule> {
        let zone = match section.item("timezone") {
            Some(item) => item.read(|item| zone::parse(&item.word()?)),
            None => Some(self.zone),
        };
        let jitter = section.read("jitter", Item::duration).unwrap_or_default();
        let Some(when) = section.one_of(&["cron", "every", "at"]) else {
            section.missing(
                "schedule",
                "cron = \"0 8 * * *\", every = \"15m\" or at = \"2026-12-24T08:00\"",
            );
            return None;
        };
        // A wrong zone is an error already; the rest is checked as if it were the file's.
        let schedule = when.read(|item| self.parse(item, zone.unwrap_or(self.zone)))?;
        if enabled && schedule.is_past(self.now) {
            let message = "at: this instant is past; the job will not run by itself";
            self.reading.warn(when.at, message);
        }
        Some(schedule.with_jitter(jitter))
    }

    fn parse(&mut self, item: &Item<'_>, zone: Tz) -> Result<Schedule, String> {
        let schedule = match item.key {
            "cron" => self.patterns.cron(&item.word()?, zone),
            "every" => Schedule::every(item.positive()?, zone),
            _ => Schedule::at(&wall_clock(item)?, zone),
        };
        schedule.map_err(|ScheduleError(why)| {
            // The key stands before every message; some of the schedule's own begin with it too.
            let key = why.strip_prefix(item.key);
            let bare = key.and_then(|rest| rest.strip_prefix(": "));
            bare.unwrap_or(&why).to_owned()
        })
    }

    fn prompt(&self, section: &Section<'_>) -> Option<Prompt> {
        let Some(item) = section.one_of(&["prompt", "prompt_file"]) else {
            section.missing("prompt", "prompt = \"…\" or prompt_file = \"FILE\"");
            return None;
        };
        item.read(|item| match item.key {
            "prompt" => self.verbatim(item),
            _ => self.prompt_file(item),
        })
    }

    fn prompt_file(&self, item: &Item<'_>) -> Result<Prompt, Fault> {
        let file = item.word()?;
        let text = self.reading.file(&file)?;
        let text = self.filled(text.trim_end_matches(['\r', '\n']))?;
        let place = |at: usize| Source::new(Path::new(&file), &text).position(at);
        Prompt::parse(Arc::clone(&text)).map_err(|PromptError { at, message }| {
            let (line, column) = place(at);
            format!("{file}:{line}:{column}: {message}").into()
        })
    }

    fn verbatim(&self, item: &Item<'_>) -> Result<Prompt, Fault> {
        let text = self.filled(item.verbatim()?)?;
        Prompt::parse(text).map_err(|PromptError { at, message }| item.blame_inside(at, message))
    }

    fn filled(&self, text: &str) -> Result<Arc<str>, String> {
        if text.trim().is_empty() {
            return Err("is empty; write what the AI is to be asked".to_owned());
        }
        Ok(self.reading.intern(text))
    }

    /// An error where no endpoint of the chain knows it; at the others it does not count.
    fn use_search(&self, section: &Section<'_>, ai: Option<&[Arc<str>]>) -> Option<bool> {
        let chain = ai.unwrap_or_default();
        let knows_it = |name: &Arc<str>| {
            let endpoint = self.endpoints.get(name);
            endpoint.is_none_or(|endpoint| endpoint.api == Api::Kimi)
        };
        section.read("use_search", |item| match chain {
            [] => item.bool(),
            _ if chain.iter().any(knows_it) => item.bool(),
            [only] => Err(format!(
                "[ai.{only}] is not of api = \"kimi\", which alone knows it; remove it"
            )),
            _ => Err(
                "none of the endpoints is of api = \"kimi\", which alone knows it; remove it"
                    .to_owned(),
            ),
        })
    }
}

impl Jobs<'_> {
    /// Where the first kimi endpoint of the chain takes this job's words for others than they are meant.
    fn warn_of_models(
        &self,
        section: &Section<'_>,
        ai: &[Arc<str>],
        model: Option<&str>,
        use_search: Option<bool>,
    ) {
        let is_kimi = |endpoint: &Arc<Endpoint>| endpoint.api == Api::Kimi;
        let endpoints: Vec<_> = ai.iter().map(|name| self.endpoints.get(name)).collect();
        // A model of the job's own is the first endpoint's.
        let model = model.filter(|_| endpoints.first().copied().flatten().is_some_and(is_kimi));
        if let Some(endpoint) = endpoints.into_iter().flatten().find(|e| is_kimi(e)) {
            kimi::warn(section, model.unwrap_or(&endpoint.model), use_search);
        }
    }
}

fn name(item: &Item<'_>) -> Result<String, String> {
    let name = item.word()?;
    if name.chars().any(char::is_control) {
        return Err(
            "holds a line break or another control character; write it on one line".to_owned(),
        );
    }
    match name.chars().count() {
        0..=NAME_LENGTH => Ok(name),
        length => Err(format!(
            "is {length} characters long; at most {NAME_LENGTH} are allowed"
        )),
    }
}

/// The text of `at`; TOML's own local date-time is understood too.
fn wall_clock(item: &Item<'_>) -> Result<String, String> {
    match item.value {
        DeValue::Datetime(at) if at.offset.is_some() => Err(
            "has an offset; write the wall clock's time without it, and timezone beside it"
                .to_owned(),
        ),
        DeValue::Datetime(at) => Ok(at.to_string()),
        _ => item.word(),
    }
}
