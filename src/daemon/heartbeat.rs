//! Heartbeats: a monitor outside is told of each run and that the daemon lives. Told beside the work,
//! which never waits for it; a monitor that cannot be reached changes nothing but a line in the log.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::{engine::Engine, outbox::RunKey};
use crate::{
    config::SecretUrl,
    ledger::Completed,
    model::{Trigger, from_ms},
    push::{Beat, Client, Unheard},
};

/// How often the daemon's own heartbeat is told: the shortest period that healthchecks.io knows.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// How long is waited before each further try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// The most pings that wait for one monitor.
const MOST_WAITING: usize = 64;

/// How long the daemon's end waits for the last pings: with the drain it stays within systemd's 30 s.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// One thing to tell.
struct Ping {
    /// The job, or the daemon.
    of: String,
    client: Client,
    beat: Beat,
    run: Option<String>,
}

/// What waits to be told, by monitor; one that has an entry is being told. One after the other, so that
/// no start comes after its end.
#[derive(Default)]
pub(super) struct Heart {
    waiting: Mutex<HashMap<Arc<SecretUrl>, VecDeque<Ping>>>,
    tasks: TaskTracker,
    /// Those that did not hear the last one.
    deaf: Mutex<HashSet<Arc<SecretUrl>>>,
    beaten_at: Mutex<Option<Instant>>,
}

impl Engine {
    /// Tells a job's monitor of one of its occurrences. What was asked for by hand says nothing of the schedule.
    pub(super) fn beat_of_run(&self, key: &RunKey, beat: Beat) {
        if self.tries_once || key.trigger != Trigger::Schedule.as_str() {
            return;
        }
        let revision = self.revision();
        let url = revision
            .job(&key.job)
            .and_then(|job| job.heartbeat_url.clone());
        if let Some(url) = url {
            self.tell_monitor(&url, key.job.clone(), beat, Some(key.uuid()));
        }
    }

    /// Tells it of a run whose last delivery is over.
    pub(super) fn beat_of_end(&self, run: &Completed) {
        let key = RunKey {
            job: run.job.clone(),
            scheduled_at: from_ms(run.scheduled_at),
            trigger: run.trigger.clone(),
        };
        match (run.state.as_str(), &run.reason) {
            ("delivered", _) => self.beat_of_run(&key, Beat::Success),
            ("failed", Some(reason)) => self.beat_of_run(&key, Beat::Fail(reason.clone())),
            _ => {}
        }
    }

    /// Tells the daemon's own monitor, each minute, that planner and ledger move.
    pub(super) fn beat_of_daemon(&self) {
        let revision = self.revision();
        let Some(url) = &revision.config.heartbeat_url else {
            return;
        };
        let silent = self.clock.now() - self.planner_at();
        if silent.to_std().is_ok_and(|silent| silent > EVERY / 2) {
            return;
        }
        if self.heart.is_time() {
            self.tell_monitor(url, "the daemon".to_owned(), Beat::Success, None);
        }
    }

    fn tell_monitor(&self, url: &Arc<SecretUrl>, of: String, beat: Beat, run: Option<String>) {
        if let Some(client) = self.revision().monitor(url) {
            let client = client.clone();
            let ping = Ping {
                of,
                client,
                beat,
                run,
            };
            self.heart.clone().tell(url, ping);
        }
    }
}

impl Heart {
    fn tell(self: Arc<Self>, url: &Arc<SecretUrl>, ping: Ping) {
        let mut waiting = self.waiting();
        match waiting.get_mut(url) {
            Some(queue) if queue.len() >= MOST_WAITING => {
                warn!(
                    of = ping.of,
                    at = url.origin(),
                    "too many heartbeats wait: one is left out"
                );
            }
            Some(queue) => queue.push_back(ping),
            None => {
                waiting.insert(url.clone(), VecDeque::from([ping]));
                let (heart, url) = (self.clone(), url.clone());
                self.tasks.spawn(async move { heart.serve(&url).await });
            }
        }
    }

    async fn serve(&self, url: &Arc<SecretUrl>) {
        while let Some(ping) = self.next(url) {
            let heard = patiently(url, &ping).await;
            self.log(url, &ping, heard.err());
        }
    }

    /// A monitor that is out for a day is told of once.
    fn log(&self, url: &Arc<SecretUrl>, ping: &Ping, error: Option<Unheard>) {
        let mut deaf = self.deaf.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) if deaf.insert(url.clone()) => {
                warn!(of = ping.of, %error, "the heartbeat was not heard");
            }
            Some(error) => debug!(of = ping.of, %error, "the heartbeat was not heard"),
            None if deaf.remove(url) => info!(of = ping.of, "the heartbeat is heard again"),
            None => {}
        }
    }

    fn next(&self, url: &Arc<SecretUrl>) -> Option<Ping> {
        let mut waiting = self.waiting();
        let next = waiting.get_mut(url)?.pop_front();
        if next.is_none() {
            waiting.remove(url);
        }
        next
    }

    /// True once in a while; a beat that comes every ten seconds is not told each time.
    fn is_time(&self) -> bool {
        /// Beats come a little early or late.
        const SLACK: Duration = Duration::from_secs(5);
        let mut beaten_at = self
            .beaten_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_time = beaten_at.is_none_or(|at| at.elapsed() + SLACK >= EVERY);
        if is_time {
            *beaten_at = Some(Instant::now());
        }
        is_time
    }

    /// The last words of the loops that have ended.
    pub(super) async fn finish(&self) {
        self.tasks.close();
        if tokio::time::timeout(LAST_WORDS, self.tasks.wait())
            .await
            .is_err()
        {
            warn!("heartbeats that still waited are left out");
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Arc<SecretUrl>, VecDeque<Ping>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn patiently(url: &SecretUrl, ping: &Ping) -> Result<(), Unheard> {
    let once = || ping.client.ping(url, &ping.beat, ping.run.as_deref());
    for pause in PAUSES {
        match once().await {
            Err(error) if !error.is_final => tokio::time::sleep(pause).await,
            done => return done,
        }
    }
    once().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::fixture;

    #[tokio::test]
    async fn a_planner_that_stands_still_ends_the_daemons_heartbeat() {
        let folder = tempfile::tempdir().unwrap();
        let clock = fixture::Hand::at("2030-03-01T07:59:00Z");
        let mut config = fixture::config(folder.path(), "");
        let url = "http://127.0.0.1:9/ping".parse().unwrap();
        config.heartbeat_url = Some(Arc::new(SecretUrl::new(url)));
        let engine = fixture::engine_of(config, clock.clone()).await;
        clock.set("2030-03-01T08:00:00Z");
        engine.beat_of_daemon();
        assert!(engine.heart.tasks.is_empty());
        engine.planner_moved(engine.clock.now());
        engine.beat_of_daemon();
        assert_eq!(engine.heart.tasks.len(), 1);
    }
}
