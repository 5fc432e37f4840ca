//! What the daemon does for its tokens between runs: those that were refused are checked, those that end soon are
//! warned of, and whatever is found is kept and told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{
    deliver::shown,
    engine::Engine,
    notices::{Notice, TokenName},
    revision::AskEndpoint,
};
use crate::{
    ask::{
        Asked, EndpointChange, EndpointState, Learned, Pool, Standing, TokenChange, TokenEvent,
        TokenState,
    },
    config::{Config, Endpoint},
    ledger::{KnownToken, LearnedRow, Ledger, LedgerError, TokenRow},
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
        let base_url = endpoint.base_url.as_str();
        let rows = ledger.tokens(&endpoint.name, base_url).await?;
        let state = ledger.endpoint(&endpoint.name, base_url).await?;
        Ok(Self {
            tokens: rows.iter().filter_map(state_here).collect(),
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

/// A token's state as it counts at the address that the ledger was asked for.
fn state_here(row: &KnownToken) -> Option<TokenState> {
    let state: TokenState = serde_json::from_str(&row.state).ok()?;
    Some(match row.is_here {
        true => state,
        false => state.elsewhere(),
    })
}

/// Looks at each beat of housekeeping until the stop signal. A check that is under way then is given up.
pub(super) async fn run(engine: Arc<Engine>) -> anyhow::Result<()> {
    loop {
        // Armed before the look, so that no beat is missed.
        let beat = engine.token_keeper.notified();
        look(&engine).await?;
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
        tokio::select! {
            () = check(engine, endpoint) => {}
            () = engine.stop.stopping() => {}
        }
        // Never cut off: what was taken out of the pool is nowhere else.
        keep_news(engine, &[endpoint]).await?;
    }
    Ok(())
}

/// Asks of each token that is due whether the service takes it; never while the endpoint cools.
async fn check(engine: &Engine, endpoint: &AskEndpoint) {
    let due = endpoint.pool().checks_due(engine.clock.now());
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
        match probe {
            Ok(_) => endpoint.pool().record_live(&token, asked),
            Err(error) => {
                endpoint.pool().record_failed_check(&token, &error, asked);
                let (ai, token) = (endpoint.name(), token.label.as_ref());
                let error = error.to_string();
                info!(ai, token, error, "a token did not pass its check");
            }
        }
    }
}

/// What endpoints have learned since this was last asked, for the ledger; people are told of it before it is written, so
/// that a crash between the two tells it twice, which a notice's rhythm swallows, and never not at all.
pub(super) async fn news(
    engine: &Engine,
    endpoints: &[impl AsRef<AskEndpoint>],
) -> anyhow::Result<Vec<LearnedRow>> {
    let mut rows = Vec::new();
    for endpoint in endpoints.iter().map(AsRef::as_ref) {
        let learned = endpoint.pool().learned();
        // Whoever asked by hand reads the errors themselves; the daemon finds out for itself.
        if !engine.tries_once {
            tell_all(engine, endpoint, &learned).await?;
        }
        if learned.endpoint.is_some() || !learned.tokens.is_empty() {
            rows.push(row(endpoint.client.endpoint(), &learned));
        }
    }
    Ok(rows)
}

/// What was learned as the ledger keeps it. A state that cannot be written as JSON, which none is, would be forgotten.
fn row(endpoint: &Endpoint, learned: &Learned) -> LearnedRow {
    let tokens = learned.tokens.iter().filter_map(|state| {
        Some(TokenRow {
            fingerprint: state.fingerprint.to_string(),
            state: serde_json::to_string(state).ok()?,
        })
    });
    let state = learned.endpoint.as_ref();
    LearnedRow {
        ai: endpoint.name.to_string(),
        base_url: endpoint.base_url.to_string(),
        endpoint: state.and_then(|state| serde_json::to_string(state).ok()),
        tokens: tokens.collect(),
    }
}

/// Writes what endpoints have learned since, apart from any attempt.
pub(super) async fn keep_news(
    engine: &Engine,
    endpoints: &[impl AsRef<AskEndpoint>],
) -> anyhow::Result<()> {
    let _in_order = engine.learning.lock().await;
    keep(engine, &news(engine, endpoints).await?).await
}

/// Writes what was learned of endpoints and tokens apart from any attempt.
pub(super) async fn keep(engine: &Engine, learned: &[LearnedRow]) -> anyhow::Result<()> {
    if !learned.is_empty() {
        let write = || engine.ledger.keep(learned, engine.clock.now());
        engine.persist(write).await?;
    }
    Ok(())
}

async fn tell_all(
    engine: &Engine,
    endpoint: &AskEndpoint,
    learned: &Learned,
) -> anyhow::Result<()> {
    for event in &learned.events {
        tell(engine, endpoint, event).await?;
    }
    match &learned.change {
        Some(change) => tell_of_endpoint(engine, endpoint, change).await,
        None => Ok(()),
    }
}

/// Says what became of a token, in the log and to people.
async fn tell(engine: &Engine, endpoint: &AskEndpoint, event: &TokenEvent) -> anyhow::Result<()> {
    let (ai, token) = (endpoint.name(), event.token.as_ref());
    let name = TokenName {
        ai: endpoint.client.endpoint().name.clone(),
        label: event.token.clone(),
        fingerprint: event.fingerprint.clone(),
    };
    let notice = match &event.change {
        TokenChange::Died(error) => {
            warn!(ai, token, error, "the token is dead: it is checked daily");
            let error = error.clone();
            Notice::TokenDead { token: name, error }
        }
        TokenChange::RanOut(until) => {
            let at = shown(*until);
            warn!(ai, token, until = at, "the token has nothing left to spend");
            Notice::TokenSpent {
                token: name,
                until: *until,
            }
        }
        TokenChange::Revived => {
            info!(ai, token, "the token is taken again");
            Notice::TokenBack { token: name }
        }
        TokenChange::Expires { at, days } => {
            warn!(
                ai,
                token,
                expires_at = shown(*at),
                "the token must be renewed"
            );
            Notice::TokenExpires {
                token: name,
                at: *at,
                days: *days,
            }
        }
    };
    Ok(engine.tell(notice).await?)
}

/// The same of an endpoint.
async fn tell_of_endpoint(
    engine: &Engine,
    endpoint: &AskEndpoint,
    change: &EndpointChange,
) -> anyhow::Result<()> {
    let ai = endpoint.client.endpoint().name.clone();
    let notice = match change {
        EndpointChange::Held { until, error } => {
            let (ai, until) = (ai, *until);
            warn!(
                ai = &*ai,
                error,
                until = shown(until),
                "the endpoint goes on failing"
            );
            let error = error.clone();
            Notice::EndpointHeld { ai, until, error }
        }
        EndpointChange::Back => {
            info!(ai = &*ai, "the endpoint answers again");
            Notice::EndpointBack { ai }
        }
    };
    Ok(engine.tell(notice).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock as _, daemon::fixture};

    #[tokio::test]
    async fn a_stop_forgets_nothing_that_was_learned() {
        let folder = tempfile::tempdir().unwrap();
        let clock = fixture::Hand::at("2030-03-01T07:59:00Z");
        let engine = fixture::engine(folder.path(), "", clock.clone()).await;
        let (revision, now) = (engine.revision(), clock.now());
        let at = &revision.endpoints["kimi"];
        let endpoint = at.client.endpoint();
        let asked = Asked {
            started_at: now,
            finished_at: now,
        };
        at.pool().record_answer(endpoint.tokens.first(), asked);
        engine.stop.drain();
        run(engine.clone()).await.unwrap();
        let base_url = endpoint.base_url.as_str();
        let kept = engine.ledger.tokens(&endpoint.name, base_url).await;
        assert_eq!(kept.unwrap().len(), 1);
    }
}
