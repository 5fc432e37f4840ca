//! What a config file means once it is read: every value checked, every default filled in.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use chrono_tz::Tz;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    courtesy::Courtesy,
    files::Files,
    notification::Notification,
    silence::{Notify, Pattern},
    way::Way,
    webhook::{SecretUrl, Webhook},
};
use crate::{
    model::{JobName, Language, Timestamp},
    prompt::Prompt,
    render::{Long, Style, TextChoices},
    schedule::Schedule,
};

pub use crate::schedule::CatchUp;

/// The default of `max_bytes` away from ntfy.sh: what a server takes, with some room.
pub(super) const OWN_BYTES: usize = 4_000;

/// A whole config file, valid and complete.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// The zone of jobs that name none.
    pub timezone: Tz,
    /// Where that zone came from, for the log at start.
    pub timezone_source: ZoneSource,
    /// The language of the few words promptcron itself adds to a push; default English.
    pub language: Language,
    /// How many AI calls run at once, over all jobs; default 4.
    pub max_in_flight: usize,
    /// How long running AI calls get after TERM before they are interrupted; default 25 s.
    pub drain: Duration,
    /// How long prompts and answers are kept; default 90 days. States are kept a year.
    pub keep: Duration,
    /// Where the ledger is.
    pub ledger: LedgerPath,
    /// `[web]`; None opens no port.
    pub web: Option<Web>,
    /// Who hears of what is wrong; without it the targets of the jobs concerned.
    pub alerts: Option<Arc<str>>,
    /// The most notices that a target gets in an hour, the rest being summed up; default 6.
    pub alerts_per_hour: u32,
    /// The monitor that hears each minute that the daemon lives.
    pub heartbeat_url: Option<Arc<SecretUrl>>,
    /// `[ai.NAME]`, by name.
    pub endpoints: BTreeMap<Arc<str>, Arc<Endpoint>>,
    /// `[ntfy.NAME]` and `[webhook.NAME]` by name, and the inline targets of jobs as `server/topic`.
    pub targets: BTreeMap<Arc<str>, Arc<Target>>,
    /// `[[job]]`, in the file's order, disabled ones too.
    pub jobs: Vec<Arc<Job>>,
    /// Whether a change of any of `files` reloads it.
    pub watch: bool,
    /// The config file and every file it names, whose change is a change of the config.
    pub files: Arc<Files>,
    /// What is allowed but probably not meant, such as an `at` in the past.
    pub warnings: Vec<String>,
}

impl Config {
    /// The job of that name.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<&Arc<Job>> {
        self.jobs.iter().find(|job| job.name.as_str() == name)
    }
}

/// Where the file's default zone came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneSource {
    /// `timezone = …` in the file.
    File,
    /// The environment's `TZ`.
    Environment,
    /// Neither named a zone: UTC.
    Default,
}

/// The ledger's database file, `SQLite`'s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerPath(pub PathBuf);

/// `[web]`: the page, the API and the figures. Its Debug shows no secret (`SecretString`).
#[derive(Clone, Debug)]
pub struct Web {
    /// Where it listens; default 127.0.0.1:8080. A change counts from the next start.
    pub listen: SocketAddr,
    /// What a reader must know: always there where others can reach it.
    pub token: Option<SecretString>,
    /// Where phones reach it, with one trailing slash and no path; without it pushes carry no links.
    pub public_url: Option<Url>,
    /// Names by which it may be called besides that of `public_url`, in small letters.
    pub hosts: Vec<String>,
    /// How long the link in a push opens its run; default 7 days.
    pub link_for: Duration,
}

/// `[ai.NAME]`: one AI endpoint and its pool of tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// The NAME of `[ai.NAME]`.
    pub name: Arc<str>,
    /// Which protocol it speaks.
    pub api: Api,
    /// Up to and with the version, such as `http://127.0.0.1:8000/v1`; no trailing slash.
    pub base_url: Url,
    /// The model where a job names none.
    pub model: String,
    /// The pool; empty only for openai (local servers).
    pub tokens: Vec<Token>,
    /// How often each token may be asked with.
    pub pace: Pace,
    /// Whether to search the web (kimi only), where the config says so: [`super::kimi::use_search`] knows the rest.
    pub use_search: Option<bool>,
    /// Whether answers are asked for in pieces; default true.
    pub stream: bool,
    /// How long it is waited for.
    pub limits: Limits,
    /// Merged into the request's JSON.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// How to reach the network from here.
    pub network: Network,
}

/// How long an endpoint is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands, TLS included; default 10 s.
    pub connect: Duration,
    /// In a stream: until the answer's first word; default 2 min, and for a model of kimi's that thinks in silence
    /// as long as the whole. Never below 90 s for kimi.
    pub first_byte: Option<Duration>,
    /// In a stream: between two pieces of it; default 1 min.
    pub idle: Duration,
    /// For the whole answer; default 15 min, never below 90 s for kimi.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: None,
            idle: Duration::from_mins(1),
            whole: Duration::from_mins(15),
        }
    }
}

/// The protocol an AI endpoint speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// kimi-free-api and its successors: HTTP 200 for everything, one token per request.
    Kimi,
    /// Anything OpenAI-compatible.
    Openai,
}

/// How often each token of an endpoint may be asked with, so that its service has nothing to object to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// From the start of one request to that of the next; zero by default.
    pub min_interval: Duration,
    /// So many requests in so much time; without it as many as come.
    pub quota: Option<Quota>,
}

/// `quota = { rounds = 30, per = "3h" }`: the service's limit, kept here before it is met there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests, 1 to 1,000.
    pub rounds: usize,
    /// In any stretch of time so long, at most 31 days.
    pub per: Duration,
}

/// One token of a pool. Its Debug shows the label alone.
#[derive(Clone)]
pub struct Token {
    /// What people see: its position in the pool and its last four characters, `#1 …KEN1`.
    pub label: Arc<str>,
    /// What names it in the ledger: a hash that does not give the token away.
    pub fingerprint: Arc<str>,
    /// The token itself.
    pub secret: SecretString,
    /// When it ends, where the token itself says so: a JWT's `exp`, read without verifying it.
    pub expires_at: Option<Timestamp>,
}

/// Two tokens are one when their fingerprints and labels are.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.label == other.label
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.label)
    }
}

/// The way out to one server. Its Debug leaves the proxy's credentials out.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Network {
    /// `http://`, `https://` or `socks5://`; without it the environment's proxy variables count.
    pub proxy: Option<Url>,
    /// PEM certificates to trust besides the system's: the bytes, already read and checked.
    pub ca: Option<Arc<[u8]>>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = self.proxy.as_ref().map(|url| {
            let port = url
                .port()
                .map_or_else(String::new, |port| format!(":{port}"));
            format!(
                "{}://{}{port}",
                url.scheme(),
                url.host_str().unwrap_or_default()
            )
        });
        f.debug_struct("Network")
            .field("proxy", &proxy)
            .field("ca_bytes", &self.ca.as_ref().map(|ca| ca.len()))
            .finish()
    }
}

/// `[ntfy.NAME]`, `[webhook.NAME]` or a job's inline target: one place where pushes go.
#[derive(Clone, Debug)]
pub struct Target {
    /// The NAME of its table, or `server/topic` for an inline one; unique over both kinds.
    pub name: Arc<str>,
    /// What takes its pushes.
    pub service: Service,
    /// What a push carries where its job says nothing.
    pub notification: Notification,
    /// The style where the job names none.
    pub style: Option<Style>,
    /// What it chooses for the plain style where the job chooses nothing.
    pub text: TextChoices,
    /// What becomes of an answer that is too long for one message; default split.
    pub long: Long,
    /// How to reach the network from here.
    pub network: Network,
    /// The most bytes of UTF-8 in one message: 1,500 for ntfy.sh, 4,000 elsewhere; ntfy takes 4,095.
    pub max_bytes: usize,
    /// The most messages one answer becomes; default 6.
    pub max_parts: usize,
    /// When it may be sent to, and who is told in its stead.
    pub courtesy: Courtesy,
}

/// What takes a target's pushes.
#[derive(Clone, Debug)]
pub enum Service {
    /// A topic on an ntfy server.
    Ntfy(Ntfy),
    /// Any service that takes an HTTP POST.
    Webhook(Webhook),
}

/// A topic on an ntfy server.
#[derive(Clone, Debug)]
pub struct Ntfy {
    /// The server's root with exactly one trailing slash: JSON is published there.
    pub server: Url,
    /// `^[-_A-Za-z0-9]{1,64}$`, none of ntfy's reserved names.
    pub topic: String,
    /// How to prove who we are, if at all.
    pub auth: Option<Auth>,
}

impl Target {
    /// A target whose keys besides its service's own are left out.
    #[must_use]
    pub fn new(name: Arc<str>, service: Service) -> Self {
        Self {
            name,
            service,
            notification: Notification::default(),
            style: None,
            text: TextChoices::default(),
            long: Long::default(),
            network: Network::default(),
            max_bytes: OWN_BYTES,
            max_parts: 6,
            courtesy: Courtesy::default(),
        }
    }

    /// As one of a job's targets: with its topic and what its pushes show.
    #[must_use]
    pub fn for_job(&self, job: &Job) -> Self {
        let target = Self {
            notification: job.notification.or(&self.notification),
            ..self.clone()
        };
        match job.topic_at(self) {
            Some(topic) => target.at_topic(topic),
            None => target,
        }
    }

    /// With another topic; a webhook has none.
    #[must_use]
    pub fn at_topic(mut self, topic: &str) -> Self {
        if let Service::Ntfy(ntfy) = &mut self.service {
            topic.clone_into(&mut ntfy.topic);
        }
        self
    }

    /// The way to its server.
    #[must_use]
    pub fn way(&self) -> Way {
        self.network.way_to(self.url())
    }

    /// Where its requests go; a webhook's may hold a secret behind the host.
    #[must_use]
    pub fn url(&self) -> &Url {
        match &self.service {
            Service::Ntfy(ntfy) => &ntfy.server,
            Service::Webhook(webhook) => webhook.url.expose(),
        }
    }

    /// The ntfy topic, where it is one.
    #[must_use]
    pub fn ntfy(&self) -> Option<&Ntfy> {
        match &self.service {
            Service::Ntfy(ntfy) => Some(ntfy),
            Service::Webhook(_) => None,
        }
    }

    /// The webhook, where it is one.
    #[must_use]
    pub fn webhook(&self) -> Option<&Webhook> {
        match &self.service {
            Service::Ntfy(_) => None,
            Service::Webhook(webhook) => Some(webhook),
        }
    }

    /// Its table as the config writes it: `ntfy.phone`.
    #[must_use]
    pub fn label(&self) -> String {
        let kind = match &self.service {
            Service::Ntfy(_) => "ntfy",
            Service::Webhook(_) => "webhook",
        };
        format!("{kind}.{}", self.name)
    }
}

/// How a target is told who we are. Its Debug shows no secret (`SecretString`).
#[derive(Clone, Debug)]
pub enum Auth {
    /// `Authorization: Bearer …`
    Token(SecretString),
    /// `Authorization: Basic …`
    Basic {
        /// The ntfy user.
        user: String,
        /// Its password.
        password: SecretString,
    },
}

/// `[[job]]`: one prompt, its schedule and where its answer goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Unique in the file.
    pub name: JobName,
    /// When it is due, in its zone, with its jitter.
    pub schedule: Schedule,
    /// What becomes of occurrences that could not be started in time.
    pub catch_up: CatchUp,
    /// How old an occurrence may be and still be caught up; default 6 h.
    pub catch_up_window: Duration,
    /// What happens when the last run is not done yet.
    pub overlap: Overlap,
    /// How long a due run may wait for a free slot; without it for ever.
    pub start_deadline: Option<Duration>,
    /// How long a run tries to get its answer, from its first claim; default 1 h.
    pub retry_for: Duration,
    /// How long its pushes are tried; default 24 h.
    pub push_retry_for: Duration,
    /// What is asked.
    pub prompt: Prompt,
    /// A system prompt before it.
    pub system: Option<Prompt>,
    /// The `[ai.NAME]` that is asked first, and those that are asked where the ones before cannot answer.
    pub ai: Arc<[Arc<str>]>,
    /// Instead of the endpoint's model.
    pub model: Option<String>,
    /// Instead of the endpoint's.
    pub use_search: Option<bool>,
    /// Whether its answers make a conversation; None: each question stands alone.
    pub conversation: Option<Conversation>,
    /// The topic of its answers on its ntfy targets, instead of their own.
    pub topic: Option<Arc<str>>,
    /// The targets' names; at least one.
    pub targets: Arc<[Arc<str>]>,
    /// Which of its answers are pushed.
    pub notify: Notify,
    /// Answers in whose text this is found are not pushed.
    pub silent_if: Option<Pattern>,
    /// What its pushes show.
    pub notification: Notification,
    /// How its answers become text; None: the target's, else plain.
    pub style: Option<Style>,
    /// What it chooses for the plain style; the rest is the target's choice, else the default.
    pub text: TextChoices,
    /// The monitor that hears of its scheduled runs.
    pub heartbeat_url: Option<Arc<SecretUrl>>,
    /// A disabled job is never due; `once` still runs it.
    pub enabled: bool,
}

impl Job {
    /// The topic of its answers at a target, where that is not the target's own; a fallback keeps its own.
    #[must_use]
    pub fn topic_at(&self, target: &Target) -> Option<&str> {
        let topic = self.topic.as_deref()?;
        let is_ours = target.ntfy().is_some() && self.targets.contains(&target.name);
        is_ours.then_some(topic)
    }
}

/// A job whose answers make a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// When it begins anew; None: never by itself.
    pub reset: Option<Reset>,
    /// The most characters of what was said that are sent with a question, where the service does not remember by
    /// itself (openai); default 20,000.
    pub history_max_chars: usize,
}

/// When a conversation begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// With the first run of each day, in the job's zone.
    Daily,
    /// With the first run of each week, which begins on Monday.
    Weekly,
    /// After so many answers.
    Turns(u32),
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daily => f.write_str("daily"),
            Self::Weekly => f.write_str("weekly"),
            Self::Turns(1) => f.write_str("1 turn"),
            Self::Turns(turns) => write!(f, "{turns} turns"),
        }
    }
}

/// What happens to an occurrence that is due while the job's last run is live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// It waits.
    Queue,
    /// It runs beside it.
    Allow,
}
