//! The state file of a node: ids and contacts, bencoded.
//!
//! ```text
//! { "contacts": [ { "id": 20 bytes, "ip": 4 or 16 bytes, "link": n, "port": n } .. ], "ids": [ 20 bytes a link .. ],
//!   "state": 1 }
//! ```
//! It is replaced as a whole. A file that cannot be read or understood is reported and left alone.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use bendy::serde::Deserializer;
use honeyguide::Endpoint;
use honeyguide::Id;
use honeyguide::dht::SavedContact;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use crate::failed::Failed;
use crate::file;

/// Larger files are not ours: four full tables fit several times.
const MOST_BYTES: u64 = 1 << 20;
/// The layout that this program writes and reads.
const LAYOUT: u8 = 1;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub struct State {
    /// The link of each contact is a number.
    pub contacts: Vec<StateContact>,
    /// In the order of the links.
    ids: Vec<ByteArray<20>>,
    /// The layout.
    state: u8,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct StateContact {
    id: ByteArray<20>,
    ip: ByteBuf,
    pub link: u8,
    port: u16,
}

impl StateContact {
    pub fn new(link: u8, id: Id, addr: Endpoint) -> Self {
        let (ip, port) = (ByteBuf::from(addr.ip_bytes()), addr.port());
        StateContact { id: ByteArray::new(id.0), ip, link, port }
    }

    /// The contact, if its address is one.
    pub fn contact(&self) -> Option<SavedContact> {
        let ip = match self.ip.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(self.ip.as_slice()).ok()?),
            _ => IpAddr::from(<[u8; 16]>::try_from(self.ip.as_slice()).ok()?),
        };
        Some(SavedContact { id: Id(*self.id), endpoint: SocketAddr::new(ip, self.port).into() })
    }
}

impl State {
    pub fn new(ids: impl Iterator<Item = Id>, contacts: Vec<StateContact>) -> State {
        State { contacts, ids: ids.map(|id| ByteArray::new(id.0)).collect(), state: LAYOUT }
    }

    pub fn ids(&self) -> impl Iterator<Item = Id> {
        self.ids.iter().map(|id| Id(**id))
    }

    /// Reads the file; `None` when there is none yet.
    pub fn load(path: &Path) -> Result<Option<State>, Failed> {
        let shown = path.display();
        let mut bytes = Vec::new();
        match file::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("the state file {shown} cannot be read: {error}").into()),
        }
        match State::decode(&bytes) {
            Some(state) => Ok(Some(state)),
            None => Err(format!(
                "the state file {shown} is damaged or not a state file; it was left as it is: move it away to begin \
                 another"
            )
            .into()),
        }
    }

    /// Replaces the file.
    pub fn save(&self, path: &Path) -> Result<(), Failed> {
        let bytes = bendy::serde::to_bytes(self).map_err(io::Error::other);
        let replaced = bytes.and_then(|bytes| file::replace(path, &bytes));
        replaced.map_err(|error| format!("the state file {} cannot be written: {error}", path.display()).into())
    }

    fn decode(bytes: &[u8]) -> Option<State> {
        let whole = u64::try_from(bytes.len()).is_ok_and(|len| len <= MOST_BYTES);
        let state: State = Deserializer::from_bytes(bytes).with_forbid_trailing_bytes(true).deserialize().ok()?;
        let sound = state.state == LAYOUT && state.contacts.iter().all(|contact| contact.contact().is_some());
        (whole && sound).then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let contact = |text: &str, n| {
            let endpoint = text.parse::<SocketAddr>().unwrap().into();
            StateContact::new(n, Id([b'a' + n; 20]), endpoint)
        };
        let ids = [Id([b'x'; 20]), Id([b'y'; 20])].into_iter();
        State::new(ids, vec![contact("49.50.51.52:5", 0), contact("[3031:3233::3435]:65535", 1)])
    }

    #[test]
    fn a_state_comes_back_as_it_was_saved() {
        let bytes = bendy::serde::to_bytes(&state()).unwrap();
        assert_eq!(State::decode(&bytes), Some(state()));
        let first = "d2:id20:aaaaaaaaaaaaaaaaaaaa2:ip4:12344:linki0e4:porti5ee";
        let ip = format!("0123{}45", "\0".repeat(10));
        let second = format!("d2:id20:bbbbbbbbbbbbbbbbbbbb2:ip16:{ip}4:linki1e4:porti65535ee");
        let ids = "20:xxxxxxxxxxxxxxxxxxxx20:yyyyyyyyyyyyyyyyyyyy";
        let text = format!("d8:contactsl{first}{second}e3:idsl{ids}e5:statei1ee");
        assert_eq!(bytes.escape_ascii().to_string(), text.as_bytes().escape_ascii().to_string());
    }

    #[test]
    fn what_a_later_program_adds_is_passed_over() {
        assert!(State::decode(b"d8:contactsle3:idsle4:morel1:ad1:bi1eee5:statei1ee").is_some());
    }

    #[test]
    fn no_damaged_file_is_taken_for_a_state() {
        let bytes = bendy::serde::to_bytes(&state()).unwrap();
        for cut in 0..bytes.len() {
            assert_eq!(State::decode(&bytes[..cut]), None, "cut at {cut}");
        }
        assert_eq!(State::decode(&[&bytes[..], b"x"].concat()), None);
        assert_eq!(State::decode(&[&bytes[..], b"i1e"].concat()), None);
        assert_eq!(State::decode(b"de"), None);
        assert_eq!(State::decode(b"d8:contactsle3:idsle5:statei2ee"), None);
        assert_eq!(State::decode(b"d8:contactsle3:idsl3:abce5:statei1ee"), None);
        let contact = b"d8:contactsld2:id20:aaaaaaaaaaaaaaaaaaaa2:ip3:1234:linki0e4:porti5eee3:idsle5:statei1ee";
        assert_eq!(State::decode(contact), None);
    }
}
