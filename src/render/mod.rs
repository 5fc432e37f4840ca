//! From an AI's Markdown to the text a phone shows, and its parts. Pure.
//!
//! - `classic`: byte for byte the script promptcron began with.
//! - `plain`: the default, on a real Markdown parser.
//! - `split`: a text to parts that each fit one message.
//! - `page`: an answer as a web page.

mod classic;
mod fence;
mod options;
mod page;
mod plain;
mod split;
mod trailer;
mod visible;

pub use options::{Code, Links, Quotes, Sources, Style, Tables, TextChoices, TextOptions};
pub use page::{html, html_without_images, page};
pub use split::{Attached, Long, Part, SplitLimits, attach, split, truncate};
pub use visible::visible;

/// The lines of a text, as `split('\n')` has them: a faster one, for what is done to every answer
/// more than once.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr::memchr(b'\n', text.as_bytes()) else {
            return rest.take();
        };
        rest = Some(&text[end + 1..]);
        Some(&text[..end])
    })
}

/// An answer's Markdown without what the model wrote for itself before it: `<think>…</think>` and the like.
#[must_use]
pub fn without_thinking(markdown: &str) -> &str {
    let answer = plain::thinking::cut(markdown);
    if answer.len() == markdown.len() {
        return markdown;
    }
    answer.trim_start()
}

/// The text that a phone shows for an answer.
///
/// `options` matter to the plain style alone. No input is an error: where nothing would be left
/// of an answer, its Markdown is shown as it is.
#[must_use]
pub fn render(markdown: &str, style: Style, sources: Sources, options: &TextOptions) -> String {
    let cut = match sources {
        Sources::Cut => trailer::cut(markdown),
        Sources::Keep => markdown,
    };
    match style {
        Style::Plain => plain::render(markdown, sources, options),
        Style::Classic => classic::render(cut),
        Style::Markdown => cut.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_those_between_line_ends(text in "[a\n金\r]{0,12}") {
            let expected: Vec<&str> = text.split('\n').collect();
            prop_assert_eq!(lines(&text).collect::<Vec<_>>(), expected);
        }
    }
}
