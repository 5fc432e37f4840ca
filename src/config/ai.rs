//! `[ai.NAME]`: one AI endpoint.

use std::sync::Arc;

use serde_json::{Map, Number, Value};
use toml::{Spanned, de::DeValue};
use url::Url;

use super::{
    item::{Fault, Item},
    kimi, limits, network, pace,
    section::Section,
    tokens,
    types::{Api, Endpoint, Token},
    urls,
};

const APIS: &[(&str, Api)] = &[("kimi", Api::Kimi), ("openai", Api::Openai)];

/// Keys of a request that promptcron itself writes, and what to do instead.
const OWN_PARAMS: &[(&str, &str)] = &[
    ("messages", "use the job's prompt and system"),
    ("stream", "use the key stream"),
    ("model", "use the key model"),
    ("use_search", "use the key use_search"),
    ("conversation_id", "leave it out"),
];

/// Reads one endpoint; None where something is wrong with it, which is reported.
pub(super) fn endpoint(section: &Section<'_>, name: &Arc<str>) -> Option<Endpoint> {
    let api = section.required("api", "api = \"kimi\" or api = \"openai\"", |item| {
        item.choice(APIS)
    });
    let hint = "base_url = \"http://127.0.0.1:8000/v1\"";
    let base_url = section.required("base_url", hint, |item| base_url(&item.word()?, api));
    let model = model(section, api);
    let tokens = pool(section, api);
    let pace = pace::read(section, tokens.as_deref());
    let use_search = use_search(section, api);
    if let (Some(Api::Kimi), Some(model)) = (api, &model) {
        kimi::warn(section, model, use_search);
    }
    let stream = section.read("stream", Item::bool);
    let limits = limits::read(section, api);
    let params = section.read("params", params);
    let network = network::read(section);
    Some(Endpoint {
        name: Arc::clone(name),
        api: api?,
        base_url: base_url?,
        model: model?,
        tokens: tokens?,
        pace,
        use_search,
        stream: stream.unwrap_or(true),
        limits,
        params: params.unwrap_or_default(),
        network,
    })
}

/// A kimi-free-api server's root is followed by `/v1`; other services have roots of their own.
fn base_url(text: &str, api: Option<Api>) -> Result<Url, String> {
    let mut url = urls::base(text)?;
    if api == Some(Api::Kimi) && url.path() == "/" {
        url.set_path("/v1");
    }
    Ok(url)
}

fn model(section: &Section<'_>, api: Option<Api>) -> Option<String> {
    match api {
        Some(Api::Openai) => section.required("model", "model = \"NAME\"", Item::word),
        _ if section.has("model") => section.read("model", Item::word),
        _ => Some("kimi".to_owned()),
    }
}

fn pool(section: &Section<'_>, api: Option<Api>) -> Option<Vec<Token>> {
    let item = section.one_of(&["tokens", "tokens_env", "tokens_file", "tokens_credential"]);
    let Some(item) = item else {
        if api == Some(Api::Kimi) {
            section.missing(
                "tokens",
                "tokens = [\"TOKEN\"], tokens_env = \"KIMI_TOKENS\" or tokens_file = \"FILE\"",
            );
            return None;
        }
        return Some(Vec::new());
    };
    // Without a known api its own error is enough; the tokens are checked as kimi's.
    let tokens = item.read(|item| tokens::read(item, api.unwrap_or(Api::Kimi)))?;
    if tokens.is_empty() && api == Some(Api::Kimi) {
        item.fault("holds no token; kimi needs at least one");
        return None;
    }
    Some(tokens)
}

fn use_search(section: &Section<'_>, api: Option<Api>) -> Option<bool> {
    section.read("use_search", |item| match api {
        Some(Api::Openai) => Err("is known to api = \"kimi\" alone; remove it".to_owned()),
        _ => item.bool(),
    })
}

fn params(item: &Item<'_>) -> Result<Map<String, Value>, Fault> {
    let DeValue::Table(table) = item.value else {
        return Err(item.unlike("a table such as { temperature = 0.3 }").into());
    };
    for (key, instead) in OWN_PARAMS {
        if table.contains_key(*key) {
            return Err(format!("{key:?} is set by promptcron itself; {instead}").into());
        }
    }
    json_table(item)
}

/// A table of values as JSON.
pub(super) fn json_table(item: &Item<'_>) -> Result<Map<String, Value>, Fault> {
    match json(item)? {
        Value::Object(map) => Ok(map),
        _ => Err(item.unlike("a table such as { code = 0 }").into()),
    }
}

/// A TOML value as JSON, tables in the order of the file.
fn json(item: &Item<'_>) -> Result<Value, Fault> {
    let blame = |message: String| item.blame(message);
    Ok(match item.value {
        DeValue::String(_) => Value::String(item.text().map_err(blame)?.into_owned()),
        DeValue::Boolean(bool) => Value::Bool(*bool),
        DeValue::Integer(_) => Value::from(item.whole().map_err(blame)?),
        DeValue::Float(float) => float
            .as_str()
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| {
                blame(format!(
                    "{float} has no form in JSON; write a finite number"
                ))
            })?,
        DeValue::Datetime(_) => {
            return Err(blame(
                "JSON has no dates; put the date in quotes".to_owned(),
            ));
        }
        DeValue::Array(array) => Value::Array(
            array
                .iter()
                .map(|v| json(&item.inner(v)))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            let pair = |(key, value): (&Spanned<_>, _)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                Ok((key.to_string(), json(&item.inner(value))?))
            };
            Value::Object(
                entries
                    .into_iter()
                    .map(pair)
                    .collect::<Result<_, Fault>>()?,
            )
        }
    })
}
