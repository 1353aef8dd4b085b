//! The transcripts of `vectors/negentropy/negentropy.json`, for the reconciler and for the program, and how sets are
//! written there.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

#[allow(dead_code, reason = "not every test reads them")]
pub fn file() -> Json {
    serde_json::from_str(include_str!("../../vectors/negentropy/negentropy.json")).unwrap()
}

/// Timestamps and ids, in hexadecimal, of an item set: pairs of their own, and groups that are generated from a seed.
pub fn entries(items: &Json) -> Vec<(u64, String)> {
    let mut out = Vec::new();
    for item in items.as_array().unwrap() {
        if let Some(pair) = item.as_array() {
            out.push((pair[0].as_u64().unwrap(), pair[1].as_str().unwrap().to_string()));
            continue;
        }
        let number = |key: &str, default: u64| item.get(key).map_or(default, |value| value.as_u64().unwrap());
        let prefix = item.get("prefix").map_or("", |value| value.as_str().unwrap());
        let seed = item["seed"].as_str().unwrap();
        for i in number("from", 0)..number("to", 0) {
            let hash = hex::encode(Sha256::digest(format!("{seed}:{i}")));
            let timestamp = number("ts", 0) + i / number("per", 1) * number("dts", 1);
            out.push((timestamp, format!("{prefix}{}", &hash[..64 - prefix.len()])));
        }
    }
    out
}
