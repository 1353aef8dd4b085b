//! The house stays a house: every file under `src/` is read and its imports are compared with the floors of
//! `spec/architecture.md`.
//!
//! A file imports only from floors below its own; files of `base` and of `wire` may also use their neighbours, and so
//! may the parts of one composite; leaves never import one another. A name that a module re-exports counts as that
//! module, which stands on the floor of its highest child, so a re-export is no back stairs. Besides: `cfg(feature)`
//! stays where it belongs, and the core names no clock, thread, hash map, console, float or `unsafe`.
//!
//! The reader below knows tokens, not types. That is enough for paths, because the crate has no macros of its own that
//! build them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Floors, lowest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Floor {
    /// 0: knows no protocol.
    Base,
    /// 1: bytes to values and back.
    Wire,
    /// 2a: words that the leaves share.
    Vocabulary,
    /// 2b: state and verdicts; leaves do not see one another.
    Leaf,
    /// 3: the machines that own leaves.
    Composite,
    /// 4: sockets, clocks, threads, files.
    Outside,
    /// `lib.rs`: names everything for the user, and is imported by nobody.
    Roof,
}

/// Which room is on which floor. A room is a module with everything below it; the longest match counts.
const ROOMS: &[(&str, Floor)] = &[
    ("", Floor::Roof),
    ("base", Floor::Base),
    ("krpc", Floor::Wire),
    ("dht", Floor::Composite),
    ("dht::command", Floor::Vocabulary),
    ("dht::config", Floor::Vocabulary),
    ("dht::contact", Floor::Vocabulary),
    ("dht::event", Floor::Vocabulary),
    ("dht::items", Floor::Leaf),
    ("dht::limiter", Floor::Leaf),
    ("dht::lookup", Floor::Leaf),
    ("dht::outage", Floor::Leaf),
    ("dht::peers", Floor::Leaf),
    ("dht::size", Floor::Leaf),
    ("dht::stats", Floor::Vocabulary),
    ("dht::table", Floor::Leaf),
    ("dht::tokens", Floor::Leaf),
    ("dht::trace", Floor::Vocabulary),
    ("dht::transactions", Floor::Leaf),
    ("dht::votes", Floor::Leaf),
    ("dht::node", Floor::Composite),
    ("negentropy", Floor::Composite),
    ("negentropy::message", Floor::Wire),
    ("negentropy::varint", Floor::Wire),
    ("negentropy::config", Floor::Vocabulary),
    ("negentropy::diff", Floor::Vocabulary),
    ("negentropy::set", Floor::Vocabulary),
    ("negentropy::sort", Floor::Vocabulary),
    ("negentropy::sorted", Floor::Vocabulary),
    ("negentropy::split", Floor::Vocabulary),
    ("negentropy::rateless", Floor::Leaf),
    ("negentropy::reconciler", Floor::Leaf),
    ("negentropy::tree", Floor::Leaf),
    ("adapters", Floor::Outside),
];

/// Imports that the floors would forbid, with the reason for each.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("krpc::id", "base::rng", "a fresh id is random; the stream is passed in, so the floor keeps no state")];

/// What the codec has no use for.
const NOT_FOR_WIRE: &[&str] = &["base::time", "base::rng"];

/// Files outside of floor 4 that may look at features: where memory or a sink is either lent or owned.
const FEATURE_FILES: &[&str] = &["base/slab.rs", "dht/trace.rs", "dht/node/storage.rs"];

/// Words that no file of the core contains: it reads no clock, starts nothing, prints nothing, and hashes no maps.
const FORBIDDEN: &[&[&str]] = &[
    &["std", "::", "time"],
    &["Instant", "::", "now"],
    &["SystemTime"],
    &["HashMap"],
    &["HashSet"],
    &["thread"],
    &["thread_local"],
    &["print"],
    &["println"],
    &["eprint"],
    &["eprintln"],
    &["dbg"],
    &["f32"],
    &["f64"],
    &["unsafe"],
];

#[test]
fn every_file_imports_only_from_the_floors_below_its_own() {
    let files = sources();
    let modules: BTreeSet<String> = files.iter().map(|(path, _)| module_of(path)).collect();
    let complaints: Vec<String> = files.iter().flat_map(|(path, text)| check(path, text, &modules)).collect();
    assert!(files.len() > 20, "only {} files were found", files.len());
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_room_of_the_table_is_a_module() {
    let modules: BTreeSet<String> = sources().iter().map(|(path, _)| module_of(path)).collect();
    for (room, _) in ROOMS {
        assert!(modules.contains(*room), "{room} stands in the table of floors, but there is no such module");
    }
    for (from, to, _) in EXCEPTIONS {
        assert!(modules.contains(*from) && modules.contains(*to), "the exception {from} -> {to} is out of date");
    }
}

// ---- the check of one file ----

/// Everything that is wrong with the file at `path` (relative to `src/`).
fn check(path: &str, text: &str, modules: &BTreeSet<String>) -> Vec<String> {
    let module = module_of(path);
    let tokens = tokens(text);
    let mut complaints = Vec::new();
    let mut complain = |line: usize, what: String| complaints.push(format!("src/{path}:{line}: {what}"));

    if path.starts_with("bin/") {
        return complaints; // a crate of its own: the compiler lets it see public names only
    }
    let Some((_, floor)) = room(&module) else {
        complain(1, format!("module {module} has no floor; add it to the table in tests/floors.rs"));
        return complaints;
    };
    // Tests may use what the core may not: a model in a map, memory from an allocator.
    let tokens = without_tests(&tokens);
    let may_ask_for_features = floor >= Floor::Outside || path.ends_with("mod.rs") || FEATURE_FILES.contains(&path);
    if !may_ask_for_features {
        for line in feature_switches(&tokens) {
            complain(line, "cfg(feature) belongs into lib.rs, mod.rs or floor 4".to_string());
        }
    }
    if floor < Floor::Outside {
        for (line, word) in forbidden_words(&tokens) {
            complain(line, format!("the core does not use `{word}`"));
        }
    }
    for (line, target) in imports(&module, &tokens, modules) {
        if let Some(why) = objection(&module, &target) {
            complain(line, format!("{module} imports {target}: {why}"));
        }
    }
    complaints.dedup(); // one tree may name several things of one module
    complaints
}

/// Why `from` may not import `to`, if it may not.
fn objection(from: &str, to: &str) -> Option<&'static str> {
    let ((from_room, from_floor), (to_room, to_floor)) = (room(from)?, room(to)?);
    let listed = EXCEPTIONS.iter().any(|&(f, t, _)| f == from && t == to);
    // A mod.rs re-exports its children, so what lies below a module is always its own.
    let own_child = to == from || to.starts_with(&format!("{from}::")) || from.is_empty();
    if listed || own_child {
        return None;
    }
    if from_floor == Floor::Wire && NOT_FOR_WIRE.contains(&to) {
        return Some("the wire floor knows no time and no randomness");
    }
    match to_floor.cmp(&from_floor) {
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Greater => Some("a higher floor"),
        std::cmp::Ordering::Equal if from_room == to_room => None,
        std::cmp::Ordering::Equal => match from_floor {
            Floor::Leaf => Some("leaves never import one another"),
            Floor::Composite => Some("composites never contain one another, and a re-export counts as one"),
            Floor::Vocabulary | Floor::Base | Floor::Wire | Floor::Outside | Floor::Roof => None,
        },
    }
}

/// The room that a module is in: the longest entry of the table that is a prefix of it.
fn room(module: &str) -> Option<(&'static str, Floor)> {
    ROOMS
        .iter()
        .filter(|(name, _)| match *name {
            "" => module.is_empty(),
            _ => module == *name || module.starts_with(&format!("{name}::")),
        })
        .max_by_key(|(name, _)| name.len())
        // A room of `dht` is a listed one: an unlisted leaf must not pass for a part of the composite.
        .filter(|(name, _)| *name != "dht" || module == "dht")
        .copied()
}

// ---- tokens ----

#[derive(Clone, PartialEq, Eq, Debug)]
struct Token {
    line: usize,
    /// An identifier, `::`, or one character of punctuation. Comments and literals are left out.
    text: String,
}

fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut out, mut i, mut line) = (Vec::new(), 0, 1);
    while i < chars.len() {
        let start = i;
        let token_line = line;
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                while i < chars.len() {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            '"' => i = end_of_string(&chars, i),
            // 'x' and '\n' are characters, 'a without a closing quote is a lifetime.
            '\'' if at(i + 1) == '\\' || at(i + 2) == '\'' => {
                i += if at(i + 1) == '\\' { 3 } else { 2 };
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            c if is_word(c) => {
                while is_word(at(i)) {
                    i += 1;
                }
                let word: String = chars[start..i].iter().collect();
                let raw = matches!(word.as_str(), "r" | "br" | "cr");
                if raw && (at(i) == '"' || (at(i) == '#' && !is_word(at(i + 1)))) {
                    i = end_of_raw_string(&chars, i);
                } else if matches!(word.as_str(), "b" | "c") && at(i) == '"' {
                    i = end_of_string(&chars, i);
                } else {
                    out.push(Token { line: token_line, text: word });
                }
            }
            ':' if at(i + 1) == ':' => {
                out.push(Token { line: token_line, text: "::".to_string() });
                i += 2;
            }
            c => {
                if !c.is_whitespace() {
                    out.push(Token { line: token_line, text: c.to_string() });
                }
                i += 1;
            }
        }
        line += chars[start..i.min(chars.len())].iter().filter(|&&c| c == '\n').count();
    }
    out
}

fn end_of_string(chars: &[char], quote: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn end_of_raw_string(chars: &[char], hashes: usize) -> usize {
    let n = chars[hashes..].iter().take_while(|&&c| c == '#').count();
    let mut i = hashes + n + 1;
    while i < chars.len() {
        let closes = chars[i] == '"' && chars[i + 1..].iter().take(n).filter(|&&c| c == '#').count() == n;
        if closes {
            return i + 1 + n;
        }
        i += 1;
    }
    i
}

/// Index just past the bracket that closes the one at `open`.
fn past_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

fn is(tokens: &[Token], at: usize, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(i, word)| tokens.get(at + i).is_some_and(|t| t.text == *word))
}

/// The tokens without the items under `#[cfg(test)]` and `#[cfg(all(test, ..))]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let (mut out, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        let of_a_test = [&["#", "[", "cfg", "(", "test", ")"][..], &["#", "[", "cfg", "(", "all", "(", "test", ","]];
        if of_a_test.iter().any(|words| is(tokens, i, words)) {
            i = past_group(tokens, i + 1);
            // The item ends at a semicolon or with its first block.
            while i < tokens.len() {
                match tokens[i].text.as_str() {
                    ";" => {
                        i += 1;
                        break;
                    }
                    "{" => {
                        i = past_group(tokens, i);
                        break;
                    }
                    "(" | "[" => i = past_group(tokens, i),
                    _ => i += 1,
                }
            }
        } else {
            out.push(tokens[i].clone());
            i += 1;
        }
    }
    out
}

/// Lines with `cfg`, `cfg!` or `cfg_attr` that ask for a feature.
fn feature_switches(tokens: &[Token]) -> Vec<usize> {
    let mut lines = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        if token.text != "cfg" && token.text != "cfg_attr" {
            continue;
        }
        let open = if is(tokens, i + 1, &["!"]) { i + 2 } else { i + 1 };
        if is(tokens, open, &["("]) && tokens[open..past_group(tokens, open)].iter().any(|t| t.text == "feature") {
            lines.push(token.line);
        }
    }
    lines
}

fn forbidden_words(tokens: &[Token]) -> Vec<(usize, String)> {
    (0..tokens.len())
        .flat_map(|i| FORBIDDEN.iter().filter(move |words| is(tokens, i, words)).map(move |words| (i, words.concat())))
        .map(|(i, word)| (tokens[i].line, word))
        .collect()
}

// ---- imports ----

/// The modules of this crate that the tokens of `module` name, in `use` declarations and in paths, with their lines.
fn imports(module: &str, tokens: &[Token], modules: &BTreeSet<String>) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    // Modules written inside the file, with the depth of braces at which each ends.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut i) = (0usize, 0);
    while i < tokens.len() {
        let here = inline.last().map_or(module, |(name, _)| name.as_str()).to_string();
        match tokens[i].text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.pop_if(|(_, end)| *end == depth);
            }
            "mod" if is(tokens, i + 2, &["{"]) => {
                inline.push((join(&here, &tokens[i + 1].text), depth));
                depth += 1;
                i += 2;
            }
            "use" => {
                let line = tokens[i].line;
                let mut paths = Vec::new();
                i = use_tree(tokens, i + 1, &[], &mut paths);
                out.extend(paths.iter().filter_map(|p| resolve(&here, p, modules)).map(|target| (line, target)));
                continue;
            }
            "crate" | "super" if is(tokens, i + 1, &["::"]) => {
                let line = tokens[i].line;
                let mut path = vec![tokens[i].text.clone()];
                while is(tokens, i + 1, &["::"]) && tokens.get(i + 2).is_some_and(|t| is_name(&t.text)) {
                    path.push(tokens[i + 2].text.clone());
                    i += 2;
                }
                out.extend(resolve(&here, &path, modules).map(|target| (line, target)));
            }
            _ => {}
        }
        i += 1;
    }
    out
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn join(module: &str, child: &str) -> String {
    if module.is_empty() { child.to_string() } else { format!("{module}::{child}") }
}

/// Reads one tree of a `use` declaration and collects its paths; returns the index after it.
fn use_tree(tokens: &[Token], start: usize, prefix: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let (mut path, mut i) = (prefix.to_vec(), start);
    while let Some(token) = tokens.get(i) {
        match token.text.as_str() {
            "::" => i += 1,
            "as" => i += 2,
            "*" => i += 1,
            "{" => {
                i += 1;
                while !is(tokens, i, &["}"]) && i < tokens.len() {
                    i = use_tree(tokens, i, &path, paths);
                    if is(tokens, i, &[","]) {
                        i += 1;
                    }
                }
                return i + 1;
            }
            word if is_name(word) => {
                path.push(word.to_string());
                i += 1;
            }
            _ => break, // `,` or `}` of the group around it, or `;`
        }
    }
    paths.push(path);
    i
}

/// The module of this crate that `path`, written in `here`, leads to; `None` for other crates.
fn resolve(here: &str, path: &[String], modules: &BTreeSet<String>) -> Option<String> {
    let mut segments = path.iter().map(String::as_str).peekable();
    let mut module = match segments.next()? {
        "crate" => String::new(),
        "self" => here.to_string(),
        "super" => parent(here),
        first if modules.contains(&join(here, first)) => join(here, first),
        _ => return None,
    };
    while segments.next_if_eq(&"super").is_some() {
        module = parent(&module);
    }
    for segment in segments {
        let child = join(&module, segment);
        if !modules.contains(&child) {
            break;
        }
        module = child;
    }
    // A module written inside a file belongs to that file.
    while !modules.contains(&module) {
        module = parent(&module);
    }
    Some(module)
}

fn parent(module: &str) -> String {
    module.rsplit_once("::").map_or(String::new(), |(parent, _)| parent.to_string())
}

// ---- files ----

/// `dht/node/mod.rs` is `dht::node`, `lib.rs` is the empty path.
fn module_of(path: &str) -> String {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    if stem == "lib" { String::new() } else { stem.replace('/', "::") }
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut out = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                out.push((relative, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    out.sort();
    out
}

// ---- the checker is checked ----

mod planted {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        let known = [
            "lib.rs",
            "base/mod.rs",
            "base/time.rs",
            "base/rng.rs",
            "krpc/mod.rs",
            "krpc/id.rs",
            "krpc/bencode.rs",
            "dht/mod.rs",
            "dht/config.rs",
            "dht/contact.rs",
            "dht/table.rs",
            "dht/lookup.rs",
            "dht/node/mod.rs",
            "dht/node/input.rs",
            "adapters/mod.rs",
            "adapters/clock.rs",
        ];
        check(path, text, &known.iter().map(|path| module_of(path)).collect())
    }

    #[track_caller]
    fn refused(path: &str, text: &str) {
        assert_eq!(complaints(path, text).len(), 1, "{path}: {text}: {:?}", complaints(path, text));
    }

    #[track_caller]
    fn accepted(path: &str, text: &str) {
        assert_eq!(complaints(path, text), Vec::<String>::new(), "{path}: {text}");
    }

    #[test]
    fn an_import_from_above_is_found_however_it_is_written() {
        refused("base/time.rs", "use crate::krpc::id::Id;");
        refused("base/time.rs", "pub(crate) use crate::krpc::id::Id as Name;");
        refused("base/time.rs", "use super::super::krpc::id::Id;");
        refused("base/time.rs", "fn f() -> crate::krpc::id::Id { todo!() }");
        refused("base/time.rs", "mod inner { use super::super::super::krpc::id; }");
        refused("krpc/bencode.rs", "use crate::{base::rng, krpc::id};");
        refused(
            "krpc/bencode.rs",
            "use {core::fmt, crate::{krpc::{id::{self, Id}, krpc}, dht::{config::{K, Config}}}};",
        );
        refused("dht/config.rs", "use super::table::*;");
        refused("dht/node/input.rs", "use crate::adapters::clock::Clock;");
        refused("dht/table.rs", "use crate::adapters;");
    }

    #[test]
    fn leaves_do_not_see_one_another_not_even_through_a_re_export() {
        refused("dht/table.rs", "use crate::dht::lookup::Lookup;");
        refused("dht/table.rs", "use super::{config::K, lookup::Lookup};");
        refused("dht/table.rs", "use super::Lookup;");
        refused("dht/table.rs", "use crate::dht::Lookup;");
        refused("dht/table.rs", "use crate::Lookup;");
        refused("dht/newcomer.rs", "");
    }

    #[test]
    fn what_the_floors_allow_is_accepted() {
        accepted("base/rng.rs", "use crate::base::time::Instant; use super::time;");
        accepted("krpc/id.rs", "use crate::base::rng::Rng;");
        accepted("dht/table.rs", "use crate::{base::time::Instant, dht::{config::K, contact}, krpc::message};");
        accepted("dht/table.rs", "use std::fmt; use core::net::IpAddr; use heapless::Vec;");
        accepted("dht/mod.rs", "pub mod node; pub use node::Node; pub use self::table::Table;");
        accepted("dht/node/mod.rs", "pub mod input; use input::Input; use super::{table, lookup};");
        accepted("dht/node/input.rs", "use super::Node; use super::super::table::Table;");
        accepted("adapters/clock.rs", "use crate::dht::Node; use crate::base::time; use std::time::SystemTime;");
        accepted("lib.rs", "pub mod dht; pub use crate::dht::Node;");
    }

    #[test]
    fn comments_literals_and_tests_are_not_imports() {
        accepted("base/time.rs", "/// See [`crate::dht::node`].\n/* use crate::krpc; /* nested */ */ // println\n");
        accepted(
            "base/time.rs",
            r####"const A: &str = "use crate::krpc;"; const B: &[u8] = br#"unsafe " thread"#;"####,
        );
        accepted("base/time.rs", r"const Q: char = '\''; const D: char = '{'; fn f<'a>(x: &'a u8) {}");
        accepted("base/time.rs", "#[cfg(test)] mod tests { use crate::dht::Node; fn f() { unsafe {} } }");
        refused("base/time.rs", "#[cfg(test)] mod tests { } use crate::krpc::id;");
        refused("base/time.rs", "#[cfg(any(test, debug_assertions))] fn f() { crate::krpc::id::f() }");
        refused("base/time.rs", "const B: &str = r#\"\"#; use crate::krpc::id;");
    }

    #[test]
    fn features_are_switched_only_where_they_may_be() {
        refused("dht/table.rs", "#[cfg(feature = \"std\")] fn f() {}");
        refused("dht/table.rs", "fn f() { if cfg!(any(unix, feature = \"std\")) {} }");
        refused("dht/table.rs", "#[cfg_attr(feature = \"std\", derive(Debug))] struct S;");
        refused("dht/table.rs", "#[cfg(any(test, feature = \"std\"))] fn f() {}");
        refused("dht/table.rs", "#[cfg(all(feature = \"std\", test))] fn f() {}");
        accepted("krpc/id.rs", "#[cfg(test)] mod tests { #[cfg(feature = \"alloc\")] fn f() {} }");
        accepted("krpc/id.rs", "#[cfg(all(test, feature = \"alloc\"))] mod tests { use crate::dht::Node; }");
        accepted("dht/table.rs", "#[cfg(debug_assertions)] fn feature() {}");
        accepted("adapters/clock.rs", "#[cfg(feature = \"tokio\")] fn f() {}");
        accepted("dht/mod.rs", "#[cfg(feature = \"tokio\")] mod x;");
        accepted("lib.rs", "#[cfg(feature = \"std\")] extern crate std;");
    }

    #[test]
    fn clocks_threads_maps_consoles_and_unsafe_are_found_in_the_core() {
        for text in [
            "use std::time::Duration;",
            "fn f() { Instant::now(); }",
            "fn f(t: SystemTime) {}",
            "use std::collections::HashMap;",
            "fn f() { std::thread::sleep(D); }",
            "fn f() { println!(); }",
            "fn f() { unsafe { g() } }",
            "fn f() -> f64 { 0 }",
        ] {
            refused("dht/table.rs", text);
        }
        accepted("dht/table.rs", "fn f(now: Instant, thread_count: u8) { now.since(x); }");
        accepted("adapters/clock.rs", "fn f() { std::time::Instant::now(); println!(); }");
    }

    #[test]
    fn wire_knows_no_time_and_no_randomness() {
        refused("krpc/bencode.rs", "use crate::base::time::Instant;");
        refused("krpc/id.rs", "use crate::base::time::Instant;");
        accepted("krpc/bencode.rs", "use super::id::Id;");
    }
}
