# SPDX-License-Identifier: EUPL-1.2
"""Reads what our table in the kernel is: its version, a fingerprint of its rules, its counters; changes nothing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from edge_core import netlink
from edge_core.netlink import attribute
from gateway_agent.nft_ruleset import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

_GET_TABLE, _GET_CHAIN, _GET_RULE, _GET_OBJECT = 10 << 8 | 1, 10 << 8 | 4, 10 << 8 | 7, 10 << 8 | 19
_NFGENMSG = bytes([1, 0, 0, 0])  # NFPROTO_INET, version, resource
_NAMED = _NFGENMSG + attribute(1, TABLE.encode() + b"\0")
_TABLE_FLAGS, _TABLE_USERDATA = 2, 6
_CHAIN = (3, 4, 5, 7, 10)  # NFTA_CHAIN_NAME, HOOK, POLICY, TYPE, FLAGS: not its handle, uses and counters
_RULE = (2, 4)  # NFTA_RULE_CHAIN, EXPRESSIONS: not its handle
_OBJECT_NAME, _OBJECT_DATA, _PACKETS = 2, 4, 2  # NFTA_OBJ_NAME, NFTA_OBJ_DATA, NFTA_COUNTER_PACKETS


def comment(kernel: netlink.Socket) -> str | None:
    """Return the table's comment, which holds the ruleset's version; None where there is no table."""
    try:
        answer = kernel.get(_GET_TABLE, _NAMED)
    except netlink.NetlinkError:
        return None
    return netlink.attributes(answer, 4).get(_TABLE_USERDATA, b"")[2:].rstrip(b"\0").decode("ascii", "replace")


def fingerprint(kernel: netlink.Socket) -> str:
    """Return a hash of the table's flags, chains and rules: the same as long as nobody changed one.

    A switched-off table, a chain's policy, a rule exchanged for another: all of it tells. Raises NetlinkError.
    """
    digest = hashlib.sha256(netlink.attributes(kernel.get(_GET_TABLE, _NAMED), 4).get(_TABLE_FLAGS, b""))
    for kind, wanted in ((_GET_CHAIN, _CHAIN), (_GET_RULE, _RULE)):
        for found in _all(kernel, kind):
            for number in wanted:
                value = found.get(number, b"")
                digest.update(len(value).to_bytes(4, "big") + value)
    return digest.hexdigest()


def counters(kernel: netlink.Socket) -> dict[str, int]:
    """Return the packets that each named counter has counted: what was refused, and why."""
    found = {}
    for row in _all(kernel, _GET_OBJECT):
        packets = netlink.attributes(row.get(_OBJECT_DATA, b"")).get(_PACKETS, b"")
        found[row.get(_OBJECT_NAME, b"").rstrip(b"\0").decode("ascii", "replace")] = int.from_bytes(packets, "big")
    return found


def _all(kernel: netlink.Socket, kind: int) -> Iterator[dict[int, bytes]]:
    """Yield the attributes of our table's chains or rules; a kernel that ignores the filter tells other tables' too."""
    for body in kernel.dump(kind, _NAMED):
        found = netlink.attributes(body, 4)
        if body[0] == _NFGENMSG[0] and found.get(1, b"").rstrip(b"\0") == TABLE.encode():
            yield found
