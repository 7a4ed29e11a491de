# SPDX-License-Identifier: EUPL-1.2
"""Router advertisements: what stands in them and when they are due; pure, the clock and chance are arguments."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv6Interface

SOLICITATION, ADVERTISEMENT = 133, 134
ROUTER_SECONDS = 1800
"""Router lifetime (RFC 4861, 6.2.1): three times the longest interval."""
LONGEST_INTERVAL, SHORTEST_INTERVAL = 600.0, 200.0
_INITIAL, _INITIAL_INTERVAL = 3, 16.0
_MIN_GAP = 3.0
"""Between two advertisements to all (MIN_DELAY_BETWEEN_RAS)."""
_LONGEST_DELAY = 0.5
"""Before an answer (MAX_RA_DELAY_TIME): routers of one link must not answer all at once."""
_MOST_WAITING = 1024
_VALID_AT_END = 7200
"""What hosts believe at least of a shortened valid lifetime (RFC 4862, 5.5.3)."""
_HEADER = struct.Struct("!BBHBBHII")
_PREFIX = struct.Struct("!BBBBIII16s")
_OTHER = 0x40
"""The O flag: names' servers and the portal are told by DHCPv6 too."""
_ON_LINK_AUTONOMOUS = 0xC0
_LONGEST_URL = 2038
"""Bytes that the option's length field, in units of eight, can carry (RFC 8910, 2.3)."""


class Advert(NamedTuple):
    """What a router says: the gateway's address in its prefix, its link address, the API's address ("": none)."""

    address: IPv6Interface
    link_address: bytes
    url: str = ""


def encode(advert: Advert) -> bytes:
    """Return the ICMPv6 message, its checksum left to the kernel (RFC 4861, 4.2; RFC 8106; RFC 8910)."""
    return _message(advert, ROUTER_SECONDS, ROUTER_SECONDS * 2, ROUTER_SECONDS)


def farewell(advert: Advert) -> bytes:
    """Return the message that says: route by us no more (RFC 4861, 6.2.5), and use our prefix for nothing new."""
    return _message(advert._replace(url=""), 0, _VALID_AT_END, 0)


def _message(advert: Advert, router: int, valid: int, preferred: int) -> bytes:
    network = advert.address.network
    prefix = _PREFIX.pack(
        3, 4, network.prefixlen, _ON_LINK_AUTONOMOUS, valid, preferred, 0, network.network_address.packed
    )
    return b"".join(
        [
            _HEADER.pack(ADVERTISEMENT, 0, 0, 64, _OTHER, router, 0, 0),
            bytes([1, 1]) + advert.link_address,
            prefix,
            struct.pack("!BBHI", 25, 3, 0, router) + advert.address.ip.packed,  # RDNSS
            captive_portal(advert.url),
        ]
    )


def captive_portal(url: str) -> bytes:
    """Return option 37, filled up with zeros to a multiple of eight bytes; nothing for no or too long an address."""
    raw = url.encode("ascii", "ignore")
    if not raw or len(raw) > _LONGEST_URL:
        return b""
    length = -(-(len(raw) + 2) // 8)
    return (bytes([37, length]) + raw).ljust(length * 8, b"\0")


def solicits(message: bytes, hop_limit: int, *, nameless: bool) -> bool:
    """Tell whether `message` is a sound solicitation (RFC 4861, 6.1.1). `nameless`: it came from no address (::)."""
    if len(message) < 8 or message[0] != SOLICITATION or message[1] != 0 or hop_limit != 255:
        return False
    offset = 8
    while offset < len(message):
        if offset + 2 > len(message) or message[offset + 1] == 0:
            return False
        if nameless and message[offset] == 1:
            return False
        offset += message[offset + 1] * 8
    return offset == len(message)


class Schedule:
    """When to speak: to all at intervals, and to each who asks. A flood of questions costs a bounded table."""

    def __init__(self, chance: Callable[[], float]) -> None:
        """`chance` returns a number from 0 to 1, less than 1."""
        self._chance = chance
        self._initial = _INITIAL
        self._last = float("-inf")
        self._next = float("-inf")
        self._asked: dict[str, float] = {}
        self.refused = 0
        """Questions that found no room."""

    @property
    def due(self) -> float:
        """The moment of the next advertisement."""
        return min([self._next, *self._asked.values()])

    def changed(self) -> None:
        """Tell all soon: what we say is new."""
        self._initial = _INITIAL
        self._next = self._last + _MIN_GAP

    def asked(self, sender: str, now: float) -> None:
        """Answer `sender`; "" stands for one that has no address yet, whom an advertisement to all answers."""
        delay = self._chance() * _LONGEST_DELAY
        if not sender:
            self._next = min(self._next, max(now + delay, self._last + _MIN_GAP))
        elif sender not in self._asked:
            if len(self._asked) < _MOST_WAITING:
                self._asked[sender] = now + delay
            else:
                self.refused += 1

    def take(self, now: float) -> tuple[bool, list[str]]:
        """Return whether all are to be told at `now`, and who else; what is returned counts as done."""
        to_all = now >= self._next
        if to_all:
            self._last = now
            span = SHORTEST_INTERVAL + self._chance() * (LONGEST_INTERVAL - SHORTEST_INTERVAL)
            if self._initial:
                self._initial -= 1
                span = min(span, _INITIAL_INTERVAL)
            self._next = now + span
        ready = [sender for sender, due in self._asked.items() if due <= now]
        for sender in ready:
            del self._asked[sender]
        return to_all, ready

    def failed(self, now: float) -> None:
        """Try again in a moment: the link was not ready."""
        self._last, self._next = float("-inf"), now + 1.0
