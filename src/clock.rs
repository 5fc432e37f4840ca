//! The clock as an argument: the system's in the daemon, one that tests move by hand.

use std::{future::Future, pin::Pin, sync::Arc};

use chrono::Utc;

use crate::model::Timestamp;

/// A future that ends at an instant.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A wall clock and its timer.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock's reading.
    fn now(&self) -> Timestamp;
    /// Ends when the wall clock, undisturbed, reaches `instant`; at once if it has passed.
    ///
    /// A step of the clock meanwhile is not noticed here: the planner's beat looks again.
    fn sleep_until(&self, instant: Timestamp) -> Sleep;
}

/// The clock as a value that is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The system's wall clock and tokio's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Utc::now()
    }

    fn sleep_until(&self, instant: Timestamp) -> Sleep {
        let wait = (instant - Utc::now()).to_std().unwrap_or_default();
        Box::pin(tokio::time::sleep(wait))
    }
}
