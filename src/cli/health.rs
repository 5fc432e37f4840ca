//! `promptcron health`: exit 0 while the daemon's planner and ledger live.

use anyhow::anyhow;
use chrono::Utc;

use super::{Failure, out::say, records::Records};
use crate::{ledger::Access, web::health};

/// Says whether the daemon lives, from the signs of life in its ledger.
pub(super) fn run(records: &Records) -> Result<(), Failure> {
    let beat = records.with(Access::Read, async |ledger| ledger.last_beat().await)?;
    match health::judge(beat.as_ref(), Utc::now()) {
        Ok(()) => {
            say!("ok");
            Ok(())
        }
        Err(why) => Err(Failure::Work(anyhow!("not ok: {why}"))),
    }
}
