//! Tokens, targets and the config: what the daemon works with, without a secret.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use chrono::TimeDelta;

use super::{
    super::{
        Reloaded, TokenFacts,
        app::Shared,
        change,
        refusal::Refusal,
        say::{self, Zoned},
    },
    Page, Show,
    form::Signed,
};
use crate::{
    config::{self, Ntfy, Told},
    ledger::Requests,
};

/// A token that ends within this time has to be replaced: the notice comes then too.
const ENDS_SOON: TimeDelta = TimeDelta::days(7);

#[derive(Template)]
#[template(path = "tokens.html")]
struct Tokens {
    page: Page,
    endpoints: Vec<Endpoint>,
}

impl Show for Tokens {}

struct Endpoint {
    name: String,
    base_url: String,
    model: String,
    tokens: Vec<Token>,
}

struct Token {
    label: String,
    class: &'static str,
    sign: &'static str,
    state: String,
    until: Option<String>,
    last_used: Option<String>,
    requests: String,
    rounds_left: Option<String>,
    expires: Option<String>,
    /// It ends within a week, or has ended.
    ends_soon: bool,
}

#[derive(Template)]
#[template(path = "targets.html")]
struct Targets {
    page: Page,
    targets: Vec<Row>,
}

impl Show for Targets {}

struct Row {
    name: String,
    server: String,
    topic: Option<String>,
    owed: i64,
    since: Option<String>,
    error: Option<String>,
    last: Option<String>,
    recent: i64,
}

#[derive(Template)]
#[template(path = "config.html")]
struct ConfigPage {
    page: Page,
    file: String,
    reload: Option<Reloaded>,
    reload_at: String,
    tables: Vec<Told>,
}

impl Show for ConfigPage {}

fn zoned(shared: &Shared, page: &Page) -> Zoned {
    Zoned {
        zone: shared.facts().config.timezone,
        now: shared.now(),
        language: page.language,
    }
}

pub(super) async fn tokens(State(shared): State<Shared>, page: Page) -> Result<Response, Refusal> {
    let (facts, zoned) = (shared.facts(), zoned(&shared, &page));
    let day_ago = zoned.now - TimeDelta::hours(24);
    let requests = shared.handle.records.requests_since(day_ago).await?;
    let endpoint = |endpoint: &std::sync::Arc<config::Endpoint>| {
        let own = facts
            .tokens
            .iter()
            .filter(|token| token.ai == endpoint.name);
        Endpoint {
            name: endpoint.name.to_string(),
            base_url: endpoint.base_url.to_string(),
            model: endpoint.model.clone(),
            tokens: own.map(|token| shown(token, &requests, &zoned)).collect(),
        }
    };
    let endpoints = facts.config.endpoints.values().map(endpoint).collect();
    Ok(Tokens {
        endpoints,
        page: page.at("/tokens").every(15),
    }
    .show())
}

fn shown(token: &TokenFacts, requests: &[Requests], zoned: &Zoned) -> Token {
    let (class, sign) = say::look(token.state);
    let of_this =
        |one: &&Requests| one.ai == *token.ai && one.token_label.as_deref() == Some(&*token.label);
    let (made, failed) =
        (requests.iter().find(of_this)).map_or((0, 0), |one| (one.made, one.failed));
    let ends_soon = |at: crate::model::Timestamp| at - zoned.now < ENDS_SOON;
    Token {
        label: token.label.clone(),
        class,
        sign,
        state: say::state(token.state, zoned.language),
        until: token.until.map(|until| zoned.at(until)),
        last_used: (token.last_used).map(|used| say::distance(used, zoned.now, zoned.language)),
        requests: say::requests(made, failed, zoned.language),
        rounds_left: token.rounds_left.map(|left| left.to_string()),
        expires: token.expires_at.map(|at| zoned.at(at)),
        ends_soon: token.expires_at.is_some_and(ends_soon),
    }
}

pub(super) async fn targets(State(shared): State<Shared>, page: Page) -> Result<Response, Refusal> {
    let (facts, zoned) = (shared.facts(), zoned(&shared, &page));
    let records = &shared.handle.records;
    let outbox = records.outbox().await?;
    let mut targets = Vec::new();
    for target in facts.config.targets.values() {
        let owed = outbox.iter().find(|owed| *owed.target == *target.name);
        let taken = records
            .taken(&target.name, zoned.now - TimeDelta::hours(24))
            .await?;
        targets.push(Row {
            name: target.name.to_string(),
            server: say::server(target),
            topic: target.ntfy().map(topic),
            owed: owed.map_or(0, |owed| owed.owed),
            since: owed.map(|owed| zoned.ago_ms(owed.since_at)),
            error: owed.and_then(|owed| owed.error.clone()),
            last: taken.last_at.map(|at| zoned.ago_ms(at)),
            recent: taken.recent,
        });
    }
    Ok(Targets {
        targets,
        page: page.at("/targets").every(15),
    }
    .show())
}

/// On a server where nobody has to say who he is, the topic's name is what keeps others out.
fn topic(ntfy: &Ntfy) -> String {
    let shown: String = ntfy.topic.chars().take(3).collect();
    match ntfy.auth {
        Some(_) => ntfy.topic.clone(),
        None => format!("{shown}…"),
    }
}

pub(super) async fn config(State(shared): State<Shared>, page: Page) -> Response {
    let (facts, zoned) = (shared.facts(), zoned(&shared, &page));
    ConfigPage {
        file: facts.config.file.display().to_string(),
        reload_at: facts
            .reload
            .as_ref()
            .map(|reload| zoned.at(reload.at))
            .unwrap_or_default(),
        tables: config::told(&facts.config),
        reload: facts.reload,
        page: page.at("/config"),
    }
    .show()
}

pub(super) async fn reload(
    State(shared): State<Shared>,
    Signed(()): Signed<()>,
) -> Result<Response, Refusal> {
    // What came of it stands on the page.
    change::reload(&shared).await?;
    Ok(Redirect::to("/config").into_response())
}
