//! Twelve minutes of trouble, in which nodes store and look for things.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::begun::{Aim, Begun};
use super::{LONGEST_JUMP, LONGEST_TROUBLE, Ordeal, SmallWorld};
use crate::base::time::Duration;
use crate::dht::command::{Freshness, PeerKind};
use crate::dht::contact::SavedContact;
use crate::dht::event::{Input, LinkId};
use crate::dht::node::Node;
use crate::dht::role::Role;
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::sim::addresses::random_endpoint;
use crate::sim::faults::{Bursts, Faults};
use crate::sim::paths::{HostId, LineFault};

/// How long a world is in trouble.
const TROUBLED: Duration = Duration::from_secs(12 * 60);
/// Somebody begins something this often.
const OPERATION_EVERY: Duration = Duration::from_secs(5);
/// So many nodes have users who want nothing.
const IDLE: u32 = 8;

impl SmallWorld {
    /// What befalls datagrams.
    pub(super) fn set_faults(&mut self) {
        let share = |is_on: bool, share: f64| if is_on { share } else { 0.0 };
        let bursts = Bursts { good: Duration::from_secs(20), bad: Duration::from_secs(3), loss: 0.9 };
        self.world.set_faults(Faults {
            loss: share(self.has(Ordeal::Loss), 0.3),
            bursts: self.has(Ordeal::Bursts).then_some(bursts),
            duplication: share(self.has(Ordeal::Duplication), 0.4),
            reordering: share(self.has(Ordeal::Reordering), 0.2),
            corruption: share(self.has(Ordeal::Corruption), 0.1),
            ..Faults::WORLD
        });
    }

    pub(super) fn trouble(&mut self) {
        let end = self.world.now() + TROUBLED;
        while self.world.now() < end && !self.is_over() {
            self.one_ordeal();
            self.return_of_the_absent();
            self.one_operation();
            self.world.run_for(OPERATION_EVERY);
            self.hear();
        }
    }

    /// Something that lasts, or happens once, to some host; or a division of the whole world.
    fn one_ordeal(&mut self) {
        if self.rng.below(6) > 0 {
            return;
        }
        let what = self.ordeals[self.rng.below(self.ordeals.len() as u32) as usize];
        let host = self.hosts[self.rng.below(self.hosts.len() as u32) as usize];
        let time = Duration::from_secs(10 + u64::from(self.rng.below(LONGEST_TROUBLE.as_secs() as u32 - 10)));
        match what {
            // It is nowhere, or everybody looks for it where it is.
            _ if self.world.node(host).is_none() => {}
            Ordeal::Move if self.hosts[..4].contains(&host) => {}
            Ordeal::Partition => {
                let parts: Vec<_> = self.hosts.iter().map(|host| (*host, self.rng.below(2) as u8)).collect();
                for (host, part) in &parts {
                    self.world.set_part(*host, *part);
                }
                self.world.after(time, move |world| parts.iter().for_each(|(host, _)| world.set_part(*host, 0)));
                // Contacts on the other side do fail.
                self.outages.clear();
                self.divided_until = self.world.now() + time;
            }
            Ordeal::SilentLine | Ordeal::FailingLine => {
                let fault = if what == Ordeal::SilentLine { LineFault::Silent } else { LineFault::Failing };
                self.world.set_line_fault(host, Some(fault));
                self.world.after(time, move |world| world.set_line_fault(host, None));
                if what == Ordeal::FailingLine {
                    self.expect_contacts_to_outlast(host, time);
                }
            }
            Ordeal::Sleep => {
                self.expect_contacts_to_outlast(host, time);
                self.world.call(host, |node, now| node.handle_input(now, Input::Suspend));
                self.world.after(time, move |world| {
                    world.call(host, |node, now| node.handle_input(now, Input::Resume));
                });
            }
            Ordeal::ClockJump => {
                let by = Duration::from_secs(u64::from(self.rng.below(LONGEST_JUMP.as_secs() as u32)));
                let is_forward = self.rng.below(2) == 0;
                self.world.set_clock(host, is_forward, by);
                // What it held may be too old now.
                self.stops.push(self.world.now());
            }
            Ordeal::Restart => {
                let is_saved = self.rng.below(2) == 0;
                self.restart(host, is_saved);
            }
            Ordeal::Absence => {
                self.stop(host);
                self.absent.push((self.world.now() + time, host));
            }
            Ordeal::Move => {
                let endpoint = random_endpoint(self.world.endpoint(host).family(), &mut self.rng);
                self.world.move_to(host, endpoint);
                self.stops.push(self.world.now());
            }
            _ => {}
        }
        self.places.note(&self.world);
    }

    /// What a host cannot send, or sleeps through, leaves it half of its contacts, unless the world is divided as well.
    fn expect_contacts_to_outlast(&mut self, host: HostId, time: Duration) {
        let now = self.world.now();
        if self.divided_until <= now {
            self.outages.push((now + time, host, self.contacts_of(host)));
        }
    }

    fn stop(&mut self, host: HostId) {
        self.stops.push(self.world.now());
        self.world.stop(host);
        self.outages.retain(|(_, cut_off, ..)| *cut_off != host);
        self.begun.iter_mut().filter(|begun| begun.host() == host).for_each(Begun::on_stop);
    }

    fn start(&mut self, host: HostId) {
        let mut config = self.config.clone();
        config.role = if self.mute.contains(&host) { Role::Client } else { Role::Server };
        if let Err(error) = self.world.start_node(host, &config, None) {
            self.complaints.push(format!("{error}"));
        }
        self.places.note(&self.world);
    }

    /// A node begins anew, with the contacts that it had or by way of others.
    fn restart(&mut self, host: HostId, is_saved: bool) {
        let saved: Vec<_> = self.world.node(host).into_iter().flat_map(Node::contacts).collect();
        let saved: Vec<_> = saved.iter().map(|(_, it)| SavedContact { id: it.id, endpoint: it.endpoint }).collect();
        self.stop(host);
        self.start(host);
        if !is_saved || saved.len() < 8 {
            return self.join(host);
        }
        self.world.call(host, |node, now| node.import(now, LinkId(0), &saved));
        self.begin(host, Aim::Nodes, |node, now, tag| node.lookup(now, tag, Id([7; 20])).is_ok());
        // What it asks, it asks at once: nobody else told it of anybody.
        let sent = self.world.node(host).map_or(0, |node| node.stats().rpc_sent);
        if sent == 0 {
            self.blame(host, format!("of {} contacts of an earlier run none was asked", saved.len()));
        }
    }

    /// Who was gone is back.
    pub(super) fn return_of_the_absent(&mut self) {
        let now = self.world.now();
        for (_, host) in self.absent.extract_if(.., |(until, _)| *until <= now).collect::<Vec<_>>() {
            self.start(host);
            self.join(host);
        }
    }

    fn one_operation(&mut self) {
        // The last ones leave it to their nodes to stay among the others.
        let host = self.hosts[self.rng.below(self.hosts.len() as u32 - IDLE) as usize];
        let number = self.rng.below(16);
        let (secret, value) = ([number as u8; 32], format!("5:val{number:02}"));
        let topic = Id([number as u8; 20]);
        match self.rng.below(7) {
            0 => _ = self.begin(host, Aim::Nodes, |node, now, tag| node.lookup(now, tag, topic).is_ok()),
            1 => {
                let aim = Aim::Put { target: Item::immutable_target(value.as_bytes()), seq: 0 };
                self.begin(host, aim, |node, now, tag| node.put_immutable(now, tag, value.as_bytes()).is_ok());
            }
            2 => {
                let (target, aim) = (Item::immutable_target(value.as_bytes()), Aim::Get { value });
                self.begin(host, aim, |node, now, tag| node.get_immutable(now, tag, target, 1).is_ok());
            }
            3 => _ = self.put(host, &secret, &value, self.world.now().as_secs() as i64, None),
            4 => _ = self.get(host, &secret, value),
            5 => _ = self.begin(host, Aim::Peers, |node, now, tag| node.get_peers(now, tag, topic).is_ok()),
            _ => {
                let (port, kind) = (Some(7), PeerKind::Downloader);
                self.begin(host, Aim::Announce, |node, now, tag| node.announce(now, tag, topic, port, kind).is_ok());
            }
        }
    }

    pub(super) fn put(&mut self, host: HostId, secret: &[u8; 32], value: &str, seq: i64, cas: Option<i64>) -> u64 {
        let Ok(item) = Item::mutable(secret, value.as_bytes()).seq(seq).sign() else { return 0 };
        let aim = Aim::Put { target: item.target(), seq };
        self.begin(host, aim, |node, now, tag| node.put_mutable(now, tag, &item, cas).is_ok())
    }

    pub(super) fn get(&mut self, host: HostId, secret: &[u8; 32], value: String) -> u64 {
        let Ok(item) = Item::mutable(secret, value.as_bytes()).seq(0).sign() else { return 0 };
        let (key, newest) = (*item.mutable().key, Freshness::Newest);
        let aim = Aim::Get { value };
        self.begin(host, aim, |node, now, tag| node.get_mutable(now, tag, &key, b"", None, newest).is_ok())
    }
}
