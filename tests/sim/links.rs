//! What befalls datagrams on their way: each fault alone, counted by what comes out at the other end.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use honeyguide::krpc::Family;
use honeyguide::sim::{Bursts, Faults, HostId, Moment, Participant, Site, World, random_endpoint};
use honeyguide::{Endpoint, Instant};

/// Sends datagrams that begin with their number, one after the other.
struct Sender {
    to: Endpoint,
    sizes: Vec<usize>,
    every: Duration,
    next: Instant,
    sent: u32,
}

impl Participant for Sender {
    fn on_datagram(&mut self, _: &mut Moment<'_>, _: Endpoint, _: &[u8]) {}

    fn on_timer(&mut self, moment: &mut Moment<'_>) {
        let mut bytes = vec![0; self.sizes[self.sent as usize]];
        bytes[..4].copy_from_slice(&self.sent.to_be_bytes());
        moment.send(self.to, &bytes);
        (self.sent, self.next) = (self.sent + 1, self.next + self.every);
    }

    fn deadline(&self) -> Option<Instant> {
        ((self.sent as usize) < self.sizes.len()).then_some(self.next)
    }
}

/// Everything that arrived, with when.
type Inbox = Rc<RefCell<Vec<(Instant, Vec<u8>)>>>;

struct Receiver(Inbox);

impl Participant for Receiver {
    fn on_datagram(&mut self, moment: &mut Moment<'_>, _: Endpoint, payload: &[u8]) {
        self.0.borrow_mut().push((moment.now, payload.to_vec()));
    }
}

/// A link between two hosts, and what came over it.
struct Link {
    world: World,
    receiver: HostId,
    inbox: Inbox,
    /// When the first was sent, and how long after one another.
    begun: Instant,
    every: Duration,
    /// Which of them arrived at all.
    arrived: Vec<bool>,
}

impl Link {
    /// So many datagrams of 16 bytes, one every so often.
    fn carry(faults: Faults, many: usize, every: Duration) -> Link {
        Link::carry_sizes(faults, vec![16; many], every, false)
    }

    fn carry_sizes(faults: Faults, sizes: Vec<usize>, every: Duration, bans: bool) -> Link {
        let (mut world, inbox, many) = (World::new(8), Inbox::default(), sizes.len());
        world.set_faults(faults);
        let [from, to] = [0; 2].map(|_| {
            let endpoint = random_endpoint(Family::V4, world.rng());
            Site::at(endpoint, world.rng())
        });
        let receiver = world.add(Receiver(inbox.clone()), to, None, false);
        if bans {
            world.set_bans(receiver);
        }
        let begun = world.now();
        world.add(Sender { to: to.endpoint, sizes, every, next: begun, sent: 0 }, from, None, false);
        world.run_for(every * many as u32 + Duration::from_secs(10));
        let mut arrived = vec![false; many];
        for number in inbox.borrow().iter().map(|(_, bytes)| number(bytes)) {
            if let Some(arrived) = arrived.get_mut(number) {
                *arrived = true;
            }
        }
        Link { world, receiver, inbox, begun, every, arrived }
    }

    /// Which part of all did not arrive.
    fn lost(&self) -> f64 {
        share(self.arrived.iter().filter(|arrived| !**arrived).count(), self.arrived.len())
    }

    /// How many are lost one after another, on average.
    fn run_of_losses(&self) -> f64 {
        let runs = self.arrived.chunk_by(|a, b| a == b).filter(|run| !run[0]).count();
        self.lost() * self.arrived.len() as f64 / runs as f64
    }

    /// How long each that came was under way, in milliseconds, in the order in which they came.
    fn delays(&self) -> Vec<f64> {
        let delay = |(at, bytes): &(Instant, Vec<u8>)| {
            let sent = self.begun + self.every * number(bytes) as u32;
            at.since(sent).as_secs_f64() * 1_000.0
        };
        self.inbox.borrow().iter().map(delay).collect()
    }

    /// Which part of those that came did so behind one that was sent later.
    fn overtaken(&self) -> f64 {
        let (mut last, mut many) = (0, 0);
        for number in self.inbox.borrow().iter().map(|(_, bytes)| number(bytes)) {
            many += usize::from(number < last);
            last = last.max(number);
        }
        share(many, self.inbox.borrow().len())
    }

    /// How many came, and which part of all came more often than once.
    fn came(&self) -> (usize, f64) {
        let came = self.inbox.borrow().len();
        (came, share(came, self.arrived.len()) - 1.0 + self.lost())
    }
}

fn number(bytes: &[u8]) -> usize {
    u32::from_be_bytes(*bytes.first_chunk().unwrap()) as usize
}

fn share(part: usize, all: usize) -> f64 {
    part as f64 / all as f64
}

fn is_near(value: f64, wanted: f64, off: f64) -> bool {
    (value - wanted).abs() < off
}

const MILLI: Duration = Duration::from_millis(1);

/// Rule W5.
#[test]
fn over_a_calm_link_everything_comes_once_as_it_was_in_its_order_and_after_the_same_time() {
    let link = Link::carry(Faults::NONE, 2_000, MILLI);
    let (delays, mut position) = (link.delays(), 0);
    assert_eq!((link.came(), link.lost(), link.overtaken()), ((2_000, 0.0), 0.0, 0.0));
    assert!(delays[0] > 0.0 && delays.iter().all(|delay| is_near(*delay, delays[0], 0.002)));
    for (_, bytes) in link.inbox.borrow().iter() {
        assert!(number(bytes) == position && bytes.len() == 16 && bytes[4..] == [0; 12]);
        position += 1;
    }
    assert_eq!((link.world.traffic().sent, link.world.traffic().arrived), (2_000, 2_000));
}

/// Rule W5.
#[test]
fn as_many_are_lost_as_should_be_and_one_loss_says_nothing_of_the_next() {
    let link = Link::carry(Faults { loss: 0.2, ..Faults::NONE }, 5_000, MILLI);
    assert!(is_near(link.lost(), 0.2, 0.02), "{}", link.lost());
    assert!(is_near(link.run_of_losses(), 1.25, 0.05), "{}", link.run_of_losses());
    assert!(link.came().1.abs() < 1e-9 && link.overtaken() == 0.0, "nothing else befalls them");
    assert_eq!(link.world.traffic().lost as usize, 5_000 - link.came().0);
}

/// Rule W5.
#[test]
fn as_many_come_twice_as_should_and_the_second_is_the_same_at_another_time() {
    let faults = Faults { duplication: 0.2, jitter: 20 * MILLI, ..Faults::NONE };
    let link = Link::carry(faults, 5_000, 30 * MILLI);
    let (came, twice) = link.came();
    assert!(is_near(twice, 0.2, 0.02) && link.lost() == 0.0, "{twice}");
    let inbox = link.inbox.borrow();
    let pairs: Vec<_> = inbox.windows(2).filter(|pair| pair[0].1 == pair[1].1).collect();
    assert_eq!(pairs.len(), came - 5_000, "nothing comes three times");
    assert!(pairs.iter().filter(|pair| pair[0].0 < pair[1].0).count() * 10 > pairs.len() * 9);
}

/// Rule W5.
#[test]
fn some_come_up_to_half_a_second_late_and_behind_others() {
    let link = Link::carry(Faults { reordering: 0.1, ..Faults::NONE }, 5_000, MILLI);
    let delays = link.delays();
    let least = delays.iter().copied().fold(f64::MAX, f64::min);
    let late: Vec<_> = delays.iter().map(|delay| delay - least).filter(|late| *late > 0.01).collect();
    assert!(is_near(share(late.len(), 5_000), 0.1, 0.02), "{}", late.len());
    let (mean, most) = (late.iter().sum::<f64>() / late.len() as f64, late.iter().copied().fold(0.0, f64::max));
    assert!(is_near(mean, 250.0, 25.0) && (450.0..500.1).contains(&most), "{mean} {most}");
    assert!(is_near(link.overtaken(), 0.1, 0.02) && link.came() == (5_000, 0.0), "{}", link.overtaken());
}

/// Rule W5.
#[test]
fn queues_add_as_much_as_they_may_and_nothing_else() {
    let link = Link::carry(Faults { jitter: 20 * MILLI, ..Faults::NONE }, 5_000, 30 * MILLI);
    let mut delays = link.delays();
    delays.sort_by(f64::total_cmp);
    let [least, median, most] = [0, 2_500, 4_999].map(|place| delays[place] - delays[0]);
    assert!(least == 0.0 && is_near(median, 10.0, 1.0) && (19.5..20.1).contains(&most), "{median} {most}");
    assert_eq!((link.came(), link.overtaken()), ((5_000, 0.0), 0.0));
}

/// Rule W5.
#[test]
fn as_many_have_one_bit_changed_as_should_and_it_may_be_any_of_them() {
    let link = Link::carry(Faults { corruption: 0.3, ..Faults::NONE }, 5_000, MILLI);
    let (mut changed, mut where_to) = (0, [false; 128]);
    for ((_, bytes), number) in link.inbox.borrow().iter().zip(0_u32..) {
        let mut sent = [0; 16];
        sent[..4].copy_from_slice(&number.to_be_bytes());
        let differ: Vec<_> = (0..128).filter(|bit| (sent[bit / 8] ^ bytes[bit / 8]) >> (bit % 8) & 1 == 1).collect();
        assert!(differ.len() <= 1 && bytes.len() == 16, "{differ:?}");
        changed += differ.len();
        differ.into_iter().for_each(|bit| where_to[bit] = true);
    }
    assert!(is_near(share(changed, 5_000), 0.3, 0.03), "{changed}");
    assert!(where_to.iter().all(|is_so| *is_so) && link.inbox.borrow().len() == 5_000);
}

/// Rule W5. Both lines have bursts of their own.
#[test]
fn losses_of_bursts_come_together_and_as_many_of_them_as_should() {
    let bursts = |good, bad, loss| Faults {
        bursts: Some(Bursts { good: good * MILLI, bad: bad * MILLI, loss }),
        ..Faults::NONE
    };
    for (faults, lost, off, runs) in [
        (bursts(180, 20, 1.0), 0.19, 0.04, 15.0..28.0),
        (bursts(180, 20, 0.5), 0.0975, 0.025, 1.7..2.5),
        (bursts(20, 20, 1.0), 0.75, 0.04, 30.0..60.0),
    ] {
        let link = Link::carry(faults, 20_000, MILLI);
        assert!(is_near(link.lost(), lost, off), "{faults:?}: {}", link.lost());
        // Of as many losses that know nothing of one another there would be so few in a row.
        let independent = 1.0 / (1.0 - lost);
        let many = link.run_of_losses();
        assert!(runs.contains(&many) && many > 1.5 * independent, "{faults:?}: {many} {independent}");
        assert_eq!(link.overtaken(), 0.0);
    }
    // Where a line is used so seldom that nobody knows what it was: as many are lost.
    let link = Link::carry(bursts(180, 20, 1.0), 4_000, 4_000 * MILLI);
    assert!(is_near(link.lost(), 0.19, 0.025), "{}", link.lost());
    assert!(is_near(link.run_of_losses(), 1.23, 0.08), "{}", link.run_of_losses());
}

/// Rule W5.
#[test]
fn what_is_longer_than_the_way_allows_does_not_come() {
    for mtu in [576, 1_280, 1_500] {
        let faults = Faults { mtu, ..Faults::NONE };
        let link = Link::carry_sizes(faults, vec![16, mtu - 1, mtu, mtu + 1, 2 * mtu, 16], MILLI, false);
        assert_eq!(link.arrived, [true, true, true, false, false, true], "{mtu}");
        let lens: Vec<_> = link.inbox.borrow().iter().map(|(_, bytes)| bytes.len()).collect();
        assert_eq!((lens, link.world.traffic().too_long), (vec![16, mtu - 1, mtu, 16], 2));
    }
}

/// Rule W8.
#[test]
fn whoever_sends_too_much_is_not_heard_for_five_minutes_where_there_are_bans() {
    let every = 100 * MILLI;
    for bans in [true, false] {
        let link = Link::carry_sizes(Faults::NONE, vec![16; 3_300], every, bans);
        // The 51st is the one too much, after 5 s; from then on it is 3,000 until it is heard again.
        let heard: Vec<_> = (0..3_300).map(|i| !bans || i < 50 || (3_050..3_100).contains(&i)).collect();
        assert!(link.arrived == heard, "{:?}", link.arrived.iter().filter(|arrived| **arrived).count());
        let missed = heard.iter().filter(|heard| !**heard).count() as u64;
        assert_eq!(link.world.bans_of(link.receiver), if bans { 2 } else { 0 });
        assert_eq!(link.world.traffic().banned, missed);
    }
}
