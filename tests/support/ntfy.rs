//! An ntfy-shaped server for tests: real rules, faults on demand, everything recorded.
//!
//! It has its own threads and a port of its own, so tests that start the real binary use it as
//! well as async ones. What no publisher should send is a violation, and fails the test at its end.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it, as a module of its own"
)]

#[path = "ntfy_rules.rs"]
pub mod rules;
#[path = "ntfy_upload.rs"]
mod upload;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use rules::{Refused, Rights, Settings, refused};

/// What goes wrong with a publish request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// One of ntfy's errors, by its code.
    Code(u32),
    /// Bytes in place of a reply, such as a proxy's page; nothing is stored.
    Raw(String),
    /// No answer until the client gives up; nothing is stored.
    Hang,
    /// The message is stored, and then no answer comes.
    HangAfterStoring,
    /// The connection is reset; nothing is stored.
    ResetBeforeStoring,
    /// The message is stored, and the connection reset before any answer.
    ResetAfterStoring,
    /// The message is stored, and the answer ends in its midst.
    TruncatedReply,
}

impl Fault {
    /// A page of HTML with this status.
    pub fn html(status: u16, title: &str) -> Self {
        let page = format!("<!DOCTYPE html>\n<html><head><title>{title}</title></head></html>");
        Self::Raw(response(status, "Content-Type: text/html\r\n", &page))
    }

    /// A redirect to another address.
    pub fn redirect(status: u16, place: &str) -> Self {
        Self::Raw(response(status, &format!("Location: {place}\r\n"), ""))
    }
}

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    /// The first line and the headers, as sent.
    pub head: String,
    /// The body, as sent.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Method and path.
    pub fn line(&self) -> &str {
        self.head
            .lines()
            .next()
            .unwrap()
            .trim_end_matches(" HTTP/1.1")
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    messages: Vec<Map<String, Value>>,
    violations: Vec<String>,
    publishes: usize,
    wrong_logins: usize,
    faults: BTreeMap<usize, Fault>,
    outage: Option<Fault>,
    connections: Vec<Weak<TcpStream>>,
    stopped: bool,
}

struct Shared {
    settings: Settings,
    state: Mutex<State>,
    changed: Condvar,
}

/// The server; it stops, and reports its violations, when it is dropped.
pub struct FakeNtfy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl FakeNtfy {
    /// A server of today without users.
    pub fn start() -> Self {
        Self::with(Settings::default())
    }

    /// A server of the given kind.
    pub fn with(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            settings,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let mut state = accepting.state();
                if state.stopped {
                    return;
                }
                // Weak, so that the serving thread alone decides how it is closed.
                let connection = Arc::new(connection);
                state.connections.push(Arc::downgrade(&connection));
                drop(state);
                let serving = Arc::clone(&accepting);
                thread::spawn(move || serving.serve(&connection));
            }
        });
        Self { address, shared }
    }

    /// Its root, with a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Lets the n-th publish request, counted from 1, go wrong.
    pub fn fail(&self, nth: usize, fault: Fault) {
        self.shared.state().faults.insert(nth, fault);
    }

    /// Lets every publish request go wrong until it is called with None.
    pub fn outage(&self, fault: Option<Fault>) {
        self.shared.state().outage = fault;
    }

    /// Everything that was asked, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// The publish requests among them.
    pub fn publishes(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.line().starts_with("POST "));
        requests
    }

    /// The polls among them.
    pub fn polls(&self) -> usize {
        let requests = self.requests();
        let polls = requests
            .iter()
            .filter(|request| request.line().contains("/json?poll=1"));
        polls.count()
    }

    /// What a topic holds, oldest first.
    pub fn messages(&self, topic: &str) -> Vec<Map<String, Value>> {
        let mut messages = self.shared.state().messages.clone();
        messages.retain(|message| message["topic"] == topic);
        messages
    }

    /// Waits until it holds `n` messages over all topics.
    pub fn wait_for(&self, n: usize, deadline: Duration) -> Vec<Map<String, Value>> {
        let state = self.wait(deadline, "messages", |state| state.messages.len() >= n);
        state.messages.clone()
    }

    /// Waits until it was asked to publish `n` times, whatever came of it.
    pub fn wait_for_publishes(&self, n: usize, deadline: Duration) -> Vec<Request> {
        drop(self.wait(deadline, "publish requests", |state| state.publishes >= n));
        self.publishes()
    }

    /// What it was sent that no publisher should send.
    ///
    /// Taken out, so that a test that provokes one does not fail at its end.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.state().violations)
    }

    fn wait(
        &self,
        deadline: Duration,
        what: &str,
        done: impl Fn(&State) -> bool,
    ) -> MutexGuard<'_, State> {
        let until = Instant::now() + deadline;
        let mut state = self.shared.state();
        while !done(&state) {
            let left = until.saturating_duration_since(Instant::now());
            let have = (state.publishes, state.messages.len());
            assert!(
                !left.is_zero(),
                "too few {what}; publish requests and messages: {have:?}"
            );
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

impl Drop for FakeNtfy {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.stopped = true;
        for connection in state
            .connections
            .drain(..)
            .filter_map(|weak| weak.upgrade())
        {
            drop(connection.shutdown(Shutdown::Both));
        }
        let violations = std::mem::take(&mut state.violations);
        drop(state);
        // Wakes the accepting thread, which then sees that it is over.
        drop(TcpStream::connect(self.address));
        if !thread::panicking() {
            assert!(
                violations.is_empty(),
                "violations of ntfy's protocol: {violations:#?}"
            );
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A wait that failed its test has poisoned it, and the report at the end needs it still.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut connection: &TcpStream) {
        let mut reader = BufReader::new(connection);
        while let Some(request) = read_request(&mut reader) {
            let reply = self.reply(&request, connection);
            self.changed.notify_all();
            let Some(reply) = reply else { return };
            let ends = reply.ends_with('\0');
            if connection
                .write_all(reply.trim_end_matches('\0').as_bytes())
                .is_err()
                || ends
            {
                drop(connection.shutdown(Shutdown::Both));
                return;
            }
        }
    }

    /// The bytes to answer; None for a connection that is gone, a NUL at the end for one to close.
    fn reply(&self, request: &Request, connection: &TcpStream) -> Option<String> {
        let mut state = self.state();
        state.requests.push(request.clone());
        let publishes =
            matches!(request.line(), "POST /" | "PUT /") || upload::fields(request).is_some();
        if !publishes {
            return Some(answer(self.read_only(&mut state, request)));
        }
        state.publishes += 1;
        let nth = state.publishes;
        let fault = state.faults.remove(&nth).or_else(|| state.outage.clone());
        let Some(fault) = fault else {
            return Some(answer(self.publish(&mut state, request)));
        };
        match fault {
            Fault::Code(code) => Some(answer(Err(known(code)))),
            Fault::Raw(bytes) => Some(bytes),
            Fault::Hang => {
                self.changed.notify_all();
                hang(state, connection)
            }
            Fault::ResetBeforeStoring => reset(connection),
            Fault::HangAfterStoring => {
                self.store(&mut state, request);
                self.changed.notify_all();
                hang(state, connection)
            }
            Fault::ResetAfterStoring => {
                self.store(&mut state, request);
                reset(connection)
            }
            Fault::TruncatedReply => {
                let whole = answer(self.publish(&mut state, request));
                Some(format!("{}\0", &whole[..whole.len() - 20]))
            }
        }
    }

    /// For faults after storing, which make no sense where nothing is stored.
    fn store(&self, state: &mut State, request: &Request) {
        if let Err(refused) = self.publish(state, request) {
            state
                .violations
                .push(format!("not stored: {}", refused.body));
        }
    }

    fn publish(&self, state: &mut State, request: &Request) -> Result<String, Refused> {
        let login = request.header("authorization");
        let rights = rules::rights(&self.settings, login, &mut state.wrong_logins)?;
        if let Some(fields) = upload::fields(request) {
            rules::require(rights, Rights::WriteOnly)?;
            return self.upload(state, request, fields);
        }
        let fields = rules::read(&request.body)?;
        for name in rules::ignored(&fields) {
            state
                .violations
                .push(format!("ntfy ignores the field {name:?}"));
        }
        let first = request.text();
        if first.contains("\\u") {
            state
                .violations
                .push(format!("escapes eat the limit of 8192 bytes: {first}"));
        }
        if state.publishes > self.settings.requests {
            return Err(known(42901));
        }
        rules::require(rights, Rights::WriteOnly)?;
        if state.messages.len() >= self.settings.quota {
            return Err(known(42908));
        }
        let message = rules::message(&self.settings, &fields, state.messages.len() + 1)?;
        state.messages.push(message.clone());
        Ok(format!("{}\n", Value::Object(message)))
    }

    /// A message whose body is a file.
    fn upload(
        &self,
        state: &mut State,
        request: &Request,
        mut fields: Map<String, Value>,
    ) -> Result<String, Refused> {
        let Some(name) = fields.remove("filename") else {
            let violation = format!("the body is the text there: {}", request.line());
            state.violations.push(violation);
            return Err(known(40401));
        };
        let number = state.messages.len() + 1;
        let mut message = rules::message(&self.settings, &fields, number)?;
        let file = rules::attached(&self.settings, name.as_str().unwrap(), request.body.len())?;
        message.insert("attachment".to_owned(), file);
        state.messages.push(message.clone());
        Ok(format!("{}\n", Value::Object(message)))
    }

    fn read_only(&self, state: &mut State, request: &Request) -> Result<String, Refused> {
        let login = request.header("authorization");
        let rights = rules::rights(&self.settings, login, &mut state.wrong_logins)?;
        let target = request.line().strip_prefix("GET ").unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match path
            .strip_prefix('/')
            .map(|path| path.split('/').collect::<Vec<_>>())
            .as_deref()
        {
            Some(["v1", "health"]) => Ok(json!({ "healthy": true }).to_string()),
            Some(["v1", "account"]) => Ok(self.account(state, login.is_some())),
            Some([_, "auth"]) => {
                rules::require(rights, Rights::ReadWrite)?;
                Ok(json!({ "success": true }).to_string())
            }
            Some([topic, "json"]) if query.contains("poll=1") => {
                rules::require(rights, Rights::ReadWrite)?;
                Ok(poll(state, topic, query))
            }
            _ => {
                state
                    .violations
                    .push(format!("unexpected request: {}", request.line()));
                Err(known(40401))
            }
        }
    }

    fn account(&self, state: &State, login: bool) -> String {
        let known = login && self.settings.access.is_some();
        json!({
            "username": if known { "phil" } else { "*" },
            "role": if known { "user" } else { "anonymous" },
            "limits": { "basis": "ip", "messages": self.settings.quota },
            "stats": {
                "messages": state.messages.len(),
                "messages_remaining": self.settings.quota - state.messages.len(),
            },
        })
        .to_string()
    }
}

/// A topic's messages as lines of JSON, since an id, a Unix time, an age in seconds, or all.
fn poll(state: &State, topic: &str, query: &str) -> String {
    let since = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("since="))
        .unwrap_or("all");
    let with_scheduled = query.split('&').any(|pair| pair == "scheduled=1");
    let now = rules::unix_now();
    // What is not to be kept has no end, and is not here; what is to come is shown to those who ask for it.
    let is_here = |message: &&Map<String, Value>| {
        message["topic"] == topic
            && message.contains_key("expires")
            && (with_scheduled || message["time"].as_u64() <= Some(now))
    };
    let of_topic = state.messages.iter().filter(is_here);
    let known = state.messages.iter().any(|message| message["id"] == since);
    let mut wanted: Vec<_> = of_topic.collect();
    if known {
        let after = wanted.iter().position(|message| message["id"] == since);
        wanted.drain(..after.map_or(0, |at| at + 1));
    } else if let Some(age) = since
        .strip_suffix('s')
        .and_then(|age| age.parse::<u64>().ok())
    {
        let from = rules::unix_now() - age;
        wanted.retain(|message| message["time"].as_u64() >= Some(from));
    } else if let Ok(from) = since.parse::<u64>() {
        wanted.retain(|message| message["time"].as_u64() >= Some(from));
    }
    let lines = wanted
        .into_iter()
        .map(|message| Value::Object(message.clone()).to_string() + "\n");
    lines.collect()
}

/// ntfy's words for the codes that faults use.
fn known(code: u32) -> Refused {
    let (error, link) = match code {
        40101 => ("unauthorized", "publish/#authentication"),
        40301 => ("forbidden", "publish/#authentication"),
        40401 => ("page not found", ""),
        41301 => (
            "attachment too large, or bandwidth limit reached",
            "publish/#limitations",
        ),
        41303 => ("JSON body too large", ""),
        42901 => ("limit reached: too many requests", "publish/#limitations"),
        42905 => (
            "limit reached: daily bandwidth reached",
            "publish/#limitations",
        ),
        42908 => (
            "limit reached: daily message quota reached",
            "publish/#limitations",
        ),
        42909 => (
            "limit reached: too many auth failures",
            "publish/#limitations",
        ),
        50001 => ("internal server error", ""),
        50701 => (
            "cannot publish to UnifiedPush topic without previously active subscriber",
            "",
        ),
        _ => panic!("say here what ntfy says with {code}"),
    };
    refused(code, error, link)
}

fn answer(result: Result<String, Refused>) -> String {
    let json = "Content-Type: application/json\r\n";
    match result {
        Ok(body) => response(200, json, &body),
        Err(refused) => response(refused.http, json, &refused.body),
    }
}

/// A whole HTTP/1.1 response.
pub fn response(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut request = Request {
        head,
        body: Vec::new(),
    };
    let length = request
        .header("content-length")
        .map_or(0, |n| n.parse().unwrap());
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// Says nothing until the client closes the connection.
fn hang(state: MutexGuard<'_, State>, mut connection: &TcpStream) -> Option<String> {
    drop(state);
    drop(connection.read(&mut [0]));
    None
}

/// Closes a connection with RST in place of FIN.
fn reset(connection: &TcpStream) -> Option<String> {
    let socket = socket2::SockRef::from(connection);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    None
}
