//! promptcron: cron for prompts.
//!
//! The folders read as the way a prompt takes to a phone:
//!
//! ```text
//! config ─► schedule ─► ledger (intent) ─► ask ─► render ─► ledger (answer + outbox) ─► push ─► ledger (outcome)
//! ```
//!
//! - [`model`]: the plain data every folder speaks of; no I/O.
//! - [`clock`]: the clock as an argument, so that tests can move it.
//! - [`schedule`]: cron text and zones to instants, and what is due (pure).
//! - [`render`]: an AI's Markdown to the text a phone shows, and its parts (pure).
//! - [`prompt`]: a prompt's template to the text that is asked (pure).
//! - [`config`]: the TOML file to checked values, with line and column on every error.
//! - [`ask`]: a question to an AI endpoint, an answer or a typed error back.
//! - [`push`]: a message to ntfy, a receipt or a typed error back.
//! - [`ledger`]: every intent and outcome, durable; all SQL lives here.
//! - [`web`]: the page, the API and the figures, on what the ledger holds.
//! - [`daemon`]: the loops that join these, from start to drain.
//! - [`demo`]: a stand-in AI and a stand-in inbox, for a first look without a token.
//! - [`cli`]: the commands.
//!
//! Dependencies point one way:
//! `cli → daemon → { web, ledger, ask, push } → config → { schedule, render, prompt, model }`, and
//! `web → { ledger, config, schedule, render, model }`.

pub mod ask;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod ledger;
pub mod model;
pub mod prompt;
pub mod push;
pub mod render;
pub mod schedule;
pub mod web;
