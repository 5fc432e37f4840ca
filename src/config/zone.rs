//! Time zones by their IANA names.

use chrono_tz::{TZ_VARIANTS, Tz};

use super::{env::Env, suggest};

/// Reads an IANA name such as `Asia/Shanghai`.
pub(super) fn parse(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| {
        let near = meant(name).map_or_else(
            || "write a place's name such as \"Asia/Shanghai\", or \"UTC\"".to_owned(),
            |zone| format!("did you mean {zone:?}?"),
        );
        format!("{name:?} is not a time zone of the IANA database; {near}")
    })
}

/// The zone that was probably meant.
fn meant(name: &str) -> Option<&'static str> {
    let zones = || TZ_VARIANTS.iter().map(|zone| zone.name());
    let lower = name.trim().to_lowercase().replace(' ', "_");
    if lower.ends_with("beijing") {
        // China's capital has no zone of its own in the database.
        return Some("Asia/Shanghai");
    }
    zones()
        .find(|zone| {
            zone.rsplit('/')
                .next()
                .is_some_and(|city| city.to_lowercase() == lower)
        })
        .or_else(|| suggest::nearest(&lower, zones().filter(|zone| zone.contains('/'))))
}

/// The zone that `TZ` names; None where it is unset, or a file or a rule of its own such as `CST-8`.
pub(super) fn from_env(env: &dyn Env) -> Option<Tz> {
    let value = env.non_empty("TZ")?;
    value.strip_prefix(':').unwrap_or(&value).parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_wrong_zone_names_the_right_one() {
        for (wrong, right) in [
            ("Asia/Shangai", "Asia/Shanghai"),
            ("shanghai", "Asia/Shanghai"),
            ("Asia/Beijing", "Asia/Shanghai"),
            ("europe/berlin", "Europe/Berlin"),
            ("New York", "America/New_York"),
        ] {
            let message = parse(wrong).unwrap_err();
            assert!(
                message.ends_with(&format!("did you mean {right:?}?")),
                "{message}"
            );
        }
    }

    #[test]
    fn tz_counts_only_where_it_names_a_zone() {
        for (value, wanted) in [
            ("Asia/Shanghai", Some(Tz::Asia__Shanghai)),
            (":Europe/Berlin", Some(Tz::Europe__Berlin)),
            (":/etc/localtime", None),
            ("CST-8", None),
            ("", None),
        ] {
            let env = BTreeMap::from([("TZ".to_owned(), value.to_owned())]);
            assert_eq!(from_env(&env), wanted, "{value}");
        }
    }
}
