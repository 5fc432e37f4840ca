//! What a reload changes, in words. Pure: two configs in, lines for the log out. No secret is in them.

use std::{collections::BTreeMap, fmt};

use super::{
    fields::{Fields, Shown, asking, endpoint, notification, target, top, web_fields},
    types::{Config, Endpoint, Job, Target, Web},
};

/// One line about one thing that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is about: a job's name, `ai.NAME`, `ntfy.NAME`, `webhook.NAME`, or a key at the top of the file.
    pub what: String,
    /// How it changed.
    pub how: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.how)
    }
}

/// Everything that differs, in the new file's order; what is gone comes last.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    changed("config", top(old), top(new), &mut changes);
    web(old.web.as_ref(), new.web.as_ref(), &mut changes);
    let endpoints = |config: &Config| -> BTreeMap<String, _> {
        let named = |endpoint: &std::sync::Arc<Endpoint>| {
            (format!("ai.{}", endpoint.name), endpoint.clone())
        };
        config.endpoints.values().map(named).collect()
    };
    named(
        &endpoints(old),
        &endpoints(new),
        |e| endpoint(e),
        &mut changes,
    );
    let targets = |config: &Config| -> BTreeMap<String, _> {
        let named = |target: &std::sync::Arc<Target>| (target.label(), target.clone());
        config.targets.values().map(named).collect()
    };
    named(&targets(old), &targets(new), |t| target(t), &mut changes);
    jobs(old, new, &mut changes);
    changes
}

fn jobs(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    let mut gone: BTreeMap<&str, &Job> = (old.jobs.iter())
        .map(|job| (job.name.as_str(), job.as_ref()))
        .collect();
    for job in &new.jobs {
        match gone.remove(job.name.as_str()) {
            Some(before) if before == job.as_ref() => {}
            Some(before) => self::job(before, job, changes),
            None => changes.push(Change {
                what: job.name.to_string(),
                how: format!("new, {}", when(job)),
            }),
        }
    }
    changes.extend(gone.into_keys().map(removed));
}

fn job(old: &Job, new: &Job, changes: &mut Vec<Change>) {
    let name = new.name.as_str();
    changed(name, asking(old), asking(new), changes);
    let (old, new) = (&old.notification, &new.notification);
    if old != new {
        changed(name, notification(old), notification(new), changes);
    }
}

fn named<T>(
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
    fields: impl Fn(&T) -> Fields,
    changes: &mut Vec<Change>,
) {
    for (name, value) in new {
        match old.get(name) {
            Some(before) => changed(name, fields(before), fields(value), changes),
            None => changes.push(Change {
                what: name.clone(),
                how: "new".to_owned(),
            }),
        }
    }
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    changes.extend(gone.map(|name| removed(name)));
}

fn removed(name: &str) -> Change {
    Change {
        what: name.to_owned(),
        how: "removed".to_owned(),
    }
}

/// A line for each field that differs: both sides list the same fields in the same order.
fn changed(what: &str, old: Fields, new: Fields, changes: &mut Vec<Change>) {
    for ((field, old), (_, new)) in old.into_iter().zip(new) {
        if let Some(how) = how(field, old.as_ref(), new.as_ref()) {
            changes.push(Change {
                what: what.to_owned(),
                how,
            });
        }
    }
}

fn how(field: &str, old: Option<&Shown>, new: Option<&Shown>) -> Option<String> {
    use Shown::Hidden;
    let how = match (old, new) {
        (old, new) if old == new => return None,
        (Some(Hidden(_)), Some(_)) | (Some(_), Some(Hidden(_))) => format!("{field} changed"),
        (Some(old), Some(new)) => format!("{field} {old} -> {new}"),
        (None, Some(Hidden(_))) => format!("{field} added"),
        (Some(Hidden(_)), None) => format!("{field} removed"),
        (None, Some(new)) => format!("{field} {new} (new)"),
        (Some(old), None) => format!("{field} {old} (removed)"),
        (None, None) => return None,
    };
    Some(how)
}

/// The port is opened once, at the start; what guards it stays with it until then.
fn web(old: Option<&Web>, new: Option<&Web>, changes: &mut Vec<Change>) {
    let how = match (old, new) {
        (None, None) => return,
        (Some(old), Some(new)) if old.listen == new.listen => {
            return changed("web", web_fields(old), web_fields(new), changes);
        }
        (Some(old), Some(new)) => format!(
            "listen {} -> {} (takes effect, as all of [web], at the next start)",
            old.listen, new.listen
        ),
        (None, Some(_)) => "new (takes effect at the next start)".to_owned(),
        (Some(_), None) => "removed (takes effect at the next start)".to_owned(),
    };
    changes.push(Change {
        what: "web".to_owned(),
        how,
    });
}

/// `cron 0 8 * * 1-5`, `every 15m`, `at 2026-12-24T08:00`.
fn when(job: &Job) -> String {
    match job.schedule.when() {
        crate::schedule::When::Cron(_) => format!("cron {}", job.schedule),
        _ => job.schedule.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::*;
    use crate::config::parse;

    const FILE: &str = r#"
[ai.kimi]
api = "kimi"
base_url = "http://127.0.0.1:8000/v1"
tokens = ["token-number-1111"]
[ntfy.phone]
topic = "hotine"
token = "tk_secret_one"
[[job]]
name = "gold"
cron = "0 8 * * *"
prompt = "分析金价"
[[job]]
name = "news"
every = "15m"
prompt = "news"
"#;

    fn config(text: &str) -> Config {
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        parse(text, Path::new("config.toml"), now, &BTreeMap::new()).unwrap()
    }

    fn lines(edits: &[(&str, &str)]) -> String {
        let mut edited = FILE.to_owned();
        for (from, to) in edits {
            assert!(edited.contains(from), "{from}");
            edited = edited.replace(from, to);
        }
        let changes = diff(&config(FILE), &config(&edited));
        changes.iter().map(|change| format!("{change}\n")).collect()
    }

    #[test]
    fn an_unchanged_file_changes_nothing_even_when_its_lines_move() {
        assert_eq!(lines(&[]), "");
        assert_eq!(lines(&[("[[job]]", "# a comment\n\n[[job]]")]), "");
    }

    #[test]
    fn a_changed_schedule_is_told_as_the_file_writes_it() {
        assert_eq!(
            lines(&[("0 8 * * *", "0 7 * * *")]),
            "gold: cron 0 8 * * * -> 0 7 * * *\n"
        );
    }

    #[test]
    fn secrets_and_prompts_are_only_said_to_have_changed() {
        let said = lines(&[
            ("tk_secret_one", "tk_secret_two"),
            ("分析金价", "分析银价"),
            ("token-number-1111", "token-number-2222"),
        ]);
        assert_eq!(
            said,
            "ai.kimi: tokens #1 …1111 -> #1 …2222\nai.kimi: a token changed\nntfy.phone: credentials changed\ngold: prompt changed\n"
        );
    }

    #[test]
    fn new_and_removed_jobs_are_named() {
        let said = lines(&[
            ("name = \"news\"", "name = \"新闻\""),
            (
                "topic = \"hotine\"",
                "topic = \"hotine\"\ntitle = \"T\"\npriority = 5",
            ),
        ]);
        assert_eq!(
            said,
            "ntfy.phone: title T (new)\nntfy.phone: priority 5 (new)\n新闻: new, every 15m\nnews: removed\n"
        );
    }
}
