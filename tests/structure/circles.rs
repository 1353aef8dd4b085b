//! No two or more files import each other, over any number of steps.
//!
//! A `mod.rs` (and the root of a crate) may re-export what its children import of one another; what it uses itself counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::Modules;
use crate::source::{Complaint, Source, flat, judge, planted};

/// For each file the files that it imports, with the line of the first time.
type Graph = BTreeMap<String, BTreeMap<String, usize>>;

pub fn check(files: &[Source]) -> Vec<Complaint> {
    let graph = graph(&Modules::read(files));
    let mut complaints = files.iter().filter(|file| file.ships()).flat_map(detours).collect::<Vec<_>>();
    let mut seen = BTreeSet::new();
    for first in graph.keys() {
        let circle: Vec<_> =
            reach(&graph, first).into_iter().filter(|file| reach(&graph, file).contains(first)).collect();
        if circle.is_empty() || !seen.insert(circle.clone()) {
            continue;
        }
        let mut what = format!("{} files import each other:", circle.len());
        for from in &circle {
            for (to, line) in graph[*from].iter().filter(|(to, _)| circle.contains(to)) {
                what += &format!("\n    {from}:{line} -> {to}");
            }
        }
        complaints.push(Complaint::new(format!("circle {first}"), first, what));
    }
    complaints
}

/// Ways to a file that are not its name, which would lead past this check.
fn detours(file: &Source) -> Vec<Complaint> {
    const WAYS: &[(&str, &str)] = &[
        ("extern crate self", "the crate under another name"),
        // Literals are left out.
        ("path = ]", "a file under another name"),
        ("path = )", "a file under another name"),
        ("include !", "a file inside of another"),
    ];
    let words = flat(file.tokens_without_tests());
    let mut complaints = Vec::new();
    for (way, what) in WAYS {
        let way: Vec<_> = way.split(' ').collect();
        let found = words.windows(way.len()).filter(|words| words.iter().map(|(_, word)| word).eq(&way));
        complaints.extend(found.map(|words| Complaint::new("detour", file.at(words[0].0), what)));
    }
    complaints
}

fn graph(modules: &Modules) -> Graph {
    let paths: BTreeMap<_, _> = modules.files().collect();
    let mut graph = Graph::new();
    for (module, path) in &paths {
        let gathers = ["mod.rs", "lib.rs", "main.rs"].contains(&path.rsplit('/').next().unwrap());
        let edges = graph.entry(path.to_string()).or_default();
        // A module as such is only where a path begins; what is taken from it is mentioned elsewhere.
        for import in modules.imports(module) {
            if import.whole || (gathers && import.re_export) {
                continue;
            }
            let line = edges.entry(paths[&import.to].clone()).or_insert(import.line);
            *line = import.line.min(*line);
        }
    }
    graph
}

/// What a file imports over one step or more.
fn reach<'g>(graph: &'g Graph, from: &'g str) -> BTreeSet<&'g String> {
    let (mut reached, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(file) = left.pop() {
        left.extend(graph[file].keys().filter(|to| reached.insert(*to)).map(String::as_str));
    }
    reached
}

#[test]
fn a_circle_is_found_over_any_number_of_steps_and_printed_whole() {
    let found = check(&planted(
        r"src/lib.rs pub mod a; pub mod b; pub mod c; pub mod d;
        src/a.rs \nuse crate::b::B; pub struct A;
        src/b.rs pub struct B; fn f() { crate::c::g() }
        src/c.rs use super::a; pub fn g() { h!(1 + a::A) }
        src/d.rs use super::a::A;",
    ));
    assert_eq!(found.len(), 1);
    for step in ["3 files", "src/a.rs:2 -> src/b.rs", "src/b.rs:1 -> src/c.rs", "src/c.rs:1 -> src/a.rs"] {
        assert!(found[0].to_string().contains(step), "{step}: {}", found[0]);
    }
}

#[test]
fn a_name_counts_as_the_file_that_defines_it_and_a_gathering_file_only_for_what_it_uses() {
    for (circles, gathering, b) in [
        (1, "mod a; mod b; pub use a::A; pub use b::{B as C};", "use super::A; pub struct B(A);"),
        (1, "mod a; mod b; pub use a::A; pub use b::{B as C};", "use crate::A; pub struct B(A);"),
        (1, "mod a; mod b; pub use a::A; pub use b::*; pub use b::B as C;", "use super::*; pub struct B(A);"),
        (0, "mod a; mod b; pub use a::A; pub use b::{B as C};", "pub struct B;"),
        (0, "mod a; pub use a::A; pub struct C;", ""),
        (1, "mod a; pub use a::A; pub struct C(A);", ""),
        (0, "mod a; pub struct C; #[cfg(test)] mod tests { use super::a::A; }", ""),
    ] {
        let root = "src/lib.rs pub mod t; pub use t::*;\nsrc/bin/honeyguide/main.rs use honeyguide::t;";
        let a = "src/t/a.rs pub struct A; fn f(_: super::C) {}";
        let found = check(&planted(&format!("{root}\n{a}\nsrc/t/mod.rs {gathering}\nsrc/t/b.rs {b}")));
        assert_eq!(found.len(), circles, "{gathering} / {b}");
    }
    // The name of a gathering file is the whole name.
    for (circles, name) in [(0, "domain/mod"), (1, "domain")] {
        let domain = format!("src/{name}.rs pub use crate::b::B; pub struct A;");
        let b = "src/b.rs use crate::domain::A; pub struct B(A);";
        let files = format!("src/lib.rs mod domain; mod b;\n{domain}\n{b}");
        assert_eq!(check(&planted(&files)).len(), circles, "{name}");
    }
}

#[test]
fn a_circle_is_found_however_a_name_is_taken() {
    for (circles, b) in [
        (1, "use crate::a::*; fn f() { assert!(helper()) }"),
        (1, "use super::a; fn f() { assert!(a::helper()) }"),
        (1, "fn f() { crate::r#a::helper() }"),
        (1, "struct B { #[cfg(test)] c: u8, a: crate::a::A }"),
        (1, "fn f() { match c { #[cfg(test)] 1 => d(), _ => crate::a::helper() } }"),
        (0, "#[cfg(test)] mod tests { use crate::a::*; }"),
        (0, "use crate::a;"),
        (0, "use super::*;"),
    ] {
        let files = format!("src/lib.rs mod a; mod b;\nsrc/a.rs use crate::b; fn helper() {{ b::f() }}\nsrc/b.rs {b}");
        assert_eq!(check(&planted(&files)).len(), circles, "{b}");
    }
}

#[test]
fn detours_are_found() {
    judge(
        r#"src/a.rs extern crate self as hg;
        src/a.rs #[path = "ring.rs"] mod other;
        src/a.rs #[cfg_attr(unix, path = "ring.rs")] mod other;
        src/a.rs include!("ring.rs");"#,
        r#"src/a.rs extern crate alloc; fn f(path: &str) { let path = "a"; include_str!("a.txt") }
        src/a.rs #[cfg(test)] #[path = "b.rs"] mod tests;
        tests/a.rs #[path = "ring.rs"] mod other;"#,
        |file| check(&[file]),
    );
}
