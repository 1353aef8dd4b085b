//! Owners own: only `dht/node/mod.rs` touches a field of `Node`, and no struct opens its fields to its neighbours.
//!
//! To the compiler a private field is open to every module below; so the files beside it neither implement
//! methods of `Node` nor are handed one, hold one or return one.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use crate::source::{Complaint, Source, flat, judge, repository};

const NODE: &str = "src/dht/node/mod.rs";

/// Structs whose fields their neighbours may read and write: plain data that is passed by value, with the reason.
const PLAIN: &[(&str, &str)] = &[
    ("Addressee", "to whom a query goes, by value"),
    ("Arrival", "one response and where it came from"),
    ("Arrived", "one datagram and whose it is"),
    ("Bloom", "256 bytes, by value, as they are on the wire"),
    ("Candidate", "a row of the window of a lookup"),
    ("Changes", "what an adversary answers otherwise, lent for one answer"),
    ("CheckedCommand", "a command, checked"),
    ("DeadlinesMemory", "lists on the way to the deadlines, which keep them"),
    ("Density", "a count of the table, by value"),
    ("Encoded", "what is told of a reply that was written, by value"),
    ("FigureSpec", "a row of a table of constants"),
    ("Held", "an item as it is told, by value"),
    ("Home", "a world and two nodes in it, lent to whoever measures there"),
    ("InputSpec", "a row of a table of constants"),
    ("ItemsMemory", "lists on the way to the items, which keep them"),
    ("KeeperMemory", "lists on the way to the keeper, which keeps them"),
    ("KeptPut", "what came of a put, by value"),
    ("LinkCopies", "what was found on a link, by value"),
    ("LinkMemory", "what a link is made of"),
    ("Looked", "what came of a look, by value"),
    ("LookupWindow", "the memory of one lookup, lent for one call"),
    ("MessageSurvey", "counts of one message, by value"),
    ("Newcomer", "a row of the list of newcomers"),
    ("Offer", "a node that a lookup is told of, by value"),
    ("Open", "a copy of an open query"),
    ("OpenRange", "where a range begins, by value"),
    ("OperationEnd", "what an operation ends with, by value"),
    ("Outlet", "the parts by which a query leaves, lent for one drain"),
    ("PeersMemory", "lists on the way to the peers, which keep them"),
    ("Put", "a put that was verified, by value"),
    ("Range", "one range of a message, as it was read"),
    ("RawValue", "one value of a message, as it was read"),
    ("Requester", "who asks, by value"),
    ("ResultHead", "a result on its way to its place, but for its bytes"),
    ("RowSpec", "a row of a table of constants"),
    ("Rules", "numbers that hold for a lookup, by value"),
    ("SessionKey", "sixteen bytes, by value; what prints them leaves them out"),
    ("Situation", "where in a session a range is split, by value"),
    ("Sizes", "what `storage!` is told; its body is compiled in the user's crate"),
    ("SlabKey", "two numbers, by value; an operation is numbered by them"),
    ("Sources", "the parts that a reply is looked up in, lent for one drain"),
    ("Storage", "lists on the way to their owners; only `Node::new` takes it apart"),
    ("StoredItem", "an item as it is told, by value"),
    ("StoredVersion", "what is told of a mutable item, by value"),
    ("TableMemory", "lists on the way to the table, which keeps them"),
    ("TransactionsMemory", "lists on the way to the transactions, which keep them"),
    ("Unsent", "a command without a place, by value"),
    ("WaitingCommand", "a command on its way to the node, by value"),
    ("WindowSurvey", "what one pass over a window found, by value"),
    ("Written", "what is told of an answer that was written, by value"),
];

/// Files that are handed a `Node` or add to its methods, and use its public methods like anybody else, with the reason.
const HANDED: &[(&str, &str)] = &[
    ("src/dht/node/journal/call.rs", "a replay makes the recorded calls to a node"),
    ("src/dht/node/named.rs", "sugar for `Node::command`"),
];

pub fn check(files: &[Source]) -> Vec<Complaint> {
    check_but(PLAIN, files)
}

fn check_but(plain: &[(&str, &str)], files: &[Source]) -> Vec<Complaint> {
    let public = public_structs();
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.ships()) {
        let is_beside_node = file.path.starts_with("src/dht/node/") && file.path != NODE;
        let is_handed = HANDED.iter().any(|(path, _)| *path == file.path);
        let mut reader = Reader {
            file,
            plain,
            public: &public,
            is_beside_node,
            is_handed,
            is_in_node: false,
            nodes: BTreeSet::from(["node".to_string()]),
            complaints: &mut complaints,
        };
        reader.visit_file(&file.parsed(file.tokens_without_tests()));
    }
    complaints
}

/// What a user sees may have fields: `pub` alone, in a private module, opens them to the neighbours only.
fn public_structs() -> BTreeSet<String> {
    let lines =
        include_str!("../../.ci/api.txt").lines().map(|line| line.trim().trim_start_matches("#[non_exhaustive] "));
    let names = lines.filter_map(|line| line.strip_prefix("struct ")?.split(|c: char| !c.is_alphanumeric()).next());
    names.map(str::to_string).collect()
}

struct Reader<'a> {
    file: &'a Source,
    plain: &'a [(&'a str, &'a str)],
    public: &'a BTreeSet<String>,
    is_beside_node: bool,
    is_handed: bool,
    is_in_node: bool,
    /// Arguments, variables and fields of this file whose type is made of `Node`.
    nodes: BTreeSet<String>,
    complaints: &'a mut Vec<Complaint>,
}

impl Reader<'_> {
    fn complain(&mut self, about: &str, span: proc_macro2::Span, what: &str) {
        self.complaints.push(Complaint::new(about, self.file.at(span.start().line), what));
    }

    fn complain_of_node(&mut self, span: proc_macro2::Span, what: &str) {
        self.complain(&format!("node in {}", self.file.path), span, what);
    }

    /// Whether a path is that of `Node`, where a struct is taken apart or made.
    fn is_node(&self, path: &syn::Path) -> bool {
        ends_in_node(path) || self.is_in_node && path.is_ident("Self")
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        let name = item.ident.to_string();
        let is_public = name != "Node" && (self.public.contains(&name) || self.file.path.starts_with("src/bin/"));
        let is_open = |field: &syn::Field| match field.vis {
            syn::Visibility::Inherited => false,
            syn::Visibility::Restricted(_) => true,
            syn::Visibility::Public(_) => !is_public,
        };
        if item.fields.iter().any(is_open) && !self.plain.iter().any(|(plain, _)| *plain == name) {
            self.complain(
                &format!("fields of {name}"),
                item.ident.span(),
                "open to the neighbours (a user's struct stands in .ci/api.txt)",
            );
        }
        visit::visit_item_struct(self, item);
    }

    /// Behind another name its fields would be touched unseen.
    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        if names_node(&item.ty) {
            self.complain_of_node(item.ident.span(), "another name for Node");
        }
    }

    fn visit_use_rename(&mut self, rename: &'ast syn::UseRename) {
        if rename.ident == "Node" {
            self.complain_of_node(rename.rename.span(), "another name for Node");
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.is_in_node = names_node(&item.self_ty);
        visit::visit_item_impl(self, item);
        self.is_in_node = false;
    }

    /// Wherever it stands: in a field, an argument, what is returned, or what methods are added to.
    fn visit_type_path(&mut self, ty: &'ast syn::TypePath) {
        if self.is_beside_node && !self.is_handed && ends_in_node(&ty.path) {
            let span = ty.path.segments.last().unwrap().ident.span();
            self.complain_of_node(span, "has to do with a Node instead of its parts");
        }
        visit::visit_type_path(self, ty);
    }

    /// What is inside is not parsed.
    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let words = flat(mac.tokens.clone());
        if self.is_beside_node && words.iter().any(|(_, word)| word == "Node") {
            self.complain_of_node(mac.bang_token.span, "a Node inside of a macro");
        }
    }

    fn visit_pat_struct(&mut self, pattern: &'ast syn::PatStruct) {
        if self.is_beside_node && self.is_node(&pattern.path) {
            self.complain_of_node(pattern.brace_token.span.open(), "takes a Node apart");
        }
        visit::visit_pat_struct(self, pattern);
    }

    fn visit_expr_struct(&mut self, value: &'ast syn::ExprStruct) {
        if self.is_beside_node && self.is_node(&value.path) {
            self.complain_of_node(value.brace_token.span.open(), "makes a Node of parts");
        }
        visit::visit_expr_struct(self, value);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = field.ident.as_ref().filter(|_| names_node(&field.ty)) {
            self.nodes.insert(name.to_string());
        }
        visit::visit_field(self, field);
    }

    fn visit_pat_type(&mut self, argument: &'ast syn::PatType) {
        if let syn::Pat::Ident(name) = &*argument.pat
            && names_node(&argument.ty)
        {
            self.nodes.insert(name.ident.to_string());
        }
        visit::visit_pat_type(self, argument);
    }

    fn visit_expr_field(&mut self, field: &'ast syn::ExprField) {
        let is_of_node = match bare(&field.base) {
            syn::Expr::Path(path) => match path.path.get_ident() {
                Some(name) if name == "self" => self.is_in_node,
                Some(name) => self.nodes.contains(&name.to_string()),
                None => false,
            },
            syn::Expr::Field(inner) => {
                matches!(&inner.member, syn::Member::Named(name) if self.nodes.contains(&name.to_string()))
            }
            _ => false,
        };
        if self.is_beside_node && is_of_node {
            self.complain_of_node(field.dot_token.spans[0], "touches a field of Node");
        }
        visit::visit_expr_field(self, field);
    }
}

/// `node` of `(&mut *node)`.
fn bare(expression: &syn::Expr) -> &syn::Expr {
    match expression {
        syn::Expr::Paren(inner) => bare(&inner.expr),
        syn::Expr::Unary(inner) => bare(&inner.expr),
        syn::Expr::Reference(inner) => bare(&inner.expr),
        _ => expression,
    }
}

fn ends_in_node(path: &syn::Path) -> bool {
    path.segments.last().is_some_and(|last| last.ident == "Node")
}

/// Whether a type is `Node`, or is made of it.
fn names_node(ty: &syn::Type) -> bool {
    struct Search(bool);
    impl<'ast> Visit<'ast> for Search {
        fn visit_path(&mut self, path: &'ast syn::Path) {
            self.0 |= ends_in_node(path);
            visit::visit_path(self, path);
        }
    }
    let mut search = Search(false);
    search.visit_type(ty);
    search.0
}

#[test]
fn every_row_of_plain_data_is_needed() {
    let open: Vec<String> = check_but(&[], &repository().0).iter().map(Complaint::to_string).collect();
    for (name, _) in PLAIN {
        assert!(open.iter().any(|open| open.contains(&format!("[fields of {name}]"))), "{name} has no open fields");
    }
}

#[test]
fn what_a_user_sees_is_read_from_the_list_of_public_names() {
    let public = public_structs();
    assert!(public.len() > 50 && ["Config", "Node", "ContactView", "Window"].iter().all(|name| public.contains(*name)));
    assert!(!["Link", "Table"].iter().any(|name| public.contains(*name)), "{public:?}");
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
        src/dht/table/routing.rs pub struct Table { pub own: Id }
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
        src/dht/node/journal/call.rs fn replay(&self) { self.node.config.a() }
        src/dht/node/client.rs struct Hand<'a, 's> { owner: &'a mut Node<'s> }
        src/dht/node/client.rs struct Hand<'a>(Option<&'a super::Node<'a>>);
        src/dht/node/client.rs enum Hand<'a> { Left(&'a Node<'a>), Right }
        src/dht/node/client.rs fn f() -> &'static super::Node<'static> { g() }
        src/dht/node/client.rs fn f(all: &[Node]) {}
        src/dht/node/client.rs fn f(_: impl AsRef<Node>) {}
        src/dht/node/client.rs trait A: AsMut<crate::Node> {}
        src/dht/node/client.rs fn f() { g::<Node>() }
        src/dht/node/client.rs fn f() { let n: &Node = g(); }
        src/dht/node/client.rs fn f() { let Node { config, .. } = g(); }
        src/dht/node/client.rs fn f() { g!(n: &Node) }
        src/dht/node/journal/call.rs fn replay(n: &mut Node) { let Node { config, .. } = n; }
        src/dht/node/journal/call.rs fn replay(super::Node { config, .. }: super::Node) {}
        src/dht/node/journal/call.rs fn replay() -> Node { Node { config, ..g() } }
        src/dht/node/journal/call.rs fn replay(them: &mut Node) { them.config.a() }
        src/dht/node/journal/call.rs fn replay(them: &mut Node) { (&mut *them).config.a() }
        src/dht/node/journal/call.rs fn replay() { g(|n: &Node| n.config.a()) }
        src/dht/node/journal/call.rs struct Hand { owner: Node } impl Hand { fn f(&self) { self.owner.config.a() } }
        src/dht/node/named.rs impl Node<'_> { fn f(&self) { let Self { config, .. } = self; } }",
        r"src/dht/node/mod.rs pub struct Node { config: Config } impl Node { pub(super) fn f(&self) { self.config } }
        src/dht/table/routing.rs pub struct ContactView { pub id: Id }
        src/dht/node/journal/call.rs fn replay(node: &mut Node) { node.handle_input(now) }
        src/dht/node/client.rs impl Client { fn f(&self, node: &Contact) {} }
        src/dht/node/client.rs use super::Node; fn f(them: &Contact) -> FindNode { g(them.id, Method::FindNode { a }) }
        src/dht/node/journal/call.rs fn replay(them: &mut Node, a: Call) -> Call { them.handle_input(a.now, a) }
        src/bin/honeyguide/put.rs pub struct Arguments { pub salt: u8 }
        src/dht/node/client.rs #[cfg(test)] fn f(node: &Node) {}",
        |file| check(&[file]),
    );
}
