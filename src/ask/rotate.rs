//! One endpoint's part of an attempt: one token after the other, until one gets an answer or there is no point in
//! going on.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{
    Answer, Conversation, Question,
    chain::{Link, Try},
    error::AskError,
    kind::{ErrorKind, Next, TokenEffect},
    pool::{Asked, Availability, Take},
};
use crate::{clock::Clock, config::types::Token, model::Timestamp};

/// A token that was asked with just now is waited for so long; the next endpoint is asked sooner than that.
const PATIENCE: TimeDelta = TimeDelta::minutes(1);
/// The next attempt comes no sooner than this.
const SLACK: TimeDelta = TimeDelta::seconds(1);

/// Asks with the token whose turn it is; one that fails for a reason of its own gives way to the next at once.
///
/// Each token is asked with once at most; `tries` grows by each request. The pool is locked for moments only, never
/// while a request is under way.
///
/// A conversation goes on with its own token alone. Where that one is back before `reach`, the last instant at which
/// another attempt may come, the conversation waits for it; else a new one begins.
pub(super) async fn ask_in_turn(
    link: &Link<'_>,
    reach: Option<Timestamp>,
    tries: &mut Vec<Try>,
    clock: &dyn Clock,
) -> Result<Answer, AskError> {
    let mut turns = Turns {
        link,
        question: link.question.clone(),
        tried: Vec::new(),
        is_first: true,
        failure: None,
        patience: clock.now() + PATIENCE,
        reach,
    };
    loop {
        let started_at = clock.now();
        let token = match turns.take(started_at) {
            Turn::Token(token) => token,
            Turn::Wait(until) if until <= turns.patience => {
                clock.sleep_until(until).await;
                continue;
            }
            Turn::Wait(_) | Turn::Over => return Err(turns.last_word(started_at)),
            Turn::Later(until) => return Err(turns.waits(started_at, until)),
        };
        if token.is_some() && link.pool().is_paced() {
            link.counted.notify_one();
        }
        let result = link.client.ask(&turns.question, token.as_ref()).await;
        let asked = Asked {
            started_at,
            finished_at: clock.now(),
        };
        tries.push(turns.note(token.as_ref(), &result, asked));
        match result {
            Err(error) if error.next_step() == Next::AnotherToken => turns.go_on_after(error),
            result => return result,
        }
    }
}

/// What an endpoint's part goes on with.
enum Turn {
    /// A question with this token, or without one.
    Token(Option<Token>),
    /// A token that may be asked with then.
    Wait(Timestamp),
    /// The conversation's own token, in an attempt that comes then.
    Later(Timestamp),
    /// Nothing: all have had their turn.
    Over,
}

/// An endpoint's part so far.
struct Turns<'a> {
    link: &'a Link<'a>,
    /// What is asked: its conversation begins anew where it cannot go on.
    question: Question,
    /// The fingerprints of the tokens that had their turn.
    tried: Vec<Arc<str>>,
    is_first: bool,
    /// The last token's own failure.
    failure: Option<AskError>,
    /// A token that is back by then is waited for here.
    patience: Timestamp,
    /// Another attempt may come until then; None: none comes.
    reach: Option<Timestamp>,
}

impl Turns<'_> {
    /// The next token, or no token for a pool that is empty.
    fn take(&mut self, now: Timestamp) -> Turn {
        if let Conversation::GoOn { token, .. } = &self.question.conversation {
            let token = token.clone();
            if let Some(turn) = self.go_on(&token, now) {
                return turn;
            }
            self.question.conversation = Conversation::Begin;
        }
        let token = match self.link.pool().take(&self.tried, now) {
            Take::Token(token) => Some(token),
            Take::Anonymous if self.is_first => None,
            Take::Anonymous | Take::Nobody => return Turn::Over,
            Take::Spaced(until) => return Turn::Wait(until),
        };
        self.is_first = false;
        self.tried
            .extend(token.as_ref().map(|token| token.fingerprint.clone()));
        Turn::Token(token)
    }

    /// How a conversation goes on with its token; None where that one is gone, or back too late.
    fn go_on(&mut self, fingerprint: &Arc<str>, now: Timestamp) -> Option<Turn> {
        let mut pool = self.link.pool();
        let back_at = pool.back_at(fingerprint, now)?;
        let is_tried = self.tried.contains(fingerprint);
        if back_at <= now {
            // Taking it counts a use: only where it is asked.
            let token = (!is_tried).then(|| pool.take_this(fingerprint, now))??;
            self.tried.push(fingerprint.clone());
            return Some(Turn::Token(Some(token)));
        }
        if back_at <= self.patience && !is_tried {
            return Some(Turn::Wait(back_at));
        }
        let is_in_reach = self.reach.is_some_and(|reach| back_at + SLACK <= reach);
        is_in_reach.then_some(Turn::Later(back_at))
    }

    /// Another token's turn, to which no conversation of this one's account is known; unless this one only rests.
    fn go_on_after(&mut self, error: AskError) {
        let rests = matches!(
            error.token_effect(),
            TokenEffect::Cooling { .. } | TokenEffect::OutOfQuota(_)
        );
        if let (Conversation::GoOn { .. }, false) = (&self.question.conversation, rests) {
            self.question.conversation = Conversation::Begin;
            if error.kind() == ErrorKind::ConversationLost {
                // The token may be as good as any other.
                self.tried.clear();
            }
        }
        self.failure = Some(error);
    }

    fn note(&self, token: Option<&Token>, result: &Result<Answer, AskError>, asked: Asked) -> Try {
        let mut pool = self.link.pool();
        match result {
            Ok(_) => pool.record_answer(token, asked),
            Err(error) => pool.record_failure(token, error, asked),
        }
        Try {
            endpoint: self.link.client.endpoint().name.clone(),
            token: token.map(|token| token.label.clone()),
            error: result.as_ref().err().map(|e| (e.kind(), e.to_string())),
            started_at: asked.started_at,
            finished_at: asked.finished_at,
        }
    }

    /// The failure of an endpoint whose conversation waits for its token.
    fn waits(&mut self, now: Timestamp, until: Timestamp) -> AskError {
        let words = match &self.question.conversation {
            Conversation::GoOn { token, .. } => self.link.pool().describe_wait(token, now),
            Conversation::None | Conversation::Begin => String::new(),
        };
        let error = match self.failure.take() {
            Some(failure) => failure.and(&words),
            None => self.link.client.waits(&self.question, words),
        };
        error.with_next(Next::NextAttempt, Some(until))
    }

    /// The failure of an endpoint that has no token left, and when asking again makes sense, if ever.
    fn last_word(&mut self, now: Timestamp) -> AskError {
        let pool = self.link.pool();
        let (next, retry_at) = match pool.availability(now) {
            Availability::Now => (Next::NextAttempt, None),
            Availability::At(until) => (Next::NextAttempt, Some(until)),
            Availability::Never => (Next::GiveUp, None),
        };
        let Link {
            client, question, ..
        } = self.link;
        self.failure
            .take()
            .unwrap_or_else(|| client.exhausted(question, pool.describe(now)))
            .with_next(next, retry_at)
    }
}
