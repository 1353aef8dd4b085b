//! The keeper against a list in which whoever is due is looked for.

use std::collections::BTreeMap;
use std::time::Duration;

use honeyguide::base::Rng;
use honeyguide::dht::{KeepId, KeepSchedule, KeepState, Kept, LinkId, NextAction, OpId};
use honeyguide::internals::base::deadlines::DeadlinesMemory;
use honeyguide::internals::base::list::List;
use honeyguide::internals::dht::keeper::{CopiesByLink, Keeper, KeeperMemory, KeptPut, LinkCopies, Looked, Supplied};
use honeyguide::krpc::Item;
use honeyguide::{Event, Instant};
use quickcheck::QuickCheck;

const CAPACITY: usize = 5;
const VALUE: &[u8] = b"i1e";

/// What one waits for, and until when.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Waits {
    Look(Instant),
    Want(Instant),
    Under(OpId, bool),
}

struct Run {
    keeper: Keeper<'static>,
    rng: Rng,
    now: Instant,
    model: BTreeMap<KeepId, Waits>,
    said: Option<(KeepId, Instant)>,
    ops: u32,
}

impl Run {
    fn new() -> Run {
        let deadlines = || DeadlinesMemory { heap: List::with_capacity(CAPACITY), places: List::zeroed(CAPACITY) };
        let memory = KeeperMemory { entries: List::with_capacity(CAPACITY), looks: deadlines(), wants: deadlines() };
        let (keeper, rng) = (Keeper::new(memory), Rng::from_seed([1; 32]));
        Run { keeper, rng, now: Instant::from_secs(9), model: BTreeMap::new(), said: None, ops: 0 }
    }

    /// What the keeper decided, which other tests judge.
    fn learn(&mut self, keep: KeepId) {
        let state = self.keeper.view(self.now, keep).unwrap().state;
        let at = self.now + state.due_in;
        let waits = match state.next {
            NextAction::Look => Waits::Look(at),
            _ => Waits::Want(at),
        };
        self.model.insert(keep, waits);
    }

    fn first(&self, of: impl Fn(&Waits) -> Option<Instant>) -> Option<(Instant, KeepId)> {
        let due = self.model.iter().filter_map(|(keep, waits)| Some((of(waits)?, keep.index, *keep)));
        due.min().map(|(at, _, keep)| (at, keep))
    }

    fn nth(&self, n: u8) -> Option<KeepId> {
        self.model.keys().nth(usize::from(n) % self.model.len().max(1)).copied()
    }

    fn start(&mut self, keep: KeepId, stores: bool) {
        self.ops += 1;
        let op = OpId { index: 3, generation: self.ops };
        self.keeper.on_started(keep, op);
        self.model.insert(keep, Waits::Under(op, stores));
    }

    fn forget(&mut self, keep: KeepId) {
        self.said.take_if(|(said, _)| *said == keep);
    }

    /// What has been due longest, if anything is.
    fn look(&mut self) {
        let due = self.first(|waits| if let Waits::Look(at) = waits { Some(*at) } else { None });
        assert_eq!(self.keeper.look_at(), due.map(|(at, _)| at));
        let due = due.filter(|(at, _)| *at <= self.now).map(|(_, keep)| keep);
        assert_eq!(self.keeper.next(self.now).map(|(keep, _)| keep), due);
        if let Some(keep) = due {
            self.start(keep, false);
        }
    }

    fn end(&mut self, keep: KeepId, copies: u8) {
        let Some(&Waits::Under(op, stores)) = self.model.get(&keep) else { return };
        let answered = if copies % 7 == 6 { 0 } else { 20 };
        let links = CopiesByLink::default().with(LinkId(0), LinkCopies { answered, copies: copies % 21 });
        // What ended before it began comes to nothing.
        let old = OpId { index: 3, generation: op.generation - 1 };
        self.keeper.on_looked(self.now, &mut self.rng, keep, old, Looked { links, newest: None });
        if stores {
            let put = KeptPut { links, refused: None, newest: None };
            self.keeper.on_put(self.now, &mut self.rng, keep, op, put);
        } else {
            let looked = Looked { links, newest: None };
            self.keeper.on_looked(self.now, &mut self.rng, keep, op, looked);
        }
        self.learn(keep);
    }

    fn news(&mut self, may_be_put: bool) {
        let wanted = self.first(|waits| if let Waits::Want(at) = waits { Some(*at) } else { None });
        let wanted = wanted.filter(|(at, _)| *at <= self.now).map(|(_, keep)| keep);
        let is_new = |keep: &KeepId| self.said.is_none_or(|(said, again)| said != *keep || again <= self.now);
        let expected = wanted.filter(is_new).filter(|_| may_be_put);
        let said = self.keeper.next_news(self.now, &mut self.rng, may_be_put);
        let said = said.map(|said| match said {
            Event::Wanted { keep, tag: 1 } => keep,
            other => panic!("{other:?}"),
        });
        assert_eq!(said, expected);
        if let Some(keep) = expected {
            self.said = Some((keep, self.now + Duration::from_secs(10)));
        }
    }

    fn supply(&mut self, keep: KeepId) {
        let ran = match self.model[&keep] {
            Waits::Under(op, _) => Some(op),
            _ => None,
        };
        let (supplied, before) = self.keeper.supply(keep, &Item { value: VALUE, mutable: None }).unwrap();
        assert!(matches!(supplied, Supplied::Put { .. }) && before == ran);
        self.forget(keep);
        self.start(keep, true);
    }

    fn step(&mut self, what: u8, which: u8, with: u16) {
        match what % 9 {
            0 | 1 => {
                let kept = Kept::Immutable { target: Item::immutable_target(VALUE) };
                let (schedule, before) = (KeepSchedule::default(), KeepState::default());
                let keep = self.keeper.insert(self.now, 1, &kept, &schedule, &before);
                assert_eq!(keep.is_some(), self.model.len() < CAPACITY);
                keep.into_iter().for_each(|keep| self.learn(keep));
            }
            2 => self.look(),
            3 | 4 => self.nth(which).into_iter().for_each(|keep| self.end(keep, with as u8)),
            5 => self.news(!with.is_multiple_of(4)),
            6 => self.nth(which).into_iter().for_each(|keep| self.supply(keep)),
            7 => self.now += Duration::from_secs(u64::from(with)),
            _ => {
                let Some(keep) = self.nth(which) else { return };
                let by = Duration::from_secs(with.into());
                match self.model[&keep] {
                    Waits::Want(_) if !with.is_multiple_of(3) => {
                        self.model.insert(keep, Waits::Want(self.now + by));
                        self.forget(keep);
                        assert!(self.keeper.put_off(self.now, keep, by));
                    }
                    _ if !with.is_multiple_of(3) => {
                        assert!(self.keeper.put_off(self.now, keep, by), "it changes nothing")
                    }
                    waits => {
                        self.model.remove(&keep);
                        self.forget(keep);
                        let ran = if let Waits::Under(op, _) = waits { Some(op) } else { None };
                        assert_eq!((self.keeper.remove(keep), self.keeper.remove(keep)), (Some(ran), None));
                    }
                }
            }
        }
        self.keeper.check_invariants();
        assert_eq!(self.keeper.views(self.now).count(), self.model.len());
    }
}

/// P8, P11.
#[test]
fn who_is_due_longest_comes_first_and_each_waits_for_one_thing() {
    fn property(steps: Vec<(u8, u8, u16)>) -> bool {
        let mut run = Run::new();
        steps.into_iter().for_each(|(what, which, with)| run.step(what, which, with));
        true
    }
    QuickCheck::new().tests(300).quickcheck(property as fn(Vec<(u8, u8, u16)>) -> bool);
}
