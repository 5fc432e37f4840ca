//! A job's chain of endpoints at work, and what an attempt along it leaves for the ledger.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::Notify;

use super::{
    conversation::Standing,
    engine::Engine,
    filled::Filled,
    revision::{AskEndpoint, Revision},
    tokens,
};
use crate::{
    ask::{Answer, Attempt, Link, Question, Try},
    config::{Endpoint, Job},
    ledger::{AskedRow, LearnedRow, Ledger, RequestRow},
    model::{Timestamp, to_ms},
};

/// The endpoints of a job, in the order in which they are asked.
pub struct Chain<'a> {
    job: &'a Job,
    endpoints: Vec<&'a AskEndpoint>,
    /// Where the job's conversation with each endpoint stands; none before it was recalled, nor where it keeps none.
    conversations: HashMap<Arc<str>, Standing>,
    /// Told as soon as a token's use is counted.
    pub(super) counted: Arc<Notify>,
}

impl<'a> Chain<'a> {
    /// That of a job.
    ///
    /// # Errors
    /// It names an endpoint that is not there: the config's references are checked, so this is a defect.
    pub fn of(job: &'a Job, revision: &'a Revision) -> anyhow::Result<Self> {
        let endpoints = job.ai.iter().map(|name| revision.endpoint(name));
        Ok(Self {
            job,
            endpoints: endpoints.collect::<anyhow::Result<_>>()?,
            conversations: HashMap::new(),
            counted: Arc::default(),
        })
    }

    /// Reads where the job's conversations stand.
    pub(super) async fn recall(&mut self, ledger: &Ledger, now: Timestamp) -> anyhow::Result<()> {
        for at in &self.endpoints {
            let endpoint = at.client.endpoint();
            if let Some(standing) = Standing::read(ledger, self.job, endpoint, now).await? {
                self.conversations.insert(endpoint.name.clone(), standing);
            }
        }
        Ok(())
    }

    /// Where the conversation stood that an answer is part of.
    pub(super) fn conversation(&self, answer: &Answer) -> Option<&Standing> {
        self.conversations.get(&answer.endpoint)
    }

    /// What is asked along it.
    #[must_use]
    pub fn links(&self, filled: &Filled) -> Vec<Link<'a>> {
        let first = self.endpoints.first().map(|first| first.client.endpoint());
        let link = |at: &&'a AskEndpoint| {
            let endpoint = at.client.endpoint();
            let mut question = question(self.job, filled, endpoint, first);
            if let Some(standing) = self.conversations.get(&endpoint.name) {
                standing.put(&mut question);
            }
            Link {
                client: &at.client,
                pool: &at.pool,
                question,
                counted: self.counted.clone(),
            }
        };
        self.endpoints.iter().map(link).collect()
    }

    /// What its endpoints have learned and the ledger does not know yet. To be asked with the engine's `learning` held.
    pub(super) async fn news(&self, engine: &Engine) -> anyhow::Result<Vec<LearnedRow>> {
        tokens::news(engine, &self.endpoints).await
    }

    /// Writes that apart from an attempt's end.
    pub(super) async fn keep_news(&self, engine: &Engine) -> anyhow::Result<()> {
        tokens::keep_news(engine, &self.endpoints).await
    }

    /// The row of an attempt that came to no request.
    pub(super) fn unasked(&self, number: i64) -> AskedRow {
        AskedRow::bare(number, self.job.ai.first().map_or("", Arc::as_ref))
    }

    /// What an attempt did, for its row.
    pub(super) fn asked(
        &self,
        number: i64,
        attempt: &Attempt,
        learned: Vec<LearnedRow>,
    ) -> AskedRow {
        let first: &str = self.job.ai.first().map_or("", Arc::as_ref);
        AskedRow {
            number,
            ai: attempt.endpoint().unwrap_or(first).to_owned(),
            token_label: attempt.token().map(str::to_owned),
            requests: attempt.tries.iter().map(request_row).collect(),
            learned,
        }
    }
}

/// What a job asks of an endpoint of its chain.
fn question(job: &Job, filled: &Filled, endpoint: &Endpoint, first: Option<&Endpoint>) -> Question {
    let first = first.unwrap_or(endpoint);
    Question {
        prompt: filled.prompt.clone(),
        system: filled.system.clone(),
        model: job.model_at(endpoint, first).map(str::to_owned),
        use_search: job.use_search_at(endpoint),
        ..Question::default()
    }
}

fn request_row(tried: &Try) -> RequestRow {
    RequestRow {
        ai: tried.endpoint.to_string(),
        token_label: tried.token.as_deref().map(str::to_owned),
        started_at: to_ms(tried.started_at),
        finished_at: to_ms(tried.finished_at),
        error: tried.error.as_ref().map(|(_, error)| error.clone()),
    }
}
