# SPDX-License-Identifier: EUPL-1.2
"""The kernel's connections: what each has carried, and the end of those whose session is over (ctnetlink).

A guest always opens its flows, so the original direction is "up". Only marked flows are of interest here.
"""

from __future__ import annotations

import errno
import struct
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from edge_core import netlink
from edge_core.netlink import attribute, nested
from gateway_agent.nft_ruleset import GRANT_MASK, LIVE
from gateway_agent.usage import Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

_SUBSYSTEM, _GET, _DELETE = 1, 1, 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_*
_DESTROYED = 3  # NFNLGRP_CONNTRACK_DESTROY
_TUPLE, _ANSWERS, _MARK, _UP, _DOWN, _ID, _MARK_MASK = 1, 2, 8, 9, 10, 12, 21  # CTA_*
_PACKETS, _BYTES = 1, 2  # CTA_COUNTERS_*
_FEW, _PER_SEND = 8, 100
_ANY = bytes(4)  # struct nfgenmsg of both families
_BUFFER = 8 * 1024 * 1024
"""Room for some 20,000 ends of flows while we are busy."""


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
        """Return the flows of grants; with `live` only those that are let through, which the kernel filters itself."""
        question = _ANY
        if live:
            question += attribute(_MARK, struct.pack("!I", LIVE)) + attribute(_MARK_MASK, struct.pack("!I", LIVE))
        return list(read_all(self._kernel.dump(_SUBSYSTEM << 8 | _GET, question)))

    def flows_of(self, grant: int) -> list[Flow]:
        """Return the flows of one grant, those already cut off included; the kernel filters."""
        return [read(body) for body in self._kernel.dump(_SUBSYSTEM << 8 | _GET, _ANY + _mark_of(grant))]

    def ended(self) -> Iterator[Flow]:
        """Yield the flows that have ended since the last call, with their final counts."""
        while True:
            try:
                for _, body in self._ends.events():
                    flow = read(body)
                    if flow.grant:
                        yield flow
            except netlink.NetlinkError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue  # the buffer overflowed; the kernel keeps what it could not deliver and sends it again
            return

    def end(self, grants: Collection[int]) -> None:
        """Delete every flow of these grants, of both families, those already cut off included.

        One question for few; for many the table is read once and each flow named, as each question walks all of it.
        """
        if len(grants) <= _FEW:
            for grant in grants:
                self._kernel.request(_SUBSYSTEM << 8 | _DELETE, _ANY + _mark_of(grant))
            return
        self._delete(lambda found: _number(found.get(_MARK)) & GRANT_MASK in grants)

    def end_behind(self, addresses: Collection[bytes]) -> None:
        """Delete every flow of guests that is masqueraded behind one of these addresses (packed)."""
        self._delete(lambda found: bool(found.get(_MARK)) and _behind(found) in addresses)

    def _delete(self, chosen: Callable[[dict[int, bytes]], bool]) -> None:
        bodies = self._kernel.dump(_SUBSYSTEM << 8 | _GET, _ANY)
        doomed = [message for body in bodies if (message := _named(body, chosen))]
        for start in range(0, len(doomed), _PER_SEND):
            self._kernel.attempt(doomed[start : start + _PER_SEND])


def read(body: bytes) -> Flow:
    """Return the flow that a ctnetlink message describes; counts are 0 where accounting is off."""
    found = netlink.attributes(body, 4)
    up, down = _counts(found.get(_UP, b"")), _counts(found.get(_DOWN, b""))
    return Flow(_number(found.get(_ID)), _number(found.get(_MARK)), *up, *down)


def read_all(bodies: Iterable[bytes]) -> Iterator[Flow]:
    """Yield the flows of grants among ctnetlink messages; flows of one sort are read by the layout of the first."""
    layouts: dict[tuple[int, int], _Layout | None] = {}
    make = tuple.__new__
    for body in bodies:
        sort = (len(body), body[0])
        layout = layouts[sort] if sort in layouts else layouts.setdefault(sort, _layout(body))
        if layout is not None:
            row = layout.rows.unpack_from(body)
            if layout.heads_of(row) == layout.heads:
                found = layout.flow_of(row)
                if found[1] & GRANT_MASK:
                    yield make(Flow, found)
                continue
        flow = read(body)
        if flow.grant:
            yield flow


class _Layout(NamedTuple):
    """How messages of one sort are unpacked: where in a row the attributes' heads are, and the parts of a flow."""

    rows: struct.Struct
    heads_of: Callable[[tuple[Any, ...]], tuple[bytes, ...]]
    flow_of: Callable[[tuple[Any, ...]], tuple[int, ...]]
    heads: tuple[bytes, ...]


_COUNTS = 20  # CTA_COUNTERS_PACKETS and CTA_COUNTERS_BYTES, one behind the other without the first head


def _layout(body: bytes) -> _Layout | None:
    """Return how a message is laid out; None where it lacks a part, or holds one in another form."""
    places, offset = {}, 4
    while offset + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, offset)
        if length < 4:
            return None
        places[kind & 0x3FFF] = (offset, length - 4)
        offset += (length + 3) & ~3
    parts = sorted((*places.get(kind, (0, 0)), kind) for kind in (_UP, _DOWN, _MARK, _ID))
    text, at, columns, heads, column = ">", 0, {}, [], 0
    for start, length, kind in parts:
        before = length - _COUNTS if kind in (_UP, _DOWN) else 0
        if start == 0 or before < 0 or (kind in (_MARK, _ID) and length != 4):
            return None
        text += f"{start - at}x4s" + (f"{before}xQ4xQ" if kind in (_UP, _DOWN) else "I")
        at = start + 4 + length
        heads.append(column)
        columns[kind] = column + 1
        column += 3 if kind in (_UP, _DOWN) else 2
    up, down = columns[_UP], columns[_DOWN]
    rows, heads_of = struct.Struct(text), itemgetter(*heads)
    flow_of = itemgetter(columns[_ID], columns[_MARK], up + 1, up, down + 1, down)
    row = rows.unpack_from(body)
    return _Layout(rows, heads_of, flow_of, heads_of(row)) if flow_of(row) == tuple(read(body)) else None


def _behind(found: dict[int, bytes]) -> bytes:
    """Return the address that answers to a flow are sent to, packed: ours, where it is masqueraded."""
    ends = netlink.attributes(netlink.attributes(found.get(_ANSWERS, b"")).get(1, b""))  # CTA_TUPLE_IP
    return ends.get(2) or ends.get(4) or b""  # CTA_IP_V4_DST, CTA_IP_V6_DST


def _named(body: bytes, chosen: Callable[[dict[int, bytes]], bool]) -> netlink.Message | None:
    """Return the message that deletes the flow of `body` where it is chosen."""
    found = netlink.attributes(body, 4)
    if not chosen(found):
        return None
    tuple_and_id = nested(_TUPLE, found[_TUPLE]) + attribute(_ID, found[_ID])
    return netlink.Message(_SUBSYSTEM << 8 | _DELETE, 0, body[:1] + bytes(3) + tuple_and_id)


def _mark_of(grant: int) -> bytes:
    return attribute(_MARK, struct.pack("!I", grant)) + attribute(_MARK_MASK, struct.pack("!I", GRANT_MASK))


def _number(value: bytes | None) -> int:
    return int.from_bytes(value, "big") if value else 0


def _counts(value: bytes) -> tuple[int, int]:
    found = netlink.attributes(value)
    return _number(found.get(_BYTES)), _number(found.get(_PACKETS))
