//! The last part of an error: what the user can do.
//!
//! Never a promise of another try: `once` makes none, and a notice tells of the end.

use std::{borrow::Cow, time::Duration};

use super::{
    error::{Asked, Failure},
    kind::ErrorKind,
};
use crate::config::types::Api;

/// The way out of `failure`, without a full stop.
pub(super) fn advice(failure: &Failure, asked: &Asked) -> Cow<'static, str> {
    match failure.kind {
        ErrorKind::Connect => connect(asked),
        ErrorKind::Timeout => slow("timeout", asked.limits.whole),
        ErrorKind::Late => late(asked),
        ErrorKind::Stalled => slow("idle_timeout", asked.limits.idle),
        ErrorKind::Cut => "half an answer is none; another try may get the whole one".into(),
        ErrorKind::Unavailable => unavailable(failure, asked).into(),
        ErrorKind::Limited => "the account is limited or busy and rests for a while; add tokens of other accounts if this is frequent".into(),
        ErrorKind::ConversationLost => "the conversation is gone there, or its account is limited: a new one begins".into(),
        ErrorKind::Empty => empty(asked).into(),
        ErrorKind::OutOfCredit => "the account has no credit left: top it up, or add a token of another account".into(),
        ErrorKind::OutOfDailyQuota => "the account's research quota is used up until tomorrow (China time): use another model, or add a token of another account".into(),
        ErrorKind::TokenRefused => token_refused(asked).into(),
        ErrorKind::AccountBanned => "Kimi has banned this account: replace its token by one of another account".into(),
        ErrorKind::AccountRefused => "Kimi refused this account for a reason of its own; if it goes on, log in to Kimi with it and see".into(),
        ErrorKind::BadRequest => bad_request(failure, asked).into(),
        ErrorKind::NotFound => not_found(failure, asked).into(),
        ErrorKind::Filtered => "the service will not answer this prompt: word it differently, or ask another model".into(),
        ErrorKind::Stopped => "Kimi stopped this answer, which means censorship or overload; if a second try ends so too, word the prompt differently".into(),
        ErrorKind::NotTheApi => not_the_api(failure, asked),
        ErrorKind::Blocked => "a proxy or firewall before the service refuses this machine: check base_url, proxy and the network's address".into(),
        ErrorKind::Garbled => "this is no reply of this API; if it goes on, check base_url and api".into(),
        ErrorKind::Exhausted => "wait, or add a token that works".into(),
        ErrorKind::Waits => "it goes on when that is back; with conversation = \"new\" any token would do".into(),
        ErrorKind::Cooling => "is the server up? more endpoints in the job's ai would be asked instead".into(),
    }
}

fn connect(asked: &Asked) -> Cow<'static, str> {
    match &asked.proxy {
        Some(proxy) => format!("is the server up? check base_url and the proxy {proxy}; for a private certificate set ca_file").into(),
        None => "is the server up? check base_url, and set proxy or ca_file if this network needs one".into(),
    }
}

fn unavailable(failure: &Failure, asked: &Asked) -> &'static str {
    if asked.api == Api::Kimi && failure.code.is_some() {
        "the kimi server cannot get through to Kimi, which may pass; if it goes on, check that server's network"
    } else {
        "the service is out of order or overloaded, which may pass"
    }
}

fn empty(asked: &Asked) -> &'static str {
    match asked.api {
        Api::Kimi => "Kimi answered nothing, which may pass",
        Api::Openai => {
            "the model answered nothing, which may pass; a thinking model may need a higher max_tokens in params"
        }
    }
}

fn token_refused(asked: &Asked) -> &'static str {
    match (asked.api, &asked.token) {
        (_, None) => "the service wants a token: set tokens, tokens_env or tokens_file",
        (Api::Kimi, _) => {
            "the token is dead or revoked: log in to Kimi again, copy a new refresh_token and put it in the config"
        }
        (Api::Openai, _) => {
            "the service does not accept this token: check it, or make a new key and put it in the config"
        }
    }
}

fn slow(key: &str, limit: Duration) -> Cow<'static, str> {
    let limit = humantime::format_duration(limit);
    format!("if the model is just slow, raise {key} (now {limit})").into()
}

fn late(asked: &Asked) -> Cow<'static, str> {
    let limit = humantime::format_duration(asked.first_byte);
    format!("if the model is just slow to begin, raise first_byte_timeout (now {limit}); if the server does not stream, set stream = false").into()
}

fn bad_request(failure: &Failure, asked: &Asked) -> &'static str {
    if asked.api == Api::Kimi && failure.words.contains("headers.authorization") {
        "the token did not reach the kimi server: does a proxy before it take the Authorization header away?"
    } else {
        "the service refuses the request itself: check the prompt, model and params"
    }
}

fn not_found(failure: &Failure, asked: &Asked) -> &'static str {
    match (asked.api, failure.code.as_deref()) {
        (Api::Kimi, Some("-1000")) => "check base_url: the kimi server knows no such address",
        (Api::Kimi, Some(_)) => "check model: Kimi knows no agent of this id",
        _ => "check base_url and model: the service knows no such address or model",
    }
}

fn not_the_api(failure: &Failure, asked: &Asked) -> Cow<'static, str> {
    if failure
        .status
        .is_some_and(|status| (300..400).contains(&status))
    {
        return "redirects are not followed, for they would carry the token away: set base_url to where this one leads, if you trust it".into();
    }
    let api = match asked.api {
        Api::Kimi => "a kimi-free-api-compatible server",
        Api::Openai => "an OpenAI-compatible API",
    };
    format!("this address is not {api}: base_url must end with its version, such as http://host/v1")
        .into()
}
