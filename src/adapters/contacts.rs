//! The contacts of a running node as bytes, to be kept for its next run.
//!
//! ```text
//! "honeyguide contacts 1\n"
//! for each contact: link (1 byte), id (20), address (16, IPv4 mapped), port (2, big-endian)
//! CRC-32 of all before it (4, big-endian)
//! ```

use std::io;
use std::vec::Vec;

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::adapters::handle::Handle;
use crate::adapters::watch::Observation;
use crate::dht::contact::SavedContact;
use crate::dht::event::LinkId;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;

const MAGIC: &[u8] = b"honeyguide contacts 1\n";
const RECORD: usize = 39;
/// More than four full tables of any sensible size; whoever saves more keeps the first of them.
const MOST: usize = 1 << 16;

type LinkContact = (LinkId, SavedContact);

/// Contacts for the next run.
impl Handle {
    /// The contacts of all links, at most 65,536, for [`load_contacts`](Handle::load_contacts). They tell whom this
    /// node knows, and nothing else; bytes without a contact are not worth replacing others.
    pub fn save_contacts(&self) -> Observation<Vec<u8>> {
        self.observe(|node| {
            let saved = |(link, view): (LinkId, crate::dht::contact::ContactView)| {
                (link, SavedContact { id: view.id, endpoint: view.endpoint })
            };
            encode(node.contacts().map(saved))
        })
    }

    /// Offers contacts of an earlier run, as [`import`](Handle::import) does: each to the link that has its number, if
    /// that is of its address family, and else to the first that is. Those of a family without a link are left out.
    /// Returns how many were offered; a table takes of them what it has room for, and a node that has ended none.
    ///
    /// # Errors
    /// [`InvalidData`](io::ErrorKind::InvalidData) when the bytes were cut or changed, or are something else; nothing
    /// was offered then.
    #[allow(clippy::must_use_candidate, reason = "they are taken whether or not anybody counts them")]
    pub fn load_contacts(&self, bytes: &[u8]) -> io::Result<usize> {
        let fault = "these bytes are no saved contacts: they were cut or changed, or are something else";
        let contacts = decode(bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, fault))?;
        let families: Vec<_> = self.addrs().iter().map(|addr| Endpoint::from(*addr).family()).collect();
        let mut offered = 0;
        for link in 0..families.len() {
            let of_link = contacts.iter().filter(|contact| link_of(contact, &families) == Some(link));
            let of_link: Vec<_> = of_link.map(|(_, contact)| *contact).collect();
            offered += of_link.len();
            drop(self.import(LinkId(link as u8), &of_link));
        }
        Ok(offered)
    }
}

/// The number of the link that a contact is for, of links of these families.
fn link_of((saved, contact): &LinkContact, families: &[Family]) -> Option<usize> {
    let (saved, family) = (usize::from(saved.0), contact.endpoint.family());
    let same = families.get(saved).filter(|of_link| **of_link == family).map(|_| saved);
    same.or_else(|| families.iter().position(|of_link| *of_link == family))
}

fn encode(contacts: impl Iterator<Item = LinkContact>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for (link, contact) in contacts.take(MOST) {
        bytes.push(link.0);
        bytes.extend(contact.id.0);
        bytes.extend(contact.endpoint.to_bytes());
    }
    let sum = checksum(&bytes);
    bytes.extend(sum.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<LinkContact>> {
    let (bytes, sum) = bytes.split_last_chunk::<4>()?;
    let records = bytes.strip_prefix(MAGIC)?;
    let whole = records.len() % RECORD == 0 && records.len() / RECORD <= MOST;
    if !whole || checksum(bytes) != u32::from_be_bytes(*sum) {
        return None;
    }
    records.chunks_exact(RECORD).map(contact).collect()
}

fn contact(record: &[u8]) -> Option<LinkContact> {
    let (link, rest) = record.split_first()?;
    let (id, rest) = rest.split_first_chunk::<20>()?;
    let endpoint = Endpoint::from_bytes(*rest.first_chunk::<18>()?);
    Some((LinkId(*link), SavedContact { id: Id(*id), endpoint }))
}

fn checksum(bytes: &[u8]) -> u32 {
    Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact_of(n: usize) -> LinkContact {
        let endpoint = if n.is_multiple_of(2) { Endpoint::v4([9, 8, 7, 6], 5) } else { Endpoint::v6([7; 16], 65_535) };
        (LinkId((n % 4) as u8), SavedContact { id: Id([n as u8; 20]), endpoint })
    }

    #[test]
    fn contacts_come_back_as_they_were_saved_up_to_the_limit() {
        for count in [0, 1, 5, MOST, MOST + 1] {
            let all: Vec<_> = (0..count).map(contact_of).collect();
            assert_eq!(decode(&encode(all.iter().copied())).as_deref(), Some(&all[..count.min(MOST)]));
        }
    }

    /// Who lists his sockets in another order, or has other ones, keeps what can be kept.
    #[test]
    fn a_contact_is_for_a_link_of_its_family_and_best_for_the_one_with_its_number() {
        use Family::{V4, V6};
        let (four, six) = (contact_of(0).1, contact_of(1).1);
        for (saved, contact, families, link) in [
            (0, four, &[V4, V6][..], Some(0)),
            (1, six, &[V4, V6], Some(1)),
            (0, four, &[V6, V4], Some(1)),
            (1, six, &[V6, V4], Some(0)),
            (2, four, &[V4, V4, V4], Some(2)),
            (3, four, &[V6, V4, V4], Some(1)),
            (0, four, &[V6], None),
            (255, six, &[V6], Some(0)),
            (0, six, &[], None),
        ] {
            assert_eq!(link_of(&(LinkId(saved), contact), families), link, "{saved}, {families:?}");
        }
    }

    #[test]
    fn what_was_cut_or_changed_is_no_list() {
        let bytes = encode((0..3).map(contact_of));
        assert!((0..bytes.len()).all(|cut| decode(&bytes[..cut]).is_none()));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(decode(&changed).is_none(), "byte {at}");
        }
        let mut longer = MAGIC.to_vec();
        longer.resize(MAGIC.len() + (MOST + 1) * RECORD, 0);
        let sum = checksum(&longer);
        longer.extend(sum.to_be_bytes());
        assert!(decode(&longer).is_none(), "one more than any list has");
    }
}
