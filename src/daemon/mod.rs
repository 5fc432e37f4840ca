//! The life of the daemon: take the ledger, take up what the last one left, loop, drain, stop.
//!
//! The loops know each other only through the ledger. A wake-up saves time; looking again is the
//! guarantee.

mod attempt;
mod backoff;
mod beats;
mod chain;
mod control;
mod conversation;
#[cfg(test)]
mod coverage;
mod deliver;
mod desk;
mod engine;
mod fallback;
mod filled;
#[cfg(test)]
mod fixture;
mod former;
mod gate;
mod heartbeat;
mod housekeeping;
mod left_behind;
mod links;
mod messages;
mod notices;
mod outbox;
mod pace;
mod parcel;
mod planner;
mod reload;
mod revision;
mod runner;
mod scheduler;
mod settle;
mod silence;
mod status;
mod stop;
mod systemd;
mod tokens;
mod under_way;
mod watch;
mod words;

use std::{net::TcpListener, sync::Arc, time::Duration};

use anyhow::Context;
use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

pub use self::{
    attempt::{Ended, carry_out},
    chain::Chain,
    control::{Reloaded, ask_for_tokens, ask_to_reload, socket_path},
    deliver::deliver_run,
    engine::{Engine, Owner},
    filled::{Filled, Moments},
    former::shown_by_pushes,
    messages::messages,
    parcel::Parcel,
    reload::Loader,
    revision::{AskEndpoint, Revision},
    silence::is_silent,
    stop::Stop,
    tokens::{EndpointStanding, standings},
};
use crate::{
    clock::SharedClock,
    config::{Config, ZoneSource},
    ledger::{Access, Beat, DaemonLock, Ledger},
    web,
};

/// How long a claim stands without being renewed.
pub const LEASE: Duration = Duration::from_secs(60);

/// The owners that the daemon's lock proves dead.
const DAEMONS: &str = "daemon-%";

/// How often an insane clock is read again.
const CLOCK_CHECK: Duration = Duration::from_secs(1);

/// What the daemon is given from outside.
pub struct Surroundings {
    /// The wall clock.
    pub clock: SharedClock,
    /// When to end.
    pub stop: Stop,
    /// Somebody sent HUP.
    pub hup: Arc<Notify>,
    /// Reads the config again; None: this daemon does not reload.
    pub load: Option<Loader>,
    /// Where the page is served; None: nowhere.
    pub listener: Option<TcpListener>,
}

impl Surroundings {
    /// Those of a daemon that does not reload.
    #[must_use]
    pub fn new(clock: SharedClock, stop: Stop) -> Self {
        Self {
            clock,
            stop,
            hup: Arc::default(),
            load: None,
            listener: None,
        }
    }
}

/// Runs the daemon until it is told to stop; `ready` is called once every loop stands.
///
/// # Errors
/// The ledger is in use by another daemon, or cannot be read or written.
pub async fn run(
    config: Config,
    surroundings: Surroundings,
    ready: impl FnOnce() + Send,
) -> anyhow::Result<()> {
    let Surroundings {
        clock,
        stop,
        hup,
        load,
        listener,
    } = surroundings;
    if !wait_for_a_sane_clock(&clock, &stop).await {
        return Ok(());
    }
    let _lock = DaemonLock::acquire(&config.ledger.0)?;
    let ledger = Ledger::open(&config.ledger.0, Access::Write).await?;
    announce(&config);
    let revision = Revision::new(config)?;
    let engine = Arc::new(Engine::new(Owner::daemon(), revision, ledger, clock, stop));
    let last_beat = engine.ledger.last_beat().await?;
    let planner = engine.start(last_beat.clone()).await?;
    let reloading = load.map(|load| (load, hup));
    let result = engine
        .clone()
        .live(planner, last_beat, reloading, listener, ready)
        .await;
    if result.is_ok() {
        engine.say_stopped().await?;
    }
    engine.ledger.close().await;
    result
}

impl Engine {
    /// Takes up what the last daemon left, and plans what fell due since.
    async fn start(&self, last_beat: Option<Beat>) -> anyhow::Result<planner::Planner> {
        let now = self.clock.now();
        let taken = self
            .ledger
            .take_up(self.owner.as_str(), now, DAEMONS)
            .await?;
        if taken.runs + taken.deliveries > 0 {
            warn!(
                runs = taken.runs,
                deliveries = taken.deliveries,
                "the last daemon was cut off: what it had begun is taken up"
            );
        }
        self.restore_tokens().await?;
        let planner = scheduler::resume(self, last_beat).await?;
        housekeeping::beat(self).await?;
        Ok(planner)
    }

    /// Every loop, until the stop signal; then the drain.
    async fn live(
        self: Arc<Self>,
        planner: planner::Planner,
        last_beat: Option<Beat>,
        reloading: Option<(Loader, Arc<Notify>)>,
        listener: Option<TcpListener>,
        ready: impl FnOnce() + Send,
    ) -> anyhow::Result<()> {
        let (request, requests) = mpsc::channel(8);
        let reload = reloading.is_some().then(|| request.clone());
        let page = match listener {
            Some(listener) => Some((listener, desk::handle(self.clone(), reload).await?)),
            None => None,
        };
        let mut beats = beats::start(self.stop.clone()).await?;
        let loops = TaskTracker::new();
        let spawn = |name: &'static str, task: engine::Loop| {
            let engine = self.clone();
            loops.spawn(async move { engine.watch(name, task).await })
        };
        // One at a time: whoever changes over waits for the one before.
        let (changeover, changeovers) = mpsc::channel(1);
        let scheduler = spawn(
            "planner",
            Box::pin(scheduler::run(
                self.clone(),
                planner,
                beats.planner(),
                changeovers,
            )),
        );
        let housekeeping = spawn(
            "housekeeping",
            Box::pin(housekeeping::run(
                self.clone(),
                last_beat,
                beats.housekeeping(),
            )),
        );
        let runner = spawn("runner", Box::pin(runner::run(self.clone())));
        let deliverer = spawn("deliverer", Box::pin(deliver::run(self.clone())));
        let mut others = match reloading {
            Some((load, hup)) => {
                let reload = reload::run(self.clone(), load, requests, changeover);
                let mut loops = self.clone().requests(hup, &request);
                loops.push(("reload", Box::pin(reload)));
                loops
            }
            None => Vec::new(),
        };
        others.push(("tokens", Box::pin(tokens::run(self.clone()))));
        if let Some((listener, handle)) = page {
            others.push(("web", Box::pin(self.clone().serve(listener, handle))));
        }
        let others: Vec<_> = (others.into_iter())
            .map(|(name, task)| spawn(name, task))
            .collect();
        systemd::ready(&self.status());
        ready();
        let drain = tokio::spawn(self.clone().bound_drain());
        let mut first = Ok(());
        for ended in [scheduler, runner, deliverer, housekeeping]
            .into_iter()
            .chain(others)
        {
            let result = ended.await.context("a loop of the daemon died").flatten();
            if first.is_ok() {
                first = result;
            }
        }
        drain.abort();
        beats.shutdown().await;
        self.heart.finish().await;
        self.failure().map_or(first, Err)
    }

    /// Those who ask for a reload.
    fn requests(
        self: Arc<Self>,
        hup: Arc<Notify>,
        request: &mpsc::Sender<reload::Request>,
    ) -> Vec<(&'static str, engine::Loop)> {
        vec![
            (
                "hup",
                Box::pin(reload::on_hup(self.clone(), hup, request.clone())) as engine::Loop,
            ),
            ("watch", Box::pin(watch::run(self.clone(), request.clone()))),
            ("control", Box::pin(control::run(self, request.clone()))),
        ]
    }

    /// The page outlives the drain, so that it can be watched.
    async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        handle: web::Handle,
    ) -> anyhow::Result<()> {
        let records = handle.records.clone();
        let served = web::run(listener, handle, self.runs_over.cancelled()).await;
        records.close().await;
        served
    }

    /// The last write; on a full disk the next start finds out without it.
    async fn say_stopped(&self) -> anyhow::Result<()> {
        let stopped = self
            .ledger
            .stopped(self.owner.as_str(), self.clock.now())
            .await;
        match stopped {
            Err(full) if full.is_full() => warn!(error = %full, "stopped"),
            other => {
                other?;
                info!("stopped");
            }
        }
        Ok(())
    }

    /// What still runs when `drain` is over is interrupted.
    async fn bound_drain(self: Arc<Self>) {
        self.stop.stopping().await;
        systemd::stopping();
        tokio::time::sleep(self.revision().config.drain).await;
        self.stop.at_once();
    }

    /// A loop that ends early, in error or panic, takes the daemon down: never half an engine.
    async fn watch(&self, name: &'static str, task: engine::Loop) -> anyhow::Result<()> {
        let result = tokio::spawn(task).await.context(name).flatten();
        if result.is_err() {
            self.stop.at_once();
        }
        result
    }
}

/// The build date: a clock that reads less has not been set.
fn built_at() -> DateTime<Utc> {
    let seconds = env!("PROMPTCRON_BUILT_AT").parse().unwrap_or(0);
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// False: it was told to stop first; planning with such a clock would pull every cursor back to it.
async fn wait_for_a_sane_clock(clock: &SharedClock, stop: &Stop) -> bool {
    let mut told = false;
    while clock.now() < built_at() {
        if stop.is_stopping() {
            return false;
        }
        if !told {
            tracing::error!(
                now = %clock.now(),
                built = %built_at(),
                "the clock reads a time before this program was built: nothing is planned until it is set"
            );
            told = true;
        }
        tokio::select! {
            () = tokio::time::sleep(CLOCK_CHECK) => {}
            () = stop.stopping() => {}
        }
    }
    true
}

fn announce(config: &Config) {
    let source = match config.timezone_source {
        ZoneSource::File => "the config",
        ZoneSource::Environment => "TZ",
        ZoneSource::Default => "no zone is named, so UTC",
    };
    info!(
        config = %config.file.display(),
        ledger = %config.ledger.0.display(),
        jobs = config.jobs.iter().filter(|job| job.enabled).count(),
        timezone = %config.timezone,
        timezone_from = source,
        "starting"
    );
    for warning in &config.warnings {
        warn!("{warning}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock as _, model::Timestamp};

    const BEFORE: &str = "2030-03-01T07:59:00Z";

    #[tokio::test]
    async fn a_stop_while_the_clock_is_insane_leaves_the_ledger_alone() {
        let folder = tempfile::tempdir().unwrap();
        let config = fixture::config(folder.path(), "");
        let (path, stop) = (config.ledger.0.clone(), Stop::default());
        stop.drain();
        let clock = fixture::Hand::at("1970-01-01T00:00:07Z");
        run(config, Surroundings::new(clock, stop), || {})
            .await
            .unwrap();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn todays_run_is_not_skipped_for_one_that_was_never_begun() {
        let folder = tempfile::tempdir().unwrap();
        let clock = fixture::Hand::at(BEFORE);
        let engine = fixture::engine(folder.path(), "", clock.clone()).await;
        engine.start(None).await.unwrap();
        clock.set("2030-03-01T08:00:00Z");
        engine.start(None).await.unwrap();
        // Planned, and killed before it is claimed.
        clock.set("2030-03-02T08:00:05Z");
        engine.start(None).await.unwrap();
        let now = clock.now();
        let claims = engine.ledger.claim("daemon-2", now, now + LEASE, 4).await;
        let claimed: Vec<_> = claims
            .unwrap()
            .iter()
            .map(crate::ledger::Claim::scheduled_at)
            .collect();
        let today: Timestamp = "2030-03-02T08:00:00Z".parse().unwrap();
        assert_eq!(claimed, [today]);
    }
}
