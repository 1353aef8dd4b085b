//! Every place of every command with what does not belong there: it ends by itself or when its time is up, with one
//! sentence that names what is wrong.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::commands::{ID, World};
use crate::folder::Folder;
use crate::program::PROGRAM;

/// Where `FILE` stands for a name of a file, and `VALUE` for anything else; `NEW` is a file that can be made.
const PLACES: [&str; 54] = [
    "replay FILE",
    "replay JOURNAL --until VALUE",
    "replay JOURNAL --explain VALUE",
    "journal scrub FILE NEW",
    "journal scrub JOURNAL NEW --seed VALUE",
    "journal shrink FILE NEW -- false",
    "journal shrink JOURNAL NEW -- FILE",
    "journal shrink JOURNAL FILE -- false",
    "node --bind VALUE",
    "node --bind 127.0.0.1:0 --bootstrap VALUE",
    "node --bind 127.0.0.1:0 --bootstrap NOBODY --state FILE",
    "node --bind 127.0.0.1:0 --bootstrap NOBODY --journal FILE",
    "node --bind 127.0.0.1:0 --bootstrap NOBODY --keep FILE",
    "ping VALUE",
    "ping NOBODY --seed VALUE",
    "ping NOBODY --network VALUE",
    "find-node VALUE --bootstrap NOBODY",
    "find-node ID --at VALUE",
    "find-node ID --bootstrap VALUE",
    "announce VALUE --port 1 --bootstrap NOBODY",
    "announce ID --bootstrap NOBODY --port VALUE",
    "peers VALUE --bootstrap NOBODY",
    "scrape VALUE --bootstrap NOBODY",
    "sample VALUE --bootstrap NOBODY",
    "put --file FILE --bootstrap NOBODY",
    "put --bencode --file FILE --bootstrap NOBODY",
    "put --item FILE --bootstrap NOBODY",
    "put --pkarr FILE --bootstrap NOBODY",
    "put x --secret FILE --bootstrap NOBODY",
    "put x --secret SECRET --bootstrap NOBODY --seq VALUE",
    "put x --secret SECRET --bootstrap NOBODY --cas VALUE",
    "put x --bootstrap NOBODY --require VALUE",
    "get VALUE --bootstrap NOBODY",
    "get --key VALUE --bootstrap NOBODY",
    "get --pkarr VALUE --bootstrap NOBODY",
    "get --key KEY --bootstrap NOBODY --newer-than VALUE",
    "get ID --bootstrap NOBODY -n VALUE",
    "get ID --bootstrap NOBODY --output FILE",
    "pubkey FILE",
    "inspect --id VALUE",
    "inspect --target VALUE",
    "reconcile FILE A",
    "reconcile A FILE",
    "reconcile A A --frame VALUE",
    "sim VALUE",
    "sim acceptance --nodes VALUE",
    "sim swarm --seeds VALUE",
    "sim acceptance --report FILE",
    "completions VALUE",
    "demo --nodes VALUE",
    "demo --bootstrap VALUE",
    "testnet --nodes VALUE",
    "testnet --nodes 2 --port VALUE",
    "VALUE",
];
/// Some seem to be regular files and keep their reader.
const FILES: [&[u8]; 9] =
    [b"", b"/", b"PIPE", b"/dev/zero", b"/proc/self/mem", b"/proc/kmsg", b"/none/a\nb", b"/none/\xff", &[b'y'; 300]];
const VALUES: [&[u8]; 9] =
    [b"", b"-1", b"184467440737095516160", b"\xff", b"a\nb", "\u{202e}".as_bytes(), b"1e99", b"=", b":"];
/// Places that are tried at a time.
const AT_ONCE: usize = 6;

struct Ended {
    code: Option<i32>,
    said: String,
    took: Duration,
}

fn run(args: &[OsString]) -> Ended {
    let begun = Instant::now();
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "20", PROGRAM]).args(args).stdin(Stdio::null());
    let output = command.output().unwrap();
    Ended { code: output.status.code(), said: String::from_utf8(output.stderr).unwrap(), took: begun.elapsed() }
}

/// Rules U1, U2 and U5. Most wait until their time is up: several do at once.
#[test]
fn nothing_that_is_typed_in_any_place_hangs_panics_or_is_not_named() {
    let world = World::new();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..AT_ONCE {
            let (folder, nobody, next) = (&world.folder, &world.nobody, &next);
            // What one makes is not in the way of another, nor is one at the other end of another's pipe.
            let (pipe, new) =
                (world.folder.pipe(&format!("pipe-{number}")), world.folder.file(&format!("new-{number}")));
            scope.spawn(move || {
                while let Some(place) = PLACES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    everything_wrong_at(place, folder, nobody, [&pipe, &new]);
                }
            });
        }
    });
}

/// With names of a pipe and of a file that can be made.
fn everything_wrong_at(place: &str, folder: &Folder, nobody: &str, [pipe, new]: [&str; 2]) {
    let (long, at) = ([b'z'; 5000], |name: &str| folder.file(name));
    let wrong = if place.contains("FILE") { FILES.to_vec() } else { [&VALUES[..], &[&long]].concat() };
    for wrong in wrong {
        let wrong = if wrong == b"PIPE" { pipe.as_bytes() } else { wrong };
        let arg = |word: &str| match word {
            "FILE" | "VALUE" => OsStr::from_bytes(wrong).to_owned(),
            "NEW" => new.into(),
            "JOURNAL" => at("journal").into(),
            "SECRET" => at("secret").into(),
            "A" => at("a").into(),
            "NOBODY" => nobody.into(),
            "ID" => ID.into(),
            "KEY" => "01".repeat(32).into(),
            word => word.into(),
        };
        let args: Vec<_> = ["--timeout", "0.3"].into_iter().chain(place.split(' ')).map(arg).collect();
        let Ended { code, said, took } = run(&args);
        assert!(matches!(code, Some(1 | 2)) || place.contains("-- FILE"), "{args:?}: {code:?} {said}");
        assert!(took < Duration::from_secs(3), "{args:?}: {took:?} {said}");
        let option = place.split(' ').take_while(|word| !["FILE", "VALUE"].contains(word)).last();
        is_named(wrong, option.unwrap_or_default(), &said);
    }
}

/// The last line is a sentence with the option, or with what was typed.
fn is_named(wrong: &[u8], option: &str, said: &str) {
    let last = said.lines().last().unwrap_or_default();
    let sentence = last.strip_prefix("honeyguide: ").filter(|_| last.len() < 2000).expect(said);
    let shown =
        String::from_utf8_lossy(&wrong[..wrong.len().min(20)]).replace('\n', "\\u{a}").replace('\u{202e}', "\\u{202e}");
    let is_named = match &*shown {
        // Every sentence has these somewhere.
        "" | ":" | "=" => has_word(sentence, &shown),
        // Whoever waits for a pipe waits until the time is up.
        _ => sentence.contains(&shown) || sentence.contains("gave up after 0.3 s") || sentence.contains("xFF"),
    };
    let is_option = option.starts_with('-') && option != "--" && sentence.contains(option);
    assert!(is_named || is_option, "{wrong:?}, {option:?}: {said}");
}

/// In quotes, or by itself. Of what is empty the place is told.
fn has_word(sentence: &str, shown: &str) -> bool {
    let quoted = [format!("'{shown}'"), format!("\"{shown}\"")];
    let mut words = sentence.split(' ').flat_map(|word| [Some(word), word.strip_suffix(':')]).flatten();
    quoted.iter().any(|quoted| sentence.contains(quoted))
        || words.any(|word| !word.is_empty() && word == shown)
        || shown.is_empty() && ["for '<", "for '["].iter().any(|place| sentence.contains(place))
}

#[test]
fn a_word_of_one_character_is_not_found_in_what_every_sentence_has() {
    assert!(!has_word("it takes a port: write it as address:port", ":") && !has_word("a value is required", ""));
    assert!(has_word("the journal : cannot be read", ":") && has_word("it cannot be read from :: check", ":"));
    assert!(has_word("'' is no number", "") && has_word("a value is required for '<FILE>'", ""));
}
