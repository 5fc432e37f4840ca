//! Under which names the page answers: a name that an attacker chose could be made to point here,
//! and his page would then read ours (DNS rebinding). Pure.

use std::net::IpAddr;

/// Whether a `Host` header names this page: an IP address, which nobody can make point elsewhere,
/// `localhost`, the public name, or one that the config lists.
pub(super) fn is_allowed(host: &str, public: Option<&str>, listed: &[String]) -> bool {
    let Some(name) = name(host) else {
        return false;
    };
    name.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || public.is_some_and(|public| public.trim_matches(['[', ']']).eq_ignore_ascii_case(&name))
        || listed.contains(&name)
}

/// The name of `name:port` or `[address]:port`, in small letters, without the root's dot.
fn name(host: &str) -> Option<String> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']')?;
            (
                name,
                port.strip_prefix(':').or(port.is_empty().then_some("0"))?,
            )
        }
        None => host.split_once(':').unwrap_or((host, "0")),
    };
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    (is_port && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_known_names_are_allowed() {
        let listed = ["promptcron.lan".to_owned()];
        let allowed = |host: &str| is_allowed(host, Some("cron.example.com"), &listed);
        for host in [
            "127.0.0.1:8080",
            "192.168.1.5",
            "[::1]:8080",
            "[::1]",
            "localhost:8080",
            "LOCALHOST",
            "Cron.Example.com",
            "cron.example.com.:443",
            "promptcron.lan:8080",
        ] {
            assert!(allowed(host), "{host}");
        }
        for host in [
            "",
            ":8080",
            "evil.example",
            "cron.example.com.evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.1:80@evil.example",
            "[::1",
            "[::1]evil.example",
            "localhost:",
            "localhost:80x",
        ] {
            assert!(!allowed(host), "{host}");
        }
    }
}
