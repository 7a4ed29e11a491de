# SPDX-License-Identifier: EUPL-1.2
"""Who is behind an address: one look-up in the kernel's neighbour table, without any privilege."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from edge_core import netlink

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_GET_NEIGHBOUR = 30  # RTM_GETNEIGH, rtnetlink(7)
_DESTINATION, _LINK_ADDRESS = 1, 2  # NDA_DST, NDA_LLADDR
_FAILED = 0x20  # NUD_FAILED
_MAC_LENGTH = 6
_NDMSG = struct.Struct("=BBHiHBB")  # family, padding, padding, interface, state, flags, type


def mac_of(address: IPv4Address | IPv6Address, interface: str) -> str | None:
    """Return the MAC ("aa:bb:cc:dd:ee:ff") that `address` has on `interface`; None when the kernel knows none.

    The entry is fresh while the address is talking to us, which is when this is asked (RTM_GETNEIGH of one entry).
    """
    try:
        index = socket.if_nametoindex(interface)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        question = _NDMSG.pack(family, 0, 0, index, 0, 0, 0) + netlink.attribute(_DESTINATION, address.packed)
        with netlink.Socket(netlink.ROUTE) as kernel:
            answer = kernel.get(_GET_NEIGHBOUR, question)
    except OSError:
        return None
    state = _NDMSG.unpack_from(answer)[4]
    link = netlink.attributes(answer, _NDMSG.size).get(_LINK_ADDRESS, b"")
    return link.hex(":") if len(link) == _MAC_LENGTH and not state & _FAILED else None
