//! Who interrupts a search, a put or an announce is told how far it had come.
//!
//! An operation is over soon after it has asked the node that never answers: it is interrupted as soon as that node was
//! asked, and what the test waits for before is what the program says, or asks for, once it has had it.

use crate::commands::ID;
use crate::fake::{Fake, TOKEN, nodes};
use crate::folder::Folder;
use crate::program::Running;

/// Rule U25. One node confirms the store, another one never answers it.
#[test]
fn an_interrupted_store_tells_how_many_hold_it_already() {
    for (command, method) in [(&["put", "hello"][..], "put"), (&["announce", ID, "--port", "7"], "announce_peer")] {
        for (confirmed, words) in [(true, "1 node has stored it already"), (false, "no node has confirmed it")] {
            let silent = Fake::new(2, |method| (!["put", "announce_peer"].contains(&method)).then(|| TOKEN.into()));
            let named = [&nodes(&[(2, silent.addr)])[..], TOKEN.as_bytes()].concat();
            let is_store = |method| ["put", "announce_peer"].contains(&method);
            let first = Fake::new(1, move |method| match is_store(method) {
                true => confirmed.then(Vec::new),
                false => Some(named.clone()),
            });
            let at = first.addr.to_string();
            let mut running = Running::start(&[command, &["--bootstrap", &at, "--json", "-vv"]].concat());
            silent.wait_for(method);
            if confirmed {
                let asked = running.word_with(&format!("to {at}: query {method}"));
                let tid = asked.split(", ").nth(1).unwrap();
                running.word_with(&format!("from {at}: response, {tid}"));
            }
            let run = running.end_by("INT");
            assert_eq!(run.code, Some(1), "{run:?}");
            let last = run.objects().pop().unwrap();
            let sentence = last["error"].as_str().unwrap();
            assert!(sentence.contains("interrupted") && sentence.contains(words), "{run:?}");
            assert_eq!(last["outcome"]["stored"]["all"], u64::from(confirmed), "{run:?}");
            // Copies are a result.
            assert_eq!(run.objects().len(), if confirmed { 2 } else { 1 }, "{run:?}");
            assert!(run.err.contains(words), "{run:?}");
        }
    }
}

/// Rule U9. One node answers with what is looked for, another one never answers.
#[test]
fn an_interrupted_search_prints_what_it_had_and_how_many_answered() {
    let target = honeyguide::krpc::Item::immutable_target(b"5:hello").to_string();
    for (command, method, body, line) in [
        (&["peers", ID][..], "get_peers", "5:token1:t6:valuesl6:abcdefe", "97.98.99.100:25958"),
        (&["sample", ID], "sample_infohashes", "3:numi1e7:samples20:abcdefghij0123456789", "\"samples\""),
        (&["get", &target, "-n", "2"], "get", "5:token1:t1:v5:hello", "\"copies\":1"),
    ] {
        let silent = Fake::new(2, move |asked| (asked != method).then(Vec::new));
        let answer = [&nodes(&[(2, silent.addr)])[..], body.as_bytes()].concat();
        // It names the silent one with what is looked for, and not before.
        let first = Fake::new(1, move |asked| Some(if asked == method { answer.clone() } else { Vec::new() }));
        let at = first.addr.to_string();
        let running = Running::start(&[command, &["--bootstrap", &at, "--json"]].concat());
        silent.wait_for(method);
        let run = running.end_by("INT");
        assert_eq!(run.code, Some(1), "{run:?}");
        let objects = run.objects();
        let (last, had) = objects.split_last().unwrap();
        let sentence = last["error"].as_str().unwrap();
        assert!(sentence.contains("interrupted") && sentence.contains(" answered"), "{run:?}");
        assert_eq!((&last["outcome"]["answered"], &last["outcome"]["reason"]), (&1.into(), &"cancelled".into()));
        assert!(!had.is_empty() && run.out.contains(line), "{run:?}");
    }
}

/// Rule U25. It is interrupted while it looks for the number of the version before, and nothing is stored after that.
#[test]
fn a_put_that_is_interrupted_before_it_knows_its_number_stores_nothing() {
    let folder = Folder::new();
    let secret = folder.with("secret", "11".repeat(32));
    let silent = Fake::new(2, |method| (method != "get").then(Vec::new));
    let named = [&nodes(&[(2, silent.addr)])[..], TOKEN.as_bytes()].concat();
    let first = Fake::new(1, move |_| Some(named.clone()));
    let at = first.addr.to_string();
    let running = Running::start(&["put", "hello", "--secret", &secret, "--bootstrap", &at, "--json"]);
    silent.wait_for("get");
    let run = running.end_by("INT");
    assert_eq!(run.code, Some(1), "{run:?}");
    let last = run.objects().pop().unwrap();
    assert!(last["error"].as_str().unwrap().contains("interrupted: nothing was stored"), "{run:?}");
    assert!(first.asked.try_iter().all(|method| method != "put"));
}
