//! Clocks that step: time is the sum of the forward steps (the fifth rule of the contract).

use std::time::Duration;

use honeyguide::dht::{Buffer, LinkId};
use honeyguide::{Config, Endpoint, Id, Input, Instant, Node, Output, Storage};

use crate::lab::{self, Lab, query_of};

const TICK: u64 = 100_000;
const RUN: u64 = 120_000_000;

/// What a node did: the time since the start, in microseconds, and what it was.
type Deeds = Vec<(u64, String)>;

/// Two minutes of a node that bootstraps from somebody silent and is pinged five times a second, by a clock that reads
/// `clock(time)` at a time. Every deadline is also told, as the time that is left until it.
fn deeds(clock: impl Fn(u64) -> u64) -> Deeds {
    let config = Config::small();
    let storage = Storage::allocate(&config);
    let mut node = Node::new(config, [7; 32], storage).unwrap();
    let (silent, asker) = (Endpoint::v4([192, 0, 2, 1], 6881), Endpoint::v4([198, 51, 100, 1], 6881));
    let ping = query_of(&Id([9; 20]), b"ping", b"");
    let mut deeds = Deeds::new();
    let mut buffer: Buffer = [0; 1500];
    for time in (0..RUN).step_by(TICK as usize) {
        let now = Instant::from_micros(clock(time));
        node.handle_input(now, Input::Timeout);
        if time == 10 * TICK {
            node.bootstrap(now, 1, &[silent]).unwrap();
        }
        if time % (2 * TICK) == 0 {
            node.handle_input(now, Input::Datagram { link: LinkId(0), from: asker, payload: &ping });
        }
        loop {
            match node.poll_output(&mut buffer) {
                Output::Timeout(deadline) => {
                    let left = deadline.map(|at| at.since(now));
                    deeds.push((time, format!("wait {left:?}")));
                    break;
                }
                Output::Transmit { to, payload, .. } => {
                    let what = if payload.ends_with(b"1:y1:re") { "answer" } else { "query" };
                    deeds.push((time, format!("{what} {to} {payload:?}")));
                }
                Output::Event(event) => deeds.push((time, format!("{event:?}"))),
            }
        }
    }
    deeds
}

fn answers_after(deeds: &Deeds, time: u64) -> usize {
    deeds.iter().filter(|(at, what)| *at >= time && what.starts_with("answer 198.51.100.1")).count()
}

/// How long the node waits, of all its deeds left out.
fn without_waits(deeds: Deeds) -> Deeds {
    deeds.into_iter().filter(|(_, what)| !what.starts_with("wait")).collect()
}

#[test]
fn a_step_back_costs_that_step_and_nothing_more() {
    let steady = deeds(|time| 5_000_000_000 + time);
    assert_eq!(answers_after(&steady, 0), (RUN / TICK / 2) as usize);
    let hour = Duration::from_secs(3600).as_micros() as u64;
    let back = deeds(|time| 5_000_000_000 + time - if time > RUN / 2 { hour } else { 0 });
    // That step itself, of one tick, is lost.
    let lost = |deeds: &Deeds| deeds.iter().filter(|(at, _)| *at > RUN / 2).count();
    assert_eq!(answers_after(&back, 0), answers_after(&steady, 0));
    assert_eq!(lost(&back), lost(&steady));
    let ends = |deeds: Deeds| without_waits(deeds).into_iter().filter(|(_, what)| what.contains("Finished")).count();
    assert_eq!((ends(back), ends(steady)), (1, 1));
}

#[test]
fn a_clock_of_32_bit_milliseconds_may_wrap() {
    let wraps = deeds(|time| u64::from(((1u64 << 32) - 60_000 + time / 1000) as u32) * 1000);
    assert_eq!(answers_after(&wraps, 0), (RUN / TICK / 2) as usize);
}

#[test]
fn a_clock_that_steps_back_again_and_again_still_ends_every_operation() {
    // It loses half a second in every second, as one that is adjusted too late too often.
    let limping = deeds(|time| time - time / 1_000_000 * 500_000);
    assert!(limping.iter().any(|(_, what)| what.contains("Finished")));
}

#[test]
fn one_absurd_reading_forward_costs_no_more_than_a_long_sleep() {
    for absurd in [u64::MAX, u64::MAX / 2, 1 << 50] {
        let leaps = deeds(|time| if time == RUN / 2 { absurd } else { 5_000_000 + time });
        let after = RUN / 2 + TICK;
        assert_eq!(answers_after(&leaps, after), ((RUN - after) / TICK / 2) as usize, "{absurd}");
        let waits = leaps.iter().filter(|(at, what)| *at > after && what.starts_with("wait Some"));
        assert_eq!(waits.count() as u64, (RUN - after) / TICK - 1, "there is always a deadline");
    }
}

/// The longest times that can be named are added to others, and multiplied for a frugal node.
#[test]
fn a_table_whose_times_are_the_longest_there_are_lives_like_any_other() {
    for frugal in [false, true] {
        let mut config = lab::config();
        config.frugal = frugal;
        (config.table.refresh_after, config.table.stale_after) = (Duration::MAX, Duration::MAX);
        let mut lab = Lab::new(config);
        lab.befriend(8);
        lab.run(Duration::from_secs(3_600));
        assert_eq!(lab.node.contacts().count(), 8);
    }
}
