//! How much one address may ask: enough for people and scrapers, too little to guess a token.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// A bucket of tries that fills up again by itself.
#[derive(Clone, Copy)]
struct Rate {
    most: f64,
    per_second: f64,
}

const REQUESTS: Rate = Rate {
    most: 400.0,
    per_second: 100.0,
};

/// Ten guesses, then one each ten seconds.
const GUESSES: Rate = Rate {
    most: 10.0,
    per_second: 0.1,
};

/// Addresses that are remembered; the fullest bucket is forgotten first, which costs nothing.
const MOST_PEERS: usize = 1_024;

/// What each address has left.
#[derive(Default)]
pub(in crate::web) struct Rates(Mutex<HashMap<IpAddr, Left>>);

struct Left {
    requests: f64,
    guesses: f64,
    at: Instant,
}

impl Left {
    fn full(at: Instant) -> Self {
        Self {
            requests: REQUESTS.most,
            guesses: GUESSES.most,
            at,
        }
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        let filled = |left: f64, rate: Rate| (left + seconds * rate.per_second).min(rate.most);
        self.requests = filled(self.requests, REQUESTS);
        self.guesses = filled(self.guesses, GUESSES);
        self.at = now;
    }
}

impl Rates {
    /// One more request; false: too many.
    pub(in crate::web) fn request(&self, peer: IpAddr, now: Instant) -> bool {
        self.with(peer, now, |left| {
            let is_left = left.requests >= 1.0;
            left.requests -= f64::from(u8::from(is_left));
            is_left
        })
    }

    /// Whether a token may be tried.
    pub(in crate::web) fn may_guess(&self, peer: IpAddr, now: Instant) -> bool {
        self.with(peer, now, |left| left.guesses >= 1.0)
    }

    /// A token was wrong.
    pub(in crate::web) fn guessed(&self, peer: IpAddr, now: Instant) {
        self.with(peer, now, |left| left.guesses -= 1.0);
    }

    fn with<T>(&self, peer: IpAddr, now: Instant, act: impl FnOnce(&mut Left) -> T) -> T {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= MOST_PEERS && !peers.contains_key(&peer) {
            peers.values_mut().for_each(|left| left.refill(now));
            let fullest = peers.iter().max_by(|(_, one), (_, other)| {
                let full = |left: &Left| left.guesses * REQUESTS.most + left.requests;
                full(one).total_cmp(&full(other))
            });
            if let Some(peer) = fullest.map(|(peer, _)| *peer) {
                peers.remove(&peer);
            }
        }
        let left = peers.entry(peer).or_insert_with(|| Left::full(now));
        left.refill(now);
        act(left)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;

    #[test]
    fn who_guesses_is_slowed_down_and_nobody_else_is() {
        let (rates, now) = (Rates::default(), Instant::now());
        let [one, other] = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)));
        for _ in 0..10 {
            assert!(rates.may_guess(one, now));
            rates.guessed(one, now);
        }
        assert!(!rates.may_guess(one, now));
        assert!(rates.may_guess(other, now));
        assert!(rates.may_guess(one, now + Duration::from_secs(11)));
    }

    #[test]
    fn many_addresses_take_bounded_room_and_forget_no_guesser() {
        let (rates, now) = (Rates::default(), Instant::now());
        let guesser = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for _ in 0..10 {
            rates.guessed(guesser, now);
        }
        for n in 0..5_000_u32 {
            assert!(rates.request(IpAddr::V4(Ipv4Addr::from(n + 1)), now));
        }
        assert!(rates.0.lock().unwrap().len() <= MOST_PEERS);
        assert!(!rates.may_guess(guesser, now));
    }

    #[test]
    fn requests_are_bounded_and_come_back() {
        let (rates, now) = (Rates::default(), Instant::now());
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let taken = (0..1_000).filter(|_| rates.request(peer, now)).count();
        assert_eq!(taken, 400);
        assert!(rates.request(peer, now + Duration::from_secs(1)));
    }
}
