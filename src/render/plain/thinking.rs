//! What a model wrote for itself before its answer.

use memchr::memmem;

use super::code::CodeLines;

/// The text without its thinking.
///
/// A block counts at the very start only, after white space. A closing tag that nothing opened
/// takes what is before it along. Elsewhere such tags are text, and an opening tag that nothing
/// closes loses the tag alone: an empty push helps nobody.
pub(in crate::render) fn cut(text: &str) -> &str {
    let mut rest = cut_kimi(text);
    loop {
        rest = match begin(rest) {
            Begin::Closed(after) => after,
            Begin::Open(inside) => return inside,
            Begin::Other => match cut_orphan(rest) {
                Some(after) => after,
                None => return rest,
            },
        };
    }
}

/// How a text begins.
enum Begin<'t> {
    /// With a thinking block; what follows it.
    Closed(&'t str),
    /// With an opening tag that nothing closes; what follows the tag.
    Open(&'t str),
    Other,
}

/// After `开始思考`, its lines, and `思考结束` or `思考完成`, each alone on its line.
fn cut_kimi(text: &str) -> &str {
    let start = text.trim_start();
    let Some(mut rest) = start.strip_prefix("开始思考\n") else {
        return text;
    };
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if matches!(line.trim_end(), "思考结束" | "思考完成") {
            return after;
        }
        rest = after;
    }
    text
}

fn begin(text: &str) -> Begin<'_> {
    let Some((is_long, inside)) = text.trim_start().strip_prefix("<think").and_then(name_end)
    else {
        return Begin::Other;
    };
    let closing = if is_long { "</thinking>" } else { "</think>" };
    match inside.split_once(closing) {
        Some((_, after)) => Begin::Closed(after),
        None => Begin::Open(inside),
    }
}

/// After a closing tag that nothing before it opened, unless it stands in code.
fn cut_orphan(text: &str) -> Option<&str> {
    let (before, after) = text.split_at(memmem::find(text.as_bytes(), b"</think")?);
    let (_, after) = name_end(&after["</think".len()..])?;
    let is_orphan = !before.contains("<think>") && !before.contains("<thinking>");
    (is_orphan && !ends_in_code(before)).then_some(after)
}

/// Whether a tag is the long one, and what follows it; from after `<think`.
fn name_end(text: &str) -> Option<(bool, &str)> {
    let long = text.strip_prefix("ing>").map(|after| (true, after));
    long.or_else(|| text.strip_prefix('>').map(|after| (false, after)))
}

/// True where the text ends inside a code block or between backticks.
fn ends_in_code(text: &str) -> bool {
    let line = text.rsplit('\n').next().unwrap_or(text);
    line.matches('`').count() % 2 == 1 || CodeLines::parsed(text).holds_last()
}
