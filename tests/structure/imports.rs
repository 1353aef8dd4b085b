//! Which file names what of which other file.
//!
//! A name counts as the file that defines it, through however many re-exports it is reached. What the reader does not
//! see: methods, whose owner only the compiler knows, and names that a macro makes.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use crate::source::{Source, flat};

/// The modules of the library and of the program: files, and the blocks inside of files.
#[derive(Default)]
pub struct Modules(BTreeMap<String, Module>);

#[derive(Default)]
struct Module {
    /// The file's, if it is one.
    path: Option<String>,
    defined: BTreeSet<String>,
    /// Names and what they stand for.
    used: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    mentions: Vec<Mention>,
}

struct Mention {
    line: usize,
    path: Vec<String>,
    /// `pub use`, with any visibility.
    re_export: bool,
    /// `use module::*`: all that is in it may be used without another word.
    glob: bool,
}

pub struct Import {
    pub line: usize,
    /// The module of the file that defines the name.
    pub to: String,
    pub re_export: bool,
    /// The module itself is named, not something in it.
    pub whole: bool,
}

impl Modules {
    pub fn read(files: &[Source]) -> Modules {
        let mut reader = Reader::default();
        for file in files.iter().filter(|file| file.ships()) {
            reader.here = module_of(&file.path);
            reader.module().path = Some(file.path.clone());
            reader.visit_file(&file.parsed(file.tokens_without_tests()));
        }
        reader.modules
    }

    /// Module and path of each file.
    pub fn files(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().filter_map(|(name, module)| Some((name, module.path.as_ref()?)))
    }

    /// What the file of `module` names of other files.
    pub fn imports(&self, module: &str) -> Vec<Import> {
        let mut out = Vec::new();
        for (here, scope) in self.0.iter().filter(|(here, _)| self.file_of(here) == module) {
            for Mention { line, path, re_export, glob } in &scope.mentions {
                let Some((to, whole)) = self.resolve(here, path, 16) else { continue };
                let to = self.file_of(&to).to_string();
                // A lone name that is a module's too is a variable or a type of another crate.
                if to != module && (*glob || !(whole && path.len() == 1)) {
                    let whole = whole && !glob;
                    out.push(Import { line: *line, to, re_export: *re_export, whole });
                }
            }
        }
        out
    }

    /// A module written inside a file belongs to that file.
    fn file_of<'m>(&self, mut module: &'m str) -> &'m str {
        while !module.is_empty() && self.0.get(module).is_none_or(|scope| scope.path.is_none()) {
            module = parent(module);
        }
        module
    }

    /// The module that `path`, written in `here`, leads to, and whether it is meant as a whole; `None` for other crates.
    /// `steps` ends a chain of names that stand for one another.
    fn resolve(&self, here: &str, path: &[String], steps: u8) -> Option<(String, bool)> {
        let mut at = here.to_string();
        for (i, name) in path.iter().enumerate() {
            at = match name.as_str() {
                "self" => at,
                "super" => parent(&at).to_string(),
                "crate" => root_of(here).to_string(),
                name => match self.look_up(&at, name, i + 1 == path.len(), steps) {
                    Some((module, true)) => module,
                    None if i > 0 => return Some((at, false)), // made by a macro
                    found => return found,
                },
            };
        }
        Some((at, true))
    }

    fn look_up(&self, module: &str, name: &str, last: bool, steps: u8) -> Option<(String, bool)> {
        let (scope, steps) = (self.0.get(module)?, steps.checked_sub(1)?);
        let child = Some((join(module, name), true)).filter(|(child, _)| self.0.contains_key(child));
        if !last && child.is_some() {
            return child;
        }
        if scope.defined.contains(name) {
            return Some((module.to_string(), false));
        }
        let used = scope.used.get(name).and_then(|path| self.resolve(module, path, steps));
        used.or(child).or_else(|| {
            let mut globs = scope.globs.iter().filter_map(|path| self.resolve(module, path, steps));
            globs.find_map(|(glob, whole)| if whole { self.look_up(&glob, name, last, steps) } else { None })
        })
    }
}

/// `src/dht/node/mod.rs` is `dht::node`, `src/lib.rs` the empty path, the program's root `bin`.
pub fn module_of(path: &str) -> String {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs").replace("bin/honeyguide", "bin");
    let path = path.trim_end_matches("/mod").trim_end_matches("/main");
    if path == "lib" { String::new() } else { path.replace('/', "::") }
}

fn root_of(module: &str) -> &'static str {
    if module == "bin" || module.starts_with("bin::") { "bin" } else { "" }
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

fn join(module: &str, child: &str) -> String {
    if module.is_empty() { child.to_string() } else { format!("{module}::{child}") }
}

/// The name that an item defines, and whether it is a type.
pub fn defined(item: &syn::Item) -> Option<(&syn::Ident, bool)> {
    match item {
        syn::Item::Struct(item) => Some((&item.ident, true)),
        syn::Item::Enum(item) => Some((&item.ident, true)),
        syn::Item::Union(item) => Some((&item.ident, true)),
        syn::Item::Trait(item) => Some((&item.ident, true)),
        syn::Item::Type(item) => Some((&item.ident, true)),
        syn::Item::Const(item) => Some((&item.ident, false)),
        syn::Item::Static(item) => Some((&item.ident, false)),
        syn::Item::Fn(item) => Some((&item.sig.ident, false)),
        syn::Item::Macro(item) => item.ident.as_ref().map(|ident| (ident, false)),
        _ => None,
    }
}

/// Collects the modules of one file after another.
#[derive(Default)]
struct Reader {
    modules: Modules,
    here: String,
}

impl Reader {
    fn module(&mut self) -> &mut Module {
        self.modules.0.entry(self.here.clone()).or_default()
    }

    fn mention(&mut self, line: usize, path: &[String], re_export: bool) {
        self.module().mentions.push(Mention { line, path: path.to_vec(), re_export, glob: false });
    }

    fn use_tree(&mut self, tree: &syn::UseTree, mut path: Vec<String>, re_export: bool) {
        let (name, alias) = match tree {
            syn::UseTree::Path(part) => {
                path.push(part.ident.to_string());
                return self.use_tree(&part.tree, path, re_export);
            }
            syn::UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.use_tree(tree, path.clone(), re_export));
            }
            syn::UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                self.module().mentions.push(Mention { line, path: path.clone(), re_export, glob: true });
                return self.module().globs.push(path);
            }
            syn::UseTree::Name(name) if name.ident == "self" => (&name.ident, path.last().cloned().unwrap_or_default()),
            syn::UseTree::Name(name) => (&name.ident, name.ident.to_string()),
            syn::UseTree::Rename(rename) => (&rename.ident, rename.rename.to_string()),
        };
        path.push(name.to_string());
        self.mention(name.span().start().line, &path, re_export);
        self.module().used.insert(alias, path);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if let Some((name, _)) = defined(item) {
            self.module().defined.insert(name.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let outside = self.here.clone();
        if item.content.is_some() {
            self.here = join(&outside, &item.ident.to_string());
            self.module();
        }
        visit::visit_item_mod(self, item);
        self.here = outside;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&item.tree, Vec::new(), !matches!(item.vis, syn::Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.mention(path.segments[0].ident.span().start().line, &names, false);
        visit::visit_path(self, path);
    }

    /// What a macro is given may be no Rust: any `a::b` in it is a path. Its single names were imported by a `use`.
    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let words = flat(mac.tokens.clone());
        for run in words.chunk_by(|(_, a), (_, b)| (a == "::") != (b == "::") && !(is_punct(a) || is_punct(b))) {
            if run.len() > 2 {
                let names: Vec<String> = run.iter().map(|(_, word)| word.clone()).filter(|word| word != "::").collect();
                self.mention(run[0].0, &names, false);
            }
        }
        self.visit_path(&mac.path);
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}

fn is_punct(word: &str) -> bool {
    word != "::" && !word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
