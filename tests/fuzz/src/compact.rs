//! Compact lists of nodes and peers, and the normalised lists of events.

use honeyguide::base::NoRoom;
use honeyguide::dht::Network;
use honeyguide::internals::krpc::bencode::Reader;
use honeyguide::internals::krpc::compact::{
    MAX_NODES, MAX_PEERS, NODE4, NODE6, PEER4, PEER6, nodes4, nodes6, peer, put_node, put_peer,
};
use honeyguide::krpc::{Family, Nodes, Peers, Samples, Values};
use honeyguide::{Endpoint, Id};

/// Reads the bytes as every kind of list; each whole entry is one that was there, and is written back as it was.
pub fn compact(data: &[u8]) {
    check_nodes(data, NODE4, nodes4(data).collect(), Family::V4);
    check_nodes(data, NODE6, nodes6(data).collect(), Family::V6);
    check_values(data);
    check_lists(data);
    if let Some(bytes) = data.first_chunk::<18>() {
        check_endpoint(Endpoint::from_bytes(*bytes));
    }
}

fn check_nodes(data: &[u8], size: usize, nodes: Vec<(Id, Endpoint)>, family: Family) {
    let entries: Vec<&[u8]> = data.chunks_exact(size).take(MAX_NODES).collect();
    // Mapped addresses in an IPv6 list are the only entries that are skipped.
    let kept: Vec<&[u8]> = entries.iter().filter(|e| peer(&e[Id::LEN..]).is_some()).copied().collect();
    assert!(family == Family::V6 || kept.len() == entries.len());
    assert_eq!(nodes.len(), kept.len());
    for ((id, endpoint), entry) in nodes.iter().zip(kept) {
        assert_eq!(endpoint.family(), family);
        let mut out = vec![0; size];
        assert_eq!(put_node(&mut out, id, endpoint), size);
        assert_eq!(out, entry);
        assert_eq!(put_node(&mut out[..size - 1], id, endpoint), 0);
    }
}

fn check_values(data: &[u8]) {
    let list: Vec<Endpoint> = Values::List(data).peers().collect();
    assert!(list.len() <= MAX_PEERS && Values::Absent.peers().count() == 0);
    // The same by hand: strings of 6 or 18 bytes among the first hundred entries.
    let (mut reader, mut expected) = (Reader::new(data), Vec::new());
    for _ in 0..MAX_PEERS {
        match reader.string_or_skip() {
            Ok(entry) => expected.extend(entry.and_then(peer)),
            Err(_) => break,
        }
    }
    assert_eq!(list, expected);
    for (family, size) in [(Family::V4, PEER4), (Family::V6, PEER6)] {
        let packed: Vec<Endpoint> = Values::Packed { bytes: data, family }.peers().collect();
        assert!(packed.len() <= MAX_PEERS && packed.len() <= data.len() / size);
        for endpoint in packed {
            check_endpoint(endpoint);
        }
    }
}

fn check_lists(data: &[u8]) {
    let (nodes, peers, samples) = (Nodes::from_bytes(data), Peers::from_bytes(data), Samples::from_bytes(data));
    assert_eq!((nodes.len(), nodes.iter().count()), (data.len() / Nodes::ENTRY, data.len() / Nodes::ENTRY));
    assert_eq!((peers.len(), peers.iter().count()), (data.len() / Peers::ENTRY, data.len() / Peers::ENTRY));
    assert_eq!((samples.len(), samples.iter().count()), (data.len() / Samples::ENTRY, data.len() / Samples::ENTRY));
    let mut out = vec![0; data.len()];
    let mut len = 0;
    for (id, endpoint) in nodes {
        len += Nodes::write(&mut out[len..], &id, &endpoint).unwrap();
    }
    assert_eq!(Nodes::from_bytes(&out[..len]), nodes);
    assert_eq!(out[..len], data[..len]);
    assert_eq!(Nodes::write(&mut [0; Nodes::ENTRY - 1], &Id::default(), &Endpoint::UNSPECIFIED), Err(NoRoom));
    assert_eq!(Peers::write(&mut [0; Peers::ENTRY - 1], &Endpoint::UNSPECIFIED), Err(NoRoom));
    assert_eq!(Samples::write(&mut [0; Samples::ENTRY - 1], &Id::default()), Err(NoRoom));
}

fn check_endpoint(endpoint: Endpoint) {
    assert_eq!(Endpoint::from_bytes(endpoint.to_bytes()), endpoint);
    assert_eq!(Endpoint::from(std::net::SocketAddr::from(endpoint)), endpoint);
    assert_eq!(endpoint.family() == Family::V4, endpoint.ip().is_ipv4());
    assert!(
        endpoint.is_usable(Network::Local) || !endpoint.is_usable(Network::Public),
        "local networks take more, never less"
    );
    assert!(endpoint.port() != 0 || !endpoint.is_usable(Network::Local));
    let mut out = [0; PEER6];
    let len = put_peer(&mut out, &endpoint);
    assert_eq!(peer(&out[..len]), Some(endpoint));
    assert_eq!(endpoint.with_port(1).network(), endpoint.network());
}
