//! Parts fit, none is blank, and together they hold every character that is not white space.
//! `cargo +nightly fuzz run split -- -max_total_time=600 -timeout=5`

#![no_main]

use libfuzzer_sys::fuzz_target;
use promptcron::{
    model::Language,
    render::{SplitLimits, split},
};

fuzz_target!(|input: (u8, u8, &str)| {
    let (max_bytes, max_parts, text) = input;
    let max_bytes = usize::from(max_bytes).max(7);
    let all = SplitLimits {
        max_bytes,
        max_parts: usize::MAX,
    };
    let parts = split(text, Some("t"), &all, Language::Zh);
    let words = |text: &str| text.split_whitespace().collect::<String>();
    let joined: String = parts.iter().map(|part| words(&part.text)).collect();
    assert_eq!(joined, words(text), "nothing but white space is lost");
    let few = SplitLimits {
        max_bytes,
        max_parts: usize::from(max_parts),
    };
    let some = split(text, None, &few, Language::En);
    assert!(some.len() <= few.max_parts.max(1));
    for part in parts.iter().chain(&some) {
        assert!(
            part.text.len() <= max_bytes,
            "{part:?} is longer than {max_bytes}"
        );
        assert!(!part.text.trim().is_empty(), "a part is never blank");
    }
});
