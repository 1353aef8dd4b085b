//! A node that keeps the signed items of a file.

use crate::commands::World;
use crate::process::run;
use crate::program::Running;

/// Rules P16 and P9.
#[test]
fn a_node_puts_the_items_of_its_file_where_they_are_not_and_no_older_version_than_there_is() {
    let world = World::of(12);
    let item = std::fs::read_to_string(world.folder.file("item")).unwrap();
    let object: serde_json::Value = serde_json::from_str(&item).unwrap();
    let key = object["k"].as_str().unwrap();
    let get = || run(&["get", "--key", key, "--salt", "salt", "--bootstrap", &world.network, "--json"], b"");
    get().failed(1, &["no node returned the item"]);
    let file = world.folder.with("items", format!("{item}\n\n{item}\n"));
    let node = ["node", "--bind", "127.0.0.1:0", "--bootstrap", &world.network, "--keep", &file];
    let mut running = Running::start(&node);
    running.line_with("1 item kept");
    let found = loop {
        assert!(!running.is_over());
        let found = get();
        if found.code == Some(0) {
            break found;
        }
    };
    let found: serde_json::Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!((&found["sig"], &found["v_hex"]), (&object["sig"], &object["v_hex"]));
}

/// Rule P16.
#[test]
fn a_file_with_anything_but_signed_items_is_wrong_usage() {
    let world = World::new();
    let item = std::fs::read_to_string(world.folder.file("item")).unwrap();
    let (all, other) = (world.folder.with("wrong", format!("{item}\nx\n")), world.folder.file("nothing"));
    let node = |file: &str| run(&["node", "--bind", "127.0.0.1:0", "--timeout", "1", "--keep", file], b"");
    node(&all).failed(2, &["line 2", "one JSON object"]);
    node(&world.folder.with("empty", "")).failed(2, &["no item to keep"]);
    node(&other).failed(1, &["the items to keep cannot be read"]);
    node("-").failed(2, &["'-'", "--keep <FILE>", "name a file"]);
}
