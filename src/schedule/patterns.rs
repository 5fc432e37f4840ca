//! Equal cron texts read once, however many jobs share them.

use std::{collections::HashMap, sync::Arc};

use chrono_tz::Tz;

use super::{Pattern, Schedule, ScheduleError};

/// The patterns of one config: made for a load, dropped with it.
///
/// Reading a text takes tens of microseconds, which 10,000 jobs would feel at start.
#[derive(Debug, Default)]
pub struct Patterns {
    known: HashMap<Box<str>, Arc<Pattern>>,
}

impl Patterns {
    /// Like [`Schedule::cron`], with the pattern shared among equal texts.
    ///
    /// # Errors
    /// Text that is no pattern, and a pattern that never comes (30 February).
    pub fn cron(&mut self, text: &str, zone: Tz) -> Result<Schedule, ScheduleError> {
        let pattern = match self.known.get(text) {
            Some(pattern) => Arc::clone(pattern),
            None => {
                let pattern = Arc::new(Pattern::parse(text)?);
                self.known.insert(text.into(), Arc::clone(&pattern));
                pattern
            }
        };
        Schedule::on_pattern(pattern, zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::When;

    #[test]
    fn equal_texts_share_one_pattern_across_zones() {
        let mut patterns = Patterns::default();
        let a = patterns.cron("0 8 * * 1-5", Tz::UTC).unwrap();
        let b = patterns.cron("0 8 * * 1-5", Tz::Asia__Shanghai).unwrap();
        let c = patterns.cron("0 9 * * 1-5", Tz::UTC).unwrap();
        let [When::Cron(a), When::Cron(b), When::Cron(c)] = [a.when(), b.when(), c.when()] else {
            panic!("all three are cron schedules")
        };
        assert!(Arc::ptr_eq(a, b));
        assert!(!Arc::ptr_eq(a, c));
    }
}
