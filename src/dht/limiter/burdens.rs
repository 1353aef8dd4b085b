//! How much others were sent of late (rule L42 of `spec/lookup.md`).
//!
//! An endpoint has two counts, each shared with whoever else hash to the same place, of which the lower one holds. One
//! that is sent something raises the lower to one more, and the other if that is less: so neither is ever below what
//! was sent, whoever else was sent something, and who shares both only has to wait. Nobody's count makes room for
//! another, and none has to be cleared: a count is the time until which queries would take, one in each third of a
//! second, so it falls by itself.
//!
//! The counts need no memory. They lie in bits of the meters that those have no use for, whichever meter that is.

use super::layout::{self, MeterKind};
use crate::base::time::Instant;

/// Queries to one endpoint: three a second, and ten at once. So there are 40 at most in any ten seconds, of which
/// others bear 50. Times are counted in thirds of a second, in each of which one more may be sent.
const THIRDS: u64 = 3;
const AT_ONCE: u64 = 10;

/// Bits of one count: times go round after 22 minutes, so that a count that nobody touches withholds one query for a
/// third of a second as often as that.
const COUNT_BITS: u32 = 12;
/// Of the last number of a meter the counts have these bits.
pub(super) const BITS: u64 = u64::MAX << (64 - ROWS as u32 * COUNT_BITS);
/// Counts of one endpoint.
const ROWS: usize = 2;

/// An endpoint of this hash is sent a query.
pub(super) fn on_sent(meters: &mut [u64], now: Instant, hash: u64) {
    let (time, cells) = (thirds(now), cells(meters.len(), hash));
    let ahead = cells.map(|cell| cell.ahead(meters, time));
    let least = (ahead.into_iter().min().unwrap_or(0) + 1).min(AT_ONCE);
    for (cell, ahead) in cells.into_iter().zip(ahead) {
        cell.set(meters, time + ahead.max(least));
    }
}

/// From when on one query more may go to an endpoint of this hash; `None` now.
pub(super) fn bears_more_at(meters: &[u64], now: Instant, hash: u64) -> Option<Instant> {
    let time = thirds(now);
    let is_enough = cells(meters.len(), hash).into_iter().all(|cell| cell.ahead(meters, time) >= AT_ONCE);
    is_enough.then(|| Instant::from_micros((time + 1).saturating_mul(1_000_000) / THIRDS + 1))
}

fn thirds(now: Instant) -> u64 {
    now.as_micros().saturating_mul(THIRDS) / 1_000_000
}

/// Where a count is.
#[derive(Clone, Copy, Debug)]
struct Cell {
    at: usize,
    shift: u32,
}

impl Cell {
    /// How many queries too many there would be if they were sent one in each third of a second from now on.
    fn ahead(self, meters: &[u64], time: u64) -> u64 {
        let until = meters.get(self.at).map_or(0, |number| number >> self.shift);
        let ahead = until.wrapping_sub(time) & MASK;
        if ahead > AT_ONCE { 0 } else { ahead }
    }

    fn set(self, meters: &mut [u64], until: u64) {
        if let Some(number) = meters.get_mut(self.at) {
            *number = *number & !(MASK << self.shift) | (until & MASK) << self.shift;
        }
    }
}

const MASK: u64 = (1 << COUNT_BITS) - 1;

/// The counts of a hash: one among the upper ones of all meters, and one among the lower ones.
fn cells(numbers: usize, hash: u64) -> [Cell; ROWS] {
    let all = layout::count(numbers) as u64;
    let halves = [hash >> 32, hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32];
    core::array::from_fn(|row| {
        let place = ((halves[row] * all) >> 32) as usize;
        Cell { at: MeterKind::Credits.of(numbers, place), shift: 64 - (row as u32 + 1) * COUNT_BITS }
    })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::base::rng::Rng;

    fn meters(count: usize) -> Vec<u64> {
        std::vec![0; count * 4]
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(1_000_000 + millis)
    }

    /// How many of so many queries may be sent now; they are.
    fn sent(meters: &mut [u64], now: Instant, hash: u64, many: usize) -> usize {
        let bears = |meters: &mut [u64]| {
            let bears = bears_more_at(meters, now, hash).is_none();
            if bears {
                on_sent(meters, now, hash);
            }
            bears
        };
        (0..many).filter(|_| bears(meters)).count()
    }

    #[test]
    fn ten_are_sent_at_once_and_then_one_in_each_third_of_a_second() {
        let mut meters = meters(4_096);
        assert_eq!(sent(&mut meters, at(0), 7, 11), 10);
        let later = bears_more_at(&meters, at(0), 7).unwrap();
        assert!(later > at(0) && later <= at(335));
        assert_eq!(sent(&mut meters, later, 7, 2), 1);
        assert_eq!(sent(&mut meters, at(4_000), 7, 20), 10);
        assert_eq!(sent(&mut meters, at(4_000), 7 << 32, 20), 10, "others are not concerned");
    }

    #[test]
    fn forty_are_sent_in_ten_seconds_and_no_more() {
        let mut meters = meters(4_096);
        let mut times = Vec::new();
        // It begins between two thirds.
        for millis in (100..60_100).step_by(10) {
            times.extend((0..sent(&mut meters, at(millis), 7, 2)).map(|_| millis));
        }
        let of_ten_seconds = |begin: &u64| times.iter().filter(|at| (*begin..begin + 10_000).contains(*at)).count();
        assert_eq!(times.iter().map(of_ten_seconds).max(), Some(40));
        assert_eq!(times.len(), 10 + 60 * 3);
    }

    #[test]
    fn what_is_not_asked_for_is_counted_as_far_as_it_goes() {
        let mut meters = meters(64);
        (0..100).for_each(|_| on_sent(&mut meters, at(0), 7));
        assert_eq!(sent(&mut meters, at(0), 7, 1), 0);
        assert_eq!(sent(&mut meters, at(400), 7, 3), 1);
    }

    #[test]
    fn the_rest_of_a_meter_stays_as_it_is() {
        let mut meters: Vec<u64> = (0..64).map(|n| n * 0x0101_0101_0101).collect();
        let before = meters.clone();
        (0..1_000).for_each(|n: u64| on_sent(&mut meters, at(n), n.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        assert_ne!(meters, before);
        assert!(meters.iter().zip(&before).all(|(is, was)| is & !BITS == was & !BITS));
        let touched = meters.iter().zip(&before).enumerate().filter(|(_, (is, was))| is != was);
        let credits = MeterKind::Credits.of(meters.len(), 0);
        assert!(touched.map(|(at, _)| at).all(|at| (credits..meters.len()).contains(&at)));
    }

    #[test]
    fn who_shares_one_count_does_not_notice_it() {
        let mut meters = meters(8);
        let of = |hash| cells(32, hash).map(|cell| cell.at);
        let hashes: Vec<u64> = (0..64).map(|n: u64| n.wrapping_mul(0x2545_f491_4f6c_dd1d)).collect();
        let shares = |mine: u64, other: u64| {
            let (mine, other) = (of(mine), of(other));
            (mine[0] == other[0]) != (mine[1] == other[1])
        };
        let other = hashes.iter().find(|hash| shares(hashes[0], **hash)).unwrap();
        assert_eq!(sent(&mut meters, at(0), *other, 20), 10);
        assert_eq!(sent(&mut meters, at(0), hashes[0], 20), 10);
    }

    /// 20,000 others are sent one query each in ten seconds, and one is sent ten at once, which is all that it bears.
    #[test]
    fn hardly_anybody_is_held_back_by_others() {
        let (mut meters, mut rng) = (meters(4_096), Rng::from_seed([5; 32]));
        let mut held = 0;
        for n in 0..200_000_u64 {
            let now = Instant::from_micros(1_000_000_000 + n * 500);
            on_sent(&mut meters, now, rng.next_u64());
            if n % 200 == 0 {
                held += 10 - sent(&mut meters, now, rng.next_u64(), 10);
            }
        }
        assert!(held * 1_000 < 10_000, "{held} of 10,000");
    }

    #[test]
    fn at_the_end_of_time_nothing_goes_wrong() {
        let mut meters = meters(8);
        let end = Instant::from_micros(u64::MAX);
        assert!(sent(&mut meters, end, 7, 20) <= 20);
        on_sent(&mut [], end, 7);
        assert_eq!(bears_more_at(&[0; 32], end, 7), None);
    }
}
