//! Compact node and peer lists (BEP 5, BEP 32), and the normalised lists that events carry.
//!
//! On the wire a peer is an address of 4 or 16 bytes and a port, and a node is an id and a peer, all in network
//! order. What strangers send is read as far as it goes: whole entries while they last, a trailing part is ignored,
//! IPv4 addresses written as mapped IPv6 ones are skipped (they would bring IPv4 endpoints into an IPv6 list), and no
//! more than [`MAX_NODES`] or [`MAX_PEERS`] entries are looked at. Whether an endpoint is usable is not judged here.
//!
//! Events give lists of one shape for both families: [`Nodes`], [`Peers`] and [`Samples`] are iterators over fixed-size
//! entries in a buffer of the caller's, and are as cheap to copy as the slice that they are.

use crate::krpc::bencode::Reader;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::krpc::message::Values;

/// Bytes of a compact IPv4 peer.
pub const PEER4: usize = 6;
/// Bytes of a compact IPv6 peer.
pub const PEER6: usize = 18;
/// Bytes of a compact IPv4 node.
pub const NODE4: usize = Id::LEN + PEER4;
/// Bytes of a compact IPv6 node.
pub const NODE6: usize = Id::LEN + PEER6;
/// Nodes of one family that are read from one response.
pub const MAX_NODES: usize = 40;
/// Peers that are read from one response.
pub const MAX_PEERS: usize = 100;

/// The endpoint in a compact peer: 6 bytes, or 18 that are not a mapped IPv4 address.
#[inline]
pub fn peer(bytes: &[u8]) -> Option<Endpoint> {
    match bytes {
        [a, b, c, d, port @ ..] if port.len() == 2 => Some(Endpoint::v4([*a, *b, *c, *d], port_of(port)?)),
        _ => {
            let (ip, port) = bytes.split_first_chunk::<16>()?;
            let endpoint = Endpoint::v6(*ip, port_of(port)?);
            (!endpoint.is_v4()).then_some(endpoint)
        }
    }
}

#[inline]
fn port_of(bytes: &[u8]) -> Option<u16> {
    bytes.try_into().ok().map(u16::from_be_bytes)
}

#[inline]
fn node(entry: &[u8]) -> Option<(Id, Endpoint)> {
    let (id, endpoint) = entry.split_first_chunk()?;
    Some((Id(*id), peer(endpoint)?))
}

/// Reads the `nodes` of a response.
pub fn nodes4(bytes: &[u8]) -> impl Iterator<Item = (Id, Endpoint)> {
    bytes.chunks_exact(NODE4).take(MAX_NODES).filter_map(node)
}

/// Reads the `nodes6` of a response.
pub fn nodes6(bytes: &[u8]) -> impl Iterator<Item = (Id, Endpoint)> {
    bytes.chunks_exact(NODE6).take(MAX_NODES).filter_map(node)
}

impl<'a> Values<'a> {
    /// Reads the peers. Entries that are no peers are skipped one by one.
    pub fn peers(&self) -> impl Iterator<Item = Endpoint> + use<'a> {
        let (mut list, packed, stride) = match *self {
            Values::Absent => (Reader::new(&[]), &[][..], PEER4),
            Values::List(items) => (Reader::new(items), &[][..], PEER4),
            Values::Packed { bytes, stride } => (Reader::new(&[]), bytes, stride.max(1)),
        };
        core::iter::from_fn(move || list.string_or_skip().ok())
            .map(|entry| entry.unwrap_or_default())
            .chain(packed.chunks_exact(stride))
            .take(MAX_PEERS)
            .filter_map(peer)
    }
}

/// Copies `parts` to the front of `out` and returns how many bytes that are; 0 when they do not fit.
#[inline]
fn put(out: &mut [u8], parts: [&[u8]; 3]) -> usize {
    let total = parts.iter().map(|part| part.len()).sum();
    let Some(mut rest) = out.get_mut(..total) else { return 0 };
    for part in parts {
        let Some((here, after)) = rest.split_at_mut_checked(part.len()) else { return 0 };
        here.copy_from_slice(part);
        rest = after;
    }
    total
}

/// Writes a compact IPv4 node to the front of `out` and returns its length: [`NODE4`], or 0 when there is no room or
/// the endpoint is not IPv4.
pub fn put_node4(out: &mut [u8], id: &Id, endpoint: &Endpoint) -> usize {
    match endpoint.family() {
        Family::V4 => put(out, [id.as_bytes(), endpoint.ip_bytes(), &endpoint.port().to_be_bytes()]),
        Family::V6 => 0,
    }
}

/// Writes a compact IPv6 node to the front of `out` and returns its length: [`NODE6`], or 0 when there is no room or
/// the endpoint is not IPv6.
pub fn put_node6(out: &mut [u8], id: &Id, endpoint: &Endpoint) -> usize {
    match endpoint.family() {
        Family::V4 => 0,
        Family::V6 => put(out, [id.as_bytes(), endpoint.ip_bytes(), &endpoint.port().to_be_bytes()]),
    }
}

/// Writes a compact peer to the front of `out` and returns its length: [`PEER4`] or [`PEER6`] by family, or 0 when
/// there is no room.
pub fn put_peer(out: &mut [u8], endpoint: &Endpoint) -> usize {
    put(out, [endpoint.ip_bytes(), &endpoint.port().to_be_bytes(), &[]])
}

/// A list of nodes in an event: an iterator over entries of [`Nodes::ENTRY`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Nodes<'b>(&'b [u8]);

impl<'b> Nodes<'b> {
    /// Bytes of one entry: id, address (16 bytes, mapped when IPv4), port.
    pub const ENTRY: usize = NODE6;

    /// The list in `bytes`; a part of an entry at the end is ignored.
    pub fn from_bytes(bytes: &'b [u8]) -> Self {
        Nodes(whole_entries(bytes, Self::ENTRY))
    }

    /// The list without entries.
    pub const fn empty() -> Self {
        Nodes(&[])
    }

    /// Writes one entry to the front of `out` and returns its length, 0 when there is no room.
    pub fn write(out: &mut [u8], id: &Id, endpoint: &Endpoint) -> usize {
        put(out, [id.as_bytes(), &endpoint.to_bytes(), &[]])
    }
}

impl Iterator for Nodes<'_> {
    type Item = (Id, Endpoint);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, rest) = self.0.split_first_chunk()?;
        let (endpoint, rest) = rest.split_first_chunk()?;
        self.0 = rest;
        Some((Id(*id), Endpoint::from_bytes(*endpoint)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let entries = self.0.len() / Self::ENTRY;
        (entries, Some(entries))
    }
}

impl ExactSizeIterator for Nodes<'_> {}

/// A list of peers in an event: an iterator over entries of [`Peers::ENTRY`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Peers<'b>(&'b [u8]);

impl<'b> Peers<'b> {
    /// Bytes of one entry: address (16 bytes, mapped when IPv4), port.
    pub const ENTRY: usize = PEER6;

    /// The list in `bytes`; a part of an entry at the end is ignored.
    pub fn from_bytes(bytes: &'b [u8]) -> Self {
        Peers(whole_entries(bytes, Self::ENTRY))
    }

    /// The list without entries.
    pub const fn empty() -> Self {
        Peers(&[])
    }

    /// Writes one entry to the front of `out` and returns its length, 0 when there is no room.
    pub fn write(out: &mut [u8], endpoint: &Endpoint) -> usize {
        put(out, [&endpoint.to_bytes(), &[], &[]])
    }
}

impl Iterator for Peers<'_> {
    type Item = Endpoint;

    fn next(&mut self) -> Option<Self::Item> {
        let (endpoint, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(Endpoint::from_bytes(*endpoint))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let entries = self.0.len() / Self::ENTRY;
        (entries, Some(entries))
    }
}

impl ExactSizeIterator for Peers<'_> {}

/// A list of info-hashes in an event: an iterator over entries of 20 bytes. It also reads the `samples` of a response.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Samples<'b>(&'b [u8]);

impl<'b> Samples<'b> {
    /// Bytes of one entry.
    pub const ENTRY: usize = Id::LEN;

    /// The list in `bytes`; a part of an entry at the end is ignored.
    pub fn from_bytes(bytes: &'b [u8]) -> Self {
        Samples(whole_entries(bytes, Self::ENTRY))
    }

    /// The list without entries.
    pub const fn empty() -> Self {
        Samples(&[])
    }

    /// Writes one entry to the front of `out` and returns its length, 0 when there is no room.
    pub fn write(out: &mut [u8], info_hash: &Id) -> usize {
        put(out, [info_hash.as_bytes(), &[], &[]])
    }
}

impl Iterator for Samples<'_> {
    type Item = Id;

    fn next(&mut self) -> Option<Self::Item> {
        let (id, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(Id(*id))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let entries = self.0.len() / Self::ENTRY;
        (entries, Some(entries))
    }
}

impl ExactSizeIterator for Samples<'_> {}

fn whole_entries(bytes: &[u8], entry: usize) -> &[u8] {
    bytes.get(..bytes.len() - bytes.len() % entry).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const ID: Id = Id(*b"abcdefghij0123456789");
    const V4: Endpoint = Endpoint::v4([1, 2, 3, 4], 6881);
    const V6: Endpoint = Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], 6882);
    const MAPPED: [u8; 18] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4, 0x1a, 0xe1];

    // K50, K51
    #[test]
    fn nodes_are_read_as_they_were_written() {
        let mut buffer = [0; 100];
        assert_eq!(put_node4(&mut buffer, &ID, &V4), 26);
        assert_eq!(put_node4(&mut buffer[26..], &ID, &V4), 26);
        assert_eq!(nodes4(&buffer[..52 + 25]).collect::<Vec<_>>(), [(ID, V4), (ID, V4)]);
        assert_eq!(put_node6(&mut buffer, &ID, &V6), 38);
        assert_eq!(nodes6(&buffer[..38]).collect::<Vec<_>>(), [(ID, V6)]);
        assert_eq!(nodes4(b"def456...").count(), 0);
    }

    #[test]
    fn nothing_is_written_without_room_or_in_the_wrong_family() {
        let mut buffer = [0; 38];
        assert_eq!(put_node4(&mut buffer[..25], &ID, &V4), 0);
        assert_eq!(put_node4(&mut buffer, &ID, &V6), 0);
        assert_eq!(put_node6(&mut buffer[..37], &ID, &V6), 0);
        assert_eq!(put_node6(&mut buffer, &ID, &V4), 0);
        assert_eq!(put_peer(&mut buffer[..5], &V4), 0);
        assert_eq!(put_peer(&mut buffer[..17], &V6), 0);
        assert_eq!(Nodes::write(&mut buffer[..37], &ID, &V4), 0);
        assert_eq!(Peers::write(&mut buffer[..17], &V4), 0);
        assert_eq!(Samples::write(&mut buffer[..19], &ID), 0);
        assert_eq!(buffer, [0; 38]);
    }

    // K52
    #[test]
    fn no_more_than_forty_nodes_of_a_family_are_read() {
        let mut entry = [0; NODE6];
        put_node4(&mut entry, &ID, &V4);
        assert_eq!(nodes4(&entry[..NODE4].repeat(41)).count(), 40);
        put_node6(&mut entry, &ID, &V6);
        assert_eq!(nodes6(&entry.repeat(41)).count(), 40);
    }

    // K53
    #[test]
    fn a_mapped_address_is_no_ipv6_peer() {
        assert_eq!(peer(&MAPPED), None);
        assert_eq!(nodes6(&[ID.as_bytes().as_slice(), &MAPPED].concat()).count(), 0);
    }

    // K42
    #[test]
    fn values_may_mix_families_and_bad_entries_are_skipped_one_by_one() {
        let mut v6 = [0; 18];
        assert_eq!(put_peer(&mut v6, &V6), 18);
        let list = [
            &b"5:abcde"[..],
            b"6:\x01\x02\x03\x04\x1a\xe1",
            b"i7e",
            b"d1:ale2:bbi3ee",
            b"18:",
            &v6,
            b"18:",
            &MAPPED,
            b"0:",
            b"6:\x01\x02\x03\x04\x1a\xe1",
        ]
        .concat();
        assert_eq!(Values::List(&list).peers().collect::<Vec<_>>(), [V4, V6, V4]);
        assert_eq!(Values::List(b"6:short").peers().count(), 0);
        assert_eq!(Values::Absent.peers().count(), 0);
    }

    // K52
    #[test]
    fn no_more_than_a_hundred_values_are_read() {
        let list = b"6:\x01\x02\x03\x04\x1a\xe1".repeat(101);
        assert_eq!(Values::List(&list).peers().count(), 100);
        let packed = b"\x01\x02\x03\x04\x1a\xe1".repeat(101);
        assert_eq!(Values::Packed { bytes: &packed, stride: 6 }.peers().count(), 100);
    }

    #[test]
    fn lists_of_events_hold_both_families_and_know_their_length() {
        let mut buffer = [0; 100];
        let mut length = Nodes::write(&mut buffer, &ID, &V4);
        length += Nodes::write(&mut buffer[length..], &ID, &V6);
        let nodes = Nodes::from_bytes(&buffer[..length + 5]);
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes.collect::<Vec<_>>(), [(ID, V4), (ID, V6)]);

        let length = Peers::write(&mut buffer, &V6);
        let peers = Peers::from_bytes(&buffer[..length]);
        assert_eq!((peers.len(), peers.collect::<Vec<_>>()), (1, std::vec![V6]));

        let length = Samples::write(&mut buffer, &ID);
        let samples = Samples::from_bytes(&buffer[..length + 19]);
        assert_eq!((samples.len(), samples.collect::<Vec<_>>()), (1, std::vec![ID]));
        assert_eq!(Nodes::empty().len() + Peers::empty().len() + Samples::empty().len(), 0);
    }
}
