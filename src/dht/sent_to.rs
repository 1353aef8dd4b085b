//! The IP addresses that something was sent to within the last quarter of an hour (rule D9 of `spec/role.md`).
//!
//! Two Bloom filters take turns: what is sent enters the one of this quarter of an hour, and the one before it still
//! counts. So nobody is forgotten too soon, and everybody within half an hour. A false hit takes somebody for one that
//! was sent to, and so only withholds a proof; there are no false misses.

use crate::base::list::List;
use crate::base::time::{Instant, seconds};
use crate::krpc::endpoint::Endpoint;

/// Everybody is remembered for so many seconds, one of which may have begun before, and for twice as long at the most.
const TURN: u16 = 15 * 60 + 1;
/// A clock that leaps does not make us forget: no more than this passes between two of our looks at it.
const LONGEST_STEP: u16 = 5 * 60;
/// Bits of one filter for each address, and how many of them an address sets.
const BITS: usize = 8;
const SET: u32 = 4;

/// Which addresses were sent to.
#[derive(Debug)]
pub struct SentTo<'s> {
    /// Both filters, one after the other.
    words: List<'s, u64>,
    /// The one that is filled.
    is_second: bool,
    /// For how many seconds it has been.
    age: u16,
    /// The second of the last look at the clock.
    seen: u32,
}

impl<'s> SentTo<'s> {
    /// Words of memory for so many addresses.
    pub const fn words(addresses: usize) -> usize {
        2 * (addresses * BITS).div_ceil(64)
    }

    /// So many addresses there is room for in so many words.
    pub const fn addresses(words: usize) -> usize {
        words / 2 * 64 / BITS
    }

    /// Nobody was sent to yet. With no memory everybody counts as sent to.
    pub fn new(memory: List<'s, u64>) -> Self {
        SentTo { words: memory.into_zeros(), is_second: false, age: 0, seen: 0 }
    }

    /// Something is sent there.
    pub fn on_sent(&mut self, now: Instant, to: &Endpoint) {
        self.pass_time(now);
        let half = self.words.len() / 2;
        let filter = if self.is_second { half..2 * half } else { 0..half };
        for (word, bit) in places(to, half) {
            if let Some(word) = self.words.get_mut(filter.start + word) {
                *word |= bit;
            }
        }
    }

    /// Whether something was sent to this IP address, at whatever port; now and then also where nothing was.
    pub fn contains(&mut self, now: Instant, from: &Endpoint) -> bool {
        self.pass_time(now);
        let half = self.words.len() / 2;
        let has = |first: usize| {
            places(from, half).all(|(word, bit)| self.words.get(first + word).is_some_and(|w| w & bit != 0))
        };
        half == 0 || has(0) || has(half)
    }

    fn pass_time(&mut self, now: Instant) {
        let now = seconds(now);
        // The first step leads from nowhere; it makes nothing too old that is there.
        self.age += u16::try_from(now.saturating_sub(self.seen)).map_or(LONGEST_STEP, |step| step.min(LONGEST_STEP));
        self.seen = now;
        if self.age < TURN {
            return;
        }
        (self.age, self.is_second) = (0, !self.is_second);
        let half = self.words.len() / 2;
        let start = if self.is_second { half } else { 0 };
        self.words.iter_mut().skip(start).take(half).for_each(|word| *word = 0);
    }
}

/// The bits of an address in a filter of so many words.
fn places(endpoint: &Endpoint, words: usize) -> impl Iterator<Item = (usize, u64)> + use<> {
    let bytes = endpoint.ip_bytes();
    let hash = bytes.chunks(8).fold(bytes.len() as u64, |hash, chunk| {
        mix(chunk.iter().fold(hash, |hash, &byte| hash.rotate_left(8) ^ u64::from(byte)))
    });
    let (first, step, bits) = (hash as u32, (hash >> 32) as u32 | 1, words as u64 * 64);
    (0..SET).map(move |i| {
        let bit = (u64::from(first.wrapping_add(step.wrapping_mul(i))) * bits) >> 32;
        ((bit / 64) as usize, 1 << (bit % 64))
    })
}

/// Each bit of the result depends on all bits of the number (SplitMix64's finish).
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    fn sent_to(addresses: usize) -> SentTo<'static> {
        SentTo::new(List::zeroed(SentTo::words(addresses)))
    }

    fn address(n: u32) -> Endpoint {
        Endpoint::v4((0x0500_0000 + n * 7).to_be_bytes(), 6881)
    }

    fn minute(minutes: u64) -> Instant {
        Instant::from_secs(60 * minutes)
    }

    /// Rule D9.
    #[test]
    fn who_was_sent_to_is_remembered_for_a_quarter_of_an_hour_and_forgotten_within_two() {
        for first in 0..16 {
            let mut sent = sent_to(64);
            for at in 0..first {
                assert!(!sent.contains(minute(at), &address(1)));
            }
            sent.on_sent(minute(first), &address(1));
            for at in 0..=15 {
                assert!(sent.contains(minute(first + at), &address(1).with_port(1)), "{first} and {at}");
            }
            assert!(!sent.contains(minute(first + 16), &address(2)));
            for at in 16..=32 {
                let _ = sent.contains(minute(first + at), &address(1));
            }
            assert!(!sent.contains(minute(first + 32), &address(1)), "{first}");
        }
    }

    /// Rule D9.
    #[test]
    fn a_clock_that_leaps_makes_nobody_forgotten() {
        let mut sent = sent_to(64);
        sent.on_sent(minute(1), &address(1));
        for leap in 1..=3 {
            assert!(sent.contains(minute(1000 * leap), &address(1)), "{leap}");
        }
    }

    /// Rule D9.
    #[test]
    fn as_many_as_there_is_room_for_are_told_from_others() {
        for (addresses, v6) in [(64, false), (1_000, false), (8_192, false), (8_192, true)] {
            let all = SentTo::addresses(SentTo::words(addresses)) as u32;
            assert!((addresses as u32..addresses as u32 + 64).contains(&all));
            let of = |n| match v6 {
                false => address(n),
                true => {
                    let mut ip = [0x20; 16];
                    ip[4..8].copy_from_slice(&n.to_be_bytes());
                    Endpoint::v6(ip, 1)
                }
            };
            let mut sent = sent_to(addresses);
            (0..all).for_each(|n| sent.on_sent(minute(1), &of(n)));
            assert!((0..all).all(|n| sent.contains(minute(2), &of(n))), "nobody is missed");
            let hits = (all..all + 10_000).filter(|n| sent.contains(minute(2), &of(*n))).count();
            assert!((50..600).contains(&hits), "{addresses}: {hits} of 10,000 are false");
        }
    }

    #[test]
    fn without_memory_everybody_counts_as_sent_to() {
        let mut sent = sent_to(0);
        sent.on_sent(minute(1), &address(1));
        assert!(sent.contains(minute(1), &address(2)));
    }
}
