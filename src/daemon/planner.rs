//! What is due, decided from jobs, cursors and the clock. Pure: `scheduler` does the acting.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    config::{Job, Overlap},
    ledger::{JobChanges, JobState, NewOccurrence, NewRange, Planning, ScheduledJob},
    model::{JobName, RunState, Timestamp},
    schedule::{self, Misfires, Missed, Schedule, Span},
};

/// The jobs that are due some day, soonest first.
pub(super) struct Planner {
    entries: Vec<Entry>,
    by_name: HashMap<JobName, usize>,
    heap: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

struct Entry {
    job: Arc<Job>,
    /// Every instant up to here is in the ledger.
    cursor: Timestamp,
    /// Its place in the heap; other entries of it there are stale.
    next: Option<Timestamp>,
}

impl Planner {
    /// The enabled jobs, each from where `cursor` says that the ledger stands.
    pub(super) fn new(jobs: &[Arc<Job>], cursor: impl Fn(&str) -> Option<Timestamp>) -> Self {
        let enabled = jobs.iter().filter(|job| job.enabled);
        let mut entries = Vec::with_capacity(jobs.len());
        entries.extend(enabled.filter_map(|job| {
            Some(Entry {
                job: job.clone(),
                cursor: cursor(job.name.as_str())?,
                next: None,
            })
        }));
        let named = |(index, entry): (_, &Entry)| (entry.job.name.clone(), index);
        let mut planner = Self {
            by_name: entries.iter().enumerate().map(named).collect(),
            heap: BinaryHeap::with_capacity(entries.len()),
            entries,
        };
        planner.rebuild();
        planner
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// The latest cursor of all; one that lies ahead was set by a clock that was wrong.
    pub(super) fn newest_cursor(&self) -> Option<Timestamp> {
        self.entries.iter().map(|entry| entry.cursor).max()
    }

    /// The job that will run next, and when: a paused one does not.
    pub(super) fn next_job(
        &self,
        pauses: &HashMap<String, JobState>,
    ) -> Option<(JobName, Timestamp)> {
        let named = |index: usize, at| (self.entries[index].job.name.clone(), at);
        if pauses.is_empty() {
            let Reverse((at, index)) = self.heap.peek()?;
            return Some(named(*index, *at));
        }
        let ahead = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| {
                let pause = pauses.get(entry.job.name.as_str());
                let runs = |at| {
                    pause.is_none_or(|pause| pause.paused_until.is_some_and(|until| until < at))
                };
                Some((entry.next.filter(|at| runs(*at))?, index))
            });
        ahead.min().map(|(at, index)| named(index, at))
    }

    /// The job of that name, if it is planned here.
    pub(super) fn job(&self, name: &str) -> Option<&Arc<Job>> {
        Some(&self.entries[*self.by_name.get(name)?].job)
    }

    /// Up to where every instant of the job of that name is in the ledger.
    pub(super) fn cursor(&self, name: &str) -> Option<Timestamp> {
        Some(self.entries[*self.by_name.get(name)?].cursor)
    }

    /// What differs where `jobs` are planned from now on.
    pub(super) fn changes<'a>(&self, jobs: &'a [ScheduledJob<'a>]) -> JobChanges<'a> {
        let mut changes = JobChanges::default();
        let mut stay = HashSet::with_capacity(jobs.len());
        for job in jobs {
            stay.insert(job.name);
            match self.job(job.name) {
                None => changes.new.push(job),
                Some(known) if known.schedule.to_text() == job.schedule => {}
                Some(_) => changes.revised.push(job),
            }
        }
        let gone = self
            .by_name
            .keys()
            .filter(|name| !stay.contains(name.as_str()));
        changes.removed = gone.map(ToString::to_string).collect();
        changes
    }

    /// The newest instant of a job that is not yet in the ledger, at `now`.
    pub(super) fn newest_due(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        let entry = &self.entries[*self.by_name.get(name)?];
        schedule::pass_over(&entry.job.schedule, entry.cursor, now).map(|span| span.until)
    }

    /// The jobs that are due at `now`; they are due again only once they are [`Self::planned`].
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<usize> {
        let mut due = Vec::new();
        while let Some(Reverse((at, index))) = self.heap.peek().copied() {
            if at > now {
                break;
            }
            self.heap.pop();
            if self.entries[index].next == Some(at) {
                self.entries[index].next = None;
                due.push(index);
            }
        }
        due
    }

    /// What becomes of the due jobs' instants up to `now`.
    pub(super) fn plan(
        &self,
        due: &[usize],
        pauses: &HashMap<String, JobState>,
        now: Timestamp,
    ) -> Planning {
        let mut planning = Planning::default();
        for entry in due.iter().map(|index| &self.entries[*index]) {
            let name = entry.job.name.as_str();
            let cursor = match pauses.get(name) {
                None => entry.cursor,
                Some(pause) => match pause.paused_until.filter(|until| *until <= now) {
                    Some(until) => {
                        end_pause(name, &entry.job.schedule, pause, until, &mut planning)
                    }
                    // Still paused: its instants are written as one record when it is over.
                    None => continue,
                },
            };
            plan_job(&entry.job, cursor, now, &mut planning);
            planning.jobs.push(name.to_owned());
        }
        planning
    }

    /// The due jobs whose pause is over, or has been asked to be.
    pub(super) fn resumed(&self, pauses: &HashMap<String, JobState>, now: Timestamp) -> Vec<usize> {
        pauses
            .iter()
            .filter(|(_, pause)| pause.paused_until.is_some_and(|until| until <= now))
            .filter_map(|(name, _)| self.by_name.get(name.as_str()).copied())
            .collect()
    }

    /// The ledger has it: the jobs wait for their next instant after `now`.
    pub(super) fn planned(&mut self, due: &[usize], planning: &Planning, now: Timestamp) {
        for job in &planning.jobs {
            if let Some(index) = self.by_name.get(job.as_str()) {
                self.entries[*index].cursor = now;
            }
        }
        for index in due {
            self.push(*index, now);
        }
    }

    /// The clock stepped back: no job stays silent until it has caught up.
    pub(super) fn pull_back(&mut self, now: Timestamp) {
        for entry in &mut self.entries {
            entry.cursor = entry.cursor.min(now);
        }
        self.rebuild();
    }

    fn rebuild(&mut self) {
        self.heap.clear();
        for index in 0..self.entries.len() {
            self.push(index, self.entries[index].cursor);
        }
    }

    fn push(&mut self, index: usize, after: Timestamp) {
        let entry = &mut self.entries[index];
        entry.next = entry.job.schedule.next_after(after);
        if let Some(next) = entry.next {
            self.heap.push(Reverse((next, index)));
        }
    }
}

fn plan_job(job: &Job, cursor: Timestamp, now: Timestamp, planning: &mut Planning) {
    let misfires = Misfires {
        catch_up: job.catch_up,
        window: job.catch_up_window,
    };
    let plan = schedule::plan(&job.name, &job.schedule, &misfires, cursor, now);
    let name = job.name.as_str();
    planning.ranges.extend(
        plan.ranges
            .iter()
            .map(|range| missed(name, range.reason, range.span)),
    );
    planning
        .occurrences
        .extend(plan.runs.iter().map(|run| NewOccurrence {
            job: name.to_owned(),
            scheduled_at: run.scheduled_at,
            due_at: run.due_at,
            // What is caught up one by one must not skip itself.
            overlap: match job.overlap {
                Overlap::Skip if run.late => Overlap::Queue,
                overlap => overlap,
            },
            start_by: job.start_deadline.map(|wait| run.due_at.max(now) + wait),
        }));
}

/// Writes the records of a pause that ends at `until`, and tells from where planning goes on.
pub(super) fn end_pause(
    job: &str,
    schedule: &Schedule,
    pause: &JobState,
    until: Timestamp,
    planning: &mut Planning,
) -> Timestamp {
    let began = pause
        .paused_at
        .unwrap_or(until)
        .clamp(pause.cursor, until.max(pause.cursor));
    // What was missed before it was paused is not run after it.
    if let Some(span) = schedule::pass_over(schedule, pause.cursor, began) {
        planning.ranges.push(missed(job, Missed::Window, span));
    }
    if let Some(span) = schedule::pass_over(schedule, began, until) {
        planning
            .ranges
            .push(range(job, RunState::Skipped, "paused", span));
    }
    planning.unpaused.push(job.to_owned());
    until.max(pause.cursor)
}

pub(super) fn missed(job: &str, reason: Missed, span: Span) -> NewRange {
    let reason = match reason {
        Missed::Window => "window",
        Missed::Superseded => "superseded",
    };
    range(job, RunState::Missed, reason, span)
}

fn range(job: &str, state: RunState, reason: &'static str, span: Span) -> NewRange {
    NewRange {
        job: job.to_owned(),
        state,
        reason,
        from: span.from,
        until: span.until,
        instants: span.count,
    }
}
