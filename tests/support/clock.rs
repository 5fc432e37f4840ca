//! A clock that tests move by hand: whoever sleeps until an instant wakes when it is set past it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use promptcron::{
    clock::{Clock, Sleep},
    model::Timestamp,
};
use tokio::sync::watch;

/// The clock. It stands still but for [`FakeClock::set`].
pub struct FakeClock {
    now: watch::Sender<Timestamp>,
    sleepers: std::sync::Arc<Sleepers>,
}

#[derive(Default)]
struct Sleepers {
    asleep: watch::Sender<()>,
    next: AtomicU64,
    until: Mutex<std::collections::BTreeMap<u64, Timestamp>>,
}

impl FakeClock {
    pub fn at(now: Timestamp) -> Self {
        Self {
            now: watch::Sender::new(now),
            sleepers: std::sync::Arc::default(),
        }
    }

    /// Moves it; who is due wakes.
    pub fn set(&self, now: Timestamp) {
        self.now.send_replace(now);
    }

    /// Ends when somebody lies down who had not when this was called.
    pub fn somebody_sleeps(&self) -> impl Future<Output = ()> + use<> {
        let sleepers = self.sleepers.clone();
        let mut asleep = sleepers.asleep.subscribe();
        asleep.mark_unchanged();
        async move {
            // The clock outlives whoever looks at it.
            asleep.changed().await.ok();
            drop(sleepers);
        }
    }

    /// Until when each sleeper sleeps, those left out that are due and only have to wake.
    pub fn sleepers(&self) -> Vec<Timestamp> {
        let now = self.now();
        let until = self.sleepers.until.lock().expect("no panic under the lock");
        until
            .values()
            .copied()
            .filter(|until| *until > now)
            .collect()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn sleep_until(&self, instant: Timestamp) -> Sleep {
        let mut now = self.now.subscribe();
        let sleeper = Sleeper::new(self.sleepers.clone(), instant);
        Box::pin(async move {
            let _sleeper = sleeper;
            // The clock outlives its sleepers.
            now.wait_for(|now| *now >= instant).await.ok();
        })
    }
}

/// Registered for as long as the sleep lasts.
struct Sleeper {
    sleepers: std::sync::Arc<Sleepers>,
    id: u64,
}

impl Sleeper {
    fn new(sleepers: std::sync::Arc<Sleepers>, until: Timestamp) -> Self {
        let id = sleepers.next.fetch_add(1, Ordering::Relaxed);
        sleepers
            .until
            .lock()
            .expect("no panic under the lock")
            .insert(id, until);
        sleepers.asleep.send_replace(());
        Self { sleepers, id }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let mut until = self.sleepers.until.lock().expect("no panic under the lock");
        until.remove(&self.id);
    }
}
