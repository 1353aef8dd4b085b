//! What somebody who waits for worlds sees: how many have ended, for how long it has been, and which are run now. On a
//! terminal it is a bar; elsewhere it is a line now and then, so that a log tells that the program lives.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::count::count;
use crate::options::Options;
use crate::print::say;

/// A line is said at least so often ..
pub const EVERY: Duration = Duration::from_secs(10);
/// .. and at each tenth of the worlds, but no sooner than so long after the one before.
const SOONEST: Duration = Duration::from_secs(1);

pub struct Watch {
    bar: ProgressBar,
    lines: Lines,
    running: BTreeSet<usize>,
}

impl Watch {
    pub fn new(options: &Options, many: usize) -> Watch {
        let bar = options.progress_of("worlds", many);
        Watch { bar, lines: Lines::new(Instant::now(), many), running: BTreeSet::new() }
    }

    pub fn begun(&mut self, number: usize, name: impl Fn(usize) -> String) {
        self.running.insert(number);
        self.bar.set_message(self.names(name));
    }

    pub fn ended(&mut self, number: usize, name: impl Fn(usize) -> String) {
        self.running.remove(&number);
        self.lines.finished += 1;
        self.bar.set_position(self.lines.finished as u64);
        self.bar.set_message(self.names(&name));
        self.look(name);
    }

    /// Says a line if it is time for one.
    pub fn look(&mut self, name: impl Fn(usize) -> String) {
        let now = Instant::now();
        if self.bar.is_hidden() && self.lines.is_due(now) {
            say(self.lines.text(now, &self.names(name)));
        }
    }

    pub fn finished(&self) -> usize {
        self.lines.finished
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn names(&self, name: impl Fn(usize) -> String) -> String {
        self.running.iter().map(|number| name(*number)).collect::<Vec<_>>().join("; ")
    }
}

/// When a line is said.
struct Lines {
    begun: Instant,
    said: Instant,
    many: usize,
    finished: usize,
    /// How many had finished at the last one.
    before: usize,
}

impl Lines {
    fn new(now: Instant, many: usize) -> Lines {
        Lines { begun: now, said: now, many, finished: 0, before: 0 }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let tenths = |finished: usize| finished * 10 / self.many.max(1);
        let passed = now.duration_since(self.said);
        let is_due = passed >= EVERY || (passed >= SOONEST && tenths(self.finished) > tenths(self.before));
        if is_due {
            (self.said, self.before) = (now, self.finished);
        }
        is_due
    }

    fn text(&self, now: Instant, names: &str) -> String {
        let (finished, of) = (self.finished, count(self.many, "world"));
        let seconds = now.duration_since(self.begun).as_secs();
        let names = if names.is_empty() { String::new() } else { format!("; now: {names}") };
        format!("{finished} of {of} after {seconds} s{names}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule U34.
    #[test]
    fn a_line_is_said_every_ten_seconds_and_at_each_tenth_once_a_second_at_most() {
        let start = Instant::now();
        let mut lines = Lines::new(start, 20);
        let mut said = Vec::new();
        // Three worlds in a tick of half a second, and then none for half a minute.
        for tick in 0..=64 {
            lines.finished = if tick <= 6 { 3 * tick } else { 18 };
            let now = start + Duration::from_millis(500) * tick as u32;
            if lines.is_due(now) {
                said.push((tick, lines.finished));
            }
        }
        assert_eq!(said, [(2, 6), (4, 12), (6, 18), (26, 18), (46, 18)]);
        assert_eq!(lines.text(start + Duration::from_millis(23_999), ""), "18 of 20 worlds after 23 s");
        let one = Lines::new(start, 1).text(start + EVERY, "seed 1: silence (row 27)");
        assert_eq!(one, "0 of 1 world after 10 s; now: seed 1: silence (row 27)");
    }
}
