//! The state file of a node: ids and contacts, bencoded.
//!
//! ```text
//! { "contacts": [ { "id": 20 bytes, "ip": 4 or 16 bytes, "link": n, "port": n } .. ],
//!   "former": [ [ 20 bytes .. ] a link .. ], "ids": [ 20 bytes a link .. ],
//!   "kept": [ { "id": 20 bytes, "due": seconds since 1970, .. } .. ], "state": 1 }
//! ```
//! "former" are the ids that a link had at other addresses. Where no link had any there is no "former", and where
//! nothing is kept there is no "kept".
//! The first contact has the checksum of all the rest, "sum", as well. The file is replaced as a whole, and belongs to
//! one process at a time. A file that cannot be read or understood is reported and left alone, as is one that no node
//! wrote: with an id of zeros, which every table refuses, with an id or a contact twice, with a contact or a former id
//! of a link that has no id, with more former ids than a link remembers, or with an address that nobody can have. What
//! a later program has put into it besides stays there, in a contact as well.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crc::{CRC_32_ISCSI, Crc};
use honeyguide::dht::{Network, SavedContact};
use honeyguide::{Config, Endpoint, Id};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use crate::bencoded::{self, Pairs};
use crate::cause::cause;
use crate::count::count;
use crate::failed::Failed;
use crate::file::{self, Owned};
use crate::former_state::StateFormer;
use crate::kept_state::StateKept;

/// Larger files are not ours: four full tables and all that can be kept fit.
const MOST_BYTES: u64 = 1 << 24;
/// The layout that this program writes and reads.
const LAYOUT: u8 = 1;
/// Numbers of more digits are told to nobody.
const MOST_DIGITS: usize = 20;

const CONTACTS: &[u8] = b"contacts";
/// In the first contact: the checksum of the whole file without it, in hex. Programs that do not know it keep unknown
/// fields of a file, but none of a contact, so that none stays when they write something else.
const SUM: &[u8] = b"sum";
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// The fields beside the contacts that this program knows.
const KNOWN: [&[u8]; 4] = [b"former", b"ids", b"kept", b"state"];
const KNOWN_OF_CONTACT: [&[u8]; 4] = [b"id", b"ip", b"link", b"port"];
/// A contact on any link: what a later program has told of it stays with it.
const OF_WHOM: [&[u8]; 3] = [b"id", b"ip", b"port"];

#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub struct State {
    /// The link of each contact is a number.
    pub contacts: Vec<StateContact>,
    /// What each link had at other addresses.
    #[serde(default, skip_serializing_if = "StateFormer::is_empty")]
    former: StateFormer,
    /// In the order of the links.
    ids: Vec<ByteArray<20>>,
    /// What is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<StateKept>,
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

    pub fn id(&self) -> [u8; 20] {
        *self.id
    }

    fn is_v6(&self) -> bool {
        self.ip.len() != 4
    }

    /// Address and port, back to back.
    pub fn place(&self) -> Vec<u8> {
        [self.ip.as_slice(), &self.port.to_be_bytes()].concat()
    }

    /// The same node elsewhere.
    #[cfg(test)]
    pub fn with_place_of(&self, other: &StateContact) -> StateContact {
        StateContact { ip: other.ip.clone(), port: other.port, ..self.clone() }
    }

    /// The contact, if its address is one.
    pub fn contact(&self) -> Option<SavedContact> {
        let ip = match self.ip.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(self.ip.as_slice()).ok()?),
            _ => IpAddr::from(<[u8; 16]>::try_from(self.ip.as_slice()).ok()?),
        };
        Some(SavedContact { id: Id(*self.id), endpoint: SocketAddr::new(ip, self.port).into() })
    }

    /// What is wrong with it.
    fn fault(&self) -> Option<String> {
        let id = hex::encode(*self.id);
        let Some(contact) = self.contact() else {
            return Some(format!(
                "the contact {id} has an address of {}: 4 or 16 are right",
                count(self.ip.len(), "byte")
            ));
        };
        // On loopback addresses there are nodes, too.
        if !contact.endpoint.is_usable(Network::Local) {
            return Some(format!("the contact {id} has the address {}, where no node can be", contact.endpoint));
        }
        if contact.id == Id::default() {
            return Some(format!("the contact at {} has an id of zeros, which no node has", contact.endpoint));
        }
        None
    }
}

impl State {
    pub fn new(ids: impl Iterator<Item = Id>, contacts: Vec<StateContact>) -> State {
        let ids = ids.map(|id| ByteArray::new(id.0)).collect();
        State { contacts, former: StateFormer::default(), ids, kept: Vec::new(), state: LAYOUT }
    }

    /// The same, and each link had these ids at other addresses.
    pub fn formerly(self, former: &[Vec<Id>]) -> State {
        State { former: StateFormer::new(former.iter().cloned()), ..self }
    }

    /// The same, and this is kept.
    pub fn keeping(self, kept: Vec<StateKept>) -> State {
        State { kept, ..self }
    }

    /// The same with its links in the order of these families: each takes the id and the contacts of a link of its own,
    /// wherever that stood, and zeros where there is none. Those that are not there this time follow.
    pub fn arranged(self, are_v6: &[bool]) -> State {
        let of = |link: usize| {
            self.contacts.iter().find(|contact| usize::from(contact.link) == link).map(StateContact::is_v6)
        };
        let known = self.contacts.iter().map(|contact| usize::from(contact.link) + 1).max().unwrap_or(0);
        let mut left: Vec<usize> = (0..known.max(self.ids.len())).collect();
        let mut order = vec![None; are_v6.len()];
        // Of a link without contacts the family is not known: it comes last, and rather at its own place.
        let fits: [&dyn Fn(usize, usize, bool) -> bool; 4] = [
            &|at, link, v6| link == at && of(link) == Some(v6),
            &|_, link, v6| of(link) == Some(v6),
            &|at, link, _| link == at && of(link).is_none(),
            &|_, link, _| of(link).is_none(),
        ];
        for fits in fits {
            for (at, v6) in are_v6.iter().enumerate() {
                let found = left.iter().position(|link| order[at].is_none() && fits(at, *link, *v6));
                order[at] = order[at].or(found.map(|found| left.remove(found)));
            }
        }
        order.extend(left.into_iter().map(Some));
        order.truncate(Config::MAX_LINKS);
        let id =
            |link: &Option<usize>| link.and_then(|link| self.ids.get(link)).copied().unwrap_or(ByteArray::new([0; 20]));
        let ids = order.iter().map(id).collect();
        let to = |link: u8| order.iter().position(|from| *from == Some(link.into()));
        let moved = self
            .contacts
            .iter()
            .filter_map(|contact| Some(StateContact { link: to(contact.link)? as u8, ..contact.clone() }));
        let former = |link: &Option<usize>| link.and_then(|link| self.former().nth(link)).unwrap_or_default();
        let former = StateFormer::new(order.iter().map(former));
        State { contacts: moved.collect(), former, ids, kept: self.kept, state: self.state }
    }

    /// What each link had at other addresses, in the order of the links; nothing of the last ones may be told.
    pub fn former(&self) -> impl Iterator<Item = Vec<Id>> {
        self.former.iter()
    }

    /// In the order of the links.
    pub fn ids(&self) -> impl Iterator<Item = Id> {
        self.ids.iter().map(|id| Id(**id))
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        bendy::serde::to_bytes(self).map_err(io::Error::other)
    }

    fn decode(bytes: &[u8]) -> Result<State, String> {
        const DAMAGED: &str = "is damaged or not a state file";
        if !u64::try_from(bytes.len()).is_ok_and(|len| len <= MOST_BYTES) {
            return Err(format!("has more than {MOST_BYTES} bytes, and no state file is so large"));
        }
        let all = bencoded::pairs(bytes).filter(|all| bencoded::dictionary(all) == bytes).ok_or(DAMAGED)?;
        // Of another layout nothing else is known.
        let layout = all.get(&b"state"[..]).and_then(|layout| number(layout)).ok_or(DAMAGED)?;
        if layout != LAYOUT.to_string() {
            return Err(format!("has the layout {layout}, and this program knows layout {LAYOUT}"));
        }
        let fields = Fields::of(all).ok_or(DAMAGED)?;
        if fields.sum.as_ref().is_some_and(|sum| *sum != sum_of(&fields.written())) {
            return Err("is damaged: its checksum is that of something else".into());
        }
        let state: State = bencoded::read(&fields.known().written()).ok_or(DAMAGED)?;
        match state.fault() {
            None => Ok(state),
            Some(fault) => Err(format!("was not written by a node: {fault}")),
        }
    }

    fn fault(&self) -> Option<String> {
        if self.ids().chain(self.former().flatten()).any(|id| id == Id::default()) {
            return Some("its id is all zeros, which no other node takes for one".into());
        }
        let most = Config::MAX_LINKS;
        if self.ids.len() > most {
            return Some(format!("it has {} ids, and a node has one for each of at most {most} links", self.ids.len()));
        }
        let mut seen = HashSet::new();
        if let Some(id) = self.ids().find(|id| !seen.insert(*id)) {
            return Some(format!("two links have the id {id}, and each has one of its own"));
        }
        if let Some(fault) = self.former.fault(self.ids()) {
            return Some(fault);
        }
        let mut seen = HashSet::new();
        let twice = self.contacts.iter().find(|contact| !seen.insert((contact.link, contact.id)));
        let twice =
            twice.map(|contact| format!("link {} has the contact {} twice", contact.link, hex::encode(*contact.id)));
        let fault = twice.or_else(|| self.contacts.iter().find_map(StateContact::fault));
        let is_unknown = |contact: &&StateContact| usize::from(contact.link) >= self.ids.len();
        fault.or_else(|| {
            let StateContact { id, link, .. } = self.contacts.iter().find(is_unknown)?;
            let (id, ids) = (hex::encode(**id), count(self.ids.len(), "id"));
            Some(format!("the contact {id} is of link {link}, and it has {ids}, one for each link from 0 on"))
        })
    }
}

/// A number of a few digits, as it is written.
fn number(written: &[u8]) -> Option<&str> {
    let digits = written.strip_prefix(b"i")?.strip_suffix(b"e")?;
    std::str::from_utf8(digits).ok().filter(|digits| digits.len() <= MOST_DIGITS)
}

/// A file as it is written, with what this program does not know of.
#[derive(Clone, Default)]
struct Fields {
    /// All but the contacts.
    all: Pairs,
    contacts: Vec<Pairs>,
    /// The checksum, as it is written.
    sum: Option<Vec<u8>>,
}

impl Fields {
    fn of(mut all: Pairs) -> Option<Fields> {
        let contacts = bencoded::entries(&all.remove(CONTACTS)?)?;
        let mut contacts: Vec<_> = contacts.iter().map(|contact| bencoded::pairs(contact)).collect::<Option<_>>()?;
        let sum = contacts.first_mut().and_then(|first| first.remove(SUM));
        Some(Fields { all, contacts, sum })
    }

    /// What this program knows of.
    fn known(mut self) -> Fields {
        self.all.retain(|key, _| KNOWN.contains(&key.as_slice()));
        self.contacts.iter_mut().for_each(|contact| contact.retain(|key, _| is_known(key)));
        self
    }

    /// Without the checksum.
    fn written(&self) -> Vec<u8> {
        let mut all = self.all.clone();
        all.insert(CONTACTS.to_vec(), bencoded::list(self.contacts.iter().map(bencoded::dictionary)));
        bencoded::dictionary(&all)
    }

    /// With its own checksum, where there is a contact to put it into.
    fn summed(mut self) -> Vec<u8> {
        let sum = sum_of(&self.written());
        self.contacts.iter_mut().take(1).for_each(|first| drop(first.insert(SUM.to_vec(), sum.clone())));
        self.written()
    }

    /// The same with what the other one has besides: in all, and in the contacts that are in both.
    fn with_unknown_of(mut self, other: &Fields) -> Fields {
        let who = |contact: &Pairs| OF_WHOM.map(|key| contact.get(key).cloned());
        let unknown = other.contacts.iter().filter(|contact| contact.keys().any(|key| !is_known(key)));
        let unknown: HashMap<_, _> = unknown.map(|contact| (who(contact), contact)).collect();
        for contact in &mut self.contacts {
            for (key, value) in unknown.get(&who(contact)).copied().into_iter().flatten() {
                contact.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        for (key, value) in other.all.iter().filter(|(key, _)| !KNOWN.contains(&key.as_slice())) {
            self.all.entry(key.clone()).or_insert_with(|| value.clone());
        }
        self
    }
}

/// The checksum of a file that has none, as it is written.
fn sum_of(file: &[u8]) -> Vec<u8> {
    format!("8:{:08x}", CRC.checksum(file)).into_bytes()
}

fn is_known(key: &[u8]) -> bool {
    KNOWN_OF_CONTACT.contains(&key)
}

/// The file that belongs to this process until it ends.
pub struct StateFile {
    /// As the user names it.
    path: PathBuf,
    owned: Owned,
    /// All that it had at the start: what this program does not know of that stays.
    before: Fields,
}

impl StateFile {
    /// Takes the file, and reads it; there may be none yet.
    pub fn open(path: &Path) -> Result<(StateFile, Option<State>), Failed> {
        let shown = path.display();
        let empty = State::new(std::iter::empty(), Vec::new()).encode();
        let taken = empty.and_then(|empty| Owned::take(path, &empty, MOST_BYTES));
        let owned = taken.map_err(|error| match error.kind() {
            file::IN_USE => format!(
                "the state file {shown} is in use by another node: stop that one, or name another file, since two \
                 nodes with one id disturb each other"
            ),
            _ => format!("the state file {shown} cannot be used: {}", cause(&error)),
        })?;
        let before = bencoded::pairs(owned.content()).and_then(Fields::of).unwrap_or_default();
        let state_file = StateFile { path: path.to_owned(), owned, before };
        if state_file.owned.is_new() {
            return Ok((state_file, None));
        }
        match State::decode(state_file.owned.content()) {
            Ok(state) => Ok((state_file, Some(state))),
            Err(fault) => {
                Err(format!("the state file {shown} {fault}; it was left as it is: move it away to begin another")
                    .into())
            }
        }
    }

    /// Replaces the file.
    pub fn save(&mut self, state: &State) -> Result<(), Failed> {
        let replaced = state.encode().and_then(|bytes| self.owned.replace(&self.with_before(bytes)));
        replaced.map_err(|error| {
            format!("the state file {} cannot be written: {}", self.path.display(), cause(&error)).into()
        })
    }

    /// These fields, and those of before that are none of them. A file that is longer than it may be would be refused
    /// at the next start: then they go.
    fn with_before(&self, state: Vec<u8>) -> Vec<u8> {
        let fields = bencoded::pairs(&state).and_then(Fields::of).unwrap_or_default();
        let all = fields.clone().with_unknown_of(&self.before).summed();
        if all.len() as u64 <= MOST_BYTES { all } else { fields.summed() }
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
        assert_eq!(State::decode(&bytes), Ok(state()));
        let first = "d2:id20:aaaaaaaaaaaaaaaaaaaa2:ip4:12344:linki0e4:porti5ee";
        let ip = format!("0123{}45", "\0".repeat(10));
        let second = format!("d2:id20:bbbbbbbbbbbbbbbbbbbb2:ip16:{ip}4:linki1e4:porti65535ee");
        let ids = "20:xxxxxxxxxxxxxxxxxxxx20:yyyyyyyyyyyyyyyyyyyy";
        let text = format!("d8:contactsl{first}{second}e3:idsl{ids}e5:statei1ee");
        assert_eq!(bytes.escape_ascii().to_string(), text.as_bytes().escape_ascii().to_string());
        let former = state().formerly(&[vec![], vec![Id([b'z'; 20]), Id([b'w'; 20])]]);
        let bytes = bendy::serde::to_bytes(&former).unwrap();
        assert_eq!(State::decode(&bytes).as_ref(), Ok(&former));
        let text = format!(
            "d8:contactsl{first}{second}e6:formerllel20:{z}20:{w}ee3:idsl{ids}e5:statei1ee",
            z = "z".repeat(20),
            w = "w".repeat(20)
        );
        assert_eq!(bytes.escape_ascii().to_string(), text.as_bytes().escape_ascii().to_string());
        assert_eq!(state().formerly(&[vec![], vec![]]), state(), "as it was written before");
    }

    /// Rule J24. Where links stood: their ids and who was known of them, by family.
    #[test]
    fn a_socket_takes_what_a_link_of_its_family_had_wherever_that_stood() {
        let [x, y, none] = [Id([b'x'; 20]), Id([b'y'; 20]), Id::default()];
        let contacts =
            |state: &State| state.contacts.iter().map(|contact| (contact.link, contact.is_v6())).collect::<Vec<_>>();
        let ids = |state: &State| state.ids().collect::<Vec<_>>();
        for (are_v6, expected, known) in [
            (&[false, true][..], vec![x, y], vec![(0, false), (1, true)]),
            (&[true, false], vec![y, x], vec![(1, false), (0, true)]),
            (&[true], vec![y, x], vec![(1, false), (0, true)]),
            (&[false], vec![x, y], vec![(0, false), (1, true)]),
            (&[false, false, true], vec![x, none, y], vec![(0, false), (2, true)]),
            (&[], vec![x, y], vec![(0, false), (1, true)]),
        ] {
            let state = state().arranged(are_v6);
            assert_eq!((ids(&state), contacts(&state)), (expected, known), "{are_v6:?}");
        }
        // A link that knew nobody is the one at its place, unless another fits.
        let unknown = || State::new([x, y].into_iter(), state().contacts.split_off(1));
        assert_eq!(ids(&unknown().arranged(&[true])), [y, x]);
        assert_eq!(ids(&unknown().arranged(&[false, true])), [x, y]);
        assert_eq!(ids(&State::new([x, y].into_iter(), vec![]).arranged(&[true, false])), [x, y]);
        // What a link had before goes with it.
        let former = state().formerly(&[vec![], vec![none, y]]).arranged(&[true, false]);
        assert_eq!(former.former().collect::<Vec<_>>(), [vec![none, y], vec![]]);
        // There are no more than a node can have.
        assert_eq!(ids(&state().arranged(&[true; 4])).len(), Config::MAX_LINKS);
    }

    /// Rule J25.
    #[test]
    fn what_a_later_program_adds_is_passed_over_and_stays() {
        let _quiet = file::tests::CHILDREN.read();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let saved = |file: &str| {
            std::fs::write(&path, file).unwrap();
            let (mut file, before) = StateFile::open(&path).unwrap();
            assert!(before.is_some());
            file.save(&state()).unwrap();
            std::fs::read_to_string(&path).unwrap()
        };
        let first = saved("d1:ai-7e8:contactsle3:idsle4:morel1:ad1:bi1eee5:statei1e1:z0:e");
        assert!(first.starts_with("d1:ai-7e8:contactsld2:id") && first.contains("e4:morel1:ad1:bi1eee5:state"));
        assert!(first.ends_with("5:statei1e1:z0:e"), "{first}");
        assert_eq!(saved(&first), first);
        assert_eq!(State::decode(first.as_bytes()), Ok(state()));
        // In a contact, too, as long as that is one; and numbers of any length.
        let digits = "7".repeat(100_000);
        let contact = |text: &str| {
            let id = "2:id20:aaaaaaaaaaaaaaaaaaaa";
            format!("d1:ai{digits}e{id}2:ip4:{text}4:linki0e4:porti5e6:seenatl1:xee")
        };
        let ids = "20:xxxxxxxxxxxxxxxxxxxx20:yyyyyyyyyyyyyyyyyyyy";
        let file = |text: &str| format!("d1:ai-{digits}e8:contactsl{}e3:idsl{ids}e5:statei1ee", contact(text));
        let first = saved(&file("1234"));
        assert!(
            first.contains(contact("1234").strip_suffix('e').unwrap())
                && first.starts_with(&format!("d1:ai-{digits}e8:contacts"))
        );
        assert_eq!(saved(&first), first);
        assert!(!saved(&file("1235")).contains("seenat"), "it is another's");
        // As long as the file may be, and one byte more.
        let own = saved("d8:contactsle3:idsle5:statei1ee").len();
        for (len, stays) in [(MOST_BYTES as usize - own - 12, true), (MOST_BYTES as usize - own - 11, false)] {
            let file = saved(&format!("d8:contactsle3:idsle5:statei1e1:z{len}:{}e", "z".repeat(len)));
            assert_eq!((file.len() as u64 == MOST_BYTES, file.len() == own), (stays, !stays));
            assert_eq!(State::decode(file.as_bytes()), Ok(state()));
        }
    }

    /// Rule J14.
    #[test]
    fn no_changed_bit_makes_another_state_of_a_file_with_contacts() {
        let _quiet = file::tests::CHILDREN.read();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let plain = "d1:a4:more8:contactsle3:idsl20:zzzzzzzzzzzzzzzzzzzze5:statei1e1:zi0ee";
        std::fs::write(&path, plain).unwrap();
        StateFile::open(&path).unwrap().0.save(&state()).unwrap();
        let saved = std::fs::read(&path).unwrap();
        assert_eq!(State::decode(&saved), Ok(state()));
        let mut refused = 0;
        for bit in 0..8 * saved.len() {
            let mut changed = saved.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            match State::decode(&changed) {
                // Nothing but the name of the checksum.
                Ok(read) => assert_eq!(read, state(), "{bit}: {}", changed.escape_ascii()),
                Err(_) => refused += 1,
            }
        }
        assert!(refused >= 8 * (saved.len() - 3), "{refused}");
        let wrong = String::from_utf8_lossy(&saved).replace("more", "less").into_bytes();
        assert!(State::decode(&wrong).unwrap_err().contains("checksum"));
    }

    /// Rules J14 and J25. A program that knows of no checksum drops it, as it drops all that it does not know of a
    /// contact, and writes something else.
    #[test]
    fn a_file_without_a_checksum_is_read_and_saved_with_one() {
        let _quiet = file::tests::CHILDREN.read();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let has_one = || std::fs::read(&path).unwrap().windows(5).any(|window| window == b"3:sum");
        for state in [state(), State::new([Id([b'x'; 20])].into_iter(), vec![])] {
            std::fs::write(&path, state.encode().unwrap()).unwrap();
            for _ in 0..2 {
                let (mut file, before) = StateFile::open(&path).unwrap();
                assert_eq!(before.as_ref(), Some(&state));
                file.save(&state).unwrap();
                // Where there are no contacts there is no place for one.
                assert_eq!(has_one(), !state.contacts.is_empty());
            }
        }
    }

    #[test]
    fn no_damaged_file_is_taken_for_a_state() {
        let bytes = bendy::serde::to_bytes(&state()).unwrap();
        let is_refused = |bytes: &[u8]| State::decode(bytes).is_err();
        for cut in 0..bytes.len() {
            assert!(is_refused(&bytes[..cut]), "cut at {cut}");
        }
        assert!(is_refused(&[&bytes[..], b"x"].concat()) && is_refused(&[&bytes[..], b"i1e"].concat()));
        assert!(is_refused(b"de") && is_refused(b"d8:contactsle3:idsle5:statei2ee"));
        assert!(is_refused(b"d8:contactsle3:idsl3:abce5:statei1ee"));
        for layout in ["-1", "0", "2", "256", "18446744073709551616"] {
            // Nothing else of it is known.
            let fault = State::decode(format!("d3:idsi7e5:statei{layout}ee").as_bytes()).unwrap_err();
            assert!(fault.contains(&format!("layout {layout},")), "{fault}");
        }
        let endless = format!("d5:statei{}ee", "7".repeat(100_000));
        assert!(State::decode(endless.as_bytes()).unwrap_err().contains("damaged"));
        let longest = vec![b'0'; MOST_BYTES as usize];
        assert!(State::decode(&longest).unwrap_err().contains("damaged"));
        assert!(State::decode(&[&longest[..], b"0"].concat()).unwrap_err().contains("so large"));
    }

    #[test]
    fn what_no_node_would_write_is_refused_with_the_reason() {
        let sound =
            |text: &str, n: u8| StateContact::new(n, Id([b'a' + n; 20]), text.parse::<SocketAddr>().unwrap().into());
        let refused = |ids: &[Id], contacts: Vec<StateContact>, why: &str| {
            let bytes = State::new(ids.iter().copied(), contacts).encode().unwrap();
            let fault = State::decode(&bytes).unwrap_err();
            assert!(fault.contains(why), "{fault}");
        };
        refused(&[Id([1; 20]), Id::default()], vec![], "all zeros");
        refused(&[Id([1; 20]), Id([2; 20]), Id([1; 20])], vec![], "two links");
        for (had, why) in [([0; 20], "all zeros"), ([1; 20], "twice")] {
            let had = State::new([Id([1; 20])].into_iter(), vec![]).formerly(&[vec![Id(had)]]);
            assert!(State::decode(&had.encode().unwrap()).unwrap_err().contains(why));
        }
        refused(&[1, 2, 3, 4, 5].map(|n| Id([n; 20])), vec![], "5 ids");
        for addr in ["0.0.0.0:1", "1.2.3.4:0", "224.0.0.1:1", "[::]:1", "[ff02::1]:1"] {
            refused(&[], vec![sound(addr, 0)], addr);
        }
        refused(&[], vec![StateContact { ip: ByteBuf::from(vec![1; 5]), ..sound("1.2.3.4:1", 0) }], "5 bytes");
        refused(&[], vec![StateContact { id: ByteArray::new([0; 20]), ..sound("1.2.3.4:1", 0) }], "zeros");
        refused(&[], vec![sound("1.2.3.4:1", 4)], "link 4");
        refused(&[], vec![sound("1.2.3.4:1", 0), sound("1.2.3.5:1", 0)], "twice");
        refused(&[], vec![sound("1.2.3.4:1", 0)], "0 ids");
        refused(&[Id([1; 20])], vec![sound("1.2.3.4:1", 0), sound("[fe80::1]:1", 1)], "1 id");
        let fine = vec![sound("1.2.3.4:1", 0), sound("127.0.0.1:1", 1), sound("[fe80::1]:1", 3)];
        let ids = [1, 2, 3, 4].map(|n| Id([n; 20])).into_iter();
        assert!(State::decode(&State::new(ids, fine).encode().unwrap()).is_ok());
    }
}
