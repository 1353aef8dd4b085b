//! Finding a place among keys that ascend.

use crate::negentropy::message::Entry;

/// The first place of `from..=len` that is not `below`, where all that are come first. Gallops away from `near`, so
/// that a good guess costs a step or two and a wrong one little more than none.
#[inline]
pub fn gallop(from: usize, len: usize, near: usize, below: impl Fn(usize) -> bool) -> usize {
    let near = near.clamp(from.min(len), len);
    let (mut low, mut high, mut step) = (from.min(len), len, 1);
    if near < len && below(near) {
        low = near + 1;
        loop {
            let probe = low.saturating_add(step - 1);
            if probe >= len {
                break;
            }
            if !below(probe) {
                high = probe;
                break;
            }
            (low, step) = (probe + 1, step * 2);
        }
    } else {
        high = near;
        while high > low {
            let probe = high.saturating_sub(step).max(low);
            if below(probe) {
                low = probe + 1;
                break;
            }
            (high, step) = (probe, step * 2);
        }
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if below(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// How many places are looked for at once.
pub const AHEAD: usize = 16;

/// About where entries with these timestamps stand, from `from` on, as far as timestamps are evenly spread: at most
/// [`AHEAD`] of them.
///
/// A set of a million is larger than a cache, and every look at it waits for memory. A search for one place takes ten
/// looks one after the other; here the looks of one round do not depend on each other, so they wait together.
#[inline]
pub fn estimate(from: usize, len: usize, time: impl Fn(usize) -> u64, times: &[u64], places: &mut [usize]) {
    let (Some(last), Some(farthest)) = (len.checked_sub(1), times.len().checked_sub(1)) else { return };
    let from = from.min(last);
    let start = time(from);
    let mut rate = per_time(last - from, time(last).saturating_sub(start));
    for (place, time) in places.iter_mut().zip(times) {
        *place = from.saturating_add(scaled(time.saturating_sub(start), rate)).min(last);
    }
    let mut seen = [0; AHEAD];
    for _ in 0..2 {
        for (seen, place) in seen.iter_mut().zip(&*places).take(times.len()) {
            *seen = time(*place);
        }
        if let (Some(place), Some(seen)) = (places.get(farthest), seen.get(farthest))
            && *seen > start
        {
            rate = per_time(place - from, seen - start);
        }
        for ((place, time), seen) in places.iter_mut().zip(times).zip(&seen) {
            let over = time.saturating_sub(*seen);
            let under = seen.saturating_sub(*time);
            *place = place.saturating_add(scaled(over, rate)).min(last).saturating_sub(scaled(under, rate)).max(from);
        }
    }
}

/// Entries in a unit of time, in units of 2^-32.
fn per_time(entries: usize, time: u64) -> u64 {
    (u64::from(u32::try_from(entries).unwrap_or(u32::MAX)) << 32) / time.max(1)
}

fn scaled(time: u64, rate: u64) -> usize {
    usize::try_from((u128::from(time) * u128::from(rate)) >> 32).unwrap_or(usize::MAX)
}

/// Where an entry would be if the timestamps of a node were spread evenly: a node has many cache lines, and this looks
/// at two of them instead of at half a dozen.
#[allow(dead_code, reason = "a tree is made with an allocator only")]
pub fn guess<'a>(len: usize, key: impl Fn(usize) -> Option<&'a Entry>, entry: &Entry) -> usize {
    let (Some(first), Some(last)) = (key(0), key(len.saturating_sub(1))) else { return 0 };
    let shift = 44u32.saturating_sub((last.timestamp - first.timestamp).leading_zeros().min(44));
    let span = (last.timestamp - first.timestamp) >> shift;
    let above = entry.timestamp.clamp(first.timestamp, last.timestamp) - first.timestamp;
    ((above >> shift) * (len as u64)).checked_div(span).map_or(len / 2, |place| place as usize)
}

/// The place of an entry among others, or the one where it belongs.
#[allow(dead_code, reason = "a tree is made with an allocator only")]
pub fn find(entries: &[Entry], entry: &Entry) -> Result<usize, usize> {
    let near = guess(entries.len(), |place| entries.get(place), entry);
    let place = gallop(0, entries.len(), near, |place| entries.get(place).is_some_and(|other| other < entry));
    if entries.get(place) == Some(entry) { Ok(place) } else { Err(place) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn estimates(all: &[u64], from: usize, times: &[u64]) -> Vec<usize> {
        let mut places = std::vec![7; times.len()];
        estimate(from, all.len(), |place| all[place], times, &mut places);
        places
    }

    #[test]
    fn estimates_are_close_where_timestamps_are_even() {
        // Ten times as dense behind what is asked for.
        let sparse = (0..1000).map(|i| (1 << 40) + i * 100);
        let dense = (1..1000).map(|i| (1 << 40) + 99_900 + i * 10);
        let all: Vec<u64> = sparse.chain(dense).collect();
        for (from, width) in [(0, 20), (3, 31), (300, 24), (1000, 40), (1200, 45)] {
            let times: Vec<u64> = (1..=AHEAD).map(|i| all[from + i * width]).collect();
            for (i, place) in estimates(&all, from, &times).into_iter().enumerate() {
                assert!(place.abs_diff(from + (i + 1) * width) < width, "{from} {i} {place}");
            }
        }
    }

    #[test]
    fn estimates_are_places_of_the_set_whatever_is_asked() {
        let ends = [0, 1, u64::MAX - 1];
        for all in [&ends[..0], &ends[..1], &ends, &[5; 9]] {
            for times in [&[][..], &[0], &[u64::MAX], &[9, 3, u64::MAX, 0], &[u64::MAX; AHEAD]] {
                for from in [0, 1, 2, 50] {
                    let places = estimates(all, from, times);
                    assert!(places.iter().all(|place| *place < all.len() || all.is_empty() && *place == 7));
                }
            }
        }
    }
}
