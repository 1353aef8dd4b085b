//! What the user typed wrong: exit code 2, one sentence that names the thing, what is wrong with it and what would be
//! right; and options that mean nothing to a command.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::commands::{ID, World, item, packet};
use crate::folder::Folder;
use crate::process::{run, run_with, words};
use crate::program::{PROGRAM, run_as};

const KEY: &str = "0101010101010101010101010101010101010101010101010101010101010101";

/// It is refused with these words, and the same again as an object.
fn wrong(args: &[&str], say: &[&str]) {
    let plain = run(args, b"");
    assert!(plain.out.is_empty() && plain.err.lines().count() == 1, "{args:?} {plain:?}");
    plain.failed(2, say);
    let run = run(&[&["--json"], args].concat(), b"").failed(2, say);
    let objects = run.objects();
    let [object] = &objects[..] else { panic!("{args:?} {objects:?}") };
    assert_eq!((&object["code"], &object["outcome"]), (&2.into(), &serde_json::Value::Null));
    assert!(say.iter().all(|word| object["error"].as_str().unwrap().contains(word)), "{object}");
}

/// Rules U1 and U2.
#[test]
fn what_is_typed_wrong_is_named_with_what_would_be_right() {
    let long = "s".repeat(65);
    for (args, say) in [
        (&[][..], &["command is missing", "usage:"][..]),
        (&["journal"], &["command is missing", "honeyguide journal"]),
        (&["dance"], &["'dance'", "usage:"]),
        (&["get"], &["TARGET of 40 hex digits", "--key PUBKEY", "--pkarr KEY"]),
        (&["get", "abc"], &["'abc'", "40 hex digits"]),
        (&["get", KEY], &["64 hex digits are a public key", "--key"]),
        (&["get", &"y".repeat(52)], &["pkarr key", "--pkarr"]),
        (&["get", "--key", ID], &["--key", "64 hex digits"]),
        (&["get", "--pkarr", "abc"], &["--pkarr", "52 characters of z-base-32"]),
        (&["get", ID, "--key", KEY], &["--key", "cannot be used with"]),
        (&["get", ID, "--first"], &["--first", "cannot be used with"]),
        (&["get", "--key", KEY, "--newest", "--newer-than", "1"], &["--newest", "cannot be used with"]),
        (&["get", "--key", KEY, "-n", "0"], &["-n", "'0'"]),
        (&["get", "--key", KEY, "-n", "65536"], &["-n", "65536"]),
        (&["get", "--key", KEY, "--newer-than", "-1"], &["'-1'", "--newer-than", "whole number from 0"]),
        (&["get", "--key", KEY, "--salt", &long], &["--salt", "at most 64 bytes, not 65"]),
        (&["get", ID, "--at", "127.0.0.1:1", "--bootstrap", "127.0.0.1:1"], &["--at", "--bootstrap"]),
        (&["get", ID, "-n", "2", "--at", "127.0.0.1:1"], &["-n 2", "127.0.0.1:1", "one copy"]),
        (&["get", ID, "--bencode"], &["--output <FILE>"]),
        (&["put"], &["VALUE", "--file", "--item", "--pkarr"]),
        (&["put", ""], &["empty", "--bencode 0:"]),
        (&["put", "", "--bencode"], &["empty", "--bencode 0:"]),
        (&["put", "--file", "/dev/null"], &["empty"]),
        (&["put", "hello", "--bencode"], &["canonical bencode", "without --bencode"]),
        (&["put", &"x".repeat(1001)], &["1006", "1000", "shorten"]),
        (&["put", "x", "--seq", "1"], &["--seq", "add --secret FILE"]),
        (&["put", "x", "--salt", "s"], &["--salt", "add --secret FILE"]),
        (&["put", "x", "--cas", "1"], &["--cas", "--secret FILE"]),
        (&["put", "x", "--secret", "f", "--seq", "-1"], &["'-1'", "--seq", "whole number from 0"]),
        (&["put", "x", "--secret", "f", "--seq", "9223372036854775808"], &["--seq", "9223372036854775807"]),
        (&["put", "x", "--secret", "f", "--cas", "-1"], &["'-1'", "--cas", "whole number from 0"]),
        (&["put", "x", "--require", "0"], &["--require", "'0'", "from 1 to 40"]),
        (&["put", "x", "--require", "41"], &["--require", "'41'", "from 1 to 40"]),
        (&["put", "x", "--item", "f"], &["--item", "cannot be used with"]),
        (&["put", "--item", "f", "--secret", "f"], &["--secret", "cannot be used with"]),
        (&["put", "--item", "f", "--seq", "5"], &["--seq", "cannot be used with"]),
        (&["put", "--item", "f", "--salt", "s"], &["--salt", "cannot be used with"]),
        (&["put", "--pkarr", "f", "--seq", "5"], &["--seq", "cannot be used with"]),
        (&["put", "--item", "f", "--pkarr", "f"], &["--pkarr", "cannot be used with"]),
        (&["put", "-", "--secret", "-"], &["standard input", "name a file"]),
        (&["announce", ID], &["--port <PORT>", "usage:"]),
        (&["announce", ID, "--port", "0"], &["--port", "from 1 to 65535"]),
        (&["announce", ID, "--port", "-7"], &["'-7'", "--port", "from 1 to 65535"]),
        (&["scrape", ID, "--bootstrap", "127.0.0.1"], &["\"127.0.0.1\"", "port", "host:port"]),
        (&["node", "--bootstrap", "[2001:db8::1%eth0]:6881"], &["[2001:db8::1%eth0]:6881", "leave out %eth0"]),
        (&["announce", ID, "--port", "+80"], &["'+80'", "--port"]),
        (&["put", "x", "--at", "127.0.0.1:1", "--require", "2"], &["--require 2", "127.0.0.1:1", "one copy"]),
        (&["demo", "--nodes", "4", "--bootstrap", "127.0.0.1:1"], &["--nodes", "--bootstrap"]),
        (&["demo", "--network", "public"], &["--bootstrap"]),
        (&["testnet", "--nodes", "0"], &["--nodes", "from 1 to 10000"]),
        (&["testnet", "--nodes", "10001"], &["--nodes", "from 1 to 10000"]),
        (&["testnet", "--port", "65536"], &["--port", "65536"]),
        (&["node", "--journal", "f", "--state", "./f"], &["--journal f", "one file", "name two"]),
        (&["keygen", "f", "--seed", "1"], &["--seed", "--insecure"]),
        (&["keygen", "f", "--insecure"], &["--insecure", "--seed"]),
        (&["replay", "f", "--until", "-1"], &["'-1'", "--until"]),
        (&["replay", "f", "--explain", "x"], &["'x'", "--explain"]),
        (&["journal", "shrink", "f", "g"], &["CHECK", "usage:"]),
        (&["inspect", "--id", "12"], &["--id", "40 hex digits"]),
        (&["inspect", "--salt", &long], &["--salt", "64 bytes"]),
        (&["reconcile", "a"], &["<B>"]),
        (&["reconcile", "a", "b", "--frame", "1"], &["4096"]),
        (&["reconcile", "a", "b", "--frame", "-1"], &["'-1'", "--frame"]),
        (&["sim", "dance"], &["'dance'", "acceptance", "circuit"]),
        (&["sim", "bootstrap", "--seeds", "-1..3"], &["'-1..3'", "--seeds", "in 1..4"]),
        (&["node", "--frugal", "--adaptive"], &["--frugal", "--adaptive", "cannot be used with"]),
        (&["sim", "swarm", "--nodes", "200"], &["--nodes", "swarm"]),
        (&["sim", "acceptance", "--nodes", "99"], &["'99'", "--nodes", "from 100 to 20000"]),
        (&["sim", "acceptance", "--seeds", "4..1"], &["'4..1'", "--seeds", "1..4"]),
        (&["sim", "acceptance", "--seeds", "x"], &["'x'", "--seeds", "1..4"]),
        (&["sim", "--seeds", "1..4"], &["<SCENARIO>", "usage:"]),
        (&["completions", "dos"], &["'dos'", "bash"]),
        (&["man"], &["<FOLDER>"]),
        (&["pubkey"], &["<FILE>"]),
        (&["pubkey", "f", "-q", "-v"], &["--quiet", "cannot be used with"]),
    ] {
        wrong(args, say);
    }
}

/// Rules U1 and U2.
#[test]
fn an_address_that_is_none_of_a_node_is_named_with_what_would_be_right() {
    for (args, say) in [
        (&["find-node", &"zz".repeat(20)][..], &["40 hex digits"][..]),
        (&["sample", ID, "--bootstrap", "host:65536"], &["\"host:65536\"", "host:port"]),
        (&["peers", ID, "--at", "nowhere"], &["\"nowhere\"", "host:port"]),
        (&["peers", ID, "--at", "224.0.0.1:1"], &["224.0.0.1:1", "no address of a node"]),
        (&["peers", ID, "--network", "moon"], &["'moon'", "public, local"]),
        (&["peers", ID, "--network", "local"], &["--bootstrap"]),
        (&["peers", ID, "--timeout", "0"], &["--timeout", "above 0 and at most 1000000000"]),
        (&["peers", ID, "--timeout", "-1"], &["'-1'", "--timeout", "above 0"]),
        (&["peers", ID, "--seed", "-1"], &["'-1'", "--seed"]),
        (&["ping"], &["<ADDR>"]),
        (&["ping", "[fe80::1%eth0]:6881"], &["\"[fe80::1%eth0]:6881\"", "link-local", "--bind"]),
        (&["ping", "[fe80::1%2]:6881"], &["\"[fe80::1%2]:6881\"", "link-local", "--bind"]),
        (&["ping", "fe80::1%eth0:6881"], &["\"fe80::1%eth0:6881\"", "link-local", "--bind"]),
        (&["ping", "[fe80::1]:6881"], &["[fe80::1]:6881", "link-local", "--bind"]),
        (&["find-node", ID, "--bootstrap", "[fe80::1%eth0]:6881"], &["[fe80::1%eth0]:6881", "link-local", "--bind"]),
        (&["peers", ID, "--at", "[fe80::1]:1", "--network", "local"], &["[fe80::1]:1", "link-local", "--bind"]),
        (&["node", "--bind", "[fe80::1%nowhere]:0"], &["[fe80::1%nowhere]:0", "interface", "nowhere"]),
        (&["node", "--bind", "[fe80::1]:0"], &["--bind [fe80::1]:0", "link-local", "--network local"]),
        (&["node", "--bind", "127.0.0.1:0", "169.254.9.9:0", "--network", "public"], &["169.254.9.9:0", "link-local"]),
        (&["ping", "127.0.0.1:+80"], &["127.0.0.1:+80", "no valid port"]),
        (&["ping", "256.1.1.1:80"], &["256.1.1.1:80", "not an address"]),
        (&["ping", "a b:80"], &["a b:80", "not an address"]),
        (&["peers", ID, "--at", " 127.0.0.1:80"], &[" 127.0.0.1:80", "not an address"]),
        (&["ping", "127.0.0.1"], &["\"127.0.0.1\"", "port"]),
        (&["ping", "0.0.0.0:1"], &["0.0.0.0:1", "no address of a node"]),
        (&["ping", "[ff02::1]:1"], &["[ff02::1]:1", "no address of a node"]),
        (&["node", "--bind", "224.0.0.1:0", "--network", "local"], &["--bind 224.0.0.1:0", "many hosts"]),
        (&["node", "--bind", "127.0.0.1:0", "[ff05::1]:0"], &["--bind [ff05::1]:0", "many hosts"]),
        (&["node", "--bind", "255.255.255.255:0"], &["--bind 255.255.255.255:0", "many hosts"]),
        (&["node", "--bind", "a:b"], &["--bind", "address:port"]),
        (&["node", "--bind", "127.0.0.1"], &["--bind", "port"]),
    ] {
        wrong(args, say);
    }
}

/// Rule U2. Where a file is made or read twice, `-` is none.
#[test]
fn a_dash_is_never_a_file() {
    for (args, say) in [
        (&["keygen", "-"][..], &["'-'", "<FILE>", "name a file", "./-"][..]),
        (&["replay", "-"], &["'-'", "FILE", "name a file"]),
        (&["journal", "scrub", "-", "out"], &["'-'", "<FILE>", "name a file"]),
        (&["journal", "scrub", "f", "-"], &["'-'", "<OUT>", "name a file"]),
        (&["journal", "shrink", "-", "out", "--", "false"], &["'-'", "<FILE>", "name a file"]),
        (&["journal", "shrink", "f", "-", "--", "false"], &["'-'", "<OUT>", "name a file"]),
        (&["node", "--state", "-"], &["'-'", "--state <FILE>", "name a file"]),
        (&["node", "--journal", "-"], &["'-'", "--journal <FILE>", "name a file"]),
        (&["man", "-"], &["'-'", "<FOLDER>", "name a file"]),
        (&["reconcile", "-", "-"], &["standard input", "name a file for one"]),
    ] {
        wrong(args, say);
    }
}

/// Rule U2. What is in a file that holds the value was typed as well as a value is.
#[test]
fn an_item_or_a_packet_that_nobody_may_store_is_wrong_usage() {
    let folder = Folder::new();
    let changed = item(1).replace("\"seq\":1", "\"seq\":2");
    for (item, say) in [
        ("", &["one JSON object"][..]),
        ("{}", &["has no k"]),
        (&item(1).replace("sig", "signature"), &["has no sig"]),
        (&changed, &["signature does not fit", "changed"]),
        (&item(1).replace("\"seq\":1", "\"seq\":-1"), &["sequence number is -1"]),
        (&item(1).replace("353a68656c6c6f", "zz"), &["v_hex that is not hex"]),
    ] {
        let file = folder.with("item", item);
        wrong(&["put", "--item", &file], say);
    }
    let good = packet(7);
    let longest = [&good[..], &vec![0; 1104 - good.len()]].concat();
    for (bytes, say) in [
        (vec![0; 20_000_000], &["20000000 bytes", "1104"][..]),
        (vec![], &["0 bytes", "from 104 to 1104"]),
        (good[..103].to_vec(), &["103 bytes", "from 104 to 1104"]),
        ([&longest[..], b"x"].concat(), &["1105 bytes", "from 104 to 1104"]),
        (longest, &["signature does not fit"]),
        ([&good[..96], &[255; 8], &good[104..]].concat(), &["18446744073709551615", "highest sequence number"]),
    ] {
        let file = folder.with("packet", bytes);
        wrong(&["put", "--pkarr", &file], say);
    }
}

/// Rule U2.
#[test]
fn a_file_that_is_too_long_is_told_with_its_true_length() {
    let folder = Folder::new();
    let file = folder.with("file", vec![b'x'; 20_000_000]);
    for args in [&["put", "--file", &file][..], &["put", "--bencode", "--file", &file], &["put", "--item", &file]] {
        wrong(args, &[&file, "20000000 bytes"]);
    }
    wrong(&["put", "--file", "/dev/zero"], &["/dev/zero", "more than 65536 bytes"]);
    let file = folder.with("file", vec![b'x'; 1006]);
    wrong(&["put", "--file", &file], &["1011 bytes", "1000"]);
    run(&["pubkey", &folder.with("file", vec![b'0'; 66_000])], b"").failed(1, &["66000 bytes", "65"]);
    run_with("", &["put", "-"], &[b'x'; 70_000]).failed(2, &["standard input", "more than 65536 bytes"]);
}

/// Rule U3.
#[test]
fn an_option_that_means_nothing_to_a_command_is_wrong_usage() {
    let world = World::new();
    let networked = ["node", "find-node", "announce", "peers", "scrape", "sample", "put", "get", "demo"];
    let asking = ["find-node", "announce", "peers", "scrape", "sample", "put", "get"];
    let random = ["testnet", "journal scrub", "ping", "keygen", "reconcile"];
    for case in world.successes() {
        let name = case.name();
        for (option, value, is_meant) in [
            ("--bootstrap", "127.0.0.1:1", networked.contains(&name)),
            ("--network", "local", networked.contains(&name) || name == "ping"),
            ("--seed", "1", networked.contains(&name) || random.contains(&name)),
            ("--at", "127.0.0.1:1", asking.contains(&name)),
            ("--secret", "f", name == "put"),
            ("--state", "f", name == "node"),
        ] {
            if is_meant {
                continue;
            }
            let args = case.args();
            let mut args = words(&args);
            args.splice(name.split(' ').count()..name.split(' ').count(), [option, value]);
            wrong(&args, &[option, "usage:"]);
        }
        // Help of what it does not know says nothing of it either.
        let help = run(&[&name.split(' ').collect::<Vec<_>>()[..], &["--help"]].concat(), b"").done().out;
        assert_eq!(help.contains("--bootstrap <"), networked.contains(&name), "{help}");
        assert!(["--json", "--timeout", "--verbose", "--quiet"].iter().all(|option| help.contains(option)), "{help}");
        let examples: Vec<_> = help.lines().skip_while(|line| *line != "Examples:").skip(1).collect();
        assert_eq!(examples.len(), 2, "{help}");
    }
}

/// Rule U2. Also behind `--`, where all is a value.
#[test]
fn what_is_no_text_is_named_wherever_it_stands() {
    for args in [
        &["put", "WRONG"][..],
        &["put", "--", "WRONG"],
        &["put", "--bootstrap", "127.0.0.1:1", "--", "WRONG"],
        &["get", "--", "WRONG"],
        &["--json", "ping", "--", "WRONG"],
        &["journal", "shrink", "f", "g", "--timeout", "WRONG", "--", "true"],
    ] {
        let args = args.iter().map(|word| if *word == "WRONG" { OsStr::from_bytes(b"\xff") } else { word.as_ref() });
        run_as(Command::new(PROGRAM).args(args), b"").failed(2, &["honeyguide: \"\\xFF\" is not UTF-8"]);
    }
}

/// Rule U2. What is behind `--` is looked at by nobody, or by another program.
#[test]
fn no_argument_is_longer_than_the_limit_up_to_two_hyphens() {
    let (longest, longer) = ("x".repeat(4096), "x".repeat(4097));
    run(&["get", &longest], b"").failed(2, &["40 hex digits"]);
    run(&["get", &longer], b"").failed(2, &["4097 bytes", "4096"]);
    run(&["get", "--", &longer], b"").failed(2, &["40 hex digits"]);
    run(&["journal", "shrink", "/none/f", "/none/g", "--", "true", &longer], b"").failed(1, &["/none/"]);
}
