//! What a command sends itself, for one run.

use std::{collections::HashMap, sync::Arc};

use chrono::TimeDelta;

use super::{super::engine::Engine, send::send_owed};
use crate::model::{RunId, Timestamp};

/// Sends what one run owes, until all of it is over or `until` has come; tells whether it is over.
///
/// # Errors
/// The ledger could not be read or written.
pub async fn deliver_run(
    engine: &Engine,
    run_id: RunId,
    targets: &[Arc<str>],
    until: Timestamp,
) -> anyhow::Result<bool> {
    loop {
        let mut granted: HashMap<&str, Timestamp> = HashMap::new();
        for target in targets {
            if let Some(at) = send_owed(engine, target, Some(run_id)).await? {
                granted.insert(target, at);
            }
        }
        let owed = engine.ledger.owed_of(run_id).await?;
        let now = engine.clock.now();
        if owed.is_empty() {
            return Ok(true);
        }
        if now >= until || engine.stop.is_stopping() {
            return Ok(false);
        }
        let wake = wake(&owed, &granted, now).min(until);
        tokio::select! {
            () = engine.clock.sleep_until(wake) => {}
            () = engine.stop.stopping() => {}
        }
    }
}

/// When to look again: what is owed to a target is sent when it is due and its server grants it.
fn wake(
    owed: &[(String, Timestamp)],
    granted: &HashMap<&str, Timestamp>,
    now: Timestamp,
) -> Timestamp {
    let at = |(target, due): &(String, Timestamp)| {
        let granted = granted.get(&**target).copied();
        granted.map_or(*due, |granted| granted.max(*due))
    };
    let next = owed.iter().map(at).min().unwrap_or(now);
    // A daemon beside the command may be sending it.
    next.max(now + TimeDelta::milliseconds(50))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_sleeps_until_a_server_grants_what_is_due() {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let after = |seconds| now + TimeDelta::seconds(seconds);
        let owed = [("phone".to_owned(), now), ("tablet".to_owned(), after(20))];
        let held = HashMap::from([("phone", after(300))]);
        assert_eq!(wake(&owed, &held, now), after(20));
        assert_eq!(wake(&owed[..1], &held, now), after(300));
        let soon = now + TimeDelta::milliseconds(50);
        assert_eq!(wake(&owed, &HashMap::new(), now), soon);
    }
}
