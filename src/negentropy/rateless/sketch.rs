//! Symbols, and how differences are found in them (N44, N45, N47, N48).

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::hash::Hasher as _;
use core::ops::{ControlFlow, Range};

use siphasher::sip::SipHasher24;

use crate::negentropy::set::{SortedSet, Sum};

/// Bytes of a symbol: ids, check, count.
pub const SYMBOL_LEN: usize = 32 + 4 + 1;

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
}

/// Without the key.
impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(secret)")
    }
}

/// What is left of the symbols received when the own entries and the differences found are taken away.
#[derive(Debug)]
pub struct Sketch {
    key: SessionKey,
    symbols: Vec<Symbol>,
    /// The differences found: those with count 1 are theirs.
    found: Vec<Symbol>,
}

impl Sketch {
    /// Nothing has been received.
    pub fn new(key: SessionKey) -> Self {
        Sketch { key, symbols: Vec::new(), found: Vec::new() }
    }

    /// How many symbols have been received.
    pub fn len(&self) -> u64 {
        self.symbols.len() as u64
    }

    /// Whether all differences are found: symbol 0 is over all of them, and nothing is left of it.
    pub fn is_complete(&self) -> bool {
        self.symbols.first() == Some(&Symbol::default())
    }

    /// The ids found, and whether they are theirs.
    pub fn found(&self) -> impl Iterator<Item = ([u8; 32], bool)> {
        self.found.iter().map(|symbol| (symbol.id(), symbol.count > 0))
    }

    /// Takes away from new symbols what is known already.
    pub fn receive<S: SortedSet>(&mut self, set: &S, received: &[[u8; SYMBOL_LEN]]) {
        let start = self.symbols.len();
        self.symbols.extend(received.iter().map(Symbol::read));
        let range = start as u64..self.symbols.len() as u64;
        let fresh = self.symbols.get_mut(start..).unwrap_or_default();
        encode(set, &self.key, range.clone(), fresh, -1);
        for symbol in &self.found {
            let away = Symbol { count: -symbol.count, ..*symbol };
            add_everywhere(fresh, range.clone(), &away, self.key.hash(&symbol.id()), |_| ());
        }
    }

    /// Finds what stands alone and takes it out of all other symbols, as long as there is any. `false`: more
    /// differences than symbols, which no sound partner sends.
    pub fn peel(&mut self) -> bool {
        let mut open: Vec<usize> = (0..self.symbols.len()).rev().collect();
        let range = 0..self.symbols.len() as u64;
        while let Some(symbol) = open.pop().and_then(|index| self.symbols.get(index).copied()) {
            if symbol.count != 1 && symbol.count != -1 {
                continue;
            }
            let hash = self.key.hash(&symbol.id());
            if (hash >> 32) as u32 != symbol.check {
                continue;
            }
            if self.found.len() >= self.symbols.len() {
                return false;
            }
            self.found.push(symbol);
            let away = Symbol { count: -symbol.count, ..symbol };
            add_everywhere(&mut self.symbols, range.clone(), &away, hash, |index| open.push(index));
        }
        true
    }

    /// Whether the own set with the differences applied is the set that the other side said to have.
    pub fn is_right<S: SortedSet>(&self, set: &S, count: u64, fingerprint: &[u8; 16]) -> bool {
        let (mut sum, mut len) = (set.sum(0..set.len()), set.len() as u64);
        for symbol in &self.found {
            let id = Sum::from_id(&symbol.id());
            (sum, len) = match symbol.count {
                1 => (sum.plus(id), len.wrapping_add(1)),
                _ => (sum.minus(id), len.wrapping_sub(1)),
            };
        }
        let agrees = usize::try_from(len).is_ok_and(|len| sum.fingerprint(len).0 == *fingerprint);
        len == count && agrees && self.is_possible(set)
    }

    /// Whether the own set has all that was found to be ours, and nothing of what is theirs, each once. The sum does
    /// not tell: number and fingerprint are what the partner says.
    fn is_possible<S: SortedSet>(&self, set: &S) -> bool {
        let mut found: Vec<([u8; 32], bool)> = self.found().collect();
        found.sort_unstable();
        if found.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return false;
        }
        // A bit for each start of two bytes, so that most entries need no search.
        let mut starts = vec![0u64; 1 << 10];
        let bit = |id: &[u8; 32]| (usize::from(id[0]) << 2 | usize::from(id[1]) >> 6, 1 << (id[1] & 63));
        for (id, _) in &found {
            let (word, mask) = bit(id);
            starts[word] |= mask;
        }
        let (mut ours, mut theirs) = (0, 0);
        set.scan(0..set.len(), |entry| {
            let (word, mask) = bit(&entry.id);
            if starts[word] & mask != 0
                && let Ok(index) = found.binary_search_by_key(&entry.id, |(id, _)| *id)
            {
                *(if found[index].1 { &mut theirs } else { &mut ours }) += 1;
            }
            ControlFlow::Continue(())
        });
        theirs == 0 && ours == found.iter().filter(|(_, is_theirs)| !is_theirs).count()
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
    fn of(id: &[u8; 32], hash: u64, count: i8) -> Symbol {
        let mut ids = [0; 4];
        for (word, bytes) in ids.iter_mut().zip(id.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Symbol { ids, check: (hash >> 32) as u32, count }
    }

    fn add(&mut self, other: &Symbol) {
        for (word, more) in self.ids.iter_mut().zip(other.ids) {
            *word ^= more;
        }
        self.check ^= other.check;
        self.count = self.count.wrapping_add(other.count);
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

    fn read(bytes: &[u8; SYMBOL_LEN]) -> Symbol {
        let id = bytes.first_chunk().copied().unwrap_or_default();
        let check = bytes.get(32..36).and_then(|check| check.first_chunk()).copied().unwrap_or_default();
        let count = bytes.last().map_or(0, |count| *count as i8);
        Symbol { check: u32::from_le_bytes(check), ..Symbol::of(&id, 0, count) }
    }
}

/// Adds a set's symbols of a stretch of the stream to `symbols`; `count` is 1, or -1 to take them away.
pub fn encode<S: SortedSet>(set: &S, key: &SessionKey, range: Range<u64>, symbols: &mut [Symbol], count: i8) {
    set.scan(0..set.len(), |entry| {
        let hash = key.hash(&entry.id);
        let symbol = Symbol::of(&entry.id, hash, count);
        add_everywhere(symbols, range.clone(), &symbol, hash, |_| ());
        ControlFlow::Continue(())
    });
}

fn add_everywhere(symbols: &mut [Symbol], range: Range<u64>, symbol: &Symbol, hash: u64, mut visit: impl FnMut(usize)) {
    for place in Places::of(hash).take_while(|place| *place < range.end).filter(|place| *place >= range.start) {
        let index = (place - range.start) as usize;
        if let Some(sum) = symbols.get_mut(index) {
            sum.add(symbol);
            visit(index);
        }
    }
}

/// The symbols that an id is part of, ascending: symbol i with probability 1 / (1 + i / 2). Whole numbers only, so that
/// both sides agree on every platform.
struct Places {
    next: u64,
    state: u64,
}

impl Places {
    fn of(hash: u64) -> Places {
        Places { next: 0, state: hash }
    }
}

impl Iterator for Places {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let place = self.next;
        // Far past every stream: the products below stay within 64 bits.
        if place >= 1 << 30 {
            return None;
        }
        // A permutation of all states with good upper bits (splitmix64).
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut random = self.state;
        random = (random ^ random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random = (random ^ random >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        random ^= random >> 31;
        // With u = (root / 2^32)^2 uniform, the gap is (place + 1.5) * (1 / sqrt(u) - 1).
        let root = random.isqrt().max(1);
        let gap = ((2 * place + 3) * ((1 << 32) - root)).div_ceil(2 * root);
        self.next = place + gap.max(1);
        Some(place)
    }
}
