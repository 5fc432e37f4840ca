//! The web page of an answer.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use promptcron::render::page;

fn body(markdown: &str) -> String {
    let page = page(markdown, None);
    let (_, body) = page.split_once("<main>\n").expect("a page has a main part");
    body.split_once("</main>").expect("it ends").0.to_owned()
}

#[test]
fn a_page_is_whole_and_has_no_script() {
    let page = page("# 金价\n\n<script>alert(1)</script>\n", Some("金 & 银"));
    assert!(page.starts_with("<!doctype html>\n<html lang=\"zh\">"));
    assert!(page.contains("<title>金 &amp; 银</title>"));
    assert!(page.contains("width=device-width"));
    assert!(page.contains("color-scheme"));
    assert!(page.ends_with("</html>\n"));
    assert!(!page.contains("<script"));
}

#[test]
fn markdown_is_complete() {
    let cases = [
        ("**总结：**偏强", "<p><strong>总结：</strong>偏强</p>\n"),
        (
            "预计**5%**~10%，**Price:**$829",
            "<p>预计<strong>5%</strong>~10%，<strong>Price:</strong>$829</p>\n",
        ),
        (
            "\u{1D340}~`\u{1D342}_`",
            "<p>\u{1D340}~<code>\u{1D342}_</code></p>\n",
        ),
        ("3~5天，~~作废~~", "<p>3~5天，<del>作废</del></p>\n"),
        (
            "Vec<String> 与 __init__",
            "<p>Vec&lt;String&gt; 与 __init__</p>\n",
        ),
        (
            "[a](https://a.com/~b_c)",
            "<p><a href=\"https://a.com/~b_c\" rel=\"noopener noreferrer\">a</a></p>\n",
        ),
        (
            "`a~b` \\[1\\] `\\[1\\]`",
            "<p><code>a~b</code> [1] <code>\\[1\\]</code></p>\n",
        ),
        ("正文\n---\n后", "<p>正文</p>\n<hr>\n<p>后</p>\n"),
        (
            "| a |\n|---|\n| 1 |",
            "<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n</tr>\n</tbody>\n</table>\n",
        ),
    ];
    for (markdown, expected) in cases {
        assert_eq!(body(markdown), expected, "{markdown:?}");
    }
    // The sanitiser writes attributes in no fixed order.
    let task = body("- [x] a");
    for attribute in ["type=\"checkbox\"", "checked", "disabled"] {
        assert!(
            task.starts_with("<ul>\n<li><input ") && task.contains(attribute),
            "{task}"
        );
    }
}

#[test]
fn what_could_run_is_left_out() {
    for hostile in [
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "<a href=\"javascript:alert(1)\">a</a>",
        "<iframe src=\"https://a.com\"></iframe>",
        "<div style=\"position:fixed\">a</div>",
        "<svg onload=alert(1)>",
        "<details open ontoggle=alert(1)>a</details>",
        "<input type=submit formaction=javascript:alert(1)>",
    ] {
        let body = body(hostile);
        let tags: Vec<&str> = body
            .split('<')
            .skip(1)
            .filter_map(|tag| tag.split('>').next())
            .collect();
        for tag in tags {
            for word in [
                "javascript",
                "onerror",
                "onload",
                "ontoggle",
                "iframe",
                "style",
                "svg",
                "submit",
                "formaction",
            ] {
                assert!(!tag.contains(word), "{hostile:?} gave {body:?}");
            }
        }
    }
}

#[test]
fn an_absurdly_deep_answer_is_shown_as_its_markdown() {
    for deep in [
        ">".repeat(20_000) + "甲",
        "<div>".repeat(5000),
        "<div></b>".repeat(5000),
    ] {
        assert!(body(&deep).starts_with("<pre>"), "{:.20}", deep);
    }
}
