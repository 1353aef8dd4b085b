//! How differences are found in symbols (N47, N48).

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{ControlFlow, Range};

use crate::negentropy::set::{SortedSet, Sum};
use crate::negentropy::symbol::{SYMBOL_LEN, SessionKey, Symbol, add_everywhere};

/// What is left of the symbols received when the own entries and the differences found are taken away.
pub struct Sketch {
    key: SessionKey,
    /// Whether the own symbols are those that the set keeps.
    from_kept: bool,
    symbols: Vec<Symbol>,
    /// The differences found: those with count 1 are theirs.
    found: Vec<Symbol>,
}

/// Numbers alone: what was found has hashes under the key.
impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sketch { key, from_kept, symbols, found } = self;
        f.debug_struct("Sketch")
            .field("key", key)
            .field("from_kept", from_kept)
            .field("symbols", &symbols.len())
            .field("found", &found.len())
            .finish()
    }
}

impl Sketch {
    /// Nothing has been received.
    pub fn new(key: SessionKey, from_kept: bool) -> Self {
        Sketch { key, from_kept, symbols: Vec::new(), found: Vec::new() }
    }

    pub fn key(&self) -> SessionKey {
        self.key
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
        self.found.iter().map(|symbol| (symbol.id(), symbol.count() > 0))
    }

    /// Takes away from new symbols what is known already.
    pub fn receive<S: SortedSet>(&mut self, set: &S, received: &[[u8; SYMBOL_LEN]]) {
        let start = self.symbols.len();
        self.symbols.reserve_exact(received.len());
        self.symbols.extend(received.iter().map(Symbol::read));
        let range = start as u64..self.symbols.len() as u64;
        let fresh = self.symbols.get_mut(start..).unwrap_or_default();
        let kept = set.symbols().filter(|_| self.from_kept).map_or(&[][..], |kept| kept.symbols());
        let known = kept.get(start..).unwrap_or_default();
        fresh.iter_mut().zip(known).for_each(|(symbol, own)| symbol.add(&own.negative()));
        if let Some(rest) = fresh.get_mut(known.len()..).filter(|rest| !rest.is_empty()) {
            encode(set, &self.key, range.start + known.len() as u64..range.end, rest, -1);
        }
        for symbol in &self.found {
            let away = symbol.negative();
            add_everywhere(fresh, range.clone(), &away, self.key.hash(&symbol.id()), |_, _| ());
        }
    }

    /// Finds what stands alone and takes it out of all other symbols, as long as there is any. `false`: more
    /// differences than symbols, which no sound partner sends.
    pub fn peel(&mut self) -> bool {
        let alone = self.symbols.iter().enumerate().rev().filter(|(_, symbol)| symbol.is_alone());
        let mut open: Vec<usize> = alone.map(|(index, _)| index).collect();
        // As many as there are differences in so many symbols (N46): what doubles takes up to twice that.
        self.found.reserve_exact((self.symbols.len() / 4 * 3).saturating_sub(self.found.len()));
        let range = 0..self.symbols.len() as u64;
        while let Some(symbol) = open.pop().and_then(|index| self.symbols.get(index).copied()) {
            if !symbol.is_alone() {
                continue;
            }
            let hash = self.key.hash(&symbol.id());
            if !symbol.fits(hash) {
                continue;
            }
            if self.found.len() >= self.symbols.len() {
                return false;
            }
            self.found.push(symbol);
            let away = symbol.negative();
            add_everywhere(&mut self.symbols, range.clone(), &away, hash, |index, left| {
                if left.is_alone() {
                    open.push(index);
                }
            });
        }
        true
    }

    /// Whether the own set with the differences applied is the set that the other side said to have. With kept symbols
    /// the other side is one of one's own ends, and is believed that it has what makes up its sum (N49).
    pub fn is_right<S: SortedSet>(&mut self, set: &S, count: u64, fingerprint: &[u8; 16]) -> bool {
        // Nothing is left of them, and the check takes memory too.
        self.symbols = Vec::new();
        let (mut sum, mut len) = (set.sum(0..set.len()), set.len() as u64);
        for symbol in &self.found {
            let id = Sum::from_id(&symbol.id());
            (sum, len) = match symbol.count() {
                1 => (sum.plus(id), len.wrapping_add(1)),
                _ => (sum.minus(id), len.wrapping_sub(1)),
            };
        }
        let agrees = usize::try_from(len).is_ok_and(|len| sum.fingerprint(len).0 == *fingerprint);
        len == count && agrees && (self.from_kept || self.is_possible(set))
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

/// Adds a set's symbols of a stretch of the stream to `symbols`; `count` is 1, or -1 to take them away.
pub fn encode<S: SortedSet>(set: &S, key: &SessionKey, range: Range<u64>, symbols: &mut [Symbol], count: i8) {
    set.scan(0..set.len(), |entry| {
        let hash = key.hash(&entry.id);
        let symbol = Symbol::of(&entry.id, hash, count);
        add_everywhere(symbols, range.clone(), &symbol, hash, |_, _| ());
        ControlFlow::Continue(())
    });
}
