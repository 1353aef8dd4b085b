//! Networks of real nodes on loopback: how long storing and finding takes.
//!
//! Each implementation has a network of its own, as its own authors start one for tests; all live at the same time, and
//! every round asks each of them in turn to store a new signed item on behalf of one node and to find it on
//! behalf of another. Storing is timed until the library says that it is done, finding until it hands out the first copy.

use mainline::SigningKey;

use crate::measure::{GroupResult, Record};

mod honeyguide;
mod libtorrent;
mod mainline_crate;

pub use libtorrent::Child as Libtorrent;

/// Nodes of each network.
const NODES: usize = 100;
/// Rounds: fewer are measured when fewer were asked for.
const ROUNDS: usize = 200;
/// Mainline takes part in one round out of so many: an operation of its takes a hundred times longer.
const MAINLINE_EVERY: usize = 5;

pub const PUT: &str = "put_mutable, 100 nodes on loopback";
pub const GET: &str = "get, first value, 100 nodes on loopback";

/// What every network is asked to do in one round.
struct Task {
    round: usize,
    signer: SigningKey,
    /// The bencoded value.
    value: Vec<u8>,
}

impl Task {
    fn new(round: usize) -> Task {
        let mut seed = [0x5a; 32];
        seed[..8].copy_from_slice(&round.to_be_bytes());
        Task { round, signer: SigningKey::from_bytes(&seed), value: [b"500:".to_vec(), vec![b'v'; 500]].concat() }
    }

    /// The node that stores.
    fn writer(&self) -> usize {
        self.round % NODES
    }

    /// The node that finds: another one.
    fn reader(&self) -> usize {
        (self.round * 7 + NODES / 2) % NODES
    }
}

/// A running network; times are in milliseconds.
trait Network {
    fn name(&self) -> String;
    fn put(&mut self, task: &Task) -> Result<f64, String>;
    fn get(&mut self, task: &Task) -> Result<f64, String>;
    /// What has to be known to read its times.
    fn notes(&self) -> Vec<String>;
}

/// Both tables.
pub fn results(rounds: usize) -> Vec<GroupResult> {
    let rounds = rounds.min(ROUNDS);
    let mut networks: Vec<(Box<dyn Network>, usize)> = vec![(Box::new(honeyguide::Ours::start(NODES)), 1)];
    let mut notes = Vec::new();
    networks.push((Box::new(mainline_crate::Theirs::start(NODES)), MAINLINE_EVERY));
    match libtorrent::Child::start(NODES) {
        Ok(child) => networks.push((Box::new(child), 1)),
        Err(why) => notes.push(format!("libtorrent was not measured: {why}")),
    }
    let mut puts = vec![vec![None; rounds]; networks.len()];
    let mut gets = puts.clone();
    let mut failed = vec![0; networks.len()];
    for round in 0..rounds {
        let task = Task::new(round);
        for (who, (network, every)) in networks.iter_mut().enumerate() {
            if round % *every != 0 {
                continue;
            }
            let put = network.put(&task);
            let get = put.as_ref().map_or(Err(String::new()), |_| network.get(&task));
            failed[who] += usize::from(get.is_err());
            (puts[who][round], gets[who][round]) = (put.ok(), get.ok());
        }
    }
    for (who, (network, _)) in networks.iter().enumerate() {
        notes.extend(network.notes());
        if failed[who] > 0 {
            notes.push(format!("{}: {} rounds failed", network.name(), failed[who]));
        }
    }
    let summary = |name, samples: Vec<Vec<Option<f64>>>| {
        let records = networks.iter().zip(samples).map(|((network, _), samples)| Record::new(network.name(), samples));
        notes.iter().fold(GroupResult::of(name, "ms", records.collect()), |result, note| result.note(note))
    };
    vec![summary(PUT, puts), summary(GET, gets)]
}
