//! The recorded run: a seed, then records up to the one that says that it is the last.

use core::fmt::Write;
use core::mem::MaybeUninit;

use honeyguide::dht::journal::{Call, OutputHash, Record};
use honeyguide::dht::{Buffer, LinkConfig};
use honeyguide::{Config, Endpoint, Node};

/// The memory that `Config::tiny()` speaks of.
type Memory = honeyguide::storage!(type {});

const RUN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/recorded-run"));

// What lasts is static, so that the stack has no more of it.
static mut MEMORY: Memory = Memory::new();
static mut PARTICIPANT: MaybeUninit<Node<'static>> = MaybeUninit::uninit();

/// Makes the calls of the run and the polls between them; the hash of all that comes out is that of the run wherever
/// that has one. To be called once.
pub fn run(out: &mut dyn Write) {
    let (node, mut records) = make();
    let (mut hash, mut buffer, mut calls): (OutputHash, Buffer, u32) = (OutputHash::default(), [0; 1500], 0);
    loop {
        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
        let Ok((record, after)) = Record::decode(records, &mut nodes) else { panic!("a record is damaged") };
        for _ in 0..record.polls {
            hash.add(&node.poll_output(&mut buffer));
        }
        match record.call {
            Call::Mark { hash: then } => assert!(then == hash.finish(), "something else came out after {calls} calls"),
            Call::End => break,
            call => {
                calls += 1;
                // What was refused is refused again.
                let _ = call.apply(node, record.now);
            }
        }
        let left = after.len();
        records = &records[records.len() - left..];
    }
    writeln!(out, "ok replay of {calls} calls {:032x}", hash.finish()).expect("the console takes everything");
}

/// The node that was recorded, as it was in the beginning, and its records.
#[inline(never)]
fn make() -> (&'static mut Node<'static>, &'static [u8]) {
    // SAFETY: one thread, one call.
    let (memory, place) = unsafe {
        let (memory, place) = (&raw mut MEMORY, &raw mut PARTICIPANT);
        (&mut *memory, &mut *place)
    };
    let Some((seed, records)) = RUN.split_first_chunk() else { panic!("no run was recorded") };
    let Ok(config) = Config::tiny().with_links(&[LinkConfig { port: 6881, ..LinkConfig::V4 }]) else {
        panic!("the stock configuration is sound")
    };
    let Ok(node) = Node::new(config, *seed, memory.lend()) else { panic!("the stock configuration is sound") };
    (place.write(node), records)
}
