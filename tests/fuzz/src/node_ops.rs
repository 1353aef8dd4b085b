//! A node among neighbours of whom nobody knows what they will do.
//!
//! The bytes of the fuzzer are a list of deeds: somebody asks the node something, answers what the node asked (honestly,
//! wrongly, late, twice, from another address), sends rubbish; the user starts and cancels operations, skips drains or
//! interrupts them; time passes, a little, a lot, or backwards. The world remembers what the node sent, so that answers
//! carry its transaction ids and writes carry its tokens.

mod answers;
mod deeds;
mod world;

use arbitrary::Unstructured;

use crate::run::newborn;
use world::World;

/// Does the deeds behind the first byte, which chooses the setting, and checks everything that can be checked from outside
/// after each drain. At the end every operation has to end. One run in four is recorded and replayed.
pub fn node_ops(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(head) = u.arbitrary::<u8>() else { return };
    let mut world = World::new(newborn(head), head & 8 != 0, head & 0xc0 == 0);
    while !u.is_empty() {
        if deeds::next(&mut world, &mut u).is_err() {
            break;
        }
        world.settle();
    }
    world.end_everything();
    world.relive(newborn(head));
}
