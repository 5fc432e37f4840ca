//! The links of a push to the page of its run.

use super::engine::Engine;
use crate::web::{self, Links};

/// What makes them; None: `[web]` has no `public_url`, so nobody could open one.
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
