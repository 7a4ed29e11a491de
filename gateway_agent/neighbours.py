# SPDX-License-Identifier: EUPL-1.2
"""Which devices are on the guests' side: the kernel's neighbour table, followed by its events (rtnetlink(7)).

A phone that left says nothing, so the kernel is asked to try those that were silent for a while (NUD_PROBE).
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import NamedTuple

from edge_core import netlink
from edge_core.netlink import attribute

_NEW, _DELETED, _GET = 28, 29, 30  # RTM_*NEIGH
_GROUP = 3  # RTNLGRP_NEIGH
_NDMSG = struct.Struct("=BBHiHBB")  # family, padding, padding, interface, state, flags, type
_DESTINATION, _LINK_ADDRESS = 1, 2  # NDA_*
_STALE, _PROBE = 0x04, 0x10
_HERE = 0x02 | _STALE | 0x08 | _PROBE  # reachable, stale, delay, probe
_MAC_LENGTH = 6
_MOST = 200_000
"""Entries remembered: a flood of made-up neighbours costs the kernel's own table, not our memory."""
_BUFFER = 4 * 1024 * 1024
_PROBES = 256


class Neighbour(NamedTuple):
    """One entry: the address in the kernel's bytes, its interface, state (NUD_*) and MAC ("" while unknown)."""

    address: bytes
    interface: int
    state: int
    mac: str

    @property
    def here(self) -> bool:
        """Tell whether the device has answered and wasn't found gone since."""
        return bool(self.state & _HERE and self.mac)


class Neighbours:
    """The neighbours of one interface. Following needs no privilege; probing needs CAP_NET_ADMIN."""

    def __init__(self, interface: str) -> None:
        """Read the table and follow it; raises OSError where the interface is missing."""
        self._index = socket.if_nametoindex(interface)
        self._kernel = netlink.Socket(netlink.ROUTE)
        self._events = netlink.Socket(netlink.ROUTE)
        self._events.subscribe(_GROUP, buffer=_BUFFER)
        self._table: dict[bytes, Neighbour] = {}
        self._queue: list[Neighbour] = []
        self.refused = 0
        """Entries that found no room."""
        self._read_all()

    def close(self) -> None:
        """Close both sockets."""
        self._kernel.close()
        self._events.close()

    def fileno(self) -> int:
        """Return the descriptor on which changes arrive, for a selector."""
        return self._events.fileno()

    def follow(self) -> None:
        """Take in what changed; after an overflow, read the whole table again."""
        try:
            for kind, body in self._events.events():
                self._take(kind, body)
        except netlink.NetlinkError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._read_all()

    def present(self) -> set[str]:
        """Return the MACs that are here now."""
        return {entry.mac for entry in self._table.values() if entry.here}

    def probe(self) -> int:
        """Ask the kernel to try some silent devices, in turn; return how many. Their answer or failure is an event."""
        if not self._queue:
            self._queue = [entry for entry in self._table.values() if entry.state & _STALE]
        asked, self._queue = self._queue[:_PROBES], self._queue[_PROBES:]
        for entry in asked:
            family = socket.AF_INET if len(entry.address) == 4 else socket.AF_INET6
            body = _NDMSG.pack(family, 0, 0, self._index, _PROBE, 0, 0) + attribute(_DESTINATION, entry.address)
            try:
                self._kernel.request(_NEW, body + attribute(_LINK_ADDRESS, _bytes(entry.mac)), netlink.REPLACE)
            except netlink.NetlinkError:
                continue  # it left the table in the meantime, which is an event of its own
        return len(asked)

    def _read_all(self) -> None:
        self._table.clear()
        for family in (socket.AF_INET, socket.AF_INET6):
            question = _NDMSG.pack(family, 0, 0, 0, 0, 0, 0) + attribute(8, struct.pack("=I", self._index))
            for body in self._kernel.dump(_GET, question):  # NDA_IFINDEX: only our interface
                self._take(_NEW, body)

    def _take(self, kind: int, body: bytes) -> None:
        entry = read(body)
        if entry is None or entry.interface != self._index:
            return
        if kind == _DELETED or not entry.here:
            self._table.pop(entry.address, None)
        elif len(self._table) < _MOST or entry.address in self._table:
            self._table[entry.address] = entry
        else:
            self.refused += 1


def read(body: bytes) -> Neighbour | None:
    """Return the neighbour of an RTM_*NEIGH message; None where it isn't one of an Ethernet device."""
    if len(body) < _NDMSG.size:
        return None
    _, _, _, index, state, _, _ = _NDMSG.unpack_from(body)
    found = netlink.attributes(body, _NDMSG.size)
    address, link = found.get(_DESTINATION, b""), found.get(_LINK_ADDRESS, b"")
    if len(address) not in (4, 16) or len(link) not in (0, _MAC_LENGTH):
        return None
    return Neighbour(address, index, state, link.hex(":") if link.strip(b"\0") and not link[0] & 1 else "")


def _bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
