//! An engine for the tests of the loops: a clock that stands still, a ledger in a folder of its own.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Engine, Owner, Revision, Stop};
use crate::{
    clock::{Clock, Sleep},
    config::{self, Config, SystemEnv},
    ledger::{Access, Ledger},
    model::Timestamp,
};

/// A clock that moves when it is told to, and counts how often it is read.
pub(super) struct Hand {
    now: Mutex<Timestamp>,
    pub(super) readings: AtomicUsize,
}

impl Hand {
    pub(super) fn at(now: &str) -> Arc<Self> {
        Arc::new(Self {
            now: Mutex::new(now.parse().unwrap()),
            readings: AtomicUsize::new(0),
        })
    }

    pub(super) fn set(&self, now: &str) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now.parse().unwrap();
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        self.readings.fetch_add(1, Ordering::Relaxed);
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(&self, instant: Timestamp) -> Sleep {
        if instant <= self.now() {
            return Box::pin(std::future::ready(()));
        }
        Box::pin(std::future::pending())
    }
}

/// A job `gold` that is due daily at 08:00 UTC; nobody listens at its endpoints.
pub(super) fn config(folder: &Path, job: &str) -> Config {
    let text = format!(
        "timezone = \"UTC\"\n[ai.kimi]\napi = \"kimi\"\nbase_url = \"http://127.0.0.1:9\"\n\
         tokens = \"TOKEN1\"\n[ntfy.phone]\nserver = \"http://127.0.0.1:9\"\ntopic = \"hotine\"\n\
         [[job]]\nname = \"gold\"\ncron = \"0 8 * * *\"\nprompt = \"金价？\"\n{job}\n"
    );
    let file = folder.join("config.toml");
    let mut config = config::parse(&text, &file, Timestamp::UNIX_EPOCH, &SystemEnv).unwrap();
    config.ledger.0 = folder.join("ledger.db");
    config
}

/// A daemon's engine as it stands before its loops start.
pub(super) async fn engine(folder: &Path, job: &str, clock: Arc<dyn Clock>) -> Arc<Engine> {
    engine_of(config(folder, job), clock).await
}

/// The same of a whole config.
pub(super) async fn engine_of(config: Config, clock: Arc<dyn Clock>) -> Arc<Engine> {
    let ledger = Ledger::open(&config.ledger.0, Access::Write).await.unwrap();
    let revision = Revision::new(config).unwrap();
    let stop = Stop::default();
    Arc::new(Engine::new(Owner::daemon(), revision, ledger, clock, stop))
}
