//! Who may see and change what, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/web.rs"]
mod web;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use daemon::{SOON, eventually};
use reqwest::Method;
use web::{Ask, Reply, Site, TOKEN};

/// Nothing in it is due while a test runs.
const JOB: &str = "[[job]]\nname = \"金价/早报\"\ncron = \"0 8 29 2 *\"\nprompt = \"金价？\"\n";
const PAUSE: &str = "/jobs/%E9%87%91%E4%BB%B7%2F%E6%97%A9%E6%8A%A5/pause";

fn log_in(site: &Site) -> Reply {
    let reply = site.post(
        "/login",
        Ask::new().form(&format!("token={TOKEN}&next=/tokens")),
    );
    assert_eq!(
        (reply.status.as_u16(), reply.header("location")),
        (303, "/tokens")
    );
    reply
}

#[test]
fn nothing_but_probes_is_seen_without_the_token() {
    let site = Site::guarded(JOB);
    for path in ["/", "/tokens", "/targets", "/config", "/runs/1", "/jobs/x"] {
        let reply = site.get(path);
        assert_eq!(reply.status, 303, "{path}");
        assert!(
            reply.header("location").starts_with("/login?next="),
            "{path}"
        );
        assert_eq!(reply.text, "");
    }
    // A button of a page that has been open for too long leads back to that page.
    for (change, page) in [("/jobs/x/run", "%2Fjobs%2Fx"), ("/logout", "%2F")] {
        let reply = site.post(change, Ask::new());
        let wanted = format!("/login?next={page}");
        assert_eq!(
            (reply.status.as_u16(), reply.header("location")),
            (303, &*wanted)
        );
    }
    for path in [
        "/metrics",
        "/api/v1/jobs",
        "/api/v1/openapi.json",
        "/api/none",
    ] {
        let reply = site.get(path);
        assert_eq!(reply.status, 401, "{path}");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        assert!(reply.json()["error"].is_string());
    }
    for path in ["/healthz", "/readyz", "/login"] {
        assert_eq!(site.get(path).status, 200, "{path}");
    }
    let right = Ask::new().bearer(TOKEN);
    assert_eq!(site.send(Method::GET, "/metrics", right).status, 200);
    site.daemon.stop();
}

#[test]
fn a_session_lasts_across_restarts_until_it_is_ended() {
    let mut site = Site::guarded(JOB);
    let reply = log_in(&site);
    let set = reply.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    let cookie = reply.cookie();
    let ask = || Ask::new().header("cookie", &cookie);
    site.daemon.stop();
    site = Site::on(site.world);
    let page = site.send(Method::GET, "/", ask());
    assert_eq!(page.status, 200);
    assert!(page.text.contains("金价/早报"));
    // Nothing of it that would let another in is on the page or in the ledger.
    let secret = cookie.split('=').nth(1).unwrap();
    assert!(!page.text.contains(secret) && !page.text.contains(TOKEN));
    let kept = format!("select count(*) from web_session where hash like '%{secret}%'");
    assert_eq!(site.world.number(&kept), 0);
    let logout = site.post("/logout", ask().form(&format!("csrf={}", page.csrf())));
    assert_eq!(
        (logout.status.as_u16(), logout.header("location")),
        (303, "/login")
    );
    assert_eq!(site.send(Method::GET, "/", ask()).status, 303);
    site.daemon.stop();
}

#[test]
fn a_changed_token_ends_every_session() {
    let site = Site::guarded(JOB);
    let cookie = log_in(&site).cookie();
    let ask = || Ask::new().header("cookie", &cookie);
    assert_eq!(site.send(Method::GET, "/", ask()).status, 200);
    site.world.edit_config(TOKEN, "another-token-of-this-test");
    assert_eq!(site.world.run(&["reload"]).code, Some(0));
    assert_eq!(site.send(Method::GET, "/", ask()).status, 303);
    let old = Ask::new().bearer(TOKEN);
    assert_eq!(site.send(Method::GET, "/metrics", old).status, 401);
    site.daemon.stop();
}

#[test]
fn a_form_without_the_signature_of_this_session_changes_nothing() {
    let site = Site::guarded(JOB);
    let (mine, other) = (log_in(&site).cookie(), log_in(&site).cookie());
    let page =
        |cookie: &str| site.send(Method::GET, "/config", Ask::new().header("cookie", cookie));
    let foreign = page(&other).csrf();
    for body in ["", "csrf=", "csrf=AAAA", &format!("csrf={foreign}")] {
        let reply = site.post(PAUSE, Ask::new().header("cookie", &mine).form(body));
        assert_eq!(reply.status, 403, "{body}");
    }
    assert_eq!(
        site.world
            .number("select count(*) from job where paused_at is not null"),
        0
    );
    let right = format!("csrf={}", page(&mine).csrf());
    let reply = site.post(PAUSE, Ask::new().header("cookie", &mine).form(&right));
    assert_eq!(reply.status, 303, "{}", reply.text);
    assert_eq!(
        site.world
            .number("select count(*) from job where paused_at is not null"),
        1
    );
    site.daemon.stop();
}

#[test]
fn another_sites_page_changes_nothing_even_where_no_token_is_needed() {
    let site = Site::open(JOB);
    let csrf = site.get("/config").csrf();
    let api = "/api/v1/jobs/%E9%87%91%E4%BB%B7%2F%E6%97%A9%E6%8A%A5/pause";
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let form = Ask::new().header(name, value).form(&format!("csrf={csrf}"));
        assert_eq!(site.post(PAUSE, form).status, 403, "{value}");
        let reply = site.post(api, Ask::new().header(name, value));
        assert_eq!(reply.status, 403, "{value}");
        assert!(reply.text.contains("another site"));
    }
    assert_eq!(site.post(PAUSE, Ask::new().form("")).status, 403);
    assert_eq!(
        site.world
            .number("select count(*) from job where paused_at is not null"),
        0
    );
    assert_eq!(site.post(api, Ask::new()).status, 200);
    site.daemon.stop();
}

#[test]
fn a_name_that_is_not_its_own_is_refused() {
    let public = format!(
        "token = \"{TOKEN}\"\npublic_url = \"https://cron.example.com\"\nhosts = [\"cron.lan\"]"
    );
    let site = Site::with(&public, JOB);
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
    ] {
        let reply = site.send(Method::GET, "/login", Ask::new().header("host", host));
        assert_eq!(reply.status, 421, "{host}");
        assert!(reply.text.contains("hosts"), "{}", reply.text);
    }
    for host in ["localhost:1", "cron.lan", "cron.example.com", "[::1]:80"] {
        let reply = site.send(Method::GET, "/login", Ask::new().header("host", host));
        assert_eq!(reply.status, 200, "{host}");
    }
    // A probe or a scraper may call it what it likes: neither can be made to by a page.
    let probe = Ask::new().header("host", "promptcron-7f9c:8080");
    assert_eq!(
        site.send(Method::GET, "/healthz", probe.clone()).status,
        200
    );
    assert_eq!(
        site.send(Method::GET, "/metrics", probe.bearer(TOKEN))
            .status,
        200
    );
    let secure = Ask::new()
        .header("host", "cron.example.com")
        .form(&format!("token={TOKEN}"));
    assert!(
        site.post("/login", secure)
            .header("set-cookie")
            .contains("; Secure")
    );
    site.daemon.stop();
}

#[test]
fn who_guesses_tokens_is_slowed_down() {
    let site = Site::guarded(JOB);
    let guess = |n: usize| match n % 2 {
        0 => site.post("/login", Ask::new().form(&format!("token=guess-{n}"))),
        _ => site.send(
            Method::GET,
            "/metrics",
            Ask::new().bearer(&format!("guess-{n}")),
        ),
    };
    let mut statuses: Vec<u16> = (0..15).map(|n| guess(n).status.as_u16()).collect();
    assert_eq!(statuses[0], 401);
    statuses.dedup();
    assert_eq!(statuses, [401, 429]);
    let right = site.post("/login", Ask::new().form(&format!("token={TOKEN}")));
    assert_eq!(right.status, 429);
    site.daemon.wait_for_line("a wrong token");
    site.daemon.stop();
}

#[test]
fn every_reply_forbids_what_no_page_needs() {
    let site = Site::open(JOB);
    for path in [
        "/",
        "/healthz",
        "/api/v1/jobs",
        "/static/style.css",
        "/none",
    ] {
        let reply = site.get(path);
        let policy = reply.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
    }
    for path in ["/", "/tokens", "/targets", "/config", "/none"] {
        let text = site.get(path).text;
        for inline in ["<style", " style=", "onclick", "javascript:"] {
            assert!(!text.contains(inline), "{path}: {inline}");
        }
    }
    site.daemon.stop();
}

#[test]
fn bodies_and_heads_are_bounded() {
    let site = Site::open(JOB);
    let large = format!("csrf={}", "a".repeat(100_000));
    assert_eq!(site.post(PAUSE, Ask::new().form(&large)).status, 413);
    let json = format!("{{\"until\":\"{}\"}}", "a".repeat(100_000));
    let api = "/api/v1/jobs/x/pause";
    assert_eq!(site.post(api, Ask::new().json(&json)).status, 413);
    let head = Ask::new().header("x-long", &"a".repeat(20_000));
    assert_eq!(site.send(Method::GET, "/", head).status, 431);
    site.daemon.stop();
}

#[test]
fn open_connections_do_not_keep_it_from_stopping() {
    let site = Site::open(JOB);
    let address = site.base.strip_prefix("http://").unwrap();
    let mut idle: Vec<TcpStream> = (0..50)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for stream in &mut idle {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: 127").unwrap();
    }
    assert_eq!(site.get("/healthz").status, 200);
    site.daemon.stop();
    for stream in &mut idle {
        stream.set_read_timeout(Some(SOON)).unwrap();
        // Closed, in order or not.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
    }
    eventually("the port is closed", || {
        TcpStream::connect(address).is_err()
    });
}
