//! Durations as people write them: `15m`, `1h 30m`, `90d`.

use std::time::Duration;

/// A hundred years: beyond it arithmetic on instants could overflow, and nobody means it.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Reads a duration; zero is one.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty; write a duration such as \"15m\" or \"1h 30m\"".to_owned());
    }
    if text.chars().all(|char| char.is_ascii_digit()) {
        return Err(format!(
            "a duration needs a unit: write \"{text}s\" or \"15m\""
        ));
    }
    if text.contains('M') {
        // humantime reads M as months: 15M would be more than a year.
        return Err(format!(
            "{text:?} is ambiguous; write m for minutes or \"months\""
        ));
    }
    let duration = humantime::parse_duration(text).map_err(|_| {
        format!(
            "{text:?} is no duration; write numbers with units: \"90s\", \"15m\", \"1h 30m\", \"90d\""
        )
    })?;
    if duration > LONGEST {
        return Err(format!(
            "{text:?} is too long; at most 100 years are allowed"
        ));
    }
    Ok(duration)
}

/// A duration as a file has it: `90d`, `1h 30m`; in no unit of which two are not equally long.
pub(super) fn words(duration: Duration) -> String {
    const UNITS: [(u128, &str); 7] = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    let mut rest = duration.as_nanos();
    let mut words = Vec::new();
    for (size, unit) in UNITS {
        if rest >= size {
            words.push(format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    match words.is_empty() {
        true => "0s".to_owned(),
        false => words.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_written() {
        for (text, seconds) in [
            ("15m", 900),
            ("1h 30m", 5_400),
            (" 90d ", 7_776_000),
            ("1h30m", 5_400),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn durations_are_told_as_they_are_written() {
        for text in ["90d", "365d", "1h 30m", "25s", "0s", "250ms"] {
            assert_eq!(words(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "15",
            "0",
            "15M",
            "m",
            "-5m",
            "15 parsecs",
            "999999y",
            "1h:30m",
            "十分钟",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
