# SPDX-License-Identifier: EUPL-1.2
"""Keeps guests apart where their interface is a bridge: its ports reach us and not each other (bridge(8), isolated)."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from edge_core import netlink
from edge_core.netlink import attribute
from gateway_agent import changes as noted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edge_core.settings_sections import Zone
    from gateway_agent.changes import Changes

_GET_LINK, _SET_LINK, _AF_BRIDGE = 18, 19, 7  # RTM_*LINK
_IFINFO = struct.Struct("=BBHiII")  # family, padding, type, index, flags, change
_NAME, _MASTER, _PORT, _INFO = 3, 10, 12, 18  # IFLA_IFNAME, _MASTER, _PROTINFO, _LINKINFO
_SLAVE_DATA, _ISOLATED = 5, 33  # IFLA_INFO_SLAVE_DATA, IFLA_BRPORT_ISOLATED


def isolate(kernel: netlink.Socket, interface: str, changes: Changes, note: Path) -> None:
    """Isolate the ports of a bridge that are not; each is noted before. Where `interface` is no bridge, do nothing."""
    bridge = struct.pack("=I", socket.if_nametoindex(interface))
    for body in kernel.dump(_GET_LINK, _IFINFO.pack(0, 0, 0, 0, 0, 0)):
        found = netlink.attributes(body, _IFINFO.size)
        if found.get(_MASTER) != bridge or _is_isolated(found):
            continue
        name = found.get(_NAME, b"").rstrip(b"\0").decode("ascii", "replace")
        if name not in changes.ports:
            changes.ports.append(name)
            noted.save(note, changes)
        _port(kernel, name, isolated=True)


def isolate_newcomers(zones: Iterable[Zone], note: Path) -> None:
    """Isolate the ports that came since the set-up, or came again: a radio's networks, a cable plugged in."""
    changes = noted.load(note)
    with netlink.Socket(netlink.ROUTE) as kernel:
        for zone in zones:
            if zone.isolation:
                isolate(kernel, zone.interface, changes, note)


def take_back(kernel: netlink.Socket, changes: Changes) -> None:
    """Let the ports that were isolated reach each other again."""
    for name in changes.ports:
        with suppress(OSError):  # it is gone, or no port any more
            _port(kernel, name, isolated=False)


def _is_isolated(link: dict[int, bytes]) -> bool:
    port = netlink.attributes(netlink.attributes(link.get(_INFO, b"")).get(_SLAVE_DATA, b""))
    return port.get(_ISOLATED) == b"\1"


def _port(kernel: netlink.Socket, name: str, *, isolated: bool) -> None:
    head = _IFINFO.pack(_AF_BRIDGE, 0, 0, socket.if_nametoindex(name), 0, 0)
    kernel.request(_SET_LINK, head + netlink.nested(_PORT, attribute(_ISOLATED, bytes([isolated]))))
