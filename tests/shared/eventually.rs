//! Waiting for what somebody else does.

#![allow(dead_code, reason = "each of the tests that share this needs another part of it")]

use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes that is waited for, unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn eventually(mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "it never happens");
        thread::sleep(Duration::from_millis(1));
    }
}
