//! The tokens of one endpoint: whose turn it is, and who must rest. Pure: every method is told the instant.

mod state;

use std::sync::Arc;

pub use state::{Asked, EndpointState, Health, TokenState};

use super::error::AskError;
use crate::{config::types::Token, model::Timestamp};

/// The tokens of one endpoint with what is known of each.
#[derive(Debug)]
pub struct Pool {
    members: Vec<Member>,
    endpoint: EndpointState,
    /// What is known of the endpoint is not in the ledger yet.
    is_endpoint_new: bool,
    /// Grows with each turn: two turns may share an instant, not a number.
    turns: u64,
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
}

/// Whose turn it is.
#[derive(Clone, Debug)]
pub enum Take {
    /// This token's.
    Token(Token),
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
    pub fn new(tokens: &[Token]) -> Self {
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
            endpoint: EndpointState::default(),
            is_endpoint_new: false,
            turns: 0,
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
    /// None that is in `tried`, by fingerprint.
    pub fn take(&mut self, tried: &[Arc<str>], now: Timestamp) -> Take {
        if self.members.is_empty() {
            return Take::Anonymous;
        }
        let turn = self
            .members
            .iter_mut()
            .filter(|member| !tried.contains(&member.token.fingerprint))
            .filter_map(|member| Some((member.rank(now)?, member.last_turn, member)))
            .min_by_key(|(rank, last_turn, _)| (*rank, *last_turn));
        let Some((_, _, member)) = turn else {
            return Take::Nobody;
        };
        self.turns += 1;
        member.last_turn = self.turns;
        member.state.last_used = Some(now);
        member.is_new = true;
        Take::Token(member.token.clone())
    }

    /// Whether any token, tried or not, may be used.
    #[must_use]
    pub fn availability(&self, now: Timestamp) -> Availability {
        if self.members.is_empty() || self.members.iter().any(|m| m.rank(now).is_some()) {
            return Availability::Now;
        }
        self.members
            .iter()
            .filter_map(|member| member.state.resting_until(now))
            .min()
            .map_or(Availability::Never, Availability::At)
    }

    /// An answer by a token; None is the anonymous one.
    pub fn record_answer(&mut self, token: Option<&Token>, asked: Asked) {
        self.record_endpoint(false, asked);
        self.change(token, |state| state.answered(asked));
    }

    /// A failure with a token.
    pub fn record_failure(&mut self, token: Option<&Token>, error: &AskError, asked: Asked) {
        self.record_endpoint(error.kind().is_the_endpoints(), asked);
        self.change(token, |state| state.failed(error.token_effect(), asked));
    }

    /// The outcome of a check of a token.
    pub fn record_check(&mut self, token: &Token, live: bool, now: Timestamp) {
        self.change(Some(token), |state| state.checked(live, now));
    }

    fn record_endpoint(&mut self, is_failure: bool, asked: Asked) {
        let before = self.endpoint.clone();
        self.endpoint.record(is_failure, asked);
        self.is_endpoint_new |= self.endpoint != before;
    }

    fn change(&mut self, token: Option<&Token>, change: impl FnOnce(&mut TokenState)) {
        if let Some(member) = token.and_then(|token| self.member(&token.fingerprint)) {
            change(&mut member.state);
            member.is_new = true;
        }
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

    /// Why no token can be used: each with its state.
    #[must_use]
    pub fn describe(&self, now: Timestamp) -> String {
        let each = self.members.iter().map(|member| {
            let label = &member.token.label;
            let at = |until: Timestamp| until.format("%Y-%m-%dT%H:%M:%SZ");
            match member.state.health {
                Health::Cooling { until } if until > now => {
                    format!("{label} rests until {}", at(until))
                }
                Health::OutOfQuota { until } if until > now => {
                    format!("{label} is out of quota until {}", at(until))
                }
                Health::Dead { .. } => format!("{label} is dead"),
                Health::Suspect { .. } => format!("{label} was refused"),
                _ => format!("{label} is healthy"),
            }
        });
        let each: Vec<String> = each.collect();
        format!("no token to ask with: {}", each.join(", "))
    }

    fn member(&mut self, fingerprint: &str) -> Option<&mut Member> {
        self.members
            .iter_mut()
            .find(|member| &*member.token.fingerprint == fingerprint)
    }
}

impl Member {
    /// The lower the better; None for one that may not be used.
    fn rank(&self, now: Timestamp) -> Option<u8> {
        match self.state.health {
            _ if self.state.resting_until(now).is_some() => None,
            Health::Healthy | Health::Cooling { .. } | Health::OutOfQuota { .. } => Some(0),
            Health::Suspect { .. } => Some(1),
            Health::Dead { .. } => self.state.is_check_due(now).then_some(2),
        }
    }
}

#[cfg(test)]
mod tests;
