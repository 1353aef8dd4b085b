//! Compact node and peer lists (BEP 5, BEP 32).
//!
//! On the wire a peer is an address of 4 or 16 bytes and a port, and a node is an id and a peer, all in network
//! order. What strangers send is read as far as it goes: whole entries while they last, a trailing part is ignored,
//! IPv4 addresses written as mapped IPv6 ones are skipped (they would bring IPv4 endpoints into an IPv6 list), and no
//! more than [`MAX_NODES`] or [`MAX_PEERS`] entries are looked at. Whether an endpoint is usable is not judged here.

use core::slice::ChunksExact;

use crate::krpc::bencode::reader::Reader;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;

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

/// The `values` of a get_peers response.
///
/// Exhaustive: what is received and what is sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Values<'a> {
    /// No such field.
    #[default]
    Absent,
    /// As received: the items of the bencoded list, without its `l` and `e`.
    List(&'a [u8]),
    /// To be sent: compact peers of one family, 6 or 18 bytes each, back to back.
    Packed {
        /// The peers.
        bytes: &'a [u8],
        /// Their family.
        family: Family,
    },
}

impl<'a> Values<'a> {
    /// Reads the peers. Entries that are no peers are skipped one by one.
    pub fn peers(&self) -> impl Iterator<Item = Endpoint> + use<'a> {
        let mut entries = match *self {
            Values::Absent => ValueItems::Packed([].chunks_exact(PEER4)),
            Values::List(items) => ValueItems::List(Reader::new(items)),
            Values::Packed { bytes, family: Family::V4 } => ValueItems::Packed(bytes.chunks_exact(PEER4)),
            Values::Packed { bytes, family: Family::V6 } => ValueItems::Packed(bytes.chunks_exact(PEER6)),
        };
        core::iter::from_fn(move || match &mut entries {
            ValueItems::List(items) => items.string_or_skip().ok().map(Option::unwrap_or_default),
            ValueItems::Packed(peers) => peers.next(),
        })
        .take(MAX_PEERS)
        .filter_map(peer)
    }
}

/// What is left of a list of values. An item that is no string is an entry of no bytes.
enum ValueItems<'a> {
    List(Reader<'a>),
    Packed(ChunksExact<'a, u8>),
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

/// Writes a compact node to the front of `out` and returns its length: [`NODE4`] or [`NODE6`] by family, or 0 when
/// there is no room.
pub fn put_node(out: &mut [u8], id: &Id, endpoint: &Endpoint) -> usize {
    // Once for each family, so that the lengths to copy are constants.
    let (ip, port) = (endpoint.ip_bytes(), endpoint.port().to_be_bytes());
    match (ip.first_chunk::<4>(), ip.first_chunk::<16>()) {
        (_, Some(ip)) => put(out, [id.as_bytes(), ip, &port]),
        (Some(ip), None) => put(out, [id.as_bytes(), ip, &port]),
        (None, None) => 0,
    }
}

/// Writes a compact peer to the front of `out` and returns its length: [`PEER4`] or [`PEER6`] by family, or 0 when
/// there is no room.
pub fn put_peer(out: &mut [u8], endpoint: &Endpoint) -> usize {
    // As above: the lengths are constants.
    let (ip, port) = (endpoint.ip_bytes(), endpoint.port().to_be_bytes());
    match (ip.first_chunk::<4>(), ip.first_chunk::<16>()) {
        (_, Some(ip)) => put(out, [ip, &port, &[]]),
        (Some(ip), None) => put(out, [ip, &port, &[]]),
        (None, None) => 0,
    }
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
        assert_eq!(put_node(&mut buffer, &ID, &V4), 26);
        assert_eq!(put_node(&mut buffer[26..], &ID, &V4), 26);
        assert_eq!(nodes4(&buffer[..52 + 25]).collect::<Vec<_>>(), [(ID, V4), (ID, V4)]);
        assert_eq!(put_node(&mut buffer, &ID, &V6), 38);
        assert_eq!(nodes6(&buffer[..38]).collect::<Vec<_>>(), [(ID, V6)]);
        assert_eq!(nodes4(b"def456...").count(), 0);
    }

    #[test]
    fn nothing_is_written_without_room() {
        let mut buffer = [0; 38];
        assert_eq!(put_node(&mut buffer[..25], &ID, &V4), 0);
        assert_eq!(put_node(&mut buffer[..37], &ID, &V6), 0);
        assert_eq!(put_peer(&mut buffer[..5], &V4), 0);
        assert_eq!(put_peer(&mut buffer[..17], &V6), 0);
        assert_eq!(buffer, [0; 38]);
    }

    // K52
    #[test]
    fn no_more_than_forty_nodes_of_a_family_are_read() {
        let mut entry = [0; NODE6];
        put_node(&mut entry, &ID, &V4);
        assert_eq!(nodes4(&entry[..NODE4].repeat(41)).count(), 40);
        put_node(&mut entry, &ID, &V6);
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
        assert_eq!(Values::Packed { bytes: &packed, family: Family::V4 }.peers().count(), 100);
    }
}
