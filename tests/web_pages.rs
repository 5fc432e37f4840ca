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
