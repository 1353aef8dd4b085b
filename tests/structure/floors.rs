//! Every file imports only from floors below its own.
//!
//! Neighbours may meet inside `base`, inside one codec, inside the vocabulary of one protocol, and inside one part;
//! leaves never import one another. A protocol knows another only where the table says so. Besides, `cfg(feature)`
//! stays where it belongs, and the core names no clock, thread, hash map, console, float or `unsafe`, nor writes a float.

use std::cmp::Ordering;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

use crate::imports::{Modules, module_of};
use crate::source::{Complaint, Source, flat, judge, planted, repository};

/// Floors, lowest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Floor {
    /// 0: knows no protocol.
    Base,
    /// 1: bytes to values and back.
    Codec,
    /// 2a: words that the leaves share.
    Vocabulary,
    /// 2b: state and verdicts; leaves do not see one another.
    Leaf,
    /// 3: the machine that owns leaves.
    Composite,
    /// The `mod.rs` of a protocol, which only gathers.
    Upper,
    /// 4: sockets, clocks, threads, files; traits of other crates for everything below.
    Outside,
    /// `lib.rs` and `internals.rs`: name everything for the user and for the tests, and are imported by nobody.
    Root,
}

use Floor::{Base, Codec, Composite, Leaf, Outside, Root, Upper, Vocabulary};

/// What stands on which floor: folders, and parts of folders that stand on several.
const FLOORS: &[(Floor, &str)] = &[
    (Root, "internals"),
    (Outside, "adapters serde sim"),
    (Composite, "dht::node"),
    (Leaf, "dht::table dht::lookup dht::transactions dht::tokens dht::peers dht::items dht::limiter dht::outage"),
    (Leaf, "dht::votes dht::former_ids dht::soundings dht::keeper dht::reachability dht::sent_to"),
    (Leaf, "negentropy::tree negentropy::reconciler negentropy::rateless"),
    (Vocabulary, "dht::capacity dht::config dht::event dht::command dht::error dht::stats dht::trace dht::contact"),
    (Vocabulary, "dht::outcome dht::transport dht::holders dht::keep dht::role dht::size"),
    (Vocabulary, "negentropy::config negentropy::error negentropy::set negentropy::sorted negentropy::sealed"),
    (
        Vocabulary,
        "negentropy::sort negentropy::split negentropy::diff negentropy::symbol negentropy::kept negentropy::search",
    ),
    (Codec, "krpc negentropy::message negentropy::varint"),
    (Base, "base"),
];

/// Which protocol knows which other.
const KNOWN: &[(&str, &str)] = &[("dht", "krpc")];

/// Imports that the floors would forbid, with the reason for each.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("krpc::id", "base::rng", "a fresh id is random; the stream is passed in, so the floor keeps no state"),
    ("dht::node::lend", "", "the body of `storage!` is compiled in the user's crate, and names what it finds there"),
];

const NOT_FOR_CODECS: &[&str] = &["base::time", "base::rng"];

/// Files below floor 4 that may ask for features, with the reason for each. Besides, a `mod.rs` may at what it gathers.
const FEATURE_FILES: &[(&str, &str)] = &[
    ("src/base/list.rs", "memory is lent or owned"),
    ("src/dht/trace.rs", "a sink is lent or boxed"),
    ("src/negentropy/set.rs", "a set keeps symbols where there is an allocator"),
];

/// What no file of the core names: it reads no clock, starts nothing, prints nothing, and hashes no maps.
const NOT_FOR_THE_CORE: &str = "std::time Instant::now SystemTime HashMap HashSet thread thread_local print println \
                                eprint eprintln dbg f32 f64 unsafe";

pub fn check(files: &[Source]) -> Vec<Complaint> {
    let modules = Modules::read(files);
    files.iter().filter(|file| file.is_of_the_library()).flat_map(|file| check_one(file, &modules)).collect()
}

fn check_one(file: &Source, modules: &Modules) -> Vec<Complaint> {
    let module = module_of(&file.path);
    let Some((floor, _)) = place(&module) else {
        let what = "stands on no floor; add it to the table in tests/structure/floors.rs";
        return vec![Complaint::new(format!("floor {module}"), &file.path, what)];
    };
    let mut found = Vec::new();
    if floor < Outside {
        let words = flat(file.tokens_without_tests());
        for (i, (line, _)) in words.iter().enumerate() {
            let path: String = words[i..].iter().take(3).map(|(_, word)| word.as_str()).collect();
            let is_named = |out: &&str| path == **out || (!out.contains("::") && words[i].1 == **out);
            let out = NOT_FOR_THE_CORE.split(' ').find(is_named);
            found.extend(out.map(|out| (*line, format!("the core does not use `{out}`"))));
        }
        let floats = floats(file.tokens_without_tests()).into_iter();
        found.extend(floats.map(|line| (line, "the core has no floats".to_string())));
        let is_listed = FEATURE_FILES.iter().any(|(path, _)| *path == file.path);
        for (line, is_value) in switches_out_of_place(file) {
            if is_value {
                found.push((line, "no feature changes what the core does: no `cfg!(feature)`".to_string()));
            } else if !is_listed {
                found
                    .push((line, "cfg(feature) belongs into lib.rs, at what a mod.rs gathers, or floor 4".to_string()));
            }
        }
    }
    for import in modules.imports(&module) {
        let why = objection(&module, &import.to);
        let to = if import.to.is_empty() { "lib.rs" } else { &import.to };
        found.extend(why.map(|why| (import.line, format!("{module} imports {to}: {why}"))));
    }
    found.dedup(); // one tree may name several things of one file
    found.into_iter().map(|(line, what)| Complaint::new(format!("floor {module}"), file.at(line), what)).collect()
}

/// The floor of a module, and the folder or part of the table that it is in.
fn place(module: &str) -> Option<(Floor, &str)> {
    let rows = || FLOORS.iter();
    let mut parts = rows().flat_map(|(floor, parts)| parts.split(' ').map(|part| (*floor, part)));
    let gathers = || rows().any(|(_, parts)| parts.split(' ').any(|part| is_below(part, module)));
    match module {
        "" => Some((Root, "")),
        _ => parts.find(|(_, part)| is_in(module, part)).or_else(|| gathers().then_some((Upper, module))),
    }
}

fn is_below(module: &str, part: &str) -> bool {
    module.strip_prefix(part).is_some_and(|rest| rest.starts_with("::"))
}

fn is_in(module: &str, part: &str) -> bool {
    module == part || is_below(module, part)
}

/// Why `from` may not import `to`, if it may not.
fn objection(from: &str, to: &str) -> Option<String> {
    let is_listed = EXCEPTIONS.iter().any(|&(f, t, _)| f == from && t == to);
    // A mod.rs re-exports its children, so what lies below a module is always its own.
    if is_listed || from.is_empty() || is_below(to, from) {
        return None;
    }
    let ((floor, part), (to_floor, to_part)) = (place(from)?, place(to)?);
    let folder = from.split("::").next()?;
    let mut known = KNOWN.iter().filter(|(who, _)| is_in(from, who));
    let why = match to_floor.cmp(&floor) {
        Ordering::Greater => "a higher floor",
        Ordering::Equal if floor == Leaf && part != to_part => "leaves never import one another",
        Ordering::Equal if floor > Leaf && part != to_part => "neighbours here do not see one another",
        Ordering::Less if floor == Codec && NOT_FOR_CODECS.contains(&to) => "a codec knows no time and no randomness",
        _ if floor >= Outside || to_floor == Base || is_in(to, folder) => return None,
        _ if known.any(|(_, whom)| whom.split(' ').any(|whom| is_in(to, whom))) => return None,
        _ => return Some(format!("{part} knows nothing of {to_part}")),
    };
    Some(why.to_string())
}

/// Lines that ask for a feature where only `FEATURE_FILES` may, and for each whether it is `cfg!`, which nobody may.
fn switches_out_of_place(file: &Source) -> Vec<(usize, bool)> {
    match place(&module_of(&file.path)) {
        Some((floor, _)) if floor >= Outside => Vec::new(),
        _ if file.path.ends_with("/mod.rs") => {
            let file = file.parsed(file.tokens_without_tests());
            let of_file = file.attrs.iter().flat_map(|attribute| feature_switches(attribute.to_token_stream()));
            of_file.collect::<Vec<_>>().into_iter().chain(switches_beside_gathering(file.items)).collect()
        }
        _ => feature_switches(file.tokens_without_tests()),
    }
}

/// Lines that ask for a feature anywhere but at a `mod` or a `use`.
fn switches_beside_gathering(items: Vec<syn::Item>) -> Vec<(usize, bool)> {
    let switches = items.into_iter().flat_map(|item| match item {
        syn::Item::Mod(item) => switches_beside_gathering(item.content.map_or(Vec::new(), |(_, items)| items)),
        syn::Item::Use(_) => Vec::new(),
        item => feature_switches(item.into_token_stream()),
    });
    switches.collect()
}

/// Lines with `cfg`, `cfg!` or `cfg_attr` that ask for a feature, and for each whether it is `cfg!`.
fn feature_switches(tokens: TokenStream) -> Vec<(usize, bool)> {
    let (mut lines, mut is_cfg, mut is_value) = (Vec::new(), false, false);
    for token in tokens {
        match &token {
            TokenTree::Group(group) if is_cfg && flat(group.stream()).iter().any(|(_, word)| word == "feature") => {
                lines.push((token.span().start().line, is_value));
            }
            TokenTree::Group(group) => lines.extend(feature_switches(group.stream())),
            TokenTree::Punct(punct) if punct.as_char() == '!' => {
                is_value = true;
                continue;
            }
            _ => {}
        }
        is_cfg = matches!(&token, TokenTree::Ident(word) if word == "cfg" || word == "cfg_attr");
        is_value = false;
    }
    lines
}

/// Lines with a float. The `0.1` of `pair.0.1` is read as one and is none.
fn floats(tokens: TokenStream) -> Vec<usize> {
    let (mut lines, mut dots) = (Vec::new(), 0);
    for token in tokens {
        match &token {
            TokenTree::Group(group) => lines.extend(floats(group.stream())),
            // `as_secs_f64`
            TokenTree::Ident(word) if ["_f32", "_f64"].iter().any(|kind| word.to_string().ends_with(kind)) => {
                lines.push(word.span().start().line);
            }
            TokenTree::Literal(literal) if dots != 1 => {
                let is_float = match syn::Lit::new(literal.clone()) {
                    syn::Lit::Float(_) => true,
                    syn::Lit::Int(number) => number.suffix().starts_with('f'),
                    _ => false,
                };
                lines.extend(is_float.then(|| literal.span().start().line));
            }
            _ => {}
        }
        dots = if matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.') { dots + 1 } else { 0 };
    }
    lines
}

/// Rows of the tables that nothing in `files` needs.
fn rows_for_nothing(files: &[Source]) -> Vec<String> {
    let modules = Modules::read(files);
    let files: Vec<_> = files.iter().filter(|file| file.is_of_the_library()).collect();
    let is_imported = |whom: &str, from: &str| {
        let importers = files.iter().map(|file| module_of(&file.path)).filter(|module| is_in(module, from));
        importers.flat_map(|module| modules.imports(&module)).any(|import| is_in(&import.to, whom))
    };
    let mut rows = Vec::new();
    let mut judge_row = |is_needed: bool, row: String| {
        if !is_needed {
            rows.push(row);
        }
    };
    for part in FLOORS.iter().flat_map(|(_, parts)| parts.split(' ')) {
        judge_row(files.iter().any(|file| is_in(&module_of(&file.path), part)), format!("floor of {part}"));
    }
    for (who, whom) in KNOWN {
        judge_row(is_imported(whom, who), format!("{who} knows {whom}"));
    }
    for (from, to, _) in EXCEPTIONS {
        let imports = modules.imports(from);
        judge_row(imports.iter().any(|import| import.to == *to), format!("{from} imports {to}"));
    }
    for (path, _) in FEATURE_FILES {
        let asks = |file: &&Source| file.path == *path && !switches_out_of_place(file).is_empty();
        judge_row(files.iter().any(asks), format!("features in {path}"));
    }
    rows
}

#[test]
fn every_row_of_the_tables_is_needed() {
    assert_eq!(rows_for_nothing(&repository().0), [""; 0]);
}

#[test]
fn a_row_that_nothing_needs_is_found() {
    let parts = FLOORS.iter().flat_map(|(_, parts)| parts.split(' ')).count();
    let rows = parts + KNOWN.len() + EXCEPTIONS.len() + FEATURE_FILES.len();
    assert_eq!(rows_for_nothing(&planted("src/lib.rs")).len(), rows, "a library of nothing needs none of them");
    let (mut files, _) = repository();
    files.iter_mut().filter(|file| file.path == "src/base/list.rs").for_each(|file| file.text.clear());
    assert_eq!(rows_for_nothing(&files), ["features in src/base/list.rs"]);
}

#[test]
fn an_import_from_above_or_aside_is_found_however_it_is_written() {
    judge_in_a_tree(
        r"src/base/time.rs use crate::krpc::id::Id;
        src/base/time.rs pub(crate) use crate::krpc::id::Id as Name;
        src/base/time.rs use super::super::krpc::id::Id;
        src/base/time.rs fn f() -> crate::krpc::id::Id { todo!() }
        src/base/time.rs fn f() { g!(x + crate::krpc::id::Id) }
        src/base/time.rs mod inner { use super::super::super::krpc::id; }
        src/base/time.rs #[cfg(any(test, debug_assertions))] fn f() { crate::krpc::id::f() }
        src/base/time.rs #[cfg(test)] mod tests { } use crate::krpc::id;
        src/krpc/message.rs use {core::fmt, crate::{krpc::{id::{self, Id}}, dht::{config::{K}}}};
        src/krpc/message.rs use crate::base::time::Instant;
        src/krpc/message.rs use crate::base::rng::Rng;
        src/krpc/id.rs use crate::base::time::Instant;
        src/dht/config.rs use super::table::*;
        src/dht/lookup.rs use crate::adapters;
        src/dht/lookup.rs use crate::dht::table::Table;
        src/dht/lookup.rs use super::{config::K, Table};
        src/dht/lookup.rs use crate::Node;
        src/dht/newcomer.rs
        src/dht/node/client.rs use crate::adapters::clock::Clock;
        src/dht/node/client.rs use crate::negentropy::tree::Tree;
        src/dht/mod.rs pub mod table; pub mod lookup; pub use crate::adapters::clock::Clock;
        src/negentropy/tree.rs use crate::krpc::id::Id;",
        r#"src/base/rng.rs use crate::base::time::Instant; use super::time;
        src/base/time.rs /// See [`crate::dht::node`].\n/* use crate::krpc; /* nested */ */ // println\nfn f() {}
        src/base/time.rs const A: &str = "use crate::krpc;"; const B: &[u8] = b"unsafe thread";
        src/base/time.rs #[cfg(test)] mod tests { use crate::dht::Node; fn f() { unsafe {} } }
        src/krpc/id.rs use crate::base::rng::Rng; use super::message::decode;
        src/dht/table/buckets.rs use crate::{base::time::Instant, dht::{config::K, contact}, krpc::id}; use super::Table;
        src/dht/table/buckets.rs use std::fmt; use core::net::IpAddr; use heapless::Vec; use crate::dht::K;
        src/dht/node/client.rs use super::Node; use super::super::table::Table; use crate::dht::Lookup;
        src/negentropy/tree.rs use super::varint; use crate::base::time::Instant;
        src/adapters/clock.rs use crate::dht::Node; use crate::base::time; use std::time::SystemTime;"#,
    );
}

#[test]
fn features_clocks_threads_maps_consoles_and_unsafe_are_found_in_the_core() {
    judge_in_a_tree(
        r#"src/dht/lookup.rs #[cfg(feature = "std")] fn f() {}
        src/dht/lookup.rs fn f() { if cfg!(any(unix, feature = "std")) {} }
        src/dht/lookup.rs #[cfg_attr(feature = "std", derive(Debug))] struct S;
        src/dht/lookup.rs #[cfg(all(feature = "std", test))] fn f() {}
        src/dht/lookup.rs use std::time::Duration;
        src/dht/lookup.rs fn f() { Instant::now(); }
        src/dht/lookup.rs fn f(t: SystemTime) {}
        src/dht/lookup.rs use std::collections::HashMap;
        src/dht/lookup.rs fn f() { std::thread::sleep(D); }
        src/dht/lookup.rs fn f() { println!(); }
        src/dht/lookup.rs fn f() { unsafe { g() } }
        src/dht/lookup.rs fn f() -> f64 { 0 }
        src/dht/lookup.rs fn f() -> bool { 0.5 * 2.0 > g() }
        src/dht/lookup.rs fn f(a: D, b: D) -> u64 { (a.as_secs_f64() / b.as_secs_f64()) as u64 }
        src/dht/mod.rs #![cfg_attr(feature = "tokio", allow(unused))]
        src/dht/lookup.rs fn f() { g!(1e3) }
        src/dht/lookup.rs fn f() { g(0..1.5) }
        src/dht/lookup.rs fn f() { g(1f32) }
        src/base/mod.rs pub mod time; #[cfg(feature = "tokio")] fn f() {}
        src/base/mod.rs pub mod time; mod inner { #[cfg(feature = "tokio")] pub struct A; }
        src/base/mod.rs pub mod time; impl A { #[cfg(feature = "tokio")] fn f() {} }
        src/base/mod.rs pub mod time; fn f() { if cfg!(feature = "tokio") { g() } }
        src/base/list.rs fn f() { if cfg!(feature = "alloc") { g() } }"#,
        r#"src/dht/lookup.rs #[cfg(test)] mod tests { #[cfg(feature = "alloc")] fn f() {} }
        src/dht/lookup.rs #[cfg(all(test, feature = "alloc"))] mod tests { use crate::dht::Node; }
        src/dht/lookup.rs #[cfg(debug_assertions)] fn feature(now: Instant, thread_count: u8) { now.since(x); }
        src/base/list.rs #[cfg(feature = "alloc")] fn f() {}
        src/base/mod.rs pub mod time; #[cfg(feature = "tokio")] pub mod rng;
        src/base/mod.rs pub mod inner { #[cfg(feature = "tokio")] pub use super::time::Instant; } pub mod time;
        src/dht/lookup.rs fn f() { pair.0.1 + g("0.5", x.0) + 1_000 }
        src/adapters/clock.rs fn f() { if cfg!(feature = "tokio") { g(0.5) } }
        src/adapters/clock.rs #[cfg(feature = "tokio")] fn f() { std::time::Instant::now(); println!(); }"#,
    );
}

/// Judges each line as a file of a small tree, besides or instead of its own.
#[track_caller]
fn judge_in_a_tree(refused: &str, accepted: &str) {
    let tree = || {
        planted(
            "src/lib.rs pub mod base; pub mod krpc; pub mod dht; pub mod negentropy; pub mod adapters; pub use dht::Node;
            src/base/mod.rs pub mod time; pub mod rng;
            src/base/time.rs pub struct Instant;
            src/base/rng.rs pub struct Rng;
            src/krpc/mod.rs pub mod id; pub mod message;
            src/krpc/id.rs pub struct Id;
            src/krpc/message.rs pub fn decode() {}
            src/dht/mod.rs pub use {node::Node, table::Table, lookup::Lookup, config::K};
            src/dht/config.rs pub struct K;
            src/dht/contact.rs pub struct Contact;
            src/dht/table/mod.rs mod routing; mod buckets; pub use routing::Table;
            src/dht/table/routing.rs pub struct Table;
            src/dht/table/buckets.rs
            src/dht/lookup.rs pub struct Lookup;
            src/dht/node/mod.rs pub mod client; pub struct Node;
            src/dht/node/client.rs
            src/negentropy/mod.rs pub mod tree; pub mod varint;
            src/negentropy/tree.rs pub struct Tree;
            src/negentropy/varint.rs
            src/adapters/mod.rs pub mod clock;
            src/adapters/clock.rs pub struct Clock;",
        )
    };
    judge(refused, accepted, |file| {
        let mut files = tree();
        files.retain(|other| other.path != file.path);
        files.push(file);
        check(&files)
    });
}
