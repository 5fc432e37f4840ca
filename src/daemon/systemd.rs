//! What systemd is told. Without its socket every call does nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// Every loop stands.
pub(super) fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins; systemd wants to know when, by the monotonic clock.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "the monotonic clock cannot be read"),
    }
}

/// A reload is over, well or not: the daemon runs.
pub(super) fn reloaded(status: &str) {
    ready(status);
}

/// One line for `systemctl status`.
pub(super) fn status(status: &str) {
    notify(&[NotifyState::Status(status)]);
}

/// Planner and ledger have moved.
pub(super) fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// The daemon ends.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// How often systemd wants to hear that the daemon lives, if at all.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd could not be told");
    }
}
