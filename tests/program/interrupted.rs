//! Who interrupts a put or an announce is told how far it had come.

use crate::commands::ID;
use crate::fake::{Fake, TOKEN, nodes};
use crate::process::wait_until_it_waits;
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
            let running = Running::start(&[command, &["--bootstrap", &at, "--json"]].concat());
            first.wait_for(method);
            silent.wait_for(method);
            wait_until_it_waits(running.child.id());
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
