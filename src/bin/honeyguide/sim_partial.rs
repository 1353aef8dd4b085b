//! What was measured so far, in a file: a run of hours that was stopped goes on where it was.
//!
//! ```text
//! the command and the version of the program
//! world NUMBER: what is measured there
//! lines of samples
//! end
//! ```
//! Worlds stand in the order in which they ended. What stands behind the last `end` was cut, and is dropped.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use honeyguide::sim::acceptance::Tally;

use crate::cause::cause;
use crate::count::count;
use crate::failed::Failed;
use crate::print::say;

const END: &str = "end\n";

/// Where what was measured goes, if anywhere.
#[derive(Default)]
pub struct Partial {
    file: Option<File>,
    shown: String,
    /// By the number of the world.
    done: BTreeMap<usize, Tally>,
}

impl Partial {
    /// Opens the file, or makes it. `command` is what it has to be of, and `name` what is measured in a world.
    pub fn open(path: Option<&Path>, command: &str, name: impl Fn(usize) -> String) -> Result<Partial, Failed> {
        let Some(path) = path else { return Ok(Partial::default()) };
        let shown = path.display().to_string();
        let failed = |error: std::io::Error| format!("{shown} cannot be used: {}", cause(&error));
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        if file.try_lock().is_err() {
            return Err(format!("{shown} is used by another run: wait for its end, or name another file").into());
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let first = format!("{command}, honeyguide {}\n", env!("CARGO_PKG_VERSION"));
        if text.is_empty() {
            file.write_all(first.as_bytes()).map_err(failed)?;
            return Ok(Partial { file: Some(file), shown, done: BTreeMap::new() });
        }
        let Some(worlds) = text.strip_prefix(&first) else {
            return Err(format!("{shown} is of another run than `{command}`, and was left as it is").into());
        };
        let (mut done, mut whole) = (BTreeMap::new(), first.len());
        for world in worlds.split_inclusive(END).filter(|world| world.ends_with(END)) {
            let (number, tally) = one(world, &name)
                .ok_or_else(|| format!("{shown} is damaged after byte {whole}: begin anew, with another file"))?;
            done.insert(number, tally);
            whole += world.len();
        }
        let cut = file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0)));
        cut.map_err(failed)?;
        say(format_args!("{shown} has {} already", count(done.len(), "world")));
        Ok(Partial { file: Some(file), shown, done })
    }

    /// What was measured in worlds before, by their numbers.
    pub fn take_done(&mut self) -> BTreeMap<usize, Tally> {
        std::mem::take(&mut self.done)
    }

    /// Something more was measured.
    pub fn add(&mut self, number: usize, name: &str, tally: &Tally) -> Result<(), Failed> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let text = format!("world {number}: {name}\n{}{END}", tally.to_lines());
        let written = file.write_all(text.as_bytes()).and_then(|()| file.flush());
        Ok(written.map_err(|error| format!("{} cannot be written: {}", self.shown, cause(&error)))?)
    }
}

/// The number of a world and what was measured there.
fn one(world: &str, name: impl Fn(usize) -> String) -> Option<(usize, Tally)> {
    let (head, rest) = world.strip_suffix(END)?.split_once('\n')?;
    let (number, named) = head.strip_prefix("world ")?.split_once(": ")?;
    let number = number.parse().ok()?;
    Some((number, Tally::from_lines(rest)?)).filter(|_| named == name(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_dropped_and_what_is_of_another_run_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("partial");
        let name = |number: usize| format!("world of {number}");
        let open = |command: &str| Partial::open(Some(&path), command, name);
        let mut partial = open("sim").unwrap();
        let tally = Tally::from_lines("15 Ours 20 0 0.5 1.0\n").unwrap();
        for number in [3, 1] {
            partial.add(number, &name(number), &tally).unwrap();
        }
        assert!(open("sim").is_err_and(|failed| failed.sentence.contains("another run")), "it is locked");
        drop(partial);
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 1, 20] {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let mut partial = open("sim").unwrap();
            let done = partial.take_done();
            let numbers: &[usize] = if cut == 0 { &[1, 3] } else { &[3] };
            assert_eq!(done.keys().copied().collect::<Vec<_>>(), numbers);
            assert!(done.values().all(|done| done.to_lines() == tally.to_lines()));
            partial.add(1, &name(1), &tally).unwrap();
        }
        assert!(open("sim other").is_err_and(|failed| failed.sentence.contains("another run")));
        std::fs::write(&path, String::from_utf8(whole).unwrap().replace("world of 3", "world of 4")).unwrap();
        assert!(open("sim").is_err_and(|failed| failed.sentence.contains("damaged")));
        assert!(Partial::open(None, "sim", name).unwrap().take_done().is_empty());
    }
}
