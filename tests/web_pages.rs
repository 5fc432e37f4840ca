//! The pages as they are sent: what a browser makes of them is looked at by .ci/browser.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/web.rs"]
mod web;

use std::collections::BTreeSet;

use web::{Ask, Site};

const JOB: &str = "[[job]]\nname = \"金价/早报\"\ncron = \"0 8 29 2 *\"\nprompt = \"金价？\"\n";
const PAGE: &str = "/jobs/%E9%87%91%E4%BB%B7%2F%E6%97%A9%E6%8A%A5";

/// A site with one run that was delivered, and the path of its page.
fn with_a_run() -> (Site, String) {
    let site = Site::open(JOB);
    site.world.ai.answer_with("油价持平。");
    let begun = site.post(&format!("/api/v1{PAGE}/run"), Ask::new());
    let run = begun.json()["run"].as_i64().unwrap();
    site.world
        .wait_until("select count(*) from run where state = 'delivered'", 1);
    (site, format!("/runs/{run}"))
}

#[test]
fn words_that_stand_apart_in_a_template_stand_apart_on_the_page() {
    let (site, run) = with_a_run();
    let text = site.get(&run).text;
    assert!(text.contains("class=\"badge good\""), "{text}");
    assert!(
        text.contains(&format!("Run {}", &run["/runs/".len()..])),
        "{text}"
    );
    site.daemon.stop();
}

#[test]
fn what_did_not_arrive_is_not_among_what_the_phone_got() {
    let (site, run) = with_a_run();
    let text = site.get(&run).text;
    assert!(text.contains("<details id=\"phone\""), "{text}");
    assert!(!text.contains("<details id=\"unsent\""), "{text}");
    site.world.edit("update delivery set state = 'moved'");
    let text = site.get(&run).text;
    assert!(!text.contains("<details id=\"phone\""), "{text}");
    let (_, unsent) = text.split_once("<details id=\"unsent\"").unwrap();
    assert!(unsent.contains("Not on the phone") && unsent.contains("油价持平。"));
    site.daemon.stop();
}

#[test]
fn every_link_on_a_page_leads_to_one() {
    let (site, run) = with_a_run();
    let mut links = BTreeSet::new();
    for path in ["/", PAGE, &run, "/tokens", "/targets", "/config"] {
        let text = site.get(path).text;
        let found = text.split("href=\"/").skip(1);
        links.extend(found.map(|rest| format!("/{}", rest.split('"').next().unwrap())));
    }
    assert!(links.contains(PAGE) && links.contains(&run), "{links:?}");
    for link in links {
        assert_eq!(site.get(&link).status, 200, "{link}");
    }
    site.daemon.stop();
}

/// The address of a job's feed, as its page has it.
fn feed_of(site: &Site) -> String {
    let text = site.get(PAGE).text;
    let link = text.split("type=\"application/atom+xml\" href=\"").nth(1);
    link.unwrap().split('"').next().unwrap().to_owned()
}

#[test]
fn a_feed_has_what_rfc_4287_demands_and_the_answers_as_html() {
    const ATOM: &str = "http://www.w3.org/2005/Atom";
    let (site, run) = with_a_run();
    site.world
        .ai
        .answer_with("# 行情 & <b>\n\n**涨** <script>alert(1)</script>");
    site.post(&format!("/api/v1{PAGE}/run"), Ask::new());
    site.world
        .wait_until("select count(*) from run where state = 'delivered'", 2);
    // What no XML can hold, however it is written.
    (site.world).edit("update content set answer = answer || char(1) || char(65535)");
    let reply = site.get(&feed_of(&site));
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        "application/atom+xml; charset=utf-8"
    );
    let document = roxmltree::Document::parse(&reply.text).unwrap();
    let feed = document.root_element();
    assert!(feed.has_tag_name((ATOM, "feed")));
    let child = |of: roxmltree::Node<'_, '_>, name: &str| {
        let mut found = of.children().filter(|node| node.has_tag_name((ATOM, name)));
        let node = found.next().unwrap_or_else(|| panic!("no {name}"));
        node.text().unwrap_or_default().to_owned()
    };
    let entries: Vec<_> = feed
        .children()
        .filter(|node| node.has_tag_name((ATOM, "entry")))
        .collect();
    assert_eq!(entries.len(), 2);
    let mut ids = BTreeSet::new();
    for node in entries.iter().copied().chain([feed]) {
        assert!(child(node, "id").starts_with("urn:uuid:"));
        ids.insert(child(node, "id"));
        assert!(!child(node, "title").is_empty());
        let updated = child(node, "updated");
        assert!(
            chrono::DateTime::parse_from_rfc3339(&updated).is_ok(),
            "{updated}"
        );
    }
    assert_eq!(ids.len(), 3);
    assert!(
        feed.descendants()
            .any(|node| node.has_tag_name((ATOM, "author")))
    );
    let links: Vec<_> = feed
        .descendants()
        .filter(|node| node.has_tag_name((ATOM, "link")))
        .map(|node| {
            (
                node.attribute("rel").unwrap(),
                node.attribute("href").unwrap(),
            )
        })
        .collect();
    assert!(links.contains(&("self", &format!("{}{}", site.base, feed_of(&site)))));
    assert!(links.contains(&("alternate", &format!("{}{run}", site.base))));
    let html = child(entries[0], "content");
    assert!(
        html.contains("<strong>涨</strong>") && !html.contains("<script"),
        "{html}"
    );
    // What a reader has already is not sent again, and each entry keeps its id.
    let known = Ask::new().header("if-none-match", reply.header("etag"));
    let again = site.send(reqwest::Method::GET, &feed_of(&site), known);
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    site.daemon.stop();
}

#[test]
fn a_feed_needs_no_login_but_its_own_address() {
    let site = Site::guarded(JOB);
    let bearer = Ask::new().bearer(web::TOKEN);
    let page = site.send(reqwest::Method::GET, PAGE, bearer).text;
    let link = page.split("type=\"application/atom+xml\" href=\"").nth(1);
    let feed = link.unwrap().split('"').next().unwrap();
    assert_eq!(site.get(feed).status, 200);
    let key = feed.split('/').nth(2).unwrap();
    for forged in [feed.replace(key, "AAAA"), format!("/f/{key}/other")] {
        assert_eq!(site.get(&forged).status, 403, "{forged}");
    }
    site.daemon.stop();
}

#[test]
fn the_page_of_tokens_tells_how_often_each_was_asked_with() {
    let site = Site::open(JOB);
    let model = "model = \"gpt-test\"";
    // A JSON Web Token that ends with the year 2098.
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQwNzA5MDg4MDB9.c2lnbmF0dXJl";
    let tokens =
        format!("{model}\ntokens = [\"{token}\"]\nquota = {{ rounds = 30, per = \"3h\" }}");
    site.world.edit_config(model, &tokens);
    assert_eq!(site.world.run(&["reload"]).code, Some(0));
    site.world.ai.answer_with("油价持平。");
    site.post(&format!("/api/v1{PAGE}/run"), Ask::new());
    site.world
        .wait_until("select count(*) from run where state = 'delivered'", 1);
    let text = site.get("/tokens").text;
    for wanted in [
        "<td data-label=\"Requests, 24 h\">1</td>",
        "<td data-label=\"Left of the quota\">29</td>",
        "2099-01-01",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains(token));
    let config = site.get("/config").text;
    assert!(config.contains("<dt>keep</dt><dd>90d</dd>"), "{config}");
    site.daemon.stop();
}
