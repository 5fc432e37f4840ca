//! What a push leads to: the page of its run, and the buttons that promptcron makes.

use super::{engine::Engine, words};
use crate::{
    config::{Action, Button},
    ledger::Owed,
    model::{Language, Timestamp},
    web::{self, Links, Purpose},
};

/// What makes the links; None: `[web]` has no `public_url`, so nobody could open one.
pub(super) async fn links(engine: &Engine) -> anyhow::Result<Option<Links>> {
    let revision = engine.revision();
    let web = revision.config.web.as_ref();
    let Some(web) = web.filter(|web| web.public_url.is_some()) else {
        return Ok(None);
    };
    let fresh = web::fresh_key()?;
    let key = || engine.ledger.secret(web::LINK_KEY, &fresh);
    let key = engine.persist(key).await?;
    Ok(key.and_then(|key| Links::new(&key, web)))
}

/// What makes the buttons of a push.
pub(super) struct Buttons<'a> {
    pub(super) links: Option<&'a Links>,
    pub(super) language: Language,
    pub(super) now: Timestamp,
}

impl Buttons<'_> {
    /// The button as ntfy gets it; None where its address has gone from the config.
    pub(super) fn action(&self, button: &Button, owed: &Owed) -> Option<Action> {
        let (label, purpose) = match button {
            Button::Own(action) => return Some(action.clone()),
            Button::Again => (words::again(self.language), Purpose::Again),
            Button::Pause => (words::pause(self.language), Purpose::Pause),
        };
        Some(Action::Http {
            label: label.to_owned(),
            url: self.links?.to(purpose, owed.run_id?, self.now),
            method: None,
            headers: std::collections::BTreeMap::new(),
            body: None,
            clear: false,
        })
    }
}
