//! While names and folders change: what was there before. This file goes when its lists are empty.

use crate::floors::Floor::{self, Codec, Leaf, Vocabulary};

/// Folders and parts by their former names.
pub const FLOORS: &[(Floor, &str)] = &[
    (Codec, "wire"),
    (Vocabulary, "sync::config sync::lists sync::sealed sync::set sync::sort sync::split"),
    (Leaf, "sync::rateless sync::reconciler sync::tree dht::health"),
];

pub const KNOWN: &[(&str, &str)] = &[("dht", "wire"), ("sync", "wire")];

pub const EXCEPTIONS: &[(&str, &str, &str)] = &[("wire::id", "base::rng", "as krpc::id")];

pub const FEATURE_FILES: &[(&str, &str)] =
    &[("src/base/pool.rs", "as base/list.rs"), ("src/base/probe.rs", "as dht/trace.rs")];

/// Complaints that are not heeded yet: how each begins that stands in brackets behind one, and the words that may follow.
const ALLOWED_FOR_NOW: &[(&str, &str)] = &[
    ("circle", "src/bin/honeyguide/options.rs src/dht/node/input.rs src/dht/table/routing.rs"),
    ("exception", "krpc::id"),
    (
        "fields of",
        "Asker Candidate Link Newcomer Node Operation Pantry Parts Payload Place Reply Results \
         Shelves Signature Storage Table TokenCell",
    ),
    ("jargon in", "*"),
    ("length of", "src/wire/bencode.rs"),
    ("lines of", "*"),
    (
        "node in",
        "src/dht/node/drain.rs src/dht/node/input.rs src/dht/node/invariants.rs \
         src/dht/node/results.rs src/dht/node/start.rs src/dht/node/state.rs \
         src/dht/node/upkeep.rs",
    ),
    (
        "type",
        "Asker Body Bucket Config Entry Error Failure Found Id Link Malformed Node Operation \
         Output Phase Place Plan Put Reader Record Refusal Reply Sink Sockets State Step Survey \
         Wake Walk Window Writer",
    ),
    (
        "word",
        "chance crowd driven entrance few hearsay hopper iface liar life obey pantry room seed \
         shelf single slot soften starving victim",
    ),
];

pub fn is_allowed(about: &str) -> bool {
    ALLOWED_FOR_NOW.iter().any(|(check, what)| {
        let subject = about.strip_prefix(check).map(str::trim);
        subject.is_some_and(|subject| *what == "*" || what.split(' ').any(|one| one == subject))
    })
}
