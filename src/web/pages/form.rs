//! A form that our own page has shown to this very reader: it carries a signature that another
//! site cannot know.

use axum::{
    Form,
    extract::{FromRequest, Request},
};
use serde::de::DeserializeOwned;

use super::super::{app::Shared, guard::Caller, refusal::Refusal};

/// What a form says, once its signature is known to be right.
pub(super) struct Signed<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Signed<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Refusal> {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.unwrap_or(Caller::Nobody);
        let text = Form::<Vec<(String, String)>>::from_request(request, shared).await;
        let Form(fields) = text.map_err(|why| Refusal::new(why.status(), why.body_text()))?;
        let signature = fields.iter().find(|(name, _)| name == "csrf");
        let sent = signature.map_or("", |(_, value)| value.as_str());
        let keys = shared.keys(&shared.web());
        if caller != Caller::Token && !caller.signed(&keys, sent) {
            return Err(Refusal::stale_form());
        }
        read(&fields).map(Self)
    }
}

fn read<T: DeserializeOwned>(fields: &[(String, String)]) -> Result<T, Refusal> {
    let named = fields.iter().filter(|(name, _)| name != "csrf");
    let object = named.map(|(name, value)| (name.clone(), value.clone().into()));
    let object: serde_json::Map<_, _> = object.collect();
    let value = match object.is_empty() {
        true => serde_json::Value::Null,
        false => serde_json::Value::Object(object),
    };
    serde_json::from_value(value).map_err(|why| Refusal::wrong(why.to_string()))
}
