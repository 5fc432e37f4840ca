//! Instants as people write and read them.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;

use crate::model::Timestamp;

/// Reads an instant: RFC 3339, or a date or a date and time on the zone's wall clock.
///
/// # Errors
/// What is allowed, for a text that is none of these.
pub(super) fn parse(text: &str, zone: Tz) -> anyhow::Result<Timestamp> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.to_utc());
    }
    let wall = [
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
    ]
    .iter()
    .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    .or_else(|| Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN)));
    let wall = wall.ok_or_else(|| {
        anyhow::anyhow!(
            "`{text}` is no instant: write 2026-12-24T08:00 (in {zone}) or 2026-12-24T08:00:00Z"
        )
    })?;
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => Ok(instant.to_utc()),
        LocalResult::None => anyhow::bail!("{text} does not exist in {zone}: the clock skips it"),
    }
}

/// `2026-11-24 Tue 08:00:00 +08:00`, in a zone.
pub(super) fn local(instant: Timestamp, zone: Tz) -> String {
    let local = instant.with_timezone(&zone);
    local.format("%Y-%m-%d %a %H:%M:%S %:z").to_string()
}

/// `2026-11-23T00:00:00Z`; with milliseconds only where there are some.
pub(super) fn utc(instant: Timestamp) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_in_the_zone_unless_it_names_its_own() {
        let zone = chrono_tz::Asia::Shanghai;
        let eight = "2026-12-24T00:00:00Z".parse::<Timestamp>().unwrap();
        for text in [
            "2026-12-24T08:00",
            "2026-12-24 08:00:00",
            "2026-12-24T00:00:00Z",
            "2026-12-24T09:00:00+09:00",
        ] {
            assert_eq!(parse(text, zone).unwrap(), eight, "{text}");
        }
        assert_eq!(
            parse("2026-12-24", zone).unwrap() + chrono::TimeDelta::hours(8),
            eight
        );
        assert!(parse("tomorrow", zone).is_err());
    }
}
