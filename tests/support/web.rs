//! The page of a running daemon, as a browser and a script see it.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it, as a module of its own"
)]

use std::time::Duration;

use reqwest::{
    Client, Method, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};

use crate::daemon::{Daemon, World};

/// What a daemon needs to know of its readers.
pub const TOKEN: &str = "0123456789abcdef-of-the-test";

/// A running daemon with a page on a port of its own.
pub struct Site {
    pub world: World,
    pub daemon: Daemon,
    pub base: String,
}

/// One reply, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {}", self.text))
    }

    /// The session's cookie, as a browser sends it back.
    pub fn cookie(&self) -> String {
        let set = self.header("set-cookie");
        set.split(';').next().unwrap().to_owned()
    }

    /// What the page's forms carry against forgery.
    pub fn csrf(&self) -> String {
        let from = self.text.split("name=\"csrf\" value=\"").nth(1);
        let value = from.unwrap_or_else(|| panic!("no form in {}", self.text));
        value.split('"').next().unwrap().to_owned()
    }
}

/// A request to be sent.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Ask {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn form(self, body: &str) -> Self {
        let mut form = self.header("content-type", "application/x-www-form-urlencoded");
        form.body = Some(body.to_owned());
        form
    }

    pub fn json(self, body: &str) -> Self {
        let mut json = self.header("content-type", "application/json");
        json.body = Some(body.to_owned());
        json
    }
}

impl Site {
    /// A page for this machine alone, without a token.
    pub fn open(jobs: &str) -> Self {
        Self::with("", jobs)
    }

    /// One that wants a token.
    pub fn guarded(jobs: &str) -> Self {
        Self::with(&format!("token = \"{TOKEN}\""), jobs)
    }

    /// With lines of `[web]`.
    pub fn with(web: &str, jobs: &str) -> Self {
        Self::on(World::with(
            "",
            &format!(
                "[web]\nlisten = \"127.0.0.1:0\"\n{web}\n[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"gold\""
            ),
            jobs,
        ))
    }

    pub fn on(world: World) -> Self {
        let daemon = world.start();
        let line = daemon.wait_for_line("listening address=");
        let address = line.split("address=").nth(1).unwrap().trim();
        let base = format!("http://{address}");
        Self {
            world,
            daemon,
            base,
        }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, Ask::new())
    }

    pub fn post(&self, path: &str, ask: Ask) -> Reply {
        self.send(Method::POST, path, ask)
    }

    pub fn send(&self, method: Method, path: &str, ask: Ask) -> Reply {
        let url = format!("{}{path}", self.base);
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(send(method, &url, ask))
    }
}

async fn send(method: Method, url: &str, ask: Ask) -> Reply {
    let client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    let mut request = client.request(method, url);
    let mut headers = HeaderMap::new();
    for (name, value) in ask.headers {
        let name: HeaderName = name.parse().unwrap();
        headers.insert(name, HeaderValue::from_str(&value).unwrap());
    }
    request = request.headers(headers);
    if let Some(body) = ask.body {
        request = request.body(body);
    }
    let response = request.send().await.unwrap();
    Reply {
        status: response.status(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap(),
    }
}
