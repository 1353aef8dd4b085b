"""What is tried, with whom. Each scenario starts its own network and ends it."""

import os
import socket
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Callable

from honeyguide import Node, Program, Testnet, new_keys
from namespace import DEFAULT_SOURCE, host, private_network
from processes import Agent, AgentError, until
from report import expect
from transmission import PEER_PORT, Transmission
from transmission import version as transmission_version

SALT = b"salty".hex()
# Our testnet as others see it, and foreign swarms as we see them.
OUR_NODES = 32
THEIR_NODES = 12
V6 = ("--bind", "::1")


@dataclass
class Scenario:
    name: str
    about: str
    needs: tuple
    run: Callable


# ---- starting networks ----


def agent(tools, implementation, bootstrap=(), nodes=1, more=()):
    command = {
        "libtorrent": tools.libtorrent,
        "bittorrent-dht": tools.bittorrent_dht,
        "mainline": tools.mainline,
    }[implementation]
    return Agent(implementation, [*command, *more], bootstrap, nodes)


@contextmanager
def swarm(tools, implementation, report, more=()):
    """A network of another implementation only, joined up."""
    with agent(tools, implementation, nodes=THEIR_NODES, more=more) as nodes:
        report.step(f"{nodes.implementation} swarm stands", lambda: nodes.call("join", least=2, seconds=30) and None)
        yield nodes


# ---- the operations, step by step ----


def fresh_value(who):
    return f"from {who} {os.urandom(6).hex()}".encode().hex()


def fresh_id():
    return os.urandom(20).hex()


def peers_step(report, node, announced_port):
    """Announces and finds the announced port again."""
    info_hash = fresh_id()
    report.step("announce", lambda: node.call("announce", info_hash=info_hash, port=announced_port))
    # libtorrent does not say when its announce is done, so the question may be early.
    report.step("peers", lambda: until(15, lambda: has_peer(node, info_hash, announced_port)))


def has_peer(node, info_hash, port):
    peers = node.call("peers", info_hash=info_hash)["peers"]
    found = sorted({str(peer) for peer in peers if str(peer).endswith(f":{port}")})
    expect(found, f"{port} is not among {peers}")
    return found


def immutable_steps(report, writer, reader, who):
    value = fresh_value(who)
    put = report.step("put immutable", lambda: writer.call("put_immutable", value=value))
    if put:
        report.step("get immutable", lambda: got(reader.call("get_immutable", target=put["target"]), value))


def got(answer, value, seq=None):
    expect(answer["value"] == value, f"another value: {answer}")
    expect(seq is None or answer.get("seq") == seq, f"seq {answer.get('seq')} where {seq} was expected")
    return answer


def refused(code, work):
    """The step passes when the network refuses with this code. A node that the put before never reached has nothing to
    compare with and may accept, as long as most refuse."""
    try:
        answer = work()
    except AgentError as error:
        expect(error.code == code, f"another refusal: {error}")
        return f"refused with {code}"
    refusals = answer.get("refused", {}).get(str(code), 0)
    expect(refusals > answer["stored"], f"accepted: {answer}")
    return f"refused with {code} by {refusals}, accepted by {answer['stored']}"


def mutable_steps(report, writer, reader, who, salt, keys, chooses_seq=True):
    """v1, v2 over it, and (where the writer chooses seq and cas itself) what has to be refused."""
    (seed, key), tag = keys, " with salt" if salt else ""
    v1, v2, v3 = (fresh_value(who) for _ in range(3))

    def put(value, **how):
        return writer.call("put_mutable", seed=seed, value=value, salt=salt, **how)

    def get(value, seq):
        return got(reader.call("get_mutable", key=key, salt=salt), value, seq)

    report.step(f"put seq 1{tag}", lambda: put(v1, seq=1))
    report.step(f"get seq 1{tag}", lambda: get(v1, 1))
    if chooses_seq:
        report.step(f"put seq 2, cas 1{tag}", lambda: put(v2, seq=2, cas=1))
        report.step(f"put seq 3, stale cas{tag}", lambda: refused(301, lambda: put(v3, seq=3, cas=1)))
        report.step(f"put seq 1 again{tag}", lambda: refused(302, lambda: put(v3, seq=1)))
    else:
        report.step(f"put seq 2{tag}", lambda: put(v2, seq=2))
    report.step(f"get seq 2{tag}", lambda: get(v2, 2))


# ---- others as clients of our nodes ----


def client_of_ours(implementation):
    def work(report, tools):
        with Testnet(tools.honeyguide, OUR_NODES) as ours:
            client_steps(report, tools, implementation, ours.address)

    return work


def client_steps(report, tools, implementation, address, more=()):
    """Everything that an implementation can do as a client of the network behind an address."""
    with agent(tools, implementation, [address], more=more) as client:
        print(f"   {client.implementation} through {address}", flush=True)
        report.step("bootstrap", lambda: client.call("join", seconds=30))
        # libtorrent's binding has no direct ping, but a direct sample, which it only sends over IPv4.
        if implementation == "libtorrent" and V6 != more:
            report.step("sample", lambda: client.call("sample", address=address))
        if implementation == "bittorrent-dht":
            report.step("ping", lambda: client.call("ping", address=address))
        if implementation != "libtorrent":
            report.step("find_node", lambda: some_nodes(client, address))
        peers_step(report, client, 45555)
        immutable_steps(report, client, client, implementation)
        for salt in ("", SALT):
            chooses_seq = implementation != "libtorrent"
            mutable_steps(report, client, client, implementation, salt, new_keys(tools.honeyguide), chooses_seq)


def some_nodes(client, address):
    answer = client.call("find_node", address=address, target=fresh_id())
    expect(answer["nodes"] >= 5, f"only {answer['nodes']} nodes")
    return answer


# ---- our program as client of others ----


def our_client(implementation, more=()):
    def basics(report, tools, ours, theirs):
        report.step("ping", lambda: ours.call("ping", address=theirs.addresses[0]))
        report.step("find-node", lambda: ours.call("find_node", target=fresh_id()))
        peers_step(report, ours, 45556)
        immutable_steps(report, ours, ours, "honeyguide")

    def crossing(report, tools, ours, theirs):
        crossing_steps(report, tools, ours, theirs, implementation)

    def mutable(salt):
        def steps(report, tools, ours, theirs):
            mutable_steps(report, ours, ours, "honeyguide", salt, new_keys(tools.honeyguide))

        return steps

    def work(report, tools):
        # A fresh swarm for each group: every program that puts and ends leaves a dead node in their tables, and after
        # two dozen of them a small swarm has lost its own nodes out of sight.
        for steps in (basics, crossing, mutable(""), mutable(SALT)):
            with swarm(tools, implementation, report, more) as theirs:
                with Program(tools.honeyguide, theirs.addresses[0]) as ours:
                    steps(report, tools, ours, theirs)

    return work


def crossing_steps(report, tools, ours, theirs, name):
    """What one side writes, the other one reads."""
    for writer, reader, by in ((theirs, ours, f"{name}'s by us"), (ours, theirs, f"ours by {name}")):
        value, (seed, key) = fresh_value(by), new_keys(tools.honeyguide)
        put = report.step(f"put, {by}", lambda: writer.call("put_immutable", value=value))
        if put:
            report.step(f"get {by}", lambda: got(reader.call("get_immutable", target=put["target"]), value))
        put = {"seed": seed, "value": value, "salt": SALT, "seq": 1}
        report.step(f"put signed, {by}", lambda: writer.call("put_mutable", **put))
        report.step(f"get signed {by}", lambda: got(reader.call("get_mutable", key=key, salt=SALT), value, 1))


def our_driver(driver):
    """A node of ours inside a program, on this driver: each call of its `Handle` against libtorrent's nodes."""

    def work(report, tools):
        for steps in (driver_basics, driver_items):
            with swarm(tools, "libtorrent", report) as theirs:
                command = [*tools.drivers, "--driver", driver]
                with Agent(f"{driver} driver", command, theirs.addresses[:1]) as ours:
                    print(f"   {ours.implementation} through {theirs.addresses[0]}", flush=True)
                    report.step("bootstrap", lambda: ours.call("join"))
                    steps(report, tools, ours, theirs)

    return work


def driver_basics(report, tools, ours, theirs):
    report.step("ping", lambda: ours.call("ping", address=theirs.addresses[0]))
    report.step("find_node", lambda: ours.call("find_node", target=fresh_id()))
    announced, port = fresh_id(), 45558
    report.step("announce", lambda: ours.call("announce", info_hash=announced, port=port))
    report.step("peers", lambda: has_peer(ours, announced, port))
    report.step("libtorrent finds us", lambda: until(15, lambda: has_peer(theirs, announced, port)))
    report.step("scrape", lambda: counted(ours.call("scrape", info_hash=announced)))
    immutable_steps(report, ours, ours, "honeyguide")


def driver_items(report, tools, ours, theirs):
    crossing_steps(report, tools, ours, theirs, "libtorrent")
    for salt in ("", SALT):
        mutable_steps(report, ours, ours, "honeyguide", salt, new_keys(tools.honeyguide))


def counted(swarm):
    expect(swarm["peers"] == 1 and swarm["seeds"] == 0 and swarm["responders"] > 0, f"another swarm: {swarm}")
    return swarm


# ---- IPv6 ----


def dual_stack(report, tools):
    """Nodes of ours with a link in each family; libtorrent comes through either."""
    with ExitStack() as running:
        first = running.enter_context(Node(tools.honeyguide, ["127.0.0.1:0", "[::1]:0"]))
        for _ in range(THEIR_NODES - 1):
            running.enter_context(Node(tools.honeyguide, ["127.0.0.1:0", "[::1]:0"], first.addresses))
        for address, more in zip(first.addresses, ((), V6)):
            client_steps(report, tools, "libtorrent", address, more)


# ---- the limits that others have by default ----

WATCH = 45  # seconds; libtorrent counts packets over ten


def stock_limits(report, tools):
    """libtorrent as it comes, every node in a network of its own, under the rules for public networks: our nodes are not
    banned for what they do by themselves, and what we store and look for goes through."""
    with private_network(), ExitStack() as running:
        ours = public_nodes(running, tools, 8)
        more = ["--limits", "stock", "--bind", host(100), "--spread"]
        theirs = running.enter_context(agent(tools, "libtorrent", ours[:1], nodes=THEIR_NODES, more=more))
        report.step("bootstrap", lambda: theirs.call("join", least=2, seconds=60))
        report.step(f"{WATCH} s together", lambda: time.sleep(WATCH))
        # Without this, silence about bans would mean nothing.
        flooded = theirs.addresses[1]
        report.step("a flooder is banned", lambda: expect(not answers(host(200), flooded, 200), "no ban"))
        report.step("nobody else is", lambda: nobody_banned(ours, theirs.addresses))
        with Program(tools.honeyguide, theirs.addresses[0]) as program:
            peers_step(report, program, 45557)
            immutable_steps(report, program, program, "honeyguide")
            mutable_steps(report, program, program, "honeyguide", SALT, new_keys(tools.honeyguide))


def public_nodes(running, tools, count, more=()):
    """Nodes of ours in networks of their own; their addresses. The first two bootstrap from each other, since a node on
    a public network needs somebody to."""
    addresses = [f"{host(i)}:6881" for i in range(1, count + 1)]
    for i, address in enumerate(addresses):
        bootstrap = addresses[1:2] if i == 0 else addresses[:1]
        running.enter_context(Node(tools.honeyguide, [address], bootstrap, more))
    return addresses


def jech(report, tools):
    """transmission joins our network, announces there and finds there. It refuses 127/8, hence the namespace; and it does
    nothing before it knows nine nodes, which takes it half a minute."""
    with private_network(), ExitStack() as running:
        ours = public_nodes(running, tools, 24, ["--network", "local"])
        peer = running.enter_context(Transmission(tools.transmission, host(300), ours[:4]))
        program = running.enter_context(Program(tools.honeyguide, ours[0]))
        listener = running.enter_context(socket.create_server((DEFAULT_SOURCE, 0)))
        print(f"   {transmission_version(tools.transmission)} through {ours[0]}", flush=True)

        def announced():
            return has_peer(program, announced_by_it, PEER_PORT)

        def found():
            listener.settimeout(150)
            connection, (source, _) = listener.accept()
            connection.close()
            expect(source == host(300), f"{source} came")
            return f"{source} came"

        announced_by_it, announced_by_us = fresh_id(), fresh_id()
        our_port = listener.getsockname()[1]
        report.step("we announce", lambda: program.call("announce", info_hash=announced_by_us, port=our_port))
        for info_hash in (announced_by_it, announced_by_us):
            report.step("it takes a torrent", lambda: until(10, lambda: peer.add(info_hash) or "taken"))
        report.step("it announces, we find it", lambda: until(150, announced, 2))
        report.step("it finds us", found)


PING = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping2:roi1e1:t4:ping1:y1:qe"


def nobody_banned(ours, theirs):
    """A ban is of an IP address: from each of ours, every node has to answer a ping."""
    silent = [f"{node} to {address}" for address in ours for node in theirs if not answers(address.split(":")[0], node)]
    expect(not silent, f"silent: {silent}")
    return f"{len(ours) * len(theirs)} pings answered"


def answers(source, node, pings=1):
    """Whether the last of some pings from an address is answered."""
    name, port = node.rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((source, 0))
        udp.settimeout(1)
        answered = False
        for _ in range(pings):
            udp.sendto(PING, (name, int(port)))
            try:
                answered = bool(udp.recv(1500))
            except TimeoutError:
                return False
    return answered


# ---- everybody in one network ----

EVERYBODY = ("honeyguide", "libtorrent", "bittorrent-dht", "mainline")
MATRIX_PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "spec", "interop.md")


@contextmanager
def mixed_network(tools):
    """Nodes of all four in one network, and one of each to write and read with. All join through ours: bittorrent-dht
    and libtorrent cannot talk to mainline's servers."""
    with ExitStack() as running:
        ours = running.enter_context(Testnet(tools.honeyguide, THEIR_NODES))
        members = {"honeyguide": running.enter_context(Program(tools.honeyguide, ours.address))}
        for name in EVERYBODY[1:]:
            member = running.enter_context(agent(tools, name, [ours.address], nodes=6))
            member.call("join", least=2, seconds=30)
            members[name] = member
        yield members


def matrix(report, tools):
    """Each implementation writes an item twice, each reads it: all have to see the second version."""
    written = {}
    with mixed_network(tools) as members:
        for name, writer in members.items():
            seed, key = new_keys(tools.honeyguide)
            for seq in (1, 2):
                value = fresh_value(f"{name} {seq}")
                request = {"seed": seed, "value": value, "salt": SALT, "seq": seq}
                put = report.step(
                    f"{name} writes seq {seq}", lambda: writer.call("put_mutable", **request)
                )
                written[name] = (key, value) if put else None
        cells = {}
        for writer in members:
            for reader in members:
                cells[writer, reader] = report.step(
                    f"{reader} reads {writer}'s", lambda: read_second(members[reader], *written[writer])
                )
    lines = ["| written by | " + " | ".join(f"read by {name}" for name in members) + " |", "|---" * 5 + "|"]
    for writer in members:
        row = [f"seq {cells[writer, reader]['seq']}" if cells[writer, reader] else "no" for reader in members]
        lines.append(f"| {writer} | " + " | ".join(row) + " |")
    print("\n".join(lines), flush=True)
    report.step("spec/interop.md shows this matrix", lambda: on_the_page("\n".join(lines)))


def read_second(reader, key, value):
    # libtorrent would wait 15 s for mainline's silent servers before it calls a version the newest.
    early = {"enough": 2} if reader.name == "libtorrent" else {}
    return got(reader.call("get_mutable", key=key, salt=SALT, **early), value, 2)


def on_the_page(table):
    with open(MATRIX_PAGE, encoding="utf-8") as page:
        expect(table in page.read(), "another matrix stands there")


ALL = [
    Scenario(
        f"server/{implementation}",
        f"{implementation} as the client of our nodes",
        (implementation,),
        client_of_ours(implementation),
    )
    for implementation in ("libtorrent", "bittorrent-dht", "mainline")
] + [
    Scenario(
        f"client/{implementation}",
        f"our program as the client of {implementation} nodes",
        (implementation,),
        our_client(implementation),
    )
    for implementation in ("libtorrent", "bittorrent-dht", "mainline")
] + [
    Scenario(
        f"driver/{driver}",
        f"a node on our {driver} driver as the client of libtorrent nodes",
        ("libtorrent", "drivers"),
        our_driver(driver),
    )
    for driver in ("std", "tokio")
] + [
    Scenario("server/dual-stack", "libtorrent through either family of our nodes", ("libtorrent",), dual_stack),
    Scenario(
        "client/libtorrent-ipv6",
        "our program as the client of libtorrent nodes on ::1",
        ("libtorrent",),
        our_client("libtorrent", V6),
    ),
    Scenario("limits/libtorrent", "libtorrent's stock limits do not ban us", ("libtorrent", "namespace"), stock_limits),
    Scenario("server/jech", "transmission's DHT in a network of our nodes", ("transmission", "namespace"), jech),
    Scenario("matrix", "all four in one network: who reads what whom wrote", EVERYBODY[1:], matrix),
]
