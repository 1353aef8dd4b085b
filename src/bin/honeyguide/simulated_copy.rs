//! What `journal scrub` makes of a journal of a simulated world: a copy. Whoever scrubs all of his journals need not
//! know which of them are of real nodes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use honeyguide::Output;
use honeyguide::adapters::Replayed;
use serde_json::json;

use crate::count::count;
use crate::failed::Failed;
use crate::file;
use crate::guarded::{Guarded, Stop};
use crate::journal_file::Journal;
use crate::options::Options;
use crate::print::say;

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
    let (mut guarded, mut outputs) = (Guarded::new(&journal.records), 0_u64);
    let mut see = |step: Replayed<'_>| {
        let is_output = matches!(step, Replayed::Output(output) if !matches!(output, Output::Timeout(_)));
        outputs += u64::from(is_output);
    };
    let (mut records, mut panic) = (&journal.records[..], None);
    loop {
        match guarded.step(&mut node, &mut see) {
            Ok(true) => {}
            Ok(false) => break,
            Err(Stop::Panic(at)) => {
                panic = Some(at.text(journal.byte(at.at)));
                break;
            }
            Err(Stop::Untrue(error)) if error.is_cut() => {
                let (at, why) = (journal.byte(error.sound()), error.reason());
                say(format_args!("{shown} is true up to byte {at}, and what follows is left out: {why}"));
                records = &records[..error.sound()];
                break;
            }
            Err(Stop::Untrue(error)) => return Err(journal.untrue(shown, error, "")),
        }
    }
    let head = journal.head.encode().map_err(|error| error.to_string())?;
    if is_decided.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    file::write_new(out, &[&head[..], records].concat())?;
    say(format_args!(
        "{shown} is of a node in a simulated world: nothing in it needs to be hidden, and this is a copy"
    ));
    let calls = guarded.replay.calls();
    options.out().line(
        format_args!("kept {} as they are; {}", count(calls, "call"), count(outputs, "output")),
        json!({ "calls": calls, "emptied": 0, "outputs": outputs, "differ": 0, "panic": panic }),
    )
}
