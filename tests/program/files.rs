//! Files: pipes, folders, file systems that are full or read-only.

use std::fs;
use std::process::Command;

use crate::commands::World;
use crate::folder::Folder;
use crate::process::{run, words};
use crate::program::PROGRAM;

/// A file system of a test's own.
struct Disk(Folder);

impl Disk {
    fn new(kib: u32) -> Disk {
        let folder = Folder::new();
        let disk = Disk(folder);
        let mounted = disk.sh(&format!("mount -t tmpfs -o size={kib}k,mode=700 honeyguide-test \"$0\""));
        assert!(mounted, "this test mounts a tmpfs of its own, and has to run where it may do that, as root does");
        disk
    }

    fn sh(&self, script: &str) -> bool {
        Command::new("sh").args(["-c", script]).arg(self.0.path()).status().unwrap().success()
    }

    fn fill(&self) {
        // It ends when there is no place any more.
        self.sh("head -c 1048576 /dev/zero > \"$0/filling\" 2>/dev/null");
    }

    fn make_read_only(&self) {
        assert!(self.sh("mount -o remount,ro \"$0\""));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.sh("umount -l \"$0\"");
    }
}

/// Commands that write a file, with the place where it goes.
const WRITERS: [&str; 6] = [
    "keygen NEW",
    "node --bind 127.0.0.1:0 --timeout 1 --state NEW",
    "node --bind 127.0.0.1:0 --timeout 1 --journal NEW",
    "journal scrub JOURNAL NEW",
    "journal shrink JOURNAL NEW -- false",
    "man NEW",
];

fn args(typed: &str, journal: &str, new: &str) -> Vec<String> {
    typed.replace("JOURNAL", journal).replace("NEW", new).split(' ').map(String::from).collect()
}

/// Rules U1, U2 and U14.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_of_the_system_is_a_failure_with_the_reason() {
    let folder = Folder::new();
    let program = folder.file("honeyguide");
    fs::copy(PROGRAM, &program).unwrap();
    let made = folder.path().join("made");
    fs::create_dir(&made).unwrap();
    let in_shell = |script: &str| {
        let output = Command::new("sh").args(["-c", script, &program]).current_dir(&made).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for command in ["keygen key", "man pages", "man a/b", "node --bind 127.0.0.1:0 --timeout 1 --state s"] {
        fs::create_dir_all(made.join("pages")).unwrap();
        let (code, said) = in_shell(&format!("ulimit -f 0; exec \"$0\" {command}"));
        assert!(code == Some(1) && said.contains("larger than files may be"), "{command}: {code:?} {said}");
    }
    let left: Vec<_> = fs::read_dir(&made).unwrap().chain(fs::read_dir(made.join("pages")).unwrap()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    for files in 5..12 {
        for command in [
            "keygen key",
            "inspect",
            "man pages",
            "put hello --bootstrap 127.0.0.1:1 --timeout 0.1",
            "ping 127.0.0.1:1 --timeout 0.1",
            "testnet --timeout 0.1",
        ] {
            let (code, said) = in_shell(&format!("exec prlimit --nofile={files} \"$0\" {command} < /dev/null"));
            let is_plain = ["panicked", "os error", "uncategorized", "Too many open files"]
                .iter()
                .all(|word| !said.contains(word));
            assert!(matches!(code, Some(0 | 1)) && is_plain, "{files} files, {command}: {code:?} {said}");
            let _ = fs::remove_file(made.join("key"));
        }
    }
    // Limits of processes do not hold for root.
    Command::new("chmod").args(["-R", "a+rx"]).arg(folder.path()).status().unwrap();
    let limited = "exec setpriv --reuid 65534 --clear-groups prlimit --nproc=1 \"$0\"";
    for command in ["pubkey key", "reconcile a b", "testnet --nodes 2", "put hello", "man pages", "node --state s"] {
        let (code, said) = in_shell(&format!("{limited} {command}"));
        assert!(code == Some(1) && said.contains("the system gives no thread"), "{command}: {code:?} {said}");
        assert!(!said.contains("panicked"), "{command}: {said}");
    }
}

/// Rules U14 and U22. A folder needs no place, and is not left empty.
#[test]
fn on_a_full_file_system_nothing_is_half_written_and_the_reason_is_told() {
    let world = World::new();
    let journal = world.folder.file("journal");
    for typed in WRITERS {
        let disk = Disk::new(64);
        disk.fill();
        let new = disk.0.file("new");
        run(&words(&args(typed, &journal, &new)), b"").failed(1, &["new", "the disk is full"]);
        let left: Vec<_> = disk.0.names().into_iter().filter(|name| name != "filling").collect();
        assert!(left.is_empty(), "{typed}: {left:?}");
        fs::remove_file(disk.0.file("filling")).unwrap();
        let is_short = typed.contains("keygen");
        if is_short {
            run(&words(&args(typed, &journal, &new)), b"").done();
        }
    }
}

/// Rule U32. The worlds would take minutes.
#[test]
fn a_full_disk_is_found_out_before_worlds_are_run() {
    let disk = Disk::new(64);
    disk.fill();
    let dir = disk.0.file("report");
    let args = ["sim", "acceptance", "--nodes", "20000", "--timeout", "20", "--report", &dir];
    run(&args, b"").failed(1, &["report.html", "the disk is full"]);
    assert_eq!(disk.0.names(), ["filling"]);
}

/// Rule U14.
#[test]
fn on_a_read_only_file_system_the_reason_is_told_and_what_is_there_is_read() {
    let world = World::new();
    let journal = world.folder.file("journal");
    let disk = Disk::new(1024);
    for name in ["journal", "secret", "a", "b"] {
        fs::copy(world.folder.file(name), disk.0.file(name)).unwrap();
    }
    disk.make_read_only();
    for typed in WRITERS {
        let run = run(&words(&args(typed, &journal, &disk.0.file("new"))), b"");
        run.failed(1, &["new", "read-only", "name a place on another"]);
    }
    run(&["replay", &disk.0.file("journal")], b"").done();
    run(&["pubkey", &disk.0.file("secret")], b"").done();
    run(&["reconcile", &disk.0.file("a"), &disk.0.file("b")], b"").done();
}

/// Rules U2 and U14.
#[test]
fn what_is_no_file_is_named_with_what_it_is() {
    let world = World::new();
    let (folder, missing) = (world.folder.file(""), world.folder.file("missing"));
    let (journal, below) = (world.folder.file("journal"), world.folder.file("secret/below"));
    let pipe = world.folder.pipe("pipe");
    for (path, say) in [(&folder, "folder"), (&missing, "no such file"), (&below, "no folder")] {
        for typed in [
            "replay PATH",
            "journal scrub PATH NEW",
            "journal shrink PATH NEW -- false",
            "put --file PATH",
            "put --item PATH",
            "put --pkarr PATH",
            "put x --secret PATH",
            "pubkey PATH",
            "reconcile PATH PATH",
        ] {
            let args = args(&typed.replace("PATH", path), "", &world.folder.file("new"));
            run(&words(&args), b"").failed(1, &[path.as_str(), say]);
        }
    }
    // What is there is left alone, whatever it is.
    for there in [&folder, &pipe, &journal] {
        let there = there.trim_end_matches('/');
        for typed in WRITERS.iter().filter(|typed| !typed.starts_with("man") && !typed.contains("--state")) {
            run(&words(&args(typed, &journal, there)), b"").failed(1, &[there]);
        }
    }
    run(&["node", "--bind", "127.0.0.1:0", "--state", &pipe], b"").failed(1, &[&pipe, "not a regular file"]);
    run(&["man", &pipe], b"").failed(1, &[&pipe, "exists"]);
}

/// Rule U2.
#[test]
fn a_file_with_a_public_key_or_something_else_is_no_secret_and_is_not_repeated() {
    let folder = Folder::new();
    for (content, say) in [
        ("{\"public_key\":\"0101\"}", "holds a public key"),
        ("npub1abcdef", "holds a public key"),
        ("ssh-ed25519 AAAA", "holds a public key"),
        ("0123456789abcdef", "64 hex digits"),
        ("", "64 hex digits"),
    ] {
        let file = folder.with("file", content);
        for args in [&["pubkey", &file][..], &["put", "x", "--secret", &file]] {
            let run = run(args, b"").failed(1, &[&file, say, "keygen"]);
            assert!(content.is_empty() || !run.err.contains(content), "{run:?}");
        }
    }
}
