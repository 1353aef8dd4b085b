//! What a node of a simulated world did, done again on a bare Cortex-M4: an image of its own, so that the node's figures
//! stay the node's. The run is recorded on the host by `record`, just before this is built.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(not(target_os = "none"))]
mod host;
#[cfg(target_os = "none")]
mod machine;
mod recorded;

#[cfg(target_os = "none")]
fn main() -> ! {
    machine::play(recorded::run)
}

#[cfg(not(target_os = "none"))]
fn main() {
    host::play(recorded::run)
}
