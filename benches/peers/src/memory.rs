//! What an idle node of a test network costs in resident memory: the growth of a process while so many nodes start and
//! fill their tables, divided by their number. Each network starts in a process of its own.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use honeyguide::Config;
use honeyguide::adapters::Handle;
use honeyguide::adapters::testnet::Testnet;

use crate::measure::{GroupResult, Record};
use crate::networks::Libtorrent;

pub const NAME: &str = "memory of an idle node in a test network";

/// Nodes of our network and of mainline's.
const NODES: usize = 1000;
/// Sessions of libtorrent: each is a hundred times larger.
const SESSIONS: usize = 24;
/// Nodes of mainline's whose contacts are counted.
const SOME: usize = 20;
/// Times that everyone starts, except mainline, whose test network takes minutes.
const ROUNDS: usize = 3;

/// A network that starts in a process of its own.
#[derive(Clone, Copy, PartialEq)]
pub enum Who {
    Honeyguide,
    /// The same with the configuration of a full participant.
    HoneyguideDefault,
    Mainline,
}

impl std::str::FromStr for Who {
    type Err = String;

    fn from_str(name: &str) -> Result<Who, String> {
        match name {
            "honeyguide" => Ok(Who::Honeyguide),
            "honeyguide-default" => Ok(Who::HoneyguideDefault),
            "mainline" => Ok(Who::Mainline),
            _ => Err(format!("nobody is called {name}")),
        }
    }
}

pub fn result() -> GroupResult {
    let mut samples = [(); 4].map(|()| vec![None; ROUNDS]);
    let mut notes = Vec::new();
    for round in 0..ROUNDS {
        for (samples, name) in samples.iter_mut().zip(["honeyguide", "mainline", "honeyguide-default"]) {
            if name == "mainline" && round > 0 {
                continue;
            }
            match in_child(name) {
                Ok((growth, about)) => {
                    samples[round] = Some(growth / NODES as f64);
                    notes.push(format!("{name}: {about}"));
                }
                Err(why) => notes.push(format!("{name} was not measured: {why}")),
            }
        }
        match Libtorrent::start(SESSIONS) {
            Ok(child) => samples[3][round] = Some(child.growth_kib / SESSIONS as f64),
            Err(why) => notes.push(format!("libtorrent was not measured: {why}")),
        }
    }
    notes.sort();
    notes.dedup();
    let names = [
        format!("honeyguide, {NODES} nodes on tokio"),
        format!("mainline 8.0, {NODES} nodes, seeded, a thread each"),
        format!("honeyguide, {NODES} nodes of the default size on tokio"),
        format!("libtorrent, {SESSIONS} sessions"),
    ];
    let records = names.into_iter().zip(samples).filter(|(_, samples)| samples.iter().any(Option::is_some));
    let records = records.map(|(name, samples)| Record::new(name, samples)).collect();
    notes.into_iter().fold(GroupResult::of(NAME, "KiB", records), GroupResult::note)
}

/// Growth in KiB, and a sentence about the network.
fn in_child(name: &str) -> Result<(f64, String), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program).args(["--grow", name]).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (growth, about) = text.trim().split_once(' ').ok_or("the child said nothing")?;
    Ok((growth.parse().map_err(|_| "the child said no number")?, about.into()))
}

/// What the child does: prints its growth in KiB and a sentence about its network.
pub fn grow(who: Who) {
    let before = resident_kib();
    match who {
        Who::Honeyguide | Who::HoneyguideDefault => {
            let config = if who == Who::Honeyguide { Config::small() } else { Config::default() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let testnet = runtime.block_on(Testnet::start_with(config.local(), NODES, 0, [1; 32])).expect("free ports");
            let contacts = settled(|| {
                let held = |node: &Handle| node.observe(|node| node.contacts().count()).wait();
                testnet.nodes().iter().filter_map(held).sum::<usize>()
            });
            println!("{} {contacts} contacts a node", resident_kib() - before);
            runtime.block_on(testnet.stop());
        }
        Who::Mainline => {
            let testnet = mainline::Testnet::builder(NODES).build().expect("free ports");
            // Its tables are filled at the start; each question to a node takes a turn of 50 ms.
            sleep(Duration::from_secs(3));
            let some = testnet.nodes.into_iter().take(SOME).map(|node| node.as_async());
            let contacts: usize = some.map(|node| futures_lite::future::block_on(node.to_bootstrap()).len()).sum();
            let contacts = contacts / SOME;
            println!("{} {contacts} contacts a node", resident_kib() - before);
            // A thousand threads that say goodbye take their time.
            std::process::exit(0);
        }
    }
}

/// Waits until tables grow no more; the mean of their contacts then.
fn settled(mut contacts: impl FnMut() -> usize) -> usize {
    let mut held = contacts();
    for _ in 0..60 {
        sleep(Duration::from_secs(2));
        let now = contacts();
        if now <= held + held / 200 {
            break;
        }
        held = now;
    }
    held / NODES
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
