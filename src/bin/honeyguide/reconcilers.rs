//! The two sides of a reconciliation between partners who trust each other, since files and processes are the user's.

use honeyguide::negentropy::{Entry, Limits, Reconciler, ReconcilerConfig, Splitting};

use crate::failed::Failed;
use crate::options;

/// Longest message: a list of all ids of 32 million entries. Memory is only touched as far as it is needed.
const LONGEST: usize = 1 << 30;

/// Longest line that holds an entry: both numbers, and blanks around them.
pub const ENTRY_LINE: usize = 1024;
/// Longest line that holds a message, in hex after a word.
pub const MESSAGE_LINE: usize = 2 * LONGEST + ENTRY_LINE;

pub fn config(adaptive: bool, frame: usize) -> ReconcilerConfig {
    let mut config = ReconcilerConfig::new(Limits::trusting(LONGEST)).conformance().with_frame_limit(frame);
    if adaptive {
        config.splitting = Splitting::Adaptive;
    }
    config
}

pub fn initiator(config: ReconcilerConfig) -> Result<Reconciler<'static>, Failed> {
    Reconciler::initiator(config).map_err(|error| Failed::usage(error.to_string()))
}

pub fn responder(config: ReconcilerConfig) -> Result<Reconciler<'static>, Failed> {
    Reconciler::responder(config).map_err(|error| Failed::usage(error.to_string()))
}

/// Makes the buffer long enough that without a frame limit no message is cut.
pub fn grow(out: &mut Vec<u8>, entries: usize, message: usize) {
    let len = Reconciler::answer_len(entries, message);
    if out.len() < len {
        *out = vec![0; len];
    }
}

/// `timestamp,id` with the id in hex.
pub fn entry(text: &str) -> Result<Entry, Failed> {
    if text.starts_with('\u{feff}') {
        return Err("an entry begins with a byte order mark: save the file without one".into());
    }
    let (timestamp, id) = text.split_once(',').ok_or("an entry is not of the form timestamp,id")?;
    // The highest number stands for infinity (N5).
    let digits = Some(timestamp.trim()).filter(|digits| !digits.starts_with('+'));
    let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| *number < u64::MAX);
    let timestamp =
        number.ok_or_else(|| format!("{timestamp:?} is not a timestamp, a number from 0 to {}", u64::MAX - 1))?;
    let id = options::hex_array(id.trim()).map_err(|error| format!("the id of an entry is {error}"))?;
    Ok(Entry { timestamp, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_timestamp_and_an_id_and_nothing_else() {
        let id = "ab".repeat(32);
        for (timestamp, number) in [("0", 0), ("007", 7), (" 7 ", 7), ("18446744073709551614", u64::MAX - 1)] {
            let read = entry(&format!("{timestamp}, {id} ")).unwrap();
            assert_eq!((read.timestamp, read.id), (number, [0xab; 32]));
        }
        for timestamp in ["", "+1", " +1", "-1", "1.0", "0x1", "18446744073709551615", "99999999999999999999"] {
            let said = entry(&format!("{timestamp},{id}")).unwrap_err().sentence;
            assert!(said.contains("is not a timestamp"), "{said}");
        }
        let said = entry(&format!("\u{feff}0,{id}")).unwrap_err().sentence;
        assert!(said.contains("begins with a byte order mark") && said.is_ascii(), "{said}");
        assert!(entry(&format!("0,\u{feff}{id}")).unwrap_err().sentence.contains("id"));
        assert!(entry(&format!("0;{id}")).unwrap_err().sentence.contains("timestamp,id"));
    }
}
