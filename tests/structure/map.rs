//! The map of `spec/architecture.md` names every file of the library, and in its rows of single words no other.

use std::collections::BTreeSet;

use crate::source::{Complaint, Source, planted};

const PAGE: &str = "spec/architecture.md";

/// Rows that are lists of files.
const LISTS: [&str; 4] = ["src/base/", "src/krpc/", "src/negentropy/", "src/adapters/"];

pub fn check(files: &[Source]) -> Vec<Complaint> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else { return Vec::new() };
    let words: BTreeSet<&str> = words(&page.text).collect();
    let complain = |at: String, what: String| Complaint::new(format!("map of {PAGE}"), at, what);
    let unnamed = files.iter().filter(|file| is_of_library(file)).filter(|file| !words.contains(stem(&file.path)));
    let mut complaints: Vec<_> = unnamed.map(|file| complain(file.path.clone(), "not on the map".into())).collect();
    for (i, row, folder) in rows(&page.text) {
        let below: BTreeSet<&str> = files
            .iter()
            .filter_map(|file| file.path.strip_prefix(folder))
            .map(|rest| rest.split_once('/').map_or_else(|| stem(rest), |(folder, _)| folder))
            .collect();
        for word in self::words(row).filter(|word| !below.contains(word)) {
            complaints.push(complain(page.at(i + 1), format!("{folder}{word} is not there")));
        }
    }
    complaints
}

/// Lists, which may go on in lines that begin with blanks; without the name of their folder.
fn rows(text: &str) -> impl Iterator<Item = (usize, &str, &'static str)> {
    let mut folder = None;
    text.lines().enumerate().filter_map(move |(i, line)| {
        if !line.starts_with(' ') {
            folder = LISTS.into_iter().find(|folder| line.starts_with(&format!("{folder} ")));
        }
        let folder = folder?;
        Some((i, line.strip_prefix(folder).unwrap_or(line), folder))
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn is_of_library(file: &Source) -> bool {
    let gathers = ["mod", "lib", "tests"].contains(&stem(&file.path));
    let depth = file.path.matches('/').count();
    let is_named = depth <= 2 || file.path.starts_with("src/dht/node/") && depth == 3;
    file.is_of_the_library() && is_named && !gathers
}

fn stem(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs")
}

#[test]
fn a_file_that_the_map_lacks_and_one_that_is_gone_are_found() {
    let tree = |base: &str| {
        planted(&format!(
            "src/base/list.rs x\nsrc/base/ring.rs x\nsrc/dht/node/rpc.rs x\n{PAGE} src/base/  {base}\\n  rest\\nsrc/dht/node/ rpc"
        ))
    };
    let count = |base: &str| check(&tree(base)).len();
    assert_eq!(count("list ring"), 1, "the line that goes on names what is not there");
    assert_eq!(count("list"), 2);
    assert_eq!(count("list ring bitset"), 2);
}
