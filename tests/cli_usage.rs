//! The command line itself: help, version, wrong usage, and the demo that needs nothing.

#![allow(clippy::unwrap_used, reason = "a test may end at once")]

#[path = "support/process.rs"]
mod process;

use process::{Place, Signal};

const COMMANDS: [&str; 7] = ["run", "check", "next", "once", "push", "render", "demo"];

#[test]
fn help_names_every_command_and_each_has_its_own() {
    let place = Place::empty();
    let help = place.run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for command in COMMANDS {
        assert!(
            help.stdout.contains(&format!("\n  {command} ")),
            "{}",
            help.stdout
        );
        let own = place.run(&[command, "--help"]);
        assert_eq!((own.code, own.stderr.as_str()), (Some(0), ""));
        assert!(
            own.stdout.contains(&format!("Usage: promptcron {command}")),
            "{}",
            own.stdout
        );
        // A sentence on what it does stands first.
        let first = own.stdout.lines().next().unwrap();
        assert!(first.len() > 15, "{first}");
    }
    assert!(place.files().is_empty());
}

#[test]
fn the_version_names_that_of_the_zone_rules() {
    let output = Place::empty().run(&["--version"]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let form = regex::Regex::new(r"^promptcron \d+\.\d+\.\d+\ntzdata \d{4}[a-z]\n$").unwrap();
    assert!(form.is_match(&output.stdout), "{}", output.stdout);
}

#[test]
fn wrong_usage_exits_2_with_a_word_on_stderr() {
    let place = Place::empty();
    for arguments in [
        &["frobnicate"][..],
        &[],
        &["once"],
        &["next", "-n", "viele"],
        &["run", "--log-format", "xml"],
        &["once", "金价", "--wait", "3"],
    ] {
        let output = place.run(arguments);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(
            output.stderr.contains("--help") || output.stderr.contains("Usage:"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn the_demo_shows_one_push_and_ends_by_itself() {
    let place = Place::empty();
    let scratch = place.path().join("tmp");
    std::fs::create_dir(&scratch).unwrap();
    let place = place.with_env("TMPDIR", scratch.to_str().unwrap());

    let output = place.run(&["demo", "--once"]);

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(output.stderr, "");
    assert!(output.stdout.contains("stand-in AI "), "{}", output.stdout);
    assert_eq!(
        output.stdout.matches("╭─ hotine ").count(),
        1,
        "{}",
        output.stdout
    );
    assert!(
        output.stdout.contains("│ 💰 金价分析\n"),
        "{}",
        output.stdout
    );
    let (_, after) = output.stdout.rsplit_once("╰").unwrap();
    assert!(after.contains("promptcron check"), "{after}");
    // Neither a ledger nor anything else is left.
    assert_eq!(place.files(), ["tmp"]);
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
}

#[test]
fn the_demo_ends_when_it_is_interrupted() {
    let place = Place::empty();
    let demo = place.start(&["demo"]);
    demo.wait_for_line("Ctrl-C");
    let output = demo.end(Signal::INT);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
}
