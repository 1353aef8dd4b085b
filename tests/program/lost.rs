//! Datagrams that are lost on the way to one node, or back.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use honeyguide::krpc::Item;

use crate::commands::ID;
use crate::fake::{Fake, TOKEN, nodes};
use crate::folder::Folder;
use crate::process::run;

/// Rules B8, U15 and U29. A node loses the first two questions of one kind, or its answers to them: one that is asked
/// alone, or the only one of its network.
#[test]
fn a_lost_datagram_to_one_node_decides_nothing() {
    let target = honeyguide::krpc::Item::immutable_target(b"5:hello").to_string();
    let folder = Folder::new();
    let secret = folder.with("secret", "09".repeat(32));
    let filters = format!("4:BFpe256:{0}4:BFsd256:{0}", "\u{1}".repeat(256));
    let guarded = ["put", "hello", "--secret", &secret, "--seq", "2", "--cas", "1"];
    let commands = [
        (&["find-node", ID][..], "find_node", "5:nodes26:ABCDEFGHIJ0123456789ABCDEF"),
        (&["peers", ID], "get_peers", "5:token1:t6:valuesl6:abcdefe"),
        (&["scrape", ID], "get_peers", &filters),
        (&["sample", ID], "sample_infohashes", "3:numi1e7:samples20:abcdefghij0123456789"),
        (&["get", &target], "get", "5:token1:t1:v5:hello"),
        (&["put", "hello"], "put", ""),
        (&guarded, "get", TOKEN),
        (&["announce", ID, "--port", "7"], "announce_peer", ""),
    ];
    let ask = |command: &[&str], method: &'static str, body: &str| {
        let (seen, body) = (AtomicU32::new(0), body.as_bytes().to_vec());
        // With the first one of these it is joined.
        let joins = u32::from(command.ends_with(&["--bootstrap"]) && method == "find_node");
        let node = Fake::new(1, move |asked| match asked == method {
            true => {
                seen.fetch_add(1, Ordering::Relaxed).checked_sub(joins).is_none_or(|n| n >= 2).then(|| body.clone())
            }
            false => Some(TOKEN.into()),
        });
        run(&[command, &[&node.addr.to_string()]].concat(), b"").done();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| ask(&["ping"], "ping", ""));
        for (command, method, body) in commands {
            for how in ["--at", "--bootstrap"] {
                let ask = &ask;
                scope.spawn(move || ask(&[command, &[how]].concat(), method, body));
            }
        }
    });
}

/// Rules U9 and U29.
#[test]
fn what_was_asked_in_vain_counts_in_the_outcome() {
    for command in [&["ping"][..], &["find-node", ID, "--at"]] {
        let seen = AtomicU32::new(0);
        let body = "5:nodes26:ABCDEFGHIJ0123456789ABCDEF";
        let node = Fake::new(1, move |_| (seen.fetch_add(1, Ordering::Relaxed) >= 2).then(|| body.into()));
        let told = run(&[command, &[&node.addr.to_string(), "--json"]].concat(), b"").done();
        let outcome = &told.objects().pop().unwrap()["outcome"];
        assert_eq!(["queried", "answered", "timed_out"].map(|count| outcome[count].as_u64()), [3, 1, 2].map(Some));
    }
}

/// Rules U25 and U29. Once it has a token, a node may have stored it, and would refuse what is its own answer.
#[test]
fn a_guarded_store_is_sent_once() {
    let folder = Folder::new();
    let secret = folder.with("secret", "09".repeat(32));
    let seen = AtomicU32::new(0);
    let node = Fake::new(1, move |asked| match asked {
        "put" => None,
        _ => (seen.fetch_add(1, Ordering::Relaxed) >= 1).then(|| TOKEN.into()),
    });
    let at = node.addr.to_string();
    let put = ["put", "hello", "--secret", &secret, "--seq", "2", "--cas", "1", "--at", &at];
    let told = run(&put, b"").failed(1, &[&at, "answered", "may be there all the same"]);
    assert_eq!(node.asked.try_iter().collect::<Vec<_>>(), ["get", "get", "put"], "{told:?}");
}

/// Rule U25. It is not known whether the node has it, and that is said.
#[test]
fn a_store_at_one_node_that_is_not_confirmed_is_told_to_be_possible() {
    for command in [&["put", "hello"][..], &["announce", ID, "--port", "7"]] {
        let node = Fake::new(1, |asked| (!["put", "announce_peer"].contains(&asked)).then(|| TOKEN.into()));
        let at = node.addr.to_string();
        let words = [&at, "answered", "may be there all the same"];
        run(&[command, &["--at", &at, "--timeout", "3"]].concat(), b"").failed(1, &words);
    }
}

/// Rule U29. What was sent was lost, and the next question is answered with an error.
#[test]
fn an_error_hides_no_store_that_may_be_there() {
    let is_sent = AtomicBool::new(false);
    let node = Fake::saying(move |method, tid| match (method, is_sent.load(Ordering::Relaxed)) {
        ("put", _) => {
            is_sent.store(true, Ordering::Relaxed);
            None
        }
        (_, true) => Some([b"d1:eli202e4:oopse1:t4:", tid, b"1:y1:ee"].concat()),
        _ => Some([b"d1:rd2:id20:", &[1; 20][..], TOKEN.as_bytes(), b"e1:t4:", tid, b"1:y1:re"].concat()),
    });
    run(&["put", "hello", "--at", &node.addr.to_string()], b"").failed(1, &["oops", "may be there all the same"]);
}

/// Rules U15 and L32. The node names others, whom nobody asks, however long it is waited for.
#[test]
fn who_is_named_by_a_node_that_is_asked_alone_hears_nothing() {
    for command in [&["put", "hello"][..], &["announce", ID, "--port", "7"], &["get", ID]] {
        let named: Vec<_> = (2..10).map(|id| (id, Fake::new(id, |_| Some(TOKEN.into())))).collect();
        let addrs: Vec<_> = named.iter().map(|(id, node)| (*id, node.addr)).collect();
        let answer = [&nodes(&addrs), TOKEN.as_bytes()].concat();
        let node = Fake::new(1, move |asked| (!["put", "announce_peer"].contains(&asked)).then(|| answer.clone()));
        run(&[command, &["--at", &node.addr.to_string(), "--timeout", "3"]].concat(), b"").failed(1, &[]);
        assert!(node.asked.try_recv().is_ok(), "it was asked itself");
        assert!(named.iter().all(|(_, other)| other.asked.try_recv().is_err()), "others were asked: {command:?}");
    }
}

/// Rule K43. A longer token is none that can be used, which is not to say that there was none.
#[test]
fn a_write_token_that_is_too_long_is_not_told_to_be_missing() {
    let node = Fake::new(1, |_| Some(format!("5:token65:{}", "t".repeat(65)).into()));
    let at = node.addr.to_string();
    for how in ["--at", "--bootstrap"] {
        run(&["put", "hello", how, &at], b"").failed(1, &["no write token of at most 64 bytes"]);
    }
}

/// Rule U29. So it is where a network is asked; what nobody was sent is told to be nowhere, though a node is silent.
#[test]
fn a_store_that_no_node_confirms_is_told_to_be_possible_where_one_was_sent() {
    for command in [&["put", "hello"][..], &["announce", ID, "--port", "7"]] {
        let is_store = |asked: &str| ["put", "announce_peer"].contains(&asked);
        let lossy = Fake::new(1, move |asked| (!is_store(asked)).then(|| TOKEN.into()));
        let is_sent = AtomicBool::new(false);
        // It falls silent once it was sent something to store.
        let falls = Fake::new(1, move |asked| {
            (!is_store(asked) && !is_sent.load(Ordering::Relaxed)).then(|| TOKEN.into()).or_else(|| {
                is_sent.store(true, Ordering::Relaxed);
                None
            })
        });
        // Its place is taken by what it was sent, and it gives no token any more.
        let is_full = AtomicBool::new(false);
        let full_since = Fake::new(1, move |asked| match is_store(asked) {
            true => {
                is_full.store(true, Ordering::Relaxed);
                None
            }
            false => Some(if is_full.load(Ordering::Relaxed) { "" } else { TOKEN }.into()),
        });
        let silent = Fake::new(2, |_| None);
        let named = nodes(&[(2, silent.addr)]);
        let full = Fake::new(1, move |_| Some(named.clone()));
        std::thread::scope(|scope| {
            let ask = |node: &Fake, words: &[&str], other: &str| {
                let told = run(&[command, &["--bootstrap", &node.addr.to_string()]].concat(), b"").failed(1, words);
                assert!(!told.err.contains(other), "{told:?}");
            };
            scope.spawn(move || ask(&lossy, &["confirmed", "may hold it all the same"], "no write token"));
            scope.spawn(move || ask(&full_since, &["confirmed", "may hold it all the same"], "nobody stored it"));
            scope.spawn(move || ask(&falls, &["confirmed", "may hold it all the same"], "nobody stored it"));
            scope.spawn(move || ask(&full, &["nobody stored it", "no write token"], "may hold it"));
        });
    }
}

/// Rule U29. One refuses and another is silent; and who gave a token to a search alone was sent nothing.
#[test]
fn a_refusal_hides_no_store_that_may_be_there_and_a_token_alone_is_no_store() {
    let folder = Folder::new();
    let secret = folder.with("secret", "09".repeat(32));
    let silent = Fake::new(2, |asked| (asked != "put").then(|| TOKEN.into()));
    let named = [&nodes(&[(2, silent.addr)]), TOKEN.as_bytes()].concat();
    let refuses = Fake::saying(move |method, tid| {
        Some(match method {
            "put" => [b"d1:eli205e3:bige1:t4:", tid, b"1:y1:ee"].concat(),
            _ => [b"d1:rd2:id20:", &[1; 20][..], &named, b"e1:t4:", tid, b"1:y1:re"].concat(),
        })
    });
    let put = run(&["put", "hello", "--json", "--bootstrap", &refuses.addr.to_string()], b"");
    let words = ["may hold it all the same", "takes no value that large (205)"];
    let failure = put.failed(1, &words).objects().pop().unwrap();
    assert_eq!(failure["outcome"]["unconfirmed"], 1, "{failure}");
    // The search for the number that is next is answered with a token, three times, and then there is none.
    let (silent, asked) = (Fake::new(2, |_| None), AtomicU32::new(0));
    let named = nodes(&[(2, silent.addr)]);
    let fills = Fake::new(1, move |method| {
        let is_searched = method == "get" && asked.fetch_add(1, Ordering::Relaxed) < 3;
        Some([&named, if is_searched { TOKEN } else { "" }.as_bytes()].concat())
    });
    let put = ["put", "hello", "-v", "--secret", &secret, "--bootstrap", &fills.addr.to_string()];
    let told = run(&put, b"").failed(1, &["nobody stored it", "no write token"]).said(&["it is asked again"]);
    assert!(!told.err.contains("may hold it"), "{told:?}");
}

/// Rule U29. Beside a silent node, what was stored or found is neither stored nor asked for again.
#[test]
fn what_came_to_something_is_not_asked_again_though_others_are_silent() {
    let target = Item::immutable_target(b"5:hello").to_string();
    for (command, method, answer) in [
        (&["put", "hello"][..], "put", TOKEN),
        (&["announce", ID, "--port", "7"], "announce_peer", TOKEN),
        (&["get", &target], "get", "1:v5:hello"),
        (&["sample", ID], "sample_infohashes", "3:numi1e7:samples20:abcdefghij0123456789"),
    ] {
        let silent = Fake::new(2, |_| None);
        let named = nodes(&[(2, silent.addr)]);
        let node = Fake::new(1, move |asked| {
            let answer = if asked == "find_node" { "" } else { answer };
            let stores = ["put", "announce_peer"].contains(&asked);
            Some(if stores { Vec::new() } else { [&named, answer.as_bytes()].concat() })
        });
        run(&[command, &["--bootstrap", &node.addr.to_string()]].concat(), b"").done();
        let times = node.asked.try_iter().filter(|asked| *asked == method).count();
        assert_eq!(times, 1, "{command:?}");
    }
}

/// Rule U29. Whom its interval forbids it is not asked again (BEP 51), though it had nothing and others are silent.
#[test]
fn a_node_that_has_nothing_to_sample_is_asked_once_if_it_names_an_interval() {
    for (interval, times) in [(0, 3), (60, 1)] {
        let silent = Fake::new(2, |_| None);
        let named = nodes(&[(2, silent.addr)]);
        let node = Fake::new(1, move |_| {
            Some([format!("8:intervali{interval}e").as_bytes(), &named, b"3:numi0e7:samples0:"].concat())
        });
        run(&["sample", ID, "--bootstrap", &node.addr.to_string()], b"").failed(1, &["no node near"]);
        let asked = node.asked.try_iter().filter(|asked| *asked == "sample_infohashes").count();
        assert_eq!(asked, times, "interval {interval}");
    }
}

/// Rule B8. Whoever gave them no time is told so.
#[test]
fn nodes_that_had_no_time_to_answer_are_not_the_only_cause_that_is_told() {
    let silent = Fake::new(1, |_| None);
    let ask = ["find-node", ID, "--bootstrap", &silent.addr.to_string(), "--timeout", "0.1"];
    run(&ask, b"").failed(1, &["no usable answer", "gave up after 0.1 s", "--timeout gives it more time"]);
}

/// Rule B8. Whoever answers with an error, or with what is no answer, is there, and UDP gets through.
#[test]
fn a_node_that_refuses_is_not_told_to_be_silent() {
    let silent = Fake::new(2, |_| None);
    let silent = silent.addr.to_string();
    for useless in [&b"d1:eli202e2:noe1:t4:tttt1:y1:ee"[..], b"d1:rd2:id2:noe1:t4:tttt1:y1:re"] {
        let useless = useless.to_vec();
        let refuses = Fake::saying(move |_, tid| {
            let at = useless.windows(4).position(|bytes| bytes == b"tttt").unwrap();
            Some([&useless[..at], tid, &useless[at + 4..]].concat())
        });
        let at = refuses.addr.to_string();
        let told = run(&["find-node", ID, "--bootstrap", &at, "--timeout", "2"], b"");
        let told = told.failed(1, &["no usable answer came from", &at, "errors or broken answers came"]);
        assert!(!told.err.contains("UDP"), "{told:?}");
        let told = run(&["ping", &at], b"");
        assert!(told.code == Some(1) && !told.err.contains("did not answer"), "{told:?}");
        // Another one is silent, and which of them sent errors is not told; where there is no time for one whole round,
        // not even that some did, and nobody is told to be silent for that.
        for time in ["6", "1"] {
            let both = ["find-node", ID, "--bootstrap", &at, "--bootstrap", &silent, "--timeout", time];
            let told = run(&both, b"").failed(1, &["no usable answer came from", &at, &silent]);
            assert!(time == "1" || told.err.contains("errors or broken answers came"), "{told:?}");
            assert!(!told.err.contains("not answer") && !told.err.contains("no node answered"), "{told:?}");
        }
    }
    let refuses = Fake::saying(|method, tid| {
        Some(match method {
            "find_node" => [b"d1:rd2:id20:", &[1; 20][..], b"e1:t4:", tid, b"1:y1:re"].concat(),
            _ => [b"d1:eli202e2:noe1:t4:", tid, b"1:y1:ee"].concat(),
        })
    });
    let at = refuses.addr.to_string();
    for command in [&["get", ID][..], &["put", "hello"]] {
        run(&[command, &["--bootstrap", &at]].concat(), b"").failed(1, &["answered, and 1 with an error"]);
    }
}

/// Rule U17.
#[test]
fn of_too_few_copies_it_is_told_whether_others_gave_no_answer() {
    let target = Item::immutable_target(b"5:hello").to_string();
    for (answers, is_told) in [(false, true), (true, false)] {
        let other = Fake::new(2, move |_| answers.then(|| TOKEN.into()));
        let named = nodes(&[(2, other.addr)]);
        let node = Fake::new(1, move |asked| {
            Some([&named, if asked == "get" { "5:token1:t1:v5:hello" } else { "" }.as_bytes()].concat())
        });
        let told = run(&["get", &target, "-n", "2", "--bootstrap", &node.addr.to_string()], b"");
        let told = told.failed(1, &["1 valid copy of ", "-n 2 wants more"]);
        assert_eq!(told.err.contains("others gave no usable answer: ask again"), is_told, "{told:?}");
    }
}

/// Rules U16 and U29. What is newer is told though nobody refused it, wherever the put ends.
#[test]
fn a_newer_version_that_was_seen_is_told_where_nobody_refused() {
    let folder = Folder::new();
    let secret = folder.with("secret", "09".repeat(32));
    let item = Item::mutable(&[9; 32], b"5:newer").seq(7).sign().unwrap();
    let signed = item.mutable();
    let version = [b"1:k32:", &signed.key[..], b"3:seqi7e3:sig64:", signed.signature].concat();
    for (has_token, is_stored) in [(false, false), (true, false), (true, true)] {
        for how in ["--bootstrap", "--at"] {
            let token = if has_token { TOKEN } else { "" };
            let held = [&version[..], token.as_bytes(), b"1:v", item.value()].concat();
            let node = Fake::new(1, move |asked| match asked {
                "get" => Some(held.clone()),
                "put" => is_stored.then(Vec::new),
                _ => Some(Vec::new()),
            });
            let addr = node.addr.to_string();
            let put = ["put", "hello", "--secret", &secret, "--seq", "6", how, &addr];
            let told = run(&put, b"");
            let nobody = if !has_token && how == "--bootstrap" { &["nobody stored it"][..] } else { &[] };
            let told = if is_stored { told.done() } else { told.failed(1, nobody) };
            let words = ["sequence number 7", ": pass --seq 8 to replace it"];
            assert!(words.iter().all(|word| told.err.contains(word)), "{told:?}");
            if is_stored && how == "--bootstrap" {
                run(&[&put[..], &["--require", "2"]].concat(), b"").failed(1, &["--require 2", "sequence number 7"]);
            } else if how == "--bootstrap" && has_token {
                let words = ["gave up after 1 s", "may have stored it", "sequence number 7"];
                run(&[&put[..], &["--timeout", "1"]].concat(), b"").failed(1, &words);
            }
        }
    }
}

/// Rule U29. Others than those that have confirmed.
#[test]
fn of_too_few_confirmations_it_is_told_that_others_may_hold_it() {
    let silent = Fake::new(2, |asked| (asked != "put").then(|| TOKEN.into()));
    let named = [&nodes(&[(2, silent.addr)]), TOKEN.as_bytes()].concat();
    // Who confirms a store names nobody.
    let stores = Fake::new(1, move |asked| Some(if asked == "put" { Vec::new() } else { named.clone() }));
    let put = ["put", "hello", "--require", "2", "--bootstrap", &stores.addr.to_string()];
    run(&put, b"").failed(1, &["1 confirmation counted", "others were sent it", "may hold it all the same"]);
}

/// Rule U15. Who knows its address can send in the name of a node, and does not know what it was asked.
#[test]
fn words_that_answer_no_question_are_not_those_of_the_node() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let tid = buffer[..len].windows(5).position(|part| part == b"1:t4:").unwrap() + 5;
            let genuine = [b"d1:eli202e4:truee1:t4:", &buffer[tid..tid + 4], b"1:y1:ee"].concat();
            let forged = b"d1:eli299e6:FORGEDe1:t4:zzzz1:y1:ee";
            [&forged[..], &genuine, forged].iter().for_each(|error| drop(socket.send_to(error, from)));
        }
    });
    for command in [&["get", ID, "--at"][..], &["put", "hello", "--at"], &["ping"]] {
        let told = run(&[command, &[&at]].concat(), b"").failed(1, &["202", "true"]);
        assert!(!told.err.contains("FORGED"), "{told:?}");
    }
}
