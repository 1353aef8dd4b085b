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
