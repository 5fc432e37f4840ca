//! The phone text of every recorded case, byte for byte.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path};

use promptcron::render::{Sources, Style, TextChoices, TextOptions, render};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    id: String,
    input: String,
    expected: String,
    #[serde(default)]
    options: TextChoices,
}

#[test]
fn classic_is_the_original_script() {
    check("classic.jsonl", 369, |vector| {
        render(
            &vector.input,
            Style::Classic,
            Sources::Keep,
            &TextOptions::default(),
        )
    });
}

#[test]
fn classic_cuts_the_search_trailer_as_the_original_script_does() {
    check("search-trailer.jsonl", 20, |vector| {
        render(
            &vector.input,
            Style::Markdown,
            Sources::Cut,
            &TextOptions::default(),
        )
    });
}

#[test]
fn plain_reads_as_written_for_the_phone() {
    check("phone-text.jsonl", 86, |vector| {
        render(
            &vector.input,
            Style::Plain,
            Sources::Cut,
            &vector.options.resolve(),
        )
    });
}

/// The rules of the specification beyond the recorded cases.
#[test]
fn plain_follows_each_rule() {
    check("phone-text-rules.jsonl", 700, |vector| {
        render(
            &vector.input,
            Style::Plain,
            Sources::Cut,
            &vector.options.resolve(),
        )
    });
}

/// Fails with every case that differs, at least `least` cases having been read.
fn check(file: &str, least: usize, text_of: impl Fn(&Vector) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(file);
    let lines = fs::read_to_string(&path).expect("the vectors are there");
    let mut failures = String::new();
    let mut count = 0;
    for line in lines.lines() {
        let vector: Vector = serde_json::from_str(line).expect("a vector is JSON");
        let text = text_of(&vector);
        count += 1;
        if text != vector.expected {
            let Vector {
                id,
                input,
                expected,
                ..
            } = vector;
            failures += &format!(
                "{id}\n  input    {input:?}\n  expected {expected:?}\n  got      {text:?}\n"
            );
        }
    }
    assert!(
        count >= least,
        "{file}: {count} cases, {least} at least were expected"
    );
    assert!(failures.is_empty(), "{file}:\n{failures}");
}
