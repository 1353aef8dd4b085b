//! The node on a bare Cortex-M4, where no allocator exists; and the same run on the host, which must say the same.
//!
//! On the target this is a firmware image. On the host it is an ordinary program that prints the same lines, so that
//! `tests/baremetal/run` can compare the two.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod hash;
#[cfg(not(target_os = "none"))]
mod host;
#[cfg(target_os = "none")]
mod machine;
mod network;
mod node;
mod scenario;

#[cfg(target_os = "none")]
fn main() -> ! {
    machine::play(scenario::run)
}

#[cfg(not(target_os = "none"))]
fn main() {
    host::play(scenario::run)
}
