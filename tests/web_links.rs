//! The links that pushes carry: what they open, for how long, and what they keep to themselves.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;
#[path = "support/web.rs"]
mod web;

use daemon::{SOON, eventually};
use web::{Ask, Site, TOKEN};

const PUBLIC: &str = "https://cron.example.com/";

fn site(web: &str, job: &str) -> Site {
    let public = format!("token = \"{TOKEN}\"\npublic_url = \"{PUBLIC}\"\n{web}");
    let jobs = format!(
        "[[job]]\nname = \"金价/早报\"\ncron = \"0 8 29 2 *\"\nprompt = \"要问的话\"\n{job}"
    );
    Site::with(&public, &jobs)
}

/// Runs the job, and returns what a tap on its push opens.
fn click_of_a_run(site: &Site) -> String {
    site.world.ai.answer_with("**油价**持平。");
    let run = "/api/v1/jobs/%E9%87%91%E4%BB%B7%2F%E6%97%A9%E6%8A%A5/run";
    let before = site.world.ntfy.messages("gold").len();
    assert_eq!(site.post(run, Ask::new().bearer(TOKEN)).status, 202);
    let messages = site.world.ntfy.wait_for(before + 1, SOON);
    let message = messages.last().unwrap();
    message["click"].as_str().unwrap().to_owned()
}

fn path_of(click: &str) -> String {
    let path = click.strip_prefix(PUBLIC);
    format!("/{}", path.unwrap_or_else(|| panic!("{click}")))
}

#[test]
fn a_tap_on_a_push_opens_its_run_without_a_login_and_nothing_else() {
    let site = site("", "");
    let path = path_of(&click_of_a_run(&site));
    let page = site.get(&path);
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(
        page.text.contains("<strong>油价</strong>持平。"),
        "{}",
        page.text
    );
    // Neither what was asked, nor with which token, nor a way to change anything.
    for kept in ["要问的话", "<form", "csrf", "phone", "/runs/", "/jobs/"] {
        assert!(!page.text.contains(kept), "{kept}: {}", page.text);
    }
    assert_eq!(site.get("/runs/1").status, 303);
    assert_eq!(site.post(&path, Ask::new()).status, 405);
    let cancel = site.post(&format!("{path}/cancel"), Ask::new());
    assert_eq!(cancel.status, 404);
    site.daemon.stop();
}

#[test]
fn a_forged_link_opens_a_page_that_says_so_alone() {
    let site = site("", "");
    let mine = path_of(&click_of_a_run(&site));
    let other = path_of(&click_of_a_run(&site));
    let (_, signature) = other.rsplit_once('.').unwrap();
    let (head, _) = mine.rsplit_once('.').unwrap();
    let told = |path: &str| {
        let page = site.get(path);
        assert_eq!(page.status, 403, "{path}");
        page.text
    };
    let forged = told(&format!("{head}.{signature}"));
    assert!(forged.contains("This link is not valid"), "{forged}");
    // The same for a run that is there and for one that never was.
    for path in ["/r/1", "/r/1.99999999999.AAAA", "/r/999.1.AAAA", "/r/%00"] {
        assert_eq!(told(path), forged, "{path}");
    }
    let chinese = Ask::new().header("accept-language", "zh-CN");
    let page = site.send(reqwest::Method::GET, "/r/1", chinese);
    assert!(page.text.contains("链接无效"), "{}", page.text);
    site.daemon.stop();
}

#[test]
fn a_link_is_over_after_its_time_and_with_its_token() {
    let site = site("link_for = \"1s\"", "");
    let path = path_of(&click_of_a_run(&site));
    eventually("the link is over", || site.get(&path).status == 410);
    let page = site.get(&path).text;
    assert!(page.contains("Link expired"), "{page}");
    assert!(!page.contains("金价") && !page.contains("油价"), "{page}");
    site.world.edit_config(TOKEN, "another-token-of-this-test");
    assert_eq!(site.world.run(&["reload"]).code, Some(0));
    assert_eq!(site.get(&path).status, 403);
    site.daemon.stop();
}

#[test]
fn a_jobs_own_click_stays_its_own() {
    let site = site("", "click = \"https://example.com/gold\"");
    assert_eq!(click_of_a_run(&site), "https://example.com/gold");
    site.daemon.stop();
}

#[test]
fn the_notice_of_a_failed_run_opens_it_too() {
    let site = site("", "");
    let refused = ai::Reply::openai_error(400, "invalid_request_error", "太长");
    site.world.ai.reply_with(refused);
    let run = "/api/v1/jobs/%E9%87%91%E4%BB%B7%2F%E6%97%A9%E6%8A%A5/run";
    assert_eq!(site.post(run, Ask::new().bearer(TOKEN)).status, 202);
    let messages = site.world.ntfy.wait_for(1, SOON);
    let page = site.get(&path_of(messages[0]["click"].as_str().unwrap()));
    assert_eq!(page.status, 200);
    assert!(page.text.contains("太长"), "{}", page.text);
    site.daemon.stop();
}

/// The buttons of a push, by their labels.
fn button(site: &Site, label: &str) -> String {
    let messages = site.world.ntfy.messages("gold");
    let actions = messages.last().unwrap()["actions"].as_array().unwrap();
    let action = actions.iter().find(|action| action["label"] == label);
    let action = action.unwrap_or_else(|| panic!("no {label} in {actions:?}"));
    assert_eq!(action["action"], "http");
    path_of(action["url"].as_str().unwrap())
}

const BUTTONS: &str = "actions = [\"again\", \"pause\"]";

#[test]
fn the_buttons_of_a_push_ask_again_and_pause_without_a_login() {
    let site = site("", BUTTONS);
    click_of_a_run(&site);
    let (again, pause) = (button(&site, "Ask again"), button(&site, "Pause"));
    // ntfy's web app asks from its own site, and sees what came of it.
    let foreign = || Ask::new().header("origin", "https://ntfy.sh");
    let begun = site.post(&again, foreign());
    assert_eq!(begun.status, 202, "{}", begun.text);
    assert_eq!(begun.header("access-control-allow-origin"), "*");
    site.world.ntfy.wait_for(2, SOON);
    let paused = "select count(*) from job where paused_at is not null";
    assert_eq!(site.world.number(paused), 0);
    assert_eq!(site.post(&pause, foreign()).status, 200);
    assert_eq!(site.world.number(paused), 1);
    site.daemon.stop();
}

#[test]
fn each_button_does_its_one_thing_by_a_press_and_for_a_time() {
    let site = site("link_for = \"1s\"", BUTTONS);
    let read = path_of(&click_of_a_run(&site));
    let (again, pause) = (button(&site, "Ask again"), button(&site, "Pause"));
    // Looking at one, as apps do for a preview, does nothing.
    assert_eq!(site.get(&again).status, 405);
    for (of, to) in [
        (&read, "/a/pause/"),
        (&read, "/a/again/"),
        (&again, "/a/pause/"),
        (&pause, "/a/again/"),
        (&pause, "/r/"),
    ] {
        let link = of.rsplit('/').next().unwrap();
        let path = format!("{to}{link}");
        let status = match to {
            "/r/" => site.get(&path).status,
            _ => site.post(&path, Ask::new()).status,
        };
        assert_eq!(status, 403, "{path}");
    }
    eventually("the button is over", || {
        site.post(&pause, Ask::new()).status == 410
    });
    assert_eq!(site.post(&again, Ask::new()).status, 410);
    assert_eq!(site.world.number("select count(*) from run"), 1);
    site.daemon.stop();
}

#[test]
fn a_second_press_does_not_ask_twice() {
    let site = site("", BUTTONS);
    click_of_a_run(&site);
    let again = button(&site, "Ask again");
    let gate = ai::Gate::closed();
    site.world.ai.next(ai::Reply::Held(
        gate.clone(),
        Box::new(ai::Reply::Answer("油价上涨。".to_owned())),
    ));
    assert_eq!(site.post(&again, Ask::new()).status, 202);
    assert_eq!(site.post(&again, Ask::new()).status, 409);
    gate.open();
    site.world.ntfy.wait_for(2, SOON);
    assert_eq!(site.world.number("select count(*) from run"), 2);
    site.daemon.stop();
}
