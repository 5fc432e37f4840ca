//! How fast phone text is made: `cargo bench --bench text -- [corpus FILE | pathological]`.
//!
//! `bench/text/run` runs this beside the programs it is compared with.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../bench/corpus.rs"]
mod corpus;

use std::{
    env, fs,
    hint::black_box,
    time::{Duration, Instant},
};

use comrak::{Arena, Options, nodes::NodeValue, parse_document};
use corpus::corpus;
use promptcron::render::{Sources, SplitLimits, Style, TextOptions, page, render, split};

/// The size of the corpus in bytes.
const BYTES: usize = 1_000_000;
const RUNS: usize = 15;

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.first().map(String::as_str) {
        Some("pathological") => pathological(),
        Some("corpus") => fs::write(&args[1], corpus(BYTES)).expect("the corpus can be written"),
        _ => throughput(),
    }
}

fn throughput() {
    let corpus = corpus(BYTES);
    // The plain style takes 256 kB at most: whole answers are what it gets in life.
    let pieces = pieces(&corpus, 100_000);
    let options = TextOptions::default();
    let each = |work: &dyn Fn(&str) -> usize| pieces.iter().map(|piece| work(piece)).sum();
    let limits = SplitLimits {
        max_bytes: 1500,
        max_parts: 10_000,
    };
    report(
        corpus.len(),
        &[
            ("classic", &|| {
                render(&corpus, Style::Classic, Sources::Keep, &options).len()
            }),
            ("plain", &|| {
                each(&|piece| render(piece, Style::Plain, Sources::Keep, &options).len())
            }),
            ("comrak-walk", &|| each(&walk)),
            ("split", &|| {
                split(&corpus, None, &limits, Default::default()).len()
            }),
            ("page", &|| each(&|piece| page(piece, None).len())),
        ],
    );
}

fn pieces(text: &str, size: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(size));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// A bare walk over comrak's tree that only joins the text: what parsing costs in any case.
fn walk(text: &str) -> usize {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.math_dollars = true;
    options.extension.math_latex = true;
    options.extension.cjk_friendly_emphasis = true;
    options.parse.ignore_setext = true;
    let arena = Arena::new();
    let mut out = String::new();
    for node in parse_document(&arena, text, &options).descendants() {
        match &node.data().value {
            NodeValue::Text(text) => out.push_str(text),
            NodeValue::Code(code) => out.push_str(&code.literal),
            NodeValue::CodeBlock(code) => out.push_str(&code.literal),
            NodeValue::SoftBreak | NodeValue::LineBreak | NodeValue::Paragraph => out.push('\n'),
            _ => {}
        }
    }
    out.len()
}

/// Prints `name MB/s` for each work, from the median of all runs. They take turns, so that what else
/// the machine does slows all of them alike.
fn report(bytes: usize, works: &[(&str, &dyn Fn() -> usize)]) {
    let mut times = vec![Vec::with_capacity(RUNS); works.len()];
    for _ in 0..RUNS {
        for ((_, work), times) in works.iter().zip(&mut times) {
            times.push(timed(work));
        }
    }
    for ((name, _), times) in works.iter().zip(&mut times) {
        times.sort_unstable();
        let median = times[RUNS / 2].as_secs_f64();
        println!("{name} {:.1}", bytes as f64 / 1e6 / median);
    }
}

fn timed(work: impl Fn() -> usize) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

/// Prints the milliseconds that each pathological input takes; exits 1 if one takes too long.
fn pathological() {
    let options = TextOptions::default();
    let mut slow = 0;
    for (name, input) in inputs() {
        let cut = |size| &input[..input.floor_char_boundary(size)];
        let (small, large) = (cut(50_000), cut(100_000));
        let classic = best(|| render(large, Style::Classic, Sources::Cut, &options).len());
        let plain = best(|| render(small, Style::Plain, Sources::Cut, &options).len());
        let web = best(|| page(small, None).len());
        let is_slow = classic > 20.0 || plain > 50.0;
        slow += usize::from(is_slow);
        let flag = if is_slow { "  SLOW" } else { "" };
        println!("{name:24} classic {classic:7.2}  plain {plain:7.2}  page {web:7.2}{flag}");
    }
    assert!(
        slow == 0,
        "{slow} inputs take too long: classic 20 ms at 100 kB, plain 50 ms at 50 kB"
    );
}

fn best(work: impl Fn() -> usize) -> f64 {
    let times = (0..3).map(|_| timed(&work).as_secs_f64() * 1e3);
    times.fold(f64::INFINITY, f64::min)
}

/// The inputs of the original script's slow rules and of cmark's pathological tests, each
/// repeated to 100 kB.
fn inputs() -> Vec<(String, String)> {
    let repeated = [
        "[](",
        "[",
        "[^",
        "\n",
        "[a] ",
        "](",
        "# ",
        "* ",
        "> ",
        ">",
        "- ",
        "1. ",
        "~",
        "~~",
        "_",
        "*",
        "**a ",
        "*a **a ",
        "a**b",
        "a_",
        "__a",
        "`",
        "``a`",
        "\\",
        "\\(",
        "\\[",
        "\\(a\\)",
        "$",
        "$a ",
        "$$",
        "$1",
        "<",
        "<b ",
        "<b>",
        "</b>",
        "<B>",
        "<div>",
        "<div>\n",
        "<sup>",
        "<sup>1",
        "<!--",
        "<!-- a\n",
        "<?",
        "<!A ",
        "<![CDATA[",
        "&",
        "&a;",
        "![",
        "![a](",
        "![[]()",
        "[a](<b",
        "[a](b ",
        "[a]: u\n",
        "[^a]: u\n",
        "[^a]",
        "[^1^]",
        "【1†",
        "【",
        "【检索 1】 [a](b)\n",
        "|",
        "|a|\n|-|\n",
        "a|",
        "<think>",
        "</think>",
        "</thinking>",
        "<think></think>",
        "```\n",
        "~~~\n",
        "```\n> ",
        "    a\n",
        "\t",
        "\u{3000}",
        "- a\n\n",
        " - a\n",
        "https://a_",
        "https://",
        "开始思考\n",
        "\n搜索结果来自：\n",
        "a\u{300}",
        "\u{300}",
        "🇨",
        "👨\u{200D}",
        "**x*a",
        "*a_ ",
        "[a](b)*",
        "x > ",
        "\"",
        "'",
        "a <!-",
        "> a\n\n",
        "- - a\n",
        "`a``b```c",
        "|\\",
        "[x][",
        "\\[a\\]",
        "<a href=",
        "<a b=\"",
        "#\n",
        "##a\n",
        "<br>\n",
        "<br>",
        ":**a",
        "**a:**b",
        "[a]: 金\n",
        "$金$",
        "\\[a\\]\n",
        "<Table>",
        "**5%**~",
        "[a]:",
        "[1]: R\n",
        "甲\n-\n",
        "$/",
        "a</think>`",
        "𝍀",
    ];
    let mut inputs: Vec<_> = repeated
        .iter()
        .map(|text| (format!("{text:?}"), repeat(text)))
        .collect();
    let pairs = [
        ("[", "]"),
        ("![", "](u)"),
        ("*_", "_*"),
        ("**a ", " b**"),
        ("<b>", "</b>"),
        ("<div>", "</div>"),
        ("(", ")"),
        ("$", "$"),
        ("\\(", "\\)"),
        ("<sup>", "</sup>"),
        ("[a](", ")"),
    ];
    for (open, close) in pairs {
        let half = |text: &str| text.repeat(25_000 / text.len());
        inputs.push((
            format!("{open:?} a {close:?}"),
            half(open) + "a" + &half(close),
        ));
    }
    let indented: String = (0..300)
        .map(|i| " ".repeat(2 * i % 600) + "- a\n")
        .collect();
    inputs.push(("deep indented list".to_owned(), repeat(&indented)));
    let backticks: String = (1..300).map(|i| format!("e{}", "`".repeat(i))).collect();
    inputs.push(("growing backticks".to_owned(), repeat(&backticks)));
    let references: String = (0..2500)
        .map(|i| format!("[{i}]: u\n[{i}] [{i}]\n\n"))
        .collect();
    inputs.push(("many references".to_owned(), references));
    let notes: String = (0..2500)
        .map(|i| format!("[^{i}]: u\n\n[^{i}]\n\n"))
        .collect();
    inputs.push(("many footnotes".to_owned(), notes));
    inputs.push((
        "lazy lines in a quote".to_owned(),
        ">".repeat(1000) + &"a\n".repeat(49_000),
    ));
    inputs.push((
        "rows wider than the header".to_owned(),
        format!("|a|\n|-|\n{}", "|1|2|3|\n".repeat(13_000)),
    ));
    inputs.push((
        "a row much wider than the header".to_owned(),
        format!("|a|\n|-|\n{}\n", "|1".repeat(50_000)),
    ));
    inputs.push((
        "wide table".to_owned(),
        format!(
            "{}\n{}\n{}",
            "|a".repeat(1000),
            "|-".repeat(1000),
            "|\n".repeat(20_000)
        ),
    ));
    inputs
}

fn repeat(text: &str) -> String {
    text.repeat(100_000 / text.len() + 1)
}
