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
    running.end("TERM");
    let seq = || {
        let found = get();
        assert_eq!(found.code, Some(0));
        serde_json::from_str::<serde_json::Value>(&found.out).unwrap()["seq"].as_i64()
    };
    // Somebody puts the next version: the node that has the first one leaves that alone.
    let second = world.folder.with("second", crate::commands::item(2));
    run(&["put", "--item", &second, "--bootstrap", &world.network], b"").done();
    run(&[&node[..], &["--timeout", "8"]].concat(), b"").done();
    assert_eq!(seq(), Some(2));
    // Who has the third one puts that, however many copies there are of the second.
    let third = world.folder.with("third", crate::commands::item(3));
    let mut running =
        Running::start(&["node", "--bind", "127.0.0.1:0", "--bootstrap", &world.network, "--keep", &third]);
    while seq() != Some(3) {
        assert!(!running.is_over());
    }
}

/// Rules P2 and P16.
#[test]
fn a_restart_goes_on_with_what_is_kept_where_the_run_before_was() {
    let world = World::of(12);
    let (item, state) = (world.folder.file("item"), world.folder.file("state"));
    let args = ["node", "--bind", "127.0.0.1:0", "--bootstrap", &world.network, "--keep", &item, "--state", &state];
    let due = || {
        let file = std::fs::read(&state).unwrap();
        let text = String::from_utf8_lossy(&file);
        let kept = text.split_once("4:kept")?.1;
        kept.split_once("3:duei")?.1.split_once('e')?.0.parse::<i64>().ok()
    };
    run(&[&args[..], &["--timeout", "15"]].concat(), b"").done();
    let first = due().expect("how it goes is saved");
    run(&[&args[..], &["--timeout", "8"]].concat(), b"").done();
    let second = due().unwrap();
    assert!((second - first).abs() <= 2, "it was not looked at again: {first} {second}");
    // A run that keeps nothing leaves that as it is.
    run(&[&args[..5], &["--state", &state, "--timeout", "1"]].concat(), b"").done();
    assert_eq!(due(), Some(second));
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
