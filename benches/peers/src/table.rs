//! The closest contacts of a target, out of mainline's whole table: the part of the work of answering find_node that can
//! be measured there alone. They come as a list of handles, sorted with those in front whose id fits their address
//! (BEP 42). Mainline holds at most 20 contacts a bucket, so with random ids it stays at about 271.
//!
//! What ours costs alone, beside a flat list, is measured by `cargo bench --bench table`.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddrV4};

use honeyguide::Id;
use honeyguide::base::Rng;

/// The same targets for all.
fn targets() -> impl Iterator<Item = Id> {
    let mut rng = Rng::from_seed([1; 32]);
    let targets: Vec<Id> = (0..1024).map(|_| Id::random(&mut rng)).collect();
    (0..).map(move |i| black_box(targets[i % targets.len()]))
}

fn address(rng: &mut Rng) -> Ipv4Addr {
    Ipv4Addr::from(rng.next_u32() % 0xa000_0000 + 0x1000_0000)
}

/// Contacts of a table of mainline's that was offered random ids for long.
pub const MAINLINE: usize = 271;

/// The 20 closest contacts: what mainline always returns.
pub fn mainline() -> impl FnMut() -> Box<[mainline::Node]> {
    let mut rng = Rng::from_seed([3; 32]);
    let mut addresses = Rng::from_seed([4; 32]);
    let mut id = || mainline::Id::from_bytes(rng.bytes::<20>()).expect("20 bytes");
    let mut table = mainline::RoutingTable::new(id());
    while table.size() < MAINLINE {
        table.add(mainline::Node::new(id(), SocketAddrV4::new(address(&mut addresses), 6881)));
    }
    let mut next = targets().map(|id| mainline::Id::from_bytes(id.as_bytes()).expect("20 bytes"));
    move || table.closest(next.next().expect("endless"))
}
