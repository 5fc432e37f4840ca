//! Publishing a file: the file is the body, everything else is in headers.
//!
//! Written apart from promptcron's own code on purpose, like the rules beside it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::{Request, rules::FIELDS};

/// The fields of a publish request to `/topic`, in the words of the JSON; None for any other request.
pub fn fields(request: &Request) -> Option<Map<String, Value>> {
    let (method, path) = request.line().split_once(" /")?;
    if !["POST", "PUT"].contains(&method) || path.is_empty() || path.contains('/') {
        return None;
    }
    let mut fields = Map::new();
    fields.insert("topic".to_owned(), json!(path));
    for name in FIELDS {
        let header = format!("x-{}", name.replace('_', "-"));
        let Some(value) = request.header(&header) else {
            continue;
        };
        let value = decoded(value);
        let value = match name {
            "message" => json!(value.replace("\\n", "\n")),
            "priority" => json!(value.parse::<i64>().unwrap()),
            "tags" => json!(value.split(',').collect::<Vec<_>>()),
            "markdown" => json!(value == "yes"),
            _ => json!(value),
        };
        fields.insert(name.to_owned(), value);
    }
    Some(fields)
}

/// A header's value with the encoded words of RFC 2047 in it decoded.
fn decoded(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, encoded)) = rest.split_once("=?UTF-8?B?") {
        let (word, after) = encoded.split_once("?=").unwrap();
        text += before;
        text += std::str::from_utf8(&BASE64_STANDARD.decode(word).unwrap()).unwrap();
        rest = after;
    }
    text + rest
}
