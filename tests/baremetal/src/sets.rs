//! Set reconciliation on a bare Cortex-M4: an image of its own, so that the node's figures stay the node's.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod hash;
#[cfg(not(target_os = "none"))]
mod host;
#[cfg(target_os = "none")]
mod machine;
mod reconcile;

#[cfg(target_os = "none")]
fn main() -> ! {
    machine::play(reconcile::run)
}

#[cfg(not(target_os = "none"))]
fn main() {
    host::play(reconcile::run)
}
