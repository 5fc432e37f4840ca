//! What is due next over several schedules. Pure.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::Schedule;
use crate::model::Timestamp;

/// The first `most` instants after `after`, each with its schedule's place in the list: by instant,
/// then by place.
#[must_use]
pub fn upcoming(schedules: &[&Schedule], after: Timestamp, most: usize) -> Vec<(Timestamp, usize)> {
    let next = |index: usize, after| Some(Reverse((schedules[index].next_after(after)?, index)));
    let mut heap: BinaryHeap<_> = (0..schedules.len())
        .filter_map(|index| next(index, after))
        .collect();
    let mut found = Vec::new();
    while found.len() < most {
        let Some(Reverse((at, index))) = heap.pop() else {
            break;
        };
        found.push((at, index));
        heap.extend(next(index, at));
    }
    found
}
