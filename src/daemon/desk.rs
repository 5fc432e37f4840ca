//! The daemon as the web sees it.

use std::{future::Future, pin::Pin, sync::Arc};

use anyhow::Context;
use tokio::sync::{mpsc, oneshot};

use super::{engine::Engine, reload::Request};
use crate::{
    ask::TokenWord,
    ledger::{Access, Ledger},
    web::{Daemon, Facts, Handle, Reloaded, TokenFacts},
};

/// Answers what the web asks.
struct Desk {
    engine: Arc<Engine>,
    /// None: this daemon does not reload.
    reload: Option<mpsc::Sender<Request>>,
}

/// What the web of a daemon is given.
///
/// # Errors
/// The ledger could not be opened once more.
pub(super) async fn handle(
    engine: Arc<Engine>,
    reload: Option<mpsc::Sender<Request>>,
) -> anyhow::Result<Handle> {
    Ok(Handle {
        ledger: engine.ledger.clone(),
        records: Ledger::open(engine.ledger.path(), Access::Read).await?,
        clock: engine.clock.clone(),
        daemon: Arc::new(Desk { engine, reload }),
    })
}

impl Daemon for Desk {
    fn facts(&self) -> Facts {
        let engine = &self.engine;
        Facts {
            config: engine.revision().config.clone(),
            reload: engine.last_reload(),
            next: engine.next(),
            tokens: tokens(engine),
            is_stopping: engine.stop.is_stopping(),
            is_full: engine.is_full(),
        }
    }

    fn wake(&self) {
        self.engine.runner.notify_one();
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = anyhow::Result<Reloaded>> + Send + '_>> {
        Box::pin(async {
            let reload = self.reload.as_ref();
            let reload = reload.context("this daemon does not read its config again")?;
            let (reply, outcome) = oneshot::channel();
            let request = Request {
                asked_by: "the web page",
                reply: Some(reply),
            };
            let stopping = "the daemon is stopping: nothing is changed";
            reload.send(request).await.context(stopping)?;
            let outcome = outcome.await.context(stopping)?;
            Ok(Reloaded {
                at: self.engine.clock.now(),
                taken: outcome.is_ok(),
                lines: outcome.unwrap_or_else(|errors| errors),
            })
        })
    }
}

fn tokens(engine: &Engine) -> Vec<TokenFacts> {
    let revision = engine.revision();
    let now = engine.clock.now();
    let endpoints = revision.config.endpoints.keys();
    let mut facts = Vec::new();
    for endpoint in endpoints.filter_map(|name| revision.endpoints.get(name)) {
        let ai = &endpoint.client.endpoint().name;
        facts.extend(endpoint.pool().standings(now).map(|standing| TokenFacts {
            ai: ai.clone(),
            label: standing.token.to_string(),
            state: standing.state.as_str(),
            // A healthy one that waits a moment between two requests rests from nothing.
            until: (standing.until).filter(|_| standing.state != TokenWord::Healthy),
            last_used: standing.last_used,
            rounds_left: standing.rounds_left,
            expires_at: standing.expires_at,
        }));
    }
    facts
}
