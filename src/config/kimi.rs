//! kimi's models as a kimi-free-api server takes them: by parts of their names, and lost where a search is asked for.

use super::{section::Section, suggest, types::Endpoint};

/// The names that such a server's users know.
const KNOWN: [&str; 7] = [
    "kimi",
    "kimi-search",
    "kimi-search-silent",
    "kimi-silent",
    "kimi-research",
    "kimi-k1",
    "kimi-math",
];
/// What the server looks for in a name, whatever else is in it.
const PARTS: [&str; 5] = ["search", "research", "k1", "math", "silent"];

/// True for a name that means more than Kimi itself; `use_search = true` makes the server forget it.
fn is_special(model: &str) -> bool {
    PARTS.iter().any(|part| model.contains(part)) || is_agent(model)
}

/// True for an agent's id (`KimiPlus`), which is told by its form alone.
fn is_agent(model: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase();
    model.len() == 20 && model.bytes().all(is_part)
}

/// True for a model that may say nothing for minutes before its first word: the server drops what it thinks.
#[must_use]
pub fn thinks_in_silence(model: &str) -> bool {
    ["k1", "research"].iter().any(|part| model.contains(part))
}

/// What is sent of `use_search`: what the question says, else what the endpoint says, else true; but where the model is
/// one that a search would replace, only what stands beside it.
#[must_use]
pub fn use_search(
    endpoint: &Endpoint,
    own_model: Option<&str>,
    own_use_search: Option<bool>,
) -> Option<bool> {
    if own_use_search.is_some() {
        return own_use_search;
    }
    match own_model {
        Some(model) if is_special(model) => None,
        None if is_special(&endpoint.model) => endpoint.use_search,
        _ => endpoint.use_search.or(Some(true)),
    }
}

/// Warns of a model that is misspelt, and of one that does not go with what this table says of searching.
pub(super) fn warn(section: &Section<'_>, model: &str, use_search: Option<bool>) {
    if let Some(item) = section.item("model")
        && !KNOWN.contains(&model)
        && !is_special(model)
    {
        let near = suggest::did_you_mean(model, KNOWN);
        if !near.is_empty() {
            let message =
                format!("model: {model:?} is Kimi itself to a kimi-free-api server{near}");
            item.reading.warn(item.at, message);
        }
    }
    if let Some(item) = section.item("use_search")
        && let Some(message) = use_search.and_then(|use_search| conflict(model, use_search))
    {
        item.reading.warn(item.at, format!("use_search: {message}"));
    }
}

/// Why the two do not go together.
fn conflict(model: &str, use_search: bool) -> Option<String> {
    match use_search {
        true if model == "kimi-search" || !is_special(model) => None,
        true => Some(format!(
            "true makes a kimi-free-api server ask \"kimi-search\" in place of {model:?}; leave use_search out"
        )),
        false if model.contains("search") => Some(format!(
            "{model:?} searches all the same; leave use_search out, or use model \"kimi\""
        )),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::*;
    use crate::config::{Config, parse};

    const AGENT: &str = "cpq6v9tkqq4hd0t5k2ug";

    fn config(endpoint: &str, job: &str) -> Config {
        let text = format!(
            r#"[ai.kimi]
api = "kimi"
base_url = "http://127.0.0.1:8000/v1"
tokens = "TOKEN1"
{endpoint}
[ntfy.phone]
topic = "hotine"
[[job]]
name = "gold"
cron = "0 8 * * *"
prompt = "gold?"
{job}
"#
        );
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        parse(&text, Path::new("c.toml"), now, &BTreeMap::new()).unwrap()
    }

    /// What is sent.
    fn sent(endpoint: &str, job: &str) -> Option<bool> {
        let config = config(endpoint, job);
        let job = &config.jobs[0];
        use_search(
            &config.endpoints["kimi"],
            job.model.as_deref(),
            job.use_search,
        )
    }

    #[test]
    fn a_search_is_asked_for_unless_the_model_would_be_lost_by_it() {
        for (endpoint, job, expected) in [
            ("", "", Some(true)),
            ("", r#"model = "moonshot-v1""#, Some(true)),
            ("", r#"model = "kimi-k1""#, None),
            (r#"model = "kimi-search-silent""#, "", None),
            (r#"model = "kimi-k1""#, r#"model = "kimi""#, Some(true)),
            ("use_search = false", "", Some(false)),
            ("use_search = true", r#"model = "kimi-research""#, None),
            ("use_search = false", "use_search = true", Some(true)),
        ] {
            assert_eq!(sent(endpoint, job), expected, "{endpoint} / {job}");
        }
        assert_eq!(sent("", &format!("model = \"{AGENT}\"")), None);
    }

    #[test]
    fn a_conflict_is_told_with_its_place() {
        let warnings = |endpoint: &str, job: &str| config(endpoint, job).warnings.join("\n");
        for quiet in [
            "",
            r#"model = "kimi-k1""#,
            "model = \"kimi-search\"\nuse_search = true",
            "model = \"kimi-k1\"\nuse_search = false",
            "model = \"gpt-4o\"\nuse_search = true",
        ] {
            assert_eq!(warnings(quiet, ""), "");
            assert_eq!(warnings("", quiet), "");
        }
        let told = [
            warnings("model = \"kimi-k1\"\nuse_search = true", ""),
            warnings("", "model = \"kimi-search-silent\"\nuse_search = true"),
            warnings("model = \"kimi-math\"", "use_search = true"),
            warnings("", &format!("model = \"{AGENT}\"\nuse_search = true")),
            warnings("", "model = \"kimi-search\"\nuse_search = false"),
            warnings("model = \"kimi-serach\"", ""),
        ];
        insta::assert_snapshot!(told.join("\n"), @r#"
c.toml:6:14: use_search: true makes a kimi-free-api server ask "kimi-search" in place of "kimi-k1"; leave use_search out
c.toml:13:14: use_search: true makes a kimi-free-api server ask "kimi-search" in place of "kimi-search-silent"; leave use_search out
c.toml:12:14: use_search: true makes a kimi-free-api server ask "kimi-search" in place of "kimi-math"; leave use_search out
c.toml:13:14: use_search: true makes a kimi-free-api server ask "kimi-search" in place of "cpq6v9tkqq4hd0t5k2ug"; leave use_search out
c.toml:13:14: use_search: "kimi-search" searches all the same; leave use_search out, or use model "kimi"
c.toml:5:9: model: "kimi-serach" is Kimi itself to a kimi-free-api server; did you mean "kimi-search"?
"#);
    }
}
