//! Hands the linker script to the linker, and makes a change of it a reason to link again.

fn main() {
    println!("cargo::rerun-if-changed=link.ld");
    let bare = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if bare {
        println!("cargo::rustc-link-arg-bins=-T{}/link.ld", env!("CARGO_MANIFEST_DIR"));
    }
}
