"""Datagrams of real peers, both ways, for the codec's offline tests (`run --capture FILE`).

A raw socket on the loopback device sees everything. Of each sender one datagram is kept for each kind and each set of
keys; a peer is known by the addresses that its agent named, and whoever talks with a peer and is none is one of ours.
"""

import json
import socket
import struct
import threading

OURS = "honeyguide"
ETHERNET = 14
OUTGOING = 4  # the loopback device shows every packet twice


class Capture:
    def __init__(self, path):
        self.path = path
        self.kept = {}
        self.packets = []
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.raw.bind(("lo", 0))
        self.raw.settimeout(0.2)
        self.open = True
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        while self.open:
            try:
                frame, source = self.raw.recvfrom(65535)
            except TimeoutError:
                continue
            if source[2] != OUTGOING:
                packet = udp(frame[ETHERNET:])
                if packet:
                    self.packets.append(packet)

    def scenario_done(self, peers):
        """Sorts out what went over the wire while these addresses belonged to these implementations."""
        packets, self.packets = self.packets, []
        for source, destination, payload in packets:
            sender, receiver = peers.get(source, OURS), peers.get(destination, OURS)
            if (sender == OURS) == (receiver == OURS):
                continue
            described = describe(payload)
            if described:
                kind, keys = described
                record = {"sender": sender, "receiver": receiver, "kind": kind, "hex": payload.hex()}
                self.kept.setdefault((sender, receiver, kind, keys), record)

    def write(self):
        self.open = False
        self.thread.join()
        with open(self.path, "w", encoding="utf-8") as file:
            for key in sorted(self.kept):
                file.write(json.dumps(self.kept[key]) + "\n")
        return len(self.kept)


def udp(packet):
    """(source, destination, payload) of a UDP packet, addresses as the agents write them."""
    if packet[0] >> 4 == 4 and packet[9] == socket.IPPROTO_UDP:
        at = (packet[0] & 15) * 4
        hosts = [socket.inet_ntoa(packet[i : i + 4]) for i in (12, 16)]
    elif packet[0] >> 4 == 6 and packet[6] == socket.IPPROTO_UDP:
        at = 40
        hosts = [f"[{socket.inet_ntop(socket.AF_INET6, packet[i:i + 16])}]" for i in (8, 24)]
    else:
        return None
    ports = struct.unpack(">HH", packet[at : at + 4])
    (source, destination) = (f"{host}:{port}" for host, port in zip(hosts, ports))
    return source, destination, packet[at + 8 :]


def describe(payload):
    """Kind and keys of a KRPC message; None for anything else."""
    try:
        message, end = bencode(payload, 0)
        if end != len(payload) or not isinstance(message, dict):
            return None
        letter = message[b"y"]
        if letter == b"q":
            kind, inner = "query " + message[b"q"].decode(), message[b"a"]
        elif letter == b"r":
            kind, inner = "response", message[b"r"]
        else:
            kind, inner = f"error {message[b'e'][0]}", {}
        shape = [key.decode("latin-1") for part in (message, inner) for key in part]
        return kind, " ".join(shape)
    except (KeyError, IndexError, ValueError, TypeError):
        return None


def bencode(data, at):
    first = data[at : at + 1]
    if first == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if first in (b"l", b"d"):
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = bencode(data, at)
            items.append(item)
        return (items if first == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    if end > len(data):
        raise ValueError("past the end")
    return data[colon + 1 : end], end
