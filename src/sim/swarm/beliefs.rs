//! What the nodes of a small world believe of one another, held against what is so.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::dht::contact::Health;
use crate::dht::event::LinkId;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::sim::news::{News, Told};
use crate::sim::paths::HostId;
use crate::sim::world::World;

/// Who was ever where, under which id: by address, since routers change ports.
#[derive(Default, Debug)]
pub(super) struct Whereabouts {
    all: BTreeSet<(Id, Endpoint)>,
    /// Who was where at the last look, by host.
    last: Vec<Option<(Id, Endpoint)>>,
}

impl Whereabouts {
    /// Remembers who is where now.
    pub(super) fn note(&mut self, world: &World) {
        for (number, (_, known)) in world.oracle().hosts().enumerate() {
            let now = known.id.map(|id| (id, known.endpoint.with_port(0)));
            if self.last.get(number) != Some(&now) {
                self.last.resize(self.last.len().max(number + 1), None);
                self.last[number] = now;
                self.all.extend(now);
            }
        }
    }

    /// A host has told of another id.
    pub(super) fn hear(&mut self, world: &World, host: HostId, news: &News) {
        if let Told::IdChanged(id) = news.what {
            self.all.insert((id, world.endpoint(host).with_port(0)));
        }
    }
}

/// What nodes believe at one moment.
#[derive(Default, Debug)]
pub(super) struct Beliefs {
    contacts: usize,
    untrue: usize,
    stolen: usize,
    mute: usize,
    gone: usize,
    lonely: usize,
    /// Contacts that are there, by who has them; and those of them that have answered their last query.
    kept: Vec<(HostId, Id, Endpoint)>,
    good: Vec<(HostId, Id, Endpoint)>,
    /// Who is there, under which id, and the ids of those whose contacts these are.
    here: BTreeSet<(Id, Endpoint)>,
    own: BTreeSet<(HostId, Id)>,
    /// How many nodes there are as each of them has it.
    sizes: Vec<u64>,
}

impl Beliefs {
    /// Those of these hosts; `mute` are those that answer nobody.
    pub(super) fn of(world: &World, hosts: &[HostId], mute: &[HostId], places: &Whereabouts) -> Self {
        let mut beliefs = Beliefs::default();
        let (mut here, mut wrong, mut honest) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (host, known) in world.oracle().hosts() {
            let place = known.endpoint.with_port(0);
            if world.is_up(host) {
                here.extend(known.id.map(|id| (id, place)));
            }
            if known.is_adversary {
                wrong.insert(place);
            } else {
                honest.extend(known.id);
            }
        }
        let mute: BTreeSet<_> = mute.iter().map(|host| world.endpoint(*host)).collect();
        for host in hosts {
            let Some(node) = world.node(*host) else { continue };
            let mut many = 0;
            for (_, contact) in node.contacts() {
                let (id, endpoint) = (contact.id, contact.endpoint);
                let place = endpoint.with_port(0);
                many += 1;
                if wrong.contains(&place) {
                    beliefs.stolen += usize::from(honest.contains(&id));
                    continue;
                }
                beliefs.contacts += 1;
                beliefs.untrue += usize::from(!places.all.contains(&(id, place)));
                beliefs.mute += usize::from(mute.contains(&endpoint));
                if !here.contains(&(id, place)) {
                    beliefs.gone += 1;
                } else {
                    beliefs.kept.push((*host, id, endpoint));
                    beliefs.good.extend((contact.health == Health::Good).then_some((*host, id, endpoint)));
                }
            }
            beliefs.lonely += usize::from(many == 0);
            beliefs.own.extend(node.id(LinkId(0)).map(|id| (*host, id)));
            beliefs.sizes.extend(node.size_estimate(LinkId(0)).map(|estimate| estimate.n));
        }
        beliefs.sizes.sort_unstable();
        beliefs.here = here;
        beliefs
    }

    /// Contacts of nodes that are no adversaries.
    pub(super) fn contacts(&self) -> usize {
        self.contacts
    }

    /// Those that never were there under that id.
    pub(super) fn untrue(&self) -> usize {
        self.untrue
    }

    /// Those that are others, at the place of an adversary.
    pub(super) fn stolen(&self) -> usize {
        self.stolen
    }

    /// Those that answer nobody.
    pub(super) fn mute(&self) -> usize {
        self.mute
    }

    /// Those that are not there now.
    pub(super) fn gone(&self) -> usize {
        self.gone
    }

    /// Nodes that have none.
    pub(super) fn lonely(&self) -> usize {
        self.lonely
    }

    /// How many nodes there are, as half of them has it.
    pub(super) fn median_size(&self) -> u64 {
        self.sizes.get(self.sizes.len() / 2).copied().unwrap_or(0)
    }

    /// Contacts that answered before and are there still, under the same id, and that are contacts no more, though
    /// whose contacts they were has its own id still: a new one has other buckets, and not a place for all of them.
    pub(super) fn lost_until(&self, now: &Beliefs) -> usize {
        let kept: BTreeSet<_> = now.kept.iter().collect();
        let kept_id: BTreeSet<_> = self.own.intersection(&now.own).map(|(host, _)| *host).collect();
        let is_lost = |contact: &&(HostId, Id, Endpoint)| {
            let (host, id, endpoint) = **contact;
            !kept.contains(contact) && kept_id.contains(&host) && now.here.contains(&(id, endpoint.with_port(0)))
        };
        self.good.iter().filter(is_lost).count()
    }
}
