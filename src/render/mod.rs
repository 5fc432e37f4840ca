//! From an AI's Markdown to the text a phone shows, and its parts. Pure.

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
