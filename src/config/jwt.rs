//! When a token ends, where it is a JWT that says so. Read without verifying: it is the user's own token, and all that
//! hangs on it is a warning.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use serde_json::Value;

use crate::model::Timestamp;

/// The `exp` of a JWT's payload; None for any other token.
pub(super) fn expires_at(token: &str) -> Option<Timestamp> {
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    let exp = &payload["exp"];
    // RFC 7519 lets it have a fraction.
    #[allow(clippy::cast_possible_truncation, reason = "a date far off is clamped")]
    let seconds = exp
        .as_i64()
        .or_else(|| exp.as_f64().map(|exp| exp as i64))?;
    DateTime::from_timestamp(seconds, 0).filter(|_| seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!(
            "eyJhbGciOiJIUzUxMiJ9.{}.c2ln",
            URL_SAFE_NO_PAD.encode(payload)
        )
    }

    #[test]
    fn the_exp_of_a_jwt_is_read() {
        let at = |payload: &str| expires_at(&token(payload));
        let wanted: Option<Timestamp> = "2026-12-01T00:00:00Z".parse().ok();
        assert_eq!(
            at(r#"{"iss":"user-center","exp":1796083200,"typ":"refresh"}"#),
            wanted
        );
        assert_eq!(at(r#"{"exp":1796083200.5}"#), wanted);
    }

    #[test]
    fn a_token_that_does_not_say_when_it_ends_has_no_end() {
        for payload in [
            r#"{"sub":"x"}"#,
            r#"{"exp":"soon"}"#,
            r#"{"exp":-1}"#,
            "[]",
            "no json",
            r#"{"exp":9e99}"#,
        ] {
            assert_eq!(expires_at(&token(payload)), None, "{payload}");
        }
        for opaque in ["sk-1234", "a.b", "a.b.c", "a.b.c.d", "....", "令.牌.!", ""] {
            assert_eq!(expires_at(opaque), None, "{opaque}");
        }
    }
}
