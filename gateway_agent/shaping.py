# SPDX-License-Identifier: EUPL-1.2
"""Rates of plans: HTB classes on the interfaces, into which the rules sort the packets of shaped flows (tc-htb(8)).

The hierarchy is there only while somebody has a rate. Whoever has none passes beside the classes.
"""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from edge_core import logs, netlink
from edge_core.netlink import NetlinkError, attribute, nested

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_log = logs.get(__name__)
_NEW_QDISC, _DELETE_QDISC, _GET_QDISC, _NEW_CLASS, _DELETE_CLASS, _GET_CLASS = 36, 37, 38, 40, 41, 42  # RTM_*
_TCMSG = struct.Struct("=BxHiIII")  # family, padding, interface, handle, parent, info
_KIND, _OPTIONS, _PARAMETERS, _INIT = 1, 2, 1, 2  # TCA_KIND, TCA_OPTIONS, TCA_HTB_PARMS, TCA_HTB_INIT
_RATE = struct.Struct("=BBHhHI")  # struct tc_ratespec: …, link layer, …, bytes a second
_ETHERNET = 1  # TC_LINKLAYER_ETHERNET: the kernel then wants no table of transmission times
_ROOT, MAJOR = 0xFFFFFFFF, 0x5041
_TICK_NS = 64
_BURST_SECONDS = 0.005
_SMALLEST_BURST = 3200  # two frames


class Lane(NamedTuple):
    """A class of one session: its minor number, and kilobits a second up and down (0: as fast as it goes).

    `away` is the interface of its zone, "" in the first zone.
    """

    minor: int
    up: int
    down: int
    away: str = ""

    @property
    def handle(self) -> int:
        """The class's whole number, as the rules' map tells it."""
        return MAJOR << 16 | self.minor


class Shaper:
    """The classes of all interfaces, as far as they are ours. Needs CAP_NET_ADMIN."""

    def __init__(self, guests: Sequence[str], wan: str) -> None:
        """Open the socket and read which classes an earlier agent left."""
        self._kernel = netlink.Socket(netlink.ROUTE)
        self._down, self._up = guests[0], wan
        self._there = {name: self._read(name) for name in (*guests, wan)}
        self.refused = False
        """Whether the kernel lacks HTB, or an interface has a queue of somebody else's."""

    def close(self) -> None:
        """Close the socket; the classes stay."""
        self._kernel.close()

    def open(self, lanes: Iterable[Lane]) -> None:
        """Make classes, or give them another rate. A kernel that can't is told once in the log, and not fatal."""
        for lane in lanes:
            for interface, rate in ((self._up, lane.up), (lane.away or self._down, lane.down)):
                if rate and self._there[interface].get(lane.minor) != rate:
                    self._try(interface, lane.minor, rate)

    def keep_only(self, lanes: Iterable[Lane]) -> None:
        """Remove every class that belongs to none of these, and the hierarchy itself when none is left."""
        kept = {lane.minor for lane in lanes}
        self.shut({minor for there in self._there.values() for minor in there} - kept)
        for interface, there in self._there.items():
            if not there and self._ours(interface):
                self._remove(_DELETE_QDISC, _head(interface, 0, _ROOT))

    def shut(self, minors: Iterable[int]) -> None:
        """Remove classes by their minor numbers; what waits in them is dropped, as its session is over."""
        for minor in minors:
            for interface, there in self._there.items():
                if there.pop(minor, None) is not None:
                    self._remove(_DELETE_CLASS, _head(interface, minor, 0))

    def _try(self, interface: str, minor: int, rate: int) -> None:
        try:
            if not self._there[interface] and not self._ours(interface):
                version = nested(_OPTIONS, attribute(_INIT, struct.pack("=5I", 3, 10, 0, 0, 0)))
                self._make(_NEW_QDISC, _head(interface, 0, _ROOT), version)
            options = nested(_OPTIONS, attribute(_PARAMETERS, parameters(rate)))
            self._make(_NEW_CLASS, _head(interface, minor, MAJOR << 16), options)
            self._there[interface][minor] = rate
        except (NetlinkError, OSError) as error:
            if not self.refused:
                _log.error("rates_refused", interface=interface, reason=str(error))
            self.refused = True

    def _make(self, kind: int, head: bytes, options: bytes) -> None:
        alone = netlink.EXCLUSIVE if kind == _NEW_QDISC else netlink.REPLACE
        self._kernel.request(kind, head + attribute(_KIND, b"htb\0") + options, netlink.CREATE | alone)

    def _remove(self, kind: int, head: bytes) -> None:
        try:
            self._kernel.request(kind, head)
        except NetlinkError as error:
            if error.errno not in (errno.ENOENT, errno.EINVAL):  # it is gone already
                raise

    def _ours(self, interface: str) -> bool:
        rows = self._kernel.dump(_GET_QDISC, _TCMSG.pack(0, 0, socket.if_nametoindex(interface), 0, 0, 0))
        found = (_TCMSG.unpack_from(row) for row in rows)
        index = socket.if_nametoindex(interface)
        return any(where == index and handle == MAJOR << 16 for _, _, where, handle, _, _ in found)

    def _read(self, interface: str) -> dict[int, int]:
        """Return the rates of our classes by their minor number."""
        rows = self._kernel.dump(_GET_CLASS, _TCMSG.pack(0, 0, socket.if_nametoindex(interface), 0, 0, 0))
        found = {}
        for row in rows:
            handle = _TCMSG.unpack_from(row)[3]
            options = netlink.attributes(netlink.attributes(row, _TCMSG.size).get(_OPTIONS, b""))
            if handle >> 16 == MAJOR and _PARAMETERS in options:
                found[handle & 0xFFFF] = _RATE.unpack_from(options[_PARAMETERS])[5] * 8 // 1000
        return found


def remove(interfaces: Iterable[str]) -> None:
    """Take our hierarchies away; an interface that is gone has none."""
    for interface in interfaces:
        with suppress(OSError):
            shaper = Shaper([interface], interface)
            shaper.keep_only([])
            shaper.close()


def _head(interface: str, minor: int, parent: int) -> bytes:
    return _TCMSG.pack(0, 0, socket.if_nametoindex(interface), MAJOR << 16 | minor, parent, 0)


def parameters(rate: int) -> bytes:
    """Return struct tc_htb_opt for `rate` kilobits a second: no more than that, with a burst of 5 ms."""
    speed = rate * 1000 // 8
    burst = max(_SMALLEST_BURST, int(speed * _BURST_SECONDS))
    ticks = burst * 1_000_000_000 // speed // _TICK_NS
    spec = _RATE.pack(0, _ETHERNET, 0, 0, 0, min(speed, 0xFFFFFFFF))
    quantum = min(60_000, max(1514, speed // 100))
    return spec + spec + struct.pack("=5I", ticks, ticks, quantum, 0, 0)
