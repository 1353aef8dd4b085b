//! One number for everything that a node puts out, so that two runs can be compared.
//!
//! Every output is written field by field, in a form of its own: renaming a type or a field changes no hash, and a
//! field that is added has to be written here before this compiles. Numbers are little-endian; a byte string has its
//! length in front.
//!
//! SipHash-1-3 with 128 bits and no key: it tells runs apart that differ by a fault, not those that somebody made alike
//! on purpose. Every output of every run that is recorded goes through it, so it has to be quick everywhere, also where
//! the processor has no instructions for SHA-1.

use core::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::base::time::{Duration, Instant};
use crate::dht::event::{Event, KeepId, OpId, Output};
use crate::dht::outcome::{LinkOutcome, Outcome, Refusals, Stored};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::{Item, Mutable};

/// A running hash over everything that a node puts out.
#[derive(Clone, Default)]
pub struct OutputHash(SipHasher13);

impl OutputHash {
    /// Adds one output.
    pub fn add(&mut self, output: &Output<'_>) {
        match *output {
            // The two that come with every datagram, so in few pieces.
            Output::Transmit { link, to, payload } => {
                let mut front = [0; 28];
                front[..2].copy_from_slice(&[b't', link.0]);
                front[2..20].copy_from_slice(&to.to_bytes());
                front[20..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
                self.bytes(&front);
                self.bytes(payload);
            }
            Output::Timeout(at) => {
                let mut deadline = [b'd'; 9];
                deadline[1..].copy_from_slice(&at.map_or(u64::MAX, Instant::as_micros).to_le_bytes());
                self.bytes(&deadline);
            }
            Output::Event(event) => {
                self.bytes(b"e");
                self.event(&event);
            }
        }
    }

    /// The hash so far.
    #[must_use]
    pub fn finish(&self) -> u128 {
        self.0.finish128().as_u128()
    }

    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::Value { op, tag, from, item } => {
                self.operation(b'v', op, tag);
                self.endpoint(&from);
                self.item(&item);
            }
            Event::Peers { op, tag, from, peers } => {
                self.operation(b'p', op, tag);
                self.endpoint(&from);
                self.number(peers.len() as u64);
                peers.iter().for_each(|peer| self.endpoint(&peer));
            }
            Event::Nodes { op, tag, nodes } => {
                self.operation(b'n', op, tag);
                self.nodes(nodes.iter());
            }
            Event::Samples { op, tag, from, id, num, interval, samples } => {
                self.operation(b's', op, tag);
                self.endpoint(&from);
                self.bytes(id.as_bytes());
                self.number(num);
                self.duration(interval);
                self.number(samples.len() as u64);
                samples.iter().for_each(|sample| self.bytes(sample.as_bytes()));
            }
            Event::Scrape { op, tag, seeds, peers, responders } => {
                self.operation(b'c', op, tag);
                self.numbers([seeds.into(), peers.into(), responders.into()]);
            }
            Event::Response { op, tag, from, id, rtt, nodes, token, ip, version } => {
                self.operation(b'r', op, tag);
                self.endpoint(&from);
                self.bytes(id.as_bytes());
                self.duration(rtt);
                self.nodes(nodes.iter());
                self.string(token.map_or(&[][..], |token| token.as_bytes()));
                self.endpoint(&ip.unwrap_or(Endpoint::UNSPECIFIED));
                self.string(version);
            }
            Event::Finished { op, tag, outcome } => {
                self.operation(b'f', op, tag);
                self.outcome(&outcome);
            }
            Event::ExternalAddr { link, addr, votes } => {
                self.bytes(&[b'a', link.0]);
                self.endpoint(&addr);
                self.number(votes.into());
            }
            Event::IdChanged { link, id, why: _ } => {
                self.bytes(&[b'i', link.0]);
                self.bytes(id.as_bytes());
            }
            Event::RoleChanged { link, role } => self.bytes(&[b'b', link.0, role as u8]),
            Event::Wanted { keep, tag } => self.keep(b'w', keep, tag),
            Event::Superseded { keep, tag } => self.keep(b'o', keep, tag),
        }
    }

    fn operation(&mut self, kind: u8, OpId { index, generation }: OpId, tag: u64) {
        self.bytes(&[kind]);
        self.numbers([index.into(), generation.into(), tag]);
    }

    fn keep(&mut self, kind: u8, KeepId { index, generation }: KeepId, tag: u64) {
        self.bytes(&[kind]);
        self.numbers([index.into(), generation.into(), tag]);
    }

    fn outcome(&mut self, outcome: &Outcome) {
        let Outcome {
            reason,
            queried,
            answered,
            late,
            timed_out,
            errored,
            invalid,
            results,
            copies,
            dropped_results,
            hops,
            stored,
            crowded,
            density_alarm,
            unconfirmed,
            refused,
            held_seq,
            elapsed,
            links,
        } = *outcome;
        self.bytes(&[reason as u8 | u8::from(density_alarm) << 7, hops]);
        let counts = [queried, answered, late, timed_out, errored, invalid, results, copies, dropped_results];
        self.numbers(counts.map(u64::from));
        let Stored { all, counted, secure, networks } = stored;
        self.numbers([all, counted, secure, networks, crowded, unconfirmed].map(u64::from));
        self.number(held_seq.unwrap_or(-1) as u64);
        for LinkOutcome { queried, answered, stored } in links {
            self.numbers([queried, answered, stored].map(u64::from));
        }
        let Refusals { protocol, too_large, bad_signature, salt_too_long, cas_mismatch, seq_too_old, other } = refused;
        self.bytes(&[protocol, too_large, bad_signature, salt_too_long, cas_mismatch, seq_too_old, other]);
        self.duration(elapsed);
    }

    fn item(&mut self, item: &Item<'_>) {
        self.string(item.value);
        self.bytes(&[u8::from(item.mutable.is_some())]);
        if let Some(Mutable { key, salt, seq, signature }) = item.mutable {
            self.bytes(key);
            self.string(salt);
            self.number(seq as u64);
            self.bytes(signature);
        }
    }

    fn nodes(&mut self, nodes: impl ExactSizeIterator<Item = (Id, Endpoint)>) {
        self.number(nodes.len() as u64);
        for (id, endpoint) in nodes {
            self.bytes(id.as_bytes());
            self.endpoint(&endpoint);
        }
    }

    fn endpoint(&mut self, endpoint: &Endpoint) {
        self.bytes(&endpoint.to_bytes());
    }

    fn duration(&mut self, duration: Duration) {
        self.number(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    fn numbers<const N: usize>(&mut self, numbers: [u64; N]) {
        numbers.into_iter().for_each(|number| self.number(number));
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    fn string(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes(bytes);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

impl core::fmt::Debug for OutputHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "OutputHash({:032x})", self.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_shown_as_replays_print_it() {
        let hash = OutputHash::default();
        assert_eq!(std::format!("{hash:?}"), std::format!("OutputHash({:032x})", hash.finish()));
    }
}
