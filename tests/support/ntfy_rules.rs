//! ntfy's rules of publishing, from its documentation and measured on a real server.
//!
//! Written apart from promptcron's own code on purpose: a mistake in one must not hide in the other.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

/// What kind of server this is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether texts of 4096 bytes and more become files; else they are refused.
    pub attachments: bool,
    /// How old it is.
    pub version: Version,
    /// Its users; without it, credentials are ignored.
    pub access: Option<Access>,
    /// How many messages a day.
    pub quota: usize,
    /// How many requests in a row; they do not come back.
    pub requests: usize,
    /// Whether it sends mails and calls.
    pub reaches_out: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            attachments: true,
            version: Version::V2026,
            access: None,
            quota: 17_280,
            requests: 100_000,
            reaches_out: true,
        }
    }
}

/// The versions that differ for a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Exactly 4096 bytes are too long; no `sequence_id`.
    V2_13,
    /// `sequence_id`.
    V2_16,
    /// Limits of title and tags; 4096 bytes are text.
    V2026,
}

/// One user, and what others may do.
#[derive(Clone, Debug)]
pub struct Access {
    /// The values of `Authorization` that are right.
    pub headers: Vec<String>,
    /// What that user may do.
    pub user: Rights,
    /// What everybody may do.
    pub everyone: Rights,
}

/// What somebody may do with every topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    Deny,
    WriteOnly,
    ReadWrite,
}

/// An error as ntfy writes it.
#[derive(Clone, Debug)]
pub struct Refused {
    pub http: u16,
    pub body: String,
}

pub const FIELDS: [&str; 18] = [
    "topic",
    "message",
    "title",
    "tags",
    "priority",
    "click",
    "actions",
    "attach",
    "filename",
    "icon",
    "markdown",
    "delay",
    "email",
    "call",
    "cache",
    "firebase",
    "sequence_id",
    "timezone",
];
const RESERVED: &str = " docs static file app metrics account settings signup login v1 ";
const WRONG_LOGINS: usize = 30;

/// Builds one of ntfy's errors.
pub fn refused(code: u32, error: &str, link: &str) -> Refused {
    let http = u16::try_from(code / 100).unwrap();
    let mut body = json!({ "code": code, "http": http, "error": error });
    if !link.is_empty() {
        body["link"] = json!(format!("https://ntfy.sh/docs/{link}"));
    }
    Refused {
        http,
        body: format!("{body}\n"),
    }
}

/// Who asks, if the server lets anyone with these credentials ask at all.
pub fn rights(
    settings: &Settings,
    header: Option<&str>,
    failures: &mut usize,
) -> Result<Rights, Refused> {
    let Some(access) = &settings.access else {
        return Ok(Rights::ReadWrite);
    };
    let Some(header) = header else {
        return Ok(access.everyone);
    };
    if *failures >= WRONG_LOGINS {
        let error = "limit reached: too many auth failures";
        return Err(refused(42909, error, "publish/#limitations"));
    }
    if !access.headers.iter().any(|right| right == header) {
        *failures += 1;
        return Err(refused(40101, "unauthorized", "publish/#authentication"));
    }
    Ok(access.user)
}

/// Refuses whom the topic is not for.
pub fn require(have: Rights, need: Rights) -> Result<(), Refused> {
    if have < need {
        return Err(refused(40301, "forbidden", "publish/#authentication"));
    }
    Ok(())
}

/// The JSON of a publish request, if its size and types are right.
pub fn read(body: &[u8]) -> Result<Map<String, Value>, Refused> {
    if body.len() >= 8192 {
        return Err(refused(41303, "JSON body too large", ""));
    }
    let wrong = || {
        refused(
            40024,
            "invalid request: request body must be valid JSON",
            "",
        )
    };
    let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|_| wrong())?;
    let fits = |(name, value): (&String, &Value)| match name.as_str() {
        "priority" => value.is_i64(),
        "markdown" => value.is_boolean(),
        "actions" => value.is_array(),
        "tags" => value
            .as_array()
            .is_some_and(|tags| tags.iter().all(Value::is_string)),
        name if FIELDS.contains(&name) => value.is_string(),
        _ => true,
    };
    if fields.iter().all(fits) {
        Ok(fields)
    } else {
        Err(wrong())
    }
}

/// Fields that ntfy would ignore without a word.
pub fn ignored(fields: &Map<String, Value>) -> Vec<String> {
    let known = |name: &&String| !FIELDS.contains(&name.as_str());
    fields.keys().filter(known).cloned().collect()
}

/// The message that ntfy stores and sends back.
pub fn message(
    settings: &Settings,
    fields: &Map<String, Value>,
    number: usize,
) -> Result<Map<String, Value>, Refused> {
    let text = |name: &str| {
        fields
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or("")
            .trim()
    };
    check(settings, fields, &text)?;
    let now = unix_now();
    let shown_at = now + delay(text("delay")).unwrap_or_default();
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("id", json!(format!("fake{number:08}")));
    put("time", json!(shown_at));
    if text("cache") != "no" {
        put("expires", json!(shown_at + 43_200));
    }
    put("event", json!("message"));
    put("topic", json!(text("topic")));
    for name in ["title", "click", "icon"] {
        if !text(name).is_empty() {
            put(name, json!(text(name)));
        }
    }
    let (shown, attachment) = body(settings, fields)?;
    put("message", json!(shown));
    if let Some(attachment) = attachment {
        put("attachment", attachment);
    }
    if let Some(priority) = fields.get("priority").filter(|value| **value != json!(0)) {
        put("priority", priority.clone());
    }
    let tags = tags(fields);
    if !tags.is_empty() {
        put("tags", json!(tags));
    }
    if let Some(actions) = fields.get("actions") {
        put("actions", actions.clone());
    }
    if fields.get("markdown") == Some(&json!(true)) {
        put("content_type", json!("text/markdown"));
    }
    if settings.version >= Version::V2_16 && !text("sequence_id").is_empty() {
        put("sequence_id", json!(text("sequence_id")));
    }
    Ok(out)
}

fn check<'a>(
    settings: &Settings,
    fields: &Map<String, Value>,
    text: &impl Fn(&str) -> &'a str,
) -> Result<(), Refused> {
    let fail = |code, error: &str, link| Err(refused(code, &format!("invalid {error}"), link));
    if RESERVED.contains(&format!(" {} ", text("topic"))) {
        return fail(40010, "request: topic name is not allowed", "");
    }
    if !is_name(text("topic")) {
        return fail(40009, "request: topic invalid", "");
    }
    let priority = fields.get("priority").and_then(Value::as_i64).unwrap_or(0);
    if !(0..=5).contains(&priority) {
        return fail(40007, "priority parameter", "publish/#message-priority");
    }
    if fields
        .get("actions")
        .and_then(Value::as_array)
        .is_some_and(|all| all.len() > 3)
    {
        let error = "request: actions invalid; only 3 actions allowed";
        return fail(40018, error, "publish/#action-buttons");
    }
    check_delay(text("delay"), text("cache"))?;
    if !text("email").is_empty() && !settings.reaches_out {
        return fail(
            40001,
            "request: e-mail notifications are not enabled",
            "config/#e-mail-notifications",
        );
    }
    if !text("call").is_empty() && !settings.reaches_out {
        return fail(
            40032,
            "request: calling is disabled",
            "publish/#phone-calls",
        );
    }
    let is_web = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    if !text("attach").is_empty() && !is_web(text("attach")) {
        return fail(
            40013,
            "request: attachment URL is invalid",
            "publish/#attachments",
        );
    }
    if !text("icon").is_empty() && !is_web(text("icon")) {
        return fail(40021, "request: icon URL is invalid", "publish/#icons");
    }
    let sequence = text("sequence_id");
    if settings.version >= Version::V2_16 && !sequence.is_empty() && !is_name(sequence) {
        return fail(40049, "request: sequence ID invalid", "");
    }
    if settings.version >= Version::V2026 {
        if text("title").len() > 1024 {
            return fail(40057, "request: title too long", "");
        }
        if tags(fields).iter().map(String::len).sum::<usize>() > 512 {
            return fail(40058, "request: tags too long", "");
        }
    }
    Ok(())
}

fn check_delay(text: &str, cache: &str) -> Result<(), Refused> {
    let fail = |code, error: &str| {
        let error = format!("invalid delay parameter: {error}");
        Err(refused(code, &error, "publish/#scheduled-delivery"))
    };
    if text.is_empty() {
        return Ok(());
    }
    if cache == "no" {
        return fail(40002, "cannot disable cache for delayed message");
    }
    match delay(text) {
        None => fail(40004, "unable to parse delay"),
        Some(0..10) => fail(40005, "too small"),
        Some(259_201..) => fail(40006, "too large"),
        Some(_) => Ok(()),
    }
}

/// Seconds from now: one number with one unit, an instant, or some of the words that are understood.
fn delay(text: &str) -> Option<u64> {
    if let Ok(at) = text.parse::<u64>() {
        return Some(at.saturating_sub(unix_now()));
    }
    if ["9am", "tomorrow", "tomorrow, 9am"].contains(&text) {
        return Some(3_600);
    }
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(number.parse::<u64>().ok()? * unit)
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn tags(fields: &Map<String, Value>) -> Vec<String> {
    let listed = fields
        .get("tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let joined: Vec<&str> = listed.filter_map(Value::as_str).collect();
    let joined = joined.join(",");
    let tags = joined
        .split(',')
        .map(str::trim)
        .filter(|tag| !tag.is_empty());
    tags.map(str::to_owned).collect()
}

/// The text that is shown, and the file that a long one becomes.
fn body(
    settings: &Settings,
    fields: &Map<String, Value>,
) -> Result<(String, Option<Value>), Refused> {
    let get = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or("");
    let text = get("message");
    let limit = if settings.version >= Version::V2026 {
        4097
    } else {
        4096
    };
    let shown = match text.trim() {
        "" => "triggered".to_owned(),
        text => text.to_owned(),
    };
    if !get("attach").is_empty() {
        let Some(cut) = shown.get(..shown.len().min(4096)) else {
            return Err(refused(
                40011,
                "invalid request: message must be UTF-8 encoded",
                "",
            ));
        };
        let file = json!({ "name": "attachment", "url": get("attach") });
        return Ok((cut.to_owned(), Some(file)));
    }
    if text.len() < limit && get("filename").is_empty() {
        return Ok((shown, None));
    }
    let name = match get("filename") {
        "" => "attachment.txt",
        name => name,
    };
    let file = attached(settings, name, text.len())?;
    Ok((format!("You received a file: {name}"), Some(file)))
}

/// A file of `size` bytes that the server keeps, if it keeps files.
pub fn attached(settings: &Settings, name: &str, size: usize) -> Result<Value, Refused> {
    if !settings.attachments {
        let error = "invalid request: attachments not allowed";
        return Err(refused(40014, error, "config/#attachments"));
    }
    Ok(json!({
        "name": name, "type": "text/plain; charset=utf-8", "size": size,
        "expires": unix_now() + 10_800, "url": "https://ntfy.example.com/file/fake.txt",
    }))
}

pub fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}
