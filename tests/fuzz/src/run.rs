//! Journals: any bytes as the run of a node.

use honeyguide::Endpoint;
use honeyguide::dht::Buffer;
use honeyguide::dht::journal::OutputHash;
use honeyguide::dht::journal::{Call, Record};
use honeyguide::{Node, Output, Storage};

use crate::setting::{RNG_SEED, config};

/// A drain has fewer outputs than this.
pub const LONGEST_DRAIN: usize = 500;
/// Bytes of the frame in front of a record that is written.
const FRAME: usize = 8;
/// Calls of one run that are made.
const MOST_CALLS: usize = 300;

/// The node of a setting.
pub fn newborn(setting: u8) -> Node<'static> {
    let config = config(setting);
    let storage = Storage::allocate(&config);
    Node::new(config, RNG_SEED, storage).expect("the settings are sound")
}

/// Replays the records behind the first byte, which chooses the setting, until they end or make no sense; they have no
/// frames, whose checksums no fuzzer would guess. Each record is written as it was read, each drain ends, and a second
/// run puts out the same as the first.
pub fn journal(data: &[u8]) {
    let Some((&setting, records)) = data.split_first() else { return };
    let first = live(setting, records, true);
    let second = live(setting, records, false);
    assert_eq!(first.finish(), second.finish(), "the same calls, the same bytes");
}

fn live(setting: u8, mut records: &[u8], checked: bool) -> OutputHash {
    let mut node = newborn(setting);
    let mut trace = OutputHash::default();
    for _ in 0..MOST_CALLS {
        let mut nodes = [Endpoint::UNSPECIFIED; 16];
        let Some((record, rest)) = Record::decode_bare(records, &mut nodes) else { break };
        assert!(rest.len() < records.len(), "a record has bytes");
        if checked {
            check_record(&record, &records[..records.len() - rest.len()]);
        }
        drain(&mut node, record.polls as usize, &mut trace, checked);
        if matches!(record.call, Call::End) {
            break;
        }
        let _ = record.call.apply(&mut node, record.now);
        let rest = rest.len();
        records = &records[records.len() - rest..];
    }
    drain(&mut node, LONGEST_DRAIN, &mut trace, checked);
    trace
}

/// Polls so often, or until the drain ends.
fn drain(node: &mut Node<'_>, polls: usize, trace: &mut OutputHash, checked: bool) {
    let mut buffer: Buffer = [0; 1500];
    for _ in 0..polls.min(LONGEST_DRAIN) {
        let output = node.poll_output(&mut buffer);
        trace.add(&output);
        if let Output::Timeout(_) = output {
            if checked {
                honeyguide::internals::dht::check_invariants(node);
            }
            return;
        }
    }
    assert!(polls < LONGEST_DRAIN, "a drain that does not end");
}

fn check_record(record: &Record<'_>, bytes: &[u8]) {
    let mut out = [0; Record::MAX_LEN];
    let Ok(len) = record.encode(&mut out) else {
        assert!(bytes.len() + FRAME > Record::MAX_LEN, "whatever a journal may hold, there is room for it");
        return;
    };
    // Flags that mean nothing are lost, so it is the second writing that has to be the same as the first.
    let mut nodes = [Endpoint::UNSPECIFIED; 16];
    let (again, rest) = Record::decode(&out[..len], &mut nodes).expect("what was written can be read");
    assert!(rest.is_empty() && len <= bytes.len() + FRAME);
    let mut twice = [0; Record::MAX_LEN];
    assert_eq!(again.encode(&mut twice), Ok(len));
    assert_eq!(out[..len], twice[..len]);
}
