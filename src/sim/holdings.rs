//! What a remote node holds for others: items and peers, as many as it has room for and for as long as it keeps them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::krpc::message::ErrorCode;

/// Items, and info-hashes, that the mainline crate's servers hold.
const MOST_ITEMS: usize = 1_000;
const MOST_TOPICS: usize = 2_000;
/// Peers of one info-hash.
const MOST_PEERS: usize = 100;
/// How long a peer is kept (libtorrent).
const PEER_LASTS: Duration = Duration::from_secs(30 * 60);

/// What a remote node holds.
#[derive(Clone, Default, Debug)]
pub(super) struct Holdings {
    items: BTreeMap<Id, Held>,
    peers: BTreeMap<Id, Vec<(Endpoint, Instant)>>,
}

/// An item.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) value: Vec<u8>,
    /// Key, signature and version.
    pub(super) signed: Option<([u8; 32], [u8; 64], i64)>,
    until: Instant,
}

impl Holdings {
    pub(super) fn item(&self, now: Instant, target: &Id) -> Option<&Held> {
        self.items.get(target).filter(|held| held.until > now)
    }

    pub(super) fn peers(&self, now: Instant, topic: &Id) -> impl Iterator<Item = Endpoint> {
        let all = self.peers.get(topic).into_iter().flatten();
        all.filter(move |(_, until)| *until > now).map(|(peer, _)| *peer)
    }

    /// Takes an item until then, or says why not. Every signature is taken for genuine: others are tried elsewhere.
    pub(super) fn put(
        &mut self,
        (now, until): (Instant, Instant),
        item: &Item<'_>,
        cas: Option<i64>,
    ) -> Result<(), ErrorCode> {
        self.items.retain(|_, held| held.until > now);
        let target = item.target();
        let signed = item.mutable.as_ref().map(|mutable| (*mutable.key, *mutable.signature, mutable.seq));
        if let (Some((.., seq)), Some(held)) = (&signed, self.items.get(&target))
            && let Some((.., held_seq)) = held.signed
        {
            if cas.is_some_and(|cas| cas != held_seq) {
                return Err(ErrorCode::CasMismatch);
            }
            if *seq < held_seq || (*seq == held_seq && held.value != item.value) {
                return Err(ErrorCode::SeqTooOld);
            }
        }
        if self.items.len() < MOST_ITEMS || self.items.contains_key(&target) {
            self.items.insert(target, Held { value: item.value.to_vec(), signed, until });
        }
        Ok(())
    }

    pub(super) fn announce(&mut self, now: Instant, topic: Id, peer: Endpoint) {
        if self.peers.len() >= MOST_TOPICS && !self.peers.contains_key(&topic) {
            return;
        }
        let peers = self.peers.entry(topic).or_default();
        peers.retain(|(other, until)| *other != peer && *until > now);
        if peers.len() < MOST_PEERS {
            peers.push((peer, now + PEER_LASTS));
        }
    }
}
