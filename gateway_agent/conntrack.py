# SPDX-License-Identifier: EUPL-1.2
"""The kernel's connections: what each has carried, and the end of those whose session is over (ctnetlink).

A guest always opens its flows, so the original direction is "up". Only marked flows are of interest here.
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from edge_core import netlink
from edge_core.netlink import attribute
from gateway_agent.nft_ruleset import LIVE
from gateway_agent.usage import Flow

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUBSYSTEM, _GET, _DELETE = 1, 1, 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_*
_DESTROYED = 3  # NFNLGRP_CONNTRACK_DESTROY
_MARK, _UP, _DOWN, _ID, _MARK_MASK = 8, 9, 10, 12, 21  # CTA_*
_PACKETS, _BYTES = 1, 2  # CTA_COUNTERS_*
_ANY = bytes(4)  # struct nfgenmsg of both families
_BUFFER = 8 * 1024 * 1024
"""Room for some 20,000 ends of flows while we are busy."""
GRANT_MASK = LIVE - 1


class Conntrack:
    """The connection table of this network namespace. Needs CAP_NET_ADMIN."""

    def __init__(self) -> None:
        """Open one socket for questions and one for the ends of flows, which the kernel repeats when it overflows."""
        self._kernel = netlink.Socket(netlink.NETFILTER)
        self._ends = netlink.Socket(netlink.NETFILTER)
        self._ends.subscribe(_DESTROYED, buffer=_BUFFER, reliable=True)

    def close(self) -> None:
        """Close both sockets."""
        self._kernel.close()
        self._ends.close()

    def fileno(self) -> int:
        """Return the descriptor on which ends of flows arrive, for a selector."""
        return self._ends.fileno()

    def flows(self, *, live: bool = True) -> list[Flow]:
        """Return the marked flows; with `live` only those that are let through, which the kernel filters itself."""
        question = _ANY
        if live:
            question += attribute(_MARK, struct.pack("!I", LIVE)) + attribute(_MARK_MASK, struct.pack("!I", LIVE))
        return [flow for body in self._kernel.dump(_SUBSYSTEM << 8 | _GET, question) if (flow := read(body)).mark]

    def flows_of(self, grant: int) -> list[Flow]:
        """Return the flows of one grant, those already cut off included; the kernel filters."""
        return [read(body) for body in self._kernel.dump(_SUBSYSTEM << 8 | _GET, _ANY + _mark_of(grant))]

    def ended(self) -> Iterator[Flow]:
        """Yield the flows that have ended since the last call, with their final counts."""
        while True:
            try:
                for _, body in self._ends.events():
                    flow = read(body)
                    if flow.mark:
                        yield flow
            except netlink.NetlinkError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue  # the buffer overflowed; the kernel keeps what it could not deliver and sends it again
            return

    def end(self, grant: int) -> None:
        """Delete every flow of a grant, of both families, those already cut off included."""
        self._kernel.request(_SUBSYSTEM << 8 | _DELETE, _ANY + _mark_of(grant))


def read(body: bytes) -> Flow:
    """Return the flow that a ctnetlink message describes; counts are 0 where accounting is off."""
    found = netlink.attributes(body, 4)
    up, down = _counts(found.get(_UP, b"")), _counts(found.get(_DOWN, b""))
    return Flow(_number(found.get(_ID)), _number(found.get(_MARK)), *up, *down)


def _mark_of(grant: int) -> bytes:
    return attribute(_MARK, struct.pack("!I", grant)) + attribute(_MARK_MASK, struct.pack("!I", GRANT_MASK))


def _number(value: bytes | None) -> int:
    return int.from_bytes(value, "big") if value else 0


def _counts(value: bytes) -> tuple[int, int]:
    found = netlink.attributes(value)
    return _number(found.get(_BYTES)), _number(found.get(_PACKETS))
