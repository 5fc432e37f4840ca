//! `promptcron render`: Markdown on stdin, the text of a push on stdout.

use std::io::{IsTerminal, Read, Write, stdin, stdout};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::{
    model::Language,
    render::{
        Code, Links, Part, Quotes, Sources, SplitLimits, Style, Tables, TextChoices, TextOptions,
        page, render, split, visible,
    },
};

/// What ntfy.sh shows in full on every phone, in bytes.
const NTFY_SH_BYTES: usize = 1500;

/// Shows what becomes of an answer: Markdown on stdin, the exact text on stdout.
///
/// On a terminal the parts are drawn as a phone would show them.
#[derive(Args, Clone, Debug)]
pub struct RenderArgs {
    /// How the answer becomes text.
    #[arg(long, value_enum, default_value_t)]
    pub style: Style,
    /// Whether the list of search results that some AIs append is cut.
    #[arg(long, value_enum, default_value_t)]
    pub sources: Sources,
    /// Splits the text into parts of at most this many bytes (1500 for --json and on a terminal).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(7..=4095))]
    pub max_bytes: Option<u16>,
    /// The most parts; the last one then says how much is missing.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_parts: u16,
    /// The title that the parts are numbered after.
    #[arg(long)]
    pub title: Option<String>,
    /// The language of the words promptcron adds itself.
    #[arg(long, value_enum, default_value_t)]
    pub language: Language,
    /// Prints the parts as one line of JSON: [{"title":…,"text":…,"bytes":…}, …].
    #[arg(long, conflicts_with = "html")]
    pub json: bool,
    /// Takes inputs separated by NUL and prints as many outputs, separated by NUL.
    #[arg(long)]
    pub nul: bool,
    /// Prints the answer as a web page instead.
    #[arg(long)]
    pub html: bool,
    /// Quotes: shown with a bar, or left out.
    #[arg(long, value_enum)]
    pub quotes: Option<Quotes>,
    /// The addresses of links: left out, or after their text.
    #[arg(long, value_enum)]
    pub links: Option<Links>,
    /// Fenced code: with its fences, or bare.
    #[arg(long, value_enum)]
    pub code: Option<Code>,
    /// Tables: as rows, as records, or whichever fits the phone.
    #[arg(long, value_enum)]
    pub tables: Option<Tables>,
    /// Columns of the phone.
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(10..))]
    pub width: Option<u16>,
    /// Six marks for headings of level 1 to 6, separated by commas.
    #[arg(long, value_name = "MARKS", value_parser = heading_marks)]
    pub heading_marks: Option<[String; 6]>,
}

/// One part as `--json` prints it.
#[derive(Serialize)]
struct PartLine<'p> {
    title: Option<&'p str>,
    text: &'p str,
    bytes: usize,
}

/// Renders stdin to stdout.
///
/// # Errors
/// If stdin is not UTF-8 or one of the two cannot be read or written.
pub fn run(args: RenderArgs) -> anyhow::Result<()> {
    let mut input = Vec::new();
    stdin()
        .read_to_end(&mut input)
        .context("cannot read the Markdown from stdin")?;
    let Ok(input) = String::from_utf8(input) else {
        bail!("the Markdown on stdin is not UTF-8: convert it first, for example with iconv");
    };
    let options = args.choices().resolve();
    let is_terminal = stdout().is_terminal();
    let output = |markdown| args.output(markdown, &options, is_terminal);
    let outputs: Vec<String> = if args.nul {
        input.split('\0').map(output).collect()
    } else {
        vec![output(&input)]
    };
    let mut out = stdout().lock();
    out.write_all(outputs.join("\0").as_bytes())
        .and_then(|()| out.flush())
        .context("cannot write the text to stdout")
}

impl RenderArgs {
    fn choices(&self) -> TextChoices {
        TextChoices {
            quotes: self.quotes,
            links: self.links,
            code: self.code,
            tables: self.tables,
            heading_marks: self.heading_marks.clone().map(Box::new),
            width: self.width.map(usize::from),
        }
    }

    fn output(&self, markdown: &str, options: &TextOptions, is_terminal: bool) -> String {
        if self.html {
            return page(markdown, self.title.as_deref());
        }
        let text = render(markdown, self.style, self.sources, options);
        if self.json {
            let parts = self.parts(&text);
            let lines: Vec<String> = parts.iter().map(json).collect();
            return format!("[{}]{}", lines.join(","), if self.nul { "" } else { "\n" });
        }
        if is_terminal && !self.nul {
            let parts = self.parts(&text);
            return parts
                .iter()
                .map(|part| drawn(part, options.width))
                .collect();
        }
        match self.max_bytes {
            None => text,
            Some(_) => {
                let parts = self.parts(&text);
                let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
                texts.join("\n\n")
            }
        }
    }

    fn parts(&self, text: &str) -> Vec<Part> {
        let max_bytes = self.max_bytes.map_or(NTFY_SH_BYTES, usize::from);
        let limits = SplitLimits {
            max_bytes,
            max_parts: usize::from(self.max_parts),
        };
        split(text, self.title.as_deref(), &limits, self.language)
    }
}

fn json(part: &Part) -> String {
    let line = PartLine {
        title: part.title.as_deref(),
        text: &part.text,
        bytes: part.text.len(),
    };
    serde_json::to_string(&line).expect("strings and a number are always JSON")
}

fn heading_marks(text: &str) -> Result<[String; 6], String> {
    let marks: Vec<String> = text.split(',').map(|mark| mark.trim().to_owned()).collect();
    let count = marks.len();
    marks
        .try_into()
        .map_err(|_| format!("{count} marks, six are wanted: 📌,🔷,🔶,🔸,🔹,🔹"))
}

/// A part in a frame as wide as the phone.
fn drawn(part: &Part, width: usize) -> String {
    let rule = "─".repeat(width + 2);
    let mut out = format!("╭{rule}╮\n");
    let title = part.title.iter().flat_map(|title| title.split('\n'));
    let lines = title.chain(part.text.split('\n'));
    for line in lines.flat_map(|line| wrapped(&visible(line), width)) {
        let fill = " ".repeat(width.saturating_sub(line.width()));
        out.push_str(&format!("│ {line}{fill} │\n"));
    }
    let bytes = format!(" {} bytes ", part.text.len());
    let left = (width + 2).saturating_sub(bytes.len() + 1);
    out + &format!("╰{}{bytes}─╯\n", "─".repeat(left))
}

/// A line in pieces of at most `width` columns, cut between words where they are short enough.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in line.split_word_bounds() {
        if current.width() + word.width() <= width {
            current.push_str(word);
            continue;
        }
        if word.width() <= width {
            lines.push(std::mem::replace(
                &mut current,
                word.trim_start().to_owned(),
            ));
            continue;
        }
        for grapheme in word.graphemes(true) {
            if current.width() + grapheme.width() > width {
                lines.push(std::mem::take(&mut current));
            }
            current.push_str(grapheme);
        }
    }
    lines.push(current);
    lines
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: RenderArgs,
    }

    fn output(args: &[&str], markdown: &str, is_terminal: bool) -> String {
        let args = Command::try_parse_from([&["render"], args].concat())
            .expect("valid flags")
            .args;
        args.output(markdown, &args.choices().resolve(), is_terminal)
    }

    #[test]
    fn a_pipe_gets_the_exact_text() {
        assert_eq!(output(&[], "**金价**\n", false), "金价");
        assert_eq!(
            output(&["--style", "classic"], "**金价**\n", false),
            "金价\n"
        );
        assert_eq!(
            output(&["--style", "markdown"], "**金价**\n", false),
            "**金价**\n"
        );
    }

    #[test]
    fn every_option_has_its_flag() {
        let markdown = "# 甲\n\n> 乙\n\n[丙](https://a.com)\n\n```\n丁\n```\n\n|a|\n|-|\n|b|";
        let flags = [
            "--quotes=drop",
            "--links=append",
            "--code=bare",
            "--tables=records",
            "--width=20",
            "--heading-marks=■,,,,,",
        ];
        assert_eq!(
            output(&flags, markdown, false),
            "■ 甲\n丙 (https://a.com)\n\n丁\n\n• a: b"
        );
    }

    #[test]
    fn json_lists_the_parts() {
        let json = output(
            &["--json", "--max-bytes", "7", "--title", "金"],
            "一二三四",
            false,
        );
        assert_eq!(
            json,
            "[{\"title\":\"金 (1/2)\",\"text\":\"一二\",\"bytes\":6},\
             {\"title\":\"金 (2/2)\",\"text\":\"三四\",\"bytes\":6}]\n"
        );
    }

    #[test]
    fn a_terminal_shows_a_phone() {
        insta::assert_snapshot!(output(&["--title", "金价", "--width", "12"], "今日金价上涨 2.4%，报 829 元。", true), @r"
        ╭──────────────╮
        │ 金价         │
        │ 今日金价上涨 │
        │ 2.4%，报 829 │
        │ 元。         │
        ╰─── 40 bytes ─╯
        ");
    }

    #[test]
    fn a_terminal_is_given_no_control_character() {
        let markdown = "```\n\u{1B}[31m红\u{7}\na\tb\n```";
        insta::assert_snapshot!(output(&["--width", "12"], markdown, true), @r"
        ╭──────────────╮
        │ ```          │
        │ ␛[31m红␇     │
        │ a       b    │
        │ ```          │
        ╰─── 21 bytes ─╯
        ");
        assert_eq!(output(&[], markdown, false), markdown);
    }

    #[test]
    fn marks_are_six() {
        let error = heading_marks("📌,🔷").expect_err("two are not enough");
        assert_eq!(error, "2 marks, six are wanted: 📌,🔷,🔶,🔸,🔹,🔹");
    }
}
