"""A network of its own for a scenario: addresses as on the Internet, and nothing of it leaves the machine.

On loopback everybody shares one address, so no rule about addresses can be tried, and some implementations refuse
127/8 altogether. In a network namespace of Linux the whole of 10/8 can belong to the loopback device: each node has an
address and a network of its own, and the rules for public networks hold.
"""

import ctypes
import os
from contextlib import contextmanager

from install import Missing
from processes import run

CLONE_NEWNET = 0x40000000
# Where a program sends from that did not choose an address.
DEFAULT_SOURCE = "10.200.0.1"


@contextmanager
def private_network():
    """Processes and sockets that are made inside live in the namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    outside = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            raise Missing(f"no network namespace, which takes root: {os.strerror(ctypes.get_errno())}")
        try:
            for command in (
                "ip link set lo up",
                f"ip address add {DEFAULT_SOURCE}/32 dev lo",
                f"ip route add local 10.0.0.0/8 dev lo src {DEFAULT_SOURCE}",
            ):
                code, _, errors = run(command.split(), 10)
                if code != 0:
                    raise Missing(f"`{command}` failed: {errors.strip()}")
            yield
        finally:
            libc.setns(outside, CLONE_NEWNET)
    finally:
        os.close(outside)


def host(network):
    """An address in a /24 of its own."""
    return f"10.{network // 256}.{network % 256}.1"
