//! The loop of a board whose network is smoltcp: the node joins, announces itself and finds itself. An image of its own, so
//! that the node's figures stay the node's.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod board;
mod boards;
mod hash;
#[cfg(not(target_os = "none"))]
mod host;
#[cfg(target_os = "none")]
mod machine;
mod network;
mod udp;
mod wire;

#[cfg(target_os = "none")]
fn main() -> ! {
    machine::play(udp::run)
}

#[cfg(not(target_os = "none"))]
fn main() {
    host::play(udp::run)
}
