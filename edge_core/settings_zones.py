# SPDX-License-Identifier: EUPL-1.2
"""The zones of a gateway: [lan] is the first, each [[zone]] a further one, and none may collide."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from edge_core.settings_sections import Lan, Zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_core.settings_sections import AccessPoint

FIRST = "main"
"""Id of the zone that [lan] describes."""
_ROOM_FOR_OWE = 11  # of 15 characters, "-owe" takes four
NEEDS = ("interface", "ipv4", "dhcp_range")


def all_of(lan: Lan, further: Sequence[Zone], *, isolation: bool) -> tuple[Zone, ...]:
    """Return the zones of a gateway, the one of [lan] first; none where [lan] names no interface."""
    if not lan.interface:
        return ()
    first = {each.name: getattr(lan, each.name) for each in fields(Lan)}
    return tuple(_settled(zone, isolation=isolation) for zone in (Zone(id=FIRST, **first), *further))


def label(zone: Zone) -> str:
    """Return how the configuration calls a zone's section."""
    return "lan" if zone.id == FIRST else f"zone {zone.id}"


def collisions(zones: Sequence[Zone], outside: Sequence[str]) -> Iterator[tuple[Zone, str, str, str]]:
    """Yield (zone, key, what is wrong, remedy) of what can't be; `outside` are the uplinks' interfaces."""
    for number, zone in enumerate(zones):
        yield from ((zone, *found) for found in _alone(zone))
        if zone.interface in outside:
            yield zone, "interface", f"is {zone.interface!r}, an uplink's too", "Guests need one of their own."
        for other in zones[:number]:
            if zone.id == other.id:
                yield zone, "id", f"is {zone.id!r}, another zone's too", "Give each zone an id of its own."
            if zone.interface == other.interface:
                yield zone, "interface", f"is zone {other.id!r}'s too", "Give each zone an interface of its own."
            for key in ("ipv4", "ipv6"):
                one, two = getattr(zone, key), getattr(other, key)
                if one and two and one.network.overlaps(two.network):
                    yield zone, key, f"overlaps zone {other.id!r}'s {two.network}", "Give each zone its own network."


def radio(own: AccessPoint, zones: Sequence[Zone], outside: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (key, what is wrong, remedy) of what can't be of an own access point."""
    if not own.interface:
        return
    yield from (
        (key, "is missing", "An access point needs it.") for key in ("ssid", "country") if not getattr(own, key)
    )
    if own.owe and len(own.interface) > _ROOM_FOR_OWE:
        yield "interface", f"is {own.interface!r}", f"Its name may have {_ROOM_FOR_OWE} characters, or set owe = false."
    if own.zone not in {zone.id for zone in zones}:
        yield "zone", f"is {own.zone!r}, which is none", f"There are: {', '.join(zone.id for zone in zones) or 'none'}."
    if own.interface in {*outside, *(zone.interface for zone in zones)}:
        remedy = "The zone's interface is a bridge of another name, such as br0; it is made where it is missing."
        yield "interface", f"is {own.interface!r}, another's interface", remedy


def _alone(zone: Zone) -> Iterator[tuple[str, str, str]]:
    if zone.id != FIRST:
        yield from ((key, "is missing", "A zone needs it.") for key in NEEDS if not getattr(zone, key))
    if zone.vlan and not zone.interface.endswith(f".{zone.vlan}"):
        yield "vlan", f"is {zone.vlan}, and the interface {zone.interface!r}", f"Name it like 'eth1.{zone.vlan}'."
    if not zone.ipv4 or not zone.dhcp_range:
        return
    first, last = zone.dhcp_range
    if first not in zone.ipv4.network or last not in zone.ipv4.network:
        yield "dhcp_range", f"lies outside {zone.ipv4.network}", "Give addresses of that network."
    if first <= zone.ipv4.ip <= last:
        yield "dhcp_range", f"holds the gateway's own {zone.ipv4.ip}", "Leave that address out."


def _settled(zone: Zone, *, isolation: bool) -> Zone:
    if zone.isolation is not None:
        return zone
    return replace(zone, isolation=isolation)
