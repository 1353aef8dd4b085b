//! One word for one thing: no type name is defined twice in the library, and no name is made of a word that another
//! has replaced.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::imports::defined;
use crate::source::{Complaint, Source, flat, judge, planted};

// ---- types ----

/// No two structs, enums, unions, traits or aliases of the library have one name, nor does a re-export give one again.
pub fn check_types(files: &[Source]) -> Vec<Complaint> {
    let mut places = BTreeMap::<String, Vec<String>>::new();
    for file in files.iter().filter(|file| file.is_of_the_library()) {
        let mut types = Types::default();
        types.visit_file(&file.parsed(file.tokens_without_tests()));
        for (line, name) in types.0 {
            places.entry(name).or_default().push(file.at(line));
        }
    }
    places.retain(|_, at| at.len() > 1);
    let places = places.into_iter();
    places.map(|(name, at)| Complaint::new(format!("type {name}"), at.join(", "), "types of one name")).collect()
}

#[derive(Default)]
struct Types(Vec<(usize, String)>);

impl<'ast> Visit<'ast> for Types {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let name = defined(item).filter(|(_, is_type)| *is_type);
        self.0.extend(name.map(|(name, _)| (name.span().start().line, name.to_string())));
        visit::visit_item(self, item);
    }

    /// `pub use Flow as Instant` makes another `Instant`.
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !matches!(item.vis, syn::Visibility::Inherited) {
            visit::visit_item_use(self, item);
        }
    }

    fn visit_use_rename(&mut self, rename: &'ast syn::UseRename) {
        let name = rename.rename.to_string();
        if name.starts_with(char::is_uppercase) {
            self.0.push((rename.rename.span().start().line, name));
        }
    }

    /// A macro may be given a whole definition. One that makes types of the names it is given is written once, and may
    /// be called anywhere: there must be none, which is why such a definition counts twice.
    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let words = flat(mac.tokens.clone());
        let defines = |word: &str| ["struct", "enum", "union", "trait", "type"].contains(&word);
        let made = words.windows(3).filter(|three| defines(&three[0].1) && three[1].1 == "$");
        let made = made.filter(|_| mac.path.is_ident("macro_rules"));
        self.0.extend(made.flat_map(|three| [0; 2].map(|_| (three[0].0, format!("${}", three[2].1)))));
        let is_named = |word: &str| word.starts_with(char::is_uppercase);
        let pairs = words.windows(2).filter(|pair| defines(&pair[0].1) && is_named(&pair[1].1));
        self.0.extend(pairs.map(|pair| pair[1].clone()));
    }
}

// ---- words ----

/// Words that are out as parts of names, each with its other forms.
const OUT: &str = "pantry pantries, shelf shelves shelved shelving, hopper hoppers, entrance entrances, \
    starve starves starved starving, soften softens softened softening, obey obeys obeyed obeying, hearsay, \
    liar liars, victim victims, crowd crowds crowding, life lives, chance chances chanced, driven, \
    single singles singly, house houses housed housing, room rooms roomy, door doors, few, iface ifaces, seed seeds seeded seeding, \
    slot slots slotted";

/// Where a word that is out stays: in these names (none given: all) below these paths, with the reason.
const STAYS: &[(&str, &str, &str, &str)] = &[
    ("room", "NoRoom", "src tests benches", "the error of all memory that is full"),
    ("seed", "rng_seed from_seed", "src", "the 32 bytes that a random stream begins with"),
    (
        "seed",
        "seed seeds noseed is_seed Seed Seeds SEED all_seeds",
        "src/krpc src/dht src/adapters",
        "a complete peer (BEP 33)",
    ),
    ("seed", "SEED SEEDS", "src/krpc/message", "its keys on the wire"),
    ("seed", "DeserializeSeed next_key_seed", "src/serde.rs", "serde's own names"),
    ("seed", "", "src/bin", "`--seed`"),
    ("seed", "", "src/sim", "what a simulated world is drawn from; BEP 33's key in what is sent there"),
    ("single", "SingleItemEncoder", "tests", "a type of the bencode library beside ours"),
    ("single", "poll_ingress_single", "tests/baremetal/src/udp.rs", "smoltcp's own name"),
    ("iface", "iface", "tests/baremetal/src/udp.rs", "smoltcp's own name"),
    ("seed", "", "tests benches", "what a simulated run is drawn from; what fuzzing begins with"),
    ("slot", "slots_good slots_unverified slots_near slots_bad", "src tests benches", "a lookup's places, configured"),
    ("slot", "", "src/dht/lookup tests/props/lookup.rs", "a lookup's place for a query in flight"),
];

/// No identifier, no key of serde's and no file has a word in its name that is out. Names of tests are sentences of
/// plain English.
pub fn check_words(files: &[Source]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() || file.is_python()) {
        let path = file.path.trim_end_matches(".rs").trim_end_matches(".py");
        let mut names: Vec<_> = path.split('/').map(|name| (1, name.to_string())).collect();
        if file.is_rust() {
            identifiers(file.tokens(), false, &mut names);
        } else {
            names.extend(words_of_python(&file.text));
        }
        for (line, name) in names {
            if let Some(word) = words_out(&name).into_iter().find(|word| !stays(word, &name, &file.path)) {
                complaints.push(Complaint::new(format!("word {word}"), file.at(line), format!("`{name}`")));
            }
        }
    }
    complaints
}

fn words_out(name: &str) -> Vec<&'static str> {
    let parts = parts(name);
    let rows = OUT.split(", ").filter(|forms| forms.split(' ').any(|form| parts.iter().any(|part| part == form)));
    let words = rows.filter_map(|forms| forms.split(' ').next());
    words.filter(|word| *word != "few" || name == "Few").collect() // only the type
}

fn stays(word: &str, name: &str, path: &str) -> bool {
    STAYS.iter().filter(|(stays, ..)| *stays == word).any(|(_, names, paths, _)| {
        (names.is_empty() || names.split(' ').any(|one| one == name)) && paths.split(' ').any(|p| path.starts_with(p))
    })
}

/// `is_ready` and `IsReady` are `is` and `ready`.
fn parts(name: &str) -> Vec<String> {
    let (mut parts, mut last) = (vec![String::new()], '_');
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let ends_capitals = last.is_uppercase() && chars.peek().is_some_and(|next| next.is_lowercase());
        if c == '_' || (c.is_uppercase() && (!last.is_uppercase() || ends_capitals)) {
            parts.push(String::new());
        }
        parts.last_mut().unwrap().extend(c.to_lowercase().filter(|c| c.is_alphabetic()));
        last = c;
    }
    parts
}

/// All identifiers but the names of tests: functions under `#[test]`, `#[tokio::test]` and the like, and in `quickcheck!`.
fn identifiers(tokens: TokenStream, all_are_tests: bool, out: &mut Vec<(usize, String)>) {
    let (mut is_test, mut last) = (all_are_tests, String::new());
    for token in tokens {
        match &token {
            TokenTree::Ident(_) if last == "fn" && is_test => is_test = all_are_tests,
            TokenTree::Ident(word) => out.push((token.span().start().line, word.to_string())),
            TokenTree::Group(group) if last == "#" => {
                keys_of_serde(group.stream(), out);
                is_test |= flat(group.stream()).last().is_some_and(|(_, word)| word == "test");
                identifiers(group.stream(), false, out);
            }
            TokenTree::Group(group) => identifiers(group.stream(), last == "quickcheck", out),
            _ => {}
        }
        if token.to_string() != "!" {
            last = token.to_string();
        }
    }
}

/// Names on the wire: in `serde(rename = "..")`, wherever in an attribute that stands.
fn keys_of_serde(attribute: TokenStream, out: &mut Vec<(usize, String)>) {
    let mut is_serde = false;
    for token in attribute {
        match &token {
            TokenTree::Group(group) if is_serde => keys(group.stream(), out),
            TokenTree::Group(group) => keys_of_serde(group.stream(), out),
            _ => {}
        }
        is_serde = matches!(&token, TokenTree::Ident(word) if word == "serde");
    }
}

/// What is written in quotes.
fn keys(tokens: TokenStream, out: &mut Vec<(usize, String)>) {
    for token in tokens {
        match &token {
            TokenTree::Group(group) => keys(group.stream(), out),
            TokenTree::Literal(key) => {
                out.push((token.span().start().line, key.to_string().trim_matches('"').replace('-', "_")));
            }
            _ => {}
        }
    }
}

/// Names, and the language's own words, without what is in strings and comments.
fn words_of_python(text: &str) -> Vec<(usize, String)> {
    let (mut words, mut line, mut rest) = (Vec::new(), 1, text);
    while let Some(first) = rest.chars().next() {
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote));
        let length = if let Some(quote) = quote {
            let (mut end, body) = (quote.len(), rest);
            while end < body.len() && !body[end..].starts_with(quote) {
                let escaped = usize::from(body[end..].starts_with('\\'));
                end += body[end..].chars().take(1 + escaped).map(char::len_utf8).sum::<usize>();
            }
            (end + quote.len()).min(body.len())
        } else if first == '#' {
            rest.find('\n').unwrap_or(rest.len())
        } else {
            let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            if length > 0 {
                words.push((line, rest[..length].to_string()));
            }
            length.max(first.len_utf8())
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    words
}

#[test]
fn a_type_that_is_defined_twice_is_found() {
    for (found, one, another) in [
        (1, "src/a.rs pub struct A;", "src/b.rs enum A {}"),
        (1, "src/a.rs mod inner { type A = u8; } trait A {}", ""),
        (1, "src/a.rs counters! { pub struct A { x } }", "src/b.rs union A { x: u8 }"),
        (1, "src/a.rs struct A;", "src/b.rs mod inner { pub struct r#A; }"),
        (1, "src/a.rs struct A;", "src/b.rs pub(crate) use super::{c, B as A};"),
        (1, "src/a.rs struct A { #[cfg(test)] b: u8 } struct B;", "src/c.rs struct B;"),
        (1, "src/lib.rs mod a; mod tests;\nsrc/a.rs struct A;", "src/tests.rs struct A;"),
        (1, "src/a.rs macro_rules! a { ($name:ident) => { pub struct $name; } }", ""),
        (0, "src/a.rs macro_rules! a { ($name:ident) => { impl B for C { type D = $name; } } }", ""),
        (0, "src/a.rs struct A;", "src/b.rs use super::B as A; pub use super::A; pub use super::b as a;"),
        (0, "src/a.rs struct A;", "src/b.rs #[cfg(test)] mod tests { struct A; }"),
        (0, "src/a.rs struct A;", "src/b.rs impl Iterator for B { type A = u8; } fn a() -> A {}"),
        (0, "src/a.rs struct A;", "src/bin/honeyguide/a.rs struct A;"),
    ] {
        assert_eq!(check_types(&planted(&format!("{one}\n{another}"))).len(), found, "{one} {another}");
    }
}

#[test]
fn a_word_that_is_out_is_found_in_every_kind_of_name_and_nowhere_else() {
    judge(
        r#"tests/a.rs struct HopperTable;
        tests/a.rs fn on_hopper(x: u8) {}
        tests/a.rs const HOPPERS: u8 = 1;
        tests/a.rs enum A { Hopper }
        tests/a.rs fn f() { g!(hopper) }
        tests/a.rs #[test] fn a_single_byte() { hopper() }
        tests/a.rs #[test] fn a_single_byte() {} fn hopper() {}
        benches/peers/src/house/mod.rs
        src/a.rs struct Few;
        src/a.rs struct A { #[serde(rename = "free-room")] left: u8 }
        src/a.rs #[cfg_attr(feature = "serde", serde(rename = "free-room"))] struct A;
        src/a.rs fn crate_room() {}
        src/a.rs fn r#room() {}
        src/a.rs fn slotted() {}
        src/a.rs fn reHousing() {}
        tests/a.py def f(x):\n    """A hopper's."""\n    hopper = x  # hopper
        .ci/a #!/usr/bin/env python3\na = 'it\'s' + hopper
        tests/hopper.py
        src/a.rs struct Iface;
        src/a.rs enum DirectQuery { Single }
        src/a.rs fn has_room() {}
        src/base/rng.rs fn new(seed: [u8; 32]) {}
        src/dht/peers.rs fn add(next_seed: bool) {}
        src/dht/lookup/engine.rs fn slot_room() {}
        src/dht/node/mod.rs fn free_slot(slots_good: u8) {}"#,
        r#"tests/a.rs fn lifetime(alive: u8, crowded: bool, few: u8) {} struct NoRoom;
        tests/a.py def f(x, seed):\n    """A hopper, "hoppers\n"""\n    a = "hopper" + x  # hopper\n    b = 'hopper'
        .ci/a #!/bin/sh\nhopper=1
        src/a.rs #[doc = "room"] #[serde(rename = "bedroom")] struct A;
        src/a.rs #[cfg_attr(feature = "room", serde(rename = "bedroom"))] struct A;
        tests/a.rs /// A hopper.\nfn f() -> &'static str { "hopper" }
        tests/a.rs #[test] fn a_single_byte_is_few() {}
        tests/a.rs #[tokio::test] async fn a_single_byte() {}
        tests/a.rs quickcheck! { fn a_single_byte() -> bool { true } fn a_door() {} }
        tests/a.rs fn run(seed: u64) {}
        src/dht/peers.rs fn add(seed: bool) {}
        src/base/rng.rs fn from_seed(rng_seed: [u8; 32]) {}
        src/dht/lookup/engine.rs fn free_slot() {}"#,
        |file| check_words(&[file]),
    );
}
