//! The daemon's own fixed beats, on one tokio-cron-scheduler for the life of the process.
//!
//! Jobs are not its business (docs/architecture.md tells why). A beat only says "look again"; it
//! cannot panic, block or queue up. A scheduler that falls silent, as this one does after the
//! clock steps back, is noticed by monotonic time, and its beats are registered again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler};
use tracing::{info, warn};

use super::stop::Stop;

/// Each second: the planner's guard against clock steps and suspend.
const EVERY_SECOND: &str = "* * * * * *";

/// Each ten seconds: leases, signs of life, expired claims, pruning.
const EVERY_TEN_SECONDS: &str = "*/10 * * * * *";

/// How long the every-second beat may be silent.
const SILENCE: Duration = Duration::from_secs(3);

/// The two beats and what keeps them beating.
pub(super) struct Beats {
    planner: Option<mpsc::Receiver<()>>,
    housekeeping: Option<mpsc::Receiver<()>>,
    guard: tokio::task::JoinHandle<()>,
}

struct Registered {
    scheduler: JobScheduler,
    jobs: Vec<Job>,
    senders: [(&'static str, mpsc::Sender<()>); 2],
    last: Arc<Mutex<Instant>>,
}

/// Starts the scheduler and its guard.
pub(super) async fn start(stop: Stop) -> anyhow::Result<Beats> {
    let (planner_beat, planner) = mpsc::channel(1);
    let (housekeeping_beat, housekeeping) = mpsc::channel(1);
    let scheduler = JobScheduler::new()
        .await
        .context("cannot start the beats")?;
    scheduler.start().await.context("cannot start the beats")?;
    let mut registered = Registered {
        scheduler,
        jobs: Vec::new(),
        senders: [
            (EVERY_SECOND, planner_beat),
            (EVERY_TEN_SECONDS, housekeeping_beat),
        ],
        last: Arc::new(Mutex::new(Instant::now())),
    };
    registered.register().await?;
    let guard = tokio::spawn(registered.guard(stop));
    Ok(Beats {
        planner: Some(planner),
        housekeeping: Some(housekeeping),
        guard,
    })
}

impl Beats {
    /// The every-second beat; there is one listener.
    pub(super) fn planner(&mut self) -> mpsc::Receiver<()> {
        self.planner.take().expect("the planner is started once")
    }

    /// The housekeeping beat; there is one listener.
    pub(super) fn housekeeping(&mut self) -> mpsc::Receiver<()> {
        self.housekeeping
            .take()
            .expect("housekeeping is started once")
    }

    /// Ends with the stop signal.
    pub(super) async fn shutdown(self) {
        if let Err(error) = self.guard.await {
            warn!(%error, "the guard of the beats died");
        }
    }
}

impl Registered {
    async fn register(&mut self) -> anyhow::Result<()> {
        for (pattern, sender) in self.senders.clone() {
            let last = self.last.clone();
            let job = Job::new_async(pattern, move |_, _| {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                // A beat that nobody has taken yet says the same as this one.
                sender.try_send(()).ok();
                Box::pin(std::future::ready(()))
            })
            .context("cannot make a beat")?;
            self.scheduler
                .add(job.clone())
                .await
                .context("cannot add a beat")?;
            self.jobs.push(job);
        }
        Ok(())
    }

    async fn guard(mut self, stop: Stop) {
        let mut tick = tokio::time::interval(SILENCE / 3);
        loop {
            tokio::select! {
                _ = tick.tick() => self.check().await,
                () = stop.interrupting() => break,
                () = stop.stopping() => break,
            }
        }
        if let Err(error) = self.scheduler.shutdown().await {
            warn!(%error, "the beats did not stop in order");
        }
    }

    async fn check(&mut self) {
        let silent = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed();
        if silent < SILENCE {
            return;
        }
        info!(
            silent_ms = silent.as_millis() as u64,
            "the beat is silent: registering it again"
        );
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        for job in std::mem::take(&mut self.jobs) {
            if let Err(error) = self.scheduler.remove(&job.guid()).await {
                warn!(%error, "a silent beat could not be removed");
            }
        }
        if let Err(error) = self.register().await {
            warn!(
                error = format!("{error:#}"),
                "the beat could not be registered"
            );
        }
        // Whatever happened to the clock, look now.
        for (_, sender) in &self.senders {
            sender.try_send(()).ok();
        }
    }
}
