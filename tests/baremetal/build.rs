//! Hands the linker script to the linker, and the recorded run to the image that repeats it; a change of either is a
//! reason to build again. Where no run was recorded there is an empty one.
//!
//! A copy of them: a cache that several checkouts share may remember what this said in another one, which may be gone.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=link.ld");
    println!("cargo::rerun-if-env-changed=HONEYGUIDE_RUN");
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo names a folder for what is built"));
    let run = std::env::var("HONEYGUIDE_RUN").map(|path| {
        println!("cargo::rerun-if-changed={path}");
        std::fs::read(path).expect("the recorded run can be read")
    });
    std::fs::write(folder.join("recorded-run"), run.unwrap_or_default()).expect("the folder can be written to");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        std::fs::write(folder.join("link.ld"), include_bytes!("link.ld")).expect("the folder can be written to");
        println!("cargo::rustc-link-search={}", folder.display());
        println!("cargo::rustc-link-arg-bins=-Tlink.ld");
    }
}
