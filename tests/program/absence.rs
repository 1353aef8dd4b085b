//! That nobody returned a thing is a proof of its absence only where enough nodes were heard.

use std::net::{SocketAddr, UdpSocket};

use crate::commands::{ID, World};
use crate::fake::{Fake, nodes};
use crate::process::run;

/// A node that knows nothing, and so many others that never answer.
fn network(silent: u8) -> (Fake, Vec<UdpSocket>) {
    let sockets: Vec<_> = (0..silent).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let named: Vec<(u8, SocketAddr)> =
        (0x43..).zip(sockets.iter().map(|socket| socket.local_addr().unwrap())).collect();
    let fake = Fake::new(0x41, move |_| Some([&nodes(&named)[..], b"5:token1:t"].concat()));
    (fake, sockets)
}

/// Rule U23.
#[test]
fn nothing_found_where_few_answered_is_told_with_a_reserve_and_what_to_do() {
    let (fake, _silent) = network(6);
    let at = fake.addr.to_string();
    std::thread::scope(|scope| {
        for command in ["get", "peers", "scrape", "sample"] {
            let at = at.as_str();
            scope.spawn(move || {
                let words = ["only 1 of 7 nodes answered", "may exist", "--bootstrap", "converged"];
                let run = run(&[command, ID, "--bootstrap", at, "--timeout", "60", "--json"], b"").failed(1, &words);
                assert_eq!(run.objects()[0]["outcome"]["answered"], 1, "{run:?}");
            });
        }
    });
}

/// Rule U23.
#[test]
fn nothing_found_where_enough_answered_is_told_without_reserve() {
    let world = World::of(24);
    for command in ["get", "peers", "scrape"] {
        let absent = "17".repeat(20);
        let told = run(&[command, &absent, "--bootstrap", &world.network], b"").failed(1, &["converged"]);
        assert!(!told.err.contains("may exist"), "{told:?}");
    }
}

/// Rule U23. The number that follows the highest that was seen.
#[test]
fn a_sequence_number_that_rests_on_few_answers_is_told_so() {
    let (fake, _silent) = network(6);
    let world = World::new();
    let (at, secret) = (fake.addr.to_string(), world.folder.file("secret"));
    let put = ["put", "hello", "--secret", &secret, "--bootstrap", &at, "--timeout", "60"];
    let told = run(&put, b"");
    let words = ["sequence number 1", "only 1 of 7 nodes answered", "--seq"];
    assert!(words.iter().all(|word| told.err.contains(word)), "{told:?}");
    let enough = World::of(24);
    let put = ["put", "hello", "--secret", &secret, "--bootstrap", &enough.network];
    assert_eq!(run(&put, b"").done().err, "");
}
