//! A node and the handle of one have one face: the same methods with the same arguments.
//!
//! The node's operations take the time and a tag in front and say what was started; the handle's say what to wait for. What
//! either has besides is its own.

use std::collections::BTreeMap;

use proc_macro2::TokenTree;
use quote::{ToTokens, quote};

use crate::source::{Complaint, Source, planted, repository};

const NODE: &str = "src/dht/node/";
const HANDLE: &str = "src/adapters/handle.rs";

/// Writes the methods of a command down, for the node and for whatever stands in front of one.
const NAMED: &str = "named_calls";
/// Methods of the node that take any command, which the handle has no need of, since it has the named ones.
const ANY: &[&str] = &["command", "command_in"];

struct Method {
    at: String,
    /// Types, without those that the node has in front.
    arguments: Vec<String>,
    is_operation: bool,
}

pub fn check(files: &[Source]) -> Vec<Complaint> {
    let ships = || files.iter().filter(|file| file.ships());
    let node = methods(ships().filter(|file| file.path.starts_with(NODE)), "Node");
    let handle = methods(ships().filter(|file| file.path == HANDLE), "Handle");
    let mut complaints = Vec::new();
    let mut complain = |name: &str, method: &Method, what: String| {
        complaints.push(Complaint::new(format!("face {name}"), &method.at, what));
    };
    for (has, lacks, who) in [(&node, &handle, "handle"), (&handle, &node, "node")] {
        for (name, method) in has.iter().filter(|(name, method)| method.is_operation && !lacks.contains_key(*name)) {
            complain(name, method, format!("the {who} has no `{name}`"));
        }
    }
    for (name, on_node) in &node {
        if let Some(on_handle) = handle.get(name).filter(|on_handle| on_handle.arguments != on_node.arguments) {
            let (these, those) = (on_handle.arguments.join(", "), on_node.arguments.join(", "));
            complain(name, on_handle, format!("takes ({these}), and the node's takes ({those})"));
        }
    }
    complaints
}

/// Public methods of a type.
fn methods<'a>(files: impl Iterator<Item = &'a Source>, of: &str) -> BTreeMap<String, Method> {
    let mut all = BTreeMap::new();
    for file in files {
        let items = file.parsed(file.tokens_without_tests()).items.into_iter().map(expanded);
        let is_of = |item: &syn::ItemImpl| match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == of),
            _ => false,
        };
        let impls = items.filter_map(|item| match item {
            syn::Item::Impl(item) if item.trait_.is_none() && is_of(&item) => Some(item),
            _ => None,
        });
        for method in impls.flat_map(|item| item.items) {
            let syn::ImplItem::Fn(syn::ImplItemFn { vis: syn::Visibility::Public(_), sig, .. }) = method else {
                continue;
            };
            let name = sig.ident.to_string();
            if sig.receiver().is_some() && !ANY.contains(&&*name) {
                all.insert(name, read(file.at(sig.ident.span().start().line), &sig));
            }
        }
    }
    all
}

/// The macro with the named methods, as the node has them; any other item as it is.
fn expanded(item: syn::Item) -> syn::Item {
    let syn::Item::Macro(syn::ItemMacro { ident: Some(ident), mac, .. }) = &item else { return item };
    // One rule: what it takes, an arrow, what it makes.
    let groups = mac.tokens.clone().into_iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    });
    let made = groups.last().filter(|_| ident == NAMED);
    made.and_then(|made| syn::parse2(quote!(impl Node<'_> { #made })).ok()).unwrap_or(item)
}

fn read(at: String, signature: &syn::Signature) -> Method {
    let types = signature.inputs.iter().filter_map(|argument| match argument {
        // What is given by way of a handle has to outlive everything; the node's has to outlive its memory.
        syn::FnArg::Typed(argument) => Some(shown(&argument.ty).replace("'static", "'s")),
        syn::FnArg::Receiver(_) => None,
    });
    let mut arguments: Vec<String> = types.collect();
    for in_front in ["Instant", "u64"] {
        if arguments.first().is_some_and(|first| first == in_front) {
            arguments.remove(0);
        }
    }
    let output = shown(&signature.output);
    Method { at, arguments, is_operation: output.contains("OpId") || output.contains("Operation<") }
}

fn shown(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

/// What an operation is, is read from its text, which may change.
#[test]
fn operations_are_recognised_on_both_sides() {
    let (files, _) = repository();
    for (path, of) in [(NODE, "Node"), (HANDLE, "Handle")] {
        let methods = methods(files.iter().filter(|file| file.ships() && file.path.starts_with(path)), of);
        let operations = methods.values().filter(|method| method.is_operation).count();
        assert!(operations >= 10, "only {operations} of {of}");
    }
}

#[test]
fn a_method_that_differs_or_is_missing_is_found() {
    let check = |node: &str, handle: &str| {
        let node = format!(
            "src/dht/node/a.rs impl Node<'_> {{ {node} pub fn poll_output(&mut self) {{}} fn start(&mut self) -> OpId {{}} \
             pub fn command(&mut self, now: Instant, tag: u64, command: Command<'_>) -> Result<OpId, CallError> {{}} }}"
        );
        check(&planted(&format!("{node}\n{HANDLE} impl Handle {{ {handle} pub fn shutdown(&self) -> Ended {{}} }}")))
            .len()
    };
    let ping = "pub fn ping(&mut self, now: Instant, tag: u64, to: Endpoint) -> Result<OpId, CallError> {}";
    let id = "pub fn id(&self, via: LinkId) -> Option<Id> {}";
    let import =
        "pub fn import(&mut self, now: Instant, via: LinkId, contacts: &[SavedContact]) -> Result<(), CallError> {}";
    let named = "} macro_rules! named_calls { () => { \
        pub fn ping(&mut self, now: Instant, tag: u64, to: Endpoint) -> Result<OpId, CallError> {} }; } impl Node<'_> {";
    for (found, node, handle) in [
        (1, named, ""),
        (0, named, "pub fn ping(&self, to: Endpoint) -> Operation<Answer> {}"),
        (0, ping, "pub fn ping(&self, to: Endpoint) -> Operation<Answer> {}"),
        (0, "pub fn sink(&mut self, sink: Sink<'s>) {}", "pub fn sink(&self, sink: Sink<'static>) {}"),
        (1, ping, ""),
        (1, "", "pub fn ping(&self, to: Endpoint) -> Operation<Answer> {}"),
        (1, ping, "pub fn ping(&self, to: SocketAddr) -> Operation<Answer> {}"),
        (1, ping, "pub fn ping(&self, to: Endpoint, twice: bool) -> Operation<Answer> {}"),
        (1, ping, "fn ping(&self, to: Endpoint) -> Operation<Answer> {}"),
        (0, id, "pub fn id(&self, link: LinkId) -> Observation<Option<Id>> {}"),
        (0, id, ""),
        (1, id, "pub fn id(&self) -> Observation<Option<Id>> {}"),
        (
            0,
            import,
            "pub fn import(&self, link: LinkId, contacts: &[SavedContact]) -> Observation<Result<(), CallError>> {}",
        ),
        (1, import, "pub fn import(&self, link: LinkId, contacts: Vec<SavedContact>) {}"),
    ] {
        assert_eq!(check(node, handle), found, "{node} {handle}");
    }
}
