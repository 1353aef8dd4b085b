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
            let targets = links(line).into_iter().map(String::from).chain(files_named(line));
            let targets = targets.filter(|_| (is_read || !file.is_rust()) && file.path != PAST);
            for target in targets.filter(|target| !is_there(&file.path, target, paths)) {
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

/// Files that are named as `folder/file.rs`, `folder/file.md` or `folder/{one,two}.rs`.
fn files_named(line: &str) -> Vec<String> {
    let quoted = line.split('`').skip(1).step_by(2).flat_map(expanded);
    let is_file = |text: &String| text.contains('/') && (text.ends_with(".rs") || text.ends_with(".md"));
    quoted.filter(is_file).filter(|text| !text.contains(['*', ' ', ':'])).collect()
}

/// A name for each way to choose one of the names in each pair of braces.
fn expanded(text: &str) -> Vec<String> {
    let Some((before, (names, after))) =
        text.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    else {
        return vec![text.to_string()];
    };
    let choices = names.split(',').map(|name| format!("{before}{}{after}", name.trim()));
    choices.flat_map(|chosen| expanded(&chosen)).collect()
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
            spec/krpc.md Code: `src/base/{{time,gone}}.rs`.
            spec/krpc.md Code: `src/{{base, krpc}}/time.rs`.
            spec/krpc.md The Hoppers.
            src/a.rs // what a liar says
            src/a.rs // the `hearsay_rate`"
        ),
        &format!(
            "README.md {}
            README.md | {long} |
            tests/interop/README.md {long}
            README.md [one](spec/krpc.md#rules), [two](https://a.b/c.md), [three](#part), `spec/*.md`, `{{src/base,base}}/time.rs`
            spec/krpc.md [up](../README.md), [beside](krpc.md), `base/time.rs`
            CHANGELOG.md `tests/gone.rs`
            spec/krpc.md There is no room for more, by chance: nodes that crowd around a key.
            tests/a.rs // a hopper",
            "é".repeat(120)
        ),
        |file| check(&[file], &paths),
    );
}
