//! The vote on our address against a tally that counts everything each time.

use std::collections::BTreeMap;

use honeyguide::Endpoint;
use honeyguide::Instant;
use honeyguide::dht::Network;
use honeyguide::internals::base::list::List;
use honeyguide::internals::dht::votes::{VOTERS, Votes};
use quickcheck::quickcheck;
use std::time::Duration;

/// What more than half of at least three say.
fn majority<T: Ord + Copy>(votes: impl Iterator<Item = T>) -> Option<(T, usize)> {
    let mut tally = BTreeMap::<T, usize>::new();
    votes.for_each(|vote| *tally.entry(vote).or_default() += 1);
    let all: usize = tally.values().sum();
    tally.into_iter().find(|&(_, n)| n >= 3 && 2 * n > all)
}

/// V2 to V5, where no address is defended (V6).
#[test]
fn in_a_local_network_the_vote_is_the_tally() {
    fn property(votes: Vec<(u8, u8, u8, u16)>) -> bool {
        let mut machine = Votes::new(Network::Local, None, List::with_capacity(VOTERS));
        let mut model = BTreeMap::<u64, (Instant, Endpoint)>::new();
        let (mut agreed, mut now) = (None::<Endpoint>, Instant::ZERO);
        votes.iter().all(|&(party, host, port, secs)| {
            now += Duration::from_secs(u64::from(secs) % 200 + 1);
            let reporter = Endpoint::v4([50, 0, party % 40, 1], 1000);
            let addr = Endpoint::v4([80, 0, 0, host % 3], 1 + u16::from(port) % 2);
            model.retain(|_, (at, _)| now.since(*at) < Duration::from_secs(900));
            if model.len() == VOTERS && !model.contains_key(&reporter.network()) {
                let oldest = *model.iter().min_by_key(|(_, (at, _))| *at).unwrap().0;
                model.remove(&oldest);
            }
            model.insert(reporter.network(), (now, addr));
            let mut expected = None;
            if let Some((ip, n)) = majority(model.values().map(|(_, addr)| addr.with_port(0))) {
                let of_ip = model.values().map(|(_, addr)| *addr).filter(|addr| addr.same_ip(&ip));
                let kept = agreed.filter(|old| old.same_ip(&ip)).map_or(0, |old| old.port());
                let port = majority(of_ip.map(|addr| addr.port())).map_or(kept, |(port, _)| port);
                if agreed != Some(ip.with_port(port)) {
                    agreed = Some(ip.with_port(port));
                    expected = Some((ip.with_port(port), n as u16));
                }
            }
            machine.on_vote(now, reporter, None, addr) == expected && machine.agreed() == agreed
        })
    }
    quickcheck(property as fn(Vec<(u8, u8, u8, u16)>) -> bool);
}

/// V6: whatever four networks say, however often and for however long, another address does not follow.
#[test]
fn four_networks_never_take_an_address_away() {
    fn property(lies: Vec<(u8, u8, u8, bool)>) -> bool {
        let mut votes = Votes::new(Network::Public, None, List::with_capacity(VOTERS));
        let home = Endpoint::v4([80, 0, 0, 1], 7);
        (0..3).for_each(|n| _ = votes.on_vote(Instant::ZERO, Endpoint::v4([50, 0, n, 1], 1), None, home));
        for (n, (network, host, port, is_known)) in lies.into_iter().enumerate() {
            let (now, known) = (Instant::from_secs(60 * (n as u64 + 1)), is_known.then_some(Instant::ZERO));
            let forger = Endpoint::v4([66, 6, network % 4, host], u16::from(port) + 1);
            votes.on_vote(now, forger, known, Endpoint::v4([9, 9, 9, host % 2 + 1], u16::from(port) + 1));
        }
        votes.agreed() == Some(home)
    }
    quickcheck(property as fn(Vec<(u8, u8, u8, bool)>) -> bool);
}
