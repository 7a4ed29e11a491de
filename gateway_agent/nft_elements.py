# SPDX-License-Identifier: EUPL-1.2
"""The elements of our table, read and changed over netlink; nothing else changes them.

A change is a batch, which the kernel applies whole or not at all (nfnetlink, linux/netfilter/nf_tables.h).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from edge_core import netlink
from edge_core.netlink import Message, attribute, nested
from gateway_agent.nft_ruleset import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from ipaddress import IPv4Address

_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_GET_TABLE, _GET_RULE, _NEW_ELEMENT, _GET_ELEMENT, _DELETE_ELEMENT, _GET_GENERATION = 1, 7, 12, 13, 14, 16
_NFGENMSG = bytes([1, 0, 0, 0])  # NFPROTO_INET, version, resource
_TABLE_NAME = attribute(1, TABLE.encode() + b"\0")
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS, _LIST_ELEMENT = 1, 2, 3, 1  # NFTA_SET_ELEM_LIST_*, NFTA_LIST_ELEM
_KEY, _DATA, _TIMEOUT, _EXPIRATION, _VALUE = 1, 2, 4, 5, 1  # NFTA_SET_ELEM_*, NFTA_DATA_VALUE
_TABLE_USERDATA = 6
_PER_TRANSACTION = 1000
"""Changes in one batch: some 90 KiB, which fits a socket's default buffer without privilege over it."""


class Slot(NamedTuple):
    """Where an element is: the set's name and the key in the kernel's own bytes."""

    set: str
    key: bytes


class Value(NamedTuple):
    """What an element says: its mark, and when it ends in seconds since 1970."""

    mark: int
    expires_at: float


class Change(NamedTuple):
    """Delete an element (`value` None), add it, or (`replace`) both in one step, which renews its timeout."""

    slot: Slot
    value: Value | None
    replace: bool = False


def key4(mac: str, address: IPv4Address) -> Slot:
    """Return the slot of a guest's IPv4 address. Each part of a concatenated key is padded to 4 bytes."""
    return Slot("grant4", bytes.fromhex(mac.replace(":", "")) + b"\0\0" + address.packed)


def key6(mac: str) -> Slot:
    """Return the slot of a guest's MAC, for all its IPv6 addresses."""
    return Slot("grant6", bytes.fromhex(mac.replace(":", "")))


def key_live(mark: int) -> Slot:
    """Return the slot of a mark in the set of live ones."""
    return Slot("live", struct.pack("=I", mark))


def lines(elements: Mapping[Slot, Value], now: float) -> Iterator[str]:
    """Yield the elements as lines of nft, for the transaction that loads the ruleset; many share a line.

    All of it has to fit one socket buffer: with privilege over the machine nft enlarges its own; inside a user
    namespace there is room for some 1,200 grants.
    """
    texts: dict[str, list[str]] = {}
    for slot, value in elements.items():
        texts.setdefault(slot.set, []).append(_text(slot, value, now))
    for name, found in texts.items():
        for start in range(0, len(found), 500):
            yield f"add element inet {TABLE} {name} {{ {', '.join(found[start : start + 500])} }}"


def _text(slot: Slot, value: Value, now: float) -> str:
    key, data = slot.key, f" : {value.mark:#x}"
    if slot.set == "grant4":
        name = f"{key[:6].hex(':')} . {'.'.join(map(str, key[8:12]))}"
    elif slot.set == "grant6":
        name = key.hex(":")
    else:
        name, data = f"{struct.unpack('=I', key)[0]:#x}", ""
    return f"{name} timeout {_milliseconds(value, now)}ms{data}"


class Table:
    """Our table in the kernel of this network namespace."""

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
        answer = self._socket.get(_kind(_GET_GENERATION), bytes(4))
        return int(struct.unpack("!I", netlink.attributes(answer, 4)[1])[0])

    def comment(self) -> str | None:
        """Return the table's comment, which holds the ruleset's version; None where there is no table."""
        try:
            answer = self._socket.get(_kind(_GET_TABLE), _NFGENMSG + _TABLE_NAME)
        except netlink.NetlinkError:
            return None
        return netlink.attributes(answer, 4).get(_TABLE_USERDATA, b"")[2:].rstrip(b"\0").decode("ascii", "replace")

    def rules(self) -> int:
        """Return the number of rules in our table."""
        return len(self._socket.dump(_kind(_GET_RULE), _NFGENMSG + _TABLE_NAME))

    def elements(self, names: Sequence[str], now: float) -> dict[Slot, Value]:
        """Return the elements of the sets that carry grants. Raises NetlinkError(ENOENT) where the table is gone."""
        found: dict[Slot, Value] = {}
        for name in names:
            where = _NFGENMSG + attribute(_LIST_TABLE, TABLE.encode() + b"\0")
            for body in self._socket.dump(_kind(_GET_ELEMENT), where + attribute(_LIST_SET, name.encode() + b"\0")):
                for _, element in netlink.each(netlink.attributes(body, 4).get(_LIST_ELEMENTS, b"")):
                    slot, value = _read(name, element, now)
                    found[slot] = value
        return found

    def apply(self, changes: Sequence[Change], now: float, generation: int | None = None) -> int:
        """Make the changes, in transactions of bounded size; return how many transactions.

        With `generation` the kernel refuses (ERESTART) once anybody else has changed nftables. Raises NetlinkError.
        """
        count = 0
        for start in range(0, len(changes), _PER_TRANSACTION):
            expected = None if generation is None else generation + count
            self._socket.batch(_SUBSYSTEM, list(_pack(changes[start : start + _PER_TRANSACTION], now)), expected)
            count += 1
        return count


def _kind(operation: int) -> int:
    return _SUBSYSTEM << 8 | operation


def _milliseconds(value: Value, now: float) -> int:
    return max(1, int((value.expires_at - now) * 1000))


def _read(name: str, element: bytes, now: float) -> tuple[Slot, Value]:
    parts = netlink.attributes(element)
    key = netlink.attributes(parts[_KEY])[_VALUE]
    data = netlink.attributes(parts[_DATA])[_VALUE] if _DATA in parts else key
    left = int.from_bytes(parts[_EXPIRATION], "big") / 1000 if _EXPIRATION in parts else float("inf")
    return Slot(name, key), Value(struct.unpack("=I", data)[0], now + left)


def _pack(changes: Iterable[Change], now: float) -> Iterable[Message]:
    """Yield the messages: neighbouring changes of one kind to one set share a message."""
    removed: dict[str, list[bytes]] = {}
    added: dict[str, list[bytes]] = {}
    for slot, value, replace in changes:
        key = nested(_KEY, attribute(_VALUE, slot.key))
        if value is None or replace:
            removed.setdefault(slot.set, []).append(nested(_LIST_ELEMENT, key))
        if value is not None:
            timeout = attribute(_TIMEOUT, struct.pack("!Q", _milliseconds(value, now)))
            data = b"" if slot.set == "live" else nested(_DATA, attribute(_VALUE, struct.pack("=I", value.mark)))
            added.setdefault(slot.set, []).append(nested(_LIST_ELEMENT, key, data, timeout))
    for operation, flags, groups in ((_DELETE_ELEMENT, 0, removed), (_NEW_ELEMENT, _CREATE, added)):
        for name, elements in groups.items():
            # An attribute's length is 16 bits: 500 elements of at most 60 bytes fit.
            for start in range(0, len(elements), 500):
                listed = nested(_LIST_ELEMENTS, *elements[start : start + 500])
                where = attribute(_LIST_TABLE, TABLE.encode() + b"\0") + attribute(_LIST_SET, name.encode() + b"\0")
                yield Message(_kind(operation), flags, _NFGENMSG + where + listed)


_CREATE = netlink.CREATE | netlink.EXCLUSIVE
