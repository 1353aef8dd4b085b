//! Symbols that are kept with a set, so that a session between own ends needs no walk over it (N49).

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;

use crate::negentropy::symbol::{CELLS, SessionKey, Symbol, add_everywhere, cell};

/// The first symbols of a set under one key, and the counts that the number of differences is estimated from.
///
/// [`Tree::keep_symbols`](crate::negentropy::Tree::keep_symbols) and `Sealed::keep_symbols` keep them with the set;
/// a set of your own that calls [`insert`](Self::insert) and [`erase`](Self::erase), and shows them in
/// `SortedSet::symbols`, can have them too.
#[derive(Clone)]
pub struct KeptSymbols {
    key: SessionKey,
    symbols: Box<[Symbol]>,
    cells: Box<[u8]>,
}

impl KeptSymbols {
    /// Of an empty set: `number` symbols of 40 bytes, and 2 kB. About 1.45 of them serve one difference; a session
    /// that needs more walks over the set for the rest.
    ///
    /// `key` is a secret of one's own ends. Who knows it can prepare ids that no session over these symbols
    /// tells apart, for as long as the key is used; so make it of random bytes, give it to nobody else, and
    /// use no key of a session.
    #[must_use]
    pub fn new(key: [u8; 16], number: usize) -> Self {
        let symbols = vec![Symbol::default(); number].into();
        KeptSymbols { key: SessionKey(key), symbols, cells: vec![0; CELLS].into() }
    }

    /// An id has come into the set.
    pub fn insert(&mut self, id: &[u8; 32]) {
        self.add(id, 1);
    }

    /// An id has left the set.
    pub fn erase(&mut self, id: &[u8; 32]) {
        self.add(id, -1);
    }

    fn add(&mut self, id: &[u8; 32], count: i8) {
        let hash = self.key.hash(id);
        if let Some(cell) = self.cells.get_mut(cell(hash)) {
            *cell = cell.wrapping_add_signed(count);
        }
        let symbol = Symbol::of(id, hash, count);
        let all = 0..self.symbols.len() as u64;
        add_everywhere(&mut self.symbols, all, &symbol, hash, |_, _| ());
    }

    /// Bytes of memory in use, without what the allocator adds.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.symbols) + self.cells.len()
    }

    pub(crate) fn key(&self) -> SessionKey {
        self.key
    }

    pub(crate) fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    pub(crate) fn cells(&self) -> &[u8] {
        &self.cells
    }
}

/// Without the key, and without what could be tested against a key.
impl fmt::Debug for KeptSymbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptSymbols").field("symbols", &self.symbols.len()).finish_non_exhaustive()
    }
}
