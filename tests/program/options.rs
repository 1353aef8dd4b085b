//! Options: how much is said, how many copies are wanted, packets of pkarr, what packagers need.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use honeyguide::krpc::{Decoded, decode};

use crate::commands::{ID, World, packet};
use crate::folder::Folder;
use crate::process::{run, run_with};
use crate::program::PROGRAM;

/// Rule U8.
#[test]
fn as_much_is_said_as_is_asked_for() {
    let world = World::new();
    let said = |more: &[&str]| {
        let args = [&["put", "hello", "--bootstrap", &world.network], more].concat();
        run(&args, b"").done().err
    };
    // Six nodes hold it, which is worth a word.
    assert_eq!(said(&[]).lines().count(), 1);
    assert_eq!(said(&["-q"]), "");
    let steps = said(&["-v"]);
    assert!(steps.contains(" s joined the network") && steps.contains("it took ") && !steps.contains("tid"), "{steps}");
    assert!(said(&["-vv"]).contains(": query put, tid "));
    // Why it failed is said all the same.
    run(&["get", ID, "--bootstrap", &world.network, "-q"], b"").failed(1, &["no node returned"]);
    for case in world.successes() {
        for volume in ["-q", "-v", "-vv"] {
            let args = case.args();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let run = run(&[&[volume], &args[..]].concat(), &case.input).done();
            assert!(volume != "-q" || run.err.is_empty(), "{run:?}");
            assert!(volume == "-q" || run.err.contains("it took"), "{run:?}");
            // Who makes no datagrams has a node.
            assert_eq!(volume == "-vv" && case.has_node(), run.err.lines().any(is_datagram), "{run:?}");
            assert!(run.err.lines().all(|line| is_datagram(line) || !line.contains("tid")), "{run:?}");
        }
    }
}

/// `honeyguide: 0.012 s 127.0.0.1:40112 to 127.0.0.1:6881: query ping, tid 6161, 56 bytes`
fn is_datagram(line: &str) -> bool {
    let words: Vec<_> = line.split(' ').collect();
    let ["honeyguide:", time, "s", own, "to" | "from", addr, .., "tid", tid, bytes, "bytes"] = words[..] else {
        return false;
    };
    let (addr, tid) = (addr.trim_end_matches(':'), tid.trim_end_matches(','));
    let is_number = time.parse::<f64>().is_ok() && bytes.parse::<u16>().is_ok();
    is_number
        && [own, addr].iter().all(|addr| addr.parse::<SocketAddr>().is_ok())
        && hex::decode(tid).is_ok_and(|tid| !tid.is_empty())
}

/// Rule U8.
#[test]
fn a_datagram_is_told_as_it_went_over_the_wire() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = silent.local_addr().unwrap();
    for typed in [format!("ping {addr} -vv"), format!("node --bind 127.0.0.1:0 --bootstrap {addr} -vv")] {
        let args: Vec<_> = typed.split(' ').chain(["--timeout", "1"]).collect();
        let said = run(&args, b"").failed(1, &[]).err;
        silent.set_nonblocking(true).unwrap();
        let (mut datagram, mut seen) = ([0; 1500], 0);
        while let Ok(len) = silent.recv(&mut datagram) {
            let (method, tid) = match decode(&datagram[..len]) {
                Ok(Decoded::Query(query)) => {
                    (std::str::from_utf8(query.method.name()).unwrap(), hex::encode(query.tid))
                }
                other => panic!("{other:?}"),
            };
            seen += 1;
            assert!(said.contains(&format!(" to {addr}: query {method}, tid {tid}, {len} bytes\n")), "{said}");
        }
        assert_eq!((said.lines().filter(|line| is_datagram(line)).count(), seen > 0), (seen, true), "{said}");
    }
}

/// Rules U16 and U17.
#[test]
fn so_many_copies_as_are_asked_for_are_had_or_it_is_a_failure() {
    let world = World::new();
    let (network, secret) = (world.network.as_str(), world.folder.file("secret"));
    let put = |more: &[&str]| {
        run(&[&["put", "x", "--secret", &secret, "--bootstrap", network, "--json"], more].concat(), b"")
    };
    let first = put(&["--require", "6"]).done().objects().remove(0);
    let failed = put(&["--require", "7"]).failed(1, &["6 confirmations count", "--require 7"]).objects();
    assert_eq!((&failed[0]["stored"], &failed[1]["outcome"]["stored"]["counted"]), (&6.into(), &6.into()));
    let get = |more: &[&str]| {
        let key = first["k"].as_str().unwrap();
        run(&[&["get", "--key", key, "--bootstrap", network, "--json"], more].concat(), b"")
    };
    for how in ["--newest", "--first"] {
        assert!(get(&["-n", "6", how]).done().objects()[0]["copies"].as_u64() >= Some(6));
    }
    let few = get(&["-n", "7"]).failed(1, &["6 valid copies of ", "-n 7 wants more"]).objects();
    assert_eq!((&few[0]["copies"], &few[1]["code"]), (&6.into(), &1.into()));
    assert_eq!(get(&["--newer-than", "1"]).done().objects()[0]["seq"], 2);
    get(&["--newer-than", "2"]).failed(1, &["newer than 2"]);
    assert_eq!(get(&["--newer-than", "0", "-n", "2"]).done().objects()[0]["seq"], 2);
}

/// Rule U27.
#[test]
fn a_value_comes_back_byte_for_byte_as_it_was_put() {
    let world = World::new();
    let (network, folder) = (world.network.as_str(), Folder::new());
    let put = |more: &[&str]| {
        let args = [&["put", "--bootstrap", network, "--json"], more].concat();
        run(&args, b"").done().objects()[0]["target"].as_str().unwrap().to_string()
    };
    let (raw, list) = (b"\0\xff\n5:\x1b[2J".as_slice(), b"l1:ai5ee".as_slice());
    let bytes = put(&["--file", &folder.with("raw", raw)]);
    let other = put(&["--bencode", "--file", &folder.with("list", list)]);
    let stored = [format!("{}:", raw.len()).as_bytes(), raw].concat();
    for (target, more, expected) in
        [(&bytes, &[][..], raw), (&bytes, &["--bencode"], &stored), (&other, &["--bencode"], list)]
    {
        let new = folder.file("new");
        let to = |place| [&["get", target, "--bootstrap", network, "--output", place], more].concat();
        let told = run(&to(&new), b"").done().out;
        assert!(told.contains(&new) && told.contains(&format!("{} bytes", expected.len())), "{told}");
        assert_eq!(fs::read(&new).unwrap(), expected);
        // It is not overwritten, and nobody is asked for what would not be written.
        run(&to(&new), b"").failed(1, &[&new, "exists"]);
        assert_eq!(fs::read(&new).unwrap(), expected);
        fs::remove_file(&new).unwrap();
        let object = run(&[&to(&new)[..], &["--json"]].concat(), b"").done().objects().remove(0);
        assert_eq!((fs::read(&new).unwrap().as_slice(), object["copies"].is_u64()), (expected, true));
        fs::remove_file(&new).unwrap();
        let piped = Command::new(PROGRAM).args(to("-")).output().unwrap();
        assert_eq!((piped.stdout.as_slice(), piped.status.code()), (expected, Some(0)));
        run_with(">/dev/full", &to("-"), b"").failed(1, &["the disk is full"]);
        run_with("1</dev/null", &to("-"), b"").failed(1, &["not open for that"]);
        run_with("| true", &to("-"), b"").done();
    }
    run(&["get", &bytes, "-o", "-", "--json"], b"").failed(2, &["--json", "--output -", "standard output"]);
    let args = ["get", &other, "--bootstrap", network, "-o", &folder.file("new")];
    run(&args, b"").failed(1, &["no byte string", "--bencode"]);
    assert!(!folder.names().contains(&"new".to_string()));
}

/// Rule U26.
#[test]
fn one_is_told_in_the_singular_and_more_in_the_plural() {
    let world = World::new();
    let (network, folder) = (world.network.as_str(), Folder::new());
    for (value, words) in [("x", "1 byte is in "), ("xy", "2 bytes are in ")] {
        let put = run(&["put", value, "--bootstrap", network, "--json"], b"").done().objects().remove(0);
        let get = ["get", put["target"].as_str().unwrap(), "--bootstrap", network, "--output", &folder.file(value)];
        let told = run(&get, b"").done().out;
        assert!(told.lines().any(|line| line.starts_with(words)), "{told}");
    }
    let line = |byte: &str| format!("1,{}\n", byte.repeat(32));
    for (repeated, words) in [
        (1, "1 of 2 entries stands there before, and counts once"),
        (2, "2 of 3 entries stand there before, and count once"),
    ] {
        let file = folder.with("entries", line("ab").repeat(repeated + 1));
        run(&["reconcile", &file, "/dev/null"], b"").done().said(&[words]);
    }
}

/// Rules U19 to U21.
#[test]
fn a_packet_of_pkarr_is_stored_and_found_by_its_key() {
    let world = World::new();
    let (network, file) = (world.network.as_str(), world.folder.file("packet"));
    let put = run(&["put", "--pkarr", &file, "--bootstrap", network, "--json"], b"").done().objects().remove(0);
    assert_eq!((&put["seq"], &put["salt"]), (&1_000_000.into(), &serde_json::Value::Null));
    let key = z_base_32(&hex::decode(put["k"].as_str().unwrap()).unwrap());
    for key in [key.clone(), format!("pk:{key}")] {
        let got = run(&["get", "--pkarr", &key, "--bootstrap", network, "--json"], b"").done().objects().remove(0);
        assert_eq!((&got["target"], &got["seq"], &got["k"]), (&put["target"], &put["seq"], &put["k"]));
        assert_eq!(got["v_hex"].as_str().unwrap(), hex::encode([&b"12:"[..], &packet(0)[104..]].concat()));
    }
    // The same packet again is no failure, an older one is, and says which is held.
    run(&["put", "--pkarr", "-", "--bootstrap", network], &packet(1_000_000)).done();
    run(&["put", "--pkarr", "-", "--bootstrap", network], &packet(999_999)).failed(1, &["newer", "signed", "1000001"]);
}

fn z_base_32(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let alphabet = b"ybndrfg8ejkmcpqxot1uwisza345h769";
    let digit = |five: &[u8]| {
        let five = format!("{:0<5}", std::str::from_utf8(five).unwrap());
        char::from(alphabet[usize::from_str_radix(&five, 2).unwrap()])
    };
    bits.as_bytes().chunks(5).map(digit).collect()
}

/// Rule U22.
#[test]
fn packagers_get_completions_and_the_manual() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell], b"").done().out;
        assert!(script.contains("honeyguide") && script.contains("find-node"), "{shell}");
        let object = run(&["completions", shell, "--json"], b"").done().objects().remove(0);
        assert_eq!((object["shell"].as_str(), object["script"].as_str()), (Some(shell), Some(script.as_str())));
    }
    let folder = Folder::new();
    let pages = folder.file("a/b");
    let listed = run(&["man", &pages], b"").done().out;
    assert_eq!(listed.lines().count(), 24, "one for each command, and the program's own: {listed}");
    for page in listed.lines() {
        let text = fs::read_to_string(page).unwrap();
        assert!(text.contains(".SH NAME") && text.contains("Examples:"), "{page}");
        assert_eq!(fs::metadata(page).unwrap().permissions().mode() & 0o777, 0o644);
    }
    assert!(fs::exists(format!("{pages}/honeyguide-journal-scrub.1")).unwrap());
}

/// Rule U22.
#[test]
fn pages_of_ours_are_replaced_and_nothing_else_is() {
    let folder = Folder::new();
    let pages = folder.file("pages");
    let listed = run(&["man", &pages], b"").done().out;
    let content = || listed.lines().map(|page| fs::read(page).unwrap()).collect::<Vec<_>>();
    let (first, page) = (content(), format!("{pages}/honeyguide-get.1"));
    // One of an older program, one behind a link, one that is missing.
    fs::write(&page, format!("{}old", String::from_utf8_lossy(&fs::read(&page).unwrap()))).unwrap();
    let moved = folder.file("moved");
    fs::rename(format!("{pages}/honeyguide-put.1"), &moved).unwrap();
    std::os::unix::fs::symlink("../moved", format!("{pages}/honeyguide-put.1")).unwrap();
    fs::remove_file(format!("{pages}/honeyguide-man.1")).unwrap();
    assert_eq!(run(&["man", &pages], b"").done().out, listed);
    assert!(content() == first && fs::symlink_metadata(format!("{pages}/honeyguide-put.1")).unwrap().is_symlink());
    // What another has written stays, and so does all the rest.
    fs::write(format!("{pages}/honeyguide-sample.1"), "another's").unwrap();
    fs::remove_file(&page).unwrap();
    run(&["man", &pages], b"").failed(1, &["honeyguide-sample.1", "exists", "left as it is"]);
    assert_eq!(fs::read(format!("{pages}/honeyguide-sample.1")).unwrap(), b"another's");
    assert!(!fs::exists(&page).unwrap());
    assert_eq!(fs::read_dir(&pages).unwrap().count(), listed.lines().count() - 1, "nothing is left beside them");
}

/// Rules B3 and B13. A port that somebody has is no family that is missing.
#[test]
fn a_name_to_bind_whose_port_is_taken_is_refused_for_the_port() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let bind = format!("localhost:{}", taken.local_addr().unwrap().port());
    run(&["node", "--bind", &bind], b"").failed(1, &["--bind", &bind, "in use"]);
    // A name without an address is told with what its resolver said, and with no port that nobody typed.
    let said = ["--bind nowhere.invalid:0: \"nowhere.invalid\" could not be resolved: "];
    run(&["node", "--bind", "nowhere.invalid:0"], b"").failed(2, &said);
    // An interface that is not there is told with what would be right.
    let bind = ["node", "--network", "local", "--bind", "[fe80::1%999999]:0"];
    run(&bind, b"").failed(1, &["[fe80::1%999999]:0", "no such interface", "name one"]);
}
