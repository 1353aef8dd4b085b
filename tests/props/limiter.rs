//! The limiter against token buckets that count tokens.

use std::collections::BTreeMap;

use honeyguide::Config;
use honeyguide::Endpoint;
use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::Rate;
use honeyguide::dht::{LimiterConfig, Network};
use honeyguide::internals::base::list::List;
use honeyguide::internals::dht::limiter::{Limiter, Verdict};
use quickcheck::quickcheck;
use std::time::Duration;

const ENDLESS: Rate = Rate { per_second: 1_000_000, burst: 1_000_000 };
/// Rates that divide a second into whole nanoseconds, so that both sides are exact.
const RATES: [u32; 8] = [1, 2, 5, 8, 10, 25, 64, 1000];

/// A bucket of tokens, each a thousand million parts.
struct Tokens {
    rate: u64,
    most: u128,
    level: u128,
    at: Instant,
}

impl Tokens {
    fn new(Rate { per_second, burst }: Rate) -> Self {
        let most = u128::from(burst) * 1_000_000_000;
        Tokens { rate: per_second.into(), most, level: most, at: Instant::ZERO }
    }

    fn holds(&mut self, now: Instant, tokens: u64) -> bool {
        let flown = u128::from(self.rate) * now.since(self.at).as_nanos();
        self.level = (self.level + flown).min(self.most);
        self.at = now;
        self.level >= u128::from(tokens) * 1_000_000_000
    }

    fn take(&mut self, tokens: u64) {
        self.level -= u128::from(tokens) * 1_000_000_000;
    }
}

fn host(n: u8) -> Endpoint {
    Endpoint::v4([20, 0, n % 4, n / 4 % 4], 1 + u16::from(n / 16 % 3))
}

fn limiter(config: LimiterConfig, network: Network) -> Limiter<'static> {
    Limiter::new(config, network, [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03], List::zeroed(4096))
}

/// A1.
#[test]
fn packets_are_admitted_exactly_when_all_three_buckets_hold_a_token() {
    fn property(packets: Vec<(u8, u16)>, rates: (u8, u8, u8), bursts: (u8, u8, u8), local: bool) -> bool {
        let rate = |n: u8, burst: u8| Rate {
            per_second: RATES[usize::from(n) % RATES.len()],
            burst: 1 + u32::from(burst) % 40,
        };
        let config = LimiterConfig {
            per_endpoint: rate(rates.0, bursts.0),
            per_network: rate(rates.1, bursts.1),
            per_node: rate(rates.2, bursts.2),
            reply_bytes: ENDLESS,
        };
        let mut limiter = limiter(config, if local { Network::Local } else { Network::Public });
        let (mut endpoints, mut networks) = (BTreeMap::new(), BTreeMap::new());
        let mut node = Tokens::new(config.per_node);
        let mut now = Instant::ZERO;
        packets.iter().all(|&(n, millis)| {
            now += Duration::from_millis(u64::from(millis) % 300);
            let from = host(n);
            let endpoint = endpoints.entry(from).or_insert_with(|| Tokens::new(config.per_endpoint));
            let network = networks.entry(from.network()).or_insert_with(|| Tokens::new(config.per_network));
            let holds = node.holds(now, 1) & endpoint.holds(now, 1) & (local || network.holds(now, 1));
            if holds {
                node.take(1);
                endpoint.take(1);
                if !local {
                    network.take(1);
                }
            }
            limiter.judge(now, &from) == if holds { Verdict::Allow } else { Verdict::Drop }
        })
    }
    quickcheck(property as fn(Vec<(u8, u16)>, (u8, u8, u8), (u8, u8, u8), bool) -> bool);
}

/// A3.
#[test]
fn reply_bytes_are_charged_exactly() {
    fn property(replies: Vec<(u8, u16, u16)>, burst: u16) -> bool {
        let config = LimiterConfig {
            per_endpoint: ENDLESS,
            per_network: ENDLESS,
            per_node: ENDLESS,
            reply_bytes: Rate { per_second: 32_000, burst: u32::from(burst) },
        };
        let mut limiter = limiter(config, Network::Public);
        let mut networks = BTreeMap::new();
        let mut now = Instant::ZERO;
        replies.iter().all(|&(n, millis, bytes)| {
            now += Duration::from_millis(u64::from(millis) % 300);
            let bytes = u64::from(bytes) % 1500;
            let budget = networks.entry(host(n).network()).or_insert_with(|| Tokens::new(config.reply_bytes));
            let holds = budget.holds(now, bytes);
            if holds {
                budget.take(bytes);
            }
            limiter.charge(now, &host(n), bytes as usize) == holds
        })
    }
    quickcheck(property as fn(Vec<(u8, u16, u16)>, u16) -> bool);
}

/// A5: any rates, any times, any order: never more than burst and rate allow, and no panic.
#[test]
fn nobody_gets_more_than_burst_and_rate() {
    fn property((per_second, burst): (u32, u32), times: Vec<u64>) -> bool {
        let config = Rate { per_second, burst };
        let limits = LimiterConfig {
            per_endpoint: config,
            per_network: ENDLESS,
            per_node: Rate { per_second: u32::MAX, burst: u32::MAX },
            reply_bytes: config,
        };
        let mut limiter = limiter(limits, Network::Public);
        let (mut admitted, mut first, mut last) = (0u128, u64::MAX, 0);
        for &micros in &times {
            let now = Instant::from_micros(micros);
            limiter.charge(now, &host(9), micros as usize);
            limiter.expect(now, &host(8));
            admitted += u128::from(limiter.admit(now, &host(1)));
            (first, last) = (first.min(micros), last.max(micros));
        }
        let micros = u128::from(last.saturating_sub(first));
        admitted <= u128::from(config.burst) + micros * u128::from(config.per_second) / 1_000_000
    }
    quickcheck(property as fn((u32, u32), Vec<u64>) -> bool);
}

/// A2, A4.
#[test]
fn whoever_is_owed_an_answer_is_heard_through_a_flood() {
    let config = LimiterConfig { reply_bytes: ENDLESS, ..Config::default().limiter };
    let mut limiter = limiter(config, Network::Public);
    let mut rng = Rng::from_seed([1; 32]);
    let (mut lost, mut asked) = (0, 0);
    for n in 0..200_000u64 {
        let now = Instant::from_micros(50 * n);
        limiter.judge(now, &Endpoint::v4(rng.bytes(), 5));
        // Each second twenty queries, answered 100 ms later.
        if n % 1000 == 0 {
            asked += 1;
            limiter.expect(now, &Endpoint::v4([99, (n >> 16) as u8, (n >> 8) as u8, n as u8], 7));
        }
        if n >= 2000 && n % 1000 == 0 {
            let n = n - 2000;
            let asked = Endpoint::v4([99, (n >> 16) as u8, (n >> 8) as u8, n as u8], 7);
            lost += u32::from(limiter.judge(now, &asked) != Verdict::Expected);
            limiter.on_answer(&asked);
        }
    }
    assert!(asked == 200 && lost == 0, "{lost} answers of {asked} queries were lost");
}
