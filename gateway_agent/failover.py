# SPDX-License-Identifier: EUPL-1.2
"""Leads the gateway's traffic out by the second uplink and back: alone changes routes, and only its own.

The second uplink's default route, whoever made it, is repeated ahead of the first's; taking that copy away leads back.
Flows that are masqueraded behind the uplink that was left are deleted, so that guests' systems begin anew at once.
"""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import suppress

from edge_core import netlink
from edge_core.netlink import attribute

_NEW, _DELETE, _GET = 24, 25, 26  # RTM_*ROUTE
_RTMSG = struct.Struct("=8BI")  # family, destination's length, source's, tos, table, protocol, scope, type, flags
_MAIN, _OURS = 254, 157  # RT_TABLE_MAIN, and a protocol number that no routing daemon has
_OIF, _GATEWAY, _METRIC = 4, 5, 6  # RTA_*
_FAMILIES = ((socket.AF_INET, 0), (socket.AF_INET6, 1))
"""With each family the metric that wins: IPv4 prefers the newest of equals, IPv6 knows no 0."""


def lead(interface: str) -> bool:
    """Put the default routes of `interface` ahead of all others, or with "" none; return whether anything changed."""
    changed = False
    index = _index(interface)
    with netlink.Socket(netlink.ROUTE) as kernel:
        for family, metric in _FAMILIES:
            routes = [_Route(body) for body in kernel.dump(_GET, _RTMSG.pack(family, *[0] * 8))]
            defaults = [route for route in routes if route.default]
            ours = [route for route in defaults if route.protocol == _OURS]
            others = [route for route in defaults if route.protocol != _OURS and route.out == index and index]
            wanted = {route.gateway for route in others[:1]}
            for route in ours:
                if route.out != index or route.gateway not in wanted:
                    changed = _send(kernel, _DELETE, family, route, metric) or changed
            kept = {route.gateway for route in ours if route.out == index}
            for route in others[:1]:
                if route.gateway not in kept:
                    changed = _send(kernel, _NEW, family, route, metric) or changed
    return changed


def leads(interface: str) -> bool:
    """Tell whether traffic is led out by `interface`, by this process or one before it."""
    index = _index(interface)
    with netlink.Socket(netlink.ROUTE) as kernel:
        for family, _ in _FAMILIES:
            routes = (_Route(body) for body in kernel.dump(_GET, _RTMSG.pack(family, *[0] * 8)))
            if index and any(one.default and one.protocol == _OURS and one.out == index for one in routes):
                return True
    return False


class _Route:
    """What matters here of a route of the kernel."""

    def __init__(self, body: bytes) -> None:
        _, length, _, _, table, self.protocol, self.scope, kind, _ = _RTMSG.unpack_from(body)
        found = netlink.attributes(body, _RTMSG.size)
        self.default = length == 0 and table == _MAIN and kind == 1  # RTN_UNICAST
        self.out = struct.unpack("=I", found[_OIF])[0] if _OIF in found else 0
        self.gateway = found.get(_GATEWAY, b"")


def _send(kernel: netlink.Socket, kind: int, family: int, route: _Route, metric: int) -> bool:
    body = _RTMSG.pack(family, 0, 0, 0, _MAIN, _OURS, route.scope, 1, 0) + attribute(_OIF, struct.pack("=I", route.out))
    if route.gateway:
        body += attribute(_GATEWAY, route.gateway)
    if metric:
        body += attribute(_METRIC, struct.pack("=I", metric))
    try:
        kernel.request(kind, body, netlink.CREATE if kind == _NEW else 0)
    except netlink.NetlinkError as error:
        if error.errno not in (errno.ESRCH, errno.EEXIST, errno.ENETUNREACH):
            raise
        return False
    return True


def _index(interface: str) -> int:
    with suppress(OSError):
        return socket.if_nametoindex(interface) if interface else 0
    return 0
