# SPDX-License-Identifier: EUPL-1.2
"""By which access point a device came: the bridge port where its MAC was learned (rtnetlink(7), bridge(8) fdb).

Known only where the guests' interface is a bridge of this box with a port for each access point. A port is named by
its alias (`ip link set PORT alias NAME`), else by its own name.
"""

from __future__ import annotations

import re
import socket
import struct
from pathlib import Path

from edge_core import netlink

_GET_NEIGHBOURS = 30  # RTM_GETNEIGH
_BRIDGE_FAMILY = 7  # AF_BRIDGE
_NDMSG = struct.Struct("=BBHiHBB")
_LINK_ADDRESS, _MASTER = 2, 9  # NDA_*
_LOCAL = 0x80  # NUD_PERMANENT: the bridge's own addresses
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_CLASS = Path("/sys/class/net")


def is_bridge(interface: str) -> bool:
    """Tell whether an interface is a bridge."""
    return (_CLASS / interface / "bridge").exists()


def learned(interface: str) -> dict[str, str]:
    """Return the access point of each MAC that the bridge has learned; none where it is no bridge. Raises OSError."""
    if not is_bridge(interface):
        return {}
    bridge = socket.if_nametoindex(interface)
    question = _NDMSG.pack(_BRIDGE_FAMILY, 0, 0, 0, 0, 0, 0) + netlink.attribute(_MASTER, struct.pack("=I", bridge))
    with netlink.Socket(netlink.ROUTE) as kernel:
        bodies = kernel.dump(_GET_NEIGHBOURS, question)
    names: dict[int, str] = {}
    found: dict[str, str] = {}
    for body in bodies:
        if len(body) < _NDMSG.size:
            continue
        _, _, _, port, state, _, _ = _NDMSG.unpack_from(body)
        parts = netlink.attributes(body, _NDMSG.size)
        link = parts.get(_LINK_ADDRESS, b"")
        if len(link) != 6 or state & _LOCAL or parts.get(_MASTER) != struct.pack("=I", bridge):
            continue
        found[link.hex(":")] = names.get(port) or names.setdefault(port, _name(port))
    return found


def _name(port: int) -> str:
    """Return a port's alias, or its name; what isn't an identifier of the contract is made one."""
    try:
        interface = socket.if_indextoname(port)
        alias = (_CLASS / interface / "ifalias").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return f"port-{port}"
    wanted = alias or interface
    return wanted if _NAME.fullmatch(wanted) else "ap-" + re.sub(r"[^A-Za-z0-9._-]", "-", wanted)[:56]
