//! A config as people may look at it: every value that counts, defaults too, and no secret.

use super::{
    fields::{Fields, Shown, endpoint, job, target, top, web_fields},
    types::{Config, Job},
};

/// One table of a config.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its header, such as `[ai.kimi]`; empty for the file's top.
    pub table: String,
    /// Each key with its value, in words.
    pub fields: Vec<(String, String)>,
}

/// The config but for its jobs.
#[must_use]
pub fn told(config: &Config) -> Vec<Told> {
    let table = |table: String, fields| Told {
        table,
        fields: listed(fields),
    };
    let mut tables = vec![table(String::new(), top(config))];
    tables.extend(config.web.as_ref().map(|web| {
        let mut told = table("[web]".to_owned(), web_fields(web));
        told.fields
            .insert(0, ("listen".to_owned(), web.listen.to_string()));
        told
    }));
    let endpoints = config.endpoints.values();
    tables.extend(endpoints.map(|one| table(format!("[ai.{}]", one.name), endpoint(one))));
    let targets = config.targets.values();
    tables.extend(targets.map(|one| {
        let mut told = table(format!("[{}]", one.label()), target(one));
        told.fields.retain(|(key, _)| key != "topic");
        told
    }));
    tables
}

/// One job but for its prompt.
#[must_use]
pub fn told_job(one: &Job) -> Vec<(String, String)> {
    let mut fields = listed(job(one));
    fields.retain(|(key, _)| key != "prompt" && key != "system");
    fields
}

/// A secret is only said to be there.
fn listed(fields: Fields) -> Vec<(String, String)> {
    const SET: &str = "set";
    fields
        .into_iter()
        .filter_map(|(key, value)| {
            let key = key.split(" (").next().unwrap_or(key).to_owned();
            match value? {
                Shown::Hidden(hidden) if hidden.is_empty() || key == "a token" => None,
                Shown::Hidden(_) => Some((key, SET.to_owned())),
                shown => Some((key, shown.to_string())),
            }
        })
        .collect()
}
