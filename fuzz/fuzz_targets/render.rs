//! No answer makes rendering panic, hang or forget that there was an answer.
//! `cargo +nightly fuzz run render -- -max_total_time=600 -timeout=5`

#![no_main]

use libfuzzer_sys::fuzz_target;
use promptcron::render::{Code, Links, Quotes, Sources, Style, Tables, TextOptions, page, render};

fuzz_target!(|input: (u8, &str)| {
    let (choice, markdown) = input;
    let bit = |n: u8| choice & (1 << n) != 0;
    let options = TextOptions {
        quotes: if bit(0) { Quotes::Drop } else { Quotes::Keep },
        links: if bit(1) { Links::Append } else { Links::Drop },
        code: if bit(2) { Code::Bare } else { Code::Fence },
        tables: if bit(3) {
            Tables::Records
        } else {
            Tables::Auto
        },
        ..TextOptions::default()
    };
    let sources = if bit(4) { Sources::Keep } else { Sources::Cut };
    let text = render(markdown, Style::Plain, sources, &options);
    assert_eq!(text.trim(), text, "a phone text is trimmed");
    assert_eq!(
        text.is_empty(),
        markdown.trim_start_matches('\u{FEFF}').trim().is_empty(),
        "an answer is never lost"
    );
    let classic = render(markdown, Style::Classic, sources, &options);
    assert!(
        classic.len() <= 2 * markdown.len() + 8,
        "classic writes no more than its marks"
    );
    if bit(5) {
        assert!(
            !page(markdown, None).contains("<script"),
            "a page has no script"
        );
    }
});
