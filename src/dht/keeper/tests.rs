use std::vec::Vec;

use super::*;
use crate::base::deadlines::DeadlinesMemory;
use crate::base::list::List;
use crate::base::rng::Rng;
use crate::base::slab::SlabEntry;
use crate::base::time::{Duration, Instant};
use crate::dht::command::PeerKind;
use crate::dht::event::{Event, KeepId, LinkId, OpId};
use crate::dht::keep::{KeepSchedule, KeepState, KeepView, Kept, NextAction};
use crate::krpc::id::Id;
use crate::krpc::item::{Item, Mutable, immutable_target};

const OP: OpId = OpId { index: 1, generation: 2 };
const VALUE: &[u8] = b"2:hi";
const HOUR: u64 = 3600;
/// What all nodes of a large network answer.
const ALL: u8 = 20;

/// On one link.
fn on_one(answered: u8, copies: u8) -> CopiesByLink {
    CopiesByLink::default().with(LinkId(0), LinkCopies { answered, copies })
}

struct Run {
    keeper: Keeper<'static>,
    rng: Rng,
    now: Instant,
}

/// What of all that is kept with tag 5 the user is told to be wanted.
fn wanted(said: Option<Event<'_>>) -> Option<KeepId> {
    said.map(|said| match said {
        Event::Wanted { keep, tag: 5 } => keep,
        other => panic!("{other:?}"),
    })
}

impl Run {
    fn new(capacity: usize) -> Run {
        let deadlines = || DeadlinesMemory { heap: List::with_capacity(capacity), places: List::zeroed(capacity) };
        let memory = KeeperMemory { entries: List::with_capacity(capacity), looks: deadlines(), wants: deadlines() };
        Run { keeper: Keeper::new(memory), rng: Rng::from_seed([7; 32]), now: Instant::from_secs(1000) }
    }

    fn keep(&mut self, kept: Kept<'_>) -> KeepId {
        let (schedule, state) = (KeepSchedule::default(), KeepState::default());
        self.keeper.insert(self.now, 5, &kept, &schedule, &state).unwrap()
    }

    fn keep_value(&mut self) -> KeepId {
        self.keep(Kept::Immutable { target: immutable_target(VALUE) })
    }

    fn view(&self, keep: KeepId) -> KeepView<'_> {
        self.keeper.view(self.now, keep).unwrap()
    }

    /// Goes on to what is due next, a look of this one.
    fn look(&mut self, keep: KeepId, answered: u8, copies: u8, newest: Option<i64>) {
        self.now = self.now.max(self.keeper.look_at().unwrap());
        assert_eq!(self.keeper.next(self.now).map(|(due, _)| due), Some(keep));
        self.keeper.on_started(keep, OP);
        let looked = Looked { links: on_one(answered, copies), newest };
        self.keeper.on_looked(self.now, &mut self.rng, keep, OP, looked);
        self.keeper.check_invariants();
    }

    /// It is wanted, supplied and put.
    fn put(&mut self, keep: KeepId, answered: u8, copies: u8) -> Supplied {
        self.now = self.now.max(self.keeper.say_at().unwrap());
        assert_eq!(wanted(self.keeper.next_news(self.now, &mut self.rng, true)), Some(keep));
        let (supplied, ran) = self.keeper.supply(keep, &Item { value: VALUE, mutable: None }).unwrap();
        assert_eq!(ran, None);
        self.keeper.on_started(keep, OP);
        self.put_ends(keep, answered, copies);
        supplied
    }

    fn put_ends(&mut self, keep: KeepId, answered: u8, copies: u8) {
        let put = KeptPut { links: on_one(answered, copies), refused: Some(205), newest: None };
        self.keeper.on_put(self.now, &mut self.rng, keep, OP, put);
        self.keeper.check_invariants();
    }

    /// Seconds until a look, with the tenth that it may be sooner or later.
    fn is_looked_at_in(&self, keep: KeepId, seconds: u64) {
        let KeepState { next, due_in, .. } = self.view(keep).state;
        let (least, most) = (seconds - seconds / 10, seconds + seconds / 10);
        assert!(next == NextAction::Look && (least..=most).contains(&due_in.as_secs()), "{next:?} in {due_in:?}");
    }
}

// P5, P8, P10, P11
#[test]
fn a_new_key_is_looked_for_then_wanted_then_put_and_looked_at_ever_less() {
    let mut run = Run::new(2);
    let keep = run.keep_value();
    run.look(keep, ALL, 0, None);
    assert_eq!(run.view(keep).state.next, NextAction::Want);
    assert_eq!(run.put(keep, ALL, 19), Supplied::Put { copies: 20, anew: false }, "all of it is missing");
    assert_eq!((run.view(keep).state.copies, run.view(keep).state.refused), (Some(19), Some(205)));
    for minutes in [60, 75, 240, 360, 360] {
        run.is_looked_at_in(keep, minutes * 60);
        run.look(keep, ALL, 8, None);
    }
    assert_eq!(run.view(keep).state.copies, Some(8));
}

// P11
#[test]
fn the_second_look_comes_two_hours_after_the_put_at_least() {
    let mut run = Run::new(1);
    for _ in 0..200 {
        let keep = run.keep_value();
        run.look(keep, ALL, 0, None);
        run.put(keep, ALL, 20);
        let first = run.view(keep).state.due_in;
        run.look(keep, ALL, 20, None);
        let both = first + run.view(keep).state.due_in;
        assert!((2 * HOUR..2 * HOUR + HOUR / 2).contains(&both.as_secs()), "{both:?}");
        assert!(run.keeper.remove(keep).is_some());
    }
}

// P6, P10
#[test]
fn what_is_missing_is_believed_at_the_second_look_and_filled_up() {
    let mut run = Run::new(2);
    let keep = run.keep_value();
    run.look(keep, ALL, 8, None);
    run.look(keep, ALL, 7, None);
    assert_eq!(run.view(keep).state.due_in, Duration::from_secs(30));
    run.look(keep, ALL, 8, None);
    run.look(keep, ALL, 4, None);
    run.look(keep, ALL, 4, None);
    assert_eq!(run.put(keep, ALL, 12), Supplied::Put { copies: 12, anew: false });
    run.is_looked_at_in(keep, HOUR);
}

// P5
#[test]
fn in_a_small_network_as_many_copies_as_nodes_are_enough() {
    let mut run = Run::new(2);
    let keep = run.keep_value();
    run.look(keep, 5, 5, None);
    assert_eq!(run.view(keep).state.next, NextAction::Look);
    run.look(keep, 5, 2, None);
    assert_eq!(run.put(keep, 5, 5), Supplied::Put { copies: 20, anew: false });
    run.is_looked_at_in(keep, HOUR);
}

// P4
#[test]
fn each_link_is_judged_for_itself_and_one_that_takes_nothing_decides_nothing() {
    let mut run = Run::new(2);
    let keep = run.keep_value();
    let on_both = |run: &mut Run, stores: bool, [first, second]: [(u8, u8); 2]| {
        let (answered, copies) = second;
        let links = on_one(first.0, first.1).with(LinkId(1), LinkCopies { answered, copies });
        if stores {
            run.now = run.now.max(run.keeper.say_at().unwrap());
            assert!(run.keeper.supply(keep, &Item { value: VALUE, mutable: None }).is_some());
            run.keeper.on_started(keep, OP);
            let put = KeptPut { links, refused: None, newest: None };
            run.keeper.on_put(run.now, &mut run.rng, keep, OP, put);
        } else {
            run.now = run.now.max(run.keeper.look_at().unwrap());
            run.keeper.next(run.now).unwrap();
            run.keeper.on_started(keep, OP);
            run.keeper.on_looked(run.now, &mut run.rng, keep, OP, Looked { links, newest: None });
        }
        run.view(keep).state
    };
    // Five of twenty are too few, though another link has three of three; and where nobody answers, nobody decides.
    let too_few = |state: KeepState| (state.next, state.copies);
    on_both(&mut run, false, [(ALL, 5), (3, 3)]);
    assert_eq!(too_few(on_both(&mut run, false, [(ALL, 5), (3, 3)])), (NextAction::Want, Some(5)));
    assert_eq!(too_few(on_both(&mut run, true, [(ALL, 12), (0, 0)])), (NextAction::Look, Some(12)));
    // One node on the second link, which stores nothing: that is tried once, and not again while it shows no copy.
    assert_eq!(too_few(on_both(&mut run, false, [(ALL, 12), (1, 0)])), (NextAction::Want, Some(0)));
    let state = on_both(&mut run, true, [(ALL, 12), (1, 0)]);
    assert_eq!((state.next, state.copies, state.futile), (NextAction::Look, Some(12), 0));
    for _ in 0..8 {
        assert_eq!(too_few(on_both(&mut run, false, [(ALL, 12), (1, 0)])), (NextAction::Look, Some(12)));
    }
    assert_eq!(too_few(on_both(&mut run, false, [(ALL, 12), (2, 1)])).0, NextAction::Look, "it is doubted");
    assert_eq!(too_few(on_both(&mut run, false, [(ALL, 12), (9, 1)])), (NextAction::Want, Some(1)), "it decides again");
    // Where it is all there is, it decides.
    on_both(&mut run, true, [(ALL, 12), (1, 0)]);
    assert_eq!(too_few(on_both(&mut run, false, [(0, 0), (1, 0)])), (NextAction::Want, Some(0)));
}

// P7
#[test]
fn what_is_futile_is_tried_ever_less_until_something_comes_of_it() {
    let mut run = Run::new(2);
    let keep = run.keep_value();
    for seconds in [30, 120, 600, 1800, 3600, 3600] {
        run.look(keep, 0, 0, None);
        assert_eq!(run.view(keep).state.due_in, Duration::from_secs(seconds));
    }
    run.look(keep, ALL, 0, None);
    run.put(keep, ALL, 7);
    assert_eq!(run.view(keep).state.due_in, Duration::from_secs(3600), "few have confirmed: that is futile as well");
    run.look(keep, ALL, 9, None);
    assert_eq!(run.view(keep).state.futile, 0);
    run.look(keep, 0, 0, None);
    assert_eq!(run.view(keep).state.due_in, Duration::from_secs(30), "from the beginning");
    for _ in 0..300 {
        run.look(keep, 0, 0, None);
    }
    assert_eq!(run.view(keep).state.futile, u8::MAX);
}

// P12
#[test]
fn where_copies_do_not_last_they_are_put_again_without_a_look() {
    let mut run = Run::new(2);
    let keep = run.keep_value();
    run.look(keep, ALL, 0, None);
    run.put(keep, ALL, 20);
    run.look(keep, ALL, 20, None);
    run.is_looked_at_in(keep, 75 * 60);
    run.look(keep, ALL, 1, None);
    for _ in 0..24 {
        assert_eq!(run.put(keep, ALL, 20), Supplied::Put { copies: 20, anew: true });
        let KeepState { next, due_in, .. } = run.view(keep).state;
        assert!(next == NextAction::Want && (3240..=3960).contains(&due_in.as_secs()), "{next:?} in {due_in:?}");
    }
    assert_eq!(run.put(keep, ALL, 20), Supplied::Put { copies: 12, anew: false });
    run.is_looked_at_in(keep, HOUR);
}

// P7, P12
#[test]
fn a_look_that_finds_enough_ends_the_puts_without_a_look() {
    let mut run = Run::new(2);
    let keep = run.keep_value();
    for copies in [20, 0, 20] {
        run.look(keep, ALL, copies, None);
        if copies == 0 {
            assert!(matches!(run.put(keep, ALL, 20), Supplied::Put { anew: true, .. }));
            // Few confirm it, and it is looked at next.
            assert!(matches!(run.put(keep, ALL, 3), Supplied::Put { anew: true, .. }));
        }
    }
    assert_eq!(run.view(keep).state.renewals, 0, "they do last");
    [5, 5].into_iter().for_each(|copies| run.look(keep, ALL, copies, None));
    assert_eq!(run.put(keep, ALL, 12), Supplied::Put { copies: 12, anew: false });
    run.is_looked_at_in(keep, HOUR);
}

// P12
#[test]
fn a_short_wait_becomes_no_longer_where_copies_do_not_last() {
    let mut run = Run::new(1);
    let check_every = Duration::from_secs(900);
    let schedule = KeepSchedule { check_every, ..KeepSchedule::default() };
    let kept = Kept::Immutable { target: immutable_target(VALUE) };
    let keep = run.keeper.insert(run.now, 5, &kept, &schedule, &KeepState::default()).unwrap();
    assert_eq!(run.view(keep).state.every, check_every);
    run.look(keep, ALL, 20, None);
    run.look(keep, ALL, 0, None);
    let KeepState { every, renewals, .. } = run.view(keep).state;
    assert_eq!((every, renewals), (check_every, 24));
}

// P2
#[test]
fn of_what_is_kept_numbers_are_remembered_and_no_value() {
    fn each<T>(_: &List<'_, T>) -> usize {
        size_of::<T>()
    }
    let deadlines = || DeadlinesMemory { heap: List::with_capacity(1), places: List::zeroed(1) };
    let (entries, memory) = (List::<SlabEntry<KeptEntry>>::with_capacity(1), deadlines());
    let bytes = each(&entries) + 2 * (each(&memory.heap) + each(&memory.places));
    assert!(bytes <= 204, "{bytes} bytes each: the page says that ten thousand take 2.0 MB");
}

// P13
#[test]
fn an_announcement_is_made_again_every_twenty_minutes_and_never_wanted() {
    let mut run = Run::new(2);
    let kind = PeerKind::Seed;
    let keep = run.keep(Kept::Announced { info_hash: Id([9; 20]), port: Some(80), kind });
    for copies in [20, 8] {
        run.now = run.now.max(run.keeper.look_at().unwrap());
        assert_eq!(run.keeper.next(run.now), Some((keep, Work::Announce)));
        run.keeper.on_started(keep, OP);
        run.put_ends(keep, ALL, copies);
        run.is_looked_at_in(keep, 1200);
    }
    assert_eq!(run.keeper.say_at(), None);
    let before = KeepState { next: NextAction::Want, ..KeepState::default() };
    let kept = Kept::Announced { info_hash: Id([8; 20]), port: None, kind };
    let other = run.keeper.insert(run.now, 6, &kept, &KeepSchedule::default(), &before).unwrap();
    assert_eq!(run.view(other).state.next, NextAction::Look, "whatever a file says");
}

// P3, P9
#[test]
fn a_newer_version_that_was_met_supersedes_what_is_supplied() {
    let (key, other) = ([3; 32], [4; 32]);
    let item = |seq, key| Item { value: VALUE, mutable: Some(Mutable { key, salt: b"s", seq, signature: &[0; 64] }) };
    let mut run = Run::new(3);
    let keep = run.keep(Kept::Mutable { key: &key, salt: b"s" });
    run.look(keep, ALL, 2, Some(7));
    assert_eq!(run.keeper.supply(keep, &item(9, &other)), Some((Supplied::Other, None)));
    assert_eq!(run.keeper.supply(keep, &Item { value: VALUE, mutable: None }), Some((Supplied::Other, None)));
    assert_eq!(run.keeper.supply(keep, &item(6, &key)), Some((Supplied::Superseded, None)));
    let said = run.keeper.next_news(run.now, &mut run.rng, false);
    let is_said = matches!(said, Some(Event::Superseded { keep: of, tag: 5 }) if of == keep);
    assert!(is_said, "whether it may be put or not: {said:?}");
    assert_eq!(wanted(run.keeper.next_news(run.now, &mut run.rng, true)), None, "that is said once");
    run.is_looked_at_in(keep, 6 * HOUR);
    assert!(matches!(run.keeper.supply(keep, &item(7, &key)), Some((Supplied::Put { copies: 20, anew: false }, None))));
    run.keeper.on_started(keep, OP);
    run.put_ends(keep, ALL, 12);
    assert_eq!((run.view(keep).state.seq, run.view(keep).state.newest), (Some(7), Some(7)));
    run.now = run.keeper.look_at().unwrap();
    assert_eq!(run.keeper.next(run.now), Some((keep, Work::Look { newer_than: Some(6) })), "who has 7 returns it");
    // One that is newer takes its place at once, and what comes of the old look counts for nothing.
    run.keeper.on_started(keep, OP);
    assert!(matches!(run.keeper.supply(keep, &item(8, &key)), Some((Supplied::Put { .. }, Some(OP)))));
    run.keeper.on_looked(run.now, &mut run.rng, keep, OP, Looked { links: on_one(ALL, 0), newest: Some(9) });
    assert_eq!((run.view(keep).state.next, run.view(keep).state.newest), (NextAction::Busy, Some(7)));
}

// P9
#[test]
fn whoever_has_supplied_a_version_is_told_once_of_each_newer_one_that_a_look_meets() {
    let kept = Kept::Mutable { key: &[3; 32], salt: b"" };
    let mut run = Run::new(1);
    let before = KeepState { seq: Some(1), newest: Some(5), ..KeepState::default() };
    let keep = run.keeper.insert(run.now, 5, &kept, &KeepSchedule::default(), &before).unwrap();
    let told = |run: &mut Run| {
        let said = run.keeper.next_news(run.now, &mut run.rng, false);
        matches!(said, Some(Event::Superseded { keep: of, tag: 5 }) if of == keep)
    };
    for (copies, newest, is_told) in [(12, Some(5), true), (12, Some(5), false), (4, Some(6), false), (12, None, true)]
    {
        run.look(keep, ALL, copies, newest);
        assert_eq!(told(&mut run), is_told, "{copies} {newest:?}");
        run.keeper.check_invariants();
    }
    run.look(keep, ALL, 0, None);
    assert_eq!(run.view(keep).state.next, NextAction::Want, "he is told when he supplies it");
    let nobody = KeepState { newest: Some(5), ..KeepState::default() };
    let mut run = Run::new(1);
    let keep = run.keeper.insert(run.now, 5, &kept, &KeepSchedule::default(), &nobody).unwrap();
    run.look(keep, ALL, 12, Some(7));
    assert_eq!(run.view(keep).state.next, NextAction::Look, "nothing was supplied");
}

// P9, P10
#[test]
fn a_newer_version_is_put_on_as_many_nodes_as_the_first_and_an_older_one_never() {
    let key = [3; 32];
    let item = |seq| Item { value: VALUE, mutable: Some(Mutable { key: &key, salt: b"", seq, signature: &[0; 64] }) };
    let mut run = Run::new(1);
    let keep = run.keep(Kept::Mutable { key: &key, salt: b"" });
    for seq in [1, 2] {
        let on_all = Supplied::Put { copies: 20, anew: false };
        assert_eq!(run.keeper.supply(keep, &item(seq)), Some((on_all, None)), "version {seq}");
        run.keeper.on_started(keep, OP);
        assert!(matches!(run.keeper.supply(keep, &item(seq)), Some((supplied, Some(OP))) if supplied == on_all));
        run.keeper.on_started(keep, OP);
        run.put_ends(keep, ALL, 20);
        assert_eq!(run.keeper.supply(keep, &item(seq)), Some((Supplied::Put { copies: 12, anew: false }, None)));
        run.keeper.on_started(keep, OP);
        run.put_ends(keep, ALL, 20);
    }
    assert_eq!(run.keeper.supply(keep, &item(1)), Some((Supplied::Superseded, None)));
    assert_eq!(run.view(keep).state.seq, Some(2), "what was supplied last stays");
    assert!(matches!(run.keeper.next_news(run.now, &mut run.rng, true), Some(Event::Superseded { .. })));
    // Somebody else puts a newer one: that it has few copies yet does not mean that copies do not last.
    run.look(keep, ALL, 0, Some(5));
    assert_eq!((run.view(keep).state.renewals, run.view(keep).state.newest), (0, Some(5)));
}

// P8
#[test]
fn the_one_that_waits_longest_is_wanted_once_and_again_until_it_is_put_off() {
    let mut run = Run::new(4);
    let [first, second] = [0, 1].map(|_| run.keep_value());
    run.look(first, ALL, 0, None);
    run.now += Duration::from_secs(1);
    run.look(second, ALL, 0, None);
    let say = |run: &mut Run, place| wanted(run.keeper.next_news(run.now, &mut run.rng, place));
    assert_eq!(say(&mut run, false), None, "there is no place to put it");
    assert_eq!((say(&mut run, true), say(&mut run, true)), (Some(first), None));
    run.now += Duration::from_millis(9_999);
    assert_eq!(say(&mut run, true), None);
    run.now += Duration::from_millis(1);
    assert_eq!((say(&mut run, true), say(&mut run, true)), (Some(first), None));
    assert!(run.keeper.put_off(run.now, first, Duration::from_secs(60)));
    assert_eq!((say(&mut run, true), say(&mut run, true)), (Some(second), None));
    assert_eq!(run.keeper.remove(second), Some(None));
    assert_eq!((say(&mut run, true), run.keeper.say_at()), (None, Some(run.now + Duration::from_secs(60))));
    run.now += Duration::from_secs(60);
    assert_eq!(say(&mut run, true), Some(first));
    assert!(!run.keeper.put_off(run.now, second, Duration::ZERO) && run.keeper.remove(second).is_none());
}

// P1
#[test]
fn there_is_room_for_as_much_as_the_capacity_says_and_a_stale_handle_finds_nothing() {
    let mut run = Run::new(2);
    let [first, second] = [0, 1].map(|_| run.keep_value());
    let kept = Kept::Immutable { target: Id([0; 20]) };
    let more = |run: &mut Run| run.keeper.insert(run.now, 0, &kept, &KeepSchedule::default(), &KeepState::default());
    assert_eq!(more(&mut run), None);
    assert!(run.keeper.remove(first).is_some());
    let third = more(&mut run).unwrap();
    assert_eq!((third.index, run.keeper.view(run.now, first)), (first.index, None));
    assert_eq!(run.keeper.views(run.now).map(|view| view.keep).collect::<Vec<_>>(), [third, second]);
    let mut none = Run::new(0);
    assert_eq!((more(&mut none), none.keeper.look_at(), none.keeper.say_at()), (None, None, None));
}

// P1
#[test]
fn all_of_a_publisher_are_found() {
    let mut run = Run::new(5);
    let (key, other) = ([3; 32], [4; 32]);
    for salt in [b"a", b"b"] {
        run.keep(Kept::Mutable { key: &key, salt });
        run.keep(Kept::Mutable { key: &other, salt });
    }
    run.keep_value();
    let found = |run: &Run| run.keeper.next_of(&key, 0);
    let ended = core::iter::from_fn(|| found(&run).map(|keep| run.keeper.remove(keep))).count();
    assert_eq!((ended, run.keeper.views(run.now).count()), (2, 3));
}

#[test]
fn a_later_run_goes_on_where_an_earlier_one_was() {
    let mut run = Run::new(2);
    let keep = run.keep_value();
    run.look(keep, ALL, 0, None);
    run.put(keep, ALL, 20);
    run.look(keep, ALL, 12, None);
    let before = run.view(keep);
    let mut later = Run::new(2);
    let kept = later.keeper.insert(later.now, before.tag, &before.kept, &before.schedule, &before.state).unwrap();
    assert_eq!(later.view(kept), before);
    // Whatever a file says makes no nonsense.
    let state = KeepState { every: Duration::MAX, due_in: Duration::MAX, renewals: 255, ..before.state };
    let kept = later.keeper.insert(later.now, 0, &before.kept, &before.schedule, &state).unwrap();
    let state = later.view(kept).state;
    assert_eq!((state.every, state.renewals), (Duration::from_secs(6 * HOUR), 24));
    assert_eq!(state.due_in, Duration::from_secs(30 * 24 * HOUR));
}
