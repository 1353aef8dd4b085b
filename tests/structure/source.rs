//! The sources, as every check reads them, and what a check has to say.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};

/// A file: its path below the root of the repository, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
    /// Whether it is compiled for tests alone.
    is_for_tests: bool,
}

impl Source {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub fn is_python(&self) -> bool {
        self.path.ends_with(".py")
            || self.text.starts_with("#!") && self.text.lines().next().unwrap().contains("python")
    }

    /// Whether this is code of the library or the program, and not a file of tests.
    pub fn ships(&self) -> bool {
        self.is_rust() && self.path.starts_with("src/") && !self.is_for_tests
    }

    pub fn is_of_the_library(&self) -> bool {
        self.ships() && !self.path.starts_with("src/bin/")
    }

    pub fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }

    pub fn tokens(&self) -> TokenStream {
        cooked(self.text.parse().unwrap_or_else(|error| panic!("{}: {error}", self.path)))
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

/// `r#name` is the same name as `name`, unless that is a keyword.
fn cooked(tokens: TokenStream) -> TokenStream {
    let tokens = tokens.into_iter().map(|token| match token {
        TokenTree::Group(group) => {
            let mut cooked = Group::new(group.delimiter(), cooked(group.stream()));
            cooked.set_span(group.span());
            cooked.into()
        }
        TokenTree::Ident(raw) => {
            let name = raw.to_string().strip_prefix("r#").and_then(|name| syn::parse_str::<Ident>(name).ok());
            name.map_or(raw.clone(), |name| Ident::new(&name.to_string(), raw.span())).into()
        }
        token => token,
    });
    tokens.collect()
}

fn without_tests(tokens: TokenStream) -> TokenStream {
    let mut out = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if token.to_string() == "#" && tokens.peek().is_some_and(is_cfg_test) {
            let line = token.span().start().line;
            let left = [token].into_iter().chain(tokens).collect();
            let rest = after_the_first.parse2(left).unwrap_or_else(|e| panic!("line {line}, what is `cfg(test)`? {e}"));
            out.extend(without_tests(rest));
            break;
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

/// What is left behind whatever an attribute can stand at. Where that ends depends on what it is: an item with its
/// block or a semicolon, a field before a comma that is in no `<>`.
fn after_the_first(input: ParseStream) -> syn::Result<TokenStream> {
    fn skip<T>(input: ParseStream, parse: impl FnOnce(ParseStream) -> syn::Result<T>, is_one_of_a_list: bool) -> bool {
        let ahead = input.fork();
        let is_it = parse(&ahead).is_ok() && (!is_one_of_a_list || ahead.is_empty() || ahead.peek(syn::Token![,]));
        if is_it {
            input.advance_to(&ahead);
            _ = input.parse::<Option<syn::Token![,]>>();
        }
        is_it
    }
    let is_skipped = skip(input, syn::Item::parse, false)
        || skip(input, syn::Field::parse_named, true)
        || skip(input, syn::Field::parse_unnamed, true)
        || skip(input, syn::Variant::parse, true)
        || skip(input, syn::FieldValue::parse, true)
        || skip(input, syn::FnArg::parse, true)
        || skip(input, syn::Expr::parse, true)
        || skip(input, syn::Arm::parse, false)
        || skip(input, syn::Stmt::parse, false);
    if is_skipped { input.parse() } else { Err(input.error("no item, part of one, or statement")) }
}

fn is_cfg_test(token: &TokenTree) -> bool {
    let words: String = flat(token.clone().into()).into_iter().map(|(_, word)| word).collect();
    words.starts_with("[cfg(test)") || words.starts_with("[cfg(all(test,")
}

// ---- files ----

/// What is in the repository: the Rust and Markdown files with their text, and the paths of all files and folders.
pub fn repository() -> (Vec<Source>, BTreeSet<String>) {
    let paths = paths();
    let is_read = |path: &&String| path.ends_with(".rs") || path.ends_with(".md");
    let mut sources: Vec<_> = paths.iter().filter(is_read).filter_map(|path| read(path)).collect();
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    find_tests(&mut sources);
    (sources, paths)
}

/// The programs in Python.
pub fn scripts() -> Vec<Source> {
    let paths = paths();
    let may_be = |path: &&String| path.ends_with(".py") || !path.rsplit('/').next().unwrap().contains('.');
    paths.iter().filter(may_be).filter_map(|path| read(path)).filter(Source::is_python).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `None` for what is no text.
fn read(path: &str) -> Option<Source> {
    let text = fs::read_to_string(root().join(path)).ok()?;
    Some(Source { path: path.to_string(), text, is_for_tests: false })
}

/// Folders that git ignores, as `.gitignore` names them: what lies there is nobody's source.
const IGNORED: &[&str] =
    &["target/", "/dist/", "node_modules/", "__pycache__/", "/tests/fuzz/artifacts/", "/tests/fuzz/coverage/"];

fn is_ignored(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap();
    let is_it = |folder: &&str| match folder.trim_end_matches('/').strip_prefix('/') {
        Some(whole) => whole == path,
        None => folder.trim_end_matches('/') == name,
    };
    name == ".git" || IGNORED.iter().any(is_it)
}

fn paths() -> BTreeSet<String> {
    let (mut paths, mut folders) = (BTreeSet::new(), vec![root().to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path().strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            if is_ignored(&path) {
                continue;
            }
            paths.insert(path);
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    paths
}

/// A file is one of tests if its parent says so, whatever its name; then the files below it are, too.
fn find_tests(sources: &mut [Source]) {
    let declared = |tokens| -> BTreeSet<String> {
        let words = flat(tokens);
        let files = words.windows(3).filter(|words| words[0].1 == "mod" && words[2].1 == ";");
        files.map(|words| words[1].1.clone()).collect()
    };
    let mut tests = Vec::new();
    // Most files declare none, and reading tokens takes time.
    let declares =
        |file: &&Source| file.ships() && file.text.lines().any(|line| line.contains("mod ") && line.contains(';'));
    for file in sources.iter().filter(declares) {
        let stem = file.path.trim_end_matches(".rs");
        let folder = ["mod", "lib", "main"].iter().find_map(|name| stem.strip_suffix(&format!("/{name}")));
        let always = declared(file.tokens_without_tests());
        let all = declared(file.tokens()).into_iter();
        let for_tests = all.filter(|name| !always.contains(name));
        tests.extend(for_tests.map(|name| format!("{}/{name}", folder.unwrap_or(stem))));
    }
    for file in sources {
        let is_below = |rest: &str| rest == ".rs" || rest.starts_with('/');
        file.is_for_tests = tests.iter().any(|test| file.path.strip_prefix(&**test).is_some_and(is_below));
    }
}

/// Files written one in a line, the path before the text, with `\n` for the end of a line.
pub fn planted(lines: &str) -> Vec<Source> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let halves = lines.map(|line| line.split_once(' ').unwrap_or((line, "")));
    let sources = halves.map(|(path, text)| {
        let text = text.trim().replace("\\n", "\n");
        Source { path: path.to_string(), text, is_for_tests: false }
    });
    let mut sources = sources.collect::<Vec<_>>();
    find_tests(&mut sources);
    sources
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
fn what_git_ignores_is_not_read() {
    let listed = include_str!("../../.gitignore").lines().filter(|line| line.ends_with('/'));
    assert_eq!(listed.collect::<Vec<_>>(), IGNORED);
    for path in ["target", "tests/fuzz/target", "dist", "tests/fuzz/artifacts", "benches/__pycache__", ".git"] {
        assert!(is_ignored(path), "{path}");
    }
    for path in ["src/dist", "targets", "tests/fuzz/targets", "tests/fuzz", ".github", "artifacts"] {
        assert!(!is_ignored(path), "{path}");
    }
}

#[test]
fn tests_are_left_out_and_nothing_else() {
    let text = "use a;\\n#[cfg(test)] use b::{c, d}; #[cfg(all(test, unix))] mod tests { fn e() {} } #[cfg(test)] mod f; \
                #[cfg(any(test, unix))] fn g() {}\\nimpl H { #[cfg(test)] fn i() {} fn j() {} } \
                struct K { #[cfg(test)] pub l: B<c, d>, m: u8, #[cfg(test)] e: u8 } struct N(#[cfg(test)] B<c, d>, o); \
                enum P { #[cfg(test)] B { c: u8 }, Q, #[cfg(test)] C(d) } fn r(#[cfg(test)] b: c, s: t) {} \
                fn u() { #[cfg(test)] b(c, d); #[cfg(test)] let c = d; #[cfg(test)] if c { d() } else { e() } \
                match v { #[cfg(test)] B { c, .. } if c < d => e(), #[cfg(test)] B => { c } w => x(), } \
                y(#[cfg(test)] c < d, z) }";
    let words = flat(planted(&format!("src/x.rs {text}"))[0].tokens_without_tests());
    let has = |word: &str| words.iter().any(|(_, found)| found == word);
    let kept = "a g H j K m N o P Q r s t u v w x y z";
    assert!(kept.split(' ').all(has), "{words:?}");
    assert!(!["b", "B", "c", "C", "d", "e", "f", "i", "l", "tests", "let", "else"].into_iter().any(has), "{words:?}");
    assert!(words.contains(&(3, "j".to_string())), "lines are those of the file: {words:?}");
}

#[test]
fn a_raw_name_is_the_name() {
    let words = flat(planted("src/a.rs r#ring::r#type (r#b)")[0].tokens());
    let words: Vec<_> = words.iter().map(|(_, word)| &**word).collect();
    assert_eq!(words, ["ring", "::", "r#type", "(", "b", ")"]);
}

#[test]
fn a_file_is_one_of_tests_if_its_parent_says_so() {
    let files = planted(
        "src/lib.rs pub mod tests; mod a; #[cfg(test)] mod b; #[cfg(test)] pub mod c; #[cfg(not(test))] pub mod c;
        src/tests.rs
        src/a.rs #[cfg(all(test, unix))] #[macro_use] pub(crate) mod tests;
        src/a/tests.rs mod d;
        src/a/tests/d.rs
        src/b/mod.rs
        src/b/e.rs
        src/bb.rs
        src/c.rs",
    );
    let ships: Vec<_> = files.iter().filter(|file| file.ships()).map(|file| &*file.path).collect();
    assert_eq!(ships, ["src/lib.rs", "src/tests.rs", "src/a.rs", "src/bb.rs", "src/c.rs"]);
}
