//! Owners own: only `dht/node/mod.rs` touches a field of `Node`, and no struct opens its fields to its neighbours.
//!
//! To the compiler a private field is open to every module below; so the files beside it neither implement
//! methods of `Node` nor are handed one.

use syn::visit::{self, Visit};

use crate::source::{Complaint, Source, judge};

const NODE: &str = "src/dht/node/mod.rs";

/// Structs whose fields their neighbours may read and write: plain data that is passed by value, with the reason.
const PLAIN: &[(&str, &str)] = &[
    ("Addressee", "to whom a query goes, by value"),
    ("Arrival", "one response and where it came from"),
    ("Candidate", "a row of the window of a lookup"),
    ("LinkMemory", "what a link is made of"),
    ("Newcomer", "a row of the list of newcomers"),
    ("Outlet", "the parts by which a query leaves, lent for one drain"),
    ("CheckedCommand", "a command, checked"),
    ("Requester", "who asks, by value"),
    ("ResultHead", "a result on its way to its place, but for its bytes"),
    ("Sources", "the parts that a reply is looked up in, lent for one drain"),
    ("Storage", "lists on the way to their owners; only `Node::new` takes it apart"),
];

/// Files that are handed a `Node` or add to its methods, and use its public methods like anybody else, with the reason.
const HANDED: &[(&str, &str)] = &[
    ("src/dht/node/journal/call.rs", "a replay makes the recorded calls to a node"),
    ("src/dht/node/named.rs", "sugar for `Node::command`"),
];

pub fn check(files: &[Source]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.ships()) {
        let is_beside_node = file.path.starts_with("src/dht/node/") && file.path != NODE;
        let mut reader = Reader { file, is_beside_node, is_in_node: false, complaints: &mut complaints };
        reader.visit_file(&file.parsed(file.tokens_without_tests()));
    }
    complaints
}

struct Reader<'a> {
    file: &'a Source,
    is_beside_node: bool,
    is_in_node: bool,
    complaints: &'a mut Vec<Complaint>,
}

impl Reader<'_> {
    fn complain(&mut self, about: &str, span: proc_macro2::Span, what: &str) {
        self.complaints.push(Complaint::new(about, self.file.at(span.start().line), what));
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        let name = item.ident.to_string();
        let is_public = matches!(item.vis, syn::Visibility::Public(_)) && name != "Node";
        let is_open = |field: &syn::Field| match field.vis {
            syn::Visibility::Inherited => false,
            syn::Visibility::Restricted(_) => true,
            syn::Visibility::Public(_) => !is_public, // what a user sees may have fields
        };
        if item.fields.iter().any(is_open) && !PLAIN.iter().any(|(plain, _)| *plain == name) {
            self.complain(&format!("fields of {name}"), item.ident.span(), "open to the neighbours");
        }
    }

    /// Behind another name its fields would be touched unseen.
    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        if names_node(&item.ty) {
            self.complain(&format!("node in {}", self.file.path), item.ident.span(), "another name for Node");
        }
    }

    fn visit_use_rename(&mut self, rename: &'ast syn::UseRename) {
        if rename.ident == "Node" {
            self.complain(&format!("node in {}", self.file.path), rename.rename.span(), "another name for Node");
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let is_listed = HANDED.iter().any(|(path, _)| *path == self.file.path);
        if self.is_beside_node && !is_listed && names_node(&item.self_ty) {
            self.complain(&format!("node in {}", self.file.path), item.impl_token.span, "methods of Node");
        }
        self.is_in_node = names_node(&item.self_ty);
        visit::visit_item_impl(self, item);
        self.is_in_node = false;
    }

    fn visit_pat_type(&mut self, argument: &'ast syn::PatType) {
        let is_listed = HANDED.iter().any(|(path, _)| *path == self.file.path);
        if self.is_beside_node && !is_listed && names_node(&argument.ty) {
            let span = argument.colon_token.spans[0];
            self.complain(&format!("node in {}", self.file.path), span, "is handed a Node instead of its parts");
        }
    }

    fn visit_expr_field(&mut self, field: &'ast syn::ExprField) {
        let is_of_node = match &*field.base {
            syn::Expr::Path(path) => path.path.is_ident("node") || self.is_in_node && path.path.is_ident("self"),
            syn::Expr::Field(inner) => matches!(&inner.member, syn::Member::Named(name) if name == "node"),
            _ => false,
        };
        if self.is_beside_node && is_of_node {
            self.complain(&format!("node in {}", self.file.path), field.dot_token.spans[0], "touches a field of Node");
        }
        visit::visit_expr_field(self, field);
    }
}

/// Whether a type is `Node`, or is made of it.
fn names_node(ty: &syn::Type) -> bool {
    struct Search(bool);
    impl<'ast> Visit<'ast> for Search {
        fn visit_path(&mut self, path: &'ast syn::Path) {
            self.0 |= path.segments.last().is_some_and(|last| last.ident == "Node");
            visit::visit_path(self, path);
        }
    }
    let mut search = Search(false);
    search.visit_type(ty);
    search.0
}

#[test]
fn open_fields_and_hands_in_the_node_are_found() {
    judge(
        r"src/dht/node/mod.rs pub struct Node<'s> { pub(super) config: Config, a: &'s u8 }
        src/dht/node/mod.rs pub struct Node { pub config: Config }
        src/dht/node/link.rs pub(super) struct Link { pub family: Family }
        src/dht/table/routing.rs pub struct Table { pub(super) own: Id }
        src/dht/lookup/mod.rs struct Pair(pub(crate) u8);
        src/negentropy/sorted.rs pub struct Sorted { pub(super) sums: u8 }
        src/krpc/peers.rs struct Peers { pub(super) own: Id }
        src/dht/node/client.rs impl Node<'_> { fn f(&self) {} }
        src/dht/node/client.rs impl Drop for super::Node<'_> { fn f(&self) {} }
        src/dht/node/client.rs fn f(node: &mut Node<'_>) { node.g() }
        src/dht/node/client.rs impl A { fn f(&self, them: Option<&super::Node>) {} }
        src/dht/node/client.rs fn f() { g(|n: &Node| n) }
        src/dht/node/client.rs type N2<'a> = super::Node<'a>; fn f(n: &N2) { n.config }
        src/dht/node/journal/call.rs type N2<'a> = Option<&'a super::Node<'a>>;
        src/dht/node/mod.rs struct Node; pub(super) type N2 = Node;
        src/dht/config.rs pub type N2<'a> = super::node::Node<'a>;
        src/dht/node/client.rs use super::{Link, Node as N2}; fn f(n: &N2) { n.config }
        src/dht/node/journal/call.rs fn replay(node: &mut Node) { node.config.a() }
        src/dht/node/journal/call.rs fn replay(&self) { self.node.config.a() }",
        r"src/dht/node/mod.rs pub struct Node { config: Config } impl Node { pub(super) fn f(&self) { self.config } }
        src/dht/table/routing.rs pub struct View { pub id: Id }
        src/dht/node/journal/call.rs fn replay(node: &mut Node) { node.handle_input(now) }
        src/dht/node/client.rs impl Client { fn f(&self, node: &Contact) {} }
        src/dht/node/client.rs #[cfg(test)] fn f(node: &Node) {}",
        |file| check(&[file]),
    );
}
