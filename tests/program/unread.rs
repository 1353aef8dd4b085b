//! What goes on while nobody reads what a node says.

use std::fs;
use std::net::UdpSocket;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::commands::World;
use crate::eventually::{PATIENCE, eventually};
use crate::folder::Folder;
use crate::process::run;
use crate::program::Running;
use crate::saving::contacts;
use crate::signals::{FIRST_LINE, full_pipe, pipe_with_place_for, writes};

/// Rule U5. There is no such name, which is a word, and no place for one.
#[test]
fn a_node_whose_words_nobody_reads_answers_and_ends_in_order() {
    let folder = Folder::new();
    let (state, journal) = (folder.file("state"), folder.file("journal"));
    let (_reader, writer) = full_pipe();
    let mut node = Running::command(&["node", "--bind", "127.0.0.1:0", "--state", &state, "--journal", &journal]);
    node.args(["--bootstrap", "127.0.0.1:1", "--bootstrap", "nowhere.invalid:1"]);
    let mut running = Running::of(node.stderr(writer).stdout(Stdio::piped()));
    let addr = running.line().split(' ').nth(2).unwrap().to_string();
    // By then it has told that it has no contacts, and with it that the name has no address.
    assert!(running.line().contains("no contacts yet"));
    let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
    asker.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    asker.send_to(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", &addr).unwrap();
    assert!(asker.recv(&mut [0; 1500]).unwrap() > 0);
    let before = fs::metadata(&state).unwrap().modified().unwrap();
    running.end("TERM");
    assert!(fs::metadata(&state).unwrap().modified().unwrap() > before, "it saved its state at the end");
    let replayed = run(&["replay", &journal], b"").done();
    assert!(!replayed.err.contains("has no end"), "{replayed:?}");
}

/// Rules U5 and B8. Not even its first line has a place; it answers, and asks whom it was to join through again and again.
#[test]
fn a_node_whose_results_nobody_has_read_yet_answers_and_goes_on_joining() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let bootstrap = silent.local_addr().unwrap().to_string();
    let (reader, writer) = full_pipe();
    let mut node = Running::command(&["node", "--bind", "127.0.0.1:0", "--bootstrap", &bootstrap]);
    let running = Running::of(node.stdout(writer));
    // When the first one was not answered it tells so, and asks again.
    let asked: Vec<_> = (0..3).map(|_| silent.recv_from(&mut [0; 1500]).expect("it asks").1).collect();
    let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
    asker.set_read_timeout(Some(PATIENCE)).unwrap();
    asker.send_to(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", asked[0]).unwrap();
    assert!(asker.recv(&mut [0; 1500]).unwrap() > 0);
    running.end("TERM");
    drop(reader);
}

/// Rule U6. It has nothing more to say, of which it would hear that nobody reads it.
#[test]
fn a_daemon_whose_reader_has_gone_ends_without_a_word() {
    for (command, last) in
        [(&["testnet", "--nodes", "2"][..], "bootstrap"), (&["node", "--bind", "127.0.0.1:0"], "waits")]
    {
        let (mut running, begun) = (Running::start(command), Instant::now());
        running.line_with(last);
        running.stop_reading();
        assert_eq!(running.wait().code, Some(0), "{command:?}");
        assert!(begun.elapsed() < PATIENCE, "{command:?} ended with its time");
    }
}

/// Rules U5 and J23.
#[test]
fn a_node_whose_results_nobody_reads_goes_on_saving_its_state() {
    let world = World::of(24);
    let state = world.folder.file("state");
    let node = ["node", "--bind", "127.0.0.1:0", "--state", &state, "--bootstrap", &world.network];
    let (_reader, writer) = pipe_with_place_for(FIRST_LINE);
    let running = Running::of(Running::command(&node).stdout(writer));
    eventually(|| writes(running.child.id(), 1));
    let saved = || fs::metadata(&state).unwrap().modified().unwrap();
    let before = saved();
    eventually(|| saved() > before && contacts(&state) >= 8);
}
