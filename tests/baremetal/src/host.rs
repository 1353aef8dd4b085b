//! The host: an ordinary program that prints the same lines.

use core::fmt;

struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        print!("{text}");
        Ok(())
    }
}

/// Runs a scenario.
pub fn play(scenario: fn(&mut dyn fmt::Write)) {
    scenario(&mut Console);
}
