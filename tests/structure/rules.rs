//! The numbers of the rules in `spec/`: none stands for two, and whoever cites one finds it.

use std::collections::BTreeMap;

use crate::source::{Complaint, Source, planted};

pub fn check(files: &[Source]) -> Vec<Complaint> {
    let (mut rules, mut complaints) = (BTreeMap::new(), Vec::new());
    let complain = |at, what| Complaint::new("rules of spec/", at, what);
    for page in files.iter().filter(|file| file.path.starts_with("spec/") && file.path != "spec/cases.md") {
        for (i, line) in page.text.lines().enumerate() {
            let Some(rule) = defined(line) else { continue };
            if let Some(before) = rules.insert(rule, page.at(i + 1)) {
                complaints.push(complain(page.at(i + 1), format!("{rule} stands at {before} too")));
            }
        }
    }
    for file in files.iter().filter(|file| file.is_rust()) {
        for (i, line) in file.text.lines().enumerate() {
            for rule in cited(line).filter(|rule| !rules.contains_key(rule)) {
                complaints.push(complain(file.at(i + 1), format!("no rule {rule}")));
            }
        }
    }
    complaints
}

/// `**N1** ..` or `| J1 | ..` at the beginning of a line.
fn defined(line: &str) -> Option<&str> {
    let name = match line.strip_prefix("**") {
        Some(rest) => rest.split_once("**")?.0,
        None => line.strip_prefix("| ")?.split_once(" |")?.0,
    };
    is_rule(name).then_some(name)
}

/// After the word in a comment, with those that are listed behind it.
fn cited(line: &str) -> impl Iterator<Item = &str> {
    let comment = line.trim_start().strip_prefix("//").unwrap_or_default();
    let after = comment.split_once("Rule ").or_else(|| comment.split_once("Rules ")).map_or("", |(_, after)| after);
    let words = after.split([' ', ',']).filter(|word| !word.is_empty());
    words
        .map(|word| word.trim_end_matches(['.', ':', ';']))
        .take_while(|word| is_rule(word) || ["and", "to"].contains(word))
        .filter(|word| is_rule(word))
}

fn is_rule(name: &str) -> bool {
    let digits = name.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    is_number && name.len() == digits.len() + 1
}

#[test]
fn a_number_that_stands_for_two_rules_and_one_that_is_nowhere_are_found() {
    let count = |files: &str| check(&planted(files)).len();
    assert_eq!(count("spec/a.md **J1** x\\n| J2 | y |\nspec/b.md **B1** x\nsrc/x.rs /// Rules J1, J2 and B1."), 0);
    assert_eq!(count("spec/a.md **J1** x\nspec/b.md | J1 | x |"), 1);
    assert_eq!(count("spec/a.md **J1** x\nsrc/x.rs /// Rules J1 and J2: both."), 1);
}
