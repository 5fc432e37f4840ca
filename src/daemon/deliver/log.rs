//! The line that a run's end is in the log.

use tracing::{error, info};

use crate::{
    ledger::Completed,
    model::{Timestamp, from_ms},
};

/// An instant as the log shows it.
pub(in super::super) fn shown(instant: Timestamp) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The one line that each run logs at its end.
pub(super) fn completed(run: &Completed) {
    let scheduled_at = shown(from_ms(run.scheduled_at));
    let (asked_ms, pushed_ms) = (run.asked_ms.unwrap_or(0), run.pushed_ms.unwrap_or(0));
    let token = run.token_label.as_deref().unwrap_or("none");
    let (job, id, bytes, parts) = (&run.job, run.run_id, run.bytes, run.parts);
    match &run.reason {
        None => info!(
            job,
            run = id,
            scheduled_at,
            asked_ms,
            pushed_ms,
            bytes,
            parts,
            token,
            "delivered"
        ),
        Some(reason) => error!(
            job,
            run = id,
            scheduled_at,
            asked_ms,
            pushed_ms,
            bytes,
            parts,
            token,
            reason,
            "failed"
        ),
    }
}
