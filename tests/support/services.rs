//! Stand-ins for the services that docs/receivers.md shows: each takes what the service's own documentation
//! says it takes, answers as it does, and refuses anything else.
//!
//! Written apart from the configs that they check: the published request forms are Bark's `POST /push`,
//! Gotify's `POST /message`, Telegram's `sendMessage` and `WeCom`'s group robot.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it, as a module of its own"
)]

use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Map, Value, json};

/// A request with its JSON.
pub struct Posted {
    pub line: String,
    pub head: String,
    pub json: Value,
}

impl Posted {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn field<'a>(&'a self, name: &str) -> Result<&'a str, String> {
        let value = self.json.get(name).ok_or(format!("{name} is missing"))?;
        value.as_str().ok_or(format!("{name} is no string"))
    }

    fn fields(&self, known: &[&str]) -> Result<(), String> {
        let object: &Map<_, _> = self.json.as_object().ok_or("no object")?;
        match object.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(format!("{key} is no field")),
            None => Ok(()),
        }
    }
}

type Check = fn(&Posted) -> Result<String, String>;

/// What a service says: its status and JSON, or the reason why the request is not as published.
pub struct Service {
    pub name: &'static str,
    /// What stands for the service in the shown config.
    pub host: &'static str,
    check: Check,
    refusal: fn(&str) -> (u16, Value),
}

pub const SERVICES: [Service; 4] = [
    Service {
        name: "bark",
        host: "https://api.day.app",
        check: bark,
        refusal: |why| (400, json!({ "code": 400, "message": why, "timestamp": 1 })),
    },
    Service {
        name: "gotify",
        host: "https://gotify.example.com",
        check: gotify,
        refusal: |why| {
            let body = json!({ "error": "Bad Request", "errorCode": 400, "errorDescription": why });
            (400, body)
        },
    },
    Service {
        name: "telegram",
        host: "https://api.telegram.org",
        check: telegram,
        refusal: |why| {
            let body = json!({ "ok": false, "error_code": 400, "description": why });
            (400, body)
        },
    },
    Service {
        name: "wecom",
        host: "https://qyapi.weixin.qq.com",
        check: wecom,
        refusal: |why| (200, json!({ "errcode": 40008, "errmsg": why })),
    },
];

/// Bark: <https://bark.day.app/#/tutorial>.
fn bark(posted: &Posted) -> Result<String, String> {
    posted.fields(&[
        "title",
        "subtitle",
        "body",
        "markdown",
        "device_key",
        "device_keys",
        "level",
        "volume",
        "badge",
        "call",
        "autoCopy",
        "copy",
        "sound",
        "icon",
        "image",
        "group",
        "ciphertext",
        "isArchive",
        "ttl",
        "url",
        "action",
        "id",
        "delete",
    ])?;
    same("line", &posted.line, "POST /push")?;
    same("key", posted.field("device_key")?, "YOUR-KEY")?;
    let level = posted.field("level")?;
    if !["critical", "active", "timeSensitive", "passive"].contains(&level) {
        return Err(format!("{level} is no level"));
    }
    if posted.json.to_string().len() > 4_000 {
        return Err("too large for Apple".to_owned());
    }
    if let Some(url) = posted.json.get("url") {
        url.as_str().ok_or("url is no string")?;
    }
    posted.field("group")?;
    Ok(format!(
        "{}|{}",
        posted.field("title")?,
        posted.field("body")?
    ))
}

/// Gotify: <https://gotify.net/api-docs>.
fn gotify(posted: &Posted) -> Result<String, String> {
    posted.fields(&["title", "message", "priority", "extras"])?;
    same("line", &posted.line, "POST /message")?;
    let key = posted.header("x-gotify-key").ok_or("no key")?;
    same("key", key, "YOUR-APP-TOKEN")?;
    let priority = posted.json["priority"]
        .as_i64()
        .ok_or("priority is no number")?;
    if !(0..=10).contains(&priority) {
        return Err(format!("{priority} is no priority"));
    }
    let extras = posted.json["extras"]
        .as_object()
        .ok_or("extras is no object")?;
    if let Some(key) = extras.keys().find(|key| !key.contains("::")) {
        return Err(format!("{key} has no namespace"));
    }
    Ok(format!(
        "{}|{}",
        posted.field("title")?,
        posted.field("message")?
    ))
}

/// Telegram: <https://core.telegram.org/bots/api#sendmessage>.
fn telegram(posted: &Posted) -> Result<String, String> {
    posted.fields(&[
        "business_connection_id",
        "chat_id",
        "message_thread_id",
        "text",
        "parse_mode",
        "entities",
        "link_preview_options",
        "disable_notification",
        "protect_content",
        "reply_parameters",
        "reply_markup",
    ])?;
    same("line", &posted.line, "POST /botYOUR-TOKEN/sendMessage")?;
    same("chat", posted.field("chat_id")?, "YOUR-CHAT")?;
    posted.json["disable_notification"]
        .as_bool()
        .ok_or("disable_notification is no boolean")?;
    let text = posted.field("text")?;
    match text.encode_utf16().count() {
        0 => Err("message text is empty".to_owned()),
        1..=4_096 => Ok(text.replacen("\n\n", "|", 1)),
        _ => Err("message is too long".to_owned()),
    }
}

/// `WeCom`: <https://developer.work.weixin.qq.com/document/path/91770>.
fn wecom(posted: &Posted) -> Result<String, String> {
    posted.fields(&["msgtype", "text"])?;
    same(
        "line",
        &posted.line,
        "POST /cgi-bin/webhook/send?key=YOUR-KEY",
    )?;
    same("type", posted.field("msgtype")?, "text")?;
    let content = posted.json["text"]["content"]
        .as_str()
        .ok_or("no content")?;
    match content.len() {
        0 => Err("empty content".to_owned()),
        1..=2_048 => Ok(content.replacen('\n', "|", 1)),
        _ => Err("content exceed max length".to_owned()),
    }
}

fn same(what: &str, got: &str, wanted: &str) -> Result<(), String> {
    match got == wanted {
        true => Ok(()),
        false => Err(format!("{what}: {got:?}, not {wanted:?}")),
    }
}

/// What a service says when it took a message.
fn taken(name: &str) -> Value {
    match name {
        "bark" => json!({ "code": 200, "message": "success", "timestamp": 1_764_000_000 }),
        "gotify" => json!({ "id": 25, "appid": 5, "date": "2026-11-25T08:00:00Z" }),
        "telegram" => json!({ "ok": true, "result": { "message_id": 1 } }),
        _ => json!({ "errcode": 0, "errmsg": "ok" }),
    }
}

/// A running stand-in.
pub struct Running {
    pub url: String,
    /// `title|text` of what it took.
    pub taken: Arc<Mutex<Vec<String>>>,
    /// Why it refused what it did not take.
    pub refused: Arc<Mutex<Vec<String>>>,
}

impl Service {
    pub fn start(&self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let running = Running {
            url: format!("http://{}", listener.local_addr().unwrap()),
            taken: Arc::default(),
            refused: Arc::default(),
        };
        let (taken, refused) = (running.taken.clone(), running.refused.clone());
        let (name, check, refusal) = (self.name, self.check, self.refusal);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(&stream, |posted| match check(posted) {
                    Ok(text) => {
                        taken.lock().unwrap().push(text);
                        (200, self::taken(name))
                    }
                    Err(why) => {
                        let refusal = refusal(&why);
                        refused.lock().unwrap().push(why);
                        refusal
                    }
                });
            }
        });
        running
    }
}

/// Answers one request, and closes the connection.
fn serve(mut stream: &TcpStream, answer: impl FnOnce(&Posted) -> (u16, Value)) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let (line, rest) = head.split_once("\r\n").unwrap();
    let mut posted = Posted {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        head: rest.to_owned(),
        json: Value::Null,
    };
    let length = posted
        .header("content-length")
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    posted.json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let is_json = posted
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    assert!(is_json || posted.line.starts_with("HEAD"), "{head}");
    let (status, reply) = answer(&posted);
    let reply = reply.to_string();
    let length = reply.len();
    write!(
        stream,
        "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{reply}"
    )
    .ok();
}
