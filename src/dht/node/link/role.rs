//! Whether a link answers: what it was told, and what it has found out.

use crate::base::list::List;
use crate::base::time::Instant;
use crate::dht::config::Config;
use crate::dht::reachability::Reachability;
use crate::dht::role::Role;
use crate::dht::sent_to::SentTo;
use crate::dht::table::Table;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::networks::Networks;

/// The role of one link.
#[derive(Debug)]
pub(super) struct LinkRole<'s> {
    /// [`Role::Adaptive`] where it is found out.
    set: Role,
    /// It asks and does not answer, whatever is set.
    is_passive: bool,
    /// What the user was told of last.
    told: Role,
    reachability: Reachability,
    sent_to: SentTo<'s>,
}

impl<'s> LinkRole<'s> {
    /// As it is configured.
    pub(super) fn new(config: &Config, memory: List<'s, u64>) -> Self {
        let set = config.role();
        let told = if set == Role::Adaptive { Role::Client } else { set };
        LinkRole { set, is_passive: false, told, reachability: Reachability::new(), sent_to: SentTo::new(memory) }
    }

    /// What it is at the moment; [`Role::Adaptive`] while it tries.
    #[inline]
    pub(super) fn now(&self) -> Role {
        match self.set {
            _ if self.is_passive => Role::Client,
            Role::Adaptive => self.reachability.role(),
            role => role,
        }
    }

    fn adapts(&self) -> bool {
        self.set == Role::Adaptive && !self.is_passive
    }

    pub(super) fn set_passive(&mut self, now: Instant, is_passive: bool) {
        if is_passive != self.is_passive {
            self.is_passive = is_passive;
            self.reachability.begin_anew(now);
        }
    }

    /// Something leaves for this address. Also while it is passive: a router lets in who was sent to.
    #[inline]
    pub(super) fn on_sent(&mut self, now: Instant, to: &Endpoint) {
        if self.set == Role::Adaptive {
            self.sent_to.on_sent(now, to);
        }
    }

    /// A query came from this address.
    #[inline]
    pub(super) fn on_asked(&mut self, now: Instant, from: &Endpoint) {
        if self.adapts() && !self.sent_to.contains(now, from) {
            self.reachability.on_asked(now, Networks::of(from).largest());
        }
    }

    /// When something has to be decided.
    pub(super) fn due(&self) -> Option<Instant> {
        self.adapts().then(|| self.reachability.due())
    }

    /// What is due is decided; whether a probation begins with it.
    pub(super) fn on_timeout(&mut self, now: Instant, table: &Table<'_>) -> bool {
        let before = self.now();
        if self.adapts() {
            let has_answered = |since| table.contacts().filter(|contact| contact.last_answer >= Some(since)).count();
            self.reachability.on_timeout(now, table.len(), has_answered);
        }
        before == Role::Client && self.now() == Role::Adaptive
    }

    /// The link has another address than before.
    pub(super) fn on_moved(&mut self, now: Instant) {
        self.reachability.on_moved(now);
    }

    /// Nobody answered for long, and somebody does again.
    pub(super) fn on_link_back(&mut self, now: Instant) {
        self.reachability.on_link_back(now);
    }

    /// What it has become, if the user was not told.
    pub(super) fn take_news(&mut self) -> Option<Role> {
        let role = self.now();
        (core::mem::replace(&mut self.told, role) != role).then_some(role)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    /// Rule D9. The first sixteen are all in one /48, in a /64 each.
    #[test]
    fn whoever_has_a_48_is_one_of_the_three_networks_of_the_proof_however_many_64_are_in_it() {
        let mut config = Config::small();
        config.role = Role::Adaptive;
        let asker = |network: u8, subnet: u8| {
            Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, network, subnet, subnet, 0, 0, 0, 0, 0, 0, 0, 1], 6881)
        };
        let mut role = LinkRole::new(&config, List::zeroed(64));
        for secs in [0, 900] {
            role.reachability.on_timeout(Instant::from_secs(secs), 20, |_| 0);
        }
        assert_eq!(role.now(), Role::Adaptive, "it tries");
        let now = Instant::from_secs(901);
        (0..16).for_each(|subnet| role.on_asked(now, &asker(1, subnet)));
        role.on_asked(now, &asker(2, 0));
        assert_eq!(role.now(), Role::Adaptive);
        role.on_asked(now, &asker(3, 0));
        assert_eq!(role.now(), Role::Server);
    }
}
