//! What a webhook posts: a template, checked when it is read, and the message that it is filled with.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, escape_formatter};
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use crate::model::RunId;

/// The most steps that one body may take: a loop over a long answer's lines ends, a wrong one too.
const FUEL: u64 = 1_000_000;

/// How values are written so that they cannot break out of the place they are put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// As JSON: a text brings its own quotes.
    Json,
    /// As in the body of a web form.
    Form,
    /// As they are.
    Plain,
}

/// A template with its way of escaping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    source: Arc<str>,
    escape: Escape,
}

/// What a template may speak of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<'a> {
    /// The title, with `(1/3)` where there are several parts; empty where there is none.
    pub title: &'a str,
    /// The part's text, as a phone shows it.
    pub text: &'a str,
    /// The part as HTML, sanitised.
    pub html: Cow<'a, str>,
    /// The part as Markdown.
    pub markdown: &'a str,
    /// The tags as the config has them.
    pub tags: &'a [String],
    /// 1 to 5; 3 where none is set.
    pub priority: u8,
    /// The URL that a tap opens; empty where there is none.
    pub click: &'a str,
    /// The job's name.
    pub job: &'a str,
    /// The run's number.
    pub run: RunId,
    /// The part's number, from 1.
    pub part: i64,
    /// How many parts there are.
    pub parts: i64,
    /// Names run, target and part: the same each time this part is sent.
    pub id: &'a str,
}

/// What is wrong with a template, and at which byte of it where that is known.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: Option<usize>,
    pub(super) message: String,
}

impl Body {
    /// Checks a template by its names, and by filling it in.
    pub(super) fn new(source: &str, escape: Escape) -> Result<Self, Wrong> {
        let body = Self {
            source: Arc::from(source),
            escape,
        };
        body.check_names()?;
        for page in [full(), bare()] {
            let text = body.fill(&page).map_err(|error| wrong(&error))?;
            body.check_json(&text)?;
        }
        Ok(body)
    }

    /// The body of one message.
    ///
    /// # Errors
    /// What cannot be filled in, such as an endless loop.
    pub fn render(&self, page: &Page<'_>) -> Result<String, String> {
        self.fill(page).map_err(|error| wrong(&error).message)
    }

    /// Whether it shows the answer's own Markdown, or HTML made of it.
    #[must_use]
    pub fn shows_markdown(&self) -> bool {
        let environment = self.environment();
        let names = environment
            .template_from_str(&self.source)
            .map(|template| template.undeclared_variables(false));
        names.is_ok_and(|names| names.contains("markdown") || names.contains("html"))
    }

    /// The values that it writes out itself, any of which may be a secret: `"device_key": "…"`.
    #[must_use]
    pub fn written(&self) -> Vec<&str> {
        let between_tags = self.source.split("{{").flat_map(|piece| {
            let piece = piece.split_once("}}").map_or(piece, |(_, text)| text);
            piece
                .split("{%")
                .map(|piece| piece.split_once("%}").map_or(piece, |(_, text)| text))
        });
        match self.escape {
            Escape::Form => between_tags
                .flat_map(|text| text.split(['=', '&']))
                .collect(),
            _ => between_tags.flat_map(quoted_values).collect(),
        }
    }

    /// The template as it stands in the config.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    fn fill(&self, page: &Page<'_>) -> Result<String, Error> {
        let environment = self.environment();
        let template = environment.template_from_str(&self.source)?;
        template.render(minijinja::value::Serde(page))
    }

    fn environment(&self) -> Environment<'static> {
        let mut environment = Environment::new();
        environment.set_debug(true);
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        match self.escape {
            Escape::Json => environment.set_auto_escape_callback(|_| AutoEscape::Json),
            Escape::Plain => environment.set_auto_escape_callback(|_| AutoEscape::None),
            Escape::Form => {
                environment.set_auto_escape_callback(|_| AutoEscape::None);
                environment.set_formatter(|out, state, value| {
                    let text: String = byte_serialize(value.to_string().as_bytes()).collect();
                    escape_formatter(out, state, &text.into())
                });
            }
        }
        environment
    }

    /// A name that is not there is an error even where no sample message comes by.
    fn check_names(&self) -> Result<(), Wrong> {
        let environment = self.environment();
        let template = environment
            .template_from_str(&self.source)
            .map_err(|error| wrong(&error))?;
        let known = names();
        let is_known = |name: &String| {
            known.contains_key(name) || environment.globals().any(|(global, _)| global == name)
        };
        let used = template.undeclared_variables(false);
        let unknown = used.iter().filter(|name| !is_known(name)).min();
        let Some(name) = unknown else { return Ok(()) };
        let near = super::suggest::did_you_mean(name, known.keys().map(String::as_str));
        let all = super::suggest::listed(known.keys().map(String::as_str));
        Err(Wrong {
            at: place_of(&self.source, name),
            message: format!("there is no {name} in a message{near} (there are: {all})"),
        })
    }

    fn check_json(&self, text: &str) -> Result<(), Wrong> {
        if self.escape != Escape::Json {
            return Ok(());
        }
        let read = serde_json::from_str::<serde::de::IgnoredAny>(text);
        read.map(drop).map_err(|error| Wrong {
            at: None,
            message: format!(
                "filled in, it is no JSON: {error}; {{{{ text }}}} brings its own quotes: write {{ \"body\": {{{{ text }}}} }}"
            ),
        })
    }
}

/// The names of a message, as a template knows them.
fn names() -> BTreeMap<String, Value> {
    match serde_json::to_value(bare()) {
        Ok(Value::Object(fields)) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

/// A message with everything, and with what breaks a body that does not escape.
fn full() -> Page<'static> {
    Page {
        title: "金价 \"1\" (1/2)",
        text: "一\n\"二\" \\ <三> & 四",
        html: Cow::Borrowed("<p>一 &amp; <b>二</b></p>\n"),
        markdown: "# 一\n\n**二** \"三\"",
        tags: &[],
        priority: 4,
        click: "https://example.com/?a=1&b=2",
        job: "gold",
        run: 17,
        part: 1,
        parts: 2,
        id: "pc-1",
    }
}

fn bare() -> Page<'static> {
    Page {
        title: "",
        click: "",
        text: "一",
        html: Cow::Borrowed("<p>一</p>"),
        markdown: "一",
        priority: 3,
        parts: 1,
        ..full()
    }
}

/// The error in few words; the library's own say the kind and the detail.
fn wrong(error: &Error) -> Wrong {
    let detail = error
        .detail()
        .map_or_else(String::new, |detail| format!(": {detail}"));
    Wrong {
        at: error.range().map(|range| range.start),
        message: format!("{}{detail}", error.kind()),
    }
}

/// The texts in quotes that are no keys, without blanks in them.
fn quoted_values(text: &str) -> Vec<&str> {
    let pieces: Vec<&str> = text.split('"').collect();
    let quoted = pieces.iter().zip(1..).skip(1).step_by(2);
    let is_value = |(piece, next): &(&&str, usize)| {
        let after = pieces.get(*next).map_or("", |after| after.trim_start());
        !after.starts_with(':') && !piece.contains(char::is_whitespace)
    };
    quoted.filter(is_value).map(|(piece, _)| *piece).collect()
}

/// Where a name stands as a word of its own.
fn place_of(source: &str, name: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    source.match_indices(name).map(|(at, _)| at).find(|at| {
        let (before, after) = (&source[..*at], &source[at + name.len()..]);
        !before.ends_with(is_part) && !after.starts_with(|c| is_part(c) && c != '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(source: &str) -> Result<Body, Wrong> {
        Body::new(source, Escape::Json)
    }

    #[test]
    fn a_text_cannot_break_out_of_its_json() {
        let body = json(
            r#"{"title": {{ title }}, "text": {{ title ~ "\n" ~ text }}, "job": {{ job|tojson }}}"#,
        )
        .unwrap();
        let filled = body.render(&full()).unwrap();
        let read: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(read["title"], full().title);
        assert_eq!(read["text"], format!("{}\n{}", full().title, full().text));
        assert_eq!(read["job"], "gold");
    }

    #[test]
    fn every_text_comes_back_from_the_json_it_was_put_into() {
        let body = json(r#"{"text": {{ text }}}"#).unwrap();
        proptest::proptest!(|(text in "\\PC*|[\"\\\\\n\u{2028}<&\u{0}]*")| {
            let page = Page { text: &text, ..full() };
            let read: Value = serde_json::from_str(&body.render(&page).unwrap()).unwrap();
            assert_eq!(read["text"], text.as_str());
        });
    }

    #[test]
    fn a_form_is_escaped_as_forms_are() {
        let body = Body::new("title={{ title }}&text={{ text }}", Escape::Form).unwrap();
        let filled = body.render(&full()).unwrap();
        let fields: BTreeMap<_, _> = url::form_urlencoded::parse(filled.as_bytes()).collect();
        assert_eq!(fields["title"], full().title);
        assert_eq!(fields["text"], full().text);
    }

    #[test]
    fn the_values_that_a_body_writes_out_are_known() {
        let source = r#"{"key": "K-1", "a": {{ "b" if title else "c" }}, {% if click %}"u": "U-2",{% endif %} "list": ["L-3"], "t": "two words"}"#;
        assert_eq!(json(source).unwrap().written(), ["K-1", "U-2", "L-3"]);
        let form = Body::new("token=T-1&text={{ text }}&a=b", Escape::Form).unwrap();
        assert_eq!(form.written(), ["token", "T-1", "text", "", "", "a", "b"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let said = |source: &str| {
            let wrong = json(source).unwrap_err();
            let rest = wrong.at.map_or("nowhere", |at| &source[at..]);
            format!("{} | {rest}\n", wrong.message)
        };
        let all = [
            said("{\"a\": {{ titel }}}"),
            said("{% if false %}{{ env }}{% endif %}{}"),
            said("{\"a\": \"{{ text }}\"}"),
            said("{\"a\": {{ text }"),
            said("{\"a\": {{ text | shout }}}"),
            said("{% for a in range(9999) %}{% for a in range(9999) %}{% endfor %}{% endfor %}{}"),
        ];
        insta::assert_snapshot!(all.concat(), @r#"
        there is no titel in a message; did you mean "title"? (there are: "click", "html", "id", "job", "markdown", "part", "parts", "priority", "run", "tags", "text" and "title") | titel }}}
        there is no env in a message (there are: "click", "html", "id", "job", "markdown", "part", "parts", "priority", "run", "tags", "text" and "title") | env }}{% endif %}{}
        filled in, it is no JSON: expected `,` or `}` at line 1 column 9; {{ text }} brings its own quotes: write { "body": {{ text }} } | nowhere
        syntax error: unexpected `}`, expected end of variable block | }
        unknown filter: filter shout is unknown | shout }}}
        engine ran out of fuel | range(9999) %}{% endfor %}{% endfor %}{}
        "#);
    }
}
