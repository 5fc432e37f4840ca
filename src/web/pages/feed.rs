//! The answers of one job as an Atom feed (RFC 4287). A feed's reader cannot log in, so its address
//! is its key: signed, for one job, until the token changes.

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::SecondsFormat;
use chrono_tz::Tz;
use url::Url;

use super::{
    super::{app::Shared, guard::Keys, links::Closed, refusal::Refusal},
    job,
};
use crate::{
    config::{Job, Web},
    ledger::LastAnswer,
    model::from_ms,
    render,
};

/// Answers in a feed.
const ENTRIES: u32 = 20;

#[derive(Template)]
#[template(path = "feed.xml")]
struct Feed {
    id: String,
    name: String,
    updated: String,
    here: String,
    page: String,
    entries: Vec<Entry>,
}

struct Entry {
    id: String,
    title: String,
    updated: String,
    page: String,
    html: String,
}

/// The address of a job's feed, for those who may see the job.
pub(super) fn href(keys: &Keys, job: &str) -> String {
    format!("/f/{}/{}", keys.sign(&["feed", job]), job::escaped(job))
}

pub(super) async fn feed(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path((key, name)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (web, config) = (shared.web(), shared.facts().config);
    if !shared.keys(&web).verify(&["feed", &name], &key) {
        return Err(Closed::Forged.into());
    }
    let job = job::find(&config, &name)?;
    let answers = shared.handle.records.answers(&name, ENTRIES).await?;
    let base = base(&web, &headers);
    let here = format!("{base}{}", href(&shared.keys(&web), &name));
    let feed = written(&shared, job, &answers, &base, here);
    let text = feed.render().map_err(|why| Refusal::unwritten(&why))?;
    Ok(reply(&headers, legal(&text)))
}

fn written(shared: &Shared, job: &Job, answers: &[LastAnswer], base: &str, here: String) -> Feed {
    let name = job.name.as_str();
    let zone = job.schedule.zone();
    let title = job.notification.title.as_deref().unwrap_or(name);
    let entry = |answer: &LastAnswer| Entry {
        id: shared.urn(&["entry", name, &answer.run_id.to_string()]),
        title: format!("{title} · {}", minute(answer.answered_at, zone)),
        updated: instant(answer.answered_at),
        page: format!("{base}/runs/{}", answer.run_id),
        html: render::html_without_images(&answer.answer),
    };
    Feed {
        id: shared.urn(&["the feed", name]),
        name: title.to_owned(),
        // A feed without entries has not changed since its beginning.
        updated: instant(answers.first().map_or(0, |newest| newest.answered_at)),
        here,
        page: format!("{base}{}", job::href(name)),
        entries: answers.iter().map(entry).collect(),
    }
}

fn minute(ms: i64, zone: Tz) -> String {
    let local = from_ms(ms).with_timezone(&zone);
    local.format("%Y-%m-%d %H:%M").to_string()
}

fn instant(ms: i64) -> String {
    from_ms(ms).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Where the reader reaches us, without a slash at its end.
fn base(web: &Web, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let public = web.public_url.as_ref().map(Url::as_str);
    match (public, host) {
        (Some(public), _) => public.trim_end_matches('/').to_owned(),
        (None, Some(host)) => format!("http://{host}"),
        (None, None) => String::new(),
    }
}

/// XML 1.0 can hold no control characters, however they are written.
fn legal(text: &str) -> String {
    let is_legal = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(is_legal).collect()
}

/// Readers ask often: what they have already is not sent again.
fn reply(headers: &HeaderMap, text: String) -> Response {
    const TYPE: &str = "application/atom+xml; charset=utf-8";
    let hash = digest(&SHA256, text.as_bytes());
    let tag = format!(
        "\"{}\"",
        BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
    );
    let has_it = headers.get(header::IF_NONE_MATCH).is_some_and(|known| {
        let known = known.to_str().unwrap_or_default();
        known
            .split(',')
            .any(|known| known.trim().trim_start_matches("W/") == tag)
    });
    let mut response = match has_it {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_left_out() {
        assert_eq!(legal("金\u{0}价\u{b}\t\n😀\u{ffff}"), "金价\t\n😀");
    }
}
