//! `[ntfy.NAME]` and inline targets: where pushes go, and what they show.

use std::sync::Arc;

use chrono_tz::Tz;
use url::Url;

use super::{
    courtesy::{self, Courtesy, Pace, Pacing},
    item::Item,
    network,
    notification::{self, Notification},
    ntfy_rules, secrets,
    section::Section,
    text, tokens,
    types::{Auth, Ntfy, Service, Target},
    urls,
};
use crate::render::Long;
const PUBLIC_SERVER: &str = "https://ntfy.sh";
const PUBLIC_HOST: &str = "ntfy.sh";

/// The default of `max_bytes` on ntfy.sh: phones that are woken through Google's or Apple's service
/// show about 1,500 bytes of a push.
const PUBLIC_BYTES: usize = 1_500;

/// Reads one target; `name` is None for an inline one. None where something is wrong with it.
pub(super) fn target(section: &Section<'_>, name: Option<&Arc<str>>, zone: Tz) -> Option<Target> {
    let server = server(section);
    let topic = section.required("topic", "topic = \"YOUR-TOPIC\"", topic);
    let auth = auth(section);
    let notification = notification::notification(section);
    let long = text::long(section);
    let max_bytes = section.read("max_bytes", |item| item.int(100..=4_095));
    if notification.extras().attach.is_some() && long == Some(Long::Attach) {
        text::warn_of_two_files(section, "long");
    }
    let is_public = |server: &Url| server.host_str() == Some(PUBLIC_HOST);
    let pacing = match server.as_ref().is_some_and(is_public) {
        true => Pacing::Always(Pace::NTFY_SH),
        false => Pacing::OnceRefused,
    };
    let courtesy = Courtesy {
        pacing,
        ..Courtesy::default()
    };
    let shared = shared(
        section,
        notification,
        courtesy::read(section, zone, courtesy),
    );
    let (server, topic) = (server?, topic?);
    if server.path().ends_with(&format!("/{topic}/")) {
        let at = section.item("server").map_or(section.at, |item| item.at);
        section
            .reading
            .fault(at, "server: ends in the topic; keep the server alone here");
    }
    let is_public = is_public(&server);
    let name = name.map_or_else(|| Arc::from(inline_name(&server, &topic)), Arc::clone);
    let target = Target::new(
        name,
        Service::Ntfy(Ntfy {
            server,
            topic,
            auth,
        }),
    );
    let default_bytes = if is_public {
        PUBLIC_BYTES
    } else {
        target.max_bytes
    };
    Some(Target {
        long: long.unwrap_or_default(),
        max_bytes: max_bytes.unwrap_or(default_bytes),
        ..shared(target)
    })
}

/// Reads the keys that every kind of target has: what they say is filled in once the target is whole.
pub(super) fn shared(
    section: &Section<'_>,
    notification: Notification,
    courtesy: Courtesy,
) -> impl FnOnce(Target) -> Target + use<> {
    let style = text::style(section);
    let text = text::choices(section);
    let max_parts = section.read("max_parts", |item| item.int(1..=50));
    let network = network::read(section);
    move |target| Target {
        notification,
        style,
        text,
        max_parts: max_parts.unwrap_or(target.max_parts),
        network,
        courtesy,
        ..target
    }
}

fn server(section: &Section<'_>) -> Option<Url> {
    if !section.has("server") {
        return urls::server(PUBLIC_SERVER).ok();
    }
    section.read("server", |item| {
        let server = urls::server(&item.word()?)?;
        if server.host_str() == Some(PUBLIC_HOST) && server.path() != "/" {
            return Err("ends in a path; ntfy.sh has none: keep \"https://ntfy.sh\" and put the topic in the key topic".to_owned());
        }
        Ok(server)
    })
}

pub(super) fn topic(item: &Item<'_>) -> Result<String, String> {
    let topic = item.word()?;
    if topic.contains("://") {
        return Err(
            "is a URL; write the server's part in the key server and the topic alone here"
                .to_owned(),
        );
    }
    ntfy_rules::check_topic(&topic)?;
    Ok(topic)
}

/// `ntfy.sh/hotine`: the server as people say it, and the topic.
fn inline_name(server: &Url, topic: &str) -> String {
    let port = server
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    let host = server.host_str().unwrap_or_default();
    format!("{host}{port}{}{topic}", server.path())
}

/// None for a target without credentials; wrong ones are reported, and fail the file.
fn auth(section: &Section<'_>) -> Option<Auth> {
    const TOKENS: &[&str] = &["token", "token_env", "token_file", "token_credential"];
    const PASSWORDS: &[&str] = &[
        "password",
        "password_env",
        "password_file",
        "password_credential",
    ];
    let first = |keys: &[&'static str]| keys.iter().find_map(|key| section.item(key));
    let user = section.item("user");
    match (first(TOKENS), user.clone().or_else(|| first(PASSWORDS))) {
        (None, None) => None,
        (Some(_), None) => section
            .one_of(TOKENS)?
            .read(|item| tokens::clean(&secrets::text(item)?))
            .map(|token| Auth::Token(token.into())),
        (Some(token), Some(basic)) => {
            let later = if token.key_at > basic.key_at {
                token
            } else {
                basic
            };
            let message = "a token and a user with a password exclude each other; keep one of them";
            section
                .reading
                .fault(later.key_at, format!("{}: {message}", later.key));
            None
        }
        (None, Some(_)) => basic(section, user, PASSWORDS),
    }
}

fn basic(
    section: &Section<'_>,
    user: Option<Item<'_>>,
    passwords: &[&'static str],
) -> Option<Auth> {
    let password = secrets::one(section, passwords);
    let Some(user) = user else {
        section.missing("user", "user = \"NAME\" beside the password");
        return None;
    };
    if !passwords.iter().any(|key| section.has(key)) {
        section.missing(
            "password",
            "password_env = \"NTFY_PASSWORD\", password_file or password beside user",
        );
    }
    let user = user.read(|item| match item.word()? {
        user if user.contains(':') => {
            Err("holds a colon, which HTTP cannot carry; check the name".to_owned())
        }
        user => Ok(user),
    });
    Some(Auth::Basic {
        user: user?,
        password: password?,
    })
}

/// Whether two targets are one: an inline target may be written in several jobs.
pub(super) fn same(one: &Target, other: &Target) -> bool {
    let service = match (&one.service, &other.service) {
        (Service::Ntfy(one), Service::Ntfy(other)) => {
            (&one.server, &one.topic) == (&other.server, &other.topic)
                && same_auth(one.auth.as_ref(), other.auth.as_ref())
        }
        (Service::Webhook(one), Service::Webhook(other)) => one == other,
        _ => false,
    };
    service
        && (&one.notification, one.style) == (&other.notification, other.style)
        && (&one.text, one.long, &one.network) == (&other.text, other.long, &other.network)
        && (one.max_bytes, one.max_parts) == (other.max_bytes, other.max_parts)
        && one.courtesy == other.courtesy
}

fn same_auth(one: Option<&Auth>, other: Option<&Auth>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(Auth::Token(one)), Some(Auth::Token(other))) => tokens::same(one, other),
        (
            Some(Auth::Basic { user, password }),
            Some(Auth::Basic {
                user: other_user,
                password: other_password,
            }),
        ) => user == other_user && tokens::same(password, other_password),
        _ => false,
    }
}
