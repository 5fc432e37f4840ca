//! `promptcron tokens`: how each token stands, as the running daemon knows it, else as the ledger does.

use chrono::Utc;
use chrono_tz::Tz;
use clap::Args;
use serde::Serialize;

use super::{Failure, block_on, instant, out::say, records::Records, table};
use crate::{
    ask::Standing,
    config::Config,
    daemon::{EndpointStanding, ask_for_tokens, socket_path, standings},
    ledger::{Access, Ledger},
    model::Timestamp,
};

/// What `tokens` is told.
#[derive(Debug, Args)]
pub(super) struct TokensArgs {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// One line of `tokens --json`.
#[derive(Serialize)]
struct Line<'a> {
    ai: &'a str,
    token: &'a str,
    state: &'a str,
    until: Option<String>,
    last_used: Option<String>,
    rounds_left: Option<usize>,
    expires_at: Option<String>,
    /// Until when the endpoint itself is passed over.
    endpoint_cooling_until: Option<String>,
}

/// Prints a line for each token. `load` reads the whole config, which only a daemon that runs can do without.
pub(super) fn run(
    records: &Records,
    load: impl FnOnce() -> Result<Config, Failure>,
    args: &TokensArgs,
) -> Result<(), Failure> {
    let endpoints = match records.path() {
        path if socket_path(path).exists() => block_on(ask_for_tokens(path))?.ok(),
        _ => None,
    };
    let endpoints = match endpoints {
        Some(endpoints) => endpoints,
        None => known(records, &load()?)?,
    };
    if args.json {
        for (endpoint, token) in each(&endpoints) {
            say!("{}", serde_json::to_string(&line(endpoint, token))?);
        }
        return Ok(());
    }
    for text in page(&endpoints, records.zone()) {
        say!("{text}");
    }
    Ok(())
}

/// What the ledger knows, for want of a daemon.
fn known(records: &Records, config: &Config) -> Result<Vec<EndpointStanding>, Failure> {
    let path = records.path();
    block_on(async {
        let now = Utc::now();
        if !path.exists() {
            return Ok(standings(config, None, now).await?);
        }
        let ledger = Ledger::open(path, Access::Read).await?;
        let known = standings(config, Some(&ledger), now).await;
        ledger.close().await;
        Ok(known?)
    })?
}

fn each(endpoints: &[EndpointStanding]) -> impl Iterator<Item = (&EndpointStanding, &Standing)> {
    endpoints
        .iter()
        .flat_map(|endpoint| endpoint.tokens.iter().map(move |token| (endpoint, token)))
}

fn line<'a>(endpoint: &'a EndpointStanding, token: &'a Standing) -> Line<'a> {
    let utc = |at: Option<Timestamp>| at.map(instant::utc);
    Line {
        ai: &endpoint.ai,
        token: &token.token,
        state: token.state.as_str(),
        until: utc(token.until),
        last_used: utc(token.last_used),
        rounds_left: token.rounds_left,
        expires_at: utc(token.expires_at),
        endpoint_cooling_until: utc(endpoint.cooling_until),
    }
}

/// A table of the tokens, and below it the endpoints that cool.
fn page(endpoints: &[EndpointStanding], zone: Tz) -> Vec<String> {
    let at =
        |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| instant::local(at, zone));
    let heads = [
        "ai",
        "token",
        "state",
        "until",
        "last used",
        "rounds left",
        "expires",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(each(endpoints).map(|(endpoint, token)| {
        let rounds = token.rounds_left;
        vec![
            endpoint.ai.clone(),
            token.token.to_string(),
            token.state.as_str().to_owned(),
            at(token.until),
            token
                .last_used
                .map_or_else(|| "never".to_owned(), |used| at(Some(used))),
            rounds.map_or_else(|| "-".to_owned(), |rounds| rounds.to_string()),
            at(token.expires_at),
        ]
    }));
    let mut lines = match rows.len() {
        1 => vec!["no endpoint has a token".to_owned()],
        _ => table::lines(&rows),
    };
    let cooling = endpoints
        .iter()
        .filter(|endpoint| endpoint.cooling_until.is_some());
    lines.extend(cooling.map(|endpoint| {
        let until = at(endpoint.cooling_until);
        format!(
            "ai.{} failed too often in a row and is left alone until {until}",
            endpoint.ai
        )
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::TokenWord;

    fn at(instant: &str) -> Option<Timestamp> {
        Some(instant.parse().unwrap())
    }

    #[test]
    fn each_token_has_a_line_whose_columns_stand_below_each_other() {
        let token = |label: &str, state: TokenWord| Standing {
            token: label.into(),
            state,
            until: None,
            last_used: at("2026-11-23T00:00:03.250Z"),
            rounds_left: None,
            expires_at: None,
        };
        let endpoints = [
            EndpointStanding {
                ai: "月之暗面".to_owned(),
                cooling_until: None,
                tokens: vec![
                    Standing {
                        rounds_left: Some(29),
                        expires_at: at("2026-12-24T00:00:00Z"),
                        ..token("#1 …KEN1", TokenWord::Healthy)
                    },
                    Standing {
                        until: at("2026-11-23T03:00:00Z"),
                        rounds_left: Some(0),
                        ..token("#2 …KEN2", TokenWord::OutOfQuota)
                    },
                ],
            },
            EndpointStanding {
                ai: "local".to_owned(),
                cooling_until: at("2026-11-23T00:05:00Z"),
                tokens: vec![Standing {
                    last_used: None,
                    ..token("#1", TokenWord::Healthy)
                }],
            },
        ];
        let text = page(&endpoints, chrono_tz::Asia::Shanghai).join("\n");
        insta::assert_snapshot!(text, @r"
        ai        token     state         until                           last used                       rounds left  expires
        月之暗面  #1 …KEN1  healthy       -                               2026-11-23 Mon 08:00:03 +08:00  29           2026-12-24 Thu 08:00:00 +08:00
        月之暗面  #2 …KEN2  out of quota  2026-11-23 Mon 11:00:00 +08:00  2026-11-23 Mon 08:00:03 +08:00  0            -
        local     #1        healthy       -                               never                           -            -
        ai.local failed too often in a row and is left alone until 2026-11-23 Mon 08:05:00 +08:00
        ");
        let json: Vec<String> = each(&endpoints)
            .map(|(endpoint, token)| serde_json::to_string(&line(endpoint, token)).unwrap())
            .collect();
        insta::assert_snapshot!(json.join("\n"), @r##"
        {"ai":"月之暗面","token":"#1 …KEN1","state":"healthy","until":null,"last_used":"2026-11-23T00:00:03.250Z","rounds_left":29,"expires_at":"2026-12-24T00:00:00Z","endpoint_cooling_until":null}
        {"ai":"月之暗面","token":"#2 …KEN2","state":"out of quota","until":"2026-11-23T03:00:00Z","last_used":"2026-11-23T00:00:03.250Z","rounds_left":0,"expires_at":null,"endpoint_cooling_until":null}
        {"ai":"local","token":"#1","state":"healthy","until":null,"last_used":null,"rounds_left":null,"expires_at":null,"endpoint_cooling_until":"2026-11-23T00:05:00Z"}
        "##);
        assert_eq!(page(&[], Tz::UTC), ["no endpoint has a token"]);
    }
}
