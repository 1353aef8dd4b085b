//! Symbols: sums over random parts of a set (N44, N45).

use core::fmt;
use core::hash::Hasher as _;
use core::ops::Range;

use siphasher::sip::SipHasher24;

/// Bytes of a symbol: ids, check, count.
pub const SYMBOL_LEN: usize = 32 + 4 + 1;

/// Bytes by which two ends see that they keep symbols under the same key.
pub const TAG_LEN: usize = 8;

/// Cells of the estimate.
pub const CELLS: usize = 2048;

/// The cell of an id with this hash.
pub fn cell(hash: u64) -> usize {
    hash as usize % CELLS
}

/// The secret of one session: nobody can prepare ids for a key that is drawn when the session begins.
#[derive(Clone, Copy)]
pub struct SessionKey(pub [u8; 16]);

impl SessionKey {
    /// The hash of an id.
    pub fn hash(&self, id: &[u8; 32]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(id);
        hasher.finish()
    }

    /// Tells keys apart without showing them.
    pub fn tag(&self) -> [u8; TAG_LEN] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(b"symbols kept under this key");
        hasher.finish().to_le_bytes()
    }
}

/// Without the key.
impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(secret)")
    }
}

/// A sum over some ids.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Symbol {
    ids: [u64; 4],
    check: u32,
    count: i8,
}

impl Symbol {
    pub fn of(id: &[u8; 32], hash: u64, count: i8) -> Symbol {
        let mut ids = [0; 4];
        for (word, bytes) in ids.iter_mut().zip(id.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Symbol { ids, check: (hash >> 32) as u32, count }
    }

    pub fn add(&mut self, other: &Symbol) {
        for (word, more) in self.ids.iter_mut().zip(other.ids) {
            *word ^= more;
        }
        self.check ^= other.check;
        self.count = self.count.wrapping_add(other.count);
    }

    /// The same, to be taken away.
    pub fn negative(&self) -> Symbol {
        Symbol { count: self.count.wrapping_neg(), ..*self }
    }

    pub fn count(&self) -> i8 {
        self.count
    }

    /// Whether this may be one id, on either side.
    pub fn is_alone(&self) -> bool {
        matches!(self.count, 1 | -1)
    }

    /// Whether this can be one id: the check is that of its hash.
    pub fn fits(&self, hash: u64) -> bool {
        (hash >> 32) as u32 == self.check
    }

    pub fn id(&self) -> [u8; 32] {
        let mut id = [0; 32];
        for (bytes, word) in id.as_chunks_mut().0.iter_mut().zip(self.ids) {
            *bytes = word.to_le_bytes();
        }
        id
    }

    pub fn write(&self, place: &mut [u8; SYMBOL_LEN]) {
        let (ids, rest) = place.split_at_mut(32);
        ids.copy_from_slice(&self.id());
        if let Some((count, check)) = rest.split_last_mut() {
            check.copy_from_slice(&self.check.to_le_bytes());
            *count = self.count as u8;
        }
    }

    pub fn read(bytes: &[u8; SYMBOL_LEN]) -> Symbol {
        let id = bytes.first_chunk().copied().unwrap_or_default();
        let check = bytes.get(32..36).and_then(|check| check.first_chunk()).copied().unwrap_or_default();
        let count = bytes.last().map_or(0, |count| *count as i8);
        Symbol { check: u32::from_le_bytes(check), ..Symbol::of(&id, 0, count) }
    }
}

/// Square roots of numbers with these first eight bits, of which the other bits are half of the most.
const ROOTS: [u16; 256] = {
    let (mut roots, mut i) = ([0; 256], 0);
    while i < 256 {
        roots[i] = ((i as u32) << 24 | 1 << 23).isqrt() as u16;
        i += 1;
    }
    roots
};

/// The whole part of the square root, by one division where the general function takes two: every change of a set takes
/// a dozen of them.
#[inline]
fn square_root(number: u32) -> u32 {
    // An even shift, so that the root is shifted by half of it.
    let shift = number.leading_zeros() & !1;
    let high = number << (shift & 31);
    let guess = ROOTS.get((high >> 24) as usize).map_or(1, |root| u32::from(*root));
    // One step of Newton's: never too small, and too large by one at most.
    let root = ((guess + high / guess.max(1)) / 2) >> (shift / 2);
    root - u32::from(u64::from(root).pow(2) > u64::from(number))
}

/// Adds an id's symbol to those of a stretch of the stream, and shows where, and what has come of each.
#[inline]
pub fn add_everywhere(
    symbols: &mut [Symbol],
    range: Range<u64>,
    symbol: &Symbol,
    hash: u64,
    mut visit: impl FnMut(usize, &Symbol),
) {
    for place in Places::of(hash).take_while(|place| *place < range.end).filter(|place| *place >= range.start) {
        let index = (place - range.start) as usize;
        if let Some(sum) = symbols.get_mut(index) {
            sum.add(symbol);
            visit(index, sum);
        }
    }
}

/// The symbols that an id is part of, ascending: symbol i with probability 1 / (1 + i / 2). Whole numbers only, so that
/// both sides agree on every platform, and short ones, since every id takes a dozen steps.
struct Places {
    next: u64,
    state: u64,
    /// The upper half of the last random number, when it is still to be used.
    left: Option<u32>,
}

impl Places {
    fn of(hash: u64) -> Places {
        Places { next: 0, state: hash, left: None }
    }

    fn random(&mut self) -> u32 {
        if let Some(left) = self.left.take() {
            return left;
        }
        // A permutation of all states with good bits (splitmix64).
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut random = self.state;
        random = (random ^ random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random = (random ^ random >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        random ^= random >> 31;
        self.left = Some((random >> 32) as u32);
        random as u32
    }
}

impl Iterator for Places {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        let place = self.next;
        // Far past every stream: the products below stay within 64 bits.
        if place >= 1 << 30 {
            return None;
        }
        // With u = (root / 2^16)^2 uniform, the gap is (place + 1.5) * (1 / sqrt(u) - 1).
        let root = square_root(self.random()).max(1);
        let (steps, halves) = (2 * place + 3, (1 << 16) - root);
        let gap = match u32::try_from(steps * u64::from(halves)) {
            // Nearly always, and several times as quick.
            Ok(product) => u64::from(product.div_ceil(2 * root)),
            Err(_) => (steps * u64::from(halves)).div_ceil(u64::from(2 * root)),
        };
        self.next = place + gap.max(1);
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn a_key_says_that_it_is_secret_and_not_what_it_is() {
        let shown = format!("{:?}", SessionKey([0xab; 16]));
        assert!(shown.contains("secret") && !shown.contains("ab") && !shown.contains("171"), "{shown}");
    }

    #[test]
    fn square_roots_are_exact() {
        for root in 0..=0xffffu32 {
            let square = root * root;
            for number in [square, square + root, square + 2 * root] {
                assert_eq!(square_root(number), root, "{number}");
            }
            assert_eq!(square_root(square.saturating_sub(1)), square.saturating_sub(1).isqrt());
        }
        assert_eq!(square_root(u32::MAX), 0xffff);
    }
}
