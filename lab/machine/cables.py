# SPDX-License-Identifier: EUPL-1.2
"""The namespaces of a machine under test: its own with uplink and radio, and one for a guest on that radio.

From here to the guest: ours ──── wan0, the machine, lan0 ──── air0, the guest.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True)
class Cables:
    """Names and addresses. `here` is our end of the uplink, `machine` the other; both in a /30 of their own."""

    name: str
    here: IPv4Address
    machine: IPv4Address

    @property
    def machine_namespace(self) -> str:
        """The namespace that the machine boots in."""
        return f"{self.name}m"

    @property
    def guest_namespace(self) -> str:
        """The namespace of somebody on its WiFi."""
        return f"{self.name}g"

    def as_guest(self, words: Sequence[str]) -> list[str]:
        """Return the words that run a command as the guest."""
        return ["ip", "netns", "exec", self.guest_namespace, *words]


@contextmanager
def laid(which: int = 0) -> Iterator[Cables]:
    """Lay the cables of a machine; names and addresses come from our process id, so that runs live side by side.

    A run with several machines numbers them from 0 to 3.
    """
    number = os.getpid() * 4 + which
    # RFC 2544's network for tests of devices; nobody routes it.
    network = list(IPv4Network("198.18.0.0/16").subnets(new_prefix=30))[number % 16384]
    here, machine = network.hosts()
    cables = Cables(f"pv{number}", here, machine)
    try:
        _lay(cables)
        yield cables
    finally:
        _ip("link", "del", f"{cables.name}u", check=False)
        for namespace in (cables.machine_namespace, cables.guest_namespace):
            _ip("netns", "del", namespace, check=False)


LINK = "site0"
"""The interface of the cable between the two of a pair."""


def join_as_pair(one: Cables, two: Cables) -> tuple[str, str]:
    """Put the radios of two machines on one network of guests, `one`'s, and a cable between the two.

    Return their addresses on that cable. What belongs to `one`'s namespaces goes with them.
    """
    air = one.guest_namespace
    _ip("-n", air, "link", "set", "air0", "name", "port1", "down")
    _ip("-n", two.guest_namespace, "link", "set", "air0", "down")
    _ip("-n", two.guest_namespace, "link", "set", "air0", "name", "port2", "netns", air)
    _ip("-n", air, "link", "add", "air0", "type", "bridge", "mcast_snooping", "0")
    for port in ("port1", "port2"):
        _ip("-n", air, "link", "set", port, "master", "air0", "up")
    _ip("-n", air, "link", "set", "air0", "up")
    ends = (one.machine_namespace, two.machine_namespace)
    _ip("-n", ends[0], "link", "add", LINK, "type", "veth", "peer", "name", LINK, "netns", ends[1])
    addresses = ("192.0.2.1", "192.0.2.2")  # RFC 5737
    for place, address in zip(ends, addresses, strict=True):
        _ip("-n", place, "addr", "add", f"{address}/30", "dev", LINK)
        _ip("-n", place, "link", "set", LINK, "up")
    # Two machines on one wire are told apart by their addresses there.
    _ip("-n", ends[1], "link", "set", "lan0", "address", "02:00:00:71:00:03")
    return addresses


def _lay(cables: Cables) -> None:
    machine, guest, up = cables.machine_namespace, cables.guest_namespace, f"{cables.name}u"
    for namespace in (machine, guest):
        _ip("netns", "add", namespace)
        _ip("-n", namespace, "link", "set", "lo", "up")
    # Fixed addresses of the links: a machine that boots would give its ends new ones, and ours remembers the old.
    wan = ["peer", "name", "wan0", "address", "02:00:00:70:00:02", "netns", machine]
    _ip("link", "add", up, "address", "02:00:00:70:00:01", "type", "veth", *wan)
    air = ["peer", "name", "air0", "address", "02:00:00:71:00:02", "netns", guest]
    _ip("-n", machine, "link", "add", "lan0", "address", "02:00:00:71:00:01", "type", "veth", *air)
    _ip("addr", "add", f"{cables.here}/30", "dev", up)
    _ip("link", "set", up, "up")
    _ip("-n", machine, "addr", "add", f"{cables.machine}/30", "dev", "wan0")
    _ip("-n", machine, "link", "set", "wan0", "up")
    _ip("-n", machine, "route", "add", "default", "via", str(cables.here))
    _ip("-n", guest, "link", "set", "air0", "up")


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, stderr=None if check else subprocess.DEVNULL)
