//! How things stand, in words. Pure.

use chrono_tz::Tz;

use super::{is_paused, next, schedule};
use crate::{
    cli::table,
    ledger::{Beat, JobStanding, Outbox},
    model::{Language, Timestamp, from_ms},
    schedule::Schedule,
    web::{health, say},
};

const EN: Language = Language::En;

/// When it is looked, and from where.
pub(super) struct Look {
    pub(super) now: Timestamp,
    /// The config's own, where it can be read.
    pub(super) zone: Tz,
}

impl Look {
    /// Whether a daemon is at work.
    pub(super) fn daemon(&self, beat: Option<&Beat>) -> String {
        match (health::judge(beat, self.now), beat) {
            (Ok(()), Some(beat)) => {
                let since = self.at(beat.started_at, self.zone);
                format!("the daemon runs, since {since}")
            }
            (Ok(()), None) => "the daemon runs".to_owned(),
            (Err(why), _) => why,
        }
    }

    /// What a target has not taken yet.
    pub(super) fn owed(&self, outbox: &Outbox) -> String {
        let Outbox { target, owed, .. } = outbox;
        let messages = if *owed == 1 { "message" } else { "messages" };
        let since = say::distance(from_ms(outbox.since_at), self.now, EN);
        let error = outbox.error.as_deref().map(first_line);
        let error = error.map_or_else(String::new, |why| format!(": {why}"));
        format!("{target} is owed {owed} {messages}, the oldest from {since}{error}")
    }

    pub(super) fn table(&self, jobs: &[JobStanding]) -> Vec<String> {
        if jobs.is_empty() {
            return vec!["no job is due by itself".to_owned()];
        }
        let heads = ["job", "state", "due", "asked", "next", "why"].map(str::to_owned);
        let mut rows = vec![Vec::from(heads)];
        rows.extend(jobs.iter().map(|job| self.cells(job)));
        if rows.iter().skip(1).all(|row| row[5].is_empty()) {
            rows.iter_mut().for_each(|row| row.truncate(5));
        }
        table::lines(&rows)
    }

    fn cells(&self, job: &JobStanding) -> Vec<String> {
        let none = || "-".to_owned();
        let schedule = schedule(job);
        let zone = schedule.as_ref().map_or(self.zone, Schedule::zone);
        let next = next(job, schedule.as_ref(), self.now);
        let by_hand = match job.trigger.as_deref() {
            Some("manual") => " (by hand)",
            _ => "",
        };
        let due = job.scheduled_at.map(|at| self.at(at, zone) + by_hand);
        let why = job.reason.as_deref().filter(|_| !is_paused(job, self.now));
        vec![
            job.job.clone(),
            self.state(job, zone),
            due.unwrap_or_else(none),
            job.asked_ms.map_or_else(none, |ms| say::took(ms, EN)),
            next.map_or_else(none, |at| say::at(at, zone, self.now, EN)),
            why.map(first_line).unwrap_or_default(),
        ]
    }

    /// What is going on, else how the last run ended.
    fn state(&self, job: &JobStanding, zone: Tz) -> String {
        let state = job.state.as_deref();
        let live = match state {
            Some("planned") => Some(self.waiting(job)),
            Some("claimed" | "asking") => Some(self.asking(job)),
            Some("answered" | "delivering") => {
                Some(format!("pushing, {} of {} done", job.pushed, job.parts))
            }
            _ => None,
        };
        match (live, is_paused(job, self.now), job.paused_until) {
            (Some(live), false, _) => live,
            (Some(live), true, _) => format!("{live}; paused"),
            (None, true, Some(until)) => format!("paused until {}", self.at(until, zone)),
            (None, true, None) => "paused".to_owned(),
            (None, false, _) => match (state, job.instants) {
                (Some(state), Some(many @ 2..)) => format!("{state} x {many}"),
                (Some(state), _) => state.to_owned(),
                (None, _) => "waiting for its first run".to_owned(),
            },
        }
    }

    fn asking(&self, job: &JobStanding) -> String {
        let since = job.asking_since.map(from_ms);
        let time = since.map(|since| {
            say::took(
                (self.now - since).num_milliseconds().max(0) / 1_000 * 1_000,
                EN,
            )
        });
        let time = time.map_or_else(String::new, |time| format!(" for {time}"));
        match job.tries {
            ..=1 => format!("asking{time}"),
            tries => format!("asking{time}, try {tries}"),
        }
    }

    fn waiting(&self, job: &JobStanding) -> String {
        let at = job.next_attempt_at.map(from_ms).filter(|at| *at > self.now);
        match (job.tries, at) {
            (0, None) => "waiting for a free slot".to_owned(),
            (0, Some(at)) => format!("begins {}", say::distance(at, self.now, EN)),
            (tries, None) => format!("try {} is due", tries + 1),
            (tries, Some(at)) => format!("try {} {}", tries + 1, say::distance(at, self.now, EN)),
        }
    }

    fn at(&self, ms: i64, zone: Tz) -> String {
        say::at(from_ms(ms), zone, self.now, EN)
    }
}

/// Somebody else's words, without what a terminal would obey.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|char| !char.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000_000;

    fn job(name: &str) -> JobStanding {
        JobStanding {
            job: name.to_owned(),
            paused_at: None,
            paused_until: None,
            schedule: Some("Asia/Shanghai 0 8 * * *".to_owned()),
            run_id: None,
            scheduled_at: None,
            trigger: None,
            state: None,
            reason: None,
            instants: None,
            asked_ms: None,
            next_attempt_at: None,
            tries: 0,
            asking_since: None,
            pushed: 0,
            parts: 0,
        }
    }

    fn ran(name: &str, state: &str) -> JobStanding {
        JobStanding {
            run_id: Some(1),
            scheduled_at: Some(NOW - 3_600_000),
            trigger: Some("schedule".to_owned()),
            state: Some(state.to_owned()),
            instants: Some(1),
            ..job(name)
        }
    }

    #[test]
    fn the_table_says_what_goes_on_and_keeps_its_columns_in_line() {
        let jobs = [
            JobStanding {
                asked_ms: Some(14_200),
                ..ran("金价/早报", "delivered")
            },
            JobStanding {
                asking_since: Some(NOW - 65_400),
                tries: 2,
                ..ran("gold", "asking")
            },
            JobStanding {
                next_attempt_at: Some(NOW + 30_000),
                tries: 1,
                ..ran("新闻", "planned")
            },
            JobStanding {
                asked_ms: Some(800),
                pushed: 1,
                parts: 3,
                trigger: Some("manual".to_owned()),
                ..ran("long", "delivering")
            },
            JobStanding {
                reason: Some("no answer after 5 tries\nmore".to_owned()),
                ..ran("logs", "failed")
            },
            JobStanding {
                paused_at: Some(NOW - 1),
                paused_until: Some(NOW + 86_400_000),
                reason: Some("paused".to_owned()),
                ..ran("away", "skipped")
            },
            JobStanding {
                paused_at: Some(NOW - 1),
                ..job("held")
            },
            JobStanding {
                paused_at: Some(NOW - 1),
                ..ran("by hand", "planned")
            },
            JobStanding {
                instants: Some(24),
                reason: Some("window".to_owned()),
                ..ran("hourly", "missed")
            },
            job("new"),
        ];
        let look = Look {
            now: from_ms(NOW),
            zone: Tz::UTC,
        };
        insta::assert_snapshot!(look.table(&jobs).join("\n"), @r"
        job        state                            due                       asked   next            why
        金价/早报  delivered                        today 18:06:40            14.2 s  tomorrow 08:00
        gold       asking for 1 min 5 s, try 2      today 18:06:40            -       tomorrow 08:00
        新闻       try 2 in 30 s                    today 18:06:40            -       tomorrow 08:00
        long       pushing, 1 of 3 done             today 18:06:40 (by hand)  800 ms  tomorrow 08:00
        logs       failed                           today 18:06:40            -       tomorrow 08:00  no answer after 5 tries
        away       paused until tomorrow 19:06:40   today 18:06:40            -       Fri 08:00
        held       paused                           -                         -       -
        by hand    waiting for a free slot; paused  today 18:06:40            -       -
        hourly     missed x 24                      today 18:06:40            -       tomorrow 08:00  window
        new        waiting for its first run        -                         -       tomorrow 08:00
        ");
    }

    #[test]
    fn it_is_said_whether_a_daemon_works() {
        let look = Look {
            now: from_ms(NOW),
            zone: Tz::UTC,
        };
        let beat = |beat_at: i64, stopped_at| Beat {
            owner: "daemon-1".to_owned(),
            started_at: NOW - 7_200_000,
            beat_at,
            planner_at: beat_at,
            stopped_at,
        };
        let said = [
            look.daemon(Some(&beat(NOW - 1_000, None))),
            look.daemon(Some(&beat(NOW - 1_000, Some(NOW)))),
            look.daemon(Some(&beat(NOW - 60_000, None))),
            look.daemon(None),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        the daemon runs, since today 09:06:40
        the daemon has stopped
        the ledger was last written 60 s ago: the daemon is gone, stuck, or its disk is full (see its log)
        no daemon has run on this ledger yet
        ");
    }
}
