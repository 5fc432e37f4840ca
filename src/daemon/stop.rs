//! The stop signal: first drain, then at once.

use std::sync::Arc;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Two steps: stop claiming and drain; interrupt what still runs. Clones are one signal.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    drain: CancellationToken,
    interrupt: CancellationToken,
}

impl Stop {
    /// Stop claiming; what runs may finish.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Interrupt what runs.
    pub fn at_once(&self) {
        self.drain.cancel();
        self.interrupt.cancel();
    }

    /// True once the daemon is asked to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// True once what runs must end.
    #[must_use]
    pub fn is_interrupting(&self) -> bool {
        self.interrupt.is_cancelled()
    }

    /// Ends when the daemon is asked to stop.
    pub async fn stopping(&self) {
        self.drain.cancelled().await;
    }

    /// Ends when what runs must end.
    pub async fn interrupting(&self) {
        self.interrupt.cancelled().await;
    }

    /// Ties it to TERM and INT: the first drains, the second interrupts. HUP ends nothing, and is
    /// passed on to `hup`.
    ///
    /// # Errors
    /// The signals could not be listened to.
    pub fn on_signals(&self, on_hup: Arc<Notify>) -> std::io::Result<()> {
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let mut hup = signal(SignalKind::hangup())?;
        let stop = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = term.recv() => stop.signalled("TERM"),
                    _ = int.recv() => stop.signalled("INT"),
                    _ = hup.recv() => on_hup.notify_one(),
                }
            }
        });
        Ok(())
    }

    fn signalled(&self, name: &str) {
        if self.is_stopping() {
            info!(signal = name, "second signal: stopping at once");
            self.at_once();
        } else {
            info!(
                signal = name,
                "stopping: running AI calls may finish; a second signal stops at once"
            );
            self.drain();
        }
    }
}
