//! Our sockets: each has an id, a table, votes on its address, and a suspicion of being cut off.
//!
//! A link is told what came of the queries that left by it, and says when its table wants a check, a refresh or a
//! bootstrap. It sends nothing itself.

mod former;
mod role;

use crate::base::list::List;
use crate::base::planted::{Bug, planted};
use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::dht::config::{Config, LinkConfig};
use crate::dht::contact::{Contact, Health, QueryKind};
use crate::dht::event::{Event, IdLoss, LinkId};
use crate::dht::former_ids::FormerIds;
use crate::dht::lookup::{Class, Spacing};
use crate::dht::node::bootstraps::Bootstraps;
use crate::dht::outage::{Outage, OutageOver};
use crate::dht::role::Role;
use crate::dht::size::{SizeEstimate, Surroundings};
use crate::dht::soundings::Soundings;
use crate::dht::table::{Admission, Seen, Table, TableMemory};
use crate::dht::transactions::{Open, Purpose};
use crate::dht::votes::{Vote, Votes};
use crate::krpc::endpoint::{Endpoint, Family, Network};
use crate::krpc::id::Id;
use crate::krpc::message::Query;

use role::LinkRole;

/// A contact that was silent for longer is no better than one that was named: it may have gone while our link was down.
const LONG: Duration = Duration::from_secs(3600);

/// How a lookup treats a contact of the table, or a node that is none.
pub(super) fn class_of(contact: Option<&Contact>, now: Instant) -> Class {
    match contact.map(|c| c.health()) {
        None | Some(Health::Unknown) => Class::Unverified,
        Some(Health::Good | Health::Suspect) if contact.is_some_and(|c| !c.history().answered_within(now, LONG)) => {
            Class::Unverified
        }
        Some(Health::Good | Health::Suspect) => Class::Good,
        Some(Health::Bad) => match contact.is_some_and(|c| c.may_retry(now)) {
            true => Class::Unverified,
            false => Class::Bad,
        },
    }
}

/// The same for whoever is at this endpoint, where others see us at `own`. Who shares our address sits behind the same
/// router, and many of those let nobody reach it from within: it is asked last.
pub(super) fn class_at(network: Network, own: Option<Endpoint>, endpoint: &Endpoint, class: Class) -> Class {
    let is_shared = network == Network::Public && own.is_some_and(|own| own.same_ip(endpoint));
    if is_shared { Class::Bad } else { class }
}

/// Why a query of ours failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum QueryFailure {
    /// No answer until the hard timeout.
    Timeout,
    /// An answer that is none.
    Broken,
    /// Another node answered at that address, under this id.
    WrongId(Id),
    /// Nobody listens there.
    Refused,
    /// Our own side could not send.
    Ours,
}

/// The memory of one link.
#[derive(Debug)]
pub(super) struct LinkMemory<'s> {
    pub table: TableMemory<'s>,
    pub votes: List<'s, Vote>,
    pub soundings: List<'s, Surroundings>,
    pub sent_to: List<'s, u64>,
}

/// What belongs to one local socket.
#[derive(Debug)]
pub(super) struct Link<'s> {
    family: Family,
    /// The port of the socket, where it is known.
    bound_port: u16,
    table: Table<'s>,
    votes: Votes<'s>,
    /// Ids that we had at other addresses.
    former: FormerIds,
    /// The id is that of an earlier run.
    had_id_before: bool,
    outage: Outage,
    /// How large the network is.
    soundings: Soundings<'s>,
    /// Votes for a new external address that the user was not told of yet.
    news_address: Option<u16>,
    /// Why there is a new id that the user was not told of yet.
    news_id: Option<IdLoss>,
    /// The id stays, whoever answers with it (T35).
    keeps_id: bool,
    /// The table may have a node to check at the next drain.
    check_due: bool,
    /// No check of the table before this.
    hold: Instant,
    /// No refresh of a bucket before this.
    refresh_hold: Instant,
    /// Neither buckets nor the size of the network are looked up.
    refreshes: bool,
    bootstraps: Bootstraps,
    role: LinkRole<'s>,
}

impl<'s> Link<'s> {
    pub(super) fn new(config: &Config, link: &LinkConfig, now: Instant, rng: &mut Rng, memory: LinkMemory<'s>) -> Self {
        let external = link.external.map(Endpoint::from);
        let id = link.id.unwrap_or_else(|| id_at(external, rng));
        let mut table = Table::new(config.table(), config.network, id, memory.table);
        table.set_addr(now, external);
        Link {
            family: link.family,
            bound_port: link.port,
            table,
            votes: Votes::new(config.network, external, memory.votes),
            former: FormerIds::default(),
            had_id_before: false,
            outage: Outage::default(),
            soundings: Soundings::new(&config.table(), memory.soundings),
            news_address: None,
            news_id: None,
            keeps_id: false,
            check_due: false,
            hold: now,
            refresh_hold: now,
            refreshes: config.refresh,
            role: LinkRole::new(config, memory.sent_to),
            bootstraps: Bootstraps::default(),
        }
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    /// Our id.
    pub(super) fn own(&self) -> &Id {
        self.table.own()
    }

    /// Our address as others see it.
    pub(super) fn external(&self) -> Option<Endpoint> {
        self.table.addr()
    }

    /// The port that others see us at; that of the socket while they have not told, and 0 if that is not known either.
    pub(super) fn port(&self) -> u16 {
        self.external().map_or(self.bound_port, |addr| addr.port())
    }

    /// Whether it says `ro` and answers nobody (BEP 43).
    #[inline]
    pub(super) fn is_read_only(&self) -> bool {
        self.role.now() == Role::Client
    }

    /// What it is at the moment; [`Role::Adaptive`] while it tries.
    pub(super) fn role(&self) -> Role {
        self.role.now()
    }

    /// From now on it asks and does not answer, or does what its role is.
    pub(super) fn set_passive(&mut self, now: Instant, is_passive: bool) {
        self.role.set_passive(now, is_passive);
    }

    /// Something leaves by it for this address.
    #[inline]
    pub(super) fn on_sent(&mut self, now: Instant, to: &Endpoint) {
        self.role.on_sent(now, to);
    }

    /// When its role has to be decided on.
    pub(super) fn role_at(&self) -> Option<Instant> {
        self.role.due()
    }

    /// The contacts, for whoever hands them out.
    pub(super) fn table(&self) -> &Table<'s> {
        &self.table
    }

    /// How a lookup treats a node that was named to it.
    pub(super) fn class_of(&self, now: Instant, network: Network, id: &Id, endpoint: &Endpoint) -> Class {
        let contact = self.table.find(id).filter(|contact| contact.endpoint() == *endpoint);
        class_at(network, self.external(), endpoint, class_of(contact, now))
    }

    /// Whether contacts that answered a while ago are no help: most do not any more, or nobody does.
    pub(super) fn is_deserted(&self) -> bool {
        self.outage.is_suspected() || self.table.is_deserted()
    }

    /// Whether nobody answers: our own line seems to be down.
    pub(super) fn is_cut_off(&self) -> bool {
        self.outage.is_suspected()
    }

    /// Whether no check was sent yet that tells whether it is cut off, though it seems to be.
    pub(super) fn awaits_check(&self) -> bool {
        self.outage.awaits_check()
    }

    /// Whether nobody answers: it is cut off, or has too few contacts to tell, all of whom failed last, and nobody has
    /// answered of late.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.is_cut_off() || !self.table.has_anybody_good() && !self.outage.has_answer_of_late(now)
    }

    /// When somebody answered last.
    pub(super) fn last_answer(&self) -> Option<Instant> {
        self.outage.last_answer()
    }

    /// How many nodes the network seems to have.
    pub(super) fn size_estimate(&self) -> SizeEstimate {
        let density = self.table.density();
        self.soundings.estimate(density.depth, density.contacts)
    }

    /// How many nodes a lookup is to expect near its target.
    pub(super) fn spacing(&self) -> Option<Spacing> {
        let size = self.size_estimate();
        let spacing = Spacing::of(size.n, size.rel_std_err_permille);
        (size.samples > 0).then(|| if self.soundings.agree() { spacing } else { spacing.guessed() })
    }

    // ---- facts ----

    /// A query came in; whether its sender is a contact that answered us.
    #[inline]
    pub(super) fn on_query(&mut self, now: Instant, query: &Query<'_>, from: Endpoint) -> bool {
        self.role.on_asked(now, &from);
        match query.read_only {
            true => self.table.find(&query.id).is_some_and(|contact| contact.endpoint() == from),
            false => self.table.on_query(now, &query.id, from) == Seen::Contact,
        }
    }

    /// Whether the node that answered a query is the one that was asked, and not ourselves.
    pub(super) fn is_expected(&self, open: &Open, answered: &Id) -> bool {
        open.id.is_none_or(|id| id == *answered || planted(Bug::AnyIdTaken)) && answered != self.table.own()
    }

    /// A query that was sent then was answered; whether that made a new contact.
    pub(super) fn on_answer(&mut self, now: Instant, id: &Id, from: Endpoint, sent: Instant) -> bool {
        self.on_any_answer(now, sent);
        let is_added = self.table.on_response(now, id, from, Some(now.since(sent))) == Admission::Added;
        if is_added && self.table.len() == 1 && self.table.is_poor() {
            self.bootstraps.on_first_contact(now);
        }
        if is_added {
            self.soundings.on_contact(now, self.table.len());
        }
        is_added
    }

    /// The node is awake again, perhaps in another place.
    pub(super) fn on_resume(&mut self, now: Instant) {
        self.outage = Outage::default();
        self.on_link_back(now);
    }

    /// Whoever was known may be gone, and whoever was gone may be there: all that may help is due at once.
    fn on_link_back(&mut self, now: Instant) {
        self.table.on_link_back(now);
        self.soundings.on_link_back(now);
        self.role.on_link_back(now);
        self.hold = now;
        self.bootstraps.begin_anew(now, self.table.is_poor());
    }

    /// Somebody answered us, after an outage perhaps.
    fn on_any_answer(&mut self, now: Instant, sent: Instant) {
        match self.outage.on_success(now, sent) {
            Some(OutageOver::Short { since }) => {
                self.table.on_short_outage(since);
                self.hold = now;
            }
            Some(OutageOver::Long) => self.on_link_back(now),
            Some(OutageOver::Never) => self.hold = now,
            None => {}
        }
    }

    /// A query was answered with an error: whoever refuses is alive.
    pub(super) fn on_error(&mut self, now: Instant, open: &Open) {
        self.on_any_answer(now, open.sent);
        if let Some(id) = open.id {
            self.table.on_alive(now, &id, open.to, now.since(open.sent));
        }
    }

    /// A query failed. It is charged to the contact, unless that was our own trouble; true when our link is suspected.
    pub(super) fn on_failure(&mut self, now: Instant, open: &Open, failure: QueryFailure) -> bool {
        if let (QueryFailure::WrongId(said), Some(expected)) = (failure, open.id) {
            self.table.on_wrong_id(now, &expected, open.to, &said);
        }
        if matches!(failure, QueryFailure::Broken | QueryFailure::WrongId(_)) {
            // Whatever it is worth, it came in by this link.
            self.on_any_answer(now, open.sent);
        }
        let Some(id) = open.id else { return false };
        // Only who answered before can bear witness: a referral that leads nowhere says nothing about our link. What
        // we could not send says something of it, and nothing of whom it was for.
        let contact = self.table.find(&id).filter(|contact| contact.endpoint() == open.to);
        let failed_before = contact.and_then(|contact| contact.history().failed_at());
        if failure == QueryFailure::Ours && planted(Bug::SendFailureCharged) {
            self.table.on_failure(now, &id, open.to, QueryKind::Data);
            return false;
        }
        let is_contact = contact.is_some();
        let is_charged = match contact {
            Some(_) => self.outage.on_failure(now, &open.to),
            None => !self.outage.is_suspected(),
        };
        if !is_charged {
            // A check tells whether the line is down.
            self.table.on_line_in_doubt(now);
            return is_contact;
        }
        // One more failure costs it its place, and nothing shows that the line is not to blame for both.
        let is_in_doubt = failed_before.is_some_and(|at| !self.outage.has_heard_since(at));
        if failure == QueryFailure::Ours || is_in_doubt && !planted(Bug::OutageCharged) {
            return false;
        }
        let kind = if open.purpose == Purpose::Check { QueryKind::Check } else { QueryKind::Data };
        let was_poor = self.table.is_poor();
        self.table.on_failure(now, &id, open.to, kind);
        if !was_poor && self.table.is_poor() {
            self.bootstraps.begin_anew(now, true);
        }
        false
    }

    /// A node with this id says at what address it sees us.
    pub(super) fn on_vote(&mut self, now: Instant, rng: &mut Rng, id: &Id, from: Endpoint, addr: Endpoint) {
        if addr.family() != self.family {
            return;
        }
        let contact = self.table.find(id).filter(|contact| contact.endpoint() == from);
        let known = contact.map(|contact| contact.history().known_since(now));
        let Some((addr, votes)) = self.votes.on_vote(now, from, known, addr) else { return };
        self.news_address = Some(votes);
        self.on_address(now, rng, addr);
    }

    /// The user says at what address others see us. It holds until others agree on another one.
    pub(super) fn set_external(&mut self, now: Instant, rng: &mut Rng, addr: Endpoint) {
        self.votes.set_agreed(addr);
        self.on_address(now, rng, addr);
    }

    /// This is our address from now on.
    fn on_address(&mut self, now: Instant, rng: &mut Rng, addr: Endpoint) {
        let left = self.external();
        let moved = left.is_none_or(|left| !left.same_ip(&addr));
        if moved && left.is_some() {
            self.role.on_moved(now);
        }
        self.table.set_addr(now, Some(addr));
        if moved && !self.own().is_secure_for(addr.ip()) {
            self.change_id(now, rng, left, addr);
        }
    }

    /// A query of ours came back, maybe from another address than was asked: it is ourselves who answers it.
    pub(super) fn on_own_query(&mut self) {
        self.keeps_id = true;
    }

    /// A query was answered with our own id: another node began with what we began with. That may be a lie, so it is
    /// believed once.
    pub(super) fn on_own_id(&mut self, now: Instant, rng: &mut Rng) {
        if !core::mem::replace(&mut self.keeps_id, true) {
            self.lose_id(now, rng);
        }
    }

    /// An earlier run knew this node: it is remembered.
    pub(super) fn remember(&mut self, now: Instant, id: &Id, endpoint: Endpoint) {
        self.table.remember(now, id, endpoint);
    }

    /// A node was named: it may wait to be checked.
    pub(super) fn offer(&mut self, now: Instant, id: &Id, endpoint: Endpoint) {
        self.table.offer(now, id, endpoint);
    }

    /// A lookup of a random target ended with these nodes, nearest first, of which `most` were wanted: how near they
    /// are tells how many there are.
    pub(super) fn on_sounding(&mut self, target: &Id, nearest: impl Iterator<Item = Id>, most: u8) {
        self.soundings.on_end(target, nearest, most, self.table.len());
        let size = self.size_estimate();
        if size.samples > 0 {
            self.table.set_network_size(size.n);
        }
    }

    /// Such a lookup ended by its deadline.
    pub(super) fn on_sounding_deadline(&mut self) {
        self.soundings.on_deadline();
    }

    /// A bootstrap that the link had started ended.
    pub(super) fn on_bootstrap_ended(&mut self) {
        self.bootstraps.on_end(self.table.len());
    }

    // ---- upkeep ----

    /// A bootstrap is wanted at once, if the table is empty and none is planned.
    pub(super) fn want_bootstrap(&mut self, now: Instant) {
        if self.table.is_empty() {
            self.bootstraps.want(now);
        }
    }

    /// The user bootstraps.
    pub(super) fn on_user_bootstrap(&mut self, later: Instant) {
        self.bootstraps.on_user_bootstrap(later);
    }

    /// Whether the table is to be filled again and nothing is planned for it.
    pub(super) fn lacks_bootstrap(&self, has_bootstrap_nodes: bool) -> bool {
        let knows_somebody = has_bootstrap_nodes || self.table.knows_somebody();
        (self.table.is_poor() || self.outage.is_suspected()) && knows_somebody && !self.bootstraps.is_planned()
    }

    /// Plans it, if it is.
    pub(super) fn plan_bootstrap(&mut self, now: Instant, has_bootstrap_nodes: bool) {
        if self.lacks_bootstrap(has_bootstrap_nodes) {
            self.bootstraps.plan(now, !self.outage.is_suspected() && !self.table.is_empty());
        }
    }

    /// Whether a bootstrap, a refresh or a sounding is due.
    pub(super) fn wants_upkeep(&self, now: Instant) -> bool {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        due(self.bootstraps.at()) || due(self.refresh_at()) || self.refreshes && due(self.soundings.due())
    }

    /// The upkeep that is due cannot be done now.
    pub(super) fn put_off_upkeep(&mut self, until: Instant) {
        self.bootstraps.put_off(until);
        self.refresh_hold = until;
    }

    /// The target of the bootstrap that is due; it counts as begun.
    pub(super) fn take_bootstrap(&mut self, now: Instant, rng: &mut Rng) -> Option<Id> {
        self.bootstraps.take(now, self.table.len(), self.table.own(), rng)
    }

    /// The target of the refresh that is due.
    pub(super) fn take_refresh(&mut self, now: Instant, rng: &mut Rng) -> Option<Id> {
        self.refresh_at().filter(|at| *at <= now)?;
        self.table.next_refresh(now, rng)
    }

    /// The target of the sounding that is due: any id.
    pub(super) fn take_sounding(&mut self, now: Instant, rng: &mut Rng) -> Option<Id> {
        if !self.refreshes {
            return None;
        }
        let in_vain = self.table.is_empty() || !self.outage.has_answer_of_late(now);
        self.soundings.take(now, in_vain).then(|| Id::random(rng))
    }

    /// What could not be done now must not be due at once for ever.
    pub(super) fn hold_refresh(&mut self, now: Instant) {
        if self.refresh_at().is_some_and(|at| at <= now) {
            self.refresh_hold = now + Duration::from_secs(1);
        }
    }

    /// Time passed: a check may be due.
    pub(super) fn on_timeout(&mut self, now: Instant) {
        if self.role.on_timeout(now, &self.table) {
            self.bootstraps.show_ourselves(now);
        }
        if self.check_at().is_some_and(|at| at <= now) {
            match self.outage.check_from() {
                Some(from) if from > now => self.hold_checks(from),
                _ => self.check_due = true,
            }
        }
    }

    /// The node to check now: one that an earlier run saved, or any.
    pub(super) fn next_check(&mut self, now: Instant, of_saved: bool) -> Option<(Id, Endpoint)> {
        let next = match of_saved {
            true => self.table.next_saved(now),
            false => self.table.next_check_in_doubt(now, self.outage.is_suspected()),
        };
        self.check_due = next.is_some();
        next
    }

    /// A check was sent: while the line is in doubt, no other one is due.
    pub(super) fn on_check(&mut self, now: Instant) {
        self.check_due &= !self.outage.is_suspected();
        self.outage.on_check(now);
    }

    /// Puts checks of the table off.
    pub(super) fn hold_checks(&mut self, until: Instant) {
        self.check_due = false;
        self.hold = self.hold.max(until);
    }

    pub(super) fn check_at(&self) -> Option<Instant> {
        self.table.check_at().map(|at| at.max(self.hold))
    }

    pub(super) fn refresh_at(&self) -> Option<Instant> {
        if !self.refreshes {
            return None;
        }
        let is_waste = self.table.is_poor() && self.bootstraps.are_fruitful();
        let at = Instant::earliest(self.table.refresh_at().filter(|_| !is_waste), self.soundings.due());
        at.map(|at| at.max(self.refresh_hold))
    }

    pub(super) fn bootstrap_at(&self) -> Option<Instant> {
        self.bootstraps.at()
    }

    /// Whether its table has a check to send.
    pub(super) fn has_check_due(&self) -> bool {
        self.check_due
    }

    /// What the user was not told of yet: our id first, then our address, then our role.
    pub(super) fn take_news(&mut self, link: LinkId) -> Option<Event<'static>> {
        if let Some(why) = self.news_id.take() {
            return Some(Event::IdChanged { link, id: *self.table.own(), why });
        }
        if let Some((votes, addr)) = self.news_address.take().zip(self.external()) {
            return Some(Event::ExternalAddr { link, addr, votes });
        }
        self.role.take_news().map(|role| Event::RoleChanged { link, role })
    }
}

/// A new id of a node at this address (BEP 42).
fn id_at(external: Option<Endpoint>, rng: &mut Rng) -> Id {
    match external {
        Some(addr) => Id::secure(addr.ip(), rng),
        None => Id::random(rng),
    }
}

#[cfg(test)]
mod tests;
