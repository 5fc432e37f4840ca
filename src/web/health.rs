//! Whether the daemon lives, from its signs of life in the ledger. Pure.

use chrono::TimeDelta;

use crate::{
    ledger::Beat,
    model::{Timestamp, from_ms},
};

/// Three housekeeping beats and a little: one may be late.
const SILENCE: TimeDelta = TimeDelta::seconds(35);

/// Only a daemon whose planner and ledger moved a moment ago lives.
///
/// # Errors
/// Why it does not.
pub fn judge(beat: Option<&Beat>, now: Timestamp) -> Result<(), String> {
    let beat = beat.ok_or("no daemon has run on this ledger yet")?;
    if beat.stopped_at.is_some() {
        return Err("the daemon has stopped".into());
    }
    for (what, at) in [
        ("ledger was last written", beat.beat_at),
        ("planner last moved", beat.planner_at),
    ] {
        let age = now - from_ms(at);
        if age > SILENCE {
            return Err(format!(
                "the {what} {} s ago: the daemon is gone, stuck, or its disk is full (see its log)",
                age.num_seconds()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::model::to_ms;

    fn beat(age_s: i64, planner_age_s: i64, now: Timestamp) -> Beat {
        Beat {
            owner: "daemon-1".into(),
            started_at: 0,
            beat_at: to_ms(now - TimeDelta::seconds(age_s)),
            planner_at: to_ms(now - TimeDelta::seconds(planner_age_s)),
            stopped_at: None,
        }
    }

    #[test]
    fn only_a_daemon_whose_planner_and_ledger_moved_is_healthy() {
        let now = Utc::now();
        assert_eq!(judge(Some(&beat(10, 11, now)), now), Ok(()));
        assert!(
            judge(Some(&beat(60, 61, now)), now)
                .unwrap_err()
                .contains("ledger")
        );
        assert!(
            judge(Some(&beat(1, 60, now)), now)
                .unwrap_err()
                .contains("planner")
        );
        assert!(judge(None, now).is_err());
        let stopped = Beat {
            stopped_at: Some(1),
            ..beat(1, 1, now)
        };
        assert!(judge(Some(&stopped), now).unwrap_err().contains("stopped"));
    }
}
