//! What the daemon does for its tokens between runs: those that were refused are checked, those that end soon are
//! warned of, and whatever is found is kept and told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{engine::Engine, revision::AskEndpoint};
use crate::{
    ask::{
        Asked, Check, EndpointState, ErrorKind, Pool, Standing, TokenChange, TokenEvent, TokenState,
    },
    config::{Api, Config, Endpoint, Token},
    ledger::{LearnedRow, Ledger, LedgerError},
    model::Timestamp,
};

/// An endpoint as `promptcron tokens` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointStanding {
    /// Its name.
    pub ai: String,
    /// Until when it is passed over, for it failed too often in a row.
    pub cooling_until: Option<Timestamp>,
    /// Its tokens, in the config's order.
    pub tokens: Vec<Standing>,
}

impl EndpointStanding {
    fn of(endpoint: &Endpoint, pool: &Pool, now: Timestamp) -> Self {
        Self {
            ai: endpoint.name.to_string(),
            cooling_until: pool.endpoint().cooling_until(now),
            tokens: pool.standings(now).collect(),
        }
    }
}

/// The endpoints of a config by what the ledger knows of them; None: there is no ledger yet.
///
/// # Errors
/// The ledger could not be read.
pub async fn standings(
    config: &Config,
    ledger: Option<&Ledger>,
    now: Timestamp,
) -> Result<Vec<EndpointStanding>, LedgerError> {
    let mut found = Vec::new();
    for endpoint in config.endpoints.values() {
        let mut pool = Pool::new(&endpoint.tokens, endpoint.pace);
        if let Some(ledger) = ledger {
            Known::of(endpoint, ledger).await?.restore(&mut pool);
        }
        found.push(EndpointStanding::of(endpoint, &pool, now));
    }
    Ok(found)
}

/// The endpoints of the running daemon.
pub(super) fn standings_of(engine: &Engine) -> Vec<EndpointStanding> {
    let (revision, now) = (engine.revision(), engine.clock.now());
    let of = |name| revision.endpoints.get(name);
    (revision.config.endpoints.keys().filter_map(of))
        .map(|at| EndpointStanding::of(at.client.endpoint(), &at.pool(), now))
        .collect()
}

/// What the ledger knows of an endpoint. A state that an older version wrote differently begins anew.
pub(super) struct Known {
    tokens: Vec<TokenState>,
    endpoint: Option<EndpointState>,
}

impl Known {
    pub(super) async fn of(endpoint: &Endpoint, ledger: &Ledger) -> Result<Self, LedgerError> {
        let rows = ledger.tokens(&endpoint.name).await?;
        let base_url = endpoint.base_url.as_str();
        let state = ledger.endpoint(&endpoint.name, base_url).await?;
        let tokens = rows.iter().map(|row| serde_json::from_str(&row.state));
        Ok(Self {
            tokens: tokens.filter_map(Result::ok).collect(),
            endpoint: state.and_then(|state| serde_json::from_str(&state).ok()),
        })
    }

    pub(super) fn restore(self, pool: &mut Pool) {
        pool.restore(self.tokens);
        if let Some(endpoint) = self.endpoint {
            pool.restore_endpoint(endpoint);
        }
    }
}

/// Looks at each beat of housekeeping until the stop signal. A check that is under way then is given up.
pub(super) async fn run(engine: Arc<Engine>) -> anyhow::Result<()> {
    loop {
        // Armed before the look, so that no beat is missed.
        let beat = engine.token_keeper.notified();
        tokio::select! {
            looked = look(&engine) => looked?,
            () = engine.stop.stopping() => return Ok(()),
        }
        tokio::select! {
            () = beat => {}
            () = engine.stop.stopping() => return Ok(()),
        }
    }
}

async fn look(engine: &Engine) -> anyhow::Result<()> {
    let revision = engine.revision();
    for endpoint in revision.endpoints.values() {
        endpoint.pool().note_expiry(engine.clock.now());
        check(engine, endpoint).await;
        if let Some(learned) = endpoint.learned() {
            keep(engine, &[learned]).await?;
        }
    }
    Ok(())
}

/// Asks of each token that is due whether the service takes it; never while the endpoint cools.
async fn check(engine: &Engine, endpoint: &AskEndpoint) {
    let now = engine.clock.now();
    let due = endpoint.pool().checks_due(now);
    for token in due {
        let started_at = engine.clock.now();
        if endpoint
            .pool()
            .endpoint()
            .cooling_until(started_at)
            .is_some()
        {
            return;
        }
        let probe = endpoint.client.probe(Some(&token)).await;
        let asked = Asked {
            started_at,
            finished_at: engine.clock.now(),
        };
        let mut pool = endpoint.pool();
        match probe {
            Ok(_) => pool.record_check(&token, Check::Live, asked),
            Err(error) if is_refusal(error.kind()) => {
                pool.record_check(&token, Check::Refused, asked);
            }
            Err(error) => {
                pool.record_unchecked(&token, &error, asked);
                drop(pool);
                log_unchecked(endpoint.client.endpoint(), &token, &error.to_string());
            }
        }
    }
}

fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TokenRefused | ErrorKind::AccountBanned)
}

fn log_unchecked(endpoint: &Endpoint, token: &Token, error: &str) {
    let (ai, token) = (endpoint.name.as_ref(), token.label.as_ref());
    info!(ai, token, error, "a token could not be checked");
}

/// Writes what was learned of endpoints and tokens apart from any attempt.
pub(super) async fn keep(engine: &Engine, learned: &[LearnedRow]) -> anyhow::Result<()> {
    if !learned.is_empty() {
        let write = || engine.ledger.keep(learned, engine.clock.now());
        engine.persist(write).await?;
    }
    Ok(())
}

/// Says in the log what became of a token.
pub(super) fn tell(endpoint: &Endpoint, event: &TokenEvent) {
    let (ai, token) = (endpoint.name.as_ref(), event.token.as_ref());
    let renew = renewal(endpoint.api);
    match event.change {
        TokenChange::Died => warn!(
            ai,
            token, renew, "the token is dead and rests until it is renewed"
        ),
        TokenChange::RanOut(until) => {
            let until = super::deliver::shown(until);
            warn!(
                ai,
                token, until, "the token has nothing left to spend and rests"
            );
        }
        TokenChange::Revived => info!(ai, token, "the token is taken again"),
        TokenChange::Expires(at) => {
            let expires_at = super::deliver::shown(at);
            warn!(ai, token, expires_at, renew, "the token ends soon");
        }
        TokenChange::Expired(at) => {
            let expires_at = super::deliver::shown(at);
            warn!(ai, token, expires_at, renew, "the token has ended");
        }
    }
}

/// How a person gets another one.
fn renewal(api: Api) -> &'static str {
    match api {
        Api::Kimi => "log in to Kimi again, copy a new refresh_token and put it in the config",
        Api::Openai => "make a new key at the service and put it in the config",
    }
}
