//! Taking a changed config: read whole, compared, applied in one step, or refused whole.
//!
//! The file is read and checked beside the loops; only a config without any error is handed to the
//! planner, which changes over between two looks at the clock.

use std::sync::Arc;

use chrono::Utc;
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{error, info, warn};

use super::{engine::Engine, notices::Notice, revision::Revision, systemd};
use crate::{
    config::{Config, Errors, diff},
    model::Timestamp,
    web::Reloaded,
};

/// Reads the config again; the instant tells which `at` is past.
pub type Loader = Arc<dyn Fn(Timestamp) -> Result<Config, Errors> + Send + Sync>;

/// What came of a reload: what changed, or why nothing did. Lines for people.
pub(super) type Outcome = Result<Vec<String>, Vec<String>>;

/// Somebody wants the config read again.
pub(super) struct Request {
    /// Who, for the log.
    pub(super) asked_by: &'static str,
    /// Who waits for what comes of it.
    pub(super) reply: Option<oneshot::Sender<Outcome>>,
}

/// A config that is ready to be changed over to.
pub(super) struct Changeover {
    pub(super) revision: Revision,
    pub(super) done: oneshot::Sender<()>,
}

/// Serves requests, one after the other, until the stop signal.
pub(super) async fn run(
    engine: Arc<Engine>,
    load: Loader,
    mut requests: mpsc::Receiver<Request>,
    planner: mpsc::Sender<Changeover>,
) -> anyhow::Result<()> {
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            () = engine.stop.stopping() => None,
        };
        let Some(request) = request else {
            return Ok(());
        };
        info!(asked_by = request.asked_by, "reading the config again");
        systemd::reloading();
        let outcome = reload(&engine, &load, &planner).await;
        keep(&engine, &outcome);
        let is_read = request.reply.is_some();
        if let Some(reply) = request.reply {
            // Whoever asked may have left; who waits need not wait for thousands of lines of the log.
            reply.send(outcome.clone()).ok();
        }
        log(&outcome);
        tell(&engine, outcome, is_read).await?;
    }
}

/// Turns each HUP into a request.
pub(super) async fn on_hup(
    engine: Arc<Engine>,
    hup: Arc<Notify>,
    requests: mpsc::Sender<Request>,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = hup.notified() => {
                let request = Request { asked_by: "HUP", reply: None };
                // Refused only when the daemon stops.
                requests.send(request).await.ok();
            }
            () = engine.stop.stopping() => return Ok(()),
        }
    }
}

async fn reload(engine: &Engine, load: &Loader, planner: &mpsc::Sender<Changeover>) -> Outcome {
    let load = load.clone();
    let before = engine.revision();
    let read = tokio::task::spawn_blocking(move || match load(Utc::now()) {
        Ok(config) => (Arc::clone(&config.files), following(&before, config)),
        Err(errors) => (Arc::new(errors.files), Err(lines(&errors.list))),
    });
    let (files, found) = read.await.map_err(|died| vec![died.to_string()])?;
    let outcome = match found {
        Ok((changes, revision)) => change_over(planner, revision).await.map(|()| changes),
        Err(errors) => Err(errors),
    };
    engine.was_read(files);
    outcome
}

/// What has changed, in words, and the config at work.
fn following(before: &Revision, config: Config) -> Result<(Vec<String>, Revision), Vec<String>> {
    let warnings = config.warnings.iter();
    let mut changes: Vec<String> = warnings.map(|it| format!("warning: {it}")).collect();
    changes.extend(lines(&diff(&before.config, &config)));
    let config = keep_what_restarts(&before.config, config);
    let revision =
        Revision::following(before, config).map_err(|error| vec![format!("{error:#}")])?;
    Ok((changes, revision))
}

/// Hands it to the planner, and waits until it is in force.
async fn change_over(
    planner: &mpsc::Sender<Changeover>,
    revision: Revision,
) -> Result<(), Vec<String>> {
    let (done, over) = oneshot::channel();
    let stopping = || vec!["the daemon is stopping: nothing is changed".to_owned()];
    planner
        .send(Changeover { revision, done })
        .await
        .map_err(|_| stopping())?;
    over.await.map_err(|_| stopping())
}

/// What does not reload: the ledger stays where it is until the next start, and so does the port.
/// The rest of `[web]` stays with its port: a token belongs to the address that it guards.
fn keep_what_restarts(before: &Config, config: Config) -> Config {
    let address = |config: &Config| config.web.as_ref().map(|web| web.listen);
    let web = match address(before) == address(&config) {
        true => config.web,
        false => before.web.clone(),
    };
    Config {
        ledger: before.ledger.clone(),
        web,
        ..config
    }
}

fn lines(said: &[impl ToString]) -> Vec<String> {
    said.iter().map(ToString::to_string).collect()
}

/// Keeps it to be shown.
fn keep(engine: &Engine, outcome: &Outcome) {
    engine.set_reload(Reloaded {
        at: engine.clock.now(),
        taken: outcome.is_ok(),
        lines: outcome.as_ref().unwrap_or_else(|errors| errors).clone(),
    });
    systemd::reloaded(&engine.status());
}

fn log(outcome: &Outcome) {
    match outcome {
        Ok(changes) if changes.is_empty() => info!("config reloaded: nothing has changed"),
        Ok(changes) => {
            for change in changes {
                info!("{change}");
            }
            info!(changes = changes.len(), "config reloaded");
        }
        Err(errors) => {
            for error in errors {
                error!("{error}");
            }
            warn!("config rejected: the one that runs goes on");
        }
    }
}

/// Pushes a notice of it; whoever asked and waits reads what is wrong there.
async fn tell(engine: &Engine, outcome: Outcome, is_read: bool) -> anyhow::Result<()> {
    match outcome {
        Ok(_) => engine.tell(Notice::ConfigTaken).await?,
        Err(errors) if !is_read && !engine.stop.is_stopping() => {
            engine.tell(Notice::ConfigRejected(errors)).await?;
        }
        Err(_) => {}
    }
    Ok(())
}
