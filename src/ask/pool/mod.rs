//! The tokens of one endpoint: whose turn it is, and who must rest. Pure: every method is told the instant.

mod events;
mod pace;
mod standing;
mod state;

use std::sync::Arc;

pub use events::{EndpointChange, TokenChange, TokenEvent};
pub use standing::{Standing, TokenWord};
use state::Check;
pub use state::{Asked, EndpointState, Health, TokenState};

use super::{
    error::AskError,
    kind::{ErrorKind, TokenEffect},
};
use crate::{
    config::types::{Pace, Token},
    model::Timestamp,
};

/// The tokens of one endpoint with what is known of each.
#[derive(Debug)]
pub struct Pool {
    members: Vec<Member>,
    pace: Pace,
    endpoint: EndpointState,
    /// What is known of the endpoint is not in the ledger yet.
    is_endpoint_new: bool,
    /// Grows with each turn: two turns may share an instant, not a number.
    turns: u64,
    /// What people have not been told yet of its tokens, and of the endpoint.
    events: Vec<TokenEvent>,
    endpoint_change: Option<EndpointChange>,
}

#[derive(Debug)]
struct Member {
    token: Token,
    state: TokenState,
    /// It is not in the ledger yet.
    is_new: bool,
    last_turn: u64,
}

/// What a pool has learned since it was last asked: to be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// Of the endpoint as a whole.
    pub endpoint: Option<EndpointState>,
    /// Of its tokens.
    pub tokens: Vec<TokenState>,
    /// What people should know of them.
    pub events: Vec<TokenEvent>,
    /// What people should know of the endpoint.
    pub change: Option<EndpointChange>,
}

/// Whose turn it is.
#[derive(Clone, Debug)]
pub enum Take {
    /// This token's.
    Token(Token),
    /// Nobody's yet, but for the time between two requests some token's then.
    Spaced(Timestamp),
    /// The pool is empty: the endpoint is asked without a token.
    Anonymous,
    /// No token's that has not been tried.
    Nobody,
}

/// Whether a pool can serve a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// At once.
    Now,
    /// When the first of its tokens is back.
    At(Timestamp),
    /// Not before a person has renewed a token: all are dead.
    Never,
}

impl Pool {
    /// A pool of tokens of which nothing is known; their order is that of the config.
    #[must_use]
    pub fn new(tokens: &[Token], pace: Pace) -> Self {
        let member = |token: &Token| Member {
            token: token.clone(),
            state: TokenState {
                fingerprint: token.fingerprint.clone(),
                ..TokenState::default()
            },
            is_new: false,
            last_turn: 0,
        };
        Self {
            members: tokens.iter().map(member).collect(),
            pace,
            endpoint: EndpointState::default(),
            is_endpoint_new: false,
            turns: 0,
            events: Vec::new(),
            endpoint_change: None,
        }
    }

    /// Takes up what was known before a restart or a reload; states of tokens that are gone are ignored.
    pub fn restore(&mut self, states: impl IntoIterator<Item = TokenState>) {
        for state in states {
            if let Some(member) = self.member(&state.fingerprint) {
                member.state = state;
            }
        }
        let mut order: Vec<&mut Member> = self.members.iter_mut().collect();
        order.sort_by_key(|member| member.state.last_used);
        for member in order {
            if member.state.last_used.is_some() {
                self.turns += 1;
                member.last_turn = self.turns;
            }
        }
    }

    /// Takes up what was known of the endpoint.
    pub fn restore_endpoint(&mut self, endpoint: EndpointState) {
        self.endpoint = endpoint;
    }

    /// The token whose turn it is, and takes note that it is used: the least recently used of the healthy ones; where
    /// none is left, of the suspect ones; then a dead one whose daily check is due, for asking is a check too.
    /// None that is in `tried`, by fingerprint, and none that its pace holds back.
    pub fn take(&mut self, tried: &[Arc<str>], now: Timestamp) -> Take {
        if self.members.is_empty() {
            return Take::Anonymous;
        }
        let pace = self.pace;
        let turn = self
            .members
            .iter_mut()
            .filter(|member| !tried.contains(&member.token.fingerprint))
            .filter_map(|member| {
                let spaced = pace.spaced_until(&member.state, now);
                Some((spaced, member.rank(&pace, now)?, member.last_turn, member))
            })
            .min_by_key(|(spaced, rank, last_turn, _)| (*rank, *spaced, *last_turn));
        let member = match turn {
            None => return Take::Nobody,
            Some((Some(until), ..)) => return Take::Spaced(until),
            Some((None, _, _, member)) => member,
        };
        self.turns += 1;
        Take::Token(member.use_now(&pace, self.turns, now))
    }

    /// When the token of that fingerprint may be used, `now` for at once; None for one that is dead or gone from the
    /// config.
    #[must_use]
    pub fn back_at(&self, fingerprint: &str, now: Timestamp) -> Option<Timestamp> {
        let mut members = self.members.iter();
        let member = members.find(|member| &*member.token.fingerprint == fingerprint)?;
        let is_dead = matches!(member.state.health, Health::Dead { .. });
        member.free_at(&self.pace, now).filter(|_| !is_dead)
    }

    /// The token of that fingerprint and no other, where it may be used at once: a conversation is its account's. Takes
    /// note that it is used.
    pub fn take_this(&mut self, fingerprint: &str, now: Timestamp) -> Option<Token> {
        self.back_at(fingerprint, now).filter(|at| *at <= now)?;
        self.turns += 1;
        let (turn, pace) = (self.turns, self.pace);
        let member = self.member(fingerprint)?;
        Some(member.use_now(&pace, turn, now))
    }

    /// Whether any token, tried or not, may be used.
    #[must_use]
    pub fn availability(&self, now: Timestamp) -> Availability {
        if self.members.is_empty() {
            return Availability::Now;
        }
        let free_at = |member: &Member| member.free_at(&self.pace, now);
        match self.members.iter().filter_map(free_at).min() {
            None => Availability::Never,
            Some(at) if at <= now => Availability::Now,
            Some(at) => Availability::At(at),
        }
    }

    /// An answer by a token; None is the anonymous one.
    pub fn record_answer(&mut self, token: Option<&Token>, asked: Asked) {
        self.record_endpoint(None, asked);
        self.change(token, None, |state| state.answered(asked));
    }

    /// A failure with a token. One that never reached the service counts for no quota.
    pub fn record_failure(&mut self, token: Option<&Token>, error: &AskError, asked: Asked) {
        let failure = Some(error).filter(|error| error.kind().is_the_endpoints());
        self.record_endpoint(failure, asked);
        self.change(token, Some(error), |state| {
            if error.kind() == ErrorKind::Connect {
                let counted = crate::model::to_ms(asked.started_at);
                state.rounds.retain(|at| *at != counted);
            }
            state.failed(error.token_effect(), asked);
        });
    }

    /// A check that found the token to be live. That it got through says nothing of answers.
    pub fn record_live(&mut self, token: &Token, asked: Asked) {
        self.change(Some(token), None, |state| {
            state.checked(Check::Live, asked.finished_at);
        });
    }

    /// A check that failed: the service refuses the token, or said nothing of it.
    pub fn record_failed_check(&mut self, token: &Token, error: &AskError, asked: Asked) {
        let check = match error.token_effect() {
            TokenEffect::Suspect => Check::Refused,
            _ => Check::Unknown,
        };
        if error.kind().is_the_endpoints() {
            self.record_endpoint(Some(error), asked);
        }
        self.change(Some(token), Some(error), |state| {
            state.checked(check, asked.finished_at);
        });
    }

    /// Warns of tokens that end soon, 7, 3 and 1 days ahead and at their end, once each.
    pub fn note_expiry(&mut self, now: Timestamp) {
        for member in &mut self.members {
            let Some(expires_at) = member.token.expires_at else {
                continue;
            };
            if let Some(change) = events::expiry(&mut member.state, expires_at, now) {
                member.is_new = true;
                self.events.push(member.event(change));
            }
        }
    }

    /// A request's outcome, as far as it is the endpoint's own: it failed, or spoke.
    fn record_endpoint(&mut self, failure: Option<&AskError>, asked: Asked) {
        let before = self.endpoint.clone();
        self.endpoint.record(failure.is_some(), asked);
        self.is_endpoint_new |= self.endpoint != before;
        let change = match (failure, self.endpoint.held_until(&before)) {
            (Some(error), Some(until)) => Some(EndpointChange::Held {
                until,
                error: error.to_string(),
            }),
            (None, _) if before.cools_until.is_some() => Some(EndpointChange::Back),
            _ => None,
        };
        self.endpoint_change = change.or(self.endpoint_change.take());
    }

    fn change(
        &mut self,
        token: Option<&Token>,
        error: Option<&AskError>,
        change: impl FnOnce(&mut TokenState),
    ) {
        let Some(member) = token.and_then(|token| self.member(&token.fingerprint)) else {
            return;
        };
        let before = member.state.clone();
        change(&mut member.state);
        member.is_new = true;
        if let Some(change) = events::between(&before, &member.state, error) {
            let event = member.event(change);
            self.events.push(event);
        }
    }

    /// Whether it counts how often its tokens are used.
    #[must_use]
    pub fn is_paced(&self) -> bool {
        self.pace != Pace::default()
    }

    /// What is new since this was last asked.
    pub fn learned(&mut self) -> Learned {
        let is_endpoint_new = std::mem::take(&mut self.is_endpoint_new);
        let new = |member: &mut Member| std::mem::take(&mut member.is_new);
        Learned {
            endpoint: is_endpoint_new.then(|| self.endpoint.clone()),
            tokens: (self.members.iter_mut())
                .filter_map(|member| new(member).then(|| member.state.clone()))
                .collect(),
            events: std::mem::take(&mut self.events),
            change: self.endpoint_change.take(),
        }
    }

    /// The suspect and dead tokens that are to be checked now.
    #[must_use]
    pub fn checks_due(&self, now: Timestamp) -> Vec<Token> {
        self.members
            .iter()
            .filter(|member| member.state.is_check_due(now))
            .map(|member| member.token.clone())
            .collect()
    }

    /// Each token's label and what is known of it, in the config's order.
    pub fn states(&self) -> impl Iterator<Item = (&str, &TokenState)> {
        self.members
            .iter()
            .map(|member| (&*member.token.label, &member.state))
    }

    /// What is known of the endpoint as a whole.
    #[must_use]
    pub fn endpoint(&self) -> &EndpointState {
        &self.endpoint
    }

    fn member(&mut self, fingerprint: &str) -> Option<&mut Member> {
        self.members
            .iter_mut()
            .find(|member| &*member.token.fingerprint == fingerprint)
    }
}

impl Member {
    fn event(&self, change: TokenChange) -> TokenEvent {
        TokenEvent {
            token: self.token.label.clone(),
            fingerprint: self.token.fingerprint.clone(),
            change,
        }
    }

    fn use_now(&mut self, pace: &Pace, turn: u64, now: Timestamp) -> Token {
        self.last_turn = turn;
        pace.count(&mut self.state, now);
        self.state.last_used = Some(now);
        self.is_new = true;
        self.token.clone()
    }

    /// The lower the better; None for one that may not be used, whatever the time between two requests says.
    fn rank(&self, pace: &Pace, now: Timestamp) -> Option<u8> {
        if self.resting_until(pace, now).is_some() {
            return None;
        }
        match self.state.health {
            Health::Healthy | Health::Cooling { .. } | Health::OutOfQuota { .. } => Some(0),
            Health::Suspect { .. } => Some(1),
            Health::Dead { .. } => self.state.is_trial_due(now).then_some(2),
        }
    }

    /// As far as the service's own limits and the config's quota go.
    fn resting_until(&self, pace: &Pace, now: Timestamp) -> Option<Timestamp> {
        let quota = pace.used_up_until(&self.state, now);
        self.state.resting_until(now).max(quota)
    }

    /// When it may be used, `now` for at once; None for a dead one.
    fn free_at(&self, pace: &Pace, now: Timestamp) -> Option<Timestamp> {
        let rests = self.resting_until(pace, now);
        let spaced = pace.spaced_until(&self.state, now);
        let is_dead = matches!(self.state.health, Health::Dead { .. });
        let is_lost = is_dead && !self.state.is_trial_due(now);
        (!is_lost).then(|| rests.max(spaced).unwrap_or(now))
    }
}

#[cfg(test)]
mod tests;
