//! A node, a UDP socket of smoltcp, and the loop around both: what firmware copies.

use core::fmt::Write;
use core::mem::MaybeUninit;
use core::time::Duration;

use honeyguide::dht::{Buffer, LinkId, PeerKind, Reason};
use honeyguide::{Command, Config, Endpoint, Event, Id, Input, Instant, Node, Outcome, Output};
use smoltcp::iface::{Config as InterfaceConfig, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket};
use smoltcp::time::Instant as WireInstant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use crate::board::Board;
use crate::boards::{self, Board48};
use crate::hash::{Hash, report};
use crate::network::{NODE, address};
use crate::wire::ipv4;

const LINK: LinkId = LinkId(0);

type Memory = Board48;

/// The buffers of the socket. A datagram is read, and another one leaves, before the next: one of each is enough.
struct Packets {
    received: ([PacketMetadata; 1], [u8; 1500]),
    sent: ([PacketMetadata; 1], [u8; 1500]),
    sockets: [SocketStorage<'static>; 1],
}

// Everything that lasts is static, and each is made in a function of its own: what that needs of the stack is given back
// before the loop begins.
static mut MEMORY: Memory = Memory::new();
static mut NODE_PLACE: MaybeUninit<Node<'static>> = MaybeUninit::uninit();
static mut BOARD: MaybeUninit<Board> = MaybeUninit::uninit();
static mut PACKETS: MaybeUninit<Packets> = MaybeUninit::uninit();
static mut LOOP: MaybeUninit<Loop> = MaybeUninit::uninit();

struct Loop {
    board: &'static mut Board,
    node: &'static mut Node<'static>,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    /// When the node wants to be called again at the latest.
    deadline: Option<Instant>,
    buffer: Buffer,
    finished: Option<Outcome>,
    peer: Option<Endpoint>,
    hash: Hash,
}

/// The node joins, announces itself, finds itself and goes on for a minute. To be called once.
pub fn run(out: &mut dyn Write) {
    boards::list(out);
    let run = start();
    let joined = run.operate(Command::Bootstrap { nodes: &[address(0)] });
    assert!(joined.reason == Reason::Converged, "nobody answered");
    let info_hash = Id([11; 20]);
    let announce = Command::Announce { info_hash, port: Some(NODE.port()), kind: PeerKind::Seed };
    // Of the eight nearest, which all peers name alike, some never answer.
    assert!(run.operate(announce).stored.all >= 5, "few have the announcement");
    run.operate(Command::GetPeers { info_hash });
    assert!(run.peer == Some(NODE), "the node is not among the peers");
    let end = run.board.now() + Duration::from_secs(60);
    while run.board.now() < end {
        run.turn(end);
    }
    assert!(run.board.wire.is_answered(), "a peer that asked has no answer");
    report(out, "smoltcp", &run.hash);
    writeln!(out, "scripted network {} bytes", size_of::<Board>()).expect("the console takes everything");
}

fn start() -> &'static mut Loop {
    // SAFETY: one thread, one call, and nothing else names the statics.
    let (memory, node, board, packets, place) = unsafe {
        let (memory, node, board) = (&raw mut MEMORY, &raw mut NODE_PLACE, &raw mut BOARD);
        let (packets, place) = (&raw mut PACKETS, &raw mut LOOP);
        (&mut *memory, &mut *node, &mut *board, &mut *packets, &mut *place)
    };
    let board = make_board(board);
    let node = make_node(node, board.entropy(), memory);
    make_loop(place, board, node, packets)
}

#[inline(never)]
fn make_board(place: &'static mut MaybeUninit<Board>) -> &'static mut Board {
    place.write(Board::new())
}

#[inline(never)]
fn make_node(
    place: &'static mut MaybeUninit<Node<'static>>,
    rng_seed: [u8; 32],
    memory: &'static mut Memory,
) -> &'static mut Node<'static> {
    let Ok(node) = Node::new(Config::tiny(), rng_seed, memory.lend()) else { panic!("the capacities are sound") };
    place.write(node)
}

#[inline(never)]
fn make_loop(
    place: &'static mut MaybeUninit<Loop>,
    board: &'static mut Board,
    node: &'static mut Node<'static>,
    packets: &'static mut MaybeUninit<Packets>,
) -> &'static mut Loop {
    let packets = packets.write(Packets {
        received: ([PacketMetadata::EMPTY; 1], [0; 1500]),
        sent: ([PacketMetadata::EMPTY; 1], [0; 1500]),
        sockets: [SocketStorage::EMPTY; 1],
    });
    let now = wire_time(board.now());
    let mut interface = Interface::new(InterfaceConfig::new(HardwareAddress::Ip), &mut board.wire, now);
    interface.update_ip_addrs(|addresses| {
        assert!(addresses.push(IpCidr::new(IpAddress::Ipv4(ipv4(NODE)), 24)).is_ok(), "room for an address");
    });
    // A cable without addresses needs no gateway; with Ethernet, the router's address stands here.
    assert!(interface.routes_mut().add_default_ipv4_route(ipv4(NODE)).is_ok(), "room for a route");
    let mut socket = Socket::new(
        PacketBuffer::new(&mut packets.received.0[..], &mut packets.received.1[..]),
        PacketBuffer::new(&mut packets.sent.0[..], &mut packets.sent.1[..]),
    );
    assert!(socket.bind(NODE.port()).is_ok(), "a port");
    let mut sockets = SocketSet::new(&mut packets.sockets[..]);
    let socket = sockets.add(socket);
    let (deadline, finished, peer) = (None, None, None);
    let (buffer, hash) = ([0; 1500], Hash::new());
    place.write(Loop { board, node, interface, sockets, socket, deadline, buffer, finished, peer, hash })
}

impl Loop {
    /// One turn: one input, then a drain; or sleep until there is something, at most until `end`.
    fn turn(&mut self, end: Instant) {
        let now = self.board.now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.node.handle_input(now, Input::Timeout);
            return self.drain();
        }
        // One packet at a time, so that the socket needs room for one; the others wait in the radio.
        self.interface.poll_ingress_single(wire_time(now), &mut self.board.wire, &mut self.sockets);
        let socket = self.sockets.get_mut::<Socket<'_>>(self.socket);
        let Ok((length, from)) = socket.recv_slice(&mut self.buffer) else {
            return self.board.wait(self.deadline.unwrap_or(end).min(end));
        };
        let IpAddress::Ipv4(ip) = from.endpoint.addr;
        let (from, payload) = (Endpoint::v4(ip.octets(), from.endpoint.port), &self.buffer[..length]);
        self.node.handle_input(now, Input::Datagram { link: LINK, from, payload });
        self.drain();
    }

    /// Sends what the node wants sent, until it names the time of its next call.
    fn drain(&mut self) {
        loop {
            match self.node.poll_output(&mut self.buffer) {
                Output::Transmit { to, payload, .. } => {
                    self.hash.eat(to.ip_bytes());
                    self.hash.eat(payload);
                    let socket = self.sockets.get_mut::<Socket<'_>>(self.socket);
                    // What the socket does not take is lost, as on any network: the protocol allows it.
                    let _ = socket.send_slice(payload, (ipv4(to), to.port()));
                    let now = wire_time(self.board.now());
                    self.interface.poll_egress(now, &mut self.board.wire, &mut self.sockets);
                }
                Output::Event(Event::Finished { outcome, .. }) => self.finished = Some(outcome),
                Output::Event(Event::Peers { peers, .. }) => self.peer = peers.iter().last(),
                Output::Event(_) => {}
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    /// Starts an operation and turns the loop until it ends.
    fn operate(&mut self, command: Command<'_>) -> Outcome {
        let end = self.board.now() + Duration::from_secs(60);
        assert!(self.node.command(self.board.now(), 0, command).is_ok(), "the command is sound");
        self.drain();
        while self.board.now() < end {
            if let Some(outcome) = self.finished.take() {
                return outcome;
            }
            self.turn(end);
        }
        panic!("an operation has no end")
    }
}

fn wire_time(now: Instant) -> WireInstant {
    WireInstant::from_micros(now.as_micros() as i64)
}
