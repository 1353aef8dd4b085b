//! How many symbols the responder sends first (N41, N46).

use alloc::vec;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::negentropy::set::SortedSet;
use crate::negentropy::symbol::{CELLS, SessionKey, cell};

/// How many ids fall into each cell, modulo 256.
pub fn cells<S: SortedSet>(set: &S, key: &SessionKey) -> Vec<u8> {
    let mut cells = vec![0u8; CELLS];
    set.scan(0..set.len(), |entry| {
        if let Some(cell) = cells.get_mut(cell(key.hash(&entry.id))) {
            *cell = cell.wrapping_add(1);
        }
        ControlFlow::Continue(())
    });
    cells
}

/// How many symbols to send for the counts of both sides, when our set has `net` entries more than theirs.
pub fn symbols(ours: &[u8], theirs: &[u8], net: i64) -> u64 {
    symbols_for(differences(ours, theirs, net))
}

/// About how many differences there are: in every cell, the difference of the counts has them as its variance.
fn differences(ours: &[u8], theirs: &[u8], net: i64) -> u64 {
    let mean = net.div_euclid(CELLS as i64);
    let squares: i64 = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| {
            let off = i64::from(a.wrapping_sub(*b).wrapping_sub(mean as u8) as i8);
            off * off
        })
        .sum();
    let over = net - mean * CELLS as i64;
    (squares - over * over / CELLS as i64).max(net.abs()).unsigned_abs()
}

/// How many symbols show so many differences nearly always: what is needed on average, the error of the estimate, and
/// the spread of small numbers.
fn symbols_for(differences: u64) -> u64 {
    differences.saturating_mul(142) / 100 + differences.isqrt() + 8
}
