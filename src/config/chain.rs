//! A job's `ai`: one endpoint, or several of which the next is asked when the one before cannot answer.

use std::sync::Arc;

use super::{
    defined::Defined,
    item::Item,
    section::Section,
    types::{Api, Endpoint, Job},
};

/// The chain of a job, the first one first; without the key the only endpoint that is defined.
pub(super) fn read(endpoints: &Defined<Endpoint>, job: &Section<'_>) -> Option<Vec<Arc<str>>> {
    let Some(item) = job.item("ai") else {
        return endpoints.only(job).map(|only| vec![only]);
    };
    match item.elements() {
        Some(elements) => list(endpoints, &item, &elements),
        None if item.value.as_str().is_some() => endpoints.refer(&item).map(|name| vec![name]),
        None => {
            item.fault(&item.unlike("an endpoint's name, or a list of names"));
            None
        }
    }
}

fn list(
    endpoints: &Defined<Endpoint>,
    item: &Item<'_>,
    elements: &[Item<'_>],
) -> Option<Vec<Arc<str>>> {
    if elements.is_empty() {
        item.fault("is an empty list; name at least one endpoint");
        return None;
    }
    let mut names = Vec::with_capacity(elements.len());
    for element in elements {
        let name = endpoints.refer(element)?;
        if names.contains(&name) {
            element.fault(&format!("{name:?} is named twice; each is asked once"));
            return None;
        }
        names.push(name);
    }
    Some(names)
}

impl Job {
    /// The model that this job names, where `endpoint` knows it: the first one of its chain does, and those behind
    /// it that have the same models, which are other kimi servers and other accounts of one service.
    #[must_use]
    pub fn model_at(&self, endpoint: &Endpoint, first: &Endpoint) -> Option<&str> {
        let knows_it = match (endpoint.api, first.api) {
            (Api::Kimi, Api::Kimi) => true,
            _ => endpoint.base_url == first.base_url,
        };
        self.model.as_deref().filter(|_| knows_it)
    }

    /// The endpoint in whose place `endpoint` answered; None where it was the first.
    #[must_use]
    pub fn instead_of(&self, endpoint: &str) -> Option<&str> {
        let first = self.ai.first()?;
        (**first != *endpoint).then_some(first)
    }

    /// What this job says of searching the web, where `endpoint` knows that: kimi alone does.
    #[must_use]
    pub fn use_search_at(&self, endpoint: &Endpoint) -> Option<bool> {
        self.use_search.filter(|_| endpoint.api == Api::Kimi)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use crate::config::{Config, parse};

    const FILE: &str = r#"
[ai.kimi]
api = "kimi"
base_url = "http://127.0.0.1:8000/v1"
tokens = "TOKEN1"
[ai.other-kimi]
api = "kimi"
base_url = "http://127.0.0.1:8001/v1"
tokens = "TOKEN2"
[ai.moonshot]
api = "openai"
base_url = "https://api.moonshot.cn/v1"
model = "moonshot-v1-8k"
[ai.moonshot-2]
api = "openai"
base_url = "https://api.moonshot.cn/v1"
model = "moonshot-v1-32k"
[ai.local]
api = "openai"
base_url = "http://127.0.0.1:11434/v1"
model = "qwen"
[ntfy.phone]
topic = "hotine"
[[job]]
name = "gold"
cron = "0 8 * * *"
prompt = "gold?"
"#;

    fn config(job: &str) -> Config {
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        let text = format!("{FILE}{job}");
        parse(&text, Path::new("c.toml"), now, &BTreeMap::new()).unwrap()
    }

    /// What each endpoint of the chain is asked for.
    fn models(job: &str) -> Vec<String> {
        let config = config(job);
        let job = &config.jobs[0];
        let first = &config.endpoints[&job.ai[0]];
        let model = |name| {
            let endpoint = &config.endpoints[name];
            job.model_at(endpoint, first)
                .unwrap_or(&endpoint.model)
                .to_owned()
        };
        job.ai.iter().map(model).collect()
    }

    #[test]
    fn a_jobs_model_counts_where_the_first_endpoints_models_are_known() {
        let chain = |first: &str, second: &str, third: &str| {
            models(&format!(
                "ai = [\"{first}\", \"{second}\", \"{third}\"]\nmodel = \"M\""
            ))
        };
        assert_eq!(
            chain("kimi", "other-kimi", "local"),
            ["M", "M", "qwen"],
            "all kimi servers have the same"
        );
        assert_eq!(
            chain("moonshot", "moonshot-2", "kimi"),
            ["M", "M", "kimi"],
            "and so has one service"
        );
        assert_eq!(
            chain("local", "moonshot", "kimi"),
            ["M", "moonshot-v1-8k", "kimi"]
        );
    }

    #[test]
    fn use_search_is_said_to_kimi_alone() {
        let config = config("ai = [\"local\", \"kimi\"]\nuse_search = false");
        let job = &config.jobs[0];
        let said = |name: &str| job.use_search_at(&config.endpoints[name]);
        assert_eq!((said("local"), said("kimi")), (None, Some(false)));
    }

    #[test]
    fn an_answer_is_in_place_of_the_firsts_where_it_is_not_its_own() {
        let config = config("ai = [\"kimi\", \"local\"]");
        let job = &config.jobs[0];
        assert_eq!(job.instead_of("kimi"), None);
        assert_eq!(job.instead_of("local"), Some("kimi"));
    }
}
