# SPDX-License-Identifier: EUPL-1.2
"""Hears who plays the router or the DHCP server among guests; it only listens, through a filter in the kernel.

A gateway can't stop one guest from talking to another on the same radio: that is the access point's part (client
isolation, RA guard, DHCP snooping). It can refuse to believe them itself, count them, and tell the operator which
device it is.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import NamedTuple

_ALL = 3  # ETH_P_ALL
_ATTACH_FILTER = 26  # SO_ATTACH_FILTER
_SOL_PACKET, _IGNORE_OUTGOING = 263, 23
_IPV6 = 0x86DD
_AT_ONCE = 64
_MOST = 32
_SNAP = 96

# Classic BPF (Linux: Documentation/networking/filter.rst): code, jump if true, jump if false, value.
_FILTER = [
    (0x28, 0, 0, 12),  # ldh [12]                the frame's type
    (0x15, 0, 7, _IPV6),  # jeq IPv6
    (0x30, 0, 0, 20),  # ldb [20]                next header
    (0x15, 0, 2, 58),  # jeq ICMPv6
    (0x30, 0, 0, 54),  # ldb [54]                its type
    (0x15, 10, 9, 134),  # jeq router advertisement
    (0x15, 0, 8, 17),  # jeq UDP
    (0x28, 0, 0, 54),  # ldh [54]                source port
    (0x15, 7, 6, 547),  # jeq DHCPv6 server
    (0x15, 0, 5, 0x0800),  # jeq IPv4
    (0x30, 0, 0, 23),  # ldb [23]                protocol
    (0x15, 0, 3, 17),  # jeq UDP
    (0xB1, 0, 0, 14),  # ldxb 4*([14]&0xf)       length of the header
    (0x48, 0, 0, 14),  # ldh [x+14]              source port
    (0x15, 1, 0, 67),  # jeq DHCP server
    (0x06, 0, 0, 0),  # ret 0
    (0x06, 0, 0, _SNAP),  # ret
]


class Rogue(NamedTuple):
    """A device that serves what only the gateway may: `kind` is "router" or "dhcp"."""

    kind: str
    mac: str


class Overheard:
    """The socket and what came through it. Needs CAP_NET_RAW."""

    def __init__(self, interface: str) -> None:
        """Listen on one interface. Raises OSError."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            _attach(self._socket)
            self._socket.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
            self._socket.bind((interface, _ALL))
        except OSError:
            self._socket.close()
            raise
        self._own: bytes = self._socket.getsockname()[4]
        self.heard: dict[Rogue, int] = {}
        """How many packets of each, the latest last; the oldest are forgotten beyond a few dozen."""
        self.total = {"router": 0, "dhcp": 0}

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._socket.fileno()

    def follow(self) -> set[str]:
        """Take in some of what waits; return the kinds of devices that were not known before."""
        fresh = set()
        for _ in range(_AT_ONCE):
            try:
                frame = self._socket.recv(_SNAP)
            except BlockingIOError:
                break
            rogue = read(frame)
            if rogue is None or frame[6:12] == self._own:
                continue
            if rogue not in self.heard:
                fresh.add(rogue.kind)
            self.total[rogue.kind] += 1
            self.heard[rogue] = self.heard.pop(rogue, 0) + 1
            while len(self.heard) > _MOST:
                del self.heard[next(iter(self.heard))]
        return fresh


def read(frame: bytes) -> Rogue | None:
    """Return who sent a frame that came through the filter; None where it is too short to say."""
    if len(frame) < 24:
        return None
    router = int.from_bytes(frame[12:14], "big") == _IPV6 and frame[20] == 58
    return Rogue("router" if router else "dhcp", frame[6:12].hex(":"))


def _attach(listener: socket.socket) -> None:
    code = b"".join(struct.pack("=HBBI", *row) for row in _FILTER)
    held = ctypes.create_string_buffer(code)
    listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("@HP", len(_FILTER), ctypes.addressof(held)))
