//! The file around a node's journal: what the node was made of, then its records.
//!
//! ```text
//! "honeyguide journal 3\n", length of the head (4 bytes), head, CRC-32C of the head (4 bytes), records
//! head: { "links": [ { "id": [ 20 bytes if it was given ], "port": of the socket, "v6": 0 or 1 } .. ],
//!         "local": 0 or 1, "read_only": 0 or 1, "adaptive" and "frugal": 1 or not there, "rng_seed": 32 bytes,
//!         "version": of the program that recorded it }
//! ```
//! Numbers are little-endian. The number of the format counts changes of head and records alike. The configuration is
//! the stock one but for the head; of a node in a simulated world the head has the seed of that (`simulated`), from
//! which its configuration follows. The seed makes the file a secret as long as the node runs; whoever records holds a
//! lock on the file.
//!
//! Format 2 has neither ports nor version nor checksums, and its records have no frames and no hashes: it is read, and
//! nothing tells whether it was changed.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::SocketAddr;
use std::path::Path;

use honeyguide::adapters::ReplayError;
use honeyguide::base::ConfigError;
use honeyguide::dht::journal::{Call, Record, RecordError};
use honeyguide::dht::{LinkConfig, Network, Role};
use honeyguide::krpc::Family;
use honeyguide::sim::{NodeJournal, swarm};
use honeyguide::{Config, Endpoint, Id, Node, Storage};
use serde::{Deserialize, Serialize};

use crate::bencoded;
use crate::cause::cause;
use crate::failed::Failed;
use crate::file;

/// The number of the format that this program writes.
const FORMAT: u32 = Record::FORMAT;

const MAGIC: &str = "honeyguide journal ";
/// Longer heads are none: a node has four links.
const MOST_HEAD: usize = 4096;
/// As much is read before it is looked at.
const READ_AT_ONCE: u64 = 1 << 20;
/// Characters of a version that are repeated.
const MOST_VERSION: usize = 60;

/// Bytes that a frame takes in front of its record.
const FRAME: usize = 8;

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// A journal that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    pub head: Head,
    /// In the present format, whatever the file's was.
    pub records: Vec<u8>,
    /// Bytes of the file in front of the records.
    front: usize,
}

impl Journal {
    #[cfg(test)]
    pub fn of(head: Head, records: Vec<u8>) -> Journal {
        Journal { head, records, front: 0 }
    }

    /// Where in the file the record is that is at this place among the records.
    pub fn byte(&self, place: usize) -> usize {
        let frames = match self.head.version {
            Some(_) => 0,
            // The records of format 2 have none in the file.
            None => records_before(&self.records, place) * FRAME,
        };
        self.front + place - frames
    }

    /// Where it stops being true. `far` says how much that is.
    pub fn untrue(&self, shown: impl fmt::Display, error: ReplayError, far: &str) -> Failed {
        let (ours, at) = (env!("CARGO_PKG_VERSION"), self.byte(error.sound()));
        let version = match &self.head.version {
            Some(theirs) if theirs != ours => {
                let theirs: String = theirs.chars().take(MOST_VERSION).collect();
                format!("; honeyguide {theirs} recorded it, and this is {ours}")
            }
            _ => String::new(),
        };
        format!("{shown} is true up to byte {at}{far}, and no further: {}{version}", error.reason()).into()
    }
}

/// Everything that a node of this program is made of.
#[derive(Serialize, Deserialize, Clone, PartialEq)]
pub struct Head {
    pub links: Vec<HeadLink>,
    pub local: bool,
    pub read_only: bool,
    /// Whether it answers is found out; where it is not it is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adaptive: bool,
    /// Whether it spares its routers, likewise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frugal: bool,
    #[serde(with = "serde_bytes")]
    pub rng_seed: [u8; 32],
    /// Of the program that recorded it; format 2 does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Items that it keeps; where they are none it is left out.
    #[serde(default, skip_serializing_if = "is_none")]
    pub kept: u32,
    /// Of a node in a small world of the simulator, whose configuration is that world's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
}

/// Where a node was in a small world of the simulator.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Simulated {
    /// Of the world.
    seed: u64,
    /// Where others see it, if it knows that from the beginning.
    external: Option<Endpoint>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_none(kept: &u32) -> bool {
    *kept == 0
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct HeadLink {
    #[serde(with = "serde_bytes")]
    pub id: Option<[u8; 20]>,
    pub v6: bool,
    /// Of the socket; format 2 does not tell.
    #[serde(default)]
    pub port: u16,
}

/// Without the seed, from which every secret of the node follows.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { links, local, read_only, adaptive, frugal, version, kept, simulated, rng_seed: _ } = self;
        let mut head = f.debug_struct("Head");
        head.field("links", links).field("local", local).field("read_only", read_only);
        head.field("adaptive", adaptive).field("frugal", frugal);
        head.field("version", version).field("kept", kept).field("simulated", simulated).finish_non_exhaustive()
    }
}

impl Head {
    /// That of a node in the small world of a seed.
    pub fn simulated(seed: u64, journal: &NodeJournal) -> Head {
        let config = &journal.config;
        let links = config.links().iter().map(|link| HeadLink {
            id: link.id.map(|id| *id.as_bytes()),
            v6: link.family == Family::V6,
            port: link.port,
        });
        let external = config.links().iter().find_map(|link| link.external).map(Endpoint::from);
        Head {
            links: links.collect(),
            local: config.network == Network::Local,
            read_only: config.role == Role::Client,
            adaptive: config.role == Role::Adaptive,
            frugal: config.frugal,
            rng_seed: journal.rng_seed,
            version: Some(env!("CARGO_PKG_VERSION").into()),
            kept: 0,
            simulated: Some(Simulated { seed, external }),
        }
    }

    /// The configuration.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let simulated = self.simulated.as_ref();
        let links = self.links.iter().map(|link| {
            let mut config = if link.v6 { LinkConfig::V6 } else { LinkConfig::V4 };
            (config.id, config.port) = (link.id.map(Id), link.port);
            config.external = simulated.and_then(|simulated| simulated.external).map(SocketAddr::from);
            config
        });
        let links: Vec<_> = links.collect();
        if let Some(simulated) = simulated {
            let mut config = swarm::config_of(simulated.seed).with_links(&links)?;
            config.role = self.role();
            return Ok(config);
        }
        let stock = Config::default().with_links(&links)?;
        let mut config = if self.local { stock.local() } else { stock };
        config.role = self.role();
        config.frugal = self.frugal;
        let kept = self.kept as usize;
        config.capacity.kept = config.capacity.kept.max(kept);
        // So many as `spec/keeper.md` says that this many take.
        let flows = u16::try_from(kept.saturating_mul(35) / 1_000).unwrap_or(u16::MAX);
        config.keeper.flows = config.keeper.flows.max(flows);
        Ok(config)
    }

    fn role(&self) -> Role {
        match (self.read_only, self.adaptive) {
            (true, _) => Role::Client,
            (_, true) => Role::Adaptive,
            _ => Role::Server,
        }
    }

    /// The node that was recorded, as it was in the beginning.
    pub fn node(&self) -> Result<Node<'static>, ConfigError> {
        let config = self.config()?;
        let storage = Storage::allocate(&config);
        Node::new(config, self.rng_seed, storage)
    }

    pub fn encode(&self) -> Result<Vec<u8>, bendy::serde::Error> {
        let head = bendy::serde::to_bytes(self)?;
        let (magic, crc) = (format!("{MAGIC}{FORMAT}\n"), CRC.checksum(&head).to_le_bytes());
        Ok([magic.as_bytes(), &(head.len() as u32).to_le_bytes(), &head, &crc].concat())
    }
}

/// Begins a journal. The file is locked for as long as it is open.
pub fn create(path: &Path, head: &Head) -> Result<File, Failed> {
    let mut file = file::create(path).map_err(|failed| earlier(path).unwrap_or(failed))?;
    // Where files cannot be locked, nobody is kept from handing on a journal that is still written.
    let _ = file.try_lock();
    let begun = head.encode().map_err(std::io::Error::other).and_then(|head| file.write_all(&head));
    begun.map_err(|error| {
        // Made just now, and nothing is in it.
        let _ = std::fs::remove_file(path);
        format!("the journal {} cannot be written: {}", path.display(), cause(&error))
    })?;
    Ok(file)
}

/// What to do about a journal that has the name already.
fn earlier(path: &Path) -> Option<Failed> {
    let shown = path.display();
    let file = file::open(path).ok().filter(is_begun)?;
    let sentence = if is_written(&file) {
        format!("{shown} is the journal of a node that still runs, and was left as it is: name a new file")
    } else {
        let program = std::env::args().next().unwrap_or("honeyguide".into());
        format!(
            "{shown} is the journal of an earlier run, and was left as it is: name a new file, or move it away; \
             `{program} replay {shown}` tells how far that run is recorded"
        )
    };
    Some(sentence.into())
}

/// Whether a file begins as a journal does.
fn is_begun(file: &File) -> bool {
    let mut begin = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut begin).is_ok() && begin == MAGIC.as_bytes()
}

/// Whether a journal is still what lies at its path, and has its beginning: it is open there to be read.
pub fn is_there(path: &Path, mut file: &File) -> bool {
    file::is_still(path, file).unwrap_or(false) && file.rewind().is_ok() && is_begun(file)
}

/// Whether the node that records still runs.
fn is_written(file: &File) -> bool {
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

/// Reads a journal.
pub fn open(path: &Path) -> Result<Journal, Failed> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    read(path, file)
}

/// The same, unless the node that writes it still runs. It is opened once: what comes through a pipe does not come
/// again.
pub fn open_written(path: &Path) -> Result<Journal, Failed> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    if is_written(&file) {
        let shown = path.display();
        return Err(format!("{shown} is still being written, and its node's secrets count: stop the node first").into());
    }
    read(path, file)
}

/// A device, a pipe or a large file is read as far as it is a journal, and somewhat on.
fn read(path: &Path, mut file: impl Read) -> Result<Journal, Failed> {
    let (mut bytes, mut sound) = (Vec::new(), None);
    while may_go_on(&bytes, &mut sound) {
        let most = if bytes.is_empty() { MAGIC.len() as u64 } else { READ_AT_ONCE };
        let read = file.by_ref().take(most).read_to_end(&mut bytes);
        if read.map_err(|error| unreadable(path, &error))? == 0 {
            break;
        }
    }
    Ok(decode(bytes).map_err(|fault| format!("{} {fault}", path.display()))?)
}

/// Whether these may be the first bytes of a journal that has more. `sound` are those up to the last whole record.
fn may_go_on(bytes: &[u8], sound: &mut Option<usize>) -> bool {
    if !bytes.starts_with(MAGIC.as_bytes()) {
        return bytes.is_empty();
    }
    let is_framed = bytes.starts_with(format!("{MAGIC}{FORMAT}\n").as_bytes());
    let rest = bytes.get(MAGIC.len() + 1..).unwrap_or_default();
    let front = || split(rest, is_framed).map(|(_, records)| bytes.len() - records.len());
    let Some(mut at) = sound.or_else(front) else { return bytes.len() < 2 * MOST_HEAD };
    let end = loop {
        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
        match Record::decode(&bytes[at..], &mut nodes) {
            Ok((_, after)) if is_framed => at = bytes.len() - after.len(),
            end => break end.err(),
        }
    };
    *sound = Some(at);
    !is_framed || end == Some(RecordError::Cut)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failed {
    format!("the journal {} cannot be read: {}", path.display(), cause(error)).into()
}

fn decode(mut bytes: Vec<u8>) -> Result<Journal, String> {
    let rest = bytes.strip_prefix(MAGIC.as_bytes()).ok_or("is not a journal")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at(digits);
    // There is one way to write a number.
    let number = std::str::from_utf8(number).ok().filter(|number| *number == "0" || !number.starts_with('0'));
    match number.and_then(|number| number.parse::<u32>().ok()) {
        Some(number @ (2 | FORMAT)) => {
            let (head, records) = split(rest, number == FORMAT).ok_or("is a damaged journal: its head is not whole")?;
            let front = bytes.len() - records.len();
            if number == FORMAT {
                // It may be large, and is not held twice.
                bytes.drain(..front);
                return Ok(Journal { head, records: bytes, front });
            }
            Ok(Journal { head, records: framed(records)?, front })
        }
        Some(number) => Err(format!(
            "is a journal of format {number}, and this program replays formats 2 and {FORMAT}: {}",
            if number < FORMAT {
                "it was written before honeyguide 0.1.0, which alone can replay it"
            } else {
                "a later honeyguide wrote it, and can replay it"
            }
        )),
        None => Err("is not a journal".into()),
    }
}

/// Head and records.
fn split(rest: &[u8], checked: bool) -> Option<(Head, &[u8])> {
    let (len, rest) = rest.strip_prefix(b"\n")?.split_first_chunk()?;
    let len = u32::from_le_bytes(*len) as usize;
    let (head, mut records) = rest.split_at_checked(len).filter(|_| len <= MOST_HEAD)?;
    if checked {
        let (crc, rest) = records.split_first_chunk()?;
        records = rest;
        if u32::from_le_bytes(*crc) != CRC.checksum(head) {
            return None;
        }
    }
    let head: Head = bencoded::read(head)?;
    (head.version.is_some() == checked).then_some((head, records))
}

/// How many whole records there are up to this place.
fn records_before(records: &[u8], place: usize) -> usize {
    let (mut rest, mut count) = (&records[..place.min(records.len())], 0);
    let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
    while let Ok((_, after)) = Record::decode(rest, &mut nodes) {
        let left = after.len();
        (rest, count) = (&rest[rest.len() - left..], count + 1);
    }
    count
}

/// Records of format 2 in the present one. A journal of that format is whole or nothing.
fn framed(mut records: &[u8]) -> Result<Vec<u8>, String> {
    let mut framed = Vec::new();
    while !records.is_empty() {
        let (mut nodes, mut bytes) = ([Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES], [0; Record::MAX_LEN]);
        let decoded = Record::decode_bare(records, &mut nodes);
        let (record, rest) = decoded.ok_or("is a damaged journal: it was cut or changed")?;
        let len = record.encode(&mut bytes).map_err(|_| "is a damaged journal: a record is too long")?;
        framed.extend_from_slice(&bytes[..len]);
        let (left, is_end) = (rest.len(), matches!(record.call, Call::End));
        records = &records[records.len() - left..];
        if is_end && !records.is_empty() {
            return Err("is a damaged journal: something follows its end".into());
        }
    }
    Ok(framed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let links = vec![HeadLink { id: Some([5; 20]), v6: false, port: 7 }, HeadLink { id: None, v6: true, port: 0 }];
        Head {
            links,
            local: true,
            read_only: false,
            adaptive: true,
            frugal: true,
            rng_seed: [201; 32],
            version: Some("1.2.3".into()),
            kept: 9,
            simulated: None,
        }
    }

    #[test]
    fn a_head_comes_back_as_it_was_written_and_never_half_or_changed() {
        let front = head().encode().unwrap();
        let mut file = [&front[..], b"records"].concat();
        let journal = Journal { head: head(), records: b"records".to_vec(), front: front.len() };
        assert_eq!(decode(file.clone()), Ok(journal));
        for cut in 0..front.len() {
            assert!(decode(file[..cut].to_vec()).is_err(), "cut at {cut}");
        }
        for bit in 0..front.len() * 8 {
            file[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(file.clone()).is_err(), "bit {bit}");
            file[bit / 8] ^= 1 << (bit % 8);
        }
    }

    /// Rule J7.
    #[test]
    fn what_never_ends_is_read_as_far_as_it_is_a_journal() {
        let front = head().encode().unwrap();
        let mut mark = [0; Record::MAX_LEN];
        let record = Record { polls: 0, now: honeyguide::Instant::ZERO, call: Call::Mark { hash: 7 } };
        let len = record.encode(&mut mark).unwrap();
        // Records over the ends of what is read at once, then zeros for ever.
        let records = mark[..len].repeat(3 * READ_AT_ONCE as usize / len);
        let endless = |begin: &[u8]| read(Path::new("endless"), begin.chain(std::io::repeat(0)));
        let journal = endless(&[&front[..], &records].concat()).unwrap();
        assert!(
            journal.records.starts_with(&records) && journal.records.len() < records.len() + 2 * READ_AT_ONCE as usize
        );
        for (begin, why) in [
            (&b""[..], "not a journal"),
            (b"honeyguide journal", "not a journal"),
            (b"honeyguide journal 2\n", "damaged"),
            (b"honeyguide journal 3\n", "damaged"),
            (b"honeyguide journal 4\n", "format 4"),
            (b"honeyguide journal 33\n", "format 33"),
            (&front[..front.len() - 1], "damaged"),
        ] {
            assert!(endless(begin).unwrap_err().sentence.contains(why), "{}", begin.escape_ascii());
        }
        let whole = [&front[..], &records].concat();
        assert_eq!(read(Path::new("whole"), &whole[..]).unwrap().records, records);
    }

    #[test]
    fn a_head_is_shown_without_its_seed() {
        let shown = format!("{:?} {:#?}", head(), head());
        assert!(shown.contains("local: true") && !shown.contains("201") && !shown.contains("seed"), "{shown}");
    }

    #[test]
    fn a_journal_of_another_format_is_refused_with_both_numbers() {
        for number in [0, 1, FORMAT + 1, u32::MAX] {
            let fault = decode(format!("{MAGIC}{number}\n").into()).unwrap_err();
            assert!(fault.contains(&format!("format {number},")) && fault.contains(&format!("and {FORMAT}:")));
            assert!(fault.contains("honeyguide"), "who can read it: {fault}");
        }
        for other in ["", "\n", "x\n", "-1\n", "02\n", "00000000002\n", "00\n", "4294967296\n"] {
            assert!(decode(format!("{MAGIC}{other}").into()).unwrap_err().contains("not a journal"));
        }
    }
}
