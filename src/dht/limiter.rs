//! How much strangers may ask of us.
//!
//! Every datagram is judged before it is parsed, by three rates: that of its endpoint, that of its network (/24, or
//! /64, /56 and /48, each with its own) and that of all strangers together. Bytes of replies are budgeted for each
//! network as well, so that a forged source cannot make us flood a third party. An endpoint that we asked something has
//! a credit for one answer: answers to our own queries are admitted whatever strangers do, also those who send in the
//! name of an endpoint that we asked, since a credit is spent by the answer alone and not by whatever else comes from
//! there.
//!
//! A rate is a token bucket. One that is full says nothing about the past, so its meter can be forgotten without loss.
//! The meters lie in a table of fixed size, in sets of eight: a look costs eight comparisons, and a million addresses
//! change nothing about the memory. A new meter takes the place of the one in its set that says least, and of one that
//! holds credits only when there is no other.
//!
//! One keyed hash is taken for a packet: that of the /24 or the /48 that it came from, the largest that one party
//! holds. It finds the set of the meters of networks; the /56 and the /64 within it differ in their tags alone.
//! Endpoints within it are spread over all sets, by multiplying with secret numbers what the hash does not cover. So
//! nobody can aim at the meters of other parties.

mod burdens;
mod layout;

use core::fmt;

use siphasher::sip::SipHasher13;

use crate::base::list::List;
use crate::base::rate::{Flow, Rate, TokenBucket};
use crate::base::time::{Instant, seconds};
use crate::dht::config::{LARGEST_REPLY, LimiterConfig};
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::networks::{Networks, SIZES, quotas};

pub use layout::Meter;

use layout::{MeterKind, WAYS};

/// Seconds after which an answer is expected no longer.
const CREDIT_LIFETIME: u32 = 15;

/// No party.
const NOBODY: u64 = u64::MAX;
/// Set in what tells endpoints of a party apart, so that none is taken for a network.
const ENDPOINT: u64 = 1 << 32;

fn credits(meters: &[u64], at: usize) -> (u32, u8) {
    let credits = meters[MeterKind::Credits.of(meters.len(), at)];
    ((credits >> 8) as u32, credits as u8)
}

fn set_credits(meters: &mut [u64], at: usize, until: u32, count: u8) {
    let credits = &mut meters[MeterKind::Credits.of(meters.len(), at)];
    *credits = *credits & burdens::BITS | u64::from(until) << 8 | u64::from(count);
}

fn has_credit(meters: &[u64], at: usize, second: u32) -> bool {
    let (until, count) = credits(meters, at);
    count > 0 && second < until
}

/// How much would be lost with it: credits above all, else the time until which its buckets say something.
fn worth(meters: &[u64], at: usize, second: u32) -> u64 {
    let of = |kind: MeterKind| meters[kind.of(meters.len(), at)];
    if has_credit(meters, at, second) { u64::MAX } else { of(MeterKind::Packets).max(of(MeterKind::Bytes)) }
}

/// What is to be done with a datagram before it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Look at it.
    Allow,
    /// Its sender was asked something. Look whether it is the answer ([`Limiter::on_answer`]); whatever else it is
    /// needs to be admitted by the buckets ([`Limiter::admit`]).
    Expected,
    /// Drop it.
    Drop,
}

/// The limits of one node.
pub struct Limiter<'s> {
    network: Network,
    keys: [u64; 2],
    /// The party whose hash was taken last, and that hash: a packet is judged, and its reply charged.
    latest: [u64; 2],
    /// Where the meters of the networks were that were admitted last: their reply is charged next.
    network_at: [usize; SIZES],
    meters: List<'s, Meter>,
    everybody: TokenBucket,
    per_endpoint: Flow,
    /// Of each size, the smallest first.
    per_network: [Flow; SIZES],
    per_node: Flow,
    /// Of each size, the smallest first.
    reply_bytes: [Flow; SIZES],
}

impl fmt::Debug for Limiter<'_> {
    /// Neither the keys nor the meters, whose places are found by them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limiter { network, everybody, per_endpoint, per_network, per_node, reply_bytes, .. } = self;
        f.debug_struct("Limiter")
            .field("network", network)
            .field("everybody", everybody)
            .field("per_endpoint", per_endpoint)
            .field("per_network", per_network)
            .field("per_node", per_node)
            .field("reply_bytes", reply_bytes)
            .finish_non_exhaustive()
    }
}

impl<'s> Limiter<'s> {
    /// `keys` must be secret and random; there are at least eight meters.
    pub fn new(config: LimiterConfig, network: Network, keys: [u64; 2], meters: List<'s, Meter>) -> Self {
        Limiter {
            network,
            keys,
            latest: [NOBODY, 0],
            network_at: [0; SIZES],
            meters: meters.into_zeros(),
            everybody: TokenBucket::default(),
            per_endpoint: Flow::from(config.per_endpoint),
            per_network: flows(config.per_network),
            per_node: Flow::from(config.per_node),
            reply_bytes: flows(config.reply_bytes),
        }
    }

    /// Whether a datagram from this endpoint is to be looked at. One that is not costs its sender nothing.
    pub fn judge(&mut self, now: Instant, from: &Endpoint) -> Verdict {
        let place = self.endpoint_place(from);
        let meters = self.meters.as_flattened();
        let known = find(meters, place);
        if known.is_some_and(|at| has_credit(meters, at, seconds(now))) {
            return Verdict::Expected;
        }
        match self.admit_stranger(now, from, place, known) {
            Some(()) => Verdict::Allow,
            None => Verdict::Drop,
        }
    }

    /// Whether the buckets admit a datagram from this endpoint, whatever it is owed.
    pub fn admit(&mut self, now: Instant, from: &Endpoint) -> bool {
        let place = self.endpoint_place(from);
        let known = find(self.meters.as_flattened(), place);
        self.admit_stranger(now, from, place, known).is_some()
    }

    /// It answered a query of ours: that was what it had credit for.
    pub fn on_answer(&mut self, from: &Endpoint) {
        let place = self.endpoint_place(from);
        let meters = self.meters.as_flattened_mut();
        if let Some(at) = find(meters, place) {
            let (until, count) = credits(meters, at);
            set_credits(meters, at, until, count.saturating_sub(1));
        }
    }

    /// Takes one packet from each of the buckets, or from none.
    fn admit_stranger(&mut self, now: Instant, from: &Endpoint, place: MeterPlace, known: Option<usize>) -> Option<()> {
        let everybody = self.everybody.minus_one(now, &self.per_node)?;
        let networks = (self.network == Network::Public).then(|| self.network_places(from));
        let meters = self.meters.as_flattened_mut();
        let of_endpoint = bucket(meters, known, MeterKind::Packets).minus_one(now, &self.per_endpoint)?;
        if let Some(networks) = networks {
            let (mut found, mut left) = ([None; SIZES], [TokenBucket::default(); SIZES]);
            for (size, place) in networks.iter() {
                found[size] = find(meters, place);
                left[size] = bucket(meters, found[size], MeterKind::Packets).minus_one(now, &self.per_network[size])?;
            }
            for (size, place) in networks.iter() {
                let at = meter(meters, now, place, found[size]);
                set_bucket(meters, at, MeterKind::Packets, left[size]);
                self.network_at[size] = at;
            }
        }
        // Its place may have been taken by the meter of a network.
        let at = meter(meters, now, place, known);
        set_bucket(meters, at, MeterKind::Packets, of_endpoint);
        self.everybody = everybody;
        Some(())
    }

    /// We are sending a query there: for a while, one answer more from that endpoint is awaited.
    pub fn expect(&mut self, now: Instant, to: &Endpoint) {
        let place = self.endpoint_place(to);
        let meters = self.meters.as_flattened_mut();
        let known = find(meters, place);
        let at = meter(meters, now, place, known);
        let valid = if has_credit(meters, at, seconds(now)) { credits(meters, at).1 } else { 0 };
        set_credits(meters, at, seconds(now).saturating_add(CREDIT_LIFETIME), valid.saturating_add(1));
        burdens::on_sent(meters, now, place.tag);
    }

    /// From when on one query more may go there; `None` now. Who is sent too many bans the sender.
    pub fn sends_on(&self, now: Instant, to: &Endpoint) -> Option<Instant> {
        if self.network == Network::Local {
            return None;
        }
        let place = self.endpoint_place_by(self.fresh_hash_of(Networks::of(to).largest()), to);
        burdens::bears_more_at(self.meters.as_flattened(), now, place.tag)
    }

    /// Charges a reply to the networks it goes to. False, and nothing is charged, when the budget of one is used up.
    pub fn charge(&mut self, now: Instant, to: &Endpoint, bytes: usize) -> bool {
        if self.network == Network::Local {
            return true;
        }
        let networks = self.network_places(to);
        let meters = self.meters.as_flattened_mut();
        let (mut found, mut left) = ([None; SIZES], [TokenBucket::default(); SIZES]);
        for (size, place) in networks.iter() {
            found[size] = find_network(meters, place, self.network_at[size]);
            let budget = bucket(meters, found[size], MeterKind::Bytes);
            let Some(rest) = budget.minus(now, bytes as u64, &self.reply_bytes[size]) else { return false };
            left[size] = rest;
        }
        for (size, place) in networks.iter() {
            let at = meter(meters, now, place, found[size]);
            set_bucket(meters, at, MeterKind::Bytes, left[size]);
        }
        true
    }

    /// Whether the networks that a reply goes to have budget for the longest one.
    pub fn has_budget(&mut self, now: Instant, to: &Endpoint) -> bool {
        if self.network == Network::Local {
            return true;
        }
        let networks = self.network_places(to);
        let meters = self.meters.as_flattened();
        networks.iter().all(|(size, place)| {
            let budget = bucket(meters, find_network(meters, place, self.network_at[size]), MeterKind::Bytes);
            budget.minus(now, LARGEST_REPLY as u64, &self.reply_bytes[size]).is_some()
        })
    }

    /// The set is that of the largest network, the tags are those of the networks of each size.
    fn network_places(&mut self, endpoint: &Endpoint) -> NetworkPlaces {
        let networks = Networks::of(endpoint);
        let set = self.hash_of(networks.largest());
        NetworkPlaces { set, networks, key: self.keys[0] | 1 }
    }

    fn endpoint_place(&mut self, endpoint: &Endpoint) -> MeterPlace {
        let hash = self.hash_of(Networks::of(endpoint).largest());
        self.endpoint_place_by(hash, endpoint)
    }

    fn endpoint_place_by(&self, hash: u64, endpoint: &Endpoint) -> MeterPlace {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, high, low] = endpoint.to_bytes();
        let front = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let interface = u64::from_be_bytes([i, j, k, l, m, n, o, p]);
        let rest = u64::from(u16::from_be_bytes([high, low])) << 16 | front & 0xffff | ENDPOINT;
        let spread = interface.wrapping_mul(self.keys[0] | 1).wrapping_add(rest.wrapping_mul(self.keys[1] | 1));
        let tag = tag(hash.wrapping_add(spread));
        MeterPlace { set: tag, tag }
    }

    /// Keyed, so that nobody knows who shares a set with whom.
    fn hash_of(&mut self, party: u64) -> u64 {
        if self.latest[0] != party {
            self.latest = [party, self.fresh_hash_of(party)];
        }
        self.latest[1]
    }

    fn fresh_hash_of(&self, party: u64) -> u64 {
        SipHasher13::new_with_keys(self.keys[0], self.keys[1]).hash(&party.to_be_bytes())
    }
}

/// Where the meter of an endpoint or of a network may be, and by what it is known there.
#[derive(Clone, Copy, Debug)]
struct MeterPlace {
    set: u64,
    tag: u64,
}

/// Where the meters of the networks of an endpoint may be.
#[derive(Clone, Copy, Debug)]
struct NetworkPlaces {
    set: u64,
    networks: Networks,
    key: u64,
}

impl NetworkPlaces {
    /// One of each size, the smallest first; of a /24, that alone.
    fn iter(&self) -> impl Iterator<Item = (usize, MeterPlace)> {
        let NetworkPlaces { set, networks, key } = *self;
        let sizes = if networks.is_v4() { 1 } else { SIZES };
        let within = networks.smallest() ^ networks.largest();
        // What of the networks differs within the set, each size in bits of its own.
        let marks = [within, within >> 8 | 1 << 16, 1 << 17];
        marks.into_iter().take(sizes).enumerate().map(move |(size, mark)| {
            let tag = tag(set.wrapping_add(mark.wrapping_mul(key)));
            (size, MeterPlace { set, tag })
        })
    }
}

/// The rates of the networks of each size, where this is that of the smallest.
fn flows(rate: Rate) -> [Flow; SIZES] {
    let [per_second, burst] = [rate.per_second, rate.burst].map(|number| quotas(number as usize));
    core::array::from_fn(|size| Flow::from(Rate { per_second: per_second[size] as u32, burst: burst[size] as u32 }))
}

/// A tag that is not that of a free meter.
fn tag(hash: u64) -> u64 {
    hash.max(1)
}

/// A bucket of a meter, or the full one where there is no meter.
fn bucket(meters: &[u64], known: Option<usize>, kind: MeterKind) -> TokenBucket {
    known.map_or(TokenBucket::default(), |at| TokenBucket::until(meters[kind.of(meters.len(), at)]))
}

/// What is so already is not written: it may never have been touched.
fn set_bucket(meters: &mut [u64], at: usize, kind: MeterKind, bucket: TokenBucket) {
    let number = &mut meters[kind.of(meters.len(), at)];
    if *number != bucket.full_at() {
        *number = bucket.full_at();
    }
}

/// The meter of `place`: where it was found, or in the place of the one in its set that is worth least.
fn meter(meters: &mut [u64], now: Instant, place: MeterPlace, known: Option<usize>) -> usize {
    if let Some(at) = known.filter(|&at| is_of(meters, at, place)) {
        return at;
    }
    let at = least(meters, start_of(meters.len(), place), seconds(now));
    meters[MeterKind::Tag.of(meters.len(), at)] = place.tag;
    for kind in [MeterKind::Packets, MeterKind::Bytes] {
        set_bucket(meters, at, kind, TokenBucket::default());
    }
    set_credits(meters, at, 0, 0);
    at
}

/// The meter of a set that is worth least.
fn least(meters: &[u64], start: usize, second: u32) -> usize {
    let of_set = |kind: MeterKind| meters[kind.of(meters.len(), start)..].first_chunk::<WAYS>();
    let (Some(packets), Some(bytes)) = (of_set(MeterKind::Packets), of_set(MeterKind::Bytes)) else { return start };
    // Credits are looked at only where they decide.
    let (mut least, mut until) = (start, u64::MAX);
    for (way, (packets, bytes)) in packets.iter().zip(bytes).enumerate() {
        let says = *packets.max(bytes);
        if says < until {
            (least, until) = (start + way, says);
        }
    }
    if has_credit(meters, least, second) {
        least = (start..start + WAYS).min_by_key(|&at| worth(meters, at, second)).unwrap_or(start);
    }
    least
}

fn is_of(meters: &[u64], at: usize, place: MeterPlace) -> bool {
    meters[MeterKind::Tag.of(meters.len(), at)] == place.tag
}

fn find(meters: &[u64], place: MeterPlace) -> Option<usize> {
    let start = start_of(meters.len(), place);
    let tags = meters[MeterKind::Tag.of(meters.len(), start)..].first_chunk::<WAYS>()?;
    tags.iter().position(|tag| *tag == place.tag).map(|way| start + way)
}

/// The meter of a network, which is probably there where one was found last.
fn find_network(meters: &[u64], place: MeterPlace, at: usize) -> Option<usize> {
    if is_of(meters, at, place) { Some(at) } else { find(meters, place) }
}

/// Where the set begins in which `place` is.
fn start_of(numbers: usize, place: MeterPlace) -> usize {
    let sets = (layout::count(numbers) / WAYS) as u64;
    (((place.set >> 32) * sets) >> 32) as usize * WAYS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rate::Rate;
    use crate::base::rng::Rng;
    use crate::base::time::Duration;
    use crate::dht::config::Config;

    const KEYS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];

    fn limiter(network: Network, meters: usize) -> Limiter<'static> {
        Limiter::new(Config::default().limiter, network, KEYS, List::zeroed(meters))
    }

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    fn host(network: u8, n: u8) -> Endpoint {
        Endpoint::v4([40, 0, network, n], 1)
    }

    fn admitted(l: &mut Limiter<'_>, now: Instant, from: Endpoint, packets: usize) -> usize {
        (0..packets).filter(|_| l.admit(now, &from)).count()
    }

    #[test]
    fn an_endpoint_has_a_burst_and_then_its_rate() {
        let mut l = limiter(Network::Public, 64);
        assert_eq!(admitted(&mut l, at(0), host(0, 1), 500), 100);
        assert_eq!(admitted(&mut l, at(1), host(0, 1), 500), 10);
        assert_eq!(admitted(&mut l, Instant::from_millis(1_099), host(0, 1), 5), 0);
        assert_eq!(admitted(&mut l, Instant::from_millis(1_100), host(0, 1), 5), 1);
        assert_eq!(admitted(&mut l, at(3600), host(0, 1), 500), 100, "never more than the burst");
    }

    #[test]
    fn a_network_has_a_burst_of_its_own_except_in_a_local_one() {
        let mut l = limiter(Network::Public, 4096);
        let of_all = |l: &mut Limiter<'_>| (0..=255).map(|n| admitted(l, at(0), host(0, n), 2)).sum::<usize>();
        assert_eq!(of_all(&mut l), 200);
        assert_eq!(admitted(&mut l, at(0), host(1, 1), 1), 1, "others are not concerned");
        assert_eq!(of_all(&mut limiter(Network::Local, 4096)), 512);
        assert_eq!(admitted(&mut limiter(Network::Local, 64), at(0), host(0, 1), 500), 100);
    }

    fn subnet(n: u16, host: u8) -> Endpoint {
        let [high, low] = n.to_be_bytes();
        Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 0, high, low, 0, 0, 0, 0, 0, 0, 0, host], 1)
    }

    /// Rule A1.
    #[test]
    fn a_64_a_56_and_a_48_have_a_rate_each() {
        // A second is no multiple of what a packet of the larger ones takes, so one is rounded away.
        for (step, most) in [(0, 200), (1, 249), (0x100, 299)] {
            let mut l = limiter(Network::Public, 4096);
            let hosts = (0..240).map(|n| subnet(n * step, n as u8));
            assert_eq!(hosts.map(|host| admitted(&mut l, at(0), host, 2)).sum::<usize>(), most, "{step}");
            assert_eq!(admitted(&mut l, at(0), host(1, 1), 1), 1, "others are not concerned");
        }
    }

    /// Rule A3.
    #[test]
    fn a_64_a_56_and_a_48_have_a_budget_each() {
        for (step, most) in [(0, 64), (1, 80), (0x100, 95)] {
            let mut l = limiter(Network::Public, 4096);
            let charged = (0..128).filter(|n| l.charge(at(0), &subnet(n * step, 1), 1_000)).count();
            assert_eq!(charged, most, "{step}");
            assert!(!l.has_budget(at(0), &subnet(0, 9)) && l.has_budget(at(0), &host(1, 1)));
        }
    }

    #[test]
    fn networks_of_a_party_and_its_endpoints_have_meters_of_their_own() {
        let mut l = limiter(Network::Public, 4096);
        assert_eq!(admitted(&mut l, at(100), subnet(0, 1), 500), 100);
        assert_eq!(admitted(&mut l, at(100), subnet(0, 1).with_port(2), 500), 100, "another port is another endpoint");
        assert_eq!(admitted(&mut l, at(100), subnet(0x100, 1), 500), 99, "another /64 has what the /48 has left");
        assert_eq!(admitted(&mut l, at(100), subnet(0x200, 1), 500), 0, "the /48 has no more");
        assert!(l.has_budget(at(100), &subnet(1, 9)) && l.charge(at(100), &subnet(1, 9), 64_000 - 1_399));
        assert!(!l.has_budget(at(100), &subnet(1, 9)) && l.has_budget(at(100), &subnet(2, 9)));
    }

    #[test]
    fn all_strangers_together_have_a_rate_that_holds_with_few_meters() {
        for meters in [8, 15, 4096] {
            let mut l = limiter(Network::Public, meters);
            let mut rng = Rng::from_seed([3; 32]);
            let admitted = (0..20_000).filter(|_| l.admit(at(0), &Endpoint::v4(rng.bytes(), 5))).count();
            assert_eq!(admitted, 4_000, "{meters} meters");
        }
    }

    #[test]
    fn whoever_was_asked_may_answer_once_for_each_query_and_not_forever() {
        let mut l = limiter(Network::Public, 64);
        admitted(&mut l, at(0), host(0, 1), 500);
        assert_eq!(l.judge(at(0), &host(0, 1)), Verdict::Drop);
        l.expect(at(0), &host(0, 1));
        l.expect(at(0), &host(0, 1));
        for _ in 0..2 {
            assert_eq!(l.judge(at(0), &host(0, 1)), Verdict::Expected);
            assert!(!l.admit(at(0), &host(0, 1)), "what is no answer stands before empty buckets");
            l.on_answer(&host(0, 1));
        }
        assert_eq!(l.judge(at(0), &host(0, 1)), Verdict::Drop);
        l.on_answer(&host(0, 1));
        l.on_answer(&host(3, 1));
        l.expect(at(1), &host(0, 1));
        (0..20_000).for_each(|n| _ = l.judge(at(1), &Endpoint::v4([50, (n >> 8) as u8, n as u8, 1], 1)));
        assert_eq!(l.judge(at(1), &host(0, 1)), Verdict::Expected, "even while everybody floods us");
        l.expect(at(100), &host(2, 1));
        assert_eq!(l.judge(at(115), &host(2, 1)), Verdict::Allow, "an old credit is void");
    }

    #[test]
    fn reply_bytes_are_budgeted_for_each_network() {
        let mut l = limiter(Network::Public, 64);
        assert_eq!((0..200).filter(|&n| l.charge(at(0), &host(0, n), 1_000)).count(), 64);
        assert!(!l.charge(at(0), &host(0, 1), 1) && l.charge(at(0), &host(1, 1), 1_000));
        assert_eq!((0..200).filter(|&n| l.charge(at(1), &host(0, n), 1_000)).count(), 32);
        assert!(!l.charge(at(1000), &host(0, 1), 64_001), "more than the burst");
        assert!(!l.charge(at(1000), &host(0, 1), usize::MAX));
        let mut l = limiter(Network::Local, 64);
        assert!((0..2000).all(|_| l.charge(at(0), &host(0, 1), 1_000)));
    }

    #[test]
    fn a_million_addresses_do_not_make_a_flooder_forgotten() {
        let mut l = limiter(Network::Public, 4096);
        let mut rng = Rng::from_seed([4; 32]);
        admitted(&mut l, at(0), host(0, 1), 100);
        let mut passed = 0;
        for n in 0..1_000_000u64 {
            let now = Instant::from_micros(n);
            l.admit(now, &Endpoint::v4(rng.bytes(), 5));
            passed += usize::from(n % 1000 == 0 && l.admit(now, &host(0, 1)));
        }
        assert!(passed <= 10, "{passed} of its 1000 packets passed in a second");
    }

    #[test]
    fn time_that_stands_still_or_ends_and_rates_of_zero_are_harmless() {
        let end = Instant::from_micros(u64::MAX);
        let mut l = limiter(Network::Public, 64);
        assert!(!l.admit(end, &host(0, 1)), "at the end of time no bucket can be taken from");
        l.expect(end, &host(0, 1));
        assert!(!l.charge(end, &host(0, 1), 10));
        let mut l = limiter(Network::Public, 64);
        admitted(&mut l, at(10), host(0, 1), 100);
        assert!(!l.admit(at(5), &host(0, 1)), "a clock that steps back gives nothing away");
        assert!(l.admit(at(10) + Duration::from_millis(100), &host(0, 1)));
        let closed = LimiterConfig { per_endpoint: Rate { per_second: 0, burst: 0 }, ..Config::default().limiter };
        let mut l = Limiter::new(closed, Network::Public, [0; 2], List::zeroed(64));
        assert!(!l.admit(at(0), &host(0, 1)));
    }
}
