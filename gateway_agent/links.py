# SPDX-License-Identifier: EUPL-1.2
"""Makes the interfaces that zones ask for, VLANs (IEEE 802.1Q) and an own access point's bridge; removes its own."""

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

    from edge_core.settings import Settings
    from edge_core.settings_sections import Zone
    from gateway_agent.changes import Changes

_NEW_LINK, _DELETE_LINK = 16, 17  # RTM_*LINK
_IFINFO = struct.Struct("=BBHiII")  # family, padding, type, index, flags, change
_NAME, _LINK, _LINK_INFO, _KIND, _DATA, _ID = 3, 5, 18, 1, 2, 1  # IFLA_*, IFLA_INFO_*, IFLA_VLAN_ID

GONE = (errno.ENODEV, errno.ENXIO, None)
"""What is told of an interface that is not there; if_nametoindex(3) gives no number at all."""


def parent(zone: Zone) -> str:
    """Return the interface that carries a zone's VLAN: "eth1" of "eth1.20"; "" where it is no VLAN of ours."""
    return zone.interface.rpartition(".")[0] if zone.vlan else ""


def is_made(zone: Zone, settings: Settings) -> bool:
    """Tell whether a zone's interface is made by us where it is missing."""
    own = settings.access_point
    return bool(zone.vlan) or bool(own.interface and own.zone == zone.id)


def make(kernel: netlink.Socket, zone: Zone, changes: Changes, note: Path) -> None:
    """Make the interface of a zone for which `is_made`, where it isn't there. Raises NetworkError with the remedy."""
    if any(name == zone.interface for _, name in socket.if_nameindex()):
        return
    changes.made.append(zone.interface)
    noted.save(note, changes)
    try:
        index = socket.if_nametoindex(parent(zone)) if zone.vlan else 0
        kernel.request(_NEW_LINK, message(zone, index), netlink.CREATE | netlink.EXCLUSIVE)
    except OSError as error:
        raise _explain(zone, error) from error


def message(zone: Zone, index: int) -> bytes:
    """Return the body of RTM_NEWLINK (rtnetlink(7)): a VLAN on the interface `index`, or a bridge."""
    head = _IFINFO.pack(0, 0, 0, 0, 0, 0) + attribute(_NAME, zone.interface.encode() + b"\0")
    if not zone.vlan:
        return head + nested(_LINK_INFO, attribute(_KIND, b"bridge\0"))
    data = nested(_DATA, attribute(_ID, struct.pack("=H", zone.vlan)))
    link = attribute(_LINK, struct.pack("=I", index))
    return head + link + nested(_LINK_INFO, attribute(_KIND, b"vlan\0"), data)


def remove(kernel: netlink.Socket, made: Iterable[str]) -> list[str]:
    """Take away the interfaces that we made; return what could not be, in words."""
    left = []
    for name in made:
        try:
            kernel.request(_DELETE_LINK, _IFINFO.pack(0, 0, 0, socket.if_nametoindex(name), 0, 0))
        except OSError as error:
            if error.errno not in GONE:
                left.append(f"{name} stays ({error.strerror})")
    return left


def _explain(zone: Zone, error: OSError) -> NetworkError:
    section, kind = settings_zones.label(zone), "VLAN (802.1Q)" if zone.vlan else "bridge"
    what = f"[{section}] vlan is {zone.vlan}" if zone.vlan else f"[{section}] interface is a bridge"
    what += f", and {zone.interface} can't be made"
    if error.errno == errno.EOPNOTSUPP:
        return NetworkError(
            f"{what}: this kernel has no {kind}.",
            remedy=f"Load it (modprobe {'8021q' if zone.vlan else 'bridge'}), or name an interface that is there.",
        )
    if error.errno == errno.EPERM:
        return NetworkError(
            f"{what}: this process lacks CAP_NET_ADMIN.",
            remedy="Run it as root, inside `unshare -Urnm`, or with AmbientCapabilities=CAP_NET_ADMIN.",
        )
    return NetworkError(f"{what} ({error.strerror}).", remedy="See `ip -d link` and dmesg.")
