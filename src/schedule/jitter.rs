//! A delay that is the same after every restart: a hash, not a die.

use std::time::Duration;

use chrono::TimeDelta;
use siphasher::sip::SipHasher24;

use crate::model::{JobName, Timestamp};

/// How long the occurrence of `scheduled_at` waits: whole milliseconds, at most `jitter`,
/// and less than the `room` until the next instant.
///
/// SipHash-2-4 with a key of zeros over the job's name in UTF-8, a byte 0xFF (which no
/// UTF-8 holds) and the instant's seconds as 8 little-endian bytes; the hash, read as a
/// fraction of 2^64, is scaled to the allowed delays. It must never change: a run planned
/// by one version is due at the same instant in the next.
pub(super) fn delay(
    job: &JobName,
    scheduled_at: Timestamp,
    jitter: Duration,
    room: Option<TimeDelta>,
) -> TimeDelta {
    let jitter = i64::try_from(jitter.as_millis()).unwrap_or(i64::MAX);
    let delays = jitter.saturating_add(1);
    let delays = room.map_or(delays, |room| delays.min(room.num_milliseconds()));
    let mut bytes = Vec::with_capacity(job.as_str().len() + 9);
    bytes.extend_from_slice(job.as_str().as_bytes());
    bytes.push(0xFF);
    bytes.extend_from_slice(&scheduled_at.timestamp().to_le_bytes());
    let hash = SipHasher24::new().hash(&bytes);
    let scaled = (u128::from(hash) * u128::from(delays.unsigned_abs())) >> 64;
    TimeDelta::milliseconds(i64::try_from(scaled).unwrap_or(i64::MAX))
}
