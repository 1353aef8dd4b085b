//! What is written for people: short lines, links that lead somewhere, and the words of the field.
//!
//! Only words that have no other use here are listed. Whether "a room", "by chance" or "a life" is jargon or plain
//! English no machine can tell; that is left to reading.

use std::collections::BTreeSet;

use crate::links::targets;
use crate::source::{Complaint, Source, judge};

const WIDTH: usize = 120;

const JARGON: &str = "pantry shelves hopper hoppers entrance starving soften softens softened obey obeys hearsay liar \
                      liars victim victims crowd crowds";

/// Plain English that has one of these words in it.
const PHRASES: &[&str] = &["crowd around"];

/// A page that tells what was: what it points to may be gone.
const PAST: &str = "CHANGELOG.md";

/// Complaints about pages and code. `paths` are all files and folders there are.
pub fn check(files: &[Source], paths: &BTreeSet<String>) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files {
        let is_page = !file.is_rust() && (!file.path.contains('/') || file.path.starts_with("spec/"));
        let is_read = is_page || file.path.starts_with("src/");
        let mut is_sample = false;
        for (i, line) in file.text.lines().enumerate() {
            is_sample ^= is_page && line.trim_start().starts_with("```");
            let mut complain = |about: &str, what: String| {
                complaints.push(Complaint::new(format!("{about} {}", file.path), file.at(i + 1), what));
            };
            // A row of a table cannot be broken, nor a command that is to be copied.
            let can_be_broken = !line.starts_with('|') && !is_sample;
            if is_read && line.chars().count() > WIDTH && can_be_broken {
                complain("lines of", format!("longer than {WIDTH} characters"));
            }
            if let Some(word) = jargon(line).filter(|_| is_read) {
                complain("jargon in", format!("`{word}`"));
            }
            let targets = links(line).into_iter().chain(files_named(line)).filter(|_| is_read || !file.is_rust());
            for target in targets.filter(|target| file.path != PAST && !is_there(&file.path, target, paths)) {
                complain("links of", format!("{target} is not there"));
            }
        }
    }
    complaints
}

fn jargon(line: &str) -> Option<&'static str> {
    let line = PHRASES.iter().fold(line.to_lowercase(), |line, phrase| line.replace(phrase, ""));
    JARGON.split(' ').find(|jargon| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == *jargon))
}

/// Files that Markdown links to, without the part of the page that is meant.
fn links(line: &str) -> Vec<&str> {
    let targets = targets(line).into_iter().filter_map(|target| target.split('#').next());
    targets.filter(|target| target.contains(['.', '/']) && !target.contains([':', ' '])).collect()
}

/// Files that are named as `folder/file.rs` or `folder/file.md`.
fn files_named(line: &str) -> Vec<&str> {
    let is_file = |text: &&str| text.contains('/') && (text.ends_with(".rs") || text.ends_with(".md"));
    line.split('`').skip(1).step_by(2).filter(is_file).filter(|text| !text.contains(['*', ' ', '{', ':'])).collect()
}

/// A path is meant from the page's folder, from the root, or from the sources.
fn is_there(page: &str, target: &str, paths: &BTreeSet<String>) -> bool {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    [folder, "", "src"].iter().any(|from| {
        let mut path: Vec<&str> = Vec::new();
        for name in from.split('/').chain(target.split('/')).filter(|name| !name.is_empty() && *name != ".") {
            match name {
                ".." => _ = path.pop(),
                name => path.push(name),
            }
        }
        path.is_empty() || paths.contains(&path.join("/"))
    })
}

#[test]
fn long_lines_dead_links_and_jargon_are_found() {
    let paths = ["README.md", "spec", "spec/krpc.md", "src/base/time.rs"].map(String::from).into();
    let long = "x".repeat(121);
    judge(
        &format!(
            "README.md {long}
            src/a.rs //{long}
            README.md A page that [is gone](spec/gone.md).
            spec/krpc.md [is gone](../gone/README.md#part)
            CONTRIBUTING.md [gone]: spec/gone.md
            CONTRIBUTING.md [is gone]( spec/gone.md )
            CONTRIBUTING.md <a href='spec/gone.md'>is gone</a>
            src/a.rs /// [gone]: ../spec/gone.md
            src/a.rs /// See `spec/gone.md`.
            spec/krpc.md The Hoppers.
            src/a.rs // what a liar says
            src/a.rs // the `hearsay_rate`"
        ),
        &format!(
            "README.md {}
            README.md | {long} |
            tests/interop/README.md {long}
            README.md [one](spec/krpc.md#rules), [two](https://a.b/c.md), [three](#part), `spec/*.md`, `src/base/time.rs`
            spec/krpc.md [up](../README.md), [beside](krpc.md), `base/time.rs`
            CHANGELOG.md `tests/gone.rs`
            spec/krpc.md There is no room for more, by chance: nodes that crowd around a key.
            tests/a.rs // a hopper",
            "é".repeat(120)
        ),
        |file| check(&[file], &paths),
    );
}
