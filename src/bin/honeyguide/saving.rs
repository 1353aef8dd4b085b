//! When the state of a node is saved, and whom it names: rules J23 and J24 of `spec/journal.md`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use honeyguide::Config;
use honeyguide::adapters::Handle;
use honeyguide::dht::LinkId;
use tokio::time::{Instant, timeout_at};

use crate::failed::Failed;
use crate::kept_state::StateKept;
use crate::state::{State, StateContact, StateFile};
use crate::worker::{self, Working};

/// So many contacts are worth a save at once: with them a node finds any other.
const ENOUGH: usize = 8;
/// The first save, however few they are.
const FIRST: Duration = Duration::from_secs(30);
/// The pause between two saves after that.
const EVERY: Duration = Duration::from_secs(300);
/// By then a node has asked everybody whom it was told of at its start, again and again.
const ALL_ASKED: Duration = Duration::from_secs(600);
/// A disk that takes longer for a save has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Contacts of a link up to which those of earlier runs are kept.
const MOST_OF_LINK: usize = 500;

/// Where the state goes, and what it was before.
pub struct Store {
    /// Shared with whoever writes it.
    file: Arc<Mutex<StateFile>>,
    saving: Option<Working<Result<State, Failed>>>,
    before: Option<State>,
    began: Instant,
    dates: Dates,
}

impl Store {
    pub fn new(file: StateFile, before: Option<State>) -> Store {
        let (file, began) = (Arc::new(Mutex::new(file)), Instant::now());
        Store { file, saving: None, before, began, dates: Dates::new(began) }
    }

    /// Of so many links, those of which it names somebody, whom a node can ask there.
    pub fn known_links(&self, links: usize) -> HashSet<usize> {
        let contacts = self.before.iter().flat_map(|before| &before.contacts);
        contacts.map(|contact| usize::from(contact.link)).filter(|link| *link < links).collect()
    }

    /// Saves the state where that is due, with so many contacts.
    pub async fn keep(&mut self, node: &Handle, contacts: usize) -> Result<(), Failed> {
        if self.dates.is_due(Instant::now(), contacts) { self.save(node).await } else { Ok(()) }
    }

    pub async fn save(&mut self, node: &Handle) -> Result<(), Failed> {
        let deadline = Instant::now() + PATIENCE;
        // One after the other, so that the newest is the last. Whether that one failed is no matter now.
        let _ = self.saved(deadline).await?;
        let links = node.addrs().len() as u8;
        let state = node.observe(move |node| {
            let contacts = node.contacts().map(|(link, view)| StateContact::new(link.0, view.id, view.endpoint));
            let (ids, now) = ((0..links).filter_map(|i| node.id(LinkId(i))), SystemTime::now());
            let former: Vec<Vec<_>> = (0..links).map(|i| node.former_ids(LinkId(i)).collect()).collect();
            let kept = node.all_kept().map(|view| StateKept::new(&view, now));
            (ids.collect::<Vec<_>>(), former, contacts.collect::<Vec<_>>(), kept.collect::<Vec<_>>())
        });
        let (mut ids, mut former, mut contacts, mut kept) =
            state.await.ok_or("the node has ended before its state was saved")?;
        if let Some(before) = &self.before {
            // Of a link that is not there this time.
            ids.extend(before.ids().skip(ids.len()));
            former.extend(before.former().skip(former.len()));
            contacts = merged(contacts, &before.contacts, self.began.elapsed());
            if kept.is_empty() {
                // It has not begun to keep anything, or does not this time.
                kept.clone_from(&before.kept);
            }
        }
        let state = State::new(ids.into_iter(), contacts).formerly(&former).keeping(kept);
        let file = self.file.clone();
        // A disk can take long, and the node and its signals must not wait for it.
        self.saving = Some(worker::work(move || {
            let saved = file.lock().unwrap_or_else(PoisonError::into_inner).save(&state);
            saved.map(|()| state)
        }));
        self.saved(deadline).await?
    }

    /// Waits for a save that is under way, and how it ended. One that takes too long stays under way.
    async fn saved(&mut self, deadline: Instant) -> Result<Result<(), Failed>, Failed> {
        let Some(saving) = &mut self.saving else { return Ok(Ok(())) };
        let seconds = PATIENCE.as_secs();
        let late = |_| format!("the state was not saved within {seconds} s: its disk does not answer");
        let saved = timeout_at(deadline, saving).await.map_err(late)?;
        self.saving = None;
        Ok(saved?.map(|state| self.before = Some(state)))
    }
}

/// The contacts of a node that has run for so long, and behind them those of before that were not found dead.
fn merged(now: Vec<StateContact>, before: &[StateContact], ran: Duration) -> Vec<StateContact> {
    let mut of_link = [0; Config::MAX_LINKS];
    let mut seen = HashSet::new();
    for contact in &now {
        of_link.get_mut(usize::from(contact.link)).into_iter().for_each(|count| *count += 1);
        seen.extend(names(contact));
    }
    // Whoever reaches nobody cannot tell who is dead.
    let tells_the_dead = of_link.map(|count| count >= ENOUGH && ran >= ALL_ASKED);
    let mut all = now;
    for old in before {
        let link = usize::from(old.link);
        let (Some(count), Some(false)) = (of_link.get_mut(link), tells_the_dead.get(link)) else { continue };
        // An id or an address that somebody has now is not another's.
        if *count < MOST_OF_LINK && names(old).iter().all(|name| !seen.contains(name)) {
            *count += 1;
            seen.extend(names(old));
            all.push(old.clone());
        }
    }
    all
}

/// What no two contacts of a link have in common.
fn names(contact: &StateContact) -> [(u8, Vec<u8>); 2] {
    [(contact.link, contact.id().to_vec()), (contact.link, contact.place())]
}

/// When it is time.
struct Dates {
    had_enough: bool,
    next: Instant,
}

impl Dates {
    fn new(now: Instant) -> Dates {
        Dates { had_enough: false, next: now + FIRST }
    }

    /// Whether a save is due, with so many contacts; it counts as done.
    fn is_due(&mut self, now: Instant, contacts: usize) -> bool {
        let is_first_of_enough = contacts >= ENOUGH && !self.had_enough;
        let is_time = now >= self.next;
        self.had_enough |= is_first_of_enough;
        if is_time {
            self.next = now + EVERY;
        }
        is_first_of_enough || is_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use honeyguide::{Endpoint, Id};

    /// Seconds after the start at which a save is due, looked at each second.
    fn saves(seconds: u64, contacts: impl Fn(u64) -> usize) -> Vec<u64> {
        let start = Instant::now();
        let mut dates = Dates::new(start);
        (1..=seconds).filter(|second| dates.is_due(start + Duration::from_secs(*second), contacts(*second))).collect()
    }

    /// Rule J23.
    #[test]
    fn a_state_is_saved_with_enough_contacts_after_half_a_minute_and_every_five_minutes() {
        assert_eq!(saves(700, |_| 0), [30, 330, 630]);
        assert_eq!(saves(700, |_| ENOUGH - 1), [30, 330, 630]);
        assert_eq!(saves(700, |_| ENOUGH), [1, 30, 330, 630]);
        assert_eq!(saves(700, |second| if second < 100 { 0 } else { ENOUGH }), [30, 100, 330, 630]);
        assert_eq!(saves(300, |second| if second.is_multiple_of(2) { 0 } else { ENOUGH }), [1, 30], "once");
    }

    fn contacts(link: u8, numbers: std::ops::Range<u16>) -> Vec<StateContact> {
        let contact = |n: u16| {
            let mut id = [1; 20];
            id[..2].copy_from_slice(&n.to_be_bytes());
            StateContact::new(link, Id(id), Endpoint::v4([10, 0, 0, 1], 1 + n))
        };
        numbers.map(contact).collect()
    }

    /// Rule J24.
    #[test]
    fn no_poor_list_replaces_a_rich_one_until_the_rest_was_found_dead() {
        let rich = contacts(0, 0..300);
        let kept = |now: std::ops::Range<u16>, ran| merged(contacts(0, now), &rich, ran).len();
        assert_eq!(kept(0..0, Duration::MAX), 300, "nobody is reached, and nobody was found dead");
        assert_eq!(kept(0..7, Duration::MAX), 300);
        assert_eq!(kept(300..320, Duration::ZERO), 320);
        assert_eq!(kept(300..320, ALL_ASKED - Duration::from_nanos(1)), 320);
        assert_eq!(kept(300..308, ALL_ASKED), 8, "all others were asked and are silent");
    }

    /// Rule J24. Each link has its own, and a link that is not there now keeps them.
    #[test]
    fn what_one_link_learned_says_nothing_of_another() {
        let before = [contacts(0, 0..20), contacts(1, 0..30), contacts(3, 0..40)].concat();
        let kept = merged(contacts(0, 100..108), &before, ALL_ASKED);
        let of_link = |link| kept.iter().filter(|contact| contact.link == link).count();
        assert_eq!([0, 1, 2, 3].map(of_link), [8, 30, 0, 40]);
    }

    /// Rule J24.
    #[test]
    fn nobody_is_kept_twice_and_no_more_than_the_limit() {
        let now = contacts(0, 0..10);
        // The same ids elsewhere, and others at the same addresses.
        let moved = contacts(0, 0..10).into_iter().zip(contacts(0, 20..30));
        let moved: Vec<_> = moved.flat_map(|(a, b)| [a.with_place_of(&b), b.with_place_of(&a)]).collect();
        assert_eq!(merged(now.clone(), &moved, Duration::ZERO), now);
        assert_eq!(merged(now.clone(), &now, Duration::ZERO), now);
        for (before, kept) in [(489, 499), (490, 500), (491, 500)] {
            let before = contacts(0, 1000..1000 + before);
            assert_eq!(merged(now.clone(), &before, Duration::ZERO).len(), kept);
        }
        let more = contacts(0, 0..501);
        assert_eq!(merged(more.clone(), &now, Duration::ZERO), more, "whom the node knows now is all saved");
    }
}
