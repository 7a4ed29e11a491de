# SPDX-License-Identifier: EUPL-1.2
"""The advertiser's ends on one zone: its raw socket for router advertisements, and what it overhears there.

An interface may come, go and come again; each zone has its own schedule, so that a lost one silences no other.
"""

from __future__ import annotations

import selectors
import socket
import struct
from typing import TYPE_CHECKING

from edge_core import clock, logs
from edge_core.errors import NetworkError
from gateway_agent import network, ra
from gateway_agent.overheard import Overheard

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv6Address

    from edge_core.settings_sections import Zone

_log = logs.get(__name__)
_REOPEN_SECONDS = 2.0
_ALL_NODES, _ALL_ROUTERS = "ff02::1", "ff02::2"
_ICMP6_FILTER = 1
_RECEIVE_HOP_LIMIT, _HOP_LIMIT = 51, 52  # IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT
_PACKET_INFO = 50  # IPV6_PKTINFO
_BUDGET = 64
"""Solicitations read at once: a flood of them must not keep us from the rest."""


class Link:
    """What is held open on one zone's interface."""

    def __init__(
        self,
        zone: Zone,
        selector: selectors.BaseSelector,
        chance: Callable[[], float],
        source: IPv6Address | None = None,
    ) -> None:
        """Open nothing yet. `source`: the link-local address to speak from; None: the interface's own."""
        self.zone, self._source = zone, source
        self.silent = False
        """Whether another gateway speaks for this one."""
        self.schedule = ra.Schedule(chance)
        self.sent = self.failed = 0
        self.overheard: Overheard | None = None
        self._selector = selector
        self._radio: socket.socket | None = None
        self._open_due = 0.0

    @property
    def is_open(self) -> bool:
        """Whether anything is heard or said here."""
        return self._radio is not None or self.overheard is not None

    @property
    def due(self) -> float:
        """The moment at which something is to be done next."""
        return min(self._open_due, self.schedule.due) if self._radio and not self.silent else self._open_due

    def tend(self, moment: float, url: str) -> None:
        """Open what is not open, say what is due."""
        if moment >= self._open_due:
            self._open_due = moment + _REOPEN_SECONDS
            self._open()
        if self._radio and not self.silent and moment >= self.schedule.due:
            self._speak(moment, url)

    def close(self) -> None:
        """Close what is open."""
        for held in (self._radio, self.overheard):
            if held is not None:
                self._selector.unregister(held)
                held.close()
        self._radio = self.overheard = None

    def _open(self) -> None:
        try:
            if self.overheard is None:
                self.overheard = Overheard(self.zone.interface)
                self._selector.register(self.overheard, selectors.EVENT_READ, self._overhear)
            if self._radio is None and self.zone.ipv6:
                self._radio = open_radio(self.zone.interface)
                self._selector.register(self._radio, selectors.EVENT_READ, self._hear)
                self.schedule.changed()
        except PermissionError as error:
            raise NetworkError(
                "Router advertisements need a raw socket, which this process may not open.",
                remedy="Run it as root, inside `unshare -Urnm`, or with AmbientCapabilities=CAP_NET_RAW.",
            ) from error
        except OSError as error:
            self._count_failure("link_not_ready", error)

    def _hear(self) -> None:
        """Take in solicitations."""
        for _ in range(_BUDGET):
            if self._radio is None:
                return
            try:
                message, extra, _, sender = self._radio.recvmsg(1500, 64)
            except BlockingIOError:
                return
            except OSError as error:
                self._lost(error)
                return
            address = sender[0].partition("%")[0]
            nameless = address == "::"
            if not self.silent and ra.solicits(message, _hop_limit(extra), nameless=nameless):
                self.schedule.asked("" if nameless else address, clock.monotonic())

    def _overhear(self) -> None:
        try:
            fresh = self.overheard.follow() if self.overheard else set()
        except OSError as error:
            self._lost(error)
            return
        for kind in sorted(fresh):
            _log.warning("guest_plays_gateway", kind=kind, remedy="`parvis status --json` names the device.")

    def _speak(self, moment: float, url: str) -> None:
        """Send what is due."""
        to_all, ready = self.schedule.take(moment)
        try:
            message = ra.encode(advert(self.zone, url))
            scope = socket.if_nametoindex(self.zone.interface)
            for receiver in [*([_ALL_NODES] if to_all else []), *ready]:
                self._send(message, receiver, scope)
        except OSError as error:
            self.schedule.failed(moment)
            self._lost(error)

    def _send(self, message: bytes, receiver: str, scope: int) -> None:
        """Send one; whoever asked and can't be reached is no reason to stop."""
        if self._radio is None:
            return
        try:
            self._radio.sendmsg([message], _from(self._source, scope), 0, (receiver, 0, 0, scope))
            self.sent += 1
        except OSError as error:
            if receiver == _ALL_NODES:
                raise
            self._count_failure("answer_failed", error)

    def _lost(self, error: OSError) -> None:
        self._count_failure("link_lost", error)
        self.close()
        self._open_due = clock.monotonic() + _REOPEN_SECONDS / 2

    def _count_failure(self, name: str, error: OSError) -> None:
        self.failed += 1
        if self.failed % 100 == 1:
            _log.warning(name, interface=self.zone.interface, reason=error.strerror)


def advert(zone: Zone, url: str) -> ra.Advert:
    """Return what we say. Raises OSError where the interface is gone."""
    if zone.ipv6 is None:
        raise NetworkError(f"The zone {zone.id} has no ipv6, so there is nothing to advertise.")
    return ra.Advert(zone.ipv6, network.link_address(zone.interface), url)


def open_radio(interface: str) -> socket.socket:
    """Return a raw ICMPv6 socket of one interface that hears solicitations alone (RFC 3542). Raises OSError."""
    radio = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMPV6)
    try:
        radio.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        blocked = bytearray(b"\xff" * 32)
        blocked[ra.SOLICITATION // 32 * 4 : ra.SOLICITATION // 32 * 4 + 4] = struct.pack(
            "=I", 0xFFFFFFFF & ~(1 << ra.SOLICITATION % 32)
        )
        radio.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, bytes(blocked))
        radio.setsockopt(socket.IPPROTO_IPV6, _RECEIVE_HOP_LIMIT, 1)
        for option in (socket.IPV6_MULTICAST_HOPS, socket.IPV6_UNICAST_HOPS):
            radio.setsockopt(socket.IPPROTO_IPV6, option, 255)
        radio.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        group = socket.inet_pton(socket.AF_INET6, _ALL_ROUTERS) + struct.pack("=I", socket.if_nametoindex(interface))
        radio.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    except OSError:
        radio.close()
        raise
    return radio


def _from(source: IPv6Address | None, scope: int) -> list[tuple[int, int, bytes]]:
    """Return what makes a message come from `source` (RFC 3542 section 6.2)."""
    return [(socket.IPPROTO_IPV6, _PACKET_INFO, source.packed + struct.pack("=I", scope))] if source else []


def say_farewell(zone: Zone) -> bool:
    """Tell all guests of a zone that this is no router any more; False where that can't be said."""
    if zone.ipv6 is None:
        return True
    try:
        with open_radio(zone.interface) as radio:
            scope = socket.if_nametoindex(zone.interface)
            radio.sendto(ra.farewell(advert(zone, "")), (_ALL_NODES, 0, 0, scope))
    except OSError:
        return False
    return True


def _hop_limit(extra: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in extra:
        if level == socket.IPPROTO_IPV6 and kind == _HOP_LIMIT and len(data) >= 4:
            return int(struct.unpack("=i", data[:4])[0])
    return -1
