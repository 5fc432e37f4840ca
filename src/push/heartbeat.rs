//! One ping of a heartbeat, in the form of healthchecks.io, which other monitors know too.

use std::{fmt, time::Duration};

use url::Url;

use super::client::{Client, root_cause};
use crate::config::SecretUrl;

/// A monitor that takes longer is not waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a monitor is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Work has begun: `/start`.
    Start,
    /// It went well.
    Success,
    /// It did not: `/fail`, with the reason as its body.
    Fail(String),
}

/// Why a ping was not taken. Its text holds nothing of the address but the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheard {
    text: String,
    /// Another try would end the same.
    pub is_final: bool,
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Client {
    /// Pings once; `run` tells a run's start and end from those of others: a UUID.
    ///
    /// # Errors
    /// The monitor cannot be reached, or does not answer with 2xx.
    pub async fn ping(
        &self,
        url: &SecretUrl,
        beat: &Beat,
        run: Option<&str>,
    ) -> Result<(), Unheard> {
        let address = address(url.expose(), beat, run);
        let request = match beat {
            Beat::Start | Beat::Success => self.get_of(address),
            Beat::Fail(reason) => self.post_to(address).body(reason.clone()),
        };
        let unheard = |text: String, is_final| Unheard {
            text: format!("{}: {text}", url.origin()),
            is_final,
        };
        let reply = request.timeout(TIMEOUT).send().await;
        let reply = reply.map_err(|error| unheard(root_cause(&error.without_url()), false))?;
        let status = reply.status();
        match status.as_u16() {
            200..=299 => Ok(()),
            300..=399 => Err(unheard(
                format!("HTTP {status}: give the address that it redirects to"),
                true,
            )),
            429 | 500.. => Err(unheard(format!("HTTP {status}"), false)),
            _ => Err(unheard(format!("HTTP {status}: check the address"), true)),
        }
    }
}

fn address(base: &Url, beat: &Beat, run: Option<&str>) -> Url {
    let mut url = base.clone();
    let step = match beat {
        Beat::Start => Some("start"),
        Beat::Success => None,
        Beat::Fail(_) => Some("fail"),
    };
    if let (Some(step), Ok(mut path)) = (step, url.path_segments_mut()) {
        path.pop_if_empty().push(step);
    }
    if let Some(run) = run {
        url.query_pairs_mut().append_pair("rid", run);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_ends_the_path_and_the_run_is_in_the_query() {
        let told = |base: &str, beat| address(&base.parse().unwrap(), &beat, Some("R")).to_string();
        let fail = || Beat::Fail("why".to_owned());
        for (base, beat, wanted) in [
            (
                "https://hc-ping.com/u",
                Beat::Start,
                "https://hc-ping.com/u/start?rid=R",
            ),
            (
                "https://hc-ping.com/u/",
                Beat::Success,
                "https://hc-ping.com/u/?rid=R",
            ),
            (
                "https://h/k/slug?create=1",
                fail(),
                "https://h/k/slug/fail?create=1&rid=R",
            ),
        ] {
            assert_eq!(told(base, beat), wanted);
        }
    }
}
