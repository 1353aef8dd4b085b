//! What `spec/architecture.md` says about the sources, read from the sources.
//!
//! Each check is a function from files to complaints, with violations planted beside it.

mod cases;
mod circles;
mod faces;
mod fields;
mod floors;
mod imports;
mod judges;
mod length;
mod links;
mod map;
mod names;
mod prose;
mod rules;
mod source;

use source::{Complaint, repository, scripts};

#[test]
fn every_file_imports_only_from_the_floors_below_its_own() {
    hold(floors::check(&repository().0));
}

#[test]
fn no_files_import_each_other() {
    hold(circles::check(&repository().0));
}

#[test]
fn no_type_name_is_defined_twice() {
    hold(names::check_types(&repository().0));
}

#[test]
fn no_name_has_a_word_that_is_out() {
    hold(names::check_words(&repository().0));
    hold(names::check_words(&scripts()));
}

#[test]
fn owners_keep_their_fields_to_themselves() {
    hold(fields::check(&repository().0));
}

#[test]
fn node_and_handle_have_one_face() {
    hold(faces::check(&repository().0));
}

#[test]
fn files_and_functions_are_short() {
    hold(length::check(&repository().0));
}

#[test]
fn pages_and_comments_are_in_order() {
    let (files, paths) = repository();
    hold(prose::check(&files, &paths));
}

#[test]
fn links_lead_to_headings_that_are_there() {
    hold(links::check(&repository().0));
}

#[test]
fn the_map_of_the_architecture_names_what_is_there() {
    hold(map::check(&repository().0));
}

#[test]
fn every_test_judges_mutants_or_is_said_not_to() {
    hold(judges::check(&repository().0, &scripts()));
}

#[test]
fn tests_that_a_page_names_are_there() {
    hold(cases::check(&repository().0));
}

#[test]
fn each_rule_has_a_number_of_its_own_and_what_is_cited_is_there() {
    hold(rules::check(&repository().0));
}

#[track_caller]
fn hold(complaints: Vec<Complaint>) {
    let open: Vec<String> = complaints.iter().map(Complaint::to_string).collect();
    assert!(open.is_empty(), "\n{}\n", open.join("\n"));
}
