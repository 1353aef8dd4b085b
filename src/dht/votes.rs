//! What address others see us at, by vote.
//!
//! BEP 42 lets every reply say where the query came from. Any one reply may lie, and many false votes are cheap inside
//! one network, so each /24 (/64) has one vote, the latest; a vote is forgotten after 15 min; and an address is agreed
//! upon when at least three networks, and more than half of all, say so. Until another address reaches that, the old
//! one stays. The threshold does not fall when there are few voters. Ports are voted apart, among those who agree on
//! the address: behind a NAT that gives every connection another port the address is known and the port is not.
//!
//! Only the `ip` of a reply that matches one of our queries is a vote; that is the caller's part.

use crate::base::list::List;
use crate::base::planted::{Bug, planted};
use crate::base::time::{Instant, seconds};
use crate::krpc::endpoint::{Endpoint, Network};

/// Votes that a link remembers.
pub const VOTERS: usize = 16;
/// Networks that have to agree.
const QUORUM: usize = 3;
/// How long a vote counts, in seconds.
const LIFETIME: u32 = 15 * 60;

/// What one network says.
#[derive(Clone, Copy, Default, Debug)]
pub struct Vote {
    party: u64,
    /// The second in which it was cast.
    at: u32,
    addr: Endpoint,
}

/// The votes on the address of one link.
#[derive(Debug)]
pub struct Votes<'s> {
    network: Network,
    votes: List<'s, Vote>,
    agreed: Option<Endpoint>,
}

impl<'s> Votes<'s> {
    /// No votes yet, and room for as many as `votes` has. In a local network each endpoint has a vote of its own.
    pub fn new(network: Network, mut votes: List<'s, Vote>) -> Self {
        votes.clear();
        Votes { network, votes, agreed: None }
    }

    /// The address that was agreed on last; its port is 0 while there is no agreement on one.
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn agreed(&self) -> Option<Endpoint> {
        self.agreed
    }

    /// `reporter` sees us at `addr`. The agreed address and the number of networks behind it, when that changes it.
    pub fn on_vote(&mut self, now: Instant, reporter: Endpoint, addr: Endpoint) -> Option<(Endpoint, u16)> {
        if addr.family() != reporter.family() || !addr.with_port(1).is_usable(self.network) {
            return None;
        }
        let at = seconds(now);
        self.forget_old(at);
        self.cast(Vote { party: self.party(&reporter), at, addr });
        let (winner, votes) = match planted(Bug::OneVoteDecides) {
            true => (addr.with_port(0), 1),
            false => self.majority(|_| true, |vote| vote.addr.with_port(0))?,
        };
        let of_winner = |vote: &Vote| vote.addr.same_ip(&winner);
        let port = match self.majority(of_winner, |vote| vote.addr) {
            Some((addr, _)) => addr.port(),
            None => self.agreed.filter(|old| old.same_ip(&winner)).map_or(0, |old| old.port()),
        };
        let agreed = winner.with_port(port);
        if self.agreed == Some(agreed) {
            return None;
        }
        self.agreed = Some(agreed);
        Some((agreed, votes as u16))
    }

    /// Who has one vote together with this reporter.
    fn party(&self, reporter: &Endpoint) -> u64 {
        match self.network {
            Network::Public => reporter.network(),
            Network::Local => {
                let host = reporter.ip_bytes().iter().fold(0, |sum: u64, &byte| sum.rotate_left(5) ^ u64::from(byte));
                host << 16 ^ u64::from(reporter.port())
            }
        }
    }

    fn forget_old(&mut self, now: u32) {
        self.votes.retain(|vote| now.saturating_sub(vote.at) < LIFETIME);
    }

    /// Replaces the party's earlier vote or, when there is none and no room, the oldest one.
    fn cast(&mut self, vote: Vote) {
        let place = match self.votes.iter().position(|v| v.party == vote.party) {
            Some(index) => index,
            None if self.votes.push(vote) => return,
            None => (0..self.votes.len()).min_by_key(|&index| self.votes[index].at).unwrap_or(0),
        };
        if let Some(place) = self.votes.get_mut(place) {
            *place = vote;
        }
    }

    /// What more than half of those who count say, if it is at least a quorum. A candidate that more than half name
    /// survives when unequal votes are struck out in pairs; whether it has the votes is then counted.
    fn majority(&self, counts: impl Fn(&Vote) -> bool, says: impl Fn(&Vote) -> Endpoint) -> Option<(Endpoint, usize)> {
        let voters = || self.votes.iter().filter(|vote| counts(vote));
        let (mut candidate, mut lead) = (Endpoint::UNSPECIFIED, 0);
        for vote in voters().map(&says) {
            if lead == 0 {
                (candidate, lead) = (vote, 1);
            } else if vote == candidate {
                lead += 1;
            } else {
                lead -= 1;
            }
        }
        let votes = voters().filter(|vote| says(vote) == candidate).count();
        (votes >= QUORUM && 2 * votes > voters().count()).then_some((candidate, votes))
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    fn votes(network: Network) -> Votes<'static> {
        Votes::new(network, List::with_capacity(VOTERS))
    }

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    fn reporter(network: u8) -> Endpoint {
        Endpoint::v4([50, 0, network, 1], 6881)
    }

    fn addr(host: u8, port: u16) -> Endpoint {
        Endpoint::v4([80, 0, 0, host], port)
    }

    #[test]
    fn three_networks_have_to_agree() {
        let mut v = votes(Network::Public);
        assert_eq!(v.on_vote(at(0), reporter(1), addr(1, 5)), None);
        assert_eq!(v.on_vote(at(0), reporter(2), addr(1, 5)), None);
        assert_eq!(v.on_vote(at(0), Endpoint::v4([50, 0, 2, 99], 1), addr(1, 5)), None, "a network votes once");
        assert_eq!(v.on_vote(at(0), reporter(3), addr(1, 5)), Some((addr(1, 5), 3)));
        assert_eq!(v.on_vote(at(0), reporter(4), addr(1, 5)), None, "no news");
        assert_eq!(v.agreed(), Some(addr(1, 5)));
    }

    #[test]
    fn in_a_local_network_each_endpoint_has_a_vote() {
        let mut v = votes(Network::Local);
        let home = Endpoint::v4([127, 0, 0, 1], 4000);
        let told: [bool; 3] = core::array::from_fn(|n| v.on_vote(at(0), home.with_port(n as u16 + 1), home).is_some());
        assert_eq!(told, [false, false, true]);
    }

    #[test]
    fn a_tie_keeps_the_old_address_and_a_majority_replaces_it() {
        let mut v = votes(Network::Public);
        (0..3).for_each(|n| assert_eq!(v.on_vote(at(0), reporter(n), addr(1, 5)).is_some(), n == 2));
        (3..6).for_each(|n| assert_eq!(v.on_vote(at(1), reporter(n), addr(2, 5)), None));
        assert_eq!(v.agreed(), Some(addr(1, 5)), "three against three");
        assert_eq!(v.on_vote(at(2), reporter(0), addr(2, 5)), Some((addr(2, 5), 4)), "one changed its mind");
    }

    #[test]
    fn votes_are_forgotten_after_15_minutes_but_the_agreement_is_not() {
        let mut v = votes(Network::Public);
        (0..3).for_each(|n| _ = v.on_vote(at(0), reporter(n), addr(1, 5)));
        (3..5).for_each(|n| assert_eq!(v.on_vote(at(900), reporter(n), addr(2, 5)), None));
        assert_eq!(v.agreed(), Some(addr(1, 5)));
        assert_eq!(v.on_vote(at(900), reporter(5), addr(2, 5)), Some((addr(2, 5), 3)));
    }

    #[test]
    fn a_nat_with_many_ports_leaves_the_port_open() {
        let mut v = votes(Network::Public);
        for n in 0..6 {
            v.on_vote(at(0), reporter(n), addr(1, 1000 + u16::from(n)));
        }
        assert_eq!(v.agreed(), Some(addr(1, 0)));
        for n in 0..6 {
            v.on_vote(at(1), reporter(n), addr(1, 77));
        }
        assert_eq!(v.agreed(), Some(addr(1, 77)));
    }

    #[test]
    fn many_voters_of_few_networks_and_useless_addresses_change_nothing() {
        let mut v = votes(Network::Public);
        (0..3).for_each(|n| _ = v.on_vote(at(0), reporter(n), addr(1, 5)));
        for host in 0..255 {
            let forger = Endpoint::v4([66, 6, 6 + host % 2, host], 1);
            assert_eq!(v.on_vote(at(1), forger, addr(9, 9)), None);
        }
        for useless in [Endpoint::UNSPECIFIED, Endpoint::v4([127, 0, 0, 1], 5), Endpoint::v4([224, 0, 0, 1], 5)] {
            (10..20).for_each(|n| assert_eq!(v.on_vote(at(1), reporter(n), useless), None));
        }
        let other_family = Endpoint::v6([0x20; 16], 5);
        (10..20).for_each(|n| assert_eq!(v.on_vote(at(1), reporter(n), other_family), None));
        assert_eq!(v.agreed(), Some(addr(1, 5)));
    }

    #[test]
    fn one_voter_too_many_takes_the_place_of_the_oldest() {
        let mut v = votes(Network::Public);
        (0..32).for_each(|n| _ = v.on_vote(at(n), reporter(n as u8), addr(1, 5)));
        (0..17).for_each(|n| _ = v.on_vote(at(50 + n), reporter(100 + n as u8), addr(2, 5)));
        assert_eq!((v.votes.len(), v.agreed()), (VOTERS, Some(addr(2, 5))));
    }
}
