//! Hands the linker script to the linker, and makes a change of it a reason to link again.
//!
//! A copy of it: a cache that several checkouts share may remember what this said in another one, which may be gone.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=link.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo names a folder for what is built"));
        std::fs::write(folder.join("link.ld"), include_bytes!("link.ld")).expect("the folder can be written to");
        println!("cargo::rustc-link-search={}", folder.display());
        println!("cargo::rustc-link-arg-bins=-Tlink.ld");
    }
}
