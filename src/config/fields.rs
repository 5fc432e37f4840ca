//! What a config says, key by key: to be compared at a reload, and to be shown.
//!
//! No secret is shown of it: tokens are counted and named by their labels, passwords only said to have
//! changed.

use std::{fmt, fmt::Write as _, time::Duration};

use secrecy::ExposeSecret;

use super::{
    actions::Button,
    courtesy::{Courtesy, Pacing},
    duration,
    notification::Notification,
    types::{Auth, Config, Endpoint, Job, Network, Quota, Service, Target, Web},
    webhook::{Header, Webhook},
};
use crate::render::TextChoices;

/// A value as it is compared, and made words only where it is shown: a reload compares thousands of jobs.
#[derive(PartialEq, Eq)]
pub(super) enum Shown {
    /// As it is.
    Text(String),
    /// In the file's words for a time.
    Time(Duration),
    /// Too long or too secret to show: only its change is told.
    Hidden(String),
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Time(time) => f.write_str(&duration::words(*time)),
            Self::Hidden(_) => f.write_str("[hidden]"),
        }
    }
}

pub(super) type Fields = Vec<(&'static str, Option<Shown>)>;

fn text(value: impl fmt::Display) -> Option<Shown> {
    Some(Shown::Text(value.to_string()))
}

fn hidden(value: impl fmt::Display) -> Option<Shown> {
    Some(Shown::Hidden(value.to_string()))
}

/// A setting of few words, as the file writes it.
fn word(value: impl fmt::Debug) -> Option<Shown> {
    text(format!("{value:?}").to_lowercase())
}

fn choices(choices: &TextChoices) -> Option<Shown> {
    let json = || serde_json::to_string(choices).unwrap_or_default();
    (*choices != TextChoices::default()).then(|| Shown::Text(json()))
}

fn time(duration: Duration) -> Option<Shown> {
    Some(Shown::Time(duration))
}

pub(super) fn top(config: &Config) -> Fields {
    vec![
        ("timezone", text(config.timezone)),
        ("max_in_flight", text(config.max_in_flight)),
        ("drain", time(config.drain)),
        ("keep", time(config.keep)),
        ("language", word(config.language)),
        ("alerts", config.alerts.as_ref().and_then(text)),
        ("alerts_per_hour", text(config.alerts_per_hour)),
        (
            "heartbeat_url",
            (config.heartbeat_url.as_ref()).and_then(|url| hidden(url.expose())),
        ),
        ("watch", text(config.watch)),
        (
            "ledger.url (takes effect at the next start)",
            text(config.ledger.0.display()),
        ),
    ]
}

pub(super) fn web_fields(web: &Web) -> Fields {
    let secret = web.token.as_ref().map(ExposeSecret::expose_secret);
    let hosts = Some(web.hosts.join(", ")).filter(|hosts| !hosts.is_empty());
    vec![
        ("token", secret.and_then(hidden)),
        ("public_url", web.public_url.as_ref().and_then(text)),
        ("hosts", hosts.and_then(text)),
        ("link_for", time(web.link_for)),
    ]
}

pub(super) fn endpoint(endpoint: &Endpoint) -> Fields {
    let labels = endpoint.tokens.iter().map(|token| token.label.as_ref());
    let labels = labels.collect::<Vec<_>>().join(", ");
    let prints = endpoint
        .tokens
        .iter()
        .map(|token| token.fingerprint.as_ref());
    let prints = prints.collect::<Vec<_>>().join(",");
    let limits = &endpoint.limits;
    let mut fields = vec![
        ("api", word(endpoint.api)),
        ("base_url", text(&endpoint.base_url)),
        ("model", text(&endpoint.model)),
        ("tokens", text(labels)),
        ("a token", hidden(prints)),
        ("min_interval", time(endpoint.pace.min_interval)),
        ("quota", endpoint.pace.quota.and_then(quota)),
        ("use_search", endpoint.use_search.and_then(text)),
        ("stream", text(endpoint.stream)),
        ("connect_timeout", time(limits.connect)),
        ("first_byte_timeout", limits.first_byte.and_then(time)),
        ("idle_timeout", time(limits.idle)),
        ("timeout", time(limits.whole)),
        (
            "params",
            (!endpoint.params.is_empty())
                .then(|| serde_json::Value::Object(endpoint.params.clone()))
                .and_then(hidden),
        ),
    ];
    fields.extend(network(&endpoint.network));
    fields
}

/// `30 in 3h`.
fn quota(quota: Quota) -> Option<Shown> {
    let per = duration::words(quota.per);
    text(format!("{} in {per}", quota.rounds))
}

pub(super) fn target(target: &Target) -> Fields {
    let mut fields = match &target.service {
        Service::Ntfy(ntfy) => vec![
            ("server", text(&ntfy.server)),
            ("topic", text(&ntfy.topic)),
            ("credentials", ntfy.auth.as_ref().and_then(credentials)),
        ],
        Service::Webhook(webhook) => self::webhook(webhook),
    };
    fields.extend([
        ("style", target.style.and_then(word)),
        ("options of phone text", choices(&target.text)),
        ("long", word(target.long)),
        ("max_bytes", text(target.max_bytes)),
        ("max_parts", text(target.max_parts)),
    ]);
    fields.extend(courtesy(&target.courtesy));
    fields.extend(notification(&target.notification));
    fields.extend(network(&target.network));
    fields
}

fn courtesy(courtesy: &Courtesy) -> Fields {
    let pace = match courtesy.pacing {
        Pacing::Never => text(false),
        Pacing::OnceRefused => None,
        Pacing::Always(pace) => {
            let every = duration::words(pace.every);
            let per_day = pace
                .per_day
                .map_or_else(String::new, |n| format!(", {n} a day"));
            text(format!("{} and one each {every}{per_day}", pace.burst))
        }
    };
    let (quiet, mode) = courtesy.quiet.unzip();
    let fallback = Some(courtesy.fallback.join(", ")).filter(|names| !names.is_empty());
    vec![
        ("pace", pace),
        ("quiet", quiet.and_then(text)),
        ("quiet_mode", mode.and_then(word)),
        ("send_first", word(courtesy.sent_first)),
        ("fallback", fallback.and_then(text)),
        ("fallback_after", time(courtesy.fallback_after)),
    ]
}

/// Address and headers may hold secrets.
fn webhook(webhook: &Webhook) -> Fields {
    let header = |header: &Header| format!("{}: {}\n", header.name, header.value.expose_secret());
    let headers: String = webhook.headers.iter().map(header).collect();
    let json = serde_json::Value::Object(webhook.expect_json.clone());
    vec![
        ("url", hidden(webhook.url.expose())),
        (
            "headers",
            hidden(format!("{}\n{headers}", webhook.content_type)),
        ),
        ("body", hidden(webhook.body.source())),
        ("expect", word(&webhook.expect)),
        ("expect_json", hidden(json)),
    ]
}

/// Compared here and shown nowhere.
fn credentials(auth: &Auth) -> Option<Shown> {
    match auth {
        Auth::Token(token) => hidden(token.expose_secret()),
        Auth::Basic { user, password } => hidden(format!("{user}\n{}", password.expose_secret())),
    }
}

fn network(network: &Network) -> Fields {
    let certificates = network.ca.as_ref().map(|pem| {
        pem.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            write!(hex, "{byte:02x}").ok();
            hex
        })
    });
    vec![
        // A proxy's address may hold a password.
        ("proxy", network.proxy.as_ref().and_then(hidden)),
        ("ca_file", certificates.and_then(hidden)),
    ]
}

pub(super) fn notification(notification: &Notification) -> Fields {
    let tags = notification.tags.as_ref().map(|tags| tags.join(", "));
    let extras = notification.extras();
    // A button's address and headers may hold secrets.
    let actions = extras.actions.as_ref().map(|buttons| {
        let json = |button: &Button| match button {
            Button::Own(action) => serde_json::to_string(action).unwrap_or_default(),
            ready_made => format!("{ready_made:?}"),
        };
        buttons.iter().map(json).collect::<Vec<_>>().join(",")
    });
    let call = extras.call.as_ref().map(|number| match number.as_str() {
        "" => "false",
        "yes" => "true",
        number => number,
    });
    vec![
        ("title", notification.title.as_ref().and_then(text)),
        ("priority", notification.priority.and_then(text)),
        ("tags", tags.and_then(text)),
        ("click", notification.click.as_ref().and_then(text)),
        ("attach", extras.attach.as_ref().and_then(text)),
        ("filename", extras.filename.as_ref().and_then(text)),
        ("icon", extras.icon.as_ref().and_then(text)),
        ("actions", actions.and_then(hidden)),
        ("delay", extras.delay.as_ref().and_then(text)),
        ("email", extras.email.as_ref().and_then(text)),
        ("call", call.and_then(text)),
        ("markdown", extras.markdown.and_then(text)),
        ("cache", extras.cache.and_then(text)),
        ("firebase", extras.firebase.and_then(text)),
    ]
}

pub(super) fn job(job: &Job) -> Fields {
    let mut fields = asking(job);
    fields.extend(notification(&job.notification));
    fields
}

/// All of a job but what its pushes show.
pub(super) fn asking(job: &Job) -> Fields {
    let mut fields = schedule(job);
    fields.extend([
        ("prompt", hidden(&job.prompt)),
        ("system", job.system.as_ref().and_then(hidden)),
        ("ai", text(job.ai.join(", "))),
        ("model", job.model.as_ref().and_then(text)),
        ("use_search", job.use_search.and_then(text)),
        ("conversation", job.conversation.and(text("continue"))),
        ("reset", job.conversation.and_then(|c| text(c.reset?))),
        (
            "history_max_chars",
            job.conversation.and_then(|c| text(c.history_max_chars)),
        ),
        ("to", text(job.targets.join(", "))),
        ("topic", job.topic.as_ref().and_then(text)),
        ("style", job.style.and_then(word)),
        ("options of phone text", choices(&job.text)),
        ("notify", word(job.notify)),
        (
            "silent_if",
            job.silent_if
                .as_ref()
                .and_then(|pattern| text(pattern.as_str())),
        ),
        (
            "heartbeat_url",
            (job.heartbeat_url.as_ref()).and_then(|url| hidden(url.expose())),
        ),
        ("enabled", text(job.enabled)),
        ("retry_for", time(job.retry_for)),
        ("push_retry_for", time(job.push_retry_for)),
    ]);
    fields
}

/// One field for each way to say when, so that `cron A -> B` reads as the file does.
fn schedule(job: &Job) -> Fields {
    use crate::schedule::When;
    let shown = text(&job.schedule);
    let (mut cron, mut other) = (None, None);
    match job.schedule.when() {
        When::Cron(_) => cron = shown,
        When::Every(_) | When::At(_) => other = shown,
    }
    vec![
        ("cron", cron),
        ("due", other),
        ("timezone", text(job.schedule.zone())),
        ("jitter", time(job.schedule.jitter())),
        ("catch_up", word(job.catch_up)),
        ("catch_up_window", time(job.catch_up_window)),
        ("overlap", word(job.overlap)),
        ("start_deadline", job.start_deadline.and_then(time)),
    ]
}
