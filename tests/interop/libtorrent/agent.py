"""libtorrent behind the agent protocol of tests/interop/README.md.

    agent.py [--nodes N] [--bind ADDRESS [--spread]] [--bootstrap HOST:PORT]... [--limits relaxed|stock]
             [--lifetime SECONDS]

N sessions, meshed through the first one, which also carries out the requests. A session is a node like any other: it
answers queries for as long as the process lives. With --spread each has an address in
a /24 of its own, counted up from the one that is given.
"""

import argparse
import hashlib
import ipaddress
import json
import os
import sys
import threading
import time

import libtorrent as lt
from nacl.signing import SigningKey

# libtorrent distrusts crowds that share one address, and floods. On loopback everybody shares one, so unless the limits
# are to be `stock` these rules go: with them hardly any node would enter its table.
RELAXED = {
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_enforce_node_id": False,
    "dht_prefer_verified_node_ids": False,
    "dht_ignore_dark_internet": False,
    "dht_block_ratelimit": 100_000,
    "dht_block_timeout": 1,
    "dht_upload_rate_limit": 100_000_000,
}
QUIET = {
    "enable_dht": True,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_tcp": False,
    "enable_outgoing_tcp": False,
    "alert_queue_size": 100_000,
    "alert_mask": lt.alert.category_t.dht_notification
    | lt.alert.category_t.dht_operation_notification
    | lt.alert.category_t.error_notification
    | lt.alert.category_t.status_notification
    | lt.alert.category_t.stats_notification,
}


class Failure(Exception):
    """The operation was carried out and did not succeed."""


def make_session(options, number, bootstrap):
    address = str(ipaddress.ip_address(options.bind) + (256 * number if options.spread else 0))
    address = address if ":" not in address else f"[{address}]"
    settings = dict(QUIET)
    if options.limits == "relaxed":
        settings.update(RELAXED)
    settings["listen_interfaces"] = f"{address}:0"
    settings["dht_bootstrap_nodes"] = ",".join(bootstrap)
    session = lt.session(settings)
    deadline = time.monotonic() + 10
    while session.listen_port() == 0:
        if time.monotonic() > deadline:
            raise Failure("a session did not open its port")
        time.sleep(0.01)
    return session, f"{address}:{session.listen_port()}"


class Agent:
    def __init__(self, options):
        self.sessions, self.addresses = [], []
        for number in range(options.nodes):
            bootstrap = options.bootstrap + self.addresses[:1]
            session, address = make_session(options, number, bootstrap)
            self.sessions.append(session)
            self.addresses.append(address)
        self.session = self.sessions[0]
        # A bootstrap node is never entered into a table, and a table fills by one ping in five seconds. So the swarm is
        # made known to itself: each session hears of its neighbours in a ring.
        for i, session in enumerate(self.sessions):
            for step in range(1, min(5, options.nodes)):
                host, port = self.addresses[(i + step) % options.nodes].rsplit(":", 1)
                session.add_dht_node((host.strip("[]"), int(port)))

    def wait(self, wanted, seconds):
        """The first alert of our own session that `wanted` accepts."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.session.wait_for_alert(50)
            for alert in self.session.pop_alerts():
                if wanted(alert):
                    return alert
        raise Failure("no answer in time")

    def table_sizes(self):
        sizes = []
        for session in self.sessions:
            session.post_session_stats()
            deadline, size = time.monotonic() + 3, 0
            while time.monotonic() < deadline:
                session.wait_for_alert(50)
                stats = [a for a in session.pop_alerts() if isinstance(a, lt.session_stats_alert)]
                if stats:
                    size = stats[-1].values["dht.dht_nodes"]
                    break
            sizes.append(size)
        return sizes

    # ---- operations ----

    def join(self, least=1, seconds=20):
        """Waits until every session knows `least` nodes."""
        deadline = time.monotonic() + seconds
        while True:
            sizes = self.table_sizes()
            if min(sizes) >= least:
                return {"nodes": sizes}
            if time.monotonic() > deadline:
                raise Failure(f"tables hold {sizes}")
            time.sleep(0.2)

    def sample(self, address, target=None):
        host, port = address.rsplit(":", 1)
        target = bytes.fromhex(target) if target else os.urandom(20)
        self.session.dht_sample_infohashes((host.strip("[]"), int(port)), lt.sha1_hash(target))
        alert = self.wait(lambda a: isinstance(a, lt.dht_sample_infohashes_alert), 10)
        return {"num": alert.num_infohashes, "samples": alert.num_samples, "nodes": alert.num_nodes}

    def announce(self, info_hash, port):
        self.session.dht_announce(lt.sha1_hash(bytes.fromhex(info_hash)), port, 0)
        return {}

    def peers(self, info_hash):
        wanted = lt.sha1_hash(bytes.fromhex(info_hash))
        self.session.pop_alerts()
        self.session.dht_get_peers(wanted)
        alert = self.wait(
            lambda a: isinstance(a, lt.dht_get_peers_reply_alert) and a.info_hash == wanted and a.num_peers() > 0, 1
        )
        return {"peers": [f"{host}:{port}" for host, port in alert.peers()]}

    def put_immutable(self, value):
        target = self.session.dht_put_immutable_item(bytes.fromhex(value))
        alert = self.wait(lambda a: isinstance(a, lt.dht_put_alert) and a.target == target, 30)
        return {"target": str(target), "stored": self.stored(alert)}

    def get_immutable(self, target):
        wanted = lt.sha1_hash(bytes.fromhex(target))
        self.session.dht_get_immutable_item(wanted)
        alert = self.wait(lambda a: isinstance(a, lt.dht_immutable_item_alert) and a.target == wanted, 30)
        return {"value": as_hex(alert.item)}

    def put_mutable(self, seed, value, salt="", seq=None, cas=None):
        if cas is not None:
            raise Failure("libtorrent takes no cas")
        key = SigningKey(bytes.fromhex(seed))
        public = bytes(key.verify_key)
        # The binding wants the expanded secret: the hash of the seed, its first half clamped.
        secret = bytearray(hashlib.sha512(bytes(key)).digest())
        secret[0] &= 0xF8
        secret[31] = (secret[31] & 0x3F) | 0x40
        salt = bytes.fromhex(salt)
        self.session.dht_put_mutable_item(bytes(secret), public, bytes.fromhex(value), salt)
        alert = self.wait(lambda a: isinstance(a, lt.dht_put_alert) and same_item(a, public, salt), 30)
        # libtorrent chooses the sequence number: the highest it saw and one.
        if seq is not None and alert.seq != seq:
            raise Failure(f"seq {alert.seq} where {seq} was expected")
        return {"key": public.hex(), "seq": alert.seq, "stored": self.stored(alert)}

    def get_mutable(self, key, salt="", enough=None):
        """The version that a whole lookup calls the newest, or the first with a sequence number that is `enough`."""
        public, salt = bytes.fromhex(key), bytes.fromhex(salt)

        def wanted(alert):
            return (
                isinstance(alert, lt.dht_mutable_item_alert)
                and as_bytes(alert.key) == public
                and as_bytes(alert.salt) == salt
                and (alert.authoritative or (enough is not None and alert.seq >= enough))
            )

        self.session.dht_get_mutable_item(public, salt)
        alert = self.wait(wanted, 30)
        if alert.item in (None, "", b""):
            raise Failure("nobody has it")
        return {"value": as_hex(alert.item), "seq": alert.seq}

    @staticmethod
    def stored(alert):
        if alert.num_success == 0:
            raise Failure("no node stored it")
        return alert.num_success


def same_item(alert, public, salt):
    return as_bytes(alert.public_key) == public and as_bytes(alert.salt) == salt


def as_bytes(value):
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)


def as_hex(item):
    if not isinstance(item, (bytes, str)):
        raise Failure(f"an item of another type: {item!r}")
    return (item.encode() if isinstance(item, str) else item).hex()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--spread", action="store_true")
    parser.add_argument("--bootstrap", action="append", default=[])
    parser.add_argument("--limits", choices=["relaxed", "stock"], default="relaxed")
    parser.add_argument("--lifetime", type=float, default=600)
    options = parser.parse_args()
    watchdog = threading.Timer(options.lifetime, os._exit, [3])
    watchdog.daemon = True
    watchdog.start()

    agent = Agent(options)
    version = lt.__version__.removesuffix(".0")  # it counts four numbers, the package three
    print(json.dumps({"implementation": f"libtorrent {version}", "addresses": agent.addresses}), flush=True)
    operations = {"join", "sample", "announce", "peers", "put_immutable", "get_immutable", "put_mutable", "get_mutable"}
    for line in sys.stdin:
        request = json.loads(line)
        operation = request.pop("op")
        try:
            if operation not in operations:
                raise Failure(f"libtorrent's binding has no {operation}")
            answer = {"ok": True, **getattr(agent, operation)(**request)}
        except Failure as failure:
            answer = {"ok": False, "error": str(failure)}
        print(json.dumps(answer), flush=True)
    os._exit(0)  # a session in destruction waits for its trackers


if __name__ == "__main__":
    main()
