//! The list of search results that kimi-free-api and its siblings append to an answer.

/// The line that the list begins with, line ends included.
const MARKER: &str = "\n搜索结果来自：\n";

/// What is before the marker; all of it where nothing is before the marker.
///
/// This is `split(marker)[0]` of the original script with its quirk: an empty first piece is
/// false there, so that an answer that is nothing but sources is left alone.
pub(super) fn cut(markdown: &str) -> &str {
    match markdown.find(MARKER) {
        None | Some(0) => markdown,
        Some(at) => &markdown[..at],
    }
}
