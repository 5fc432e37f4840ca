//! What a user may choose about phone text.

use serde::{Deserialize, Serialize};

/// How an answer becomes a push.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// Made for a phone, on a real Markdown parser.
    #[default]
    Plain,
    /// Byte for byte what the script promptcron began with does.
    Classic,
    /// The Markdown as it is, with ntfy's `markdown` flag.
    Markdown,
}

/// What becomes of the list of search results that some AIs append.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Sources {
    /// It is cut.
    #[default]
    Cut,
    /// It stays.
    Keep,
}

/// What the plain style does with quotes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Quotes {
    /// Shown with a bar before each line.
    #[default]
    Keep,
    /// Left out.
    Drop,
}

/// What the plain style does with the addresses of links.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Links {
    /// The text alone is shown.
    #[default]
    Drop,
    /// The address follows the text in brackets, unless the text is the address.
    Append,
}

/// What the plain style does with fenced code.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Code {
    /// Between lines of backticks, with its language.
    #[default]
    Fence,
    /// The code alone.
    Bare,
}

/// How the plain style shows tables.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Tables {
    /// As rows where the widest fits the phone, else as records.
    #[default]
    Auto,
    /// One line a row, cells between bars.
    Rows,
    /// One record a row, one `label: value` a line.
    Records,
}

/// All that the plain style asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Quotes; default keep.
    pub quotes: Quotes,
    /// The addresses of links; default drop.
    pub links: Links,
    /// Fenced code; default fence.
    pub code: Code,
    /// Tables; default auto.
    pub tables: Tables,
    /// What stands before headings of level 1 to 6; an empty one adds nothing.
    pub heading_marks: [String; 6],
    /// Columns of the phone, where a wide character takes two; default 40.
    pub width: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            quotes: Quotes::default(),
            links: Links::default(),
            code: Code::default(),
            tables: Tables::default(),
            heading_marks: ["📌", "🔷", "🔶", "🔸", "🔹", "🔹"].map(str::to_owned),
            width: 40,
        }
    }
}

/// The options that one place (a job, a target, a command line) sets; the rest is left open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextChoices {
    /// `keep` or `drop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotes: Option<Quotes>,
    /// `drop` or `append`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Links>,
    /// `fence` or `bare`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// `auto`, `rows` or `records`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<Tables>,
    /// Six strings, for headings of level 1 to 6. Boxed, because every job has the room of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading_marks: Option<Box<[String; 6]>>,
    /// Columns of the phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
}

impl TextChoices {
    /// This one's choices where it has them, else the other's.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            quotes: self.quotes.or(other.quotes),
            links: self.links.or(other.links),
            code: self.code.or(other.code),
            tables: self.tables.or(other.tables),
            heading_marks: self
                .heading_marks
                .clone()
                .or_else(|| other.heading_marks.clone()),
            width: self.width.or(other.width),
        }
    }

    /// These choices, and the defaults where there is none.
    #[must_use]
    pub fn resolve(&self) -> TextOptions {
        let default = TextOptions::default();
        TextOptions {
            quotes: self.quotes.unwrap_or(default.quotes),
            links: self.links.unwrap_or(default.links),
            code: self.code.unwrap_or(default.code),
            tables: self.tables.unwrap_or(default.tables),
            heading_marks: self
                .heading_marks
                .as_deref()
                .cloned()
                .unwrap_or(default.heading_marks),
            width: self.width.unwrap_or(default.width),
        }
    }
}
