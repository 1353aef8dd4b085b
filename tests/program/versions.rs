//! Two values that their owner signed with one sequence number.

use honeyguide::krpc::{Item, SignedItem};

use crate::fake::{Fake, TOKEN, nodes};
use crate::folder::Folder;
use crate::process::run;
use crate::program::Running;

const SECRET: [u8; 32] = [9; 32];

/// What a node says that holds this value.
fn holding(value: &[u8], seq: i64, secret: &[u8; 32]) -> (Vec<u8>, Vec<u8>) {
    let item = Item::mutable(secret, value).salt(b"s").seq(seq).sign().unwrap();
    let key = [b"1:k32:", &SignedItem::public_key(&SECRET)[..]].concat();
    let signed = [format!("3:seqi{seq}e3:sig64:").as_bytes(), &item.mutable().signature[..]].concat();
    (key, [&signed, &b"5:token1:t1:v"[..], value].concat())
}

/// A network of two nodes, of which the first tells the second, and what `get --key` says.
fn get(first: (Vec<u8>, Vec<u8>), second: (Vec<u8>, Vec<u8>), more: &[&str]) -> crate::program::Run {
    let held = |method, (key, rest): &(Vec<u8>, Vec<u8>), nodes: &[u8]| match method {
        "get" => Some([&key[..], nodes, rest].concat()),
        _ => Some([nodes, b"5:token1:t"].concat()),
    };
    let second = Fake::new(2, move |method| held(method, &second, b""));
    let named = nodes(&[(2, second.addr)]);
    let first = Fake::new(1, move |method| held(method, &first, &named));
    let (key, at) = (hex::encode(SignedItem::public_key(&SECRET)), first.addr.to_string());
    run(&[&["get", "--key", &key, "--salt", "s", "--bootstrap", &at], more].concat(), b"")
}

/// Rule U24. Whichever is heard first.
#[test]
fn two_values_of_one_sequence_number_are_told_and_which_is_shown() {
    let (small, large) = (holding(b"3:aaa", 7, &SECRET), holding(b"3:bbb", 7, &SECRET));
    for (first, second) in [(&small, &large), (&large, &small)] {
        let told = get(first.clone(), second.clone(), &[]).done();
        assert_eq!(told.out, "bbb\n");
        let words = ["warning", "two values", "sequence number 7", "both are signed", "the larger", "--seq 8"];
        assert!(words.iter().all(|word| told.err.contains(word)), "{told:?}");
        let told = get(first.clone(), second.clone(), &["--json"]).done();
        assert!(told.err.contains("two values") && told.objects().len() == 1, "{told:?}");
        // All are compared, however few copies are wanted.
        let told = get(first.clone(), second.clone(), &["--newest", "-n", "1"]).done();
        assert!(told.out == "bbb\n" && told.err.contains("the larger"), "{told:?}");
    }
}

/// Rule U17. Enough copies of an older version are no end, whichever is heard first.
#[test]
fn who_wants_the_newest_in_so_many_copies_gets_no_older_one() {
    let (old, new) = (holding(b"3:old", 6, &SECRET), holding(b"3:new", 7, &SECRET));
    for (first, second) in [(&old, &new), (&new, &old)] {
        let newest = |n| get(first.clone(), second.clone(), &["--newest", "-n", n]);
        assert_eq!(newest("1").done().out, "new\n");
        assert_eq!(newest("2").failed(1, &["1 valid copy of ", "-n 2 wants more"]).out, "new\n");
    }
}

/// Rule U17. More than the eight nearest are asked for it.
#[test]
fn the_newest_is_looked_for_in_more_copies_than_the_nearest_have() {
    let holder = |id, named: Vec<u8>| {
        let (key, rest) = holding(b"3:new", 7, &SECRET);
        let fake = Fake::new(id, move |method| match method {
            "get" => Some([&key[..], &named, &rest].concat()),
            _ => Some([&named[..], TOKEN.as_bytes()].concat()),
        });
        (id, fake)
    };
    let addrs = |fakes: &[(u8, Fake)]| nodes(&fakes.iter().map(|(id, fake)| (*id, fake.addr)).collect::<Vec<_>>());
    // Of no answer more than eight names are followed.
    let far: Vec<_> = (8..13).map(|id| holder(id, Vec::new())).collect();
    let near: Vec<_> = (2..8).map(|id| holder(id, addrs(&far))).collect();
    let (_, first) = holder(1, addrs(&near));
    let (key, at) = (hex::encode(SignedItem::public_key(&SECRET)), first.addr.to_string());
    run(&["get", "--key", &key, "--salt", "s", "--bootstrap", &at, "--newest", "-n", "12"], b"").done();
    run(&["get", "--key", &key, "--salt", "s", "--bootstrap", &at, "-n", "12"], b"").done();
}

/// Rule U24.
#[test]
fn no_other_version_and_no_forgery_makes_two_values_of_one_sequence_number() {
    let (good, other) = (holding(b"3:bbb", 7, &SECRET), [8; 32]);
    for second in [holding(b"3:bbb", 7, &SECRET), holding(b"3:aaa", 6, &SECRET), holding(b"3:aaa", 7, &other)] {
        let told = get(good.clone(), second, &[]).done();
        assert_eq!((told.out.as_str(), told.err.as_str()), ("bbb\n", ""));
    }
}

/// Rule U16. A node that knows nothing of the newer version stores the older one, which nobody finds.
#[test]
fn a_put_that_is_older_than_what_is_held_is_told_to_be_found_by_nobody() {
    let folder = Folder::new();
    let secret = folder.with("secret", hex::encode(SECRET));
    for (seq, is_older) in [("6", true), ("7", false), ("8", false)] {
        let empty = Fake::new(2, |_| Some(TOKEN.into()));
        let (named, (key, rest)) = (nodes(&[(2, empty.addr)]), holding(b"3:bbb", 7, &SECRET));
        let holder = Fake::saying(move |method, tid| {
            let body = match method {
                "put" if is_older => return Some([b"d1:eli302e5:oldere1:t4:", tid, b"1:y1:ee"].concat()),
                "get" => [&key[..], &named, &rest].concat(),
                _ => [&named[..], TOKEN.as_bytes()].concat(),
            };
            Some([b"d1:rd2:id20:", &[1; 20][..], &body, b"e1:t4:", tid, b"1:y1:re"].concat())
        });
        let at = holder.addr.to_string();
        let put = ["put", "bbb", "--secret", &secret, "--salt", "s", "--seq", seq, "--bootstrap", &at];
        let told = run(&put, b"").done();
        let words = ["a newer version was seen", "sequence number 7", "finds that one", "pass --seq 8"];
        assert!(words.iter().all(|word| told.err.contains(word) == is_older), "{told:?}");
    }
}

/// Rules U16 and U25. A store of an older version that is interrupted, and one that is refused for its length beside a
/// node that never answers: neither hides the newer version.
#[test]
fn a_newer_version_that_was_seen_is_told_whatever_else_there_is_to_say() {
    let folder = Folder::new();
    let secret = folder.with("secret", hex::encode(SECRET));
    let (key, rest) = holding(b"5:newer", 7, &SECRET);
    let put = ["put", "hello", "--secret", &secret, "--salt", "s", "--seq", "6"];
    let newer = "sequence number 7";
    // Stored by one, and another one never says.
    let silent = Fake::new(2, |asked| (asked != "put").then(|| TOKEN.into()));
    let named = [&key[..], &nodes(&[(2, silent.addr)]), &rest].concat();
    let stores = Fake::new(1, move |asked| Some(if asked == "put" { Vec::new() } else { named.clone() }));
    let at = stores.addr.to_string();
    let mut running = Running::start(&[&put[..], &["--bootstrap", &at, "-vv"]].concat());
    silent.wait_for("put");
    let asked = running.word_with(&format!("to {at}: query put"));
    running.word_with(&format!("from {at}: response, {}", asked.split(", ").nth(1).unwrap()));
    running.end_by("INT").ended(1, &["interrupted", "has stored it already", newer, "--seq 8"]);
    // Refused for its length by all, or by one of two until it is interrupted.
    let held = [key, rest].concat();
    let refuses = Fake::saying(move |method, tid| {
        Some(match method {
            "put" => [b"d1:eli205e3:bige1:t4:", tid, b"1:y1:ee"].concat(),
            _ => [b"d1:rd2:id20:", &[1; 20][..], &held, b"e1:t4:", tid, b"1:y1:re"].concat(),
        })
    });
    let at = refuses.addr.to_string();
    for how in ["--bootstrap", "--at"] {
        let told = run(&[&put[..], &[how, &at]].concat(), b"").failed(1, &[newer, "; shorten the value to 1000 bytes"]);
        assert!(told.err.contains(": pass --seq 8 to replace it; shorten"), "{told:?}");
    }
    let refused_and_silent = nodes(&[(2, silent.addr), (1, refuses.addr)]);
    let first = Fake::new(3, move |_| Some(refused_and_silent.clone()));
    let network = ["--bootstrap", &first.addr.to_string(), "-vv"];
    let mut running = Running::start(&[&put[..], &network].concat());
    silent.wait_for("put");
    running.word_with(&format!("from {at}: error"));
    running.end_by("INT").ended(1, &["interrupted", newer, "--seq 8"]);
}
