//! One attempt: one token after the other, until one gets an answer or there is no point in going on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use super::{
    Answer, Client, Question,
    error::AskError,
    kind::{ErrorKind, Next},
    pool::{Asked, Availability, Pool, Take, TokenState},
};
use crate::{clock::Clock, config::types::Token, model::Timestamp};

/// What an attempt came to.
#[derive(Debug)]
pub struct Attempt {
    /// The answer, or the failure that ended the attempt: its `next_step` is the next attempt, not before `retry_at`
    /// where that is set, or none.
    pub result: Result<Answer, AskError>,
    /// Every request, in order; the last one's token got the answer or failed last.
    pub tries: Vec<Try>,
    /// The states of the tokens that were used, to be kept.
    pub changed: Vec<TokenState>,
}

/// One request of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
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

/// Asks with the token whose turn it is; one that fails for a reason of its own gives way to the next at once.
///
/// Each token is asked with once at most. The pool is locked for moments only, never while a request is under way.
pub async fn ask_in_turn(
    client: &Client,
    pool: &Mutex<Pool>,
    question: &Question,
    clock: &dyn Clock,
) -> Attempt {
    let mut turns = Turns::default();
    let result = loop {
        let Some(token) = turns.take(&mut lock(pool), clock.now()) else {
            let now = clock.now();
            break Err(turns.last_word(client, &lock(pool), question, now));
        };
        let started_at = clock.now();
        let result = client.ask(question, token.as_ref()).await;
        let asked = Asked {
            started_at,
            finished_at: clock.now(),
        };
        turns.note(&mut lock(pool), token.as_ref(), &result, asked);
        match result {
            Err(error) if error.next_step() == Next::AnotherToken => turns.failure = Some(error),
            result => break result,
        }
    };
    Attempt {
        result,
        tries: turns.tries,
        changed: turns.changed,
    }
}

/// A panic elsewhere leaves the pool whole: each of its methods ends in a state that holds.
fn lock(pool: &Mutex<Pool>) -> MutexGuard<'_, Pool> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An attempt so far.
#[derive(Default)]
struct Turns {
    /// The fingerprints of the tokens that had their turn.
    tried: Vec<Arc<str>>,
    tries: Vec<Try>,
    changed: Vec<TokenState>,
    /// The last token's own failure.
    failure: Option<AskError>,
}

impl Turns {
    /// The next token, or no token for a pool that is empty; None when all have had their turn.
    fn take(&mut self, pool: &mut Pool, now: Timestamp) -> Option<Option<Token>> {
        let token = match pool.take(&self.tried, now) {
            Take::Token(token) => Some(token),
            Take::Anonymous if self.tries.is_empty() => None,
            Take::Anonymous | Take::Nobody => return None,
        };
        self.tried
            .extend(token.as_ref().map(|token| token.fingerprint.clone()));
        Some(token)
    }

    fn note(
        &mut self,
        pool: &mut Pool,
        token: Option<&Token>,
        result: &Result<Answer, AskError>,
        asked: Asked,
    ) {
        let changed = match result {
            Ok(_) => pool.record_answer(token, asked),
            Err(error) => pool.record_failure(token, error, asked),
        };
        self.changed.extend(changed);
        self.tries.push(Try {
            token: token.map(|token| token.label.clone()),
            error: result.as_ref().err().map(|e| (e.kind(), e.to_string())),
            started_at: asked.started_at,
            finished_at: asked.finished_at,
        });
    }

    /// The failure of an attempt that has no token left, and when asking again makes sense, if ever.
    fn last_word(
        &mut self,
        client: &Client,
        pool: &Pool,
        question: &Question,
        now: Timestamp,
    ) -> AskError {
        let (next, retry_at) = match pool.availability(now) {
            Availability::Now => (Next::NextAttempt, None),
            Availability::At(until) => (Next::NextAttempt, Some(until)),
            Availability::Never => (Next::GiveUp, None),
        };
        self.failure
            .take()
            .unwrap_or_else(|| client.exhausted(question, pool.describe(now)))
            .with_next(next, retry_at)
    }
}
