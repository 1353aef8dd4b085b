//! The state file of a node: ids and contacts, bencoded.
//!
//! ```text
//! { "contacts": [ { "id": 20 bytes, "ip": 4 or 16 bytes, "link": n, "port": n } .. ], "ids": [ 20 bytes a link .. ],
//!   "state": 1 }
//! ```
//! It is replaced as a whole: a new file beside it takes its name once it is safely written. A file that cannot be read
//! or understood is reported and left alone.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use bendy::decoding::{DictDecoder, Error, FromBencode, Object, ResultExt};
use bendy::encoding::{AsString, SingleItemEncoder, ToBencode};
use honeyguide::Id;
use honeyguide::dht::contact::SavedContact;

use crate::options::Failed;

/// Larger files are not ours: four full tables fit several times.
const MOST_BYTES: u64 = 1 << 20;
/// The layout that this program writes and reads.
const LAYOUT: u8 = 1;

#[derive(Default, PartialEq, Debug)]
pub struct State {
    /// Ids, in the order of the links.
    pub ids: Vec<Id>,
    /// Contacts and the number of their link.
    pub contacts: Vec<(u8, SavedContact)>,
}

impl State {
    /// Reads the file; `None` when there is none yet.
    pub fn load(path: &Path) -> Result<Option<State>, Failed> {
        let shown = path.display();
        let mut bytes = Vec::new();
        match File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("the state file {shown} cannot be read: {error}").into()),
        }
        match State::decode(&bytes) {
            Some(state) => Ok(Some(state)),
            None => Err(format!(
                "the state file {shown} is damaged or not a state file; it was left as it is: move it away to start anew"
            )
            .into()),
        }
    }

    /// Replaces the file.
    pub fn save(&self, path: &Path) -> Result<(), Failed> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let replaced = self.to_bencode().map_err(std::io::Error::other).and_then(|bytes| {
            let mut file = File::create(&beside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&beside, path)
        });
        replaced.map_err(|error| {
            let _ = fs::remove_file(&beside);
            format!("the state file {} cannot be written: {error}", path.display()).into()
        })
    }

    fn decode(bytes: &[u8]) -> Option<State> {
        let whole = u64::try_from(bytes.len()).is_ok_and(|len| len <= MOST_BYTES);
        // The decoder stops at the end of the first value, so what follows it has to be looked for.
        let mut decoder = bendy::decoding::Decoder::new(bytes).with_max_depth(State::EXPECTED_RECURSION_DEPTH);
        let state = State::decode_bencode_object(decoder.next_object().ok()??).ok()?;
        (whole && matches!(decoder.next_object(), Ok(None))).then_some(state)
    }
}

impl ToBencode for State {
    const MAX_DEPTH: usize = 3;

    fn encode(&self, encoder: SingleItemEncoder<'_>) -> Result<(), bendy::encoding::Error> {
        encoder.emit_dict(|mut dict| {
            dict.emit_pair_with(b"contacts", |encoder| {
                encoder.emit_list(|list| {
                    self.contacts
                        .iter()
                        .try_for_each(|contact| list.emit_with(|encoder| encode_contact(contact, encoder)))
                })
            })?;
            dict.emit_pair_with(b"ids", |encoder| {
                encoder.emit_list(|list| self.ids.iter().try_for_each(|id| list.emit(AsString(id.as_bytes()))))
            })?;
            dict.emit_pair(b"state", LAYOUT)
        })
    }
}

fn encode_contact(
    (link, contact): &(u8, SavedContact),
    encoder: SingleItemEncoder<'_>,
) -> Result<(), bendy::encoding::Error> {
    encoder.emit_dict(|mut dict| {
        dict.emit_pair(b"id", AsString(contact.id.as_bytes()))?;
        dict.emit_pair(b"ip", AsString(contact.endpoint.ip_bytes()))?;
        dict.emit_pair(b"link", *link)?;
        dict.emit_pair(b"port", contact.endpoint.port())
    })
}

impl FromBencode for State {
    const EXPECTED_RECURSION_DEPTH: usize = 3;

    fn decode_bencode_object(object: Object<'_, '_>) -> Result<Self, Error> {
        let mut state = State::default();
        let mut layout = None;
        let mut dict = object.try_into_dictionary()?;
        while let Some((name, value)) = dict.next_pair()? {
            match name {
                b"contacts" => {
                    let mut list = value.try_into_list()?;
                    while let Some(contact) = list.next_object()? {
                        state.contacts.push(decode_contact(contact.try_into_dictionary()?)?);
                    }
                }
                b"ids" => {
                    let mut list = value.try_into_list()?;
                    while let Some(id) = list.next_object()? {
                        state.ids.push(decode_id(id)?);
                    }
                }
                b"state" => layout = Some(u8::decode_bencode_object(value)?),
                _ => {}
            }
        }
        if layout == Some(LAYOUT) { Ok(state) } else { Err(Error::missing_field("state")) }
    }
}

fn decode_contact(mut dict: DictDecoder<'_, '_>) -> Result<(u8, SavedContact), Error> {
    let (mut id, mut ip, mut link, mut port) = (None, None, None, None);
    while let Some((name, value)) = dict.next_pair()? {
        match name {
            b"id" => id = Some(decode_id(value)?),
            b"ip" => ip = Some(decode_ip(value.try_into_bytes()?).ok_or_else(|| Error::unexpected_field("ip"))?),
            b"link" => link = Some(u8::decode_bencode_object(value).context("link")?),
            b"port" => port = Some(u16::decode_bencode_object(value).context("port")?),
            _ => {}
        }
    }
    match (id, ip, link, port) {
        (Some(id), Some(ip), Some(link), Some(port)) => {
            Ok((link, SavedContact { id, endpoint: SocketAddr::new(ip, port).into() }))
        }
        _ => Err(Error::missing_field("contact")),
    }
}

fn decode_id(value: Object<'_, '_>) -> Result<Id, Error> {
    Id::try_from(value.try_into_bytes()?).map_err(|_| Error::unexpected_field("id"))
}

fn decode_ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let contact = |text: &str, n| {
            let endpoint = text.parse::<SocketAddr>().unwrap().into();
            (n, SavedContact { id: Id([n; 20]), endpoint })
        };
        State {
            ids: vec![Id([7; 20]), Id([8; 20])],
            contacts: vec![contact("1.2.3.4:5", 0), contact("[2001:db8::1]:65535", 1)],
        }
    }

    #[test]
    fn a_state_comes_back_as_it_was_saved() {
        let bytes = state().to_bencode().unwrap();
        assert_eq!(State::decode(&bytes), Some(state()));
    }

    #[test]
    fn no_damaged_file_is_taken_for_a_state() {
        let bytes = state().to_bencode().unwrap();
        for cut in 0..bytes.len() {
            assert_eq!(State::decode(&bytes[..cut]), None, "cut at {cut}");
        }
        assert_eq!(State::decode(&[&bytes[..], b"x"].concat()), None);
        assert_eq!(State::decode(&[&bytes[..], b"i1e"].concat()), None);
        assert_eq!(State::decode(b"de"), None);
        assert_eq!(State::decode(b"d8:contactsle3:idsle5:statei2ee"), None);
        assert_eq!(State::decode(b"d8:contactsle3:idsl3:abce5:statei1ee"), None);
    }
}
