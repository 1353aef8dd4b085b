//! Byte strings of any length, in chains of fixed blocks of one list.
//!
//! A value takes as many blocks of 64 bytes as it needs, linked by block number; free blocks form one chain of their
//! own. So there is no fragmentation: a value fits exactly when enough blocks are free, wherever they lie. A
//! [`Chain`] is a plain handle without a generation: it belongs to one owner, who releases it once and forgets it.
//! Reading through a chain that was released is harmless, but finds bytes of another value.

use crate::base::list::List;

/// The end of a chain of blocks.
const NO_BLOCK: u32 = u32::MAX;

/// Most blocks: 2 GiB of values.
pub const MAX_BLOCKS: usize = 1 << 25;

/// A piece of an [`Arena`].
#[derive(Clone, Copy, Debug)]
pub struct Block {
    bytes: [u8; Block::BYTES],
    next: u32,
}

impl Block {
    /// Bytes of a value that one block holds.
    pub const BYTES: usize = 64;

    /// How many blocks a value of `len` bytes takes.
    pub const fn count_for(len: usize) -> usize {
        len.div_ceil(Block::BYTES)
    }
}

/// A stored value: its first block and its length in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chain {
    first: u32,
    len: u16,
}

impl Chain {
    /// No value.
    pub const EMPTY: Chain = Chain { first: NO_BLOCK, len: 0 };

    /// Length of the value in bytes.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether the value has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many blocks the value takes.
    pub fn blocks(&self) -> usize {
        Block::count_for(self.len())
    }
}

impl Default for Chain {
    fn default() -> Self {
        Chain::EMPTY
    }
}

/// Byte strings in the blocks of one list (at most [`MAX_BLOCKS`]). It grows only
/// when no block is free that was used before.
#[derive(Debug)]
pub struct Arena<'s> {
    blocks: List<'s, Block>,
    first_free: u32,
    free: usize,
}

impl<'s> Arena<'s> {
    /// An arena without values.
    pub fn new(mut blocks: List<'s, Block>) -> Self {
        blocks.clear();
        let free = blocks.capacity().min(MAX_BLOCKS);
        Arena { blocks, first_free: NO_BLOCK, free }
    }

    /// Stores a copy of `value`; `None`, and nothing changed, when too few blocks are free or when it is longer than
    /// 65,535 bytes.
    pub fn store(&mut self, value: &[u8]) -> Option<Chain> {
        let len = u16::try_from(value.len()).ok()?;
        let needed = Block::count_for(value.len());
        if needed > self.free {
            return None;
        }
        // The value takes the front of the free chain as it is linked; behind the last free block come those never
        // used.
        let mut at = self.first_free;
        let first = if at == NO_BLOCK { self.blocks.len() as u32 } else { at };
        let mut pieces = value.chunks(Block::BYTES);
        while let Some(piece) = pieces.next() {
            let (is_last, unused) = (pieces.len() == 0, self.blocks.len() as u32);
            match self.blocks.get_mut(at as usize) {
                Some(block) => {
                    block.bytes[..piece.len()].copy_from_slice(piece);
                    at = block.next;
                    block.next = match at {
                        _ if is_last => NO_BLOCK,
                        NO_BLOCK => unused,
                        next => next,
                    };
                }
                None => {
                    let next = if is_last { NO_BLOCK } else { unused + 1 };
                    let mut block = Block { bytes: [0; Block::BYTES], next };
                    block.bytes[..piece.len()].copy_from_slice(piece);
                    self.blocks.push(block);
                }
            }
        }
        self.first_free = at;
        self.free -= needed;
        Some(Chain { first: if needed == 0 { NO_BLOCK } else { first }, len })
    }

    /// Frees the blocks of a value. The chain must not be used afterwards.
    pub fn release(&mut self, chain: Chain) {
        let mut last = chain.first;
        for _ in 1..chain.blocks() {
            let Some(block) = self.blocks.get(last as usize) else { break };
            last = block.next;
        }
        let Some(block) = self.blocks.get_mut(last as usize) else {
            debug_assert!(chain.is_empty(), "a chain that is not of this arena");
            return;
        };
        debug_assert!(block.next == NO_BLOCK, "a chain that was released before");
        block.next = self.first_free;
        self.first_free = chain.first;
        self.free += chain.blocks();
    }

    /// Copies a value to the front of `out` and returns its length; `None` when `out` is too short.
    pub fn copy_to(&self, chain: Chain, out: &mut [u8]) -> Option<usize> {
        let mut rest = out.get_mut(..chain.len())?;
        for piece in self.chunks(chain) {
            let (front, back) = rest.split_at_mut(piece.len());
            match (front.first_chunk_mut::<{ Block::BYTES }>(), piece.first_chunk()) {
                // A whole block: a length known here is copied much faster.
                (Some(front), Some(piece)) => *front = *piece,
                _ => front.copy_from_slice(piece),
            }
            rest = back;
        }
        Some(chain.len())
    }

    /// Whether a value has exactly the bytes of `other`.
    pub fn eq(&self, chain: Chain, other: &[u8]) -> bool {
        chain.len() == other.len() && self.chunks(chain).zip(other.chunks(Block::BYTES)).all(|(a, b)| a == b)
    }

    /// The pieces of a value, in order, each as long as a block but the last.
    pub fn chunks(&self, chain: Chain) -> impl Iterator<Item = &[u8]> {
        let (blocks, mut at, mut left) = (&self.blocks[..], chain.first, chain.len());
        core::iter::from_fn(move || {
            let block = blocks.get(at as usize).filter(|_| left > 0)?;
            let piece = &block.bytes[..left.min(Block::BYTES)];
            left -= piece.len();
            at = block.next;
            Some(piece)
        })
    }

    /// How many blocks are free.
    pub fn free_blocks(&self) -> usize {
        self.free
    }

    /// Bytes for which there is room, if they come in one value.
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn free_bytes(&self) -> usize {
        self.free * Block::BYTES
    }

    /// Bytes for which there is room when the arena is empty.
    #[allow(dead_code, reason = "asked by tests and the recount of invariants only")]
    pub fn capacity_bytes(&self) -> usize {
        self.blocks.capacity().min(MAX_BLOCKS) * Block::BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<const N: usize>() -> [u8; N] {
        core::array::from_fn(|i| i as u8)
    }

    #[test]
    fn values_come_back_whole_at_every_length_around_a_block() {
        let mut memory = heapless::Vec::<Block, 4>::new();
        let bytes = numbers::<200>();
        for len in [0, 1, 63, 64, 65, 127, 128, 129, 200] {
            let mut arena = Arena::new(List::Lent(&mut memory));
            let chain = arena.store(&bytes[..len]).unwrap();
            let mut out = [0; 200];
            assert_eq!(arena.copy_to(chain, &mut out), Some(len));
            assert_eq!(out[..len], bytes[..len]);
            assert!(arena.eq(chain, &bytes[..len]));
            assert_eq!(arena.free_blocks(), 4 - len.div_ceil(64));
            arena.release(chain);
            assert_eq!(arena.free_bytes(), arena.capacity_bytes());
        }
    }

    #[test]
    fn an_arena_takes_as_many_bytes_as_it_has_and_not_one_more() {
        let mut memory = heapless::Vec::<Block, 3>::new();
        let mut arena = Arena::new(List::Lent(&mut memory));
        let bytes = numbers::<193>();
        assert_eq!(arena.store(&bytes), None);
        assert_eq!(arena.free_bytes(), 192);
        let whole = arena.store(&bytes[..192]).unwrap();
        assert_eq!((arena.free_bytes(), arena.store(&[0])), (0, None));
        assert_eq!(arena.store(&[]), Some(Chain::EMPTY));
        arena.release(whole);
        assert!(arena.store(&bytes[..192]).is_some());
    }

    #[test]
    fn blocks_that_lie_apart_make_one_value() {
        let mut memory = heapless::Vec::<Block, 4>::new();
        let mut arena = Arena::new(List::Lent(&mut memory));
        let [a, b, c, d] = [1, 2, 3, 4].map(|n| arena.store(&[n; 64]).unwrap());
        arena.release(c);
        arena.release(a);
        let bytes = numbers::<128>();
        let long = arena.store(&bytes).unwrap();
        assert!(arena.eq(long, &bytes) && arena.eq(b, &[2; 64]) && arena.eq(d, &[4; 64]));
    }

    #[test]
    fn values_that_differ_in_length_or_in_one_byte_are_not_equal() {
        let mut memory = heapless::Vec::<Block, 3>::new();
        let mut arena = Arena::new(List::Lent(&mut memory));
        let bytes = numbers::<130>();
        let chain = arena.store(&bytes).unwrap();
        assert!(!arena.eq(chain, &bytes[..129]) && !arena.eq(chain, &numbers::<131>()));
        for i in 0..130 {
            let mut other = bytes;
            other[i] ^= 1;
            assert!(!arena.eq(chain, &other));
        }
    }

    #[test]
    fn a_buffer_that_is_too_short_is_refused() {
        let mut memory = heapless::Vec::<Block, 1>::new();
        let mut arena = Arena::new(List::Lent(&mut memory));
        let chain = arena.store(&[1, 2, 3]).unwrap();
        assert_eq!(arena.copy_to(chain, &mut [0; 2]), None);
        assert_eq!(arena.copy_to(chain, &mut [0; 3]), Some(3));
    }

    #[test]
    fn a_value_longer_than_a_chain_can_say_is_refused() {
        let mut arena = Arena::new(List::with_capacity(2_000));
        assert_eq!(arena.store(&alloc::vec![0; 65_536]), None);
        assert_eq!(arena.store(&alloc::vec![0; 65_535]).unwrap().blocks(), 1024);
    }

    #[test]
    fn a_block_takes_four_bytes_more_than_it_holds() {
        assert_eq!(core::mem::size_of::<Block>(), 68);
        assert_eq!(core::mem::size_of::<Chain>(), 8);
    }
}
