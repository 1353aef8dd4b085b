//! Where links lead: to a heading that is there, and never into the files of one machine.

use std::collections::BTreeSet;

use crate::source::{Complaint, Source, planted};

pub fn check(files: &[Source]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| !file.is_rust() || file.path.starts_with("src/")) {
        for (i, line) in file.text.lines().enumerate() {
            for target in targets(line) {
                let what = if target.starts_with("file:") {
                    format!("{target} is on one machine")
                } else if is_without_heading(file, target, files) {
                    format!("{target} has no such heading")
                } else {
                    continue;
                };
                complaints.push(Complaint::new(format!("links of {}", file.path), file.at(i + 1), what));
            }
        }
    }
    complaints
}

/// What a line links to: `[text](target)`, `[text]: target`, attributes of HTML, and `<file:target>`.
pub fn targets(line: &str) -> Vec<&str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let definition = line.trim_start_matches([' ', '/', '!']).strip_prefix('[');
    let defined = definition.and_then(|rest| rest.split_once("]:")).map(|(_, target)| target);
    let quoted = ["href=", "src="].into_iter().flat_map(|attribute| line.split(attribute).skip(1)).filter_map(|rest| {
        let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
        rest[1..].split_once(quote).map(|(target, _)| target)
    });
    let bare = line.split("<file:").skip(1).map(|rest| &line[line.len() - rest.len() - "file:".len()..]);
    // A title may follow the target, and either may be in brackets.
    let all = inline.chain(defined).chain(quoted).chain(bare);
    let all = all.filter_map(|target| target.trim().trim_start_matches('<').split(['>', ' ']).next());
    all.filter(|target| !target.is_empty()).collect()
}

fn is_without_heading(from: &Source, target: &str, files: &[Source]) -> bool {
    let Some((path, heading)) = target.split_once('#') else { return false };
    let mut whole: Vec<&str> = from.path.split('/').collect();
    if !path.is_empty() {
        whole.pop();
    }
    for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
        if name == ".." {
            whole.pop();
        } else {
            whole.push(name);
        }
    }
    // What is no page is looked for elsewhere; in a source a heading is rustdoc's to find.
    let page = files.iter().find(|file| file.path == whole.join("/") && !file.is_rust());
    page.is_some_and(|page| !anchors(&page.text).contains(heading))
}

/// The names of a page's headings, as they are made of their texts on the web, and the names that it gives itself.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut anchors, mut is_sample) = (BTreeSet::new(), false);
    for line in text.lines() {
        is_sample ^= line.trim_start().starts_with("```");
        let given = line.split(" id=\"").skip(1).filter_map(|rest| rest.split_once('"'));
        anchors.extend(given.map(|(name, _)| name.to_string()));
        let title = line.trim_start_matches('#');
        if is_sample || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
        let name = title.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
        // The second of a name is numbered.
        let numbered = (0..).map(|n| if n == 0 { name.clone() } else { format!("{name}-{n}") });
        let free = numbered.into_iter().find(|name| !anchors.contains(name));
        anchors.extend(free);
    }
    anchors
}

#[test]
fn every_kind_of_link_is_read() {
    for (line, expected) in [
        ("see [a](b.md), [c]( d.md ) and [e](<f.md> \"g\")", "b.md d.md f.md"),
        ("[a]: b.md", "b.md"),
        ("  /// [`a`]: <b.md> \"c\"", "b.md"),
        ("<a class='x' href='b.md#c'>d</a> <img src=\"e.png\"/>", "b.md#c e.png"),
        ("<file:///a.md> and [b](file:c.md)", "file:c.md file:///a.md"),
        ("a[0] (b) [c] [d]", ""),
    ] {
        assert_eq!(targets(line).join(" "), expected, "{line}");
    }
}

#[test]
fn a_heading_that_is_not_there_is_found() {
    let page = "README.md # `One` & two: 3\\n## Part\\n## Part\\n<a id=\"given\"></a>\\n```\\n# no heading\\n```";
    for (found, line) in [
        (0, "spec/a.md [b](../README.md#one--two-3) [c](../README.md#part-1) [d](../README.md#given)"),
        (0, "spec/a.md # A\\n[b](#a) [c](https://a.b/c.md#d) [e](../src/a.rs#L1)"),
        (0, "src/a.rs /// See [b](Self#c) and [d](#errors)."),
        (1, "spec/a.md [b](../README.md#one)"),
        (1, "spec/a.md [b](../README.md#part-2)"),
        (1, "spec/a.md [b](../README.md#no-heading)"),
        (1, "spec/a.md # A\\n[b](#c)"),
        (1, "spec/a.md [b]: ../README.md#c"),
        (1, "src/a.rs //! <a href=\"../README.md#c\">b</a>"),
        (1, "spec/a.md [b](file:///c.md)"),
    ] {
        assert_eq!(check(&planted(&format!("{page}\n{line}"))).len(), found, "{line}");
    }
}
