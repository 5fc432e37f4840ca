//! What every page shares: its reader, its words, its frame.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::{
    super::{
        app::Shared,
        guard::Caller,
        words::{self, Words},
    },
    assets,
};
use crate::model::Language;

/// The frame of one page.
pub(in crate::web) struct Page {
    pub(in crate::web) words: &'static Words,
    pub(in crate::web) language: Language,
    pub(in crate::web) is_known: bool,
    pub(in crate::web) has_session: bool,
    /// What its forms carry.
    pub(in crate::web) csrf: String,
    /// The entry of the navigation that it is.
    pub(in crate::web) here: &'static str,
    /// How often it is looked at again, in seconds; 0: never.
    pub(in crate::web) refresh: u32,
}

impl Page {
    /// For somebody of whom no more is known than his language.
    pub(in crate::web) fn bare(language: Language) -> Self {
        Self {
            words: Words::of(language),
            language,
            is_known: false,
            has_session: false,
            csrf: String::new(),
            here: "",
            refresh: 0,
        }
    }

    pub(in crate::web) fn at(self, here: &'static str) -> Self {
        Self { here, ..self }
    }

    pub(in crate::web) fn every(self, refresh: u32) -> Self {
        Self { refresh, ..self }
    }

    pub(in crate::web) fn lang(&self) -> &'static str {
        match self.language {
            Language::En => "en",
            Language::Zh => "zh-CN",
        }
    }

    pub(in crate::web) fn version(&self) -> &'static str {
        assets::version()
    }

    pub(in crate::web) fn nav(&self) -> [(&'static str, &'static str); 4] {
        [
            ("/", self.words.overview),
            ("/tokens", self.words.tokens),
            ("/targets", self.words.targets),
            ("/config", self.words.config),
        ]
    }
}

impl FromRequestParts<Shared> for Page {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Infallible> {
        let language = words::language(&parts.headers);
        let caller = parts
            .extensions
            .get::<Caller>()
            .cloned()
            .unwrap_or(Caller::Nobody);
        Ok(Self {
            is_known: caller.is_known(),
            has_session: matches!(caller, Caller::Session(_)),
            csrf: caller.csrf(&shared.keys(&shared.web())),
            ..Self::bare(language)
        })
    }
}
