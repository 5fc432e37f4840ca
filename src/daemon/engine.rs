//! What the loops share: the ledger, the clock, the running config with its clients, wake-ups.

use std::{
    fmt,
    future::Future,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, watch};
use tracing::{error, info};

use super::{
    LEASE, heartbeat::Heart, revision::Revision, status, stop::Stop, systemd, tokens::Known,
    under_way::UnderWay,
};
use crate::{
    clock::SharedClock,
    config::Files,
    ledger::{Ledger, LedgerError},
    model::{JobName, Timestamp, from_ms, to_ms},
    web::Reloaded,
};

/// One of the daemon's loops.
pub(super) type Loop = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// How often a full disk is tried again.
const ROOM_CHECK: Duration = Duration::from_secs(1);

/// Who holds a claim: random for each start of a process.
#[derive(Clone, Debug)]
pub struct Owner(String);

impl Owner {
    /// `daemon-…`: the ledger's lock tells when it is dead.
    #[must_use]
    pub fn daemon() -> Self {
        Self::new("daemon")
    }

    /// `once-…`: only the end of its lease tells.
    #[must_use]
    pub fn once() -> Self {
        Self::new("once")
    }

    fn new(kind: &str) -> Self {
        let number = RandomState::new().hash_one(std::process::id());
        Self(format!("{kind}-{number:016x}"))
    }

    fn is_once(&self) -> bool {
        self.0.starts_with("once-")
    }

    /// As it stands in the ledger.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What people are told of the daemon.
#[derive(Default)]
struct Standing {
    next: Option<(JobName, Timestamp)>,
    reload: Option<Reloaded>,
}

/// What the loops share.
pub struct Engine {
    /// This process in the ledger.
    pub owner: Owner,
    /// The spine.
    pub ledger: Ledger,
    /// The wall clock.
    pub clock: SharedClock,
    /// When to end.
    pub stop: Stop,
    /// True for a command that tells its failure at once instead of trying again.
    pub tries_once: bool,
    fatal: Mutex<Option<anyhow::Error>>,
    revision: watch::Sender<Arc<Revision>>,
    /// What the last reading of the config read, whether it was taken or not.
    read: watch::Sender<Arc<Files>>,
    planner_at: AtomicI64,
    standing: Mutex<Standing>,
    /// The ledger's disk is full, and the log says so.
    is_full: AtomicBool,
    /// What monitors are told.
    pub(super) heart: Arc<Heart>,
    /// The AI calls that run here.
    pub(super) under_way: UnderWay,
    /// Held from reading what pools have learned until it is written, so that no older state ends up over a newer one.
    pub(super) learning: tokio::sync::Mutex<()>,
    /// Housekeeping has beaten: look after the tokens.
    pub(super) token_keeper: Notify,
    /// Something was planned, or a slot is free.
    pub(super) runner: Notify,
    /// Something is owed.
    pub(super) deliverer: Notify,
    /// The runner has ended, with it every run.
    pub(super) runs_over: tokio_util::sync::CancellationToken,
}

impl Engine {
    /// Everything but the loops.
    #[must_use]
    pub fn new(
        owner: Owner,
        revision: Revision,
        ledger: Ledger,
        clock: SharedClock,
        stop: Stop,
    ) -> Self {
        let revision = Arc::new(revision);
        Self {
            read: watch::Sender::new(Arc::clone(&revision.config.files)),
            tries_once: owner.is_once(),
            owner,
            fatal: Mutex::new(None),
            ledger,
            planner_at: AtomicI64::new(to_ms(clock.now())),
            standing: Mutex::default(),
            is_full: AtomicBool::new(false),
            clock,
            stop,
            revision: watch::Sender::new(revision),
            heart: Arc::default(),
            under_way: UnderWay::default(),
            learning: tokio::sync::Mutex::default(),
            token_keeper: Notify::new(),
            runner: Notify::new(),
            deliverer: Notify::new(),
            runs_over: tokio_util::sync::CancellationToken::new(),
        }
    }

    /// The config that counts now.
    pub fn revision(&self) -> Arc<Revision> {
        self.revision.borrow().clone()
    }

    /// Takes up what the ledger knows of endpoints and tokens, so that a restart resets no rest.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub async fn restore_tokens(&self) -> Result<(), LedgerError> {
        for endpoint in self.revision().endpoints.values() {
            let known = Known::of(endpoint.client.endpoint(), &self.ledger).await?;
            known.restore(&mut endpoint.pool());
        }
        Ok(())
    }

    /// Ends the daemon: something is broken that it cannot go on with.
    pub(super) fn fail(&self, error: anyhow::Error) {
        self.fatal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
        self.stop.at_once();
    }

    /// What ended it, if something did.
    pub(super) fn failure(&self) -> Option<anyhow::Error> {
        self.fatal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Changes over to a config; running runs keep the revision they began with.
    pub(super) fn change_over(&self, revision: Revision) {
        self.revision.send_replace(Arc::new(revision));
    }

    /// The config was read again, and what came of it is in force.
    pub(super) fn was_read(&self, files: Arc<Files>) {
        self.read.send_replace(files);
    }

    /// Tells what each reading of the config read.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Files>> {
        self.read.subscribe()
    }

    /// Keeps what came of a reload.
    pub(super) fn set_reload(&self, reload: Reloaded) {
        self.standing().reload = Some(reload);
    }

    /// What came of the last reload; None: there was none.
    pub(super) fn last_reload(&self) -> Option<Reloaded> {
        self.standing().reload.clone()
    }

    /// What is due next, for the status line; true where that is news.
    pub(super) fn set_next(&self, next: Option<(JobName, Timestamp)>) -> bool {
        let mut standing = self.standing();
        let before = std::mem::replace(&mut standing.next, next);
        before != standing.next
    }

    /// What is due next.
    pub(super) fn next(&self) -> Option<(JobName, Timestamp)> {
        self.standing().next.clone()
    }

    /// Nothing new is begun until the ledger's disk has room.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// `12 jobs, next gold at 08:00`, or the error of the config that was refused.
    pub(super) fn status(&self) -> String {
        let standing = self.standing();
        let refused = standing.reload.as_ref().filter(|reload| !reload.taken);
        status::line(
            &self.revision(),
            standing.next.as_ref(),
            refused.and_then(|reload| reload.lines.first().map(String::as_str)),
            self.clock.now(),
        )
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lease_until(&self) -> Timestamp {
        self.clock.now() + LEASE
    }

    /// The planner has looked at everything that was due.
    pub(super) fn planner_moved(&self, now: Timestamp) {
        self.planner_at.store(to_ms(now), Ordering::Relaxed);
    }

    pub(super) fn planner_at(&self) -> Timestamp {
        from_ms(self.planner_at.load(Ordering::Relaxed))
    }

    /// Writes to the ledger, waiting as long as its disk is full.
    ///
    /// None: the daemon is to stop at once and there is still no room; what was to be written is
    /// found out again after the restart.
    ///
    /// # Errors
    /// Whatever else keeps the ledger from being written.
    pub(super) async fn persist<T, F>(
        &self,
        write: impl Fn() -> F,
    ) -> Result<Option<T>, LedgerError>
    where
        F: Future<Output = Result<T, LedgerError>>,
    {
        let mut waited = false;
        loop {
            match write().await {
                Ok(value) => {
                    if waited && self.is_full.swap(false, Ordering::Relaxed) {
                        info!("the ledger's disk has room again");
                        systemd::status(&self.status());
                    }
                    return Ok(Some(value));
                }
                Err(full) if full.is_full() => {
                    waited = true;
                    // Every loop that writes meets it; one line says it for all.
                    if !self.is_full.swap(true, Ordering::Relaxed) {
                        error!(error = %full, "nothing new is begun until there is room");
                        systemd::status("the ledger's disk is full: nothing new is begun");
                    }
                    // A restart would make no room.
                    systemd::alive();
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = tokio::time::sleep(ROOM_CHECK) => {}
                () = self.stop.interrupting() => return Ok(None),
            }
        }
    }
}
