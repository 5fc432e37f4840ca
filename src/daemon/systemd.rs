//! What systemd is told. Without its socket every call does nothing.

use sd_notify::NotifyState;
use tracing::debug;

/// Every loop stands.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// The daemon ends.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd could not be told");
    }
}
