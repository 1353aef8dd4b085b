//! The lists that events carry: one shape for both address families.
//!
//! [`Nodes`], [`Peers`] and [`Samples`] are fixed-size entries in a buffer of the caller's, as cheap to copy as the
//! slice that they are. They are not iterators themselves: walking a copy of an iterator would leave the original where
//! it was, which looks like a list that can be walked twice and is none.

use core::fmt;
use core::slice::ChunksExact;

use crate::base::error::NoRoom;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

const NODE: usize = Id::LEN + PEER;
const PEER: usize = 18;

/// What every list has.
macro_rules! list {
    ($List:ident of $Entry:ty; $(#[$doc:meta])* ENTRY = $size:expr; read by $read:ident) => {
        impl<'b> $List<'b> {
            $(#[$doc])*
            pub const ENTRY: usize = $size;

            /// The list in `bytes`; a part of an entry at the end is ignored.
            #[must_use]
            pub fn from_bytes(bytes: &'b [u8]) -> Self {
                let whole = bytes.len() - bytes.len() % Self::ENTRY;
                $List(bytes.get(..whole).unwrap_or_default())
            }

            /// The list without entries.
            #[must_use]
            pub const fn empty() -> Self {
                $List(&[])
            }

            /// Number of entries.
            #[must_use]
            pub const fn len(&self) -> usize {
                self.0.len() / Self::ENTRY
            }

            /// Whether there are none.
            #[must_use]
            pub const fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// The entries, in the order of the list.
            #[must_use]
            pub fn iter(&self) -> Entries<'b, $Entry> {
                Entries { bytes: self.0.chunks_exact(Self::ENTRY), read: $read }
            }
        }

        impl fmt::Debug for $List<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(*self).finish()
            }
        }
    };
}

/// Nodes in an event.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Nodes<'b>(&'b [u8]);

list! {
    Nodes of (Id, Endpoint);
    /// Bytes of one entry: id, address (16 bytes, mapped when IPv4), port.
    ENTRY = NODE; read by node
}

/// Peers in an event.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Peers<'b>(&'b [u8]);

list! {
    Peers of Endpoint;
    /// Bytes of one entry: address (16 bytes, mapped when IPv4), port.
    ENTRY = PEER; read by peer
}

/// Info-hashes in an event, or the `samples` of a response.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Samples<'b>(&'b [u8]);

list! {
    Samples of Id;
    /// Bytes of one entry.
    ENTRY = Id::LEN; read by info_hash
}

impl Nodes<'_> {
    /// Writes one entry to the front of `out` and returns its length.
    ///
    /// # Errors
    /// [`NoRoom`] when `out` is shorter than an entry.
    pub fn write(out: &mut [u8], id: &Id, endpoint: &Endpoint) -> Result<usize, NoRoom> {
        let entry = out.first_chunk_mut::<NODE>().ok_or(NoRoom)?;
        let (id_bytes, endpoint_bytes) = entry.split_at_mut(Id::LEN);
        id_bytes.copy_from_slice(id.as_bytes());
        endpoint_bytes.copy_from_slice(&endpoint.to_bytes());
        Ok(Self::ENTRY)
    }
}

impl Peers<'_> {
    /// Writes one entry to the front of `out` and returns its length.
    ///
    /// # Errors
    /// [`NoRoom`] when `out` is shorter than an entry.
    pub fn write(out: &mut [u8], endpoint: &Endpoint) -> Result<usize, NoRoom> {
        let entry = out.first_chunk_mut::<PEER>().ok_or(NoRoom)?;
        *entry = endpoint.to_bytes();
        Ok(Self::ENTRY)
    }
}

impl Samples<'_> {
    /// Writes one entry to the front of `out` and returns its length.
    ///
    /// # Errors
    /// [`NoRoom`] when `out` is shorter than an entry.
    pub fn write(out: &mut [u8], info_hash: &Id) -> Result<usize, NoRoom> {
        let entry = out.first_chunk_mut::<{ Id::LEN }>().ok_or(NoRoom)?;
        *entry = *info_hash.as_bytes();
        Ok(Self::ENTRY)
    }
}

impl<'b> IntoIterator for Nodes<'b> {
    type Item = (Id, Endpoint);
    type IntoIter = Entries<'b, (Id, Endpoint)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'b> IntoIterator for Peers<'b> {
    type Item = Endpoint;
    type IntoIter = Entries<'b, Endpoint>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'b> IntoIterator for Samples<'b> {
    type Item = Id;
    type IntoIter = Entries<'b, Id>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The entries of [`Nodes`], [`Peers`] or [`Samples`].
#[derive(Clone, Debug)]
pub struct Entries<'b, T> {
    bytes: ChunksExact<'b, u8>,
    read: fn(&[u8]) -> Option<T>,
}

impl<T> Iterator for Entries<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        (self.read)(self.bytes.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.bytes.size_hint()
    }
}

impl<T> ExactSizeIterator for Entries<'_, T> {}

fn node(entry: &[u8]) -> Option<(Id, Endpoint)> {
    let (id, endpoint) = entry.split_first_chunk()?;
    Some((Id(*id), peer(endpoint)?))
}

fn peer(entry: &[u8]) -> Option<Endpoint> {
    entry.try_into().ok().map(Endpoint::from_bytes)
}

fn info_hash(entry: &[u8]) -> Option<Id> {
    entry.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const ID: Id = Id(*b"abcdefghij0123456789");
    const V4: Endpoint = Endpoint::v4([1, 2, 3, 4], 6881);
    const V6: Endpoint = Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], 6882);

    #[test]
    fn lists_of_events_hold_both_families_and_know_their_length() {
        let mut buffer = [0; 100];
        let mut length = Nodes::write(&mut buffer, &ID, &V4).unwrap();
        length += Nodes::write(&mut buffer[length..], &ID, &V6).unwrap();
        let nodes = Nodes::from_bytes(&buffer[..length + 5]);
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes.iter().collect::<Vec<_>>(), [(ID, V4), (ID, V6)]);

        let length = Peers::write(&mut buffer, &V6).unwrap();
        let peers = Peers::from_bytes(&buffer[..length]);
        assert_eq!((peers.len(), peers.iter().collect::<Vec<_>>()), (1, std::vec![V6]));

        assert!(Nodes::empty().is_empty() && Peers::empty().is_empty() && Samples::empty().is_empty());
        assert_eq!(std::format!("{peers:?}"), "[[2001:db8::7]:6882]");
        // A list stays whole while somebody walks it.
        let mut ports = 0;
        for peer in peers {
            ports += usize::from(peer.port());
        }
        assert_eq!((ports, peers.len()), (6882, 1));

        let length = Samples::write(&mut buffer, &ID).unwrap();
        let samples = Samples::from_bytes(&buffer[..length + 19]);
        assert_eq!((samples.len(), samples.iter().collect::<Vec<_>>()), (1, std::vec![ID]));
    }

    #[test]
    fn no_part_of_an_entry_is_written() {
        let mut buffer = [0; 38];
        assert_eq!(Nodes::write(&mut buffer[..37], &ID, &V4), Err(NoRoom));
        assert_eq!(Peers::write(&mut buffer[..17], &V4), Err(NoRoom));
        assert_eq!(Samples::write(&mut buffer[..19], &ID), Err(NoRoom));
        assert_eq!(buffer, [0; 38]);
    }
}
