//! The one call by which the loops tell people something, and what is told on a beat.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{
    Notice,
    letter::Envelope,
    receivers::receivers,
    words::{summary, words},
};
use crate::{
    config::Config,
    daemon::engine::Engine,
    ledger::{LedgerError, MissedJob, NewNotice, Standing, Step},
    model::Timestamp,
};

/// Occurrences that gave way to a newer one are told of when the oldest is older than this: a
/// restart is no outage.
const OUTAGE: TimeDelta = TimeDelta::minutes(10);

impl Engine {
    /// Tells people something that the ledger says nowhere else, as often as its rhythm has it.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub(in crate::daemon) async fn tell(&self, notice: Notice) -> Result<(), LedgerError> {
        let is_over = notice.step() == Step::Over;
        if is_over && !self.ledger.is_trouble(&notice.subject()).await? {
            return Ok(());
        }
        let now = self.clock.now();
        let new = tidings(&self.revision().config, notice, now);
        self.persist(|| self.ledger.tell(&new, now)).await?;
        self.deliverer.notify_one();
        Ok(())
    }

    /// Sums up what was too much for an hour, where there is room again.
    pub(in crate::daemon) async fn tell_gathered(&self) -> Result<(), LedgerError> {
        let (now, revision) = (self.clock.now(), self.revision());
        let (config, most) = (&revision.config, revision.config.alerts_per_hour);
        for gathered in self.ledger.gathered(most, now).await? {
            let target = config.targets.get(gathered.target.as_str());
            let letter = target.and_then(|target| {
                let words = summary(config.language, &gathered.titles, most);
                let id = format!("{:?} {}", gathered.titles, now);
                Envelope::new(target, config.language, now).letter(words, &id, None)
            });
            self.persist(|| self.ledger.sum_up(&gathered, letter.as_ref(), now))
                .await?;
            self.deliverer.notify_one();
        }
        Ok(())
    }

    /// Tells of what was missed since it was told last: one notice for all jobs.
    pub(in crate::daemon) async fn tell_missed(&self) -> Result<(), LedgerError> {
        let missed = self.ledger.missed().await?;
        if missed.is_empty() {
            return Ok(());
        }
        let (now, revision) = (self.clock.now(), self.revision());
        let config = &revision.config;
        let is_told = |missed: &&MissedJob| {
            let is_known = config.job(&missed.job).is_some();
            is_known && (missed.is_lost || now - missed.first() >= OUTAGE)
        };
        let told: Vec<_> = missed.iter().filter(is_told).cloned().collect();
        let notice = match told.is_empty() {
            true => None,
            false => Some(tidings(config, Notice::Missed(told), now)),
        };
        self.persist(|| self.ledger.tell_missed(&missed, notice.as_ref(), now))
            .await?;
        self.deliverer.notify_one();
        Ok(())
    }
}

/// A notice for the ledger, to be written in the transaction of what it tells of.
pub(in crate::daemon) fn tidings(config: &Config, notice: Notice, now: Timestamp) -> NewNotice {
    let (subject, step, run_id) = (notice.subject(), notice.step(), notice.run_id());
    let (receivers, language) = (receivers(config, &notice), config.language);
    let key = subject.clone();
    let compose = move |standing: Standing| {
        if !notice.rhythm().tells(step, standing, now) {
            return Vec::new();
        }
        let letters = receivers.iter().filter_map(|receiver| {
            let words = words(&receiver.notice, language, receiver.zone, standing);
            let id = format!("{key} {step:?} {} {}", standing.since, standing.times);
            let envelope = Envelope::new(&receiver.target, language, now);
            let envelope = envelope.tried_for(receiver.tried_for);
            envelope.letter(words, &id, Some(step))
        });
        letters.collect()
    };
    NewNotice {
        subject,
        step,
        run_id,
        most_per_hour: config.alerts_per_hour,
        compose: Arc::new(compose),
    }
}
