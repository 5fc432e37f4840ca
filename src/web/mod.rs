//! The page, the API and the figures: one's own runs, looked at in a browser.
//!
//! It reads the ledger through a connection of its own, so that no page keeps a claim waiting, and
//! asks the daemon through [`Daemon`] for what the ledger does not know. What it changes it writes
//! to the ledger as the commands beside the daemon do: no second engine.

pub mod api;
mod app;
mod change;
mod guard;
pub mod health;
mod links;
mod metrics;
mod pages;
mod refusal;
pub(crate) mod say;
mod serve;
mod words;

use std::{future::Future, pin::Pin, sync::Arc};

use tokio::net::TcpListener;

pub use links::{KEY as LINK_KEY, Links, Purpose, fresh_key};
pub use serve::listen;

use crate::{
    clock::SharedClock,
    config::Config,
    ledger::Ledger,
    model::{JobName, Timestamp},
};

/// What the daemon knows and the ledger does not, at one moment.
#[derive(Clone)]
pub struct Facts {
    /// The config that runs.
    pub config: Arc<Config>,
    /// The last reload; None: there was none since the start.
    pub reload: Option<Reloaded>,
    /// What is due next.
    pub next: Option<(JobName, Timestamp)>,
    /// What is known of each token, in the config's order.
    pub tokens: Vec<TokenFacts>,
    /// It is to stop, and begins nothing.
    pub is_stopping: bool,
    /// The ledger's disk is full, and nothing new is begun.
    pub is_full: bool,
}

/// What came of reading the config again.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// When.
    pub at: Timestamp,
    /// Whether the new config runs now.
    pub taken: bool,
    /// What changed, or everything that is wrong with it; lines for people.
    pub lines: Vec<String>,
}

/// One token, without its secret.
#[derive(Clone, Debug)]
pub struct TokenFacts {
    /// The endpoint.
    pub ai: Arc<str>,
    /// Its place and last characters.
    pub label: String,
    /// healthy, cooling, out of quota, suspect or dead.
    pub state: &'static str,
    /// Until when it rests.
    pub until: Option<Timestamp>,
    /// When it was used last.
    pub last_used: Option<Timestamp>,
    /// Requests that its quota leaves; None where it has none.
    pub rounds_left: Option<usize>,
    /// When it ends, by its own `exp`.
    pub expires_at: Option<Timestamp>,
}

/// The daemon as the web sees it.
pub trait Daemon: Send + Sync + 'static {
    /// How it stands now.
    fn facts(&self) -> Facts;
    /// Something was planned: it need not wait for its next look.
    fn wake(&self);
    /// Reads the config again, and says what came of it.
    fn reload(&self) -> Pin<Box<dyn Future<Output = anyhow::Result<Reloaded>> + Send + '_>>;
}

/// What the web is given.
#[derive(Clone)]
pub struct Handle {
    /// For short writes, as the commands beside the daemon make them.
    pub ledger: Ledger,
    /// For reading: a connection of its own.
    pub records: Ledger,
    /// The wall clock.
    pub clock: SharedClock,
    /// The daemon.
    pub daemon: Arc<dyn Daemon>,
}

/// Serves until `stop` ends.
///
/// # Errors
/// The listener cannot be used.
pub async fn run(
    listener: std::net::TcpListener,
    handle: Handle,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let state = app::Shared::new(handle).await?;
    let figures = tokio::spawn(metrics::follow(state.clone()));
    serve::serve(listener, app::router(state), stop).await;
    figures.abort();
    Ok(())
}
