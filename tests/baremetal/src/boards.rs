//! What memory boards of three sizes can lend to a node, and what one more of each costs.

use core::fmt::Write;

use honeyguide::dht::Buffer;
use honeyguide::{Node, storage};

/// A node that joins, looks up, announces and answers, and holds nothing for others.
pub type Board48 = storage!(type {
    contacts: 24, newcomers: 8, operations: 1, candidates: 12, transactions: 12, peers: 0, items: 0, value_bytes: 0,
    replies: 1, meters: 8
});
/// A small participant, with room for a program beside it.
pub type Board64 = storage!(type { contacts: 64, newcomers: 16, peers: 32, items: 8, value_bytes: 2048 });
/// A full participant.
pub type Board256 = storage!(type {
    contacts: 512, newcomers: 128, operations: 8, candidates: 64, transactions: 128, peers: 512, items: 64,
    value_bytes: 32768, replies: 4, results: 2, meters: 256
});

/// The deepest stack that was measured, rounded up.
const STACK: usize = 15 << 10;

/// What is left of a board for the program around the node.
const fn left(kibibytes: usize, memory: usize) -> usize {
    let (all, taken) = (kibibytes << 10, memory + size_of::<Node<'_>>() + size_of::<Buffer>() + STACK);
    // Of a host this is not asked: its numbers are larger.
    if cfg!(target_pointer_width = "32") { all.checked_sub(taken).expect("the board is too small") } else { 0 }
}

/// Prints what one more of a list takes: the difference of many, so that the padding of the whole does not count.
macro_rules! one_more {
    ($out:expr, $($name:ident: $from:expr, $more:expr);* $(;)?) => {$(
        let (one, all) = (size_of::<storage!(type { $name: $from })>(), size_of::<storage!(type { $name: $from + $more })>());
        line($out, concat!("one more of ", stringify!($name)), (all - one) / $more);
    )*};
}

/// Prints everything.
pub fn list(out: &mut dyn Write) {
    one_more! { out,
        contacts: 64, 64; newcomers: 64, 64; operations: 2, 64; candidates: 32, 64; replicas: 8, 64; transactions: 64, 64;
        peers: 64, 64; items: 64, 64; replies: 64, 64; results: 64, 64; meters: 64, 64; links: 1, 1
    }
    let values = size_of::<storage!(type { value_bytes: 8192 })>() - size_of::<storage!(type { value_bytes: 4096 })>();
    line(out, "64 more of value_bytes", values / 64);
    for (kibibytes, memory, left) in [
        (48, size_of::<Board48>(), const { left(48, size_of::<Board48>()) }),
        (64, size_of::<Board64>(), const { left(64, size_of::<Board64>()) }),
        (256, size_of::<Board256>(), const { left(256, size_of::<Board256>()) }),
    ] {
        write!(out, "board of {kibibytes} KiB: ").expect("the console takes everything");
        line(out, "lent memory", memory);
        write!(out, "board of {kibibytes} KiB: ").expect("the console takes everything");
        line(out, "left for the program", left);
    }
}

fn line(out: &mut dyn Write, what: &str, bytes: usize) {
    writeln!(out, "{what}: {bytes} bytes").expect("the console takes everything");
}
