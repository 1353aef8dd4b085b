//! One deed after the other.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use honeyguide::Endpoint;
use honeyguide::Instant;
use honeyguide::dht::SavedContact;
use honeyguide::dht::journal::Call;
use honeyguide::dht::{DirectQuery, Freshness, LinkId, PeerKind, Scope};
use honeyguide::internals::krpc::item;
use honeyguide::krpc::{Decoded, Item, Method, Mutable, Query, Want, decode};
use honeyguide::{Command, Input};

use super::answers::{Manner, answer};
use super::world::{Sent, Wish, World};
use crate::setting::{Neighbour, SIGNED, TARGETS, VALUES};

/// Reads a deed and does it.
pub fn next(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    match u.arbitrary::<u8>()? % 32 {
        0..6 => answer_one(world, u),
        6..9 => answer_all(world, u),
        9..13 => ask(world, u),
        13 | 14 => store(world, u),
        15 => rubbish(world, u),
        16 => reflect(world, u),
        17 => repeat(world),
        18 => fail_to_send(world, u),
        19..23 => wait(world, u),
        23..28 => command(world, u),
        28 => {
            world.cancel(u64::from(u.arbitrary::<u8>()? % 4));
            Ok(())
        }
        29 => import(world, u),
        30 if u.ratio(1, 2)? => tell(world, u),
        30 => {
            world.skip = u.arbitrary::<u8>()? % 8;
            Ok(())
        }
        _ => {
            // Part of a drain, and then something else.
            let times = usize::from(u.arbitrary::<u8>()? % 8);
            world.poll(times);
            command(world, u)
        }
    }
}

fn answer_one(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (which, mischief): (u8, u8) = u.arbitrary()?;
    let manner = Manner::arbitrary(u)?;
    let Some(place) = usize::from(which).checked_rem(world.asked.len()) else { return Ok(()) };
    let Sent { link, to, payload } = world.asked[place].clone();
    // Now and then the query stays open, so that it can be answered again.
    if mischief & 0x10 == 0 {
        world.asked.remove(place);
    }
    let mut reply = reply(world, link, to, &payload, manner);
    let (link, from) = match mischief % 16 {
        15 => (link, to.with_port(to.port() ^ 1)),
        14 => (LinkId(link.0 ^ 1), to),
        13 => (link, world.neighbour(which).endpoint),
        12 => {
            reply.truncate(reply.len() * usize::from(which) / 256);
            (link, to)
        }
        11 => {
            reply.push(which);
            (link, to)
        }
        _ => (link, to),
    };
    world.datagram(link, from, reply);
    Ok(())
}

fn reply(world: &World, link: LinkId, to: Endpoint, payload: &[u8], manner: Manner) -> Vec<u8> {
    let Ok(Decoded::Query(query)) = decode(payload) else { panic!("only queries are remembered") };
    answer(world, link, to, &query, manner)
}

/// All that were asked answer, each as well as it can, with a drain after each.
fn answer_all(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (variant, latency): (u8, u8) = u.arbitrary()?;
    world.now += Duration::from_millis(latency.into());
    for i in 0..world.asked.len() {
        let Some(Sent { link, to, payload }) = world.asked.pop_front() else { break };
        let manner = Manner::generous(variant.wrapping_add(i as u8));
        let reply = reply(world, link, to, &payload, manner);
        world.datagram(link, to, reply);
        world.settle();
    }
    Ok(())
}

/// A neighbour asks something.
fn ask(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (who, what, which, flags): (u8, u8, u8, u8) = u.arbitrary()?;
    let mut query = question(world, who, what, which, flags);
    if what & 0x60 == 0x60 {
        damage(&mut query, u)?;
    }
    deliver(world, who, query);
    Ok(())
}

/// Some neighbours store something, each with a token that it asks for first.
fn store(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (who, count, what, which, flags): (u8, u8, u8, u8, u8) = u.arbitrary()?;
    for i in 0..count % 12 {
        let (who, which) = (who.wrapping_add(i), if count & 0x40 == 0 { which } else { which.wrapping_add(i) });
        let (get, put) = if what & 1 == 0 { (2, 4) } else { (7, 9) };
        // The same item, so that the question is for its key; the same token, so that it is not refused for that.
        let kind = what & 0x80;
        for what in [get, put] {
            let query = question(world, who, kind | what, which, flags & !0x80);
            deliver(world, who, query);
            world.settle();
        }
    }
    Ok(())
}

fn deliver(world: &mut World, who: u8, query: Vec<u8>) {
    let from = world.neighbour(who).endpoint;
    let links = world.node.config().links();
    let link = links.iter().position(|link| link.family == from.family()).unwrap_or(0) as u8;
    world.datagram(LinkId(link), from, query);
}

fn question(world: &World, who: u8, what: u8, which: u8, flags: u8) -> Vec<u8> {
    let Neighbour { id, endpoint } = world.neighbour(who);
    let want = Want { v4: flags & 1 != 0, v6: flags & 2 != 0 };
    let signed = &SIGNED[usize::from(which) % SIGNED.len()];
    let signature = if flags & 0x40 == 0 { signed.signature } else { [flags; 64] };
    let item = if what & 0x80 == 0 {
        Item { value: &VALUES[usize::from(which) % (VALUES.len() - 1)], mutable: None }
    } else {
        let mutable = Mutable { key: &signed.key, salt: signed.salt, seq: signed.seq, signature: &signature };
        Item { value: signed.value, mutable: Some(mutable) }
    };
    let place = match what % 16 {
        // Questions for the key of the item.
        7..13 => TARGETS.iter().position(|known| *known == item.target()).expect("all keys are known"),
        _ => usize::from(which) % TARGETS.len(),
    };
    let (target, tid) = (TARGETS[place], vec![b't', place as u8]);
    let cas = (flags & 4 != 0 && item.mutable.is_some()).then_some(i64::from(flags >> 3 & 3));
    let token = world.tokens.get(&(endpoint, tid.clone())).filter(|_| flags & 0x80 == 0);
    let token = token.cloned().unwrap_or_else(|| vec![flags; 8]);
    let method = match what % 16 {
        1 => Method::FindNode { target, want },
        2 | 3 => Method::GetPeers { info_hash: target, want, noseed: flags & 4 != 0, scrape: flags & 8 != 0 },
        4 | 5 => Method::AnnouncePeer {
            info_hash: target,
            port: 1 + u16::from(flags),
            implied_port: flags & 4 != 0,
            seed: flags & 8 != 0,
            token: &token,
        },
        6..9 => Method::Get { target, seq: (flags & 4 != 0).then_some(i64::from(flags >> 3 & 3)), want },
        9..13 => Method::Put { token: &token, item, cas, target: None },
        13 => Method::SampleInfohashes { target, want },
        14 => Method::Unknown { name: b"vote", target, want },
        _ => Method::Ping,
    };
    let tid = if method == Method::Ping { vec![b'q'; usize::from(flags)] } else { tid };
    let query = Query { tid: &tid, version: None, read_only: flags & 0x20 != 0, id, method };
    let mut out = vec![0; 3000];
    let len = query.encode(&mut out).expect("there is room for everything");
    out.truncate(len);
    out
}

/// Changes one byte, or cuts a piece out.
fn damage(bytes: &mut Vec<u8>, u: &mut Unstructured<'_>) -> Result<()> {
    let (place, byte, length): (u16, u8, u8) = u.arbitrary()?;
    let place = usize::from(place) % bytes.len();
    if length < 128 {
        bytes[place] = byte;
    } else {
        bytes.drain(place..bytes.len().min(place + usize::from(length - 128)));
    }
    Ok(())
}

fn rubbish(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (who, link, len): (u8, u8, u8) = u.arbitrary()?;
    let bytes = u.bytes(usize::from(len).min(u.len()))?.to_vec();
    world.datagram(LinkId(link % 4), world.neighbour(who).endpoint, bytes);
    Ok(())
}

/// A query of the node comes back to it, from whom it was sent to or from somebody else, perhaps damaged.
fn reflect(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (which, who): (u8, u8) = u.arbitrary()?;
    let Some(place) = usize::from(which).checked_rem(world.asked.len()) else { return Ok(()) };
    let Sent { link, to, mut payload } = world.asked[place].clone();
    if who & 0x80 != 0 {
        damage(&mut payload, u)?;
    }
    let from = if who & 0x40 == 0 { to } else { world.neighbour(who).endpoint };
    world.datagram(link, from, payload);
    Ok(())
}

/// The network delivers a datagram twice.
fn repeat(world: &mut World) -> Result<()> {
    if let Some((link, from, payload)) = world.last.take() {
        world.datagram(link, from, payload);
    }
    Ok(())
}

fn fail_to_send(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (which, ours): (u8, bool) = u.arbitrary()?;
    let (link, to) = match usize::from(which).checked_rem(world.asked.len()) {
        Some(place) => (world.asked[place].link, world.asked[place].to),
        None => (LinkId(which), world.neighbour(which).endpoint),
    };
    world.call(Call::Input(if ours { Input::SendFailed { link, to } } else { Input::Refused { link, to } }));
    Ok(())
}

fn wait(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (how, long): (u8, u8) = u.arbitrary()?;
    let long = u64::from(long);
    world.now = match how % 8 {
        0..3 => world.deadline.unwrap_or(world.now).max(world.now),
        3 => world.now + Duration::from_millis(long),
        4 => world.now + Duration::from_millis(50 * long),
        5 => world.now + Duration::from_secs(long),
        6 => world.now + Duration::from_secs(60 * long),
        _ => Instant::from_micros(world.now.as_micros().saturating_sub(1000 * long)),
    };
    if how < 240 {
        world.call(Call::Input(Input::Timeout));
    }
    Ok(())
}

/// The user tells the node what it is, where it is, or that it sleeps.
fn tell(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (what, which): (u8, u8) = u.arbitrary()?;
    world.call(match what % 8 {
        0 => Call::SetPassive { is_passive: which & 1 != 0 },
        1..4 => Call::SetExternal { link: LinkId(which >> 6), addr: world.neighbour(which).endpoint.with_port(77) },
        4 => Call::Input(Input::Suspend),
        5 => Call::ImportId { link: LinkId(which >> 6), id: world.neighbour(which).id },
        _ => Call::Input(Input::Resume),
    });
    Ok(())
}

fn import(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (who, link): (u8, u8) = u.arbitrary()?;
    let Neighbour { id, endpoint } = world.neighbour(who);
    world.call(Call::Import { link: LinkId(link % 4), contact: SavedContact { id, endpoint } });
    Ok(())
}

fn command(world: &mut World, u: &mut Unstructured<'_>) -> Result<()> {
    let (what, which, flags, tag): (u8, u8, u8, u8) = u.arbitrary()?;
    let tag = u64::from(tag % 4);
    let scope = match flags & 3 {
        0 => Scope::All,
        1 if what & 0x80 != 0 => Scope::Node(world.neighbour(which).endpoint),
        link if what & 0x80 != 0 => Scope::NodeOn { link: LinkId(link - 2), node: world.neighbour(which).endpoint },
        link => Scope::Link(LinkId(link - 1)),
    };
    let which = usize::from(which);
    let target = TARGETS[which % TARGETS.len()];
    let signed = &SIGNED[which % SIGNED.len()];
    let signature = if flags & 0x80 == 0 { signed.signature } else { [flags; 64] };
    let number = i64::from(flags >> 3 & 3);
    let freshness = match (flags & 0x40 != 0, what & 0x40 != 0) {
        (false, _) => Freshness::Newest,
        (true, false) => Freshness::First,
        (true, true) => Freshness::Copies(2),
    };
    let nodes = world.neighbours.iter().cycle().skip(which).take(usize::from(flags >> 2) % 20);
    let nodes: Vec<Endpoint> = nodes.map(|n| n.endpoint).collect();
    let query = match flags >> 2 & 3 {
        0 => DirectQuery::Ping,
        1 => DirectQuery::Sample { target },
        want => DirectQuery::FindNode { target, want: Want { v4: want & 1 != 0, v6: flags & 0x20 != 0 } },
    };
    let newer_than = (flags & 4 != 0).then_some(number);
    let (command, wish) = match what % 16 {
        0 | 1 => (Command::Bootstrap { nodes: &nodes }, Wish::Other),
        2 => (Command::Query { to: world.neighbour(which as u8).endpoint, query }, Wish::Other),
        3 => (Command::Lookup { target }, Wish::Nodes(target)),
        4 => (Command::GetImmutable { target, copies: u16::from(what >> 6) }, Wish::Immutable(target)),
        5..7 => {
            let (key, salt) = (&signed.key, signed.salt);
            let target = item::mutable_target(key, salt);
            let wish = Wish::Mutable { key: *key, target, newer_than };
            (Command::GetMutable { key, salt, newer_than, freshness }, wish)
        }
        7 => (Command::GetPeers { info_hash: target }, Wish::Other),
        8 => (Command::PutImmutable { value: &VALUES[which % VALUES.len()] }, Wish::Other),
        9..12 => {
            let (value, key, salt, seq) = (signed.value, &signed.key, signed.salt, signed.seq);
            (Command::PutMutable { value, key, salt, seq, signature: &signature, cas: newer_than }, Wish::Other)
        }
        12 => {
            let port = (flags & 4 != 0).then_some(u16::from(flags >> 3));
            (
                Command::Announce {
                    info_hash: target,
                    port,
                    kind: if flags & 0x40 != 0 { PeerKind::Seed } else { PeerKind::Downloader },
                },
                Wish::Other,
            )
        }
        13 => (Command::Scrape { info_hash: target }, Wish::Other),
        14 => (Command::Sample { target }, Wish::Other),
        _ => (Command::Lookup { target: world.node.id(LinkId(0)).unwrap_or_default() }, Wish::Other),
    };
    let wish = match command {
        Command::Lookup { target } => Wish::Nodes(target),
        _ => wish,
    };
    world.command(tag, scope, command, wish);
    Ok(())
}
