"""A network of libtorrent sessions on loopback, timed from inside.

    libtorrent_network.py SESSIONS

Prints one line of JSON when the sessions know each other, then answers one request a line:
    {"op": "put", "node": 3, "seed": "..", "public": "..", "value": ".."}   ->  {"ms": 1.3}
    {"op": "get", "node": 5, "public": ".."}                                ->  {"ms": 0.5}
Bytes are hex. A put is timed until libtorrent says that it is
done, a get until the first copy is there; the rest of the get is waited for, not timed. Ends with its input.
"""

import hashlib
import json
import os
import sys
import time

import libtorrent as lt

# libtorrent distrusts crowds that share one address; on loopback everybody does.
SETTINGS = {
    "enable_dht": True,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_tcp": False,
    "enable_outgoing_tcp": False,
    "listen_interfaces": "127.0.0.1:0",
    "dht_bootstrap_nodes": "",
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_enforce_node_id": False,
    "dht_prefer_verified_node_ids": False,
    "dht_ignore_dark_internet": False,
    "dht_block_ratelimit": 100_000,
    "dht_block_timeout": 1,
    "dht_upload_rate_limit": 100_000_000,
    "alert_mask": lt.alert.category_t.dht_notification | lt.alert.category_t.stats_notification,
}
# A table fills by what it is told: each session hears of so many others.
NEIGHBOURS = 16


def resident_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def start(count):
    sessions = [lt.session(SETTINGS) for _ in range(count)]
    deadline = time.monotonic() + 30
    while any(session.listen_port() == 0 for session in sessions) and time.monotonic() < deadline:
        time.sleep(0.01)
    for i, session in enumerate(sessions):
        for step in range(1, min(NEIGHBOURS, count - 1) + 1):
            # Ever larger steps round the ring reach everybody in a few hops.
            other = sessions[(i + step * (step + 1) // 2) % count]
            if other is not session:
                session.add_dht_node(("127.0.0.1", other.listen_port()))
    return sessions


def known(session):
    """Contacts in a session's table."""
    session.post_session_stats()
    wanted = wait([session], lambda alert: isinstance(alert, lt.session_stats_alert), 3)
    return 0 if wanted is None else wanted.values["dht.dht_nodes"]


def wait(sessions, wanted, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for session in sessions:
            session.wait_for_alert(20)
            for alert in session.pop_alerts():
                if wanted(alert):
                    return alert
    return None


def as_bytes(value):
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)


def expanded(seed):
    """The secret key as the binding wants it: the hash of the seed, its first half clamped."""
    secret = bytearray(hashlib.sha512(seed).digest())
    secret[0] &= 0xF8
    secret[31] = (secret[31] & 0x3F) | 0x40
    return bytes(secret)


def put(session, request):
    public, secret = bytes.fromhex(request["public"]), expanded(bytes.fromhex(request["seed"]))
    value = bytes.fromhex(request["value"])
    session.pop_alerts()
    begin = time.perf_counter()
    session.dht_put_mutable_item(secret, public, value, b"")
    done = wait([session], lambda a: isinstance(a, lt.dht_put_alert) and as_bytes(a.public_key) == public, 10)
    ms = (time.perf_counter() - begin) * 1000
    return {"ms": ms} if done is not None and done.num_success > 0 else {"error": "nobody stored it"}


def get(session, request):
    public = bytes.fromhex(request["public"])
    session.pop_alerts()
    begin = time.perf_counter()
    session.dht_get_mutable_item(public, b"")
    first, last = [], []

    def seen(alert):
        if isinstance(alert, lt.dht_mutable_item_alert) and as_bytes(alert.key) == public:
            if alert.item not in (None, "", b"") and not first:
                first.append((time.perf_counter() - begin) * 1000)
            if alert.authoritative:
                last.append(alert)
        return bool(last)

    wait([session], seen, 10)
    return {"ms": first[0]} if first else {"error": "nobody has it"}


def main():
    count = int(sys.argv[1])
    before = resident_kb()
    sessions = start(count)
    enough, deadline = min(8, count - 1), time.monotonic() + 60
    while (least := min(map(known, sessions))) < enough and time.monotonic() < deadline:
        time.sleep(0.5)
    growth = resident_kb() - before
    print(json.dumps({"version": lt.__version__, "contacts": least, "growth_kb": growth}), flush=True)
    operations = {"put": put, "get": get}
    for line in sys.stdin:
        request = json.loads(line)
        session = sessions[request["node"] % count]
        print(json.dumps(operations[request["op"]](session, request)), flush=True)
    os._exit(0)  # a session in destruction waits for its trackers


if __name__ == "__main__":
    main()
