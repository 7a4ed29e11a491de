# SPDX-License-Identifier: EUPL-1.2
"""Which devices are on the guests' side: the kernel's neighbour table, followed by its events (rtnetlink(7)).

A phone that left says nothing, so the kernel is asked to try those that were silent for a while (NUD_PROBE).

The kernel's table is bounded, and any guest can fill it with made-up neighbours. The entries of devices with a grant or
a lease are therefore held (NTF_EXT_LEARNED; ip-neighbour(8): extern_learn): they don't count towards the bound and are
never collected, so that what goes first is always the oldest of the others. They are pinned too: a forged ARP can't
lead a session's packets elsewhere.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from edge_core import netlink
from edge_core.netlink import attribute

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_NEW, _DELETED, _GET = 28, 29, 30  # RTM_*NEIGH
_GROUP = 3  # RTNLGRP_NEIGH
_NDMSG = struct.Struct("=BBHiHBB")  # family, padding, padding, interface, state, flags, type
_DESTINATION, _LINK_ADDRESS = 1, 2  # NDA_*
_STALE, _PROBE, _FAILED = 0x04, 0x10, 0x20
_PERMANENT = 0x80
_HERE = 0x02 | _STALE | 0x08 | _PROBE | _PERMANENT  # reachable, stale, delay, probe; ours
_MAC_LENGTH = 6
_MOST = 200_000
"""Entries remembered: a flood of made-up neighbours costs the kernel's own table, not our memory."""
_BUFFER = 4 * 1024 * 1024
_PROBES = 256
_HOLDS = 1024
"""Entries held or let go in one step: some 20 µs each."""
_EXTERNALLY_LEARNED = 0x10  # NTF_EXT_LEARNED


class Neighbour(NamedTuple):
    """One entry: the address in the kernel's bytes, its interface, state (NUD_*), MAC ("" while unknown), if held."""

    address: bytes
    interface: int
    state: int
    mac: str
    held: bool = False

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
        self._granted: set[str] = set()
        self._leased: dict[bytes, str] = {}
        self._unsettled: dict[bytes, None] = {}
        """Addresses that may have to be held or let go."""
        self._gone: dict[bytes, None] = {}
        """Addresses that were held and found gone: the kernel would keep them for ever."""
        self.arrived: set[str] = set()
        """MACs with an address that was not known before; whoever reads them clears them."""
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

    def probe(self, first: Collection[str] = ()) -> int:
        """Ask the kernel to try some silent devices, in turn; return how many. Their answer or failure is an event.

        The MACs of `first` are tried at once, silent or not: somebody says that they have left.
        """
        if not self._queue:
            self._queue = [entry for entry in self._table.values() if entry.state & _STALE or entry.held]
        if first:
            self._queue = [entry for entry in self._table.values() if entry.mac in first] + self._queue
        asked, self._queue = self._queue[:_PROBES], self._queue[_PROBES:]
        for entry in asked:
            flags = _EXTERNALLY_LEARNED if entry.held else 0
            self._change(_NEW, entry._replace(state=_PROBE), flags, netlink.REPLACE)
        return len(asked)

    def hold(self, granted: set[str], leased: Mapping[bytes, str]) -> int:
        """Hold and pin the entries of the devices in `granted` and of leased addresses; return how many were changed.

        `leased` says to which MAC an IPv4 address was given: whoever else claims it is not believed. A pinned entry
        (NUD_PERMANENT) can't be taken over by a forged ARP or neighbour advertisement. Some entries are left for the
        next call where there are many.
        """
        changed, moved = granted ^ self._granted, leased.items() ^ self._leased.items()
        self._granted, self._leased, done = set(granted), dict(leased), 0
        if changed:
            touched = (entry.address for entry in self._table.values() if entry.mac in changed)
            self._unsettled.update(dict.fromkeys(touched))
        self._unsettled.update(dict.fromkeys(address for address, _ in moved))
        while self._unsettled and done < _HOLDS:
            entry = self._table.get(self._unsettled.popitem()[0])
            if entry is not None and self._is_unsettled(entry):
                done += 1
                owner = self._owner(entry)
                pinned = self._is_known(entry, owner)
                entry = entry._replace(mac=owner, held=pinned, state=_PERMANENT if pinned else _STALE)
                self._change(_NEW, entry, _EXTERNALLY_LEARNED if pinned else 0, netlink.REPLACE)
                self._table[entry.address] = entry
        while self._gone:
            self._change(_DELETED, Neighbour(self._gone.popitem()[0], self._index, 0, ""), 0, 0)
        return done

    def _owner(self, entry: Neighbour) -> str:
        return self._leased.get(entry.address, entry.mac)

    def _is_known(self, entry: Neighbour, owner: str) -> bool:
        """Tell whether we know better than the kernel who has this address: by its lease, or by its grant."""
        return entry.address in self._leased or owner in self._granted

    def _is_unsettled(self, entry: Neighbour) -> bool:
        """Tell whether an entry is not as it should be; one that is being tried is left alone until that is over."""
        owner = self._owner(entry)
        if self._is_known(entry, owner):
            trying = entry.held and entry.mac == owner and entry.state & _PROBE
            return not trying and (not entry.held or entry.mac != owner or entry.state != _PERMANENT)
        return entry.held

    def _change(self, kind: int, entry: Neighbour, flags: int, mode: int) -> None:
        family = socket.AF_INET if len(entry.address) == 4 else socket.AF_INET6
        body = _NDMSG.pack(family, 0, 0, self._index, entry.state, flags, 0) + attribute(_DESTINATION, entry.address)
        if entry.mac:
            body += attribute(_LINK_ADDRESS, _bytes(entry.mac))
        try:
            self._kernel.request(kind, body, mode)
        except netlink.NetlinkError as error:
            if error.errno in (errno.EPERM, errno.EACCES):
                raise
            # It left the table in the meantime, which is an event of its own.

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
        known = self._table.get(entry.address)
        if kind == _DELETED or not entry.here:
            self._table.pop(entry.address, None)
            self._unsettled.pop(entry.address, None)
            if kind == _NEW and entry.held and entry.state & _FAILED:
                self._gone[entry.address] = None
            return
        if known is None and len(self._table) >= _MOST:
            self.refused += 1
            return
        if known and known.held and self._is_known(known, known.mac) and entry.mac != known.mac:
            # Only while it was being tried could somebody else claim it: its owner is put back.
            self.refused += 1
            entry = entry._replace(mac=known.mac, held=False)
        if known is None and entry.mac:
            self.arrived.add(entry.mac)
        self._table[entry.address] = entry
        if self._is_unsettled(entry):
            self._unsettled[entry.address] = None


def read(body: bytes) -> Neighbour | None:
    """Return the neighbour of an RTM_*NEIGH message; None where it isn't one of an Ethernet device."""
    if len(body) < _NDMSG.size:
        return None
    _, _, _, index, state, flags, _ = _NDMSG.unpack_from(body)
    found = netlink.attributes(body, _NDMSG.size)
    address, link = found.get(_DESTINATION, b""), found.get(_LINK_ADDRESS, b"")
    if len(address) not in (4, 16) or len(link) not in (0, _MAC_LENGTH):
        return None
    mac = link.hex(":") if link.strip(b"\0") and not link[0] & 1 else ""
    return Neighbour(address, index, state, mac, held=bool(flags & _EXTERNALLY_LEARNED))


def _bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
