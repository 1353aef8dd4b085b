//! Texts of strangers on their way to a terminal.

use std::net::UdpSocket;
use std::process::Command;

use crate::commands::World;
use crate::folder::Folder;
use crate::process::run;
use crate::program::{PROGRAM, Running};

/// Turns a line around, clears the screen, and hides.
const STEERING: &str = "a\u{202e}b\u{1b}[2J\u{9b}31m\u{2066}\u{200f}\u{feff}\u{e0041}c";

fn is_harmless(text: &str) -> bool {
    let steers = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{2066}\u{200f}\u{feff}\u{e0041}".contains(c);
    !text.chars().any(steers)
}

/// Rule U12.
#[test]
fn a_value_that_would_steer_the_terminal_is_shown_in_hex_and_spelled_in_objects() {
    let world = World::new();
    let put = run(&["put", STEERING, "--bootstrap", &world.network, "--json"], b"").done().objects().remove(0);
    let target = put["target"].as_str().unwrap();
    let plain = run(&["get", target, "--bootstrap", &world.network], b"").done().out;
    assert!(plain.trim_end().chars().all(|c| c.is_ascii_hexdigit()), "{plain}");
    let json = run(&["get", target, "--bootstrap", &world.network, "--json"], b"").done();
    assert!(is_harmless(&json.out) && json.out.contains("\\u202e") && json.out.contains("\\u009b"), "{json:?}");
    assert_eq!(json.objects()[0]["text"], STEERING);
}

/// Rule U12.
#[test]
fn an_error_message_and_a_method_of_strangers_are_spelled() {
    let text = STEERING.as_bytes();
    let string = |bytes: &[u8]| [format!("{}:", bytes.len()).as_bytes(), bytes].concat();
    let error = [&b"d1:eli201e"[..], &string(text), b"e1:t2:aa1:y1:ee"].concat();
    let query = [&b"d1:ad2:id20:abcdefghij01234567896:target20:abcdefghij0123456789e1:q"[..], &string(text)].concat();
    let query = [&query[..], b"1:t2:aa1:y1:qe"].concat();
    let input = format!("{}\n{}\n", hex::encode(error), hex::encode(query));
    for args in [&["inspect"][..], &["inspect", "--json"]] {
        let run = run(args, input.as_bytes()).done();
        assert!(is_harmless(&run.out), "{run:?}");
        assert_eq!((&run.objects()[0]["message"], &run.objects()[1]["method"]), (&STEERING.into(), &STEERING.into()));
    }
}

/// Rule U12. A method of a stranger makes no line of its own, and no error message does.
#[test]
fn datagrams_of_strangers_are_told_in_a_line_each() {
    let forged = format!("x\nhoneyguide: all is lost\r{STEERING}");
    let string = |bytes: &[u8]| [format!("{}:", bytes.len()).as_bytes(), bytes].concat();
    let query =
        [&b"d1:ad2:id20:abcdefghij01234567896:target20:abcdefghij0123456789e1:q"[..], &string(forged.as_bytes())];
    let query = [&query.concat()[..], b"1:t2:aa1:y1:qe"].concat();
    let mut running = Command::new(PROGRAM);
    running.args(["node", "--bind", "127.0.0.1:0", "--network", "local", "-vv", "--timeout", "60"]);
    let mut running = Running::piped(&mut running);
    let addr = running.line().split(' ').nth(2).unwrap().to_string();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let own = stranger.local_addr().unwrap();
    for datagram in [&query[..], b"x", &[b"d1:eli201e", &string(forged.as_bytes())[..], b"e1:t2:aa1:y1:ee"].concat()] {
        stranger.send_to(datagram, &addr).unwrap();
    }
    for words in
        ["query x\\u{a}honeyguide: all is lost\\u{d}a\\u{202e}b", "no message: ", "error 201 \"x\\u{a}honeyguide: "]
    {
        let mut line = running.word();
        while line.contains(" to ") {
            line = running.word();
        }
        assert!(line.contains(&format!("from {own}: {words}")) && is_harmless(&line), "{line}");
    }
    let answer = stranger.recv(&mut [0; 1500]).unwrap();
    assert!(answer > 0 && running.end_by("INT").err.lines().all(|line| !line.contains("all is lost")));
}

/// Rule U12. A name of a file or a host may be a stranger's as well.
#[test]
fn sentences_about_what_was_typed_spell_it_too() {
    let file = format!("/nonexistent/{STEERING}");
    for args in
        [&["replay", &file][..], &["get", STEERING], &["ping", STEERING], &[STEERING], &["reconcile", &file, "b"]]
    {
        let run = run(args, b"");
        assert!(matches!(run.code, Some(1 | 2)) && is_harmless(&run.err), "{run:?}");
    }
}

/// Rules U2 and U12. The end of a line in a name would begin one that we never said.
#[test]
fn a_name_of_a_file_stays_on_its_line() {
    let folder = Folder::new();
    let name = folder.file("one\nhoneyguide: all is well");
    for args in
        [&["replay", &name][..], &["journal", "scrub", &name, "f"], &["reconcile", &name, "b"], &["pubkey", &name]]
    {
        let run = run(args, b"");
        assert!(run.code == Some(1) && run.err.lines().count() == 1 && run.err.contains("one\\u{a}"), "{run:?}");
    }
    let pages = run(&["man", &name], b"").done();
    assert!(pages.out.lines().all(|line| line.contains("one\\u{a}") && line.ends_with(".1")), "{pages:?}");
}

/// Rule U13.
#[test]
fn inspect_takes_blanks_around_a_line() {
    let ping = hex::encode("d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe");
    let input = format!("  {ping}\n{ping}\t \r\n \t\n{ping} {ping}\n");
    let run = run(&["inspect", "--json"], input.as_bytes()).failed(1, &["1 of 4"]);
    let verdicts: Vec<_> = run.objects().iter().map(|line| line["verdict"].as_str().map(String::from)).collect();
    let expected = [Some("query"), Some("query"), Some("drop"), Some("bad_input"), None];
    assert_eq!(verdicts, expected.map(|verdict| verdict.map(String::from)));
}
