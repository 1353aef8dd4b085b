//! Tests that a page names are there: whoever renames one sees it.

use crate::source::{Complaint, Source, planted};

const PAGE: &str = "spec/cases.md";

pub fn check(files: &[Source]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for page in files.iter().filter(|file| file.path == PAGE) {
        for (i, line) in page.text.lines().enumerate() {
            for name in named(line).filter(|name| !is_test(name, files)) {
                complaints.push(Complaint::new(format!("tests of {PAGE}"), page.at(i + 1), format!("no test {name}")));
            }
        }
    }
    complaints
}

/// Sentences in code quotes: names of tests have four words at least.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let is_sentence = |name: &&str| {
        name.matches('_').count() >= 3 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    line.split('`').skip(1).step_by(2).filter(is_sentence)
}

fn is_test(name: &str, files: &[Source]) -> bool {
    let begins = format!("fn {name}()");
    files.iter().filter(|file| file.is_rust()).any(|file| file.text.contains(&begins))
}

#[test]
fn a_test_that_is_not_there_is_found() {
    let files = |name: &str| {
        planted(&format!("tests/x.rs fn what_was_seen_once() {{}}\n{PAGE} | B1 | `{name}`, `Config`, `short_name` |"))
    };
    assert_eq!(check(&files("what_was_seen_once")).len(), 0);
    assert_eq!(check(&files("what_was_seen_twice")).len(), 1);
}
