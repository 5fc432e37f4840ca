//! An answer as a web page.

use std::{borrow::Cow, collections::HashMap};

use ammonia::Builder;
use comrak::{Arena, Node, arena_tree::NodeEdge, format_html, nodes::NodeValue};

use super::plain::{is_chinese, parser, shield};

/// The page's own style: readable on a phone, light or dark as its owner likes.
const STYLE: &str = include_str!("page.css");

/// How deep tags may be nested. No answer comes near; the sanitiser's time grows with the square.
const MAX_DEPTH: usize = 200;

/// A whole HTML document: the full Markdown, sanitised, without a script.
///
/// Tags and attributes outside of ammonia's allow-list are left out; what is no HTML tag, such as
/// `Vec<String>`, is text. An answer that is nested absurdly deep is shown as its Markdown.
#[must_use]
pub fn page(markdown: &str, title: Option<&str>) -> String {
    let body = html(markdown);
    let title = html_escape::encode_text(title.unwrap_or("promptcron"));
    let language = if is_chinese(markdown) { "zh" } else { "en" };
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// The sanitised HTML of an answer, without a page around it.
#[must_use]
pub fn html(markdown: &str) -> String {
    sanitised(markdown, Images::Shown)
}

/// The sanitised HTML of an answer, to stand in a page of ours: an image becomes a link to it, so
/// that looking at an answer tells nobody that it is looked at.
#[must_use]
pub fn html_without_images(markdown: &str) -> String {
    sanitised(markdown, Images::Linked)
}

/// What becomes of images.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Images {
    Shown,
    Linked,
}

fn sanitised(markdown: &str, images: Images) -> String {
    let shielded = shield::shield(markdown.trim_start_matches('\u{FEFF}'));
    let arena = Arena::new();
    let mut options = parser();
    options.extension.alerts = true;
    options.extension.autolink = true;
    options.render.r#unsafe = true;
    let document = comrak::parse_document(&arena, &shielded, &options);
    let source = || format!("<pre>{}</pre>\n", html_escape::encode_text(markdown));
    if tree_depth(document) > MAX_DEPTH {
        return source();
    }
    document.descendants().for_each(unshield);
    if images == Images::Linked {
        let nodes: Vec<Node<'_>> = document.descendants().collect();
        for node in nodes {
            link_image(&arena, node);
        }
    }
    let mut html = String::with_capacity(shielded.len() * 2);
    format_html(document, &options, &mut html).expect("a string takes every write");
    if tag_depth(&html) > MAX_DEPTH {
        return source();
    }
    let mut sanitiser = sanitiser();
    if images == Images::Linked {
        sanitiser.rm_tags(["img"]);
    }
    sanitiser.clean(&html).to_string()
}

/// How deep the parsed document is nested.
fn tree_depth(document: Node<'_>) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for edge in document.traverse() {
        match edge {
            NodeEdge::Start(_) => depth += 1,
            NodeEdge::End(_) => depth -= 1,
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// How deep tags are nested at most, taking every tag that is not void to need its own end.
fn tag_depth(html: &str) -> usize {
    const VOID: [&str; 6] = ["br", "hr", "img", "input", "col", "wbr"];
    let mut open: HashMap<&str, usize> = HashMap::new();
    let (mut depth, mut deepest) = (0, 0);
    for tag in html.split('<').skip(1) {
        let is_closing = tag.starts_with('/');
        let name = tag.trim_start_matches('/');
        let name = name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        if name.is_empty() || VOID.contains(&name) {
            continue;
        }
        let count = open.entry(name).or_default();
        if !is_closing {
            *count += 1;
            depth += 1;
            deepest = deepest.max(depth);
        } else if *count > 0 {
            *count -= 1;
            depth -= 1;
        }
    }
    deepest
}

/// Puts shielded characters back where they mean what they meant.
fn unshield(node: Node<'_>) {
    let put_back = |text: &mut String| {
        if let Cow::Owned(meant) = shield::unshield(text) {
            *text = meant;
        }
    };
    match &mut node.data_mut().value {
        NodeValue::Text(text) => {
            let meant = shield::unshield_text(text).into_owned();
            *text = Cow::Owned(meant);
        }
        NodeValue::Code(code) => put_back(&mut code.literal),
        NodeValue::CodeBlock(code) => {
            put_back(&mut code.literal);
            put_back(&mut code.info);
        }
        NodeValue::Math(math) => put_back(&mut math.literal),
        NodeValue::HtmlInline(html) => *html = shield::unshield_html(html),
        NodeValue::HtmlBlock(html) => html.literal = shield::unshield_html(&html.literal),
        NodeValue::Link(link) | NodeValue::Image(link) => {
            put_back(&mut link.url);
            put_back(&mut link.title);
        }
        _ => {}
    }
}

/// An image's alternative text, leading to it; inside a link it is that link's text.
fn link_image<'a>(arena: &'a Arena<'a>, node: Node<'a>) {
    let is_inside_a_link = node
        .ancestors()
        .skip(1)
        .any(|ancestor| matches!(ancestor.data().value, NodeValue::Link(_)));
    let image = match &node.data().value {
        NodeValue::Image(image) => image.clone(),
        _ => return,
    };
    if node.first_child().is_none() {
        let text = NodeValue::Text(Cow::Owned(image.url.clone()));
        node.append(arena.alloc(text.into()));
    }
    node.data_mut().value = match is_inside_a_link {
        true => NodeValue::Emph,
        false => NodeValue::Link(image),
    };
}

/// What a page of an answer may hold: ammonia's usual tags and the boxes of task lists.
fn sanitiser() -> Builder<'static> {
    let mut builder = Builder::default();
    builder
        .add_tags(["input"])
        .add_tag_attributes("input", ["checked"])
        .set_tag_attribute_value("input", "type", "checkbox")
        .set_tag_attribute_value("input", "disabled", "")
        .add_tag_attributes("a", ["id"])
        .add_tag_attributes("li", ["id"])
        .add_allowed_classes("div", ["markdown-alert"])
        .add_allowed_classes("p", ["markdown-alert-title"]);
    builder
}
