//! The file around a node's journal: what the node was made of, then its records.
//!
//! ```text
//! "honeyguide journal ", number of the format, "\n", length of the head (4 bytes, little-endian), head, records
//! head: { "links": [ { "id": [ 20 bytes if it was given ], "v6": 0 or 1 } .. ], "local": 0 or 1, "read_only": 0 or 1,
//!         "rng_seed": 32 bytes }
//! ```
//! The number counts changes of head and records alike. The configuration is the stock one but for the head. The seed
//! makes the file a secret as long as the node runs.

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use bendy::serde::Deserializer;
use honeyguide::base::ConfigError;
use honeyguide::dht::LinkConfig;
use honeyguide::dht::journal::Record;
use honeyguide::{Config, Id};
use serde::{Deserialize, Serialize};

use crate::failed::Failed;
use crate::file;

/// The number of the format that this program writes and replays.
const FORMAT: u32 = Record::FORMAT;

const MAGIC: &str = "honeyguide journal ";

/// Everything that a node of this program is made of.
#[derive(Serialize, Deserialize, Clone, PartialEq)]
pub struct Head {
    pub links: Vec<HeadLink>,
    pub local: bool,
    pub read_only: bool,
    #[serde(with = "serde_bytes")]
    pub rng_seed: [u8; 32],
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct HeadLink {
    #[serde(with = "serde_bytes")]
    pub id: Option<[u8; 20]>,
    pub v6: bool,
}

/// Without the seed, from which every secret of the node follows.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { links, local, read_only, rng_seed: _ } = self;
        let mut head = f.debug_struct("Head");
        head.field("links", links).field("local", local).field("read_only", read_only).finish_non_exhaustive()
    }
}

impl Head {
    /// The configuration.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let links = self.links.iter().map(|link| {
            let mut config = if link.v6 { LinkConfig::V6 } else { LinkConfig::V4 };
            config.id = link.id.map(Id);
            config
        });
        let stock = Config::default().with_links(&links.collect::<Vec<_>>())?;
        let mut config = if self.local { stock.local() } else { stock };
        config.read_only = self.read_only;
        Ok(config)
    }

    fn encode(&self) -> Result<Vec<u8>, bendy::serde::Error> {
        let head = bendy::serde::to_bytes(self)?;
        let magic = format!("{MAGIC}{FORMAT}\n");
        Ok([magic.as_bytes(), &(head.len() as u32).to_le_bytes(), &head].concat())
    }
}

/// Begins a journal.
pub fn create(path: &Path, head: &Head) -> Result<BufWriter<File>, Failed> {
    let mut file = file::create(path)?;
    let begun = head.encode().map_err(std::io::Error::other).and_then(|head| file.write_all(&head));
    begun.map_err(|error| format!("the journal {} cannot be written: {error}", path.display()))?;
    Ok(BufWriter::new(file))
}

/// Reads a journal: its head and its records.
pub fn open(path: &Path) -> Result<(Head, Vec<u8>), Failed> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| format!("the journal {shown} cannot be read: {error}"))?;
    let (head, records) = decode(&bytes).map_err(|fault| format!("{shown} {fault}"))?;
    Ok((head, records.to_vec()))
}

fn decode(bytes: &[u8]) -> Result<(Head, &[u8]), String> {
    let rest = bytes.strip_prefix(MAGIC.as_bytes()).ok_or("is not a journal")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at(digits);
    // There is one way to write a number.
    let number = std::str::from_utf8(number).ok().filter(|number| *number == "0" || !number.starts_with('0'));
    let number = number.and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(FORMAT) => {}
        Some(number) => {
            return Err(format!(
                "is a journal of format {number}, and this program replays format {FORMAT} alone: use the program that \
                 recorded it"
            ));
        }
        None => return Err("is not a journal".into()),
    }
    let split = || {
        let (len, rest) = rest.strip_prefix(b"\n")?.split_first_chunk()?;
        let (head, records) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let head = Deserializer::from_bytes(head).with_forbid_trailing_bytes(true).deserialize().ok()?;
        Some((head, records))
    };
    split().ok_or("is a damaged journal: it was cut or changed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was_written_and_never_half() {
        let links = vec![HeadLink { id: Some([5; 20]), v6: false }, HeadLink { id: None, v6: true }];
        let head = Head { links, local: true, read_only: false, rng_seed: [9; 32] };
        let file = [&head.encode().unwrap()[..], b"records"].concat();
        assert_eq!(decode(&file), Ok((head, &b"records"[..])));
        for cut in 0..file.len() - b"records".len() {
            assert!(decode(&file[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_head_is_shown_without_its_seed() {
        let head = Head { links: vec![], local: true, read_only: false, rng_seed: [201; 32] };
        let shown = format!("{head:?} {head:#?}");
        assert!(shown.contains("local: true") && !shown.contains("201") && !shown.contains("seed"), "{shown}");
    }

    #[test]
    fn a_journal_of_another_format_is_refused_with_both_numbers() {
        for number in [0, 1, FORMAT + 1, u32::MAX] {
            let fault = decode(format!("{MAGIC}{number}\n").as_bytes()).unwrap_err();
            assert!(fault.contains(&format!("format {number},")) && fault.contains(&format!("format {FORMAT} ")));
        }
        for other in ["", "\n", "x\n", "-1\n", "02\n", "00000000002\n", "00\n", "4294967296\n"] {
            assert!(decode(format!("{MAGIC}{other}").as_bytes()).unwrap_err().contains("not a journal"));
        }
    }
}
