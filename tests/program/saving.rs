//! When a node saves whom it knows, and that no poor list replaces a rich one.

use std::fs;

use crate::commands::World;
use crate::folder::Folder;
use crate::process::run;
use crate::program::Running;

/// A state file with so many contacts of link 0, at ports from 1 on, where nobody is.
fn state(contacts: u16) -> Vec<u8> {
    let contact = |n: u16| {
        let id = [&n.to_be_bytes()[..], &[7; 18]].concat();
        let port = format!("2:ip4:\x7f\x00\x00\x014:linki0e4:porti{n}ee");
        [b"d2:id20:", &id[..], port.as_bytes()].concat()
    };
    let contacts: Vec<u8> = (1..=contacts).flat_map(contact).collect();
    [b"d8:contactsl", &contacts[..], b"e3:idsl20:abcdefghij0123456789e5:statei1ee"].concat()
}

pub fn contacts(path: &str) -> usize {
    fs::read(path).unwrap().windows(4).filter(|bytes| bytes == b"2:ip").count()
}

/// Rule J23. It is killed, so that it cannot save at its end.
#[test]
fn whom_a_node_found_is_saved_soon_after_it_joined() {
    let world = World::of(24);
    let state = world.folder.file("state");
    let node = ["node", "--bind", "127.0.0.1:0", "--state", &state, "--bootstrap", &world.network];
    let mut running = Running::start(&node);
    running.line_with("joined with");
    while contacts(&state) < 8 {
        assert!(!running.is_over());
        std::thread::yield_now();
    }
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    // The next run needs nobody else.
    let mut running = Running::start(&["node", "--bind", "127.0.0.1:0", "--state", &state]);
    // They may have answered before it was looked at for the first time.
    let is_known =
        |line: &str| line.starts_with("link 0 ") && line.contains(" contact") && !line.contains("no contacts");
    while !is_known(&running.line()) {}
}

/// Rule J24.
#[test]
fn a_short_run_with_few_contacts_replaces_no_rich_list() {
    let world = World::new();
    for network in [&world.network, &world.nobody] {
        let file = world.folder.with("state", state(60));
        let node = ["node", "--bind", "127.0.0.1:0", "--state", &file, "--bootstrap", network, "--timeout", "2"];
        run(&node, b"").in_order("a short run");
        let saved = contacts(&file);
        assert!(saved >= 60, "{saved} contacts are left of 60");
        assert_eq!(saved > 60, network == &world.network, "{saved} contacts");
    }
}

/// Rules B15 and B17.
#[test]
fn a_state_file_whose_contacts_are_all_dead_is_told_of() {
    let world = World::new();
    let file = world.folder.with("state", state(16));
    let run = run(&["node", "--bind", "127.0.0.1:0", "--state", &file, "--timeout", "2"], b"");
    assert!(run.out.contains("those that it knew in the run before are asked"), "{run:?}");
    run.failed(1, &["no contact after 2 s", "state file", "--bootstrap"]);
}

/// Rule B17. What the state names on one link is nobody whom another can ask.
#[test]
fn a_link_of_which_the_state_names_nobody_is_not_told_to_ask_those_that_it_knew() {
    let folder = Folder::new();
    let file = folder.with("state", state(16));
    let node = ["node", "--bind", "127.0.0.1:0", "[::1]:0", "--state", &file, "--timeout", "2"];
    let run = run(&node, b"").in_order("a state of one link");
    for (link, how) in [(0, "those that it knew in the run before"), (1, "nobody to join through was named")] {
        let told = run.out.lines().find(|line| line.starts_with(&format!("link {link} has no contacts")));
        assert!(told.unwrap().contains(how), "{run:?}");
    }
}

/// Rules J14 and J24. Of a link that an earlier run did not have nothing is saved that no node would write.
#[test]
fn a_state_file_outlasts_runs_with_one_link_and_with_two() {
    let folder = Folder::new();
    let file = folder.file("state");
    let mut ids = Vec::new();
    for binds in [&["127.0.0.1:0"][..], &["127.0.0.1:0", "[::1]:0"], &["127.0.0.1:0"], &["127.0.0.1:0", "[::1]:0"]] {
        let mut node = Running::start(&[&["node", "--state", &file, "--bind"], binds].concat());
        for link in 0..binds.len() {
            let line = node.line_with(&format!("link {link} "));
            ids.push(line.rsplit_once("id ").unwrap().1.to_owned());
        }
        node.end_by("INT").ended(0, &[]);
    }
    let [first, v4, v6, third, v4_again, v6_again] = &ids[..] else { panic!("{ids:?}") };
    assert_eq!(([v4, third, v4_again], v6), ([first; 3], v6_again));
}
