//! `[webhook.NAME]`: any service that takes a message as an HTTP POST.

use std::{fmt, sync::Arc};

use chrono_tz::Tz;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use toml::de::DeValue;
use url::Url;

use super::{
    ai,
    body::{Body, Escape, Wrong},
    courtesy::{self, Courtesy, SentFirst},
    item::{Fault, Item},
    keys, notification, ntfy, secrets,
    section::Section,
    types::{Service, Target},
    urls,
};
use crate::render::Long;

const URLS: &[&str] = &["url", "url_env", "url_file", "url_credential"];
const LONG: &[(&str, Long)] = &[("split", Long::Split), ("truncate", Long::Truncate)];

/// A service that takes an HTTP POST.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Where it is posted.
    pub url: SecretUrl,
    /// What goes with it besides the `Content-Type`; each value may be a secret.
    pub headers: Vec<Header>,
    /// `application/json` where no header says otherwise.
    pub content_type: String,
    /// What is posted.
    pub body: Body,
    /// The statuses of success; empty: any 2xx.
    pub expect: Vec<u16>,
    /// What a reply's JSON has to hold, for services that refuse with 200; empty: anything.
    pub expect_json: Map<String, Value>,
}

/// An address whose path or query may hold a secret. Its Debug shows the host alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// Wraps an address that the config has checked.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self(url)
    }

    /// The whole of it, for the request alone.
    #[must_use]
    pub fn expose(&self) -> &Url {
        &self.0
    }

    /// Scheme, host and port: what may be shown.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({}/…)", self.origin())
    }
}

/// A header of a webhook's request.
#[derive(Clone, Debug)]
pub struct Header {
    /// Its name, in lower case.
    pub name: String,
    /// Its value.
    pub value: SecretString,
}

impl PartialEq for Header {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.value.expose_secret() == other.value.expose_secret()
    }
}

/// Reads one webhook; None where something is wrong with it, which is reported.
pub(super) fn target(section: &Section<'_>, name: &Arc<str>, zone: Tz) -> Option<Target> {
    let url = url(section);
    let headers = section.read("headers", headers).unwrap_or_default();
    let is_type = |header: &&Header| header.name == CONTENT_TYPE.as_str();
    let content_type = headers.iter().find(is_type).map_or_else(
        || "application/json".to_owned(),
        |header| header.value.expose_secret().to_owned(),
    );
    let hint = "body = '{ \"title\": {{ title }}, \"body\": {{ text }} }'";
    let body = section.required("body", hint, |item| body(item, escape(&content_type)));
    let expect = section.read("expect", expect).unwrap_or_default();
    let expect_json = section
        .read("expect_json", ai::json_table)
        .unwrap_or_default();
    let long = section.read("long", |item| item.choice(LONG));
    let max_bytes = section.read("max_bytes", |item| item.int(100..=1_000_000));
    let chat = Courtesy {
        sent_first: SentFirst::First,
        ..Courtesy::default()
    };
    let courtesy = courtesy::read(section, zone, chat);
    let shared = ntfy::shared(section, notification::shown(section), courtesy);
    let service = Service::Webhook(Webhook {
        url: url?,
        headers: headers
            .into_iter()
            .filter(|header| !is_type(&header))
            .collect(),
        content_type,
        body: body?,
        expect,
        expect_json,
    });
    let target = Target::new(Arc::clone(name), service);
    Some(Target {
        long: long.unwrap_or_default(),
        max_bytes: max_bytes.unwrap_or(target.max_bytes),
        ..shared(target)
    })
}

fn url(section: &Section<'_>) -> Option<SecretUrl> {
    let Some(item) = section.one_of(URLS) else {
        section.missing(
            "url",
            "url = \"https://…\", or url_env, url_file or url_credential where it holds a secret",
        );
        return None;
    };
    item.read(|item| urls::webhook(secrets::text(item)?.trim()))
        .map(SecretUrl)
}

fn escape(content_type: &str) -> Escape {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => Escape::Form,
        json if json == "application/json" || json.ends_with("+json") => Escape::Json,
        _ => Escape::Plain,
    }
}

/// The template; what is wrong in it is told where it stands in the file.
fn body(item: &Item<'_>, escape: Escape) -> Result<Body, Fault> {
    let source = item.verbatim()?;
    if source.trim().is_empty() {
        return Err("is empty; write what is posted".to_owned().into());
    }
    Body::new(source, escape).map_err(|Wrong { at, message }| item.within(source, at, message))
}

fn headers(item: &Item<'_>) -> Result<Vec<Header>, Fault> {
    let DeValue::Table(table) = item.value else {
        return Err(item
            .unlike("a table such as { Authorization = { env = \"VARIABLE\" } }")
            .into());
    };
    let mut headers = Vec::new();
    for (key, value) in table {
        let (name, value) = (key.get_ref(), item.inner(value));
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let Ok(parsed) = parsed else {
            return Err(value.blame(format!(
                "{name:?} is no header's name; use letters, digits and -"
            )));
        };
        let text = header_value(&value, name).map_err(|message| value.blame(message))?;
        headers.push(Header {
            name: parsed.as_str().to_owned(),
            value: text.into(),
        });
    }
    headers.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(headers)
}

/// A text, or where a secret is: `{ env = "…" }`, `{ file = "…" }` or `{ credential = "…" }`.
fn header_value(item: &Item<'_>, name: &str) -> Result<String, String> {
    let text = match item.value {
        DeValue::Table(_) => {
            let section = Section::of(item, format!("the header {name}"), keys::SECRET);
            let source = section
                .as_ref()
                .and_then(|section| section.one_of(keys::SECRET));
            let source = source.ok_or("names no secret; write { env = \"VARIABLE\" }, { file = \"FILE\" } or { credential = \"NAME\" }")?;
            secrets::text(&source)?
        }
        _ => item.word()?,
    };
    match HeaderValue::from_str(text.trim()) {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(_) => Err(format!(
            "the header {name} holds a line break or another character that HTTP cannot carry"
        )),
    }
}

fn expect(item: &Item<'_>) -> Result<Vec<u16>, Fault> {
    let items = item.elements().unwrap_or_else(|| vec![item.clone()]);
    let status = |item: &Item<'_>| {
        let number = item.int(100..=599).map_err(|message| item.blame(message))?;
        Ok(u16::try_from(number).unwrap_or_default())
    };
    items.iter().map(status).collect()
}
