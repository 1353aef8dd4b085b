//! A file that is too long to read at a sitting is two ideas, and so is a function that no screen holds. A test tells a
//! story from one end to the other, and may be longer.

use syn::visit::Visit;

use crate::source::{Complaint, Source, judge};

const FILE: usize = 600;
const FILE_OF_TESTS: usize = 900;
const FUNCTION: usize = 70;
const FUNCTION_OF_TESTS: usize = 100;

pub fn check(files: &[Source]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let is_source = file.path.starts_with("src/");
        let (most, most_of_a_function) = if is_source { (FILE, FUNCTION) } else { (FILE_OF_TESTS, FUNCTION_OF_TESTS) };
        let mut functions = Functions { most: most_of_a_function, found: Vec::new() };
        functions.visit_file(&file.parsed(file.tokens()));
        let whole = (1, file.path.clone(), file.text.lines().count(), most);
        for (line, what, lines, most) in functions.found.into_iter().chain([whole]).filter(|(_, _, n, most)| n > most) {
            let text = format!("{lines} lines, {most} at most");
            complaints.push(Complaint::new(format!("length of {what}"), file.at(line), text));
        }
    }
    complaints
}

/// Line, name and length of each, and what is allowed.
struct Functions {
    most: usize,
    found: Vec<(usize, String, usize, usize)>,
}

impl Functions {
    fn add(&mut self, sig: &syn::Signature, body: &syn::Block) {
        let (first, last) = (sig.fn_token.span.start().line, body.brace_token.span.close().start().line);
        self.found.push((first, sig.ident.to_string(), last + 1 - first, self.most));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        item.default.iter().for_each(|body| self.add(&item.sig, body));
    }
}

#[test]
fn long_files_and_functions_are_found() {
    let lines = |n: usize| "\\n".repeat(n);
    let cases = |more: usize| {
        let mut cases = format!("src/a.rs //{}\ntests/a.rs //{}\n", lines(599 + more), lines(899 + more));
        for around in ["", "impl A {", "trait A {", "mod tests { #[test]"] {
            let end = if around.is_empty() { "" } else { "}" };
            cases += &format!("src/a.rs {around} fn f() {{{}}} {end}\n", lines(69 + more));
            cases += &format!("tests/a.rs {around} fn f() {{{}}} {end}\n", lines(99 + more));
        }
        cases
    };
    judge(&cases(2), &cases(0), |file| check(&[file]));
}
