//! What address others see us at, by vote.
//!
//! BEP 42 lets every reply say where the query came from. Any one reply may lie, and many false votes are cheap inside
//! one network, so each /24 (/48) has one vote, the latest; a vote is forgotten after 15 min; and an address is agreed
//! upon when at least three networks, and more than half of all, say so. Until another address reaches that, the old
//! one stays. The threshold does not fall when there are few voters. Ports are voted apart, among those who agree on
//! the address: behind a NAT that gives every connection another port the address is known and the port is not.
//!
//! That is how a first address is found. To lose one costs us our id, so another takes its place only after it has had
//! the majority for five minutes without a break, from at least five networks that were contacts of ours before any of
//! them named it: whoever comes, or is brought to our notice, in order to move us decides nothing.
//!
//! Only the `ip` of a reply that matches one of our queries is a vote; that is the caller's part.

use crate::base::list::List;
use crate::base::planted::{Bug, planted};
use crate::base::time::{Instant, seconds};
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::networks::Networks;

/// Votes that a link remembers.
pub const VOTERS: usize = 16;
/// Networks that have to agree.
const QUORUM: usize = 3;
/// How long a vote counts, in seconds.
const LIFETIME: u32 = 15 * 60;
/// Networks known from before that have to agree on another address than the one we have.
const WITNESSES: usize = 5;
/// So long, in seconds, most have to name that other address.
const STEADY: u32 = 5 * 60;
/// An address that most have named for so long, in seconds, without enough networks known from before, begins anew:
/// whoever is known by then is a witness.
const ANEW: u32 = 2 * STEADY;

/// What one network says.
#[derive(Clone, Copy, Default, Debug)]
pub struct Vote {
    party: u64,
    /// The second in which it was cast.
    at: u32,
    /// The second since which it has said the same.
    since: u32,
    /// The second since which the one who cast it is a contact of ours; the last one there is, if it is none.
    known: u32,
    addr: Endpoint,
}

/// Another address than ours that most name.
#[derive(Clone, Copy, Debug)]
struct Challenge {
    addr: Endpoint,
    /// The second in which it was first named. Who is known from before is a witness.
    named: u32,
    /// The second in which most began to name it.
    begun: u32,
}

/// The votes on the address of one link.
#[derive(Debug)]
pub struct Votes<'s> {
    network: Network,
    votes: List<'s, Vote>,
    agreed: Option<Endpoint>,
    challenge: Option<Challenge>,
}

impl<'s> Votes<'s> {
    /// No votes yet, and room for as many as `votes` has. In a local network each endpoint has a vote of its own, and
    /// no address is defended. `agreed` is our address where it is known beforehand.
    pub fn new(network: Network, agreed: Option<Endpoint>, mut votes: List<'s, Vote>) -> Self {
        votes.clear();
        Votes { network, votes, agreed, challenge: None }
    }

    /// Our address is known from elsewhere. Others have to agree on another one anew.
    pub fn set_agreed(&mut self, addr: Endpoint) {
        self.votes.clear();
        (self.agreed, self.challenge) = (Some(addr), None);
    }

    /// The address that was agreed on last; its port is 0 while there is no agreement on one.
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn agreed(&self) -> Option<Endpoint> {
        self.agreed
    }

    /// `reporter`, a contact of ours since `known`, if it is one, sees us at `addr`. The agreed address and the number
    /// of networks behind it, when that changes it.
    pub fn on_vote(
        &mut self,
        now: Instant,
        reporter: Endpoint,
        known: Option<Instant>,
        addr: Endpoint,
    ) -> Option<(Endpoint, u16)> {
        if addr.family() != reporter.family() || !addr.with_port(1).is_usable(self.network) {
            return None;
        }
        let at = seconds(now);
        self.forget_old(at);
        let known = known.map_or(u32::MAX, seconds);
        self.cast(Vote { party: self.party(&reporter), at, since: at, known, addr });
        let majority = match planted(Bug::OneVoteDecides) {
            true => Some((addr.with_port(0), 1)),
            false => self.majority(|_| true, |vote| vote.addr.with_port(0)),
        };
        let other = majority.filter(|(winner, _)| self.agreed.is_some_and(|agreed| !agreed.same_ip(winner)));
        self.challenge = other.map(|(winner, _)| self.challenge_of(at, winner));
        let (winner, votes) = majority?;
        if self.challenge.is_some_and(|challenge| !self.is_decided(at, &challenge)) {
            return None;
        }
        let of_winner = |vote: &Vote| vote.addr.same_ip(&winner);
        let port = match self.majority(of_winner, |vote| vote.addr) {
            Some((addr, _)) => addr.port(),
            None => self.agreed.filter(|old| old.same_ip(&winner)).map_or(0, |old| old.port()),
        };
        let agreed = winner.with_port(port);
        if self.agreed == Some(agreed) {
            return None;
        }
        (self.agreed, self.challenge) = (Some(agreed), None);
        Some((agreed, votes as u16))
    }

    /// The challenge by an address that most name now: the one that there is, or a new one.
    fn challenge_of(&self, now: u32, addr: Endpoint) -> Challenge {
        match self.challenge.filter(|challenge| challenge.addr == addr) {
            Some(challenge) if now.saturating_sub(challenge.begun) < ANEW => challenge,
            Some(_) => Challenge { addr, named: now, begun: now },
            None => {
                let named = self.votes.iter().filter(|vote| vote.addr.same_ip(&addr)).map(|vote| vote.since).min();
                Challenge { addr, named: named.unwrap_or(now), begun: now }
            }
        }
    }

    /// Whether most have named another address for long enough, and enough of them knew us before.
    fn is_decided(&self, now: u32, challenge: &Challenge) -> bool {
        let testifies = |vote: &&Vote| vote.known < challenge.named && vote.addr.same_ip(&challenge.addr);
        self.network == Network::Local
            || planted(Bug::OneVoteDecides)
            || (now.saturating_sub(challenge.begun) >= STEADY
                && self.votes.iter().filter(testifies).count() >= WITNESSES)
    }

    /// Who has one vote together with this reporter.
    fn party(&self, reporter: &Endpoint) -> u64 {
        match self.network {
            Network::Public => Networks::of(reporter).largest(),
            Network::Local => {
                let host = reporter.ip_bytes().iter().fold(0, |sum: u64, &byte| sum.rotate_left(5) ^ u64::from(byte));
                host << 16 ^ u64::from(reporter.port())
            }
        }
    }

    fn forget_old(&mut self, now: u32) {
        self.votes.retain(|vote| now.saturating_sub(vote.at) < LIFETIME);
    }

    /// Replaces the party's earlier vote or, when there is none and no room, the oldest one, first of those who are no
    /// contacts. A stranger's vote takes the place of no contact's.
    fn cast(&mut self, vote: Vote) {
        let is_stranger = |vote: &Vote| vote.known == u32::MAX;
        if let Some(held) = self.votes.iter_mut().find(|held| held.party == vote.party) {
            let since = if held.addr.same_ip(&vote.addr) { held.since } else { vote.since };
            if is_stranger(held) || !is_stranger(&vote) {
                *held = Vote { since, ..vote };
            }
            return;
        }
        if self.votes.push(vote) {
            return;
        }
        let goes = |held: &&mut Vote| (!is_stranger(held), held.at);
        if let Some(held) = self.votes.iter_mut().min_by_key(goes)
            && (is_stranger(held) || !is_stranger(&vote))
        {
            *held = vote;
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
        Votes::new(network, None, List::with_capacity(VOTERS))
    }

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    fn reporter(network: u8) -> Endpoint {
        Endpoint::v4([50, 0, network, 1], 6881)
    }

    /// A stranger's vote.
    fn vote(v: &mut Votes<'_>, now: Instant, reporter: Endpoint, addr: Endpoint) -> Option<(Endpoint, u16)> {
        v.on_vote(now, reporter, None, addr)
    }

    /// The vote of a contact since 20 s.
    fn contact(v: &mut Votes<'_>, secs: u64, network: u8, addr: Endpoint) -> Option<(Endpoint, u16)> {
        v.on_vote(at(secs), reporter(network), Some(at(20)), addr)
    }

    /// Votes that agree on the first address, since 30 s.
    fn settled() -> Votes<'static> {
        let mut v = votes(Network::Public);
        (0..8).for_each(|n| _ = contact(&mut v, 30, n, addr(1, 5)));
        assert_eq!(v.agreed(), Some(addr(1, 5)));
        v
    }

    fn addr(host: u8, port: u16) -> Endpoint {
        Endpoint::v4([80, 0, 0, host], port)
    }

    #[test]
    fn three_networks_have_to_agree() {
        let mut v = votes(Network::Public);
        assert_eq!(vote(&mut v, at(0), reporter(1), addr(1, 5)), None);
        assert_eq!(vote(&mut v, at(0), reporter(2), addr(1, 5)), None);
        assert_eq!(vote(&mut v, at(0), Endpoint::v4([50, 0, 2, 99], 1), addr(1, 5)), None, "a network votes once");
        assert_eq!(vote(&mut v, at(0), reporter(3), addr(1, 5)), Some((addr(1, 5), 3)));
        assert_eq!(vote(&mut v, at(0), reporter(4), addr(1, 5)), None, "no news");
        assert_eq!(v.agreed(), Some(addr(1, 5)));
    }

    #[test]
    fn in_a_local_network_each_endpoint_has_a_vote() {
        let mut v = votes(Network::Local);
        let home = Endpoint::v4([127, 0, 0, 1], 4000);
        let told: [bool; 3] =
            core::array::from_fn(|n| vote(&mut v, at(0), home.with_port(n as u16 + 1), home).is_some());
        assert_eq!(told, [false, false, true]);
    }

    /// Rule V2.
    #[test]
    fn whoever_has_a_48_has_one_vote_however_many_64_are_in_it() {
        let reporter = |network: u8, subnet: u8| {
            Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, network, subnet, subnet, 0, 0, 0, 0, 0, 0, 0, 1], 6881)
        };
        let home = Endpoint::v6([0x20, 1, 0xd, 0xb8, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 5);
        let mut v = votes(Network::Public);
        (0..16).for_each(|subnet| assert_eq!(vote(&mut v, at(0), reporter(1, subnet), home), None));
        assert_eq!(v.votes.len(), 1);
        assert_eq!(vote(&mut v, at(0), reporter(2, 0), home), None);
        assert_eq!(vote(&mut v, at(0), reporter(3, 0), home), Some((home, 3)));
    }

    /// Rule V3.
    #[test]
    fn a_tie_keeps_the_old_address() {
        let mut v = votes(Network::Public);
        (0..3).for_each(|n| assert_eq!(vote(&mut v, at(0), reporter(n), addr(1, 5)).is_some(), n == 2));
        (3..6).for_each(|n| assert_eq!(vote(&mut v, at(1), reporter(n), addr(2, 5)), None));
        assert_eq!((v.agreed(), v.challenge.is_some()), (Some(addr(1, 5)), false), "three against three");
    }

    /// Rule V6.
    #[test]
    fn another_address_needs_its_majority_for_five_minutes() {
        let mut v = settled();
        for secs in [100, 200, 300, 399] {
            (0..8).for_each(|n| assert_eq!(contact(&mut v, secs, n, addr(2, 6)), None, "{secs}"));
        }
        assert_eq!(contact(&mut v, 404, 0, addr(2, 6)), Some((addr(2, 6), 8)));
        assert_eq!(contact(&mut v, 405, 1, addr(2, 6)), None, "told once");
        // A break begins it anew.
        for secs in [500, 600, 700] {
            (0..8).for_each(|n| assert_eq!(contact(&mut v, secs, n, addr(1, 5)), None));
        }
        (0..4).for_each(|n| assert_eq!(contact(&mut v, 790, n, addr(2, 6)), None));
        (0..4).for_each(|n| assert_eq!(contact(&mut v, 799, n, addr(1, 5)), None));
        for secs in [850, 1_000, 1_094] {
            (0..8).for_each(|n| assert_eq!(contact(&mut v, secs, n, addr(1, 5)), None));
        }
        assert_eq!(contact(&mut v, 1_099, 0, addr(1, 5)), Some((addr(1, 5), 8)));
    }

    /// Rule V6.
    #[test]
    fn those_who_came_after_an_address_was_first_named_do_not_decide_for_it() {
        for (before, decides) in [(4, false), (5, true)] {
            let mut v = settled();
            let changes = (100..420).step_by(20).any(|secs| {
                (0..9).any(|n| {
                    let known = if n < before { 99 } else { 100 };
                    v.on_vote(at(secs), reporter(50 + n), Some(at(known)), addr(2, 6)).is_some()
                })
            });
            assert_eq!(changes, decides, "{before} networks");
        }
    }

    /// Rule V6. Else a node that was misled at its start, when it knew nobody, would be for ever.
    #[test]
    fn an_address_that_most_name_for_ten_minutes_begins_anew() {
        let mut v = votes(Network::Public);
        (0..3).for_each(|n| _ = vote(&mut v, at(0), reporter(n), addr(9, 9)));
        assert_eq!(v.agreed(), Some(addr(9, 9)));
        let changed = (1..200)
            .map(|step| 10 * step)
            .find(|secs| (10..20).any(|n| v.on_vote(at(*secs), reporter(n), Some(at(10)), addr(1, 5)).is_some()));
        assert_eq!(changed, Some(910), "ten minutes from the first, and five more");
    }

    /// Rule V2.
    #[test]
    fn strangers_push_out_no_vote_of_a_contact() {
        let mut v = settled();
        for n in 0..200 {
            assert_eq!(vote(&mut v, at(31 + u64::from(n)), reporter(n), addr(2, 6)), None);
        }
        assert_eq!(v.votes.iter().filter(|vote| vote.addr == addr(1, 5)).count(), 8);
    }

    #[test]
    fn votes_are_forgotten_after_15_minutes_but_the_agreement_is_not() {
        let mut v = votes(Network::Public);
        (0..3).for_each(|n| _ = vote(&mut v, at(0), reporter(n), addr(1, 5)));
        (3..5).for_each(|n| assert_eq!(vote(&mut v, at(900), reporter(n), addr(2, 5)), None));
        assert_eq!((v.agreed(), v.votes.len()), (Some(addr(1, 5)), 2));
    }

    #[test]
    fn a_nat_with_many_ports_leaves_the_port_open() {
        let mut v = votes(Network::Public);
        for n in 0..6 {
            vote(&mut v, at(0), reporter(n), addr(1, 1000 + u16::from(n)));
        }
        assert_eq!(v.agreed(), Some(addr(1, 0)));
        for n in 0..6 {
            vote(&mut v, at(1), reporter(n), addr(1, 77));
        }
        assert_eq!(v.agreed(), Some(addr(1, 77)));
    }

    #[test]
    fn many_voters_of_few_networks_and_useless_addresses_change_nothing() {
        let mut v = votes(Network::Public);
        (0..3).for_each(|n| _ = vote(&mut v, at(0), reporter(n), addr(1, 5)));
        for host in 0..255 {
            let forger = Endpoint::v4([66, 6, 6 + host % 2, host], 1);
            assert_eq!(vote(&mut v, at(1), forger, addr(9, 9)), None);
        }
        for useless in [Endpoint::UNSPECIFIED, Endpoint::v4([127, 0, 0, 1], 5), Endpoint::v4([224, 0, 0, 1], 5)] {
            (10..20).for_each(|n| assert_eq!(vote(&mut v, at(1), reporter(n), useless), None));
        }
        let other_family = Endpoint::v6([0x20; 16], 5);
        (10..20).for_each(|n| assert_eq!(vote(&mut v, at(1), reporter(n), other_family), None));
        assert_eq!(v.agreed(), Some(addr(1, 5)));
    }

    #[test]
    fn one_voter_too_many_takes_the_place_of_the_oldest() {
        let mut v = votes(Network::Public);
        (0..16).for_each(|n| _ = vote(&mut v, at(n), reporter(n as u8), addr(1, 5)));
        vote(&mut v, at(16), reporter(16), addr(2, 5));
        assert_eq!(v.votes.len(), VOTERS);
        assert!(v.votes.iter().all(|vote| vote.at >= 1) && v.votes.iter().any(|vote| vote.at == 16));
    }
}
