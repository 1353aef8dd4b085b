//! The file around a node's journal: what the node was made of, then its records.
//!
//! ```text
//! "honeyguide journal 1\n", length of the head (4 bytes, little-endian), head, records
//! head: { "links": [ { "family": 4 or 6, "id": 20 bytes if it was given } .. ], "local": 0 or 1, "read_only": 0 or 1,
//!         "seed": 32 bytes }
//! ```
//! The configuration is the stock one but for the head. The seed makes the file a secret as long as the node runs.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use bendy::decoding::{Error, FromBencode, Object};
use bendy::encoding::{AsString, SingleItemEncoder, ToBencode};
use honeyguide::Id;
use honeyguide::dht::config::{Config, LinkConfig};
use honeyguide::krpc::Family;

use crate::options::Failed;

const MAGIC: &[u8] = b"honeyguide journal 1\n";

/// Everything that a node of this program is made of.
#[derive(Clone, PartialEq, Debug)]
pub struct Head {
    pub links: Vec<LinkConfig>,
    pub local: bool,
    pub read_only: bool,
    pub rng_seed: [u8; 32],
}

impl Head {
    /// The configuration.
    pub fn config(&self) -> Config {
        let stock = Config::default().with_links(&self.links);
        let mut config = if self.local { stock.local() } else { stock };
        config.read_only = self.read_only;
        config
    }
}

/// Begins a journal. A file that holds something else is left alone.
pub fn create(path: &Path, head: &Head) -> Result<BufWriter<File>, Failed> {
    let shown = path.display();
    let mut open = OpenOptions::new();
    open.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    let cannot = |error| format!("the journal {shown} cannot be written: {error}");
    let mut file = open.open(path).map_err(cannot)?;
    let mut before = Vec::new();
    (&file).take(MAGIC.len() as u64).read_to_end(&mut before).map_err(cannot)?;
    if !before.is_empty() && before != MAGIC {
        return Err(format!("{shown} is not a journal and was left as it is: name a new file").into());
    }
    let begin = |file: &mut File| {
        use std::io::Seek;
        file.set_len(0)?;
        file.rewind()?;
        let head = head.to_bencode().map_err(std::io::Error::other)?;
        file.write_all(&[MAGIC, &(head.len() as u32).to_le_bytes(), &head].concat())
    };
    begin(&mut file).map_err(cannot)?;
    Ok(BufWriter::new(file))
}

/// Reads a journal: its head and its records.
pub fn open(path: &Path) -> Result<(Head, Vec<u8>), Failed> {
    let bytes =
        std::fs::read(path).map_err(|error| format!("the journal {} cannot be read: {error}", path.display()))?;
    decode(&bytes).ok_or_else(|| format!("{} is damaged or not a journal", path.display()).into())
}

fn decode(bytes: &[u8]) -> Option<(Head, Vec<u8>)> {
    let (len, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    let (head, records) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    Some((Head::from_bencode(head).ok()?, records.to_vec()))
}

impl ToBencode for Head {
    const MAX_DEPTH: usize = 3;

    fn encode(&self, encoder: SingleItemEncoder<'_>) -> Result<(), bendy::encoding::Error> {
        encoder.emit_dict(|mut dict| {
            dict.emit_pair_with(b"links", |encoder| {
                encoder
                    .emit_list(|list| self.links.iter().try_for_each(|link| list.emit_with(|e| encode_link(link, e))))
            })?;
            dict.emit_pair(b"local", u8::from(self.local))?;
            dict.emit_pair(b"read_only", u8::from(self.read_only))?;
            dict.emit_pair(b"seed", AsString(&self.rng_seed))
        })
    }
}

fn encode_link(link: &LinkConfig, encoder: SingleItemEncoder<'_>) -> Result<(), bendy::encoding::Error> {
    encoder.emit_dict(|mut dict| {
        dict.emit_pair(b"family", if link.family == Family::V4 { 4u8 } else { 6 })?;
        match &link.id {
            Some(id) => dict.emit_pair(b"id", AsString(id.as_bytes())),
            None => Ok(()),
        }
    })
}

impl FromBencode for Head {
    const EXPECTED_RECURSION_DEPTH: usize = 3;

    fn decode_bencode_object(object: Object<'_, '_>) -> Result<Self, Error> {
        let (mut links, mut local, mut read_only, mut rng_seed) = (Vec::new(), None, None, None);
        let mut dict = object.try_into_dictionary()?;
        while let Some((name, value)) = dict.next_pair()? {
            match name {
                b"links" => {
                    let mut list = value.try_into_list()?;
                    while let Some(link) = list.next_object()? {
                        links.push(decode_link(link)?);
                    }
                }
                b"local" => local = Some(u8::decode_bencode_object(value)? != 0),
                b"read_only" => read_only = Some(u8::decode_bencode_object(value)? != 0),
                b"seed" => rng_seed = value.try_into_bytes()?.try_into().ok(),
                _ => {}
            }
        }
        match (links.len(), local, read_only, rng_seed) {
            (1..=honeyguide::dht::config::MAX_LINKS, Some(local), Some(read_only), Some(rng_seed)) => {
                Ok(Head { links, local, read_only, rng_seed })
            }
            _ => Err(Error::missing_field("head")),
        }
    }
}

fn decode_link(object: Object<'_, '_>) -> Result<LinkConfig, Error> {
    let (mut family, mut id) = (None, None);
    let mut dict = object.try_into_dictionary()?;
    while let Some((name, value)) = dict.next_pair()? {
        match name {
            b"family" => family = Some(u8::decode_bencode_object(value)?),
            b"id" => id = Id::try_from(value.try_into_bytes()?).ok(),
            _ => {}
        }
    }
    match family {
        Some(4) => Ok(LinkConfig { id, ..LinkConfig::V4 }),
        Some(6) => Ok(LinkConfig { id, ..LinkConfig::V6 }),
        _ => Err(Error::missing_field("family")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was_written_and_never_half() {
        let links = vec![LinkConfig { id: Some(Id([5; 20])), ..LinkConfig::V4 }, LinkConfig::V6];
        let head = Head { links, local: true, read_only: false, rng_seed: [9; 32] };
        let encoded = head.to_bencode().unwrap();
        let file = [MAGIC, &(encoded.len() as u32).to_le_bytes(), &encoded, b"records"].concat();
        assert_eq!(decode(&file), Some((head, b"records".to_vec())));
        for cut in 0..file.len() - b"records".len() {
            assert_eq!(decode(&file[..cut]), None, "cut at {cut}");
        }
    }
}
