//! The buttons below a push: up to three, of the kinds that ntfy knows.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use reqwest::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::{
    item::{Fault, Item},
    keys,
    section::Section,
    suggest, urls,
};

/// ntfy's own limit (code 40018).
const MOST: usize = 3;

/// The most bytes of all actions together as JSON. ntfy takes less than 8,192 bytes with text, title and tags.
const MOST_BYTES: usize = 1_500;

const KINDS: &[(&str, Kind)] = &[
    ("view", Kind::View),
    ("broadcast", Kind::Broadcast),
    ("http", Kind::Http),
    ("copy", Kind::Copy),
];

#[derive(Clone, Copy)]
enum Kind {
    View,
    Broadcast,
    Http,
    Copy,
}

/// The buttons that promptcron makes itself.
const READY_MADE: &[(&str, Button)] = &[("again", Button::Again), ("pause", Button::Pause)];

/// A button as the config names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Button {
    /// Written out.
    Own(Action),
    /// `"again"`: asks the job's prompt once more.
    Again,
    /// `"pause"`: pauses the job.
    Pause,
}

impl Button {
    /// What is written out; None of one that promptcron makes.
    #[must_use]
    pub fn own(&self) -> Option<&Action> {
        match self {
            Self::Own(action) => Some(action),
            Self::Again | Self::Pause => None,
        }
    }
}

/// A button below a push, in the words of ntfy's JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Action {
    /// Opens a URL.
    View {
        /// What the button says.
        label: String,
        /// What it opens.
        url: String,
        /// Whether the notification goes away then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        clear: bool,
    },
    /// Sends an Android broadcast.
    Broadcast {
        /// What the button says.
        label: String,
        /// The intent; without it ntfy's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        intent: Option<String>,
        /// The intent's extras.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        extras: BTreeMap<String, String>,
        /// Whether the notification goes away then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        clear: bool,
    },
    /// Sends an HTTP request.
    Http {
        /// What the button says.
        label: String,
        /// Where the request goes.
        url: String,
        /// Its method; without it POST.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<String>,
        /// Its headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// Its body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Whether the notification goes away then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        clear: bool,
    },
    /// Copies a text (servers since 2.17).
    Copy {
        /// What the button says.
        label: String,
        /// What is copied.
        value: String,
        /// Whether the notification goes away then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        clear: bool,
    },
}

/// Says what the button says: addresses and headers may hold secrets.
impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, label) = match self {
            Self::View { label, .. } => ("View", label),
            Self::Broadcast { label, .. } => ("Broadcast", label),
            Self::Http { label, .. } => ("Http", label),
            Self::Copy { label, .. } => ("Copy", label),
        };
        write!(f, "{kind}({label:?})")
    }
}

impl Action {
    /// What must not be shown of it, where a server's words echo it.
    #[must_use]
    pub fn secrets(&self) -> Vec<&str> {
        let Self::Http { headers, body, .. } = self else {
            return Vec::new();
        };
        // `Bearer X`: X alone is one too.
        let values = headers.values().flat_map(|value| value.rsplit(' ').next());
        values.chain(body.as_deref()).collect()
    }
}

/// Reads the list.
pub(super) fn read(item: &Item<'_>) -> Result<Vec<Button>, Fault> {
    let wanted =
        "a list such as [{ action = \"view\", label = \"Open\", url = \"https://example.com\" }]";
    let elements = item.elements().ok_or_else(|| item.unlike(wanted))?;
    if elements.len() > MOST {
        return Err(format!("holds {} actions; ntfy takes {MOST}", elements.len()).into());
    }
    // What is wrong in one is reported there; the others are read all the same.
    let buttons: Vec<Button> = elements.iter().filter_map(button).collect();
    let own = buttons.iter().filter_map(Button::own);
    let bytes = serde_json::to_string(&own.collect::<Vec<_>>()).map_or(0, |json| json.len());
    if bytes > MOST_BYTES {
        return Err(format!(
            "has {bytes} bytes as JSON, at most {MOST_BYTES} are allowed: ntfy takes 8192 with the text and all else"
        )
        .into());
    }
    Ok(buttons)
}

fn button(item: &Item<'_>) -> Option<Button> {
    if let DeValue::String(_) = item.value {
        return item.read(ready_made);
    }
    let Some(table) = item.value.as_table() else {
        item.fault(&item.unlike("a table such as { action = \"view\", label = \"Open\", url = \"https://example.com\" }"));
        return None;
    };
    let label = "an action".to_owned();
    let section = Section::open(item.reading, label, item.at, table, keys::ACTION);
    let hint = "action = \"view\", \"broadcast\", \"http\" or \"copy\"";
    let kind = section.required("action", hint, |item| item.choice(KINDS))?;
    refuse_others(&section, kind);
    let label = section.required("label", "label = \"TEXT\"", Item::word);
    let clear = section.read("clear", Item::bool).unwrap_or_default();
    let action = match kind {
        Kind::View => view(&section, label, clear),
        Kind::Broadcast => broadcast(&section, label, clear),
        Kind::Http => http(&section, label, clear),
        Kind::Copy => copy(&section, label, clear),
    };
    action.map(Button::Own)
}

/// A press of one reaches promptcron itself, which must have an address for it.
fn ready_made(item: &Item<'_>) -> Result<Button, String> {
    let text = item.word()?;
    let known = READY_MADE.iter().find(|(name, _)| *name == text);
    let (name, button) = known.ok_or_else(|| {
        let names = READY_MADE.iter().map(|(name, _)| *name);
        let near = suggest::did_you_mean(&text, names.clone());
        let listed = suggest::listed(names);
        format!("{text:?} is no ready-made action{near} (allowed: {listed}; others are written out: {{ action = … }})")
    })?;
    match item.reading.has_public_url {
        true => Ok(button.clone()),
        false => Err(format!(
            "{name:?} is a button that calls promptcron's own page, which has no address that a phone reaches; set public_url in [web], with a token"
        )),
    }
}

/// Reports the keys that another kind of action has.
fn refuse_others(section: &Section<'_>, kind: Kind) {
    let known = match kind {
        Kind::View => keys::ACTION_VIEW,
        Kind::Broadcast => keys::ACTION_BROADCAST,
        Kind::Http => keys::ACTION_HTTP,
        Kind::Copy => keys::ACTION_COPY,
    };
    let others = keys::ACTION.iter().filter(|key| !known.contains(key));
    for item in others.filter_map(|key| section.item(key)) {
        let known = known.join(", ");
        let message = format!(
            "{} is no key of this kind of action (allowed: {known})",
            item.key
        );
        item.reading.fault(item.key_at, message);
    }
}

const URL: &str = "url = \"https://example.com\"";

fn view(section: &Section<'_>, label: Option<String>, clear: bool) -> Option<Action> {
    let url = section.required("url", URL, |item| urls::click(&item.word()?));
    Some(Action::View {
        label: label?,
        url: url?,
        clear,
    })
}

fn broadcast(section: &Section<'_>, label: Option<String>, clear: bool) -> Option<Action> {
    let intent = section.read("intent", Item::word);
    let extras = section.read("extras", |item| texts(item, |_, _| Ok(())));
    Some(Action::Broadcast {
        label: label?,
        intent,
        extras: extras.unwrap_or_default(),
        clear,
    })
}

fn http(section: &Section<'_>, label: Option<String>, clear: bool) -> Option<Action> {
    let url = section.required("url", URL, |item| urls::fetched(&item.word()?));
    let method = section.read("method", method);
    let headers = section.read("headers", |item| texts(item, check_header));
    let body = section.read("body", |item| item.text().map(Cow::into_owned));
    Some(Action::Http {
        label: label?,
        url: url?,
        method,
        headers: headers.unwrap_or_default(),
        body,
        clear,
    })
}

fn copy(section: &Section<'_>, label: Option<String>, clear: bool) -> Option<Action> {
    let value = section.required("value", "value = \"TEXT\"", Item::word);
    Some(Action::Copy {
        label: label?,
        value: value?,
        clear,
    })
}

fn method(item: &Item<'_>) -> Result<String, String> {
    let method = item.word()?;
    match method.bytes().all(|b| b.is_ascii_uppercase()) {
        true => Ok(method),
        false => Err(format!(
            "{method:?} is no HTTP method; write it in capitals, such as \"PUT\""
        )),
    }
}

fn check_header(name: &str, value: &str) -> Result<(), String> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!(
            "{name:?} is no header's name; use letters, digits and -"
        ));
    }
    HeaderValue::from_str(value).map(|_| ()).map_err(|_| {
        format!("the header {name} holds a line break or another character that HTTP cannot carry")
    })
}

/// A table of texts.
fn texts(
    item: &Item<'_>,
    check: impl Fn(&str, &str) -> Result<(), String>,
) -> Result<BTreeMap<String, String>, Fault> {
    let DeValue::Table(table) = item.value else {
        return Err(item
            .unlike("a table of texts such as { NAME = \"TEXT\" }")
            .into());
    };
    let mut texts = BTreeMap::new();
    for (key, value) in table {
        let (name, value) = (key.get_ref().to_string(), item.inner(value));
        let text = value.text().map_err(|message| value.blame(message))?;
        check(&name, &text).map_err(|message| value.blame(message))?;
        texts.insert(name, text.into_owned());
    }
    Ok(texts)
}
