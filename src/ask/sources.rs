//! kimi's search results, told apart from the text. Pure.
//!
//! An answer that is sent whole has them in a list at its end. In a stream they come as chunks of their own, before
//! the text and amid it. Both are read strictly: what is not exactly their form stays text.

use serde::{Deserialize, Serialize};

/// What stands between an answer and its list.
const MARKER: &str = "\n\n搜索结果来自：\n";
/// What a line of it begins with.
const BEGIN: &str = "【检索 ";

/// One page that an answer is based on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// As the service counts them: `[^1^]` in the text means number 1.
    pub number: u32,
    /// The page's title.
    pub title: String,
    /// Its address.
    pub url: String,
}

impl Source {
    /// As a Markdown link.
    #[must_use]
    pub fn markdown(&self) -> String {
        let title = match self.title.trim() {
            "" => &self.url,
            title => title,
        };
        let mut link = "[".to_owned();
        for char in title.chars() {
            match char {
                '[' | ']' | '\\' => link.extend(['\\', char]),
                '\r' | '\n' => link.push(' '),
                char => link.push(char),
            }
        }
        format!("{link}](<{}>)", self.url)
    }
}

/// An answer that was sent whole and its list, where what follows the marker is such a list to the very end.
pub(super) fn split_trailer(text: &str) -> (&str, Vec<Source>) {
    let cut = text
        .rfind(MARKER)
        .and_then(|at| Some((&text[..at], list(&text[at + MARKER.len()..])?)));
    cut.unwrap_or((text, Vec::new()))
}

/// The entries of a list; None where anything else is in it.
fn list(text: &str) -> Option<Vec<Source>> {
    let mut entries: Vec<String> = Vec::new();
    for line in text.lines() {
        match entries.last_mut() {
            _ if line.starts_with(BEGIN) => entries.push(line.to_owned()),
            // Titles are as their pages have them, line breaks too.
            Some(entry) => {
                entry.push('\n');
                entry.push_str(line);
            }
            None => return None,
        }
    }
    let entries: Option<Vec<_>> = entries.iter().map(|line| entry(line.trim_end())).collect();
    entries.filter(|entries| !entries.is_empty())
}

/// Reads `【检索 1】 [title](url)`. Nothing is escaped there: a title may hold brackets, an address parentheses.
fn entry(line: &str) -> Option<Source> {
    let (number, rest) = line.strip_prefix(BEGIN)?.split_once("】 [")?;
    let number = number.parse().ok()?;
    let rest = rest.strip_suffix(')')?;
    let splits = || {
        rest.match_indices("](")
            .map(|(at, _)| (&rest[..at], &rest[at + 2..]))
    };
    let is_address = |url: &str| !url.is_empty() && !url.contains(char::is_whitespace);
    let is_url = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    let (title, url) = splits()
        .find(|(_, url)| is_url(url) && is_address(url))
        .or_else(|| splits().last().filter(|(_, url)| is_address(url)))?;
    Some(Source {
        number,
        title: title.to_owned(),
        url: url.to_owned(),
    })
}

/// The search results of a stream, which come as lines of their own with a line break before the text that follows.
#[derive(Clone, Debug, Default)]
pub(super) struct SearchLines {
    /// Results were the last thing that came.
    has_searched: bool,
}

impl SearchLines {
    /// Takes the results that a chunk begins with; the rest of it is text.
    pub(super) fn take<'t>(&mut self, chunk: &'t str, sources: &mut Vec<Source>) -> &'t str {
        let known = sources.len();
        let mut rest = chunk;
        while let Some((line, after)) = rest.split_once('\n')
            && let Some(source) = entry(line)
        {
            sources.push(source);
            rest = after;
        }
        // A title with a line break in it.
        if sources.len() == known
            && let Some(source) = chunk.strip_suffix('\n').and_then(entry)
        {
            sources.push(source);
            rest = "";
        }
        self.has_searched |= sources.len() > known;
        if rest.is_empty() || !std::mem::take(&mut self.has_searched) {
            return rest;
        }
        rest.strip_prefix('\n').unwrap_or(rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(number: u32, title: &str, url: &str) -> Source {
        Source {
            number,
            title: title.to_owned(),
            url: url.to_owned(),
        }
    }

    fn whole(text: &str, sources: &[Source]) -> String {
        let entry = |s: &Source| format!("【检索 {}】 [{}]({})\n\n", s.number, s.title, s.url);
        let list: String = sources.iter().map(entry).collect();
        match list.is_empty() {
            true => text.to_owned(),
            false => format!("{text}{MARKER}{list}"),
        }
    }

    fn gathered(chunks: &[&str]) -> (String, Vec<Source>) {
        let (mut lines, mut sources) = (SearchLines::default(), Vec::new());
        let text = chunks.iter().map(|chunk| lines.take(chunk, &mut sources));
        (text.collect(), sources)
    }

    #[test]
    fn a_list_at_the_end_is_told_apart_with_brackets_and_parentheses_in_it() {
        let text = "答案[^1^]。\n\n搜索结果来自：\n【检索 1】 [新华网：某条新闻](https://news.example.com/1)\n\n【检索 2】 [A [bracketed] title](https://example.org/p?q=1&r=(2))\n\n【检索 3】 [知乎 - 如何看待](https://zhuanlan.example.cn/p/123)\n\n";
        let (answer, sources) = split_trailer(text);
        assert_eq!(answer, "答案[^1^]。");
        assert_eq!(
            sources,
            [
                source(1, "新华网：某条新闻", "https://news.example.com/1"),
                source(2, "A [bracketed] title", "https://example.org/p?q=1&r=(2)"),
                source(3, "知乎 - 如何看待", "https://zhuanlan.example.cn/p/123"),
            ]
        );
    }

    #[test]
    fn what_is_not_wholly_a_list_at_the_end_stays_text() {
        for text in [
            "没有来源",
            "答案\n\n搜索结果来自：\n百度和谷歌。",
            "答案\n\n搜索结果来自：\n【检索 1】 [题](https://a.example/1)\n\n以上（供参考)",
            "答案\n\n搜索结果来自：\n【检索 1】 题",
            "答案\n\n搜索结果来自：\n",
            "答案\n搜索结果来自：\n【检索 1】 [题](https://a.example/1)",
        ] {
            assert_eq!(split_trailer(text), (text, Vec::new()), "{text}");
        }
    }

    #[test]
    fn a_title_with_a_line_break_is_one_entry() {
        let wanted = [
            source(1, "上\n下", "https://a.example/1"),
            source(2, "乙", "/2"),
        ];
        let whole = whole("答", &wanted);
        assert_eq!(split_trailer(&whole), ("答", wanted.to_vec()));
        let (text, sources) = gathered(&[
            "【检索 1】 [上\n下](https://a.example/1)\n",
            "【检索 2】 [乙](/2)\n",
            "\n答",
        ]);
        assert_eq!((text.as_str(), &sources[..]), ("答", &wanted[..]));
    }

    #[test]
    fn the_lines_of_a_stream_are_told_apart_before_the_text_and_amid_it() {
        let chunks = [
            "【检索 1】 [甲](https://a.example/(1))\n",
            "【检索 2】 [乙 [2]](https://a.example/2)\n",
            "\n今日",
            "金价",
            "【检索 3】 [丙](https://a.example/3)\n",
            "\n上涨。",
        ];
        let (text, sources) = gathered(&chunks);
        assert_eq!(text, "今日金价上涨。");
        let urls: Vec<_> = sources.iter().map(|source| source.url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "https://a.example/(1)",
                "https://a.example/2",
                "https://a.example/3"
            ]
        );
    }

    #[test]
    fn lines_and_text_that_a_proxy_put_into_one_chunk_are_told_apart() {
        let (text, sources) = gathered(&[
            "【检索 1】 [甲](https://a.example/1)\n【检索 2】 [乙](https://a.example/2)\n\n答",
            "案",
        ]);
        assert_eq!((text.as_str(), sources.len()), ("答案", 2));
    }

    #[test]
    fn a_source_is_a_link_whatever_its_title_and_address_hold() {
        let link = source(2, "A [b]\nc", "https://example.org/p?r=(2)").markdown();
        assert_eq!(link, r"[A \[b\] c](<https://example.org/p?r=(2)>)");
        let bare = source(1, " ", "https://a.example/").markdown();
        assert_eq!(bare, "[https://a.example/](<https://a.example/>)");
    }

    #[test]
    fn text_that_speaks_of_search_results_stays_text() {
        for chunk in [
            "【检索 1】 ",
            "【检索 一】 [甲](https://a.example)\n",
            "见【检索 1】 [甲](https://a.example)\n",
            "【检索 1】 [甲](https://a.example)",
        ] {
            assert_eq!(
                gathered(&[chunk]),
                (chunk.to_owned(), Vec::new()),
                "{chunk}"
            );
        }
    }

    proptest! {
        #[test]
        fn an_answer_is_the_same_whole_and_streamed(
            pieces in prop::collection::vec("[甲乙 a-z*#()\\[\\]\n]{1,6}", 1..6),
            titles in prop::collection::vec("[甲乙a-z ()\\[\\]]{0,8}", 0..5),
            later in 0..5_usize,
        ) {
            let sources: Vec<_> = titles.iter().zip(1..).map(|(title, n)| source(n, title, &format!("https://a.example/{n}?(x)"))).collect();
            let line = |s: &Source| format!("【检索 {}】 [{}]({})\n", s.number, s.title, s.url);
            let later = later.min(sources.len());
            let mut chunks: Vec<String> = sources[..later].iter().map(line).collect();
            for (n, piece) in pieces.iter().enumerate() {
                if n == pieces.len() / 2 {
                    chunks.extend(sources[later..].iter().map(line));
                }
                let after_search = chunks.last().is_some_and(|chunk| chunk.starts_with(BEGIN));
                chunks.push(format!("{}{piece}", if after_search { "\n" } else { "" }));
            }
            let chunks: Vec<_> = chunks.iter().map(String::as_str).collect();
            let whole = whole(&pieces.concat(), &sources);
            let (text, listed) = split_trailer(&whole);
            prop_assert_eq!(gathered(&chunks), (text.to_owned(), listed));
        }
    }
}
