//! Tests that judge mutants: one that the script does not name lets no mutant be tried at all, and nobody sees it until
//! somebody tries some.

use crate::source::{Complaint, Source, planted};

const SCRIPT: &str = ".ci/mutants";

pub fn check(files: &[Source], scripts: &[Source]) -> Vec<Complaint> {
    let Some(script) = scripts.iter().find(|script| script.path == SCRIPT) else {
        return vec![Complaint::new("judges of mutants", SCRIPT, "no such script")];
    };
    let tests = files.iter().filter_map(|file| name(&file.path));
    let unnamed = tests.filter(|name| !script.text.contains(&format!("\"{name}\"")));
    unnamed.map(|name| Complaint::new("judges of mutants", SCRIPT, format!("the test {name} is not named"))).collect()
}

/// The name of a test, if this is the file that it begins with.
fn name(path: &str) -> Option<&str> {
    let path = path.strip_prefix("tests/")?;
    let name = path.strip_suffix("/main.rs").or_else(|| path.strip_suffix(".rs"))?;
    (!name.contains('/')).then_some(name)
}

#[test]
fn a_test_that_judges_no_mutant_is_found() {
    let files = planted("tests/one.rs fn a() {}\ntests/two/main.rs fn a() {}\ntests/two/part.rs fn b() {}\nsrc/lib.rs");
    let complaints = |named: &str| check(&files, &planted(&format!("{SCRIPT} {named}"))).len();
    assert_eq!(complaints("\"one\", \"two\""), 0);
    assert_eq!(complaints("\"one\", \"twofold\""), 1);
    assert_eq!(check(&files, &[]).len(), 1);
}
