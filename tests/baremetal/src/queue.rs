//! Datagrams come in an interrupt and the node runs in the loop: between them lies a queue without locks. An image of its own,
//! so that the node's figures stay the node's.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod hash;
#[cfg(not(target_os = "none"))]
mod host;
#[cfg(target_os = "none")]
mod machine;
mod radio;
mod receiver;

#[cfg(target_os = "none")]
fn main() -> ! {
    machine::play(receiver::run)
}

#[cfg(not(target_os = "none"))]
fn main() {
    host::play(receiver::run)
}
