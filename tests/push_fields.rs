//! Every field of ntfy's publishing: a job's before its target's, checked by a server that knows ntfy's rules.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/ai.rs"]
mod ai;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/ntfy.rs"]
mod ntfy;

use daemon::World;

const TARGET: &str = r#"
[ntfy.phone]
server = "NTFY"
topic = "hotine"
title = "target"
priority = "low"
tags = ["robot"]
click = "https://example.com/target"
attach = "https://example.com/target.png"
filename = "target.png"
icon = "https://example.com/target-icon.png"
actions = [{ action = "copy", label = "抄", value = "801" }]
delay = "1h"
email = "phil@example.com"
call = true
markdown = true
firebase = false
"#;

const JOB: &str = "[[job]]\nname = \"gold\"\nevery = \"100d\"\nprompt = \"金价？\"\n";

/// What is posted, with the id that differs each time taken out.
fn posted(target: &str, job: &str, answer: &str) -> Vec<String> {
    let world = World::with("", target, &format!("{JOB}{job}"));
    world.ai.answer_with(answer);
    let ran = world.run(&["once", "gold"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let kept = world.texts("select group_concat(message) from delivery");
    assert!(!kept[0].contains("SECRET-7"), "{kept:?}");
    let ids = regex::Regex::new("pc-[0-9a-f]{32}").unwrap();
    let bodies = world.ntfy.publishes();
    let bodies = bodies.iter().map(|request| request.text());
    bodies
        .map(|body| ids.replace(body, "ID").into_owned())
        .collect()
}

#[test]
fn a_target_gives_what_its_job_leaves_open() {
    let bodies = posted(TARGET, "", "涨");
    insta::assert_snapshot!(bodies.join("\n"), @r#"{"topic":"hotine","message":"涨","title":"target","priority":2,"tags":["robot"],"click":"https://example.com/target","actions":[{"action":"copy","label":"抄","value":"801"}],"attach":"https://example.com/target.png","filename":"target.png","icon":"https://example.com/target-icon.png","markdown":true,"delay":"60m","email":"phil@example.com","call":"yes","firebase":"no","sequence_id":"ID"}"#);
}

#[test]
fn a_jobs_own_values_stand_before_its_targets() {
    let job = r#"
topic = "gold"
title = "job"
priority = 5
tags = ["💰"]
click = "geo:0,0"
attach = "https://example.com/job.png"
icon = "https://example.com/job-icon.png"
actions = [
    { action = "http", label = "关", url = "https://example.com/off", method = "PUT", headers = { Authorization = "Bearer SECRET-7" }, body = "{}", clear = true },
    { action = "broadcast", label = "灯", intent = "com.example.LIGHT", extras = { cmd = "on" } },
    { action = "view", label = "开", url = "https://example.com" },
]
delay = "9am"
email = "jo@example.com"
call = "+4930123456"
markdown = false
firebase = true
"#;
    let bodies = posted(TARGET, job, "涨");
    insta::assert_snapshot!(bodies.join("\n"), @r#"{"topic":"gold","message":"涨","title":"job","priority":5,"tags":["moneybag"],"click":"geo:0,0","actions":[{"action":"http","label":"关","url":"https://example.com/off","method":"PUT","headers":{"Authorization":"Bearer SECRET-7"},"body":"{}","clear":true},{"action":"broadcast","label":"灯","intent":"com.example.LIGHT","extras":{"cmd":"on"}},{"action":"view","label":"开","url":"https://example.com"}],"attach":"https://example.com/job.png","icon":"https://example.com/job-icon.png","delay":"9am","email":"jo@example.com","call":"+4930123456","sequence_id":"ID"}"#);
}

#[test]
fn what_acts_comes_once_for_a_long_answer() {
    let target = format!("{TARGET}max_bytes = 100\ncache = true\n");
    let long = "金价今日上涨，每克801.5元，走势平稳。\n\n近期成交清淡，市场等待数据，建议观望。";
    let bodies = posted(&target, "", long);
    let with = |field: &str| bodies.iter().filter(|body| body.contains(field)).count();
    assert_eq!(bodies.len(), 2);
    assert_eq!(
        (with("\"call\""), with("\"attach\""), with("\"filename\"")),
        (1, 1, 1)
    );
    assert_eq!((with("\"actions\""), with("\"email\"")), (1, 1));
    assert_eq!((with("\"icon\""), with("\"delay\"")), (2, 2));
    assert!(bodies[1].contains("\"actions\""), "part 1 is sent last");
}

#[test]
fn what_is_not_to_be_kept_says_so() {
    let target =
        "[ntfy.phone]\nserver = \"NTFY\"\ntopic = \"hotine\"\ncache = false\nfirebase = false\n";
    let bodies = posted(target, "", "涨");
    insta::assert_snapshot!(bodies.join("\n"), @r#"{"topic":"hotine","message":"涨","cache":"no","firebase":"no","sequence_id":"ID"}"#);
}
