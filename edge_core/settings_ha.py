# SPDX-License-Identifier: EUPL-1.2
"""The settings of two gateways that stand in for each other: how their values are read, and what can't be."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from edge_core.settings_parse import whole

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEPS = "milliseconds from 50 to 40000, in steps of 10"


def ipv4_address(raw: Any) -> ipaddress.IPv4Address:
    """Accept the IPv4 address of another host."""
    try:
        value = ipaddress.IPv4Address(raw if isinstance(raw, str) else "")
    except ValueError:
        raise ValueError('an IPv4 address, such as "192.0.2.12"') from None
    if value.is_multicast or value.is_loopback or value.is_unspecified:
        raise ValueError("the address of another host")
    return value


def router_id(raw: Any) -> int:
    """Accept the number of a virtual router (RFC 9568 section 5.2.3)."""
    return whole(raw, 1, 255, "a number from 1 to 255")


def milliseconds(raw: Any) -> int:
    """Accept an interval of VRRP: hundredths of a second, of which it can say 4095 (RFC 9568 section 5.2.7)."""
    value = whole(raw, 50, 40_000, _STEPS)
    if value % 10:
        raise ValueError(_STEPS)
    return value


def pair(settings: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (key, what is wrong, remedy) of what can't be of a pair of gateways."""
    if settings.ha.peer is None:
        if settings.ha.interface:
            yield "peer", "is missing", "peer and interface go together."
        return
    if not settings.ha.interface:
        yield "interface", "is missing", "peer and interface go together."
    if settings.ha.interface in {zone.interface for zone in settings.zones}:
        yield "interface", "is a guests' one", "Any guest could take the gateway's place there: name another link."
    if any(settings.ha.peer in zone.ipv4.network for zone in settings.zones if zone.ipv4):
        yield "peer", "is in a guests' network", "Give its address on the link between the two gateways."
    if not settings.site.gateway_key:
        yield "peer", "is set, and [site] gateway_key is not", "The two share sessions by that key: name its file."
