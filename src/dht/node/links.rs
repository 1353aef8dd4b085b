//! All links of a node, and what is asked of them together.

use super::link::{Link, LinkMemory};
use crate::base::list::SmallList;
use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::dht::capacity::MAX_LINKS;
use crate::dht::config::Config;
use crate::dht::contact::{Contact, ContactView};
use crate::dht::event::{Event, LinkId};
use crate::dht::table::Table;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;

/// All links of a node, in the order of their ids.
#[derive(Debug)]
pub(super) struct Links<'s>(SmallList<Link<'s>, MAX_LINKS>);

impl<'s> Links<'s> {
    /// One link for each of the configuration, each with its memory.
    pub(super) fn new(
        config: &Config,
        now: Instant,
        rng: &mut Rng,
        memory: impl IntoIterator<Item = LinkMemory<'s>>,
    ) -> Self {
        let links = config.links().iter().zip(memory);
        Links(links.map(|(link, memory)| Link::new(config, link, now, rng, memory)).collect())
    }

    pub(super) fn get(&self, link: LinkId) -> Option<&Link<'s>> {
        self.0.get(usize::from(link.0))
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Link<'s>> {
        self.0.get_mut(usize::from(link.0))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link<'s>)> {
        (0..).map(LinkId).zip(self.0.iter())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut Link<'s>)> {
        (0..).map(LinkId).zip(self.0.iter_mut())
    }

    /// Every link's id, without a borrow of the links.
    pub(super) fn ids(&self) -> impl Iterator<Item = LinkId> + use<> {
        (0..self.0.len() as u8).map(LinkId)
    }

    pub(super) fn has_family(&self, family: Family) -> bool {
        self.0.iter().any(|link| link.family() == family)
    }

    /// Those that an operation runs on (L31): all that have contacts. One on which nobody answers would hold the others
    /// up, where somebody has answered on one of them since.
    pub(super) fn to_run_on(&self, now: Instant) -> impl Iterator<Item = (LinkId, &Link<'s>)> {
        let with_contacts = || self.iter().filter(|(_, link)| !link.table().is_empty());
        let answered =
            with_contacts().filter(|(_, link)| !link.is_silent(now)).filter_map(|(_, link)| link.last_answer());
        let latest = answered.max();
        with_contacts().filter(move |(_, link)| !link.is_silent(now) || link.last_answer() >= latest)
    }

    /// The first link of a family.
    pub(super) fn of_family(&self, family: Family) -> Option<LinkId> {
        self.iter().find(|(_, link)| link.family() == family).map(|(id, _)| id)
    }

    /// The table whose contacts of `family` are handed out to who asked by `link`: its own, if it is of that family.
    pub(super) fn table_of(&self, link: LinkId, family: Family) -> Option<&Table<'s>> {
        let first = self.get(link).into_iter();
        first.chain(self.0.iter()).find(|link| link.family() == family).map(Link::table)
    }

    /// A contact that answers at an endpoint.
    pub(super) fn contact(&self, link: LinkId, id: &Id, endpoint: &Endpoint) -> Option<&Contact> {
        self.get(link)?.table().find(id).filter(|contact| contact.endpoint() == *endpoint)
    }

    /// All verified contacts, link by link, of each the best to save first.
    pub(super) fn contacts(&self, now: Instant) -> impl Iterator<Item = (LinkId, ContactView)> {
        self.iter().flat_map(move |(id, link)| link.table().best_to_save(now).map(move |view| (id, view)))
    }

    /// The first link whose table has a check to send.
    pub(super) fn next_with_check(&mut self) -> Option<(LinkId, &mut Link<'s>)> {
        self.iter_mut().find(|(_, link)| link.has_check_due())
    }

    /// What the user was not told of yet, of the first link that has something.
    pub(super) fn next_news(&mut self) -> Option<Event<'static>> {
        self.iter_mut().find_map(|(id, link)| link.take_news(id))
    }

    /// Recounts every table. Its contacts are of its link's family, as what is handed out of it has to be.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(&self) {
        for link in self.0.iter() {
            link.table().check_invariants();
            assert!(link.table().contacts().all(|contact| contact.endpoint.family() == link.family()));
        }
    }
}
