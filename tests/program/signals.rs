//! Signals at each stage of a command: whatever it waits for, it ends within a tenth of a second.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::commands::{ID, World};
use crate::eventually::eventually;
use crate::folder::Folder;
use crate::namespace;
use crate::program::{PROGRAM, Running};

/// The rule's tenth of a second, and what a machine may need that does other things besides.
const PROMPT: Duration = Duration::from_millis(100 + 900);
const SIGNALS: [&str; 3] = ["INT", "TERM", "HUP"];

/// What is measured on a machine that is otherwise idle stands in `spec/program.md`.
fn prompt(what: &str, running: Running, signal: &str, code: i32) {
    let (took, ended) = running.end(signal);
    println!("{what} {signal}: {:.1} ms", took.as_secs_f64() * 1e3);
    assert!(took < PROMPT, "{what} after {signal}: {took:?}");
    assert_eq!(ended, Some(code), "{what} after {signal}");
}

/// Rule U5.
#[test]
fn a_signal_ends_a_command_that_joins() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = silent.local_addr().unwrap().to_string();
    let ask = ["--bootstrap", &nobody];
    for (command, code) in [
        (&["demo"][..], 1),
        (&["node", "--bind", "127.0.0.1:0"], 0),
        (&["find-node", ID], 1),
        (&["peers", ID], 1),
        (&["announce", ID, "--port", "1"], 1),
        (&["scrape", ID], 1),
        (&["sample", ID], 1),
        (&["get", ID], 1),
        (&["put", "x"], 1),
    ] {
        for signal in SIGNALS {
            let running = Running::of(&mut Running::command(&[command, &ask].concat()));
            silent.recv_from(&mut [0; 1500]).unwrap();
            prompt(&format!("joining: {}", command[0]), running, signal, code);
            drain(&silent);
        }
    }
    for command in [&["ping", &nobody][..], &["get", ID, "--at", &nobody]] {
        for signal in SIGNALS {
            let running = Running::of(&mut Running::command(command));
            silent.recv_from(&mut [0; 1500]).unwrap();
            prompt(&format!("asking: {}", command[0]), running, signal, 1);
            drain(&silent);
        }
    }
}

fn drain(socket: &UdpSocket) {
    socket.set_nonblocking(true).unwrap();
    while socket.recv_from(&mut [0; 1500]).is_ok() {}
    socket.set_nonblocking(false).unwrap();
}

/// Rule U5. A name service that never answers.
#[test]
fn a_signal_ends_a_command_that_resolves_a_name() {
    if !namespace::is_inside("signals::a_signal_ends_a_command_that_resolves_a_name") {
        return;
    }
    let folder = Folder::new();
    let (hosts, resolv) =
        (folder.with("hosts", ""), folder.with("resolv", "nameserver 127.0.0.1\noptions timeout:9\n"));
    namespace::run("ip link set lo up");
    namespace::run(&format!("mount --bind {hosts} /etc/hosts && mount --bind {resolv} /etc/resolv.conf"));
    let silent = UdpSocket::bind("127.0.0.1:53").unwrap();
    let name = "router.test:1";
    for (command, code) in [
        (&["demo", "--bootstrap", name][..], 1),
        (&["node", "--bind", "own.test:0"], 1),
        (&["node", "--bind", "127.0.0.1:0", "--bootstrap", name], 0),
        (&["ping", name], 1),
        (&["find-node", ID, "--bootstrap", name], 1),
        (&["peers", ID, "--bootstrap", name], 1),
        (&["announce", ID, "--port", "1", "--at", name], 1),
        (&["scrape", ID, "--bootstrap", name], 1),
        (&["sample", ID, "--at", name], 1),
        (&["get", ID, "--at", name], 1),
        (&["put", "x", "--bootstrap", name], 1),
    ] {
        for signal in SIGNALS {
            let running = Running::of(&mut Running::command(command));
            silent.recv_from(&mut [0; 1500]).unwrap();
            prompt(&format!("resolving: {}", command[0]), running, signal, code);
            drain(&silent);
        }
    }
}

/// Rule U5. Nobody opens the pipe on the other side, or somebody does and writes nothing.
#[test]
fn a_signal_ends_a_command_that_waits_for_a_pipe() {
    let (world, folder) = (World::new(), Folder::new());
    let (pipe, a) = (folder.pipe("pipe"), world.folder.file("a"));
    let out = folder.file("out");
    for command in [
        &["replay", &pipe][..],
        &["journal", "scrub", &pipe, &out],
        &["put", "--file", &pipe],
        &["put", "--item", &pipe],
        &["put", "--pkarr", &pipe],
        &["put", "x", "--secret", &pipe],
        &["pubkey", &pipe],
        &["reconcile", &pipe, &a],
        &["reconcile", &a, &pipe],
    ] {
        for signal in SIGNALS {
            let running = Running::of(&mut Running::command(command));
            running.wait_until_it_waits();
            prompt(&format!("opening a pipe: {}", command[0]), running, signal, 1);
            let running = Running::of(&mut Running::command(command));
            let writer = open_to_write(&pipe);
            running.wait_until_it_waits();
            prompt(&format!("reading a pipe: {}", command[0]), running, signal, 1);
            drop(writer);
        }
    }
    // The time limit stands before the check, which may have one like it.
    let shrink = ["journal", "shrink", &pipe, &out, "--timeout", "600", "--", "true"];
    for signal in SIGNALS {
        let running = Running::of(&mut with_streams(&shrink));
        running.wait_until_it_waits();
        prompt("opening a pipe: journal shrink", running, signal, 1);
    }
    assert!(!fs::exists(&out).unwrap(), "nothing was made");
}

fn with_streams(args: &[&str]) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP,INT,TERM", PROGRAM]).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Waits until somebody reads.
fn open_to_write(pipe: &str) -> fs::File {
    const NONBLOCK: i32 = 0o4000;
    loop {
        match OpenOptions::new().write(true).custom_flags(NONBLOCK).open(pipe) {
            Ok(file) => return file,
            Err(error) => assert_eq!(error.raw_os_error(), Some(6), "ENXIO: there is no reader yet"),
        }
        std::thread::yield_now();
    }
}

/// Rule U5.
#[test]
fn a_signal_ends_a_command_that_reads_standard_input() {
    for command in [
        &["inspect"][..],
        &["negentropy-harness"],
        &["put", "-"],
        &["put", "--file", "-"],
        &["put", "x", "--secret", "-"],
        &["put", "--item", "-"],
        &["put", "--pkarr", "-"],
        &["pubkey", "-"],
    ] {
        for signal in SIGNALS {
            let mut typed = Running::command(command);
            let (reader, writer) = io::pipe().unwrap();
            let running = Running::of(typed.stdin(reader));
            running.wait_until_it_waits();
            prompt(&format!("standard input: {}", command[0]), running, signal, 1);
            drop(writer);
        }
    }
}

/// Rule U5.
#[test]
fn a_signal_ends_a_command_that_runs() {
    let world = World::new();
    let (journal, folder) = (world.folder.file("journal"), Folder::new());
    let at = |name: &str| folder.file(name);
    for signal in SIGNALS {
        let (state, run, short) = (at("state"), at(&format!("run-{signal}")), at(&format!("short-{signal}")));
        for (command, code) in [
            (&["testnet", "--nodes", "50"][..], 0),
            (&["node", "--bind", "127.0.0.1:0", "--state", &state, "--journal", &run], 0),
        ] {
            let mut running = Running::of(Running::command(command).stdout(Stdio::piped()));
            assert!(!running.line().is_empty());
            prompt(&format!("running: {}", command[0]), running, signal, code);
        }
        let shrink = ["journal", "shrink", &journal, &short, "--", "sleep", "600"];
        let running = Running::of(&mut with_streams(&shrink));
        // The check runs.
        while fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .all(|file| !file.file_name().into_string().unwrap().starts_with(".honeyguide-"))
        {
            std::thread::yield_now();
        }
        prompt("running: journal shrink", running, signal, 1);
    }
    // Whatever it was busy with, an interruption left nothing behind.
    assert!(folder.names().iter().all(|name| !name.starts_with(".honeyguide-")), "{:?}", folder.names());
}

/// Rules U5 and U22.
#[test]
fn a_signal_leaves_all_pages_of_the_manual_or_none() {
    let undisturbed = Folder::new();
    let pages = undisturbed.file("pages");
    assert!(Running::command(&["man", &pages]).output().unwrap().status.success());
    let all = fs::read_dir(&pages).unwrap().count();
    assert!(all > 20, "{all}");
    for signal in SIGNALS.into_iter().cycle().take(12) {
        let folder = Folder::new();
        let pages = folder.file("pages");
        let running = Running::of(&mut Running::command(&["man", &pages]));
        while !fs::exists(&pages).unwrap() {
            std::thread::yield_now();
        }
        let (took, code) = running.end(signal);
        assert!(took < PROMPT, "{took:?}");
        let names: Option<Vec<_>> = fs::read_dir(&pages).ok().map(|pages| pages.map(|page| page.unwrap()).collect());
        assert_eq!(names.as_ref().map(Vec::len), (code == Some(0)).then_some(all), "{code:?} {names:?}");
    }
}

/// Rule U5. The reader of standard output or of standard error reads nothing and stays.
#[test]
fn a_signal_ends_a_command_whose_output_nobody_reads() {
    let world = World::new();
    let (silent, network) = (UdpSocket::bind("127.0.0.1:0").unwrap(), world.network.as_str());
    let nobody = silent.local_addr().unwrap().to_string();
    let folder = Folder::new();
    let (journal, a, b) = (world.folder.file("journal"), world.folder.file("a"), world.folder.file("b"));
    for signal in SIGNALS {
        for command in [
            &["demo", "--nodes", "4"][..],
            &["testnet", "--nodes", "2"],
            &["node", "--bind", "127.0.0.1:0"],
            &["replay", &journal],
            &["ping", network],
            &["find-node", ID, "--bootstrap", network],
            &["peers", ID, "--bootstrap", network],
            &["put", "x", "--bootstrap", network],
            &["get", ID, "--bootstrap", &nobody, "--json"],
            &["pubkey", &world.folder.file("secret")],
            &["keygen", &folder.file(signal)],
            &["reconcile", &a, &b],
            &["completions", "bash"],
        ] {
            let (reader, writer) = full_pipe();
            let running = Running::of(Running::command(command).stdout(writer.try_clone().unwrap()).stderr(writer));
            running.wait_until_it_waits();
            let (took, code) = running.end(signal);
            println!("unread: {} {signal}: {:.1} ms", command[0], took.as_secs_f64() * 1e3);
            assert!(took < PROMPT, "{command:?} after {signal}: {took:?}");
            assert!(matches!(code, Some(0 | 1)), "{command:?} after {signal}: {code:?}");
            drop(reader);
        }
        assert!(!fs::exists(folder.file(signal)).unwrap(), "a key that nobody was told of is not kept");
    }
}

/// Rule U5. A node whose output nobody reads still saves what it has.
#[test]
fn a_node_that_nobody_reads_still_ends_in_order() {
    let (world, folder) = (World::new(), Folder::new());
    let (state, journal) = (folder.file("state"), folder.file("journal"));
    let node = ["node", "--bind", "127.0.0.1:0", "--state", &state, "--journal", &journal];
    let node = [&node[..], &["--bootstrap", &world.network]].concat();
    let (_reader, writer) = pipe_with_place_for(FIRST_LINE);
    let running = Running::of(Running::command(&node).stdout(writer));
    eventually(|| writes(running.child.id(), 1));
    // A save in the same tick of the file system's clock as the one before would not be told from it.
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options().write(true).open(&state).unwrap().set_modified(long_ago).unwrap();
    let (took, _) = running.end("TERM");
    assert!(took < PROMPT, "{took:?}");
    assert!(fs::metadata(&state).unwrap().modified().unwrap() > long_ago, "it saved its state at the end");
    let replayed = crate::process::run(&["replay", &journal], b"").done();
    assert!(!replayed.err.contains("has no end"), "{replayed:?}");
}

/// Rule U5. The same for what a node tells of each datagram.
#[test]
fn a_node_whose_datagrams_nobody_reads_still_ends_in_order() {
    let (world, folder) = (World::new(), Folder::new());
    for signal in SIGNALS {
        let state = folder.file(signal);
        let node = ["node", "--bind", "127.0.0.1:0", "--state", &state, "--bootstrap", &world.network, "-vv"];
        let (_reader, writer) = full_pipe();
        let mut running = Running::of(Running::command(&node).stderr(writer).stdout(Stdio::piped()));
        let addr = running.line().split(' ').nth(2).unwrap().to_string();
        let stranger = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let flood = stranger();
        // More lines than are kept for a reader, and the node answers all the same.
        for _ in 0..100 {
            (0..64).for_each(|_| drop(flood.send_to(b"x", &addr)));
            let asker = stranger();
            asker.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            asker.send_to(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", &addr).unwrap();
            assert!(asker.recv(&mut [0; 1500]).unwrap() > 0);
        }
        let before = fs::metadata(&state).unwrap().modified().unwrap();
        let (took, code) = running.end(signal);
        assert!(took < PROMPT && matches!(code, Some(0 | 1)), "{took:?} {code:?}");
        assert!(fs::metadata(&state).unwrap().modified().unwrap() > before, "it saved its state at the end");
    }
}

/// Rule U5. A terminal on which the user has pressed Ctrl-S, while the progress is drawn.
#[test]
fn a_signal_ends_a_command_whose_terminal_is_stopped() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = Folder::new();
    let pid = folder.file("pid");
    let program = format!("env --default-signal=HUP,INT,TERM {PROGRAM}");
    let find = format!("{program} find-node {ID} --bootstrap {} --timeout 600", silent.local_addr().unwrap());
    let script = format!("echo $$ > {pid}.new && mv {pid}.new {pid} && exec {find}");
    for signal in SIGNALS {
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &script, "/dev/null"]);
        terminal.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut terminal = terminal.spawn().expect("`script` of util-linux makes a terminal");
        silent.recv_from(&mut [0; 1500]).unwrap();
        let mut keys = terminal.stdin.take().unwrap();
        keys.write_all(b"\x13").unwrap();
        let id = fs::read_to_string(&pid).unwrap().trim().to_string();
        eventually(|| writes(id.parse().unwrap(), 2));
        let begun = Instant::now();
        namespace::run(&format!("kill -{signal} {id}"));
        eventually(|| !fs::exists(format!("/proc/{id}/fd/2")).unwrap_or(false));
        let took = begun.elapsed();
        println!("stopped terminal {signal}: {:.1} ms", took.as_secs_f64() * 1e3);
        assert!(took < PROMPT, "{signal}: {took:?}");
        terminal.kill().unwrap();
        terminal.wait().unwrap();
        fs::remove_file(&pid).unwrap();
        drain(&silent);
    }
}

/// Whether a thread of a process is in the middle of writing to a stream, which nobody reads.
pub fn writes(process: u32, stream: u32) -> bool {
    let leads_to = |descriptor: u64| fs::read_link(format!("/proc/{process}/fd/{descriptor}")).ok();
    let place = leads_to(stream.into());
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    // The number of the call differs between machines; what it is made on comes after it, and may be a copy.
    let is_there = |call: String| {
        let descriptor = u64::from_str_radix(call.split(' ').nth(1)?.strip_prefix("0x")?, 16).ok()?;
        leads_to(descriptor).filter(|there| Some(there) == place.as_ref())
    };
    let mut calls = tasks.map(|task| fs::read_to_string(task.path().join("syscall")).unwrap_or_default());
    calls.any(|call| is_there(call).is_some())
}

/// Place for the first line of a node, with its address and its id, and not for another one.
pub const FIRST_LINE: usize = 70;

/// A pipe with no place left, whose reader reads nothing.
pub fn full_pipe() -> (io::PipeReader, io::PipeWriter) {
    pipe_with_place_for(0)
}

/// The same with place for so many bytes.
pub fn pipe_with_place_for(place: usize) -> (io::PipeReader, io::PipeWriter) {
    let (mut reader, mut writer) = io::pipe().unwrap();
    let capacity = fill(&writer);
    reader.read_exact(&mut vec![0; capacity]).unwrap();
    writer.write_all(&vec![b'.'; capacity - place]).unwrap();
    (reader, writer)
}

/// Tells how many bytes it took. Another opening of the same pipe does not block, so that this ends.
fn fill(writer: &io::PipeWriter) -> usize {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let mut filler = OpenOptions::new().write(true).custom_flags(0o4000).open(path).unwrap();
    std::iter::from_fn(|| filler.write(&[b'.'; 4096]).ok()).sum()
}
