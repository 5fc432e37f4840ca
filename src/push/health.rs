//! What can be told of a target without pushing to it.

use std::fmt;

use serde::Deserialize;

use super::{
    client::Client,
    error::{Kind, PushError, who},
    reply,
};
use crate::config::Target;

/// A target that answers, and what it says of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The target as errors name it.
    pub target: String,
    /// Who we are to the server and what is left today; None where it has no accounts page.
    pub account: Option<Account>,
    /// Whether the topic may be read. Nothing but a push tells whether it may be written to.
    pub readable: bool,
}

/// `GET /v1/account`, as far as a publisher cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The ntfy user; None without credentials.
    pub user: Option<String>,
    /// How many messages a day.
    pub messages: u64,
    /// How many of them are left.
    pub messages_left: u64,
}

#[derive(Deserialize)]
struct HealthPage {
    healthy: bool,
}

/// The page lists the user's tokens too: only these fields are ever read.
#[derive(Deserialize)]
struct AccountPage {
    username: String,
    limits: Limits,
    stats: Stats,
}

#[derive(Deserialize)]
struct Limits {
    messages: u64,
}

#[derive(Deserialize)]
struct Stats {
    messages_remaining: u64,
}

/// The name that ntfy gives to everyone without credentials.
const EVERYONE: &str = "*";

impl Client {
    /// Asks a target how it is, without pushing: is it there, is it ntfy, are the credentials
    /// right, what is left of today's messages.
    ///
    /// # Errors
    /// A server that cannot be reached, is not ntfy or not healthy, and wrong credentials.
    pub async fn health(&self, target: &Target) -> Result<Health, PushError> {
        let reply = self.get(target, "v1/health").await?;
        let page: HealthPage = reply::parse(target, &reply)?;
        if !page.healthy {
            let detail = "it says that it is not healthy";
            return Err(PushError::new(target, Kind::ServerError, detail).status(200));
        }
        Ok(Health {
            target: who(target),
            account: self.account(target).await?,
            readable: self.readable(target).await?,
        })
    }

    async fn account(&self, target: &Target) -> Result<Option<Account>, PushError> {
        let reply = self.get(target, "v1/account").await?;
        match reply::parse::<AccountPage>(target, &reply) {
            Ok(page) => Ok(Some(Account {
                user: Some(page.username).filter(|name| name != EVERYONE),
                messages: page.limits.messages,
                messages_left: page.stats.messages_remaining,
            })),
            // ntfy before its accounts, or a server that only speaks its publishing.
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::NotNtfy) => Ok(None),
            Err(e) => Err(e),
        }
    }

    async fn readable(&self, target: &Target) -> Result<bool, PushError> {
        let path = format!("{}/auth", target.ntfy().map_or("", |ntfy| &ntfy.topic));
        let reply = self.get(target, &path).await?;
        match reply::parse::<serde::de::IgnoredAny>(target, &reply) {
            Ok(_) => Ok(true),
            Err(e) if matches!(e.kind(), Kind::Forbidden | Kind::NotFound) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: reachable", self.target)?;
        if let Some(account) = &self.account {
            match &account.user {
                Some(user) => write!(f, ", credentials of {user} accepted")?,
                None => write!(f, ", without credentials")?,
            }
            let (left, all) = (account.messages_left, account.messages);
            write!(f, ", {left} of {all} messages left today")?;
        }
        let topic = if self.readable {
            "readable"
        } else {
            "not readable (nor need it be)"
        };
        write!(
            f,
            "; topic {topic}; whether it takes pushes only a push tells"
        )
    }
}
