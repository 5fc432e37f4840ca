//! Whether a change was asked for by our own page: what browsers say of where a request comes
//! from, as they have done for years. Whoever says nothing is no browser. Pure.

use axum::http::{HeaderMap, header};
use url::Url;

use super::super::refusal::Refusal;

/// Refuses a change that another site's page asks for.
pub(super) fn check(headers: &HeaderMap, public: Option<&Url>) -> Result<(), Refusal> {
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_ours = match (says("sec-fetch-site"), says("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = says(header::HOST.as_str()).unwrap_or_default();
            is_own_origin(origin, host, public)
        }
        (None, None) => true,
    };
    is_ours.then_some(()).ok_or_else(Refusal::foreign)
}

fn is_own_origin(origin: &str, host: &str, public: Option<&Url>) -> bool {
    let own = |scheme| origin.eq_ignore_ascii_case(&format!("{scheme}://{host}"));
    let is_public = public.is_some_and(|url| url.origin().ascii_serialization() == origin);
    !host.is_empty() && (own("http") || own("https")) || is_public
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_let_in(said: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.insert(*name, value.parse().unwrap());
        }
        let public = Url::parse("https://cron.example.com/").unwrap();
        check(&headers, Some(&public)).is_ok()
    }

    #[test]
    fn only_our_own_pages_may_change_anything() {
        let host = ("host", "127.0.0.1:8080");
        for said in [
            vec![host],
            vec![host, ("sec-fetch-site", "same-origin")],
            vec![host, ("sec-fetch-site", "none")],
            vec![host, ("origin", "http://127.0.0.1:8080")],
            vec![host, ("origin", "https://cron.example.com")],
        ] {
            assert!(is_let_in(&said), "{said:?}");
        }
        for said in [
            vec![host, ("sec-fetch-site", "cross-site")],
            vec![host, ("sec-fetch-site", "same-site")],
            vec![
                host,
                ("sec-fetch-site", "cross-site"),
                ("origin", "http://127.0.0.1:8080"),
            ],
            vec![host, ("origin", "http://127.0.0.1:8081")],
            vec![host, ("origin", "https://evil.example")],
            vec![host, ("origin", "null")],
            vec![("origin", "http://")],
        ] {
            assert!(!is_let_in(&said), "{said:?}");
        }
    }
}
