# SPDX-License-Identifier: EUPL-1.2
"""The elements of our table, read and changed over netlink; nothing else changes them.

A change is a batch, which the kernel applies whole or not at all (nfnetlink, linux/netfilter/nf_tables.h). Messages are
put together from frames made once, and read by the shape of the first of a kind: 15,000 grants are 45,000 elements.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from edge_core import netlink
from edge_core.netlink import Message, attribute, nested
from gateway_agent.nft_ruleset import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence, Sized

_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_NEW_ELEMENT, _GET_ELEMENT, _DELETE_ELEMENT, _GET_GENERATION = 12, 13, 14, 16  # NFT_MSG_*
_NFGENMSG = bytes([1, 0, 0, 0])  # NFPROTO_INET, version, resource
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS, _LIST_ELEMENT = 1, 2, 3, 1  # NFTA_SET_ELEM_LIST_*, NFTA_LIST_ELEM
_KEY, _DATA, _TIMEOUT, _EXPIRATION, _VALUE = 1, 2, 4, 5, 1  # NFTA_SET_ELEM_*, NFTA_DATA_VALUE
_CREATE = netlink.CREATE | netlink.EXCLUSIVE
_PER_TRANSACTION = 2000
"""Elements in one batch: some 100 KiB, which fits a socket's default buffer without privilege over it."""
_PER_MESSAGE = 1000
"""An attribute's length is 16 bits: so many elements of at most 60 bytes fit."""
FOR_EVER = float("inf")


class Value(NamedTuple):
    """What an element says: its mark (or class), and when it ends in seconds since 1970 (FOR_EVER: never)."""

    mark: int
    expires_at: float


Elements = dict[str, dict[bytes, Value]]
"""Elements by the set's name and the key in the kernel's own bytes."""


class Kind(NamedTuple):
    """A set of ours: bytes of its key, and whether it maps to four bytes of data."""

    key: int
    maps: bool


KINDS = {
    "grant4": Kind(12, maps=True),
    "grant6": Kind(6, maps=True),
    "zone6": Kind(24, maps=True),
    "live": Kind(4, maps=False),
    "shape": Kind(4, maps=True),
    "blocked": Kind(6, maps=False),
}


@dataclass
class Changes:
    """What to do, by set: keys to remove, elements to add, and those to replace in one step (which renews them)."""

    removed: dict[str, list[bytes]] = field(default_factory=dict)
    added: dict[str, list[tuple[bytes, Value]]] = field(default_factory=dict)
    replaced: dict[str, list[tuple[bytes, Value]]] = field(default_factory=dict)

    def __len__(self) -> int:
        groups: list[Sized] = [*self.removed.values(), *self.added.values(), *self.replaced.values()]
        return sum(map(len, groups))


def key_mac(mac: str) -> bytes:
    """Return a MAC as a key: in `grant6`, for all its IPv6 addresses, and in `blocked`."""
    return bytes.fromhex(mac.replace(":", ""))


def key4(mac: bytes, address: bytes) -> bytes:
    """Return the key of a guest's IPv4 address. Each part of a concatenated key is padded to 4 bytes."""
    return mac + b"\0\0" + address


def key_zone(mac: bytes, interface: str) -> bytes:
    """Return the key of a device in a further zone, for all its IPv6 addresses there (IFNAMSIZ is 16)."""
    return mac + b"\0\0" + interface.encode().ljust(16, b"\0")


def key_mark(mark: int) -> bytes:
    """Return a mark as a key."""
    return mark.to_bytes(4, sys.byteorder)


def lines(elements: Elements, now: float) -> Iterator[str]:
    """Yield the elements as lines of nft, for the transaction that loads the ruleset; many share a line.

    All of it has to fit one socket buffer: with privilege over the machine nft enlarges its own; inside a user
    namespace there is room for some 1,200 grants.
    """
    for name, found in elements.items():
        texts = (_text(name, key, value, now) for key, value in found.items())
        while some := list(islice(texts, 500)):
            yield f"add element inet {TABLE} {name} {{ {', '.join(some)} }}"


def _text(name: str, key: bytes, value: Value, now: float) -> str:
    if name == "grant4":
        text = f"{key[:6].hex(':')} . {'.'.join(map(str, key[8:12]))}"
    elif name == "zone6":
        text = f'{key[:6].hex(":")} . "{key[8:].rstrip(bytes(1)).decode()}"'
    elif KINDS[name].key == 6:
        text = key.hex(":")
    else:
        text = f"{int.from_bytes(key, sys.byteorder):#x}"
    if value.expires_at != FOR_EVER:
        text += f" timeout {_milliseconds(value, now)}ms"
    if not KINDS[name].maps:
        return text
    return text + (f" : {value.mark >> 16:x}:{value.mark & 0xFFFF:x}" if name == "shape" else f" : {value.mark:#x}")


class Table:
    """Our sets in the kernel of this network namespace."""

    def __init__(self) -> None:
        """Open the netlink socket; needs no privilege until something is changed."""
        self._socket = netlink.Socket(netlink.NETFILTER)

    def close(self) -> None:
        """Close the socket; the table stays."""
        self._socket.close()

    def generation(self) -> int:
        """Return the number of the last change that anybody made to nftables here: one look tells that all is as left.

        Raises NetlinkError.
        """
        answer = self._socket.get(_SUBSYSTEM << 8 | _GET_GENERATION, bytes(4))
        return int(struct.unpack("!I", netlink.attributes(answer, 4)[1])[0])

    def elements(self, names: Iterable[str], now: float) -> Elements:
        """Return the elements of sets that carry grants. Raises NetlinkError(ENOENT) where the table is gone."""
        found: Elements = {}
        for name in names:
            bodies = self._socket.dump(_SUBSYSTEM << 8 | _GET_ELEMENT, _where(name))
            found[name] = {}
            for body in bodies:
                found[name].update(_read(netlink.attributes(body, 4).get(_LIST_ELEMENTS, b""), KINDS[name], now))
        return found

    def apply(self, changes: Changes, now: float, generation: int | None = None) -> int:
        """Make the changes, in transactions of bounded size; return how many transactions.

        With `generation` the kernel refuses (ERESTART) once anybody else has changed nftables. Raises NetlinkError.
        """
        count = 0
        for messages in _transactions(changes, now):
            expected = None if generation is None else generation + count
            self._socket.batch(_SUBSYSTEM, messages, expected)
            count += 1
        return count


def _milliseconds(value: Value, now: float) -> int:
    return max(1, int((value.expires_at - now) * 1000))


def _where(name: str) -> bytes:
    return _NFGENMSG + attribute(_LIST_TABLE, TABLE.encode() + b"\0") + attribute(_LIST_SET, name.encode() + b"\0")


def _read(listed: bytes, kind: Kind, now: float) -> dict[bytes, Value]:
    """Return a list of elements by their keys: all at once where all look like the first, else one by one."""
    shape = _shape(listed, kind)
    if shape and len(listed) % shape.size == 0:
        rows = list(shape.iter_unpack(listed))
        if len({(row[0], row[3]) for row in rows}) == 1:
            order, number, make = sys.byteorder, int.from_bytes, tuple.__new__
            return {key: make(Value, (number(data, order), now + left / 1000)) for _, key, data, _, left in rows}
    return dict(_read_one(element, now) for _, element in netlink.each(listed))


def _read_one(element: bytes, now: float) -> tuple[bytes, Value]:
    parts = netlink.attributes(element)
    key = netlink.attributes(parts[_KEY])[_VALUE]
    data = netlink.attributes(parts[_DATA])[_VALUE] if _DATA in parts else b""
    left = int.from_bytes(parts[_EXPIRATION], "big") / 1000 if _EXPIRATION in parts else FOR_EVER
    return key, Value(int.from_bytes(data, sys.byteorder), now + left)


def _shape(listed: bytes, kind: Kind) -> struct.Struct | None:
    """Return how an element like the first is laid out: (head, key, data, head of expiration, milliseconds left)."""
    if len(listed) < 4:
        return None
    size = (struct.unpack_from("=H", listed)[0] + 3) & ~3
    places = {name: offset for offset, name in _places(listed, 4, size)}
    if not {_KEY, _EXPIRATION} <= places.keys() or kind.maps != (_DATA in places):
        return None
    key, left = places[_KEY] + 8, places[_EXPIRATION]
    data = places[_DATA] + 8 if kind.maps else key
    gap = data - key - kind.key if kind.maps else 0
    if gap < 0 or left < data + 4:
        return None
    if not kind.maps:  # the key itself stands for data: four bytes of it are told twice
        return struct.Struct(f">4s{key - 4}x{kind.key}s0s{left - key - kind.key}x4sQ{size - left - 12}x")
    return struct.Struct(f">4s{key - 4}x{kind.key}s{gap}x4s{left - data - 4}x4sQ{size - left - 12}x")


def _places(data: bytes, offset: int, end: int) -> Iterator[tuple[int, int]]:
    while offset + 4 <= end:
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            return
        yield offset, kind & 0x3FFF
        offset += (length + 3) & ~3


class _Frame(NamedTuple):
    """The constant parts of an element's message: before the key, after it, before data, before the timeout."""

    removing: bytes
    adding: bytes
    staying: bytes
    pad: bytes
    data: bytes
    timeout: bytes


def _frame(kind: Kind) -> _Frame:
    key = attribute(_VALUE, bytes(kind.key))
    data = nested(_DATA, attribute(_VALUE, bytes(4))) if kind.maps else b""
    timeout = attribute(_TIMEOUT, bytes(8))
    before = nested(_KEY, key)[:8]
    removing, adding, staying = (
        nested(_LIST_ELEMENT, nested(_KEY, key), *rest)[:4] + before for rest in ([], [data, timeout], [data])
    )
    return _Frame(removing, adding, staying, bytes(-kind.key % 4), data[:8], timeout[:4])


_FRAMES = {name: _frame(kind) for name, kind in KINDS.items()}


def _added(name: str, rows: Iterable[tuple[bytes, Value]], now: float) -> Iterator[bytes]:
    frame, maps = _FRAMES[name], KINDS[name].maps
    for key, value in rows:
        mark = frame.data + value.mark.to_bytes(4, sys.byteorder) if maps else b""
        if value.expires_at == FOR_EVER:
            yield frame.staying + key + frame.pad + mark
        else:
            timeout = _milliseconds(value, now).to_bytes(8, "big")
            yield frame.adding + key + frame.pad + mark + frame.timeout + timeout


def _removed(name: str, keys: Iterable[bytes]) -> Iterator[bytes]:
    frame = _FRAMES[name]
    return (frame.removing + key + frame.pad for key in keys)


def _messages(operation: int, flags: int, name: str, elements: Iterable[bytes]) -> Iterator[Message]:
    where, left = _where(name), iter(elements)
    while some := list(islice(left, _PER_MESSAGE)):
        yield Message(_SUBSYSTEM << 8 | operation, flags, where + nested(_LIST_ELEMENTS, *some))


def _transactions(changes: Changes, now: float) -> Iterator[list[Message]]:
    """Yield batches of messages; an element that is replaced leaves and comes in the same one."""
    batch: list[Message] = []
    room = _PER_TRANSACTION
    for removed, name, rows in _parts(changes):
        size = len(rows) + len(removed or ())
        if size > room and batch:
            yield batch
            batch, room = [], _PER_TRANSACTION
        room -= size
        if removed is not None:
            batch += _messages(_DELETE_ELEMENT, 0, name, _removed(name, removed))
        batch += _messages(_NEW_ELEMENT, _CREATE, name, _added(name, rows, now)) if rows else ()
    if batch:
        yield batch


_Part = tuple["list[bytes] | None", str, "Sequence[tuple[bytes, Value]]"]


def _parts(changes: Changes) -> Iterator[_Part]:
    """Yield (keys to remove first, set, elements to add), each of a bounded number."""
    for name, keys in changes.removed.items():
        for start in range(0, len(keys), _PER_MESSAGE):
            yield keys[start : start + _PER_MESSAGE], name, ()
    for name, rows in changes.replaced.items():
        for start in range(0, len(rows), _PER_MESSAGE):
            some = rows[start : start + _PER_MESSAGE]
            yield [key for key, _ in some], name, some
    for name, rows in changes.added.items():
        for start in range(0, len(rows), _PER_MESSAGE):
            yield None, name, rows[start : start + _PER_MESSAGE]
