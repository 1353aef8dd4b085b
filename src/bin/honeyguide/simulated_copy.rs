//! What `journal scrub` makes of a journal of a simulated world: a copy. Whoever scrubs all of his journals need not
//! know which of them are of real nodes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use honeyguide::adapters::Replayed;
use honeyguide::{Node, Output};
use serde_json::json;

use crate::count::count;
use crate::failed::Failed;
use crate::file;
use crate::guarded::{Guarded, Stop};
use crate::journal_file::Journal;
use crate::options::Options;
use crate::print::say;

/// What is true of it.
struct Copied {
    /// How many bytes of its records.
    len: usize,
    calls: u64,
    outputs: u64,
    panic: Option<String>,
}

/// Writes it as far as it is true: what such a node was made of follows from its head, so that a journal of a real node
/// with such a head is not. `is_decided` is set as soon as nothing ends it any more.
pub fn write(
    options: &Options,
    journal: &Journal,
    shown: &str,
    out: &Path,
    is_decided: &AtomicBool,
) -> Result<(), Failed> {
    let mut node = journal.head.node().map_err(|error| format!("{shown}: the node cannot be made: {error}"))?;
    let Copied { len, calls, outputs, panic } = replayed(journal, shown, &mut node)?;
    let head = journal.head.encode().map_err(|error| error.to_string())?;
    if is_decided.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    file::write_new(out, &[&head[..], &journal.records[..len]].concat())?;
    say(format_args!(
        "{shown} is of a node in a simulated world: nothing in it needs to be hidden, and this is a copy"
    ));
    options.out().line(
        format_args!("kept {} as they are; {}", count(calls, "call"), count(outputs, "output")),
        json!({ "calls": calls, "emptied": 0, "outputs": outputs, "differ": 0, "panic": panic }),
    )
}

fn replayed(journal: &Journal, shown: &str, node: &mut Node<'_>) -> Result<Copied, Failed> {
    let (mut guarded, mut outputs) = (Guarded::new(&journal.records), 0_u64);
    let mut see = |step: Replayed<'_>| {
        let is_output = matches!(step, Replayed::Output(output) if !matches!(output, Output::Timeout(_)));
        outputs += u64::from(is_output);
    };
    let (mut len, mut panic) = (journal.records.len(), None);
    loop {
        match guarded.step(node, &mut see) {
            Ok(true) => {}
            Ok(false) => break,
            Err(Stop::Panic(at)) => {
                let told = at.text(journal.byte(at.at));
                say(format_args!("{shown}: {told}; what is written ends there"));
                (len, panic) = (at.end, Some(told));
                break;
            }
            Err(Stop::Untrue(error)) if error.is_cut() => {
                let (at, why) = (journal.byte(error.sound()), error.reason());
                say(format_args!("{shown} is true up to byte {at}, and what follows is left out: {why}"));
                len = error.sound();
                break;
            }
            Err(Stop::Untrue(error)) => return Err(journal.untrue(shown, error, "")),
        }
    }
    Ok(Copied { len, calls: guarded.replay.calls(), outputs, panic })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guarded::tests::{head, panicking, records};

    /// Rule J19. Nobody has replayed what comes after it.
    #[test]
    fn a_copy_ends_with_the_call_that_the_node_panics_at() {
        let (records, places) = records();
        let journal = Journal::of(head(), records);
        for (on, end) in [("Dropped", places[3]), ("QuerySent", places[1])] {
            let copied = replayed(&journal, "it", &mut panicking(on)).unwrap();
            assert_eq!((copied.len, copied.panic.is_some()), (end, true), "{on}");
        }
        let copied = replayed(&journal, "it", &mut head().node().unwrap()).unwrap();
        assert_eq!((copied.len, copied.panic), (journal.records.len(), None));
    }
}
