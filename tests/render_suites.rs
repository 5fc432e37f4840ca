//! Suites that others wrote: the examples of `CommonMark` and of GitHub's Markdown.
//!
//! An example passes if the visible words of its reference HTML are, in order, among the words of
//! the phone text. Examples with raw HTML are left out: what of it is visible is our own decision.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::print_stdout,
    reason = "the figures of the suites are worth seeing"
)]

use std::{fs, path::Path};

use promptcron::render::{Sources, Style, Tables, TextOptions, render};
use regex::Regex;

struct Example {
    number: usize,
    section: String,
    markdown: String,
    html: String,
}

/// Why an example may lose words: its stars are shown, and a star joins no words.
const SINGLE: &str = "a star between ASCII letters or digits is multiplication, not emphasis";
const DOUBLE: &str = "two stars between ASCII letters or digits on both sides are a power";

#[test]
fn commonmark_examples_keep_their_words() {
    let allowed = [
        (355, SINGLE),
        (356, SINGLE),
        (370, SINGLE),
        (411, DOUBLE),
        (429, SINGLE),
    ];
    check("commonmark-0.31.2.txt", 652, &allowed);
}

#[test]
fn gfm_examples_keep_their_words() {
    let allowed = [
        (364, SINGLE),
        (365, SINGLE),
        (379, SINGLE),
        (420, DOUBLE),
        (438, SINGLE),
    ];
    check("gfm-0.29.txt", 670, &allowed);
}

fn check(file: &str, least: usize, allowed: &[(usize, &str)]) {
    let (examples, html) = (examples(file), Html::new());
    assert!(
        examples.len() >= least,
        "{file}: {} examples, {least} were expected",
        examples.len()
    );
    let options = TextOptions {
        tables: Tables::Rows,
        ..TextOptions::default()
    };
    let (mut checked, mut failures, mut report): (_, Vec<usize>, _) =
        (0, Vec::new(), String::new());
    for example in examples.iter().filter(|example| !html.is_raw(example)) {
        let text = render(&example.markdown, Style::Plain, Sources::Keep, &options);
        let visible = html.visible(&example.html);
        let wanted = words(&visible);
        checked += 1;
        if !is_subsequence(&wanted, &words(&text)) {
            failures.push(example.number);
            let Example {
                number,
                section,
                markdown,
                ..
            } = example;
            report += &format!(
                "{number} ({section})\n  {markdown:?}\n  wanted {wanted:?}\n  got {text:?}\n"
            );
        }
    }
    let kept = 100.0 * (checked - failures.len()) as f64 / checked as f64;
    println!("{file}: {checked} examples, {kept:.1} % keep all words; the others:");
    allowed
        .iter()
        .for_each(|(number, reason)| println!("  {number}: {reason}"));
    let allowed: Vec<usize> = allowed.iter().map(|(number, _)| *number).collect();
    assert!(
        kept >= 99.0,
        "{file}: only {kept:.1} % keep all words\n{report}"
    );
    assert_eq!(
        failures, allowed,
        "{file}: other examples lose words than those listed\n{report}"
    );
}

/// The examples of a specification: 32 backticks, Markdown, a dot, HTML.
fn examples(file: &str) -> Vec<Example> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors/commonmark")
        .join(file);
    let text = fs::read_to_string(path).expect("the specification is there");
    let text = text
        .split("\n<!-- END TESTS -->")
        .next()
        .unwrap_or_default();
    let fence = "`".repeat(32);
    let (mut examples, mut section, mut number) = (Vec::new(), String::new(), 0);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix('#') {
            section = heading.trim_start_matches('#').trim().to_owned();
        }
        let Some(kind) = line
            .strip_prefix(&fence)
            .and_then(|rest| rest.strip_prefix(" example"))
        else {
            continue;
        };
        number += 1;
        let mut until = |end: &str| -> String {
            let part = lines.by_ref().take_while(|line| *line != end);
            part.map(|line| line.replace('→', "\t") + "\n").collect()
        };
        let (markdown, html) = (until("."), until(&fence));
        if !kind.contains("disabled") {
            examples.push(Example {
                number,
                section: section.clone(),
                markdown,
                html,
            });
        }
    }
    examples
}

/// The patterns of HTML that the checker needs, compiled once.
struct Html {
    own_tag: Regex,
    any_tag: Regex,
    inline: Regex,
    image: Regex,
    tag: Regex,
}

impl Html {
    fn new() -> Self {
        let pattern = |text: &str| Regex::new(text).expect("a pattern");
        let own = "p|h[1-6]|ul|ol|li|blockquote|pre|code|em|strong|a|img|hr|br|table|thead|tbody|tr|td|th|del|input";
        Self {
            own_tag: pattern(&format!(r"^</?(?:{own})\b")),
            any_tag: pattern("<[a-zA-Z!?/][^>]*"),
            inline: pattern("</?(?:em|strong|a|code|del)(?: [^>]*)?>"),
            image: pattern(r#"<img [^>]*alt="([^"]*)"[^>]*>"#),
            tag: pattern("<[^>]*>"),
        }
    }

    fn is_raw(&self, example: &Example) -> bool {
        let is_section = matches!(example.section.as_str(), "HTML blocks" | "Raw HTML");
        let mut tags = self.any_tag.find_iter(&example.html);
        is_section || tags.any(|tag| !self.own_tag.is_match(tag.as_str()))
    }

    /// What a browser would show of HTML, the words of images included.
    fn visible(&self, html: &str) -> String {
        let html = self.image.replace_all(html, " $1 ");
        let html = self.inline.replace_all(&html, "");
        html_escape::decode_html_entities(&self.tag.replace_all(&html, "\n")).into_owned()
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect()
}

fn is_subsequence(wanted: &[&str], words: &[&str]) -> bool {
    let mut words = words.iter();
    wanted.iter().all(|wanted| words.any(|word| word == wanted))
}
