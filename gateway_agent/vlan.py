# SPDX-License-Identifier: EUPL-1.2
"""Makes the VLAN interfaces (IEEE 802.1Q) that zones ask for, and takes away those that it made."""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING

from edge_core import netlink, settings_zones
from edge_core.errors import NetworkError
from edge_core.netlink import attribute, nested
from gateway_agent import changes as noted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edge_core.settings_sections import Zone
    from gateway_agent.changes import Changes

_NEW_LINK, _DELETE_LINK = 16, 17  # RTM_*LINK
_IFINFO = struct.Struct("=BBHiII")  # family, padding, type, index, flags, change
_NAME, _LINK, _LINK_INFO, _KIND, _DATA, _ID = 3, 5, 18, 1, 2, 1  # IFLA_*, IFLA_INFO_*, IFLA_VLAN_ID

GONE = (errno.ENODEV, errno.ENXIO, None)
"""What is told of an interface that is not there; if_nametoindex(3) gives no number at all."""


def parent(zone: Zone) -> str:
    """Return the interface that carries a zone's VLAN: "eth1" of "eth1.20"."""
    return zone.interface.rpartition(".")[0]


def make(kernel: netlink.Socket, zone: Zone, changes: Changes, note: Path) -> None:
    """Make a zone's VLAN interface where it asks for one that isn't there. Raises NetworkError with the remedy."""
    if not zone.vlan or any(name == zone.interface for _, name in socket.if_nameindex()):
        return
    changes.made.append(zone.interface)
    noted.save(note, changes)
    try:
        kernel.request(
            _NEW_LINK, message(zone, socket.if_nametoindex(parent(zone))), netlink.CREATE | netlink.EXCLUSIVE
        )
    except OSError as error:
        raise _explain(zone, error) from error


def message(zone: Zone, index: int) -> bytes:
    """Return the body of RTM_NEWLINK for a zone's VLAN on the interface `index` (rtnetlink(7))."""
    kind = attribute(_KIND, b"vlan\0")
    data = nested(_DATA, attribute(_ID, struct.pack("=H", zone.vlan)))
    name = attribute(_NAME, zone.interface.encode() + b"\0")
    link = attribute(_LINK, struct.pack("=I", index))
    return _IFINFO.pack(0, 0, 0, 0, 0, 0) + name + link + nested(_LINK_INFO, kind, data)


def remove(kernel: netlink.Socket, made: Iterable[str]) -> list[str]:
    """Take away the VLAN interfaces that we made; return what could not be, in words."""
    left = []
    for name in made:
        try:
            kernel.request(_DELETE_LINK, _IFINFO.pack(0, 0, 0, socket.if_nametoindex(name), 0, 0))
        except OSError as error:
            if error.errno not in GONE:
                left.append(f"{name} stays ({error.strerror})")
    return left


def _explain(zone: Zone, error: OSError) -> NetworkError:
    what = f"[{settings_zones.label(zone)}] vlan is {zone.vlan}, and {zone.interface} can't be made"
    if error.errno == errno.EOPNOTSUPP:
        return NetworkError(
            f"{what}: this kernel has no VLAN (802.1Q).",
            remedy="Load its module (modprobe 8021q), or give the zone an interface that is there and leave vlan out.",
        )
    if error.errno == errno.EPERM:
        return NetworkError(
            f"{what}: this process lacks CAP_NET_ADMIN.",
            remedy="Run it as root, inside `unshare -Urnm`, or with AmbientCapabilities=CAP_NET_ADMIN.",
        )
    return NetworkError(f"{what} ({error.strerror}).", remedy=f"See `ip -d link show {parent(zone)}` and dmesg.")
