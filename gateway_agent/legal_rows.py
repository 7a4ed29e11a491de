# SPDX-License-Identifier: EUPL-1.2
"""What the legal record says of a connection, and how that is read from the kernel's events (ctnetlink); pure.

Source address and port, under which address and port they left (NAT), whose session, when it opened and ended. Never
where it went: the destination is not read at all.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway_agent.nft_ruleset import GRANT_MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OPENED, ENDED, FOUND = 1, 2, 3
"""Kinds of rows; FOUND was open already when the recorder began."""
_ROW = struct.Struct("<BBHIIHHHH")  # kind, protocol, time, grant, flow, inside, its port, outside, its port
_UNIT = 0.01  # seconds of a row's time, counted from its chunk's start
_MOST_ADDRESSES = 0xFFFF
_TYPE = 0x3FFF
_CONTAINERS = {(1,), (2,), (1, 1), (1, 2), (2, 1), (2, 2)}  # CTA_TUPLE_ORIG and _REPLY, CTA_TUPLE_IP and _PROTO
_MARK, _ID, _PROTOCOL = (8,), (12,), (1, 2, 1)
_INSIDE, _INSIDE_PORT = ((1, 1, 1), (1, 1, 3)), (1, 2, 2)  # CTA_IP_V4_SRC or _V6_SRC, CTA_PROTO_SRC_PORT
_OUTSIDE, _OUTSIDE_PORT = (
    ((2, 1, 2), (2, 1, 4)),
    (2, 2, 3),
)  # whom answers are sent to: CTA_IP_*_DST, CTA_PROTO_DST_PORT


class Connection(NamedTuple):
    """What an event tells: the grant and the flow's id, the protocol, both addresses (packed) and ports."""

    grant: int
    flow: int
    protocol: int
    inside: bytes
    inside_port: int
    outside: bytes
    outside_port: int


class Reader:
    """Reads events; those of one sort are unpacked by the layout of the first, which is checked each time."""

    def __init__(self) -> None:
        self._layouts: dict[tuple[int, int], _Layout | None] = {}

    def read(self, body: bytes) -> Connection | None:
        """Return the connection of a ctnetlink message; None where it is nobody's (no grant) or makes no sense."""
        sort = (len(body), body[0] if body else 0)
        layout = self._layouts.get(sort)
        if layout is not None:
            row = layout.whole.unpack_from(body)
            if row[: layout.heads] == layout.reference:
                return layout.connection(row)
        layout = self._layouts[sort] = _layout(body)
        return layout.connection(layout.whole.unpack_from(body)) if layout else None


class _Layout(NamedTuple):
    """`whole` gives first all heads of attributes, as one row, then the values in the order of Connection."""

    whole: _Scattered
    heads: int
    reference: tuple[bytes, ...]

    def connection(self, row: tuple[Any, ...]) -> Connection | None:
        mark, flow, protocol, inside, inside_port, outside, outside_port = row[self.heads :]
        grant = mark & GRANT_MASK
        return Connection(grant, flow, protocol, inside, inside_port, outside, outside_port) if grant else None


class _Scattered(NamedTuple):
    """A struct whose fields are returned in another order than they lie."""

    fields: struct.Struct
    order: tuple[int, ...]

    def unpack_from(self, body: bytes) -> tuple[Any, ...]:
        row = self.fields.unpack_from(body)
        return tuple([row[place] for place in self.order])


def _layout(body: bytes) -> _Layout | None:
    found = {path: (head, start, length) for path, head, start, length in _walk(body, 4, len(body), ())}
    values = [_MARK, _ID, _PROTOCOL, _first(found, _INSIDE), _INSIDE_PORT, _first(found, _OUTSIDE), _OUTSIDE_PORT]
    sizes = {_MARK: "I", _ID: "I", _PROTOCOL: "B", _INSIDE_PORT: "H", _OUTSIDE_PORT: "H"}
    if any(path is None or path not in found for path in values):
        return None
    places = [(head, 4, "4s") for head, _, _ in found.values()]
    heads = len(places)
    for path in values:
        _, start, length = found[path or ()]
        code = sizes.get(path or (), f"{length}s")
        if struct.calcsize(">" + code) != length:
            return None
        places.append((start, length, code))
    text, at = ">", 0
    lie = sorted(range(len(places)), key=lambda number: places[number][0])
    for number in lie:
        start, length, code = places[number]
        text += f"{start - at}x{code}"
        at = start + length
    order = tuple(lie.index(number) for number in range(len(places)))
    whole = _Scattered(struct.Struct(text), order)
    return _Layout(whole, heads, whole.unpack_from(body)[:heads])


def _first(found: dict[tuple[int, ...], tuple[int, int, int]], paths: tuple[tuple[int, ...], ...]) -> Any:
    return next((path for path in paths if path in found), None)


def _walk(
    body: bytes, offset: int, end: int, above: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], int, int, int]]:
    """Yield (path, where its head is, where its value is, the value's length) of each attribute, containers too."""
    while offset + 4 <= end:
        length, kind = struct.unpack_from("=HH", body, offset)
        if length < 4 or offset + length > end:
            return
        path = (*above, kind & _TYPE)
        yield path, offset, offset + 4, length - 4
        if path in _CONTAINERS:
            yield from _walk(body, offset + 4, offset + length, path)
        offset += (length + 3) & ~3


class Chunk:
    """Rows that are sealed together: what they share stands once, in the chunk's head."""

    def __init__(self, began: float) -> None:
        """Begin at `began` (seconds since 1970)."""
        self.began = began
        self.rows = 0
        self.people: dict[int, tuple[str, str]] = {}
        self.gaps: list[dict[str, Any]] = []
        self._addresses: dict[bytes, int] = {}
        self._bytes = bytearray()

    def add(self, kind: int, now: float, which: Connection) -> None:
        """Add a row."""
        known = self._addresses
        inside = known.setdefault(which.inside, len(known))
        outside = known.setdefault(which.outside, len(known))
        time = min(0xFFFF, max(0, round((now - self.began) / _UNIT)))
        self._bytes += _ROW.pack(
            kind, which.protocol, time, which.grant, which.flow, inside, which.inside_port, outside, which.outside_port
        )
        self.rows += 1

    @property
    def is_full(self) -> bool:
        """Tell whether another row might not fit."""
        return len(self._addresses) >= _MOST_ADDRESSES - 1

    def pack(self, number: int, missing: Iterable[dict[str, Any]] = ()) -> bytes:
        """Return the chunk as bytes, not yet sealed, with gaps that are known only now."""
        head = {
            "n": number,
            "began": self.began,
            "rows": self.rows,
            "people": self.people,
            "gaps": [*self.gaps, *missing],
            "addresses": [address.hex() for address in self._addresses],
        }
        return json.dumps(head, separators=(",", ":")).encode() + b"\n" + bytes(self._bytes)


class Row(NamedTuple):
    """One row again: kind, time in seconds since 1970, the connection."""

    kind: int
    at: float
    connection: Connection


def unpack(plain: bytes) -> tuple[dict[str, Any], list[Row]]:
    """Return the head and the rows of a chunk. Raises ValueError where it is none."""
    head, _, body = plain.partition(b"\n")
    told = json.loads(head)
    addresses = [bytes.fromhex(text) for text in told["addresses"]]
    if len(body) != told["rows"] * _ROW.size:
        raise ValueError("a chunk's rows are not as many as its head says")
    rows = []
    for kind, protocol, time, grant, flow, inside, in_port, outside, out_port in _ROW.iter_unpack(body):
        which = Connection(grant, flow, protocol, addresses[inside], in_port, addresses[outside], out_port)
        rows.append(Row(kind, told["began"] + time * _UNIT, which))
    return told, rows
