//! The sources, as every check reads them, and what a check has to say.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A file: its path below the root of the repository, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether this is code of the library or the program, and not a file of tests.
    pub fn ships(&self) -> bool {
        self.is_rust() && self.path.starts_with("src/") && !self.path.ends_with("/tests.rs")
    }

    pub fn is_of_the_library(&self) -> bool {
        self.ships() && !self.path.starts_with("src/bin/")
    }

    pub fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }

    pub fn tokens(&self) -> TokenStream {
        self.text.parse().unwrap_or_else(|error| panic!("{}: {error}", self.path))
    }

    /// Without the items under `#[cfg(test)]`: tests may use a map as a model, and import from above.
    pub fn tokens_without_tests(&self) -> TokenStream {
        without_tests(self.tokens())
    }

    pub fn parsed(&self, tokens: TokenStream) -> syn::File {
        syn::parse2(tokens).unwrap_or_else(|e| panic!("{}: {e}", self.at(e.span().start().line)))
    }
}

/// Something that is wrong.
pub struct Complaint {
    text: String,
}

impl Complaint {
    /// `about` names the rule, or what is wrong, in words that stay the same when lines move.
    pub fn new(about: impl fmt::Display, at: impl fmt::Display, what: impl fmt::Display) -> Complaint {
        Complaint { text: format!("{at}: {what} [{about}]") }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// ---- tokens ----

/// Identifiers, `::` and single characters of punctuation with their lines; literals and comments are left out.
pub fn flat(tokens: TokenStream) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    for token in tokens {
        let line = token.span().start().line;
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                out.push((line, open.to_string()));
                out.extend(flat(group.stream()));
                out.push((line, close.to_string()));
            }
            TokenTree::Punct(p) if p.as_char() == ':' && out.last().is_some_and(|(_, last)| last == ":") => {
                out.last_mut().unwrap().1.push(':');
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => out.push((line, token.to_string())),
            TokenTree::Literal(_) => {}
        }
    }
    out
}

fn without_tests(tokens: TokenStream) -> TokenStream {
    let mut out = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if token.to_string() == "#" && tokens.next_if(is_cfg_test).is_some() {
            // An item ends at a semicolon or with its first block.
            let is_block = |t: &TokenTree| matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
            let end = tokens.find(|token| token.to_string() == ";" || is_block(token));
            if end.is_some_and(|token| is_block(&token)) {
                tokens.next_if(|next| next.to_string() == ";");
            }
            continue;
        }
        let TokenTree::Group(group) = &token else {
            out.push(token);
            continue;
        };
        let mut pruned = Group::new(group.delimiter(), without_tests(group.stream()));
        pruned.set_span(group.span());
        out.push(pruned.into());
    }
    out.into_iter().collect()
}

fn is_cfg_test(token: &TokenTree) -> bool {
    let words: String = flat(token.clone().into()).into_iter().map(|(_, word)| word).collect();
    words.starts_with("[cfg(test)") || words.starts_with("[cfg(all(test,")
}

// ---- files ----

/// What is in the repository: the Rust and Markdown files with their text, and the paths of all files and folders.
pub fn repository() -> (Vec<Source>, BTreeSet<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut sources, mut paths, mut folders) = (Vec::new(), BTreeSet::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if [".git", "target", "node_modules"].iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let path = entry.path().strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            paths.insert(path.clone());
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if path.ends_with(".rs") || path.ends_with(".md") {
                sources.push(Source { text: fs::read_to_string(entry.path()).unwrap(), path });
            }
        }
    }
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    (sources, paths)
}

/// Files written one in a line, the path before the text, with `\n` for the end of a line.
pub fn planted(lines: &str) -> Vec<Source> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let halves = lines.map(|line| line.split_once(' ').unwrap_or((line, "")));
    halves.map(|(path, text)| Source { path: path.to_string(), text: text.trim().replace("\\n", "\n") }).collect()
}

/// Each planted line of `refused` has to get one complaint, each of `accepted` none.
pub fn judge(refused: &str, accepted: &str, check: impl Fn(Source) -> Vec<Complaint>) {
    for (lines, expected) in [(refused, 1), (accepted, 0)] {
        for file in planted(lines) {
            let line = format!("{} {}", file.path, file.text);
            let complaints: Vec<String> = check(file).iter().map(Complaint::to_string).collect();
            assert_eq!(complaints.len(), expected, "{line}: {complaints:?}");
        }
    }
}

#[test]
fn tests_are_left_out_and_nothing_else() {
    let text = "use a;\\n#[cfg(test)] use b::{c, d}; #[cfg(all(test, unix))] mod tests { fn e() {} } #[cfg(test)] mod f; \
                #[cfg(any(test, unix))] fn g() {}\\nimpl H { #[cfg(test)] fn i() {} fn j() {} }";
    let words = flat(planted(&format!("src/x.rs {text}"))[0].tokens_without_tests());
    let has = |word: &str| words.iter().any(|(_, found)| found == word);
    assert!(["a", "g", "H", "j"].into_iter().all(has), "{words:?}");
    assert!(!["b", "c", "d", "e", "f", "i", "tests"].into_iter().any(has), "{words:?}");
    assert!(words.contains(&(3, "j".to_string())), "lines are those of the file: {words:?}");
}
