//! The TOML file to checked values; every error with file, line and column.
//!
//! The types here are what the rest of the crate sees: everything in them is valid.

pub mod ntfy_rules;
pub mod types;

pub use types::*;
