//! The map of `spec/architecture.md` names every file of the library and of the program, and in its rows of single
//! words no other.

use std::collections::BTreeSet;

use crate::source::{Complaint, Source, planted};

const PAGE: &str = "spec/architecture.md";

/// Rows that are lists of files.
const LISTS: [&str; 5] = ["src/base/", "src/krpc/", "src/negentropy/", "src/adapters/", "src/bin/honeyguide/"];

pub fn check(files: &[Source]) -> Vec<Complaint> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else { return Vec::new() };
    let all: BTreeSet<&str> = words(&page.text).collect();
    // A word of a text or of another row is no place on the map for a file that has a row.
    let is_named = |file: &Source| match LISTS.into_iter().find(|folder| is_in(&file.path, folder)) {
        Some(folder) => {
            rows(&page.text).any(|(_, row, of)| of == folder && words(row).any(|it| it == stem(&file.path)))
        }
        None => all.contains(stem(&file.path)),
    };
    let complain = |at: String, what: String| Complaint::new(format!("map of {PAGE}"), at, what);
    let unnamed = files.iter().filter(|file| has_place(file)).filter(|file| !is_named(file));
    let mut complaints: Vec<_> = unnamed.map(|file| complain(file.path.clone(), "not on the map".into())).collect();
    for (i, row, folder) in rows(&page.text) {
        let below: BTreeSet<&str> = files
            .iter()
            .filter_map(|file| file.path.strip_prefix(folder))
            .map(|rest| rest.split_once('/').map_or_else(|| stem(rest), |(folder, _)| folder))
            .collect();
        for word in words(row).filter(|word| !below.contains(word)) {
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

fn has_place(file: &Source) -> bool {
    let gathers = ["mod", "lib", "tests"].contains(&stem(&file.path));
    let is_shallow = file.path.matches('/').count() <= 2;
    let is_near = is_shallow || ["src/dht/node/", "src/bin/honeyguide/"].iter().any(|folder| is_in(&file.path, folder));
    file.ships() && is_near && !gathers
}

/// Whether it is in this folder, and in none below.
fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| !rest.contains('/'))
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

#[test]
fn a_file_of_the_program_has_its_place_in_the_row_of_the_program() {
    let tree = |row: &str| {
        planted(&format!(
            "src/bin/honeyguide/main.rs x\nsrc/bin/honeyguide/put.rs x\n{PAGE} put\\nsrc/bin/honeyguide/ {row}"
        ))
    };
    let count = |row: &str| check(&tree(row)).len();
    assert_eq!(count("main put"), 0);
    assert_eq!(count("main"), 1, "the word stands elsewhere");
    assert_eq!(count("main\\n put get"), 1, "the line that goes on names what is not there");
}
