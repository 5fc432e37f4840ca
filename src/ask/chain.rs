//! One attempt along a job's chain: the next endpoint is asked, at once, where the one before has no answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;
use tokio::sync::Notify;

use super::{
    Answer, Client, Conversation, Question,
    error::AskError,
    kind::{ErrorKind, Next},
    pool::{Availability, Pool},
    rotate::ask_in_turn,
};
use crate::{clock::Clock, model::Timestamp};

/// One endpoint of a chain.
pub struct Link<'a> {
    /// Who is asked.
    pub client: &'a Client,
    /// With which tokens.
    pub pool: &'a Mutex<Pool>,
    /// What: models differ from endpoint to endpoint.
    pub question: Question,
    /// Told as soon as a use is counted that a pace or a quota limits, so that it can be kept before its request is over.
    pub counted: Arc<Notify>,
}

impl Link<'_> {
    /// A panic elsewhere leaves the pool whole: each of its methods ends in a state that holds.
    pub(super) fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an attempt came to.
#[derive(Debug)]
pub struct Attempt {
    /// The answer, or the failures that ended the attempt: its `next_step` is the next attempt, not before `retry_at`
    /// where that is set, or none.
    pub result: Result<Answer, AskError>,
    /// Every request, in order; the last one got the answer or failed last.
    pub tries: Vec<Try>,
}

/// One request of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// The endpoint's name.
    pub endpoint: Arc<str>,
    /// The token's label; None without a token.
    pub token: Option<Arc<str>>,
    /// What went wrong, if anything.
    pub error: Option<(ErrorKind, String)>,
    /// When the request began.
    pub started_at: Timestamp,
    /// When its outcome was known.
    pub finished_at: Timestamp,
}

impl Attempt {
    /// The endpoint that answered, or that failed last; None where nobody was asked.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        Some(&self.tries.last()?.endpoint)
    }

    /// The label of the token that got the answer, or that failed last.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.tries.last()?.token.as_deref()
    }

    /// How long its requests took together.
    #[must_use]
    pub fn asked(&self) -> TimeDelta {
        let of = |tried: &Try| tried.finished_at - tried.started_at;
        self.tries.iter().map(of).sum()
    }
}

/// Asks one endpoint after the other until one has an answer, each with one token after the other.
///
/// An endpoint that cools is passed over, and so is one whose conversation waits for its token. Where that leaves no
/// answer and no later attempt can come before `patience` (None: none comes at all), it is asked all the same, outside
/// the conversation: a question not asked is surely lost.
pub async fn ask_along(
    links: &[Link<'_>],
    patience: Option<Timestamp>,
    clock: &dyn Clock,
) -> Attempt {
    let mut walk = Walk {
        links,
        clock,
        tries: Vec::new(),
        failures: BTreeMap::new(),
    };
    let result = walk.walk(patience).await;
    Attempt {
        result,
        tries: walk.tries,
    }
}

/// An attempt so far.
struct Walk<'a> {
    links: &'a [Link<'a>],
    clock: &'a dyn Clock,
    tries: Vec<Try>,
    /// By the endpoint's place in the chain.
    failures: BTreeMap<usize, AskError>,
}

impl Walk<'_> {
    async fn walk(&mut self, patience: Option<Timestamp>) -> Result<Answer, AskError> {
        let mut passed_over = Vec::new();
        for place in 0..self.links.len() {
            if let Some(error) = self.cooling(place) {
                passed_over.push(place);
                self.failures.insert(place, error);
            } else if let Some(answer) = self.ask(place, patience).await {
                return Ok(answer);
            } else if self.waits(place) {
                passed_over.push(place);
            }
        }
        let error = self.last_word();
        if passed_over.is_empty() || may_wait(&error, patience, self.clock.now()) {
            return Err(error);
        }
        for place in passed_over {
            if let Some(answer) = self.ask(place, None).await {
                return Ok(answer);
            }
        }
        Err(self.last_word())
    }

    /// Why an endpoint is passed over, if it is.
    fn cooling(&self, place: usize) -> Option<AskError> {
        let link = &self.links[place];
        let (state, now) = (link.pool().endpoint().clone(), self.clock.now());
        let until = state.cooling_until(now)?;
        Some(link.client.cooling(&link.question, state.failures, until))
    }

    /// Whether an endpoint was not asked with tokens that it has, for the sake of its conversation.
    fn waits(&self, place: usize) -> bool {
        let link = &self.links[place];
        let goes_on = matches!(link.question.conversation, Conversation::GoOn { .. });
        let retry_at = self.failures.get(&place).and_then(AskError::retry_at);
        let availability = || link.pool().availability(self.clock.now());
        goes_on && retry_at.is_some() && availability() == Availability::Now
    }

    /// `reach`: a conversation may wait until then for its token.
    async fn ask(&mut self, place: usize, reach: Option<Timestamp>) -> Option<Answer> {
        let link = &self.links[place];
        match ask_in_turn(link, reach, &mut self.tries, self.clock).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.failures.insert(place, error);
                None
            }
        }
    }

    fn last_word(&self) -> AskError {
        AskError::of_chain(self.failures.values().cloned().collect())
    }
}

/// Whether a later attempt may still bring the answer.
fn may_wait(error: &AskError, patience: Option<Timestamp>, now: Timestamp) -> bool {
    let next = error.retry_at().unwrap_or(now);
    error.next_step() == Next::NextAttempt && patience.is_some_and(|until| next <= until)
}
